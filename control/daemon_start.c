// SPDX-License-Identifier: BSD-3-Clause
#define _GNU_SOURCE // sched_getaffinity

#include <errno.h>
#include <numa.h>
#include <numaif.h>
#include <sched.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "control/admin.h"
#include "control/daemon.h"

#define DEVICE_BYTES	128
#define HUGE_PAGE_BYTES (2ull << 20)

static int random_fill(struct daemon *daemon, void *at, size_t bytes)
{
	// Up to 256 bytes at once are never given in part.
	if (getrandom(at, bytes, 0) == (ssize_t)bytes)
		return 0;
	logline(&daemon->log, LOG_LEVEL_ERROR, "the system gives no random numbers: %m");
	return -EIO;
}

// The node of a CPU where that makes a difference, else -1.
static int cpu_node(uint32_t cpu)
{
	return numa_available() >= 0 && numa_max_node() > 0 ? numa_node_of_cpu((int)cpu) : -1;
}

static int start_cpus(struct daemon *daemon)
{
	const struct config_cpus *cpus = &daemon->config->cores.cpus;
	cpu_set_t allowed;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) {
		logline(&daemon->log, LOG_LEVEL_ERROR,
			"the CPUs of this process are not known: %m");
		return -EIO;
	}
	for (uint32_t i = 0; i < cpus->count; i++) {
		if (cpus->cpus[i] >= CPU_SETSIZE || !CPU_ISSET(cpus->cpus[i], &allowed)) {
			logline(&daemon->log, LOG_LEVEL_ERROR,
				"core %u: this process may not run on CPU %u (there are %d it may use): "
				"change cores.cpus, or taskset",
				i, cpus->cpus[i], CPU_COUNT(&allowed));
			return -ENODEV;
		}
		daemon->cores[i].node = cpu_node(cpus->cpus[i]);
	}
	return 0;
}

static int start_eal(struct daemon *daemon)
{
	static const enum eal_pages pages[] = {
		[CONFIG_HUGEPAGES_AUTO] = EAL_PAGES_AUTO,
		[CONFIG_HUGEPAGES_YES] = EAL_PAGES_HUGE,
		[CONFIG_HUGEPAGES_NO] = EAL_PAGES_ORDINARY,
	};
	const struct config *config = daemon->config;
	const struct config_cpus *cpus = &config->cores.cpus;
	char devices[CONFIG_PORTS_MAX][DEVICE_BYTES];
	struct eal_error error = {{0}};
	struct eal_config eal = {
		.prefix = config->eal.prefix,
		.pages = pages[config->eal.hugepages],
		.memory_bytes = plan_eal_bytes(config),
		.cpu_count = cpus->count,
	};
	int rc = 0;

	memcpy(eal.cpus, cpus->cpus, cpus->count * sizeof(cpus->cpus[0]));
	for (uint32_t i = 0; i < config->ports_count && rc == 0; i++) {
		struct port_config port;

		plan_port(config, i, &port);
		rc = port_check(&port, &error);
		if (rc == 0 && port_device(&port, i, cpus->count, devices[i], DEVICE_BYTES) != 0)
			rc = eal_fail(&error, EINVAL, "its name is too long");
		if (rc != 0) {
			logline(&daemon->log, LOG_LEVEL_ERROR, "ports[%u]: %s", i, error.text);
			return rc;
		}
		if (port.driver == PORT_PCI)
			eal.pcis[eal.pci_count++] = devices[i];
		else
			eal.vdevs[eal.vdev_count++] = devices[i];
	}
	rc = eal_start(&daemon->eal, &eal, &error);
	if (rc != 0) {
		logline(&daemon->log, LOG_LEVEL_ERROR, "%s", error.text);
		return rc;
	}
	daemon->has_eal = true;
	if (daemon->eal.note[0] != '\0')
		logline(&daemon->log, LOG_LEVEL_WARNING, "%s", daemon->eal.note);
	return 0;
}

static int start_ports(struct daemon *daemon)
{
	struct server *server = &daemon->server;

	for (uint32_t i = 0; i < daemon->config->ports_count; i++) {
		struct eal_error error = {{0}};
		struct port_config port;
		struct godwit_address address;
		int rc;

		plan_port(daemon->config, i, &port);
		rc = port_open(&daemon->ports[i], &port, i, daemon->config->cores.cpus.count,
			       &error);
		if (rc != 0) {
			logline(&daemon->log, LOG_LEVEL_ERROR, "ports[%u]: %s", i, error.text);
			return rc;
		}
		daemon->ports_open++;
		address = godwit_address_v4(port.ip, port.udp_port);
		memcpy(server->list[i].ip, address.ip, sizeof(address.ip));
		server->list[i].port = godwit_be16(port.udp_port);
		server->list[i].id = godwit_be16(server->id);
		server->list[i].weight = godwit_be16(1);
		server->list_count++;
	}
	daemon_cluster_list(daemon);
	return 0;
}

// The node that a page of the log really lies on.
static int memory_node(void *memory)
{
	int node = -1;

	return numa_available() >= 0 && numa_move_pages(0, 1, &memory, NULL, &node, 0) == 0 ? node :
											      -1;
}

static int map_log(struct daemon *daemon, struct daemon_log *log,
		   const struct stream_config *stream)
{
	enum config_hugepages wanted = daemon->config->eal.hugepages;
	int node = daemon->cores[stream->home].node;

	log->bytes = stream->log_bytes;
	log->is_huge = wanted != CONFIG_HUGEPAGES_NO && log->bytes % HUGE_PAGE_BYTES == 0;
	if (log->is_huge)
		log->memory = log_memory_map(log->bytes, true, node);
	if (log->memory == NULL && log->is_huge && wanted == CONFIG_HUGEPAGES_YES) {
		logline(&daemon->log, LOG_LEVEL_ERROR,
			"stream %s: no %llu MiB of hugepages for its log (%m): reserve more in "
			"/proc/sys/vm/nr_hugepages, or set eal.hugepages to auto",
			stream->name, (unsigned long long)(log->bytes / CONFIG_MIB));
		return -ENOMEM;
	}
	if (log->memory == NULL) {
		log->is_huge = false;
		log->memory = log_memory_map(log->bytes, false, node);
	}
	if (log->memory == NULL) {
		logline(&daemon->log, LOG_LEVEL_ERROR,
			"stream %s: no %llu KiB of memory for its log (%m): lower streams[].log",
			stream->name, (unsigned long long)(log->bytes / CONFIG_KIB));
		return -ENOMEM;
	}
	log->node = memory_node(log->memory);
	return 0;
}

static int start_streams(struct daemon *daemon)
{
	struct server *server = &daemon->server;

	for (uint32_t i = 0; i < daemon->config->streams_count; i++) {
		uint32_t number = server->stream_count;
		struct stream_config config;
		struct stream *stream;
		int rc;

		if (!config_stream_is_held(daemon->config, i))
			continue;
		plan_stream(daemon->config, i, &config);
		config.epoch = 1;
		config.instance_floor = server->incarnation;
		rc = map_log(daemon, &daemon->logs[number], &config);
		// The session of a replicated stream is its primary's to choose.
		while (rc == 0 && config.role == STREAM_ALONE && config.session == 0)
			rc = random_fill(daemon, &config.session, sizeof(config.session));
		if (rc != 0)
			return rc;
		config.log_memory = daemon->logs[number].memory;
		stream = stream_create(&config, number);
		if (stream == NULL) {
			rc = -errno;
			logline(&daemon->log, LOG_LEVEL_ERROR,
				"stream %s: it cannot be made (%m): lower its publishers_max, runs_max or "
				"topics_max",
				config.name);
			return rc;
		}
		if (daemon->config->streams[i].max_message < stream->max_message)
			stream->max_message = (uint32_t)daemon->config->streams[i].max_message;
		server->streams[server->stream_count++] = stream;
	}
	return 0;
}

static int start_server(struct daemon *daemon)
{
	const struct config *config = daemon->config;
	struct server *server = &daemon->server;
	struct timespec wall;

	clock_gettime(CLOCK_REALTIME, &wall);
	server->id = (uint16_t)config->server.id;
	server->incarnation = (uint64_t)wall.tv_sec * CONFIG_S + (uint64_t)wall.tv_nsec;
	server->mtu = config_mtu(config);
	server->interval_ms = (uint32_t)(config->clients.interval / CONFIG_MS);
	server->multiplier = (uint32_t)config->clients.multiplier;
	server->lapse_ms = (uint32_t)(config->clients.lapse / CONFIG_MS);
	server->subscriptions_max = (uint16_t)config->clients.subscriptions_each;
	server->credential_bytes = (uint16_t)config->secret_bytes;
	memcpy(server->credential, config->secret, config->secret_bytes);
	if (sodium_init() < 0) {
		logline(&daemon->log, LOG_LEVEL_ERROR, "libsodium does not start");
		return -EIO;
	}
	return random_fill(daemon, server->cookie_key, sizeof(server->cookie_key));
}

static int create_core(struct daemon *daemon, uint32_t i, const struct core_config *planned)
{
	static const enum loop_idle idles[] = {
		[CONFIG_IDLE_BUSY] = LOOP_BUSY,
		[CONFIG_IDLE_ADAPTIVE] = LOOP_ADAPTIVE,
	};
	struct port *ports[CONFIG_PORTS_MAX];
	struct loop_config config = loop_config_default;
	struct core_config core = *planned;
	struct server *server = &daemon->server;
	struct tx tx;
	int rc;

	core.id = i;
	rc = random_fill(daemon, core.random, sizeof(core.random));
	if (rc != 0)
		return rc;
	for (uint32_t p = 0; p < daemon->ports_open; p++)
		ports[p] = &daemon->ports[p];
	config.core = i;
	config.idle = idles[daemon->config->cores.idle];
	daemon->loops[i] = loop_create(&config, ports, daemon->ports_open);
	if (daemon->loops[i] == NULL)
		return -errno;
	tx = loop_tx(daemon->loops[i]);
	server->cores[i] = core_create(server, &core, &tx);
	if (server->cores[i] == NULL)
		return -errno;
	loop_set_core(daemon->loops[i], server->cores[i]);
	return 0;
}

static int start_cores(struct daemon *daemon)
{
	struct server *server = &daemon->server;
	struct core_config core;
	int rc;

	plan_core(daemon->config, &core);
	server->core_count = daemon->config->cores.cpus.count;
	rc = server_crossings_create(server, PLAN_CROSSING_SLOTS);
	for (uint32_t i = 0; i < server->core_count && rc == 0; i++) {
		// A core's tables lie on its own node.
		if (daemon->cores[i].node >= 0)
			numa_set_preferred(daemon->cores[i].node);
		rc = create_core(daemon, i, &core);
	}
	if (numa_available() >= 0)
		numa_set_localalloc();
	if (rc == 0) {
		// Room for those whose end was not noticed, too.
		daemon->registry = registry_create(2 * server->core_count * core.clients_max);
		rc = daemon->registry == NULL ? -ENOMEM : 0;
	}
	if (rc != 0)
		logline(&daemon->log, LOG_LEVEL_ERROR,
			"the tables of the cores cannot be made: %s: lower clients.max or "
			"clients.subscriptions_max",
			strerror(-rc));
	return rc;
}

static int start_threads(struct daemon *daemon, uint64_t now_ns)
{
	for (uint32_t i = 0; i < daemon->ports_open; i++) {
		struct eal_error error = {{0}};
		int rc = port_start(&daemon->ports[i], &error);

		if (rc != 0) {
			logline(&daemon->log, LOG_LEVEL_ERROR, "ports[%u]: %s", i, error.text);
			return rc;
		}
		daemon->ports_started++;
		daemon->links[i] = port_link_get(&daemon->ports[i]);
	}
	for (uint32_t i = 0; i < daemon->server.core_count; i++) {
		int rc = loop_start(daemon->loops[i], i);

		if (rc != 0) {
			logline(&daemon->log, LOG_LEVEL_ERROR,
				"core %u: its thread does not start: %s", i, strerror(-rc));
			return rc;
		}
		daemon->threads++;
		daemon->cores[i].turns_at_ns = now_ns;
	}
	return 0;
}

static const struct link_detector *link_of(const void *plane, uint32_t peer)
{
	return &plane_links(plane)[peer];
}

static void start_admin(struct daemon *daemon)
{
	struct timespec wall, monotonic;

	// Both now: the start itself may have taken seconds.
	clock_gettime(CLOCK_REALTIME, &wall);
	clock_gettime(CLOCK_MONOTONIC, &monotonic);
	daemon->wall_offset_ns = (uint64_t)(wall.tv_sec - monotonic.tv_sec) * CONFIG_S +
				 (uint64_t)wall.tv_nsec - (uint64_t)monotonic.tv_nsec;
	daemon->sources.config = daemon->config;
	daemon->sources.server = &daemon->server;
	daemon->sources.registry = daemon->registry;
	daemon->parts.keeper = daemon->cluster.keeper;
	if (daemon->cluster.plane != NULL) {
		daemon->parts.migration = plane_migration(daemon->cluster.plane);
		daemon->parts.link = link_of;
		daemon->parts.links = daemon->cluster.plane;
		daemon->sources.cursors = plane_cursors(daemon->cluster.plane);
	}
	daemon->sources.plane = view_plane_of(&daemon->parts);
	admin_start(daemon);
}

int daemon_start(struct daemon *daemon, const struct config *config, const struct logline *log,
		 uint64_t now_ns)
{
	int rc;

	*daemon = (struct daemon){
		.config = config,
		.log = *log,
		.started_ns = now_ns,
		.cluster.files = {.folder = -1, .lock = -1},
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.order = {.answered = PTHREAD_COND_INITIALIZER},
	};
	rc = start_cpus(daemon);
	if (rc == 0)
		rc = start_server(daemon);
	if (rc == 0)
		rc = start_eal(daemon);
	if (rc == 0)
		rc = start_ports(daemon);
	if (rc == 0)
		rc = start_streams(daemon);
	if (rc == 0)
		rc = daemon_cluster_start(daemon);
	if (rc == 0)
		rc = start_cores(daemon);
	if (rc == 0)
		rc = daemon_plane_start(daemon, now_ns);
	if (rc == 0)
		rc = start_threads(daemon, now_ns);
	if (rc == 0)
		start_admin(daemon);
	return rc;
}
