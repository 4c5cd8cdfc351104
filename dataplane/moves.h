// SPDX-License-Identifier: BSD-3-Clause
//
// Moves: what a core does for cursors that change their home, as control orders it.
//
//   OFFER    a client of another server is offered a home here: TAKE goes to its last known address, at most
//            three times, half an interval apart. The slot that holds handle and key is the client's own, or a
//            new one that is `offered`: it gets no heartbeats and no data, and closes without a word when its
//            last offer is gone.
//
//      OFFER -> TAKE -+- RESUME under handle and key: the address is proved; the subscription opens (taken)
//                     +- ACK entry KEEP: gone, control is told the client's epoch
//                     +- ACK entry HELD: TAKE is not repeated, control is told; RESUME or silence follows
//                     +- nothing for the lapse time: gone
//
//   DROP     a subscription whose cursor has a higher epoch elsewhere closes, and nobody is told
//   MIGRATE  the client is asked, each interval, to RESUME at another server of the list
//   PROBE    an address is asked for a peer: a reply that fits goes to control
//
// And the other way: a client with subscriptions that was silent for interval x multiplier is told to control
// as suspect, once a silence, and as back when it is heard again. A core whose own turn was late by an interval
// suspects nobody for the next one: what waits in its queues comes first.
//
// Owner: one core. Limits: MOVES_OFFERS offers and MOVES_PROBES probes at a time, no allocation; more offers
// are refused with a notice, an older probe makes room.
#ifndef DATAPLANE_MOVES_H
#define DATAPLANE_MOVES_H

#include <stdbool.h>
#include <stdint.h>

#include <godwit/types.h>

#define MOVES_OFFERS 4096 // a power of two
#define MOVES_PROBES 64	  // a power of two
#define MOVES_TAKES  3	  // of one offer
#define MOVES_NOTICES                                                                              \
	64 // of answers to offers and probes, a millisecond; more are counted and dropped

struct core;
struct core_command;
struct client;
struct datagram;
struct godwit_ack_entry;

struct offer {
	uint32_t client; // slot
	uint32_t subscription;
	uint64_t tag, cursor_epoch;
	uint64_t until_ns; // then it is gone
	uint64_t due_ns;   // next TAKE, or look
	uint32_t next;	   // FIFO of all, or free list
	uint32_t next_of_client;
	uint8_t takes; // sent
	uint8_t reason;
	bool by_home, held, gone;
};

struct probe {
	uint64_t tag, nonce, at_ns; // at_ns 0: free
	struct godwit_address address;
};

struct moves {
	struct offer *offers;
	uint32_t offer_free, offer_count;
	uint32_t offer_head, offer_tail; // by due_ns, ascending
	struct probe probes[MOVES_PROBES];
	uint32_t probe_next;
	uint64_t notices_at_ms; // the millisecond that notices_count is of
	uint32_t notices_count;
};

// 0 or -ENOMEM. Thread: control.
int moves_create(struct moves *moves);
void moves_destroy(struct moves *moves);

// The commands. Thread: the core.
void moves_offer(struct core *core, const struct core_command *command);
void moves_drop(struct core *core, const struct core_command *command);
void moves_migrate(struct core *core, const struct core_command *command);
void moves_probe(struct core *core, const struct core_command *command);

// Offers whose time has come, a budget a turn. Returns how many were looked at. Thread: the core.
uint32_t moves_burst(struct core *core);

// The epoch offered to this subscription if the RESUME names it; 0 otherwise. Either way the offer is answered.
uint64_t moves_take(struct core *core, struct client *client, uint32_t subscription,
		    uint64_t offer_epoch);
// An ACK entry with KEEP or HELD.
void moves_answer(struct core *core, struct client *client, const struct godwit_ack_entry *entry);
// A client's slot closes: its offers are gone.
void moves_forget(struct core *core, const struct client *client);
// A PROBE_REPLY came.
void moves_probe_reply(struct core *core, const struct datagram *datagram);
// A subscription whose client is to go elsewhere: ask it, at most once an interval.
struct subscription;
void moves_ask(struct core *core, struct subscription *s, bool now);

#endif
