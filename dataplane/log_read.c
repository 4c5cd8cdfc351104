// SPDX-License-Identifier: BSD-3-Clause
//
// The readers' half of the log: no lock, no wait, every loop bounded. What is read here may be
// overwritten at any time, so each function validates after it has read. The writer's half, and
// what orders the two, is in log.c.
#include "dataplane/log.h"

#define MARK_TRIES     1000u
#define EARLIEST_TRIES 64u
#define TIME_TRIES     16u

#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
// ThreadSanitizer cannot follow fences; what they order here is checked after it was read.
#pragma GCC diagnostic ignored "-Wtsan"
#endif

// The writer's section is three stores, so tries run out only where the writer lost its CPU inside
// it.
static struct mark mark_load(const struct shared_mark *shared)
{
	for (uint32_t tries = 0; tries < MARK_TRIES; tries++) {
		// pairs with: the last store of mark_store
		uint32_t version = atomic_load_explicit(&shared->version, memory_order_acquire);
		struct mark mark = {
			atomic_load_explicit(&shared->seq, memory_order_relaxed),
			atomic_load_explicit(&shared->pos, memory_order_relaxed),
		};

		// pairs with: the fence of mark_store
		atomic_thread_fence(memory_order_acquire);
		if (version % 2 == 0 &&
		    atomic_load_explicit(&shared->version, memory_order_relaxed) == version)
			return mark;
	}
	return (struct mark){0, 0};
}

// The sequence of a mark alone: one load, which cannot be torn and never fails.
static uint64_t mark_seq(const struct shared_mark *shared)
{
	// pairs with: mark_store
	return atomic_load_explicit(&shared->seq, memory_order_acquire);
}

struct mark log_head(const struct log *log)
{
	return mark_load(&log->head);
}

struct mark log_committed(const struct log *log)
{
	return mark_load(&log->commit);
}

bool log_cut(const struct log *log, uint64_t number, struct cut *cut)
{
	const struct cut_slot *slot = &log->cuts[number & log->cut_mask];

	// pairs with: cut_make
	if (number >= atomic_load_explicit(&log->cuts_end, memory_order_acquire))
		return false;
	cut->seq = atomic_load_explicit(&slot->seq, memory_order_relaxed);
	cut->pos = atomic_load_explicit(&slot->pos, memory_order_relaxed);
	cut->time_ns = atomic_load_explicit(&slot->time_ns, memory_order_relaxed);
	cut->topic_bits = atomic_load_explicit(&slot->topic_bits, memory_order_relaxed);
	cut->epoch = atomic_load_explicit(&slot->epoch, memory_order_relaxed);
	// A slot is used again only after cuts_first has passed its number. pairs with: the fence
	// of reserve_move
	atomic_thread_fence(memory_order_acquire);
	return number >= atomic_load_explicit(&log->cuts_first, memory_order_relaxed);
}

// Numbers of the cuts kept: [*first, *end); both 0 before the first record.
static void cuts_bounds(const struct log *log, uint64_t *first, uint64_t *end)
{
	// pairs with: reserve_move; in this order end is never below first
	*first = atomic_load_explicit(&log->cuts_first, memory_order_acquire);
	// pairs with: cut_make
	*end = atomic_load_explicit(&log->cuts_end, memory_order_acquire);
}

uint64_t log_earliest(const struct log *log)
{
	uint64_t first, end;
	struct cut cut;

	for (uint32_t tries = 0; tries < EARLIEST_TRIES; tries++) {
		cuts_bounds(log, &first, &end);
		if (end <= first) // none: empty, or cut back to that
			break;
		// Where the writer takes cuts away as fast as they are read, look further from the
		// edge.
		if (tries > EARLIEST_TRIES / 2)
			first += tries;
		if (log_cut(log, first < end ? first : end - 1, &cut))
			return cut.seq;
	}
	return mark_seq(&log->head) + 1;
}

// Whether the cut of this number, which log_cut() refused, is one that the writer took back.
static bool is_cut_back(const struct log *log, uint64_t number)
{
	return number >= atomic_load_explicit(&log->cuts_end, memory_order_acquire);
}

// Number of the first cut whose sequence (or time) is above `key`; that of the next cut if there is
// none. If it is also the earliest kept, the one before it is gone or was never made.
static uint64_t cut_above(const struct log *log, bool by_time, uint64_t key)
{
	uint64_t low, high;
	struct cut cut;

	cuts_bounds(log, &low, &high);
	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		// One that is gone meanwhile is below any that is kept: go on above it. Or it was cut
		// back: then it is above all.
		if (log_cut(log, middle, &cut) ? (by_time ? cut.time_ns : cut.seq) <= key :
						 !is_cut_back(log, middle))
			low = middle + 1;
		else
			high = middle;
	}
	return high;
}

// The newest cut at or below `seq`. False if there is none any more, or none yet.
static bool cut_of(const struct log *log, uint64_t seq, uint64_t *number, struct cut *cut)
{
	uint64_t above = cut_above(log, false, seq);

	*number = above - 1;
	return above > 0 && log_cut(log, *number, cut) && cut->seq <= seq;
}

bool log_find(const struct log *log, uint64_t seq, uint64_t *number)
{
	struct cut cut;

	return seq <= mark_seq(&log->head) && cut_of(log, seq, number, &cut);
}

// A walk over records: from seq at pos, up to `last`, `bytes_max` and `count_max`, but one at
// least.
struct walk {
	uint64_t seq, pos; // begin
	uint64_t last;	   // last sequence that may be taken
	uint64_t pos_end;  // nothing that ends above is a record of this interval
	uint32_t bytes_max, count_max;
	uint32_t bytes, count; // what was taken
};

// False if the bytes were overwritten before they were read, or while: then nothing of it holds.
static bool walk_run(const struct log *log, struct walk *walk)
{
	uint64_t room = walk->pos_end - walk->pos;

	walk->bytes = 0;
	walk->count = 0;
	while (walk->seq + walk->count <= walk->last && walk->count < walk->count_max) {
		uint32_t bytes = log_record_bytes(log, walk->pos + walk->bytes);

		if (bytes > room - walk->bytes) {
			assert(!log_valid(log, walk->pos));
			return false;
		}
		if (walk->count > 0 && walk->bytes + bytes > walk->bytes_max)
			break;
		walk->bytes += bytes;
		walk->count++;
	}
	return log_valid(log, walk->pos);
}

bool log_seek(const struct log *log, uint64_t seq, struct place *place)
{
	uint64_t head = mark_seq(&log->head);
	uint64_t number, first, end;
	struct cut cut;

	if (seq > head + 1)
		return false;
	if (!cut_of(log, seq, &number, &cut)) {
		struct mark mark;

		cuts_bounds(log, &first, &end);
		mark = mark_load(&log->head);
		if (end > first || seq != mark.seq + 1)
			return false;
		// Nothing is kept: the first record will make the next cut at the head's position.
		*place = (struct place){seq, mark.pos, end};
		return true;
	}
	struct walk walk = {
		.seq = cut.seq,
		.pos = cut.pos,
		.last = seq - 1,
		.pos_end = cut.pos + log->slice_bytes,
		.bytes_max = UINT32_MAX,
		.count_max = LOG_CUT_RECORDS,
	};
	if (!walk_run(log, &walk))
		return false;
	assert(walk.count == seq - cut.seq);
	*place = (struct place){seq, cut.pos + walk.bytes, number};
	return true;
}

// First record of the interval of `cut`, up to `last`, with this time or a later one; last + 1 if
// none. False if the interval was overwritten meanwhile.
static bool time_walk(const struct log *log, const struct cut *cut, uint64_t time_ns, uint64_t last,
		      uint64_t *seq)
{
	uint64_t pos = cut->pos;

	for (*seq = cut->seq; *seq <= last; (*seq)++) {
		uint32_t bytes = log_record_bytes(log, pos);
		struct godwit_record record;

		if (pos + bytes - cut->pos > log->slice_bytes) {
			assert(!log_valid(log, cut->pos));
			return false;
		}
		memcpy(&record, log_at(log, pos), sizeof(record));
		// An interval spans less than 2^32 ns: the low half tells how far after the cut.
		if (cut->time_ns + (uint32_t)(godwit_get32(record.time) - cut->time_ns) >= time_ns)
			break;
		pos += bytes;
	}
	return log_valid(log, cut->pos);
}

uint64_t log_time(const struct log *log, uint64_t seq)
{
	struct godwit_record record;
	struct place place;
	struct cut cut;

	if (!log_seek(log, seq, &place) || seq > mark_seq(&log->head) ||
	    !log_cut(log, place.cut, &cut))
		return 0;
	memcpy(&record, log_at(log, place.pos), sizeof(record));
	return log_valid(log, place.pos) ?
		       cut.time_ns + (uint32_t)(godwit_get32(record.time) - (uint32_t)cut.time_ns) :
		       0;
}

uint64_t log_find_time(const struct log *log, uint64_t time_ns)
{
	for (uint32_t tries = 0; time_ns > 0 && tries < TIME_TRIES; tries++) {
		uint64_t head = mark_seq(&log->head);
		// The first cut that is not before the time: what is asked for is it, or lies
		// before it.
		uint64_t number = cut_above(log, true, time_ns - 1);
		uint64_t last = head;
		struct cut cut, next;
		uint64_t seq;

		if (log_cut(log, number, &next) && next.seq <= head)
			last = next.seq - 1;
		if (number == 0 || !log_cut(log, number - 1, &cut))
			break;
		// Cuts may already stand above the head.
		if (time_walk(log, &cut, time_ns, last, &seq))
			return seq <= head ? seq : head + 1;
	}
	return log_earliest(log);
}

// The interval that a place stands in, and the cut after it where that is made. False if it is
// gone.
static bool place_cuts(const struct log *log, struct place *place, struct cut *cut, bool *has_next,
		       struct cut *next)
{
	// The later one first: were it gone, the earlier one, read behind it, would be too.
	while ((*has_next = log_cut(log, place->cut + 1, next)) && place->seq >= next->seq) {
		// It stood at the end of its interval when that was still open.
		assert(place->seq == next->seq && place->pos == next->pos);
		place->cut++;
	}
	if (!log_cut(log, place->cut, cut))
		return false;
	assert(place->seq >= cut->seq && place->pos >= cut->pos);
	assert(place->pos - cut->pos <= log->slice_bytes);
	return true;
}

enum log_read log_next(const struct log *log, struct place *place, struct mark end,
		       uint32_t bytes_max, uint32_t count_max, struct slice *slice, bool *at_cut)
{
	struct cut cut, next = {0};
	bool has_next;

	if (place->seq > end.seq)
		return LOG_READ_NONE;
	if (!place_cuts(log, place, &cut, &has_next, &next))
		return LOG_READ_TRUNCATED;
	// An end taken from this log has its cut: so without a next one it lies in this interval.
	if (has_next && next.seq <= end.seq)
		end = (struct mark){next.seq - 1, next.pos};
	if (count_max > LOG_CUT_RECORDS)
		count_max = LOG_CUT_RECORDS;

	struct walk walk = {
		.seq = place->seq,
		.pos = place->pos,
		.last = end.seq,
		.pos_end = has_next ? next.pos : cut.pos + log->slice_bytes,
		.bytes_max = bytes_max,
		.count_max = count_max > 0 ? count_max : 1,
		.bytes = (uint32_t)(end.pos - place->pos),
		.count = (uint32_t)(end.seq - place->seq + 1),
	};
	if (end.pos != 0) {
		assert(end.pos > place->pos && end.pos - cut.pos <= log->slice_bytes);
		assert(end.seq - cut.seq < LOG_CUT_RECORDS);
	}
	if (end.pos == 0 || walk.bytes > walk.bytes_max || walk.count > walk.count_max) {
		if (!walk_run(log, &walk))
			return LOG_READ_TRUNCATED;
	}
	*slice = slice_make(place->seq, place->pos, walk.bytes, walk.count);
	*at_cut = place->pos == cut.pos;
	place->seq += walk.count;
	place->pos += walk.bytes;
	if (has_next && place->pos == next.pos)
		place->cut++;
	return LOG_READ_SLICE;
}
