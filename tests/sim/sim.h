// SPDX-License-Identifier: BSD-3-Clause
//
// The simulator: a server's cores, clients and publishers in one process and one thread, with virtual
// time and an in-memory network that loses, repeats, reorders and delays, all from one seed. It links
// the very files of the daemon and the library; only port, clock and randomness are its own.
//
//   sim.c       the world: time, steps, failure
//   network.c   packets under way
//   host.c      the server: cores, streams, its tx, the truth read back from its logs
//   actor.c     clients and publishers: their lives, and what a publisher checks
//   interest.c  what an application checks of each of its subscriptions
//   rogue.c     a proved client that keeps to no rule
//   draw.c      draws a world from a seed
//   scenario.c  runs it
//
// A failure keeps its first message; the seed replays it exactly.
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include <stdio.h>

#include <godwit/client.h>

#include "dataplane/core.h"

#define SIM_STREAMS   4
#define SIM_CORES     4
#define SIM_ACTORS    32
#define SIM_INTERESTS 3
#define SIM_NAMES     8 // topic names that clients ask for
#define SIM_EPOCHS    32
#define SIM_TOPICS    8 // 1..SIM_TOPICS; the last is never published but at the end
#define SIM_MTU	      1500
#define MS	      1000000ull
#define US	      1000ull

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

struct link {			     // faults of what goes to and comes from one actor
	uint32_t loss, dup, reorder; // per cent
	uint64_t delay_ns, jitter_ns;
	uint32_t swallow; // packets above so many bytes vanish; 0: none
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
};

// ---- truth ------------------------------------------------------------------------------------

struct truth_record {
	uint64_t publisher, instance, number; // from the payload
	uint64_t hash, time_ns;
	uint32_t topic, epoch;
};

struct truth { // of one session of one stream
	uint64_t session;
	struct truth_record *records; // sequence n at n - 1
	uint64_t count, capacity;
	uint64_t commit;
	struct { // epoch that begins at `first`
		uint32_t epoch;
		uint64_t first;
	} epochs[SIM_EPOCHS];
	uint32_t epochs_count;
};

// ---- host -------------------------------------------------------------------------------------

struct host_core {
	struct sim *sim;
	struct core *core;
	uint8_t buffer[2048];
	struct route *route;
	uint32_t taken, taken_max; // packets this turn: the port's queue
	uint32_t no_route;	   // per cent
	struct packet inbox[256];
	uint32_t inbox_count;
};

struct host {
	bool up;
	uint32_t generation;
	struct server server;
	struct host_core cores[SIM_CORES];
	void *log_memory[SIM_STREAMS];
	uint64_t log_bytes[SIM_STREAMS];
	struct godwit_address address;
	struct core_config config;
	uint32_t core_count, stream_count;
	struct place places[SIM_STREAMS];    // where truth is read
	uint64_t hold_until_ns[SIM_STREAMS]; // the commit lags until then
	uint32_t hold, epochs;		     // chance of each a turn, in 1/100000
	uint64_t spread_ns;		     // how long a flow stays with a core, 0: for ever
	uint32_t topics_max;
	uint32_t names[SIM_STREAMS][SIM_NAMES]; // numbers given, as clients were told; 0: none yet
	struct truth truths[64];		// all sessions of all streams
	uint32_t truth_count;
	struct truth *current[SIM_STREAMS];
	uint64_t unproved_in, unproved_out; // bytes from and to the attacker's address
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
	uint64_t unsubscribe_ns;
};

struct rogue {
	uint64_t id, tag, nonce, handle, key, ack_number;
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
	struct link link;
	uint64_t start_ns, restart_ns; // 0: never
	uint64_t instance;
	uint64_t due_ns; // nothing to do before, unless something arrives
	// subscriber
	struct interest interests[SIM_INTERESTS];
	uint32_t interest_count;
	uint32_t window;
	uint16_t datagram;
	uint64_t pace_ns, next_pull_ns; // between messages; 0: at once
	uint64_t pause_from_ns, pause_to_ns;
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

struct sim {
	uint64_t seed;
	struct rng rng;
	uint64_t now_ns, wall_base_ns;
	bool trace, failed, quiet; // quiet: no faults any more
	char failure[512];
	struct network network;
	struct host host;
	struct actor actors[SIM_ACTORS];
	uint32_t actor_count;
	uint64_t host_restart_ns;
	uint64_t steps;
	bool attacker;
	bool tight; // tables too small for all
	struct godwit_address attacker_address;
	// sums over all scenarios of a run, for the report
	uint64_t messages_delivered;
	uint64_t counts[COUNTERS], drops[DROPS]; // what was reached
};

void sim_fail(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sim_trace(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));

void network_send(struct sim *sim, const struct link *link, const struct godwit_address *from,
		  const struct godwit_address *to, const void *data, uint32_t bytes);
// The next packet due at `now`, moved out; false if none. The data is the caller's to free.
bool network_take(struct sim *sim, struct packet *packet);
uint64_t network_due(const struct sim *sim);
void network_clear(struct sim *sim);

void host_start(struct sim *sim);
void host_stop(struct sim *sim);
void host_input(struct sim *sim, struct packet *packet); // takes the data
// One turn of every core. Returns the work done.
uint32_t host_turn(struct sim *sim);
void host_check_laws(struct sim *sim);
struct truth *host_truth(struct sim *sim, uint64_t session);
// The epoch in which a sequence was appended.
uint32_t truth_epoch(const struct truth *truth, uint64_t seq);
// Between two turns: an epoch begins, a commit stands still, moves a little, or is free again.
void host_disturb(struct sim *sim);

void actor_input(struct actor *actor, const struct packet *packet);
void actor_turn(struct actor *actor);
uint64_t actor_due(const struct actor *actor);
void actor_close(struct actor *actor);
// Whether it has got all that it can get.
bool actor_complete(struct actor *actor);

struct interest *interest_of(struct actor *actor, uint32_t subscription);
void interest_event(struct interest *in, const struct godwit_event *event);
// What the application would save now can be resumed later.
void interest_check(struct interest *in);
bool interest_complete(struct interest *in);

void rogue_input(struct actor *actor, const struct packet *packet);
void rogue_turn(struct actor *actor);

void sim_draw(struct sim *sim);

const struct link *sim_link_of(const struct sim *sim, const struct godwit_address *address);

// Draw the world and run it. Returns 0, or 1 with sim->failure set.
int scenario_run(struct sim *sim, uint64_t seed, bool trace);

#endif
