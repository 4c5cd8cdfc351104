#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# One fault in the middle of another: a home wakes up while others take its clients, a new home dies while clients are
# handed to it, homes die under clients that still catch up, and a replica while it does.
set -euo pipefail
exec </dev/null
# shellcheck source=scripts/netlab.sh
. "$(dirname "$0")/../../scripts/netlab.sh"

SUBS=(s1 s2 s3 s4 s5 s6 s7 s8)
HANDED=(h1 h2 h3 h4 h5 h6 h7 h8)
SLOW=(slow1 slow2 slow3 slow4)

# homes ID: who is home of whom, in which epoch, as that server knows.
homes() {
	lab_godwit "$1" cursors --json | python3 -c '
import json, sys
rows = json.load(sys.stdin)["cursors"]
print(*sorted((row["client"], row["home"], row["cursor_epoch"]) for row in rows if row["state"] == "live"))'
}
# Each has one home, and all servers know the same.
all_agree() {
	local known
	known=$(homes 1)
	[ "$(tr -cd '(' <<<"$known" | wc -c)" -eq "${#SUBS[@]}" ] && [ "$(homes 2)" = "$known" ] && [ "$(homes 3)" = "$known" ]
}
# lags SUB: it has begun, and is far behind.
lags() {
	local delivered
	delivered=$(lab_delivered "$1")
	[ "$delivered" -gt 0 ] && [ "$((delivered + 10000))" -lt "$(lab_committed 1)" ]
}
all_lag() {
	local sub
	for sub in "${SLOW[@]}"; do
		lags "$sub" || return
	done
}

LAB_INTERVAL="50 ms"
LAB_MULTIPLIER=5
lab_trio
lab_trio_start

for i in "${!SUBS[@]}"; do
	lab_follow "${SUBS[i]}" sub trades 2 --client "$((i + 1))"
done
lab_publish one pub trades --generate 10000 # who is paced must not catch up
lab_wait_for 20 "the cursors" lab_cursors_are 1 2 "${#SUBS[@]}"
lab_wait_for 20 "some of it" lab_holds 1 10000

# Woken the moment that others begin to take its clients: some may have left, some not, and nobody is in between.
lab_cluster_kill 2 STOP
lab_await srv1 'server 2 is dead'
lab_cluster_kill 2 CONT
lab_wait_for 20 "it to be in sync" lab_in_sync 1 1,2,3
lab_wait_for 20 "all to agree on homes" all_agree

# Server 3 is asked to take some of those of server 2, cannot reach them, and dies: they go to the other one. Who is at
# server 3 when it is cut off goes by itself.
for sub in "${HANDED[@]}"; do
	lab_follow "$sub" sub trades 2
	lab_wait_for 20 "it to have begun" lab_says "$sub" '"delivered":[1-9]'
done
lab_cut_both srv3 sub
offers=$(lab_counter 3 offers)
lab_godwit 2 drain 2 >"$LAB_DIR/drain.out"
lab_wait_for 20 "server 3 to offer a home" lab_counter_above 3 offers "$offers"
lab_cluster_kill 3
lab_wait_for 20 "all to be at server 1" lab_cursors_are 1 1 "$((${#SUBS[@]} + ${#HANDED[@]}))"
lab_godwit 2 undrain 2 >"$LAB_DIR/drain.out"
lab_heal
lab_cluster_restart 3
lab_wait_for 20 "all in sync" lab_in_sync 1 1,2,3

# They catch up at server 2, then where they go when it dies, then at the last one that lives.
lab_wait_for 30 "much of it" lab_holds 1 100000
for sub in "${SLOW[@]}"; do
	lab_follow "$sub" sub trades 2 --pace 20000
done
lab_wait_for 20 "them to begin" all_lag
lab_cluster_kill 2
lab_wait_for 20 "them to be elsewhere" lab_cursors_are 1 2 0
all_lag || die "they had caught up before"
lab_cluster_kill 3
lab_wait_for 20 "them to be at the last one" lab_cursors_are 1 1 "$((${#SUBS[@]} + ${#HANDED[@]} + ${#SLOW[@]}))"

# And a replica dies while it catches up.
lab_cluster_restart 2
lab_cluster_restart 2
lab_wait_for 20 "it to be in sync" lab_in_sync 1 1,2
lab_finish one "${SUBS[@]}" "${HANDED[@]}" "${SLOW[@]}"
