// SPDX-License-Identifier: BSD-3-Clause
//
// Migration: which cursor is to have which home, and the steps by which it gets there. Pure: it is told of
// entries, notices, frames and time, and acts through its ops; the daemon and the simulator run the same.
//
// The taker's side of a move (offers.c), for a dead server's share or because the home asked:
//
//   WAITING --OFFER to a core--> OFFERED --HELD--> HELD
//      ^  no room                |  | own entry at or above the epoch offered: taken, home told
//      +-------------------------+  | KEEP, another home, time: given up, home told
//
// The home's side (handover.c): another server is asked to take a cursor
//
//   ASKED --HANDOVER each HANDOVER_NS--> target: offers, asked by the home
//     | CONFIRM OK, or an entry with a higher epoch: DROP here, done
//     | refused or silent: the next target; none left, or the lapse time: given up, goes on serving
//
// Either side's move is over when the cursor itself ends.
//
// What starts a move:
//   orphans.c    a server is dead: each survivor walks its cursors and takes those that rendezvous hashing
//                gives to it, among live servers whose log still holds what the cursor needs
//   suspects.c   a client fell silent: the others are asked to reach it, and one that does gets it
//   arrivals.c   nobody here: the client resumed by itself; and the records of all
//   drain.c      this server is drained, or has lost a stream's feed while another has it: all go elsewhere
//   cores.c      a core of this server stands still, or has more than its share: others offer
//
// What fences: an entry with a higher epoch for a cursor that is ours makes the core drop it (migration.c).
// A server that hears fewer than half of the others (of two or more), or lost the stream's feed, offers
// nothing, but a core of it its own cursors. But for death and a core that stands still a cursor moves at most once in
// MIGRATION_PAUSE_NS.
//
// Owner and thread: control. Limits: `moves_max` moves at a time, then refused and counted; the last
// MIGRATION_RECORDS moves are kept for people.
#ifndef CONTROL_MIGRATION_H
#define CONTROL_MIGRATION_H

#include "control/cursor_table.h"
#include "control/rebalance.h"
#include "dataplane/core.h"
#include "dataplane/peers.h"

#define MIGRATION_RECORDS  1024
#define MIGRATION_PAUSE_NS 1000000000ull
#define MIGRATION_NOBODY   UINT32_MAX

struct migration; // opaque

struct migration_config {
	uint16_t server, weight;
	uint32_t cores;
	uint32_t moves_max;
	uint64_t interval_ns; // clients' keep-alive
	uint64_t lapse_ns;
	uint64_t detect_ns; // silence after which a server is suspect
	uint32_t offers_ms; // offers begun in a millisecond
	uint64_t random;    // seed of nonces
};

struct migration_ops {
	void *arg;
	// To a core's mailbox; false: it is full, and the same is tried again.
	bool (*command)(void *arg, uint32_t core, enum core_command_kind kind,
			const struct core_command *command);
	// A frame without MAC to a peer (by index); false: no room.
	bool (*post)(void *arg, uint32_t peer, const void *frame, uint32_t length);
	// The core that offers this client a home, of `attempt` tries: the one that has it already (0 only), else one
	// that sends and makes turns. Below `cores`.
	uint32_t (*core_of)(void *arg, uint64_t client, uint32_t attempt);
};

// What is known of the others and of the streams, kept up to date by the owner before each step.
struct migration_peer {
	uint16_t id, weight;
	struct godwit_address address;
	bool is_up; // hears us and is heard: cursors may go there
	bool is_dead;
	bool is_draining; // no cursors may go there, but orphans that nobody else can serve
};

struct migration_log {	  // of one stream at one server
	uint64_t session; // 0: none
	uint64_t earliest, end;
	uint64_t commit; // of our own only
	uint32_t feed_age_ms;
};

struct migration_stream {
	const char *name;
	struct migration_log own;
	struct migration_log peers[SERVER_PEERS_MAX];
};

struct migration_view {
	uint32_t peers_count, streams_count;
	struct migration_peer peers[SERVER_PEERS_MAX];
	struct migration_stream streams[SERVER_STREAMS_MAX];
	struct rebalance_core cores[SERVER_CORES_MAX]; // of this server
};

enum migration_outcome {
	MIGRATION_PENDING,
	MIGRATION_MOVED,     // the client is at `to`
	MIGRATION_KEPT,	     // the client keeps its home
	MIGRATION_ELSEWHERE, // another server has it
	MIGRATION_EXPIRED,   // the client answered nobody
	MIGRATION_REFUSED,   // no server would, or no room
	MIGRATION_WITHDRAWN, // the reason is gone
	MIGRATION_ENDED,     // the cursor ended meanwhile: there is nothing to move
};

struct migration_record {
	uint64_t client, session;
	uint32_t subscription;
	uint16_t from, to;
	uint16_t reason;  // enum godwit_migration_reason
	uint16_t outcome; // enum migration_outcome
	uint64_t detected_ns; // what it is for was found: a death, a silence, an order, or the RESUME came
	uint64_t first_ns; // the first message went out here; 0: none did, or it was elsewhere
	uint64_t ended_ns; // it was known here how it ended
	uint64_t replayed; // messages between the cursor and the commit when it began; of our own only
	uint64_t handover_seq; // the one after that commit: the first that may have come live
};

#define MIGRATION_COUNTERS(X)                                                                      \
	X(offers, "offers begun")                                                                  \
	X(taken, "cursors taken over")                                                             \
	X(kept, "offers that the client refused")                                                  \
	X(held, "offers that the client holds")                                                    \
	X(expired, "moves that nobody answered")                                                   \
	X(elsewhere, "moves that another server was faster with")                                  \
	X(withdrawn, "offers withdrawn: the home was heard again")                                 \
	X(ended, "moves of cursors that ended meanwhile")                                          \
	X(full, "moves not begun: the table of moves is full")                                     \
	X(handovers, "cursors that another server was asked to take")                              \
	X(handed, "cursors handed over")                                                           \
	X(handover_refused, "answers of servers that would not take a cursor")                     \
	X(asked_refused, "cursors that we were asked to take and would not")                       \
	X(arrived, "cursors that came by a RESUME before a move of theirs was known here")         \
	X(arrivals_crowded,                                                                        \
	  "arrivals forgotten before their first message: others took their place")                \
	X(dropped, "subscriptions dropped because their cursor has a newer home")                  \
	X(suspects, "clients that fell silent")                                                    \
	X(suspects_back, "... and were heard again before anybody took them")                      \
	X(suspects_reached, "... that another server reaches")                                     \
	X(suspects_gone, "... that nobody reaches")                                                \
	X(probes_asked, "probes made for other servers")                                           \
	X(crowds, "times that too many clients fell silent at once: the port is suspect")          \
	X(isolated, "times that we offered nothing: too few servers are heard")                    \
	X(feed_lost, "streams whose feed we lost while another server had it")                     \
	X(rebalances, "orders to even out the cores that were begun")                              \
	X(rebalance_moves, "cursors offered by a core that had fewer")                             \
	X(rebalance_moved, "... and that went there")                                              \
	X(rebalance_again, "orders to even out the cores while one was carried out")               \
	X(rebalance_even, "orders to even out cores that were even")                               \
	X(rebalance_one_core, "orders refused, or not carried on: no second core takes clients")   \
	X(rebalance_draining, "orders refused, or not carried on: the server is drained")          \
	X(frames_odd, "frames of peers that made no sense here")

enum migration_counter {
#define X(name, help) MIGRATION_COUNT_##name,
	MIGRATION_COUNTERS(X)
#undef X
	MIGRATION_COUNTERS_COUNT
};

// NULL with errno ENOMEM. table and ops' arg outlive it.
struct migration *migration_create(const struct migration_config *config,
				   struct cursor_table *table, const struct migration_ops *ops);
void migration_destroy(struct migration *migration);

struct migration_view *migration_view(struct migration *migration);

// An entry of a cursor, of this server's own feed or of a peer's: merged into the table, and acted on.
void migration_entry(struct migration *migration, const struct cursor *entry, uint64_t now_ns);
// A notice of a core: OFFER_*, CLIENT_SUSPECT, CLIENT_BACK, PROBE_REPLY, ARRIVED, SERVED; others are ignored.
void migration_notice(struct migration *migration, enum core_notice_kind kind,
		      const struct core_notice *notice, uint64_t now_ns);
// A checked frame of a peer: HANDOVER, HANDOVER_CONFIRM, PROBE_FOR, PROBE_RESULT.
void migration_frame(struct migration *migration, uint32_t peer, const void *frame,
		     uint64_t now_ns);
// A server is dead, or its old incarnation is. view says is_dead or not, afterwards.
void migration_dead(struct migration *migration, uint32_t peer, uint64_t now_ns);
// It is heard again in the incarnation that was dead.
void migration_heard(struct migration *migration, uint32_t peer, uint64_t now_ns);
// A core of this server serves no more: its cursors are offered to the same clients by others.
void migration_core_lost(struct migration *migration, uint32_t core, uint64_t now_ns);
// Time passes: to be called every millisecond or so.
void migration_step(struct migration *migration, uint64_t now_ns);

struct migration_progress { // of an order
	bool is_active;
	uint32_t left;
	uint32_t moved; // since it began
	uint32_t stuck; // attempts that no client accepted within the lapse time
};

// ---- drain ---------------------------------------------------------------------------------------

// Hand all cursors over, and take none (but orphans that nobody else can serve), until migration_undrain.
// GODWIT_OK, also of a server that is drained; GODWIT_NOT_ALLOWED: no other server is up and takes clients;
// GODWIT_UNKNOWN_STREAM: none of those holds one of our streams. *stream: that one's name, as in the view; else
// NULL. stream may be NULL.
enum godwit_code migration_drain(struct migration *migration, uint64_t now_ns, const char **stream);
void migration_undrain(struct migration *migration, uint64_t now_ns);

// left: cursors that are still served here.
struct migration_progress migration_drain_progress(const struct migration *migration);

// ---- rebalance -----------------------------------------------------------------------------------

enum migration_rebalance {
	MIGRATION_REBALANCE_BEGUN,
	MIGRATION_REBALANCE_AGAIN,    // one is carried out already
	MIGRATION_REBALANCE_EVEN,     // nothing to do: two cores differ by one cursor at most
	MIGRATION_REBALANCE_ONE_CORE, // no two cores send and make turns
	MIGRATION_REBALANCE_DRAINING, // all are to leave the server anyway
	MIGRATION_REBALANCE_UNEVEN, // its rounds are over: some could not be moved, or came meanwhile
};

// Even the cursors out over the cores of this server: each is offered to its client by the core that lacks most,
// so many at a time. It ends when they are even, after three rounds, or with a drain. What comes and goes
// meanwhile is looked at in the next round. Never UNEVEN.
enum migration_rebalance migration_rebalance(struct migration *migration, uint64_t now_ns);

// left: cursors to move of this round; at the end: that could not be moved.
struct migration_progress migration_rebalance_progress(const struct migration *migration);
// How the last order ended: EVEN, ONE_CORE, DRAINING or UNEVEN; BEGUN: it has not ended, or there was none.
enum migration_rebalance migration_rebalance_end(const struct migration *migration);

// ---- for people ----------------------------------------------------------------------------------

uint64_t migration_counter(const struct migration *migration, enum migration_counter which);
const char *migration_counter_name(enum migration_counter which);
// The i-th last move, 0 the newest; NULL where it is not kept or there was none.
const struct migration_record *migration_record(const struct migration *migration, uint32_t i);
uint32_t migration_pending(const struct migration *migration);
const char *migration_outcome_name(uint32_t outcome);

#endif
