#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A subscriber with a state file is killed in the middle, and stopped in the middle: it goes on each time where it
# was. What it printed has no hole; after a stop nothing twice, after a kill at most what a second brought.
set -euo pipefail
exec </dev/null
# shellcheck source=scripts/netlab.sh
. "$(dirname "$0")/../../scripts/netlab.sh"

# subscribe LABEL: with the state file, its lines in $LAB_DIR/LABEL.out
subscribe() {
	lab_spawn "$1" b "$GODWIT" sub trades --state "$LAB_DIR/at" --from earliest --text
}

lab_test
lab_host a 10.77.0.2/24
lab_host b 10.77.0.3/24
lab_server trades=4MiB
seq 1 20000 >"$LAB_DIR/lines"
lab_spawn pub a "$GODWIT" pub trades --file "$LAB_DIR/lines" --rate 4000

subscribe first
lab_wait_for 10 "a state file" test -s "$LAB_DIR/at"
lab_wait_for 10 "lines after it" grep -qx 6000 "$LAB_DIR/first.out"
lab_stop first KILL || true
subscribe second
lab_wait_for 10 "lines of the second run" grep -qx 12000 "$LAB_DIR/second.out"
lab_stop second || die "stopped with status $?"
subscribe third
lab_wait_for 10 "the last line" grep -qx 20000 "$LAB_DIR/third.out"
lab_stop third || die "stopped with status $?"
lab_wait pub 10

grep -q 'going on after' "$LAB_DIR/second.err" || die "says nothing of the state file"
# A line that the kill cut is not whole; the run after it has it again.
head -c -1 "$LAB_DIR/first.out" | sed '$d' >"$LAB_DIR/whole"
cat "$LAB_DIR/whole" "$LAB_DIR/second.out" "$LAB_DIR/third.out" >"$LAB_DIR/all"
sort -nu "$LAB_DIR/all" | cmp - "$LAB_DIR/lines" || die "lines are missing"
repeated=$(($(wc -l <"$LAB_DIR/all") - 20000))
if [ "$repeated" -lt 0 ] || [ "$repeated" -gt 8000 ]; then
	die "$repeated lines twice after the kill"
fi
sort -n "$LAB_DIR/second.out" "$LAB_DIR/third.out" | uniq -d | grep -q . && die "lines twice after a stop"

# It is of one stream, and whole.
lab_run b "$GODWIT" sub other --state "$LAB_DIR/at" --timeout 1 2>"$LAB_DIR/err" && die "of another stream"
grep -q 'of the stream trades' "$LAB_DIR/err" || die "does not say why: $(cat "$LAB_DIR/err")"
truncate -s -1 "$LAB_DIR/at"
lab_run b "$GODWIT" sub trades --state "$LAB_DIR/at" --timeout 1 2>"$LAB_DIR/err" && die "damaged and taken"
grep -q 'damaged' "$LAB_DIR/err" || die "does not say why: $(cat "$LAB_DIR/err")"
