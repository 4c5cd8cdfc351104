// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/tools/status.h"
#include "client/tools/telemetry.h"
#include "client/tools/tool.h"

#define NAME "godwit status"

struct status_options {
	const char *prefix;
	const char *socket;
	bool is_json;
};

enum {
	OPTION_PREFIX = 0x100,
	OPTION_SOCKET,
	OPTION_JSON,
};

static const struct argp_option status_options[] = {
	{"prefix", OPTION_PREFIX, "PREFIX", 0, "The server whose eal.prefix this is", 0},
	{"socket", OPTION_SOCKET, "PATH", 0, "The server whose telemetry socket this is", 0},
	{"json", OPTION_JSON, NULL, 0,
	 "Everything as one JSON object: status, streams, cores, counters, drops, ports", 0},
	{0},
};

static const char status_doc[] =
	"Show a running server of this machine: what it is, its ports, streams, cores, and what was "
	"dropped. Without an option the only one that runs; if there are several, a list of them."
	"\v"
	"Sockets are looked for in $RUNTIME_DIRECTORY/dpdk, else in /var/run/dpdk (root), "
	"$XDG_RUNTIME_DIR/dpdk or /tmp/dpdk.\n"
	"\nExamples:\n"
	"  godwit status\n"
	"  godwit status --prefix godwit --json\n"
	"\n" TOOL_EXIT_CODES "\n"
	"\nThe manual page is godwit(1).";

static error_t status_parse(int key, char *arg, struct argp_state *state)
{
	struct status_options *options = state->input;

	switch (key) {
	case OPTION_PREFIX:
		if (*arg == '\0' || strpbrk(arg, "/*?[") != NULL)
			argp_error(state, "--prefix %s: not a prefix", arg);
		options->prefix = arg;
		return 0;
	case OPTION_SOCKET:
		options->socket = arg;
		return 0;
	case OPTION_JSON:
		options->is_json = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "what is %s? This command takes options only", arg);
		return 0;
	case ARGP_KEY_END:
		if (options->prefix != NULL && options->socket != NULL)
			argp_error(state, "give one of --prefix and --socket");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

// ---- asking -------------------------------------------------------------------------------------

static int show_error(const char *path, int rc)
{
	if (rc == -ENOENT || rc == -ECONNREFUSED)
		tool_say(NAME, "no server runs behind %s", path);
	else if (rc == -EACCES || rc == -EPERM)
		tool_say(NAME, "%s: %s; run as the user of the server", path, strerror(-rc));
	else if (rc == -EOPNOTSUPP)
		tool_say(NAME, "%s belongs to a DPDK program that is not godwitd", path);
	else
		tool_say(NAME, "%s: %s", path, strerror(-rc));
	return rc == -EACCES || rc == -EPERM ? TOOL_FAILED : TOOL_SILENT;
}

static int show(const struct status_options *options, const char *path)
{
	json_t *status, *streams, *cores, *counts, *all = NULL;
	struct telemetry telemetry;
	int rc = telemetry_open(&telemetry, path);

	if (rc != 0)
		return show_error(path, rc);
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
	if (all != NULL && options->is_json) {
		json_dumpf(all, stdout, JSON_INDENT(2));
		putchar('\n');
	} else if (all != NULL) {
		status_print(all);
	}
	json_decref(all);
	json_decref(counts);
	json_decref(cores);
	json_decref(streams);
	json_decref(status);
	telemetry_close(&telemetry);
	return rc != 0 ? show_error(path, rc) : all != NULL ? TOOL_OK : TOOL_FAILED;
}

// The places behind which a godwitd answers, moved to the front.
static size_t keep_daemons(struct telemetry_place *places, size_t count, json_t **statuses)
{
	struct telemetry telemetry;
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		if (telemetry_open(&telemetry, places[i].path) != 0)
			continue;
		statuses[kept] = telemetry_ask(&telemetry, "/godwit/status");
		telemetry_close(&telemetry);
		if (statuses[kept] != NULL)
			places[kept++] = places[i];
	}
	return kept;
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
		json_dumpf(all, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(all);
	} else {
		status_print_list(servers);
	}
	json_decref(servers);
}

int tool_status(int argc, char **argv)
{
	static const struct argp argp = {
		.options = status_options,
		.parser = status_parse,
		.doc = status_doc,
	};
	struct status_options options = {.is_json = false};
	struct telemetry_place places[TELEMETRY_DAEMONS_MAX];
	json_t *statuses[TELEMETRY_DAEMONS_MAX];
	char directory[PATH_MAX];
	size_t count;
	int code;

	tool_parse(&argp, argc, argv, &options);
	if (options.socket != NULL)
		return show(&options, options.socket);
	count = telemetry_find(options.prefix, places, TELEMETRY_DAEMONS_MAX);
	count = keep_daemons(places, count, statuses);
	if (count == 0) {
		telemetry_directory(directory, sizeof(directory));
		tool_say(NAME, "no godwitd runs here%s%s (looked in %s%s)",
			 options.prefix != NULL ? " with the prefix " : "",
			 options.prefix != NULL ? options.prefix : "", directory,
			 geteuid() != 0 ? "; one of another user shows itself to that user" : "");
		return TOOL_SILENT;
	}
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
