// SPDX-License-Identifier: BSD-3-Clause
//
// Two ports joined by a wire of rings, for tests: what one sends the other receives.
// Thread: at rest. Limits: one queue each, PORT_PAIR_SLOTS packets in flight.
#ifndef DATAPLANE_PORT_PAIR_H
#define DATAPLANE_PORT_PAIR_H

#include "dataplane/port.h"

#define PORT_PAIR_SLOTS 256

// Make them. `name`: at most 16 characters. The first is opened by port_open_id, the other is the
// caller's, by DPDK's own functions. 0 or -errno.
int port_pair_create(const char *name, uint16_t ids[2]);

#endif
