// SPDX-License-Identifier: BSD-3-Clause
//
// Questions to a running godwitd through DPDK's telemetry socket (SOCK_SEQPACKET, JSON answers):
// where the sockets are, and one question at a time. Blocks at most TELEMETRY_TIMEOUT_S a step.
// Owner: one thread.
#ifndef CLIENT_TOOLS_TELEMETRY_H
#define CLIENT_TOOLS_TELEMETRY_H

#include <jansson.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#define TELEMETRY_TIMEOUT_S    3
#define TELEMETRY_DAEMONS_MAX  64
#define TELEMETRY_PREFIX_BYTES 64

struct telemetry {
	int fd;
	uint64_t answer_bytes; // largest
	int64_t pid;
	char *buffer;
};

struct telemetry_place {
	char prefix[TELEMETRY_PREFIX_BYTES];
	char path[108];
};

// Sockets of the DPDK processes of this machine (of one prefix, unless it is NULL) under the
// directory where EAL keeps them: $RUNTIME_DIRECTORY/dpdk, or /var/run/dpdk for root, else
// $XDG_RUNTIME_DIR/dpdk or /tmp/dpdk. Returns how many; not all of them need be alive, or godwitd.
size_t telemetry_find(const char *prefix, struct telemetry_place *places, size_t most);

// The directory meant above, for messages.
void telemetry_directory(char *path, size_t bytes);

// 0; or negative errno: -ECONNREFUSED (nobody is behind the socket), -ENOENT, -EPROTO (it does not
// speak telemetry), -ENOMEM ...
int telemetry_open(struct telemetry *telemetry, const char *path);
void telemetry_close(struct telemetry *telemetry);

// The answer to a command such as "/godwit/streams,16": the caller's, or NULL with errno: ENOENT (no
// such command), EPROTO, or what the socket says.
json_t *telemetry_ask(struct telemetry *telemetry, const char *command);

// All pages of a list, one after the other, each without its `more`. more: text behind the number of the
// page, "" or ",PARAMETER...". 0 or negative errno as telemetry_ask, -EOVERFLOW: it does not end.
int telemetry_ask_each(struct telemetry *telemetry, const char *command, const char *more,
		       void (*each)(void *arg, json_t *page), void *arg);

// All pages in one object: a page that is not the last names the next one as `more`.
json_t *telemetry_ask_pages(struct telemetry *telemetry, const char *command);

#endif
