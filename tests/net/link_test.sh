#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A home and its client do not reach each other any more, while other servers reach both: one way, the other way, and
# both ways. The client goes on elsewhere each time, asked or by itself, and misses nothing. Then the port of a server
# fails for all.
set -euo pipefail
exec </dev/null
# shellcheck source=scripts/netlab.sh
. "$(dirname "$0")/../../scripts/netlab.sh"

LAB_INTERVAL="50 ms"
lab_test
lab_host pub 10.77.0.2/24
lab_host deaf 10.77.0.3/24
lab_host mute 10.77.0.4/24
lab_host lone 10.77.0.5/24
lab_cluster 1 2 3 trades=64MiB,primary=1,replicas=2+3
lab_trio_start

for host in deaf mute lone; do
	lab_follow "$host" "$host" trades 2
done
lab_publish one pub trades
lab_wait_for 20 "the cursors" lab_cursors_are 1 2 3
lab_wait_for 20 "some of it" lab_holds 2 3000

# It hears its home no more.
lab_cut srv2 deaf
lab_wait_for 20 "the deaf one to be elsewhere" lab_cursors_are 1 2 2
lab_await deaf 'migrated from .*it was silent'
# Its home hears it no more, and asks the others, which do.
lab_cut mute srv2
lab_wait_for 20 "the mute one to be elsewhere" lab_cursors_are 1 2 1
lab_wait_for 20 "its home to know" lab_cursors_are 2 2 1
lab_wait_for 20 "its home to tell why" lab_moves_are 2 1 link
lab_cut_both srv2 lone
lab_wait_for 20 "the lone one to be elsewhere" lab_cursors_are 3 2 0
lab_wait_for 20 "its home to know" lab_cursors_are 2 2 0
lab_heal

# Its carrier is gone, and comes back.
lab_follow port lone trades 3
lab_wait_for 20 "it to have begun" lab_says port '"delivered":[1-9]'
lab_link_down srv3
lab_wait_for 20 "its clients to be elsewhere" lab_cursors_are 1 3 0
lab_link_up srv3
lab_wait_for 20 "it to be in sync again" lab_in_sync 1 1,2,3
lab_wait_for 20 "it to know" lab_cursors_are 3 3 0
lab_finish one deaf mute lone port
