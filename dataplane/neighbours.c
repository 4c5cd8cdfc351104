// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/neighbours.h"

#include <errno.h>
#include <stdlib.h>

#define NS_PER_S      1000000000ull
#define NS_PER_MS     1000000ull
#define ASK_MS	      1000u
#define SLOTS_MIN     16
#define SWEEP_SECONDS 256 // a whole round

static uint32_t load32(const _Atomic uint32_t *at)
{
	return atomic_load_explicit(at, memory_order_relaxed);
}

static uint64_t load64(const _Atomic uint64_t *at)
{
	return atomic_load_explicit(at, memory_order_relaxed);
}

static uint16_t second_of(uint64_t now_ns)
{
	return (uint16_t)(now_ns / NS_PER_S);
}

static uint32_t age_s(uint64_t value, uint64_t now_ns)
{
	uint16_t age = (uint16_t)(second_of(now_ns) - (uint16_t)value);

	// Learned by a core whose turn began a little later than ours: not 18 hours old.
	return age >= UINT16_MAX - 1 ? 0 : age;
}

int neighbours_create(struct neighbours *neighbours, uint32_t prefix_bits)
{
	uint32_t hosts = prefix_bits == 0 ? UINT32_MAX : (uint32_t)(1ull << (32 - prefix_bits));
	uint32_t slots = SLOTS_MIN;

	while (slots < hosts && slots < NEIGHBOUR_SLOTS_MAX)
		slots *= 2;
	*neighbours = (struct neighbours){
		.mask = slots - 1,
		.slots = calloc(slots, sizeof(struct neighbour)),
	};
	return neighbours->slots == NULL ? -ENOMEM : 0;
}

void neighbours_destroy(struct neighbours *neighbours)
{
	free(neighbours->slots);
	neighbours->slots = NULL;
}

// The slot that holds `ip`; with `add` a free one is taken for it.
static uint32_t slot_find(struct neighbours *neighbours, uint32_t ip, bool add)
{
	for (uint32_t i = 0; i < NEIGHBOUR_PROBES; i++) {
		uint32_t slot = (ip + i) & neighbours->mask;
		struct neighbour *neighbour = &neighbours->slots[slot];
		uint32_t held = load32(&neighbour->ip);

		// All look in the same order and no key is ever taken away: who loses the race for
		// a slot finds there either its own address or another one and goes on.
		if (held == 0 && add)
			atomic_compare_exchange_strong_explicit(&neighbour->ip, &held, ip,
								memory_order_relaxed,
								memory_order_relaxed);
		if (held == ip || (held == 0 && add))
			return slot;
		if (held == 0)
			return NEIGHBOUR_NONE;
	}
	return NEIGHBOUR_NONE;
}

uint32_t neighbours_slot(struct neighbours *neighbours, uint32_t ip)
{
	return slot_find(neighbours, ip, true);
}

// True for one caller a second.
static bool ask_once(struct neighbour *neighbour, uint64_t now_ns)
{
	uint32_t now_ms = (uint32_t)(now_ns / NS_PER_MS) | 1; // never 0
	uint32_t asked_ms = load32(&neighbour->asked_ms);

	// Another core's time may be a turn ahead of ours.
	if (asked_ms != 0 && now_ms - asked_ms + ASK_MS < 2 * ASK_MS)
		return false;
	return atomic_compare_exchange_strong_explicit(&neighbour->asked_ms, &asked_ms, now_ms,
						       memory_order_relaxed, memory_order_relaxed);
}

uint64_t neighbours_get(struct neighbours *neighbours, uint32_t slot, uint64_t now_ns, bool *ask)
{
	struct neighbour *neighbour = &neighbours->slots[slot];
	uint64_t value = load64(&neighbour->value);
	uint32_t age = age_s(value, now_ns);

	*ask = false;
	if (value != 0 && age < NEIGHBOUR_STALE_S)
		return value >> 16;
	*ask = ask_once(neighbour, now_ns);
	return value != 0 && age < NEIGHBOUR_DEAD_S ? value >> 16 : 0;
}

bool neighbours_learn(struct neighbours *neighbours, uint32_t ip, uint64_t hardware,
		      uint64_t now_ns, bool may_add)
{
	uint32_t slot = slot_find(neighbours, ip, may_add);

	if (slot == NEIGHBOUR_NONE)
		return !may_add;

	struct neighbour *neighbour = &neighbours->slots[slot];
	uint64_t value = hardware << 16 | second_of(now_ns);

	// The line is read by all cores: no store where nothing is new.
	if (load64(&neighbour->value) != value)
		atomic_store_explicit(&neighbour->value, value, memory_order_relaxed);
	return true;
}

void neighbours_sweep(struct neighbours *neighbours, uint64_t now_ns)
{
	uint32_t slots = neighbours->mask + 1;
	uint32_t count = slots < SWEEP_SECONDS ? 1 : slots / SWEEP_SECONDS;
	uint32_t first = (uint32_t)(now_ns / NS_PER_S) * count;

	for (uint32_t i = 0; i < count; i++) {
		struct neighbour *neighbour = &neighbours->slots[(first + i) & neighbours->mask];
		uint64_t value = load64(&neighbour->value);

		// Compare and swap: what was learned meanwhile stays.
		if (value != 0 && age_s(value, now_ns) >= NEIGHBOUR_DEAD_S)
			atomic_compare_exchange_strong_explicit(&neighbour->value, &value, 0,
								memory_order_relaxed,
								memory_order_relaxed);
	}
}
