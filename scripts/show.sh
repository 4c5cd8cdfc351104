#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What surrounds the story that scripts/quickstart tells; sourced. The last line that it prints is its verdict,
# whatever happens.

# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

SHOW=${0##*/}
# shellcheck disable=SC2034 # read by the scripts that source this file
{
	TOPICS=AAPL,AMZN,GOOG,INTC,META,MSFT,NVDA,TSLA
	TOPIC_COUNT=8
	FILTER=(--topic MSFT --topic NVDA)
	FILTER_COUNT=2
	PACE=1000
	PATH_FAULTS=loss=5,reorder=5
	RECORD_BYTES=48 # of 19 to 50 bytes of payload, on average, with its header and padding
	TELEMETRY_MS=100
}

verdict="$SHOW: FAILED before anything was published: see above"
lab_at_end() {
	[ "$1" -ne 130 ] && [ "$1" -ne 143 ] || verdict="$SHOW: FAILED: interrupted"
	say "$verdict"
}

# From here on there is a verdict; before, the arguments are looked at.
show_begin() {
	trap 'lab_at_end $?' EXIT
	need_root "for network namespaces and AF_PACKET"
}

fail() {
	warn "$1"
	verdict="$SHOW: FAILED: $1; look at $LAB_DIR"
	export GODWIT_KEEP=1 LAB_QUIET=1
	exit 1
}

# How many seconds of messages a log of so many MiB keeps at a rate: 15/16 of it.
log_seconds() {
	echo $(($1 * 1024 * 1024 * 15 / (16 * $2 * RECORD_BYTES)))
}

# show_build: everything that the machine lacks, and the programs, in a release build of their own.
show_build() {
	local output
	"$GODWIT_ROOT/scripts/setup"
	export GODWIT_BUILD=$build_dir-release
	say "$SHOW: building in $GODWIT_BUILD"
	configure_build "$GODWIT_BUILD" --buildtype=release || die "the build does not configure: see above"
	if ! output=$(flock "$GODWIT_BUILD" ninja -C "$GODWIT_BUILD" control/godwitd client/godwit tests/support/chaos 2>&1); then
		say "$output"
		die "the build fails: see above"
	fi
	unset GODWITD GODWIT CHAOS
}

# telemetry_lines SECONDS: about how many lines scripts/telemetry writes in so long.
telemetry_lines() {
	echo $(($("$GODWIT_ROOT/scripts/telemetry" --seconds 0.001 | wc -l) * $1 * 1000 / TELEMETRY_MS))
}

# pub_telemetry HOST COUNT OPTION...: publishes this machine's counters; their reader runs beside it.
pub_telemetry() {
	local host=$1 count=$2
	shift 2
	mkfifo "$LAB_DIR/telemetry"
	"$GODWIT_ROOT/scripts/telemetry" --interval-ms "$TELEMETRY_MS" >"$LAB_DIR/telemetry" 2>"$LAB_DIR/reader.err" &
	lab_keep reader
	lab_pub pub-telemetry "$host" telemetry --tab --publisher 1 --count "$count" "$@" <"$LAB_DIR/telemetry"
}

# is_running LABEL
is_running() {
	[ -n "${LAB_PIDS[$1]:-}" ] && ! lab_is_gone "$1"
}

# must_end LABEL: it has ended, or is about to, and well.
must_end() {
	lab_wait "$1" 1 || fail "$1 ended with status $?: $(tail -n 1 "$LAB_DIR/$1.err")"
}
