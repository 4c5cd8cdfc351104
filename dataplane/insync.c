// SPDX-License-Identifier: BSD-3-Clause
//
// The in-sync set as the primary's home core knows it: the record in force united with what was proposed
// and not answered yet. The commit is its lowest acknowledgement; a member leaves that minimum only by a
// record without it.
#include "dataplane/replication.h"

#define PROPOSE_AGAIN_NS 1000000000ull
#define LAGS_AGAIN_NS	 10000000ull
#define SMALL_AGAIN_NS	 1000000000ull

static bool notify(struct core *core, enum core_notice_kind kind,
		   const struct replication_notice *notice)
{
	struct crossing_slot *slot = crossing_begin(&core->outbox);

	if (slot == NULL) {
		COUNT(core, notices_lost, 1);
		return false;
	}
	slot->kind = kind;
	slot->bytes = sizeof(*notice);
	memcpy(slot->data, notice, sizeof(*notice));
	crossing_end(&core->outbox);
	return true;
}

static bool notify_of_source(struct core *core, struct replication *r, enum core_notice_kind kind)
{
	const struct stream *stream = r->stream;
	const struct peer *peer = &core->server->peers.peers[r->sink.peer];
	struct replication_notice notice = {
		.stream = stream->number,
		.server = peer->id,
		.incarnation = r->sink.incarnation,
		.end = stream->log.head_own.seq,
		.epoch = stream->epoch,
	};

	return notify(core, kind, &notice);
}

bool insync_notify_fetched(struct core *core, struct replication *r)
{
	return notify_of_source(core, r, CORE_NOTICE_FETCHED);
}

void insync_notify_refused(struct core *core, struct replication *r)
{
	notify_of_source(core, r, CORE_NOTICE_REFUSED);
}

// What a peer acknowledged in the incarnation that counts; 0 while it is not fed.
static uint64_t counted_ack(const struct replication *r, uint32_t peer)
{
	const struct feed *feed = &r->feeds[peer];

	return feed->active && feed->incarnation == r->incarnations[peer] ? feed->acked : 0;
}

// The same of META.
static uint64_t counted_meta(const struct replication *r, uint32_t peer)
{
	const struct feed *feed = &r->feeds[peer];

	return feed->active && feed->incarnation == r->incarnations[peer] ? feed->meta_acked : 0;
}

// The lowest acknowledgement of those that count, and at most `head`.
static uint64_t lowest_ack(const struct replication *r, uint64_t head)
{
	uint32_t counted = r->members | r->proposed;
	uint64_t low = head;

	for (uint32_t i = 0; counted >> i != 0; i++) {
		uint64_t acked;

		if ((counted >> i & 1) == 0)
			continue;
		acked = counted_ack(r, i);
		if (acked < low)
			low = acked;
	}
	return low;
}

static bool enough_in_sync(const struct replication *r)
{
	return (uint32_t)__builtin_popcount(r->members) + r->self_in >= r->stream->min_in_sync;
}

uint64_t insync_commit(const struct replication *r)
{
	const struct stream *stream = r->stream;
	const struct log *log = &stream->log;
	uint64_t commit = log->commit_own.seq, low;

	if (r->sink.state == SINK_FOLLOWING) {
		low = r->sink.commit_mark < log->head_own.seq ? r->sink.commit_mark :
								log->head_own.seq;
		return low > commit ? low : commit;
	}
	if (!r->writable)
		return commit;
	if (stream->ack_local)
		return log->head_own.seq;
	if (!enough_in_sync(r))
		return commit;
	low = lowest_ack(r, log->head_own.seq);
	return low > commit ? low : commit;
}

uint64_t insync_release(const struct replication *r, uint64_t commit)
{
	uint64_t limit = commit;

	// The snapshot that is being pulled is of a base that must not move under it.
	if (r->sink.state != SINK_IDLE && r->sink.pulling && r->sink.page > 0)
		return publishers_base_seq(r->stream->publishers);
	if (r->members | r->proposed)
		limit = lowest_ack(r, commit);
	for (uint32_t i = 0; i < SERVER_PEERS_MAX; i++) {
		const struct feed *feed = &r->feeds[i];

		if (feed->active && feed->holds && feed->acked < limit)
			limit = feed->acked;
	}
	return limit;
}

// The highest entry that all that count hold; 0: somebody has not taken the tables, or too few are in sync.
static uint64_t lowest_meta(const struct replication *r)
{
	uint32_t counted = r->members | r->proposed;
	uint64_t low = r->meta_last;

	if (!r->writable || !enough_in_sync(r))
		return 0;
	for (uint32_t i = 0; counted >> i != 0; i++) {
		uint64_t acked;

		if ((counted >> i & 1) == 0)
			continue;
		acked = counted_meta(r, i);
		if (acked < low)
			low = acked;
	}
	return low;
}

uint64_t insync_meta(const struct replication *r)
{
	uint64_t low = lowest_meta(r);

	return low > r->meta_held ? low : r->meta_held;
}

bool insync_tables(const struct replication *r)
{
	return lowest_meta(r) != 0;
}

void insync_room(struct core *core, struct replication *r)
{
	struct stream *stream = r->stream;
	uint32_t counted = r->members | r->proposed;
	uint64_t smallest = stream->log.size;

	r->room_known = true;
	for (uint32_t i = 0; counted >> i != 0; i++) {
		struct peer_stream_facts facts;

		if ((counted >> i & 1) == 0)
			continue;
		if (!peer_stream_get(&core->server->peers.peers[i].streams[stream->number],
				     &facts) ||
		    facts.log_bytes == 0)
			r->room_known = false; // asked again next turn
		else if (facts.log_bytes < smallest)
			smallest = facts.log_bytes;
	}
	stream->room_bytes = smallest / 2;
}

// The primary's room above its commit follows the smallest log of the set: less than a quarter of its own
// would hold up everybody. Counted once each time that a peer turns out so, and looked at again once a second.
static bool is_log_small(struct core *core, struct replication *r, uint32_t peer)
{
	const struct peer *from = &core->server->peers.peers[peer];
	struct peer_stream_facts facts;
	bool was_small = r->small_ns[peer] != 0, is_small;

	if (was_small && core->now_ns - r->small_ns[peer] < SMALL_AGAIN_NS)
		return true;
	is_small = peer_stream_get(&from->streams[r->stream->number], &facts) &&
		   facts.log_bytes != 0 && facts.log_bytes < r->stream->log.size / 4;
	if (is_small && !was_small)
		COUNT(core, insync_log_small, 1);
	r->small_ns[peer] = is_small ? core->now_ns : 0;
	return is_small;
}

// Rule D8: it has all that is committed and all before this epoch, and the tables as they are: what those that count hold
// without it, though nobody was told of it yet. Else one whose tables are full would be back before the others go on.
static bool is_eligible(const struct replication *r, uint32_t peer)
{
	const struct stream *stream = r->stream;
	const struct feed *feed = &r->feeds[peer];
	uint64_t last, before_epoch;
	uint32_t found;

	if (!feed->active || feed->meta_acked == 0 || feed->meta_acked < insync_meta(r))
		return false;
	before_epoch = stream_epoch_end(stream, stream->epoch - 1, &found);
	last = stream->log.commit_own.seq;
	if (found != 0 && before_epoch != UINT64_MAX && before_epoch > last)
		last = before_epoch;
	return feed->acked >= last;
}

uint32_t insync_propose(struct core *core, struct replication *r)
{
	uint32_t done = 0;

	if (!r->writable)
		return 0;
	for (uint32_t i = 0; i < core->server->peers.count; i++) {
		struct replication_notice notice = {.stream = r->stream->number};
		bool is_proposed = r->proposed >> i & 1;

		if ((r->members >> i & 1) != 0)
			continue;
		if (!is_proposed) {
			if (!is_eligible(r, i) || is_log_small(core, r, i) ||
			    peer_is_cut_off(&core->server->peers, &core->server->peers.peers[i],
					    core->now_ns))
				continue;
			// It counts from now on, before anybody else knows of it.
			r->proposed |= 1u << i;
			r->incarnations[i] = r->feeds[i].incarnation;
			// Above all of an earlier process: no record of its time answers this.
			if (r->proposals < core->server->incarnation)
				r->proposals = core->server->incarnation;
			r->proposal[i] = ++r->proposals;
			r->propose_ns[i] = 0;
			insync_room(core, r);
			COUNT(core, insync_proposed, 1);
		}
		if (r->propose_ns[i] != 0 && core->now_ns - r->propose_ns[i] < PROPOSE_AGAIN_NS)
			continue;
		notice.server = core->server->peers.peers[i].id;
		notice.incarnation = r->incarnations[i];
		notice.proposal = r->proposal[i];
		if (notify(core, CORE_NOTICE_PROPOSE, &notice))
			r->propose_ns[i] = core->now_ns;
		done++;
	}
	if (!r->room_known)
		insync_room(core, r);
	return done;
}

// Control is to take a peer out of the set.
static void notify_lags(struct core *core, struct replication *r, uint32_t peer)
{
	struct replication_notice notice = {
		.stream = r->stream->number,
		.server = core->server->peers.peers[peer].id,
		.incarnation = r->incarnations[peer],
	};

	if (core->now_ns - r->lags_ns[peer] < LAGS_AGAIN_NS)
		return;
	if (notify(core, CORE_NOTICE_LAGS, &notice))
		r->lags_ns[peer] = core->now_ns;
	COUNT(core, insync_lags, 1);
}

bool insync_may_leave(const struct replication *r, uint32_t peer)
{
	uint32_t left = r->members & ~(1u << peer);

	return (uint32_t)__builtin_popcount(left) + r->self_in >= r->stream->min_in_sync;
}

void insync_put_out(struct core *core, struct replication *r, uint32_t peer)
{
	COUNT(core, insync_put_out, 1);
	notify_lags(core, r, peer);
}

void insync_lags(struct core *core, struct replication *r)
{
	uint64_t low = lowest_ack(r, r->stream->log.head_own.seq);

	for (uint32_t i = 0; r->members >> i != 0; i++)
		if ((r->members >> i & 1) != 0 && counted_ack(r, i) <= low)
			notify_lags(core, r, i);
	// Runs may be held for one that only takes the snapshot, and is slow: it begins again.
	for (uint32_t i = 0; !publishers_room(r->stream->publishers) && i < SERVER_PEERS_MAX; i++)
		if (((r->members | r->proposed) >> i & 1) == 0 && r->feeds[i].holds &&
		    r->feeds[i].acked < r->stream->log.commit_own.seq)
			source_close(core, r, i);
}

// Whether what is acknowledged up to `at` has stood still below `head` for long.
static bool stands(struct standing *s, const struct core *core, uint64_t at, uint64_t head)
{
	if (at >= head || at != s->at) {
		*s = (struct standing){at, core->now_ns};
		return false;
	}
	return core->now_ns - s->since_ns >= peers_stands_ns(&core->server->peers);
}

// One that is heard and acknowledges nothing more keeps the commit back for ever, or what is told of topics and
// publishers: a path may swallow records that are too large for it, the core that holds its log stands still, or its
// tables are full. Publishers that wait for the commit never fill the room.
void insync_stands(struct core *core, struct replication *r)
{
	uint64_t since_ns = core->now_ns - r->looked_ns;
	uint64_t head = r->stream->log.head_own.seq, stands_ns;

	if (!r->writable || since_ns < core->server->peers.interval_us * 1000ull)
		return;
	stands_ns = peers_stands_ns(&core->server->peers);
	r->looked_ns = core->now_ns;
	for (uint32_t i = 0; i < core->server->peers.count; i++) {
		// Where we stood still ourselves, what it said meanwhile is not read yet.
		bool excused = (r->members >> i & 1) == 0 || since_ns > stands_ns / 2;
		bool records =
			stands(&r->records_stand[i], core, counted_ack(r, i), excused ? 0 : head);
		bool meta = stands(&r->meta_stand[i], core, counted_meta(r, i),
				   excused ? 0 : r->meta_last);

		if ((records || meta) && insync_may_leave(r, i)) {
			COUNT(core, insync_stands, 1);
			notify_lags(core, r, i);
		}
	}
}

static void take_members(struct core *core, struct replication *r,
			 const struct replication_record *record)
{
	const struct server *server = core->server;
	uint64_t incarnations[SERVER_PEERS_MAX] = {0};
	uint32_t members = 0;

	r->self_in = false;
	for (uint32_t k = 0; k < record->count && k <= STREAM_PEERS_MAX; k++) {
		if (record->members[k].server == server->id)
			r->self_in = record->members[k].incarnation == server->incarnation;
		for (uint32_t i = 0; i < server->peers.count; i++) {
			if (server->peers.peers[i].id != record->members[k].server)
				continue;
			members |= 1u << i;
			incarnations[i] = record->members[k].incarnation;
		}
	}
	// A proposal that this record does not answer yet goes on counting.
	for (uint32_t i = 0; i < SERVER_PEERS_MAX; i++) {
		if ((members >> i & 1) != 0 || r->proposal[i] <= record->proposals)
			r->proposed &= ~(1u << i);
		if ((members >> i & 1) != 0)
			r->incarnations[i] = incarnations[i];
	}
	r->members = members;
}

void replication_record(struct core *core, const struct replication_record *record)
{
	struct stream *stream = record->stream < core->server->stream_count ?
					core->server->streams[record->stream] :
					NULL;
	struct replication *r = stream == NULL ? NULL : stream->replication;

	if (r == NULL || stream->role != STREAM_PRIMARY || record->epoch < r->record_epoch ||
	    (record->session != stream_session_held(stream) && stream_session(stream) != 0)) {
		COUNT(core, records_refused, 1);
		return;
	}
	r->record_epoch = record->epoch;
	if (record->min_in_sync > 0)
		stream->min_in_sync = record->min_in_sync;
	take_members(core, r, record);
	COUNT(core, records_taken, 1);
	if (!r->self_in) {
		if (r->writable)
			source_close_all(core, r);
		r->writable = false;
		return;
	}
	r->sink.state = SINK_IDLE;
	if (record->session != stream_session_held(stream)) {
		stream_reset(stream, record->session, 1, record->epoch);
		meta_begin(r, 1);
		r->tables_agreed = true; // there is nothing in them
	} else if (record->epoch > stream->epoch) {
		stream_begin_epoch(stream, record->epoch);
		source_close_all(core, r); // they reconcile in the new epoch
		r->tables_agreed = false;
	}
	r->writable = true;
	stream_serve(stream, true);
	insync_room(core, r);
}
