// SPDX-License-Identifier: BSD-3-Clause
//
// Draws clusters in which happens what draw_cluster.c seldom brings about: two faults that are on together, each
// pair of kinds in its turn, by the seed's number; and by that number, too, what takes more than one fault. Each
// third seed is a meeting (draw_meetings.c) instead.
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

struct fault *draw_rare_fault(struct sim *sim, enum fault_kind kind, uint64_t from_ns,
			      uint64_t span_ns)
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

void draw_rare_pair(struct sim *sim, uint32_t number)
{
	struct rng *rng = &sim->rng;
	enum fault_kind a, b;
	struct fault *first, *second;
	uint64_t from = draw_from(sim), span = (120 + rng_below(rng, 500)) * MS;

	pair_of(number % PAIRS, &a, &b);
	if (rng_percent(rng, 50)) {
		enum fault_kind other = a;

		a = b;
		b = other;
	}
	first = draw_rare_fault(sim, a, from, span);
	second = draw_rare_fault(sim, b, from + rng_below(rng, span),
				 (50 + rng_below(rng, 400)) * MS);
	// Of one kind at one server the second is no fault.
	if (a == b && second->a == first->a && second->b == second->a)
		second->a = second->b = (first->a + 1) % sim->host_count;
}

uint32_t draw_rare_holders(const struct sim *sim)
{
	return sim->streams[0].replicas | 1u << sim->streams[0].primary;
}

// Of three servers that hold a stream two hear nothing of the third, which serves on, nor of each other; they hear
// the two servers that hold nothing, so they are not cut off. Both take the third one's clients for their own.
uint32_t draw_rare_takers(struct sim *sim, uint64_t from_ns, uint64_t span_ns, uint64_t apart_ns)
{
	uint32_t others = draw_rare_holders(sim), home;
	struct fault *split;

	do
		home = (uint32_t)rng_below(&sim->rng, sim->host_count);
	while ((others & 1u << home) == 0);
	others &= ~(1u << home);
	split = draw_rare_fault(sim, FAULT_SPLIT, from_ns - 100 * MS, 100 * MS + apart_ns);
	split->a = (uint32_t)__builtin_ctz(others);
	split->b = 31 - (uint32_t)__builtin_clz(others);
	draw_rare_fault(sim, FAULT_ISOLATE, from_ns, span_ns)->a = home;
	return home;
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
		f = draw_rare_fault(sim, FAULT_SPLIT, from, 700 * MS);
		f->a = client;
		f->b = i;
	}
	draw_rare_fault(sim, FAULT_DRAIN, from + 50 * MS, 600 * MS)->a = home;
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
		f = draw_rare_fault(sim, FAULT_SPLIT, from, span + 2 * MS);
		f->a = stream->primary;
		f->b = i;
	}
	f = draw_rare_fault(sim, FAULT_CRASH, from + span, rng_below(rng, 100) * MS);
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
		sim->hosts[i].lacks = ROOM_CLIENTS;
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

// A replica has no room for all topics, where the set does without it.
static void draw_few_topics(struct sim *sim)
{
	struct sim_stream *stream = &sim->streams[0];
	uint32_t replica = 31 - (uint32_t)__builtin_clz(stream->replicas | 1);

	if (__builtin_popcount(stream->replicas) == 2 && stream->min_in_sync <= 2)
		sim->hosts[replica].sizes.topics[0] = 2;
}

// Without a meeting: two faults, and what takes more.
static void draw_more(struct sim *sim, uint32_t number)
{
	struct rng *rng = &sim->rng;
	uint64_t from, span;

	if (number % 10 == 3) {
		draw_gone(sim);
		return;
	}
	draw_rare_pair(sim, number);
	switch (number % 4) {
	case 0:
		draw_lost(sim);
		break;
	case 1:
		from = draw_from(sim);
		span = (300 + rng_below(rng, 500)) * MS;
		draw_rare_takers(sim, from, span, span + 100 * MS);
		break;
	case 2:
		draw_unreachable(sim);
		break;
	default:
		draw_small_tables(sim);
		break;
	}
	if (number % 5 == 0)
		draw_small_log(sim);
	if (number % 5 == 2)
		draw_few_topics(sim);
}

static bool fits(const struct sim *sim, bool is_meeting, uint32_t number)
{
	if (sim->host_count < HOSTS_MIN)
		return false;
	if (is_meeting)
		return draw_meeting_fits(sim, number % MEETINGS);
	return number % 4 != 1 ||
	       (sim->host_count >= HOSTS_TAKERS && __builtin_popcount(draw_rare_holders(sim)) == 3);
}

void draw_rare(struct sim *sim)
{
	uint64_t seed = sim->seed;
	bool is_meeting = seed % 3 == 0;
	// Counts the worlds of either sort.
	uint32_t number = (uint32_t)(is_meeting ? seed / 3 : seed - seed / 3 - 1);

	draw_cluster(sim);
	while (!fits(sim, is_meeting, number))
		draw_cluster_anew(sim);
	draw_no_faults(sim);
	if (is_meeting)
		draw_meeting(sim, number % MEETINGS);
	else
		draw_more(sim, number);
}
