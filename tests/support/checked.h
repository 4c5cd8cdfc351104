// SPDX-License-Identifier: BSD-3-Clause
//
// Tests whose end is checked too. Criterion calls a test passed whatever fails in its suite's .fini,
// even where that crashes: so what must hold at the end is asked inside the test.
//
//   static void stop(void) { ... cr_assert(...); }
//   Checked(suite, name, stop) { the test; stop() is called after it }
//
// A test that fails half-way does not reach its end: it runs in a process of its own, which ends.
#ifndef TESTS_SUPPORT_CHECKED_H
#define TESTS_SUPPORT_CHECKED_H

#include <criterion/criterion.h>

#define Checked(suite, name, end, ...)                                                             \
	static void suite##_##name##_body(void);                                                   \
	Test(suite, name, ##__VA_ARGS__)                                                           \
	{                                                                                          \
		suite##_##name##_body();                                                           \
		end();                                                                             \
	}                                                                                          \
	static void suite##_##name##_body(void)

#endif
