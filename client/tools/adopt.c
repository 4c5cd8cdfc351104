// SPDX-License-Identifier: BSD-3-Clause
//
// godwit adopt: have a stream that cannot begin by itself go on with what a server holds of it.
#include "client/tools/adopt.h"

#include <errno.h>
#include <inttypes.h>

#include "client/tools/fields.h"
#include "client/tools/place.h"

enum {
	OPTION_GIVE_UP = 0x100,
	OPTION_JSON,
};

struct options {
	struct place_options place;
	const char *stream; // NULL: not given
	uint64_t server;    // 0: not given
	bool gives_up, is_json;
};

static const char name[] = "godwit adopt";

// ---- answers -------------------------------------------------------------------------------------

int adopt_print(const char *stream, const json_t *answer, FILE *out, FILE *err)
{
	const char *word = field_text(answer, "answer"), *given_up = field_text(answer, "given_up");
	uint64_t server = field_count(answer, "server");

	if (strcmp(word, "done") == 0) {
		fprintf(out,
			"stream %s: is to go on with what server %" PRIu64
			" holds; `godwit streams' tells how it goes\n",
			stream, server);
		if (field_is_there(answer, "given_up"))
			fprintf(out, "stream %s: given up is what only these servers held: %s\n",
				stream, given_up);
		return TOOL_OK;
	}
	if (strcmp(word, "not-waiting") == 0)
		fprintf(err,
			"%s: refused: stream %s needs nobody's word: `godwit streams' tells what it "
			"does\n",
			name, stream);
	else if (strcmp(word, "no-record") == 0)
		fprintf(err,
			"%s: refused: the record of stream %s cannot be read or written now: `godwit "
			"streams' tells why; one that is damaged must be put aside first\n",
			name, stream);
	else if (strcmp(word, "holds-nothing") == 0)
		fprintf(err,
			"%s: refused: server %" PRIu64
			" is no replica of stream %s, is not there, or "
			"holds nothing of it\n",
			name, server, stream);
	else if (strcmp(word, "gives-up") == 0)
		fprintf(err,
			"%s: refused: these replicas of stream %s do not answer or hold another "
			"session: %s; with --give-up what only they hold is given up\n",
			name, stream, given_up);
	else
		fprintf(err, "%s: the server did not answer the order: %s\n", name, word);
	return strcmp(word, "unanswered") == 0 ? TOOL_SILENT : TOOL_FAILED;
}

// ---- asking --------------------------------------------------------------------------------------

// The number of the stream at the server that is asked. An exit code.
static int find_stream(struct telemetry *telemetry, const char *stream, const char **number,
		       json_t **streams)
{
	const char *key;
	json_t *row;

	*streams = telemetry_ask_pages(telemetry, "/godwit/streams");
	if (*streams == NULL) {
		tool_say(name, "the server does not answer: %s", strerror(errno));
		return TOOL_SILENT;
	}
	json_object_foreach(*streams, key, row) {
		if (strcmp(field_text(row, "name"), stream) != 0)
			continue;
		if (strcmp(field_text(row, "role"), "alone") == 0) {
			tool_say(name, "stream %s has no replicas: nobody else holds it", stream);
			return TOOL_FAILED;
		}
		if (strcmp(field_text(row, "role"), "primary") != 0) {
			tool_say(name, "stream %s is led by server %" PRIu64 ": run this beside it",
				 stream, field_count(row, "primary"));
			return TOOL_FAILED;
		}
		*number = key;
		return TOOL_OK;
	}
	tool_say(name, "the server has no stream %s: `godwit streams' lists them", stream);
	return TOOL_FAILED;
}

static int order_give(struct telemetry *telemetry, const struct options *options,
		      const char *number)
{
	char command[64];
	json_t *answer;
	int rc;

	snprintf(command, sizeof(command), "/godwit/adopt,%s,%" PRIu64 ",%d", number,
		 options->server, options->gives_up);
	answer = place_ask(name, telemetry, command);
	if (answer == NULL)
		return TOOL_SILENT;
	if (options->is_json)
		place_show(answer);
	rc = adopt_print(options->stream, answer, options->is_json ? stderr : stdout, stderr);
	json_decref(answer);
	return rc;
}

// ---- the command line ----------------------------------------------------------------------------

static error_t adopt_parse(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->place;
		return 0;
	case OPTION_GIVE_UP:
		options->gives_up = true;
		return 0;
	case OPTION_JSON:
		options->is_json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (options->server != 0)
			argp_error(state, "one stream and one server: what is %s?", arg);
		if (options->stream == NULL) {
			options->stream = arg;
			return 0;
		}
		place_server(state, arg, &options->server);
		return 0;
	case ARGP_KEY_END:
		if (options->server == 0)
			argp_error(state, "which stream, and which server holds it? As "
					  "`godwit streams' and `godwit servers' show them");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int tool_adopt(int argc, char **argv)
{
	static const struct argp_option adopt_options[] = {
		{"give-up", OPTION_GIVE_UP, NULL, 0,
		 "Also where other replicas do not answer, or hold another session: what only they "
		 "hold is lost. Where a longer log cannot be had, that of SERVER is enough",
		 0},
		{"json", OPTION_JSON, NULL, 0, "The answer as JSON", 0},
		{0},
	};
	static const struct argp_child children[] = {{&place_argp, 0, NULL, 0}, {0}};
	static const struct argp argp = {
		.options = adopt_options,
		.parser = adopt_parse,
		.args_doc = "STREAM SERVER",
		.children = children,
		.doc = "Have a stream go on with what SERVER, a replica, holds of it, where its "
		       "primary, on this machine, was started again and waits for its record or for a "
		       "server that is lost for good. The longest log of that session that a "
		       "replica holds is taken. What was acknowledged and none of them holds is "
		       "lost: put the record back, or that server's network, if there is a way.\v" PLACE_DOC
		       "\nExamples:\n"
		       "  godwit adopt trades 2\n"
		       "\n" TOOL_EXIT_CODES "\n\nThe manual page is godwit(1).",
	};
	struct options options = {0};
	const char *number = NULL;
	struct telemetry telemetry;
	json_t *streams = NULL;
	int rc;

	tool_parse(&argp, argc, argv, &options);
	rc = place_open(name, &options.place, 0, &telemetry);
	if (rc != TOOL_OK)
		return rc;
	rc = find_stream(&telemetry, options.stream, &number, &streams);
	if (rc == TOOL_OK)
		rc = order_give(&telemetry, &options, number);
	json_decref(streams);
	telemetry_close(&telemetry);
	return rc;
}
