// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/wheel.h"

// In `prev` of the first timer of a list, beside the list's number.
#define WHEEL_HEAD 0x80000000u

void wheel_init(struct wheel *wheel, uint64_t tick_ns, uint32_t *heads, uint32_t slots,
		struct wheel_timer *timers, uint32_t timers_count, uint64_t now_ns)
{
	assert(tick_ns > 0 && slots > 0 && (slots & (slots - 1)) == 0 && slots <= 1u << 30);
	assert(timers_count < WHEEL_HEAD);
	*wheel = (struct wheel){.timers = timers,
				.heads = heads,
				.tick_ns = tick_ns,
				.tick = now_ns / tick_ns,
				.next_ns = (now_ns / tick_ns + 1) * tick_ns,
				.mask = slots - 1,
				.timers_count = timers_count};
	for (uint32_t i = 0; i <= slots; i++)
		heads[i] = WHEEL_NONE;
	for (uint32_t i = 0; i < timers_count; i++)
		timers[i] = (struct wheel_timer){.next = WHEEL_NONE, .prev = WHEEL_NONE};
}

static uint32_t late_list(const struct wheel *wheel)
{
	return wheel->mask + 1;
}

static void timer_put(struct wheel *wheel, uint32_t timer, uint32_t list)
{
	struct wheel_timer *t = &wheel->timers[timer];

	t->next = wheel->heads[list];
	t->prev = WHEEL_HEAD | list;
	if (t->next != WHEEL_NONE)
		wheel->timers[t->next].prev = timer;
	wheel->heads[list] = timer;
}

static void timer_take(struct wheel *wheel, uint32_t timer)
{
	struct wheel_timer *t = &wheel->timers[timer];

	if (t->next != WHEEL_NONE)
		wheel->timers[t->next].prev = t->prev;
	if ((t->prev & WHEEL_HEAD) != 0)
		wheel->heads[t->prev & ~WHEEL_HEAD] = t->next;
	else
		wheel->timers[t->prev].next = t->next;
	t->next = t->prev = WHEEL_NONE;
}

void wheel_set(struct wheel *wheel, uint32_t timer, uint64_t due_ns)
{
	// Rounded up: at the tick's beginning it is due in every case.
	uint64_t tick = due_ns / wheel->tick_ns + (due_ns % wheel->tick_ns != 0);

	assert(timer < wheel->timers_count);
	wheel_cancel(wheel, timer);
	if (tick <= wheel->tick)
		tick = wheel->tick + 1;
	wheel->timers[timer].due_ns = due_ns;
	timer_put(wheel, timer, (uint32_t)tick & wheel->mask);
}

void wheel_cancel(struct wheel *wheel, uint32_t timer)
{
	assert(timer < wheel->timers_count);
	if (wheel_is_set(wheel, timer))
		timer_take(wheel, timer);
}

// Move what is due by until_ns from a slot to the late list.
static void slot_collect(struct wheel *wheel, uint32_t slot, uint64_t until_ns)
{
	uint32_t next = WHEEL_NONE;

	for (uint32_t timer = wheel->heads[slot]; timer != WHEEL_NONE; timer = next) {
		next = wheel->timers[timer].next;
		if (wheel->timers[timer].due_ns <= until_ns) {
			timer_take(wheel, timer);
			timer_put(wheel, timer, late_list(wheel));
		}
	}
}

uint32_t wheel_advance(struct wheel *wheel, uint64_t now_ns, uint32_t budget,
		       void (*on_due)(void *arg, uint32_t timer), void *arg)
{
	const uint32_t *late = &wheel->heads[late_list(wheel)];
	uint64_t last = wheel->tick;
	uint32_t fired = 0;

	if (now_ns >= wheel->next_ns)
		last = now_ns / wheel->tick_ns;
	// One turn of the wheel meets every slot; ticks before it need no look of their own.
	if (last - wheel->tick > (uint64_t)wheel->mask + 1)
		wheel->tick = last - wheel->mask - 1;

	// A callback may set, move or cancel anything, so only the list's head is held between calls.
	while (fired < budget) {
		if (*late != WHEEL_NONE) {
			uint32_t timer = *late;

			timer_take(wheel, timer);
			on_due(arg, timer);
			fired++;
		} else if (wheel->tick < last) {
			wheel->tick++;
			slot_collect(wheel, (uint32_t)wheel->tick & wheel->mask,
				     last * wheel->tick_ns);
		} else {
			break;
		}
	}
	wheel->next_ns = (wheel->tick + 1) * wheel->tick_ns;
	return fired;
}
