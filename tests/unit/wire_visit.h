// SPDX-License-Identifier: BSD-3-Clause
//
// One pass over a frame's fields that either writes values or compares with them: the layout tests
// say each field once and use it in both directions. Free bytes of a vector hold their offset, so a
// value says where its field must lie.
#ifndef TESTS_UNIT_WIRE_VISIT_H
#define TESTS_UNIT_WIRE_VISIT_H

#include <criterion/criterion.h>

#include <godwit/wire.h>

#include "tests/support/vectors.h"

struct visit {
	const char *name;
	uint8_t type;
	bool encoding; // write the values; else compare with them
	uint8_t *bytes;
};

static inline void *part_at(const struct visit *v, size_t offset)
{
	return v->bytes + offset;
}

static inline void visit_text(const struct visit *v, void *at, const char *text, size_t bytes)
{
	if (v->encoding)
		memcpy(at, text, bytes);
	else
		cr_assert_arr_eq(at, text, bytes, "%s at %td", v->name, (uint8_t *)at - v->bytes);
}

static inline void visit_name(const struct visit *v, uint8_t *at, const char *text)
{
	char padded[GODWIT_NAME_BYTES] = {0};

	memcpy(padded, text, strlen(text));
	visit_text(v, at, padded, sizeof(padded));
}

static inline void visit8(const struct visit *v, uint8_t *at, uint8_t value)
{
	if (v->encoding)
		*at = value;
	else
		cr_assert_eq(*at, value, "%s at %td", v->name, at - v->bytes);
}

static inline void visit16(const struct visit *v, struct godwit_be16 *at, uint16_t value)
{
	if (v->encoding)
		*at = godwit_be16(value);
	else
		cr_assert_eq(godwit_get16(*at), value, "%s at %td", v->name,
			     (uint8_t *)at - v->bytes);
}

static inline void visit32(const struct visit *v, struct godwit_be32 *at, uint32_t value)
{
	if (v->encoding)
		*at = godwit_be32(value);
	else
		cr_assert_eq(godwit_get32(*at), value, "%s at %td", v->name,
			     (uint8_t *)at - v->bytes);
}

static inline void visit64(const struct visit *v, struct godwit_be64 *at, uint64_t value)
{
	if (v->encoding)
		*at = godwit_be64(value);
	else
		cr_assert_eq(godwit_get64(*at), value, "%s at %td", v->name,
			     (uint8_t *)at - v->bytes);
}

// The first 8 bytes.
static inline void visit_frame(const struct visit *v, struct godwit_frame *f, uint16_t flags,
			       uint16_t count)
{
	visit8(v, &f->version, 1);
	visit8(v, &f->type, v->type);
	visit16(v, &f->flags, flags);
	visit16(v, &f->count, count);
}

static inline void visit_from_client(const struct visit *v, struct godwit_from_client *f,
				     uint16_t flags, uint16_t count)
{
	visit_frame(v, &f->frame, flags, count);
	visit64(v, &f->handle, 0x08090a0b0c0d0e0f);
	visit64(v, &f->key, 0x1011121314151617);
}

static inline void visit_from_server_flagged(const struct visit *v, struct godwit_from_server *f,
					     uint16_t flags, uint16_t count)
{
	visit_frame(v, &f->frame, flags, count);
	visit64(v, &f->cluster, 0x08090a0b0c0d0e0f);
	visit64(v, &f->incarnation, 0x1011121314151617);
	visit16(v, &f->server, 0x1819);
	visit32(v, &f->epoch, 0x1c1d1e1f);
}

static inline void visit_from_server(const struct visit *v, struct godwit_from_server *f,
				     uint16_t count)
{
	visit_from_server_flagged(v, f, 0, count);
}

// A frame type: its vector's name and the visit of its fields.
struct visited {
	const char *name;
	uint8_t type;
	void (*visit)(const struct visit *v);
};

// Each frame written field by field is its vector, to the last byte and no further.
static inline void visit_written(const struct visited *frames, size_t count)
{
	struct vectors vectors;

	cr_assert_eq(vectors_load(&vectors, VECTOR_DIRECTORY), 0);
	for (size_t i = 0; i < count; i++) {
		const struct vector *vector = vectors_find(&vectors, frames[i].name);
		uint8_t bytes[VECTOR_BYTES_MAX] = {0};
		struct visit v = {frames[i].name, frames[i].type, true, bytes};

		cr_assert_not_null(vector, "%s has a vector", v.name);
		frames[i].visit(&v);
		for (uint32_t at = 0; at < sizeof(bytes); at++) {
			uint8_t wanted = at < vector->length ? vector->bytes[at] : 0;

			cr_assert_eq(bytes[at], wanted, "%s at %u: %02x, not %02x", v.name, at,
				     bytes[at], wanted);
		}
	}
	vectors_free(&vectors);
}

// The fields of each vector's bytes are the values of its visit.
static inline void visit_read(const struct visited *frames, size_t count)
{
	struct vectors vectors;

	cr_assert_eq(vectors_load(&vectors, VECTOR_DIRECTORY), 0);
	for (size_t i = 0; i < count; i++) {
		const struct vector *vector = vectors_find(&vectors, frames[i].name);
		struct visit v = {frames[i].name, frames[i].type, false, NULL};

		cr_assert_not_null(vector, "%s has a vector", v.name);
		v.bytes = (uint8_t *)vector->bytes;
		frames[i].visit(&v);
	}
	vectors_free(&vectors);
}

#endif
