// SPDX-License-Identifier: BSD-3-Clause
//
// What the tests of `godwit` share: a server's answer, and what a command prints of it. `said.out` and `said.err`
// stand for its two outputs from said_begin() until said_end(), which leaves the texts.
#ifndef TESTS_UNIT_TOOLS_RIG_H
#define TESTS_UNIT_TOOLS_RIG_H

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

struct said {
	FILE *out, *err;
	char *out_text, *err_text;
	size_t out_bytes, err_bytes;
};

static struct said said;

// An answer, or an array of rows. To be given back by json_decref().
static inline json_t *answer_of(const char *json)
{
	json_t *answer = json_loads(json, 0, NULL);

	cr_assert_not_null(answer, "no JSON: %s", json);
	return answer;
}

static inline void said_begin(void)
{
	said.out = open_memstream(&said.out_text, &said.out_bytes);
	said.err = open_memstream(&said.err_text, &said.err_bytes);
	cr_assert_not_null(said.out);
	cr_assert_not_null(said.err);
}

static inline void said_end(void)
{
	fclose(said.out);
	fclose(said.err);
}

static inline void said_forget(void)
{
	free(said.out_text);
	free(said.err_text);
	said = (struct said){0};
}

// What was said, all of it; it is forgotten.
static inline void said_expect(const char *out, const char *err)
{
	cr_assert_str_eq(said.out_text, out, "got:\n%s\nexpected:\n%s", said.out_text, out);
	cr_assert_str_eq(said.err_text, err, "got:\n%s\nexpected:\n%s", said.err_text, err);
	said_forget();
}

#endif
