#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A path that swallows large packets without a word: delivery goes on in smaller ones. Who is to get a message that no
# packet of the path can hold is told.
set -euo pipefail
exec </dev/null
# shellcheck source=scripts/netlab.sh
. "$(dirname "$0")/../../scripts/netlab.sh"

count=50000
lab_test
lab_host a 10.77.0.2/24
lab_host b 10.77.0.3/24
lab_server trades=16MiB
lab_chaos b to.drop-large=1300

lab_sub sub b trades --from earliest --count-max "$count"
lab_pub pub a trades --generate 25000 --size 19-50 --count "$count"
lab_wait pub 30
lab_wait sub 30
lab_expect "$LAB_DIR/sub.json" "delivered == $count" 'lost == 0' 'repeated == 0' 'reordered == 0'
lab_wait_for 5 "the server to have cut packets" lab_status_is 'it["counters"]["path_cut"] >= 1'

lab_chaos b to.drop-large=1000
lab_sub large b trades --from latest
lab_await large 'subscribed to'
lab_run a "$GODWIT" pub trades --generate 1000 --size 1200 --count 1 --quiet
lab_await large PATH_MTU 30
rc=0
lab_wait large 10 || rc=$?
[ "$rc" -eq 1 ] || die "the subscriber ended with status $rc, not as one that failed"
lab_wait_for 5 "the server to have counted it" lab_status_is 'it["counters"]["path_mtu"] >= 1'
