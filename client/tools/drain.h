// SPDX-License-Identifier: BSD-3-Clause
//
// What `godwit drain` and `godwit undrain` say of a server's answer (control/admin_orders.c has its form).
#ifndef CLIENT_TOOLS_DRAIN_H
#define CLIENT_TOOLS_DRAIN_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

// One line, to `out` if it was done and to `err` if not. Returns the exit code.
int drain_print(uint64_t server, bool is_drain, const json_t *answer, FILE *out, FILE *err);

#endif
