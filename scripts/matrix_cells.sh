#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The cells of the fault matrix: a lab, what goes on in it, and how one cell runs; sourced by matrix_run.sh. The rows are in
# matrix_faults.sh.
#
#   matrix_up               three servers, the streams trades (3000 messages a second, until matrix_down) and quotes
#   matrix_down             ends its publisher, which must have got everything through: else status 1, and its folder kept
#   matrix_is_up
#   cell_run ROW COLUMN     runs one; its result is a line of JSON at the end of $results. Status 1 if it failed: its lab is
#                           gone then, and its folder kept
#   cell_impossible ROW     prints why this machine cannot do it; status 1 if it can
#
# Clients: two that watch, at the home that has the fault; and by column
#   live      nobody else
#   catchup   three that come from 20 s behind, at 15,000 messages a second
#   handover  three to eight that come one after the other from a second behind, while the fault is there: each catches up
#             and is handed over to the live messages at once
#   drain     a swarm of 300 at the home, which is drained
#   storm     a swarm of 300 at server 2, which is killed; the home of those that watch, and of the fault, is server 3
#
# Before the fault all of them are where it will be, and what has to move then has moved: else the cell fails.

# shellcheck disable=SC2034,SC2154 # read and set by those that source this file, or that it sources

# shellcheck source=scripts/matrix_faults.sh
. "$GODWIT_ROOT/scripts/matrix_faults.sh"

SWARM=${SWARM:-$build_dir/tests/bench/swarm}
COLUMNS_ALL=(live catchup handover drain storm)
declare -A COLUMN_MOVES=([drain]=swarm [storm]=swarm)
# With server 2 dead nothing commits while server 3 does not take it: two hold what is committed.
declare -A COLUMN_BOUND=([drain]='lapse' [storm]='held + verdict + client + lapse')
RATE=3000
BACKLOG=60000
CLIENTS=300
RECOVER_S=30
LOOK_S=20 # until what nothing hinders has happened
CLIENT_MS=100
CLIENT_MULTIPLIER=3
LAPSE_MS=1000
LAB_CONFIG_MORE="clients: {interval: $CLIENT_MS ms, multiplier: $CLIENT_MULTIPLIER, lapse: $LAPSE_MS ms}"
LAB_BITS=16
LAB_INTERVAL=${LAB_INTERVAL:-50 ms}
LAB_MULTIPLIER=${LAB_MULTIPLIER:-5}

now_ms() {
	say $((${EPOCHREALTIME/[.,]/} / 1000))
}

matrix_is_up() {
	[ -n "$LAB_DIR" ]
}

in_sync_again() {
	lab_wait_for "$RECOVER_S" "all in sync" lab_all_in_sync 1 1,2,3
}

matrix_up() {
	local cpus id
	lab_up
	lab_host pub 10.77.0.2/16
	lab_host sub 10.77.0.3/16
	lab_host swarm -
	lab_cluster 1 2 3 trades=64MiB,primary=1,replicas=2+3 quotes=4MiB,primary=1,replicas=2+3
	cpus=$(lab_cpus | head -n 2 | paste -sd ,)
	for id in 2 3; do
		sed -i "s/^  cpus: .*/  cpus: [$cpus]/" "$LAB_DIR/srv$id.yaml"
	done
	lab_cluster_start 1 2 3
	lab_cluster_wait_ready 1 2 3 && in_sync_again || return
	lab_run pub "$GODWIT" pub trades --generate 40000 --size 19-60 --count $((BACKLOG + 5000)) --quiet || return
	lab_publish feed pub trades
}

matrix_down() {
	local rc=0
	lab_stop feed || rc=$?
	if [ "$rc" -ne 0 ]; then
		warn "the publisher of this lab ended with status $rc: $(tail -n 3 "$LAB_DIR/feed.err")"
	elif ! lab_expect "$LAB_DIR/feed.json" 'in_doubt == 0'; then
		warn "the publisher of this lab does not know what became of its messages"
		rc=1
	fi
	if [ "$rc" -eq 0 ]; then
		lab_down
	else
		GODWIT_KEEP=1 lab_down
	fi
	return "$rc"
}

# ---- who is there -------------------------------------------------------------------------------

# sub_begin LABEL SEQUENCE OPTION...: from that one on, at the victim first.
sub_begin() {
	clients=$((clients + 1))
	subs+=("$1")
	start[$1]=$2
	ids[$1]=$clients
	lab_sub "$1" sub trades --client "$clients" --server "$(lab_order "$victim")" --from "$2" --progress-json 50ms "${@:3}"
}

has_begun() {
	local sub
	for sub; do
		lab_has "$sub" 0 || return
	done
}

# Whose home each of these is: what the fault, or the event, will happen to.
are_at() {
	local sub wanted=
	for sub in "${@:2}"; do
		wanted+="${ids[$sub]}, "
	done
	lab_rows 1 cursors \
		"{$wanted} <= {int(row['client']) for row in rows if row['state'] == 'live' and row['home'] == $1}"
}

swarm_is_at() {
	lab_rows 1 cursors "sum(row['state'] == 'live' and row['home'] == $1 and
		$swarm_base <= int(row['client']) <= $swarm_base + $CLIENTS for row in rows) == $CLIENTS"
}

swarm_field() {
	local line
	line=$(grep '}$' "$LAB_DIR/swarm.out" | tail -n 1)
	[[ $line =~ \"$1\":\ ([0-9]+) ]] && say "${BASH_REMATCH[1]}"
}

swarm_has() {
	local value
	value=$(swarm_field "$1") && [ "$value" -ge "$2" ]
}

# swarm_begin ID: at that server, and a few messages a second for it.
swarm_begin() {
	rounds=$((rounds + 1))
	swarm_base=$((rounds * 1000000))
	lab_spawn swarm swarm "$SWARM" --interface eth0 --stream quotes --address 10.77.64.0/16 --clients "$CLIENTS" \
		--client-base "$swarm_base" --seed "$rounds" --server "$(lab_order "$1")" --together --rate 10k \
		--eal-prefix "$LAB_ID-swarm" --cpu "$(lab_cpus | tail -n 1)" --json "$LAB_DIR/swarm.json"
	lab_wait_for "$LOOK_S" "the swarm" swarm_has live "$CLIENTS" || return
	lab_wait_for "$LOOK_S" "the swarm to have its home at server $1" swarm_is_at "$1" || return
	# One id for all cells of a lab: a stream remembers each for ever.
	lab_pub ticks pub quotes --publisher 20 --generate 20 --size 19-50
}

# swarm_end: each has each message, since all had begun before the first.
swarm_end() {
	local count
	lab_stop ticks || { warn "ticks ended with status $?"; return 1; }
	lab_expect "$LAB_DIR/ticks.json" 'in_doubt == 0' || return
	count=$(python3 -c 'import json, sys; print(json.load(sys.stdin)["committed"])' <"$LAB_DIR/ticks.json")
	swarm_due=$((CLIENTS * count))
	lab_wait_for "$RECOVER_S" "each of the swarm to have all $count" swarm_has delivered "$swarm_due" || return
	lab_stop swarm || [ -s "$LAB_DIR/swarm.json" ] || { warn "the swarm ended with status $?, without a summary"; return 1; }
}

# ---- columns ------------------------------------------------------------------------------------

column_begin() {
	local i
	case $1 in
	catchup)
		for i in 1 2 3; do
			sub_begin "late$i" $((first - BACKLOG)) --pace 15000
		done
		lab_wait_for "$LOOK_S" "those that come late" has_begun late1 late2 late3
		;;
	drain) swarm_begin "$victim" ;;
	storm) swarm_begin 2 ;;
	esac
}

# column_event: what happens, besides the fault.
column_event() {
	case $1 in
	drain) lab_godwit "$victim" drain "$victim" >"$LAB_DIR/drain.out" 2>&1 || { cat "$LAB_DIR/drain.out" >&2; return 1; } ;;
	storm)
		lab_cluster_kill 2 || return
		# In the middle of it: somebody has found it dead, and begins to take.
		[ "${ROW_KIND[$row]}" = path ] || lab_wait_for "$LOOK_S" "it to be found dead" found_dead
		;;
	esac
}

found_dead() {
	lab_rows 1 servers "[row['link'] for row in rows if row['id'] == 2] == ['dead']"
}

# column_hold COLUMN MS: time passes.
column_hold() {
	local until=$(($(now_ms) + $2)) i=0
	while [ "$1" = handover ] && [ "$i" -lt 8 ] && { [ "$i" -lt 3 ] || [ "$(now_ms)" -lt "$until" ]; }; do
		i=$((i + 1))
		sub_begin "join$i" $((first - RATE))
		sleep 0.1
	done
	i=$((until - $(now_ms)))
	[ "$i" -le 0 ] || sleep "$((i / 1000)).$(printf '%03d' $((i % 1000)))"
}

# What happened is over before it is undone.
column_end() {
	[ "${COLUMN_MOVES[$1]:-}" != swarm ] || lab_wait_for "$RECOVER_S" "each of the swarm to move" swarm_has migrations "$CLIENTS" || return
	case $1 in
	drain)
		lab_godwit "$victim" undrain "$victim" >"$LAB_DIR/drain.out" 2>&1 || { cat "$LAB_DIR/drain.out" >&2; return 1; }
		;;
	storm) lab_cluster_restart 2 ;;
	esac
}

# ---- a cell -------------------------------------------------------------------------------------

cell_impossible() {
	if [ "$1" = core ] && [ "$(lab_cpus | wc -l)" -lt 2 ]; then
		say "needs two CPUs: a server with one core stands still as a whole (stop5000)"
		return 0
	fi
	if [ "$1" = txqueue ]; then
		say "af_packet hands each frame to the other namespace at once; test_rx_tx, fuzz_core and the simulator have it"
		return 0
	fi
	return 1
}

goes_on() {
	[ $((start[$1] + $(lab_delivered "$1"))) -gt "$2" ]
}

# mark NAME: the cell has come so far.
mark() {
	marks+="${marks:+,}$1=$(($(now_ms) - began))"
}

# waits NAME LABEL...: how long each thread of these was ready to run and had no CPU so far, ns: LABEL THREAD NS.
waits() {
	local name=$1 label
	for label in "${@:2}"; do
		[ -z "${LAB_PIDS[$label]:-}" ] || awk -v label="$label" '{ split(FILENAME, at, "/"); print label, at[5], $2 }' \
			"/proc/${LAB_PIDS[$label]}"/task/*/schedstat
	done >"$LAB_DIR/waits-$name" 2>/dev/null || true
}

# The fault, the event, and how long it lasted; what is wrong is said.
cell_fault() {
	local began_fault rc=0
	if [ "${ROW_KIND[$row]}" = process ]; then
		column_event "$column" || return
	fi
	mark event
	began_fault=$(now_ms)
	fault_begin "$row" || { warn "the fault does not begin"; return 1; }
	if [ "${ROW_KIND[$row]}" = path ]; then
		column_event "$column" || rc=1
	fi
	mark fault
	column_hold "$column" "${ROW_HOLD_MS[$row]}"
	fault_bit "$row" || { warn "the fault did nothing"; rc=1; }
	held_ms=$(($(now_ms) - began_fault))
	fault_end "$row" || { warn "the fault did nothing, or does not end"; rc=1; }
	return "$rc"
}

cell_story() {
	local sub goal
	in_sync_again && matrix_times || return
	mark begin
	waits begin srv1 srv2 srv3
	first=$(lab_committed 1) || return
	first=$((first + 1))
	sub_begin watch1 "$first"
	sub_begin watch2 "$first"
	lab_wait_for "$LOOK_S" "those that watch" has_begun watch1 watch2 || return
	column_begin "$column" || return
	lab_wait_for "$LOOK_S" "${subs[*]} to have their home at server $victim" are_at "$victim" "${subs[@]}" || return
	mark ready
	cell_fault || return
	mark over
	column_end "$column" && in_sync_again || return
	mark in_sync
	goal=$(lab_committed 1) || return
	for sub in "${subs[@]}"; do
		lab_wait_for "$RECOVER_S" "$sub to go on" goes_on "$sub" $((goal + RATE / 10)) || return
	done
	mark caught_up
	waits end srv1 srv2 srv3 swarm "${subs[@]}"
	for sub in "${subs[@]}"; do
		# A check that found something ends it with 1: the judge says what.
		lab_stop "$sub" || [ -s "$LAB_DIR/$sub.json" ] || { warn "$sub ended with status $?, without a summary"; return 1; }
	done
	[ -z "${LAB_PIDS[swarm]:-}" ] || swarm_end
}

# cell_facts: what the judge is told, name=value,...; a cell that broke off early has no times to ask for.
cell_facts() {
	local terms="${ROW_BOUND[$row]}${COLUMN_BOUND[$column]:+ + ${COLUMN_BOUND[$column]}}" facts
	facts="row=$row,column=$column,ms=$(($(now_ms) - began)),bound_ms=$(bound_ms "$terms")"
	facts+=",held_ms=$(bound_held_ms "$terms" "$held_ms"),open_ms=$(bound_ms open)"
	[ -z "${COLUMN_MOVES[$column]:-}" ] || facts+=",swarm_due=$swarm_due,swarm_moves=$CLIENTS"
	say "$facts"
}

rounds=0
clients=0
running= # the cell, and what it says
said=
cell_run() {
	local row=$1 column=$2 victim=2 other=3 subs=() first=0 held_ms=0 swarm_due=0 swarm_base=0 frozen=0 why='' marks=''
	local began sub rc=0 told=() moves drops=0 drops_seen=0 drops_looks=0 keep=${GODWIT_KEEP:-0}
	local -A start=() ids=()
	began=$(now_ms)
	if [ "$column" = storm ]; then
		victim=3
		other=2
	fi
	rm -f "$LAB_DIR"/{watch,late,join}*.{json,out} "$LAB_DIR"/swarm.{json,out} "$LAB_DIR"/waits-*
	# Whatever ends the script in a cell leaves the folder, and is told of at the end.
	GODWIT_KEEP=1
	running=$row:$column
	said=$LAB_DIR/cell.err
	if ! cell_story 2>"$said"; then
		rc=1
		why=$(tail -n 3 "$said")
		why=${why:-"it broke off after \"${marks##*,}\", without a word"}
	fi
	for sub in "${subs[@]}"; do
		moves=0
		[[ $sub != watch* ]] || moves=${ROW_MOVES[$row]}
		told+=("$sub=${start[$sub]}:$moves")
	done
	python3 "$GODWIT_ROOT/scripts/matrix_judge.py" cell "$LAB_DIR" "$(cell_facts)" "$marks" "$why" "${told[@]}" \
		>"$LAB_DIR/result" || rc=1
	cat "$LAB_DIR/result" >>"$results"
	[ -s "$LAB_DIR/result" ] || die "the judge of $row:$column has no verdict"
	GODWIT_KEEP=$keep
	running=
	[ "$rc" -eq 0 ] || GODWIT_KEEP=1 lab_down
	return "$rc"
}
