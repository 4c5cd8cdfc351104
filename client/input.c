// SPDX-License-Identifier: BSD-3-Clause
//
// A datagram to whom it concerns: by the server that sent it and the tag that it carries.
#include "client/core.h"

#include <godwit/wire_check.h>

static void input_error(struct godwit_core *core, const struct client_link *link,
			const struct godwit_error *frame)
{
	client_notice(core,
		      &(struct godwit_event){
			      .kind = GODWIT_EVENT_ERROR,
			      .code = godwit_get16(frame->code),
			      .request = godwit_get32(frame->request),
			      .number = godwit_get64(frame->detail),
			      .server = link->address,
		      },
		      godwit_error_text(frame), godwit_get16(frame->text_bytes));
}

// A refusal of the handshake. The one that is only kept warm is tried again without a word.
static void input_on_refusal(struct godwit_core *core, struct client_link *link, uint64_t now_ns,
			     const struct godwit_error *frame)
{
	if (godwit_get32(frame->request) != link->request) {
		core->stats.wrong_tag++;
		return;
	}
	if (link != core->warm)
		input_error(core, link, frame);
	client_links_failed(core, link, now_ns);
}

static void input_on_error(struct godwit_core *core, struct client_link *link, uint64_t now_ns,
			   const struct godwit_error *frame)
{
	uint32_t code = godwit_get16(frame->code);

	if (code == GODWIT_FENCED)
		client_fenced(core, godwit_get64(frame->detail));
	else if (!client_is_up(link))
		input_on_refusal(core, link, now_ns, frame);
	else if (code == GODWIT_SHUTDOWN && godwit_get32(frame->request) == 0)
		client_links_lost(core, link, now_ns, GODWIT_SHUTDOWN);
	else if (!client_answer_error(core, link, now_ns, frame) &&
		 !client_publisher_error(core, link, now_ns, frame) &&
		 !client_topic_error(core, now_ns, frame)) {
		// The answer to a request that is not under way any more is nobody's.
		if (godwit_get32(frame->request) != 0)
			core->stats.wrong_tag++;
		else
			input_error(core, link, frame);
	}
}

// Frames of a connection. Only those of the handshake count before WELCOME.
static void input_link(struct godwit_core *core, struct client_link *link, uint64_t now_ns,
		       const void *bytes, uint8_t type)
{
	bool up = client_is_up(link);

	if (type == GODWIT_COOKIE)
		client_link_on_cookie(core, link, now_ns, bytes);
	else if (type == GODWIT_WELCOME)
		client_link_on_welcome(core, link, now_ns, bytes);
	else if (type == GODWIT_ERROR)
		input_on_error(core, link, now_ns, bytes);
	else if (up && type == GODWIT_HEARTBEAT)
		client_receive_heartbeat(core, link, now_ns, bytes);
	else if (up && type == GODWIT_PUBLISH_ACK)
		client_publish_on_ack(core, link, now_ns, bytes);
	else if (up && type == GODWIT_PUBLISH_OPENED)
		client_publisher_on_opened(core, link, now_ns, bytes);
	else if (up && type == GODWIT_TOPIC_NUMBER)
		client_topic_on_number(core, bytes);
	else if (up && type == GODWIT_REDIRECT)
		client_redirect(core, link, now_ns, bytes);
	else
		core->stats.unhandled++;
}

// Frames of a subscription. An offer comes from any server, the rest from those that are up.
static void input_subscription(struct godwit_core *core, struct client_link *link, uint64_t now_ns,
			       const void *bytes, size_t length, uint8_t type)
{
	if (client_is_up(link))
		link->heard_ns = client_max(link->heard_ns, now_ns);
	if (type == GODWIT_DATA)
		client_receive_data(core, link, now_ns, bytes, length);
	else if (type == GODWIT_TAKE)
		client_offer_on_take(core, link, now_ns, bytes);
	else if (!client_is_up(link))
		core->stats.unhandled++;
	else if (type == GODWIT_SUBSCRIBED)
		client_answer_subscribed(core, link, now_ns, bytes);
	else if (type == GODWIT_ENDED)
		client_answer_ended(core, link, now_ns, bytes);
	else
		client_move_on_migrate(core, link, now_ns, bytes);
}

static bool input_is_of_link(const struct client_link *link, uint64_t tag)
{
	return link->state != CLIENT_LINK_DOWN &&
	       (tag == link->tag || (tag == link->also_tag && link->also_tag != 0));
}

// A server keeps one connection tag for a client. Of one with several homes a core that takes a subscription over may
// speak under the tag of another home: then an entry of its heartbeat proves it, and its tag is known from now on.
static bool input_is_of_home(struct godwit_core *core, struct client_link *link,
			     const struct godwit_heartbeat *frame)
{
	if (frame->frame.type != GODWIT_HEARTBEAT || !client_is_up(link) ||
	    !client_receive_is_of_home(core, link, frame))
		return false;
	link->also_tag = godwit_get64(frame->tag);
	return true;
}

void godwit_core_input(struct godwit_core *core, uint64_t now_ns, const struct godwit_address *from,
		       const void *bytes, size_t length)
{
	const struct godwit_heartbeat *frame = bytes;
	struct client_link *link;
	uint8_t type;

	core->stats.datagrams_in++;
	if (core->over)
		return;
	link = client_links_find(core, from);
	if (link == NULL) {
		core->stats.wrong_source++;
		return;
	}
	if (godwit_check_from_server(bytes, length) != GODWIT_CHECK_OK) {
		core->stats.malformed++;
		return;
	}
	type = frame->frame.type;
	switch (type) {
	case GODWIT_DATA:
	case GODWIT_SUBSCRIBED:
	case GODWIT_ENDED:
	case GODWIT_TAKE:
	case GODWIT_MIGRATE:
		// The subscription's tag lies where the others have the connection's.
		if (client_subscription_by_tag(core, godwit_get64(frame->tag)) != NULL) {
			input_subscription(core, link, now_ns, bytes, length, type);
			return;
		}
		break;
	case GODWIT_PROBE:
		if (client_link_on_probe(core, link, now_ns, bytes))
			return;
		break;
	default:
		if (input_is_of_link(link, godwit_get64(frame->tag)) ||
		    input_is_of_home(core, link, frame)) {
			link->heard_ns = client_max(link->heard_ns, now_ns);
			input_link(core, link, now_ns, bytes, type);
			return;
		}
	}
	core->stats.wrong_tag++;
}
