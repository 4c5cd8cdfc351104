// SPDX-License-Identifier: BSD-3-Clause
//
// What the files of migration share. Thread: control.
#ifndef CONTROL_MIGRATION_INSIDE_H
#define CONTROL_MIGRATION_INSIDE_H

#include "control/migration.h"
#include "dataplane/rendezvous.h"

// An insertion without memory is refused like one above the maximum.
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define MOVES_LOOKED	 512 // moves whose time is looked at in one step
#define HANDOVER_NS	 50000000ull
#define HANDOVER_LEFT_NS 200000000ull // from the end here to the word of where it went
#define HANDOVER_TRIES	 8	      // of one target
#define HANDOVERS_MAX	 2048	      // given at a time by drain and feed
#define WAIT_NS		 20000000ull  // after a core had no room
#define SUSPECTS_MAX	 4096
#define ASKED_PROBES_MAX 256
#define RECENT_SLOTS	 65536
#define TRIED_SLOTS	 65536
#define ARRIVALS	 4096 // told by cores and of late, a power of two
#define ORPHAN_ROUNDS	 3
#define OFFER_RETRIES	 2
#define PAGE		 32   // cursors looked at in one go,
#define PAGE_SLOTS	 1024 // ... and places of the table
#define REBALANCE_MOVES	 256  // moves of a rebalance at a time
#define REBALANCE_ROUNDS 3

struct move_key { // hashed as bytes
	uint64_t client, session, subscription;
};

enum move_state {
	MOVE_WAITING, // for room at the core, or its turn to try again
	MOVE_OFFERED,
	MOVE_HELD,
	MOVE_ASKED, // giving: the target was asked
};

struct move {
	struct move_key key;
	struct cursor cursor; // as it was when the move began
	enum move_state state;
	uint16_t reason;
	bool giving, by_home, asks_client;
	bool is_rebalanced; // taking: from one core of this server to another, by rebalance
	bool has_left; // giving: it is served here no more, and what is awaited is where it went
	uint8_t tries; // of this target, or of this offer
	uint32_t core; // taking
	uint32_t attempt;
	uint32_t peer;	  // giving: the target. Taking by_home: who asked
	uint32_t request; // of the HANDOVER
	uint32_t tried;	  // mask of targets
	uint64_t epoch;	  // offered
	uint64_t detected_ns, due_ns, until_ns;
	UT_hash_handle hh;
};

struct orphans { // of one dead server
	bool is_active;
	bool is_old;  // an incarnation that is no more: being heard does not end it
	uint8_t pass; // 0: those heard lately, 1: the rest
	uint8_t round;
	struct cursor_page page;
	uint64_t died_ns, next_ns;
};

struct rebalance_run { // of the cores of this server, as ordered
	bool is_active, is_walking;
	bool has_missed;	      // a move of this round was not begun, or did not end well
	enum migration_rebalance end; // BEGUN: it has not ended, or never begun
	uint8_t round;
	uint32_t pending; // its moves under way
	uint32_t moved, stuck, left;
	uint64_t next_ns;
	struct rebalance_plan plan;
	struct cursor_page page;
};

struct suspect {
	uint64_t client; // key
	uint64_t tag, nonce, instance;
	struct godwit_address address;
	uint64_t due_ns; // to ask; then: when it is given up
	uint32_t core;
	bool was_asked;
	uint32_t silent; // mask of peers that do not reach it
	uint32_t asked;	 // mask
	UT_hash_handle hh;
};

struct asked_probe { // that a peer wants
	bool used;
	uint32_t peer;
	uint8_t sent;
	uint64_t tag, nonce, until_ns, due_ns;
	struct godwit_address address;
};

struct recent { // when a cursor moved
	uint32_t hash, at_ms;
};

// What a core told of a cursor that came here, by its key: the move that brought it may hear of that before or after.
struct arrival {
	struct cursor_key key;
	uint64_t cursor_epoch; // that it got here; 0: the slot is free
	uint64_t opened_ns;    // 0: not told yet
	uint64_t first_ns;     // of the first message; 0: not told yet
	uint64_t seq, commit;  // position and commit when it opened
	uint64_t record;       // number of its record + 1; 0: there is none yet
};

struct migration {
	struct migration_config config;
	struct cursor_table *table;
	struct migration_ops ops;
	struct migration_view view;
	uint64_t random;
	uint64_t counters[MIGRATION_COUNTERS_COUNT];
	struct move *moves;
	struct move *looked; // where the look at their times goes on
	uint32_t moves_count, giving_count;
	uint32_t request;
	uint64_t tokens_ms; // millisecond that tokens are of
	uint32_t tokens;
	struct orphans orphans[SERVER_PEERS_MAX];
	struct suspect *suspects;
	uint32_t suspects_count;
	uint64_t crowd_from_ns;
	uint32_t crowd;
	struct asked_probe probes[ASKED_PROBES_MAX];
	uint32_t probes_count; // in use
	// drain and feed
	bool is_draining;
	uint32_t drained, stuck;
	struct cursor_page away; // walk over own cursors
	uint64_t away_next_ns;
	bool leaves_for_feed[SERVER_STREAMS_MAX];	 // its cursors are to leave
	uint64_t elsewhere_since_ns[SERVER_STREAMS_MAX]; // that another server has its feed; 0: none has
	// Masks of the servers that were asked in vain, by the cursor's key. Cursors may share one: it says
	// no more than who is asked first.
	uint16_t tried[TRIED_SLOTS];
	struct rebalance_run rebalance;
	struct recent *recent;
	struct migration_record records[MIGRATION_RECORDS];
	uint64_t records_count;
	struct arrival arrivals[ARRIVALS];
};

#define MCOUNT(m, name) ((m)->counters[MIGRATION_COUNT_##name]++)

// migration.c
struct move *move_find(struct migration *m, const struct cursor_key *key);
// NULL: full, counted.
struct move *move_add(struct migration *m, const struct cursor *cursor, uint16_t reason,
		      uint64_t now_ns);
// It is over: a record is left.
void move_end(struct migration *m, struct move *move, enum migration_outcome outcome, uint16_t to,
	      uint64_t now_ns);
uint64_t migration_random(struct migration *m);
// The mask of peers asked in vain for it, since a handover of it last ended otherwise than expired.
uint16_t *tried_of(struct migration *m, const struct cursor_key *key);
// Whether it moved too short a time ago.
bool moved_lately(struct migration *m, const struct cursor_key *key, uint64_t now_ns);
const struct migration_stream *stream_of(const struct migration *m, uint64_t session);
// Whether that log can serve the cursor on.
bool log_serves(const struct migration_log *log, const struct cursor *cursor);
// Another server has the feed of the stream.
bool feed_is_elsewhere(const struct migration *m, const struct migration_stream *stream);
// We have no feed of the stream, and another server has.
bool feed_is_lost(const struct migration *m, const struct migration_stream *stream);
// Whether this server may offer a home for the cursor at all.
bool may_take(struct migration *m, const struct cursor *cursor);
// Whether that server is up and takes cursors.
static inline bool peer_takes_cursors(const struct migration_peer *peer)
{
	return peer->is_up && !peer->is_draining;
}
uint32_t peer_by_id(const struct migration *m, uint16_t id);
bool take_token(struct migration *m, uint64_t now_ns);

// offers.c
// Offer a cursor that nobody moves yet a home. asked_by: the peer whose HANDOVER `request` it is, and which is told
// how it ends, or MIGRATION_NOBODY. NULL: full, counted, and who asked was told.
struct move *offer_begin(struct migration *m, const struct cursor *cursor, uint16_t reason,
			 uint32_t asked_by, uint32_t request, uint64_t now_ns);
// A cursor of our own is offered to its client by another core, for CORE. NULL: full, counted.
struct move *offer_within(struct migration *m, const struct cursor *cursor, uint32_t core,
			  uint64_t now_ns);
void offer_look(struct migration *m, struct move *move, uint64_t now_ns);
void offer_entry(struct migration *m, struct move *move, const struct cursor *now_held,
		 uint64_t now_ns);
// It has ended in the epoch in which it was to be moved, or is served no more.
void offer_ended(struct migration *m, struct move *move, const struct cursor *now_held,
		 uint64_t now_ns);
void offer_notice(struct migration *m, enum core_notice_kind kind, const struct core_notice *notice,
		  uint64_t now_ns);
void offers_withdraw(struct migration *m, uint16_t home, uint64_t now_ns);

// handover.c
// Ask another server to take a cursor of ours. prefer: a peer, or MIGRATION_NOBODY. False: nobody can.
bool handover_begin(struct migration *m, const struct cursor *cursor, uint16_t reason,
		    uint32_t prefer, uint64_t now_ns);
void handover_look(struct migration *m, struct move *move, uint64_t now_ns);
// It has a higher epoch elsewhere now.
void handover_entry(struct migration *m, struct move *move, const struct cursor *now_held,
		    uint64_t now_ns);
// It has ended here, or is served no more.
void handover_ended(struct migration *m, struct move *move, const struct cursor *now_held,
		    uint64_t now_ns);
void handover_asked(struct migration *m, uint32_t peer, const struct godwit_handover *frame,
		    uint64_t now_ns);
void handover_confirm(struct migration *m, uint32_t peer, const struct cursor *cursor,
		      uint32_t request, uint64_t epoch, enum godwit_code code);
void handover_confirmed(struct migration *m, uint32_t peer,
			const struct godwit_handover_confirm *frame, uint64_t now_ns);
void handover_withdraw(struct migration *m, struct move *move, uint64_t now_ns);
// The core drops its subscription below this epoch. False: no room.
bool send_drop(struct migration *m, const struct cursor *cursor, uint64_t epoch);

// arrivals.c
void record_add(struct migration *m, const struct move *move, enum migration_outcome outcome,
		uint16_t to, uint64_t now_ns);
void arrivals_notice(struct migration *m, enum core_notice_kind kind,
		     const struct core_notice *notice);
// The home of before asked, in its epoch, for what had come here already: that was the reason.
void arrivals_asked(struct migration *m, const struct cursor_key *key, uint64_t cursor_epoch,
		    uint16_t from, uint16_t reason);

// cores.c
// A move of a rebalance is over.
void core_move_ended(struct migration *m, enum migration_outcome outcome);
void cores_step(struct migration *m, uint64_t now_ns);

// orphans.c, suspects.c, drain.c
void orphans_step(struct migration *m, uint64_t now_ns);
void suspects_step(struct migration *m, uint64_t now_ns);
void suspects_notice(struct migration *m, enum core_notice_kind kind,
		     const struct core_notice *notice, uint64_t now_ns);
void suspects_frame(struct migration *m, uint32_t peer, const struct godwit_probe_for *frame,
		    uint64_t now_ns);
void drain_step(struct migration *m, uint64_t now_ns);

#endif
