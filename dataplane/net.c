// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/net.h"

#include <errno.h>

#define TYPE_IP4 0x0800
#define TYPE_ARP 0x0806

#define IP_BYTES_MIN 20
#define IP_ICMP	     1
#define IP_UDP	     17
#define IP_FRAGMENT  0x3fff // more fragments, or an offset
#define IP_DONT	     0x4000
#define IP_TTL	     64
#define UDP_BYTES    8
#define ICMP_BYTES   8
#define ICMP_REQUEST 8
#define ICMP_REPLY   0
#define ARP_REQUEST  1
#define ARP_REPLY    2

// Frames lie at any alignment: arrays of bytes.
struct ether {
	uint8_t to[6], from[6];
	struct godwit_be16 type;
};

struct arp {
	struct godwit_be16 hardware, protocol;
	uint8_t hardware_bytes, protocol_bytes;
	struct godwit_be16 operation;
	uint8_t from_mac[6];
	struct godwit_be32 from_ip;
	uint8_t to_mac[6];
	struct godwit_be32 to_ip;
};

struct ip4 {
	uint8_t version, service;
	struct godwit_be16 total, id, fragment;
	uint8_t ttl, protocol;
	uint8_t checksum[2]; // memory order, as sums are
	struct godwit_be32 from, to;
};

struct udp {
	struct godwit_be16 from, to, bytes;
	uint8_t checksum[2];
};

struct icmp {
	uint8_t type, code;
	uint8_t checksum[2];
	uint8_t rest[4];
};

static_assert(sizeof(struct ether) == NET_ETHER_BYTES, "on the wire");
static_assert(sizeof(struct arp) == 28, "on the wire");
static_assert(sizeof(struct ip4) == IP_BYTES_MIN, "on the wire");
static_assert(sizeof(struct udp) == UDP_BYTES, "on the wire");
static_assert(sizeof(struct icmp) == ICMP_BYTES, "on the wire");
static_assert(sizeof(struct ether) + sizeof(struct ip4) + sizeof(struct udp) == NET_HEADER_BYTES,
	      "what a route's header holds");
static_assert(NET_HEADER_BYTES <= sizeof(((struct route *)NULL)->header), "fits a route");

static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

// ---- sums -------------------------------------------------------------------------------------

static uint16_t sum_fold(uint64_t sum)
{
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)((sum & UINT16_MAX) + (sum >> 16));
}

uint32_t tx_sum(const uint8_t *at, uint32_t bytes)
{
	uint64_t sum = 0;
	uint32_t whole = bytes / 4, word;

	// 2^16 is 1 modulo 2^16 - 1: words of 32 bits may be added, and folded in the end. The form
	// that compilers turn into vectors.
	for (uint32_t i = 0; i < whole; i++) {
		memcpy(&word, at + 4ul * i, sizeof(word));
		sum += word;
	}
	word = 0;
	memcpy(&word, at + 4ul * whole, bytes % 4);
	return sum_fold(sum + word);
}

// A number of 16 bits as it counts in a sum.
static uint64_t sum_of(uint32_t x)
{
	return __builtin_bswap16((uint16_t)x);
}

static void checksum_set(uint8_t at[2], uint16_t checksum)
{
	memcpy(at, &checksum, sizeof(checksum));
}

static uint16_t checksum_get(const uint8_t at[2])
{
	uint16_t checksum;

	memcpy(&checksum, at, sizeof(checksum));
	return checksum;
}

// What the pseudo header of UDP adds, but for the length.
static uint64_t sum_pseudo(const struct ip4 *ip)
{
	return (uint64_t)tx_sum(ip->from.b, 8) + sum_of(IP_UDP);
}

// ---- addresses --------------------------------------------------------------------------------

bool net_is_on_link(const struct net *net, uint32_t ip)
{
	return ((ip ^ net->ip) & net->mask) == 0;
}

// One host's address that something can be sent to: neither multicast, broadcast, loopback, nor the
// network itself.
static bool ip_is_host(const struct net *net, uint32_t ip)
{
	uint32_t host = ip & ~net->mask;
	uint32_t top = ip >> 24;

	if (top == 0 || top == 127 || top >= 224)
		return false;
	// Links of one or two addresses (RFC 3021) have no broadcast.
	return net->mask >= 0xfffffffe || !net_is_on_link(net, ip) ||
	       (host != 0 && host != ~net->mask);
}

static uint64_t mac_get(const uint8_t mac[6])
{
	return (uint64_t)mac[0] << 40 | (uint64_t)mac[1] << 32 | (uint64_t)mac[2] << 24 |
	       (uint64_t)mac[3] << 16 | (uint64_t)mac[4] << 8 | mac[5];
}

static void mac_set(uint8_t mac[6], uint64_t hardware)
{
	for (int i = 0; i < 6; i++)
		mac[i] = (uint8_t)(hardware >> (40 - 8 * i));
}

static bool mac_is_host(const uint8_t mac[6])
{
	return (mac[0] & 1) == 0 && mac_get(mac) != 0;
}

int net_create(struct net *net, const struct net_config *config)
{
	*net = (struct net){
		.ip = config->ip,
		.gateway = config->gateway,
		.udp_port = config->udp_port,
		.mtu = config->mtu,
	};
	if (config->prefix_bits < 8 || config->prefix_bits > 32)
		return -EINVAL;
	net->mask = UINT32_MAX << (32 - config->prefix_bits);
	memcpy(net->mac, config->mac, sizeof(net->mac));
	if (!ip_is_host(net, net->ip))
		return -EINVAL;
	if (net->gateway != 0 && (!net_is_on_link(net, net->gateway) || net->gateway == net->ip ||
				  !ip_is_host(net, net->gateway)))
		return -EINVAL;
	return neighbours_create(&net->neighbours, config->prefix_bits);
}

void net_destroy(struct net *net)
{
	neighbours_destroy(&net->neighbours);
}

// ---- receiving --------------------------------------------------------------------------------

static void packet_drop(struct net_packet *packet, enum drop drop)
{
	packet->end = NET_DROP;
	packet->drop = drop;
}

// The frame goes back to where it came from.
static void packet_answer(struct net *net, struct ether *ether, uint32_t bytes,
			  enum counter counter, struct net_packet *packet)
{
	memcpy(ether->to, ether->from, 6);
	memcpy(ether->from, net->mac, 6);
	packet->end = NET_ANSWER;
	packet->counter = counter;
	packet->bytes = bytes;
}

static void arp_receive(struct net *net, struct ether *ether, uint32_t bytes, uint64_t now_ns,
			struct net_packet *packet)
{
	struct arp *arp = (struct arp *)(ether + 1);

	if (bytes < sizeof(*ether) + sizeof(*arp)) {
		packet_drop(packet, DROP_port_short);
		return;
	}

	uint32_t from = godwit_get32(arp->from_ip);
	uint16_t operation = godwit_get16(arp->operation);

	if (godwit_get16(arp->hardware) != 1 || godwit_get16(arp->protocol) != TYPE_IP4 ||
	    arp->hardware_bytes != 6 || arp->protocol_bytes != 4 ||
	    (operation != ARP_REQUEST && operation != ARP_REPLY) || !mac_is_host(arp->from_mac)) {
		packet_drop(packet, DROP_port_arp_bad);
		return;
	}
	if (godwit_get32(arp->to_ip) != net->ip) {
		packet_drop(packet, DROP_port_not_ours);
		return;
	}

	// Address 0 asks whether ours is taken: it is, but there is nobody to learn.
	bool is_probe = from == 0 && operation == ARP_REQUEST;

	if (!is_probe &&
	    (from == net->ip || !net_is_on_link(net, from) || !ip_is_host(net, from))) {
		packet_drop(packet, DROP_port_arp_bad);
		return;
	}
	// A reply that nobody asked for adds nothing.
	if (!is_probe && !neighbours_learn(&net->neighbours, from, mac_get(arp->from_mac), now_ns,
					   operation == ARP_REQUEST)) {
		packet_drop(packet, DROP_port_arp_full);
		return;
	}
	packet->end = NET_TAKEN;
	packet->counter = COUNTER_port_arp;
	if (operation == ARP_REPLY)
		return;
	arp->operation = godwit_be16(ARP_REPLY);
	memcpy(arp->to_mac, arp->from_mac, 6);
	arp->to_ip = arp->from_ip;
	memcpy(arp->from_mac, net->mac, 6);
	arp->from_ip = godwit_be32(net->ip);
	packet_answer(net, ether, bytes, COUNTER_port_arp, packet);
}

// ip: verified header; `at`, `bytes`: what it carries.
static void icmp_receive(struct net *net, struct ether *ether, struct ip4 *ip, uint8_t *at,
			 uint32_t bytes, struct net_packet *packet)
{
	struct icmp *icmp = (struct icmp *)at;

	if (bytes < sizeof(*icmp)) {
		packet_drop(packet, DROP_port_short);
		return;
	}
	if (icmp->type != ICMP_REQUEST || icmp->code != 0) {
		packet_drop(packet, DROP_port_not_udp);
		return;
	}
	if (tx_sum(at, bytes) != UINT16_MAX) {
		packet_drop(packet, DROP_port_icmp_checksum);
		return;
	}
	icmp->type = ICMP_REPLY;
	checksum_set(icmp->checksum, 0);
	checksum_set(icmp->checksum, (uint16_t)~tx_sum(at, bytes));

	struct godwit_be32 from = ip->from;
	uint32_t header_bytes = (ip->version & 15u) * 4;

	ip->from = ip->to;
	ip->to = from;
	ip->ttl = IP_TTL;
	checksum_set(ip->checksum, 0);
	checksum_set(ip->checksum, (uint16_t)~tx_sum((uint8_t *)ip, header_bytes));
	packet_answer(net, ether, NET_ETHER_BYTES + header_bytes + bytes, COUNTER_port_icmp,
		      packet);
}

static void udp_receive(const struct net *net, const struct ip4 *ip, const uint8_t *at,
			uint32_t bytes, uint32_t flags, struct net_packet *packet)
{
	const struct udp *udp = (const struct udp *)at;

	if (bytes < sizeof(*udp)) {
		packet_drop(packet, DROP_port_short);
		return;
	}

	uint32_t length = godwit_get16(udp->bytes);

	if (length < sizeof(*udp) || length > bytes) {
		packet_drop(packet, DROP_port_udp_length);
		return;
	}
	if (godwit_get16(udp->to) != net->udp_port) {
		packet_drop(packet, DROP_port_udp_port);
		return;
	}
	if (godwit_get16(udp->from) == 0) {
		packet_drop(packet, DROP_port_source);
		return;
	}
	// A checksum of 0: the sender made none.
	if (!(flags & NET_UDP_IS_GOOD) && checksum_get(udp->checksum) != 0 &&
	    sum_fold(sum_pseudo(ip) + sum_of(length) + tx_sum(at, length)) != UINT16_MAX) {
		packet_drop(packet, DROP_port_udp_checksum);
		return;
	}
	packet->end = NET_DATAGRAM;
	packet->payload = at + sizeof(*udp);
	packet->bytes = length - (uint32_t)sizeof(*udp);
	packet->from = godwit_address_v4(godwit_get32(ip->from), godwit_get16(udp->from));
}

static void ip_receive(struct net *net, struct ether *ether, uint32_t bytes, uint32_t flags,
		       struct net_packet *packet)
{
	struct ip4 *ip = (struct ip4 *)(ether + 1);

	bytes -= NET_ETHER_BYTES;
	if (bytes < sizeof(*ip)) {
		packet_drop(packet, DROP_port_short);
		return;
	}

	uint32_t header_bytes = (ip->version & 15u) * 4, total = godwit_get16(ip->total);
	uint32_t from = godwit_get32(ip->from);

	if (ip->version >> 4 != 4 || header_bytes < sizeof(*ip) || total < header_bytes)
		packet_drop(packet, DROP_port_ip_bad);
	else if (total > bytes) // more is Ethernet's padding
		packet_drop(packet, DROP_port_short);
	else if (!(flags & NET_IP_IS_GOOD) && tx_sum((uint8_t *)ip, header_bytes) != UINT16_MAX)
		packet_drop(packet, DROP_port_ip_checksum);
	else if (godwit_get32(ip->to) != net->ip)
		packet_drop(packet, DROP_port_not_ours);
	else if (from == net->ip || !ip_is_host(net, from))
		packet_drop(packet, DROP_port_source);
	else if ((godwit_get16(ip->fragment) & IP_FRAGMENT) != 0)
		packet_drop(packet, DROP_port_fragment);
	else if (ip->protocol == IP_UDP)
		udp_receive(net, ip, (uint8_t *)ip + header_bytes, total - header_bytes, flags,
			    packet);
	else if (ip->protocol == IP_ICMP)
		icmp_receive(net, ether, ip, (uint8_t *)ip + header_bytes, total - header_bytes,
			     packet);
	else
		packet_drop(packet, DROP_port_not_udp);
}

void net_receive(struct net *net, uint8_t *frame, uint32_t bytes, uint32_t flags, uint64_t now_ns,
		 struct net_packet *packet)
{
	struct ether *ether = (struct ether *)frame;

	if (bytes < sizeof(*ether)) {
		packet_drop(packet, DROP_port_short);
		return;
	}

	uint16_t type = godwit_get16(ether->type);
	bool is_ours = memcmp(ether->to, net->mac, 6) == 0;

	if (type != TYPE_ARP && type != TYPE_IP4)
		packet_drop(packet, DROP_port_not_ip);
	else if (!mac_is_host(ether->from) ||
		 (!is_ours && (type != TYPE_ARP || memcmp(ether->to, broadcast, 6) != 0)))
		packet_drop(packet, DROP_port_not_ours);
	else if (type == TYPE_ARP)
		arp_receive(net, ether, bytes, now_ns, packet);
	else
		ip_receive(net, ether, bytes, flags, packet);
}

// ---- sending ----------------------------------------------------------------------------------

bool net_reaches(const struct net *net, const struct godwit_address *to)
{
	return godwit_address_is_v4(to) &&
	       (net->gateway != 0 || net_is_on_link(net, godwit_address_ip4(to)));
}

// What goes before each payload: lengths and checksums are zero until net_finish.
static void route_build(const struct net *net, struct route *route)
{
	struct ether *ether = (struct ether *)route->header;
	struct ip4 *ip = (struct ip4 *)(ether + 1);
	struct udp *udp = (struct udp *)(ip + 1);

	mac_set(ether->to, route->hardware);
	memcpy(ether->from, net->mac, 6);
	ether->type = godwit_be16(TYPE_IP4);
	// Never fragmented, so the id says nothing (RFC 6864).
	*ip = (struct ip4){
		.version = 0x45,
		.fragment = godwit_be16(IP_DONT),
		.ttl = IP_TTL,
		.protocol = IP_UDP,
		.from = godwit_be32(net->ip),
		.to = godwit_be32(godwit_address_ip4(&route->to)),
	};
	*udp = (struct udp){
		.from = godwit_be16(net->udp_port),
		.to = godwit_be16(route->to.port),
	};
	route->ip_sum = (uint16_t)tx_sum((uint8_t *)ip, sizeof(*ip));
	route->sum = sum_fold(sum_pseudo(ip) + tx_sum((uint8_t *)udp, sizeof(*udp)));
}

// The next hop of a route, or 0.
static uint32_t route_hop(const struct net *net, const struct route *route)
{
	if (!godwit_address_is_v4(&route->to) || route->to.port == 0)
		return 0;

	uint32_t ip = godwit_address_ip4(&route->to);

	if (ip == net->ip || !ip_is_host(net, ip))
		return 0;
	return net_is_on_link(net, ip) ? ip : net->gateway;
}

enum net_way net_route(struct net *net, struct route *route, uint64_t now_ns, uint32_t *ask)
{
	bool is_asked;

	*ask = 0;
	if (route->neighbour == 0) {
		uint32_t hop = route_hop(net, route);

		if (hop == 0)
			return NET_WAY_NONE;

		uint32_t slot = neighbours_slot(&net->neighbours, hop);

		if (slot == NEIGHBOUR_NONE)
			return NET_WAY_FULL;
		route->neighbour = (uint16_t)(slot + 1);
	}

	uint64_t hardware =
		neighbours_get(&net->neighbours, route->neighbour - 1u, now_ns, &is_asked);

	if (is_asked)
		*ask = route_hop(net, route);
	if (hardware == 0)
		return NET_WAY_UNKNOWN;
	if (hardware != route->hardware) {
		route->hardware = hardware;
		route_build(net, route);
	}
	return NET_WAY_KNOWN;
}

void net_arp_request(const struct net *net, uint32_t ip, uint8_t frame[NET_ARP_BYTES])
{
	struct ether *ether = (struct ether *)frame;
	struct arp *arp = (struct arp *)(ether + 1);

	memset(frame, 0, NET_ARP_BYTES);
	memcpy(ether->to, broadcast, 6);
	memcpy(ether->from, net->mac, 6);
	ether->type = godwit_be16(TYPE_ARP);
	arp->hardware = godwit_be16(1);
	arp->protocol = godwit_be16(TYPE_IP4);
	arp->hardware_bytes = 6;
	arp->protocol_bytes = 4;
	arp->operation = godwit_be16(ARP_REQUEST);
	memcpy(arp->from_mac, net->mac, 6);
	arp->from_ip = godwit_be32(net->ip);
	arp->to_ip = godwit_be32(ip);
}

void net_finish(uint8_t *frame, uint32_t bytes, const struct route *route, uint64_t body,
		enum net_checksums checksums)
{
	struct ip4 *ip = (struct ip4 *)(frame + NET_ETHER_BYTES);
	struct udp *udp = (struct udp *)(ip + 1);
	uint32_t length = bytes + UDP_BYTES;

	ip->total = godwit_be16((uint16_t)(length + IP_BYTES_MIN));
	udp->bytes = godwit_be16((uint16_t)length);
	if (checksums == NET_BY_HARDWARE) {
		// It adds to what it finds there: the pseudo header.
		checksum_set(udp->checksum, sum_fold(sum_pseudo(ip) + sum_of(length)));
		return;
	}
	// From sums, not from the bytes: those were just written, and reading them back would wait.
	checksum_set(ip->checksum,
		     (uint16_t)~sum_fold(route->ip_sum + sum_of(length + IP_BYTES_MIN)));

	// The length counts twice: in the header and in the pseudo header.
	uint16_t checksum = (uint16_t)~sum_fold((uint64_t)route->sum + 2 * sum_of(length) +
						(body & UINT32_MAX) + (body >> 32));

	// 0 would say that there is none.
	checksum_set(udp->checksum, checksum == 0 ? UINT16_MAX : checksum);
}
