#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A reader that takes far too little does not disturb the others; what it misses is announced.
set -euo pipefail
exec </dev/null
# shellcheck source=scripts/netlab.sh
. "$(dirname "$0")/../../scripts/netlab.sh"

count=250000
lab_test
lab_host a 10.77.0.2/24
lab_host b 10.77.0.3/24
lab_host c 10.77.0.4/24
lab_server trades=4MiB

lab_sub fast b trades --from latest --count-max "$count"
lab_sub slow c trades --from latest --policy earliest --pace 2000
lab_wait_for 10 "both to be subscribed" lab_status_is 'sum(c["subscriptions"] for c in it["cores"].values()) == 2'
lab_pub pub a trades --generate 50000 --size 19-50 --count "$count"
lab_wait pub 40
lab_wait fast 20
lab_expect "$LAB_DIR/fast.json" "delivered == $count" 'lost == 0' 'repeated == 0' 'reordered == 0' 'truncated == 0'
lab_wait_for 10 "the slow one to hear what it misses" lab_says slow truncated
lab_stop slow
lab_expect "$LAB_DIR/slow.json" 'delivered > 0' 'lost == 0' 'repeated == 0' 'reordered == 0' 'truncated > 0'
