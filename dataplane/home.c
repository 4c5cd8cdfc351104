// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/home.h"

#include "dataplane/replication.h"
#include "dataplane/stages.h"

#define HOME_BUDGET 64 // slots taken from one core in one turn
#define HEAD_BYTES  ((uint32_t)sizeof(struct home_origin))

// head: HEAD_BYTES, an origin or a sender.
static bool cross(struct core *core, uint32_t to, enum home_crossing kind, const void *head,
		  const void *frame, uint32_t length)
{
	struct crossing *crossing = server_crossing(core->server, core->config.id, to);
	struct crossing_slot *slot = crossing_begin(crossing);

	if (slot == NULL) {
		COUNT(core, crossing_full, 1);
		return false;
	}
	assert(sizeof(*slot) + HEAD_BYTES + length <= crossing->stride);
	slot->kind = kind;
	slot->bytes = HEAD_BYTES + length;
	memcpy(slot->data, head, HEAD_BYTES);
	memcpy(slot->data + HEAD_BYTES, frame, length);
	crossing_end(crossing);
	COUNT(core, crossed, 1);
	return true;
}

bool home_frame(struct core *core, struct stream *stream, const struct home_origin *origin,
		const uint8_t *frame, uint32_t length)
{
	if (stream->home != core->config.id)
		return cross(core, stream->home, HOME_FRAME, origin, frame, length);
	ingest_frame(core, origin, frame, length);
	return true;
}

void home_answer(struct core *core, const struct home_origin *origin, const void *frame,
		 uint32_t length)
{
	struct client *client;

	if (origin->core != core->config.id) {
		cross(core, origin->core, HOME_ANSWER, origin, frame, length);
		return;
	}
	client = core_client(core, origin->handle);
	if (client != NULL)
		core_send(core, client, frame, length);
}

bool home_client(struct core *core, uint32_t to, const struct godwit_address *from,
		 const uint8_t *frame, uint32_t length)
{
	struct crossing *crossing = server_crossing(core->server, core->config.id, to);
	struct home_sender sender = {.from = *from};

	if (!crossing_has_room(crossing, (crossing->mask + 1) / 2 + 1)) {
		COUNT(core, crossing_full, 1);
		return false;
	}
	return cross(core, to, HOME_CLIENT, &sender, frame, length);
}

static void take_client(struct core *core, const struct crossing_slot *slot)
{
	struct home_sender sender;
	struct datagram datagram = {.bytes = slot->data + sizeof(sender),
				    .length = slot->bytes - (uint32_t)sizeof(sender)};

	memcpy(&sender, slot->data, sizeof(sender));
	datagram.from = sender.from;
	classify_crossed(core, &datagram);
	session_datagram(core, &datagram);
	ingest_datagram(core, &datagram);
}

bool home_cursor(struct core *core, const struct godwit_cursor *entry)
{
	struct home_origin nobody = {.core = core->config.id};

	return cross(core, SERVER_LINK_CORE, HOME_CURSOR, &nobody, entry, sizeof(*entry));
}

static void take_cursor(struct core *core, const uint8_t *bytes)
{
	struct godwit_cursor entry;

	memcpy(&entry, bytes, sizeof(entry));
	cursor_feed_take(core, &entry);
}

bool home_peer(struct core *core, uint32_t to, const struct peer *peer, const uint8_t *frame,
	       uint32_t length)
{
	struct home_origin origin = {.handle = peer->index, .core = core->config.id};

	return cross(core, to, HOME_PEER, &origin, frame, length);
}

bool home_close(struct core *core, uint32_t to, const struct home_closing *closing)
{
	struct home_origin origin = {.core = core->config.id};

	return cross(core, to, HOME_STREAM_CLOSE, &origin, closing, sizeof(*closing));
}

// False: it cannot be confirmed now, and is taken up again next turn.
static bool close_for(struct core *core, const struct home_origin *origin, const uint8_t *data)
{
	struct home_origin own = {.core = core->config.id};
	struct home_closing closing;

	memcpy(&closing, data, sizeof(closing));
	replication_end_subscriptions(core, core->server->streams[closing.stream], closing.above);
	return cross(core, origin->core, HOME_STREAM_CLOSED, &own, &closing, sizeof(closing));
}

static void closed_by(struct core *core, const struct home_origin *origin, const uint8_t *data)
{
	struct home_closing closing;

	memcpy(&closing, data, sizeof(closing));
	sink_closed(core, core->server->streams[closing.stream], origin->core, closing.number);
}

// False: it stays where it is.
static bool take(struct core *core, const struct crossing_slot *slot)
{
	struct home_origin origin;
	const uint8_t *frame = slot->data + sizeof(origin);
	uint32_t length = slot->bytes - (uint32_t)sizeof(origin);

	memcpy(&origin, slot->data, sizeof(origin));
	switch (slot->kind) {
	case HOME_FRAME:
		ingest_frame(core, &origin, frame, length);
		break;
	case HOME_ANSWER:
		home_answer(core, &origin, frame, length);
		break;
	case HOME_CURSOR:
		take_cursor(core, frame);
		break;
	case HOME_PEER:
		peer_frame(core, &core->server->peers.peers[origin.handle], frame, length);
		break;
	case HOME_CLIENT:
		take_client(core, slot);
		break;
	case HOME_STREAM_CLOSE:
		return close_for(core, &origin, frame);
	case HOME_STREAM_CLOSED:
		closed_by(core, &origin, frame);
		break;
	}
	return true;
}

uint32_t home_drain(struct core *core)
{
	const struct server *server = core->server;
	uint32_t total = 0;

	for (uint32_t from = 0; server->crossings != NULL && from < server->core_count; from++) {
		struct crossing *crossing = server_crossing(server, from, core->config.id);
		struct crossing_slot *slot;

		for (uint32_t n = 0; n < HOME_BUDGET && (slot = crossing_peek(crossing)) != NULL;
		     n++, total++) {
			if (!take(core, slot))
				break;
			crossing_pop(crossing);
		}
	}
	return total;
}
