// SPDX-License-Identifier: BSD-3-Clause
#include <criterion/criterion.h>

#include "control/link.h"

#define INTERVAL 10u // of the links here; every time below is exact
#define START	 1000u
#define SUSPECT	 (LINK_TURNED_SUSPECT | LINK_ASK)

// Heard last at START: suspect at START + 30.
static struct link_detector link_up(void)
{
	struct link_config config = link_config(INTERVAL, 3);
	struct link_detector link;

	link_init(&link, &config, LINK_UP, START);
	return link;
}

// Suspect since START + 30; servers 1 and 2 were asked, until START + 60.
static struct link_detector link_suspect(void)
{
	struct link_detector link = link_up();

	cr_assert_eq(link_tick(&link, START + 30), SUSPECT);
	cr_assert_eq(link_asked(&link, 1 << 1 | 1 << 2, START + 30), 0);
	return link;
}

// Ticks of 1 from `from` to `to`, of which none has anything to do.
static void quiet_ticks(struct link_detector *link, uint64_t from, uint64_t to)
{
	for (uint64_t now = from; now <= to; now++)
		cr_assert_eq(link_tick(link, now), 0, "at %lu", (unsigned long)now);
}

Test(link, turns_suspect_at_the_very_end_of_its_intervals)
{
	struct link_detector link = link_up();

	cr_assert_eq(link_due_ns(&link), START + 30);
	quiet_ticks(&link, START, START + 29);
	cr_assert_eq(link_tick(&link, START + 30), SUSPECT);
	cr_assert_eq(link.state, LINK_SUSPECT);
	cr_assert_eq(link.why, LINK_WHY_SILENT);
	cr_assert_eq(link.heartbeats_missed, 3);
}

Test(link, stays_up_while_anything_comes)
{
	struct link_detector link = link_up();

	for (uint64_t now = START; now < START + 1000; now += 29) {
		cr_assert_eq(link_heard(&link, now), 0);
		cr_assert_eq(link_tick(&link, now + 28), 0);
	}
	cr_assert_eq(link.state, LINK_UP);
	cr_assert_eq(link.changes, 0);
	cr_assert_eq(link.heartbeats_missed, 2 * 35, "two whole intervals in each of the pauses");
}

Test(link, counts_each_silent_interval_once)
{
	struct link_detector link = link_up();

	quiet_ticks(&link, START, START + 25);
	cr_assert_eq(link.heartbeats_missed, 2);
	link_heard(&link, START + 25);
	quiet_ticks(&link, START + 25, START + 34);
	cr_assert_eq(link.heartbeats_missed, 2);
	quiet_ticks(&link, START + 35, START + 35);
	cr_assert_eq(link.heartbeats_missed, 3);
}

Test(link, dies_when_all_that_were_asked_do_not_hear_it)
{
	struct link_detector link = link_suspect();

	cr_assert_eq(link_peer_silent(&link, link.ask, 1, START + 31), 0);
	cr_assert_eq(link.state, LINK_SUSPECT);
	cr_assert_eq(link_peer_silent(&link, link.ask, 2, START + 32), LINK_TURNED_DEAD);
	cr_assert_eq(link.state, LINK_DEAD);
	cr_assert_eq(link.why, LINK_WHY_AGREED);
	cr_assert_eq(link_due_ns(&link), UINT64_MAX);
}

Test(link, dies_when_nobody_confirms_in_time_that_it_lives)
{
	struct link_detector link = link_suspect();

	cr_assert_eq(link_peer_silent(&link, link.ask, 1, START + 31), 0);
	cr_assert_eq(link_due_ns(&link), START + 60);
	quiet_ticks(&link, START + 31, START + 59);
	cr_assert_eq(link_tick(&link, START + 60), LINK_TURNED_DEAD);
	cr_assert_eq(link.why, LINK_WHY_UNCONFIRMED);
	quiet_ticks(&link, START + 61, START + 500);
	cr_assert_eq(link.heartbeats_missed, 6, "the dead miss nothing");
}

Test(link, dies_at_once_where_nobody_can_be_asked)
{
	struct link_detector link = link_up();

	link_tick(&link, START + 30);
	cr_assert_eq(link_asked(&link, 0, START + 30), LINK_TURNED_DEAD);
	cr_assert_eq(link.why, LINK_WHY_AGREED);
	cr_assert_eq(link_asked(&link, 0, START + 30), 0, "once");
}

Test(link, stays_suspect_while_another_server_hears_it)
{
	struct link_detector link = link_suspect();
	uint32_t first = link.ask;

	cr_assert_eq(link_peer_silent(&link, link.ask, 1, START + 31), 0);
	cr_assert_eq(link_peer_hears(&link, link.ask, 2, START + 32), LINK_HEARD_ELSEWHERE);
	cr_assert_eq(link.heard_by, 1 << 2);
	quiet_ticks(&link, START + 33, START + 59);
	cr_assert_eq(link_tick(&link, START + 60), LINK_ASK, "that was then: is it so still?");
	cr_assert_eq(link.ask, first + 1);
	cr_assert_eq(link.heard_by, 1 << 2, "until there is another answer");
	link_asked(&link, 1 << 1 | 1 << 2, START + 60);
	cr_assert_eq(link_peer_silent(&link, link.ask, 2, START + 61), 0);
	cr_assert_eq(link.heard_by, 0);
	quiet_ticks(&link, START + 61, START + 89);
	cr_assert_eq(link_tick(&link, START + 90), LINK_TURNED_DEAD);
}

Test(link, asks_anew_as_soon_as_one_that_heard_it_asks_itself)
{
	struct link_detector link = link_suspect();
	uint32_t first = link.ask;

	cr_assert_eq(link_peer_asks(&link, 1, START + 31), 0, "its answer is on the way");
	link_peer_silent(&link, link.ask, 1, START + 31);
	link_peer_hears(&link, link.ask, 2, START + 32);
	cr_assert_eq(link_peer_asks(&link, 1, START + 33), 0, "that is known");
	cr_assert_eq(link_peer_asks(&link, LINK_PEERS_MAX, START + 33), 0, "nobody");
	cr_assert_eq(link_peer_asks(&link, 2, START + 34), LINK_ASK);
	cr_assert_eq(link.ask, first + 1);
	cr_assert_eq(link.state, LINK_SUSPECT, "it is a question and no answer");
	cr_assert_eq(link.heard_by, 0);
	link_asked(&link, 1 << 1 | 1 << 2, START + 34);
	cr_assert_eq(link_peer_asks(&link, 2, START + 35), 0, "once");
	link_peer_silent(&link, link.ask, 1, START + 35);
	cr_assert_eq(link_peer_silent(&link, link.ask, 2, START + 36), LINK_TURNED_DEAD);
	cr_assert_eq(link_peer_asks(&link, 2, START + 37), 0, "it is settled");
}

Test(link, goes_on_asking_where_one_hears_it_and_another_does_not_any_more)
{
	struct link_detector link = link_suspect();

	link_peer_hears(&link, link.ask, 1, START + 31);
	link_peer_hears(&link, link.ask, 2, START + 31);
	cr_assert_eq(link_peer_asks(&link, 2, START + 33), LINK_ASK);
	cr_assert_eq(link.heard_by, 1 << 1);
	link_asked(&link, 1 << 1 | 1 << 2, START + 33);
	link_peer_silent(&link, link.ask, 2, START + 34);
	link_peer_hears(&link, link.ask, 1, START + 34);
	quiet_ticks(&link, START + 35, START + 62);
	cr_assert_eq(link_tick(&link, START + 63), LINK_ASK, "confirm_ns from the last question");
	cr_assert_eq(link.state, LINK_SUSPECT);
}

Test(link, takes_the_last_of_two_answers)
{
	struct link_detector link = link_suspect();

	link_peer_hears(&link, link.ask, 2, START + 31);
	link_peer_silent(&link, link.ask, 2, START + 32);
	cr_assert_eq(link.state, LINK_SUSPECT);
	link_peer_silent(&link, link.ask, 1, START + 33);
	cr_assert_eq(link.state, LINK_DEAD);
	link = link_suspect();
	link_peer_silent(&link, link.ask, 1, START + 31);
	link_peer_hears(&link, link.ask, 1, START + 32);
	cr_assert_eq(link_peer_silent(&link, link.ask, 2, START + 33), 0);
	cr_assert_eq(link.state, LINK_SUSPECT);
}

Test(link, counts_answers_that_nobody_waits_for)
{
	struct link_detector link = link_suspect();

	cr_assert_eq(link_peer_silent(&link, link.ask - 1, 1, START + 31), 0, "another question");
	cr_assert_eq(link_peer_hears(&link, link.ask, 3, START + 31), 0, "not asked");
	cr_assert_eq(link_peer_hears(&link, link.ask, LINK_PEERS_MAX, START + 31), 0, "nobody");
	link_heard(&link, START + 32);
	cr_assert_eq(link_peer_silent(&link, link.ask, 1, START + 33), 0, "it lives");
	cr_assert_eq(link.stale_answers, 4);
	cr_assert_eq(link.state, LINK_UP);
	cr_assert_eq(link.heard_by, 0);
}

Test(link, comes_back_with_twice_the_patience)
{
	struct link_detector link = link_suspect();

	cr_assert_eq(link_heard(&link, START + 40), LINK_TURNED_UP);
	cr_assert_eq(link.flaps, 1);
	cr_assert_eq(link_multiplier(&link), 6);
	quiet_ticks(&link, START + 41, START + 99);
	cr_assert_eq(link_tick(&link, START + 100), SUSPECT);
	link_asked(&link, 0, START + 100);
	cr_assert_eq(link.state, LINK_DEAD);
	cr_assert_eq(link_heard(&link, START + 200), LINK_TURNED_UP);
	cr_assert_eq(link_multiplier(&link), 12);
}

Test(link, doubles_up_to_the_limit_and_goes_back_by_quiet_steps)
{
	static const uint32_t up[] = {6, 12, 24, 32, 32, 32}, down[] = {24, 12, 6, 3};
	struct link_detector link = link_up();
	uint64_t now = START, changed, quiet = INTERVAL * LINK_QUIET_INTERVALS;

	link.config.late_ns = UINT64_MAX;
	for (uint32_t i = 0; i < 6; i++) {
		now += INTERVAL * link_multiplier(&link);
		cr_assert_eq(link_tick(&link, now), SUSPECT);
		link_heard(&link, now);
		cr_assert_eq(link_multiplier(&link), up[i]);
	}
	changed = now;
	for (uint32_t i = 0; i < 4; i++) {
		now = changed + quiet;
		link_heard(&link, now - 1);
		link_tick(&link, now - 1);
		cr_assert_eq(link_multiplier(&link), i == 0 ? 32 : down[i - 1]);
		cr_assert_eq(link_due_ns(&link), now);
		link_tick(&link, now);
		cr_assert_eq(link_multiplier(&link), down[i]);
		changed = now;
	}
	link_heard(&link, now + quiet);
	link_tick(&link, now + quiet);
	cr_assert_eq(link_multiplier(&link), 3, "never below what is configured");
	cr_assert_eq(link.flaps, 6);
}

Test(link, accuses_nobody_when_its_own_loop_was_late)
{
	struct link_detector link = link_up();

	cr_assert_eq(link_tick(&link, START + 31), 0, "one more than late_ns since the last");
	cr_assert_eq(link.late_ticks, 1);
	cr_assert_eq(link.heartbeats_missed, 0, "we do not know");
	quiet_ticks(&link, START + 32, START + 60);
	cr_assert_eq(link_tick(&link, START + 61), SUSPECT, "the same time again");
	link_asked(&link, 1 << 1, START + 61);
	cr_assert_eq(link_tick(&link, START + 99), 0, "and to those that it asked");
	quiet_ticks(&link, START + 100, START + 128);
	cr_assert_eq(link_tick(&link, START + 129), LINK_TURNED_DEAD);
	cr_assert_eq(link.late_ticks, 2);
}

Test(link, tells_missing_data_from_missing_heartbeats)
{
	struct link_detector link = link_up();

	link_data_missing(&link, START + 5);
	link_heard(&link, START + 20);
	link_data_missing(&link, START + 20);
	cr_assert_eq(link_due_ns(&link), START + 35);
	quiet_ticks(&link, START + 20, START + 34);
	cr_assert_eq(link_tick(&link, START + 35), LINK_TURNED_UNRELIABLE);
	cr_assert_eq(link.state, LINK_UP, "heartbeats come");
	cr_assert(link.is_unreliable);
	cr_assert_eq(link.data_missed, 2);
	cr_assert_eq(link_tick(&link, START + 36), 0, "said once");
	link_data_complete(&link);
	cr_assert_not(link.is_unreliable);
	link_heard(&link, START + 40);
	link_data_missing(&link, START + 40);
	link_data_complete(&link);
	link_heard(&link, START + 60);
	link_data_missing(&link, START + 60);
	quiet_ticks(&link, START + 60, START + 85);
	link_heard(&link, START + 85);
	quiet_ticks(&link, START + 86, START + 89);
	cr_assert_eq(link_tick(&link, START + 90), LINK_TURNED_UNRELIABLE, "counted from the gap");
}

Test(link, does_not_call_a_link_unreliable_when_its_own_loop_was_late)
{
	struct link_detector link = link_up();

	link_data_missing(&link, START);
	link_heard(&link, START + 31);
	cr_assert_eq(link_tick(&link, START + 31), 0);
	link_heard(&link, START + 60);
	quiet_ticks(&link, START + 32, START + 60);
	cr_assert_eq(link_tick(&link, START + 61), LINK_TURNED_UNRELIABLE);
}

Test(link, is_dead_at_once_where_that_is_known)
{
	struct link_detector link = link_up();

	cr_assert_eq(link_kill(&link, LINK_WHY_INCARNATION, START + 5), LINK_TURNED_DEAD);
	cr_assert_eq(link_kill(&link, LINK_WHY_ENDED, START + 6), 0, "once");
	cr_assert_eq(link.why, LINK_WHY_INCARNATION);
	cr_assert_eq(link_heard(&link, START + 7), LINK_TURNED_UP);
	cr_assert_eq(link.flaps, 0, "a restart is no flap");
	cr_assert_eq(link_multiplier(&link), 3);
	link = link_suspect();
	cr_assert_eq(link_kill(&link, LINK_WHY_INCARNATION, START + 31), LINK_TURNED_DEAD);
	link_heard(&link, START + 32);
	cr_assert_eq(link.flaps, 0);
	link = link_suspect();
	link_tick(&link, START + 60);
	cr_assert_eq(link.state, LINK_DEAD);
	cr_assert_eq(link_kill(&link, LINK_WHY_INCARNATION, START + 70), 0);
	link_heard(&link, START + 71);
	cr_assert_eq(link.flaps, 0, "it was dead, and another one came");
}

Test(link, begins_dead_where_nothing_was_heard_yet)
{
	struct link_config config = link_config(INTERVAL, 3);
	struct link_detector link;

	link_init(&link, &config, LINK_DEAD, START);
	quiet_ticks(&link, START, START + 100);
	cr_assert_eq(link_heard(&link, START + 100), LINK_TURNED_UP);
	cr_assert_eq(link.flaps, 0);
	cr_assert_eq(link_due_ns(&link), START + 130);
}

Test(link, excuses_suspects_when_it_was_the_port)
{
	struct link_detector link = link_suspect();

	cr_assert_eq(link_excuse(&link, START + 35), LINK_TURNED_UP);
	cr_assert_eq(link.why, LINK_WHY_EXCUSED);
	cr_assert_eq(link.flaps, 0);
	cr_assert_eq(link_due_ns(&link), START + 65, "with its time anew");
	cr_assert_eq(link_excuse(&link, START + 36), 0);
	link_kill(&link, LINK_WHY_ENDED, START + 40);
	cr_assert_eq(link_excuse(&link, START + 41), 0, "the dead stay dead");
}

Test(link, suspects_the_port_when_most_of_its_clients_fall_silent)
{
	cr_assert(link_port_is_suspect(7, 4));
	cr_assert_not(link_port_is_suspect(8, 4), "a half is not more than half");
	cr_assert(link_port_is_suspect(8, 5));
	cr_assert_not(link_port_is_suspect(1, 1), "one client may die alone");
	cr_assert_not(link_port_is_suspect(3, 3));
	cr_assert(link_port_is_suspect(4, 4));
	cr_assert_not(link_port_is_suspect(0, 0));
	cr_assert(link_port_is_suspect(UINT32_MAX, UINT32_MAX / 2 + 1));
}

Test(link, watches_a_port_whose_silence_means_nothing)
{
	struct link_config config = {
		.multiplier = 3, .confirm_ns = 30, .late_ns = 30, .quiet_ns = 1000};
	struct link_detector port;

	link_init(&port, &config, LINK_UP, START);
	cr_assert_eq(link_due_ns(&port), UINT64_MAX);
	quiet_ticks(&port, START, START + 1000);
	cr_assert_eq(port.heartbeats_missed, 0);
	cr_assert_eq(link_accuse(&port, START + 1000), SUSPECT);
	cr_assert_eq(port.why, LINK_WHY_CROWD);
	cr_assert_eq(link_accuse(&port, START + 1001), 0);
	link_asked(&port, 1 << 3, START + 1001);
	cr_assert_eq(link_peer_silent(&port, port.ask, 3, START + 1002), LINK_TURNED_DEAD);
	cr_assert_eq(link_heard(&port, START + 1010), LINK_TURNED_UP);
	cr_assert_eq(link_kill(&port, LINK_WHY_CARRIER, START + 1020), LINK_TURNED_DEAD);
}

Test(link, remembers_its_last_changes)
{
	struct link_detector link = link_suspect();

	cr_assert_null(link_change_at(&link, 1));
	cr_assert_eq(link_change_at(&link, 0)->time_ns, START + 30);
	cr_assert_eq(link_change_at(&link, 0)->from, LINK_UP);
	cr_assert_eq(link_change_at(&link, 0)->to, LINK_SUSPECT);
	cr_assert_eq(link_change_at(&link, 0)->why, LINK_WHY_SILENT);
	link_tick(&link, START + 60);
	for (uint64_t i = 0; i < LINK_HISTORY; i++) {
		link_heard(&link, START + 100 + 2 * i);
		link_kill(&link, LINK_WHY_ENDED, START + 101 + 2 * i);
	}
	cr_assert_eq(link.changes, 2 + 2 * LINK_HISTORY);
	for (uint32_t i = 0; i < LINK_HISTORY; i++) {
		cr_assert_eq(link_change_at(&link, i)->time_ns, START + 101 + 2 * 7 - i);
		cr_assert_eq(link_change_at(&link, i)->to, i % 2 == 0 ? LINK_DEAD : LINK_UP);
	}
	cr_assert_null(link_change_at(&link, LINK_HISTORY));
}

Test(link, has_words_for_people)
{
	cr_assert_str_eq(link_state_name(LINK_SUSPECT), "suspect");
	for (int why = LINK_WHY_START; why <= LINK_WHY_CROWD; why++)
		cr_assert_str_not_empty(link_why_name((enum link_why)why));
}
