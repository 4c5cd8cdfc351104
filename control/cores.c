// SPDX-License-Identifier: BSD-3-Clause
//
// Cursors that move between the cores of this server: all of a core that stands still, and, when that is ordered,
// those of which a core has more than its share. Where a client's packets arrive does not matter for it: a frame
// goes to the core that its handle names.
//
// An order is carried out in rounds: what each core gives is planned once, from how many cursors each has then, a
// walk over our own cursors offers so many, and when their moves are over the cores are looked at again:
//
//   plan -> walk, REBALANCE_MOVES moves at a time -> all over -> REBALANCE_PAUSE_NS -> even: the end
//     ^                                                        | not even, not the last round
//     +---- MIGRATION_PAUSE_NS, where somebody did not move ---+
#include "control/migration_inside.h"

#define REBALANCE_PAUSE_NS 100000000ull // until the core of before has dropped what moved

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

// ---- rebalance -----------------------------------------------------------------------------------

// Why there is nothing to move, or BEGUN and a plan of what is.
static enum migration_rebalance look_at_cores(struct migration *m, struct rebalance_plan *plan)
{
	if (m->is_draining) {
		MCOUNT(m, rebalance_draining);
		return MIGRATION_REBALANCE_DRAINING;
	}
	if (rebalance_takers(m->view.cores, m->config.cores) < 2) {
		MCOUNT(m, rebalance_one_core);
		return MIGRATION_REBALANCE_ONE_CORE;
	}
	return rebalance_plan(plan, m->view.cores, m->config.cores) == 0 ?
		       MIGRATION_REBALANCE_EVEN :
		       MIGRATION_REBALANCE_BEGUN;
}

enum migration_rebalance migration_rebalance(struct migration *m, uint64_t now_ns)
{
	struct rebalance_run *run = &m->rebalance;
	enum migration_rebalance obstacle;
	struct rebalance_plan plan;

	if (run->is_active) {
		MCOUNT(m, rebalance_again);
		return MIGRATION_REBALANCE_AGAIN;
	}
	obstacle = look_at_cores(m, &plan);
	if (obstacle == MIGRATION_REBALANCE_EVEN)
		MCOUNT(m, rebalance_even);
	if (obstacle != MIGRATION_REBALANCE_BEGUN)
		return obstacle;
	MCOUNT(m, rebalances);
	// Moves of an order that a drain has ended may still be under way.
	*run = (struct rebalance_run){
		.is_active = true,
		.pending = run->pending,
		.left = rebalance_left(&plan),
		.next_ns = now_ns,
	};
	return MIGRATION_REBALANCE_BEGUN;
}

void core_move_ended(struct migration *m, enum migration_outcome outcome)
{
	struct rebalance_run *run = &m->rebalance;

	run->pending--;
	run->stuck += outcome == MIGRATION_EXPIRED;
	if (outcome != MIGRATION_MOVED) {
		run->has_missed = true;
		return;
	}
	MCOUNT(m, rebalance_moved);
	run->moved++;
	run->left -= run->left > 0;
}

// A round begins, or the order ends.
static void round_begin(struct migration *m)
{
	struct rebalance_run *run = &m->rebalance;

	run->end = look_at_cores(m, &run->plan);
	run->left = run->end == MIGRATION_REBALANCE_BEGUN ? rebalance_left(&run->plan) : 0;
	if (run->left > 0 && run->round++ == REBALANCE_ROUNDS)
		run->end = MIGRATION_REBALANCE_UNEVEN;
	run->is_active = run->is_walking = run->end == MIGRATION_REBALANCE_BEGUN;
	run->has_missed = false;
	run->page = (struct cursor_page){.home = m->config.server};
}

static void consider(struct migration *m, const struct cursor *cursor, uint64_t now_ns)
{
	struct rebalance_run *run = &m->rebalance;
	struct move *move;
	uint32_t to;

	// Who cannot move now leaves its place in the plan to another one, or to the next round.
	if ((cursor->flags & GODWIT_CURSOR_LAPSED) != 0 || move_find(m, &cursor->key) != NULL ||
	    moved_lately(m, &cursor->key, now_ns))
		return;
	to = rebalance_next(&run->plan, cursor->core);
	if (to == REBALANCE_STAYS)
		return;
	move = offer_within(m, cursor, to, now_ns);
	if (move == NULL) {
		run->has_missed = true;
		return;
	}
	MCOUNT(m, rebalance_moves);
	move->is_rebalanced = true;
	run->pending++;
}

static void walk(struct migration *m, uint64_t now_ns)
{
	struct rebalance_run *run = &m->rebalance;
	struct cursor cursors[PAGE];
	uint32_t count;

	if (run->pending + PAGE > REBALANCE_MOVES)
		return;
	count = cursor_table_page(m->table, &run->page, cursors, PAGE, PAGE_SLOTS);
	for (uint32_t i = 0; i < count; i++)
		consider(m, &cursors[i], now_ns);
	run->is_walking = run->page.next != 0 && rebalance_left(&run->plan) > 0;
}

// From the end of a round to the next look.
static uint64_t pause_ns(const struct rebalance_run *run)
{
	bool has_missed = run->has_missed || rebalance_left(&run->plan) > 0;

	return has_missed ? MIGRATION_PAUSE_NS : REBALANCE_PAUSE_NS;
}

void cores_step(struct migration *m, uint64_t now_ns)
{
	struct rebalance_run *run = &m->rebalance;

	if (!run->is_active)
		return;
	if (m->is_draining) {
		round_begin(m);
		return;
	}
	if (run->is_walking || run->pending > 0) {
		if (run->is_walking)
			walk(m, now_ns);
		run->next_ns = now_ns + pause_ns(run);
	} else if (now_ns >= run->next_ns) {
		round_begin(m);
	}
}

struct migration_progress migration_rebalance_progress(const struct migration *m)
{
	return (struct migration_progress){
		.is_active = m->rebalance.is_active,
		.left = m->rebalance.left,
		.moved = m->rebalance.moved,
		.stuck = m->rebalance.stuck,
	};
}

enum migration_rebalance migration_rebalance_end(const struct migration *m)
{
	return m->rebalance.end;
}
