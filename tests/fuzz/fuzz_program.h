// SPDX-License-Identifier: BSD-3-Clause
//
// An input read as a program: a target takes operations and their fields from it, byte by byte, so
// that a mutation changes one field and not the meaning of all that follows. Behind the end
// everything is 0.
//
// Owner: one run of a target.
#ifndef TESTS_FUZZ_PROGRAM_H
#define TESTS_FUZZ_PROGRAM_H

#include <string.h>

#include "tests/fuzz/fuzz_support.h"

struct program {
	const uint8_t *at;
	const uint8_t *end;
};

static inline bool program_more(const struct program *p)
{
	return p->at < p->end;
}

static inline uint8_t program_byte(struct program *p)
{
	return p->at < p->end ? *p->at++ : 0;
}

static inline uint32_t program_below(struct program *p, uint32_t bound)
{
	return program_byte(p) % bound;
}

static inline uint64_t program_u64(struct program *p)
{
	uint64_t value = 0;

	for (int i = 0; i < 8; i++)
		value = value << 8 | program_byte(p);
	return value;
}

// A number near `base`, where a comparison may go wrong, or anything at all.
static inline uint64_t program_near(struct program *p, uint64_t base)
{
	uint32_t how = program_below(p, 16);

	switch (how) {
	case 8:
		return 0;
	case 9:
		return UINT64_MAX;
	case 10:
		return UINT64_MAX - program_byte(p);
	case 11:
		return program_u64(p);
	case 12:
		return base + program_byte(p);
	case 13:
		return base - program_byte(p);
	case 14:
		return base + UINT32_MAX;
	case 15:
		return base + ((uint64_t)program_byte(p) << 16);
	default:
		return base + how - 3; // 3: the number itself
	}
}

// Changes bytes of a frame: most often none, else up to 4 in place.
static inline bool program_spoil(struct program *p, uint8_t *bytes, uint32_t length)
{
	uint32_t changes = program_byte(p);

	changes = changes < 192 ? 0 : changes % 4 + 1;
	for (uint32_t i = 0; i < changes && length > 0; i++) {
		uint32_t at = (program_byte(p) << 8 | program_byte(p)) % length;

		bytes[at] = program_byte(p);
	}
	return changes > 0;
}

#endif
