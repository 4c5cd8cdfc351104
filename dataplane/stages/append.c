// SPDX-License-Identifier: BSD-3-Clause
//
// append: accepted records into the log, copied once and stamped; at the end of the turn they become
// visible, the commit moves, and each publisher that sent hears how far it is committed.
#include <godwit/wire_check.h>

#include "dataplane/replication.h"
#include "dataplane/stages.h"

void append_records(struct core *core, struct stream *stream, const uint8_t *records,
		    const uint8_t *end, uint32_t skip)
{
	const struct godwit_record *record;

	while ((record = godwit_record_next(&records, end)) != NULL) {
		if (skip > 0) {
			skip--;
			continue;
		}
		log_append(&stream->log, core->wall_ns, godwit_get32(record->topic),
			   godwit_get16(record->flags), record + 1, godwit_get16(record->length));
	}
}

static void on_committed(void *arg, uint32_t number)
{
	struct stream *stream = arg;
	struct publisher *publisher = publisher_at(stream->publishers, number);

	// No handle: it has not sent anything to this server yet.
	if (publisher->dirty || publisher->handle == 0)
		return;
	publisher->dirty = true;
	publisher->next_dirty = stream->dirty;
	stream->dirty = number;
}

static void send_publish_acks(struct core *core, struct stream *stream)
{
	while (stream->dirty != PUBLISHER_NONE) {
		struct publisher *publisher = publisher_at(stream->publishers, stream->dirty);
		struct godwit_publish_ack ack = {
			.frame = {.version = GODWIT_VERSION, .type = GODWIT_PUBLISH_ACK},
			.tag = godwit_be64(publisher->tag),
			.publisher = godwit_be64(publisher->id),
			.instance = godwit_be64(publisher->instance),
			.committed = godwit_be64(publisher->committed),
			.expected = godwit_be64(publisher->last + 1),
			.stream = godwit_be32(stream->number),
			.credit = godwit_be32(STREAM_PUBLISH_CREDIT),
			.code = godwit_be16(publisher->code),
		};
		struct home_origin origin = {
			.handle = publisher->handle,
			.tag = publisher->tag,
			.core = publisher->core,
		};

		stream->dirty = publisher->next_dirty;
		publisher->dirty = false;
		publisher->code = GODWIT_OK;
		home_answer(core, &origin, &ack, sizeof(ack));
		COUNT(core, publish_acks, 1);
	}
}

uint32_t append_burst(struct core *core)
{
	struct server *server = core->server;
	uint32_t moved = 0;

	for (uint32_t i = 0; i < server->stream_count; i++) {
		struct stream *stream = server->streams[i];
		struct log *log = &stream->log;
		uint64_t commit;

		if (stream->home != core->config.id)
			continue;
		log_publish(log);
		commit = log->head_own.seq;
		if (stream->replication != NULL)
			commit = insync_commit(stream->replication);
		commit = stream->commit_held ? log->commit_own.seq : log_commit(log, commit);
		if (commit != atomic_load_explicit(&server->heads[i], memory_order_relaxed)) {
			publishers_commit(stream->publishers, commit, on_committed, stream);
			if (stream->replication == NULL)
				publishers_release(stream->publishers, commit);
			// pairs with: the acquire in dispatch_burst
			atomic_store_explicit(&server->heads[i], commit, memory_order_release);
			moved++;
		}
		if (stream->replication != NULL) {
			// Also where the commit rests: acknowledgements and tables move by themselves.
			publishers_commit(stream->publishers, commit, on_committed, stream);
			publishers_release(stream->publishers,
					   insync_release(stream->replication, commit));
		}
		if (stream->dirty != PUBLISHER_NONE) {
			send_publish_acks(core, stream);
			moved++;
		}
	}
	return moved;
}
