#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What is published comes out byte by byte: lines, and messages of any bytes.
set -euo pipefail
exec </dev/null
# shellcheck source=scripts/netlab.sh
. "$(dirname "$0")/../../scripts/netlab.sh"

lab_test
lab_host a 10.77.0.2/24
lab_host b 10.77.0.3/24
lab_server lines=4MiB bytes=4MiB

python3 - "$LAB_DIR" <<-'END'
	import random, struct, sys
	random.seed(1)
	with open(sys.argv[1] + "/lines", "w") as file:
	    file.writelines(f"{n} {'x' * random.randrange(200)}\n" for n in range(5000))
	with open(sys.argv[1] + "/bytes", "wb") as file:
	    for n in range(3000):
	        body = random.randbytes(random.choice((1, 2, 3, 19, 50, 333, 1200)))
	        file.write(struct.pack(">H", len(body)) + body)
END
lab_run a "$GODWIT" pub lines --file "$LAB_DIR/lines"
lab_run a "$GODWIT" pub bytes --file "$LAB_DIR/bytes" --length-prefixed
lab_run b "$GODWIT" sub lines --from earliest --count-max 5000 >"$LAB_DIR/lines.got"
lab_run b "$GODWIT" sub bytes --from earliest --count-max 3000 --length-prefixed >"$LAB_DIR/bytes.got"
cmp "$LAB_DIR/lines" "$LAB_DIR/lines.got"
cmp "$LAB_DIR/bytes" "$LAB_DIR/bytes.got"
