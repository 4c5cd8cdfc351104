// SPDX-License-Identifier: BSD-3-Clause
//
// The feed of cursors between link cores: entries go to every peer in order, as REPLICATE frames, and what
// is not acknowledged is sent again from there on. `commit` of a frame is the first entry that the peer is
// still to get: what lies below it was overwritten, or written before the peer was met, and comes by a walk.
#include <godwit/wire_walk.h>

#include "dataplane/stages.h"

#define AGAIN_NS 50000000ull // without an acknowledgement
#define HOLE_NS	 5000000ull  // between two repeats for a hole
#define FRAMES	 16	     // to one peer in one turn

#define ENTRY_BYTES (sizeof(struct godwit_record) + sizeof(struct godwit_cursor))
#define NARROW_FRAME                                                                               \
	((PEERS_NARROW_BYTES - sizeof(struct godwit_replicate) - GODWIT_MAC_BYTES) / ENTRY_BYTES)

static_assert(ENTRY_BYTES % 4 == 0, "a record is padded to 4");

// ---- to a peer -----------------------------------------------------------------------------------

static uint32_t put_record(uint8_t *at, const struct godwit_cursor *entry)
{
	struct godwit_record record = {.length = godwit_be16(sizeof(*entry))};

	memcpy(at, &record, sizeof(record));
	memcpy(at + sizeof(record), entry, sizeof(*entry));
	return godwit_record_bytes(sizeof(*entry));
}

// False: the port takes no more now.
static bool send_entries(struct core *core, struct peer *peer, struct cursor_feed_peer *to)
{
	struct cursor_feed *feed = core->server->cursor_feed;
	uint32_t count = (uint32_t)(feed->end - to->next + 1), bytes;
	uint32_t count_max = peers_path_is_narrow(&to->path, core->now_ns) ? NARROW_FRAME :
									     CURSOR_FEED_FRAME;
	struct godwit_replicate frame;
	uint8_t *at;

	if (count > count_max)
		count = count_max;
	bytes = (uint32_t)sizeof(frame) + count * (uint32_t)ENTRY_BYTES;
	if (peers_begin(core, peer, bytes, &at) != TX_OK)
		return false;
	frame = (struct godwit_replicate){
		.from.frame = {.version = GODWIT_VERSION,
			       .type = GODWIT_REPLICATE,
			       .count = godwit_be16((uint16_t)count)},
		.session = godwit_be64(feed->session),
		.first = godwit_be64(to->next),
		.commit = godwit_be64(to->base),
	};
	memcpy(at, &frame, sizeof(frame));
	bytes = (uint32_t)sizeof(frame);
	for (uint32_t i = 0; i < count; i++)
		bytes += put_record(at + bytes, &feed->ring[to->next++ & (feed->ring_size - 1)]);
	peers_end(core, peer, at, bytes);
	COUNT(core, cursor_frames, 1);
	return true;
}

// From the first entry that is not acknowledged on. is_missed: the peer lives, and misses it.
static void send_again(struct core *core, struct cursor_feed_peer *to, bool is_missed)
{
	COUNT(core, cursor_again, 1);
	to->next = to->acked + 1;
	to->moved_ns = core->now_ns;
	to->is_holed = false;
	if (is_missed && peers_path_misses(&to->path, to->next, core->now_ns))
		COUNT(core, cursor_narrowed, 1);
}

// Nothing of what was sent is acknowledged. Where the peer heard our heartbeats meanwhile, it is that which its path
// swallowed; one that hears nothing, or is silent, says nothing of its path.
static void send_unacked(struct core *core, const struct peer *peer, struct cursor_feed_peer *to)
{
	uint64_t hears_ns = atomic_load_explicit(&peer->hears_ns, memory_order_relaxed);

	send_again(core, to, hears_ns > to->moved_ns);
}

// A walk tells a new process of what lives. What was on its way to the one before it may have taken, so that it gets all
// behind that, too: an end is in no walk.
static void begin_peer(struct core *core, struct cursor_feed_peer *to, uint64_t incarnation)
{
	struct cursor_feed *feed = core->server->cursor_feed;
	uint64_t acked = to->incarnation != 0 ? to->acked : feed->end;

	*to = (struct cursor_feed_peer){
		.incarnation = incarnation,
		.base = acked + 1,
		.next = acked + 1,
		.acked = acked,
		.moved_ns = core->now_ns,
		.from_session = to->from_session, // what comes from there is another matter
		.end = to->end,
	};
	cursor_feed_walk(core->server);
}

static uint32_t feed_peer(struct core *core, struct peer *peer)
{
	struct cursor_feed *feed = core->server->cursor_feed;
	struct cursor_feed_peer *to = &feed->peers[peer->index];
	uint64_t incarnation = atomic_load_explicit(&peer->incarnation, memory_order_relaxed);
	uint32_t n = 0;

	if (!peer_takes_part(peer))
		return 0;
	if (to->incarnation != incarnation)
		begin_peer(core, to, incarnation);
	if (feed->end >= to->acked + feed->ring_size) {
		// It was away too long: what it missed is written again.
		COUNT(core, cursor_truncated, 1);
		to->base = to->next = feed->end + 1;
		to->acked = feed->end;
		cursor_feed_walk(core->server);
	}
	// It has a hole: all behind it again. A long round trip, or frames that overtake one another, bring several of these.
	if (to->is_holed && core->now_ns - to->moved_ns >= HOLE_NS)
		send_again(core, to, true);
	else if (to->next > to->acked + 1 && core->now_ns - to->moved_ns >= AGAIN_NS)
		send_unacked(core, peer, to);
	while (n < FRAMES && to->next <= feed->end && to->next <= to->acked + feed->window) {
		if (to->next == to->acked + 1)
			to->moved_ns = core->now_ns;
		if (!send_entries(core, peer, to))
			break;
		n++;
	}
	return n;
}

uint32_t cursor_feed_to_peers(struct core *core)
{
	struct peers *peers = &core->server->peers;
	struct cursor_feed *feed = core->server->cursor_feed;
	uint64_t session = cursor_feed_session(core->server->id, core->server->incarnation);
	uint32_t sent = 0;

	if (feed->session != session) { // our incarnation was raised
		feed->session = session;
		for (uint32_t i = 0; i < peers->count; i++)
			feed->peers[i].incarnation = 0;
	}
	for (uint32_t i = 0; i < peers->count; i++)
		sent += feed_peer(core, &peers->peers[i]);
	return sent;
}

static void acked(struct core *core, const struct peer *peer, const struct godwit_peer_ack *ack)
{
	struct cursor_feed_peer *to = &core->server->cursor_feed->peers[peer->index];
	uint64_t seq = godwit_get64(ack->seq);

	if (seq > to->acked && seq < to->next) {
		to->acked = seq;
		to->moved_ns = core->now_ns;
		to->is_holed = godwit_get16(ack->naks) != 0 && to->next > seq + 1;
	} else if (seq == to->acked && godwit_get16(ack->naks) == 0) {
		to->path.missed = 0; // what is next arrives, and finds no room there
	} else if (seq == to->acked && to->next > seq + 1) {
		to->is_holed = true;
	}
}

// ---- from a peer ---------------------------------------------------------------------------------

static void send_ack(struct core *core, struct peer *peer, uint64_t session, uint64_t end,
		     uint64_t hole_to)
{
	struct {
		struct godwit_peer_ack ack;
		struct godwit_range hole;
	} frame = {
		.ack.from.frame = {.version = GODWIT_VERSION, .type = GODWIT_PEER_ACK},
		.ack.session = godwit_be64(session),
		.ack.seq = godwit_be64(end),
		.ack.edge = godwit_be64(end + core->server->cursor_feed->window),
		.ack.naks = godwit_be16(hole_to != 0 ? 1 : 0),
		.hole = {.first = godwit_be64(end + 1), .last = godwit_be64(hole_to)},
	};

	peers_send(core, peer, &frame, hole_to != 0 ? sizeof(frame) : sizeof(frame.ack));
}

// Room for these entries at control; false: none. They are filled in whole or not at all.
static bool to_control(struct core *core, const struct godwit_replicate *frame, uint32_t skip,
		       uint32_t length)
{
	struct cursor_feed *feed = core->server->cursor_feed;
	const uint8_t *at = godwit_replicate_records(frame);
	const uint8_t *end = (const uint8_t *)frame + length - GODWIT_MAC_BYTES;
	const struct godwit_record *record;
	struct crossing_slot *slot;
	struct cursor_feed_slot *out;

	cursor_feed_close(feed); // our own entries, if a slot of them is open
	slot = crossing_begin(&feed->entries);
	if (slot == NULL)
		return false;
	out = (struct cursor_feed_slot *)slot->data;
	out->incarnation = godwit_get64(frame->from.incarnation);
	out->server = godwit_get16(frame->from.server);
	out->count = 0;
	out->zero = 0;
	while ((record = godwit_record_next(&at, end)) != NULL) {
		if (skip > 0) {
			skip--;
			continue;
		}
		memcpy(&out->cursors[out->count++], godwit_record_payload(record),
		       sizeof(struct godwit_cursor));
	}
	slot->bytes = sizeof(*out);
	crossing_end(&feed->entries);
	return true;
}

static bool is_entries(const struct godwit_replicate *frame, uint32_t length)
{
	const uint8_t *at = godwit_replicate_records(frame);
	const uint8_t *end = (const uint8_t *)frame + length - GODWIT_MAC_BYTES;
	uint32_t count = godwit_get16(frame->from.frame.count);
	const struct godwit_record *record;

	if (count == 0 || count > CURSOR_FEED_FRAME || godwit_get16(frame->runs) != 0)
		return false;
	while ((record = godwit_record_next(&at, end)) != NULL)
		if (godwit_get16(record->length) != sizeof(struct godwit_cursor))
			return false;
	return true;
}

static void entries(struct core *core, struct peer *peer, const struct godwit_replicate *frame,
		    uint32_t length)
{
	struct cursor_feed_peer *from = &core->server->cursor_feed->peers[peer->index];
	uint64_t session = godwit_get64(frame->session);
	uint64_t first = godwit_get64(frame->first), base = godwit_get64(frame->commit);
	uint64_t last = first + godwit_get16(frame->from.frame.count) - 1;

	if (!is_entries(frame, length)) {
		DROP(core, peer_cursors_odd, 1);
		return;
	}
	if (from->from_session != session) {
		from->from_session = session;
		from->end = 0;
	}
	if (base > from->end + 1 && base <= first)
		from->end = base - 1;
	if (first > from->end + 1) {
		COUNT(core, cursor_holes, 1);
		send_ack(core, peer, session, from->end, first - 1);
		return;
	}
	if (last > from->end) {
		if (!to_control(core, frame, (uint32_t)(from->end + 1 - first), length)) {
			DROP(core, peer_cursors_full, 1); // it comes again
			send_ack(core, peer, session, from->end, 0);
			return;
		}
		from->end = last;
	}
	send_ack(core, peer, session, from->end, 0);
}

bool cursor_feed_frame(struct core *core, struct peer *peer, const uint8_t *frame, uint32_t length)
{
	const struct godwit_replicate *replicate = (const void *)frame;
	const struct godwit_peer_ack *ack = (const void *)frame;
	uint64_t incarnation = godwit_get64(replicate->from.incarnation);
	struct cursor_feed *feed = core->server->cursor_feed;

	if (feed == NULL)
		return false;
	if (frame[1] == GODWIT_REPLICATE &&
	    godwit_get64(replicate->session) == cursor_feed_session(peer->id, incarnation)) {
		entries(core, peer, replicate, length);
		return true;
	}
	if (frame[1] == GODWIT_PEER_ACK && godwit_get64(ack->session) == feed->session) {
		acked(core, peer, ack);
		return true;
	}
	return false;
}
