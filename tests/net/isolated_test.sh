#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A server that hears no other server, but every client: it takes nobody, and its own go on elsewhere, for it has no
# news of the stream. Then a server that hears only the replica: it has no news either. Then one that the primary does
# not hear, though it hears the primary, and the other way round: the others hear it, so that it is not dead, and nobody
# waits for it.
set -euo pipefail
exec </dev/null
# shellcheck source=scripts/netlab.sh
. "$(dirname "$0")/../../scripts/netlab.sh"

LAB_INTERVAL="50 ms"
LAB_MULTIPLIER=5
lab_trio
lab_trio_start

for id in 1 2 3; do
	lab_follow "at$id" sub trades "$id" --client "$id"
done
lab_publish one pub trades
for id in 1 2 3; do
	lab_wait_for 20 "each to have one" lab_cursors_are 2 "$id" 1
done
lab_wait_for 20 "some of it" lab_holds 1 3000

lab_cut_both srv3 srv1,srv2
lab_wait_for 20 "its client to be elsewhere" lab_cursors_are 1 3 0
lab_wait_for 20 "the others' commit to go on" lab_in_sync 1 1,2
lab_goes_on 1 6000
lab_rows 2 cursors "all(row['home'] == int(row['client']) for row in rows if row['client'] in '12')" ||
	die "others' clients were taken: $(lab_godwit 2 cursors)"
# It may not know yet, but it holds nobody.
lab_rows 3 clients "all(row['client'] == '3' or row['subscriptions'] == 0 for row in rows)" || die "it stole: $(lab_godwit 3 clients)"
lab_heal
lab_wait_for 20 "it to be in sync again" lab_in_sync 1 1,2,3
lab_wait_for 20 "it to be home of nothing" lab_cursors_are 3 3 0

# Server 2 hears server 3, but not the primary.
lab_cut_both srv2 srv1
lab_wait_for 20 "its clients to be elsewhere" lab_cursors_are 3 2 0
lab_wait_for 20 "it to know" lab_cursors_are 2 2 0
lab_wait_for 20 "the move to be told" lab_moves_are 3 1 feed
lab_heal
lab_wait_for 20 "it to be in sync again" lab_in_sync 1 1,2,3

# One way, then the other. A client of server 3 would get nothing there.
for way in "srv3 srv1" "srv1 srv3"; do
	label=after-${way% *}
	lab_follow "$label" sub trades 3
	lab_wait_for 20 "it to have begun" lab_says "$label" '"delivered":[1-9]'
	# shellcheck disable=SC2086 # two words
	lab_cut $way
	lab_wait_for 20 "nobody to wait for server 3" lab_in_sync 1 1,2
	lab_wait_for 20 "its clients to be elsewhere" lab_cursors_are 2 3 0
	lab_rows 2 servers "all(row['link'] in ('self', 'up') for row in rows)" || die "it is dead: $(lab_godwit 2 servers)"
	lab_heal
	lab_wait_for 20 "it to be in sync again" lab_in_sync 1 1,2,3
done
lab_finish one at1 at2 at3 after-srv3 after-srv1
