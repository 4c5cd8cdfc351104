#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A start that the log no longer holds is answered, by policy: the end, or an announced gap.
set -euo pipefail
exec </dev/null
# shellcheck source=scripts/netlab.sh
. "$(dirname "$0")/../../scripts/netlab.sh"

lab_test
lab_host a 10.77.0.2/24
lab_server trades=64KiB
lab_run a "$GODWIT" pub trades --generate 20000 --size 19-50 --count 20000

rc=0
lab_run a "$GODWIT" sub trades --from 1 --policy fail --count-max 10 >"$LAB_DIR/fail.out" 2>"$LAB_DIR/fail.err" || rc=$?
[ "$rc" -eq 1 ] || die "policy fail: status $rc instead of 1"
grep -qi truncated "$LAB_DIR/fail.err" || die "policy fail does not say why: $(cat "$LAB_DIR/fail.err")"

lab_sub earliest a trades --from 1 --policy earliest --count-max 10
lab_wait earliest 20
lab_says earliest truncated || die "policy earliest does not announce the gap"
lab_expect "$LAB_DIR/earliest.json" 'delivered == 10' 'lost == 0' 'truncated > 10000'
