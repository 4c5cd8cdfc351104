// SPDX-License-Identifier: BSD-3-Clause
#include "client/core.h"

#include <errno.h>

#include <godwit/wire_walk.h>

int godwit_core_topic(struct godwit_core *core, uint64_t now_ns, const char *stream,
		      const char *name, bool create, uint32_t *request)
{
	struct client_topic *topic = NULL;

	if (core->over)
		return -EPIPE;
	for (uint32_t i = 0; i < CLIENT_TOPICS && topic == NULL; i++)
		if (core->topics[i].state == CLIENT_TOPIC_FREE)
			topic = &core->topics[i];
	if (topic == NULL)
		return -ENOSPC;
	if (!godwit_name_set(topic->stream, stream) || !godwit_name_set(topic->name, name))
		return -EINVAL;
	topic->state = CLIENT_TOPIC_ASKING;
	topic->create = create;
	client_redirect_done(&topic->redirect);
	client_topic_ask(core, topic, core->home, now_ns, 0);
	topic->number = topic->request;
	*request = topic->number;
	return 0;
}

struct client_topic *client_topic_by_request(struct godwit_core *core, uint32_t request)
{
	for (uint32_t i = 0; i < CLIENT_TOPICS; i++)
		if (core->topics[i].state == CLIENT_TOPIC_ASKING &&
		    core->topics[i].request == request)
			return &core->topics[i];
	return NULL;
}

static void topic_answer(struct godwit_core *core, struct client_topic *topic, uint32_t number,
			 uint32_t code)
{
	topic->state = CLIENT_TOPIC_ANSWERED;
	topic->topic = number;
	topic->code = (uint16_t)code;
	core->topic_news++;
	core->is_unsettled = true;
}

void client_topic_on_number(struct godwit_core *core, const struct godwit_topic_number *frame)
{
	struct client_topic *topic = client_topic_by_request(core, godwit_get32(frame->request));

	if (topic != NULL && memcmp(topic->name, frame->name, sizeof(topic->name)) == 0)
		topic_answer(core, topic, godwit_get32(frame->topic), GODWIT_OK);
}

bool client_topic_error(struct godwit_core *core, uint64_t now_ns, const struct godwit_error *frame)
{
	struct client_topic *topic = client_topic_by_request(core, godwit_get32(frame->request));
	uint32_t code = godwit_get16(frame->code);

	if (topic == NULL)
		return false;
	// The request repeats by itself; who is not the primary may not know who is.
	if (code == GODWIT_NOT_PRIMARY && core->link_count > 1)
		client_topic_ask(core, topic, client_links_next(core, topic->link), now_ns,
				 client_redirect_delay(core, &topic->redirect));
	else if (code != GODWIT_BUSY && code != GODWIT_BEHIND && code != GODWIT_NOT_PRIMARY)
		topic_answer(core, topic, 0, code);
	return true;
}

// ---- asking -------------------------------------------------------------------------------------

void client_topic_ask(struct godwit_core *core, struct client_topic *topic,
		      struct client_link *link, uint64_t now_ns, uint64_t delay_ns)
{
	topic->link = link;
	topic->request = client_request(core);
	client_retry_start(&topic->retry, now_ns + delay_ns, CLIENT_REQUEST_NS);
	client_links_use(core, link, now_ns);
}

void client_topic_on_up(struct godwit_core *core, struct client_link *link, uint64_t now_ns)
{
	for (uint32_t i = 0; i < CLIENT_TOPICS; i++)
		if (core->topics[i].state == CLIENT_TOPIC_ASKING && core->topics[i].link == link)
			client_retry_start(&core->topics[i].retry, now_ns, CLIENT_REQUEST_NS);
}

void client_topic_on_lost(struct godwit_core *core, struct client_link *from,
			  struct client_link *to, uint64_t now_ns)
{
	for (uint32_t i = 0; i < CLIENT_TOPICS; i++) {
		struct client_topic *topic = &core->topics[i];

		if (topic->state != CLIENT_TOPIC_ASKING || topic->link != from)
			continue;
		topic->link = to;
		client_links_use(core, to, now_ns);
		client_retry_start(&topic->retry, now_ns, CLIENT_REQUEST_NS);
	}
}

static bool topic_is_asked(const struct client_topic *topic)
{
	return topic->state == CLIENT_TOPIC_ASKING && client_is_up(topic->link);
}

uint64_t client_topic_due(const struct godwit_core *core)
{
	uint64_t due_ns = CLIENT_NEVER;

	for (uint32_t i = 0; i < CLIENT_TOPICS; i++)
		if (topic_is_asked(&core->topics[i]))
			due_ns = client_min(due_ns, core->topics[i].retry.due_ns);
	return due_ns;
}

size_t client_topic_output(struct godwit_core *core, uint64_t now_ns, uint8_t *buffer)
{
	for (uint32_t i = 0; i < CLIENT_TOPICS; i++) {
		struct client_topic *topic = &core->topics[i];
		struct godwit_topic frame;

		if (!topic_is_asked(topic) || now_ns < topic->retry.due_ns)
			continue;
		core->to = topic->link;
		frame = (struct godwit_topic){
			.from = client_from(GODWIT_TOPIC, topic->create ? GODWIT_FLAG_CREATE : 0, 0,
					    topic->link->handle, topic->link->key),
			.request = godwit_be32(topic->request),
		};
		memcpy(frame.stream, topic->stream, sizeof(frame.stream));
		memcpy(frame.name, topic->name, sizeof(frame.name));
		client_retry_sent(&topic->retry, now_ns, CLIENT_REQUEST_MAX_NS);
		memcpy(buffer, &frame, sizeof(frame));
		return sizeof(frame);
	}
	return 0;
}

bool client_topic_event(struct godwit_core *core, struct godwit_event *event)
{
	for (uint32_t i = 0; i < CLIENT_TOPICS; i++) {
		struct client_topic *topic = &core->topics[i];

		if (topic->state != CLIENT_TOPIC_ANSWERED)
			continue;
		*event = (struct godwit_event){
			.kind = GODWIT_EVENT_TOPIC,
			.request = topic->number,
			.topic = topic->topic,
			.code = topic->code,
			.text = (const char *)topic->name,
		};
		topic->state = CLIENT_TOPIC_PULLED;
		core->topic_held = topic;
		core->topic_news--;
		return true;
	}
	return false;
}
