// SPDX-License-Identifier: BSD-3-Clause
#include <criterion/criterion.h>
#include <stdlib.h>

#include "dataplane/client_ring.h"

#define SLOTS	    8u
#define SEEDS	    200u
#define OPERATIONS  4000u
#define BYTES_FIELD (1ull << 38) // positions / 4 that a slice can tell apart
#define NAIVE_MAX   32768u

static struct client_ring ring;
static struct slice slots[NAIVE_MAX];

static bool is_equal(struct slice a, struct slice b)
{
	return a.first == b.first && a.bits == b.bits;
}

static struct slice pop(void)
{
	struct slice slice = {0};

	cr_assert(client_ring_peek(&ring, &slice), "the ring is not empty");
	client_ring_pop(&ring);
	return slice;
}

Test(slice, holds_its_extremes)
{
	struct slice slice = slice_make(UINT64_MAX - 5000, (BYTES_FIELD - 1) * 4,
					LOG_SLICE_MAX_BYTES, LOG_CUT_RECORDS);

	cr_assert_eq(slice_bytes(slice), LOG_SLICE_MAX_BYTES);
	cr_assert_eq(slice_count(slice), LOG_CUT_RECORDS);
	cr_assert_eq(slice_last(slice), UINT64_MAX - 5000 + LOG_CUT_RECORDS - 1);
	cr_assert_eq(slice_pos(slice, BYTES_FIELD * 4), (BYTES_FIELD - 1) * 4);
}

Test(slice, finds_its_position_below_the_head_however_far_the_log_has_come)
{
	for (uint64_t head = 4; head < 1ull << 62; head = head * 3 + 4) {
		cr_assert_eq(slice_pos(slice_make(1, head, 4, 1), head), head);
		cr_assert_eq(slice_pos(slice_make(1, head - 4, 4, 1), head), head - 4);
		if (head >= 1ull << 37)
			cr_assert_eq(slice_pos(slice_make(1, head - (1ull << 37), 4, 1), head),
				     head - (1ull << 37));
	}
}

Test(client_ring, is_empty_at_start)
{
	struct slice slice;

	client_ring_init(&ring, slots, SLOTS);
	cr_assert_eq(client_ring_count(&ring), 0);
	cr_assert_not(client_ring_peek(&ring, &slice));
	cr_assert_not(client_ring_merge(&ring, slice_make(1, 0, 4, 1)));
}

Test(client_ring, takes_as_many_as_it_has_slots)
{
	client_ring_init(&ring, slots, SLOTS);
	for (uint32_t i = 0; i < SLOTS; i++)
		cr_assert(client_ring_push(&ring, slice_make(i, 100 * i, 100, 1)));
	cr_assert_not(client_ring_push(&ring, slice_make(SLOTS, 0, 100, 1)));
	cr_assert_eq(client_ring_count(&ring), SLOTS);
	cr_assert_eq(pop().first, 0);
	cr_assert(client_ring_push(&ring, slice_make(SLOTS, 0, 100, 1)));
	cr_assert_not(client_ring_push(&ring, slice_make(SLOTS + 1, 0, 100, 1)));
	for (uint32_t i = 1; i <= SLOTS; i++)
		cr_assert_eq(pop().first, i);
}

Test(client_ring, starts_empty_again)
{
	struct slice slice;

	client_ring_init(&ring, slots, SLOTS);
	client_ring_push(&ring, slice_make(1, 0, 4, 1));
	client_ring_peek(&ring, &slice);
	client_ring_init(&ring, slots, SLOTS);
	cr_assert_not(client_ring_peek(&ring, &slice));
	for (uint32_t i = 0; i < SLOTS; i++)
		cr_assert(client_ring_push(&ring, slice_make(i, 100 * i, 100, 1)));
}

Test(client_ring, goes_on_where_its_indices_wrap)
{
	client_ring_init(&ring, slots, SLOTS);
	atomic_store(&ring.head, UINT32_MAX - 3);
	atomic_store(&ring.tail, UINT32_MAX - 3);
	ring.head_seen = ring.tail_seen = UINT32_MAX - 3;
	for (uint32_t i = 0; i < SLOTS; i++)
		cr_assert(client_ring_push(&ring, slice_make(i, 100 * i, 100, 1)));
	cr_assert_not(client_ring_push(&ring, slice_make(9, 0, 100, 1)));
	cr_assert_eq(client_ring_count(&ring), SLOTS);
	for (uint32_t i = 0; i < SLOTS; i++)
		cr_assert_eq(pop().first, i);
	cr_assert_eq(client_ring_count(&ring), 0);
}

Test(client_ring, keeps_what_is_left_of_a_slice)
{
	struct slice slice = {0};

	client_ring_init(&ring, slots, SLOTS);
	client_ring_push(&ring, slice_make(10, 1000, 120, 3));
	client_ring_push(&ring, slice_make(13, 1120, 40, 1));
	client_ring_trim(&ring, slice_make(12, 1080, 40, 1));
	cr_assert(client_ring_peek(&ring, &slice));
	cr_assert(is_equal(slice, slice_make(12, 1080, 40, 1)));
	cr_assert_eq(client_ring_count(&ring), 2);
	client_ring_pop(&ring);
	cr_assert_eq(pop().first, 13);
}

Test(client_ring, merges_a_slice_that_continues_the_newest)
{
	client_ring_init(&ring, slots, SLOTS);
	client_ring_push(&ring, slice_make(1, 0, 40, 1));
	client_ring_push(&ring, slice_make(5, 400, 80, 2));
	cr_assert(client_ring_merge(&ring, slice_make(7, 480, 60, 3)));
	cr_assert_eq(client_ring_count(&ring), 2);
	cr_assert(is_equal(pop(), slice_make(1, 0, 40, 1)));
	cr_assert(is_equal(pop(), slice_make(5, 400, 140, 5)));
	cr_assert_not(client_ring_merge(&ring, slice_make(10, 540, 4, 1)), "all is read");
}

Test(client_ring, merges_with_what_was_trimmed)
{
	client_ring_init(&ring, slots, SLOTS);
	client_ring_push(&ring, slice_make(10, 1000, 120, 3));
	client_ring_trim(&ring, slice_make(12, 1080, 40, 1));
	cr_assert(client_ring_merge(&ring, slice_make(13, 1120, 40, 1)));
	cr_assert(is_equal(pop(), slice_make(12, 1080, 80, 2)));
}

Test(client_ring, does_not_merge_over_a_gap)
{
	client_ring_init(&ring, slots, SLOTS);
	client_ring_push(&ring, slice_make(5, 400, 80, 2));
	cr_assert_not(client_ring_merge(&ring, slice_make(8, 480, 60, 3)), "a sequence is missing");
	cr_assert_not(client_ring_merge(&ring, slice_make(6, 480, 60, 3)), "a sequence repeats");
	cr_assert_not(client_ring_merge(&ring, slice_make(7, 484, 60, 3)), "bytes are missing");
	cr_assert_not(client_ring_merge(&ring, slice_make(7, 476, 60, 3)), "bytes repeat");
	cr_assert(is_equal(pop(), slice_make(5, 400, 80, 2)));
}

Test(client_ring, does_not_merge_above_what_a_slice_can_hold)
{
	client_ring_init(&ring, slots, SLOTS);
	client_ring_push(&ring, slice_make(1, 0, LOG_SLICE_MAX_BYTES - 40, 10));
	cr_assert_not(client_ring_merge(&ring, slice_make(11, LOG_SLICE_MAX_BYTES - 40, 44, 1)));
	cr_assert(client_ring_merge(&ring, slice_make(11, LOG_SLICE_MAX_BYTES - 40, 40, 1)));
	cr_assert(is_equal(pop(), slice_make(1, 0, LOG_SLICE_MAX_BYTES, 11)));

	client_ring_push(&ring, slice_make(1, 0, 48000, LOG_CUT_RECORDS - 1));
	cr_assert_not(client_ring_merge(&ring, slice_make(LOG_CUT_RECORDS, 48000, 40, 2)));
	cr_assert(client_ring_merge(&ring, slice_make(LOG_CUT_RECORDS, 48000, 40, 1)));
	cr_assert(is_equal(pop(), slice_make(1, 0, 48040, LOG_CUT_RECORDS)));
}

Test(client_ring, merges_where_the_position_field_wraps)
{
	client_ring_init(&ring, slots, SLOTS);
	client_ring_push(&ring, slice_make(1, (BYTES_FIELD - 10) * 4, 40, 1));
	cr_assert(client_ring_merge(&ring, slice_make(2, BYTES_FIELD * 4, 80, 1)));
	cr_assert(is_equal(pop(), slice_make(1, (BYTES_FIELD - 10) * 4, 120, 2)));
}

// ---- against a naive twin: an array that is shifted ---------------------------------------------

static struct naive {
	struct {
		uint64_t first, pos;
		uint32_t bytes, count;
	} slices[64];
	uint32_t count;
} naive;

static uint64_t random_state;

// xorshift64*
static uint64_t random_below(uint64_t bound)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (random_state * 0x2545f4914f6cdd1dull >> 11) % bound;
}

static bool naive_merge(uint64_t first, uint64_t pos, uint32_t bytes, uint32_t count)
{
	if (naive.count == 0)
		return false;

	uint32_t newest = naive.count - 1;

	if (naive.slices[newest].first + naive.slices[newest].count != first ||
	    naive.slices[newest].pos + naive.slices[newest].bytes != pos ||
	    naive.slices[newest].bytes + bytes > 65532 || naive.slices[newest].count + count > 4095)
		return false;
	naive.slices[newest].bytes += bytes;
	naive.slices[newest].count += count;
	return true;
}

static void naive_check(void)
{
	struct slice slice = {0};

	cr_assert_eq(client_ring_count(&ring), naive.count);
	cr_assert_eq(client_ring_peek(&ring, &slice), naive.count > 0);
	if (naive.count > 0)
		cr_assert(
			is_equal(slice, slice_make(naive.slices[0].first, naive.slices[0].pos,
						   naive.slices[0].bytes, naive.slices[0].count)));
}

static void feed(uint32_t slot_count, uint64_t *seq, uint64_t *pos)
{
	bool is_large = random_below(4) == 0;
	uint32_t count = 1 + (uint32_t)random_below(is_large ? 2000 : 10);
	uint32_t bytes = 4 * (count * 3 + (uint32_t)random_below(is_large ? 8000 : 100));

	// At times something lies between, of which this client gets nothing.
	*seq += random_below(5) == 0 ? random_below(3) : 0;
	*pos += random_below(5) == 0 ? 4 * random_below(3) : 0;

	struct slice slice = slice_make(*seq, *pos, bytes, count);

	if (random_below(2)) {
		bool merged = naive_merge(*seq, *pos, bytes, count);

		cr_assert_eq(client_ring_merge(&ring, slice), merged);
		if (!merged)
			return;
	} else {
		bool pushed = naive.count < slot_count;

		cr_assert_eq(client_ring_push(&ring, slice), pushed);
		if (!pushed)
			return;
		naive.slices[naive.count].first = *seq;
		naive.slices[naive.count].pos = *pos;
		naive.slices[naive.count].bytes = bytes;
		naive.slices[naive.count].count = count;
		naive.count++;
	}
	*seq += count;
	*pos += bytes;
}

static void drain(void)
{
	if (naive.count == 0)
		return;
	if (naive.slices[0].count > 1 && random_below(3) == 0) {
		uint32_t sent = 1 + (uint32_t)random_below(naive.slices[0].count - 1);
		uint32_t bytes = 4 * (uint32_t)random_below(naive.slices[0].bytes / 4);

		naive.slices[0].first += sent;
		naive.slices[0].count -= sent;
		naive.slices[0].pos += bytes;
		naive.slices[0].bytes -= bytes;
		client_ring_trim(&ring, slice_make(naive.slices[0].first, naive.slices[0].pos,
						   naive.slices[0].bytes, naive.slices[0].count));
		return;
	}
	client_ring_pop(&ring);
	naive.count--;
	memmove(&naive.slices[0], &naive.slices[1], naive.count * sizeof(naive.slices[0]));
}

Test(client_ring, agrees_with_a_naive_twin)
{
	uint64_t full = 0, wraps = 0;

	for (uint32_t seed = 1; seed <= SEEDS; seed++) {
		uint64_t seq = 1, pos = 0;
		uint32_t slot_count;

		random_state = seed * 0x9e3779b97f4a7c15ull;
		slot_count = 2u << random_below(5);
		naive.count = 0;
		client_ring_init(&ring, slots, slot_count);
		for (uint32_t i = 0; i < OPERATIONS; i++) {
			// Phases in which the ring fills, and in which it empties.
			if (random_below(10) < (i / 200 % 2 ? 8 : 3))
				feed(slot_count, &seq, &pos);
			else
				drain();
			naive_check();
			full += naive.count == slot_count;
		}
		wraps += atomic_load(&ring.tail) > slot_count;
	}
	cr_assert_gt(full, SEEDS, "rings were full");
	cr_assert_eq(wraps, SEEDS, "slots were used again");
}
