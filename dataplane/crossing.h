// SPDX-License-Identifier: BSD-3-Clause
//
// A crossing: a lock-free single-producer single-consumer ring of slots of bytes, from one thread to
// one other. It carries datagrams and answers between cores, commands from control to a core
// (its mailbox) and notices back.
//
//   producer: crossing_begin -> fill the slot -> crossing_end     consumer: crossing_peek -> crossing_pop
//
// Indices as in the client ring: free-running, compared by difference, each side with a private copy
// of the other's. A full crossing refuses; whoever is refused counts it.
// Owner: the memory is the creator's. Limits: slots a power of two, slot_bytes a multiple of 8.
#ifndef DATAPLANE_CROSSING_H
#define DATAPLANE_CROSSING_H

#include <stdalign.h>
#include <stdatomic.h>

#include "dataplane/log.h"

struct crossing_slot {
	uint32_t bytes; // used of what follows
	uint32_t kind;	// what it is: the two ends agree
	alignas(8) uint8_t data[];
};

struct crossing {
	// set at start, then read-only				w: control   r: both
	alignas(CACHE_LINE) uint8_t *memory;
	uint32_t mask;
	uint32_t stride; // bytes from slot to slot
	// consumer's line					w: consumer   r: producer
	alignas(CACHE_LINE) _Atomic uint32_t head;
	uint32_t tail_seen;
	// producer's line					w: producer   r: consumer
	alignas(CACHE_LINE) _Atomic uint32_t tail;
	uint32_t head_seen;
};

static inline uint64_t crossing_bytes(uint32_t slots, uint32_t slot_bytes)
{
	return (uint64_t)slots * (sizeof(struct crossing_slot) + slot_bytes);
}

// memory: crossing_bytes() bytes, aligned to 8, zeroed or not. Thread: at rest.
static inline void crossing_init(struct crossing *crossing, void *memory, uint32_t slots,
				 uint32_t slot_bytes)
{
	*crossing = (struct crossing){
		.memory = memory,
		.mask = slots - 1,
		.stride = (uint32_t)sizeof(struct crossing_slot) + slot_bytes,
	};
}

// The slot to fill next, or NULL when full. Thread: producer.
static inline struct crossing_slot *crossing_begin(struct crossing *crossing)
{
	uint32_t tail = atomic_load_explicit(&crossing->tail, memory_order_relaxed);

	if (tail - crossing->head_seen > crossing->mask) {
		// pairs with: crossing_pop
		crossing->head_seen = atomic_load_explicit(&crossing->head, memory_order_acquire);
		if (tail - crossing->head_seen > crossing->mask)
			return NULL;
	}
	return (struct crossing_slot *)(crossing->memory +
					(uint64_t)(tail & crossing->mask) * crossing->stride);
}

// Whether at least `slots` are free. Thread: producer.
static inline bool crossing_has_room(struct crossing *crossing, uint32_t slots)
{
	uint32_t tail = atomic_load_explicit(&crossing->tail, memory_order_relaxed);

	if (tail - crossing->head_seen + slots <= crossing->mask + 1)
		return true;
	// pairs with: crossing_pop
	crossing->head_seen = atomic_load_explicit(&crossing->head, memory_order_acquire);
	return tail - crossing->head_seen + slots <= crossing->mask + 1;
}

// Hand over the slot that crossing_begin gave. Thread: producer.
static inline void crossing_end(struct crossing *crossing)
{
	uint32_t tail = atomic_load_explicit(&crossing->tail, memory_order_relaxed);

	// pairs with: crossing_peek
	atomic_store_explicit(&crossing->tail, tail + 1, memory_order_release);
}

// The oldest slot handed over, or NULL. Thread: consumer.
static inline struct crossing_slot *crossing_peek(struct crossing *crossing)
{
	uint32_t head = atomic_load_explicit(&crossing->head, memory_order_relaxed);

	if (head == crossing->tail_seen) {
		// pairs with: crossing_end
		crossing->tail_seen = atomic_load_explicit(&crossing->tail, memory_order_acquire);
		if (head == crossing->tail_seen)
			return NULL;
	}
	return (struct crossing_slot *)(crossing->memory +
					(uint64_t)(head & crossing->mask) * crossing->stride);
}

// Give back the slot that crossing_peek showed. Thread: consumer.
static inline void crossing_pop(struct crossing *crossing)
{
	uint32_t head = atomic_load_explicit(&crossing->head, memory_order_relaxed);

	// pairs with: crossing_begin
	atomic_store_explicit(&crossing->head, head + 1, memory_order_release);
}

#endif
