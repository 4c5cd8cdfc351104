// SPDX-License-Identifier: BSD-3-Clause
//
// godwit resolve: where an identifier leads at a server, and what is known of the cursor that stood there.
#include "client/tools/resolve.h"

#include <inttypes.h>

#include "client/tools/fields.h"
#include "client/tools/format.h"
#include "client/tools/parse.h"
#include "client/tools/place.h"

#define NAME "godwit resolve"

enum {
	OPTION_CLIENT = 0x100,
	OPTION_SUBSCRIPTION,
	OPTION_JSON,
};

struct options {
	struct place_options place;
	struct godwit_identifier identifier;
	uint64_t client, subscription;
	bool is_json, has_identifier, has_subscription;
};

// ---- output --------------------------------------------------------------------------------------

static void print_cursor(const json_t *cursor, uint64_t client, uint64_t subscription, FILE *out)
{
	if (cursor == NULL) {
		fprintf(out,
			"cursor      client %" PRIu64
			" has no live cursor for its subscription %" PRIu64 " in this session\n",
			client, subscription);
		return;
	}
	fprintf(out,
		"cursor      acknowledged %" PRIu64 " of epoch %" PRIu64 ", %s behind the commit\n"
		"            cursor epoch %s, %s%s, heard %s ago\n"
		"            home server %" PRIu64 ", core %" PRIu64 "; client at %s\n",
		field_count(cursor, "seq"), field_count(cursor, "epoch"),
		format_count(field_count(cursor, "lag")).text, field_text(cursor, "cursor_epoch"),
		field_text(cursor, "state"),
		field_is_there(cursor, "filter") ? ", filtered" : ", whole stream",
		format_age(field_count(cursor, "heard_ms")).text, field_count(cursor, "home"),
		field_count(cursor, "core"), field_text(cursor, "address"));
}

static void print_delivery(const json_t *answer, FILE *out)
{
	bool is_ok = strcmp(field_text(answer, "answer"), "OK") == 0;

	fprintf(out, "delivery    %s %" PRIu64, is_ok ? "begins at" : "would begin, by policy, at",
		field_count(answer, "next"));
	if (field_count(answer, "next") > field_count(answer, "end"))
		fputs(", the next message", out);
	fputc('\n', out);
	if (field_is_there(answer, "log_offset"))
		fprintf(out, "log offset  %s\n",
			format_count(field_count(answer, "log_offset")).text);
}

void resolve_print(const json_t *answer, uint64_t client, uint64_t subscription, FILE *out)
{
	bool is_ok = strcmp(field_text(answer, "answer"), "OK") == 0;

	fprintf(out,
		"identifier  %s\n"
		"stream      %s\n"
		"answer      %s%s%s\n",
		field_text(answer, "identifier"), field_text(answer, "stream"),
		field_text(answer, "answer"), is_ok ? "" : ": ",
		is_ok ? "" : field_text(answer, "meaning"));
	if (field_is_there(answer, "next"))
		print_delivery(answer, out);
	if (field_is_there(answer, "end"))
		fprintf(out,
			"log         earliest %" PRIu64 ", commit %" PRIu64 ", end %" PRIu64 "\n",
			field_count(answer, "earliest"), field_count(answer, "commit"),
			field_count(answer, "end"));
	if (client != 0)
		print_cursor(json_object_get(answer, "cursor"), client, subscription, out);
}

// ---- the command line ----------------------------------------------------------------------------

static error_t resolve_parse(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->place;
		return 0;
	case OPTION_CLIENT:
		tool_require(state, "--client", arg,
			     parse_number(arg, 1, UINT64_MAX, &options->client));
		return 0;
	case OPTION_SUBSCRIPTION:
		options->has_subscription = true;
		tool_require(state, "--subscription", arg,
			     parse_number(arg, 0, UINT32_MAX, &options->subscription));
		return 0;
	case OPTION_JSON:
		options->is_json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (options->has_identifier)
			argp_error(state, "one identifier at a time: what is %s?", arg);
		tool_require(state, "identifier", arg, parse_identifier(arg, &options->identifier));
		options->has_identifier = true;
		return 0;
	case ARGP_KEY_END:
		if (!options->has_identifier)
			argp_error(state,
				   "which identifier? Give SESSION:SEQ:EPOCH, as `godwit sub' "
				   "prints it");
		if ((options->client != 0) != options->has_subscription)
			argp_error(state, "--client and --subscription name a cursor together");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int resolve(const struct options *options)
{
	struct telemetry telemetry;
	char command[160];
	json_t *answer;
	bool is_ok;
	int rc = place_open(NAME, &options->place, 0, &telemetry);

	if (rc != TOOL_OK)
		return rc;
	rc = snprintf(command, sizeof(command), "/godwit/resolve,%s",
		      format_identifier(&options->identifier).text);
	if (options->client != 0)
		snprintf(command + rc, sizeof(command) - (size_t)rc, ",%" PRIu64 ",%" PRIu64,
			 options->client, options->subscription);
	answer = place_ask(NAME, &telemetry, command);
	telemetry_close(&telemetry);
	if (answer == NULL)
		return TOOL_SILENT;
	if (options->is_json)
		place_show(answer);
	else
		resolve_print(answer, options->client, options->subscription, stdout);
	is_ok = strcmp(field_text(answer, "answer"), "OK") == 0;
	json_decref(answer);
	return is_ok ? TOOL_OK : TOOL_FAILED;
}

int tool_resolve(int argc, char **argv)
{
	static const struct argp_child children[] = {{&place_argp, 0, NULL, 0}, {0}};
	static const struct argp_option resolve_options[] = {
		{"client", OPTION_CLIENT, "ID", 0, "Also the cursor of this client ...", 0},
		{"subscription", OPTION_SUBSCRIPTION, "N", 0, "... for its subscription N", 1},
		{"json", OPTION_JSON, NULL, 0, "The answer as JSON", 2},
		{0},
	};
	static const struct argp argp = {
		.options = resolve_options,
		.parser = resolve_parse,
		.args_doc = "SESSION:SEQ:EPOCH",
		.children = children,
		.doc = "Ask a server where an identifier leads: to which stream, whether delivery can "
		       "go on behind it, and from which sequence and place in the log.\v" PLACE_DOC
		       "\nExamples:\n"
		       "  godwit resolve 9f3c5a1e77d01b24:1207:1\n"
		       "  godwit resolve 9f3c5a1e77d01b24:1207:1 --client 42 --subscription 1\n"
		       "\nExit codes: 0 delivery can go on; 1 it cannot; 2 wrong command line; 3 no "
		       "daemon, or no answer.\n\nThe manual page is godwit(1).",
	};
	struct options options = {.is_json = false};

	tool_parse(&argp, argc, argv, &options);
	return resolve(&options);
}
