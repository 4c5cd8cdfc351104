#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The server dies and comes back without its log: a subscriber hears of the new session and goes on in it.
set -euo pipefail
exec </dev/null
# shellcheck source=scripts/netlab.sh
. "$(dirname "$0")/../../scripts/netlab.sh"

lab_test
lab_host a 10.77.0.2/24
lab_host b 10.77.0.3/24
lab_server trades=4MiB

lab_sub sub b trades --from earliest --policy earliest --count-max 2000
lab_run a "$GODWIT" pub trades --generate 10000 --size 19-50 --count 1000
lab_wait_for 10 "the subscription" lab_status_is 'sum(c["subscriptions"] for c in it["cores"].values()) == 1'
lab_stop godwitd KILL || true
lab_server
lab_run a "$GODWIT" pub trades --generate 10000 --size 19-50 --count 1000
lab_wait sub 30
lab_says sub 'session: the stream began anew' || die "no word of the new session"
lab_expect "$LAB_DIR/sub.json" 'delivered == 2000' 'lost == 0' 'repeated == 0' 'reordered == 0' 'truncated == 0'
