// SPDX-License-Identifier: BSD-3-Clause
#include "control/daemon.h"

#define NOTICES_BUDGET 256 // of one core in one round

bool daemon_command(struct daemon *daemon, uint32_t core, enum core_command_kind kind,
		    const void *data, uint32_t bytes)
{
	struct crossing *inbox = &daemon->server.cores[core]->inbox;
	struct crossing_slot *slot = crossing_begin(inbox);

	if (slot == NULL)
		return false;
	slot->kind = kind;
	slot->bytes = bytes;
	memcpy(slot->data, data, bytes);
	crossing_end(inbox);
	return true;
}

static bool command_send(struct daemon *daemon, uint32_t core, enum core_command_kind kind,
			 const struct core_command *command)
{
	static_assert(sizeof(*command) <= CORE_COMMAND_BYTES, "a command fits its slot");
	return daemon_command(daemon, core, kind, command, sizeof(*command));
}

// No notice is taken while a fence waits for its mailbox: the fences stay in order, and bounded.
static bool fence_send(struct daemon *daemon)
{
	struct registry_fence *fence = &daemon->fence;

	while (daemon->has_fence) {
		if (!command_send(daemon, fence->core, CORE_COMMAND_CLOSE_CLIENT,
				  &(struct core_command){.handle = fence->handle,
							 .instance = fence->instance,
							 .code = fence->code}))
			return false;
		daemon->has_fence = registry_fence_next(daemon->registry, fence);
	}
	return true;
}

static void notice_take(struct daemon *daemon, uint32_t core, const struct crossing_slot *slot,
			uint64_t now_ns)
{
	struct registry_client client;
	struct core_notice notice;

	if (daemon_cluster_notice(daemon, slot, now_ns) ||
	    daemon_plane_notice(daemon, slot, now_ns))
		return;

	memcpy(&notice, slot->data, sizeof(notice));
	client = (struct registry_client){.id = notice.client,
					  .instance = notice.instance,
					  .handle = notice.handle,
					  .core = core,
					  .address = notice.address,
					  .opened_ns = notice.at_ns,
					  .by_offer = notice.by_offer};
	switch (slot->kind) {
	case CORE_NOTICE_OPENED:
		daemon->has_fence = registry_opened(daemon->registry, &client, &daemon->fence);
		break;
	case CORE_NOTICE_CLOSED:
		registry_closed(daemon->registry, &client);
		break;
	case CORE_NOTICE_STOPPED:
		daemon->cores[core].has_stopped = true;
		break;
	}
}

static void watch_notices(struct daemon *daemon, uint64_t now_ns)
{
	uint64_t refused = registry_refused(daemon->registry);

	for (uint32_t i = 0; i < daemon->server.core_count; i++) {
		struct crossing *outbox = &daemon->server.cores[i]->outbox;
		struct crossing_slot *slot;

		for (uint32_t n = 0; n < NOTICES_BUDGET && fence_send(daemon); n++) {
			slot = crossing_peek(outbox);
			if (slot == NULL)
				break;
			notice_take(daemon, i, slot, now_ns);
			crossing_pop(outbox);
		}
	}
	fence_send(daemon);
	if (registry_refused(daemon->registry) != refused)
		logline_limited(
			&daemon->log, &daemon->registry_site, now_ns, LOG_LEVEL_WARNING,
			"the registry of clients is full (%u ids): a client may run twice on "
			"different cores",
			registry_count(daemon->registry));
}

static void watch_core(struct daemon *daemon, uint32_t i, uint64_t now_ns)
{
	const struct counters *counters = daemon->server.cores[i]->counters;
	uint64_t turns = counter_get(counters, COUNTER_turns);
	uint64_t lost = counter_get(counters, COUNTER_notices_lost);
	struct daemon_core *core = &daemon->cores[i];

	if (lost != core->lost)
		logline_limited(&daemon->log, &daemon->lost_site, now_ns, LOG_LEVEL_WARNING,
				"core %u: %llu notices of clients found no room", i,
				(unsigned long long)(lost - core->lost));
	core->lost = lost;
	if (turns != core->turns) {
		if (core->is_stuck)
			logline_limited(
				&daemon->log, &daemon->stuck_site, now_ns, LOG_LEVEL_WARNING,
				"core %u turns again after %llu ms", i,
				(unsigned long long)((now_ns - core->turns_at_ns) / CONFIG_MS));
		core->turns = turns;
		core->turns_at_ns = now_ns;
		core->is_stuck = false;
	} else if (!core->is_stuck && !core->has_stopped &&
		   now_ns - core->turns_at_ns >= DAEMON_STALL_NS) {
		core->is_stuck = true;
		logline_limited(
			&daemon->log, &daemon->stuck_site, now_ns, LOG_LEVEL_ERROR,
			"core %u (CPU %u) has made no turn for %llu ms: something else runs on its "
			"CPU, or it hangs",
			i, daemon->config->cores.cpus.cpus[i],
			(unsigned long long)((now_ns - core->turns_at_ns) / CONFIG_MS));
		daemon_plane_core_lost(daemon, i, now_ns);
	}
}

static void watch_links(struct daemon *daemon, uint64_t now_ns)
{
	if (now_ns - daemon->links_at_ns < DAEMON_LINK_NS)
		return;
	daemon->links_at_ns = now_ns;
	for (uint32_t i = 0; i < daemon->ports_started; i++) {
		struct port_link link = port_link_get(&daemon->ports[i]);

		if (link.is_up != daemon->links[i].is_up)
			logline_limited(&daemon->log, &daemon->link_site, now_ns,
					link.is_up ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING,
					"port %u (%s): its link is %s", i, daemon->ports[i].name,
					link.is_up ? "up" : "down");
		daemon->links[i] = link;
	}
}

static void watch_losses(struct daemon *daemon, uint64_t now_ns)
{
	if (now_ns - daemon->losses_at_ns < DAEMON_LOSSES_NS)
		return;
	daemon->losses_at_ns = now_ns;
	for (uint32_t i = 0; i < daemon->ports_started; i++) {
		struct port_stats *seen = &daemon->losses[i], now;

		port_stats_get(&daemon->ports[i], &now);
		if (now.rx_missed != seen->rx_missed || now.rx_no_mbufs != seen->rx_no_mbufs)
			logline_limited(
				&daemon->log, &daemon->losses_site, now_ns, LOG_LEVEL_WARNING,
				"port %u (%s) lost packets: %llu while a core was late, %llu for "
				"want of buffers",
				i, daemon->ports[i].name,
				(unsigned long long)(now.rx_missed - seen->rx_missed),
				(unsigned long long)(now.rx_no_mbufs - seen->rx_no_mbufs));
		*seen = now;
	}
}

void daemon_step(struct daemon *daemon, uint64_t now_ns)
{
	pthread_mutex_lock(&daemon->lock);
	watch_notices(daemon, now_ns);
	for (uint32_t i = 0; i < daemon->threads; i++)
		watch_core(daemon, i, now_ns);
	watch_links(daemon, now_ns);
	watch_losses(daemon, now_ns);
	daemon_cluster_step(daemon, now_ns);
	admin_orders_step(daemon, now_ns);
	pthread_mutex_unlock(&daemon->lock);
}

uint64_t daemon_step_ns(const struct daemon *daemon)
{
	return daemon->cluster.has_peers ? DAEMON_CLUSTER_STEP_NS : DAEMON_STEP_NS;
}

bool daemon_is_ready(const struct daemon *daemon)
{
	return !daemon->cluster.has_peers || daemon->cluster.has_roles;
}

void daemon_stop(struct daemon *daemon)
{
	while (daemon->stop_sent < daemon->threads &&
	       command_send(daemon, daemon->stop_sent, CORE_COMMAND_STOP,
			    &(struct core_command){0}))
		daemon->stop_sent++;
}

bool daemon_has_stopped(const struct daemon *daemon)
{
	for (uint32_t i = 0; i < daemon->threads; i++)
		if (!daemon->cores[i].has_stopped)
			return false;
	return true;
}

static void free_cores(struct daemon *daemon)
{
	struct server *server = &daemon->server;

	for (uint32_t i = server->core_count; i-- > 0;) {
		loop_destroy(daemon->loops[i]);
		core_destroy(server->cores[i]);
	}
	server_crossings_destroy(server);
}

bool daemon_free(struct daemon *daemon)
{
	struct server *server = &daemon->server;

	admin_stop();
	if (!daemon_has_stopped(daemon))
		return false;
	for (uint32_t i = daemon->threads; i-- > 0;)
		loop_join(i);
	for (uint32_t i = daemon->ports_started; i-- > 0;)
		port_stop(&daemon->ports[i]);
	registry_destroy(daemon->registry);
	free_cores(daemon);
	daemon_plane_free(daemon);
	daemon_cluster_free(daemon);
	for (uint32_t i = server->stream_count; i-- > 0;)
		stream_destroy(server->streams[i]);
	for (uint32_t i = SERVER_STREAMS_MAX; i-- > 0;)
		log_memory_unmap(daemon->logs[i].memory, daemon->logs[i].bytes);
	for (uint32_t i = daemon->ports_open; i-- > 0;)
		port_close(&daemon->ports[i]);
	if (daemon->has_eal)
		eal_stop(&daemon->eal);
	return true;
}
