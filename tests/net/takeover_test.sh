#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Cursors move under subscribers that notice nothing but an event: a server is drained, another is killed, one is
# stopped and wakes up. Every server knows every cursor, and tells of each move.
set -euo pipefail
exec </dev/null
# shellcheck source=scripts/netlab.sh
. "$(dirname "$0")/../../scripts/netlab.sh"

expect_all() {
	lab_expect "$LAB_DIR/$1.json" "delivered == $2" 'generated == delivered' 'lost == 0' 'repeated == 0' \
		'reordered == 0'
}
holds() {
	lab_server_is "$1" "it['streams']['0']['commit'] >= $2"
}
# cursors_at ASKED HOME COUNT: so many cursors has HOME, as ASKED knows.
cursors_at() {
	lab_godwit "$1" cursors --json >"$LAB_DIR/cursors.json" 2>/dev/null &&
		python3 - "$LAB_DIR/cursors.json" "$2" "$3" <<-'END'
			import json, sys
			rows = json.load(open(sys.argv[1]))
			rows = rows.get("cursors", rows)
			rows = rows.values() if isinstance(rows, dict) else rows
			live = [r for r in rows if r["state"] == "live" and r["home"] == int(sys.argv[2])]
			sys.exit(len(live) != int(sys.argv[3]))
		END
}
# at_home ASKED HOME CLIENT...: these clients have theirs there, as ASKED knows.
at_home() {
	lab_godwit "$1" cursors --json >"$LAB_DIR/cursors.json" 2>/dev/null &&
		python3 - "$LAB_DIR/cursors.json" "$2" "${@:3}" <<-'END'
			import json, sys
			rows = json.load(open(sys.argv[1]))["cursors"]
			there = {str(r["client"]) for r in rows if r["state"] == "live" and r["home"] == int(sys.argv[2])}
			sys.exit(not set(sys.argv[3:]) <= there)
		END
}
# served REASON COUNT ASKED...: so many, at the new homes, each with its first message.
served() {
	local id at=0
	for id in "${@:3}"; do
		lab_godwit "$id" migrations --json >"$LAB_DIR/migrations$id.json" 2>/dev/null || return 1
	done
	at=$(python3 - "$1" "$LAB_DIR" "${@:3}" <<-'END'
		import json, sys
		count = 0
		for server in sys.argv[3:]:
		    rows = json.load(open(f"{sys.argv[2]}/migrations{server}.json"))
		    rows = rows.get("migrations", rows) if isinstance(rows, dict) else rows
		    rows = rows.values() if isinstance(rows, dict) else rows
		    count += sum(
		        1
		        for r in rows
		        if r["reason"] == sys.argv[1]
		        and r["outcome"] == "moved"
		        and r["to"] == int(server)
		        and r["first_message_ns"] >= r["detected_ns"]
		    )
		print(count)
	END
	)
	[ "$at" -ge "$2" ]
}
# moved ASKED REASON COUNT: at least so many moves for the reason.
moved() {
	lab_godwit "$1" migrations --json >"$LAB_DIR/migrations.json" 2>/dev/null &&
		python3 - "$LAB_DIR/migrations.json" "$2" "$3" <<-'END'
			import json, sys
			rows = json.load(open(sys.argv[1]))
			rows = rows.get("migrations", rows)
			rows = rows.values() if isinstance(rows, dict) else rows
			done = [r for r in rows if r["reason"] == sys.argv[2] and r["outcome"] == "moved"]
			sys.exit(len(done) < int(sys.argv[3]))
		END
}

# Three servers and their clients share the machine: silence means something only after a while.
LAB_INTERVAL="50 ms"
lab_test
lab_host pub 10.77.0.2/24
lab_host sub 10.77.0.3/24
lab_cluster 1 2 3 trades=64MiB,primary=1,replicas=2+3
lab_cluster_start 1 2 3
lab_cluster_wait_ready 1 2 3

for i in 1 2 3 4; do
	lab_sub "s$i" sub trades --server "$(lab_order 2)" --client "$i" --from earliest --until 400000
done
lab_pub one pub trades --publisher 7 --generate 20000 --size 19-60 --count 400000
for id in 1 2 3; do
	lab_wait_for 10 "server $id to know the cursors" cursors_at "$id" 2 4
done

# Drained: all go, and nobody is lost.
lab_godwit 2 drain 2 >"$LAB_DIR/drain.out" || die "the drain was refused: $(cat "$LAB_DIR/drain.out")"
lab_wait_for 10 "the drained server to have no cursor" cursors_at 1 2 0
lab_wait_for 5 "its moves to be told" moved 2 drain 4
lab_wait_for 5 "the new homes to tell of them" served drain 4 1 3
lab_godwit 2 undrain 2 >"$LAB_DIR/undrain.out"

# Killed: the survivors take what was there.
lab_cluster_kill 3
lab_wait_for 10 "the dead server to have no cursor" cursors_at 2 3 0
lab_cluster_restart 3

# Stopped, and woken when others have its cursors: it is home no more.
lab_sub s5 sub trades --server "$(lab_order 2)" --client 5 --from earliest --until 400000
lab_sub s6 sub trades --server "$(lab_order 2)" --client 6 --from earliest --until 400000
# It may have taken some of the dead server's as well.
lab_wait_for 10 "new cursors" at_home 1 2 5 6
lab_wait_for 20 "some of it" holds 2 200000
lab_cluster_kill 2 STOP
lab_wait_for 10 "the stopped server to have no cursor" cursors_at 1 2 0
lab_cluster_kill 2 CONT
lab_wait_for 10 "the woken server to know that it is home of nothing" cursors_at 2 2 0
lab_wait one 60
for i in 1 2 3 4 5 6; do
	lab_wait "s$i" 30
	expect_all "s$i" 400000
done
