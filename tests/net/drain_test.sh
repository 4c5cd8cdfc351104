#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A server is killed in the middle of being drained, another while it takes those who leave. Who would be the last to
# take clients is not drained, and says why. All know who is drained, and send new clients elsewhere.
set -euo pipefail
exec </dev/null
# shellcheck source=scripts/netlab.sh
. "$(dirname "$0")/../../scripts/netlab.sh"

SUBS=(s1 s2 s3 s4 s5 s6 s7 s8 held)
# knows ASKED SERVER DRAINED: whether it takes that one for drained (1) or not (0).
knows() {
	lab_rows "$1" servers "[row['draining'] for row in rows if row['id'] == $2] == [$3]"
}

LAB_INTERVAL="50 ms"
lab_trio
lab_host held 10.77.0.4/24
lab_trio_start

for sub in "${SUBS[@]}"; do
	lab_follow "$sub" "$([ "$sub" = held ] && echo held || echo sub)" trades 2
done
lab_publish one pub trades
lab_wait_for 20 "the cursors" lab_cursors_are 1 2 "${#SUBS[@]}"
lab_wait_for 20 "some of it" lab_holds 1 3000

# One cannot leave: it reaches no other server. All the others have, when the kill comes.
lab_cut_both held srv1,srv3
lab_godwit 2 drain 2 >"$LAB_DIR/drain.out"
lab_wait_for 20 "all but one to be elsewhere" lab_cursors_are 1 2 1
lab_cluster_kill 2
lab_heal
lab_wait_for 20 "all to be elsewhere" lab_cursors_are 1 2 0
lab_cluster_restart 2
lab_wait_for 20 "it to be in sync again" lab_in_sync 1 1,2,3
lab_rows 2 servers "rows[0]['draining'] == 0" || die "a new process is drained from its birth"

# Server 3 is drained, and server 2, to which some of them go, is killed.
lab_godwit 3 drain 3 >"$LAB_DIR/drain.out"
lab_wait_for 5 "server 1 to know that server 3 is drained" knows 1 3 1
lab_cluster_kill 2
lab_wait_for 20 "all to be at the last one" lab_cursors_are 1 1 "${#SUBS[@]}"
lab_wait_for 20 "the drained one to know" lab_cursors_are 3 3 0
# Who comes to the drained one now goes to the other. That is the last one that takes clients.
lab_follow s9 sub trades 3
SUBS+=(s9)
lab_wait_for 20 "the new one to be elsewhere" lab_cursors_are 1 1 "${#SUBS[@]}"
lab_ends 1 'refused: no other live server' 1 drain 1

# Back again: who has left stays, until it is asked to go.
lab_godwit 3 undrain 3 >"$LAB_DIR/drain.out"
lab_wait_for 5 "server 1 to know that server 3 is drained no more" knows 1 3 0
lab_godwit 1 drain 1 >"$LAB_DIR/drain.out"
lab_wait_for 20 "all to be at the other one" lab_cursors_are 3 3 "${#SUBS[@]}"
lab_godwit 1 undrain 1 >"$LAB_DIR/drain.out"

# And the last one that lives. Nothing commits there, but all can wait for it.
lab_cluster_kill 3
lab_wait_for 20 "all to be at the last one" lab_cursors_are 1 1 "${#SUBS[@]}"
lab_ends 1 'refused: no other live server' 1 drain 1
lab_cluster_restart 3
lab_wait_for 20 "the other one to be in sync again" lab_in_sync 1 1,3
lab_finish one "${SUBS[@]}"
