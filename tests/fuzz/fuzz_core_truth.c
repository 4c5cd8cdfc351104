// SPDX-License-Identifier: BSD-3-Clause
#include "tests/fuzz/fuzz_core_truth.h"

static struct flow *flow_find(struct truth *t, const struct godwit_address *to, uint64_t tag,
			      uint64_t cursor_epoch)
{
	for (uint32_t i = 0; i < t->flows_count; i++)
		if (t->flows[i].tag == tag && t->flows[i].cursor_epoch == cursor_epoch &&
		    godwit_address_equal(&t->flows[i].to, to))
			return &t->flows[i];
	return NULL;
}

static struct flow *flow_add(struct truth *t, const struct godwit_address *to, uint64_t tag,
			     uint64_t cursor_epoch)
{
	struct flow *flow;

	if (t->flows_count == TRUTH_FLOWS) {
		t->flows_count = 0;
		t->has_lost = true; // what is forgotten begins in the middle
	}
	flow = &t->flows[t->flows_count++];
	*flow = (struct flow){
		.to = *to, .tag = tag, .cursor_epoch = cursor_epoch, .unsure = t->has_lost};
	return flow;
}

static void subscribed_look(struct truth *t, const struct harness_frame *frame)
{
	const struct godwit_subscribed *s = (const void *)frame->data;
	uint64_t tag = godwit_get64(s->tag), epoch = godwit_get64(s->cursor_epoch);
	uint64_t start = godwit_get64(s->seq);
	struct flow *flow = flow_find(t, &frame->to, tag, epoch);

	if (flow) {
		flow->shared |= flow->start != start;
		return;
	}
	flow = flow_add(t, &frame->to, tag, epoch);
	flow->start = flow->covered = start;
}

static const struct stream *stream_of(struct harness *h, uint64_t session)
{
	for (uint32_t i = 0; i < h->server.stream_count; i++)
		if (h->server.streams[i]->session == session)
			return h->server.streams[i];
	return NULL;
}

static void data_look(struct truth *t, const struct harness_frame *frame)
{
	const struct godwit_data *data = (const void *)frame->data;
	const struct stream *stream = stream_of(t->harness, godwit_get64(data->session));
	uint64_t tag = godwit_get64(data->tag), cursor = godwit_get64(data->cursor_epoch);
	uint64_t first = godwit_get64(data->covers_from), end_of_epoch;
	uint64_t last = first + godwit_get32(data->covers) - 1;
	struct flow *flow = flow_find(t, &frame->to, tag, cursor);
	uint32_t epoch;

	REQUIRE(stream);
	REQUIRE(last <= log_committed_seq(&stream->log));
	epoch = stream_epoch_of(stream, first, &end_of_epoch);
	// 0: so long ago that the table has forgotten it.
	if (epoch != 0)
		REQUIRE(godwit_get32(data->epoch) == epoch && last <= end_of_epoch);
	// Its SUBSCRIBED was lost: the client asks again, and takes no DATA until then.
	if (!flow)
		REQUIRE(t->has_lost);
	if (!flow || flow->shared)
		return;
	if (godwit_get16(data->frame.flags) & GODWIT_FLAG_REPAIR) {
		REQUIRE(flow->unsure || last <= flow->covered);
		return;
	}
	REQUIRE(flow->unsure || first <= flow->covered + 1);
	flow->unsure = false;
	if (last > flow->covered)
		flow->covered = last;
}

static void core_look(struct truth *t, struct core *core)
{
	struct crossing_slot *slot;

	while ((slot = crossing_peek(&core->outbox)) != NULL) {
		t->clients[core->config.id] +=
			(slot->kind == CORE_NOTICE_OPENED) - (slot->kind == CORE_NOTICE_CLOSED);
		crossing_pop(&core->outbox);
	}
	if (counter_get(core->counters, COUNTER_notices_lost) == 0)
		REQUIRE(t->clients[core->config.id] == core->client_count);
	for (uint32_t i = 0; i < core->config.subscriptions_max; i++) {
		const struct subscription *s = &core->subscriptions[i];

		if (s->state == SUBSCRIPTION_FREE)
			continue;
		REQUIRE(core->clients[s->client].open);
		REQUIRE(s->next >= s->start);
		if (!subscription_is_filtered(s) && s->sent >= s->start)
			REQUIRE(s->sent <= s->edge);
		// Every way to be served is one of: live, replayed, or waiting for what drains.
		REQUIRE(s->state != SUBSCRIPTION_LIVE || s->joined);
		REQUIRE(s->repairs_active <= GODWIT_NAK_RANGES);
	}
}

void truth_check(struct truth *t)
{
	struct harness *h = t->harness;

	for (uint32_t i = 0; i < h->frames_count; i++) {
		const struct harness_frame *frame = &h->frames[i];

		if (frame->data[1] == GODWIT_SUBSCRIBED)
			subscribed_look(t, frame);
		else if (frame->data[1] == GODWIT_DATA)
			data_look(t, frame);
	}
	harness_clear(h);
	for (uint32_t i = 0; i < h->server.core_count; i++)
		core_look(t, h->server.cores[i]);
	harness_check_laws(h);
	if (h->failure[0] != '\0')
		fprintf(stderr, "%s\n", h->failure);
	REQUIRE(h->failure[0] == '\0');
}

void truth_lost(struct truth *t)
{
	t->has_lost = true;
	for (uint32_t i = 0; i < t->flows_count; i++)
		t->flows[i].unsure = true;
}

// Every class is free again: as many as there may be can be held anew.
static void filters_require(struct filters *filters, uint32_t classes_max)
{
	uint32_t classes[64];

	REQUIRE(classes_max <= 64);
	for (uint32_t i = 0; i < classes_max; i++) {
		classes[i] = filter_hold(filters, &(uint32_t){1000 + i}, 1);
		REQUIRE(classes[i] != FILTER_NONE);
	}
	for (uint32_t i = 0; i < classes_max; i++)
		filter_release(filters, classes[i]);
}

void truth_check_empty(struct truth *t)
{
	struct harness *h = t->harness;

	for (uint32_t i = 0; i < h->server.core_count; i++) {
		struct core *core = h->server.cores[i];

		REQUIRE(core->client_count == 0 && core->subscription_count == 0);
		REQUIRE(core->ready_live.count == 0 && core->ready_replay.count == 0);
		for (uint32_t k = 0; k < h->server.stream_count; k++) {
			struct live *live = &core->lives[k];

			REQUIRE(live->members_count == 0 && live->members == NONE);
			REQUIRE(live->quiet == NONE && !live->active);
			filters_require(live->filters, core->config.classes_max);
		}
	}
}
