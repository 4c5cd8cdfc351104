// SPDX-License-Identifier: BSD-3-Clause
//
// Some servers of one cluster under a test's hand: each a core_harness of its own, with one clock and an
// in-memory wire between them. What a server sends to a peer lies in the peer's queue at once and is
// taken in the peer's next turn, unless the wire is cut or loses it.
//
//   cluster_start -> [cluster_turns, cluster_pass, cut, kill, restart] -> cluster_stop
//
// Server i has id i + 1 and address 10.1.0.(i + 1):4000; all have the same streams s0, s1, ... Clients of
// a server are those of its core_harness: harness_connect(&...) with harness_peer(cluster_harness(c, i), ...);
// a turn that such a helper makes is of that server alone.
//
// Roles are the caller's: `configuring` is called for each stream before it is made, `starting` is called for each server, also when it is started again, with streams and
// peers set and before its cores are made; `started` when they are.
//
// Owner: the test; one at a time. Every frame on the wire is checked whole, cluster_stop checks law 1.
#ifndef TESTS_SUPPORT_CLUSTER_HARNESS_H
#define TESTS_SUPPORT_CLUSTER_HARNESS_H

#include "tests/support/core_harness.h"

#define CLUSTER_SERVERS	    4
#define CLUSTER_INTERVAL_MS 10
#define CLUSTER_CONFIG	    0xc0f160ull
#define CLUSTER_TYPES	    16 // of frames between servers

struct cluster;

struct cluster_config {	  // 0: the default
	uint32_t servers; // 2
	uint32_t interval_ms;
	struct harness_config
		each; // of every server; peers, wire and what is told below are set here
	uint32_t mtu[CLUSTER_SERVERS];	     // each.mtu
	uint64_t log_bytes[CLUSTER_SERVERS]; // each.log_bytes
	uint64_t config[CLUSTER_SERVERS];    // CLUSTER_CONFIG
	const char *secret[CLUSTER_SERVERS], *name[CLUSTER_SERVERS];
	void (*configuring)(struct cluster *c, uint32_t server, struct stream_config *stream,
			    uint32_t number);
	void (*starting)(struct cluster *c, uint32_t server);
	void (*started)(struct cluster *c, uint32_t server);
	void *arg; // the caller's, in struct cluster
};

struct cluster_server {
	struct harness h; // in use while alive
	bool alive;
	uint32_t index;
	uint32_t rx_core; // that frames of peers arrive at; 0
	uint64_t incarnation;
	struct peer_config peer_configs[CLUSTER_SERVERS - 1];
};

struct cluster {
	struct cluster_config config;
	struct cluster_server servers[CLUSTER_SERVERS];
	uint32_t count;
	uint64_t now_ns;
	uint64_t step_ns; // of cluster_pass, a turn of all in each; 500 us
	void *arg;
	// the wire, by [from][to]
	bool is_cut[CLUSTER_SERVERS][CLUSTER_SERVERS];
	uint32_t loss_permille[CLUSTER_SERVERS][CLUSTER_SERVERS];
	uint64_t sent[CLUSTER_SERVERS][CLUSTER_SERVERS]
		     [CLUSTER_TYPES]; // by type - 0x40; lost ones too
	// Asked for each frame: false loses it. May change the frame: `bytes` has room for 2048.
	bool (*filter)(struct cluster *c, uint32_t from, uint32_t to, uint8_t *bytes,
		       uint32_t *length);
	uint64_t random;
	char failure[256]; // the first one of any server; empty: none
};

// The cluster is large: keep it static. Aborts where memory is short.
void cluster_start(struct cluster *c, const struct cluster_config *config);
// Checks the laws of the living, then gives everything back.
void cluster_stop(struct cluster *c);

struct harness *cluster_harness(struct cluster *c, uint32_t server);
struct server *cluster_server(struct cluster *c, uint32_t server);
// What `server` knows of `other`.
struct peer *cluster_peer(struct cluster *c, uint32_t server, uint32_t other);
struct godwit_address cluster_address(uint32_t server);
// Of all cores of a server together.
uint64_t cluster_count(struct cluster *c, uint32_t server, enum counter which);
uint64_t cluster_drops(struct cluster *c, uint32_t server, enum drop which);

// Turns of every core of every living server at the present time.
void cluster_turns(struct cluster *c, uint32_t turns);
// Move time on in steps, with a turn of all after each.
void cluster_pass(struct cluster *c, uint64_t ns);
// Turns until every living server takes part with every other, at most a second. False: not all do.
bool cluster_meet(struct cluster *c);

// What `from` sends to `to` is lost until cluster_mend.
void cluster_cut(struct cluster *c, uint32_t from, uint32_t to);
void cluster_mend(struct cluster *c, uint32_t from, uint32_t to);
// Lose everything to and from a server, or mend it.
void cluster_isolate(struct cluster *c, uint32_t server, bool isolated);
// The process ends without a word.
void cluster_kill(struct cluster *c, uint32_t server);
// It is started again, with empty memory and a higher incarnation. Killed before, if it was alive.
void cluster_restart(struct cluster *c, uint32_t server);
// A filter for `filter`: the path between servers 0 and 1, both ways, swallows what is larger than every path carries.
bool cluster_narrow_path(struct cluster *c, uint32_t from, uint32_t to, uint8_t *bytes,
			 uint32_t *length);
// Put a frame on the wire as if `from` sent it: `length` bytes with or without MAC are the caller's.
void cluster_inject(struct cluster *c, uint32_t from, uint32_t to, const void *bytes,
		    uint32_t length);

#endif
