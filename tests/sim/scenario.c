// SPDX-License-Identifier: BSD-3-Clause
//
// Draws a world from a seed: how many cores and streams, how large (or tiny) their logs, who
// subscribes how, what is published, and what the network does to it. Then runs it: traffic with faults,
// quiet until everyone has everything, and an end at which nothing may be left behind.
#include <stdarg.h>
#include <stdlib.h>

#include "dataplane/stages.h"
#include "tests/sim/sim.h"

#define TRAFFIC_END_NS (20000 * MS) // longest traffic
#define SETTLE_NS      (30000 * MS) // longest time until all have got everything, without faults

void sim_fail(struct sim *sim, const char *format, ...)
{
	va_list args;
	int n;

	if (sim->failed)
		return;
	sim->failed = true;
	n = snprintf(sim->failure, sizeof(sim->failure), "at %.3f ms: ", sim->now_ns / 1e6);
	va_start(args, format);
	vsnprintf(sim->failure + n, sizeof(sim->failure) - (size_t)n, format, args);
	va_end(args);
}

void sim_trace(struct sim *sim, const char *format, ...)
{
	va_list args;

	if (!sim->trace)
		return;
	printf("%10.3f  ", sim->now_ns / 1e6);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

const struct link *sim_link_of(const struct sim *sim, const struct godwit_address *address)
{
	return &sim->actors[(address->port - 10000u) % 100].link;
}

// ---- drawing ----------------------------------------------------------------------------------

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
	host->config.classes_max = 16;
	host->config.class_topics_max = 256;
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

static void draw_filter(struct sim *sim, struct actor *a)
{
	uint32_t mask = 1 + (uint32_t)rng_below(&sim->rng, (1 << SIM_TOPICS) - 1);

	if (rng_percent(&sim->rng, 20))
		mask = 1 << (SIM_TOPICS - 1); // nothing matches, ever
	for (uint32_t t = 0; t < SIM_TOPICS; t++)
		if (mask & 1u << t)
			a->topics[a->options.topic_count++] = t + 1;
}

static void draw_subscriber(struct sim *sim, struct actor *a)
{
	struct rng *rng = &sim->rng;
	static const uint32_t windows[] = {8, 64, 512, 4096, 4096};

	a->window = windows[rng_below(rng, 5)];
	a->datagram = rng_percent(rng, 25) ? 1420 : 0;
	a->options.policy = (uint8_t)rng_below(rng, 3);
	a->options.start = (uint8_t)rng_below(rng, 4);
	if (a->options.start == GODWIT_START_SEQUENCE)
		a->options.value = 1 + rng_below(rng, 400);
	if (rng_percent(rng, 60))
		a->start_ns = rng_below(rng, 1500) * MS;
	if (a->options.start == GODWIT_START_TIME)
		a->options.value = sim->wall_base_ns + rng_below(rng, 1500) * MS;
	if (rng_percent(rng, 45))
		draw_filter(sim, a);
	if (rng_percent(rng, 25))
		a->pace_ns = (100 + rng_below(rng, 5000)) * US;
	if (rng_percent(rng, 25)) {
		a->pause_from_ns = rng_below(rng, 1000) * MS;
		a->pause_to_ns = a->pause_from_ns + rng_below(rng, 1000) * MS;
	}
	if (rng_percent(rng, 20))
		a->restart_ns = a->start_ns + (10 + rng_below(rng, 1000)) * MS;
	if (rng_percent(rng, 5))
		a->unsubscribe_ns = a->start_ns + (1 + rng_below(rng, 1000)) * MS;
	if (rng_percent(rng, 5))
		a->link.swallow = 1300;
}

static void draw(struct sim *sim)
{
	struct rng *rng = &sim->rng;
	uint32_t publishers, subscribers;

	sim->now_ns = 1000 * MS;
	sim->wall_base_ns = 1700000000000000000ull + rng_below(rng, 1ull << 40);
	sim->attacker = rng_percent(rng, 50);
	sim->attacker_address = godwit_address_v4(0x0a000002, 9999);
	draw_host(sim);
	publishers = 1 + (uint32_t)rng_below(rng, 3);
	subscribers = 1 + (uint32_t)rng_below(rng, 8);
	sim->actor_count = publishers + subscribers;
	for (uint32_t i = 0; i < sim->actor_count; i++) {
		struct actor *a = &sim->actors[i];

		a->sim = sim;
		a->index = i;
		a->address = godwit_address_v4(0x0a000100 + i, (uint16_t)(10000 + i));
		a->stream = (uint32_t)rng_below(rng, sim->host.stream_count);
		draw_link(sim, &a->link);
		if (i < publishers)
			draw_publisher(sim, a);
		else
			draw_subscriber(sim, a);
		a->start_ns += sim->now_ns;
		if (a->restart_ns != 0)
			a->restart_ns += sim->now_ns;
		if (a->unsubscribe_ns != 0)
			a->unsubscribe_ns += sim->now_ns;
		a->pause_from_ns += sim->now_ns;
		a->pause_to_ns += sim->now_ns;
	}
	if (sim->host_restart_ns != 0)
		sim->host_restart_ns += sim->now_ns;
}

// ---- running ----------------------------------------------------------------------------------

// Somebody who has no handle: HELLOs from a false address, and noise of every kind.
static void attack(struct sim *sim)
{
	struct rng *rng = &sim->rng;
	struct godwit_hello hello = {
		.frame = {.version = GODWIT_VERSION, .type = GODWIT_HELLO},
		.client = godwit_be64(rng_next(rng)),
		.instance = godwit_be64(1),
	};
	uint8_t noise[1400];
	uint32_t bytes = (uint32_t)rng_below(rng, sizeof(noise));
	const uint8_t *data = noise;
	struct packet packet = {.from = sim->attacker_address, .to = sim->host.address};

	if (rng_percent(rng, 30)) {
		data = (const uint8_t *)&hello;
		bytes = sizeof(hello);
	} else {
		for (uint32_t i = 0; i < bytes; i++)
			noise[i] = (uint8_t)rng_next(rng);
		if (bytes >= 8 && rng_percent(rng, 80)) {
			noise[0] = GODWIT_VERSION;
			noise[1] = 1 + (uint8_t)rng_below(rng, 10);
			noise[6] = noise[7] = 0;
		}
	}
	packet.bytes = bytes;
	packet.data = malloc(bytes + 1);
	if (packet.data == NULL)
		abort();
	memcpy(packet.data, data, bytes);
	sim->host.unproved_in += bytes;
	host_input(sim, &packet);
}

static void deliver(struct sim *sim)
{
	struct packet packet;

	while (network_take(sim, &packet)) {
		if (godwit_address_equal(&packet.to, &sim->host.address)) {
			host_input(sim, &packet);
			continue;
		}
		actor_input(&sim->actors[(packet.to.port - 10000u) % 100], &packet);
		free(packet.data);
	}
}

static void step(struct sim *sim)
{
	uint64_t next = network_due(sim);
	uint32_t work;

	sim->steps++;
	deliver(sim);
	if (sim->host_restart_ns != 0 && sim->now_ns >= sim->host_restart_ns) {
		sim->host_restart_ns = 0;
		host_stop(sim);
		host_start(sim);
	}
	if (sim->attacker && !sim->quiet && sim->host.up && rng_percent(&sim->rng, 1))
		attack(sim);
	work = host_turn(sim);
	for (uint32_t i = 0; i < sim->actor_count; i++) {
		struct actor *a = &sim->actors[i];
		uint64_t due;

		if (sim->failed)
			return;
		actor_turn(a);
		due = actor_due(a);
		if (due < next)
			next = due;
	}
	if (network_due(sim) < next)
		next = network_due(sim);
	// The server's loop turns without rest while it has work, and often when not.
	if (next > sim->now_ns + (work > 0 ? 20 * US : 500 * US))
		next = sim->now_ns + (work > 0 ? 20 * US : 500 * US);
	sim->now_ns = next > sim->now_ns + 5 * US ? next : sim->now_ns + 5 * US;
}

static bool all_complete(struct sim *sim, bool publishers_only)
{
	for (uint32_t i = 0; i < sim->actor_count; i++)
		if ((sim->actors[i].publisher || !publishers_only) &&
		    !actor_complete(&sim->actors[i]))
			return false;
	return true;
}

static void describe_stuck(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->actor_count; i++) {
		struct actor *a = &sim->actors[i];
		struct godwit_subscription_state state = {0};

		if (actor_complete(a))
			continue;
		if (!a->publisher)
			godwit_core_subscription_state(a->core, a->subscription, &state);
		sim_fail(sim,
			 "actor %u (%s, stream %u) never got everything: taken %lu, committed %lu, "
			 "covered %lu, edge %lu, sent %lu, published %lu of %lu",
			 i, a->publisher ? "publisher" : "subscriber", a->stream, a->taken.seq,
			 sim->host.current[a->stream]->commit, state.covered, state.edge,
			 state.sent, a->published, a->to_publish);
	}
}

// All clients gone: their lapse passes, and nothing may be left of them.
static void wind_down(struct sim *sim)
{
	uint64_t end = sim->now_ns + 1000 * MS;

	for (uint32_t i = 0; i < sim->actor_count; i++)
		if (sim->actors[i].open)
			actor_close(&sim->actors[i]);
	for (; sim->now_ns < end && !sim->failed; sim->now_ns += 500 * US) {
		struct packet packet;

		while (network_take(sim, &packet))
			free(packet.data);
		host_turn(sim);
	}
	for (uint32_t i = 0; i < sim->host.core_count; i++) {
		const struct core *core = sim->host.cores[i].core;

		if (core->client_count != 0 || core->subscription_count != 0)
			sim_fail(sim, "core %u keeps %u clients, %u subscriptions", i,
				 core->client_count, core->subscription_count);
		for (uint32_t k = 0; k < sim->host.stream_count; k++)
			if (core->lives[k].active)
				sim_fail(sim, "a live dispatcher without members");
	}
}

static void cleanup(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->actor_count; i++)
		if (sim->actors[i].open)
			actor_close(&sim->actors[i]);
	host_stop(sim);
	for (uint32_t i = 0; i < sim->host.stream_count; i++)
		log_memory_unmap(sim->host.log_memory[i], sim->host.log_bytes[i]);
	for (uint32_t i = 0; i < sim->host.truth_count; i++)
		free(sim->host.truths[i].records);
	network_clear(sim);
}

int scenario_run(struct sim *sim, uint64_t seed, bool trace)
{
	uint64_t end;

	memset(sim, 0, sizeof(*sim));
	sim->seed = seed;
	sim->rng.state = seed * 0x2545f4914f6cdd1dull + 1;
	sim->trace = trace;
	draw(sim);
	host_start(sim);
	end = sim->now_ns + TRAFFIC_END_NS;
	while (!sim->failed && sim->now_ns < end &&
	       (!all_complete(sim, true) || sim->now_ns < 2600 * MS))
		step(sim);
	host_check_laws(sim);
	sim->quiet = true;
	sim_trace(sim, "quiet");
	end = sim->now_ns + SETTLE_NS;
	while (!sim->failed && !all_complete(sim, false)) {
		step(sim);
		if (sim->now_ns > end)
			describe_stuck(sim);
	}
	host_check_laws(sim);
	if (!sim->failed)
		wind_down(sim);
	host_check_laws(sim);
	cleanup(sim);
	return sim->failed ? 1 : 0;
}
