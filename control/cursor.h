// SPDX-License-Identifier: BSD-3-Clause
//
// A cursor as servers know it: struct godwit_cursor in host order, and the rule by which two entries
// of one cursor become one.
//
//   cursor epochs differ:   the higher one holds, whole
//   they are the same:      acknowledged {stream epoch, seq} is the higher of both, flags are all that
//                           either has; everything else is the same in both, since one server wrote both
//
// So entries may come in any order, twice, or late: the result is the same.
// Pure functions. Thread: any.
#ifndef CONTROL_CURSOR_H
#define CONTROL_CURSOR_H

#include <godwit/wire_peer.h>

struct cursor_key {
	uint64_t client, session;
	uint32_t subscription;
};

struct cursor {
	struct cursor_key key;
	uint64_t instance;	       // of the client
	uint64_t seq;		       // acknowledged
	uint64_t cursor_epoch;	       // counter << 16 | server that made it
	uint64_t tag;		       // of the subscription
	uint64_t connection;	       // the client's connection tag
	uint64_t filter;	       // hash of the filter; 0: whole
	uint32_t epoch;		       // stream epoch of seq
	uint16_t home, core;	       // server id, core there
	uint16_t flags;		       // GODWIT_CURSOR_*
	struct godwit_address address; // last known
	// of this server's own knowledge, not on the wire: 0 when decoded
	uint32_t rights;	  // of the client
	uint64_t heard_ns;	  // when an entry last confirmed this cursor
	uint64_t client_heard_ns; // ... or any cursor of its client
};

// How an entry stands to the one that is held.
enum cursor_order {
	CURSOR_IS_OLDER,   // says nothing that is not known
	CURSOR_IS_SAME,	   // says just what is known
	CURSOR_GREW,	   // same cursor epoch: acknowledged more, or flags were set
	CURSOR_IS_ABOVE,   // a higher cursor epoch
	CURSOR_CONTRADICTS // the same cursor epoch with another home: one of the two is wrong
};

void cursor_encode(const struct cursor *cursor, struct godwit_cursor *wire);
// Flags that are not known here are left out.
void cursor_decode(const struct godwit_cursor *wire, struct cursor *cursor);

// Merge `entry` into `held`, of the same key. CURSOR_GREW and CURSOR_IS_ABOVE: *held changed.
// What belongs to the client (instance, connection, address) is taken only with CURSOR_IS_ABOVE.
enum cursor_order cursor_join(struct cursor *held, const struct cursor *entry);

// The same on every server for the same seed. Keys are chosen by clients: where a table hangs on it,
// the seed must be a secret.
uint64_t cursor_key_hash(const struct cursor_key *key, uint64_t seed);

static inline bool cursor_key_equal(const struct cursor_key *a, const struct cursor_key *b)
{
	return a->client == b->client && a->session == b->session &&
	       a->subscription == b->subscription;
}

static inline bool cursor_is_tombstone(const struct cursor *cursor)
{
	return (cursor->flags & GODWIT_CURSOR_TOMBSTONE) != 0;
}

// A cursor epoch of `server` above `highest`.
static inline uint64_t cursor_epoch_after(uint64_t highest, uint16_t server)
{
	return ((highest >> 16) + 1) << 16 | server;
}

// The server that made a cursor epoch.
static inline uint16_t cursor_epoch_server(uint64_t cursor_epoch)
{
	return (uint16_t)cursor_epoch;
}

#endif
