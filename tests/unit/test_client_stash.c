// SPDX-License-Identifier: BSD-3-Clause
#include <criterion/criterion.h>
#include <stdlib.h>

#include "client/random.h"
#include "client/stash.h"

#define SPAN 200 // sequences of the model: 1 .. SPAN

struct bench {
	struct client_pool pool;
	struct client_stash stash;
	struct client_random random;
	bool held[SPAN + 2];
};

static void bench_init(struct bench *bench, uint64_t seed)
{
	memset(bench, 0, sizeof(*bench));
	client_pool_init(&bench->pool, sizeof(struct godwit_event));
	client_random_init(&bench->random, (const uint64_t[]){seed, 0});
}

static void bench_put(struct bench *bench, uint64_t from, uint64_t to)
{
	struct client_slot *slot = client_pool_get(&bench->pool);

	slot->from = from;
	slot->to = to;
	client_stash_insert(&bench->stash, &bench->pool, slot);
	for (uint64_t seq = from; seq <= to; seq++)
		bench->held[seq] = true;
}

// Both ends ascend, nothing lies in another, and together the slots hold what the model holds.
static void bench_check(const struct bench *bench)
{
	bool seen[SPAN + 2] = {false};
	const struct client_slot *last = NULL;

	for (const struct client_slot *s = bench->stash.list.head; s != NULL; s = s->next) {
		cr_assert_eq(s->prev, last);
		if (last != NULL)
			cr_assert(s->from > last->from && s->to > last->to);
		for (uint64_t seq = s->from; seq <= s->to; seq++)
			seen[seq] = true;
		last = s;
	}
	cr_assert_eq(bench->stash.list.tail, last);
	cr_assert_eq(memcmp(seen, bench->held, sizeof(seen)), 0);
}

static bool model_holds(const struct bench *bench, uint64_t from, uint64_t to)
{
	for (uint64_t seq = from; seq <= to; seq++)
		if (!bench->held[seq])
			return false;
	return true;
}

static void bench_check_holes(struct bench *bench, uint64_t low, uint64_t high)
{
	struct godwit_range ranges[GODWIT_NAK_RANGES];
	bool more;
	uint32_t count =
		client_stash_holes(&bench->stash, low, high, ranges, GODWIT_NAK_RANGES, &more);
	uint64_t seq = low + 1;

	for (uint32_t i = 0; i < count; i++) {
		while (seq <= high && bench->held[seq])
			seq++;
		cr_assert_eq(godwit_get64(ranges[i].first), seq);
		while (seq <= high && !bench->held[seq])
			seq++;
		cr_assert_eq(godwit_get64(ranges[i].last), seq - 1);
	}
	while (seq <= high && bench->held[seq])
		seq++;
	cr_assert_eq(more, seq <= high);
	if (more)
		cr_assert_eq(count, GODWIT_NAK_RANGES);
}

static void bench_fini(struct bench *bench)
{
	client_stash_cut(&bench->stash, &bench->pool, 0);
	cr_assert_null(bench->stash.list.head);
	client_pool_fini(&bench->pool);
	cr_assert_eq(bench->pool.slots, 0);
}

Test(client_stash, swallows_what_lies_in_a_new_one)
{
	struct bench bench;

	bench_init(&bench, 1);
	bench_put(&bench, 5, 6);
	bench_put(&bench, 8, 8);
	bench_put(&bench, 12, 14);
	bench_put(&bench, 5, 9);
	bench_check(&bench);
	cr_assert_eq(bench.stash.list.head->next, bench.stash.list.tail);
	cr_assert(client_stash_holds(&bench.stash, 6, 9));
	cr_assert(!client_stash_holds(&bench.stash, 6, 10));
	cr_assert(!client_stash_holds(&bench.stash, 4, 5));
	bench_fini(&bench);
}

Test(client_stash, takes_only_what_continues)
{
	struct bench bench;
	struct client_slot *slot;

	bench_init(&bench, 1);
	bench_put(&bench, 5, 6);
	cr_assert_null(client_stash_take(&bench.stash, 4));
	slot = client_stash_take(&bench.stash, 5);
	cr_assert_eq(slot->to, 6);
	client_pool_put(&bench.pool, slot);
	cr_assert_null(client_stash_take(&bench.stash, 100));
	bench_fini(&bench);
}

Test(client_stash, agrees_with_a_naive_set)
{
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct bench bench;

		bench_init(&bench, seed);
		for (uint32_t step = 0; step < 400; step++) {
			uint64_t from = client_random_next(&bench.random) % SPAN + 1;
			uint64_t length = client_random_next(&bench.random) % 6;
			uint64_t to = from + length <= SPAN ? from + length : SPAN;
			bool holds = model_holds(&bench, from, to);

			cr_assert_eq(client_stash_holds(&bench.stash, from, to), holds);
			if (!holds)
				bench_put(&bench, from, to);
			bench_check(&bench);
			bench_check_holes(&bench, from - 1, SPAN);
			bench_check_holes(&bench, 0, to);
			if (client_random_next(&bench.random) % 8 == 0) {
				client_stash_cut(&bench.stash, &bench.pool, 0);
				memset(bench.held, 0, sizeof(bench.held));
			}
		}
		// A slot for each sequence is the most that can be needed.
		cr_assert_leq(bench.pool.slots, SPAN + 1);
		bench_fini(&bench);
	}
}
