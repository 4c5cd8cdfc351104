#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# SIGTERM: subscribers are told, the server ends with status 0 in time and leaves nothing behind.
set -euo pipefail
exec </dev/null
# shellcheck source=scripts/netlab.sh
. "$(dirname "$0")/../../scripts/netlab.sh"

lab_test
lab_host a 10.77.0.2/24
lab_host b 10.77.0.3/24
before=$(cat /proc/sys/vm/nr_hugepages)
lab_server trades=4MiB
lab_sub sub b trades --from earliest
lab_run a "$GODWIT" pub trades --generate 20000 --size 19-50 --count 20000
lab_wait_for 10 "a subscription" lab_status_is 'sum(c["subscriptions"] for c in it["cores"].values()) == 1'

started=${EPOCHREALTIME/[.,]/}
lab_stop godwitd || die "godwitd ended with status $?"
took=$((${EPOCHREALTIME/[.,]/} - started))
[ "$took" -lt 5000000 ] || die "it took $took us to stop"
lab_wait_for 5 "the subscriber to be told" lab_says sub 'stops|shutdown'
# The lock of the prefix stays on purpose: who removed it could remove another one's.
left=$(find "$RUNTIME_DIRECTORY" ! -type d ! -name godwit.lock)
[ -z "$left" ] || die "left behind: $left"
[ "$(cat /proc/sys/vm/nr_hugepages)" = "$before" ] || die "the number of hugepages changed"
# Nobody answers any more, and the command says so.
rc=0
lab_run b "$GODWIT" sub trades --timeout 1 --count-max 1 >/dev/null 2>&1 || rc=$?
[ "$rc" -eq 3 ] || die "without a server: status $rc instead of 3"
lab_status >/dev/null 2>"$LAB_DIR/status.err" && die "status without a server"
[ -s "$LAB_DIR/status.err" ] || die "status says nothing without a server"
lab_stop sub || true
lab_expect "$LAB_DIR/sub.json" 'delivered == 20000' 'lost == 0' 'repeated == 0'
