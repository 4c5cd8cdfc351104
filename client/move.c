// SPDX-License-Identifier: BSD-3-Clause
#include "client/core.h"

uint64_t client_move_lapse(const struct client_link *link)
{
	return client_max(CLIENT_LAPSE_NS, link->silence_ns);
}

// The target is up: it is asked.
static void move_begin(struct godwit_core *core, struct client_subscription *sub, uint64_t now_ns,
		       uint64_t delay_ns)
{
	sub->asked_ns = now_ns + delay_ns;
	if (!sub->is_served)
		sub->until_ns = core->link_count > 1 ? sub->asked_ns + CLIENT_ELSEWHERE_NS :
						       CLIENT_NEVER;
	if (sub->begun)
		client_subscription_resume(core, sub, now_ns, delay_ns);
	else // the same request: where it is the same server, the start stays what it was resolved to
		client_retry_start(&sub->retry, now_ns + delay_ns, CLIENT_REQUEST_NS);
}

void client_move_to(struct godwit_core *core, struct client_subscription *sub,
		    struct client_link *link, uint64_t now_ns, uint64_t delay_ns,
		    enum godwit_move move, bool is_planned)
{
	bool was_planned = sub->state == CLIENT_SUBSCRIPTION_RESUMING && sub->is_served;

	if (is_planned && link == sub->home) { // sent back to where it is
		client_move_undo(core, sub);
		return;
	}
	sub->target = link;
	sub->move = move;
	sub->asked_ns = now_ns + delay_ns;
	sub->offer_epoch = 0;
	if (!is_planned) {
		sub->is_served = false;
		sub->until_ns = CLIENT_NEVER;
	} else if (!was_planned) {
		sub->until_ns = now_ns + client_move_lapse(sub->home);
	}
	if (sub->begun)
		sub->state = CLIENT_SUBSCRIPTION_RESUMING;
	else if (move == GODWIT_MOVE_REDIRECT)
		sub->request = client_request(core);
	client_retry_stop(&sub->retry);
	client_links_use(core, link, now_ns);
	if (client_is_up(link))
		move_begin(core, sub, now_ns, delay_ns);
}

void client_move_unserved(struct client_subscription *sub)
{
	sub->is_served = false;
}

void client_move_undo(struct godwit_core *core, struct client_subscription *sub)
{
	core->stats.moves_undone++;
	core->is_unsettled = true;
	client_link_offer_over(sub->target);
	sub->state = CLIENT_SUBSCRIPTION_LIVE;
	sub->is_halted = false;
	sub->target = sub->home;
	sub->move = GODWIT_MOVE_NONE;
	sub->why = 0;
	sub->offer_epoch = 0;
	sub->until_ns = CLIENT_NEVER;
	client_redirect_done(&sub->redirect);
	client_retry_stop(&sub->retry);
}

// ---- servers come and go ------------------------------------------------------------------------

// Why it goes on looking: what made it begin to.
static enum godwit_move move_reason(const struct client_subscription *sub, enum godwit_code code)
{
	if (sub->move != GODWIT_MOVE_NONE)
		return sub->move;
	return code == GODWIT_SHUTDOWN ? GODWIT_MOVE_SHUTDOWN : GODWIT_MOVE_CLIENT;
}

static void move_lost(struct godwit_core *core, struct client_subscription *sub,
		      struct client_link *link, struct client_link *to, uint64_t now_ns,
		      enum godwit_code code)
{
	bool was_home = sub->is_served && sub->home == link;

	if (sub->offer.link == link)
		sub->offer.link = NULL;
	if (was_home)
		client_move_unserved(sub);
	if (sub->target != link) {
		// On its way already. Where that server is not up yet, one that is comes first.
		if (was_home && !client_is_up(sub->target) && client_is_up(to))
			client_move_to(core, sub, to, now_ns, 0, sub->move, false);
		else if (was_home)
			sub->until_ns = now_ns + CLIENT_ELSEWHERE_NS;
		return;
	}
	if (sub->is_served)
		client_move_undo(core, sub);
	else if (!client_offer_accept_held(core, sub, now_ns))
		client_move_to(core, sub, to, now_ns, 0, move_reason(sub, code), false);
}

void client_move_on_lost(struct godwit_core *core, struct client_subscription *sub,
			 struct client_link *link, struct client_link *to, uint64_t now_ns,
			 enum godwit_code code)
{
	switch (sub->state) {
	case CLIENT_SUBSCRIPTION_ASKING:
		if (sub->target == link)
			client_move_to(core, sub, to, now_ns, 0, GODWIT_MOVE_CLIENT, false);
		break;
	case CLIENT_SUBSCRIPTION_RESUMING:
	case CLIENT_SUBSCRIPTION_LIVE:
		if (sub->target == link || sub->home == link)
			move_lost(core, sub, link, to, now_ns, code);
		break;
	case CLIENT_SUBSCRIPTION_LEAVING:
		// The server that should confirm is gone: without keep-alives it forgets the
		// subscription by itself.
		if (sub->target == link)
			client_subscription_end_code(core, sub, GODWIT_UNSUBSCRIBED);
		break;
	default:
		break;
	}
}

void client_move_on_up(struct godwit_core *core, struct client_subscription *sub,
		       struct client_link *link, uint64_t now_ns)
{
	if (sub->target == link && (sub->state == CLIENT_SUBSCRIPTION_ASKING ||
				    sub->state == CLIENT_SUBSCRIPTION_RESUMING))
		move_begin(core, sub, now_ns, sub->asked_ns > now_ns ? sub->asked_ns - now_ns : 0);
}

// ---- MIGRATE ------------------------------------------------------------------------------------

void client_move_on_migrate(struct godwit_core *core, struct client_link *link, uint64_t now_ns,
			    const struct godwit_migrate *frame)
{
	struct client_subscription *sub =
		client_subscription_by_tag(core, godwit_get64(frame->tag));
	struct client_link *target = client_links_named(core, &frame->target);
	uint64_t cursor_epoch = godwit_get64(frame->cursor_epoch);

	if (sub == NULL) {
		core->stats.wrong_tag++;
		return;
	}
	if (cursor_epoch < sub->cursor_epoch)
		client_move_on_stale(sub, link, now_ns);
	if (!sub->is_served || sub->home != link || cursor_epoch != sub->cursor_epoch ||
	    target == NULL || target == link) {
		core->stats.migrates_ignored++;
		return;
	}
	if (sub->state == CLIENT_SUBSCRIPTION_RESUMING)
		return; // a repeat, or a TAKE was faster
	core->stats.migrates++;
	client_move_to(core, sub, target, now_ns, 0, GODWIT_MOVE_MIGRATE, true);
	sub->why = godwit_get16(frame->reason);
}

// ---- a home of before ---------------------------------------------------------------------------

void client_move_on_stale(struct client_subscription *sub, struct client_link *link,
			  uint64_t now_ns)
{
	struct client_aside *stale = &sub->stale;

	if (sub->state != CLIENT_SUBSCRIPTION_LIVE)
		return;
	if (stale->link != link) {
		if (!client_is_up(link))
			return; // there is no handle to tell it under
		stale->link = link;
		stale->handle = link->handle;
		stale->key = link->key;
		stale->next_ns = 0;
		stale->due_ns = CLIENT_NEVER;
	}
	// Its own handle of now is told with every ACK.
	if (link == sub->home && stale->handle == sub->handle)
		return;
	if (stale->due_ns == CLIENT_NEVER)
		stale->due_ns = client_max(now_ns, stale->next_ns);
}

// ---- patience -----------------------------------------------------------------------------------

// An application that does not look at what happened to its history waits, and so do we.
static bool move_waits(const struct client_subscription *sub)
{
	return sub->state == CLIENT_SUBSCRIPTION_RESUMING &&
	       sub->notices > CLIENT_SUBSCRIPTION_NOTICES;
}

// Its home speaks, but not of it: it was forgotten there.
static bool move_is_forgotten(const struct client_subscription *sub)
{
	return sub->state == CLIENT_SUBSCRIPTION_LIVE &&
	       sub->home->heard_ns >= client_add(sub->heard_ns, sub->home->silence_ns);
}

void client_move_timers(struct godwit_core *core, struct client_subscription *sub, uint64_t now_ns)
{
	if (move_is_forgotten(sub)) {
		client_move_to(core, sub, sub->home, now_ns, 0, GODWIT_MOVE_NONE, false);
		return;
	}
	if (now_ns < client_move_due(sub))
		return;
	if (sub->is_served) {
		client_move_undo(core, sub);
		return;
	}
	if (!sub->begun)
		sub->request = client_request(core);
	client_link_offer_over(sub->target);
	client_move_to(core, sub, client_links_next(core, sub->target), now_ns, 0,
		       move_reason(sub, GODWIT_OK), false);
}

uint64_t client_move_due(const struct client_subscription *sub)
{
	if ((sub->state != CLIENT_SUBSCRIPTION_ASKING &&
	     sub->state != CLIENT_SUBSCRIPTION_RESUMING) ||
	    move_waits(sub))
		return CLIENT_NEVER;
	return sub->until_ns;
}
