// SPDX-License-Identifier: BSD-3-Clause
//
// Draws clusters that only a person sets right: a server that lost the records of its streams (its memory besides, as
// always), one that was started with another configuration than the others, and one with the end of a stream that nobody
// hears until it was given up. The person is there: orders are given from time to time, now and then for nothing
// (host_control.c), and whoever is configured otherwise is started again.
#include "tests/sim/sim.h"

#define HOSTS_MIN 3

static uint32_t holders(const struct sim_stream *stream)
{
	return stream->replicas | 1u << stream->primary;
}

// What is acknowledged has another holder than the server that goes: a person can set that right, too.
static void keep_twice(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->stream_count; i++) {
		struct sim_stream *stream = &sim->streams[i];

		if (stream->replicas == 0)
			continue;
		stream->ack_local = false;
		if (stream->min_in_sync < 2)
			stream->min_in_sync = 2;
	}
}

// Something that takes nobody's memory, while the server is gone or after.
static void draw_beside(struct sim *sim, uint64_t from_ns, uint64_t span_ns)
{
	static const uint8_t kinds[] = {FAULT_PAUSE,   FAULT_CUT,  FAULT_SPLIT,
					FAULT_ISOLATE, FAULT_LOSS, FAULT_DRAIN};
	struct rng *rng = &sim->rng;

	for (uint64_t n = rng_below(rng, 3); n > 0; n--)
		draw_rare_fault(sim, kinds[rng_below(rng, sizeof(kinds))],
				from_ns + rng_below(rng, span_ns), rng_below(rng, span_ns));
}

static void draw_lost_record(struct sim *sim, uint64_t from_ns)
{
	uint64_t span_ns = rng_below(&sim->rng, rng_percent(&sim->rng, 30) ? 20 : 400) * MS;
	struct fault *f = draw_rare_fault(sim, FAULT_CRASH, from_ns, span_ns);

	f->a = f->b = sim->streams[0].primary;
	f->amount = CRASH_FILES_LOST;
	draw_beside(sim, from_ns, span_ns + 300 * MS);
}

static void draw_other_configuration(struct sim *sim, uint64_t from_ns)
{
	uint64_t span_ns = (50 + rng_below(&sim->rng, 900)) * MS;
	struct fault *f = draw_rare_fault(sim, FAULT_CRASH, from_ns, span_ns);

	while (!(holders(&sim->streams[0]) & 1u << f->a))
		f->a = (f->a + 1) % sim->host_count;
	f->b = f->a;
	f->amount = CRASH_OTHER;
	draw_beside(sim, from_ns, span_ns);
}

// One replica is behind, and out of the set; then it comes back, the primary dies and nobody hears the other one, which
// has all: that is given up, and it comes back with more than the others go on with.
static void draw_given_up(struct sim *sim, uint64_t from_ns)
{
	struct rng *rng = &sim->rng;
	uint32_t replicas = sim->streams[0].replicas, whole, behind;
	uint64_t span_ns = (150 + rng_below(rng, 300)) * MS;
	struct fault *f;

	whole = (uint32_t)__builtin_ctz(replicas);
	replicas &= replicas - 1;
	behind = replicas != 0 ? (uint32_t)__builtin_ctz(replicas) : whole;
	draw_rare_fault(sim, FAULT_ISOLATE, from_ns, span_ns)->a = behind;
	f = draw_rare_fault(sim, FAULT_CRASH, from_ns + span_ns, 5 * MS);
	f->a = f->b = sim->streams[0].primary;
	f->amount = rng_percent(rng, 50) ? CRASH_FILES_LOST : 0;
	f = draw_rare_fault(sim, rng_percent(rng, 30) ? FAULT_PAUSE : FAULT_ISOLATE,
			    from_ns + span_ns - rng_below(rng, 5) * MS,
			    (400 + rng_below(rng, 1200)) * MS);
	f->a = f->b = whole;
	sim->gives_up = true;
}

void draw_operator(struct sim *sim)
{
	uint64_t from_ns;

	draw_cluster(sim);
	while (sim->host_count < HOSTS_MIN || sim->streams[0].replicas == 0)
		draw_cluster_anew(sim);
	draw_no_faults(sim);
	keep_twice(sim);
	sim->operator_ns = (10 + rng_below(&sim->rng, 200)) * MS;
	from_ns = sim->now_ns + (150 + rng_below(&sim->rng, 900)) * MS;
	if (sim->seed % 8 == 7)
		draw_given_up(sim, from_ns);
	else if (sim->seed % 2 == 0)
		draw_lost_record(sim, from_ns);
	else
		draw_other_configuration(sim, from_ns);
}
