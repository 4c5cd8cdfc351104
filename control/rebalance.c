// SPDX-License-Identifier: BSD-3-Clause
#include "control/rebalance.h"

uint32_t rebalance_takers(const struct rebalance_core *cores, uint32_t count)
{
	uint32_t takers = 0;

	for (uint32_t i = 0; i < count; i++)
		takers += cores[i].takes;
	return takers;
}

// How many cores come before this one where one more is kept: those with more cursors, or as many and a lower number.
static uint32_t rank(const struct rebalance_core *cores, uint32_t count, uint32_t core)
{
	uint32_t before = 0;

	for (uint32_t i = 0; i < count; i++) {
		bool is_even = cores[i].cursors == cores[core].cursors;

		if (cores[i].takes)
			before += is_even ? i < core : cores[i].cursors > cores[core].cursors;
	}
	return before;
}

uint32_t rebalance_plan(struct rebalance_plan *plan, const struct rebalance_core *cores,
			uint32_t count)
{
	uint32_t takers = rebalance_takers(cores, count), moves = 0;
	uint64_t all = 0;

	*plan = (struct rebalance_plan){.count = count};
	for (uint32_t i = 0; i < count; i++)
		all += cores[i].takes ? cores[i].cursors : 0;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t share;

		if (!cores[i].takes)
			continue;
		share = (uint32_t)(all / takers) + (rank(cores, count, i) < all % takers);
		if (cores[i].cursors > share)
			plan->give[i] = cores[i].cursors - share;
		else
			plan->take[i] = share - cores[i].cursors;
		moves += plan->give[i];
	}
	return moves;
}

uint32_t rebalance_next(struct rebalance_plan *plan, uint32_t from)
{
	uint32_t to = 0;

	if (from >= plan->count || plan->give[from] == 0)
		return REBALANCE_STAYS;
	for (uint32_t i = 1; i < plan->count; i++)
		if (plan->take[i] > plan->take[to])
			to = i;
	// What all give is what all take: while one gives, another lacks.
	plan->give[from]--;
	plan->take[to]--;
	return to;
}

uint32_t rebalance_left(const struct rebalance_plan *plan)
{
	uint32_t left = 0;

	for (uint32_t i = 0; i < plan->count; i++)
		left += plan->give[i];
	return left;
}
