#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Old words: frames of clients and servers arrive again when their time is over, from whom they are or from a stranger.
# Each is refused by a reason that is counted, strangers get no answer, and delivery goes on as if nothing had been.
set -euo pipefail
exec </dev/null
# shellcheck source=scripts/netlab.sh
. "$(dirname "$0")/../../scripts/netlab.sh"

# home_of CLIENT: as server 1 knows.
home_of() {
	lab_godwit 1 cursors --json | python3 -c '
import json, sys
print(*(row["home"] for row in json.load(sys.stdin)["cursors"] if row["client"] == sys.argv[1]))' "$1"
}
has_recorded() {
	[ "$(lab_recorded "$@")" -gt 0 ]
}
# proofs_refused ID: of processes that others have followed, by what is left of them or by their age.
proofs_refused() {
	say $(($(lab_counter "$1" session_fenced) + $(lab_counter "$1" session_cookie_old)))
}
more_proofs_refused() {
	[ "$(proofs_refused "$1")" -gt "$2" ]
}
# resumes_refused ID: of clients that live elsewhere, by where they are sent or by their handles.
resumes_refused() {
	say $(($(lab_counter "$1" answer_redirect) + $(lab_counter "$1" classify_handle)))
}
more_resumes_refused() {
	[ "$(resumes_refused "$1")" -gt "$2" ]
}
refused_at_2() {
	lab_rows 2 servers "[row for row in rows if row['id'] == 1][0]['refusal'].endswith('$1')"
}
says_of_1() {
	grep -c 'server 1' "$LAB_DIR/srv2.err"
}

LAB_INTERVAL="50 ms"
LAB_MULTIPLIER=5
lab_trio
lab_host stranger 10.77.0.6/24
lab_record primary srv1 PEER_HELLO PEER_HEARTBEAT REPLICATE
lab_trio_start
lab_publish one pub trades
lab_wait_for 20 "it to be replicated" has_recorded primary REPLICATE
lab_stop primary

# A client that moves: its ACKs and its RESUME come again, when it has said more since and lives elsewhere.
lab_record client sub HELLO_PROOF RESUME ACK
lab_follow s1 sub trades 2 --client 1
lab_wait_for 20 "its cursor" lab_cursors_are 1 2 1
lab_wait_for 20 "some of it" lab_holds 1 2000
lab_godwit 2 drain 2 >"$LAB_DIR/drain.out"
lab_wait_for 20 "it to be elsewhere" lab_cursors_are 1 2 0
lab_wait_for 20 "its RESUME" has_recorded client RESUME
lab_goes_on 1 3000
lab_stop client
home=$(home_of 1)
old=$(lab_counter "$home" session_ack_old)
lab_replay client sub >"$LAB_DIR/replayed"
lab_wait_for 10 "old ACKs to be refused" lab_counter_above "$home" session_ack_old "$old"
lab_goes_on 1 3000

# The same from a stranger: neither a proof nor a handle is worth anything from there.
home=$(home_of 1)
lab_replay_to client stranger "$home" >"$LAB_DIR/replayed"
read -r sent back <"$LAB_DIR/replayed"
if [ "$sent" -le 2 ] || [ "$back" -ne 0 ]; then
	die "a stranger sent $sent frames and got $back datagrams"
fi
lab_counter_above "$home" classify_address 0 || die "a stranger with a handle is not counted"
lab_counter_above "$home" session_cookie_forged 0 || die "a stranger with a proof is not counted"
lab_godwit 2 undrain 2 >"$LAB_DIR/drain.out"

# And when it has moved once more: where the RESUME goes is drained and sends it on, or does not know the client any more.
lab_godwit "$home" drain "$home" >"$LAB_DIR/drain.out"
lab_wait_for 20 "it to be elsewhere" lab_cursors_are 1 "$home" 0
refused=$(resumes_refused "$home")
lab_replay client sub >"$LAB_DIR/replayed"
lab_wait_for 10 "an old RESUME to be refused" more_resumes_refused "$home" "$refused"
lab_godwit "$home" undrain "$home" >"$LAB_DIR/drain.out"

# A second process of one client is the end of the first, whatever that one still says.
lab_record first sub HELLO_PROOF ACK
lab_follow s2 sub trades 2 --client 2
lab_wait_for 20 "its proof" has_recorded first HELLO_PROOF
lab_await s2 'subscribed to'
lab_follow s3 sub trades 2 --client 2
lab_wait_for 20 "the first to end" lab_is_gone s2
lab_stop first
refused=$(proofs_refused 2)
lab_replay first sub >"$LAB_DIR/replayed"
lab_wait_for 10 "the proof of the first process to be refused" more_proofs_refused 2 "$refused"
lab_await s3 'subscribed to'
lab_says s2 'newer process|fenced' || die "the first one does not say why it ended"

# A server that speaks another version takes no part, and the others say so.
lab_cluster_kill 1
lab_replay_version primary 1 >"$LAB_DIR/replayed"
lab_wait_for 10 "the other version to be told" refused_at_2 'other version'
lab_counter_above 2 peer_version 0 || die "another version is not counted"

# A server that was started again: its former process's frames are nobody's.
lab_cluster_start 1
lab_cluster_wait_ready 1
lab_wait_for 30 "all in sync" lab_in_sync 1 1,2,3
said=$(says_of_1)
stale=$(lab_counter 2 peer_stale_incarnation)
hellos=$(lab_counter 2 peer_hello_stale)
lab_replay primary srv1 >"$LAB_DIR/replayed"
lab_wait_for 10 "frames of a dead process to be refused" lab_counter_above 2 peer_stale_incarnation "$stale"
lab_wait_for 10 "its HELLO to be refused" lab_counter_above 2 peer_hello_stale "$hellos"
lab_in_sync 1 1,2,3 || die "who is in sync changed"
[ "$(says_of_1)" -eq "$said" ] || die "server 1 was taken for another: $(tail -n 2 "$LAB_DIR/srv2.err")"
lab_finish one s1 s3
