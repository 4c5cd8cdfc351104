// SPDX-License-Identifier: BSD-3-Clause
#include "client/tools/sub_progress.h"

#include <errno.h>

#include "client/tools/format.h"
#include "client/tools/sub.h"

void sub_progress_took(struct sub_progress *progress, uint64_t last_ns, uint64_t now_ns)
{
	if (last_ns != 0 && now_ns - last_ns > progress->silence_max_ns)
		progress->silence_max_ns = now_ns - last_ns;
}

static bool is_newest(const struct sub_progress *progress, const struct godwit_address *server)
{
	return progress->has_server && memcmp(&progress->server, server, sizeof(*server)) == 0;
}

void sub_progress_served(struct sub_progress *progress, const struct godwit_address *server)
{
	bool is_other = progress->has_server && !is_newest(progress, server);

	progress->migrations += is_other;
	if (is_other || !progress->is_served)
		progress->due_ns = 0;
	progress->server = *server;
	progress->has_server = true;
	progress->is_served = true;
}

void sub_progress_unserved(struct sub_progress *progress, const struct godwit_address *server)
{
	if (!is_newest(progress, server))
		return;
	progress->is_served = false;
	progress->due_ns = 0;
}

uint64_t sub_progress_wait(const struct sub *sub, uint64_t now_ns)
{
	uint64_t due_ns = sub->progress.due_ns;

	if (sub->options->progress_ns == 0)
		return UINT64_MAX;
	return due_ns > now_ns ? due_ns - now_ns : 0;
}

static json_t *progress_object(const struct sub *sub, uint64_t now_ns, bool is_last)
{
	const struct sub_progress *progress = &sub->progress;
	struct check_counts total = check_total(&sub->check);
	const struct {
		const char *name;
		uint64_t value;
	} counts[] = {
		{"time_ns", tool_wall_ns()},
		{"delivered", sub->delivered},
		{"bytes", sub->bytes},
		{"lost", total.lost},
		{"repeated", total.repeated},
		{"reordered", total.reordered},
		{"truncated", sub->check.truncated},
		{"withdrawn", sub->check.withdrawn},
		{"migrations", progress->migrations},
		{"silence_ns", sub->last_ns != 0 ? now_ns - sub->last_ns : 0},
		{"silence_max_ns", progress->silence_max_ns},
		{"p99_ns", godwit_histogram_quantile(&sub->latency, 0.99)},
	};
	json_t *object = json_object();

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		json_object_set_new(object, counts[i].name,
				    json_integer((json_int_t)counts[i].value));
	json_object_set_new(object, "server",
			    progress->is_served ?
				    json_string(format_address(&progress->server).text) :
				    json_null());
	json_object_set_new(object, "reason",
			    sub->migrations > 0 ?
				    json_string(godwit_migration_reason_name(sub->reason)) :
				    json_null());
	json_object_set_new(object, "last", json_boolean(is_last));
	return object;
}

void sub_progress_line(struct sub *sub, uint64_t now_ns, bool is_last)
{
	const struct sub_options *options = sub->options;
	json_t *object;
	int rc;

	if (options->progress_ns == 0 || (!is_last && now_ns < sub->progress.due_ns))
		return;
	object = progress_object(sub, now_ns, is_last);
	errno = ENOMEM; // what a missing object means; else what stdout says
	rc = object != NULL ? json_dumpf(object, stdout, JSON_COMPACT) : -1;
	json_decref(object);
	if (rc != 0 || putchar('\n') == EOF || fflush(stdout) != 0)
		sub_output_lost(sub, errno);
	sub->progress.due_ns = now_ns + options->progress_ns;
}
