// SPDX-License-Identifier: BSD-3-Clause
//
// A proved client that keeps to no rule: it has a handle and a key of its own, and sends whatever passes the
// frame checks. It checks nothing; the others must not notice it, and the server must keep its laws.
#include <godwit/wire_walk.h>

#include "tests/sim/sim.h"

#define NUMBERS (sizeof(((struct rogue *)0)->known) / sizeof(((struct rogue *)0)->known[0]))

static struct godwit_frame header(uint8_t type, uint16_t flags, uint32_t count)
{
	return (struct godwit_frame){.version = GODWIT_VERSION,
				     .type = type,
				     .flags = godwit_be16(flags),
				     .count = godwit_be16((uint16_t)count)};
}

static struct godwit_from_client from(const struct rogue *r, uint8_t type, uint16_t flags,
				      uint32_t count)
{
	return (struct godwit_from_client){.frame = header(type, flags, count),
					   .handle = godwit_be64(r->handle),
					   .key = godwit_be64(r->key)};
}

static void out(struct actor *a, const void *bytes, uint32_t length)
{
	struct sim *sim = a->sim;

	network_send(sim, &a->address, &sim->hosts[a->raw.host].address, bytes, length);
}

// A number near the edges of what can be, or near what is.
static uint64_t odd(struct sim *sim, uint64_t near)
{
	struct rng *rng = &sim->rng;

	switch (rng_below(rng, 8)) {
	case 0:
		return 0;
	case 1:
		return UINT64_MAX - rng_below(rng, 3);
	case 2:
		return UINT32_MAX - 1ull + rng_below(rng, 4);
	case 3:
		return rng_next(rng);
	default:
		return near + rng_below(rng, 200) - (near > 100 ? 100 : near);
	}
}

static uint64_t commit_of(const struct sim *sim, uint64_t session)
{
	for (uint32_t i = 0; i < sim->stream_count; i++)
		if (sim->streams[i].truth->session == session)
			return sim->streams[i].truth->commit;
	return 0;
}

static void say_hello(struct actor *a)
{
	struct rogue *r = &a->raw;
	struct sim *sim = a->sim;
	struct godwit_hello hello;

	r->id = 5000 + a->index;
	r->tag = rng_next(&sim->rng);
	r->nonce = rng_next(&sim->rng);
	a->instance += rng_below(&sim->rng, 2);
	hello = (struct godwit_hello){
		.frame = header(GODWIT_HELLO, 0, 0),
		.client = godwit_be64(r->id),
		.instance = godwit_be64(a->instance),
		.tag = godwit_be64(r->tag),
		.nonce = godwit_be64(r->nonce),
		.request = godwit_be32(++r->request),
	};
	out(a, &hello, sizeof(hello));
}

// Topics of one of four filters behind a request, or none. Returns their number.
static uint32_t add_topics(struct sim *sim, uint8_t *at)
{
	static const uint8_t masks[] = {1, 2 | 4, 1 << (SIM_TOPICS - 1), 0xff};
	uint32_t mask = masks[rng_below(&sim->rng, 4)], count = 0;

	if (rng_percent(&sim->rng, 50))
		return 0;
	for (uint32_t t = 0; t < SIM_TOPICS; t++)
		if (mask & 1u << t) {
			struct godwit_be32 topic = godwit_be32(t + 1);

			memcpy(at + count++ * sizeof(topic), &topic, sizeof(topic));
		}
	return count;
}

static void stream_name(struct sim *sim, uint8_t *at)
{
	char name[16];

	snprintf(name, sizeof(name), "s%u",
		 (uint32_t)rng_below(&sim->rng,
				     sim->stream_count + (rng_percent(&sim->rng, 5) ? 1 : 0)));
	godwit_name_set(at, name);
}

static void say_subscribe(struct actor *a, uint32_t number)
{
	struct sim *sim = a->sim;
	struct rng *rng = &sim->rng;
	struct rogue *r = &a->raw;
	uint8_t bytes[GODWIT_CONTROL_BYTES];
	uint32_t topics = add_topics(sim, bytes + sizeof(struct godwit_subscribe));
	struct godwit_subscribe frame = {
		.from = from(r, GODWIT_SUBSCRIBE, topics > 0 ? GODWIT_FLAG_FILTERED : 0, topics),
		.request = godwit_be32(++r->request),
		.subscription = godwit_be32(number),
		.tag = godwit_be64(rng_percent(rng, 70) ? rng_next(rng) :
							  r->known[number % NUMBERS].tag),
		.start_value = godwit_be64(odd(sim, sim->streams[0].truth->commit)),
		.session = godwit_be64(rng_percent(rng, 80) ? 0 : rng_next(rng)),
		.window = godwit_be32(rng_percent(rng, 30) ? UINT32_MAX :
							     1 + (uint32_t)rng_below(rng, 500)),
		.datagram = godwit_be16(rng_percent(rng, 10) ? (uint16_t)rng_next(rng) : 1452),
		.start = (uint8_t)rng_below(rng, 5),
		.policy = (uint8_t)rng_below(rng, 3),
	};

	stream_name(sim, frame.stream);
	memcpy(bytes, &frame, sizeof(frame));
	out(a, bytes, (uint32_t)sizeof(frame) + topics * 4);
}

static void say_resume(struct actor *a, uint32_t number)
{
	struct sim *sim = a->sim;
	struct rng *rng = &sim->rng;
	struct rogue *r = &a->raw;
	uint64_t session = r->known[number % NUMBERS].session;
	uint8_t bytes[GODWIT_CONTROL_BYTES];
	uint32_t topics = add_topics(sim, bytes + sizeof(struct godwit_resume));
	struct godwit_resume frame = {
		.from = from(r, GODWIT_RESUME, topics > 0 ? GODWIT_FLAG_FILTERED : 0, topics),
		.request = godwit_be32(++r->request),
		.subscription = godwit_be32(number),
		.tag = godwit_be64(r->known[number % NUMBERS].tag),
		.session = godwit_be64(session),
		.seq = godwit_be64(odd(sim, commit_of(sim, session))),
		.epoch = godwit_be32((uint32_t)rng_below(rng, 5)),
		.attempt = godwit_be32((uint32_t)rng_below(rng, 20)),
		.highest_epoch = godwit_be64(odd(sim, r->known[number % NUMBERS].cursor_epoch)),
		.edge = godwit_be64(odd(sim, commit_of(sim, session))),
		.datagram = godwit_be16(1452),
		.policy = (uint8_t)rng_below(rng, 3),
		.window = godwit_be32(1 + (uint32_t)rng_below(rng, 5000)),
	};

	stream_name(sim, frame.stream);
	memcpy(bytes, &frame, sizeof(frame));
	out(a, bytes, (uint32_t)sizeof(frame) + topics * 4);
}

static uint32_t write_entry(struct actor *a, uint8_t *at)
{
	struct sim *sim = a->sim;
	struct rng *rng = &sim->rng;
	uint32_t number = (uint32_t)rng_below(rng, NUMBERS);
	uint64_t session = a->raw.known[number].session, commit = commit_of(sim, session);
	uint64_t start = a->raw.known[number].start;
	uint32_t naks = rng_percent(rng, 50) ? (uint32_t)rng_below(rng, 5) : 0;
	struct godwit_ack_entry entry = {
		.subscription = godwit_be32(number),
		.naks = godwit_be16((uint16_t)naks),
		.cursor_epoch = godwit_be64(rng_percent(rng, 90) ?
						    a->raw.known[number].cursor_epoch :
						    odd(sim, a->raw.known[number].cursor_epoch)),
		.session = godwit_be64(session),
		.seq = godwit_be64(rng_percent(rng, 60) ? start : odd(sim, commit)),
		.epoch = godwit_be32(1 + (uint32_t)rng_below(rng, 3)),
		.edge = godwit_be64(odd(sim, commit)),
	};

	memcpy(at, &entry, sizeof(entry));
	for (uint32_t i = 0; i < naks; i++) {
		uint64_t first = start + rng_below(rng, 50), last = first + odd(sim, 100);
		struct godwit_range range;

		first = first > 0 ? first : 1;
		range = (struct godwit_range){godwit_be64(first),
					      godwit_be64(last < first ? UINT64_MAX : last)};
		memcpy(at + sizeof(entry) + i * sizeof(range), &range, sizeof(range));
	}
	return (uint32_t)sizeof(entry) + naks * (uint32_t)sizeof(struct godwit_range);
}

static void say_ack(struct actor *a)
{
	struct rogue *r = &a->raw;
	uint8_t bytes[GODWIT_CONTROL_BYTES];
	uint32_t count = (uint32_t)rng_below(&a->sim->rng, 8), length = sizeof(struct godwit_ack);
	struct godwit_ack ack;

	for (uint32_t i = 0; i < count; i++)
		length += write_entry(a, bytes + length);
	r->ack_number += rng_below(&a->sim->rng, 3);
	ack = (struct godwit_ack){.from = from(r, GODWIT_ACK, 0, count),
				  .number = godwit_be64(r->ack_number)};
	memcpy(bytes, &ack, sizeof(ack));
	out(a, bytes, length);
}

// Nothing of it is ever the next number: the stream stays as the others know it.
static void say_publish(struct actor *a)
{
	struct sim *sim = a->sim;
	struct rng *rng = &sim->rng;
	uint32_t count = (uint32_t)rng_below(rng, 3);
	uint8_t bytes[sizeof(struct godwit_publish) + 3 * 16] = {0};
	struct godwit_publish publish = {
		.from = from(&a->raw, GODWIT_PUBLISH, 0, count),
		.stream = godwit_be32((uint32_t)rng_below(rng, 4)),
		.publisher = godwit_be64(rng_percent(rng, 50) ? 900 : 100 + rng_below(rng, 3)),
		.instance = godwit_be64(rng_percent(rng, 50) ? 1 : UINT64_MAX),
		.first = godwit_be64(UINT64_MAX / 2 + rng_below(rng, 1000)),
	};
	struct godwit_publish_open open = {
		.from = from(&a->raw, GODWIT_PUBLISH_OPEN, 0, 0),
		.request = godwit_be32(++a->raw.request),
		.publisher = godwit_be64(900),
		.instance = godwit_be64(rng_below(rng, 3)),
	};
	struct godwit_record record = {.length = godwit_be16(1)};

	memcpy(bytes, &publish, sizeof(publish));
	for (uint32_t i = 0; i < count; i++)
		memcpy(bytes + sizeof(publish) + i * 16, &record, sizeof(record));
	out(a, bytes, (uint32_t)sizeof(publish) + count * 16);
	stream_name(sim, open.stream);
	out(a, &open, sizeof(open));
}

static void say_other(struct actor *a)
{
	struct rogue *r = &a->raw;
	struct godwit_unsubscribe leave = {
		.from = from(r, GODWIT_UNSUBSCRIBE, 0, 0),
		.request = godwit_be32(++r->request),
		.subscription = godwit_be32((uint32_t)rng_below(&a->sim->rng, NUMBERS)),
	};
	struct godwit_topic topic = {.from = from(r, GODWIT_TOPIC, 0, 0),
				     .request = godwit_be32(++r->request)};

	if (rng_percent(&a->sim->rng, 50)) {
		out(a, &leave, sizeof(leave));
		return;
	}
	stream_name(a->sim, topic.stream);
	godwit_name_set(topic.name, "nobody made it");
	out(a, &topic, sizeof(topic));
}

void rogue_input(struct actor *a, const struct packet *packet)
{
	struct rogue *r = &a->raw;
	const struct godwit_cookie *cookie = (const void *)packet->data;
	const struct godwit_welcome *welcome = (const void *)packet->data;
	const struct godwit_subscribed *s = (const void *)packet->data;

	switch (packet->data[1]) {
	case GODWIT_COOKIE: {
		struct godwit_hello_proof proof = {
			.frame = header(GODWIT_HELLO_PROOF, 0, 0),
			.client = godwit_be64(r->id),
			.instance = godwit_be64(a->instance),
			.tag = godwit_be64(r->tag),
			.nonce = cookie->nonce,
			.request = godwit_be32(++r->request),
			.time = cookie->time,
		};

		memcpy(proof.mac, cookie->mac, sizeof(proof.mac));
		out(a, &proof, sizeof(proof));
		break;
	}
	case GODWIT_WELCOME:
		r->welcome = true;
		if (r->handle != godwit_get64(welcome->handle))
			r->ack_number = 0;
		r->handle = godwit_get64(welcome->handle);
		r->key = godwit_get64(welcome->key);
		break;
	case GODWIT_SUBSCRIBED:
		for (uint32_t i = 0; i < NUMBERS; i++) {
			// It is not said which: by the tag, or any.
			if (r->known[i].tag != godwit_get64(s->tag) &&
			    !rng_percent(&a->sim->rng, 20))
				continue;
			r->known[i].tag = godwit_get64(s->tag);
			r->known[i].cursor_epoch = godwit_get64(s->cursor_epoch);
			r->known[i].session = godwit_get64(s->session);
			r->known[i].start = godwit_get64(s->seq);
			break;
		}
		break;
	}
}

void rogue_turn(struct actor *a)
{
	struct sim *sim = a->sim;
	struct rogue *r = &a->raw;
	uint32_t number = (uint32_t)rng_below(&sim->rng, NUMBERS);

	if (sim->now_ns < r->silent_to_ns)
		return;
	a->due_ns = sim->now_ns + rng_below(&sim->rng, 5 * MS);
	if (!r->welcome || rng_percent(&sim->rng, 1)) {
		say_hello(a);
		a->due_ns += 5 * MS;
		return;
	}
	switch (rng_below(&sim->rng, 16)) {
	case 0:
	case 1:
	case 2:
		say_subscribe(a, number);
		break;
	case 3:
	case 4:
		say_resume(a, number);
		break;
	case 5:
		say_publish(a);
		break;
	case 6:
		say_other(a);
		break;
	case 7:
		if (rng_percent(&sim->rng, 5)) // long enough to be forgotten
			r->silent_to_ns = a->due_ns = sim->now_ns + rng_below(&sim->rng, 600 * MS);
		break;
	default:
		say_ack(a);
		break;
	}
}
