#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A throw-away lab of network namespaces on this machine; sourced, not run.
#
#   hub namespace:  br0 --+-- p-srv ======== eth0 of host srv (10.77.0.1): godwitd on DPDK's af_packet
#                         +-- p-a   ======== eth0 of host a: the kernel's own sockets
#                         +-- chaos -- p-b == eth0 of host b, after `lab_chaos b FAULTS`
#
#   lab_up                        the hub; everything is taken away again when the shell ends, however it ends
#   lab_host NAME ADDRESS         a host with one interface (10.77.0.2/24; - for none)
#   lab_server STREAM=LOG...      writes $LAB_DIR/godwit.yaml (lab_config), starts godwitd, waits until it is ready
#   lab_test                      lab_up for a test: skipped where it cannot run
#   lab_run NAME COMMAND...       in the foreground, for at most LAB_RUN_S seconds (60): then status 124
#   lab_spawn LABEL NAME COMMAND  in the background; output in $LAB_DIR/LABEL.out and LABEL.err
#   lab_keep LABEL                what the shell has just put into the background is a process of the lab as well
#   lab_is_gone LABEL             whether it has ended; lab_kill LABEL SIGNAL: nothing if so
#   lab_wait LABEL SECONDS        until it ends: its status, or 124 after the deadline
#   lab_stop LABEL [SIGNAL]       the same after a signal (TERM), at most 10 s
#   lab_wait_for SECONDS WHAT COMMAND...   until the command succeeds; 1 and a message after the deadline
#   lab_pub LABEL NAME ARGUMENT...    `godwit pub` in the background, its summary in $LAB_DIR/LABEL.json
#   lab_sub LABEL NAME ARGUMENT...    `godwit sub --check --count`, the same
#   lab_status [ID]               `godwit status --json`; lab_status_is EXPRESSION...: whether they are true of it
#   lab_signal LABEL SIGNAL       for STOP returns when it stands still
#   lab_chaos NAME FAULTS         seeded faults between hub and host: to.loss=5,reorder=5,... (chaos --help)
#   lab_expect FILE EXPRESSION... Python over the values of a JSON file; prints those that are not true
#   lab_down                      at once; also done at the end of the shell, before lab_at_end STATUS (the caller's)
#
# Several servers: scripts/netlab_cluster.sh; what tests ask of them: scripts/netlab_checks.sh. Cuts, loss and other
# faults of the hub: scripts/netlab_faults.sh.
#
# Several labs can stand at the same time: every name begins with LAB_ID (gw and the shell's process id).
# Reads: GODWITD, GODWIT, CHAOS (the programs; else of the build directory), LAB_CPUS, LAB_IDLE, LAB_QUEUES,
# LAB_HUGEPAGES, LAB_SEED, LAB_PREFIX; GODWIT_PAUSE=1: wait for Enter before a failed lab is taken away;
# GODWIT_KEEP=1: keep $LAB_DIR (one that has a file `kept` is not swept by later labs either).

# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

LAB_ID=gw$$
LAB_DIR=
LAB_SERVER=10.77.0.1
LAB_PORT=5678
LAB_STOP_S=10
exec {lab_stderr}>&2
declare -A LAB_PIDS=() LAB_BEGAN=() LAB_HOSTS=() LAB_SWITCHED=()

GODWITD=${GODWITD:-$build_dir/control/godwitd}
GODWIT=${GODWIT:-$build_dir/client/godwit}
CHAOS=${CHAOS:-$build_dir/tests/support/chaos}

# lab_wait_for SECONDS WHAT COMMAND...
lab_wait_for() {
	local deadline=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000)) what=$2
	shift 2
	until "$@"; do
		if [ "${EPOCHREALTIME/[.,]/}" -ge "$deadline" ]; then
			warn "waited in vain for $what"
			return 1
		fi
		sleep 0.02
	done
}

# ---- hosts --------------------------------------------------------------------------------------

# Labs whose shell was killed and could not clean up.
lab_sweep() {
	local name pid left
	ip netns list | awk '{ print $1 }' | grep -E '^gw[0-9]+-' | while read -r name; do
		pid=${name#gw}
		pid=${pid%%-*}
		[ ! -e "/proc/$pid" ] || continue
		for left in $(ip netns pids "$name" 2>/dev/null); do
			kill -KILL "$left" 2>/dev/null || true
		done
		ip netns del "$name" 2>/dev/null || true
	done || true
	for name in /tmp/gw*.??????; do
		[[ $name =~ ^/tmp/gw([0-9]+)\.[A-Za-z0-9]{6}$ ]] || continue
		if [ ! -e "/proc/${BASH_REMATCH[1]}" ] && [ -d "$name" ] && [ ! -L "$name" ] && [ -O "$name" ] &&
			[ ! -e "$name/kept" ]; then
			rm -rf "$name"
		fi
	done
}

lab_up() {
	local tool
	need_root "for network namespaces"
	for tool in ip ethtool nft python3; do
		command -v "$tool" >/dev/null || die "there is no $tool: run scripts/setup"
	done
	LAB_DIR=$(mktemp -d "/tmp/$LAB_ID.XXXXXX")
	trap 'lab_end $?' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	lab_sweep
	# DPDK keeps its telemetry socket below it; `godwit status` looks there.
	export RUNTIME_DIRECTORY=$LAB_DIR/run
	export GODWIT_SERVER=$LAB_SERVER:$LAB_PORT
	mkdir -p "$RUNTIME_DIRECTORY"
	ip netns add "$LAB_ID-hub"
	ip netns exec "$LAB_ID-hub" sysctl -qw net.ipv6.conf.all.disable_ipv6=1
	ip -n "$LAB_ID-hub" link add br0 type bridge stp_state 0 mcast_snooping 0 forward_delay 0
	ip -n "$LAB_ID-hub" link set br0 up
}

# lab_host NAME ADDRESS/BITS|-
lab_host() {
	local host=$LAB_ID-$1 hub=$LAB_ID-hub
	LAB_HOSTS[$1]=$2
	ip netns add "$host"
	ip link add eth0 netns "$host" type veth peer name "p-$1" netns "$hub"
	ip netns exec "$host" sysctl -qw net.ipv6.conf.all.disable_ipv6=1
	# The kernel would leave checksums and segments to hardware that is not there.
	ip netns exec "$host" ethtool -K eth0 tx off gso off gro off >/dev/null
	ip -n "$hub" link set "p-$1" master br0 up
	ip -n "$host" link set lo up
	ip -n "$host" link set eth0 up
	if [ "$2" != - ]; then
		ip -n "$host" address add "$2" dev eth0
	fi
}

# ---- processes ----------------------------------------------------------------------------------

lab_run() {
	local host=$LAB_ID-$1
	shift
	ip netns exec "$host" timeout --kill-after=2 "${LAB_RUN_S:-60}" "$@"
}

# lab_began PID: when that process began, in ticks, in $lab_began; false if there is none.
lab_began() {
	local stat
	lab_began=
	{ read -r stat <"/proc/$1/stat"; } 2>/dev/null || return
	read -ra stat <<<"${stat##*) }" # the name before it may hold anything
	lab_began=${stat[19]}
}

lab_keep() {
	LAB_PIDS[$1]=$!
	lab_began $! || true
	LAB_BEGAN[$1]=$lab_began
}

# A lab that runs for an hour sees process ids come again: another's is not its process.
lab_is_gone() {
	! lab_began "${LAB_PIDS[$1]}" || [ "$lab_began" != "${LAB_BEGAN[$1]}" ]
}

lab_kill() {
	lab_is_gone "$1" || kill -s "$2" "${LAB_PIDS[$1]}" 2>/dev/null || true
}

# ip(8) becomes the command it is given: the process id is the command's.
lab_spawn() {
	local label=$1 host=$LAB_ID-$2 stream
	shift 2
	# What an earlier process of this label wrote must not be taken for this one's.
	for stream in out err; do
		[ ! -e "$LAB_DIR/$label.$stream" ] || mv "$LAB_DIR/$label.$stream" "$LAB_DIR/$label-before.$stream"
	done
	ip netns exec "$host" "$@" <&0 >"$LAB_DIR/$label.out" 2>"$LAB_DIR/$label.err" &
	lab_keep "$label"
}

lab_wait() {
	local label=$1 rc=0
	lab_wait_for "$2" "the end of $label" lab_is_gone "$label" || return 124
	wait "${LAB_PIDS[$label]}" || rc=$?
	unset "LAB_PIDS[$label]"
	return "$rc"
}

lab_stop() {
	lab_kill "$1" "${2:-TERM}"
	lab_wait "$1" "$LAB_STOP_S"
}

lab_stands_still() {
	[[ $(cat "/proc/${LAB_PIDS[$1]}/stat" 2>/dev/null) = *") T "* ]]
}

lab_signal() {
	kill -s "$2" "${LAB_PIDS[$1]}"
	[ "$2" != STOP ] || lab_wait_for 5 "$1 to stand still" lab_stands_still "$1"
}

# lab_says LABEL PATTERN: whether its output holds a line that matches, in whatever case.
lab_says() {
	grep -qsiE -e "$2" "$LAB_DIR/$1.out" "$LAB_DIR/$1.err"
}

# Its line has come, or its process has ended.
lab_has_begun() {
	lab_says "$1" "$2" || lab_is_gone "$1"
}

# lab_await LABEL PATTERN [SECONDS]: until it says so; its last words if it ends before.
lab_await() {
	lab_wait_for "${3:-20}" "$1 to say \"$2\"" lab_has_begun "$1" "$2" && lab_says "$1" "$2" && return
	tail -n 15 "$LAB_DIR/$1.out" "$LAB_DIR/$1.err" >&2
	return 1
}

# ---- the server ---------------------------------------------------------------------------------

# The CPUs that this process may use, one a line.
lab_cpus() {
	awk '/^Cpus_allowed_list:/ { print $2 }' /proc/self/status | tr , '\n' |
		while IFS=- read -r first last; do seq "$first" "${last:-$first}"; done
}

# lab_config_server ADDRESS CPUS PREFIX: the part of a configuration that tells one server from another.
lab_config_server() {
	cat <<-END
		memory_max: 4 GiB
		eal:
		  prefix: $3
		  hugepages: ${LAB_HUGEPAGES:-auto}
		cores:
		  cpus: $2
		  idle: ${LAB_IDLE:-adaptive}
		ports:
		  - driver: af_packet
		    interface: eth0
		    address: $1/${LAB_BITS:-24}
		    udp_port: $LAB_PORT
		    queues: ${LAB_QUEUES:-auto}
	END
}

# lab_config_streams STREAM=LOG[,KEY=VALUE...]...: a list's items have + between: replicas=2+3.
lab_config_streams() {
	local stream pair key value
	say "streams:"
	for stream; do
		printf '  - name: %s\n    log: %s\n' "${stream%%=*}" "$(cut -d = -f 2- <<<"${stream%%,*}")"
		for pair in $(tr , '\n' <<<"$stream" | sed 1d); do
			key=${pair%%=*}
			value=${pair#*=}
			[ "$key" != replicas ] || value="[${value//+/, }]"
			printf '    %s: %s\n' "$key" "$value"
		done
	done
}

# lab_config STREAM=LOG[,KEY=VALUE...]...: prints a configuration for host srv.
lab_config() {
	lab_config_server "$LAB_SERVER" "${LAB_CPUS:-$(lab_cpus | head -n 1)}" "$(lab_prefix)"
	lab_config_streams "$@"
}

# lab_server [STREAM=LOG...]: without streams, with the configuration that is there (a restart).
lab_server() {
	[ -x "$GODWITD" ] || die "there is no $GODWITD: build first (scripts/test, or scripts/quickstart)"
	[ -n "${LAB_HOSTS[srv]:-}" ] || lab_host srv -
	[ $# -eq 0 ] || lab_config "$@" >"$LAB_DIR/godwit.yaml"
	lab_spawn godwitd srv "$GODWITD" -c "$LAB_DIR/godwit.yaml"
	lab_await godwitd 'ready$' 30
}

# lab_prefix [ID]: the eal.prefix of host srv, or of a server of a cluster.
lab_prefix() {
	say "${LAB_PREFIX:-$LAB_ID}${1:+-srv$1}"
}

lab_status() {
	lab_run "srv${1:-}" "$GODWIT" status --prefix "$(lab_prefix "$@")" --json
}

# For lab_wait_for: it says nothing.
lab_status_is() {
	lab_status >"$LAB_DIR/status.json" 2>/dev/null && lab_expect "$LAB_DIR/status.json" "$@" 2>/dev/null
}

lab_pub() {
	local label=$1 host=$2
	shift 2
	lab_spawn "$label" "$host" "$GODWIT" pub "$@" --summary "$LAB_DIR/$label.json"
}

lab_sub() {
	local label=$1 host=$2
	shift 2
	lab_spawn "$label" "$host" "$GODWIT" sub "$@" --check --count --summary "$LAB_DIR/$label.json"
}

# ---- faults -------------------------------------------------------------------------------------

# The first call puts the switch into the host's line; another one changes the faults.
lab_chaos() {
	local hub=$LAB_ID-hub
	if [ -n "${LAB_SWITCHED[$1]:-}" ]; then
		[ -z "${LAB_PIDS[chaos-$1]:-}" ] || lab_stop "chaos-$1"
	else
		LAB_SWITCHED[$1]=yes
		[ -x "$CHAOS" ] || die "there is no $CHAOS: build first (scripts/test, or scripts/quickstart)"
		ip -n "$hub" link add "q-$1" type veth peer name "r-$1"
		ip -n "$hub" link set "p-$1" nomaster
		ip -n "$hub" link set "q-$1" master br0 up
		ip -n "$hub" link set "r-$1" up
	fi
	lab_spawn "chaos-$1" hub "$CHAOS" --seed "${LAB_SEED:-1}" "r-$1" "p-$1${2:+,$2}"
	lab_await "chaos-$1" '^chaos: ready' 5
}

# ---- results ------------------------------------------------------------------------------------

# lab_expect FILE EXPRESSION...: the top-level values are names; `it` is the whole.
lab_expect() {
	python3 - "$@" <<-'END'
		import json, sys
		with open(sys.argv[1]) as file:
		    text = file.read()
		try:
		    values = json.loads(text)
		except ValueError as error:
		    sys.exit(f"{sys.argv[1]}: {error}: {text[:200]!r}")
		wrong = []
		for expression in sys.argv[2:]:
		    try:
		        if not eval(expression, {"it": values, **values}):
		            wrong.append(f"not true: {expression}")
		    except (NameError, KeyError, TypeError) as error:
		        wrong.append(f"{expression}: {error!r}")
		if wrong:
		    print("\n".join(wrong), file=sys.stderr)
		    sys.exit(f"in {sys.argv[1].rsplit('/', 1)[-1]}: {text.strip()}")
	END
}

# lab_skip REASON
lab_skip() {
	say "SKIP: $*"
	exit 77
}

lab_test() {
	[ "$(id -u)" -eq 0 ] || lab_skip "needs root for network namespaces"
	lab_up
}

# ---- the end ------------------------------------------------------------------------------------

lab_down() {
	local label name pid
	[ -n "$LAB_DIR" ] || return 0
	for label in "${!LAB_PIDS[@]}"; do
		lab_kill "$label" TERM
		lab_kill "$label" CONT
	done
	for label in "${!LAB_PIDS[@]}"; do
		lab_wait "$label" 3 2>/dev/null || [ -z "${LAB_PIDS[$label]:-}" ] || lab_kill "$label" KILL
	done
	for name in hub "${!LAB_HOSTS[@]}"; do
		# What those have started in their turn.
		for pid in $(ip netns pids "$LAB_ID-$name" 2>/dev/null); do
			kill -KILL "$pid" 2>/dev/null || true
		done
		ip netns del "$LAB_ID-$name" 2>/dev/null || true
	done
	LAB_PIDS=()
	LAB_HOSTS=()
	LAB_SWITCHED=()
	LAB_FAULTS=()
	LAB_IDS=()
	if [ "${GODWIT_KEEP:-0}" = 1 ]; then
		: >"$LAB_DIR/kept"
		say "kept: $LAB_DIR" >&2
	else
		rm -rf "$LAB_DIR"
	fi
	LAB_DIR=
}

lab_end() {
	local rc=$1 file is_failure=no
	trap - EXIT
	# A function that ends the script may have had its errors sent elsewhere.
	exec 2>&"$lab_stderr"
	trap '' INT TERM HUP
	set +e
	case $rc in
	0 | 77 | 130) ;; # passed, skipped, interrupted
	*) [ -z "$LAB_DIR" ] || is_failure=yes ;;
	esac
	if [ "$is_failure" = yes ]; then
		if [ "${LAB_QUIET:-0}" != 1 ]; then
			for file in "$LAB_DIR"/*.err "$LAB_DIR"/*.out; do
				[ ! -s "$file" ] || { say "-- ${file##*/}:"; tail -n 12 "$file"; } >&2
			done
		fi
		# Who ends it from outside, as a test runner at its timeout, wants no lab to look at.
		if [ "${GODWIT_PAUSE:-0}" = 1 ] && [ "$rc" -ne 143 ] && { : </dev/tty; } 2>/dev/null; then
			say "failed with status $rc; the lab stands: ip netns exec $LAB_ID-srv ..., files in $LAB_DIR"
			read -rp "Enter takes it away " _ </dev/tty
		fi
	fi
	lab_down
	! declare -F lab_at_end >/dev/null || lab_at_end "$rc"
	exit "$rc"
}

# shellcheck source=scripts/netlab_faults.sh
. "$(dirname "${BASH_SOURCE[0]}")/netlab_faults.sh"
# shellcheck source=scripts/netlab_cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/netlab_cluster.sh"
# shellcheck source=scripts/netlab_checks.sh
. "$(dirname "${BASH_SOURCE[0]}")/netlab_checks.sh"
