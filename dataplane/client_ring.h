// SPDX-License-Identifier: BSD-3-Clause
//
// The client ring: the lock-free single-producer single-consumer ring of slices of one subscription.
//
//   producer (dispatch core) --push--> [s][s][s][s] --peek/pop--> consumer (egress core)
//
// `tail` and `head` run freely and are compared by difference only. The producer's store of tail
// (release) publishes the slots below it; the consumer's store of head (release) licenses the
// producer to overwrite the slots below it. Each side keeps a private copy of the other's index and
// reloads it (acquire) only when the copy says full or empty.
// Slots are references of 16 bytes: what a client missed costs no memory here.
//
// client_ring_merge is for rings whose two ends are on one core, and only there.
// Limits: slots a power of two, 2..32768; an idle client's 64 slots cost 1 KiB.
#ifndef DATAPLANE_CLIENT_RING_H
#define DATAPLANE_CLIENT_RING_H

#include "dataplane/log.h"

struct client_ring {
	// set at start, then read-only				w: control   r: all
	alignas(CACHE_LINE) struct slice *slots;
	uint32_t mask;
	// consumer's line					w: egress core   r: dispatch core
	alignas(CACHE_LINE) _Atomic uint32_t head;
	uint32_t tail_seen;
	// producer's line					w: dispatch core   r: egress core
	alignas(CACHE_LINE) _Atomic uint32_t tail;
	uint32_t head_seen;
};

// slots: `count` entries of the caller's memory. Empties the ring. Thread: at rest.
void client_ring_init(struct client_ring *ring, struct slice *slots, uint32_t count);

// Add a slice; false when full. Thread: dispatch core.
static inline bool client_ring_push(struct client_ring *ring, struct slice slice)
{
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

	if (tail - ring->head_seen > ring->mask) {
		// pairs with: client_ring_pop
		ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);
		if (tail - ring->head_seen > ring->mask)
			return false;
	}
	ring->slots[tail & ring->mask] = slice;
	// pairs with: client_ring_peek
	atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
	return true;
}

// The oldest slice, left in place; false when empty. Thread: egress core.
static inline bool client_ring_peek(struct client_ring *ring, struct slice *slice)
{
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

	if (head == ring->tail_seen) {
		// pairs with: client_ring_push
		ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
		if (head == ring->tail_seen)
			return false;
	}
	*slice = ring->slots[head & ring->mask];
	return true;
}

// The slice `behind` places after the oldest; false if there is none. Thread: egress core.
static inline bool client_ring_peek_at(struct client_ring *ring, uint32_t behind,
				       struct slice *slice)
{
	uint32_t at = atomic_load_explicit(&ring->head, memory_order_relaxed) + behind;

	if (ring->tail_seen - at - 1 > ring->mask) {
		// pairs with: client_ring_push
		ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
		if (ring->tail_seen - at - 1 > ring->mask)
			return false;
	}
	*slice = ring->slots[at & ring->mask];
	return true;
}

// Take away the oldest slice, which peek has shown. Thread: egress core.
static inline void client_ring_pop(struct client_ring *ring)
{
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

	// pairs with: client_ring_push
	atomic_store_explicit(&ring->head, head + 1, memory_order_release);
}

// Put what is left of the oldest slice in its place, after a part of it was sent. Thread: egress core.
static inline void client_ring_trim(struct client_ring *ring, struct slice rest)
{
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

	ring->slots[head & ring->mask] = rest;
}

// Lengthen the newest unread slice by `slice` if that continues it (sequence and position follow on).
// The caller knows that both lie in one cut interval. False if it does not continue it, or nothing is
// unread. Thread: the one core that holds both ends.
static inline bool client_ring_merge(struct client_ring *ring, struct slice slice)
{
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	struct slice *newest = &ring->slots[(tail - 1) & ring->mask];

	if (tail == atomic_load_explicit(&ring->head, memory_order_relaxed) ||
	    !slice_follows(*newest, slice) ||
	    slice_bytes(*newest) + slice_bytes(slice) > 0x3fff * 4 ||
	    slice_count(*newest) + slice_count(slice) > LOG_CUT_RECORDS)
		return false;
	newest->bits += slice.bits & ((1ull << 26) - 1);
	return true;
}

// Slices unread. Exact on either end's own core while the other rests; else a moment old. Thread: any.
static inline uint32_t client_ring_count(const struct client_ring *ring)
{
	return atomic_load_explicit(&ring->tail, memory_order_relaxed) -
	       atomic_load_explicit(&ring->head, memory_order_relaxed);
}

#endif
