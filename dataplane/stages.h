// SPDX-License-Identifier: BSD-3-Clause
//
// The stages of a core's turn, in the order in which a message meets them, and what they ask of the
// core's nouns. One stage a file under stages/. Thread: the core.
#ifndef DATAPLANE_STAGES_H
#define DATAPLANE_STAGES_H

#include "dataplane/arrivals.h"
#include "dataplane/core.h"
#include "dataplane/home.h"

// ---- stages -----------------------------------------------------------------------------------

// Validate each datagram, name its kind, find its proved sender. What is dropped gets type 0.
void classify_burst(struct core *core, struct burst *burst);
// The same for a frame of a client that crossed: its form was checked where it arrived.
void classify_crossed(struct core *core, struct datagram *datagram);
// HELLO ... ACK, SUBSCRIBE, RESUME: what is about clients and their subscriptions.
void session_burst(struct core *core, struct burst *burst);
void session_datagram(struct core *core, struct datagram *datagram);
// Frames of other servers to whom they concern: link core, home core of their stream, control.
void peer_burst(struct core *core, struct burst *burst);
// The same for one that was classified here or crossed.
void peer_frame(struct core *core, struct peer *peer, const uint8_t *frame, uint32_t length);
// PUBLISH, PUBLISH_OPEN, TOPIC to their stream's home.
void ingest_burst(struct core *core, struct burst *burst);
void ingest_datagram(struct core *core, const struct datagram *datagram);
// At the home core: judge a PUBLISH and append what is new, or answer PUBLISH_OPEN and TOPIC.
void ingest_frame(struct core *core, const struct home_origin *origin, const uint8_t *frame,
		  uint32_t length);
// Copy accepted records into the log, stamped.
void append_records(struct core *core, struct stream *stream, const uint8_t *records,
		    const uint8_t *end, uint32_t skip);
// Publish what was appended, move the commit, acknowledge to publishers. Returns streams moved.
uint32_t append_burst(struct core *core);
// Live dispatchers: cut slices at the visible end and put them on the rings. Returns slices cut.
uint32_t dispatch_burst(struct core *core);
// Client rings, temporary dispatchers and repairs to packets. Returns packets sent and looks that go
// on next turn.
uint32_t egress_burst(struct core *core);
// Heartbeats that are due and clients that lapsed. Returns how many.
uint32_t heartbeat_burst(struct core *core);

// ---- clients (core_clients.c) -----------------------------------------------------------------

// The open client of a handle of this core, or NULL.
struct client *core_client(struct core *core, uint64_t handle);
struct client *client_find(struct core *core, uint64_t id);
// NULL when all slots are taken.
struct client *client_open(struct core *core, uint64_t id, uint64_t instance, uint64_t tag,
			   const struct godwit_address *address);
// One that is only offered a home: its address is not proved. NULL when all slots are taken.
struct client *client_open_offered(struct core *core, uint64_t id, uint64_t instance, uint64_t tag,
				   const struct godwit_address *address);
// Its address is proved, by HELLO_PROOF or by an offer that it takes: from now on it gets heartbeats, is swept,
// and control knows it.
void client_prove(struct core *core, struct client *client, bool by_offer);
// It was suspect and is heard again: control is told.
void client_back(struct core *core, struct client *client);
// The keep-alive interval for a client that comes now, us: the configured one, longer where the core has
// very many clients.
uint32_t client_interval_us(const struct core *core);
// Silence after which a client is closed: the configured time, and never less than the silence after which it
// would take us for dead.
uint64_t client_lapse_ns(const struct core *core, const struct client *client);
// Close it with all its subscriptions, telling them `code`.
void client_close(struct core *core, struct client *client, enum godwit_code code);
// Send one small frame to a client; false and counted where there is no room.
bool core_send(struct core *core, struct client *client, const void *frame, uint32_t length);
// The same for who counts by itself what was not sent.
enum tx_verdict core_try_send(struct core *core, struct client *client, const void *frame,
			      uint32_t length);
// The same to an address that has no client; `frame` is small.
void core_send_to(struct core *core, const struct godwit_address *address, const void *frame,
		  uint32_t length);
void client_error(struct core *core, struct client *client, enum godwit_code code, uint32_t request,
		  uint64_t detail);
// DATA went out, and no heartbeat is due 2 ms behind it yet.
void client_begin_tail(struct core *core, struct client *client);

#define CLIENT_TAIL_US 2000 // from DATA to the first heartbeat

// DATA went out: the tail is to be told of by a heartbeat soon.
static inline void client_sent_data(struct core *core, struct client *client)
{
	client->data_ns = core->now_ns;
	// Where a timer runs, it looks at data_ns.
	if (!client->tail_pending || client->heartbeat_wait_us != CLIENT_TAIL_US)
		client_begin_tail(core, client);
}
// An ACK covered all that was sent: heartbeats need not hurry.
void client_covered(struct core *core, struct client *client);

// ---- subscriptions (core_subscriptions.c) -----------------------------------------------------

struct subscription *subscription_find(struct core *core, struct client *client, uint32_t number);
// A fresh one, in state CATCHING_UP at the sequence after `start`; NULL when none is free.
struct subscription *subscription_open(struct core *core, struct client *client,
				       struct stream *stream, uint32_t number, uint32_t filter,
				       struct godwit_identifier start);
// Set what its packets carry, once tag and cursor epoch are known.
void subscription_own_set(struct subscription *s);
// Give it back, telling nobody: rings and live set are left, what was queued is refused.
void subscription_close(struct core *core, struct subscription *s);
// Tell the client why, then close. identifier: by code, as docs/protocol.md says.
void subscription_end(struct core *core, struct subscription *s, enum godwit_code code,
		      struct godwit_identifier identifier, uint32_t request);
// Its next record is overwritten: ended with TRUNCATED.
void subscription_truncate(struct core *core, struct subscription *s);
// Put it on the list of what egress looks at, if it is on none.
void subscription_ready(struct core *core, struct subscription *s);
struct subscription *ready_pop(struct core *core, struct ready *ready);

// ---- dispatchers ------------------------------------------------------------------------------

// Spawn a temporary dispatcher at `seq`. False: that is overwritten already.
bool temporary_spawn(struct core *core, struct subscription *s, uint64_t seq);
// Join the live dispatcher's set if what is left is short enough.
void temporary_try_join(struct core *core, struct subscription *s);
// It reached its stop: it retires.
void temporary_retire(struct core *core, struct subscription *s);
// Leave the live dispatcher's set.
void live_leave(struct core *core, struct subscription *s);
void live_join(struct core *core, struct subscription *s);

// Start serving [first, last]; the caller has checked that it was sent. False: four are being served.
bool repair_start(struct subscription *s, uint64_t first, uint64_t last);

// ---- egress of filtered subscriptions (stages/egress_filtered.c) -------------------------------

enum egress_result {
	EGRESS_SENT,	// a packet went out; there may be more
	EGRESS_NOTHING, // nothing to send now
	EGRESS_WINDOW,	// the next record is above the window edge
	EGRESS_FULL,	// the port takes no more this turn
	EGRESS_ROUTE,	// the neighbour is not known yet
	EGRESS_CLOSED,	// the subscription was ended
	EGRESS_SCANNED, // budget of bytes scanned is used up
};

enum egress_result egress_filtered_ring(struct core *core, struct subscription *s);
enum egress_result egress_filtered_temporary(struct core *core, struct subscription *s,
					     uint32_t *scan_budget);
enum egress_result egress_filtered_repair(struct core *core, struct subscription *s,
					  struct repair *repair, uint32_t *scan_budget);

// What all packets of a slice have in common. NULL: the slice is not kept any more. The copy that
// follows is valid only if log_valid() says so after it.
const struct slice_facts *egress_facts(struct core *core, struct stream *stream, struct slice slice,
				       uint64_t pos);
// tx->begin for a subscription's packet: SENT (a buffer is there), FULL or ROUTE.
enum egress_result egress_begin(struct core *core, struct subscription *s, uint32_t bytes,
				uint8_t **at);
// A position at or above all slices queued for it; 0: it could not be read just now.
uint64_t position_above(const struct core *core, const struct subscription *s);
// Up to where a temporary dispatcher may read.
struct mark temporary_end(const struct core *core, const struct subscription *s);
// Bookkeeping after tx->end of a DATA.
void egress_done(struct core *core, struct subscription *s, uint64_t covers_to, uint32_t records,
		 uint32_t bytes, bool repair);
// The part of `slice` that fits bytes_max and count_max, and the rest (count 0: none). False if it was overwritten meanwhile.
bool slice_split(const struct log *log, struct slice slice, uint64_t pos, uint32_t bytes_max,
		 uint32_t count_max, struct slice *part, struct slice *rest);

#endif
