// SPDX-License-Identifier: BSD-3-Clause
//
// Draws what takes several things at the right moments: a move that waits for room while its client comes, leaves or
// is silent, two processes of one client, an end that is heard before the home is, two servers that are drained at
// once, a log that nobody can go on from for a while, rings and tables that fill, frames that outlive who they were
// sent to. When each thing happens is drawn, so that most worlds miss the meeting by a little, which is a world worth a
// run, too.
#include "dataplane/replication.h"
#include "tests/sim/sim.h"

// The faults begin when clients have found their homes.
static uint64_t draw_from(struct sim *sim)
{
	return sim->now_ns + (600 + rng_below(&sim->rng, 400)) * MS;
}

// One server leads all streams, and whoever led before follows where it did.
static void lead_all(struct sim *sim, uint32_t home)
{
	for (uint32_t i = 0; i < sim->stream_count; i++) {
		struct sim_stream *stream = &sim->streams[i];

		if (stream->replicas & 1u << home)
			stream->replicas ^= 1u << home | 1u << stream->primary;
		stream->primary = home;
	}
}

// Clients that begin at that server, which has them before anything breaks.
static struct actor *add_client(struct sim *sim, uint32_t home)
{
	struct actor *a = draw_subscriber_more(sim);

	a->start_ns = a->due_ns = sim->now_ns + rng_below(&sim->rng, 300) * MS;
	a->restart_ns = 0;
	a->first = a->first_again = home;
	for (uint32_t i = 0; i < a->interest_count; i++)
		a->interests[i].unsubscribe_ns = 0;
	return a;
}

static void add_clients(struct sim *sim, uint32_t home, uint32_t count)
{
	while (count-- > 0)
		add_client(sim, home);
}

// Some subscriptions are ended in that time.
static void end_some(struct sim *sim, uint64_t from_ns, uint64_t span_ns, uint32_t percent)
{
	struct rng *rng = &sim->rng;

	for (uint32_t i = 0; i < sim->actor_count; i++) {
		struct actor *a = &sim->actors[i];

		for (uint32_t k = 0; k < a->interest_count; k++)
			if (rng_percent(rng, percent))
				a->interests[k].unsubscribe_ns =
					from_ns + rng_below(rng, span_ns + 1);
	}
}

// Some clients are started again in that time, and ask any server first.
static void restart_some(struct sim *sim, uint64_t from_ns, uint64_t span_ns, uint32_t percent)
{
	struct rng *rng = &sim->rng;

	for (uint32_t i = 0; i < sim->actor_count; i++) {
		struct actor *a = &sim->actors[i];

		if (a->interest_count == 0 || !rng_percent(rng, percent))
			continue;
		a->restart_ns = from_ns + rng_below(rng, span_ns + 1);
		a->first_again = (uint32_t)rng_below(rng, sim->host_count);
	}
}

static uint32_t other_than(struct sim *sim, uint32_t host)
{
	uint32_t n = (uint32_t)rng_below(&sim->rng, sim->host_count - 1);

	return n < host ? n : n + 1;
}

// All other servers together have less room than the clients of one that is drained, not heard or asleep.
static void draw_crowd(struct sim *sim)
{
	struct rng *rng = &sim->rng;
	uint32_t home = (uint32_t)rng_below(rng, sim->host_count);
	uint64_t from = draw_from(sim), span = (150 + rng_below(rng, 500)) * MS;
	static const uint8_t kinds[] = {FAULT_DRAIN, FAULT_DRAIN, FAULT_ISOLATE, FAULT_PAUSE};
	enum fault_kind kind = kinds[rng_below(rng, sizeof(kinds))];

	lead_all(sim, home);
	add_clients(sim, home, 8);
	for (uint32_t i = 0; i < sim->host_count; i++) {
		struct host *host = &sim->hosts[i];

		if (i == home)
			continue;
		host->core_count = 1;
		host->sizes.offers_ms = 1;
		if (rng_percent(rng, 70)) {
			host->config.clients_max = 2;
			host->lacks = ROOM_CLIENTS;
		}
		if (rng_percent(rng, 30))
			host->sizes.moves = 1 + (uint32_t)rng_below(rng, 4);
		add_clients(sim, i, 2);
	}
	end_some(sim, from, span, 25);
	draw_rare_fault(sim, kind, from, kind == FAULT_PAUSE ? span / 2 : span)->a = home;
}

static uint32_t replica_of(struct sim *sim, const struct sim_stream *stream)
{
	uint32_t host;

	do
		host = (uint32_t)rng_below(&sim->rng, sim->host_count);
	while ((stream->replicas & 1u << host) == 0);
	return host;
}

// The process of a client goes on for a while after the next one has begun, at another server, while its home is
// drained.
static void draw_twins(struct sim *sim)
{
	struct rng *rng = &sim->rng;
	uint32_t home = (uint32_t)rng_below(rng, sim->host_count);
	uint64_t from = draw_from(sim);

	lead_all(sim, home);
	for (uint32_t i = 0; i < sim->host_count; i++)
		if (i != home)
			sim->hosts[i].core_count = 1;
	for (uint32_t n = 3 + (uint32_t)rng_below(rng, 4); n > 0; n--) {
		struct actor *before = add_client(sim, home), *after = draw_subscriber_more(sim);

		after->client = before->client;
		after->first = after->first_again = replica_of(sim, &sim->streams[0]);
		after->start_ns = after->due_ns = from + rng_below(rng, 60 * MS) - 30 * MS;
		after->restart_ns = before->name_ns = after->name_ns = 0;
		after->instance = 10;	   // above that of the other one
		after->interest_count = 1; // the other one keeps what is not asked for again
		for (uint32_t k = 0; k < SIM_INTERESTS; k++)
			before->interests[k].stream = after->interests[k].stream = 0;
		before->until_ns = after->start_ns + (50 + rng_below(rng, 400)) * MS;
	}
	draw_rare_fault(sim, FAULT_DRAIN, from, 600 * MS)->a = home;
}

// Two servers hold offers for the clients of a third one; these end, or begin anew elsewhere.
static void draw_held(struct sim *sim)
{
	struct rng *rng = &sim->rng;
	uint64_t from = draw_from(sim), span = (100 + rng_below(rng, 250)) * MS;
	uint32_t home = draw_rare_takers(sim, from, span, (50 + rng_below(rng, 250)) * MS);

	// All clients answer at once, and control is told of a few.
	for (uint32_t i = 0; i < sim->host_count; i++)
		sim->hosts[i].config.notices_ms = 1 + (uint32_t)rng_below(rng, 3);
	// Where the home leads, its clients have no reason to leave it.
	if (rng_percent(rng, 50))
		lead_all(sim, home);
	add_clients(sim, home, 8);
	for (uint32_t i = 0; i < sim->actor_count; i++)
		sim->actors[i].first = home;
	restart_some(sim, from + 40 * MS, span, 25);
	// Some ends come when the home is heard again, or just before.
	end_some(sim, from + span - 10 * MS, 20 * MS, 80);
}

// A server that is drained asks one that is drained just then.
static void draw_two_drains(struct sim *sim)
{
	struct rng *rng = &sim->rng;
	uint32_t home = (uint32_t)rng_below(rng, sim->host_count), other = other_than(sim, home);
	uint64_t from = draw_from(sim);
	struct fault *cut;

	lead_all(sim, home);
	add_clients(sim, home, 6);
	draw_rare_fault(sim, FAULT_DRAIN, from, 500 * MS)->a = home;
	draw_rare_fault(sim, FAULT_DRAIN, from - 8 * MS + rng_below(rng, 12 * MS),
			(100 + rng_below(rng, 400)) * MS)
		->a = other;
	cut = draw_rare_fault(sim, FAULT_CUT, from - 9 * MS, (10 + rng_below(rng, 15)) * MS);
	cut->a = other;
	cut->b = home;
}

// One replica has more than the primary that comes back without it, so its log is cut back; a core of it stands still,
// so that this takes long, and all others die meanwhile.
static void draw_not_whole(struct sim *sim)
{
	struct rng *rng = &sim->rng;
	struct sim_stream *stream = &sim->streams[0];
	uint32_t primary = stream->primary, left_out = (uint32_t)__builtin_ctz(stream->replicas);
	uint32_t other = 31 - (uint32_t)__builtin_clz(stream->replicas);
	uint64_t from = sim->now_ns + (300 + rng_below(rng, 200)) * MS, heard;
	struct fault *f;

	stream->min_in_sync = 3;
	stream->ack_local = false;
	// Runs that are kept for too long are seen to be.
	for (uint32_t i = 0; i < sim->host_count; i++)
		sim->hosts[i].sizes.runs[0] = 32;
	for (uint32_t i = 0; i < sim->actor_count; i++) {
		struct actor *a = &sim->actors[i];

		if (!a->publisher)
			continue;
		a->stream = 0;
		a->to_publish = 800;
		a->burst = 1;
		a->gap_ns = 1 * MS;
	}
	sim->hosts[left_out].core_count = 2;
	draw_rare_fault(sim, FAULT_CORE, from, 1400 * MS)->a = left_out;
	sim->faults[sim->fault_count - 1].amount = 1; // not the stream's home
	f = draw_rare_fault(sim, FAULT_CUT, from - (5 + rng_below(rng, 20)) * MS, 0);
	f->a = primary;
	f->b = other;
	f->to_ns = from;
	f = draw_rare_fault(sim, FAULT_SPLIT, from - rng_below(rng, 2 * MS), 0);
	f->a = primary;
	f->b = left_out;
	heard = f->to_ns = from + (300 + rng_below(rng, 200)) * MS;
	draw_rare_fault(sim, FAULT_CRASH, from, rng_below(rng, 80 * MS))->a = primary;
	from = heard + (20 + rng_below(rng, 180)) * MS; // it asks ever more seldom
	draw_rare_fault(sim, FAULT_CRASH, from, rng_below(rng, 80 * MS))->a = primary;
	draw_rare_fault(sim, FAULT_CRASH, from, rng_below(rng, 80 * MS))->a = other;
}

static void make_small(struct sim *sim, struct host *host)
{
	struct rng *rng = &sim->rng;

	host->config.mailbox_slots = 2u << rng_below(rng, 3);
	host->config.notices_ms = 1 + (uint32_t)rng_below(rng, 2);
	host->sizes.crossings = 2u << rng_below(rng, 3);
	host->sizes.peers = 1u << rng_below(rng, 4);
	host->sizes.feed.ring = CURSOR_FEED_RING_MIN << rng_below(rng, 2);
	host->sizes.feed.slots = 1u << rng_below(rng, 3);
	host->sizes.moves = 1 + (uint32_t)rng_below(rng, 6);
	host->sizes.offers_ms = 1 + (uint32_t)rng_below(rng, 2);
}

// All rings and tables are small, and one server's clients go elsewhere together.
static void draw_small_rings(struct sim *sim)
{
	static const uint8_t kinds[] = {FAULT_CRASH, FAULT_DRAIN, FAULT_ISOLATE, FAULT_PAUSE};
	struct rng *rng = &sim->rng;
	uint32_t home = (uint32_t)rng_below(rng, sim->host_count);
	bool is_far = rng_percent(rng, 60);

	for (uint32_t i = 0; i < sim->host_count; i++)
		make_small(sim, &sim->hosts[i]);
	// Much is under way between servers that are far from each other.
	for (uint32_t i = 0; is_far && i < sim->host_count; i++)
		for (uint32_t k = 0; k < sim->host_count; k++)
			sim->network.links[i][k].delay_ns = (1000 + rng_below(rng, 2000)) * US;
	for (uint32_t i = 0; i < sim->stream_count; i++) {
		sim->streams[i].meta_max = 1 + (uint32_t)rng_below(rng, 2);
		// Servers need not be alike in this.
		for (uint32_t k = 0; k < sim->host_count; k++)
			if (k != sim->streams[i].primary)
				sim->hosts[k].sizes.runs[i] = REPLICATE_RUNS_MAX;
	}
	for (uint32_t i = 0; i < sim->actor_count; i++) {
		struct actor *a = &sim->actors[i];

		a->name_ns = a->start_ns + 1;
		if (!a->publisher || !is_far)
			continue;
		// Each message is a run of its own, where others publish to the same stream.
		a->stream = 0;
		a->burst = 1;
		a->size_max = a->size_min;
		a->gap_ns = 100 * US;
	}
	add_clients(sim, home, 8);
	draw_rare_fault(sim, kinds[rng_below(rng, sizeof(kinds))], draw_from(sim),
			(50 + rng_below(rng, 500)) * MS)
		->a = home;
	draw_rare_pair(sim, (uint32_t)rng_below(rng, 1000));
}

// A path between two servers swallows large packets; no message is as large.
static void draw_narrow(struct sim *sim)
{
	struct rng *rng = &sim->rng;
	uint32_t home = (uint32_t)rng_below(rng, sim->host_count), other = other_than(sim, home);
	uint32_t swallow = 600 + (uint32_t)rng_below(rng, 600);

	lead_all(sim, home);
	add_clients(sim, home, 12);
	sim->network.links[home][other].swallow = swallow;
	if (rng_percent(rng, 50))
		sim->network.links[other][home].swallow = swallow;
	for (uint32_t i = 0; i < sim->actor_count; i++)
		if (sim->actors[i].size_max > 60)
			sim->actors[i].size_max = 60;
	draw_rare_pair(sim, (uint32_t)rng_below(rng, 1000));
}

// What is under way between servers is late and comes twice, and a server is down for less than that.
static void draw_late(struct sim *sim)
{
	struct rng *rng = &sim->rng;
	uint32_t primary = sim->streams[0].primary, replica = replica_of(sim, &sim->streams[0]);

	for (uint32_t i = 0; i < sim->host_count; i++)
		for (uint32_t k = 0; k < sim->host_count; k++) {
			sim->network.links[i][k].jitter_ns = (5 + rng_below(rng, 15)) * MS;
			sim->network.links[i][k].dup = 30;
		}
	for (uint32_t i = 0; i < sim->actor_count; i++)
		if (sim->actors[i].publisher)
			sim->actors[i].gap_ns = 3 * MS;
	for (uint32_t n = 0; n < 5; n++)
		draw_rare_fault(sim, FAULT_CRASH,
				sim->now_ns + (150 + n * 150 + rng_below(rng, 100)) * MS,
				rng_below(rng, 3 * MS))
			->a = rng_percent(rng, 70) ? replica : primary;
}

// Clients that hear nothing of their home go elsewhere by themselves, just when it is drained; what their new homes say of
// that is late among servers, so that others offer them a home, too.
void draw_gone(struct sim *sim)
{
	struct rng *rng = &sim->rng;
	uint32_t home = (uint32_t)rng_below(rng, sim->host_count);
	uint64_t from = draw_from(sim), late_ns = (5 + rng_below(rng, 25)) * MS;

	add_clients(sim, home, 8);
	for (uint32_t i = 0; i < sim->host_count; i++)
		for (uint32_t k = 0; k < sim->host_count; k++)
			sim->network.links[i][k].delay_ns = late_ns;
	for (uint32_t i = 0; i < sim->actor_count; i++) {
		struct fault *f;

		if (sim->fault_count + 1 == SIM_FAULTS)
			break;
		// Noticed after three intervals of 20 ms.
		f = draw_rare_fault(sim, FAULT_CUT, from - 60 * MS + rng_below(rng, late_ns),
				    400 * MS);
		f->a = home;
		f->b = SIM_HOSTS + i;
	}
	draw_rare_fault(sim, FAULT_DRAIN, from, 600 * MS)->a = home;
}

static const struct {
	void (*draw)(struct sim *sim);
	uint32_t hosts, holders; // that it needs; 0: any
} meetings[MEETINGS] = {
	{draw_crowd, 0, 0},	  {draw_late, 0, 0},	    {draw_twins, 0, 0},
	{draw_held, 5, 3},	  {draw_two_drains, 0, 0},  {draw_not_whole, 0, 3},
	{draw_small_rings, 0, 0}, {draw_small_rings, 0, 0}, {draw_narrow, 0, 0},
};

bool draw_meeting_fits(const struct sim *sim, uint32_t number)
{
	return (meetings[number].hosts == 0 || sim->host_count == meetings[number].hosts) &&
	       (meetings[number].holders == 0 ||
		__builtin_popcount(draw_rare_holders(sim)) == (int)meetings[number].holders);
}

void draw_meeting(struct sim *sim, uint32_t number)
{
	meetings[number].draw(sim);
}
