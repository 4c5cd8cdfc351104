// SPDX-License-Identifier: BSD-3-Clause
//
// Log lines of the control thread: one line an event, to one file (stderr).
//
//   14:03:07.120 godwitd: warning: port 0: its link is down      on a terminal
//   godwitd: warning: port 0: its link is down                   else: whoever collects it adds the time
//
// A place in the code that may speak often has a logline_site: LOGLINE_BURST lines in LOGLINE_WINDOW_NS,
// then silence, and with the first line after it how many were not written.
// Thread: control only; no line is ever written by a worker.
#ifndef CONTROL_LOGLINE_H
#define CONTROL_LOGLINE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define LOGLINE_BURST	  5
#define LOGLINE_WINDOW_NS 10000000000ull

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

struct logline {
	FILE *out;
	enum log_level level; // what is less important is left out
	bool has_time;
};

struct logline_site {
	uint64_t began_ns; // of the window
	uint32_t count;	   // lines in it
	uint64_t suppressed;
};

// out: is the caller's.
void logline_init(struct logline *log, FILE *out, enum log_level level);

void logline(const struct logline *log, enum log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

// The same from a place that may speak often. site: zeroed at first; now_ns: monotonic.
void logline_limited(const struct logline *log, struct logline_site *site, uint64_t now_ns,
		     enum log_level level, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

#endif
