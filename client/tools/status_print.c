// SPDX-License-Identifier: BSD-3-Clause
#include "client/tools/status.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/tools/fields.h"
#include "client/tools/format.h"
#include "client/tools/table.h"

static void add_count(struct table *table, const json_t *object, const char *key)
{
	table_add(table, format_count(field_count(object, key)).text);
}

static void print_ports(const json_t *ports, const json_t *counts)
{
	static const char *const headings[] = {"PORT",	    "INTERFACE",   "ADDRESS",
					       "LINK",	    ">QUEUES",	   ">RX PACKETS",
					       ">RX BYTES", ">TX PACKETS", ">TX BYTES",
					       ">MISSED",   ">TX ERRORS",  NULL};
	struct table table;
	const char *number;
	json_t *port;

	table_init(&table, headings);
	json_object_foreach((json_t *)ports, number, port) {
		const json_t *count = json_object_get(counts, number);

		table_add(&table, field_text(port, "name"));
		table_add(&table, field_text(port, "interface"));
		table_add(&table, field_text(port, "address"));
		table_add(&table, field_text(port, "link"));
		add_count(&table, port, "queues");
		add_count(&table, count, "rx_packets");
		table_add(&table, format_bytes(field_count(count, "rx_bytes")).text);
		add_count(&table, count, "tx_packets");
		table_add(&table, format_bytes(field_count(count, "tx_bytes")).text);
		add_count(&table, count, "rx_missed");
		add_count(&table, count, "tx_errors");
	}
	putchar('\n');
	table_print(&table, stdout);
	table_fini(&table);
}

static void print_streams(const json_t *streams)
{
	static const char *const headings[] = {"STREAM",    "SESSION", ">EPOCH",
					       ">EARLIEST", ">COMMIT", ">HEAD",
					       ">LOG",	    ">HOME",   NULL};
	struct table table;
	const char *number;
	json_t *stream;

	table_init(&table, headings);
	json_object_foreach((json_t *)streams, number, stream) {
		table_add(&table, field_text(stream, "name"));
		table_add(&table, field_text(stream, "session"));
		add_count(&table, stream, "epoch");
		add_count(&table, stream, "earliest");
		add_count(&table, stream, "commit");
		add_count(&table, stream, "head");
		table_add(&table, format_bytes(field_count(stream, "log_bytes")).text);
		add_count(&table, stream, "home");
	}
	putchar('\n');
	table_print(&table, stdout);
	table_fini(&table);
}

static void print_cores(const json_t *cores)
{
	static const char *const headings[] = {"CORE",		 ">CPU",	  ">CLIENTS",
					       ">SUBSCRIPTIONS", ">TURNS",	  ">IDLE %",
					       ">LATE",		 ">LONGEST TURN", NULL};
	struct table table;
	const char *number;
	json_t *core;

	table_init(&table, headings);
	json_object_foreach((json_t *)cores, number, core) {
		uint64_t turns = field_count(core, "turns"), idle = field_count(core, "turns_idle");
		char share[16];

		snprintf(share, sizeof(share), "%.1f",
			 turns > 0 ? 100.0 * (double)idle / (double)turns : 0.0);
		table_add(&table, number);
		add_count(&table, core, "cpu");
		add_count(&table, core, "clients");
		add_count(&table, core, "subscriptions");
		add_count(&table, core, "turns");
		table_add(&table, share);
		add_count(&table, core, "turns_late");
		table_add(&table, format_ns(field_count(core, "turn_longest_ns")).text);
	}
	putchar('\n');
	table_print(&table, stdout);
	table_fini(&table);
}

static void print_drops(const json_t *drops)
{
	static const char *const headings[] = {"DROPPED", ">COUNT", NULL};
	struct table table;
	const char *name;
	json_t *count;

	table_init(&table, headings);
	json_object_foreach((json_t *)drops, name, count) {
		if (json_integer_value(count) == 0)
			continue;
		table_add(&table, name);
		table_add(&table, format_count((uint64_t)json_integer_value(count)).text);
	}
	putchar('\n');
	if (table_rows(&table) > 0)
		table_print(&table, stdout);
	else
		puts("nothing was dropped");
	table_fini(&table);
}

void status_print(const json_t *all)
{
	const json_t *status = json_object_get(all, "status");
	const char *name = field_text(status, "name");
	uint64_t cores = field_count(status, "cores"), streams = field_count(status, "streams");

	printf("server %" PRIu64 "%s%s: godwitd %s, pid %" PRIu64
	       ", up %s, %s core%s, %s stream%s, %s of memory in %s pages\n",
	       field_count(status, "id"), strcmp(name, "-") != 0 ? " " : "",
	       strcmp(name, "-") != 0 ? name : "", field_text(status, "version"),
	       field_count(status, "pid"), format_uptime(field_count(status, "uptime_s")).text,
	       format_count(cores).text, cores == 1 ? "" : "s", format_count(streams).text,
	       streams == 1 ? "" : "s", format_bytes(field_count(status, "memory_bytes")).text,
	       field_text(status, "pages"));
	print_ports(json_object_get(status, "ports"), json_object_get(all, "ports"));
	print_streams(json_object_get(all, "streams"));
	print_cores(json_object_get(all, "cores"));
	print_drops(json_object_get(all, "drops"));
}

void status_print_list(const json_t *servers)
{
	static const char *const headings[] = {"PREFIX", ">ID", "NAME", ">PID", ">UP", NULL};
	struct table table;

	table_init(&table, headings);
	for (size_t i = 0; i < json_array_size(servers); i++) {
		const json_t *server = json_array_get(servers, i);
		const json_t *status = json_object_get(server, "status");
		char id[24], pid[24];

		snprintf(id, sizeof(id), "%" PRIu64, field_count(status, "id"));
		snprintf(pid, sizeof(pid), "%" PRIu64, field_count(status, "pid"));
		table_add(&table, field_text(server, "prefix"));
		table_add(&table, id);
		table_add(&table, field_text(status, "name"));
		table_add(&table, pid);
		table_add(&table, format_uptime(field_count(status, "uptime_s")).text);
	}
	table_print(&table, stdout);
	table_fini(&table);
	puts("\nSeveral servers run here: `godwit status --prefix PREFIX' shows one.");
}
