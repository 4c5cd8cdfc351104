// SPDX-License-Identifier: BSD-3-Clause
#include <criterion/criterion.h>

#include "control/cursor.h"
#include "dataplane/rendezvous.h"

#define KEYS 100000u

static uint64_t key_of(uint32_t i)
{
	return cursor_key_hash(&(struct cursor_key){i, 77, 1}, 0);
}

// Within three per cent of its share, and never further off than chance explains.
static void assert_share(uint32_t count, double share, const char *who)
{
	double expected = share * KEYS;

	cr_assert(count > expected * 0.97 && count < expected * 1.03, "%s: %u keys, not %.0f", who,
		  count, expected);
}

Test(rendezvous, picks_nobody_where_nobody_can)
{
	const struct rendezvous_server idle[2] = {{1, 0}, {2, 0}};

	cr_assert_eq(rendezvous_pick(1, NULL, 0), RENDEZVOUS_NONE);
	cr_assert_eq(rendezvous_pick(1, idle, 2), RENDEZVOUS_NONE);
}

Test(rendezvous, shares_keys_by_weight)
{
	const struct rendezvous_server servers[4] = {{1, 1}, {2, 2}, {9, 0}, {5, 5}};
	uint32_t counts[4] = {0};

	for (uint32_t i = 0; i < KEYS; i++)
		counts[rendezvous_pick(key_of(i), servers, 4)]++;
	assert_share(counts[0], 1.0 / 8, "weight 1");
	assert_share(counts[1], 2.0 / 8, "weight 2");
	assert_share(counts[3], 5.0 / 8, "weight 5");
	cr_assert_eq(counts[2], 0);
}

Test(rendezvous, shares_evenly_among_many_of_equal_weight)
{
	struct rendezvous_server servers[10];
	uint32_t counts[10] = {0};

	for (uint32_t i = 0; i < 10; i++)
		servers[i] = (struct rendezvous_server){(uint16_t)(100 + i), 40000};
	for (uint32_t i = 0; i < KEYS; i++)
		counts[rendezvous_pick(key_of(i), servers, 10)]++;
	for (uint32_t i = 0; i < 10; i++)
		assert_share(counts[i], 0.1, "one of ten");
}

Test(rendezvous, moves_only_the_keys_of_a_server_that_leaves)
{
	const struct rendezvous_server all[4] = {{1, 3}, {2, 1}, {3, 2}, {4, 2}};
	const struct rendezvous_server left[3] = {{1, 3}, {2, 1}, {4, 2}};
	uint32_t moved[3] = {0}, orphans = 0;

	for (uint32_t i = 0; i < KEYS; i++) {
		uint16_t before = all[rendezvous_pick(key_of(i), all, 4)].id;
		uint32_t after = rendezvous_pick(key_of(i), left, 3);

		if (before != 3) {
			cr_assert_eq(left[after].id, before, "key %u", i);
			continue;
		}
		orphans++;
		moved[after]++;
	}
	assert_share(orphans, 2.0 / 8, "of the one that left");
	// Its keys go to the others by their weights.
	cr_assert_float_eq((double)moved[0] / orphans, 3.0 / 6, 0.02);
	cr_assert_float_eq((double)moved[1] / orphans, 1.0 / 6, 0.02);
	cr_assert_float_eq((double)moved[2] / orphans, 2.0 / 6, 0.02);
}

Test(rendezvous, does_not_ask_in_which_order_servers_are_listed)
{
	const struct rendezvous_server one[3] = {{1, 3}, {2, 1}, {3, 2}};
	const struct rendezvous_server two[3] = {{3, 2}, {1, 3}, {2, 1}};

	for (uint32_t i = 0; i < 10000; i++)
		cr_assert_eq(one[rendezvous_pick(key_of(i), one, 3)].id,
			     two[rendezvous_pick(key_of(i), two, 3)].id);
}

// Servers of all kinds must agree: these never change.
Test(rendezvous, picks_what_it_always_picked)
{
	const struct rendezvous_server servers[5] = {{1, 1}, {2, 2}, {3, 3}, {4, 4}, {5, 5}};
	uint64_t digest = 0;

	for (uint32_t i = 0; i < 1000; i++)
		digest = digest * 31 +
			 servers[rendezvous_pick(i * 0x9e3779b97f4a7c15, servers, 5)].id;
	cr_assert_eq(digest, 0x1bf54363711a9ada, "%#lx", digest);
}
