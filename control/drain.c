// SPDX-License-Identifier: BSD-3-Clause
//
// Cursors that are to leave this server though it lives: all of them while it is drained, and those of a
// stream whose feed it lost while another server has it. One walk over its own cursors serves both, again
// and again while there is a reason, so many moves at a time.
#include "control/migration_inside.h"

#define AGAIN_NS 100000000ull // between two walks

static uint16_t reason_to_leave(const struct migration *m, const struct cursor *cursor)
{
	const struct migration_stream *stream = stream_of(m, cursor->key.session);

	if (m->is_draining)
		return GODWIT_MIGRATION_DRAIN;
	return stream != NULL && m->leaves_for_feed[stream - m->view.streams] ?
		       GODWIT_MIGRATION_FEED :
		       0;
}

// Whether a stream's feed is lost here, and has been there for long enough: who has it anew is the primary that
// was started again, and we are about to follow it.
static bool is_to_leave(struct migration *m, uint32_t i, uint64_t now_ns)
{
	const struct migration_stream *stream = &m->view.streams[i];

	if (!feed_is_elsewhere(m, stream))
		m->elsewhere_since_ns[i] = 0;
	else if (m->elsewhere_since_ns[i] == 0)
		m->elsewhere_since_ns[i] = now_ns;
	return stream->own.session != 0 && feed_is_lost(m, stream) &&
	       now_ns - m->elsewhere_since_ns[i] >= m->config.detect_ns;
}

static bool has_reason(struct migration *m, uint64_t now_ns)
{
	bool any = m->is_draining;

	for (uint32_t i = 0; i < m->view.streams_count; i++) {
		bool lost = is_to_leave(m, i, now_ns);

		if (lost && !m->leaves_for_feed[i])
			MCOUNT(m, feed_lost);
		m->leaves_for_feed[i] = lost;
		any |= lost;
	}
	return any;
}

static void consider(struct migration *m, const struct cursor *cursor, uint64_t now_ns)
{
	uint16_t reason = reason_to_leave(m, cursor);

	if (reason == 0 || (cursor->flags & GODWIT_CURSOR_LAPSED) != 0 ||
	    move_find(m, &cursor->key) != NULL || moved_lately(m, &cursor->key, now_ns))
		return;
	handover_begin(m, cursor, reason, MIGRATION_NOBODY, now_ns);
}

void drain_step(struct migration *m, uint64_t now_ns)
{
	struct cursor cursors[PAGE];
	uint32_t count;

	if (!has_reason(m, now_ns) || now_ns < m->away_next_ns ||
	    m->giving_count + PAGE > HANDOVERS_MAX)
		return;
	m->away.home = m->config.server;
	count = cursor_table_page(m->table, &m->away, cursors, PAGE, PAGE_SLOTS);
	for (uint32_t i = 0; i < count; i++)
		consider(m, &cursors[i], now_ns);
	if (m->away.next == 0)
		m->away_next_ns = now_ns + AGAIN_NS;
}

// Whether another server would serve the clients of a stream of ours.
static bool is_held_elsewhere(const struct migration *m, const struct migration_stream *stream)
{
	for (uint32_t i = 0; i < m->view.peers_count; i++)
		if (peer_takes_cursors(&m->view.peers[i]) &&
		    stream->peers[i].session == stream->own.session)
			return true;
	return false;
}

enum godwit_code migration_drain(struct migration *m, uint64_t now_ns, const char **stream)
{
	bool any = false;

	if (stream != NULL)
		*stream = NULL;
	if (m->is_draining)
		return GODWIT_OK;
	for (uint32_t i = 0; i < m->view.peers_count; i++)
		any |= peer_takes_cursors(&m->view.peers[i]);
	if (!any)
		return GODWIT_NOT_ALLOWED;
	for (uint32_t i = 0; i < m->view.streams_count; i++) {
		const struct migration_stream *ours = &m->view.streams[i];

		if (ours->own.session == 0 || is_held_elsewhere(m, ours))
			continue;
		if (stream != NULL)
			*stream = ours->name;
		return GODWIT_UNKNOWN_STREAM;
	}
	m->is_draining = true;
	m->drained = m->stuck = 0;
	m->away = (struct cursor_page){0};
	m->away_next_ns = now_ns;
	return GODWIT_OK;
}

void migration_undrain(struct migration *m, uint64_t now_ns)
{
	struct move *move, *next;

	m->is_draining = false;
	HASH_ITER(hh, m->moves, move, next) {
		if (move->giving && move->reason == GODWIT_MIGRATION_DRAIN)
			handover_withdraw(m, move, now_ns);
	}
}

struct migration_progress migration_drain_progress(const struct migration *m)
{
	return (struct migration_progress){
		.is_active = m->is_draining,
		.left = cursor_table_home_live(m->table, m->config.server),
		.moved = m->drained,
		.stuck = m->stuck,
	};
}
