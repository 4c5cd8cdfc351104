// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <stdlib.h>

#include "control/migration_inside.h"

struct migration *migration_create(const struct migration_config *config,
				   struct cursor_table *table, const struct migration_ops *ops)
{
	struct migration *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return NULL;
	m->recent = calloc(RECENT_SLOTS, sizeof(*m->recent));
	if (m->recent == NULL) {
		free(m);
		errno = ENOMEM;
		return NULL;
	}
	m->config = *config;
	m->table = table;
	m->ops = *ops;
	m->random = config->random;
	return m;
}

void migration_destroy(struct migration *m)
{
	struct move *move, *next_move;
	struct suspect *suspect, *next_suspect;

	if (m == NULL)
		return;
	// The tables go first; their entries stay linked.
	move = m->moves;
	HASH_CLEAR(hh, m->moves);
	for (; move != NULL; move = next_move) {
		next_move = move->hh.next;
		free(move);
	}
	suspect = m->suspects;
	HASH_CLEAR(hh, m->suspects);
	for (; suspect != NULL; suspect = next_suspect) {
		next_suspect = suspect->hh.next;
		free(suspect);
	}
	free(m->recent);
	free(m);
}

struct migration_view *migration_view(struct migration *m)
{
	return &m->view;
}

uint64_t migration_random(struct migration *m) // splitmix64
{
	uint64_t z = m->random += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

// ---- what is known -----------------------------------------------------------------------------

uint32_t peer_by_id(const struct migration *m, uint16_t id)
{
	for (uint32_t i = 0; i < m->view.peers_count; i++)
		if (m->view.peers[i].id == id)
			return i;
	return MIGRATION_NOBODY;
}

const struct migration_stream *stream_of(const struct migration *m, uint64_t session)
{
	for (uint32_t i = 0; i < m->view.streams_count; i++)
		if (m->view.streams[i].own.session == session)
			return &m->view.streams[i];
	return NULL;
}

bool log_serves(const struct migration_log *log, const struct cursor *cursor)
{
	return log->session == cursor->key.session && log->earliest <= cursor->seq + 1 &&
	       log->end >= cursor->seq;
}

static uint32_t fed_ms(const struct migration *m)
{
	return (uint32_t)(m->config.detect_ns / 1000000);
}

bool feed_is_elsewhere(const struct migration *m, const struct migration_stream *stream)
{
	for (uint32_t i = 0; i < m->view.peers_count; i++)
		if (m->view.peers[i].is_up && stream->peers[i].session == stream->own.session &&
		    stream->peers[i].feed_age_ms <= fed_ms(m))
			return true;
	return false;
}

bool feed_is_lost(const struct migration *m, const struct migration_stream *stream)
{
	// Where nobody has it the primary is gone, and what is committed is still served.
	return stream->own.feed_age_ms > fed_ms(m) && feed_is_elsewhere(m, stream);
}

static bool is_isolated(const struct migration *m)
{
	uint32_t up = 0;

	for (uint32_t i = 0; i < m->view.peers_count; i++)
		up += m->view.peers[i].is_up;
	return m->view.peers_count >= 2 && up * 2 < m->view.peers_count;
}

bool may_take(struct migration *m, const struct cursor *cursor)
{
	const struct migration_stream *stream = stream_of(m, cursor->key.session);

	if (is_isolated(m)) {
		MCOUNT(m, isolated);
		return false;
	}
	return stream != NULL && log_serves(&stream->own, cursor) && !feed_is_lost(m, stream);
}

static struct recent *recent_of(struct migration *m, const struct cursor_key *key, uint32_t *hash)
{
	uint64_t h = cursor_key_hash(key, 1);

	*hash = (uint32_t)(h >> 32);
	return &m->recent[h % RECENT_SLOTS];
}

bool moved_lately(struct migration *m, const struct cursor_key *key, uint64_t now_ns)
{
	uint32_t hash;
	struct recent *recent = recent_of(m, key, &hash);

	return recent->hash == hash && recent->at_ms != 0 &&
	       (uint32_t)(now_ns / 1000000) - recent->at_ms < MIGRATION_PAUSE_NS / 1000000;
}

static void note_move(struct migration *m, const struct cursor_key *key, uint64_t now_ns)
{
	uint32_t hash;
	struct recent *recent = recent_of(m, key, &hash);

	*recent = (struct recent){hash, (uint32_t)(now_ns / 1000000) | 1};
}

uint16_t *tried_of(struct migration *m, const struct cursor_key *key)
{
	static_assert(SERVER_PEERS_MAX <= 16, "a bit each in 16");

	return &m->tried[cursor_key_hash(key, 1) % TRIED_SLOTS];
}

bool take_token(struct migration *m, uint64_t now_ns)
{
	uint64_t now_ms = now_ns / 1000000;

	if (now_ms != m->tokens_ms) {
		m->tokens_ms = now_ms;
		m->tokens = m->config.offers_ms;
	}
	if (m->tokens == 0)
		return false;
	m->tokens--;
	return true;
}

// ---- moves -------------------------------------------------------------------------------------

static struct move_key key_of(const struct cursor_key *key)
{
	return (struct move_key){key->client, key->session, key->subscription};
}

struct move *move_find(struct migration *m, const struct cursor_key *key)
{
	struct move_key k = key_of(key);
	struct move *move;

	HASH_FIND(hh, m->moves, &k, sizeof(k), move);
	return move;
}

struct move *move_add(struct migration *m, const struct cursor *cursor, uint16_t reason,
		      uint64_t now_ns)
{
	struct move *move = m->moves_count < m->config.moves_max ? calloc(1, sizeof(*move)) : NULL;

	if (move != NULL) {
		move->key = key_of(&cursor->key);
		move->cursor = *cursor;
		move->reason = reason;
		move->peer = MIGRATION_NOBODY;
		move->detected_ns = now_ns;
		move->due_ns = now_ns;
		move->until_ns = now_ns + m->config.lapse_ns;
		HASH_ADD(hh, m->moves, key, sizeof(move->key), move);
		if (move->hh.tbl == NULL) { // how uthash tells that it had no memory
			free(move);
			move = NULL;
		}
	}
	if (move == NULL)
		MCOUNT(m, full);
	else
		m->moves_count++;
	return move;
}

void move_end(struct migration *m, struct move *move, enum migration_outcome outcome, uint16_t to,
	      uint64_t now_ns)
{
	record_add(m, move, outcome, to, now_ns);
	if (m->looked == move)
		m->looked = move->hh.next;
	if (move->giving)
		*tried_of(m, &move->cursor.key) =
			outcome == MIGRATION_EXPIRED ? (uint16_t)move->tried : 0;
	m->giving_count -= move->giving;
	if (move->is_rebalanced)
		core_move_ended(m, outcome);
	m->moves_count--;
	HASH_DEL(m->moves, move);
	free(move);
}

static void moves_step(struct migration *m, uint64_t now_ns)
{
	uint32_t left = m->moves_count < MOVES_LOOKED ? m->moves_count : MOVES_LOOKED;

	while (left-- > 0 && m->moves != NULL) {
		struct move *move = m->looked != NULL ? m->looked : m->moves;

		m->looked = move->hh.next;
		if (now_ns < move->due_ns && now_ns < move->until_ns)
			continue;
		if (move->giving)
			handover_look(m, move, now_ns);
		else
			offer_look(m, move, now_ns);
	}
}

// ---- what comes in -----------------------------------------------------------------------------

bool send_drop(struct migration *m, const struct cursor *cursor, uint64_t epoch)
{
	struct core_command command = {
		.client = cursor->key.client,
		.subscription = cursor->key.subscription,
		.cursor_epoch = epoch,
	};

	if (!m->ops.command(m->ops.arg, cursor->core, CORE_COMMAND_DROP, &command))
		return false;
	MCOUNT(m, dropped);
	return true;
}

// A server, and a core of it.
static bool is_same_place(const struct cursor *a, const struct cursor *b)
{
	return a->home == b->home && a->core == b->core;
}

void migration_entry(struct migration *m, const struct cursor *entry, uint64_t now_ns)
{
	struct cursor before, held;
	bool was_known = cursor_table_find(m->table, &entry->key, &before);
	enum cursor_verdict verdict = cursor_table_merge(m->table, entry, now_ns);
	uint16_t self = m->config.server;
	struct move *move;

	if (verdict == CURSOR_MOVED && was_known && !is_same_place(&before, entry))
		note_move(m, &entry->key, now_ns);
	if (!cursor_table_find(m->table, &entry->key, &held))
		return;
	// Whoever holds less than the highest epoch serves no more. A mailbox that is full now is no loss:
	// the client tells the core the same by its next ACK.
	if (was_known && before.home == self && !is_same_place(&before, &held) &&
	    held.cursor_epoch > before.cursor_epoch)
		send_drop(m, &before, held.cursor_epoch);
	if (entry->home == self && !is_same_place(entry, &held) &&
	    held.cursor_epoch > entry->cursor_epoch)
		send_drop(m, entry, held.cursor_epoch);
	move = move_find(m, &entry->key);
	if (move == NULL)
		return;
	if (held.cursor_epoch > move->cursor.cursor_epoch) {
		if (move->giving)
			handover_entry(m, move, &held, now_ns);
		else
			offer_entry(m, move, &held, now_ns);
	} else if (held.flags != 0) {
		if (move->giving)
			handover_ended(m, move, &held, now_ns);
		else
			offer_ended(m, move, &held, now_ns);
	}
}

void migration_notice(struct migration *m, enum core_notice_kind kind,
		      const struct core_notice *notice, uint64_t now_ns)
{
	switch (kind) {
	case CORE_NOTICE_OFFER_KEPT:
	case CORE_NOTICE_OFFER_HELD:
	case CORE_NOTICE_OFFER_REFUSED:
		offer_notice(m, kind, notice, now_ns);
		break;
	case CORE_NOTICE_CLIENT_SUSPECT:
	case CORE_NOTICE_CLIENT_BACK:
	case CORE_NOTICE_PROBE_REPLY:
		suspects_notice(m, kind, notice, now_ns);
		break;
	case CORE_NOTICE_ARRIVED:
	case CORE_NOTICE_SERVED:
		arrivals_notice(m, kind, notice);
		break;
	default:
		break;
	}
}

void migration_frame(struct migration *m, uint32_t peer, const void *frame, uint64_t now_ns)
{
	if (peer >= m->view.peers_count) {
		MCOUNT(m, frames_odd);
		return;
	}
	switch (((const struct godwit_frame *)frame)->type) {
	case GODWIT_HANDOVER:
		handover_asked(m, peer, frame, now_ns);
		break;
	case GODWIT_HANDOVER_CONFIRM:
		handover_confirmed(m, peer, frame, now_ns);
		break;
	case GODWIT_PROBE_FOR:
	case GODWIT_PROBE_RESULT:
		suspects_frame(m, peer, frame, now_ns);
		break;
	default:
		MCOUNT(m, frames_odd);
		break;
	}
}

void migration_step(struct migration *m, uint64_t now_ns)
{
	moves_step(m, now_ns);
	orphans_step(m, now_ns);
	suspects_step(m, now_ns);
	drain_step(m, now_ns);
	cores_step(m, now_ns);
}

// ---- for people --------------------------------------------------------------------------------

uint64_t migration_counter(const struct migration *m, enum migration_counter which)
{
	return m->counters[which];
}

const char *migration_counter_name(enum migration_counter which)
{
	static const char *const names[] = {
#define X(name, help) #name,
		MIGRATION_COUNTERS(X)
#undef X
	};

	return names[which];
}

uint32_t migration_pending(const struct migration *m)
{
	return m->moves_count;
}

const char *migration_outcome_name(uint32_t outcome)
{
	static const char *const names[] = {"pending", "moved",	  "kept",      "elsewhere",
					    "expired", "refused", "withdrawn", "ended"};

	return outcome < sizeof(names) / sizeof(names[0]) ? names[outcome] : "unknown";
}
