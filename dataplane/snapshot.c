// SPDX-License-Identifier: BSD-3-Clause
//
// The snapshot: what a sink needs and no record tells. The table of publishers as of a sequence that both
// have, and what META agreed upon so far: topics and instances. It is pulled page by page; one at a time
// is served, and each is of one moment, which every page names.
#include <godwit/wire_walk.h>

#include "dataplane/replication.h"
#include "dataplane/stages.h"

#define PAGE_BYTES	448 // a frame that every path carries
#define PAGE_PUBLISHERS (PAGE_BYTES / sizeof(struct godwit_snapshot_publisher))
#define PAGE_TOPICS	(PAGE_BYTES / sizeof(struct godwit_snapshot_topic))
#define PAGE_AGAIN_NS	20000000ull
#define PAGE_TRIES	5
#define OWNER_IDLE_NS	200000000ull // whoever asks so late has lost its turn
// Whoever has no room for it asks so late that others get their turn.
#define NO_ROOM_NS (2 * OWNER_IDLE_NS)

static_assert(sizeof(struct godwit_snapshot) + PAGE_BYTES + GODWIT_MAC_BYTES <= PEERS_NARROW_BYTES,
	      "a page is asked for until it comes");

static uint32_t pages_of(uint32_t entries, uint32_t page)
{
	return (entries + page - 1) / page;
}

// ---- source ------------------------------------------------------------------------------------

// Copy the tables for the peer. False: not now, it asks again.
static bool snapshot_take(struct core *core, struct replication *r, struct peer *peer, uint64_t seq)
{
	struct feed *feed = &r->feeds[peer->index];
	uint64_t base = publishers_base_seq(r->stream->publishers);

	if (r->snapshot_owner != NONE && r->snapshot_owner != peer->index &&
	    core->now_ns - r->snapshot_used_ns < OWNER_IDLE_NS)
		return false;
	if (seq < base)
		seq = base;
	// It must hold all records that the table is made of; its own base may be further than ours.
	if (feed->acked < seq)
		return false;
	r->snapshot_owner = peer->index;
	r->snapshot_seq = seq;
	r->snapshot_meta = r->meta_last;
	r->snapshot_publishers = publishers_copy(r->stream->publishers, seq, r->states);
	r->snapshot_topics = r->stream->topics_count;
	feed->holds = true;
	COUNT(core, snapshots_taken, 1);
	return true;
}

// Write the entries of a page behind its header; returns their bytes.
static uint32_t write_page(const struct replication *r, uint32_t page, uint16_t *kind, uint8_t *at)
{
	uint32_t before = pages_of(r->snapshot_publishers, PAGE_PUBLISHERS), bytes = 0;
	bool of_topics = page >= before;
	uint32_t each = of_topics ? PAGE_TOPICS : PAGE_PUBLISHERS;
	uint32_t first = (of_topics ? page - before : page) * each;
	uint32_t count = of_topics ? r->snapshot_topics : r->snapshot_publishers;

	*kind = of_topics ? GODWIT_SNAPSHOT_TOPICS : GODWIT_SNAPSHOT_PUBLISHERS;
	for (uint32_t i = first; i < count && i < first + each; i++) {
		const struct publisher_state *state = &r->states[i];
		struct godwit_snapshot_publisher publisher = {
			.id = godwit_be64(of_topics ? 0 : state->id),
			.instance = godwit_be64(of_topics ? 0 : state->instance),
			.last = godwit_be64(of_topics ? 0 : state->last),
		};
		const void *entry = of_topics ? (const void *)r->stream->topics[i].name :
						(const void *)&publisher;
		uint32_t size = of_topics ? GODWIT_NAME_BYTES : (uint32_t)sizeof(publisher);

		memcpy(at + bytes, entry, size);
		bytes += size;
	}
	return bytes;
}

void snapshot_asked(struct core *core, struct replication *r, struct peer *peer,
		    const struct godwit_snapshot *request)
{
	struct feed *feed = &r->feeds[peer->index];
	uint32_t page = godwit_get32(request->page);
	uint8_t bytes[sizeof(struct godwit_snapshot) + PAGE_BYTES];
	struct godwit_snapshot answer = {
		.from = {.frame = {.version = GODWIT_VERSION,
				   .type = GODWIT_SNAPSHOT,
				   .flags = godwit_be16(GODWIT_FLAG_ANSWER)},
			 .epoch = godwit_be32(r->stream->epoch)},
		.session = godwit_be64(stream_session_held(r->stream)),
		.page = request->page,
	};
	uint32_t entries;
	uint16_t kind;
	bool is_same;

	if (!feed->active || feed->incarnation != godwit_get64(request->from.incarnation)) {
		DROP(core, replication_snapshot_unfed, 1);
		return;
	}
	is_same = r->snapshot_owner == peer->index &&
		  (page == 0 ? r->snapshot_seq >= godwit_get64(request->seq) &&
				       core->now_ns - r->snapshot_used_ns < PAGE_AGAIN_NS :
			       r->snapshot_seq == godwit_get64(request->seq) &&
				       r->snapshot_meta == godwit_get64(request->meta));
	if (!is_same && (page != 0 || !snapshot_take(core, r, peer, godwit_get64(request->seq)))) {
		COUNT(core, snapshots_waited, 1);
		return;
	}
	r->snapshot_used_ns = core->now_ns;
	entries = write_page(r, page, &kind, bytes + sizeof(answer));
	answer.seq = godwit_be64(r->snapshot_seq);
	answer.meta = godwit_be64(r->snapshot_meta);
	answer.pages = godwit_be32(pages_of(r->snapshot_publishers, PAGE_PUBLISHERS) +
				   pages_of(r->snapshot_topics, PAGE_TOPICS));
	answer.kind = godwit_be16(kind);
	answer.bytes = godwit_be16((uint16_t)entries);
	memcpy(bytes, &answer, sizeof(answer));
	peers_send(core, peer, bytes, (uint32_t)sizeof(answer) + entries);
	COUNT(core, snapshot_pages, 1);
}

// ---- sink --------------------------------------------------------------------------------------

static void pull_again(struct core *core, struct sink *sink, uint64_t wait_ns)
{
	sink->page = 0;
	sink->page_tries = 0;
	sink->page_due_ns = core->now_ns + wait_ns;
}

uint32_t snapshot_pull(struct core *core, struct replication *r)
{
	struct sink *sink = &r->sink;
	bool begins;

	if (core->now_ns < sink->page_due_ns)
		return 0;
	if (sink->page > 0 && ++sink->page_tries > PAGE_TRIES)
		pull_again(core, sink, 0);
	begins = sink->page == 0;
	struct godwit_snapshot request = {
		.from = {.frame = {.version = GODWIT_VERSION, .type = GODWIT_SNAPSHOT},
			 .epoch = godwit_be32(sink->epoch)},
		.session = godwit_be64(stream_session_held(r->stream)),
		.seq = godwit_be64(begins ? publishers_base_seq(r->stream->publishers) :
					    sink->snapshot_seq),
		.meta = godwit_be64(begins ? 0 : sink->snapshot_meta),
		.page = godwit_be32(sink->page),
		.kind = godwit_be16(GODWIT_SNAPSHOT_PUBLISHERS),
	};

	peers_send(core, &core->server->peers.peers[sink->peer], &request, sizeof(request));
	sink->page_due_ns = core->now_ns + PAGE_AGAIN_NS;
	return 1;
}

static void refuse(struct core *core, struct sink *sink, uint64_t wait_ns)
{
	COUNT(core, snapshots_refused, 1);
	pull_again(core, sink, wait_ns);
}

// False: more than there is room for.
static bool take_entries(struct replication *r, const struct godwit_snapshot *page)
{
	const uint8_t *at = godwit_snapshot_bytes(page);
	uint32_t kind = godwit_get16(page->kind), bytes = godwit_get16(page->bytes);
	struct sink *sink = &r->sink;

	if (kind == GODWIT_SNAPSHOT_PUBLISHERS) {
		const struct godwit_snapshot_publisher *publishers = (const void *)at;
		uint32_t count = bytes / (uint32_t)sizeof(*publishers);

		if (count > r->states_max - sink->publishers)
			return false;
		for (uint32_t i = 0; i < count; i++)
			r->states[sink->publishers++] =
				(struct publisher_state){godwit_get64(publishers[i].id),
							 godwit_get64(publishers[i].instance),
							 godwit_get64(publishers[i].last)};
	} else if (kind == GODWIT_SNAPSHOT_TOPICS) {
		uint32_t count = bytes / GODWIT_NAME_BYTES;

		if (count > r->topics_max - sink->topics)
			return false;
		memcpy(r->names[sink->topics], at, bytes);
		sink->topics += count;
	}
	return true;
}

static void load(struct core *core, struct replication *r)
{
	struct sink *sink = &r->sink;
	struct stream *stream = r->stream;
	bool made;

	if (!publishers_load(stream->publishers, sink->snapshot_seq, r->states, sink->publishers)) {
		refuse(core, sink, NO_ROOM_NS);
		return;
	}
	stream_topics_reset(stream);
	for (uint32_t i = 0; i < sink->topics; i++)
		stream_topic(stream, r->names[i], true, &made);
	sink->pulling = false;
	sink->loaded = true;
	sink->meta = sink->snapshot_meta;
	meta_begin(r, sink->meta);
	sink->ack_due = true;
	COUNT(core, snapshots_loaded, 1);
}

void snapshot_page(struct core *core, struct replication *r, struct peer *peer,
		   const struct godwit_snapshot *page)
{
	struct sink *sink = &r->sink;
	uint64_t seq = godwit_get64(page->seq), meta = godwit_get64(page->meta);

	if (sink->state != SINK_FOLLOWING || peer->index != sink->peer || !sink->pulling ||
	    godwit_get64(page->from.incarnation) != sink->incarnation ||
	    godwit_get32(page->page) != sink->page) {
		COUNT(core, snapshot_pages_old, 1);
		return;
	}
	if (sink->page == 0) {
		sink->snapshot_seq = seq;
		sink->snapshot_meta = meta;
		sink->pages = godwit_get32(page->pages);
		sink->publishers = sink->topics = 0;
	} else if (seq != sink->snapshot_seq || meta != sink->snapshot_meta) {
		COUNT(core, snapshot_pages_old, 1);
		return;
	}
	if (meta == 0 || seq > r->stream->log.head_own.seq) {
		refuse(core, sink, PAGE_AGAIN_NS);
		return;
	}
	if (!take_entries(r, page)) {
		refuse(core, sink, NO_ROOM_NS);
		return;
	}
	sink->page++;
	sink->page_tries = 0;
	sink->page_due_ns = core->now_ns;
	if (sink->page >= sink->pages)
		load(core, r);
}
