#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The clients of one core of a server have left, and those of the other are evened out over both while messages flow:
# half of them moves, each gets everything once and in order. What cannot be evened out is refused, with the reason.
set -euo pipefail
exec </dev/null
# shellcheck source=scripts/netlab.sh
. "$(dirname "$0")/../../scripts/netlab.sh"

WANTED=8
SUBS=()
# core_of CLIENT: at home at server 1, as the other one knows.
core_of() {
	if [[ " $(lab_clients_on 2 1 0) " = *" $1 "* ]]; then say 0; else say 1; fi
}
are_on() {
	[ "$(lab_clients_on 2 1 0 | wc -w) $(lab_clients_on 2 1 1 | wc -w)" = "$1 $2" ]
}
# core_counts_are COUNT COUNT: subscriptions, as the cores themselves count them.
core_counts_are() {
	lab_server_is 1 "[it['cores'][core]['subscriptions'] for core in ('0', '1')] == [$1, $2]"
}

LAB_INTERVAL="50 ms"
LAB_MULTIPLIER=5
# Clients bear what a busy machine does to them: whoever moves does so because it was asked to.
LAB_CONFIG_MORE="clients: {interval: 1 s, lapse: 5 s}"
lab_cores 1
lab_ends 0 'its cores are even' 1 rebalance 1 --wait 10s
lab_ends 1 'no two cores that take clients' 2 rebalance 2
lab_ends 1 'run this beside it' 1 rebalance 2

# The kernel spreads them over the queues by their ports. Who comes to core 1 leaves again.
lab_publish one pub trades
client=0
while [ "${#SUBS[@]}" -lt "$WANTED" ]; do
	client=$((client + 1))
	[ "$client" -le 60 ] || die "60 clients, and ${#SUBS[@]} of them at core 0"
	lab_follow "s$client" sub trades 1 --client "$client"
	lab_wait_for 20 "its cursor" lab_cursors_are 2 1 $((${#SUBS[@]} + 1))
	if [ "$(core_of "$client")" = 0 ]; then
		SUBS+=("s$client")
	else
		lab_stop "s$client" || die "s$client ended with status $?"
		lab_wait_for 20 "its cursor to end" lab_cursors_are 2 1 "${#SUBS[@]}"
	fi
done
lab_wait_for 20 "all at core 0" are_on "$WANTED" 0

lab_ends 0 'its cores are even, 4 cursors moved' 1 rebalance 1 --wait 20s
core_counts_are 4 4 || die "the cores count otherwise: $(lab_status 1)"
lab_wait_for 10 "both servers to know" are_on 4 4
lab_moves_are 1 4 core || die "they moved for another reason: $(lab_godwit 1 migrations)"
lab_rows 1 migrations "all(row['from'] == row['to'] == 1 for row in rows)" ||
	die "others moved, too: $(lab_godwit 1 migrations)"
lab_ends 0 'its cores are even' 1 rebalance 1

# A server that is drained has nobody to even out.
lab_godwit 1 drain 1 >"$LAB_DIR/drain.out"
lab_ends 1 'is drained' 1 rebalance 1
lab_godwit 1 undrain 1 >"$LAB_DIR/drain.out"
lab_finish one "${SUBS[@]}"
