// SPDX-License-Identifier: BSD-3-Clause
#include "control/admin.h"

#include <errno.h>
#include <pthread.h>
#include <rte_telemetry.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "control/admin_cluster.h"
#include "control/daemon.h"

static pthread_mutex_t admin_lock = PTHREAD_MUTEX_INITIALIZER;
static struct daemon *admin_daemon; // under admin_lock

long admin_number(const char *params, long otherwise)
{
	char *end;
	long number;

	if (params == NULL || *params == '\0')
		return otherwise;
	number = strtol(params, &end, 10);
	return *end == '\0' && number >= 0 ? number : -1;
}

// Put a dict into the answer's; *inner is NULL where there is no memory.
static int dict_add(struct rte_tel_data *data, const char *name, struct rte_tel_data **inner)
{
	*inner = rte_tel_data_alloc();
	if (*inner == NULL)
		return -ENOMEM;
	rte_tel_data_start_dict(*inner);
	return rte_tel_data_add_dict_container(data, name, *inner, 0);
}

int admin_numbered(struct rte_tel_data *data, uint32_t number, struct rte_tel_data **inner)
{
	char name[16];

	snprintf(name, sizeof(name), "%u", number);
	return dict_add(data, name, inner);
}

static void ip_add(struct rte_tel_data *data, const char *name, const struct config_port *port)
{
	char text[32];

	snprintf(text, sizeof(text), "%u.%u.%u.%u:%llu", port->address.ip >> 24,
		 port->address.ip >> 16 & 255, port->address.ip >> 8 & 255, port->address.ip & 255,
		 (unsigned long long)port->udp_port);
	rte_tel_data_add_dict_string(data, name, text);
}

static int ports_add(struct daemon *daemon, struct rte_tel_data *data)
{
	struct rte_tel_data *ports, *one;
	int rc = dict_add(data, "ports", &ports);

	for (uint32_t i = 0; i < daemon->ports_open && rc == 0; i++) {
		const struct port *port = &daemon->ports[i];
		struct port_link link = port_link_get(port);

		rc = admin_numbered(ports, i, &one);
		if (rc != 0)
			break;
		rte_tel_data_add_dict_string(one, "name", port->name);
		rte_tel_data_add_dict_string(one, "interface", port->interface);
		ip_add(one, "address", &daemon->config->ports[i]);
		rte_tel_data_add_dict_u64(one, "mtu", daemon->config->ports[i].mtu);
		rte_tel_data_add_dict_u64(one, "queues", port->queues);
		rte_tel_data_add_dict_string(one, "link", link.is_up ? "up" : "down");
		rte_tel_data_add_dict_u64(one, "speed_mbps", link.speed_mbps);
		rte_tel_data_add_dict_int(one, "node", port->node);
	}
	return rc;
}

static int status_answer(struct daemon *daemon, const char *params, struct rte_tel_data *data)
{
	const struct server *server = &daemon->server;
	struct plan_memory memory;
	struct timespec now;

	(void)params;
	clock_gettime(CLOCK_MONOTONIC, &now);
	plan_memory(daemon->config, &memory);
	rte_tel_data_add_dict_string(data, "version", GODWITD_VERSION);
	rte_tel_data_add_dict_u64(data, "id", server->id);
	rte_tel_data_add_dict_string(data, "name", daemon->config->server.name);
	rte_tel_data_add_dict_u64(data, "pid", (uint64_t)getpid());
	rte_tel_data_add_dict_u64(data, "incarnation", server->incarnation);
	rte_tel_data_add_dict_u64(data, "uptime_s",
				  (uint64_t)now.tv_sec - daemon->started_ns / CONFIG_S);
	rte_tel_data_add_dict_u64(data, "cores", server->core_count);
	rte_tel_data_add_dict_u64(data, "streams", server->stream_count);
	rte_tel_data_add_dict_u64(data, "memory_bytes", memory.total);
	rte_tel_data_add_dict_string(data, "pages", daemon->eal.is_huge ? "huge" : "ordinary");
	return ports_add(daemon, data);
}

static int stream_add(struct daemon *daemon, uint32_t number, struct rte_tel_data *data)
{
	const struct stream *stream = daemon->server.streams[number];
	struct mark head = log_head(&stream->log);
	char session[24];
	uint64_t last;

	snprintf(session, sizeof(session), "%016llx", (unsigned long long)stream_session(stream));
	rte_tel_data_add_dict_string(data, "name", stream->name);
	rte_tel_data_add_dict_string(data, "session", session);
	rte_tel_data_add_dict_u64(data, "epoch", stream_epoch_of(stream, head.seq + 1, &last));
	rte_tel_data_add_dict_u64(data, "earliest", log_earliest(&stream->log));
	rte_tel_data_add_dict_u64(data, "head", head.seq);
	rte_tel_data_add_dict_u64(data, "commit", log_committed(&stream->log).seq);
	rte_tel_data_add_dict_u64(data, "log_bytes", daemon->logs[number].bytes);
	rte_tel_data_add_dict_string(data, "pages",
				     daemon->logs[number].is_huge ? "huge" : "ordinary");
	rte_tel_data_add_dict_u64(data, "home", stream->home);
	return admin_stream_role(daemon, number, data);
}

static int core_add(struct daemon *daemon, uint32_t number, struct rte_tel_data *data)
{
	const struct counters *c = daemon->server.cores[number]->counters;

	rte_tel_data_add_dict_u64(data, "cpu", daemon->config->cores.cpus.cpus[number]);
	rte_tel_data_add_dict_u64(data, "turns", counter_get(c, COUNTER_turns));
	rte_tel_data_add_dict_u64(data, "turns_idle", counter_get(c, COUNTER_turns_idle));
	rte_tel_data_add_dict_u64(data, "turns_late", counter_get(c, COUNTER_turns_late));
	rte_tel_data_add_dict_u64(data, "turn_longest_ns", counter_get(c, COUNTER_turn_longest_ns));
	rte_tel_data_add_dict_u64(data, "sleeps", counter_get(c, COUNTER_sleeps));
	// What was closed is read first: a difference is never below zero.
	uint64_t clients = counter_get(c, COUNTER_clients_closed);
	uint64_t subscriptions = counter_get(c, COUNTER_subscriptions_closed);

	rte_tel_data_add_dict_u64(data, "clients",
				  counter_get(c, COUNTER_clients_opened) - clients);
	rte_tel_data_add_dict_u64(data, "subscriptions",
				  counter_get(c, COUNTER_subscriptions_opened) - subscriptions);
	return 0;
}

// One page of a list, each item by `add`.
static int page_answer(struct daemon *daemon, const char *params, struct rte_tel_data *data,
		       uint32_t count,
		       int (*add)(struct daemon *daemon, uint32_t number,
				  struct rte_tel_data *data))
{
	long first = admin_number(params, 0);
	uint32_t i;
	int rc = 0;

	if (first < 0)
		return -EINVAL;
	for (i = (uint32_t)first; i < count && i < (uint32_t)first + ADMIN_PAGE && rc == 0; i++) {
		struct rte_tel_data *one;

		rc = admin_numbered(data, i, &one);
		if (rc == 0)
			rc = add(daemon, i, one);
	}
	if (rc == 0 && i < count)
		rte_tel_data_add_dict_u64(data, "more", i);
	return rc;
}

static int streams_answer(struct daemon *daemon, const char *params, struct rte_tel_data *data)
{
	return page_answer(daemon, params, data, daemon->server.stream_count, stream_add);
}

static int cores_answer(struct daemon *daemon, const char *params, struct rte_tel_data *data)
{
	return page_answer(daemon, params, data, daemon->server.core_count, core_add);
}

static int port_counters_add(struct daemon *daemon, struct rte_tel_data *data)
{
	struct rte_tel_data *ports, *one;
	int rc = dict_add(data, "ports", &ports);

	for (uint32_t i = 0; i < daemon->ports_open && rc == 0; i++) {
		struct port_stats stats;

		rc = admin_numbered(ports, i, &one);
		if (rc != 0)
			break;
		port_stats_get(&daemon->ports[i], &stats);
		rte_tel_data_add_dict_u64(one, "rx_packets", stats.rx_packets);
		rte_tel_data_add_dict_u64(one, "rx_bytes", stats.rx_bytes);
		rte_tel_data_add_dict_u64(one, "tx_packets", stats.tx_packets);
		rte_tel_data_add_dict_u64(one, "tx_bytes", stats.tx_bytes);
		rte_tel_data_add_dict_u64(one, "rx_missed", stats.rx_missed);
		rte_tel_data_add_dict_u64(one, "rx_errors", stats.rx_errors);
		rte_tel_data_add_dict_u64(one, "rx_no_mbufs", stats.rx_no_mbufs);
		rte_tel_data_add_dict_u64(one, "tx_errors", stats.tx_errors);
	}
	return rc;
}

static int counters_answer(struct daemon *daemon, const char *params, struct rte_tel_data *data)
{
	const struct server *server = &daemon->server;
	long core = admin_number(params, server->core_count); // that: the sum
	uint32_t from = (uint32_t)core, to = (uint32_t)core + 1;
	struct rte_tel_data *counters, *drops;
	int rc;

	if (core < 0 || core > server->core_count ||
	    (params != NULL && *params != '\0' && core == server->core_count))
		return -EINVAL;
	if (core == server->core_count) {
		from = 0;
		to = server->core_count;
	}
	rc = dict_add(data, "counters", &counters);
	if (rc == 0)
		rc = dict_add(data, "drops", &drops);
	if (rc != 0)
		return rc;
	for (uint32_t k = 0; k < COUNTERS; k++) {
		uint64_t sum = 0;

		for (uint32_t i = from; i < to; i++) {
			uint64_t one = counter_get(server->cores[i]->counters, k);

			sum = k != COUNTER_turn_longest_ns ? sum + one : one > sum ? one : sum;
		}
		rte_tel_data_add_dict_u64(counters, counter_infos[k].name, sum);
	}
	for (uint32_t k = 0; k < DROPS; k++) {
		uint64_t sum = 0;

		for (uint32_t i = from; i < to; i++)
			sum += drop_get(server->cores[i]->counters, k);
		if (sum > 0)
			rte_tel_data_add_dict_u64(drops, drop_infos[k].name, sum);
	}
	return from == 0 && to == server->core_count ? port_counters_add(daemon, data) : 0;
}

struct admin_command {
	const char *path, *help;
	int (*answer)(struct daemon *daemon, const char *params, struct rte_tel_data *data);
};

static const struct admin_command commands[] = {
	{"/godwit/status", "Who this server is, since when, and its ports", status_answer},
	{"/godwit/streams", "Positions of each stream. Parameter: first stream of the page",
	 streams_answer},
	{"/godwit/cores", "Turns, clients and subscriptions of each core. Parameter: first core",
	 cores_answer},
	{"/godwit/counters", "All counters and what was dropped, summed. Parameter: one core",
	 counters_answer},
	{"/godwit/servers", "Each server of the cluster, its link and its cursors", admin_servers},
	{"/godwit/cursors", "Cursors known here. Parameter: where the page begins", admin_cursors},
	{"/godwit/migrations", "The last moves of cursors. Parameter: first of the page",
	 admin_migrations},
	{"/godwit/drain", "Hand all cursors over. Parameter: this server's id", admin_drain},
	{"/godwit/undrain", "Take cursors again. Parameter: this server's id", admin_undrain},
	{"/godwit/resolve", "Where an identifier leads. Parameter: SESSION:SEQ:EPOCH",
	 admin_resolve},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static int command_run(const char *path, const char *params, struct rte_tel_data *data)
{
	int rc = -ENOENT;

	rte_tel_data_start_dict(data);
	pthread_mutex_lock(&admin_lock);
	for (size_t i = 0; i < COMMANDS && admin_daemon != NULL; i++)
		if (strcmp(commands[i].path, path) == 0)
			rc = commands[i].answer(admin_daemon, params, data);
	pthread_mutex_unlock(&admin_lock);
	return rc;
}

void admin_start(struct daemon *daemon)
{
	pthread_mutex_lock(&admin_lock);
	admin_daemon = daemon;
	pthread_mutex_unlock(&admin_lock);
	for (size_t i = 0; i < COMMANDS; i++)
		if (rte_telemetry_register_cmd(commands[i].path, command_run, commands[i].help) !=
		    0)
			logline(&daemon->log, LOG_LEVEL_WARNING, "telemetry does not take %s",
				commands[i].path);
}

void admin_stop(void)
{
	pthread_mutex_lock(&admin_lock);
	admin_daemon = NULL;
	pthread_mutex_unlock(&admin_lock);
}
