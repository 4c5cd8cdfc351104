// SPDX-License-Identifier: BSD-3-Clause
//
// A burst: what passes from rx to the stages in one turn. Datagrams' payloads only: Ethernet, IP, UDP
// and checksums were dealt with below. The bytes belong to rx and live until the turn ends.
// Owner: the core whose turn it is.
#ifndef DATAPLANE_BURST_H
#define DATAPLANE_BURST_H

#include <godwit/types.h>

#define BURST_MAX 32

struct client;
struct peer;

struct datagram {
	const uint8_t *bytes;
	uint32_t length;
	uint8_t type; // by classify: enum godwit_frame_type; 0: dropped
	struct godwit_address from;
	struct client *client; // by classify: proved sender, or NULL
	struct peer *peer;     // by classify: the server that sent it, or NULL
};

struct burst {
	uint32_t count;
	struct datagram datagrams[BURST_MAX];
};

#endif
