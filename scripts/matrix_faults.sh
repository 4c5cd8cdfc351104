#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The rows of the fault matrix; sourced by scripts/matrix_cells.sh. Each is a fault of $victim, the home of those that
# watch (of server 1 for `primary`):
#
#   add_row NAME KIND HOLD_MS MOVES BOUND WHAT
#
# KIND: `path`, it is there before what is going on begins to happen; `process`, it comes in the middle of that, for who
# is dead or frozen obeys no order. HOLD_MS: how long it lasts. MOVES: how often each of those that watch must have moved at
# least: 1 where the home cannot keep them. BOUND: the longest that a subscriber may get nothing, in ms, over these, which
# follow from the configuration of the lab (matrix_times):
#
#   client    a client that hears nothing for so long looks for another server
#   lapse     what a try that is not answered costs, and a move that is given up
#   verdict   until the others have found a server dead, and commit without it
#   one_way   until a primary goes on without a replica that hears it, or that it hears, but not both
#   core      until a server has found that a core of its own stands still
#   held      how long the fault was there: of one that stops the stream itself. Measured, and once, whoever names it
#   open      what a server costs that a client begins with, and that does not answer: of the first message only
#
# `fault_begin ROW` and `fault_end ROW` do it; after fault_end all is as before, or about to be. `fault_bit ROW` says
# between the two whether it did anything: a cell in which nothing was lost has not shown that losses are repaired.

# shellcheck disable=SC2034,SC2154 # read and set by those that source this file

ROWS=()
declare -A ROW_KIND=() ROW_HOLD_MS=() ROW_MOVES=() ROW_BOUND=() ROW_WHAT=()

# What the sources call so.
DAEMON_STALL_MS=1000    # DAEMON_STALL_NS of control/daemon.h
PEERS_CUT_BEATS=10      # dataplane/peers.h
CLIENT_HELLO_ALL_MS=700 # CLIENT_HELLO_TRIES of CLIENT_HELLO_NS, which doubles: client/common.h

add_row() {
	ROWS+=("$1")
	ROW_KIND[$1]=$2
	ROW_HOLD_MS[$1]=$3
	ROW_MOVES[$1]=$4
	ROW_BOUND[$1]=$5
	ROW_WHAT[$1]=$6
}

add_row none path 1000 0 'client' "nothing: what the machine itself does"
add_row loss1 path 1500 0 'client' "1 % of the packets to and from the home are lost"
add_row loss10 path 1500 0 'client + lapse' "10 % of them"
add_row loss30 path 1500 0 'client + lapse' "30 % of them"
add_row reorder path 1500 0 'client' "30 % to and from the home come 2 ms late"
add_row duplicate path 1500 0 'client' "30 % to and from the home come twice"
add_row cut1 path 1500 1 'client + lapse' "nothing gets from the home to clients"
add_row cut2 path 1500 1 'client + lapse' "nothing gets between the home and clients, neither way"
add_row feed1 path 1500 0 'one_way + verdict + client + lapse' "nothing gets from the primary to the home"
add_row feed2 path 1500 0 'one_way + verdict + client + lapse' "nothing gets between the primary and the home"
add_row alone path 1500 0 'verdict + client + lapse' "nothing gets between the home and any other server"
add_row link process 1500 1 'verdict + client + lapse' "the home's link is down"
add_row kill process 1500 1 'verdict + client + lapse' "kill -9 of the home, which comes back later"
add_row restart process 0 0 'verdict + client + lapse' "kill -9 of the home, which comes back at once, its memory lost"
add_row primary process 0 0 'held + verdict + client + lapse' "kill -9 of the primary, which comes back at once, its memory lost"
add_row stop50 process 50 0 'held + client' "SIGSTOP of the home for 50 ms"
add_row stop500 process 500 0 'verdict + client + lapse' "SIGSTOP of the home for 500 ms"
add_row stop5000 process 5000 1 'verdict + client + lapse' "SIGSTOP of the home for 5 s"
add_row core path 1500 0 'core + verdict + client + lapse' "a core of the home stands still"
add_row rxqueue process 0 0 'held + verdict + client + lapse' "the home stands still until its port's queue is full of noise"
add_row txqueue path 0 0 '' "the queue in which the home's port sends is full"

# matrix_times: the times above, in ms. A link that has flapped takes longer to be found dead: what is in force is asked for.
declare -A TIME=()
matrix_times() {
	local interval=${LAB_INTERVAL% ms} multiplier
	lab_godwit 1 servers --json >"$LAB_DIR/times.json" || return
	multiplier=$(python3 -c '
import json, sys
print(max(row["multiplier"] for row in json.load(sys.stdin)["servers"]))' <"$LAB_DIR/times.json") || return
	TIME=([client]=$((CLIENT_MS * CLIENT_MULTIPLIER)) [lapse]=$LAPSE_MS [core]=$DAEMON_STALL_MS
		[one_way]=$((PEERS_CUT_BEATS * interval)) [open]=$CLIENT_HELLO_ALL_MS)
	# Silence, then the others are asked, twice where who asks was late itself.
	TIME[verdict]=$((interval * multiplier + 2 * interval * LAB_MULTIPLIER))
}

# bound_ms TERMS: without `held`, which is no time that a busy machine makes longer.
bound_ms() {
	local sum=0 term
	for term in ${1//+/ }; do
		[ "$term" = held ] || sum=$((sum + ${TIME[$term]:-0}))
	done
	say "$sum"
}

# bound_held_ms TERMS HELD_MS: it comes once, even if what the row and the column are about both has it.
bound_held_ms() {
	if [[ $1 = *held* ]]; then
		say "$2"
	else
		say 0
	fi
}

# chaos_both FAULT PERCENT: at the home's line, each way.
chaos_both() {
	lab_chaos "srv$victim" "to.$1=$2,from.$1=$2"
}

# The core of those that watch: the one that most of them are at.
watched_core() {
	lab_godwit 1 cursors --json | python3 -c '
import collections, json, sys
home, *clients = sys.argv[1:]
cores = collections.Counter(row["core"] for row in json.load(sys.stdin)["cursors"]
                            if row["state"] == "live" and row["home"] == int(home) and str(row["client"]) in clients)
print(cores.most_common(1)[0][0])' "$victim" "${ids[watch1]}" "${ids[watch2]}"
}

NOISE=5000

# What the home has dropped; of the noise that its port had no room for, it has not seen anything.
home_drops() {
	lab_status "$victim" | python3 -c 'import json, sys; print(sum(json.load(sys.stdin)["drops"].values()))'
}

# Five looks in a row that see the same: it has taken what its port kept.
home_drops_stand() {
	local now
	now=$(home_drops) || return
	if [ "$now" -eq "$drops_seen" ]; then
		drops_looks=$((drops_looks + 1))
	else
		drops_looks=0
	fi
	drops_seen=$now
	[ "$now" -gt "$drops" ] && [ "$drops_looks" -ge 5 ]
}

# From many ports, which the kernel spreads over the queues.
flood() {
	lab_run sub python3 - "$(lab_host_of "$victim")" "$LAB_PORT" "$NOISE" <<-'END'
		import socket, sys
		for _ in range(100):
		    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
		        for _ in range(int(sys.argv[3]) // 100):
		            sock.sendto(b"noise", (sys.argv[1], int(sys.argv[2])))
	END
}

fault_begin() {
	case $1 in
	none) ;;
	loss*) chaos_both loss "${1#loss}" ;;
	reorder | duplicate) chaos_both "$1" 30 ;;
	cut1) lab_cut "srv$victim" sub,swarm ;;
	cut2) lab_cut_both "srv$victim" sub,swarm ;;
	feed1) lab_cut srv1 "srv$victim" ;;
	feed2) lab_cut_both srv1 "srv$victim" ;;
	alone) lab_cut_both "srv$victim" "srv1,srv$other" ;;
	link) lab_link_down "srv$victim" ;;
	kill) lab_cluster_kill "$victim" ;;
	restart) lab_cluster_restart "$victim" ;;
	primary) lab_cluster_restart 1 ;;
	stop*) lab_cluster_kill "$victim" STOP ;;
	core)
		frozen=$(watched_core) && lab_freeze "$victim" "$frozen"
		;;
	rxqueue)
		drops=$(home_drops) && lab_cluster_kill "$victim" STOP && flood
		;;
	esac
}

fault_bit() {
	case $1 in
	cut* | feed* | alone) lab_dropped | awk '{ sum += $2 } END { exit sum == 0 }' ;;
	esac
}

fault_end() {
	case $1 in
	none | restart | primary) ;;
	loss* | reorder | duplicate)
		lab_chaos "srv$victim" || return
		# The switch that has just ended says what it did.
		grep -qE '(lost|reordered|duplicated)=[1-9]' "$LAB_DIR/chaos-srv$victim-before.out"
		;;
	cut* | feed* | alone) lab_heal ;;
	link) lab_link_up "srv$victim" ;;
	kill) lab_cluster_restart "$victim" ;;
	stop*) lab_cluster_kill "$victim" CONT ;;
	core) lab_thaw "$victim" "$frozen" ;;
	rxqueue)
		lab_cluster_kill "$victim" CONT && lab_wait_for 10 "the noise" home_drops_stand &&
			[ "$drops_seen" -lt $((drops + NOISE)) ]
		;;
	esac
}
