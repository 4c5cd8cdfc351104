// SPDX-License-Identifier: BSD-3-Clause
//
// The taker's side of a move: a home is offered to a client through a core, until the client is here, has
// said that it keeps its home, or is elsewhere. An epoch that was offered is in no table before that.
#include "control/migration_inside.h"

static void offer_send(struct migration *m, struct move *move, uint64_t now_ns)
{
	struct core_command command = {
		.client = move->cursor.key.client,
		.instance = move->cursor.instance,
		.tag = move->cursor.tag,
		.connection = move->cursor.connection,
		.cursor_epoch = move->epoch,
		.subscription = move->cursor.key.subscription,
		.address = move->cursor.address,
		.by_home = move->by_home,
		.reason = move->reason,
	};

	if (!take_token(m, now_ns) ||
	    !m->ops.command(m->ops.arg, move->core, CORE_COMMAND_OFFER, &command)) {
		move->state = MOVE_WAITING;
		move->due_ns = now_ns; // the next look
		return;
	}
	move->state = MOVE_OFFERED;
	move->due_ns = move->until_ns;
}

static void begin(struct migration *m, struct move *move, uint32_t core, uint64_t now_ns)
{
	move->epoch = cursor_epoch_after(move->cursor.cursor_epoch, m->config.server);
	move->core = core;
	MCOUNT(m, offers);
	offer_send(m, move, now_ns);
}

struct move *offer_begin(struct migration *m, const struct cursor *cursor, uint16_t reason,
			 uint32_t asked_by, uint32_t request, uint64_t now_ns)
{
	struct move *move = move_add(m, cursor, reason, now_ns);

	if (move == NULL) {
		if (asked_by != MIGRATION_NOBODY)
			handover_confirm(m, asked_by, cursor, request, 0, GODWIT_LIMIT);
		return NULL;
	}
	move->by_home = asked_by != MIGRATION_NOBODY;
	move->peer = asked_by;
	move->request = request;
	begin(m, move, m->ops.core_of(m->ops.arg, cursor->key.client, 0), now_ns);
	return move;
}

struct move *offer_within(struct migration *m, const struct cursor *cursor, uint32_t core,
			  uint64_t now_ns)
{
	struct move *move = move_add(m, cursor, GODWIT_MIGRATION_CORE, now_ns);

	if (move == NULL)
		return NULL;
	move->by_home = true;
	begin(m, move, core, now_ns);
	return move;
}

// Over without the client: whoever asked is told why.
static void give_up(struct migration *m, struct move *move, enum migration_outcome outcome,
		    uint16_t to, enum godwit_code code, uint64_t now_ns)
{
	if (move->peer != MIGRATION_NOBODY)
		handover_confirm(m, move->peer, &move->cursor, move->request, 0, code);
	move_end(m, move, outcome, to, now_ns);
}

// The core offers it no more. Where it has no room for that, the offer runs out by itself.
static void take_back(struct migration *m, const struct move *move)
{
	struct core_command command = {
		.client = move->cursor.key.client,
		.subscription = move->cursor.key.subscription,
		.cursor_epoch = 0,
	};

	if (move->state != MOVE_WAITING)
		m->ops.command(m->ops.arg, move->core, CORE_COMMAND_OFFER, &command);
}

void offer_look(struct migration *m, struct move *move, uint64_t now_ns)
{
	if (now_ns >= move->until_ns) {
		MCOUNT(m, expired);
		give_up(m, move, MIGRATION_EXPIRED, move->cursor.home, GODWIT_LAPSED, now_ns);
		return;
	}
	if (move->state == MOVE_WAITING)
		offer_send(m, move, now_ns);
}

void offer_entry(struct migration *m, struct move *move, const struct cursor *held, uint64_t now_ns)
{
	if (held->home != m->config.server) {
		MCOUNT(m, elsewhere);
		take_back(m, move);
		give_up(m, move, MIGRATION_ELSEWHERE, held->home, GODWIT_REPLACED, now_ns);
		return;
	}
	// Within this server it came anew to the core that it was to leave.
	if (move->reason == GODWIT_MIGRATION_CORE && held->core == move->cursor.core) {
		MCOUNT(m, withdrawn);
		take_back(m, move);
		move_end(m, move, MIGRATION_WITHDRAWN, m->config.server, now_ns);
		return;
	}
	// By the offer, or by a RESUME of its own: it is here.
	MCOUNT(m, taken);
	if (move->peer != MIGRATION_NOBODY)
		handover_confirm(m, move->peer, &move->cursor, move->request, held->cursor_epoch,
				 GODWIT_OK);
	move_end(m, move, MIGRATION_MOVED, m->config.server, now_ns);
}

void offer_ended(struct migration *m, struct move *move, const struct cursor *held, uint64_t now_ns)
{
	// Where its home serves it no more, the client may be glad of another one.
	if (!cursor_is_tombstone(held))
		return;
	MCOUNT(m, ended);
	take_back(m, move);
	give_up(m, move, MIGRATION_ENDED, move->cursor.home, GODWIT_UNSUBSCRIBED, now_ns);
}

// The client has a higher epoch than was offered. It is offered again above that, unless a living server
// made it: then that is its home.
static bool offer_higher(struct migration *m, struct move *move, uint64_t epoch, uint64_t now_ns)
{
	uint32_t maker = peer_by_id(m, cursor_epoch_server(epoch));

	if (epoch < move->epoch || move->tries >= OFFER_RETRIES ||
	    (maker != MIGRATION_NOBODY && m->view.peers[maker].is_up &&
	     m->view.peers[maker].id != move->cursor.home))
		return false;
	move->tries++;
	move->epoch = cursor_epoch_after(epoch, m->config.server);
	offer_send(m, move, now_ns);
	return true;
}

static void refused(struct migration *m, struct move *move, enum godwit_code code, uint64_t now_ns)
{
	switch (code) {
	case GODWIT_REPLACED: // it is here, and its entry is on the way
		break;
	case GODWIT_LIMIT:
		move->state = MOVE_WAITING;
		move->due_ns = now_ns + WAIT_NS;
		break;
	default: // a newer process of the client, or we stop
		give_up(m, move, MIGRATION_REFUSED, move->cursor.home, code, now_ns);
		break;
	}
}

void offer_notice(struct migration *m, enum core_notice_kind kind, const struct core_notice *notice,
		  uint64_t now_ns)
{
	// A notice names no session: of one subscription number a client has one cursor at a time.
	for (uint32_t i = cursor_table_client_first(m->table, notice->client); i != 0;
	     i = cursor_table_client_next(m->table, i)) {
		struct cursor cursor;
		struct move *move;

		cursor_table_at(m->table, i, &cursor);
		if (cursor.key.subscription != notice->subscription)
			continue;
		move = move_find(m, &cursor.key);
		if (move == NULL || move->giving || move->state == MOVE_WAITING)
			continue;
		if (kind == CORE_NOTICE_OFFER_HELD) {
			MCOUNT(m, held);
			move->state = MOVE_HELD;
			move->until_ns = move->due_ns = now_ns + m->config.lapse_ns;
		} else if (kind == CORE_NOTICE_OFFER_REFUSED) {
			if (notice->cursor_epoch == move->epoch)
				refused(m, move, notice->code, now_ns);
		} else if (!offer_higher(m, move, notice->cursor_epoch, now_ns)) {
			MCOUNT(m, kept);
			give_up(m, move, MIGRATION_KEPT, move->cursor.home, GODWIT_NOT_ALLOWED,
				now_ns);
		}
		return;
	}
}

void offers_withdraw(struct migration *m, uint16_t home, uint64_t now_ns)
{
	struct move *move, *next;

	HASH_ITER(hh, m->moves, move, next) {
		if (move->giving || move->cursor.home != home ||
		    move->reason != GODWIT_MIGRATION_DEATH)
			continue;
		take_back(m, move);
		MCOUNT(m, withdrawn);
		move_end(m, move, MIGRATION_WITHDRAWN, home, now_ns);
	}
}
