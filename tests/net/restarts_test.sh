#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# While servers die, a publisher is killed and comes back as the same instance and as a new one, and a subscriber is
# killed and comes back with its state file: what the stream holds is there once, and read once.
set -euo pipefail
exec </dev/null
# shellcheck source=scripts/netlab.sh
. "$(dirname "$0")/../../scripts/netlab.sh"

subscribe() {
	lab_spawn "$1" sub "$GODWIT" sub trades --server "$(lab_order 2)" --client 42 --state "$LAB_DIR/at" \
		--from earliest --hex --meta
}
sequences() {
	cut -f 1 "$@"
}
instance_of() {
	sed -n 's/.*publishing to trades as publisher 7, instance \([0-9]*\),.*/\1/p' "$LAB_DIR/$1.err"
}

LAB_INTERVAL="50 ms"
lab_trio
lab_trio_start

subscribe first
lab_follow all sub trades 3
lab_pub one pub trades --publisher 7 --generate 5000 --size 19-60 --seconds 60
lab_wait_for 20 "some of it" lab_holds 2 10000
lab_wait_for 20 "a state file" test -s "$LAB_DIR/at"

# Both ends and the home of the subscriber die at once.
lab_stop first KILL || true
lab_stop one KILL || true
lab_cluster_kill 2
subscribe second
lab_pub two pub trades --publisher 7 --instance "$(instance_of one)" --generate 5000 --size 19-60 --count 20000
lab_wait two 30
lab_pub_has_all two 20000
[ "$(instance_of two)" = "$(instance_of one)" ] || die "it is another instance"
lab_cluster_restart 2
lab_wait_for 20 "server 2 to be in sync again" lab_in_sync 1 1,2,3

# A new instance, while the primary comes back.
lab_pub three pub trades --publisher 7 --generate 5000 --size 19-60 --count 20000
lab_goes_on 3 3000
lab_cluster_kill 1
! lab_is_gone three || die "it was done before the primary died"
lab_cluster_restart 1
lab_wait three 30
lab_pub_has_all three 20000
[ "$(instance_of three)" -gt "$(instance_of two)" ] || die "its instance is not above"

lab_wait_for 20 "the primary's word" lab_holds 1 50000
count=$(lab_committed 1)
lab_wait_for 20 "one to have all" lab_says all "\"delivered\":${count}[,}]"
lab_stop all || die "ended with status $?"
lab_sub_has_all all "$count"
lab_wait_for 20 "the other to have all" grep -q "^$count	" "$LAB_DIR/second.out"
lab_stop second || die "ended with status $?"

# What was printed has no hole. A line that the kill cut is not whole; the run after it has it again.
if [ -z "$(tail -c 1 "$LAB_DIR/first.out")" ]; then
	cp "$LAB_DIR/first.out" "$LAB_DIR/whole"
else
	sed '$d' "$LAB_DIR/first.out" >"$LAB_DIR/whole"
fi
sequences "$LAB_DIR/whole" "$LAB_DIR/second.out" | sort -nu | cmp - <(seq 1 "$count") || die "messages are missing"
[ -z "$(sequences "$LAB_DIR/second.out" | uniq -d)" ] || die "twice after the kill"
