// SPDX-License-Identifier: BSD-3-Clause
//
// What the tests of the configuration share: reading a text and what that said.
#ifndef TESTS_UNIT_CONFIG_RIG_H
#define TESTS_UNIT_CONFIG_RIG_H

#include <criterion/criterion.h>
#include <stdlib.h>

#include "control/config.h"

// What reading a text said, and how many errors it had.
struct outcome {
	struct config config;
	int errors;
	char *text;
};

// Each result's text is freed by its user.
static inline struct outcome outcome_of(const char *name, const char *yaml)
{
	struct outcome outcome;
	size_t bytes;
	FILE *out = open_memstream(&outcome.text, &bytes);

	outcome.errors = config_read_text(&outcome.config, name, yaml, strlen(yaml), out);
	fclose(out);
	return outcome;
}

#define PORT                                                                                       \
	"ports:\n"                                                                                 \
	"  - driver: null\n"                                                                       \
	"    address: 10.0.0.1/24\n"
#define STREAM                                                                                     \
	"streams:\n"                                                                               \
	"  - name: trades\n"                                                                       \
	"    log: 1 MiB\n"

// The text has exactly one error: this one at this place, under its line.
static inline void expect_error(const char *yaml, const char *line_and_text)
{
	struct outcome outcome = outcome_of("t.yaml", yaml);
	char expected[1024];

	snprintf(expected, sizeof(expected), "t.yaml:%s", line_and_text);
	cr_assert_eq(outcome.errors, 1, "of:\n%s\nit says:\n%s", yaml, outcome.text);
	cr_assert(strncmp(outcome.text, expected, strlen(expected)) == 0,
		  "of:\n%s\nit says:\n%s\nnot:\n%s", yaml, outcome.text, expected);
	free(outcome.text);
}

static inline void expect_good(const char *yaml)
{
	struct outcome outcome = outcome_of("t.yaml", yaml);

	cr_assert_eq(outcome.errors, 0, "of:\n%s\nit says:\n%s", yaml, outcome.text);
	cr_assert_str_empty(outcome.text);
	free(outcome.text);
}

#endif
