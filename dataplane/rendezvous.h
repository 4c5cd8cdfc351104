// SPDX-License-Identifier: BSD-3-Clause
//
// Rendezvous hashing: which of the live servers takes a key. Each server has a score for the key, made
// from both alone, and the highest wins; so all servers that know the same list agree without a word,
// and when a server leaves, only its own keys move, spread over the others by weight.
//
//   u = hash(key, server id), even in (0, 1)      score = weight / -log2(u)
//
// A server wins a share of keys equal to its share of the weights. The logarithm is worked out bit by
// bit in integers, so that machines cannot differ in the last place.
// Pure functions. Thread: any.
#ifndef DATAPLANE_RENDEZVOUS_H
#define DATAPLANE_RENDEZVOUS_H

#include <stdint.h>

#define RENDEZVOUS_NONE UINT32_MAX

struct rendezvous_server {
	uint16_t id;	 // unique in its list
	uint16_t weight; // 0: takes nothing
};

// The index in `servers` of the one that takes `key`, whatever their order is; RENDEZVOUS_NONE if none
// has a weight. key: a number, or a hash of all servers alike (cursor_key_hash() with a seed that they share).
// About 50 ns a server.
uint32_t rendezvous_pick(uint64_t key, const struct rendezvous_server *servers, uint32_t count);

#endif
