// SPDX-License-Identifier: BSD-3-Clause
//
// The swarm's frames. One queue pair; IPv4 and ARP only; checksums in software. Every address of the
// swarm is answered by ARP; servers are asked for in the name of client 0. What goes to a
// server whose hardware address is not known is dropped, where a kernel would keep it until it has the address.
// So the address is also taken from what a server sends: an answer is never dropped.
#include <errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <stdlib.h>

#include "tests/bench/swarm.h"

#define ETHER_BYTES 14u
#define IP_BYTES    20u
#define UDP_BYTES   8u
#define HEADERS	    (ETHER_BYTES + IP_BYTES + UDP_BYTES)
#define ARP_BYTES   28u
#define FRAME_MIN   60u
#define ASK_NS	    20000000ull
#define EAL_BYTES   (96ull << 20)
#define DEVICE_TEXT 128
#define DESCRIPTORS                                                                                \
	16384u // the way to so many clients is short: what it loses measures it, not the servers
#define MBUFS 4096u // they wait in the ring, not in these

static uint16_t read16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t read32(const uint8_t *at)
{
	return (uint32_t)read16(at) << 16 | read16(at + 2);
}

static void write16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void write32(uint8_t *at, uint32_t value)
{
	write16(at, value >> 16);
	write16(at + 2, value & 0xffff);
}

// ---- start and end ------------------------------------------------------------------------------

int swarm_port_open(struct swarm_port *port, const struct swarm_options *options)
{
	struct port_config config = {.driver = PORT_AF_PACKET,
				     .interface = options->interface,
				     .ip = options->address,
				     .prefix_bits = options->prefix_bits,
				     .udp_port = SWARM_PORT_FIRST,
				     .mtu = (uint16_t)options->mtu,
				     .queues = 1,
				     .descriptors = DESCRIPTORS,
				     .mbufs = MBUFS};
	struct eal_config eal = {.prefix = options->prefix,
				 .pages = EAL_PAGES_AUTO,
				 .cpu_count = 1,
				 .cpus = {options->cpu},
				 .vdev_count = 1,
				 .no_telemetry = true};
	struct eal_error error = {{0}};
	static char device[DEVICE_TEXT];
	int rc = port_check(&config, &error);

	port->options = options;
	port->last_ip = options->address + (options->clients - 1) / options->ports_each;
	if (rc == 0 && port_device(&config, 0, 1, device, sizeof(device)) != 0)
		rc = eal_fail(&error, EINVAL, "the interface's name is too long");
	eal.vdevs[0] = device;
	eal.memory_bytes = EAL_BYTES + port_bytes(&config, 1);
	if (rc == 0)
		rc = eal_start(&port->eal, &eal, &error);
	if (rc == 0)
		rc = port_open(&port->port, &config, 0, 1, &error);
	if (rc == 0)
		rc = port_start(&port->port, &error);
	if (rc != 0)
		fprintf(stderr, "swarm: %s\n", error.text);
	for (uint32_t i = 0; i < options->server_count; i++)
		port->peers[port->peer_count++].ip = godwit_address_ip4(&options->servers[i]);
	return rc;
}

void swarm_port_close(struct swarm_port *port)
{
	rte_pktmbuf_free_bulk(port->held, port->held_count);
	rte_pktmbuf_free_bulk(port->batch, port->pending);
	port->held_count = port->pending = 0;
	port_stop(&port->port);
	port_close(&port->port);
	eal_stop(&port->eal);
}

// ---- sending ------------------------------------------------------------------------------------

void swarm_port_flush(struct swarm_port *port)
{
	uint16_t sent;

	if (port->pending == 0)
		return;
	sent = rte_eth_tx_burst(port->port.id, 0, port->batch, (uint16_t)port->pending);
	port->sent += sent;
	port->full += port->pending - sent;
	// What the queue does not take is lost, as on a wire: the clients repeat.
	rte_pktmbuf_free_bulk(port->batch + sent, port->pending - sent);
	port->pending = 0;
}

static uint8_t *frame_begin(struct swarm_port *port, uint32_t bytes, struct rte_mbuf **mbuf)
{
	*mbuf = rte_pktmbuf_alloc(port->port.pool);
	if (*mbuf == NULL) {
		port->full++;
		return NULL;
	}
	(*mbuf)->data_len = (uint16_t)bytes;
	(*mbuf)->pkt_len = bytes;
	return rte_pktmbuf_mtod(*mbuf, uint8_t *);
}

static void frame_end(struct swarm_port *port, struct rte_mbuf *mbuf)
{
	port->batch[port->pending++] = mbuf;
	if (port->pending == SWARM_BURST)
		swarm_port_flush(port);
}

static void write_ether(const struct swarm_port *port, uint8_t *at, const uint8_t to[6],
			uint32_t type)
{
	memcpy(at, to, 6);
	memcpy(at + 6, port->port.net.mac, 6);
	write16(at + 12, type);
}

static void send_arp(struct swarm_port *port, uint32_t operation, uint32_t own,
		     const uint8_t to_mac[6], uint32_t to)
{
	static const uint8_t anybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	static const uint8_t form[6] = {0, 1, 8, 0, 6, 4};
	struct rte_mbuf *mbuf;
	uint8_t *at = frame_begin(port, FRAME_MIN, &mbuf);

	if (at == NULL)
		return;
	memset(at, 0, FRAME_MIN);
	write_ether(port, at, to_mac != NULL ? to_mac : anybody, 0x0806);
	at += ETHER_BYTES;
	memcpy(at, form, sizeof(form));
	write16(at + 6, operation);
	memcpy(at + 8, port->port.net.mac, 6);
	write32(at + 14, own);
	if (to_mac != NULL)
		memcpy(at + 18, to_mac, 6);
	write32(at + 24, to);
	frame_end(port, mbuf);
	port->arps++;
}

static struct swarm_peer *find_peer(struct swarm_port *port, uint32_t ip)
{
	for (uint32_t i = 0; i < port->peer_count; i++)
		if (port->peers[i].ip == ip)
			return &port->peers[i];
	if (port->peer_count == SWARM_SERVERS)
		return NULL;
	// One that a WELCOME or a TAKE named.
	port->peers[port->peer_count].ip = ip;
	return &port->peers[port->peer_count++];
}

static uint16_t fold(uint64_t sum)
{
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static void write_sum(uint8_t *at, uint64_t sum)
{
	uint16_t value = (uint16_t)~fold(sum);

	if (value == 0)
		value = 0xffff; // 0 says that there is none
	memcpy(at, &value, sizeof(value));
}

bool swarm_port_send(struct swarm_port *port, uint64_t now_ns, uint32_t client,
		     const struct godwit_address *to, const void *bytes, uint32_t length)
{
	struct swarm_peer *peer = find_peer(port, godwit_address_ip4(to));
	const struct swarm_options *options = port->options;
	uint8_t pseudo[12] = {0};
	struct rte_mbuf *mbuf;
	uint8_t *at, *ip, *udp;

	if (peer == NULL || !peer->is_known) {
		port->no_route++;
		if (peer != NULL && now_ns - peer->asked_ns >= ASK_NS) {
			peer->asked_ns = now_ns;
			send_arp(port, 1, options->address, NULL, peer->ip);
		}
		return false;
	}
	at = frame_begin(port, HEADERS + length, &mbuf);
	if (at == NULL)
		return false;
	write_ether(port, at, peer->mac, 0x0800);
	ip = at + ETHER_BYTES;
	memset(ip, 0, IP_BYTES);
	ip[0] = 0x45;
	write16(ip + 2, IP_BYTES + UDP_BYTES + length);
	ip[6] = 0x40; // do not fragment
	ip[8] = 64;
	ip[9] = 17;
	write32(ip + 12, options->address + client / options->ports_each);
	write32(ip + 16, peer->ip);
	write_sum(ip + 10, tx_sum(ip, IP_BYTES));
	udp = ip + IP_BYTES;
	write16(udp, SWARM_PORT_FIRST + client % options->ports_each);
	write16(udp + 2, to->port);
	write16(udp + 4, UDP_BYTES + length);
	write16(udp + 6, 0);
	memcpy(udp + UDP_BYTES, bytes, length);
	memcpy(pseudo, ip + 12, 8);
	pseudo[9] = 17;
	write16(pseudo + 10, UDP_BYTES + length);
	write_sum(udp + 6,
		  (uint64_t)tx_sum(pseudo, sizeof(pseudo)) + tx_sum(udp, UDP_BYTES + length));
	frame_end(port, mbuf);
	return true;
}

// ---- receiving ----------------------------------------------------------------------------------

static void learn(struct swarm_peer *peer, const uint8_t mac[6])
{
	if (peer == NULL)
		return;
	memcpy(peer->mac, mac, 6);
	peer->is_known = true;
}

static void take_arp(struct swarm_port *port, const uint8_t *at, uint32_t bytes)
{
	uint32_t operation, sender, target;

	if (bytes < ETHER_BYTES + ARP_BYTES)
		return;
	at += ETHER_BYTES;
	operation = read16(at + 6);
	sender = read32(at + 14);
	target = read32(at + 24);
	if (target < port->options->address || target > port->last_ip)
		return;
	learn(find_peer(port, sender), at + 8);
	if (operation == 1)
		send_arp(port, 2, target, at + 8, sender);
}

// False: it is not for one of our clients.
static bool take_ip(struct swarm_port *port, const uint8_t *frame, uint32_t bytes,
		    struct swarm_datagram *datagram)
{
	const struct swarm_options *options = port->options;
	const uint8_t *ip = frame + ETHER_BYTES, *udp = ip + IP_BYTES;
	uint32_t to, udp_port, length;
	struct swarm_peer *peer;
	uint64_t client;

	if (bytes < HEADERS || ip[0] != 0x45 || ip[9] != 17)
		return false;
	to = read32(ip + 16);
	udp_port = read16(udp + 2);
	length = read16(udp + 4);
	if (to < options->address || to > port->last_ip || udp_port < SWARM_PORT_FIRST ||
	    udp_port >= SWARM_PORT_FIRST + options->ports_each || length < UDP_BYTES ||
	    ETHER_BYTES + IP_BYTES + length > bytes)
		return false;
	client = (uint64_t)(to - options->address) * options->ports_each + udp_port -
		 SWARM_PORT_FIRST;
	if (client >= options->clients)
		return false;
	peer = find_peer(port, read32(ip + 12));
	if (peer != NULL && !peer->is_known)
		learn(peer, frame + 6);
	*datagram = (struct swarm_datagram){
		.client = (uint32_t)client,
		.from = godwit_address_v4(read32(ip + 12), read16(udp)),
		.bytes = udp + UDP_BYTES,
		.length = length - UDP_BYTES,
	};
	return true;
}

uint32_t swarm_port_receive(struct swarm_port *port, struct swarm_datagram *datagrams)
{
	uint32_t count = 0;

	rte_pktmbuf_free_bulk(port->held, port->held_count);
	port->held_count = rte_eth_rx_burst(port->port.id, 0, port->held, SWARM_BURST);
	port->received += port->held_count;
	for (uint32_t i = 0; i < port->held_count; i++) {
		const uint8_t *frame = rte_pktmbuf_mtod(port->held[i], uint8_t *);
		uint32_t bytes = port->held[i]->data_len;

		if (bytes >= ETHER_BYTES && read16(frame + 12) == 0x0806)
			take_arp(port, frame, bytes);
		else if (bytes >= ETHER_BYTES && read16(frame + 12) == 0x0800 &&
			 take_ip(port, frame, bytes, &datagrams[count]))
			count++;
		else
			port->unknown++;
	}
	return count;
}
