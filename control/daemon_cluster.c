// SPDX-License-Identifier: BSD-3-Clause
#include "control/daemon_cluster.h"

#include <stdio.h>
#include <string.h>

#include "control/daemon.h"
#include "dataplane/replication.h"

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

	if (verdict == PEER_SUSPECT)
		verdict = said->verdict; // it is about to turn out
	if (now_ns - said->said_ns < DAEMON_SAID_NS ||
	    (incarnation == said->incarnation && refusal == said->refusal &&
	     refused_us == said->refused_us && verdict == said->verdict))
		return;
	if (said->incarnation != 0 && incarnation != said->incarnation)
		logline(&daemon->log, LOG_LEVEL_WARNING, "server %u was started again", peer->id);
	if (verdict != said->verdict && verdict == PEER_UP)
		logline(&daemon->log, LOG_LEVEL_INFO, "server %u is up", peer->id);
	if (verdict != said->verdict && verdict == PEER_DEAD)
		logline(&daemon->log, LOG_LEVEL_WARNING, "server %u is dead", peer->id);
	if (refusal != said->refusal && refusal != PEER_ACCEPTED && refusal != PEER_NOT_MET)
		logline(&daemon->log, LOG_LEVEL_WARNING,
			"server %u takes no part with this one: %s", peer->id,
			refusal_text(refusal));
	if (refused_us != said->refused_us && refused_us != GODWIT_PEER_ACCEPTED)
		logline(&daemon->log, LOG_LEVEL_WARNING,
			"server %u refuses to take part with this one: its log says why", peer->id);
	*said = (struct daemon_cluster_peer){
		.verdict = verdict,
		.refusal = refusal,
		.refused_us = refused_us,
		.incarnation = incarnation,
		.said_ns = now_ns,
	};
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

	if (said->said_ns != 0 && now_ns - said->said_ns < DAEMON_SAID_NS)
		return;
	keeper_look(daemon->cluster.keeper, i, &view);
	if (said->said_ns != 0 && view.state == said->state && view.why == said->why &&
	    view.server == said->server && view.changes == said->changes)
		return;
	said->state = view.state;
	said->why = view.why;
	said->server = view.server;
	said->changes = view.changes;
	said->said_ns = now_ns;
	keeper_text(&view, text);
	logline(&daemon->log,
		view.why == KEEPER_GOES_ON || view.why == KEEPER_WAITS_FOR ? LOG_LEVEL_INFO :
									     LOG_LEVEL_WARNING,
		"stream %s: %s", daemon->server.streams[view.number]->name, text);
}

void daemon_cluster_step(struct daemon *daemon, uint64_t now_ns)
{
	struct daemon_cluster *cluster = &daemon->cluster;

	if (!cluster->has_peers)
		return;
	plane_step(cluster->plane, now_ns);
	for (uint32_t i = 0; i < daemon->server.peers.count; i++)
		say_peer(daemon, i, now_ns);
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
	    slot->kind != CORE_NOTICE_FETCHED && slot->kind != CORE_NOTICE_REFUSED)
		return false;
	if (keeper == NULL)
		return true;
	memcpy(&n, slot->data, sizeof(n));
	if (slot->kind == CORE_NOTICE_PROPOSE)
		keeper_proposed(keeper, n.stream, n.server, n.incarnation, n.proposal);
	else if (slot->kind == CORE_NOTICE_LAGS)
		keeper_lags(keeper, n.stream, n.server, n.incarnation, now_ns);
	else if (slot->kind == CORE_NOTICE_REFUSED)
		keeper_refused(keeper, n.stream, n.server, n.incarnation, now_ns);
	else
		keeper_fetched(keeper, n.stream, n.server, n.incarnation);
	return true;
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
