// SPDX-License-Identifier: BSD-3-Clause
//
// Where `godwit pub` takes messages from: lines, messages with their length before them, or its own
// generator. A message that was taken is valid until the next call of source_fill() or
// source_take(). Owner: one thread.
//
// Limits: SOURCE_MESSAGE_MAX bytes a message; a longer line is an error.
#ifndef CLIENT_TOOLS_SOURCE_H
#define CLIENT_TOOLS_SOURCE_H

#include <godwit/types.h>

#define SOURCE_MESSAGE_MAX 65535u
#define SOURCE_BYTES	   262144u

enum source_kind {
	SOURCE_LINES,
	SOURCE_LENGTHS,
	SOURCE_GENERATOR,
};

struct source_options {
	enum source_kind kind;
	int fd;		      // LINES, LENGTHS
	bool has_tab;	      // LINES: topic<TAB>payload
	uint32_t topic_field; // LINES: which field is the topic, from 1; 0: none
	uint32_t size_low;    // GENERATOR
	uint32_t size_high;
	uint64_t seed; // GENERATOR: of sizes
};

struct source {
	struct source_options options;
	bool is_ended;	   // the file has no more bytes
	uint64_t messages; // taken so far
	uint64_t random;
	size_t begin, end; // what of the buffer is not taken yet
	uint8_t *buffer;
};

struct source_message {
	uint8_t *payload;
	size_t length;
	const char *topic; // name within the message, or NULL
	size_t topic_length;
};

// 0 or -ENOMEM.
int source_init(struct source *source, const struct source_options *options);
void source_fini(struct source *source);

// Reads once; blocks where the file does. 0, or what read(2) says.
int source_fill(struct source *source);

// The next message: 1; 0: fill first (a generator never says so); -ENODATA: the end; -EMSGSIZE: a
// message above the limit; -EINVAL: a line without its topic; -EBADMSG: the end within a message.
int source_take(struct source *source, struct source_message *message);

#endif
