#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What scripts/matrix and scripts/soak do with cells of the fault matrix; sourced by them after netlab.sh.
#
#   matrix_json FILE        where the results go to, at the end; status 2 at once if they cannot
#   matrix_begin NAME       the programs, and a last line whatever happens
#   matrix_cell ROW:COLUMN  runs it, in the lab that is there or in a new one, and tells of it; status 1 if it failed
#   matrix_close            ends the lab, if there is one; status 1 if that went wrong
#   matrix_tell line|grid|document|sums      of the results so far
#   matrix_verdict NAME FAILED FACTS         makes the last line, and its status
#
# At the end, also of an interrupt, the grid is printed, then the lines of $again, then the last line.

# shellcheck disable=SC2154 # set by those that source this file, or that it sources

# shellcheck source=scripts/matrix_cells.sh
. "$GODWIT_ROOT/scripts/matrix_cells.sh"

results=
json=
again=()

matrix_close() {
	! matrix_is_up || matrix_down
}

matrix_json() {
	json=$1
	{ : >"$json"; } 2>/dev/null || die_usage "cannot write to $json"
}

matrix_begin() {
	verdict="$1: FAILED before the end: see above"
	need_root "for network namespaces and AF_PACKET"
	if [ -z "$programs" ]; then
		configure_build "$build_dir" || die "it does not configure: scripts/setup installs what is missing"
		flock "$build_dir" ninja -C "$build_dir" control/godwitd client/godwit tests/support/chaos tests/bench/swarm >/dev/null ||
			die "it does not build"
	fi
	results=$(mktemp)
	trap 'lab_at_end $?' EXIT
}

# Cells that were not measured are neither ok nor failed: where all are such, nothing is ok.
matrix_verdict() {
	local word=ok rc=0
	if [ "$2" -gt 0 ]; then
		word=FAILED
	elif [[ "$3 " =~ cells=([1-9][0-9]*)\ .*not_measured=([0-9]+)\  ]] && [ "${BASH_REMATCH[1]}" -eq "${BASH_REMATCH[2]}" ]; then
		word="NOT MEASURED"
	fi
	[ "$word" = ok ] || rc=1
	verdict="$1: $word $3"
	return "$rc"
}

# lab_at_end STATUS: what netlab.sh calls when all is taken away, also after an interrupt: what ran is told of.
lab_at_end() {
	[ "$1" -ne 130 ] || verdict="${verdict%%:*}: INTERRUPTED $(matrix_tell sums)"
	if [ -s "$results" ]; then
		say
		matrix_tell grid
	fi
	[ -z "$json" ] || matrix_tell document >"$json"
	[ ${#again[@]} -eq 0 ] || printf '%s\n' "${again[@]}"
	rm -f "$results"
	if [ -n "$running" ]; then
		say "$running ended it: $(tail -n 3 "$said" 2>/dev/null)"
	fi
	say "$verdict"
}

matrix_tell() {
	python3 "$GODWIT_ROOT/scripts/matrix_judge.py" "$1" "$results"
}

matrix_cell() {
	local row=${1%%:*} column=${1#*:} why rc=0
	if why=$(cell_impossible "$row"); then
		printf '{"row": "%s", "column": "%s", "impossible": "%s"}\n' "$row" "$column" "$why" >>"$results"
	else
		if ! matrix_is_up; then
			matrix_up || die "the servers do not start"
		fi
		cell_run "$row" "$column" || rc=1
	fi
	matrix_tell line
	return "$rc"
}
