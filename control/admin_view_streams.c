// SPDX-License-Identifier: BSD-3-Clause
//
// Views of streams, and of where an identifier leads.
#include "control/admin_view.h"

static uint64_t feed_age(const struct stream *stream, uint64_t now_ns)
{
	uint32_t age_ms = stream_feed_age_ms(stream, now_ns);

	return age_ms == UINT32_MAX ? VIEW_NEVER : age_ms;
}

static const struct config_stream *config_of(const struct view_sources *sources,
					     const struct stream *stream)
{
	for (uint32_t i = 0; i < sources->config->streams_count; i++)
		if (strcmp(sources->config->streams[i].name, stream->name) == 0)
			return &sources->config->streams[i];
	return NULL;
}

// What a peer said of the stream, as far as it is one of its servers.
static void replica_view(const struct view_sources *sources, const struct view_stream *stream,
			 uint32_t number, uint16_t id, struct view_replica *view)
{
	struct peer *peer = peers_find(&sources->server->peers, id);
	struct peer_stream_facts facts;

	*view = (struct view_replica){.server = id, .acked = VIEW_NEVER, .feed_age_ms = VIEW_NEVER};
	if (peer == NULL || !peer_stream_get(&peer->streams[number], &facts))
		return;
	view->has_told = true;
	if (facts.session != stream->session)
		return;
	view->acked = facts.end;
	view->lag = stream->head > facts.end ? stream->head - facts.end : 0;
	if (facts.feed_age_ms != PEERS_NEVER_FED)
		view->feed_age_ms = facts.feed_age_ms;
}

static void cluster_view(const struct view_sources *sources, const struct config_stream *config,
			 uint32_t number, struct view_stream *view)
{
	const uint16_t self = sources->server->id;
	bool is_led = sources->server->streams[number]->role == STREAM_PRIMARY;

	view->role = is_led ? "primary" : "replica";
	view->primary = (uint16_t)config->primary;
	view->min_in_sync = (uint32_t)config->min_in_sync;
	if (!is_led)
		replica_view(sources, view, number, view->primary,
			     &view->replicas[view->replicas_count++]);
	for (uint32_t i = 0; i < config->replicas.count; i++)
		if (config->replicas.ids[i] != self && config->replicas.ids[i] != view->primary)
			replica_view(sources, view, number, (uint16_t)config->replicas.ids[i],
				     &view->replicas[view->replicas_count++]);
}

// The replicas that the record names.
static void in_sync_view(struct view_stream *view)
{
	for (uint32_t i = 0; i < view->replicas_count; i++) {
		view->replicas[i].is_in_sync = false;
		for (uint32_t k = 0; k < view->in_sync_count; k++)
			view->replicas[i].is_in_sync |= view->in_sync[k] ==
							view->replicas[i].server;
	}
}

void view_stream(const struct view_sources *sources, uint32_t number, uint64_t now_ns,
		 struct view_stream *view)
{
	const struct stream *stream = sources->server->streams[number];
	const struct config_stream *config = config_of(sources, stream);
	uint64_t last;

	*view = (struct view_stream){
		.name = stream->name,
		.role = "alone",
		.primary = sources->server->id,
		.session = stream_session_held(stream),
		.is_served = stream_session(stream) != 0,
		.earliest = log_earliest(&stream->log),
		.head = log_head(&stream->log).seq,
		.commit = log_committed(&stream->log).seq,
		.feed_age_ms = feed_age(stream, now_ns),
		.home = stream->home,
		.min_in_sync = 1,
	};
	view->epoch = stream_epoch_of(stream, view->head + 1, &last);
	if (stream->role != STREAM_ALONE && config != NULL) {
		cluster_view(sources, config, number, view);
	} else {
		view->in_sync[view->in_sync_count++] = sources->server->id;
	}
	snprintf(view->state, sizeof(view->state), "%s", view->is_served ? "open" : "not served");
	if (sources->plane.stream != NULL)
		sources->plane.stream(sources->plane.arg, number, view);
	in_sync_view(view);
}

const struct stream *view_stream_of(const struct view_sources *sources, uint64_t session)
{
	for (uint32_t i = 0; i < sources->server->stream_count && session != 0; i++)
		if (stream_session_held(sources->server->streams[i]) == session)
			return sources->server->streams[i];
	return NULL;
}

void view_resolve(const struct view_sources *sources, struct godwit_identifier identifier,
		  struct view_resolved *view)
{
	const struct stream *stream = view_stream_of(sources, identifier.session);
	struct place place;

	*view = (struct view_resolved){
		.stream = "",
		.resolved = {GODWIT_UNKNOWN_SESSION, {.session = identifier.session}},
	};
	if (stream == NULL)
		return;
	view->stream = stream->name;
	view->resolved = stream_resolve(stream, identifier);
	view->earliest = log_earliest(&stream->log);
	view->head = log_head(&stream->log).seq;
	view->commit = log_committed(&stream->log).seq;
	switch (view->resolved.answer) {
	case GODWIT_OK:
		break;
	case GODWIT_TRUNCATED:
	case GODWIT_FUTURE:
	case GODWIT_DIVERGED:
		// This is where a client with the policy `earliest` would go on.
		view->resolved.identifier =
			stream_apply_policy(stream, view->resolved, GODWIT_POLICY_EARLIEST);
		break;
	default:
		return; // to be asked again later
	}
	view->has_next = true;
	view->next = view->resolved.identifier.seq + 1;
	view->has_place = log_seek(&stream->log, view->next, &place);
	if (view->has_place)
		view->position = place.pos;
}
