// SPDX-License-Identifier: BSD-3-Clause
//
// What a server tells of its cluster, as tables: servers, streams, cursors, clients and migrations; and
// what is ordered of it: drain, undrain, resolve. Each asks one godwitd of this machine.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/tools/format.h"
#include "client/tools/parse.h"
#include "client/tools/table.h"
#include "client/tools/telemetry.h"
#include "client/tools/tool.h"

enum column_form {
	FORM_TEXT,
	FORM_COUNT,
	FORM_BYTES,
	FORM_MS,
	FORM_US,
};

struct column {
	const char *heading; // as table.h has it
	const char *key;
	enum column_form form;
};

struct cluster_command {
	const char *name;     // "godwit servers"
	const char *path;     // of telemetry
	const char *argument; // that it takes, NULL: none
	const char *nothing;  // said where there is no row
	const char *doc;
	struct column columns[TABLE_COLUMNS_MAX];
};

struct cluster_options {
	const struct cluster_command *command;
	const char *prefix, *socket, *argument;
	bool is_json;
};

enum {
	OPTION_PREFIX = 0x100,
	OPTION_SOCKET,
	OPTION_JSON,
};

static const struct argp_option cluster_argp_options[] = {
	{"prefix", OPTION_PREFIX, "PREFIX", 0, "Ask the server whose eal.prefix this is", 0},
	{"socket", OPTION_SOCKET, "PATH", 0, "Ask the server whose telemetry socket this is", 0},
	{"json", OPTION_JSON, NULL, 0, "One JSON object instead of a table", 0},
	{0},
};

static error_t cluster_parse(int key, char *arg, struct argp_state *state)
{
	struct cluster_options *options = state->input;

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
		if (options->command->argument == NULL || options->argument != NULL)
			argp_error(state, "what is %s? This command takes %s", arg,
				   options->command->argument != NULL ? "one argument" :
									"options only");
		options->argument = arg;
		return 0;
	case ARGP_KEY_END:
		if (options->prefix != NULL && options->socket != NULL)
			argp_error(state, "give one of --prefix and --socket");
		if (options->command->argument != NULL && options->argument == NULL)
			argp_error(state, "%s is missing", options->command->argument);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

// ---- which server ------------------------------------------------------------------------------

static int cannot(const struct cluster_command *command, const char *path, int rc)
{
	if (rc == -ENOENT || rc == -ECONNREFUSED)
		tool_say(command->name, "no server runs behind %s", path);
	else if (rc == -EACCES || rc == -EPERM)
		tool_say(command->name, "%s: %s; run as the user of the server", path,
			 strerror(-rc));
	else
		tool_say(command->name, "%s: %s", path, strerror(-rc));
	return rc == -EACCES || rc == -EPERM ? TOOL_FAILED : TOOL_SILENT;
}

// The only godwitd that answers, of this prefix. 0 with *path, or an exit code after a line.
static int find_server(const struct cluster_options *options, char *path, size_t bytes)
{
	struct telemetry_place places[TELEMETRY_DAEMONS_MAX];
	size_t count = telemetry_find(options->prefix, places, TELEMETRY_DAEMONS_MAX), kept = 0;

	for (size_t i = 0; i < count; i++) {
		struct telemetry telemetry;
		json_t *status;

		if (telemetry_open(&telemetry, places[i].path) != 0)
			continue;
		status = telemetry_ask(&telemetry, "/godwit/status");
		telemetry_close(&telemetry);
		if (status == NULL)
			continue;
		json_decref(status);
		places[kept++] = places[i];
	}
	if (kept == 1) {
		snprintf(path, bytes, "%s", places[0].path);
		return TOOL_OK;
	}
	if (kept == 0) {
		tool_say(options->command->name, "no godwitd runs here%s%s",
			 options->prefix != NULL ? " with the prefix " : "",
			 options->prefix != NULL ? options->prefix : "");
		return TOOL_SILENT;
	}
	tool_say(options->command->name,
		 "%zu servers run here: say which with --prefix (godwit status lists them)", kept);
	return TOOL_USAGE;
}

// ---- tables ------------------------------------------------------------------------------------

static void cell_add(struct table *table, const json_t *row, const struct column *column)
{
	const json_t *value = json_object_get(row, column->key);
	uint64_t count = (uint64_t)json_integer_value(value);

	if (value == NULL) {
		table_add(table, "-");
		return;
	}
	if (json_is_string(value)) {
		table_add(table, json_string_value(value));
		return;
	}
	switch (column->form) {
	case FORM_TEXT: {
		char text[24];

		snprintf(text, sizeof(text), "%" PRIu64, count);
		table_add(table, text);
		break;
	}
	case FORM_COUNT:
		table_add(table, format_count(count).text);
		break;
	case FORM_BYTES:
		table_add(table, format_bytes(count).text);
		break;
	case FORM_MS:
		table_add(table, format_ns(count * 1000000).text);
		break;
	case FORM_US:
		table_add(table, format_ns(count * 1000).text);
		break;
	}
}

static void print_table(const struct cluster_command *command, const json_t *rows)
{
	const char *headings[TABLE_COLUMNS_MAX + 1] = {NULL};
	struct table table;
	const char *number;
	json_t *row;

	for (uint32_t i = 0; i < TABLE_COLUMNS_MAX && command->columns[i].heading != NULL; i++)
		headings[i] = command->columns[i].heading;
	table_init(&table, headings);
	json_object_foreach((json_t *)rows, number, row)
		for (uint32_t i = 0; i < TABLE_COLUMNS_MAX && headings[i] != NULL; i++)
			cell_add(&table, row, &command->columns[i]);
	if (table_rows(&table) > 0)
		table_print(&table, stdout);
	else
		puts(command->nothing);
	table_fini(&table);
}

static void print_pairs(const json_t *answer)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)answer, key, value) {
		if (json_is_string(value))
			printf("%-10s %s\n", key, json_string_value(value));
		else
			printf("%-10s %s\n", key,
			       format_count((uint64_t)json_integer_value(value)).text);
	}
}

// Cursors by client: how many, where, and when it was heard last.
static json_t *clients_of(const json_t *cursors)
{
	json_t *clients = json_object();
	const char *number;
	json_t *cursor;

	json_object_foreach((json_t *)cursors, number, cursor) {
		json_int_t id = json_integer_value(json_object_get(cursor, "client"));
		json_t *client;
		char key[24];

		snprintf(key, sizeof(key), "%" PRIu64, (uint64_t)id);
		client = json_object_get(clients, key);
		if (client == NULL) {
			client = json_pack("{s:I, s:I, s:O, s:O, s:O, s:O*}", "client", id,
					   "cursors", (json_int_t)0, "home",
					   json_object_get(cursor, "home"), "address",
					   json_object_get(cursor, "address"), "state",
					   json_object_get(cursor, "state"), "heard_ms",
					   json_object_get(cursor, "heard_ms"));
			json_object_set_new(clients, key, client);
		}
		json_object_set_new(
			client, "cursors",
			json_integer(json_integer_value(json_object_get(client, "cursors")) + 1));
	}
	return clients;
}

// ---- the commands ------------------------------------------------------------------------------

static const struct cluster_command servers_command = {
	.name = "godwit servers",
	.path = "/godwit/servers",
	.nothing = "this server has no cluster",
	.doc = "Show the servers of a cluster as one of them sees them: whether it hears them and since "
	       "why not, whether they hear it, and how many cursors each is home of.",
	.columns = {{"SERVER", "id", FORM_TEXT},
		    {"ADDRESS", "address", FORM_TEXT},
		    {"STATE", "state", FORM_TEXT},
		    {"WHY", "why", FORM_TEXT},
		    {"REFUSED", "refused", FORM_TEXT},
		    {">HEARD AGO", "heard_ms", FORM_MS},
		    {">HEARS US AGO", "hears_us_ms", FORM_MS},
		    {">MULTIPLIER", "multiplier", FORM_COUNT},
		    {">FLAPS", "flaps", FORM_COUNT},
		    {">CURSORS", "cursors", FORM_COUNT},
		    {"INCARNATION", "incarnation", FORM_TEXT}},
};

static const struct cluster_command streams_command = {
	.name = "godwit streams",
	.path = "/godwit/streams",
	.nothing = "this server has no streams",
	.doc = "Show the streams of a server: its role in each, who is in sync, and how far the log goes.",
	.columns = {{"STREAM", "name", FORM_TEXT},
		    {"ROLE", "role", FORM_TEXT},
		    {"SESSION", "session", FORM_TEXT},
		    {">EPOCH", "epoch", FORM_COUNT},
		    {">EARLIEST", "earliest", FORM_COUNT},
		    {">COMMIT", "commit", FORM_COUNT},
		    {">HEAD", "head", FORM_COUNT},
		    {">FEED AGE", "feed_age_ms", FORM_MS},
		    {"KEEPER", "keeper", FORM_TEXT},
		    {"IN SYNC", "in_sync", FORM_TEXT},
		    {">LOG", "log_bytes", FORM_BYTES},
		    {">CORE", "home", FORM_COUNT}},
};

static const struct cluster_command cursors_command = {
	.name = "godwit cursors",
	.path = "/godwit/cursors",
	.nothing = "no cursors are known",
	.doc = "Show the cursors that a server of a cluster knows of, its own and those of the others: which "
	       "server is home of which subscription, and how far it is acknowledged.",
	.columns = {{">CLIENT", "client", FORM_TEXT},
		    {">SUBSCRIPTION", "subscription", FORM_TEXT},
		    {"STREAM", "stream", FORM_TEXT},
		    {">ACKED", "seq", FORM_COUNT},
		    {">HOME", "home", FORM_TEXT},
		    {">CORE", "core", FORM_TEXT},
		    {">CURSOR EPOCH", "counter", FORM_COUNT},
		    {">MADE BY", "maker", FORM_TEXT},
		    {"STATE", "state", FORM_TEXT},
		    {"FILTER", "filter", FORM_TEXT},
		    {"ADDRESS", "address", FORM_TEXT},
		    {">HEARD AGO", "heard_ms", FORM_MS}},
};

static const struct cluster_command clients_command = {
	.name = "godwit clients",
	.path = "/godwit/cursors",
	.nothing = "no clients are known",
	.doc = "Show the clients that a server of a cluster knows of by their cursors, of all homes.",
	.columns = {{">CLIENT", "client", FORM_TEXT},
		    {">CURSORS", "cursors", FORM_COUNT},
		    {">HOME", "home", FORM_TEXT},
		    {"STATE", "state", FORM_TEXT},
		    {"ADDRESS", "address", FORM_TEXT},
		    {">HEARD AGO", "heard_ms", FORM_MS}},
};

static const struct cluster_command migrations_command = {
	.name = "godwit migrations",
	.path = "/godwit/migrations",
	.nothing = "nothing has moved",
	.doc = "Show the last moves of cursors that a server took part in, the newest first: why, from where, "
	       "to where, how it ended, how long it took from the decision to the taker's service, and what "
	       "was to be replayed.",
	.columns = {{"REASON", "reason", FORM_TEXT},
		    {"OUTCOME", "outcome", FORM_TEXT},
		    {">CLIENT", "client", FORM_TEXT},
		    {">SUBSCRIPTION", "subscription", FORM_TEXT},
		    {"STREAM", "stream", FORM_TEXT},
		    {">FROM", "from", FORM_TEXT},
		    {">TO", "to", FORM_TEXT},
		    {">DECIDED AGO", "detected_ms_ago", FORM_MS},
		    {">TOOK", "took_us", FORM_US},
		    {">REPLAYED", "replayed", FORM_COUNT},
		    {">LIVE FROM", "handover_seq", FORM_COUNT}},
};

static const struct cluster_command drain_command = {
	.name = "godwit drain",
	.path = "/godwit/drain",
	.argument = "SERVER",
	.doc = "Have a server hand all its cursors over to the others, and take none until `godwit undrain'. "
	       "Ask that server itself (--prefix); SERVER is its id. Repeated, it shows how far it is: the "
	       "cursors left, moved, and the attempts that no client accepted within the lapse time. The "
	       "primary of a stream stays primary; the last server of a cluster is not drained.",
};

static const struct cluster_command undrain_command = {
	.name = "godwit undrain",
	.path = "/godwit/undrain",
	.argument = "SERVER",
	.doc = "Have a drained server take cursors again. What was handed over does not come back by itself.",
};

static const struct cluster_command resolve_command = {
	.name = "godwit resolve",
	.path = "/godwit/resolve",
	.argument = "IDENTIFIER",
	.doc = "Show where an identifier SESSION:SEQ:EPOCH leads at a server: OK and where delivery would go "
	       "on, or why not.",
};

// Of drain and undrain: whether it was obeyed.
static int order_end(const struct cluster_command *command, const json_t *answer)
{
	const char *code = json_string_value(json_object_get(answer, "code"));

	if (code == NULL || strcmp(code, "OK") == 0)
		return TOOL_OK;
	if (strcmp(code, "BAD_REQUEST") == 0)
		tool_say(command->name, "the server that was asked is another one: see --prefix");
	else
		tool_say(command->name, "refused: no other server of a cluster is up");
	return TOOL_FAILED;
}

static int show(const struct cluster_options *options, struct telemetry *telemetry)
{
	const struct cluster_command *command = options->command;
	json_t *answer;
	char question[160];
	int code = TOOL_OK;

	if (options->argument != NULL) {
		snprintf(question, sizeof(question), "%s,%s", command->path, options->argument);
		answer = telemetry_ask(telemetry, question);
	} else {
		answer = telemetry_ask_pages(telemetry, command->path);
	}
	if (answer == NULL)
		return -1;
	if (command == &clients_command) {
		json_t *clients = clients_of(answer);

		json_decref(answer);
		answer = clients;
	}
	if (options->is_json) {
		json_dumpf(answer, stdout, JSON_INDENT(2));
		putchar('\n');
	} else if (options->argument != NULL) {
		print_pairs(answer);
	} else {
		print_table(command, answer);
	}
	if (command == &drain_command || command == &undrain_command)
		code = order_end(command, answer);
	json_decref(answer);
	return code;
}

static int run(const struct cluster_command *command, int argc, char **argv)
{
	const struct argp argp = {
		.options = cluster_argp_options,
		.parser = cluster_parse,
		.args_doc = command->argument,
		.doc = command->doc,
	};
	struct cluster_options options = {.command = command};
	struct godwit_identifier identifier;
	struct telemetry telemetry;
	char path[PATH_MAX];
	int rc;

	tool_parse(&argp, argc, argv, &options);
	if (command == &resolve_command) {
		const char *wrong = parse_identifier(options.argument, &identifier);

		if (wrong != NULL) {
			tool_say(command->name, "%s: %s", options.argument, wrong);
			return TOOL_USAGE;
		}
	}
	if (options.socket != NULL) {
		snprintf(path, sizeof(path), "%s", options.socket);
	} else {
		rc = find_server(&options, path, sizeof(path));
		if (rc != TOOL_OK)
			return rc;
	}
	rc = telemetry_open(&telemetry, path);
	if (rc != 0)
		return cannot(command, path, rc);
	rc = show(&options, &telemetry);
	if (rc < 0)
		rc = cannot(command, path, errno == ENOENT ? -EOPNOTSUPP : -errno);
	telemetry_close(&telemetry);
	return rc;
}

int tool_servers(int argc, char **argv)
{
	return run(&servers_command, argc, argv);
}

int tool_streams(int argc, char **argv)
{
	return run(&streams_command, argc, argv);
}

int tool_cursors(int argc, char **argv)
{
	return run(&cursors_command, argc, argv);
}

int tool_clients(int argc, char **argv)
{
	return run(&clients_command, argc, argv);
}

int tool_migrations(int argc, char **argv)
{
	return run(&migrations_command, argc, argv);
}

int tool_drain(int argc, char **argv)
{
	return run(&drain_command, argc, argv);
}

int tool_undrain(int argc, char **argv)
{
	return run(&undrain_command, argc, argv);
}

int tool_resolve(int argc, char **argv)
{
	return run(&resolve_command, argc, argv);
}
