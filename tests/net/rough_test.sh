#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Bad ways between servers, and to a client: frames are lost, doubled and swapped, large ones vanish. The stream goes on,
# moves go on, and nobody misses a message or gets it twice. Then the taker dies in the middle of taking.
set -euo pipefail
exec </dev/null
# shellcheck source=scripts/netlab.sh
. "$(dirname "$0")/../../scripts/netlab.sh"

LAB_INTERVAL="50 ms"
lab_trio
lab_host narrow 10.77.0.4/24
lab_chaos srv1 to.loss=2,to.duplicate=2,to.reorder=2
lab_chaos srv2 to.loss=2,to.duplicate=2,to.reorder=2,from.duplicate=2,from.reorder=2
lab_loss srv3 5
lab_trio_start

order=$(lab_address 2),$(lab_address 3),$(lab_address 1)
for i in 1 2 3 4; do
	lab_sub "s$i" sub trades --server "$order" --from earliest --progress-json 100ms
done
lab_sub narrow narrow trades --server "$order" --from earliest --progress-json 100ms
lab_publish one pub trades
lab_wait_for 20 "the cursors" lab_cursors_are 1 2 5
lab_wait_for 20 "some of it" lab_holds 3 3000

# Nothing large gets to a replica, nor to a client: it is fed in smaller frames.
before=$(lab_committed 3)
lab_swallow srv3 600
lab_swallow narrow 1300
lab_wait_for 20 "more of it" lab_holds 3 $((before + 6000))
lab_wait_for 20 "the narrow one to have it" lab_has narrow $((before + 3000))

# Whoever takes them is killed before all have settled.
lab_cluster_kill 2
lab_wait_for 20 "the first to be elsewhere" lab_rows 1 cursors "any(row['home'] == 3 for row in rows)"
lab_cluster_kill 3
lab_wait_for 20 "all to be at the last one" lab_cursors_are 1 1 5
lab_heal
lab_cluster_restart 2
lab_wait_for 20 "server 2 to be in sync again" lab_in_sync 1 1,2
lab_finish one s1 s2 s3 s4 narrow
