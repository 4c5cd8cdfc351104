// SPDX-License-Identifier: BSD-3-Clause
//
// The detector against a naive twin: a list of all that ever happened, from which each answer is
// found by a scan. Random walks of many seeds; ticks come early, late and after pauses.
#include <criterion/criterion.h>

#include "control/link.h"

#define SEEDS	   400u
#define STEPS	   1500u
#define EVENTS_MAX (2 * STEPS + 16)
#define PEERS	   3u

// What the twin knows is what happened; whatever it says is scanned out of that.
enum kind {
	HEARD,
	TICK,
	LATE, // a tick that came late
	TURNED,
	ASKED,
	HEARS,
	SILENT,
	EXCUSED,
	DECAYED,
	FLAPPED,
};

struct event {
	enum kind kind;
	uint64_t time;
	uint32_t what; // TURNED: state; ASKED: mask of servers; HEARS, SILENT: server
};

struct twin {
	struct link_config config;
	struct event events[EVENTS_MAX * 3];
	uint32_t count;
};

static struct twin twin;
static uint64_t random_state;
static uint32_t seed, turns[3];
static bool is_silence; // silence ended the last UP

static uint64_t random_below(uint64_t bound)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (random_state * 0x2545f4914f6cdd1dull >> 11) % bound;
}

static struct event *add(enum kind kind, uint64_t time, uint32_t what)
{
	cr_assert_lt(twin.count, EVENTS_MAX * 3);
	twin.events[twin.count] = (struct event){kind, time, what};
	return &twin.events[twin.count++];
}

// The last event of a kind, or NULL.
static struct event *last(enum kind kind)
{
	for (uint32_t i = twin.count; i-- > 0;)
		if (twin.events[i].kind == kind)
			return &twin.events[i];
	return NULL;
}

static uint64_t time_of(const struct event *event)
{
	return event == NULL ? 0 : event->time;
}

static enum link_state state(void)
{
	return (enum link_state)last(TURNED)->what;
}

static uint64_t max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint32_t multiplier(void)
{
	uint32_t value = twin.config.multiplier, levels[64] = {value}, level = 0;

	for (uint32_t i = 0; i < twin.count; i++) {
		if (twin.events[i].kind == FLAPPED && levels[level] < LINK_MULTIPLIER_MAX) {
			value = levels[level] * 2 < LINK_MULTIPLIER_MAX ? levels[level] * 2 :
									  LINK_MULTIPLIER_MAX;
			levels[++level] = value;
		} else if (twin.events[i].kind == DECAYED) {
			level--;
		}
	}
	return levels[level];
}

// Servers that said `kind` as their last word on the question in force.
static uint32_t saying(enum kind kind)
{
	uint32_t mask = 0;

	for (uint32_t i = (uint32_t)(last(ASKED) - twin.events); i < twin.count; i++) {
		if (twin.events[i].kind == HEARS || twin.events[i].kind == SILENT)
			mask &= ~(1u << twin.events[i].what);
		if (twin.events[i].kind == kind)
			mask |= 1u << twin.events[i].what;
	}
	return mask;
}

static uint32_t turn(enum link_state to, uint64_t now)
{
	add(TURNED, now, to);
	return to == LINK_UP   ? LINK_TURNED_UP :
	       to == LINK_DEAD ? LINK_TURNED_DEAD :
				 LINK_TURNED_SUSPECT;
}

// Since when silence counts.
static uint64_t silent_from(void)
{
	return max(time_of(last(HEARD)), max(time_of(last(LATE)), time_of(last(EXCUSED))));
}

static uint32_t twin_tick(uint64_t now)
{
	bool is_late = now - max(time_of(last(TICK)), time_of(last(LATE))) > twin.config.late_ns;
	uint64_t quiet_from = max(time_of(last(TURNED)), time_of(last(DECAYED)));

	add(is_late ? LATE : TICK, now, 0);
	if (state() == LINK_UP) {
		if (now - silent_from() >= twin.config.interval_ns * multiplier()) {
			add(ASKED, now, 0);
			return turn(LINK_SUSPECT, now) | LINK_ASK;
		}
		if (multiplier() > twin.config.multiplier &&
		    now - quiet_from >= twin.config.quiet_ns)
			add(DECAYED, now, 0);
		return 0;
	}
	if (state() == LINK_DEAD ||
	    now - max(time_of(last(ASKED)), time_of(last(LATE))) < twin.config.confirm_ns)
		return 0;
	if (saying(HEARS) == 0)
		return turn(LINK_DEAD, now);
	add(ASKED, now, 0);
	return LINK_ASK;
}

static uint32_t twin_heard(uint64_t now)
{
	enum link_state before = state();

	add(HEARD, now, 0);
	if (before == LINK_UP)
		return 0;
	if (is_silence)
		add(FLAPPED, now, 0);
	return turn(LINK_UP, now);
}

static uint32_t twin_asked(uint32_t mask, uint64_t now)
{
	if (state() != LINK_SUSPECT)
		return 0;
	last(ASKED)->what = mask;
	return mask == 0 ? turn(LINK_DEAD, now) : 0;
}

static uint32_t twin_answer(enum kind kind, uint32_t server, uint64_t now)
{
	if (state() != LINK_SUSPECT || (last(ASKED)->what >> server & 1) == 0)
		return 0;
	add(kind, now, server);
	if (kind == HEARS)
		return LINK_HEARD_ELSEWHERE;
	return saying(SILENT) == last(ASKED)->what ? turn(LINK_DEAD, now) : 0;
}

static uint32_t twin_asks(uint32_t server, uint64_t now)
{
	if (state() != LINK_SUSPECT || (saying(HEARS) >> server & 1) == 0)
		return 0;
	add(ASKED, now, 0);
	return LINK_ASK;
}

static uint32_t twin_excuse(uint64_t now)
{
	if (state() != LINK_SUSPECT)
		return 0;
	add(EXCUSED, now, 0);
	return turn(LINK_UP, now);
}

// One random event for both. What they ask for must be the same.
static void step(struct link_detector *link, uint64_t now)
{
	uint32_t choice = (uint32_t)random_below(100), server = (uint32_t)random_below(PEERS);
	uint32_t mask = (uint32_t)random_below(1 << PEERS), real, expected;

	if (choice < 60) {
		real = link_tick(link, now);
		expected = twin_tick(now);
		is_silence |= (real & LINK_TURNED_SUSPECT) != 0;
		if (real & LINK_ASK && random_below(8) != 0) {
			real |= link_asked(link, mask, now);
			expected |= twin_asked(mask, now);
		}
	} else if (choice < 75) {
		real = link_heard(link, now);
		expected = twin_heard(now);
		is_silence = false;
	} else if (choice < 85) {
		real = link_peer_silent(link, link->ask, server, now);
		expected = twin_answer(SILENT, server, now);
	} else if (choice < 95) {
		real = link_peer_hears(link, link->ask, server, now);
		expected = twin_answer(HEARS, server, now);
	} else if (choice < 97) {
		real = link_peer_asks(link, server, now);
		expected = twin_asks(server, now);
		if (real & LINK_ASK && random_below(8) != 0) {
			real |= link_asked(link, mask, now);
			expected |= twin_asked(mask, now);
		}
	} else if (choice < 98) {
		real = link_excuse(link, now);
		expected = twin_excuse(now);
		is_silence &= state() != LINK_UP;
	} else {
		real = link_kill(link, LINK_WHY_INCARNATION, now);
		expected = state() == LINK_DEAD ? 0 : turn(LINK_DEAD, now);
		is_silence = false;
	}
	cr_assert_eq(real, expected, "seed %u at %lu: %u, not %u", seed, (unsigned long)now, real,
		     expected);
}

// Both are in the same state, with the same patience and the same history.
static void compare(const struct link_detector *link, uint64_t now)
{
	uint32_t turned = 0;

	cr_assert_eq(link->state, state(), "seed %u at %lu", seed, (unsigned long)now);
	cr_assert_eq(link_multiplier(link), multiplier(), "seed %u at %lu", seed,
		     (unsigned long)now);
	for (uint32_t i = twin.count; i-- > 1 && turned < LINK_HISTORY;)
		if (twin.events[i].kind == TURNED) {
			const struct link_change *change = link_change_at(link, turned++);

			cr_assert_not_null(change);
			cr_assert_eq(change->time_ns, twin.events[i].time);
			cr_assert_eq(change->to, twin.events[i].what);
		}
}

static void walk(void)
{
	struct link_detector link;
	uint64_t now = 1000;

	random_state = seed * 0x9e3779b97f4a7c15ull + 1;
	is_silence = false;
	twin = (struct twin){.config = {.interval_ns = 1 + random_below(6),
					.multiplier = 1 + (uint32_t)random_below(4),
					.confirm_ns = 1 + random_below(12),
					.late_ns = 2 + random_below(8),
					.quiet_ns = 5 + random_below(40)}};
	link_init(&link, &twin.config, LINK_UP, now);
	add(TURNED, now, LINK_UP);
	add(HEARD, now, 0);
	add(TICK, now, 0);
	for (uint32_t i = 0; i < STEPS; i++) {
		uint64_t due = link_due_ns(&link);

		now += random_below(4) == 0 ? random_below(6) : random_below(2);
		// Nothing happens before the time that it says, but that a tick comes late.
		if (due != UINT64_MAX && due > now + 1 && random_below(10) == 0) {
			uint32_t early = link_tick(&link, now);

			cr_assert_eq(early, 0, "seed %u: early at %lu", seed, (unsigned long)now);
			cr_assert_eq(twin_tick(now), 0);
		}
		if (random_below(50) == 0)
			now += random_below(twin.config.quiet_ns);
		step(&link, now);
		compare(&link, now);
		for (uint32_t j = 0; j < 3; j++)
			turns[j] += link.state == j;
	}
}

Test(link_twin, walks_as_a_list_of_events_says)
{
	for (seed = 0; seed < SEEDS; seed++)
		walk();
	for (uint32_t j = 0; j < 3; j++)
		cr_assert_gt(turns[j], SEEDS * STEPS / 50, "it stood long enough in state %u", j);
}
