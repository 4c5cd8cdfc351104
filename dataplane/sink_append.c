// SPDX-License-Identifier: BSD-3-Clause
//
// The sink's appending: records go into our log under the same sequences, with the same times, topics,
// flags and epochs, and their runs beside it. It is acknowledged in the turn of the append; a gap is asked
// for at once, then each 2 ms, doubling to 20, until the end moves.
#include <godwit/wire_check_peer.h>

#include "dataplane/replication.h"
#include "dataplane/stages.h"

#define NAK_US	    2000
#define NAK_US_MAX  20000
#define SINK_ACK_NS 50000000ull

// The runs of what is new, into the table. False: no room; then nothing of them is left there.
static bool append_runs(struct core *core, struct replication *r,
			const struct godwit_replicate *frame)
{
	const struct godwit_run *runs = godwit_replicate_runs(frame);
	struct publishers *p = r->stream->publishers;
	uint64_t end = r->stream->log.head_own.seq;

	for (uint32_t i = 0; i < godwit_get16(frame->runs); i++) {
		struct publisher_run run = {
			.publisher = godwit_get64(runs[i].publisher),
			.instance = godwit_get64(runs[i].instance),
			.first_number = godwit_get64(runs[i].first_number),
			.first_seq = godwit_get64(runs[i].first_seq),
			.count = godwit_get32(runs[i].count),
		};
		uint64_t skip = run.first_seq <= end ? end + 1 - run.first_seq : 0;

		if (skip >= run.count)
			continue;
		run.first_number += skip;
		run.first_seq += skip;
		run.count -= (uint32_t)skip;
		if (publishers_append_foreign(p, &run))
			continue;
		publishers_cut_back(p, end);
		DROP(core, replication_runs_full, 1);
		return false;
	}
	return true;
}

// Append the records above our end. The frame is checked, and begins at or below end + 1.
static void append_frame(struct core *core, struct replication *r,
			 const struct godwit_replicate *frame, uint32_t length)
{
	struct stream *stream = r->stream;
	const uint8_t *at = godwit_replicate_records(frame);
	const uint8_t *end = (const uint8_t *)frame + length - GODWIT_MAC_BYTES;
	uint64_t seq = godwit_get64(frame->first), time_ns = godwit_get64(frame->time);
	uint32_t epoch = godwit_get32(frame->record_epoch);
	const struct godwit_record *record;

	// The table first, then the first record of it.
	if (epoch > stream->epoch)
		stream_begin_epoch(stream, epoch);
	for (; (record = godwit_record_next(&at, end)) != NULL; seq++) {
		if (seq <= stream->log.head_own.seq)
			continue;
		// All records of a frame lie within 2 s of its first one's time.
		log_append(&stream->log,
			   time_ns + (uint32_t)(godwit_get32(record->time) - (uint32_t)time_ns),
			   godwit_get32(record->topic), godwit_get16(record->flags), record + 1,
			   godwit_get16(record->length));
		COUNT(core, replicated_records, 1);
	}
	r->sink.ack_due = true;
}

// Whether every record may be held here.
static bool records_fit(const struct stream *stream, const struct godwit_replicate *frame,
			uint32_t length)
{
	const uint8_t *at = godwit_replicate_records(frame);
	const uint8_t *end = (const uint8_t *)frame + length - GODWIT_MAC_BYTES;
	const struct godwit_record *record;

	while ((record = godwit_record_next(&at, end)) != NULL)
		if (godwit_get16(record->length) > stream->max_message)
			return false;
	return true;
}

static void gap(struct core *core, struct replication *r)
{
	struct sink *sink = &r->sink;
	uint64_t end = r->stream->log.head_own.seq;

	COUNT(core, replicate_gaps, 1);
	if (sink->nak_end == end && sink->nak_due_ns != 0)
		return; // asked for already
	sink->nak_end = end;
	sink->nak_wait_us = NAK_US;
	sink->nak_due_ns = core->now_ns;
}

void sink_replicate(struct core *core, struct replication *r, struct peer *peer,
		    const struct godwit_replicate *frame, uint32_t length)
{
	struct stream *stream = r->stream;
	struct sink *sink = &r->sink;
	uint32_t count = godwit_get16(frame->from.frame.count);
	uint64_t first = godwit_get64(frame->first), commit = godwit_get64(frame->commit);
	uint64_t end = stream->log.head_own.seq;

	if (sink->state != SINK_FOLLOWING || peer->index != sink->peer ||
	    godwit_get64(frame->from.incarnation) != sink->incarnation) {
		DROP(core, replication_not_source, 1);
		return;
	}
	if (godwit_get32(frame->from.epoch) < sink->epoch) {
		DROP(core, replication_fenced, 1);
		return;
	}
	if (godwit_get32(frame->from.epoch) > sink->epoch) {
		sink_again(core, r); // rule D2: higher is adopted by reconciling
		return;
	}
	if (commit > sink->commit_mark)
		sink->commit_mark = commit;
	if (first + count - 1 > sink->seen)
		sink->seen = first + count - 1;
	if (first > end + 1) {
		gap(core, r);
		return;
	}
	if (first + count <= end + 1) { // nothing new
		if (count > 0)
			COUNT(core, replicate_repeats, 1);
		sink->ack_due = true;
		return;
	}
	if (godwit_get32(frame->record_epoch) < stream->epoch ||
	    !records_fit(stream, frame, length)) {
		DROP(core, replication_records_bad, 1);
		return;
	}
	if (append_runs(core, r, frame))
		append_frame(core, r, frame, length);
}

uint32_t sink_tell(struct core *core, struct replication *r)
{
	struct sink *sink = &r->sink;
	struct stream *stream = r->stream;
	uint64_t end = stream->log.head_own.seq;
	struct {
		struct godwit_peer_ack ack;
		struct godwit_range range;
	} frame = {
		.ack = {.from = {.frame = {.version = GODWIT_VERSION, .type = GODWIT_PEER_ACK},
				 .epoch = godwit_be32(sink->epoch)},
			.session = godwit_be64(stream_session_held(stream)),
			.seq = godwit_be64(end),
			.meta = godwit_be64(sink->meta),
			.edge = godwit_be64(end + REPLICATION_WINDOW),
			.feed = godwit_be32(sink->request)},
		.range = {godwit_be64(end + 1), godwit_be64(sink->seen)},
	};
	bool nak;

	if (sink->state != SINK_FOLLOWING)
		return 0;
	// The gap that was asked for moved, and there is another one behind it.
	if (sink->nak_due_ns != 0 && end != sink->nak_end) {
		sink->nak_end = end;
		sink->nak_wait_us = NAK_US;
		sink->nak_due_ns = sink->seen > end ? core->now_ns + NAK_US * 1000ull : 0;
	}
	nak = sink->nak_due_ns != 0 && core->now_ns >= sink->nak_due_ns && sink->seen > end;
	if (!sink->ack_due && !nak && core->now_ns < sink->due_ns)
		return 0;
	frame.ack.naks = godwit_be16(nak);
	if (!peers_send(core, &core->server->peers.peers[sink->peer], &frame,
			(uint32_t)(sizeof(frame.ack) + (nak ? sizeof(frame.range) : 0))))
		return 0; // next turn
	COUNT(core, sink_acks, 1);
	sink->ack_due = false;
	sink->due_ns = core->now_ns + SINK_ACK_NS;
	if (!nak)
		return 1;
	COUNT(core, sink_naks, 1);
	sink->nak_due_ns = core->now_ns + sink->nak_wait_us * 1000ull;
	if (sink->nak_wait_us * 2 <= NAK_US_MAX)
		sink->nak_wait_us *= 2;
	return 1;
}
