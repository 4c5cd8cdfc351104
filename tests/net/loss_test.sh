#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Every tenth packet is lost, doubled or late, both ways, to and from the server: nothing is missing in the end.
set -euo pipefail
exec </dev/null
# shellcheck source=scripts/netlab.sh
. "$(dirname "$0")/../../scripts/netlab.sh"

count=200000
lab_test
lab_host a 10.77.0.2/24
lab_host b 10.77.0.3/24
lab_server trades=64MiB
lab_chaos srv loss=10,duplicate=10,reorder=10

lab_sub sub b trades --from earliest --count-max "$count"
lab_pub pub a trades --generate 40000 --size 19-50 --count "$count" --topics AAPL,MSFT,NVDA,AMZN
lab_wait pub 60
lab_wait sub 60
lab_expect "$LAB_DIR/pub.json" "published == $count" "committed == $count" 'in_doubt == 0'
lab_expect "$LAB_DIR/sub.json" "delivered == $count" 'lost == 0' 'repeated == 0' 'reordered == 0' 'truncated == 0'
lab_stop chaos-srv
grep -E '^chaos: p-srv: .* lost=[1-9].* swallowed=0 to=.* lost=[1-9]' "$LAB_DIR/chaos-srv.out" >/dev/null ||
	die "nothing was lost on the way: $(cat "$LAB_DIR/chaos-srv.out")"
