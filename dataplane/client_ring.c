// SPDX-License-Identifier: BSD-3-Clause
//
// The client ring's start; what moves slices is inline in the header.
#include "dataplane/client_ring.h"

#define SLOTS_MAX 32768u

static_assert(ATOMIC_INT_LOCK_FREE == 2, "a core never waits");
static_assert(offsetof(struct client_ring, tail) - offsetof(struct client_ring, head) >= CACHE_LINE,
	      "each end writes a line of its own");

void client_ring_init(struct client_ring *ring, struct slice *slots, uint32_t count)
{
	assert(count >= 2 && count <= SLOTS_MAX && (count & (count - 1)) == 0);
	ring->slots = slots;
	ring->mask = count - 1;
	atomic_init(&ring->head, 0);
	ring->tail_seen = 0;
	atomic_init(&ring->tail, 0);
	ring->head_seen = 0;
}
