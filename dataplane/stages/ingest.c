// SPDX-License-Identifier: BSD-3-Clause
//
// ingest: the sequencer. PUBLISH goes to its stream's home core; there each message is appended, known
// as a repeat, or refused with a reason, and the publisher hears of it by PUBLISH_ACK.
#include <godwit/wire_check.h>

#include "dataplane/replication.h"
#include "dataplane/stages.h"

static void count_refused(struct core *core, enum drop reason, uint32_t messages)
{
	COUNT(core, ingest_refused, messages);
	drop_add(core->counters, reason, messages);
}

void ingest_datagram(struct core *core, const struct datagram *datagram)
{
	const struct godwit_publish *publish = (const void *)datagram->bytes;
	struct home_origin origin = {.core = core->config.id};
	uint32_t stream, count;

	if (datagram->type != GODWIT_PUBLISH)
		return;
	count = godwit_get16(publish->from.frame.count);
	// A later frame of the burst may have closed the sender: its slot may be another's.
	if (datagram->client == NULL ||
	    core_client(core, godwit_get64(publish->from.handle)) == NULL) {
		COUNT(core, ingest_messages, count);
		count_refused(core, DROP_ingest_closed, count);
		return;
	}
	stream = godwit_get32(publish->stream);
	origin.handle = datagram->client->handle;
	origin.tag = datagram->client->tag;
	if (stream >= core->server->stream_count) {
		COUNT(core, ingest_messages, count);
		count_refused(core, DROP_ingest_unknown_stream, count);
		client_error(core, datagram->client, GODWIT_UNKNOWN_STREAM, 0, stream);
	} else if (!home_frame(core, core->server->streams[stream], &origin, datagram->bytes,
			       datagram->length)) {
		COUNT(core, ingest_messages, count);
		count_refused(core, DROP_ingest_crossing_full, count);
	}
}

void ingest_burst(struct core *core, struct burst *burst)
{
	for (uint32_t i = 0; i < burst->count; i++)
		ingest_datagram(core, &burst->datagrams[i]);
}

// The publisher is owed a PUBLISH_ACK: at the end of the turn, one for all that came in it.
static void owe_ack(struct stream *stream, uint32_t number, const struct home_origin *origin,
		    enum godwit_code code)
{
	struct publisher *publisher = publisher_at(stream->publishers, number);

	publisher->handle = origin->handle;
	publisher->tag = origin->tag;
	publisher->core = origin->core;
	publisher->code = (uint16_t)code;
	if (publisher->dirty)
		return;
	publisher->dirty = true;
	publisher->next_dirty = stream->dirty;
	stream->dirty = number;
}

static void refuse_publish(struct core *core, struct stream *stream,
			   const struct home_origin *origin, const struct godwit_publish *frame,
			   enum godwit_code code, uint32_t number)
{
	struct godwit_publish_ack ack = {
		.frame = {.version = GODWIT_VERSION, .type = GODWIT_PUBLISH_ACK},
		.tag = godwit_be64(origin->tag),
		.publisher = frame->publisher,
		.instance = frame->instance,
		.stream = frame->stream,
		.code = godwit_be16((uint16_t)code),
	};

	// The higher one. An unknown one knows itself only by its own.
	if (code == GODWIT_FENCED)
		ack.instance = godwit_be64(publisher_at(stream->publishers, number)->instance);
	home_answer(core, origin, &ack, sizeof(ack));
	COUNT(core, publish_acks, 1);
}

// Appends that would put the head too far above the commit wait for it: half the smallest log of those
// that have to hold it.
static bool log_has_room(const struct stream *stream, uint32_t bytes)
{
	const struct log *log = &stream->log;

	return log->head_own.pos + bytes - log->commit_own.pos <= stream->room_bytes;
}

// Index of the first record from `skip` on that is above max_message; count if there is none.
static uint32_t first_too_large(const struct stream *stream, const uint8_t *at, const uint8_t *end)
{
	const struct godwit_record *record;
	uint32_t i = 0;

	while ((record = godwit_record_next(&at, end)) != NULL) {
		if (godwit_get16(record->length) > stream->max_message)
			return i;
		i++;
	}
	return i;
}

// ---- in a cluster -------------------------------------------------------------------------------

// Whether this server takes messages for the stream now. Else *code: what the asker is told.
static bool is_writable(const struct stream *stream, enum godwit_code *code)
{
	if (stream->replication == NULL || stream->replication->writable)
		return true;
	*code = stream->role == STREAM_REPLICA ? GODWIT_NOT_PRIMARY : GODWIT_BUSY;
	return false;
}

// To the primary, where the server list names it; else to be asked again.
static void send_elsewhere(struct core *core, const struct stream *stream,
			   const struct home_origin *origin, struct godwit_be32 request,
			   enum godwit_code code)
{
	const struct godwit_server_entry *entry =
		stream->role == STREAM_REPLICA ?
			server_entry(core->server, core->server->peers.peers[stream->primary].id) :
			NULL;
	struct godwit_redirect redirect = {
		.frame = {.version = GODWIT_VERSION, .type = GODWIT_REDIRECT},
		.tag = godwit_be64(origin->tag),
		.request = request,
		.code = godwit_be16((uint16_t)code),
	};
	struct godwit_error error = {
		.frame = {.version = GODWIT_VERSION, .type = GODWIT_ERROR},
		.tag = godwit_be64(origin->tag),
		.request = request,
		.code = godwit_be16((uint16_t)code),
	};

	if (entry == NULL) {
		COUNT(core, answer_busy, 1);
		home_answer(core, origin, &error, sizeof(error));
		return;
	}
	redirect.target = *entry;
	COUNT(core, answer_redirect, 1);
	home_answer(core, origin, &redirect, sizeof(redirect));
}

// An answer that goes out when all in sync hold what it tells.
static struct meta_entry *hold_answer(struct core *core, struct stream *stream,
				      const struct home_origin *origin, const void *answer,
				      uint32_t bytes)
{
	struct meta_entry *entry = meta_add(core, stream->replication);

	assert(bytes <= sizeof(entry->answer));
	entry->origin_handle = origin->handle;
	entry->origin_tag = origin->tag;
	entry->origin_core = origin->core;
	entry->answer_bytes = bytes;
	memcpy(entry->answer, answer, bytes);
	return entry;
}

// Whether a request that makes something may go on: its like does not wait already, and there is room.
// Else it is answered or left to its repeat.
static bool may_make(struct core *core, const struct stream *stream,
		     const struct home_origin *origin, struct godwit_be32 request, bool waits)
{
	if (stream->replication == NULL)
		return true;
	if (waits) {
		COUNT(core, meta_waiting, 1);
		return false;
	}
	if (!meta_is_full(stream->replication))
		return true;
	COUNT(core, meta_busy, 1);
	send_elsewhere(core, stream, origin, request, GODWIT_BUSY);
	return false;
}

static void take_next(struct core *core, struct stream *stream, const struct home_origin *origin,
		      const struct godwit_publish *frame, uint32_t length, uint32_t number,
		      uint32_t skip)
{
	const uint8_t *records = (const uint8_t *)(frame + 1);
	const uint8_t *end = (const uint8_t *)frame + length;
	uint32_t count = godwit_get16(frame->from.frame.count);

	COUNT(core, ingest_repeats, skip);
	if (first_too_large(stream, records, end) < count) {
		count_refused(core, DROP_ingest_too_large, count - skip);
		refuse_publish(core, stream, origin, frame, GODWIT_TOO_LARGE, number);
		return;
	}
	if (!log_has_room(stream, (uint32_t)(end - records)) ||
	    !publishers_room(stream->publishers)) {
		count_refused(core, DROP_ingest_busy, count - skip);
		COUNT(core, publish_busy, 1);
		if (stream->replication != NULL)
			insync_lags(core, stream->replication);
		owe_ack(stream, number, origin, GODWIT_BUSY);
		return;
	}
	publishers_appended(stream->publishers, number, stream->log.head_own.seq + 1, count - skip);
	append_records(core, stream, records, end, skip);
	COUNT(core, ingest_appended, count - skip);
	owe_ack(stream, number, origin, GODWIT_OK);
}

static void ingest_publish(struct core *core, const struct home_origin *origin,
			   const struct godwit_publish *frame, uint32_t length)
{
	struct stream *stream = core->server->streams[godwit_get32(frame->stream)];
	uint32_t count = godwit_get16(frame->from.frame.count), number, skip;
	enum publish_verdict verdict = publishers_judge(
		stream->publishers, godwit_get64(frame->publisher), godwit_get64(frame->instance),
		godwit_get64(frame->first), count == 0 ? 1 : count, &number, &skip);
	enum godwit_code code = GODWIT_OK;

	COUNT(core, ingest_messages, count);
	if (!is_writable(stream, &code)) {
		count_refused(core,
			      code == GODWIT_BUSY ? DROP_ingest_not_writable :
						    DROP_ingest_not_primary,
			      count);
		refuse_publish(core, stream, origin, frame, code, number);
		return;
	}
	switch (verdict) {
	case PUBLISH_NEXT:
		if (count == 0)
			owe_ack(stream, number, origin, GODWIT_OK);
		else
			take_next(core, stream, origin, frame, length, number, skip);
		break;
	case PUBLISH_REPEAT:
		COUNT(core, ingest_repeats, count);
		owe_ack(stream, number, origin, GODWIT_OK);
		break;
	case PUBLISH_GAP:
		count_refused(core, DROP_ingest_gap, count);
		if (count > 0)
			COUNT(core, publish_gaps, 1);
		owe_ack(stream, number, origin, count > 0 ? GODWIT_GAP : GODWIT_OK);
		break;
	case PUBLISH_FENCED:
		count_refused(core, DROP_ingest_fenced, count);
		COUNT(core, publish_fenced, 1);
		refuse_publish(core, stream, origin, frame, GODWIT_FENCED, number);
		break;
	case PUBLISH_UNKNOWN:
		count_refused(core, DROP_ingest_unknown, count);
		COUNT(core, publish_unknown, 1);
		refuse_publish(core, stream, origin, frame, GODWIT_UNKNOWN_INSTANCE, number);
		break;
	}
}

// The instance that a request is for: a repeat of the one that made the instance in force gets the same. One of a process
// that another has taken the place of since gets the instance before, which is fenced: it would fence its successor.
static uint64_t open_instance(const struct publisher *publisher, const struct home_origin *origin,
			      const struct godwit_publish_open *frame)
{
	uint64_t instance = godwit_get64(frame->instance);
	uint32_t request = godwit_get32(frame->request);

	if (publisher == NULL || instance != 0)
		return instance;
	if (publisher->open_tag == origin->tag && publisher->open_request == request)
		return publisher->instance;
	if (publisher->before_tag == origin->tag && publisher->before_request == request)
		return publisher->instance - 1;
	return 0;
}

static void ingest_open(struct core *core, const struct home_origin *origin,
			const struct godwit_publish_open *frame)
{
	struct stream *stream = server_stream(core->server, frame->stream);
	struct godwit_publish_opened opened = {
		.frame = {.version = GODWIT_VERSION, .type = GODWIT_PUBLISH_OPENED},
		.tag = godwit_be64(origin->tag),
		.publisher = frame->publisher,
		.instance = frame->instance,
		.session = godwit_be64(stream_session(stream)),
		.epoch = godwit_be32(stream->epoch),
		.request = frame->request,
		.stream = godwit_be32(stream->number),
		.credit = godwit_be32(STREAM_PUBLISH_CREDIT),
		.max_message = godwit_be16((uint16_t)stream->max_message),
	};
	uint64_t instance;
	struct publisher *publisher;
	uint32_t number = publishers_find(stream->publishers, godwit_get64(frame->publisher));
	struct meta_entry *entry;
	enum godwit_code refusal;
	unsigned int code;
	bool made = false;

	if (!is_writable(stream, &refusal)) {
		send_elsewhere(core, stream, origin, frame->request, refusal);
		return;
	}
	if (!may_make(core, stream, origin, frame->request,
		      stream->replication != NULL &&
			      meta_waits_publisher(stream->replication,
						   godwit_get64(frame->publisher))))
		return;
	publisher = number == PUBLISHER_NONE ? NULL : publisher_at(stream->publishers, number);
	instance = open_instance(publisher, origin, frame);
	if (publisher != NULL && instance == 0) {
		publisher->before_tag = publisher->open_tag;
		publisher->before_request = publisher->open_request;
	}
	code = publishers_open(stream->publishers, godwit_get64(frame->publisher), instance,
			       &number);
	if (code == GODWIT_OK || code == GODWIT_FENCED) {
		publisher = publisher_at(stream->publishers, number);
		opened.instance = godwit_be64(publisher->instance);
		opened.last = godwit_be64(publisher->last);
		// Only what made the instance: a late repeat of it must not make another.
		if (code == GODWIT_OK && godwit_get64(frame->instance) == 0) {
			made = instance == 0;
			publisher->open_tag = origin->tag;
			publisher->open_request = godwit_get32(frame->request);
		}
	}
	if (code == GODWIT_FENCED)
		COUNT(core, publish_fenced, 1);
	if (code == GODWIT_UNKNOWN_INSTANCE)
		COUNT(core, publish_unknown, 1);
	if (code == GODWIT_LIMIT)
		COUNT(core, answer_limit, 1);
	opened.code = godwit_be16((uint16_t)code);
	COUNT(core, publish_opens, 1);
	if (!made || stream->replication == NULL) {
		home_answer(core, origin, &opened, sizeof(opened));
		return;
	}
	entry = hold_answer(core, stream, origin, &opened, sizeof(opened));
	entry->kind = GODWIT_META_INSTANCE;
	entry->bytes = sizeof(entry->instance);
	entry->instance = (struct godwit_meta_instance){frame->publisher, opened.instance};
}

static void ingest_topic(struct core *core, const struct home_origin *origin,
			 const struct godwit_topic *frame)
{
	struct stream *stream = server_stream(core->server, frame->stream);
	bool create = godwit_get16(frame->from.frame.flags) & GODWIT_FLAG_CREATE, made;
	uint32_t topic = stream_topic(stream, frame->name, false, &made);
	struct godwit_topic_number number = {
		.frame = {.version = GODWIT_VERSION, .type = GODWIT_TOPIC_NUMBER},
		.tag = godwit_be64(origin->tag),
		.request = frame->request,
	};
	struct meta_entry *entry;
	enum godwit_code refusal;
	struct godwit_error error = {
		.frame = {.version = GODWIT_VERSION, .type = GODWIT_ERROR},
		.tag = godwit_be64(origin->tag),
		.request = frame->request,
		.detail = godwit_be64(create ? stream->topics_max : 0),
		.code = godwit_be16(create ? GODWIT_LIMIT : GODWIT_UNKNOWN_TOPIC),
	};

	if (!is_writable(stream, &refusal)) {
		send_elsewhere(core, stream, origin, frame->request, refusal);
		return;
	}
	if ((topic != 0 || create) &&
	    !may_make(core, stream, origin, frame->request,
		      stream->replication != NULL && topic != 0 &&
			      meta_waits_topic(stream->replication, topic)))
		return;
	// Known by a fetch, and not held by all that count yet: its number may not be told.
	if (topic != 0 && stream->replication != NULL && !stream->replication->tables_agreed) {
		send_elsewhere(core, stream, origin, frame->request, GODWIT_BUSY);
		return;
	}
	if (topic == 0)
		topic = stream_topic(stream, frame->name, create, &made);
	if (made)
		COUNT(core, topics_made, 1);
	if (topic == 0) {
		if (create)
			COUNT(core, answer_limit, 1);
		else
			COUNT(core, answer_unknown_topic, 1);
		home_answer(core, origin, &error, sizeof(error));
		return;
	}
	number.topic = godwit_be32(topic);
	memcpy(number.name, frame->name, sizeof(number.name));
	if (!made || stream->replication == NULL) {
		home_answer(core, origin, &number, sizeof(number));
		return;
	}
	entry = hold_answer(core, stream, origin, &number, sizeof(number));
	entry->kind = GODWIT_META_TOPIC;
	entry->bytes = GODWIT_NAME_BYTES;
	entry->topic = topic;
	memcpy(entry->name, frame->name, sizeof(entry->name));
}

void ingest_frame(struct core *core, const struct home_origin *origin, const uint8_t *frame,
		  uint32_t length)
{
	switch (((const struct godwit_frame *)frame)->type) {
	case GODWIT_PUBLISH:
		ingest_publish(core, origin, (const void *)frame, length);
		break;
	case GODWIT_PUBLISH_OPEN:
		ingest_open(core, origin, (const void *)frame);
		break;
	case GODWIT_TOPIC:
		ingest_topic(core, origin, (const void *)frame);
		break;
	}
}
