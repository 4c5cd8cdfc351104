// SPDX-License-Identifier: BSD-3-Clause
//
// Any bytes as a datagram from a peer. Whatever the check accepts is walked to its end, and every
// promise that the check makes is asked again in other words.
#include <godwit/wire_check_peer.h>

#include "tests/fuzz/fuzz_support.h"

// Of external linkage, so that the reads that feed it are not left out.
extern uint64_t fuzz_sink;
uint64_t fuzz_sink;

// e: without the MAC.
static uint64_t streams_walk(const struct extent *e, const struct godwit_frame *frame)
{
	const struct godwit_peer_stream *streams = godwit_peer_streams(frame);
	uint32_t count = godwit_get16(frame->count);

	REQUIRE((const uint8_t *)(streams + count) == e->end);
	return extent_read(e, streams, count * sizeof(*streams));
}

static uint64_t runs_walk(const struct extent *e, const struct godwit_replicate *replicate)
{
	const struct godwit_run *runs = godwit_replicate_runs(replicate);
	uint64_t first = godwit_get64(replicate->first), seq = first;
	uint64_t last = first + godwit_get16(replicate->from.frame.count) - 1, sum = 0;

	for (uint32_t i = 0; i < godwit_get16(replicate->runs); i++) {
		uint64_t number = godwit_get64(runs[i].first_number);

		sum += extent_read(e, &runs[i], sizeof(runs[i]));
		REQUIRE(godwit_get64(runs[i].first_seq) >= seq);
		seq = godwit_get64(runs[i].first_seq) + godwit_get32(runs[i].count);
		REQUIRE(seq > first && seq - 1 <= last);
		REQUIRE(number >= 1 && number + godwit_get32(runs[i].count) > number);
	}
	return sum;
}

static uint64_t replicate_walk(const struct extent *e, const struct godwit_replicate *replicate)
{
	const uint8_t *at = godwit_replicate_records(replicate);
	const struct godwit_record *record;
	uint64_t sum = runs_walk(e, replicate), seq = godwit_get64(replicate->first);
	uint32_t records = 0;

	REQUIRE(seq >= 1);
	while ((record = godwit_record_next(&at, e->end)) != NULL) {
		records++;
		REQUIRE(seq + records > seq);
		sum += extent_read(e, record, (size_t)(at - (const uint8_t *)record));
		sum += extent_read(e, godwit_record_payload(record), godwit_get16(record->length));
	}
	REQUIRE(at == e->end);
	REQUIRE(records == godwit_get16(replicate->from.frame.count));
	return sum;
}

static uint64_t snapshot_walk(const struct extent *e, const struct godwit_snapshot *snapshot)
{
	const uint8_t *content = godwit_snapshot_bytes(snapshot);
	const struct godwit_snapshot_epoch *epochs = (const void *)content;
	uint32_t bytes = godwit_get16(snapshot->bytes);

	REQUIRE(content + bytes == e->end);
	if (!(godwit_get16(snapshot->from.frame.flags) & GODWIT_FLAG_ANSWER))
		REQUIRE(bytes == 0);
	switch (godwit_get16(snapshot->kind)) {
	case GODWIT_SNAPSHOT_PUBLISHERS:
		REQUIRE(bytes % 24 == 0);
		break;
	case GODWIT_SNAPSHOT_TOPICS:
		REQUIRE(bytes % 64 == 0);
		for (uint32_t at = 0; at < bytes; at += 64)
			REQUIRE(content[at] != 0 && content[at + 63] == 0);
		break;
	case GODWIT_SNAPSHOT_EPOCHS:
		REQUIRE(bytes % 16 == 0);
		for (uint32_t i = 1; i < bytes / 16; i++)
			REQUIRE(godwit_get32(epochs[i].epoch) > godwit_get32(epochs[i - 1].epoch));
		break;
	default:
		REQUIRE(false);
	}
	return extent_read(e, content, bytes);
}

static uint64_t meta_walk(const struct extent *e, const struct godwit_meta *meta)
{
	uint32_t bytes = godwit_get16(meta->bytes);

	REQUIRE(godwit_meta_bytes(meta) + bytes == e->end);
	REQUIRE(bytes == (godwit_get16(meta->kind) == GODWIT_META_TOPIC ? 64 : 16));
	return extent_read(e, godwit_meta_bytes(meta), bytes);
}

static uint64_t ack_walk(const struct extent *e, const struct godwit_peer_ack *ack)
{
	const struct godwit_range *ranges = godwit_peer_ack_ranges(ack);
	uint32_t naks = godwit_get16(ack->naks);

	REQUIRE(naks <= GODWIT_NAK_RANGES);
	REQUIRE((const uint8_t *)(ranges + naks) == e->end);
	for (uint32_t i = 0; i < naks; i++) {
		REQUIRE(godwit_get64(ranges[i].first) >= 1);
		REQUIRE(godwit_get64(ranges[i].last) >= godwit_get64(ranges[i].first));
	}
	return extent_read(e, ranges, naks * sizeof(*ranges));
}

static uint64_t frame_walk(const struct extent *e, const struct godwit_frame *frame)
{
	const void *bytes = e->begin;

	switch (frame->type) {
	case GODWIT_PEER_HELLO:
	case GODWIT_PEER_HEARTBEAT:
		return streams_walk(e, frame);
	case GODWIT_REPLICATE:
		return replicate_walk(e, bytes);
	case GODWIT_META:
		return meta_walk(e, bytes);
	case GODWIT_SNAPSHOT:
		return snapshot_walk(e, bytes);
	case GODWIT_PEER_ACK:
		return ack_walk(e, bytes);
	case GODWIT_RECONCILE:
		return extent_read(e, bytes, sizeof(struct godwit_reconcile));
	case GODWIT_HANDOVER:
		return extent_read(e, bytes, sizeof(struct godwit_handover));
	case GODWIT_HANDOVER_CONFIRM:
		return extent_read(e, bytes, sizeof(struct godwit_handover_confirm));
	default:
		REQUIRE(frame->type == GODWIT_PROBE_FOR || frame->type == GODWIT_PROBE_RESULT);
		return extent_read(e, bytes, sizeof(struct godwit_probe_for));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct extent e = {data, data + size};
	enum godwit_check verdict = godwit_check_from_peer(data, size);

	REQUIRE(verdict < GODWIT_CHECK_VERDICTS);
	if (verdict != GODWIT_CHECK_OK)
		return 0;
	// Exact in length, and of one direction only.
	REQUIRE(godwit_check_from_peer(data, size - 1) != GODWIT_CHECK_OK);
	REQUIRE(godwit_check_from_client(data, size) == GODWIT_CHECK_TYPE);
	REQUIRE(godwit_check_from_server(data, size) == GODWIT_CHECK_TYPE);
	fuzz_sink += extent_read(&e, data, size);
	REQUIRE(size >= sizeof(struct godwit_from_server) + GODWIT_MAC_BYTES);
	e.end -= GODWIT_MAC_BYTES;
	fuzz_sink += frame_walk(&e, (const void *)data);
	return 0;
}
