// SPDX-License-Identifier: BSD-3-Clause
//
// Moves that the home itself wants: handovers and their answers, drain, a lost feed, and clients that fell
// silent and are reached from elsewhere.
#include "tests/unit/migration_rig.h"

static void start(void)
{
	rig_start(4096);
}

TestSuite(handover, .init = start, .fini = rig_stop);

static void ask_us(uint32_t peer, struct cursor cursor, uint32_t request)
{
	struct godwit_handover frame = {
		.from.frame = {.version = GODWIT_VERSION, .type = GODWIT_HANDOVER},
		.reason = godwit_be16(GODWIT_MIGRATION_DRAIN),
		.request = godwit_be32(request),
	};

	cursor_encode(&cursor, &frame.cursor);
	migration_frame(rig.m, peer, &frame, rig.now_ns);
}

static const struct godwit_handover_confirm *confirmed(uint32_t *count)
{
	const struct rig_frame *f = rig_sent(GODWIT_HANDOVER_CONFIRM, count);

	return f != NULL ? (const void *)f->bytes : NULL;
}

// ---- drain -------------------------------------------------------------------------------------

Test(handover, a_drain_asks_others_and_the_clients)
{
	uint32_t asked;
	struct rig_command c = {0};

	rig_populate(40, RIG_SELF);
	cr_assert_eq(migration_drain(rig.m, rig.now_ns, NULL), GODWIT_OK);
	rig_pass(20 * RIG_MS);
	rig_sent(GODWIT_HANDOVER, &asked);
	cr_assert_eq(asked, 40);
	cr_assert_eq(rig_count(CORE_COMMAND_MIGRATE, &c), 40);
	cr_assert_eq(c.command.reason, GODWIT_MIGRATION_DRAIN);
	cr_assert_geq(c.command.target, 2);
	// It serves until it hears more.
	cr_assert_eq(rig_count(CORE_COMMAND_DROP, NULL), 0);
	cr_assert_eq(migration_drain_progress(rig.m).left, 40);
}

Test(handover, is_repeated_until_it_is_answered_and_then_dropped)
{
	uint32_t asked;
	struct rig_command c = {0};

	rig_populate(1, RIG_SELF);
	migration_drain(rig.m, rig.now_ns, NULL);
	rig_pass(120 * RIG_MS);
	rig_confirm(rig_sent(GODWIT_HANDOVER, &asked), GODWIT_OK, RIG_EPOCH(5, 2));
	cr_assert_geq(asked, 2);
	cr_assert_leq(asked, 3);
	cr_assert_eq(rig_count(CORE_COMMAND_DROP, &c), 1);
	cr_assert_eq(c.command.cursor_epoch, RIG_EPOCH(5, 2));
	cr_assert_eq(rig_last()->outcome, MIGRATION_MOVED);
	cr_assert_eq(rig_last()->reason, GODWIT_MIGRATION_DRAIN);
	cr_assert_eq(migration_drain_progress(rig.m).moved, 1);
	// A second answer is late.
	rig_confirm(rig_sent(GODWIT_HANDOVER, &asked), GODWIT_OK, RIG_EPOCH(5, 2));
	cr_assert_eq(RIG_COUNTER(frames_odd), 1);
}

// A confirm that was long on its way may be of a home that this one followed.
Test(handover, a_confirm_of_an_epoch_that_is_not_above_ours_hands_nothing_over)
{
	uint32_t asked;

	rig_populate(1, RIG_SELF); // in epoch 3
	migration_drain(rig.m, rig.now_ns, NULL);
	rig_pass(5 * RIG_MS);
	rig_confirm(rig_sent(GODWIT_HANDOVER, NULL), GODWIT_OK, RIG_EPOCH(3, RIG_SELF));
	rig_confirm(rig_sent(GODWIT_HANDOVER, NULL), GODWIT_OK, RIG_EPOCH(2, 4));
	cr_assert_eq(rig_count(CORE_COMMAND_DROP, NULL), 0, "it is served here");
	cr_assert_eq(migration_drain_progress(rig.m).moved, 0);
	cr_assert_eq(migration_pending(rig.m), 1);
	rig_sent(GODWIT_HANDOVER, &asked);
	cr_assert_eq(asked, 3, "each time another one is asked");
	rig_confirm(rig_sent(GODWIT_HANDOVER, NULL), GODWIT_OK, RIG_EPOCH(4, 2));
	cr_assert_eq(rig_count(CORE_COMMAND_DROP, NULL), 1);
}

// The server refuses its offer at last, and was asked anew meanwhile.
Test(handover, a_confirm_of_an_earlier_request_ends_no_later_one)
{
	struct rig_frame first;

	for (uint32_t i = 1; i < 3; i++)
		migration_view(rig.m)->peers[i].is_up = false; // there is only one to be asked
	rig_populate(1, RIG_SELF);
	migration_drain(rig.m, rig.now_ns, NULL);
	rig_pass(5 * RIG_MS);
	first = *rig_sent(GODWIT_HANDOVER, NULL);
	rig_pass(RIG_LAPSE_NS + 200 * RIG_MS);
	cr_assert_eq(RIG_COUNTER(expired), 1);
	cr_assert_eq(migration_pending(rig.m), 1);
	rig_confirm(&first, GODWIT_LAPSED, 0);
	cr_assert_eq(migration_pending(rig.m), 1);
	cr_assert_eq(RIG_COUNTER(handover_refused), 0);
	cr_assert_eq(RIG_COUNTER(frames_odd), 1);
	rig_confirm(rig_sent(GODWIT_HANDOVER, NULL), GODWIT_OK, RIG_EPOCH(4, 2));
	cr_assert_eq(rig_last()->outcome, MIGRATION_MOVED);
}

Test(handover, a_higher_entry_of_anybody_is_as_good_as_a_confirm)
{
	rig_populate(1, RIG_SELF);
	migration_drain(rig.m, rig.now_ns, NULL);
	rig_pass(5 * RIG_MS);
	rig_entry(rig_cursor(1, 4, 6));
	cr_assert_eq(rig_last()->outcome, MIGRATION_MOVED);
	cr_assert_eq(rig_last()->to, 4);
	cr_assert_eq(migration_pending(rig.m), 0);
}

Test(handover, a_refusal_asks_the_next_and_the_last_refusal_stays)
{
	uint32_t tried = 0, asked;
	struct rig_command c = {0};

	rig_populate(1, RIG_SELF);
	migration_drain(rig.m, rig.now_ns, NULL);
	rig_pass(5 * RIG_MS);
	for (uint32_t i = 0; i < 3; i++) {
		const struct rig_frame *f = rig_sent(GODWIT_HANDOVER, &asked);

		cr_assert_eq(tried >> f->peer & 1, 0);
		tried |= 1u << f->peer;
		rig_confirm(f, GODWIT_LIMIT, 0);
	}
	cr_assert_eq(tried, 7);
	cr_assert_eq(rig_last()->outcome, MIGRATION_REFUSED);
	cr_assert_eq(migration_drain_progress(rig.m).stuck, 1);
	// The client is asked no more.
	rig_count(CORE_COMMAND_MIGRATE, &c);
	cr_assert_eq(c.command.target, 0);
	cr_assert_eq(rig_count(CORE_COMMAND_DROP, NULL), 0);
}

Test(handover, a_client_that_accepts_no_target_is_reported_and_tried_again)
{
	rig_populate(1, RIG_SELF);
	migration_drain(rig.m, rig.now_ns, NULL);
	rig_pass(RIG_LAPSE_NS + 20 * RIG_MS);
	cr_assert_eq(migration_drain_progress(rig.m).stuck, 1);
	cr_assert_eq(rig_last()->outcome, MIGRATION_EXPIRED);
	rig_pass(200 * RIG_MS);
	cr_assert_eq(migration_pending(rig.m), 1);
}

// Whom the attempt asks that is under way or begins now. It passes unanswered; the next may begin.
static uint32_t asked_in_vain(void)
{
	uint64_t expired = RIG_COUNTER(expired), until_ns = rig.now_ns + 2 * RIG_LAPSE_NS;
	const struct rig_frame *f;
	uint32_t peer;

	rig_forget();
	rig_pass(120 * RIG_MS);
	f = rig_sent(GODWIT_HANDOVER, NULL);
	cr_assert_not_null(f);
	peer = f->peer;
	while (RIG_COUNTER(expired) == expired && rig.now_ns < until_ns)
		rig_pass(RIG_MS);
	cr_assert_eq(RIG_COUNTER(expired), expired + 1);
	return peer;
}

Test(handover, each_attempt_in_vain_is_followed_by_one_at_another_server)
{
	uint32_t first, second, third;

	rig_populate(1, RIG_SELF);
	migration_drain(rig.m, rig.now_ns, NULL);
	first = asked_in_vain();
	second = asked_in_vain();
	third = asked_in_vain();
	cr_assert_eq(1u << first | 1u << second | 1u << third, 7);
	// All were tried: from the start, but for one that takes none now.
	migration_view(rig.m)->peers[second].is_draining = true;
	cr_assert_eq(asked_in_vain(), first);
	cr_assert_eq(asked_in_vain(), third);
	cr_assert_eq(asked_in_vain(), first);
}

Test(handover, where_the_others_refuse_it_the_one_tried_in_vain_is_asked_again)
{
	uint32_t first;

	rig_populate(1, RIG_SELF);
	migration_drain(rig.m, rig.now_ns, NULL);
	first = asked_in_vain();
	rig_pass(120 * RIG_MS);
	for (uint32_t i = 0; i < 2; i++) {
		const struct rig_frame *f = rig_sent(GODWIT_HANDOVER, NULL);

		cr_assert_neq(f->peer, first);
		rig_confirm(f, GODWIT_BUSY, 0);
	}
	cr_assert_eq(rig_last()->outcome, MIGRATION_REFUSED);
	cr_assert_eq(asked_in_vain(), first);
}

Test(handover, what_moved_is_asked_of_its_first_server_again)
{
	uint32_t first;

	rig_populate(1, RIG_SELF);
	migration_drain(rig.m, rig.now_ns, NULL);
	first = asked_in_vain();
	rig_pass(120 * RIG_MS);
	rig_confirm(rig_sent(GODWIT_HANDOVER, NULL), GODWIT_OK, RIG_EPOCH(5, 4));
	cr_assert_eq(rig_last()->outcome, MIGRATION_MOVED);
	rig_entry(rig_cursor(1, 4, 5));
	rig_entry(rig_cursor(1, RIG_SELF, 6));
	rig_pass(RIG_LAPSE_NS); // it rests
	cr_assert_eq(asked_in_vain(), first);
}

Test(handover, a_target_that_dies_is_replaced)
{
	const struct rig_frame *f;
	uint32_t first;

	rig_populate(1, RIG_SELF);
	migration_drain(rig.m, rig.now_ns, NULL);
	rig_pass(5 * RIG_MS);
	f = rig_sent(GODWIT_HANDOVER, NULL);
	first = f->peer;
	migration_view(rig.m)->peers[first].is_up = false;
	rig_pass(60 * RIG_MS);
	cr_assert_neq(rig_sent(GODWIT_HANDOVER, NULL)->peer, first);
}

static struct cursor ended(uint64_t client, uint16_t home, uint16_t flags)
{
	struct cursor c = rig_cursor(client, home, 3);

	c.flags = flags;
	return c;
}

Test(handover, a_cursor_that_ends_meanwhile_ends_its_move)
{
	struct rig_command c;
	uint32_t asked;

	rig_populate(2, RIG_SELF);
	migration_drain(rig.m, rig.now_ns, NULL);
	rig_pass(5 * RIG_MS);
	rig_entry(ended(1, RIG_SELF, GODWIT_CURSOR_TOMBSTONE));
	rig_entry(ended(2, RIG_SELF, GODWIT_CURSOR_LAPSED));
	cr_assert_eq(migration_pending(rig.m), 1, "the client may have gone to a newer home");
	rig_pass(210 * RIG_MS);
	cr_assert_eq(migration_pending(rig.m), 0);
	cr_assert_eq(rig_last()->outcome, MIGRATION_ENDED);
	cr_assert_eq(rig_last()->to, RIG_SELF);
	cr_assert_eq(RIG_COUNTER(ended), 2);
	cr_assert_eq(migration_drain_progress(rig.m).stuck, 0);
	cr_assert_eq(migration_drain_progress(rig.m).left, 0); // a lapsed one keeps nobody here
	rig_count(CORE_COMMAND_MIGRATE, &c);
	cr_assert_eq(c.command.target, 0);
	rig_forget();
	rig_pass(2 * RIG_LAPSE_NS);
	rig_sent(GODWIT_HANDOVER, &asked);
	cr_assert_eq(asked, 0);
	cr_assert_eq(RIG_COUNTER(expired), 0);
}

Test(handover, a_target_that_says_that_the_client_unsubscribed_ends_the_move)
{
	struct rig_command c;
	uint32_t asked;

	rig_populate(1, RIG_SELF);
	migration_drain(rig.m, rig.now_ns, NULL);
	rig_pass(5 * RIG_MS);
	rig_confirm(rig_sent(GODWIT_HANDOVER, NULL), GODWIT_UNSUBSCRIBED, 0);
	cr_assert_eq(migration_pending(rig.m), 0);
	cr_assert_eq(rig_last()->outcome, MIGRATION_ENDED);
	cr_assert_eq(RIG_COUNTER(ended), 1);
	cr_assert_eq(RIG_COUNTER(handover_refused), 0);
	cr_assert_eq(migration_drain_progress(rig.m).stuck, 0);
	rig_sent(GODWIT_HANDOVER, &asked);
	cr_assert_eq(asked, 1, "nobody else is asked");
	rig_count(CORE_COMMAND_MIGRATE, &c);
	cr_assert_eq(c.command.target, 0);
}

Test(handover, the_last_server_is_not_drained)
{
	for (uint32_t i = 0; i < 3; i++)
		migration_view(rig.m)->peers[i].is_up = false;
	cr_assert_eq(migration_drain(rig.m, rig.now_ns, NULL), GODWIT_NOT_ALLOWED);
	cr_assert_not(migration_drain_progress(rig.m).is_active);
}

Test(handover, the_last_server_that_takes_clients_is_not_drained)
{
	for (uint32_t i = 0; i < 3; i++)
		migration_view(rig.m)->peers[i].is_draining = true;
	cr_assert_eq(migration_drain(rig.m, rig.now_ns, NULL), GODWIT_NOT_ALLOWED);
	cr_assert_not(migration_drain_progress(rig.m).is_active);
	migration_view(rig.m)->peers[1].is_draining = false;
	cr_assert_eq(migration_drain(rig.m, rig.now_ns, NULL), GODWIT_OK);
}

Test(handover, a_server_is_not_drained_where_nobody_else_has_one_of_its_streams)
{
	struct migration_view *view = migration_view(rig.m);
	const char *stream = NULL;

	view->streams_count = 2;
	view->streams[0].name = "shared";
	view->streams[1] =
		(struct migration_stream){.name = "own", .own = {.session = 9, .end = 1}};
	cr_assert_eq(migration_drain(rig.m, rig.now_ns, &stream), GODWIT_UNKNOWN_STREAM);
	cr_assert_str_eq(stream, "own");
	cr_assert_not(migration_drain_progress(rig.m).is_active);
	// Who is drained itself does not count.
	view->streams[1].peers[2].session = 9;
	view->peers[2].is_draining = true;
	cr_assert_eq(migration_drain(rig.m, rig.now_ns, &stream), GODWIT_UNKNOWN_STREAM);
	view->peers[2].is_draining = false;
	cr_assert_eq(migration_drain(rig.m, rig.now_ns, &stream), GODWIT_OK);
	cr_assert_null(stream);
	// What is not served yet by anybody keeps nobody.
	migration_undrain(rig.m, rig.now_ns);
	view->streams[1] = (struct migration_stream){.name = "none"};
	cr_assert_eq(migration_drain(rig.m, rig.now_ns, &stream), GODWIT_OK);
}

Test(handover, nobody_is_handed_to_a_server_that_is_drained)
{
	uint32_t asked;

	rig_populate(40, RIG_SELF);
	migration_view(rig.m)->peers[0].is_draining = true;
	migration_view(rig.m)->peers[2].is_draining = true;
	migration_drain(rig.m, rig.now_ns, NULL);
	rig_pass(20 * RIG_MS);
	rig_sent(GODWIT_HANDOVER, &asked);
	cr_assert_eq(asked, 40);
	for (uint32_t i = 0; i < rig.frames_count; i++)
		if (rig.frames[i].bytes[1] == GODWIT_HANDOVER)
			cr_assert_eq(rig.frames[i].peer, 1);
	for (uint32_t i = 0; i < rig.commands_count; i++)
		if (rig.commands[i].kind == CORE_COMMAND_MIGRATE)
			cr_assert_eq(rig.commands[i].command.target, 3);
}

Test(handover, undrain_withdraws_and_takes_again)
{
	uint32_t count;

	rig_populate(10, RIG_SELF);
	migration_drain(rig.m, rig.now_ns, NULL);
	rig_pass(10 * RIG_MS);
	ask_us(0, rig_cursor(50, 2, 1), 4);
	cr_assert_eq(godwit_get16(confirmed(&count)->code), GODWIT_BUSY);
	migration_undrain(rig.m, rig.now_ns);
	cr_assert_eq(migration_pending(rig.m), 0);
	ask_us(0, rig_cursor(50, 2, 1), 5);
	cr_assert_eq(rig_count(CORE_COMMAND_OFFER, NULL), 1);
}

Test(handover, moves_at_a_time_are_bounded)
{
	rig_populate(5000, RIG_SELF);
	migration_drain(rig.m, rig.now_ns, NULL);
	for (uint32_t i = 0; i < 40; i++) {
		rig_pass(5 * RIG_MS);
		rig_forget();
	}
	cr_assert_leq(migration_pending(rig.m), 2048);
	cr_assert_gt(migration_pending(rig.m), 1900);
}

Test(handover, a_cursor_moves_at_most_once_a_second)
{
	rig_entry(rig_cursor(1, 2, 3));
	rig_entry(rig_cursor(1, RIG_SELF, 4));
	migration_drain(rig.m, rig.now_ns, NULL);
	rig_pass(900 * RIG_MS);
	cr_assert_eq(migration_pending(rig.m), 0);
	rig_pass(300 * RIG_MS);
	cr_assert_eq(migration_pending(rig.m), 1);
}

// ---- a lost feed -------------------------------------------------------------------------------

Test(handover, a_home_without_the_feed_sends_its_clients_to_one_that_has_it)
{
	struct migration_view *view = migration_view(rig.m);
	const struct rig_frame *f;
	struct rig_command c = {0};

	rig_populate(5, RIG_SELF);
	rig_pass(RIG_DETECT_NS + RIG_MS);
	view->streams[0].own.feed_age_ms = 50;
	view->streams[0].peers[0].feed_age_ms = 200;
	view->streams[0].peers[1].feed_age_ms = 3;
	view->streams[0].peers[2].feed_age_ms = 200;
	rig_pass(10 * RIG_MS);
	f = rig_sent(GODWIT_HANDOVER, NULL);
	cr_assert_not_null(f);
	cr_assert_eq(f->peer, 1);
	cr_assert_eq(rig_count(CORE_COMMAND_MIGRATE, &c), 5);
	cr_assert_eq(c.command.reason, GODWIT_MIGRATION_FEED);
	cr_assert_eq(c.command.target, 3);
	cr_assert_eq(RIG_COUNTER(feed_lost), 1);
}

Test(handover, who_has_the_feed_anew_is_not_run_to)
{
	struct migration_view *view = migration_view(rig.m);

	rig_populate(5, RIG_SELF);
	view->streams[0].own.feed_age_ms = 5000; // the primary is being started again
	for (uint32_t i = 0; i < 3; i++)
		view->streams[0].peers[i].feed_age_ms = 5000;
	rig_pass(100 * RIG_MS);
	view->streams[0].peers[0].feed_age_ms = 0; // it is back, and so will we be
	rig_pass(RIG_DETECT_NS - 2 * RIG_MS);
	cr_assert_null(rig_sent(GODWIT_HANDOVER, NULL));
	cr_assert_eq(RIG_COUNTER(feed_lost), 0);
	rig_pass(10 * RIG_MS);
	cr_assert_not_null(rig_sent(GODWIT_HANDOVER, NULL));
	cr_assert_eq(RIG_COUNTER(feed_lost), 1);
}

Test(handover, where_nobody_has_the_feed_nothing_moves)
{
	struct migration_view *view = migration_view(rig.m);

	rig_populate(5, RIG_SELF);
	view->streams[0].own.feed_age_ms = 50;
	for (uint32_t i = 0; i < 3; i++)
		view->streams[0].peers[i].feed_age_ms = 60;
	rig_pass(10 * RIG_MS);
	cr_assert_null(rig_sent(GODWIT_HANDOVER, NULL));
}

// ---- asked to take -----------------------------------------------------------------------------

Test(handover, what_we_are_asked_to_take_is_offered_in_the_name_of_the_home)
{
	struct rig_command c = {0};
	uint32_t count;

	ask_us(1, rig_cursor(9, 3, 4), 77);
	ask_us(1, rig_cursor(9, 3, 4), 78); // asked again
	cr_assert_eq(rig_count(CORE_COMMAND_OFFER, &c), 1);
	cr_assert(c.command.by_home);
	cr_assert_eq(c.command.cursor_epoch, RIG_EPOCH(5, RIG_SELF));
	cr_assert_null(confirmed(NULL));
	rig_entry(rig_cursor(9, RIG_SELF, 6));
	cr_assert_eq(godwit_get16(confirmed(&count)->code), GODWIT_OK);
	cr_assert_eq(godwit_get32(confirmed(&count)->request), 78);
	cr_assert_eq(godwit_get64(confirmed(&count)->cursor_epoch), RIG_EPOCH(6, RIG_SELF));
	// The confirm was lost: the home asks again, and hears it again.
	ask_us(1, rig_cursor(9, 3, 4), 79);
	cr_assert_eq(godwit_get16(confirmed(&count)->code), GODWIT_OK);
	cr_assert_eq(count, 2);
	cr_assert_eq(rig_count(CORE_COMMAND_OFFER, NULL), 1);
}

Test(handover, what_ended_is_not_taken)
{
	rig_entry(ended(9, 3, GODWIT_CURSOR_TOMBSTONE));
	ask_us(1, rig_cursor(9, 3, 3), 77); // it was on its way
	cr_assert_eq(godwit_get16(confirmed(NULL)->code), GODWIT_UNSUBSCRIBED);
	cr_assert_eq(rig_count(CORE_COMMAND_OFFER, NULL), 0);
	cr_assert_eq(RIG_COUNTER(asked_refused), 1);
}

Test(handover, an_offer_of_what_ends_at_its_home_is_taken_back_and_the_home_told)
{
	struct rig_command c;

	ask_us(1, rig_cursor(9, 3, 3), 77);
	rig_entry(ended(9, 3, GODWIT_CURSOR_LAPSED)); // to its home only, perhaps
	cr_assert_eq(migration_pending(rig.m), 1);
	rig_entry(ended(9, 3, GODWIT_CURSOR_TOMBSTONE));
	cr_assert_eq(migration_pending(rig.m), 0);
	cr_assert_eq(rig_count(CORE_COMMAND_OFFER, &c), 2);
	cr_assert_eq(c.command.cursor_epoch, 0);
	cr_assert_eq(godwit_get16(confirmed(NULL)->code), GODWIT_UNSUBSCRIBED);
	cr_assert_eq(rig_last()->outcome, MIGRATION_ENDED);
	cr_assert_eq(RIG_COUNTER(ended), 1);
}

Test(handover, what_we_cannot_serve_we_do_not_take)
{
	migration_view(rig.m)->streams[0].own.end = 400; // below the cursor
	ask_us(1, rig_cursor(9, 3, 4), 77);
	cr_assert_eq(godwit_get16(confirmed(NULL)->code), GODWIT_BEHIND);
	cr_assert_eq(RIG_COUNTER(asked_refused), 1);
}

Test(handover, a_client_that_keeps_its_home_is_told_to_the_home)
{
	ask_us(1, rig_cursor(9, 3, 4), 77);
	rig_notice(CORE_NOTICE_OFFER_KEPT, (struct core_notice){.client = 9,
								.subscription = 1,
								.cursor_epoch = RIG_EPOCH(4, 3)});
	cr_assert_eq(godwit_get16(confirmed(NULL)->code), GODWIT_NOT_ALLOWED);
}

Test(handover, a_cursor_that_is_elsewhere_by_now_is_answered_so)
{
	rig_entry(rig_cursor(9, 4, 8));
	ask_us(1, rig_cursor(9, 3, 4), 77);
	cr_assert_eq(godwit_get16(confirmed(NULL)->code), GODWIT_REPLACED);
	ask_us(1, rig_cursor(10, 4, 4), 77); // of a home that is not the asker
	cr_assert_eq(RIG_COUNTER(frames_odd), 1);
}

// ---- silent clients ----------------------------------------------------------------------------

static void silent(uint64_t client)
{
	struct cursor c = rig_cursor(client, RIG_SELF, 3);

	rig_notice(CORE_NOTICE_CLIENT_SUSPECT, (struct core_notice){.client = client,
								    .instance = 7,
								    .tag = c.connection,
								    .address = c.address});
}

static void result(const struct rig_frame *asked, uint32_t peer, uint16_t answer)
{
	struct godwit_probe_for frame = *(const struct godwit_probe_for *)asked->bytes;

	frame.from.frame.type = GODWIT_PROBE_RESULT;
	frame.result = godwit_be16(answer);
	migration_frame(rig.m, peer, &frame, rig.now_ns);
}

Test(handover, a_silent_client_goes_to_the_server_that_reaches_it)
{
	struct cursor elsewhere = rig_cursor(5, 3, 3);
	const struct rig_frame *asked;
	uint32_t count;

	rig_populate(20, RIG_SELF);
	elsewhere.key.subscription = 2; // is no concern of ours
	rig_entry(elsewhere);
	silent(5);
	rig_pass(2 * RIG_MS);
	asked = rig_sent(GODWIT_PROBE_FOR, &count);
	cr_assert_eq(count, 3);
	result(asked, 0, 2);
	result(asked, 2, 1);
	cr_assert_eq(rig_sent(GODWIT_HANDOVER, &count)->peer, 2);
	cr_assert_eq(count, 1);
	cr_assert_eq(rig_count(CORE_COMMAND_MIGRATE, NULL), 0); // it would not hear it
	rig_entry(rig_cursor(5, 4, 5));
	cr_assert_eq(rig_last()->reason, GODWIT_MIGRATION_LINK);
	cr_assert_eq(rig_last()->outcome, MIGRATION_MOVED);
}

Test(handover, who_reaches_a_silent_client_is_asked_though_it_was_in_vain_before)
{
	rig_populate(1, RIG_SELF);
	for (uint32_t i = 0; i < 2; i++) {
		silent(1);
		rig_pass(2 * RIG_MS);
		result(rig_sent(GODWIT_PROBE_FOR, NULL), 2, 1);
		cr_assert_eq(asked_in_vain(), 2);
	}
}

Test(handover, a_client_that_says_first_that_it_has_a_newer_home_is_handed_over)
{
	uint32_t asked;

	rig_populate(2, RIG_SELF);
	migration_drain(rig.m, rig.now_ns, NULL);
	rig_pass(5 * RIG_MS);
	rig_entry(ended(1, RIG_SELF, GODWIT_CURSOR_LAPSED));
	rig_entry(ended(2, RIG_SELF, GODWIT_CURSOR_LAPSED));
	rig_forget();
	rig_pass(100 * RIG_MS);
	rig_sent(GODWIT_HANDOVER, &asked);
	cr_assert_eq(asked, 0, "nobody is asked any more");
	rig_entry(rig_cursor(1, 3, 4));
	cr_assert_eq(rig_last()->outcome, MIGRATION_MOVED);
	cr_assert_eq(rig_last()->to, 3);
	rig_entry(rig_cursor(2, 4, 4));
	cr_assert_eq(migration_drain_progress(rig.m).moved, 2);
	cr_assert_eq(RIG_COUNTER(ended), 0);
}

Test(handover, a_silent_client_that_lapses_here_may_still_be_reached_from_elsewhere)
{
	rig_populate(20, RIG_SELF);
	silent(5);
	rig_pass(2 * RIG_MS);
	result(rig_sent(GODWIT_PROBE_FOR, NULL), 2, 1);
	rig_entry(ended(5, RIG_SELF, GODWIT_CURSOR_LAPSED));
	cr_assert_eq(migration_pending(rig.m), 1);
	rig_confirm(rig_sent(GODWIT_HANDOVER, NULL), GODWIT_OK, RIG_EPOCH(4, 4));
	cr_assert_eq(rig_last()->outcome, MIGRATION_MOVED);
}

Test(handover, one_that_nobody_reaches_stays)
{
	const struct rig_frame *asked;

	rig_populate(20, RIG_SELF);
	silent(5);
	rig_pass(2 * RIG_MS);
	asked = rig_sent(GODWIT_PROBE_FOR, NULL);
	for (uint32_t i = 0; i < 3; i++)
		result(asked, i, 2);
	rig_pass(2 * RIG_MS);
	cr_assert_eq(RIG_COUNTER(suspects_gone), 1);
	cr_assert_null(rig_sent(GODWIT_HANDOVER, NULL));
	result(asked, 0, 1); // too late
	cr_assert_null(rig_sent(GODWIT_HANDOVER, NULL));
}

Test(handover, a_client_that_is_back_keeps_its_home)
{
	rig_populate(20, RIG_SELF);
	silent(5);
	rig_pass(2 * RIG_MS);
	result(rig_sent(GODWIT_PROBE_FOR, NULL), 1, 1);
	cr_assert_eq(migration_pending(rig.m), 1);
	rig_notice(CORE_NOTICE_CLIENT_BACK, (struct core_notice){.client = 5});
	cr_assert_eq(migration_pending(rig.m), 0);
	cr_assert_eq(rig_last()->outcome, MIGRATION_WITHDRAWN);
}

Test(handover, too_many_silent_clients_mean_the_port_first)
{
	uint32_t count;

	rig_populate(8, RIG_SELF);
	for (uint32_t i = 1; i <= 8; i++)
		silent(i);
	rig_pass(2 * RIG_MS);
	rig_sent(GODWIT_PROBE_FOR, &count);
	cr_assert_lt(count, 8 * 3);
	cr_assert_gt(RIG_COUNTER(crowds), 0);
	rig_pass(310 * RIG_MS);
	rig_sent(GODWIT_PROBE_FOR, &count);
	cr_assert_eq(count, 8 * 3);
}

Test(handover, a_peer_that_asks_gets_its_client_probed_and_an_answer)
{
	struct godwit_probe_for frame = {
		.from.frame = {.version = GODWIT_VERSION, .type = GODWIT_PROBE_FOR},
		.tag = godwit_be64(5),
		.nonce = godwit_be64(6),
		.port = godwit_be16(4000),
	};
	const struct rig_frame *answer;
	struct rig_command c = {0};
	uint32_t count;

	migration_frame(rig.m, 1, &frame, rig.now_ns);
	migration_frame(rig.m, 1, &frame, rig.now_ns); // twice
	rig_pass(50 * RIG_MS);
	cr_assert_eq(rig_count(CORE_COMMAND_PROBE, &c), 3);
	cr_assert_eq(c.command.connection, 5);
	cr_assert_eq(c.command.nonce, 6);
	rig_notice(CORE_NOTICE_PROBE_REPLY, (struct core_notice){.tag = 5, .nonce = 6});
	answer = rig_sent(GODWIT_PROBE_RESULT, &count);
	cr_assert_eq(answer->peer, 1);
	cr_assert_eq(godwit_get16(((const struct godwit_probe_for *)answer->bytes)->result), 1);
	frame.nonce = godwit_be64(7);
	migration_frame(rig.m, 2, &frame, rig.now_ns);
	rig_pass(200 * RIG_MS);
	answer = rig_sent(GODWIT_PROBE_RESULT, &count);
	cr_assert_eq(count, 2);
	cr_assert_eq(answer->peer, 2);
	cr_assert_eq(godwit_get16(((const struct godwit_probe_for *)answer->bytes)->result), 2);
}
