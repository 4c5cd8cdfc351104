// SPDX-License-Identifier: BSD-3-Clause
//
// A core's counters and drops. Single writer (the core), read by anyone at any time: a value is whole,
// several together are not a snapshot. They only grow.
#ifndef DATAPLANE_COUNTERS_H
#define DATAPLANE_COUNTERS_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>

enum counter {
#define X(name, unit, help) COUNTER_##name,
#include "dataplane/counters.def"
#undef X
	COUNTERS
};

enum drop {
#define X(name, help) DROP_##name,
#include "dataplane/drops.def"
#undef X
	DROPS
};

struct counters {
	// w: the core   r: any
	alignas(64) _Atomic uint64_t counts[COUNTERS];
	_Atomic uint64_t drops[DROPS];
};

struct counter_info {
	const char *name, *unit, *help;
};

extern const struct counter_info counter_infos[COUNTERS];
extern const struct counter_info drop_infos[DROPS]; // unit: "packets"

static inline void counter_add(struct counters *c, enum counter which, uint64_t n)
{
	// single writer: no read-modify-write needed
	uint64_t value = atomic_load_explicit(&c->counts[which], memory_order_relaxed);

	atomic_store_explicit(&c->counts[which], value + n, memory_order_relaxed);
}

static inline void counter_max(struct counters *c, enum counter which, uint64_t value)
{
	if (value > atomic_load_explicit(&c->counts[which], memory_order_relaxed))
		atomic_store_explicit(&c->counts[which], value, memory_order_relaxed);
}

static inline uint64_t counter_get(const struct counters *c, enum counter which)
{
	return atomic_load_explicit(&c->counts[which], memory_order_relaxed);
}

// How many there are now of what is counted when it comes and when it goes.
static inline uint64_t counter_now(const struct counters *c, enum counter came, enum counter went)
{
	// What went is read first, and still they are two values of a core that goes on.
	uint64_t gone = counter_get(c, went), all = counter_get(c, came);

	return all > gone ? all - gone : 0;
}

static inline void drop_add(struct counters *c, enum drop which, uint64_t n)
{
	uint64_t value = atomic_load_explicit(&c->drops[which], memory_order_relaxed);

	atomic_store_explicit(&c->drops[which], value + n, memory_order_relaxed);
}

static inline uint64_t drop_get(const struct counters *c, enum drop which)
{
	return atomic_load_explicit(&c->drops[which], memory_order_relaxed);
}

#endif
