#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What the scripts beside this file share; sourced, not run. Sets:
#   GODWIT_ROOT   the root of the sources
#   build_dir     the build directory: $GODWIT_BUILD, or build/ in the root

GODWIT_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export GODWIT_ROOT
# shellcheck disable=SC2034 # read by the scripts that source this file
build_dir=${GODWIT_BUILD:-$GODWIT_ROOT/build}

say() {
	printf '%s\n' "$*"
}

warn() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
}

# Status 2: asked for something that does not exist; 1: could not do what was asked.
die() {
	warn "$*"
	exit 1
}

die_usage() {
	warn "$* (see ${0##*/} --help)"
	exit 2
}

# need_root WHY
need_root() {
	[ "$(id -u)" -eq 0 ] || die "needs root $1: run it as root or with sudo"
}

# Prints the comment that opens the calling script, without the SPDX line.
print_head_comment() {
	sed -n '3,/^[^#]/{ s/^# \{0,1\}//p }' "$0"
}

# configure_build DIR MESON_OPTION...: a fresh or an existing build directory, with these options. One that does
# not take them (made by another meson, or damaged) is made anew. Scripts that build in one directory at the same
# time take turns.
configure_build() {
	local dir=$1 lock rc=0
	shift
	if ! mkdir -p "$dir" 2>/dev/null || [ ! -w "$dir" ] ||
		{ [ -e "$dir/build.ninja" ] && [ ! -w "$dir/build.ninja" ]; }; then
		warn "$dir cannot be written to, is it another user's? Set GODWIT_BUILD to a directory of yours"
		return 1
	fi
	exec {lock}<"$dir"
	flock "$lock"
	configure_locked "$dir" "$@" || rc=$?
	exec {lock}<&-
	return "$rc"
}

configure_locked() {
	local dir=$1 log rc=0
	shift
	log=$(mktemp)
	if [ -f "$dir/build.ninja" ]; then
		if meson setup --reconfigure "$@" "$dir" "$GODWIT_ROOT" >"$log" 2>&1; then
			rm -f "$log"
			return 0
		fi
		# Emptied, not removed: others may wait for their turn in it. What somebody else uses is left alone.
		grep -q 'already using this build directory' "$log" || find "$dir" -mindepth 1 -delete
	fi
	meson setup "$@" "$dir" "$GODWIT_ROOT" >"$log" 2>&1 || rc=1
	[ "$rc" -eq 0 ] || cat "$log"
	rm -f "$log"
	return "$rc"
}

# build_tree DIR: prints the compiler's output only when it has something to say.
build_tree() {
	local log rc=0
	log=$(mktemp)
	flock "$1" ninja -C "$1" ${GODWIT_JOBS:+-j "$GODWIT_JOBS"} >"$log" 2>&1 || rc=$?
	if [ "$rc" -ne 0 ] || grep -q 'warning:' "$log"; then
		grep -Ev '^(ninja: Entering|\[[0-9]+/[0-9]+\])' "$log" || true
	fi
	rm -f "$log"
	return "$rc"
}
