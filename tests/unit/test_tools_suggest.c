// SPDX-License-Identifier: BSD-3-Clause
//
// What somebody meant who misspelled a command or an option.
#include <criterion/criterion.h>
#include <stdarg.h>
#include <string.h>

#include "client/tools/suggest.h"

static const char *const words[] = {"pub", "sub", "status"};

static const struct argp_option child_options[] = {
	{"server", 0x101, "ADDRESS", 0, "", 0},
	{"quiet", 'q', NULL, 0, "", 0},
	{0},
};
static const struct argp child_argp = {.options = child_options};
static const struct argp_child children[] = {{&child_argp, 0, NULL, 0}, {0}};
static const struct argp_option options[] = {
	{NULL, 0, NULL, 0, "Heading:", 1},
	{"topic", 't', "NAME", 0, "", 1},
	{"topic-field", 0x100, "N", 0, "", 1},
	{"check", 0x102, NULL, 0, "", 1},
	{0},
};
static const struct argp argp = {.options = options, .children = children};

static const char *unknown(const char **nearest, int argc, ...)
{
	char name[] = "godwit", *argv[8] = {name};
	va_list args;

	*nearest = NULL;
	va_start(args, argc);
	for (int i = 1; i <= argc; i++)
		argv[i] = va_arg(args, char *);
	va_end(args);
	return suggest_unknown_option(&argp, argc + 1, argv, nearest);
}

Test(tools_suggest, counts_edits)
{
	cr_assert_eq(suggest_distance("", ""), 0);
	cr_assert_eq(suggest_distance("sub", "sub"), 0);
	cr_assert_eq(suggest_distance("sub", ""), 3);
	cr_assert_eq(suggest_distance("kitten", "sitting"), 3);
	cr_assert_eq(suggest_distance("statsu", "status"), 1, "two swapped letters are one edit");
	cr_assert_eq(suggest_distance("pub", "sub"), 1);
}

Test(tools_suggest, does_not_overrun_on_long_words)
{
	char word[200];

	memset(word, 'a', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	cr_assert_eq(suggest_distance(word, "sub"), UINT32_MAX);
	cr_assert_eq(suggest_distance("sub", word), UINT32_MAX);
	cr_assert_null(suggest_nearest(word, words, 3));
}

Test(tools_suggest, names_the_nearest_word_or_none)
{
	cr_assert_str_eq(suggest_nearest("statsu", words, 3), "status");
	cr_assert_str_eq(suggest_nearest("stat", words, 3), "status");
	cr_assert_str_eq(suggest_nearest("pubb", words, 3), "pub");
	cr_assert_null(suggest_nearest("frobnicate", words, 3));
}

Test(tools_suggest, finds_options_of_children_too)
{
	const char *nearest;

	cr_assert_null(unknown(&nearest, 3, "--server", "1", "--check"));
	cr_assert_str_eq(unknown(&nearest, 2, "--check", "--sever=1"), "--sever=1");
	cr_assert_str_eq(nearest, "server");
	cr_assert_str_eq(unknown(&nearest, 1, "--zzzzzz"), "--zzzzzz");
	cr_assert_null(nearest);
}

Test(tools_suggest, takes_no_value_for_an_option)
{
	const char *nearest;

	cr_assert_null(unknown(&nearest, 2, "--topic", "--chek"));
	cr_assert_null(unknown(&nearest, 2, "-t", "--chek"));
	cr_assert_null(unknown(&nearest, 2, "-qt", "--chek"));
	cr_assert_null(unknown(&nearest, 2, "--", "--chek"));
	cr_assert_str_eq(unknown(&nearest, 2, "-tname", "--chek"), "--chek");
	cr_assert_str_eq(nearest, "check");
	cr_assert_str_eq(unknown(&nearest, 2, "--topic=name", "--chek"), "--chek");
	cr_assert_str_eq(unknown(&nearest, 2, "-q", "--chek"), "--chek");
}

Test(tools_suggest, accepts_what_getopt_accepts)
{
	const char *nearest;

	cr_assert_null(unknown(&nearest, 1, "--help"));
	cr_assert_null(unknown(&nearest, 1, "--che"));
	cr_assert_null(unknown(&nearest, 1, "-"));
}
