// SPDX-License-Identifier: BSD-3-Clause
//
// Random clusters: streams with replicas, clients that know all servers, servers that crash, sleep, are cut
// off and come back. Every application gets its stream once, in order, or a typed answer, whoever serves it.
#include "tests/sim/sim.h"

// Each once failed; what it found stands beside it.
static const uint64_t regressions[] = {
	1,
	616, // a start by time above the commit, whose epoch was then cut
	108, // a member whose log began anew was in sync meanwhile
	316, // an empty member of an epoch that left no record was reset
	3252, // a number that was told of with local acks, lost with the primary and given to another name
	30347, // the longest log was being filled anew when its primary went: it was asked for ever
	30493, // a server dropped what had a newer home, and one that was just started did not hear of it
	5254, // cursors of numbers that other streams had taken were said to live, and handed over for ever
	33435, // a member that began in an epoch that left no record was reset by a primary that had it not
	3, // a policy was applied to BEHIND: a start at a replica that had not got there went to its earliest message
	60535, // a replica that cannot tell, and a server that named it: the primary, which can, was never asked
	// with local acks the log of a primary that fetches is emptied below its commit (the checks did not expect it)
	111302,
	// an end was on its way to a server that had more to take than it could (the checks did not expect it)
	702989,
	// a member was started twice while it was cut off from its primary (the checks knew of one process before only)
	204974,
	222815, // a core that took over spoke under the tag of another home, and was not heard: resumed for ever
	// an offer was taken back, and with it the handle of a server that lived on by another core: asked in vain for ever
	518430,
	65952, // who filled the port kept a home's ends from its peers: a cursor was said to live
	22204, // a cut that went on after the newest, at the number of what was taken last, was not told of
};

int main(int argc, char **argv)
{
	static const struct story story = {
		.name = "cluster",
		.draw = draw_cluster,
		.disturb = faults_step,
		.traffic_min_ns = 1800 * MS,
		.settle_ns = 10000 * MS,
		.regressions = regressions,
		.regressions_count = sizeof(regressions) / sizeof(regressions[0]),
		.fresh = 300,
	};

	return story_main(&story, argc, argv);
}
