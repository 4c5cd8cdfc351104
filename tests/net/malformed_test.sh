#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Malformed datagrams are dropped and counted by reason; who behaves does not notice.
set -euo pipefail
exec </dev/null
# shellcheck source=scripts/netlab.sh
. "$(dirname "$0")/../../scripts/netlab.sh"

count=100000
lab_test
lab_host a 10.77.0.2/24
lab_host b 10.77.0.3/24
lab_host c 10.77.0.4/24
lab_server trades=16MiB

lab_sub sub b trades --from earliest --count-max "$count"
lab_pub pub a trades --generate 25000 --size 19-50 --count "$count"
lab_run c python3 - "$LAB_SERVER" "$LAB_PORT" <<-'END'
	import random, socket, struct, sys, time
	random.seed(1)
	address = sys.argv[1], int(sys.argv[2])
	sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	hello = bytes.fromhex("0101000000000000") + bytes(1192)
	whole = bytes.fromhex("0105000000000000") + bytes(24)
	frames = [
	    b"", b"\x01", b"\x01\x01\x00",                    # short
	    b"\x02" + hello[1:],                              # version
	    b"\x01\x7f" + bytes(30), b"\x01\x43" + bytes(60), # type
	    hello + b"x", hello[:-1],                         # length
	    b"\x01\x01\xff\xff" + hello[4:],                  # flags
	    hello[:6] + b"\x00\x01" + hello[8:],              # zero
	    whole,                                            # no such handle
	]
	for n in range(20000):
	    frame = random.choice(frames)
	    if n % 4 == 0:
	        frame = bytes((1, random.choice(range(1, 12)))) + random.randbytes(random.randrange(1400))
	    elif n % 4 == 1 and frame:
	        at = random.randrange(len(frame))
	        frame = frame[:at] + bytes((random.randrange(256),)) + frame[at + 1:]
	    sock.sendto(frame, address)
	    if n % 50 == 0:
	        time.sleep(0.005) # paced, so that the kernel's queues do not lose what is to be counted
END
lab_wait pub 30
lab_wait sub 30
lab_expect "$LAB_DIR/sub.json" "delivered == $count" 'lost == 0' 'repeated == 0' 'reordered == 0'
lab_status >"$LAB_DIR/status.json"
lab_expect "$LAB_DIR/status.json" 'all(it["drops"].get("classify_" + why, 0) > 0 for why in
	("short", "version", "type", "length", "flags", "zero"))' \
	'it["counters"]["rx_datagrams"] == sum(it["counters"]["classify_" + end]
	for end in ("session", "append", "dropped"))'
