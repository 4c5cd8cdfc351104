// SPDX-License-Identifier: BSD-3-Clause
//
// A core on the bench: one hand-made server, a clock that only the test moves. Each frame that the
// core makes is checked as a server would; each frame given to it must pass the check of a client,
// unless the test says otherwise.
//
// Owner: one test. Everything is static inline; a test uses what it needs.
#ifndef CLIENT_RIG_H
#define CLIENT_RIG_H

#include <criterion/criterion.h>
#include <godwit/client.h>
#include <godwit/wire_check.h>
#include <stdlib.h>

#define RIG_MS	     1000000ull
#define RIG_INTERVAL (100 * RIG_MS)
#define RIG_SESSION  0x5e55ull
#define RIG_EPOCH    7u
#define RIG_TIME     1700000000123456789ull
#define RIG_HANDLE   0x0000000500000009ull
#define RIG_KEY	     0x6b6579ull

struct rig {
	struct godwit_core *core;
	struct godwit_address server;
	uint64_t now_ns;
	uint64_t tag;	 // connection tag
	uint64_t handle; // that the server gives
	uint64_t key;
	uint64_t sub_tag; // of the subscription asked for last
	uint64_t session;
	uint64_t cursor_epoch;
	uint32_t epoch;	  // of the stream, in all that the server says
	uint32_t request; // of the frame expected last, where it has one
	uint32_t attempt;
	uint32_t subscription;
	struct godwit_address to; // of the frame taken last
	size_t length;		  // its length
	uint8_t out[65536];	  // that frame
	uint8_t in[65536];	  // the frame being built
	struct godwit_event event;
};

static inline struct godwit_address rig_address(uint32_t index)
{
	return godwit_address_v4(0x0a000001 + index, 7400);
}

static inline struct rig *rig_create_list(const struct godwit_core_options *base, uint32_t servers)
{
	struct godwit_address list[GODWIT_SERVERS_MAX];
	struct godwit_core_options options = base != NULL ? *base : (struct godwit_core_options){0};
	struct rig *rig = calloc(1, sizeof(*rig));

	for (uint32_t i = 0; i < servers; i++)
		list[i] = rig_address(i);
	rig->now_ns = 1000 * RIG_MS;
	rig->session = RIG_SESSION;
	rig->epoch = RIG_EPOCH;
	rig->cursor_epoch = 1 << 16;
	rig->server = list[0];
	rig->handle = RIG_HANDLE;
	rig->key = RIG_KEY;
	options.client = 42;
	options.instance = 43;
	options.seed[0] = options.seed[0] != 0 ? options.seed[0] : 1;
	options.servers = list;
	options.server_count = servers;
	options.now_ns = rig->now_ns;
	rig->core = godwit_core_create(&options);
	cr_assert_not_null(rig->core);
	return rig;
}

// One server at a time: none is kept warm.
static inline struct rig *rig_create_with(const struct godwit_core_options *base, uint32_t servers)
{
	struct godwit_core_options options = base != NULL ? *base : (struct godwit_core_options){0};

	options.is_single = true;
	return rig_create_list(&options, servers);
}

static inline void rig_destroy(struct rig *rig)
{
	godwit_core_destroy(rig->core);
	free(rig);
}

// ---- from the core ------------------------------------------------------------------------------

// The next frame: its type, 0 for none.
static inline uint8_t rig_output(struct rig *rig)
{
	rig->length = godwit_core_output(rig->core, rig->now_ns, &rig->to, rig->out, 1472);
	if (rig->length == 0)
		return 0;
	cr_assert_eq(godwit_check_from_client(rig->out, rig->length), GODWIT_CHECK_OK,
		     "type %u: %s", rig->out[1],
		     godwit_check_name(godwit_check_from_client(rig->out, rig->length)));
	return rig->out[1];
}

static inline const void *rig_expect(struct rig *rig, uint8_t type)
{
	uint8_t got = rig_output(rig);

	cr_assert_eq(got, type, "frame %#x instead of %#x", got, type);
	return rig->out;
}

static inline void rig_silent(struct rig *rig)
{
	uint8_t got = rig_output(rig);

	cr_assert_eq(got, 0, "frame %#x instead of none", got);
}

// Lets the time come at which the core wants to be asked, which must be in this many ns.
static inline void rig_due_in(struct rig *rig, uint64_t span_ns)
{
	uint64_t due_ns = godwit_core_due(rig->core, rig->now_ns);

	cr_assert_eq(due_ns, rig->now_ns + span_ns, "due in %lld ns, not %lld",
		     (long long)(due_ns - rig->now_ns), (long long)span_ns);
	rig->now_ns = due_ns;
}

static inline struct godwit_event *rig_next(struct rig *rig, enum godwit_event_kind kind)
{
	cr_assert(godwit_core_ready(rig->core), "no event ready, %d awaited", (int)kind);
	cr_assert(godwit_core_next(rig->core, rig->now_ns, &rig->event));
	cr_assert_eq(rig->event.kind, kind, "event %d instead of %d", (int)rig->event.kind,
		     (int)kind);
	return &rig->event;
}

static inline void rig_no_event(struct rig *rig)
{
	cr_assert(!godwit_core_ready(rig->core));
	cr_assert(!godwit_core_next(rig->core, rig->now_ns, &rig->event));
}

// ---- to the core --------------------------------------------------------------------------------

// Not inlined: with a frame of known size gcc warns of what the check reads of frames of other types.
static __attribute__((noinline, unused)) void rig_input(struct rig *rig, const void *frame,
							size_t length)
{
	cr_assert_eq(godwit_check_from_server(frame, length), GODWIT_CHECK_OK, "type %u: %s",
		     ((const uint8_t *)frame)[1],
		     godwit_check_name(godwit_check_from_server(frame, length)));
	godwit_core_input(rig->core, rig->now_ns, &rig->server, frame, length);
}

static inline struct godwit_frame rig_frame(uint8_t type, uint32_t flags, uint32_t count)
{
	return (struct godwit_frame){GODWIT_VERSION, type, godwit_be16((uint16_t)flags),
				     godwit_be16((uint16_t)count), godwit_be16(0)};
}

// To the HELLO in rig->out.
static inline struct godwit_cookie rig_cookie(struct rig *rig)
{
	const struct godwit_hello *hello = (const struct godwit_hello *)rig->out;

	rig->tag = godwit_get64(hello->tag);
	rig->request = godwit_get32(hello->request);
	return (struct godwit_cookie){
		.frame = rig_frame(GODWIT_COOKIE, 0, 0),
		.tag = hello->tag,
		.nonce = hello->nonce,
		.request = hello->request,
		.time = godwit_be64(99),
		.mac = {1, 2, 3},
	};
}

static inline struct godwit_welcome rig_welcome(struct rig *rig)
{
	return (struct godwit_welcome){
		.frame = rig_frame(GODWIT_WELCOME, 0, 0),
		.tag = godwit_be64(rig->tag),
		.handle = godwit_be64(rig->handle),
		.key = godwit_be64(rig->key),
		.incarnation = godwit_be64(77),
		.request = godwit_be32(rig->request),
		.server = godwit_be16(1),
		.multiplier = godwit_be16(3),
		.interval = godwit_be32(100),
		.datagram = godwit_be16(1472),
		.subscriptions = godwit_be16(16),
	};
}

// From the HELLO that is due to CONNECTED.
static inline void rig_connect(struct rig *rig)
{
	struct godwit_cookie cookie;
	struct godwit_welcome welcome;

	rig_expect(rig, GODWIT_HELLO);
	rig->server = rig->to;
	cookie = rig_cookie(rig);
	rig_input(rig, &cookie, sizeof(cookie));
	rig_expect(rig, GODWIT_HELLO_PROOF);
	welcome = rig_welcome(rig);
	rig_input(rig, &welcome, sizeof(welcome));
	rig_next(rig, GODWIT_EVENT_CONNECTED);
}

static inline struct rig *rig_connected(void)
{
	struct rig *rig = rig_create_with(NULL, 1);

	rig_connect(rig);
	return rig;
}

// The SUBSCRIBE or RESUME that is due; remembers what its answer echoes.
static inline const void *rig_expect_request(struct rig *rig, uint8_t type)
{
	rig_expect(rig, type);
	if (type == GODWIT_SUBSCRIBE) {
		const struct godwit_subscribe *subscribe =
			(const struct godwit_subscribe *)rig->out;

		rig->request = godwit_get32(subscribe->request);
		rig->sub_tag = godwit_get64(subscribe->tag);
		rig->attempt = 0;
	} else {
		const struct godwit_resume *resume = (const struct godwit_resume *)rig->out;

		rig->request = godwit_get32(resume->request);
		rig->sub_tag = godwit_get64(resume->tag);
		rig->attempt = godwit_get32(resume->attempt);
	}
	return rig->out;
}

// Answers the request seen last: delivery begins after seq, in a new cursor epoch.
static inline void rig_subscribed(struct rig *rig, uint64_t seq, enum godwit_code answer)
{
	struct godwit_subscribed frame;

	rig->cursor_epoch += 1 << 16;
	frame = (struct godwit_subscribed){
		.frame = rig_frame(GODWIT_SUBSCRIBED, 0, 0),
		.tag = godwit_be64(rig->sub_tag),
		.handle = godwit_be64(rig->handle),
		.key = godwit_be64(rig->key),
		.cursor_epoch = godwit_be64(rig->cursor_epoch),
		.session = godwit_be64(rig->session),
		.seq = godwit_be64(seq),
		.epoch = godwit_be32(rig->epoch),
		.request = godwit_be32(rig->request),
		.earliest = godwit_be64(1),
		.commit = godwit_be64(seq),
		.answer = godwit_be16((uint16_t)answer),
		.max_message = godwit_be16(1200),
		.attempt = godwit_be32(rig->attempt),
	};
	rig_input(rig, &frame, sizeof(frame));
}

// Subscribes to the whole stream "s" and answers that delivery begins after seq.
static inline void rig_subscribe_with(struct rig *rig, struct godwit_subscription_options options,
				      uint64_t seq)
{
	options.stream = "s";
	cr_assert_eq(godwit_core_subscribe(rig->core, rig->now_ns, &options, &rig->subscription),
		     0);
	rig_expect_request(rig, GODWIT_SUBSCRIBE);
	rig_subscribed(rig, seq, GODWIT_OK);
	rig_next(rig, GODWIT_EVENT_SUBSCRIBED);
	rig_expect(rig, GODWIT_ACK); // the new epoch is acknowledged at once
	rig_silent(rig);
}

static inline void rig_subscribe(struct rig *rig, uint64_t seq, uint32_t window)
{
	rig_subscribe_with(rig, (struct godwit_subscription_options){.window = window}, seq);
}

static inline uint64_t rig_time(uint64_t seq)
{
	return RIG_TIME + seq * 1000;
}

// The payload of a message: its sequence, then as many bytes more as the sequence's last digits
// say.
static inline size_t rig_payload(uint64_t seq, uint8_t *bytes)
{
	size_t extra = seq % 7;

	memcpy(bytes, &seq, sizeof(seq));
	memset(bytes + sizeof(seq), (int)(seq & 0xff), extra);
	return sizeof(seq) + extra;
}

static inline uint32_t rig_topic(uint64_t seq)
{
	return (uint32_t)(seq % 5 + 1);
}

static inline uint8_t *rig_record(uint8_t *at, uint64_t seq)
{
	uint8_t payload[16];
	size_t length = rig_payload(seq, payload);
	struct godwit_record record = {
		.length = godwit_be16((uint16_t)length),
		.topic = godwit_be32(rig_topic(seq)),
		.time = godwit_be32((uint32_t)rig_time(seq)),
	};
	uint32_t bytes = godwit_record_bytes((uint32_t)length);

	memset(at, 0, bytes);
	memcpy(at, &record, sizeof(record));
	memcpy(at + sizeof(record), payload, length);
	return at + bytes;
}

// A whole DATA of [from, to] in rig->in; returns its length.
static inline size_t rig_build_data(struct rig *rig, uint64_t from, uint64_t to)
{
	uint32_t covers = (uint32_t)(to - from + 1);
	struct godwit_data data = {
		.frame = rig_frame(GODWIT_DATA, 0, covers),
		.tag = godwit_be64(rig->sub_tag),
		.cursor_epoch = godwit_be64(rig->cursor_epoch),
		.session = godwit_be64(rig->session),
		.covers_from = godwit_be64(from),
		.time = godwit_be64(rig_time(from)),
		.epoch = godwit_be32(rig->epoch),
		.covers = godwit_be32(covers),
	};
	uint8_t *at = rig->in + sizeof(data);

	memcpy(rig->in, &data, sizeof(data));
	for (uint64_t seq = from; seq <= to; seq++)
		at = rig_record(at, seq);
	return (size_t)(at - rig->in);
}

// A filtered DATA of [from, to] with the records of one topic (0: none of them).
static inline size_t rig_build_filtered(struct rig *rig, uint64_t from, uint64_t to, uint32_t topic)
{
	struct godwit_data data = {
		.tag = godwit_be64(rig->sub_tag),
		.cursor_epoch = godwit_be64(rig->cursor_epoch),
		.session = godwit_be64(rig->session),
		.covers_from = godwit_be64(from),
		.epoch = godwit_be32(rig->epoch),
		.covers = godwit_be32((uint32_t)(to - from + 1)),
	};
	uint8_t *at = rig->in + sizeof(data);
	uint32_t count = 0;

	for (uint64_t seq = from; seq <= to; seq++) {
		struct godwit_be16 distance = godwit_be16((uint16_t)(seq - from));

		if (rig_topic(seq) != topic)
			continue;
		if (count++ == 0)
			data.time = godwit_be64(rig_time(seq));
		memcpy(at, &distance, sizeof(distance));
		at += sizeof(distance);
	}
	if (count % 2 != 0) {
		memset(at, 0, 2);
		at += 2;
	}
	for (uint64_t seq = from; seq <= to; seq++)
		if (rig_topic(seq) == topic)
			at = rig_record(at, seq);
	data.frame = rig_frame(GODWIT_DATA, GODWIT_FLAG_FILTERED, count);
	memcpy(rig->in, &data, sizeof(data));
	return (size_t)(at - rig->in);
}

static inline void rig_data(struct rig *rig, uint64_t from, uint64_t to)
{
	size_t length = rig_build_data(rig, from, to);

	rig_input(rig, rig->in, length);
}

static inline void rig_filtered(struct rig *rig, uint64_t from, uint64_t to, uint32_t topic)
{
	size_t length = rig_build_filtered(rig, from, to, topic);

	rig_input(rig, rig->in, length);
}

static inline void rig_heartbeat(struct rig *rig, uint64_t sent)
{
	struct {
		struct godwit_heartbeat head;
		struct godwit_heartbeat_entry entry;
	} frame = {
		.head = {.frame = rig_frame(GODWIT_HEARTBEAT, 0, 1), .tag = godwit_be64(rig->tag)},
		.entry = {.tag = godwit_be64(rig->sub_tag),
			  .cursor_epoch = godwit_be64(rig->cursor_epoch),
			  .sent = godwit_be64(sent),
			  .commit = godwit_be64(sent)},
	};

	rig_input(rig, &frame, sizeof(frame));
}

// Any frame of the server, so that it is not silent.
static inline void rig_alive(struct rig *rig)
{
	struct godwit_heartbeat frame = {.frame = rig_frame(GODWIT_HEARTBEAT, 0, 0),
					 .tag = godwit_be64(rig->tag)};

	rig_input(rig, &frame, sizeof(frame));
}

// request 0: the server ends it by itself.
static inline void rig_ended(struct rig *rig, enum godwit_code code, uint32_t request)
{
	struct godwit_ended frame = {
		.frame = rig_frame(GODWIT_ENDED, 0, 0),
		.tag = godwit_be64(rig->sub_tag),
		.cursor_epoch = godwit_be64(rig->cursor_epoch),
		.session = godwit_be64(rig->session),
		.seq = godwit_be64(500),
		.epoch = godwit_be32(rig->epoch),
		.request = godwit_be32(request),
		.next_session = godwit_be64(0xabc),
		.code = godwit_be16((uint16_t)code),
		.attempt = godwit_be32(request != 0 ? rig->attempt : 0),
	};

	rig_input(rig, &frame, sizeof(frame));
}

static inline void rig_error(struct rig *rig, enum godwit_code code, uint32_t request,
			     uint64_t detail)
{
	struct {
		struct godwit_error head;
		char text[4];
	} frame = {
		.head = {.frame = rig_frame(GODWIT_ERROR, 0, 0),
			 .tag = godwit_be64(rig->tag),
			 .request = godwit_be32(request),
			 .detail = godwit_be64(detail),
			 .code = godwit_be16((uint16_t)code),
			 .text_bytes = godwit_be16(4)},
		.text = {'t', 'e', 'x', 't'},
	};

	rig_input(rig, &frame, sizeof(frame));
}

// ---- what a test asks for -----------------------------------------------------------------------

// Pulls one message and compares all of it with what rig_record made.
static inline void rig_take(struct rig *rig, uint64_t seq)
{
	uint8_t payload[16];
	size_t length = rig_payload(seq, payload);
	const struct godwit_event *event = rig_next(rig, GODWIT_EVENT_MESSAGE);

	cr_assert_eq(event->identifier.seq, seq, "message %llu instead of %llu",
		     (unsigned long long)event->identifier.seq, (unsigned long long)seq);
	cr_assert_eq(event->identifier.session, rig->session);
	cr_assert_eq(event->identifier.epoch, rig->epoch);
	cr_assert_eq(event->subscription, rig->subscription);
	cr_assert_eq(event->topic, rig_topic(seq));
	cr_assert_eq(event->time_ns, rig_time(seq));
	cr_assert_eq(event->length, length);
	cr_assert_eq(memcmp(event->payload, payload, length), 0);
}

static inline void rig_take_range(struct rig *rig, uint64_t first, uint64_t last)
{
	for (uint64_t seq = first; seq <= last; seq++)
		rig_take(rig, seq);
}

// The ACK that is due must have one entry: this mark, this edge, these ranges (pairs, `naks` of
// them).
static inline void rig_expect_ack(struct rig *rig, uint64_t seq, uint64_t edge, uint32_t naks,
				  const uint64_t *ranges)
{
	const struct godwit_ack *ack = rig_expect(rig, GODWIT_ACK);
	const uint8_t *at = godwit_ack_entries(ack);
	const struct godwit_ack_entry *entry = godwit_ack_next(&at, rig->out + rig->length);

	cr_assert_not_null(entry);
	cr_assert_eq(godwit_get16(ack->from.frame.count), 1);
	cr_assert_eq(godwit_get64(ack->from.handle), rig->handle);
	cr_assert_eq(godwit_get64(ack->from.key), rig->key);
	cr_assert_eq(godwit_get32(entry->subscription), rig->subscription);
	cr_assert_eq(godwit_get64(entry->cursor_epoch), rig->cursor_epoch);
	cr_assert_eq(godwit_get64(entry->session), rig->session);
	cr_assert_eq(godwit_get64(entry->seq), seq, "mark %llu instead of %llu",
		     (unsigned long long)godwit_get64(entry->seq), (unsigned long long)seq);
	cr_assert_eq(godwit_get64(entry->edge), edge, "edge %llu instead of %llu",
		     (unsigned long long)godwit_get64(entry->edge), (unsigned long long)edge);
	cr_assert_eq(godwit_get16(entry->naks), naks, "%u ranges instead of %u",
		     godwit_get16(entry->naks), naks);
	for (uint32_t i = 0; i < naks; i++) {
		const struct godwit_range *range = &godwit_ack_ranges(entry)[i];

		cr_assert_eq(godwit_get64(range->first), ranges[2 * i]);
		cr_assert_eq(godwit_get64(range->last), ranges[2 * i + 1]);
	}
}

static inline const struct godwit_core_stats *rig_stats(const struct rig *rig)
{
	return godwit_core_stats(rig->core);
}

#endif
