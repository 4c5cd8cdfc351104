#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Bad ways between servers, and to a client: frames are lost, doubled and swapped, large ones vanish. The stream goes on,
# moves go on, and nobody misses a message or gets it twice. Then the taker dies in the middle of taking.
set -euo pipefail
exec </dev/null
# shellcheck source=scripts/netlab.sh
. "$(dirname "$0")/../../scripts/netlab.sh"

LAB_INTERVAL="50 ms"
lab_test
lab_host pub 10.77.0.2/24
lab_host sub 10.77.0.3/24
lab_host narrow 10.77.0.4/24
lab_cluster 1 2 3 trades=64MiB,primary=1,replicas=2+3
lab_chaos srv1 to.loss=2,to.duplicate=2,to.reorder=2
lab_chaos srv2 to.loss=2,to.duplicate=2,to.reorder=2,from.duplicate=2,from.reorder=2
lab_loss srv3 5
lab_cluster_start 1 2 3
lab_cluster_wait_ready 1 2 3
lab_wait_for 20 "all in sync" lab_in_sync 1 1,2,3

order=$(lab_address 2),$(lab_address 3),$(lab_address 1)
for i in 1 2 3 4; do
	lab_sub "s$i" sub trades --server "$order" --from earliest --progress-json 100ms
done
lab_sub narrow narrow trades --server "$order" --from earliest --progress-json 100ms
lab_publish one pub trades
lab_wait_for 20 "the cursors" lab_cursors_are 1 2 5
lab_wait_for 20 "some of it" lab_holds 3 10000

# Nothing large gets to a replica, nor to a client: it is fed in smaller frames.
lab_swallow srv3 600
lab_swallow narrow 1300
lab_wait_for 20 "more of it" lab_holds 3 30000
lab_wait_for 20 "the narrow one to have it" lab_says narrow '"delivered":[3-9][0-9]{4}'

# Whoever takes them is killed before all have settled.
lab_cluster_kill 2
lab_wait_for 20 "the first to be elsewhere" lab_rows 1 cursors "any(row['home'] == 3 for row in rows)"
lab_cluster_kill 3
lab_wait_for 20 "all to be at the last one" lab_cursors_are 1 1 5
lab_heal
lab_cluster_restart 2
lab_wait_for 20 "server 2 to be in sync again" lab_in_sync 1 1,2
lab_finish one s1 s2 s3 s4 narrow
