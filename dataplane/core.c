// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/core.h"

#include <errno.h>
#include <stdlib.h>

#include "dataplane/replication.h"
#include "dataplane/stages.h"

#define WHEEL_TICK_NS	  500000 // heartbeats need no better
#define WHEEL_SLOTS	  1024
#define ENTRY_SPARE	  512 // runs of one slice beyond one a class
#define IDLE_CLIENT_BYTES 2048

static_assert(sizeof(struct client) + sizeof(struct wheel_timer) + sizeof(uint64_t) +
			      sizeof(uint32_t) + sizeof(struct subscription) +
			      64 * sizeof(struct slice) <=
		      IDLE_CLIENT_BYTES,
	      "an idle client with one subscription and its ring");

const struct core_config core_config_default = {
	.clients_max = 4096,
	.subscriptions_max = 8192,
	.ring_slots = 64,
	.classes_max = 1024,
	.class_topics_max = 32768,
	.mailbox_slots = 1024,
	.notices_ms = MOVES_NOTICES,
	.live_budget = 2048,
	.egress_budget = 256,
	.temporary_budget = 256 << 10,
};

static void *lines(uint64_t bytes)
{
	uint64_t rounded = (bytes + CACHE_LINE - 1) & ~(CACHE_LINE - 1ull);
	void *memory = aligned_alloc(CACHE_LINE, rounded);

	if (memory != NULL)
		memset(memory, 0, rounded);
	return memory;
}

uint64_t core_bytes(const struct server *server, const struct core_config *c)
{
	uint64_t live = sizeof(struct live) + filters_bytes(c->classes_max, c->class_topics_max) +
			(c->classes_max + ENTRY_SPARE) * sizeof(struct live_entry);

	return sizeof(struct core) + sizeof(struct counters) + server->stream_count * live +
	       (uint64_t)c->clients_max * (sizeof(struct client) + sizeof(uint32_t) +
					   sizeof(uint64_t) + sizeof(struct wheel_timer)) +
	       (uint64_t)c->subscriptions_max *
		       (sizeof(struct subscription) + c->ring_slots * sizeof(struct slice)) +
	       2 * crossing_bytes(c->mailbox_slots, CORE_COMMAND_BYTES) +
	       moves_offers(c->clients_max) * sizeof(struct offer) + wheel_heads_bytes(WHEEL_SLOTS);
}

static int create_clients(struct core *core)
{
	uint32_t max = core->config.clients_max;

	core->clients = lines(max * sizeof(*core->clients));
	core->client_heads = malloc(max * sizeof(*core->client_heads));
	core->client_heard = lines(max * sizeof(*core->client_heard));
	core->timers = lines(max * sizeof(*core->timers));
	core->wheel_heads = lines(wheel_heads_bytes(WHEEL_SLOTS));
	if (core->clients == NULL || core->client_heads == NULL || core->client_heard == NULL ||
	    core->timers == NULL || core->wheel_heads == NULL)
		return -ENOMEM;
	wheel_init(&core->wheel, WHEEL_TICK_NS, core->wheel_heads, WHEEL_SLOTS, core->timers, max,
		   0);
	memset(core->client_heads, 0xff, max * sizeof(*core->client_heads));
	for (uint32_t i = 0; i < max; i++) {
		// Random at start: a handle of an earlier process does not fit by chance.
		core->clients[i].handle = (uint64_t)core->config.id << 56 | (uint64_t)i << 32 |
					  (uint32_t)core_random(core);
		core->clients[i].index = i;
		core->clients[i].next = i + 1 < max ? i + 1 : NONE;
		core->clients[i].subscriptions = NONE;
	}
	core->client_free = 0;
	return 0;
}

static int create_subscriptions(struct core *core)
{
	uint32_t max = core->config.subscriptions_max, slots = core->config.ring_slots;

	core->subscriptions = lines(max * sizeof(*core->subscriptions));
	core->ring_slots = lines((uint64_t)max * slots * sizeof(struct slice));
	if (core->subscriptions == NULL || core->ring_slots == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < max; i++) {
		core->subscriptions[i].index = i;
		core->subscriptions[i].next_of_client = i + 1 < max ? i + 1 : NONE;
		client_ring_init(&core->subscriptions[i].ring,
				 &core->ring_slots[(uint64_t)i * slots], slots);
	}
	core->subscription_free = 0;
	core->ready_live = core->ready_replay = (struct ready){NONE, NONE, 0};
	return 0;
}

static int create_lives(struct core *core)
{
	uint32_t count = core->server->stream_count;
	const struct core_config *c = &core->config;

	core->lives = lines((count + 1) * sizeof(*core->lives));
	if (core->lives == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++) {
		struct live *live = &core->lives[i];

		live->stream = core->server->streams[i];
		live->members = live->whole_next = live->quiet = live->entry_member = NONE;
		live->cover_next = NONE;
		live->filters = filters_create(c->classes_max, c->class_topics_max);
		live->entries = lines((c->classes_max + ENTRY_SPARE) * sizeof(*live->entries));
		if (live->filters == NULL || live->entries == NULL)
			return -ENOMEM;
	}
	return 0;
}

static int create_mailboxes(struct core *core)
{
	uint32_t slots = core->config.mailbox_slots;
	uint64_t bytes = crossing_bytes(slots, CORE_COMMAND_BYTES);

	core->inbox_memory = lines(bytes);
	core->outbox_memory = lines(bytes);
	if (core->inbox_memory == NULL || core->outbox_memory == NULL)
		return -ENOMEM;
	crossing_init(&core->inbox, core->inbox_memory, slots, CORE_COMMAND_BYTES);
	crossing_init(&core->outbox, core->outbox_memory, slots, CORE_COMMAND_BYTES);
	return 0;
}

struct core *core_create(struct server *server, const struct core_config *config,
			 const struct tx *tx)
{
	struct core *core;
	int error;

	if (config->id >= SERVER_CORES_MAX || config->clients_max > HANDLE_SLOTS_MAX ||
	    config->clients_max == 0 || (config->clients_max & (config->clients_max - 1)) != 0 ||
	    config->subscriptions_max == 0 || config->ring_slots < 4 ||
	    (config->ring_slots & (config->ring_slots - 1)) != 0 || config->classes_max == 0 ||
	    config->mailbox_slots < 2 ||
	    (config->mailbox_slots & (config->mailbox_slots - 1)) != 0 || config->notices_ms == 0 ||
	    config->live_budget == 0 || config->egress_budget == 0 ||
	    config->temporary_budget == 0) {
		errno = EINVAL;
		return NULL;
	}
	core = lines(sizeof(*core));
	if (core == NULL)
		return NULL;
	core->config = *config;
	core->server = server;
	core->tx = *tx;
	core->sends = true;
	core->random[0] = config->random[0] | 1;
	core->random[1] = config->random[1];
	core->counters = lines(sizeof(*core->counters));
	error = core->counters == NULL ? -ENOMEM : 0;
	if (error == 0)
		error = create_clients(core);
	if (error == 0)
		error = create_subscriptions(core);
	if (error == 0)
		error = create_lives(core);
	if (error == 0)
		error = create_mailboxes(core);
	if (error == 0)
		error = moves_create(&core->moves, moves_offers(config->clients_max));
	if (error != 0) {
		core_destroy(core);
		errno = -error;
		return NULL;
	}
	return core;
}

void core_destroy(struct core *core)
{
	if (core == NULL)
		return;
	for (uint32_t i = 0; core->lives != NULL && i < core->server->stream_count; i++) {
		filters_destroy(core->lives[i].filters);
		free(core->lives[i].entries);
	}
	moves_destroy(&core->moves);
	free(core->inbox_memory);
	free(core->outbox_memory);
	free(core->lives);
	free(core->ring_slots);
	free(core->subscriptions);
	free(core->wheel_heads);
	free(core->timers);
	free(core->client_heard);
	free(core->client_heads);
	free(core->clients);
	free(core->counters);
	free(core);
}

// xoroshiro128+: handles, keys and jitter. What must not be guessed (keys) is seeded from the system's
// generator, and no output is shown but to the client that it belongs to.
uint64_t core_random(struct core *core)
{
	uint64_t a = core->random[0], b = core->random[1], result = a + b;

	b ^= a;
	core->random[0] = (a << 24 | a >> 40) ^ b ^ (b << 16);
	core->random[1] = b << 37 | b >> 27;
	return result;
}

// End a client's subscriptions as far as the port takes it. False: the rest next turn.
static bool stop_client(struct core *core, struct client *client)
{
	if (client->offered) {
		client_close(core, client, GODWIT_SHUTDOWN);
		return true;
	}
	while (client->subscriptions != NONE) {
		struct subscription *s = &core->subscriptions[client->subscriptions];
		struct godwit_identifier sent = {.session = s->acked.session, .seq = s->sent};
		uint8_t *at;

		// Asked before it is closed: what is not told now can not be told later.
		switch (core->tx.begin(core->tx.arg, &client->route, sizeof(struct godwit_ended),
				       &at)) {
		case TX_OK:
			core->tx.cancel(core->tx.arg);
			break;
		case TX_FULL:
			core->tx_is_full = true;
			return false;
		case TX_NO_ROUTE:
			break;
		}
		subscription_end(core, s, GODWIT_SHUTDOWN, sent, 0);
	}
	// Those that only publish are told as well.
	client_error(core, client, GODWIT_SHUTDOWN, 0, 0);
	client_close(core, client, GODWIT_SHUTDOWN);
	return !core->tx_is_full;
}

static void stop_step(struct core *core)
{
	// Every client is told, a few a turn, as far as the port takes it.
	for (uint32_t n = 0; n < 64 && core->stop_next < core->config.clients_max; n++) {
		struct client *client = &core->clients[core->stop_next];

		if (core->tx_is_full || (client->open && !stop_client(core, client)))
			return;
		core->stop_next++;
	}
	if (core->stop_next < core->config.clients_max)
		return;
	// Where the control thread is behind: next turn.
	if (core_notify(core, CORE_NOTICE_STOPPED, (struct core_notice){0}))
		core->stopped = true;
}

uint32_t core_turn(struct core *core, struct burst *burst, uint64_t now_ns, uint64_t wall_ns)
{
	uint32_t work = burst->count;

	if (now_ns - core->now_ns > core->server->interval_ms * 1000000ull)
		core->distrust_until_ns = now_ns + core->server->interval_ms * 1000000ull;
	core->now_ns = now_ns;
	core->wall_ns = wall_ns;
	core->tx_is_full = false;
	COUNT(core, rx_datagrams, burst->count);
	classify_burst(core, burst);
	session_burst(core, burst);
	peer_burst(core, burst);
	ingest_burst(core, burst);
	work += home_drain(core);
	// Before bulk: neither heartbeats nor where clients are wait for a port that others keep full.
	work += peers_turn(core);
	work += cursor_feed_burst(core);
	work += append_burst(core);
	work += replication_burst(core);
	work += dispatch_burst(core);
	work += egress_burst(core);
	work += heartbeat_burst(core);
	work += moves_burst(core);
	work += core_obey(core);
	if (core->stopping && !core->stopped)
		stop_step(core);
	COUNT(core, turns, 1);
	if (work == 0)
		COUNT(core, turns_idle, 1);
	return work;
}
