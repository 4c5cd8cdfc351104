// SPDX-License-Identifier: BSD-3-Clause
#include "client/core.h"

// What a code asks of a subscription.
enum answer_kind {
	ANSWER_RETRY,	 // the same again, here or elsewhere: nothing is wrong with the position
	ANSWER_POSITION, // the position cannot be served: as the policy says
	ANSWER_FINAL,
};

static enum answer_kind answer_kind(uint32_t code)
{
	switch (code) {
	case GODWIT_BEHIND:
	case GODWIT_BUSY:
	case GODWIT_LAPSED:
	case GODWIT_SHUTDOWN:
	case GODWIT_UNKNOWN_SUBSCRIPTION:
	case GODWIT_NOT_PRIMARY:
	case GODWIT_REPLACED:
		return ANSWER_RETRY;
	case GODWIT_UNKNOWN_SESSION:
	case GODWIT_TRUNCATED:
	case GODWIT_FUTURE:
	case GODWIT_DIVERGED:
		return ANSWER_POSITION;
	default:
		return ANSWER_FINAL;
	}
}

// ---- SUBSCRIBED ---------------------------------------------------------------------------------

// Where the history that the client knew and the one that it is given part. Held by value: the
// slots of its notices are taken before anything changes.
struct answer_start {
	struct godwit_identifier at; // delivery begins after it
	uint32_t code;
	struct client_slot *notice; // SUBSCRIBED or RESUMED
	struct client_slot *jump;   // SESSION or GAP, where there is one
};

static void answer_gap(struct godwit_core *core, struct client_subscription *sub,
		       struct answer_start *start, uint64_t first, uint64_t last)
{
	core->stats.gaps++;
	client_pull_notice(core, sub, start->jump,
			   &(struct godwit_event){
				   .kind = GODWIT_EVENT_GAP,
				   .identifier = start->at,
				   .first = first,
				   .last = last,
				   .code = (uint16_t)(start->code != GODWIT_OK ? start->code :
										 GODWIT_TRUNCATED),
			   });
	start->jump = NULL;
}

static void answer_session(struct godwit_core *core, struct client_subscription *sub,
			   struct answer_start *start, uint64_t before)
{
	client_pull_notice(core, sub, start->jump,
			   &(struct godwit_event){
				   .kind = GODWIT_EVENT_SESSION,
				   .identifier = start->at,
				   .session = before,
				   .code = (uint16_t)start->code,
			   });
	start->jump = NULL;
}

// A new generation begins after start->at: older messages that are ready can still be pulled, but
// move the mark no more.
static void answer_jump(struct client_subscription *sub, const struct answer_start *start)
{
	sub->generation++;
	sub->session = start->at.session;
	sub->mark = start->at;
	sub->covered = start->at.seq;
}

// History was cut back: what lies above start->at never was.
static bool answer_is_cut(uint32_t code)
{
	return code == GODWIT_DIVERGED || code == GODWIT_FUTURE;
}

static void answer_first(struct godwit_core *core, struct client_subscription *sub,
			 struct answer_start *start)
{
	uint64_t asked = sub->start == GODWIT_START_AFTER    ? sub->after.seq :
			 sub->start == GODWIT_START_SEQUENCE ? sub->value - 1 :
							       start->at.seq;

	sub->begun = true;
	answer_jump(sub, start);
	sub->pulled = start->at;
	if (sub->start == GODWIT_START_AFTER && sub->after.session != start->at.session)
		answer_session(core, sub, start, sub->after.session);
	else if (start->code == GODWIT_OK)
		return;
	else if (start->at.seq > asked)
		answer_gap(core, sub, start, asked + 1, start->at.seq);
	else if (answer_is_cut(start->code) && sub->start == GODWIT_START_AFTER)
		answer_gap(core, sub, start, start->at.seq + 1, asked);
}

static void answer_resumed(struct godwit_core *core, struct client_subscription *sub,
			   struct answer_start *start)
{
	uint64_t seq = start->at.seq;

	if (start->at.session != sub->session) {
		client_stash_cut(&sub->stash, &core->pool, 0);
		answer_session(core, sub, start, sub->session);
		answer_jump(sub, start);
		return;
	}
	if (answer_is_cut(start->code)) {
		uint64_t taken = sub->mark.seq;

		client_pull_cut(core, sub, seq);
		client_stash_cut(&sub->stash, &core->pool, seq);
		sub->covered = client_min(sub->covered, seq);
		if (seq < taken) {
			answer_gap(core, sub, start, seq + 1, taken);
			answer_jump(sub, start);
			return;
		}
	}
	if (seq > sub->covered) {
		struct client_slot *slot;

		// Pieces of the gap that came out of order are within it: the announced range stays
		// whole.
		while (sub->stash.list.head != NULL && sub->stash.list.head->to <= seq) {
			slot = client_stash_take(&sub->stash, seq);
			client_pool_put(&core->pool, slot);
		}
		answer_gap(core, sub, start, sub->covered + 1, seq);
		answer_jump(sub, start);
		client_receive_drain(core, sub);
	}
}

static bool answer_is_awaited(const struct client_subscription *sub, uint32_t request,
			      uint32_t attempt)
{
	if (request != sub->request)
		return false;
	if (sub->state == CLIENT_SUBSCRIPTION_RESUMING)
		return attempt == sub->attempt;
	return sub->state == CLIENT_SUBSCRIPTION_ASKING;
}

void client_answer_subscribed(struct godwit_core *core, uint64_t now_ns,
			      const struct godwit_subscribed *frame)
{
	struct client_subscription *sub =
		client_subscription_by_tag(core, godwit_get64(frame->tag));
	struct answer_start start = {
		.at = {.session = godwit_get64(frame->session),
		       .seq = godwit_get64(frame->seq),
		       .epoch = godwit_get32(frame->epoch)},
		.code = godwit_get16(frame->answer),
	};
	bool first;

	if (sub == NULL) {
		core->stats.wrong_tag++;
		return;
	}
	sub->highest_epoch = client_max(sub->highest_epoch, godwit_get64(frame->cursor_epoch));
	if (!answer_is_awaited(sub, godwit_get32(frame->request), godwit_get32(frame->attempt)))
		return; // the answer to a repeat, or to an attempt before
	first = sub->state == CLIENT_SUBSCRIPTION_ASKING;
	start.notice = client_pool_get(&core->pool);
	start.jump = client_pool_get(&core->pool);
	if (start.notice != NULL && start.jump != NULL) {
		sub->state = CLIENT_SUBSCRIPTION_LIVE;
		client_retry_stop(&sub->retry);
		sub->handle = godwit_get64(frame->handle);
		sub->key = godwit_get64(frame->key);
		sub->cursor_epoch = godwit_get64(frame->cursor_epoch);
		sub->commit = godwit_get64(frame->commit);
		client_pull_notice(core, sub, start.notice,
				   &(struct godwit_event){
					   .kind = first ? GODWIT_EVENT_SUBSCRIBED :
							   GODWIT_EVENT_RESUMED,
					   .identifier = start.at,
					   .first = godwit_get64(frame->earliest),
					   .last = sub->commit,
					   .code = (uint16_t)start.code,
				   });
		start.notice = NULL;
		client_receive_restart(sub);
		sub->sent = start.at.seq;
		if (first)
			answer_first(core, sub, &start);
		else
			answer_resumed(core, sub, &start);
		// A start that the policy moved brings its own window.
		if (start.code != GODWIT_OK)
			sub->edge_floor = client_add(start.at.seq, sub->window);
		sub->acked = sub->mark.seq;
		sub->ack_ns = now_ns;
	}
	// Out of memory: the request repeats, and so will the answer.
	if (start.notice != NULL)
		client_pool_put(&core->pool, start.notice);
	if (start.jump != NULL)
		client_pool_put(&core->pool, start.jump);
}

// ---- ENDED and ERROR ----------------------------------------------------------------------------

// A request was refused.
static void answer_refused(struct godwit_core *core, struct client_subscription *sub,
			   uint64_t now_ns, const struct godwit_event *ended)
{
	if (sub->state == CLIENT_SUBSCRIPTION_LEAVING) {
		client_subscription_end_code(core, sub, GODWIT_UNSUBSCRIBED);
		return;
	}
	if (answer_kind(ended->code) == ANSWER_RETRY) {
		uint64_t delay_ns = sub->retry.delay_ns;

		// A new request: the repeat of the old one would get the same answer again.
		client_subscription_again(core, sub, now_ns + delay_ns);
		sub->retry.delay_ns = delay_ns;
		return;
	}
	client_subscription_end(core, sub, ended);
}

// The server ended a subscription by itself.
static void answer_stopped(struct godwit_core *core, struct client_subscription *sub,
			   uint64_t now_ns, const struct godwit_event *ended)
{
	enum answer_kind kind = answer_kind(ended->code);

	if (sub->state == CLIENT_SUBSCRIPTION_LEAVING) {
		client_subscription_end_code(core, sub, GODWIT_UNSUBSCRIBED);
		return;
	}
	if (kind == ANSWER_POSITION && sub->policy != GODWIT_POLICY_FAIL)
		kind = ANSWER_RETRY;
	if (kind == ANSWER_RETRY)
		client_subscription_resume(core, sub, now_ns, CLIENT_REQUEST_NS);
	else
		client_subscription_end(core, sub, ended);
}

void client_answer_ended(struct godwit_core *core, uint64_t now_ns,
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
		client_link_lost(core, now_ns, GODWIT_SHUTDOWN);
		return;
	}
	if (request != 0) {
		if (answer_is_awaited(sub, request, godwit_get32(frame->attempt)) ||
		    (sub->state == CLIENT_SUBSCRIPTION_LEAVING && request == sub->request))
			answer_refused(core, sub, now_ns, &ended);
		return;
	}
	// Of an epoch before, or while another request is under way, it changes nothing; but a
	// request that was answered and forgotten (lapsed) before we saw the answer must be made
	// anew.
	if (sub->state == CLIENT_SUBSCRIPTION_ASKING && sub->policy != GODWIT_POLICY_FAIL &&
	    answer_kind(ended.code) == ANSWER_POSITION)
		client_subscription_again(core, sub, now_ns + CLIENT_REQUEST_NS);
	else if (sub->state == CLIENT_SUBSCRIPTION_ASKING)
		answer_refused(core, sub, now_ns, &ended);
	else if (sub->state == CLIENT_SUBSCRIPTION_LEAVING ||
		 (sub->state == CLIENT_SUBSCRIPTION_LIVE && cursor_epoch == sub->cursor_epoch))
		answer_stopped(core, sub, now_ns, &ended);
}

bool client_answer_error(struct godwit_core *core, uint64_t now_ns,
			 const struct godwit_error *frame)
{
	uint32_t request = godwit_get32(frame->request);
	uint32_t code = godwit_get16(frame->code);
	struct client_subscription *sub;

	for (uint32_t i = 0; i < core->subscription_max; i++) {
		sub = &core->subscriptions[i];
		if (request == 0 || request != sub->request ||
		    (sub->state != CLIENT_SUBSCRIPTION_ASKING &&
		     sub->state != CLIENT_SUBSCRIPTION_RESUMING &&
		     sub->state != CLIENT_SUBSCRIPTION_LEAVING))
			continue;
		answer_refused(core, sub, now_ns,
			       &(struct godwit_event){.code = (uint16_t)code,
						      .identifier = sub->pulled});
		return true;
	}
	if (code != GODWIT_UNKNOWN_SUBSCRIPTION)
		return false;
	// The answer to an ACK. One that crossed a RESUME on its way says nothing new.
	sub = client_subscription_find(core, (uint32_t)godwit_get64(frame->detail));
	if (sub != NULL && sub->state == CLIENT_SUBSCRIPTION_LIVE)
		client_subscription_resume(core, sub, now_ns, CLIENT_REQUEST_NS);
	else if (sub != NULL && sub->state == CLIENT_SUBSCRIPTION_LEAVING)
		client_subscription_end_code(core, sub, GODWIT_UNSUBSCRIBED);
	return true;
}
