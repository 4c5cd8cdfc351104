// SPDX-License-Identifier: BSD-3-Clause
//
// META: what must be agreed but is no message. The primary numbers each entry and keeps it until all in
// sync hold it; only then the client that asked is answered, so that what a client uses survives the primary.
#include <godwit/wire_walk.h>

#include "dataplane/replication.h"
#include "dataplane/stages.h"

#define META_FRAMES   16 // to one peer in one turn
#define META_AGAIN_NS 5000000ull

void meta_begin(struct replication *r, uint64_t last)
{
	r->meta_first = r->meta_last = r->meta_held = last;
}

static struct meta_entry *entry_at(const struct replication *r, uint64_t number)
{
	return &r->meta[number % r->meta_max];
}

bool meta_is_full(const struct replication *r)
{
	return r->meta_last - r->meta_held >= r->meta_max;
}

struct meta_entry *meta_add(struct core *core, struct replication *r)
{
	struct meta_entry *entry;

	assert(!meta_is_full(r));
	if (r->meta_last - r->meta_first == r->meta_max) {
		r->meta_first++;
		// One that is not in sync and lacks the entry takes the whole table again.
		for (uint32_t i = 0; i < SERVER_PEERS_MAX; i++)
			if (r->feeds[i].active && r->feeds[i].meta_acked != 0 &&
			    r->feeds[i].meta_acked < r->meta_first)
				source_close(core, r, i);
	}
	entry = entry_at(r, ++r->meta_last);
	memset(entry, 0, sizeof(*entry));
	return entry;
}

bool meta_waits_topic(const struct replication *r, uint32_t topic)
{
	for (uint64_t n = r->meta_held + 1; n <= r->meta_last; n++)
		if (entry_at(r, n)->kind == GODWIT_META_TOPIC && entry_at(r, n)->topic == topic)
			return true;
	return false;
}

bool meta_waits_publisher(const struct replication *r, uint64_t publisher)
{
	for (uint64_t n = r->meta_held + 1; n <= r->meta_last; n++)
		if (entry_at(r, n)->kind == GODWIT_META_INSTANCE &&
		    godwit_get64(entry_at(r, n)->instance.publisher) == publisher)
			return true;
	return false;
}

void meta_answer(struct core *core, struct replication *r)
{
	uint64_t held = insync_meta(r);

	while (r->meta_held < held) {
		struct meta_entry *entry = entry_at(r, ++r->meta_held);
		struct home_origin origin = {
			.handle = entry->origin_handle,
			.tag = entry->origin_tag,
			.core = entry->origin_core,
		};

		home_answer(core, &origin, entry->answer, entry->answer_bytes);
		COUNT(core, meta_agreed, 1);
	}
}

static bool send_entry(struct core *core, struct replication *r, struct peer *peer, uint64_t number)
{
	const struct meta_entry *entry = entry_at(r, number);
	uint8_t bytes[sizeof(struct godwit_meta) + GODWIT_NAME_BYTES];
	struct godwit_meta meta = {
		.from = {.frame = {.version = GODWIT_VERSION, .type = GODWIT_META},
			 .epoch = godwit_be32(r->stream->epoch)},
		.session = godwit_be64(stream_session_held(r->stream)),
		.entry = godwit_be64(number),
		.kind = godwit_be16(entry->kind),
		.bytes = godwit_be16(entry->bytes),
	};

	memcpy(bytes, &meta, sizeof(meta));
	memcpy(bytes + sizeof(meta), entry->name, entry->bytes);
	COUNT(core, meta_frames, 1);
	return peers_send(core, peer, bytes, (uint32_t)sizeof(meta) + entry->bytes);
}

uint32_t meta_feed(struct core *core, struct replication *r, struct peer *peer)
{
	struct feed *feed = &r->feeds[peer->index];
	uint32_t sent = 0;

	if (feed->meta_acked == 0 || feed->meta_acked == r->meta_last)
		return 0;
	if (feed->meta_acked < r->meta_first) { // an entry that it lacks is gone
		source_close(core, r, peer->index);
		return 1;
	}
	if (feed->meta_sent == r->meta_last && core->now_ns >= feed->meta_due_ns)
		feed->meta_sent = feed->meta_acked;
	while (feed->meta_sent < r->meta_last && sent < META_FRAMES &&
	       send_entry(core, r, peer, feed->meta_sent + 1)) {
		feed->meta_sent++;
		feed->meta_due_ns = core->now_ns + META_AGAIN_NS;
		sent++;
	}
	return sent;
}

void meta_taken(struct core *core, struct replication *r, struct peer *peer,
		const struct godwit_meta *meta)
{
	struct sink *sink = &r->sink;
	const struct godwit_meta_instance *instance = (const void *)godwit_meta_bytes(meta);
	uint64_t number = godwit_get64(meta->entry);
	bool made, held;

	if (sink->state != SINK_FOLLOWING || peer->index != sink->peer ||
	    godwit_get64(meta->from.incarnation) != sink->incarnation ||
	    godwit_get32(meta->from.epoch) != sink->epoch) {
		DROP(core, replication_not_source, 1);
		return;
	}
	sink->ack_due = true;
	if (sink->meta == 0 || number != sink->meta + 1) {
		COUNT(core, meta_out_of_turn, 1);
		return;
	}
	if (godwit_get16(meta->kind) == GODWIT_META_TOPIC)
		held = stream_topic(r->stream, godwit_meta_bytes(meta), true, &made) != 0;
	else
		held = publishers_adopt(r->stream->publishers, godwit_get64(instance->publisher),
					godwit_get64(instance->instance));
	if (!held) {
		DROP(core, replication_table_full, 1);
		return;
	}
	sink->meta = number;
	meta_begin(r, number);
	COUNT(core, meta_applied, 1);
}
