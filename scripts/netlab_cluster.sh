#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Several servers in a lab; sourced by scripts/netlab.sh.
#
#   lab_cluster ID... STREAM=LOG[,KEY=VALUE...]...   hosts srvID (10.77.0.10 + ID) and $LAB_DIR/srvID.yaml, all with the
#                                 same members and streams, as trades=64MiB,primary=1,replicas=2+3,ack=in-sync;
#                                 clients of the lab know all servers from then on (GODWIT_SERVER)
#   lab_servers ID... STREAM=LOG...                  the same, but they do not know of one another
#   lab_cluster_start ID...       starts them; from then on their label is srvID
#   lab_cluster_wait_ready ID...
#   lab_cluster_kill ID [SIGNAL]  KILL (and TERM): returns when it is gone; STOP: when it stands still; CONT
#   lab_cluster_restart ID        kills it if it runs, starts it with what srvID.yaml says, waits until it is ready
#   lab_address ID                10.77.0.11:5678
#   lab_order ID                  the servers as a list for --server that begins with this one
#   lab_status ID                 `godwit status --json` of one; lab_server_is ID EXPRESSION...: whether they are true
#   lab_godwit ID COMMAND...      another command of `godwit` beside a server, which finds its telemetry by --prefix
#
# Reads: LAB_INTERVAL (10 ms) and LAB_MULTIPLIER (3) of the links between servers; LAB_CONFIG_MORE, text behind each
# configuration. A file may be edited before its server is started. Each server has one CPU, in turn (LAB_CPUS: all
# of them have those), and an eal.prefix of its own: $LAB_ID-srvID.

LAB_IDS=()
LAB_KEY=0123456789abcdef0123456789abcdef

# lab_host_of ID: its IPv4 address.
lab_host_of() {
	say "10.77.0.$((10 + $1))"
}

lab_address() {
	say "$(lab_host_of "$1"):$LAB_PORT"
}

lab_order() {
	local id list
	list=$(lab_address "$1")
	for id in "${LAB_IDS[@]}"; do
		[ "$id" = "$1" ] || list+=,$(lab_address "$id")
	done
	say "$list"
}

# lab_cpu_of ID: servers share the CPUs that there are.
lab_cpu_of() {
	local usable
	mapfile -t usable < <(lab_cpus)
	say "${LAB_CPUS:-${usable[($1 - 1) % ${#usable[@]}]}}"
}

# lab_cluster_config ID STREAM...: prints a member's configuration.
lab_cluster_config() {
	local id=$1 member
	shift
	lab_servers_config "$id" "$@"
	cat <<-END
		cluster:
		  name: lab
		  key: "$LAB_KEY"
		  interval: ${LAB_INTERVAL:-10 ms}
		  multiplier: ${LAB_MULTIPLIER:-3}
		  state_dir: $LAB_DIR/state$id
		servers:
	END
	for member in "${LAB_IDS[@]}"; do
		say "  - {id: $member, address: $(lab_address "$member")}"
	done
}

# lab_servers_config ID STREAM...: that of a server which knows no others.
lab_servers_config() {
	local id=$1
	shift
	lab_config_server "$(lab_host_of "$id")" "$(lab_cpu_of "$id")" "$(lab_prefix "$id")"
	say "server: {id: $id}"
	lab_config_streams "$@"
	[ -z "${LAB_CONFIG_MORE:-}" ] || say "$LAB_CONFIG_MORE"
}

# lab_members CONFIG_FUNCTION ID... STREAM...
lab_members() {
	local config=$1 id
	shift
	LAB_IDS=()
	while [[ ${1:-} =~ ^[0-9]+$ ]]; do
		LAB_IDS+=("$1")
		shift
	done
	for id in "${LAB_IDS[@]}"; do
		[ -n "${LAB_HOSTS[srv$id]:-}" ] || lab_host "srv$id" -
		mkdir -p "$LAB_DIR/state$id"
		"$config" "$id" "$@" >"$LAB_DIR/srv$id.yaml"
	done
	GODWIT_SERVER=$(lab_order "${LAB_IDS[0]}")
	export GODWIT_SERVER
}

lab_cluster() {
	lab_members lab_cluster_config "$@"
}

lab_servers() {
	lab_members lab_servers_config "$@"
}

lab_cluster_start() {
	local id
	[ -x "$GODWITD" ] || die "there is no $GODWITD: build first (scripts/test, or scripts/quickstart)"
	for id; do
		lab_spawn "srv$id" "srv$id" "$GODWITD" -c "$LAB_DIR/srv$id.yaml"
	done
}

lab_cluster_wait_ready() {
	local id
	for id; do
		lab_await "srv$id" 'ready$' 60 || return
	done
}

# What a shell says of a child that a signal ended.
declare -A LAB_SIGNAL_STATUS=([KILL]=137 [ABRT]=134 [SEGV]=139)

# TERM: the status of the server; KILL: 0 if that is what ended it.
lab_cluster_kill() {
	local signal=${2:-KILL} rc=0
	case $signal in
	STOP | CONT)
		lab_signal "srv$1" "$signal"
		;;
	*)
		# The shell's own words on a child that was killed are no news here.
		lab_stop "srv$1" "$signal" 2>"$LAB_DIR/kill.err" || rc=$?
		[ "$rc" -ne "${LAB_SIGNAL_STATUS[$signal]:-0}" ] || rc=0
		[ "$rc" -eq 0 ] || cat "$LAB_DIR/kill.err" >&2
		return "$rc"
		;;
	esac
}

lab_cluster_restart() {
	[ -z "${LAB_PIDS[srv$1]:-}" ] || lab_cluster_kill "$1" || return
	lab_cluster_start "$1"
	lab_cluster_wait_ready "$1"
}

# For lab_wait_for: it says nothing.
lab_server_is() {
	local file=$LAB_DIR/status$1.json
	lab_status "$1" >"$file" 2>/dev/null && lab_expect "$file" "${@:2}" 2>/dev/null
}

lab_godwit() {
	lab_run "srv$1" "$GODWIT" "$2" --prefix "$(lab_prefix "$1")" "${@:3}"
}
