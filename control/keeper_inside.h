// SPDX-License-Identifier: BSD-3-Clause
//
// The inside of the keeper, for its own files only: keeper.c (steps, notices), keeper_record.c (requests and
// their answers), keeper_start.c (until the stream is led), keeper_adopt.c (an order, until then), keeper_set.c
// (its in-sync set while it is led).
#ifndef CONTROL_KEEPER_INSIDE_H
#define CONTROL_KEEPER_INSIDE_H

#include "control/keeper.h"

struct kept_peer { // by the peer's index
	// its proposal that no record has answered yet; proposal 0: none
	uint64_t proposal, proposed; // its number, the incarnation
	// the last word that it lags
	uint64_t lags, lags_ns; // the incarnation, 0: none
	uint64_t unfit;		// the incarnation that could not be fetched from, 0: none
};

struct kept {
	struct keeper_stream config;
	enum keeper_state state;
	enum keeper_why why;
	uint16_t server;
	char text[CLUSTER_WHY_BYTES];
	struct cluster_record record; // in force
	uint64_t changes;
	// the request under way
	bool is_asked, is_unknown; // is_unknown: `wanted` may be in force
	struct cluster_record wanted;
	enum keeper_state after; // state with `wanted` in force
	uint64_t retry_ns;	 // no request before
	// the start
	uint64_t first_ns; // since when a member with its log is there; 0: none is
	uint64_t unfit_ns; // since when those with its log that are there are all unfit; 0: not so
	struct cluster_replica source;
	bool is_fetched;
	uint64_t refuses_ns,
		refused_ns; // since when the source refuses, and its last word; 0: it did not
	// orders that are due
	bool record_due, fetch_due;
	// the set
	uint64_t proposals; // the highest seen
	struct kept_peer peers[SERVER_PEERS_MAX];
};

struct keeper {
	struct keeper_config config;
	bool has_begun;
	uint64_t begun_ns;
	uint64_t stepped_ns, excused_ns; // excused_ns: the end of the last time without a step
	uint64_t counters[KEEPER_COUNTERS_COUNT];
	struct kept streams[];
};

// ---- keeper.c -----------------------------------------------------------------------------------

static inline const struct peer *kept_peer(const struct keeper *keeper, uint16_t server)
{
	return peers_find((struct peers *)&keeper->config.server->peers, server);
}

static inline uint64_t kept_incarnation(const struct peer *peer)
{
	return atomic_load_explicit(&peer->incarnation, memory_order_relaxed);
}

static inline uint32_t kept_verdict(const struct peer *peer)
{
	return atomic_load_explicit(&peer->verdict, memory_order_relaxed);
}

// NULL: that stream is not kept here.
struct kept *kept_find(struct keeper *keeper, uint32_t number);
void kept_waits(struct kept *kept, enum keeper_why why, uint16_t server);

// ---- keeper_record.c ----------------------------------------------------------------------------

void kept_read(struct keeper *keeper, struct kept *kept);
// Have *next put in place of the record in force; `after` is the state with it in force.
void kept_change(struct keeper *keeper, struct kept *kept, const struct cluster_record *next,
		 enum keeper_state after);
void kept_answer(const struct keeper *keeper, struct kept *kept, const struct cluster_event *event,
		 uint64_t now_ns);

// ---- keeper_start.c -----------------------------------------------------------------------------

// What a server says of the stream; false: nothing yet, or it takes no part. peer: may be NULL.
bool kept_facts(const struct kept *kept, const struct peer *peer, struct peer_stream_facts *facts);
// Whether `a` has what `b` lacks: a later epoch counts more than many records, and those more than a topic or instance
// that no record tells of yet.
bool kept_is_longer(const struct peer_stream_facts *a, const struct peer_stream_facts *b);
void kept_meet(struct keeper *keeper, struct kept *kept);
void kept_choose(struct keeper *keeper, struct kept *kept, uint64_t now_ns);
void kept_fetch(struct keeper *keeper, struct kept *kept);

// ---- keeper_set.c -------------------------------------------------------------------------------

// The member's memory is gone, or it is another process.
bool kept_is_lost(const struct keeper *keeper, const struct cluster_replica *member);
// It is configured to hold the stream, besides us.
bool kept_is_replica(const struct kept *kept, uint16_t server);
void kept_lead(struct keeper *keeper, struct kept *kept, uint64_t now_ns);
// Forget the proposals that the record in force answers by holding who made them.
void kept_settle(const struct keeper *keeper, struct kept *kept);
// The proposals up to this number are answered.
uint64_t kept_answered(const struct kept *kept);

#endif
