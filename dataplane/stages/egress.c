// SPDX-License-Identifier: BSD-3-Clause
//
// egress: turns slices into packets, client header + slice bytes. Live work goes first; temporary
// dispatchers and repairs share what is left in fair turns. It looks only at subscriptions on the
// ready lists: what has nothing to send, no window or no neighbour is on none, and comes back by an ACK, a new
// slice or its heartbeat.
#include "dataplane/stages.h"

#define LIVE_PACKETS   16 // of one subscription in one turn
#define REPLAY_PACKETS 4
#define LOOK_COST      64 // bytes of that budget for a look, even if nothing is scanned
#define SCAN_SHARES    8  // where many catch up, one gets so much of a turn's bytes scanned

// ---- facts of a slice -------------------------------------------------------------------------

static const struct slice_facts *work_out(struct slice_facts *known, struct stream *stream,
					  struct slice slice, uint64_t pos)
{
	const struct godwit_record *record = (const void *)log_at(&stream->log, pos);
	struct cut cut;
	uint64_t number;

	if (!log_find(&stream->log, slice.first, &number) || !log_cut(&stream->log, number, &cut))
		return NULL;
	*known = (struct slice_facts){
		.first = slice.first,
		.bits = slice.bits,
		.stream = stream,
		// A cut spans 2 s at most, so the low half tells the rest.
		.time_ns = cut.time_ns +
			   (uint32_t)(godwit_get32(record->time) - (uint32_t)cut.time_ns),
		.epoch = cut.epoch,
		.header = {.frame = {.version = GODWIT_VERSION,
				     .type = GODWIT_DATA,
				     .count = godwit_be16((uint16_t)slice_count(slice))},
			   .covers_from = godwit_be64(slice.first),
			   .epoch = godwit_be32(cut.epoch),
			   .covers = godwit_be32(slice_count(slice))},
	};
	known->header.time = godwit_be64(known->time_ns);
	known->sum = tx_sum((const uint8_t *)&known->header, sizeof(known->header)) +
		     tx_sum((const uint8_t *)record, slice_bytes(slice));
	return known;
}

void egress_done(struct core *core, struct subscription *s, uint64_t covers_to, uint32_t records,
		 uint32_t bytes, bool repair)
{
	COUNT(core, tx_datagrams, 1);
	COUNT(core, tx_bytes, bytes);
	COUNT(core, dispatch_sent, records);
	if (repair)
		COUNT(core, egress_repairs, 1);
	else
		s->next = covers_to + 1;
	if (covers_to > s->sent)
		s->sent = covers_to;
	if (s->first_due && records > 0)
		arrival_served(core, s);
	client_sent_data(core, &core->clients[s->client]);
}

bool slice_split(const struct log *log, struct slice slice, uint64_t pos, uint32_t bytes_max,
		 uint32_t count_max, struct slice *part, struct slice *rest)
{
	uint32_t bytes_all = slice_bytes(slice), count_all = slice_count(slice);
	uint32_t bytes = 0, count = 0;

	while (count < count_all && count < count_max) {
		uint32_t record = log_record_bytes(log, pos + bytes);

		// One record goes alone whatever its size.
		if (bytes + record > bytes_all || (count > 0 && bytes + record > bytes_max))
			break;
		bytes += record;
		count++;
	}
	if (!log_valid(log, pos))
		return false;
	*part = slice_make(slice.first, pos, bytes, count);
	*rest = slice_make(slice.first + count, pos + bytes, bytes_all - bytes, count_all - count);
	return true;
}

enum egress_result egress_begin(struct core *core, struct subscription *s, uint32_t bytes,
				uint8_t **at)
{
	switch (core->tx.begin(core->tx.arg, &core->clients[s->client].route, bytes, at)) {
	case TX_OK:
		return EGRESS_SENT;
	case TX_NO_ROUTE:
		COUNT(core, tx_no_route, 1);
		return EGRESS_ROUTE;
	case TX_FULL:
		break;
	}
	core->tx_is_full = true;
	return EGRESS_FULL;
}

const struct slice_facts *egress_facts(struct core *core, struct stream *stream, struct slice slice,
				       uint64_t pos)
{
	uint64_t hash = (slice.first ^ slice.bits ^ stream->number) * 0x9e3779b97f4a7c15ull;
	struct slice_facts *known = &core->facts[hash >> 56];

	static_assert(CORE_FACTS == 256, "the hash's top byte indexes it");
	if (known->first == slice.first && known->bits == slice.bits && known->stream == stream)
		return known;
	return work_out(known, stream, slice, pos);
}

// ---- whole subscriptions ----------------------------------------------------------------------

// One slice, which fits, into one packet. EGRESS_CLOSED: it was overwritten, and the subscription ended.
static enum egress_result send_slice(struct core *core, struct subscription *s, struct slice slice,
				     uint64_t pos, bool repair)
{
	const struct log *log = &s->stream->log;
	uint32_t body = slice_bytes(slice), count = slice_count(slice);
	uint32_t bytes = (uint32_t)sizeof(struct godwit_data) + body;
	const struct slice_facts *facts;
	enum egress_result result;
	uint32_t sum;
	uint8_t *at;

	result = egress_begin(core, s, bytes, &at);
	if (result != EGRESS_SENT)
		return result;
	facts = egress_facts(core, s->stream, slice, pos);
	if (facts != NULL) {
		memcpy(at, &facts->header, sizeof(facts->header));
		memcpy(at + offsetof(struct godwit_data, tag), &s->own, sizeof(s->own));
		memcpy(at + sizeof(facts->header), log_at(log, pos), body);
		sum = facts->sum + s->own_sum;
		if (repair) {
			const struct godwit_be16 flags = godwit_be16(GODWIT_FLAG_REPAIR);

			memcpy(at + offsetof(struct godwit_frame, flags), &flags, sizeof(flags));
			sum += (uint32_t)GODWIT_FLAG_REPAIR << 8; // as it lies in memory
		}
		// Asked after the copy: what the writer overtook is not sent.
		if (log_valid(log, pos)) {
			core->tx.end(core->tx.arg, bytes, 0, sum);
			egress_done(core, s, slice_last(slice), count, bytes, repair);
			return EGRESS_SENT;
		}
	}
	core->tx.cancel(core->tx.arg);
	COUNT(core, egress_lapped, 1);
	return EGRESS_CLOSED;
}

// A position at or above all that is queued: where the live dispatcher is, or the log's head. 0: the
// head could not be read just now.
uint64_t position_above(const struct core *core, const struct subscription *s)
{
	const struct live *live = &core->lives[s->stream->number];

	return live->active ? live->place.pos : log_head(&s->stream->log).pos;
}

static enum egress_result whole_ring(struct core *core, struct subscription *s)
{
	struct slice slice, part, rest;
	enum egress_result result;
	uint64_t pos, above = position_above(core, s);

	if (!client_ring_peek(&s->ring, &slice))
		return EGRESS_NOTHING;
	if (slice.first > s->edge)
		return EGRESS_WINDOW;
	if (above == 0)
		return EGRESS_SCANNED; // the mark could not be read: next turn
	pos = slice_pos(slice, above);
	part = slice;
	if (slice_bytes(slice) > s->records_max || slice_last(slice) > s->edge) {
		uint64_t room = s->edge - slice.first + 1;

		if (!slice_split(&s->stream->log, slice, pos, s->records_max,
				 room > UINT32_MAX ? UINT32_MAX : (uint32_t)room, &part, &rest)) {
			COUNT(core, egress_lapped, 1);
			subscription_truncate(core, s);
			return EGRESS_CLOSED;
		}
		COUNT(core, egress_splits, 1);
	}
	result = send_slice(core, s, part, pos, false);
	if (result == EGRESS_CLOSED)
		subscription_truncate(core, s);
	if (result != EGRESS_SENT)
		return result;
	if (slice_count(part) == slice_count(slice))
		client_ring_pop(&s->ring);
	else
		client_ring_trim(&s->ring, rest);
	return EGRESS_SENT;
}

// Up to where a temporary dispatcher may read: its stop, or as far as the live dispatcher is (which
// it must not overtake before it joined), or the commit.
struct mark temporary_end(const struct core *core, const struct subscription *s)
{
	const struct live *live = &core->lives[s->stream->number];

	if (s->temporary.stop.seq != UINT64_MAX)
		return s->temporary.stop;
	if (live->active)
		return (struct mark){live->place.seq - 1, live->place.pos};
	return log_committed(&s->stream->log);
}

static enum egress_result whole_temporary(struct core *core, struct subscription *s,
					  uint32_t *scan_budget)
{
	struct temporary *temporary = &s->temporary;
	struct place place = temporary->place;
	struct mark end = temporary_end(core, s);
	struct slice slice;
	enum egress_result result;
	uint64_t room;
	bool at_cut;

	if (place.seq > s->edge)
		return EGRESS_WINDOW;
	room = s->edge - place.seq + 1;
	switch (log_next(&s->stream->log, &place, end, s->records_max,
			 room > LOG_CUT_RECORDS ? LOG_CUT_RECORDS : (uint32_t)room, &slice,
			 &at_cut)) {
	case LOG_READ_NONE:
		return EGRESS_SCANNED; // the live dispatcher is not there yet
	case LOG_READ_TRUNCATED:
		subscription_truncate(core, s);
		return EGRESS_CLOSED;
	case LOG_READ_SLICE:
		break;
	}
	result = send_slice(core, s, slice, temporary->place.pos, false);
	if (result == EGRESS_CLOSED)
		subscription_truncate(core, s);
	if (result != EGRESS_SENT)
		return result;
	COUNT(core, dispatch_taken, slice_count(slice));
	COUNT(core, temporary_bytes, slice_bytes(slice));
	*scan_budget -= *scan_budget < slice_bytes(slice) ? *scan_budget : slice_bytes(slice);
	temporary->place = place;
	return EGRESS_SENT;
}

static enum egress_result whole_repair(struct core *core, struct subscription *s,
				       struct repair *repair, uint32_t *scan_budget)
{
	struct place place = repair->place;
	struct mark end = {repair->last, 0};
	struct slice slice;
	enum egress_result result;
	bool at_cut;

	switch (log_next(&s->stream->log, &place, end, s->records_max, LOG_CUT_RECORDS, &slice,
			 &at_cut)) {
	case LOG_READ_NONE:
		return EGRESS_NOTHING;
	case LOG_READ_TRUNCATED:
		subscription_truncate(core, s);
		return EGRESS_CLOSED;
	case LOG_READ_SLICE:
		break;
	}
	result = send_slice(core, s, slice, repair->place.pos, true);
	if (result == EGRESS_CLOSED)
		subscription_truncate(core, s);
	if (result != EGRESS_SENT)
		return result;
	COUNT(core, dispatch_taken, slice_count(slice));
	*scan_budget -= *scan_budget < slice_bytes(slice) ? *scan_budget : slice_bytes(slice);
	repair->place = place;
	repair->next = place.seq;
	return EGRESS_SENT;
}

// ---- one subscription -------------------------------------------------------------------------

static enum egress_result serve_repair(struct core *core, struct subscription *s,
				       uint32_t *scan_budget)
{
	for (uint32_t i = 0; i < GODWIT_NAK_RANGES; i++) {
		struct repair *repair = &s->repairs[i];
		enum egress_result result;

		if (repair->last == 0)
			continue;
		result = subscription_is_filtered(s) ?
				 egress_filtered_repair(core, s, repair, scan_budget) :
				 whole_repair(core, s, repair, scan_budget);
		if (result == EGRESS_CLOSED)
			return result;
		if (result == EGRESS_NOTHING || repair->next > repair->last) {
			repair->last = 0;
			s->repairs_active--;
		}
		if (result != EGRESS_NOTHING)
			return result;
	}
	return EGRESS_NOTHING;
}

static enum egress_result serve_temporary(struct core *core, struct subscription *s,
					  uint32_t *scan_budget)
{
	struct temporary *temporary = &s->temporary;

	temporary_try_join(core, s);
	if (temporary->place.seq == temporary->stop.seq + 1) {
		temporary_retire(core, s);
		return EGRESS_SCANNED; // the ring, or the log from D on, is next
	}
	if (*scan_budget == 0)
		return EGRESS_SCANNED;
	return subscription_is_filtered(s) ? egress_filtered_temporary(core, s, scan_budget) :
					     whole_temporary(core, s, scan_budget);
}

static enum egress_result serve(struct core *core, struct subscription *s, uint32_t *scan_budget)
{
	enum egress_result result;

	if (s->repairs_active > 0) {
		result = serve_repair(core, s, scan_budget);
		if (result != EGRESS_NOTHING)
			return result;
	}
	if (s->temporary.active)
		return serve_temporary(core, s, scan_budget);
	result = subscription_is_filtered(s) ? egress_filtered_ring(core, s) : whole_ring(core, s);
	if (result != EGRESS_NOTHING || s->state != SUBSCRIPTION_LAGGING)
		return result;
	// Drained: the log from D on.
	if (!temporary_spawn(core, s, s->dropped_at)) {
		subscription_truncate(core, s);
		return EGRESS_CLOSED;
	}
	return EGRESS_SCANNED;
}

// ---- the stage --------------------------------------------------------------------------------

// Fetch what serving the next one looks at, and the one behind it, whose lines are not here yet: with
// many clients each is a miss.
static void fetch_ahead(const struct core *core, const struct ready *ready)
{
	const struct subscription *next, *second;
	const struct client *client;

	if (ready->head == NONE)
		return;
	next = &core->subscriptions[ready->head];
	client = &core->clients[next->client];
	__builtin_prefetch(client);
	__builtin_prefetch((const uint8_t *)client + CACHE_LINE);
	__builtin_prefetch((const uint8_t *)client + 2 * CACHE_LINE);
	if (next->ready_next == NONE)
		return;
	second = &core->subscriptions[next->ready_next];
	__builtin_prefetch(second);
	__builtin_prefetch((const uint8_t *)second + CACHE_LINE);
	__builtin_prefetch((const uint8_t *)second + 2 * CACHE_LINE);
	__builtin_prefetch(&second->ring.slots);
	__builtin_prefetch(&second->ring.head);
	__builtin_prefetch(&second->ring.tail);
}

// Whether a live subscription has nothing left: one look instead of serving it for nothing.
static bool is_drained(const struct subscription *s)
{
	return s->repairs_active == 0 && !s->temporary.active && !s->coverage_due &&
	       s->state == SUBSCRIPTION_LIVE && client_ring_count(&s->ring) == 0;
}

// Serve those that are on the list now, each up to `packets` and its share of the scan, while budgets
// last: who is not reached is the first of the next turn.
static uint32_t serve_list(struct core *core, struct ready *ready, uint32_t packets,
			   uint32_t *packet_budget, uint32_t *scan_budget)
{
	uint32_t shares = ready->count < SCAN_SHARES ? ready->count : SCAN_SHARES;
	uint32_t share = shares > 0 ? core->config.temporary_budget / shares + 1 : 0;
	uint32_t busy = 0; // packets, and looks that will go on next turn

	for (uint32_t n = ready->count; n > 0 && *packet_budget > 0 && !core->tx_is_full; n--) {
		enum egress_result result = EGRESS_SENT;
		struct subscription *s;
		uint32_t scan, left, cost;

		if (*scan_budget == 0 && ready == &core->ready_replay)
			return busy + 1;
		scan = left = *scan_budget < share ? *scan_budget : share;
		s = ready_pop(core, ready);
		fetch_ahead(core, ready);
		if (s->state == SUBSCRIPTION_FREE)
			continue;
		for (uint32_t k = 0; k<packets && * packet_budget> 0 && result == EGRESS_SENT;
		     k++) {
			result = serve(core, s, &left);
			if (result == EGRESS_SENT) {
				busy++;
				--*packet_budget;
				if (is_drained(s))
					result = EGRESS_NOTHING;
			}
		}
		cost = scan - left;
		if (ready == &core->ready_replay && cost < LOOK_COST)
			cost = LOOK_COST;
		*scan_budget -= *scan_budget < cost ? *scan_budget : cost;
		if (result == EGRESS_SENT || result == EGRESS_FULL || result == EGRESS_SCANNED) {
			subscription_ready(core, s);
			busy++;
		}
		// Its heartbeat tries again, less and less often.
		if (result == EGRESS_ROUTE && !core->clients[s->client].tail_pending)
			client_sent_data(core, &core->clients[s->client]);
	}
	return busy;
}

uint32_t egress_burst(struct core *core)
{
	uint32_t packets = core->config.egress_budget;
	uint32_t scan = core->config.temporary_budget;
	uint32_t busy;

	busy = serve_list(core, &core->ready_live, LIVE_PACKETS, &packets, &scan);
	busy += serve_list(core, &core->ready_replay, REPLAY_PACKETS, &packets, &scan);
	if (core->tx_is_full)
		COUNT(core, tx_full, 1);
	return busy;
}
