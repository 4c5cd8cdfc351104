#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Two cores, each the home of a stream, clients on either: both streams arrive whole.
set -euo pipefail
exec </dev/null
# shellcheck source=scripts/netlab.sh
. "$(dirname "$0")/../../scripts/netlab.sh"

count=100000
cpus=$(lab_cpus | head -n 2 | paste -sd ,)
[[ $cpus = *,* ]] || lab_skip "needs two CPUs"
LAB_CPUS="[$cpus]"
lab_test
for i in 2 3 4 5 6 7; do
	lab_host "h$i" "10.77.0.$i/24"
done
lab_server one=32MiB two=32MiB

for stream in one two; do
	lab_sub "$stream-a" h2 "$stream" --from earliest --count-max "$count"
	lab_sub "$stream-b" h3 "$stream" --from earliest --count-max "$count"
	lab_sub "$stream-c" h4 "$stream" --from earliest --count-max "$count"
done
lab_pub pub-one h5 one --generate 20000 --size 19-50 --count "$count"
lab_pub pub-two h6 two --generate 20000 --size 19-50 --count "$count"
for label in pub-one pub-two; do
	lab_wait "$label" 40
	lab_expect "$LAB_DIR/$label.json" "committed == $count" 'in_doubt == 0'
done
for label in {one,two}-{a,b,c}; do
	lab_wait "$label" 20
	lab_expect "$LAB_DIR/$label.json" "delivered == $count" 'lost == 0' 'repeated == 0' 'reordered == 0'
done
lab_status >"$LAB_DIR/status.json"
lab_expect "$LAB_DIR/status.json" '{s["home"] for s in it["streams"].values()} == {0, 1}' \
	'all(p["queues"] == 2 for p in it["status"]["ports"].values())'
