// SPDX-License-Identifier: BSD-3-Clause
#include "control/plan.h"

#include <stdarg.h>

#include "control/cursor_table.h"
#include "dataplane/cursor_feed.h"
#include "dataplane/home.h"

void plan_core(const struct config *config, struct core_config *core)
{
	const struct config_clients *clients = &config->clients;

	*core = core_config_default;
	core->clients_max = (uint32_t)clients->max;
	core->subscriptions_max = (uint32_t)clients->subscriptions_max;
	core->ring_slots = (uint32_t)clients->ring;
	core->classes_max = (uint32_t)clients->filters_max;
	core->class_topics_max = (uint32_t)clients->filter_topics_max;
}

uint32_t plan_peers(const struct config *config, struct peer_config *peers)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < config->members_count; i++) {
		const struct config_member *from = &config->members[i];

		if (from->id == config->server.id)
			continue;
		peers[count++] = (struct peer_config){
			.id = (uint16_t)from->id,
			.weight = (uint16_t)from->weight,
			.address =
				godwit_address_v4(from->address.ip, (uint16_t)from->address.port),
		};
	}
	return count;
}

// The place of a server among the peers.
static uint32_t peer_index(const struct config *config, uint64_t id)
{
	uint32_t index = 0;

	for (uint32_t i = 0; i < config->members_count && config->members[i].id != id; i++)
		index += config->members[i].id != config->server.id;
	return index;
}

static bool is_kept(const struct config *config, uint32_t number)
{
	return config_stream_is_led(config, number) && config->streams[number].replicas.count != 0;
}

uint32_t plan_keeper(const struct config *config, struct keeper_stream *streams)
{
	uint32_t count = 0, number = 0;

	for (uint32_t i = 0; i < config->streams_count; i++) {
		const struct config_stream *from = &config->streams[i];

		if (is_kept(config, i)) {
			struct keeper_stream *stream = &streams[count++];

			*stream = (struct keeper_stream){
				.kept = i,
				.number = number,
				.min_in_sync = (uint16_t)from->min_in_sync,
				.replica_count = from->replicas.count,
			};
			for (uint32_t j = 0; j < from->replicas.count; j++)
				stream->replicas[j] = (uint16_t)from->replicas.ids[j];
		}
		number += config_stream_is_held(config, i);
	}
	return count;
}

static void plan_roles(const struct config *config, const struct config_stream *from,
		       struct stream_config *stream)
{
	if (from->replicas.count == 0)
		return;
	stream->ack_local = from->ack == CONFIG_ACK_LOCAL;
	stream->min_in_sync = (uint32_t)from->min_in_sync;
	if (from->primary != config->server.id) {
		stream->role = STREAM_REPLICA;
		stream->primary = peer_index(config, from->primary);
		return;
	}
	stream->role = STREAM_PRIMARY;
	for (uint32_t i = 0; i < from->replicas.count; i++)
		stream->replicas |= 1u << peer_index(config, from->replicas.ids[i]);
}

void plan_stream(const struct config *config, uint32_t number, struct stream_config *stream)
{
	const struct config_stream *from = &config->streams[number];

	*stream = (struct stream_config){
		.name = from->name,
		.home = from->home == CONFIG_AUTO ? number % config->cores.cpus.count :
						    (uint32_t)from->home,
		.mtu = config_mtu(config),
		.log_bytes = from->log,
		.publishers_max = (uint32_t)from->publishers_max,
		.runs_max = (uint32_t)from->runs_max,
		.topics_max = (uint32_t)from->topics_max,
	};
	plan_roles(config, from, stream);
}

void plan_port(const struct config *config, uint32_t number, struct port_config *port)
{
	static const enum port_driver drivers[] = {
		[CONFIG_DRIVER_AF_PACKET] = PORT_AF_PACKET,
		[CONFIG_DRIVER_NULL] = PORT_NULL,
		[CONFIG_DRIVER_RING] = PORT_RING,
		[CONFIG_DRIVER_PCI] = PORT_PCI,
	};
	const struct config_port *from = &config->ports[number];

	*port = (struct port_config){
		.driver = drivers[from->driver],
		.interface = from->interface,
		.pci = from->pci,
		.ip = from->address.ip,
		.prefix_bits = from->address.bits,
		.gateway = from->gateway,
		.udp_port = (uint16_t)from->udp_port,
		.mtu = (uint16_t)from->mtu,
		.queues = from->queues == CONFIG_AUTO ? 0 : (uint32_t)from->queues,
		// Ports with one queue each do not all burden the same core.
		.first_core = number % config->cores.cpus.count,
	};
}

static_assert(CLUSTER_SERVERS_MAX == SERVER_LIST_MAX, "a cluster has the servers of a list");

void plan_cluster(const struct config *config, struct cluster_static_stream *streams,
		  struct cluster_static_config *cluster)
{
	*cluster = (struct cluster_static_config){
		.server = (uint16_t)config->server.id,
		.member_count = config->members_count,
		.stream_count = config->streams_count,
		.streams = streams,
	};
	memcpy(cluster->name, config->cluster.name, sizeof(cluster->name));
	for (uint32_t i = 0; i < config->members_count; i++) {
		const struct config_member *from = &config->members[i];

		cluster->members[i] = (struct cluster_member){
			.id = (uint16_t)from->id,
			.weight = (uint16_t)from->weight,
			.address =
				godwit_address_v4(from->address.ip, (uint16_t)from->address.port),
		};
	}
	for (uint32_t i = 0; i < config->streams_count; i++) {
		const struct config_stream *from = &config->streams[i];

		streams[i] = (struct cluster_static_stream){
			.primary = (uint16_t)from->primary,
			.min_in_sync = (uint16_t)from->min_in_sync,
			.replica_count = from->replicas.count,
		};
		memcpy(streams[i].name, from->name, sizeof(streams[i].name));
		for (uint32_t j = 0; j < from->replicas.count; j++)
			streams[i].replicas[j] = (uint16_t)from->replicas.ids[j];
	}
}

uint64_t plan_eal_bytes(const struct config *config)
{
	uint64_t bytes = PLAN_EAL_BYTES;

	if (config->eal.memory != CONFIG_AUTO)
		return config->eal.memory;
	for (uint32_t i = 0; i < config->ports_count; i++) {
		struct port_config port;

		plan_port(config, i, &port);
		bytes += port_bytes(&port, config->cores.cpus.count);
	}
	// whole hugepages of 2 MiB
	return (bytes + 2 * CONFIG_MIB - 1) & ~(2 * CONFIG_MIB - 1);
}

static void __attribute__((format(printf, 3, 4)))
row_add(struct plan_memory *memory, uint64_t bytes, const char *format, ...)
{
	struct plan_row *row = &memory->rows[memory->count++];
	va_list args;

	va_start(args, format);
	vsnprintf(row->name, sizeof(row->name), format, args);
	va_end(args);
	row->bytes = bytes;
	memory->total += bytes;
}

static void cluster_rows(const struct config *config, uint32_t streams, struct plan_memory *memory)
{
	struct cursor_table_config config_of = {
		.cursors_max = (uint32_t)config->cluster.cursors_max,
		.clients_max = (uint32_t)config->cluster.cursors_max,
	};
	struct cursor_table_bytes cursors = cursor_table_bytes(&config_of);

	row_add(memory, peers_bytes(config->members_count - 1, streams),
		"what the other servers say, and frames for them");
	row_add(memory, cursors.slots + cursors.rows + cursors.buckets + cursors.homes,
		"table of cursors");
	row_add(memory, cursor_feed_bytes(&cursor_feed_config_default), "feed of cursors");
}

void plan_memory(const struct config *config, struct plan_memory *memory)
{
	struct server server = {0};
	uint32_t cores = config->cores.cpus.count, mtu = config_mtu(config);
	struct core_config core;

	*memory = (struct plan_memory){0};
	row_add(memory, plan_eal_bytes(config), "packet buffers and DPDK");
	for (uint32_t i = 0; i < config->streams_count; i++) {
		struct stream_config stream;

		if (!config_stream_is_held(config, i))
			continue;
		server.stream_count++;
		plan_stream(config, i, &stream);
		row_add(memory, stream.log_bytes, "stream %s: log", stream.name);
		row_add(memory, stream_table_bytes(&stream), "stream %s: tables", stream.name);
	}
	plan_core(config, &core);
	for (uint32_t i = 0; i < cores; i++)
		row_add(memory, core_bytes(&server, &core),
			"core %u: clients, subscriptions, rings, filters", i);
	if (config->members_count > 1)
		cluster_rows(config, server.stream_count, memory);
	if (cores > 1)
		row_add(memory,
			cores * cores *
				(crossing_bytes(PLAN_CROSSING_SLOTS,
						mtu + (uint32_t)sizeof(struct home_origin)) +
				 sizeof(struct crossing)),
			"crossings between cores");
}
