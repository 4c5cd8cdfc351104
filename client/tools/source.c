// SPDX-License-Identifier: BSD-3-Clause
#include "client/tools/source.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

int source_init(struct source *source, const struct source_options *options)
{
	*source = (struct source){.options = *options, .random = options->seed | 1};
	source->buffer = malloc(SOURCE_BYTES);
	return source->buffer != NULL ? 0 : -ENOMEM;
}

void source_fini(struct source *source)
{
	free(source->buffer);
	source->buffer = NULL;
}

int source_fill(struct source *source)
{
	ssize_t length;

	if (source->begin > 0) {
		memmove(source->buffer, source->buffer + source->begin,
			source->end - source->begin);
		source->end -= source->begin;
		source->begin = 0;
	}
	if (source->end == SOURCE_BYTES)
		return 0;
	length = read(source->options.fd, source->buffer + source->end, SOURCE_BYTES - source->end);
	if (length < 0)
		return -errno;
	source->is_ended = length == 0;
	source->end += (size_t)length;
	return 0;
}

// ---- lines --------------------------------------------------------------------------------------

static bool is_blank(uint8_t byte)
{
	return byte == ' ' || byte == '\t';
}

static int line_topic(const struct source_options *options, struct source_message *message)
{
	uint8_t *at = message->payload, *end = at + message->length;
	uint32_t field = options->topic_field;

	if (options->has_tab) {
		uint8_t *tab = memchr(at, '\t', message->length);

		if (tab == NULL || tab == at)
			return -EINVAL;
		message->topic = (const char *)at;
		message->topic_length = (size_t)(tab - at);
		message->payload = tab + 1;
		message->length = (size_t)(end - tab - 1);
		return 1;
	}
	for (; field > 0; field--) {
		while (at < end && is_blank(*at))
			at++;
		message->topic = (const char *)at;
		while (at < end && !is_blank(*at))
			at++;
		message->topic_length = (size_t)((const char *)at - message->topic);
	}
	return message->topic != NULL && message->topic_length == 0 ? -EINVAL : 1;
}

static int line_take(struct source *source, struct source_message *message)
{
	uint8_t *line = source->buffer + source->begin;
	size_t held = source->end - source->begin;
	uint8_t *newline = memchr(line, '\n', held);
	size_t length = newline != NULL ? (size_t)(newline - line) : held;

	if (newline == NULL && !source->is_ended)
		return held > SOURCE_MESSAGE_MAX ? -EMSGSIZE : 0;
	if (newline == NULL && held == 0)
		return -ENODATA;
	if (length > SOURCE_MESSAGE_MAX)
		return -EMSGSIZE;
	source->begin += length + (newline != NULL);
	source->messages++;
	*message = (struct source_message){.payload = line, .length = length};
	return line_topic(&source->options, message);
}

// ---- lengths ------------------------------------------------------------------------------------

static int length_take(struct source *source, struct source_message *message)
{
	uint8_t *at = source->buffer + source->begin;
	size_t held = source->end - source->begin, length;

	if (held == 0 && source->is_ended)
		return -ENODATA;
	length = held >= 2 ? (size_t)at[0] << 8 | at[1] : 0;
	if (held < 2 || held < 2 + length)
		return source->is_ended ? -EBADMSG : 0;
	source->begin += 2 + length;
	source->messages++;
	*message = (struct source_message){.payload = at + 2, .length = length};
	return 1;
}

// ---- generator ----------------------------------------------------------------------------------

static int generator_take(struct source *source, struct source_message *message)
{
	const struct source_options *options = &source->options;
	uint32_t span = options->size_high - options->size_low + 1;

	// splitmix64
	uint64_t z = source->random += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	z ^= z >> 31;
	source->messages++;
	*message = (struct source_message){
		.payload = source->buffer,
		.length = options->size_low + (uint32_t)((z >> 32) * span >> 32),
	};
	return 1;
}

int source_take(struct source *source, struct source_message *message)
{
	switch (source->options.kind) {
	case SOURCE_LINES:
		return line_take(source, message);
	case SOURCE_LENGTHS:
		return length_take(source, message);
	case SOURCE_GENERATOR:
		return generator_take(source, message);
	}
	return -ENODATA;
}
