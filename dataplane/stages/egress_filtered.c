// SPDX-License-Identifier: BSD-3-Clause
//
// egress, part: filtered subscriptions. Each DATA packs as many runs of matching records as fit and
// says which range it covers. Coverage is claimed only of what was looked at and was still whole when
// it was; it ends with the stream epoch, and before the next matching record that is not in it.
#include "dataplane/stages.h"

#define RUNS_MAX  (sizeof(((struct core *)0)->runs) / sizeof(struct slice))
#define SKIP_COST 64 // bytes of budget that a cut without our topics costs

// A packet being gathered.
struct pack {
	uint64_t from;	     // covers from
	uint64_t epoch_last; // last sequence of the epoch that `from` lies in
	uint64_t edge;	     // highest sequence that the client takes
	uint32_t epoch;
	uint32_t runs, records, bytes;
	uint32_t records_max; // bytes
	bool closed;	      // the next record does not fit
	uint64_t time_ns;     // of the first record
	struct cut cut;	      // interval that the next record lies in
	uint64_t cut_end;     // sequence where it ends; 0: not looked up yet
};

static uint32_t distances_bytes(uint32_t records)
{
	return (records * 2 + 3) & ~3u;
}

static bool pack_begin(const struct subscription *s, struct pack *pack, uint64_t from,
		       uint64_t edge)
{
	*pack = (struct pack){.from = from, .edge = edge, .records_max = s->records_max};
	pack->epoch = stream_epoch_of(s->stream, from, &pack->epoch_last);
	return pack->epoch != 0;
}

// Look up the cut interval of a run. False: it is gone.
static bool pack_cut(const struct log *log, struct pack *pack, struct slice run)
{
	uint64_t number;
	struct cut next;

	if (run.first < pack->cut_end)
		return true;
	if (!log_find(log, run.first, &number))
		return false;
	// Where the interval is still open, only of this run is it known that it lies in it.
	pack->cut_end = log_cut(log, number + 1, &next) ? next.seq : slice_last(run) + 1;
	return log_cut(log, number, &pack->cut);
}

// Ingest time of a record of the interval: 2 s at most, so the low half tells the rest.
static uint64_t pack_time(const struct log *log, const struct pack *pack, uint64_t pos)
{
	const struct godwit_record *record = (const void *)log_at(log, pos);

	return pack->cut.time_ns +
	       (uint32_t)(godwit_get32(record->time) - (uint32_t)pack->cut.time_ns);
}

static bool pack_takes(const struct pack *pack, uint64_t seq, uint32_t bytes, uint64_t time_ns)
{
	return seq <= pack->edge && seq <= pack->epoch_last &&
	       seq - pack->from < GODWIT_COVER_MAX &&
	       (pack->records == 0 ||
		(time_ns - pack->time_ns <= GODWIT_SLICE_SPAN_NS &&
		 pack->bytes + bytes + distances_bytes(pack->records + 1) <= pack->records_max));
}

static void pack_add(struct core *core, struct pack *pack, struct slice run, uint64_t time_ns)
{
	struct slice *last = &core->runs[pack->runs > 0 ? pack->runs - 1 : 0];

	if (pack->records == 0)
		pack->time_ns = time_ns;
	pack->records += slice_count(run);
	pack->bytes += slice_bytes(run);
	if (pack->runs > 0 && slice_follows(*last, run))
		last->bits += run.bits & ((1ull << 26) - 1);
	else
		core->runs[pack->runs++] = run;
}

// Send what was gathered, covering up to `to`. head_pos: a position above all of it.
static enum egress_result pack_send(struct core *core, struct subscription *s, struct pack *pack,
				    uint64_t to, uint64_t head_pos, bool repair)
{
	const struct log *log = &s->stream->log;
	uint32_t distances = distances_bytes(pack->records), n = 0;
	uint32_t bytes = (uint32_t)sizeof(struct godwit_data) + distances + pack->bytes;
	uint16_t flags = GODWIT_FLAG_FILTERED | (repair ? GODWIT_FLAG_REPAIR : 0);
	const struct slice_facts *facts = NULL;
	struct godwit_data header = {
		.frame = {.version = GODWIT_VERSION,
			  .type = GODWIT_DATA,
			  .flags = godwit_be16(flags),
			  .count = godwit_be16((uint16_t)pack->records)},
		.covers_from = godwit_be64(pack->from),
		.epoch = godwit_be32(pack->epoch),
	};
	enum egress_result result;
	uint64_t wanted = to; // what lies beyond an epoch's end goes apart
	uint8_t *at, *body;

	if (pack->records > 0 && to - pack->from >= GODWIT_COVER_MAX)
		to = pack->from + GODWIT_COVER_MAX - 1;
	if (to > pack->epoch_last)
		to = pack->epoch_last;
	if (to - pack->from >= UINT32_MAX)
		to = pack->from + UINT32_MAX - 1;
	result = egress_begin(core, s, bytes, &at);
	if (result != EGRESS_SENT)
		return result;
	if (pack->records > 0) {
		facts = egress_facts(core, s->stream, core->runs[0],
				     slice_pos(core->runs[0], head_pos));
		if (facts == NULL)
			goto lapped;
		header.time = godwit_be64(facts->time_ns);
	}
	header.covers = godwit_be32((uint32_t)(to - pack->from + 1));
	memcpy(at, &header, sizeof(header));
	memcpy(at + offsetof(struct godwit_data, tag), &s->own, sizeof(s->own));
	at += sizeof(struct godwit_data);
	body = at + distances;
	memset(at, 0, distances);
	for (uint32_t i = 0; i < pack->runs; i++) {
		struct slice run = core->runs[i];

		for (uint32_t k = 0; k < slice_count(run); k++, n++) {
			struct godwit_be16 distance =
				godwit_be16((uint16_t)(run.first + k - pack->from));

			memcpy(at + n * sizeof(distance), &distance, sizeof(distance));
		}
		memcpy(body, log_at(log, slice_pos(run, head_pos)), slice_bytes(run));
		body += slice_bytes(run);
	}
	// Asked after the copy. The first run is the lowest.
	if (pack->records > 0 && !log_valid(log, slice_pos(core->runs[0], head_pos)))
		goto lapped;
	core->tx.end(core->tx.arg, bytes, 0, TX_NO_SUM);
	if (pack->records == 0)
		COUNT(core, coverage, 1);
	if (!repair && to == wanted)
		s->coverage_due = false;
	egress_done(core, s, to, pack->records, bytes, repair);
	pack->from = to + 1;
	return EGRESS_SENT;
lapped:
	core->tx.cancel(core->tx.arg);
	COUNT(core, egress_lapped, 1);
	subscription_truncate(core, s);
	return EGRESS_CLOSED;
}

// ---- from the ring ----------------------------------------------------------------------------

static void ring_taken(struct subscription *s, uint32_t whole, struct slice rest)
{
	while (whole-- > 0)
		client_ring_pop(&s->ring);
	if (slice_count(rest) > 0)
		client_ring_trim(&s->ring, rest);
}

// The first records of a run that the pack takes. False: it was overwritten.
static bool ring_part(struct core *core, struct subscription *s, struct pack *pack,
		      struct slice run, uint64_t head_pos, struct slice *rest)
{
	const struct log *log = &s->stream->log;
	uint64_t pos = slice_pos(run, head_pos);
	uint32_t at = 0, n = 0;

	if (!pack_cut(log, pack, run))
		return false;
	for (; n < slice_count(run); n++) {
		uint32_t bytes = log_record_bytes(log, pos + at);
		uint64_t time_ns = pack_time(log, pack, pos + at);

		if (at + bytes > slice_bytes(run) ||
		    !pack_takes(pack, run.first + n, bytes, time_ns))
			break;
		pack_add(core, pack, slice_make(run.first + n, pos + at, bytes, 1), time_ns);
		at += bytes;
	}
	*rest = slice_make(run.first + n, pos + at, slice_bytes(run) - at, slice_count(run) - n);
	return log_valid(log, pos);
}

enum egress_result egress_filtered_ring(struct core *core, struct subscription *s)
{
	const struct live *live = &core->lives[s->stream->number];
	// Read before the ring is looked at: what is found empty then is covered up to here.
	uint64_t done = s->joined ? live->done : s->dropped_at - 1, to;
	uint64_t above = position_above(core, s);
	struct slice run, rest = {0};
	enum egress_result result;
	struct pack pack;
	uint32_t whole = 0;

	// 0 is also where an empty log ends: nothing waits then. Else the mark could not be read.
	if (above == 0)
		return client_ring_count(&s->ring) > 0 ? EGRESS_SCANNED : EGRESS_NOTHING;
	if (!pack_begin(s, &pack, s->next, s->edge)) {
		subscription_truncate(core, s);
		return EGRESS_CLOSED;
	}
	while (pack.runs < RUNS_MAX && client_ring_peek_at(&s->ring, whole, &run)) {
		if (!ring_part(core, s, &pack, run, above, &rest)) {
			COUNT(core, egress_lapped, 1);
			subscription_truncate(core, s);
			return EGRESS_CLOSED;
		}
		if (slice_count(rest) > 0)
			break;
		whole++;
	}
	if (slice_count(rest) > 0)
		to = rest.first - 1;
	else if (client_ring_peek_at(&s->ring, whole, &run))
		to = run.first - 1;
	else
		to = done;
	// A paused fan-out has queued records of a slice that is not done yet.
	if (pack.records > 0 && slice_last(core->runs[pack.runs - 1]) > to)
		to = slice_last(core->runs[pack.runs - 1]);
	if (to + 1 <= pack.from) { // nothing, not even coverage; a record may wait for the window
		s->coverage_due = false;
		return client_ring_count(&s->ring) > 0 ? EGRESS_WINDOW : EGRESS_NOTHING;
	}
	if (pack.records == 0 && client_ring_count(&s->ring) == 0 && !s->coverage_due)
		return EGRESS_NOTHING;
	result = pack_send(core, s, &pack, to, above, false);
	if (result == EGRESS_SENT && pack.records > 0)
		ring_taken(s, whole, rest);
	return result;
}

// ---- from the log -----------------------------------------------------------------------------

struct scan {
	struct place place;
	struct mark end;
	uint32_t *budget;
};

static void spend(struct core *core, struct scan *scan, uint32_t bytes)
{
	COUNT(core, temporary_bytes, bytes);
	*scan->budget -= *scan->budget < bytes ? *scan->budget : bytes;
}

// Look at a slice's records. place is put at the first one that does not fit.
static void scan_slice(struct core *core, struct subscription *s, struct scan *scan,
		       struct pack *pack, struct slice slice, uint64_t pos, uint64_t cut)
{
	const struct log *log = &s->stream->log;
	struct filters *filters = core->lives[s->stream->number].filters;
	uint32_t at = 0;

	for (uint32_t n = 0; n < slice_count(slice); n++) {
		const struct godwit_record *record = (const void *)log_at(log, pos + at);
		uint32_t bytes = log_record_bytes(log, pos + at);
		uint64_t seq = slice.first + n;

		if (at + bytes > slice_bytes(slice))
			return; // overwritten, as log_valid will say
		if (filter_matches(filters, s->filter, godwit_get32(record->topic))) {
			uint64_t time_ns = pack_time(log, pack, pos + at);

			if (pack->runs == RUNS_MAX || !pack_takes(pack, seq, bytes, time_ns)) {
				pack->closed = true;
				scan->place = (struct place){seq, pos + at, cut};
				return;
			}
			pack_add(core, pack, slice_make(seq, pos + at, bytes, 1), time_ns);
		}
		at += bytes;
	}
}

// Gather a packet from the log at scan->place on. False: it was overwritten meanwhile.
static bool scan_log(struct core *core, struct subscription *s, struct scan *scan,
		     struct pack *pack)
{
	const struct log *log = &s->stream->log;
	const struct filter_class *class =
		filter_class(core->lives[s->stream->number].filters, s->filter);
	uint64_t start = scan->place.pos;

	while (!pack->closed && *scan->budget > 0 && scan->place.seq <= pack->epoch_last &&
	       scan->place.seq <= scan->end.seq) {
		uint64_t pos = scan->place.pos, number;
		struct slice slice;
		struct cut next;
		bool at_cut, closed;

		switch (log_next(log, &scan->place, scan->end, log->slice_bytes, LOG_CUT_RECORDS,
				 &slice, &at_cut)) {
		case LOG_READ_NONE:
			return log_valid(log, start);
		case LOG_READ_TRUNCATED:
			return false;
		case LOG_READ_SLICE:
			break;
		}
		// The place has moved on to the next cut where the slice ends its interval.
		if (!log_cut(log, scan->place.cut, &next))
			return false;
		number = scan->place.cut - (next.pos > pos ? 1 : 0);
		// The bits of an interval are complete once the next one has begun: it is asked first.
		closed = log_cut(log, number + 1, &next);
		if (!log_cut(log, number, &pack->cut))
			return false;
		if (closed && !(pack->cut.topic_bits & class->topic_bits)) {
			spend(core, scan, SKIP_COST);
			continue;
		}
		spend(core, scan, slice_bytes(slice));
		scan_slice(core, s, scan, pack, slice, pos, number);
	}
	return log_valid(log, start);
}

static enum egress_result lapped(struct core *core, struct subscription *s)
{
	COUNT(core, egress_lapped, 1);
	subscription_truncate(core, s);
	return EGRESS_CLOSED;
}

enum egress_result egress_filtered_temporary(struct core *core, struct subscription *s,
					     uint32_t *scan_budget)
{
	struct temporary *temporary = &s->temporary;
	struct scan scan = {temporary->place, temporary_end(core, s), scan_budget};
	enum egress_result result;
	struct pack pack;
	bool due;

	if (!pack_begin(s, &pack, s->next, s->edge) || !scan_log(core, s, &scan, &pack))
		return lapped(core, s);
	// What holds the packet up is told at once: the client may have to open its window, or the
	// next packet begins another epoch.
	due = pack.closed || s->coverage_due || scan.place.seq > pack.epoch_last ||
	      scan.place.seq - pack.from >= s->window / 4;
	if (pack.records == 0 && (!due || scan.place.seq == pack.from)) {
		temporary->place = scan.place;
		return pack.closed ? EGRESS_WINDOW : EGRESS_SCANNED;
	}
	result = pack_send(core, s, &pack, scan.place.seq - 1, scan.place.pos, false);
	if (result != EGRESS_SENT)
		return result;
	COUNT(core, dispatch_taken, pack.records);
	temporary->place = scan.place;
	return EGRESS_SENT;
}

enum egress_result egress_filtered_repair(struct core *core, struct subscription *s,
					  struct repair *repair, uint32_t *scan_budget)
{
	struct scan scan = {repair->place, {repair->last, 0}, scan_budget};
	enum egress_result result;
	struct pack pack;

	if (!pack_begin(s, &pack, repair->next, UINT64_MAX) || !scan_log(core, s, &scan, &pack))
		return lapped(core, s);
	if (pack.records == 0 && !pack.closed && scan.place.seq <= repair->last &&
	    scan.place.seq <= pack.epoch_last) {
		repair->place = scan.place;
		return EGRESS_SCANNED;
	}
	result = pack_send(core, s, &pack, scan.place.seq - 1, scan.place.pos, true);
	if (result != EGRESS_SENT)
		return result;
	COUNT(core, dispatch_taken, pack.records);
	repair->place = scan.place;
	repair->next = pack.from;
	return EGRESS_SENT;
}
