// SPDX-License-Identifier: BSD-3-Clause
#include "control/cursor_table.h"

#include <errno.h>
#include <stdlib.h>

#include "control/cursor_table_inside.h"

#define HOMES 65536u

// Three cursors on four buckets at most: a lookup then meets 1.4 slots at most, on average.
static uint64_t buckets_of(uint32_t cursors_max)
{
	uint64_t buckets = 64;

	while (buckets * 3 < cursors_max * 4ull)
		buckets *= 2;
	return buckets;
}

struct cursor_table_bytes cursor_table_bytes(const struct cursor_table_config *config)
{
	return (struct cursor_table_bytes){
		.slots = (config->cursors_max + 1ull) * sizeof(struct slot),
		.rows = (config->clients_max + 1ull) *
				(sizeof(struct row) + sizeof(struct row_links)) +
			(uint64_t)rows_heads(config->clients_max) * sizeof(uint32_t),
		.buckets = buckets_of(config->cursors_max) * sizeof(struct rcu_node),
		.homes = HOMES * sizeof(struct home_list),
	};
}

static bool memory_take(struct cursor_table *t, const struct cursor_table_config *config)
{
	uint64_t slots = (config->cursors_max + 1ull) * sizeof(struct slot);
	uint64_t rows = (config->clients_max + 1ull) * sizeof(struct row);

	if (pages_map(&t->pages, slots + rows, config->huge, config->node) != 0)
		return false;
	t->slots = t->pages.base;
	t->rows = (struct row *)((uint8_t *)t->pages.base + slots);
	MEMORY_FORBID(t->rows, rows);
	for (uint32_t i = 0; i <= config->cursors_max; i++)
		MEMORY_FORBID(&t->slots[i], offsetof(struct slot, home_prev));
	t->row_links = calloc(config->clients_max + 1ull, sizeof(*t->row_links));
	t->row_heads = calloc(t->row_mask + 1ull, sizeof(*t->row_heads));
	t->homes = calloc(HOMES, sizeof(*t->homes));
	if (t->row_links == NULL || t->row_heads == NULL || t->homes == NULL)
		return false;
	t->bucket_count = buckets_of(config->cursors_max);
	t->hash = rcu_table_create(t->bucket_count);
	if (t->hash == NULL)
		return false;
	t->buckets = rcu_table_buckets(t->hash);
	// liburcu took it from malloc.
	if (config->huge)
		pages_join(rcu_table_buckets(t->hash), cursor_table_bytes(config).buckets);
	return true;
}

struct cursor_table *cursor_table_create(const struct cursor_table_config *config)
{
	struct cursor_table *t;

	if (config->cursors_max == 0 || config->cursors_max > CURSOR_TABLE_MAX ||
	    config->clients_max == 0 || config->clients_max > CURSOR_TABLE_MAX) {
		errno = EINVAL;
		return NULL;
	}
	t = aligned_alloc(CACHE_LINE, sizeof(*t));
	if (t == NULL)
		return NULL;
	memset(t, 0, sizeof(*t));
	t->seed = config->seed;
	t->slots_max = config->cursors_max;
	t->rows_max = config->clients_max;
	t->row_mask = rows_heads(config->clients_max) - 1;
	t->slots_end = t->rows_end = 1;
	t->reclaim = config->reclaim;
	if (!memory_take(t, config)) {
		int error = errno;

		cursor_table_destroy(t);
		errno = error;
		return NULL;
	}
	return t;
}

void cursor_table_destroy(struct cursor_table *t)
{
	if (t == NULL)
		return;
	if (t->is_waiting)
		reclaim_wait(&t->reclaim);
	if (t->hash != NULL) {
		for (uint32_t i = 1; i < t->slots_end; i++)
			if (t->slots[i].state == SLOT_USED)
				slot_retire(t, i);
		rcu_table_destroy(t->hash);
	}
	free(t->homes);
	free(t->row_heads);
	free(t->row_links);
	MEMORY_ALLOW(t->pages.base, t->pages.bytes);
	pages_unmap(&t->pages);
	free(t);
}

bool cursor_table_is_huge(const struct cursor_table *t)
{
	return t->pages.is_huge;
}

uint64_t cursor_table_counter(const struct cursor_table *t, enum cursor_table_counter which)
{
	return atomic_load_explicit(&t->counters[which], memory_order_relaxed);
}

const char *cursor_table_counter_name(enum cursor_table_counter which)
{
	static const char *const names[CURSOR_TABLE_COUNTERS_COUNT] = {
#define X(name, help) #name,
		CURSOR_TABLE_COUNTERS(X)
#undef X
	};

	return names[which];
}

// ---- lists -----------------------------------------------------------------------------------------

static void home_link(struct cursor_table *t, uint32_t index, uint16_t home)
{
	struct home_list *list = &t->homes[home];
	struct slot *slot = &t->slots[index];

	slot->home_prev = list->last;
	slot->home_next = 0;
	if (list->last != 0)
		t->slots[list->last].home_next = index;
	else
		list->first = index;
	list->last = index;
	atomic_store_explicit(&list->count,
			      atomic_load_explicit(&list->count, memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

static void home_unlink(struct cursor_table *t, uint32_t index, uint16_t home)
{
	struct home_list *list = &t->homes[home];
	const struct slot *slot = &t->slots[index];

	*(slot->home_prev != 0 ? &t->slots[slot->home_prev].home_next : &list->first) =
		slot->home_next;
	*(slot->home_next != 0 ? &t->slots[slot->home_next].home_prev : &list->last) =
		slot->home_prev;
	atomic_store_explicit(&list->count,
			      atomic_load_explicit(&list->count, memory_order_relaxed) - 1,
			      memory_order_relaxed);
}

static void client_link(struct cursor_table *t, uint32_t index)
{
	uint32_t *first = &t->row_links[t->slots[index].row].first;

	t->slots[index].client_prev = 0;
	t->slots[index].client_next = *first;
	if (*first != 0)
		t->slots[*first].client_prev = index;
	*first = index;
}

static void client_unlink(struct cursor_table *t, uint32_t index)
{
	const struct slot *slot = &t->slots[index];

	*(slot->client_prev != 0 ? &t->slots[slot->client_prev].client_next :
				   &t->row_links[slot->row].first) = slot->client_next;
	if (slot->client_next != 0)
		t->slots[slot->client_next].client_prev = slot->client_prev;
}

static void live_move(struct cursor_table *t, const struct cursor *cursor, int32_t by)
{
	_Atomic uint32_t *live = &t->homes[cursor->home].live;

	if (cursor->flags == 0)
		atomic_store_explicit(
			live, atomic_load_explicit(live, memory_order_relaxed) + (uint32_t)by,
			memory_order_relaxed);
}

// Into the lists and counts that its state is for, or out of them.
static void slot_enter(struct cursor_table *t, uint32_t index, const struct cursor *cursor)
{
	live_move(t, cursor, 1);
	if (cursor_is_tombstone(cursor)) {
		counter_move(t, CURSOR_TABLE_tombstones, 1);
	} else {
		counter_move(t, CURSOR_TABLE_cursors, 1);
		home_link(t, index, cursor->home);
	}
}

static void slot_leave(struct cursor_table *t, uint32_t index, const struct cursor *cursor)
{
	live_move(t, cursor, -1);
	if (cursor_is_tombstone(cursor)) {
		counter_move(t, CURSOR_TABLE_tombstones, -1);
	} else {
		counter_move(t, CURSOR_TABLE_cursors, -1);
		home_unlink(t, index, cursor->home);
	}
}

// ---- change ----------------------------------------------------------------------------------------

static uint32_t slot_take(struct cursor_table *t)
{
	uint32_t index = t->slots_free;

	if (index != 0)
		t->slots_free = t->slots[index].home_next;
	else if (t->slots_end <= t->slots_max)
		index = t->slots_end++;
	return index;
}

static void slot_give_back(struct cursor_table *t, uint32_t index)
{
	t->slots[index].home_next = t->slots_free;
	t->slots_free = index;
}

static enum cursor_verdict insert(struct cursor_table *t, uint64_t hash, const struct cursor *entry,
				  uint64_t now_ns)
{
	uint32_t index = slot_take(t);
	uint64_t words[SLOT_WORDS];
	struct slot *slot;
	uint32_t row;

	if (index == 0)
		return CURSOR_FULL;
	row = row_hold(t, entry, now_ns);
	if (row == 0) {
		slot_give_back(t, index);
		counter_move(t, CURSOR_TABLE_full_clients, 1);
		return CURSOR_FULL;
	}
	slot = &t->slots[index];
	MEMORY_ALLOW(slot, offsetof(struct slot, home_prev));
	slot->client = entry->key.client;
	slot->session = entry->key.session;
	slot->subscription = entry->key.subscription;
	slot->row = row;
	slot_pack(entry, words);
	cell_init(&slot->version, slot->words, words, SLOT_WORDS);
	atomic_store_explicit(&slot->heard_ns, now_ns, memory_order_relaxed);
	slot->state = SLOT_USED;
	client_link(t, index);
	slot_enter(t, index, entry);
	// pairs with: rcu_table_find
	rcu_table_add(t->hash, hash, &slot->node);
	return cursor_is_tombstone(entry) ? CURSOR_BURIED : CURSOR_INSERTED;
}

static enum cursor_verdict change(struct cursor_table *t, struct slot *slot,
				  const struct cursor *entry, uint64_t now_ns)
{
	uint32_t index = (uint32_t)(slot - t->slots);
	uint64_t words[SLOT_WORDS];
	struct cursor before = {0}, after;
	enum cursor_verdict verdict;

	cell_read_own(slot->words, words, SLOT_WORDS);
	slot_unpack(words, &before);
	after = before;
	switch (cursor_join(&after, entry)) {
	case CURSOR_IS_OLDER:
		return CURSOR_OLDER;
	case CURSOR_CONTRADICTS:
		return CURSOR_CONTRADICTED;
	case CURSOR_IS_SAME:
		verdict = CURSOR_SAME;
		break;
	case CURSOR_GREW:
		verdict = after.flags == before.flags ? CURSOR_ACKED :
			  cursor_is_tombstone(&after) ? CURSOR_BURIED :
							CURSOR_LAPSED;
		break;
	default:
		verdict = cursor_is_tombstone(&after) ? CURSOR_BURIED : CURSOR_MOVED;
	}
	if (verdict != CURSOR_SAME) {
		slot_pack(&after, words);
		cell_write(&t->shadow, &slot->version, slot->words, words, SLOT_WORDS);
	}
	if (before.home != after.home ||
	    cursor_is_tombstone(&before) != cursor_is_tombstone(&after)) {
		slot_leave(t, index, &before);
		slot_enter(t, index, &after);
	} else if (before.flags != after.flags) {
		live_move(t, &before, -1);
		live_move(t, &after, 1);
	}
	atomic_store_explicit(&slot->heard_ns, now_ns, memory_order_relaxed);
	row_hear(t, slot->row, entry, now_ns);
	return verdict;
}

enum cursor_verdict cursor_table_merge(struct cursor_table *t, const struct cursor *entry,
				       uint64_t now_ns)
{
	uint64_t hash = cursor_key_hash(&entry->key, t->seed);
	struct slot *slot = slot_find(t, hash, &entry->key);
	enum cursor_verdict verdict = slot == NULL ? insert(t, hash, entry, now_ns) :
						     change(t, slot, entry, now_ns);

	// The counters of verdicts are in their order.
	static_assert(CURSOR_TABLE_inserted == (int)CURSOR_INSERTED &&
			      CURSOR_TABLE_full == (int)CURSOR_FULL,
		      "one for each");
	counter_move(t, (enum cursor_table_counter)verdict, 1);
	return verdict;
}

void slot_retire(struct cursor_table *t, uint32_t index)
{
	struct slot *slot = &t->slots[index];
	uint64_t words[SLOT_WORDS];
	struct cursor cursor = {0};

	cell_read_own(slot->words, words, SLOT_WORDS);
	slot_unpack(words, &cursor);
	rcu_table_remove(t->hash, &slot->node);
	slot_leave(t, index, &cursor);
	client_unlink(t, index);
	row_release(t, slot->row);
	slot->state = SLOT_RETIRED;
	slot->home_next = 0;
	if (t->slots_retired.first == 0)
		t->slots_retired.first = index;
	else
		t->slots[t->slots_retired.last].home_next = index;
	t->slots_retired.last = index;
	counter_move(t, CURSOR_TABLE_retired, 1);
}

bool cursor_table_remove(struct cursor_table *t, const struct cursor_key *key)
{
	struct slot *slot = slot_find(t, cursor_key_hash(key, t->seed), key);

	if (slot == NULL)
		return false;
	slot_retire(t, (uint32_t)(slot - t->slots));
	counter_move(t, CURSOR_TABLE_removed, 1);
	return true;
}
