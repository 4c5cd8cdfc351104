// SPDX-License-Identifier: BSD-3-Clause
//
// Random clusters as in sim_cluster.c, but larger: up to seven servers, eight streams and two hundred clients.
#include "tests/sim/sim.h"

// Each once failed; what it found stands beside it.
static const uint64_t regressions[] = {
	1,
	30, // where frames overtook one another a home's cursors reached its peers four at a time
	54, // a replica was heard by its primary, but the path swallowed what it lacked: its clients waited for ever
	131, // ... and so did the publishers, since it counted for the commit
};

int main(int argc, char **argv)
{
	static const struct story story = {
		.name = "large",
		.draw = draw_large,
		.disturb = faults_step,
		.traffic_min_ns = 1800 * MS,
		.settle_ns = 10000 * MS,
		.regressions = regressions,
		.regressions_count = sizeof(regressions) / sizeof(regressions[0]),
		.fresh = 60,
	};

	return story_main(&story, argc, argv);
}
