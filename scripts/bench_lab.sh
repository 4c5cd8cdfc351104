#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What benchmarks with several servers share; sourced after scripts/netlab.sh.
#
#   bench_begin                  lab_up, with a nice of -10, and heartbeats of servers that suit the number of CPUs
#   watch_start FILE LABEL...    writes down the run-queue delay of these processes, until `lab_stop watch`
#   in_sync_are LIST             all streams of server 1 are in sync at 1,2,3; for lab_wait_for

# What else runs on this machine is not to be measured: the kernel's groups of sessions have a nice of their own.
bench_favour() {
	renice -n -10 -p $$ >/dev/null
	[ -w /proc/self/autogroup ] || return 0
	bench_nice=$(sed 's/.* //' /proc/self/autogroup)
	echo -10 >/proc/self/autogroup || bench_nice=
}

lab_at_end() {
	[ -z "${bench_nice:-}" ] || echo "$bench_nice" >/proc/self/autogroup
}

bench_begin() {
	bench_favour
	lab_up
	# Servers that share CPUs with all the others miss a heartbeat sooner than they die.
	if [ "$(lab_cpus | wc -l)" -ge 5 ]; then
		LAB_INTERVAL=${LAB_INTERVAL:-10 ms} LAB_MULTIPLIER=${LAB_MULTIPLIER:-3}
	else
		LAB_INTERVAL=${LAB_INTERVAL:-20 ms} LAB_MULTIPLIER=${LAB_MULTIPLIER:-5}
	fi
}

watch_start() {
	local file=$1 label names=()
	shift
	for label; do
		names+=("$label=${LAB_PIDS[$label]}")
	done
	python3 "$GODWIT_ROOT/scripts/bench_takeover.py" watch "$file" "${names[@]}" &
	# shellcheck disable=SC2154 # an associative array of netlab.sh
	LAB_PIDS[watch]=$!
}

in_sync_are() {
	lab_server_is 1 "all(stream['in_sync_servers'] == [$1] for stream in it['streams'].values())"
}
