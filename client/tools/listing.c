// SPDX-License-Identifier: BSD-3-Clause
#include "client/tools/listing.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "client/tools/fields.h"
#include "client/tools/parse.h"
#include "client/tools/place.h"

// ---- output --------------------------------------------------------------------------------------

void listing_begin(struct listing_output *output)
{
	output->rows = 0;
	table_init(&output->table, output->listing->headings);
	if (output->listing->detail_headings != NULL)
		table_init(&output->details, output->listing->detail_headings);
	else
		output->details = (struct table){.columns = 0};
	if (output->is_json)
		fprintf(output->out, "{\n  \"%s\": [", output->listing->key);
}

void listing_add(struct listing_output *output, const json_t *row)
{
	output->rows++;
	if (output->is_json) {
		fputs(output->rows > 1 ? ",\n    " : "\n    ", output->out);
		json_dumpf(row, output->out, 0);
		return;
	}
	output->listing->row(&output->table, row);
	if (output->listing->detail != NULL && output->is_detailed)
		output->listing->detail(&output->details, row);
}

void listing_end(struct listing_output *output)
{
	if (output->is_json) {
		fputs(output->rows > 0 ? "\n  ]\n}\n" : "]\n}\n", output->out);
	} else if (output->rows == 0) {
		fprintf(output->out, "no %s\n", output->listing->key);
	} else {
		table_print(&output->table, output->out);
		if (table_rows(&output->details) > 0) {
			fputc('\n', output->out);
			table_print(&output->details, output->out);
		}
	}
	table_fini(&output->table);
	table_fini(&output->details);
}

// ---- the command line ----------------------------------------------------------------------------

enum {
	OPTION_JSON = 0x100,
	OPTION_HISTORY,
	OPTION_HOME,
	OPTION_CLIENT,
};

struct options {
	struct place_options place;
	bool is_json, is_detailed;
	uint64_t home, client;
};

static error_t listing_parse(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->place;
		return 0;
	case OPTION_JSON:
		options->is_json = true;
		return 0;
	case OPTION_HISTORY:
		options->is_detailed = true;
		return 0;
	case OPTION_HOME:
		tool_require(state, "--home", arg, parse_number(arg, 1, 65535, &options->home));
		return 0;
	case OPTION_CLIENT:
		tool_require(state, "--client", arg,
			     parse_number(arg, 1, UINT64_MAX, &options->client));
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "what is %s? This command takes options only", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child children[] = {{&place_argp, 0, NULL, 0}, {0}};

#define JSON_OPTION(text)                                                                          \
	{                                                                                          \
		"json", OPTION_JSON, NULL, 0, text, 0                                              \
	}
#define END_OF_DOC "\n" TOOL_EXIT_CODES "\n\nThe manual page is godwit(1)."

// ---- asking --------------------------------------------------------------------------------------

struct asking {
	struct listing_output output;
	struct telemetry *telemetry;
	int rc;
};

// {"0": {...}, "1": {...}} as an array.
static json_t *values_of(const json_t *object)
{
	json_t *array = json_array(), *value;
	const char *key;

	json_object_foreach((json_t *)object, key, value)
		json_array_append(array, value);
	return array;
}

static void row_take(struct asking *asking, const char *number, json_t *row)
{
	const struct listing *listing = asking->output.listing;

	if (listing->detail_command != NULL &&
	    (asking->output.is_json || asking->output.is_detailed)) {
		char command[64];
		json_t *details;

		snprintf(command, sizeof(command), "%s,%s", listing->detail_command, number);
		details = telemetry_ask(asking->telemetry, command);
		if (details == NULL) {
			asking->rc = -errno;
			return;
		}
		json_object_set_new(row, listing->detail_key, values_of(details));
		json_decref(details);
	}
	listing_add(&asking->output, row);
}

static void page_take(void *arg, json_t *page)
{
	struct asking *asking = arg;
	const char *number;
	json_t *row;

	json_object_foreach(page, number, row)
		if (asking->rc == 0)
			row_take(asking, number, row);
}

static int listing_run(const struct listing *listing, const struct argp *argp, int argc,
		       char **argv)
{
	struct options options = {.is_json = false};
	struct telemetry telemetry;
	struct asking asking;
	char more[64];
	int rc;

	tool_parse(argp, argc, argv, &options);
	rc = place_open(listing->name, &options.place, 0, &telemetry);
	if (rc != TOOL_OK)
		return rc;
	asking = (struct asking){
		.output = {.listing = listing,
			   .out = stdout,
			   .is_json = options.is_json,
			   .is_detailed = options.is_detailed || !listing->detail_is_asked},
		.telemetry = &telemetry,
	};
	snprintf(more, sizeof(more), ",%" PRIu64 ",%" PRIu64, options.home, options.client);
	listing_begin(&asking.output);
	rc = telemetry_ask_each(&telemetry, listing->command,
				options.home != 0 || options.client != 0 ? more : "", page_take,
				&asking);
	if (rc == 0)
		rc = asking.rc;
	if (rc == -ENOENT)
		tool_say(listing->name, "the server does not know %s: is it an older version?",
			 listing->command);
	else if (rc != 0)
		tool_say(listing->name, "the server's answer: %s", strerror(-rc));
	// What came is shown, but is not all.
	listing_end(&asking.output);
	telemetry_close(&telemetry);
	return rc == 0 ? TOOL_OK : TOOL_FAILED;
}

// ---- the commands --------------------------------------------------------------------------------

int tool_servers(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{"history", OPTION_HISTORY, NULL, 0,
		 "Also when each link last changed its state, and why", 0},
		JSON_OPTION("All fields as JSON: {\"servers\": [...]}, the history among them"),
		{0},
	};
	static const struct argp argp = {
		.options = options,
		.parser = listing_parse,
		.children = children,
		.doc = "Show the servers of a cluster as one of them sees them: whether their links "
		       "are up, and whose clients are where.\v" PLACE_DOC "\nExamples:\n"
		       "  godwit servers\n"
		       "  godwit servers --history\n" END_OF_DOC,
	};

	return listing_run(&listing_servers, &argp, argc, argv);
}

int tool_streams(int argc, char **argv)
{
	static const struct argp_option options[] = {
		JSON_OPTION("All fields as JSON: {\"streams\": [...]}, replicas among them"),
		{0},
	};
	static const struct argp argp = {
		.options = options,
		.parser = listing_parse,
		.children = children,
		.doc = "Show the streams of a server: its role, positions, who is in sync, and what "
		       "the other servers hold.\v" PLACE_DOC "\nExamples:\n"
		       "  godwit streams\n"
		       "  godwit streams --prefix godwit-2 --json\n" END_OF_DOC,
	};

	return listing_run(&listing_streams, &argp, argc, argv);
}

int tool_clients(int argc, char **argv)
{
	static const struct argp_option options[] = {
		JSON_OPTION("All fields as JSON: {\"clients\": [...]}"),
		{0},
	};
	static const struct argp argp = {
		.options = options,
		.parser = listing_parse,
		.children = children,
		.doc = "Show the clients that a server serves.\v" PLACE_DOC "\nExamples:\n"
		       "  godwit clients\n" END_OF_DOC,
	};

	return listing_run(&listing_clients, &argp, argc, argv);
}

int tool_cursors(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{"home", OPTION_HOME, "ID", 0, "Only those whose home is this server", 0},
		{"client", OPTION_CLIENT, "ID", 0, "Only those of this client", 0},
		JSON_OPTION("All fields as JSON: {\"cursors\": [...]}"),
		{0},
	};
	static const struct argp argp = {
		.options = options,
		.parser = listing_parse,
		.children = children,
		.doc = "Show the cursors of a cluster as one server knows them: how far each "
		       "subscription has acknowledged its stream, and where its home is.\v" PLACE_DOC
		       "\nExamples:\n"
		       "  godwit cursors --home 2\n"
		       "  godwit cursors --client 42 --json\n" END_OF_DOC,
	};

	return listing_run(&listing_cursors, &argp, argc, argv);
}

int tool_migrations(int argc, char **argv)
{
	static const struct argp_option options[] = {
		JSON_OPTION("All fields as JSON: {\"migrations\": [...]}"),
		{0},
	};
	static const struct argp argp = {
		.options = options,
		.parser = listing_parse,
		.children = children,
		.doc = "Show the last moves of cursors that a server had a part in, newest first: "
		       "why, from where to where, how soon, and how it ended.\v" PLACE_DOC
		       "\nExamples:\n"
		       "  godwit migrations\n"
		       "  godwit migrations --prefix godwit-2 --json\n" END_OF_DOC,
	};

	return listing_run(&listing_migrations, &argp, argc, argv);
}
