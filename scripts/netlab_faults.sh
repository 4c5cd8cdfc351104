#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Faults at the hub of a lab; sourced by scripts/netlab.sh. What they claim is shown by tests/net/lab_faults_test.sh.
#
#   lab_cut FROM TO [MATCH...]    nothing gets from FROM to TO any more, the other way it does; with nft's words only
#                                 what they match: lab_cut srv1 srv2 udp dport 5678 leaves ARP and ping alone
#   lab_cut_both A B [MATCH...]   neither way
#   lab_heal [FROM TO]            ends what was cut that way; without arguments all that this file did but link_down
#   lab_heal_both A B
#   lab_loss HOST PERCENT         plain random loss towards a host; 0 ends it
#   lab_swallow HOST BYTES        IP packets above BYTES towards a host vanish without a word; 0 ends it
#   lab_link_down HOST            the host's interface loses its carrier (godwitd's driver does not see that)
#   lab_link_up HOST
#   lab_freeze ID CORE            that core of server ID stands still; the others, and its control thread, go on
#   lab_thaw ID CORE
#   lab_record LABEL HOST FRAME...  keeps what the host sends of these frames, by their names in LAB_FRAMES, until
#                                 lab_stop LABEL
#   lab_recorded LABEL [FRAME]    prints how many it has, of that frame or of all
#   lab_replay LABEL HOST         the host sends them again, byte for byte
#   lab_replay_to LABEL HOST ID   what was in them from an address of that host to server ID; prints how many, and how
#                                 many datagrams came back
#   lab_replay_version LABEL ID   server ID's host sends its frames again as if it spoke version 2 of the protocol
#   lab_dropped                   prints how many frames each fault has dropped since it began: NAME COUNT
#
# FROM, TO, A and B are hosts, or several with commas between: lab_cut_both srv1 srv2,srv3 isolates srv1 among servers.
# One chain of the bridge holds a rule for each; a change replaces all in one transaction and keeps their counts.

declare -A LAB_FAULTS=() # name -> rule without its end

# The port of the bridge through which a host is reached.
lab_port() {
	if [ -n "${LAB_SWITCHED[$1]:-}" ]; then
		say "q-$1"
	else
		say "p-$1"
	fi
}

lab_faults_apply() {
	local name
	{
		say "add table bridge lab"
		say "add chain bridge lab faults { type filter hook forward priority 0; policy accept; }"
		say "flush chain bridge lab faults"
		for name in "${!LAB_FAULTS[@]}"; do
			say "add counter bridge lab $name"
			say "add rule bridge lab faults ${LAB_FAULTS[$name]} counter name \"$name\" drop"
		done
	} | ip netns exec "$LAB_ID-hub" nft -f -
}

# lab_fault_end NAME...: the counts go too, so that the next fault of a name begins at 0.
lab_fault_end() {
	local name
	for name; do
		unset "LAB_FAULTS[$name]"
	done
	lab_faults_apply
	for name; do
		ip netns exec "$LAB_ID-hub" nft delete counter bridge lab "$name"
	done
}

lab_cut() {
	local from to name match=("${@:3}")
	for from in ${1//,/ }; do
		for to in ${2//,/ }; do
			name=cut-$from-$to
			LAB_FAULTS[$name]="iifname $(lab_port "$from") oifname $(lab_port "$to") ${match[*]}"
		done
	done
	lab_faults_apply
}

lab_cut_both() {
	lab_cut "$@"
	lab_cut "$2" "$1" "${@:3}"
}

lab_heal() {
	local from to names=()
	if [ $# -eq 0 ]; then
		names=("${!LAB_FAULTS[@]}")
	else
		for from in ${1//,/ }; do
			for to in ${2//,/ }; do
				[ -z "${LAB_FAULTS[cut-$from-$to]:-}" ] || names+=("cut-$from-$to")
			done
		done
	fi
	[ "${#names[@]}" -eq 0 ] || lab_fault_end "${names[@]}"
}

lab_heal_both() {
	lab_heal "$1" "$2"
	lab_heal "$2" "$1"
}

# lab_fault_towards NAME HOST VALUE MATCH...: 0 as the value ends it.
lab_fault_towards() {
	local name=$1-$2 port
	port=$(lab_port "$2")
	if [ "$3" != 0 ]; then
		LAB_FAULTS[$name]="oifname $port ${*:4}"
		lab_faults_apply
	elif [ -n "${LAB_FAULTS[$name]:-}" ]; then
		lab_fault_end "$name"
	fi
}

lab_loss() {
	local odds="numgen random mod 100 < $2"
	[ "$2" != 100 ] || odds=
	lab_fault_towards loss "$1" "$2" "$odds"
}

lab_swallow() {
	lab_fault_towards swallow "$1" "$2" "ether type ip meta length > $2"
}

lab_link_down() {
	ip -n "$LAB_ID-hub" link set "p-$1" down
}

lab_link_up() {
	ip -n "$LAB_ID-hub" link set "p-$1" up
}

declare -A LAB_FRAMES=([HELLO_PROOF]=0x02 [RESUME]=0x04 [ACK]=0x05 [PEER_HELLO]=0x41 [PEER_HEARTBEAT]=0x42
	[REPLICATE]=0x43)

lab_frames_filter() {
	local frame filter=
	for frame; do
		filter+="${filter:+ or }udp[9] = ${LAB_FRAMES[$frame]}"
	done
	say "udp port $LAB_PORT and ($filter)"
}

lab_record() {
	lab_spawn "$1" hub tcpdump -i "$(lab_port "$2")" -Q in -n -U -s 0 --immediate-mode -Z root -w "$LAB_DIR/$1.pcap" \
		"$(lab_frames_filter "${@:3}")"
	lab_await "$1" 'listening on'
}

lab_recorded() {
	local filter=udp
	[ $# -eq 1 ] || filter=$(lab_frames_filter "$2")
	tcpdump -r "$LAB_DIR/$1.pcap" -n "$filter" 2>/dev/null | wc -l
}

lab_replay_run() {
	lab_run "$1" python3 "$GODWIT_ROOT/tests/support/replay.py" "${@:2}"
}

lab_replay() {
	lab_replay_run "$2" "$LAB_DIR/$1.pcap" eth0
}

lab_replay_to() {
	lab_replay_run "$2" "$LAB_DIR/$1.pcap" "$(lab_host_of "$3")" "$LAB_PORT"
}

lab_replay_version() {
	lab_replay_run "srv$2" "$LAB_DIR/$1.pcap" eth0 "lab:$LAB_KEY"
}

# The end of whoever froze it lets it go on.
lab_freeze() {
	lab_spawn "freeze-$1-$2" "srv$1" python3 "$GODWIT_ROOT/tests/support/freeze.py" "${LAB_PIDS[srv$1]}" "gw:core$2"
	lab_await "freeze-$1-$2" '^frozen' 20
}

lab_thaw() {
	lab_stop "freeze-$1-$2"
}

lab_dropped() {
	ip netns exec "$LAB_ID-hub" nft -j list counters table bridge lab | python3 -c '
import json, sys
for entry in json.load(sys.stdin)["nftables"]:
    if "counter" in entry:
        print(entry["counter"]["name"], entry["counter"]["packets"])'
}
