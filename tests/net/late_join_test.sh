#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A subscriber that comes while the stream runs, and wants it from the beginning, catches up and stays.
set -euo pipefail
exec </dev/null
# shellcheck source=scripts/netlab.sh
. "$(dirname "$0")/../../scripts/netlab.sh"

count=300000
lab_test
lab_host a 10.77.0.2/24
lab_host b 10.77.0.3/24
lab_host c 10.77.0.4/24
lab_server trades=64MiB

lab_sub live b trades --from earliest --count-max "$count"
lab_pub pub a trades --generate 60000 --size 19-50 --count "$count"
lab_wait_for 20 "half of the messages" lab_status_is \
	"any(s['name'] == 'trades' and s['head'] >= $count / 2 for s in it['streams'].values())"
lab_sub late c trades --from earliest --count-max "$count"
for label in pub live late; do
	lab_wait "$label" 40
done
for label in live late; do
	lab_expect "$LAB_DIR/$label.json" "delivered == $count" 'lost == 0' 'repeated == 0' 'reordered == 0' \
		'truncated == 0'
done
