// SPDX-License-Identifier: BSD-3-Clause
// The table of neighbours, under a fake time.
#include <criterion/criterion.h>
#include <pthread.h>

#include "dataplane/neighbours.h"

#define S   1000000000ull
#define NOW (70000 * S) // the 16-bit second has come round once
#define IP  0x0a000105u
#define MAC 0x02aabbccddeeull

static struct neighbours table;

static void up(void)
{
	cr_assert_eq(neighbours_create(&table, 24), 0);
}

static void down(void)
{
	neighbours_destroy(&table);
}

TestSuite(neighbours, .init = up, .fini = down);

Test(neighbours, holds_every_address_of_its_link)
{
	cr_assert_eq(table.mask, 255);
	for (uint32_t i = 0; i < 256; i++)
		cr_assert_eq(neighbours_slot(&table, 0x0a000100 + i), i);
	for (uint32_t i = 0; i < 256; i++)
		cr_assert_eq(neighbours_slot(&table, 0x0a000100 + i), i);
}

Test(neighbours, refuses_when_its_probes_are_taken)
{
	for (uint32_t i = 0; i < NEIGHBOUR_PROBES; i++)
		cr_assert_eq(neighbours_slot(&table, 0x0a000001 + (i << 8)), 1 + i);
	cr_assert_eq(neighbours_slot(&table, 0x0b000001), NEIGHBOUR_NONE);
	cr_assert_not(neighbours_learn(&table, 0x0b000001, MAC, NOW, true));
	cr_assert(neighbours_learn(&table, 0x0b000001, MAC, NOW, false));
	// The others are as they were.
	cr_assert_eq(neighbours_slot(&table, 0x0a000001), 1);
}

Test(neighbours, ages_from_used_to_asked_for_to_unknown)
{
	uint32_t slot = neighbours_slot(&table, IP);
	bool ask;

	cr_assert(neighbours_learn(&table, IP, MAC, NOW, false));
	cr_assert_eq(neighbours_get(&table, slot, NOW + 59 * S, &ask), MAC);
	cr_assert_not(ask);
	cr_assert_eq(neighbours_get(&table, slot, NOW + 60 * S, &ask), MAC);
	cr_assert(ask);
	cr_assert_eq(neighbours_get(&table, slot, NOW + 60 * S + 1, &ask), MAC);
	cr_assert_not(ask);
	cr_assert_eq(neighbours_get(&table, slot, NOW + 119 * S, &ask), MAC);
	cr_assert(ask);
	cr_assert_eq(neighbours_get(&table, slot, NOW + 120 * S, &ask), 0);
	cr_assert(ask);
	cr_assert(neighbours_learn(&table, IP, MAC + 1, NOW + 121 * S, false));
	cr_assert_eq(neighbours_get(&table, slot, NOW + 121 * S, &ask), MAC + 1);
	cr_assert_not(ask);
}

Test(neighbours, asks_once_a_second_for_whom_it_does_not_know)
{
	uint32_t slot = neighbours_slot(&table, IP), asked = 0;
	bool ask;

	for (uint64_t t = 0; t < 10 * S; t += S / 1000) {
		cr_assert_eq(neighbours_get(&table, slot, NOW + t, &ask), 0);
		asked += ask;
	}
	cr_assert_eq(asked, 10);
	// Nobody wanted it for the days in which the milliseconds go half round.
	cr_assert_eq(neighbours_get(&table, slot, NOW + (30ull * 86400) * S, &ask), 0);
	cr_assert(ask);
}

Test(neighbours, does_not_mind_a_reader_whose_turn_began_before)
{
	uint32_t slot = neighbours_slot(&table, IP);
	bool ask;

	cr_assert(neighbours_learn(&table, IP, MAC, NOW, false));
	cr_assert_eq(neighbours_get(&table, slot, NOW - 1, &ask), MAC);
	cr_assert_not(ask);
}

Test(neighbours, forgets_the_dead_before_their_age_comes_round)
{
	uint32_t slot = neighbours_slot(&table, IP);
	bool ask;

	cr_assert(neighbours_learn(&table, IP, MAC, NOW, false));
	for (uint32_t s = 0; s < 120; s++)
		neighbours_sweep(&table, NOW + s * S);
	cr_assert_eq(neighbours_get(&table, slot, NOW + 100 * S, &ask), MAC);
	for (uint32_t s = 120; s < 120 + 256; s++)
		neighbours_sweep(&table, NOW + s * S);
	// 65536 s later it would seem new.
	cr_assert_eq(neighbours_get(&table, slot, NOW + 65536 * S, &ask), 0);
}

#define THREADS 4

static void *claim(void *arg)
{
	uint32_t *slots = arg;

	for (uint32_t i = 0; i < 240; i++)
		slots[i] = neighbours_slot(&table, 0x0a000000 + i % 15 * 16 + (i << 8));
	return NULL;
}

Test(neighbours, gives_all_threads_the_same_slots)
{
	static uint32_t slots[THREADS][240];
	pthread_t threads[THREADS];

	for (int round = 0; round < 50; round++) {
		neighbours_destroy(&table);
		cr_assert_eq(neighbours_create(&table, 24), 0);
		for (int i = 0; i < THREADS; i++)
			cr_assert_eq(pthread_create(&threads[i], NULL, claim, slots[i]), 0);
		for (int i = 0; i < THREADS; i++)
			pthread_join(threads[i], NULL);
		for (uint32_t k = 0; k < 240; k++) {
			cr_assert_neq(slots[0][k], NEIGHBOUR_NONE);
			for (int i = 1; i < THREADS; i++)
				cr_assert_eq(slots[i][k], slots[0][k], "address %u", k);
			cr_assert_eq(table.slots[slots[0][k]].ip,
				     0x0a000000 + k % 15 * 16 + (k << 8));
		}
	}
}
