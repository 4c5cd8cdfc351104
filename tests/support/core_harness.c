// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/core_harness.h"

#include <stdarg.h>
#include <stdlib.h>

#include "dataplane/stages.h"

static void harness_fail(struct harness *h, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void harness_fail(struct harness *h, const char *format, ...)
{
	va_list args;

	if (h->failure[0] != '\0')
		return; // the first one tells most
	va_start(args, format);
	vsnprintf(h->failure, sizeof(h->failure), format, args);
	va_end(args);
}

// ---- tx ----------------------------------------------------------------------------------------

static struct harness_peer *bytes_of(struct harness *h, const struct godwit_address *address)
{
	for (uint32_t i = 0; i < h->peers_count; i++)
		if (godwit_address_equal(&h->peers[i].address, address))
			return &h->peers[i];
	if (h->peers_count == HARNESS_PEERS)
		abort();
	h->peers[h->peers_count] = (struct harness_peer){.address = *address};
	return &h->peers[h->peers_count++];
}

static bool is_client(struct harness *h, uint32_t core, const struct godwit_address *address)
{
	const struct core *c = h->server.cores[core];

	for (uint32_t i = 0; i < c->config.clients_max; i++)
		if (c->clients[i].open && godwit_address_equal(&c->clients[i].route.to, address))
			return true;
	return false;
}

static enum tx_verdict tx_begin(void *arg, struct route *route, uint32_t bytes_max,
				uint8_t **payload)
{
	struct harness_tx *tx = arg;

	if (tx->used >= tx->room)
		return TX_FULL;
	if (tx->no_route)
		return TX_NO_ROUTE;
	if (bytes_max > tx->harness->server.mtu - GODWIT_UDP_OVERHEAD)
		harness_fail(tx->harness, "%u bytes were sent, above the MTU", bytes_max);
	if (tx->meanwhile != NULL) {
		void (*meanwhile)(void) = tx->meanwhile;

		tx->meanwhile = NULL;
		meanwhile();
	}
	tx->route = route;
	*payload = tx->buffer;
	return TX_OK;
}

static uint32_t folded(uint64_t sum)
{
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff ? 0 : (uint32_t)sum; // one value in ones-complement
}

static uint32_t plain_sum(const uint8_t *at, uint32_t bytes)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < bytes; i += 2) {
		uint16_t word = 0;

		memcpy(&word, at + i, bytes - i < 2 ? 1 : 2);
		sum += word;
	}
	return folded(sum);
}

static void tx_end(void *arg, uint32_t bytes, uint32_t sum_from, uint32_t sum)
{
	struct harness_tx *tx = arg;
	struct harness *h = tx->harness;
	enum godwit_check check = tx->buffer[1] > GODWIT_PEER_TYPES ?
					  godwit_check_from_peer(tx->buffer, bytes) :
					  godwit_check_from_server(tx->buffer, bytes);
	struct harness_peer *peer;
	struct harness_frame *frame;

	if (check != GODWIT_CHECK_OK)
		harness_fail(h, "a frame of type 0x%02x, %u bytes, was sent: %s", tx->buffer[1],
			     bytes, godwit_check_name(check));
	if (sum != TX_NO_SUM && plain_sum(tx->buffer + sum_from, bytes - sum_from) != folded(sum))
		harness_fail(h, "a wrong sum was handed to tx");
	if (h->wire != NULL && h->wire(h, &tx->route->to, tx->buffer, bytes)) {
		tx->used++;
		return;
	}
	peer = bytes_of(h, &tx->route->to);
	// A PROBE is asked for by a server of the cluster, and smaller than what that cost.
	if (!is_client(h, tx->core, &tx->route->to) && tx->buffer[1] != GODWIT_PROBE) {
		peer->out += bytes;
		if (peer->out > 3 * peer->in)
			harness_fail(h, "%lu bytes for %lu to an unproved address", peer->out,
				     peer->in);
	}
	if (h->frames_count == HARNESS_FRAMES)
		abort();
	tx->used++;
	frame = &h->frames[h->frames_count++];
	*frame = (struct harness_frame){
		.to = tx->route->to, .core = tx->core, .bytes = bytes, .at_ns = h->now_ns};
	memcpy(frame->data, tx->buffer, bytes);
}

static void tx_cancel(void *arg)
{
	(void)arg;
}

// ---- start and stop ----------------------------------------------------------------------------

#define OR(value, otherwise) ((value) != 0 ? (value) : (otherwise))

static void start_stream(struct harness *h, const struct harness_config *c, uint32_t i)
{
	char name[16];
	struct stream_config config = {
		.name = name,
		.session = HARNESS_SESSION + i,
		.epoch = 1,
		.home = i % h->server.core_count,
		.mtu = h->server.mtu,
		.log_bytes = h->log_bytes,
		.publishers_max = OR(c->publishers_max, 8),
		.runs_max = OR(c->runs_max, 64),
		.topics_max = OR(c->topics_max, 16),
	};

	if (c->configuring != NULL)
		c->configuring(h, c->cluster, &config, i);
	snprintf(name, sizeof(name), "s%u", i);
	h->log_memory[i] = config.log_memory = log_memory_map(h->log_bytes, false, -1);
	h->server.streams[i] = config.log_memory ? stream_create(&config, i) : NULL;
	if (h->server.streams[i] == NULL)
		abort();
}

static void start_core(struct harness *h, const struct harness_config *c, uint32_t i)
{
	struct core_config config = core_config_default;
	struct tx tx = {.arg = &h->tx[i], .begin = tx_begin, .end = tx_end, .cancel = tx_cancel};

	config.id = i;
	config.random[0] = 0x1234567 + i;
	config.random[1] = 0x89abcde;
	config.clients_max = OR(c->clients_max, 16);
	config.subscriptions_max = OR(c->subscriptions_max, 32);
	config.ring_slots = OR(c->ring_slots, 16);
	config.classes_max = OR(c->classes_max, 16);
	config.class_topics_max = OR(c->class_topics_max, 1024);
	config.live_budget = OR(c->live_budget, config.live_budget);
	config.egress_budget = OR(c->egress_budget, config.egress_budget);
	config.temporary_budget = OR(c->temporary_budget, config.temporary_budget);
	h->tx[i] = (struct harness_tx){.harness = h, .core = i, .room = UINT32_MAX};
	h->server.cores[i] = core_create(&h->server, &config, &tx);
	if (h->server.cores[i] == NULL)
		abort();
}

void harness_start(struct harness *h, const struct harness_config *config)
{
	static const struct harness_config plain;
	const struct harness_config *c = config != NULL ? config : &plain;
	struct server *server = &h->server;

	memset(h, 0, sizeof(*h));
	h->now_ns = OR(c->now_ns, HARNESS_START_NS);
	h->cluster = c->cluster;
	h->wire = c->wire;
	h->log_bytes = OR(c->log_bytes, 1 << 20);
	h->frames = calloc(HARNESS_FRAMES, sizeof(*h->frames));
	server->id = OR(c->server, 7);
	server->incarnation = OR(c->incarnation, HARNESS_WALL_NS);
	server->mtu = OR(c->mtu, HARNESS_MTU);
	server->interval_ms = HARNESS_INTERVAL_MS;
	server->multiplier = 3;
	server->lapse_ms = HARNESS_LAPSE_MS;
	server->subscriptions_max = (uint16_t)OR(c->subscriptions_of_client, 8);
	memset(server->cookie_key, 0x5a, sizeof(server->cookie_key));
	server->core_count = OR(c->cores, 1);
	if (c->credential != NULL) {
		server->credential_bytes = (uint16_t)strlen(c->credential);
		memcpy(server->credential, c->credential, server->credential_bytes);
	}
	for (uint32_t i = 0; i < OR(c->streams, 1); i++)
		start_stream(h, c, i);
	server->stream_count = OR(c->streams, 1);
	if (h->frames == NULL || server_crossings_create(server, OR(c->crossing_slots, 64)) != 0)
		abort();
	if (c->peers != NULL && peers_init(server, c->peers) != 0)
		abort();
	if (c->starting != NULL)
		c->starting(h, c->cluster);
	for (uint32_t i = 0; i < server->core_count; i++)
		start_core(h, c, i);
}

// Frames of clients on their way to the clients' cores.
static uint64_t crossing_now(const struct harness *h)
{
	uint32_t cores = h->server.core_count;
	uint64_t n = 0;

	for (uint32_t i = 0; h->server.crossings != NULL && i < cores * cores; i++) {
		const struct crossing *crossing = &h->server.crossings[i];
		uint32_t tail = atomic_load(&crossing->tail);

		for (uint32_t at = atomic_load(&crossing->head); at != tail; at++) {
			const struct crossing_slot *slot =
				(const void *)(crossing->memory +
					       (uint64_t)(at & crossing->mask) * crossing->stride);

			n += slot->kind == HOME_CLIENT;
		}
	}
	return n;
}

void harness_check_laws(struct harness *h)
{
	uint64_t went = 0, came = 0;

	for (uint32_t i = 0; i < h->server.core_count; i++) {
		struct core *core = h->server.cores[i];
		uint64_t pending = 0, temporaries = 0, open = 0;

#define GET(name) counter_get(core->counters, COUNTER_##name)
		for (uint32_t k = 0; k < core->config.subscriptions_max; k++) {
			struct subscription *s = &core->subscriptions[k];
			struct slice slice;

			if (s->state == SUBSCRIPTION_FREE)
				continue;
			open++;
			temporaries += s->temporary.active;
			for (uint32_t n = 0; client_ring_peek_at(&s->ring, n, &slice); n++)
				pending += slice_count(slice);
		}
		if (GET(rx_datagrams) + GET(crossed_in) !=
		    GET(classify_session) + GET(classify_append) + GET(classify_peer) +
			    GET(classify_crossed) + GET(classify_dropped))
			harness_fail(h, "law 1: datagrams do not add up");
		went += GET(classify_crossed);
		came += GET(crossed_in);
		if (GET(ingest_messages) !=
		    GET(ingest_appended) + GET(ingest_repeats) + GET(ingest_refused))
			harness_fail(h, "law 1: messages do not add up");
		if (GET(dispatch_taken) != GET(dispatch_sent) + GET(dispatch_refused) + pending)
			harness_fail(h,
				     "law 1: records do not add up: %lu, %lu sent, %lu refused, "
				     "%lu queued",
				     GET(dispatch_taken), GET(dispatch_sent), GET(dispatch_refused),
				     pending);
		if (GET(temporary_spawned) != GET(temporary_retired) + temporaries)
			harness_fail(h, "temporary dispatchers do not add up");
		if (GET(subscriptions_opened) != GET(subscriptions_closed) + open ||
		    core->subscription_count != open)
			harness_fail(h, "subscriptions do not add up");
		if (GET(clients_opened) != GET(clients_closed) + core->client_count)
			harness_fail(h, "clients do not add up");
#undef GET
	}
	if (went != came + crossing_now(h))
		harness_fail(h, "law 1: %lu datagrams went to other cores, %lu came", went, came);
}

void harness_stop(struct harness *h)
{
	harness_check_laws(h);
	for (uint32_t i = 0; i < h->server.core_count; i++)
		core_destroy(h->server.cores[i]);
	server_crossings_destroy(&h->server);
	peers_fini(&h->server);
	for (uint32_t i = 0; i < h->server.stream_count; i++) {
		stream_destroy(h->server.streams[i]);
		log_memory_unmap(h->log_memory[i], h->log_bytes);
	}
	free(h->frames);
	h->frames = NULL;
}

// ---- looking in --------------------------------------------------------------------------------

struct core *harness_core(struct harness *h, uint32_t core)
{
	return h->server.cores[core];
}

struct stream *harness_stream(struct harness *h, uint32_t number)
{
	return h->server.streams[number];
}

uint64_t harness_count(struct harness *h, uint32_t core, enum counter which)
{
	return counter_get(h->server.cores[core]->counters, which);
}

uint64_t harness_drops(struct harness *h, uint32_t core, enum drop which)
{
	return drop_get(h->server.cores[core]->counters, which);
}

uint64_t harness_drops_all(struct harness *h, uint32_t core)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < DROPS; i++)
		sum += harness_drops(h, core, i);
	return sum;
}

// ---- mailbox -----------------------------------------------------------------------------------

bool harness_command(struct harness *h, uint32_t core, enum core_command_kind kind,
		     const struct core_command *command)
{
	struct crossing *inbox = &h->server.cores[core]->inbox;
	struct crossing_slot *slot = crossing_begin(inbox);

	if (slot == NULL)
		return false;
	slot->kind = kind;
	slot->bytes = sizeof(*command);
	memcpy(slot->data, command, sizeof(*command));
	crossing_end(inbox);
	return true;
}

bool harness_notice(struct harness *h, uint32_t core, enum core_notice_kind kind,
		    struct core_notice *notice)
{
	struct crossing *outbox = &h->server.cores[core]->outbox;
	struct crossing_slot *slot;

	while ((slot = crossing_peek(outbox)) != NULL) {
		bool found = slot->kind == kind;

		memcpy(notice, slot->data, sizeof(*notice));
		crossing_pop(outbox);
		if (found)
			return true;
	}
	return false;
}

// ---- time and datagrams ------------------------------------------------------------------------

bool harness_queue(struct harness *h, uint32_t core, const struct godwit_address *from,
		   const void *bytes, uint32_t length)
{
	struct harness_datagram *d = &h->queue[core][h->queued[core]];

	if (h->queued[core] == HARNESS_QUEUE || length > sizeof(d->data))
		return false;
	h->queued[core]++;
	d->from = *from;
	d->bytes = length;
	memcpy(d->data, bytes, length);
	return true;
}

void harness_send(struct harness *h, uint32_t core, const struct godwit_address *from,
		  const void *bytes, uint32_t length)
{
	if (!harness_queue(h, core, from, bytes, length))
		abort();
	bytes_of(h, from)->in += length;
}

static void turn_core(struct harness *h, uint32_t core)
{
	struct burst burst = {0};
	uint32_t n = h->queued[core] < BURST_MAX ? h->queued[core] : BURST_MAX;

	for (uint32_t i = 0; i < n; i++)
		burst.datagrams[burst.count++] = (struct datagram){
			.bytes = h->queue[core][i].data,
			.length = h->queue[core][i].bytes,
			.from = h->queue[core][i].from,
		};
	h->tx[core].used = 0;
	core_turn(h->server.cores[core], &burst, h->now_ns, h->now_ns + HARNESS_WALL_NS);
	h->queued[core] -= n;
	memmove(h->queue[core], h->queue[core] + n, h->queued[core] * sizeof(h->queue[core][0]));
}

void harness_turn(struct harness *h)
{
	for (uint32_t i = 0; i < h->server.core_count; i++)
		turn_core(h, i);
}

void harness_turns(struct harness *h, uint32_t turns)
{
	while (turns-- > 0)
		harness_turn(h);
}

void harness_pass(struct harness *h, uint64_t ns)
{
	h->now_ns += ns;
	harness_turn(h);
}

void harness_pass_steps(struct harness *h, uint64_t ns, uint64_t step_ns)
{
	for (uint64_t gone = 0; gone < ns; gone += step_ns)
		harness_pass(h, ns - gone < step_ns ? ns - gone : step_ns);
}

// ---- frames sent -------------------------------------------------------------------------------

const struct harness_frame *harness_take(struct harness *h, const struct godwit_address *to,
					 uint8_t type)
{
	while (h->frames_taken < h->frames_count && h->frames[h->frames_taken].taken)
		h->frames_taken++;
	for (uint32_t i = h->frames_taken; i < h->frames_count; i++) {
		struct harness_frame *frame = &h->frames[i];

		if (frame->taken || frame->data[1] != type || !godwit_address_equal(&frame->to, to))
			continue;
		frame->taken = true;
		return frame;
	}
	return NULL;
}

uint32_t harness_left(const struct harness *h, const struct godwit_address *to, uint8_t type)
{
	uint32_t left = 0;

	for (uint32_t i = h->frames_taken; i < h->frames_count; i++) {
		const struct harness_frame *frame = &h->frames[i];

		if (!frame->taken && (type == 0 || frame->data[1] == type) &&
		    (to == NULL || godwit_address_equal(&frame->to, to)))
			left++;
	}
	return left;
}

void harness_clear(struct harness *h)
{
	h->frames_count = h->frames_taken = 0;
}
