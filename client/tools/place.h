// SPDX-License-Identifier: BSD-3-Clause
//
// Which server of this machine a command speaks to: by --prefix, by --socket, or the only one that runs.
#ifndef CLIENT_TOOLS_PLACE_H
#define CLIENT_TOOLS_PLACE_H

#include "client/tools/telemetry.h"
#include "client/tools/tool.h"

struct place_options {
	const char *prefix, *socket; // NULL: not given
};

// An argp child whose input is a struct place_options.
extern const struct argp place_argp;

// For the text of --help.
#define PLACE_DOC                                                                                  \
	"Sockets are looked for in $RUNTIME_DIRECTORY/dpdk, else in /var/run/dpdk (root), "        \
	"$XDG_RUNTIME_DIR/dpdk or /tmp/dpdk.\n"

// Open the server that the options choose; without any, the only one, or of several the one with this id
// (0: none). TOOL_OK; or another exit code, after a line that says why.
int place_open(const char *name, const struct place_options *options, uint64_t id,
	       struct telemetry *telemetry);

// The servers that answer, at most `most`, each with its answer to /godwit/status (the caller's).
size_t place_find(const char *prefix, struct telemetry_place *places, json_t **statuses,
		  size_t most);

// The answer to a command, the caller's; or NULL, after a line that there is none: TOOL_SILENT.
json_t *place_ask(const char *name, struct telemetry *telemetry, const char *command);
// An answer as it is, on standard output.
void place_show(const json_t *answer);

// The id of a server on the command line; what is none ends the program, with a line that says why.
void place_server(const struct argp_state *state, const char *arg, uint64_t *id);

// A line for what went wrong with a socket, as negative errno: the exit code.
int place_error(const char *name, const char *path, int rc);
// A line that there is no server.
int place_none(const char *name, const char *prefix);

#endif
