// SPDX-License-Identifier: BSD-3-Clause
#include "control/admin.h"

#include <errno.h>
#include <unistd.h>

#include "control/admin_tell.h"

static pthread_mutex_t admin_lock = PTHREAD_MUTEX_INITIALIZER;
static struct daemon *admin_daemon; // under admin_lock

static void ip_add(struct rte_tel_data *data, const char *name, const struct config_port *port)
{
	char text[32];

	snprintf(text, sizeof(text), "%u.%u.%u.%u:%llu", port->address.ip >> 24,
		 port->address.ip >> 16 & 255, port->address.ip >> 8 & 255, port->address.ip & 255,
		 (unsigned long long)port->udp_port);
	rte_tel_data_add_dict_string(data, name, text);
}

static int ports_add(const struct daemon *daemon, struct rte_tel_data *data)
{
	struct rte_tel_data *ports, *one;
	int rc = tell_dict(data, "ports", &ports);

	for (uint32_t i = 0; i < daemon->ports_open && rc == 0; i++) {
		const struct port *port = &daemon->ports[i];
		struct port_link link = port_link_get(port);

		rc = tell_numbered(ports, i, &one);
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

	(void)params;
	plan_memory(daemon->config, &memory);
	rte_tel_data_add_dict_string(data, "version", GODWITD_VERSION);
	rte_tel_data_add_dict_u64(data, "id", server->id);
	rte_tel_data_add_dict_string(data, "name", daemon->config->server.name);
	rte_tel_data_add_dict_u64(data, "pid", (uint64_t)getpid());
	rte_tel_data_add_dict_u64(data, "incarnation", server->incarnation);
	rte_tel_data_add_dict_u64(data, "uptime_s",
				  (admin_now_ns() - daemon->started_ns) / CONFIG_S);
	rte_tel_data_add_dict_u64(data, "cores", server->core_count);
	rte_tel_data_add_dict_u64(data, "streams", server->stream_count);
	rte_tel_data_add_dict_u64(data, "memory_bytes", memory.total);
	rte_tel_data_add_dict_string(data, "pages", daemon->eal.is_huge ? "huge" : "ordinary");
	return ports_add(daemon, data);
}

static void core_add(const struct daemon *daemon, uint32_t number, struct rte_tel_data *data)
{
	const struct counters *c = daemon->server.cores[number]->counters;

	rte_tel_data_add_dict_u64(data, "cpu", daemon->config->cores.cpus.cpus[number]);
	rte_tel_data_add_dict_u64(data, "turns", counter_get(c, COUNTER_turns));
	rte_tel_data_add_dict_u64(data, "turns_idle", counter_get(c, COUNTER_turns_idle));
	rte_tel_data_add_dict_u64(data, "turns_late", counter_get(c, COUNTER_turns_late));
	rte_tel_data_add_dict_u64(data, "turn_longest_ns", counter_get(c, COUNTER_turn_longest_ns));
	rte_tel_data_add_dict_u64(data, "sleeps", counter_get(c, COUNTER_sleeps));
	rte_tel_data_add_dict_u64(data, "clients",
				  counter_now(c, COUNTER_clients_opened, COUNTER_clients_closed));
	rte_tel_data_add_dict_u64(data, "subscriptions",
				  counter_now(c, COUNTER_subscriptions_opened,
					      COUNTER_subscriptions_closed));
}

static int cores_answer(struct daemon *daemon, const char *params, struct rte_tel_data *data)
{
	uint32_t count = daemon->server.core_count, i;
	struct rte_tel_data *one;
	uint64_t first = 0;
	int rc = 0;

	if (!admin_numbers(params, &first, 1))
		return -EINVAL;
	for (i = (uint32_t)first; i < count && i < first + ADMIN_PAGE && rc == 0; i++) {
		rc = tell_numbered(data, i, &one);
		if (rc == 0)
			core_add(daemon, i, one);
	}
	if (rc == 0 && i < count)
		tell_count(data, "more", i);
	return rc;
}

static int port_counters_add(const struct daemon *daemon, struct rte_tel_data *data)
{
	struct rte_tel_data *ports, *one;
	int rc = tell_dict(data, "ports", &ports);

	for (uint32_t i = 0; i < daemon->ports_open && rc == 0; i++) {
		struct port_stats stats;

		rc = tell_numbered(ports, i, &one);
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
	uint64_t core = UINT64_MAX; // all
	uint32_t from = 0, to = server->core_count;
	struct rte_tel_data *counters, *drops;
	int rc;

	if (!admin_numbers(params, &core, 1) || (core != UINT64_MAX && core >= server->core_count))
		return -EINVAL;
	if (core != UINT64_MAX) {
		from = (uint32_t)core;
		to = from + 1;
	}
	rc = tell_dict(data, "counters", &counters);
	if (rc == 0)
		rc = tell_dict(data, "drops", &drops);
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
	return core == UINT64_MAX ? port_counters_add(daemon, data) : 0;
}

struct admin_command {
	const char *path, *help;
	admin_answer *answer;
};

static const struct admin_command commands[] = {
	{"/godwit/status", "Who this server is, since when, and its ports", status_answer},
	{"/godwit/cores", "Turns, clients and subscriptions of each core. Parameter: first core",
	 cores_answer},
	{"/godwit/counters", "All counters and what was dropped, summed. Parameter: one core",
	 counters_answer},
	{"/godwit/servers", "The servers of the cluster. Parameter: first of the page",
	 admin_servers},
	{"/godwit/history", "How a link changed. Parameter: number in the list of servers",
	 admin_history},
	{"/godwit/streams", "Positions of each stream. Parameter: first stream of the page",
	 admin_streams},
	{"/godwit/replicas", "What others hold of a stream. Parameter: number of the stream",
	 admin_replicas},
	{"/godwit/clients", "The clients of this server. Parameter: where the page begins",
	 admin_clients},
	{"/godwit/cursors",
	 "The cursors of the cluster. Parameters: where the page begins, home, client",
	 admin_cursors},
	{"/godwit/migrations", "The last moves of cursors. Parameter: first of the page",
	 admin_migrations},
	{"/godwit/drain", "Hand all clients over. Parameter: id of this server", admin_drain},
	{"/godwit/undrain", "Take clients again. Parameter: id of this server", admin_undrain},
	{"/godwit/rebalance", "Even the clients out over the cores. Parameter: id of this server",
	 admin_rebalance},
	{"/godwit/adopt",
	 "Go on with a stream from what a server holds. Parameters: stream, server, 0 or 1",
	 admin_adopt},
	{"/godwit/resolve",
	 "Where an identifier leads. Parameters: SESSION:SEQ:EPOCH, client, subscription",
	 admin_resolve},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static int command_run(const char *path, const char *params, struct rte_tel_data *data)
{
	int rc = -ENOENT;

	rte_tel_data_start_dict(data);
	pthread_mutex_lock(&admin_lock);
	for (size_t i = 0; i < COMMANDS && admin_daemon != NULL; i++) {
		if (strcmp(commands[i].path, path) != 0)
			continue;
		pthread_mutex_lock(&admin_daemon->lock);
		rc = commands[i].answer(admin_daemon, params, data);
		pthread_mutex_unlock(&admin_daemon->lock);
	}
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
