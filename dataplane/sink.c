// SPDX-License-Identifier: BSD-3-Clause
//
// The sink: how our log comes to be a beginning of the source's, by epochs and never by a commit mark
// (rule T3), and the closing that goes before a cut.
#include "dataplane/home.h"
#include "dataplane/replication.h"
#include "dataplane/stages.h"

#define RECONCILE_MS	 20
#define RECONCILE_MS_MAX 200
#define SINK_ACK_NS	 50000000ull // an ACK at least so often: a feed that is gone is noticed

static uint64_t incarnation_of(const struct core *core, uint32_t peer)
{
	return atomic_load_explicit(&core->server->peers.peers[peer].incarnation,
				    memory_order_relaxed);
}

// Ask now, with what the log is now.
static void ask_anew(struct core *core, struct sink *sink)
{
	sink->state = SINK_RECONCILING;
	sink->request++;
	sink->due_ns = core->now_ns;
	sink->wait_ms = RECONCILE_MS;
	sink->waits_for_source = false;
	sink->meta = 0;
	sink->pulling = false;
	sink->ack_due = false;
}

void sink_again(struct core *core, struct replication *r)
{
	if (r->sink.state == SINK_CLOSING)
		return; // it asks anew when that is done
	r->sink.incarnation = incarnation_of(core, r->sink.peer);
	ask_anew(core, &r->sink);
	COUNT(core, sink_reconciles, 1);
}

void sink_begin(struct core *core, struct replication *r, uint32_t peer)
{
	r->sink.peer = peer;
	r->sink.epoch = 0;
	r->sink.fetching = r->sink.fetched = false;
	sink_again(core, r);
}

static void send_reconcile(struct core *core, struct replication *r)
{
	struct stream *stream = r->stream;
	struct sink *sink = &r->sink;
	struct peer *peer = &core->server->peers.peers[sink->peer];
	uint64_t end = stream->log.head_own.seq;
	struct godwit_reconcile request = {
		.from = {.frame = {.version = GODWIT_VERSION, .type = GODWIT_RECONCILE},
			 .epoch = godwit_be32(sink->epoch)},
		.stream = godwit_be64(stream->hash),
		.session = godwit_be64(sink->forced ? 0 : stream_session_held(stream)),
		.end = godwit_be64(end),
		.meta = godwit_be64(sink->meta),
		.edge = godwit_be64(end + REPLICATION_WINDOW),
		.last_epoch = godwit_be32(stream->epoch),
		.request = godwit_be32(sink->request),
	};

	if (sink->incarnation == 0 || !peer_takes_part(peer)) {
		sink->due_ns = core->now_ns + RECONCILE_MS * 1000000ull;
		return;
	}
	peers_send(core, peer, &request, sizeof(request));
	sink->due_ns = core->now_ns + sink->wait_ms * 1000000ull;
	if (sink->wait_ms * 2 <= RECONCILE_MS_MAX)
		sink->wait_ms *= 2;
}

// ---- closing -----------------------------------------------------------------------------------

static void closing_begin(struct core *core, struct replication *r)
{
	struct sink *sink = &r->sink;

	sink->state = SINK_CLOSING;
	sink->cut_number++;
	sink->cores_told = sink->cores_closed = 0;
	stream_serve(r->stream, false);
	source_close_all(core, r); // feeds of this log end first
	COUNT(core, sink_closings, 1);
}

// Everybody above the cut is gone, on every core.
static void closing_done(struct core *core, struct replication *r)
{
	struct stream *stream = r->stream;
	struct sink *sink = &r->sink;

	sink->forced = false;
	if (sink->emptied) {
		stream_reset(stream, sink->cut_session, sink->cut_first, sink->cut_epoch);
		meta_begin(r, 0);
		sink->loaded = false;
		COUNT(core, sink_resets, 1);
	} else if (stream_cut_back(stream, sink->cut)) {
		// The tables stay: a primary that is started again may have them from nobody else.
		COUNT(core, sink_cuts, 1);
		if (sink->cut_epoch != 0)
			stream_lower_epoch(stream, sink->cut_epoch);
	} else {
		sink->forced = true; // it cannot be undone here: the log is begun anew
	}
	stream_serve(stream, stream->role == STREAM_REPLICA);
	sink->incarnation = incarnation_of(core, sink->peer);
	ask_anew(core, sink);
}

static uint32_t closing_burst(struct core *core, struct replication *r)
{
	struct sink *sink = &r->sink;
	struct stream *stream = r->stream;
	uint32_t cores = core->server->core_count, done = 0;
	bool all = sink->emptied || sink->cut < stream->log.commit_own.seq;
	struct home_closing closing = {
		.above = all ? 0 : sink->cut,
		.stream = stream->number,
		.number = sink->cut_number,
	};

	for (uint32_t i = 0; i < cores; i++) {
		if ((sink->cores_told >> i & 1) != 0)
			continue;
		if (i == core->config.id) {
			replication_end_subscriptions(core, stream, closing.above);
			sink->cores_closed |= 1u << i;
		} else if (!home_close(core, i, &closing)) {
			continue; // no room: next turn
		}
		sink->cores_told |= 1u << i;
		done++;
	}
	if ((uint32_t)__builtin_popcount(sink->cores_closed) == cores) {
		closing_done(core, r);
		done++;
	}
	return done;
}

void sink_closed(struct core *core, struct stream *stream, uint32_t from, uint32_t number)
{
	struct sink *sink = &stream->replication->sink;

	(void)core;
	if (sink->state == SINK_CLOSING && sink->cut_number == number)
		sink->cores_closed |= 1u << from;
}

void replication_end_subscriptions(struct core *core, struct stream *stream, uint64_t above)
{
	for (uint32_t i = 0; i < core->config.subscriptions_max; i++) {
		struct subscription *s = &core->subscriptions[i];
		struct godwit_identifier at = {.session = s->acked.session, .seq = above};
		bool is_above = s->next > above + 1 || s->start > above + 1 ||
				(s->temporary.active && s->temporary.place.seq > above + 1);

		if (s->state == SUBSCRIPTION_FREE || s->stream != stream ||
		    (above != 0 && !is_above))
			continue;
		COUNT(core, sink_subscriptions_ended, 1);
		if (above == 0) // the client comes back, and hears where it stands
			at = (struct godwit_identifier){.session = s->acked.session,
							.seq = s->sent,
							.epoch = s->acked.epoch};
		subscription_end(core, s, above == 0 ? GODWIT_BEHIND : GODWIT_DIVERGED, at, 0);
	}
	// The same sequences at the same places may hold other records soon.
	for (uint32_t i = 0; i < CORE_FACTS; i++)
		if (core->facts[i].stream == stream)
			core->facts[i].stream = NULL;
}

// ---- answers -----------------------------------------------------------------------------------

static void answer_ok(struct core *core, struct replication *r,
		      const struct godwit_reconcile *answer)
{
	struct stream *stream = r->stream;
	struct sink *sink = &r->sink;
	uint64_t end = stream->log.head_own.seq, runs_from = godwit_get64(answer->first);

	if (godwit_get64(answer->session) != stream_session_held(stream))
		return;
	sink->state = SINK_FOLLOWING;
	sink->epoch = godwit_get32(answer->from.epoch);
	sink->commit_mark = stream->log.commit_own.seq;
	sink->seen = sink->nak_end = end;
	sink->fetch_end = godwit_get64(answer->end);
	// Where records may come without their runs, the table is not whole before the snapshot.
	if (runs_from == 0 || runs_from > end + 1)
		sink->loaded = false;
	sink->meta = 0;
	sink->pulling = true;
	sink->page = 0;
	sink->page_due_ns = core->now_ns;
	sink->due_ns = core->now_ns + SINK_ACK_NS;
	sink->ack_due = true;
	sink->moved_ns = core->now_ns;
	if (stream->role == STREAM_REPLICA) {
		// Whoever feeds us fetches from us no more: no runs are held for it.
		source_close_all(core, r);
		atomic_store_explicit(&stream->reconciled, sink->epoch, memory_order_release);
		stream_serve(stream, true);
	}
}

// Of what is committed: with local acks it went with its primary, and an operator may have given it up. Else it is never
// given up for a primary that lost it: an operator is to look.
static bool may_give_up(const struct stream *stream, const struct godwit_reconcile *answer)
{
	uint64_t last;

	return stream->ack_local ||
	       stream_gave_up(stream_epoch_of(stream, stream->log.commit_own.seq, &last),
			      godwit_get32(answer->from.epoch));
}

static void answer_cut(struct core *core, struct replication *r,
		       const struct godwit_reconcile *answer)
{
	struct stream *stream = r->stream;
	struct sink *sink = &r->sink;
	uint64_t theirs = godwit_get64(answer->end), head = stream->log.head_own.seq, ours, last;
	uint32_t epoch = godwit_get32(answer->last_epoch), found; // epoch 0: nothing agrees
	bool is_told;

	ours = stream_epoch_end(stream, epoch, &found);
	if (ours > head)
		ours = head;
	sink->cut = theirs < ours ? theirs : ours;
	sink->cut_epoch = epoch;
	// Where nothing came before our first epoch, an earlier one ends at 0 here.
	is_told = found != 0 || epoch == 0 || stream_epoch_of(stream, 1, &last) != 0;
	if (sink->cut < stream->log.commit_own.seq && !may_give_up(stream, answer)) {
		COUNT(core, sink_cuts_refused, 1);
		return;
	}
	if (!is_told || sink->cut + 1 < log_earliest(&stream->log) ||
	    sink->cut < publishers_base_seq(stream->publishers)) {
		sink->forced = true;
		ask_anew(core, sink);
		return;
	}
	sink->emptied = false;
	closing_begin(core, r);
}

static void answer_reset(struct core *core, struct replication *r,
			 const struct godwit_reconcile *answer)
{
	struct sink *sink = &r->sink;

	sink->cut_session = godwit_get64(answer->session);
	sink->cut_first = godwit_get64(answer->first);
	sink->cut_epoch = godwit_get32(answer->last_epoch);
	if (sink->cut_session == 0 || sink->cut_first == 0 || sink->cut_epoch == 0)
		return;
	sink->emptied = true;
	closing_begin(core, r);
}

static bool source_facts(const struct core *core, const struct replication *r,
			 struct peer_stream_facts *facts)
{
	const struct peer *peer = &core->server->peers.peers[r->sink.peer];

	return peer_stream_get(&peer->streams[r->stream->number], facts);
}

// Whether the source says of itself that it makes the feed.
static bool source_serves(const struct core *core, const struct replication *r)
{
	struct peer_stream_facts facts;

	return source_facts(core, r, &facts) && facts.feed_age_ms == 0;
}

void sink_answer(struct core *core, struct replication *r, struct peer *peer,
		 const struct godwit_reconcile *answer)
{
	struct sink *sink = &r->sink;
	uint32_t request = godwit_get32(answer->request);

	if (peer->index != sink->peer || sink->state == SINK_IDLE) {
		DROP(core, replication_not_source, 1);
		return;
	}
	// We are not fed any more.
	if (request == 0 && sink->state == SINK_FOLLOWING) {
		sink_again(core, r);
		return;
	}
	if (sink->state != SINK_RECONCILING || request != sink->request) {
		DROP(core, replication_reconcile_old, 1);
		return;
	}
	if (godwit_get64(answer->session) == stream_session_held(r->stream) &&
	    godwit_get32(answer->from.epoch) < sink->epoch) {
		DROP(core, replication_fenced, 1);
		return;
	}
	switch (godwit_get16(answer->code)) {
	case GODWIT_RECONCILE_OK:
		answer_ok(core, r, answer);
		break;
	case GODWIT_RECONCILE_CUT:
		answer_cut(core, r, answer);
		break;
	case GODWIT_RECONCILE_RESET:
		answer_reset(core, r, answer);
		break;
	default: // NOT_PRIMARY, BUSY: it is asked again; or another one, where the log is fetched
		COUNT(core, sink_waits, 1);
		sink->waits_for_source = !source_serves(core, r);
		if (sink->fetching)
			insync_notify_refused(core, r);
		break;
	}
}

// ---- time --------------------------------------------------------------------------------------

// When our log last moved, or lacked nothing of what the source says is committed.
static uint64_t moved_ns(const struct core *core, struct replication *r)
{
	const struct log *log = &r->stream->log;
	uint64_t place = log->head_own.seq + log->commit_own.seq;
	struct sink *sink = &r->sink;
	struct peer_stream_facts facts;

	if (place != sink->moved_place ||
	    (core->now_ns - sink->moved_ns >= core->server->peers.interval_us * 1000ull &&
	     source_facts(core, r, &facts) && facts.commit <= log->commit_own.seq)) {
		sink->moved_place = place;
		sink->moved_ns = core->now_ns;
	}
	return sink->moved_ns;
}

// When the feed was whole last. Of a source that is heard but does not hear our acknowledgements nothing comes once
// its window is full. And a path may let heartbeats through and swallow records that are too large for it: a loss is mended
// long before that is said of it.
static uint64_t fed_ns(const struct core *core, struct replication *r)
{
	const struct peer *source = &core->server->peers.peers[r->sink.peer];
	uint64_t heard_ns = atomic_load_explicit(&source->heard_ns, memory_order_relaxed);
	uint64_t hears_ns = atomic_load_explicit(&source->hears_ns, memory_order_relaxed);
	uint64_t moved = moved_ns(core, r);

	if (hears_ns < heard_ns && peer_is_cut_off(&core->server->peers, source, core->now_ns))
		heard_ns = hears_ns;
	if (moved < heard_ns && core->now_ns - moved >= peers_stands_ns(&core->server->peers))
		return moved;
	return heard_ns;
}

static uint32_t following_burst(struct core *core, struct replication *r)
{
	struct stream *stream = r->stream;
	struct sink *sink = &r->sink;
	uint32_t done = 0;

	if (stream->role == STREAM_REPLICA)
		atomic_store_explicit(&stream->feed_heard_ns, fed_ns(core, r),
				      memory_order_relaxed);
	if (sink->pulling)
		done += snapshot_pull(core, r);
	if (sink->fetching && !sink->fetched && sink->loaded && sink->meta != 0 &&
	    stream->log.head_own.seq >= sink->fetch_end) {
		sink->fetched = insync_notify_fetched(core, r);
		done++;
	}
	return done;
}

uint32_t sink_burst(struct core *core, struct replication *r)
{
	struct sink *sink = &r->sink;

	if (sink->state == SINK_IDLE) {
		if (r->stream->role != STREAM_REPLICA)
			return 0;
		sink_begin(core, r, r->stream->primary);
	}
	if (sink->state == SINK_CLOSING)
		return closing_burst(core, r);
	if (sink->incarnation != incarnation_of(core, sink->peer))
		sink_again(core, r);
	if (sink->state == SINK_FOLLOWING)
		return following_burst(core, r);
	if (sink->waits_for_source && source_serves(core, r)) {
		sink->waits_for_source = false; // the next question may be long away
		sink->wait_ms = RECONCILE_MS;
	} else if (core->now_ns < sink->due_ns) {
		return 0;
	}
	send_reconcile(core, r);
	return 1;
}

void replication_fetch(struct core *core, const struct replication_fetch *fetch)
{
	struct stream *stream = fetch->stream < core->server->stream_count ?
					core->server->streams[fetch->stream] :
					NULL;
	struct replication *r = stream == NULL ? NULL : stream->replication;
	struct peer *peer = peers_find(&core->server->peers, fetch->server);

	if (r == NULL || peer == NULL || stream->role != STREAM_PRIMARY || r->writable) {
		COUNT(core, records_refused, 1);
		return;
	}
	sink_begin(core, r, peer->index);
	r->sink.fetching = true;
	r->record_epoch = fetch->epoch > r->record_epoch ? fetch->epoch : r->record_epoch;
}
