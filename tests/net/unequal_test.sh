#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Servers that are not alike. A replica with a quarter of the log comes into sync, one with less does not, and says so;
# those of another configuration, MTU, key or name are no members, and `godwit servers` says why.
set -euo pipefail
exec </dev/null
# shellcheck source=scripts/netlab.sh
. "$(dirname "$0")/../../scripts/netlab.sh"

# refused ASKED ID REASON
refused() {
	lab_rows "$1" servers "[row for row in rows if row['id'] == $2][0]['refusal'].endswith('$3')"
}
# again ID SED_SCRIPT: from the first configuration, changed.
again() {
	[ -z "${LAB_PIDS[srv$1]:-}" ] || lab_cluster_kill "$1"
	sed "$2" "$LAB_DIR/like$1" >"$LAB_DIR/srv$1.yaml"
	lab_cluster_start "$1"
	lab_cluster_wait_ready "$1"
}

LAB_INTERVAL="50 ms"
lab_test
lab_host pub 10.77.0.2/24
lab_cluster 1 2 3 trades=4MiB,primary=1,replicas=2+3,min_in_sync=1,max_message=1000B \
	alone=1MiB,primary=1,max_message=1312B
for id in 1 2 3; do
	cp "$LAB_DIR/srv$id.yaml" "$LAB_DIR/like$id"
done
sed -i 's/log: 4MiB/log: 1MiB/' "$LAB_DIR/srv2.yaml"
lab_cluster_start 1 2 3
lab_cluster_wait_ready 1 2 3
lab_wait_for 20 "a quarter to be enough" lab_in_sync 1 1,2,3

# More than the small log holds, read where it is whole and, as far as it goes, where it is not.
lab_follow all pub trades 1
lab_publish one pub trades
lab_wait_for 30 "more than the small log holds" lab_server_is 2 "it['streams']['0']['earliest'] > 1"
lab_finish one all

again 3 's/log: 4MiB/log: 512KiB/'
lab_wait_for 20 "less than a quarter to be too little" lab_server_is 1 "it['counters']['insync_log_small'] == 1" \
	"it['streams']['0']['in_sync_servers'] == [1, 2]"
again 3 's/min_in_sync: 1/min_in_sync: 2/'
lab_wait_for 20 "another configuration to be told" refused 1 3 'other configuration'
lab_wait_for 20 "it to know" refused 3 1 'other configuration'
again 3 's/interface: eth0/&\n    mtu: 1400/'
lab_wait_for 20 "another MTU to be told" refused 1 3 'MTU too small'
for change in "s/^  key: .*/  key: \"$(tr 0-9 9876543210 <<<"$LAB_KEY")\"/" 's/^  name: lab$/  name: bal/'; do
	again 3 "$change"
	lab_wait_for 20 "a stranger not to be met" lab_rows 1 servers "rows[2]['link'] in ('dead', 'unknown')"
	lab_rows 3 servers "rows[0]['link'] == 'self'" "all(row['link'] != 'up' for row in rows)" ||
		die "it takes part: $(lab_godwit 3 servers)"
done
[ "$(lab_counter 1 peer_mac)" -gt 0 ] || die "another key is not counted"
[ "$(lab_counter 1 peer_cluster)" -gt 0 ] || die "another name is not counted"
again 3 's/^$//'
lab_wait_for 20 "its like in sync again" lab_in_sync 1 1,2,3
