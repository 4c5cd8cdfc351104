// SPDX-License-Identifier: BSD-3-Clause
//
// A core: everything that one poll loop owns, and its turn. Clients, subscriptions, live dispatchers,
// ready lists and timers belong to one core and are touched by no other thread; what crosses is in
// the server (streams' logs, heads) or goes by crossings.
//
// core_turn is the picture of a message's way, left to right (docs/architecture.md). It makes no system
// call, takes no lock and allocates nothing. The simulator calls it with its own time and tx.
#ifndef DATAPLANE_CORE_H
#define DATAPLANE_CORE_H

#include "dataplane/burst.h"
#include "dataplane/counters.h"
#include "dataplane/cursor_feed.h"
#include "dataplane/filter.h"
#include "dataplane/moves.h"
#include "dataplane/server.h"
#include "dataplane/subscription.h"

struct core_config {
	uint32_t id;	      // index in the server
	uint32_t clients_max; // power of two, HANDLE_SLOTS_MAX at most
	uint32_t subscriptions_max;
	uint32_t ring_slots;	   // of each client ring, power of two
	uint32_t classes_max;	   // filter classes of each stream
	uint32_t class_topics_max; // topics of all classes of each stream
	uint32_t mailbox_slots;	   // of inbox and outbox each, power of two
	uint32_t notices_ms; // answers to offers and probes that control is told of in a millisecond
	uint64_t random[2];  // seed of handles and keys, from the system's generator
	// budgets of one turn
	uint32_t live_budget;	   // slices cut, matched and put on rings
	uint32_t egress_budget;	   // packets
	uint32_t temporary_budget; // bytes of log scanned by temporary dispatchers, all together
};

// A client's handle: core << 56 | slot << 32 | generation, which is random at start. A frame that names another
// core than the one where it arrived crosses to that one.
#define HANDLE_SLOTS_MAX (1u << 24)

static inline uint32_t handle_core(uint64_t handle)
{
	return (uint32_t)(handle >> 56);
}

static inline uint32_t handle_slot(uint64_t handle)
{
	return (uint32_t)(handle >> 32) & (HANDLE_SLOTS_MAX - 1);
}

extern const struct core_config core_config_default; // daemon's defaults but for id and random

// Commands from control (crossing.kind of the inbox; data: struct core_command). Those about clients and their
// subscriptions are told in moves.h. OFFER goes to a core that sends (server_core_sends), PROBE to the link core.
enum core_command_kind {
	CORE_COMMAND_STOP = 1,
	CORE_COMMAND_CLOSE_CLIENT,
	CORE_COMMAND_OFFER,
	CORE_COMMAND_DROP,
	CORE_COMMAND_MIGRATE,
	CORE_COMMAND_PROBE,
	CORE_COMMAND_RECORD, // struct replication_record
	CORE_COMMAND_FETCH,  // struct replication_fetch
};
struct core_command {
	uint64_t handle;     // CLOSE_CLIENT
	uint64_t instance;   // CLOSE_CLIENT: the instance that takes its place. OFFER: the client's
	uint64_t client;     // OFFER, DROP, MIGRATE
	uint64_t session;    // MIGRATE: of the cursor
	uint64_t tag;	     // OFFER, MIGRATE: the subscription's
	uint64_t connection; // OFFER: of a client that is new here; 0: tag serves. PROBE
	uint64_t cursor_epoch; // OFFER: the one offered, 0 takes it back. DROP: those below it. MIGRATE: its own
	uint64_t nonce;	       // PROBE
	uint32_t subscription; // OFFER, DROP, MIGRATE
	uint16_t target;       // MIGRATE: server id; 0: no more
	uint16_t reason;       // OFFER, MIGRATE: enum godwit_migration_reason
	uint16_t code; // CLOSE_CLIENT: REPLACED (the same process came in anew), else FENCED
	struct godwit_address address; // OFFER, PROBE
	bool by_home;		       // OFFER
};
// Notices to control (crossing.kind of the outbox; data: struct core_notice).
enum core_notice_kind {
	CORE_NOTICE_OPENED = 1,
	CORE_NOTICE_CLOSED,
	CORE_NOTICE_STOPPED,
	CORE_NOTICE_OFFER_KEPT,	   // the client keeps its home: cursor_epoch is its own
	CORE_NOTICE_OFFER_HELD,	   // it decides within the lapse time
	CORE_NOTICE_OFFER_REFUSED, // it was not made: code
	CORE_NOTICE_CLIENT_SUSPECT,
	CORE_NOTICE_CLIENT_BACK,
	CORE_NOTICE_PROBE_REPLY,
	CORE_NOTICE_ARRIVED, // a cursor came from another home
	CORE_NOTICE_SERVED,  // its first message went out
	CORE_NOTICE_PROPOSE, // struct replication_notice: a peer may be taken into the in-sync set
	CORE_NOTICE_LAGS, // the same: it keeps the commit back by more than half the smallest log
	CORE_NOTICE_FETCHED, // the same: the log of the member is here
	CORE_NOTICE_REFUSED, // the same: it does not let its log be fetched now
};
struct core_notice {
	uint64_t client, instance, handle;
	uint64_t tag;	       // OPENED, CLIENT_SUSPECT, CLIENT_BACK, PROBE_REPLY: connection tag
	uint64_t cursor_epoch; // OFFER_*, ARRIVED, SERVED
	uint64_t nonce;	       // PROBE_REPLY
	uint64_t at_ns;	       // OPENED, ARRIVED, SERVED: when, monotonic
	uint64_t session;      // ARRIVED, SERVED
	uint64_t seq, commit;  // ARRIVED: position, and the commit then
	uint32_t core;
	uint32_t subscription; // OFFER_*, ARRIVED, SERVED
	uint16_t from;	       // ARRIVED: server id of the home before
	bool again; // ARRIVED: it came under a lower epoch before, and got no message under that
	uint16_t code; // OFFER_REFUSED: LIMIT (or no queue), FENCED (instance: the higher one), REPLACED
	bool by_offer; // OPENED: it took an offer, and may be a client of another core as well
	struct godwit_address address;
};
#define CORE_COMMAND_BYTES 384 // slot_bytes of inbox and outbox

enum ready_list {
	READY_NONE,
	READY_LIVE,
	READY_REPLAY
};

struct ready {
	uint32_t head, tail;
	uint32_t count;
};

struct live_entry { // a run that matched a class, being fanned out
	uint32_t class_number;
	struct slice run;
};

// The live dispatcher of one stream on one core.
struct live {
	struct stream *stream;
	struct filters *filters;
	bool active;	    // it has members
	bool fanning;	    // `slice` is being fanned out
	bool at_cut;	    // `slice` begins a cut interval
	struct place place; // next to cut: behind the slice being fanned out
	struct slice slice;
	uint64_t done;		// end of the last slice whose fan-out is complete
	uint64_t coverage_at;	// when `done` gets here, quiet filters are told
	uint32_t cover_next;	// the next of them to be looked at; NONE: no round is under way
	uint32_t members;	// list of whole members
	uint32_t members_count; // whole and filtered
	uint32_t quiet;		// list of filtered members, by quiet_next
	uint32_t whole_next;	// where the fan-out goes on
	uint32_t entry_next, entry_member;
	uint32_t entries_count;
	struct live_entry *entries;
};

// What all packets of one slice have in common, kept so that egress works it out once.
struct slice_facts {
	uint64_t first, bits; // the slice
	const struct stream *stream;
	uint64_t time_ns; // of its first record
	uint32_t epoch;
	uint32_t sum;		   // of `header` and of the records: ones-complement, not folded
	struct godwit_data header; // without what is the subscription's own
};
#define CORE_FACTS 256

struct core {
	struct core_config config;
	struct server *server;
	struct tx tx;
	uint64_t now_ns, wall_ns; // of this turn
	uint64_t random[2];
	struct counters *counters;
	bool tx_is_full; // no more this turn
	bool sends; // it owns a queue of a port: set with its loop, then read-only	w: control   r: all
	bool stopping, stopped;
	uint32_t stop_next; // next client to be told
	// clients
	struct client *clients;
	uint32_t client_free, client_count;
	uint32_t *client_heads; // hash of client ids
	_Atomic uint64_t
		*client_heard; // packed, swept some slots a turn; 0: slot free	w: core   r: all
	uint32_t sweep_next;
	uint64_t sweep_due_ns;
	struct wheel_timer *timers; // heartbeats, by client slot
	struct wheel wheel;
	uint32_t *wheel_heads;
	struct moves moves;
	struct cursor_feed_core feed;
	uint64_t distrust_until_ns; // a late turn of ours: nobody is suspected before
	// subscriptions
	struct subscription *subscriptions;
	struct slice *ring_slots;
	uint32_t subscription_free, subscription_count;
	struct ready ready_live, ready_replay;
	// streams
	struct live *lives;  // by stream number
	uint32_t live_first; // stream that has the live budget first in the next turn
	struct slice_facts facts[CORE_FACTS];
	// other servers
	struct route peer_routes[SERVER_PEERS_MAX];
	// scratch of egress
	struct slice runs[256];
	// control
	struct crossing inbox, outbox;
	void *inbox_memory, *outbox_memory;
};

// NULL with errno EINVAL or ENOMEM. server's streams are set; tx is copied. Thread: control.
struct core *core_create(struct server *server, const struct core_config *config,
			 const struct tx *tx);
void core_destroy(struct core *core);
// Bytes of its tables, for the start-up report.
uint64_t core_bytes(const struct server *server, const struct core_config *config);

// One turn: deal with the burst, with what crossed, dispatch, send, keep time. now_ns: monotonic; wall_ns: since 1970. Returns how
// much was done, 0: nothing (an adaptive loop may sleep). Thread: the core.
uint32_t core_turn(struct core *core, struct burst *burst, uint64_t now_ns, uint64_t wall_ns);

// Count and random, for the stages. Thread: the core.
#define COUNT(core, name, n) counter_add((core)->counters, COUNTER_##name, (n))
#define DROP(core, name, n)  drop_add((core)->counters, DROP_##name, (n))
uint64_t core_random(struct core *core);

// Tell control; `core` of the notice is set here. False and counted: its ring is full. Thread: the core.
bool core_notify(struct core *core, enum core_notice_kind kind, struct core_notice notice);
// Obey what control sent, so many a turn. Returns how many. Thread: the core.
uint32_t core_obey(struct core *core);

#endif
