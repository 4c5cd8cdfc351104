// SPDX-License-Identifier: BSD-3-Clause
//
// The checks that both ends apply to a datagram before they read a field of it: one verdict for the
// whole frame, so that stages behind it need no bounds of their own. wire_walk.h then leads through
// what was checked.
//
// What OK promises: the frame is of our version and of a type of this direction; it has exactly the
// length that its fields say; its zero fields are zero; it carries no flag that its type may not;
// names, starts, policies, windows, topics, ranges and coverage are in the limits that wire.h and
// docs/protocol.md state; a walk of its records or entries meets `count` of them and ends at the
// frame's end. What it does not: that a handle, key, tag, session or number means anything here, or
// that a code or reason is known (a later version may add some).
//
// The first rule broken, in the order of the enum, is not promised: a frame may break several.
//
// Thread: any; pure functions over the caller's bytes. Cost: constant for most frames, one walk of
// the records of DATA and PUBLISH, of the entries of ACK and HEARTBEAT, of the topics of a filter.
#ifndef GODWIT_WIRE_CHECK_H
#define GODWIT_WIRE_CHECK_H

#include <godwit/errors.h>
#include <godwit/wire.h>
#include <godwit/wire_walk.h>

enum godwit_check {
	GODWIT_CHECK_OK = 0,
	GODWIT_CHECK_SHORT,   // shorter than the frame header or than its type's fixed part
	GODWIT_CHECK_VERSION, // a version that is not ours
	GODWIT_CHECK_TYPE,    // a type that this direction does not know
	GODWIT_CHECK_LENGTH,  // longer or shorter than its fields say
	GODWIT_CHECK_COUNT,   // `count` does not match what follows, or is above its limit
	GODWIT_CHECK_ZERO,    // a zero field is not zero
	GODWIT_CHECK_FLAGS,   // a flag that this type may not carry
	GODWIT_CHECK_FIELD, // a field out of its range (start, policy, name, topic order, range order)
	GODWIT_CHECK_RECORD, // a record that overruns, has server flags in PUBLISH, or padding not zero
	GODWIT_CHECK_VERDICTS
};

// The verdict's name, for counters and messages. Thread: any.
static inline const char *godwit_check_name(enum godwit_check verdict)
{
	static const char *const names[GODWIT_CHECK_VERDICTS] = {
		"ok",	 "short", "version", "type",  "length",
		"count", "zero",  "flags",   "field", "record",
	};

	return verdict < GODWIT_CHECK_VERDICTS ? names[verdict] : "unknown";
}

// ---- what the two directions share -------------------------------------------------------------

// What holds for all frames of a type; fixed 0 stands for no such type.
struct godwit_frame_rule {
	uint16_t fixed;	 // bytes before the part of variable length
	uint16_t flags;	 // that it may carry
	bool has_count;	 // `count` may be above 0
	bool has_tail;	 // something of variable length follows
	bool above_1200; // may be larger than GODWIT_CONTROL_BYTES
};

// The frame header against its type's rule. The caller has checked length >= 8 and the version.
static inline enum godwit_check godwit_check_rule(const struct godwit_frame *frame, size_t length,
						  const struct godwit_frame_rule *rule)
{
	if (rule->fixed == 0)
		return GODWIT_CHECK_TYPE;
	if (length < rule->fixed)
		return GODWIT_CHECK_SHORT;
	if (length > (rule->has_tail ? SIZE_MAX : rule->fixed))
		return GODWIT_CHECK_LENGTH;
	if (length > GODWIT_CONTROL_BYTES && !rule->above_1200)
		return GODWIT_CHECK_LENGTH;
	if (!rule->has_count && godwit_get16(frame->count) != 0)
		return GODWIT_CHECK_COUNT;
	if (godwit_get16(frame->zero) != 0)
		return GODWIT_CHECK_ZERO;
	if (godwit_get16(frame->flags) & ~(uint32_t)rule->flags)
		return GODWIT_CHECK_FLAGS;
	return GODWIT_CHECK_OK;
}

// `count` records that fill [at, end). published: from a publisher, so without what servers set.
static inline enum godwit_check godwit_check_records(const uint8_t *at, const uint8_t *end,
						     uint32_t count, bool published)
{
	const struct godwit_record *record;

	for (uint32_t i = 0; i < count; i++) {
		if (at == end)
			return GODWIT_CHECK_COUNT;
		record = godwit_record_next(&at, end);
		if (record == NULL)
			return GODWIT_CHECK_RECORD;
		if (published && (godwit_get32(record->time) != 0 ||
				  (godwit_get16(record->flags) & ~GODWIT_RECORD_CLIENT_FLAGS)))
			return GODWIT_CHECK_RECORD;
		for (const uint8_t *pad =
			     godwit_record_payload(record) + godwit_get16(record->length);
		     pad < at; pad++)
			if (*pad != 0)
				return GODWIT_CHECK_RECORD;
	}
	return at == end ? GODWIT_CHECK_OK : GODWIT_CHECK_LENGTH;
}

// ---- client -> server --------------------------------------------------------------------------

// The topics of a SUBSCRIBE or RESUME, `bytes` long, behind its fixed part.
static inline enum godwit_check godwit_check_topics(const struct godwit_frame *frame, size_t bytes)
{
	const struct godwit_be32 *topics = godwit_topics_of(frame);
	uint32_t count = godwit_get16(frame->count);
	uint32_t last = 0;

	if (topics == NULL)
		return count != 0 ? GODWIT_CHECK_COUNT :
		       bytes != 0 ? GODWIT_CHECK_LENGTH :
				    GODWIT_CHECK_OK;
	if (count == 0 || count > GODWIT_FILTER_TOPICS)
		return GODWIT_CHECK_COUNT;
	if (bytes != count * sizeof(*topics))
		return GODWIT_CHECK_LENGTH;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t topic = godwit_get32(topics[i]);

		if (topic <= last)
			return GODWIT_CHECK_FIELD;
		last = topic;
	}
	return GODWIT_CHECK_OK;
}

static inline enum godwit_check godwit_check_subscribe(const struct godwit_subscribe *subscribe,
						       size_t length)
{
	if (godwit_get32(subscribe->zero) != 0)
		return GODWIT_CHECK_ZERO;
	if (subscribe->start > GODWIT_START_AFTER || subscribe->policy > GODWIT_POLICY_LATEST)
		return GODWIT_CHECK_FIELD;
	if (godwit_get32(subscribe->window) == 0 || !godwit_name_valid(subscribe->stream))
		return GODWIT_CHECK_FIELD;
	return godwit_check_topics(&subscribe->from.frame, length - sizeof(*subscribe));
}

static inline enum godwit_check godwit_check_resume(const struct godwit_resume *resume,
						    size_t length)
{
	if (resume->zero != 0)
		return GODWIT_CHECK_ZERO;
	if (resume->policy > GODWIT_POLICY_LATEST || godwit_get32(resume->window) == 0)
		return GODWIT_CHECK_FIELD;
	if (!godwit_name_valid(resume->stream))
		return GODWIT_CHECK_FIELD;
	return godwit_check_topics(&resume->from.frame, length - sizeof(*resume));
}

static inline enum godwit_check godwit_check_ack_entry(const struct godwit_ack_entry *entry)
{
	const struct godwit_range *ranges = godwit_ack_ranges(entry);
	uint32_t naks = godwit_get16(entry->naks);

	if (naks > GODWIT_NAK_RANGES)
		return GODWIT_CHECK_COUNT;
	if (godwit_get32(entry->zero) != 0)
		return GODWIT_CHECK_ZERO;
	if (godwit_get16(entry->flags) & ~(GODWIT_ACK_KEEP | GODWIT_ACK_HELD))
		return GODWIT_CHECK_FLAGS;
	for (uint32_t i = 0; i < naks; i++) {
		uint64_t first = godwit_get64(ranges[i].first);

		if (first == 0 || first > godwit_get64(ranges[i].last))
			return GODWIT_CHECK_FIELD;
	}
	return GODWIT_CHECK_OK;
}

static inline enum godwit_check godwit_check_ack(const struct godwit_ack *ack, size_t length)
{
	const uint8_t *at = godwit_ack_entries(ack);
	const uint8_t *end = (const uint8_t *)ack + length;
	uint32_t count = godwit_get16(ack->from.frame.count);

	for (uint32_t i = 0; i < count; i++) {
		const struct godwit_ack_entry *entry = godwit_ack_next(&at, end);
		enum godwit_check verdict;

		if (entry == NULL)
			return GODWIT_CHECK_LENGTH;
		verdict = godwit_check_ack_entry(entry);
		if (verdict != GODWIT_CHECK_OK)
			return verdict;
	}
	return at == end ? GODWIT_CHECK_OK : GODWIT_CHECK_LENGTH;
}

static inline enum godwit_check godwit_check_publish(const struct godwit_publish *publish,
						     size_t length)
{
	uint32_t count = godwit_get16(publish->from.frame.count);
	uint64_t first = godwit_get64(publish->first);

	if (godwit_get32(publish->zero) != 0)
		return GODWIT_CHECK_ZERO;
	if (first == 0 || first > UINT64_MAX - count)
		return GODWIT_CHECK_FIELD;
	return godwit_check_records(godwit_publish_records(publish),
				    (const uint8_t *)publish + length, count, true);
}

static inline enum godwit_check godwit_check_proof(const struct godwit_hello_proof *proof,
						   size_t length)
{
	if (godwit_get16(proof->zero) != 0)
		return GODWIT_CHECK_ZERO;
	if (godwit_get16(proof->credential_bytes) > GODWIT_CREDENTIAL_MAX)
		return GODWIT_CHECK_FIELD;
	return length == sizeof(*proof) + godwit_get16(proof->credential_bytes) ?
		       GODWIT_CHECK_OK :
		       GODWIT_CHECK_LENGTH;
}

static inline enum godwit_check godwit_check_topic(const struct godwit_topic *topic)
{
	if (godwit_get32(topic->zero) != 0)
		return GODWIT_CHECK_ZERO;
	return godwit_name_valid(topic->stream) && godwit_name_valid(topic->name) ?
		       GODWIT_CHECK_OK :
		       GODWIT_CHECK_FIELD;
}

static inline enum godwit_check godwit_check_publish_open(const struct godwit_publish_open *open)
{
	if (godwit_get32(open->zero) != 0)
		return GODWIT_CHECK_ZERO;
	return godwit_name_valid(open->stream) ? GODWIT_CHECK_OK : GODWIT_CHECK_FIELD;
}

// The rule of a frame type of this direction.
static inline const struct godwit_frame_rule *godwit_rule_from_client(uint8_t type)
{
	static const struct godwit_frame_rule rules[] = {
		[0] = {.fixed = 0},
		[GODWIT_HELLO] = {.fixed = sizeof(struct godwit_hello)},
		[GODWIT_HELLO_PROOF] = {.fixed = sizeof(struct godwit_hello_proof),
					.has_tail = true},
		[GODWIT_SUBSCRIBE] = {.fixed = sizeof(struct godwit_subscribe),
				      .flags = GODWIT_FLAG_FILTERED,
				      .has_count = true,
				      .has_tail = true},
		[GODWIT_RESUME] = {.fixed = sizeof(struct godwit_resume),
				   .flags = GODWIT_FLAG_FILTERED,
				   .has_count = true,
				   .has_tail = true},
		[GODWIT_ACK] = {.fixed = sizeof(struct godwit_ack),
				.has_count = true,
				.has_tail = true},
		[GODWIT_UNSUBSCRIBE] = {.fixed = sizeof(struct godwit_unsubscribe)},
		[GODWIT_PUBLISH_OPEN] = {.fixed = sizeof(struct godwit_publish_open)},
		[GODWIT_PUBLISH] = {.fixed = sizeof(struct godwit_publish),
				    .has_count = true,
				    .has_tail = true,
				    .above_1200 = true},
		[GODWIT_TOPIC] = {.fixed = sizeof(struct godwit_topic),
				  .flags = GODWIT_FLAG_CREATE},
		[GODWIT_PROBE_REPLY] = {.fixed = sizeof(struct godwit_probe_reply)},
	};

	return &rules[type < sizeof(rules) / sizeof(rules[0]) ? type : 0];
}

// Frames that a client sends to a server. type is bytes[1] once the verdict is OK.
// bytes: readable for `length`, any alignment. Thread: any.
static inline enum godwit_check godwit_check_from_client(const void *bytes, size_t length)
{
	const struct godwit_frame *frame = (const struct godwit_frame *)bytes;
	enum godwit_check verdict;

	if (length < sizeof(*frame))
		return GODWIT_CHECK_SHORT;
	if (frame->version != GODWIT_VERSION)
		return GODWIT_CHECK_VERSION;
	verdict = godwit_check_rule(frame, length, godwit_rule_from_client(frame->type));
	if (verdict != GODWIT_CHECK_OK)
		return verdict;
	switch (frame->type) {
	case GODWIT_HELLO:
		return godwit_get32(((const struct godwit_hello *)bytes)->zero) != 0 ?
			       GODWIT_CHECK_ZERO :
			       GODWIT_CHECK_OK;
	case GODWIT_HELLO_PROOF:
		return godwit_check_proof((const struct godwit_hello_proof *)bytes, length);
	case GODWIT_SUBSCRIBE:
		return godwit_check_subscribe((const struct godwit_subscribe *)bytes, length);
	case GODWIT_RESUME:
		return godwit_check_resume((const struct godwit_resume *)bytes, length);
	case GODWIT_ACK:
		return godwit_check_ack((const struct godwit_ack *)bytes, length);
	case GODWIT_PUBLISH_OPEN:
		return godwit_check_publish_open((const struct godwit_publish_open *)bytes);
	case GODWIT_PUBLISH:
		return godwit_check_publish((const struct godwit_publish *)bytes, length);
	case GODWIT_TOPIC:
		return godwit_check_topic((const struct godwit_topic *)bytes);
	default: // UNSUBSCRIBE, PROBE_REPLY: nothing beyond the rule
		return GODWIT_CHECK_OK;
	}
}

// ---- server -> client --------------------------------------------------------------------------

// A filtered DATA: distances, their padding, then the records.
static inline enum godwit_check godwit_check_data_filtered(const struct godwit_data *data,
							   const uint8_t *end)
{
	const struct godwit_be16 *distances = godwit_data_distances(data);
	const uint8_t *at = (const uint8_t *)(data + 1);
	uint32_t covers = godwit_get32(data->covers);
	uint32_t count = godwit_get16(data->frame.count);

	if (count > covers)
		return GODWIT_CHECK_COUNT;
	if (count > 0 && covers > GODWIT_COVER_MAX)
		return GODWIT_CHECK_FIELD;
	if ((size_t)(end - at) < godwit_distances_bytes(count))
		return GODWIT_CHECK_LENGTH;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t distance = godwit_get16(distances[i]);

		if (distance >= covers)
			return GODWIT_CHECK_FIELD;
		if (i > 0 && distance <= godwit_get16(distances[i - 1]))
			return GODWIT_CHECK_FIELD;
	}
	if (count % 2 != 0 && godwit_get16(distances[count]) != 0)
		return GODWIT_CHECK_ZERO;
	return godwit_check_records(godwit_data_records(data), end, count, false);
}

static inline enum godwit_check godwit_check_data(const struct godwit_data *data, size_t length)
{
	const uint8_t *end = (const uint8_t *)data + length;
	uint64_t from = godwit_get64(data->covers_from);
	uint32_t covers = godwit_get32(data->covers);

	if (covers == 0 || from == 0 || from > UINT64_MAX - covers)
		return GODWIT_CHECK_FIELD;
	if (godwit_get16(data->frame.flags) & GODWIT_FLAG_FILTERED)
		return godwit_check_data_filtered(data, end);
	if (godwit_get16(data->frame.count) != covers)
		return GODWIT_CHECK_COUNT;
	return godwit_check_records(godwit_data_records(data), end, covers, false);
}

static inline enum godwit_check godwit_check_heartbeat(const struct godwit_heartbeat *heartbeat,
						       size_t length)
{
	const struct godwit_heartbeat_entry *entries = godwit_heartbeat_entries(heartbeat);
	uint32_t count = godwit_get16(heartbeat->frame.count);

	if (length != sizeof(*heartbeat) + count * sizeof(*entries))
		return GODWIT_CHECK_LENGTH;
	for (uint32_t i = 0; i < count; i++)
		if (godwit_get32(entries[i].zero) != 0)
			return GODWIT_CHECK_ZERO;
	return GODWIT_CHECK_OK;
}

static inline enum godwit_check godwit_check_welcome(const struct godwit_welcome *welcome,
						     size_t length)
{
	const struct godwit_server_entry *servers = godwit_welcome_servers(welcome);
	uint32_t count = godwit_get16(welcome->frame.count);

	if (length != sizeof(*welcome) + count * sizeof(*servers))
		return GODWIT_CHECK_LENGTH;
	for (uint32_t i = 0; i < count; i++)
		if (godwit_get16(servers[i].zero) != 0)
			return GODWIT_CHECK_ZERO;
	return GODWIT_CHECK_OK;
}

static inline enum godwit_check godwit_check_error(const struct godwit_error *error, size_t length)
{
	if (godwit_get32(error->zero) != 0)
		return GODWIT_CHECK_ZERO;
	if (godwit_get16(error->text_bytes) > GODWIT_ERROR_TEXT_MAX)
		return GODWIT_CHECK_FIELD;
	return length == sizeof(*error) + godwit_get16(error->text_bytes) ? GODWIT_CHECK_OK :
									    GODWIT_CHECK_LENGTH;
}

static inline enum godwit_check godwit_check_topic_number(const struct godwit_topic_number *number)
{
	if ((godwit_get32(number->zero) | godwit_get32(number->zero2)) != 0)
		return GODWIT_CHECK_ZERO;
	return godwit_get32(number->topic) != 0 && godwit_name_valid(number->name) ?
		       GODWIT_CHECK_OK :
		       GODWIT_CHECK_FIELD;
}

// The zero fields of frames without a part of variable length, or'ed.
static inline uint32_t godwit_zeros_from_server(const void *bytes, uint8_t type)
{
	const struct godwit_take *take = (const struct godwit_take *)bytes;
	const struct godwit_migrate *migrate = (const struct godwit_migrate *)bytes;
	const struct godwit_redirect *redirect = (const struct godwit_redirect *)bytes;
	const struct godwit_publish_ack *ack = (const struct godwit_publish_ack *)bytes;

	switch (type) {
	case GODWIT_COOKIE:
		return godwit_get32(((const struct godwit_cookie *)bytes)->zero);
	case GODWIT_TAKE:
		return godwit_get32(take->zero);
	case GODWIT_MIGRATE:
		return godwit_get16(migrate->target.zero) | godwit_get16(migrate->zero) |
		       godwit_get32(migrate->zero2);
	case GODWIT_REDIRECT:
		return godwit_get16(redirect->zero) | godwit_get16(redirect->target.zero);
	case GODWIT_PUBLISH_OPENED:
		return godwit_get32(((const struct godwit_publish_opened *)bytes)->zero);
	case GODWIT_PUBLISH_ACK:
		return godwit_get16(ack->zero) | godwit_get32(ack->zero2);
	case GODWIT_ENDED:
		return godwit_get16(((const struct godwit_ended *)bytes)->zero);
	default: // SUBSCRIBED, PROBE: none
		return 0;
	}
}

// The rule of a frame type of this direction.
static inline const struct godwit_frame_rule *godwit_rule_from_server(uint8_t type)
{
	static const struct godwit_frame_rule rules[] = {
		[0] = {.fixed = 0},
		[GODWIT_COOKIE] = {.fixed = sizeof(struct godwit_cookie)},
		[GODWIT_WELCOME] = {.fixed = sizeof(struct godwit_welcome),
				    .has_count = true,
				    .has_tail = true},
		[GODWIT_SUBSCRIBED] = {.fixed = sizeof(struct godwit_subscribed)},
		[GODWIT_DATA] = {.fixed = sizeof(struct godwit_data),
				 .flags = GODWIT_FLAG_FILTERED | GODWIT_FLAG_REPAIR,
				 .has_count = true,
				 .has_tail = true,
				 .above_1200 = true},
		[GODWIT_HEARTBEAT] = {.fixed = sizeof(struct godwit_heartbeat),
				      .has_count = true,
				      .has_tail = true},
		[GODWIT_TAKE] = {.fixed = sizeof(struct godwit_take), .flags = GODWIT_FLAG_BY_HOME},
		[GODWIT_MIGRATE] = {.fixed = sizeof(struct godwit_migrate)},
		[GODWIT_REDIRECT] = {.fixed = sizeof(struct godwit_redirect)},
		[GODWIT_PUBLISH_OPENED] = {.fixed = sizeof(struct godwit_publish_opened)},
		[GODWIT_PUBLISH_ACK] = {.fixed = sizeof(struct godwit_publish_ack)},
		[GODWIT_TOPIC_NUMBER] = {.fixed = sizeof(struct godwit_topic_number)},
		[GODWIT_ENDED] = {.fixed = sizeof(struct godwit_ended)},
		[GODWIT_PROBE] = {.fixed = sizeof(struct godwit_probe)},
		[GODWIT_ERROR] = {.fixed = sizeof(struct godwit_error), .has_tail = true},
	};

	return &rules[type < sizeof(rules) / sizeof(rules[0]) ? type : 0];
}

// Frames that a server sends to a client. bytes: readable for `length`, any alignment. Thread: any.
static inline enum godwit_check godwit_check_from_server(const void *bytes, size_t length)
{
	const struct godwit_frame *frame = (const struct godwit_frame *)bytes;
	enum godwit_check verdict;

	if (length < sizeof(*frame))
		return GODWIT_CHECK_SHORT;
	if (frame->version != GODWIT_VERSION)
		return GODWIT_CHECK_VERSION;
	verdict = godwit_check_rule(frame, length, godwit_rule_from_server(frame->type));
	if (verdict != GODWIT_CHECK_OK)
		return verdict;
	switch (frame->type) {
	case GODWIT_WELCOME:
		return godwit_check_welcome((const struct godwit_welcome *)bytes, length);
	case GODWIT_DATA:
		return godwit_check_data((const struct godwit_data *)bytes, length);
	case GODWIT_HEARTBEAT:
		return godwit_check_heartbeat((const struct godwit_heartbeat *)bytes, length);
	case GODWIT_TOPIC_NUMBER:
		return godwit_check_topic_number((const struct godwit_topic_number *)bytes);
	case GODWIT_ERROR:
		return godwit_check_error((const struct godwit_error *)bytes, length);
	default:
		return godwit_zeros_from_server(bytes, frame->type) != 0 ? GODWIT_CHECK_ZERO :
									   GODWIT_CHECK_OK;
	}
}

#endif
