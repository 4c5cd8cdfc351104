// SPDX-License-Identifier: BSD-3-Clause
//
// Cursors that move between the cores of this server: all of a core that stands still, and, when that is ordered,
// those of which a core has more than its share. Where a client's packets arrive does not matter for it: a frame
// goes to the core that its handle names.
//
// An order is carried out in rounds: what each core gives is planned once, from how many cursors each has then, a
// walk over our own cursors offers so many, and when their moves are over the cores are looked at again:
//
//   plan -> walk, EVENING_MAX moves at a time -> all over -> EVENING_PAUSE_NS -> even: the end
//     ^                                                        | not even, not the last round
//     +---- MIGRATION_PAUSE_NS, where somebody did not move ---+
#include "control/migration_inside.h"

#define PAGE		 32
#define PAGE_SLOTS	 1024
#define EVENING_PAUSE_NS 100000000ull // until the core of before has dropped what moved

static_assert(REBALANCE_CORES_MAX >= SERVER_CORES_MAX, "a plan holds all cores");

// ---- a core that stands still --------------------------------------------------------------------

// The core that offers a client of the lost core a home: any other one; the lost one where there is no other.
static uint32_t core_but(const struct migration *m, uint64_t client, uint32_t lost)
{
	for (uint32_t attempt = 1; attempt <= m->config.cores; attempt++) {
		uint32_t core = m->ops.core_of(m->ops.arg, client, attempt);

		if (core != lost)
			return core;
	}
	return lost;
}

void migration_core_lost(struct migration *m, uint32_t core, uint64_t now_ns)
{
	uint32_t next;

	for (uint32_t i = cursor_table_home_first(m->table, m->config.server); i != 0; i = next) {
		struct cursor cursor;
		uint32_t to;

		next = cursor_table_home_next(m->table, i);
		cursor_table_at(m->table, i, &cursor);
		if (cursor.core != core || move_find(m, &cursor.key) != NULL ||
		    (cursor.flags & GODWIT_CURSOR_LAPSED) != 0)
			continue;
		// Only where another core can have the client's frames.
		to = core_but(m, cursor.key.client, core);
		if (to != core)
			offer_within(m, &cursor, to, now_ns);
	}
}

void core_left(struct migration *m, const struct move *move, const struct cursor *held,
	       uint64_t now_ns)
{
	note_move(m, &held->key, now_ns);
	// It would hear of it from the client as well.
	if (held->core != move->cursor.core)
		send_drop(m, &move->cursor, held->cursor_epoch);
}

// ---- rebalance -----------------------------------------------------------------------------------

enum migration_rebalance migration_rebalance(struct migration *m, uint64_t now_ns)
{
	struct evening *e = &m->evening;
	struct rebalance plan;

	if (e->is_active) {
		MCOUNT(m, rebalance_again);
		return MIGRATION_REBALANCE_AGAIN;
	}
	if (m->is_draining) {
		MCOUNT(m, rebalance_draining);
		return MIGRATION_REBALANCE_DRAINING;
	}
	if (rebalance_takers(m->view.cores, m->config.cores) < 2) {
		MCOUNT(m, rebalance_one_core);
		return MIGRATION_REBALANCE_ONE_CORE;
	}
	if (rebalance_plan(&plan, m->view.cores, m->config.cores) == 0) {
		MCOUNT(m, rebalance_even);
		return MIGRATION_REBALANCE_EVEN;
	}
	MCOUNT(m, rebalances);
	// Moves of an order that a drain has ended may still be under way.
	*e = (struct evening){
		.is_active = true,
		.pending = e->pending,
		.left = rebalance_left(&plan),
		.next_ns = now_ns,
	};
	return MIGRATION_REBALANCE_BEGUN;
}

void core_move_ended(struct migration *m, enum migration_outcome outcome)
{
	struct evening *e = &m->evening;

	e->pending--;
	e->stuck += outcome == MIGRATION_EXPIRED;
	if (outcome != MIGRATION_MOVED) {
		e->has_missed = true;
		return;
	}
	MCOUNT(m, rebalance_moved);
	e->moved++;
	e->left -= e->left > 0;
}

// A round begins, or there is nothing left to do in one.
static void round_begin(struct migration *m)
{
	struct evening *e = &m->evening;

	e->left = rebalance_plan(&e->plan, m->view.cores, m->config.cores);
	e->is_active = e->left > 0 && e->round++ < EVENING_ROUNDS;
	e->is_walking = e->is_active;
	e->has_missed = false;
	e->page = (struct cursor_page){.home = m->config.server};
}

static void consider(struct migration *m, const struct cursor *cursor, uint64_t now_ns)
{
	struct evening *e = &m->evening;
	struct move *move;
	uint32_t to;

	// Who cannot move now leaves its place in the plan to another one, or to the next round.
	if ((cursor->flags & GODWIT_CURSOR_LAPSED) != 0 || move_find(m, &cursor->key) != NULL ||
	    moved_lately(m, &cursor->key, now_ns))
		return;
	to = rebalance_next(&e->plan, cursor->core);
	if (to == REBALANCE_STAYS)
		return;
	move = offer_within(m, cursor, to, now_ns);
	if (move == NULL) {
		e->has_missed = true;
		return;
	}
	MCOUNT(m, rebalance_moves);
	move->evens_out = true;
	e->pending++;
}

static void walk(struct migration *m, uint64_t now_ns)
{
	struct evening *e = &m->evening;
	struct cursor cursors[PAGE];
	uint32_t count;

	if (e->pending + PAGE > EVENING_MAX)
		return;
	count = cursor_table_page(m->table, &e->page, cursors, PAGE, PAGE_SLOTS);
	for (uint32_t i = 0; i < count; i++)
		consider(m, &cursors[i], now_ns);
	e->is_walking = e->page.next != 0 && rebalance_left(&e->plan) > 0;
}

// From the end of a round to the next look.
static uint64_t pause_ns(const struct evening *e)
{
	bool has_missed = e->has_missed || rebalance_left(&e->plan) > 0;

	return has_missed ? MIGRATION_PAUSE_NS : EVENING_PAUSE_NS;
}

void cores_step(struct migration *m, uint64_t now_ns)
{
	struct evening *e = &m->evening;

	if (!e->is_active)
		return;
	if (m->is_draining) {
		MCOUNT(m, rebalance_draining);
		e->is_active = false;
		return;
	}
	if (e->is_walking || e->pending > 0) {
		if (e->is_walking)
			walk(m, now_ns);
		e->next_ns = now_ns + pause_ns(e);
	} else if (now_ns >= e->next_ns) {
		round_begin(m);
	}
}

struct migration_progress migration_rebalance_progress(const struct migration *m)
{
	return (struct migration_progress){
		.is_active = m->evening.is_active,
		.left = m->evening.left,
		.moved = m->evening.moved,
		.stuck = m->evening.stuck,
	};
}
