// SPDX-License-Identifier: BSD-3-Clause
//
// Names of topics and the numbers that the stream gives them, asked for as names are met. Owner: one
// thread. Never forgets a name; a search costs the logarithm of how many there are.
#ifndef CLIENT_TOOLS_TOPICS_H
#define CLIENT_TOOLS_TOPICS_H

#include <godwit/client.h>

#define TOPICS_RETRY_NS 100000000ull // between requests for one name

struct topic {
	char name[GODWIT_NAME_BYTES];
	uint32_t number;   // 0: not known yet
	uint32_t request;  // under way
	bool is_asked;	   // and not answered
	uint64_t retry_ns; // when to ask again at the earliest
	uint64_t count;	   // of the user: messages so far
	struct topic *next;
};

struct topics {
	struct godwit_client *client;
	const char *stream;
	bool creates;
	void *by_name; // tsearch(3)
	struct topic *first;
};

void topics_init(struct topics *topics, struct godwit_client *client, const char *stream,
		 bool creates);
void topics_fini(struct topics *topics);

// The topic of that name, made if it is new. NULL with errno: EINVAL (not 1 to 63 bytes), ENOMEM.
struct topic *topics_get(struct topics *topics, const char *name, size_t length);

// Asks for its number unless it is known, asked for, or was refused a moment ago. 0, or -EINVAL.
int topics_ask(struct topics *topics, struct topic *topic, uint64_t now_ns);

// A TOPIC event; the topic that it answers, or NULL.
struct topic *topics_answer(struct topics *topics, const struct godwit_event *event,
			    uint64_t now_ns);

#endif
