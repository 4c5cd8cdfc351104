// SPDX-License-Identifier: BSD-3-Clause
//
// What must be true of a core whatever it is told, asked after every operation of fuzz_core.c:
//
//   - the sums of law 1, and that control hears of each client's end that it heard the beginning of
//   - DATA of a subscription has no hole, lies at or below the commit, and says the epochs and times
//     that the log holds
//   - nothing is sent above a window's edge
//
// What a port lost cannot be told from what was left out: after a loss the deliveries start anew.
//
// Owner: one run of the target.
#ifndef TESTS_FUZZ_CORE_TRUTH_H
#define TESTS_FUZZ_CORE_TRUTH_H

#include "dataplane/stages.h"
#include "tests/fuzz/fuzz_support.h"
#include "tests/support/core_harness.h"

#define TRUTH_FLOWS 64

struct flow { // DATA of one cursor epoch of one subscription
	struct godwit_address to;
	uint64_t tag, cursor_epoch;
	uint64_t start, covered;
	bool unsure; // packets may have been lost: the next one says how far it is
	bool shared; // two subscriptions with one tag: their packets cannot be told apart
};

struct truth {
	struct harness *harness;
	struct flow flows[TRUTH_FLOWS];
	uint32_t flows_count;
	bool has_lost;			// a port took less than all at some time
	int64_t clients[HARNESS_CORES]; // that control knows of
};

// After every operation: look at what was sent and at what the cores hold, then forget the frames.
void truth_check(struct truth *truth);
// A port took less than all: what was sent before says nothing of what comes now.
void truth_lost(struct truth *truth);
// Every client has lapsed: nothing of them is left.
void truth_check_empty(struct truth *truth);

#endif
