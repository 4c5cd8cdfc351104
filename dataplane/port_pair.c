// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/port_pair.h"

#include <errno.h>
#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ring.h>
#include <stdio.h>

int port_pair_create(const char *name, uint16_t ids[2])
{
	struct rte_ring *wires[2];
	char text[48];

	for (int i = 0; i < 2; i++) {
		snprintf(text, sizeof(text), "%.16s_wire%d", name, i);
		// Twice as many: a ring holds one less than its size.
		wires[i] = rte_ring_create(text, 2 * PORT_PAIR_SLOTS, SOCKET_ID_ANY,
					   RING_F_SP_ENQ | RING_F_SC_DEQ);
		if (wires[i] == NULL)
			return -rte_errno;
	}
	for (int i = 0; i < 2; i++) {
		snprintf(text, sizeof(text), "%.16s%d", name, i);

		int id = rte_eth_from_rings(text, &wires[i], 1, &wires[1 - i], 1, 0);

		if (id < 0)
			return -rte_errno;
		ids[i] = (uint16_t)id;
	}
	return 0;
}
