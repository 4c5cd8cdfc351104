// SPDX-License-Identifier: BSD-3-Clause
//
// The log against a naive twin: an array of records from which each answer is found by a scan.
// Thousands of random operations for each of many seeds, over logs of a few KiB.
#include <criterion/criterion.h>
#include <stdlib.h>

#include "dataplane/log.h"

#define SEEDS	    300u
#define OPERATIONS  2500u
#define RECORDS_MAX 8000u
#define READERS	    4u
#define MAX_BYTES   16384u // of a log

struct twin_record {
	uint64_t time_ns;
	uint64_t pos;
	uint32_t topic, length, epoch;
	uint16_t flags;
	uint32_t interval; // number of its cut
};

struct twin {
	struct log log;
	void *memory, *cuts;
	uint64_t size, first_seq;
	uint32_t slice_bytes, cuts_max;
	uint64_t random;
	// record i has sequence first_seq + i
	struct twin_record records[RECORDS_MAX];
	uint64_t count;	    // appended
	uint64_t published; // of these
	uint64_t committed; // of these
	uint64_t end_pos;
	uint64_t first_of_cut[RECORDS_MAX]; // index of the first record of each interval
	uint32_t cuts_count;
	uint64_t clock_ns;
	uint32_t epoch;
	bool epoch_begins;
	struct place readers[READERS];
	uint32_t seed, truncated, slices, splits;
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

static uint8_t payload_byte(uint64_t seq, uint32_t at)
{
	return (uint8_t)(seq * 31 + at * 7 + (seq >> 8));
}

static void twin_start(uint32_t seed)
{
	static const uint32_t slices[] = {16, 20, 64, 128, 256, 512, 1024};

	memset(&twin, 0, sizeof(twin));
	twin.seed = seed;
	twin.random = seed * 0x9e3779b97f4a7c15ull + 1;
	twin.size = 4096ull << random_below(3);
	twin.slice_bytes = slices[random_below(7)];
	twin.first_seq = random_below(2) ? 1 : 1 + random_below(1ull << 40);
	twin.epoch = 1;
	twin.epoch_begins = true;
	twin.clock_ns = 1700000000000000000ull + random_next() % 10000000000ull;
	twin.memory = log_memory_map(twin.size, false, -1);
	cr_assert_not_null(twin.memory);

	uint64_t cuts_bytes = log_cuts_bytes(twin.size, twin.slice_bytes);

	twin.cuts = malloc(cuts_bytes);
	twin.cuts_max = (uint32_t)(cuts_bytes / sizeof(struct cut_slot));
	cr_assert_eq(log_init(&twin.log, twin.memory, twin.size, twin.cuts, twin.slice_bytes,
			      twin.first_seq, twin.epoch),
		     0);
	for (uint32_t i = 0; i < READERS; i++)
		cr_assert(log_seek(&twin.log, twin.first_seq, &twin.readers[i]));
}

static void twin_stop(void)
{
	log_memory_unmap(twin.memory, twin.size);
	free(twin.cuts);
}

static void append_one(void)
{
	uint8_t payload[1024];
	struct twin_record *r = &twin.records[twin.count];
	uint64_t seq = twin.first_seq + twin.count;
	uint32_t room = twin.slice_bytes - 12;

	r->length = (uint32_t)random_below(random_below(3) ? room / 4 + 1 : room + 1);
	r->topic = (uint32_t)random_below(40);
	r->flags = (uint16_t)random_next();
	for (uint32_t i = 0; i < r->length; i++)
		payload[i] = payload_byte(seq, i);
	// Mostly a little later, at times earlier, the same, or far ahead.
	uint64_t kind = random_below(40);
	uint64_t time_ns = twin.clock_ns + (kind == 0 ? random_below(5000000000ull) :
					    kind < 10 ? 0 :
							random_below(30000000));
	twin.clock_ns = time_ns;
	if (kind == 1)
		time_ns -= random_below(1000000000ull);
	cr_assert_eq(log_append(&twin.log, time_ns, r->topic, r->flags, payload, r->length), seq);

	const struct twin_record *before = twin.count > 0 ? r - 1 : NULL;

	r->time_ns = before != NULL && before->time_ns > time_ns ? before->time_ns : time_ns;
	r->epoch = twin.epoch;
	r->pos = twin.end_pos;
	twin.end_pos += (12 + r->length + 3) / 4 * 4;

	uint64_t first = twin.cuts_count > 0 ? twin.first_of_cut[twin.cuts_count - 1] : 0;

	if (twin.epoch_begins || twin.end_pos - twin.records[first].pos > twin.slice_bytes ||
	    r->time_ns - twin.records[first].time_ns > 2000000000ull)
		twin.first_of_cut[twin.cuts_count++] = twin.count;
	r->interval = twin.cuts_count - 1;
	twin.epoch_begins = false;
	twin.count++;
}

static uint64_t head_seq(void)
{
	return twin.first_seq + twin.published - 1;
}

static const struct twin_record *record_of(uint64_t seq)
{
	return &twin.records[seq - twin.first_seq];
}

// End of record `seq`; the start for the one before the first.
static uint64_t end_of(uint64_t seq)
{
	return seq + 1 - twin.first_seq == twin.count ? twin.end_pos : record_of(seq + 1)->pos;
}

static void check_record(uint64_t seq, const uint8_t *at)
{
	const struct twin_record *r = record_of(seq);
	struct godwit_record header;

	memcpy(&header, at, sizeof(header));
	cr_assert_eq(godwit_get16(header.length), r->length, "seed %u: seq %lu", twin.seed, seq);
	cr_assert_eq(godwit_get16(header.flags), r->flags);
	cr_assert_eq(godwit_get32(header.topic), r->topic);
	cr_assert_eq(godwit_get32(header.time), (uint32_t)r->time_ns);
	for (uint32_t i = 0; i < r->length; i++)
		cr_assert_eq(at[12 + i], payload_byte(seq, i), "seed %u: seq %lu byte %u",
			     twin.seed, seq, i);
	for (uint32_t i = 12 + r->length; i % 4 != 0; i++)
		cr_assert_eq(at[i], 0);
}

// Everything that is said to be kept is whole, and no more was given up than the rules allow.
static void check_kept(void)
{
	uint64_t earliest = log_earliest(&twin.log);
	uint64_t step = twin.size / 16 < 65536 ? twin.size / 16 : 65536;

	if (twin.count == 0) {
		cr_assert_eq(earliest, twin.first_seq);
		return;
	}

	const struct twin_record *first = record_of(earliest);
	uint32_t kept = twin.cuts_count - first->interval;

	cr_assert_eq(twin.first_of_cut[first->interval], earliest - twin.first_seq);
	cr_assert_leq(kept, twin.cuts_max);
	cr_assert_leq(twin.end_pos - first->pos, twin.size);
	cr_assert(log_valid(&twin.log, first->pos));
	if (first->interval > 0) {
		uint64_t given_up = twin.records[twin.first_of_cut[first->interval - 1]].pos;

		cr_assert(given_up + twin.size < twin.end_pos + step || kept + 1 > twin.cuts_max ||
				  given_up < atomic_load(&twin.log.reserve),
			  "seed %u: interval %u went too early", twin.seed, first->interval - 1);
		cr_assert(twin.cuts_count > twin.cuts_max ||
				  atomic_load(&twin.log.reserve) <= twin.end_pos - twin.size + step,
			  "seed %u: reserve went too far", twin.seed);
	}
	for (uint64_t seq = earliest; seq < twin.first_seq + twin.count; seq++)
		check_record(seq, log_at(&twin.log, record_of(seq)->pos));
}

static void check_cuts(void)
{
	struct cut cut;

	for (uint32_t i = 0; i < twin.cuts_count; i++) {
		const struct twin_record *r = &twin.records[twin.first_of_cut[i]];
		uint64_t end = i + 1 < twin.cuts_count ? twin.first_of_cut[i + 1] : twin.count;
		bool is_kept = twin.first_seq + twin.first_of_cut[i] >= log_earliest(&twin.log);
		uint64_t bits = 0;

		cr_assert_eq(log_cut(&twin.log, i, &cut), is_kept, "seed %u: cut %u", twin.seed, i);
		if (!is_kept)
			continue;
		cr_assert_eq(cut.seq, twin.first_seq + twin.first_of_cut[i]);
		cr_assert_eq(cut.pos, r->pos);
		cr_assert_eq(cut.time_ns, r->time_ns);
		cr_assert_eq(cut.epoch, r->epoch);
		for (uint64_t k = twin.first_of_cut[i]; k < end; k++) {
			bits |= topic_bit(twin.records[k].topic);
			cr_assert_eq(twin.records[k].epoch, cut.epoch);
			cr_assert_leq(twin.records[k].time_ns - cut.time_ns, 2000000000ull);
		}
		cr_assert_eq(cut.topic_bits, bits);
		cr_assert_leq(end_of(twin.first_seq + end - 1) - cut.pos, twin.slice_bytes);
	}
	cr_assert_not(log_cut(&twin.log, twin.cuts_count, &cut));
}

// A sequence from a little below what is kept to a little above the head.
static uint64_t random_seq(void)
{
	uint64_t earliest = log_earliest(&twin.log);
	uint64_t low = earliest <= head_seq() ? earliest - 1 : head_seq();
	uint64_t seq = low + random_below(head_seq() + 4 - low);

	return random_below(20) == 0 ? random_below(head_seq() + 3) : seq;
}

static void check_find(void)
{
	uint64_t seq = random_seq();
	bool is_there = seq >= log_earliest(&twin.log) && seq <= head_seq();
	uint64_t number;

	cr_assert_eq(log_find(&twin.log, seq, &number), is_there, "seed %u: find %lu", twin.seed,
		     seq);
	if (is_there)
		cr_assert_eq(number, record_of(seq)->interval);
}

static void check_find_time(void)
{
	uint64_t earliest = log_earliest(&twin.log);
	uint64_t time_ns = twin.clock_ns - random_below(20000000000ull) + random_below(1000);
	uint64_t wanted = earliest;

	if (random_below(3) == 0 && twin.count > 0) {
		time_ns = twin.records[random_below(twin.count)].time_ns + random_below(3) - 1;
	} else if (random_below(50) == 0) {
		time_ns = random_below(2) ? 0 : UINT64_MAX;
	}
	// What was appended at once and not published may have lapped all that was.
	if (earliest > head_seq() + 1)
		return;
	while (wanted <= head_seq() && record_of(wanted)->time_ns < time_ns)
		wanted++;
	cr_assert_eq(log_find_time(&twin.log, time_ns), wanted, "seed %u: time %lu: %lu, not %lu",
		     twin.seed, time_ns, log_find_time(&twin.log, time_ns), wanted);
}

static void seek_reader(struct place *place)
{
	uint64_t seq = random_seq();
	bool can = seq >= log_earliest(&twin.log) && seq <= head_seq() + 1;
	struct place sought;

	cr_assert_eq(log_seek(&twin.log, seq, &sought), can, "seed %u: seek %lu", twin.seed, seq);
	if (!can)
		return;
	*place = sought;
	cr_assert_eq(place->seq, seq);
	cr_assert_eq(place->pos, end_of(seq - 1));
}

static struct mark random_end(void)
{
	uint64_t seq;

	switch (random_below(4)) {
	case 0:
		return log_head(&twin.log);
	case 1:
		return log_committed(&twin.log);
	default:
		seq = random_seq();
		if (seq > head_seq())
			seq = head_seq();
		if (seq < twin.first_seq || random_below(2))
			return (struct mark){seq, 0};
		return (struct mark){seq, end_of(seq)};
	}
}

// The most that the limits allow, found record by record.
static uint32_t naive_next(const struct place *place, struct mark end, uint32_t bytes_max,
			   uint32_t count_max, uint32_t *bytes)
{
	uint32_t interval = record_of(place->seq)->interval;
	uint32_t count = 0;

	*bytes = 0;
	for (uint64_t seq = place->seq; seq <= end.seq && seq < twin.first_seq + twin.count;
	     seq++) {
		uint32_t next = (uint32_t)(end_of(seq) - record_of(seq)->pos);

		if (record_of(seq)->interval != interval ||
		    (count > 0 && (count >= count_max || *bytes + next > bytes_max)))
			break;
		*bytes += next;
		count++;
	}
	return count;
}

static void read_next(struct place *place)
{
	struct mark end = random_end();
	uint32_t bytes_max =
		(uint32_t)(random_below(2) ? UINT32_MAX : random_below(twin.slice_bytes + 20));
	uint32_t count_max = (uint32_t)(random_below(2) ? LOG_CUT_RECORDS : random_below(8));
	struct place before = *place;
	struct slice slice;
	uint32_t bytes, count;
	bool at_cut;
	enum log_read verdict =
		log_next(&twin.log, place, end, bytes_max, count_max, &slice, &at_cut);

	if (before.seq > end.seq) {
		cr_assert_eq(verdict, LOG_READ_NONE);
		return;
	}
	if (twin.first_of_cut[record_of(before.seq)->interval] + twin.first_seq <
	    log_earliest(&twin.log)) {
		cr_assert_eq(verdict, LOG_READ_TRUNCATED, "seed %u", twin.seed);
		cr_assert(log_seek(&twin.log, log_earliest(&twin.log), place) ||
			  log_earliest(&twin.log) > head_seq() + 1);
		twin.truncated++;
		return;
	}
	cr_assert_eq(verdict, LOG_READ_SLICE, "seed %u", twin.seed);
	count = naive_next(&before, end, bytes_max, count_max, &bytes);
	cr_assert_eq(slice.first, before.seq);
	cr_assert_eq(slice_count(slice), count, "seed %u: seq %lu: %u records, not %u", twin.seed,
		     before.seq, slice_count(slice), count);
	cr_assert_eq(slice_bytes(slice), bytes);
	cr_assert_eq(slice_pos(slice, twin.end_pos), before.pos);
	cr_assert_eq(at_cut, twin.first_of_cut[record_of(before.seq)->interval] + twin.first_seq ==
				     before.seq);
	cr_assert_eq(place->seq, before.seq + count);
	cr_assert_eq(place->pos, before.pos + bytes);
	for (uint32_t i = 0; i < count; i++)
		check_record(before.seq + i, log_at(&twin.log, before.pos) +
						     (record_of(before.seq + i)->pos - before.pos));
	twin.slices++;
	twin.splits += !at_cut;
}

static void commit_some(void)
{
	uint64_t behind = twin.published - twin.committed;
	uint64_t count = twin.committed + random_below(behind + 1);
	uint64_t seq = twin.first_seq + count - 1;

	if (random_below(8) == 0)
		seq = head_seq();
	// Of what is gone the end is not known; a commit that would fall there stays.
	if (seq < log_earliest(&twin.log)) {
		uint64_t answer = log_commit(&twin.log, seq);

		cr_assert(answer == seq || answer == twin.first_seq + twin.committed - 1);
		seq = answer;
	}
	cr_assert_eq(log_commit(&twin.log, seq), seq, "seed %u: commit %lu", twin.seed, seq);
	twin.committed = seq + 1 - twin.first_seq;

	struct mark mark = log_committed(&twin.log);

	cr_assert_eq(mark.seq, seq);
	cr_assert_eq(mark.pos, end_of(seq), "seed %u: commit %lu", twin.seed, seq);
}

static void run_operation(void)
{
	uint64_t kind = random_below(100);

	if (kind < 25) {
		for (uint64_t i = random_below(8); i > 0 && twin.count < RECORDS_MAX; i--)
			append_one();
	} else if (kind < 45) {
		log_publish(&twin.log);
		twin.published = twin.count;
		cr_assert_eq(log_head(&twin.log).seq, head_seq());
		cr_assert_eq(log_head(&twin.log).pos, twin.end_pos);
	} else if (kind < 52) {
		commit_some();
	} else if (kind < 54) {
		log_epoch(&twin.log, ++twin.epoch);
		twin.epoch_begins = true;
	} else if (kind < 60) {
		check_find();
	} else if (kind < 66) {
		check_find_time();
	} else if (kind < 70) {
		seek_reader(&twin.readers[random_below(READERS)]);
	} else if (kind < 72) {
		check_kept();
		check_cuts();
	} else {
		read_next(&twin.readers[random_below(READERS)]);
	}
}

static void run_seeds(uint32_t first, uint32_t count)
{
	uint64_t truncated = 0, slices = 0, splits = 0, overfull = 0;

	for (uint32_t seed = first; seed < first + count; seed++) {
		twin_start(seed);
		for (uint32_t i = 0; i < OPERATIONS; i++)
			run_operation();
		check_kept();
		check_cuts();
		truncated += twin.truncated;
		slices += twin.slices;
		splits += twin.splits;
		overfull += twin.cuts_count > twin.cuts_max;
		twin_stop();
	}
	// The runs went where they should.
	cr_assert_gt(truncated, count, "places were lapped");
	cr_assert_gt(slices, 100 * count, "slices were read");
	cr_assert_gt(splits, 10 * count, "intervals were split");
	cr_assert_gt(overfull, 0, "tables of cuts were full");
}

Test(log_twin, agrees_after_any_operation)
{
	run_seeds(1, SEEDS);
}

Test(log_twin, agrees_on_the_way_of_a_reader_that_takes_all)
{
	for (uint32_t seed = 1; seed <= SEEDS; seed++) {
		struct place place;
		struct slice slice;
		uint64_t seq;
		bool at_cut;

		twin_start(seed);
		place = twin.readers[0];
		seq = place.seq;
		for (uint32_t i = 0; i < OPERATIONS; i++) {
			append_one();
			log_publish(&twin.log);
			twin.published = twin.count;
			if (random_below(4) != 0 && twin.end_pos - place.pos < twin.size / 2)
				continue;
			while (log_next(&twin.log, &place, log_head(&twin.log), UINT32_MAX,
					LOG_CUT_RECORDS, &slice, &at_cut) == LOG_READ_SLICE) {
				cr_assert_eq(slice.first, seq, "seed %u", seed);
				seq = slice_last(slice) + 1;
				cr_assert_eq(seq, place.seq);
			}
			cr_assert_eq(seq, twin.first_seq + twin.count, "seed %u", seed);
		}
		twin_stop();
	}
}
