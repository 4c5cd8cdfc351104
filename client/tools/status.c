// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/tools/place.h"
#include "client/tools/status.h"

#define NAME "godwit status"

struct status_options {
	struct place_options place;
	bool is_json;
};

enum {
	OPTION_JSON = 0x100,
};

static const struct argp_option status_options[] = {
	{"json", OPTION_JSON, NULL, 0,
	 "Everything as one JSON object: status, streams, cores, counters, drops, ports", 0},
	{0},
};

static const char status_doc[] =
	"Show a running server of this machine: what it is, its ports, streams, cores, and what was "
	"dropped. Without an option the only one that runs; if there are several, a list of them."
	"\v" PLACE_DOC "\nExamples:\n"
	"  godwit status\n"
	"  godwit status --prefix godwit --json\n"
	"\n" TOOL_EXIT_CODES "\n"
	"\nThe manual page is godwit(1).";

static error_t status_parse(int key, char *arg, struct argp_state *state)
{
	struct status_options *options = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->place;
		return 0;
	case OPTION_JSON:
		options->is_json = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "what is %s? This command takes options only", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

// ---- asking -------------------------------------------------------------------------------------

static int show(const struct status_options *options, const char *path)
{
	json_t *status, *streams, *cores, *counts, *all = NULL;
	struct telemetry telemetry;
	int rc = telemetry_open(&telemetry, path);

	if (rc != 0)
		return place_error(NAME, path, rc);
	status = telemetry_ask(&telemetry, "/godwit/status");
	if (status == NULL && errno == ENOENT)
		errno = EOPNOTSUPP;
	streams = status != NULL ? telemetry_ask_pages(&telemetry, "/godwit/streams") : NULL;
	cores = streams != NULL ? telemetry_ask_pages(&telemetry, "/godwit/cores") : NULL;
	counts = cores != NULL ? telemetry_ask(&telemetry, "/godwit/counters") : NULL;
	rc = counts != NULL ? 0 : -errno;
	if (rc == 0)
		all = json_pack("{s:s, s:O, s:O, s:O, s:O*, s:O*, s:O*}", "socket", path, "status",
				status, "streams", streams, "cores", cores, "counters",
				json_object_get(counts, "counters"), "drops",
				json_object_get(counts, "drops"), "ports",
				json_object_get(counts, "ports"));
	if (all != NULL && options->is_json)
		place_show(all);
	else if (all != NULL)
		status_print(all);
	json_decref(all);
	json_decref(counts);
	json_decref(cores);
	json_decref(streams);
	json_decref(status);
	telemetry_close(&telemetry);
	return rc != 0 ? place_error(NAME, path, rc) : all != NULL ? TOOL_OK : TOOL_FAILED;
}

static void list_daemons(const struct status_options *options, const struct telemetry_place *places,
			 json_t *const *statuses, size_t count)
{
	json_t *servers = json_array(), *all;

	for (size_t i = 0; i < count; i++)
		json_array_append_new(servers,
				      json_pack("{s:s, s:s, s:O}", "prefix", places[i].prefix,
						"socket", places[i].path, "status", statuses[i]));
	if (options->is_json) {
		all = json_pack("{s:O}", "servers", servers);
		place_show(all);
		json_decref(all);
	} else {
		status_print_list(servers);
	}
	json_decref(servers);
}

int tool_status(int argc, char **argv)
{
	static const struct argp_child children[] = {{&place_argp, 0, NULL, 0}, {0}};
	static const struct argp argp = {
		.options = status_options,
		.parser = status_parse,
		.doc = status_doc,
		.children = children,
	};
	struct status_options options = {.is_json = false};
	struct telemetry_place places[TELEMETRY_DAEMONS_MAX];
	json_t *statuses[TELEMETRY_DAEMONS_MAX];
	size_t count;
	int code;

	tool_parse(&argp, argc, argv, &options);
	if (options.place.socket != NULL)
		return show(&options, options.place.socket);
	count = place_find(options.place.prefix, places, statuses, TELEMETRY_DAEMONS_MAX);
	if (count == 0)
		return place_none(NAME, options.place.prefix);
	if (count == 1) {
		code = show(&options, places[0].path);
	} else {
		list_daemons(&options, places, statuses, count);
		code = TOOL_OK;
	}
	while (count > 0)
		json_decref(statuses[--count]);
	return code;
}
