// SPDX-License-Identifier: BSD-3-Clause
//
// The records of moves, and what cores tell of cursors that arrived here: from where, with what to be
// replayed, and when the first message went out. A cursor that nobody moved came by its client's own
// RESUME, and gets its record here; of the others the move itself leaves it, before or after the core's word.
#include "control/migration_inside.h"

static_assert((ARRIVALS & (ARRIVALS - 1)) == 0, "a mask");

static struct arrival *slot_of(struct migration *m, const struct cursor_key *key)
{
	return &m->arrivals[cursor_key_hash(key, 2) & (ARRIVALS - 1)];
}

static bool is_of(const struct arrival *a, const struct cursor_key *key, uint64_t cursor_epoch)
{
	return a->cursor_epoch == cursor_epoch && cursor_key_equal(&a->key, key);
}

// The slot of this arrival; another one makes room, and its record is left as it is. again: it is the one before
// under a new epoch, and goes on with its record.
static struct arrival *claim(struct migration *m, const struct cursor_key *key,
			     uint64_t cursor_epoch, bool again)
{
	struct arrival *a = slot_of(m, key);
	uint64_t record = again && cursor_key_equal(&a->key, key) ? a->record : 0;

	if (a->cursor_epoch != 0 && a->first_ns == 0 && !cursor_key_equal(&a->key, key))
		MCOUNT(m, arrivals_crowded);
	if (!is_of(a, key, cursor_epoch))
		*a = (struct arrival){.key = *key, .cursor_epoch = cursor_epoch, .record = record};
	return a;
}

// Its record, if it is still kept.
static struct migration_record *record_of(struct migration *m, const struct arrival *a)
{
	if (a->record == 0 || m->records_count - (a->record - 1) > MIGRATION_RECORDS)
		return NULL;
	return &m->records[(a->record - 1) % MIGRATION_RECORDS];
}

static struct migration_record *record_new(struct migration *m)
{
	struct migration_record *r = &m->records[m->records_count++ % MIGRATION_RECORDS];

	*r = (struct migration_record){0};
	return r;
}

// What is known of the arrival into its record, if there is one.
static void fill(struct migration *m, const struct arrival *a)
{
	struct migration_record *r = record_of(m, a);

	if (r == NULL)
		return;
	if (a->opened_ns != 0) {
		r->replayed = a->commit > a->seq ? a->commit - a->seq : 0;
		r->handover_seq = a->commit + 1;
		// The client was faster than who wanted to move it.
		if (a->opened_ns < r->detected_ns)
			r->detected_ns = a->opened_ns;
	}
	r->first_ns = a->first_ns;
}

// The arrival of a cursor that was to be moved from this epoch on; NULL: none was told of.
static struct arrival *arrival_after(struct migration *m, const struct cursor_key *key,
				     uint64_t cursor_epoch)
{
	struct arrival *a = slot_of(m, key);

	return cursor_key_equal(&a->key, key) && a->cursor_epoch > cursor_epoch ? a : NULL;
}

// It came by its client's own RESUME, as far as was known, and has its record: that gets the reason. False: not so.
static bool amend_reason(struct migration *m, const struct arrival *a, uint16_t from,
			 uint16_t reason)
{
	struct migration_record *r = a != NULL ? record_of(m, a) : NULL;

	if (r == NULL || r->reason != GODWIT_MIGRATION_CLIENT || r->from != from)
		return false;
	r->reason = reason;
	return true;
}

void record_add(struct migration *m, const struct move *move, enum migration_outcome outcome,
		uint16_t to, uint64_t now_ns)
{
	const struct migration_stream *stream = stream_of(m, move->key.session);
	struct arrival *a = NULL;
	struct migration_record *r;
	struct cursor held;

	if (outcome == MIGRATION_MOVED && to == m->config.server)
		a = arrival_after(m, &move->cursor.key, move->cursor.cursor_epoch);
	// The core told of it before anybody asked for it.
	if (amend_reason(m, a, move->cursor.home, move->reason))
		return;
	r = record_new(m);
	r->client = move->key.client;
	r->session = move->key.session;
	r->subscription = (uint32_t)move->key.subscription;
	r->from = move->cursor.home;
	r->to = to;
	r->reason = move->reason;
	r->outcome = (uint16_t)outcome;
	r->detected_ns = move->detected_ns;
	r->ended_ns = now_ns;
	// What is replayed elsewhere is known there: our cursor is up to a second old.
	if (outcome != MIGRATION_MOVED || to != m->config.server)
		return;
	if (stream != NULL && stream->own.commit > move->cursor.seq)
		r->replayed = stream->own.commit - move->cursor.seq;
	r->handover_seq = stream != NULL ? stream->own.commit + 1 : 0;
	// Cores may have told of a later epoch of the same arrival by now.
	if (a == NULL) {
		if (!cursor_table_find(m->table, &move->cursor.key, &held))
			return;
		a = claim(m, &move->cursor.key, held.cursor_epoch, false);
	}
	a->record = m->records_count;
	fill(m, a);
}

static void arrived(struct migration *m, struct arrival *a, uint16_t from)
{
	const struct move *move = move_find(m, &a->key);
	struct migration_record *r;

	if (a->record != 0 || from == m->config.server || (move != NULL && !move->giving)) {
		// A move brought it here or is about to learn of it, or it was here before.
		fill(m, a);
		return;
	}
	MCOUNT(m, arrived);
	r = record_new(m);
	r->client = a->key.client;
	r->session = a->key.session;
	r->subscription = a->key.subscription;
	r->from = from;
	r->to = m->config.server;
	r->reason = GODWIT_MIGRATION_CLIENT;
	r->outcome = MIGRATION_MOVED;
	r->detected_ns = r->ended_ns = a->opened_ns;
	a->record = m->records_count;
	fill(m, a);
}

void arrivals_notice(struct migration *m, enum core_notice_kind kind,
		     const struct core_notice *notice)
{
	const struct cursor_key key = {
		.client = notice->client,
		.session = notice->session,
		.subscription = notice->subscription,
	};
	struct arrival *a = claim(m, &key, notice->cursor_epoch, notice->again);

	if (kind == CORE_NOTICE_SERVED) {
		a->first_ns = notice->at_ns;
		fill(m, a);
		return;
	}
	a->opened_ns = notice->at_ns;
	a->seq = notice->seq;
	a->commit = notice->commit;
	arrived(m, a, notice->from);
}

void arrivals_asked(struct migration *m, const struct cursor_key *key, uint64_t cursor_epoch,
		    uint16_t from, uint16_t reason)
{
	amend_reason(m, arrival_after(m, key, cursor_epoch), from, reason);
}

// ---- for people --------------------------------------------------------------------------------

const struct migration_record *migration_record(const struct migration *m, uint32_t i)
{
	if (i >= m->records_count || i >= MIGRATION_RECORDS)
		return NULL;
	return &m->records[(m->records_count - 1 - i) % MIGRATION_RECORDS];
}
