// SPDX-License-Identifier: BSD-3-Clause
//
// The checks and walks of frames, over the golden vectors and over frames that break one rule each.
#include <criterion/criterion.h>

#include <godwit/wire_check_peer.h>

#include "tests/support/vectors.h"

enum {
	FRAME_BYTES_MAX = 4096
};

static struct vectors vectors;

static void setup(void)
{
	cr_assert_eq(vectors_load(&vectors, VECTOR_DIRECTORY), 0);
}

static void teardown(void)
{
	vectors_free(&vectors);
}

TestSuite(wire, .init = setup, .fini = teardown);

// The verdict over memory of exactly that size, so that a sanitizer sees a read past its end.
static enum godwit_check check(enum vector_direction direction, const uint8_t *bytes, size_t length)
{
	uint8_t *copy = malloc(length ? length : 1);
	enum godwit_check verdict;

	cr_assert_not_null(copy);
	memcpy(copy, bytes, length);
	verdict = direction == VECTOR_CLIENT ? godwit_check_from_client(copy, length) :
		  direction == VECTOR_SERVER ? godwit_check_from_server(copy, length) :
					       godwit_check_from_peer(copy, length);
	free(copy);
	return verdict;
}

static const struct vector *vector_of(const char *name)
{
	const struct vector *vector = vectors_find(&vectors, name);

	cr_assert_not_null(vector, "%s", name);
	return vector;
}

static const struct vector_field *field_of(const struct vector *vector, const char *name)
{
	const struct vector_field *field = NULL;

	for (uint32_t i = 0; i < vector->field_count; i++)
		if (strcmp(vector->fields[i].name, name) == 0)
			field = &vector->fields[i];
	cr_assert_not_null(field, "%s.%s", vector->name, name);
	return field;
}

// Write a value over a field of up to 8 bytes.
static void field_put(uint8_t *bytes, const struct vector_field *field, uint64_t value)
{
	for (uint32_t i = field->bytes; i-- > 0; value >>= 8)
		bytes[field->offset + i] = (uint8_t)value;
}

Test(wire, accepts_every_vector_in_its_direction_only)
{
	uint32_t between_servers = 0;

	for (uint32_t i = 0; i < vectors.count; i++) {
		const struct vector *v = &vectors.items[i];
		enum godwit_check client = check(VECTOR_CLIENT, v->bytes, v->length);
		enum godwit_check server = check(VECTOR_SERVER, v->bytes, v->length);
		enum godwit_check peer = check(VECTOR_PEER, v->bytes, v->length);

		between_servers += v->direction == VECTOR_PEER;
		cr_assert_eq(client,
			     v->direction == VECTOR_CLIENT ? GODWIT_CHECK_OK : GODWIT_CHECK_TYPE,
			     "%s: %s", v->name, godwit_check_name(client));
		cr_assert_eq(server,
			     v->direction == VECTOR_SERVER ? GODWIT_CHECK_OK : GODWIT_CHECK_TYPE,
			     "%s: %s", v->name, godwit_check_name(server));
		cr_assert_eq(peer,
			     v->direction == VECTOR_PEER ? GODWIT_CHECK_OK : GODWIT_CHECK_TYPE,
			     "%s: %s", v->name, godwit_check_name(peer));
	}
	cr_assert_eq(between_servers, 16);
}

Test(wire, refuses_every_shorter_beginning)
{
	for (uint32_t i = 0; i < vectors.count; i++) {
		const struct vector *v = &vectors.items[i];

		for (uint32_t length = 0; length < v->length; length++)
			cr_assert_neq(check(v->direction, v->bytes, length), GODWIT_CHECK_OK,
				      "%s of %u bytes", v->name, length);
		for (uint32_t length = 0; length < sizeof(struct godwit_frame); length++)
			cr_assert_eq(check(v->direction, v->bytes, length), GODWIT_CHECK_SHORT);
	}
}

Test(wire, refuses_one_byte_more)
{
	for (uint32_t i = 0; i < vectors.count; i++) {
		const struct vector *v = &vectors.items[i];
		uint8_t bytes[VECTOR_BYTES_MAX + 1] = {0};
		enum godwit_check verdict;

		memcpy(bytes, v->bytes, v->length);
		verdict = check(v->direction, bytes, v->length + 1);
		// What ends in records sees the byte as one of theirs.
		cr_assert(verdict == GODWIT_CHECK_LENGTH || (v->bytes[1] == GODWIT_REPLICATE &&
							     verdict == GODWIT_CHECK_RECORD),
			  "%s: %s", v->name, godwit_check_name(verdict));
	}
}

Test(wire, refuses_every_bit_of_zero_fields)
{
	uint32_t tried = 0;

	for (uint32_t i = 0; i < vectors.count; i++) {
		struct vector v = vectors.items[i];

		for (uint32_t f = 0; f < v.field_count; f++) {
			const struct vector_field *field = &v.fields[f];

			if (!vector_field_is_zero(field))
				continue;
			for (uint32_t bit = 0; bit < 8 * field->bytes; bit++, tried++) {
				uint8_t *byte = &v.bytes[field->offset + bit / 8];
				enum godwit_check verdict;

				*byte ^= (uint8_t)(1u << bit % 8);
				verdict = check(v.direction, v.bytes, v.length);
				*byte ^= (uint8_t)(1u << bit % 8);
				cr_assert(verdict == GODWIT_CHECK_ZERO ||
						  verdict == GODWIT_CHECK_RECORD,
					  "%s.%s: %s", v.name, field->name,
					  godwit_check_name(verdict));
			}
		}
	}
	cr_assert_gt(tried, 1000, "zero fields were found");
}

Test(wire, takes_any_padding_of_hello)
{
	struct vector v = *vector_of("HELLO");
	const struct vector_field *padding = field_of(&v, "padding");

	for (uint32_t at = 0; at < padding->bytes; at++) {
		v.bytes[padding->offset + at] = 0xa5;
		cr_assert_eq(check(VECTOR_CLIENT, v.bytes, v.length), GODWIT_CHECK_OK);
	}
}

Test(wire, refuses_other_versions_and_types)
{
	uint32_t known_client = 0, known_server = 0, known_peer = 0;

	for (unsigned int value = 0; value < 256; value++) {
		uint8_t bytes[FRAME_BYTES_MAX] = {(uint8_t)value, GODWIT_ACK};

		if (value != GODWIT_VERSION) {
			cr_assert_eq(check(VECTOR_CLIENT, bytes, 32), GODWIT_CHECK_VERSION);
			cr_assert_eq(check(VECTOR_SERVER, bytes, 32), GODWIT_CHECK_VERSION);
			cr_assert_eq(check(VECTOR_PEER, bytes, 32), GODWIT_CHECK_VERSION);
		}
		bytes[0] = GODWIT_VERSION;
		bytes[1] = (uint8_t)value;
		known_client += check(VECTOR_CLIENT, bytes, 8) != GODWIT_CHECK_TYPE;
		known_server += check(VECTOR_SERVER, bytes, 8) != GODWIT_CHECK_TYPE;
		known_peer += check(VECTOR_PEER, bytes, 8) != GODWIT_CHECK_TYPE;
	}
	cr_assert_eq(known_client, 10);
	cr_assert_eq(known_server, 14);
	cr_assert_eq(known_peer, 11);
}

// The flags that a type may carry; whether the rest of the frame then fits is another question.
static uint32_t flags_of(uint8_t type)
{
	switch (type) {
	case GODWIT_SUBSCRIBE:
	case GODWIT_RESUME:
		return GODWIT_FLAG_FILTERED;
	case GODWIT_TOPIC:
		return GODWIT_FLAG_CREATE;
	case GODWIT_TAKE:
		return GODWIT_FLAG_BY_HOME;
	case GODWIT_DATA:
		return GODWIT_FLAG_FILTERED | GODWIT_FLAG_REPAIR;
	case GODWIT_PEER_HELLO:
	case GODWIT_SNAPSHOT:
	case GODWIT_RECONCILE:
		return GODWIT_FLAG_ANSWER;
	case GODWIT_PEER_HEARTBEAT:
		return GODWIT_FLAG_DRAINING;
	default:
		return 0;
	}
}

Test(wire, refuses_flags_that_a_type_may_not_carry)
{
	for (uint32_t i = 0; i < vectors.count; i++) {
		struct vector v = vectors.items[i];
		uint32_t own = (uint32_t)v.bytes[2] << 8 | v.bytes[3];

		for (uint32_t bit = 0; bit < 16; bit++) {
			enum godwit_check verdict;

			field_put(v.bytes, field_of(&v, "flags"), own | 1u << bit);
			verdict = check(v.direction, v.bytes, v.length);
			if (flags_of(v.bytes[1]) & 1u << bit)
				cr_assert_neq(verdict, GODWIT_CHECK_FLAGS, "%s", v.name);
			else
				cr_assert_eq(verdict, GODWIT_CHECK_FLAGS, "%s: %u", v.name, bit);
		}
	}
}

// One field of a vector changed, and the verdict that follows.
struct edit {
	const char *frame, *field;
	uint64_t value;
	enum godwit_check verdict;
};

static const struct edit edits[] = {
	{"HELLO", "count", 1, GODWIT_CHECK_COUNT},
	{"HELLO_PROOF", "credential_bytes", 10, GODWIT_CHECK_LENGTH},
	{"HELLO_PROOF", "credential_bytes", 12, GODWIT_CHECK_LENGTH},
	{"HELLO_PROOF", "credential_bytes", 513, GODWIT_CHECK_FIELD},
	{"SUBSCRIBE", "start", 5, GODWIT_CHECK_FIELD},
	{"SUBSCRIBE", "policy", 3, GODWIT_CHECK_FIELD},
	{"SUBSCRIBE", "window", 0, GODWIT_CHECK_FIELD},
	{"SUBSCRIBE", "window", 1, GODWIT_CHECK_OK},
	{"SUBSCRIBE", "count", 0, GODWIT_CHECK_COUNT},
	{"SUBSCRIBE", "count", 2, GODWIT_CHECK_LENGTH},
	{"SUBSCRIBE", "count", 241, GODWIT_CHECK_COUNT},
	{"SUBSCRIBE", "flags", 0, GODWIT_CHECK_COUNT},
	{"SUBSCRIBE", "topic[0]", 0, GODWIT_CHECK_FIELD},
	{"SUBSCRIBE", "topic[0]", 0x01020305, GODWIT_CHECK_FIELD},
	{"SUBSCRIBE", "topic[2]", 0x01020304, GODWIT_CHECK_FIELD},
	{"SUBSCRIBE.whole", "flags", GODWIT_FLAG_FILTERED, GODWIT_CHECK_COUNT},
	{"SUBSCRIBE.whole", "count", 1, GODWIT_CHECK_COUNT},
	{"RESUME", "policy", 3, GODWIT_CHECK_FIELD},
	{"RESUME", "window", 0, GODWIT_CHECK_FIELD},
	{"RESUME", "topic[1]", 1, GODWIT_CHECK_FIELD},
	{"RESUME", "flags", 0, GODWIT_CHECK_COUNT},
	{"RESUME.whole", "count", 1, GODWIT_CHECK_COUNT},
	{"ACK", "count", 1, GODWIT_CHECK_LENGTH},
	{"ACK", "count", 3, GODWIT_CHECK_LENGTH},
	{"ACK", "entry[0].naks", 5, GODWIT_CHECK_COUNT},
	{"ACK", "entry[0].naks", 0xffff, GODWIT_CHECK_LENGTH},
	{"ACK", "entry[0].flags", 4, GODWIT_CHECK_FLAGS},
	{"ACK", "entry[0].nak[0].first", 0, GODWIT_CHECK_FIELD},
	{"ACK", "entry[0].nak[1].first", UINT64_MAX, GODWIT_CHECK_FIELD},
	{"ACK", "entry[0].nak[1].first", 0x68696a6b6c6d6e6f, GODWIT_CHECK_OK},
	{"ACK", "entry[1].naks", 1, GODWIT_CHECK_LENGTH},
	{"ACK.naks", "entry[1].nak[3].first", 0, GODWIT_CHECK_FIELD},
	{"PUBLISH", "first", 0, GODWIT_CHECK_FIELD},
	{"PUBLISH", "first", UINT64_MAX - 4, GODWIT_CHECK_OK},
	{"PUBLISH", "first", UINT64_MAX - 3, GODWIT_CHECK_FIELD},
	{"PUBLISH", "count", 3, GODWIT_CHECK_LENGTH},
	{"PUBLISH", "count", 5, GODWIT_CHECK_COUNT},
	{"PUBLISH", "record[0].flags", 0x0100, GODWIT_CHECK_RECORD},
	{"PUBLISH", "record[3].flags", 0x0001, GODWIT_CHECK_RECORD},
	{"PUBLISH", "record[1].time", 1, GODWIT_CHECK_RECORD},
	{"PUBLISH", "record[3].length", 5, GODWIT_CHECK_RECORD},
	{"PUBLISH", "record[3].length", 2, GODWIT_CHECK_RECORD},
	{"PUBLISH", "record[3].length", 0xffff, GODWIT_CHECK_RECORD},
	{"PUBLISH.none", "count", 1, GODWIT_CHECK_COUNT},
	{"PUBLISH.none", "first", 0, GODWIT_CHECK_FIELD},
	{"WELCOME", "count", 1, GODWIT_CHECK_LENGTH},
	{"WELCOME", "count", 3, GODWIT_CHECK_LENGTH},
	{"DATA", "covers", 0, GODWIT_CHECK_FIELD},
	{"DATA", "covers", 3, GODWIT_CHECK_COUNT},
	{"DATA", "covers_from", 0, GODWIT_CHECK_FIELD},
	{"DATA", "covers_from", UINT64_MAX - 2, GODWIT_CHECK_OK},
	{"DATA", "covers_from", UINT64_MAX - 1, GODWIT_CHECK_FIELD},
	{"DATA", "count", 1, GODWIT_CHECK_COUNT},
	{"DATA", "record[1].length", 9, GODWIT_CHECK_RECORD},
	{"DATA", "record[1].flags", 0xffff, GODWIT_CHECK_OK},
	{"DATA.filtered", "covers", 65537, GODWIT_CHECK_FIELD},
	{"DATA.filtered", "covers", 65535, GODWIT_CHECK_FIELD},
	{"DATA.filtered", "covers", 2, GODWIT_CHECK_COUNT},
	{"DATA.filtered", "distance[0]", 0, GODWIT_CHECK_OK},
	{"DATA.filtered", "distance[1]", 0x0102, GODWIT_CHECK_FIELD},
	{"DATA.filtered", "distance[1]", 0xffff, GODWIT_CHECK_FIELD},
	{"DATA.even", "covers", 1, GODWIT_CHECK_COUNT},
	{"DATA.coverage", "covers", UINT32_MAX, GODWIT_CHECK_OK},
	{"DATA.coverage", "covers", 0, GODWIT_CHECK_FIELD},
	{"DATA.coverage", "covers_from", UINT64_MAX - 0x34353637, GODWIT_CHECK_OK},
	{"DATA.coverage", "covers_from", UINT64_MAX - 0x34353636, GODWIT_CHECK_FIELD},
	{"DATA.coverage", "flags", 0, GODWIT_CHECK_COUNT},
	{"HEARTBEAT", "count", 1, GODWIT_CHECK_LENGTH},
	{"HEARTBEAT", "count", 3, GODWIT_CHECK_LENGTH},
	{"TAKE", "count", 1, GODWIT_CHECK_COUNT},
	{"TOPIC_NUMBER", "topic", 0, GODWIT_CHECK_FIELD},
	{"ERROR", "text_bytes", 12, GODWIT_CHECK_LENGTH},
	{"ERROR", "text_bytes", 257, GODWIT_CHECK_FIELD},
	{"PEER_HELLO", "count", 0, GODWIT_CHECK_LENGTH},
	{"PEER_HELLO", "count", 2, GODWIT_CHECK_LENGTH},
	{"PEER_HELLO", "refusal", 0xffff, GODWIT_CHECK_OK},
	{"PEER_HEARTBEAT", "count", 2, GODWIT_CHECK_LENGTH},
	{"REPLICATE", "count", 0, GODWIT_CHECK_FIELD}, // and the run with it
	{"REPLICATE", "count", 2, GODWIT_CHECK_COUNT},
	{"REPLICATE", "first", 0, GODWIT_CHECK_FIELD},
	{"REPLICATE", "first", UINT64_MAX, GODWIT_CHECK_FIELD},
	{"REPLICATE", "runs", 0, GODWIT_CHECK_RECORD}, // the run is a record then
	{"REPLICATE", "runs", 2, GODWIT_CHECK_LENGTH},
	{"REPLICATE", "runs", 0xffff, GODWIT_CHECK_LENGTH},
	{"REPLICATE", "run[0].count", 0, GODWIT_CHECK_FIELD},
	{"REPLICATE", "run[0].count", 2, GODWIT_CHECK_FIELD},
	{"REPLICATE", "run[0].first_seq", 0x28292a2b2c2d2e2e, GODWIT_CHECK_FIELD},
	{"REPLICATE", "run[0].first_seq", 0x28292a2b2c2d2e30, GODWIT_CHECK_FIELD},
	{"REPLICATE", "run[0].first_number", 0, GODWIT_CHECK_FIELD},
	{"REPLICATE", "run[0].first_number", UINT64_MAX, GODWIT_CHECK_FIELD},
	{"REPLICATE", "record[0].flags", 0xff00, GODWIT_CHECK_OK},
	{"REPLICATE", "record[0].length", 5, GODWIT_CHECK_RECORD},
	{"META", "kind", 1, GODWIT_CHECK_FIELD},
	{"META", "kind", 3, GODWIT_CHECK_FIELD},
	{"META", "entry", 0, GODWIT_CHECK_FIELD},
	{"META", "bytes", 15, GODWIT_CHECK_LENGTH},
	{"META.topic", "kind", 2, GODWIT_CHECK_FIELD},
	{"SNAPSHOT", "kind", 0, GODWIT_CHECK_FIELD},
	{"SNAPSHOT", "kind", 2, GODWIT_CHECK_FIELD},
	{"SNAPSHOT", "kind", 4, GODWIT_CHECK_FIELD},
	{"SNAPSHOT", "bytes", 0, GODWIT_CHECK_LENGTH},
	{"SNAPSHOT", "flags", 0, GODWIT_CHECK_FIELD}, // an asker sends none
	{"SNAPSHOT", "page", 0x3c3d3e3f, GODWIT_CHECK_FIELD},
	{"SNAPSHOT.ask", "flags", GODWIT_FLAG_ANSWER, GODWIT_CHECK_OK},
	{"SNAPSHOT.ask", "page", UINT32_MAX, GODWIT_CHECK_OK},
	{"SNAPSHOT.epochs", "epoch[1].epoch", 0x50515253, GODWIT_CHECK_FIELD},
	{"SNAPSHOT.epochs", "epoch[1].first", 0x48494a4b4c4d4e4e, GODWIT_CHECK_FIELD},
	{"SNAPSHOT.epochs", "epoch[1].first", 0x48494a4b4c4d4e4f, GODWIT_CHECK_OK},
	{"RECONCILE", "count", 1, GODWIT_CHECK_COUNT},
	{"RECONCILE", "code", 0xffff, GODWIT_CHECK_OK},
	{"PEER_ACK", "naks", 0, GODWIT_CHECK_LENGTH},
	{"PEER_ACK", "naks", 2, GODWIT_CHECK_LENGTH},
	{"PEER_ACK", "naks", 5, GODWIT_CHECK_COUNT},
	{"PEER_ACK", "nak[0].first", 0, GODWIT_CHECK_FIELD},
	{"PEER_ACK", "nak[0].first", 0x5051525354555658, GODWIT_CHECK_FIELD},
};

Test(wire, judges_each_edited_field)
{
	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		const struct edit *edit = &edits[i];
		struct vector v = *vector_of(edit->frame);
		enum godwit_check verdict;

		field_put(v.bytes, field_of(&v, edit->field), edit->value);
		verdict = check(v.direction, v.bytes, v.length);
		cr_assert_eq(verdict, edit->verdict, "%s.%s = %llu: %s, not %s", edit->frame,
			     edit->field, (unsigned long long)edit->value,
			     godwit_check_name(verdict), godwit_check_name(edit->verdict));
	}
}

Test(wire, refuses_damaged_names)
{
	static const struct {
		const char *frame, *field;
	} names[] = {{"SUBSCRIBE", "stream"},
		     {"RESUME", "stream"},
		     {"PUBLISH_OPEN", "stream"},
		     {"TOPIC", "stream"},
		     {"TOPIC", "name"},
		     {"TOPIC_NUMBER", "name"},
		     {"META.topic", "topic_name"},
		     {"SNAPSHOT.topics", "topic[0].name"}};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct vector v = *vector_of(names[i].frame);
		uint8_t *name = v.bytes + field_of(&v, names[i].field)->offset;

		name[0] = '\n';
		cr_assert_eq(check(v.direction, v.bytes, v.length), GODWIT_CHECK_FIELD);
		name[0] = '\0';
		cr_assert_eq(check(v.direction, v.bytes, v.length), GODWIT_CHECK_FIELD);
		memset(name, 'a', GODWIT_NAME_BYTES);
		cr_assert_eq(check(v.direction, v.bytes, v.length), GODWIT_CHECK_FIELD);
		name[GODWIT_NAME_BYTES - 1] = '\0';
		cr_assert_eq(check(v.direction, v.bytes, v.length), GODWIT_CHECK_OK);
		name[1] = '\0';
		cr_assert_eq(check(v.direction, v.bytes, v.length), GODWIT_CHECK_FIELD);
	}
}

Test(wire, sets_only_names_that_are_valid)
{
	char text[GODWIT_NAME_BYTES + 2] = {0};
	uint8_t name[GODWIT_NAME_BYTES];
	static const uint8_t none[GODWIT_NAME_BYTES];

	cr_assert(godwit_name_set(name, "orders"));
	cr_assert(godwit_name_valid(name));
	cr_assert_str_eq((const char *)name, "orders");
	cr_assert_not(godwit_name_set(name, ""));
	cr_assert_arr_eq(name, none, sizeof(name));
	for (size_t length = 1; length <= GODWIT_NAME_BYTES + 1; length++) {
		memset(text, 'x', length);
		cr_assert_eq(godwit_name_set(name, text), length < GODWIT_NAME_BYTES);
	}
	for (unsigned int c = 1; c < 256; c++) {
		char one[2] = {(char)c, '\0'};

		cr_assert_eq(godwit_name_set(name, one), c >= 0x20 && c <= 0x7e, "%#x", c);
	}
}

Test(wire, takes_a_filter_of_up_to_240_topics)
{
	uint8_t bytes[FRAME_BYTES_MAX];
	const struct vector *v = vector_of("RESUME.whole");

	memcpy(bytes, v->bytes, v->length);
	field_put(bytes, field_of(v, "flags"), GODWIT_FLAG_FILTERED);
	for (uint32_t count = 1; count <= GODWIT_FILTER_TOPICS + 1; count++) {
		struct vector_field topic = {.offset = v->length + 4 * (count - 1), .bytes = 4};
		enum godwit_check verdict;

		field_put(bytes, &topic, 10 * count);
		field_put(bytes, field_of(v, "count"), count);
		verdict = check(VECTOR_CLIENT, bytes, v->length + 4 * count);
		cr_assert_eq(verdict,
			     count <= GODWIT_FILTER_TOPICS ? GODWIT_CHECK_OK : GODWIT_CHECK_COUNT);
	}
}

// A frame of `count` equal parts: the vector's first `fixed` bytes, then its bytes from `from` to
// `to` again and again.
static size_t frame_repeat(uint8_t *bytes, const struct vector *v, uint32_t fixed, uint32_t from,
			   uint32_t to, uint32_t count)
{
	size_t length = fixed;

	memcpy(bytes, v->bytes, fixed);
	field_put(bytes, field_of(v, "count"), count);
	for (uint32_t i = 0; i < count; i++, length += to - from)
		memcpy(bytes + length, v->bytes + from, to - from);
	return length;
}

Test(wire, bounds_control_frames_to_1200_bytes_but_not_records)
{
	static const struct {
		const char *frame;
		uint32_t fixed, from, to, most;
	} parts[] = {{"ACK", 32, 112, 160, 24},
		     {"HEARTBEAT", 24, 24, 64, 29},
		     {"WELCOME", 56, 56, 80, 47}};
	uint8_t bytes[FRAME_BYTES_MAX];
	size_t length;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		const struct vector *v = vector_of(parts[i].frame);

		for (uint32_t count = 0; count <= parts[i].most + 1; count++) {
			length = frame_repeat(bytes, v, parts[i].fixed, parts[i].from, parts[i].to,
					      count);
			cr_assert_eq(check(v->direction, bytes, length),
				     count <= parts[i].most ? GODWIT_CHECK_OK : GODWIT_CHECK_LENGTH,
				     "%s of %u", v->name, count);
		}
	}
	length = frame_repeat(bytes, vector_of("PUBLISH"), 56, 56, 72, 200);
	cr_assert_eq(check(VECTOR_CLIENT, bytes, length), GODWIT_CHECK_OK);
	length = frame_repeat(bytes, vector_of("DATA"), 56, 56, 76, 150);
	field_put(bytes, field_of(vector_of("DATA"), "covers"), 150);
	cr_assert_eq(check(VECTOR_SERVER, bytes, length), GODWIT_CHECK_OK);
}

Test(wire, takes_credentials_and_texts_up_to_their_limits)
{
	uint8_t bytes[FRAME_BYTES_MAX] = {0};
	const struct vector *proof = vector_of("HELLO_PROOF.bare"),
			    *error = vector_of("ERROR.bare");

	memcpy(bytes, proof->bytes, proof->length);
	field_put(bytes, field_of(proof, "credential_bytes"), GODWIT_CREDENTIAL_MAX);
	cr_assert_eq(check(VECTOR_CLIENT, bytes, proof->length + GODWIT_CREDENTIAL_MAX),
		     GODWIT_CHECK_OK);
	memcpy(bytes, error->bytes, error->length);
	field_put(bytes, field_of(error, "text_bytes"), GODWIT_ERROR_TEXT_MAX);
	cr_assert_eq(check(VECTOR_SERVER, bytes, error->length + GODWIT_ERROR_TEXT_MAX),
		     GODWIT_CHECK_OK);
}

Test(wire, refuses_data_that_ends_within_its_distances)
{
	const struct vector *v = vector_of("DATA.filtered");

	for (uint32_t length = field_of(v, "distance[0]")->offset;
	     length < field_of(v, "record[0].length")->offset; length++)
		cr_assert_eq(check(VECTOR_SERVER, v->bytes, length), GODWIT_CHECK_LENGTH);
}

Test(wire, walks_records_to_the_end_of_the_frame)
{
	static const uint32_t lengths[] = {1, 0, 4, 3};
	static const char *const payloads[] = {"\xa1", "", "\xb1\xb2\xb3\xb4", "\xc1\xc2\xc3"};
	const struct vector *v = vector_of("PUBLISH");
	const uint8_t *at = godwit_publish_records((const struct godwit_publish *)v->bytes);
	const uint8_t *end = v->bytes + v->length;

	for (size_t i = 0; i < 4; i++) {
		const struct godwit_record *record = godwit_record_next(&at, end);

		cr_assert_not_null(record);
		cr_assert_eq(godwit_get16(record->length), lengths[i]);
		cr_assert_arr_eq(godwit_record_payload(record), payloads[i], lengths[i]);
	}
	cr_assert_null(godwit_record_next(&at, end));
	cr_assert_eq(at, end);
	// One that does not fit ends the walk where it begins.
	at = end - 16;
	cr_assert_null(godwit_record_next(&at, end - 1));
	cr_assert_eq(at, end - 16);
}

Test(wire, finds_distances_and_records_of_data)
{
	const struct vector *v = vector_of("DATA.filtered");
	const struct godwit_data *data = (const struct godwit_data *)v->bytes;
	const struct godwit_data *whole = (const struct godwit_data *)vector_of("DATA")->bytes;

	cr_assert_eq(godwit_get16(godwit_data_distances(data)[1]), 0x0304);
	cr_assert_eq(godwit_data_records(data) - v->bytes,
		     (ptrdiff_t)field_of(v, "record[0].length")->offset);
	cr_assert_null(godwit_data_distances(whole));
	cr_assert_eq(godwit_data_records(whole), (const uint8_t *)(whole + 1));
}

Test(wire, walks_ack_entries_and_their_ranges)
{
	const struct vector *v = vector_of("ACK");
	const uint8_t *at = godwit_ack_entries((const struct godwit_ack *)v->bytes);
	const uint8_t *end = v->bytes + v->length;
	const struct godwit_ack_entry *entry = godwit_ack_next(&at, end);

	cr_assert_not_null(entry);
	cr_assert_eq(godwit_get64(godwit_ack_ranges(entry)[1].last), 0x68696a6b6c6d6e6f);
	entry = godwit_ack_next(&at, end);
	cr_assert_not_null(entry);
	cr_assert_eq(godwit_get32(entry->subscription), 0x70717273u);
	cr_assert_null(godwit_ack_next(&at, end));
	cr_assert_eq(at, end);
}

Test(wire, finds_topics_entries_and_texts)
{
	const struct vector *sub = vector_of("SUBSCRIBE"), *resume = vector_of("RESUME");
	const struct vector *whole = vector_of("RESUME.whole"), *beat = vector_of("HEARTBEAT");
	const struct vector *welcome = vector_of("WELCOME"), *error = vector_of("ERROR");
	const struct vector *proof = vector_of("HELLO_PROOF");

	cr_assert_eq(godwit_get32(godwit_topics_of((const void *)sub->bytes)[2]), 0xfffefdfcu);
	cr_assert_eq(godwit_get32(godwit_topics_of((const void *)resume->bytes)[1]), 0x11223344u);
	cr_assert_null(godwit_topics_of((const void *)whole->bytes));
	cr_assert_eq(godwit_get64(godwit_heartbeat_entries((const void *)beat->bytes)[1].tag),
		     0x4041424344454647u);
	cr_assert_eq(godwit_get16(godwit_welcome_servers((const void *)welcome->bytes)[1].port),
		     0x6061);
	cr_assert_arr_eq(godwit_error_text((const void *)error->bytes), "no such s", 9);
	cr_assert_eq(godwit_proof_credential((const void *)proof->bytes)[0], 0x48);
}

Test(wire, answers_an_unproved_address_with_less_than_three_times_its_bytes)
{
	cr_assert_leq(vector_of("COOKIE")->length, 3 * vector_of("HELLO")->length);
}

Test(wire, keeps_room_for_the_mac_behind_every_frame_between_servers)
{
	for (uint32_t i = 0; i < vectors.count; i++) {
		const struct vector *v = &vectors.items[i];
		const struct vector_field *last = &v->fields[v->field_count - 1];

		if (v->direction != VECTOR_PEER)
			continue;
		cr_assert_str_eq(last->name, "mac");
		cr_assert_eq(last->offset + GODWIT_MAC_BYTES, v->length);
		cr_assert_neq(check(VECTOR_PEER, v->bytes, last->offset), GODWIT_CHECK_OK);
	}
}

Test(wire, finds_entries_runs_records_and_ranges_between_servers)
{
	const struct vector *hello = vector_of("PEER_HELLO"), *beat = vector_of("PEER_HEARTBEAT");
	const struct vector *replicate = vector_of("REPLICATE"), *ack = vector_of("PEER_ACK");

	cr_assert_eq(godwit_get64(godwit_peer_streams((const void *)hello->bytes)->stream),
		     0x4041424344454647u);
	cr_assert_eq(godwit_get64(godwit_peer_streams((const void *)beat->bytes)->stream),
		     0x3031323334353637u);
	cr_assert_eq(godwit_get64(godwit_replicate_runs((const void *)replicate->bytes)->publisher),
		     0x48494a4b4c4d4e4fu);
	cr_assert_eq(godwit_replicate_records((const void *)replicate->bytes) - replicate->bytes,
		     (ptrdiff_t)field_of(replicate, "record[0].length")->offset);
	cr_assert_eq(godwit_get64(godwit_peer_ack_ranges((const void *)ack->bytes)->last),
		     0x5051525354555657u);
}

Test(wire, names_the_reasons_of_migrations_and_none_of_a_later_version)
{
	cr_assert_str_eq(godwit_migration_reason_name(GODWIT_MIGRATION_CLIENT), "client");
	cr_assert_str_eq(godwit_migration_reason_name(GODWIT_MIGRATION_CORE), "core");
	for (uint32_t i = 1; i < GODWIT_MIGRATION_REASONS; i++)
		cr_assert_str_neq(godwit_migration_reason_name(i), "unknown");
	cr_assert_str_eq(godwit_migration_reason_name(0), "unknown");
	cr_assert_str_eq(godwit_migration_reason_name(GODWIT_MIGRATION_REASONS), "unknown");
	cr_assert_str_eq(godwit_migration_reason_name(UINT32_MAX), "unknown");
}

Test(wire, takes_runs_that_ascend_and_lie_apart)
{
	const struct vector *v = vector_of("REPLICATE");
	struct godwit_run runs[2];

	memcpy(&runs[0], v->bytes + sizeof(struct godwit_replicate), sizeof(runs[0]));
	runs[1] = runs[0];
	runs[0].first_seq = godwit_be64(10);
	runs[0].count = godwit_be32(3);
	runs[1].first_seq = godwit_be64(13);
	runs[1].count = godwit_be32(2);
	cr_assert_eq(godwit_check_runs(runs, 2, 10, 5), GODWIT_CHECK_OK);
	cr_assert_eq(godwit_check_runs(runs, 2, 10, 6), GODWIT_CHECK_OK, "some without a run");
	cr_assert_eq(godwit_check_runs(runs, 2, 10, 4), GODWIT_CHECK_FIELD);
	cr_assert_eq(godwit_check_runs(runs, 2, 11, 5), GODWIT_CHECK_FIELD);
	runs[1].first_seq = godwit_be64(12);
	cr_assert_eq(godwit_check_runs(runs, 2, 10, 5), GODWIT_CHECK_FIELD, "one sequence twice");
	runs[1].first_seq = godwit_be64(UINT64_MAX);
	cr_assert_eq(godwit_check_runs(runs, 2, 10, 5), GODWIT_CHECK_FIELD);
}
