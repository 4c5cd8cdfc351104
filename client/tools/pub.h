// SPDX-License-Identifier: BSD-3-Clause
//
// `godwit pub`: its options (pub.c), its run (pub_run.c) and what it says of events (pub_events.c).
#ifndef CLIENT_TOOLS_PUB_H
#define CLIENT_TOOLS_PUB_H

#include "client/tools/pacer.h"
#include "client/tools/source.h"
#include "client/tools/tool.h"
#include "client/tools/topics.h"

#define PUB_NAME       "godwit pub"
#define PUB_TOPICS_MAX 1024

enum pub_topics {
	PUB_TOPIC_NONE,
	PUB_TOPIC_OF_MESSAGE, // --tab, --topic-field
	PUB_TOPIC_IN_TURN,    // --topic, --topics
};

struct pub_options {
	struct tool_common common;
	const char *stream;
	uint64_t publisher; // 0: random
	uint64_t instance;  // 0: a new one
	struct source_options source;
	const char *file;
	bool is_paced;
	double rate;	   // messages a second; 0: as fast as they go
	uint64_t count;	   // 0: no limit
	uint64_t limit_ns; // 0: no limit
	enum pub_topics topic_choice;
	bool has_random_topics; // not in turn
	uint32_t topic_count;
	char *topic_list; // its commas are zeros
	const char *topics[PUB_TOPICS_MAX];
};

struct pub {
	struct pub_options *options;
	struct godwit_client *client;
	struct topics topics;
	struct source source;
	struct pacer pacer;
	struct source_message message; // taken from the source, not published yet
	bool has_message;
	struct topic *topic; // of the message, or NULL
	struct topic *choices[PUB_TOPICS_MAX];
	uint32_t turn;
	uint16_t run; // of the generator
	uint32_t publisher;
	uint64_t instance; // 0: not open yet
	uint64_t committed_number;
	bool is_anew; // PUBLISHER_OPENED will be of a new instance, which may have the old number
	bool is_connected;
	bool is_ended; // no more input
	bool is_over;  // nothing can be published or committed any more
	uint16_t end_code;
	uint64_t accepted, committed, in_doubt, refused, bytes;
	uint64_t opened_ns, moved_ns, said_ns, said_committed, committed_ns;
};

// Publishes until the source ends or a limit is reached; the exit code.
int pub_run(struct pub_options *options);

// Any event of the client.
void pub_event(struct pub *pub, const struct godwit_event *event, uint64_t now_ns);

#endif
