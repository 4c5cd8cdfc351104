// SPDX-License-Identifier: BSD-3-Clause
//
// Rebalance: how the cursors of one server come to lie evenly on its cores, with the fewest moves.
//
//   cursors of each core --rebalance_plan--> how many each gives or takes --rebalance_next--> this one goes there
//
//   9 1 2: a third each is 4, so core 0 gives 5, of which core 1 takes 3 and core 2 takes 2
//
// Where they cannot be shared out without a rest, the cores with most keep one more, so two cores differ by one
// at most in the end. A core that takes nobody gives nobody either: what it has is not planned for.
// Pure functions. Thread: any.
#ifndef CONTROL_REBALANCE_H
#define CONTROL_REBALANCE_H

#include <stdbool.h>
#include <stdint.h>

#define REBALANCE_CORES_MAX 32
#define REBALANCE_STAYS	    UINT32_MAX

struct rebalance_core {
	bool takes;	  // it sends, and its thread makes turns
	uint32_t cursors; // subscriptions there; one that just left may count at both cores for a moment
};

struct rebalance_plan {
	uint32_t count;			    // of cores
	uint32_t give[REBALANCE_CORES_MAX]; // cursors that each has too many,
	uint32_t take[REBALANCE_CORES_MAX]; // ... or too few
};

// How many of these cores take cursors. count: REBALANCE_CORES_MAX at most.
uint32_t rebalance_takers(const struct rebalance_core *cores, uint32_t count);

// Plan for these cores. Returns how many cursors are to move: 0 where two cores that take some differ by one at
// most. count: as above.
uint32_t rebalance_plan(struct rebalance_plan *plan, const struct rebalance_core *cores,
			uint32_t count);

// The core that a cursor at core `from` (any number) is to go to, the one that still lacks most, taken off the
// plan; REBALANCE_STAYS where that core has given enough.
uint32_t rebalance_next(struct rebalance_plan *plan, uint32_t from);

// How many moves of the plan are not taken off yet.
uint32_t rebalance_left(const struct rebalance_plan *plan);

#endif
