// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/cluster_harness.h"

#include <stdlib.h>

#include "dataplane/home.h"

#define OR(value, otherwise) ((value) != 0 ? (value) : (otherwise))

static void keep_failure(struct cluster *c, uint32_t server)
{
	const char *text = c->servers[server].h.failure;

	if (text[0] != '\0' && c->failure[0] == '\0')
		snprintf(c->failure, sizeof(c->failure), "server %u: %.200s", server, text);
}

// ---- the wire ----------------------------------------------------------------------------------

static bool wire_loses(struct cluster *c, uint32_t from, uint32_t to)
{
	// xorshift64
	c->random ^= c->random << 13;
	c->random ^= c->random >> 7;
	c->random ^= c->random << 17;
	return c->is_cut[from][to] || !c->servers[to].alive ||
	       c->random % 1000 < c->loss_permille[from][to];
}

bool cluster_narrow_path(struct cluster *c, uint32_t from, uint32_t to, uint8_t *bytes,
			 uint32_t *length)
{
	(void)c, (void)bytes;
	return from + to != 1 || *length <= PEERS_NARROW_BYTES;
}

void cluster_inject(struct cluster *c, uint32_t from, uint32_t to, const void *bytes,
		    uint32_t length)
{
	struct cluster_server *receiver = &c->servers[to];
	struct godwit_address address = cluster_address(from);

	// A full queue loses, as a port does.
	harness_queue(&receiver->h, receiver->rx_core, &address, bytes, length);
}

static bool wire(struct harness *h, const struct godwit_address *to, const uint8_t *bytes,
		 uint32_t length)
{
	struct cluster *c = h->cluster;
	uint32_t from = (uint32_t)(h->server.id - 1);
	uint8_t copy[2048];

	for (uint32_t i = 0; i < c->count; i++) {
		struct godwit_address address = cluster_address(i);

		if (!godwit_address_equal(&address, to))
			continue;
		c->sent[from][i][bytes[1] % CLUSTER_TYPES]++;
		memcpy(copy, bytes, length);
		if (!wire_loses(c, from, i) &&
		    (c->filter == NULL || c->filter(c, from, i, copy, &length)))
			cluster_inject(c, from, i, copy, length);
		return true;
	}
	return false;
}

// ---- start and stop ----------------------------------------------------------------------------

static void configuring(struct harness *h, void *cluster, struct stream_config *stream,
			uint32_t number)
{
	struct cluster *c = cluster;

	if (c->config.configuring != NULL)
		c->config.configuring(c, (uint32_t)(h->server.id - 1), stream, number);
}

static void starting(struct harness *h, void *cluster)
{
	struct cluster *c = cluster;

	if (c->config.starting != NULL)
		c->config.starting(c, (uint32_t)(h->server.id - 1));
}

static void start_server(struct cluster *c, uint32_t i)
{
	struct cluster_server *s = &c->servers[i];
	const struct cluster_config *config = &c->config;
	struct harness_config each = config->each;
	struct peers_config peers = {
		.cluster = OR(config->name[i], "test"),
		.secret = OR(config->secret[i], "a secret of all"),
		.config = OR(config->config[i], CLUSTER_CONFIG),
		.interval_us = OR(config->interval_ms, CLUSTER_INTERVAL_MS) * 1000,
		.peers = s->peer_configs,
	};

	peers.secret_bytes = (uint32_t)strlen(peers.secret);
	for (uint32_t k = 0; k < c->count; k++)
		if (k != i)
			s->peer_configs[peers.count++] = (struct peer_config){
				.id = (uint16_t)(k + 1),
				.weight = 1,
				.address = cluster_address(k),
			};
	each.mtu = OR(config->mtu[i], each.mtu);
	each.server = (uint16_t)(i + 1);
	each.incarnation = s->incarnation;
	each.now_ns = c->now_ns;
	each.peers = &peers;
	each.cluster = c;
	each.log_bytes = OR(config->log_bytes[i], each.log_bytes);
	each.configuring = configuring;
	each.starting = starting;
	each.wire = wire;
	harness_start(&s->h, &each);
	s->alive = true;
	if (config->started != NULL)
		config->started(c, i);
}

void cluster_start(struct cluster *c, const struct cluster_config *config)
{
	memset(c, 0, sizeof(*c));
	if (config != NULL)
		c->config = *config;
	c->arg = c->config.arg;
	c->count = OR(c->config.servers, 2);
	if (c->count < 2 || c->count > CLUSTER_SERVERS)
		abort();
	c->now_ns = HARNESS_START_NS;
	c->step_ns = 500 * US;
	c->random = 0x9e3779b97f4a7c15ull;
	for (uint32_t i = 0; i < c->count; i++) {
		c->servers[i].index = i;
		c->servers[i].incarnation = HARNESS_WALL_NS + i;
		start_server(c, i);
	}
}

// Frames of peers that lie between cores.
static uint64_t crossing_frames(const struct server *server)
{
	uint32_t cores = server->core_count;
	uint64_t frames = 0;

	for (uint32_t i = 0; server->crossings != NULL && i < cores * cores; i++) {
		const struct crossing *crossing = &server->crossings[i];
		uint32_t tail = atomic_load_explicit(&crossing->tail, memory_order_relaxed);

		for (uint32_t at = atomic_load_explicit(&crossing->head, memory_order_relaxed);
		     at != tail; at++) {
			const struct crossing_slot *slot =
				(const void *)(crossing->memory +
					       (uint64_t)(at & crossing->mask) * crossing->stride);

			frames += slot->kind == HOME_PEER;
		}
	}
	return frames;
}

// What classify gave to the peer stages of a server ended in exactly one place.
static void check_peers(struct cluster *c, uint32_t server)
{
	uint64_t taken = cluster_count(c, server, COUNTER_classify_peer), ended;

#define COUNTED(name) cluster_count(c, server, COUNTER_##name)
#define DROPPED(name) cluster_drops(c, server, DROP_##name)
	ended = COUNTED(peer_hellos_heard) + COUNTED(peer_heartbeats_heard) +
		COUNTED(peer_heartbeats_old) + COUNTED(peer_replication) + COUNTED(peer_punts) +
		DROPPED(peer_died) + DROPPED(peer_refused) + DROPPED(peer_unknown_stream) +
		DROPPED(peer_unknown_session) + DROPPED(peer_crossing_full) +
		DROPPED(peer_punts_full) + DROPPED(peer_punt_large) +
		crossing_frames(cluster_server(c, server));
#undef COUNTED
#undef DROPPED
	if (taken != ended && c->failure[0] == '\0')
		snprintf(c->failure, sizeof(c->failure),
			 "server %u: law 1: frames of peers do not add up: %lu, %lu ended", server,
			 taken, ended);
}

void cluster_kill(struct cluster *c, uint32_t server)
{
	struct cluster_server *s = &c->servers[server];

	if (!s->alive)
		return;
	check_peers(c, server);
	harness_stop(&s->h);
	keep_failure(c, server);
	s->alive = false;
}

void cluster_restart(struct cluster *c, uint32_t server)
{
	cluster_kill(c, server);
	c->servers[server].incarnation += 1000 * MS;
	start_server(c, server);
}

void cluster_stop(struct cluster *c)
{
	for (uint32_t i = 0; i < c->count; i++)
		cluster_kill(c, i);
}

// ---- looking in --------------------------------------------------------------------------------

struct harness *cluster_harness(struct cluster *c, uint32_t server)
{
	return &c->servers[server].h;
}

struct server *cluster_server(struct cluster *c, uint32_t server)
{
	return &c->servers[server].h.server;
}

struct peer *cluster_peer(struct cluster *c, uint32_t server, uint32_t other)
{
	return peers_find(&cluster_server(c, server)->peers, (uint16_t)(other + 1));
}

struct godwit_address cluster_address(uint32_t server)
{
	return godwit_address_v4(0x0a010001 + server, 4000);
}

uint64_t cluster_count(struct cluster *c, uint32_t server, enum counter which)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < cluster_server(c, server)->core_count; i++)
		sum += harness_count(cluster_harness(c, server), i, which);
	return sum;
}

uint64_t cluster_drops(struct cluster *c, uint32_t server, enum drop which)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < cluster_server(c, server)->core_count; i++)
		sum += harness_drops(cluster_harness(c, server), i, which);
	return sum;
}

// ---- time --------------------------------------------------------------------------------------

void cluster_turns(struct cluster *c, uint32_t turns)
{
	for (; turns > 0; turns--)
		for (uint32_t i = 0; i < c->count; i++) {
			if (!c->servers[i].alive)
				continue;
			c->servers[i].h.now_ns = c->now_ns;
			harness_turn(&c->servers[i].h);
			keep_failure(c, i);
		}
}

void cluster_pass(struct cluster *c, uint64_t ns)
{
	for (uint64_t gone = 0; gone < ns; gone += c->step_ns) {
		c->now_ns += ns - gone < c->step_ns ? ns - gone : c->step_ns;
		cluster_turns(c, 1);
	}
}

static bool all_met(struct cluster *c)
{
	for (uint32_t i = 0; i < c->count; i++)
		for (uint32_t k = 0; k < c->count; k++)
			if (i != k && c->servers[i].alive && c->servers[k].alive &&
			    (!peer_takes_part(cluster_peer(c, i, k)) ||
			     !cluster_peer(c, i, k)->hello_done))
				return false;
	return true;
}

bool cluster_meet(struct cluster *c)
{
	uint64_t until = c->now_ns + 1000 * MS;

	while (!all_met(c) && c->now_ns < until)
		cluster_pass(c, c->step_ns);
	return all_met(c);
}

// ---- the wire's switches -----------------------------------------------------------------------

void cluster_cut(struct cluster *c, uint32_t from, uint32_t to)
{
	c->is_cut[from][to] = true;
}

void cluster_mend(struct cluster *c, uint32_t from, uint32_t to)
{
	c->is_cut[from][to] = false;
}

void cluster_isolate(struct cluster *c, uint32_t server, bool isolated)
{
	for (uint32_t i = 0; i < c->count; i++)
		c->is_cut[server][i] = c->is_cut[i][server] = isolated;
}
