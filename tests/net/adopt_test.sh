#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A primary loses its memory and its record. It waits; an operator has it go on with what the replicas hold, and nobody
# misses a message or gets one twice. Of a server that nobody hears it gives nothing up without being told to.
set -euo pipefail
exec </dev/null
# shellcheck source=scripts/netlab.sh
. "$(dirname "$0")/../../scripts/netlab.sh"

adopted() {
	lab_godwit 1 adopt trades 3 >"$LAB_DIR/adopt.out" 2>&1
}

LAB_INTERVAL="50 ms"
lab_trio
lab_trio_start

lab_follow one sub trades 2
lab_follow two sub trades 1
lab_publish pub pub trades
lab_wait_for 20 "some of it" lab_holds 3 3000
lab_ends 1 "stream trades needs nobody's word" 1 adopt trades 2
lab_ends 1 "is led by server 1" 2 adopt trades 3

lab_cluster_kill 1
rm "$LAB_DIR/state1/trades.stream"
lab_cluster_kill 3
lab_cluster_restart 1
lab_wait_for 20 "it to wait" lab_rows 1 streams "rows[0]['state'].startswith('no record, held by server 2')"
lab_ends 1 "refused: these replicas of stream trades do not answer or hold another session: 3;" 1 adopt trades 2
lab_ends 1 "server 3 is no replica of stream trades, is not there" 1 adopt trades 3 --give-up
lab_ends 1 "has no stream quotes" 1 adopt quotes 2
before=$(lab_committed 2)
lab_ends 0 "given up is what only these servers held: 3$" 1 adopt trades 2 --give-up
lab_wait_for 20 "both to be in sync" lab_in_sync 1 1,2
lab_wait_for 20 "it to go on" lab_holds 1 $((before + 3000))
lab_rows 1 streams "rows[0]['epoch'] > 65536" || die "an epoch could come twice"

# A record that is lost once more, with all there.
lab_cluster_restart 3
lab_wait_for 20 "all to be in sync" lab_in_sync 1 1,2,3
lab_cluster_kill 1
rm "$LAB_DIR/state1/trades.stream"
lab_cluster_restart 1
lab_wait_for 20 "all to have been met" lab_rows 1 servers "all(row['link'] in ('self', 'up') for row in rows)"
lab_wait_for 20 "the order to be taken" adopted
lab_wait_for 20 "all to be in sync again" lab_in_sync 1 1,2,3
lab_finish pub one two
