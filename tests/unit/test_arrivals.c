// SPDX-License-Identifier: BSD-3-Clause
//
// The records of moves: what cores tell of cursors that came here, in any order with what the moves themselves
// know.
#include "tests/unit/migration_rig.h"

static void setup(void)
{
	rig_start(64);
	migration_view(rig.m)->streams[0].own.end = 1300;
	migration_view(rig.m)->streams[0].own.commit = 1200;
}

TestSuite(arrivals, .init = setup, .fini = rig_stop);

static struct core_notice notice_of(uint64_t client, uint64_t cursor_epoch, uint64_t at_ns)
{
	return (struct core_notice){.client = client,
				    .session = RIG_SESSION,
				    .subscription = 1,
				    .cursor_epoch = cursor_epoch,
				    .at_ns = at_ns};
}

static void arrived(uint64_t client, uint64_t cursor_epoch, uint16_t from, uint64_t at_ns)
{
	struct core_notice notice = notice_of(client, cursor_epoch, at_ns);

	notice.from = from;
	notice.seq = 510;
	notice.commit = 1190;
	rig_notice(CORE_NOTICE_ARRIVED, notice);
}

static void served(uint64_t client, uint64_t cursor_epoch, uint64_t at_ns)
{
	rig_notice(CORE_NOTICE_SERVED, notice_of(client, cursor_epoch, at_ns));
}

// Server 2 is dead, and its cursor of client 1 is offered a home here.
static void offer_one(void)
{
	rig_entry(rig_cursor(1, 2, 3));
	migration_view(rig.m)->peers[1].is_draining = true;
	migration_view(rig.m)->peers[2].is_draining = true;
	rig_die(0);
	rig.now_ns += 3 * RIG_MS;
	migration_step(rig.m, rig.now_ns);
	cr_assert_eq(migration_pending(rig.m), 1);
}

Test(arrivals, a_client_that_resumes_here_by_itself_leaves_a_record)
{
	uint64_t at_ns = rig.now_ns - 2 * RIG_MS;

	rig_entry(rig_cursor(1, 2, 3));
	rig_entry(rig_cursor(1, RIG_SELF, 4));
	cr_assert_null(migration_record(rig.m, 0));
	arrived(1, RIG_EPOCH(4, RIG_SELF), 2, at_ns);
	cr_assert_eq(rig_last()->reason, GODWIT_MIGRATION_CLIENT);
	cr_assert_eq(rig_last()->outcome, MIGRATION_MOVED);
	cr_assert_eq(rig_last()->client, 1);
	cr_assert_eq(rig_last()->session, RIG_SESSION);
	cr_assert_eq(rig_last()->subscription, 1);
	cr_assert_eq(rig_last()->from, 2);
	cr_assert_eq(rig_last()->to, RIG_SELF);
	cr_assert_eq(rig_last()->detected_ns, at_ns);
	cr_assert_eq(rig_last()->first_ns, 0);
	cr_assert_eq(rig_last()->replayed, 680);
	cr_assert_eq(rig_last()->handover_seq, 1191);
	cr_assert_eq(RIG_COUNTER(arrived), 1);
	served(1, RIG_EPOCH(4, RIG_SELF), at_ns + RIG_MS);
	cr_assert_eq(rig_last()->first_ns, at_ns + RIG_MS);
	cr_assert_null(migration_record(rig.m, 1));
}

Test(arrivals, the_core_may_be_faster_than_the_entry)
{
	rig_entry(rig_cursor(1, 2, 3));
	arrived(1, RIG_EPOCH(4, RIG_SELF), 2, rig.now_ns);
	served(1, RIG_EPOCH(4, RIG_SELF), rig.now_ns);
	rig_entry(rig_cursor(1, RIG_SELF, 4));
	cr_assert_eq(rig_last()->first_ns, rig.now_ns);
	cr_assert_null(migration_record(rig.m, 1));
}

Test(arrivals, a_move_keeps_its_reason_and_counts_from_its_detection)
{
	uint64_t died_ns = rig.now_ns;

	offer_one();
	arrived(1, RIG_EPOCH(5, RIG_SELF), 2, rig.now_ns);
	cr_assert_null(migration_record(rig.m, 0), "it is the move's to leave");
	served(1, RIG_EPOCH(5, RIG_SELF), rig.now_ns + RIG_MS);
	rig_entry(rig_cursor(1, RIG_SELF, 5));
	cr_assert_eq(rig_last()->reason, GODWIT_MIGRATION_DEATH);
	cr_assert_eq(rig_last()->detected_ns, died_ns);
	cr_assert_eq(rig_last()->first_ns, rig.now_ns + RIG_MS);
	cr_assert_eq(rig_last()->replayed, 680);
	cr_assert_eq(rig_last()->handover_seq, 1191);
	cr_assert_null(migration_record(rig.m, 1));
	cr_assert_eq(RIG_COUNTER(arrived), 0);
}

Test(arrivals, what_the_core_says_late_comes_into_the_moves_record)
{
	offer_one();
	rig_entry(rig_cursor(1, RIG_SELF, 5));
	cr_assert_eq(rig_last()->first_ns, 0);
	cr_assert_eq(rig_last()->replayed, 700, "as the table has it");
	arrived(1, RIG_EPOCH(5, RIG_SELF), 2, rig.now_ns);
	served(1, RIG_EPOCH(5, RIG_SELF), rig.now_ns + RIG_MS);
	cr_assert_eq(rig_last()->replayed, 680);
	cr_assert_eq(rig_last()->first_ns, rig.now_ns + RIG_MS);
	cr_assert_null(migration_record(rig.m, 1));
}

Test(arrivals, a_client_that_is_faster_than_who_wants_it_was_found_when_it_came)
{
	uint64_t came_ns = rig.now_ns;

	offer_one();
	arrived(1, RIG_EPOCH(5, RIG_SELF), 2, came_ns - RIG_MS);
	served(1, RIG_EPOCH(5, RIG_SELF), came_ns);
	rig_entry(rig_cursor(1, RIG_SELF, 5));
	cr_assert_eq(rig_last()->detected_ns, came_ns - RIG_MS);
	cr_assert_eq(rig_last()->first_ns, came_ns);
}

Test(arrivals, a_later_epoch_of_the_same_arrival_goes_on_with_its_record)
{
	struct core_notice again = notice_of(1, RIG_EPOCH(6, RIG_SELF), rig.now_ns);

	again.from = 2;
	again.again = true;
	again.commit = 1190;
	offer_one();
	arrived(1, RIG_EPOCH(5, RIG_SELF), 2, rig.now_ns);
	rig_notice(CORE_NOTICE_ARRIVED, again);
	rig_entry(rig_cursor(1, RIG_SELF, 5)); // its entry is late
	served(1, RIG_EPOCH(6, RIG_SELF), rig.now_ns + RIG_MS);
	rig_entry(rig_cursor(1, RIG_SELF, 6));
	cr_assert_eq(rig_last()->first_ns, rig.now_ns + RIG_MS);
	cr_assert_null(migration_record(rig.m, 1));
	// And where the record was there before.
	arrived(2, RIG_EPOCH(5, RIG_SELF), 2, rig.now_ns);
	again.client = 2;
	rig_notice(CORE_NOTICE_ARRIVED, again);
	served(2, RIG_EPOCH(6, RIG_SELF), rig.now_ns + 2 * RIG_MS);
	cr_assert_eq(rig_last()->client, 2);
	cr_assert_eq(rig_last()->first_ns, rig.now_ns + 2 * RIG_MS);
	cr_assert_null(migration_record(rig.m, 2));
}

Test(arrivals, within_the_server_are_no_move_of_their_own)
{
	arrived(1, RIG_EPOCH(5, RIG_SELF), RIG_SELF, rig.now_ns);
	cr_assert_null(migration_record(rig.m, 0));
}

Test(arrivals, of_another_epoch_changes_no_record)
{
	offer_one();
	rig_entry(rig_cursor(1, RIG_SELF, 5));
	served(1, RIG_EPOCH(6, RIG_SELF), rig.now_ns);
	cr_assert_eq(rig_last()->first_ns, 0);
	arrived(1, RIG_EPOCH(7, RIG_SELF), 3, rig.now_ns);
	cr_assert_eq(rig_last()->reason, GODWIT_MIGRATION_CLIENT);
	cr_assert_eq(rig_last()->from, 3);
	cr_assert_eq(migration_record(rig.m, 1)->reason, GODWIT_MIGRATION_DEATH);
}

Test(arrivals, a_home_that_asks_late_says_what_the_reason_was)
{
	struct godwit_handover frame = {
		.from.frame = {.version = GODWIT_VERSION, .type = GODWIT_HANDOVER},
		.reason = godwit_be16(GODWIT_MIGRATION_DRAIN),
		.request = godwit_be32(77),
	};
	struct cursor cursor = rig_cursor(1, 2, 3);

	rig_entry(cursor);
	rig_entry(rig_cursor(1, RIG_SELF, 4)); // it followed MIGRATE
	arrived(1, RIG_EPOCH(4, RIG_SELF), 2, rig.now_ns);
	cursor_encode(&cursor, &frame.cursor);
	migration_frame(rig.m, 0, &frame, rig.now_ns);
	cr_assert_eq(rig_last()->reason, GODWIT_MIGRATION_DRAIN);
	cr_assert_null(migration_record(rig.m, 1));
}

Test(arrivals, an_offer_that_comes_after_the_client_leaves_no_second_record)
{
	arrived(1, RIG_EPOCH(5, RIG_SELF), 2, rig.now_ns);
	served(1, RIG_EPOCH(5, RIG_SELF), rig.now_ns);
	cr_assert_eq(rig_last()->reason, GODWIT_MIGRATION_CLIENT);
	offer_one();
	rig_entry(rig_cursor(1, RIG_SELF, 5));
	cr_assert_eq(migration_pending(rig.m), 0);
	cr_assert_eq(rig_last()->reason, GODWIT_MIGRATION_DEATH);
	cr_assert_neq(rig_last()->first_ns, 0);
	cr_assert_null(migration_record(rig.m, 1));
}

Test(arrivals, are_told_apart_when_many_come_at_once)
{
	uint64_t untold = 0;

	for (uint64_t i = 1; i <= MIGRATION_RECORDS; i++)
		arrived(i, RIG_EPOCH(4, RIG_SELF), 2, rig.now_ns);
	for (uint64_t i = 1; i <= MIGRATION_RECORDS; i++)
		served(i, RIG_EPOCH(4, RIG_SELF), rig.now_ns + i);
	for (uint32_t i = 0; i < MIGRATION_RECORDS; i++) {
		const struct migration_record *r = migration_record(rig.m, i);

		// Where two share a slot, the first message of one is not known: never another's.
		if (r->first_ns != 0)
			cr_assert_eq(r->first_ns, rig.now_ns + r->client);
		untold += r->first_ns == 0;
	}
	cr_assert_gt(untold, 0);
	cr_assert_eq(RIG_COUNTER(arrivals_crowded), untold, "each is counted");
	cr_assert_null(migration_record(rig.m, MIGRATION_RECORDS));
	// One more pushes the first out, and what is told of that late finds no record.
	arrived(5000, RIG_EPOCH(4, RIG_SELF), 2, rig.now_ns);
	served(1, RIG_EPOCH(4, RIG_SELF), rig.now_ns + RIG_MS);
	cr_assert_eq(rig_last()->client, 5000);
	cr_assert_eq(rig_last()->first_ns, 0);
}
