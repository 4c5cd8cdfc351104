// SPDX-License-Identifier: BSD-3-Clause
//
// peer: hand each frame of another server to whom it concerns: HELLOs and heartbeats to the link core,
// what is about a stream to the stream's home core, the rest over the link core to control.
#include "dataplane/replication.h"
#include "dataplane/stages.h"

static_assert(offsetof(struct godwit_replicate, session) == offsetof(struct godwit_meta, session) &&
		      offsetof(struct godwit_snapshot, session) ==
			      offsetof(struct godwit_meta, session) &&
		      offsetof(struct godwit_peer_ack, session) ==
			      offsetof(struct godwit_meta, session),
	      "frames about a stream begin with its session");

static void cross(struct core *core, uint32_t to, const struct peer *peer, const uint8_t *frame,
		  uint32_t length)
{
	if (!home_peer(core, to, peer, frame, length))
		DROP(core, peer_crossing_full, 1);
}

static void stream_frame(struct core *core, struct peer *peer, const uint8_t *frame,
			 uint32_t length)
{
	struct stream *stream = replication_stream(core->server, frame);

	if (stream != NULL && stream->home != core->config.id) {
		cross(core, stream->home, peer, frame, length);
	} else if (stream != NULL) {
		COUNT(core, peer_replication, 1);
		replication_frame(core, stream, peer, frame, length);
	} else if (core->config.id != SERVER_LINK_CORE) {
		cross(core, SERVER_LINK_CORE, peer, frame, length);
	} else if (replication_stray(core, peer, frame, length)) {
		COUNT(core, peer_replication, 1);
	} else if (frame[1] == GODWIT_RECONCILE) {
		DROP(core, peer_unknown_stream, 1);
	} else {
		DROP(core, peer_unknown_session, 1);
	}
}

static bool is_about_stream(uint8_t type)
{
	return type >= GODWIT_REPLICATE && type <= GODWIT_PEER_ACK;
}

void peer_frame(struct core *core, struct peer *peer, const uint8_t *frame, uint32_t length)
{
	const struct godwit_from_server *from = (const void *)frame;
	uint64_t incarnation = godwit_get64(from->incarnation);
	uint64_t known = atomic_load_explicit(&peer->incarnation, memory_order_relaxed);
	uint8_t type = from->frame.type;

	// The link core alone takes over a new incarnation: such a frame goes there first.
	if (core->config.id != SERVER_LINK_CORE &&
	    (!is_about_stream(type) || incarnation > known)) {
		cross(core, SERVER_LINK_CORE, peer, frame, length);
		return;
	}
	if (incarnation > known)
		peers_new_incarnation(core, peer, incarnation);
	if (type == GODWIT_PEER_HELLO) {
		peers_hello(core, peer, (const void *)frame);
		return;
	}
	// classify has seen to it, but for the time that it took to cross.
	if (incarnation < known)
		DROP(core, peer_died, 1);
	else if (type == GODWIT_PEER_HEARTBEAT)
		peers_heartbeat(core, peer, (const void *)frame);
	else if (!peer_takes_part(peer))
		DROP(core, peer_refused, 1);
	else if (is_about_stream(type))
		stream_frame(core, peer, frame, length);
	else
		peers_punt(core, peer, frame, length);
}

void peer_burst(struct core *core, struct burst *burst)
{
	for (uint32_t i = 0; i < burst->count; i++) {
		struct datagram *datagram = &burst->datagrams[i];

		if (datagram->peer != NULL)
			peer_frame(core, datagram->peer, datagram->bytes, datagram->length);
	}
}
