// SPDX-License-Identifier: BSD-3-Clause
//
// The client library among several servers: the warm one, loss of the home, MIGRATE, who is told.
#include "tests/unit/client_servers.h"

static bool is_live(struct servers *s)
{
	struct godwit_subscription_state state;

	godwit_core_subscription_state(s->rig->core, s->rig->subscription, &state);
	return state.live;
}

Test(client_move, keeps_the_next_server_warm_without_a_word)
{
	struct servers *s = servers_create_warm(3);
	uint32_t acks;

	servers_pass(s, 1000 * RIG_MS, SERVERS_ALL);
	rig_no_event(s->rig);
	for (uint32_t i = 0; i < 2; i++)
		cr_assert(s->acks[i] >= 9 && s->acks[i] <= 12, "%u keep-alives to server %u",
			  s->acks[i], i);
	cr_assert_eq(s->acks[2], 0, "a third one is not needed");
	acks = s->acks[1];
	// The last messages of the home go to the home only, under its handle.
	rig_subscribe(s->rig, 10, 100);
	cr_assert(servers_is_to(s, 0));
	cr_assert_eq(s->acks[1], acks);
	cr_assert_eq(rig_stats(s->rig)->connects, 2);
	servers_destroy(s);
}

Test(client_move, keeps_none_warm_where_it_is_told_so)
{
	struct rig *rig = rig_create_with(NULL, 3);

	rig_connect(rig);
	rig_silent(rig);
	cr_assert_geq(godwit_core_due(rig->core, rig->now_ns), rig->now_ns + 90 * RIG_MS);
	rig_destroy(rig);
}

Test(client_move, resumes_at_the_warm_server_the_moment_the_home_is_silent)
{
	struct servers *s = servers_create_live(3);
	const struct godwit_event *event;
	uint64_t heard_ns = s->rig->now_ns;
	struct godwit_address second = rig_address(1);

	rig_data(s->rig, 11, 13);
	rig_take_range(s->rig, 11, 13);
	servers_pass(s, SERVERS_SILENCE - 10 * RIG_MS, 1u << 1);
	cr_assert(is_live(s));
	s->rig->now_ns = godwit_core_due(s->rig->core, s->rig->now_ns);
	while (s->rig->now_ns < heard_ns + SERVERS_SILENCE) {
		rig_expect(s->rig, GODWIT_ACK);
		s->rig->now_ns = godwit_core_due(s->rig->core, s->rig->now_ns);
	}
	cr_assert_eq(s->rig->now_ns, heard_ns + SERVERS_SILENCE);
	servers_expect_resume(s, 1, servers_handle(1), servers_key(1), 0);
	rig_next(s->rig, GODWIT_EVENT_DISCONNECTED);
	rig_next(s->rig, GODWIT_EVENT_CONNECTED);
	cr_assert(godwit_address_equal(&s->rig->event.server, &second));
	cr_assert(!is_live(s));
	servers_turn(s, 1);
	s->rig->now_ns += 2 * RIG_MS;
	rig_subscribed(s->rig, 13, GODWIT_OK);
	event = servers_migrated(s, 0, 1, GODWIT_MOVE_CLIENT);
	cr_assert_eq(event->silence_ns, SERVERS_SILENCE + 2 * RIG_MS);
	cr_assert_eq(event->replayed, 0);
	cr_assert_eq(event->identifier.seq, 13);
	cr_assert(is_live(s));
	rig_data(s->rig, 13, 14);
	rig_take(s->rig, 14);
	cr_assert_eq(rig_stats(s->rig)->moves, 1);
	servers_destroy(s);
}

Test(client_move, counts_what_is_replayed)
{
	struct servers *s = servers_create_live(2);
	struct godwit_subscribed frame;

	rig_data(s->rig, 11, 20);
	rig_take_range(s->rig, 11, 12);
	rig_ended(s->rig, GODWIT_SHUTDOWN, 0);
	servers_expect_resume(s, 1, servers_handle(1), servers_key(1), 0);
	frame = (struct godwit_subscribed){
		.frame = rig_frame(GODWIT_SUBSCRIBED, 0, 0),
		.tag = godwit_be64(s->rig->sub_tag),
		.handle = godwit_be64(servers_handle(1)),
		.key = godwit_be64(servers_key(1)),
		.cursor_epoch = godwit_be64(s->rig->cursor_epoch + (1 << 16)),
		.session = godwit_be64(s->rig->session),
		.seq = godwit_be64(12),
		.epoch = godwit_be32(RIG_EPOCH),
		.request = godwit_be32(s->rig->request),
		.earliest = godwit_be64(1),
		.commit = godwit_be64(57),
		.attempt = godwit_be32(s->rig->attempt),
	};
	servers_turn(s, 1);
	rig_input(s->rig, &frame, sizeof(frame));
	rig_next(s->rig, GODWIT_EVENT_DISCONNECTED);
	cr_assert_eq(s->rig->event.code, GODWIT_SHUTDOWN);
	rig_next(s->rig, GODWIT_EVENT_CONNECTED);
	// 13 to 20 were here already, but nobody took them: they come again.
	cr_assert_eq(servers_migrated(s, 0, 1, GODWIT_MOVE_SHUTDOWN)->replayed, 45);
	rig_no_event(s->rig);
	servers_destroy(s);
}

Test(client_move, keeps_another_warm_when_the_warm_one_is_silent)
{
	struct servers *s = servers_create_live(3);

	while (rig_stats(s->rig)->warm_losses == 0)
		servers_pass(s, 10 * RIG_MS, 1u << 0);
	rig_no_event(s->rig);
	while (rig_output(s->rig) == 0) {
		servers_alive(s, 0);
		s->rig->now_ns = godwit_core_due(s->rig->core, s->rig->now_ns);
	}
	cr_assert_eq(s->rig->out[1], GODWIT_HELLO);
	cr_assert(servers_is_to(s, 2));
	cr_assert(is_live(s));
	servers_destroy(s);
}

Test(client_move, goes_to_who_is_up_though_another_is_next_in_the_list)
{
	struct servers *s = servers_create(3);

	servers_turn(s, 0);
	// The second never answers; the third does.
	while (rig_stats(s->rig)->warm_losses == 0)
		servers_pass(s, 10 * RIG_MS, 1u << 0);
	while (godwit_core_due(s->rig->core, s->rig->now_ns) > s->rig->now_ns) {
		s->rig->now_ns += RIG_MS;
		servers_alive(s, 0);
	}
	while (rig_output(s->rig) == GODWIT_ACK)
		servers_note_ack(s);
	cr_assert(servers_is_to(s, 2));
	servers_answer_hello(s, 2);
	servers_turn(s, 0);
	rig_subscribe(s->rig, 10, 100);
	rig_ended(s->rig, GODWIT_SHUTDOWN, 0);
	servers_expect_resume(s, 2, servers_handle(2), servers_key(2), 0);
	servers_destroy(s);
}

Test(client_move, follows_migrate_and_is_served_until_the_answer)
{
	struct servers *s = servers_create_live(3);
	uint64_t epoch = s->rig->cursor_epoch;
	const struct godwit_resume *resume;

	servers_migrate(s, 0, epoch, 1);
	servers_migrate(s, 0, epoch, 1);
	cr_assert_eq(rig_stats(s->rig)->migrates, 1);
	servers_expect_resume(s, 1, servers_handle(1), servers_key(1), 0);
	rig_next(s->rig, GODWIT_EVENT_CONNECTED);
	// The home goes on: what it sends counts, and is acknowledged under its handle.
	rig_data(s->rig, 11, 12);
	rig_data(s->rig, 14, 14);
	rig_take_range(s->rig, 11, 12);
	cr_assert(is_live(s));
	s->rig->now_ns += 5 * RIG_MS;
	rig_expect_ack(s->rig, 12, 112, 1, (const uint64_t[]){13, 13});
	cr_assert(servers_is_to(s, 0));
	rig_data(s->rig, 13, 13);
	rig_take_range(s->rig, 13, 14);
	servers_turn(s, 1);
	// What was taken since the RESUME is shown in another, and the home serves no more.
	rig_subscribed(s->rig, 10, GODWIT_OK);
	rig_no_event(s->rig);
	resume = servers_expect_resume(s, 1, servers_handle(1), servers_key(1), 0);
	cr_assert_eq(godwit_get64(resume->seq), 14);
	cr_assert_eq(godwit_get64(resume->edge), 114);
	cr_assert_eq(godwit_get64(resume->highest_epoch), s->rig->cursor_epoch);
	cr_assert_eq(s->rig->attempt, 2);
	rig_subscribed(s->rig, 14, GODWIT_OK);
	cr_assert_eq(servers_migrated(s, 0, 1, GODWIT_MOVE_MIGRATE)->silence_ns, 0);
	cr_assert_eq(rig_stats(s->rig)->overtaken, 1);
	// The old home hears of it at once, the new one as ever.
	servers_expect_aside(s, 0, servers_handle(0), servers_key(0), 0, s->rig->cursor_epoch);
	rig_expect_ack(s->rig, 14, 114, 0, NULL);
	cr_assert(servers_is_to(s, 1));
	rig_data(s->rig, 13, 15); // 13 and 14 are known
	rig_take(s->rig, 15);
	rig_no_event(s->rig);
	servers_destroy(s);
}

Test(client_move, tells_a_home_of_before_at_most_each_ten_milliseconds)
{
	struct servers *s = servers_create_live(3);
	uint64_t before = s->rig->cursor_epoch;
	uint64_t now;

	servers_migrate(s, 0, before, 1);
	servers_expect_resume(s, 1, servers_handle(1), servers_key(1), 0);
	servers_turn(s, 1);
	rig_subscribed(s->rig, 10, GODWIT_OK);
	now = s->rig->cursor_epoch;
	servers_expect_aside(s, 0, servers_handle(0), servers_key(0), 0, now);
	rig_expect(s->rig, GODWIT_ACK);
	for (uint32_t i = 0; i < 40; i++) {
		servers_turn(s, 0);
		s->rig->cursor_epoch = before;
		rig_data(s->rig, 11 + i, 11 + i);
		s->rig->cursor_epoch = now;
		while (rig_output(s->rig) != 0)
			cr_assert(servers_is_to(s, 0));
		s->rig->now_ns += RIG_MS;
	}
	cr_assert_eq(rig_stats(s->rig)->stale_told, 4);
	cr_assert_eq(rig_stats(s->rig)->data, 0, "a lower epoch does not count");
	servers_destroy(s);
}

Test(client_move, stays_where_the_target_of_migrate_does_not_answer)
{
	struct servers *s = servers_create_live(3);
	uint64_t begin_ns = s->rig->now_ns;

	servers_migrate(s, 0, s->rig->cursor_epoch, 2);
	servers_expect(s, 2, GODWIT_HELLO);
	rig_silent(s->rig);
	while (rig_stats(s->rig)->moves_undone == 0)
		servers_pass(s, 10 * RIG_MS, 3u);
	cr_assert_leq(s->rig->now_ns, begin_ns + SERVERS_LAPSE + 10 * RIG_MS);
	rig_no_event(s->rig);
	cr_assert(is_live(s));
	cr_assert_eq(rig_stats(s->rig)->resumes, 0);
	servers_turn(s, 0);
	rig_data(s->rig, 11, 11);
	rig_take(s->rig, 11);
	servers_destroy(s);
}

Test(client_move, takes_an_answer_that_comes_after_it_gave_up)
{
	struct servers *s = servers_create_live(2);

	servers_migrate(s, 0, s->rig->cursor_epoch, 1);
	servers_expect_resume(s, 1, servers_handle(1), servers_key(1), 0);
	servers_until_undone(s);
	cr_assert(is_live(s));
	servers_turn(s, 1);
	rig_subscribed(s->rig, 10, GODWIT_OK);
	rig_next(s->rig, GODWIT_EVENT_CONNECTED);
	rig_next(s->rig, GODWIT_EVENT_CONNECTED); // used, warm, used again
	rig_next(s->rig, GODWIT_EVENT_MIGRATED);
	rig_data(s->rig, 11, 11);
	rig_take(s->rig, 11);
	servers_destroy(s);
}

Test(client_move, stays_where_the_target_of_migrate_refuses)
{
	struct servers *s = servers_create_live(2);

	servers_migrate(s, 0, s->rig->cursor_epoch, 1);
	servers_expect_resume(s, 1, servers_handle(1), servers_key(1), 0);
	servers_turn(s, 1);
	rig_error(s->rig, GODWIT_UNKNOWN_STREAM, s->rig->request, 0);
	cr_assert(is_live(s));
	cr_assert_eq(rig_stats(s->rig)->moves_undone, 1);
	servers_turn(s, 0);
	rig_data(s->rig, 11, 11);
	rig_next(s->rig, GODWIT_EVENT_CONNECTED);
	rig_take(s->rig, 11);
	rig_no_event(s->rig);
	servers_destroy(s);
}

Test(client_move, follows_migrate_only_of_its_home_and_to_the_list)
{
	struct servers *s = servers_create_live(3);
	uint64_t epoch = s->rig->cursor_epoch;

	servers_migrate(s, 1, epoch, 2);
	servers_migrate(s, 0, epoch + 1, 1);
	servers_migrate(s, 0, epoch - 1, 1);
	servers_migrate(s, 0, epoch, 0);
	servers_migrate(s, 0, epoch, 9);
	rig_silent(s->rig);
	cr_assert_eq(rig_stats(s->rig)->migrates_ignored, 5);
	cr_assert_eq(rig_stats(s->rig)->migrates, 0);
	servers_destroy(s);
}

Test(client_move, goes_on_with_a_planned_move_when_the_home_is_lost)
{
	struct servers *s = servers_create_live(3);

	servers_migrate(s, 0, s->rig->cursor_epoch, 1);
	servers_expect_resume(s, 1, servers_handle(1), servers_key(1), 0);
	rig_ended(s->rig, GODWIT_SHUTDOWN, 0);
	rig_next(s->rig, GODWIT_EVENT_CONNECTED);
	rig_next(s->rig, GODWIT_EVENT_DISCONNECTED);
	cr_assert(!is_live(s));
	servers_turn(s, 1);
	rig_subscribed(s->rig, 10, GODWIT_OK);
	servers_migrated(s, 0, 1, GODWIT_MOVE_MIGRATE);
	cr_assert_eq(rig_stats(s->rig)->resumes, 1);
	servers_destroy(s);
}

Test(client_move, resumes_where_its_home_speaks_of_it_no_more)
{
	struct servers *s = servers_create_live(2);
	uint64_t begin_ns = s->rig->now_ns;

	servers_turn(s, 0);
	while (rig_stats(s->rig)->resumes == 0) {
		s->rig->now_ns += 10 * RIG_MS;
		servers_alive(s, 1);
		rig_alive(s->rig);
		while (rig_output(s->rig) == GODWIT_ACK)
			;
	}
	cr_assert_eq(s->rig->now_ns, begin_ns + SERVERS_SILENCE);
	cr_assert_eq(s->rig->out[1], GODWIT_RESUME);
	cr_assert(servers_is_to(s, 0));
	cr_assert_eq(rig_stats(s->rig)->disconnects, 0);
	servers_destroy(s);
}

Test(client_move, asks_the_next_server_after_its_own_patience)
{
	struct servers *s = servers_create_live(3);
	uint64_t begin_ns;
	uint32_t attempt;

	rig_ended(s->rig, GODWIT_SHUTDOWN, 0);
	rig_next(s->rig, GODWIT_EVENT_DISCONNECTED);
	rig_next(s->rig, GODWIT_EVENT_CONNECTED);
	begin_ns = s->rig->now_ns;
	attempt = 0;
	servers_turn(s, 1);
	// It is behind, and says so each time that it is asked.
	while (s->rig->now_ns < begin_ns + 999 * RIG_MS) {
		while (rig_output(s->rig) != 0) {
			const struct godwit_resume *resume = (const void *)s->rig->out;

			if (s->rig->out[1] == GODWIT_ACK)
				servers_note_ack(s);
			if (s->rig->out[1] == GODWIT_HELLO)
				servers_answer_hello(s, 2); // the next warm one
			if (s->rig->out[1] != GODWIT_RESUME)
				continue;
			servers_turn(s, 1);
			cr_assert(servers_is_to(s, 1));
			cr_assert_gt(godwit_get32(resume->attempt), attempt);
			attempt = godwit_get32(resume->attempt);
			rig_error(s->rig, GODWIT_BEHIND, godwit_get32(resume->request), 0);
		}
		servers_alive(s, 1);
		servers_alive(s, 2);
		s->rig->now_ns += 3 * RIG_MS;
	}
	cr_assert_geq(attempt, 3);
	s->rig->now_ns = begin_ns + 1000 * RIG_MS;
	while (rig_output(s->rig) == GODWIT_ACK)
		servers_note_ack(s);
	cr_assert_eq(s->rig->out[1], GODWIT_RESUME);
	cr_assert(servers_is_to(s, 2));
	servers_destroy(s);
}

Test(client_move, has_subscriptions_at_different_servers)
{
	struct servers *s = servers_create_live(3);
	uint32_t first = s->rig->subscription;
	uint64_t first_tag = s->rig->sub_tag;
	uint64_t first_epoch;
	struct godwit_subscription_state state;

	servers_migrate(s, 0, s->rig->cursor_epoch, 1);
	servers_expect_resume(s, 1, servers_handle(1), servers_key(1), 0);
	servers_turn(s, 1);
	rig_subscribed(s->rig, 10, GODWIT_OK);
	first_epoch = s->rig->cursor_epoch;
	rig_next(s->rig, GODWIT_EVENT_CONNECTED);
	rig_next(s->rig, GODWIT_EVENT_MIGRATED);
	while (rig_output(s->rig) != 0)
		servers_note_ack(s);
	// The home of before is the warm one now; what comes next begins where the first one is.
	rig_subscribe(s->rig, 20, 50);
	cr_assert(servers_is_to(s, 1));
	servers_migrate(s, 1, s->rig->cursor_epoch, 2);
	servers_welcome(s, 2);
	rig_next(s->rig, GODWIT_EVENT_CONNECTED);
	servers_expect_resume(s, 2, servers_handle(2), servers_key(2), 0);
	rig_subscribed(s->rig, 20, GODWIT_OK);
	servers_migrated(s, 1, 2, GODWIT_MOVE_MIGRATE);
	servers_expect_aside(s, 1, servers_handle(1), servers_key(1), 0, s->rig->cursor_epoch);
	rig_expect_ack(s->rig, 20, 70, 0, NULL);
	cr_assert(servers_is_to(s, 2));
	rig_silent(s->rig);
	// Each is acknowledged at its own server, under its own handle.
	rig_data(s->rig, 21, 22);
	rig_take_range(s->rig, 21, 22);
	s->rig->sub_tag = first_tag;
	s->rig->cursor_epoch = first_epoch;
	s->rig->subscription = first;
	servers_turn(s, 1);
	rig_data(s->rig, 11, 11);
	rig_take(s->rig, 11);
	s->rig->now_ns += 5 * RIG_MS;
	rig_expect_ack(s->rig, 11, 111, 0, NULL);
	cr_assert(servers_is_to(s, 1));
	servers_expect(s, 2, GODWIT_ACK);
	rig_silent(s->rig);
	// A heartbeat speaks only for those that live at its server.
	servers_turn(s, 2);
	rig_heartbeat(s->rig, 60);
	godwit_core_subscription_state(s->rig->core, first, &state);
	cr_assert_eq(state.sent, 11);
	// And the death of one is the death of one.
	servers_turn(s, 1);
	rig_ended(s->rig, GODWIT_SHUTDOWN, 0);
	rig_next(s->rig, GODWIT_EVENT_DISCONNECTED);
	servers_expect_resume(s, 2, servers_handle(2), servers_key(2), 0);
	rig_silent(s->rig);
	servers_destroy(s);
}

Test(client_move, lets_servers_lapse_that_it_needs_no_more)
{
	struct servers *s = servers_create_live(4);
	uint32_t acks;

	servers_migrate(s, 0, s->rig->cursor_epoch, 2);
	servers_welcome(s, 2);
	rig_next(s->rig, GODWIT_EVENT_CONNECTED);
	servers_expect_resume(s, 2, servers_handle(2), servers_key(2), 0);
	rig_subscribed(s->rig, 10, GODWIT_OK);
	rig_next(s->rig, GODWIT_EVENT_MIGRATED);
	servers_pass(s, 500 * RIG_MS, SERVERS_ALL);
	acks = s->acks[0];
	s->acks[1] = 0;
	s->acks[2] = 0;
	servers_pass(s, 500 * RIG_MS, SERVERS_ALL);
	cr_assert_eq(s->acks[0], acks, "the first one is kept alive");
	cr_assert_gt(s->acks[1], 3, "the second one is not kept warm");
	cr_assert_gt(s->acks[2], 3);
	cr_assert_eq(s->acks[3], 0);
	rig_no_event(s->rig);
	servers_destroy(s);
}

Test(client_move, counts_data_of_a_new_epoch_only_after_its_answer)
{
	struct servers *s = servers_create_live(2);
	uint64_t epoch = s->rig->cursor_epoch;

	rig_ended(s->rig, GODWIT_SHUTDOWN, 0);
	rig_next(s->rig, GODWIT_EVENT_DISCONNECTED);
	rig_next(s->rig, GODWIT_EVENT_CONNECTED);
	servers_expect_resume(s, 1, servers_handle(1), servers_key(1), 0);
	servers_turn(s, 1);
	s->rig->cursor_epoch = epoch + (1 << 16);
	rig_data(s->rig, 11, 12);
	rig_no_event(s->rig);
	cr_assert_eq(rig_stats(s->rig)->data_early, 1);
	rig_due_in(s->rig, 20 * RIG_MS);
	servers_expect_resume(s, 1, servers_handle(1), servers_key(1), 0);
	cr_assert_eq(s->rig->attempt, 1, "a repeat keeps its number");
	s->rig->cursor_epoch = epoch;
	rig_subscribed(s->rig, 10, GODWIT_OK);
	rig_next(s->rig, GODWIT_EVENT_MIGRATED);
	rig_data(s->rig, 11, 12);
	rig_take_range(s->rig, 11, 12);
	servers_destroy(s);
}

Test(client_move, is_answered_only_by_the_server_that_it_asked)
{
	struct servers *s = servers_create_live(4);
	uint32_t request;

	rig_ended(s->rig, GODWIT_SHUTDOWN, 0);
	rig_next(s->rig, GODWIT_EVENT_DISCONNECTED);
	rig_next(s->rig, GODWIT_EVENT_CONNECTED);
	servers_expect_resume(s, 1, servers_handle(1), servers_key(1), 0);
	request = s->rig->request;
	while (rig_output(s->rig) != GODWIT_HELLO)
		s->rig->now_ns = godwit_core_due(s->rig->core, s->rig->now_ns);
	servers_answer_hello(s, 2); // the next warm one
	s->rig->request = request;
	rig_subscribed(s->rig, 10, GODWIT_OK);
	servers_turn(s, 0);
	rig_subscribed(s->rig, 10, GODWIT_OK);
	rig_no_event(s->rig);
	servers_turn(s, 1);
	rig_subscribed(s->rig, 10, GODWIT_OK);
	rig_next(s->rig, GODWIT_EVENT_MIGRATED);
	servers_destroy(s);
}

Test(client_move, answers_a_probe_of_any_server_for_any_of_its_connections)
{
	struct servers *s = servers_create_live(3);
	struct godwit_probe probe = {.frame = rig_frame(GODWIT_PROBE, 0, 0),
				     .tag = godwit_be64(s->tags[0]),
				     .nonce = godwit_be64(0xfeed)};
	const struct godwit_probe_reply *reply;

	servers_turn(s, 2);
	rig_input(s->rig, &probe, sizeof(probe));
	reply = servers_expect(s, 2, GODWIT_PROBE_REPLY);
	cr_assert_eq(godwit_get64(reply->tag), s->tags[0]);
	cr_assert_eq(godwit_get64(reply->nonce), 0xfeed);
	probe.tag = godwit_be64(s->tags[0] + 1);
	rig_input(s->rig, &probe, sizeof(probe));
	rig_silent(s->rig);
	cr_assert_eq(rig_stats(s->rig)->wrong_tag, 1);
	servers_destroy(s);
}
