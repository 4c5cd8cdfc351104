// SPDX-License-Identifier: BSD-3-Clause
//
// Draws a cluster from a seed: its servers and who holds which stream, the paths between them, clients that
// know all servers, and what breaks when.
#include "tests/sim/sim.h"

#define FAULTS_FROM_NS (100 * MS)
#define FAULTS_SPAN_NS (1500 * MS)

// A stream has a primary and, where there are servers, one or two replicas.
static void draw_stream(struct sim *sim, struct sim_stream *stream)
{
	struct rng *rng = &sim->rng;
	uint32_t others = sim->host_count - 1, replicas = others > 0;

	stream->primary = (uint32_t)rng_below(rng, sim->host_count);
	stream->topics_max = 64;
	if (others >= 2 && rng_percent(rng, 60))
		replicas = 2;
	for (uint32_t n = 0; n < replicas;) {
		uint32_t host = (uint32_t)rng_below(rng, sim->host_count);

		if (host == stream->primary || (stream->replicas & 1u << host))
			continue;
		stream->replicas |= 1u << host;
		n++;
	}
	stream->min_in_sync = 1 + (uint32_t)rng_below(rng, replicas + 1);
	if (replicas > 0 && rng_percent(rng, 50))
		stream->min_in_sync = 2;
}

static void draw_ack(struct sim *sim, struct sim_stream *stream)
{
	stream->ack_local = stream->replicas != 0 && rng_percent(&sim->rng, 20);
	if (stream->ack_local)
		stream->min_in_sync = 1;
}

static void draw_logs(struct sim *sim, uint32_t i)
{
	struct rng *rng = &sim->rng;
	uint64_t largest = 32768ull << rng_below(rng, rng_percent(rng, 40) ? 2 : 6);
	bool unequal = rng_percent(rng, 30);

	sim->streams[i].log_bytes = largest;
	for (uint32_t k = 0; k < sim->host_count; k++)
		sim->hosts[k].streams[i].log_bytes = unequal ? largest >> rng_below(rng, 2) :
							       largest;
}

void draw_world(struct sim *sim)
{
	struct rng *rng = &sim->rng;

	sim->now_ns = 1000 * MS;
	sim->wall_base_ns = 1700000000000000000ull + rng_below(rng, 1ull << 40);
	sim->attacker = rng_percent(rng, 20);
	sim->attacker_address = godwit_address_v4(0x0a0000f0, 9999);
}

void draw_servers(struct sim *sim)
{
	struct rng *rng = &sim->rng;

	for (uint32_t i = 0; i < sim->host_count; i++) {
		struct host *host = &sim->hosts[i];

		draw_host(sim, host);
		if (rng_percent(rng, 50)) // clocks of hosts differ
			host->wall_offset_ns =
				(int64_t)rng_below(rng, 4000 * MS) - 2000 * (int64_t)MS;
		if (rng_percent(rng, 30))
			host->drift_ppm = (int32_t)rng_below(rng, 400) - 200;
	}
	for (uint32_t i = 0; i < sim->stream_count; i++) {
		draw_stream(sim, &sim->streams[i]);
		draw_ack(sim, &sim->streams[i]);
		draw_logs(sim, i);
	}
	for (uint32_t i = 0; i < sim->host_count; i++)
		for (uint32_t k = 0; k < sim->host_count; k++) {
			struct link *link = &sim->network.links[i][k];

			link->delay_ns = (20 + rng_below(rng, 400)) * US;
			if (rng_percent(rng, 40))
				link->jitter_ns = rng_below(rng, 400) * US + 1;
			if (rng_percent(rng, 30))
				link->loss = (uint32_t)rng_below(rng, 12);
			if (rng_percent(rng, 20))
				link->dup = (uint32_t)rng_below(rng, 12);
			if (rng_percent(rng, 20))
				link->reorder = (uint32_t)rng_below(rng, 12);
		}
}

// How long: shorter than any detection, about as long, or much longer.
static uint64_t draw_span(struct rng *rng)
{
	switch (rng_below(rng, 3)) {
	case 0:
		return rng_below(rng, 20 * MS);
	case 1:
		return rng_below(rng, 150 * MS);
	default:
		return rng_below(rng, 900 * MS);
	}
}

static uint32_t draw_other(struct sim *sim, uint32_t host)
{
	uint32_t n = (uint32_t)rng_below(&sim->rng, sim->host_count - 1);

	return n < host ? n : n + 1;
}

// Paths to clients break as those between servers do, in either direction.
static void draw_path(struct sim *sim, struct fault *f)
{
	struct rng *rng = &sim->rng;
	uint32_t a = f->a;

	if (sim->host_count == 1 || rng_percent(rng, 50))
		f->b = SIM_HOSTS + (uint32_t)rng_below(rng, sim->actor_count);
	else
		f->b = draw_other(sim, f->a);
	if (rng_percent(rng, 50)) {
		f->a = f->b;
		f->b = a;
	}
}

void draw_fault_kind(struct sim *sim, struct fault *f, enum fault_kind kind)
{
	struct rng *rng = &sim->rng;

	f->kind = kind;
	switch (kind) {
	case FAULT_POWER:
		f->amount = rng_percent(rng, 50); // the files are lost, too
		break;
	case FAULT_CLOCK:
		f->amount = (int64_t)rng_below(rng, 20000 * MS) - 10000 * (int64_t)MS;
		break;
	case FAULT_LOSS:
		f->amount = 10 + (int64_t)rng_below(rng, 60);
		draw_path(sim, f);
		break;
	case FAULT_CUT:
	case FAULT_SPLIT:
		draw_path(sim, f);
		break;
	case FAULT_CORE:
		f->amount = (int64_t)rng_below(rng, SIM_CORES);
		break;
	default:
		break;
	}
}

static void draw_fault(struct sim *sim, struct fault *f)
{
	static const uint8_t kinds[] = {FAULT_CRASH, FAULT_CRASH, FAULT_CRASH, FAULT_PAUSE,
					FAULT_PAUSE, FAULT_CUT,	  FAULT_SPLIT, FAULT_ISOLATE,
					FAULT_CLOCK, FAULT_LOSS,  FAULT_DRAIN};
	struct rng *rng = &sim->rng;
	enum fault_kind kind = kinds[rng_below(rng, sizeof(kinds))];

	f->from_ns = sim->now_ns + FAULTS_FROM_NS + rng_below(rng, FAULTS_SPAN_NS);
	f->to_ns = f->from_ns + draw_span(rng);
	f->a = f->b = (uint32_t)rng_below(rng, sim->host_count);
	if (kind == FAULT_CRASH && rng_percent(rng, 5))
		kind = FAULT_POWER;
	draw_fault_kind(sim, f, kind);
}

// A primary dies while a replica does not hear it, and may have more than the one that it asks later. Then
// the log of the one that was left out has to be cut back.
static void draw_left_out(struct sim *sim)
{
	struct rng *rng = &sim->rng;
	uint32_t primary = sim->streams[0].primary, other = draw_other(sim, primary);
	uint64_t at = sim->now_ns + FAULTS_FROM_NS + rng_below(rng, FAULTS_SPAN_NS);
	struct fault *f = &sim->faults[sim->fault_count];

	// Some third is slow to hear of what is appended before.
	f[0] = (struct fault){.kind = FAULT_LOSS,
			      .from_ns = at - rng_below(rng, 40 * MS),
			      .to_ns = at,
			      .a = primary,
			      .b = draw_other(sim, primary),
			      .amount = 60};
	f[1] = (struct fault){.kind = FAULT_CRASH,
			      .from_ns = at,
			      .to_ns = at + rng_below(rng, 100 * MS),
			      .a = primary,
			      .b = primary};
	f[2] = (struct fault){.kind = FAULT_SPLIT,
			      .from_ns = at - rng_below(rng, 2 * MS),
			      .to_ns = f[1].to_ns + rng_below(rng, 400 * MS),
			      .a = primary,
			      .b = other};
	sim->fault_count += 3;
}

void draw_faults(struct sim *sim)
{
	struct rng *rng = &sim->rng;

	if (sim->host_count > 2 && rng_percent(rng, 25))
		draw_left_out(sim);
	for (uint32_t n = (uint32_t)rng_below(rng, 6); n > 0; n--)
		draw_fault(sim, &sim->faults[sim->fault_count++]);
}

// Orders to even out the cores, in every third world or so. By numbers of their own, so that what else is drawn, and
// the worlds of the regressions, stay what they were.
static void draw_rebalances(struct sim *sim)
{
	struct rng rng = {.state = sim->seed ^ 0x7265626c616e6365ull};

	if (sim->seed % 7 < 5)
		return;
	for (uint64_t n = 1 + rng_below(&rng, 4); n > 0; n--) {
		struct fault *f = &sim->faults[sim->fault_count++];

		f->kind = FAULT_REBALANCE;
		f->a = (uint32_t)rng_below(&rng, sim->host_count);
		// One with a single core refuses it, which is soon seen.
		if (sim->hosts[f->a].core_count == 1)
			f->a = (uint32_t)rng_below(&rng, sim->host_count);
		f->b = f->a;
		f->from_ns = sim->now_ns + FAULTS_FROM_NS + rng_below(&rng, FAULTS_SPAN_NS);
		f->to_ns = f->from_ns;
	}
}

void draw_actors(struct sim *sim, uint32_t publishers, uint32_t subscribers, uint32_t rogues)
{
	struct rng *rng = &sim->rng;

	sim->actor_count = publishers + subscribers + rogues;
	for (uint32_t i = 0; i < sim->actor_count; i++) {
		struct actor *a = &sim->actors[i];

		a->index = i;
		draw_actor(sim, a, i < publishers, i >= publishers + subscribers);
		draw_actor_paths(sim, a);
		a->raw.host = (uint32_t)rng_below(rng, sim->host_count);
	}
}

void draw_disks(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->host_count; i++)
		if (rng_percent(&sim->rng, 10))
			sim->hosts[i].bad_disk = 5 + (uint32_t)rng_below(&sim->rng, 40);
}

void draw_cluster(struct sim *sim)
{
	static const uint8_t hosts[] = {1, 2, 2, 3, 3, 3, 3, 4, 4, 5};
	struct rng *rng = &sim->rng;
	uint32_t publishers, subscribers, rogues;

	draw_world(sim);
	sim->host_count = hosts[rng_below(rng, sizeof(hosts))];
	sim->stream_count = 1 + (uint32_t)rng_below(rng, 3);
	draw_servers(sim);
	publishers = 1 + (uint32_t)rng_below(rng, 3);
	subscribers = 1 + (uint32_t)rng_below(rng, 8);
	rogues = rng_percent(rng, 15) ? 1 : 0;
	draw_actors(sim, publishers, subscribers, rogues);
	draw_faults(sim);
	draw_disks(sim);
	draw_rebalances(sim);
}

void draw_cluster_anew(struct sim *sim)
{
	const struct story *story = sim->story;
	struct rng rng = sim->rng;
	uint64_t seed = sim->seed;

	memset(sim, 0, sizeof(*sim));
	sim->story = story;
	sim->seed = seed;
	sim->rng = rng;
	draw_cluster(sim);
}

void draw_no_faults(struct sim *sim)
{
	memset(sim->faults, 0, sizeof(sim->faults));
	sim->fault_count = 0;
}
