// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/stages/rx.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>

bool rx_add(struct rx_stage *rx, struct port *port, uint32_t queue)
{
	if (rx->queue_count == NET_PORTS_MAX || !tx_add(rx->tx, port, queue))
		return false;
	rx->queues[rx->queue_count++] =
		(struct rx_queue){.port = port->id, .queue = (uint16_t)queue, .net = &port->net};
	return true;
}

// What the hardware verified. Its word that a checksum is bad is checked by software.
static uint32_t mbuf_flags(const struct rte_mbuf *mbuf)
{
	uint64_t ip = mbuf->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;
	uint64_t udp = mbuf->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;

	return (ip == RTE_MBUF_F_RX_IP_CKSUM_GOOD ? NET_IP_IS_GOOD : 0) |
	       (udp == RTE_MBUF_F_RX_L4_CKSUM_GOOD ? NET_UDP_IS_GOOD : 0);
}

static void mbuf_receive(struct rx_stage *rx, uint32_t queue, struct rte_mbuf *mbuf,
			 struct burst *burst, uint64_t now_ns)
{
	struct net_packet packet = {.end = NET_DROP, .drop = DROP_port_segments};

	if (mbuf->nb_segs == 1)
		net_receive(rx->queues[queue].net, rte_pktmbuf_mtod(mbuf, uint8_t *),
			    mbuf->data_len, mbuf_flags(mbuf), now_ns, &packet);
	switch (packet.end) {
	case NET_DATAGRAM:
		burst->datagrams[burst->count++] = (struct datagram){
			.bytes = packet.payload, .length = packet.bytes, .from = packet.from};
		rx->held[rx->held_count++] = mbuf;
		return;
	case NET_ANSWER:
		if (tx_answer(rx->tx, queue, mbuf, packet.bytes))
			counter_add(rx->counters, packet.counter, 1);
		return;
	case NET_TAKEN:
		counter_add(rx->counters, packet.counter, 1);
		break;
	case NET_DROP:
		drop_add(rx->counters, packet.drop, 1);
		break;
	}
	rte_pktmbuf_free(mbuf);
}

uint32_t rx_burst(struct rx_stage *rx, struct burst *burst, uint64_t now_ns)
{
	struct rte_mbuf *mbufs[BURST_MAX];
	uint32_t total = 0, queue = rx->first;

	burst->count = 0;
	for (uint32_t i = 0; i < rx->queue_count && total < BURST_MAX; i++) {
		const struct rx_queue *from = &rx->queues[queue];
		uint32_t count = rte_eth_rx_burst(from->port, from->queue, mbufs,
						  (uint16_t)(BURST_MAX - total));

		// The headers of all are on their way before the first is looked at.
		for (uint32_t k = 0; k < count; k++)
			rte_prefetch0(rte_pktmbuf_mtod(mbufs[k], void *));
		for (uint32_t k = 0; k < count; k++)
			mbuf_receive(rx, queue, mbufs[k], burst, now_ns);
		total += count;
		queue = queue + 1 == rx->queue_count ? 0 : queue + 1;
	}
	// A port that fills the burst does not starve the others.
	if (rx->queue_count > 1)
		rx->first = rx->first + 1 == rx->queue_count ? 0 : rx->first + 1;
	if (total > 0)
		counter_add(rx->counters, COUNTER_port_rx_packets, total);
	return total;
}

void rx_release(struct rx_stage *rx)
{
	rte_pktmbuf_free_bulk(rx->held, rx->held_count);
	rx->held_count = 0;
}
