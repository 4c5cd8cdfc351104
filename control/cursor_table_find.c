// SPDX-License-Identifier: BSD-3-Clause
//
// The cursor table's lookups: what any core may call while control changes the table.
#include "control/cursor_table_inside.h"

static struct slot *slot_of(struct cds_lfht_node *node)
{
	return (struct slot *)node;
}

static int has_key(struct cds_lfht_node *node, const void *key)
{
	const struct slot *slot = slot_of(node);
	const struct cursor_key *wanted = key;

	return slot->client == wanted->client && slot->session == wanted->session &&
	       slot->subscription == wanted->subscription;
}

struct slot *slot_find(const struct cursor_table *t, uint64_t hash, const struct cursor_key *key)
{
	return (struct slot *)rcu_table_find(t->hash, hash, has_key, key);
}

void slot_pack(const struct cursor *cursor, uint64_t *words)
{
	words[SLOT_CURSOR_EPOCH] = cursor->cursor_epoch;
	words[SLOT_SEQ] = cursor->seq;
	words[SLOT_PLACE] = (uint64_t)cursor->epoch << 32 | (uint32_t)cursor->home << 16 |
			    cursor->core;
	words[SLOT_TAG] = cursor->tag;
	words[SLOT_FILTER] = cursor->filter;
	words[SLOT_FLAGS] = cursor->flags;
}

void slot_unpack(const uint64_t *words, struct cursor *out)
{
	out->cursor_epoch = words[SLOT_CURSOR_EPOCH];
	out->seq = words[SLOT_SEQ];
	out->epoch = (uint32_t)(words[SLOT_PLACE] >> 32);
	out->home = (uint16_t)(words[SLOT_PLACE] >> 16);
	out->core = (uint16_t)words[SLOT_PLACE];
	out->tag = words[SLOT_TAG];
	out->filter = words[SLOT_FILTER];
	out->flags = (uint16_t)words[SLOT_FLAGS];
}

static void slot_read(const struct cursor_table *t, const struct slot *slot, struct cursor *out)
{
	uint64_t words[CELL_WORDS];

	cell_read(&t->shadow, &slot->version, slot->words, words, SLOT_WORDS);
	slot_unpack(words, out);
	out->heard_ns = atomic_load_explicit(&slot->heard_ns, memory_order_relaxed);
}

static bool find_position(const struct cursor_table *t, uint64_t hash, const struct cursor_key *key,
			  struct cursor *out)
{
	const struct slot *slot = slot_find(t, hash, key);

	if (slot == NULL)
		return false;
	*out = (struct cursor){.key = *key};
	slot_read(t, slot, out);
	return true;
}

bool cursor_table_find_position(const struct cursor_table *t, const struct cursor_key *key,
				struct cursor *out)
{
	return find_position(t, cursor_key_hash(key, t->seed), key, out);
}

uint32_t cursor_table_find_burst(const struct cursor_table *t, const struct cursor_key *keys,
				 uint32_t count, struct cursor *out)
{
	uint64_t hashes[CURSOR_TABLE_BURST];
	uint32_t found = 0;

	assert(count <= CURSOR_TABLE_BURST);
	for (uint32_t i = 0; i < count; i++) {
		hashes[i] = cursor_key_hash(&keys[i], t->seed);
		rcu_table_fetch_bucket(t->buckets, t->bucket_count, hashes[i]);
	}
	for (uint32_t i = 0; i < count; i++)
		rcu_table_fetch_entry(t->buckets, t->bucket_count, hashes[i]);
	for (uint32_t i = 0; i < count; i++)
		found |= (uint32_t)find_position(t, hashes[i], &keys[i], &out[i]) << i;
	return found;
}

bool cursor_table_find(const struct cursor_table *t, const struct cursor_key *key,
		       struct cursor *out)
{
	const struct slot *slot = slot_find(t, cursor_key_hash(key, t->seed), key);
	uint64_t words[CELL_WORDS];
	const struct row *row;

	if (slot == NULL)
		return false;
	row = &t->rows[slot->row];
	__builtin_prefetch(row);
	out->key = *key;
	slot_read(t, slot, out);
	cell_read(&t->shadow, &row->version, row->words, words, ROW_WORDS);
	row_unpack(words, out);
	out->client_heard_ns = atomic_load_explicit(&row->heard_ns, memory_order_relaxed);
	return true;
}
