// SPDX-License-Identifier: BSD-3-Clause
#include "client/tools/check.h"

#include <errno.h>
#include <godwit/errors.h>
#include <stdlib.h>

#include "client/tools/generated.h"

#define LINE_SEQUENCES UINT64_MAX // of holes; those of numbers have the topic's
#define SLOTS_FIRST    64u

// ---- holes --------------------------------------------------------------------------------------

static void hole_add(struct check *check, uint64_t line, uint64_t first, uint64_t last)
{
	if (first > last)
		return;
	check->holes[check->hole_next++ % CHECK_HOLES] =
		(struct check_hole){.line = line, .first = first, .last = last};
}

// Whether the number was missing; it is no more.
static bool hole_take(struct check *check, uint64_t line, uint64_t number)
{
	for (uint32_t i = 0; i < CHECK_HOLES; i++) {
		struct check_hole *hole = &check->holes[i];
		uint64_t last = hole->last;

		if (hole->line != line || hole->first == 0 || number < hole->first || number > last)
			continue;
		if (hole->first == number && last == number)
			hole->first = 0;
		else if (hole->first == number)
			hole->first++;
		else
			hole->last = number - 1;
		if (hole->first != 0 && hole->first < number)
			hole_add(check, line, number + 1, last);
		return true;
	}
	return false;
}

// One number of a line that has no holes.
static void line_step(struct check *check, struct check_counts *counts, uint64_t line,
		      uint64_t *expected, uint64_t number)
{
	if (number >= *expected) {
		counts->lost += number - *expected;
		hole_add(check, line, *expected, number - 1);
		*expected = number + 1;
	} else if (hole_take(check, line, number)) {
		counts->lost--;
		counts->reordered++;
	} else {
		counts->repeated++;
	}
}

// ---- numbers of generators ----------------------------------------------------------------------

static struct check_topic *topic_slot(struct check_topic *topics, uint32_t slots, uint64_t line)
{
	uint32_t at = (uint32_t)(line * 0x9e3779b97f4a7c15ull >> 32);

	while (topics[at & (slots - 1)].line != 0 && topics[at & (slots - 1)].line != line)
		at++;
	return &topics[at & (slots - 1)];
}

static int topics_grow(struct check *check)
{
	uint32_t slots = check->topic_slots != 0 ? check->topic_slots * 2 : SLOTS_FIRST;
	struct check_topic *topics = calloc(slots, sizeof(*topics));

	if (topics == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < check->topic_slots; i++)
		if (check->topics[i].line != 0)
			*topic_slot(topics, slots, check->topics[i].line) = check->topics[i];
	free(check->topics);
	check->topics = topics;
	check->topic_slots = slots;
	return 0;
}

static int check_number(struct check *check, uint32_t topic, const struct generated *generated)
{
	uint64_t line = 1ull << 63 | (uint64_t)generated->run << 32 | topic;
	struct check_topic *slot;

	if (check->topic_count * 2 >= check->topic_slots && topics_grow(check) != 0)
		return -ENOMEM;
	slot = topic_slot(check->topics, check->topic_slots, line);
	if (slot->line == 0) {
		// Where a subscription meets a run is where its numbers begin.
		*slot = (struct check_topic){.line = line, .expected = generated->topic_number};
		slot->announced = check->announced;
		check->topic_count++;
	}
	if (slot->announced != check->announced) {
		slot->announced = check->announced;
		if (generated->topic_number > slot->expected)
			slot->expected = generated->topic_number;
	}
	line_step(check, &check->numbers, line, &slot->expected, generated->topic_number);
	return 0;
}

// ---- what the subscription says -----------------------------------------------------------------

void check_init(struct check *check, bool is_filtered)
{
	*check = (struct check){.is_filtered = is_filtered};
}

void check_fini(struct check *check)
{
	free(check->topics);
	check->topics = NULL;
}

void check_begin(struct check *check, const struct godwit_identifier *after)
{
	if (check->has_begun)
		return;
	check->has_begun = true;
	check->session = after->session;
	check->expected = after->seq + 1;
}

int check_message(struct check *check, const struct godwit_identifier *identifier, uint32_t topic,
		  const void *payload, size_t length)
{
	struct generated generated;

	if (!check->has_begun)
		check_begin(check, &(struct godwit_identifier){.session = identifier->session,
							       .seq = identifier->seq - 1});
	if (identifier->session != check->session) {
		// A history that nobody announced: what it follows cannot be said.
		check->sequences.lost++;
		check_session(check, &(struct godwit_identifier){.session = identifier->session,
								 .seq = identifier->seq - 1});
	}
	if (!check->is_filtered) {
		line_step(check, &check->sequences, LINE_SEQUENCES, &check->expected,
			  identifier->seq);
	} else if (identifier->seq >= check->expected) {
		check->expected = identifier->seq + 1;
	} else if (identifier->seq + 1 == check->expected) {
		check->sequences.repeated++;
	} else {
		check->sequences.reordered++;
	}
	if (!generated_read(payload, length, &generated))
		return 0;
	check->generated++;
	if (generated.is_damaged) {
		check->damaged++;
		return 0;
	}
	return check_number(check, topic, &generated);
}

void check_gap(struct check *check, uint64_t first, uint64_t last,
	       const struct godwit_identifier *after)
{
	uint64_t count = last >= first ? last - first + 1 : 0;

	check->announced++;
	if (after->seq < first) {
		check->withdrawn += count;
	} else {
		check->truncated += count;
		// Between the last message and the gap all must have come.
		if (!check->is_filtered && check->has_begun && first > check->expected)
			check->sequences.lost += first - check->expected;
	}
	check->expected = after->seq + 1;
}

void check_session(struct check *check, const struct godwit_identifier *after)
{
	check->announced++;
	check->has_begun = true;
	check->session = after->session;
	check->expected = after->seq + 1;
	// Holes of the history before are lost for good.
	for (uint32_t i = 0; i < CHECK_HOLES; i++)
		if (check->holes[i].line == LINE_SEQUENCES)
			check->holes[i].first = 0;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

struct check_counts check_total(const struct check *check)
{
	return (struct check_counts){
		.lost = larger(check->sequences.lost, check->numbers.lost),
		.repeated = larger(check->sequences.repeated, check->numbers.repeated),
		.reordered = larger(check->sequences.reordered, check->numbers.reordered),
	};
}

bool check_is_clean(const struct check *check)
{
	struct check_counts total = check_total(check);

	return (total.lost | total.repeated | total.reordered | check->damaged) == 0;
}
