// SPDX-License-Identifier: BSD-3-Clause
//
// session: the handshake, and the hand-out of a proved client's frames to what deals with them.
//
// HELLO is answered by a COOKIE without keeping state: a keyed hash of address, port, ids, nonce and
// time. HELLO_PROOF brings it back within its life, from the same address; only then a client exists.
#include <sodium.h>

#include "dataplane/session.h"

struct cookie_input { // no padding: it is hashed
	struct godwit_address address;
	uint8_t zero[4];
	uint64_t client, instance, nonce, time;
};
static_assert(sizeof(struct cookie_input) == 56, "no padding");

static void cookie_mac(const struct core *core, const struct godwit_address *address,
		       const struct godwit_hello *hello, uint64_t time,
		       uint8_t mac[GODWIT_MAC_BYTES])
{
	struct cookie_input input = {
		.address = *address,
		.client = godwit_get64(hello->client),
		.instance = godwit_get64(hello->instance),
		.nonce = godwit_get64(hello->nonce),
		.time = time,
	};

	crypto_generichash(mac, GODWIT_MAC_BYTES, (const uint8_t *)&input, sizeof(input),
			   core->server->cookie_key, sizeof(core->server->cookie_key));
}

static void session_hello(struct core *core, const struct datagram *datagram)
{
	const struct godwit_hello *hello = (const void *)datagram->bytes;
	struct godwit_cookie cookie = {
		.frame = {.version = GODWIT_VERSION, .type = GODWIT_COOKIE},
		.tag = hello->tag,
		.nonce = hello->nonce,
		.request = hello->request,
		.time = godwit_be64(core->now_ns),
	};

	cookie_mac(core, &datagram->from, hello, core->now_ns, cookie.mac);
	core_send_to(core, &datagram->from, &cookie, sizeof(cookie));
	COUNT(core, hello, 1);
}

static void refuse_proof(struct core *core, const struct datagram *datagram, enum godwit_code code,
			 uint64_t detail)
{
	const struct godwit_hello_proof *proof = (const void *)datagram->bytes;
	struct godwit_error error = {
		.frame = {.version = GODWIT_VERSION, .type = GODWIT_ERROR},
		.tag = proof->tag,
		.request = proof->request,
		.detail = godwit_be64(detail),
		.code = godwit_be16((uint16_t)code),
	};

	core_send_to(core, &datagram->from, &error, sizeof(error));
}

// The list of servers, as it is now: those that are drained take no clients.
static void write_list(const struct server *server, struct godwit_server_entry *at)
{
	memcpy(at, server->list, server->list_count * sizeof(*at));
	for (uint32_t i = 0; i < server->list_count; i++)
		if (peers_is_draining(server, godwit_get16(at[i].id)))
			at[i].weight = godwit_be16(0);
}

static void send_welcome(struct core *core, struct client *client, uint32_t request)
{
	const struct server *server = core->server;
	uint8_t bytes[sizeof(struct godwit_welcome) +
		      SERVER_LIST_MAX * sizeof(struct godwit_server_entry)];
	uint32_t list_bytes = server->list_count * (uint32_t)sizeof(struct godwit_server_entry);
	struct godwit_welcome welcome = {
		.frame = {.version = GODWIT_VERSION,
			  .type = GODWIT_WELCOME,
			  .count = godwit_be16((uint16_t)server->list_count)},
		.tag = godwit_be64(client->tag),
		.handle = godwit_be64(client->handle),
		.key = godwit_be64(client->key),
		.incarnation = godwit_be64(server->incarnation),
		.request = godwit_be32(request),
		.server = godwit_be16(server->id),
		.multiplier = godwit_be16((uint16_t)server->multiplier),
		.interval = godwit_be32((client->interval_us + 999) / 1000),
		.datagram = godwit_be16((uint16_t)server_datagram(server)),
		.subscriptions = godwit_be16(server->subscriptions_max),
	};

	memcpy(bytes, &welcome, sizeof(welcome));
	write_list(server, (void *)(bytes + sizeof(welcome)));
	core_send(core, client, bytes, (uint32_t)sizeof(welcome) + list_bytes);
	COUNT(core, welcome, 1);
}

// Whether the cookie is ours, for this sender, and fresh. Counts why not.
static bool proof_holds(struct core *core, const struct datagram *datagram)
{
	const struct godwit_hello_proof *proof = (const void *)datagram->bytes;
	const struct server *server = core->server;
	struct godwit_hello hello = {
		.client = proof->client, .instance = proof->instance, .nonce = proof->nonce};
	uint64_t time = godwit_get64(proof->time);
	uint8_t mac[GODWIT_MAC_BYTES];

	cookie_mac(core, &datagram->from, &hello, time, mac);
	if (sodium_memcmp(mac, proof->mac, sizeof(mac)) != 0) {
		DROP(core, session_cookie_forged, 1);
		return false;
	}
	// Cores read one clock, but not at one time: a cookie of another core may be a little ahead.
	if (core->now_ns > time && core->now_ns - time > GODWIT_COOKIE_LIFE_NS) {
		DROP(core, session_cookie_old, 1);
		return false;
	}
	if (server->credential_bytes > 0 &&
	    (godwit_get16(proof->credential_bytes) != server->credential_bytes ||
	     sodium_memcmp(proof + 1, server->credential, server->credential_bytes) != 0)) {
		DROP(core, session_credential, 1);
		refuse_proof(core, datagram, GODWIT_BAD_CREDENTIAL, 0);
		return false;
	}
	return true;
}

static void session_proof(struct core *core, const struct datagram *datagram)
{
	const struct godwit_hello_proof *proof = (const void *)datagram->bytes;
	uint64_t id = godwit_get64(proof->client), instance = godwit_get64(proof->instance);
	uint64_t tag = godwit_get64(proof->tag);
	struct client *client;

	if (!proof_holds(core, datagram))
		return;
	client = client_find(core, id);
	if (client != NULL && instance < client->instance) {
		DROP(core, session_fenced, 1);
		refuse_proof(core, datagram, GODWIT_FENCED, client->instance);
		return;
	}
	if (client != NULL && instance > client->instance) {
		client_error(core, client, GODWIT_FENCED, 0, instance);
		COUNT(core, clients_fenced, 1);
		client_close(core, client, GODWIT_FENCED);
		client = NULL;
	}
	if (client != NULL && !godwit_address_equal(&client->route.to, &datagram->from)) {
		// The same process from another address: it opened a new socket, or moved.
		client_close(core, client, GODWIT_REPLACED);
		client = NULL;
	}
	if (core->stopping) {
		DROP(core, session_stopping, 1);
		refuse_proof(core, datagram, GODWIT_SHUTDOWN, 0);
		return;
	}
	if (client == NULL)
		client = client_open(core, id, instance, tag, &datagram->from);
	if (client == NULL) {
		DROP(core, session_full, 1);
		refuse_proof(core, datagram, GODWIT_LIMIT, core->config.clients_max);
		return;
	}
	client->tag = tag;
	if (client->offered)
		client_prove(core, client, false);
	client->heard_ns = core->now_ns;
	atomic_store_explicit(&core->client_heard[client->index], core->now_ns,
			      memory_order_relaxed);
	send_welcome(core, client, godwit_get32(proof->request));
}

void session_redirect(struct core *core, struct client *client, uint32_t request,
		      enum godwit_code code, const struct godwit_server_entry *target)
{
	struct godwit_redirect frame = {
		.frame = {.version = GODWIT_VERSION, .type = GODWIT_REDIRECT},
		.tag = godwit_be64(client->tag),
		.request = godwit_be32(request),
		.code = godwit_be16((uint16_t)code),
		.target = *target,
	};

	COUNT(core, answer_redirect, 1);
	core_send(core, client, &frame, sizeof(frame));
}

// A frame about a stream's home that is no PUBLISH goes there like one.
static void session_to_home(struct core *core, const struct datagram *datagram, const uint8_t *name,
			    uint32_t request)
{
	struct stream *stream = server_stream(core->server, name);
	const struct server_elsewhere *elsewhere = server_elsewhere(core->server, name);
	const struct godwit_server_entry *target =
		elsewhere == NULL ? NULL : server_entry(core->server, elsewhere->primary);
	struct home_origin origin = {
		.handle = datagram->client->handle,
		.tag = datagram->client->tag,
		.core = core->config.id,
	};

	if (stream == NULL && target != NULL) {
		session_redirect(core, datagram->client, request, GODWIT_NOT_PRIMARY, target);
		return;
	}
	if (stream == NULL) {
		COUNT(core, answer_unknown_stream, 1);
		client_error(core, datagram->client, GODWIT_UNKNOWN_STREAM, request, 0);
		return;
	}
	home_frame(core, stream, &origin, datagram->bytes, datagram->length);
}

// The client that classify found, if it is still there.
static struct client *burst_client(struct core *core, const struct datagram *datagram)
{
	const struct godwit_from_client *from = (const void *)datagram->bytes;

	return core_client(core, godwit_get64(from->handle));
}

static void client_datagram(struct core *core, struct client *client,
			    const struct datagram *datagram)
{
	switch (datagram->type) {
	case GODWIT_SUBSCRIBE:
		session_subscribe(core, client, (const void *)datagram->bytes);
		break;
	case GODWIT_RESUME:
		if (client->offered)
			client_prove(core, client, true);
		session_resume(core, client, (const void *)datagram->bytes);
		break;
	case GODWIT_UNSUBSCRIBE:
		session_unsubscribe(core, client, (const void *)datagram->bytes);
		break;
	case GODWIT_ACK:
		session_ack(core, client, (const void *)datagram->bytes, datagram->length);
		break;
	case GODWIT_PUBLISH_OPEN: {
		const struct godwit_publish_open *open = (const void *)datagram->bytes;

		session_to_home(core, datagram, open->stream, godwit_get32(open->request));
		break;
	}
	case GODWIT_TOPIC: {
		const struct godwit_topic *topic = (const void *)datagram->bytes;

		session_to_home(core, datagram, topic->stream, godwit_get32(topic->request));
		break;
	}
	}
}

void session_datagram(struct core *core, struct datagram *datagram)
{
	switch (datagram->type) {
	case GODWIT_HELLO:
		session_hello(core, datagram);
		return;
	case GODWIT_HELLO_PROOF:
		session_proof(core, datagram);
		return;
	case GODWIT_PROBE_REPLY:
		moves_probe_reply(core, datagram);
		return;
	default:
		break;
	}
	// An earlier frame of the burst may have closed the sender, and its slot may already be
	// another's.
	if (datagram->client != NULL)
		datagram->client = burst_client(core, datagram);
	if (datagram->client != NULL)
		client_datagram(core, datagram->client, datagram);
}

void session_burst(struct core *core, struct burst *burst)
{
	for (uint32_t i = 0; i < burst->count; i++)
		session_datagram(core, &burst->datagrams[i]);
}
