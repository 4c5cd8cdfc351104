// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/replication.h"

struct stream *replication_stream(const struct server *server, const uint8_t *frame)
{
	// All but RECONCILE begin with the session.
	const struct godwit_meta *about = (const void *)frame;
	const struct godwit_reconcile *reconcile = (const void *)frame;
	bool by_name = frame[1] == GODWIT_RECONCILE;
	uint64_t wanted = godwit_get64(by_name ? reconcile->stream : about->session);

	if (wanted == 0 && !by_name)
		return NULL; // that is no session
	for (uint32_t i = 0; i < server->stream_count; i++) {
		struct stream *stream = server->streams[i];

		if ((by_name ? stream->hash : stream->session) == wanted)
			return stream;
	}
	return NULL;
}

void replication_frame(struct core *core, struct stream *stream, struct peer *peer,
		       const uint8_t *frame, uint32_t length)
{
	(void)stream;
	(void)peer;
	(void)frame;
	(void)length;
	DROP(core, peer_not_replicated, 1);
}

bool replication_stray(struct core *core, struct peer *peer, const uint8_t *frame, uint32_t length)
{
	return cursor_feed_frame(core, peer, frame, length);
}
