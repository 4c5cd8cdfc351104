// SPDX-License-Identifier: BSD-3-Clause
//
// The client library and TAKE: which offers it accepts, holds and refuses.
#include "tests/unit/client_servers.h"

#define OFFER_HANDLE 0x0000000b0000000full
#define OFFER_KEY    0x6f666665ull

// The epoch that server i would offer next.
static uint64_t offer_epoch(const struct servers *s, uint32_t i)
{
	return s->rig->cursor_epoch + (1 << 16) + i;
}

// Server i answers the RESUME with the epoch that it offered.
static void offer_answered(struct servers *s, uint32_t i, uint64_t seq)
{
	servers_turn(s, i);
	s->rig->handle = OFFER_HANDLE;
	s->rig->key = OFFER_KEY;
	rig_subscribed(s->rig, seq, GODWIT_OK);
}

// Server 2 is the home, by its offer.
static void offer_accepted(struct servers *s)
{
	servers_take_as(s, 2, offer_epoch(s, 2), true, OFFER_HANDLE, OFFER_KEY);
	servers_expect_resume(s, 2, OFFER_HANDLE, OFFER_KEY, offer_epoch(s, 2));
	offer_answered(s, 2, 10);
	rig_next(s->rig, GODWIT_EVENT_CONNECTED);
	rig_next(s->rig, GODWIT_EVENT_MIGRATED);
}

// The gap up to 12 is asked for under the offer's handle, and the core of the server is heard from then on.
static void expect_heard(struct servers *s)
{
	s->rig->handle = OFFER_HANDLE;
	s->rig->key = OFFER_KEY;
	servers_expect(s, 0, GODWIT_ACK);
	rig_expect_ack(s->rig, 10, 110, 1, (const uint64_t[]){11, 12});
	servers_pass(s, 1000 * RIG_MS, SERVERS_ALL);
	rig_no_event(s->rig);
}

Test(client_offer, is_accepted_if_the_home_asked)
{
	struct servers *s = servers_create_live(3);
	uint64_t epoch = offer_epoch(s, 2);
	const struct godwit_resume *resume;

	servers_take_as(s, 2, epoch, true, OFFER_HANDLE, OFFER_KEY);
	resume = servers_expect_resume(s, 2, OFFER_HANDLE, OFFER_KEY, epoch);
	cr_assert_eq(godwit_get64(resume->seq), 10);
	cr_assert_eq(godwit_get64(resume->edge), 110);
	rig_silent(s->rig);
	// Its repeats change nothing; the home serves until the answer.
	servers_take_as(s, 2, epoch, true, OFFER_HANDLE, OFFER_KEY);
	rig_silent(s->rig);
	rig_data(s->rig, 11, 11);
	offer_answered(s, 2, 10);
	rig_next(s->rig, GODWIT_EVENT_CONNECTED);
	cr_assert_eq(s->rig->event.instance, 0);
	servers_migrated(s, 0, 2, GODWIT_MOVE_TAKE_BY_HOME);
	servers_expect_aside(s, 0, servers_handle(0), servers_key(0), 0, s->rig->cursor_epoch);
	rig_expect_ack(s->rig, 10, 110, 0, NULL);
	rig_data(s->rig, 11, 11); // was not pulled: it comes again
	rig_take(s->rig, 11);
	cr_assert(servers_is_to(s, 2));
	cr_assert_eq(rig_stats(s->rig)->takes, 1);
	cr_assert_eq(rig_stats(s->rig)->resumes, 1);
	servers_destroy(s);
}

Test(client_offer, continues_the_connection_under_the_tag_of_the_home)
{
	struct servers *s = servers_create_live(3);

	offer_accepted(s);
	s->tags[2] = s->tags[0];
	s->rig->tag = s->tags[0];
	rig_heartbeat(s->rig, 12);
	// It is alive by that, and is kept alive under the offer's handle.
	expect_heard(s);
	cr_assert_gt(s->acks[2], 8);
	servers_destroy(s);
}

// A client with several homes has a connection tag with each, of which a server's tables keep one: the core that takes a
// subscription over may know it under another. Silence of that core would be heard for ever.
Test(client_offer, hears_a_core_that_speaks_under_the_tag_of_another_home)
{
	struct servers *s = servers_create_live(3);

	offer_accepted(s);
	s->tags[2] = s->tags[1];
	s->rig->tag = s->tags[1];
	s->rig->cursor_epoch--; // of an epoch that is not ours it proves nothing
	rig_heartbeat(s->rig, 12);
	cr_assert_eq(rig_stats(s->rig)->wrong_tag, 1);
	s->rig->cursor_epoch++;
	rig_heartbeat(s->rig, 12);
	expect_heard(s);
	cr_assert_eq(rig_stats(s->rig)->resumes, 1, "it was not forgotten there");
	servers_destroy(s);
}

// An offer that is taken back is not told of. Its handle goes with it, while another core of the server is heard.
Test(client_offer, of_which_nothing_comes_takes_its_handle_with_it)
{
	struct servers *s = servers_create_live(3);
	uint64_t first_tag = s->rig->sub_tag, first_epoch = s->rig->cursor_epoch;
	uint32_t first = s->rig->subscription;

	// Another subscription lives at server 1.
	rig_subscribe(s->rig, 10, 100);
	servers_migrate(s, 0, s->rig->cursor_epoch, 1);
	servers_expect_resume(s, 1, servers_handle(1), servers_key(1), 0);
	servers_turn(s, 1);
	rig_subscribed(s->rig, 10, GODWIT_OK);
	rig_next(s->rig, GODWIT_EVENT_CONNECTED);
	servers_migrated(s, 0, 1, GODWIT_MOVE_MIGRATE);
	while (rig_output(s->rig) != 0)
		; // ACKs to both homes, and a HELLO to who is kept warm from now on
	s->rig->sub_tag = first_tag;
	s->rig->subscription = first;
	servers_take_as(s, 1, first_epoch + (2 << 16), true, OFFER_HANDLE, OFFER_KEY);
	servers_expect_resume(s, 1, OFFER_HANDLE, OFFER_KEY, first_epoch + (2 << 16));
	servers_until_undone(s);
	servers_migrate(s, 0, first_epoch, 1);
	servers_expect_resume(s, 1, servers_handle(1), servers_key(1), 0);
	servers_destroy(s);
}

Test(client_offer, is_accepted_at_once_if_the_home_was_silent_for_an_interval)
{
	struct servers *s = servers_create_live(3);

	servers_pass(s, RIG_INTERVAL + RIG_INTERVAL / 5, 1u << 1);
	servers_take(s, 2, offer_epoch(s, 2), false);
	servers_expect_resume(s, 2, servers_handle(2), servers_key(2), offer_epoch(s, 2));
	servers_turn(s, 2);
	rig_subscribed(s->rig, 10, GODWIT_OK);
	rig_next(s->rig, GODWIT_EVENT_CONNECTED);
	servers_migrated(s, 0, 2, GODWIT_MOVE_TAKE);
	servers_destroy(s);
}

Test(client_offer, is_held_and_accepted_the_moment_the_home_is_silent)
{
	struct servers *s = servers_create_live(3);
	uint64_t heard_ns = s->rig->now_ns;
	uint64_t epoch = offer_epoch(s, 2);

	s->rig->now_ns += 30 * RIG_MS;
	servers_take(s, 2, epoch, false);
	servers_expect_aside(s, 2, servers_handle(2), servers_key(2), GODWIT_ACK_HELD,
			     s->rig->cursor_epoch);
	// A repeat is answered again.
	servers_take(s, 2, epoch, false);
	servers_expect_aside(s, 2, servers_handle(2), servers_key(2), GODWIT_ACK_HELD,
			     s->rig->cursor_epoch);
	rig_silent(s->rig);
	while (rig_stats(s->rig)->takes == 0) {
		s->rig->now_ns = godwit_core_due(s->rig->core, s->rig->now_ns);
		cr_assert_leq(s->rig->now_ns, heard_ns + RIG_INTERVAL + RIG_INTERVAL / 8);
		while (rig_output(s->rig) == GODWIT_ACK)
			servers_note_ack(s);
	}
	cr_assert_eq(s->rig->now_ns, heard_ns + RIG_INTERVAL + RIG_INTERVAL / 8);
	cr_assert_eq(s->rig->out[1], GODWIT_RESUME);
	cr_assert(servers_is_to(s, 2));
	cr_assert_eq(godwit_get64(((const struct godwit_resume *)s->rig->out)->offer_epoch), epoch);
	cr_assert_eq(rig_stats(s->rig)->takes_held, 1);
	servers_destroy(s);
}

Test(client_offer, is_refused_after_it_was_held_and_the_home_was_well)
{
	struct servers *s = servers_create_live(3);
	uint64_t begin_ns = s->rig->now_ns;

	servers_take(s, 2, offer_epoch(s, 2), false);
	servers_expect_aside(s, 2, servers_handle(2), servers_key(2), GODWIT_ACK_HELD,
			     s->rig->cursor_epoch);
	while (rig_stats(s->rig)->takes_kept == 0) {
		s->rig->now_ns += 10 * RIG_MS;
		servers_alive(s, 0);
		servers_alive(s, 1);
		while (rig_output(s->rig) != 0) {
			const struct godwit_ack *ack = (const void *)s->rig->out;

			cr_assert_eq(s->rig->out[1], GODWIT_ACK);
			servers_note_ack(s);
			if (!servers_is_to(s, 2))
				continue;
			cr_assert_eq(
				godwit_get16(((const struct godwit_ack_entry *)(ack + 1))->flags),
				GODWIT_ACK_KEEP);
			cr_assert_eq(rig_stats(s->rig)->takes_kept, 1);
		}
	}
	cr_assert_eq(s->rig->now_ns, begin_ns + SERVERS_LAPSE);
	// Silence after that is no acceptance any more.
	servers_pass(s, RIG_INTERVAL + RIG_INTERVAL / 2, 1u << 1);
	cr_assert_eq(rig_stats(s->rig)->takes, 0);
	servers_destroy(s);
}

Test(client_offer, is_accepted_if_the_home_does_not_hear_us)
{
	struct servers *s = servers_create_live(3);
	uint64_t echo = s->acked[0];

	rig_data(s->rig, 11, 11);
	rig_take(s->rig, 11);
	// It sends, but the echo stands still.
	for (uint32_t i = 0; i < 30; i++) {
		s->rig->now_ns += 10 * RIG_MS;
		s->acked[0] = echo;
		servers_alive(s, 0);
		servers_alive(s, 1);
		while (rig_output(s->rig) != 0)
			servers_note_ack(s);
	}
	rig_no_event(s->rig);
	servers_take(s, 2, offer_epoch(s, 2), false);
	servers_expect_resume(s, 2, servers_handle(2), servers_key(2), offer_epoch(s, 2));
	servers_destroy(s);
}

Test(client_offer, that_is_held_is_accepted_when_the_home_has_no_news_of_the_stream)
{
	struct servers *s = servers_create_live(3);
	uint64_t epoch = offer_epoch(s, 2);

	// Less than the silence of a dead server is none.
	s->feed_age_ms = 3 * RIG_INTERVAL / RIG_MS - 1;
	servers_alive(s, 0);
	servers_take(s, 2, epoch, false);
	servers_expect_aside(s, 2, servers_handle(2), servers_key(2), GODWIT_ACK_HELD,
			     s->rig->cursor_epoch);
	s->rig->now_ns += 10 * RIG_MS;
	s->feed_age_ms = 3 * RIG_INTERVAL / RIG_MS;
	servers_alive(s, 0);
	servers_expect_resume(s, 2, servers_handle(2), servers_key(2), epoch);
	servers_destroy(s);
}

Test(client_offer, is_refused_unless_its_epoch_is_above)
{
	struct servers *s = servers_create_live(3);
	uint64_t epoch = s->rig->cursor_epoch;

	servers_pass(s, RIG_INTERVAL + RIG_INTERVAL / 5, 1u << 1); // the home is silent
	servers_take(s, 2, epoch, true);
	servers_expect_aside(s, 2, servers_handle(2), servers_key(2), GODWIT_ACK_KEEP, epoch);
	servers_take(s, 2, epoch - 1, false);
	servers_expect_aside(s, 2, servers_handle(2), servers_key(2), GODWIT_ACK_KEEP, epoch);
	rig_silent(s->rig);
	cr_assert_eq(rig_stats(s->rig)->takes_kept, 2);
	cr_assert_eq(rig_stats(s->rig)->takes, 0);
	servers_destroy(s);
}

Test(client_offer, counts_only_from_servers_of_the_list)
{
	struct servers *s = servers_create_live(3);
	uint64_t wrong = rig_stats(s->rig)->wrong_source;
	uint64_t tag = s->rig->sub_tag;

	servers_take(s, 9, offer_epoch(s, 2), true);
	rig_silent(s->rig);
	cr_assert_eq(rig_stats(s->rig)->wrong_source, wrong + 1);
	s->rig->sub_tag = tag + 1;
	servers_take(s, 2, offer_epoch(s, 2), true);
	rig_silent(s->rig);
	cr_assert_eq(rig_stats(s->rig)->wrong_tag, 1);
	servers_destroy(s);
}

Test(client_offer, of_a_higher_epoch_takes_the_place_of_a_held_one)
{
	struct servers *s = servers_create_live(4);
	uint64_t epoch = s->rig->cursor_epoch;

	servers_take(s, 2, offer_epoch(s, 2), false);
	servers_expect_aside(s, 2, servers_handle(2), servers_key(2), GODWIT_ACK_HELD, epoch);
	servers_take(s, 3, offer_epoch(s, 3), false);
	servers_expect_aside(s, 3, servers_handle(3), servers_key(3), GODWIT_ACK_HELD, epoch);
	servers_take(s, 2, offer_epoch(s, 2), false);
	servers_expect_aside(s, 2, servers_handle(2), servers_key(2), GODWIT_ACK_KEEP, epoch);
	servers_pass(s, RIG_INTERVAL + RIG_INTERVAL / 5, 1u << 1);
	cr_assert_eq(rig_stats(s->rig)->takes, 1);
	rig_next(s->rig, GODWIT_EVENT_CONNECTED);
	while (rig_output(s->rig) == GODWIT_ACK)
		servers_note_ack(s);
	cr_assert_eq(s->rig->out[1], GODWIT_RESUME);
	cr_assert(servers_is_to(s, 3));
	servers_destroy(s);
}

Test(client_offer, that_is_held_goes_before_the_warm_server)
{
	struct servers *s = servers_create_live(3);

	servers_take(s, 2, offer_epoch(s, 2), false);
	servers_expect(s, 2, GODWIT_ACK);
	servers_turn(s, 0);
	rig_ended(s->rig, GODWIT_SHUTDOWN, 0);
	servers_expect_resume(s, 2, servers_handle(2), servers_key(2), offer_epoch(s, 2));
	rig_silent(s->rig);
	servers_destroy(s);
}

// The taker is the warm server, which knows the client under another handle by now.
Test(client_offer, changes_the_handle_of_a_connection_that_is_up)
{
	struct servers *s = servers_create_live(2);
	uint64_t epoch = offer_epoch(s, 1);

	servers_take_as(s, 1, epoch, true, OFFER_HANDLE, OFFER_KEY);
	servers_expect_resume(s, 1, OFFER_HANDLE, OFFER_KEY, epoch);
	offer_answered(s, 1, 10);
	rig_next(s->rig, GODWIT_EVENT_CONNECTED);
	rig_next(s->rig, GODWIT_EVENT_MIGRATED);
	servers_expect(s, 0, GODWIT_ACK);
	rig_expect_ack(s->rig, 10, 110, 0, NULL); // under the offer's handle
	// Heartbeats count under either tag.
	s->rig->tag = s->tags[0];
	rig_heartbeat(s->rig, 11);
	rig_expect_ack(s->rig, 10, 110, 1, (const uint64_t[]){11, 11});
	s->rig->tag = s->tags[1];
	rig_heartbeat(s->rig, 12);
	rig_expect_ack(s->rig, 10, 110, 1, (const uint64_t[]){12, 12});
	// What is asked for there from now on goes under the offer's handle too.
	cr_assert_eq(godwit_core_unsubscribe(s->rig->core, s->rig->now_ns, s->rig->subscription),
		     0);
	servers_expect(s, 1, GODWIT_UNSUBSCRIBE);
	cr_assert_eq(godwit_get64(((const struct godwit_unsubscribe *)s->rig->out)->from.handle),
		     OFFER_HANDLE);
	cr_assert_eq(godwit_core_subscribe(s->rig->core, s->rig->now_ns,
					   &(struct godwit_subscription_options){.stream = "s"},
					   &s->rig->subscription),
		     0);
	servers_expect_request(s, 1, GODWIT_SUBSCRIBE);
	cr_assert_eq(godwit_get64(((const struct godwit_subscribe *)s->rig->out)->from.handle),
		     OFFER_HANDLE);
	servers_destroy(s);
}

// The handle that it gave is the one that it offers.
Test(client_offer, under_the_same_handle_leaves_the_connection_as_it_is)
{
	struct servers *s = servers_create_live(2);
	uint64_t epoch = offer_epoch(s, 1);

	servers_take(s, 1, epoch, true);
	servers_expect_resume(s, 1, servers_handle(1), servers_key(1), epoch);
	servers_turn(s, 1);
	rig_subscribed(s->rig, 10, GODWIT_OK);
	rig_next(s->rig, GODWIT_EVENT_CONNECTED);
	cr_assert_eq(s->rig->event.instance, 77, "its WELCOME is still known");
	rig_next(s->rig, GODWIT_EVENT_MIGRATED);
	servers_destroy(s);
}

Test(client_offer, that_is_not_followed_by_an_answer_leaves_all_as_it_was)
{
	struct servers *s = servers_create_live(3);
	uint64_t begin_ns = s->rig->now_ns;
	uint64_t epoch = offer_epoch(s, 2);

	servers_take(s, 2, epoch, true);
	servers_expect_resume(s, 2, servers_handle(2), servers_key(2), epoch);
	servers_until_undone(s);
	// It falls silent itself: that is found before the lapse time.
	cr_assert_leq(s->rig->now_ns, begin_ns + SERVERS_SILENCE + 10 * RIG_MS);
	servers_turn(s, 0);
	rig_data(s->rig, 11, 11);
	rig_next(s->rig, GODWIT_EVENT_CONNECTED);
	rig_next(s->rig, GODWIT_EVENT_DISCONNECTED);
	rig_take(s->rig, 11);
	servers_destroy(s);
}

// A core of the home takes over from another one.
Test(client_offer, of_the_home_itself_is_a_move_to_another_handle)
{
	struct servers *s = servers_create_live(2);
	uint64_t before = s->rig->cursor_epoch;
	uint64_t epoch = offer_epoch(s, 0);

	servers_take_as(s, 0, epoch, true, OFFER_HANDLE, OFFER_KEY);
	servers_expect_resume(s, 0, OFFER_HANDLE, OFFER_KEY, epoch);
	rig_data(s->rig, 11, 11);
	offer_answered(s, 0, 10);
	rig_next(s->rig, GODWIT_EVENT_RESUMED);
	servers_expect_aside(s, 0, servers_handle(0), servers_key(0), 0, s->rig->cursor_epoch);
	rig_expect_ack(s->rig, 10, 110, 0, NULL);
	rig_data(s->rig, 11, 11);
	rig_take(s->rig, 11);
	// The core of before still sends: it is told, under its own handle.
	epoch = s->rig->cursor_epoch;
	s->rig->cursor_epoch = before;
	s->rig->now_ns += 10 * RIG_MS;
	rig_data(s->rig, 12, 12);
	servers_expect_aside(s, 0, servers_handle(0), servers_key(0), 0, epoch);
	servers_destroy(s);
}
