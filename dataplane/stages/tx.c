// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/stages/tx.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>

static_assert(NET_PORTS_MAX < UINT16_MAX, "route->queue holds a queue's number + 1");

bool tx_add(struct tx_stage *tx, struct port *port, uint32_t queue)
{
	if (tx->queue_count == NET_PORTS_MAX)
		return false;
	tx->queues[tx->queue_count++] = (struct tx_queue){
		.port = port->id,
		.queue = (uint16_t)queue,
		.checksums = port->has_checksums ? NET_BY_HARDWARE : NET_BY_SOFTWARE,
		.net = &port->net,
		.pool = port->pool,
	};
	return true;
}

// Give the batch to the port. What it does not take moves to the front.
static void queue_flush(struct tx_stage *tx, struct tx_queue *queue)
{
	uint16_t sent =
		rte_eth_tx_burst(queue->port, queue->queue, queue->batch, (uint16_t)queue->pending);

	queue->pending -= sent;
	memmove(queue->batch, queue->batch + sent, queue->pending * sizeof(void *));
	counter_add(tx->counters, COUNTER_port_tx_packets, sent);
}

static void queue_append(struct tx_stage *tx, struct tx_queue *queue, struct rte_mbuf *mbuf)
{
	queue->batch[queue->pending++] = mbuf;
	if (queue->pending >= TX_BATCH)
		queue_flush(tx, queue);
}

static struct rte_mbuf *queue_mbuf(struct tx_queue *queue)
{
	if (queue->cached == 0) {
		if (rte_pktmbuf_alloc_bulk(queue->pool, queue->cache, TX_CACHE) != 0)
			return NULL;
		queue->cached = TX_CACHE;
	}
	return queue->cache[--queue->cached];
}

// Ask for a neighbour. Where that fails, it is asked for again in a second.
static void queue_ask(struct tx_stage *tx, struct tx_queue *queue, uint32_t ip)
{
	struct rte_mbuf *mbuf;

	if (queue->pending == TX_BATCH_MAX) {
		drop_add(tx->counters, DROP_port_tx_full, 1);
		return;
	}
	mbuf = queue_mbuf(queue);
	if (mbuf == NULL) {
		drop_add(tx->counters, DROP_port_no_mbuf, 1);
		return;
	}
	net_arp_request(queue->net, ip, rte_pktmbuf_mtod(mbuf, uint8_t *));
	mbuf->data_len = NET_ARP_BYTES;
	mbuf->pkt_len = NET_ARP_BYTES;
	queue_append(tx, queue, mbuf);
	counter_add(tx->counters, COUNTER_port_arp_asked, 1);
}

// The queue by which a route leaves, chosen at its first use; NULL: none.
static struct tx_queue *route_queue(struct tx_stage *tx, struct route *route)
{
	if (route->queue != 0)
		return &tx->queues[route->queue - 1];

	uint32_t choice = 0;

	for (uint32_t i = 0; i < tx->queue_count; i++) {
		const struct net *net = tx->queues[i].net;

		if (!net_reaches(net, &route->to))
			continue;
		if (choice == 0)
			choice = i + 1;
		if (net_is_on_link(net, godwit_address_ip4(&route->to))) {
			choice = i + 1;
			break;
		}
	}
	route->queue = (uint16_t)choice;
	return choice == 0 ? NULL : &tx->queues[choice - 1];
}

static enum tx_verdict stage_begin(void *arg, struct route *route, uint32_t bytes_max,
				   uint8_t **payload)
{
	struct tx_stage *tx = arg;
	struct tx_queue *queue = route_queue(tx, route);
	uint32_t ask;

	assert(tx->open == NULL);
	if (queue == NULL || bytes_max + NET_OVERHEAD > queue->net->mtu)
		return TX_NO_ROUTE;
	if (queue->pending >= TX_BATCH) {
		queue_flush(tx, queue);
		if (queue->pending >= TX_BATCH)
			return TX_FULL;
	}

	enum net_way way = net_route(queue->net, route, tx->now_ns, &ask);

	if (ask != 0)
		queue_ask(tx, queue, ask);
	if (way == NET_WAY_FULL)
		drop_add(tx->counters, DROP_port_arp_full, 1);
	if (way != NET_WAY_KNOWN)
		return TX_NO_ROUTE;

	struct rte_mbuf *mbuf = queue_mbuf(queue);

	if (mbuf == NULL)
		return TX_FULL;

	uint8_t *frame = rte_pktmbuf_mtod(mbuf, uint8_t *);

	memcpy(frame, route->header, NET_HEADER_BYTES);
	*payload = frame + NET_HEADER_BYTES;
	tx->open = mbuf;
	tx->open_queue = queue;
	tx->open_route = route;
	return TX_OK;
}

static void stage_end(void *arg, uint32_t bytes, uint32_t sum_from, uint32_t sum)
{
	struct tx_stage *tx = arg;
	struct tx_queue *queue = tx->open_queue;
	struct rte_mbuf *mbuf = tx->open;
	uint8_t *frame = rte_pktmbuf_mtod(mbuf, uint8_t *);
	uint64_t body = 0;

	if (queue->checksums == NET_BY_HARDWARE) {
		mbuf->l2_len = NET_ETHER_BYTES;
		mbuf->l3_len = NET_HEADER_BYTES - NET_ETHER_BYTES - 8;
		mbuf->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM |
				  RTE_MBUF_F_TX_UDP_CKSUM;
	} else if (sum == TX_NO_SUM) {
		body = tx_sum(frame + NET_HEADER_BYTES, bytes);
	} else {
		body = sum;
		if (sum_from > 0)
			body += tx_sum(frame + NET_HEADER_BYTES, sum_from);
	}
	net_finish(frame, bytes, tx->open_route, body, queue->checksums);
	mbuf->data_len = (uint16_t)(NET_HEADER_BYTES + bytes);
	mbuf->pkt_len = NET_HEADER_BYTES + bytes;
	tx->open = NULL;
	queue_append(tx, queue, mbuf);
}

static void stage_cancel(void *arg)
{
	struct tx_stage *tx = arg;

	// It came from there: there is room.
	tx->open_queue->cache[tx->open_queue->cached++] = tx->open;
	tx->open = NULL;
}

struct tx tx_interface(struct tx_stage *tx)
{
	return (struct tx){
		.arg = tx, .begin = stage_begin, .end = stage_end, .cancel = stage_cancel};
}

bool tx_answer(struct tx_stage *tx, uint32_t queue_number, struct rte_mbuf *mbuf, uint32_t bytes)
{
	struct tx_queue *queue = &tx->queues[queue_number];

	if (queue->pending == TX_BATCH_MAX) {
		rte_pktmbuf_free(mbuf);
		drop_add(tx->counters, DROP_port_tx_full, 1);
		return false;
	}
	mbuf->data_len = (uint16_t)bytes;
	mbuf->pkt_len = bytes;
	mbuf->ol_flags = 0; // what was said of it as received
	queue_append(tx, queue, mbuf);
	return true;
}

uint32_t tx_burst(struct tx_stage *tx)
{
	uint32_t pending = 0;

	for (uint32_t i = 0; i < tx->queue_count; i++) {
		struct tx_queue *queue = &tx->queues[i];

		if (queue->pending > 0)
			queue_flush(tx, queue);
		pending += queue->pending;
	}
	return pending;
}

void tx_drain(struct tx_stage *tx)
{
	if (tx->open != NULL)
		stage_cancel(tx);
	for (uint32_t i = 0; i < tx->queue_count; i++) {
		struct tx_queue *queue = &tx->queues[i];

		rte_pktmbuf_free_bulk(queue->batch, queue->pending);
		rte_pktmbuf_free_bulk(queue->cache, queue->cached);
		queue->pending = 0;
		queue->cached = 0;
	}
}
