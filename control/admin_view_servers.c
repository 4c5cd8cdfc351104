// SPDX-License-Identifier: BSD-3-Clause
//
// Views of the cluster's servers: server 0 of a view is this one, server n + 1 is peer n.
#include "control/admin_view.h"

static uint64_t ago_ms(uint64_t now_ns, uint64_t then_ns)
{
	if (then_ns == 0)
		return VIEW_NEVER;
	return now_ns > then_ns ? (now_ns - then_ns) / CONFIG_MS : 0;
}

static const char *verdict_name(uint32_t verdict)
{
	static const char *const names[] = {
		[PEER_UNKNOWN] = "unknown",
		[PEER_UP] = "up",
		[PEER_SUSPECT] = "suspect",
		[PEER_DEAD] = "dead",
	};

	return verdict < sizeof(names) / sizeof(names[0]) ? names[verdict] : "unknown";
}

static const char *refusal_name(const struct peer *peer)
{
	static const char *const ours[] = {
		[PEER_ACCEPTED] = "",
		[PEER_REFUSED_CONFIG] = "other configuration",
		[PEER_REFUSED_MTU] = "MTU too small",
		[PEER_REFUSED_VERSION] = "other version",
		[PEER_NOT_MET] = "not met",
	};
	static const char *const of_us[] = {
		[PEER_ACCEPTED] = "",
		[PEER_REFUSED_CONFIG] = "refuses us: other configuration",
		[PEER_REFUSED_MTU] = "refuses us: MTU too small",
		[PEER_REFUSED_VERSION] = "refuses us: other version",
	};
	uint32_t own = atomic_load_explicit(&peer->refusal, memory_order_relaxed);
	uint32_t its = atomic_load_explicit(&peer->refused_us, memory_order_relaxed);

	if (its != PEER_ACCEPTED)
		return its < sizeof(of_us) / sizeof(of_us[0]) ? of_us[its] : "refuses us";
	return own < sizeof(ours) / sizeof(ours[0]) ? ours[own] : "refused";
}

// NULL: nobody watches it.
static const struct link_detector *link_of(const struct view_sources *sources, uint32_t number)
{
	if (sources->plane.link == NULL)
		return NULL;
	return sources->plane.link(sources->plane.arg, number);
}

static void self_view(const struct view_sources *sources, struct view_server *view)
{
	const struct server *server = sources->server;
	const struct config *config = sources->config;

	view->id = server->id;
	view->is_self = true;
	view->link = "self";
	view->weight = 1;
	view->incarnation = atomic_load_explicit(&server->incarnation, memory_order_relaxed);
	view->address =
		godwit_address_v4(config->ports[0].address.ip, (uint16_t)config->ports[0].udp_port);
	for (uint32_t i = 0; i < config->members_count; i++) {
		const struct config_member *member = &config->members[i];

		if (member->id != server->id)
			continue;
		view->weight = (uint16_t)member->weight;
		view->address =
			godwit_address_v4(member->address.ip, (uint16_t)member->address.port);
	}
	view->interval_us = server->peers.interval_us;
	view->multiplier = (uint32_t)config->cluster.multiplier;
	if (sources->plane.drain_progress != NULL)
		view->drain = sources->plane.drain_progress(sources->plane.arg);
	if (sources->plane.rebalance_progress != NULL) {
		view->rebalance = sources->plane.rebalance_progress(sources->plane.arg);
		view->rebalance_end = sources->plane.rebalance_end(sources->plane.arg);
	}
	view->is_draining = view->drain.is_active;
}

static void peer_view(const struct view_sources *sources, uint32_t number, uint64_t now_ns,
		      struct view_server *view)
{
	const struct peer *peer = &sources->server->peers.peers[number];
	const struct link_detector *link = link_of(sources, number);
	uint64_t hears_ns = atomic_load_explicit(&peer->hears_ns, memory_order_relaxed);
	uint64_t heard_ns = atomic_load_explicit(&peer->heard_ns, memory_order_relaxed);

	view->id = peer->id;
	view->weight = peer->weight;
	view->address = peer->address;
	view->link = verdict_name(atomic_load_explicit(&peer->verdict, memory_order_relaxed));
	view->incarnation = atomic_load_explicit(&peer->incarnation, memory_order_relaxed);
	view->refusal = refusal_name(peer);
	view->interval_us = atomic_load_explicit(&peer->interval_us, memory_order_relaxed);
	view->multiplier = (uint32_t)sources->config->cluster.multiplier;
	view->is_draining = atomic_load_explicit(&peer->verdict, memory_order_relaxed) == PEER_UP &&
			    atomic_load_explicit(&peer->is_draining, memory_order_relaxed) != 0;
	view->heard_ms = ago_ms(now_ns, heard_ns);
	view->hears_us_ms = ago_ms(now_ns, hears_ns);
	if (link != NULL) {
		const struct link_change *change = link_change_at(link, 0);

		view->multiplier = link_multiplier(link);
		view->flaps = link->flaps;
		view->heartbeats_missed = link->heartbeats_missed;
		view->data_missed = link->data_missed;
		view->link_ms = change != NULL ? ago_ms(now_ns, change->time_ns) : VIEW_NEVER;
	}
}

uint32_t view_servers(const struct view_sources *sources)
{
	return sources->server->peers.count + 1;
}

void view_server(const struct view_sources *sources, uint32_t number, uint64_t now_ns,
		 struct view_server *view)
{
	*view = (struct view_server){
		.refusal = "",
		.link_ms = VIEW_NEVER,
		.heard_ms = VIEW_NEVER,
		.hears_us_ms = VIEW_NEVER,
	};
	if (number == 0)
		self_view(sources, view);
	else
		peer_view(sources, number - 1, now_ns, view);
	if (sources->cursors != NULL) {
		uint64_t all = cursor_table_counter(sources->cursors, CURSOR_TABLE_cursors);

		view->cursors = cursor_table_home_count(sources->cursors, view->id);
		view->share = all > 0 ? (uint32_t)(view->cursors * 1000ull / all) : 0;
	}
}

bool view_change(const struct view_sources *sources, uint32_t number, uint32_t i, uint64_t now_ns,
		 struct view_change *view)
{
	const struct link_detector *link = NULL;
	const struct link_change *change;

	if (number > 0 && number < view_servers(sources))
		link = link_of(sources, number - 1);
	if (link == NULL)
		return false;
	change = link_change_at(link, i);
	if (change == NULL)
		return false;
	*view = (struct view_change){
		.time_ns = change->time_ns,
		.ago_ms = ago_ms(now_ns, change->time_ns),
		.from = link_state_name(change->from),
		.to = link_state_name(change->to),
		.why = link_why_name(change->why),
	};
	return true;
}
