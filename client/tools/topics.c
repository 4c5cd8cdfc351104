// SPDX-License-Identifier: BSD-3-Clause
#define _GNU_SOURCE
#include "client/tools/topics.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>

static int topic_compare(const void *a, const void *b)
{
	const struct topic *left = a, *right = b;

	return strcmp(left->name, right->name);
}

void topics_init(struct topics *topics, struct godwit_client *client, const char *stream,
		 bool creates)
{
	*topics = (struct topics){.client = client, .stream = stream, .creates = creates};
}

void topics_fini(struct topics *topics)
{
	tdestroy(topics->by_name, free);
	topics->by_name = NULL;
	topics->first = NULL;
}

struct topic *topics_get(struct topics *topics, const char *name, size_t length)
{
	struct topic wanted = {.number = 0};
	struct topic **found, *made;

	if (length == 0 || length >= sizeof(wanted.name) || memchr(name, '\0', length) != NULL) {
		errno = EINVAL;
		return NULL;
	}
	memcpy(wanted.name, name, length);
	found = tfind(&wanted, &topics->by_name, topic_compare);
	if (found != NULL)
		return *found;
	made = malloc(sizeof(*made));
	if (made == NULL)
		return NULL;
	*made = wanted;
	if (tsearch(made, &topics->by_name, topic_compare) == NULL) {
		free(made);
		errno = ENOMEM;
		return NULL;
	}
	made->next = topics->first;
	topics->first = made;
	return made;
}

int topics_ask(struct topics *topics, struct topic *topic, uint64_t now_ns)
{
	int rc;

	if (topic->number != 0 || topic->is_asked || now_ns < topic->retry_ns)
		return 0;
	rc = godwit_client_topic(topics->client, topics->stream, topic->name, topics->creates,
				 &topic->request);
	topic->is_asked = rc == 0;
	return rc == -ENOSPC ? 0 : rc; // an answer to another one makes room
}

struct topic *topics_answer(struct topics *topics, const struct godwit_event *event,
			    uint64_t now_ns)
{
	struct topic *topic = topics->first;

	while (topic != NULL && !(topic->is_asked && topic->request == event->request))
		topic = topic->next;
	if (topic == NULL)
		return NULL;
	topic->is_asked = false;
	topic->number = event->topic;
	topic->retry_ns = now_ns + TOPICS_RETRY_NS;
	return topic;
}
