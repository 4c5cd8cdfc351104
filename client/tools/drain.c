// SPDX-License-Identifier: BSD-3-Clause
//
// godwit drain and godwit undrain: hand all clients of a server over to the others, and take clients again.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "client/tools/drain.h"
#include "client/tools/fields.h"
#include "client/tools/format.h"
#include "client/tools/parse.h"
#include "client/tools/place.h"

#define LOOK_NS (100 * 1000 * 1000) // between two looks at what is left

enum {
	OPTION_WAIT = 0x100,
	OPTION_JSON,
};

struct options {
	struct place_options place;
	uint64_t server; // 0: not given
	uint64_t wait_ns;
	bool is_json, is_drain;
};

// ---- answers -------------------------------------------------------------------------------------

static int print_done(const struct options *options, const json_t *answer, FILE *out)
{
	if (options->is_drain)
		fprintf(out, "server %" PRIu64 ": draining, %s cursors are left\n", options->server,
			format_count(field_count(answer, "left")).text);
	else
		fprintf(out, "server %" PRIu64 ": takes clients again\n", options->server);
	return TOOL_OK;
}

int drain_print(uint64_t server, bool is_drain, const json_t *answer, FILE *out, FILE *err)
{
	const char *name = is_drain ? "godwit drain" : "godwit undrain";
	const char *word = field_text(answer, "answer");

	if (strcmp(word, "done") == 0 || (is_drain && strcmp(word, "already") == 0))
		return print_done(&(struct options){.server = server, .is_drain = is_drain}, answer,
				  out);
	if (strcmp(word, "already") == 0) {
		fprintf(out, "server %" PRIu64 ": was not draining\n", server);
		return TOOL_OK;
	}
	if (strcmp(word, "last") == 0)
		fprintf(err,
			"%s: refused: no other live server would take the clients of server %" PRIu64
			"\n",
			name, server);
	else if (strcmp(word, "stream") == 0)
		fprintf(err,
			"%s: refused: no other live server that takes clients has stream %s of "
			"server %" PRIu64 "\n",
			name, field_text(answer, "stream"), server);
	else if (strcmp(word, "elsewhere") == 0)
		fprintf(err,
			"%s: server %" PRIu64 " is another process than the one asked, which "
			"is server %" PRIu64 ": run this beside it\n",
			name, server, field_count(answer, "self"));
	else if (strcmp(word, "unknown") == 0)
		fprintf(err,
			"%s: there is no server %" PRIu64 " in the cluster: `godwit servers' "
			"lists them\n",
			name, server);
	else if (strcmp(word, "alone") == 0)
		fprintf(err,
			"%s: server %" PRIu64 " is in no cluster: nobody else could take its "
			"clients\n",
			name, server);
	else
		fprintf(err, "%s: the server did not answer the order: %s\n", name, word);
	return strcmp(word, "unanswered") == 0 ? TOOL_SILENT : TOOL_FAILED;
}

// ---- asking --------------------------------------------------------------------------------------

// Until nothing is left, or the time is over.
static int wait_empty(struct telemetry *telemetry, const struct options *options)
{
	uint64_t began_ns = tool_wall_ns(), left = 0;

	for (;;) {
		// The first of the list is the server itself. Asking it to drain again would undo an undrain.
		json_t *servers = telemetry_ask(telemetry, "/godwit/servers");
		const json_t *self = json_object_get(servers, "0");
		bool is_drained = field_count(self, "draining") != 0;

		left = field_count(self, "drain_left");
		json_decref(servers);
		if (!is_drained) {
			tool_say("godwit drain", "server %" PRIu64 " does not drain any more",
				 options->server);
			return TOOL_FAILED;
		}
		if (left == 0)
			break;
		if (tool_wall_ns() - began_ns >= options->wait_ns) {
			tool_say("godwit drain", "%s cursors are still there after %s",
				 format_count(left).text, format_ns(options->wait_ns).text);
			return TOOL_SILENT;
		}
		nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
	}
	if (!options->is_json)
		printf("server %" PRIu64 ": no cursor is left after %s\n", options->server,
		       format_ns(tool_wall_ns() - began_ns).text);
	return TOOL_OK;
}

static int order(const char *name, const struct options *options)
{
	struct telemetry telemetry;
	char command[64];
	json_t *answer;
	int rc = place_open(name, &options->place, options->server, &telemetry);

	if (rc != TOOL_OK)
		return rc;
	snprintf(command, sizeof(command), "/godwit/%s,%" PRIu64,
		 options->is_drain ? "drain" : "undrain", options->server);
	answer = telemetry_ask(&telemetry, command);
	if (answer == NULL) {
		tool_say(name, "the server does not answer: %s", strerror(errno));
		telemetry_close(&telemetry);
		return TOOL_SILENT;
	}
	if (options->is_json) {
		json_dumpf(answer, stdout, JSON_INDENT(2));
		putchar('\n');
		fflush(stdout);
	}
	rc = drain_print(options->server, options->is_drain, answer,
			 options->is_json ? stderr : stdout, stderr);
	json_decref(answer);
	if (rc == TOOL_OK && options->wait_ns > 0)
		rc = wait_empty(&telemetry, options);
	telemetry_close(&telemetry);
	return rc;
}

// ---- the command line ----------------------------------------------------------------------------

static error_t drain_parse(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;
	const char *wrong;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->place;
		return 0;
	case OPTION_WAIT:
		tool_require(state, "--wait", arg, parse_duration(arg, &options->wait_ns));
		return 0;
	case OPTION_JSON:
		options->is_json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (options->server != 0)
			argp_error(state, "one server at a time: what is %s?", arg);
		wrong = parse_number(arg, 1, 65535, &options->server);
		if (wrong != NULL)
			argp_error(state,
				   "%s: %s; a server is named by its server.id, as `godwit "
				   "servers' shows it",
				   arg, wrong);
		return 0;
	case ARGP_KEY_END:
		if (options->server == 0)
			argp_error(state,
				   "which server? Give its id, as `godwit servers' shows it");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child children[] = {{&place_argp, 0, NULL, 0}, {0}};

int tool_drain(int argc, char **argv)
{
	static const struct argp_option drain_options[] = {
		{"wait", OPTION_WAIT, "TIME", 0,
		 "Wait so long until no cursor is left; exit code 3 "
		 "if some are",
		 0},
		{"json", OPTION_JSON, NULL, 0, "The answer as JSON", 0},
		{0},
	};
	static const struct argp argp = {
		.options = drain_options,
		.parser = drain_parse,
		.args_doc = "SERVER",
		.children = children,
		.doc = "Have a server of this machine hand all its clients over to the other servers, "
		       "and take none: before it is stopped. Refused where no other server is up. "
		       "Its streams stay: a primary goes on taking messages.\v" PLACE_DOC
		       "\nExamples:\n"
		       "  godwit drain 1 --wait 30s && systemctl stop godwitd\n"
		       "\n" TOOL_EXIT_CODES "\n\nThe manual page is godwit(1).",
	};
	struct options options = {.is_drain = true};

	tool_parse(&argp, argc, argv, &options);
	return order("godwit drain", &options);
}

int tool_undrain(int argc, char **argv)
{
	static const struct argp_option undrain_options[] = {
		{"json", OPTION_JSON, NULL, 0, "The answer as JSON", 0},
		{0},
	};
	static const struct argp argp = {
		.options = undrain_options,
		.parser = drain_parse,
		.args_doc = "SERVER",
		.children = children,
		.doc = "Have a server that was drained take clients again. Those that left it stay "
		       "where they are until something moves them.\v" PLACE_DOC "\nExamples:\n"
		       "  godwit undrain 1\n"
		       "\n" TOOL_EXIT_CODES "\n\nThe manual page is godwit(1).",
	};
	struct options options = {.is_drain = false};

	tool_parse(&argp, argc, argv, &options);
	return order("godwit undrain", &options);
}
