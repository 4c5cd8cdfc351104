// SPDX-License-Identifier: BSD-3-Clause
#include "client/tools/pub.h"

#include <errno.h>
#include <fcntl.h>
#include <godwit/client.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/tools/generated.h"
#include "client/tools/parse.h"

enum {
	OPTION_FILE = 0x100,
	OPTION_LENGTH_PREFIXED,
	OPTION_GENERATE,
	OPTION_SIZE,
	OPTION_COUNT,
	OPTION_SECONDS,
	OPTION_RATE,
	OPTION_TOPIC,
	OPTION_TOPICS,
	OPTION_RANDOM_TOPICS,
	OPTION_TOPIC_FIELD,
	OPTION_TAB,
	OPTION_PUBLISHER,
	OPTION_INSTANCE,
};

static const struct argp_option pub_options[] = {
	{NULL, 0, NULL, 0, "What is published:", 1},
	{"file", OPTION_FILE, "FILE", 0, "Read FILE (default: standard input)", 1},
	{"length-prefixed", OPTION_LENGTH_PREFIXED, NULL, 0,
	 "Each message follows its length in 2 bytes, big-endian (default: one a line)", 1},
	{"generate", OPTION_GENERATE, "RATE", 0,
	 "Make up RATE messages a second (100k, 1.5M; max: as fast as they go). A payload begins "
	 "with its u64 number and its u64 number within its topic, which `godwit sub --check` knows "
	 "again from 19 bytes on",
	 1},
	{"size", OPTION_SIZE, "BYTES[-BYTES]", 0, "Size of generated payloads (default: 64)", 1},
	{"rate", OPTION_RATE, "RATE", 0, "Publish at most RATE messages a second of the input", 1},
	{"count", OPTION_COUNT, "N", 0, "End after N messages", 1},
	{"seconds", OPTION_SECONDS, "TIME", 0, "End after TIME of publishing", 1},
	{NULL, 0, NULL, 0, "Topics (default: none):", 10},
	{"topic", OPTION_TOPIC, "NAME", 0, "The topic of every message", 10},
	{"topics", OPTION_TOPICS, "NAME,NAME...", 0, "Topics that take turns", 10},
	{"random-topics", OPTION_RANDOM_TOPICS, NULL, 0, "With --topics: at random instead", 10},
	{"topic-field", OPTION_TOPIC_FIELD, "N", 0,
	 "The Nth field of a line, between blanks, is the topic; the payload is the whole line",
	 10},
	{"tab", OPTION_TAB, NULL, 0, "Lines are TOPIC<tab>PAYLOAD", 10},
	{NULL, 0, NULL, 0, "Who publishes:", 20},
	{"publisher", OPTION_PUBLISHER, "ID", 0,
	 "Publisher id, 1 to 2^64 - 1; the stream keeps each one's last number, so give a fixed one "
	 "(default: random)",
	 20},
	{"instance", OPTION_INSTANCE, "N", 0,
	 "Continue this instance of the publisher id, as a summary told it (default: a new one, "
	 "which ends older ones)",
	 20},
	{0},
};

static const char pub_doc[] =
	"Publish messages to STREAM: lines of standard input or of a file, length-prefixed "
	"messages, or generated ones. Ends when all of them are committed, or says which are in "
	"doubt."
	"\v"
	"Examples:\n"
	"  tail -F app.log | godwit pub logs --server 10.0.0.1:5678 --topic app\n"
	"  godwit pub itch --file day.itch --length-prefixed --rate 200k\n"
	"  godwit pub load --generate 100k --size 19-50 --topics a,b,c --seconds 10\n"
	"\n" TOOL_EXIT_CODES " SIGINT and SIGTERM end the input; a second one ends the wait for "
	"what is not committed.\n"
	"\nThe manual page is godwit(1).";

static void topics_set(struct argp_state *state, const char *option, const char *list,
		       struct pub_options *options)
{
	char *save = NULL, *name;

	if (options->topic_choice != PUB_TOPIC_NONE)
		argp_error(state, "give one of --topic, --topics, --topic-field and --tab");
	free(options->topic_list);
	options->topic_choice = PUB_TOPIC_IN_TURN;
	options->topic_list = strdup(list);
	name = options->topic_list;
	if (strcmp(option, "--topics") == 0)
		name = strtok_r(name, ",", &save);
	for (; name != NULL; name = save != NULL ? strtok_r(NULL, ",", &save) : NULL) {
		if (options->topic_count == PUB_TOPICS_MAX)
			argp_error(state, "%s: more than %d topics", option, PUB_TOPICS_MAX);
		if (*name == '\0' || strlen(name) >= GODWIT_NAME_BYTES)
			argp_error(state, "%s %s: a name has 1 to %d bytes", option, name,
				   GODWIT_NAME_BYTES - 1);
		options->topics[options->topic_count++] = name;
	}
	if (options->topic_count == 0)
		argp_error(state, "%s: no name", option);
}

static void rate_set(struct argp_state *state, const char *option, const char *arg,
		     struct pub_options *options)
{
	uint64_t rate = 0;

	if (strcmp(arg, "max") != 0) {
		tool_require(state, option, arg, parse_count(arg, &rate));
		if (rate == 0)
			argp_error(state, "%s %s: at least 1 a second, or max", option, arg);
	}
	options->is_paced = rate != 0;
	options->rate = (double)rate;
}

static void topic_of_message(struct argp_state *state, struct pub_options *options)
{
	if (options->topic_choice != PUB_TOPIC_NONE)
		argp_error(state, "give one of --topic, --topics, --topic-field and --tab");
	options->topic_choice = PUB_TOPIC_OF_MESSAGE;
}

// What the options mean together.
static void pub_finish(struct argp_state *state, struct pub_options *options)
{
	const struct source_options *source = &options->source;

	if (options->stream == NULL)
		argp_error(state, "the name of the stream is missing");
	if (source->kind == SOURCE_GENERATOR && options->file != NULL)
		argp_error(state, "--generate reads no file");
	if (source->kind != SOURCE_LINES && options->topic_choice == PUB_TOPIC_OF_MESSAGE)
		argp_error(state, "--tab and --topic-field are for lines");
	if (options->has_random_topics && options->topic_count == 0)
		argp_error(state, "--random-topics needs --topics");
	if (options->instance != 0 && options->publisher == 0)
		argp_error(state, "--instance needs --publisher");
}

static error_t pub_more(int key, char *arg, struct pub_options *options, struct argp_state *state)
{
	uint64_t number = 0;

	switch (key) {
	case OPTION_TOPIC:
		topics_set(state, "--topic", arg, options);
		return 0;
	case OPTION_TOPICS:
		topics_set(state, "--topics", arg, options);
		return 0;
	case OPTION_TOPIC_FIELD:
		tool_require(state, "--topic-field", arg, parse_number(arg, 1, 1000, &number));
		topic_of_message(state, options);
		options->source.topic_field = (uint32_t)number;
		return 0;
	case OPTION_TAB:
		topic_of_message(state, options);
		options->source.has_tab = true;
		return 0;
	case OPTION_PUBLISHER:
		tool_require(state, "--publisher", arg,
			     parse_number(arg, 1, UINT64_MAX, &options->publisher));
		return 0;
	case OPTION_INSTANCE:
		tool_require(state, "--instance", arg,
			     parse_number(arg, 1, UINT64_MAX, &options->instance));
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t pub_parse(int key, char *arg, struct argp_state *state)
{
	struct pub_options *options = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->common;
		return 0;
	case OPTION_FILE:
		options->file = arg;
		return 0;
	case OPTION_LENGTH_PREFIXED:
		if (options->source.kind == SOURCE_GENERATOR)
			argp_error(state, "give one of --length-prefixed and --generate");
		options->source.kind = SOURCE_LENGTHS;
		return 0;
	case OPTION_GENERATE:
		if (options->source.kind == SOURCE_LENGTHS)
			argp_error(state, "give one of --length-prefixed and --generate");
		options->source.kind = SOURCE_GENERATOR;
		rate_set(state, "--generate", arg, options);
		return 0;
	case OPTION_RATE:
		rate_set(state, "--rate", arg, options);
		return 0;
	case OPTION_SIZE:
		tool_require(state, "--size", arg,
			     parse_sizes(arg, SOURCE_MESSAGE_MAX, &options->source.size_low,
					 &options->source.size_high));
		return 0;
	case OPTION_COUNT:
		tool_require(state, "--count", arg, parse_count(arg, &options->count));
		return 0;
	case OPTION_SECONDS:
		tool_require(state, "--seconds", arg, parse_duration(arg, &options->limit_ns));
		return 0;
	case OPTION_RANDOM_TOPICS:
		options->has_random_topics = true;
		return 0;
	case ARGP_KEY_ARG:
		if (options->stream != NULL)
			argp_error(state, "one stream only: what is %s?", arg);
		if (*arg == '\0' || strlen(arg) >= GODWIT_NAME_BYTES)
			argp_error(state, "%s: a stream's name has 1 to %d bytes", arg,
				   GODWIT_NAME_BYTES - 1);
		options->stream = arg;
		return 0;
	case ARGP_KEY_END:
		pub_finish(state, options);
		return 0;
	default:
		return pub_more(key, arg, options, state);
	}
}

int tool_pub(int argc, char **argv)
{
	static const struct argp_child children[] = {{&tool_common_argp, 0, NULL, 0}, {0}};
	static const struct argp argp = {
		.options = pub_options,
		.parser = pub_parse,
		.args_doc = "STREAM",
		.doc = pub_doc,
		.children = children,
	};
	struct pub_options options = {
		.source = {.fd = STDIN_FILENO, .size_low = 64, .size_high = 64},
	};
	int code;

	tool_parse(&argp, argc, argv, &options);
	if (options.file != NULL && strcmp(options.file, "-") != 0) {
		options.source.fd = open(options.file, O_RDONLY | O_CLOEXEC);
		if (options.source.fd < 0) {
			tool_say(argv[0], "cannot read %s: %s", options.file, strerror(errno));
			return TOOL_FAILED;
		}
	}
	code = pub_run(&options);
	if (options.source.fd > STDIN_FILENO)
		close(options.source.fd);
	free(options.topic_list);
	return code;
}
