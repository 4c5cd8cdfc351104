// SPDX-License-Identifier: BSD-3-Clause
#include "client/core.h"

// A new try has new names for everything, so that answers to an older one cannot be taken for its
// own.
void client_link_start(struct godwit_core *core, struct client_link *link, uint64_t now_ns,
		       uint64_t delay_ns)
{
	link->state = CLIENT_LINK_HELLO;
	link->tag = client_random_tag(&core->random);
	link->also_tag = 0;
	link->proved_handle = 0;
	link->nonce = client_random_tag(&core->random);
	link->request = client_request(core);
	link->tries = 0;
	link->keepalive = false;
	link->probe = false;
	client_retry_start(&link->retry, now_ns + delay_ns, CLIENT_HELLO_NS);
}

void client_link_down(struct client_link *link)
{
	link->state = CLIENT_LINK_DOWN;
	link->is_said = false;
	link->keepalive = false;
	link->probe = false;
	client_retry_stop(&link->retry);
}

static void link_up(struct godwit_core *core, struct client_link *link, uint64_t now_ns)
{
	link->state = CLIENT_LINK_UP;
	link->heard_ns = now_ns;
	link->unheard = 0;
	link->keepalive = false;
	link->keepalive_ns = now_ns + client_random_jitter(&core->random, link->interval_ns);
	client_retry_stop(&link->retry);
}

void client_link_adopt(struct godwit_core *core, struct client_link *link,
		       const struct client_link *like, uint64_t now_ns,
		       const struct client_offer *offer, uint64_t tag)
{
	bool was_up = client_is_up(link);

	if (!was_up) {
		link->also_tag = 0;
		link->interval_ns = like->interval_ns;
		link->silence_ns = like->silence_ns;
		link->datagram = like->datagram;
	} else if (tag != link->tag) {
		link->also_tag = link->tag;
	}
	link->tag = tag;
	if (was_up && link->handle == offer->handle)
		return;
	if (was_up && link->proved_handle == 0) {
		link->proved_handle = link->handle;
		link->proved_key = link->key;
	}
	// Whoever was known under another handle may be forgotten: all is asked for anew.
	link->handle = offer->handle;
	link->key = offer->key;
	link->incarnation = 0;
	link_up(core, link, now_ns);
	client_links_up(core, link, now_ns);
}

void client_link_offer_answered(struct client_link *link, uint64_t handle)
{
	if (handle == link->handle)
		link->proved_handle = 0;
}

// Else the link would live by what another core of the server sends, and nothing that is asked for be answered.
void client_link_offer_over(struct client_link *link)
{
	if (link->proved_handle == 0)
		return;
	link->handle = link->proved_handle;
	link->key = link->proved_key;
	link->proved_handle = 0;
}

void client_link_on_cookie(struct godwit_core *core, struct client_link *link, uint64_t now_ns,
			   const struct godwit_cookie *frame)
{
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

void client_link_on_welcome(struct godwit_core *core, struct client_link *link, uint64_t now_ns,
			    const struct godwit_welcome *frame)
{
	uint64_t interval_ms = client_max(godwit_get32(frame->interval), 1);

	if (link->state == CLIENT_LINK_UP)
		return; // a repeat's answer
	if (link->state != CLIENT_LINK_PROOF || godwit_get32(frame->request) != link->request) {
		core->stats.wrong_tag++;
		return;
	}
	link->handle = godwit_get64(frame->handle);
	link->key = godwit_get64(frame->key);
	link->incarnation = godwit_get64(frame->incarnation);
	link->interval_ns = interval_ms * CLIENT_MS;
	link->silence_ns = link->interval_ns * client_max(godwit_get16(frame->multiplier), 1);
	link->datagram = godwit_get16(frame->datagram);
	link_up(core, link, now_ns);
	core->stats.connects++;
	client_links_learn(core, frame);
	client_links_up(core, link, now_ns);
}

bool client_link_on_probe(struct godwit_core *core, struct client_link *link, uint64_t now_ns,
			  const struct godwit_probe *frame)
{
	uint64_t tag = godwit_get64(frame->tag);

	for (uint32_t i = 0; i < core->link_count; i++) {
		const struct client_link *asked = &core->links[i];

		if (tag == 0 || !client_is_up(asked) ||
		    (asked->tag != tag && asked->also_tag != tag))
			continue;
		link->heard_ns = client_max(link->heard_ns, now_ns);
		link->probe = true;
		link->probe_tag = frame->tag;
		link->probe_nonce = frame->nonce;
		return true;
	}
	return false;
}

// ---- whether it hears us ------------------------------------------------------------------------

void client_link_sent_ack(struct client_link *link, uint64_t now_ns, uint64_t number)
{
	link->last_ack = number;
	if (link->unheard != 0)
		return;
	link->unheard = number;
	link->unheard_ns = now_ns;
}

void client_link_on_echo(struct client_link *link, uint64_t now_ns, uint64_t number)
{
	if (link->unheard == 0 || number < link->unheard)
		return;
	// Those between were sent later than the one that was waited for: their time begins now.
	link->unheard = number < link->last_ack ? number + 1 : 0;
	link->unheard_ns = now_ns;
}

bool client_link_is_deaf(const struct client_link *link, uint64_t now_ns)
{
	return client_is_up(link) && link->unheard != 0 &&
	       now_ns >= client_add(link->unheard_ns, 2 * link->interval_ns);
}

// ---- timers -------------------------------------------------------------------------------------

static void link_keepalive(struct godwit_core *core, struct client_link *link, uint64_t now_ns)
{
	link->keepalive_ns = now_ns + client_random_jitter(&core->random, link->interval_ns);
	link->keepalive = true;
	for (uint32_t i = 0; i < core->subscription_max; i++)
		if (core->subscriptions[i].is_served && core->subscriptions[i].home == link)
			core->subscriptions[i].ack_ns = now_ns;
}

static void link_up_timers(struct godwit_core *core, struct client_link *link, uint64_t now_ns,
			   uint64_t away_ns)
{
	// Who was late itself accuses nobody: the server's frames may still wait to be read. It
	// gets an interval more.
	uint64_t grace_ns = link->silence_ns - link->interval_ns;

	if (away_ns > 2 * link->interval_ns && now_ns > grace_ns)
		link->heard_ns = client_max(link->heard_ns, now_ns - grace_ns);
	if (now_ns >= client_add(link->heard_ns, link->silence_ns))
		client_links_lost(core, link, now_ns, GODWIT_OK);
	else if (now_ns >= link->keepalive_ns)
		link_keepalive(core, link, now_ns);
}

void client_link_timers(struct godwit_core *core, struct client_link *link, uint64_t now_ns,
			uint64_t away_ns)
{
	switch (link->state) {
	case CLIENT_LINK_UP:
		link_up_timers(core, link, now_ns, away_ns);
		break;
	case CLIENT_LINK_PROOF: // the cookie may have aged: from the start
		if (now_ns >= link->retry.due_ns && link->tries >= CLIENT_HELLO_TRIES)
			client_link_start(core, link, now_ns, 0);
		break;
	case CLIENT_LINK_HELLO:
		if (now_ns >= link->retry.due_ns && link->tries >= CLIENT_HELLO_TRIES &&
		    core->link_count > 1)
			client_links_failed(core, link, now_ns);
		break;
	default:
		break;
	}
}

uint64_t client_link_due(const struct client_link *link)
{
	if (link->probe)
		return 0;
	if (link->state == CLIENT_LINK_DOWN)
		return CLIENT_NEVER;
	if (link->state != CLIENT_LINK_UP)
		return link->retry.due_ns;
	if (link->keepalive)
		return 0;
	return client_min(link->keepalive_ns, client_add(link->heard_ns, link->silence_ns));
}

// ---- frames -------------------------------------------------------------------------------------

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

static size_t link_write_probe_reply(struct client_link *link, uint8_t *buffer)
{
	struct godwit_probe_reply reply = {
		.frame = client_frame(GODWIT_PROBE_REPLY, 0, 0),
		.tag = link->probe_tag,
		.nonce = link->probe_nonce,
	};

	link->probe = false;
	memcpy(buffer, &reply, sizeof(reply));
	return sizeof(reply);
}

size_t client_link_output(struct godwit_core *core, struct client_link *link, uint64_t now_ns,
			  uint8_t *buffer)
{
	core->to = link;
	if (link->probe)
		return link_write_probe_reply(link, buffer);
	if ((link->state != CLIENT_LINK_HELLO && link->state != CLIENT_LINK_PROOF) ||
	    now_ns < link->retry.due_ns)
		return 0;
	client_retry_sent(&link->retry, now_ns, CLIENT_HELLO_MAX_NS);
	link->tries++;
	return link->state == CLIENT_LINK_PROOF ? link_write_proof(core, link, buffer) :
						  link_write_hello(core, link, buffer);
}
