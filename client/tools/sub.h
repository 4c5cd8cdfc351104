// SPDX-License-Identifier: BSD-3-Clause
//
// `godwit sub`: its options (sub.c), its run (sub_run.c), what it says of events (sub_events.c),
// prints of messages (sub_output.c) and of its progress (sub_progress.c), keeps in its state file
// (sub_state.c) and reports at the end (sub_report.c).
#ifndef CLIENT_TOOLS_SUB_H
#define CLIENT_TOOLS_SUB_H

#include <godwit/histogram.h>
#include <stdio.h>

#include "client/tools/check.h"
#include "client/tools/pacer.h"
#include "client/tools/parse.h"
#include "client/tools/sub_progress.h"
#include "client/tools/tool.h"
#include "client/tools/topics.h"

#define SUB_NAME "godwit sub"

enum sub_output {
	SUB_TEXT,
	SUB_HEX,
	SUB_LENGTHS,
	SUB_COUNT,
};

struct sub_options {
	struct tool_common common;
	const char *stream;
	struct parse_start start;
	struct godwit_identifier after; // kind AFTER
	uint8_t policy;
	uint32_t window; // 0: the library's
	enum sub_output output;
	bool has_output; // stated, not the default
	bool has_meta;
	bool has_check;
	bool waits;			     // for topics
	uint64_t count_max, until, limit_ns; // 0: none
	uint64_t pace;			     // messages a second; 0: as they come
	uint64_t progress_ns;		     // between lines of JSON; 0: none
	const char *identifier_file;
	const char *state_file;
	uint32_t name_count, number_count;
	const char *names[GODWIT_FILTER_TOPICS];
	uint32_t numbers[GODWIT_FILTER_TOPICS];
};

struct sub {
	const struct sub_options *options;
	struct godwit_client *client;
	struct topics topics;
	uint32_t subscription; // its number, once asked for
	bool is_asked;
	bool has_begun; // SUBSCRIBED was seen
	bool is_over;
	bool is_connected;
	bool is_terminal; // stdout
	bool is_output_lost;
	uint16_t end_code;
	int exit;
	struct godwit_identifier first, last, mark; // messages; mark: what to resume after
	uint64_t delivered, bytes, gaps, sessions, disconnects, resumes, migrations;
	uint64_t reasons[GODWIT_MIGRATION_REASONS];	   // migrations, by reason; 0: any other
	uint16_t reason;				   // of the last one
	struct godwit_address servers[GODWIT_SERVERS_MAX]; // that were its home, each once
	uint32_t server_count;
	uint64_t silence_max_ns;
	struct godwit_identifier saved; // in the state file
	uint64_t saved_ns;
	uint64_t wall_ns;		      // when the batch being taken was taken
	uint64_t begun_ns, first_ns, last_ns; // of the client's clock
	uint64_t said_ns, said_delivered;
	struct pacer pacer;
	struct sub_progress progress;
	struct check check;
	struct godwit_histogram latency; // ns, delivery minus ingest
};

// Runs until a limit, a signal or the end of the subscription; the exit code.
int sub_run(struct sub_options *options);

// stdout takes no more: the end, with a line that says why unless its reader went away.
void sub_output_lost(struct sub *sub, int error);

// Reads the state file, if there is one, into *after. 1: read. 0: there is none. -1 after a line that
// says what is wrong with it, or that it is of another stream.
int sub_state_load(const char *path, const char *stream, struct godwit_identifier *after);

// Writes the file anew, whole or not at all. False after a line that says why.
bool sub_state_save(const char *path, const char *stream, const struct godwit_identifier *at);

// Saves the position once a second, or now; what was printed up to there is written out before. Ends
// the run if it cannot.
void sub_state_keep(struct sub *sub, uint64_t now_ns, bool is_last);

// Any event but a MESSAGE.
void sub_event(struct sub *sub, const struct godwit_event *event);

// Prints a message as the options say. False with errno: stdout takes no more.
bool sub_print(struct sub *sub, const struct godwit_event *event);

// A line of counts to stdout once a second, for --count; now: the last one.
void sub_count(struct sub *sub, uint64_t now_ns, bool is_last);

// The summary and the identifier file. The exit code.
int sub_report(struct sub *sub);

#endif
