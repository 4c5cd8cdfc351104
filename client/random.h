// SPDX-License-Identifier: BSD-3-Clause
//
// The core's own random numbers: tags, nonces, jitter. xoshiro256** (Blackman and Vigna), begun by
// splitmix64 from the caller's seed, so that a simulated client repeats itself exactly.
//
// Owner: one core. Not for secrets that must outlive the seed: the seed is the secret.
#ifndef CLIENT_RANDOM_H
#define CLIENT_RANDOM_H

#include <stdint.h>

struct client_random {
	uint64_t s[4];
};

static inline uint64_t client_random_mix(uint64_t *x)
{
	uint64_t z = *x += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static inline void client_random_init(struct client_random *r, const uint64_t seed[2])
{
	uint64_t x = seed[0];

	r->s[0] = client_random_mix(&x);
	r->s[1] = client_random_mix(&x);
	x ^= seed[1];
	r->s[2] = client_random_mix(&x);
	// Never all zeros, which would stay so.
	r->s[3] = client_random_mix(&x) | 1;
}

static inline uint64_t client_random_next(struct client_random *r)
{
	uint64_t *s = r->s;
	uint64_t product = s[1] * 5;
	uint64_t result = (product << 7 | product >> 57) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = s[3] << 45 | s[3] >> 19;
	return result;
}

// A tag or nonce: never 0, which stands for none.
static inline uint64_t client_random_tag(struct client_random *r)
{
	uint64_t x;

	do
		x = client_random_next(r);
	while (x == 0);
	return x;
}

// span_ns, taken down by up to a tenth: clients that started together do not stay together.
static inline uint64_t client_random_jitter(struct client_random *r, uint64_t span_ns)
{
	return span_ns - client_random_next(r) % (span_ns / 10 + 1);
}

#endif
