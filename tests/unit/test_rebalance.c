// SPDX-License-Identifier: BSD-3-Clause
#include <criterion/criterion.h>
#include <stdlib.h>

#include "control/rebalance.h"

static struct rebalance_plan plan;

static uint32_t plan_for(const uint32_t *cursors, uint32_t count)
{
	struct rebalance_core cores[REBALANCE_CORES_MAX];

	for (uint32_t i = 0; i < count; i++)
		cores[i] = (struct rebalance_core){.takes = true, .cursors = cursors[i]};
	return rebalance_plan(&plan, cores, count);
}

Test(rebalance, moves_what_is_above_an_equal_share)
{
	cr_assert_eq(plan_for((uint32_t[]){9, 1, 2}, 3), 5);
	cr_assert_eq(rebalance_left(&plan), 5);
	// The one that lacks most comes first.
	cr_assert_eq(rebalance_next(&plan, 0), 1);
	cr_assert_eq(plan.take[1], 2);
	for (uint32_t i = 0; i < 4; i++)
		cr_assert_neq(rebalance_next(&plan, 0), REBALANCE_STAYS);
	cr_assert_eq(rebalance_left(&plan), 0);
	cr_assert_eq(rebalance_next(&plan, 0), REBALANCE_STAYS);
}

Test(rebalance, leaves_alone_what_differs_by_one)
{
	cr_assert_eq(plan_for((uint32_t[]){3, 4, 3}, 3), 0);
	cr_assert_eq(plan_for((uint32_t[]){0, 0, 1}, 3), 0);
	cr_assert_eq(plan_for((uint32_t[]){5, 5}, 2), 0);
	cr_assert_eq(plan_for((uint32_t[]){7}, 1), 0);
	cr_assert_eq(rebalance_next(&plan, 0), REBALANCE_STAYS);
}

Test(rebalance, has_the_cores_with_most_keep_the_rest)
{
	cr_assert_eq(plan_for((uint32_t[]){0, 7}, 2), 3);
	cr_assert_eq(plan.give[1], 3, "4 stay where they are");
	// One in the middle neither gives nor takes.
	cr_assert_eq(plan_for((uint32_t[]){5, 3, 1}, 3), 2);
	cr_assert_eq(rebalance_next(&plan, 1), REBALANCE_STAYS);
}

Test(rebalance, plans_neither_for_nor_with_a_core_that_takes_nobody)
{
	const struct rebalance_core cores[3] = {{true, 6}, {false, 40}, {true, 0}};

	cr_assert_eq(rebalance_takers(cores, 3), 2);
	cr_assert_eq(rebalance_plan(&plan, cores, 3), 3);
	cr_assert_eq(rebalance_next(&plan, 1), REBALANCE_STAYS);
	for (uint32_t i = 0; i < 3; i++)
		cr_assert_eq(rebalance_next(&plan, 0), 2);
	cr_assert_eq(rebalance_next(&plan, 0), REBALANCE_STAYS);
}

Test(rebalance, knows_no_core_of_an_earlier_process)
{
	cr_assert_eq(plan_for((uint32_t[]){8, 0}, 2), 4);
	cr_assert_eq(rebalance_next(&plan, 2), REBALANCE_STAYS);
	cr_assert_eq(rebalance_next(&plan, UINT32_MAX), REBALANCE_STAYS);
	cr_assert_eq(rebalance_plan(&plan, NULL, 0), 0);
	cr_assert_eq(rebalance_next(&plan, 0), REBALANCE_STAYS);
}

// Carry a plan out, and see that all cores that take some differ by one at most and that no cursor came back.
static void carry_out(struct rebalance_core *cores, uint32_t count)
{
	bool gave[REBALANCE_CORES_MAX] = {false}, took[REBALANCE_CORES_MAX] = {false};
	uint32_t moves = rebalance_plan(&plan, cores, count), most = 0, least = UINT32_MAX;

	for (uint32_t i = 0; i < count; i++)
		for (uint32_t to; (to = rebalance_next(&plan, i)) != REBALANCE_STAYS; moves--) {
			cr_assert(cores[i].takes && cores[to].takes);
			gave[i] = took[to] = true;
			cores[i].cursors--;
			cores[to].cursors++;
		}
	cr_assert_eq(moves, 0);
	for (uint32_t i = 0; i < count; i++) {
		cr_assert_not(gave[i] && took[i]);
		if (!cores[i].takes)
			continue;
		most = cores[i].cursors > most ? cores[i].cursors : most;
		least = cores[i].cursors < least ? cores[i].cursors : least;
	}
	cr_assert(least == UINT32_MAX || most - least <= 1, "%u to %u", least, most);
}

Test(rebalance, ends_even_whatever_it_began_with)
{
	srand(77);
	for (int n = 0; n < 2000; n++) {
		struct rebalance_core cores[REBALANCE_CORES_MAX];
		uint32_t count = 1 + (uint32_t)rand() % REBALANCE_CORES_MAX;

		for (uint32_t i = 0; i < count; i++)
			cores[i] = (struct rebalance_core){.takes = rand() % 5 != 0,
							   .cursors = (uint32_t)rand() %
								      (rand() % 2 == 0 ? 4 : 300)};
		carry_out(cores, count);
		cr_assert_eq(rebalance_plan(&plan, cores, count), 0, "even is even");
	}
}
