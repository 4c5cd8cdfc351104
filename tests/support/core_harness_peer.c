// SPDX-License-Identifier: BSD-3-Clause
//
// What clients and publishers send to a harness, and what of a stream was delivered to one.
#include <stdlib.h>

#include "dataplane/stages.h"
#include "tests/support/core_harness.h"

#define OR(value, otherwise) ((value) != 0 ? (value) : (otherwise))

// ---- coming in ---------------------------------------------------------------------------------

static struct godwit_frame header(uint8_t type, uint16_t flags, uint16_t count)
{
	return (struct godwit_frame){.version = GODWIT_VERSION,
				     .type = type,
				     .flags = godwit_be16(flags),
				     .count = godwit_be16(count)};
}

static struct godwit_from_client from(const struct client_peer *p, uint8_t type, uint16_t flags,
				      uint16_t count)
{
	return (struct godwit_from_client){.frame = header(type, flags, count),
					   .handle = godwit_be64(p->handle),
					   .key = godwit_be64(p->key)};
}

struct client_peer harness_peer(struct harness *h, uint32_t core, uint8_t host, uint64_t id,
				uint64_t instance)
{
	return (struct client_peer){
		.harness = h,
		.core = core,
		.address = godwit_address_v4(0x0a000000u + host, (uint16_t)(40000 + host)),
		.id = id,
		.instance = instance,
		.tag = 0xc000000000ull + id * 256 + host,
		.nonce = 0x1d1d1d00ull + host,
	};
}

void peer_send(struct client_peer *p, const void *bytes, uint32_t length)
{
	harness_send(p->harness, p->core, &p->address, bytes, length);
}

void peer_hello(struct client_peer *p)
{
	struct godwit_hello hello = {
		.frame = header(GODWIT_HELLO, 0, 0),
		.client = godwit_be64(p->id),
		.instance = godwit_be64(p->instance),
		.tag = godwit_be64(p->tag),
		.nonce = godwit_be64(p->nonce),
		.request = godwit_be32(++p->request),
	};

	peer_send(p, &hello, sizeof(hello));
}

bool peer_take_cookie(struct client_peer *p)
{
	const struct harness_frame *frame = harness_take(p->harness, &p->address, GODWIT_COOKIE);
	const struct godwit_cookie *cookie = frame != NULL ? (const void *)frame->data : NULL;

	if (cookie == NULL || godwit_get64(cookie->tag) != p->tag ||
	    godwit_get64(cookie->nonce) != p->nonce || godwit_get32(cookie->request) != p->request)
		return false;
	p->cookie_time = godwit_get64(cookie->time);
	memcpy(p->cookie_mac, cookie->mac, sizeof(p->cookie_mac));
	return true;
}

void peer_proof(struct client_peer *p, const char *credential)
{
	uint8_t bytes[sizeof(struct godwit_hello_proof) + GODWIT_CREDENTIAL_MAX];
	uint16_t length = credential != NULL ? (uint16_t)strlen(credential) : 0;
	struct godwit_hello_proof proof = {
		.frame = header(GODWIT_HELLO_PROOF, 0, 0),
		.client = godwit_be64(p->id),
		.instance = godwit_be64(p->instance),
		.tag = godwit_be64(p->tag),
		.nonce = godwit_be64(p->nonce),
		.request = godwit_be32(++p->request),
		.credential_bytes = godwit_be16(length),
		.time = godwit_be64(p->cookie_time),
	};

	memcpy(proof.mac, p->cookie_mac, sizeof(proof.mac));
	memcpy(bytes, &proof, sizeof(proof));
	memcpy(bytes + sizeof(proof), credential != NULL ? credential : "", length);
	peer_send(p, bytes, (uint32_t)sizeof(proof) + length);
}

bool peer_take_welcome(struct client_peer *p)
{
	const struct harness_frame *frame = harness_take(p->harness, &p->address, GODWIT_WELCOME);
	const struct godwit_welcome *welcome = frame != NULL ? (const void *)frame->data : NULL;

	if (welcome == NULL || godwit_get64(welcome->tag) != p->tag ||
	    godwit_get32(welcome->request) != p->request)
		return false;
	p->handle = godwit_get64(welcome->handle);
	p->key = godwit_get64(welcome->key);
	return true;
}

bool harness_connect(struct client_peer *p, const char *credential)
{
	peer_hello(p);
	harness_turn(p->harness);
	if (!peer_take_cookie(p))
		return false;
	peer_proof(p, credential);
	harness_turn(p->harness);
	return peer_take_welcome(p);
}

// ---- subscriptions -----------------------------------------------------------------------------

static uint32_t add_topics(const struct harness_request *r, uint8_t *bytes, uint32_t at)
{
	for (uint32_t i = 0; i < r->topics_count; i++) {
		struct godwit_be32 topic = godwit_be32(r->topics[i]);

		memcpy(bytes + at, &topic, sizeof(topic));
		at += (uint32_t)sizeof(topic);
	}
	return at;
}

uint32_t build_subscribe(struct client_peer *p, const struct harness_request *r, uint8_t *bytes)
{
	uint16_t flags = r->topics_count > 0 ? GODWIT_FLAG_FILTERED : 0;
	struct godwit_subscribe frame = {
		.from = from(p, GODWIT_SUBSCRIBE, flags, (uint16_t)r->topics_count),
		.request = godwit_be32(r->request != 0 ? r->request : ++p->request),
		.subscription = godwit_be32(r->number),
		.tag = godwit_be64(OR(r->tag, 0x7000ull + r->number)),
		.start_value = godwit_be64(r->start_value),
		.session = godwit_be64(r->session),
		.epoch = godwit_be32(r->epoch),
		.window = godwit_be32(OR(r->window, 1000)),
		.datagram = godwit_be16((uint16_t)OR(r->datagram, 1452)),
		.start = r->start,
		.policy = r->policy,
	};

	godwit_name_set(frame.stream, r->stream != NULL ? r->stream : "s0");
	memcpy(bytes, &frame, sizeof(frame));
	return add_topics(r, bytes, sizeof(frame));
}

uint32_t build_resume(struct client_peer *p, const struct harness_request *r, uint8_t *bytes)
{
	uint16_t flags = r->topics_count > 0 ? GODWIT_FLAG_FILTERED : 0;
	struct godwit_resume frame = {
		.from = from(p, GODWIT_RESUME, flags, (uint16_t)r->topics_count),
		.request = godwit_be32(r->request != 0 ? r->request : ++p->request),
		.subscription = godwit_be32(r->number),
		.tag = godwit_be64(OR(r->tag, 0x7000ull + r->number)),
		.session = godwit_be64(OR(r->session, HARNESS_SESSION)),
		.seq = godwit_be64(r->seq),
		.epoch = godwit_be32(r->seq != 0 && r->epoch == 0 ? 1 : r->epoch),
		.attempt = godwit_be32(r->attempt),
		.highest_epoch = godwit_be64(r->highest_epoch),
		.offer_epoch = godwit_be64(r->offer_epoch),
		.edge = godwit_be64(r->edge),
		.datagram = godwit_be16((uint16_t)OR(r->datagram, 1452)),
		.policy = r->policy,
		.window = godwit_be32(OR(r->window, 1000)),
	};

	godwit_name_set(frame.stream, r->stream != NULL ? r->stream : "s0");
	memcpy(bytes, &frame, sizeof(frame));
	return add_topics(r, bytes, sizeof(frame));
}

void peer_subscribe(struct client_peer *p, const struct harness_request *r)
{
	uint8_t bytes[GODWIT_CONTROL_BYTES];

	peer_send(p, bytes, build_subscribe(p, r, bytes));
}

void peer_resume(struct client_peer *p, const struct harness_request *r)
{
	uint8_t bytes[GODWIT_CONTROL_BYTES];

	peer_send(p, bytes, build_resume(p, r, bytes));
}

void peer_unsubscribe(struct client_peer *p, uint32_t number)
{
	struct godwit_unsubscribe frame = {
		.from = from(p, GODWIT_UNSUBSCRIBE, 0, 0),
		.request = godwit_be32(++p->request),
		.subscription = godwit_be32(number),
	};

	peer_send(p, &frame, sizeof(frame));
}

void peer_ack(struct client_peer *p, const struct harness_ack *entries, uint32_t count)
{
	uint8_t bytes[GODWIT_CONTROL_BYTES];
	struct godwit_ack ack = {.from = from(p, GODWIT_ACK, 0, (uint16_t)count),
				 .number = godwit_be64(++p->ack_number)};
	uint32_t at = sizeof(ack);

	memcpy(bytes, &ack, sizeof(ack));
	for (uint32_t i = 0; i < count; i++) {
		const struct harness_ack *e = &entries[i];
		struct godwit_ack_entry entry = {
			.subscription = godwit_be32(e->number),
			.flags = godwit_be16(e->flags),
			.naks = godwit_be16((uint16_t)e->naks),
			.cursor_epoch = godwit_be64(e->cursor_epoch),
			.session = godwit_be64(OR(e->session, HARNESS_SESSION)),
			.seq = godwit_be64(e->seq),
			.epoch = godwit_be32(OR(e->epoch, 1)),
			.edge = godwit_be64(e->edge),
		};

		memcpy(bytes + at, &entry, sizeof(entry));
		at += (uint32_t)sizeof(entry);
		for (uint32_t k = 0; k < e->naks; k++) {
			struct godwit_range range = {godwit_be64(e->first[k]),
						     godwit_be64(e->last[k])};

			memcpy(bytes + at, &range, sizeof(range));
			at += (uint32_t)sizeof(range);
		}
	}
	peer_send(p, bytes, at);
}

static const struct godwit_subscribed *take_subscribed(struct client_peer *p)
{
	const struct harness_frame *frame;

	harness_turn(p->harness);
	frame = harness_take(p->harness, &p->address, GODWIT_SUBSCRIBED);
	return frame != NULL ? (const void *)frame->data : NULL;
}

const struct godwit_subscribed *harness_subscribe(struct client_peer *p,
						  const struct harness_request *r)
{
	peer_subscribe(p, r);
	return take_subscribed(p);
}

const struct godwit_subscribed *harness_resume(struct client_peer *p,
					       const struct harness_request *r)
{
	peer_resume(p, r);
	return take_subscribed(p);
}

// ---- publishing --------------------------------------------------------------------------------

void peer_open(struct client_peer *p, const char *stream, uint64_t publisher, uint64_t instance,
	       uint32_t request)
{
	struct godwit_publish_open frame = {
		.from = from(p, GODWIT_PUBLISH_OPEN, 0, 0),
		.request = godwit_be32(request != 0 ? request : ++p->request),
		.publisher = godwit_be64(publisher),
		.instance = godwit_be64(instance),
	};

	godwit_name_set(frame.stream, stream);
	peer_send(p, &frame, sizeof(frame));
}

const struct godwit_publish_opened *harness_open(struct client_peer *p, const char *stream,
						 uint64_t publisher, uint64_t instance)
{
	const struct harness_frame *frame;

	peer_open(p, stream, publisher, instance, 0);
	harness_turns(p->harness, p->harness->server.core_count + 1); // there and back
	frame = harness_take(p->harness, &p->address, GODWIT_PUBLISH_OPENED);
	return frame != NULL ? (const void *)frame->data : NULL;
}

void peer_publish(struct client_peer *p, uint32_t stream, uint64_t publisher, uint64_t instance,
		  uint64_t first, uint32_t count, uint32_t topic, uint32_t bytes)
{
	uint8_t frame[2048] = {0};
	struct godwit_publish publish = {
		.from = from(p, GODWIT_PUBLISH, 0, (uint16_t)count),
		.stream = godwit_be32(stream),
		.publisher = godwit_be64(publisher),
		.instance = godwit_be64(instance),
		.first = godwit_be64(first),
	};
	struct godwit_record record = {.length = godwit_be16((uint16_t)bytes),
				       .topic = godwit_be32(topic)};
	uint32_t at = sizeof(publish);

	if (at + count * godwit_record_bytes(bytes) > sizeof(frame))
		abort();
	memcpy(frame, &publish, sizeof(publish));
	for (uint32_t i = 0; i < count; i++, at += godwit_record_bytes(bytes))
		memcpy(frame + at, &record, sizeof(record));
	peer_send(p, frame, at);
}

const struct godwit_publish_ack *harness_publish(struct client_peer *p, uint32_t stream,
						 uint64_t publisher, uint64_t instance,
						 uint64_t first, uint32_t count, uint32_t topic,
						 uint32_t bytes)
{
	const struct harness_frame *frame;

	peer_publish(p, stream, publisher, instance, first, count, topic, bytes);
	harness_turns(p->harness, p->harness->server.core_count + 1);
	frame = harness_take(p->harness, &p->address, GODWIT_PUBLISH_ACK);
	return frame != NULL ? (const void *)frame->data : NULL;
}

void harness_append(struct harness *h, uint32_t stream, uint32_t topic, uint32_t bytes,
		    uint32_t count)
{
	struct log *log = &h->server.streams[stream]->log;
	uint8_t payload[2048] = {0};

	for (uint32_t i = 0; i < count; i++) {
		uint64_t facts[2] = {log->head_own.seq + 1, h->now_ns + HARNESS_WALL_NS};

		memcpy(payload, facts, sizeof(facts));
		log_append(log, facts[1], topic, 0, payload, bytes);
	}
}

void peer_topic(struct client_peer *p, const char *stream, const char *name, bool create)
{
	struct godwit_topic frame = {
		.from = from(p, GODWIT_TOPIC, create ? GODWIT_FLAG_CREATE : 0, 0),
		.request = godwit_be32(++p->request),
	};

	godwit_name_set(frame.stream, stream);
	godwit_name_set(frame.name, name);
	peer_send(p, &frame, sizeof(frame));
}

// ---- what was delivered ------------------------------------------------------------------------

struct delivery delivery_start(const struct godwit_subscribed *subscribed)
{
	return (struct delivery){
		.tag = godwit_get64(subscribed->tag),
		.cursor_epoch = godwit_get64(subscribed->cursor_epoch),
		.covered = godwit_get64(subscribed->seq),
	};
}

static void take_record(struct delivery *d, const struct godwit_data *data, uint64_t seq,
			const struct godwit_record *record)
{
	uint64_t time = godwit_get64(data->time), facts[2] = {0};

	time += (uint32_t)(godwit_get32(record->time) - (uint32_t)time);
	if (godwit_get16(record->length) >= sizeof(facts))
		memcpy(facts, godwit_record_payload(record), sizeof(facts));
	// Both stand in the payload: one that the header tells otherwise is broken.
	if (facts[0] != 0 && (facts[0] != seq || facts[1] != time))
		d->broken = true;
	if (time - godwit_get64(data->time) > GODWIT_SLICE_SPAN_NS)
		d->broken = true;
	if (seq <= d->covered)
		return;
	d->records++;
	d->last_seq = seq;
	d->last_time_ns = time;
	d->last_epoch = godwit_get32(data->epoch);
}

static void take_data(struct delivery *d, const struct harness_frame *frame)
{
	const struct godwit_data *data = (const void *)frame->data;
	const struct godwit_be16 *distances = godwit_data_distances(data);
	const uint8_t *at = godwit_data_records(data), *end = frame->data + frame->bytes;
	const struct godwit_record *record;
	uint64_t first = godwit_get64(data->covers_from);
	uint64_t last = first + godwit_get32(data->covers) - 1;
	uint32_t n = 0;

	d->packets++;
	d->repairs += (godwit_get16(data->frame.flags) & GODWIT_FLAG_REPAIR) != 0;
	d->coverages += godwit_get16(data->frame.count) == 0;
	d->largest = frame->bytes > d->largest ? frame->bytes : d->largest;
	if (first > d->covered + 1)
		d->broken = true;
	for (; (record = godwit_record_next(&at, end)) != NULL; n++)
		take_record(d, data, first + (distances != NULL ? godwit_get16(distances[n]) : n),
			    record);
	if (last > d->covered)
		d->covered = last;
}

uint64_t delivery_take(struct delivery *d, struct client_peer *p)
{
	struct harness *h = p->harness;
	uint64_t before = d->records;

	for (uint32_t i = h->frames_taken; i < h->frames_count; i++) {
		struct harness_frame *frame = &h->frames[i];
		const struct godwit_data *data = (const void *)frame->data;

		if (frame->taken || frame->data[1] != GODWIT_DATA ||
		    !godwit_address_equal(&frame->to, &p->address) ||
		    godwit_get64(data->tag) != d->tag ||
		    godwit_get64(data->cursor_epoch) != d->cursor_epoch)
			continue;
		frame->taken = true;
		take_data(d, frame);
	}
	return d->records - before;
}
