// SPDX-License-Identifier: BSD-3-Clause
//
// Packets of a port as bytes: Ethernet, ARP, IPv4, ICMP echo and UDP. No I/O and no clock.
//
//   frame --net_receive--> datagram (its payload), answer (the frame was rewritten: send it back),
//                          taken (nothing more to do) or a named drop
//   payload + route --net_finish--> frame
//
// Every frame ends in exactly one of the four. IPv4 only; other families are a drop, and no route.
// Only who is on the link is learned, and only from ARP that is meant for us: requests for our
// address, and replies of whom we asked. An address off the link goes to the gateway.
// Sums are ones-complement sums of 16-bit words in memory order (RFC 1071).
// Threads: any; `struct net` is read-only but for its neighbours. Time is monotonic ns.
#ifndef DATAPLANE_NET_H
#define DATAPLANE_NET_H

#include "dataplane/counters.h"
#include "dataplane/neighbours.h"
#include "dataplane/tx.h"

#define NET_PORTS_MAX	 8
#define NET_HEADER_BYTES 42 // Ethernet + IPv4 + UDP, before each payload that we send
#define NET_ETHER_BYTES	 14
#define NET_ARP_BYTES	 60 // with Ethernet's padding
#define NET_OVERHEAD	 28 // IPv4 + UDP: what an MTU loses before a payload begins

// The addresses of a port.
struct net {
	// set at start, then read-only
	uint32_t ip, mask; // host order
	uint32_t gateway;  // host order, 0: none
	uint16_t udp_port;
	uint16_t mtu;
	uint8_t mac[6];
	struct neighbours neighbours;
};

struct net_config {
	uint32_t ip, prefix_bits, gateway; // as in struct net; prefix_bits 8 to 32
	uint16_t udp_port, mtu;
	uint8_t mac[6];
};

enum net_end {
	NET_DROP,
	NET_DATAGRAM,
	NET_ANSWER,
	NET_TAKEN
};

// What the hardware found out about a frame.
#define NET_IP_IS_GOOD	(1u << 0) // the IPv4 header's checksum was verified
#define NET_UDP_IS_GOOD (1u << 1) // the UDP checksum was verified

struct net_packet {
	enum net_end end;
	enum drop drop;		    // NET_DROP
	enum counter counter;	    // NET_ANSWER, NET_TAKEN: what to count
	const uint8_t *payload;	    // NET_DATAGRAM
	uint32_t bytes;		    // of the payload, or of the frame to send back
	struct godwit_address from; // NET_DATAGRAM
};

enum net_way {
	NET_WAY_KNOWN,	 // route->header is ready
	NET_WAY_UNKNOWN, // the neighbour does not answer, so far
	NET_WAY_NONE,	 // off the link without a gateway, IPv6, or not one host's address
	NET_WAY_FULL,	 // no slot for the neighbour
};

// 0, -EINVAL (a gateway off the link, or our own address is not one of a host) or -ENOMEM.
// Thread: control.
int net_create(struct net *net, const struct net_config *config);
void net_destroy(struct net *net);

bool net_is_on_link(const struct net *net, uint32_t ip);
// Would a datagram to `to` leave by this port?
bool net_reaches(const struct net *net, const struct godwit_address *to);

// Deal with one received frame, contiguous and writable. flags: NET_*_IS_GOOD.
void net_receive(struct net *net, uint8_t *frame, uint32_t bytes, uint32_t flags, uint64_t now_ns,
		 struct net_packet *packet);

// Bring route->header, sum, neighbour and hardware up to date. *ask: the address for which a request
// is to be sent now, or 0; it may be set beside any result.
enum net_way net_route(struct net *net, struct route *route, uint64_t now_ns, uint32_t *ask);

// A request for `ip` as a whole frame of NET_ARP_BYTES.
void net_arp_request(const struct net *net, uint32_t ip, uint8_t frame[NET_ARP_BYTES]);

// Who fills in the checksums of IPv4 and UDP.
enum net_checksums {
	NET_BY_SOFTWARE,
	NET_BY_HARDWARE
};

// Complete a frame whose first bytes are route->header and which holds `bytes` of payload behind it.
// body: sum of the whole payload, folded or not; only used NET_BY_SOFTWARE.
void net_finish(uint8_t *frame, uint32_t bytes, const struct route *route, uint64_t body,
		enum net_checksums checksums);

#endif
