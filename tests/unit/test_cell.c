// SPDX-License-Identifier: BSD-3-Clause
#include <criterion/criterion.h>

#include "control/cell.h"

struct cell {
	_Atomic uint32_t version;
	_Atomic uint64_t words[3];
};

static const uint64_t one[3] = {1, 11, 111}, two[3] = {2, 22, 222};

static void assert_reads(const struct cell_shadow *shadow, const struct cell *cell,
			 const uint64_t *wanted)
{
	uint64_t values[3] = {0};

	cell_read(shadow, &cell->version, cell->words, values, 3);
	cr_assert_arr_eq(values, wanted, sizeof(values));
}

// As cell_write() leaves a cell whose writer loses its CPU after `words` of the new ones.
static void write_half(struct cell_shadow *shadow, struct cell *cell, const uint64_t *values,
		       uint32_t words)
{
	struct cell after = *cell;

	cell_write(shadow, &cell->version, cell->words, values, 3);
	cell->version = after.version + 1;
	for (uint32_t i = words; i < 3; i++)
		cell->words[i] = after.words[i];
}

Test(cell, reads_what_was_written)
{
	struct cell_shadow shadow = {0};
	struct cell cell;

	cell_init(&cell.version, cell.words, one, 3);
	assert_reads(&shadow, &cell, one);
	cell_write(&shadow, &cell.version, cell.words, two, 3);
	assert_reads(&shadow, &cell, two);
}

Test(cell, is_read_as_it_was_while_its_writer_stands_half_way)
{
	struct cell_shadow shadow = {0};

	for (uint32_t words = 0; words <= 3; words++) {
		struct cell cell;

		cell_init(&cell.version, cell.words, one, 3);
		write_half(&shadow, &cell, two, words);
		assert_reads(&shadow, &cell, one);
	}
}

Test(cell, does_not_mind_another_cell_in_change)
{
	struct cell_shadow shadow = {0};
	struct cell cell, other;

	cell_init(&cell.version, cell.words, one, 3);
	cell_init(&other.version, other.words, two, 3);
	write_half(&shadow, &other, one, 1);
	assert_reads(&shadow, &cell, one);
	assert_reads(&shadow, &other, two);
}

Test(cell, does_not_take_words_of_a_shadow_in_change)
{
	struct cell_shadow shadow = {0};
	uint64_t values[3];
	struct cell cell;

	cell_init(&cell.version, cell.words, one, 3);
	write_half(&shadow, &cell, two, 1);
	cr_assert(cell_read_shadow(&shadow, &cell.version, values, 3));
	shadow.serial++;
	cr_assert_not(cell_read_shadow(&shadow, &cell.version, values, 3));
	shadow.serial++;
	shadow.owner++;
	cr_assert_not(cell_read_shadow(&shadow, &cell.version, values, 3));
}
