#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The server answers ARP and ping like any host, and asks for addresses that it does not know.
set -euo pipefail
exec </dev/null
# shellcheck source=scripts/netlab.sh
. "$(dirname "$0")/../../scripts/netlab.sh"

lab_test
lab_host a 10.77.0.2/24
lab_server trades=1MiB
mac=$(lab_run srv cat /sys/class/net/eth0/address)

lab_run a arping -c 2 -w 5 -i eth0 "$LAB_SERVER" >"$LAB_DIR/arping.out"
lab_run a ip neighbour flush dev eth0
for size in 0 33 56 1400; do
	lab_run a ping -c 3 -i 0.05 -W 2 -s "$size" -q "$LAB_SERVER" >"$LAB_DIR/ping.out"
	grep -q ' 3 received' "$LAB_DIR/ping.out" || die "ping with $size bytes: $(cat "$LAB_DIR/ping.out")"
done
lab_run a ip neighbour show "$LAB_SERVER" | grep -qi "$mac" || die "a did not learn $mac"

# A host that never asked is unknown to the server: to answer it, it must ask.
lab_host b 10.77.0.3/24
lab_run b ip neighbour replace "$LAB_SERVER" lladdr "$mac" dev eth0 nud permanent
lab_run b ping -c 3 -i 0.2 -W 2 -q "$LAB_SERVER" >/dev/null || true
printf 'one\n' | lab_run b "$GODWIT" pub trades --client 1
lab_wait_for 5 "the server to have asked" lab_status_is \
	'it["counters"]["port_arp_asked"] >= 1' 'it["counters"]["port_arp"] >= 3' \
	'it["counters"]["port_icmp"] >= 12'
