// SPDX-License-Identifier: BSD-3-Clause
//
// `godwit sub --check`: it must see every fault that it is there for, and only those.
#include <criterion/criterion.h>
#include <godwit/errors.h>

#include "client/tools/check.h"
#include "client/tools/generated.h"

#define SESSION 0x77

static struct check check;

static struct godwit_identifier at(uint64_t seq)
{
	return (struct godwit_identifier){.session = SESSION, .seq = seq, .epoch = 1};
}

static void begin(bool is_filtered, uint64_t after)
{
	struct godwit_identifier identifier = at(after);

	check_init(&check, is_filtered);
	check_begin(&check, &identifier);
}

static void take(uint64_t seq)
{
	struct godwit_identifier identifier = at(seq);

	cr_assert_eq(check_message(&check, &identifier, 0, "text", 4), 0);
}

// Message `seq`: number `number` of a topic in a run of the generator.
static void take_number(uint64_t seq, uint16_t run, uint32_t topic, uint64_t number)
{
	struct generated generated = {.number = number, .topic_number = number, .run = run};
	struct godwit_identifier identifier = at(seq);
	uint8_t payload[30];

	generated_write(payload, sizeof(payload), &generated);
	cr_assert_eq(check_message(&check, &identifier, topic, payload, sizeof(payload)), 0);
}

static void expect(uint64_t lost, uint64_t repeated, uint64_t reordered)
{
	struct check_counts total = check_total(&check);

	cr_assert_eq(total.lost, lost, "lost %lu", total.lost);
	cr_assert_eq(total.repeated, repeated, "repeated %lu", total.repeated);
	cr_assert_eq(total.reordered, reordered, "reordered %lu", total.reordered);
	cr_assert_eq(check_is_clean(&check), lost + repeated + reordered == 0);
}

Test(tools_check, finds_nothing_in_order)
{
	begin(false, 4);
	for (uint64_t seq = 5; seq < 500; seq++)
		take(seq);
	expect(0, 0, 0);
}

Test(tools_check, sees_that_the_first_message_is_missing)
{
	begin(false, 4);
	take(7);
	expect(2, 0, 0);
}

Test(tools_check, tells_lost_repeated_and_reordered_apart)
{
	begin(false, 0);
	take(1);
	take(5);
	expect(3, 0, 0);
	take(3);
	expect(2, 0, 1);
	take(3);
	expect(2, 1, 1);
	take(2);
	take(4);
	expect(0, 1, 3);
	take(5);
	expect(0, 2, 3);
	take(6);
	expect(0, 2, 3);
}

Test(tools_check, counts_an_announced_gap_as_truncated_only)
{
	struct godwit_identifier after = at(9);

	begin(false, 0);
	take(1);
	take(2);
	check_gap(&check, 3, 9, &after);
	take(10);
	expect(0, 0, 0);
	cr_assert_eq(check.truncated, 7);
}

Test(tools_check, holds_a_gap_to_its_word)
{
	struct godwit_identifier after = at(9);

	begin(false, 0);
	take(1);
	check_gap(&check, 3, 9, &after);
	take(11);
	expect(2, 0, 0);
}

Test(tools_check, takes_withdrawn_messages_for_what_they_are)
{
	struct godwit_identifier after = at(2);

	begin(false, 0);
	for (uint64_t seq = 1; seq <= 4; seq++)
		take(seq);
	check_gap(&check, 3, 4, &after);
	take(3);
	take(4);
	take(5);
	expect(0, 0, 0);
	cr_assert_eq(check.withdrawn, 2);
	cr_assert_eq(check.truncated, 0);
}

Test(tools_check, begins_anew_with_a_session_that_is_announced)
{
	struct godwit_identifier next = {.session = 0x88, .seq = 0, .epoch = 1};

	begin(false, 0);
	take(1);
	take(2);
	check_session(&check, &next);
	next.seq = 1;
	check_message(&check, &next, 0, "text", 4);
	expect(0, 0, 0);
	next.seq = 3;
	check_message(&check, &next, 0, "text", 4);
	expect(1, 0, 0);
}

Test(tools_check, does_not_accept_a_session_that_nobody_announced)
{
	struct godwit_identifier next = {.session = 0x88, .seq = 3, .epoch = 1};

	begin(false, 0);
	take(1);
	check_message(&check, &next, 0, "text", 4);
	expect(1, 0, 0);
}

Test(tools_check, lets_a_filter_skip_but_not_go_back)
{
	begin(true, 0);
	take(3);
	take(90);
	expect(0, 0, 0);
	take(90);
	expect(0, 1, 0);
	take(40);
	expect(0, 1, 1);
}

Test(tools_check, finds_what_a_filter_lost_by_the_numbers_of_its_topics)
{
	begin(true, 0);
	take_number(3, 1, 7, 1);
	take_number(9, 1, 8, 5);
	take_number(20, 1, 7, 2);
	take_number(21, 1, 8, 6);
	expect(0, 0, 0);
	take_number(30, 1, 7, 5);
	expect(2, 0, 0);
	take_number(31, 1, 8, 7);
	expect(2, 0, 0);
	take_number(32, 1, 7, 3);
	expect(1, 0, 1);
	take_number(33, 1, 8, 7);
	expect(1, 1, 1);
}

Test(tools_check, sees_a_message_that_the_stream_took_twice)
{
	begin(false, 0);
	take_number(1, 1, 7, 1);
	take_number(2, 1, 7, 1);
	take_number(3, 1, 7, 2);
	expect(0, 1, 0);
}

Test(tools_check, keeps_runs_and_topics_apart)
{
	begin(false, 0);
	take_number(1, 1, 7, 1);
	take_number(2, 2, 7, 1);
	take_number(3, 1, 8, 1);
	take_number(4, 1, 7, 2);
	take_number(5, 2, 7, 2);
	expect(0, 0, 0);
}

Test(tools_check, lets_numbers_jump_where_a_gap_was_announced)
{
	struct godwit_identifier after = at(50);

	begin(true, 0);
	take_number(1, 1, 7, 1);
	take_number(2, 1, 8, 1);
	check_gap(&check, 3, 50, &after);
	take_number(51, 1, 7, 20);
	take_number(52, 1, 7, 21);
	take_number(60, 1, 8, 30);
	expect(0, 0, 0);
	take_number(61, 1, 7, 23);
	expect(1, 0, 0);
	take_number(62, 1, 8, 29);
	expect(1, 1, 0);
}

Test(tools_check, counts_one_lost_message_once)
{
	begin(false, 0);
	take_number(1, 1, 7, 1);
	take_number(3, 1, 7, 3);
	expect(1, 0, 0);
}

Test(tools_check, keeps_thousands_of_topics)
{
	uint64_t seq = 1;

	begin(false, 0);
	for (uint64_t number = 1; number <= 3; number++)
		for (uint32_t topic = 0; topic < 5000; topic++)
			take_number(seq++, 1, topic, number);
	expect(0, 0, 0);
	take_number(seq, 1, 4999, 5);
	cr_assert_eq(check.numbers.lost, 1);
	cr_assert_eq(check.generated, 15001);
	check_fini(&check);
}

Test(tools_check, sees_damage)
{
	struct generated generated = {.number = 1, .topic_number = 1, .run = 1};
	struct godwit_identifier identifier = at(1);
	uint8_t payload[30];

	begin(false, 0);
	generated_write(payload, sizeof(payload), &generated);
	payload[29] ^= 0x40;
	check_message(&check, &identifier, 0, payload, sizeof(payload));
	cr_assert_eq(check.damaged, 1);
	cr_assert_not(check_is_clean(&check));
}
