// SPDX-License-Identifier: BSD-3-Clause
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "control/logline.h"

static struct logline log_here;
static char *written;
static size_t written_bytes;

static void setup(void)
{
	// A stream in memory is no terminal.
	logline_init(&log_here, tmpfile(), LOG_LEVEL_INFO);
}

static const char *text(void)
{
	free(written);
	written = calloc(1, 1 << 16);
	rewind(log_here.out);
	written_bytes = fread(written, 1, (1 << 16) - 1, log_here.out);
	return written;
}

static uint32_t lines(void)
{
	uint32_t count = 0;

	for (const char *c = text(); *c != '\0'; c++)
		count += *c == '\n';
	return count;
}

static void teardown(void)
{
	fclose(log_here.out);
	free(written);
}

TestSuite(logline, .init = setup, .fini = teardown);

Test(logline, writes_one_line_with_its_level)
{
	logline(&log_here, LOG_LEVEL_INFO, "ready");
	logline(&log_here, LOG_LEVEL_WARNING, "link %d is down", 3);
	logline(&log_here, LOG_LEVEL_ERROR, "no");
	cr_assert_str_eq(text(), "godwitd: ready\n"
				 "godwitd: warning: link 3 is down\n"
				 "godwitd: error: no\n");
}

Test(logline, leaves_out_what_is_less_important)
{
	struct logline_site site = {0};

	logline(&log_here, LOG_LEVEL_DEBUG, "detail");
	logline_limited(&log_here, &site, 0, LOG_LEVEL_DEBUG, "detail");
	cr_assert_str_eq(text(), "");
}

Test(logline, falls_silent_at_a_place_that_speaks_often)
{
	struct logline_site site = {0}, other = {0};

	for (uint32_t i = 0; i < 100; i++)
		logline_limited(&log_here, &site, 1000 + i, LOG_LEVEL_WARNING, "lost %u", i);
	cr_assert_eq(lines(), LOGLINE_BURST);
	// Another place is not silenced by it.
	logline_limited(&log_here, &other, 1100, LOG_LEVEL_WARNING, "other");
	cr_assert_eq(lines(), LOGLINE_BURST + 1);
}

Test(logline, tells_how_many_lines_were_not_written)
{
	struct logline_site site = {0};

	for (uint32_t i = 0; i < 100; i++)
		logline_limited(&log_here, &site, 1000, LOG_LEVEL_WARNING, "lost");
	logline_limited(&log_here, &site, 1000 + LOGLINE_WINDOW_NS - 1, LOG_LEVEL_WARNING, "early");
	cr_assert_eq(lines(), LOGLINE_BURST);
	logline_limited(&log_here, &site, 1000 + LOGLINE_WINDOW_NS, LOG_LEVEL_WARNING, "late");
	cr_assert_eq(lines(), LOGLINE_BURST + 2);
	cr_assert_not_null(strstr(text(), "godwitd: warning: 96 lines like the next one were not "
					  "written\ngodwitd: warning: late\n"));
	// Told once.
	logline_limited(&log_here, &site, 1001 + LOGLINE_WINDOW_NS, LOG_LEVEL_WARNING, "later");
	cr_assert_eq(lines(), LOGLINE_BURST + 3);
}
