// SPDX-License-Identifier: BSD-3-Clause
#include "client/core.h"

#include <errno.h>
#include <stdlib.h>

#include <godwit/wire_walk.h>

#define MESSAGES_DEFAULT 8192
#define MESSAGES_MAX	 (1u << 24)
#define BUFFER_DEFAULT	 (4u << 20)
#define BUFFER_MIN	 4096u

static struct client_publisher *publisher_find(const struct godwit_core *core, uint32_t number)
{
	for (uint32_t i = 0; i < core->publisher_max; i++)
		if (core->publishers[i].state != CLIENT_PUBLISHER_FREE &&
		    core->publishers[i].number == number)
			return &core->publishers[i];
	return NULL;
}

struct client_publisher *client_publisher_by_id(struct godwit_core *core,
						const struct client_link *link, uint64_t id,
						uint32_t stream)
{
	for (uint32_t i = 0; i < core->publisher_max; i++)
		if (core->publishers[i].state == CLIENT_PUBLISHER_OPEN &&
		    core->publishers[i].link == link && core->publishers[i].id == id &&
		    core->publishers[i].stream == stream)
			return &core->publishers[i];
	return NULL;
}

// ---- the buffer ---------------------------------------------------------------------------------

void client_publisher_restart(struct client_publisher *pub, uint64_t last)
{
	pub->committed = last;
	pub->said_committed = last;
	pub->expected = last + 1;
	pub->next = last + 1;
	pub->next_send = last + 1;
	pub->highest_sent = last;
	pub->end = 0;
	pub->sample = 0;
	pub->back_to = 0;
	pub->ask = false;
	pub->rto_due_ns = CLIENT_NEVER;
	pub->busy_until_ns = 0;
	pub->busy_delay_ns = CLIENT_BUSY_NS;
}

const uint8_t *client_publisher_record(const struct client_publisher *pub, uint64_t number,
				       uint32_t *bytes)
{
	const uint8_t *at = pub->buffer + pub->places[number & pub->mask] % pub->buffer_bytes;
	const struct godwit_record *record = (const struct godwit_record *)at;

	*bytes = godwit_record_bytes(godwit_get16(record->length));
	return at;
}

// Where a record of this size goes, in one piece; NULL: there is no room.
static uint8_t *publisher_room(struct client_publisher *pub, uint32_t bytes)
{
	uint64_t waiting = pub->next - pub->committed - 1;
	uint64_t place = pub->end;
	uint64_t offset;

	if (waiting == 0)
		place = 0; // all of the buffer is free: begin at its begin
	if (waiting > pub->mask)
		return NULL;
	offset = place % pub->buffer_bytes;
	if (offset + bytes > pub->buffer_bytes)
		place += pub->buffer_bytes - offset;
	if (waiting > 0 &&
	    place + bytes > pub->places[(pub->committed + 1) & pub->mask] + pub->buffer_bytes)
		return NULL;
	pub->places[pub->next & pub->mask] = place;
	pub->end = place + bytes;
	return pub->buffer + place % pub->buffer_bytes;
}

void client_publisher_free(struct client_publisher *pub)
{
	free(pub->buffer);
	free(pub->places);
	memset(pub, 0, sizeof(*pub));
}

// ---- the application's calls --------------------------------------------------------------------

static int publisher_allocate(struct client_publisher *pub,
			      const struct godwit_publisher_options *options)
{
	uint64_t messages = options->messages != 0 ? options->messages : MESSAGES_DEFAULT;
	uint64_t slots = 1;

	while (slots < messages)
		slots *= 2;
	pub->buffer_bytes = options->buffer_bytes != 0 ? options->buffer_bytes & ~3u :
							 BUFFER_DEFAULT;
	pub->buffer_bytes = client_max(pub->buffer_bytes, BUFFER_MIN);
	pub->mask = slots - 1;
	pub->buffer = malloc(pub->buffer_bytes);
	pub->places = calloc(slots, sizeof(*pub->places));
	return pub->buffer != NULL && pub->places != NULL ? 0 : -ENOMEM;
}

int godwit_core_publisher_open(struct godwit_core *core, uint64_t now_ns,
			       const struct godwit_publisher_options *options, uint32_t *publisher)
{
	struct client_publisher *pub = NULL;
	int rc = -EINVAL;

	if (core->over)
		return -EPIPE;
	for (uint32_t i = 0; i < core->publisher_max && pub == NULL; i++)
		if (core->publishers[i].state == CLIENT_PUBLISHER_FREE)
			pub = &core->publishers[i];
	if (pub == NULL)
		return -ENOSPC;
	memset(pub, 0, sizeof(*pub));
	if (options->stream != NULL && options->messages <= MESSAGES_MAX &&
	    godwit_name_set(pub->stream_name, options->stream))
		rc = publisher_allocate(pub, options);
	if (rc != 0) {
		client_publisher_free(pub);
		return rc;
	}
	pub->number = ++core->last_number;
	pub->id = options->publisher;
	pub->instance = options->instance;
	pub->rto_ns = CLIENT_RTO_FIRST_NS;
	client_publisher_restart(pub, 0);
	client_publisher_ask(core, pub, core->home, now_ns, 0);
	*publisher = pub->number;
	return 0;
}

int godwit_core_publisher_close(struct godwit_core *core, uint32_t publisher)
{
	struct client_publisher *pub = publisher_find(core, publisher);

	if (pub == NULL)
		return -ENOENT;
	client_publisher_free(pub);
	core->is_unsettled = true;
	return 0;
}

uint32_t client_publisher_payload_max(const struct godwit_core *core,
				      const struct client_publisher *pub)
{
	uint32_t datagram = core->datagram;

	if (client_is_up(pub->link) && pub->link->datagram != 0)
		datagram = (uint32_t)client_min(datagram, pub->link->datagram);
	datagram -= (uint32_t)client_min(datagram, sizeof(struct godwit_publish) +
							   sizeof(struct godwit_record));
	return (uint32_t)client_min(pub->max_message, datagram & ~3u);
}

int godwit_core_publish(struct godwit_core *core, uint64_t now_ns, uint32_t publisher,
			uint32_t topic, const void *payload, size_t length, uint64_t *number)
{
	struct client_publisher *pub = publisher_find(core, publisher);
	struct godwit_record record;
	uint32_t bytes;
	uint8_t *at;

	if (pub == NULL)
		return -ENOENT;
	if (pub->state == CLIENT_PUBLISHER_OVER)
		return -EPIPE;
	if (!pub->opened)
		return -EAGAIN;
	if (length > client_publisher_payload_max(core, pub))
		return -EMSGSIZE;
	bytes = godwit_record_bytes((uint32_t)length);
	if (bytes > pub->buffer_bytes)
		return -EMSGSIZE;
	at = publisher_room(pub, bytes);
	if (at == NULL)
		return -EAGAIN;
	record = (struct godwit_record){
		.length = godwit_be16((uint16_t)length),
		.topic = godwit_be32(topic),
	};
	memcpy(at, &record, sizeof(record));
	if (length > 0)
		memcpy(at + sizeof(record), payload, length);
	memset(at + sizeof(record) + length, 0, bytes - sizeof(record) - length);
	if (pub->rto_due_ns == CLIENT_NEVER)
		pub->rto_due_ns = now_ns + pub->rto_ns;
	if (number != NULL)
		*number = pub->next;
	pub->next++;
	core->stats.published++;
	return 0;
}

int godwit_core_publisher_state(const struct godwit_core *core, uint32_t publisher,
				struct godwit_publisher_state *state)
{
	const struct client_publisher *pub = publisher_find(core, publisher);

	if (pub == NULL)
		return -ENOENT;
	*state = (struct godwit_publisher_state){
		.instance = pub->instance,
		.next = pub->next,
		.committed = pub->committed,
		.waiting = (uint32_t)(pub->next - pub->committed - 1),
		.credit = pub->credit,
		.rtt_ns = pub->srtt_ns,
		.open = pub->opened && pub->state != CLIENT_PUBLISHER_OVER,
	};
	return 0;
}

// ---- events -------------------------------------------------------------------------------------

static bool publisher_has_event(const struct client_publisher *pub)
{
	return pub->state != CLIENT_PUBLISHER_FREE &&
	       (pub->doubt_committed != 0 || pub->say_doubt || pub->say_opened || pub->say_ended ||
		pub->said_committed < pub->committed);
}

// In the order in which it happened: the end of the instance before, then this one.
static void publisher_say(struct godwit_core *core, struct client_publisher *pub,
			  struct godwit_event *event)
{
	*event = (struct godwit_event){.publisher = pub->number, .instance = pub->instance};
	if (pub->doubt_committed != 0) {
		event->kind = GODWIT_EVENT_COMMITTED;
		event->instance = pub->doubt_instance;
		event->number = pub->doubt_committed;
		pub->doubt_committed = 0;
	} else if (pub->say_doubt) {
		pub->say_doubt = false;
		event->kind = GODWIT_EVENT_IN_DOUBT;
		event->instance = pub->doubt_instance;
		event->first = pub->doubt_first;
		event->last = pub->doubt_last;
		event->code = GODWIT_UNKNOWN_INSTANCE;
	} else if (pub->say_opened) {
		pub->say_opened = false;
		event->kind = GODWIT_EVENT_PUBLISHER_OPENED;
		event->number = pub->said_committed;
		event->credit = pub->credit;
		event->length = client_publisher_payload_max(core, pub);
	} else if (pub->said_committed < pub->committed) {
		pub->said_committed = pub->committed;
		event->kind = GODWIT_EVENT_COMMITTED;
		event->number = pub->committed;
	} else {
		pub->say_ended = false;
		event->kind = GODWIT_EVENT_PUBLISHER_ENDED;
		event->code = pub->code;
		event->instance = pub->higher;
	}
}

bool client_publisher_ready(const struct godwit_core *core)
{
	for (uint32_t i = 0; i < core->publisher_max; i++)
		if (publisher_has_event(&core->publishers[i]))
			return true;
	return false;
}

bool client_publisher_event(struct godwit_core *core, struct godwit_event *event)
{
	for (uint32_t i = 0; i < core->publisher_max; i++) {
		if (!publisher_has_event(&core->publishers[i]))
			continue;
		publisher_say(core, &core->publishers[i], event);
		return true;
	}
	core->publisher_news = false;
	return false;
}
