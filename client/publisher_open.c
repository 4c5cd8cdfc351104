// SPDX-License-Identifier: BSD-3-Clause
//
// How a publisher gets its instance, goes on with it at another server, and loses it.
#include "client/core.h"

void client_publisher_reopen(struct godwit_core *core, struct client_publisher *pub,
			     uint64_t now_ns, uint64_t delay_ns)
{
	pub->state = CLIENT_PUBLISHER_OPENING;
	pub->request = client_request(core);
	client_retry_start(&pub->retry, now_ns + delay_ns, CLIENT_REQUEST_NS);
}

void client_publisher_ask(struct godwit_core *core, struct client_publisher *pub,
			  struct client_link *link, uint64_t now_ns, uint64_t delay_ns)
{
	pub->link = link;
	client_publisher_reopen(core, pub, now_ns, delay_ns);
	client_links_use(core, link, now_ns);
}

void client_publisher_on_up(struct godwit_core *core, struct client_publisher *pub,
			    struct client_link *link, uint64_t now_ns)
{
	if ((pub->state == CLIENT_PUBLISHER_OPEN || pub->state == CLIENT_PUBLISHER_OPENING) &&
	    pub->link == link)
		client_publisher_reopen(core, pub, now_ns, 0);
}

void client_publisher_on_lost(struct godwit_core *core, struct client_publisher *pub,
			      struct client_link *link, struct client_link *to, uint64_t now_ns)
{
	if ((pub->state == CLIENT_PUBLISHER_OPEN || pub->state == CLIENT_PUBLISHER_OPENING) &&
	    pub->link == link)
		client_publisher_ask(core, pub, to, now_ns, 0);
}

void client_publisher_doubt(struct godwit_core *core, struct client_publisher *pub, uint64_t now_ns)
{
	bool waiting = pub->opened && pub->next > pub->committed + 1;

	pub->doubt_instance = pub->instance;
	pub->doubt_committed = pub->said_committed < pub->committed ? pub->committed : 0;
	// An instance of an earlier process: this one cannot know what it left open.
	if (waiting || !pub->opened) {
		pub->say_doubt = true;
		pub->doubt_first = waiting ? pub->committed + 1 : 0;
		pub->doubt_last = waiting ? pub->next - 1 : 0;
	}
	core->publisher_news = true;
	pub->instance = 0;
	pub->opened = false;
	pub->say_opened = false;
	client_publisher_restart(pub, 0);
	client_publisher_reopen(core, pub, now_ns, 0);
}

void client_publisher_end(struct godwit_core *core, struct client_publisher *pub, uint32_t code,
			  uint64_t higher_instance)
{
	if (pub->state == CLIENT_PUBLISHER_FREE || pub->state == CLIENT_PUBLISHER_OVER)
		return;
	pub->state = CLIENT_PUBLISHER_OVER;
	pub->code = (uint16_t)code;
	pub->higher = higher_instance;
	pub->say_ended = true;
	core->publisher_news = true;
	core->is_unsettled = true;
}

// What the stream holds of our instance decides where to go on. False: it cannot be ours.
static bool publisher_continue(struct client_publisher *pub, uint64_t last)
{
	if (last < pub->committed || last >= pub->next)
		return false;
	pub->expected = last + 1;
	pub->next_send = last + 1;
	pub->sample = 0;
	pub->back_to = 0;
	pub->busy_until_ns = 0;
	pub->busy_delay_ns = CLIENT_BUSY_NS;
	return true;
}

static void publisher_opened(struct godwit_core *core, struct client_publisher *pub,
			     uint64_t now_ns, const struct godwit_publish_opened *frame)
{
	uint64_t instance = godwit_get64(frame->instance);
	uint64_t last = godwit_get64(frame->last);

	if (last == UINT64_MAX || (pub->opened && !publisher_continue(pub, last))) {
		client_publisher_doubt(core, pub, now_ns);
		return;
	}
	if (!pub->opened) {
		pub->instance = instance;
		pub->opened = true;
		client_publisher_restart(pub, last);
		core->publisher_news = true;
		pub->say_opened = true;
	}
	pub->state = CLIENT_PUBLISHER_OPEN;
	pub->stream = godwit_get32(frame->stream);
	pub->credit = godwit_get32(frame->credit);
	pub->max_message = godwit_get16(frame->max_message);
	client_retry_stop(&pub->retry);
	client_redirect_done(&pub->redirect);
	if (pub->next > pub->committed + 1) {
		// What is held but not known to be committed must be asked for.
		pub->ask = pub->next_send == pub->next;
		pub->rto_due_ns = now_ns + pub->rto_ns;
	}
}

static bool publisher_code_is_passing(uint32_t code)
{
	return code == GODWIT_BUSY || code == GODWIT_BEHIND || code == GODWIT_NOT_PRIMARY;
}

// A refusal: again after a while, under a new request, or the end.
static void publisher_refused(struct godwit_core *core, struct client_publisher *pub,
			      uint64_t now_ns, uint32_t code, uint64_t higher_instance)
{
	uint64_t delay_ns = pub->retry.delay_ns;

	if (code == GODWIT_UNKNOWN_INSTANCE && pub->instance != 0) {
		client_publisher_doubt(core, pub, now_ns);
	} else if (code == GODWIT_NOT_PRIMARY && core->link_count > 1) {
		// It does not know who is: the next one may.
		client_publisher_ask(core, pub, client_links_next(core, pub->link), now_ns,
				     client_redirect_delay(core, &pub->redirect));
	} else if (publisher_code_is_passing(code)) {
		client_publisher_reopen(core, pub, now_ns, delay_ns);
		pub->retry.delay_ns = delay_ns;
	} else {
		client_publisher_end(core, pub, code, higher_instance);
	}
}

struct client_publisher *client_publisher_by_request(struct godwit_core *core, uint32_t request)
{
	for (uint32_t i = 0; i < core->publisher_max; i++)
		if (core->publishers[i].state == CLIENT_PUBLISHER_OPENING &&
		    core->publishers[i].request == request)
			return &core->publishers[i];
	return NULL;
}

void client_publisher_on_opened(struct godwit_core *core, struct client_link *link, uint64_t now_ns,
				const struct godwit_publish_opened *frame)
{
	struct client_publisher *pub =
		client_publisher_by_request(core, godwit_get32(frame->request));
	uint64_t instance = godwit_get64(frame->instance);
	uint32_t code = godwit_get16(frame->code);

	if (pub == NULL || pub->link != link || pub->id != godwit_get64(frame->publisher))
		return; // the answer to a repeat
	if (code != GODWIT_OK)
		publisher_refused(core, pub, now_ns, code, instance);
	else if (instance == 0 || (pub->instance != 0 && instance != pub->instance))
		core->stats.wrong_tag++;
	else
		publisher_opened(core, pub, now_ns, frame);
}

bool client_publisher_error(struct godwit_core *core, struct client_link *link, uint64_t now_ns,
			    const struct godwit_error *frame)
{
	struct client_publisher *pub =
		client_publisher_by_request(core, godwit_get32(frame->request));

	if (pub == NULL || pub->link != link)
		return false;
	publisher_refused(core, pub, now_ns, godwit_get16(frame->code),
			  godwit_get64(frame->detail));
	return true;
}
