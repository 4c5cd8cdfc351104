// SPDX-License-Identifier: BSD-3-Clause
//
// Where received datagrams wait: slots of one datagram each, in two lists of a subscription.
//
//	ready   in order, without a hole: what the application pulls next. Also holds the notices
//		that must be seen between two messages (SUBSCRIBED, GAP, SESSION).
//	stash   what came before something earlier, ascending by where it begins.
//
//	  ... taken | ready ........ covered |   hole   | stash | hole | stash ... edge
//
// Slots are allocated on demand, kept in the pool and used again. The window's edge bounds them:
// every slot that the stash takes holds at least one sequence that no other holds, and nothing
// above the edge is taken.
//
// Invariants of the stash: no slot lies wholly in another, so both ends ascend; the first begins
// above covered + 1.
//
// Owner: one core. Limits: none of its own.
#ifndef CLIENT_STASH_H
#define CLIENT_STASH_H

#include <stdalign.h>

#include <godwit/client.h>

struct client_slot {
	struct client_slot *next;
	struct client_slot *prev;
	uint64_t from; // covers [from, to]
	uint64_t to;
	uint64_t above; // ready: messages up to here were delivered from another slot
	uint64_t session;
	uint64_t time_ns;    // ingest time of the first record
	uint64_t generation; // of the subscription's history
	uint32_t epoch;
	uint32_t length; // of bytes
	uint16_t count;	 // records
	bool filtered;	 // bytes begin with `count` distances
	bool notice;	 // bytes hold a struct godwit_event
	alignas(8) uint8_t bytes[];
};

struct client_list {
	struct client_slot *head;
	struct client_slot *tail;
};

struct client_pool {
	struct client_slot *free;
	uint64_t slots;	     // that exist, free or not
	uint32_t slot_bytes; // room in each
};

struct client_stash {
	struct client_list list;
	struct client_slot *hint; // the last one inserted: repairs come in runs
};

// slot_bytes: at least sizeof(struct godwit_event).
void client_pool_init(struct client_pool *pool, uint32_t slot_bytes);

// A slot, its fields undefined, the caller's until client_pool_put. NULL: out of memory.
struct client_slot *client_pool_get(struct client_pool *pool);
void client_pool_put(struct client_pool *pool, struct client_slot *slot);

// Frees the slots that are in the pool: all of them, once the lists are empty.
void client_pool_fini(struct client_pool *pool);

void client_list_append(struct client_list *list, struct client_slot *slot);
void client_list_remove(struct client_list *list, struct client_slot *slot);

// Whether each sequence of [first, last] lies in the stash. Walks from the end: cheap for what came
// last.
bool client_stash_holds(const struct client_stash *stash, uint64_t first, uint64_t last);

// Inserts slot [from, to]; slots that lie wholly in it go back to the pool. The caller asked
// client_stash_holds first.
void client_stash_insert(struct client_stash *stash, struct client_pool *pool,
			 struct client_slot *slot);

// The first slot if it begins at or below `from`, removed; else NULL.
struct client_slot *client_stash_take(struct client_stash *stash, uint64_t from);

// Empties the stash of slots that reach above seq.
void client_stash_cut(struct client_stash *stash, struct client_pool *pool, uint64_t seq);

// The holes of (low, high], at most `max`, ascending: what neither lies at or below `low` nor in
// the stash. Returns their number. *more: whether there are others above these.
uint32_t client_stash_holes(const struct client_stash *stash, uint64_t low, uint64_t high,
			    struct godwit_range *ranges, uint32_t max, bool *more);

#endif
