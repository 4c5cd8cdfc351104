// SPDX-License-Identifier: BSD-3-Clause
#include <stdio.h>

#include "client/tools/format.h"
#include "client/tools/sub.h"

static void set_count(json_t *object, const char *key, uint64_t value)
{
	json_object_set_new(object, key, json_integer((json_int_t)value));
}

static void set_identifier(json_t *object, const char *key, const struct sub *sub,
			   const struct godwit_identifier *identifier)
{
	json_object_set_new(object, key,
			    sub->delivered > 0 || identifier == &sub->mark ?
				    json_string(format_identifier(identifier).text) :
				    json_null());
}

static json_t *latency_object(const struct godwit_histogram *latency)
{
	json_t *object = json_object();

	set_count(object, "min", godwit_histogram_min(latency));
	set_count(object, "p50", godwit_histogram_quantile(latency, 0.5));
	set_count(object, "p90", godwit_histogram_quantile(latency, 0.9));
	set_count(object, "p99", godwit_histogram_quantile(latency, 0.99));
	set_count(object, "p999", godwit_histogram_quantile(latency, 0.999));
	set_count(object, "max", godwit_histogram_max(latency));
	return object;
}

static json_t *counts_object(const struct check_counts *counts)
{
	json_t *object = json_object();

	set_count(object, "lost", counts->lost);
	set_count(object, "repeated", counts->repeated);
	set_count(object, "reordered", counts->reordered);
	return object;
}

// In the order of the first visit.
static json_t *servers_array(const struct sub *sub)
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < sub->server_count; i++)
		json_array_append_new(array, json_string(format_address(&sub->servers[i]).text));
	return array;
}

// Those that there were.
static json_t *reasons_object(const struct sub *sub)
{
	json_t *object = json_object();

	for (uint32_t i = 0; i < GODWIT_MIGRATION_REASONS; i++)
		if (sub->reasons[i] > 0)
			set_count(object, godwit_migration_reason_name(i), sub->reasons[i]);
	return object;
}

static json_t *summary_make(const struct sub *sub)
{
	const struct check *check = &sub->check;
	struct check_counts total = check_total(check);
	double seconds = (double)(sub->last_ns - sub->first_ns) / 1e9;
	json_t *object = json_object();

	json_object_set_new(object, "stream", json_string(sub->options->stream));
	tool_set_id(object, "client", sub->options->common.client_id);
	json_object_set_new(object, "begun", json_boolean(sub->has_begun));
	set_count(object, "delivered", sub->delivered);
	set_count(object, "bytes", sub->bytes);
	set_count(object, "lost", total.lost);
	set_count(object, "repeated", total.repeated);
	set_count(object, "reordered", total.reordered);
	set_count(object, "truncated", check->truncated);
	set_count(object, "withdrawn", check->withdrawn);
	set_count(object, "generated", check->generated);
	set_count(object, "damaged", check->damaged);
	json_object_set_new(object, "by_sequence", counts_object(&check->sequences));
	json_object_set_new(object, "by_number", counts_object(&check->numbers));
	set_count(object, "gaps", sub->gaps);
	set_count(object, "sessions", sub->sessions);
	set_count(object, "disconnects", sub->disconnects);
	set_count(object, "resumes", sub->resumes);
	set_count(object, "migrations", sub->migrations);
	json_object_set_new(object, "reasons", reasons_object(sub));
	json_object_set_new(object, "silence_max_ms", json_real((double)sub->silence_max_ns / 1e6));
	json_object_set_new(object, "servers", servers_array(sub));
	json_object_set_new(object, "seconds", json_real(seconds));
	set_count(object, "rate", seconds > 0 ? (uint64_t)((double)sub->delivered / seconds) : 0);
	set_count(object, "p50_ns", godwit_histogram_quantile(&sub->latency, 0.5));
	set_count(object, "p99_ns", godwit_histogram_quantile(&sub->latency, 0.99));
	set_count(object, "max_ns", godwit_histogram_max(&sub->latency));
	json_object_set_new(object, "latency_ns", latency_object(&sub->latency));
	set_identifier(object, "first", sub, &sub->first);
	set_identifier(object, "last", sub, &sub->last);
	set_identifier(object, "identifier", sub, &sub->mark);
	set_count(object, "first_seq", sub->first.seq);
	set_count(object, "last_seq", sub->last.seq);
	json_object_set_new(object, "ended", json_string(godwit_code_name(sub->end_code)));
	set_count(object, "exit", (uint64_t)sub->exit);
	json_object_set_new(object, "stats", tool_stats(sub->client));
	return object;
}

static void say_check(const struct sub *sub)
{
	const struct check *check = &sub->check;
	struct check_counts total = check_total(check);

	if (!check_is_clean(check))
		tool_say(SUB_NAME,
			 "check: NOT as published: %s lost, %s repeated, %s reordered, %s damaged",
			 format_count(total.lost).text, format_count(total.repeated).text,
			 format_count(total.reordered).text, format_count(check->damaged).text);
	else if (!sub->options->common.is_quiet)
		tool_say(
			SUB_NAME,
			"check: %s messages (%s of a generator), none lost, repeated or reordered; "
			"%s truncated, %s withdrawn",
			format_count(sub->delivered).text, format_count(check->generated).text,
			format_count(check->truncated).text, format_count(check->withdrawn).text);
}

int sub_report(struct sub *sub)
{
	const struct sub_options *options = sub->options;
	char line[80];

	sub_count(sub, godwit_client_now(sub->client), true);
	sub_progress_line(sub, godwit_client_now(sub->client), true);
	if (options->has_check && sub->has_begun) {
		say_check(sub);
		if (sub->exit == TOOL_OK && !check_is_clean(&sub->check))
			sub->exit = TOOL_FAILED;
	}
	if (options->identifier_file != NULL && sub->has_begun) {
		snprintf(line, sizeof(line), "%s\n", format_identifier(&sub->mark).text);
		if (!tool_write_file(SUB_NAME, options->identifier_file, line) &&
		    sub->exit == TOOL_OK)
			sub->exit = TOOL_FAILED;
	}
	if (!tool_write_summary(SUB_NAME, &options->common, summary_make(sub)) &&
	    sub->exit == TOOL_OK)
		sub->exit = TOOL_FAILED;
	return sub->exit;
}
