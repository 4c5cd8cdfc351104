// SPDX-License-Identifier: BSD-3-Clause
//
// The keeper: keeps the record of every stream that this server leads, from the start of the process on.
//
//   READING -+- no record -> MEETING: every replica holds nothing ------------- new session --.
//            +- record ---> CHOOSING: whose log? -- epoch + 1, set without us --> FETCHING    |
//                              '-- all in sync lost their memory -- new session --.   | set   |
//                                                                                 v   v       v
//                                                                    LEADING: shrinks and grows the set
//
// - Nothing is ordered of the stream's home core before the record that allows it is in force: FETCH after
//   the record without us, RECORD after each record with us.
// - Lost is a member of which a newer incarnation was seen, and what we recorded of ourselves. Who is only
//   not reachable is waited for: one at least; for the others start_timeout from the first one on.
// - An operator may have MEETING or CHOOSING go on with what servers hold: a record of those, then CHOOSING.
// - A member that refuses to be fetched from for start_timeout (its log was being filled anew when we went) is
//   left out, and the next one asked. When all that are there were, they are asked again after start_timeout: one
//   epoch for each that is asked.
// - Only who proposed itself by its home core's word is added, in that incarnation. A member that lost its
//   memory is removed at once; one that is dead, cut off or lags only while min_in_sync remain: below it nothing
//   commits, so nothing is gained, and what it holds would be given up.
// - One change of a stream is under way at a time; what comes meanwhile goes into the next. After an
//   unknown end the record is read again first.
//
// Pure steps: peers are read from server->peers. Thread: control. Limits: SERVER_STREAMS_MAX streams.
#ifndef CONTROL_KEEPER_H
#define CONTROL_KEEPER_H

#include "control/cluster.h"
#include "dataplane/server.h"

#define KEEPER_RETRY_NS                                                                            \
	1000000000ull // until a record is tried again that could not be read or written
#define KEEPER_LAGS_NS	    100000000ull // so long the word holds that a member lags
#define KEEPER_STILL_NS	    20000000ull	 // without a step: the process stood still
#define KEEPER_REFUSED_NS   500000000ull // without its word: it refuses no more
#define KEEPER_ADOPT_EPOCHS 65536	 // above what logs show, where no record shows more
#define KEEPER_BRIEF_BYTES  64
#define KEEPER_TEXT_BYTES   (CLUSTER_WHY_BYTES + 128)

struct keeper;

enum keeper_state {
	KEEPER_READING,
	KEEPER_MEETING,
	KEEPER_CHOOSING,
	KEEPER_FETCHING,
	KEEPER_LEADING,
};

enum keeper_why { // why it goes no further
	KEEPER_GOES_ON,
	KEEPER_WAITS_FOR,      // `server` has not said what it holds
	KEEPER_REFUSES_PEER,   // `server` and we do not take part with each other
	KEEPER_HELD_ELSEWHERE, // there is no record, but `server` holds a session of the stream
	KEEPER_NOBODY,	       // the record names nobody
	KEEPER_NOT_WHOLE,      // `server` is there, but nobody can go on from what it holds now
	KEEPER_NO_RECORD,      // the record cannot be read or written: `text`
};

struct keeper_stream {	 // that this server leads
	uint32_t kept;	 // its number in the cluster
	uint32_t number; // its number in server->streams
	uint16_t min_in_sync;
	uint32_t replica_count;
	uint16_t replicas[SERVER_PEERS_MAX];
};

// Orders to a stream's home core. False: no room, tried again in the next step.
struct keeper_ops {
	// The record in force, with this server in it. proposals: the proposals up to this number are
	// answered by it, whatever it says.
	bool (*record)(void *arg, uint32_t number, const struct cluster_record *record,
		       uint64_t proposals);
	// Get the log of that server, in the record's session and epoch.
	bool (*fetch)(void *arg, uint32_t number, const struct cluster_record *record,
		      uint16_t server);
	uint64_t (*random)(void *arg); // not to be foreseen
	void *arg;
};

struct keeper_config {
	const struct server *server; // its id, incarnation and peers; outlives the keeper
	struct cluster *cluster;     // the same; its events are the keeper's
	uint64_t start_timeout_ns;
	uint32_t stream_count;
	const struct keeper_stream *streams; // copied
	struct keeper_ops ops;
};

struct keeper_view { // of one stream, for people and tools
	enum keeper_state state;
	enum keeper_why why;
	uint16_t server; // WAITS_FOR, REFUSES_PEER, HELD_ELSEWHERE, NOT_WHOLE; FETCHING: the source
	uint32_t number;
	struct cluster_record record; // in force as far as is known; revision 0: none
	uint64_t changes;	      // records that came into force here
	char text[CLUSTER_WHY_BYTES];
};

// *config is copied. NULL: no memory, or too many streams. To be ended by keeper_destroy(); NULL is well.
struct keeper *keeper_create(const struct keeper_config *config);
void keeper_destroy(struct keeper *keeper);

// Carry on with all streams. To be called at least every few ms. The first call begins the start: own
// incarnation stands from then on. May block for a write to a disk (cluster_next).
void keeper_step(struct keeper *keeper, uint64_t now_ns);

// Notices of home cores; number: the stream's, in server->streams. Of streams or servers that are not kept, and
// in states in which they mean nothing: no effect (a home core repeats what is not answered).
// A peer has caught up, in that incarnation, and counts already. proposal: grows with each, not 0.
void keeper_proposed(struct keeper *keeper, uint32_t number, uint16_t server, uint64_t incarnation,
		     uint64_t proposal);
// A member keeps all others back.
void keeper_lags(struct keeper *keeper, uint32_t number, uint16_t server, uint64_t incarnation,
		 uint64_t now_ns);
// The log of the server that FETCH named is here.
void keeper_fetched(struct keeper *keeper, uint32_t number, uint16_t server, uint64_t incarnation);
// The server that FETCH named does not let it be fetched now.
void keeper_refused(struct keeper *keeper, uint32_t number, uint16_t server, uint64_t incarnation,
		    uint64_t now_ns);

// ---- an operator's order -------------------------------------------------------------------------

enum keeper_adoption {
	KEEPER_ADOPT_ORDERED, // the record is on its way; what comes of it, the stream's state tells
	KEEPER_ADOPT_NOT_WAITING,   // the stream is not kept here, is led, or goes on by itself
	KEEPER_ADOPT_NO_RECORD,	    // its record cannot be read or written now
	KEEPER_ADOPT_HOLDS_NOTHING, // that server is no replica of it, is not there, or holds nothing
	KEEPER_ADOPT_GIVES_UP,	    // other replicas do not answer, or hold another session
};

struct keeper_given_up {
	uint32_t count;
	uint16_t servers[SERVER_PEERS_MAX];
};

// What became of orders, each counted once.
#define KEEPER_COUNTERS(X)                                                                         \
	X(adopts, "orders to adopt that were begun")                                               \
	X(adopts_not_waiting, "orders refused: not kept here, led, or goes on by itself")          \
	X(adopts_no_record, "orders refused: the record cannot be read or written now")            \
	X(adopts_holds_nothing, "orders refused: no replica, not there, or holds nothing")         \
	X(adopts_gives_up, "orders refused: what others may hold was not to be given up")

enum keeper_counter {
#define X(name, help) KEEPER_COUNT_##name,
	KEEPER_COUNTERS(X)
#undef X
	KEEPER_COUNTERS_COUNT
};

// Go on with the session that `server` holds: those that hold the longest log of it are made the in-sync set, in their
// present incarnations, and it is fetched. For a stream that waits for a record, or for a server that may be lost for
// good; what was acknowledged and none of them holds is lost. gives_up: also where replicas do not answer or hold
// another session, and what `server` holds is enough: it and those that hold more are the set, and the longest log
// that can be had of those is fetched. *given_up: the silent and the strange ones, of ORDERED and GIVES_UP.
enum keeper_adoption keeper_adopt(struct keeper *keeper, uint32_t number, uint16_t server,
				  bool gives_up, struct keeper_given_up *given_up);

// Since it was created. Thread: that of the steps.
uint64_t keeper_counter(const struct keeper *keeper, enum keeper_counter which);
const char *keeper_counter_name(enum keeper_counter which);

// The streams kept, and each of them. i: below the count.
uint32_t keeper_count(const struct keeper *keeper);
void keeper_look(const struct keeper *keeper, uint32_t i, struct keeper_view *view);

// "leading"; a few words, as "waiting for server 2", "open"; and a sentence of what a stream does or waits
// for, without its name.
const char *keeper_state_name(enum keeper_state state);
void keeper_brief(const struct keeper_view *view, char text[KEEPER_BRIEF_BYTES]);
void keeper_text(const struct keeper_view *view, char text[KEEPER_TEXT_BYTES]);

#endif
