// SPDX-License-Identifier: BSD-3-Clause
//
// Random worlds of one server: every application gets its messages once, in order, or a typed answer.
//
//   sim_spine [--seeds A..B] [--seed N] [--trace] [--count N] [--coverage]
//
// Without arguments: the regression seeds and a fresh range, printed. Exit status 1 names the failing
// seeds; `--seed N --trace` replays one, a line an event.
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "tests/sim/sim.h"

// Each once failed; what it found stands beside it.
static const uint64_t regressions[] = {
	1,
	9251,  // UNSUBSCRIBE while a RESUME was under way went under the dead server's handle
	11342, // the same
};

static int usage(void)
{
	fprintf(stderr, "usage: sim_spine [--seeds A..B] [--seed N] [--trace] [--count N] "
			"[--coverage]\n");
	return 2;
}

struct totals {
	uint64_t delivered, counts[COUNTERS], drops[DROPS];
};

// What the scenarios reached, each counter and drop, so that what they never reach is seen.
static void print_coverage(const struct totals *totals)
{
	for (uint32_t i = 0; i < COUNTERS; i++)
		printf("%-28s %lu\n", counter_infos[i].name, totals->counts[i]);
	for (uint32_t i = 0; i < DROPS; i++)
		printf("drop %-23s %lu\n", drop_infos[i].name, totals->drops[i]);
}

static uint32_t run_range(uint64_t from, uint64_t to, bool trace, struct totals *totals)
{
	static struct sim sim;
	uint32_t failures = 0;

	for (uint64_t seed = from; seed <= to; seed++) {
		if (scenario_run(&sim, seed, trace) != 0) {
			printf("FAILED seed %lu: %s\n", seed, sim.failure);
			fflush(stdout);
			if (++failures == 20)
				break;
		}
		totals->delivered += sim.messages_delivered;
		for (uint32_t i = 0; i < COUNTERS; i++)
			totals->counts[i] += sim.counts[i];
		for (uint32_t i = 0; i < DROPS; i++)
			totals->drops[i] += sim.drops[i];
	}
	return failures;
}

int main(int argc, char **argv)
{
	uint64_t from = 0, to = 0, count = 400;
	static struct totals totals;
	bool trace = false, given = false, coverage = false;
	uint32_t failures = 0;

	for (int i = 1; i < argc; i++) {
		char *end;

		if (strcmp(argv[i], "--trace") == 0) {
			trace = true;
		} else if (strcmp(argv[i], "--coverage") == 0) {
			coverage = true;
		} else if (strcmp(argv[i], "--count") == 0 && i + 1 < argc) {
			count = strtoull(argv[++i], &end, 10);
			if (*end != '\0' || count == 0)
				return usage();
		} else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
			from = to = strtoull(argv[++i], &end, 10);
			given = true;
			if (*end != '\0')
				return usage();
		} else if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc) {
			from = strtoull(argv[++i], &end, 10);
			if (strncmp(end, "..", 2) != 0)
				return usage();
			to = strtoull(end + 2, &end, 10);
			given = true;
			if (*end != '\0' || to < from)
				return usage();
		} else {
			return usage();
		}
	}
	if (!given) {
		for (uint32_t i = 0; i < sizeof(regressions) / sizeof(regressions[0]); i++)
			failures += run_range(regressions[i], regressions[i], trace, &totals);
		if (getrandom(&from, sizeof(from), 0) != sizeof(from))
			return 1;
		from >>= 20; // readable
		to = from + count - 1;
	}
	printf("seeds %lu..%lu\n", from, to);
	fflush(stdout);
	failures += run_range(from, to, trace, &totals);
	if (coverage)
		print_coverage(&totals);
	if (failures > 0) {
		printf("sim: FAILED scenarios=%lu violations=%u\n", to - from + 1, failures);
		return 1;
	}
	printf("sim: ok scenarios=%lu violations=0 messages=%lu\n", to - from + 1,
	       totals.delivered);
	return 0;
}
