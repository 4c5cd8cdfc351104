// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "client/tools/format.h"
#include "client/tools/sub.h"

#define LINE_BYTES 512

static void print_meta(const struct godwit_event *event)
{
	printf("%" PRIu64 "\t%s\t%" PRIu32 "\t", event->identifier.seq,
	       format_time(event->time_ns).text, event->topic);
}

void sub_output_lost(struct sub *sub, int error)
{
	sub->is_over = true;
	// A reader that went away, such as head(1), has what it wanted.
	if (!sub->is_output_lost && error != EPIPE) {
		tool_say(SUB_NAME, "cannot write to standard output: %s", strerror(error));
		sub->exit = TOOL_FAILED;
	}
	sub->is_output_lost = true;
}

bool sub_print(struct sub *sub, const struct godwit_event *event)
{
	const struct sub_options *options = sub->options;
	struct godwit_be16 length = godwit_be16((uint16_t)event->length);

	if (options->has_meta && options->output != SUB_COUNT)
		print_meta(event);
	switch (options->output) {
	case SUB_COUNT:
		return true;
	case SUB_LENGTHS:
		fwrite(&length, sizeof(length), 1, stdout);
		fwrite(event->payload, 1, event->length, stdout);
		break;
	case SUB_HEX:
		format_hex(stdout, event->payload, event->length);
		putchar('\n');
		break;
	case SUB_TEXT:
		// A terminal obeys what it is sent; a file gets the bytes as they are.
		if (sub->is_terminal)
			format_escaped(stdout, event->payload, event->length);
		else
			fwrite(event->payload, 1, event->length, stdout);
		putchar('\n');
		break;
	}
	return ferror(stdout) == 0;
}

// Appends to a line of LINE_BYTES.
static void line_add(char *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void line_add(char *line, const char *format, ...)
{
	size_t length = strlen(line);
	va_list args;

	va_start(args, format);
	vsnprintf(line + length, LINE_BYTES - length, format, args);
	va_end(args);
}

static void add_checks(const struct sub *sub, char *line, bool is_redrawn)
{
	struct check_counts total = check_total(&sub->check);
	const struct {
		const char *name;
		uint64_t count;
	} counts[] = {
		{"lost", total.lost},
		{"repeated", total.repeated},
		{"reordered", total.reordered},
		{"truncated", sub->check.truncated},
	};

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		if (i == 0 || counts[i].count != 0 || !is_redrawn)
			line_add(line, "  %s %s", counts[i].name,
				 format_count(counts[i].count).text);
}

// A line that the terminal breaks is not drawn over by the next one.
static int line_room(bool is_redrawn)
{
	struct winsize size = {.ws_col = 0};

	if (!is_redrawn)
		return LINE_BYTES;
	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1 :
										 79;
}

void sub_count(struct sub *sub, uint64_t now_ns, bool is_last)
{
	bool is_redrawn = sub->is_terminal && !is_last;
	char line[LINE_BYTES] = "";
	const struct sub_options *options = sub->options;
	uint64_t since_ns = now_ns - sub->said_ns, count = sub->delivered - sub->said_delivered;

	if (options->output != SUB_COUNT || options->progress_ns != 0 || options->common.is_quiet ||
	    !sub->has_begun || (!is_last && since_ns < SECOND_NS))
		return;
	if (is_last) {
		// Over all of it, not over the last second.
		count = sub->delivered;
		since_ns = sub->last_ns - sub->first_ns;
	}
	line_add(line, "%s messages  %s/s  p50 %s  p99 %s  max %s",
		 format_count(sub->delivered).text,
		 format_count(since_ns > 0 ? (uint64_t)((double)count * 1e9 / (double)since_ns) : 0)
			 .text,
		 format_ns(godwit_histogram_quantile(&sub->latency, 0.5)).text,
		 format_ns(godwit_histogram_quantile(&sub->latency, 0.99)).text,
		 format_ns(godwit_histogram_max(&sub->latency)).text);
	if (options->has_check)
		add_checks(sub, line, is_redrawn);
	printf("%s%.*s%s", sub->is_terminal ? "\r\033[K" : "", line_room(is_redrawn), line,
	       is_redrawn ? "" : "\n");
	if (fflush(stdout) != 0)
		sub_output_lost(sub, errno);
	sub->said_ns = now_ns;
	sub->said_delivered = sub->delivered;
}
