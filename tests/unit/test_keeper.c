// SPDX-License-Identifier: BSD-3-Clause
//
// How a stream comes to be led: the first start, and a start with a record.
#include "keeper_rig.h"

TestSuite(keeper, .init = set_up, .fini = tear_down);

// ---- the first start ----------------------------------------------------------------------------

Test(keeper, begins_a_session_when_every_replica_holds_nothing)
{
	start(100);
	step();
	expect_waits(KEEPER_MEETING, KEEPER_WAITS_FOR, 2);
	says(2, 200, 0, 0, 0);
	step();
	expect_waits(KEEPER_MEETING, KEEPER_WAITS_FOR, 3);
	says(3, 300, 0, 0, 0);
	step();
	cr_assert_eq(look().state, KEEPER_LEADING);
	cr_assert_eq(records, 1);
	cr_assert_eq(ordered.session, 1, "0 is no session");
	cr_assert_eq(ordered.epoch, 1);
	cr_assert_eq(ordered.min_in_sync, 2);
	EXPECT_SET({1, 100});
}

Test(keeper, waits_for_a_replica_that_was_met_but_says_nothing_of_the_stream)
{
	start(100);
	says(2, 200, 0, 0, 0);
	says(3, 300, 0, 0, 0);
	peer_streams[1][STREAM].told = 0;
	step();
	expect_waits(KEEPER_MEETING, KEEPER_WAITS_FOR, 3);
}

Test(keeper, says_which_replica_takes_no_part)
{
	start(100);
	says(2, 200, 0, 0, 0);
	says(3, 300, 0, 0, 0);
	peer_of(3)->refusal = PEER_REFUSED_CONFIG;
	step();
	expect_waits(KEEPER_MEETING, KEEPER_REFUSES_PEER, 3);
	peer_of(3)->refusal = PEER_ACCEPTED;
	peer_of(3)->refused_us = GODWIT_PEER_OTHER_CONFIG;
	step();
	expect_waits(KEEPER_MEETING, KEEPER_REFUSES_PEER, 3);
}

Test(keeper, does_not_begin_while_a_replica_holds_a_session_without_a_record)
{
	start(100);
	says(3, 300, 0xabc, 4, 77);
	step();
	expect_waits(KEEPER_MEETING, KEEPER_HELD_ELSEWHERE, 3);
	says(2, 200, 0, 0, 0);
	step();
	expect_waits(KEEPER_MEETING, KEEPER_HELD_ELSEWHERE, 3);
	says(3, 301, 0, 0, 0); // somebody restarted it
	step();
	cr_assert_eq(look().state, KEEPER_LEADING);
}

Test(keeper, orders_again_what_found_no_room)
{
	has_no_room = true;
	lead_first();
	cr_assert_eq(records, 0);
	has_no_room = false;
	step();
	cr_assert_eq(records, 1);
	EXPECT_SET({1, 100});
}

// ---- a start with a record ----------------------------------------------------------------------

// The primary comes back, and hears of the logs of both others.
static void choose_between(uint32_t epoch2, uint64_t end2, uint32_t epoch3, uint64_t end3)
{
	lead_with_all();
	start(101);
	says(3, 300, 1, epoch3, end3);
	says(2, 200, 1, epoch2, end2);
	step();
}

Test(keeper, fetches_from_the_greatest_epoch_and_end_when_all_are_there)
{
	lead_with_all();
	start(101);
	says(2, 200, 1, 1, 50);
	step();
	expect_waits(KEEPER_CHOOSING, KEEPER_WAITS_FOR, 3);
	says(3, 300, 1, 1, 51);
	step();
	cr_assert_eq(fetches, 1);
	cr_assert_eq(fetched_from, 3);
	cr_assert_eq(fetch_epoch, 2);
	cr_assert_eq(records, 0, "it leads nothing yet");
	cr_assert_eq(look().record.in_sync_count, 2, "without itself");
	keeper_fetched(keeper, STREAM, 2, 200);
	step();
	cr_assert_eq(records, 0, "that is not what was asked for");
	keeper_fetched(keeper, STREAM, 3, 300);
	step();
	cr_assert_eq(records, 1);
	cr_assert_eq(ordered.session, 1, "it is the same session");
	cr_assert_eq(ordered.epoch, 2);
	EXPECT_SET({1, 101}, {2, 200}, {3, 300});
}

Test(keeper, prefers_a_later_epoch_to_a_longer_log)
{
	choose_between(2, 10, 1, 90);
	cr_assert_eq(fetched_from, 2);
}

Test(keeper, prefers_the_lower_server_of_equal_logs)
{
	choose_between(1, 50, 1, 50);
	cr_assert_eq(fetched_from, 2);
}

Test(keeper, goes_on_with_one_member_when_the_others_do_not_come_in_time)
{
	struct keeper_view view;

	lead_with_all();
	start(101);
	step();
	now_ns += 10 * TIMEOUT;
	step();
	expect_waits(KEEPER_CHOOSING, KEEPER_WAITS_FOR, 2);
	says(3, 300, 1, 1, 50);
	step();
	now_ns += TIMEOUT - 2 * MS;
	step();
	expect_waits(KEEPER_CHOOSING, KEEPER_WAITS_FOR, 2);
	now_ns += MS;
	step();
	cr_assert_eq(fetched_from, 3);
	view = look();
	cr_assert(cluster_in_sync_as(&view.record, 2, 200), "not reachable is not lost");
}

Test(keeper, writes_the_epoch_before_it_fetches)
{
	lead_with_all();
	start(101);
	says(2, 200, 1, 1, 50);
	says(3, 300, 1, 1, 50);
	store.fault = -ENOSPC;
	step();
	cr_assert_eq(fetches, 0);
	cr_assert_eq(look().why, KEEPER_NO_RECORD);
	store.fault = 0;
	step();
	cr_assert_eq(fetches, 0, "it is tried again after a pause");
	now_ns += KEEPER_RETRY_NS;
	step();
	cr_assert_eq(fetches, 1);
	cr_assert_eq(fetch_epoch, 2);
}

Test(keeper, does_not_count_a_member_that_lost_its_memory)
{
	lead_with_all();
	start(101);
	says(2, 200, 1, 1, 50);
	says(3, 301, 0, 0, 0);
	step();
	cr_assert_eq(fetched_from, 2);
	cr_assert_eq(look().record.in_sync_count, 1);
}

Test(keeper, does_not_fetch_from_a_member_that_says_another_session)
{
	lead_with_all();
	start(101);
	says(2, 200, 9, 7, 50);
	says(3, 300, 1, 1, 5);
	step();
	expect_waits(KEEPER_CHOOSING, KEEPER_WAITS_FOR, 2);
	now_ns += TIMEOUT;
	step();
	cr_assert_eq(fetched_from, 3);
}

Test(keeper, does_not_fetch_from_a_process_before_the_recorded_one)
{
	lead_with_all();
	start(101);
	says(2, 199, 1, 1, 50);
	says(3, 300, 1, 1, 5);
	step();
	expect_waits(KEEPER_CHOOSING, KEEPER_WAITS_FOR, 2);
	cr_assert_eq(peer_of(2)->recorded, 200, "it is told to start again above");
}

Test(keeper, begins_a_session_when_all_recorded_members_lost_their_memory)
{
	lead_with_all();
	start(101);
	says(2, 201, 0, 0, 0);
	step();
	expect_waits(KEEPER_CHOOSING, KEEPER_WAITS_FOR, 3);
	says(3, 301, 0, 0, 0);
	step();
	cr_assert_eq(fetches, 0);
	cr_assert_eq(records, 1);
	cr_assert_eq(ordered.session, 2);
	cr_assert_eq(ordered.epoch, 2);
	EXPECT_SET({1, 101});
}

Test(keeper, begins_a_session_after_it_was_alone_in_sync)
{
	lead_first();
	start(101);
	step();
	cr_assert_eq(records, 1);
	cr_assert_eq(ordered.session, 2);
	cr_assert_eq(ordered.epoch, 2);
	EXPECT_SET({1, 101});
}

Test(keeper, takes_another_source_when_the_first_one_restarts)
{
	lead_with_all();
	start(101);
	says(2, 200, 1, 1, 50);
	says(3, 300, 1, 1, 51);
	step();
	cr_assert_eq(fetched_from, 3);
	says(3, 301, 0, 0, 0);
	step();
	cr_assert_eq(fetches, 2);
	cr_assert_eq(fetched_from, 2);
	keeper_fetched(keeper, STREAM, 3, 300);
	step();
	cr_assert_eq(records, 0);
	keeper_fetched(keeper, STREAM, 2, 200);
	step();
	EXPECT_SET({1, 101}, {2, 200});
}

static void refuse(uint16_t server, uint64_t incarnation, uint64_t for_ns)
{
	for (uint64_t end = now_ns + for_ns; now_ns < end;) {
		now_ns += 100 * MS;
		keeper_refused(keeper, STREAM, server, incarnation, now_ns);
		step();
	}
}

Test(keeper, takes_another_source_when_what_the_first_one_holds_is_not_whole)
{
	struct keeper_view view;
	char text[KEEPER_TEXT_BYTES];

	choose_between(1, 50, 1, 51);
	cr_assert_eq(fetched_from, 3);
	refuse(3, 300, TIMEOUT / 2); // it may be cutting its log just now
	cr_assert_eq(fetches, 1);
	now_ns += 10 * TIMEOUT; // it was fed, and began anew
	refuse(3, 300, TIMEOUT / 2);
	refuse(3, 299, 2 * TIMEOUT);
	refuse(2, 200, 2 * TIMEOUT);
	cr_assert_eq(fetches, 1, "that is not what was asked");
	refuse(3, 300, TIMEOUT + 200 * MS);
	cr_assert_eq(fetches, 2);
	cr_assert_eq(fetched_from, 2);
	cr_assert_eq(fetch_epoch, 3);
	// Nobody is left: it is said of whom, and all are asked again after a while, not at once.
	refuse(2, 200, TIMEOUT + 200 * MS);
	refuse(2, 200, TIMEOUT / 2);
	view = look();
	cr_assert_eq(view.state, KEEPER_CHOOSING);
	cr_assert_eq(view.why, KEEPER_NOT_WHOLE);
	cr_assert_eq(view.server, 2);
	cr_assert_eq(fetches, 2);
	cr_assert_eq(view.record.epoch, 3);
	keeper_text(&view, text);
	cr_assert_str_eq(text, "does not go on: what server 2 holds of it is not whole now; it "
			       "is asked again");
	keeper_brief(&view, text);
	cr_assert_str_eq(text, "what server 2 holds is not whole");
	// Another process of it may only have lost it.
	says(2, 201, 0, 0, 0);
	says(3, 301, 0, 0, 0);
	step();
	cr_assert_eq(records, 1);
	cr_assert_neq(ordered.session, 1);
}

Test(keeper, asks_again_what_was_not_whole_when_nobody_else_is_left)
{
	choose_between(1, 50, 1, 51);
	refuse(3, 300, TIMEOUT + 200 * MS);
	refuse(2, 200, TIMEOUT + 200 * MS);
	cr_assert_eq(look().why, KEEPER_NOT_WHOLE);
	now_ns += TIMEOUT;
	step();
	cr_assert_eq(look().state, KEEPER_FETCHING);
	cr_assert_eq(fetches, 3);
	cr_assert_eq(fetched_from, 3, "as at first, the longest one");
	// Who goes on refusing costs an epoch each time that it is asked: one in start_timeout at most.
	for (uint32_t i = 0; i < 20; i++) {
		refuse(3, 300, TIMEOUT / 2);
		refuse(2, 200, TIMEOUT / 2);
		refuse(look().server, look().server * 100u, TIMEOUT);
	}
	cr_assert_leq(fetches, 3 + 40);
	cr_assert_eq(records, 0);
	for (uint32_t i = 0; i < 40 && look().state != KEEPER_FETCHING; i++) {
		now_ns += 100 * MS;
		step();
	}
	// What kept it from being fetched from is over.
	cr_assert_eq(look().state, KEEPER_FETCHING);
	keeper_fetched(keeper, STREAM, look().server, look().server * 100u);
	step();
	cr_assert_eq(look().state, KEEPER_LEADING);
	cr_assert_eq(ordered.session, 1, "no message was given up");
	EXPECT_SET({1, 101}, {2, 200}, {3, 300});
}

Test(keeper, asks_again_who_was_not_whole_while_the_other_one_is_missing)
{
	choose_between(1, 50, 1, 51);
	refuse(3, 300, TIMEOUT + 200 * MS);
	peer_of(2)->verdict = PEER_DEAD;
	step();
	cr_assert_eq(look().why, KEEPER_WAITS_FOR);
	cr_assert_eq(look().server, 2);
	now_ns += TIMEOUT;
	step();
	now_ns += TIMEOUT; // for the missing one, as at first
	step();
	cr_assert_eq(look().state, KEEPER_FETCHING);
	cr_assert_eq(fetched_from, 3);
}

Test(keeper, does_not_ask_a_dead_source_again_and_again)
{
	uint32_t writes;

	lead_with_all();
	start(101);
	says(2, 200, 1, 1, 50);
	says(3, 300, 1, 1, 51);
	step();
	cr_assert_eq(fetched_from, 3);
	peer_of(2)->verdict = peer_of(3)->verdict = PEER_DEAD;
	step();
	writes = store.writes;
	for (uint32_t i = 0; i < 10; i++)
		step();
	cr_assert_eq(store.writes, writes);
	cr_assert_eq(look().state, KEEPER_CHOOSING);
	peer_of(2)->verdict = peer_of(3)->verdict = PEER_UP;
	step();
	cr_assert_eq(fetches, 2);
	cr_assert_eq(fetch_epoch, 3);
}

Test(keeper, fetches_again_after_a_crash_while_it_fetched)
{
	lead_with_all();
	start(101);
	says(2, 200, 1, 1, 50);
	says(3, 300, 1, 1, 50);
	step();
	cr_assert_eq(fetch_epoch, 2);
	start(102);
	says(2, 200, 1, 1, 50);
	says(3, 300, 1, 1, 50);
	step();
	cr_assert_eq(fetches, 1);
	cr_assert_eq(fetch_epoch, 3);
}

Test(keeper, tells_of_a_record_that_cannot_be_read_until_it_can)
{
	char kept;

	lead_with_all();
	kept = store.text[20];
	store.text[20] = '#';
	start(101);
	step();
	expect_waits(KEEPER_READING, KEEPER_NO_RECORD, 0);
	cr_assert_neq(look().text[0], '\0');
	store.text[20] = kept;
	now_ns += KEEPER_RETRY_NS;
	step();
	expect_waits(KEEPER_CHOOSING, KEEPER_WAITS_FOR, 2);
}

// No keeper writes one: somebody changed it, or another program.
Test(keeper, does_not_begin_by_a_record_that_names_nobody)
{
	struct cluster_record record;
	struct cluster_event event;
	struct keeper_given_up given_up;

	lead_first();
	record = look().record;
	record.in_sync_count = 0;
	cr_assert_eq(cluster_change(&cluster, KEPT, &record), 0);
	while (cluster_next(&cluster, now_ns, &event))
		;
	start(101);
	says(2, 200, 1, 1, 70);
	says(3, 300, 1, 1, 60);
	step();
	expect_waits(KEEPER_CHOOSING, KEEPER_NOBODY, 0);
	cr_assert_eq(keeper_adopt(keeper, STREAM, 2, false, &given_up), KEEPER_ADOPT_ORDERED);
	step();
	cr_assert_eq(fetched_from, 2);
}
