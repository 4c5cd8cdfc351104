// SPDX-License-Identifier: BSD-3-Clause
//
// Any bytes as a datagram from a server. Whatever the check accepts is walked to its end, and every
// promise that the check makes is asked again in other words.
#include <godwit/wire_check.h>

#include "tests/fuzz/fuzz_support.h"

// Of external linkage, so that the reads that feed it are not left out.
extern uint64_t fuzz_sink;
uint64_t fuzz_sink;

static uint64_t distances_walk(const struct extent *e, const struct godwit_data *data)
{
	const struct godwit_be16 *distances = godwit_data_distances(data);
	uint32_t count = godwit_get16(data->frame.count);
	uint64_t covers = godwit_get32(data->covers);
	uint64_t from = godwit_get64(data->covers_from);
	uint64_t last = 0;

	if (!distances) {
		REQUIRE(count == covers);
		return 0;
	}
	REQUIRE(count <= covers);
	for (uint32_t i = 0; i < count; i++) {
		uint64_t seq = from + godwit_get16(distances[i]);

		REQUIRE(seq > last && seq >= from && seq < from + covers);
		last = seq;
	}
	return extent_read(e, distances, count * sizeof(*distances));
}

static uint64_t data_walk(const struct extent *e, const struct godwit_data *data)
{
	const uint8_t *at = godwit_data_records(data);
	const struct godwit_record *record;
	uint64_t from = godwit_get64(data->covers_from);
	uint64_t sum = distances_walk(e, data);
	uint32_t records = 0;

	REQUIRE(from >= 1 && godwit_get32(data->covers) >= 1);
	REQUIRE(from + godwit_get32(data->covers) > from);
	while ((record = godwit_record_next(&at, e->end)) != NULL) {
		records++;
		sum += extent_read(e, record, (size_t)(at - (const uint8_t *)record));
		sum += extent_read(e, godwit_record_payload(record), godwit_get16(record->length));
	}
	REQUIRE(at == e->end);
	REQUIRE(records == godwit_get16(data->frame.count));
	return sum;
}

static uint64_t frame_walk(const struct extent *e, const struct godwit_frame *frame)
{
	const void *bytes = e->begin;
	uint32_t count = godwit_get16(frame->count);

	switch (frame->type) {
	case GODWIT_DATA:
		return data_walk(e, bytes);
	case GODWIT_HEARTBEAT: {
		const struct godwit_heartbeat_entry *entries = godwit_heartbeat_entries(bytes);

		REQUIRE((const uint8_t *)(entries + count) == e->end);
		return extent_read(e, entries, count * sizeof(*entries));
	}
	case GODWIT_WELCOME: {
		const struct godwit_server_entry *servers = godwit_welcome_servers(bytes);

		REQUIRE((const uint8_t *)(servers + count) == e->end);
		return extent_read(e, servers, count * sizeof(*servers));
	}
	case GODWIT_TOPIC_NUMBER: {
		const struct godwit_topic_number *number = bytes;
		uint8_t again[GODWIT_NAME_BYTES];

		REQUIRE(memchr(number->name, 0, GODWIT_NAME_BYTES) != NULL);
		REQUIRE(godwit_name_set(again, (const char *)number->name));
		REQUIRE(memcmp(again, number->name, GODWIT_NAME_BYTES) == 0);
		REQUIRE(godwit_get32(number->topic) >= 1);
		return 0;
	}
	case GODWIT_ERROR: {
		const struct godwit_error *error = bytes;
		size_t text_bytes = godwit_get16(error->text_bytes);

		REQUIRE(text_bytes <= GODWIT_ERROR_TEXT_MAX);
		REQUIRE(godwit_error_text(error) + text_bytes == (const char *)e->end);
		return extent_read(e, godwit_error_text(error), text_bytes);
	}
	default: // fixed in length
		REQUIRE(count == 0);
		return 0;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct extent e = {data, data + size};
	enum godwit_check verdict = godwit_check_from_server(data, size);

	REQUIRE(verdict < GODWIT_CHECK_VERDICTS);
	if (verdict != GODWIT_CHECK_OK)
		return 0;
	// Exact in length, and of one direction only.
	REQUIRE(godwit_check_from_server(data, size - 1) != GODWIT_CHECK_OK);
	REQUIRE(godwit_check_from_client(data, size) == GODWIT_CHECK_TYPE);
	REQUIRE(size <= GODWIT_CONTROL_BYTES || data[1] == GODWIT_DATA);
	fuzz_sink += extent_read(&e, data, size) + frame_walk(&e, (const void *)data);
	return 0;
}
