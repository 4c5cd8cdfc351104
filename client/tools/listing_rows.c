// SPDX-License-Identifier: BSD-3-Clause
//
// The columns of each list.
#include <inttypes.h>
#include <time.h>

#include "client/tools/fields.h"
#include "client/tools/format.h"
#include "client/tools/listing.h"
#include "client/tools/tool.h"

static void add_count(struct table *table, const json_t *row, const char *key)
{
	table_add(table, field_is_there(row, key) ? format_count(field_count(row, key)).text : "-");
}

static void add_age(struct table *table, const json_t *row, const char *key)
{
	table_add(table, field_is_there(row, key) ? format_age(field_count(row, key)).text : "-");
}

static void add_number(struct table *table, const json_t *row, const char *key)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, field_count(row, key));
	table_add(table, text);
}

static void add_text(struct table *table, const json_t *row, const char *key)
{
	table_add(table, field_text(row, key));
}

// ---- servers -------------------------------------------------------------------------------------

static const char *const server_headings[] = {
	"SERVER",   "ADDRESS", "LINK",	   ">FOR",   ">HEARD", ">HEARS US",
	">SILENCE", ">FLAPS",  ">CURSORS", ">SHARE", "NOTE",   NULL,
};

// The silence after which it is suspected: "30 ms".
static void add_silence(struct table *table, const json_t *row)
{
	uint64_t us = field_count(row, "interval_us") * field_count(row, "multiplier");

	table_add(table, us > 0 ? format_age(us / 1000).text : "-");
}

static void add_share(struct table *table, const json_t *row)
{
	char text[24];

	snprintf(text, sizeof(text), "%.1f %%", (double)field_count(row, "share_permille") / 10);
	table_add(table, text);
}

static void server_row(struct table *table, const json_t *row)
{
	bool is_self = field_count(row, "self") != 0;

	add_number(table, row, "id");
	add_text(table, row, "address");
	add_text(table, row, "link");
	add_age(table, row, "link_ms");
	add_age(table, row, "heard_ms");
	add_age(table, row, "hears_us_ms");
	if (is_self)
		table_add(table, "-");
	else
		add_silence(table, row);
	if (is_self)
		table_add(table, "-");
	else
		add_count(table, row, "flaps");
	add_count(table, row, "cursors");
	add_share(table, row);
	if (field_count(row, "draining") != 0 && strcmp(field_text(row, "refusal"), "-") == 0)
		table_add(table, "draining");
	else if (field_count(row, "rebalancing") != 0)
		table_add(table, "rebalancing");
	else
		add_text(table, row, "refusal");
}

static const char *const change_headings[] = {
	"SERVER", "TIME", ">AGO", "FROM", "TO", "WHY", NULL,
};

static void server_changes(struct table *table, const json_t *row)
{
	const json_t *changes = json_object_get(row, "history");

	for (size_t i = 0; i < json_array_size(changes); i++) {
		const json_t *change = json_array_get(changes, i);

		add_number(table, row, "id");
		table_add(table, format_time(field_count(change, "time_ns")).text);
		add_age(table, change, "ago_ms");
		add_text(table, change, "from");
		add_text(table, change, "to");
		add_text(table, change, "why");
	}
}

const struct listing listing_servers = {
	.name = "godwit servers",
	.command = "/godwit/servers",
	.key = "servers",
	.headings = server_headings,
	.row = server_row,
	.detail_command = "/godwit/history",
	.detail_key = "history",
	.detail_headings = change_headings,
	.detail = server_changes,
	.detail_is_asked = true,
};

// ---- streams -------------------------------------------------------------------------------------

static const char *const stream_headings[] = {
	"STREAM", "ROLE",  ">PRIMARY", ">EPOCH",  ">EARLIEST", ">COMMIT",
	">END",	  ">FEED", ">LOG",     "IN SYNC", "STATE",     NULL,
};

// "1 2 3, min 2"
static void add_in_sync(struct table *table, const json_t *row)
{
	const json_t *members = json_object_get(row, "in_sync_servers");
	char text[TABLE_CELL_BYTES] = "";
	size_t length = 0;

	for (size_t i = 0; i < json_array_size(members) && length < sizeof(text); i++)
		length += (size_t)snprintf(text + length, sizeof(text) - length,
					   "%s%" JSON_INTEGER_FORMAT, i > 0 ? " " : "",
					   json_integer_value(json_array_get(members, i)));
	// Only the primary tells who.
	if (members != NULL && length < sizeof(text) && field_count(row, "min_in_sync") > 1)
		snprintf(text + length, sizeof(text) - length, "%s, min %" PRIu64,
			 length > 0 ? "" : "none", field_count(row, "min_in_sync"));
	table_add(table, *text != '\0' ? text : "-");
}

static void stream_row(struct table *table, const json_t *row)
{
	add_text(table, row, "name");
	add_text(table, row, "role");
	add_number(table, row, "primary");
	add_number(table, row, "epoch");
	add_count(table, row, "earliest");
	add_count(table, row, "commit");
	add_count(table, row, "end");
	add_age(table, row, "feed_age_ms");
	table_add(table, format_bytes(field_count(row, "log_bytes")).text);
	add_in_sync(table, row);
	add_text(table, row, "state");
}

static const char *const replica_headings[] = {
	"STREAM", ">SERVER", "ROLE", "IN SYNC", ">ACKED", ">LAG", ">FEED", NULL,
};

static void stream_replicas(struct table *table, const json_t *row)
{
	const json_t *replicas = json_object_get(row, "replicas");

	for (size_t i = 0; i < json_array_size(replicas); i++) {
		const json_t *replica = json_array_get(replicas, i);

		add_text(table, row, "name");
		add_number(table, replica, "server");
		add_text(table, replica, "role");
		table_add(table, !field_is_there(replica, "in_sync")  ? "-" :
				 field_count(replica, "in_sync") != 0 ? "yes" :
									"no");
		add_count(table, replica, "acked");
		add_count(table, replica, "lag");
		add_age(table, replica, "feed_age_ms");
	}
}

const struct listing listing_streams = {
	.name = "godwit streams",
	.command = "/godwit/streams",
	.key = "streams",
	.headings = stream_headings,
	.row = stream_row,
	.detail_command = "/godwit/replicas",
	.detail_key = "replicas",
	.detail_headings = replica_headings,
	.detail = stream_replicas,
	.note_name = "name",
	.note_key = "explanation",
};

// ---- clients -------------------------------------------------------------------------------------

static const char *const client_headings[] = {
	"CLIENT", "ADDRESS", ">CORE", ">SUBSCRIPTIONS", "LINK", ">HEARD", "STARTED", NULL,
};

static void client_row(struct table *table, const json_t *row)
{
	struct format started = format_time(field_count(row, "instance"));

	add_text(table, row, "client");
	add_text(table, row, "address");
	add_number(table, row, "core");
	add_count(table, row, "subscriptions");
	add_text(table, row, "link");
	add_age(table, row, "heard_ms");
	// To the millisecond.
	started.text[23] = '\0';
	table_add(table, started.text);
}

const struct listing listing_clients = {
	.name = "godwit clients",
	.command = "/godwit/clients",
	.key = "clients",
	.headings = client_headings,
	.row = client_row,
};

// ---- cursors -------------------------------------------------------------------------------------

static const char *const cursor_headings[] = {
	"CLIENT", ">SUB", "STREAM",  ">ACKED", ">LAG",	">EPOCH",
	"CURSOR", "HOME", "ADDRESS", ">HEARD", "STATE", NULL,
};

static void cursor_row(struct table *table, const json_t *row)
{
	char home[32], state[TABLE_CELL_BYTES];

	snprintf(home, sizeof(home), "%" PRIu64 "/%" PRIu64, field_count(row, "home"),
		 field_count(row, "core"));
	snprintf(state, sizeof(state), "%s%s", field_text(row, "state"),
		 field_is_there(row, "filter") ? ", filter" : "");
	add_text(table, row, "client");
	add_number(table, row, "subscription");
	add_text(table, row, "stream");
	add_number(table, row, "seq");
	add_count(table, row, "lag");
	add_number(table, row, "epoch");
	add_text(table, row, "cursor_epoch");
	table_add(table, home);
	add_text(table, row, "address");
	add_age(table, row, "heard_ms");
	table_add(table, state);
}

const struct listing listing_cursors = {
	.name = "godwit cursors",
	.command = "/godwit/cursors",
	.key = "cursors",
	.headings = cursor_headings,
	.row = cursor_row,
};

// ---- migrations ----------------------------------------------------------------------------------

static const char *const migration_headings[] = {
	"DETECTED (UTC)", "REASON",    "CLIENT",     ">SUB",	"STREAM", "MOVE",
	">FIRST",	  ">REPLAYED", ">HAND-OVER", "OUTCOME", NULL,
};

static void migration_row(struct table *table, const json_t *row)
{
	uint64_t detected_ns = field_count(row, "detected_ns");
	uint64_t first_ns = field_count(row, "first_message_ns");
	struct format time = format_time(detected_ns);
	char move[24];

	snprintf(move, sizeof(move), "%" PRIu64 " > %" PRIu64, field_count(row, "from"),
		 field_count(row, "to"));
	// 2026-01-31T09:30:00.500: month, day and time.
	time.text[10] = ' ';
	time.text[23] = '\0';
	table_add(table, time.text + 5);
	add_text(table, row, "reason");
	add_text(table, row, "client");
	add_number(table, row, "subscription");
	add_text(table, row, "stream");
	table_add(table, move);
	table_add(table, first_ns >= detected_ns && first_ns != 0 ?
				 format_ns(first_ns - detected_ns).text :
				 "-");
	// Only the new home knows these.
	if (field_count(row, "handover_seq") != 0) {
		add_count(table, row, "replayed");
		add_number(table, row, "handover_seq");
	} else {
		table_add(table, "-");
		table_add(table, "-");
	}
	add_text(table, row, "outcome");
}

const struct listing listing_migrations = {
	.name = "godwit migrations",
	.command = "/godwit/migrations",
	.key = "migrations",
	.headings = migration_headings,
	.row = migration_row,
};
