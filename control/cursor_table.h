// SPDX-License-Identifier: BSD-3-Clause
//
// The cursor table: every cursor of every client that this server knows of, its own and those of other
// servers. One thread writes it; every core looks cursors up in it without locks.
//
//   control --merge, remove, expire--> [ buckets ]-->( slot )--( slot )      find <-- any core
//                                                        \________/
//                                                   [ row of the client ]
//
// - A *slot* is a cursor: two cache lines, in huge pages. A *row* is what all cursors of a client have in
//   common: instance, connection tag, address, rights. A row lives as long as one of its slots.
// - What changes in a slot or row changes in place, as a cell (cell.h): an acknowledgement needs no grace
//   period, and a reader gets a whole entry and waits for nobody.
// - What is removed is unpublished at once and lies on a list until cursor_table_reclaim() finds that the
//   readers have gone on. Until then it takes its place: a table is full with its cursors, tombstones and these.
// - Entries are merged by the rule of cursor.h. Of a client's facts the higher instance holds, and of one
//   instance what came last with an entry that was not older.
// - Walks go by home, by client and by slot, in an order that depends on what was done to the table only.
//   Tombstones are in no walk but the one by slot that asks for them.
//
// Owner and writer: control. Limits: set at creation; the table never grows, and what finds no room is
// refused and counted. Keys come from clients, so the hash has a seed: random where clients are not trusted.
#ifndef CONTROL_CURSOR_TABLE_H
#define CONTROL_CURSOR_TABLE_H

#include "control/cursor.h"
#include "control/reclaim.h"

#define CURSOR_TABLE_MAX	(1u << 27)   // cursors or clients
#define CURSOR_TABLE_RECLAIM_NS 100000000ull // between two grace periods, at least

struct cursor_table; // opaque

struct cursor_table_config {
	uint32_t cursors_max; // with tombstones and what waits for the readers; 1..CURSOR_TABLE_MAX
	uint32_t clients_max; // 1..CURSOR_TABLE_MAX
	uint64_t seed;	      // of the hash
	bool huge;	      // from huge pages, where there are enough
	int node;	      // preferred; -1: any
	struct reclaim reclaim;
};

// What became of an entry.
enum cursor_verdict {
	CURSOR_INSERTED,     // a cursor that was not known
	CURSOR_MOVED,	     // a higher cursor epoch: another home, or anew
	CURSOR_ACKED,	     // the same, acknowledged further
	CURSOR_LAPSED,	     // the same, served by nobody now: as a rule its client fell silent
	CURSOR_BURIED,	     // is a tombstone now
	CURSOR_SAME,	     // heard again, nothing new
	CURSOR_OLDER,	     // ignored: what is held is above it
	CURSOR_CONTRADICTED, // ignored: another home claims the same cursor epoch
	CURSOR_FULL	     // refused: no room for a new cursor or client
};

// Numbers, each written by control and read by any thread. Those of verdicts are in their order.
#define CURSOR_TABLE_COUNTERS(X)                                                                   \
	X(inserted, "entries of cursors that were not known")                                      \
	X(moved, "entries with a higher cursor epoch")                                             \
	X(acked, "entries that acknowledge further")                                               \
	X(lapsed, "entries that say that nobody serves a cursor now")                              \
	X(buried, "entries that made a tombstone")                                                 \
	X(same, "entries that say what is known")                                                  \
	X(older, "entries below what is held, ignored")                                            \
	X(contradicted, "entries with the cursor epoch of another home, ignored")                  \
	X(full, "entries refused: no room")                                                        \
	X(full_clients, "... of these for want of a row for their client")                         \
	X(instance_older, "entries whose client facts are of an older process, not taken")         \
	X(removed, "cursors and tombstones removed by name")                                       \
	X(expired, "cursors and tombstones that were not heard of for too long")                   \
	X(excuses,                                                                                 \
	  "times that nobody listened: what was heard of before is held that much longer")         \
	X(reclaimed, "slots freed after the readers had gone on")                                  \
	X(grace_periods, "times that readers were waited for")                                     \
	X(cursors, "cursors now")                                                                  \
	X(tombstones, "tombstones now")                                                            \
	X(clients, "clients with a row now")                                                       \
	X(retired, "slots that wait for the readers now")

enum cursor_table_counter {
#define X(name, help) CURSOR_TABLE_##name,
	CURSOR_TABLE_COUNTERS(X)
#undef X
	CURSOR_TABLE_COUNTERS_COUNT
};

struct cursor_table_bytes {
	uint64_t slots;	  // cursors, with the hash table's node in each
	uint64_t rows;	  // clients, with control's index of them
	uint64_t buckets; // of the hash table
	uint64_t homes;	  // lists by home
};

// NULL with errno: EINVAL (limits), ENOMEM, or one of pages_map(). Slow: touches all its memory.
struct cursor_table *cursor_table_create(const struct cursor_table_config *config);

// Thread: at rest, no reader is left.
void cursor_table_destroy(struct cursor_table *table);

// What a table of these limits takes.
struct cursor_table_bytes cursor_table_bytes(const struct cursor_table_config *config);

// Whether slots and rows lie in huge pages set aside.
bool cursor_table_is_huge(const struct cursor_table *table);

uint64_t cursor_table_counter(const struct cursor_table *table, enum cursor_table_counter which);
const char *cursor_table_counter_name(enum cursor_table_counter which);

// ---- one cursor ------------------------------------------------------------------------------------

// The cursor of a key, tombstones too; false if there is none. *out is a copy, whole as of one moment for
// the cursor and one for its client. Thread: any that is registered with RCU and online; control need not
// be, since nobody else takes away what it looks at.
bool cursor_table_find(const struct cursor_table *table, const struct cursor_key *key,
		       struct cursor *out);

// The same without what belongs to the client: instance, connection, address, rights and client_heard_ns
// are 0. One miss of the caches less: for cores. Thread: as find().
bool cursor_table_find_position(const struct cursor_table *table, const struct cursor_key *key,
				struct cursor *out);

#define CURSOR_TABLE_BURST 32

// Several of these at once, at most CURSOR_TABLE_BURST: they wait for memory together. Bit i of the answer:
// keys[i] was found and is in out[i]. Thread: as find().
uint32_t cursor_table_find_burst(const struct cursor_table *table, const struct cursor_key *keys,
				 uint32_t count, struct cursor *out);

// Hear an entry: of the wire, or this server's own. rights, heard_ns and client_heard_ns of it are not
// looked at. Thread: control.
enum cursor_verdict cursor_table_merge(struct cursor_table *table, const struct cursor *entry,
				       uint64_t now_ns);

// Forget a cursor, also its tombstone: an older entry may bring it back. For an end that should hold,
// merge an entry with GODWIT_CURSOR_TOMBSTONE. False if there is none. Thread: control.
bool cursor_table_remove(struct cursor_table *table, const struct cursor_key *key);

// What this client may do, as find() tells it, until its last cursor goes. False if it has none.
// Thread: control.
bool cursor_table_set_rights(struct cursor_table *table, uint64_t client, uint32_t rights);

// ---- walks: thread control -------------------------------------------------------------------------
//
//   for (i = cursor_table_home_first(t, home); i != 0; i = next) {
//           next = cursor_table_home_next(t, i);
//           cursor_table_at(t, i, &cursor);
//           ... may remove, bury or move this cursor, but no other of the walk
//   }
//
// An index is good until its cursor is removed.

// The cursors whose home is this server, in the order in which they came there.
uint32_t cursor_table_home_first(const struct cursor_table *table, uint16_t home);
uint32_t cursor_table_home_next(const struct cursor_table *table, uint32_t index);
uint32_t cursor_table_home_count(const struct cursor_table *table, uint16_t home); // thread: any
// Of these, those that are served: not lapsed. Thread: any.
uint32_t cursor_table_home_live(const struct cursor_table *table, uint16_t home);

// The cursors of a client.
uint32_t cursor_table_client_first(const struct cursor_table *table, uint64_t client);
uint32_t cursor_table_client_next(const struct cursor_table *table, uint32_t index);

void cursor_table_at(const struct cursor_table *table, uint32_t index, struct cursor *out);

// A walk by slot that goes on over any change: what was there all the time is met once.
struct cursor_page {
	uint32_t next;	 // 0 to begin; 0 again: the walk is over
	uint16_t home;	 // only of this home; 0: all
	bool tombstones; // them too
};

// The next cursors, at most `max`, from at most `slots` slots looked at. Returns how many; there may be
// none on the way. At the end page->next is 0.
uint32_t cursor_table_page(const struct cursor_table *table, struct cursor_page *page,
			   struct cursor *out, uint32_t max, uint32_t slots);

// ---- ageing: thread control ------------------------------------------------------------------------

struct cursor_expiry {
	uint64_t cursor_ns;    // what was not heard of for longer goes: cursors
	uint64_t tombstone_ns; // ... and tombstones: longer than any entry may be late
};

// Look at the next `slots` slots, round and round, and remove what is too old. Returns how many.
uint32_t cursor_table_expire(struct cursor_table *table, const struct cursor_expiry *expiry,
			     uint64_t now_ns, uint32_t slots);

// Nobody listened until now: what was heard of before counts as heard of now. Counted.
void cursor_table_excuse(struct cursor_table *table, uint64_t now_ns);

// Free what was removed before the readers were last waited for, if they have gone on. Where nobody is waited for,
// begin with all that was removed by now; not if that is nothing, or if the last time was less than
// CURSOR_TABLE_RECLAIM_NS ago. Returns how many slots were freed. Does not block: while a reader hangs, what was
// removed keeps its place.
uint32_t cursor_table_reclaim(struct cursor_table *table, uint64_t now_ns);

#endif
