// SPDX-License-Identifier: BSD-3-Clause
//
// What `godwit sub --check` holds against every message, as an application would: sequences without
// holes, repeats or changes of order, and where the payloads are the generator's, the same of their
// numbers within each topic (which works for filtered subscriptions too, whose sequences have holes
// by nature).
//
//	lost	    missing and not announced	      truncated	  missing, announced by a GAP
//	repeated    came before			      withdrawn	  taken, then gone from the history
//	reordered   came after a later one
//
// A number that is missing counts as lost until it comes (then as reordered); of that the last
// CHECK_HOLES holes are remembered. Owner: one thread. Grows by 24 bytes a topic of a generator.
#ifndef CLIENT_TOOLS_CHECK_H
#define CLIENT_TOOLS_CHECK_H

#include <godwit/types.h>

#define CHECK_HOLES 256

struct check_counts {
	uint64_t lost, repeated, reordered;
};

struct check_hole {
	uint64_t line, first, last; // first 0: none
};

// Numbers of one topic in one run of a generator.
struct check_topic {
	uint64_t line; // run and topic, never 0; 0: free
	uint64_t expected;
	uint64_t announced; // value of check.announced when last seen
};

struct check {
	bool is_filtered;
	bool has_begun;
	uint64_t session;
	uint64_t expected;	       // next sequence; filtered: last one + 1
	uint64_t announced;	       // gaps and sessions so far: numbers may jump there
	struct check_counts sequences; // by the identifiers
	struct check_counts numbers;   // by the payloads
	uint64_t truncated;
	uint64_t withdrawn;
	uint64_t generated; // payloads of a generator
	uint64_t damaged;   // of these
	struct check_hole holes[CHECK_HOLES];
	uint32_t hole_next;
	uint32_t topic_count;
	uint32_t topic_slots; // a power of two, or 0
	struct check_topic *topics;
};

void check_init(struct check *check, bool is_filtered);
void check_fini(struct check *check);

// Delivery begins after the identifier (SUBSCRIBED); later calls change nothing.
void check_begin(struct check *check, const struct godwit_identifier *after);

// One message. -ENOMEM: the table of topics could not grow.
int check_message(struct check *check, const struct godwit_identifier *identifier, uint32_t topic,
		  const void *payload, size_t length);

// GAP: first..last will not come, or, where it goes on after one below `first`, were taken and are no more.
void check_gap(struct check *check, uint64_t first, uint64_t last,
	       const struct godwit_identifier *after);

// SESSION: a new history begins after the identifier.
void check_session(struct check *check, const struct godwit_identifier *after);

// The larger of what sequences and numbers say: what one lost message adds to both counts once.
struct check_counts check_total(const struct check *check);
bool check_is_clean(const struct check *check);

#endif
