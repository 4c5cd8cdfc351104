// SPDX-License-Identifier: BSD-3-Clause
//
// The feed of cursors: how the cursors of a server's clients get to its own control and to every peer.
//
//   any core: a subscription opens, moves, ends --entry--> [crossing] --> link core
//   link core:  +--> [entries] --> own control
//               +--> ring of entries --REPLICATE--> each peer's link core --> [entries] --> its control
//                                    <--PEER_ACK---
//
// An entry is a struct godwit_cursor. It is written at once when a subscription opens or ends, and at most
// once a second while its acknowledged position moves: longer with many subscriptions, so that a core
// writes some 20,000 a second. One that rests is written each CURSOR_FEED_REST_MS: a cursor that nobody
// speaks of for several times as long is forgotten everywhere. Entries merge by cursor epoch, then
// acknowledgement, so their order does not matter, and a repeat does no harm. Whatever is lost on the way (a
// ring was full, a peer was away too long, a peer is new) is made good by a walk: each core writes all its
// live cursors again, paced. Ends wait for room at their core and on the way to control, CURSOR_FEED_ENDED of them;
// one that is lost is made good by silence.
//
// The session of a feed follows from the server's id and incarnation, so a peer knows it without asking.
//
// Owner: the server; each core has a part of its own in struct core. Limits: `ring` entries kept for peers,
// `slots` frames of entries waiting for control. There is no feed without a cluster.
#ifndef DATAPLANE_CURSOR_FEED_H
#define DATAPLANE_CURSOR_FEED_H

#include <godwit/wire.h>

#include "dataplane/crossing.h"
#include "dataplane/peers.h"

#define CURSOR_FEED_RING     8192 // entries kept for peers, by default
#define CURSOR_FEED_RING_MIN 32
#define CURSOR_FEED_SLOTS    1024   // frames that wait for control, by default
#define CURSOR_FEED_FRAME    12	    // entries in one slot or REPLICATE
#define CURSOR_FEED_ENDED    64	    // ends that wait for room
#define CURSOR_FEED_RATE     20000  // entries a second and core, about
#define CURSOR_FEED_PAUSE_MS 1000   // between two entries of one cursor that only moved
#define CURSOR_FEED_REST_MS  150000 // ... and of one that did not

struct core;
struct subscription;

struct cursor_feed_slot {     // what [entries] carries
	uint64_t incarnation; // of the server that they are of
	uint16_t server;
	uint16_t count;
	uint32_t zero;
	struct godwit_cursor cursors[CURSOR_FEED_FRAME];
};

struct cursor_feed_peer {     // to and from one peer
	uint64_t incarnation; // that the rest is about; 0: none yet
	uint64_t base;	      // first entry that it is to get
	uint64_t next;	      // to send
	uint64_t acked;
	uint64_t moved_ns; // when acked moved, or sending began again
	bool is_holed;	   // it said so since then: what is next was lost, or overtaken
	struct peers_path path;
	uint64_t from_session; // of its feed
	uint64_t end;	       // of its feed: what we have of it without a hole
};

struct cursor_feed {
	uint32_t ring_size;	    // a power of two			r: link core
	uint32_t window;	    // entries sent to a peer and not acknowledged	r: link core
	struct godwit_cursor *ring; // entry n at n % ring_size		w, r: link core
	uint64_t end;		    // last entry; the first is 1		w, r: link core
	uint64_t session;	    //					w, r: link core
	struct crossing_slot *open; // slot of [entries] being filled	w, r: link core
	struct cursor_feed_peer peers[SERVER_PEERS_MAX]; //		w, r: link core
	_Atomic uint32_t walks;	 // walks asked for			w: link core, control   r: all
	struct crossing entries; //					w: link core   r: control
	void *entries_memory;
};

struct cursor_feed_core { // a core's part
	uint32_t walks_seen;
	uint32_t walk_next; // subscription slot
	bool walking;
	uint64_t allowed_at_ns; // when the walk may go on
	uint32_t ended_count;
	struct godwit_cursor ended[CURSOR_FEED_ENDED];
};

struct cursor_feed_config {
	uint32_t ring;	// entries, a power of two, CURSOR_FEED_RING_MIN at least
	uint32_t slots; // frames, a power of two
};
extern const struct cursor_feed_config cursor_feed_config_default;

// 0, -EINVAL or -ENOMEM. server's id and incarnation are set. Thread: control, before the cores run.
struct server;
int cursor_feed_create(struct server *server, const struct cursor_feed_config *config);
void cursor_feed_destroy(struct server *server);
uint64_t cursor_feed_bytes(const struct cursor_feed_config *config);

// The session of a server's feed. Thread: any.
uint64_t cursor_feed_session(uint16_t server, uint64_t incarnation);

// ---- at the subscription's core ------------------------------------------------------------------

// It has a cursor epoch now.
void cursor_feed_opened(struct core *core, struct subscription *s);
// Its client's interval is over: write it if it moved and its pause is over too, or if it rested for long.
void cursor_feed_look(struct core *core, struct subscription *s);
// It ends here: for good (flags: GODWIT_CURSOR_TOMBSTONE), or nobody serves it before its RESUME (_LAPSED). Said
// of whatever closes, but of what we leave to the others when we stop: a cursor that no core has, and that is
// said to live here, would be moved again and again.
void cursor_feed_ended(struct core *core, const struct subscription *s, uint16_t flags);
// Control believes that the cursor of this command (MIGRATE) lives here, and it does not.
struct core_command;
void cursor_feed_gone(struct core *core, const struct core_command *command);
// Walk and retries of this core; at the link core, frames to peers too. Returns how much was done.
uint32_t cursor_feed_burst(struct core *core);

// ---- at the link core ----------------------------------------------------------------------------

// Entries of this server.
void cursor_feed_take(struct core *core, const struct godwit_cursor *entry);

// What peers have not got yet, and what they have not acknowledged for long. Returns frames sent.
uint32_t cursor_feed_to_peers(struct core *core);
// A frame of a peer that is of no stream: of a feed of cursors? False: it is not.
bool cursor_feed_frame(struct core *core, struct peer *peer, const uint8_t *frame, uint32_t length);
// Own entries that wait for more of them go to control now.
void cursor_feed_close(struct cursor_feed *feed);

// All cores write all their cursors again. Thread: any.
void cursor_feed_walk(struct server *server);

#endif
