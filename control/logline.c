// SPDX-License-Identifier: BSD-3-Clause
#include "control/logline.h"

#include <stdarg.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES 1024

static const char *const level_words[] = {
	[LOG_LEVEL_ERROR] = "error: ",
	[LOG_LEVEL_WARNING] = "warning: ",
	[LOG_LEVEL_INFO] = "",
	[LOG_LEVEL_DEBUG] = "debug: ",
};

void logline_init(struct logline *log, FILE *out, enum log_level level)
{
	*log = (struct logline){out, level, isatty(fileno(out)) == 1};
}

static void line_write(const struct logline *log, enum log_level level, const char *text)
{
	char when[32] = "";

	if (log->has_time) {
		struct timespec now;
		struct tm local;

		clock_gettime(CLOCK_REALTIME, &now);
		localtime_r(&now.tv_sec, &local);
		snprintf(when, sizeof(when), "%02d:%02d:%02d.%03ld ", local.tm_hour, local.tm_min,
			 local.tm_sec, now.tv_nsec / 1000000);
	}
	// One call a line, so that lines of several writers do not mix.
	fprintf(log->out, "%sgodwitd: %s%s\n", when, level_words[level], text);
	fflush(log->out);
}

void logline(const struct logline *log, enum log_level level, const char *format, ...)
{
	char text[LINE_BYTES];
	va_list args;

	if (level > log->level)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	line_write(log, level, text);
}

void logline_limited(const struct logline *log, struct logline_site *site, uint64_t now_ns,
		     enum log_level level, const char *format, ...)
{
	char text[LINE_BYTES];
	va_list args;

	if (level > log->level)
		return;
	if (site->count > 0 && now_ns - site->began_ns >= LOGLINE_WINDOW_NS)
		site->count = 0;
	if (site->count == 0)
		site->began_ns = now_ns;
	if (site->count == LOGLINE_BURST) {
		site->suppressed++;
		return;
	}
	site->count++;
	if (site->suppressed > 0) {
		snprintf(text, sizeof(text), "%llu lines like the next one were not written",
			 (unsigned long long)site->suppressed);
		line_write(log, level, text);
		site->suppressed = 0;
	}
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	line_write(log, level, text);
}
