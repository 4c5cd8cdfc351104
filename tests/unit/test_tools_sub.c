// SPDX-License-Identifier: BSD-3-Clause
//
// How `godwit sub` ends: nobody answers, or nobody reads; and that its line of counts fits a terminal.
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <errno.h>

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
