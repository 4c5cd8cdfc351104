#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A wrong configuration is refused with status 2 and the place; every mistake of a file is told.
set -euo pipefail
exec </dev/null
# shellcheck source=scripts/netlab.sh
. "$(dirname "$0")/../../scripts/netlab.sh"

[ -x "$GODWITD" ] || die "there is no $GODWITD: build first (scripts/test, or scripts/quickstart)"
LAB_DIR=$(mktemp -d)
trap 'rm -rf "$LAB_DIR"' EXIT
file=$LAB_DIR/godwit.yaml

for example in godwit.example godwit.cluster.example; do
	"$GODWITD" --check "$GODWIT_ROOT/docs/$example.yaml" >/dev/null || die "$example is refused"
done
lab_config trades=1MiB >"$file"
"$GODWITD" -c "$file" --check >/dev/null || die "the lab's own configuration is refused"

# refuses EXPECTED SED: the good file, changed, is refused with a line that matches.
refuses() {
	local rc=0
	sed "$2" "$file" >"$LAB_DIR/bad.yaml"
	"$GODWITD" -c "$LAB_DIR/bad.yaml" --check >"$LAB_DIR/out" 2>&1 || rc=$?
	[ "$rc" -eq 2 ] || die "$2: status $rc instead of 2: $(cat "$LAB_DIR/out")"
	grep -qE "bad.yaml:[0-9]+:[0-9]+: .*$1" "$LAB_DIR/out" || die "$2: says $(cat "$LAB_DIR/out")"
}
refuses udp_port 's/udp_port/udp_prot/'
refuses '' 's/log: 1MiB/log: 1/'
refuses '' 's/log: 1MiB/log: 3 MiB/'
refuses '' 's/address: .*/address: 10.77.0.300\/24/'
refuses '' 's/idle: .*/idle: lazy/'
refuses '' 's/driver: af_packet/driver: af_paket/'
refuses '' '/name: trades/d'
refuses '' 's/interface: eth0/interface: eth0\n    interface: eth0/'
refuses '' 's/trades/"unclosed/'
# Two mistakes, two places.
refuses '' 's/udp_port: .*/udp_port: 70000/; s/idle: .*/idle: lazy/'
[ "$(grep -cE 'bad.yaml:[0-9]+:[0-9]+: ' "$LAB_DIR/out")" -ge 2 ] || die "one of two mistakes: $(cat "$LAB_DIR/out")"

rc=0
"$GODWITD" -c "$LAB_DIR/none.yaml" --check 2>"$LAB_DIR/out" || rc=$?
[ "$rc" -eq 2 ] || die "a missing file: status $rc instead of 2"
grep -q none.yaml "$LAB_DIR/out" || die "a missing file is not named"
