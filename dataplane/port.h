// SPDX-License-Identifier: BSD-3-Clause
//
// A port: one network interface with its queues, buffers and addresses.
//
//   port_check, port_device -> eal_start -> port_open -> port_start -> ... -> port_stop -> port_close
//
// Each worker has a receive and a transmit queue of its own where the port can tell flows apart (RSS,
// or af_packet's qpairs); else the port has one queue, owned by one core. All buffers of a port come
// from one pool on its NUMA node, sized so that full queues leave some for everybody.
// Threads: control, but for what the fields below say. Limits: PORT_QUEUES_MAX queues.
#ifndef DATAPLANE_PORT_H
#define DATAPLANE_PORT_H

#include "dataplane/eal.h"
#include "dataplane/net.h"

#define PORT_QUEUES_MAX 64
#define PORT_NO_QUEUE	UINT32_MAX
#define PORT_MTU_MAX	9000

struct rte_mempool;

enum port_driver {
	PORT_AF_PACKET,
	PORT_NULL,
	PORT_RING,
	PORT_PCI
};

struct port_config {
	enum port_driver driver;
	const char *interface; // af_packet: as in `ip link`
	const char *pci;       // pci: "0000:01:00.0"
	uint32_t ip;	       // ours, host order
	uint32_t prefix_bits;  // 8 to 32
	uint32_t gateway;      // host order; 0: none
	uint16_t udp_port;
	uint16_t mtu;	      // of IP, 576 to PORT_MTU_MAX
	uint32_t queues;      // 0: one a worker where the port can
	uint32_t first_core;  // owner of queue 0
	uint32_t descriptors; // of each queue; 0: 512
	uint32_t mbufs;	      // of the pool; 0: as many as the queues and cores can hold
};

struct port {
	// set by port_open, then read-only			w: control   r: all
	uint16_t id;	    // DPDK's
	bool has_checksums; // hardware fills in those of IPv4 and UDP when sending
	int node;	    // NUMA node, -1: not known
	uint32_t queues, cores, first_core;
	struct rte_mempool *pool;
	char name[64];
	uint64_t pool_bytes;
	enum port_driver driver;
	char interface[16];
	// addresses and neighbours: cores parse and route by it
	struct net net;
};

struct port_link {
	bool is_up;
	uint32_t speed_mbps; // 0: not known
};

// Packets that the port itself lost or took, since its start.
struct port_stats {
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
	uint64_t rx_missed; // no descriptor was free: the core was late
	uint64_t rx_errors;
	uint64_t rx_no_mbufs; // the pool was empty
	uint64_t tx_errors;
};

// Before EAL starts: is the interface here, up and allowed? 0, or -errno with *error.
int port_check(const struct port_config *config, struct eal_error *error);

// What EAL is to be told: a vdev string, or for PORT_PCI the PCI address. index: the port's number
// among all ports. cores: workers. Returns 0 or -ENOSPC.
int port_device(const struct port_config *config, uint32_t index, uint32_t cores, char *device,
		size_t bytes);

// Bytes of EAL memory that a port takes, near enough to size it.
uint64_t port_bytes(const struct port_config *config, uint32_t cores);

// Configure queues and buffers. `index` and `cores` as for port_device. 0, or -errno with *error.
int port_open(struct port *port, const struct port_config *config, uint32_t index, uint32_t cores,
	      struct eal_error *error);
// The same for a port that DPDK knows by number.
int port_open_id(struct port *port, const struct port_config *config, uint16_t id, uint32_t cores,
		 struct eal_error *error);
int port_start(struct port *port, struct eal_error *error);
void port_stop(struct port *port);
// Cores have stopped. The pool's buffers must all be back.
void port_close(struct port *port);

// The queue pair of core `core` (a worker's number), or PORT_NO_QUEUE.
uint32_t port_queue(const struct port *port, uint32_t core);

// May make a system call.
struct port_link port_link_get(const struct port *port);
void port_stats_get(const struct port *port, struct port_stats *stats);

#endif
