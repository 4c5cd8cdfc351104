// SPDX-License-Identifier: BSD-3-Clause
//
// Inside the cursor table: for cursor_table*.c only.
//
// Slots and rows are named by their index from 1; 0 is none. Links are control's alone.
#ifndef CONTROL_CURSOR_TABLE_INSIDE_H
#define CONTROL_CURSOR_TABLE_INSIDE_H

#include "control/cell.h"
#include "control/cursor_table.h"
#include "dataplane/log.h" // CACHE_LINE
#include "dataplane/pages.h"

enum slot_state {
	SLOT_FREE,
	SLOT_USED,
	SLOT_RETIRED
};

enum slot_word {
	SLOT_CURSOR_EPOCH,
	SLOT_SEQ,
	SLOT_PLACE, // stream epoch << 32 | home << 16 | core
	SLOT_TAG,
	SLOT_FILTER,
	SLOT_FLAGS,
	SLOT_WORDS
};

struct slot {
	// set before it is published, then read-only until reclaimed	w: control   r: all
	struct rcu_node node;
	uint64_t client, session;
	uint32_t subscription;
	uint32_t row;
	// the cell							w: control   r: all
	_Atomic uint32_t version;
	_Atomic uint64_t words[SLOT_WORDS];
	_Atomic uint64_t heard_ns;
	// control's own
	alignas(8) uint32_t home_prev, home_next; // of its home; next also: free, retired
	uint32_t client_prev, client_next;
	uint8_t state;
};

// The most that a cursor of another server may take, with the hash table's node.
static_assert(sizeof(struct slot) <= 128, "two cache lines");
static_assert(128 % sizeof(struct slot) == 0, "lines of its own");
static_assert(offsetof(struct slot, words) <= 56, "the first line says key and row");

enum row_word {
	ROW_INSTANCE,
	ROW_CONNECTION,
	ROW_IP0,
	ROW_IP1,
	ROW_PORT, // port << 32 | rights
	ROW_WORDS
};

struct row {
	// set before it is published, then read-only until reclaimed	w: control   r: all
	uint64_t client;
	// the cell							w: control   r: all
	_Atomic uint32_t version;
	uint32_t slots; // control's own: that name it
	_Atomic uint64_t words[ROW_WORDS];
	_Atomic uint64_t heard_ns;
};

static_assert(sizeof(struct row) == 64, "one cache line");
static_assert(SLOT_WORDS <= CELL_WORDS && ROW_WORDS <= CELL_WORDS, "the shadow holds them");

struct row_links {
	uint32_t next;	// of its hash chain, free, or retired
	uint32_t first; // slot of the client
};

struct home_list {
	uint32_t first, last;
	_Atomic uint32_t count; // w: control   r: all
	_Atomic uint32_t live;	// w: control   r: all
};

// A list through `next`, oldest first.
struct waiting {
	uint32_t first, last;
};

struct cursor_table {
	// set at start, then read-only					w: control   r: all
	struct cds_lfht *hash;
	const void *buckets;
	uint64_t bucket_count;
	struct slot *slots; // [0] is nobody's
	struct row *rows;
	uint64_t seed;
	uint32_t slots_max, rows_max;
	// control's own
	alignas(CACHE_LINE) struct row_links *row_links;
	uint32_t *row_heads;
	uint32_t row_mask;
	struct home_list *homes;      // 65536
	uint32_t slots_end, rows_end; // from here on never used
	uint32_t slots_free, rows_free;
	struct waiting slots_retired, rows_retired;
	// first of what was retired before the grace period that runs, linked as those
	uint32_t slots_waiting, rows_waiting;
	uint32_t expire_next;
	uint64_t excused_ns; // what was heard of before counts as heard of then
	bool is_waiting, has_waited;
	uint64_t waited_ns;
	struct reclaim reclaim;
	struct pages pages;
	_Atomic uint64_t counters[CURSOR_TABLE_COUNTERS_COUNT]; // w: control   r: all
	// w: control   r: all
	struct cell_shadow shadow;
};

static inline void counter_move(struct cursor_table *t, enum cursor_table_counter which, int64_t by)
{
	uint64_t value = atomic_load_explicit(&t->counters[which], memory_order_relaxed);

	atomic_store_explicit(&t->counters[which], value + (uint64_t)by, memory_order_relaxed);
}

// Memory of a slot or row that nobody may look at: AddressSanitizer catches who does.
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define MEMORY_FORBID(at, bytes) __asan_poison_memory_region(at, bytes)
#define MEMORY_ALLOW(at, bytes)	 __asan_unpoison_memory_region(at, bytes)
#else
#define MEMORY_FORBID(at, bytes) ((void)(at), (void)(bytes))
#define MEMORY_ALLOW(at, bytes)	 ((void)(at), (void)(bytes))
#endif

// ---- cursor_table_rows.c

// The row of the entry's client for one slot more, taken if there is none; 0 if there is no room.
uint32_t row_hold(struct cursor_table *t, const struct cursor *entry, uint64_t now_ns);
// One slot less names it; with the last it goes.
void row_release(struct cursor_table *t, uint32_t index);
uint32_t row_find(const struct cursor_table *t, uint64_t client);
void row_hear(struct cursor_table *t, uint32_t index, const struct cursor *entry, uint64_t now_ns);
// The values of a row into a cursor's client part.
void row_unpack(const uint64_t *words, struct cursor *out);
// The readers have gone on.
void rows_reclaim(struct cursor_table *t);
// Entries of row_heads.
uint32_t rows_heads(uint32_t rows_max);

// ---- cursor_table_find.c

// hash: cursor_key_hash() of the key with the table's seed.
struct slot *slot_find(const struct cursor_table *t, uint64_t hash, const struct cursor_key *key);
// Between a cursor's own facts and the words of its slot.
void slot_pack(const struct cursor *cursor, uint64_t *words);
void slot_unpack(const uint64_t *words, struct cursor *out);

// ---- cursor_table.c

// Out of hash, lists and counts, onto the list of what waits for readers.
void slot_retire(struct cursor_table *t, uint32_t index);

#endif
