#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What a subscriber is told that comes to a replica with an identifier which leads nowhere: of another stream, tampered
# with, or from before all servers were started again. Each has its answer, and the policy decides what then.
set -euo pipefail
exec </dev/null
# shellcheck source=scripts/netlab.sh
. "$(dirname "$0")/../../scripts/netlab.sh"

session_of() {
	lab_status 1 | python3 -c '
import json, sys
print(*(s["session"] for s in json.load(sys.stdin)["streams"].values() if s["name"] == sys.argv[1]))' "$1"
}
# asks IDENTIFIER OPTION...: a subscriber at the replica, for one message; its status in $rc, its words in said.txt
asks() {
	rc=0
	lab_run a "$GODWIT" sub trades --server "$(lab_order 2)" --after "$1" --count-max 1 --meta --text --timeout 10 "${@:2}" \
		>"$LAB_DIR/said.txt" 2>&1 || rc=$?
}
# fails IDENTIFIER STATUS WORD
fails() {
	asks "$1"
	if [ "$rc" -ne "$2" ] || ! grep -q "$3" "$LAB_DIR/said.txt"; then
		die "$1: status $rc, not $2, or does not say \"$3\": $(cat "$LAB_DIR/said.txt")"
	fi
}
# begins IDENTIFIER POLICY WORD FIRST: it says why it begins elsewhere, and where.
begins() {
	asks "$1" --policy "$2"
	if [ "$rc" -ne 0 ] || ! grep -q "$3" "$LAB_DIR/said.txt" || ! grep -q "^$4	" "$LAB_DIR/said.txt"; then
		die "$1, $2: status $rc, or does not say \"$3\", or does not begin with $4: $(cat "$LAB_DIR/said.txt")"
	fi
}
both_in_sync() {
	lab_server_is 1 "it['streams']['0']['in_sync'] == 2"
}

LAB_INTERVAL="50 ms"
LAB_MULTIPLIER=5
lab_test
lab_host a 10.77.0.2/24
lab_cluster 1 2 trades=16MiB,primary=1,replicas=2 orders=1MiB,primary=2,replicas=1
lab_cluster_start 1 2
lab_cluster_wait_ready 1 2
lab_wait_for 20 "both in sync" both_in_sync
seq 1 100 >"$LAB_DIR/lines"
lab_run a "$GODWIT" pub trades --file "$LAB_DIR/lines" --quiet
lab_run a "$GODWIT" pub orders --file "$LAB_DIR/lines" --quiet

trades=$(session_of trades)
begins "$trades:10:1" fail 'begins after' 11
fails "$(session_of orders):10:1" 1 UNKNOWN_SESSION
fails 0000000000000001:10:1 1 UNKNOWN_SESSION
fails "$trades:101:1" 1 FUTURE
fails "$trades:10:9" 1 DIVERGED
fails "$trades:10:0" 1 DIVERGED
fails "$trades:10" 2 'not an identifier'
fails "$trades:10:1:" 2 'not an identifier'
begins "$(session_of orders):10:1" earliest UNKNOWN_SESSION 1
# Of its own end, and of the last one that all know: it is not sent back to the beginning.
begins "$trades:10:9" earliest DIVERGED 10
lab_spawn waits a "$GODWIT" sub trades --server "$(lab_order 2)" --after "$trades:150:1" --policy earliest --count-max 1 --meta
lab_await waits FUTURE
printf '101\n' | lab_run a "$GODWIT" pub trades --quiet
lab_wait waits 10
grep -q '^101	' "$LAB_DIR/waits.out" || die "it goes on with $(cat "$LAB_DIR/waits.out")"

# The primary comes back with what its replica has: nothing changes for who was there before.
lab_cluster_restart 1
lab_wait_for 20 "both in sync" both_in_sync
begins "$trades:10:1" fail 'begins after' 11
# All come back with nothing: another session.
lab_cluster_kill 1
lab_cluster_restart 2
lab_cluster_start 1
lab_cluster_wait_ready 1
lab_wait_for 20 "both in sync" both_in_sync
lab_run a "$GODWIT" pub trades --file "$LAB_DIR/lines" --quiet
[ "$(session_of trades)" != "$trades" ] || die "the session is the same"
fails "$trades:10:1" 1 UNKNOWN_SESSION
begins "$trades:10:1" earliest UNKNOWN_SESSION 1
