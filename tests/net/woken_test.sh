#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A home stands still for longer than the others wait, and wakes up cut off from them: now two servers claim the same
# cursors. It stops at the first contradiction, which the clients themselves tell it, and nobody gets a message twice.
set -euo pipefail
exec </dev/null
# shellcheck source=scripts/netlab.sh
. "$(dirname "$0")/../../scripts/netlab.sh"

LAB_INTERVAL="50 ms"
lab_trio
lab_trio_start

for i in 1 2 3 4; do
	lab_follow "s$i" sub trades 2 --client "$i"
done
lab_publish one pub trades
lab_wait_for 20 "the cursors" lab_cursors_are 1 2 4
lab_wait_for 20 "some of it" lab_holds 1 3000

lab_cluster_kill 2 STOP
lab_wait_for 20 "the others to have them" lab_cursors_are 1 2 0
lab_cut_both srv2 srv1,srv3
lab_cluster_kill 2 CONT
lab_wait_for 20 "the woken server to have no client" lab_rows 2 clients "len(rows) == 0"
lab_heal
lab_wait_for 20 "it to know that it is home of nothing" lab_cursors_are 2 2 0
lab_wait_for 20 "it to be in sync again" lab_in_sync 1 1,2,3

# The taker stands still in its turn, and wakes up among the others.
lab_cluster_kill 3 STOP
lab_wait_for 20 "the others to have them" lab_cursors_are 1 3 0
lab_cluster_kill 3 CONT
lab_wait_for 20 "it to know that it is home of nothing" lab_cursors_are 3 3 0
lab_wait_for 20 "it to be in sync again" lab_in_sync 1 1,2,3
lab_finish one s1 s2 s3 s4
