// SPDX-License-Identifier: BSD-3-Clause
//
// Draws the clusters that draw_cluster.c keeps small for the sake of speed: up to seven servers, eight streams and two
// hundred clients. Some servers come back with another configuration, paths between servers swallow large packets, and
// clients come back from an identifier that they wrote down a while ago.
#include "tests/sim/sim.h"

#define CLIENTS_MAX 200
#define SMALL_BYTES 400 // of a message that fits the smallest frames between servers

// As many small ones as large ones: 1 to 6, to 40, to 200.
static uint32_t draw_subscribers(struct rng *rng)
{
	static const uint8_t most[] = {6, 40, CLIENTS_MAX};

	return 1 + (uint32_t)rng_below(rng, most[rng_below(rng, 3)]);
}

// Many get little, so that a world does not take much longer than others.
static void draw_amounts(struct sim *sim, uint32_t subscribers)
{
	for (uint32_t i = 0; i < sim->actor_count; i++) {
		struct actor *a = &sim->actors[i];

		if (subscribers > 40 && a->publisher && a->to_publish > 300)
			a->to_publish = 300;
		if (rng_percent(&sim->rng, 50))
			a->save_ns = (1 + rng_below(&sim->rng, 200)) * MS;
	}
}

static void draw_tables(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->host_count; i++) {
		struct core_config *config = &sim->hosts[i].config;

		config->clients_max = 256;
		config->subscriptions_max = 1024;
		config->classes_max = 512;
		config->class_topics_max = 4096;
	}
}

// A record that is too large for a path does not get over it: all are small, or a primary needs nobody, neither to commit
// nor to get back what it had.
static void bound_records(struct sim *sim, bool small)
{
	for (uint32_t i = 0; i < sim->actor_count; i++)
		if (small && sim->actors[i].size_max > SMALL_BYTES)
			sim->actors[i].size_max = SMALL_BYTES;
	for (uint32_t i = 0; i < sim->stream_count && !small; i++)
		sim->streams[i].min_in_sync = 1;
	for (uint32_t i = 0; i < sim->fault_count && !small; i++)
		if (sim->faults[i].kind == FAULT_CRASH || sim->faults[i].kind == FAULT_POWER)
			sim->faults[i].kind = FAULT_PAUSE;
}

// Of one path, both ways or one; or of all to and from a server.
static void draw_swallows(struct sim *sim)
{
	struct rng *rng = &sim->rng;
	uint32_t host = (uint32_t)rng_below(rng, sim->host_count);
	uint32_t bytes = 600 + (uint32_t)rng_below(rng, 800);
	uint32_t which = (uint32_t)rng_below(rng, 3), other;

	if (!rng_percent(rng, 30))
		return;
	bound_records(sim, rng_percent(rng, 50));
	other = (host + 1 + (uint32_t)rng_below(rng, sim->host_count - 1)) % sim->host_count;
	for (uint32_t i = 0; i < sim->host_count; i++) {
		if (i == host || (which < 2 && i != other))
			continue;
		sim->network.links[host][i].swallow = bytes;
		if (which > 0)
			sim->network.links[i][host].swallow = bytes;
	}
}

// They come back at once, or when others have taken their clients.
static void draw_changes(struct sim *sim)
{
	struct rng *rng = &sim->rng;

	for (uint64_t n = rng_below(rng, 3); n > 0; n--) {
		struct fault *f = &sim->faults[sim->fault_count++];

		f->kind = FAULT_CRASH;
		f->amount = CRASH_CHANGED;
		f->a = f->b = (uint32_t)rng_below(rng, sim->host_count);
		f->from_ns = sim->now_ns + (100 + rng_below(rng, 1500)) * MS;
		f->to_ns = f->from_ns + rng_below(rng, rng_percent(rng, 50) ? 20 : 500) * MS;
	}
}

void draw_large(struct sim *sim)
{
	struct rng *rng = &sim->rng;
	uint32_t publishers, subscribers;

	draw_world(sim);
	sim->host_count = 3 + (uint32_t)rng_below(rng, SIM_HOSTS - 2);
	sim->stream_count = 1 + (uint32_t)rng_below(rng, SIM_STREAMS);
	draw_servers(sim);
	draw_tables(sim);
	publishers = 1 + (uint32_t)rng_below(rng, 6);
	subscribers = draw_subscribers(rng);
	draw_actors(sim, publishers, subscribers, rng_percent(rng, 15));
	draw_amounts(sim, subscribers);
	draw_faults(sim);
	draw_changes(sim);
	draw_swallows(sim);
	draw_disks(sim);
}
