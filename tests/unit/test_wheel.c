// SPDX-License-Identifier: BSD-3-Clause
//
// The timer wheel, by hand and against a plain list of due times.
#include <criterion/criterion.h>
#include <stdlib.h>

#include "dataplane/wheel.h"

#define TIMERS	  200
#define SLOTS_MAX 64

struct fixture {
	struct wheel wheel;
	uint32_t heads[SLOTS_MAX + 1];
	struct wheel_timer timers[TIMERS];
	uint32_t fired[TIMERS];
	uint32_t fired_count;
};

static struct fixture *fixture_create(uint64_t tick_ns, uint32_t slots, uint64_t now_ns)
{
	struct fixture *x = calloc(1, sizeof(*x));

	cr_assert_leq(wheel_heads_bytes(slots), sizeof(x->heads));
	wheel_init(&x->wheel, tick_ns, x->heads, slots, x->timers, TIMERS, now_ns);
	return x;
}

static void note_due(void *arg, uint32_t timer)
{
	struct fixture *x = arg;

	cr_assert_not(wheel_is_set(&x->wheel, timer));
	cr_assert_lt(x->fired_count, TIMERS);
	x->fired[x->fired_count++] = timer;
}

static uint32_t advance(struct fixture *x, uint64_t now_ns, uint32_t budget)
{
	x->fired_count = 0;
	uint32_t fired = wheel_advance(&x->wheel, now_ns, budget, note_due, x);

	cr_assert_eq(fired, x->fired_count);
	return fired;
}

Test(wheel, fires_no_timer_early_and_none_a_tick_late)
{
	struct fixture *x = fixture_create(100, 8, 1000);

	wheel_set(&x->wheel, 3, 1150);
	wheel_set(&x->wheel, 4, 1200);
	wheel_set(&x->wheel, 5, 1201);
	cr_assert(wheel_is_set(&x->wheel, 3));
	cr_assert_not(wheel_is_set(&x->wheel, 6));
	cr_assert_eq(advance(x, 1199, 9), 0);
	cr_assert_eq(advance(x, 1200, 9), 2);
	cr_assert_not(wheel_is_set(&x->wheel, 3));
	cr_assert(wheel_is_set(&x->wheel, 5));
	cr_assert_eq(advance(x, 1299, 9), 0);
	cr_assert_eq(advance(x, 1300, 9), 1);
	cr_assert_eq(x->fired[0], 5);
	cr_assert_eq(advance(x, 99999, 9), 0);
	free(x);
}

Test(wheel, moves_a_timer_that_is_set_again)
{
	struct fixture *x = fixture_create(100, 8, 0);

	wheel_set(&x->wheel, 1, 300);
	wheel_set(&x->wheel, 2, 300);
	wheel_set(&x->wheel, 1, 500);
	cr_assert_eq(advance(x, 400, 9), 1);
	cr_assert_eq(x->fired[0], 2);
	wheel_set(&x->wheel, 1, 700);
	wheel_cancel(&x->wheel, 2);
	cr_assert_eq(advance(x, 600, 9), 0);
	cr_assert_eq(advance(x, 700, 9), 1);
	wheel_set(&x->wheel, 1, 800);
	wheel_cancel(&x->wheel, 1);
	cr_assert_not(wheel_is_set(&x->wheel, 1));
	cr_assert_eq(advance(x, 5000, 9), 0);
	free(x);
}

Test(wheel, keeps_far_timers_for_later_turns)
{
	struct fixture *x = fixture_create(10, 4, 0);

	wheel_set(&x->wheel, 0, 1000);
	wheel_set(&x->wheel, 1, UINT64_MAX);
	for (uint64_t now = 0; now < 1000; now += 7)
		cr_assert_eq(advance(x, now, 9), 0);
	cr_assert_eq(advance(x, 1000, 9), 1);
	cr_assert(wheel_is_set(&x->wheel, 1));
	free(x);
}

Test(wheel, leaves_what_is_beyond_the_budget_for_the_next_call)
{
	struct fixture *x = fixture_create(10, 4, 0);

	for (uint32_t i = 0; i < 10; i++)
		wheel_set(&x->wheel, i, 15 + i);
	cr_assert_eq(advance(x, 100, 0), 0);
	cr_assert_eq(advance(x, 100, 3), 3);
	wheel_cancel(&x->wheel, x->fired[0]); // no effect
	for (uint32_t i = 0; i < 10; i++) {
		if (wheel_is_set(&x->wheel, i)) {
			wheel_cancel(&x->wheel, i);
			break;
		}
	}
	cr_assert_eq(advance(x, 100, 4), 4);
	cr_assert_eq(advance(x, 100, 4), 2);
	cr_assert_eq(advance(x, 100, 4), 0);
	free(x);
}

// With a tick of a nanosecond, a walk of each tick passed would not end.
Test(wheel, far_jump_of_the_clock_looks_at_each_slot_once)
{
	struct fixture *x = fixture_create(1, 64, 5);

	for (uint32_t i = 0; i < TIMERS; i++)
		wheel_set(&x->wheel, i, 1000000 * (uint64_t)i);
	cr_assert_eq(advance(x, 1ull << 62, 150), 150);
	cr_assert_eq(advance(x, (1ull << 62) + 1, 150), 50);
	wheel_set(&x->wheel, 7, 3); // long due
	cr_assert_eq(advance(x, (1ull << 62) + 2, 9), 1);
	free(x);
}

Test(wheel, takes_a_clock_that_goes_back_for_the_last)
{
	struct fixture *x = fixture_create(10, 8, 1000);

	wheel_set(&x->wheel, 0, 1100);
	cr_assert_eq(advance(x, 1050, 9), 0);
	cr_assert_eq(advance(x, 900, 9), 0);
	cr_assert_eq(advance(x, 0, 9), 0);
	cr_assert_eq(advance(x, 1100, 9), 1);
	free(x);
}

// ---- the naive twin --------------------------------------------------------------------------

struct naive_timer {
	bool is_set;
	uint64_t due_ns;
	uint64_t set_tick; // the clock's tick when it was set
};

struct twin {
	struct fixture *x;
	struct naive_timer naive[TIMERS];
	uint64_t now_ns, tick_ns, span_ns;
	uint32_t fired, cut_short;
	uint64_t random;
};

static uint64_t random_below(struct twin *t, uint64_t n)
{
	uint64_t z = (t->random += 0x9e3779b97f4a7c15ull);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return (z ^ z >> 31) % n;
}

static void twin_change(struct twin *t)
{
	uint32_t timer = (uint32_t)random_below(t, TIMERS);
	struct naive_timer *n = &t->naive[timer];

	cr_assert_eq(wheel_is_set(&t->x->wheel, timer), n->is_set);
	if (random_below(t, 4) == 0) {
		wheel_cancel(&t->x->wheel, timer);
		n->is_set = false;
		return;
	}
	uint64_t from = t->now_ns > t->span_ns / 4 ? t->now_ns - t->span_ns / 4 : 0;

	*n = (struct naive_timer){.is_set = true,
				  .due_ns = from + random_below(t, t->span_ns),
				  .set_tick = t->now_ns / t->tick_ns};
	wheel_set(&t->x->wheel, timer, n->due_ns);
}

// Fires, and now and then changes itself and others.
static void twin_on_due(void *arg, uint32_t timer)
{
	struct twin *t = arg;
	struct naive_timer *n = &t->naive[timer];

	cr_assert(n->is_set, "timer %u was not set", timer);
	cr_assert_leq(n->due_ns, t->now_ns, "early");
	cr_assert_not(wheel_is_set(&t->x->wheel, timer));
	n->is_set = false;
	t->fired++;
	while (random_below(t, 2) == 0)
		twin_change(t);
}

static void twin_advance(struct twin *t)
{
	uint32_t budget = (uint32_t)random_below(t, 20), before = t->fired, fired = 0;

	t->now_ns += random_below(t, 16) == 0 ? random_below(t, t->span_ns * 2) :
						random_below(t, t->tick_ns * 3);
	uint64_t tick = t->now_ns / t->tick_ns;

	fired = wheel_advance(&t->x->wheel, t->now_ns, budget, twin_on_due, t);
	cr_assert_eq(fired, t->fired - before);
	cr_assert_leq(fired, budget);
	if (fired == budget) {
		t->cut_short++;
		return;
	}
	// Nothing due was skipped, but what was set to a time already past within this very tick.
	for (uint32_t i = 0; i < TIMERS; i++) {
		const struct naive_timer *n = &t->naive[i];

		cr_assert_eq(wheel_is_set(&t->x->wheel, i), n->is_set);
		cr_assert(!n->is_set || n->due_ns > tick * t->tick_ns || n->set_tick == tick,
			  "timer %u was skipped", i);
	}
}

static void twin_run(uint64_t seed, uint64_t tick_ns, uint32_t slots, uint64_t span_ns)
{
	struct twin *t = calloc(1, sizeof(*t));

	*t = (struct twin){.now_ns = 12345, .tick_ns = tick_ns, .span_ns = span_ns, .random = seed};
	t->x = fixture_create(tick_ns, slots, t->now_ns);
	for (uint32_t i = 0; i < 20000; i++) {
		if (random_below(t, 3) == 0)
			twin_advance(t);
		else
			twin_change(t);
	}
	cr_assert_gt(t->fired, 100);
	cr_assert_gt(t->cut_short, 10);
	for (uint32_t i = 0; i < 1000; i++) // all end
		t->fired +=
			wheel_advance(&t->x->wheel, t->now_ns + t->span_ns * 2, 1, note_due, t->x);
	for (uint32_t i = 0; i < TIMERS; i++)
		cr_assert_not(wheel_is_set(&t->x->wheel, i));
	free(t->x);
	free(t);
}

Test(wheel_twin, near_timers)
{
	for (uint64_t seed = 1; seed <= 8; seed++)
		twin_run(seed, 10, 64, 400);
}

Test(wheel_twin, far_timers_on_a_small_wheel)
{
	for (uint64_t seed = 1; seed <= 8; seed++)
		twin_run(seed + 100, 7, 4, 3000);
}

Test(wheel_twin, one_slot)
{
	for (uint64_t seed = 1; seed <= 8; seed++)
		twin_run(seed + 200, 1, 1, 300);
}
