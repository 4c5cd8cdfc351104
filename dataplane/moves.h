// SPDX-License-Identifier: BSD-3-Clause
//
// Moves: what a core does for cursors that change their home, as control orders it.
//
//   OFFER    a client of another server is offered a home here: TAKE goes to its last known address, at most
//            three times, half an interval apart, the second one after 100 ms at the latest. The slot that holds
//            handle and key is the client's own, or a new one that is `offered`: it gets no heartbeats and no data,
//            and closes without a word when its last offer is gone.
//
//      OFFER -> TAKE -+- RESUME under handle and key: the address is proved; the subscription opens (taken)
//                     +- ACK entry KEEP: gone, control is told the client's epoch
//                     +- ACK entry HELD: TAKE is not repeated, control is told; RESUME or silence follows
//                     +- nothing for the lapse time: gone
//
//   DROP     a subscription whose cursor has a higher epoch elsewhere closes, and nobody is told
//   MIGRATE  the client is asked, each interval, to RESUME at another server of the list. Of a cursor that is not
//            here it is said again that it ended: the entry that said so was lost
//   PROBE    an address is asked for a peer: a reply that fits goes to control
//
// And the other way: a client with subscriptions that was silent for interval x multiplier is told to control
// as suspect, once a silence, and as back when it is heard again. A core whose own turn was late by an interval
// suspects nobody for the next one: what waits in its queues comes first.
//
// A TAKE that the port did not take, or whose way is not known yet, is tried again at once, not half an interval
// later: that would be the pace of a takeover. The place of an offer is free when it is answered or over.
//
// Owner: one core. Limits: moves_offers() offers and MOVES_PROBES probes at a time, no allocation; more offers
// are refused with a notice, an older probe makes room.
#ifndef DATAPLANE_MOVES_H
#define DATAPLANE_MOVES_H

#include <stdbool.h>
#include <stdint.h>

#include <godwit/types.h>

#define MOVES_OFFERS_MIN 4096 // a client can have many subscriptions
#define MOVES_OFFERS_MAX 65536
#define MOVES_PROBES	 64 // a power of two
#define MOVES_TAKES	 3  // of one offer
#define MOVES_UNSENT_NS	 1000000
#define MOVES_ONCE_NS	 100000000ull
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
	uint32_t next;	   // of its list, or of the free ones
	uint32_t before;   // of its list
	uint32_t next_of_client;
	uint8_t takes; // sent
	uint8_t reason;
	uint8_t list; // enum moves_list
	bool by_home, held;
};

enum moves_list {     // each with its own pace, and so by due_ns, ascending
	MOVES_SENT,   // half an interval
	MOVES_ONCE,   // MOVES_ONCE_NS: the first TAKE was sent, and half an interval is longer
	MOVES_UNSENT, // MOVES_UNSENT_NS: no TAKE could be sent
	MOVES_LISTS
};

struct moves_ends {
	uint32_t head, tail;
};

struct probe {
	uint64_t tag, nonce, at_ns; // at_ns 0: free
	struct godwit_address address;
};

struct moves {
	struct offer *offers;
	uint32_t offer_free, offer_count;
	struct moves_ends lists[MOVES_LISTS];
	struct probe probes[MOVES_PROBES];
	uint32_t probe_next;
	uint64_t notices_at_ms; // the millisecond that notices_count is of
	uint32_t notices_count;
};

// How many offers a core of so many clients can have at a time.
uint32_t moves_offers(uint32_t clients_max);

// For so many offers. 0 or -ENOMEM. Thread: control.
int moves_create(struct moves *moves, uint32_t offers);
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
// Whether control may be told of one more answer in this millisecond; if so, it is counted. What strangers can
// make us say is bounded, so that it never crowds out the rest.
bool moves_may_notify(struct core *core);
// A PROBE_REPLY came.
void moves_probe_reply(struct core *core, const struct datagram *datagram);
// A subscription whose client is to go elsewhere: ask it, at most once an interval.
struct subscription;
void moves_ask(struct core *core, struct subscription *s, bool now);

#endif
