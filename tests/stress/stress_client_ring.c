// SPDX-License-Identifier: BSD-3-Clause
//
// A client ring between two threads. Each slice is stamped by its producer: its position, bytes and
// count follow from its sequence. They must arrive once, in order, whole. Clean under
// ThreadSanitizer.
//
// Usage: stress_client_ring [seed [seconds]]
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "dataplane/client_ring.h"

#define SLOTS_MAX 64u
#define BURST_MAX 100u

static struct client_ring ring;
static struct slice slots[SLOTS_MAX];

struct side {
	uint64_t random;
	uint64_t slices; // that passed here
	uint64_t waits;	 // times that the ring was full or empty
	uint64_t wrong;
};

static _Atomic bool has_ended;	 // w: main	r: producer
static _Atomic bool is_complete; // w: producer	r: consumer

// xorshift64*
static uint64_t random_next(uint64_t *random)
{
	*random ^= *random >> 12;
	*random ^= *random << 25;
	*random ^= *random >> 27;
	return *random * 0x2545f4914f6cdd1dull >> 11;
}

// The n-th slice: a stamp in each of its fields.
static struct slice slice_of(uint64_t n)
{
	uint64_t mixed = n * 0x9e3779b97f4a7c15ull;

	return slice_make(n, (mixed >> 20 & 0xfffffffff) * 4, (uint32_t)(mixed >> 8 & 0x3fff) * 4,
			  1 + (uint32_t)(n % 4095));
}

static void *produce(void *argument)
{
	struct side *side = argument;

	while (!atomic_load_explicit(&has_ended, memory_order_relaxed)) {
		for (uint64_t i = random_next(&side->random) % BURST_MAX; i > 0; i--) {
			if (!client_ring_push(&ring, slice_of(side->slices))) {
				side->waits++;
				sched_yield();
				break;
			}
			side->slices++;
		}
	}
	// pairs with: consume
	atomic_store_explicit(&is_complete, true, memory_order_release);
	return NULL;
}

static void *consume(void *argument)
{
	struct side *side = argument;
	bool was_complete;

	do {
		struct slice slice, wanted;
		uint64_t burst = 1 + random_next(&side->random) % BURST_MAX;

		// Asked before the ring is found empty. pairs with: produce
		was_complete = atomic_load_explicit(&is_complete, memory_order_acquire);
		while (burst > 0 && client_ring_peek(&ring, &slice)) {
			wanted = slice_of(side->slices);
			if (slice.first != wanted.first || slice.bits != wanted.bits)
				side->wrong++;
			// At times the first half is sent first.
			if (slice_count(slice) % 64 == 2) {
				struct slice rest = slice_make(slice.first + 1, 0, 4, 1);

				client_ring_trim(&ring, rest);
				if (!client_ring_peek(&ring, &slice) || slice.first != rest.first)
					side->wrong++;
			}
			client_ring_pop(&ring);
			side->slices++;
			burst--;
		}
		if (burst > 0) {
			side->waits++;
			sched_yield();
		} else {
			was_complete = false;
		}
	} while (!was_complete);
	return NULL;
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	long seconds = argc > 2 ? strtol(argv[2], NULL, 0) : 3;
	uint64_t failures = 0, total = 0;
	struct timespec share = {.tv_sec = seconds / 6, .tv_nsec = seconds % 6 * 1000000000l / 6};

	for (uint32_t slot_count = 2; slot_count <= SLOTS_MAX; slot_count *= 2) {
		struct side producer = {.random = (seed + slot_count) * 0x9e3779b97f4a7c15ull | 1};
		struct side consumer = {.random = (seed - slot_count) * 0x9e3779b97f4a7c15ull | 1};
		pthread_t threads[2];

		client_ring_init(&ring, slots, slot_count);
		atomic_store(&has_ended, false);
		atomic_store(&is_complete, false);
		pthread_create(&threads[0], NULL, produce, &producer);
		pthread_create(&threads[1], NULL, consume, &consumer);
		nanosleep(&share, NULL);
		atomic_store(&has_ended, true);
		pthread_join(threads[0], NULL);
		pthread_join(threads[1], NULL);
		printf("%u slots: %lu slices pushed, %lu popped, %lu wrong, full %lu, empty %lu\n",
		       slot_count, producer.slices, consumer.slices, consumer.wrong, producer.waits,
		       consumer.waits);
		if (producer.slices != consumer.slices || consumer.wrong > 0)
			failures++;
		total += consumer.slices;
	}
	if (total == 0 || failures > 0) {
		fprintf(stderr, "FAIL: seed %lu\n", seed);
		return 1;
	}
	return 0;
}
