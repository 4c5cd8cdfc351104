// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/rendezvous.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define FRACTION_BITS 32

// -log2(x / 2^64), times 2^32. Of 1 and more, since x is below 2^64, the whole part is the leading
// zeros; each squaring of what remains, 1 <= y < 2, gives one more bit of the fraction.
static uint64_t minus_log2(uint64_t x)
{
	uint32_t zeros = x == 0 ? 63 : (uint32_t)__builtin_clzll(x);
	uint64_t y = (x == 0 ? 1 : x) << zeros; // y / 2^63
	uint64_t fraction = 0;

	for (uint32_t bit = 0; bit < FRACTION_BITS; bit++) {
		unsigned __int128 square = (unsigned __int128)y * y; // / 2^126
		uint64_t is_two = (uint64_t)(square >> 127);

		y = (uint64_t)(square >> (63 + is_two));
		fraction = fraction << 1 | is_two;
	}
	return ((uint64_t)(zeros + 1) << FRACTION_BITS) - fraction;
}

uint32_t rendezvous_pick(uint64_t key, const struct rendezvous_server *servers, uint32_t count)
{
	uint32_t best = RENDEZVOUS_NONE;
	uint64_t best_distance = 0;

	for (uint32_t i = 0; i < count; i++) {
		const uint64_t words[2] = {key, servers[i].id};
		uint64_t distance, mine, bests;

		if (servers[i].weight == 0)
			continue;
		distance = minus_log2(XXH3_64bits(words, sizeof(words)));
		// Lower distance / weight wins, as products: 39 + 16 bits.
		mine = best == RENDEZVOUS_NONE ? 0 : distance * servers[best].weight;
		bests = best_distance * servers[i].weight;
		if (best == RENDEZVOUS_NONE || mine < bests ||
		    (mine == bests && servers[i].id < servers[best].id)) {
			best = i;
			best_distance = distance;
		}
	}
	return best;
}
