#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What becomes of a home that is offered. The others hear a server no more, but its client does: it holds the offer, and
# keeps its home. The next time the home dies while the offer is held: it is taken. And a client that stands still when
# its home dies answers nobody: the offers expire, and it goes on by itself when it wakes up.
set -euo pipefail
exec </dev/null
# shellcheck source=scripts/netlab.sh
. "$(dirname "$0")/../../scripts/netlab.sh"

# ended CLIENT OUTCOME: at servers 1 or 3, a move of that client because server 2 was taken for dead.
ended() {
	local id
	for id in 1 3; do
		! lab_rows "$id" migrations "any((row['client'], row['reason'], row['outcome']) == ('$1', 'death', '$2') for row in rows)" || return 0
	done
	return 1
}
# offers COUNTER: of servers 1 and 3 together.
offers() {
	say $(($(lab_counter 1 "$1") + $(lab_counter 3 "$1")))
}
more_than() {
	[ "$(offers "$1")" -gt "$2" ]
}
# cut_off: server 2, the primary of its stream, goes on with its client; the others take it for dead.
cut_off() {
	lab_cut_both srv2 srv1,srv3
	lab_wait_for 20 "an offer to be held" more_than offers_held "$1"
}

LAB_INTERVAL="50 ms"
LAB_MULTIPLIER=5
# A client holds an offer for three of its intervals: long enough that something can happen to its home meanwhile, and
# shorter than the server waits for it.
LAB_CONFIG_MORE="clients: {interval: 2 s, lapse: 9 s}"
LAB_PRIMARY=2
lab_trio
lab_trio_start
lab_follow s1 sub trades 2 --client 1
lab_publish one pub trades
lab_wait_for 20 "its cursor" lab_cursors_are 1 2 1
lab_wait_for 20 "some of it" lab_holds 2 3000

cut_off 0
lab_wait_for 20 "it to be kept" ended 1 kept
more_than offers_kept 0 || die "the client kept its home, but nobody counts it"
lab_rows 2 cursors "[row['home'] for row in rows] == [2]" || die "it left its home: $(lab_godwit 2 cursors)"
lab_heal
lab_wait_for 20 "all in sync" lab_in_sync 2 1,2,3

cut_off "$(offers offers_held)"
lab_cluster_kill 2
lab_wait_for 20 "the offer to be taken" ended 1 moved
lab_heal
lab_cluster_start 2
lab_cluster_wait_ready 2
lab_wait_for 30 "all in sync" lab_in_sync 2 1,2,3

lab_follow s2 sub trades 2 --client 2
lab_wait_for 20 "its cursor" lab_rows 1 cursors "any((row['client'], row['home']) == ('2', 2) for row in rows)"
lab_signal s2 STOP
lab_cluster_kill 2
lab_wait_for 40 "the offers to expire" ended 2 expired
lab_signal s2 CONT
lab_cluster_start 2
lab_cluster_wait_ready 2
lab_wait_for 30 "all in sync" lab_in_sync 2 1,2,3
lab_finish one s1 s2
