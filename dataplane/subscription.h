// SPDX-License-Identifier: BSD-3-Clause
//
// A subscription: one client's interest in one stream, with its cursor, its ring, its place in the
// hand-over between dispatchers, and its repairs. A client: a proved address with a handle.
//
//   SUBSCRIBE/RESUME at k
//        |                        what is left fits half the ring: join at A
//        v                                   |
//   CATCHING_UP  (temporary dispatcher from k, ring takes >= A once joined, it stops at A)
//        |  reached A: it retires            |  ring full at D
//        v                                   v
//      LIVE  ------- ring full at D ---> LAGGING (what is queued drains, then a temporary
//        ^                                 |      dispatcher starts at D: CATCHING_UP)
//        +---------------------------------+
//   any -> CLOSED: unsubscribed, replaced, lapsed, truncated, fenced, shutdown
//
// Owner: one core; no other thread looks at either. Both lie in pools taken at core_create.
#ifndef DATAPLANE_SUBSCRIPTION_H
#define DATAPLANE_SUBSCRIPTION_H

#include <godwit/wire.h>

#include "dataplane/client_ring.h"
#include "dataplane/stream.h"
#include "dataplane/tx.h"
#include "dataplane/wheel.h"

#define NONE UINT32_MAX

enum subscription_state {
	SUBSCRIPTION_FREE,
	SUBSCRIPTION_CATCHING_UP,
	SUBSCRIPTION_LIVE,
	SUBSCRIPTION_LAGGING,
};

// The temporary dispatcher of a subscription: reads the log from `place` up to `stop`, then retires.
struct temporary {
	struct place place; // next to read
	struct mark stop;   // last sequence before the join position A; seq UINT64_MAX: not joined
	bool active;
};

// A NAK being served: a temporary dispatcher bounded by its range.
struct repair {
	uint64_t last; // inclusive; 0: none is being served here
	uint64_t next; // to be covered next
	struct place place;
};

struct nak_seen { // a range is resent at most once a millisecond
	uint64_t first;
	uint32_t span;	// last - first, its low half
	uint32_t at_us; // low half
};

// Bytes 8 to 31 of a DATA.
struct subscription_own {
	struct godwit_be64 tag, cursor_epoch, session;
};
static_assert(offsetof(struct godwit_data, tag) == 8 &&
		      offsetof(struct godwit_data, session) == 24 &&
		      sizeof(struct subscription_own) == 24,
	      "copied as one piece");

struct subscription {
	// looked at for each packet
	uint32_t index; // in the core's pool
	uint32_t client;
	uint8_t state;	      // enum subscription_state
	uint8_t on_list;      // enum ready_list: which ready list it is on
	bool joined;	      // member of the live dispatcher's set
	bool coverage_due;    // filtered: say what is covered even without a match
	bool first_due;	      // it came from another home: control is told of its first message
	uint16_t came_from;   // that home, a server id
	uint32_t filter;      // class; FILTER_NONE: whole
	uint32_t records_max; // bytes of records in one packet to this client
	struct stream *stream;
	uint32_t own_sum;	     // of `own`: ones-complement
	struct subscription_own own; // as it stands in each of its packets
	uint64_t tag, cursor_epoch;
	uint64_t next;	     // next sequence to send (whole) or to cover (filtered)
	uint64_t sent;	     // highest sequence covered by DATA in this cursor epoch
	uint64_t edge;	     // window edge
	uint64_t expect;     // first sequence that the live dispatcher is to queue next
	uint64_t dropped_at; // D, while LAGGING
	struct temporary temporary;
	uint32_t ready_next;		   // ready list
	uint32_t member_prev, member_next; // live set: whole, or of the filter class
	uint32_t quiet_prev, quiet_next;   // live set: all filtered
	uint32_t repairs_active;
	struct repair repairs[GODWIT_NAK_RANGES];
	struct client_ring ring;
	// cold
	uint32_t number; // the client's
	uint32_t next_of_client;
	uint32_t window; // messages: the client's first statement, for quarter windows
	uint32_t datagram;
	uint64_t start; // first sequence of this cursor epoch
	struct godwit_identifier
		acked;	   // its session is the subscription's, whatever the stream's is by now
	uint64_t heard_ns; // last request or ACK entry for it
	struct nak_seen naks[GODWIT_NAK_RANGES];
	uint32_t nak_slot;
	uint64_t stuck_first, stuck_since_ns; // the gap that repairs do not close
	uint32_t stuck_count;
	bool path_cut, acked_once;
	uint8_t policy;
	uint8_t migrate_reason;
	uint32_t request, attempt; // of the answer, for repeats
	uint16_t answer;
	uint8_t migrate_to;	// the client is asked to go there: entry of the server's list + 1
	bool cursor_due;	// its cursor moved since it was announced
	uint32_t migrate_at_ms; // when the client was asked last, low half
	uint64_t answer_earliest, answer_commit;
	uint32_t answer_epoch; // of the sequence before `start`
	uint32_t cursor_at_ms; // when its cursor was announced last, low half
};

struct client {
	uint32_t index; // slot
	bool open;
	bool offered; // made for an offer: its address is not proved, and it gets nothing but TAKE
	bool suspect; // silent for too long, and control was told
	bool tail_pending; // DATA went out that no ACK has covered yet
	uint64_t handle, key, tag;
	uint64_t id, instance;
	struct route route; // its address is route.to
	uint64_t ack_number;
	uint64_t heard_ns;
	uint64_t data_ns;	    // last DATA sent
	uint64_t heartbeat_ns;	    // last HEARTBEAT sent
	uint32_t heartbeat_wait_us; // until the next: 2 ms after DATA, doubling up to the interval
	uint32_t interval_us;	    // keep-alive interval that WELCOME stated
	uint32_t subscriptions;	    // list by next_of_client
	uint32_t subscription_count;
	uint32_t offers;       // list; NONE: none
	uint32_t next;	       // free list or hash chain of ids
	uint64_t epoch_closed; // the highest cursor epoch of its subscriptions that are closed
};

static inline bool subscription_is_filtered(const struct subscription *s)
{
	return s->filter != NONE;
}

#endif
