// SPDX-License-Identifier: BSD-3-Clause
#include "client/core.h"

uint64_t client_redirect_delay(struct godwit_core *core, struct client_retry *redirect)
{
	uint64_t delay_ns = redirect->delay_ns;

	redirect->delay_ns = delay_ns == 0 ? CLIENT_REQUEST_NS :
					     client_min(2 * delay_ns, CLIENT_BACKOFF_MAX_NS);
	return delay_ns == 0 ? 0 : client_random_jitter(&core->random, delay_ns);
}

static struct client_subscription *redirect_subscription(const struct godwit_core *core,
							 const struct client_link *link,
							 uint32_t request)
{
	for (uint32_t i = 0; i < core->subscription_max; i++) {
		struct client_subscription *sub = &core->subscriptions[i];

		if ((sub->state == CLIENT_SUBSCRIPTION_ASKING ||
		     sub->state == CLIENT_SUBSCRIPTION_RESUMING) &&
		    sub->request == request && sub->target == link)
			return sub;
	}
	return NULL;
}

// A PUBLISH has no request of its own: each publisher there asks anew, and is told for its stream.
static void redirect_publishers(struct godwit_core *core, const struct client_link *link,
				uint64_t now_ns)
{
	for (uint32_t i = 0; i < core->publisher_max; i++) {
		struct client_publisher *pub = &core->publishers[i];

		if (pub->state == CLIENT_PUBLISHER_OPEN && pub->link == link)
			client_publisher_reopen(core, pub, now_ns,
						client_redirect_delay(core, &pub->redirect));
	}
}

void client_redirect(struct godwit_core *core, struct client_link *link, uint64_t now_ns,
		     const struct godwit_redirect *frame)
{
	struct client_link *target = client_links_named(core, &frame->target);
	uint32_t request = godwit_get32(frame->request);
	struct client_subscription *sub = redirect_subscription(core, link, request);
	struct client_publisher *pub = client_publisher_by_request(core, request);
	struct client_topic *topic = client_topic_by_request(core, request);

	if (request == 0) {
		redirect_publishers(core, link, now_ns);
		return;
	}
	if ((pub != NULL && pub->link != link) || (topic != NULL && topic->link != link) ||
	    (sub == NULL && pub == NULL && topic == NULL))
		return; // the answer to a repeat, or to another than is asked now
	if (target == NULL) {
		// Asked again here: the list may grow, or the answer change.
		core->stats.redirects_ignored++;
		target = link;
	} else {
		core->stats.redirects++;
	}
	if (sub != NULL)
		client_move_to(core, sub, target, now_ns,
			       client_redirect_delay(core, &sub->redirect), GODWIT_MOVE_REDIRECT,
			       sub->is_served);
	else if (pub != NULL)
		client_publisher_ask(core, pub, target, now_ns,
				     client_redirect_delay(core, &pub->redirect));
	else
		client_topic_ask(core, topic, target, now_ns,
				 client_redirect_delay(core, &topic->redirect));
}
