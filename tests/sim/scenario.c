// SPDX-License-Identifier: BSD-3-Clause
//
// Runs a world: traffic with faults, quiet until everyone has everything, and an end at which nothing may
// be left behind.
#include <stdarg.h>
#include <stdlib.h>

#include "tests/sim/without.h"

#define TRAFFIC_END_NS (20000 * MS) // longest traffic
#define TIGHT_END_NS   (4000 * MS)  // where some may not get in

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

void sim_node_name(uint32_t node, char name[8])
{
	if (node < SIM_HOSTS)
		snprintf(name, 8, "s%u", node + 1);
	else if (node < SIM_NODES)
		snprintf(name, 8, "c%u", node - SIM_HOSTS);
	else
		snprintf(name, 8, "-");
}

void sim_trace(struct sim *sim, uint32_t node, const char *format, ...)
{
	va_list args;
	char name[8];

	if (!sim->trace)
		return;
	sim_node_name(node, name);
	printf("%11.3f  %-4s ", sim->now_ns / 1e6, name);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
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
	struct host *host = &sim->hosts[rng_below(rng, sim->host_count)];
	struct packet packet = {.from = sim->attacker_address, .to = host->address};

	if (!host->up)
		return;

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
	host->unproved_in += bytes;
	host_input(host, &packet);
}

static void deliver(struct sim *sim)
{
	struct packet packet;

	while (network_take(sim, &packet)) {
		uint32_t node = network_node(&packet.to);

		if (node < SIM_HOSTS) {
			host_input(&sim->hosts[node], &packet);
			continue;
		}
		actor_input(&sim->actors[node - SIM_HOSTS], &packet);
		free(packet.data);
	}
}

// One turn of every host. Returns the work done.
static uint32_t turn_hosts(struct sim *sim)
{
	uint32_t work = 0;

	for (uint32_t i = 0; i < sim->host_count; i++)
		work += host_turn(&sim->hosts[i]);
	return work;
}

// A turn of the actors that have something to do. Returns when the next has.
static uint64_t turn_actors(struct sim *sim)
{
	uint64_t next = UINT64_MAX;

	for (uint32_t i = 0; i < sim->actor_count && !sim->failed; i++) {
		struct actor *a = &sim->actors[i];

		if (a->due_ns <= sim->now_ns) {
			actor_turn(a);
			a->due_ns = actor_due(a);
		}
		if (a->due_ns < next)
			next = a->due_ns;
	}
	return next;
}

static void step(struct sim *sim)
{
	uint64_t next, rest_ns;

	sim->steps++;
	deliver(sim);
	if (sim->attacker && !sim->quiet && rng_percent(&sim->rng, 1))
		attack(sim);
	sim->story->disturb(sim);
	// A server's loop turns without rest while it has work, and often when not.
	rest_ns = turn_hosts(sim) > 0 ? 20 * US : 500 * US;
	next = turn_actors(sim);
	if (network_due(sim) < next)
		next = network_due(sim);
	if (next > sim->now_ns + rest_ns)
		next = sim->now_ns + rest_ns;
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

static bool not_all_fit(const struct sim *sim)
{
	return sim_lacks(sim, ROOM_CLIENTS | ROOM_SUBSCRIPTIONS);
}

// Where there is not room for all, who has got everything leaves.
static void make_room(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->actor_count; i++) {
		struct actor *a = &sim->actors[i];

		if (a->left || a->rogue || !a->open || !actor_complete(a))
			continue;
		actor_leave(a);
	}
}

static void trace_logs(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->host_count; i++)
		for (uint32_t k = 0; k < sim->stream_count; k++) {
			const struct stream *stream = sim->hosts[i].streams[k].stream;

			if (stream != NULL)
				sim_trace(sim, i, "stream %u: log %lu..%lu, commit %lu, epoch %u",
					  k, log_earliest(&stream->log), log_head_seq(&stream->log),
					  log_committed_seq(&stream->log), stream->epoch);
		}
}

static void describe_stuck(struct sim *sim)
{
	trace_logs(sim);
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
				 sim_commit(sim, in->stream), state.covered, state.edge,
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

		while (network_take(sim, &packet)) {
			uint32_t node = network_node(&packet.to);

			if (node < SIM_HOSTS)
				host_input(&sim->hosts[node], &packet);
			else
				free(packet.data);
		}
		turn_hosts(sim);
	}
	for (uint32_t i = 0; i < sim->host_count; i++)
		left_check(&sim->hosts[i]);
}

static void cleanup(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->actor_count; i++)
		if (sim->actors[i].open)
			actor_close(&sim->actors[i]);
	for (uint32_t i = 0; i < sim->host_count; i++) {
		struct host *host = &sim->hosts[i];

		host_stop(host);
		for (uint32_t k = 0; k < sim->stream_count; k++)
			log_memory_unmap(host->streams[k].log_memory, host->streams[k].log_bytes);
	}
	for (uint32_t i = 0; i < sim->truth_count; i++) {
		free(sim->truths[i].records);
		free(sim->truths[i].lost);
	}
	network_clear(sim);
}

static void check_laws(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->host_count; i++)
		host_check_laws(&sim->hosts[i]);
}

static void run_traffic(struct sim *sim)
{
	uint64_t start = sim->now_ns;
	uint64_t end = start + (not_all_fit(sim) ? TIGHT_END_NS : TRAFFIC_END_NS);

	while (!sim->failed && sim->now_ns < end &&
	       (!all_complete(sim, true) || sim->now_ns < start + sim->story->traffic_min_ns))
		step(sim);
	check_laws(sim);
}

// No faults any more: everybody gets everything.
static void run_settling(struct sim *sim)
{
	uint64_t end = sim->now_ns + sim->story->settle_ns;

	sim->quiet = true;
	for (uint32_t i = 0; i < sim->actor_count; i++)
		sim->actors[i].due_ns = 0; // who paused goes on
	sim_trace(sim, SIM_NODES, "quiet");
	sim->story->disturb(sim); // what is broken is mended
	while (!sim->failed && !all_complete(sim, false)) {
		step(sim);
		if (not_all_fit(sim))
			make_room(sim);
		if (sim->now_ns > end)
			describe_stuck(sim);
	}
	check_laws(sim);
}

// What was drawn, as far as it has names.
static void trace_world(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->stream_count; i++)
		sim_trace(sim, SIM_NODES, "stream %u: primary s%u, replicas %x, min_in_sync %u%s",
			  i, sim->streams[i].primary + 1, sim->streams[i].replicas << 1,
			  sim->streams[i].min_in_sync,
			  sim->streams[i].ack_local ? ", local acks" : "");
	for (uint32_t i = 0; i < sim->actor_count; i++) {
		const struct actor *a = &sim->actors[i];

		if (a->left)
			continue;
		if (a->publisher)
			sim_trace(sim, actor_node(a), "publishes %lu to stream %u", a->to_publish,
				  a->stream);
		else
			sim_trace(sim, actor_node(a), "%s",
				  a->rogue ? "keeps to no rule" : "subscribes");
	}
	for (uint32_t i = 0; i < sim->fault_count; i++) {
		const struct fault *f = &sim->faults[i];
		char a[8], b[8];

		sim_node_name(f->a, a);
		sim_node_name(f->b, b);
		if (f->state == FAULT_TO_COME)
			sim_trace(sim, SIM_NODES, "fault %u: %s %s %s, %.3f to %.3f", i + 1,
				  fault_name(f->kind), a, b, f->from_ns / 1e6, f->to_ns / 1e6);
	}
}

void scenario_draw(struct sim *sim, const struct story *story, uint64_t seed)
{
	memset(sim, 0, sizeof(*sim));
	sim->story = story;
	sim->seed = seed;
	sim->rng.state = seed * 0x2545f4914f6cdd1dull + 1;
	story->draw(sim);
}

int scenario_run(struct sim *sim, const struct story *story, const struct scenario *scenario)
{
	scenario_draw(sim, story, scenario->seed);
	if (scenario->without != NULL)
		without_apply(sim, scenario->without);
	sim->trace = scenario->trace;
	trace_world(sim);
	for (uint32_t i = 0; i < sim->host_count; i++)
		host_start(&sim->hosts[i]);
	run_traffic(sim);
	run_settling(sim);
	if (!sim->failed)
		wind_down(sim);
	check_laws(sim);
	cleanup(sim);
	return sim->failed ? 1 : 0;
}
