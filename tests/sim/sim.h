// SPDX-License-Identifier: BSD-3-Clause
//
// The simulator: servers, clients and publishers in one process and one thread, with virtual time and an
// in-memory network that loses, repeats, reorders, delays and cuts, all from one seed. It links the very
// files of the daemon and the library; only port, clock and randomness are its own.
//
//   network.c       packets under way, and what each path does to them
//   host.c          a server: its life, its turns, its law-1 sums
//   host_control.c  its control: links, records and their files
//   host_tx.c       what leaves a server, checked on its way out
//   truth.c         every committed record of every stream, read back from the logs
//   actor.c         clients and publishers: their lives, and what a publisher checks
//   interest.c      what an application checks of each of its subscriptions
//   rogue.c         a proved client that keeps to no rule
//   draw.c          draws clients and paths from a seed
//   draw_cluster.c  draws a cluster, and what breaks in it
//   draw_large.c    draws many servers, streams and clients
//   draw_rare.c     draws what that seldom brings about: faults in pairs, one after the other
//   draw_meetings.c ... and what takes several things at the right moments
//   draw_operator.c draws what only a person sets right: records lost, another configuration
//   faults.c        what breaks, by time
//   scenario.c      runs a world
//   left.c          what may not be left of clients at its end
//   without.h       a world without some of its pieces; shrink.c finds a small one that fails
//   coverage.h      what scenarios reach; coverage_names.c names all that can be reached
//   story_main.c    the program around a story: seeds, regressions, coverage
//   sim_NAME.c      a story: what it draws, and which faults come when
//
// A failure keeps its first message; the seed replays it exactly.
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include <stdio.h>

#include <godwit/client.h>

#include "control/cluster_static.h"
#include "control/keeper.h"
#include "control/plane.h"
#include "dataplane/core.h"
#include "tests/sim/coverage.h"

#define SIM_HOSTS	 7
#define SIM_STREAMS	 8
#define SIM_CORES	 4
#define SIM_ACTORS	 208
#define SIM_NODES	 (SIM_HOSTS + SIM_ACTORS) // hosts, then actors
#define SIM_INTERESTS	 3
#define SIM_NAMES	 8 // topic names that clients ask for
#define SIM_HOMES	 32768
#define SIM_CLIENT_ID	 1000ull // of the first actor
#define SIM_FILES	 SIM_STREAMS
#define HOST_INTERVAL_NS (10 * MS) // of heartbeats between hosts
#define SIM_FAULTS	 16
#define SIM_EPOCHS	 64
#define SIM_TRUTHS	 64
#define SIM_TOPICS	 8 // 1..SIM_TOPICS; the last is never published but at the end
#define SIM_MTU		 1500
#define MS		 1000000ull
#define US		 1000ull

struct sim;

// ---- randomness -------------------------------------------------------------------------------

struct rng {
	uint64_t state;
};

static inline uint64_t rng_next(struct rng *rng)
{
	uint64_t z = (rng->state += 0x9e3779b97f4a7c15ull);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static inline uint64_t rng_below(struct rng *rng, uint64_t n)
{
	assert(n > 0);
	return rng_next(rng) % n;
}

static inline bool rng_percent(struct rng *rng, uint32_t percent)
{
	return rng_below(rng, 100) < percent;
}

// ---- network ----------------------------------------------------------------------------------

struct link {			     // what happens to packets from one node to one other
	uint32_t loss, dup, reorder; // per cent
	uint64_t delay_ns, jitter_ns;
	uint32_t swallow; // packets above so many bytes vanish; 0: none
	uint8_t cuts;	  // faults that let nothing through
};

struct packet {
	uint64_t at_ns, order;
	struct godwit_address from, to;
	uint32_t bytes;
	uint8_t *data;
};

struct network {
	struct packet *heap;
	uint32_t count, capacity;
	uint64_t order;
	struct link links[SIM_NODES][SIM_NODES]; // [from][to]
};

// ---- truth ------------------------------------------------------------------------------------

struct truth_record {
	uint64_t publisher, instance, number; // from the payload
	uint64_t hash, time_ns;
	uint32_t topic, epoch;
};

struct truth { // of one session of one stream
	uint64_t session;
	uint32_t stream;
	struct truth_record *records; // sequence n at n - 1
	uint64_t count, capacity;
	uint64_t commit;
	struct { // what was committed by a primary alone, and lost with it
		uint64_t seq;
		struct truth_record record;
	} * lost;
	uint64_t lost_count;
	struct { // epoch that begins at `first`
		uint32_t epoch;
		uint64_t first;
	} epochs[SIM_EPOCHS];
	uint32_t epochs_count;
	struct committer {
		uint32_t epoch, host, generation;
	} committers[SIM_EPOCHS];
	uint32_t committers_count;
};

// ---- hosts ------------------------------------------------------------------------------------

struct host_core {
	struct host *host;
	struct core *core;
	uint8_t buffer[2048];
	struct route *route;
	uint32_t taken, taken_max; // packets this turn: the port's queue
	uint32_t no_route;	   // per cent
	struct packet inbox[256];
	uint32_t inbox_count;
	bool stands_still; // it makes no turns
	bool is_told_lost; // ... and control knows
	uint64_t stands_from_ns;
};

struct host_stream { // a stream as a host holds it; its number is the cluster's
	struct stream *stream;
	void *log_memory;
	uint64_t log_bytes;
	struct place place;   // where truth is read
	struct truth *truth;  // of the session that the place is of
	uint64_t commit_seen; // it never goes back within a session
	uint64_t reached;     // end of its log
	uint32_t reconciled;  // in that epoch with its primary, when it was read last
	// the same of its last process
	struct truth *truth_before;
	uint64_t reached_before;
	uint64_t hold_until_ns;
};

struct host_file {
	char name[80];
	char text[2048];
	size_t bytes;
};

struct host_control {
	struct cluster cluster;
	struct keeper *keeper;
	struct plane *plane;	       // NULL: a host alone
	uint32_t streams[SIM_STREAMS]; // that the keeper keeps, by its order
	uint64_t started_ns, due_ns;
	bool has_begun;	    // it may take roles
	uint64_t looked_ns; // when the operator did
};

struct host_sizes {		   // of the rings and tables between its threads
	uint32_t crossings, peers; // slots
	struct cursor_feed_config feed;
	uint32_t moves, offers_ms;
	uint32_t runs[SIM_STREAMS];
	uint32_t topics[SIM_STREAMS]; // 0: as many as the stream's others
};

enum host_room { // what it may have too little of for all, a bit each
	ROOM_CLIENTS = 1,
	ROOM_SUBSCRIPTIONS = 2,
	ROOM_FILTERS = 4,
};

struct host {
	struct sim *sim;
	uint32_t index; // server id - 1
	bool up, paused;
	bool is_other;	     // CRASH_OTHER
	uint32_t generation; // of its process, from 1
	struct server server;
	struct host_core cores[SIM_CORES];
	struct host_stream streams[SIM_STREAMS];
	struct godwit_address address;
	struct core_config config;
	struct host_sizes sizes;
	uint32_t lacks; // enum host_room
	uint32_t core_count;
	uint64_t unproved_in, unproved_out; // bytes from and to the attacker's address
	struct host_control control;
	struct host_file files[SIM_FILES]; // they survive its crash, as a rule
	uint32_t bad_disk;		   // per cent of writes to its files that fail
	uint64_t incarnation_floor;	   // its next process begins at or above it
	int64_t wall_offset_ns;		   // its clock is so much ahead
	uint64_t spread_ns;		   // how long a flow stays with a core, 0: for ever
	int32_t drift_ppm;		   // its monotonic clock is so much faster
	struct seen seen;		   // of its process, for the coverage
};

struct sim_stream {	   // of the cluster
	uint32_t sessions; // that it has had
	struct truth *truth;
	uint32_t topics_max, meta_max;
	uint32_t names[SIM_NAMES]; // numbers given, as clients were told; 0: none yet
	uint32_t primary;	   // host
	uint32_t replicas;	   // mask of hosts
	uint32_t min_in_sync;
	bool ack_local;
	uint64_t log_bytes;	      // the largest log that is drawn for it
	struct cluster_record record; // in force
	struct cluster_record written,
		written_before; // last on the disk; the last of the session before
	uint32_t adopted;	// hosts whose process may be a member since an order, whole or not
	bool given_up;		// by an order: what only silent servers held is lost
};

struct home_of { // who sends DATA of a cursor epoch
	uint64_t tag, epoch;
	uint32_t generation; // 0: free
	uint16_t host, core;
};

// ---- faults -----------------------------------------------------------------------------------

enum fault_kind {
	FAULT_CRASH,	 // a's memory is lost; amount: CRASH_* bits
	FAULT_POWER,	 // of all hosts
	FAULT_PAUSE,	 // a makes no turns, while its clock goes on
	FAULT_CUT,	 // nothing gets from a to b (nodes)
	FAULT_SPLIT,	 // nor back
	FAULT_ISOLATE,	 // a hears no other host, and none hears it
	FAULT_CLOCK,	 // a's wall clock makes a step of amount ns
	FAULT_LOSS,	 // amount per cent more from a to b
	FAULT_DRAIN,	 // a's clients are to go elsewhere
	FAULT_CORE,	 // one core of a, of number amount, makes no turns
	FAULT_REBALANCE, // its clients are to go to the core of it that has fewest
};
#define FAULT_KINDS (FAULT_REBALANCE + 1)

#define CRASH_FILES_LOST 1u
#define CRASH_CHANGED	 2u // it starts with another number of cores, other logs, rings and budgets
#define CRASH_OTHER                                                                                \
	4u // it starts with a configuration that the others do not take part with, and again at the end

enum fault_state {
	FAULT_TO_COME,
	FAULT_ON,
	FAULT_OVER,
};

struct fault {
	uint64_t from_ns, to_ns;
	enum fault_kind kind;
	enum fault_state state;
	uint32_t a, b; // nodes
	int64_t amount;
};

// ---- actors -----------------------------------------------------------------------------------

struct interest { // one subscription of a subscriber
	struct actor *actor;
	uint32_t stream;
	struct godwit_subscription_options options;
	uint32_t topics[SIM_TOPICS];
	uint32_t subscription;
	bool begun, ended;
	struct godwit_identifier taken; // last message (or start)
	struct godwit_identifier saved; // one of before, as the application wrote it down
	uint64_t saved_ns;
	uint64_t unsubscribe_ns;
	uint8_t seen; // its state in the library, for the coverage
};

struct rogue {
	uint64_t id, tag, nonce, handle, key, ack_number;
	uint32_t host; // that it bothers
	uint32_t request;
	bool welcome;
	uint64_t silent_to_ns;
	struct { // of subscription n + 1
		uint64_t tag, cursor_epoch, session, start;
	} known[10];
};

struct actor {
	struct sim *sim;
	uint32_t index;
	bool publisher, rogue, open;
	bool left; // it got everything and made room for others
	struct godwit_core *core;
	struct godwit_address address;
	struct link link;	       // of its own line, in both directions
	uint64_t start_ns, restart_ns; // 0: never
	uint64_t until_ns; // its process ends, another one of the same client goes on; 0: never
	uint32_t client;   // whose process it is: the index of the first one
	uint32_t first, first_again; // host that it asks first, and after its restart
	uint64_t instance;
	uint64_t due_ns; // nothing to do before, unless something arrives
	// subscriber
	struct interest interests[SIM_INTERESTS];
	uint32_t interest_count;
	uint32_t window;
	uint16_t datagram;
	uint64_t pace_ns, next_pull_ns; // between messages; 0: at once
	uint64_t pause_from_ns, pause_to_ns;
	uint64_t save_ns; // it writes its identifiers down so often; 0: at once
	// topics asked for by name
	uint64_t name_ns; // when it asks next; 0: never
	uint32_t name, name_stream, name_request;
	// publisher
	uint64_t publisher_id;
	uint32_t stream, handle;
	bool ready;
	uint64_t to_publish, published, committed, in_doubt;
	uint64_t gap_ns, next_publish_ns;
	uint32_t size_min, size_max, burst;
	struct rogue raw;
};

// ---- the world --------------------------------------------------------------------------------

struct story {
	const char *name;
	void (*draw)(struct sim *sim);
	void (*disturb)(struct sim *sim); // what happens to hosts between two steps
	uint64_t traffic_min_ns;	  // it goes on at least so long
	uint64_t settle_ns;		  // without faults, all have everything after so long
	const uint64_t *regressions;	  // seeds that once failed
	uint32_t regressions_count;
	uint32_t fresh; // seeds of a run without arguments
};

struct sim {
	const struct story *story;
	uint64_t seed;
	struct rng rng;
	uint64_t now_ns, wall_base_ns;
	bool trace, failed, quiet; // quiet: no faults any more
	char failure[512];
	struct network network;
	struct host hosts[SIM_HOSTS];
	uint32_t host_count;
	struct sim_stream streams[SIM_STREAMS];
	uint32_t stream_count;
	struct truth truths[SIM_TRUTHS]; // all sessions of all streams
	uint32_t truth_count;
	struct actor actors[SIM_ACTORS];
	uint32_t actor_count;
	struct fault faults[SIM_FAULTS];
	uint32_t fault_count;
	uint64_t operator_ns; // after which a person looks at each server again; 0: nobody is there
	bool gives_up;	      // that person may order so
	uint32_t hold, epochs; // chance of each a step, in 1/100000
	uint64_t steps;
	struct home_of homes[SIM_HOMES]; // open addressing, by tag and epoch
	uint32_t homes_count;
	bool attacker;
	struct godwit_address attacker_address;
	uint64_t messages_delivered, migrations, lost_messages;
	struct coverage coverage; // what was reached
};

void sim_fail(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));

// A line of the trace, of one host or actor (a node), or of the world (SIM_NODES).
void sim_trace(struct sim *sim, uint32_t node, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

// s1 is the first host, c0 the first actor, "-" the world.
void sim_node_name(uint32_t node, char name[8]);

static inline uint32_t host_node(const struct host *host)
{
	return host->index;
}

// Whether any host has too little of these for all (enum host_room).
static inline bool sim_lacks(const struct sim *sim, uint32_t rooms)
{
	for (uint32_t i = 0; i < sim->host_count; i++)
		if ((sim->hosts[i].lacks & rooms) != 0)
			return true;
	return false;
}

static inline uint32_t actor_node(const struct actor *actor)
{
	return SIM_HOSTS + actor->index;
}

// Up to where a stream is committed; 0 before its first session, too.
static inline uint64_t sim_commit(const struct sim *sim, uint32_t stream)
{
	return sim->streams[stream].truth != NULL ? sim->streams[stream].truth->commit : 0;
}

// ---- network.c

struct godwit_address network_host_address(uint32_t host);
struct godwit_address network_actor_address(uint32_t actor);
// The node at an address; SIM_NODES: nobody's.
uint32_t network_node(const struct godwit_address *address);
void network_send(struct sim *sim, const struct godwit_address *from,
		  const struct godwit_address *to, const void *data, uint32_t bytes);
// The next packet due at `now`, moved out; false if none. The data is the caller's to free.
bool network_take(struct sim *sim, struct packet *packet);
uint64_t network_due(const struct sim *sim);
void network_clear(struct sim *sim);
const char *network_frame_name(uint8_t type);	   // "?": there is none
const char *network_reconcile_name(uint32_t code); // the same

// ---- host.c

void host_start(struct host *host);
void host_stop(struct host *host);
void host_input(struct host *host, struct packet *packet); // takes the data
// The core at which what comes from an address arrives.
uint32_t host_core_of(const struct host *host, const struct godwit_address *from);
// A core makes no turns any more, or makes them again.
void host_core_stands(struct host *host, uint32_t core, bool begins);
// It is started next with another configuration.
void host_change(struct host *host);
// One turn of every core. Returns the work done.
uint32_t host_turn(struct host *host);
void host_check_laws(struct host *host);
// ---- host_control.c

void host_control_start(struct host *host);
void host_control_stop(struct host *host);
// A step, after the cores' turns. The host may be another process after it.
void host_control_turn(struct host *host);
// The files of a host are lost.
void host_forget_files(struct host *host);
// Its clients are to go elsewhere, or may stay again.
void host_drain(struct host *host, bool begins);
// They are to be evened out over its cores.
void host_rebalance(struct host *host);
uint64_t host_now(const struct host *host);
uint64_t host_wall(const struct host *host);

// ---- host_tx.c

struct tx host_tx(struct host_core *core);

// ---- truth.c

struct truth *truth_of(struct sim *sim, uint64_t session);
// A session of a stream begins; its first epoch is told by truth_begin_epoch.
struct truth *truth_begin(struct sim *sim, uint32_t stream, uint64_t session);
void truth_begin_epoch(struct truth *truth, uint32_t epoch, uint64_t first);
// The epoch in which a sequence was appended.
uint32_t truth_epoch(const struct truth *truth, uint64_t seq);
// Whether what was committed may be lost, and clients be told DIVERGED.
bool truth_may_lose(const struct sim *sim, uint32_t stream);
// A record by its place in one of the stream's histories: of a stream of local acks there may be more than
// one. NULL: it never was committed.
const struct truth_record *truth_find(const struct truth *truth, uint64_t seq, uint32_t epoch);
// What a host has committed of a stream since the last time: it adds to the truth, or is what others had.
void truth_read(struct host *host, uint32_t stream);

// ---- actor.c

void actor_input(struct actor *actor, const struct packet *packet);
void actor_turn(struct actor *actor);
uint64_t actor_due(const struct actor *actor);
void actor_close(struct actor *actor);
// It does nothing any more, and nothing is asked of it.
void actor_leave(struct actor *actor);
// Whether it has got all that it can get.
bool actor_complete(struct actor *actor);

// ---- interest.c

struct interest *interest_of(struct actor *actor, uint32_t subscription);
void interest_event(struct interest *in, const struct godwit_event *event);
// What the application would save now can be resumed later.
void interest_check(struct interest *in);
bool interest_complete(struct interest *in);

// ---- left.c

// All clients are gone, and their lapse is over.
void left_check(struct host *host);

// ---- rogue.c

void rogue_input(struct actor *actor, const struct packet *packet);
void rogue_turn(struct actor *actor);

// ---- draw.c

// Rings and tables that want for nothing.
void draw_host_sizes(struct host *host);
// Budgets, rings and port queues of a host.
void draw_host(struct sim *sim, struct host *host);
void draw_link(struct sim *sim, struct link *link);
void draw_actor(struct sim *sim, struct actor *actor, bool publisher, bool rogue);
// Paths between an actor and every host, as its own line is.
void draw_actor_paths(struct sim *sim, struct actor *actor);
// One more client.
struct actor *draw_subscriber_more(struct sim *sim);

void draw_cluster(struct sim *sim);
// Its parts, in this order; how many hosts and streams there are is drawn before draw_servers.
void draw_world(struct sim *sim);
void draw_servers(struct sim *sim);
void draw_actors(struct sim *sim, uint32_t publishers, uint32_t subscribers, uint32_t rogues);
void draw_faults(struct sim *sim);
void draw_disks(struct sim *sim);
// A host's client rings, budgets and number of cores.
void draw_host_shape(struct rng *rng, struct host *host);
// What else a fault of this kind needs: whom it is between, how much.
void draw_fault_kind(struct sim *sim, struct fault *fault, enum fault_kind kind);

// Another one from the same dice, in the place of one that does not serve.
void draw_cluster_anew(struct sim *sim);
// Nothing of what was drawn breaks: the caller draws that.
void draw_no_faults(struct sim *sim);

// ---- draw_large.c

void draw_large(struct sim *sim);

// ---- draw_operator.c

void draw_operator(struct sim *sim);

// ---- draw_rare.c, and draw_meetings.c

void draw_rare(struct sim *sim);
// One fault that is on from `from_ns` on.
struct fault *draw_rare_fault(struct sim *sim, enum fault_kind kind, uint64_t from_ns,
			      uint64_t span_ns);
void draw_rare_pair(struct sim *sim, uint32_t number);
// The hosts that hold the first stream, a bit each.
uint32_t draw_rare_holders(const struct sim *sim);
// Two hosts think that a third one is dead, and it is not; they do not hear each other for apart_ns. Returns that one.
uint32_t draw_rare_takers(struct sim *sim, uint64_t from_ns, uint64_t span_ns, uint64_t apart_ns);

#define MEETINGS 9
// Whether a drawn cluster has what the meeting of this number (below MEETINGS) needs, and the meeting.
bool draw_meeting_fits(const struct sim *sim, uint32_t number);
void draw_meeting(struct sim *sim, uint32_t number);
// One more, for any cluster.
void draw_gone(struct sim *sim);

// ---- faults.c

const char *fault_name(enum fault_kind kind);
// Begin and end what is due.
void faults_step(struct sim *sim);

// ---- scenario.c

struct without;

struct scenario {
	uint64_t seed;
	bool trace;
	const struct without *without; // what is left out; NULL: nothing
};

// The world of a seed, before it begins.
void scenario_draw(struct sim *sim, const struct story *story, uint64_t seed);
// Draw the world and run it. Returns 0, or 1 with sim->failure set.
int scenario_run(struct sim *sim, const struct story *story, const struct scenario *scenario);

// ---- story_main.c

int story_main(const struct story *story, int argc, char **argv);

#endif
