// SPDX-License-Identifier: BSD-3-Clause
//
// Draws a world from a seed: how many cores and streams, how large (or tiny) their logs and tables, who
// subscribes how to what, what is published, and what the network does to it.
#include "tests/sim/sim.h"

static void draw_host(struct sim *sim)
{
	struct rng *rng = &sim->rng;
	struct host *host = &sim->host;
	static const uint32_t rings[] = {4, 4, 8, 16, 64};

	host->address = godwit_address_v4(0x0a000001, 5000);
	host->core_count = 1 + (uint32_t)rng_below(rng, 3);
	host->stream_count = 1 + (uint32_t)rng_below(rng, 2);
	host->config = core_config_default;
	host->config.clients_max = 64;
	host->config.subscriptions_max = 64;
	host->config.classes_max = 64;
	host->config.class_topics_max = 1024;
	host->topics_max = 64;
	host->config.ring_slots = rings[rng_below(rng, 5)];
	host->config.live_budget = rng_percent(rng, 50) ? 2048 : 1 + (uint32_t)rng_below(rng, 8);
	host->config.egress_budget = rng_percent(rng, 50) ? 256 : 1 + (uint32_t)rng_below(rng, 16);
	host->config.temporary_budget =
		rng_percent(rng, 50) ? 256 << 10 : 1500 + (uint32_t)rng_below(rng, 8000);
	for (uint32_t i = 0; i < host->stream_count; i++)
		host->log_bytes[i] = 16384ull << rng_below(rng, rng_percent(rng, 50) ? 2 : 7);
	for (uint32_t i = 0; i < host->core_count; i++) {
		host->cores[i].taken_max = rng_percent(rng, 50) ? 1000 :
								  4 + (uint32_t)rng_below(rng, 60);
		host->cores[i].no_route = rng_percent(rng, 20) ? 2 : 0;
	}
	if (rng_percent(rng, 25))
		host->epochs = 1 + (uint32_t)rng_below(rng, 500);
	if (rng_percent(rng, 25))
		host->hold = 1 + (uint32_t)rng_below(rng, 1000);
	// Each third world; nothing is drawn for it, so that the seeds keep their worlds.
	if (sim->seed % 3 == 0)
		host->spread_ns = (1 + sim->seed % 7 * 50) * MS;
	sim->tight = rng_percent(rng, 8);
	if (sim->tight) {
		host->config.clients_max = 2u << rng_below(rng, 2);
		host->config.subscriptions_max = 1 + (uint32_t)rng_below(rng, 8);
		host->config.classes_max = 1 + (uint32_t)rng_below(rng, 3);
		host->config.class_topics_max = GODWIT_FILTER_TOPICS;
		host->topics_max = 1 + (uint32_t)rng_below(rng, 4);
	}
	if (rng_percent(rng, 10))
		sim->host_restart_ns = (50 + rng_below(rng, 1500)) * MS;
}

static void draw_link(struct sim *sim, struct link *link)
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

	in->stream = (uint32_t)rng_below(rng, sim->host.stream_count);
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

static void draw_actor(struct sim *sim, struct actor *a, bool publisher, bool rogue)
{
	struct rng *rng = &sim->rng;

	a->sim = sim;
	a->address = godwit_address_v4(0x0a000100 + a->index, (uint16_t)(10000 + a->index));
	a->stream = (uint32_t)rng_below(rng, sim->host.stream_count);
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

void sim_draw(struct sim *sim)
{
	struct rng *rng = &sim->rng;
	uint32_t publishers, subscribers, rogues;

	sim->now_ns = 1000 * MS;
	sim->wall_base_ns = 1700000000000000000ull + rng_below(rng, 1ull << 40);
	sim->attacker = rng_percent(rng, 50);
	sim->attacker_address = godwit_address_v4(0x0a000002, 9999);
	draw_host(sim);
	publishers = 1 + (uint32_t)rng_below(rng, 3);
	subscribers = 1 + (uint32_t)rng_below(rng, 8);
	rogues = rng_percent(rng, 30) ? 1 + (uint32_t)rng_below(rng, 2) : 0;
	sim->actor_count = publishers + subscribers + rogues;
	for (uint32_t i = 0; i < sim->actor_count; i++) {
		sim->actors[i].index = i;
		draw_actor(sim, &sim->actors[i], i < publishers, i >= publishers + subscribers);
	}
	if (sim->host_restart_ns != 0)
		sim->host_restart_ns += sim->now_ns;
}
