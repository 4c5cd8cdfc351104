// SPDX-License-Identifier: BSD-3-Clause
//
// One writer of a few cells against readers. All words of a cell are made from one number, which only
// grows: a reader that gets words of two numbers, or a number lower than before, has found a mistake.
//
// Usage: stress_cell [seconds]
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "control/cell.h"

#define CELLS	3u
#define READERS 3u
#define WORDS	CELL_WORDS

static struct {
	_Atomic uint32_t version;
	_Atomic uint64_t words[WORDS];
} cells[CELLS];

static struct cell_shadow shadow;
static _Atomic bool has_ended;

struct reader {
	pthread_t thread;
	uint64_t reads, changes, mixed, back;
};

static void make(uint64_t number, uint64_t *words)
{
	for (uint32_t i = 0; i < WORDS; i++)
		words[i] = number * 0x9e3779b97f4a7c15ull + i;
}

static void *write_all(void *argument)
{
	uint64_t *writes = argument;
	uint64_t words[WORDS];

	while (!atomic_load_explicit(&has_ended, memory_order_relaxed)) {
		uint64_t cell = *writes / 5 % CELLS;

		make(++*writes, words);
		cell_write(&shadow, &cells[cell].version, cells[cell].words, words, WORDS);
	}
	return NULL;
}

static void *read_all(void *argument)
{
	struct reader *reader = argument;
	uint64_t numbers[CELLS] = {0};
	uint64_t words[WORDS], wanted[WORDS];

	while (!atomic_load_explicit(&has_ended, memory_order_relaxed)) {
		uint64_t cell = reader->reads++ % CELLS;
		uint64_t number;

		cell_read(&shadow, &cells[cell].version, cells[cell].words, words, WORDS);
		// The inverse of the odd factor.
		number = words[0] * 0xf1de83e19937733dull;
		make(number, wanted);
		for (uint32_t i = 1; i < WORDS; i++)
			if (words[i] != wanted[i]) {
				reader->mixed++;
				break;
			}
		reader->back += number < numbers[cell];
		reader->changes += number != numbers[cell];
		numbers[cell] = number;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	long seconds = argc > 1 ? strtol(argv[1], NULL, 0) : 2;
	struct timespec duration = {.tv_sec = seconds};
	struct reader readers[READERS] = {0};
	uint64_t writes = 0, words[WORDS];
	pthread_t writer;
	bool is_well = true;

	make(0, words);
	for (uint32_t i = 0; i < CELLS; i++)
		cell_init(&cells[i].version, cells[i].words, words, WORDS);
	for (uint32_t i = 0; i < READERS; i++)
		pthread_create(&readers[i].thread, NULL, read_all, &readers[i]);
	pthread_create(&writer, NULL, write_all, &writes);
	nanosleep(&duration, NULL);
	atomic_store(&has_ended, true);
	pthread_join(writer, NULL);
	for (uint32_t i = 0; i < READERS; i++) {
		const struct reader *r = &readers[i];

		pthread_join(r->thread, NULL);
		printf("reader %u: %lu reads, %lu changes seen, %lu mixed, %lu back\n", i, r->reads,
		       r->changes, r->mixed, r->back);
		is_well = is_well && r->changes > 0 && r->mixed == 0 && r->back == 0;
	}
	printf("%lu writes\n", writes);
	return is_well ? 0 : 1;
}
