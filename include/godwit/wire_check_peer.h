// SPDX-License-Identifier: BSD-3-Clause
//
// The check of frames between servers: the form of the whole frame, as wire_check.h has it for the two
// other directions. What OK promises beyond that: there is room for the MAC behind what the fields tell
// of, runs lie within their frame's records and do not overlap, the bytes of a META or SNAPSHOT are
// whole entries of their kind. What it does not: that the MAC is right, that the sender is a peer, or
// that a session, code or refusal is known.
//
// Thread: any; pure functions over the caller's bytes. Cost: constant, or one walk of a REPLICATE's
// runs and records, of a PEER_ACK's ranges or of a page's entries.
#ifndef GODWIT_WIRE_CHECK_PEER_H
#define GODWIT_WIRE_CHECK_PEER_H

#include <godwit/wire_check.h>

static inline enum godwit_check godwit_check_peer_length(size_t length, size_t bytes)
{
	return length == bytes + GODWIT_MAC_BYTES ? GODWIT_CHECK_OK : GODWIT_CHECK_LENGTH;
}

// The runs of a REPLICATE: ascending, apart, within [first, first + count).
static inline enum godwit_check godwit_check_runs(const struct godwit_run *runs,
						  uint32_t runs_count, uint64_t first,
						  uint32_t count)
{
	uint64_t from = first; // the lowest sequence that the next may begin at

	for (uint32_t i = 0; i < runs_count; i++) {
		uint64_t seq = godwit_get64(runs[i].first_seq);
		uint64_t number = godwit_get64(runs[i].first_number);
		uint32_t messages = godwit_get32(runs[i].count);

		if (godwit_get32(runs[i].zero) != 0)
			return GODWIT_CHECK_ZERO;
		if (messages == 0 || number == 0 || number > UINT64_MAX - messages)
			return GODWIT_CHECK_FIELD;
		if (seq < from || messages > count || seq - first > count - messages)
			return GODWIT_CHECK_FIELD;
		from = seq + messages;
	}
	return GODWIT_CHECK_OK;
}

static inline enum godwit_check godwit_check_replicate(const struct godwit_replicate *replicate,
						       size_t length)
{
	const struct godwit_run *runs = godwit_replicate_runs(replicate);
	size_t runs_bytes = (size_t)godwit_get16(replicate->runs) * sizeof(*runs);
	uint32_t count = godwit_get16(replicate->from.frame.count);
	uint64_t first = godwit_get64(replicate->first);
	enum godwit_check verdict;

	if (godwit_get16(replicate->zero) != 0)
		return GODWIT_CHECK_ZERO;
	if (first == 0 || first > UINT64_MAX - count)
		return GODWIT_CHECK_FIELD;
	if (length < sizeof(*replicate) + runs_bytes + GODWIT_MAC_BYTES)
		return GODWIT_CHECK_LENGTH;
	verdict = godwit_check_runs(runs, godwit_get16(replicate->runs), first, count);
	if (verdict != GODWIT_CHECK_OK)
		return verdict;
	return godwit_check_records(godwit_replicate_records(replicate),
				    (const uint8_t *)replicate + length - GODWIT_MAC_BYTES, count,
				    false);
}

static inline enum godwit_check godwit_check_meta(const struct godwit_meta *meta, size_t length)
{
	uint32_t bytes = godwit_get16(meta->bytes), kind = godwit_get16(meta->kind);

	if (godwit_get32(meta->zero) != 0)
		return GODWIT_CHECK_ZERO;
	if (length != sizeof(*meta) + bytes + GODWIT_MAC_BYTES)
		return GODWIT_CHECK_LENGTH;
	if (godwit_get64(meta->entry) == 0)
		return GODWIT_CHECK_FIELD;
	if (kind == GODWIT_META_INSTANCE)
		return bytes == sizeof(struct godwit_meta_instance) ? GODWIT_CHECK_OK :
								      GODWIT_CHECK_FIELD;
	return kind == GODWIT_META_TOPIC && bytes == GODWIT_NAME_BYTES &&
			       godwit_name_valid((const uint8_t *)(meta + 1)) ?
		       GODWIT_CHECK_OK :
		       GODWIT_CHECK_FIELD;
}

// Bytes of an entry of a SNAPSHOT of this kind; 0: there is no such kind.
static inline uint32_t godwit_snapshot_entry_bytes(uint32_t kind)
{
	switch (kind) {
	case GODWIT_SNAPSHOT_PUBLISHERS:
		return sizeof(struct godwit_snapshot_publisher);
	case GODWIT_SNAPSHOT_TOPICS:
		return sizeof(struct godwit_snapshot_topic);
	case GODWIT_SNAPSHOT_EPOCHS:
		return sizeof(struct godwit_snapshot_epoch);
	default:
		return 0;
	}
}

static inline enum godwit_check godwit_check_page(const struct godwit_snapshot *snapshot)
{
	const struct godwit_snapshot_topic *topics = (const void *)(snapshot + 1);
	const struct godwit_snapshot_epoch *epochs = (const void *)(snapshot + 1);
	uint32_t kind = godwit_get16(snapshot->kind);
	uint32_t count = godwit_get16(snapshot->bytes) / godwit_snapshot_entry_bytes(kind);

	for (uint32_t i = 0; i < count; i++) {
		if (kind == GODWIT_SNAPSHOT_TOPICS && !godwit_name_valid(topics[i].name))
			return GODWIT_CHECK_FIELD;
		if (kind != GODWIT_SNAPSHOT_EPOCHS)
			continue;
		if (godwit_get32(epochs[i].zero) != 0)
			return GODWIT_CHECK_ZERO;
		if (i > 0 && (godwit_get32(epochs[i].epoch) <= godwit_get32(epochs[i - 1].epoch) ||
			      godwit_get64(epochs[i].first) < godwit_get64(epochs[i - 1].first)))
			return GODWIT_CHECK_FIELD;
	}
	return GODWIT_CHECK_OK;
}

static inline enum godwit_check godwit_check_snapshot(const struct godwit_snapshot *snapshot,
						      size_t length)
{
	bool answer = (godwit_get16(snapshot->from.frame.flags) & GODWIT_FLAG_ANSWER) != 0;
	uint32_t each = godwit_snapshot_entry_bytes(godwit_get16(snapshot->kind));
	uint32_t bytes = godwit_get16(snapshot->bytes);

	if (godwit_get32(snapshot->zero) != 0)
		return GODWIT_CHECK_ZERO;
	if (length != sizeof(*snapshot) + bytes + GODWIT_MAC_BYTES)
		return GODWIT_CHECK_LENGTH;
	if (each == 0 || bytes % each != 0)
		return GODWIT_CHECK_FIELD;
	if (bytes == 0)
		return GODWIT_CHECK_OK;
	if (!answer || godwit_get32(snapshot->page) >= godwit_get32(snapshot->pages))
		return GODWIT_CHECK_FIELD;
	return godwit_check_page(snapshot);
}

static inline enum godwit_check godwit_check_peer_ack(const struct godwit_peer_ack *ack,
						      size_t length)
{
	const struct godwit_range *ranges = godwit_peer_ack_ranges(ack);
	uint32_t naks = godwit_get16(ack->naks);

	if (godwit_get16(ack->zero) != 0)
		return GODWIT_CHECK_ZERO;
	if (naks > GODWIT_NAK_RANGES)
		return GODWIT_CHECK_COUNT;
	if (length != sizeof(*ack) + naks * sizeof(*ranges) + GODWIT_MAC_BYTES)
		return GODWIT_CHECK_LENGTH;
	for (uint32_t i = 0; i < naks; i++) {
		uint64_t first = godwit_get64(ranges[i].first);

		if (first == 0 || first > godwit_get64(ranges[i].last))
			return GODWIT_CHECK_FIELD;
	}
	return GODWIT_CHECK_OK;
}

// The zero fields of frames without a part of variable length, or'ed.
static inline uint32_t godwit_zeros_from_peer(const void *bytes, uint8_t type)
{
	const struct godwit_reconcile *reconcile = (const struct godwit_reconcile *)bytes;
	const struct godwit_handover *handover = (const struct godwit_handover *)bytes;
	const struct godwit_handover_confirm *confirm =
		(const struct godwit_handover_confirm *)bytes;
	const struct godwit_probe_for *probe = (const struct godwit_probe_for *)bytes;

	switch (type) {
	case GODWIT_RECONCILE:
		return godwit_get16(reconcile->zero) | godwit_get32(reconcile->zero2);
	case GODWIT_HANDOVER:
		return godwit_get16(handover->zero);
	case GODWIT_HANDOVER_CONFIRM:
		return godwit_get16(confirm->zero) | godwit_get32(confirm->zero2);
	case GODWIT_PROBE_FOR:
	case GODWIT_PROBE_RESULT:
		return godwit_get32(probe->zero);
	default:
		return 0;
	}
}

// The rule of a frame type of this direction. All have a tail: the MAC at least.
static inline const struct godwit_frame_rule *godwit_rule_from_peer(uint8_t type)
{
	static const struct godwit_frame_rule rules[] = {
		[0] = {.fixed = 0},
		[GODWIT_PEER_HELLO] = {.fixed = sizeof(struct godwit_peer_hello),
				       .flags = GODWIT_FLAG_ANSWER,
				       .has_count = true,
				       .has_tail = true},
		[GODWIT_PEER_HEARTBEAT] = {.fixed = sizeof(struct godwit_peer_heartbeat),
					   .flags = GODWIT_FLAG_DRAINING,
					   .has_count = true,
					   .has_tail = true},
		[GODWIT_REPLICATE] = {.fixed = sizeof(struct godwit_replicate),
				      .has_count = true,
				      .has_tail = true,
				      .above_1200 = true},
		[GODWIT_META] = {.fixed = sizeof(struct godwit_meta), .has_tail = true},
		[GODWIT_SNAPSHOT] = {.fixed = sizeof(struct godwit_snapshot),
				     .flags = GODWIT_FLAG_ANSWER,
				     .has_tail = true},
		[GODWIT_RECONCILE] = {.fixed = sizeof(struct godwit_reconcile),
				      .flags = GODWIT_FLAG_ANSWER,
				      .has_tail = true},
		[GODWIT_PEER_ACK] = {.fixed = sizeof(struct godwit_peer_ack), .has_tail = true},
		[GODWIT_HANDOVER] = {.fixed = sizeof(struct godwit_handover), .has_tail = true},
		[GODWIT_HANDOVER_CONFIRM] = {.fixed = sizeof(struct godwit_handover_confirm),
					     .has_tail = true},
		[GODWIT_PROBE_FOR] = {.fixed = sizeof(struct godwit_probe_for), .has_tail = true},
		[GODWIT_PROBE_RESULT] = {.fixed = sizeof(struct godwit_probe_for),
					 .has_tail = true},
	};

	return &rules[type < sizeof(rules) / sizeof(rules[0]) ? type : 0];
}

// Frames that a server sends to a server. type is bytes[1] once the verdict is OK.
// bytes: readable for `length`, any alignment. Thread: any.
static inline enum godwit_check godwit_check_from_peer(const void *bytes, size_t length)
{
	const struct godwit_from_server *from = (const struct godwit_from_server *)bytes;
	const struct godwit_frame_rule *rule;
	enum godwit_check verdict;
	uint32_t count;

	if (length < sizeof(from->frame))
		return GODWIT_CHECK_SHORT;
	if (from->frame.version != GODWIT_VERSION)
		return GODWIT_CHECK_VERSION;
	rule = godwit_rule_from_peer(from->frame.type);
	verdict = godwit_check_rule(&from->frame, length, rule);
	if (verdict != GODWIT_CHECK_OK)
		return verdict;
	if (godwit_get16(from->zero) != 0)
		return GODWIT_CHECK_ZERO;
	count = godwit_get16(from->frame.count);
	switch (from->frame.type) {
	case GODWIT_PEER_HELLO:
	case GODWIT_PEER_HEARTBEAT:
		return godwit_check_peer_length(
			length, rule->fixed + count * sizeof(struct godwit_peer_stream));
	case GODWIT_REPLICATE:
		return godwit_check_replicate((const struct godwit_replicate *)bytes, length);
	case GODWIT_META:
		return godwit_check_meta((const struct godwit_meta *)bytes, length);
	case GODWIT_SNAPSHOT:
		return godwit_check_snapshot((const struct godwit_snapshot *)bytes, length);
	case GODWIT_PEER_ACK:
		return godwit_check_peer_ack((const struct godwit_peer_ack *)bytes, length);
	default:
		if (godwit_zeros_from_peer(bytes, from->frame.type) != 0)
			return GODWIT_CHECK_ZERO;
		return godwit_check_peer_length(length, rule->fixed);
	}
}

#endif
