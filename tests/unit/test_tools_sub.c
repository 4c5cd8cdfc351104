// SPDX-License-Identifier: BSD-3-Clause
//
// How `godwit sub` ends: nobody answers, or nobody reads; that its line of counts fits a terminal; and
// what it makes of a state file.
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/tools/sub.h"

static struct sub_options options = {
	.stream = "s", .output = SUB_COUNT, .has_check = true, .start = {GODWIT_START_LATEST, 0}};
static struct sub sub = {.options = &options};

Test(tools_sub, a_limit_before_any_answer_is_no_success, .init = cr_redirect_stderr)
{
	options.common.server_count = 1;
	options.common.servers[0] = godwit_address_v4(0x7f000001, 9);
	options.common.timeout_ns = 60 * SECOND_NS;
	options.limit_ns = 1;
	cr_assert_eq(sub_run(&options), TOOL_SILENT);
	fflush(stderr);
	cr_assert_stderr_eq_str("godwit sub: no server answered within 1 ns (127.0.0.1:9)\n");
}

Test(tools_sub, a_full_disk_is_told_once, .init = cr_redirect_stderr)
{
	sub_output_lost(&sub, ENOSPC);
	sub_output_lost(&sub, ENOSPC);
	cr_assert(sub.is_over);
	cr_assert_eq(sub.exit, TOOL_FAILED);
	fflush(stderr);
	cr_assert_stderr_eq_str(
		"godwit sub: cannot write to standard output: No space left on device\n");
}

Test(tools_sub, a_reader_that_went_away_is_no_failure)
{
	sub_output_lost(&sub, EPIPE);
	cr_assert(sub.is_over);
	cr_assert_eq(sub.exit, TOOL_OK);
}

// One line of counts, as written to a terminal or not.
static size_t line_of(bool is_terminal, bool is_last, char *line, size_t bytes)
{
	sub.is_terminal = is_terminal;
	sub.has_begun = true;
	sub.delivered = 123456789012;
	sub.check.truncated = 98765432101;
	godwit_histogram_record(&sub.latency, 123456, 1);
	cr_redirect_stdout();
	sub_count(&sub, 2 * SECOND_NS, is_last);
	cr_assert_not_null(fgets(line, (int)bytes, cr_get_redirected_stdout()));
	return strlen(line);
}

Test(tools_sub, a_line_that_is_drawn_over_fits_the_terminal)
{
	char line[512];

	cr_assert_leq(line_of(true, false, line, sizeof(line)), 79 + strlen("\r\033[K"), "%s",
		      line);
	cr_assert_null(strchr(line, '\n'));
	cr_assert_null(strstr(line, "repeated"));
}

Test(tools_sub, the_last_line_says_all)
{
	char line[512];

	line_of(true, true, line, sizeof(line));
	cr_assert_not_null(strstr(line, "repeated 0  reordered 0  truncated 98,765,432,101\n"));
}

// ---- lines of JSON ------------------------------------------------------------------------------

static json_t *progress_of(uint64_t now_ns, bool is_last)
{
	json_t *object;

	cr_redirect_stdout();
	sub_progress_line(&sub, now_ns, is_last);
	object = json_loadf(cr_get_redirected_stdout(), 0, NULL);
	return object;
}

static json_int_t count_of(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

Test(tools_sub, progress_is_a_line_that_programs_read)
{
	struct godwit_address server = godwit_address_v4(0x0a4d000b, 5678);
	json_t *object;

	options.progress_ns = SECOND_NS;
	sub.delivered = 17;
	sub.check.truncated = 3;
	sub_progress_took(&sub.progress, 0, 7 * SECOND_NS);
	sub_progress_took(&sub.progress, 7 * SECOND_NS, 9 * SECOND_NS);
	sub_progress_took(&sub.progress, 9 * SECOND_NS, 10 * SECOND_NS);
	sub.last_ns = 10 * SECOND_NS;
	sub_progress_served(&sub.progress, &server);
	object = progress_of(11 * SECOND_NS, true);
	cr_assert_not_null(object);
	cr_assert_eq(count_of(object, "delivered"), 17);
	cr_assert_eq(count_of(object, "truncated"), 3);
	cr_assert_eq(count_of(object, "silence_ns"), SECOND_NS);
	cr_assert_eq(count_of(object, "silence_max_ns"), 2 * SECOND_NS);
	cr_assert_eq(count_of(object, "migrations"), 0);
	cr_assert(json_is_null(json_object_get(object, "reason")));
	cr_assert_str_eq(json_string_value(json_object_get(object, "server")), "10.77.0.11:5678");
	cr_assert(json_is_true(json_object_get(object, "last")));
	json_decref(object);
}

Test(tools_sub, progress_names_the_reason_of_the_last_migration)
{
	json_t *object;

	options.progress_ns = SECOND_NS;
	sub.migrations = 2;
	sub.reason = GODWIT_MIGRATION_DRAIN;
	object = progress_of(11 * SECOND_NS, true);
	cr_assert_str_eq(json_string_value(json_object_get(object, "reason")), "drain");
	json_decref(object);
}

Test(tools_sub, another_server_is_one_migration_and_a_line_at_once)
{
	struct godwit_address one = godwit_address_v4(0x0a4d000b, 5678);
	struct godwit_address two = godwit_address_v4(0x0a4d000c, 5678);

	sub_progress_served(&sub.progress, &one);
	sub.progress.due_ns = 60 * SECOND_NS;
	sub_progress_served(&sub.progress, &one);
	cr_assert_eq(sub.progress.due_ns, 60 * SECOND_NS);
	sub_progress_unserved(&sub.progress, &two);
	cr_assert(sub.progress.is_served, "another server's end is not its home's");
	sub_progress_unserved(&sub.progress, &one);
	cr_assert_not(sub.progress.is_served);
	cr_assert_eq(sub.progress.due_ns, 0);
	sub_progress_served(&sub.progress, &one); // the same one came back
	cr_assert_eq(sub.progress.migrations, 0);
	sub.progress.due_ns = 60 * SECOND_NS;
	sub_progress_served(&sub.progress, &two);
	sub_progress_served(&sub.progress, &two);
	cr_assert_eq(sub.progress.migrations, 1);
	cr_assert_eq(sub.progress.due_ns, 0);
}

Test(tools_sub, progress_waits_for_its_time)
{
	cr_assert_eq(sub_progress_wait(&sub, 5), UINT64_MAX, "without the option");
	options.progress_ns = SECOND_NS;
	sub.progress.due_ns = 20;
	cr_assert_eq(sub_progress_wait(&sub, 5), 15);
	cr_assert_null(progress_of(19, false));
	cr_assert_eq(sub_progress_wait(&sub, 25), 0);
}

// ---- the state file -----------------------------------------------------------------------------

static char directory[] = "/tmp/godwit_state_XXXXXX";
static char path[sizeof(directory) + 8];

static void state_begin(void)
{
	cr_redirect_stderr();
	cr_assert_not_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/at", directory);
}

static void state_end(void)
{
	unlink(path);
	rmdir(directory);
}

static void state_put(const char *text)
{
	FILE *file = fopen(path, "w");

	cr_assert_not_null(file);
	fputs(text, file);
	fclose(file);
}

Test(tools_sub, a_state_file_is_read_as_it_was_written, .init = state_begin, .fini = state_end)
{
	struct godwit_identifier at = {.session = 0x9f1c22e07b3a4d55, .seq = 1200, .epoch = 3};
	struct godwit_identifier got = {.seq = 0};

	cr_assert_eq(sub_state_load(path, "trades", &got), 0); // there is none
	cr_assert(sub_state_save(path, "trades", &at));
	at.seq++;
	cr_assert(sub_state_save(path, "trades", &at));
	cr_assert_eq(sub_state_load(path, "trades", &got), 1);
	cr_assert_eq(memcmp(&got, &at, sizeof(at)), 0);
	cr_assert_eq(rmdir(directory), -1);
	unlink(path);
	cr_assert_eq(rmdir(directory), 0, "something was left beside it");
	fflush(stderr);
	cr_assert_stderr_eq_str("");
}

Test(tools_sub, a_state_file_of_another_stream_is_refused, .init = state_begin, .fini = state_end)
{
	struct godwit_identifier at = {.session = 7, .seq = 1200};
	char line[256];

	cr_assert(sub_state_save(path, "trades", &at));
	cr_assert_eq(sub_state_load(path, "orders", &at), -1);
	fflush(stderr);
	snprintf(line, sizeof(line), "godwit sub: --state %s: it is of the stream trades\n", path);
	cr_assert_stderr_eq_str(line);
}

Test(tools_sub, a_damaged_state_file_is_refused, .init = state_begin, .fini = state_end)
{
	static const char *const texts[] = {
		"",
		"9f1c22e07b3a4d55:1200:3\n",
		"godwit sub state 2\nstream trades\nidentifier 9f:1200:3\n",
		"godwit sub state 1\nstream trades\n",
		"godwit sub state 1\nstream trades\nidentifier 9f:1200:3",
		"godwit sub state 1\nstream trades\nidentifier 9f:12x:3\n",
		"godwit sub state 1\nstream trades\nidentifier 9f:1200:3\nmore\n",
	};
	struct godwit_identifier at = {.seq = 5};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		state_put(texts[i]);
		cr_assert_eq(sub_state_load(path, "trades", &at), -1, "case %zu", i);
		cr_assert_eq(at.seq, 5);
	}
}

Test(tools_sub, does_not_begin_anywhere_else_when_its_state_file_is_damaged, .init = state_begin,
     .fini = state_end)
{
	char line[512];

	state_put("rubbish\n");
	options.stream = "trades";
	options.state_file = path;
	cr_assert_eq(sub_run(&options), TOOL_FAILED);
	fflush(stderr);
	snprintf(line, sizeof(line),
		 "godwit sub: --state %s: not a state file of godwit sub; remove it to begin as "
		 "--from says\n",
		 path);
	cr_assert_stderr_eq_str(line);
}

Test(tools_sub, says_that_it_cannot_write_its_state_and_ends, .init = state_begin,
     .fini = state_end)
{
	options.stream = "trades";
	options.state_file = "/nonexistent/at";
	sub.has_begun = true;
	sub.mark.seq = 9;
	sub_state_keep(&sub, 5 * SECOND_NS, false);
	cr_assert(sub.is_over);
	cr_assert_eq(sub.exit, TOOL_FAILED);
	fflush(stderr);
	cr_assert_stderr_eq_str(
		"godwit sub: --state /nonexistent/at: cannot write it: No such file or "
		"directory\n");
}

Test(tools_sub, saves_its_position_once_a_second_and_at_the_end, .init = state_begin,
     .fini = state_end)
{
	struct godwit_identifier at;

	options.stream = "trades";
	options.state_file = path;
	sub.has_begun = true;
	sub.mark.session = 7;
	sub.mark.seq = 9;
	sub_state_keep(&sub, 5 * SECOND_NS, false);
	cr_assert_eq(sub_state_load(path, "trades", &at), 1);
	cr_assert_eq(at.seq, 9);
	sub.mark.seq = 10;
	sub_state_keep(&sub, 5 * SECOND_NS + 999999999, false);
	cr_assert_eq(sub_state_load(path, "trades", &at), 1);
	cr_assert_eq(at.seq, 9);
	sub_state_keep(&sub, 5 * SECOND_NS + 999999999, true);
	cr_assert_eq(sub_state_load(path, "trades", &at), 1);
	cr_assert_eq(at.seq, 10);
}

Test(tools_sub, takes_servers_from_several_options)
{
	struct tool_common common = {.server_count = 0};
	char words[][40] = {
		"sub",	    "--server",	 "10.0.0.1:5678", "--server", "10.0.0.2:5678,[::1]:9",
		"--server", "10.0.0.4:5"};
	char *line[7];

	for (int i = 0; i < 7; i++)
		line[i] = words[i];
	cr_assert_eq(argp_parse(&tool_common_argp, 7, line, 0, NULL, &common), 0);
	cr_assert_eq(common.server_count, 4);
	cr_assert_eq(godwit_address_ip4(&common.servers[1]), 0x0a000002);
	cr_assert_eq(common.servers[2].port, 9);
	cr_assert_eq(common.servers[3].port, 5);
}
