// SPDX-License-Identifier: BSD-3-Clause
//
// What a server knows of its cluster, as plain structs: for people, by way of telemetry (admin_*.c), and
// for whoever else wants to look. Reads only.
//
//   peers, links, streams, registry, cursor table, plane --view_*--> struct view_* --admin_*.c--> telemetry
//
// Lists are read page by page, so that each call is bounded: *next is 0 to begin, and 0 again at the end. A
// list that changes meanwhile is read as it is then; what was there all the time is met once.
//
// Thread: any, under the daemon's lock, which keeps the control thread out of what it owns; a test that has
// but one thread needs none. Ownership: views point at nothing but constants and names that outlive them.
#ifndef CONTROL_ADMIN_VIEW_H
#define CONTROL_ADMIN_VIEW_H

#include "control/config.h"
#include "control/cursor_table.h"
#include "control/keeper.h"
#include "control/link.h"
#include "control/migration.h"
#include "control/registry.h"

#define VIEW_NEVER UINT64_MAX // of times and positions: never, not known

struct view_stream;
struct view_migration;

enum view_order { // answers to an order
	VIEW_ORDER_DONE,
	VIEW_ORDER_ALREADY,	  // it is drained, or not, already; its cores are being evened out
	VIEW_ORDER_EVEN,	  // its cores are even: nothing to do
	VIEW_ORDER_UNEVEN,	  // its rounds are over, and its cores are not even
	VIEW_ORDER_ONE_CORE,	  // refused: no second core takes clients
	VIEW_ORDER_DRAINING,	  // refused: all are to leave it anyway
	VIEW_ORDER_LAST,	  // refused: no other live server takes clients
	VIEW_ORDER_STREAM,	  // refused: of those that do, none holds one of its streams
	VIEW_ORDER_NO_RECORD,	  // refused: the stream's record cannot be read or written now
	VIEW_ORDER_NOT_WAITING,	  // refused: the stream waits for nobody's word
	VIEW_ORDER_HOLDS_NOTHING, // refused: that server is not there, or holds nothing of the stream
	VIEW_ORDER_GIVES_UP,   // refused: another replica does not answer, or holds another session
	VIEW_ORDER_UNKNOWN,    // there is no such server in the cluster
	VIEW_ORDER_ELSEWHERE,  // it is a member, but another process: to be asked there
	VIEW_ORDER_ALONE,      // this server is in no cluster
	VIEW_ORDER_UNANSWERED, // the control thread did not get to it in time
	VIEW_ORDERS
};

// What only the control plane can tell or do. A function that is NULL has nothing to tell.
struct view_plane {
	void *arg;
	const struct link_detector *(*link)(void *arg, uint32_t peer); // by index
	// Fill in what the plane knows of a stream: state, record, in-sync set, replicas' acknowledgements.
	void (*stream)(void *arg, uint32_t number, struct view_stream *view);
	// The i-th last migration, 0 the newest. False: not kept, or none.
	bool (*migration)(void *arg, uint32_t i, struct view_migration *view);
	struct migration_progress (*drain_progress)(void *arg);
	// Drain this server, or no more. *stream: of VIEW_ORDER_STREAM its name, else NULL. Thread: control.
	enum view_order (*drain)(void *arg, bool on, uint64_t now_ns, const char **stream);
	struct migration_progress (*rebalance_progress)(void *arg);
	// How the last one ended, as EVEN, ONE_CORE, DRAINING or UNEVEN; DONE: it goes on, or there was none.
	enum view_order (*rebalance_end)(void *arg);
	// Even its cores out. Thread: control.
	enum view_order (*rebalance)(void *arg, uint64_t now_ns);
	// Go on with what a server holds of a stream (keeper_adopt). Thread: control.
	enum view_order (*adopt)(void *arg, uint32_t number, uint16_t server, bool gives_up,
				 struct keeper_given_up *given_up);
};

struct view_sources {
	const struct config *config;
	struct server *server;
	const struct registry *registry;
	// of a cluster; NULL: this server stands alone
	const struct cursor_table *cursors;
	struct view_plane plane;
};

// ---- servers (admin_view_servers.c) --------------------------------------------------------------

struct view_server {
	uint16_t id, weight;
	bool is_self;
	struct godwit_address address;
	const char *link;     // "self", "unknown", "up", "suspect", "dead"
	uint64_t link_ms;     // since when; VIEW_NEVER: not known
	uint64_t incarnation; // 0: never heard
	const char *refusal;  // why it takes no part; "": it does
	uint64_t interval_us;
	uint32_t multiplier;		// in force
	uint64_t heard_ms, hears_us_ms; // ago
	uint64_t flaps, heartbeats_missed, data_missed;
	uint32_t cursors; // at home there
	uint32_t share;	  // of all live cursors, in thousandths
	bool is_draining;
	struct migration_progress drain, rebalance; // of this one only
	enum view_order rebalance_end;		    // the same: as rebalance_end()
};

// How many servers there are; the first is this one, the others in the order of its peers.
uint32_t view_servers(const struct view_sources *sources);
// number: below that.
void view_server(const struct view_sources *sources, uint32_t number, uint64_t now_ns,
		 struct view_server *view);

struct view_change {
	uint64_t time_ns; // monotonic
	uint64_t ago_ms;
	const char *from, *to, *why;
};

// The i-th last change of the link to a server, 0 the newest. False: not kept, or none.
bool view_change(const struct view_sources *sources, uint32_t number, uint32_t i, uint64_t now_ns,
		 struct view_change *view);

// ---- streams (admin_view_streams.c) --------------------------------------------------------------

#define VIEW_STATE_BYTES   64
#define VIEW_EXPLAIN_BYTES 320 // KEEPER_TEXT_BYTES

struct view_replica {
	uint16_t server;
	bool is_in_sync;
	bool has_told;	      // whether it ever said what it holds
	uint64_t acked;	      // messages that it holds for sure, or VIEW_NEVER
	uint64_t lag;	      // messages behind this server's end
	uint64_t feed_age_ms; // VIEW_NEVER: never fed
};

struct view_stream {
	const char *name;
	const char *role; // "alone", "primary", "replica"
	uint16_t primary; // server id
	uint64_t session; // of the log; 0: it holds none yet
	bool is_served;	  // clients are served under it now
	uint32_t epoch;
	uint64_t earliest, head, commit;
	uint64_t feed_age_ms;
	uint32_t home;	     // core
	uint32_t publishers; // that ever opened it
	uint32_t min_in_sync;
	bool is_in_sync_known; // only the primary knows who is in sync
	uint32_t in_sync_count;
	uint16_t in_sync[SERVER_LIST_MAX];    // ids, ascending
	char state[VIEW_STATE_BYTES];	      // "open", "waiting for server 2", ...
	char explanation[VIEW_EXPLAIN_BYTES]; // a sentence where it is not open, or ""
	uint32_t replicas_count;
	struct view_replica replicas[SERVER_LIST_MAX];
};

void view_stream(const struct view_sources *sources, uint32_t number, uint64_t now_ns,
		 struct view_stream *view);

// The stream of a session, or NULL.
const struct stream *view_stream_of(const struct view_sources *sources, uint64_t session);

// ---- clients and cursors (admin_view_cursors.c) --------------------------------------------------

struct view_client {
	uint64_t id, instance;
	struct godwit_address address;
	uint32_t core;
	const char *link;	// "up"; "silent": for more than interval x multiplier
	uint64_t heard_ms;	// ago
	uint32_t subscriptions; // at home here; UINT32_MAX: not known
};

// The next clients of this server, at most `max`, of at most `slots` places looked at. Returns how many.
uint32_t view_clients(const struct view_sources *sources, uint32_t *next, uint64_t now_ns,
		      struct view_client *views, uint32_t max, uint32_t slots);

struct view_cursor {
	struct cursor cursor;
	const char *stream; // "": of a session that is not here
	uint64_t lag;	    // messages committed here behind which it is; VIEW_NEVER: not known
	uint64_t heard_ms;  // ago
	const char *state;  // "live", "lapsed", "ended"
};

struct view_cursor_filter {
	uint16_t home;	 // 0: all
	uint64_t client; // 0: all
};

// The next cursors that the filter lets through, likewise. Of one client: all at once, as far as they fit.
uint32_t view_cursors(const struct view_sources *sources, const struct view_cursor_filter *filter,
		      uint32_t *next, uint64_t now_ns, struct view_cursor *views, uint32_t max,
		      uint32_t slots);

// One live cursor; false if it is not known.
bool view_cursor(const struct view_sources *sources, const struct cursor_key *key, uint64_t now_ns,
		 struct view_cursor *view);

// ---- migrations ----------------------------------------------------------------------------------

struct view_migration {
	uint64_t client, session;
	uint32_t subscription;
	uint16_t from, to; // server ids
	const char *reason, *outcome;
	uint64_t detected_ns; // monotonic
	uint64_t first_ns;    // the first message went out there; 0: not known here, or none did
	uint64_t ended_ns;    // it was known here how it ended
	uint64_t replayed;
	uint64_t handover_seq;
};

// ---- resolve (admin_view_streams.c) --------------------------------------------------------------

struct view_resolved {
	const char *stream; // "": no stream here has the session
	struct resolved resolved;
	bool has_next;	   // delivery would begin, at once or by the policy `earliest`, ...
	uint64_t next;	   // ... with this sequence
	bool has_place;	   // that the log holds ...
	uint64_t position; // ... here, in bytes since its beginning
	uint64_t commit, earliest, head;
};

void view_resolve(const struct view_sources *sources, struct godwit_identifier identifier,
		  struct view_resolved *view);

#endif
