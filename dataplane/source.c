// SPDX-License-Identifier: BSD-3-Clause
//
// The source's answers: how a peer joins our log (RECONCILE), and what it says that it holds (PEER_ACK).
#include <godwit/wire_walk.h>

#include "dataplane/replication.h"
#include "dataplane/stages.h"

#define NAK_QUIET_US 1000 // a range is resent at most once a millisecond

static void answer(struct core *core, struct replication *r, struct peer *peer,
		   struct godwit_reconcile answer)
{
	const struct stream *stream = r->stream;

	answer.from.frame = (struct godwit_frame){
		.version = GODWIT_VERSION,
		.type = GODWIT_RECONCILE,
		.flags = godwit_be16(GODWIT_FLAG_ANSWER),
	};
	answer.from.epoch = godwit_be32(stream->epoch);
	answer.stream = godwit_be64(stream->hash);
	answer.session = godwit_be64(stream_session_held(stream));
	answer.meta = godwit_be64(r->meta_last);
	peers_send(core, peer, &answer, sizeof(answer));
	COUNT(core, source_answers, 1);
}

// The peer thinks that it is fed, and is not: it is to reconcile.
static void answer_unfed(struct core *core, struct replication *r, struct peer *peer)
{
	COUNT(core, source_unfed, 1);
	answer(core, r, peer,
	       (struct godwit_reconcile){.code = godwit_be16(GODWIT_RECONCILE_BUSY)});
}

// May the peer be fed from here, now?
static enum godwit_reconcile_code admit(const struct replication *r, const struct peer *peer)
{
	const struct stream *stream = r->stream;

	if (stream->role == STREAM_PRIMARY) {
		if ((stream->replicas >> peer->index & 1) == 0)
			return GODWIT_RECONCILE_NOT_PRIMARY;
		return r->writable ? GODWIT_RECONCILE_OK : GODWIT_RECONCILE_BUSY;
	}
	if (peer->index != stream->primary)
		return GODWIT_RECONCILE_NOT_PRIMARY;
	// A primary that was started again: what it fetches must be whole.
	return r->sink.loaded && r->sink.state != SINK_CLOSING && stream_session_held(stream) != 0 ?
		       GODWIT_RECONCILE_OK :
		       GODWIT_RECONCILE_BUSY;
}

void source_close(struct core *core, struct replication *r, uint32_t peer)
{
	if (!r->feeds[peer].active)
		return;
	r->feeds[peer].active = false;
	if (r->snapshot_owner == peer)
		r->snapshot_owner = NONE;
	COUNT(core, feeds_closed, 1);
}

void source_close_all(struct core *core, struct replication *r)
{
	for (uint32_t i = 0; i < SERVER_PEERS_MAX; i++)
		source_close(core, r, i);
}

// False: its next record is not kept any more.
static bool open_feed(struct core *core, struct replication *r, struct peer *peer,
		      const struct godwit_reconcile *request)
{
	struct feed *feed = &r->feeds[peer->index];
	uint64_t end = godwit_get64(request->end);
	struct place place;

	if (!log_seek(&r->stream->log, end + 1, &place))
		return false;
	source_close(core, r, peer->index);
	*feed = (struct feed){
		.active = true,
		.incarnation = godwit_get64(request->from.incarnation),
		.request = godwit_get32(request->request),
		.epoch = r->stream->epoch,
		.place = place,
		.start = end + 1,
		.sent = end,
		.acked = end,
		.edge = godwit_get64(request->edge),
		.tail_wait_us = SOURCE_TAIL_US,
	};
	COUNT(core, feeds_opened, 1);
	return true;
}

// Where an emptied log is to begin: not right at the edge that is about to be overwritten.
static struct godwit_reconcile reset_answer(const struct replication *r)
{
	const struct stream *stream = r->stream;
	uint64_t first = stream->role == STREAM_REPLICA ? log_earliest(&stream->log) :
							  stream_earliest_start(stream);
	uint64_t last;
	uint32_t epoch = stream_epoch_of(stream, first > 1 ? first - 1 : 1, &last);

	if (epoch ==
	    0) // forgotten: that of the record itself is as good, nothing before it is kept
		epoch = stream_epoch_of(stream, first, &last);
	return (struct godwit_reconcile){
		.code = godwit_be16(GODWIT_RECONCILE_RESET),
		.first = godwit_be64(first),
		.last_epoch = godwit_be32(epoch),
		.end = godwit_be64(stream->log.head_own.seq),
	};
}

// The asker is in sync, or proposed.
static bool counts(const struct replication *r, const struct peer *peer,
		   const struct godwit_reconcile *request)
{
	return ((r->members | r->proposed) >> peer->index & 1) != 0 &&
	       r->incarnations[peer->index] == godwit_get64(request->from.incarnation);
}

// From where on all records come with their runs; 0: that is not said. Runs are held for those that count.
static uint64_t runs_from(const struct replication *r, bool does_count)
{
	return does_count || r->stream->role == STREAM_REPLICA ?
		       publishers_base_seq(r->stream->publishers) + 1 :
		       0;
}

static bool is_opened_by(const struct feed *feed, const struct godwit_reconcile *request)
{
	return feed->active && feed->incarnation == godwit_get64(request->from.incarnation) &&
	       feed->request == godwit_get32(request->request);
}

// Its log or its tables begin anew: until they are whole it holds nothing that a primary started again could
// take, so it leaves the set first, where enough are left. False: it does not count, or cannot leave.
static bool leaves_first(struct core *core, struct replication *r, struct peer *peer,
			 const struct godwit_reconcile *request)
{
	if (!counts(r, peer, request) || !insync_may_leave(r, peer->index))
		return false;
	insync_put_out(core, r, peer->index);
	return true;
}

// The end of our log's agreement with one of `end` and `epoch`: the end of *found, the largest epoch here
// that is not above it. False: what we keep does not tell.
static bool agreement(const struct stream *stream, uint32_t epoch, uint64_t *end, uint32_t *found)
{
	uint64_t head = stream->log.head_own.seq, last;

	*end = stream_epoch_end(stream, epoch, found);
	if (*end > head)
		*end = head;
	// Nothing was appended before our first epoch: nothing of an earlier one is of the stream.
	return *found != 0 ||
	       (stream_epoch_of(stream, 1, &last) != 0 && log_earliest(&stream->log) == 1);
}

// Rule T3: the end of the largest epoch here that is not above the asker's, and whether it agrees.
static struct godwit_reconcile compare(struct core *core, struct replication *r, struct peer *peer,
				       const struct godwit_reconcile *request)
{
	const struct godwit_reconcile busy = {.code = godwit_be16(GODWIT_RECONCILE_BUSY)};
	const struct stream *stream = r->stream;
	uint64_t end = godwit_get64(request->end), ours = 0;
	uint32_t epoch = godwit_get32(request->last_epoch), found;
	bool is_opened = is_opened_by(&r->feeds[peer->index], request);

	if (godwit_get64(request->session) != stream_session_held(stream) ||
	    !agreement(stream, epoch, &ours, &found) || end + 1 < log_earliest(&stream->log))
		return leaves_first(core, r, peer, request) ? busy : reset_answer(r);
	if (end > ours || (found != epoch && found != 0))
		return (struct godwit_reconcile){
			.code = godwit_be16(GODWIT_RECONCILE_CUT),
			.end = godwit_be64(end < ours ? end : ours),
			.last_epoch = godwit_be32(found),
		};
	if (!is_opened && publishers_base_seq(stream->publishers) > end &&
	    leaves_first(core, r, peer, request))
		return busy; // records would come without their runs
	// A repeat of the request that opened the feed gets its answer again, no more.
	if (!is_opened && !open_feed(core, r, peer, request))
		return leaves_first(core, r, peer, request) ? busy : reset_answer(r);
	return (struct godwit_reconcile){
		.code = godwit_be16(GODWIT_RECONCILE_OK),
		.end = godwit_be64(stream->log.head_own.seq),
		.last_epoch = godwit_be32(found),
		.first = godwit_be64(runs_from(r, counts(r, peer, request))),
	};
}

void source_reconcile(struct core *core, struct replication *r, struct peer *peer,
		      const struct godwit_reconcile *request)
{
	enum godwit_reconcile_code code = admit(r, peer);
	const struct feed *feed = &r->feeds[peer->index];
	struct godwit_reconcile said = {.code = godwit_be16((uint16_t)code)};
	int32_t newer = (int32_t)(godwit_get32(request->request) - feed->request);

	// A late duplicate of what was answered and acted upon must not set the feed back.
	if (feed->active && feed->incarnation == godwit_get64(request->from.incarnation) &&
	    newer < 0) {
		DROP(core, replication_reconcile_old, 1);
		return;
	}
	if (code == GODWIT_RECONCILE_OK)
		said = compare(core, r, peer, request);
	said.request = request->request;
	answer(core, r, peer, said);
}

// ---- PEER_ACK ----------------------------------------------------------------------------------

static bool nak_too_soon(struct core *core, struct feed *feed, uint64_t first, uint64_t last)
{
	uint32_t now_us = (uint32_t)(core->now_ns / 1000), span = (uint32_t)(last - first);

	for (uint32_t i = 0; i < GODWIT_NAK_RANGES; i++)
		if (feed->naks[i].first == first && feed->naks[i].span == span &&
		    now_us - feed->naks[i].at_us < NAK_QUIET_US)
			return true;
	feed->naks[feed->nak_slot] = (struct nak_seen){first, span, now_us};
	feed->nak_slot = (feed->nak_slot + 1) % GODWIT_NAK_RANGES;
	return false;
}

// False: what is asked for is not kept any more.
static bool take_nak(struct core *core, struct replication *r, struct feed *feed, uint64_t first,
		     uint64_t last)
{
	// What lies above is on its way for the first time, or was sent by an earlier feed.
	if (last > feed->sent)
		last = feed->sent;
	if (first > last || first < feed->start) {
		COUNT(core, nak_past_sent, 1);
		return true;
	}
	if (nak_too_soon(core, feed, first, last)) {
		COUNT(core, nak_too_soon, 1);
		return true;
	}
	for (uint32_t i = 0; i < GODWIT_NAK_RANGES; i++) {
		struct repair *repair = &feed->repairs[i];

		if (repair->last != 0)
			continue;
		if (!log_seek(&r->stream->log, first, &repair->place))
			return false;
		repair->next = first;
		repair->last = last;
		feed->repairs_active++;
		if (first == feed->acked + 1 && peers_path_misses(&feed->path, first, core->now_ns))
			COUNT(core, feeds_narrowed, 1);
		COUNT(core, nak_ranges, 1);
		return true;
	}
	COUNT(core, nak_waits, 1);
	return true;
}

// What is acknowledged needs no repair, and frees the flight.
static void move_acked(struct core *core, struct feed *feed, uint64_t seq)
{
	if (seq <= feed->acked)
		return;
	feed->acked = seq;
	feed->tail_wait_us = SOURCE_TAIL_US;
	feed->tail_due_ns = core->now_ns + SOURCE_TAIL_US * 1000ull;
	while (feed->packets_first != feed->packets_end &&
	       feed->packets[feed->packets_first % REPLICATION_PACKETS] <= seq)
		feed->packets_first++;
	for (uint32_t i = 0; feed->repairs_active > 0 && i < GODWIT_NAK_RANGES; i++) {
		if (feed->repairs[i].last == 0 || feed->repairs[i].last > seq)
			continue;
		feed->repairs[i].last = 0;
		feed->repairs_active--;
	}
}

void source_ack(struct core *core, struct replication *r, struct peer *peer,
		const struct godwit_peer_ack *ack)
{
	struct feed *feed = &r->feeds[peer->index];
	const struct godwit_range *ranges = godwit_peer_ack_ranges(ack);
	uint64_t seq = godwit_get64(ack->seq), meta = godwit_get64(ack->meta);
	uint64_t edge = godwit_get64(ack->edge);

	if (!feed->active || feed->incarnation != godwit_get64(ack->from.incarnation)) {
		answer_unfed(core, r, peer);
		return;
	}
	if (godwit_get32(ack->from.epoch) != feed->epoch) {
		DROP(core, replication_fenced, 1);
		return;
	}
	// What it said of an earlier feed need not be true of its log and tables any more.
	if (godwit_get32(ack->feed) != feed->request) {
		DROP(core, replication_ack_old, 1);
		return;
	}
	if (seq > feed->sent || meta > r->meta_last) {
		DROP(core, replication_ack_past_sent, 1);
		return;
	}
	COUNT(core, source_acks, 1);
	move_acked(core, feed, seq);
	if (edge > feed->edge)
		feed->edge = edge;
	if (meta > feed->meta_acked) {
		feed->meta_acked = meta;
		if (meta > feed->meta_sent)
			feed->meta_sent = meta;
		feed->holds = true;
		if (r->snapshot_owner == peer->index)
			r->snapshot_owner = NONE;
	}
	for (uint32_t i = 0; i < godwit_get16(ack->naks); i++) {
		if (take_nak(core, r, feed, godwit_get64(ranges[i].first),
			     godwit_get64(ranges[i].last)))
			continue;
		COUNT(core, feeds_lapped, 1);
		source_close(core, r, peer->index);
		answer_unfed(core, r, peer);
		return;
	}
}

void source_lapped(struct core *core, struct replication *r, struct peer *peer)
{
	COUNT(core, feeds_lapped, 1);
	source_close(core, r, peer->index);
	answer_unfed(core, r, peer);
}

uint32_t source_burst(struct core *core, struct replication *r)
{
	struct peers *peers = &core->server->peers;
	uint32_t done = 0;

	for (uint32_t i = 0; i < peers->count; i++) {
		struct peer *peer = &peers->peers[i];
		struct feed *feed = &r->feeds[i];

		if (!feed->active)
			continue;
		if (atomic_load_explicit(&peer->incarnation, memory_order_relaxed) !=
			    feed->incarnation ||
		    atomic_load_explicit(&peer->verdict, memory_order_relaxed) == PEER_DEAD) {
			source_close(core, r, i);
			continue;
		}
		done += source_feed(core, r, peer);
		if (feed->active)
			done += meta_feed(core, r, peer);
	}
	return done;
}
