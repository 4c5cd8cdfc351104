// SPDX-License-Identifier: BSD-3-Clause
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

static int start_peers(struct daemon *daemon, uint64_t now_ns)
{
	const struct config *config = daemon->config;
	struct peer_config others[SERVER_PEERS_MAX];
	struct link_config link =
		link_config(config->cluster.interval, (uint32_t)config->cluster.multiplier);
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
	for (uint32_t i = 0; i < peers.count; i++)
		link_init(&daemon->cluster.peers[i].link, &link, LINK_DEAD, now_ns);
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

int daemon_cluster_start(struct daemon *daemon, uint64_t now_ns)
{
	int rc;

	if (daemon->config->members_count < 2)
		return 0;
	rc = start_peers(daemon, now_ns);
	if (rc == 0)
		rc = check_ports(daemon);
	if (rc == 0)
		rc = start_keeper(daemon);
	daemon->cluster.has_peers = rc == 0;
	return rc;
}

void daemon_cluster_free(struct daemon *daemon)
{
	struct daemon_cluster *cluster = &daemon->cluster;

	keeper_destroy(cluster->keeper);
	cluster_destroy(&cluster->cluster);
	cluster_files_close(&cluster->files);
	peers_fini(&daemon->server);
	cluster->keeper = NULL;
	cluster->has_peers = false;
}

// ---- while cores run ---------------------------------------------------------------------------

static const char *refusal_text(uint32_t refusal)
{
	switch (refusal) {
	case PEER_REFUSED_CONFIG:
		return "its servers, cluster section or streams are configured otherwise";
	case PEER_REFUSED_MTU:
		return "messages of a stream do not fit its MTU";
	default:
		return "it is of another version";
	}
}

static void say_peer(struct daemon *daemon, uint32_t i, uint64_t now_ns)
{
	struct daemon_cluster_peer *said = &daemon->cluster.peers[i];
	const struct peer *peer = &daemon->server.peers.peers[i];
	uint64_t incarnation = atomic_load_explicit(&peer->incarnation, memory_order_acquire);
	uint32_t refusal = atomic_load_explicit(&peer->refusal, memory_order_relaxed);
	uint32_t refused_us = atomic_load_explicit(&peer->refused_us, memory_order_relaxed);
	uint32_t verdict = atomic_load_explicit(&peer->verdict, memory_order_relaxed);

	if (said->incarnation != 0 && incarnation != said->incarnation)
		logline_limited(&daemon->log, &said->site, now_ns, LOG_LEVEL_WARNING,
				"server %u was started again", peer->id);
	if (verdict != said->verdict && (verdict == PEER_UP || verdict == PEER_DEAD))
		logline_limited(&daemon->log, &said->site, now_ns,
				verdict == PEER_UP ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING,
				"server %u is %s", peer->id, verdict == PEER_UP ? "up" : "dead");
	if (refusal != said->refusal && refusal != PEER_ACCEPTED && refusal != PEER_NOT_MET)
		logline_limited(&daemon->log, &said->site, now_ns, LOG_LEVEL_WARNING,
				"server %u takes no part with this one: %s", peer->id,
				refusal_text(refusal));
	else if (refused_us != said->refused_us && refused_us != GODWIT_PEER_ACCEPTED)
		logline_limited(&daemon->log, &said->site, now_ns, LOG_LEVEL_WARNING,
				"server %u refuses to take part with this one: see its log",
				peer->id);
	said->incarnation = incarnation;
	said->refusal = refusal;
	said->refused_us = refused_us;
	if (verdict != PEER_SUSPECT)
		said->verdict = verdict;
}

static void watch_peer(struct daemon *daemon, uint32_t i, uint64_t now_ns)
{
	static const enum peer_verdict verdicts[] = {
		[LINK_UP] = PEER_UP,
		[LINK_SUSPECT] = PEER_SUSPECT,
		[LINK_DEAD] = PEER_DEAD,
	};
	struct daemon_cluster_peer *watched = &daemon->cluster.peers[i];
	struct peer *peer = &daemon->server.peers.peers[i];
	uint64_t heard_ns = atomic_load_explicit(&peer->heard_ns, memory_order_relaxed);

	if (heard_ns != watched->heard_ns) {
		watched->heard_ns = heard_ns;
		link_heard(&watched->link, heard_ns);
	}
	if (link_tick(&watched->link, now_ns) & LINK_ASK)
		link_asked(&watched->link, 0, now_ns);
	if (heard_ns != 0)
		atomic_store_explicit(&peer->verdict, verdicts[watched->link.state],
				      memory_order_relaxed);
	say_peer(daemon, i, now_ns);
}

// Whether this server may take roles: nobody knows it as a later process than it is.
static void watch_incarnation(struct daemon *daemon, uint64_t now_ns)
{
	struct server *server = &daemon->server;
	const struct peers *peers = &server->peers;
	uint64_t known = atomic_load_explicit(&peers->known_above, memory_order_relaxed);
	uint32_t answered = 0;

	if (known >= server->incarnation && daemon->cluster.has_roles) {
		logline_limited(
			&daemon->log, &daemon->cluster.known_site, now_ns, LOG_LEVEL_ERROR,
			"another server knows a later process of this one, and takes nothing from "
			"it: the clock was set back? Restart this server");
		return;
	}
	if (known >= server->incarnation) {
		logline(&daemon->log, LOG_LEVEL_WARNING,
			"another server knows a later process of this one: the clock was set back; "
			"going on above it");
		atomic_store_explicit(&server->incarnation, known + 1, memory_order_relaxed);
	}
	for (uint32_t i = 0; i < peers->count; i++)
		if (atomic_load_explicit(&peers->peers[i].refusal, memory_order_relaxed) !=
		    PEER_NOT_MET)
			answered++;
	if (2 * answered > peers->count ||
	    now_ns - daemon->started_ns >= daemon->config->cluster.start_timeout)
		daemon->cluster.has_roles = true;
}

static void say_stream(struct daemon *daemon, uint32_t i, uint64_t now_ns)
{
	struct daemon_cluster_stream *said = &daemon->cluster.streams[i];
	struct keeper_view view;
	char text[KEEPER_TEXT_BYTES];

	keeper_look(daemon->cluster.keeper, i, &view);
	if (view.state == said->state && view.why == said->why && view.server == said->server &&
	    view.changes == said->changes)
		return;
	said->state = view.state;
	said->why = view.why;
	said->server = view.server;
	said->changes = view.changes;
	keeper_text(&view, text);
	logline_limited(&daemon->log, &said->site, now_ns,
			view.why == KEEPER_GOES_ON || view.why == KEEPER_WAITS_FOR ?
				LOG_LEVEL_INFO :
				LOG_LEVEL_WARNING,
			"stream %s: %s", daemon->server.streams[view.number]->name, text);
}

void daemon_cluster_step(struct daemon *daemon, uint64_t now_ns)
{
	struct daemon_cluster *cluster = &daemon->cluster;

	if (!cluster->has_peers)
		return;
	for (uint32_t i = 0; i < daemon->server.peers.count; i++)
		watch_peer(daemon, i, now_ns);
	watch_incarnation(daemon, now_ns);
	if (!cluster->has_roles || cluster->keeper == NULL)
		return;
	keeper_step(cluster->keeper, now_ns);
	for (uint32_t i = 0; i < keeper_count(cluster->keeper); i++)
		say_stream(daemon, i, now_ns);
}

bool daemon_cluster_notice(struct daemon *daemon, const struct crossing_slot *slot, uint64_t now_ns)
{
	struct keeper *keeper = daemon->cluster.keeper;
	struct replication_notice n;

	if (slot->kind != CORE_NOTICE_PROPOSE && slot->kind != CORE_NOTICE_LAGS &&
	    slot->kind != CORE_NOTICE_FETCHED)
		return false;
	if (keeper == NULL)
		return true;
	memcpy(&n, slot->data, sizeof(n));
	if (slot->kind == CORE_NOTICE_PROPOSE)
		keeper_proposed(keeper, n.stream, n.server, n.incarnation, n.proposal);
	else if (slot->kind == CORE_NOTICE_LAGS)
		keeper_lags(keeper, n.stream, n.server, n.incarnation, now_ns);
	else
		keeper_fetched(keeper, n.stream, n.server, n.incarnation);
	return true;
}
