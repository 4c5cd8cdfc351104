// SPDX-License-Identifier: BSD-3-Clause
#include "client/tools/tool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/tools/format.h"
#include "client/tools/parse.h"
#include "client/tools/suggest.h"

#define TIMEOUT_DEFAULT_NS (10 * SECOND_NS)

enum {
	OPTION_SERVER = 0x1000,
	OPTION_CLIENT,
	OPTION_CREDENTIAL_FILE,
	OPTION_TIMEOUT,
	OPTION_SUMMARY,
};

static const struct argp_option common_options[] = {
	{NULL, 0, NULL, 0, "Servers and this client:", 50},
	{"server", OPTION_SERVER, "IP:PORT[,IP:PORT...]", 0,
	 "The servers, tried in this order; may be repeated (default: $GODWIT_SERVER)", 50},
	{"client", OPTION_CLIENT, "ID", 0,
	 "Client id, 1 to 2^64 - 1; a newer process with the same id ends an older one (default: "
	 "random)",
	 50},
	{"credential-file", OPTION_CREDENTIAL_FILE, "FILE", 0,
	 "What proves that the client may connect; the newline at its end does not count", 50},
	{"timeout", OPTION_TIMEOUT, "TIME", 0,
	 "How long to wait for the first answer of a server (default: 10s)", 50},
	{NULL, 0, NULL, 0, "Report:", 60},
	{"summary", OPTION_SUMMARY, "FILE", 0,
	 "Write a JSON object of the results to FILE at the end", 60},
	{"quiet", 'q', NULL, 0, "No progress, only errors and what is lost", 60},
	{0},
};

void tool_require(struct argp_state *state, const char *option, const char *value,
		  const char *wrong)
{
	if (wrong != NULL)
		argp_error(state, "%s %s: %s", option, value, wrong);
}

static void credential_read(struct argp_state *state, const char *path, struct tool_common *common)
{
	FILE *file = fopen(path, "re");
	int next;

	if (file == NULL) {
		argp_failure(state, TOOL_USAGE, errno, "--credential-file %s", path);
		return;
	}
	common->credential_bytes = fread(common->credential, 1, sizeof(common->credential), file);
	next = fgetc(file);
	if (next != EOF && (next != '\n' || fgetc(file) != EOF))
		argp_failure(state, TOOL_USAGE, 0, "--credential-file %s: more than %d bytes", path,
			     GODWIT_CREDENTIAL_MAX);
	fclose(file);
	if (next == EOF && common->credential_bytes > 0 &&
	    common->credential[common->credential_bytes - 1] == '\n')
		common->credential_bytes--;
}

static void servers_require(struct argp_state *state, struct tool_common *common)
{
	const char *servers = getenv("GODWIT_SERVER");

	if (common->server_count > 0)
		return;
	if (servers == NULL)
		argp_error(state, "no server: give --server IP:PORT or set GODWIT_SERVER");
	else
		tool_require(state, "GODWIT_SERVER", servers,
			     parse_addresses(servers, GODWIT_SERVERS_MAX, common->servers,
					     &common->server_count));
}

static void servers_add(struct argp_state *state, struct tool_common *common, const char *arg)
{
	uint32_t count = 0;

	tool_require(state, "--server", arg,
		     parse_addresses(arg, GODWIT_SERVERS_MAX - common->server_count,
				     common->servers + common->server_count, &count));
	common->server_count += count;
}

static error_t common_parse(int key, char *arg, struct argp_state *state)
{
	struct tool_common *common = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		common->timeout_ns = TIMEOUT_DEFAULT_NS;
		return 0;
	case OPTION_SERVER:
		servers_add(state, common, arg);
		return 0;
	case OPTION_CLIENT:
		tool_require(state, "--client", arg,
			     parse_number(arg, 1, UINT64_MAX, &common->client_id));
		return 0;
	case OPTION_CREDENTIAL_FILE:
		credential_read(state, arg, common);
		return 0;
	case OPTION_TIMEOUT:
		tool_require(state, "--timeout", arg, parse_duration(arg, &common->timeout_ns));
		return 0;
	case OPTION_SUMMARY:
		common->summary = arg;
		return 0;
	case 'q':
		common->is_quiet = true;
		return 0;
	case ARGP_KEY_END:
		servers_require(state, common);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp tool_common_argp = {.options = common_options, .parser = common_parse};

void tool_parse(const struct argp *argp, int argc, char **argv, void *input)
{
	const char *nearest = NULL;
	const char *unknown = suggest_unknown_option(argp, argc, argv, &nearest);

	if (unknown != NULL && nearest != NULL)
		tool_say(argv[0], "unknown option %s; did you mean --%s?", unknown, nearest);
	else if (unknown != NULL)
		tool_say(argv[0], "unknown option %s", unknown);
	if (unknown != NULL) {
		fprintf(stderr, "Try `%s --help'.\n", argv[0]);
		exit(TOOL_USAGE);
	}
	argp_parse(argp, argc, argv, 0, NULL, input);
}

void tool_say_silent(const char *name, const struct tool_common *common, const char *what,
		     uint64_t waited_ns)
{
	char list[GODWIT_SERVERS_MAX * sizeof(struct format)] = "";
	size_t length = 0;

	for (uint32_t i = 0; i < common->server_count; i++)
		length += (size_t)snprintf(list + length, sizeof(list) - length, "%s%s",
					   i > 0 ? ", " : "",
					   format_address(&common->servers[i]).text);
	tool_say(name, "%s within %s (%s)", what, format_ns(waited_ns).text, list);
}

struct godwit_client *tool_open(struct tool_common *common, const char *name)
{
	struct godwit_client_options options = {.zero = 0};
	struct godwit_client *client = NULL;
	int rc;

	if (common->client_id == 0)
		common->client_id = tool_random();
	options.core.client = common->client_id;
	options.core.servers = common->servers;
	options.core.server_count = common->server_count;
	options.core.credential = common->credential;
	options.core.credential_bytes = common->credential_bytes;
	rc = godwit_client_open(&options, &client);
	if (rc != 0) {
		tool_say(name, "cannot open a socket to the server: %s", strerror(-rc));
		return NULL;
	}
	return client;
}
