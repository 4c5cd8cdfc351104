// SPDX-License-Identifier: BSD-3-Clause
#include "client/stash.h"

#include <stdlib.h>

void client_pool_init(struct client_pool *pool, uint32_t slot_bytes)
{
	*pool = (struct client_pool){.slot_bytes = slot_bytes};
}

struct client_slot *client_pool_get(struct client_pool *pool)
{
	struct client_slot *slot = pool->free;

	if (slot != NULL) {
		pool->free = slot->next;
		return slot;
	}
	slot = malloc(sizeof(*slot) + pool->slot_bytes);
	if (slot != NULL)
		pool->slots++;
	return slot;
}

void client_pool_put(struct client_pool *pool, struct client_slot *slot)
{
	slot->next = pool->free;
	pool->free = slot;
}

void client_pool_fini(struct client_pool *pool)
{
	while (pool->free != NULL) {
		struct client_slot *slot = pool->free;

		pool->free = slot->next;
		pool->slots--;
		free(slot);
	}
}

// after NULL: at the front.
static void list_insert(struct client_list *list, struct client_slot *after,
			struct client_slot *slot)
{
	slot->prev = after;
	slot->next = after != NULL ? after->next : list->head;
	if (slot->next != NULL)
		slot->next->prev = slot;
	else
		list->tail = slot;
	if (after != NULL)
		after->next = slot;
	else
		list->head = slot;
}

void client_list_append(struct client_list *list, struct client_slot *slot)
{
	list_insert(list, list->tail, slot);
}

void client_list_remove(struct client_list *list, struct client_slot *slot)
{
	if (slot->prev != NULL)
		slot->prev->next = slot->next;
	else
		list->head = slot->next;
	if (slot->next != NULL)
		slot->next->prev = slot->prev;
	else
		list->tail = slot->prev;
}

static void stash_drop(struct client_stash *stash, struct client_pool *pool,
		       struct client_slot *slot)
{
	if (stash->hint == slot)
		stash->hint = NULL;
	client_list_remove(&stash->list, slot);
	client_pool_put(pool, slot);
}

// The last slot that begins at or below `from`, or NULL. New datagrams lie at the end and repairs
// next to the repair before: both are found at once.
static struct client_slot *stash_find(const struct client_stash *stash, uint64_t from)
{
	struct client_slot *at = stash->list.tail;

	if (at != NULL && at->from > from && stash->hint != NULL)
		at = stash->hint;
	if (at != NULL && at->from > from && stash->list.head->from > from)
		return NULL;
	while (at != NULL && at->from > from)
		at = at->prev;
	while (at != NULL && at->next != NULL && at->next->from <= from)
		at = at->next;
	return at;
}

bool client_stash_holds(const struct client_stash *stash, uint64_t first, uint64_t last)
{
	const struct client_slot *at = stash->list.tail;

	if (at == NULL || at->to < last)
		return false;
	if (at->from > first)
		at = stash_find(stash, first);
	while (at != NULL && at->from <= first) {
		if (at->to >= last)
			return true;
		if (at->to >= first)
			first = at->to + 1;
		at = at->next;
	}
	return false;
}

void client_stash_insert(struct client_stash *stash, struct client_pool *pool,
			 struct client_slot *slot)
{
	struct client_slot *before = stash_find(stash, slot->from);

	// One with the same beginning must end below the new one, or it would hold all of it.
	if (before != NULL && before->from == slot->from) {
		struct client_slot *inner = before;

		before = inner->prev;
		stash_drop(stash, pool, inner);
	}
	list_insert(&stash->list, before, slot);
	while (slot->next != NULL && slot->next->to <= slot->to)
		stash_drop(stash, pool, slot->next);
	stash->hint = slot;
}

struct client_slot *client_stash_take(struct client_stash *stash, uint64_t from)
{
	struct client_slot *slot = stash->list.head;

	if (slot == NULL || slot->from > from)
		return NULL;
	if (stash->hint == slot)
		stash->hint = NULL;
	client_list_remove(&stash->list, slot);
	return slot;
}

void client_stash_cut(struct client_stash *stash, struct client_pool *pool, uint64_t seq)
{
	while (stash->list.tail != NULL && stash->list.tail->to > seq)
		stash_drop(stash, pool, stash->list.tail);
}

uint32_t client_stash_holes(const struct client_stash *stash, uint64_t low, uint64_t high,
			    struct godwit_range *ranges, uint32_t max, bool *more)
{
	const struct client_slot *at = stash->list.head;
	uint32_t count = 0;

	*more = false;
	while (low < high) {
		uint64_t last;

		while (at != NULL && at->to <= low)
			at = at->next;
		if (at != NULL && at->from <= low + 1) {
			low = at->to;
			continue;
		}
		last = at != NULL && at->from <= high ? at->from - 1 : high;
		if (count == max) {
			*more = true;
			break;
		}
		ranges[count].first = godwit_be64(low + 1);
		ranges[count].last = godwit_be64(last);
		count++;
		low = last;
	}
	return count;
}
