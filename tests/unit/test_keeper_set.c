// SPDX-License-Identifier: BSD-3-Clause
//
// The in-sync set of a stream that is led.
#include "keeper_rig.h"

TestSuite(keeper_set, .init = set_up, .fini = tear_down);

Test(keeper_set, adds_who_proposed_itself_and_answers_the_proposal)
{
	lead_first();
	keeper_proposed(keeper, STREAM, 2, 200, 7);
	step();
	EXPECT_SET({1, 100}, {2, 200});
	cr_assert_eq(answered, 7);
	cr_assert_eq(ordered.epoch, 1, "it is the same epoch");
}

Test(keeper_set, refuses_a_proposal_of_a_process_that_is_gone)
{
	lead_first();
	says(2, 201, 0, 0, 0);
	keeper_proposed(keeper, STREAM, 2, 200, 7);
	step();
	EXPECT_SET({1, 100});
	cr_assert_eq(look().changes, 1, "it was never in");
	cr_assert_eq(records, 2);
	cr_assert_eq(answered, 7);
	peer_of(2)->verdict = PEER_DEAD;
	keeper_proposed(keeper, STREAM, 2, 201, 8);
	step();
	EXPECT_SET({1, 100});
	cr_assert_eq(answered, 8);
}

Test(keeper_set, answers_no_proposal_before_its_record_is_in_force)
{
	lead_first();
	store.fault = -EIO;
	keeper_proposed(keeper, STREAM, 2, 200, 7);
	step();
	says(3, 301, 0, 0, 0);
	keeper_proposed(keeper, STREAM, 3, 300, 8);
	step();
	cr_assert_eq(records, 1, "nothing changed");
	store.fault = 0;
	now_ns += KEEPER_RETRY_NS;
	step();
	EXPECT_SET({1, 100}, {2, 200});
	cr_assert_eq(answered, 8);
}

Test(keeper_set, removes_a_member_that_is_dead)
{
	lead_with_all();
	server.peers.interval_us = 10000;
	peer_of(3)->heard_ns = now_ns;
	peer_of(3)->verdict = PEER_SUSPECT;
	step();
	EXPECT_SET({1, 100}, {2, 200}, {3, 300});
	peer_of(3)->verdict = PEER_DEAD;
	step();
	EXPECT_SET({1, 100}, {2, 200});
	peer_of(3)->verdict = PEER_UP;
	keeper_proposed(keeper, STREAM, 3, 300, 9);
	step();
	EXPECT_SET({1, 100}, {2, 200}, {3, 300});
}

// Server 3 is heard now, and heard us last so long ago.
static void hears_us_not_since(uint64_t ago_ns)
{
	server.peers.interval_us = 10000;
	peer_of(3)->heard_ns = now_ns;
	peer_of(3)->hears_ns = now_ns - ago_ns;
}

static void pass(uint64_t ns)
{
	for (uint64_t end_ns = now_ns + ns; now_ns < end_ns;)
		step();
}

Test(keeper_set, removes_a_member_to_which_nothing_gets)
{
	lead_with_all();
	pass(110 * MS); // what came before it led says nothing
	hears_us_not_since(100 * MS);
	step();
	EXPECT_SET({1, 100}, {2, 200}, {3, 300});
	hears_us_not_since(101 * MS);
	step();
	EXPECT_SET({1, 100}, {2, 200});
	keeper_proposed(keeper, STREAM, 3, 300, 9);
	step();
	EXPECT_SET({1, 100}, {2, 200});
	cr_assert_eq(answered, 9, "or its acknowledgement would be waited for");
	hears_us_not_since(0);
	keeper_proposed(keeper, STREAM, 3, 300, 10);
	step();
	EXPECT_SET({1, 100}, {2, 200}, {3, 300});
}

Test(keeper_set, removes_a_member_that_only_others_hear)
{
	lead_with_all();
	pass(110 * MS);
	server.peers.interval_us = 10000;
	peer_of(3)->heard_ns = peer_of(3)->hears_ns = now_ns - 90 * MS;
	peer_of(3)->verdict = PEER_SUSPECT;
	step();
	EXPECT_SET({1, 100}, {2, 200}, {3, 300});
	peer_of(3)->heard_ns = peer_of(3)->hears_ns = now_ns - 110 * MS;
	step();
	EXPECT_SET({1, 100}, {2, 200});
	keeper_proposed(keeper, STREAM, 3, 300, 9);
	step();
	EXPECT_SET({1, 100}, {2, 200});
	cr_assert_eq(answered, 9, "or its acknowledgement would be waited for");
	peer_of(3)->verdict = PEER_UP;
	peer_of(3)->heard_ns = peer_of(3)->hears_ns = now_ns;
	keeper_proposed(keeper, STREAM, 3, 300, 10);
	step();
	EXPECT_SET({1, 100}, {2, 200}, {3, 300});
}

Test(keeper_set, does_not_call_others_deaf_after_it_stood_still_itself)
{
	lead_with_all();
	pass(110 * MS);
	now_ns += 3000 * MS;
	hears_us_not_since(3000 * MS);
	step();
	EXPECT_SET({1, 100}, {2, 200}, {3, 300});
	pass(110 * MS);
	hears_us_not_since(3100 * MS);
	step();
	EXPECT_SET({1, 100}, {2, 200});
}

Test(keeper_set, keeps_a_dead_member_without_which_nothing_commits)
{
	lead_with_all();
	peer_of(2)->verdict = PEER_DEAD;
	peer_of(3)->verdict = PEER_DEAD;
	step();
	cr_assert_eq(ordered.in_sync_count, 2, "itself and one that may hold all");
}

Test(keeper_set, removes_every_dead_member_where_one_is_enough)
{
	min_in_sync = 1;
	lead_with_all();
	peer_of(2)->verdict = PEER_DEAD;
	peer_of(3)->verdict = PEER_DEAD;
	step();
	EXPECT_SET({1, 100});
}

Test(keeper_set, removes_a_member_that_lost_its_memory_even_below_min_in_sync)
{
	lead_with_all();
	says(2, 201, 0, 0, 0);
	says(3, 301, 0, 0, 0);
	step();
	EXPECT_SET({1, 100});
	keeper_proposed(keeper, STREAM, 2, 201, 3);
	step();
	EXPECT_SET({1, 100}, {2, 201});
}

Test(keeper_set, removes_a_member_that_lags_while_the_word_holds)
{
	lead_with_all();
	keeper_lags(keeper, STREAM, 2, 199, now_ns);
	step();
	EXPECT_SET({1, 100}, {2, 200}, {3, 300});
	keeper_lags(keeper, STREAM, 2, 200, now_ns);
	step();
	EXPECT_SET({1, 100}, {3, 300});
	keeper_lags(keeper, STREAM, 3, 300, now_ns);
	step();
	EXPECT_SET({1, 100}, {3, 300});
	now_ns += KEEPER_LAGS_NS;
	keeper_proposed(keeper, STREAM, 2, 200, 3);
	step();
	EXPECT_SET({1, 100}, {2, 200}, {3, 300});
}

Test(keeper_set, refuses_who_was_said_to_lag_after_it_proposed_itself)
{
	lead_with_all();
	keeper_lags(keeper, STREAM, 2, 200, now_ns);
	step();
	EXPECT_SET({1, 100}, {3, 300});
	keeper_proposed(keeper, STREAM, 2, 200, 3);
	keeper_lags(keeper, STREAM, 2, 200, now_ns);
	step();
	now_ns += KEEPER_LAGS_NS;
	step();
	EXPECT_SET({1, 100}, {3, 300});
}

Test(keeper_set, removes_a_recorded_member_that_never_came_after_the_start)
{
	lead_with_all();
	start(101);
	says(2, 200, 1, 1, 50);
	step();
	now_ns += TIMEOUT;
	step();
	keeper_fetched(keeper, STREAM, 2, 200);
	step();
	EXPECT_SET({1, 101}, {2, 200});
}

Test(keeper_set, writes_changes_that_come_at_once_as_one)
{
	uint32_t writes;

	lead_with_all();
	writes = store.writes;
	says(3, 301, 0, 0, 0);
	keeper_lags(keeper, STREAM, 2, 200, now_ns);
	keeper_proposed(keeper, STREAM, 3, 301, 3);
	step();
	EXPECT_SET({1, 100}, {3, 301});
	cr_assert_eq(store.writes, writes + 1);
}

Test(keeper_set, reads_again_after_an_unknown_end_that_did_happen)
{
	lead_with_all();
	store.fault = CLUSTER_STORE_UNKNOWN;
	store.is_written = true;
	peer_of(3)->verdict = PEER_DEAD;
	step();
	EXPECT_SET({1, 100}, {2, 200}, {3, 300});
	store.fault = 0;
	now_ns += KEEPER_RETRY_NS;
	step();
	EXPECT_SET({1, 100}, {2, 200});
	cr_assert_eq(look().state, KEEPER_LEADING);
}

Test(keeper_set, reads_again_after_an_unknown_end_that_did_not_happen)
{
	lead_with_all();
	store.fault = CLUSTER_STORE_UNKNOWN;
	peer_of(3)->verdict = PEER_DEAD;
	step();
	peer_of(3)->verdict = PEER_UP;
	store.fault = 0;
	now_ns += KEEPER_RETRY_NS;
	step();
	EXPECT_SET({1, 100}, {2, 200}, {3, 300});
	cr_assert_eq(look().state, KEEPER_LEADING);
	cr_assert_eq(look().why, KEEPER_GOES_ON);
}

Test(keeper_set, does_nothing_for_streams_and_servers_that_are_not_its_own)
{
	lead_first();
	keeper_proposed(keeper, 5, 2, 200, 1);
	keeper_proposed(keeper, STREAM, 9, 900, 2);
	keeper_lags(keeper, 5, 2, 200, now_ns);
	keeper_fetched(keeper, STREAM, 2, 200);
	step();
	cr_assert_eq(records, 1);
	EXPECT_SET({1, 100});
}

Test(keeper_set, says_in_words_what_a_stream_waits_for)
{
	struct keeper_view view;
	char text[KEEPER_TEXT_BYTES];

	start(100);
	step();
	view = look();
	keeper_text(&view, text);
	cr_assert_str_eq(text, "begins when server 2 has said that it holds nothing of it");
	keeper_brief(&view, text);
	cr_assert_str_eq(text, "waiting for server 2");
	lead_first();
	view = look();
	keeper_text(&view, text);
	cr_assert_str_eq(text, "led in epoch 1, in sync: 1; nothing commits below 2");
	keeper_brief(&view, text);
	cr_assert_str_eq(text, "too few in sync");
	lead_with_all();
	view = look();
	keeper_text(&view, text);
	cr_assert_str_eq(text, "led in epoch 2, in sync: 1 2 3");
	keeper_brief(&view, text);
	cr_assert_str_eq(text, "open");
}
