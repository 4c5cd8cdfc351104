// SPDX-License-Identifier: BSD-3-Clause
//
// What scenarios reach: counters, drops, frames, the steps of every state machine of hand-over, migration and
// replication, how moves end, and which faults were on together. Whatever can be reached has a name here, so
// that what never is can be told: tests/sim/unreached lists it, each with its reason (docs/testing.md).
//
// States are looked at after each turn of a core and each step of control. Of what changes twice in one only
// the sum is seen, so a pair of states that is no step of its machine is not counted.
#ifndef TESTS_SIM_COVERAGE_H
#define TESTS_SIM_COVERAGE_H

#include <godwit/client.h>

#include "control/keeper.h"
#include "control/link.h"
#include "control/migration.h"
#include "dataplane/counters.h"

#define COVER_STATES	    16
#define COVER_REASONS	    GODWIT_MIGRATION_REASONS
#define COVER_LINKS	    (LINK_DEAD + 1)
#define COVER_LINK_WHYS	    (LINK_WHY_CROWD + 1)
#define COVER_KEEPER_WHYS   (KEEPER_NO_RECORD + 1)
#define COVER_FRAMES	    128
#define COVER_RECONCILES    (GODWIT_RECONCILE_BUSY + 1)
#define COVER_CODES	    32
#define COVER_FAULTS	    16
#define COVER_SUBSCRIPTIONS 64 // of a core that are looked at
#define COVER_MOVES	    64 // of a server, the same

enum cover_machine {
	COVER_DISPATCH, // a subscription: its temporary dispatcher, its join, its ring
	COVER_TAKING,	// a move, at who takes
	COVER_GIVING,	// ... at the home
	COVER_SINK,
	COVER_KEEPER,
	COVER_LIBRARY, // a subscription of libgodwit
	COVER_MACHINES,
};

// Numbers alone: coverage_add() takes it for an array of them.
struct coverage {
	uint64_t counts[COUNTERS], drops[DROPS];
	uint64_t migration[MIGRATION_COUNTERS_COUNT];
	uint64_t keeper[KEEPER_COUNTERS_COUNT];
	uint64_t library[sizeof(struct godwit_core_stats) / sizeof(uint64_t)];
	uint64_t machines[COVER_MACHINES][COVER_STATES][COVER_STATES];
	uint64_t moves[COVER_REASONS]; // those that took place
	uint64_t links[COVER_LINKS][COVER_LINKS][COVER_LINK_WHYS];
	uint64_t waits[COVER_KEEPER_WHYS];
	uint64_t frames[COVER_FRAMES];
	uint64_t reconciles[COVER_RECONCILES], confirms[COVER_CODES];
	uint64_t faults[COVER_FAULTS][COVER_FAULTS];
};

// What was seen of a host last, to be forgotten when its process ends.
struct seen_move {
	uint64_t client, session, subscription;
	uint8_t machine, state;
	bool is_there;
};
struct seen {
	uint8_t subscriptions[SERVER_CORES_MAX][COVER_SUBSCRIPTIONS];
	uint32_t subscriptions_count[SERVER_CORES_MAX];
	uint8_t sinks[SERVER_STREAMS_MAX], keepers[SERVER_STREAMS_MAX], waits[SERVER_STREAMS_MAX];
	uint64_t link_changes[SERVER_PEERS_MAX], records;
	struct seen_move moves[COVER_MOVES];
	uint32_t moves_count;
};

struct sim;
struct host;
struct actor;

// A core made a turn in which it did something; control made a step, or took notices.
void coverage_core(struct host *host, uint32_t core);
void coverage_control(struct host *host);
// Its process ends.
void coverage_host_ends(struct host *host);
// An actor made a turn; it closes.
void coverage_actor(struct actor *actor);
void coverage_actor_ends(const struct actor *actor);
// A frame is sent.
void coverage_frame(struct sim *sim, const uint8_t *bytes, uint32_t length);
// A fault begins while others are on.
void coverage_fault(struct sim *sim, uint32_t fault);

void coverage_add(struct coverage *sum, const struct coverage *of);
// "COUNT NAME", a line each, of all that can be reached.
void coverage_print(const struct coverage *sum, FILE *out);

#endif
