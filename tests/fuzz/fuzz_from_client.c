// SPDX-License-Identifier: BSD-3-Clause
//
// Any bytes as a datagram from a client. Whatever the check accepts is walked to its end, and every
// promise that the check makes is asked again in other words.
#include <godwit/wire_check.h>

#include "tests/fuzz/fuzz_support.h"

// Of external linkage, so that the reads that feed it are not left out.
extern uint64_t fuzz_sink;
uint64_t fuzz_sink;

static uint64_t topics_walk(const struct extent *e, const struct godwit_frame *frame)
{
	const struct godwit_be32 *topics = godwit_topics_of(frame);
	uint32_t count = godwit_get16(frame->count);
	uint64_t sum = 0;

	if (!topics) {
		REQUIRE(count == 0);
		return 0;
	}
	REQUIRE(count >= 1 && count <= GODWIT_FILTER_TOPICS);
	sum += extent_read(e, topics, count * sizeof(*topics));
	REQUIRE((const uint8_t *)(topics + count) == e->end);
	REQUIRE(godwit_get32(topics[0]) > 0);
	for (uint32_t i = 1; i < count; i++)
		REQUIRE(godwit_get32(topics[i]) > godwit_get32(topics[i - 1]));
	return sum;
}

static uint64_t ack_walk(const struct extent *e, const struct godwit_ack *ack)
{
	const uint8_t *at = godwit_ack_entries(ack);
	const struct godwit_ack_entry *entry;
	uint32_t entries = 0;
	uint64_t sum = 0;

	while ((entry = godwit_ack_next(&at, e->end)) != NULL) {
		const struct godwit_range *ranges = godwit_ack_ranges(entry);
		uint32_t naks = godwit_get16(entry->naks);

		entries++;
		sum += extent_read(e, entry, sizeof(*entry));
		sum += extent_read(e, ranges, naks * sizeof(*ranges));
		REQUIRE(naks <= GODWIT_NAK_RANGES);
		REQUIRE((godwit_get16(entry->flags) & ~3u) == 0);
		for (uint32_t i = 0; i < naks; i++) {
			REQUIRE(godwit_get64(ranges[i].first) >= 1);
			REQUIRE(godwit_get64(ranges[i].last) >= godwit_get64(ranges[i].first));
		}
	}
	REQUIRE(at == e->end);
	REQUIRE(entries == godwit_get16(ack->from.frame.count));
	return sum;
}

static uint64_t publish_walk(const struct extent *e, const struct godwit_publish *publish)
{
	const uint8_t *at = godwit_publish_records(publish);
	const struct godwit_record *record;
	uint64_t sum = 0, number = godwit_get64(publish->first);
	uint32_t records = 0;

	REQUIRE(number >= 1);
	while ((record = godwit_record_next(&at, e->end)) != NULL) {
		records++;
		REQUIRE(number + records > number);
		sum += extent_read(e, record, (size_t)(at - (const uint8_t *)record));
		sum += extent_read(e, godwit_record_payload(record), godwit_get16(record->length));
		REQUIRE((godwit_get16(record->flags) & GODWIT_RECORD_SERVER_FLAGS) == 0);
		REQUIRE(godwit_get32(record->time) == 0);
	}
	REQUIRE(at == e->end);
	REQUIRE(records == godwit_get16(publish->from.frame.count));
	return sum;
}

static void name_require(const uint8_t *name)
{
	size_t length = strnlen((const char *)name, GODWIT_NAME_BYTES);
	uint8_t again[GODWIT_NAME_BYTES];

	REQUIRE(length >= 1 && length < GODWIT_NAME_BYTES);
	REQUIRE(godwit_name_set(again, (const char *)name));
	REQUIRE(memcmp(again, name, GODWIT_NAME_BYTES) == 0);
}

static uint64_t frame_walk(const struct extent *e, const struct godwit_frame *frame)
{
	const void *bytes = e->begin;

	switch (frame->type) {
	case GODWIT_HELLO:
		REQUIRE(e->end - e->begin == GODWIT_HELLO_BYTES);
		return 0;
	case GODWIT_HELLO_PROOF: {
		const struct godwit_hello_proof *proof = bytes;

		return extent_read(e, godwit_proof_credential(proof),
				   godwit_get16(proof->credential_bytes));
	}
	case GODWIT_SUBSCRIBE:
		name_require(((const struct godwit_subscribe *)bytes)->stream);
		REQUIRE(godwit_get32(((const struct godwit_subscribe *)bytes)->window) > 0);
		return topics_walk(e, frame);
	case GODWIT_RESUME:
		name_require(((const struct godwit_resume *)bytes)->stream);
		return topics_walk(e, frame);
	case GODWIT_ACK:
		return ack_walk(e, bytes);
	case GODWIT_PUBLISH_OPEN:
		name_require(((const struct godwit_publish_open *)bytes)->stream);
		return 0;
	case GODWIT_PUBLISH:
		return publish_walk(e, bytes);
	case GODWIT_TOPIC:
		name_require(((const struct godwit_topic *)bytes)->stream);
		name_require(((const struct godwit_topic *)bytes)->name);
		return 0;
	default:
		REQUIRE(frame->type == GODWIT_UNSUBSCRIBE || frame->type == GODWIT_PROBE_REPLY);
		return 0;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct extent e = {data, data + size};
	enum godwit_check verdict = godwit_check_from_client(data, size);

	REQUIRE(verdict < GODWIT_CHECK_VERDICTS);
	if (verdict != GODWIT_CHECK_OK)
		return 0;
	// Exact in length, and of one direction only.
	REQUIRE(godwit_check_from_client(data, size - 1) != GODWIT_CHECK_OK);
	REQUIRE(godwit_check_from_server(data, size) == GODWIT_CHECK_TYPE);
	fuzz_sink += extent_read(&e, data, size) + frame_walk(&e, (const void *)data);
	return 0;
}
