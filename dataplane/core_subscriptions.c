// SPDX-License-Identifier: BSD-3-Clause
//
// A core's subscriptions: their pool, their way onto the ready lists, and their end.
#include "dataplane/stages.h"

struct subscription *subscription_find(struct core *core, struct client *client, uint32_t number)
{
	for (uint32_t i = client->subscriptions; i != NONE;
	     i = core->subscriptions[i].next_of_client)
		if (core->subscriptions[i].number == number)
			return &core->subscriptions[i];
	return NULL;
}

struct subscription *subscription_open(struct core *core, struct client *client,
				       struct stream *stream, uint32_t number, uint32_t filter,
				       struct godwit_identifier start)
{
	uint32_t index = core->subscription_free;
	struct subscription *s;
	struct client_ring ring;
	uint32_t ready_next;
	uint8_t on_list;

	if (index == NONE)
		return NULL;
	s = &core->subscriptions[index];
	core->subscription_free = s->next_of_client;
	core->subscription_count++;
	ring = s->ring;
	// One that was closed while on a ready list is still on it: egress finds it there and looks.
	ready_next = s->ready_next;
	on_list = s->on_list;
	*s = (struct subscription){
		.index = index,
		.client = client->index,
		.state = SUBSCRIPTION_CATCHING_UP,
		.filter = filter,
		.stream = stream,
		.number = number,
		.next = start.seq + 1,
		.sent = start.seq,
		.start = start.seq + 1,
		.acked = start,
		.ready_next = ready_next,
		.on_list = on_list,
		.member_prev = NONE,
		.member_next = NONE,
		.next_of_client = client->subscriptions,
		.temporary.stop.seq = UINT64_MAX,
	};
	s->ring = ring;
	client_ring_init(&s->ring, ring.slots, ring.mask + 1);
	client->subscriptions = index;
	client->subscription_count++;
	COUNT(core, subscriptions_opened, 1);
	return s;
}

void subscription_own_set(struct subscription *s)
{
	s->own = (struct subscription_own){
		.tag = godwit_be64(s->tag),
		.cursor_epoch = godwit_be64(s->cursor_epoch),
		.session = godwit_be64(s->acked.session),
	};
	s->own_sum = tx_sum((const uint8_t *)&s->own, sizeof(s->own));
}

void subscription_close(struct core *core, struct subscription *s)
{
	struct client *client = &core->clients[s->client];
	uint32_t *link = &client->subscriptions;
	struct slice slice;

	if (s->joined)
		live_leave(core, s);
	if (s->temporary.active)
		temporary_retire(core, s);
	while (client_ring_peek(&s->ring, &slice)) {
		COUNT(core, dispatch_refused, slice_count(slice));
		client_ring_pop(&s->ring);
	}
	if (subscription_is_filtered(s))
		filter_release(core->lives[s->stream->number].filters, s->filter);
	while (*link != s->index)
		link = &core->subscriptions[*link].next_of_client;
	*link = s->next_of_client;
	client->subscription_count--;
	if (s->cursor_epoch > client->epoch_closed)
		client->epoch_closed = s->cursor_epoch;
	s->state = SUBSCRIPTION_FREE;
	s->next_of_client = core->subscription_free;
	core->subscription_free = s->index;
	core->subscription_count--;
	COUNT(core, subscriptions_closed, 1);
}

// What the cursor is when its subscription has ended so. A server that stops leaves it as it is, for the
// others to take.
static uint16_t flags_after(enum godwit_code code)
{
	switch (code) {
	case GODWIT_SHUTDOWN:
		return 0;
	case GODWIT_UNSUBSCRIBED:
		return GODWIT_CURSOR_TOMBSTONE;
	default:
		return GODWIT_CURSOR_LAPSED;
	}
}

void subscription_end(struct core *core, struct subscription *s, enum godwit_code code,
		      struct godwit_identifier identifier, uint32_t request)
{
	uint64_t last;
	struct godwit_ended ended = {
		.frame = {.version = GODWIT_VERSION, .type = GODWIT_ENDED},
		.tag = godwit_be64(s->tag),
		.cursor_epoch = godwit_be64(s->cursor_epoch),
		.session = godwit_be64(identifier.session),
		.seq = godwit_be64(identifier.seq),
		.request = godwit_be32(request),
		.code = godwit_be16((uint16_t)code),
	};

	if (identifier.epoch == 0 && identifier.seq != 0)
		identifier.epoch = stream_epoch_of(s->stream, identifier.seq, &last);
	ended.epoch = godwit_be32(identifier.epoch);
	if (flags_after(code) != 0)
		cursor_feed_ended(core, s, flags_after(code));
	core_send(core, &core->clients[s->client], &ended, sizeof(ended));
	subscription_close(core, s);
}

void subscription_truncate(struct core *core, struct subscription *s)
{
	struct godwit_identifier kept = {
		.session = s->acked.session,
		.seq = log_earliest(&s->stream->log) - 1,
	};

	COUNT(core, truncated, 1);
	COUNT(core, answer_truncated, 1);
	subscription_end(core, s, GODWIT_TRUNCATED, kept, 0);
}

void subscription_ready(struct core *core, struct subscription *s)
{
	bool replays = s->temporary.active || s->repairs_active > 0 ||
		       s->state == SUBSCRIPTION_LAGGING;
	struct ready *ready = replays ? &core->ready_replay : &core->ready_live;

	if (s->on_list != READY_NONE)
		return;
	s->on_list = replays ? READY_REPLAY : READY_LIVE;
	s->ready_next = NONE;
	if (ready->tail == NONE)
		ready->head = s->index;
	else
		core->subscriptions[ready->tail].ready_next = s->index;
	ready->tail = s->index;
	ready->count++;
}

struct subscription *ready_pop(struct core *core, struct ready *ready)
{
	struct subscription *s;

	if (ready->head == NONE)
		return NULL;
	s = &core->subscriptions[ready->head];
	ready->head = s->ready_next;
	if (ready->head == NONE)
		ready->tail = NONE;
	ready->count--;
	s->on_list = READY_NONE;
	return s;
}
