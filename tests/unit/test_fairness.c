// SPDX-License-Identifier: BSD-3-Clause
//
// What one client can take from the others: every stage's work of a turn is bounded, and whoever waits for
// a share gets one in turn.
#include <criterion/criterion.h>

#include "dataplane/stages.h"
#include "tests/support/checked.h"
#include "tests/support/core_harness.h"

static struct harness h;

#define COUNTED(name) harness_count(&h, 0, COUNTER_##name)

static void stop(void)
{
	harness_stop(&h);
	cr_assert_str_empty(h.failure, "%s", h.failure);
}

static struct client_peer connect_peer(uint8_t host)
{
	struct client_peer p = harness_peer(&h, 0, host, host, 1);

	cr_assert(harness_connect(&p, NULL));
	return p;
}

static struct subscription *find(const struct client_peer *p, uint32_t number)
{
	struct core *core = harness_core(&h, 0);

	return subscription_find(core, core_client(core, p->handle), number);
}

// A topic that nobody publishes, but that looks like topic 1 in a cut's topic bits: no cut is skipped.
static uint32_t topic_like_1(void)
{
	uint32_t topic = 2;

	while (topic_bit(topic) != topic_bit(1))
		topic++;
	return topic;
}

// The long way of a filter that matches nothing must not hold up who catches up beside it.
Checked(fairness, catching_up_takes_turns_also_where_a_scan_finds_nothing, stop)
{
	uint32_t topic = topic_like_1();
	struct harness_request filtered = {
		.number = 1, .start = GODWIT_START_EARLIEST, .topics = &topic, .topics_count = 1};
	struct harness_request whole = {.number = 1, .start = GODWIT_START_EARLIEST};
	struct client_peer a, b;
	uint64_t next;

	harness_start(&h,
		      &(struct harness_config){.log_bytes = 4 << 20, .temporary_budget = 16384});
	a = connect_peer(1);
	b = connect_peer(2);
	harness_append(&h, 0, 1, 1000, 2000);
	harness_turn(&h);
	cr_assert_not_null(harness_subscribe(&a, &filtered));
	cr_assert_not_null(harness_subscribe(&b, &whole));
	next = find(&a, 1)->temporary.place.seq;
	harness_turns(&h, 10);
	// Ten turns of 16 records each: neither has less than a quarter of them.
	cr_assert_geq(find(&b, 1)->sent, 40, "sent %lu", find(&b, 1)->sent);
	cr_assert_geq(find(&a, 1)->temporary.place.seq - next, 40);
}

// More wait than one turn's budget serves: next turn goes on behind those that were served.
Checked(fairness, a_turn_goes_on_where_the_last_one_used_up_its_budget, stop)
{
	struct client_peer p[8];

	harness_start(&h, &(struct harness_config){.log_bytes = 4 << 20, .temporary_budget = 4096});
	for (uint8_t i = 0; i < 8; i++)
		p[i] = connect_peer((uint8_t)(i + 1));
	harness_append(&h, 0, 1, 1000, 2000);
	harness_turn(&h);
	for (uint8_t i = 0; i < 8; i++)
		peer_subscribe(&p[i], &(struct harness_request){.number = 1,
								.start = GODWIT_START_EARLIEST});
	harness_turns(&h, 10);
	for (uint8_t i = 0; i < 8; i++)
		cr_assert_gt(find(&p[i], 1)->sent, 0, "peer %u was never served", i);
}

// Many that wait for the commit are looked at in turns, too, not all of them in each.
Checked(fairness, looks_that_find_nothing_are_bounded, stop)
{
	struct client_peer p;
	uint32_t head, moved = 0;

	harness_start(&h, &(struct harness_config){.subscriptions_max = 200,
						   .subscriptions_of_client = 200,
						   .temporary_budget = 1500});
	p = connect_peer(1);
	harness_stream(&h, 0)->commit_held = true;
	harness_append(&h, 0, 1, 100, 10);
	harness_turn(&h);
	for (uint32_t i = 1; i <= 200; i++) {
		struct harness_request r = {.number = i,
					    .start = GODWIT_START_AFTER,
					    .session = HARNESS_SESSION,
					    .start_value = 10,
					    .epoch = 1};

		cr_assert_not_null(harness_subscribe(&p, &r));
	}
	cr_assert_eq(harness_core(&h, 0)->ready_replay.count, 200);
	for (uint32_t i = 0; i < 10; i++) {
		head = harness_core(&h, 0)->ready_replay.head;
		harness_turn(&h);
		moved += harness_core(&h, 0)->ready_replay.head != head;
	}
	cr_assert_eq(moved, 10); // a whole round would end where it began
	harness_stream(&h, 0)->commit_held = false;
	harness_append(&h, 0, 1, 100, 10);
	harness_turns(&h, 200);
	for (uint32_t i = 1; i <= 200; i++)
		cr_assert_eq(find(&p, i)->sent, 20);
}

// Records that no filter of the core wants cost their share of the turn's budget, too.
Checked(fairness, matching_is_bounded_by_the_live_budget, stop)
{
	uint32_t topic = 5;
	struct harness_request r = {.number = 1, .topics = &topic, .topics_count = 1};
	struct client_peer p;
	struct stream *stream;
	uint64_t before;

	harness_start(&h, &(struct harness_config){.live_budget = 4});
	p = connect_peer(1);
	stream = harness_stream(&h, 0);
	cr_assert_not_null(harness_subscribe(&p, &r));
	harness_turns(&h, 3);
	cr_assert(find(&p, 1)->joined);
	stream->commit_held = true;
	harness_append(&h, 0, 1, 1000, 200);
	harness_turn(&h);
	before = COUNTED(live_slices);
	stream->commit_held = false;
	harness_turn(&h);
	cr_assert_leq(COUNTED(live_slices) - before, 4);
	harness_turns(&h, 200);
	cr_assert_eq(COUNTED(live_slices) - before, 200);
}

// A stream whose fan-out takes more than all of the budget leaves room for the next one.
Checked(fairness, streams_share_the_live_budget, stop)
{
	struct client_peer p;

	harness_start(&h, &(struct harness_config){.streams = 2, .live_budget = 2});
	p = connect_peer(1);
	for (uint32_t i = 1; i <= 5; i++)
		cr_assert_not_null(harness_subscribe(
			&p, &(struct harness_request){.number = i, .stream = i < 5 ? "s0" : "s1"}));
	harness_turns(&h, 3);
	cr_assert(find(&p, 5)->joined);
	for (uint32_t i = 0; i < 100; i++) {
		harness_append(&h, 0, 1, 1000, 1);
		if (i % 10 == 0)
			harness_append(&h, 1, 1, 1000, 1);
		harness_turn(&h);
	}
	cr_assert_geq(find(&p, 5)->sent, 5, "sent %lu of 10", find(&p, 5)->sent);
}

static uint32_t coverage_due(uint32_t subscriptions)
{
	struct core *core = harness_core(&h, 0);
	uint32_t due = 0;

	for (uint32_t i = 0; i < subscriptions; i++)
		due += core->subscriptions[i].coverage_due;
	return due;
}

// A thousand quiet filters with hardly a window are told what is covered, some a turn.
Checked(fairness, the_coverage_of_many_quiet_filters_is_spread_over_turns, stop)
{
	uint32_t topic = 5;
	struct client_peer p;

	harness_start(&h, &(struct harness_config){.subscriptions_max = 1000,
						   .subscriptions_of_client = 1000});
	p = connect_peer(1);
	for (uint32_t i = 1; i <= 1000; i++) {
		struct harness_request r = {
			.number = i, .window = 4, .topics = &topic, .topics_count = 1};

		cr_assert_not_null(harness_subscribe(&p, &r));
	}
	harness_turns(&h, 20);
	harness_clear(&h);
	cr_assert_eq(core_client(harness_core(&h, 0), p.handle)->subscription_count, 1000);
	cr_assert_eq(coverage_due(1000), 0);
	h.tx[0].room = 0; // so that it is seen
	harness_append(&h, 0, 1, 100, 8);
	harness_turn(&h);
	cr_assert_leq(coverage_due(1000), 256, "%u in one turn", coverage_due(1000));
	harness_turns(&h, 40);
	cr_assert_eq(coverage_due(1000), 1000);
	h.tx[0].room = UINT32_MAX;
	harness_turns(&h, 20);
	for (uint32_t i = 1; i <= 1000; i++)
		cr_assert_eq(find(&p, i)->sent, 8);
}
