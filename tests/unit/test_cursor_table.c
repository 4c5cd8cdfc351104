// SPDX-License-Identifier: BSD-3-Clause
#include <criterion/criterion.h>
#include <errno.h>

#include "control/cursor_table.h"
#include "tests/support/checked.h"

#define SEC 1000000000ull

static const struct cursor_table_config config = {
	.cursors_max = 100, .clients_max = 50, .seed = 0x123456789abcdef, .node = -1};

static struct cursor_table *t;

static void start(void)
{
	t = cursor_table_create(&config);
	cr_assert_not_null(t);
}

static void stop(void)
{
	cursor_table_destroy(t);
}

TestSuite(cursor_table, .init = start);

// The cursor `subscription` of a client, at home on a server by its `counter`-th cursor epoch.
static struct cursor entry_of(uint64_t client, uint32_t subscription, uint64_t counter,
			      uint16_t home)
{
	return (struct cursor){.key = {client, 0x5e55, subscription},
			       .instance = 1000,
			       .seq = 10,
			       .cursor_epoch = counter << 16 | home,
			       .tag = client * 100 + subscription,
			       .connection = client * 1000,
			       .filter = 0xf117,
			       .epoch = 3,
			       .home = home,
			       .core = 1,
			       .address = godwit_address_v4((uint32_t)client, 4000)};
}

static enum cursor_verdict merge(struct cursor entry, uint64_t now_ns)
{
	return cursor_table_merge(t, &entry, now_ns);
}

static struct cursor found(uint64_t client, uint32_t subscription)
{
	struct cursor cursor;

	cr_assert(cursor_table_find(t, &(struct cursor_key){client, 0x5e55, subscription}, &cursor),
		  "client %lu subscription %u is not there", client, subscription);
	return cursor;
}

static bool is_there(uint64_t client, uint32_t subscription)
{
	struct cursor cursor;
	struct cursor_key key = {client, 0x5e55, subscription};
	bool is_found = cursor_table_find(t, &key, &cursor);

	cr_assert_eq(cursor_table_find_position(t, &key, &cursor), is_found);
	return is_found;
}

static uint64_t counter(enum cursor_table_counter which)
{
	return cursor_table_counter(t, which);
}

// The clients in the list of a home, as digits.
static uint64_t home_digits(uint16_t home)
{
	uint64_t digits = 0;
	struct cursor cursor;
	uint32_t count = 0;

	for (uint32_t i = cursor_table_home_first(t, home); i != 0;
	     i = cursor_table_home_next(t, i), count++) {
		cursor_table_at(t, i, &cursor);
		cr_assert_eq(cursor.home, home);
		digits = digits * 10 + cursor.key.client;
	}
	cr_assert_eq(count, cursor_table_home_count(t, home));
	return digits;
}

Checked(cursor_table, finds_what_was_put_in_whole, stop)
{
	struct cursor entry = entry_of(7, 2, 4, 3), cursor;

	cr_assert_not(is_there(7, 2));
	cr_assert_eq(merge(entry, 5 * SEC), CURSOR_INSERTED);
	cursor = found(7, 2);
	cr_assert(cursor_key_equal(&cursor.key, &entry.key));
	cr_assert_eq(cursor.instance, entry.instance);
	cr_assert_eq(cursor.seq, entry.seq);
	cr_assert_eq(cursor.cursor_epoch, entry.cursor_epoch);
	cr_assert_eq(cursor.tag, entry.tag);
	cr_assert_eq(cursor.connection, entry.connection);
	cr_assert_eq(cursor.filter, entry.filter);
	cr_assert_eq(cursor.epoch, entry.epoch);
	cr_assert_eq(cursor.home, entry.home);
	cr_assert_eq(cursor.core, entry.core);
	cr_assert_eq(cursor.flags, 0);
	cr_assert(godwit_address_equal(&cursor.address, &entry.address));
	cr_assert_eq(cursor.rights, 0);
	cr_assert_eq(cursor.heard_ns, 5 * SEC);
	cr_assert_eq(cursor.client_heard_ns, 5 * SEC);
	cr_assert_not(is_there(7, 3));
	cr_assert_not(is_there(8, 2));
}

Checked(cursor_table, finds_a_position_without_the_client, stop)
{
	struct cursor entry = entry_of(7, 2, 4, 3), cursor;

	merge(entry, SEC);
	cr_assert(cursor_table_find_position(t, &entry.key, &cursor));
	cr_assert(cursor_key_equal(&cursor.key, &entry.key));
	cr_assert_eq(cursor.seq, 10);
	cr_assert_eq(cursor.cursor_epoch, entry.cursor_epoch);
	cr_assert_eq(cursor.home, 3);
	cr_assert_eq(cursor.heard_ns, SEC);
	cr_assert_eq(cursor.instance, 0);
	cr_assert_eq(cursor.connection, 0);
	cr_assert_eq(cursor.address.port, 0);
}

Checked(cursor_table, tells_sessions_and_subscriptions_apart, stop)
{
	struct cursor other = entry_of(7, 2, 4, 3);

	merge(entry_of(7, 2, 4, 3), SEC);
	other.key.session++;
	cr_assert_eq(merge(other, SEC), CURSOR_INSERTED);
	cr_assert_eq(counter(CURSOR_TABLE_cursors), 2);
	cr_assert_eq(counter(CURSOR_TABLE_clients), 1);
}

Checked(cursor_table, gives_each_entry_its_verdict, stop)
{
	struct cursor entry = entry_of(7, 2, 4, 3);

	cr_assert_eq(merge(entry, 1 * SEC), CURSOR_INSERTED);
	cr_assert_eq(merge(entry, 2 * SEC), CURSOR_SAME);
	cr_assert_eq(found(7, 2).heard_ns, 2 * SEC);
	entry.seq = 11;
	cr_assert_eq(merge(entry, 3 * SEC), CURSOR_ACKED);
	cr_assert_eq(found(7, 2).seq, 11);
	entry.seq = 9;
	cr_assert_eq(merge(entry, 4 * SEC), CURSOR_OLDER);
	cr_assert_eq(found(7, 2).seq, 11);
	cr_assert_eq(found(7, 2).heard_ns, 3 * SEC);
	cr_assert_eq(merge(entry_of(7, 2, 5, 1), 5 * SEC), CURSOR_MOVED);
	cr_assert_eq(found(7, 2).home, 1);
	cr_assert_eq(found(7, 2).seq, 10);
	cr_assert_eq(merge(entry_of(7, 2, 4, 3), 6 * SEC), CURSOR_OLDER);
	entry = entry_of(7, 2, 5, 1);
	entry.home = 9;
	cr_assert_eq(merge(entry, 6 * SEC), CURSOR_CONTRADICTED);
	entry = entry_of(7, 2, 5, 1);
	entry.flags = GODWIT_CURSOR_LAPSED;
	cr_assert_eq(merge(entry, 7 * SEC), CURSOR_LAPSED);
	entry.flags = GODWIT_CURSOR_TOMBSTONE;
	cr_assert_eq(merge(entry, 8 * SEC), CURSOR_BURIED);
	cr_assert_eq(counter(CURSOR_TABLE_inserted), 1);
	cr_assert_eq(counter(CURSOR_TABLE_same), 1);
	cr_assert_eq(counter(CURSOR_TABLE_acked), 1);
	cr_assert_eq(counter(CURSOR_TABLE_older), 2);
	cr_assert_eq(counter(CURSOR_TABLE_moved), 1);
	cr_assert_eq(counter(CURSOR_TABLE_contradicted), 1);
	cr_assert_eq(counter(CURSOR_TABLE_lapsed), 1);
	cr_assert_eq(counter(CURSOR_TABLE_buried), 1);
	cr_assert_str_eq(cursor_table_counter_name(CURSOR_TABLE_contradicted), "contradicted");
}

Checked(cursor_table, does_not_bring_back_what_was_buried, stop)
{
	struct cursor ended = entry_of(7, 2, 5, 1);

	merge(entry_of(7, 2, 5, 1), SEC);
	ended.flags = GODWIT_CURSOR_TOMBSTONE;
	cr_assert_eq(merge(ended, SEC), CURSOR_BURIED);
	cr_assert(cursor_is_tombstone(&(struct cursor){.flags = found(7, 2).flags}));
	cr_assert_eq(merge(entry_of(7, 2, 5, 1), SEC), CURSOR_OLDER);
	cr_assert_eq(merge(entry_of(7, 2, 4, 2), SEC), CURSOR_OLDER);
	cr_assert_eq(found(7, 2).flags, GODWIT_CURSOR_TOMBSTONE);
	cr_assert_eq(counter(CURSOR_TABLE_cursors), 0);
	cr_assert_eq(counter(CURSOR_TABLE_tombstones), 1);
	cr_assert_eq(home_digits(1), 0);
	cr_assert_eq(cursor_table_client_first(t, 7), 0);
	// A new SUBSCRIBE has a higher cursor epoch.
	cr_assert_eq(merge(entry_of(7, 2, 6, 2), SEC), CURSOR_MOVED);
	cr_assert_eq(found(7, 2).flags, 0);
	cr_assert_eq(home_digits(2), 7);
	cr_assert_eq(counter(CURSOR_TABLE_tombstones), 0);
	// A tombstone of what was never known holds as well.
	ended = entry_of(8, 1, 5, 1);
	ended.flags = GODWIT_CURSOR_TOMBSTONE;
	cr_assert_eq(merge(ended, SEC), CURSOR_BURIED);
	cr_assert_eq(merge(entry_of(8, 1, 4, 1), SEC), CURSOR_OLDER);
}

Checked(cursor_table, keeps_what_a_client_s_cursors_share_once, stop)
{
	struct cursor entry = entry_of(7, 1, 1, 1);

	merge(entry, SEC);
	merge(entry_of(7, 2, 1, 2), 2 * SEC);
	cr_assert_eq(counter(CURSOR_TABLE_clients), 1);
	cr_assert(cursor_table_set_rights(t, 7, 0xf00d));
	entry.seq = 20;
	entry.connection = 555;
	entry.address.port = 4001;
	merge(entry, 3 * SEC);
	cr_assert_eq(found(7, 2).connection, 555);
	cr_assert_eq(found(7, 2).address.port, 4001);
	cr_assert_eq(found(7, 2).rights, 0xf00d);
	cr_assert_eq(found(7, 2).heard_ns, 2 * SEC);
	cr_assert_eq(found(7, 2).client_heard_ns, 3 * SEC);
	// An older process of the client says nothing about it, though its cursor is taken.
	entry = entry_of(7, 3, 1, 1);
	entry.instance = 999;
	cr_assert_eq(merge(entry, 4 * SEC), CURSOR_INSERTED);
	cr_assert_eq(found(7, 3).instance, 1000);
	cr_assert_eq(found(7, 3).connection, 555);
	cr_assert_eq(counter(CURSOR_TABLE_instance_older), 1);
	cr_assert_not(cursor_table_set_rights(t, 8, 1));
	cr_assert(cursor_table_remove(t, &entry.key));
	cr_assert_eq(counter(CURSOR_TABLE_clients), 1);
}

Checked(cursor_table, forgets_a_client_with_its_last_cursor, stop)
{
	struct cursor entry = entry_of(7, 1, 1, 1);

	merge(entry, SEC);
	merge(entry_of(7, 2, 1, 1), SEC);
	cursor_table_set_rights(t, 7, 5);
	cr_assert(cursor_table_remove(t, &entry.key));
	cr_assert_not(cursor_table_remove(t, &entry.key));
	entry.key.subscription = 2;
	cr_assert(cursor_table_remove(t, &entry.key));
	cr_assert_eq(counter(CURSOR_TABLE_clients), 0);
	cr_assert_eq(counter(CURSOR_TABLE_removed), 2);
	merge(entry, SEC);
	cr_assert_eq(found(7, 2).rights, 0);
}

Checked(cursor_table, lists_the_cursors_of_a_home_in_the_order_they_came, stop)
{
	for (uint64_t client = 1; client <= 5; client++)
		merge(entry_of(client, 1, 1, client % 2 == 0 ? 2 : 1), SEC);
	cr_assert_eq(home_digits(1), 135);
	cr_assert_eq(home_digits(2), 24);
	merge(entry_of(3, 1, 2, 2), SEC);
	cr_assert_eq(home_digits(1), 15);
	cr_assert_eq(home_digits(2), 243);
	merge(entry_of(1, 1, 2, 1), SEC); // anew, at the same home: stays where it is
	cr_assert_eq(home_digits(1), 15);
	cursor_table_remove(t, &(struct cursor_key){5, 0x5e55, 1});
	cursor_table_remove(t, &(struct cursor_key){2, 0x5e55, 1});
	cr_assert_eq(home_digits(1), 1);
	cr_assert_eq(home_digits(2), 43);
	cr_assert_eq(home_digits(65535), 0);
}

Checked(cursor_table, can_be_walked_while_what_is_met_moves_away, stop)
{
	uint32_t next, moved = 0;
	struct cursor cursor;

	for (uint64_t client = 1; client <= 9; client++)
		merge(entry_of(client, 1, 1, 1), SEC);
	for (uint32_t i = cursor_table_home_first(t, 1); i != 0; i = next, moved++) {
		next = cursor_table_home_next(t, i);
		cursor_table_at(t, i, &cursor);
		cr_assert_eq(merge(entry_of(cursor.key.client, 1, 2, 2), SEC), CURSOR_MOVED);
	}
	cr_assert_eq(moved, 9);
	cr_assert_eq(home_digits(2), 123456789);
	cr_assert_eq(home_digits(1), 0);
}

Checked(cursor_table, lists_the_cursors_of_a_client, stop)
{
	uint32_t subscriptions = 0, count = 0;
	struct cursor cursor;

	merge(entry_of(8, 1, 1, 1), SEC);
	for (uint32_t i = 0; i < 4; i++)
		merge(entry_of(7, i, 1, 1), SEC);
	cursor_table_remove(t, &(struct cursor_key){7, 0x5e55, 2});
	for (uint32_t i = cursor_table_client_first(t, 7); i != 0;
	     i = cursor_table_client_next(t, i), count++) {
		cursor_table_at(t, i, &cursor);
		cr_assert_eq(cursor.key.client, 7);
		subscriptions |= 1u << cursor.key.subscription;
	}
	cr_assert_eq(count, 3);
	cr_assert_eq(subscriptions, 0xb);
	cr_assert_eq(cursor_table_client_first(t, 9), 0);
}

Checked(cursor_table, is_paged_over_changes, stop)
{
	struct cursor_page page = {0};
	struct cursor out[4];
	uint64_t met = 0;
	uint32_t pages = 0, count;
	struct cursor ended = entry_of(5, 1, 2, 1);

	for (uint64_t client = 1; client <= 9; client++)
		merge(entry_of(client, 1, 1, client <= 6 ? 1 : 2), SEC);
	ended.flags = GODWIT_CURSOR_TOMBSTONE;
	do {
		count = cursor_table_page(t, &page, out, 4, 3);
		for (uint32_t i = 0; i < count; i++)
			met = met * 10 + out[i].key.client;
		if (++pages == 1) { // one gone behind, one gone ahead, one buried ahead, one moved
			cursor_table_remove(t, &(struct cursor_key){1, 0x5e55, 1});
			cursor_table_remove(t, &(struct cursor_key){8, 0x5e55, 1});
			merge(ended, SEC);
			merge(entry_of(4, 1, 2, 2), SEC);
		}
	} while (page.next != 0);
	cr_assert_eq(met, 1234679);
	cr_assert_eq(pages, 3);
	page = (struct cursor_page){.home = 2};
	cr_assert_eq(cursor_table_page(t, &page, out, 4, 100), 3);
	cr_assert_eq(page.next, 0);
	cr_assert_eq(out[0].key.client, 4);
	page = (struct cursor_page){.home = 1, .tombstones = true};
	cr_assert_eq(cursor_table_page(t, &page, out, 4, 100), 4);
	cr_assert_eq(out[2].flags, GODWIT_CURSOR_TOMBSTONE);
	cr_assert_neq(page.next, 0);
	cr_assert_eq(cursor_table_page(t, &page, out, 4, 100), 0);
	cr_assert_eq(page.next, 0);
}

Checked(cursor_table, refuses_a_cursor_without_room_and_counts_it, stop)
{
	for (uint32_t i = 0; i < 100; i++)
		cr_assert_eq(merge(entry_of(1 + i % 10, i, 1, 1), SEC), CURSOR_INSERTED);
	cr_assert_eq(merge(entry_of(1, 100, 1, 1), SEC), CURSOR_FULL);
	cr_assert_eq(merge(entry_of(1, 0, 2, 2), SEC), CURSOR_MOVED);
	cr_assert_eq(counter(CURSOR_TABLE_full), 1);
	cr_assert_eq(counter(CURSOR_TABLE_full_clients), 0);
	// What waits for readers takes room until it is reclaimed.
	cursor_table_remove(t, &(struct cursor_key){1, 0x5e55, 0});
	cr_assert_eq(merge(entry_of(1, 100, 1, 1), SEC), CURSOR_FULL);
	cr_assert_eq(cursor_table_reclaim(t, SEC), 1);
	cr_assert_eq(merge(entry_of(1, 100, 1, 1), SEC), CURSOR_INSERTED);
	cr_assert_eq(counter(CURSOR_TABLE_full), 2);
}

Checked(cursor_table, refuses_a_client_without_room_and_loses_no_slot, stop)
{
	for (uint64_t client = 1; client <= 50; client++)
		merge(entry_of(client, 1, 1, 1), SEC);
	for (uint32_t i = 0; i < 60; i++)
		cr_assert_eq(merge(entry_of(51 + i, 1, 1, 1), SEC), CURSOR_FULL);
	cr_assert_eq(counter(CURSOR_TABLE_full_clients), 60);
	cr_assert_eq(counter(CURSOR_TABLE_full), 60);
	for (uint64_t client = 1; client <= 50; client++)
		cr_assert_eq(merge(entry_of(client, 2, 1, 1), SEC), CURSOR_INSERTED);
}

Checked(cursor_table, expires_what_was_not_heard_of_a_few_slots_a_call, stop)
{
	struct cursor_expiry expiry = {.cursor_ns = 10 * SEC, .tombstone_ns = 20 * SEC};
	struct cursor entry = entry_of(3, 1, 1, 1);

	merge(entry_of(1, 1, 1, 1), 1 * SEC);
	merge(entry_of(2, 1, 1, 2), 1 * SEC);
	entry.flags = GODWIT_CURSOR_TOMBSTONE;
	merge(entry, 1 * SEC);
	merge(entry_of(4, 1, 1, 1), 5 * SEC);
	entry = entry_of(5, 1, 1, 2);
	entry.flags = GODWIT_CURSOR_LAPSED;
	merge(entry, 1 * SEC);
	merge(entry_of(2, 1, 1, 2), 5 * SEC); // it says nothing new, but is heard of
	cr_assert_eq(cursor_table_expire(t, &expiry, 11 * SEC, 100), 0);
	cr_assert_eq(cursor_table_expire(t, &expiry, 12 * SEC, 2), 1);
	cr_assert_eq(cursor_table_expire(t, &expiry, 12 * SEC, 2), 0);
	cr_assert_eq(cursor_table_expire(t, &expiry, 12 * SEC, 2), 1);
	cr_assert_not(is_there(1, 1));
	cr_assert(is_there(2, 1));
	cr_assert(is_there(3, 1));
	cr_assert(is_there(4, 1));
	cr_assert_not(is_there(5, 1));
	cr_assert_eq(cursor_table_expire(t, &expiry, 22 * SEC, 100), 3);
	cr_assert_not(is_there(2, 1));
	cr_assert_not(is_there(3, 1));
	cr_assert_not(is_there(4, 1));
	cr_assert_eq(counter(CURSOR_TABLE_expired), 5);
	cr_assert_eq(counter(CURSOR_TABLE_retired), 5);
	// Time that stands behind what was heard is not age.
	merge(entry_of(6, 1, 1, 1), 100 * SEC);
	cr_assert_eq(cursor_table_expire(t, &expiry, 50 * SEC, 100), 0);
}

Test(cursor_table, holds_for_a_life_more_what_was_heard_of_before_nobody_listened)
{
	const struct cursor_expiry expiry = {.cursor_ns = 10 * SEC, .tombstone_ns = 2 * SEC};
	struct cursor entry = entry_of(2, 1, 1, 1);

	entry.flags = GODWIT_CURSOR_TOMBSTONE;
	merge(entry_of(1, 1, 1, 1), 1 * SEC);
	merge(entry, 1 * SEC);
	cursor_table_excuse(t, 50 * SEC);
	cr_assert_eq(cursor_table_expire(t, &expiry, 52 * SEC, 100), 0);
	merge(entry_of(3, 1, 1, 1), 52 * SEC);
	cr_assert_eq(cursor_table_expire(t, &expiry, 53 * SEC, 100), 1);
	cr_assert(is_there(1, 1));
	cr_assert_not(is_there(2, 1));
	cr_assert_eq(cursor_table_expire(t, &expiry, 61 * SEC, 100), 1);
	cr_assert(is_there(3, 1));
	cr_assert_eq(counter(CURSOR_TABLE_excuses), 1);
}

static uint32_t waits;
static bool readers_hang;

static void begin_counted(void *context)
{
	cr_assert_eq(context, &waits);
	waits++;
}

static bool is_over_counted(void *context)
{
	cr_assert_eq(context, &waits);
	return !readers_hang;
}

static void wait_counted(void *context)
{
	cr_assert_eq(context, &waits);
	readers_hang = false;
}

Checked(cursor_table, waits_for_readers_once_for_all_and_ten_times_a_second_at_most, stop)
{
	struct cursor_table_config counted = config;

	counted.reclaim = (struct reclaim){begin_counted, is_over_counted, wait_counted, &waits};
	cursor_table_destroy(t);
	t = cursor_table_create(&counted);
	for (uint64_t client = 1; client <= 9; client++)
		merge(entry_of(client, 1, 1, 1), SEC);
	cr_assert_eq(cursor_table_reclaim(t, 0), 0);
	cr_assert_eq(waits, 0);
	for (uint64_t client = 1; client <= 5; client++)
		cursor_table_remove(t, &(struct cursor_key){client, 0x5e55, 1});
	cr_assert_eq(cursor_table_reclaim(t, 0), 5);
	cr_assert_eq(waits, 1);
	cursor_table_remove(t, &(struct cursor_key){6, 0x5e55, 1});
	cr_assert_eq(cursor_table_reclaim(t, CURSOR_TABLE_RECLAIM_NS - 1), 0);
	cr_assert_eq(waits, 1);
	cr_assert_eq(cursor_table_reclaim(t, CURSOR_TABLE_RECLAIM_NS), 1);
	cr_assert_eq(waits, 2);
	cr_assert_eq(counter(CURSOR_TABLE_grace_periods), 2);
	cr_assert_eq(counter(CURSOR_TABLE_reclaimed), 6);
	cr_assert_eq(counter(CURSOR_TABLE_retired), 0);
	// A reader that hangs stops nobody; what is removed meanwhile waits for the next time.
	readers_hang = true;
	cursor_table_remove(t, &(struct cursor_key){7, 0x5e55, 1});
	cr_assert_eq(cursor_table_reclaim(t, 3 * CURSOR_TABLE_RECLAIM_NS), 0);
	cursor_table_remove(t, &(struct cursor_key){8, 0x5e55, 1});
	cr_assert_eq(cursor_table_reclaim(t, 5 * CURSOR_TABLE_RECLAIM_NS), 0);
	cr_assert_eq(counter(CURSOR_TABLE_retired), 2);
	cr_assert_eq(waits, 3);
	readers_hang = false;
	cr_assert_eq(cursor_table_reclaim(t, 5 * CURSOR_TABLE_RECLAIM_NS), 1);
	cr_assert_eq(cursor_table_reclaim(t, 5 * CURSOR_TABLE_RECLAIM_NS), 1);
	cr_assert_eq(waits, 4);
	cr_assert_eq(counter(CURSOR_TABLE_retired), 0);
	// It ends with what it waits for.
	cursor_table_remove(t, &(struct cursor_key){9, 0x5e55, 1});
	readers_hang = true;
	cr_assert_eq(cursor_table_reclaim(t, 7 * CURSOR_TABLE_RECLAIM_NS), 0);
	cursor_table_destroy(t);
	t = NULL;
	cr_assert_not(readers_hang);
}

Checked(cursor_table, says_what_it_takes, stop)
{
	struct cursor_table_config big = {
		.cursors_max = 1000000, .clients_max = 500000, .node = -1};
	struct cursor_table_bytes bytes = cursor_table_bytes(&big);

	cr_assert_leq(bytes.slots, 1000001 * 128ull);
	cr_assert_eq(bytes.buckets, (1ull << 21) * 16);
	cr_assert_leq(bytes.rows, 500001 * 80ull);
	cr_assert_not(cursor_table_is_huge(t));
}

Checked(cursor_table, refuses_limits_that_cannot_be, stop)
{
	struct cursor_table_config bad = config;

	bad.cursors_max = 0;
	cr_assert_null(cursor_table_create(&bad));
	cr_assert_eq(errno, EINVAL);
	bad = config;
	bad.clients_max = CURSOR_TABLE_MAX + 1;
	cr_assert_null(cursor_table_create(&bad));
	cr_assert_eq(errno, EINVAL);
	bad = config;
	bad.node = 5000;
	cr_assert_null(cursor_table_create(&bad));
	cr_assert_eq(errno, EINVAL);
}
