// SPDX-License-Identifier: BSD-3-Clause
//
// One writer against readers that it laps all the time. Every record's payload is made from its
// sequence alone, so a reader can tell whether what it copied is what was appended. A copy that
// log_valid() approves must be whole; TRUNCATED is the only excuse for not getting one.
//
// Usage: stress_log [seed [seconds]]
//
// Not for ThreadSanitizer: readers copy bytes that may be overwritten, and look afterwards.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "dataplane/log.h"

#define READERS	      3u
#define SIZE	      (64u * 1024)
#define SLICE	      1424u
#define EPOCH_RECORDS 512u    // records of one epoch
#define TIME_STEP_NS  700000u // a packet's records span a little; a pause makes a cut
#define PAUSE_RECORDS 1024u
#define PAUSE_NS      3000000000ull
#define START_NS      1700000000000000000ull
#define FAILURES_MAX  10u

static struct log the_log;
static _Atomic bool has_ended;
static _Atomic uint32_t failures;

struct reader {
	pthread_t thread;
	uint64_t random;
	uint64_t slices, records, truncated, lapped, searches;
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

static uint64_t time_of(uint64_t seq)
{
	return START_NS + seq * TIME_STEP_NS + seq / PAUSE_RECORDS * PAUSE_NS;
}

static uint32_t epoch_of(uint64_t seq)
{
	return 1 + (uint32_t)(seq / EPOCH_RECORDS);
}

static uint32_t topic_of(uint64_t seq)
{
	return (uint32_t)(seq * 2654435761u >> 16) % 100;
}

// Words of payload: mostly few, at times a record that fills a packet.
static uint32_t words_of(uint64_t seq)
{
	uint64_t mixed = seq * 0x9e3779b97f4a7c15ull >> 40;

	return (uint32_t)(mixed % 64 == 0 ? (SLICE - 12) / 8 : mixed % 24);
}

static uint64_t word_of(uint64_t seq, uint32_t at)
{
	return (seq ^ (uint64_t)at << 48) * 0x9e3779b97f4a7c15ull;
}

static void *write_all(void *argument)
{
	uint64_t random = *(uint64_t *)argument;
	uint64_t payload[(SLICE - 12) / 8];
	uint64_t commit = 0;

	while (!atomic_load_explicit(&has_ended, memory_order_relaxed)) {
		for (uint64_t i = random_next(&random) % 40; i > 0; i--) {
			uint64_t seq = the_log.head_own.seq + 1;
			uint32_t words = words_of(seq);

			for (uint32_t k = 0; k < words; k++)
				payload[k] = word_of(seq, k);
			if (epoch_of(seq) != the_log.epoch)
				log_epoch(&the_log, epoch_of(seq));
			if (log_append(&the_log, time_of(seq), topic_of(seq), 0, payload,
				       words * 8) != seq)
				FAIL("append is not at %lu", seq);
		}
		log_publish(&the_log);
		commit += random_next(&random) % (the_log.head_own.seq - commit + 1);
		commit = log_commit(&the_log, commit);
		// At times let the readers catch up.
		for (uint64_t i = random_next(&random) % 4000; i > 0; i--)
			atomic_signal_fence(memory_order_seq_cst);
	}
	return NULL;
}

// Whether the copy is, from `seq` on, `count` records as the writer made them, and nothing more.
static bool is_whole(const uint8_t *copy, uint32_t bytes, uint64_t seq, uint32_t count)
{
	const uint8_t *end = copy + bytes;

	for (; count > 0; count--, seq++) {
		struct godwit_record record;
		uint32_t words = words_of(seq);

		if (end - copy < 12 + (int64_t)words * 8)
			return false;
		memcpy(&record, copy, sizeof(record));
		if (godwit_get16(record.length) != words * 8 ||
		    godwit_get32(record.topic) != topic_of(seq) ||
		    godwit_get32(record.time) != (uint32_t)time_of(seq))
			return false;
		copy += sizeof(record);
		for (uint32_t k = 0; k < words; k++, copy += 8) {
			uint64_t word;

			memcpy(&word, copy, sizeof(word));
			if (word != word_of(seq, k))
				return false;
		}
	}
	return copy == end;
}

// Take the slice as egress does: place it, copy, ask whether the copy holds.
static void use_slice(struct reader *reader, struct slice slice, struct mark head)
{
	uint8_t copy[SLICE];
	uint64_t pos = slice_pos(slice, head.pos);
	uint32_t bytes = slice_bytes(slice);

	reader->slices++;
	if (bytes > SLICE || slice_count(slice) == 0) {
		FAIL("slice of %u bytes, %u records", bytes, slice_count(slice));
		return;
	}
	// At times late.
	if (random_next(&reader->random) % 8 == 0)
		for (uint64_t i = random_next(&reader->random) % 20000; i > 0; i--)
			atomic_signal_fence(memory_order_seq_cst);
	memcpy(copy, log_at(&the_log, pos), bytes);
	if (!log_valid(&the_log, pos)) {
		reader->lapped++;
		return;
	}
	reader->records += slice_count(slice);
	if (!is_whole(copy, bytes, slice.first, slice_count(slice)))
		FAIL("an approved copy of %lu + %u at %lu is not whole", slice.first,
		     slice_count(slice), pos);
	if (epoch_of(slice.first) != epoch_of(slice_last(slice)))
		FAIL("slice %lu + %u spans epochs", slice.first, slice_count(slice));
}

static void check_cut(uint64_t number, struct mark head)
{
	struct cut next, cut;
	bool is_closed = log_cut(&the_log, number + 1, &next);

	if (!log_cut(&the_log, number, &cut))
		return;
	if (cut.time_ns != time_of(cut.seq) || cut.epoch != epoch_of(cut.seq))
		FAIL("cut %lu: time or epoch is not that of %lu", number, cut.seq);
	for (uint64_t seq = cut.seq; seq < (is_closed ? next.seq : head.seq + 1); seq++)
		if ((cut.topic_bits & topic_bit(topic_of(seq))) == 0)
			FAIL("cut %lu lacks the topic of %lu", number, seq);
}

static void search(struct reader *reader, struct mark head, struct mark mark)
{
	uint64_t before = log_earliest(&the_log);
	uint64_t number, found, seq;
	struct place place;
	struct cut cut;

	if (before > head.seq)
		return;
	seq = before + random_next(&reader->random) % (head.seq + 2 - before);
	reader->searches++;
	if (seq <= head.seq && log_find(&the_log, seq, &number)) {
		if (log_cut(&the_log, number, &cut) && cut.seq > seq)
			FAIL("find %lu: cut %lu begins at %lu", seq, number, cut.seq);
		if (log_cut(&the_log, number + 1, &cut) && cut.seq <= seq)
			FAIL("find %lu: cut %lu ends before %lu", seq, number, cut.seq);
		check_cut(number, head);
	} else if (seq <= head.seq && log_earliest(&the_log) <= seq) {
		FAIL("find %lu: gone, though kept", seq);
	}
	// Both halves of a mark belong together: the place behind its sequence is its position.
	if (log_seek(&the_log, mark.seq + 1, &place) && place.pos != mark.pos)
		FAIL("mark %lu at %lu, not %lu", mark.seq, mark.pos, place.pos);
	found = log_find_time(&the_log, time_of(seq) - random_next(&reader->random) % 2);
	if (found != seq && (found < seq || log_earliest(&the_log) < found))
		FAIL("find time of %lu: %lu", seq, found);
}

static void *read_all(void *argument)
{
	struct reader *reader = argument;
	struct place place = {1, 0, 0};
	struct mark head = {0, 0};

	while (!atomic_load_explicit(&has_ended, memory_order_relaxed)) {
		uint64_t random = random_next(&reader->random);
		struct mark mark = random % 4 == 0 ? log_committed(&the_log) : log_head(&the_log);
		uint32_t bytes_max = random % 3 == 0 ? (uint32_t)(random >> 16) % SLICE : SLICE;
		struct place start = place;
		struct slice slice;
		bool at_cut;

		if (mark.seq > head.seq)
			head = mark;
		if (random % 64 == 0 && mark.seq > 0)
			search(reader, head, mark);
		if (random % 5 == 0)
			mark.pos = 0;
		switch (log_next(&the_log, &place, mark, bytes_max, UINT32_MAX, &slice, &at_cut)) {
		case LOG_READ_SLICE:
			if (slice.first != start.seq || slice_last(slice) > mark.seq ||
			    slice_last(slice) + 1 != place.seq)
				FAIL("slice %lu + %u at place %lu, mark %lu", slice.first,
				     slice_count(slice), start.seq, mark.seq);
			use_slice(reader, slice, head);
			break;
		case LOG_READ_TRUNCATED:
			reader->truncated++;
			if (log_earliest(&the_log) <= start.seq)
				FAIL("truncated at %lu, though kept", start.seq);
			while (!log_seek(&the_log, log_earliest(&the_log) + random % 300, &place) &&
			       !atomic_load_explicit(&has_ended, memory_order_relaxed))
				random /= 2;
			break;
		case LOG_READ_NONE:
			break;
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	long seconds = argc > 2 ? strtol(argv[2], NULL, 0) : 3;
	void *memory = log_memory_map(SIZE, false, -1);
	void *cuts = malloc(log_cuts_bytes(SIZE, SLICE));
	struct timespec duration = {.tv_sec = seconds};
	struct reader readers[READERS] = {0};
	pthread_t writer;

	if (memory == NULL || cuts == NULL ||
	    log_init(&the_log, memory, SIZE, cuts, SLICE, 1, epoch_of(1)) != 0) {
		perror("stress_log");
		free(cuts);
		return 1;
	}
	seed = seed * 2 + 1;
	pthread_create(&writer, NULL, write_all, &seed);
	for (uint32_t i = 0; i < READERS; i++) {
		readers[i].random = (seed + i + 1) * 0x9e3779b97f4a7c15ull | 1;
		pthread_create(&readers[i].thread, NULL, read_all, &readers[i]);
	}
	nanosleep(&duration, NULL);
	atomic_store(&has_ended, true);
	pthread_join(writer, NULL);
	for (uint32_t i = 0; i < READERS; i++) {
		pthread_join(readers[i].thread, NULL);
		printf("reader %u: %lu slices, %lu records, %lu lapped while copying, "
		       "%lu truncated, %lu searches\n",
		       i, readers[i].slices, readers[i].records, readers[i].lapped,
		       readers[i].truncated, readers[i].searches);
		if (readers[i].records == 0 || readers[i].searches == 0)
			FAIL("reader %u read nothing", i);
	}
	printf("%lu records appended, %u failures\n", the_log.head_own.seq, atomic_load(&failures));
	log_memory_unmap(memory, SIZE);
	free(cuts);
	return atomic_load(&failures) == 0 ? 0 : 1;
}
