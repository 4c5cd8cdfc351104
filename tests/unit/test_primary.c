// SPDX-License-Identifier: BSD-3-Clause
//
// How a primary begins, from nothing or from what its record says, and how its in-sync set changes.
#include <criterion/criterion.h>

#include "control/primary.h"

#define SELF	1
#define OURS	1000ull // incarnation
#define START	2000000000ull
#define SESSION 0x5e55ull

static struct primary p;
static struct primary_replica replicas[2];
static uint64_t now;

static enum primary_action step(void)
{
	return primary_step(&p, OURS, replicas, 2, now);
}

static void start(void)
{
	const struct primary_config config = {
		.stream = 3, .server = SELF, .min_in_sync = 2, .start_ns = START};

	now = 5 * START;
	primary_init(&p, &config, SESSION);
	replicas[0] = (struct primary_replica){.server = 2};
	replicas[1] = (struct primary_replica){.server = 3};
	cr_assert_eq(step(), PRIMARY_ASK_READ);
	cr_assert_eq(step(), PRIMARY_NOTHING);
}

TestSuite(primary, .init = start);

static void there(uint32_t i, uint64_t incarnation, uint64_t session, uint32_t epoch, uint64_t end)
{
	replicas[i].incarnation = incarnation;
	replicas[i].is_there = true;
	replicas[i].session = session;
	replicas[i].epoch = epoch;
	replicas[i].end = end;
}

static void answer(enum cluster_event_kind kind, enum cluster_answer what,
		   const struct cluster_record *record)
{
	struct cluster_event event = {.kind = kind, .answer = what, .stream = 3};

	if (record != NULL)
		event.record = *record;
	event.record.revision++;
	primary_answer(&p, &event, SESSION + 1, now);
}

static void changed(void)
{
	struct cluster_record wanted = p.wanted;

	answer(CLUSTER_CHANGED, CLUSTER_DONE, &wanted);
}

static void recorded(void)
{
	const struct cluster_record record = {
		.revision = 7,
		.session = SESSION + 9,
		.epoch = 4,
		.primary = SELF,
		.min_in_sync = 2,
		.in_sync_count = 3,
		.in_sync = {{SELF, OURS - 1}, {2, 200}, {3, 300}},
	};

	answer(CLUSTER_READ, CLUSTER_DONE, &record);
}

static void active(void)
{
	answer(CLUSTER_READ, CLUSTER_ABSENT, NULL);
	there(0, 200, 0, 0, 0);
	there(1, 300, 0, 0, 0);
	cr_assert_eq(step(), PRIMARY_ASK_CHANGE);
	changed();
	cr_assert_eq(step(), PRIMARY_TELL);
	there(0, 200, SESSION, 1, 0);
	there(1, 300, SESSION, 1, 0);
	cr_assert_eq(step(), PRIMARY_NOTHING);
}

Test(primary, without_a_record_waits_until_every_replica_says_that_it_holds_nothing)
{
	answer(CLUSTER_READ, CLUSTER_ABSENT, NULL);
	cr_assert_eq(step(), PRIMARY_NOTHING);
	there(0, 200, 0, 0, 0);
	cr_assert_eq(step(), PRIMARY_NOTHING);
	there(1, 300, SESSION, 2, 50); // it holds something
	now += 10 * START;
	cr_assert_eq(step(), PRIMARY_NOTHING);
	there(1, 301, 0, 0, 0);
	cr_assert_eq(step(), PRIMARY_ASK_CHANGE);
	cr_assert_eq(p.wanted.session, SESSION);
	cr_assert_eq(p.wanted.epoch, 1);
	cr_assert_eq(p.wanted.in_sync_count, 1);
	cr_assert(cluster_in_sync_as(&p.wanted, SELF, OURS));
	cr_assert_eq(p.wanted.min_in_sync, 2);
	changed();
	cr_assert_eq(step(), PRIMARY_TELL);
	cr_assert_eq(p.state, PRIMARY_ACTIVE);
	cr_assert_eq(step(), PRIMARY_NOTHING);
}

Test(primary, restarted_it_fetches_from_the_longest_member)
{
	recorded();
	cr_assert_eq(step(), PRIMARY_NOTHING);
	there(0, 200, SESSION + 9, 4, 100);
	cr_assert_eq(step(), PRIMARY_NOTHING); // the other may come
	there(1, 300, SESSION + 9, 4, 120);
	cr_assert_eq(step(), PRIMARY_ASK_CHANGE);
	cr_assert_eq(p.wanted.epoch, 5);
	cr_assert_not(cluster_in_sync(&p.wanted, SELF));
	cr_assert_eq(p.wanted.in_sync_count, 2);
	changed();
	cr_assert_eq(step(), PRIMARY_ASK_FETCH);
	cr_assert_eq(p.source.server, 3);
	cr_assert_eq(step(), PRIMARY_NOTHING);
	primary_fetched(&p, OURS);
	cr_assert_eq(step(), PRIMARY_ASK_CHANGE);
	cr_assert(cluster_in_sync_as(&p.wanted, SELF, OURS));
	cr_assert_eq(p.wanted.epoch, 5);
	changed();
	cr_assert_eq(step(), PRIMARY_TELL);
	cr_assert_eq(p.state, PRIMARY_ACTIVE);
}

Test(primary, an_epoch_counts_before_the_end_of_a_log)
{
	recorded();
	there(0, 200, SESSION + 9, 5, 90);
	there(1, 300, SESSION + 9, 4, 120);
	cr_assert_eq(step(), PRIMARY_ASK_CHANGE);
	cr_assert_eq(p.source.server, 2);
}

Test(primary, restarted_it_waits_for_the_unreachable_only_so_long_and_never_without_one)
{
	recorded();
	now += 100 * START;
	cr_assert_eq(step(), PRIMARY_NOTHING);
	there(0, 200, SESSION + 9, 4, 100);
	cr_assert_eq(step(), PRIMARY_NOTHING);
	now += START;
	cr_assert_eq(step(), PRIMARY_ASK_CHANGE);
	// Unreachable is not lost: it stays in the set.
	cr_assert(cluster_in_sync_as(&p.wanted, 3, 300));
}

Test(primary, a_newer_incarnation_of_a_member_has_lost_its_memory)
{
	recorded();
	there(0, 201, 0, 0, 0);
	cr_assert_eq(step(), PRIMARY_NOTHING);
	there(1, 300, SESSION + 9, 4, 10);
	cr_assert_eq(step(), PRIMARY_ASK_CHANGE);
	cr_assert_not(cluster_in_sync(&p.wanted, 2));
	cr_assert_eq(p.source.server, 3);
}

Test(primary, where_all_members_lost_their_memory_a_new_session_begins)
{
	recorded();
	there(0, 201, 0, 0, 0);
	there(1, 301, 0, 0, 0);
	cr_assert_eq(step(), PRIMARY_ASK_CHANGE);
	cr_assert_eq(p.wanted.session, SESSION);
	cr_assert_eq(p.wanted.epoch, 5);
	changed();
	cr_assert_eq(p.state, PRIMARY_ACTIVE);
}

Test(primary, whose_source_dies_gathers_again)
{
	recorded();
	there(0, 200, SESSION + 9, 4, 100);
	there(1, 300, SESSION + 9, 4, 120);
	step();
	changed();
	cr_assert_eq(step(), PRIMARY_ASK_FETCH);
	replicas[1].is_there = false;
	cr_assert_eq(step(), PRIMARY_NOTHING);
	cr_assert_eq(p.state, PRIMARY_GATHER);
	now += START;
	step();
	now += START;
	cr_assert_eq(step(), PRIMARY_ASK_CHANGE);
	cr_assert_eq(p.source.server, 2);
	cr_assert_eq(p.wanted.epoch, 6);
}

Test(primary, a_record_that_cannot_be_read_blocks_and_is_tried_again)
{
	answer(CLUSTER_READ, CLUSTER_DAMAGED, NULL);
	cr_assert_eq(p.state, PRIMARY_BLOCKED);
	cr_assert_eq(step(), PRIMARY_NOTHING);
	now += 1000000000ull;
	cr_assert_eq(step(), PRIMARY_ASK_READ);
	recorded();
	cr_assert_eq(p.state, PRIMARY_GATHER);
}

Test(primary, a_proposed_replica_comes_in_and_its_proposal_is_answered)
{
	active();
	primary_proposed(&p, 2, 200, 1);
	cr_assert_eq(step(), PRIMARY_ASK_CHANGE);
	cr_assert_eq(p.answered, 0);
	primary_proposed(&p, 3, 300, 2); // while that is under way
	changed();
	cr_assert_eq(step(), PRIMARY_TELL);
	cr_assert_eq(p.answered, 1);
	cr_assert(cluster_in_sync_as(&p.record, 2, 200));
	cr_assert_eq(step(), PRIMARY_ASK_CHANGE);
	changed();
	cr_assert_eq(step(), PRIMARY_TELL);
	cr_assert_eq(p.answered, 2);
	cr_assert_eq(p.record.in_sync_count, 3);
	// Of one that is in it already only the answer is told.
	primary_proposed(&p, 3, 300, 3);
	cr_assert_eq(step(), PRIMARY_NOTHING);
	cr_assert_eq(step(), PRIMARY_TELL);
	cr_assert_eq(p.answered, 3);
}

Test(primary, who_is_dead_lags_or_is_not_there_leaves_the_set)
{
	active();
	primary_proposed(&p, 2, 200, 1);
	primary_proposed(&p, 3, 300, 2);
	step();
	changed();
	step();
	primary_dead(&p, 2);
	cr_assert_eq(step(), PRIMARY_ASK_CHANGE);
	cr_assert_not(cluster_in_sync(&p.wanted, 2));
	cr_assert_eq(p.wanted.epoch, 1);
	changed();
	cr_assert_eq(step(), PRIMARY_TELL);
	replicas[1].is_there = false; // without a word
	cr_assert_eq(step(), PRIMARY_NOTHING);
	now += START;
	cr_assert_eq(step(), PRIMARY_ASK_CHANGE);
	cr_assert_eq(p.wanted.in_sync_count, 1);
}

Test(primary, a_change_that_failed_is_asked_for_again)
{
	active();
	primary_proposed(&p, 2, 200, 1);
	cr_assert_eq(step(), PRIMARY_ASK_CHANGE);
	answer(CLUSTER_CHANGED, CLUSTER_FAILED, NULL);
	cr_assert_eq(step(), PRIMARY_ASK_CHANGE);
	cr_assert(cluster_in_sync_as(&p.wanted, 2, 200));
}

Test(primary, what_could_not_be_told_is_told_again)
{
	active();
	primary_proposed(&p, 2, 200, 1);
	step();
	changed();
	cr_assert_eq(step(), PRIMARY_TELL);
	primary_undone(&p, PRIMARY_TELL);
	cr_assert_eq(step(), PRIMARY_TELL);
}
