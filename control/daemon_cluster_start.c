// SPDX-License-Identifier: BSD-3-Clause
// The start of the daemon's part in a cluster.
#include "control/daemon_cluster.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "control/daemon.h"
#include "dataplane/replication.h"

void daemon_cluster_list(struct daemon *daemon)
{
	const struct config *config = daemon->config;
	struct server *server = &daemon->server;

	if (config->members_count < 2)
		return;
	for (uint32_t i = 0; i < config->streams_count; i++) {
		struct server_elsewhere *elsewhere = &server->elsewhere[server->elsewhere_count];

		if (config_stream_is_held(config, i))
			continue;
		memcpy(elsewhere->name, config->streams[i].name, sizeof(elsewhere->name));
		elsewhere->primary = (uint16_t)config->streams[i].primary;
		for (uint32_t k = 0; k < config->streams[i].replicas.count; k++)
			elsewhere->replicas[elsewhere->replica_count++] =
				(uint16_t)config->streams[i].replicas.ids[k];
		server->elsewhere_count++;
	}
	server->list_count = config->members_count;
	for (uint32_t i = 0; i < config->members_count; i++) {
		const struct config_member *member = &config->members[i];
		struct godwit_address address =
			godwit_address_v4(member->address.ip, (uint16_t)member->address.port);

		server->list[i] = (struct godwit_server_entry){
			.port = godwit_be16(address.port),
			.id = godwit_be16((uint16_t)member->id),
			.weight = godwit_be16((uint16_t)member->weight),
		};
		memcpy(server->list[i].ip, address.ip, sizeof(address.ip));
	}
}

// ---- the start ---------------------------------------------------------------------------------

// The port with this server's own address among the servers.
static uint32_t own_port(const struct config *config)
{
	for (uint32_t i = 0; i < config->members_count; i++) {
		if (config->members[i].id != config->server.id)
			continue;
		for (uint32_t p = 0; p < config->ports_count; p++)
			if (config->ports[p].address.ip == config->members[i].address.ip &&
			    config->ports[p].udp_port == config->members[i].address.port)
				return p;
	}
	return 0; // a good configuration has one
}

// Frames to a peer leave by the port that the peer knows as ours, from this core. what: why it sends.
static int check_core(struct daemon *daemon, uint32_t core, const struct peer *peer,
		      const char *what)
{
	uint32_t own = own_port(daemon->config), chosen = UINT32_MAX;

	for (uint32_t i = 0; i < daemon->ports_open; i++) {
		const struct port *port = &daemon->ports[i];

		if (!net_reaches(&port->net, &peer->address))
			continue;
		if (port_queue(port, core) == PORT_NO_QUEUE) {
			if (i != own)
				continue;
			logline(&daemon->log, LOG_LEVEL_ERROR,
				"core %u %s, and has no queue of port %u, by which server %u is "
				"reached: set ports[%u].queues to %u, or home the stream at another core",
				core, what, i, peer->id, i, daemon->config->cores.cpus.count);
			return -EINVAL;
		}
		if (chosen == UINT32_MAX ||
		    net_is_on_link(&port->net, godwit_address_ip4(&peer->address)))
			chosen = i;
	}
	if (chosen == own)
		return 0;
	logline(&daemon->log, LOG_LEVEL_ERROR,
		chosen == UINT32_MAX ?
			"server %u is reached by no port: put ports[%u] into its network, or give it a "
			"gateway" :
			"server %u is reached by another port than ports[%u], whose address the servers "
			"know: give them one network, and no other port an address in it",
		peer->id, own);
	return -EINVAL;
}

static int check_ports(struct daemon *daemon)
{
	const struct server *server = &daemon->server;

	for (uint32_t i = 0; i < server->peers.count; i++) {
		const struct peer *peer = &server->peers.peers[i];
		int rc = check_core(daemon, SERVER_LINK_CORE, peer, "speaks with other servers");

		for (uint32_t s = 0; rc == 0 && s < server->stream_count; s++)
			if (server->streams[s]->role != STREAM_ALONE)
				rc = check_core(daemon, server->streams[s]->home, peer,
						"orders or copies a replicated stream");
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int start_peers(struct daemon *daemon)
{
	const struct config *config = daemon->config;
	struct peer_config others[SERVER_PEERS_MAX];
	struct peers_config peers = {
		.cluster = config->cluster.name,
		.secret = config->cluster_key,
		.secret_bytes = config->cluster_key_bytes,
		.config = config_cluster_hash(config),
		.interval_us = (uint32_t)(config->cluster.interval / CONFIG_US),
		.count = plan_peers(config, others),
		.peers = others,
	};
	int rc = peers_init(&daemon->server, &peers);

	if (rc != 0) {
		logline(&daemon->log, LOG_LEVEL_ERROR,
			"the tables of the other servers cannot be made: %s", strerror(-rc));
		return rc;
	}
	return 0;
}

// ---- the keeper --------------------------------------------------------------------------------

static bool order(struct daemon *daemon, uint32_t number, enum core_command_kind kind,
		  const void *data, uint32_t bytes)
{
	const struct server *server = &daemon->server;

	return daemon_command(daemon, server->streams[number]->home, kind, data, bytes);
}

static bool order_record(void *arg, uint32_t number, const struct cluster_record *record,
			 uint64_t proposals)
{
	struct replication_record order_of = {
		.stream = number,
		.epoch = record->epoch,
		.session = record->session,
		.proposals = proposals,
		.min_in_sync = record->min_in_sync,
		.count = record->in_sync_count,
	};

	for (uint32_t i = 0; i < record->in_sync_count; i++) {
		order_of.members[i].server = record->in_sync[i].server;
		order_of.members[i].incarnation = record->in_sync[i].incarnation;
	}
	return order(arg, number, CORE_COMMAND_RECORD, &order_of, sizeof(order_of));
}

static bool order_fetch(void *arg, uint32_t number, const struct cluster_record *record,
			uint16_t server)
{
	struct replication_fetch order_of = {
		.stream = number,
		.epoch = record->epoch,
		.session = record->session,
		.server = server,
	};

	return order(arg, number, CORE_COMMAND_FETCH, &order_of, sizeof(order_of));
}

static uint64_t system_random(void *arg)
{
	uint64_t number = 0;

	(void)arg;
	// 0 is asked for again; so few bytes are never given in part.
	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		number = 0;
	return number;
}

static int open_state(struct daemon *daemon)
{
	const char *path = daemon->config->cluster.state_dir;
	int rc = cluster_files_open(&daemon->cluster.files, path, daemon->server.id);

	if (rc == -EWOULDBLOCK)
		logline(&daemon->log, LOG_LEVEL_ERROR,
			"cluster.state_dir %s is in use by another process of server %u", path,
			daemon->server.id);
	else if (rc != 0)
		logline(&daemon->log, LOG_LEVEL_ERROR,
			"cluster.state_dir %s cannot be used: %s: make a folder that this process may "
			"write to",
			path, strerror(-rc));
	return rc;
}

static int start_keeper(struct daemon *daemon)
{
	const struct config *config = daemon->config;
	struct cluster_static_stream kept[SERVER_STREAMS_MAX];
	struct cluster_static_config backend;
	struct keeper_stream streams[SERVER_STREAMS_MAX];
	struct keeper_config keeper = {
		.server = &daemon->server,
		.cluster = &daemon->cluster.cluster,
		.start_timeout_ns = config->cluster.start_timeout,
		.stream_count = plan_keeper(config, streams),
		.streams = streams,
		.ops = {order_record, order_fetch, system_random, daemon},
	};
	int rc;

	if (keeper.stream_count == 0)
		return 0;
	rc = open_state(daemon);
	if (rc != 0)
		return rc;
	plan_cluster(config, kept, &backend);
	backend.store = cluster_files_store(&daemon->cluster.files);
	rc = cluster_static_create(&daemon->cluster.cluster, &backend);
	if (rc == 0) {
		daemon->cluster.keeper = keeper_create(&keeper);
		rc = daemon->cluster.keeper == NULL ? -ENOMEM : 0;
	}
	if (rc != 0)
		logline(&daemon->log, LOG_LEVEL_ERROR,
			"no memory for the records of replicated streams");
	return rc;
}

int daemon_cluster_start(struct daemon *daemon)
{
	int rc;

	if (daemon->config->members_count < 2)
		return 0;
	rc = start_peers(daemon);
	if (rc == 0)
		rc = check_ports(daemon);
	if (rc == 0)
		rc = start_keeper(daemon);
	daemon->cluster.has_peers = rc == 0;
	return rc;
}
