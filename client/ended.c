// SPDX-License-Identifier: BSD-3-Clause
#include "client/core.h"

// What a code asks of a subscription.
enum ended_kind {
	ENDED_RETRY,	// the same again, here or elsewhere: nothing is wrong with the position
	ENDED_POSITION, // the position cannot be served: as the policy says
	ENDED_FINAL,
};

static enum ended_kind ended_kind(uint32_t code)
{
	switch (code) {
	case GODWIT_BEHIND:
	case GODWIT_BUSY:
	case GODWIT_LAPSED:
	case GODWIT_SHUTDOWN:
	case GODWIT_UNKNOWN_SUBSCRIPTION:
	case GODWIT_NOT_PRIMARY:
	case GODWIT_REPLACED:
	case GODWIT_DRAINING:
		return ENDED_RETRY;
	case GODWIT_UNKNOWN_SESSION:
	case GODWIT_TRUNCATED:
	case GODWIT_FUTURE:
	case GODWIT_DIVERGED:
		return ENDED_POSITION;
	default:
		return ENDED_FINAL;
	}
}

// A request was refused.
static void ended_refused(struct godwit_core *core, struct client_subscription *sub,
			  uint64_t now_ns, const struct godwit_event *ended)
{
	if (sub->state == CLIENT_SUBSCRIPTION_LEAVING) {
		client_subscription_end_code(core, sub, GODWIT_UNSUBSCRIBED);
		return;
	}
	if (ended_kind(ended->code) == ENDED_RETRY) {
		uint64_t delay_ns = sub->retry.delay_ns;

		// A new request: the repeat of the old one would get the same answer again.
		client_subscription_again(core, sub, now_ns + delay_ns);
		sub->retry.delay_ns = delay_ns;
		return;
	}
	// Where it cannot move to, it need not: the home goes on.
	if (sub->is_served)
		client_move_undo(core, sub);
	else
		client_subscription_end(core, sub, ended);
}

// Its server does not serve it any more. What is on its way elsewhere goes on; else the same server
// is asked again, after a moment.
static void ended_again(struct godwit_core *core, struct client_subscription *sub, uint64_t now_ns)
{
	if (sub->state == CLIENT_SUBSCRIPTION_RESUMING)
		client_move_unserved(sub);
	else
		client_move_to(core, sub, sub->home, now_ns, CLIENT_REQUEST_NS, GODWIT_MOVE_NONE,
			       false);
}

// The server ended a subscription by itself.
static void ended_stopped(struct godwit_core *core, struct client_subscription *sub,
			  uint64_t now_ns, const struct godwit_event *ended)
{
	enum ended_kind kind = ended_kind(ended->code);

	if (kind == ENDED_POSITION && sub->policy != GODWIT_POLICY_FAIL)
		kind = ENDED_RETRY;
	// One that is on its way may reach a server that still has what this one has not.
	if (kind == ENDED_RETRY || sub->state == CLIENT_SUBSCRIPTION_RESUMING)
		ended_again(core, sub, now_ns);
	else
		client_subscription_end(core, sub, ended);
}

static void ended_unasked(struct godwit_core *core, struct client_subscription *sub,
			  struct client_link *link, uint64_t now_ns,
			  const struct godwit_event *ended, uint64_t cursor_epoch)
{
	if (sub->state == CLIENT_SUBSCRIPTION_LEAVING) {
		if (link == sub->target)
			client_subscription_end_code(core, sub, GODWIT_UNSUBSCRIBED);
		return;
	}
	// Of an epoch before, or while another request is under way, it changes nothing; but a
	// request that was answered and forgotten (lapsed) before we saw the answer must be made
	// anew.
	if (sub->state == CLIENT_SUBSCRIPTION_ASKING) {
		if (link != sub->target)
			return;
		if (sub->policy != GODWIT_POLICY_FAIL && ended_kind(ended->code) == ENDED_POSITION)
			client_subscription_again(core, sub, now_ns + CLIENT_REQUEST_NS);
		else
			ended_refused(core, sub, now_ns, ended);
	} else if (sub->is_served && link == sub->home && cursor_epoch == sub->cursor_epoch) {
		ended_stopped(core, sub, now_ns, ended);
	}
}

void client_answer_ended(struct godwit_core *core, struct client_link *link, uint64_t now_ns,
			 const struct godwit_ended *frame)
{
	struct client_subscription *sub =
		client_subscription_by_tag(core, godwit_get64(frame->tag));
	uint32_t request = godwit_get32(frame->request);
	uint64_t cursor_epoch = godwit_get64(frame->cursor_epoch);
	struct godwit_event ended = {
		.identifier = {.session = godwit_get64(frame->session),
			       .seq = godwit_get64(frame->seq),
			       .epoch = godwit_get32(frame->epoch)},
		.session = godwit_get64(frame->next_session),
		.code = godwit_get16(frame->code),
	};

	if (sub == NULL) {
		core->stats.wrong_tag++;
		return;
	}
	sub->highest_epoch = client_max(sub->highest_epoch, cursor_epoch);
	if (ended.code == GODWIT_SHUTDOWN) {
		client_links_lost(core, link, now_ns, GODWIT_SHUTDOWN);
		return;
	}
	if (request == 0)
		ended_unasked(core, sub, link, now_ns, &ended, cursor_epoch);
	else if (client_answer_is_awaited(sub, link, request, godwit_get32(frame->attempt)) ||
		 (sub->state == CLIENT_SUBSCRIPTION_LEAVING && request == sub->request))
		ended_refused(core, sub, now_ns, &ended);
}

// The answer to an ACK. One that crossed a RESUME on its way says nothing new.
static void ended_unknown(struct godwit_core *core, struct client_subscription *sub,
			  struct client_link *link, uint64_t now_ns)
{
	if (sub->is_served && sub->home == link)
		ended_again(core, sub, now_ns);
	else if (sub->state == CLIENT_SUBSCRIPTION_LEAVING && sub->target == link)
		client_subscription_end_code(core, sub, GODWIT_UNSUBSCRIBED);
}

bool client_answer_error(struct godwit_core *core, struct client_link *link, uint64_t now_ns,
			 const struct godwit_error *frame)
{
	uint32_t request = godwit_get32(frame->request);
	uint32_t code = godwit_get16(frame->code);
	struct client_subscription *sub;

	for (uint32_t i = 0; i < core->subscription_max; i++) {
		sub = &core->subscriptions[i];
		if (request == 0 || request != sub->request || sub->target != link ||
		    (sub->state != CLIENT_SUBSCRIPTION_ASKING &&
		     sub->state != CLIENT_SUBSCRIPTION_RESUMING &&
		     sub->state != CLIENT_SUBSCRIPTION_LEAVING))
			continue;
		ended_refused(core, sub, now_ns,
			      &(struct godwit_event){.code = (uint16_t)code,
						     .identifier = sub->pulled});
		return true;
	}
	if (code != GODWIT_UNKNOWN_SUBSCRIPTION)
		return false;
	sub = client_subscription_find(core, (uint32_t)godwit_get64(frame->detail));
	if (sub != NULL)
		ended_unknown(core, sub, link, now_ns);
	return true;
}
