// SPDX-License-Identifier: BSD-3-Clause
//
// The log: a stream's append-only ring of records in memory, with a table of cuts.
//
// Records lie here byte for byte as they go into a packet. The ring is mapped twice back to back,
// so that a piece of up to `size` bytes starting anywhere is contiguous. Positions are bytes since
// the session began, monotone, multiples of 4, never masked but to address memory.
//
//      earliest cut       ...cuts, one a packet...        newest cut
//         v                                                  v
//   ------[====slice====][====slice====][====slice====][====slice==        ]
//   ^ reserve: what lies below may be overwritten at any time        ^ head (end of the last one)
//                                                        ^ commit: what clients may see
//
// A cut interval (from a cut to the next, or to the head) is at most slice_bytes long, holds at
// most LOG_CUT_RECORDS records of one stream epoch within GODWIT_SLICE_SPAN_NS of ingest time. So
// whatever lies inside one interval fits one packet, and a slice never crosses a cut.
//
// A log may be cut back (a replica's end that its primary never had) and emptied: the writer takes
// cuts away from the newest, and the next record begins a cut. Readers that stand at or below the
// place of the cut do not notice; nobody may stand above it (the caller ended them first).
//
// Threads: one writer (the stream's home core): log_append, log_epoch, log_commit. Readers on any
// core, with no lock: they take a mark, look up cuts, copy bytes, and then ask log_valid() whether
// the writer had begun to overwrite them. The writer moves `reserve` past what it is about to
// overwrite *before* it writes, so a copy that was valid after copying was valid throughout. The
// compiler takes the two mappings for different memory. A record is written in one piece from its
// place in the first mapping, over the end into the second if need be, and readers read through
// both: between any write and a read stand the release of a mark and its acquire (log.c says more).
//
// Limits: size a power of two, LOG_MIN_BYTES..2^37; slice_bytes a multiple of 4,
// LOG_SLICE_MIN_BYTES..LOG_SLICE_MAX_BYTES, at most a quarter of size.
// Ownership: the caller passes all memory.
#ifndef DATAPLANE_LOG_H
#define DATAPLANE_LOG_H

#include <stdalign.h>
#include <stdatomic.h>

#include <godwit/wire.h>

#define CACHE_LINE	    64
#define LOG_MIN_BYTES	    4096u
#define LOG_SLICE_MIN_BYTES 16u
#define LOG_SLICE_MAX_BYTES 65532u // 14 bits of a slice's length / 4
#define LOG_CUT_RECORDS	    4095u  // 12 bits of a slice's count

// A slice: a run of consecutive records of one epoch inside one cut interval, by reference.
struct slice {
	uint64_t first; // sequence of the first record
	uint64_t bits;	// position / 4 : 38 | length / 4 : 14 | count : 12, from the top
};

static_assert(sizeof(struct slice) == 16, "what a ring slot costs");

static inline struct slice slice_make(uint64_t first, uint64_t pos, uint32_t bytes, uint32_t count)
{
	return (struct slice){first, (pos / 4) << 26 | (uint64_t)(bytes / 4) << 12 | count};
}

static inline uint32_t slice_bytes(struct slice s)
{
	return (uint32_t)(s.bits >> 12 & 0x3fff) * 4;
}

static inline uint32_t slice_count(struct slice s)
{
	return (uint32_t)(s.bits & 0xfff);
}

static inline uint64_t slice_last(struct slice s)
{
	return s.first + slice_count(s) - 1;
}

// Whether `next` continues `s` in sequence and in position, which wraps at 1 TiB.
static inline bool slice_follows(struct slice s, struct slice next)
{
	uint64_t end = (s.bits >> 26) + slice_bytes(s) / 4;

	return s.first + slice_count(s) == next.first &&
	       ((end ^ next.bits >> 26) & ((1ull << 38) - 1)) == 0;
}

// The slice's position, given any position of the log at most 1 TiB above it (its head). From a
// mark of 0 (see log_head) it is a position that log_valid() refuses.
static inline uint64_t slice_pos(struct slice s, uint64_t head_pos)
{
	uint64_t behind = (head_pos / 4 - (s.bits >> 26)) & ((1ull << 38) - 1);

	return head_pos - behind * 4;
}

// A sequence and the position of its record's end: up to where a reader may read.
struct mark {
	uint64_t seq;
	uint64_t pos;
};

// A mark that one thread publishes and others read: a seqlock of relaxed atomics.
struct shared_mark {
	_Atomic uint32_t version;
	_Atomic uint64_t seq;
	_Atomic uint64_t pos;
};

// Made at append, by reader's copy a plain value.
struct cut {
	uint64_t seq;	  // first record of the interval
	uint64_t pos;	  // its position
	uint64_t time_ns; // its ingest time
	// topic_bit() of every record of the interval up to any mark taken before the cut was read;
	// complete if the next cut was seen before this one was read
	uint64_t topic_bits;
	uint32_t epoch; // stream epoch of all its records
};

struct cut_slot {
	_Atomic uint64_t seq, pos, time_ns, topic_bits;
	_Atomic uint32_t epoch;
};

struct log {
	// set at log_init, then read-only			w: control   r: all
	alignas(CACHE_LINE) uint8_t *base; // `size` bytes, mapped again right behind
	uint64_t size, mask;
	struct cut_slot *cuts;
	uint32_t cut_mask;
	uint32_t slice_bytes;
	uint64_t reserve_step;
	// published by the writer				w: home   r: all
	alignas(CACHE_LINE) struct shared_mark head;
	_Atomic uint64_t reserve;    // position
	_Atomic uint64_t cuts_end;   // cuts made; number i lies in slot i & cut_mask
	_Atomic uint64_t cuts_first; // number of the earliest cut still valid
	alignas(CACHE_LINE) struct shared_mark commit;
	// private to the writer				w: home
	alignas(CACHE_LINE) struct mark head_own, commit_own;
	uint64_t cut_pos, cut_seq, cut_time_ns; // of the newest cut
	uint64_t last_time_ns;			// ingest time of the newest record
	uint32_t epoch;				// of the next record
	bool cut_due;				// an epoch begins: the next record makes a cut
};

// Bytes that the table of cuts needs for a log of this size: enough that a log full of full packets
// keeps every one of its cuts, twice over.
uint64_t log_cuts_bytes(uint64_t size, uint32_t slice_bytes);

// Start an empty log whose first record will be `first_seq` (>= 1) in stream epoch `epoch`. memory:
// 2 * size bytes, the second half mapping the first; cuts: log_cuts_bytes() bytes; both belong to
// the caller and outlive the log. The table of cuts is cleared. Returns 0, or -EINVAL for a size
// that is no power of two, too small (below LOG_MIN_BYTES or 4 * slice_bytes) or too large, for
// slice_bytes out of its limits, and for first_seq 0. Thread: at rest.
int log_init(struct log *log, void *memory, uint64_t size, void *cuts, uint32_t slice_bytes,
	     uint64_t first_seq, uint32_t epoch);

// Map `size` bytes (a multiple of the page size) twice back to back; size <= 2^37. huge: from 2 MiB
// pages (size a multiple of 2 MiB). Every page is touched through both mappings. node: the NUMA
// node that is preferred, or -1. The memory is zero. Returns NULL with errno: EINVAL for a wrong
// size or node, ENOMEM for too few (huge) pages, or what the kernel says. Thread: control, may
// block.
void *log_memory_map(uint64_t size, bool huge, int node);

// memory: what log_memory_map(size) returned, or NULL.
void log_memory_unmap(void *memory, uint64_t size);

// Append one record. payload: `length` bytes, length <= slice_bytes - 12; topic and flags host
// order; time_ns: ingest time, raised to the previous record's if below. Not visible before
// log_publish(). Returns its sequence. Thread: home core. Never fails: the caller has checked
// limits (stream.h).
uint64_t log_append(struct log *log, uint64_t time_ns, uint32_t topic, uint16_t flags,
		    const void *payload, uint32_t length);

// Make everything appended visible to readers of the head. Thread: home core.
void log_publish(struct log *log);

// The next record begins stream epoch `epoch` (above the current one). Thread: home core.
void log_epoch(struct log *log, uint32_t epoch);

// Move the commit to `seq` (<= the published head; below the current commit: no effect). Walks the
// records between, or those of the cut interval of `seq`. Where `seq` is not kept any more it has
// no effect (a caller that refuses to append far above the commit never sees that). Returns the new
// commit. Thread: home core.
uint64_t log_commit(struct log *log, uint64_t seq);

// Forget every record above `seq`: earliest - 1 <= seq <= head, all of it published. The next record
// is seq + 1 in stream epoch `epoch`, at any ingest time not below that of `seq`. A commit above goes
// back with it. The caller knows that no reader stands above `seq` + 1. Returns false, and does
// nothing, where `seq` is not in these limits. Cost: a search of the cuts and a walk of one interval.
// Thread: home core.
bool log_cut_back(struct log *log, uint64_t seq, uint32_t epoch);

// Forget everything: the next record is first_seq (>= 1) in stream epoch `epoch`. The caller knows that
// there is no reader but of marks and of log_earliest(). Thread: home core.
void log_reset(struct log *log, uint64_t first_seq, uint32_t epoch);

// The full ingest time of the record `seq` that is kept; 0 where it is not. Thread: any. Cost: as log_seek.
uint64_t log_time(const struct log *log, uint64_t seq);

// Readers. Thread: any. A mark is consistent, possibly old by one publication. It is {0, 0} where
// the writer lost its CPU while it published: nothing new then, the reader looks again next turn;
// so treat marks as monotone, and keep the last one where its position is needed.
struct mark log_head(const struct log *log);
struct mark log_committed(const struct log *log);

// Only the sequence: never 0 for want of luck. Thread: any.
static inline uint64_t log_head_seq(const struct log *log)
{
	return atomic_load_explicit(&log->head.seq, memory_order_acquire);
}

static inline uint64_t log_committed_seq(const struct log *log)
{
	return atomic_load_explicit(&log->commit.seq, memory_order_acquire);
}

// Sequence of the earliest record still kept: it begins a cut interval. head + 1 of an empty log.
uint64_t log_earliest(const struct log *log);

// Whether bytes at `pos` and above were still whole until now: ask after copying or after using
// what was read there. A position that no record of the log can have is not valid either.
static inline bool log_valid(const struct log *log, uint64_t pos)
{
	// pairs with: the fence of reserve_move
	atomic_thread_fence(memory_order_acquire);
	// Who finds bytes gone finds their cut gone. pairs with: reserve_move
	uint64_t reserve = atomic_load_explicit(&log->reserve, memory_order_acquire);

	// Below reserve the difference wraps around and is large.
	return pos - reserve <= log->size;
}

static inline const uint8_t *log_at(const struct log *log, uint64_t pos)
{
	return log->base + (pos & log->mask);
}

// Bytes that the record at `pos` takes, as its length reads now: at most 65548, whatever stands
// there. A reader bounds them before use and asks log_valid() after it. Thread: any.
static inline uint32_t log_record_bytes(const struct log *log, uint64_t pos)
{
	typedef uint16_t __attribute__((may_alias)) length_field;

	static_assert(offsetof(struct godwit_record, length) == 0, "records begin with it");
	// Atomic: loaded once, so that what was bounded is what is used.
	return godwit_record_bytes(__builtin_bswap16(
		__atomic_load_n((const length_field *)log_at(log, pos), __ATOMIC_RELAXED)));
}

// Cut number `number`. False if it is gone, or not made yet. Cuts may stand above the head already:
// bound what follows from them by a mark. Thread: any.
bool log_cut(const struct log *log, uint64_t number, struct cut *cut);

// Number of the cut whose interval holds `seq` (at or below). False if seq is below the earliest
// kept or above the head. Cost: a binary search of the cuts.
bool log_find(const struct log *log, uint64_t seq, uint64_t *number);

// First sequence whose ingest time is >= time_ns; head + 1 if there is none yet, the earliest kept
// if all are later. Cost: a binary search of the cuts and a walk of one interval.
uint64_t log_find_time(const struct log *log, uint64_t time_ns);

// A reader's place in a log: next sequence, its position and the cut interval that holds it.
struct place {
	uint64_t seq;
	uint64_t pos;
	uint64_t cut; // number
};

// Put a place at `seq`: earliest kept <= seq <= head + 1. False if truncated (below the earliest
// kept) or above head + 1; *place is then as it was. Cost: as log_find, and a walk of one interval.
bool log_seek(const struct log *log, uint64_t seq, struct place *place);

enum log_read {
	LOG_READ_SLICE,	    // *slice is set, and the place has moved past it
	LOG_READ_NONE,	    // nothing up to `end`
	LOG_READ_TRUNCATED, // the place was lapped: the reader must ask log_earliest()
};

// Take the next slice at the place: up to `end`, the next cut, `bytes_max` bytes and `count_max`
// records. At least one record is taken, whatever its size, if any is at or below end. end: a mark
// of this log, or {seq, 0} where only the sequence is known (at or below a mark taken before).
// *at_cut: the slice begins a cut interval (it may not be merged with the one before). Whole
// intervals, and a part up to an end whose position is known, cost no look at records; another part
// is walked, lengths being bounded before use. A slice is a reference: log_valid() still decides
// after its bytes were used.
enum log_read log_next(const struct log *log, struct place *place, struct mark end,
		       uint32_t bytes_max, uint32_t count_max, struct slice *slice, bool *at_cut);

// The bit of a topic in topic_bits.
static inline uint64_t topic_bit(uint32_t topic)
{
	return 1ull << (topic * 2654435761u >> 26);
}

#endif
