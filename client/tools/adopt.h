// SPDX-License-Identifier: BSD-3-Clause
//
// What `godwit adopt` says of a server's answer (control/admin_orders.c has its form).
#ifndef CLIENT_TOOLS_ADOPT_H
#define CLIENT_TOOLS_ADOPT_H

#include <jansson.h>
#include <stdio.h>

// One line, to `out` if it was done and to `err` if not. Returns the exit code.
int adopt_print(const char *stream, const json_t *answer, FILE *out, FILE *err);

#endif
