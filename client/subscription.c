// SPDX-License-Identifier: BSD-3-Clause
#include "client/core.h"

#include <errno.h>
#include <stdlib.h>

#include <godwit/wire_walk.h>

struct client_subscription *client_subscription_find(const struct godwit_core *core,
						     uint32_t number)
{
	for (uint32_t i = 0; i < core->subscription_max; i++) {
		struct client_subscription *sub = &core->subscriptions[i];

		if (sub->state != CLIENT_SUBSCRIPTION_FREE && sub->number == number)
			return sub;
	}
	return NULL;
}

struct client_subscription *client_subscription_by_tag(const struct godwit_core *core, uint64_t tag)
{
	for (uint32_t i = 0; i < core->subscription_max; i++) {
		struct client_subscription *sub = &core->subscriptions[i];

		if (sub->tag == tag && sub->state != CLIENT_SUBSCRIPTION_FREE)
			return sub;
	}
	return NULL;
}

// ---- the application's calls --------------------------------------------------------------------

static int topic_order(const void *a, const void *b)
{
	uint32_t x = godwit_get32(*(const struct godwit_be32 *)a);
	uint32_t y = godwit_get32(*(const struct godwit_be32 *)b);

	return (x > y) - (x < y);
}

// The filter as it goes on the wire: ascending, no zero, no repeat.
static int subscription_set_topics(struct client_subscription *sub,
				   const struct godwit_subscription_options *options)
{
	sub->topic_count = options->topic_count;
	for (uint32_t i = 0; i < sub->topic_count; i++) {
		if (options->topics[i] == 0)
			return -EINVAL;
		sub->topics[i] = godwit_be32(options->topics[i]);
	}
	qsort(sub->topics, sub->topic_count, sizeof(sub->topics[0]), topic_order);
	for (uint32_t i = 1; i < sub->topic_count; i++)
		if (topic_order(&sub->topics[i - 1], &sub->topics[i]) == 0)
			return -EINVAL;
	return 0;
}

static int subscription_set(struct godwit_core *core, struct client_subscription *sub,
			    const struct godwit_subscription_options *options)
{
	if (options->stream == NULL || !godwit_name_set(sub->stream, options->stream))
		return -EINVAL;
	if (options->start > GODWIT_START_AFTER || options->policy > GODWIT_POLICY_LATEST)
		return -EINVAL;
	if (options->start == GODWIT_START_SEQUENCE && options->value == 0)
		return -EINVAL;
	if (options->topic_count > GODWIT_FILTER_TOPICS ||
	    (options->topic_count > 0 && options->topics == NULL))
		return -EINVAL;
	if (options->window > GODWIT_WINDOW_MAX)
		return -EINVAL;
	sub->start = options->start;
	sub->policy = options->policy;
	sub->window = options->window != 0 ? options->window : core->window;
	sub->value = options->value;
	if (options->start == GODWIT_START_AFTER) {
		sub->after = options->after;
		sub->value = options->after.seq;
	}
	return subscription_set_topics(sub, options);
}

int godwit_core_subscribe(struct godwit_core *core, uint64_t now_ns,
			  const struct godwit_subscription_options *options, uint32_t *subscription)
{
	struct client_subscription *sub = NULL;
	int rc;

	if (core->over)
		return -EPIPE;
	for (uint32_t i = 0; i < core->subscription_max && sub == NULL; i++)
		if (core->subscriptions[i].state == CLIENT_SUBSCRIPTION_FREE)
			sub = &core->subscriptions[i];
	if (sub == NULL)
		return -ENOSPC;
	memset(sub, 0, sizeof(*sub));
	rc = subscription_set(core, sub, options);
	if (rc != 0)
		return rc;
	sub->number = ++core->last_number;
	sub->tag = client_random_tag(&core->random);
	sub->ack_ns = CLIENT_NEVER;
	sub->answer.due_ns = CLIENT_NEVER;
	sub->stale.due_ns = CLIENT_NEVER;
	client_receive_restart(sub);
	sub->state = CLIENT_SUBSCRIPTION_ASKING;
	sub->request = client_request(core);
	client_move_to(core, sub, core->home, now_ns, 0, GODWIT_MOVE_NONE, false);
	*subscription = sub->number;
	return 0;
}

// Frees what waits for the application or for a gap.
static void subscription_drop(struct godwit_core *core, struct client_subscription *sub)
{
	client_pull_drop(core, sub);
	client_stash_cut(&sub->stash, &core->pool, 0);
}

int godwit_core_unsubscribe(struct godwit_core *core, uint64_t now_ns, uint32_t subscription)
{
	struct client_subscription *sub = client_subscription_find(core, subscription);

	if (sub == NULL || sub->state == CLIENT_SUBSCRIPTION_OVER)
		return -ENOENT;
	if (sub->state == CLIENT_SUBSCRIPTION_LEAVING)
		return 0;
	subscription_drop(core, sub);
	// Where it is being asked for or resumed, that goes on under the connection's own handle: the one
	// before may be of a server that is gone.
	if (sub->is_served) {
		sub->target = sub->home;
	} else {
		sub->handle = sub->target->handle;
		sub->key = sub->target->key;
	}
	client_move_unserved(sub);
	core->is_unsettled = true;
	if (!client_is_up(sub->target)) {
		client_subscription_end_code(core, sub, GODWIT_UNSUBSCRIBED);
		return 0;
	}
	sub->state = CLIENT_SUBSCRIPTION_LEAVING;
	sub->request = client_request(core);
	client_retry_start(&sub->retry, now_ns, CLIENT_REQUEST_NS);
	return 0;
}

int godwit_core_identifier(const struct godwit_core *core, uint32_t subscription,
			   struct godwit_identifier *identifier)
{
	const struct client_subscription *sub = client_subscription_find(core, subscription);

	if (sub == NULL)
		return -ENOENT;
	if (!sub->begun)
		return -EAGAIN;
	*identifier = sub->pulled;
	return 0;
}

int godwit_core_subscription_state(const struct godwit_core *core, uint32_t subscription,
				   struct godwit_subscription_state *state)
{
	const struct client_subscription *sub = client_subscription_find(core, subscription);

	if (sub == NULL)
		return -ENOENT;
	*state = (struct godwit_subscription_state){
		.taken = sub->pulled,
		.cursor_epoch = sub->cursor_epoch,
		.covered = sub->covered,
		.edge = client_edge(sub),
		.sent = sub->sent,
		.commit = sub->commit,
		.feed_age_ms = sub->feed_age_ms,
		.silence_max_ns = sub->silence_max_ns,
		.live = sub->is_served,
	};
	if (sub->home != NULL)
		state->home = sub->home->address;
	return 0;
}

// ---- life ---------------------------------------------------------------------------------------

void client_subscription_again(struct godwit_core *core, struct client_subscription *sub,
			       uint64_t now_ns)
{
	if (sub->begun) {
		client_subscription_resume(core, sub, now_ns, 0);
		return;
	}
	sub->state = CLIENT_SUBSCRIPTION_ASKING;
	sub->request = client_request(core);
	client_retry_start(&sub->retry, now_ns, CLIENT_REQUEST_NS);
}

void client_subscription_resume(struct godwit_core *core, struct client_subscription *sub,
				uint64_t now_ns, uint64_t delay_ns)
{
	core->stats.resumes++;
	sub->state = CLIENT_SUBSCRIPTION_RESUMING;
	sub->request = client_request(core);
	sub->attempt++;
	client_retry_start(&sub->retry, now_ns + delay_ns, CLIENT_REQUEST_NS);
}

void client_subscription_end(struct godwit_core *core, struct client_subscription *sub,
			     const struct godwit_event *ended)
{
	if (sub->state == CLIENT_SUBSCRIPTION_OVER || sub->state == CLIENT_SUBSCRIPTION_FREE)
		return;
	client_stash_cut(&sub->stash, &core->pool, 0);
	sub->state = CLIENT_SUBSCRIPTION_OVER;
	sub->is_served = false;
	core->is_unsettled = true;
	sub->ended = *ended;
	sub->ended.kind = GODWIT_EVENT_ENDED;
	sub->ended.subscription = sub->number;
	client_retry_stop(&sub->retry);
	core->over_count++;
}

void client_subscription_end_code(struct godwit_core *core, struct client_subscription *sub,
				  uint32_t code)
{
	client_subscription_end(core, sub,
				&(struct godwit_event){
					.code = (uint16_t)code,
					.identifier = sub->pulled,
				});
}

// ---- requests -----------------------------------------------------------------------------------

uint64_t client_subscription_due(const struct client_subscription *sub)
{
	switch (sub->state) {
	case CLIENT_SUBSCRIPTION_RESUMING:
		// An application that does not look at what happened to its history waits, and so
		// do we.
		if (sub->notices > CLIENT_SUBSCRIPTION_NOTICES)
			return CLIENT_NEVER;
		return sub->retry.due_ns;
	case CLIENT_SUBSCRIPTION_ASKING:
	case CLIENT_SUBSCRIPTION_LEAVING:
		return sub->retry.due_ns;
	default:
		return CLIENT_NEVER;
	}
}

uint64_t client_subscription_ack_due(const struct client_subscription *sub)
{
	if (!sub->is_served)
		return CLIENT_NEVER;
	return client_min(sub->ack_ns, client_min(sub->fresh_ns, sub->repeat_ns));
}

static size_t subscription_write_topics(const struct client_subscription *sub, uint8_t *at)
{
	memcpy(at, sub->topics, sub->topic_count * sizeof(sub->topics[0]));
	return sub->topic_count * sizeof(sub->topics[0]);
}

static size_t subscription_write_subscribe(struct godwit_core *core,
					   struct client_subscription *sub, uint8_t *buffer)
{
	const struct client_link *link = sub->target;
	struct godwit_subscribe frame = {
		.from = client_from(GODWIT_SUBSCRIBE,
				    sub->topic_count > 0 ? GODWIT_FLAG_FILTERED : 0,
				    sub->topic_count, link->handle, link->key),
		.request = godwit_be32(sub->request),
		.subscription = godwit_be32(sub->number),
		.tag = godwit_be64(sub->tag),
		.start_value = godwit_be64(sub->value),
		.session = godwit_be64(sub->after.session),
		.epoch = godwit_be32(sub->after.epoch),
		.window = godwit_be32(sub->window),
		.datagram = godwit_be16(core->datagram),
		.start = sub->start,
		.policy = sub->policy,
	};

	memcpy(frame.stream, sub->stream, sizeof(frame.stream));
	memcpy(buffer, &frame, sizeof(frame));
	return sizeof(frame) + subscription_write_topics(sub, buffer + sizeof(frame));
}

static size_t subscription_write_resume(struct godwit_core *core, struct client_subscription *sub,
					uint8_t *buffer)
{
	bool is_offer = sub->offer_epoch != 0;
	struct godwit_resume frame = {
		.from = client_from(GODWIT_RESUME, sub->topic_count > 0 ? GODWIT_FLAG_FILTERED : 0,
				    sub->topic_count,
				    is_offer ? sub->offer_handle : sub->target->handle,
				    is_offer ? sub->offer_key : sub->target->key),
		.request = godwit_be32(sub->request),
		.subscription = godwit_be32(sub->number),
		.tag = godwit_be64(sub->tag),
		.session = godwit_be64(sub->mark.session),
		.seq = godwit_be64(sub->mark.seq),
		.epoch = godwit_be32(sub->mark.epoch),
		.attempt = godwit_be32(sub->attempt),
		.highest_epoch = godwit_be64(sub->highest_epoch),
		.offer_epoch = godwit_be64(sub->offer_epoch),
		.edge = godwit_be64(client_edge(sub)),
		.datagram = godwit_be16(core->datagram),
		.policy = sub->policy,
		.window = godwit_be32(sub->window),
	};

	memcpy(frame.stream, sub->stream, sizeof(frame.stream));
	memcpy(buffer, &frame, sizeof(frame));
	return sizeof(frame) + subscription_write_topics(sub, buffer + sizeof(frame));
}

static size_t subscription_write_unsubscribe(const struct client_subscription *sub, uint8_t *buffer)
{
	struct godwit_unsubscribe frame = {
		.from = client_from(GODWIT_UNSUBSCRIBE, 0, 0, sub->handle, sub->key),
		.request = godwit_be32(sub->request),
		.subscription = godwit_be32(sub->number),
	};

	memcpy(buffer, &frame, sizeof(frame));
	return sizeof(frame);
}

size_t client_subscription_output(struct godwit_core *core, struct client_subscription *sub,
				  uint64_t now_ns, uint8_t *buffer)
{
	if (now_ns < client_subscription_due(sub))
		return 0;
	core->to = sub->target;
	client_retry_sent(&sub->retry, now_ns, CLIENT_REQUEST_MAX_NS);
	switch (sub->state) {
	case CLIENT_SUBSCRIPTION_ASKING:
		return subscription_write_subscribe(core, sub, buffer);
	case CLIENT_SUBSCRIPTION_RESUMING:
		return subscription_write_resume(core, sub, buffer);
	case CLIENT_SUBSCRIPTION_LEAVING:
		return subscription_write_unsubscribe(sub, buffer);
	default:
		return 0;
	}
}
