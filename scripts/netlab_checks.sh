#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What tests of several servers ask of a lab; sourced by scripts/netlab.sh. Those marked * say nothing: they are for
# lab_wait_for.
#
#   lab_trio                            lab_test, hosts pub and sub, servers 1 to 3 with the stream trades: LAB_PRIMARY (1)
#                                       and its replicas; edit their files, add hosts and faults before lab_trio_start
#   lab_trio_start                      starts those three, until all are in sync
#   lab_cores ID...                     lab_test, hosts pub and sub, servers 1 and 2 with the stream trades, 1 its primary,
#                                       started and in sync; those named have two cores. Skips where two CPUs are lacking
#   lab_publish LABEL HOST STREAM OPTION...   publishes made up messages until lab_finish, 3000 a second: a log of
#                                       64 MiB holds those of minutes, for who begins late and for slow machines
#   lab_follow LABEL HOST STREAM ID OPTION... subscribes from the earliest message, at server ID first, until lab_finish
#   lab_finish PUB SUB...               ends the publisher, then each subscriber when it has all; checks all of them
#   lab_delivered LABEL                 prints how many a subscriber has that lab_follow began
#   lab_has LABEL COUNT               * it has more
#   lab_sub_has_all LABEL COUNT         a subscriber that ended had so many messages, each once and in order
#   lab_pub_has_all LABEL COUNT         a publisher that ended had them all committed
#   lab_holds ID COUNT                * the first stream of a server is committed up to there
#   lab_committed ID                    prints how far it is
#   lab_goes_on ID COUNT                until so many more are committed there
#   lab_in_sync ID LIST               * its in-sync set, as its primary ID knows it: 1,2,3
#   lab_all_in_sync ID LIST           * the same of all streams that ID knows
#   lab_cursors_are ASKED HOME COUNT  * so many live cursors have that home, as the asked server knows
#   lab_clients_on ASKED HOME CORE      prints the clients whose live cursors are at that core there, as the asked knows
#   lab_moves_are ASKED MOVES [REASON]  * at least so many moves have ended well, of any reason or of that one
#   lab_rows ID COMMAND EXPRESSION...   Python over the `rows` that `godwit COMMAND --json` answers
#   lab_ends STATUS PATTERN ID COMMAND...   `godwit COMMAND` beside a server ends so, and says a line that matches
#   lab_counter ID NAME                 prints a counter, or a drop's, of a server
#   lab_counter_above ID NAME COUNT   * it has more

lab_trio() {
	local primary=${LAB_PRIMARY:-1} replicas
	replicas=$(printf '%s\n' 1 2 3 | grep -vx "$primary" | paste -sd +)
	lab_test
	lab_host pub 10.77.0.2/24
	lab_host sub 10.77.0.3/24
	lab_cluster 1 2 3 "trades=64MiB,primary=$primary,replicas=$replicas"
}

lab_trio_start() {
	lab_cluster_start 1 2 3
	lab_cluster_wait_ready 1 2 3
	lab_wait_for 20 "all in sync" lab_in_sync "${LAB_PRIMARY:-1}" 1,2,3
}

lab_cores() {
	local cpus id
	cpus=$(lab_cpus | head -n 2 | paste -sd ,)
	[[ $cpus = *,* ]] || lab_skip "needs two CPUs"
	lab_test
	lab_host pub 10.77.0.2/24
	lab_host sub 10.77.0.3/24
	lab_cluster 1 2 trades=64MiB,primary=1,replicas=2
	for id; do
		sed -i "s/^  cpus: .*/  cpus: [$cpus]/" "$LAB_DIR/srv$id.yaml"
	done
	lab_cluster_start 1 2
	lab_cluster_wait_ready 1 2
	lab_wait_for 20 "both in sync" lab_in_sync 1 1,2
}

lab_publish() {
	lab_pub "$1" "$2" "$3" --generate 3000 --size 19-60 "${@:4}"
}

lab_follow() {
	lab_sub "$1" "$2" "$3" --server "$(lab_order "$4")" --from earliest --progress-json 100ms "${@:5}"
}

lab_finish() {
	local pub=$1 sub count
	shift
	lab_stop "$pub" || die "$pub ended with status $?"
	count=$(python3 -c 'import json, sys; print(json.load(sys.stdin)["committed"])' <"$LAB_DIR/$pub.json")
	lab_pub_has_all "$pub" "$count"
	for sub; do
		lab_wait_for 60 "$sub to have all $count" lab_says "$sub" "\"delivered\":${count}[,}]" || true
		lab_stop "$sub" || die "$sub ended with status $?: $(cat "$LAB_DIR/$sub.json")"
		lab_sub_has_all "$sub" "$count"
	done
}

lab_delivered() {
	local delivered
	delivered=$(sed -n 's/.*"delivered":\([0-9]*\).*}$/\1/p' "$LAB_DIR/$1.out" | tail -n 1)
	say "${delivered:-0}"
}

lab_has() {
	[ "$(lab_delivered "$1")" -gt "$2" ]
}

lab_sub_has_all() {
	lab_expect "$LAB_DIR/$1.json" "delivered == $2" 'generated == delivered' 'lost == 0' 'repeated == 0' \
		'reordered == 0' 'truncated == 0' 'withdrawn == 0' 'sessions == 1 or sessions == 0'
}

lab_pub_has_all() {
	lab_expect "$LAB_DIR/$1.json" "committed == $2" 'in_doubt == 0'
}

lab_holds() {
	lab_server_is "$1" "it['streams']['0']['commit'] >= $2"
}

lab_committed() {
	lab_status "$1" | python3 -c 'import json, sys; print(json.load(sys.stdin)["streams"]["0"]["commit"])'
}

lab_goes_on() {
	local at
	at=$(lab_committed "$1") || return
	lab_wait_for 20 "server $1 to commit $2 more" lab_holds "$1" $((at + $2))
}

lab_in_sync() {
	lab_server_is "$1" "it['streams']['0']['in_sync_servers'] == [$2]"
}

lab_all_in_sync() {
	lab_server_is "$1" "all(stream['in_sync_servers'] == [$2] for stream in it['streams'].values())"
}

lab_rows() {
	lab_godwit "$1" "$2" --json >"$LAB_DIR/rows.json" 2>/dev/null &&
		python3 - "$LAB_DIR/rows.json" "$2" "${@:3}" <<-'END'
			import json, sys
			with open(sys.argv[1]) as file:
			    rows = json.load(file)[sys.argv[2]]
			sys.exit(not all(eval(expression, {"rows": rows}) for expression in sys.argv[3:]))
		END
}

lab_cursors_are() {
	lab_rows "$1" cursors "sum(row['state'] == 'live' and row['home'] == $2 for row in rows) == $3"
}

lab_clients_on() {
	lab_godwit "$1" cursors --json | python3 -c '
import json, sys
rows = json.load(sys.stdin)["cursors"]
place = (int(sys.argv[1]), int(sys.argv[2]))
print(*(row["client"] for row in rows if row["state"] == "live" and (row["home"], row["core"]) == place))' "$2" "$3"
}

lab_moves_are() {
	local reason=${3:-}
	lab_rows "$1" migrations \
		"sum(row['outcome'] == 'moved' and row['reason'] == ('$reason' or row['reason']) for row in rows) >= $2"
}

lab_ends() {
	local rc=0
	lab_godwit "${@:3}" >"$LAB_DIR/ends.out" 2>&1 || rc=$?
	if [ "$rc" -ne "$1" ] || ! grep -q -e "$2" "$LAB_DIR/ends.out"; then
		die "godwit ${*:4}: status $rc, not $1, or does not say \"$2\": $(cat "$LAB_DIR/ends.out")"
	fi
}

lab_counter() {
	lab_status "$1" | python3 -c '
import json, sys
it = json.load(sys.stdin)
print(sum(table.get(sys.argv[1], 0) for table in (it["counters"], it["drops"])))' "$2"
}

lab_counter_above() {
	local count
	count=$(lab_counter "$1" "$2" 2>/dev/null) && [ "$count" -gt "$3" ]
}
