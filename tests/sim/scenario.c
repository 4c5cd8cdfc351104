// SPDX-License-Identifier: BSD-3-Clause
//
// Runs a world: traffic with faults, quiet until everyone has everything, and an end at which nothing may
// be left behind.
#include <stdarg.h>
#include <stdlib.h>

#include "dataplane/stages.h"
#include "tests/sim/sim.h"

#define TRAFFIC_END_NS (20000 * MS) // longest traffic
#define TIGHT_END_NS   (4000 * MS)  // where some may not get in
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
	host_disturb(sim);
	work = host_turn(sim);
	for (uint32_t i = 0; i < sim->actor_count; i++) {
		struct actor *a = &sim->actors[i];
		uint64_t due;

		if (sim->failed)
			return;
		if (a->due_ns <= sim->now_ns) {
			actor_turn(a);
			a->due_ns = actor_due(a);
		}
		due = a->due_ns;
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

// Where there is not room for all, who has got everything leaves.
static void make_room(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->actor_count; i++) {
		struct actor *a = &sim->actors[i];

		if (a->left || a->rogue || !a->open || !actor_complete(a))
			continue;
		actor_close(a);
		a->left = true;
	}
}

static void describe_stuck(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->actor_count; i++) {
		struct actor *a = &sim->actors[i];

		if (actor_complete(a))
			continue;
		if (a->publisher || !a->open)
			sim_fail(sim, "actor %u (%s) is not done: published %lu of %lu", i,
				 a->open ? "publisher" : "not open", a->published, a->to_publish);
		for (uint32_t k = 0; k < a->interest_count; k++) {
			struct interest *in = &a->interests[k];
			struct godwit_subscription_state state = {0};

			if (interest_complete(in))
				continue;
			godwit_core_subscription_state(a->core, in->subscription, &state);
			sim_fail(sim,
				 "actor %u.%u (stream %u) never got everything: taken %lu, "
				 "committed %lu, covered %lu, edge %lu, sent %lu",
				 i, in->subscription, in->stream, in->taken.seq,
				 sim->host.current[in->stream]->commit, state.covered, state.edge,
				 state.sent);
		}
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
	sim_draw(sim);
	host_start(sim);
	end = sim->now_ns + (sim->tight ? TIGHT_END_NS : TRAFFIC_END_NS);
	while (!sim->failed && sim->now_ns < end &&
	       (!all_complete(sim, true) || sim->now_ns < 2600 * MS))
		step(sim);
	host_check_laws(sim);
	sim->quiet = true;
	for (uint32_t i = 0; i < sim->actor_count; i++)
		sim->actors[i].due_ns = 0; // who paused goes on
	sim_trace(sim, "quiet");
	end = sim->now_ns + SETTLE_NS;
	while (!sim->failed && !all_complete(sim, false)) {
		step(sim);
		if (sim->tight)
			make_room(sim);
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
