// SPDX-License-Identifier: BSD-3-Clause
#include "control/daemon_plane.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "control/daemon.h"

static uint64_t system_random(void)
{
	uint64_t number = 0;

	// So few bytes are never given in part; without any, the plane's streams of numbers still differ.
	return getrandom(&number, sizeof(number), 0) == sizeof(number) ? number : 0;
}

static bool core_turns(void *arg, uint32_t core)
{
	const struct daemon *daemon = arg;

	return !daemon->cores[core].is_stuck && !daemon->cores[core].has_stopped;
}

// The core that may have a client: where it is known, or another that sends; none that stands still.
static uint32_t core_of(void *arg, uint64_t client, uint32_t attempt)
{
	const struct daemon *daemon = arg;
	uint32_t able[SERVER_CORES_MAX], count = 0;
	struct registry_client known;

	if (attempt == 0 && registry_find(daemon->registry, client, &known) &&
	    core_turns(arg, known.core))
		return known.core;
	for (uint32_t i = 0; i < daemon->server.core_count; i++)
		if (server_core_sends(&daemon->server, i) && core_turns(arg, i))
			able[count++] = i;
	return count > 0 ? able[(client + attempt) % count] : SERVER_LINK_CORE;
}

// ---- start and end -----------------------------------------------------------------------------

int daemon_plane_start(struct daemon *daemon, uint64_t now_ns)
{
	const struct config *config = daemon->config;
	struct plane_config plane = {
		.server = &daemon->server,
		.weight = 1,
		.multiplier = (uint32_t)config->cluster.multiplier,
		.cursors_max = (uint32_t)config->cluster.cursors_max,
		.clients_max = (uint32_t)config->cluster.cursors_max,
		.huge = daemon->eal.is_huge,
		.node = daemon->cores[SERVER_LINK_CORE].node,
		.reclaim = reclaim_by_rcu(&daemon->cluster.grace),
		.random = {system_random(), system_random()},
		.core_of = core_of,
		.core_turns = core_turns,
		.arg = daemon,
	};

	if (!daemon->cluster.has_peers)
		return 0;
	for (uint32_t i = 0; i < config->members_count; i++)
		if (config->members[i].id == config->server.id)
			plane.weight = (uint16_t)config->members[i].weight;
	if (cursor_feed_create(&daemon->server) == 0)
		daemon->cluster.plane = plane_create(&plane, now_ns);
	if (daemon->cluster.plane == NULL) {
		logline(&daemon->log, LOG_LEVEL_ERROR,
			"the table of cursors cannot be made: %m: lower cluster.cursors_max");
		return -ENOMEM;
	}
	return 0;
}

void daemon_plane_free(struct daemon *daemon)
{
	plane_destroy(daemon->cluster.plane);
	daemon->cluster.plane = NULL;
	cursor_feed_destroy(&daemon->server);
}

// ---- while cores run ---------------------------------------------------------------------------

bool daemon_plane_notice(struct daemon *daemon, const struct crossing_slot *slot, uint64_t now_ns)
{
	struct core_notice notice;

	if (slot->kind < CORE_NOTICE_OFFER_KEPT || slot->kind > CORE_NOTICE_SERVED)
		return false;
	memcpy(&notice, slot->data, sizeof(notice));
	// A server alone moves nobody.
	if (daemon->cluster.plane != NULL)
		plane_notice(daemon->cluster.plane, slot->kind, &notice, now_ns);
	return true;
}

void daemon_plane_core_lost(struct daemon *daemon, uint32_t core, uint64_t now_ns)
{
	if (daemon->cluster.plane != NULL)
		migration_core_lost(plane_migration(daemon->cluster.plane), core, now_ns);
}
