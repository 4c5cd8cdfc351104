#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A publisher that dies in the middle comes back as a new instance; what it had got through is there once.
set -euo pipefail
exec </dev/null
# shellcheck source=scripts/netlab.sh
. "$(dirname "$0")/../../scripts/netlab.sh"

lab_test
lab_host a 10.77.0.2/24
lab_host b 10.77.0.3/24
lab_server trades=16MiB

lab_sub sub b trades --from earliest
lab_pub one a trades --publisher 7 --generate 20000 --size 19-50 --seconds 60
lab_wait_for 20 "some messages" lab_status_is \
	"any(s['head'] >= 20000 for s in it['streams'].values())"
lab_stop one KILL || true
lab_pub two a trades --publisher 7 --generate 20000 --size 19-50 --count 20000
lab_wait two 30
instance_of() {
	sed -n 's/.*publishing to trades as publisher 7, instance \([0-9]*\),.*/\1/p' "$LAB_DIR/$1.err"
}
[ "$(instance_of two)" -gt "$(instance_of one)" ] || die "the instance of the second process is not above the first one's"
lab_expect "$LAB_DIR/two.json" 'committed == 20000' 'in_doubt == 0'

# All that the stream holds is delivered: the first run, as far as it came, and the whole second one.
lab_status >"$LAB_DIR/status.json"
head=$(python3 -c 'import json, sys; print(*(s["head"] for s in json.load(sys.stdin)["streams"].values()))' \
	<"$LAB_DIR/status.json")
lab_run b "$GODWIT" sub trades --from earliest --until "$head" --check --count --summary "$LAB_DIR/all.json"
lab_expect "$LAB_DIR/all.json" "delivered == $head" 'generated == delivered' 'delivered >= 40000' 'lost == 0' \
	'repeated == 0' 'reordered == 0'
lab_stop sub
lab_expect "$LAB_DIR/sub.json" 'lost == 0' 'repeated == 0' 'reordered == 0'
