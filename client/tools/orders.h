// SPDX-License-Identifier: BSD-3-Clause
//
// What `godwit drain`, `godwit undrain` and `godwit rebalance` say of a server's answer (control/admin_orders.c has
// its form).
#ifndef CLIENT_TOOLS_ORDERS_H
#define CLIENT_TOOLS_ORDERS_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

enum order {
	ORDER_DRAIN,
	ORDER_UNDRAIN,
	ORDER_REBALANCE,
};

// One line, to `out` if it was done and to `err` if not. Returns the exit code.
int order_print(uint64_t server, enum order order, const json_t *answer, FILE *out, FILE *err);
// The same of how a rebalance ended, which `self` says, the server's row of /godwit/servers. took: since the order.
int rebalance_print_end(uint64_t server, const json_t *self, const char *took, FILE *out,
			FILE *err);

#endif
