// SPDX-License-Identifier: BSD-3-Clause
//
// The primary of a replicated stream, as its own server's control sees it: from the start of the process,
// when its log is empty, to the day's business of the in-sync set. Pure steps.
//
//   READ ---record--> GATHER ---epoch + 1, set without us--> FETCH ---set with us--> ACTIVE
//     |                  | all members lost their memory: a new session ------------->  |
//     | no record        |                                                             |
//     +--> VIRGIN: every replica says that it holds nothing: session, epoch 1 -------->+
//     +--> BLOCKED: the record cannot be had; why is said
//
//   ACTIVE: a replica that has caught up is proposed -> record with it -> the home core is told; one that
//   lags, died or came anew -> record without it -> told
//
// - GATHER waits for members of the recorded set in their recorded incarnation: one at least; all that did
//   not lose their memory, or `start_ns` after the first. Of those there the greatest {epoch, end} is
//   chosen. Unreachable is not lost: it waits for as long as it takes.
// - A record is in force, and told, when the cluster says so. Only then the next change is made.
// - If the chosen one dies during FETCH, it goes back to GATHER with the record in force.
//
// Owner and thread: control.
#ifndef CONTROL_PRIMARY_H
#define CONTROL_PRIMARY_H

#include "control/cluster.h"

enum primary_state {
	PRIMARY_READ,
	PRIMARY_VIRGIN,
	PRIMARY_GATHER,
	PRIMARY_FETCH,
	PRIMARY_ACTIVE,
	PRIMARY_BLOCKED,
};

// What a replica says of the stream.
struct primary_replica {
	uint16_t server;
	uint64_t incarnation; // highest seen; 0: never heard
	bool is_there;	  // takes part, is not dead, and has told of the stream in this incarnation
	uint64_t session; // 0: it holds none
	uint32_t epoch;
	uint64_t end;
};

struct primary_config {
	uint32_t stream;
	uint16_t server;
	uint16_t min_in_sync;
	uint64_t start_ns;
};

// What a step asks for.
enum primary_action {
	PRIMARY_NOTHING,
	PRIMARY_ASK_READ,   // cluster_read
	PRIMARY_ASK_CHANGE, // cluster_change with `wanted`
	PRIMARY_TELL,	    // the home core: `record`, answering proposals up to `answered`
	PRIMARY_ASK_FETCH,  // the home core: from `source`, under `record`
};

struct primary {
	struct primary_config config;
	enum primary_state state;
	struct cluster_record record; // in force
	struct cluster_record wanted; // being asked for
	bool asked;		      // the cluster answers
	bool told;		      // the home core has `record`
	bool fetch_told;
	uint64_t new_session; // for the next one: random, renewed by the owner
	uint64_t first_ns;    // GATHER: since a member is there; 0: none
	uint64_t absent_ns;   // ACTIVE: since when a member is not there; 0: all are
	uint64_t again_ns;    // BLOCKED, READ: when to try again
	struct primary_replica source;
	uint64_t answered;  // highest proposal dealt with
	uint64_t answering; // ... by the change under way
	// what is to change next: servers to add, servers to remove
	uint32_t adds_count, removes_count;
	struct cluster_replica adds[CLUSTER_SERVERS_MAX];
	struct cluster_replica removes[CLUSTER_SERVERS_MAX];
	uint64_t proposed;
	char why[CLUSTER_WHY_BYTES];
};

// session: random, not 0.
void primary_init(struct primary *primary, const struct primary_config *config, uint64_t session);

// One step; to be called until it asks for nothing. incarnation: ours. replicas: all that are configured.
// What it asks for is done, or told by primary_undone() that it could not be and is asked for again.
enum primary_action primary_step(struct primary *primary, uint64_t incarnation,
				 const struct primary_replica *replicas, uint32_t count,
				 uint64_t now_ns);
void primary_undone(struct primary *primary, enum primary_action action);

// An answer of the cluster about this stream.
void primary_answer(struct primary *primary, const struct cluster_event *event, uint64_t session,
		    uint64_t now_ns);
// Notices of the home core. proposal: its number.
void primary_proposed(struct primary *primary, uint16_t server, uint64_t incarnation,
		      uint64_t proposal);
void primary_lags(struct primary *primary, uint16_t server);
void primary_fetched(struct primary *primary, uint64_t incarnation);
// A server is dead, or its incarnation is.
void primary_dead(struct primary *primary, uint16_t server);

const char *primary_state_name(enum primary_state state);

#endif
