// SPDX-License-Identifier: BSD-3-Clause
//
// rx: packets from the ports' queues become a burst of datagrams. ARP and ICMP echo are answered here,
// all else that is no datagram for us is a named drop:
//
//   port_rx_packets = rx_datagrams + port_arp + port_icmp + drops port_* from port_short to port_segments
//
// (an answer that found no room is port_tx_full instead of port_arp or port_icmp).
// Owner and thread: one core. Limits: BURST_MAX packets a turn, from NET_PORTS_MAX ports in turns.
#ifndef DATAPLANE_STAGES_RX_H
#define DATAPLANE_STAGES_RX_H

#include "dataplane/burst.h"
#include "dataplane/stages/tx.h"

struct rx_queue {
	uint16_t port, queue; // DPDK's
	struct net *net;
};

struct rx_stage {
	struct counters *counters;
	struct tx_stage *tx; // answers go back by the queue of the same number
	uint32_t queue_count;
	uint32_t first; // which queue comes first in the next turn
	struct rx_queue queues[NET_PORTS_MAX];
	// buffers of this turn's datagrams
	uint32_t held_count;
	struct rte_mbuf *held[BURST_MAX];
};

// Add a queue pair of a port to rx and to its tx. False: there are NET_PORTS_MAX. Thread: control.
bool rx_add(struct rx_stage *rx, struct port *port, uint32_t queue);

// Receive into `burst`. Its bytes live until rx_release. Returns packets received.
uint32_t rx_burst(struct rx_stage *rx, struct burst *burst, uint64_t now_ns);
// The turn is over: the burst's bytes are no longer used.
void rx_release(struct rx_stage *rx);

#endif
