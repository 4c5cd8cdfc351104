// SPDX-License-Identifier: BSD-3-Clause
#include <inttypes.h>

#include "client/tools/format.h"
#include "client/tools/sub.h"

static void print_meta(const struct godwit_event *event)
{
	printf("%" PRIu64 "\t%s\t%" PRIu32 "\t", event->identifier.seq,
	       format_time(event->time_ns).text, event->topic);
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

void sub_count(struct sub *sub, uint64_t now_ns, bool is_last)
{
	const struct sub_options *options = sub->options;
	uint64_t since_ns = now_ns - sub->said_ns, count = sub->delivered - sub->said_delivered;

	if (options->output != SUB_COUNT || options->common.is_quiet || !sub->has_begun ||
	    (!is_last && since_ns < SECOND_NS))
		return;
	if (is_last) {
		// Over all of it, not over the last second.
		count = sub->delivered;
		since_ns = sub->last_ns - sub->first_ns;
	}
	printf("%s%s messages  %s/s  p50 %s  p99 %s  max %s", sub->is_terminal ? "\r\033[K" : "",
	       format_count(sub->delivered).text,
	       format_count(since_ns > 0 ? (uint64_t)((double)count * 1e9 / (double)since_ns) : 0)
		       .text,
	       format_ns(godwit_histogram_quantile(&sub->latency, 0.5)).text,
	       format_ns(godwit_histogram_quantile(&sub->latency, 0.99)).text,
	       format_ns(godwit_histogram_max(&sub->latency)).text);
	if (options->has_check) {
		struct check_counts total = check_total(&sub->check);

		printf("  lost %s  repeated %s  reordered %s  truncated %s",
		       format_count(total.lost).text, format_count(total.repeated).text,
		       format_count(total.reordered).text, format_count(sub->check.truncated).text);
	}
	if (!sub->is_terminal || is_last)
		putchar('\n');
	fflush(stdout);
	sub->said_ns = now_ns;
	sub->said_delivered = sub->delivered;
}
