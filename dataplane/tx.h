// SPDX-License-Identifier: BSD-3-Clause
//
// The boundary below the protocol: how stages send a datagram without knowing a port. The daemon puts
// a DPDK port behind it, the simulator its in-memory network.
//
//   begin -> write the payload -> end (or cancel)
//
// One datagram is open at a time. Owner and thread: one core.
#ifndef DATAPLANE_TX_H
#define DATAPLANE_TX_H

#include <godwit/types.h>

// Where datagrams to one address go: a cache of the layer below, kept by whoever sends there often.
// Zeroed but for `to`, it is filled in at the first begin and refreshed when the neighbour changes.
struct route {
	struct godwit_address to;
	uint16_t sum;	    // ones-complement sum of what `header` and the pseudo header contribute
	uint16_t neighbour; // private: slot of the neighbour + 1; 0: not looked up yet
	uint64_t hardware;  // private: the neighbour's address that `header` was built with
	uint8_t header[44]; // Ethernet, IP and UDP as they go before each payload
	uint16_t ip_sum;    // private: of the IP header without its length
	uint16_t queue;	    // private: the queue it leaves by + 1; 0: not chosen yet
};

static_assert(sizeof(struct route) == 80, "held once a client");

enum tx_verdict {
	TX_OK,
	TX_FULL,     // no buffer or no room in the queue: keep it and try again next turn
	TX_NO_ROUTE, // the neighbour is not known (it was asked for): drop, or try again later
};

#define TX_NO_SUM UINT32_MAX

struct tx {
	void *arg;
	// *payload: room for `bytes_max` bytes of payload to route->to.
	enum tx_verdict (*begin)(void *arg, struct route *route, uint32_t bytes_max,
				 uint8_t **payload);
	// Send `bytes` of payload. sum: ones-complement sum (16-bit words in memory order, folded to 16 bits or not)
	// of payload[sum_from .. bytes) if it is known, sum_from being even, or TX_NO_SUM.
	void (*end)(void *arg, uint32_t bytes, uint32_t sum_from, uint32_t sum);
	void (*cancel)(void *arg);
};

// The ones-complement sum of `bytes` bytes as 16-bit words in memory order, folded to 16 bits; an odd last byte counts as if a zero
// followed. What UDP and IP checksums are made of (RFC 1071).
uint32_t tx_sum(const uint8_t *at, uint32_t bytes);

#endif
