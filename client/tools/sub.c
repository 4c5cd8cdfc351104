// SPDX-License-Identifier: BSD-3-Clause
#include "client/tools/sub.h"

#include <errno.h>
#include <stdlib.h>

#define PROGRESS_NS_MIN 10000000u

enum {
	OPTION_FROM = 0x100,
	OPTION_AFTER,
	OPTION_TOPIC,
	OPTION_TOPIC_NUMBER,
	OPTION_WAIT,
	OPTION_POLICY,
	OPTION_WINDOW,
	OPTION_TEXT,
	OPTION_HEX,
	OPTION_LENGTH_PREFIXED,
	OPTION_COUNT,
	OPTION_PROGRESS_JSON,
	OPTION_META,
	OPTION_COUNT_MAX,
	OPTION_SECONDS,
	OPTION_UNTIL,
	OPTION_PACE,
	OPTION_CHECK,
	OPTION_IDENTIFIER_FILE,
	OPTION_STATE,
};

static const struct argp_option sub_options[] = {
	{NULL, 0, NULL, 0, "Where to begin:", 1},
	{"from", OPTION_FROM, "START", 0,
	 "earliest, latest (the default), a sequence, or a time: 2026-01-31T09:30:00Z, "
	 "@1700000000.5, or -10m for ten minutes ago",
	 1},
	{"after", OPTION_AFTER, "SESSION:SEQ:EPOCH", 0,
	 "Behind this message: an identifier as a summary shows it, or @FILE as --identifier-file "
	 "wrote it",
	 1},
	{"state", OPTION_STATE, "FILE", 0,
	 "Keep the position in FILE, once a second and at the end, and go on there if it exists; else "
	 "as --from says",
	 1},
	{"policy", OPTION_POLICY, "fail|earliest|latest", 0,
	 "What to do when that, or what a resume needs, is not kept any more (default: fail)", 1},
	{NULL, 0, NULL, 0, "Which messages:", 10},
	{"topic", OPTION_TOPIC, "NAME", 0, "Only this topic; may be repeated", 10},
	{"topic-number", OPTION_TOPIC_NUMBER, "N", 0, "The same by the topic's number", 10},
	{"wait", OPTION_WAIT, NULL, 0, "Keep asking for topics that do not exist yet", 10},
	{NULL, 0, NULL, 0, "What is printed:", 20},
	{"text", OPTION_TEXT, NULL, 0, "Payloads as lines (the default)", 20},
	{"hex", OPTION_HEX, NULL, 0, "Payloads as lines of hexadecimal digits", 20},
	{"length-prefixed", OPTION_LENGTH_PREFIXED, NULL, 0,
	 "Each payload after its length in 2 bytes, big-endian", 20},
	{"count", OPTION_COUNT, NULL, 0,
	 "Only counts, rate and latency (delivery minus ingest) once a second", 20},
	{"progress-json", OPTION_PROGRESS_JSON, "TIME", 0,
	 "Counts as lines of JSON in place of words, one every TIME and at each change of server",
	 20},
	{"meta", OPTION_META, NULL, 0,
	 "Sequence, ingest time and topic number before each line, with tabs between", 20},
	{NULL, 0, NULL, 0, "When to end (default: never):", 30},
	{"count-max", OPTION_COUNT_MAX, "N", 0, "After N messages", 30},
	{"seconds", OPTION_SECONDS, "TIME", 0, "TIME after the start", 30},
	{"until", OPTION_UNTIL, "SEQ", 0, "When all up to this sequence was delivered", 30},
	{NULL, 0, NULL, 0, "How:", 40},
	{"window", OPTION_WINDOW, "N", 0,
	 "Messages that may be under way to this client, 1 to 1048576 (default: 4096)", 40},
	{"pace", OPTION_PACE, "N", 0, "Take at most N messages a second: a slow reader", 40},
	{"check", OPTION_CHECK, NULL, 0,
	 "Check that nothing is lost, repeated or out of order, by sequences and by the numbers of "
	 "`godwit pub --generate`; exit 1 if it is. Prints counts unless told otherwise",
	 40},
	{"identifier-file", OPTION_IDENTIFIER_FILE, "FILE", 0,
	 "Write the identifier of the last message to FILE at the end, for --after", 40},
	{0},
};

static const char sub_doc[] =
	"Subscribe to STREAM and print its messages. What is lost, and every change of server or "
	"session, is one line on standard error. When a server falls silent or stops, the next one goes "
	"on; a single one is waited for."
	"\v"
	"Examples:\n"
	"  godwit sub trades --server 10.0.0.1:5678 --from earliest --meta\n"
	"  godwit sub metrics --topic cpu.user --topic cpu.system --from -5m\n"
	"  godwit sub trades --check --count --seconds 10 --summary result.json\n"
	"  godwit sub trades --state trades.at --from earliest >>trades.log\n"
	"\n" TOOL_EXIT_CODES " SIGINT and SIGTERM end with the summary and 0; the end of the "
	"subscription, and a --check that found something, with 1.\n"
	"\nThe manual page is godwit(1).";

static const char *after_parse(const char *arg, struct godwit_identifier *after)
{
	char line[128];
	const char *wrong;
	FILE *file;

	if (*arg != '@')
		return parse_identifier(arg, after);
	file = fopen(arg + 1, "re");
	if (file == NULL)
		return strerror(errno);
	if (fgets(line, sizeof(line), file) == NULL)
		line[0] = '\0';
	fclose(file);
	line[strcspn(line, "\n")] = '\0';
	wrong = parse_identifier(line, after);
	return wrong;
}

static void output_set(struct argp_state *state, struct sub_options *options,
		       enum sub_output output)
{
	// --count --check is what --check alone means.
	if (options->has_output && options->output != output)
		argp_error(state, "give one of --text, --hex, --length-prefixed and --count");
	options->output = output;
	options->has_output = true;
}

static void progress_set(struct argp_state *state, struct sub_options *options, const char *arg)
{
	tool_require(state, "--progress-json", arg, parse_duration(arg, &options->progress_ns));
	if (options->progress_ns < PROGRESS_NS_MIN)
		argp_error(state, "--progress-json %s: at least 10ms", arg);
	output_set(state, options, SUB_COUNT);
}

static void topic_add(struct argp_state *state, struct sub_options *options, char *arg,
		      bool is_number)
{
	uint64_t number = 0;

	if (options->name_count + options->number_count == GODWIT_FILTER_TOPICS)
		argp_error(state, "--topic: more than %d topics", GODWIT_FILTER_TOPICS);
	if (is_number) {
		tool_require(state, "--topic-number", arg,
			     parse_number(arg, 1, UINT32_MAX, &number));
		options->numbers[options->number_count++] = (uint32_t)number;
		return;
	}
	if (*arg == '\0' || strlen(arg) >= GODWIT_NAME_BYTES)
		argp_error(state, "--topic %s: a name has 1 to %d bytes", arg,
			   GODWIT_NAME_BYTES - 1);
	options->names[options->name_count++] = arg;
}

static void start_set(struct argp_state *state, struct sub_options *options, const char *option,
		      const char *arg)
{
	if (options->start.kind == GODWIT_START_AFTER)
		argp_error(state, "give one of --from and --after");
	if (strcmp(option, "--from") == 0) {
		tool_require(state, option, arg, parse_start(arg, tool_wall_ns(), &options->start));
		return;
	}
	if (options->start.kind != GODWIT_START_LATEST)
		argp_error(state, "give one of --from and --after");
	tool_require(state, option, arg, after_parse(arg, &options->after));
	options->start.kind = GODWIT_START_AFTER;
}

static void sub_finish(struct argp_state *state, struct sub_options *options)
{
	if (options->stream == NULL)
		argp_error(state, "the name of the stream is missing");
	if (options->has_check && !options->has_output)
		options->output = SUB_COUNT;
	if (options->has_meta && options->output == SUB_LENGTHS)
		argp_error(state, "--meta is for lines, not for --length-prefixed");
	if (options->state_file != NULL && options->start.kind == GODWIT_START_AFTER)
		argp_error(state, "give one of --state and --after");
	if (options->waits && options->name_count == 0)
		argp_error(state, "--wait needs --topic");
}

static error_t sub_parse_output(int key, char *arg, struct argp_state *state)
{
	struct sub_options *options = state->input;

	switch (key) {
	case OPTION_TEXT:
		output_set(state, options, SUB_TEXT);
		return 0;
	case OPTION_HEX:
		output_set(state, options, SUB_HEX);
		return 0;
	case OPTION_LENGTH_PREFIXED:
		output_set(state, options, SUB_LENGTHS);
		return 0;
	case OPTION_COUNT:
		output_set(state, options, SUB_COUNT);
		return 0;
	case OPTION_PROGRESS_JSON:
		progress_set(state, options, arg);
		return 0;
	case OPTION_META:
		options->has_meta = true;
		return 0;
	case OPTION_CHECK:
		options->has_check = true;
		return 0;
	case OPTION_IDENTIFIER_FILE:
		options->identifier_file = arg;
		return 0;
	case OPTION_STATE:
		options->state_file = arg;
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
		sub_finish(state, options);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t sub_parse(int key, char *arg, struct argp_state *state)
{
	struct sub_options *options = state->input;
	uint64_t number = 0;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->common;
		return 0;
	case OPTION_FROM:
		start_set(state, options, "--from", arg);
		return 0;
	case OPTION_AFTER:
		start_set(state, options, "--after", arg);
		return 0;
	case OPTION_POLICY:
		tool_require(state, "--policy", arg, parse_policy(arg, &options->policy));
		return 0;
	case OPTION_TOPIC:
	case OPTION_TOPIC_NUMBER:
		topic_add(state, options, arg, key == OPTION_TOPIC_NUMBER);
		return 0;
	case OPTION_WAIT:
		options->waits = true;
		return 0;
	case OPTION_WINDOW:
		tool_require(state, "--window", arg,
			     parse_number(arg, 1, GODWIT_WINDOW_MAX, &number));
		options->window = (uint32_t)number;
		return 0;
	case OPTION_COUNT_MAX:
		tool_require(state, "--count-max", arg, parse_count(arg, &options->count_max));
		return 0;
	case OPTION_UNTIL:
		tool_require(state, "--until", arg, parse_count(arg, &options->until));
		if (options->until == 0)
			argp_error(state, "--until 0: sequences begin at 1");
		return 0;
	case OPTION_SECONDS:
		tool_require(state, "--seconds", arg, parse_duration(arg, &options->limit_ns));
		return 0;
	case OPTION_PACE:
		tool_require(state, "--pace", arg, parse_count(arg, &options->pace));
		if (options->pace == 0)
			argp_error(state, "--pace 0: at least 1 message a second");
		return 0;
	default:
		return sub_parse_output(key, arg, state);
	}
}

int tool_sub(int argc, char **argv)
{
	static const struct argp_child children[] = {{&tool_common_argp, 0, NULL, 0}, {0}};
	static const struct argp argp = {
		.options = sub_options,
		.parser = sub_parse,
		.args_doc = "STREAM",
		.doc = sub_doc,
		.children = children,
	};
	struct sub_options options = {.start = {.kind = GODWIT_START_LATEST}};

	tool_parse(&argp, argc, argv, &options);
	return sub_run(&options);
}
