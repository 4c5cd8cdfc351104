#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The only server that holds a stream's end is heard by nobody when the primary starts again, and an operator gives that
# end up. When it is back it gives it up, too; its client is told that messages are withdrawn, and goes on.
set -euo pipefail
exec </dev/null
# shellcheck source=scripts/netlab.sh
. "$(dirname "$0")/../../scripts/netlab.sh"

LAB_INTERVAL="50 ms"
lab_trio
lab_trio_start

lab_follow early sub trades 3 --client 1 --policy earliest
lab_publish one pub trades
lab_wait_for 20 "some of it" lab_holds 3 3000
lab_cut_both srv2 srv1,srv3
lab_wait_for 20 "nobody to wait for server 2" lab_in_sync 1 1,3
lab_goes_on 1 3000
lab_stop one || die "the publisher ended with status $?"
end=$(lab_committed 1)
lab_wait_for 20 "server 3 to have all" lab_holds 3 "$end"
lab_wait_for 20 "its client to have all" lab_has early $((end - 1))
had=$end

lab_cluster_kill 1
lab_heal
lab_cut_both srv3 srv1,srv2
lab_cluster_restart 1
lab_wait_for 20 "it to wait" lab_rows 1 streams "rows[0]['state'].startswith('waiting for server 3')"
lab_ends 1 "refused: these replicas of stream trades do not answer or hold another session: 3;" 1 adopt trades 2
lab_ends 0 "given up is what only these servers held: 3$" 1 adopt trades 2 --give-up
lab_wait_for 20 "both to be in sync" lab_in_sync 1 1,2
kept=$(lab_committed 1)
[ "$kept" -lt "$had" ] || die "nothing was given up: $kept of $had"
lab_publish two pub trades
lab_goes_on 1 3000

lab_heal
lab_wait_for 20 "server 3 to be in sync again" lab_in_sync 1 1,2,3
[ "$(lab_counter 3 sink_cuts_refused)" -eq 0 ] || die "server 3 kept what was given up"
lab_stop two || die "the publisher ended with status $?"
end=$(lab_committed 1)
lab_follow late sub trades 3 --client 2
lab_wait_for 60 "the late one to have all" lab_has late $((end - 1))
lab_stop late || die "the late one ended with status $?"
lab_sub_has_all late "$end"
# It took those between, and then what came in their place.
lab_wait_for 60 "the early one to have the rest" lab_has early $((had + end - kept - 1))
lab_stop early || die "the early one ended with status $?"
lab_expect "$LAB_DIR/early.json" "withdrawn == $had - $kept" "delivered == $had + $end - $kept" 'lost == 0' \
	'repeated == 0' 'reordered == 0' 'truncated == 0' 'sessions == 0'
