// SPDX-License-Identifier: BSD-3-Clause
//
// Random clusters as in sim_cluster.c, but for their faults: what seldom happens there.
#include "tests/sim/sim.h"

// Each once failed; what it found stands beside it.
static const uint64_t regressions[] = {
	1,
	18, // an end that found no room on the way to control was told to nobody again
	1176, // a replica kept the feed of a primary that led again, and with it all runs: the stream stood still
	565, // a peer that was too slow for what was in flight had it repeated so often that it heard nothing else
	83854, // a replica without room for a topic kept the snapshot from one that had room
	10735, // of another history, and overwritten meanwhile: TRUNCATED, which hid that it had diverged
	2904, // a start by sequence above the commit, which was then cut off: DIVERGED of what nobody saw
};

int main(int argc, char **argv)
{
	static const struct story story = {
		.name = "rare",
		.draw = draw_rare,
		.disturb = faults_step,
		.traffic_min_ns = 1800 * MS,
		.settle_ns = 10000 * MS,
		.regressions = regressions,
		.regressions_count = sizeof(regressions) / sizeof(regressions[0]),
		.fresh = 110,
	};

	return story_main(&story, argc, argv);
}
