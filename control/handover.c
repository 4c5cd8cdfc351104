// SPDX-License-Identifier: BSD-3-Clause
//
// The home's side of a move: another server is asked to take a cursor, and asked again until it answers.
// The home serves until it knows that the client is there. And the answer of a server that is asked.
#include "control/migration_inside.h"

static void frame_begin(struct godwit_from_server *from, uint8_t type)
{
	*from = (struct godwit_from_server){
		.frame = {.version = GODWIT_VERSION, .type = type},
	};
}

// ---- the home ----------------------------------------------------------------------------------

static void handover_send(struct migration *m, struct move *move, uint64_t now_ns)
{
	struct godwit_handover frame = {
		.reason = godwit_be16(move->reason),
		.request = godwit_be32(move->request),
	};

	frame_begin(&frame.from, GODWIT_HANDOVER);
	cursor_encode(&move->cursor, &frame.cursor);
	move->due_ns = now_ns + HANDOVER_NS;
	if (m->ops.post(m->ops.arg, move->peer, &frame, sizeof(frame)))
		move->tries++;
}

// MIGRATE to the client; to nobody: no more of it.
static void ask_client(struct migration *m, struct move *move, uint32_t peer)
{
	struct core_command command = {
		.client = move->cursor.key.client,
		.session = move->cursor.key.session,
		.subscription = move->cursor.key.subscription,
		.instance = move->cursor.instance,
		.tag = move->cursor.tag,
		.connection = move->cursor.connection,
		.address = move->cursor.address,
		.cursor_epoch = move->cursor.cursor_epoch,
		.target = peer != MIGRATION_NOBODY ? m->view.peers[peer].id : 0,
		.reason = move->reason,
	};

	// Where there is no room, the HANDOVER does without.
	if (move->asks_client)
		m->ops.command(m->ops.arg, move->cursor.core, CORE_COMMAND_MIGRATE, &command);
}

// Who is to take it: of the servers that are up and take cursors, not tried yet, and hold what it needs.
static uint32_t choose(const struct migration *m, const struct move *move, uint32_t prefer)
{
	const struct migration_stream *stream = stream_of(m, move->key.session);
	struct rendezvous_server servers[SERVER_PEERS_MAX];
	uint32_t index[SERVER_PEERS_MAX] = {0}, count = 0, picked;

	for (uint32_t i = 0; stream != NULL && i < m->view.peers_count; i++) {
		const struct migration_peer *peer = &m->view.peers[i];

		if (!peer_takes_cursors(peer) || (move->tried >> i & 1) != 0 ||
		    !log_serves(&stream->peers[i], &move->cursor))
			continue;
		if (i == prefer)
			return i;
		if (move->reason == GODWIT_MIGRATION_FEED &&
		    stream->peers[i].feed_age_ms > m->config.detect_ns / 1000000)
			continue;
		index[count] = i;
		servers[count++] = (struct rendezvous_server){peer->id, peer->weight};
	}
	picked = rendezvous_pick(cursor_key_hash(&move->cursor.key, 0), servers, count);
	return picked != RENDEZVOUS_NONE ? index[picked] : MIGRATION_NOBODY;
}

static bool ask(struct migration *m, struct move *move, uint32_t prefer, uint64_t now_ns)
{
	uint32_t peer = choose(m, move, prefer);

	if (peer == MIGRATION_NOBODY)
		return false;
	move->peer = peer;
	move->tried |= 1u << peer;
	move->tries = 0;
	move->request = ++m->request;
	move->state = MOVE_ASKED;
	handover_send(m, move, now_ns);
	ask_client(m, move, peer);
	return true;
}

bool handover_begin(struct migration *m, const struct cursor *cursor, uint16_t reason,
		    uint32_t prefer, uint64_t now_ns)
{
	struct move probe = {
		.cursor = *cursor, .key.session = cursor->key.session, .reason = reason};
	struct move *move;

	// Who was asked in vain the last times comes after all others.
	if (prefer == MIGRATION_NOBODY)
		probe.tried = *tried_of(m, &cursor->key);
	if (choose(m, &probe, prefer) == MIGRATION_NOBODY) {
		probe.tried = 0;
		if (choose(m, &probe, prefer) == MIGRATION_NOBODY)
			return false;
	}
	move = move_add(m, cursor, reason, now_ns);
	if (move == NULL)
		return false;
	move->giving = true;
	move->tried = probe.tried;
	move->asks_client = reason == GODWIT_MIGRATION_DRAIN || reason == GODWIT_MIGRATION_FEED;
	m->giving_count++;
	MCOUNT(m, handovers);
	return ask(m, move, prefer, now_ns);
}

// It stays here.
static void stays(struct migration *m, struct move *move, enum migration_outcome outcome,
		  uint64_t now_ns)
{
	ask_client(m, move, MIGRATION_NOBODY);
	if (move->reason == GODWIT_MIGRATION_DRAIN && outcome != MIGRATION_WITHDRAWN &&
	    outcome != MIGRATION_ENDED)
		m->stuck++;
	move_end(m, move, outcome, m->config.server, now_ns);
}

void handover_look(struct migration *m, struct move *move, uint64_t now_ns)
{
	if (now_ns >= move->until_ns && move->has_left) {
		MCOUNT(m, ended);
		stays(m, move, MIGRATION_ENDED, now_ns);
		return;
	}
	if (now_ns >= move->until_ns) {
		MCOUNT(m, expired);
		stays(m, move, MIGRATION_EXPIRED, now_ns);
		return;
	}
	if (!m->view.peers[move->peer].is_up && !ask(m, move, MIGRATION_NOBODY, now_ns)) {
		stays(m, move, MIGRATION_REFUSED, now_ns);
		return;
	}
	handover_send(m, move, now_ns);
}

static void gone(struct migration *m, struct move *move, uint16_t to, uint64_t epoch,
		 uint64_t now_ns)
{
	send_drop(m, &move->cursor, epoch);
	MCOUNT(m, handed);
	if (move->reason == GODWIT_MIGRATION_DRAIN)
		m->drained++;
	move_end(m, move, MIGRATION_MOVED, to, now_ns);
}

void handover_entry(struct migration *m, struct move *move, const struct cursor *held,
		    uint64_t now_ns)
{
	if (held->home != m->config.server)
		gone(m, move, held->home, held->cursor_epoch, now_ns);
	else
		stays(m, move, MIGRATION_WITHDRAWN, now_ns); // it came to us anew: another epoch
}

void handover_ended(struct migration *m, struct move *move, const struct cursor *held,
		    uint64_t now_ns)
{
	// A client that is silent here may be heard there: that is why it was to go.
	if (!cursor_is_tombstone(held) && move->reason == GODWIT_MIGRATION_LINK)
		return;
	// The client itself may have said that it has a newer home, before that or our target did.
	if (!cursor_is_tombstone(held)) {
		if (!move->has_left && move->until_ns > now_ns + HANDOVER_LEFT_NS)
			move->until_ns = now_ns + HANDOVER_LEFT_NS;
		move->has_left = true;
		move->due_ns = move->until_ns;
		return;
	}
	MCOUNT(m, ended);
	stays(m, move, MIGRATION_ENDED, now_ns);
}

void handover_withdraw(struct migration *m, struct move *move, uint64_t now_ns)
{
	MCOUNT(m, withdrawn);
	stays(m, move, MIGRATION_WITHDRAWN, now_ns);
}

void handover_confirmed(struct migration *m, uint32_t peer,
			const struct godwit_handover_confirm *frame, uint64_t now_ns)
{
	struct cursor_key key = {
		.client = godwit_get64(frame->client),
		.session = godwit_get64(frame->session),
		.subscription = godwit_get32(frame->subscription),
	};
	struct move *move = move_find(m, &key);

	if (move == NULL || !move->giving || move->peer != peer ||
	    move->request != godwit_get32(frame->request)) {
		MCOUNT(m, frames_odd); // late, or twice
		return;
	}
	if (godwit_get16(frame->code) == GODWIT_OK &&
	    godwit_get64(frame->cursor_epoch) > move->cursor.cursor_epoch) {
		gone(m, move, m->view.peers[peer].id, godwit_get64(frame->cursor_epoch), now_ns);
		return;
	}
	// Its tombstone was there before it is here.
	if (godwit_get16(frame->code) == GODWIT_UNSUBSCRIBED) {
		MCOUNT(m, ended);
		stays(m, move, MIGRATION_ENDED, now_ns);
		return;
	}
	MCOUNT(m, handover_refused);
	if (move->has_left)
		return; // nobody else is asked
	if (!ask(m, move, MIGRATION_NOBODY, now_ns))
		stays(m, move, MIGRATION_REFUSED, now_ns);
}

// ---- who is asked ------------------------------------------------------------------------------

void handover_confirm(struct migration *m, uint32_t peer, const struct cursor *cursor,
		      uint32_t request, uint64_t epoch, enum godwit_code code)
{
	struct godwit_handover_confirm frame = {
		.client = godwit_be64(cursor->key.client),
		.session = godwit_be64(cursor->key.session),
		.cursor_epoch = godwit_be64(epoch),
		.subscription = godwit_be32(cursor->key.subscription),
		.request = godwit_be32(request),
		.code = godwit_be16((uint16_t)code),
	};

	frame_begin(&frame.from, GODWIT_HANDOVER_CONFIRM);
	// Lost where there is no room: the home asks again.
	m->ops.post(m->ops.arg, peer, &frame, sizeof(frame));
}

void handover_asked(struct migration *m, uint32_t peer, const struct godwit_handover *frame,
		    uint64_t now_ns)
{
	uint32_t request = godwit_get32(frame->request);
	struct cursor asked, held;
	struct move *move;
	enum godwit_code code = GODWIT_OK;

	cursor_decode(&frame->cursor, &asked);
	if (asked.home != m->view.peers[peer].id) {
		MCOUNT(m, frames_odd);
		return;
	}
	// What the home says of its cursor may be newer than its feed.
	migration_entry(m, &asked, now_ns);
	if (!cursor_table_find(m->table, &asked.key, &held))
		code = GODWIT_LIMIT;
	else if (held.cursor_epoch > asked.cursor_epoch) {
		bool is_here = held.home == m->config.server;

		if (is_here)
			arrivals_asked(m, &asked.key, asked.cursor_epoch, asked.home,
				       godwit_get16(frame->reason));
		handover_confirm(m, peer, &asked, request, held.cursor_epoch,
				 is_here ? GODWIT_OK : GODWIT_REPLACED);
		return;
	}
	if (code == GODWIT_OK && cursor_is_tombstone(&held))
		code = GODWIT_UNSUBSCRIBED;
	move = move_find(m, &asked.key);
	if (code == GODWIT_OK && move != NULL && !move->giving) {
		move->peer = peer; // it is under way: who asked last hears of it
		move->request = request;
		return;
	}
	if (code == GODWIT_OK && (m->is_draining || move != NULL))
		code = GODWIT_BUSY;
	if (code == GODWIT_OK && !may_take(m, &asked))
		code = GODWIT_BEHIND;
	if (code == GODWIT_OK) {
		offer_begin(m, &asked, godwit_get16(frame->reason), peer, request, now_ns);
		return;
	}
	MCOUNT(m, asked_refused);
	handover_confirm(m, peer, &asked, request, 0, code);
}
