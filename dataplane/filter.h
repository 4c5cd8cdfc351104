// SPDX-License-Identifier: BSD-3-Clause
//
// Filters of one stream on one core. A filter class is a set of topics that one or more
// subscriptions have in common: matched once for all of them, live and on replay. The topic index
// says for each topic which classes want it, so that a message costs what it matches.
//
// Owner: one core; no other thread looks at it. Memory is taken at filters_create for `classes_max`
// classes; the sets lie in one pool of `topics_max` entries (a class of n topics takes n of each of
// two pools: its set and its index links).
// Limits: 1..GODWIT_FILTER_TOPICS topics a class, sorted, distinct.
#ifndef DATAPLANE_FILTER_H
#define DATAPLANE_FILTER_H

#include <godwit/types.h>

#define FILTER_NONE UINT32_MAX

struct filter_class {
	uint64_t topic_bits; // OR of topic_bit() of its topics
	uint64_t hash;	     // of the sorted set, as the cursor states it; never 0
	uint32_t topics;     // count
	uint32_t first;	     // where the set begins, private
	uint32_t users;	     // subscriptions that hold it
	uint32_t members; // head of the list of live members; the dispatcher's, FILTER_NONE at start
	uint32_t open;	  // scratch of the live dispatcher, FILTER_NONE at start
};

struct filters; // opaque

// Bytes are taken with calloc at start. NULL with errno ENOMEM (also for a maximum of 0 or above
// 2^30). Thread: control.
struct filters *filters_create(uint32_t classes_max, uint32_t topics_max);
void filters_destroy(struct filters *filters);
uint64_t filters_bytes(uint32_t classes_max, uint32_t topics_max);

// The hash of a sorted set of host-order topics; never 0. Thread: any.
uint64_t filter_hash(const uint32_t *topics, uint32_t count);

// Whether `topics` is sorted, distinct and 1..GODWIT_FILTER_TOPICS long. Thread: any.
bool filter_is_set(const uint32_t *topics, uint32_t count);

// Take a class for this set (a valid set): the existing one, or a new one. Each hold needs a
// release. Returns its number, or FILTER_NONE when the tables are full: classes_max classes, or
// topics_max topics over all of them (exactly: the pool never fragments; at worst a hold moves one
// page of 8 KiB). No allocation. Thread: core.
uint32_t filter_hold(struct filters *filters, const uint32_t *topics, uint32_t count);
void filter_release(struct filters *filters, uint32_t number);

struct filter_class *filter_class(struct filters *filters, uint32_t number);

// The class's set, sorted; the pointer is good until the next hold or release (a hold may close
// holes of the pool).
const uint32_t *filter_topics(const struct filters *filters, uint32_t number);

// Whether the class wants the topic: two loads for most that it does not want.
bool filter_matches(const struct filters *filters, uint32_t number, uint32_t topic);

// Walk of the classes that want `topic`:
//   for (uint32_t it = filter_index(f, topic); it != FILTER_NONE; it = filter_index_next(f, it))
//           number = filter_index_class(f, it);
// Only classes with users are in the index. Nothing may be held or released during the walk.
uint32_t filter_index(const struct filters *filters, uint32_t topic);
uint32_t filter_index_next(const struct filters *filters, uint32_t it);
uint32_t filter_index_class(const struct filters *filters, uint32_t it);

#endif
