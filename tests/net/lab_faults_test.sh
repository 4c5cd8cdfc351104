#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The lab's faults do what they claim: cuts each way, loss, swallowed packets, a carrier lost, servers stopped and killed.
set -euo pipefail
exec </dev/null
# shellcheck source=scripts/netlab.sh
. "$(dirname "$0")/../../scripts/netlab.sh"

lab_test
lab_host a 10.77.0.2/24
lab_host b 10.77.0.3/24
lab_servers 1 2 3 trades=1MiB

# ping_to ADDRESS [PAYLOAD_BYTES]: whether an answer comes back.
ping_to() {
	lab_run a ping -c 1 -W 0.2 -q -s "${2:-56}" "$1" >/dev/null
}
# Echo requests that have arrived at b: what one way did, whatever became of the answer.
asked_b() {
	lab_run b nstat -asz IcmpInEchos | awk '/^IcmpInEchos/ { print int($2) }'
}
# expect_ping ANSWER ARRIVED [PAYLOAD_BYTES]: both yes or no.
expect_ping() {
	local before answer=no arrived=no
	before=$(asked_b)
	! ping_to 10.77.0.3 "${3:-56}" || answer=yes
	[ "$(asked_b)" -eq "$before" ] || arrived=yes
	[ "$answer $arrived" = "$1 $2" ] || die "line ${BASH_LINENO[0]}: answer $answer, request arrived $arrived"
}

expect_ping yes yes
lab_cut b a
expect_ping no yes
lab_heal b a
expect_ping yes yes
lab_cut a b
expect_ping no no
lab_cut_both a b,srv1
lab_heal a b
expect_ping no yes
lab_heal_both a b
expect_ping yes yes
lab_cut a b udp dport "$LAB_PORT"
expect_ping yes yes
lab_loss b 100
expect_ping no no
[ "$(lab_dropped | sed -n 's,^loss-b ,,p')" -gt 0 ] || die "not counted: $(lab_dropped)"
lab_loss b 0
lab_swallow b 1000
expect_ping yes yes 972
expect_ping no no 973
lab_heal
expect_ping yes yes 973
[ -z "$(lab_dropped)" ] || die "still there: $(lab_dropped)"
lab_link_down b
[ "$(lab_run b cat /sys/class/net/eth0/carrier)" = 0 ] || die "b has a carrier"
expect_ping no no
lab_link_up b
lab_wait_for 5 "b to be back" ping_to 10.77.0.3

# Three servers, each found by its prefix; a cut of one port leaves the ping alone.
lab_cluster_start 1 2 3
lab_cluster_wait_ready 1 2 3
for id in 1 2 3; do
	lab_server_is "$id" "it['status']['id'] == $id" || die "no status of server $id"
done
ping_to 10.77.0.12
lab_cut a srv2 udp dport "$LAB_PORT"
ping_to 10.77.0.12
rc=0
lab_run a "$GODWIT" pub trades --server "$(lab_address 2)" --timeout 0.3 --count 1 --generate 1000 2>/dev/null || rc=$?
[ "$rc" -eq 3 ] || die "published through a cut: status $rc"
lab_heal

# A server that stands still is silent, one that was killed is gone; woken or restarted they serve again.
lab_sub sub b trades --server "$(lab_address 1)" --from earliest --count-max 2000
lab_run a "$GODWIT" pub trades --server "$(lab_order 1)" --generate 10000 --count 1000 --quiet
lab_cluster_kill 1 STOP
! ping_to 10.77.0.11 || die "a stopped server answers"
lab_wait_for 5 "the subscriber to miss it" lab_says sub 'is silent'
lab_cluster_kill 1 CONT
lab_run a "$GODWIT" pub trades --server "$(lab_order 1)" --generate 10000 --count 1000 --quiet
lab_wait sub 10
lab_expect "$LAB_DIR/sub.json" 'delivered == 2000' 'lost == 0' 'repeated == 0'
lab_cluster_kill 3
! lab_status 3 >/dev/null 2>&1 || die "a killed server has a status"
lab_cluster_restart 3
lab_server_is 3 'len(it["streams"]) == 1' || die "no status after the restart"
lab_cluster_kill 2 TERM || die "server 2 ended with status $?"
