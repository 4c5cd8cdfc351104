// SPDX-License-Identifier: BSD-3-Clause
//
// The way through a frame: where its parts of variable length lie, and one step over each of them.
// Sender and receiver use the same functions, so that no offset is computed in two places.
//
// The accessors trust the frame: on bytes from the network, only after wire_check.h said OK. The
// two `_next` functions are bounded by themselves: a damaged area ends the walk, never overruns.
//
//	const uint8_t *at = godwit_data_records(data);
//	const struct godwit_record *r;
//
//	while ((r = godwit_record_next(&at, end)))
//		use(godwit_record_payload(r), godwit_get16(r->length));
//
// Thread: any; pure functions. What they return points into the caller's bytes and lives as long.
#ifndef GODWIT_WIRE_WALK_H
#define GODWIT_WIRE_WALK_H

#include <godwit/wire.h>

// ---- records -----------------------------------------------------------------------------------

static inline const uint8_t *godwit_record_payload(const struct godwit_record *record)
{
	return (const uint8_t *)(record + 1);
}

// The record at *at, and *at moved past its padding. NULL, with *at unmoved, at the end of the area
// and where the next record does not fit what is left of it; then *at != end.
static inline const struct godwit_record *godwit_record_next(const uint8_t **at, const uint8_t *end)
{
	const struct godwit_record *record = (const struct godwit_record *)*at;
	size_t left = (size_t)(end - *at);
	uint32_t bytes;

	if (left < sizeof(*record))
		return NULL;
	bytes = godwit_record_bytes(godwit_get16(record->length));
	if (left < bytes)
		return NULL;
	*at += bytes;
	return record;
}

// The first record of a PUBLISH; they end with the frame.
static inline const uint8_t *godwit_publish_records(const struct godwit_publish *publish)
{
	return (const uint8_t *)(publish + 1);
}

// Bytes that the distances of this many records take in a filtered DATA.
static inline size_t godwit_distances_bytes(size_t count)
{
	return (count * sizeof(struct godwit_be16) + 3) & ~(size_t)3;
}

// frame.count distances of the records from covers_from, ascending; NULL where every sequence from
// covers_from on has its record (without FILTERED).
static inline const struct godwit_be16 *godwit_data_distances(const struct godwit_data *data)
{
	if (!(godwit_get16(data->frame.flags) & GODWIT_FLAG_FILTERED))
		return NULL;
	return (const struct godwit_be16 *)(data + 1);
}

// The first record of a DATA; they end with the frame.
static inline const uint8_t *godwit_data_records(const struct godwit_data *data)
{
	const uint8_t *at = (const uint8_t *)(data + 1);

	if (godwit_get16(data->frame.flags) & GODWIT_FLAG_FILTERED)
		at += godwit_distances_bytes(godwit_get16(data->frame.count));
	return at;
}

// ---- topics of a filter ------------------------------------------------------------------------

// The frame.count topics of a SUBSCRIBE or RESUME, ascending; NULL where it asks for the whole
// stream.
static inline const struct godwit_be32 *godwit_topics_of(const struct godwit_frame *frame)
{
	size_t fixed = frame->type == GODWIT_RESUME ? sizeof(struct godwit_resume) :
						      sizeof(struct godwit_subscribe);

	if (!(godwit_get16(frame->flags) & GODWIT_FLAG_FILTERED))
		return NULL;
	return (const struct godwit_be32 *)((const uint8_t *)frame + fixed);
}

// ---- entries -----------------------------------------------------------------------------------

// The first entry of an ACK; they end with the frame.
static inline const uint8_t *godwit_ack_entries(const struct godwit_ack *ack)
{
	return (const uint8_t *)(ack + 1);
}

// The entry at *at, and *at moved past its ranges. NULL, with *at unmoved, at the end of the area
// and where the next entry does not fit what is left of it; then *at != end.
static inline const struct godwit_ack_entry *godwit_ack_next(const uint8_t **at, const uint8_t *end)
{
	const struct godwit_ack_entry *entry = (const struct godwit_ack_entry *)*at;
	size_t left = (size_t)(end - *at);
	size_t bytes;

	if (left < sizeof(*entry))
		return NULL;
	bytes = sizeof(*entry) + godwit_get16(entry->naks) * sizeof(struct godwit_range);
	if (left < bytes)
		return NULL;
	*at += bytes;
	return entry;
}

// The entry.naks ranges of an entry that godwit_ack_next() returned.
static inline const struct godwit_range *godwit_ack_ranges(const struct godwit_ack_entry *entry)
{
	return (const struct godwit_range *)(entry + 1);
}

// frame.count entries.
static inline const struct godwit_heartbeat_entry *godwit_heartbeat_entries(
	const struct godwit_heartbeat *heartbeat)
{
	return (const struct godwit_heartbeat_entry *)(heartbeat + 1);
}

// frame.count entries.
static inline const struct godwit_server_entry *godwit_welcome_servers(
	const struct godwit_welcome *welcome)
{
	return (const struct godwit_server_entry *)(welcome + 1);
}

// credential_bytes of credential.
static inline const uint8_t *godwit_proof_credential(const struct godwit_hello_proof *proof)
{
	return (const uint8_t *)(proof + 1);
}

// text_bytes of text, not terminated, of an author that may lie: quote it before printing.
static inline const char *godwit_error_text(const struct godwit_error *error)
{
	return (const char *)(error + 1);
}

// ---- between servers ---------------------------------------------------------------------------

// frame.count entries of a PEER_HELLO or PEER_HEARTBEAT.
static inline const struct godwit_peer_stream *godwit_peer_streams(const struct godwit_frame *frame)
{
	size_t fixed = frame->type == GODWIT_PEER_HELLO ? sizeof(struct godwit_peer_hello) :
							  sizeof(struct godwit_peer_heartbeat);

	return (const struct godwit_peer_stream *)((const uint8_t *)frame + fixed);
}

// replicate.runs runs.
static inline const struct godwit_run *godwit_replicate_runs(
	const struct godwit_replicate *replicate)
{
	return (const struct godwit_run *)(replicate + 1);
}

// The first record of a REPLICATE; they end where the MAC begins.
static inline const uint8_t *godwit_replicate_records(const struct godwit_replicate *replicate)
{
	return (const uint8_t *)(godwit_replicate_runs(replicate) + godwit_get16(replicate->runs));
}

// ack.naks ranges.
static inline const struct godwit_range *godwit_peer_ack_ranges(const struct godwit_peer_ack *ack)
{
	return (const struct godwit_range *)(ack + 1);
}

// bytes of entries of its kind.
static inline const uint8_t *godwit_snapshot_bytes(const struct godwit_snapshot *snapshot)
{
	return (const uint8_t *)(snapshot + 1);
}

// bytes of what its kind says.
static inline const uint8_t *godwit_meta_bytes(const struct godwit_meta *meta)
{
	return (const uint8_t *)(meta + 1);
}

// ---- names -------------------------------------------------------------------------------------

// A stream's or topic's name as it is on the wire: 1 to 63 bytes of printable ASCII (0x20 to 0x7e),
// zeros from there to the end.
static inline bool godwit_name_valid(const uint8_t name[GODWIT_NAME_BYTES])
{
	size_t i = 0;

	while (i < GODWIT_NAME_BYTES && name[i] >= 0x20 && name[i] <= 0x7e)
		i++;
	if (i == 0 || i == GODWIT_NAME_BYTES)
		return false;
	while (i < GODWIT_NAME_BYTES && name[i] == 0)
		i++;
	return i == GODWIT_NAME_BYTES;
}

// Write a C string as a name. false where it would not be a valid one; `name` is then all zeros.
static inline bool godwit_name_set(uint8_t name[GODWIT_NAME_BYTES], const char *text)
{
	size_t i = 0;

	memset(name, 0, GODWIT_NAME_BYTES);
	while (i < GODWIT_NAME_BYTES && text[i] != '\0') {
		name[i] = (uint8_t)text[i];
		i++;
	}
	if (godwit_name_valid(name))
		return true;
	memset(name, 0, GODWIT_NAME_BYTES);
	return false;
}

#endif
