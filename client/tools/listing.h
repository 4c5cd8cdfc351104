// SPDX-License-Identifier: BSD-3-Clause
//
// What a server lists (servers, streams, clients, cursors, migrations), as a table or as JSON. A list is
// described by its columns; listing.c asks for it, listing_rows.c knows the columns.
//
//   {"ROWS": [{...}, ...]}          --json
//   HEADING ... one line a row      a table; some lists have a second one with details of their rows
//
// Rows come page by page: with --json they are written as they come.
#ifndef CLIENT_TOOLS_LISTING_H
#define CLIENT_TOOLS_LISTING_H

#include <jansson.h>

#include "client/tools/table.h"

struct listing {
	const char *name;    // of the command, in messages: "godwit servers"
	const char *command; // of telemetry
	const char *key;     // of the rows in JSON, and what they are in words
	const char *const *headings;
	void (*row)(struct table *table, const json_t *row);
	// Details of a row: asked for by its number, and put into it under a name. NULL: none.
	const char *detail_command, *detail_key;
	const char *const *detail_headings;
	// Adds the rows of the second table for one of the first.
	void (*detail)(struct table *table, const json_t *row);
	bool detail_is_asked; // the second table is shown with an option only
};

extern const struct listing listing_servers, listing_streams, listing_clients, listing_cursors,
	listing_migrations;

// One list under way: to `out`. Owner: one thread.
struct listing_output {
	const struct listing *listing;
	FILE *out;
	bool is_json, is_detailed;
	uint64_t rows;
	struct table table, details;
};

void listing_begin(struct listing_output *output);
// row: borrowed, with its details in it where the list has them.
void listing_add(struct listing_output *output, const json_t *row);
// Prints what is left, and gives memory back.
void listing_end(struct listing_output *output);

#endif
