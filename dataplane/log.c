// SPDX-License-Identifier: BSD-3-Clause
//
// The writer's half of the log. What orders it against readers (log_read.c):
//
// Publishing: bytes and cuts are written before the release of a mark; readers acquire the mark.
// Overwriting: `cuts_first` and `reserve` move, then a release fence, then bytes and the slot of a
// cut are written. A reader that has seen one new byte therefore sees, behind its own acquire
// fence, that the old ones are gone.
//
// A record that crosses the end of the first mapping is written straight on into the second. It may
// be read through the other address of the same bytes, which the compiler takes for other memory:
// on any thread, the writer's own too, the release of the mark and its acquire stand between that
// write and that read, and the release fence after `reserve` between a read and the write that
// overwrites.
#include "dataplane/log.h"

#include <errno.h>

#define SIZE_MAX_BYTES (1ull << 37)
#define CUTS_MAX       (1ull << 31)
#define STEP_MAX_BYTES (64u * 1024)
#define COMMIT_WALK    64u // records that a commit walks over rather than search the cuts

static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2, "a core never waits");
static_assert(offsetof(struct log, head) / CACHE_LINE != offsetof(struct log, commit) / CACHE_LINE,
	      "head and commit on lines of their own");
static_assert(offsetof(struct log, cuts_first) / CACHE_LINE ==
		      offsetof(struct log, head) / CACHE_LINE,
	      "what a reader looks at lies on one line");

#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
// ThreadSanitizer cannot follow fences; what they order here is checked after it was read.
#pragma GCC diagnostic ignored "-Wtsan"
#endif

static void mark_init(struct shared_mark *shared, struct mark mark)
{
	atomic_init(&shared->version, 0);
	atomic_init(&shared->seq, mark.seq);
	atomic_init(&shared->pos, mark.pos);
}

static void mark_store(struct shared_mark *shared, struct mark mark)
{
	uint32_t version = atomic_load_explicit(&shared->version, memory_order_relaxed);

	atomic_store_explicit(&shared->version, version + 1, memory_order_relaxed);
	// Odd is seen before a new field is. pairs with: the fence of mark_load
	atomic_thread_fence(memory_order_release);
	// pairs with: mark_seq, which reads this field alone
	atomic_store_explicit(&shared->seq, mark.seq, memory_order_release);
	atomic_store_explicit(&shared->pos, mark.pos, memory_order_relaxed);
	// pairs with: mark_load
	atomic_store_explicit(&shared->version, version + 2, memory_order_release);
}

static uint64_t cuts_count(uint64_t size, uint32_t slice_bytes)
{
	uint64_t wanted = 2 * size / slice_bytes;
	uint64_t count = 8;

	while (count < wanted && count < CUTS_MAX)
		count *= 2;
	return count;
}

uint64_t log_cuts_bytes(uint64_t size, uint32_t slice_bytes)
{
	return cuts_count(size, slice_bytes) * sizeof(struct cut_slot);
}

int log_init(struct log *log, void *memory, uint64_t size, void *cuts, uint32_t slice_bytes,
	     uint64_t first_seq, uint32_t epoch)
{
	struct mark empty = {first_seq - 1, 0};

	if (size < LOG_MIN_BYTES || size > SIZE_MAX_BYTES || (size & (size - 1)) != 0)
		return -EINVAL;
	if (slice_bytes < LOG_SLICE_MIN_BYTES || slice_bytes > LOG_SLICE_MAX_BYTES ||
	    slice_bytes % 4 != 0 || size < 4 * (uint64_t)slice_bytes || first_seq == 0)
		return -EINVAL;

	memset(log, 0, sizeof(*log));
	// Touches the table's pages, too.
	memset(cuts, 0, log_cuts_bytes(size, slice_bytes));
	log->base = memory;
	log->size = size;
	log->mask = size - 1;
	log->cuts = cuts;
	log->cut_mask = (uint32_t)(cuts_count(size, slice_bytes) - 1);
	log->slice_bytes = slice_bytes;
	log->reserve_step = size / 16 < STEP_MAX_BYTES ? size / 16 : STEP_MAX_BYTES;
	mark_init(&log->head, empty);
	mark_init(&log->commit, empty);
	atomic_init(&log->reserve, 0);
	atomic_init(&log->cuts_end, 0);
	atomic_init(&log->cuts_first, 0);
	log->head_own = empty;
	log->commit_own = empty;
	log->epoch = epoch;
	log->cut_due = true;
	return 0;
}

// Give up what lies below `reserve`, and the cuts that begin there, before any of it is
// overwritten.
static void reserve_move(struct log *log, uint64_t reserve)
{
	uint64_t end = atomic_load_explicit(&log->cuts_end, memory_order_relaxed);
	uint64_t first = atomic_load_explicit(&log->cuts_first, memory_order_relaxed);

	while (first < end && atomic_load_explicit(&log->cuts[first & log->cut_mask].pos,
						   memory_order_relaxed) < reserve)
		first++;
	// A reader that sees it finds cuts_end above it. pairs with: cuts_bounds
	atomic_store_explicit(&log->cuts_first, first, memory_order_release);
	// The cuts go first: were it the other way round, a reader could be told again and again of
	// a cut whose bytes are not valid, while the writer has lost its CPU. pairs with: log_valid
	atomic_store_explicit(&log->reserve, reserve, memory_order_release);
	// pairs with: the fences of log_valid (bytes) and log_cut (slots)
	atomic_thread_fence(memory_order_release);
}

// The ring is about to be written up to `end`.
static void reserve_for(struct log *log, uint64_t end)
{
	uint64_t reserve = atomic_load_explicit(&log->reserve, memory_order_relaxed);

	if (end <= reserve + log->size)
		return;
	reserve += log->reserve_step;
	reserve_move(log, reserve > end - log->size ? reserve : end - log->size);
}

static void cut_make(struct log *log, uint64_t seq, uint64_t pos, uint64_t time_ns)
{
	uint64_t number = atomic_load_explicit(&log->cuts_end, memory_order_relaxed);
	uint64_t first = atomic_load_explicit(&log->cuts_first, memory_order_relaxed);
	struct cut_slot *slot = &log->cuts[number & log->cut_mask];

	if (number - first > log->cut_mask) {
		const struct cut_slot *second = &log->cuts[(first + 1) & log->cut_mask];

		// The table is full: the oldest cut goes, and its records with it.
		reserve_move(log, atomic_load_explicit(&second->pos, memory_order_relaxed));
	}
	atomic_store_explicit(&slot->seq, seq, memory_order_relaxed);
	atomic_store_explicit(&slot->pos, pos, memory_order_relaxed);
	atomic_store_explicit(&slot->time_ns, time_ns, memory_order_relaxed);
	atomic_store_explicit(&slot->topic_bits, 0, memory_order_relaxed);
	atomic_store_explicit(&slot->epoch, log->epoch, memory_order_relaxed);
	// Also completes the topic bits of the cut before. pairs with: log_cut
	atomic_store_explicit(&log->cuts_end, number + 1, memory_order_release);
	log->cut_seq = seq;
	log->cut_pos = pos;
	log->cut_time_ns = time_ns;
	log->cut_due = false;
}

static void cut_add_topic(struct log *log, uint32_t topic)
{
	uint64_t number = atomic_load_explicit(&log->cuts_end, memory_order_relaxed) - 1;
	struct cut_slot *slot = &log->cuts[number & log->cut_mask];
	uint64_t bits = atomic_load_explicit(&slot->topic_bits, memory_order_relaxed);

	// Most records find their bit set: the line then stays shared with the readers.
	if ((bits & topic_bit(topic)) == 0)
		atomic_store_explicit(&slot->topic_bits, bits | topic_bit(topic),
				      memory_order_relaxed);
}

uint64_t log_append(struct log *log, uint64_t time_ns, uint32_t topic, uint16_t flags,
		    const void *payload, uint32_t length)
{
	uint32_t bytes = godwit_record_bytes(length);
	uint64_t seq = log->head_own.seq + 1;
	uint64_t pos = log->head_own.pos;
	uint8_t *at = log->base + (pos & log->mask);
	struct godwit_record record;

	assert(length <= log->slice_bytes - sizeof(record));
	if (time_ns < log->last_time_ns)
		time_ns = log->last_time_ns;
	log->last_time_ns = time_ns;

	reserve_for(log, pos + bytes);
	if (log->cut_due || pos + bytes - log->cut_pos > log->slice_bytes ||
	    seq - log->cut_seq >= LOG_CUT_RECORDS ||
	    time_ns - log->cut_time_ns > GODWIT_SLICE_SPAN_NS)
		cut_make(log, seq, pos, time_ns);
	cut_add_topic(log, topic);

	record.length = godwit_be16((uint16_t)length);
	record.flags = godwit_be16(flags);
	record.topic = godwit_be32(topic);
	record.time = godwit_be32((uint32_t)time_ns);
	memcpy(at, &record, sizeof(record));
	if (length > 0)
		memcpy(at + sizeof(record), payload, length);
	memset(at + sizeof(record) + length, 0, bytes - sizeof(record) - length);
	log->head_own = (struct mark){seq, pos + bytes};
	return seq;
}

void log_publish(struct log *log)
{
	if (atomic_load_explicit(&log->head.seq, memory_order_relaxed) != log->head_own.seq)
		mark_store(&log->head, log->head_own);
}

void log_epoch(struct log *log, uint32_t epoch)
{
	assert(epoch > log->epoch);
	log->epoch = epoch;
	log->cut_due = true;
}

bool log_cut_back(struct log *log, uint64_t seq, uint32_t epoch)
{
	uint64_t end = atomic_load_explicit(&log->cuts_end, memory_order_relaxed);
	uint64_t first = atomic_load_explicit(&log->cuts_first, memory_order_relaxed);
	uint64_t time_ns = seq >= log_earliest(log) ? log_time(log, seq) : 0;
	struct place place;

	if (seq > log_head_seq(log) || log->head_own.seq != log_head_seq(log) ||
	    !log_seek(log, seq + 1, &place))
		return false;
	while (end > first && atomic_load_explicit(&log->cuts[(end - 1) & log->cut_mask].seq,
						   memory_order_relaxed) > seq)
		end--;
	log->head_own = (struct mark){seq, place.pos};
	if (log->commit_own.seq > seq) {
		log->commit_own = log->head_own;
		mark_store(&log->commit, log->commit_own);
	}
	mark_store(&log->head, log->head_own);
	// Readers search below what they see here. pairs with: log_cut, cuts_bounds
	atomic_store_explicit(&log->cuts_end, end, memory_order_release);
	log->last_time_ns = time_ns;
	log->epoch = epoch;
	log->cut_due = true;
	return true;
}

void log_reset(struct log *log, uint64_t first_seq, uint32_t epoch)
{
	struct mark empty = {first_seq - 1, 0};

	assert(first_seq > 0);
	// Both to 0, the end first: a search in between finds nothing.
	atomic_store_explicit(&log->cuts_end, 0, memory_order_release);
	atomic_store_explicit(&log->cuts_first, 0, memory_order_release);
	atomic_store_explicit(&log->reserve, 0, memory_order_release);
	log->head_own = empty;
	log->commit_own = empty;
	mark_store(&log->commit, empty);
	mark_store(&log->head, empty);
	log->last_time_ns = 0;
	log->epoch = epoch;
	log->cut_due = true;
}

// A mark at or below `seq` (published, above the commit) to walk from: the commit where that is
// near, else the cut before `seq`. False if `seq` is not kept any more.
static bool commit_start(const struct log *log, uint64_t seq, struct mark *mark)
{
	uint64_t number;
	struct cut cut;

	*mark = log->commit_own;
	if (seq - mark->seq <= COMMIT_WALK && log_valid(log, mark->pos))
		return true;
	if (!log_find(log, seq, &number) || !log_cut(log, number, &cut))
		return false;
	// Else the commit lies in this same interval, which is kept.
	if (cut.seq - 1 > mark->seq)
		*mark = (struct mark){cut.seq - 1, cut.pos};
	return true;
}

uint64_t log_commit(struct log *log, uint64_t seq)
{
	uint64_t head = atomic_load_explicit(&log->head.seq, memory_order_relaxed);
	struct mark mark = log->head_own;

	assert(seq <= head);
	if (seq > head)
		seq = head;
	if (seq <= log->commit_own.seq)
		return log->commit_own.seq;
	if (seq != log->head_own.seq) {
		if (!commit_start(log, seq, &mark))
			return log->commit_own.seq;
		while (mark.seq < seq) {
			mark.pos += log_record_bytes(log, mark.pos);
			mark.seq++;
		}
	}
	log->commit_own = mark;
	mark_store(&log->commit, mark);
	return mark.seq;
}
