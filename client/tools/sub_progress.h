// SPDX-License-Identifier: BSD-3-Clause
//
// `godwit sub --progress-json TIME`: how a subscription is doing, a line of JSON every TIME, one
// more whenever another server serves it, and one at the end. For programs that watch many
// subscribers at once, such as scripts/timeline. It also measures what a summary tells of
// silences and changes of server. All times are of the client's clock, in ns; one thread.
#ifndef CLIENT_TOOLS_SUB_PROGRESS_H
#define CLIENT_TOOLS_SUB_PROGRESS_H

#include <godwit/types.h>
#include <stdbool.h>
#include <stdint.h>

struct sub;

struct sub_progress {
	uint64_t due_ns;	 // of the next line
	uint64_t silence_max_ns; // the longest time between two deliveries
	uint64_t migrations;	 // changes from one server to another
	bool is_served;		 // by `server`; else `server` is the last one
	bool has_server;
	struct godwit_address server;
};

// Messages were taken at now_ns, the ones before at last_ns (0: these are the first).
void sub_progress_took(struct sub_progress *progress, uint64_t last_ns, uint64_t now_ns);

// From now on this server serves. Again for the same one: no change.
void sub_progress_served(struct sub_progress *progress, const struct godwit_address *server);

// This server does not serve any more; of another one than the newest: no change.
void sub_progress_unserved(struct sub_progress *progress, const struct godwit_address *server);

// How long the caller may wait until the next line is due; UINT64_MAX without --progress-json.
uint64_t sub_progress_wait(const struct sub *sub, uint64_t now_ns);

// Writes the line to stdout if it is due, or is the last; nothing without --progress-json.
void sub_progress_line(struct sub *sub, uint64_t now_ns, bool is_last);

#endif
