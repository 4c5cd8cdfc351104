// SPDX-License-Identifier: BSD-3-Clause
//
// The link core's part of peers: HELLOs, heartbeats, and what they say of their sender.
//
// Heartbeats are numbered from our incarnation on, so that what a peer says it heard of an earlier
// process of ours is never taken for one of this one.
#include <godwit/wire_walk.h>

#include "dataplane/replication.h"
#include "dataplane/stages.h"

#define POST_BUDGET 32 // frames of control sent in one turn

static_assert(sizeof(struct godwit_peer_hello) +
			      PEERS_STREAMS_MAX * sizeof(struct godwit_peer_stream) +
			      GODWIT_MAC_BYTES <=
		      PEERS_NARROW_BYTES,
	      "every path carries it");
static_assert(sizeof(struct godwit_peer_heartbeat) <= sizeof(struct godwit_peer_hello),
	      "so it does this");

// ---- what streams look like --------------------------------------------------------------------

static struct godwit_peer_stream entry_of(const struct core *core, const struct stream *stream)
{
	uint64_t end = log_head_seq(&stream->log), last;

	return (struct godwit_peer_stream){
		.stream = godwit_be64(stream->hash),
		.session = godwit_be64(stream_session_held(stream)),
		.earliest = godwit_be64(log_earliest(&stream->log)),
		.end = godwit_be64(end),
		.commit = godwit_be64(log_committed_seq(&stream->log)),
		.log_bytes = godwit_be64(stream->log.size),
		.epoch = godwit_be32(stream_epoch_of(stream, end + 1, &last)),
		// A primary that fetches its log gives nothing to anybody yet.
		.feed_age = godwit_be32(stream_session(stream) != 0 ?
						stream_feed_age_ms(stream, core->now_ns) :
						PEERS_NEVER_FED),
		.meta = godwit_be64(replication_meta(stream)),
	};
}

// The number of our stream with that hash; NONE: there is none.
static uint32_t stream_number(const struct server *server, uint64_t hash)
{
	for (uint32_t i = 0; i < server->stream_count; i++)
		if (server->streams[i]->hash == hash)
			return i;
	return NONE;
}

// Entries of those of our streams that a frame of a peer names, PEERS_STREAMS_MAX at most. Returns how many.
static uint32_t write_asked(const struct core *core, const struct godwit_frame *asked, uint8_t *at)
{
	const struct godwit_peer_stream *names = godwit_peer_streams(asked);
	const struct server *server = core->server;
	uint32_t count = 0;

	for (uint32_t i = 0; i < godwit_get16(asked->count) && count < PEERS_STREAMS_MAX; i++) {
		uint32_t number = stream_number(server, godwit_get64(names[i].stream));
		struct godwit_peer_stream entry;

		if (number == NONE)
			continue;
		entry = entry_of(core, server->streams[number]);
		memcpy(at + count++ * sizeof(entry), &entry, sizeof(entry));
	}
	return count;
}

// Up to PEERS_STREAMS_MAX entries of the streams from number `first` on. Returns how many.
static uint32_t write_entries(const struct core *core, uint32_t first, uint8_t *at)
{
	const struct server *server = core->server;
	uint32_t count = 0;

	for (; count < PEERS_STREAMS_MAX && first + count < server->stream_count; count++) {
		struct godwit_peer_stream entry = entry_of(core, server->streams[first + count]);

		memcpy(at + count * sizeof(entry), &entry, sizeof(entry));
	}
	return count;
}

static void facts_store(struct peer_stream *s, const struct peer_stream_facts *facts, bool told)
{
	uint32_t version = atomic_load_explicit(&s->version, memory_order_relaxed);

	atomic_store_explicit(&s->version, version + 1, memory_order_relaxed);
	// Odd is seen before a new field is. pairs with: the fence of peer_stream_get
	atomic_thread_fence(memory_order_release);
#define STORE(field) atomic_store_explicit(&s->field, facts->field, memory_order_relaxed)
	STORE(session);
	STORE(earliest);
	STORE(end);
	STORE(commit);
	STORE(log_bytes);
	STORE(meta);
	STORE(epoch);
	STORE(feed_age_ms);
#undef STORE
	atomic_store_explicit(&s->told, told, memory_order_relaxed);
	// pairs with: peer_stream_get
	atomic_store_explicit(&s->version, version + 2, memory_order_release);
}

static void take_entry(const struct server *server, struct peer *peer,
		       const struct godwit_peer_stream *entry)
{
	struct peer_stream_facts facts = {
		.session = godwit_get64(entry->session),
		.earliest = godwit_get64(entry->earliest),
		.end = godwit_get64(entry->end),
		.commit = godwit_get64(entry->commit),
		.log_bytes = godwit_get64(entry->log_bytes),
		.meta = godwit_get64(entry->meta),
		.epoch = godwit_get32(entry->epoch),
		.feed_age_ms = godwit_get32(entry->feed_age),
	};
	uint32_t number = stream_number(server, godwit_get64(entry->stream));

	if (number != NONE)
		facts_store(&peer->streams[number], &facts, true);
}

static void take_entries(const struct server *server, struct peer *peer,
			 const struct godwit_frame *frame)
{
	const struct godwit_peer_stream *entries = godwit_peer_streams(frame);

	for (uint32_t i = 0; i < godwit_get16(frame->count); i++)
		take_entry(server, peer, &entries[i]);
}

// Say HELLO at once, with a fresh nonce: no answer to an earlier one counts for it.
static void hello_again(struct core *core, struct peer *peer)
{
	peer->hello_done = false;
	peer->hello_due_ns = core->now_ns;
	peer->nonce = core_random(core) | 1;
}

void peers_new_incarnation(struct core *core, struct peer *peer, uint64_t incarnation)
{
	static const struct peer_stream_facts nothing;

	atomic_store_explicit(&peer->refusal, PEER_NOT_MET, memory_order_relaxed);
	atomic_store_explicit(&peer->refused_us, GODWIT_PEER_ACCEPTED, memory_order_relaxed);
	atomic_store_explicit(&peer->is_draining, 0, memory_order_relaxed);
	atomic_store_explicit(&peer->number_heard, 0, memory_order_relaxed);
	atomic_store_explicit(&peer->hears_ns, 0, memory_order_relaxed);
	for (uint32_t i = 0; i < core->server->stream_count; i++)
		facts_store(&peer->streams[i], &nothing, false);
	// Who sees it sees nothing of the one before. pairs with: acquire loads of the incarnation
	atomic_store_explicit(&peer->incarnation, incarnation, memory_order_release);
	hello_again(core, peer);
	COUNT(core, peer_incarnations, 1);
}

// ---- HELLO -------------------------------------------------------------------------------------

// The highest incarnation of it that we know of: seen, or named by a record that outlived our memory.
static uint64_t known_of(const struct peer *peer)
{
	uint64_t seen = atomic_load_explicit(&peer->incarnation, memory_order_relaxed);
	uint64_t recorded = atomic_load_explicit(&peer->recorded, memory_order_relaxed);

	return recorded > seen ? recorded : seen;
}

// asked: the HELLO that this answers, with the streams that it names; NULL: ours, with streams from `first` on.
static bool send_hello(struct core *core, struct peer *peer, const struct godwit_peer_hello *asked,
		       uint32_t first, enum peer_refusal refusal)
{
	const struct server *server = core->server;
	uint8_t bytes[sizeof(struct godwit_peer_hello) +
		      PEERS_STREAMS_MAX * sizeof(struct godwit_peer_stream)];
	uint8_t *at = bytes + sizeof(struct godwit_peer_hello);
	uint32_t count = asked != NULL ? write_asked(core, &asked->from.frame, at) :
					 write_entries(core, first, at);
	struct godwit_peer_hello hello = {
		.from.frame = {.version = GODWIT_VERSION,
			       .type = GODWIT_PEER_HELLO,
			       .flags = godwit_be16(asked != NULL ? GODWIT_FLAG_ANSWER : 0),
			       .count = godwit_be16((uint16_t)count)},
		.nonce = asked != NULL ? asked->nonce : godwit_be64(peer->nonce),
		.config = godwit_be64(server->peers.config),
		.known = godwit_be64(known_of(peer)),
		.mtu = godwit_be16((uint16_t)(server->mtu < UINT16_MAX ? server->mtu : UINT16_MAX)),
		.refusal = godwit_be16((uint16_t)refusal),
		.interval = godwit_be32(server->peers.interval_us),
	};

	memcpy(bytes, &hello, sizeof(hello));
	if (!peers_send(core, peer, bytes,
			(uint32_t)(sizeof(hello) + count * sizeof(struct godwit_peer_stream))))
		return false;
	COUNT(core, peer_hellos, 1);
	return true;
}

static enum peer_refusal judge(const struct server *server, const struct godwit_peer_hello *hello)
{
	uint32_t takes = godwit_max_message(godwit_get16(hello->mtu));

	if (godwit_get64(hello->config) != server->peers.config)
		return PEER_REFUSED_CONFIG;
	for (uint32_t i = 0; i < server->stream_count; i++)
		if (takes < server->streams[i]->max_message)
			return PEER_REFUSED_MTU;
	return PEER_ACCEPTED;
}

// What it says that it knows of us.
static void take_known(struct core *core, const struct godwit_peer_hello *hello)
{
	struct server *server = core->server;
	uint64_t known = godwit_get64(hello->known);

	if (known <= server->incarnation)
		return;
	COUNT(core, peer_known_above, 1);
	if (known > atomic_load_explicit(&server->peers.known_above, memory_order_relaxed))
		atomic_store_explicit(&server->peers.known_above, known, memory_order_relaxed);
}

void peers_hello(struct core *core, struct peer *peer, const struct godwit_peer_hello *hello)
{
	bool answer = (godwit_get16(hello->from.frame.flags) & GODWIT_FLAG_ANSWER) != 0;
	uint64_t nonce = godwit_get64(hello->nonce);
	enum peer_refusal refusal = judge(core->server, hello);

	COUNT(core, peer_hellos_heard, 1);
	take_known(core, hello);
	if (godwit_get64(hello->from.incarnation) <
	    atomic_load_explicit(&peer->incarnation, memory_order_relaxed)) {
		COUNT(core, peer_hello_stale, 1);
		if (!answer)
			send_hello(core, peer, hello, 0, refusal);
		return;
	}
	if (answer && nonce != peer->nonce) {
		COUNT(core, peer_hello_unasked, 1);
		return;
	}
	if (answer) {
		peer->hello_done = true;
		atomic_store_explicit(&peer->refused_us, godwit_get16(hello->refusal),
				      memory_order_relaxed);
	}
	atomic_store_explicit(&peer->mtu, godwit_get16(hello->mtu), memory_order_relaxed);
	atomic_store_explicit(&peer->interval_us, godwit_get32(hello->interval),
			      memory_order_relaxed);
	if (refusal == PEER_ACCEPTED)
		take_entries(core->server, peer, &hello->from.frame);
	else
		COUNT(core, peer_hello_refused, 1);
	atomic_store_explicit(&peer->refusal, refusal, memory_order_relaxed);
	if (!answer)
		send_hello(core, peer, hello, 0, refusal);
}

// Our HELLO, in as many frames as the streams need.
static uint32_t hello_turn(struct core *core, struct peer *peer)
{
	uint64_t interval_ns = core->server->peers.interval_us * 1000ull;
	bool is_below = known_of(peer) >
			atomic_load_explicit(&peer->incarnation, memory_order_relaxed);
	uint32_t first = 0, sent = 0;

	// One that is below what it was is told until it starts again above it.
	if ((peer->hello_done && !is_below) || core->now_ns < peer->hello_due_ns)
		return 0;
	do {
		if (!send_hello(core, peer, NULL, first, PEER_ACCEPTED))
			break;
		sent++;
		first += PEERS_STREAMS_MAX;
	} while (first < core->server->stream_count);
	// Where the way is not known yet it was asked for: it is known soon.
	peer->hello_due_ns = core->now_ns + (sent > 0 ? PEERS_HELLO_BEATS : 1) * interval_ns;
	return sent;
}

// ---- heartbeats --------------------------------------------------------------------------------

void peers_heartbeat(struct core *core, struct peer *peer,
		     const struct godwit_peer_heartbeat *heartbeat)
{
	uint64_t number = godwit_get64(heartbeat->number), heard = godwit_get64(heartbeat->heard);

	if (number < atomic_load_explicit(&peer->number_heard, memory_order_relaxed)) {
		COUNT(core, peer_heartbeats_old, 1);
		return;
	}
	COUNT(core, peer_heartbeats_heard, 1);
	atomic_store_explicit(&peer->is_draining,
			      (godwit_get16(heartbeat->from.frame.flags) & GODWIT_FLAG_DRAINING) !=
				      0,
			      memory_order_relaxed);
	atomic_store_explicit(&peer->number_heard, number, memory_order_relaxed);
	if (heard > peer->number_told && heard > core->server->incarnation &&
	    heard <= peer->number_sent) {
		peer->number_told = heard;
		atomic_store_explicit(&peer->hears_ns, core->now_ns, memory_order_relaxed);
	}
	if (peer_takes_part(peer))
		take_entries(core->server, peer, &heartbeat->from.frame);
}

static bool send_heartbeat(struct core *core, struct peer *peer, uint32_t first)
{
	uint8_t bytes[sizeof(struct godwit_peer_heartbeat) +
		      PEERS_STREAMS_MAX * sizeof(struct godwit_peer_stream)];
	uint32_t count = write_entries(core, first, bytes + sizeof(struct godwit_peer_heartbeat));
	struct godwit_peer_heartbeat heartbeat = {
		.from.frame = {.version = GODWIT_VERSION,
			       .type = GODWIT_PEER_HEARTBEAT,
			       .flags = godwit_be16(core->server->peers.draining_said != 0 ?
							    GODWIT_FLAG_DRAINING :
							    0),
			       .count = godwit_be16((uint16_t)count)},
		.number = godwit_be64(peer->number_sent),
		.heard = godwit_be64(
			atomic_load_explicit(&peer->number_heard, memory_order_relaxed)),
	};

	memcpy(bytes, &heartbeat, sizeof(heartbeat));
	if (!peers_send(core, peer, bytes,
			(uint32_t)(sizeof(heartbeat) + count * sizeof(struct godwit_peer_stream))))
		return false;
	COUNT(core, peer_heartbeats, 1);
	return true;
}

static uint32_t heartbeat_turn(struct core *core, struct peer *peer)
{
	uint64_t interval_ns = core->server->peers.interval_us * 1000ull;
	uint32_t sent = 0;

	if (core->now_ns < peer->heartbeat_due_ns)
		return 0;
	if (peer->number_sent < core->server->incarnation)
		peer->number_sent = core->server->incarnation;
	if (peer->heartbeat_first == 0)
		peer->number_sent++;
	do {
		if (!send_heartbeat(core, peer, peer->heartbeat_first)) {
			if (core->tx_is_full)
				return sent; // the rest of it stays due
			break;
		}
		sent++;
		peer->heartbeat_first += PEERS_STREAMS_MAX;
	} while (peer->heartbeat_first < core->server->stream_count);
	peer->heartbeat_first = 0;
	// Up to an eighth early, so that servers do not fall into step; never late.
	peer->heartbeat_due_ns =
		core->now_ns + interval_ns - core_random(core) % (interval_ns / 8 + 1);
	return sent;
}

// ---- for control -------------------------------------------------------------------------------

// A frame behind its peer's index. False: no room, or too long.
static bool ring_put(struct crossing *ring, uint32_t peer, const void *frame, uint32_t length)
{
	struct peers_head head = {.peer = peer};
	struct crossing_slot *slot = crossing_begin(ring);

	if (slot == NULL || sizeof(head) + length > PEERS_SLOT_BYTES)
		return false;
	slot->kind = 0;
	slot->bytes = (uint32_t)sizeof(head) + length;
	memcpy(slot->data, &head, sizeof(head));
	memcpy(slot->data + sizeof(head), frame, length);
	crossing_end(ring);
	return true;
}

bool peers_punt(struct core *core, const struct peer *peer, const uint8_t *frame, uint32_t length)
{
	if (sizeof(struct peers_head) + length > PEERS_SLOT_BYTES) {
		DROP(core, peer_punt_large, 1);
		return false;
	}
	if (!ring_put(&core->server->peers.punts, peer->index, frame, length)) {
		DROP(core, peer_punts_full, 1);
		return false;
	}
	COUNT(core, peer_punts, 1);
	return true;
}

bool peers_post(struct peers *peers, uint32_t peer, const void *frame, uint32_t length)
{
	return ring_put(&peers->sends, peer, frame, length);
}

static uint32_t posts_turn(struct core *core)
{
	struct peers *peers = &core->server->peers;
	struct crossing_slot *slot;
	uint32_t n = 0;

	for (;
	     n < POST_BUDGET && !core->tx_is_full && (slot = crossing_peek(&peers->sends)) != NULL;
	     n++) {
		struct peers_head head;

		memcpy(&head, slot->data, sizeof(head));
		peers_send(core, &peers->peers[head.peer], slot->data + sizeof(head),
			   slot->bytes - (uint32_t)sizeof(head));
		if (core->tx_is_full)
			break; // it goes next turn
		crossing_pop(&peers->sends);
		COUNT(core, peer_posts, 1);
	}
	return n;
}

// All hear at once that we are drained, or are so no more.
static void draining_turn(struct peers *peers)
{
	uint32_t is_draining = atomic_load_explicit(&peers->is_draining, memory_order_relaxed);

	if (is_draining == peers->draining_said)
		return;
	peers->draining_said = is_draining;
	for (uint32_t i = 0; i < peers->count; i++)
		peers->peers[i].heartbeat_due_ns = 0;
}

uint32_t peers_turn(struct core *core)
{
	struct peers *peers = &core->server->peers;
	uint32_t work = 0;

	if (peers->count == 0 || core->config.id != SERVER_LINK_CORE)
		return 0;
	if (peers->incarnation_said != core->server->incarnation) {
		peers->incarnation_said = core->server->incarnation;
		for (uint32_t i = 0; i < peers->count; i++)
			hello_again(core, &peers->peers[i]);
	}
	draining_turn(peers);
	for (uint32_t i = 0; i < peers->count; i++)
		work += heartbeat_turn(core, &peers->peers[i]);
	for (uint32_t i = 0; i < peers->count; i++)
		work += hello_turn(core, &peers->peers[i]);
	return work + posts_turn(core);
}
