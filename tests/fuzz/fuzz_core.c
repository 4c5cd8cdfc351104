// SPDX-License-Identifier: BSD-3-Clause
//
// A program of operations on a live core: proved clients that say anything under their own handle and
// key, unproved ones, publishers, a port that is full, a neighbour that is not known, a commit that
// lags, epochs that begin. Logs, rings, tables and budgets are so small that readers are lapped and
// rings overflow. After each operation everything of fuzz_core_truth.h holds; in the end all clients
// lapse and nothing of them is left.
#include "tests/fuzz/fuzz_core_truth.h"
#include "tests/fuzz/fuzz_program.h"

#define PEERS	       5
#define OPERATIONS_MAX 256
#define TAGS	       0x7000ull

struct publishing { // what a peer knows of its publisher
	uint32_t stream;
	uint64_t publisher, instance, next;
};

struct run {
	struct harness harness;
	struct program in;
	struct truth truth;
	struct client_peer peers[PEERS];
	struct publishing publishing[PEERS];
	uint64_t tags;	    // given so far
	bool free_payloads; // a payload may be anything by now
};

static struct run run; // large

// ---- the world ---------------------------------------------------------------------------------

static void run_start(struct run *r, const uint8_t *data, size_t size)
{
	uint32_t shape;
	struct harness_config config = {
		.log_bytes = 8192,
		.clients_max = 4, // fewer than peers
		.subscriptions_max = 6,
		.subscriptions_of_client = 3,
		.ring_slots = 4,
		.classes_max = 3,
		.class_topics_max = 8,
		.publishers_max = 2,
		.runs_max = 4,
		.topics_max = 2,
		.crossing_slots = 4,
	};

	r->in = (struct program){data, data + size};
	shape = program_byte(&r->in);
	config.cores = 1 + (shape & 1);
	config.streams = 1 + (shape >> 1 & 1);
	config.log_bytes <<= shape >> 2 & 1;
	config.live_budget = shape & 8 ? 1 : 4;
	config.egress_budget = shape & 16 ? 2 : 8;
	config.temporary_budget = shape & 32 ? 1500 : 6000;
	config.credential = shape & 64 ? "open sesame" : NULL;
	harness_start(&r->harness, &config);
	r->truth = (struct truth){.harness = &r->harness};
	memset(r->publishing, 0, sizeof(r->publishing));
	r->tags = TAGS;
	r->free_payloads = false;
	for (uint32_t i = 0; i < PEERS; i++)
		r->peers[i] = harness_peer(&r->harness, i % config.cores, (uint8_t)(i + 1),
					   100 + i / 2 * 2, 1); // some share an id
}

static const char *credential(struct run *r)
{
	return r->harness.server.credential_bytes > 0 ? "open sesame" : NULL;
}

static struct client_peer *any_peer(struct run *r)
{
	return &r->peers[program_below(&r->in, PEERS)];
}

static struct stream *any_stream(struct run *r)
{
	return harness_stream(&r->harness, program_below(&r->in, r->harness.server.stream_count));
}

static const char *any_name(struct run *r)
{
	static const char *const names[] = {"s0", "s0", "s1", "nowhere"};

	return names[program_below(&r->in, 4)];
}

// The subscription of this number as the core holds it, or NULL.
static const struct subscription *subscription_of(struct run *r, const struct client_peer *p,
						  uint32_t number)
{
	struct core *core = harness_core(&r->harness, p->core);
	struct client *client = core_client(core, p->handle);

	return client ? subscription_find(core, client, number) : NULL;
}

// What was queued last for the peer's core, perhaps with some bytes changed.
static void spoil_last(struct run *r, const struct client_peer *p)
{
	struct harness *h = &r->harness;
	struct harness_datagram *d = &h->queue[p->core][h->queued[p->core] - 1];

	r->free_payloads |= program_spoil(&r->in, d->data, d->bytes);
}

static const uint64_t spans_ns[] = {0,	     US,      100 * US, MS,	  2 * MS,   5 * MS,
				    20 * MS, 50 * MS, 100 * MS, 150 * MS, 400 * MS, 1100 * MS};

static void pass(struct run *r)
{
	harness_pass(&r->harness,
		     spans_ns[program_below(&r->in, sizeof(spans_ns) / sizeof(spans_ns[0]))]);
}

// Queued only, so that several frames lie in one burst, or dealt with now.
static void turn_maybe(struct run *r)
{
	if (program_byte(&r->in) % 4 != 0)
		harness_turn(&r->harness);
}

// ---- a client's frames -------------------------------------------------------------------------

static void op_connect(struct run *r)
{
	struct client_peer *p = any_peer(r);
	uint32_t how = program_byte(&r->in);

	if (how & 1)
		p->instance += how & 2 ? 1 : UINT64_MAX;
	harness_connect(p, how & 4 ? "wrong" : credential(r));
}

static void op_hello(struct run *r)
{
	struct client_peer *p = any_peer(r);

	if (program_byte(&r->in) & 1) {
		peer_hello(p);
		spoil_last(r, p);
		turn_maybe(r);
		peer_take_cookie(p);
	} else {
		peer_proof(p, credential(r));
		spoil_last(r, p);
		turn_maybe(r);
		peer_take_welcome(p);
	}
}

static uint32_t any_topics(struct run *r, uint32_t topics[4])
{
	uint32_t count = program_below(&r->in, 8);
	uint32_t set = program_byte(&r->in), n = 0;

	if (count >= 4)
		return 0; // whole
	for (uint32_t i = 0; i < 8 && n <= count; i++)
		if (set >> i & 1)
			topics[n++] = i + 1;
	return n;
}

static uint32_t any_window(struct run *r)
{
	static const uint32_t windows[] = {1000, 1, 2, 3, 10, 100, UINT32_MAX, 1u << 31};

	return windows[program_below(&r->in, 8)];
}

static void request_fill(struct run *r, struct harness_request *request, uint32_t topics[4])
{
	static const uint16_t datagrams[] = {1452, 1452, 1200, 60, 1, 65535, 1500, 600};

	request->number = program_below(&r->in, 4);
	request->stream = any_name(r);
	request->window = any_window(r);
	request->datagram = datagrams[program_below(&r->in, 8)];
	request->policy = (uint8_t)program_below(&r->in, 3);
	request->topics = topics;
	request->topics_count = any_topics(r, topics);
}

static void op_subscribe(struct run *r)
{
	struct client_peer *p = any_peer(r);
	uint64_t head = log_head_seq(&harness_stream(&r->harness, 0)->log);
	struct harness_request request = {0};
	uint32_t topics[4];

	request_fill(r, &request, topics);
	request.start = (uint8_t)program_below(&r->in, 5);
	request.start_value = request.start == GODWIT_START_TIME ?
				      program_near(&r->in, r->harness.now_ns + HARNESS_WALL_NS) :
				      program_near(&r->in, head / (1 + program_below(&r->in, 4)));
	request.session = HARNESS_SESSION + program_below(&r->in, 4) / 2;
	request.epoch = harness_stream(&r->harness, 0)->epoch - program_below(&r->in, 4) / 2;
	request.tag = (program_below(&r->in, 8) == 0 ? r->tags : ++r->tags) * 4 + request.number;
	peer_subscribe(p, &request);
	spoil_last(r, p);
	turn_maybe(r);
}

static void op_resume(struct run *r)
{
	struct client_peer *p = any_peer(r);
	struct harness_request request = {0};
	const struct subscription *s;
	uint32_t topics[4];

	request_fill(r, &request, topics);
	s = subscription_of(r, p, request.number);
	request.tag = s && program_below(&r->in, 4) != 0 ? s->tag : ++r->tags * 4 + request.number;
	request.session = HARNESS_SESSION + program_below(&r->in, 4) / 2;
	request.seq = program_near(&r->in, s ? s->sent : log_head_seq(&any_stream(r)->log));
	request.epoch = harness_stream(&r->harness, 0)->epoch - program_below(&r->in, 4) / 2;
	request.highest_epoch = program_near(&r->in, s ? s->cursor_epoch : 0);
	request.edge = program_near(&r->in, request.seq + request.window);
	request.attempt = (uint32_t)program_near(&r->in, s ? s->attempt + 1 : 1);
	peer_resume(p, &request);
	spoil_last(r, p);
	turn_maybe(r);
}

static void op_unsubscribe(struct run *r)
{
	struct client_peer *p = any_peer(r);

	peer_unsubscribe(p, program_below(&r->in, 4));
	spoil_last(r, p);
	turn_maybe(r);
}

static void ack_fill(struct run *r, const struct client_peer *p, struct harness_ack *ack)
{
	const struct subscription *s;

	ack->number = program_below(&r->in, 4);
	s = subscription_of(r, p, ack->number);
	ack->cursor_epoch = program_near(&r->in, s ? s->cursor_epoch : 1 << 16 | 7);
	ack->session = s ? stream_session(s->stream) : HARNESS_SESSION;
	ack->epoch = (s ? s->stream->epoch : 1) - program_below(&r->in, 8) / 7;
	ack->seq = program_near(&r->in, s ? s->sent : 0);
	ack->edge = program_near(&r->in, s ? s->edge : 1000);
	ack->naks = program_below(&r->in, GODWIT_NAK_RANGES + 1);
	for (uint32_t i = 0; i < ack->naks; i++) {
		uint64_t span = program_byte(&r->in);

		ack->first[i] = program_near(&r->in, s ? s->sent : 1);
		ack->first[i] += ack->first[i] == 0; // the check refuses it: nothing new
		ack->last[i] = span == 255 ? UINT64_MAX : ack->first[i] + span % 32;
		if (ack->last[i] < ack->first[i])
			ack->last[i] = UINT64_MAX;
	}
}

static void op_ack(struct run *r)
{
	struct client_peer *p = any_peer(r);
	uint32_t count = program_below(&r->in, 4);
	struct harness_ack acks[3] = {0};

	for (uint32_t i = 0; i < count; i++)
		ack_fill(r, p, &acks[i]);
	peer_ack(p, acks, count);
	spoil_last(r, p);
	turn_maybe(r);
}

// What a client that behaves would say: all that was sent is taken, and the window is open again.
static void op_ack_all(struct run *r)
{
	struct client_peer *p = any_peer(r);
	struct harness_ack acks[4] = {0};
	uint32_t count = 0;

	for (uint32_t number = 0; number < 4; number++) {
		const struct subscription *s = subscription_of(r, p, number);

		if (s)
			acks[count++] = (struct harness_ack){
				.number = number,
				.cursor_epoch = s->cursor_epoch,
				.session = stream_session(s->stream),
				.seq = s->sent,
				.epoch = s->stream->epoch,
				.edge = s->sent + s->window,
			};
	}
	peer_ack(p, acks, count);
	harness_turn(&r->harness);
}

static void op_topic(struct run *r)
{
	static const char *const names[] = {"a", "b", "c", "dd"};
	struct client_peer *p = any_peer(r);
	const char *stream = any_name(r);
	const char *name = names[program_below(&r->in, 4)];

	peer_topic(p, stream, name, program_byte(&r->in) & 1);
	spoil_last(r, p);
	turn_maybe(r);
}

// Any bytes from a peer's address, or from one that never said a word.
static void op_bytes(struct run *r)
{
	struct client_peer *p = any_peer(r);
	struct client_peer stranger = harness_peer(&r->harness, p->core, 99, 999, 1);
	uint32_t length = program_byte(&r->in);
	uint8_t bytes[256];

	if (program_byte(&r->in) % 4 == 0)
		p = &stranger;
	for (uint32_t i = 0; i < length; i++)
		bytes[i] = program_byte(&r->in);
	r->free_payloads = true;
	peer_send(p, bytes, length);
	turn_maybe(r);
}

// ---- publishing --------------------------------------------------------------------------------

static void op_open(struct run *r)
{
	uint32_t number = program_below(&r->in, PEERS);
	struct client_peer *p = &r->peers[number];
	struct publishing *publishing = &r->publishing[number];
	const struct godwit_publish_opened *opened;
	uint64_t publisher = 1 + program_below(&r->in, 3);
	uint64_t instance =
		program_byte(&r->in) % 4 == 0 ? program_near(&r->in, publishing->instance) : 0;

	opened = harness_open(p, any_name(r), publisher, instance);
	if (opened && godwit_get16(opened->code) == GODWIT_OK)
		*publishing = (struct publishing){
			.stream = godwit_get32(opened->stream),
			.publisher = publisher,
			.instance = godwit_get64(opened->instance),
			.next = godwit_get64(opened->last) + 1,
		};
}

static void op_publish(struct run *r)
{
	uint32_t number = program_below(&r->in, PEERS);
	struct client_peer *p = &r->peers[number];
	struct publishing *publishing = &r->publishing[number];
	uint32_t how = program_byte(&r->in), count = 1 + program_below(&r->in, 8);
	uint32_t bytes = program_byte(&r->in), topic = 1 + program_below(&r->in, 8);
	uint64_t first = how % 4 == 0 ? program_near(&r->in, publishing->next) : publishing->next;

	bytes = bytes < 128 ? bytes % 32 : bytes * 6 > 1300 ? 1300 : bytes * 6;
	if (bytes * count > 1200)
		count = 1;
	peer_publish(p, publishing->stream, publishing->publisher,
		     publishing->instance + (how >= 250), first, count, topic, bytes);
	spoil_last(r, p);
	// As if all were taken; where not, the core expects another number, and the next op_open says it.
	if (first == publishing->next)
		publishing->next += count;
	turn_maybe(r);
}

// Records without a publisher, as far as the log has room for them above the commit.
static void op_append(struct run *r)
{
	uint32_t number = program_below(&r->in, r->harness.server.stream_count);
	struct log *log = &harness_stream(&r->harness, number)->log;
	uint32_t count = 1 + program_below(&r->in, 32), topic = 1 + program_below(&r->in, 8);
	uint32_t bytes = 16 + 4 * program_byte(&r->in);

	for (uint32_t i = 0; i < count; i++) {
		uint64_t above = log->head_own.pos - log->commit_own.pos;

		if (above + godwit_record_bytes(bytes) > log->size / 2)
			break;
		harness_append(&r->harness, number, topic, bytes, 1);
	}
	turn_maybe(r);
}

// ---- what happens to a server ------------------------------------------------------------------

static void op_port_full(struct run *r)
{
	uint32_t core = program_below(&r->in, r->harness.server.core_count);

	r->harness.tx[core].room = program_below(&r->in, 4);
	pass(r);
	truth_check(&r->truth);
	r->harness.tx[core].room = UINT32_MAX;
	truth_lost(&r->truth);
}

static void op_no_route(struct run *r)
{
	uint32_t core = program_below(&r->in, r->harness.server.core_count);

	r->harness.tx[core].no_route = true;
	pass(r);
	truth_check(&r->truth);
	r->harness.tx[core].no_route = false;
	truth_lost(&r->truth);
}

static void op_commit(struct run *r)
{
	struct stream *stream = any_stream(r);
	uint32_t how = program_byte(&r->in);
	uint64_t above = log_head_seq(&stream->log) - stream->log.commit_own.seq;

	stream->commit_held = how & 1;
	if (stream->commit_held && above > 0)
		log_commit(&stream->log, stream->log.commit_own.seq + 1 + (how >> 1) % above);
	turn_maybe(r);
}

static void op_epoch(struct run *r)
{
	struct stream *stream = any_stream(r);

	stream_begin_epoch(stream, stream->epoch + 1 + program_below(&r->in, 3));
	turn_maybe(r);
}

static void op_command(struct run *r)
{
	struct client_peer *p = any_peer(r);
	struct core *core = harness_core(&r->harness, p->core);
	struct core_command command = {.handle = program_near(&r->in, p->handle), .instance = 9};
	struct crossing_slot *slot = crossing_begin(&core->inbox);

	if (!slot)
		return;
	slot->kind = program_byte(&r->in) >= 240 ? CORE_COMMAND_STOP : CORE_COMMAND_CLOSE_CLIENT;
	slot->bytes = sizeof(command);
	memcpy(slot->data, &command, sizeof(command));
	crossing_end(&core->inbox);
	turn_maybe(r);
}

static void op_turns(struct run *r)
{
	for (uint32_t i = 1 + program_below(&r->in, 4); i > 0; i--) {
		pass(r);
		truth_check(&r->truth);
	}
}

// All lapse, however full the port was and wherever the commit stood.
static void run_end(struct run *r)
{
	struct harness *h = &r->harness;

	for (uint32_t i = 0; i < h->server.stream_count; i++)
		harness_stream(h, i)->commit_held = false;
	while (h->queued[0] + h->queued[1] > 0) {
		harness_turn(h);
		truth_check(&r->truth);
	}
	for (uint64_t gone = 0; gone < 2 * HARNESS_LAPSE_MS * MS; gone += 20 * MS) {
		harness_pass(h, 20 * MS);
		truth_check(&r->truth);
	}
	truth_check_empty(&r->truth);
	harness_stop(h);
	REQUIRE(h->failure[0] == '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	// The more often one is needed to get anywhere, the more often it is here.
	static void (*const operations[])(struct run *) = {
		op_turns,     op_connect,     op_connect,  op_hello,   op_subscribe,
		op_subscribe, op_subscribe,   op_resume,   op_ack,     op_ack,
		op_ack_all,   op_unsubscribe, op_open,	   op_publish, op_publish,
		op_append,    op_append,      op_append,   op_topic,   op_bytes,
		op_commit,    op_port_full,   op_no_route, op_epoch,   op_command,
	};
	struct run *r = &run;

	run_start(r, data, size);
	for (uint32_t i = 0; i < OPERATIONS_MAX && program_more(&r->in); i++) {
		uint32_t which = program_below(&r->in, sizeof(operations) / sizeof(operations[0]));

		operations[which](r);
		truth_check(&r->truth);
	}
	run_end(r);
	return 0;
}
