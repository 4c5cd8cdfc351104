// SPDX-License-Identifier: BSD-3-Clause
#include "control/admin_cluster.h"

#include <errno.h>
#include <inttypes.h>
#include <rte_telemetry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/daemon.h"

#define MIGRATIONS_PAGE 32

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * CONFIG_S + (uint64_t)now.tv_nsec;
}

static void id_add(struct rte_tel_data *data, const char *name, uint64_t id)
{
	char text[24];

	snprintf(text, sizeof(text), "%016" PRIx64, id);
	rte_tel_data_add_dict_string(data, name, text);
}

static void address_add(struct rte_tel_data *data, const struct godwit_address *address)
{
	uint32_t ip = godwit_address_is_v4(address) ? godwit_address_ip4(address) : 0;
	char text[32];

	snprintf(text, sizeof(text), "%u.%u.%u.%u:%u", ip >> 24, ip >> 16 & 255, ip >> 8 & 255,
		 ip & 255, address->port);
	rte_tel_data_add_dict_string(data, "address", text);
}

// How long ago, in ms; nothing where it never was.
static void age_add(struct rte_tel_data *data, const char *name, uint64_t at_ns, uint64_t now)
{
	if (at_ns != 0)
		rte_tel_data_add_dict_u64(data, name, now > at_ns ? (now - at_ns) / CONFIG_MS : 0);
}

// ---- servers -----------------------------------------------------------------------------------

static const char *refusal_name(uint32_t refusal)
{
	switch (refusal) {
	case PEER_ACCEPTED:
		return "none";
	case PEER_REFUSED_CONFIG:
		return "configuration";
	case PEER_REFUSED_MTU:
		return "mtu";
	case PEER_REFUSED_VERSION:
		return "version";
	default:
		return "not met";
	}
}

static void own_add(struct daemon *daemon, struct rte_tel_data *data)
{
	struct migration_drain_state drain =
		migration_drain_state(plane_migration(daemon->cluster.plane));
	const struct server *server = &daemon->server;

	rte_tel_data_add_dict_u64(data, "id", server->id);
	rte_tel_data_add_dict_string(data, "state", drain.is_draining ? "drained" : "self");
	rte_tel_data_add_dict_string(data, "why", daemon->cluster.has_roles ? "-" : "start");
	id_add(data, "incarnation", server->incarnation);
	rte_tel_data_add_dict_u64(data, "cursors", drain.left);
}

static void peer_add(struct daemon *daemon, uint32_t i, uint64_t now, struct rte_tel_data *data)
{
	const struct peer *peer = &daemon->server.peers.peers[i];
	const struct link_detector *link = plane_link(daemon->cluster.plane, i);
	uint64_t hears_ns = atomic_load_explicit(&peer->hears_ns, memory_order_relaxed);

	rte_tel_data_add_dict_u64(data, "id", peer->id);
	address_add(data, &peer->address);
	rte_tel_data_add_dict_u64(data, "weight", peer->weight);
	rte_tel_data_add_dict_string(data, "state", link_state_name(link->state));
	rte_tel_data_add_dict_string(data, "why", link_why_name(link->why));
	id_add(data, "incarnation", atomic_load_explicit(&peer->incarnation, memory_order_relaxed));
	rte_tel_data_add_dict_string(
		data, "refused",
		refusal_name(atomic_load_explicit(&peer->refusal, memory_order_relaxed)));
	age_add(data, "heard_ms", atomic_load_explicit(&peer->heard_ns, memory_order_relaxed), now);
	age_add(data, "hears_us_ms", hears_ns, now);
	rte_tel_data_add_dict_u64(data, "multiplier", link_multiplier(link));
	rte_tel_data_add_dict_u64(data, "flaps", link->flaps);
	rte_tel_data_add_dict_u64(data, "heartbeats_missed", link->heartbeats_missed);
	rte_tel_data_add_dict_u64(data, "cursors",
				  cursor_table_home_count(plane_cursors(daemon->cluster.plane),
							  peer->id));
}

int admin_servers(struct daemon *daemon, const char *params, struct rte_tel_data *data)
{
	uint64_t now = now_ns();
	struct rte_tel_data *one;
	int rc = 0;

	(void)params;
	if (daemon->cluster.plane == NULL)
		return 0;
	pthread_mutex_lock(&daemon->cluster.lock);
	rc = admin_numbered(data, 0, &one);
	if (rc == 0)
		own_add(daemon, one);
	for (uint32_t i = 0; i < daemon->server.peers.count && rc == 0; i++) {
		rc = admin_numbered(data, i + 1, &one);
		if (rc == 0)
			peer_add(daemon, i, now, one);
	}
	pthread_mutex_unlock(&daemon->cluster.lock);
	return rc;
}

// ---- cursors -----------------------------------------------------------------------------------

static const char *session_stream(const struct daemon *daemon, uint64_t session)
{
	for (uint32_t i = 0; i < daemon->server.stream_count; i++)
		if (daemon->server.streams[i]->session == session)
			return daemon->server.streams[i]->name;
	return "-";
}

static void cursor_add(const struct daemon *daemon, const struct cursor *cursor, uint64_t now,
		       struct rte_tel_data *data)
{
	rte_tel_data_add_dict_u64(data, "client", cursor->key.client);
	rte_tel_data_add_dict_u64(data, "subscription", cursor->key.subscription);
	rte_tel_data_add_dict_string(data, "stream", session_stream(daemon, cursor->key.session));
	id_add(data, "session", cursor->key.session);
	rte_tel_data_add_dict_u64(data, "seq", cursor->seq);
	rte_tel_data_add_dict_u64(data, "epoch", cursor->epoch);
	rte_tel_data_add_dict_u64(data, "counter", cursor->cursor_epoch >> 16);
	rte_tel_data_add_dict_u64(data, "maker", cursor_epoch_server(cursor->cursor_epoch));
	rte_tel_data_add_dict_u64(data, "home", cursor->home);
	rte_tel_data_add_dict_u64(data, "core", cursor->core);
	rte_tel_data_add_dict_string(data, "state",
				     cursor->flags & GODWIT_CURSOR_LAPSED ? "lapsed" : "live");
	rte_tel_data_add_dict_string(data, "filter", cursor->filter != 0 ? "topics" : "whole");
	address_add(data, &cursor->address);
	age_add(data, "heard_ms", cursor->heard_ns, now);
}

int admin_cursors(struct daemon *daemon, const char *params, struct rte_tel_data *data)
{
	long first = admin_number(params, 0);
	struct cursor cursors[ADMIN_CURSORS];
	struct cursor_page page = {.next = (uint32_t)first};
	uint32_t count = 0;
	uint64_t now = now_ns();
	int rc = 0;

	if (first < 0 || first > UINT32_MAX)
		return -EINVAL;
	if (daemon->cluster.plane == NULL)
		return 0;
	pthread_mutex_lock(&daemon->cluster.lock);
	do
		count = cursor_table_page(plane_cursors(daemon->cluster.plane), &page, cursors,
					  ADMIN_CURSORS, 4096);
	while (count == 0 && page.next != 0);
	pthread_mutex_unlock(&daemon->cluster.lock);
	for (uint32_t i = 0; i < count && rc == 0; i++) {
		struct rte_tel_data *one;

		// Pages are numbered by where they begin; so are their rows, apart.
		rc = admin_numbered(data, (uint32_t)first * ADMIN_CURSORS + i, &one);
		if (rc == 0)
			cursor_add(daemon, &cursors[i], now, one);
	}
	if (rc == 0 && page.next != 0)
		rte_tel_data_add_dict_u64(data, "more", page.next);
	return rc;
}

// ---- migrations --------------------------------------------------------------------------------

static void record_add(const struct daemon *daemon, const struct migration_record *r, uint64_t now,
		       struct rte_tel_data *data)
{
	rte_tel_data_add_dict_string(data, "reason", migration_reason_name(r->reason));
	rte_tel_data_add_dict_string(data, "outcome", migration_outcome_name(r->outcome));
	rte_tel_data_add_dict_u64(data, "client", r->client);
	rte_tel_data_add_dict_u64(data, "subscription", r->subscription);
	rte_tel_data_add_dict_string(data, "stream", session_stream(daemon, r->session));
	rte_tel_data_add_dict_u64(data, "from", r->from);
	rte_tel_data_add_dict_u64(data, "to", r->to);
	age_add(data, "detected_ms_ago", r->detected_ns, now);
	if (r->first_ns != 0) {
		rte_tel_data_add_dict_u64(data, "took_us", (r->first_ns - r->detected_ns) / 1000);
		rte_tel_data_add_dict_u64(data, "replayed", r->replayed);
		rte_tel_data_add_dict_u64(data, "handover_seq", r->handover_seq);
	}
}

int admin_migrations(struct daemon *daemon, const char *params, struct rte_tel_data *data)
{
	long first = admin_number(params, 0);
	const struct migration_record *r = NULL;
	uint64_t now = now_ns();
	uint32_t i;
	int rc = 0;

	if (first < 0)
		return -EINVAL;
	if (daemon->cluster.plane == NULL)
		return 0;
	pthread_mutex_lock(&daemon->cluster.lock);
	for (i = (uint32_t)first; i < (uint32_t)first + MIGRATIONS_PAGE && rc == 0; i++) {
		struct rte_tel_data *one;

		r = migration_record(plane_migration(daemon->cluster.plane), i);
		if (r == NULL)
			break;
		rc = admin_numbered(data, i, &one);
		if (rc == 0)
			record_add(daemon, r, now, one);
	}
	pthread_mutex_unlock(&daemon->cluster.lock);
	if (rc == 0 && r != NULL)
		rte_tel_data_add_dict_u64(data, "more", i);
	return rc;
}

// ---- drain -------------------------------------------------------------------------------------

static void drain_add(struct daemon *daemon, enum godwit_code code, struct rte_tel_data *data)
{
	struct migration_drain_state state = {0};

	if (daemon->cluster.plane != NULL)
		state = migration_drain_state(plane_migration(daemon->cluster.plane));
	rte_tel_data_add_dict_string(data, "code", godwit_code_name(code));
	rte_tel_data_add_dict_string(data, "drained", state.is_draining ? "yes" : "no");
	rte_tel_data_add_dict_u64(data, "left", state.left);
	rte_tel_data_add_dict_u64(data, "moved", state.moved);
	rte_tel_data_add_dict_u64(data, "stuck", state.stuck);
}

// Whether the order is for this server: OK, or what is wrong.
static enum godwit_code ordered_here(const struct daemon *daemon, const char *params)
{
	if (admin_number(params, -1) != daemon->server.id)
		return GODWIT_BAD_REQUEST; // it is to be asked of that server
	return daemon->cluster.plane != NULL ? GODWIT_OK : GODWIT_NOT_ALLOWED;
}

int admin_drain(struct daemon *daemon, const char *params, struct rte_tel_data *data)
{
	enum godwit_code code = ordered_here(daemon, params);

	pthread_mutex_lock(&daemon->cluster.lock);
	if (code == GODWIT_OK)
		code = migration_drain(plane_migration(daemon->cluster.plane), now_ns());
	drain_add(daemon, code, data);
	pthread_mutex_unlock(&daemon->cluster.lock);
	return 0;
}

int admin_undrain(struct daemon *daemon, const char *params, struct rte_tel_data *data)
{
	enum godwit_code code = ordered_here(daemon, params);

	pthread_mutex_lock(&daemon->cluster.lock);
	if (code == GODWIT_OK)
		migration_undrain(plane_migration(daemon->cluster.plane), now_ns());
	drain_add(daemon, code, data);
	pthread_mutex_unlock(&daemon->cluster.lock);
	return 0;
}

// ---- streams and identifiers -------------------------------------------------------------------

int admin_stream_role(struct daemon *daemon, uint32_t number, struct rte_tel_data *data)
{
	static const char *const roles[] = {
		[STREAM_ALONE] = "alone", [STREAM_PRIMARY] = "primary", [STREAM_REPLICA] = "replica"};
	const struct stream *stream = daemon->server.streams[number];
	uint32_t age_ms = stream_feed_age_ms(stream, now_ns());
	struct keeper *keeper = daemon->cluster.keeper;
	char set[128] = "";

	rte_tel_data_add_dict_string(data, "role", roles[stream->role]);
	if (age_ms != UINT32_MAX)
		rte_tel_data_add_dict_u64(data, "feed_age_ms", age_ms);
	pthread_mutex_lock(&daemon->cluster.lock);
	for (uint32_t i = 0; keeper != NULL && i < keeper_count(keeper); i++) {
		struct keeper_view view;
		size_t at = 0;

		keeper_look(keeper, i, &view);
		if (view.number != number)
			continue;
		rte_tel_data_add_dict_string(data, "keeper", keeper_state_name(view.state));
		for (uint32_t k = 0; k < view.record.in_sync_count; k++)
			at += (size_t)snprintf(set + at, sizeof(set) - at, "%s%u", k > 0 ? " " : "",
					       view.record.in_sync[k].server);
		rte_tel_data_add_dict_string(data, "in_sync", set);
	}
	pthread_mutex_unlock(&daemon->cluster.lock);
	return 0;
}

int admin_resolve(struct daemon *daemon, const char *params, struct rte_tel_data *data)
{
	struct godwit_identifier id = {0};
	unsigned long long session, seq;
	unsigned int epoch;
	const struct stream *stream = NULL;
	struct resolved resolved = {.answer = GODWIT_UNKNOWN_SESSION};
	int read = 0;

	if (params == NULL ||
	    sscanf(params, "%llx:%llu:%u%n", &session, &seq, &epoch, &read) != 3 ||
	    params[read] != '\0')
		return -EINVAL;
	id.session = session;
	id.seq = seq;
	id.epoch = epoch;
	for (uint32_t i = 0; i < daemon->server.stream_count; i++)
		if (daemon->server.streams[i]->session == id.session)
			stream = daemon->server.streams[i];
	if (stream != NULL)
		resolved = stream_resolve(stream, id);
	rte_tel_data_add_dict_string(data, "answer", godwit_code_name(resolved.answer));
	rte_tel_data_add_dict_string(data, "meaning", godwit_code_text(resolved.answer));
	rte_tel_data_add_dict_string(data, "stream", stream != NULL ? stream->name : "-");
	if (stream == NULL)
		return 0;
	rte_tel_data_add_dict_u64(data, "seq", resolved.identifier.seq);
	rte_tel_data_add_dict_u64(data, "epoch", resolved.identifier.epoch);
	rte_tel_data_add_dict_u64(data, "earliest", log_earliest(&stream->log));
	rte_tel_data_add_dict_u64(data, "commit", log_committed(&stream->log).seq);
	rte_tel_data_add_dict_u64(data, "head", log_head(&stream->log).seq);
	return 0;
}
