// SPDX-License-Identifier: BSD-3-Clause
//
// Cursors that move between the cores of one server: an order to even them out, round by round.
#include "tests/unit/migration_rig.h"

static void start(void)
{
	rig_start(4096);
}

TestSuite(cores, .init = start, .fini = rig_stop);

static uint32_t counts[2]; // cursors of each core, as the server counts them

static void show(uint32_t first, uint32_t second)
{
	counts[0] = first;
	counts[1] = second;
	for (uint32_t i = 0; i < 2; i++)
		migration_view(rig.m)->cores[i] =
			(struct rebalance_core){.takes = true, .cursors = counts[i]};
}

static struct cursor at_core(uint64_t client, uint16_t core, uint32_t counter)
{
	struct cursor cursor = rig_cursor(client, RIG_SELF, counter);

	cursor.core = core;
	return cursor;
}

// Clients 1 ... at core 0, those after them at core 1.
static void populate(uint32_t first, uint32_t second)
{
	for (uint32_t i = 1; i <= first + second; i++)
		rig_entry(at_core(i, i > first, 3));
	show(first, second);
}

// The client of the n-th offer accepts it.
static void accept_offer(const struct rig_command *offer)
{
	struct cursor cursor = at_core(offer->command.client, (uint16_t)offer->core, 0);

	cursor.cursor_epoch = offer->command.cursor_epoch;
	counts[offer->core]++;
	counts[1 - offer->core]--;
	rig_entry(cursor);
}

static void accept_all(void)
{
	for (uint32_t i = 0; i < rig.commands_count; i++)
		if (rig.commands[i].kind == CORE_COMMAND_OFFER &&
		    rig.commands[i].command.cursor_epoch != 0)
			accept_offer(&rig.commands[i]);
	show(counts[0], counts[1]);
}

static struct migration_progress state(void)
{
	return migration_rebalance_progress(rig.m);
}

Test(cores, a_rebalance_offers_what_a_core_has_too_many_by_the_other)
{
	struct rig_command c = {0};

	populate(9, 2);
	cr_assert_eq(migration_rebalance(rig.m, rig.now_ns), MIGRATION_REBALANCE_BEGUN);
	cr_assert_eq(state().left, 3);
	rig_pass(5 * RIG_MS);
	cr_assert_eq(rig_count(CORE_COMMAND_OFFER, &c), 3);
	cr_assert_eq(c.core, 1);
	cr_assert(c.command.by_home);
	cr_assert_eq(c.command.reason, GODWIT_MIGRATION_CORE);
	cr_assert_eq(c.command.cursor_epoch, RIG_EPOCH(4, RIG_SELF));
	for (uint32_t i = 0; i < rig.commands_count; i++)
		cr_assert_leq(rig.commands[i].command.client, 9, "of those at core 0");
	cr_assert_eq(RIG_COUNTER(rebalances), 1);
	cr_assert_eq(RIG_COUNTER(rebalance_moves), 3);
}

Test(cores, a_rebalance_ends_when_the_cores_are_even)
{
	struct rig_command c = {0};

	populate(9, 2);
	migration_rebalance(rig.m, rig.now_ns);
	rig_pass(5 * RIG_MS);
	cr_assert(state().is_active);
	accept_all();
	cr_assert_eq(counts[0], 6);
	cr_assert_eq(state().left, 0);
	cr_assert_eq(state().moved, 3);
	// The core of before drops what moved, and each has its record.
	cr_assert_eq(rig_count(CORE_COMMAND_DROP, &c), 3);
	cr_assert_eq(c.core, 0);
	cr_assert_eq(c.command.cursor_epoch, RIG_EPOCH(4, RIG_SELF));
	for (uint32_t i = 0; i < 3; i++) {
		const struct migration_record *r = migration_record(rig.m, i);

		cr_assert_eq(r->reason, GODWIT_MIGRATION_CORE);
		cr_assert_eq(r->outcome, MIGRATION_MOVED);
		cr_assert_eq(r->from, RIG_SELF);
		cr_assert_eq(r->to, RIG_SELF);
	}
	rig_pass(200 * RIG_MS);
	cr_assert_not(state().is_active);
	cr_assert_eq(state().left, 0);
	cr_assert_eq(state().stuck, 0);
	cr_assert_eq(rig_count(CORE_COMMAND_OFFER, NULL), 3);
	cr_assert_eq(migration_rebalance(rig.m, rig.now_ns), MIGRATION_REBALANCE_EVEN);
	cr_assert_eq(RIG_COUNTER(rebalance_even), 1);
}

Test(cores, a_rebalance_is_refused_with_its_reason)
{
	populate(9, 2);
	migration_view(rig.m)->cores[1].takes = false; // it has no queue, or stands still
	cr_assert_eq(migration_rebalance(rig.m, rig.now_ns), MIGRATION_REBALANCE_ONE_CORE);
	cr_assert_eq(RIG_COUNTER(rebalance_one_core), 1);
	show(9, 2);
	migration_drain(rig.m, rig.now_ns, NULL);
	cr_assert_eq(migration_rebalance(rig.m, rig.now_ns), MIGRATION_REBALANCE_DRAINING);
	cr_assert_eq(RIG_COUNTER(rebalance_draining), 1);
	migration_undrain(rig.m, rig.now_ns);
	cr_assert_eq(migration_rebalance(rig.m, rig.now_ns), MIGRATION_REBALANCE_BEGUN);
	cr_assert_eq(migration_rebalance(rig.m, rig.now_ns), MIGRATION_REBALANCE_AGAIN);
	cr_assert_eq(RIG_COUNTER(rebalance_again), 1);
}

Test(cores, a_rebalance_moves_a_bounded_number_at_a_time_and_all_in_the_end)
{
	populate(1500, 0);
	migration_rebalance(rig.m, rig.now_ns);
	rig_pass(100 * RIG_MS);
	cr_assert_leq(rig_count(CORE_COMMAND_OFFER, NULL), 256);
	cr_assert_gt(rig_count(CORE_COMMAND_OFFER, NULL), 200);
	for (uint32_t n = 0; n < 40 && state().is_active; n++) {
		accept_all();
		rig_forget();
		rig_pass(100 * RIG_MS);
	}
	cr_assert_not(state().is_active);
	cr_assert_eq(counts[0], 750);
	cr_assert_eq(RIG_COUNTER(rebalance_moves), 750);
}

Test(cores, who_moved_lately_is_left_for_the_next_round)
{
	// Both came from another server just now.
	for (uint32_t i = 1; i <= 2; i++) {
		rig_entry(rig_cursor(i, 2, 2));
		rig_entry(at_core(i, 0, 3));
	}
	show(2, 0);
	migration_rebalance(rig.m, rig.now_ns);
	rig_pass(900 * RIG_MS);
	cr_assert_eq(rig_count(CORE_COMMAND_OFFER, NULL), 0);
	cr_assert(state().is_active);
	rig_pass(300 * RIG_MS);
	cr_assert_eq(rig_count(CORE_COMMAND_OFFER, NULL), 1);
	accept_all();
	rig_pass(200 * RIG_MS);
	cr_assert_not(state().is_active);
}

Test(cores, what_moved_to_a_core_is_not_moved_again_within_a_second)
{
	populate(2, 0);
	migration_rebalance(rig.m, rig.now_ns);
	rig_pass(5 * RIG_MS);
	accept_all();
	rig_pass(200 * RIG_MS);
	cr_assert_not(state().is_active);
	// The one that stayed leaves, and two come: now the one that moved is one too many.
	rig_forget();
	show(0, 2);
	migration_rebalance(rig.m, rig.now_ns);
	rig_pass(500 * RIG_MS);
	cr_assert_eq(rig_count(CORE_COMMAND_OFFER, NULL), 0);
	rig_pass(RIG_LAPSE_NS);
	cr_assert_eq(rig_count(CORE_COMMAND_OFFER, NULL), 1);
}

Test(cores, clients_that_do_not_answer_end_the_order_after_three_rounds)
{
	populate(4, 0);
	migration_rebalance(rig.m, rig.now_ns);
	for (uint32_t n = 0; n < 100 && state().is_active; n++)
		rig_pass(100 * RIG_MS);
	cr_assert_not(state().is_active);
	cr_assert_eq(state().left, 2, "they are told of");
	cr_assert_eq(state().stuck, 6);
	cr_assert_eq(state().moved, 0);
	cr_assert_eq(migration_record(rig.m, 0)->outcome, MIGRATION_EXPIRED);
	// It may be ordered anew.
	cr_assert_eq(migration_rebalance(rig.m, rig.now_ns), MIGRATION_REBALANCE_BEGUN);
}

Test(cores, a_client_that_came_anew_to_its_core_did_not_move)
{
	struct rig_command c = {0};

	populate(2, 0);
	migration_rebalance(rig.m, rig.now_ns);
	rig_pass(5 * RIG_MS);
	cr_assert_eq(rig_count(CORE_COMMAND_OFFER, &c), 1);
	rig_entry(at_core(c.command.client, 0, 8));
	cr_assert_eq(migration_record(rig.m, 0)->outcome, MIGRATION_WITHDRAWN);
	cr_assert_eq(state().moved, 0);
	// The other core takes its offer back, and nobody drops anything.
	cr_assert_eq(rig_count(CORE_COMMAND_OFFER, &c), 2);
	cr_assert_eq(c.core, 1);
	cr_assert_eq(c.command.cursor_epoch, 0);
	cr_assert_eq(rig_count(CORE_COMMAND_DROP, NULL), 0);
	rig_pass(1200 * RIG_MS);
	rig_count(CORE_COMMAND_OFFER, &c);
	cr_assert_gt(c.command.cursor_epoch, RIG_EPOCH(8, RIG_SELF),
		     "it is offered in the next round");
}

Test(cores, a_round_in_which_somebody_did_not_move_is_followed_by_a_pause)
{
	struct rig_command c = {0};

	populate(4, 0);
	migration_rebalance(rig.m, rig.now_ns);
	rig_pass(5 * RIG_MS);
	cr_assert_eq(rig_count(CORE_COMMAND_OFFER, &c), 2);
	rig_entry(at_core(rig.commands[0].command.client, 0, 8));
	rig_pass(5 * RIG_MS);
	rig_forget();
	accept_offer(&c);
	show(3, 1);
	rig_pass(900 * RIG_MS);
	cr_assert_eq(rig_count(CORE_COMMAND_OFFER, NULL), 0);
	cr_assert(state().is_active);
	rig_pass(200 * RIG_MS);
	cr_assert_eq(rig_count(CORE_COMMAND_OFFER, NULL), 1);
}

Test(cores, a_drain_ends_a_rebalance)
{
	populate(600, 0);
	migration_rebalance(rig.m, rig.now_ns);
	rig_pass(20 * RIG_MS);
	cr_assert_eq(migration_drain(rig.m, rig.now_ns, NULL), GODWIT_OK);
	rig_pass(5 * RIG_MS);
	cr_assert_not(state().is_active);
	cr_assert_eq(RIG_COUNTER(rebalance_draining), 1);
	// What was offered may be taken still.
	accept_all();
	cr_assert_eq(state().moved, 256);
}

// What the first order offered is taken when the second one is under way.
Test(cores, a_rebalance_after_a_drain_ends_too)
{
	populate(4, 0);
	migration_rebalance(rig.m, rig.now_ns);
	rig_pass(5 * RIG_MS);
	migration_drain(rig.m, rig.now_ns, NULL);
	rig_pass(5 * RIG_MS);
	cr_assert_not(state().is_active);
	migration_undrain(rig.m, rig.now_ns);
	cr_assert_eq(migration_rebalance(rig.m, rig.now_ns), MIGRATION_REBALANCE_BEGUN);
	rig_pass(5 * RIG_MS);
	accept_all();
	cr_assert_eq(counts[0], 2);
	rig_pass(1200 * RIG_MS);
	cr_assert_not(state().is_active);
	cr_assert_eq(migration_rebalance_end(rig.m), MIGRATION_REBALANCE_EVEN);
}

Test(cores, lapsed_cursors_and_those_of_other_servers_are_left_alone)
{
	struct cursor lapsed = at_core(1, 0, 3);
	struct rig_command c = {0};

	lapsed.flags = GODWIT_CURSOR_LAPSED;
	rig_entry(lapsed);
	rig_entry(rig_cursor(2, 3, 3));
	rig_entry(at_core(3, 0, 3));
	rig_entry(at_core(4, 40, 3)); // of a core that an earlier process had
	show(8, 0);
	migration_rebalance(rig.m, rig.now_ns);
	rig_pass(20 * RIG_MS);
	cr_assert_eq(rig_count(CORE_COMMAND_OFFER, &c), 1);
	cr_assert_eq(c.command.client, 3);
}

Test(cores, a_rebalance_says_how_it_ended)
{
	populate(2, 0);
	cr_assert_eq(migration_rebalance_end(rig.m), MIGRATION_REBALANCE_BEGUN, "there was none");
	migration_rebalance(rig.m, rig.now_ns);
	rig_pass(5 * RIG_MS);
	accept_all();
	cr_assert_eq(migration_rebalance_end(rig.m), MIGRATION_REBALANCE_BEGUN);
	rig_pass(200 * RIG_MS);
	cr_assert_eq(migration_rebalance_end(rig.m), MIGRATION_REBALANCE_EVEN);
	// Nobody answers.
	show(9, 1);
	migration_rebalance(rig.m, rig.now_ns);
	for (uint32_t n = 0; n < 100 && state().is_active; n++)
		rig_pass(100 * RIG_MS);
	cr_assert_eq(migration_rebalance_end(rig.m), MIGRATION_REBALANCE_UNEVEN);
	cr_assert_gt(state().left, 0);
}

Test(cores, a_core_that_stands_still_meanwhile_ends_a_rebalance)
{
	populate(4, 0);
	migration_rebalance(rig.m, rig.now_ns);
	rig_pass(5 * RIG_MS);
	accept_all();
	migration_view(rig.m)->cores[1].takes = false;
	rig_pass(200 * RIG_MS);
	cr_assert_not(state().is_active);
	cr_assert_eq(migration_rebalance_end(rig.m), MIGRATION_REBALANCE_ONE_CORE);
	cr_assert_eq(RIG_COUNTER(rebalance_one_core), 1);
}

// The client took the offer, and the word of it comes after the move had expired.
Test(cores, a_core_drops_what_another_one_has_however_late_it_hears_of_it)
{
	struct rig_command offer = {0}, drop = {0};

	populate(2, 0);
	migration_rebalance(rig.m, rig.now_ns);
	rig_pass(5 * RIG_MS);
	cr_assert_eq(rig_count(CORE_COMMAND_OFFER, &offer), 1);
	rig_pass(2 * RIG_LAPSE_NS);
	cr_assert_eq(migration_record(rig.m, 0)->outcome, MIGRATION_EXPIRED);
	rig_entry(at_core(offer.command.client, 1, 9));
	cr_assert_eq(rig_count(CORE_COMMAND_DROP, &drop), 1);
	cr_assert_eq(drop.core, 0);
	cr_assert_eq(drop.command.client, offer.command.client);
}
