// SPDX-License-Identifier: BSD-3-Clause
#include <criterion/criterion.h>

#include "control/cursor.h"

static struct cursor entry_of(uint64_t cursor_epoch, uint32_t epoch, uint64_t seq, uint16_t flags)
{
	return (struct cursor){.key = {1, 2, 3},
			       .cursor_epoch = cursor_epoch,
			       .epoch = epoch,
			       .seq = seq,
			       .home = cursor_epoch_server(cursor_epoch),
			       .flags = flags};
}

Test(cursor, comes_back_from_the_wire_as_it_was)
{
	struct cursor cursor = {.key = {0x0102030405060708, 0x1112131415161718, 0x21222324},
				.instance = 0x3132333435363738,
				.seq = 0x4142434445464748,
				.cursor_epoch = 0x5152535455565758,
				.tag = 0x6162636465666768,
				.connection = 0x7172737475767778,
				.filter = 0x8182838485868788,
				.epoch = 0x91929394,
				.home = 0xa1a2,
				.core = 0xb1b2,
				.flags = GODWIT_CURSOR_LAPSED,
				.address = godwit_address_v4(0xc0a80102, 5678)};
	struct godwit_cursor wire;
	struct cursor back;

	memset(&back, 0xee, sizeof(back));
	cursor_encode(&cursor, &wire);
	cr_assert_eq(wire.client.b[0], 0x01);
	cr_assert_eq(wire.connection.b[7], 0x78);
	cr_assert_eq(wire.port.b[0], 5678 >> 8);
	wire.flags.b[0] |= 0x80; // of a later version
	cursor_decode(&wire, &back);
	cr_assert(cursor_key_equal(&back.key, &cursor.key));
	cr_assert_eq(back.instance, cursor.instance);
	cr_assert_eq(back.seq, cursor.seq);
	cr_assert_eq(back.cursor_epoch, cursor.cursor_epoch);
	cr_assert_eq(back.tag, cursor.tag);
	cr_assert_eq(back.connection, cursor.connection);
	cr_assert_eq(back.filter, cursor.filter);
	cr_assert_eq(back.epoch, cursor.epoch);
	cr_assert_eq(back.home, cursor.home);
	cr_assert_eq(back.core, cursor.core);
	cr_assert_eq(back.flags, cursor.flags);
	cr_assert(godwit_address_equal(&back.address, &cursor.address));
	cr_assert_eq(back.heard_ns, 0);
	cr_assert_eq(back.rights, 0);
}

Test(cursor, makes_an_epoch_above_the_highest_seen)
{
	cr_assert_eq(cursor_epoch_after(0, 7), 0x10007);
	cr_assert_eq(cursor_epoch_after(0x50009, 1), 0x60001);
	cr_assert_eq(cursor_epoch_server(0x50009), 9);
}

Test(cursor, follows_the_higher_cursor_epoch_even_back_in_the_stream)
{
	struct cursor held = entry_of(0x20001, 5, 100, 0);
	struct cursor moved = entry_of(0x30002, 5, 90, 0);

	cr_assert_eq(cursor_join(&held, &moved), CURSOR_IS_ABOVE);
	cr_assert_eq(held.home, 2);
	cr_assert_eq(held.seq, 90);
	moved = entry_of(0x20001, 6, 200, 0);
	cr_assert_eq(cursor_join(&held, &moved), CURSOR_IS_OLDER);
	cr_assert_eq(held.seq, 90);
}

Test(cursor, only_moves_forward_within_a_cursor_epoch)
{
	struct cursor held = entry_of(0x20001, 5, 100, 0);
	struct cursor entry = entry_of(0x20001, 5, 99, 0);

	cr_assert_eq(cursor_join(&held, &entry), CURSOR_IS_OLDER);
	entry.epoch = 6; // a lower sequence of a later stream epoch is further
	cr_assert_eq(cursor_join(&held, &entry), CURSOR_GREW);
	cr_assert_eq(held.seq, 99);
	cr_assert_eq(held.epoch, 6);
	cr_assert_eq(cursor_join(&held, &entry), CURSOR_IS_SAME);
}

Test(cursor, keeps_a_tombstone_against_entries_of_its_epoch)
{
	struct cursor held = entry_of(0x20001, 5, 100, 0);
	struct cursor ended = entry_of(0x20001, 5, 90, GODWIT_CURSOR_TOMBSTONE);
	struct cursor late = entry_of(0x20001, 5, 110, 0);

	cr_assert_eq(cursor_join(&held, &ended), CURSOR_GREW);
	cr_assert(cursor_is_tombstone(&held));
	cr_assert_eq(held.seq, 100);
	cr_assert_eq(cursor_join(&held, &late), CURSOR_GREW);
	cr_assert(cursor_is_tombstone(&held));
	cr_assert_eq(cursor_join(&held, &late), CURSOR_IS_OLDER);
	late.cursor_epoch = 0x30001;
	cr_assert_eq(cursor_join(&held, &late), CURSOR_IS_ABOVE);
	cr_assert_not(cursor_is_tombstone(&held));
}

Test(cursor, names_two_homes_in_one_epoch_a_contradiction)
{
	struct cursor held = entry_of(0x20001, 5, 100, 0);
	struct cursor entry = entry_of(0x20001, 5, 101, 0);

	entry.home = 2;
	cr_assert_eq(cursor_join(&held, &entry), CURSOR_CONTRADICTS);
	cr_assert_eq(held.seq, 100);
}

Test(cursor, hashes_by_every_part_of_the_key_and_the_seed)
{
	struct cursor_key key = {1, 2, 3};
	uint64_t hash = cursor_key_hash(&key, 9);

	cr_assert_eq(hash, cursor_key_hash(&key, 9));
	cr_assert_neq(hash, cursor_key_hash(&key, 8));
	cr_assert_neq(hash, cursor_key_hash(&(struct cursor_key){2, 2, 3}, 9));
	cr_assert_neq(hash, cursor_key_hash(&(struct cursor_key){1, 3, 3}, 9));
	cr_assert_neq(hash, cursor_key_hash(&(struct cursor_key){1, 2, 4}, 9));
}
