// SPDX-License-Identifier: BSD-3-Clause
//
// Random worlds of one server: every application gets its messages once, in order, or a typed answer. The
// server restarts, its streams begin epochs, and its commit lags.
#include "tests/sim/sim.h"

// Each once failed; what it found stands beside it.
static const uint64_t regressions[] = {
	1,
	9251,  // UNSUBSCRIBE while a RESUME was under way went under the dead server's handle
	11342, // the same
	5611268446170, // two cores made one cursor epoch
	9011346, // a late PUBLISH_OPEN of the process before made an instance, and fenced its successor
	6004256, // a RESUME came again after its end, and was answered in the same cursor epoch, from another start
	10143058, // the same of a SUBSCRIBE: the client took its second answer for a move, and made a gap
};

static void draw_tight(struct sim *sim, struct host *host)
{
	struct rng *rng = &sim->rng;

	host->lacks = ROOM_CLIENTS | ROOM_SUBSCRIPTIONS | ROOM_FILTERS;
	host->config.clients_max = 2u << rng_below(rng, 2);
	host->config.subscriptions_max = 1 + (uint32_t)rng_below(rng, 8);
	host->config.classes_max = 1 + (uint32_t)rng_below(rng, 3);
	host->config.class_topics_max = GODWIT_FILTER_TOPICS;
	for (uint32_t i = 0; i < sim->stream_count; i++)
		sim->streams[i].topics_max = 1 + (uint32_t)rng_below(rng, 4);
}

static void draw_server(struct sim *sim)
{
	struct rng *rng = &sim->rng;

	sim->host_count = 1;
	sim->stream_count = 1 + (uint32_t)rng_below(rng, 2);
	for (uint32_t i = 0; i < sim->stream_count; i++)
		sim->streams[i].topics_max = 64;
	draw_host(sim, &sim->hosts[0]);
	if (rng_percent(rng, 25))
		sim->epochs = 1 + (uint32_t)rng_below(rng, 500);
	if (rng_percent(rng, 25))
		sim->hold = 1 + (uint32_t)rng_below(rng, 1000);
	if (rng_percent(rng, 8))
		draw_tight(sim, &sim->hosts[0]);
	if (rng_percent(rng, 10))
		sim->faults[sim->fault_count++] = (struct fault){
			.kind = FAULT_CRASH,
			.from_ns = sim->now_ns + (50 + rng_below(rng, 1500)) * MS,
		};
}

static void draw(struct sim *sim)
{
	struct rng *rng = &sim->rng;
	uint32_t publishers, subscribers, rogues;

	sim->now_ns = 1000 * MS;
	sim->wall_base_ns = 1700000000000000000ull + rng_below(rng, 1ull << 40);
	sim->attacker = rng_percent(rng, 50);
	sim->attacker_address = godwit_address_v4(0x0a0000f0, 9999);
	draw_server(sim);
	publishers = 1 + (uint32_t)rng_below(rng, 3);
	subscribers = 1 + (uint32_t)rng_below(rng, 8);
	rogues = rng_percent(rng, 30) ? 1 + (uint32_t)rng_below(rng, 2) : 0;
	sim->actor_count = publishers + subscribers + rogues;
	for (uint32_t i = 0; i < sim->actor_count; i++) {
		struct actor *a = &sim->actors[i];

		a->index = i;
		draw_actor(sim, a, i < publishers, i >= publishers + subscribers);
		draw_actor_paths(sim, a);
	}
}

static void begin_epoch(struct sim *sim, uint32_t i)
{
	struct stream *stream = sim->hosts[0].streams[i].stream;
	struct truth *truth = sim->streams[i].truth;

	if (truth->epochs_count >= STREAM_EPOCHS / 2) // a stream knows the last ones only
		return;
	stream_begin_epoch(stream, stream->epoch + 1 + (uint32_t)rng_below(&sim->rng, 3));
	truth_begin_epoch(truth, stream->epoch, stream->log.head_own.seq + 1);
	sim_trace(sim, 0, "stream %u: epoch %u begins with %lu", i, stream->epoch,
		  stream->log.head_own.seq + 1);
}

static void hold_commit(struct sim *sim, uint32_t i)
{
	struct host_stream *hs = &sim->hosts[0].streams[i];
	struct stream *stream = hs->stream;
	struct log *log = &stream->log;

	if (!stream->commit_held) {
		if (rng_below(&sim->rng, 100000) < sim->hold) {
			stream->commit_held = true;
			hs->hold_until_ns = sim->now_ns + rng_below(&sim->rng, 100 * MS);
		}
	} else if (sim->quiet || sim->now_ns >= hs->hold_until_ns) {
		stream->commit_held = false;
	} else if (rng_percent(&sim->rng, 2)) { // it lags, but it moves
		uint64_t above = log_head_seq(log) - log_committed_seq(log);

		log_commit(log, log_committed_seq(log) + rng_below(&sim->rng, above + 1));
		truth_read(&sim->hosts[0], i); // before the turn appends as much again
	}
}

// Between two turns: an epoch begins, a commit stands still, moves a little, or is free again.
static void disturb(struct sim *sim)
{
	faults_step(sim);
	for (uint32_t i = 0; sim->hosts[0].up && i < sim->stream_count; i++) {
		if (!sim->quiet && sim->epochs > 0 && rng_below(&sim->rng, 100000) < sim->epochs)
			begin_epoch(sim, i);
		if (sim->hold > 0)
			hold_commit(sim, i);
	}
}

int main(int argc, char **argv)
{
	static const struct story story = {
		.name = "spine",
		.draw = draw,
		.disturb = disturb,
		.traffic_min_ns = 1600 * MS,
		.settle_ns = 30000 * MS,
		.regressions = regressions,
		.regressions_count = sizeof(regressions) / sizeof(regressions[0]),
		.fresh = 400,
	};

	return story_main(&story, argc, argv);
}
