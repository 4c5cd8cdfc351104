// SPDX-License-Identifier: BSD-3-Clause
//
// Any bytes as an Ethernet frame from a port. Each frame has exactly one end; a payload lies in its
// frame; only an answer changes the frame; and what we send back to who sent a datagram is, at its
// end, a datagram with the same payload.
//
//	input: kind of link, flags, time (8 bytes), the frame
//
// With a bit of the flags the checksums are mended first, so that what lies behind them is reached.
#include <string.h>

#include "dataplane/net.h"
#include "tests/fuzz/fuzz_program.h"

#define OURS	 0x0a000001u // 10.0.0.1
#define PORT	 5000
#define MTU	 1500
#define MEND	 0x10
#define LEARN	 0x20
#define HARDWARE 0x40

// Of external linkage, so that the reads that feed it are not left out.
extern uint64_t fuzz_sink;
uint64_t fuzz_sink;

static const uint8_t our_mac[6] = {0x02, 0, 0, 0, 0, 0x01};

// A checksum of [at, at + bytes) at `field`, over what `before` has summed up.
static void sum_set(uint8_t *at, uint32_t bytes, uint8_t *field, uint64_t before)
{
	uint16_t sum;

	memset(field, 0, 2);
	before += tx_sum(at, bytes);
	while (before > 0xffff)
		before = (before & 0xffff) + (before >> 16);
	sum = (uint16_t)~before;
	memcpy(field, &sum, sizeof(sum));
}

static void frame_mend(uint8_t *frame, uint32_t bytes)
{
	uint8_t *ip = frame + NET_ETHER_BYTES, *body;
	uint32_t header, total;

	if (bytes < NET_ETHER_BYTES + 20)
		return;
	header = (ip[0] & 15u) * 4;
	total = (uint32_t)(ip[2] << 8 | ip[3]);
	if (header < 20 || total < header || total > bytes - NET_ETHER_BYTES)
		return;
	sum_set(ip, header, ip + 10, 0);
	body = ip + header;
	if (ip[9] == 1 && total - header >= 8)
		sum_set(body, total - header, body + 2, 0);
	if (ip[9] == 17 && total - header >= 8) {
		uint32_t length = (uint32_t)(body[4] << 8 | body[5]);
		uint8_t pseudo[12] = {[9] = 17, [10] = body[4], [11] = body[5]};

		memcpy(pseudo, ip + 12, 8);
		if (length >= 8 && length <= total - header)
			sum_set(body, length, body + 6, tx_sum(pseudo, sizeof(pseudo)));
	}
}

// What was received, sent back to where it came from, and received there.
static void round_trip(struct net *net, const struct net_packet *packet, uint64_t now_ns)
{
	struct route route = {.to = packet->from};
	uint8_t frame[NET_HEADER_BYTES + 65536];
	struct net_packet back = {0};
	struct net peer;
	uint32_t ask;

	if (net_route(net, &route, now_ns, &ask) != NET_WAY_KNOWN)
		return;
	memcpy(frame, route.header, NET_HEADER_BYTES);
	memcpy(frame + NET_HEADER_BYTES, packet->payload, packet->bytes);
	net_finish(frame, packet->bytes, &route, tx_sum(packet->payload, packet->bytes),
		   NET_BY_SOFTWARE);
	// The other end, as far as receiving goes.
	peer = (struct net){.ip = godwit_address_ip4(&packet->from),
			    .mask = net->mask,
			    .udp_port = packet->from.port};
	memcpy(peer.mac, frame, 6);
	net_receive(&peer, frame, NET_HEADER_BYTES + packet->bytes, 0, now_ns, &back);
	REQUIRE(back.end == NET_DATAGRAM);
	REQUIRE(back.bytes == packet->bytes);
	REQUIRE(memcmp(back.payload, packet->payload, back.bytes) == 0);
	REQUIRE(godwit_address_ip4(&back.from) == OURS && back.from.port == PORT);
}

static void answer_require(const uint8_t *before, const uint8_t *frame, uint32_t bytes,
			   const struct net_packet *packet)
{
	REQUIRE(packet->counter == COUNTER_port_arp || packet->counter == COUNTER_port_icmp);
	REQUIRE(packet->bytes <= bytes && packet->bytes >= NET_ETHER_BYTES);
	REQUIRE(memcmp(frame, before + 6, 6) == 0);
	REQUIRE(memcmp(frame + 6, our_mac, 6) == 0);
	if (packet->counter == COUNTER_port_icmp) {
		const uint8_t *ip = frame + NET_ETHER_BYTES;
		uint32_t header = (ip[0] & 15u) * 4;

		REQUIRE(tx_sum(ip, header) == UINT16_MAX);
		REQUIRE(tx_sum(ip + header, packet->bytes - NET_ETHER_BYTES - header) ==
			UINT16_MAX);
	}
}

static void end_require(struct net *net, const uint8_t *before, const uint8_t *frame,
			uint32_t bytes, uint64_t now_ns, const struct net_packet *packet)
{
	const struct extent e = {frame, frame + bytes};

	switch (packet->end) {
	case NET_DROP:
		REQUIRE(packet->drop < DROPS);
		REQUIRE(strncmp(drop_infos[packet->drop].name, "port_", 5) == 0);
		break;
	case NET_DATAGRAM:
		fuzz_sink += extent_read(&e, packet->payload, packet->bytes);
		REQUIRE(packet->payload >= frame + NET_HEADER_BYTES);
		REQUIRE(godwit_address_is_v4(&packet->from) && packet->from.zero == 0);
		REQUIRE(packet->from.port != 0 && godwit_address_ip4(&packet->from) != OURS);
		round_trip(net, packet, now_ns);
		break;
	case NET_ANSWER:
		answer_require(before, frame, bytes, packet);
		return; // the one that changes the frame
	case NET_TAKEN:
		REQUIRE(packet->counter == COUNTER_port_arp);
		break;
	default:
		REQUIRE(!"one of the four ends");
	}
	REQUIRE(memcmp(before, frame, bytes) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t prefixes[] = {24, 8, 16, 30, 31, 32, 28, 25};
	struct program in = {data, data + size};
	struct net_config config = {.ip = OURS, .udp_port = PORT, .mtu = MTU};
	uint8_t kind = program_byte(&in), flags = program_byte(&in);
	uint64_t now_ns = program_u64(&in);
	struct net_packet packet;
	uint32_t bytes = (uint32_t)(in.end - in.at);
	uint8_t *frame, *before;
	struct net net;

	if (bytes > 65535)
		return 0;
	config.prefix_bits = prefixes[kind & 7];
	config.gateway = kind & 8 && config.prefix_bits < 31 ? OURS + 1 : 0;
	memcpy(config.mac, our_mac, sizeof(our_mac));
	if (config.prefix_bits == 8 || config.prefix_bits == 16)
		config.prefix_bits += kind >> 6; // sizes between, and seldom the large tables
	REQUIRE(net_create(&net, &config) == 0);
	// Of its own size, so that a sanitizer sees what lies behind it.
	frame = malloc(bytes ? bytes : 1);
	before = malloc(bytes ? bytes : 1);
	REQUIRE(frame && before);
	if (bytes > 0)
		memcpy(frame, in.at, bytes);
	if (flags & MEND)
		frame_mend(frame, bytes);
	if (flags & LEARN && bytes >= NET_ETHER_BYTES + 20)
		neighbours_learn(&net.neighbours,
				 (uint32_t)frame[26] << 24 | frame[27] << 16 | frame[28] << 8 |
					 frame[29],
				 0x020000000002ull, now_ns, true);
	memcpy(before, frame, bytes);
	memset(&packet, 0xee, sizeof(packet));
	net_receive(&net, frame, bytes,
		    flags & HARDWARE ? flags & (NET_IP_IS_GOOD | NET_UDP_IS_GOOD) : 0, now_ns,
		    &packet);
	end_require(&net, before, frame, bytes, now_ns, &packet);
	neighbours_sweep(&net.neighbours, now_ns);
	free(before);
	free(frame);
	net_destroy(&net);
	return 0;
}
