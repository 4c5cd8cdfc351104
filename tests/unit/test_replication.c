// SPDX-License-Identifier: BSD-3-Clause
//
// Replication between servers in one process: the feed, its losses, the commit, catching up.
#include "tests/unit/replication_rig.h"

Test(replication, records_arrive_identical_and_are_committed_everywhere)
{
	rig_start(3, NULL);
	cr_assert_eq(rig.record.count, 3, "both replicas were proposed and taken in");
	rig_open();
	for (uint32_t i = 0; i < 20; i++) {
		rig_publish(1 + i % 7, 20 + 9 * i);
		rig_turns(1);
	}
	rig_pass(20 * MS);
	cr_assert_eq(rig_end(0), rig.number);
	cr_assert_eq(rig_commit(0), rig_end(0));
	for (uint32_t i = 1; i < 3; i++) {
		rig_assert_alike(0, i);
		cr_assert_eq(rig_commit(i), rig_end(0), "by a mark without a record");
	}
	rig_stop();
}
