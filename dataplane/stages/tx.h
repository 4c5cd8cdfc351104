// SPDX-License-Identifier: BSD-3-Clause
//
// tx: what egress and the sessions write goes into packet buffers and in batches to the ports' queues.
// It is what stands behind struct tx in the daemon.
//
// A datagram leaves by the port on whose link its address is, else by the first port with a gateway.
// Batches go to the port at TX_BATCH packets and at the end of a turn. What a full queue does not take
// stays in the batch, and begin says TX_FULL: nothing is lost. Only answers to ARP and ICMP, which
// nobody could keep, are dropped then, and counted.
// Owner and thread: one core. Limits: one datagram open at a time, NET_PORTS_MAX ports.
#ifndef DATAPLANE_STAGES_TX_H
#define DATAPLANE_STAGES_TX_H

#include "dataplane/counters.h"
#include "dataplane/port.h"
#include "dataplane/tx.h"

#define TX_BATCH     32
#define TX_BATCH_MAX 64 // with the answers and requests of a turn in which the queue was full
#define TX_CACHE     32

struct rte_mbuf;

struct tx_queue {
	uint16_t port, queue; // DPDK's
	enum net_checksums checksums;
	struct net *net;
	struct rte_mempool *pool;
	uint32_t pending, cached;
	struct rte_mbuf *batch[TX_BATCH_MAX];
	struct rte_mbuf *cache[TX_CACHE];
};

struct tx_stage {
	uint64_t now_ns; // of this turn
	struct counters *counters;
	uint32_t queue_count;
	struct tx_queue queues[NET_PORTS_MAX];
	// the open datagram
	struct rte_mbuf *open;
	struct tx_queue *open_queue;
	const struct route *open_route; // the caller's until end
};

// Add a queue pair of a port, owned by this core. False: there are NET_PORTS_MAX. Thread: control.
bool tx_add(struct tx_stage *tx, struct port *port, uint32_t queue);
// How stages send by it; `tx` stays where it is.
struct tx tx_interface(struct tx_stage *tx);

// The end of a turn. Returns packets that the ports have not taken yet.
uint32_t tx_burst(struct tx_stage *tx);

// Send a received packet back by queue number `queue`: its first `bytes` bytes. Takes the buffer.
// False: there was no room, it was dropped and counted.
bool tx_answer(struct tx_stage *tx, uint32_t queue, struct rte_mbuf *mbuf, uint32_t bytes);

// Give all buffers back, what is pending is lost. Thread: at rest.
void tx_drain(struct tx_stage *tx);

#endif
