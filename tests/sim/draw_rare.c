// SPDX-License-Identifier: BSD-3-Clause
//
// Draws clusters in which happens what draw_cluster.c seldom brings about: two faults that are on together, each
// pair of kinds in its turn, by the seed's number; and by that number, too, what takes more than one fault.
#include "tests/sim/sim.h"

#define HOSTS_MIN    3
#define HOSTS_TAKERS 5 // three that hold a stream, two that do not
#define PAIRS	     (FAULT_KINDS * (FAULT_KINDS + 1) / 2)

// The n-th pair of kinds.
static void pair_of(uint32_t n, enum fault_kind *a, enum fault_kind *b)
{
	uint32_t first = 0;

	while (n >= FAULT_KINDS - first)
		n -= FAULT_KINDS - first++;
	*a = first;
	*b = first + n;
}

// One that is on from `from_ns` on, for long enough to be noticed.
static struct fault *add(struct sim *sim, enum fault_kind kind, uint64_t from_ns, uint64_t span_ns)
{
	struct fault *f = &sim->faults[sim->fault_count++];

	*f = (struct fault){.from_ns = from_ns, .to_ns = from_ns + span_ns};
	f->a = f->b = (uint32_t)rng_below(&sim->rng, sim->host_count);
	draw_fault_kind(sim, f, kind);
	return f;
}

static uint64_t draw_from(struct sim *sim)
{
	return sim->now_ns + (150 + rng_below(&sim->rng, 900)) * MS;
}

static void draw_pair(struct sim *sim)
{
	struct rng *rng = &sim->rng;
	enum fault_kind a, b;
	uint64_t from = draw_from(sim), span = (120 + rng_below(rng, 500)) * MS;

	pair_of((uint32_t)(sim->seed % PAIRS), &a, &b);
	if (rng_percent(rng, 50)) {
		enum fault_kind first = a;

		a = b;
		b = first;
	}
	add(sim, a, from, span);
	add(sim, b, from + rng_below(rng, span), (50 + rng_below(rng, 400)) * MS);
}

static uint32_t holders_of(const struct sim *sim)
{
	return sim->streams[0].replicas | 1u << sim->streams[0].primary;
}

// Of three servers that hold a stream two hear nothing of the third, which serves on, nor of each other; they hear
// the two servers that hold nothing, so they are not cut off. Both take the third one's clients for their own.
static void draw_takers(struct sim *sim)
{
	struct rng *rng = &sim->rng;
	uint64_t from = draw_from(sim), span = (300 + rng_below(rng, 500)) * MS;
	uint32_t others = holders_of(sim), home;
	struct fault *split;

	do
		home = (uint32_t)rng_below(rng, sim->host_count);
	while ((others & 1u << home) == 0);
	others &= ~(1u << home);
	split = add(sim, FAULT_SPLIT, from - 100 * MS, span + 200 * MS);
	split->a = (uint32_t)__builtin_ctz(others);
	split->b = 31 - (uint32_t)__builtin_clz(others);
	add(sim, FAULT_ISOLATE, from, span)->a = home;
}

// A server is drained while nobody else reaches one of its clients.
static void draw_unreachable(struct sim *sim)
{
	struct rng *rng = &sim->rng;
	uint32_t home = (uint32_t)rng_below(rng, sim->host_count);
	uint32_t client = SIM_HOSTS + (uint32_t)rng_below(rng, sim->actor_count);
	uint64_t from = sim->now_ns + (600 + rng_below(rng, 600)) * MS;

	for (uint32_t i = 0; i < sim->host_count; i++) {
		struct fault *f;

		if (i == home)
			continue;
		f = add(sim, FAULT_SPLIT, from, 700 * MS);
		f->a = client;
		f->b = i;
	}
	add(sim, FAULT_DRAIN, from + 50 * MS, 600 * MS)->a = home;
}

// A primary of local acks that nobody follows for a moment, less than what is noticed, and that dies then: the end of
// its stream goes with it.
static void draw_lost(struct sim *sim)
{
	struct rng *rng = &sim->rng;
	struct sim_stream *stream = &sim->streams[0];
	uint64_t from = sim->now_ns + (150 + rng_below(rng, 500)) * MS;
	uint64_t span = (8 + rng_below(rng, 20)) * MS;
	struct fault *f;

	stream->ack_local = true;
	stream->min_in_sync = 1;
	for (uint32_t i = 0; i < sim->host_count; i++) {
		if ((stream->replicas & 1u << i) == 0)
			continue;
		f = add(sim, FAULT_SPLIT, from, span + 2 * MS);
		f->a = stream->primary;
		f->b = i;
	}
	f = add(sim, FAULT_CRASH, from + span, rng_below(rng, 100) * MS);
	f->a = f->b = stream->primary;
	for (uint32_t i = 0; i < sim->actor_count; i++) {
		struct actor *a = &sim->actors[i];

		if (!a->publisher)
			continue;
		a->stream = 0;
		a->to_publish = 1500;
		a->gap_ns = 1 * MS;
	}
}

// One that leads nothing has no room for more than a few clients.
static void draw_small_tables(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->host_count; i++) {
		bool leads = false;

		for (uint32_t k = 0; k < sim->stream_count; k++)
			leads = leads || sim->streams[k].primary == i;
		if (leads)
			continue;
		sim->hosts[i].config.clients_max = 4;
		sim->tight = true;
		return;
	}
}

// A replica whose log is too small for the in-sync set, where the set does without it.
static void draw_small_log(struct sim *sim)
{
	struct sim_stream *stream = &sim->streams[0];
	uint32_t replica = 31 - (uint32_t)__builtin_clz(stream->replicas | 1);
	struct host_stream *hs = &sim->hosts[replica].streams[0];

	if (__builtin_popcount(stream->replicas) == 2 && stream->min_in_sync <= 2 &&
	    hs->log_bytes >= 256 << 10)
		hs->log_bytes /= 8;
}

static bool fits(const struct sim *sim, bool takers)
{
	return sim->host_count >= (takers ? HOSTS_TAKERS : HOSTS_MIN) &&
	       (!takers || __builtin_popcount(holders_of(sim)) == 3);
}

void draw_rare(struct sim *sim)
{
	const struct story *story = sim->story;
	uint64_t seed = sim->seed;
	bool takers = seed % 4 == 1;

	draw_cluster(sim);
	while (!fits(sim, takers)) {
		struct rng rng = sim->rng;

		memset(sim, 0, sizeof(*sim));
		sim->story = story;
		sim->seed = seed;
		sim->rng = rng;
		draw_cluster(sim);
	}
	memset(sim->faults, 0, sizeof(sim->faults));
	sim->fault_count = 0;
	draw_pair(sim);
	if (seed % 4 == 0)
		draw_lost(sim);
	if (takers)
		draw_takers(sim);
	if (seed % 4 == 2)
		draw_unreachable(sim);
	if (seed % 4 == 3)
		draw_small_tables(sim);
	if (seed % 5 == 0)
		draw_small_log(sim);
}
