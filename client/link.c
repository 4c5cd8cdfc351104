// SPDX-License-Identifier: BSD-3-Clause
#include "client/core.h"

#include <godwit/wire_walk.h>

// A new try has new names for everything, so that answers to an older one cannot be taken for its
// own.
static void link_rename(struct godwit_core *core, struct client_link *link)
{
	link->state = CLIENT_LINK_HELLO;
	link->tag = client_random_tag(&core->random);
	link->nonce = client_random_tag(&core->random);
	link->request = client_request(core);
	link->tries = 0;
}

void client_link_start(struct godwit_core *core, uint64_t now_ns, uint64_t delay_ns)
{
	struct client_link *link = client_current(core);

	link_rename(core, link);
	client_retry_start(&link->retry, now_ns + delay_ns, CLIENT_HELLO_NS);
}

// Jittered, so that the clients of a dead server do not come to the next one in one moment.
static uint64_t link_backoff(struct godwit_core *core)
{
	uint64_t delay_ns = client_random_jitter(&core->random, core->backoff_ns);

	core->backoff_ns = client_min(2 * core->backoff_ns, CLIENT_BACKOFF_MAX_NS);
	return delay_ns;
}

static void link_next(struct godwit_core *core, uint64_t now_ns)
{
	client_current(core)->state = CLIENT_LINK_DOWN;
	core->current = (core->current + 1) % core->link_count;
	client_link_start(core, now_ns, link_backoff(core));
}

void client_link_refused(struct godwit_core *core, uint64_t now_ns)
{
	link_next(core, now_ns);
}

void client_link_lost(struct godwit_core *core, uint64_t now_ns, enum godwit_code code)
{
	struct client_link *link = client_current(core);

	core->stats.disconnects++;
	client_notice(core,
		      &(struct godwit_event){
			      .kind = GODWIT_EVENT_DISCONNECTED,
			      .server = link->address,
			      .instance = link->incarnation,
			      .code = (uint16_t)code,
		      },
		      NULL, 0);
	core->probe = false;
	link_next(core, now_ns);
	for (uint32_t i = 0; i < core->subscription_max; i++)
		client_subscription_on_lost(core, &core->subscriptions[i]);
}

void client_link_on_cookie(struct godwit_core *core, uint64_t now_ns,
			   const struct godwit_cookie *frame)
{
	struct client_link *link = client_current(core);

	if (link->state != CLIENT_LINK_HELLO)
		return; // a repeat's answer: the first one is being proved
	if (godwit_get64(frame->nonce) != link->nonce ||
	    godwit_get32(frame->request) != link->request) {
		core->stats.wrong_tag++;
		return;
	}
	link->cookie_time = frame->time;
	memcpy(link->cookie_mac, frame->mac, sizeof(link->cookie_mac));
	link->state = CLIENT_LINK_PROOF;
	link->tries = 0;
	client_retry_start(&link->retry, now_ns, CLIENT_HELLO_NS);
}

// The servers that WELCOME names follow those of the options.
static void link_learn(struct godwit_core *core, const struct godwit_welcome *frame)
{
	const struct godwit_server_entry *entries = godwit_welcome_servers(frame);
	uint32_t count = godwit_get16(frame->frame.count);
	static const uint8_t unspecified[16];

	for (uint32_t i = 0; i < count && core->link_count < GODWIT_SERVERS_MAX; i++) {
		struct godwit_address address = {.port = godwit_get16(entries[i].port)};
		bool known = false;

		memcpy(address.ip, entries[i].ip, sizeof(address.ip));
		if (address.port == 0 || memcmp(address.ip, unspecified, 16) == 0 ||
		    (godwit_address_is_v4(&address) && godwit_address_ip4(&address) == 0))
			continue;
		for (uint32_t j = 0; j < core->link_count && !known; j++)
			known = godwit_address_equal(&core->links[j].address, &address);
		if (!known)
			core->links[core->link_count++].address = address;
	}
}

void client_link_on_welcome(struct godwit_core *core, uint64_t now_ns,
			    const struct godwit_welcome *frame)
{
	struct client_link *link = client_current(core);
	uint64_t interval_ms = client_max(godwit_get32(frame->interval), 1);

	if (link->state == CLIENT_LINK_UP)
		return; // a repeat's answer
	if (link->state != CLIENT_LINK_PROOF || godwit_get32(frame->request) != link->request) {
		core->stats.wrong_tag++;
		return;
	}
	link->state = CLIENT_LINK_UP;
	link->handle = godwit_get64(frame->handle);
	link->key = godwit_get64(frame->key);
	link->incarnation = godwit_get64(frame->incarnation);
	link->interval_ns = interval_ms * CLIENT_MS;
	link->silence_ns = link->interval_ns * client_max(godwit_get16(frame->multiplier), 1);
	link->datagram = godwit_get16(frame->datagram);
	link->heard_ns = now_ns;
	link->keepalive = false;
	link->keepalive_ns = now_ns + client_random_jitter(&core->random, link->interval_ns);
	client_retry_stop(&link->retry);
	core->backoff_ns = CLIENT_BACKOFF_NS;
	core->stats.connects++;
	link_learn(core, frame);
	client_notice(core,
		      &(struct godwit_event){
			      .kind = GODWIT_EVENT_CONNECTED,
			      .server = link->address,
			      .instance = link->incarnation,
		      },
		      NULL, 0);
	for (uint32_t i = 0; i < core->subscription_max; i++)
		client_subscription_on_welcome(core, &core->subscriptions[i], now_ns);
	for (uint32_t i = 0; i < core->publisher_max; i++)
		client_publisher_on_welcome(core, &core->publishers[i], now_ns);
	client_topic_on_welcome(core, now_ns);
}

static void link_keepalive(struct godwit_core *core, struct client_link *link, uint64_t now_ns)
{
	link->keepalive_ns = now_ns + client_random_jitter(&core->random, link->interval_ns);
	link->keepalive = true;
	for (uint32_t i = 0; i < core->subscription_max; i++)
		if (core->subscriptions[i].state == CLIENT_SUBSCRIPTION_LIVE)
			core->subscriptions[i].ack_ns = now_ns;
}

void client_link_timers(struct godwit_core *core, uint64_t now_ns)
{
	struct client_link *link = client_current(core);
	uint64_t away_ns = now_ns - client_min(core->ran_ns, now_ns);

	core->ran_ns = now_ns;
	if (link->state == CLIENT_LINK_UP) {
		// Who was late itself accuses nobody: the server's frames may still wait to be
		// read. It gets an interval more.
		uint64_t grace_ns = link->silence_ns - link->interval_ns;

		if (away_ns > 2 * link->interval_ns && now_ns > grace_ns)
			link->heard_ns = client_max(link->heard_ns, now_ns - grace_ns);
		if (now_ns >= client_add(link->heard_ns, link->silence_ns))
			client_link_lost(core, now_ns, GODWIT_OK);
		else if (now_ns >= link->keepalive_ns)
			link_keepalive(core, link, now_ns);
		return;
	}
	if (now_ns < link->retry.due_ns || link->tries < CLIENT_HELLO_TRIES)
		return;
	if (link->state == CLIENT_LINK_PROOF) // the cookie may have aged: from the start
		client_link_start(core, now_ns, 0);
	else if (core->link_count > 1)
		link_next(core, now_ns);
}

uint64_t client_link_due(const struct godwit_core *core)
{
	const struct client_link *link = &core->links[core->current];

	if (link->state != CLIENT_LINK_UP)
		return link->retry.due_ns;
	if (link->keepalive || core->probe)
		return 0;
	return client_min(link->keepalive_ns, client_add(link->heard_ns, link->silence_ns));
}

static size_t link_write_hello(struct godwit_core *core, struct client_link *link, uint8_t *buffer)
{
	struct godwit_hello hello = {
		.frame = client_frame(GODWIT_HELLO, 0, 0),
		.client = godwit_be64(core->id),
		.instance = godwit_be64(core->instance),
		.tag = godwit_be64(link->tag),
		.nonce = godwit_be64(link->nonce),
		.request = godwit_be32(link->request),
	};

	core->stats.hellos++;
	memcpy(buffer, &hello, sizeof(hello));
	return sizeof(hello);
}

static size_t link_write_proof(struct godwit_core *core, struct client_link *link, uint8_t *buffer)
{
	struct godwit_hello_proof proof = {
		.frame = client_frame(GODWIT_HELLO_PROOF, 0, 0),
		.client = godwit_be64(core->id),
		.instance = godwit_be64(core->instance),
		.tag = godwit_be64(link->tag),
		.nonce = godwit_be64(link->nonce),
		.request = godwit_be32(link->request),
		.credential_bytes = godwit_be16(core->credential_bytes),
		.time = link->cookie_time,
	};

	memcpy(proof.mac, link->cookie_mac, sizeof(proof.mac));
	memcpy(buffer, &proof, sizeof(proof));
	memcpy(buffer + sizeof(proof), core->credential, core->credential_bytes);
	return sizeof(proof) + core->credential_bytes;
}

size_t client_link_output(struct godwit_core *core, uint64_t now_ns, uint8_t *buffer)
{
	struct client_link *link = client_current(core);

	if (link->state == CLIENT_LINK_UP) {
		struct godwit_probe_reply reply = {
			.frame = client_frame(GODWIT_PROBE_REPLY, 0, 0),
			.tag = godwit_be64(link->tag),
			.nonce = core->probe_nonce,
		};

		if (!core->probe)
			return 0;
		core->probe = false;
		memcpy(buffer, &reply, sizeof(reply));
		return sizeof(reply);
	}
	if (now_ns < link->retry.due_ns)
		return 0;
	client_retry_sent(&link->retry, now_ns, CLIENT_HELLO_MAX_NS);
	link->tries++;
	return link->state == CLIENT_LINK_PROOF ? link_write_proof(core, link, buffer) :
						  link_write_hello(core, link, buffer);
}
