// SPDX-License-Identifier: BSD-3-Clause
// Packets of a port as bytes, and their checksums. Frames are golden: made by another program.
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

#include "dataplane/net.h"
#include "net_frames.h"

#define S	1000000000ull
#define NOW	(1000 * S)
#define OURS	0x0a000001u // 10.0.0.1/24
#define PEER	0x0a000002u
#define GATEWAY 0x0a0000feu
#define FAR	0xc0a80105u

#define PEER_MAC 0x020000000002ull

struct fixture {
	struct net net;
	struct net_packet packet;
	uint8_t frame[2048];
};

static struct fixture f;

static const struct net_config config = {
	.ip = OURS,
	.prefix_bits = 24,
	.gateway = GATEWAY,
	.udp_port = 5000,
	.mtu = 1500,
	.mac = {0x02, 0, 0, 0, 0, 0x01},
};

static void up(void)
{
	cr_assert_eq(net_create(&f.net, &config), 0);
}

static void down(void)
{
	net_destroy(&f.net);
}

TestSuite(net, .init = up, .fini = down);
TestSuite(tx_sum);

// The definition, word by word.
static uint32_t naive_sum(const uint8_t *at, uint32_t bytes)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < bytes; i += 2) {
		sum += at[i] | (i + 1 < bytes ? at[i + 1] << 8 : 0);
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

static void put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

// Set the checksum of the IPv4 header anew.
static void ip_mend(uint8_t *frame)
{
	uint32_t header = (frame[14] & 15u) * 4;
	uint16_t sum;

	put16(frame + 24, 0);
	sum = (uint16_t)~naive_sum(frame + 14, header);
	memcpy(frame + 24, &sum, 2);
}

// ... and that of UDP, behind a header of 20 bytes.
static void udp_mend(uint8_t *frame)
{
	uint8_t all[2048] = {0};
	uint32_t bytes = (uint32_t)(frame[38] << 8 | frame[39]);
	uint16_t sum;

	put16(frame + 40, 0);
	memcpy(all, frame + 26, 8);
	all[9] = 17;
	put16(all + 10, (uint16_t)bytes);
	memcpy(all + 12, frame + 34, bytes);
	sum = (uint16_t)~naive_sum(all, 12 + bytes);
	memcpy(frame + 40, &sum, 2);
}

static void receive_flags(uint32_t bytes, uint32_t flags)
{
	memset(&f.packet, 0xee, sizeof(f.packet));
	net_receive(&f.net, f.frame, bytes, flags, NOW, &f.packet);
}

static void load(const uint8_t *frame, size_t bytes)
{
	memset(f.frame, 0, sizeof(f.frame));
	memcpy(f.frame, frame, bytes);
}

#define LOAD(frame) load(frame, sizeof(frame))

static void cr_drop(uint32_t bytes, enum drop drop)
{
	receive_flags(bytes, 0);
	cr_assert_eq(f.packet.end, NET_DROP, "%s: no drop", drop_infos[drop].name);
	cr_assert_eq(f.packet.drop, drop, "%s, not %s", drop_infos[f.packet.drop].name,
		     drop_infos[drop].name);
}

static struct route route_to(uint32_t ip)
{
	return (struct route){.to = godwit_address_v4(ip, 4000)};
}

static void learn_peer(void)
{
	LOAD(arp_request);
	receive_flags(sizeof(arp_request), 0);
}

// ---- sums -------------------------------------------------------------------------------------

Test(tx_sum, equals_the_definition_at_every_length_and_alignment)
{
	static uint8_t bytes[9100];

	srand(1);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)rand();
	for (uint32_t length = 0; length < 300; length++)
		for (uint32_t at = 0; at < 9; at++)
			cr_assert_eq(tx_sum(bytes + at, length), naive_sum(bytes + at, length),
				     "%u bytes at %u", length, at);
	for (uint32_t length = 300; length < 9000; length += 37)
		cr_assert_eq(tx_sum(bytes + length % 8, length),
			     naive_sum(bytes + length % 8, length));
}

Test(tx_sum, keeps_its_carries)
{
	static uint8_t bytes[65536];

	memset(bytes, 0xff, sizeof(bytes));
	cr_assert_eq(tx_sum(bytes, sizeof(bytes)), 0xffff);
	cr_assert_eq(tx_sum(bytes, 65535), naive_sum(bytes, 65535));
	memset(bytes, 0, sizeof(bytes));
	cr_assert_eq(tx_sum(bytes, sizeof(bytes)), 0);
}

// ---- receiving UDP ----------------------------------------------------------------------------

Test(net, takes_a_datagram)
{
	struct godwit_address from = godwit_address_v4(PEER, 4000);

	LOAD(udp);
	receive_flags(sizeof(udp), 0);
	cr_assert_eq(f.packet.end, NET_DATAGRAM);
	cr_assert_eq(f.packet.payload, f.frame + 42);
	cr_assert_eq(f.packet.bytes, 13);
	cr_assert_eq(memcmp(f.packet.payload, "hello, godwit", 13), 0);
	cr_assert(godwit_address_equal(&f.packet.from, &from));
}

Test(net, ignores_padding_behind_a_datagram)
{
	LOAD(udp);
	memset(f.frame + sizeof(udp), 0xaa, 30);
	receive_flags(sizeof(udp) + 30, 0);
	cr_assert_eq(f.packet.end, NET_DATAGRAM);
	cr_assert_eq(f.packet.bytes, 13);
}

Test(net, takes_a_datagram_behind_ip_options)
{
	LOAD(udp);
	memmove(f.frame + 38, f.frame + 34, sizeof(udp) - 34);
	memset(f.frame + 34, 1, 4); // no-operation
	f.frame[14] = 0x46;
	put16(f.frame + 16, (uint16_t)(sizeof(udp) - 14 + 4));
	ip_mend(f.frame);
	receive_flags(sizeof(udp) + 4, 0);
	cr_assert_eq(f.packet.end, NET_DATAGRAM);
	cr_assert_eq(f.packet.payload, f.frame + 46);
	cr_assert_eq(f.packet.bytes, 13);
}

Test(net, takes_an_empty_datagram_and_one_without_checksum)
{
	LOAD(udp);
	put16(f.frame + 16, 28);
	put16(f.frame + 38, 8);
	ip_mend(f.frame);
	udp_mend(f.frame);
	receive_flags(60, 0);
	cr_assert_eq(f.packet.end, NET_DATAGRAM);
	cr_assert_eq(f.packet.bytes, 0);

	LOAD(udp);
	put16(f.frame + 40, 0);
	receive_flags(sizeof(udp), 0);
	cr_assert_eq(f.packet.end, NET_DATAGRAM);
}

Test(net, refuses_each_wrong_bit_of_a_datagram_or_reads_it_as_another)
{
	uint32_t taken = 0;

	// Every bit is under a checksum or is checked, but for the sender's hardware address.
	for (size_t bit = 0; bit < sizeof(udp) * 8; bit++) {
		LOAD(udp);
		f.frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
		receive_flags(sizeof(udp), 0);
		if (f.packet.end == NET_DROP)
			continue;
		cr_assert(bit / 8 >= 6 && bit / 8 < 12, "bit %zu", bit);
		taken++;
	}
	cr_assert_eq(taken, 47); // all but the bit that makes it multicast
}

Test(net, trusts_hardware_only_for_what_it_verified)
{
	LOAD(udp);
	f.frame[24] ^= 1;
	f.frame[50] ^= 1;
	cr_drop(sizeof(udp), DROP_port_ip_checksum);
	receive_flags(sizeof(udp), NET_IP_IS_GOOD);
	cr_assert_eq(f.packet.drop, DROP_port_udp_checksum);
	receive_flags(sizeof(udp), NET_UDP_IS_GOOD);
	cr_assert_eq(f.packet.drop, DROP_port_ip_checksum);
	receive_flags(sizeof(udp), NET_IP_IS_GOOD | NET_UDP_IS_GOOD);
	cr_assert_eq(f.packet.end, NET_DATAGRAM);
}

// ---- drops ------------------------------------------------------------------------------------

Test(net, drops_what_is_shorter_than_it_says_at_every_length)
{
	for (uint32_t bytes = 0; bytes < sizeof(udp); bytes++) {
		LOAD(udp);
		cr_drop(bytes, DROP_port_short);
	}
	for (uint32_t bytes = 14; bytes < sizeof(arp_request); bytes++) {
		LOAD(arp_request);
		cr_drop(bytes, DROP_port_short);
	}
	for (uint32_t bytes = 14; bytes < sizeof(ping); bytes++) {
		LOAD(ping);
		cr_drop(bytes, DROP_port_short);
	}
	// An IP packet without room for UDP, or ICMP.
	LOAD(udp);
	put16(f.frame + 16, 27);
	ip_mend(f.frame);
	cr_drop(sizeof(udp), DROP_port_short);
	f.frame[23] = 1;
	ip_mend(f.frame);
	cr_drop(sizeof(udp), DROP_port_short);
}

Test(net, drops_other_families)
{
	LOAD(udp);
	put16(f.frame + 12, 0x86dd);
	cr_drop(sizeof(udp), DROP_port_not_ip);
	put16(f.frame + 12, 0x8100);
	cr_drop(sizeof(udp), DROP_port_not_ip);
}

Test(net, drops_what_is_for_others)
{
	LOAD(udp);
	f.frame[5] = 9;
	cr_drop(sizeof(udp), DROP_port_not_ours);
	memset(f.frame, 0xff, 6); // broadcast is for ARP alone
	cr_drop(sizeof(udp), DROP_port_not_ours);
	LOAD(udp);
	f.frame[33] = 77; // 10.0.0.77
	ip_mend(f.frame);
	cr_drop(sizeof(udp), DROP_port_not_ours);
	LOAD(arp_request);
	f.frame[41] = 77;
	cr_drop(sizeof(arp_request), DROP_port_not_ours);
}

Test(net, drops_sources_that_cannot_be_answered)
{
	static const uint32_t sources[] = {0,	       0x7f000001, 0xe0000001, 0xffffffff,
					   0x0a0000ff, 0x0a000000, OURS};

	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		struct godwit_be32 from = godwit_be32(sources[i]);

		LOAD(udp);
		memcpy(f.frame + 26, from.b, 4);
		ip_mend(f.frame);
		udp_mend(f.frame);
		cr_drop(sizeof(udp), DROP_port_source);
	}
	LOAD(udp);
	put16(f.frame + 34, 0);
	udp_mend(f.frame);
	cr_drop(sizeof(udp), DROP_port_source);
}

Test(net, drops_senseless_headers_and_fragments)
{
	static const uint8_t versions[] = {0x65, 0x44, 0x40, 0x05};

	for (size_t i = 0; i < sizeof(versions); i++) {
		LOAD(udp);
		f.frame[14] = versions[i];
		ip_mend(f.frame);
		cr_drop(sizeof(udp), DROP_port_ip_bad);
	}
	LOAD(udp);
	put16(f.frame + 16, 19);
	ip_mend(f.frame);
	cr_drop(sizeof(udp), DROP_port_ip_bad);
	LOAD(udp);
	put16(f.frame + 20, 0x2000); // the first of several
	ip_mend(f.frame);
	cr_drop(sizeof(udp), DROP_port_fragment);
	put16(f.frame + 20, 1); // a later one
	ip_mend(f.frame);
	cr_drop(sizeof(udp), DROP_port_fragment);
}

Test(net, drops_wrong_udp)
{
	LOAD(udp);
	f.frame[45] ^= 0x10;
	cr_drop(sizeof(udp), DROP_port_udp_checksum);
	LOAD(udp);
	put16(f.frame + 38, 7);
	udp_mend(f.frame);
	cr_drop(sizeof(udp), DROP_port_udp_length);
	put16(f.frame + 38, (uint16_t)(sizeof(udp) - 34 + 1));
	cr_drop(sizeof(udp), DROP_port_udp_length);
	LOAD(udp);
	put16(f.frame + 36, 5001);
	udp_mend(f.frame);
	cr_drop(sizeof(udp), DROP_port_udp_port);
	LOAD(udp);
	f.frame[23] = 6; // TCP
	ip_mend(f.frame);
	cr_drop(sizeof(udp), DROP_port_not_udp);
}

// ---- ICMP -------------------------------------------------------------------------------------

Test(net, answers_an_echo_request_in_place)
{
	LOAD(ping);
	receive_flags(sizeof(ping) + 5, 0); // padded
	cr_assert_eq(f.packet.end, NET_ANSWER);
	cr_assert_eq(f.packet.counter, COUNTER_port_icmp);
	cr_assert_eq(f.packet.bytes, sizeof(pong));
	// Its identification is the asker's.
	cr_assert_arr_eq(f.frame, pong, sizeof(pong));
}

Test(net, drops_other_icmp)
{
	LOAD(ping);
	f.frame[45] ^= 1;
	cr_drop(sizeof(ping), DROP_port_icmp_checksum);
	LOAD(pong);
	memcpy(f.frame, udp, 12);
	memcpy(f.frame + 26, udp + 26, 8);
	ip_mend(f.frame);
	cr_drop(sizeof(pong), DROP_port_not_udp);
}

// ---- ARP --------------------------------------------------------------------------------------

Test(net, answers_arp_and_learns_who_asked)
{
	struct route route = route_to(PEER);
	uint32_t ask;

	LOAD(arp_request);
	receive_flags(sizeof(arp_request), 0);
	cr_assert_eq(f.packet.end, NET_ANSWER);
	cr_assert_eq(f.packet.counter, COUNTER_port_arp);
	cr_assert_eq(f.packet.bytes, sizeof(arp_reply));
	cr_assert_arr_eq(f.frame, arp_reply, sizeof(arp_reply));
	cr_assert_eq(net_route(&f.net, &route, NOW, &ask), NET_WAY_KNOWN);
	cr_assert_eq(ask, 0);
	cr_assert_eq(route.hardware, PEER_MAC);
}

Test(net, asks_and_learns_from_the_answer)
{
	struct route route = route_to(PEER);
	uint8_t frame[NET_ARP_BYTES];
	uint32_t ask;

	cr_assert_eq(net_route(&f.net, &route, NOW, &ask), NET_WAY_UNKNOWN);
	cr_assert_eq(ask, PEER);
	net_arp_request(&f.net, ask, frame);
	cr_assert_arr_eq(frame, arp_ask, sizeof(arp_ask));
	cr_assert_eq(net_route(&f.net, &route, NOW + S / 2, &ask), NET_WAY_UNKNOWN);
	cr_assert_eq(ask, 0, "asked twice within a second");

	LOAD(arp_answer);
	receive_flags(sizeof(arp_answer), 0);
	cr_assert_eq(f.packet.end, NET_TAKEN);
	cr_assert_eq(f.packet.counter, COUNTER_port_arp);
	cr_assert_eq(net_route(&f.net, &route, NOW + S / 2, &ask), NET_WAY_KNOWN);
}

Test(net, learns_nothing_from_an_answer_that_nobody_asked_for)
{
	struct route route = route_to(PEER);
	uint32_t ask;

	LOAD(arp_answer);
	receive_flags(sizeof(arp_answer), 0);
	cr_assert_eq(f.packet.end, NET_TAKEN);
	cr_assert_eq(net_route(&f.net, &route, NOW, &ask), NET_WAY_UNKNOWN);
	cr_assert_eq(ask, PEER);
}

Test(net, answers_a_probe_and_learns_nothing)
{
	LOAD(arp_request);
	memset(f.frame + 28, 0, 4);
	receive_flags(sizeof(arp_request), 0);
	cr_assert_eq(f.packet.end, NET_ANSWER);
	for (uint32_t i = 0; i <= f.net.neighbours.mask; i++)
		cr_assert_eq(f.net.neighbours.slots[i].ip, 0);
}

Test(net, drops_senseless_and_spoofed_arp)
{
	static const struct {
		uint32_t at;
		uint8_t value;
	} wrongs[] = {
		{15, 2},    // not Ethernet
		{16, 9},    // not IPv4
		{18, 8},    // long hardware addresses
		{19, 6},    // long protocol addresses
		{21, 3},    // neither request nor reply
		{22, 0x03}, // from a multicast address
		{28, 11},   // 11.0.0.2: off the link
		{31, 1},    // our own address
		{31, 0xff}, // broadcast
		{31, 0},    // the network
	};

	for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
		LOAD(arp_request);
		f.frame[wrongs[i].at] = wrongs[i].value;
		cr_drop(sizeof(arp_request), DROP_port_arp_bad);
	}
	LOAD(arp_request);
	memset(f.frame + 22, 0, 6);
	cr_drop(sizeof(arp_request), DROP_port_arp_bad);
	for (uint32_t i = 0; i <= f.net.neighbours.mask; i++)
		cr_assert_eq(f.net.neighbours.slots[i].ip, 0);
}

Test(net, says_so_when_the_neighbours_are_full)
{
	struct net_config wide = config;
	struct route route;
	uint32_t ask;

	wide.prefix_bits = 8;
	net_destroy(&f.net);
	cr_assert_eq(net_create(&f.net, &wide), 0);
	// Addresses with equal low bits share their slots.
	for (uint32_t i = 0; i < NEIGHBOUR_PROBES; i++) {
		route = route_to(0x0a000100 + i * NEIGHBOUR_SLOTS_MAX);
		cr_assert_eq(net_route(&f.net, &route, NOW, &ask), NET_WAY_UNKNOWN);
	}
	route = route_to(0x0a000100 + NEIGHBOUR_PROBES * NEIGHBOUR_SLOTS_MAX);
	cr_assert_eq(net_route(&f.net, &route, NOW, &ask), NET_WAY_FULL);
	cr_assert_eq(ask, 0);
	LOAD(arp_request);
	memcpy(f.frame + 28, godwit_be32(0x0a000100 + 20 * NEIGHBOUR_SLOTS_MAX).b, 4);
	cr_drop(sizeof(arp_request), DROP_port_arp_full);
}

// ---- routes -----------------------------------------------------------------------------------

Test(net, finishes_a_datagram_as_golden)
{
	struct route route = route_to(PEER);
	uint32_t ask;

	learn_peer();
	cr_assert_eq(net_route(&f.net, &route, NOW, &ask), NET_WAY_KNOWN);
	memset(f.frame, 0xee, sizeof(f.frame));
	memcpy(f.frame, route.header, NET_HEADER_BYTES);
	memcpy(f.frame + 42, "hello, client", 13);
	net_finish(f.frame, 13, &route, tx_sum(f.frame + 42, 13), NET_BY_SOFTWARE);
	cr_assert_arr_eq(f.frame, udp_sent, sizeof(udp_sent));
}

Test(net, template_and_body_sum_make_the_whole_checksum_at_every_length)
{
	struct route route = route_to(PEER);
	uint8_t *payload = f.frame + 42;
	uint32_t ask;

	learn_peer();
	cr_assert_eq(net_route(&f.net, &route, NOW, &ask), NET_WAY_KNOWN);
	srand(2);
	for (uint32_t bytes = 0; bytes <= 1472; bytes++) {
		uint16_t made;
		uint64_t body;

		for (uint32_t i = 0; i < bytes; i++)
			payload[i] = (uint8_t)rand();
		memcpy(f.frame, route.header, NET_HEADER_BYTES);
		// A body whose sum is in parts, one of them not folded.
		body = bytes < 64 ? tx_sum(payload, bytes) :
				    (uint64_t)tx_sum(payload, 64) +
					    tx_sum(payload + 64, bytes - 64) + 5ull * UINT16_MAX;
		net_finish(f.frame, bytes, &route, body, NET_BY_SOFTWARE);
		memcpy(&made, f.frame + 40, 2);
		udp_mend(f.frame);
		cr_assert_eq(memcmp(&made, f.frame + 40, 2), 0, "%u bytes", bytes);
		cr_assert_eq(naive_sum(f.frame + 14, 20), 0xffff, "%u bytes", bytes);
	}
}

Test(net, never_sends_a_checksum_of_zero)
{
	struct route route = route_to(PEER);
	uint16_t made, rest;
	uint32_t ask;

	learn_peer();
	cr_assert_eq(net_route(&f.net, &route, NOW, &ask), NET_WAY_KNOWN);
	memcpy(f.frame, route.header, NET_HEADER_BYTES);
	memset(f.frame + 42, 0, 2);
	net_finish(f.frame, 2, &route, 0, NET_BY_SOFTWARE);
	memcpy(&rest, f.frame + 40, 2);
	memcpy(f.frame + 42, &rest, 2); // the payload that makes the sum 0xffff
	net_finish(f.frame, 2, &route, rest, NET_BY_SOFTWARE);
	memcpy(&made, f.frame + 40, 2);
	cr_assert_eq(made, 0xffff);
}

Test(net, leaves_to_hardware_the_pseudo_header)
{
	struct route route = route_to(PEER);
	uint8_t pseudo[12] = {0};
	uint16_t made;
	uint32_t ask;

	learn_peer();
	cr_assert_eq(net_route(&f.net, &route, NOW, &ask), NET_WAY_KNOWN);
	memcpy(f.frame, route.header, NET_HEADER_BYTES);
	net_finish(f.frame, 100, &route, 12345, NET_BY_HARDWARE);
	memcpy(pseudo, f.frame + 26, 8);
	pseudo[9] = 17;
	pseudo[11] = 108;
	memcpy(&made, f.frame + 40, 2);
	cr_assert_eq(made, naive_sum(pseudo, 12));
	memcpy(&made, f.frame + 24, 2);
	cr_assert_eq(made, 0);
	cr_assert_eq(f.frame[17], 128);
}

Test(net, goes_by_the_gateway_off_the_link)
{
	struct route route = route_to(FAR);
	uint32_t ask;

	cr_assert_eq(net_route(&f.net, &route, NOW, &ask), NET_WAY_UNKNOWN);
	cr_assert_eq(ask, GATEWAY);
	cr_assert(neighbours_learn(&f.net.neighbours, GATEWAY, 0x0200000000feull, NOW, false));
	cr_assert_eq(net_route(&f.net, &route, NOW, &ask), NET_WAY_KNOWN);
	cr_assert_eq(route.header[5], 0xfe);
	cr_assert_eq(route.header[30], 192);

	struct net_config alone = config;

	alone.gateway = 0;
	net_destroy(&f.net);
	cr_assert_eq(net_create(&f.net, &alone), 0);
	route = route_to(FAR);
	cr_assert_not(net_reaches(&f.net, &route.to));
	cr_assert_eq(net_route(&f.net, &route, NOW, &ask), NET_WAY_NONE);
}

Test(net, has_no_route_to_what_is_no_host)
{
	static const uint32_t to[] = {0, OURS, 0x0a0000ff, 0x0a000000, 0xe0000001, 0x7f000001};
	struct route route;
	uint32_t ask;

	for (size_t i = 0; i < sizeof(to) / sizeof(to[0]); i++) {
		route = route_to(to[i]);
		cr_assert_eq(net_route(&f.net, &route, NOW, &ask), NET_WAY_NONE, "%zu", i);
		cr_assert_eq(ask, 0);
	}
	route = (struct route){.to = {.ip = {0xfd, [15] = 1}, .port = 4000}};
	cr_assert_eq(net_route(&f.net, &route, NOW, &ask), NET_WAY_NONE);
	route = (struct route){.to = godwit_address_v4(PEER, 0)};
	cr_assert_eq(net_route(&f.net, &route, NOW, &ask), NET_WAY_NONE);
}

Test(net, builds_the_header_anew_when_the_neighbour_changes)
{
	struct route route = route_to(PEER);
	uint32_t ask;

	learn_peer();
	cr_assert_eq(net_route(&f.net, &route, NOW, &ask), NET_WAY_KNOWN);
	cr_assert_eq(route.header[5], 2);
	cr_assert(neighbours_learn(&f.net.neighbours, PEER, 0x020000000077ull, NOW, false));
	cr_assert_eq(net_route(&f.net, &route, NOW, &ask), NET_WAY_KNOWN);
	cr_assert_eq(route.header[5], 0x77);
}

Test(net, refuses_addresses_that_cannot_be)
{
	struct net_config bad = config;
	struct net net;

	bad.gateway = FAR;
	cr_assert_eq(net_create(&net, &bad), -EINVAL);
	bad.gateway = OURS;
	cr_assert_eq(net_create(&net, &bad), -EINVAL);
	bad = config;
	bad.ip = 0x0a0000ff;
	cr_assert_eq(net_create(&net, &bad), -EINVAL);
	bad.ip = 0xe0000001;
	cr_assert_eq(net_create(&net, &bad), -EINVAL);
	bad = config;
	bad.prefix_bits = 7;
	cr_assert_eq(net_create(&net, &bad), -EINVAL);
	// Two hosts with nothing between them.
	bad.prefix_bits = 31;
	bad.ip = 0x0a000000;
	bad.gateway = 0x0a000001;
	cr_assert_eq(net_create(&net, &bad), 0);
	net_destroy(&net);
}
