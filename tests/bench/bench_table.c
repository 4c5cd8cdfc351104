// SPDX-License-Identifier: BSD-3-Clause
//
// bench_table: what a lookup in the cursor table costs while a writer merges entries without a pause.
// Keys are random over the whole table and each has a client of its own, which is the worst case. A
// lookup begins when the one before has its answer, so none hides behind another. Beside it, a chain of
// reads of single lines, random over as much memory: what one miss of the caches costs here.
//
// Prints JSON rows on standard output. Usage: bench_table [cursors], a million or ten by default.
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "control/cursor_table.h"
#include "dataplane/pages.h"

#define LOOKUPS 1000000u
#define ROUNDS	5u
#define SEED	0x5eed5eed5eed5eedull
#define HOMES	4u

struct bench {
	struct cursor_table *table;
	uint32_t cursors;
	_Atomic bool has_ended;
	uint64_t merges;
	double merge_ns;
};

// Of the calling thread alone: a thread that has to share its CPU is not taken for slow.
static uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "bench_table: %s\n", what);
	exit(1);
}

// xorshift64*
static uint64_t random_next(uint64_t *random)
{
	*random ^= *random >> 12;
	*random ^= *random << 25;
	*random ^= *random >> 27;
	return *random * 0x2545f4914f6cdd1dull;
}

static uint32_t random_below(uint64_t *random, uint32_t bound)
{
	return (uint32_t)((random_next(random) >> 32) * bound >> 32);
}

static struct cursor_key key_of(uint32_t i)
{
	return (struct cursor_key){(i + 1) * 0x9e3779b97f4a7c15ull, 0xabcdef, i % 3};
}

static struct cursor entry_of(uint32_t i)
{
	uint16_t home = (uint16_t)(1 + i % HOMES);

	return (struct cursor){.key = key_of(i),
			       .instance = 1,
			       .seq = 1,
			       .cursor_epoch = cursor_epoch_after(0, home),
			       .tag = i * 7ull,
			       .connection = i * 11ull,
			       .epoch = 1,
			       .home = home,
			       .address = godwit_address_v4(0x0a000000 + i, 4000)};
}

// Acknowledgements, and one entry of twenty moves its cursor.
static void *write_all(void *argument)
{
	struct bench *b = argument;
	uint64_t random = SEED, start = clock_ns();
	struct cursor cursor;

	rcu_register();
	while (!atomic_load_explicit(&b->has_ended, memory_order_relaxed)) {
		struct cursor_key key = key_of(random_below(&random, b->cursors));

		if (!cursor_table_find(b->table, &key, &cursor))
			die("a cursor is not found");
		cursor.seq++;
		if (b->merges % 20 == 0) {
			cursor.home = (uint16_t)(1 + cursor.home % HOMES);
			cursor.cursor_epoch = cursor_epoch_after(cursor.cursor_epoch, cursor.home);
		}
		cursor_table_merge(b->table, &cursor, ++b->merges);
		rcu_quiescent();
	}
	b->merge_ns = (double)(clock_ns() - start) / (double)b->merges;
	rcu_unregister();
	return NULL;
}

static double lookup_ns(const struct bench *b, uint64_t *random, bool whole)
{
	uint64_t start = clock_ns();
	struct cursor cursor;

	for (uint32_t i = 0; i < LOOKUPS; i++) {
		struct cursor_key key = key_of(random_below(random, b->cursors));

		if (whole ? !cursor_table_find(b->table, &key, &cursor) :
			    !cursor_table_find_position(b->table, &key, &cursor))
			die("a cursor is not found");
		// The next key hangs on this answer.
		*random ^= (cursor.seq ^ cursor.connection) & 1;
		rcu_quiescent();
	}
	return (double)(clock_ns() - start) / LOOKUPS;
}

// Each key hangs on the last answer of the burst before.
static double burst_ns(const struct bench *b, uint64_t *random)
{
	struct cursor_key keys[CURSOR_TABLE_BURST];
	struct cursor out[CURSOR_TABLE_BURST];
	uint64_t start = clock_ns();

	for (uint32_t done = 0; done < LOOKUPS; done += CURSOR_TABLE_BURST) {
		for (uint32_t i = 0; i < CURSOR_TABLE_BURST; i++)
			keys[i] = key_of(random_below(random, b->cursors));
		if (cursor_table_find_burst(b->table, keys, CURSOR_TABLE_BURST, out) != UINT32_MAX)
			die("a cursor is not found");
		*random ^= out[CURSOR_TABLE_BURST - 1].seq & 1;
		rcu_quiescent();
	}
	return (double)(clock_ns() - start) / LOOKUPS;
}

// Reads of one line each, the next one's place known only from the last.
static double line_ns(const struct pages *pages, uint64_t *random)
{
	const uint8_t *memory = pages->base;
	uint32_t lines = (uint32_t)(pages->bytes / 128);
	uint64_t start = clock_ns();

	for (uint32_t i = 0; i < LOOKUPS; i++)
		*random ^= memory[random_below(random, lines) * 128ull] & 1;
	return (double)(clock_ns() - start) / LOOKUPS;
}

static double home_walk_ms(const struct bench *b)
{
	uint64_t start = clock_ns();
	struct cursor cursor;
	uint32_t count = 0;

	for (uint32_t i = cursor_table_home_first(b->table, 1); i != 0 && count < 100000; count++) {
		uint32_t next = cursor_table_home_next(b->table, i);

		cursor_table_at(b->table, i, &cursor);
		if (cursor.home != 1)
			die("a cursor in the list of another home");
		i = next;
	}
	return (double)(clock_ns() - start) * 1e-6 * 100000 / count;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void print_row(const char *name, double value, const char *unit, double reference)
{
	printf("{\"name\": \"%s\", \"value\": %.3f, \"unit\": \"%s\", \"reference\": %.3f, "
	       "\"ratio\": %.3f}\n",
	       name, value, unit, reference, value / reference);
}

static void fill(struct bench *b, const struct cursor_table_config *config)
{
	b->table = cursor_table_create(config);
	if (b->table == NULL)
		die("cursor_table_create");
	for (uint32_t i = 0; i < b->cursors; i++) {
		// In an order that is not that of the memory.
		struct cursor entry = entry_of((uint32_t)(i * 7919ull % b->cursors));

		if (cursor_table_merge(b->table, &entry, 1) != CURSOR_INSERTED)
			die("a cursor is not inserted");
	}
}

// suffix: of the rows' names.
static void measure(uint32_t cursors, const char *suffix)
{
	static struct rcu_grace grace;
	struct cursor_table_config config = {.cursors_max = cursors,
					     .clients_max = cursors,
					     .seed = SEED,
					     .huge = true,
					     .node = -1,
					     .reclaim = reclaim_by_rcu(&grace)};
	struct cursor_table_bytes bytes = cursor_table_bytes(&config);
	struct bench b = {.cursors = cursors};
	double lookup[ROUNDS], whole[ROUNDS], burst[ROUNDS], line[ROUNDS];
	uint64_t random = SEED + 1;
	struct pages pages;
	pthread_t writer;
	char name[64];

	fill(&b, &config);
	if (pages_map(&pages, bytes.slots, true, -1) != 0)
		die("pages_map");
	memset(pages.base, 2, pages.bytes);
	rcu_register();
	pthread_create(&writer, NULL, write_all, &b);
	lookup_ns(&b, &random, true);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		lookup[i] = lookup_ns(&b, &random, false);
		whole[i] = lookup_ns(&b, &random, true);
		burst[i] = burst_ns(&b, &random);
		line[i] = line_ns(&pages, &random);
		rcu_quiescent();
	}
	atomic_store(&b.has_ended, true);
	rcu_offline();
	pthread_join(writer, NULL);
	qsort(lookup, ROUNDS, sizeof(double), by_value);
	qsort(burst, ROUNDS, sizeof(double), by_value);
	qsort(whole, ROUNDS, sizeof(double), by_value);
	qsort(line, ROUNDS, sizeof(double), by_value);
	snprintf(name, sizeof(name), "table.lookup%s", suffix);
	print_row(name, lookup[ROUNDS / 2], "ns", line[ROUNDS / 2]);
	snprintf(name, sizeof(name), "table.lookup_client%s", suffix);
	print_row(name, whole[ROUNDS / 2], "ns", line[ROUNDS / 2]);
	snprintf(name, sizeof(name), "table.lookup_burst%s", suffix);
	print_row(name, burst[ROUNDS / 2], "ns", line[ROUNDS / 2]);
	snprintf(name, sizeof(name), "table.merge%s", suffix);
	print_row(name, b.merge_ns, "ns", line[ROUNDS / 2]);
	snprintf(name, sizeof(name), "table.walk_100k%s", suffix);
	print_row(name, home_walk_ms(&b), "ms", line[ROUNDS / 2] * 0.1);
	if (*suffix == '\0') {
		print_row("table.cursor", (double)bytes.slots / (cursors + 1.0), "bytes", 128);
		print_row("table.client", (double)bytes.rows / (cursors + 1.0), "bytes", 64);
		print_row("table.buckets", (double)bytes.buckets / cursors, "bytes a cursor", 16);
	}
	fprintf(stderr, "bench_table: %u cursors in %s pages, %.0f MB and %.0f MB of buckets\n",
		cursors, cursor_table_is_huge(b.table) ? "huge" : "ordinary",
		(double)(bytes.slots + bytes.rows) / 1e6, (double)bytes.buckets / 1e6);
	rcu_unregister();
	pages_unmap(&pages);
	cursor_table_destroy(b.table);
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		measure((uint32_t)strtoul(argv[1], NULL, 0), "");
		return 0;
	}
	measure(1000000, "");
	measure(10000000, "_10m");
	return 0;
}
