// SPDX-License-Identifier: BSD-3-Clause
//
// Golden byte vectors: what each frame of the protocol looks like, as text in tests/vectors, read
// by the tests of encoder, decoder and checks and by the replay of the fuzz targets.
//
// The format, a line at a time; `#` begins a remark:
//
//	frame DIRECTION NAME         a frame begins. DIRECTION: client, server (the sender of one between
//	                             both) or peer. NAME up to its first dot is the frame's type
//	BYTES FIELD                  the next field. BYTES is hexadecimal; or XX*N, a byte N times; or
//	                             "text":N, text padded with zeros to N bytes
//
// A field whose last word (after dots) begins with "zero" must be zero in a valid frame.
//
// Thread: any, each with vectors of its own. Memory: one allocation, freed by vectors_free().
#ifndef TESTS_SUPPORT_VECTORS_H
#define TESTS_SUPPORT_VECTORS_H

#include <stdbool.h>
#include <stdint.h>

#define VECTOR_DIRECTORY "tests/vectors"

enum {
	VECTOR_BYTES_MAX = 1500,
	VECTOR_FIELDS_MAX = 64,
	VECTOR_NAME_MAX = 40
};

enum vector_direction {
	VECTOR_CLIENT,
	VECTOR_SERVER,
	VECTOR_PEER
};

struct vector_field {
	char name[VECTOR_NAME_MAX];
	uint32_t offset;
	uint32_t bytes;
};

struct vector {
	char name[VECTOR_NAME_MAX];
	enum vector_direction direction;
	uint32_t length;
	uint32_t field_count;
	uint8_t bytes[VECTOR_BYTES_MAX];
	struct vector_field fields[VECTOR_FIELDS_MAX];
};

struct vectors {
	struct vector *items;
	uint32_t count;
};

// Read all *.txt of a directory, in the order of their names.
// Returns 0, or -errno with a line on stderr that names file and line: -EINVAL for a line that is
// not in the format, -ENOENT where there is no vector at all.
int vectors_load(struct vectors *vectors, const char *directory);

void vectors_free(struct vectors *vectors);

// The vector of that name, or NULL.
const struct vector *vectors_find(const struct vectors *vectors, const char *name);

// Whether the field must be zero in a valid frame.
bool vector_field_is_zero(const struct vector_field *field);

#endif
