// SPDX-License-Identifier: BSD-3-Clause
//
// A cell: a few words that one thread changes and others read as a whole, in place and without waiting.
//
// It is a seqlock with a way out. In a plain one a reader that comes while the writer is half-way has to
// wait for it, and a writer that lost its CPU there would stop a core. But one writer is half-way in one
// cell at most: so before it begins it puts the words as they are into the *shadow*, one for all its
// cells, and a reader that meets a cell in change takes them from there.
//
//   writer   shadow <- {cell, old words}   version odd    new words    version even
//   reader   version even: words, same version again                   -> new or old, whole
//            version odd:  shadow is of this cell, same serial again   -> old, whole
//
// A reader starts over only when the writer got on with it meanwhile: it never waits for one that rests.
// All loads are acquires and all stores releases, so no fence is needed; on x86 they cost nothing.
// Owner: one writer for a shadow and its cells. Readers: any thread.
#ifndef CONTROL_CELL_H
#define CONTROL_CELL_H

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define CELL_WORDS 6 // of a cell at most

struct cell_shadow {
	//							w: writer   r: all
	alignas(64) _Atomic uint64_t serial; // odd: in change
	_Atomic uintptr_t owner;	     // the cell's version
	_Atomic uint64_t words[CELL_WORDS];
};

static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2, "no hidden lock");

// Set the words of a cell that no reader knows yet.
static inline void cell_init(_Atomic uint32_t *version, _Atomic uint64_t *words,
			     const uint64_t *values, uint32_t count)
{
	atomic_store_explicit(version, 0, memory_order_relaxed);
	for (uint32_t i = 0; i < count; i++)
		atomic_store_explicit(&words[i], values[i], memory_order_relaxed);
}

// Change a cell. Thread: the writer.
static inline void cell_write(struct cell_shadow *shadow, _Atomic uint32_t *version,
			      _Atomic uint64_t *words, const uint64_t *values, uint32_t count)
{
	uint32_t before = atomic_load_explicit(version, memory_order_relaxed);
	uint64_t serial = atomic_load_explicit(&shadow->serial, memory_order_relaxed);

	// pairs with: cell_read, cell_read_shadow
	atomic_store_explicit(&shadow->serial, serial + 1, memory_order_release);
	atomic_store_explicit(&shadow->owner, (uintptr_t)version, memory_order_release);
	for (uint32_t i = 0; i < count; i++)
		atomic_store_explicit(&shadow->words[i],
				      atomic_load_explicit(&words[i], memory_order_relaxed),
				      memory_order_release);
	atomic_store_explicit(&shadow->serial, serial + 2, memory_order_release);
	atomic_store_explicit(version, before + 1, memory_order_release);
	for (uint32_t i = 0; i < count; i++)
		atomic_store_explicit(&words[i], values[i], memory_order_release);
	atomic_store_explicit(version, before + 2, memory_order_release);
}

// The words of a cell in change; false if the writer has got on.
static inline bool cell_read_shadow(const struct cell_shadow *shadow,
				    const _Atomic uint32_t *version, uint64_t *values,
				    uint32_t count)
{
	// pairs with: cell_write
	uint64_t serial = atomic_load_explicit(&shadow->serial, memory_order_acquire);

	if (serial % 2 != 0 ||
	    atomic_load_explicit(&shadow->owner, memory_order_acquire) != (uintptr_t)version)
		return false;
	for (uint32_t i = 0; i < count; i++)
		values[i] = atomic_load_explicit(&shadow->words[i], memory_order_acquire);
	return atomic_load_explicit(&shadow->serial, memory_order_relaxed) == serial;
}

// The words of a cell as they were at one moment. Thread: any.
static inline void cell_read(const struct cell_shadow *shadow, const _Atomic uint32_t *version,
			     const _Atomic uint64_t *words, uint64_t *values, uint32_t count)
{
	for (;;) {
		// pairs with: cell_write
		uint32_t before = atomic_load_explicit(version, memory_order_acquire);

		if (before % 2 == 0) {
			for (uint32_t i = 0; i < count; i++)
				values[i] = atomic_load_explicit(&words[i], memory_order_acquire);
			if (atomic_load_explicit(version, memory_order_relaxed) == before)
				return;
		} else if (cell_read_shadow(shadow, version, values, count)) {
			return;
		}
	}
}

// The words of a cell. Thread: the writer.
static inline void cell_read_own(const _Atomic uint64_t *words, uint64_t *values, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		values[i] = atomic_load_explicit(&words[i], memory_order_relaxed);
}

#endif
