// SPDX-License-Identifier: BSD-3-Clause
//
// The feed: the log up to its head as REPLICATE frames to one peer, each with the runs of its records and
// the commit; a commit that moved alone; the tail told of again until it is acknowledged; repairs.
#include "dataplane/replication.h"
#include "dataplane/stages.h"

#define FEED_PACKETS 64 // of one feed in one turn
#define FEED_REPAIRS 16
#define REPAIRS_NS   2000000ull // in which as many are repeated as may be in flight
#define TAIL_US_MAX  20000
#define IDLE_US_MAX  100000

struct piece { // what one REPLICATE carries
	struct slice slice;
	uint64_t pos;
	uint32_t runs; // in r->runs
};

enum feed_step {
	FEED_SENT,
	FEED_NOTHING,
	FEED_FULL,
	FEED_LAPPED
};

static struct godwit_replicate header(const struct replication *r, uint64_t first, uint32_t count)
{
	uint64_t commit = r->stream->log.commit_own.seq;

	return (struct godwit_replicate){
		.from = {.frame = {.version = GODWIT_VERSION,
				   .type = GODWIT_REPLICATE,
				   .count = godwit_be16((uint16_t)count)},
			 .epoch = godwit_be32(r->stream->epoch)},
		.session = godwit_be64(stream_session_held(r->stream)),
		.first = godwit_be64(first),
		.commit = godwit_be64(commit),
	};
}

// How many records from the piece's start fit `room` bytes together with the runs that begin at them.
static uint32_t fitting(const struct replication *r, const struct piece *piece, uint32_t room)
{
	const struct publisher_run *runs = r->runs;
	uint32_t count = slice_count(piece->slice), used = 0, run = 0, n = 0;
	uint64_t last = slice_last(piece->slice), pos = piece->pos;

	if (piece->runs == REPLICATE_RUNS_MAX) // there may be more behind them
		last = runs[REPLICATE_RUNS_MAX - 1].first_seq + runs[REPLICATE_RUNS_MAX - 1].count -
		       1;
	for (; n < count && piece->slice.first + n <= last; n++) {
		uint32_t bytes = log_record_bytes(&r->stream->log, pos), cost = bytes;
		bool begins = run < piece->runs && runs[run].first_seq == piece->slice.first + n;

		if (begins)
			cost += (uint32_t)sizeof(struct godwit_run);
		if (n > 0 && used + cost > room)
			break;
		used += cost;
		pos += bytes;
		run += begins;
	}
	return n;
}

static uint32_t room_in(const struct core *core, const struct feed *feed)
{
	uint32_t datagram = server_datagram(core->server);

	if (peers_path_is_narrow(&feed->path, core->now_ns) && datagram > PEERS_NARROW_BYTES)
		datagram = PEERS_NARROW_BYTES;
	return datagram - (uint32_t)sizeof(struct godwit_replicate) - GODWIT_MAC_BYTES;
}

// The next piece at `place`, up to `last`, as large as a datagram holds; one record may be larger than a
// narrow one. place moves past it.
static enum log_read next_piece(struct replication *r, uint32_t room, struct place *place,
				struct mark end, uint64_t last, struct piece *piece)
{
	const struct stream *stream = r->stream;
	uint64_t count_max = last - place->seq + 1;
	struct place at = *place;
	enum log_read read;
	bool at_cut;

	piece->pos = at.pos;
	read = log_next(&stream->log, &at, end, room,
			count_max > LOG_CUT_RECORDS ? LOG_CUT_RECORDS : (uint32_t)count_max,
			&piece->slice, &at_cut);
	if (read != LOG_READ_SLICE)
		return read;
	piece->runs = publishers_runs(stream->publishers, piece->slice.first,
				      slice_last(piece->slice), r->runs, REPLICATE_RUNS_MAX);
	if (slice_bytes(piece->slice) + piece->runs * sizeof(struct godwit_run) > room) {
		uint32_t count = fitting(r, piece, room);

		at = *place;
		read = log_next(&stream->log, &at, end, room, count, &piece->slice, &at_cut);
		if (read != LOG_READ_SLICE)
			return read;
		piece->runs = publishers_runs(stream->publishers, piece->slice.first,
					      slice_last(piece->slice), r->runs,
					      REPLICATE_RUNS_MAX);
	}
	*place = at;
	return LOG_READ_SLICE;
}

static void write_runs(const struct replication *r, uint32_t count, uint8_t *at)
{
	for (uint32_t i = 0; i < count; i++, at += sizeof(struct godwit_run)) {
		const struct publisher_run *run = &r->runs[i];
		struct godwit_run wire = {
			.publisher = godwit_be64(run->publisher),
			.instance = godwit_be64(run->instance),
			.first_number = godwit_be64(run->first_number),
			.first_seq = godwit_be64(run->first_seq),
			.count = godwit_be32(run->count),
		};

		memcpy(at, &wire, sizeof(wire));
	}
}

static enum feed_step send_piece(struct core *core, struct replication *r, struct peer *peer,
				 const struct piece *piece)
{
	const struct log *log = &r->stream->log;
	uint32_t body = slice_bytes(piece->slice), count = slice_count(piece->slice);
	uint32_t runs = piece->runs * (uint32_t)sizeof(struct godwit_run);
	struct godwit_replicate replicate = header(r, piece->slice.first, count);
	struct godwit_record record;
	uint64_t number;
	struct cut cut;
	uint8_t *at;

	if (!log_find(log, piece->slice.first, &number) || !log_cut(log, number, &cut))
		return FEED_LAPPED;
	memcpy(&record, log_at(log, piece->pos), sizeof(record));
	// A cut spans 2 s at most, so the low half tells the rest.
	replicate.time = godwit_be64(cut.time_ns +
				     (uint32_t)(godwit_get32(record.time) - (uint32_t)cut.time_ns));
	replicate.record_epoch = godwit_be32(cut.epoch);
	replicate.runs = godwit_be16((uint16_t)piece->runs);
	if (peers_begin(core, peer, (uint32_t)sizeof(replicate) + runs + body, &at) != TX_OK)
		return FEED_FULL;
	memcpy(at, &replicate, sizeof(replicate));
	write_runs(r, piece->runs, at + sizeof(replicate));
	memcpy(at + sizeof(replicate) + runs, log_at(log, piece->pos), body);
	peers_end(core, peer, at, (uint32_t)sizeof(replicate) + runs + body);
	r->feeds[peer->index].commit_sent = log->commit_own.seq;
	COUNT(core, replicate_frames, 1);
	COUNT(core, replicate_records, count);
	return FEED_SENT;
}

// Something went out that may be lost.
static void begin_tail(const struct core *core, struct feed *feed)
{
	feed->tail_wait_us = SOURCE_TAIL_US;
	feed->tail_due_ns = core->now_ns + SOURCE_TAIL_US * 1000ull;
}

static enum feed_step send_next(struct core *core, struct replication *r, struct peer *peer)
{
	struct feed *feed = &r->feeds[peer->index];
	struct place place = feed->place;
	enum feed_step step;
	struct piece piece;

	if (place.seq > r->stream->log.head_own.seq || place.seq > feed->edge ||
	    feed->packets_end - feed->packets_first == REPLICATION_PACKETS)
		return FEED_NOTHING;
	switch (next_piece(r, room_in(core, feed), &place, r->stream->log.head_own, feed->edge,
			   &piece)) {
	case LOG_READ_NONE:
		return FEED_NOTHING;
	case LOG_READ_TRUNCATED:
		return FEED_LAPPED;
	case LOG_READ_SLICE:
		break;
	}
	step = send_piece(core, r, peer, &piece);
	if (step != FEED_SENT)
		return step;
	feed->place = place;
	feed->sent = place.seq - 1;
	feed->packets[feed->packets_end++ % REPLICATION_PACKETS] = feed->sent;
	begin_tail(core, feed);
	return FEED_SENT;
}

static enum feed_step send_repair(struct core *core, struct replication *r, struct peer *peer)
{
	struct feed *feed = &r->feeds[peer->index];

	for (uint32_t i = 0; feed->repairs_active > 0 && i < GODWIT_NAK_RANGES; i++) {
		struct repair *repair = &feed->repairs[i];
		struct place place = repair->place;
		enum feed_step step;
		struct piece piece;

		if (repair->last == 0)
			continue;
		switch (next_piece(r, room_in(core, feed), &place, (struct mark){repair->last, 0},
				   repair->last, &piece)) {
		case LOG_READ_NONE:
			repair->last = 0;
			feed->repairs_active--;
			continue;
		case LOG_READ_TRUNCATED:
			return FEED_LAPPED;
		case LOG_READ_SLICE:
			break;
		}
		step = send_piece(core, r, peer, &piece);
		if (step != FEED_SENT)
			return step;
		COUNT(core, replicate_repairs, 1);
		repair->place = place;
		repair->next = place.seq;
		if (place.seq > repair->last) {
			repair->last = 0;
			feed->repairs_active--;
		}
		return FEED_SENT;
	}
	return FEED_NOTHING;
}

// REPLICATE of count 0: how far the commit is, and what comes next.
static bool send_mark(struct core *core, struct replication *r, struct peer *peer)
{
	struct feed *feed = &r->feeds[peer->index];
	struct godwit_replicate replicate = header(r, feed->sent + 1, 0);

	if (!peers_send(core, peer, &replicate, sizeof(replicate)))
		return false;
	feed->commit_sent = r->stream->log.commit_own.seq;
	COUNT(core, replicate_marks, 1);
	return true;
}

uint32_t source_feed(struct core *core, struct replication *r, struct peer *peer)
{
	struct feed *feed = &r->feeds[peer->index];
	enum feed_step step = FEED_SENT;
	uint32_t sent = 0;

	// A peer that is too slow for what is in flight asks for all that it dropped, again and again. Repeats without a
	// bound would keep it from everything else.
	if (core->now_ns - feed->repairs_ns >= REPAIRS_NS) {
		feed->repairs_ns = core->now_ns;
		feed->repairs_sent = 0;
	}
	for (uint32_t n = 0;
	     n < FEED_REPAIRS && feed->repairs_sent < REPLICATION_PACKETS && step == FEED_SENT;
	     n++) {
		step = send_repair(core, r, peer);
		sent += step == FEED_SENT;
		feed->repairs_sent += step == FEED_SENT;
	}
	if (step == FEED_NOTHING)
		step = FEED_SENT;
	for (uint32_t n = 0; n < FEED_PACKETS && step == FEED_SENT; n++) {
		step = send_next(core, r, peer);
		sent += step == FEED_SENT;
	}
	if (step == FEED_LAPPED) {
		source_lapped(core, r, peer);
		return sent + 1;
	}
	if (feed->commit_sent != r->stream->log.commit_own.seq) {
		sent += send_mark(core, r, peer);
		begin_tail(core, feed);
	} else if (core->now_ns >= feed->tail_due_ns) {
		// Nobody acknowledges a commit: where nothing is outstanding it is told again all the same.
		uint32_t most = feed->sent > feed->acked ? TAIL_US_MAX : IDLE_US_MAX;

		sent += send_mark(core, r, peer);
		feed->tail_wait_us = feed->tail_wait_us * 2 < most ? feed->tail_wait_us * 2 : most;
		feed->tail_due_ns = core->now_ns + feed->tail_wait_us * 1000ull;
	}
	return sent;
}
