// SPDX-License-Identifier: BSD-3-Clause
//
// A TAKE is an offer. It is accepted if the home asked for it, or if the home is silent, deaf, or without
// news of the stream; it is held for a while if only that is missing, and refused otherwise.
#include "client/core.h"

static void offer_answer(struct client_subscription *sub, const struct client_offer *offer,
			 uint64_t now_ns, enum godwit_ack_flag flag)
{
	sub->answer = (struct client_aside){
		.link = offer->link,
		.handle = offer->handle,
		.key = offer->key,
		.due_ns = now_ns,
		.flags = (uint16_t)flag,
	};
}

static void offer_keep(struct godwit_core *core, struct client_subscription *sub,
		       const struct client_offer *offer, uint64_t now_ns)
{
	core->stats.takes_kept++;
	offer_answer(sub, offer, now_ns, GODWIT_ACK_KEEP);
}

// When there has been enough silence to leave the home. Its heartbeats are an interval apart, so a
// frame that is only a little late is none.
static uint64_t offer_silence_ns(const struct client_subscription *sub)
{
	const struct client_link *home = sub->home;
	uint64_t silent_ns = client_add(home->heard_ns, home->interval_ns + home->interval_ns / 8);

	if (!sub->is_served) // somebody else is asked already, and gets as long to answer
		return client_is_up(sub->target) ? sub->asked_ns + sub->target->interval_ns : 0;
	// One that others took for dead, and that hears them as little: they have the stream.
	if (sub->feed_age_ms * 1000000ull >= home->silence_ns)
		return 0;
	if (home->unheard != 0)
		silent_ns =
			client_min(silent_ns, client_add(home->unheard_ns, 2 * home->interval_ns));
	return silent_ns;
}

static void offer_accept(struct godwit_core *core, struct client_subscription *sub, uint64_t now_ns,
			 const struct client_offer *offer, enum godwit_move move)
{
	struct client_offer taken = *offer;

	core->stats.takes++;
	sub->offer.link = NULL;
	client_link_adopt(core, taken.link, sub->home, now_ns, &taken, sub->home_tag);
	if (taken.link == sub->home && sub->is_served) {
		// A move within the server: the same connection, another handle.
		sub->target = taken.link;
		sub->move = move;
		sub->until_ns = now_ns + client_move_lapse(sub->home);
		sub->asked_ns = now_ns;
		client_subscription_resume(core, sub, now_ns, 0);
	} else {
		client_move_to(core, sub, taken.link, now_ns, 0, move, sub->is_served);
	}
	sub->why = taken.reason;
	sub->offer_epoch = taken.cursor_epoch;
	sub->offer_handle = taken.handle;
	sub->offer_key = taken.key;
}

bool client_offer_accept_held(struct godwit_core *core, struct client_subscription *sub,
			      uint64_t now_ns)
{
	if (sub->offer.link == NULL)
		return false;
	offer_accept(core, sub, now_ns, &sub->offer, GODWIT_MOVE_TAKE);
	return true;
}

static bool offer_is_known(const struct client_offer *held, const struct client_offer *offer)
{
	return held->link == offer->link && held->cursor_epoch == offer->cursor_epoch;
}

void client_offer_on_take(struct godwit_core *core, struct client_link *link, uint64_t now_ns,
			  const struct godwit_take *frame)
{
	struct client_subscription *sub =
		client_subscription_by_tag(core, godwit_get64(frame->tag));
	struct client_offer offer = {
		.link = link,
		.cursor_epoch = godwit_get64(frame->cursor_epoch),
		.handle = godwit_get64(frame->handle),
		.key = godwit_get64(frame->key),
		.reason = godwit_get16(frame->reason),
	};
	bool by_home = (godwit_get16(frame->frame.flags) & GODWIT_FLAG_BY_HOME) != 0;

	if (sub == NULL) {
		core->stats.wrong_tag++;
		return;
	}
	if (sub->state != CLIENT_SUBSCRIPTION_LIVE && sub->state != CLIENT_SUBSCRIPTION_RESUMING) {
		core->stats.unhandled++;
		return;
	}
	if (sub->offer_epoch == offer.cursor_epoch && sub->target == link)
		return; // a repeat of the one accepted: RESUME repeats by itself
	if (offer.cursor_epoch <= client_max(sub->cursor_epoch, sub->offer_epoch)) {
		offer_keep(core, sub, &offer, now_ns);
	} else if (by_home) {
		offer_accept(core, sub, now_ns, &offer, GODWIT_MOVE_TAKE_BY_HOME);
	} else if (now_ns >= offer_silence_ns(sub)) {
		offer_accept(core, sub, now_ns, &offer, GODWIT_MOVE_TAKE);
	} else if (sub->offer.link != NULL && !offer_is_known(&sub->offer, &offer) &&
		   offer.cursor_epoch <= sub->offer.cursor_epoch) {
		offer_keep(core, sub, &offer, now_ns);
	} else {
		if (!offer_is_known(&sub->offer, &offer)) {
			core->stats.takes_held++;
			offer.until_ns = now_ns + client_move_lapse(sub->home);
			sub->offer = offer;
		}
		offer_answer(sub, &offer, now_ns, GODWIT_ACK_HELD);
	}
}

uint64_t client_offer_due(const struct client_subscription *sub)
{
	if (sub->offer.link == NULL ||
	    (sub->state != CLIENT_SUBSCRIPTION_LIVE && sub->state != CLIENT_SUBSCRIPTION_RESUMING))
		return CLIENT_NEVER;
	return client_min(sub->offer.until_ns, offer_silence_ns(sub));
}

void client_offer_timers(struct godwit_core *core, struct client_subscription *sub, uint64_t now_ns)
{
	struct client_offer offer = sub->offer;

	if (now_ns < client_offer_due(sub))
		return;
	if (now_ns >= offer_silence_ns(sub)) {
		offer_accept(core, sub, now_ns, &offer, GODWIT_MOVE_TAKE);
		return;
	}
	sub->offer.link = NULL;
	offer_keep(core, sub, &offer, now_ns);
}
