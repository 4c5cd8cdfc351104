#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What an operator sees of two servers with one stream, before and after one of them dies: servers and their history,
# streams and who is in sync, clients, where an identifier leads; and what a wrong command is told.
set -euo pipefail
exec </dev/null
# shellcheck source=scripts/netlab.sh
. "$(dirname "$0")/../../scripts/netlab.sh"

# shows ID EXPRESSION... -- COMMAND...: true of what the command answers in JSON.
shows() {
	local id=$1 expressions=()
	shift
	while [ "$1" != -- ]; do
		expressions+=("$1")
		shift
	done
	lab_godwit "$id" "${@:2}" --json >"$LAB_DIR/shown.json" && lab_expect "$LAB_DIR/shown.json" "${expressions[@]}"
}
shows_quietly() {
	shows "$@" 2>/dev/null
}

LAB_INTERVAL="50 ms"
lab_test
lab_host a 10.77.0.2/24
lab_cluster 1 2 trades=16MiB,primary=1,replicas=2,min_in_sync=1
lab_cluster_start 1 2
lab_cluster_wait_ready 1 2
lab_wait_for 20 "both in sync" lab_server_is 1 "it['streams']['0']['in_sync'] == 2" \
	"it['streams']['0']['in_sync_servers'] == [1, 2]"

lab_pub pub a trades --generate 2000 --count 1000
lab_wait pub 20
lab_sub sub a trades --client 42 --from earliest --seconds 60
lab_wait_for 20 "the client" shows_quietly 1 'clients[0]["client"] == "42"' 'clients[0]["link"] == "up"' -- clients
shows 1 'servers[0]["id"] == 1' 'servers[0]["self"] == 1' 'servers[1]["link"] == "up"' 'servers[1]["heard_ms"] < 5000' \
	'servers[1]["history"][-1]["to"] == "up"' -- servers
shows 1 'streams[0]["role"] == "primary"' 'streams[0]["state"] == "open"' 'streams[0]["commit"] == 1000' \
	'streams[0]["publishers"] == 1' 'streams[0]["replicas"][0]["server"] == 2' \
	'streams[0]["replicas"][0]["in_sync"] == 1' -- streams
lab_wait_for 10 "the replica" shows_quietly 2 'streams[0]["role"] == "replica"' 'streams[0]["primary"] == 1' \
	'streams[0]["end"] == 1000' -- streams

session=$(lab_status 1 | python3 -c 'import json, sys; print(json.load(sys.stdin)["streams"]["0"]["session"])')
shows 1 'answer == "OK"' 'stream == "trades"' 'next == 11' -- resolve "$session:10:1"
lab_ends 1 'FUTURE' 1 resolve "$session:1001:1"
lab_ends 1 'UNKNOWN_SESSION' 1 resolve 0000000000000001:10:1
lab_ends 2 'not an identifier' 1 resolve "$session:10"

lab_ends 1 'server 2 is another process than the one asked, which is server 1: run this beside it' 1 drain 2
lab_ends 1 'there is no server 9' 1 drain 9
lab_ends 2 'which server' 1 drain
lab_ends 2 'did you mean --history' 1 servers --histry
lab_ends 3 'no godwitd runs here' 1 streams --prefix nobody

lab_cluster_kill 2
lab_wait_for 10 "its death" shows_quietly 1 'servers[1]["link"] == "dead"' 'servers[1]["history"][0]["to"] == "dead"' -- servers
lab_wait_for 10 "the smaller set" shows_quietly 1 'streams[0]["in_sync_servers"] == [1]' \
	'streams[0]["replicas"][0]["in_sync"] == 0' -- streams
lab_godwit 1 servers --history >"$LAB_DIR/said.txt"
grep -q 'suspect  dead' "$LAB_DIR/said.txt"
lab_ends 1 'refused: no other live server would take the clients of server 1' 1 drain 1
lab_stop sub
