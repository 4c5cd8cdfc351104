// SPDX-License-Identifier: BSD-3-Clause
//
// What fuzz targets share: an assertion that no build switches off, and a sum of bytes that makes
// every one of them be read, so that a sanitizer sees a walk that leaves its frame.
//
// Thread: any.
#ifndef TESTS_FUZZ_SUPPORT_H
#define TESTS_FUZZ_SUPPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(what)                                                                              \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what);                 \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

// The frame under test: what a walk may touch.
struct extent {
	const uint8_t *begin;
	const uint8_t *end;
};

// Read `bytes` of it from `at` on, all of which must lie in the extent.
static inline uint64_t extent_read(const struct extent *e, const void *at, size_t bytes)
{
	const uint8_t *from = at;
	uint64_t sum = bytes;

	REQUIRE(from >= e->begin && from <= e->end);
	REQUIRE(bytes <= (size_t)(e->end - from));
	for (size_t i = 0; i < bytes; i++)
		sum = sum * 31 + from[i];
	return sum;
}

#endif
