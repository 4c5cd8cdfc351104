// SPDX-License-Identifier: BSD-3-Clause
//
// The program around a story:
//
//   sim_NAME [--seeds A..B] [--seed N] [--trace] [--count N] [--coverage]
//
// Without arguments: the regression seeds and a fresh range, printed; with --count 0 the former alone. Exit status 1
// names the failing seeds; `--seed N --trace` replays one, a line an event.
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "tests/sim/sim.h"

static int usage(const struct story *story)
{
	fprintf(stderr,
		"usage: sim_%s [--seeds A..B] [--seed N] [--trace] [--count N] [--coverage]\n",
		story->name);
	return 2;
}

struct totals {
	uint64_t delivered, migrations, lost;
	uint64_t counts[COUNTERS], drops[DROPS], moves[MIGRATION_COUNTERS_COUNT];
};

struct arguments {
	uint64_t from, to, count;
	bool trace, given, coverage;
};

// What the scenarios reached, each counter and drop, so that what they never reach is seen.
static void print_coverage(const struct totals *totals)
{
	for (uint32_t i = 0; i < COUNTERS; i++)
		printf("%-28s %lu\n", counter_infos[i].name, totals->counts[i]);
	for (uint32_t i = 0; i < DROPS; i++)
		printf("drop %-23s %lu\n", drop_infos[i].name, totals->drops[i]);
	for (uint32_t i = 0; i < MIGRATION_COUNTERS_COUNT; i++)
		printf("migration %-18s %lu\n", migration_counter_name(i), totals->moves[i]);
	printf("client migrations            %lu\n", totals->migrations);
	printf("lost of local acks           %lu\n", totals->lost);
}

static void add(struct totals *totals, const struct sim *sim)
{
	totals->delivered += sim->messages_delivered;
	totals->migrations += sim->migrations;
	totals->lost += sim->lost_messages;
	for (uint32_t i = 0; i < COUNTERS; i++)
		totals->counts[i] += sim->counts[i];
	for (uint32_t i = 0; i < DROPS; i++)
		totals->drops[i] += sim->drops[i];
	for (uint32_t i = 0; i < MIGRATION_COUNTERS_COUNT; i++)
		totals->moves[i] += sim->moves[i];
}

static uint32_t run_range(const struct story *story, uint64_t from, uint64_t to, bool trace,
			  struct totals *totals)
{
	static struct sim sim;
	uint32_t failures = 0;

	for (uint64_t seed = from; seed <= to; seed++) {
		if (scenario_run(&sim, story, seed, trace) != 0) {
			printf("FAILED seed %lu of %s: %s\n", seed, story->name, sim.failure);
			fflush(stdout);
			if (++failures == 20)
				break;
		}
		add(totals, &sim);
	}
	return failures;
}

// A..B, or N alone where both ends are the same.
static bool read_range(const char *text, bool alone, struct arguments *args)
{
	char *end;

	args->given = true;
	args->from = args->to = strtoull(text, &end, 10);
	if (alone)
		return *end == '\0';
	if (strncmp(end, "..", 2) != 0)
		return false;
	args->to = strtoull(end + 2, &end, 10);
	return *end == '\0' && args->to >= args->from;
}

static bool read_arguments(int argc, char **argv, struct arguments *args)
{
	for (int i = 1; i < argc; i++) {
		char *end;

		if (strcmp(argv[i], "--trace") == 0) {
			args->trace = true;
		} else if (strcmp(argv[i], "--coverage") == 0) {
			args->coverage = true;
		} else if (i + 1 == argc) {
			return false;
		} else if (strcmp(argv[i], "--count") == 0) {
			args->count = strtoull(argv[++i], &end, 10);
			if (*end != '\0')
				return false;
		} else if (strcmp(argv[i], "--seed") == 0 || strcmp(argv[i], "--seeds") == 0) {
			bool alone = strcmp(argv[i], "--seed") == 0;

			if (!read_range(argv[++i], alone, args))
				return false;
		} else {
			return false;
		}
	}
	return true;
}

int story_main(const struct story *story, int argc, char **argv)
{
	static struct totals totals;
	struct arguments args = {.count = story->fresh};
	uint64_t scenarios = 0;
	uint32_t failures = 0;

	if (!read_arguments(argc, argv, &args))
		return usage(story);
	if (!args.given) {
		for (uint32_t i = 0; i < story->regressions_count; i++)
			failures += run_range(story, story->regressions[i], story->regressions[i],
					      args.trace, &totals);
		scenarios += story->regressions_count;
		if (getrandom(&args.from, sizeof(args.from), 0) != sizeof(args.from))
			return 1;
		args.from >>= 20; // readable
		args.to = args.from + args.count - 1;
	}
	if (args.given || args.count > 0) {
		printf("seeds %lu..%lu\n", args.from, args.to);
		fflush(stdout);
		failures += run_range(story, args.from, args.to, args.trace, &totals);
		scenarios += args.to - args.from + 1;
	}
	if (args.coverage)
		print_coverage(&totals);
	if (failures > 0) {
		printf("sim: FAILED scenarios=%lu violations=%u\n", scenarios, failures);
		return 1;
	}
	printf("sim: ok scenarios=%lu violations=0 messages=%lu\n", scenarios, totals.delivered);
	return 0;
}
