// SPDX-License-Identifier: BSD-3-Clause
//
// What `godwit resolve` prints of a server's answer (control/admin_streams.c has its form).
#ifndef CLIENT_TOOLS_RESOLVE_H
#define CLIENT_TOOLS_RESOLVE_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

// client: 0 where no cursor was asked for.
void resolve_print(const json_t *answer, uint64_t client, uint64_t subscription, FILE *out);

#endif
