// SPDX-License-Identifier: BSD-3-Clause
//
// A program of operations of a server, and of an application, on a client's core: DATA with the right
// tag, cursor epoch and session or not quite, heartbeats, answers, errors, any frame, any bytes.
// After each operation what the core sends is valid and comes to an end, within a session the
// application sees sequences that only grow, and memory stays within what the windows allow.
#include <godwit/client.h>
#include <godwit/wire_check.h>

#include "client/common.h"
#include "tests/fuzz/fuzz_program.h"

#define SUBSCRIPTIONS  2
#define WINDOW	       4
#define OPERATIONS_MAX 1024
#define OUTPUTS_MAX    256
#define SESSION	       0x5e55ull
#define START_NS       (1000 * CLIENT_MS)
// A RESUME waits while more than CLIENT_SUBSCRIPTION_NOTICES events are not pulled; each new history
// may bring a window of its own, each answer up to two events.
#define SLOTS_MAX (SUBSCRIPTIONS * ((CLIENT_SUBSCRIPTION_NOTICES + 2) * (WINDOW + 2)))

struct sub { // as the server sees it, and what the application saw
	uint32_t number, request, attempt;
	uint64_t tag, cursor_epoch, session;
	bool is_filtered, begun;
	struct godwit_identifier last;
};

struct bench {
	struct program in;
	struct godwit_core *core;
	struct godwit_address server;
	uint64_t now_ns;
	uint64_t tag, nonce;
	uint32_t request; // of HELLO, HELLO_PROOF
	struct sub subs[SUBSCRIPTIONS];
	uint32_t publisher, publisher_request;
	uint64_t published;
	uint8_t frame[2048]; // being built
};

// Of external linkage, so that the reads that feed it are not left out.
extern uint64_t fuzz_sink;
uint64_t fuzz_sink;

// ---- from the core -----------------------------------------------------------------------------

static struct sub *sub_by_number(struct bench *b, uint32_t number)
{
	for (uint32_t i = 0; i < SUBSCRIPTIONS; i++)
		if (b->subs[i].number == number)
			return &b->subs[i];
	return NULL;
}

// The tag of a SUBSCRIBE tells which subscription of ours it is by the number.
static void request_heard(struct bench *b, uint32_t number, uint64_t tag, uint32_t request,
			  uint32_t attempt)
{
	struct sub *sub = sub_by_number(b, number);

	REQUIRE(sub);
	sub->tag = tag;
	sub->request = request;
	sub->attempt = attempt;
}

static void frame_heard(struct bench *b, const uint8_t *bytes)
{
	const struct godwit_hello *hello = (const void *)bytes;
	const struct godwit_subscribe *subscribe = (const void *)bytes;
	const struct godwit_resume *resume = (const void *)bytes;

	switch (bytes[1]) {
	case GODWIT_HELLO:
		b->tag = godwit_get64(hello->tag);
		b->nonce = godwit_get64(hello->nonce);
		b->request = godwit_get32(hello->request);
		break;
	case GODWIT_HELLO_PROOF:
		b->request = godwit_get32(((const struct godwit_hello_proof *)hello)->request);
		break;
	case GODWIT_SUBSCRIBE:
		request_heard(b, godwit_get32(subscribe->subscription),
			      godwit_get64(subscribe->tag), godwit_get32(subscribe->request), 0);
		break;
	case GODWIT_RESUME:
		request_heard(b, godwit_get32(resume->subscription), godwit_get64(resume->tag),
			      godwit_get32(resume->request), godwit_get32(resume->attempt));
		break;
	case GODWIT_PUBLISH_OPEN:
		b->publisher_request =
			godwit_get32(((const struct godwit_publish_open *)hello)->request);
		break;
	default:
		break;
	}
}

static void output_drain(struct bench *b)
{
	uint8_t bytes[1472];
	struct godwit_address to;
	uint32_t count = 0;
	size_t length;

	while ((length = godwit_core_output(b->core, b->now_ns, &to, bytes, sizeof(bytes))) > 0) {
		REQUIRE(godwit_check_from_client(bytes, length) == GODWIT_CHECK_OK);
		REQUIRE(godwit_address_equal(&to, &b->server));
		REQUIRE(++count < OUTPUTS_MAX);
		frame_heard(b, bytes);
	}
	// Silent now, so nothing may be due now: a driver would spin.
	REQUIRE(godwit_core_due(b->core, b->now_ns) > b->now_ns);
	REQUIRE(godwit_core_stats(b->core)->stash_slots <= SLOTS_MAX);
}

static void message_look(const struct godwit_event *event, struct sub *sub)
{
	const struct extent e = {event->payload, (const uint8_t *)event->payload + event->length};

	fuzz_sink += extent_read(&e, event->payload, event->length);
	REQUIRE(sub->begun);
	REQUIRE(event->identifier.session == sub->last.session);
	REQUIRE(event->identifier.seq > sub->last.seq);
	sub->last = event->identifier;
}

static bool pull(struct bench *b)
{
	bool is_ready = godwit_core_ready(b->core);
	struct godwit_event event = {0};
	struct sub *sub;

	REQUIRE(godwit_core_next(b->core, b->now_ns, &event) == is_ready);
	if (!is_ready)
		return false;
	sub = sub_by_number(b, event.subscription);
	switch (event.kind) {
	case GODWIT_EVENT_MESSAGE:
		REQUIRE(sub);
		message_look(&event, sub);
		break;
	case GODWIT_EVENT_SUBSCRIBED:
		REQUIRE(sub && !sub->begun);
		sub->begun = true;
		sub->last = event.identifier;
		break;
	case GODWIT_EVENT_SESSION:
	case GODWIT_EVENT_GAP:
		// From here on it is another history.
		REQUIRE(sub && sub->begun);
		REQUIRE(event.kind == GODWIT_EVENT_SESSION || event.first <= event.last ||
			event.code == GODWIT_DIVERGED || event.code == GODWIT_FUTURE);
		sub->last = event.identifier;
		break;
	case GODWIT_EVENT_ENDED:
		REQUIRE(sub);
		*sub = (struct sub){.is_filtered = sub->is_filtered};
		break;
	case GODWIT_EVENT_ERROR:
		REQUIRE(!event.text || strlen(event.text) <= GODWIT_ERROR_TEXT_MAX);
		break;
	default:
		break;
	}
	return true;
}

static void subscribe(struct bench *b, struct sub *sub)
{
	static const uint32_t topics[] = {1, 2};
	struct godwit_subscription_options options = {
		.stream = "s",
		.start = GODWIT_START_EARLIEST,
		.policy = (uint8_t)program_below(&b->in, 3),
		.topics = topics,
		.topic_count = sub->is_filtered ? 2 : 0,
		.window = WINDOW,
	};

	if (sub->number == 0)
		godwit_core_subscribe(b->core, b->now_ns, &options, &sub->number);
}

// ---- to the core -------------------------------------------------------------------------------

static void give(struct bench *b, size_t length)
{
	// Of its own size, so that a sanitizer sees what lies behind it.
	uint8_t *copy = malloc(length ? length : 1);

	REQUIRE(copy && length <= sizeof(b->frame));
	memcpy(copy, b->frame, length);
	godwit_core_input(b->core, b->now_ns, &b->server, copy, length);
	free(copy);
	output_drain(b);
}

static void give_spoilt(struct bench *b, size_t length)
{
	program_spoil(&b->in, b->frame, (uint32_t)length);
	give(b, length);
}

static void frame_set(struct bench *b, const void *frame, size_t bytes)
{
	memset(b->frame, 0, sizeof(b->frame));
	memcpy(b->frame, frame, bytes);
}

static struct sub *any_sub(struct bench *b)
{
	return &b->subs[program_below(&b->in, SUBSCRIPTIONS)];
}

static uint64_t covered(struct bench *b, const struct sub *sub)
{
	struct godwit_subscription_state state = {0};

	godwit_core_subscription_state(b->core, sub->number, &state);
	return state.covered;
}

static void op_data(struct bench *b)
{
	struct sub *sub = any_sub(b);
	uint32_t how = program_byte(&b->in), covers = 1 + program_below(&b->in, 8), count = 0;
	bool is_filtered = sub->is_filtered ^ (how >= 250);
	uint8_t *distances = b->frame + sizeof(struct godwit_data), *at;
	uint32_t wanted = is_filtered ? program_byte(&b->in) : 0xff;
	struct godwit_data data = {
		.tag = godwit_be64(sub->tag),
		.cursor_epoch = godwit_be64(sub->cursor_epoch + (how % 32 == 31)),
		.session = godwit_be64(sub->session + (how % 32 == 30)),
		.covers_from = godwit_be64(program_near(&b->in, covered(b, sub) + 1)),
		.epoch = godwit_be32(1 + program_below(&b->in, 3)),
		.covers = godwit_be32(covers),
	};

	memset(b->frame, 0, sizeof(b->frame));
	for (uint32_t i = 0; i < covers; i++)
		count += wanted >> i & 1;
	at = distances + (is_filtered ? godwit_distances_bytes((uint16_t)count) : 0);
	for (uint32_t i = 0; i < covers; i++) {
		uint32_t bytes = program_below(&b->in, 24);
		struct godwit_record record = {
			.length = godwit_be16((uint16_t)bytes),
			.topic = godwit_be32(1),
			.time = godwit_be32(100 + i),
		};

		if (!(wanted >> i & 1))
			continue;
		if (is_filtered) {
			distances[1] = (uint8_t)i;
			distances += 2;
		}
		memcpy(at, &record, sizeof(record));
		at += godwit_record_bytes(bytes);
	}
	data.time = godwit_be64(count > 0 ? 100 : 0);
	data.frame = client_frame(GODWIT_DATA,
				  (is_filtered ? GODWIT_FLAG_FILTERED : 0) |
					  (how & 32 ? GODWIT_FLAG_REPAIR : 0),
				  count);
	memcpy(b->frame, &data, sizeof(data));
	give_spoilt(b, (size_t)(at - b->frame));
}

static void op_heartbeat(struct bench *b)
{
	struct sub *sub = any_sub(b);
	uint32_t count = program_below(&b->in, 3);
	struct godwit_heartbeat head = {.frame = client_frame(GODWIT_HEARTBEAT, 0, count),
					.tag = godwit_be64(b->tag)};
	size_t at = sizeof(head);

	frame_set(b, &head, sizeof(head));
	for (uint32_t i = 0; i < count; i++, sub = any_sub(b)) {
		uint64_t sent = program_near(&b->in, covered(b, sub));
		struct godwit_heartbeat_entry entry = {
			.tag = godwit_be64(sub->tag),
			.cursor_epoch = godwit_be64(sub->cursor_epoch),
			.sent = godwit_be64(sent),
			.commit = godwit_be64(sent),
		};

		memcpy(b->frame + at, &entry, sizeof(entry));
		at += sizeof(entry);
	}
	give_spoilt(b, at);
}

static void op_subscribed(struct bench *b)
{
	static const uint16_t answers[] = {GODWIT_OK,	  GODWIT_OK,	   GODWIT_TRUNCATED,
					   GODWIT_FUTURE, GODWIT_DIVERGED, GODWIT_UNKNOWN_SESSION};
	struct sub *sub = any_sub(b);
	uint64_t seq = program_near(&b->in, covered(b, sub));
	struct godwit_subscribed frame = {
		.frame = client_frame(GODWIT_SUBSCRIBED, 0, 0),
		.tag = godwit_be64(sub->tag),
		.handle = godwit_be64(5),
		.key = godwit_be64(6),
		.request = godwit_be32(sub->request),
		.attempt = godwit_be32(sub->attempt),
		.seq = godwit_be64(seq),
		.epoch = godwit_be32(seq != 0),
		.earliest = godwit_be64(1),
		.commit = godwit_be64(seq),
		.answer = godwit_be16(answers[program_below(&b->in, 6)]),
		.max_message = godwit_be16(1200),
	};

	sub->cursor_epoch += 1 << 16;
	sub->session += program_byte(&b->in) >= 224;
	frame.cursor_epoch = godwit_be64(sub->cursor_epoch);
	frame.session = godwit_be64(sub->session);
	frame_set(b, &frame, sizeof(frame));
	give_spoilt(b, sizeof(frame));
}

static void op_ended(struct bench *b)
{
	struct sub *sub = any_sub(b);
	struct godwit_ended frame = {
		.frame = client_frame(GODWIT_ENDED, 0, 0),
		.tag = godwit_be64(sub->tag),
		.cursor_epoch = godwit_be64(sub->cursor_epoch),
		.session = godwit_be64(sub->session),
		.seq = godwit_be64(covered(b, sub)),
		.epoch = godwit_be32(1),
		.code = godwit_be16(program_below(&b->in, 32)),
	};

	if (program_byte(&b->in) & 1) {
		frame.request = godwit_be32(sub->request);
		frame.attempt = godwit_be32(sub->attempt);
	}
	frame_set(b, &frame, sizeof(frame));
	give_spoilt(b, sizeof(frame));
}

static void op_error(struct bench *b)
{
	struct sub *sub = any_sub(b);
	uint32_t which = program_below(&b->in, 4), text_bytes = program_below(&b->in, 40);
	struct godwit_error frame = {
		.frame = client_frame(GODWIT_ERROR, 0, 0),
		.tag = godwit_be64(b->tag),
		.request = godwit_be32(which == 0 ? 0 :
				       which == 1 ? sub->request :
				       which == 2 ? b->request :
						    b->publisher_request),
		.detail = godwit_be64(sub->number),
		.code = godwit_be16(1 + program_below(&b->in, 32)),
		.text_bytes = godwit_be16((uint16_t)text_bytes),
	};

	frame_set(b, &frame, sizeof(frame));
	memset(b->frame + sizeof(frame), 'x', text_bytes);
	give_spoilt(b, sizeof(frame) + text_bytes);
}

static void op_cookie(struct bench *b)
{
	struct godwit_cookie frame = {
		.frame = client_frame(GODWIT_COOKIE, 0, 0),
		.tag = godwit_be64(b->tag),
		.nonce = godwit_be64(b->nonce),
		.request = godwit_be32(b->request),
		.time = godwit_be64(99),
	};

	frame_set(b, &frame, sizeof(frame));
	give_spoilt(b, sizeof(frame));
}

static void op_welcome(struct bench *b)
{
	struct godwit_welcome frame = {
		.frame = client_frame(GODWIT_WELCOME, 0, 0),
		.tag = godwit_be64(b->tag),
		.handle = godwit_be64(5),
		.key = godwit_be64(6),
		.incarnation = godwit_be64(77),
		.request = godwit_be32(b->request),
		.server = godwit_be16(1),
		.multiplier = godwit_be16(3),
		.interval = godwit_be32(100),
		.datagram = godwit_be16(1472),
		.subscriptions = godwit_be16(16),
	};

	frame_set(b, &frame, sizeof(frame));
	give_spoilt(b, sizeof(frame));
}

static void op_opened(struct bench *b)
{
	uint32_t how = program_byte(&b->in);
	struct godwit_publish_opened frame = {
		.frame = client_frame(GODWIT_PUBLISH_OPENED, 0, 0),
		.tag = godwit_be64(b->tag),
		.publisher = godwit_be64(9),
		.instance = godwit_be64(1),
		.last = godwit_be64(program_near(&b->in, b->published)),
		.session = godwit_be64(SESSION),
		.epoch = godwit_be32(1),
		.request = godwit_be32(b->publisher_request),
		.stream = godwit_be32(3),
		.credit = godwit_be32(how & 1 ? 4 : 8192),
		.max_message = godwit_be16(how & 2 ? 64 : 1200),
		.code = godwit_be16(how < 192 ? GODWIT_OK : how % 32),
	};

	frame_set(b, &frame, sizeof(frame));
	give_spoilt(b, sizeof(frame));
}

static void op_publish_ack(struct bench *b)
{
	uint32_t how = program_byte(&b->in);
	struct godwit_publish_ack frame = {
		.frame = client_frame(GODWIT_PUBLISH_ACK, 0, 0),
		.tag = godwit_be64(b->tag),
		.publisher = godwit_be64(9),
		.instance = godwit_be64(1),
		.committed = godwit_be64(program_near(&b->in, b->published)),
		.expected = godwit_be64(program_near(&b->in, b->published + 1)),
		.stream = godwit_be32(3),
		.credit = godwit_be32(how & 1 ? 4 : 8192),
		.code = godwit_be16(how < 128 ? GODWIT_OK : how % 32),
	};

	frame_set(b, &frame, sizeof(frame));
	give_spoilt(b, sizeof(frame));
}

// Any frame with a tag that is ours.
static void op_frame(struct bench *b)
{
	struct sub *sub = any_sub(b);
	struct godwit_heartbeat frame = {
		.frame = client_frame((uint8_t)(0x20 + program_below(&b->in, 16)), 0,
				      program_below(&b->in, 4)),
		.tag = godwit_be64(program_byte(&b->in) & 1 ? sub->tag : b->tag),
	};
	uint32_t length = 16 + program_below(&b->in, 128);

	frame_set(b, &frame, 16);
	for (uint32_t i = 16; i < length; i++)
		b->frame[i] = program_byte(&b->in);
	give(b, length);
}

static void op_bytes(struct bench *b)
{
	uint32_t length = program_byte(&b->in);

	for (uint32_t i = 0; i < length; i++)
		b->frame[i] = program_byte(&b->in);
	give(b, length);
}

// ---- time and the application ------------------------------------------------------------------

static void op_pass(struct bench *b)
{
	static const uint64_t spans[] = {1000, CLIENT_MS, 5 * CLIENT_MS, 50 * CLIENT_MS,
					 400 * CLIENT_MS};
	uint32_t how = program_below(&b->in, 8);
	uint64_t due_ns = godwit_core_due(b->core, b->now_ns);

	if (how < 5)
		b->now_ns += spans[how];
	else if (due_ns != UINT64_MAX && due_ns > b->now_ns)
		b->now_ns = due_ns;
	output_drain(b);
}

static void op_pull(struct bench *b)
{
	for (uint32_t i = program_byte(&b->in); i > 0 && pull(b); i--)
		;
	output_drain(b);
}

static void op_application(struct bench *b)
{
	struct sub *sub = any_sub(b);
	uint8_t payload[100] = {0};
	uint32_t how = program_byte(&b->in), request;
	uint64_t number;

	if (how < 160) {
		if (godwit_core_publish(b->core, b->now_ns, b->publisher, 1, payload, how % 100,
					&number) == 0)
			b->published = number;
	} else if (how < 192) {
		godwit_core_unsubscribe(b->core, b->now_ns, sub->number);
	} else if (how < 224) {
		subscribe(b, sub);
	} else {
		godwit_core_topic(b->core, b->now_ns, "s", "t", how & 1, &request);
	}
	output_drain(b);
}

static void bench_start(struct bench *b, const uint8_t *data, size_t size)
{
	struct godwit_core_options options = {
		.client = 42,
		.instance = 43,
		.seed = {1},
		.servers = &b->server,
		.server_count = 1,
		.now_ns = START_NS,
		.subscriptions = SUBSCRIPTIONS,
	};
	struct godwit_publisher_options publisher = {
		.stream = "s", .publisher = 9, .messages = 8, .buffer_bytes = 1024};

	*b = (struct bench){.now_ns = START_NS, .server = godwit_address_v4(0x0a000001, 7400)};
	b->core = godwit_core_create(&options);
	REQUIRE(b->core);
	b->subs[0].session = b->subs[1].session = SESSION;
	b->subs[1].is_filtered = true;
	output_drain(b);
	op_cookie(b); // without an input yet: plain
	op_welcome(b);
	for (uint32_t i = 0; i < SUBSCRIPTIONS; i++)
		subscribe(b, &b->subs[i]);
	godwit_core_publisher_open(b->core, b->now_ns, &publisher, &b->publisher);
	output_drain(b);
	b->in = (struct program){data, data + size};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const operations[])(struct bench *) = {
		op_data,       op_data,	      op_data,	      op_data,	      op_heartbeat,
		op_subscribed, op_subscribed, op_ended,	      op_error,	      op_cookie,
		op_welcome,    op_opened,     op_publish_ack, op_frame,	      op_bytes,
		op_pass,       op_pass,	      op_pull,	      op_application,
	};
	static struct bench b;

	bench_start(&b, data, size);
	for (uint32_t i = 0; i < OPERATIONS_MAX && program_more(&b.in); i++)
		operations[program_below(&b.in, sizeof(operations) / sizeof(operations[0]))](&b);
	while (pull(&b))
		;
	godwit_core_destroy(b.core);
	return 0;
}
