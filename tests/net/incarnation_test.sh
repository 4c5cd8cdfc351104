#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Servers that are killed and started again at once: a new process is the death of the old one, however fast it was,
# and its clients go elsewhere or come back. Then the primary, with one of its two replicas out of reach: it waits for
# who may hold what was acknowledged, and goes on without when it has waited long enough. That one comes back and is
# ahead of its primary, then behind and beside it.
set -euo pipefail
exec </dev/null
# shellcheck source=scripts/netlab.sh
. "$(dirname "$0")/../../scripts/netlab.sh"

end_of() {
	lab_status "$1" | python3 -c 'import json, sys; print(json.load(sys.stdin)["streams"]["0"]["head"])'
}
is_ahead() {
	[ "$(end_of 3)" -gt "$(($(end_of 2) + 100))" ]
}

# The others take long to find a silent server dead: longer than it needs to come back.
LAB_INTERVAL="400 ms"
LAB_MULTIPLIER=32
lab_trio
sed -i 's/^cluster:$/&\n  start_timeout: 3 s/' "$LAB_DIR"/srv?.yaml
lab_trio_start

for i in 1 2 3 4; do
	lab_follow "s$i" sub trades $((2 + i % 2))
done
lab_publish one pub trades
lab_wait_for 20 "some of it" lab_holds 1 3000
for id in 2 3; do
	lab_cluster_restart "$id"
	lab_wait_for 20 "server $id to be in sync again" lab_in_sync 1 1,2,3
	! lab_says srv1 "server $id is dead" || die "server $id was found dead before it came back"
	lab_says srv1 "server $id was started again" || die "nobody saw that server $id was started again"
	lab_wait_for 20 "nobody to be at its former process" lab_rows "$id" clients \
		"sum(row['link'] == 'up' for row in rows) == len(rows)"
done

# It dies when server 3 holds more than server 2, of which nothing is committed, and comes back to server 2 alone: it
# goes on from there, and server 3, which is beside it then, gives up what nobody was told of.
session=$(lab_status 2 | python3 -c 'import json, sys; print(json.load(sys.stdin)["streams"]["0"]["session"])')
lab_cut srv1 srv2 ether type ip meta length '>' 170 # heartbeats pass, records do not
lab_wait_for 20 "server 3 to be ahead" is_ahead
lab_cluster_kill 1
ahead=$(end_of 3)
lab_cut_both srv1 srv3
lab_heal srv1 srv2
lab_cluster_start 1
lab_cluster_wait_ready 1
lab_wait_for 20 "it to lead with whom it reaches" lab_in_sync 1 1,2
lab_says srv1 'waits for server 3, which was in sync' || die "it did not wait for server 3"
lab_wait_for 20 "more than server 3 had" lab_holds 1 "$ahead"
lab_heal
lab_wait_for 20 "all in sync" lab_in_sync 1 1,2,3
[ "$(lab_counter 3 sink_cuts)" -gt 0 ] || die "server 3 cut nothing back, and had $ahead"
[ "$(lab_counter 3 sink_cuts_refused)" -eq 0 ] || die "server 3 was to cut what is committed"
lab_server_is 1 "it['streams']['0']['session'] == '$session'" || die "it is another session"
lab_finish one s1 s2 s3 s4

# One message, and then nothing: its commit has no record to ride on, and gets to the replicas all the same.
lab_sub last sub trades --server "$(lab_order 2)" --from latest --count-max 1
lab_await last 'subscribed to'
marks=$(lab_counter 1 replicate_marks)
lab_run pub "$GODWIT" pub trades --generate 1000 --count 1 --quiet
lab_wait last 10
[ "$(lab_counter 1 replicate_marks)" -gt "$marks" ] || die "the commit rode on something"
