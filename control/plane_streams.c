// SPDX-License-Identifier: BSD-3-Clause
//
// plane, part: the streams that this server leads. Their records go between the cluster and the home cores.
#include "control/plane_inside.h"
#include "dataplane/replication.h"

#define STEPS_MAX  8  // of one stream in one step
#define EVENTS_MAX 64 // of the cluster in one step

static uint64_t new_session(struct plane *plane)
{
	uint64_t session;

	do
		session = plane_random(plane);
	while (session == 0);
	return session;
}

void plane_streams_init(struct plane *plane)
{
	for (uint32_t i = 0; i < plane->server->stream_count; i++) {
		const struct plane_stream *stream = &plane->config.streams[i];
		struct primary_config config = {
			.stream = i,
			.server = plane->server->id,
			.min_in_sync = stream->min_in_sync,
			.start_ns = plane->config.start_ns,
		};

		if (stream->is_led)
			primary_init(&plane->primaries[i], &config, new_session(plane));
	}
}

static uint32_t replicas_of(const struct plane *plane, uint32_t number,
			    struct primary_replica *replicas)
{
	const struct plane_stream *stream = &plane->config.streams[number];
	struct peers *peers = &plane->server->peers;

	for (uint32_t i = 0; i < stream->replicas_count; i++) {
		struct peer *peer = peers_find(peers, stream->replicas[i]);
		struct primary_replica *r = &replicas[i];
		struct peer_stream_facts facts;

		*r = (struct primary_replica){.server = stream->replicas[i]};
		if (peer == NULL)
			continue;
		r->incarnation = atomic_load_explicit(&peer->incarnation, memory_order_acquire);
		if (!peer_takes_part(peer) || plane->peers[peer->index].link.state == LINK_DEAD ||
		    !peer_stream_get(&peer->streams[number], &facts))
			continue;
		r->is_there = true;
		r->session = facts.session;
		r->epoch = facts.epoch;
		r->end = facts.end;
	}
	return stream->replicas_count;
}

static bool tell(struct plane *plane, uint32_t number, const struct primary *p)
{
	struct replication_record record = {
		.stream = number,
		.epoch = p->record.epoch,
		.session = p->record.session,
		.proposals = p->answered,
		.min_in_sync = p->record.min_in_sync,
		.count = p->record.in_sync_count,
	};

	for (uint32_t i = 0; i < record.count; i++) {
		record.members[i].server = p->record.in_sync[i].server;
		record.members[i].incarnation = p->record.in_sync[i].incarnation;
	}
	return plane_command(plane, plane->server->streams[number]->home, CORE_COMMAND_RECORD,
			     &record, sizeof(record));
}

static bool fetch(struct plane *plane, uint32_t number, const struct primary *p)
{
	struct replication_fetch ask = {
		.stream = number,
		.epoch = p->record.epoch,
		.session = p->record.session,
		.server = p->source.server,
	};

	plane_say(plane, "stream %s: the log comes from server %u",
		  plane->server->streams[number]->name, p->source.server);
	return plane_command(plane, plane->server->streams[number]->home, CORE_COMMAND_FETCH, &ask,
			     sizeof(ask));
}

static bool perform(struct plane *plane, uint32_t number, struct primary *p,
		    enum primary_action action)
{
	uint32_t stream = plane->config.streams[number].cluster_stream;

	switch (action) {
	case PRIMARY_ASK_READ:
		return cluster_read(plane->config.cluster, stream) == 0;
	case PRIMARY_ASK_CHANGE:
		return cluster_change(plane->config.cluster, stream, &p->wanted) == 0;
	case PRIMARY_TELL:
		return tell(plane, number, p);
	case PRIMARY_ASK_FETCH:
		return fetch(plane, number, p);
	case PRIMARY_NOTHING:
		break;
	}
	return true;
}

static void step(struct plane *plane, uint32_t number, uint64_t now_ns)
{
	struct primary_replica replicas[SERVER_PEERS_MAX];
	uint32_t count = replicas_of(plane, number, replicas);
	struct primary *p = &plane->primaries[number];
	enum primary_state before = p->state;

	for (uint32_t n = 0; n < STEPS_MAX; n++) {
		enum primary_action action =
			primary_step(p, plane->server->incarnation, replicas, count, now_ns);

		if (action == PRIMARY_NOTHING)
			break;
		if (!perform(plane, number, p, action)) {
			primary_undone(p, action);
			break;
		}
	}
	if (p->state != before)
		plane_say(plane, "stream %s: %s", plane->server->streams[number]->name,
			  primary_state_name(p->state));
}

static void take_event(struct plane *plane, const struct cluster_event *event, uint64_t now_ns)
{
	for (uint32_t i = 0; i < plane->server->stream_count; i++) {
		struct primary *p = &plane->primaries[i];
		enum primary_state before = p->state;

		if (!plane->config.streams[i].is_led ||
		    plane->config.streams[i].cluster_stream != event->stream)
			continue;
		primary_answer(p, event, new_session(plane), now_ns);
		if (p->state == PRIMARY_BLOCKED && before != PRIMARY_BLOCKED)
			plane_say(plane, "stream %s takes no messages: %s: %s",
				  plane->server->streams[i]->name,
				  cluster_answer_name(event->answer), event->why);
	}
}

void plane_streams_step(struct plane *plane, uint64_t now_ns)
{
	struct cluster_event event;

	if (plane->config.cluster == NULL)
		return;
	for (uint32_t n = 0; n < EVENTS_MAX && cluster_next(plane->config.cluster, now_ns, &event);
	     n++)
		if (event.kind != CLUSTER_MEMBERS)
			take_event(plane, &event, now_ns);
	for (uint32_t i = 0; i < plane->server->stream_count; i++)
		if (plane->config.streams[i].is_led)
			step(plane, i, now_ns);
}

void plane_streams_notice(struct plane *plane, uint32_t kind, const void *data)
{
	struct replication_notice notice;
	struct primary *p;

	memcpy(&notice, data, sizeof(notice));
	if (notice.stream >= plane->server->stream_count ||
	    !plane->config.streams[notice.stream].is_led)
		return;
	p = &plane->primaries[notice.stream];
	if (kind == CORE_NOTICE_PROPOSE)
		primary_proposed(p, notice.server, notice.incarnation, notice.proposal);
	else if (kind == CORE_NOTICE_LAGS)
		primary_lags(p, notice.server);
	else
		primary_fetched(p, plane->server->incarnation);
}

void plane_streams_dead(struct plane *plane, uint16_t server)
{
	for (uint32_t i = 0; i < plane->server->stream_count; i++)
		if (plane->config.streams[i].is_led)
			primary_dead(&plane->primaries[i], server);
}
