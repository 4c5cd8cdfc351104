// SPDX-License-Identifier: BSD-3-Clause
//
// The cursor table's rows: what all cursors of a client have in common, kept once. Readers come to a row
// by its slots; control finds it by the client's id, through chains of its own.
#include "control/cursor_table_inside.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint32_t rows_heads(uint32_t rows_max)
{
	uint32_t heads = 64;

	while (heads < rows_max)
		heads *= 2;
	return heads;
}

static uint32_t *head_of(const struct cursor_table *t, uint64_t client)
{
	return &t->row_heads[XXH3_64bits_withSeed(&client, sizeof(client), t->seed) & t->row_mask];
}

uint32_t row_find(const struct cursor_table *t, uint64_t client)
{
	uint32_t index = *head_of(t, client);

	while (index != 0 && t->rows[index].client != client)
		index = t->row_links[index].next;
	return index;
}

static void row_pack(const struct cursor *cursor, uint64_t *words)
{
	words[ROW_INSTANCE] = cursor->instance;
	words[ROW_CONNECTION] = cursor->connection;
	memcpy(&words[ROW_IP0], cursor->address.ip, sizeof(cursor->address.ip));
	words[ROW_PORT] = (uint64_t)cursor->address.port << 32 | cursor->rights;
}

void row_unpack(const uint64_t *words, struct cursor *out)
{
	out->instance = words[ROW_INSTANCE];
	out->connection = words[ROW_CONNECTION];
	memcpy(out->address.ip, &words[ROW_IP0], sizeof(out->address.ip));
	out->address.port = (uint16_t)(words[ROW_PORT] >> 32);
	out->address.zero = 0;
	out->rights = (uint32_t)words[ROW_PORT];
}

static uint32_t row_take(struct cursor_table *t)
{
	uint32_t index = t->rows_free;

	if (index != 0)
		t->rows_free = t->row_links[index].next;
	else if (t->rows_end <= t->rows_max)
		index = t->rows_end++;
	else
		return 0;
	MEMORY_ALLOW(&t->rows[index], sizeof(struct row));
	return index;
}

uint32_t row_hold(struct cursor_table *t, const struct cursor *entry, uint64_t now_ns)
{
	uint32_t index = row_find(t, entry->key.client);
	struct cursor fresh = *entry;
	uint64_t words[ROW_WORDS];
	struct row *row;
	uint32_t *head;

	if (index != 0) {
		t->rows[index].slots++;
		row_hear(t, index, entry, now_ns);
		return index;
	}
	index = row_take(t);
	if (index == 0)
		return 0;
	row = &t->rows[index];
	row->client = entry->key.client;
	row->slots = 1;
	fresh.rights = 0;
	row_pack(&fresh, words);
	cell_init(&row->version, row->words, words, ROW_WORDS);
	atomic_store_explicit(&row->heard_ns, now_ns, memory_order_relaxed);
	head = head_of(t, row->client);
	t->row_links[index] = (struct row_links){.next = *head};
	*head = index;
	counter_move(t, CURSOR_TABLE_clients, 1);
	return index;
}

void row_release(struct cursor_table *t, uint32_t index)
{
	uint32_t *link;

	if (--t->rows[index].slots > 0)
		return;
	link = head_of(t, t->rows[index].client);
	while (*link != index)
		link = &t->row_links[*link].next;
	*link = t->row_links[index].next;
	t->row_links[index] = (struct row_links){0};
	if (t->rows_retired.first == 0)
		t->rows_retired.first = index;
	else
		t->row_links[t->rows_retired.last].next = index;
	t->rows_retired.last = index;
	counter_move(t, CURSOR_TABLE_clients, -1);
}

void row_hear(struct cursor_table *t, uint32_t index, const struct cursor *entry, uint64_t now_ns)
{
	struct row *row = &t->rows[index];
	uint64_t held[ROW_WORDS], words[ROW_WORDS];
	struct cursor heard = *entry;

	cell_read_own(row->words, held, ROW_WORDS);
	if (entry->instance < held[ROW_INSTANCE]) {
		counter_move(t, CURSOR_TABLE_instance_older, 1);
		return;
	}
	heard.rights = (uint32_t)held[ROW_PORT];
	row_pack(&heard, words);
	if (memcmp(words, held, sizeof(words)) != 0)
		cell_write(&t->shadow, &row->version, row->words, words, ROW_WORDS);
	atomic_store_explicit(&row->heard_ns, now_ns, memory_order_relaxed);
}

bool cursor_table_set_rights(struct cursor_table *t, uint64_t client, uint32_t rights)
{
	uint32_t index = row_find(t, client);
	uint64_t words[ROW_WORDS];

	if (index == 0)
		return false;
	cell_read_own(t->rows[index].words, words, ROW_WORDS);
	words[ROW_PORT] = words[ROW_PORT] >> 32 << 32 | rights;
	cell_write(&t->shadow, &t->rows[index].version, t->rows[index].words, words, ROW_WORDS);
	return true;
}

void rows_reclaim(struct cursor_table *t)
{
	while (t->rows_waiting != 0) {
		uint32_t index = t->rows_waiting;

		t->rows_waiting = t->row_links[index].next;
		t->row_links[index].next = t->rows_free;
		t->rows_free = index;
		MEMORY_FORBID(&t->rows[index], sizeof(struct row));
	}
}
