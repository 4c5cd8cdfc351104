// SPDX-License-Identifier: BSD-3-Clause
//
// The log, rule by rule. test_log_twin.c runs it against a naive model.
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "dataplane/log.h"

#define SIZE	    4096u
#define SLICE	    256u
#define HUGE_BYTES  (2ull << 20)
#define RECORD_40   28u // payload of a record of 40 bytes
#define SECOND_NS   1000000000ull
#define START_NS    (1700000000ull * SECOND_NS)
#define TIME_STEP   1000u
#define BYTES_LARGE UINT32_MAX

static struct log the_log;
static void *memory, *cuts;
static uint64_t memory_bytes;
static const uint8_t payload[LOG_SLICE_MAX_BYTES] = {1, 2, 3, 4, 5, 6, 7, 8};

static struct log *log_start(uint64_t size, uint32_t slice_bytes, uint64_t first_seq)
{
	memory_bytes = size;
	memory = log_memory_map(size, false, -1);
	cuts = malloc(log_cuts_bytes(size, slice_bytes));
	cr_assert_not_null(memory);
	cr_assert_not_null(cuts);
	cr_assert_eq(log_init(&the_log, memory, size, cuts, slice_bytes, first_seq, 1), 0);
	return &the_log;
}

static void log_stop(void)
{
	log_memory_unmap(memory, memory_bytes);
	free(cuts);
}

static void append_many(struct log *log, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		log_append(log, START_NS + (log->head_own.seq + 1) * TIME_STEP, 7, 0, payload,
			   RECORD_40);
	log_publish(log);
}

static struct cut cut_at(const struct log *log, uint64_t number)
{
	struct cut cut;

	cr_assert(log_cut(log, number, &cut), "cut %lu is there", number);
	return cut;
}

static struct place place_at(const struct log *log, uint64_t seq)
{
	struct place place;

	cr_assert(log_seek(log, seq, &place), "seek %lu", seq);
	return place;
}

Test(log, refuses_sizes_out_of_its_limits)
{
	void *mapped = log_memory_map(2 * SIZE, false, -1);
	void *table = malloc(log_cuts_bytes(2 * SIZE, 16));

	cr_assert_eq(log_init(&the_log, mapped, SIZE / 2, table, SLICE, 1, 1), -EINVAL);
	cr_assert_eq(log_init(&the_log, mapped, SIZE + 4, table, SLICE, 1, 1), -EINVAL);
	cr_assert_eq(log_init(&the_log, mapped, 1ull << 38, table, SLICE, 1, 1), -EINVAL);
	cr_assert_eq(log_init(&the_log, mapped, SIZE, table, SIZE / 4 + 4, 1, 1), -EINVAL);
	cr_assert_eq(log_init(&the_log, mapped, SIZE, table, SLICE + 2, 1, 1), -EINVAL);
	cr_assert_eq(log_init(&the_log, mapped, SIZE, table, 12, 1, 1), -EINVAL);
	cr_assert_eq(log_init(&the_log, mapped, 1ull << 20, table, 65536, 1, 1), -EINVAL);
	cr_assert_eq(log_init(&the_log, mapped, SIZE, table, SLICE, 0, 1), -EINVAL);
	cr_assert_eq(log_init(&the_log, mapped, SIZE, table, SIZE / 4, 1, 1), 0);
	log_memory_unmap(mapped, 2 * SIZE);
	free(table);
}

// Whether a byte written through either mapping is read through the other. The fence stands for the
// release and acquire of a mark.
static bool is_mapped_twice(uint8_t *base, uint64_t size)
{
	for (uint64_t at = 0; at < size; at += 1021) {
		base[at] = (uint8_t)(at / 7 + 1);
		atomic_thread_fence(memory_order_seq_cst);
		if (base[size + at] != (uint8_t)(at / 7 + 1))
			return false;
		base[size + at] = (uint8_t)(at / 3);
		atomic_thread_fence(memory_order_seq_cst);
		if (base[at] != (uint8_t)(at / 3))
			return false;
	}
	return true;
}

Test(log_memory, is_mapped_twice_back_to_back)
{
	uint8_t *mapped = log_memory_map(16 * SIZE, false, -1);

	cr_assert_not_null(mapped);
	for (uint32_t at = 0; at < 32 * SIZE; at++)
		cr_assert_eq(mapped[at], 0);
	cr_assert(is_mapped_twice(mapped, 16 * SIZE));
	log_memory_unmap(mapped, 16 * SIZE);
	log_memory_unmap(NULL, 16 * SIZE);
}

Test(log_memory, prefers_a_node_where_the_kernel_knows_nodes)
{
	uint8_t *mapped = log_memory_map(SIZE, false, 0);

	if (mapped == NULL)
		cr_assert(errno == ENOSYS || errno == EPERM, "errno %d", errno);
	else
		cr_assert(is_mapped_twice(mapped, SIZE));
	log_memory_unmap(mapped, SIZE);
}

Test(log_memory, comes_from_huge_pages_or_says_that_there_are_too_few)
{
	uint8_t *mapped = log_memory_map(HUGE_BYTES, true, -1);

	if (mapped == NULL) {
		cr_assert(errno == ENOMEM || errno == ENOENT || errno == ENODEV || errno == ENOSYS,
			  "errno %d", errno);
		return;
	}
	cr_assert_eq((uintptr_t)mapped % HUGE_BYTES, 0);
	cr_assert(is_mapped_twice(mapped, HUGE_BYTES));
	log_memory_unmap(mapped, HUGE_BYTES);
}

Test(log_memory, keeps_nothing_of_what_failed)
{
	int fd_before = dup(0);

	close(fd_before);
	cr_assert_null(log_memory_map(0, false, -1));
	cr_assert_eq(errno, EINVAL);
	cr_assert_null(log_memory_map(SIZE + 512, false, -1));
	cr_assert_eq(errno, EINVAL);
	cr_assert_null(log_memory_map(SIZE, true, -1));
	cr_assert_eq(errno, EINVAL);
	cr_assert_null(log_memory_map(1ull << 38, false, -1));
	cr_assert_eq(errno, EINVAL);
	cr_assert_null(log_memory_map(SIZE, false, 5000));
	cr_assert_eq(errno, EINVAL);
	// More huge pages than any machine of ours has: refused as a whole, before one is touched.
	cr_assert_null(log_memory_map(1ull << 37, true, -1));

	int fd_after = dup(0);

	cr_assert_eq(fd_after, fd_before);
	close(fd_after);
}

Test(log, holds_nothing_at_start)
{
	struct log *log = log_start(SIZE, SLICE, 100);
	struct place place = {1, 2, 3};
	struct slice slice;
	uint64_t number;
	struct cut cut;
	bool at_cut;

	cr_assert_eq(log_head(log).seq, 99);
	cr_assert_eq(log_committed(log).seq, 99);
	cr_assert_eq(log_earliest(log), 100);
	cr_assert_not(log_cut(log, 0, &cut));
	cr_assert_not(log_find(log, 99, &number));
	cr_assert_not(log_find(log, 100, &number));
	cr_assert_eq(log_find_time(log, 0), 100);
	cr_assert_eq(log_find_time(log, START_NS), 100);
	cr_assert_not(log_seek(log, 99, &place));
	cr_assert_not(log_seek(log, 101, &place));
	cr_assert_eq(place.pos, 2, "a failed seek leaves the place");
	cr_assert(log_seek(log, 100, &place));
	cr_assert_eq(log_next(log, &place, log_head(log), BYTES_LARGE, 10, &slice, &at_cut),
		     LOG_READ_NONE);

	append_many(log, 2);
	cr_assert_eq(log_next(log, &place, log_head(log), BYTES_LARGE, 10, &slice, &at_cut),
		     LOG_READ_SLICE, "a place of the empty log is one of its first record");
	cr_assert(at_cut);
	cr_assert_eq(slice.first, 100);
	cr_assert_eq(slice_count(slice), 2);
	log_stop();
}

Test(log, keeps_records_as_they_go_into_a_packet)
{
	static const uint8_t wanted[] = {
		0, 5, 0x80, 0x01, 0x11, 0x22, 0x33, 0x44, 0xbb, 0xcc, 0xdd, 0xee, // header
		1, 2, 3,    4,	  5,	0,    0,    0, // payload, zeros to 4
		0, 0, 0,    0,	  0,	0,    0,    1,	  0xbb, 0xcc, 0xdd, 0xee,
	};
	struct log *log = log_start(SIZE, SLICE, 1);

	memset(memory, 0xff, SIZE);
	cr_assert_eq(log_append(log, 0xaabbccddee, 0x11223344, 0x8001, payload, 5), 1);
	cr_assert_eq(log_append(log, 0xaabbccddee, 1, 0, NULL, 0), 2);
	log_publish(log);
	cr_assert_eq(log_head(log).pos, sizeof(wanted));
	cr_assert_arr_eq(log_at(log, 0), wanted, sizeof(wanted));
	cr_assert_eq(log_record_bytes(log, 0), 20);
	cr_assert_eq(cut_at(log, 0).time_ns, 0xaabbccddee);
	log_stop();
}

Test(log, shows_a_record_only_once_it_is_published)
{
	struct log *log = log_start(SIZE, SLICE, 1);
	struct place place;
	uint64_t number;

	append_many(log, 1);
	log_append(log, START_NS + 4 * SECOND_NS, 0, 0, payload, 4); // makes a cut
	log_append(log, START_NS + 9 * SECOND_NS, 0, 0, payload, 4); // and another
	cr_assert_eq(log_head(log).seq, 1);
	cr_assert_eq(log_earliest(log), 1);
	cr_assert_not(log_find(log, 2, &number));
	cr_assert_not(log_seek(log, 3, &place));
	cr_assert_eq(log_find_time(log, START_NS + 4 * SECOND_NS), 2, "head + 1");
	cr_assert_eq(log_find_time(log, START_NS + 9 * SECOND_NS), 2, "head + 1");
	cr_assert_eq(log_find_time(log, START_NS + 10 * SECOND_NS), 2, "head + 1");

	place = place_at(log, 2);
	log_publish(log);
	cr_assert_eq(log_head(log).seq, 3);
	cr_assert_eq(log_find_time(log, START_NS + 9 * SECOND_NS), 3);
	cr_assert_eq(place_at(log, 2).pos, place.pos);
	log_stop();
}

Test(log, raises_a_time_that_goes_back)
{
	struct log *log = log_start(SIZE, SLICE, 1);

	log_append(log, START_NS + 500, 0, 0, payload, 4);
	log_append(log, START_NS, 0, 0, payload, 4);
	log_append(log, START_NS + 501, 0, 0, payload, 4);
	log_publish(log);
	cr_assert_eq(log_find_time(log, START_NS + 1), 1);
	cr_assert_eq(log_find_time(log, START_NS + 500), 1);
	cr_assert_eq(log_find_time(log, START_NS + 501), 3);
	cr_assert_eq(log_find_time(log, START_NS + 502), 4);
	log_stop();
}

Test(log, cuts_where_a_packet_is_full)
{
	struct log *log = log_start(SIZE, SLICE, 1);

	append_many(log, 13); // six of 40 bytes fit 256
	cr_assert_eq(cut_at(log, 0).seq, 1);
	cr_assert_eq(cut_at(log, 1).seq, 7);
	cr_assert_eq(cut_at(log, 1).pos, 240);
	cr_assert_eq(cut_at(log, 2).seq, 13);
	cr_assert_eq(atomic_load(&log->cuts_end), 3);

	// A record that fills the rest exactly stays in the interval.
	log_append(log, START_NS, 0, 0, payload, SLICE - 40 - 12);
	cr_assert_eq(atomic_load(&log->cuts_end), 3);
	log_append(log, START_NS, 0, 0, NULL, 0);
	cr_assert_eq(cut_at(log, 3).seq, 15);
	log_stop();
}

Test(log, cuts_where_the_count_of_a_slice_is_full)
{
	struct log *log = log_start(1 << 20, LOG_SLICE_MAX_BYTES, 1);

	for (uint32_t i = 0; i < 2 * LOG_CUT_RECORDS + 1; i++)
		log_append(log, START_NS, 0, 0, NULL, 0);
	cr_assert_eq(cut_at(log, 1).seq, 1 + LOG_CUT_RECORDS);
	cr_assert_eq(cut_at(log, 2).seq, 1 + 2 * LOG_CUT_RECORDS);
	log_stop();
}

Test(log, cuts_where_an_epoch_begins)
{
	struct log *log = log_start(SIZE, SLICE, 1);

	append_many(log, 2);
	log_epoch(log, 5);
	cr_assert_eq(atomic_load(&log->cuts_end), 1, "with its first record, not before");
	append_many(log, 2);
	cr_assert_eq(cut_at(log, 0).epoch, 1);
	cr_assert_eq(cut_at(log, 1).epoch, 5);
	cr_assert_eq(cut_at(log, 1).seq, 3);
	cr_assert_eq(atomic_load(&log->cuts_end), 2);
	log_stop();
}

Test(log, cuts_where_a_packet_would_span_too_long)
{
	struct log *log = log_start(SIZE, SLICE, 1);

	log_append(log, START_NS, 0, 0, NULL, 0);
	log_append(log, START_NS + GODWIT_SLICE_SPAN_NS, 0, 0, NULL, 0);
	cr_assert_eq(atomic_load(&log->cuts_end), 1);
	log_append(log, START_NS + GODWIT_SLICE_SPAN_NS + 1, 0, 0, NULL, 0);
	cr_assert_eq(cut_at(log, 1).seq, 3);
	cr_assert_eq(cut_at(log, 1).time_ns, START_NS + GODWIT_SLICE_SPAN_NS + 1);
	log_stop();
}

Test(log, gathers_the_topics_of_each_interval)
{
	struct log *log = log_start(SIZE, SLICE, 1);

	log_append(log, START_NS, 3, 0, NULL, 0);
	log_append(log, START_NS, 9, 0, NULL, 0);
	log_epoch(log, 2);
	log_append(log, START_NS, 12, 0, NULL, 0);
	cr_assert_eq(cut_at(log, 0).topic_bits, topic_bit(3) | topic_bit(9));
	cr_assert_eq(cut_at(log, 1).topic_bits, topic_bit(12));
	log_stop();
}

Test(log, gives_up_what_it_is_about_to_overwrite)
{
	struct log *log = log_start(SIZE, SLICE, 1);

	append_many(log, SIZE / 40); // 102 records, 4080 bytes
	cr_assert(log_valid(log, 0));
	cr_assert_eq(log_earliest(log), 1);
	append_many(log, 1); // ends at 4120: moves reserve by a step of 256
	cr_assert_not(log_valid(log, 0));
	cr_assert_not(log_valid(log, 252));
	cr_assert(log_valid(log, 256));
	cr_assert_eq(log_earliest(log), 13, "the cut at 240 went too");
	cr_assert_eq(atomic_load(&log->cuts_first), 2);
	append_many(log, 5); // ends at 4320
	cr_assert(log_valid(log, 256));
	append_many(log, 1); // ends at 4360
	cr_assert_not(log_valid(log, 508));
	cr_assert(log_valid(log, 512));

	// One large record moves it further than a step.
	log_append(log, START_NS, 0, 0, payload, SLICE - 12);
	log_append(log, START_NS, 0, 0, payload, SLICE - 12);
	cr_assert_not(log_valid(log, 4360 + 2 * SLICE - SIZE - 4));
	cr_assert(log_valid(log, log->head_own.pos));
	cr_assert_not(log_valid(log, log->head_own.pos + SIZE));
	log_stop();
}

Test(log, gives_up_the_oldest_cut_when_their_table_is_full)
{
	struct log *log = log_start(SIZE, SIZE / 4, 1);
	uint64_t table = log_cuts_bytes(SIZE, SIZE / 4) / sizeof(struct cut_slot);

	for (uint64_t i = 0; i < table; i++)
		log_append(log, START_NS + i * 3 * SECOND_NS, 0, 0, NULL, 0);
	log_publish(log);
	cr_assert_eq(log_earliest(log), 1);
	cr_assert(log_valid(log, 0));
	log_append(log, START_NS + 100 * SECOND_NS, 0, 0, NULL, 0);
	cr_assert_eq(log_earliest(log), 2);
	cr_assert_not(log_valid(log, 0));
	cr_assert_not(log_valid(log, 8));
	cr_assert(log_valid(log, 12));

	struct cut cut;

	cr_assert_not(log_cut(log, 0, &cut));
	cr_assert_eq(cut_at(log, 1).seq, 2);
	cr_assert_eq(cut_at(log, table).seq, table + 1);
	log_stop();
}

Test(log, has_cuts_for_a_log_full_of_full_packets_twice_over)
{
	cr_assert_geq(log_cuts_bytes(1 << 20, 1424),
		      2 * ((1 << 20) / 1424) * sizeof(struct cut_slot));
	cr_assert_geq(log_cuts_bytes(1ull << 37, 8900),
		      2 * ((1ull << 37) / 8900) * sizeof(struct cut_slot));
}

Test(log, commits_forward_only)
{
	struct log *log = log_start(SIZE, SLICE, 1);

	append_many(log, 40);
	cr_assert_eq(log_commit(log, 7), 7);
	cr_assert_eq(log_committed(log).seq, 7);
	cr_assert_eq(log_committed(log).pos, 280);
	cr_assert_eq(log_commit(log, 3), 7);
	cr_assert_eq(log_commit(log, 40), 40);
	cr_assert_eq(log_committed(log).pos, 1600);
	append_many(log, 80); // a jump that is not worth a walk
	cr_assert_eq(log_commit(log, 119), 119);
	cr_assert_eq(log_committed(log).pos, 119 * 40);
	log_stop();
}

Test(log, commits_past_what_was_overwritten)
{
	struct log *log = log_start(SIZE, SLICE, 1);

	append_many(log, 300);
	cr_assert_eq(log_commit(log, log_earliest(log) - 1), 0, "its end is not known any more");
	cr_assert_eq(log_commit(log, log_earliest(log)), log_earliest(log));
	cr_assert_eq(log_committed(log).pos, log_earliest(log) * 40);
	cr_assert_eq(log_commit(log, 299), 299);
	cr_assert_eq(log_committed(log).pos, 299 * 40);
	log_stop();
}

Test(log, answers_nothing_new_while_the_writer_stands_still_in_a_mark)
{
	struct log *log = log_start(SIZE, SLICE, 1);
	struct slice slice;
	struct place place;
	bool at_cut;

	append_many(log, 5);
	place = place_at(log, 3);
	atomic_fetch_add(&log->head.version, 1);
	cr_assert_eq(log_head(log).seq, 0);
	cr_assert_eq(log_head(log).pos, 0);
	cr_assert_eq(log_next(log, &place, log_head(log), BYTES_LARGE, 10, &slice, &at_cut),
		     LOG_READ_NONE);
	cr_assert_not(log_valid(log, slice_pos(slice_make(3, 80, 40, 1), log_head(log).pos)));
	// What needs the sequence alone does not mind.
	cr_assert_eq(place_at(log, 6).pos, 200);
	cr_assert_eq(log_find_time(log, UINT64_MAX), 6);
	log_stop();
}

Test(log, hands_out_whole_intervals_without_a_look_at_records)
{
	struct log *log = log_start(SIZE, SLICE, 1);
	struct slice slice;
	struct place place;
	bool at_cut;

	append_many(log, 15);
	place = place_at(log, 1);
	// A look at these lengths would end each walk.
	memset(memory, 0xff, SIZE);
	for (uint32_t i = 0; i < 2; i++) {
		cr_assert_eq(log_next(log, &place, log_head(log), SLICE, 6, &slice, &at_cut),
			     LOG_READ_SLICE);
		cr_assert_eq(slice.first, 1 + 6 * i);
		cr_assert_eq(slice_pos(slice, log_head(log).pos), 240 * i);
		cr_assert_eq(slice_bytes(slice), 240);
		cr_assert_eq(slice_count(slice), 6);
		cr_assert(at_cut);
		cr_assert_eq(place.cut, i + 1);
	}
	cr_assert_eq(log_next(log, &place, log_head(log), SLICE, 6, &slice, &at_cut),
		     LOG_READ_SLICE);
	cr_assert_eq(slice_count(slice), 3, "up to an end whose position is known, too");
	cr_assert_eq(log_next(log, &place, log_head(log), SLICE, 6, &slice, &at_cut),
		     LOG_READ_NONE);
	log_stop();
}

Test(log, splits_intervals_at_the_limits)
{
	struct log *log = log_start(SIZE, SLICE, 1);
	struct place place;
	struct slice slice;
	bool at_cut;

	append_many(log, 12);
	place = place_at(log, 1);
	log_next(log, &place, log_head(log), 120, 10, &slice, &at_cut);
	cr_assert_eq(slice_count(slice), 3);
	cr_assert(at_cut);
	log_next(log, &place, log_head(log), BYTES_LARGE, 1, &slice, &at_cut);
	cr_assert_eq(slice_count(slice), 1);
	cr_assert_not(at_cut);
	log_next(log, &place, (struct mark){5, 0}, BYTES_LARGE, 10, &slice, &at_cut);
	cr_assert_eq(slice_count(slice), 1, "up to an end of which only the sequence is known");
	log_next(log, &place, log_head(log), 8, 10, &slice, &at_cut);
	cr_assert_eq(slice.first, 6, "one record at least");
	cr_assert_eq(slice_bytes(slice), 40);
	cr_assert_eq(place.cut, 1);
	log_next(log, &place, (struct mark){12, 0}, BYTES_LARGE, 0, &slice, &at_cut);
	cr_assert_eq(slice.first, 7);
	cr_assert_eq(slice_count(slice), 1, "one record at least");
	cr_assert(at_cut);
	log_stop();
}

Test(log, lets_a_place_at_its_end_go_on_in_the_interval_or_in_a_new_one)
{
	struct log *log = log_start(SIZE, SLICE, 1);
	struct slice slice;
	struct place place;
	bool at_cut;

	append_many(log, 5);
	place = place_at(log, 6);
	append_many(log, 1);
	cr_assert_eq(log_next(log, &place, log_head(log), SLICE, 10, &slice, &at_cut),
		     LOG_READ_SLICE);
	cr_assert_not(at_cut);
	cr_assert_eq(slice.first, 6);
	cr_assert_eq(place.cut, 0, "the next cut is not made");
	append_many(log, 2);
	cr_assert_eq(log_next(log, &place, log_head(log), SLICE, 10, &slice, &at_cut),
		     LOG_READ_SLICE);
	cr_assert(at_cut);
	cr_assert_eq(slice.first, 7);
	cr_assert_eq(slice_count(slice), 2);
	cr_assert_eq(place.cut, 1);
	log_stop();
}

Test(log, tells_a_reader_that_was_lapped)
{
	struct log *log = log_start(SIZE, SLICE, 1);
	struct place place;
	struct slice slice;
	bool at_cut;

	append_many(log, 10);
	place = place_at(log, 3);
	append_many(log, 120);
	cr_assert_eq(log_next(log, &place, log_head(log), SLICE, 10, &slice, &at_cut),
		     LOG_READ_TRUNCATED);
	cr_assert_not(log_seek(log, 3, &place));
	cr_assert_not(log_seek(log, log_earliest(log) - 1, &place));
	cr_assert(log_seek(log, log_earliest(log), &place));
	cr_assert_eq(log_next(log, &place, log_head(log), SLICE, 10, &slice, &at_cut),
		     LOG_READ_SLICE);
	cr_assert(at_cut);
	log_stop();
}

Test(log, reads_a_record_over_the_end_of_the_ring_in_one_piece)
{
	struct log *log = log_start(SIZE, SLICE, 1);
	struct place place;
	struct slice slice;
	bool at_cut;

	append_many(log, 104); // record 103 lies at 4080
	place = place_at(log, 103);
	cr_assert_eq(place.pos, 4080);
	cr_assert_eq(log_next(log, &place, log_head(log), SLICE, 10, &slice, &at_cut),
		     LOG_READ_SLICE);
	cr_assert_eq(slice_count(slice), 2);
	for (uint32_t i = 0; i < 2; i++) {
		const uint8_t *at = log_at(log, slice_pos(slice, log_head(log).pos)) + 40 * i;

		cr_assert_eq(at[1], RECORD_40);
		cr_assert_arr_eq(at + 12, payload, RECORD_40);
	}
	// Record 104 was written over the end's successor: at 24 of the first mapping, too.
	cr_assert_eq(((uint8_t *)memory)[25], RECORD_40);
	log_stop();
}

// ---- cutting back ------------------------------------------------------------------------------

Test(log, cut_back_takes_the_newest_records_away)
{
	struct log *log = log_start(SIZE, SLICE, 1);
	struct mark kept;

	append_many(log, 20);
	log_commit(log, 5);
	kept = (struct mark){13, place_at(log, 14).pos};
	cr_assert(log_cut_back(log, 13, 3));
	cr_assert_eq(log_head(log).seq, kept.seq);
	cr_assert_eq(log_head(log).pos, kept.pos);
	cr_assert_eq(log_committed(log).seq, 5, "below the cut the commit stays");
	cr_assert_not(log_seek(log, 15, &(struct place){0}));
	append_many(log, 10);
	cr_assert_eq(log_head(log).seq, 23);
	cr_assert_eq(place_at(log, 14).pos, kept.pos);
	cr_assert_eq(cut_at(log, place_at(log, 14).cut).seq, 14, "a cut begins behind the rest");
	cr_assert_eq(cut_at(log, place_at(log, 14).cut).epoch, 3);
	log_stop();
}

Test(log, cut_back_below_the_commit_takes_the_commit_along)
{
	struct log *log = log_start(SIZE, SLICE, 1);

	append_many(log, 20);
	log_commit(log, 18);
	cr_assert(log_cut_back(log, 7, 1));
	cr_assert_eq(log_committed(log).seq, 7);
	append_many(log, 3);
	cr_assert_eq(log_commit(log, 9), 9);
	log_stop();
}

Test(log, cut_back_to_nothing_leaves_an_empty_log_at_its_place)
{
	struct log *log = log_start(SIZE, SLICE, 1);
	struct place place;
	uint64_t earliest;

	append_many(log, 300); // it wrapped
	earliest = log_earliest(log);
	cr_assert_gt(earliest, 1);
	cr_assert(log_cut_back(log, earliest - 1, 1));
	cr_assert_eq(log_head_seq(log), earliest - 1);
	cr_assert_eq(log_earliest(log), earliest);
	cr_assert(log_seek(log, earliest, &place));
	cr_assert_not(log_seek(log, earliest - 1, &place));
	append_many(log, 1);
	cr_assert_eq(log_earliest(log), earliest);
	cr_assert_eq(place_at(log, earliest).pos, place.pos, "a reader that waited there reads on");
	cr_assert_eq(place_at(log, earliest).cut, place.cut);
	log_stop();
}

Test(log, cut_back_refuses_what_is_not_kept_or_not_there)
{
	struct log *log = log_start(SIZE, SLICE, 1);
	uint64_t earliest;

	append_many(log, 300);
	earliest = log_earliest(log);
	cr_assert_not(log_cut_back(log, earliest - 2, 1));
	cr_assert_not(log_cut_back(log, 301, 1));
	cr_assert(log_cut_back(log, 300, 1));
	log_stop();
}

Test(log, a_reader_below_the_cut_reads_on_as_if_nothing_were)
{
	struct log *log = log_start(SIZE, SLICE, 1);
	struct place place;
	struct slice slice;
	bool at_cut;

	cr_assert_not_null(log);
	// At every place of the commit in an interval, and every cut above it.
	for (uint64_t commit = 1; commit <= 12; commit++) {
		for (uint64_t seq = commit; seq <= 16; seq++) {
			uint64_t next = commit + 1;

			cr_assert_eq(log_init(log, memory, SIZE, cuts, SLICE, 1, 1), 0);
			append_many(log, 16);
			log_commit(log, commit);
			place = place_at(log, 1);
			while (log_next(log, &place, log_committed(log), BYTES_LARGE, UINT32_MAX,
					&slice, &at_cut) == LOG_READ_SLICE)
				;
			cr_assert_eq(place.seq, next);
			cr_assert(log_cut_back(log, seq, 2));
			append_many(log, 8);
			log_commit(log, log_head_seq(log));
			while (log_next(log, &place, log_committed(log), BYTES_LARGE, UINT32_MAX,
					&slice, &at_cut) == LOG_READ_SLICE) {
				cr_assert_eq(slice.first, next);
				next = slice_last(slice) + 1;
			}
			cr_assert_eq(next, log_head_seq(log) + 1);
		}
	}
	log_stop();
}

Test(log, times_go_on_from_what_is_kept)
{
	struct log *log = log_start(SIZE, SLICE, 1);

	append_many(log, 5);
	log_append(log, START_NS + SECOND_NS, 7, 0, payload, RECORD_40);
	log_publish(log);
	cr_assert_eq(log_time(log, 5), START_NS + 5 * TIME_STEP);
	cr_assert_eq(log_time(log, 6), START_NS + SECOND_NS);
	cr_assert(log_cut_back(log, 5, 1));
	log_append(log, START_NS + 6 * TIME_STEP, 7, 0, payload, RECORD_40);
	log_publish(log);
	cr_assert_eq(log_time(log, 6), START_NS + 6 * TIME_STEP, "not raised to what is gone");
	log_stop();
}

Test(log, reset_begins_anew_anywhere)
{
	struct log *log = log_start(SIZE, SLICE, 1);

	append_many(log, 300);
	log_commit(log, 299);
	log_reset(log, 1000, 9);
	cr_assert_eq(log_head_seq(log), 999);
	cr_assert_eq(log_committed_seq(log), 999);
	cr_assert_eq(log_earliest(log), 1000);
	append_many(log, 150);
	cr_assert_eq(cut_at(log, place_at(log, 1149).cut).epoch, 9);
	cr_assert_gt(log_earliest(log), 1000);
	log_stop();
}
