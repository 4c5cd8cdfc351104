#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# One core of a server stands still, and the server goes on: it moves that core's clients to its other core, whoever
# they are, and to no other server. The core wakes up, and they get nothing twice.
set -euo pipefail
exec </dev/null
# shellcheck source=scripts/netlab.sh
. "$(dirname "$0")/../../scripts/netlab.sh"

clients_on() {
	lab_clients_on 2 1 "$1"
}
all_are_on() {
	[ "$(clients_on "$1" | wc -w)" -eq "${#SUBS[@]}" ]
}
# Enough of them: who is at core 1 has even and odd ids, and core 0 has somebody too.
are_spread() {
	local stuck
	stuck=$(clients_on 1)
	[[ $stuck =~ [02468]( |$) ]] && [[ $stuck =~ [13579]( |$) ]] && [ -n "$(clients_on 0)" ]
}

# Clients bear silence for longer than a server needs to see that a core of its own stands still.
LAB_INTERVAL="50 ms"
LAB_MULTIPLIER=5
LAB_CONFIG_MORE="clients: {interval: 4 s, lapse: 15 s}"
SUBS=()
lab_cores 1
lab_host noise 10.77.0.4/24

# The kernel spreads them over the queues by their ports.
while [ "${#SUBS[@]}" -lt 4 ] || { ! are_spread && [ "${#SUBS[@]}" -lt 16 ]; }; do
	SUBS+=("s$((${#SUBS[@]} + 1))")
	lab_follow "${SUBS[-1]}" sub trades 1 --client "${#SUBS[@]}"
	lab_wait_for 20 "its cursor" lab_cursors_are 2 1 "${#SUBS[@]}"
done
stuck=$(clients_on 1 | wc -w)
[ "$stuck" -gt 0 ] || die "nobody is at core 1: $(lab_godwit 2 cursors)"
lab_publish one pub trades
lab_wait_for 20 "some of it" lab_holds 2 3000

# Who is to fill the queue of the core that stands still has asked for the server's hardware address before.
lab_run noise ping -c 1 -W 5 -q "$(lab_host_of 1)" >"$LAB_DIR/ping.out"
lab_freeze 1 1
# The queue is full soon, and the kernel gives what finds no room there to the other core.
lab_run noise python3 - "$(lab_host_of 1)" "$LAB_PORT" <<-'END'
	import socket, sys
	for n in range(2000):
	    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
	        sock.sendto(b"noise", (sys.argv[1], int(sys.argv[2])))
END
lab_wait_for 20 "the other core to have them" all_are_on 0
lab_moves_are 1 "$stuck" core || die "they moved for another reason: $(lab_godwit 1 migrations)"
lab_rows 1 migrations "all(row['from'] == row['to'] == 1 for row in rows)" ||
	die "somebody was elsewhere: $(lab_godwit 1 migrations)"
lab_thaw 1 1
lab_await srv1 'core 1 turns again'
lab_finish one "${SUBS[@]}"
