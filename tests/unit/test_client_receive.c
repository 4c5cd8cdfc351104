// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/client_rig.h"

#include <errno.h>

static struct godwit_subscription_state state_of(struct rig *rig)
{
	struct godwit_subscription_state state;

	cr_assert_eq(godwit_core_subscription_state(rig->core, rig->subscription, &state), 0);
	return state;
}

Test(client_receive, asks_until_it_is_answered)
{
	static const uint64_t spans[] = {20, 40, 80, 160, 320, 500, 500};
	struct rig *rig = rig_connected();
	uint32_t topics[] = {9, 2, 5};
	struct godwit_subscription_options options = {.stream = "prices",
						      .start = GODWIT_START_SEQUENCE,
						      .policy = GODWIT_POLICY_EARLIEST,
						      .value = 100,
						      .window = 50,
						      .topics = topics,
						      .topic_count = 3};
	const struct godwit_subscribe *frame;
	uint32_t request = 0;

	cr_assert_eq(godwit_core_subscribe(rig->core, rig->now_ns, &options, &rig->subscription),
		     0);
	for (uint32_t i = 0; i < 8; i++) {
		frame = rig_expect_request(rig, GODWIT_SUBSCRIBE);
		cr_assert_eq(godwit_get64(frame->from.handle), RIG_HANDLE);
		cr_assert_eq(godwit_get64(frame->from.key), RIG_KEY);
		cr_assert_str_eq((const char *)frame->stream, "prices");
		cr_assert_eq(godwit_get64(frame->start_value), 100);
		cr_assert_eq(godwit_get32(frame->window), 50);
		cr_assert_eq(frame->start, GODWIT_START_SEQUENCE);
		cr_assert_eq(frame->policy, GODWIT_POLICY_EARLIEST);
		cr_assert_eq(godwit_get16(frame->from.frame.count), 3);
		cr_assert_eq(godwit_get32(godwit_topics_of(&frame->from.frame)[0]), 2);
		cr_assert_eq(godwit_get32(godwit_topics_of(&frame->from.frame)[2]), 9);
		cr_assert(i == 0 || rig->request == request, "a repeat is another request");
		request = rig->request;
		if (i == 7)
			break;
		rig_alive(rig);
		for (uint64_t until_ns = rig->now_ns + spans[i] * RIG_MS; rig->now_ns < until_ns;) {
			uint64_t due_ns = godwit_core_due(rig->core, rig->now_ns);

			rig->now_ns = due_ns < until_ns ? due_ns : until_ns;
			if (rig->now_ns < until_ns)
				rig_expect(rig, GODWIT_ACK); // keep-alive
			rig_alive(rig);
		}
		if (godwit_core_due(rig->core, rig->now_ns) > rig->now_ns)
			cr_assert_fail("not repeated in time");
	}
	rig_subscribed(rig, 99, GODWIT_OK);
	rig_next(rig, GODWIT_EVENT_SUBSCRIBED);
	cr_assert_eq(rig->event.identifier.seq, 99);
	rig_destroy(rig);
}

Test(client_receive, refuses_options_out_of_range)
{
	struct rig *rig = rig_connected();
	uint32_t twice[] = {3, 3};
	uint32_t zero[] = {0};
	struct godwit_subscription_options bad[] = {
		{.stream = NULL},
		{.stream = ""},
		{.stream = "s", .start = GODWIT_START_AFTER + 1},
		{.stream = "s", .policy = GODWIT_POLICY_LATEST + 1},
		{.stream = "s", .window = GODWIT_WINDOW_MAX + 1},
		{.stream = "s", .start = GODWIT_START_SEQUENCE},
		{.stream = "s", .topics = twice, .topic_count = 2},
		{.stream = "s", .topics = zero, .topic_count = 1},
		{.stream = "s", .topic_count = 1},
	};

	for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_eq(godwit_core_subscribe(rig->core, rig->now_ns, &bad[i],
						   &rig->subscription),
			     -EINVAL, "case %u", i);
	for (uint32_t i = 0; i < 17; i++)
		cr_assert_eq(
			godwit_core_subscribe(rig->core, rig->now_ns,
					      &(struct godwit_subscription_options){.stream = "s"},
					      &rig->subscription),
			i < 16 ? 0 : -ENOSPC);
	rig_destroy(rig);
}

Test(client_receive, drops_data_before_its_subscribed)
{
	struct rig *rig = rig_connected();

	cr_assert_eq(godwit_core_subscribe(rig->core, rig->now_ns,
					   &(struct godwit_subscription_options){.stream = "s"},
					   &rig->subscription),
		     0);
	rig_expect_request(rig, GODWIT_SUBSCRIBE);
	rig_data(rig, 11, 12);
	cr_assert_eq(rig_stats(rig)->data_early, 1);
	rig_subscribed(rig, 10, GODWIT_OK);
	rig_next(rig, GODWIT_EVENT_SUBSCRIBED);
	rig_no_event(rig);
	rig->cursor_epoch++;
	rig_data(rig, 11, 12);
	rig->cursor_epoch--;
	rig->session++;
	rig_data(rig, 11, 12);
	rig->session--;
	cr_assert_eq(rig_stats(rig)->data_early, 3);
	rig->sub_tag++;
	rig_data(rig, 11, 12);
	rig->sub_tag--;
	cr_assert_eq(rig_stats(rig)->wrong_tag, 1);
	rig_no_event(rig);
	rig_data(rig, 11, 12);
	rig_take_range(rig, 11, 12);
	rig_destroy(rig);
}

Test(client_receive, delivers_once_and_in_order)
{
	struct rig *rig = rig_connected();

	rig_subscribe(rig, 10, 100);
	rig_data(rig, 14, 16);
	rig_no_event(rig);
	rig_data(rig, 14, 16);
	rig_data(rig, 15, 15);
	cr_assert_eq(rig_stats(rig)->data_duplicate, 2);
	rig_data(rig, 11, 12);
	rig_take_range(rig, 11, 12);
	rig_no_event(rig);
	rig_data(rig, 12, 14); // laps over on both sides
	rig_take_range(rig, 13, 16);
	rig_no_event(rig);
	rig_data(rig, 11, 16);
	cr_assert_eq(rig_stats(rig)->data_duplicate, 3);
	rig_data(rig, 15, 18);
	rig_take_range(rig, 17, 18);
	rig_no_event(rig);
	cr_assert_eq(rig_stats(rig)->messages, 8);
	rig_destroy(rig);
}

Test(client_receive, moves_the_edge_only_with_what_was_pulled)
{
	struct rig *rig = rig_connected();

	rig_subscribe(rig, 10, 8);
	cr_assert_eq(state_of(rig).edge, 18);
	rig_data(rig, 11, 18);
	rig_data(rig, 19, 19);
	cr_assert_eq(rig_stats(rig)->data_beyond, 1);
	rig_silent(rig); // nothing was taken: nothing to say
	rig_take(rig, 11);
	rig_silent(rig);
	rig_due_in(rig, 5 * RIG_MS);
	rig_expect_ack(rig, 11, 19, 0, NULL);
	rig_take(rig, 12);
	rig_silent(rig);
	rig_take(rig, 13); // a quarter of the window
	rig_expect_ack(rig, 13, 21, 0, NULL);
	rig_data(rig, 19, 21);
	rig_take_range(rig, 14, 21);
	rig_expect_ack(rig, 21, 29, 0, NULL);
	rig_silent(rig);
	cr_assert_eq(state_of(rig).covered, 21);
	rig_destroy(rig);
}

Test(client_receive, acknowledges_with_each_keep_alive)
{
	struct rig *rig = rig_connected();

	rig_subscribe(rig, 10, 8);
	rig->now_ns = godwit_core_due(rig->core, rig->now_ns);
	rig_expect_ack(rig, 10, 18, 0, NULL);
	rig_silent(rig);
	rig_destroy(rig);
}

Test(client_receive, asks_for_a_gap_after_the_reorder_delay_and_again)
{
	static const uint64_t gap[] = {11, 12};
	static const uint64_t spans[] = {5, 10, 20, 40};
	struct rig *rig = rig_connected();

	rig_subscribe(rig, 10, 100);
	rig_data(rig, 13, 14);
	rig_silent(rig);
	rig_due_in(rig, 1 * RIG_MS);
	rig_expect_ack(rig, 10, 110, 1, gap);
	for (uint32_t i = 0; i < 4; i++) {
		rig_silent(rig);
		rig_due_in(rig, spans[i] * RIG_MS);
		rig_expect_ack(rig, 10, 110, 1, gap);
		rig_alive(rig);
	}
	rig_data(rig, 11, 12);
	rig_take_range(rig, 11, 14);
	rig_due_in(rig, 5 * RIG_MS);
	rig_expect_ack(rig, 14, 114, 0, NULL);
	cr_assert_eq(rig_stats(rig)->naks, 5);
	rig_destroy(rig);
}

Test(client_receive, asks_for_nothing_that_was_only_late)
{
	struct rig *rig = rig_connected();

	rig_subscribe(rig, 10, 100);
	rig_data(rig, 12, 12);
	rig->now_ns += RIG_MS / 2;
	rig_data(rig, 11, 11);
	rig->now_ns += RIG_MS;
	rig_silent(rig);
	cr_assert_eq(rig_stats(rig)->naks, 0);
	rig_destroy(rig);
}

Test(client_receive, gives_a_later_gap_its_own_delay)
{
	static const uint64_t first[] = {11, 11};
	static const uint64_t second[] = {13, 13};
	struct rig *rig = rig_connected();

	rig_subscribe(rig, 10, 100);
	rig_data(rig, 12, 12);
	rig->now_ns += RIG_MS * 9 / 10;
	rig_data(rig, 14, 14);
	rig_due_in(rig, RIG_MS / 10);
	rig_expect_ack(rig, 10, 110, 1, first);
	rig_silent(rig);
	rig_due_in(rig, RIG_MS);
	rig_expect_ack(rig, 10, 110, 1, second);
	rig_destroy(rig);
}

Test(client_receive, asks_for_four_ranges_at_a_time)
{
	static const uint64_t first[] = {11, 11, 13, 13, 15, 15, 17, 17};
	static const uint64_t second[] = {19, 19, 21, 21};
	struct rig *rig = rig_connected();

	rig_subscribe(rig, 10, 100);
	for (uint64_t seq = 12; seq <= 22; seq += 2)
		rig_data(rig, seq, seq);
	rig_due_in(rig, RIG_MS);
	rig_expect_ack(rig, 10, 110, 4, first);
	rig_silent(rig);
	rig_due_in(rig, RIG_MS);
	rig_expect_ack(rig, 10, 110, 2, second);
	// The repeat begins with the first ones again, and goes on as soon as those are here.
	rig_due_in(rig, 4 * RIG_MS);
	rig_expect_ack(rig, 10, 110, 4, first);
	for (uint64_t seq = 11; seq <= 17; seq += 2)
		rig_data(rig, seq, seq);
	rig_due_in(rig, RIG_MS);
	rig_expect_ack(rig, 10, 110, 2, second);
	rig_destroy(rig);
}

Test(client_receive, asks_for_a_lost_tail_at_once_when_a_heartbeat_proves_it)
{
	static const uint64_t tail[] = {13, 15};
	struct rig *rig = rig_connected();

	rig_subscribe(rig, 10, 100);
	rig_data(rig, 11, 12);
	rig_heartbeat(rig, 12);
	rig_silent(rig);
	rig_heartbeat(rig, 15);
	rig_expect_ack(rig, 10, 110, 1, tail);
	rig_heartbeat(rig, 15);
	rig_silent(rig); // asked already
	cr_assert_eq(state_of(rig).commit, 15);
	rig_destroy(rig);
}

Test(client_receive, asks_never_above_the_edge)
{
	static const uint64_t tail[] = {11, 18};
	struct rig *rig = rig_connected();

	rig_subscribe(rig, 10, 8);
	rig_heartbeat(rig, 1000);
	rig_expect_ack(rig, 10, 18, 1, tail);
	rig_destroy(rig);
}

Test(client_receive, asks_only_for_what_this_cursor_epoch_sent)
{
	static const uint64_t gap[] = {11, 11};
	struct rig *rig = rig_connected();

	rig_subscribe(rig, 10, 100);
	rig_data(rig, 13, 20);
	rig_error(rig, GODWIT_UNKNOWN_SUBSCRIPTION, 0, rig->subscription);
	rig->now_ns += 20 * RIG_MS;
	rig_expect_request(rig, GODWIT_RESUME);
	rig_subscribed(rig, 10, GODWIT_OK);
	rig_next(rig, GODWIT_EVENT_RESUMED);
	rig_expect_ack(rig, 10, 110, 0, NULL);
	rig->now_ns += 10 * RIG_MS;
	rig_silent(rig); // the new epoch has sent nothing yet
	rig_data(rig, 12, 15);
	rig_due_in(rig, RIG_MS);
	rig_expect_ack(rig, 10, 110, 1, gap);
	rig_data(rig, 11, 11);
	rig_take_range(rig, 11, 15);
	rig_no_event(rig); // what the old epoch had sent comes again
	rig_data(rig, 16, 20);
	rig_take_range(rig, 16, 20);
	rig_destroy(rig);
}

Test(client_receive, covers_with_a_filter)
{
	static const uint64_t gap[] = {31, 40};
	struct rig *rig = rig_connected();
	uint32_t topic = 3;
	struct godwit_identifier identifier;

	// Topic 3: 2, 7, 12, 17, 22 ...
	rig_subscribe_with(rig,
			   (struct godwit_subscription_options){
				   .topics = &topic, .topic_count = 1, .window = 100},
			   10);
	rig_filtered(rig, 11, 20, 3);
	rig_take(rig, 12);
	cr_assert_eq(state_of(rig).taken.seq, 12);
	rig_take(rig, 17);
	cr_assert_eq(state_of(rig).taken.seq, 20, "what it covered beyond is taken too");
	rig_filtered(rig, 21, 21, 3); // nothing in it
	rig_no_event(rig);
	cr_assert_eq(godwit_core_identifier(rig->core, rig->subscription, &identifier), 0);
	cr_assert_eq(identifier.seq, 21);
	rig_due_in(rig, 5 * RIG_MS);
	rig_expect_ack(rig, 21, 121, 0, NULL);
	rig_filtered(rig, 41, 50, 3);
	rig_filtered(rig, 16, 30, 3); // begins before what is covered
	rig_take_range(rig, 22, 22);
	rig_take_range(rig, 27, 27);
	rig_no_event(rig);
	rig_due_in(rig, RIG_MS);
	rig_expect_ack(rig, 30, 130, 1, gap);
	rig_filtered(rig, 31, 45, 3);
	for (uint64_t seq = 32; seq <= 47; seq += 5)
		rig_take(rig, seq);
	rig_no_event(rig);
	cr_assert_eq(state_of(rig).covered, 50);
	rig_destroy(rig);
}

Test(client_receive, acknowledges_a_quiet_filter)
{
	struct rig *rig = rig_connected();
	uint32_t topic = 77;

	rig_subscribe_with(rig,
			   (struct godwit_subscription_options){
				   .topics = &topic, .topic_count = 1, .window = 1000},
			   10);
	rig_filtered(rig, 11, 1000, 77);
	rig_no_event(rig);
	rig_expect_ack(rig, 1000, 2000, 0, NULL);
	rig_heartbeat(rig, 1500); // moves no coverage
	cr_assert_eq(state_of(rig).covered, 1000);
	rig_destroy(rig);
}

Test(client_receive, holds_a_quiet_stretch_behind_what_is_not_pulled)
{
	struct rig *rig = rig_connected();
	uint32_t topic = 3;

	rig_subscribe_with(rig,
			   (struct godwit_subscription_options){
				   .topics = &topic, .topic_count = 1, .window = 100},
			   10);
	rig_filtered(rig, 11, 14, 3); // 12
	rig_filtered(rig, 15, 16, 3);
	rig->now_ns += 5 * RIG_MS;
	rig_silent(rig);
	cr_assert_eq(state_of(rig).taken.seq, 10);
	rig_take(rig, 12);
	cr_assert_eq(state_of(rig).taken.seq, 16);
	rig_destroy(rig);
}

Test(client_receive, keeps_subscriptions_apart)
{
	struct rig *rig = rig_connected();
	uint64_t tags[2];
	uint32_t numbers[2];
	const struct godwit_ack *ack;

	rig_subscribe(rig, 10, 100);
	tags[0] = rig->sub_tag;
	numbers[0] = rig->subscription;
	rig_subscribe(rig, 20, 100);
	tags[1] = rig->sub_tag;
	numbers[1] = rig->subscription;
	rig->cursor_epoch -= 1 << 16;
	rig->sub_tag = tags[0];
	rig_data(rig, 11, 12);
	rig->cursor_epoch += 1 << 16;
	rig->sub_tag = tags[1];
	rig_data(rig, 21, 22);
	for (uint32_t i = 0; i < 4; i++) {
		const struct godwit_event *event = rig_next(rig, GODWIT_EVENT_MESSAGE);

		cr_assert_eq(event->identifier.seq,
			     event->subscription == numbers[0] ? 11 + i % 2 : 21 + i % 2);
	}
	rig_no_event(rig);
	rig_due_in(rig, 5 * RIG_MS);
	ack = rig_expect(rig, GODWIT_ACK);
	cr_assert_eq(godwit_get16(ack->from.frame.count), 2);
	rig_destroy(rig);
}

Test(client_receive, fits_many_subscriptions_into_as_many_acks_as_they_need)
{
	struct rig *rig = rig_create_with(&(struct godwit_core_options){.subscriptions = 100}, 1);
	uint32_t entries = 0;
	uint64_t last = 0;

	rig_connect(rig);
	for (uint32_t i = 0; i < 100; i++)
		rig_subscribe(rig, 10, 100);
	rig->now_ns = godwit_core_due(rig->core, rig->now_ns);
	while (rig_output(rig) != 0) {
		const struct godwit_ack *ack = (const struct godwit_ack *)rig->out;

		cr_assert_eq(rig->out[1], GODWIT_ACK);
		cr_assert_gt(godwit_get64(ack->number), last);
		last = godwit_get64(ack->number);
		entries += godwit_get16(ack->from.frame.count);
	}
	cr_assert_eq(entries, 100);
	rig_destroy(rig);
}
