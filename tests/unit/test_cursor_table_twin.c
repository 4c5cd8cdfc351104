// SPDX-License-Identifier: BSD-3-Clause
//
// The cursor table against a naive twin: arrays of cursors and clients in which each answer is found by a
// scan. Thousands of random operations for each of many seeds, on tables that are nearly always full.
#include <criterion/criterion.h>

#include "control/cursor_table.h"

#define SEEDS	      200u
#define OPERATIONS    3000u
#define CLIENTS	      12u
#define KEYS	      60u // that are ever used
#define HOMES	      4u
#define SEC	      1000000000ull
#define CURSOR_AGE    40 * SEC
#define TOMBSTONE_AGE 80 * SEC

struct twin_client {
	bool is_there;
	uint32_t cursors;
	uint64_t instance, connection, heard_ns;
	struct godwit_address address;
	uint32_t rights;
};

struct twin {
	struct cursor_table *table;
	struct cursor_table_config config;
	uint64_t random, now_ns, waited_ns;
	bool has_waited;
	uint32_t seed;
	// key i is of client i % CLIENTS
	bool is_there[KEYS];
	struct cursor cursors[KEYS]; // client facts: see clients
	uint64_t home_since[KEYS];   // operation that put it into its home's list
	struct twin_client clients[CLIENTS];
	uint32_t used, rows, retired, rows_retired;
	uint64_t operation;
	uint64_t verdicts[CURSOR_FULL + 1];
	uint64_t full_clients, removed, expired, reclaimed;
};

static struct twin twin;

// xorshift64*
static uint64_t random_next(void)
{
	twin.random ^= twin.random >> 12;
	twin.random ^= twin.random << 25;
	twin.random ^= twin.random >> 27;
	return twin.random * 0x2545f4914f6cdd1dull >> 11;
}

static uint64_t random_below(uint64_t bound)
{
	return random_next() % bound;
}

static struct cursor_key key_of(uint32_t i)
{
	return (struct cursor_key){100 + i % CLIENTS, 7 + i % 2, i / 7};
}

static uint32_t number_of(const struct cursor_key *key)
{
	for (uint32_t i = 0; i < KEYS; i++) {
		struct cursor_key other = key_of(i);

		if (cursor_key_equal(key, &other))
			return i;
	}
	cr_assert_fail("seed %u: a key that was never used", twin.seed);
	return 0;
}

static void twin_start(uint32_t seed)
{
	memset(&twin, 0, sizeof(twin));
	twin.seed = seed;
	twin.random = seed * 0x9e3779b97f4a7c15ull + 1;
	twin.config = (struct cursor_table_config){
		.cursors_max = (uint32_t)(10 + random_below(KEYS)),
		.clients_max = (uint32_t)(3 + random_below(CLIENTS)),
		.seed = random_next(),
		.node = -1,
	};
	twin.table = cursor_table_create(&twin.config);
	cr_assert_not_null(twin.table);
}

static bool is_tombstone(uint32_t i)
{
	return (twin.cursors[i].flags & GODWIT_CURSOR_TOMBSTONE) != 0;
}

// ---- the naive table -------------------------------------------------------------------------------

static void naive_hear(struct twin_client *client, const struct cursor *entry)
{
	if (client->is_there && entry->instance < client->instance)
		return;
	client->instance = entry->instance;
	client->connection = entry->connection;
	client->address = entry->address;
	client->heard_ns = twin.now_ns;
}

static enum cursor_verdict naive_insert(uint32_t i, const struct cursor *entry)
{
	struct twin_client *client = &twin.clients[i % CLIENTS];

	if (twin.used + twin.retired == twin.config.cursors_max)
		return CURSOR_FULL;
	if (!client->is_there && twin.rows + twin.rows_retired == twin.config.clients_max) {
		twin.full_clients++;
		return CURSOR_FULL;
	}
	naive_hear(client, entry);
	twin.rows += !client->is_there;
	client->is_there = true;
	client->cursors++;
	twin.used++;
	twin.is_there[i] = true;
	twin.cursors[i] = *entry;
	twin.cursors[i].heard_ns = twin.now_ns;
	twin.home_since[i] = twin.operation;
	return is_tombstone(i) ? CURSOR_BURIED : CURSOR_INSERTED;
}

// The rule said once more, from its words.
static enum cursor_verdict naive_change(uint32_t i, const struct cursor *entry)
{
	struct cursor *held = &twin.cursors[i];
	struct cursor before = *held;
	bool is_further = entry->epoch > held->epoch ||
			  (entry->epoch == held->epoch && entry->seq > held->seq);
	bool is_equal = entry->epoch == held->epoch && entry->seq == held->seq;
	uint16_t flags = held->flags | entry->flags;
	enum cursor_verdict verdict;

	if (entry->cursor_epoch < held->cursor_epoch)
		return CURSOR_OLDER;
	if (entry->cursor_epoch > held->cursor_epoch) {
		*held = *entry;
		verdict = is_tombstone(i) ? CURSOR_BURIED : CURSOR_MOVED;
	} else if (entry->home != held->home) {
		return CURSOR_CONTRADICTED;
	} else if (flags != held->flags || is_further) {
		if (is_further) {
			held->epoch = entry->epoch;
			held->seq = entry->seq;
		}
		verdict = flags == held->flags			 ? CURSOR_ACKED :
			  (flags & GODWIT_CURSOR_TOMBSTONE) != 0 ? CURSOR_BURIED :
								   CURSOR_LAPSED;
		held->flags = flags;
	} else if (is_equal && entry->flags == held->flags) {
		verdict = CURSOR_SAME;
	} else {
		return CURSOR_OLDER;
	}
	if (before.home != held->home || ((before.flags ^ held->flags) & GODWIT_CURSOR_TOMBSTONE))
		twin.home_since[i] = twin.operation;
	held->heard_ns = twin.now_ns;
	naive_hear(&twin.clients[i % CLIENTS], entry);
	return verdict;
}

static void naive_retire(uint32_t i)
{
	struct twin_client *client = &twin.clients[i % CLIENTS];

	twin.is_there[i] = false;
	twin.used--;
	twin.retired++;
	if (--client->cursors == 0) {
		*client = (struct twin_client){0};
		twin.rows--;
		twin.rows_retired++;
	}
}

// ---- checks ----------------------------------------------------------------------------------------

static void check_cursor(const struct cursor *cursor, uint32_t i)
{
	const struct cursor *held = &twin.cursors[i];
	const struct twin_client *client = &twin.clients[i % CLIENTS];
	struct cursor_key key = key_of(i);

	cr_assert(cursor_key_equal(&cursor->key, &key));
	cr_assert_eq(cursor->seq, held->seq, "seed %u: key %u", twin.seed, i);
	cr_assert_eq(cursor->epoch, held->epoch);
	cr_assert_eq(cursor->cursor_epoch, held->cursor_epoch);
	cr_assert_eq(cursor->home, held->home);
	cr_assert_eq(cursor->core, held->core);
	cr_assert_eq(cursor->flags, held->flags);
	cr_assert_eq(cursor->tag, held->tag);
	cr_assert_eq(cursor->filter, held->filter);
	cr_assert_eq(cursor->heard_ns, held->heard_ns);
	cr_assert_eq(cursor->instance, client->instance, "seed %u: key %u", twin.seed, i);
	cr_assert_eq(cursor->connection, client->connection);
	cr_assert(godwit_address_equal(&cursor->address, &client->address));
	cr_assert_eq(cursor->rights, client->rights);
	cr_assert_eq(cursor->client_heard_ns, client->heard_ns);
}

static void check_find(uint32_t i)
{
	struct cursor_key key = key_of(i);
	struct cursor cursor;

	cr_assert_eq(cursor_table_find(twin.table, &key, &cursor), twin.is_there[i],
		     "seed %u: key %u", twin.seed, i);
	if (twin.is_there[i])
		check_cursor(&cursor, i);
}

static void check_burst(void)
{
	uint32_t first = (uint32_t)random_below(KEYS), count = (uint32_t)random_below(33);
	struct cursor_key keys[CURSOR_TABLE_BURST];
	struct cursor out[CURSOR_TABLE_BURST];
	uint32_t wanted = 0;

	for (uint32_t k = 0; k < count; k++) {
		keys[k] = key_of((first + k) % KEYS);
		wanted |= (uint32_t)twin.is_there[(first + k) % KEYS] << k;
	}
	cr_assert_eq(cursor_table_find_burst(twin.table, keys, count, out), wanted);
	for (uint32_t k = 0; k < count; k++) {
		const struct cursor *held = &twin.cursors[(first + k) % KEYS];

		if ((wanted >> k & 1) == 0)
			continue;
		cr_assert(cursor_key_equal(&out[k].key, &keys[k]));
		cr_assert_eq(out[k].cursor_epoch, held->cursor_epoch);
		cr_assert_eq(out[k].seq, held->seq);
		cr_assert_eq(out[k].flags, held->flags);
		cr_assert_eq(out[k].instance, 0);
	}
}

static void check_home(uint16_t home)
{
	uint64_t since = 0;
	struct cursor cursor;
	uint32_t wanted = 0, live = 0, met = 0, next;

	for (uint32_t i = 0; i < KEYS; i++) {
		bool is_here = twin.is_there[i] && twin.cursors[i].home == home;

		wanted += is_here && !is_tombstone(i);
		live += is_here && twin.cursors[i].flags == 0;
	}
	cr_assert_eq(cursor_table_home_count(twin.table, home), wanted);
	cr_assert_eq(cursor_table_home_live(twin.table, home), live);
	for (uint32_t at = cursor_table_home_first(twin.table, home); at != 0; at = next, met++) {
		uint32_t i;

		next = cursor_table_home_next(twin.table, at);
		cursor_table_at(twin.table, at, &cursor);
		i = number_of(&cursor.key);
		cr_assert(twin.is_there[i] && !is_tombstone(i) && cursor.home == home);
		check_cursor(&cursor, i);
		cr_assert_gt(twin.home_since[i], since, "seed %u: home %u is out of order",
			     twin.seed, home);
		since = twin.home_since[i];
	}
	cr_assert_eq(met, wanted);
}

static void check_client(uint32_t number)
{
	uint64_t wanted = 0, met = 0;
	struct cursor cursor;

	for (uint32_t i = number; i < KEYS; i += CLIENTS)
		if (twin.is_there[i] && !is_tombstone(i))
			wanted |= 1ull << i;
	for (uint32_t at = cursor_table_client_first(twin.table, 100 + number); at != 0;
	     at = cursor_table_client_next(twin.table, at)) {
		cursor_table_at(twin.table, at, &cursor);
		cr_assert_eq(met >> number_of(&cursor.key) & 1, 0);
		met |= 1ull << number_of(&cursor.key);
	}
	cr_assert_eq(met, wanted, "seed %u: client %u: %lx, not %lx", twin.seed, number, met,
		     wanted);
}

static void check_pages(void)
{
	struct cursor_page page = {.home = (uint16_t)random_below(HOMES + 1),
				   .tombstones = random_below(2)};
	uint64_t wanted = 0, met = 0;
	struct cursor out[8];

	for (uint32_t i = 0; i < KEYS; i++)
		if (twin.is_there[i] && (page.home == 0 || twin.cursors[i].home == page.home) &&
		    (page.tombstones || !is_tombstone(i)))
			wanted |= 1ull << i;
	do {
		uint32_t max = (uint32_t)(1 + random_below(8));
		uint32_t count = cursor_table_page(twin.table, &page, out, max,
						   (uint32_t)(1 + random_below(30)));

		cr_assert_leq(count, max);
		for (uint32_t i = 0; i < count; i++) {
			cr_assert_eq(met >> number_of(&out[i].key) & 1, 0);
			met |= 1ull << number_of(&out[i].key);
			check_cursor(&out[i], number_of(&out[i].key));
		}
	} while (page.next != 0);
	cr_assert_eq(met, wanted, "seed %u", twin.seed);
}

static void check_counter(enum cursor_table_counter which, uint64_t wanted)
{
	cr_assert_eq(cursor_table_counter(twin.table, which), wanted, "seed %u: %s %lu, not %lu",
		     twin.seed, cursor_table_counter_name(which),
		     cursor_table_counter(twin.table, which), wanted);
}

static void check_counters(void)
{
	uint32_t tombstones = 0;

	for (uint32_t i = 0; i < KEYS; i++)
		tombstones += twin.is_there[i] && is_tombstone(i);
	for (uint32_t v = CURSOR_INSERTED; v <= CURSOR_FULL; v++)
		check_counter((enum cursor_table_counter)v, twin.verdicts[v]);
	check_counter(CURSOR_TABLE_tombstones, tombstones);
	check_counter(CURSOR_TABLE_cursors, twin.used - tombstones);
	check_counter(CURSOR_TABLE_clients, twin.rows);
	check_counter(CURSOR_TABLE_retired, twin.retired);
	check_counter(CURSOR_TABLE_full_clients, twin.full_clients);
	check_counter(CURSOR_TABLE_removed, twin.removed);
	check_counter(CURSOR_TABLE_expired, twin.expired);
	check_counter(CURSOR_TABLE_reclaimed, twin.reclaimed);
}

static void check_all(void)
{
	for (uint32_t i = 0; i < KEYS; i++)
		check_find(i);
	for (uint16_t home = 1; home <= HOMES; home++)
		check_home(home);
	for (uint32_t number = 0; number < CLIENTS; number++)
		check_client(number);
	check_pages();
	check_counters();
}

// ---- operations ------------------------------------------------------------------------------------

static void merge(void)
{
	uint32_t i = (uint32_t)random_below(KEYS);
	const struct cursor *held = &twin.cursors[i];
	uint64_t counter = held->cursor_epoch >> 16;
	uint64_t kind = random_below(20);
	struct cursor entry = {
		.key = key_of(i),
		.instance = 1 + random_below(3),
		.tag = random_next(),
		.connection = random_below(3),
		.filter = random_next(),
		.core = (uint16_t)random_below(3),
		.rights = 99, // not to be looked at
		.heard_ns = 99,
		.address = godwit_address_v4((uint32_t)random_below(3), 4000),
	};
	enum cursor_verdict verdict;

	// A lower, the same, or a higher cursor epoch; about the position that is held.
	if (kind < 4)
		counter += 1 + random_below(2);
	else if (kind < 7)
		counter -= counter > 0;
	entry.home = kind < 8 ? (uint16_t)(1 + random_below(HOMES)) : held->home;
	entry.home = entry.home == 0 ? 1 : entry.home;
	entry.cursor_epoch = kind == 7 ? held->cursor_epoch : counter << 16 | entry.home;
	entry.epoch = held->epoch + (uint32_t)(random_below(10) == 0);
	entry.seq = held->seq + random_below(4) - (held->seq > 0);
	if (random_below(8) == 0)
		entry.flags |= GODWIT_CURSOR_TOMBSTONE;
	if (random_below(8) == 0)
		entry.flags |= GODWIT_CURSOR_LAPSED;
	verdict = twin.is_there[i] ? naive_change(i, &entry) : naive_insert(i, &entry);
	twin.verdicts[verdict]++;
	cr_assert_eq(cursor_table_merge(twin.table, &entry, twin.now_ns), verdict,
		     "seed %u: operation %lu: not %u", twin.seed, twin.operation, verdict);
	check_find(i);
}

static void remove_one(void)
{
	uint32_t i = (uint32_t)random_below(KEYS);
	struct cursor_key key = key_of(i);

	cr_assert_eq(cursor_table_remove(twin.table, &key), twin.is_there[i]);
	if (!twin.is_there[i])
		return;
	naive_retire(i);
	twin.removed++;
}

static void expire_all(void)
{
	struct cursor_expiry expiry = {CURSOR_AGE, TOMBSTONE_AGE};
	uint32_t expired = 0;

	for (uint32_t i = 0; i < KEYS; i++) {
		uint64_t age_ns = twin.now_ns - twin.cursors[i].heard_ns;

		if (!twin.is_there[i] || age_ns <= (is_tombstone(i) ? TOMBSTONE_AGE : CURSOR_AGE))
			continue;
		naive_retire(i);
		expired++;
	}
	cr_assert_eq(cursor_table_expire(twin.table, &expiry, twin.now_ns, UINT32_MAX), expired,
		     "seed %u", twin.seed);
	twin.expired += expired;
}

static void reclaim(void)
{
	uint32_t freed = 0;

	if (twin.retired > 0 &&
	    (!twin.has_waited || twin.now_ns - twin.waited_ns >= CURSOR_TABLE_RECLAIM_NS)) {
		freed = twin.retired;
		twin.retired = twin.rows_retired = 0;
		twin.reclaimed += freed;
		twin.has_waited = true;
		twin.waited_ns = twin.now_ns;
	}
	cr_assert_eq(cursor_table_reclaim(twin.table, twin.now_ns), freed, "seed %u", twin.seed);
}

static void set_rights(void)
{
	uint32_t number = (uint32_t)random_below(CLIENTS);
	uint32_t rights = (uint32_t)random_next();
	struct twin_client *client = &twin.clients[number];

	cr_assert_eq(cursor_table_set_rights(twin.table, 100 + number, rights), client->is_there);
	if (client->is_there)
		client->rights = rights;
}

static void run_operation(void)
{
	uint64_t kind = random_below(100);

	twin.operation++;
	twin.now_ns += random_below(20) == 0 ? random_below(8 * SEC) : random_below(SEC / 50);
	if (kind < 72)
		merge();
	else if (kind < 78)
		remove_one();
	else if (kind < 84)
		reclaim();
	else if (kind < 86)
		expire_all();
	else if (kind < 90)
		set_rights();
	else if (kind < 93)
		check_home((uint16_t)(1 + random_below(HOMES)));
	else if (kind < 96)
		check_client((uint32_t)random_below(CLIENTS));
	else if (kind < 98)
		check_pages();
	else if (kind < 99)
		check_burst();
	else
		check_find((uint32_t)random_below(KEYS));
}

Test(cursor_table_twin, agrees_after_any_operation)
{
	uint64_t verdicts[CURSOR_FULL + 1] = {0}, expired = 0, full_clients = 0;

	for (uint32_t seed = 1; seed <= SEEDS; seed++) {
		twin_start(seed);
		for (uint32_t i = 0; i < OPERATIONS; i++)
			run_operation();
		check_all();
		for (uint32_t v = 0; v <= CURSOR_FULL; v++)
			verdicts[v] += twin.verdicts[v];
		expired += twin.expired;
		full_clients += twin.full_clients;
		cursor_table_destroy(twin.table);
	}
	// The runs went where they should.
	for (uint32_t v = 0; v <= CURSOR_FULL; v++)
		cr_assert_gt(verdicts[v], 1000, "%u", v);
	cr_assert_gt(expired, SEEDS);
	cr_assert_gt(full_clients, SEEDS);
}

// Entries in any order, doubled, come to the same: cursor by cursor.
Test(cursor_table_twin, does_not_ask_in_which_order_entries_come)
{
	struct godwit_cursor first[3], last[3];
	struct cursor entries[24];

	for (uint32_t seed = 1; seed <= SEEDS; seed++) {
		uint32_t there = 0;

		twin_start(seed);
		for (uint32_t k = 0; k < 24; k++) {
			uint32_t i = (uint32_t)random_below(3);
			uint16_t home = (uint16_t)(1 + random_below(HOMES));

			entries[k] = (struct cursor){
				.key = key_of(i),
				.cursor_epoch = (1 + random_below(3)) << 16 | home,
				.home = home,
				.tag = home, // one server says one thing
				.seq = random_below(5),
				.flags = (uint16_t)(random_below(6) == 0 ? GODWIT_CURSOR_TOMBSTONE :
									   0),
			};
		}
		for (uint32_t round = 0; round < 2; round++) {
			twin.config.cursors_max = KEYS;
			cursor_table_destroy(twin.table);
			twin.table = cursor_table_create(&twin.config);
			for (uint32_t k = 0; k < 48; k++) {
				uint32_t at = round == 0 ? k % 24 : 23 - k % 24;

				cursor_table_merge(twin.table, &entries[at], k);
			}
			for (uint32_t i = 0; i < 3; i++) {
				struct cursor_key key = key_of(i);
				struct cursor cursor = {0};

				there += cursor_table_find_position(twin.table, &key, &cursor);
				cursor_encode(&cursor, round == 0 ? &first[i] : &last[i]);
			}
		}
		cr_assert_gt(there, 0);
		cr_assert_arr_eq(first, last, sizeof(first), "seed %u", seed);
		cursor_table_destroy(twin.table);
	}
}
