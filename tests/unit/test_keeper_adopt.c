// SPDX-License-Identifier: BSD-3-Clause
//
// The operator's word on a stream whose record, or the servers that it names, are lost for good.
#include "keeper_rig.h"

TestSuite(keeper_adopt, .init = set_up, .fini = tear_down);

// How often an order had the answer `which`.
static void expect_count(enum keeper_counter which, uint64_t count)
{
	cr_assert_eq(keeper_counter(keeper, which), count, "%s: %lu", keeper_counter_name(which),
		     keeper_counter(keeper, which));
}

// other: the one that is given up, 0: none.
static enum keeper_adoption adopt(uint16_t id, bool gives_up, uint16_t other)
{
	struct keeper_given_up given_up;
	enum keeper_adoption adoption = keeper_adopt(keeper, STREAM, id, gives_up, &given_up);

	cr_assert_eq(given_up.count, other != 0);
	if (other != 0)
		cr_assert_eq(given_up.servers[0], other);
	step();
	return adoption;
}

Test(keeper_adopt, goes_on_without_a_record_with_the_longest_log_of_that_session)
{
	start(100);
	says(2, 200, 0xabc, 4, 70);
	says(3, 300, 0xabc, 4, 77);
	step();
	expect_waits(KEEPER_MEETING, KEEPER_HELD_ELSEWHERE, 2);
	cr_assert_eq(adopt(2, false, 0), KEEPER_ADOPT_ORDERED);
	cr_assert_eq(look().state, KEEPER_FETCHING);
	cr_assert_eq(fetched_from, 3);
	cr_assert_eq(look().record.session, 0xabc);
	cr_assert_eq(fetch_epoch, 4 + KEEPER_ADOPT_EPOCHS + 1, "no epoch comes twice");
	keeper_fetched(keeper, STREAM, 3, 300);
	step();
	cr_assert_eq(look().state, KEEPER_LEADING);
	EXPECT_SET({1, 100}, {3, 300});
	cr_assert_eq(ordered.session, 0xabc);
}

// Whoever is in the set may be the only one that is left when the log is fetched.
Test(keeper_adopt, names_only_those_that_hold_all_of_it)
{
	start(100);
	says(2, 200, 0xabc, 4, 70);
	says(3, 300, 0xabc, 4, 77);
	step();
	cr_assert_eq(adopt(2, false, 0), KEEPER_ADOPT_ORDERED);
	cr_assert_eq(look().record.in_sync_count, 1);
	cr_assert_eq(look().record.in_sync[0].server, 3);
}

Test(keeper_adopt, names_all_that_hold_the_same)
{
	start(100);
	says(2, 200, 0xabc, 4, 70);
	says(3, 300, 0xabc, 4, 70);
	step();
	cr_assert_eq(adopt(2, false, 0), KEEPER_ADOPT_ORDERED);
	cr_assert_eq(look().record.in_sync_count, 2, "neither lacks what the other has");
}

// A topic's number may have been told that no message has used yet.
Test(keeper_adopt, of_equal_logs_the_one_with_all_topics_is_the_longest)
{
	start(100);
	says(2, 200, 0xabc, 4, 70);
	says(3, 300, 0xabc, 4, 70);
	peer_streams[0][STREAM].meta = 8;
	peer_streams[1][STREAM].meta = 9;
	step();
	cr_assert_eq(adopt(2, false, 0), KEEPER_ADOPT_ORDERED);
	cr_assert_eq(fetched_from, 3);
	cr_assert_eq(look().record.in_sync_count, 1);
}

// A longest log that nobody can go on from is no reason to wait for ever.
Test(keeper_adopt, goes_on_with_less_if_that_is_said)
{
	start(100);
	says(2, 200, 0xabc, 4, 70);
	says(3, 300, 0xabc, 4, 77);
	step();
	cr_assert_eq(adopt(2, true, 0), KEEPER_ADOPT_ORDERED);
	cr_assert_eq(look().record.in_sync_count, 2);
	cr_assert_eq(fetched_from, 3);
}

Test(keeper_adopt, asks_before_it_gives_up_what_a_silent_replica_may_hold)
{
	start(100);
	says(2, 200, 0xabc, 4, 70);
	step();
	cr_assert_eq(adopt(2, false, 3), KEEPER_ADOPT_GIVES_UP);
	expect_waits(KEEPER_MEETING, KEEPER_HELD_ELSEWHERE, 2);
	says(3, 300, 0xdef, 9, 700);
	cr_assert_eq(adopt(2, false, 3), KEEPER_ADOPT_GIVES_UP, "it holds another session");
	says(3, 301, 0, 0, 0);
	peer_of(3)->verdict = PEER_DEAD;
	cr_assert_eq(adopt(2, false, 3), KEEPER_ADOPT_GIVES_UP, "it is dead");
	cr_assert_eq(adopt(2, true, 3), KEEPER_ADOPT_ORDERED);
	cr_assert_eq(fetched_from, 2);
	cr_assert_eq(look().record.in_sync_count, 1);
	expect_count(KEEPER_COUNT_adopts_gives_up, 3);
	expect_count(KEEPER_COUNT_adopts, 1);
}

Test(keeper_adopt, needs_no_word_on_a_replica_that_holds_nothing)
{
	start(100);
	says(2, 200, 0xabc, 4, 70);
	says(3, 300, 0, 0, 0);
	step();
	cr_assert_eq(adopt(2, false, 0), KEEPER_ADOPT_ORDERED);
	cr_assert_eq(look().record.in_sync_count, 1);
}

Test(keeper_adopt, goes_on_without_a_member_that_never_comes_back)
{
	lead_first();
	keeper_proposed(keeper, STREAM, 2, 200, 1);
	step();
	EXPECT_SET({1, 100}, {2, 200});
	start(101);
	says(3, 300, 1, 1, 70); // was behind, and is all that is left
	step();
	expect_waits(KEEPER_CHOOSING, KEEPER_WAITS_FOR, 2);
	cr_assert_eq(adopt(3, false, 2), KEEPER_ADOPT_GIVES_UP);
	cr_assert_eq(adopt(3, true, 2), KEEPER_ADOPT_ORDERED);
	cr_assert_eq(fetched_from, 3);
	cr_assert_eq(fetch_epoch, 1 + GODWIT_GIVE_UP_EPOCHS + 1,
		     "who comes back is to see that what it holds was given up");
}

Test(keeper_adopt, takes_nothing_from_who_has_nothing)
{
	start(100);
	says(2, 200, 0xabc, 4, 70);
	step();
	cr_assert_eq(adopt(3, true, 0), KEEPER_ADOPT_HOLDS_NOTHING, "it was not met");
	says(3, 300, 0, 0, 0);
	cr_assert_eq(adopt(3, true, 0), KEEPER_ADOPT_HOLDS_NOTHING);
	cr_assert_eq(adopt(1, true, 0), KEEPER_ADOPT_HOLDS_NOTHING, "it is this one");
	cr_assert_eq(adopt(9, true, 0), KEEPER_ADOPT_HOLDS_NOTHING);
	peer_of(2)->verdict = PEER_DEAD;
	cr_assert_eq(adopt(2, true, 0), KEEPER_ADOPT_HOLDS_NOTHING);
	expect_count(KEEPER_COUNT_adopts_holds_nothing, 5);
	expect_count(KEEPER_COUNT_adopts, 0);
}

Test(keeper_adopt, leaves_alone_what_goes_on_by_itself)
{
	struct keeper_given_up given_up;

	start(100);
	cr_assert_eq(adopt(2, true, 0), KEEPER_ADOPT_NOT_WAITING, "it has not begun");
	lead_with_all();
	cr_assert_eq(adopt(2, true, 0), KEEPER_ADOPT_NOT_WAITING);
	cr_assert_eq(keeper_adopt(keeper, STREAM + 1, 2, true, &given_up),
		     KEEPER_ADOPT_NOT_WAITING);
	expect_count(KEEPER_COUNT_adopts_not_waiting, 2);
	start(101);
	says(2, 200, 1, 1, 70);
	says(3, 300, 1, 1, 70);
	step();
	cr_assert_eq(look().state, KEEPER_FETCHING);
	cr_assert_eq(adopt(2, true, 0), KEEPER_ADOPT_NOT_WAITING);
}

Test(keeper_adopt, tells_of_all_that_is_given_up)
{
	struct keeper_given_up given_up;

	replicas = 3;
	start(100);
	says(2, 200, 0xabc, 4, 70);
	says(4, 400, 0xdef, 4, 70);
	step();
	cr_assert_eq(keeper_adopt(keeper, STREAM, 2, false, &given_up), KEEPER_ADOPT_GIVES_UP);
	cr_assert_eq(given_up.count, 2);
	cr_assert_eq(given_up.servers[0], 3, "it is silent");
	cr_assert_eq(given_up.servers[1], 4, "it holds another session");
}

// The session of the record is gone for good, one from before is left.
Test(keeper_adopt, begins_above_a_record_of_another_session)
{
	uint32_t epoch;

	lead_with_all();
	start(101);
	says(2, 200, 1, 1, 70);
	says(3, 301, 0, 0, 0);
	step();
	keeper_fetched(keeper, STREAM, 2, 200);
	step();
	epoch = look().record.epoch;
	cr_assert_gt(epoch, 1);
	start(102);
	says(3, 302, 0xabc, 1, 70);
	step();
	expect_waits(KEEPER_CHOOSING, KEEPER_WAITS_FOR, 2);
	cr_assert_eq(adopt(3, true, 2), KEEPER_ADOPT_ORDERED);
	cr_assert_eq(look().state, KEEPER_FETCHING);
	cr_assert_eq(look().record.session, 0xabc);
	cr_assert_gt(look().record.epoch, epoch);
	cr_assert_eq(fetched_from, 3);
}

Test(keeper_adopt, is_ordered_once)
{
	struct keeper_given_up given_up;

	start(100);
	says(2, 200, 0xabc, 4, 70);
	says(3, 300, 0xdef, 4, 77);
	step();
	cr_assert_eq(keeper_adopt(keeper, STREAM, 2, true, &given_up), KEEPER_ADOPT_ORDERED);
	cr_assert_eq(adopt(3, true, 0), KEEPER_ADOPT_NOT_WAITING, "the record is on its way");
	cr_assert_eq(fetched_from, 2);
}

Test(keeper_adopt, says_that_a_record_cannot_be_read)
{
	struct keeper_given_up given_up;

	store.bytes = (size_t)snprintf(store.text, sizeof(store.text), "no record");
	start(100);
	says(2, 200, 0xabc, 4, 70);
	step();
	cr_assert_eq(look().why, KEEPER_NO_RECORD);
	cr_assert_eq(keeper_adopt(keeper, STREAM, 2, true, &given_up), KEEPER_ADOPT_NO_RECORD);
	expect_count(KEEPER_COUNT_adopts_no_record, 1);
	expect_count(KEEPER_COUNT_adopts, 0);
}
