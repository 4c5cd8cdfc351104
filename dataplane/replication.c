// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/replication.h"

#include <errno.h>
#include <stdlib.h>

#include "dataplane/stages.h"

// ---- at rest -----------------------------------------------------------------------------------

static void *zeroed_lines(uint64_t bytes)
{
	uint64_t rounded = (bytes + CACHE_LINE - 1) & ~(CACHE_LINE - 1ull);
	void *memory = aligned_alloc(CACHE_LINE, rounded);

	if (memory != NULL)
		memset(memory, 0, rounded);
	return memory;
}

static uint32_t meta_max_of(const struct stream_config *config)
{
	return config->meta_max != 0 ? config->meta_max : REPLICATION_META_PENDING;
}

uint64_t replication_bytes(const struct stream_config *config)
{
	if (config->role == STREAM_ALONE)
		return 0;
	return sizeof(struct replication) + meta_max_of(config) * sizeof(struct meta_entry) +
	       (uint64_t)config->publishers_max * sizeof(struct publisher_state) +
	       (uint64_t)config->topics_max * GODWIT_NAME_BYTES;
}

int replication_create(struct stream *stream, const struct stream_config *config)
{
	struct replication *r;

	if (config->role == STREAM_ALONE)
		return 0;
	r = stream->replication = zeroed_lines(sizeof(*r));
	if (r == NULL)
		return -ENOMEM;
	r->stream = stream;
	r->snapshot_owner = NONE;
	r->room_known = true;
	r->states_max = config->publishers_max;
	r->topics_max = config->topics_max;
	r->meta_max = meta_max_of(config);
	r->meta = zeroed_lines(r->meta_max * sizeof(*r->meta));
	r->states = zeroed_lines((uint64_t)config->publishers_max * sizeof(*r->states));
	r->names = zeroed_lines((uint64_t)config->topics_max * GODWIT_NAME_BYTES);
	if (r->meta == NULL || r->states == NULL || r->names == NULL)
		return -ENOMEM; // replication_destroy gives back what there is
	return 0;
}

void replication_destroy(struct stream *stream)
{
	struct replication *r = stream->replication;

	if (r == NULL)
		return;
	free(r->names);
	free(r->states);
	free(r->meta);
	free(r);
	stream->replication = NULL;
}

// ---- frames ------------------------------------------------------------------------------------

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

		if ((by_name ? stream->hash : stream_session_held(stream)) == wanted)
			return stream;
	}
	return NULL;
}

void replication_frame(struct core *core, struct stream *stream, struct peer *peer,
		       const uint8_t *frame, uint32_t length)
{
	struct replication *r = stream->replication;
	const struct godwit_frame *head = (const void *)frame;
	bool is_answer = (godwit_get16(head->flags) & GODWIT_FLAG_ANSWER) != 0;

	if (r == NULL) {
		DROP(core, peer_not_replicated, 1);
		return;
	}
	// It may have been named by a session that the log gave up while the frame crossed.
	switch (head->type) {
	case GODWIT_RECONCILE:
		if (is_answer)
			sink_answer(core, r, peer, (const void *)frame);
		else
			source_reconcile(core, r, peer, (const void *)frame);
		break;
	case GODWIT_REPLICATE:
		sink_replicate(core, r, peer, (const void *)frame, length);
		break;
	case GODWIT_PEER_ACK:
		source_ack(core, r, peer, (const void *)frame);
		break;
	case GODWIT_SNAPSHOT:
		if (is_answer)
			snapshot_page(core, r, peer, (const void *)frame);
		else
			snapshot_asked(core, r, peer, (const void *)frame);
		break;
	case GODWIT_META:
		meta_taken(core, r, peer, (const void *)frame);
		break;
	}
}

bool replication_stray(struct core *core, struct peer *peer, const uint8_t *frame, uint32_t length)
{
	return cursor_feed_frame(core, peer, frame, length);
}

// ---- a turn ------------------------------------------------------------------------------------

uint64_t replication_meta(const struct stream *stream)
{
	const struct replication *r = stream->replication;

	return r == NULL ? 0 : atomic_load_explicit(&r->meta_whole, memory_order_relaxed);
}

// Whoever is fed anew holds no entry before it took the tables: numbers of a primary before say nothing of this one's. While
// nobody feeds it, it holds what it held. It moves seldom, and is not to be a line that others' reads take away in each
// turn.
static void tell_meta(struct replication *r)
{
	uint64_t told = atomic_load_explicit(&r->meta_whole, memory_order_relaxed), meta = told;

	if (r->writable)
		meta = r->meta_last;
	else if (r->sink.state == SINK_FOLLOWING)
		meta = r->sink.meta;
	else if (!r->sink.loaded)
		meta = 0;
	if (meta != told)
		atomic_store_explicit(&r->meta_whole, meta, memory_order_relaxed);
}

uint32_t replication_burst(struct core *core)
{
	struct server *server = core->server;
	uint32_t done = 0;

	if (server->peers.count == 0)
		return 0;
	for (uint32_t i = 0; i < server->stream_count; i++) {
		struct stream *stream = server->streams[i];
		struct replication *r = stream->replication;

		if (r == NULL || stream->home != core->config.id)
			continue;
		done += insync_propose(core, r);
		insync_stands(core, r);
		done += source_burst(core, r);
		done += sink_burst(core, r);
		done += sink_tell(core, r);
		if (r->meta_held != r->meta_last)
			meta_answer(core, r);
		if (r->writable && !r->tables_agreed)
			r->tables_agreed = insync_tables(r);
		tell_meta(r);
	}
	return done;
}
