// SPDX-License-Identifier: BSD-3-Clause
//
// The cursor table's walks, and what goes with time: expiry and reclaiming.
#include "control/cursor_table_inside.h"

void cursor_table_at(const struct cursor_table *t, uint32_t index, struct cursor *out)
{
	const struct slot *slot = &t->slots[index];
	const struct row *row = &t->rows[slot->row];
	uint64_t words[CELL_WORDS];

	out->key = (struct cursor_key){slot->client, slot->session, slot->subscription};
	cell_read_own(slot->words, words, SLOT_WORDS);
	slot_unpack(words, out);
	out->heard_ns = atomic_load_explicit(&slot->heard_ns, memory_order_relaxed);
	cell_read_own(row->words, words, ROW_WORDS);
	row_unpack(words, out);
	out->client_heard_ns = atomic_load_explicit(&row->heard_ns, memory_order_relaxed);
}

static bool is_tombstone(const struct slot *slot)
{
	return (atomic_load_explicit(&slot->words[SLOT_FLAGS], memory_order_relaxed) &
		GODWIT_CURSOR_TOMBSTONE) != 0;
}

static uint16_t home_of(const struct slot *slot)
{
	return (uint16_t)(atomic_load_explicit(&slot->words[SLOT_PLACE], memory_order_relaxed) >>
			  16);
}

// ---- by home ---------------------------------------------------------------------------------------

uint32_t cursor_table_home_first(const struct cursor_table *t, uint16_t home)
{
	return t->homes[home].first;
}

uint32_t cursor_table_home_next(const struct cursor_table *t, uint32_t index)
{
	uint32_t next = t->slots[index].home_next;

	// On their way while the caller looks at this one, which was fetched the same way.
	__builtin_prefetch((const uint8_t *)&t->slots[next] + CACHE_LINE);
	__builtin_prefetch(&t->slots[next]);
	__builtin_prefetch(&t->rows[t->slots[index].row]);
	return next;
}

uint32_t cursor_table_home_count(const struct cursor_table *t, uint16_t home)
{
	return atomic_load_explicit(&t->homes[home].count, memory_order_relaxed);
}

uint32_t cursor_table_home_live(const struct cursor_table *t, uint16_t home)
{
	return atomic_load_explicit(&t->homes[home].live, memory_order_relaxed);
}

// ---- by client -------------------------------------------------------------------------------------

static uint32_t skip_tombstones(const struct cursor_table *t, uint32_t index)
{
	while (index != 0 && is_tombstone(&t->slots[index]))
		index = t->slots[index].client_next;
	return index;
}

uint32_t cursor_table_client_first(const struct cursor_table *t, uint64_t client)
{
	uint32_t row = row_find(t, client);

	return row == 0 ? 0 : skip_tombstones(t, t->row_links[row].first);
}

uint32_t cursor_table_client_next(const struct cursor_table *t, uint32_t index)
{
	return skip_tombstones(t, t->slots[index].client_next);
}

// ---- by slot ---------------------------------------------------------------------------------------

uint32_t cursor_table_page(const struct cursor_table *t, struct cursor_page *page,
			   struct cursor *out, uint32_t max, uint32_t slots)
{
	uint32_t index = page->next == 0 ? 1 : page->next;
	uint32_t count = 0;

	for (; index < t->slots_end && slots > 0 && count < max; index++, slots--) {
		const struct slot *slot = &t->slots[index];

		if (slot->state != SLOT_USED || (page->home != 0 && home_of(slot) != page->home) ||
		    (!page->tombstones && is_tombstone(slot)))
			continue;
		cursor_table_at(t, index, &out[count++]);
	}
	page->next = index < t->slots_end ? index : 0;
	return count;
}

// ---- time ------------------------------------------------------------------------------------------

void cursor_table_excuse(struct cursor_table *t, uint64_t now_ns)
{
	t->excused_ns = now_ns;
	counter_move(t, CURSOR_TABLE_excuses, 1);
}

static bool is_expired(const struct cursor_table *t, const struct slot *slot,
		       const struct cursor_expiry *expiry, uint64_t now_ns)
{
	uint64_t heard_ns = atomic_load_explicit(&slot->heard_ns, memory_order_relaxed);
	uint64_t flags = atomic_load_explicit(&slot->words[SLOT_FLAGS], memory_order_relaxed);
	uint64_t from_ns = heard_ns > t->excused_ns ? heard_ns : t->excused_ns;
	uint64_t age_ns = now_ns > from_ns ? now_ns - from_ns : 0;

	return age_ns >
	       ((flags & GODWIT_CURSOR_TOMBSTONE) != 0 ? expiry->tombstone_ns : expiry->cursor_ns);
}

uint32_t cursor_table_expire(struct cursor_table *t, const struct cursor_expiry *expiry,
			     uint64_t now_ns, uint32_t slots)
{
	uint32_t expired = 0;

	if (slots > t->slots_end - 1)
		slots = t->slots_end - 1;
	for (; slots > 0; slots--) {
		uint32_t index = t->expire_next == 0 ? 1 : t->expire_next;

		if (t->slots[index].state == SLOT_USED &&
		    is_expired(t, &t->slots[index], expiry, now_ns)) {
			slot_retire(t, index);
			expired++;
		}
		t->expire_next = index + 1 < t->slots_end ? index + 1 : 0;
	}
	counter_move(t, CURSOR_TABLE_expired, expired);
	return expired;
}

// All that is retired by now is waited for. A row goes with its last slot, so one wait is for both.
static void begin_waiting(struct cursor_table *t, uint64_t now_ns)
{
	t->slots_waiting = t->slots_retired.first;
	t->rows_waiting = t->rows_retired.first;
	t->slots_retired.first = 0;
	t->rows_retired.first = 0;
	t->is_waiting = true;
	t->has_waited = true;
	t->waited_ns = now_ns;
	reclaim_begin(&t->reclaim);
}

uint32_t cursor_table_reclaim(struct cursor_table *t, uint64_t now_ns)
{
	uint32_t freed = 0;

	if (!t->is_waiting) {
		if (t->slots_retired.first == 0 ||
		    (t->has_waited && now_ns - t->waited_ns < CURSOR_TABLE_RECLAIM_NS))
			return 0;
		begin_waiting(t, now_ns);
	}
	if (!reclaim_is_over(&t->reclaim))
		return 0;
	t->is_waiting = false;
	while (t->slots_waiting != 0) {
		uint32_t index = t->slots_waiting;
		struct slot *slot = &t->slots[index];

		t->slots_waiting = slot->home_next;
		slot->home_next = t->slots_free;
		slot->state = SLOT_FREE;
		t->slots_free = index;
		MEMORY_FORBID(slot, offsetof(struct slot, home_prev));
		freed++;
	}
	rows_reclaim(t);
	counter_move(t, CURSOR_TABLE_retired, -(int64_t)freed);
	counter_move(t, CURSOR_TABLE_reclaimed, freed);
	counter_move(t, CURSOR_TABLE_grace_periods, 1);
	return freed;
}
