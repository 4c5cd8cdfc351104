// SPDX-License-Identifier: BSD-3-Clause
//
// Who takes which cursor, when, and what ends it: the share of a dead server, offers and their answers, and
// the fencing of a home that is none any more.
#include "dataplane/rendezvous.h"
#include "tests/unit/migration_rig.h"

static void start(void)
{
	rig_start(4096);
}

TestSuite(migration, .init = start, .fini = rig_stop);

// All peers but the first are gone from the view: what is left is ours.
static void alone_with_a_dead(uint32_t dead)
{
	migration_view(rig.m)->peers_count = 1;
	(void)dead;
}

// ---- a dead server's share ---------------------------------------------------------------------

Test(migration, a_dead_servers_cursors_are_shared_by_rendezvous)
{
	const struct rendezvous_server live[] = {{1, 1}, {3, 1}, {4, 1}};
	uint32_t mine = 0;

	rig_populate(300, 2);
	rig_die(0);
	rig_pass(50 * RIG_MS);
	for (uint32_t i = 1; i <= 300; i++) {
		struct cursor c = rig_cursor(i, 2, 3);

		mine += rendezvous_pick(cursor_key_hash(&c.key, 0), live, 3) == 0;
	}
	cr_assert_eq(rig_count(CORE_COMMAND_OFFER, NULL), mine);
	cr_assert_gt(mine, 60);
	cr_assert_lt(mine, 140);
}

Test(migration, an_offer_says_what_the_client_needs_to_know)
{
	struct rig_command c = {0};

	alone_with_a_dead(0);
	rig_populate(1, 2);
	rig_die(0);
	rig_pass(5 * RIG_MS);
	cr_assert_eq(rig_count(CORE_COMMAND_OFFER, &c), 1);
	cr_assert_eq(c.core, 1);
	cr_assert_eq(c.command.client, 1);
	cr_assert_eq(c.command.instance, 7);
	cr_assert_eq(c.command.tag, 0x7001);
	cr_assert_eq(c.command.connection, 0xc001);
	cr_assert_eq(c.command.cursor_epoch, RIG_EPOCH(4, RIG_SELF));
	cr_assert_eq(c.command.reason, GODWIT_MIGRATION_DEATH);
	cr_assert_not(c.command.by_home);
	// The epoch that was offered is in no table before it is accepted.
	{
		struct cursor held, asked = rig_cursor(1, 2, 3);

		cr_assert(cursor_table_find(rig.table, &asked.key, &held));
		cr_assert_eq(held.cursor_epoch, RIG_EPOCH(3, 2));
	}
}

Test(migration, a_share_counts_only_servers_whose_log_holds_what_it_needs)
{
	struct migration_view *view = migration_view(rig.m);

	rig_populate(100, 2);
	view->streams[0].peers[1].earliest = 600; // above 501
	view->streams[0].peers[2].session = 0x999;
	rig_die(0);
	rig_pass(20 * RIG_MS);
	cr_assert_eq(rig_count(CORE_COMMAND_OFFER, NULL), 100);
}

Test(migration, a_share_leaves_out_servers_that_are_drained)
{
	rig_populate(100, 2);
	migration_view(rig.m)->peers[1].is_draining = true;
	migration_view(rig.m)->peers[2].is_draining = true;
	rig_die(0);
	rig_pass(200 * RIG_MS);
	cr_assert_eq(rig_count(CORE_COMMAND_OFFER, NULL), 100);
}

Test(migration, a_drained_server_takes_orphans_that_nobody_else_can_serve)
{
	struct migration_view *view = migration_view(rig.m);

	rig_populate(100, 2);
	cr_assert_eq(migration_drain(rig.m, rig.now_ns, NULL), GODWIT_OK);
	view->peers[2].is_draining = true;
	rig_die(0);
	rig_pass(200 * RIG_MS);
	cr_assert_eq(rig_count(CORE_COMMAND_OFFER, NULL), 0, "server 3 takes them");
	// Now there is none left but those that are drained: found in the next round.
	view->peers[1].is_draining = true;
	rig_pass(RIG_LAPSE_NS + 200 * RIG_MS);
	cr_assert_gt(rig_count(CORE_COMMAND_OFFER, NULL), 15);
	cr_assert_lt(rig_count(CORE_COMMAND_OFFER, NULL), 60, "the others have their shares");
}

Test(migration, nothing_is_offered_that_our_log_does_not_hold)
{
	rig_populate(50, 2);
	migration_view(rig.m)->streams[0].own.earliest = 600;
	rig_die(0);
	rig_pass(20 * RIG_MS);
	cr_assert_eq(rig_count(CORE_COMMAND_OFFER, NULL), 0);
}

Test(migration, an_isolated_server_offers_nothing)
{
	rig_populate(50, 2);
	rig_die(0);
	rig_die(1);
	rig_pass(20 * RIG_MS);
	cr_assert_eq(rig_count(CORE_COMMAND_OFFER, NULL), 0);
	cr_assert_gt(RIG_COUNTER(isolated), 0);
	// Heard again, it goes on with those that are dead still.
	migration_view(rig.m)->peers[1].is_up = true;
	migration_view(rig.m)->peers[1].is_dead = false;
	migration_heard(rig.m, 1, rig.now_ns);
	rig_pass(20 * RIG_MS);
	cr_assert_gt(rig_count(CORE_COMMAND_OFFER, NULL), 0);
}

Test(migration, of_two_servers_the_one_left_takes_all)
{
	alone_with_a_dead(0);
	rig_populate(50, 2);
	rig_die(0);
	rig_pass(20 * RIG_MS);
	cr_assert_eq(rig_count(CORE_COMMAND_OFFER, NULL), 50);
}

Test(migration, a_server_without_the_feed_offers_nothing_unless_nobody_has_it)
{
	struct migration_view *view = migration_view(rig.m);

	alone_with_a_dead(0);
	view->peers_count = 2;
	rig_populate(50, 2);
	view->streams[0].own.feed_age_ms = 100;
	rig_die(0);
	rig_pass(20 * RIG_MS);
	cr_assert_eq(rig_count(CORE_COMMAND_OFFER, NULL), 0);
	// The dead one was the primary: the other has no feed either.
	view->streams[0].peers[1].feed_age_ms = 100;
	view->streams[0].peers[1].session = 0; // and all is ours
	rig_die(0);
	rig_pass(20 * RIG_MS);
	cr_assert_eq(rig_count(CORE_COMMAND_OFFER, NULL), 50);
}

Test(migration, clients_heard_lately_come_first)
{
	alone_with_a_dead(0);
	rig_populate(200, 2);
	rig.now_ns += 10 * RIG_LAPSE_NS;
	for (uint32_t i = 150; i < 160; i++) {
		struct cursor c = rig_cursor(i, 2, 3);

		c.seq = 501;
		rig_entry(c);
	}
	rig_die(0);
	rig_pass(20 * RIG_MS);
	cr_assert_eq(rig_count(CORE_COMMAND_OFFER, NULL), 200);
	for (uint32_t i = 0; i < 10; i++) {
		cr_assert_geq(rig.commands[i].command.client, 150);
		cr_assert_lt(rig.commands[i].command.client, 160);
	}
}

Test(migration, offers_are_begun_at_a_bounded_rate_and_all_in_the_end)
{
	alone_with_a_dead(0);
	rig_populate(2000, 2);
	rig_die(0);
	rig_pass(10 * RIG_MS);
	cr_assert_leq(rig_count(CORE_COMMAND_OFFER, NULL), 10 * 64);
	cr_assert_geq(rig_count(CORE_COMMAND_OFFER, NULL), 9 * 64);
	rig_pass(40 * RIG_MS);
	cr_assert_eq(rig_count(CORE_COMMAND_OFFER, NULL), 2000);
}

Test(migration, a_full_mailbox_delays_an_offer)
{
	alone_with_a_dead(0);
	rig_populate(10, 2);
	rig.is_full = true;
	rig_die(0);
	rig_pass(10 * RIG_MS);
	cr_assert_eq(rig_count(CORE_COMMAND_OFFER, NULL), 0);
	rig.is_full = false;
	rig_pass(10 * RIG_MS);
	cr_assert_eq(rig_count(CORE_COMMAND_OFFER, NULL), 10);
}

Test(migration, a_lapsed_cursor_and_a_tombstone_are_nobodys)
{
	struct cursor c = rig_cursor(1, 2, 3);

	alone_with_a_dead(0);
	c.flags = GODWIT_CURSOR_LAPSED;
	rig_entry(c);
	c = rig_cursor(2, 2, 3);
	c.flags = GODWIT_CURSOR_TOMBSTONE;
	rig_entry(c);
	rig_die(0);
	rig_pass(20 * RIG_MS);
	cr_assert_eq(rig_count(CORE_COMMAND_OFFER, NULL), 0);
}

Test(migration, a_server_heard_again_withdraws_what_was_not_accepted)
{
	struct rig_command c = {0};

	alone_with_a_dead(0);
	rig_populate(3, 2);
	rig_die(0);
	rig_pass(5 * RIG_MS);
	rig_entry(rig_cursor(1, RIG_SELF, 5)); // accepted
	rig_forget();
	migration_view(rig.m)->peers[0].is_up = true;
	migration_view(rig.m)->peers[0].is_dead = false;
	migration_heard(rig.m, 0, rig.now_ns);
	cr_assert_eq(rig_count(CORE_COMMAND_OFFER, &c), 2);
	cr_assert_eq(c.command.cursor_epoch, 0);
	cr_assert_eq(migration_pending(rig.m), 0);
	rig_forget();
	rig_pass(3 * RIG_LAPSE_NS);
	cr_assert_eq(rig_count(CORE_COMMAND_OFFER, NULL), 0);
}

Test(migration, what_an_old_incarnation_left_is_taken_though_the_new_one_is_up)
{
	alone_with_a_dead(0);
	rig_populate(3, 2);
	migration_dead(rig.m, 0, rig.now_ns); // the view: up
	migration_heard(rig.m, 0, rig.now_ns);
	rig.now_ns += RIG_MS;
	rig_entry(rig_cursor(9, 2, 1)); // of the new incarnation
	rig_pass(5 * RIG_MS);
	cr_assert_eq(rig_count(CORE_COMMAND_OFFER, NULL), 3);
}

// ---- answers -----------------------------------------------------------------------------------

static void offer_one(void)
{
	alone_with_a_dead(0);
	rig_populate(1, 2);
	rig_die(0);
	rig_pass(5 * RIG_MS);
	cr_assert_eq(rig_count(CORE_COMMAND_OFFER, NULL), 1);
	rig_forget();
}

Test(migration, an_own_entry_above_the_epoch_is_the_acceptance)
{
	offer_one();
	migration_view(rig.m)->streams[0].own.end = 1300;
	migration_view(rig.m)->streams[0].own.commit = 1200;
	rig_entry(rig_cursor(1, RIG_SELF, 5));
	cr_assert_eq(migration_pending(rig.m), 0);
	cr_assert_eq(rig_last()->outcome, MIGRATION_MOVED);
	cr_assert_eq(rig_last()->reason, GODWIT_MIGRATION_DEATH);
	cr_assert_eq(rig_last()->from, 2);
	cr_assert_eq(rig_last()->to, RIG_SELF);
	cr_assert_eq(rig_last()->replayed, 700);
	cr_assert_eq(rig_last()->handover_seq, 1201);
	cr_assert_eq(rig_last()->first_ns, 0, "no core told of a message");
	cr_assert_eq(RIG_COUNTER(taken), 1);
}

Test(migration, another_server_that_is_faster_ends_the_offer)
{
	struct rig_command c;

	offer_one();
	rig_entry(rig_cursor(1, 3, 5));
	cr_assert_eq(rig_last()->outcome, MIGRATION_ELSEWHERE);
	cr_assert_eq(rig_last()->to, 3);
	cr_assert_eq(migration_pending(rig.m), 0);
	// What the core still offers might be above the epoch that the client is in now.
	cr_assert_eq(rig_count(CORE_COMMAND_OFFER, &c), 1);
	cr_assert_eq(c.command.cursor_epoch, 0);
}

Test(migration, keep_ends_the_offer)
{
	offer_one();
	rig_notice(CORE_NOTICE_OFFER_KEPT, (struct core_notice){.client = 1,
								.subscription = 1,
								.cursor_epoch = RIG_EPOCH(3, 2)});
	cr_assert_eq(rig_last()->outcome, MIGRATION_KEPT);
	cr_assert_eq(migration_pending(rig.m), 0);
}

Test(migration, keep_with_a_higher_epoch_of_the_dead_is_offered_above_it)
{
	struct rig_command c = {0};

	offer_one();
	rig_notice(CORE_NOTICE_OFFER_KEPT, (struct core_notice){.client = 1,
								.subscription = 1,
								.cursor_epoch = RIG_EPOCH(8, 2)});
	cr_assert_eq(rig_count(CORE_COMMAND_OFFER, &c), 1);
	cr_assert_eq(c.command.cursor_epoch, RIG_EPOCH(9, RIG_SELF));
	// It has a living home that is not known yet: that is not ours.
	migration_view(rig.m)->peers_count = 3;
	rig_notice(CORE_NOTICE_OFFER_KEPT, (struct core_notice){.client = 1,
								.subscription = 1,
								.cursor_epoch = RIG_EPOCH(12, 3)});
	cr_assert_eq(rig_last()->outcome, MIGRATION_KEPT);
}

Test(migration, held_gives_the_client_a_lapse_time)
{
	offer_one();
	rig_pass(RIG_LAPSE_NS - 100 * RIG_MS);
	rig_notice(CORE_NOTICE_OFFER_HELD, (struct core_notice){.client = 1,
								.subscription = 1,
								.cursor_epoch = RIG_EPOCH(4, 1)});
	rig_pass(RIG_LAPSE_NS - 100 * RIG_MS);
	// It is that offer still, not the one of the next round.
	cr_assert_eq(migration_pending(rig.m), 1);
	cr_assert_eq(RIG_COUNTER(expired), 0);
	cr_assert_eq(rig_count(CORE_COMMAND_OFFER, NULL), 0);
	rig_pass(200 * RIG_MS);
	cr_assert_eq(rig_last()->outcome, MIGRATION_EXPIRED);
	cr_assert_eq(RIG_COUNTER(expired), 1);
}

Test(migration, a_core_without_room_is_asked_again)
{
	struct core_notice n = {.client = 1,
				.subscription = 1,
				.cursor_epoch = RIG_EPOCH(4, RIG_SELF),
				.code = GODWIT_LIMIT};

	offer_one();
	rig_notice(CORE_NOTICE_OFFER_REFUSED, n);
	rig_pass(50 * RIG_MS);
	cr_assert_eq(rig_count(CORE_COMMAND_OFFER, NULL), 1);
	n.code = GODWIT_FENCED;
	rig_notice(CORE_NOTICE_OFFER_REFUSED, n);
	cr_assert_eq(rig_last()->outcome, MIGRATION_REFUSED);
}

Test(migration, an_orphan_is_offered_three_rounds_and_then_left_to_its_client)
{
	offer_one();
	rig_pass(10 * RIG_LAPSE_NS);
	cr_assert_eq(rig_count(CORE_COMMAND_OFFER, NULL), 2);
	cr_assert_eq(RIG_COUNTER(expired), 3);
}

Test(migration, the_table_of_moves_is_bounded)
{
	rig_stop();
	rig_start(40);
	alone_with_a_dead(0);
	rig_populate(200, 2);
	rig_die(0);
	rig_pass(50 * RIG_MS);
	cr_assert_leq(migration_pending(rig.m), 40);
	cr_assert_gt(migration_pending(rig.m), 0);
}

// ---- fencing -----------------------------------------------------------------------------------

Test(migration, a_higher_entry_elsewhere_drops_ours)
{
	struct rig_command c = {0};

	rig_entry(rig_cursor(1, RIG_SELF, 3));
	rig_entry(rig_cursor(1, 2, 3)); // same counter, higher server id
	cr_assert_eq(rig_count(CORE_COMMAND_DROP, &c), 1);
	cr_assert_eq(c.core, 1);
	cr_assert_eq(c.command.cursor_epoch, RIG_EPOCH(3, 2));
	rig_entry(rig_cursor(1, 2, 3)); // again
	rig_entry(rig_cursor(1, 2, 2)); // late
	cr_assert_eq(rig_count(CORE_COMMAND_DROP, NULL), 1);
}

Test(migration, an_own_entry_below_what_is_known_drops_it)
{
	rig_entry(rig_cursor(1, 2, 9));
	rig_entry(rig_cursor(1, RIG_SELF, 3)); // a home that woke up
	cr_assert_eq(rig_count(CORE_COMMAND_DROP, NULL), 1);
	rig_entry(rig_cursor(1, 3, 5)); // another's: not ours to drop
	cr_assert_eq(rig_count(CORE_COMMAND_DROP, NULL), 1);
}

Test(migration, a_lost_core_offers_its_cursors_anew_in_the_name_of_the_home)
{
	struct rig_command c = {0};

	rig_populate(10, RIG_SELF);
	// A port spreads its clients as it likes.
	for (uint32_t i = 11; i <= 14; i++) {
		struct cursor cursor = rig_cursor(i, RIG_SELF, 3);

		cursor.core = 1;
		rig_entry(cursor);
	}
	migration_core_lost(rig.m, 1, rig.now_ns);
	cr_assert_eq(rig_count(CORE_COMMAND_OFFER, &c), 5 + 4);
	cr_assert_eq(c.core, 0);
	cr_assert(c.command.by_home);
	cr_assert_eq(c.command.cursor_epoch, RIG_EPOCH(4, RIG_SELF));
	for (uint32_t i = 0; i < rig.commands_count; i++)
		cr_assert_neq(rig.commands[i].core, 1, "the lost core is to offer a home");
}
