// SPDX-License-Identifier: BSD-3-Clause
//
// A program of operations of three servers, and of an application, on a client's core: who welcomes,
// offers, migrates, redirects, serves, stops or answers what was asked of another. After each
// operation what the core sends is valid, goes to a server of the list and comes to an end; within a
// session the application sees sequences that only grow; every move it hears of is one.
#include <godwit/client.h>
#include <godwit/wire_check.h>

#include "client/common.h"
#include "tests/fuzz/fuzz_program.h"

#define SERVERS	       3
#define SUBSCRIPTIONS  2
#define WINDOW	       4
#define OPERATIONS_MAX 1024
#define OUTPUTS_MAX    512
#define SESSION	       0x5e55ull
#define START_NS       (1000 * CLIENT_MS)
#define SLOTS_MAX      (SUBSCRIPTIONS * ((CLIENT_SUBSCRIPTION_NOTICES + 2) * (WINDOW + 2)))

struct server { // what it was sent last
	struct godwit_address address;
	uint64_t tag, nonce, ack;
	uint32_t request;	    // of HELLO or HELLO_PROOF
	uint32_t publisher_request; // of PUBLISH_OPEN
	uint32_t topic_request;
};

struct sub { // as the servers see it, and what the application saw
	uint32_t number, request, attempt;
	uint64_t tag, epoch;
	bool begun;
	struct godwit_identifier last;
};

struct bench {
	struct program in;
	struct godwit_core *core;
	uint64_t now_ns;
	struct server servers[SERVERS];
	struct sub subs[SUBSCRIPTIONS];
	uint32_t publisher;
	uint64_t published;
	uint8_t frame[2048]; // being built
};

// ---- from the core -----------------------------------------------------------------------------

static struct sub *sub_by_number(struct bench *b, uint32_t number)
{
	for (uint32_t i = 0; i < SUBSCRIPTIONS; i++)
		if (b->subs[i].number == number)
			return &b->subs[i];
	return NULL;
}

static void sub_heard(struct bench *b, uint32_t number, uint64_t tag, uint32_t request,
		      uint32_t attempt)
{
	struct sub *sub = sub_by_number(b, number);

	REQUIRE(sub && attempt >= sub->attempt);
	sub->tag = tag;
	sub->request = request;
	sub->attempt = attempt;
}

static void frame_heard(struct bench *b, struct server *server, const uint8_t *bytes)
{
	const struct godwit_hello *hello = (const void *)bytes;
	const struct godwit_subscribe *subscribe = (const void *)bytes;
	const struct godwit_resume *resume = (const void *)bytes;
	const struct godwit_ack *ack = (const void *)bytes;

	switch (bytes[1]) {
	case GODWIT_HELLO:
	case GODWIT_HELLO_PROOF:
		server->tag = godwit_get64(hello->tag);
		server->nonce = godwit_get64(hello->nonce);
		server->request = godwit_get32(hello->request);
		break;
	case GODWIT_SUBSCRIBE:
		sub_heard(b, godwit_get32(subscribe->subscription), godwit_get64(subscribe->tag),
			  godwit_get32(subscribe->request), 0);
		break;
	case GODWIT_RESUME:
		sub_heard(b, godwit_get32(resume->subscription), godwit_get64(resume->tag),
			  godwit_get32(resume->request), godwit_get32(resume->attempt));
		break;
	case GODWIT_ACK:
		REQUIRE(godwit_get64(ack->number) > server->ack);
		server->ack = godwit_get64(ack->number);
		break;
	case GODWIT_PUBLISH_OPEN:
		server->publisher_request =
			godwit_get32(((const struct godwit_publish_open *)hello)->request);
		break;
	case GODWIT_TOPIC:
		server->topic_request = godwit_get32(((const struct godwit_topic *)hello)->request);
		break;
	default:
		break;
	}
}

static struct server *server_of(struct bench *b, const struct godwit_address *to)
{
	for (uint32_t i = 0; i < SERVERS; i++)
		if (godwit_address_equal(&b->servers[i].address, to))
			return &b->servers[i];
	return NULL;
}

static void output_drain(struct bench *b)
{
	uint8_t bytes[1472];
	struct godwit_address to;
	uint32_t count = 0;
	size_t length;

	while ((length = godwit_core_output(b->core, b->now_ns, &to, bytes, sizeof(bytes))) > 0) {
		struct server *server = server_of(b, &to);

		REQUIRE(godwit_check_from_client(bytes, length) == GODWIT_CHECK_OK);
		REQUIRE(server);
		REQUIRE(++count < OUTPUTS_MAX);
		frame_heard(b, server, bytes);
	}
	// Silent now, so nothing may be due now: a driver would spin.
	REQUIRE(godwit_core_due(b->core, b->now_ns) > b->now_ns);
	REQUIRE(godwit_core_stats(b->core)->stash_slots <= SLOTS_MAX);
}

static bool pull(struct bench *b)
{
	struct godwit_event event = {0};
	struct sub *sub;

	if (!godwit_core_next(b->core, b->now_ns, &event))
		return false;
	sub = sub_by_number(b, event.subscription);
	switch (event.kind) {
	case GODWIT_EVENT_MESSAGE:
		REQUIRE(sub && sub->begun && event.identifier.session == sub->last.session);
		REQUIRE(event.identifier.seq > sub->last.seq);
		sub->last = event.identifier;
		break;
	case GODWIT_EVENT_SUBSCRIBED:
		REQUIRE(sub && !sub->begun);
		sub->begun = true;
		sub->last = event.identifier;
		break;
	case GODWIT_EVENT_MIGRATED:
		REQUIRE(sub && sub->begun);
		REQUIRE(!godwit_address_equal(&event.from, &event.server));
		REQUIRE(server_of(b, &event.from) && server_of(b, &event.server));
		REQUIRE(event.reason != GODWIT_MOVE_NONE && event.reason <= GODWIT_MOVE_REDIRECT);
		break;
	case GODWIT_EVENT_SESSION:
	case GODWIT_EVENT_GAP:
		REQUIRE(sub && sub->begun);
		sub->last = event.identifier;
		break;
	case GODWIT_EVENT_ENDED:
		REQUIRE(sub);
		*sub = (struct sub){.number = 0};
		break;
	case GODWIT_EVENT_CONNECTED:
	case GODWIT_EVENT_DISCONNECTED:
		REQUIRE(server_of(b, &event.server));
		break;
	default:
		break;
	}
	return true;
}

static void subscribe(struct bench *b, struct sub *sub)
{
	struct godwit_subscription_options options = {
		.stream = "s",
		.start = GODWIT_START_EARLIEST,
		.policy = (uint8_t)program_below(&b->in, 3),
		.window = WINDOW,
	};

	if (sub->number == 0)
		godwit_core_subscribe(b->core, b->now_ns, &options, &sub->number);
}

// ---- to the core -------------------------------------------------------------------------------

static struct server *any_server(struct bench *b)
{
	return &b->servers[program_below(&b->in, SERVERS)];
}

static struct sub *any_sub(struct bench *b)
{
	return &b->subs[program_below(&b->in, SUBSCRIPTIONS)];
}

// The frame in b->frame, as it is or spoilt, from that server.
static void give(struct bench *b, const struct server *server, const void *frame, size_t length)
{
	uint8_t *copy = malloc(length);

	REQUIRE(copy && length <= sizeof(b->frame));
	if (frame != b->frame)
		memcpy(b->frame, frame, length);
	program_spoil(&b->in, b->frame, (uint32_t)length);
	memcpy(copy, b->frame, length);
	godwit_core_input(b->core, b->now_ns, &server->address, copy, length);
	free(copy);
	output_drain(b);
}

static uint64_t covered(struct bench *b, const struct sub *sub)
{
	struct godwit_subscription_state state = {0};

	godwit_core_subscription_state(b->core, sub->number, &state);
	return state.covered;
}

// Mostly the epoch of now, else one near.
static uint64_t any_epoch(struct bench *b, const struct sub *sub)
{
	uint32_t how = program_below(&b->in, 8);

	return how < 5 ? sub->epoch : sub->epoch + ((uint64_t)how << 16) - (6u << 16);
}

static struct godwit_server_entry any_entry(struct bench *b)
{
	const struct server *server = any_server(b);
	struct godwit_server_entry entry = {
		.port = godwit_be16(
			(uint16_t)(server->address.port + (program_below(&b->in, 16) == 15)))};

	memcpy(entry.ip, server->address.ip, sizeof(entry.ip));
	return entry;
}

static void give_cookie(struct bench *b, const struct server *server)
{
	struct godwit_cookie frame = {
		.frame = client_frame(GODWIT_COOKIE, 0, 0),
		.tag = godwit_be64(server->tag),
		.nonce = godwit_be64(server->nonce),
		.request = godwit_be32(server->request),
	};

	give(b, server, &frame, sizeof(frame));
}

static void give_welcome(struct bench *b, const struct server *server)
{
	struct godwit_welcome frame = {
		.frame = client_frame(GODWIT_WELCOME, 0, 0),
		.tag = godwit_be64(server->tag),
		.handle = godwit_be64(program_below(&b->in, 4)),
		.key = godwit_be64(6),
		.request = godwit_be32(server->request),
		.multiplier = godwit_be16(3),
		.interval = godwit_be32(1 + program_below(&b->in, 200)),
		.datagram = godwit_be16(1472),
	};

	give(b, server, &frame, sizeof(frame));
}

static void op_cookie(struct bench *b)
{
	give_cookie(b, any_server(b));
}

static void op_welcome(struct bench *b)
{
	give_welcome(b, any_server(b));
}

// A whole handshake: else a program needs much luck to have two servers up.
static void op_connect(struct bench *b)
{
	const struct server *server = any_server(b);

	give_cookie(b, server);
	give_welcome(b, server);
}

static void op_subscribed(struct bench *b)
{
	struct sub *sub = any_sub(b);
	uint64_t seq = program_near(&b->in, covered(b, sub));
	struct godwit_subscribed frame = {
		.frame = client_frame(GODWIT_SUBSCRIBED, 0, 0),
		.tag = godwit_be64(sub->tag),
		.handle = godwit_be64(program_below(&b->in, 4)),
		.key = godwit_be64(6),
		.session = godwit_be64(SESSION),
		.request = godwit_be32(sub->request),
		.attempt = godwit_be32(sub->attempt),
		.seq = godwit_be64(seq),
		.epoch = godwit_be32(seq != 0),
		.earliest = godwit_be64(1),
		.commit = godwit_be64(seq),
		.answer = godwit_be16(program_below(&b->in, 4) == 3 ? GODWIT_TRUNCATED : GODWIT_OK),
		.max_message = godwit_be16(1200),
	};

	sub->epoch += 1 << 16;
	frame.cursor_epoch = godwit_be64(sub->epoch);
	give(b, any_server(b), &frame, sizeof(frame));
}

static void op_data(struct bench *b)
{
	struct sub *sub = any_sub(b);
	uint32_t covers = 1 + program_below(&b->in, 4);
	struct godwit_data data = {
		.frame = client_frame(GODWIT_DATA, 0, covers),
		.tag = godwit_be64(sub->tag),
		.cursor_epoch = godwit_be64(any_epoch(b, sub)),
		.session = godwit_be64(SESSION),
		.covers_from = godwit_be64(program_near(&b->in, covered(b, sub) + 1)),
		.time = godwit_be64(100),
		.epoch = godwit_be32(1),
		.covers = godwit_be32(covers),
	};
	uint8_t *at = b->frame + sizeof(data);

	memset(b->frame, 0, sizeof(b->frame));
	memcpy(b->frame, &data, sizeof(data));
	for (uint32_t i = 0; i < covers; i++) {
		struct godwit_record record = {.length = godwit_be16(8), .time = godwit_be32(100)};

		memcpy(at, &record, sizeof(record));
		at += godwit_record_bytes(8);
	}
	give(b, any_server(b), b->frame, (size_t)(at - b->frame));
}

static void op_heartbeat(struct bench *b)
{
	const struct server *server = any_server(b);
	struct sub *sub = any_sub(b);
	bool is_of = program_below(&b->in, 4) != 0;
	struct {
		struct godwit_heartbeat head;
		struct godwit_heartbeat_entry entry;
	} frame = {
		.head = {.frame = client_frame(GODWIT_HEARTBEAT, 0, is_of),
			 // A taker speaks under the tag of the home's connection.
			 .tag = godwit_be64(program_below(&b->in, 8) == 7 ? any_server(b)->tag :
									    server->tag),
			 .number = godwit_be64(server->ack - (program_below(&b->in, 4) == 3))},
		.entry = {.tag = godwit_be64(sub->tag),
			  .cursor_epoch = godwit_be64(any_epoch(b, sub)),
			  .sent = godwit_be64(program_near(&b->in, covered(b, sub)))},
	};

	give(b, server, &frame, sizeof(frame.head) + (is_of ? sizeof(frame.entry) : 0));
}

static void op_take(struct bench *b)
{
	struct sub *sub = any_sub(b);
	struct godwit_take frame = {
		.frame = client_frame(GODWIT_TAKE,
				      program_below(&b->in, 2) ? GODWIT_FLAG_BY_HOME : 0, 0),
		.tag = godwit_be64(sub->tag),
		.cursor_epoch =
			godwit_be64(sub->epoch + ((uint64_t)program_below(&b->in, 4) << 16)),
		.handle = godwit_be64(program_below(&b->in, 6)),
		.key = godwit_be64(6),
	};

	give(b, any_server(b), &frame, sizeof(frame));
}

static void op_migrate(struct bench *b)
{
	struct sub *sub = any_sub(b);
	struct godwit_migrate frame = {
		.frame = client_frame(GODWIT_MIGRATE, 0, 0),
		.tag = godwit_be64(sub->tag),
		.cursor_epoch = godwit_be64(any_epoch(b, sub)),
		.target = any_entry(b),
		.reason = godwit_be16(GODWIT_MIGRATION_DRAIN),
	};

	give(b, any_server(b), &frame, sizeof(frame));
}

static uint32_t any_request(struct bench *b, const struct server *server)
{
	switch (program_below(&b->in, 6)) {
	case 0:
		return server->publisher_request;
	case 1:
		return server->topic_request;
	case 2:
		return 0;
	default:
		return any_sub(b)->request;
	}
}

static void op_redirect(struct bench *b)
{
	const struct server *server = any_server(b);
	struct godwit_redirect frame = {
		.frame = client_frame(GODWIT_REDIRECT, 0, 0),
		.tag = godwit_be64(server->tag),
		.request = godwit_be32(any_request(b, server)),
		.code = godwit_be16(GODWIT_NOT_PRIMARY),
		.target = any_entry(b),
	};

	give(b, server, &frame, sizeof(frame));
}

static void op_error(struct bench *b)
{
	static const uint16_t codes[] = {GODWIT_BEHIND,	     GODWIT_BUSY,
					 GODWIT_NOT_PRIMARY, GODWIT_SHUTDOWN,
					 GODWIT_LIMIT,	     GODWIT_UNKNOWN_SUBSCRIPTION,
					 GODWIT_BAD_REQUEST, GODWIT_UNKNOWN_SUBSCRIPTION};
	const struct server *server = any_server(b);
	struct godwit_error frame = {
		.frame = client_frame(GODWIT_ERROR, 0, 0),
		.tag = godwit_be64(server->tag),
		.request = godwit_be32(any_request(b, server)),
		.detail = godwit_be64(any_sub(b)->number),
		.code = godwit_be16(codes[program_below(&b->in, 8)]),
	};

	give(b, server, &frame, sizeof(frame));
}

static void op_ended(struct bench *b)
{
	static const uint16_t codes[] = {GODWIT_LAPSED, GODWIT_REPLACED, GODWIT_SHUTDOWN,
					 GODWIT_TRUNCATED};
	struct sub *sub = any_sub(b);
	bool is_answer = program_below(&b->in, 3) == 0;
	struct godwit_ended frame = {
		.frame = client_frame(GODWIT_ENDED, 0, 0),
		.tag = godwit_be64(sub->tag),
		.cursor_epoch = godwit_be64(any_epoch(b, sub)),
		.session = godwit_be64(SESSION),
		.request = godwit_be32(is_answer ? sub->request : 0),
		.attempt = godwit_be32(is_answer ? sub->attempt : 0),
		.code = godwit_be16(codes[program_below(&b->in, 4)]),
	};

	give(b, any_server(b), &frame, sizeof(frame));
}

static void op_probe(struct bench *b)
{
	struct godwit_probe frame = {
		.frame = client_frame(GODWIT_PROBE, 0, 0),
		.tag = godwit_be64(any_server(b)->tag),
		.nonce = godwit_be64(program_byte(&b->in)),
	};

	give(b, any_server(b), &frame, sizeof(frame));
}

static void op_opened(struct bench *b)
{
	const struct server *server = any_server(b);
	struct godwit_publish_opened frame = {
		.frame = client_frame(GODWIT_PUBLISH_OPENED, 0, 0),
		.tag = godwit_be64(server->tag),
		.publisher = godwit_be64(9),
		.instance = godwit_be64(1),
		.last = godwit_be64(program_near(&b->in, b->published)),
		.request = godwit_be32(server->publisher_request),
		.stream = godwit_be32(3),
		.credit = godwit_be32(16),
		.max_message = godwit_be16(1200),
	};

	give(b, server, &frame, sizeof(frame));
}

static void op_publish_ack(struct bench *b)
{
	const struct server *server = any_server(b);
	uint32_t how = program_byte(&b->in);
	struct godwit_publish_ack frame = {
		.frame = client_frame(GODWIT_PUBLISH_ACK, 0, 0),
		.tag = godwit_be64(server->tag),
		.publisher = godwit_be64(9),
		.instance = godwit_be64(1),
		.committed = godwit_be64(program_near(&b->in, b->published)),
		.expected = godwit_be64(program_near(&b->in, b->published + 1)),
		.stream = godwit_be32(3),
		.credit = godwit_be32(16),
		.code = godwit_be16(how < 160 ? GODWIT_OK :
				    how < 200 ? GODWIT_NOT_PRIMARY :
						GODWIT_BUSY),
	};

	give(b, server, &frame, sizeof(frame));
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
	else if (due_ns != UINT64_MAX)
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
	uint32_t how = program_byte(&b->in), request;
	uint64_t number;

	if (how < 160) {
		if (godwit_core_publish(b->core, b->now_ns, b->publisher, 1, "payload", how % 8,
					&number) == 0)
			b->published = number;
	} else if (how < 176) {
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
	struct godwit_address list[SERVERS];
	struct godwit_core_options options = {
		.client = 42,
		.instance = 43,
		.seed = {1},
		.servers = list,
		.server_count = SERVERS,
		.now_ns = START_NS,
		.subscriptions = SUBSCRIPTIONS,
	};
	struct godwit_publisher_options publisher = {
		.stream = "s", .publisher = 9, .messages = 8, .buffer_bytes = 1024};

	*b = (struct bench){.now_ns = START_NS};
	for (uint32_t i = 0; i < SERVERS; i++) {
		list[i] = godwit_address_v4(0x0a000001 + i, 7400);
		b->servers[i].address = list[i];
	}
	b->core = godwit_core_create(&options);
	REQUIRE(b->core);
	output_drain(b);
	op_connect(b); // without an input yet: the first server, plain
	for (uint32_t i = 0; i < SUBSCRIPTIONS; i++)
		subscribe(b, &b->subs[i]);
	godwit_core_publisher_open(b->core, b->now_ns, &publisher, &b->publisher);
	output_drain(b);
	b->in = (struct program){data, data + size};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const operations[])(struct bench *) = {
		op_connect, op_connect, op_subscribed,	op_subscribed,	op_subscribed,
		op_data,    op_data,	op_heartbeat,	op_heartbeat,	op_take,
		op_take,    op_migrate, op_migrate,	op_redirect,	op_error,
		op_ended,   op_probe,	op_opened,	op_publish_ack, op_pass,
		op_pass,    op_pull,	op_application, op_cookie,	op_welcome,
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
