// SPDX-License-Identifier: BSD-3-Clause
//
// What `godwit status` prints of the answers of a server (control/admin.h has their form). What an
// answer lacks is printed as 0 or "-". To stdout; nothing is taken.
#ifndef CLIENT_TOOLS_STATUS_H
#define CLIENT_TOOLS_STATUS_H

#include <jansson.h>

// One server: {"status", "streams", "cores", "drops", "ports"}.
void status_print(const json_t *all);

// Several: an array of {"prefix", "socket", "status"}.
void status_print_list(const json_t *servers);

#endif
