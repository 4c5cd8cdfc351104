// SPDX-License-Identifier: BSD-3-Clause
//
// A core's clients: slots with handles, found by handle (array access), and by id (HELLO_PROOF only).
#include <sodium.h>

#include "dataplane/stages.h"

#define INTERVAL_CLIENT_US                                                                         \
	10 // a client: 100,000 keep-alives a second at most, and as many heartbeats
#define INTERVAL_GROWN_US 1000000 // as far as it grows by their number

uint32_t client_interval_us(const struct core *core)
{
	uint32_t stated = core->server->interval_ms * 1000;
	uint64_t grown = (uint64_t)core->client_count * INTERVAL_CLIENT_US;

	if (grown > INTERVAL_GROWN_US)
		grown = INTERVAL_GROWN_US;
	return grown > stated ? (uint32_t)grown : stated;
}

uint64_t client_lapse_ns(const struct core *core, const struct client *client)
{
	uint64_t stated = core->server->lapse_ms * 1000000ull;
	uint64_t silence = (uint64_t)client->interval_us * core->server->multiplier * 1000;

	return silence > stated ? silence : stated;
}

struct client *core_client(struct core *core, uint64_t handle)
{
	uint32_t slot = handle_slot(handle);
	struct client *client;

	if (slot >= core->config.clients_max)
		return NULL;
	client = &core->clients[slot];
	return client->open && client->handle == handle ? client : NULL;
}

static uint32_t *id_head(struct core *core, uint64_t id)
{
	return &core->client_heads[(id * 0x9e3779b97f4a7c15ull >> 32) &
				   (core->config.clients_max - 1)];
}

struct client *client_find(struct core *core, uint64_t id)
{
	for (uint32_t i = *id_head(core, id); i != NONE; i = core->clients[i].next)
		if (core->clients[i].id == id)
			return &core->clients[i];
	return NULL;
}

// The control thread learns of clients so that a newer process fences an older one on another core.
static void notify(struct core *core, enum core_notice_kind kind, const struct client *client,
		   bool by_offer)
{
	core_notify(core, kind,
		    (struct core_notice){.client = client->id,
					 .instance = client->instance,
					 .handle = client->handle,
					 .tag = client->tag,
					 .at_ns = core->now_ns,
					 .by_offer = by_offer,
					 .address = client->route.to});
}

static struct client *slot_take(struct core *core, uint64_t id, uint64_t instance, uint64_t tag,
				const struct godwit_address *address)
{
	uint32_t slot = core->client_free;
	struct client *client;
	uint32_t *head = id_head(core, id);
	uint64_t secret[3];

	if (slot == NONE)
		return NULL;
	client = &core->clients[slot];
	core->client_free = client->next;
	core->client_count++;
	*client = (struct client){
		.index = slot,
		.open = true,
		.handle = client->handle,
		.tag = tag,
		.id = id,
		.instance = instance,
		.route = {.to = *address},
		.heard_ns = core->now_ns,
		.heartbeat_ns = core->now_ns,
		.interval_us = client_interval_us(core),
		.subscriptions = NONE,
		.offers = NONE,
		.next = *head,
	};
	client->heartbeat_wait_us = client->interval_us;
	// Keyed hash, so that no number of known keys tells another.
	secret[0] = client->handle;
	secret[1] = core_random(core);
	secret[2] = core->server->incarnation;
	crypto_shorthash((uint8_t *)&client->key, (const uint8_t *)secret, sizeof(secret),
			 core->server->cookie_key);
	*head = slot;
	COUNT(core, clients_opened, 1);
	return client;
}

void client_prove(struct core *core, struct client *client, bool by_offer)
{
	client->offered = false;
	client->heard_ns = core->now_ns;
	client->heartbeat_ns = core->now_ns;
	atomic_store_explicit(&core->client_heard[client->index], core->now_ns,
			      memory_order_relaxed);
	wheel_set(&core->wheel, client->index,
		  core->now_ns + (uint64_t)client->heartbeat_wait_us * 1000);
	notify(core, CORE_NOTICE_OPENED, client, by_offer);
}

struct client *client_open(struct core *core, uint64_t id, uint64_t instance, uint64_t tag,
			   const struct godwit_address *address)
{
	struct client *client = slot_take(core, id, instance, tag, address);

	if (client != NULL)
		client_prove(core, client, false);
	return client;
}

struct client *client_open_offered(struct core *core, uint64_t id, uint64_t instance, uint64_t tag,
				   const struct godwit_address *address)
{
	struct client *client = slot_take(core, id, instance, tag, address);

	// Not in the sweep: it is gone with its last offer.
	if (client != NULL)
		client->offered = true;
	return client;
}

void client_back(struct core *core, struct client *client)
{
	// Where there was no room for the notice, the next frame tries again.
	if (core_notify(core, CORE_NOTICE_CLIENT_BACK,
			(struct core_notice){.client = client->id,
					     .instance = client->instance,
					     .handle = client->handle,
					     .tag = client->tag,
					     .address = client->route.to}))
		client->suspect = false;
}

void client_close(struct core *core, struct client *client, enum godwit_code code)
{
	uint32_t *link = id_head(core, client->id);

	while (client->subscriptions != NONE) {
		struct subscription *s = &core->subscriptions[client->subscriptions];

		subscription_end(
			core, s, code,
			(struct godwit_identifier){.session = s->acked.session, .seq = s->sent}, 0);
	}
	while (*link != client->index)
		link = &core->clients[*link].next;
	*link = client->next;
	moves_forget(core, client);
	if (!client->offered)
		notify(core, CORE_NOTICE_CLOSED, client, false);
	wheel_cancel(&core->wheel, client->index);
	atomic_store_explicit(&core->client_heard[client->index], 0, memory_order_relaxed);
	client->open = false;
	client->handle = (client->handle & ~0xffffffffull) | (uint32_t)(client->handle + 1);
	client->next = core->client_free;
	core->client_free = client->index;
	core->client_count--;
	COUNT(core, clients_closed, 1);
}

enum tx_verdict core_try_send(struct core *core, struct client *client, const void *frame,
			      uint32_t length)
{
	uint8_t *at;
	enum tx_verdict verdict = core->tx_is_full ?
					  TX_FULL :
					  core->tx.begin(core->tx.arg, &client->route, length, &at);

	if (verdict == TX_OK) {
		memcpy(at, frame, length);
		core->tx.end(core->tx.arg, length, 0, TX_NO_SUM);
		COUNT(core, tx_datagrams, 1);
		COUNT(core, tx_bytes, length);
	} else if (verdict == TX_FULL) {
		core->tx_is_full = true;
	}
	return verdict;
}

bool core_send(struct core *core, struct client *client, const void *frame, uint32_t length)
{
	enum tx_verdict verdict = core_try_send(core, client, frame, length);

	if (verdict == TX_OK)
		return true;
	if (verdict == TX_NO_ROUTE)
		COUNT(core, tx_no_route, 1);
	COUNT(core, tx_control_lost, 1);
	return false;
}

void core_send_to(struct core *core, const struct godwit_address *address, const void *frame,
		  uint32_t length)
{
	struct route route = {.to = *address};
	uint8_t *at;
	enum tx_verdict verdict = core->tx.begin(core->tx.arg, &route, length, &at);

	if (verdict == TX_OK) {
		memcpy(at, frame, length);
		core->tx.end(core->tx.arg, length, 0, TX_NO_SUM);
		COUNT(core, tx_datagrams, 1);
		COUNT(core, tx_bytes, length);
		return;
	}
	if (verdict == TX_NO_ROUTE)
		COUNT(core, tx_no_route, 1);
	COUNT(core, tx_control_lost, 1);
}

void client_error(struct core *core, struct client *client, enum godwit_code code, uint32_t request,
		  uint64_t detail)
{
	uint8_t bytes[sizeof(struct godwit_error) + GODWIT_ERROR_TEXT_MAX];
	struct godwit_error error = {
		.frame = {.version = GODWIT_VERSION, .type = GODWIT_ERROR},
		.tag = godwit_be64(client->tag),
		.request = godwit_be32(request),
		.detail = godwit_be64(detail),
		.code = godwit_be16((uint16_t)code),
	};
	const char *text = godwit_code_text(code);
	size_t text_bytes = strlen(text);

	error.text_bytes = godwit_be16((uint16_t)text_bytes);
	memcpy(bytes, &error, sizeof(error));
	memcpy(bytes + sizeof(error), text, text_bytes);
	core_send(core, client, bytes, (uint32_t)(sizeof(error) + text_bytes));
}
