#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A second server with the prefix of a running one is refused with one line that says what to do.
set -euo pipefail
exec </dev/null
# shellcheck source=scripts/netlab.sh
. "$(dirname "$0")/../../scripts/netlab.sh"

lab_test
lab_host other -
lab_server trades=1MiB
rc=0
lab_run other "$GODWITD" --quiet -c "$LAB_DIR/godwit.yaml" >"$LAB_DIR/second" 2>&1 || rc=$?
[ "$rc" -eq 1 ] || die "status $rc instead of 1: $(cat "$LAB_DIR/second")"
[ "$(wc -l <"$LAB_DIR/second")" -eq 1 ] || die "not one line: $(cat "$LAB_DIR/second")"
grep -qE "prefix.*in use by process ${LAB_PIDS[godwitd]}.*eal.prefix" "$LAB_DIR/second" ||
	die "does not say what to do: $(cat "$LAB_DIR/second")"
# The first one has not noticed.
lab_host a 10.77.0.2/24
printf 'one\n' | lab_run a "$GODWIT" pub trades
