// SPDX-License-Identifier: BSD-3-Clause
//
// One or two cores of a server under a test's hand: time stands still until the test moves it, datagrams
// go in one by one, and what the cores send is caught, frame by frame, until the test takes it.
//
//   harness_start -> [harness_connect, ... -> harness_turn -> harness_take] -> harness_stop
//
// Builders of requests queue one datagram for the peer's core and run no turn, unless they say that they
// return the answer. Every frame sent is checked: layout, checksum sum, size, and that an address without a
// client gets at most three times what it sent. harness_stop checks the sums of law 1. What is wrong is
// kept in `failure`: the test asserts that it is empty.
//
// Owner: the test; one at a time.
#ifndef TESTS_SUPPORT_CORE_HARNESS_H
#define TESTS_SUPPORT_CORE_HARNESS_H

#include <stdio.h>

#include <godwit/wire_check_peer.h>

#include "dataplane/core.h"

#define HARNESS_CORES	    2
#define HARNESS_STREAMS	    20
#define HARNESS_MTU	    1500
#define HARNESS_SESSION	    0x5e551000ull // of stream number 0; the next ones count on
#define HARNESS_FRAMES	    8192
#define HARNESS_QUEUE	    1024
#define HARNESS_PEERS	    64
#define HARNESS_START_NS    1000000000ull	   // now_ns at the start
#define HARNESS_WALL_NS	    1700000000000000000ull // wall_ns - now_ns
#define HARNESS_INTERVAL_MS 100
#define HARNESS_LAPSE_MS    1000
#define MS		    1000000ull
#define US		    1000ull

struct harness;

struct harness_config {		 // 0: the default
	uint32_t cores, streams; // 1, 1
	uint64_t log_bytes;	 // 1 MiB
	uint32_t clients_max, subscriptions_max, ring_slots, classes_max, class_topics_max;
	uint32_t live_budget, egress_budget, temporary_budget;
	uint32_t publishers_max, runs_max, topics_max;
	uint32_t subscriptions_of_client;
	uint32_t crossing_slots;
	const char *credential;
	uint32_t mtu;	      // HARNESS_MTU
	uint16_t server;      // id; 7
	uint64_t incarnation; // HARNESS_WALL_NS
	uint64_t now_ns;      // HARNESS_START_NS
	// of a server in a cluster (cluster_harness.h)
	const struct peers_config *peers;
	void *cluster;
	// Before a stream is made: its role may be set.
	void (*configuring)(struct harness *h, void *cluster, struct stream_config *stream,
			    uint32_t number);
	// Before the cores are made: streams and peers are there.
	void (*starting)(struct harness *h, void *cluster);
	// Takes a frame to an address of a peer. False: it is of none.
	bool (*wire)(struct harness *h, const struct godwit_address *to, const uint8_t *bytes,
		     uint32_t length);
};

struct harness_frame { // that a core sent
	struct godwit_address to;
	uint32_t core, bytes;
	uint64_t at_ns;
	bool taken;
	uint8_t data[2048];
};

struct harness_peer { // bytes from and to an address while it had no client
	struct godwit_address address;
	uint64_t in, out;
};

struct harness_datagram {
	struct godwit_address from;
	uint32_t bytes;
	uint8_t data[2048];
};

struct harness_tx {
	struct harness *harness;
	uint32_t core;
	struct route *route;
	uint8_t buffer[2048];
	uint32_t used, room; // packets of this turn; room: UINT32_MAX at start
	bool no_route;	     // the neighbour is not known
	// Called once, at the next packet begun: what another core's writer does meanwhile.
	void (*meanwhile)(void);
};

struct harness {
	struct server server;
	struct harness_tx tx[HARNESS_CORES];
	void *log_memory[HARNESS_STREAMS];
	uint64_t log_bytes;
	uint64_t now_ns;
	struct harness_datagram queue[HARNESS_CORES][HARNESS_QUEUE];
	uint32_t queued[HARNESS_CORES];
	struct harness_frame *frames;
	uint32_t frames_count, frames_taken; // frames_taken: below it all are taken
	struct harness_peer peers[HARNESS_PEERS];
	uint32_t peers_count;
	void *cluster;
	bool (*wire)(struct harness *h, const struct godwit_address *to, const uint8_t *bytes,
		     uint32_t length);
	char failure[256];
};

struct client_peer { // a client as the test plays it
	struct harness *harness;
	uint32_t core;
	struct godwit_address address;
	uint64_t id, instance, tag, nonce;
	uint64_t handle, key;
	uint32_t request;    // last one used
	uint64_t ack_number; // last one used
	uint64_t cookie_time;
	uint8_t cookie_mac[GODWIT_MAC_BYTES];
};

// What SUBSCRIBE and RESUME ask for. 0 where not said: stream "s0", request the next, tag
// 0x7000 + number, window 1000, datagram 1452; by the enums LATEST and FAIL.
struct harness_request {
	const char *stream;
	uint32_t number, request;
	uint64_t tag;
	uint64_t session;
	uint32_t epoch, window;
	uint16_t datagram;
	uint8_t policy;
	const uint32_t *topics;
	uint32_t topics_count;
	// SUBSCRIBE
	uint8_t start;
	uint64_t start_value;
	// RESUME
	uint64_t seq, highest_epoch, offer_epoch, edge;
	uint32_t attempt;
};

// One entry of an ACK.
struct harness_ack {
	uint32_t number;
	uint64_t cursor_epoch, session, seq, edge; // session 0: that of stream 0
	uint32_t epoch;				   // 0: 1
	uint16_t flags;				   // enum godwit_ack_flag
	uint32_t naks;
	uint64_t first[GODWIT_NAK_RANGES], last[GODWIT_NAK_RANGES];
};

// The harness is large: keep it static. Aborts where memory is short.
void harness_start(struct harness *h, const struct harness_config *config);
// Checks the laws, then gives everything back. Calls nothing of the test's.
void harness_stop(struct harness *h);
// Law 1 on every core, now. The first breach goes to `failure`.
void harness_check_laws(struct harness *h);

struct core *harness_core(struct harness *h, uint32_t core);
struct stream *harness_stream(struct harness *h, uint32_t number);
uint64_t harness_count(struct harness *h, uint32_t core, enum counter which);
uint64_t harness_drops(struct harness *h, uint32_t core, enum drop which);
// All drops of a core together.
uint64_t harness_drops_all(struct harness *h, uint32_t core);

// Put a command into a core's mailbox; false: it is full.
bool harness_command(struct harness *h, uint32_t core, enum core_command_kind kind,
		     const struct core_command *command);
// The oldest notice of a core of this kind, now taken; older ones of other kinds are let go. False: none.
bool harness_notice(struct harness *h, uint32_t core, enum core_notice_kind kind,
		    struct core_notice *notice);

// Queue a datagram to a core.
void harness_send(struct harness *h, uint32_t core, const struct godwit_address *from,
		  const void *bytes, uint32_t length);
// The same without a word on amplification: what a peer sends. False: the queue is full.
bool harness_queue(struct harness *h, uint32_t core, const struct godwit_address *from,
		   const void *bytes, uint32_t length);
// One turn of every core at the present time.
void harness_turn(struct harness *h);
void harness_turns(struct harness *h, uint32_t turns);
// Move time on, then a turn.
void harness_pass(struct harness *h, uint64_t ns);
// The same in steps of `step_ns`, a turn each.
void harness_pass_steps(struct harness *h, uint64_t ns, uint64_t step_ns);

// The oldest frame of this type to the address that was not taken, now taken; NULL if there is none.
// It stays readable until the next harness_clear.
const struct harness_frame *harness_take(struct harness *h, const struct godwit_address *to,
					 uint8_t type);
// The frames not taken to an address (NULL: to any); type 0: of any type.
uint32_t harness_left(const struct harness *h, const struct godwit_address *to, uint8_t type);
// Forget all frames.
void harness_clear(struct harness *h);

// ---- a client ----------------------------------------------------------------------------------

// An address 10.0.0.`host`:`port`, of a peer of this core, that has sent nothing yet.
struct client_peer harness_peer(struct harness *h, uint32_t core, uint8_t host, uint64_t id,
				uint64_t instance);
void peer_hello(struct client_peer *p);
// Takes the COOKIE that is there. False: none.
bool peer_take_cookie(struct client_peer *p);
// credential NULL: none.
void peer_proof(struct client_peer *p, const char *credential);
// Takes the WELCOME. False: none.
bool peer_take_welcome(struct client_peer *p);
// HELLO to WELCOME, with turns. False: it was not welcomed.
bool harness_connect(struct client_peer *p, const char *credential);

// Write a request into `bytes` (at least 1200); returns its length. For tests that spoil it.
uint32_t build_subscribe(struct client_peer *p, const struct harness_request *r, uint8_t *bytes);
uint32_t build_resume(struct client_peer *p, const struct harness_request *r, uint8_t *bytes);
void peer_send(struct client_peer *p, const void *bytes, uint32_t length);
void peer_subscribe(struct client_peer *p, const struct harness_request *r);
void peer_resume(struct client_peer *p, const struct harness_request *r);
void peer_unsubscribe(struct client_peer *p, uint32_t number);
void peer_ack(struct client_peer *p, const struct harness_ack *entries, uint32_t count);
// SUBSCRIBE and a turn; the SUBSCRIBED, or NULL.
const struct godwit_subscribed *harness_subscribe(struct client_peer *p,
						  const struct harness_request *r);
const struct godwit_subscribed *harness_resume(struct client_peer *p,
					       const struct harness_request *r);

// ---- a publisher -------------------------------------------------------------------------------

void peer_open(struct client_peer *p, const char *stream, uint64_t publisher, uint64_t instance,
	       uint32_t request);
// PUBLISH_OPEN and turns; the answer, or NULL.
const struct godwit_publish_opened *harness_open(struct client_peer *p, const char *stream,
						 uint64_t publisher, uint64_t instance);
// `count` records of `bytes` each, of a topic, from number `first` on: one PUBLISH.
void peer_publish(struct client_peer *p, uint32_t stream, uint64_t publisher, uint64_t instance,
		  uint64_t first, uint32_t count, uint32_t topic, uint32_t bytes);
// The same, and turns; the PUBLISH_ACK, or NULL.
const struct godwit_publish_ack *harness_publish(struct client_peer *p, uint32_t stream,
						 uint64_t publisher, uint64_t instance,
						 uint64_t first, uint32_t count, uint32_t topic,
						 uint32_t bytes);
// Append to a stream of this harness as its home core would, without a publisher: visible with the next
// turn. Payloads are the record's sequence (8 bytes, host order), then zeros.
void harness_append(struct harness *h, uint32_t stream, uint32_t topic, uint32_t bytes,
		    uint32_t count);
void peer_topic(struct client_peer *p, const char *stream, const char *name, bool create);

// ---- what was delivered ------------------------------------------------------------------------

struct delivery { // of one subscription, as a client keeps it
	uint64_t tag, cursor_epoch;
	uint64_t covered; // last sequence covered
	uint64_t records, packets, repairs, coverages;
	uint64_t last_seq, last_time_ns; // of the newest record
	uint32_t last_epoch;
	uint32_t largest; // frame
	bool broken; // a gap, a wrong sequence in a payload, or a packet beyond one epoch or 2 s
};

// Start at what SUBSCRIBED said.
struct delivery delivery_start(const struct godwit_subscribed *subscribed);
// Take every DATA of the tag to the peer. Records carry the payload of harness_append. Returns the records
// that were new.
uint64_t delivery_take(struct delivery *d, struct client_peer *p);

#endif
