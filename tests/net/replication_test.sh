#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A stream on three servers: all deliver the same from each; a replica and then the primary die and come back, and
# nothing that was acknowledged is lost; a subscriber whose server dies goes on at another one. And a stream on one
# server, to which the others send who asks for it.
set -euo pipefail
exec </dev/null
# shellcheck source=scripts/netlab.sh
. "$(dirname "$0")/../../scripts/netlab.sh"

# What the primary said last of the stream.
last_word() {
	grep 'stream trades:' "$LAB_DIR/srv1.err" | tail -n 1
}
leads_with() {
	[[ $(last_word) =~ led\ in\ epoch\ $1,\ in\ sync:\ $2$ ]]
}
session_of() {
	lab_status "$1" | python3 -c 'import json, sys; print(json.load(sys.stdin)["streams"]["0"]["session"])'
}

# Three servers and their clients share the machine: silence means something only after a while.
LAB_INTERVAL="50 ms"
lab_test
lab_host pub 10.77.0.2/24
lab_host sub 10.77.0.3/24
lab_cluster 1 2 3 trades=64MiB,primary=1,replicas=2+3 alone=1MiB,primary=3
lab_cluster_start 1 2 3
lab_cluster_wait_ready 1 2 3
lab_wait_for 10 "all in sync" leads_with 1 '1 2 3'

# Published at the primary, asked for at a replica; read at each server.
for id in 1 2 3; do
	lab_sub "at$id" sub trades --server "$(lab_order $id)" --from earliest --until 100000
done
lab_pub one pub trades --server "$(lab_order 2)" --publisher 7 --generate 50000 --size 19-60 --count 100000
lab_wait one 30
lab_expect "$LAB_DIR/one.json" 'committed == 100000' 'in_doubt == 0'
for id in 1 2 3; do
	lab_wait "at$id" 20
	lab_sub_has_all "at$id" 100000
done

# A stream that only one server has may be asked for at any.
lab_run pub "$GODWIT" pub alone --server "$(lab_order 1)" --generate 10000 --size 19-60 --count 1000
lab_run sub "$GODWIT" sub alone --server "$(lab_order 2)" --from earliest --until 1000 --check --count \
	--summary "$LAB_DIR/alone.json"
lab_sub_has_all alone 1000

# A replica dies and comes back without its memory, while others publish and read.
lab_sub across sub trades --server "$(lab_order 3)" --from earliest --until 300000
lab_pub two pub trades --publisher 8 --generate 20000 --size 19-60 --count 100000
lab_wait_for 10 "some of it" lab_holds 1 110000
lab_cluster_kill 2
lab_wait_for 10 "the set without it" leads_with 1 '1 3'
lab_cluster_restart 2
lab_wait_for 20 "it to be in sync again" leads_with 1 '1 2 3'
lab_wait two 30
lab_expect "$LAB_DIR/two.json" 'committed == 100000' 'in_doubt == 0'

# The primary dies in the middle, and takes its messages back from a replica.
session=$(session_of 2)
lab_pub three pub trades --publisher 9 --generate 20000 --size 19-60 --count 100000
lab_wait_for 10 "some of it" lab_holds 1 220000
lab_cluster_restart 1
lab_wait_for 20 "the primary to lead with all" leads_with 2 '1 2 3'
lab_wait three 60
lab_expect "$LAB_DIR/three.json" 'committed == 100000' 'in_doubt == 0'
[ "$(session_of 1)" = "$session" ] || die "it is another session"
lab_wait across 20
lab_sub_has_all across 300000
for id in 1 2 3; do
	lab_run sub "$GODWIT" sub trades --server "$(lab_order $id)" --from earliest --until 300000 --check --count \
		--summary "$LAB_DIR/all$id.json"
	lab_sub_has_all "all$id" 300000
done

# A subscriber's server dies: it goes on at the next one.
lab_sub moves sub trades --server "$(lab_order 3)" --from earliest --until 400000
lab_pub four pub trades --publisher 10 --generate 20000 --size 19-60 --count 100000
lab_wait_for 10 "some of it" lab_holds 3 320000
lab_cluster_kill 3
lab_wait four 30
lab_wait moves 20
lab_sub_has_all moves 400000
