// SPDX-License-Identifier: BSD-3-Clause
//
// A simulated server: streams in memory, cores that turn while its process runs, packets that wait for them,
// and its law-1 sums.
#include <stdlib.h>

#include "dataplane/stages.h"
#include "tests/sim/sim.h"

#define BURST_DATAGRAMS 8

uint64_t host_now(const struct host *host)
{
	int64_t ns = (int64_t)host->sim->now_ns;

	return (uint64_t)(ns + ns / 1000000 * host->drift_ppm);
}

uint64_t host_wall(const struct host *host)
{
	return host->sim->wall_base_ns + host_now(host) + (uint64_t)host->wall_offset_ns;
}

// Its number among the peers of the host.
static uint32_t peer_index(const struct host *host, uint32_t other)
{
	return other < host->index ? other : other - 1;
}

static void draw_role(struct host *host, uint32_t i, struct stream_config *config)
{
	struct sim *sim = host->sim;
	const struct sim_stream *stream = &sim->streams[i];

	config->min_in_sync = stream->min_in_sync;
	if (sim->host_count == 1) {
		config->session = rng_next(&sim->rng) | 1;
		return;
	}
	config->ack_local = stream->ack_local;
	config->role = STREAM_PRIMARY;
	for (uint32_t k = 0; k < sim->host_count; k++)
		if (k != host->index && (stream->replicas & 1u << k))
			config->replicas |= 1u << peer_index(host, k);
	if (stream->primary != host->index) {
		config->role = STREAM_REPLICA;
		config->primary = peer_index(host, stream->primary);
	}
}

static void start_stream(struct host *host, uint32_t i)
{
	struct host_stream *hs = &host->streams[i];
	char name[16];
	struct stream_config config = {
		.name = name,
		.epoch = 1,
		.instance_floor = host->server.incarnation,
		.home = i % host->core_count,
		.mtu = SIM_MTU,
		.log_bytes = hs->log_bytes,
		.publishers_max = 16,
		.runs_max = host->sizes.runs[i],
		.meta_max = host->sim->streams[i].meta_max,
		.topics_max = host->sizes.topics[i] != 0 ? host->sizes.topics[i] :
							   host->sim->streams[i].topics_max,
	};

	draw_role(host, i, &config);
	snprintf(name, sizeof(name), "s%u", i);
	if (hs->log_memory == NULL)
		hs->log_memory = log_memory_map(config.log_bytes, false, -1);
	config.log_memory = hs->log_memory;
	hs->stream = stream_create(&config, host->server.stream_count);
	if (hs->stream == NULL || hs->log_memory == NULL)
		abort();
	host->server.streams[host->server.stream_count++] = hs->stream;
	hs->hold_until_ns = 0;
	truth_read(host, i);
}

static void name_elsewhere(struct host *host, uint32_t i)
{
	struct server_elsewhere *elsewhere =
		&host->server.elsewhere[host->server.elsewhere_count++];

	snprintf(elsewhere->name, sizeof(elsewhere->name), "s%u", i);
	elsewhere->primary = (uint16_t)(host->sim->streams[i].primary + 1);
	for (uint32_t k = 0; k < host->sim->host_count; k++)
		if (host->sim->streams[i].replicas & 1u << k)
			elsewhere->replicas[elsewhere->replica_count++] = (uint16_t)(k + 1);
}

// The rest of the cluster; a host alone has none.
static void start_peers(struct host *host)
{
	struct sim *sim = host->sim;
	struct peer_config peers[SIM_HOSTS];
	struct peers_config config = {
		.cluster = "sim",
		.secret = "the secret of the simulator",
		.secret_bytes = 27,
		.config = host->is_other ? 2 : 1,
		.interval_us = HOST_INTERVAL_NS / US,
		.ring_slots = host->sizes.peers,
		.peers = peers,
	};

	for (uint32_t i = 0; i < sim->host_count; i++) {
		struct godwit_server_entry *entry = &host->server.list[host->server.list_count++];

		memcpy(entry->ip, sim->hosts[i].address.ip, sizeof(entry->ip));
		entry->port = godwit_be16(sim->hosts[i].address.port);
		entry->id = godwit_be16((uint16_t)(i + 1));
		entry->weight = godwit_be16(1);
		if (i != host->index)
			peers[config.count++] = (struct peer_config){
				.id = (uint16_t)(i + 1),
				.weight = 1,
				.address = sim->hosts[i].address,
			};
	}
	if (config.count > 0 && (peers_init(&host->server, &config) != 0 ||
				 cursor_feed_create(&host->server, &host->sizes.feed) != 0))
		abort();
}

static void start_core(struct host *host, uint32_t i)
{
	struct sim *sim = host->sim;
	struct host_core *hc = &host->cores[i];
	struct core_config config = host->config;
	struct tx tx = host_tx(hc);

	hc->host = host;
	config.id = i;
	config.random[0] = rng_next(&sim->rng);
	config.random[1] = rng_next(&sim->rng);
	hc->core = core_create(&host->server, &config, &tx);
	if (hc->core == NULL)
		abort();
	host->server.cores[i] = hc->core;
}

void host_start(struct host *host)
{
	struct sim *sim = host->sim;
	struct server *server = &host->server;

	host->generation++;
	memset(server, 0, sizeof(*server));
	server->id = (uint16_t)(host->index + 1);
	server->incarnation = host_wall(host);
	if (server->incarnation < host->incarnation_floor)
		server->incarnation = host->incarnation_floor;
	host->incarnation_floor = 0; // it is of this process: the next one has its own number
	server->mtu = SIM_MTU;
	server->interval_ms = 20;
	server->multiplier = 3;
	server->lapse_ms = 300;
	server->subscriptions_max = 8;
	for (uint32_t i = 0; i < sizeof(server->cookie_key); i++)
		server->cookie_key[i] = (uint8_t)rng_next(&sim->rng);
	for (uint32_t i = 0; i < sim->stream_count; i++) {
		if (sim->streams[i].primary == host->index ||
		    (sim->streams[i].replicas & 1u << host->index))
			start_stream(host, i);
		else
			name_elsewhere(host, i);
	}
	start_peers(host);
	server->core_count = host->core_count;
	if (server_crossings_create(server, host->sizes.crossings) != 0)
		abort();
	for (uint32_t i = 0; i < host->core_count; i++)
		start_core(host, i);
	host_control_start(host);
	host->up = true;
	sim_trace(sim, host_node(host), "up, generation %u", host->generation);
}

// Its cores are gone, and what waited for them.
static void forget_cores(struct host *host)
{
	for (uint32_t i = 0; i < host->core_count; i++) {
		for (uint32_t k = 0; k < host->cores[i].inbox_count; k++)
			free(host->cores[i].inbox[k].data);
		host->cores[i].inbox_count = 0;
		host->cores[i].stands_still = false;
	}
}

// A primary that is cut off counts what an earlier process acknowledged, whatever became of that since.
static void remember_reached(struct host_stream *hs)
{
	if (hs->truth == NULL ||
	    (hs->truth == hs->truth_before && hs->reached < hs->reached_before))
		return;
	hs->truth_before = hs->truth;
	hs->reached_before = hs->reached;
}

void host_stop(struct host *host)
{
	struct sim *sim = host->sim;

	if (!host->up)
		return;
	host->up = host->paused = false;
	forget_cores(host);
	coverage_host_ends(host);
	host_control_stop(host);
	for (uint32_t i = 0; i < host->core_count; i++)
		core_destroy(host->cores[i].core);
	cursor_feed_destroy(&host->server);
	server_crossings_destroy(&host->server);
	peers_fini(&host->server);
	for (uint32_t i = 0; i < sim->stream_count; i++) {
		if (host->streams[i].stream != NULL)
			stream_destroy(host->streams[i].stream);
		host->streams[i].stream = NULL;
		remember_reached(&host->streams[i]);
		sim->streams[i].adopted &= ~(1u << host->index);
		host->streams[i].truth = NULL;
		host->streams[i].reached = 0;
		host->streams[i].reconciled = 0;
	}
	sim_trace(sim, host_node(host), "down");
}

// All that may differ from its peers'.
void host_change(struct host *host)
{
	struct sim *sim = host->sim;

	draw_host_shape(&sim->rng, host);
	for (uint32_t i = 0; i < host->core_count; i++)
		if (host->cores[i].taken_max == 0)
			host->cores[i].taken_max = 1000;
	for (uint32_t i = 0; i < sim->stream_count; i++) {
		struct host_stream *hs = &host->streams[i];

		log_memory_unmap(hs->log_memory, hs->log_bytes);
		hs->log_memory = NULL;
		hs->log_bytes = sim->streams[i].log_bytes >> rng_below(&sim->rng, 2);
	}
	sim_trace(sim, host_node(host), "another configuration: %u cores", host->core_count);
}

// As RSS does: an address lands on one core, until the flows are spread anew.
uint32_t host_core_of(const struct host *host, const struct godwit_address *from)
{
	uint32_t flow = from->port;

	if (host->spread_ns != 0)
		flow += (uint32_t)(host->sim->now_ns / host->spread_ns);
	return (flow * 2654435761u >> 16) % host->core_count;
}

void host_input(struct host *host, struct packet *packet)
{
	struct host_core *hc;

	if (!host->up) {
		free(packet->data);
		return;
	}
	hc = &host->cores[host_core_of(host, &packet->from)];
	if (hc->inbox_count == sizeof(hc->inbox) / sizeof(hc->inbox[0])) {
		free(packet->data); // the port's queue is full
		return;
	}
	hc->inbox[hc->inbox_count++] = *packet;
}

void host_core_stands(struct host *host, uint32_t core, bool begins)
{
	struct host_core *hc = &host->cores[core];

	hc->stands_still = begins && host->up;
	hc->is_told_lost = false;
	hc->stands_from_ns = host->sim->now_ns;
}

static uint32_t core_turns(struct host_core *hc)
{
	struct host *host = hc->host;
	struct burst burst; // only what is counted is looked at
	uint32_t n = hc->inbox_count < BURST_DATAGRAMS ? hc->inbox_count : BURST_DATAGRAMS, work;

	burst.count = 0;
	for (uint32_t k = 0; k < n; k++)
		burst.datagrams[burst.count++] = (struct datagram){
			.bytes = hc->inbox[k].data,
			.length = hc->inbox[k].bytes,
			.from = hc->inbox[k].from,
		};
	hc->taken = 0;
	work = core_turn(hc->core, &burst, host_now(host), host_wall(host));
	if (work > 0)
		coverage_core(host, (uint32_t)(hc - host->cores));
	for (uint32_t k = 0; k < n; k++)
		free(hc->inbox[k].data);
	hc->inbox_count -= n;
	memmove(hc->inbox, hc->inbox + n, hc->inbox_count * sizeof(hc->inbox[0]));
	return work + hc->inbox_count;
}

uint32_t host_turn(struct host *host)
{
	uint32_t work = 0;

	if (!host->up || host->paused)
		return 0;
	for (uint32_t i = 0; i < host->core_count; i++) {
		if (host->cores[i].stands_still)
			continue;
		work += core_turns(&host->cores[i]);
		for (uint32_t k = 0; k < host->sim->stream_count; k++)
			if (host->streams[k].stream != NULL && host->streams[k].stream->home == i)
				truth_read(host, k);
	}
	host_control_turn(host);
	return work;
}

static void check_core(struct host *host, const struct core *core)
{
	struct sim *sim = host->sim;
	const struct counters *c = core->counters;
	uint64_t pending = 0, temporaries = 0;

#define GET(name) counter_get(c, COUNTER_##name)
	for (uint32_t k = 0; k < core->config.subscriptions_max; k++) {
		struct subscription *s = &core->subscriptions[k];
		struct slice slice;

		if (s->state == SUBSCRIPTION_FREE)
			continue;
		temporaries += s->temporary.active;
		for (uint32_t n = 0; client_ring_peek_at(&s->ring, n, &slice); n++)
			pending += slice_count(slice);
	}
	if (GET(rx_datagrams) + GET(crossed_in) !=
	    GET(classify_session) + GET(classify_append) + GET(classify_peer) +
		    GET(classify_crossed) + GET(classify_dropped))
		sim_fail(sim, "s%u: law 1: datagrams do not add up", host->index + 1);
	if (GET(ingest_messages) !=
	    GET(ingest_appended) + GET(ingest_repeats) + GET(ingest_refused))
		sim_fail(sim, "s%u: law 1: messages do not add up: %lu != %lu + %lu + %lu",
			 host->index + 1, GET(ingest_messages), GET(ingest_appended),
			 GET(ingest_repeats), GET(ingest_refused));
	if (GET(dispatch_taken) != GET(dispatch_sent) + GET(dispatch_refused) + pending)
		sim_fail(sim, "s%u: law 1: records do not add up: %lu != %lu + %lu + %lu",
			 host->index + 1, GET(dispatch_taken), GET(dispatch_sent),
			 GET(dispatch_refused), pending);
	if (GET(temporary_spawned) - GET(temporary_retired) != temporaries)
		sim_fail(sim, "s%u: temporary dispatchers do not add up", host->index + 1);
#undef GET
}

// The three sums of law 1, and what is bounded by what.
void host_check_laws(struct host *host)
{
	for (uint32_t i = 0; host->up && i < host->core_count; i++)
		check_core(host, host->cores[i].core);
}
