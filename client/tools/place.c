// SPDX-License-Identifier: BSD-3-Clause
#include "client/tools/place.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "client/tools/fields.h"
#include "client/tools/parse.h"

enum {
	OPTION_PREFIX = 0x2000,
	OPTION_SOCKET,
};

static const struct argp_option place_options[] = {
	{"prefix", OPTION_PREFIX, "PREFIX", 0, "The server whose eal.prefix this is", 40},
	{"socket", OPTION_SOCKET, "PATH", 0, "The server whose telemetry socket this is", 40},
	{0},
};

static error_t place_parse(int key, char *arg, struct argp_state *state)
{
	struct place_options *options = state->input;

	switch (key) {
	case OPTION_PREFIX:
		if (*arg == '\0' || strpbrk(arg, "/*?[") != NULL)
			argp_error(state, "--prefix %s: not a prefix", arg);
		options->prefix = arg;
		return 0;
	case OPTION_SOCKET:
		options->socket = arg;
		return 0;
	case ARGP_KEY_END:
		if (options->prefix != NULL && options->socket != NULL)
			argp_error(state, "give one of --prefix and --socket");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp place_argp = {.options = place_options, .parser = place_parse};

int place_error(const char *name, const char *path, int rc)
{
	if (rc == -ENOENT || rc == -ECONNREFUSED)
		tool_say(name, "no server runs behind %s", path);
	else if (rc == -EACCES || rc == -EPERM)
		tool_say(name, "%s: %s; run as the user of the server", path, strerror(-rc));
	else if (rc == -EOPNOTSUPP)
		tool_say(name, "%s belongs to a DPDK program that is not godwitd", path);
	else
		tool_say(name, "%s: %s", path, strerror(-rc));
	return rc == -EACCES || rc == -EPERM ? TOOL_FAILED : TOOL_SILENT;
}

int place_none(const char *name, const char *prefix)
{
	char directory[PATH_MAX];

	telemetry_directory(directory, sizeof(directory));
	tool_say(name, "no godwitd runs here%s%s (looked in %s%s)",
		 prefix != NULL ? " with the prefix " : "", prefix != NULL ? prefix : "", directory,
		 geteuid() != 0 ? "; one of another user shows itself to that user" : "");
	return TOOL_SILENT;
}

size_t place_find(const char *prefix, struct telemetry_place *places, json_t **statuses,
		  size_t most)
{
	size_t count = telemetry_find(prefix, places, most), kept = 0;
	struct telemetry telemetry;

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

static int several_error(const char *name, const struct telemetry_place *places, size_t count,
			 uint64_t id)
{
	char list[256] = "";
	size_t length = 0;

	for (size_t i = 0; i < count && length < sizeof(list); i++)
		length += (size_t)snprintf(list + length, sizeof(list) - length, "%s%s",
					   i > 0 ? ", " : "", places[i].prefix);
	if (id != 0)
		tool_say(name,
			 "server %" PRIu64 " does not run here (the prefixes of those that do: %s)",
			 id, list);
	else
		tool_say(name, "several servers run here: give --prefix (%s)", list);
	return id != 0 ? TOOL_SILENT : TOOL_USAGE;
}

int place_open(const char *name, const struct place_options *options, uint64_t id,
	       struct telemetry *telemetry)
{
	struct telemetry_place places[TELEMETRY_DAEMONS_MAX];
	json_t *statuses[TELEMETRY_DAEMONS_MAX];
	size_t count, chosen = 0;
	int rc;

	if (options->socket != NULL) {
		rc = telemetry_open(telemetry, options->socket);
		return rc == 0 ? TOOL_OK : place_error(name, options->socket, rc);
	}
	count = place_find(options->prefix, places, statuses, TELEMETRY_DAEMONS_MAX);
	while (id != 0 && count > 1 && chosen < count && field_count(statuses[chosen], "id") != id)
		chosen++;
	for (size_t i = 0; i < count; i++)
		json_decref(statuses[i]);
	if (count == 0)
		return place_none(name, options->prefix);
	if (chosen == count || (id == 0 && count > 1))
		return several_error(name, places, count, id);
	rc = telemetry_open(telemetry, places[chosen].path);
	return rc == 0 ? TOOL_OK : place_error(name, places[chosen].path, rc);
}

json_t *place_ask(const char *name, struct telemetry *telemetry, const char *command)
{
	json_t *answer = telemetry_ask(telemetry, command);

	if (answer == NULL)
		tool_say(name, "the server does not answer: %s", strerror(errno));
	return answer;
}

void place_show(const json_t *answer)
{
	json_dumpf(answer, stdout, JSON_INDENT(2));
	putchar('\n');
	fflush(stdout); // before what is said on standard error
}

void place_server(const struct argp_state *state, const char *arg, uint64_t *id)
{
	const char *wrong = parse_number(arg, 1, 65535, id);

	if (wrong != NULL)
		argp_error(
			state,
			"%s: %s; a server is named by its server.id, as `godwit servers' shows it",
			arg, wrong);
}
