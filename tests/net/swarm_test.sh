#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Twenty thousand clients, on bad ways, lose their server at once, and one of those that take them a moment later: all live
# again at the last one, and each of them gets each message once.
set -euo pipefail
exec </dev/null
# shellcheck source=scripts/netlab.sh
. "$(dirname "$0")/../../scripts/netlab.sh"

CLIENTS=${LAB_CLIENTS:-20000}
SWARM=${SWARM:-$build_dir/tests/bench/swarm}

# field NAME: of the newest whole line that the swarm wrote.
field() {
	grep '}$' "$LAB_DIR/swarm.out" | tail -n 1 |
		python3 -c 'import json, sys; print(json.loads(sys.stdin.read() or "{}").get(sys.argv[1], 0))' "$1"
}
has() {
	[ "$(field "$1")" -ge "$2" ]
}

LAB_INTERVAL="50 ms"
LAB_BITS=16
LAB_CONFIG_MORE="clients: {interval: 3 s, lapse: 30 s, max: 32768, subscriptions_max: 65536, ring: 16}"
lab_test
lab_host pub 10.77.0.2/16
lab_host swarm -
lab_cluster 1 2 3 trades=64MiB,primary=1,replicas=2+3
lab_trio_start

lab_spawn swarm swarm "$SWARM" --interface eth0 --address 10.77.64.0/16 --server "$(lab_order 2)" --stream trades \
	--clients "$CLIENTS" --rate 1k --loss 1 --eal-prefix "$LAB_ID-swarm" --cpu "$(lab_cpus | tail -n 1)" \
	--json "$LAB_DIR/swarm.json"
lab_wait_for 40 "all clients to be there" has begun "$CLIENTS"
lab_pub one pub trades --generate "${LAB_RATE:-5}" --size 19-50
lab_wait_for 40 "messages before the kill" has delivered $((CLIENTS * 3))
lab_cluster_kill 2
lab_await srv1 'server 2 is dead'
lab_cluster_kill 3
# A list of all cursors is long: it is asked for once there are as many as there must be, live or not.
lab_wait_for 60 "the last one to have all" lab_rows 1 servers \
	"[row['cursors'] for row in rows if row['id'] == 1] == [$CLIENTS]"
lab_wait_for 60 "the last one to be home of all" lab_cursors_are 1 1 "$CLIENTS"
# Nothing is committed by one server alone.
lab_cluster_restart 3
lab_wait_for 20 "another one to be in sync" lab_in_sync 1 1,3
delivered=$(field delivered)
lab_wait_for 60 "messages after it" has delivered $((delivered + CLIENTS * 3))
lab_stop one || die "the publisher ended with status $?"
lab_expect "$LAB_DIR/one.json" 'in_doubt == 0'
# All had begun before the first message.
count=$(python3 -c 'import json, sys; print(json.load(sys.stdin)["committed"])' <"$LAB_DIR/one.json")
lab_wait_for 60 "each to have each message" has delivered $((CLIENTS * count))
lab_stop swarm || die "the swarm ended with status $?"
lab_expect "$LAB_DIR/swarm.json" "delivered == $CLIENTS * $count" 'lost == 0' 'repeated == 0' "migrations >= $CLIENTS / 4"
