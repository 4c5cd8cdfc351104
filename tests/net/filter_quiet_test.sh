#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A filter whose topic is quiet moves on with the stream, and its next message arrives.
set -euo pipefail
exec </dev/null
# shellcheck source=scripts/netlab.sh
. "$(dirname "$0")/../../scripts/netlab.sh"

lab_test
lab_host a 10.77.0.2/24
lab_host b 10.77.0.3/24
lab_server trades=4MiB

printf 'first\n' | lab_run a "$GODWIT" pub trades --topic quiet
lab_sub one b trades --topic quiet --from earliest --until 150001 --identifier-file "$LAB_DIR/identifier"
lab_wait_for 10 "the subscription" lab_status_is 'sum(c["subscriptions"] for c in it["cores"].values()) == 1'
# More than the log holds: the first message's identifier is lost by the end.
lab_run a "$GODWIT" pub trades --topic busy --generate 50000 --size 19-50 --count 150000
lab_wait one 10
lab_expect "$LAB_DIR/one.json" 'delivered == 1' 'lost == 0' 'truncated == 0'
[ "$(cut -d : -f 2 "$LAB_DIR/identifier")" -ge 150001 ] || die "the identifier stays: $(cat "$LAB_DIR/identifier")"

lab_sub two b trades --topic quiet --after "@$LAB_DIR/identifier" --count-max 1
printf 'second\n' | lab_run a "$GODWIT" pub trades --topic quiet
lab_wait two 10
lab_expect "$LAB_DIR/two.json" 'delivered == 1' 'lost == 0' 'truncated == 0'
