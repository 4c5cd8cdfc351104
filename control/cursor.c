// SPDX-License-Identifier: BSD-3-Clause
#include "control/cursor.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define CURSOR_FLAGS (GODWIT_CURSOR_TOMBSTONE | GODWIT_CURSOR_LAPSED)

void cursor_encode(const struct cursor *cursor, struct godwit_cursor *wire)
{
	*wire = (struct godwit_cursor){
		.client = godwit_be64(cursor->key.client),
		.instance = godwit_be64(cursor->instance),
		.session = godwit_be64(cursor->key.session),
		.seq = godwit_be64(cursor->seq),
		.cursor_epoch = godwit_be64(cursor->cursor_epoch),
		.tag = godwit_be64(cursor->tag),
		.connection = godwit_be64(cursor->connection),
		.filter = godwit_be64(cursor->filter),
		.subscription = godwit_be32(cursor->key.subscription),
		.epoch = godwit_be32(cursor->epoch),
		.port = godwit_be16(cursor->address.port),
		.home = godwit_be16(cursor->home),
		.core = godwit_be16(cursor->core),
		.flags = godwit_be16(cursor->flags),
	};
	memcpy(wire->ip, cursor->address.ip, sizeof(wire->ip));
}

void cursor_decode(const struct godwit_cursor *wire, struct cursor *cursor)
{
	*cursor = (struct cursor){
		.key = {.client = godwit_get64(wire->client),
			.session = godwit_get64(wire->session),
			.subscription = godwit_get32(wire->subscription)},
		.instance = godwit_get64(wire->instance),
		.seq = godwit_get64(wire->seq),
		.cursor_epoch = godwit_get64(wire->cursor_epoch),
		.tag = godwit_get64(wire->tag),
		.connection = godwit_get64(wire->connection),
		.filter = godwit_get64(wire->filter),
		.epoch = godwit_get32(wire->epoch),
		.home = godwit_get16(wire->home),
		.core = godwit_get16(wire->core),
		.flags = godwit_get16(wire->flags) & CURSOR_FLAGS,
		.address = {.port = godwit_get16(wire->port)},
	};
	memcpy(cursor->address.ip, wire->ip, sizeof(wire->ip));
}

static bool is_further(const struct cursor *a, const struct cursor *b)
{
	return a->epoch != b->epoch ? a->epoch > b->epoch : a->seq > b->seq;
}

enum cursor_order cursor_join(struct cursor *held, const struct cursor *entry)
{
	bool grew = false;

	if (entry->cursor_epoch < held->cursor_epoch)
		return CURSOR_IS_OLDER;
	if (entry->cursor_epoch > held->cursor_epoch) {
		*held = *entry;
		return CURSOR_IS_ABOVE;
	}
	if (entry->home != held->home)
		return CURSOR_CONTRADICTS;
	if (is_further(entry, held)) {
		held->epoch = entry->epoch;
		held->seq = entry->seq;
		grew = true;
	}
	if ((entry->flags & ~held->flags) != 0) {
		held->flags |= entry->flags;
		grew = true;
	}
	if (grew)
		return CURSOR_GREW;
	return is_further(held, entry) || entry->flags != held->flags ? CURSOR_IS_OLDER :
									CURSOR_IS_SAME;
}

uint64_t cursor_key_hash(const struct cursor_key *key, uint64_t seed)
{
	const uint64_t words[3] = {key->client, key->session, key->subscription};

	return XXH3_64bits_withSeed(words, sizeof(words), seed);
}
