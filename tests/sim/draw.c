// SPDX-License-Identifier: BSD-3-Clause
//
// Draws from a seed what all stories have: how many cores a host has, how large (or tiny) its logs and
// tables are, who subscribes how to what, what is published, and what a client's path does to packets.
#include "tests/sim/sim.h"

void draw_host_sizes(struct host *host)
{
	memset(&host->sizes, 0, sizeof(host->sizes));
	host->sizes.crossings = 64;
	host->sizes.peers = 256;
	host->sizes.feed = (struct cursor_feed_config){.ring = 2048, .slots = 256};
	host->sizes.moves = PLANE_MOVES_MAX;
	host->sizes.offers_ms = PLANE_OFFERS_MS;
	host->config.mailbox_slots = 256;
	host->config.notices_ms = core_config_default.notices_ms;
	for (uint32_t i = 0; i < SIM_STREAMS; i++)
		host->sizes.runs[i] = 256;
}

void draw_host_shape(struct rng *rng, struct host *host)
{
	static const uint32_t rings[] = {4, 4, 8, 16, 64};

	host->core_count = 1 + (uint32_t)rng_below(rng, 3);
	host->config.ring_slots = rings[rng_below(rng, 5)];
	host->config.live_budget = rng_percent(rng, 50) ? 2048 : 1 + (uint32_t)rng_below(rng, 8);
	host->config.egress_budget = rng_percent(rng, 50) ? 256 : 1 + (uint32_t)rng_below(rng, 16);
	host->config.temporary_budget =
		rng_percent(rng, 50) ? 256 << 10 : 1500 + (uint32_t)rng_below(rng, 8000);
}

void draw_host(struct sim *sim, struct host *host)
{
	struct rng *rng = &sim->rng;

	host->sim = sim;
	host->index = (uint32_t)(host - sim->hosts);
	host->address = network_host_address(host->index);
	host->config = core_config_default;
	host->config.clients_max = 64;
	host->config.subscriptions_max = 64;
	host->config.classes_max = 64;
	host->config.class_topics_max = 1024;
	draw_host_sizes(host);
	draw_host_shape(rng, host);
	// Each third world; nothing is drawn for it.
	if (sim->seed % 3 == 0)
		host->spread_ns = (1 + sim->seed % 7 * 50) * MS;
	for (uint32_t i = 0; i < sim->stream_count; i++)
		host->streams[i].log_bytes = 16384ull
					     << rng_below(rng, rng_percent(rng, 50) ? 2 : 7);
	for (uint32_t i = 0; i < host->core_count; i++) {
		host->cores[i].taken_max = rng_percent(rng, 50) ? 1000 :
								  4 + (uint32_t)rng_below(rng, 60);
		host->cores[i].no_route = rng_percent(rng, 20) ? 2 : 0;
	}
}

void draw_link(struct sim *sim, struct link *link)
{
	struct rng *rng = &sim->rng;

	link->delay_ns = (1 + rng_below(rng, 2000)) * US;
	if (rng_percent(rng, 50))
		link->jitter_ns = rng_below(rng, 2000) * US + 1;
	if (rng_percent(rng, 50))
		link->loss = (uint32_t)rng_below(rng, 25);
	if (rng_percent(rng, 40))
		link->dup = (uint32_t)rng_below(rng, 20);
	if (rng_percent(rng, 40))
		link->reorder = (uint32_t)rng_below(rng, 25);
}

static void draw_publisher(struct sim *sim, struct actor *a)
{
	struct rng *rng = &sim->rng;

	a->publisher = true;
	a->publisher_id = 100 + a->index;
	a->to_publish = 50 + rng_below(rng, 1500);
	a->gap_ns = (50 + rng_below(rng, 5000)) * US;
	a->burst = 1 + (uint32_t)rng_below(rng, 30);
	a->size_min = 24;
	a->size_max = rng_percent(rng, 70) ? 60 : godwit_max_message(SIM_MTU);
	if (a->size_max > 60)
		a->to_publish /= 4;
	if (rng_percent(rng, 15))
		a->restart_ns = (10 + rng_below(rng, 800)) * MS;
}

static void draw_filter(struct sim *sim, struct interest *in)
{
	uint32_t mask = 1 + (uint32_t)rng_below(&sim->rng, (1 << SIM_TOPICS) - 1);

	if (rng_percent(&sim->rng, 20))
		mask = 1 << (SIM_TOPICS - 1); // nothing matches, ever
	for (uint32_t t = 0; t < SIM_TOPICS; t++)
		if (mask & 1u << t)
			in->topics[in->options.topic_count++] = t + 1;
}

static void draw_interest(struct sim *sim, struct actor *a, struct interest *in)
{
	struct rng *rng = &sim->rng;

	in->stream = (uint32_t)rng_below(rng, sim->stream_count);
	in->options.policy = (uint8_t)rng_below(rng, 3);
	in->options.start = (uint8_t)rng_below(rng, 4);
	if (in->options.start == GODWIT_START_SEQUENCE)
		in->options.value = 1 + rng_below(rng, 400);
	if (in->options.start == GODWIT_START_TIME)
		in->options.value = sim->wall_base_ns + rng_below(rng, 1500) * MS;
	if (rng_percent(rng, 45))
		draw_filter(sim, in);
	if (rng_percent(rng, 5))
		in->unsubscribe_ns = sim->now_ns + a->start_ns + (1 + rng_below(rng, 1000)) * MS;
}

static void draw_subscriber(struct sim *sim, struct actor *a)
{
	struct rng *rng = &sim->rng;
	static const uint32_t windows[] = {8, 64, 512, 4096, 4096};

	a->window = windows[rng_below(rng, 5)];
	a->datagram = rng_percent(rng, 25) ? 1420 : 0;
	if (rng_percent(rng, 60))
		a->start_ns = rng_below(rng, 1500) * MS;
	a->interest_count = rng_percent(rng, 60) ? 1 :
						   2 + (uint32_t)rng_below(rng, SIM_INTERESTS - 1);
	for (uint32_t i = 0; i < a->interest_count; i++)
		draw_interest(sim, a, &a->interests[i]);
	if (rng_percent(rng, 25))
		a->pace_ns = (100 + rng_below(rng, 5000)) * US;
	if (rng_percent(rng, 25)) {
		a->pause_from_ns = rng_below(rng, 1000) * MS;
		a->pause_to_ns = a->pause_from_ns + rng_below(rng, 1000) * MS;
	}
	if (rng_percent(rng, 20))
		a->restart_ns = a->start_ns + (10 + rng_below(rng, 1000)) * MS;
	if (rng_percent(rng, 5))
		a->link.swallow = 1300;
}

void draw_actor(struct sim *sim, struct actor *a, bool publisher, bool rogue)
{
	struct rng *rng = &sim->rng;

	a->sim = sim;
	a->client = a->first = a->first_again = a->index;
	a->address = network_actor_address(a->index);
	a->stream = (uint32_t)rng_below(rng, sim->stream_count);
	draw_link(sim, &a->link);
	a->rogue = rogue;
	if (publisher)
		draw_publisher(sim, a);
	else if (!rogue)
		draw_subscriber(sim, a);
	a->start_ns += sim->now_ns;
	a->due_ns = a->start_ns;
	if (a->restart_ns != 0)
		a->restart_ns += sim->now_ns;
	a->pause_from_ns += sim->now_ns;
	a->pause_to_ns += sim->now_ns;
	if (!rogue && rng_percent(rng, 20))
		a->name_ns = a->start_ns + 1;
}

struct actor *draw_subscriber_more(struct sim *sim)
{
	struct actor *a = &sim->actors[sim->actor_count];

	assert(sim->actor_count < SIM_ACTORS);
	a->index = sim->actor_count++;
	draw_actor(sim, a, false, false);
	draw_actor_paths(sim, a);
	return a;
}

void draw_actor_paths(struct sim *sim, struct actor *a)
{
	for (uint32_t i = 0; i < sim->host_count; i++) {
		sim->network.links[i][actor_node(a)] = a->link;
		sim->network.links[actor_node(a)][i] = a->link;
	}
}
