#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Some cells of the fault matrix, one of each column, in one lab.
set -euo pipefail
exec </dev/null

if [ "$(id -u)" -ne 0 ]; then
	echo "SKIP: needs root for network namespaces"
	exit 77
fi
exec "$(dirname "$0")/../../scripts/matrix" --together loss10:catchup cut1:drain stop500:handover kill:live duplicate:storm
