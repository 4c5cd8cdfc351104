// SPDX-License-Identifier: BSD-3-Clause
#define _GNU_SOURCE

#include "dataplane/port.h"

#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dataplane/burst.h"
#include "dataplane/stages/tx.h"

#define DESCRIPTORS    512
#define POOL_CACHE     256   // of each core
#define FRAME_OVERHEAD 18    // Ethernet and its checksum
#define JUMBO_FRAME    16384 // af_packet's frames where 2048 are too small
#define MTU_PLAIN      1900  // up to here they are not, with the kernel's own header
#define NAME_BYTES     64

// ---- before EAL -------------------------------------------------------------------------------

static uint32_t config_descriptors(const struct port_config *config)
{
	return config->descriptors == 0 ? DESCRIPTORS : config->descriptors;
}

// How many queues are asked for; what the port can do is seen when it is open.
static uint32_t config_queues(const struct port_config *config, uint32_t cores)
{
	uint32_t wanted = config->queues == 0 ? cores : config->queues;

	if (config->driver == PORT_RING)
		return 1;
	if (wanted > cores)
		wanted = cores;
	return wanted < PORT_QUEUES_MAX ? wanted : PORT_QUEUES_MAX;
}

static uint32_t config_room(const struct port_config *config)
{
	uint32_t bytes = config->mtu + FRAME_OVERHEAD;

	if (config->driver == PORT_AF_PACKET && config->mtu > MTU_PLAIN)
		bytes = JUMBO_FRAME;
	if (bytes < 2048)
		bytes = 2048;
	return RTE_PKTMBUF_HEADROOM + bytes;
}

static uint32_t config_mbufs(const struct port_config *config, uint32_t cores)
{
	uint32_t queues = config_queues(config, cores);

	if (config->mbufs != 0)
		return config->mbufs;
	// All queues full, all caches full (a cache may hold half as much again) and all batches.
	return queues * (2 * config_descriptors(config) + POOL_CACHE * 3 / 2 + TX_BATCH_MAX +
			 TX_CACHE + 2 * BURST_MAX);
}

uint64_t port_bytes(const struct port_config *config, uint32_t cores)
{
	uint64_t each = config_room(config) + sizeof(struct rte_mbuf) + RTE_CACHE_LINE_SIZE;

	return config_mbufs(config, cores) * each + (256u << 10);
}

static int interface_check(int socket, const struct port_config *config, struct eal_error *error)
{
	const char *name = config->interface;
	struct ifreq request = {0};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (ioctl(socket, SIOCGIFFLAGS, &request) < 0) {
		if (errno == ENODEV)
			return eal_fail(
				error, ENODEV,
				"there is no interface \"%s\" in this network namespace: "
				"`ip link` shows which are; start it by `ip netns exec NAME`",
				name);
		return eal_fail(error, errno, "interface \"%s\": %s", name, strerror(errno));
	}
	if ((request.ifr_flags & IFF_UP) == 0)
		return eal_fail(error, ENETDOWN, "interface \"%s\" is down: `ip link set %s up`",
				name, name);
	if (ioctl(socket, SIOCGIFMTU, &request) == 0 && request.ifr_mtu < config->mtu)
		return eal_fail(error, EINVAL,
				"interface \"%s\" has an MTU of %d, below the port's %u: "
				"`ip link set %s mtu %u`, or lower the port's mtu",
				name, request.ifr_mtu, config->mtu, name, config->mtu);
	return 0;
}

int port_check(const struct port_config *config, struct eal_error *error)
{
	int code, file;

	if (config->driver != PORT_AF_PACKET)
		return 0;
	file = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (file < 0) {
		if (errno == EPERM || errno == EACCES)
			return eal_fail(
				error, EPERM,
				"no permission to open interface \"%s\": start as root or with "
				"CAP_NET_RAW (`setcap cap_net_raw,cap_net_admin,cap_ipc_lock+ep` "
				"on the program)",
				config->interface);
		return eal_fail(error, errno, "AF_PACKET: %s", strerror(errno));
	}
	code = interface_check(file, config, error);
	close(file);
	return code;
}

int port_device(const struct port_config *config, uint32_t index, uint32_t cores, char *device,
		size_t bytes)
{
	char frames[32] = "";
	int length = -1;

	switch (config->driver) {
	case PORT_AF_PACKET:
		// What waits for us lies in the kernel's ring, not in descriptors.
		if (config->descriptors != 0)
			snprintf(frames, sizeof(frames), ",framecnt=%u", config->descriptors);
		length = snprintf(device, bytes, "net_af_packet%u,iface=%s,qpairs=%u%s%s", index,
				  config->interface, config_queues(config, cores),
				  config->mtu > MTU_PLAIN ? ",framesz=16384,blocksz=16384" : "",
				  frames);
		break;
	case PORT_NULL:
		// It makes packets as fast as it is asked, of zeros: we drop them by name.
		length = snprintf(device, bytes, "net_null%u,no-rx=1", index);
		break;
	case PORT_RING:
		length = snprintf(device, bytes, "net_ring%u", index);
		break;
	case PORT_PCI:
		length = snprintf(device, bytes, "%s", config->pci);
		break;
	}
	return length < 0 || (size_t)length >= bytes ? -ENOSPC : 0;
}

// ---- open -------------------------------------------------------------------------------------

// DPDK's number of the port that port_device made.
static int device_find(const struct port_config *config, uint32_t index, uint32_t cores,
		       uint16_t *id, struct eal_error *error)
{
	char device[EAL_ERROR_BYTES];
	int code = port_device(config, index, cores, device, sizeof(device));

	if (code < 0)
		return eal_fail(error, -code, "the port's name is too long");
	device[strcspn(device, ",")] = 0;
	if (rte_eth_dev_get_port_by_name(device, id) == 0)
		return 0;
	if (config->driver == PORT_PCI)
		return eal_fail(
			error, ENODEV,
			"no port at PCI %s: bind it by `dpdk-devbind.py --bind=vfio-pci %s` and "
			"see that its driver (librte-net-*) is installed",
			device, device);
	return eal_fail(error, ENODEV, "DPDK has no port %s: its driver is not installed", device);
}

static int offer_check(struct port *port, const struct port_config *config,
		       const struct rte_eth_dev_info *info, struct eal_error *error)
{
	uint32_t most = RTE_MIN(info->max_rx_queues, info->max_tx_queues);
	bool can_spread = config->driver == PORT_AF_PACKET || config->driver == PORT_NULL ||
			  (info->flow_type_rss_offloads & RTE_ETH_RSS_NONFRAG_IPV4_UDP) != 0;
	uint32_t wanted = config_queues(config, port->cores);

	if (config->mtu > info->max_mtu)
		return eal_fail(error, EINVAL, "port %s takes an MTU of at most %u, not %u",
				port->name, info->max_mtu, config->mtu);
	port->queues = wanted;
	if (!can_spread)
		port->queues = 1;
	if (port->queues > most)
		port->queues = most;
	if (config->queues != 0 && port->queues < wanted)
		return eal_fail(error, EINVAL, "port %s can have %u queue%s here, not %u",
				port->name, port->queues, port->queues == 1 ? "" : "s", wanted);
	return port->queues == 0 ? eal_fail(error, EINVAL, "port %s has no queue", port->name) : 0;
}

static struct rte_eth_conf conf_make(struct port *port, const struct port_config *config,
				     const struct rte_eth_dev_info *info)
{
	const uint64_t rx = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
	const uint64_t tx = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
	struct rte_eth_conf conf = {
		.rxmode = {.mtu = config->mtu, .offloads = rx & info->rx_offload_capa},
		// All buffers of a queue come from one pool and have one owner.
		.txmode.offloads = info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE,
	};

	// af_packet states 1518 whatever its frames hold: what counts are those and the interface.
	if (config->driver == PORT_AF_PACKET)
		conf.rxmode.mtu = 0;
	port->has_checksums = (info->tx_offload_capa & tx) == tx;
	if (port->has_checksums)
		conf.txmode.offloads |= tx;
	if (port->queues > 1 && info->flow_type_rss_offloads != 0) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf =
			info->flow_type_rss_offloads &
			(RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_UDP);
	}
	return conf;
}

static int queues_setup(struct port *port, const struct port_config *config,
			struct eal_error *error)
{
	uint16_t rx = (uint16_t)config_descriptors(config), tx = rx;
	int code = rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &rx, &tx);

	for (uint16_t i = 0; i < port->queues && code >= 0; i++) {
		code = rte_eth_rx_queue_setup(port->id, i, rx, (unsigned)port->node, NULL,
					      port->pool);
		if (code >= 0)
			code = rte_eth_tx_queue_setup(port->id, i, tx, (unsigned)port->node, NULL);
	}
	return code >= 0 ?
		       0 :
		       eal_fail(error, -code, "queues of port %s: %s", port->name, strerror(-code));
}

static int addresses_set(struct port *port, const struct port_config *config,
			 struct eal_error *error)
{
	struct net_config net = {
		.ip = config->ip,
		.prefix_bits = config->prefix_bits,
		.gateway = config->gateway,
		.udp_port = config->udp_port,
		.mtu = config->mtu,
	};
	struct rte_ether_addr mac;
	int code = rte_eth_macaddr_get(port->id, &mac);

	if (code < 0)
		return eal_fail(error, -code, "port %s has no hardware address: %s", port->name,
				strerror(-code));
	// A ring has none: one of our own making, by the address.
	if (rte_is_zero_ether_addr(&mac))
		mac = (struct rte_ether_addr){{0x02, 0x67, (uint8_t)(config->ip >> 24),
					       (uint8_t)(config->ip >> 16),
					       (uint8_t)(config->ip >> 8), (uint8_t)config->ip}};
	memcpy(net.mac, mac.addr_bytes, sizeof(net.mac));
	code = net_create(&port->net, &net);
	if (code == -ENOMEM)
		return eal_fail(error, ENOMEM, "no memory for the neighbours of port %s",
				port->name);
	return code == 0 ?
		       0 :
		       eal_fail(error, EINVAL,
				"port %s: its address is not one of a host, or the gateway is not "
				"on its link",
				port->name);
}

static int pool_make(struct port *port, const struct port_config *config, struct eal_error *error)
{
	uint32_t mbufs = config_mbufs(config, port->cores), room = config_room(config);
	char name[RTE_MEMPOOL_NAMESIZE];

	snprintf(name, sizeof(name), "port%u", port->id);
	port->pool =
		rte_pktmbuf_pool_create(name, mbufs, POOL_CACHE, 0, (uint16_t)room, port->node);
	if (port->pool == NULL)
		return eal_fail(
			error, ENOMEM,
			"no memory for %u packet buffers of port %s: raise eal.memory by %" PRIu64
			" MiB",
			mbufs, port->name, (port_bytes(config, port->cores) >> 20) + 1);
	port->pool_bytes = port_bytes(config, port->cores);
	return 0;
}

int port_open_id(struct port *port, const struct port_config *config, uint16_t id, uint32_t cores,
		 struct eal_error *error)
{
	struct rte_eth_dev_info info;
	struct rte_eth_conf conf;
	int code;

	*port = (struct port){
		.id = id,
		.node = rte_eth_dev_socket_id(id),
		.cores = cores,
		.first_core = config->first_core,
		.driver = config->driver,
	};
	rte_eth_dev_get_name_by_port(id, port->name);
	if (config->interface != NULL)
		snprintf(port->interface, sizeof(port->interface), "%s", config->interface);
	if (config->mtu < 576 || config->mtu > PORT_MTU_MAX)
		return eal_fail(error, EINVAL, "port %s: an MTU of 576 to %d, not %u", port->name,
				PORT_MTU_MAX, config->mtu);
	code = rte_eth_dev_info_get(id, &info);
	if (code < 0)
		return eal_fail(error, -code, "port %s: %s", port->name, strerror(-code));
	code = offer_check(port, config, &info, error);
	if (code < 0)
		return code;
	conf = conf_make(port, config, &info);
	code = rte_eth_dev_configure(id, (uint16_t)port->queues, (uint16_t)port->queues, &conf);
	if (code < 0)
		return eal_fail(error, -code, "port %s refuses its configuration: %s", port->name,
				strerror(-code));
	code = addresses_set(port, config, error);
	if (code == 0)
		code = pool_make(port, config, error);
	if (code == 0)
		code = queues_setup(port, config, error);
	if (code < 0)
		port_close(port);
	return code;
}

int port_open(struct port *port, const struct port_config *config, uint32_t index, uint32_t cores,
	      struct eal_error *error)
{
	uint16_t id = 0;
	int code = device_find(config, index, cores, &id, error);

	return code < 0 ? code : port_open_id(port, config, id, cores, error);
}

int port_start(struct port *port, struct eal_error *error)
{
	int code = rte_eth_dev_start(port->id);

	return code < 0 ? eal_fail(error, -code, "port %s does not start: %s", port->name,
				   strerror(-code)) :
			  0;
}

void port_stop(struct port *port)
{
	rte_eth_dev_stop(port->id);
}

void port_close(struct port *port)
{
	// The queues hold buffers of the pool until the device is closed.
	rte_eth_dev_close(port->id);
	rte_mempool_free(port->pool);
	port->pool = NULL;
	net_destroy(&port->net);
}

// ---- in use -----------------------------------------------------------------------------------

uint32_t port_queue(const struct port *port, uint32_t core)
{
	uint32_t queue = (core + port->cores - port->first_core % port->cores) % port->cores;

	return queue < port->queues ? queue : PORT_NO_QUEUE;
}

// The driver of af_packet always says up: the kernel knows better.
static bool interface_is_up(const char *interface)
{
	struct ifreq request = {0};
	int file = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int code;

	if (file < 0)
		return true;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	code = ioctl(file, SIOCGIFFLAGS, &request);
	close(file);
	return code == 0 && (request.ifr_flags & IFF_UP) != 0 &&
	       (request.ifr_flags & IFF_RUNNING) != 0;
}

struct port_link port_link_get(const struct port *port)
{
	struct rte_eth_link link = {0};

	// Without waiting, and polled: no driver's events can be relied on.
	if (rte_eth_link_get_nowait(port->id, &link) < 0)
		return (struct port_link){0};
	return (struct port_link){
		.is_up = port->driver == PORT_AF_PACKET ? interface_is_up(port->interface) :
							  link.link_status == RTE_ETH_LINK_UP,
		.speed_mbps = link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed,
	};
}

void port_stats_get(const struct port *port, struct port_stats *stats)
{
	struct rte_eth_stats from = {0};

	if (rte_eth_stats_get(port->id, &from) < 0)
		from = (struct rte_eth_stats){0};
	*stats = (struct port_stats){
		.rx_packets = from.ipackets,
		.rx_bytes = from.ibytes,
		.tx_packets = from.opackets,
		.tx_bytes = from.obytes,
		.rx_missed = from.imissed,
		.rx_errors = from.ierrors,
		.rx_no_mbufs = from.rx_nombuf,
		.tx_errors = from.oerrors,
	};
}
