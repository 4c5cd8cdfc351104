#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What happens in the story of scripts/quickstart; sourced by it. A phase takes $part_ms, or longer where the servers
# need longer to recover from the one before; `event` tells of it.

# shellcheck disable=SC2154 # what the script that sources this has set

# led_by_all ID STREAM: its primary has all servers that are alive in sync.
led_by_all() {
	local line members
	while read -r line; do
		if [[ $line =~ ^$2\ .*\ \ ([0-9]+(\ [0-9]+)*),\ min ]]; then
			read -ra members <<<"${BASH_REMATCH[1]}"
			[ ${#members[@]} -ne $((${#ids[@]} - ${#dead[@]})) ] || return 0
		fi
	done < <(lab_godwit "$1" streams 2>/dev/null)
	return 1
}

# settle: what happened before is over. One thing at a time is shown; below two servers in sync nothing would commit.
settle() {
	[ "$servers" -gt 1 ] || return 0
	lab_wait_for "$SETTLE_S" "all servers to be in sync" led_by_all 1 itch ||
		fail "not all servers are in sync for itch $SETTLE_S s after the last event"
	lab_wait_for "$SETTLE_S" "all servers to be in sync" led_by_all 2 telemetry ||
		fail "not all servers are in sync for telemetry $SETTLE_S s after the last event"
}

half_ms=$((part_ms / 2))
rest_ms=$((part_ms - half_ms))

kill_server() {
	keep_migrations "$1"
	dead[$1]=yes
	event "kill -9 $1"
	lab_cluster_kill "$1" KILL
}

restart_server() {
	lab_cluster_restart "$1" || fail "server $1 does not come back"
	unset "dead[$1]"
	event "$1 is back"
}

phase_quiet() {
	pass "$part_ms"
}

phase_pause() {
	event "paused stops"
	lab_signal paused STOP
	pass "$half_ms"
	lab_signal paused CONT
	event "paused wakes"
	pass "$rest_ms"
}

phase_kill() {
	settle
	kill_server 3
	pass "$part_ms"
}

phase_restart() {
	local id until
	until=$(($(now_ms) + part_ms))
	for id in "${!dead[@]}"; do
		restart_server "$id"
	done
	pass $((until - $(now_ms)))
}

phase_stop() {
	local id=$((servers > 1 ? 2 : 1))
	settle
	event "freeze $id"
	lab_cluster_kill "$id" STOP
	pass "$half_ms"
	lab_cluster_kill "$id" CONT
	event "wake $id"
	pass "$rest_ms"
}

phase_cut() {
	local to=$servers
	settle
	event "cut 1>$to"
	lab_cut srv1 "srv$to"
	pass "$half_ms"
	lab_heal srv1 "srv$to"
	event "heal 1>$to"
	pass "$rest_ms"
}

phase_unheard() {
	local home
	home=$(home_of live-b)
	[ -n "$home" ] || fail "live-b has no home that could be cut from it"
	event "cut $home>live-b"
	lab_cut "srv$home" live-b
	pass "$half_ms"
	lab_heal "srv$home" live-b
	event "heal $home>live-b"
	pass "$rest_ms"
}

phase_swallow() {
	event "swallow >live-c"
	lab_swallow live-c 1300
	pass "$half_ms"
	lab_swallow live-c 0
	event "heal >live-c"
	pass "$rest_ms"
}

phase_drain() {
	local until
	settle
	event "drain 1"
	until=$(($(now_ms) + half_ms))
	lab_godwit 1 drain 1 --wait 20s >"$LAB_DIR/drain.log" 2>&1 ||
		fail "drain: $(tail -n 1 "$LAB_DIR/drain.log")"
	pass $((until - $(now_ms)))
	lab_godwit 1 undrain 1 >>"$LAB_DIR/drain.log" 2>&1 ||
		fail "undrain: $(tail -n 1 "$LAB_DIR/drain.log")"
	event "undrain 1"
	pass "$rest_ms"
}

phase_primary() {
	settle
	kill_server 1
	pass "$half_ms"
	restart_server 1
	pass "$rest_ms"
}

# keep_migrations ID: what a server knows of migrations, before it is killed or at the end.
keep_migrations() {
	[ "$servers" -gt 1 ] || return 0
	lab_godwit "$1" migrations --json >"$LAB_DIR/migrations-$1-$(now_ms).json" 2>"$LAB_DIR/migrations-$1.err" ||
		warn "server $1 does not tell its migrations: $(tail -n 1 "$LAB_DIR/migrations-$1.err")"
}
