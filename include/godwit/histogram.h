// SPDX-License-Identifier: BSD-3-Clause
//
// A histogram of latencies in fixed memory: every u64 has a bucket, buckets are 1/32 of their value
// wide (values below 64 have their own), so a quantile is at most 3.2 % above the true value and
// never below it. Recording is a few instructions; two histograms of different threads are merged.
//
//   value   0 1 ... 31 | 32 ... 63 | 64 66 ... 126 | 128 132 ... 252 | ...
//   bucket  0 1 ... 31 | 32 ... 63 | 64 65 ...  95 |  96  97 ... 127 | ...
//
// Owner: one thread records; others may merge it only at rest. About 15 KiB; zeroed memory is an
// empty histogram. Values are in ns by convention; any unit will do. Counts wrap at 2^64.
#ifndef GODWIT_HISTOGRAM_H
#define GODWIT_HISTOGRAM_H

#include <stdint.h>
#include <string.h>

#define GODWIT_HISTOGRAM_STEPS	 32u // buckets a doubling
#define GODWIT_HISTOGRAM_BUCKETS (60u * GODWIT_HISTOGRAM_STEPS)

struct godwit_histogram {
	uint64_t count;
	uint64_t least, most; // exact; of an empty one without meaning
	uint64_t buckets[GODWIT_HISTOGRAM_BUCKETS];
};

static inline void godwit_histogram_reset(struct godwit_histogram *h)
{
	memset(h, 0, sizeof(*h));
}

// The bucket of a value; private.
static inline uint32_t godwit_histogram_bucket(uint64_t value)
{
	uint32_t shift = 0;

	if (value < GODWIT_HISTOGRAM_STEPS)
		return (uint32_t)value;
	shift = 63 - (uint32_t)__builtin_clzll(value) - 5; // leaves 32..63
	return shift * GODWIT_HISTOGRAM_STEPS + (uint32_t)(value >> shift);
}

// The highest value of a bucket; private.
static inline uint64_t godwit_histogram_upper(uint32_t bucket)
{
	uint32_t shift = 0;

	if (bucket < GODWIT_HISTOGRAM_STEPS)
		return bucket;
	shift = bucket / GODWIT_HISTOGRAM_STEPS - 1;
	// Of the last bucket the sum wraps to 0, and 0 - 1 is right.
	return ((uint64_t)(bucket - shift * GODWIT_HISTOGRAM_STEPS + 1) << shift) - 1;
}

// Record `count` (0: nothing) occurrences of value_ns.
static inline void godwit_histogram_record(struct godwit_histogram *h, uint64_t value_ns,
					   uint64_t count)
{
	if (count == 0)
		return;
	if (h->count == 0 || value_ns < h->least)
		h->least = value_ns;
	if (h->count == 0 || value_ns > h->most)
		h->most = value_ns;
	h->count += count;
	h->buckets[godwit_histogram_bucket(value_ns)] += count;
}

static inline uint64_t godwit_histogram_count(const struct godwit_histogram *h)
{
	return h->count;
}

// Exact; 0 when empty.
static inline uint64_t godwit_histogram_min(const struct godwit_histogram *h)
{
	return h->count > 0 ? h->least : 0;
}

// Exact; 0 when empty.
static inline uint64_t godwit_histogram_max(const struct godwit_histogram *h)
{
	return h->count > 0 ? h->most : 0;
}

// The value that a share q (0..1) of what was recorded does not exceed: 0.5 the median, 0 the
// least, 1 the most. At most one bucket's width above the true one. 0 when empty.
static inline uint64_t godwit_histogram_quantile(const struct godwit_histogram *h, double q)
{
	uint64_t rank = 1, seen = 0;

	if (h->count == 0)
		return 0;
	if (q >= 1.0)
		return h->most;
	if (!(q > 0.0))
		return h->least;
	// The smallest whole number that is no less than q * count. What a decimal q has too much in
	// binary (0.07 * 100 is 7.000000000000001) does not count as a rank more.
	double exact = q * (double)h->count * (1.0 - 4e-16);
	rank = (uint64_t)exact;
	rank += (double)rank < exact;
	for (uint32_t i = godwit_histogram_bucket(h->least); i < GODWIT_HISTOGRAM_BUCKETS; i++) {
		seen += h->buckets[i];
		if (seen >= rank) {
			uint64_t upper = godwit_histogram_upper(i);

			return upper < h->most ? upper : h->most;
		}
	}
	return h->most;
}

// Add all of `from` to `into`.
static inline void godwit_histogram_merge(struct godwit_histogram *into,
					  const struct godwit_histogram *from)
{
	if (from->count == 0)
		return;
	if (into->count == 0 || from->least < into->least)
		into->least = from->least;
	if (into->count == 0 || from->most > into->most)
		into->most = from->most;
	into->count += from->count;
	for (uint32_t i = 0; i < GODWIT_HISTOGRAM_BUCKETS; i++)
		into->buckets[i] += from->buckets[i];
}

#endif
