// SPDX-License-Identifier: BSD-3-Clause
//
// One writer that merges, moves, removes and reclaims against readers that look up under RCU. All of a
// cursor is made from {key, cursor epoch, seq} and all of a client from {client, instance}: an entry of two
// states, or of a slot that was freed under its reader and used again, shows. Under AddressSanitizer a
// slot or row that was freed cannot be touched at all. Epochs and instances only grow, so none goes back.
//
// Usage: stress_cursor_table [seed [seconds]]
//
// Not for ThreadSanitizer: it does not know liburcu's ways.
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "control/cursor_table.h"

#define READERS	     3u
#define CLIENTS	     40u
#define KEYS	     64u // key i is of client i % CLIENTS
#define HOMES	     3u
#define FAILURES_MAX 10u

static struct cursor_table *table;
static _Atomic bool has_ended;
static _Atomic uint32_t failures;

struct reader {
	pthread_t thread;
	uint64_t random;
	uint64_t found, missed, moved, acked;
};

struct writer {
	pthread_t thread;
	uint64_t random, now_ns;
	uint64_t counters[KEYS], seqs[KEYS], instances[CLIENTS];
};

#define FAIL(...)                                                                                  \
	do {                                                                                       \
		if (atomic_fetch_add(&failures, 1) < FAILURES_MAX) {                               \
			fprintf(stderr, "FAIL: " __VA_ARGS__);                                     \
			fputc('\n', stderr);                                                       \
		}                                                                                  \
	} while (0)

// xorshift64*
static uint64_t random_next(uint64_t *random)
{
	*random ^= *random >> 12;
	*random ^= *random << 25;
	*random ^= *random >> 27;
	return *random * 0x2545f4914f6cdd1dull >> 11;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
	a = (a ^ b * 0x9e3779b97f4a7c15ull) * 0xbf58476d1ce4e5b9ull;
	return a ^ a >> 29;
}

static struct cursor_key key_of(uint32_t i)
{
	return (struct cursor_key){1 + i % CLIENTS, 5, i};
}

static uint16_t home_of(uint32_t i, uint64_t counter)
{
	return (uint16_t)(1 + mix(i, counter) % HOMES);
}

static struct cursor make(uint32_t i, uint64_t counter, uint64_t seq, uint64_t instance)
{
	struct cursor_key key = key_of(i);
	uint16_t home = home_of(i, counter);
	uint64_t connection = mix(key.client, instance);

	return (struct cursor){
		.key = key,
		.instance = instance,
		.seq = seq,
		.cursor_epoch = counter << 16 | home,
		.tag = mix(i, counter + 1),
		.connection = connection,
		.filter = mix(i, counter + 2),
		.epoch = (uint32_t)(seq / 16 + i),
		.home = home,
		.core = (uint16_t)mix(i, counter + 3),
		.address = godwit_address_v4((uint32_t)connection, (uint16_t)(connection >> 40)),
	};
}

static void merge(struct writer *w, uint32_t i)
{
	uint64_t kind = random_next(&w->random) % 16;
	struct cursor entry;

	w->seqs[i] += kind < 12;
	w->counters[i] += kind >= 12 && kind < 15;
	w->instances[i % CLIENTS] += kind == 15;
	entry = make(i, w->counters[i], w->seqs[i], w->instances[i % CLIENTS]);
	if (cursor_table_merge(table, &entry, w->now_ns) >= CURSOR_OLDER)
		FAIL("an entry of key %u was not taken", i);
}

// Grace periods one after the other: liburcu's thread, which the server leaves them to, makes some ten a second.
static void wait_here(void *context)
{
	(void)context;
	rcu_synchronize();
}

static bool is_over_here(void *context)
{
	(void)context;
	return true;
}

static void *write_all(void *argument)
{
	struct writer *w = argument;

	while (!atomic_load_explicit(&has_ended, memory_order_relaxed)) {
		uint32_t i = (uint32_t)random_next(&w->random) % KEYS;
		struct cursor_key key = key_of(i);
		uint64_t kind = random_next(&w->random) % 64;

		w->now_ns++;
		if (kind == 0)
			cursor_table_remove(table, &key);
		else
			merge(w, i);
		if (kind != 1 && cursor_table_counter(table, CURSOR_TABLE_retired) < KEYS)
			continue;
		w->now_ns += CURSOR_TABLE_RECLAIM_NS;
		cursor_table_reclaim(table, w->now_ns);
	}
	return NULL;
}

// Whether all of it goes together.
static bool is_whole(const struct cursor *c, uint32_t i)
{
	struct cursor wanted = make(i, c->cursor_epoch >> 16, c->seq, c->instance);

	return c->cursor_epoch == wanted.cursor_epoch && c->tag == wanted.tag &&
	       c->filter == wanted.filter && c->epoch == wanted.epoch && c->home == wanted.home &&
	       c->core == wanted.core && c->flags == 0 && c->rights == 0 &&
	       c->connection == wanted.connection &&
	       godwit_address_equal(&c->address, &wanted.address);
}

static void *read_all(void *argument)
{
	struct cursor last[KEYS] = {0};
	struct reader *r = argument;

	rcu_register();
	while (!atomic_load_explicit(&has_ended, memory_order_relaxed)) {
		uint32_t i = (uint32_t)random_next(&r->random) % KEYS;
		struct cursor_key key = key_of(i);
		struct cursor cursor;

		// Several lookups for a quiescent state, as in a core's turn.
		if (random_next(&r->random) % 16 == 0)
			rcu_quiescent();
		if (!cursor_table_find(table, &key, &cursor)) {
			r->missed++;
			continue;
		}
		r->found++;
		if (!is_whole(&cursor, i))
			FAIL("key %u at epoch %lx, seq %lu, instance %lu is mixed", i,
			     cursor.cursor_epoch, cursor.seq, cursor.instance);
		if (cursor.cursor_epoch < last[i].cursor_epoch || cursor.seq < last[i].seq ||
		    cursor.instance < last[i].instance)
			FAIL("key %u went back to epoch %lx, seq %lu, instance %lu", i,
			     cursor.cursor_epoch, cursor.seq, cursor.instance);
		r->moved += cursor.cursor_epoch != last[i].cursor_epoch;
		r->acked += cursor.seq != last[i].seq;
		last[i] = cursor;
	}
	rcu_unregister();
	return NULL;
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	long seconds = argc > 2 ? strtol(argv[2], NULL, 0) : 3;
	// Slots for all keys twice, so that removed ones are soon used again.
	struct cursor_table_config config = {.cursors_max = 2 * KEYS,
					     .clients_max = 3 * KEYS,
					     .seed = seed,
					     .node = -1,
					     .reclaim = {wait_here, is_over_here, wait_here, NULL}};
	struct timespec duration = {.tv_sec = seconds};
	struct reader readers[READERS] = {0};
	static struct writer writer;

	table = cursor_table_create(&config);
	if (table == NULL) {
		perror("stress_cursor_table");
		return 1;
	}
	writer.random = seed * 0x9e3779b97f4a7c15ull | 1;
	pthread_create(&writer.thread, NULL, write_all, &writer);
	for (uint32_t i = 0; i < READERS; i++) {
		readers[i].random = (seed + i + 1) * 0x9e3779b97f4a7c15ull | 1;
		pthread_create(&readers[i].thread, NULL, read_all, &readers[i]);
	}
	nanosleep(&duration, NULL);
	atomic_store(&has_ended, true);
	pthread_join(writer.thread, NULL);
	for (uint32_t i = 0; i < READERS; i++) {
		const struct reader *r = &readers[i];

		pthread_join(r->thread, NULL);
		printf("reader %u: %lu found, %lu not there, %lu moved, %lu acknowledged\n", i,
		       r->found, r->missed, r->moved, r->acked);
		if (r->moved == 0 || r->acked == 0 || r->missed == 0)
			FAIL("reader %u saw too little", i);
	}
	for (uint32_t i = 0; i < CURSOR_TABLE_COUNTERS_COUNT; i++)
		printf("%s %lu%s", cursor_table_counter_name(i), cursor_table_counter(table, i),
		       i + 1 < CURSOR_TABLE_COUNTERS_COUNT ? ", " : "\n");
	if (cursor_table_counter(table, CURSOR_TABLE_reclaimed) == 0)
		FAIL("nothing was reclaimed");
	printf("%u failures\n", atomic_load(&failures));
	cursor_table_destroy(table);
	return atomic_load(&failures) == 0 ? 0 : 1;
}
