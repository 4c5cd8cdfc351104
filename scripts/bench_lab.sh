#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What benchmarks with several servers share; sourced after scripts/netlab.sh.
#
#   bench_begin                  lab_up, with a nice of -10
#   bench_heartbeats CLIENTS     of servers, as suits the number of CPUs and how busy they are; LAB_INTERVAL and
#                                LAB_MULTIPLIER if they were given
#   bench_spare HOST...          hosts whose kernel has no part in it: packets go to the program on the interface alone
#   watch_start FILE LABEL...    writes down the run-queue delay of these processes, until `lab_stop watch`

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
}

bench_interval=${LAB_INTERVAL:-}
bench_multiplier=${LAB_MULTIPLIER:-}
bench_heartbeats() {
	local interval="10 ms" multiplier=3
	# Servers that share CPUs with all the others miss a heartbeat sooner than they die.
	if [ "$(lab_cpus | wc -l)" -lt 5 ]; then
		multiplier=5
		interval="20 ms"
		[ "$1" -le 10000 ] || interval="50 ms"
	fi
	# shellcheck disable=SC2034 # read by netlab_cluster.sh
	LAB_INTERVAL=${bench_interval:-$interval} LAB_MULTIPLIER=${bench_multiplier:-$multiplier}
}

# The taps of AF_PACKET come before the hook: they see what is dropped there, and the kernel's own stack, which would
# look for a route, does not.
bench_spare() {
	local host name
	for host; do
		# shellcheck disable=SC2153 # of netlab.sh
		printf 'table netdev spare {\n\tchain in {\n\t\ttype filter hook ingress device eth0 priority 0; policy drop;\n\t}\n}\n' |
			ip netns exec "$LAB_ID-$host" nft -f -
	done
	for name in iptables ip6tables arptables; do
		ip netns exec "$LAB_ID-hub" sysctl -qw "net.bridge.bridge-nf-call-$name=0" 2>/dev/null || true # no such module
	done
}

watch_start() {
	local file=$1 label names=()
	shift
	for label; do
		names+=("$label=${LAB_PIDS[$label]}")
	done
	python3 "$GODWIT_ROOT/scripts/bench_takeover.py" watch "$file" "${names[@]}" &
	lab_keep watch
}
