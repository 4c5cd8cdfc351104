// SPDX-License-Identifier: BSD-3-Clause
//
// Random clusters as in sim_cluster.c, but for their faults: what only a person sets right.
#include "tests/sim/sim.h"

// Each once failed; what it found stands beside it.
static const uint64_t regressions[] = {
	1,
	894, // who holds less was adopted as well, and was the only one left: what was acknowledged was gone
	1971,	2504,
	20013, // a publisher that knew no round trip went back for each GAP: packets without end
	55479, // an end was on its way to a server that was started again, and was never told of
	5055,
	116415, // of two equal logs the one that lacked a topic was adopted as well
	12812,	// of two equal logs one is not whole (the checks did not expect it)
	62846, // nobody has whole tables, and the one that holds the log is adopted all the same (the checks did not expect it)
};

int main(int argc, char **argv)
{
	static const struct story story = {
		.name = "operator",
		.draw = draw_operator,
		.disturb = faults_step,
		.traffic_min_ns = 1800 * MS,
		.settle_ns = 10000 * MS,
		.regressions = regressions,
		.regressions_count = sizeof(regressions) / sizeof(regressions[0]),
		.fresh = 110,
	};

	return story_main(&story, argc, argv);
}
