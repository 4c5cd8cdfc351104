// SPDX-License-Identifier: BSD-3-Clause
//
// Orders to a server: godwit drain and godwit undrain, which hand all its clients over to the others, and have it
// take some again; godwit rebalance, which evens its clients out over its cores.
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "client/tools/fields.h"
#include "client/tools/format.h"
#include "client/tools/orders.h"
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
	bool is_json;
	enum order order;
};

static const char *const names[] = {
	[ORDER_DRAIN] = "godwit drain",
	[ORDER_UNDRAIN] = "godwit undrain",
	[ORDER_REBALANCE] = "godwit rebalance",
};

// ---- answers -------------------------------------------------------------------------------------

// What was done, or need not be. False: it is neither.
static bool print_done(uint64_t server, enum order order, const char *word, const json_t *answer,
		       FILE *out)
{
	bool is_done = strcmp(word, "done") == 0, is_already = strcmp(word, "already") == 0;
	const struct format left = format_count(field_count(answer, "left"));

	if (order == ORDER_REBALANCE && strcmp(word, "even") == 0)
		fprintf(out, "server %" PRIu64 ": its cores are even\n", server);
	else if (!is_done && !is_already)
		return false;
	else if (order == ORDER_DRAIN)
		fprintf(out, "server %" PRIu64 ": draining, %s cursors are left\n", server,
			left.text);
	else if (order == ORDER_REBALANCE)
		fprintf(out, "server %" PRIu64 ": rebalancing, %s cursors are to move\n", server,
			left.text);
	else if (is_done)
		fprintf(out, "server %" PRIu64 ": takes clients again\n", server);
	else
		fprintf(out, "server %" PRIu64 ": was not draining\n", server);
	return true;
}

int order_print(uint64_t server, enum order order, const json_t *answer, FILE *out, FILE *err)
{
	const char *name = names[order], *word = field_text(answer, "answer");

	if (print_done(server, order, word, answer, out))
		return TOOL_OK;
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
	else if (strcmp(word, "one-core") == 0)
		fprintf(err,
			"%s: refused: server %" PRIu64 " has no two cores that take clients: they "
			"need a queue of a port each, and threads that turn\n",
			name, server);
	else if (strcmp(word, "draining") == 0)
		fprintf(err,
			"%s: refused: server %" PRIu64 " is drained, and all its clients are to "
			"leave it\n",
			name, server);
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
		fprintf(err, "%s: server %" PRIu64 " is in no cluster: %s\n", name, server,
			order == ORDER_REBALANCE ? "it keeps no table of cursors, and moves none" :
						   "nobody else could take its clients");
	else
		fprintf(err, "%s: the server did not answer the order: %s\n", name, word);
	return strcmp(word, "unanswered") == 0 ? TOOL_SILENT : TOOL_FAILED;
}

int rebalance_print_end(uint64_t server, const json_t *self, const char *took, FILE *out, FILE *err)
{
	const char *name = names[ORDER_REBALANCE], *word = field_text(self, "rebalance_end");
	const struct format moved = format_count(field_count(self, "rebalance_moved"));

	if (strcmp(word, "even") == 0) {
		fprintf(out, "server %" PRIu64 ": its cores are even, %s cursors moved in %s\n",
			server, moved.text, took);
		return TOOL_OK;
	}
	if (strcmp(word, "uneven") == 0)
		fprintf(err,
			"%s: server %" PRIu64
			": %s cursors moved, %s are still to move: they could "
			"not, or came meanwhile; `godwit migrations' has the outcomes\n",
			name, server, moved.text,
			format_count(field_count(self, "rebalance_left")).text);
	else
		fprintf(err, "%s: server %" PRIu64 ": given up after %s cursors: %s\n", name,
			server, moved.text,
			strcmp(word, "draining") == 0 ? "it is drained" :
							"no second core takes clients any more");
	return TOOL_FAILED;
}

// ---- asking --------------------------------------------------------------------------------------

enum wait_state {
	WAIT_ON,
	WAIT_OVER,
	WAIT_BROKEN, // it was told otherwise meanwhile
};

// How far the server is with the order, by what it says of itself; *left: cursors.
static enum wait_state wait_look(const struct options *options, const json_t *self, uint64_t *left)
{
	if (options->order == ORDER_REBALANCE) {
		*left = field_count(self, "rebalance_left");
		return field_count(self, "rebalancing") != 0 ? WAIT_ON : WAIT_OVER;
	}
	*left = field_count(self, "drain_left");
	if (field_count(self, "draining") == 0)
		return WAIT_BROKEN;
	return *left > 0 ? WAIT_ON : WAIT_OVER;
}

static int wait_end(const struct options *options, const json_t *self, uint64_t took_ns)
{
	const struct format took = format_ns(took_ns);

	if (options->order == ORDER_REBALANCE)
		return rebalance_print_end(options->server, self, took.text,
					   options->is_json ? stderr : stdout, stderr);
	if (!options->is_json)
		printf("server %" PRIu64 ": no cursor is left after %s\n", options->server,
		       took.text);
	return TOOL_OK;
}

// One look, so long after the order. -1: it is to go on.
static int wait_once(struct telemetry *telemetry, const struct options *options, uint64_t took_ns)
{
	// The first of the list is the server itself. Asking it to drain again would undo an undrain.
	json_t *servers = place_ask(names[options->order], telemetry, "/godwit/servers");
	const json_t *self = json_object_get(servers, "0");
	const char *name = names[options->order];
	uint64_t left = 0;
	int rc = -1;

	if (servers == NULL)
		return TOOL_SILENT;
	switch (wait_look(options, self, &left)) {
	case WAIT_BROKEN:
		tool_say(name, "server %" PRIu64 " does not drain any more", options->server);
		rc = TOOL_FAILED;
		break;
	case WAIT_OVER:
		rc = wait_end(options, self, took_ns);
		break;
	case WAIT_ON:
		if (took_ns < options->wait_ns)
			break;
		tool_say(name,
			 options->order == ORDER_REBALANCE ?
				 "%s cursors are still to move after %s" :
				 "%s cursors are still there after %s",
			 format_count(left).text, format_ns(options->wait_ns).text);
		rc = TOOL_SILENT;
		break;
	}
	json_decref(servers);
	return rc;
}

// Until it is carried out, or the time is over.
static int wait_done(struct telemetry *telemetry, const struct options *options)
{
	uint64_t began_ns = tool_wall_ns();
	int rc;

	while ((rc = wait_once(telemetry, options, tool_wall_ns() - began_ns)) < 0)
		nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
	return rc;
}

static int order_give(const struct options *options)
{
	static const char *const paths[] = {
		[ORDER_DRAIN] = "drain",
		[ORDER_UNDRAIN] = "undrain",
		[ORDER_REBALANCE] = "rebalance",
	};
	const char *name = names[options->order];
	struct telemetry telemetry;
	char command[64];
	json_t *answer;
	int rc = place_open(name, &options->place, options->server, &telemetry);

	if (rc != TOOL_OK)
		return rc;
	snprintf(command, sizeof(command), "/godwit/%s,%" PRIu64, paths[options->order],
		 options->server);
	answer = place_ask(name, &telemetry, command);
	if (answer == NULL) {
		telemetry_close(&telemetry);
		return TOOL_SILENT;
	}
	if (options->is_json)
		place_show(answer);
	rc = order_print(options->server, options->order, answer,
			 options->is_json ? stderr : stdout, stderr);
	// There is nothing to wait for where the cores are even.
	if (rc == TOOL_OK && options->wait_ns > 0 &&
	    strcmp(field_text(answer, "answer"), "even") != 0)
		rc = wait_done(&telemetry, options);
	json_decref(answer);
	telemetry_close(&telemetry);
	return rc;
}

// ---- the command line ----------------------------------------------------------------------------

static error_t order_parse(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

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
		place_server(state, arg, &options->server);
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
		.parser = order_parse,
		.args_doc = "SERVER",
		.children = children,
		.doc = "Have a server of this machine hand all its clients over to the other servers, "
		       "and take none: before it is stopped. Refused where no other server is up. "
		       "Its streams stay: a primary goes on taking messages.\v" PLACE_DOC
		       "\nExamples:\n"
		       "  godwit drain 1 --wait 30s && systemctl stop godwitd\n"
		       "\n" TOOL_EXIT_CODES "\n\nThe manual page is godwit(1).",
	};
	struct options options = {.order = ORDER_DRAIN};

	tool_parse(&argp, argc, argv, &options);
	return order_give(&options);
}

int tool_undrain(int argc, char **argv)
{
	static const struct argp_option undrain_options[] = {
		{"json", OPTION_JSON, NULL, 0, "The answer as JSON", 0},
		{0},
	};
	static const struct argp argp = {
		.options = undrain_options,
		.parser = order_parse,
		.args_doc = "SERVER",
		.children = children,
		.doc = "Have a server that was drained take clients again. Those that left it stay "
		       "where they are until something moves them.\v" PLACE_DOC "\nExamples:\n"
		       "  godwit undrain 1\n"
		       "\n" TOOL_EXIT_CODES "\n\nThe manual page is godwit(1).",
	};
	struct options options = {.order = ORDER_UNDRAIN};

	tool_parse(&argp, argc, argv, &options);
	return order_give(&options);
}

int tool_rebalance(int argc, char **argv)
{
	static const struct argp_option rebalance_options[] = {
		{"wait", OPTION_WAIT, "TIME", 0,
		 "Wait so long until it is done; exit code 3 if it is not, 1 if some cursors could "
		 "not be moved",
		 0},
		{"json", OPTION_JSON, NULL, 0, "The answer as JSON", 0},
		{0},
	};
	static const struct argp argp = {
		.options = rebalance_options,
		.parser = order_parse,
		.args_doc = "SERVER",
		.children = children,
		.doc = "Have a server of this machine even its clients out over its cores: cursors "
		       "of the cores that have most go to those that have fewest, until two cores "
		       "differ by one at most. None misses a message. Done once; refused where "
		       "there is no second core that takes clients, or the server is drained.\v" PLACE_DOC
		       "\nExamples:\n"
		       "  godwit rebalance 1 --wait 10s\n"
		       "\n" TOOL_EXIT_CODES "\n\nThe manual page is godwit(1).",
	};
	struct options options = {.order = ORDER_REBALANCE};

	tool_parse(&argp, argc, argv, &options);
	return order_give(&options);
}
