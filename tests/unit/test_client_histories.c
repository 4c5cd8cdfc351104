// SPDX-License-Identifier: BSD-3-Clause
//
// A stream of local acks goes on without what its dead primary alone had. Here the first server has one
// history, of epoch 7; the second has it up to 15, and goes on in epoch 9.
#include "tests/unit/client_servers.h"

#define COMMON	  15u
#define NEW_EPOCH 9u

static void expect_resume(struct servers *s, uint64_t seq, uint32_t attempt)
{
	const struct godwit_resume *resume =
		servers_expect_resume(s, 1, servers_handle(1), servers_key(1), 0);

	cr_assert_eq(godwit_get64(resume->seq), seq, "resumes at %llu",
		     (unsigned long long)godwit_get64(resume->seq));
	cr_assert_eq(godwit_get32(resume->epoch), RIG_EPOCH);
	cr_assert_eq(godwit_get64(resume->edge), seq + 100);
	cr_assert_eq(godwit_get32(resume->attempt), attempt);
	servers_turn(s, 1);
}

// The first server stops.
static void stop_first(struct servers *s)
{
	rig_ended(s->rig, GODWIT_SHUTDOWN, 0);
}

static void expect_moved(struct servers *s)
{
	rig_next(s->rig, GODWIT_EVENT_DISCONNECTED);
	rig_next(s->rig, GODWIT_EVENT_CONNECTED);
	servers_migrated(s, 0, 1, GODWIT_MOVE_SHUTDOWN);
}

// What the second server has from `first` on comes, and nothing else.
static void expect_second(struct servers *s, uint64_t first)
{
	s->rig->epoch = RIG_EPOCH;
	if (first <= COMMON) {
		rig_data(s->rig, first, COMMON);
		rig_take_range(s->rig, first, COMMON);
		first = COMMON + 1;
	}
	s->rig->epoch = NEW_EPOCH;
	rig_data(s->rig, first, 40);
	rig_take_range(s->rig, first, 40);
	rig_no_event(s->rig);
}

static void expect_gap(struct servers *s, uint64_t first, uint64_t last, uint64_t seq,
		       enum godwit_code code)
{
	const struct godwit_event *event = rig_next(s->rig, GODWIT_EVENT_GAP);

	cr_assert_eq(event->first, first);
	cr_assert_eq(event->last, last);
	cr_assert_eq(event->identifier.seq, seq);
	cr_assert_eq(event->code, code);
}

Test(client_histories, are_not_mixed_where_nothing_was_taken)
{
	struct servers *s = servers_create_live(2);

	rig_data(s->rig, 11, 20);
	rig_data(s->rig, 25, 30);
	stop_first(s);
	expect_resume(s, 10, 1);
	rig_subscribed(s->rig, 10, GODWIT_OK);
	expect_moved(s);
	rig_no_event(s->rig);
	rig_expect_ack(s->rig, 10, 110, 0, NULL);
	expect_second(s, 11);
	cr_assert_eq(rig_stats(s->rig)->gaps, 0, "none of it was seen");
	servers_destroy(s);
}

Test(client_histories, are_not_mixed_where_some_was_taken)
{
	struct servers *s = servers_create_live(2);

	rig_data(s->rig, 11, 20);
	rig_take_range(s->rig, 11, 13); // within a datagram
	stop_first(s);
	expect_resume(s, 13, 1);
	rig_subscribed(s->rig, 13, GODWIT_OK);
	expect_moved(s);
	rig_no_event(s->rig);
	expect_second(s, 14);
	servers_destroy(s);
}

Test(client_histories, are_not_mixed_where_the_answer_is_overtaken)
{
	struct servers *s = servers_create_live(2);
	uint64_t before = s->rig->cursor_epoch, after;

	rig_data(s->rig, 11, 20);
	stop_first(s);
	expect_resume(s, 10, 1);
	rig_next(s->rig, GODWIT_EVENT_DISCONNECTED);
	rig_next(s->rig, GODWIT_EVENT_CONNECTED);
	rig_take_range(s->rig, 11, 18);
	rig_subscribed(s->rig, 10, GODWIT_OK);
	rig_no_event(s->rig);
	cr_assert_eq(rig_stats(s->rig)->overtaken, 1);
	expect_resume(s, 18, 2);
	// Nothing more is taken, of neither.
	after = s->rig->cursor_epoch;
	rig_data(s->rig, 11, 30);
	s->rig->cursor_epoch = before;
	servers_turn(s, 0);
	rig_data(s->rig, 19, 30);
	rig_no_event(s->rig);
	servers_turn(s, 1);
	s->rig->cursor_epoch = after;
	rig_subscribed(s->rig, COMMON, GODWIT_DIVERGED);
	servers_migrated(s, 0, 1, GODWIT_MOVE_SHUTDOWN);
	expect_gap(s, 16, 18, COMMON, GODWIT_DIVERGED);
	expect_second(s, 16);
	cr_assert_eq(rig_stats(s->rig)->moves, 1);
	servers_destroy(s);
}

Test(client_histories, are_compared_slowly_with_a_server_that_names_less_than_it_was_asked)
{
	struct servers *s = servers_create_live(2);

	rig_data(s->rig, 11, 20);
	stop_first(s);
	expect_resume(s, 10, 1);
	rig_next(s->rig, GODWIT_EVENT_DISCONNECTED);
	rig_next(s->rig, GODWIT_EVENT_CONNECTED);
	rig_take_range(s->rig, 11, 12);
	rig_subscribed(s->rig, 10, GODWIT_OK);
	expect_resume(s, 12, 2);
	rig_subscribed(s->rig, 10, GODWIT_OK);
	rig_silent(s->rig);
	rig_due_in(s->rig, 20 * RIG_MS);
	expect_resume(s, 12, 3);
	rig_subscribed(s->rig, 12, GODWIT_OK);
	servers_migrated(s, 0, 1, GODWIT_MOVE_SHUTDOWN);
	expect_second(s, 13);
	servers_destroy(s);
}

Test(client_histories, are_not_mixed_below_a_start_that_was_moved)
{
	struct servers *s = servers_create_live(2);

	rig_data(s->rig, 11, 20);
	stop_first(s);
	expect_resume(s, 10, 1);
	s->rig->epoch = NEW_EPOCH; // it has another 18
	rig_subscribed(s->rig, 18, GODWIT_TRUNCATED);
	expect_moved(s);
	expect_gap(s, 11, 18, 18, GODWIT_TRUNCATED);
	expect_second(s, 19);
	servers_destroy(s);
}

Test(client_histories, go_on_at_the_home_that_the_move_was_given_up_for)
{
	struct servers *s = servers_create_live(2);
	uint64_t epoch = s->rig->cursor_epoch;

	servers_migrate(s, 0, epoch, 1);
	expect_resume(s, 10, 1);
	servers_turn(s, 0);
	rig_next(s->rig, GODWIT_EVENT_CONNECTED);
	rig_data(s->rig, 11, 13);
	rig_take_range(s->rig, 11, 12);
	servers_turn(s, 1);
	rig_subscribed(s->rig, 10, GODWIT_OK);
	expect_resume(s, 12, 2);
	servers_turn(s, 0);
	s->rig->cursor_epoch = epoch;
	rig_data(s->rig, 14, 16);
	rig_no_event(s->rig);
	servers_turn(s, 1);
	rig_error(s->rig, GODWIT_LIMIT, s->rig->request, 0);
	cr_assert_eq(rig_stats(s->rig)->moves_undone, 1);
	// The home does not know that 13 to 16 were dropped: they are asked for.
	servers_turn(s, 0);
	rig_heartbeat(s->rig, 16);
	rig_expect_ack(s->rig, 12, 112, 1, (const uint64_t[]){13, 16});
	rig_data(s->rig, 13, 16);
	rig_take_range(s->rig, 13, 16);
	rig_no_event(s->rig);
	servers_destroy(s);
}

Test(client_histories, are_compared_where_an_answer_comes_after_the_move_was_given_up)
{
	struct servers *s = servers_create_live(2);

	servers_migrate(s, 0, s->rig->cursor_epoch, 1);
	expect_resume(s, 10, 1);
	servers_turn(s, 0);
	rig_data(s->rig, 11, 14);
	rig_next(s->rig, GODWIT_EVENT_CONNECTED);
	rig_take_range(s->rig, 11, 12);
	servers_until_undone(s);
	servers_turn(s, 1);
	rig_subscribed(s->rig, 10, GODWIT_OK);
	expect_resume(s, 12, s->rig->attempt + 1);
	rig_subscribed(s->rig, 12, GODWIT_OK);
	rig_next(s->rig, GODWIT_EVENT_CONNECTED); // used, warm, used again
	rig_next(s->rig, GODWIT_EVENT_MIGRATED);
	expect_second(s, 13);
	servers_destroy(s);
}

// Topic 3: 2, 7, 12, 17, 22 ...
Test(client_histories, of_a_filter_are_not_mixed)
{
	struct servers *s = servers_create_warm(2);
	struct rig *rig = s->rig;
	uint32_t topic = 3;
	struct godwit_identifier identifier;

	rig_subscribe_with(rig,
			   (struct godwit_subscription_options){
				   .window = 100, .topics = &topic, .topic_count = 1},
			   10);
	servers_note_ack(s);
	rig_filtered(rig, 11, 11, 3); // taken as it comes
	rig_filtered(rig, 12, 16, 3);
	rig_filtered(rig, 17, 40, 3);
	stop_first(s);
	expect_resume(s, 11, 1);
	rig_subscribed(rig, 11, GODWIT_OK);
	expect_moved(s);
	rig_no_event(rig);
	rig_filtered(rig, 12, COMMON, 3);
	rig_take(rig, 12);
	rig->epoch = NEW_EPOCH;
	rig_filtered(rig, 16, 16, 3);
	rig_filtered(rig, 22, 30, 3);
	rig_no_event(rig); // 17 to 21 of the new history are missing
	rig_filtered(rig, 17, 21, 3);
	rig_take(rig, 17);
	rig_take(rig, 22);
	rig_take(rig, 27);
	rig_no_event(rig);
	godwit_core_identifier(rig->core, rig->subscription, &identifier);
	cr_assert_eq(identifier.seq, 30);
	cr_assert_eq(identifier.epoch, NEW_EPOCH);
	servers_destroy(s);
}
