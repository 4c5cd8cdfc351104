// SPDX-License-Identifier: BSD-3-Clause
//
// The program around a story:
//
//   sim_NAME [--seeds A..B] [--seed N] [--trace] [--count N] [--coverage]
//            [--without LIST] [--messages N] [--dice N]
//   sim_NAME --seed N --shrink [--tries N]
//
// Without arguments: the regression seeds and a fresh range, printed; with --count 0 the former alone. Exit status 1
// names the failing seeds; `--seed N --trace` replays one, a line an event; `--seed N --shrink` finds a small world
// that fails as that one does, and prints the arguments with which it is replayed.
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "tests/sim/without.h"

#define TRIES_MAX 3000

static int usage(const struct story *story)
{
	fprintf(stderr,
		"usage: sim_%s [--seeds A..B] [--seed N] [--trace] [--count N] [--coverage]\n"
		"       [--without LIST] [--messages N] [--dice N]\n"
		"       --seed N --shrink [--tries N]\n"
		"LIST: what is left out of a world, with commas between:\n",
		story->name);
	without_help(stderr);
	return 2;
}

struct totals {
	uint64_t delivered, migrations, lost;
	struct coverage coverage;
};

struct arguments {
	uint64_t from, to, count, tries;
	bool trace, given, coverage, shrink;
	struct without without;
};

// What the scenarios reached, so that what they never reach is seen.
static void print_coverage(const struct totals *totals)
{
	coverage_print(&totals->coverage, stdout);
	printf("%10lu migrations that applications were told of\n", totals->migrations);
	printf("%10lu messages lost of local acks\n", totals->lost);
}

static void add(struct totals *totals, const struct sim *sim)
{
	totals->delivered += sim->messages_delivered;
	totals->migrations += sim->migrations;
	totals->lost += sim->lost_messages;
	coverage_add(&totals->coverage, &sim->coverage);
}

static uint32_t run_range(const struct story *story, const struct arguments *args, uint64_t from,
			  uint64_t to, struct totals *totals)
{
	static struct sim sim;
	struct scenario scenario = {.trace = args->trace, .without = &args->without};
	uint32_t failures = 0;

	for (uint64_t seed = from; seed <= to; seed++) {
		scenario.seed = seed;
		if (scenario_run(&sim, story, &scenario) != 0) {
			printf("FAILED seed %lu of %s: %s\n", seed, story->name, sim.failure);
			fflush(stdout);
			if (++failures == 20)
				break;
		}
		add(totals, &sim);
	}
	return failures;
}

static int run_shrink(const struct story *story, const struct arguments *args)
{
	struct shrunk shrunk;
	char text[8192];

	if (!shrink(story, args->from, (uint32_t)args->tries, stdout, &shrunk)) {
		printf("sim: ok scenarios=1 violations=0: there is nothing to shrink\n");
		return 0;
	}
	without_print(&shrunk.without, text, sizeof(text));
	printf("FAILED seed %lu of %s: %s\n", args->from, story->name, shrunk.failure);
	printf("replay it: scripts/sim --story %s --seed %lu %s --trace\n", story->name, args->from,
	       text);
	printf("sim: FAILED scenarios=%u violations=1\n", shrunk.tries);
	return 1;
}

// ---- arguments --------------------------------------------------------------------------------

static bool read_number(const char *text, uint64_t *number)
{
	char *end;

	*number = strtoull(text, &end, 10);
	return text[0] >= '0' && text[0] <= '9' && *end == '\0';
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

// One that stands alone. False: it has a value, or is none.
static bool read_switch(const char *name, struct arguments *args)
{
	bool *at = strcmp(name, "--trace") == 0	   ? &args->trace :
		   strcmp(name, "--coverage") == 0 ? &args->coverage :
		   strcmp(name, "--shrink") == 0   ? &args->shrink :
						     NULL;

	if (at != NULL)
		*at = true;
	return at != NULL;
}

static bool read_value(const char *name, const char *value, struct arguments *args)
{
	uint64_t dice;

	if (strcmp(name, "--seed") == 0 || strcmp(name, "--seeds") == 0)
		return read_range(value, strcmp(name, "--seed") == 0, args);
	if (strcmp(name, "--without") == 0)
		return without_read(&args->without, value);
	if (strcmp(name, "--count") == 0)
		return read_number(value, &args->count);
	if (strcmp(name, "--tries") == 0)
		return read_number(value, &args->tries) && args->tries > 0 &&
		       args->tries <= UINT32_MAX;
	if (strcmp(name, "--messages") == 0)
		return read_number(value, &args->without.messages) && args->without.messages > 0;
	if (strcmp(name, "--dice") != 0 || !read_number(value, &dice) || dice > UINT32_MAX)
		return false;
	args->without.dice = (uint32_t)dice;
	return true;
}

static bool read_arguments(int argc, char **argv, struct arguments *args)
{
	for (int i = 1; i < argc; i++) {
		if (read_switch(argv[i], args))
			continue;
		if (i + 1 == argc || !read_value(argv[i], argv[i + 1], args))
			return false;
		i++;
	}
	// A world is shrunk from the whole of it.
	return !args->shrink ||
	       (args->given && args->from == args->to && without_is_nothing(&args->without));
}

int story_main(const struct story *story, int argc, char **argv)
{
	static struct totals totals;
	struct arguments args = {.count = story->fresh, .tries = TRIES_MAX};
	uint64_t scenarios = 0;
	uint32_t failures = 0;

	if (!read_arguments(argc, argv, &args))
		return usage(story);
	// MACs by the instructions that this CPU has: they are an eighth of a run.
	if (sodium_init() < 0)
		return 1;
	if (args.shrink)
		return run_shrink(story, &args);
	if (!args.given) {
		for (uint32_t i = 0; i < story->regressions_count; i++)
			failures += run_range(story, &args, story->regressions[i],
					      story->regressions[i], &totals);
		scenarios += story->regressions_count;
		if (getrandom(&args.from, sizeof(args.from), 0) != sizeof(args.from))
			return 1;
		args.from >>= 20; // readable
		args.to = args.from + args.count - 1;
	}
	if (args.given || args.count > 0) {
		printf("seeds %lu..%lu\n", args.from, args.to);
		fflush(stdout);
		failures += run_range(story, &args, args.from, args.to, &totals);
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
