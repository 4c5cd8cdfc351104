// SPDX-License-Identifier: BSD-3-Clause
//
// A dead server's cursors: each survivor walks those that it knows of and takes its share. Every survivor
// works the share out alone, from what all tell each other of their logs; where two come to different
// results, both offer, the epochs differ, and the client takes one.
//
// Two passes: first whose client was heard of lately, then the rest. A walk is done again a lapse time
// later, ORPHAN_ROUNDS times in all: what nobody could take then is left to its client.
#include "control/migration_inside.h"

#define LATELY_NS    3000000000ull // two entries of a living client lie closer
#define PAGES_A_STEP 4

static void begin(struct orphans *o, uint64_t now_ns)
{
	o->is_active = true;
	o->pass = 0;
	o->page = (struct cursor_page){0};
	o->next_ns = now_ns;
}

// Of all dead servers but one: what was left alone before may be to do now.
static void begin_others(struct migration *m, uint32_t but, uint64_t now_ns)
{
	for (uint32_t i = 0; i < m->view.peers_count; i++) {
		if (i == but || m->orphans[i].died_ns == 0)
			continue;
		m->orphans[i].round = 0;
		begin(&m->orphans[i], now_ns);
	}
}

void migration_dead(struct migration *m, uint32_t peer, uint64_t now_ns)
{
	struct orphans *o = &m->orphans[peer];

	o->round = 0;
	o->died_ns = now_ns;
	o->is_old = !m->view.peers[peer].is_dead;
	begin(o, now_ns);
	// What it was about to take from another dead one is anybody's again.
	begin_others(m, peer, now_ns);
}

void migration_heard(struct migration *m, uint32_t peer, uint64_t now_ns)
{
	struct orphans *o = &m->orphans[peer];

	// With it we may hear enough of the others again.
	begin_others(m, peer, now_ns);
	if (o->is_active && o->is_old)
		return; // what the old incarnation left is still nobody's
	o->is_active = false;
	o->died_ns = 0;
	offers_withdraw(m, m->view.peers[peer].id, now_ns);
}

// The others that can serve it: those that are drained, or those that are not. Returns how many.
static uint32_t takers(const struct migration *m, const struct cursor *cursor, bool drained,
		       struct rendezvous_server *servers)
{
	const struct migration_stream *stream = stream_of(m, cursor->key.session);
	uint32_t count = 0;

	for (uint32_t i = 0; i < m->view.peers_count; i++) {
		const struct migration_peer *peer = &m->view.peers[i];

		if (peer->is_up && peer->is_draining == drained && peer->id != cursor->home &&
		    log_serves(&stream->peers[i], cursor))
			servers[count++] = (struct rendezvous_server){peer->id, peer->weight};
	}
	return count;
}

// Whether rendezvous hashing gives it to this server, among those that can serve it. One that is drained takes
// what nobody else can: better than no home.
static bool is_my_share(const struct migration *m, const struct cursor *cursor)
{
	struct rendezvous_server servers[SERVER_PEERS_MAX + 1];
	uint32_t count;

	servers[0] = (struct rendezvous_server){m->config.server, m->config.weight};
	count = takers(m, cursor, false, &servers[1]);
	if (m->is_draining && count > 0)
		return false;
	if (m->is_draining)
		count = takers(m, cursor, true, &servers[1]);
	return rendezvous_pick(cursor_key_hash(&cursor->key, 0), servers, count + 1) == 0;
}

static void consider(struct migration *m, const struct orphans *o, const struct cursor *cursor,
		     uint64_t now_ns)
{
	bool lately = cursor->client_heard_ns + LATELY_NS >= o->died_ns;
	struct move *move;

	// A lapsed one has no client that waits; what was heard after the death is of the next incarnation.
	if (lately != (o->pass == 0) || (cursor->flags & GODWIT_CURSOR_LAPSED) != 0 ||
	    (o->is_old && cursor->heard_ns > o->died_ns))
		return;
	if (move_find(m, &cursor->key) != NULL || !may_take(m, cursor) || !is_my_share(m, cursor))
		return;
	move = offer_begin(m, cursor, GODWIT_MIGRATION_DEATH, MIGRATION_NOBODY, 0, now_ns);
	if (move != NULL)
		move->detected_ns = o->died_ns;
}

// Whether there is room and a turn for another page of offers.
static bool has_room(struct migration *m, uint64_t now_ns)
{
	if (m->moves_count + PAGE > m->config.moves_max)
		return false;
	return now_ns / 1000000 != m->tokens_ms || m->tokens >= PAGE;
}

static void walk(struct migration *m, uint32_t peer, uint64_t now_ns)
{
	struct orphans *o = &m->orphans[peer];
	struct cursor cursors[PAGE];

	o->page.home = m->view.peers[peer].id;
	for (uint32_t n = 0; n < PAGES_A_STEP && has_room(m, now_ns); n++) {
		uint32_t count = cursor_table_page(m->table, &o->page, cursors, PAGE, PAGE_SLOTS);

		for (uint32_t i = 0; i < count; i++)
			consider(m, o, &cursors[i], now_ns);
		if (o->page.next != 0)
			continue;
		if (o->pass++ == 0)
			continue; // the rest
		o->pass = 0;
		o->next_ns = now_ns + m->config.lapse_ns;
		if (++o->round == ORPHAN_ROUNDS)
			o->is_active = false;
		return;
	}
}

void orphans_step(struct migration *m, uint64_t now_ns)
{
	for (uint32_t i = 0; i < m->view.peers_count; i++)
		if (m->orphans[i].is_active && now_ns >= m->orphans[i].next_ns)
			walk(m, i, now_ns);
}
