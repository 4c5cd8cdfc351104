// SPDX-License-Identifier: BSD-3-Clause
// The stages rx and tx at a port: a wire of rings whose other end is the test's.
#define _GNU_SOURCE
#include "eal_fixture.h"

#include <rte_ip.h>
#include <rte_udp.h>

#include "dataplane/burst.h"
#include "dataplane/port_pair.h"
#include "dataplane/stages/rx.h"
#include "tests/support/checked.h"

#define S      1000000000ull
#define NOW    (1000 * S)
#define OURS   0x0a000001u // 10.0.0.1/24
#define PEER   0x0a000002u
#define OURS_2 0x0a010001u // 10.1.0.1/24, on the second wire
#define PEER_2 0x0a010002u
#define MBUFS  FIXTURE_MBUFS

static const uint8_t peer_mac[6] = {0x02, 0, 0, 0, 0, 2};

static struct {
	struct eal_fixture eal;
	struct rte_mempool *pool; // of the other ends
	uint16_t other[2];
	struct port ports[2];
	struct counters counters;
	struct tx_stage tx;
	struct rx_stage rx;
	struct burst burst;
	struct tx to;
} f;

static const struct port_config config = {
	.driver = PORT_RING,
	.ip = OURS,
	.prefix_bits = 24,
	.udp_port = 5000,
	.mtu = 1500,
	.mbufs = MBUFS,
};

static void wire_up(int i, const char *name, const struct port_config *c)
{
	uint16_t ids[2];

	cr_assert_eq(port_pair_create(name, ids), 0);
	f.other[i] = ids[1];
	cr_assert_eq(port_open_id(&f.ports[i], c, ids[0], 1, &f.eal.error), 0, "%s",
		     f.eal.error.text);
	cr_assert_eq(port_start(&f.ports[i], &f.eal.error), 0, "%s", f.eal.error.text);
	other_up(ids[1], f.pool);
	cr_assert(rx_add(&f.rx, &f.ports[i], port_queue(&f.ports[i], 0)));
}

static void wires_up(void)
{
	struct port_config second = config;

	eal_up(&f.eal, NULL);
	f.pool = other_pool();
	f.tx.counters = &f.counters;
	f.tx.now_ns = NOW;
	f.rx.counters = &f.counters;
	f.rx.tx = &f.tx;
	f.to = tx_interface(&f.tx);
	wire_up(0, "a", &config);
	second.ip = OURS_2;
	wire_up(1, "b", &second);
}

static void wires_down(void)
{
	tx_drain(&f.tx);
	for (int i = 0; i < 2; i++) {
		struct rte_mbuf *mbuf;

		while (rte_eth_rx_burst(f.other[i], 0, &mbuf, 1) == 1)
			rte_pktmbuf_free(mbuf);
		// Every buffer came back.
		cr_expect_eq(rte_mempool_avail_count(f.ports[i].pool), MBUFS);
		port_stop(&f.ports[i]);
		port_close(&f.ports[i]);
	}
	cr_expect_eq(rte_mempool_avail_count(f.pool), MBUFS);
	eal_down(&f.eal);
}

TestSuite(wire, .init = wires_up, .timeout = 20);

// ---- the other end ----------------------------------------------------------------------------

static uint64_t count(enum counter which)
{
	return counter_get(&f.counters, which);
}

static uint64_t drops(enum drop which)
{
	return drop_get(&f.counters, which);
}

static void other_send(int wire, const uint8_t *frame, uint32_t bytes)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(f.pool);

	cr_assert_not_null(mbuf);
	memcpy(rte_pktmbuf_append(mbuf, (uint16_t)bytes), frame, bytes);
	cr_assert_eq(rte_eth_tx_burst(f.other[wire], 0, &mbuf, 1), 1);
}

// The next packet that came to the other end, or 0 bytes.
static uint32_t other_receive(int wire, uint8_t frame[2048])
{
	struct rte_mbuf *mbuf;
	uint32_t bytes;

	if (rte_eth_rx_burst(f.other[wire], 0, &mbuf, 1) == 0)
		return 0;
	bytes = mbuf->data_len;
	cr_assert_eq(mbuf->pkt_len, bytes);
	memcpy(frame, rte_pktmbuf_mtod(mbuf, void *), bytes);
	rte_pktmbuf_free(mbuf);
	return bytes;
}

static void arp_make(uint8_t frame[60], const struct port *port, uint16_t operation, uint32_t from,
		     uint32_t to)
{
	static const uint8_t fixed[] = {0x08, 0x06, 0, 1, 0x08, 0, 6, 4};

	memset(frame, 0, 60);
	memcpy(frame, port->net.mac, 6);
	memcpy(frame + 6, peer_mac, 6);
	memcpy(frame + 12, fixed, sizeof(fixed));
	frame[21] = (uint8_t)operation;
	memcpy(frame + 22, peer_mac, 6);
	memcpy(frame + 28, godwit_be32(from).b, 4);
	memcpy(frame + 38, godwit_be32(to).b, 4);
}

static uint32_t udp_make(uint8_t *frame, const char *text)
{
	struct rte_ether_hdr *ether = (struct rte_ether_hdr *)frame;
	uint32_t bytes = (uint32_t)strlen(text);
	struct rte_ipv4_hdr ip = {
		.version_ihl = 0x45,
		.total_length = htons((uint16_t)(28 + bytes)),
		.time_to_live = 9,
		.next_proto_id = 17,
		.src_addr = htonl(PEER),
		.dst_addr = htonl(OURS),
	};
	struct {
		struct rte_udp_hdr header;
		char text[64];
	} udp = {{htons(4000), htons(5000), htons((uint16_t)(8 + bytes)), 0}, ""};

	memcpy(udp.text, text, bytes);
	udp.header.dgram_cksum = rte_ipv4_udptcp_cksum(&ip, &udp);
	ip.hdr_checksum = rte_ipv4_cksum(&ip);
	memcpy(&ether->dst_addr, f.ports[0].net.mac, 6);
	memcpy(&ether->src_addr, peer_mac, 6);
	ether->ether_type = htons(0x0800);
	memcpy(frame + 14, &ip, sizeof(ip));
	memcpy(frame + 34, &udp, 8 + bytes);
	return 42 + bytes;
}

// Are both checksums of a packet that we sent right? By DPDK's own functions.
static bool sums_are_right(const uint8_t *frame, uint32_t bytes)
{
	struct {
		struct rte_ipv4_hdr ip;
		struct rte_udp_hdr udp;
		uint8_t rest[2048];
	} packet;
	uint16_t sum;

	memcpy(&packet, frame + 14, bytes - 14);
	sum = packet.udp.dgram_cksum;
	packet.udp.dgram_cksum = 0;
	return sum == rte_ipv4_udptcp_cksum(&packet.ip, &packet.udp) &&
	       rte_raw_cksum(&packet.ip, 20) == 0xffff &&
	       ntohs(packet.ip.total_length) == bytes - 14;
}

static uint32_t turn(void)
{
	uint32_t received = rx_burst(&f.rx, &f.burst, NOW);

	tx_burst(&f.tx);
	return received;
}

static void peer_learn(int wire, uint32_t from, uint32_t to)
{
	uint8_t frame[2048];

	arp_make(frame, &f.ports[wire], 1, from, to);
	other_send(wire, frame, 60);
	cr_assert_eq(turn(), 1);
	cr_assert_eq(other_receive(wire, frame), 60);
}

static enum tx_verdict datagram_send(struct route *route, const void *bytes, uint32_t count)
{
	uint8_t *payload;
	enum tx_verdict verdict = f.to.begin(f.to.arg, route, count, &payload);

	if (verdict != TX_OK)
		return verdict;
	memcpy(payload, bytes, count);
	f.to.end(f.to.arg, count, 0, TX_NO_SUM);
	return TX_OK;
}

// ---- rx ---------------------------------------------------------------------------------------

Checked(wire, answers_arp, wires_down)
{
	uint8_t frame[2048];

	arp_make(frame, &f.ports[0], 1, PEER, OURS);
	other_send(0, frame, 60);
	cr_assert_eq(turn(), 1);
	cr_assert_eq(f.burst.count, 0);
	cr_assert_eq(other_receive(0, frame), 60);
	cr_assert_eq(frame[21], 2);
	cr_assert_arr_eq(frame, peer_mac, 6);
	cr_assert_arr_eq(frame + 22, f.ports[0].net.mac, 6);
	cr_assert_eq(other_receive(1, frame), 0, "by the wrong port");
	cr_assert_eq(count(COUNTER_port_arp), 1);
	cr_assert_eq(count(COUNTER_port_tx_packets), 1);
}

Checked(wire, answers_echo_requests, wires_down)
{
	uint8_t frame[2048], asked[2048];
	uint32_t bytes = udp_make(frame, "abcdefgh");
	uint16_t sum;

	frame[23] = 1; // ICMP
	memcpy(frame + 24, "\0\0", 2);
	sum = (uint16_t)~rte_raw_cksum(frame + 14, 20);
	memcpy(frame + 24, &sum, 2);
	memcpy(frame + 34, "\x08\0\0\0\0\1\0\1", 8);
	sum = (uint16_t)~rte_raw_cksum(frame + 34, bytes - 34);
	memcpy(frame + 36, &sum, 2);
	memcpy(asked, frame, bytes);
	other_send(0, frame, bytes);
	cr_assert_eq(turn(), 1);
	cr_assert_eq(other_receive(0, frame), bytes);
	cr_assert_eq(frame[34], 0);
	cr_assert_eq(rte_raw_cksum(frame + 14, 20), 0xffff);
	cr_assert_eq(rte_raw_cksum(frame + 34, bytes - 34), 0xffff);
	cr_assert_arr_eq(frame + 30, asked + 26, 4);
	cr_assert_arr_eq(frame + 38, asked + 38, bytes - 38);
	cr_assert_eq(count(COUNTER_port_icmp), 1);
}

Checked(wire, hands_over_datagrams_and_names_each_drop, wires_down)
{
	uint8_t frame[2048];
	uint32_t bytes = udp_make(frame, "first");
	struct godwit_address from = godwit_address_v4(PEER, 4000);
	uint64_t sum = 0;

	other_send(0, frame, bytes);
	frame[43] ^= 1;
	other_send(0, frame, bytes);
	frame[25] ^= 1;
	other_send(0, frame, bytes);
	other_send(0, frame, 10);
	bytes = udp_make(frame, "second");
	other_send(0, frame, bytes);
	frame[12] = 0x86;
	other_send(0, frame, bytes);

	cr_assert_eq(turn(), 6);
	cr_assert_eq(f.burst.count, 2);
	cr_assert_eq(f.burst.datagrams[0].length, 5);
	cr_assert_eq(memcmp(f.burst.datagrams[0].bytes, "first", 5), 0);
	cr_assert_eq(memcmp(f.burst.datagrams[1].bytes, "second", 6), 0);
	cr_assert(godwit_address_equal(&f.burst.datagrams[1].from, &from));
	rx_release(&f.rx);
	cr_assert_eq(drops(DROP_port_udp_checksum), 1);
	cr_assert_eq(drops(DROP_port_ip_checksum), 1);
	cr_assert_eq(drops(DROP_port_short), 1);
	cr_assert_eq(drops(DROP_port_not_ip), 1);
	for (int i = DROP_port_short; i <= DROP_port_segments; i++)
		sum += drops((enum drop)i);
	cr_assert_eq(count(COUNTER_port_rx_packets), 2 + sum);
	cr_assert_eq(turn(), 0);
	cr_assert_eq(f.burst.count, 0);
}

Checked(wire, drops_packets_in_several_buffers, wires_down)
{
	struct rte_mbuf *head = rte_pktmbuf_alloc(f.pool), *tail = rte_pktmbuf_alloc(f.pool);
	uint8_t frame[2048];
	uint32_t bytes = udp_make(frame, "chained");

	memcpy(rte_pktmbuf_append(head, 42), frame, 42);
	memcpy(rte_pktmbuf_append(tail, (uint16_t)(bytes - 42)), frame + 42, bytes - 42);
	cr_assert_eq(rte_pktmbuf_chain(head, tail), 0);
	cr_assert_eq(rte_eth_tx_burst(f.other[0], 0, &head, 1), 1);
	cr_assert_eq(turn(), 1);
	cr_assert_eq(f.burst.count, 0);
	cr_assert_eq(drops(DROP_port_segments), 1);
}

Checked(wire, believes_hardware_that_verified, wires_down)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(f.pool);
	uint8_t frame[2048];
	uint32_t bytes = udp_make(frame, "verified");

	frame[25] ^= 1;
	frame[41] ^= 1;
	memcpy(rte_pktmbuf_append(mbuf, (uint16_t)bytes), frame, bytes);
	mbuf->ol_flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	cr_assert_eq(rte_eth_tx_burst(f.other[0], 0, &mbuf, 1), 1);
	cr_assert_eq(turn(), 1);
	cr_assert_eq(f.burst.count, 1);
	rx_release(&f.rx);
}

Checked(wire, takes_no_more_than_a_burst_and_starves_no_port, wires_down)
{
	uint8_t frame[2048];
	uint32_t bytes = udp_make(frame, "x");

	for (int i = 0; i < 2 * BURST_MAX; i++)
		other_send(0, frame, bytes);
	memcpy(frame, f.ports[1].net.mac, 6); // not for its address: a drop
	other_send(1, frame, bytes);
	cr_assert_eq(turn(), BURST_MAX);
	cr_assert_eq(f.burst.count, BURST_MAX);
	cr_assert_eq(drops(DROP_port_not_ours), 0);
	rx_release(&f.rx);
	cr_assert_eq(turn(), BURST_MAX);
	cr_assert_eq(drops(DROP_port_not_ours), 1);
	rx_release(&f.rx);
	cr_assert_eq(turn(), 1);
	rx_release(&f.rx);
}

// ---- tx ---------------------------------------------------------------------------------------

Checked(wire, asks_for_a_neighbour_and_then_sends, wires_down)
{
	struct route route = {.to = godwit_address_v4(PEER, 4000)};
	uint8_t frame[2048];
	uint32_t bytes;

	cr_assert_eq(datagram_send(&route, "hello", 5), TX_NO_ROUTE);
	cr_assert_eq(datagram_send(&route, "hello", 5), TX_NO_ROUTE);
	tx_burst(&f.tx);
	cr_assert_eq(other_receive(0, frame), 60);
	cr_assert_eq(frame[21], 1);
	cr_assert_arr_eq(frame + 38, godwit_be32(PEER).b, 4);
	cr_assert_eq(other_receive(0, frame), 0, "asked twice");
	cr_assert_eq(count(COUNTER_port_arp_asked), 1);

	arp_make(frame, &f.ports[0], 2, PEER, OURS);
	other_send(0, frame, 60);
	turn();
	cr_assert_eq(datagram_send(&route, "hello", 5), TX_OK);
	cr_assert_eq(tx_burst(&f.tx), 0);
	bytes = other_receive(0, frame);
	cr_assert_eq(bytes, 47);
	cr_assert(sums_are_right(frame, bytes));
	cr_assert_arr_eq(frame, peer_mac, 6);
	cr_assert_eq(memcmp(frame + 42, "hello", 5), 0);
}

Checked(wire, takes_the_sum_of_a_part_from_the_caller, wires_down)
{
	struct route route = {.to = godwit_address_v4(PEER, 4000)};
	uint8_t body[1000], frame[2048], *payload;
	uint32_t bytes;

	peer_learn(0, PEER, OURS);
	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (uint8_t)(i * 7 + 1);
	cr_assert_eq(f.to.begin(f.to.arg, &route, 1056, &payload), TX_OK);
	memset(payload, 0xa5, 56);
	memcpy(payload + 56, body, sizeof(body));
	f.to.end(f.to.arg, 1056, 56, tx_sum(body, sizeof(body)));
	tx_burst(&f.tx);
	bytes = other_receive(0, frame);
	cr_assert_eq(bytes, 42 + 1056);
	cr_assert(sums_are_right(frame, bytes));
}

Checked(wire, leaves_checksums_to_hardware_that_makes_them, wires_down)
{
	const uint64_t asked = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM |
			       RTE_MBUF_F_TX_UDP_CKSUM;
	struct route route = {.to = godwit_address_v4(PEER, 4000)};
	struct rte_mbuf *mbuf;

	peer_learn(0, PEER, OURS);
	f.tx.queues[0].checksums = NET_BY_HARDWARE;
	cr_assert_eq(datagram_send(&route, "hello", 5), TX_OK);
	tx_burst(&f.tx);
	cr_assert_eq(rte_eth_rx_burst(f.other[0], 0, &mbuf, 1), 1);
	cr_assert_eq(mbuf->ol_flags & asked, asked);
	cr_assert_eq(mbuf->l2_len, 14);
	cr_assert_eq(mbuf->l3_len, 20);
	// By DPDK's own function: what the hardware has to find there.
	cr_assert_eq(rte_pktmbuf_mtod_offset(mbuf, struct rte_udp_hdr *, 34)->dgram_cksum,
		     rte_ipv4_phdr_cksum(rte_pktmbuf_mtod_offset(mbuf, struct rte_ipv4_hdr *, 14),
					 mbuf->ol_flags));
	rte_pktmbuf_free(mbuf);
}

Checked(wire, loses_nothing_when_the_queue_is_full, wires_down)
{
	struct route route = {.to = godwit_address_v4(PEER, 4000)};
	uint32_t sent = 0, received = 0, full = 0;
	uint8_t frame[2048];

	peer_learn(0, PEER, OURS);
	while (sent < 2000) {
		enum tx_verdict verdict = datagram_send(&route, &sent, sizeof(sent));

		if (verdict == TX_OK) {
			sent++;
			continue;
		}
		cr_assert_eq(verdict, TX_FULL);
		full++;
		tx_burst(&f.tx);
		for (int i = 0; i < 100 && other_receive(0, frame) != 0; i++) {
			cr_assert_eq(memcmp(frame + 42, &received, 4), 0, "order");
			received++;
		}
	}
	for (;;) {
		tx_burst(&f.tx);
		if (other_receive(0, frame) == 0)
			break;
		cr_assert_eq(memcmp(frame + 42, &received, 4), 0, "order");
		received++;
	}
	cr_assert_eq(received, 2000);
	cr_assert_gt(full, 5);
	cr_assert_eq(drops(DROP_port_tx_full), 0);
	cr_assert_eq(count(COUNTER_port_tx_packets), 2001); // and an answer to ARP
}

Checked(wire, drops_answers_by_name_when_there_is_no_room, wires_down)
{
	struct route route = {.to = godwit_address_v4(PEER, 4000)};
	uint8_t frame[2048];
	uint64_t answered;

	peer_learn(0, PEER, OURS);
	while (datagram_send(&route, "x", 1) == TX_OK)
		;
	answered = count(COUNTER_port_arp);
	arp_make(frame, &f.ports[0], 1, PEER, OURS);
	for (int i = 0; i < 40; i++)
		other_send(0, frame, 60);
	cr_assert_eq(turn(), 32);
	cr_assert_eq(turn(), 8);
	cr_assert_eq(count(COUNTER_port_arp) - answered, TX_BATCH_MAX - TX_BATCH);
	cr_assert_eq(drops(DROP_port_tx_full), 40 - (TX_BATCH_MAX - TX_BATCH));
}

Checked(wire, is_full_without_buffers_and_goes_on_when_they_come_back, wires_down)
{
	struct route route = {.to = godwit_address_v4(PEER, 4000)};
	struct rte_mbuf *taken[MBUFS + 1];
	uint32_t n = 0;

	peer_learn(0, PEER, OURS);
	while ((taken[n] = rte_pktmbuf_alloc(f.ports[0].pool)) != NULL)
		n++;
	cr_assert_eq(n, MBUFS);
	cr_assert_eq(datagram_send(&route, "x", 1), TX_FULL);
	rte_pktmbuf_free_bulk(taken, n);
	cr_assert_eq(datagram_send(&route, "x", 1), TX_OK);
}

Checked(wire, cancels, wires_down)
{
	struct route route = {.to = godwit_address_v4(PEER, 4000)};
	uint8_t frame[2048], *payload;

	peer_learn(0, PEER, OURS);
	for (int i = 0; i < 100; i++) {
		cr_assert_eq(f.to.begin(f.to.arg, &route, 100, &payload), TX_OK);
		f.to.cancel(f.to.arg);
	}
	cr_assert_eq(tx_burst(&f.tx), 0);
	cr_assert_eq(other_receive(0, frame), 0);
}

Checked(wire, sends_up_to_the_mtu, wires_down)
{
	static uint8_t bytes[1473];
	struct route route = {.to = godwit_address_v4(PEER, 4000)};
	uint8_t frame[2048];

	peer_learn(0, PEER, OURS);
	cr_assert_eq(datagram_send(&route, bytes, 1473), TX_NO_ROUTE);
	cr_assert_eq(datagram_send(&route, bytes, 1472), TX_OK);
	tx_burst(&f.tx);
	cr_assert_eq(other_receive(0, frame), 1514);
	cr_assert(sums_are_right(frame, 1514));
}

Checked(wire, chooses_the_port_by_the_link, wires_down)
{
	struct route first = {.to = godwit_address_v4(PEER, 4000)};
	struct route second = {.to = godwit_address_v4(PEER_2, 4000)};
	struct route far = {.to = godwit_address_v4(0x08080808, 4000)};
	uint8_t frame[2048];

	peer_learn(0, PEER, OURS);
	peer_learn(1, PEER_2, OURS_2);
	cr_assert_eq(datagram_send(&second, "two", 3), TX_OK);
	cr_assert_eq(datagram_send(&first, "one", 3), TX_OK);
	cr_assert_eq(datagram_send(&far, "far", 3), TX_NO_ROUTE);
	tx_burst(&f.tx);
	cr_assert_eq(other_receive(1, frame), 45);
	cr_assert_eq(memcmp(frame + 42, "two", 3), 0);
	cr_assert(sums_are_right(frame, 45));
	cr_assert_eq(other_receive(0, frame), 45);
	cr_assert_eq(memcmp(frame + 42, "one", 3), 0);
	cr_assert_eq(other_receive(0, frame), 0);
	cr_assert_eq(other_receive(1, frame), 0);
}
