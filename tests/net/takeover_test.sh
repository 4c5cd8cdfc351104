#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Cursors move under subscribers that notice nothing but an event: a server is drained, another is killed, one is
# stopped and wakes up. Every server knows every cursor, and tells of each move.
set -euo pipefail
exec </dev/null
# shellcheck source=scripts/netlab.sh
. "$(dirname "$0")/../../scripts/netlab.sh"

# served ID: how many of the drained ones that server got, each with its first message.
served() {
	lab_godwit "$1" migrations --json | python3 -c '
import json, sys
rows = [row for row in json.load(sys.stdin)["migrations"] if (row["reason"], row["outcome"]) == ("drain", "moved")]
print(sum(row["to"] == int(sys.argv[1]) and row["first_message_ns"] >= row["detected_ns"] for row in rows))' "$1"
}
all_are_served() {
	local one three
	one=$(served 1) && three=$(served 3) && [ $((one + three)) -ge 4 ]
}

# Three servers and their clients share the machine: silence means something only after a while.
LAB_INTERVAL="50 ms"
lab_trio
lab_trio_start

for i in 1 2 3 4; do
	lab_sub "s$i" sub trades --server "$(lab_order 2)" --client "$i" --from earliest --until 400000
done
lab_pub one pub trades --publisher 7 --generate 20000 --size 19-60 --count 400000
for id in 1 2 3; do
	lab_wait_for 10 "server $id to know the cursors" lab_cursors_are "$id" 2 4
done

# Drained: all go, and nobody is lost.
lab_godwit 2 drain 2 >"$LAB_DIR/drain.out" || die "the drain was refused: $(cat "$LAB_DIR/drain.out")"
lab_wait_for 10 "the drained server to have no cursor" lab_cursors_are 1 2 0
lab_wait_for 5 "its moves to be told" lab_moves_are 2 4 drain
lab_wait_for 5 "the new homes to tell of them" all_are_served
lab_godwit 2 undrain 2 >"$LAB_DIR/undrain.out"

# Killed: the survivors take what was there.
lab_cluster_kill 3
lab_wait_for 10 "the dead server to have no cursor" lab_cursors_are 2 3 0
lab_cluster_restart 3

# Stopped, and woken when others have its cursors: it is home no more.
lab_sub s5 sub trades --server "$(lab_order 2)" --client 5 --from earliest --until 400000
lab_sub s6 sub trades --server "$(lab_order 2)" --client 6 --from earliest --until 400000
# It may have taken some of the dead server's as well.
lab_wait_for 10 "new cursors" lab_rows 1 cursors \
	"{'5', '6'} <= {str(row['client']) for row in rows if row['state'] == 'live' and row['home'] == 2}"
lab_wait_for 20 "some of it" lab_holds 2 200000
lab_cluster_kill 2 STOP
lab_wait_for 10 "the stopped server to have no cursor" lab_cursors_are 1 2 0
lab_cluster_kill 2 CONT
lab_wait_for 10 "the woken server to know that it is home of nothing" lab_cursors_are 2 2 0
lab_wait one 60
for i in 1 2 3 4 5 6; do
	lab_wait "s$i" 30
	lab_sub_has_all "s$i" 400000
done
