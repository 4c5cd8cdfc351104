// SPDX-License-Identifier: BSD-3-Clause
#include "client/core.h"

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

// Whether what is held up to start->at is of its history: a message of the same identifier has the same
// ones before it.
static bool answer_agrees(const struct client_subscription *sub, const struct answer_start *start)
{
	uint64_t seq = start->at.seq;

	for (const struct client_slot *slot = sub->ready.tail; slot != NULL; slot = slot->prev)
		if (!slot->notice && slot->generation == sub->generation && slot->from <= seq &&
		    slot->to >= seq)
			return slot->epoch == start->at.epoch;
	return false;
}

static void answer_resumed(struct godwit_core *core, struct client_subscription *sub,
			   struct answer_start *start)
{
	uint64_t seq = start->at.seq;
	uint64_t taken = sub->mark.seq;
	uint64_t keep = seq;

	client_stash_cut(&sub->stash, &core->pool, 0);
	if (start->at.session != sub->session) {
		answer_session(core, sub, start, sub->session);
		answer_jump(sub, start);
		return;
	}
	// The history given agrees with what the application took, up to the start. What is held above need
	// not be of it, and is sent again.
	if (seq > taken && seq <= sub->covered && !answer_agrees(sub, start))
		keep = taken;
	client_pull_cut(core, sub, keep);
	sub->covered = client_min(sub->covered, keep);
	if (seq <= taken && answer_is_cut(start->code)) {
		answer_gap(core, sub, start, seq + 1, taken);
		answer_jump(sub, start);
	} else if (seq > sub->covered) {
		answer_gap(core, sub, start, sub->covered + 1, seq);
		answer_jump(sub, start);
	}
}

bool client_answer_is_awaited(const struct client_subscription *sub, const struct client_link *link,
			      uint32_t request, uint32_t attempt)
{
	if (request != sub->request || link != sub->target)
		return false;
	if (sub->state == CLIENT_SUBSCRIPTION_RESUMING)
		return attempt == sub->attempt;
	return sub->state == CLIENT_SUBSCRIPTION_ASKING;
}

// The answer to a planned move that was given up meanwhile: who asked for it serves from now on. A SUBSCRIBE (attempt 0) is
// no move: its second answer is to a repeat that came after the end of what the first one opened, and need not begin
// where we are. RESUME tells there what we have, when the end is heard or the silence noticed.
static bool answer_is_late(const struct client_subscription *sub,
			   const struct godwit_subscribed *frame)
{
	return sub->state == CLIENT_SUBSCRIPTION_LIVE && sub->attempt != 0 &&
	       godwit_get32(frame->request) == sub->request &&
	       godwit_get32(frame->attempt) == sub->attempt &&
	       godwit_get64(frame->cursor_epoch) > sub->cursor_epoch;
}

// The application went on while the answer was on its way: nobody compared what it took since.
static bool answer_is_overtaken(const struct client_subscription *sub,
				const struct answer_start *start)
{
	return sub->begun && start->at.session == sub->session && start->at.seq < sub->mark.seq &&
	       !answer_is_cut(start->code);
}

// Asks there anew. The application stands still until the answer, which so cannot be overtaken again.
static void answer_ask_again(struct godwit_core *core, struct client_subscription *sub,
			     struct client_link *link, uint64_t now_ns)
{
	// Who is asked what it took and names less is not asked at its own pace.
	uint64_t delay_ns = sub->is_halted ? CLIENT_REQUEST_NS : 0;

	if (!client_is_up(link))
		return;
	core->stats.overtaken++;
	client_stash_cut(&sub->stash, &core->pool, 0);
	client_pull_cut(core, sub, sub->mark.seq);
	sub->covered = sub->mark.seq;
	sub->is_halted = true;
	client_receive_restart(sub);
	if (sub->state == CLIENT_SUBSCRIPTION_LIVE) {
		sub->target = link;
		sub->until_ns = now_ns + client_move_lapse(sub->home);
		client_links_use(core, link, now_ns);
	}
	sub->offer_epoch = 0; // taken by the RESUME answered
	client_subscription_resume(core, sub, now_ns, delay_ns);
}

static void answer_notice(struct godwit_core *core, struct client_subscription *sub,
			  struct client_link *link, uint64_t now_ns, struct answer_start *start,
			  const struct godwit_subscribed *frame)
{
	bool is_move = sub->begun && sub->home != link;
	struct godwit_event event = {
		.kind = !sub->begun ? GODWIT_EVENT_SUBSCRIBED :
			is_move	    ? GODWIT_EVENT_MIGRATED :
				      GODWIT_EVENT_RESUMED,
		.identifier = start->at,
		.first = godwit_get64(frame->earliest),
		.last = godwit_get64(frame->commit),
		.code = (uint16_t)start->code,
		.server = link->address,
	};

	if (is_move) {
		core->stats.moves++;
		event.from = sub->home->address;
		event.reason =
			(uint16_t)(sub->move != GODWIT_MOVE_NONE ? sub->move : GODWIT_MOVE_CLIENT);
		event.why = sub->why != 0 ? sub->why : (uint16_t)GODWIT_MIGRATION_CLIENT;
		event.silence_ns = now_ns - client_min(sub->heard_ns, now_ns);
		event.replayed = event.last - client_min(start->at.seq, event.last);
	}
	client_pull_notice(core, sub, start->notice, &event);
	start->notice = NULL;
}

// From here on that server is the home, under that handle.
static void answer_settle(struct godwit_core *core, struct client_subscription *sub,
			  struct client_link *link, uint64_t now_ns,
			  const struct godwit_subscribed *frame)
{
	uint64_t handle = godwit_get64(frame->handle);

	if (sub->begun && (sub->home != link || sub->handle != handle)) {
		// Where the home of before still serves, it hears of it at once.
		bool is_there = sub->is_served;

		sub->stale = (struct client_aside){
			.link = sub->home,
			.handle = sub->handle,
			.key = sub->key,
			.due_ns = is_there ? now_ns : CLIENT_NEVER,
		};
	}
	sub->state = CLIENT_SUBSCRIPTION_LIVE;
	sub->is_served = true;
	sub->is_halted = false;
	sub->home = link;
	sub->target = link;
	sub->home_tag = link->tag;
	sub->move = GODWIT_MOVE_NONE;
	sub->why = 0;
	sub->offer_epoch = 0;
	sub->until_ns = CLIENT_NEVER;
	client_subscription_heard(sub, now_ns);
	client_redirect_done(&sub->redirect);
	client_retry_stop(&sub->retry);
	sub->handle = handle;
	sub->key = godwit_get64(frame->key);
	client_link_offer_answered(link, handle);
	sub->cursor_epoch = godwit_get64(frame->cursor_epoch);
	sub->commit = godwit_get64(frame->commit);
	sub->feed_age_ms = 0; // until its first heartbeat
	if (sub->offer.link != NULL && sub->offer.cursor_epoch <= sub->cursor_epoch)
		sub->offer.link = NULL;
	client_links_use(core, link, now_ns);
}

static void answer_begin(struct godwit_core *core, struct client_subscription *sub,
			 struct client_link *link, uint64_t now_ns, struct answer_start *start,
			 const struct godwit_subscribed *frame)
{
	answer_notice(core, sub, link, now_ns, start, frame);
	answer_settle(core, sub, link, now_ns, frame);
	client_receive_restart(sub);
	sub->sent = start->at.seq;
	if (!sub->begun)
		answer_first(core, sub, start);
	else
		answer_resumed(core, sub, start);
	// A start that the policy moved brings its own window.
	if (start->code != GODWIT_OK)
		sub->edge_floor = client_add(start->at.seq, sub->window);
	sub->acked = sub->mark.seq;
	sub->ack_ns = now_ns;
}

void client_answer_subscribed(struct godwit_core *core, struct client_link *link, uint64_t now_ns,
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

	if (sub == NULL) {
		core->stats.wrong_tag++;
		return;
	}
	sub->highest_epoch = client_max(sub->highest_epoch, godwit_get64(frame->cursor_epoch));
	if (!answer_is_late(sub, frame) &&
	    !client_answer_is_awaited(sub, link, godwit_get32(frame->request),
				      godwit_get32(frame->attempt)))
		return; // the answer to a repeat, or to an attempt before
	if (answer_is_overtaken(sub, &start)) {
		answer_ask_again(core, sub, link, now_ns);
		return;
	}
	start.notice = client_pool_get(&core->pool);
	start.jump = client_pool_get(&core->pool);
	if (start.notice != NULL && start.jump != NULL)
		answer_begin(core, sub, link, now_ns, &start, frame);
	// Out of memory: the request repeats, and so will the answer.
	if (start.notice != NULL)
		client_pool_put(&core->pool, start.notice);
	if (start.jump != NULL)
		client_pool_put(&core->pool, start.jump);
}
