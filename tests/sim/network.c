// SPDX-License-Identifier: BSD-3-Clause
//
// Packets under way. A host is known by its UDP port 5000 + its index, an actor by 10000 + its index (100 more for each new
// socket), and each hundred of actors by 20000 more.
#include <stdlib.h>

#include <godwit/wire_check.h>

#include "tests/sim/sim.h"

#define HOST_PORT  5000u
#define ACTOR_PORT 10000u
#define SOCKETS	   100u	  // distance of an actor's ports
#define HUNDRED	   20000u // distance of actors' ports whose indices differ by SOCKETS

struct godwit_address network_host_address(uint32_t host)
{
	return godwit_address_v4(0x0a000001 + host, (uint16_t)(HOST_PORT + host));
}

struct godwit_address network_actor_address(uint32_t actor)
{
	return godwit_address_v4(
		0x0a000100 + actor,
		(uint16_t)(ACTOR_PORT + actor / SOCKETS * HUNDRED + actor % SOCKETS));
}

uint32_t network_node(const struct godwit_address *address)
{
	uint32_t port = address->port, actor;

	if (port >= HOST_PORT && port < HOST_PORT + SIM_HOSTS)
		return port - HOST_PORT;
	if (port < ACTOR_PORT)
		return SIM_NODES;
	actor = (port - ACTOR_PORT) / HUNDRED * SOCKETS + (port - ACTOR_PORT) % SOCKETS;
	return actor < SIM_ACTORS ? SIM_HOSTS + actor : SIM_NODES;
}

static bool before(const struct packet *a, const struct packet *b)
{
	return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

static void push(struct network *net, struct packet packet)
{
	uint32_t i = net->count++;

	if (net->count > net->capacity) {
		net->capacity = net->capacity ? net->capacity * 2 : 1024;
		net->heap = realloc(net->heap, net->capacity * sizeof(*net->heap));
		if (net->heap == NULL)
			abort();
	}
	while (i > 0 && before(&packet, &net->heap[(i - 1) / 2])) {
		net->heap[i] = net->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	net->heap[i] = packet;
}

static void send_copy(struct sim *sim, const struct link *link, const struct godwit_address *from,
		      const struct godwit_address *to, const void *data, uint32_t bytes)
{
	struct packet packet = {
		.at_ns = sim->now_ns + link->delay_ns,
		.order = sim->network.order++,
		.from = *from,
		.to = *to,
		.bytes = bytes,
		.data = malloc(bytes > 0 ? bytes : 1),
	};

	if (packet.data == NULL)
		abort();
	memcpy(packet.data, data, bytes);
	if (link->jitter_ns > 0)
		packet.at_ns += rng_below(&sim->rng, link->jitter_ns);
	if (!sim->quiet && rng_percent(&sim->rng, link->reorder))
		packet.at_ns += link->delay_ns + rng_below(&sim->rng, 5 * MS);
	push(&sim->network, packet);
}

const char *network_frame_name(uint8_t type)
{
	static const char *const names[] = {
		[GODWIT_HELLO] = "HELLO",
		[GODWIT_HELLO_PROOF] = "HELLO_PROOF",
		[GODWIT_SUBSCRIBE] = "SUBSCRIBE",
		[GODWIT_RESUME] = "RESUME",
		[GODWIT_ACK] = "ACK",
		[GODWIT_UNSUBSCRIBE] = "UNSUBSCRIBE",
		[GODWIT_PUBLISH_OPEN] = "PUBLISH_OPEN",
		[GODWIT_PUBLISH] = "PUBLISH",
		[GODWIT_TOPIC] = "TOPIC",
		[GODWIT_PROBE_REPLY] = "PROBE_REPLY",
		[GODWIT_COOKIE] = "COOKIE",
		[GODWIT_WELCOME] = "WELCOME",
		[GODWIT_SUBSCRIBED] = "SUBSCRIBED",
		[GODWIT_DATA] = "DATA",
		[GODWIT_HEARTBEAT] = "HEARTBEAT",
		[GODWIT_TAKE] = "TAKE",
		[GODWIT_MIGRATE] = "MIGRATE",
		[GODWIT_REDIRECT] = "REDIRECT",
		[GODWIT_PUBLISH_OPENED] = "PUBLISH_OPENED",
		[GODWIT_PUBLISH_ACK] = "PUBLISH_ACK",
		[GODWIT_TOPIC_NUMBER] = "TOPIC_NUMBER",
		[GODWIT_ENDED] = "ENDED",
		[GODWIT_PROBE] = "PROBE",
		[GODWIT_ERROR] = "ERROR",
		[GODWIT_PEER_HELLO] = "PEER_HELLO",
		[GODWIT_PEER_HEARTBEAT] = "PEER_HEARTBEAT",
		[GODWIT_REPLICATE] = "REPLICATE",
		[GODWIT_META] = "META",
		[GODWIT_SNAPSHOT] = "SNAPSHOT",
		[GODWIT_RECONCILE] = "RECONCILE",
		[GODWIT_PEER_ACK] = "PEER_ACK",
		[GODWIT_HANDOVER] = "HANDOVER",
		[GODWIT_HANDOVER_CONFIRM] = "HANDOVER_CONFIRM",
		[GODWIT_PROBE_FOR] = "PROBE_FOR",
		[GODWIT_PROBE_RESULT] = "PROBE_RESULT",
	};

	return type < sizeof(names) / sizeof(names[0]) && names[type] != NULL ? names[type] : "?";
}

const char *network_reconcile_name(uint32_t code)
{
	static const char *const names[] = {
		[GODWIT_RECONCILE_OK] = "OK",	    [GODWIT_RECONCILE_CUT] = "CUT",
		[GODWIT_RECONCILE_RESET] = "RESET", [GODWIT_RECONCILE_NOT_PRIMARY] = "NOT_PRIMARY",
		[GODWIT_RECONCILE_BUSY] = "BUSY",
	};

	return code < sizeof(names) / sizeof(names[0]) ? names[code] : "?";
}

// What is needed to follow a name and a publisher's instance. False: the frame is of neither.
static bool agreed_details(const uint8_t *bytes, uint32_t length, char *text, size_t size)
{
	const struct godwit_topic *topic = (const void *)bytes;
	const struct godwit_topic_number *number = (const void *)bytes;
	const struct godwit_publish_opened *opened = (const void *)bytes;
	const struct godwit_meta *meta = (const void *)bytes;
	const struct godwit_meta_instance *instance = (const void *)(meta + 1);
	const struct godwit_snapshot *page = (const void *)bytes;
	const struct godwit_redirect *redirect = (const void *)bytes;

	if (bytes[1] == GODWIT_TOPIC && length >= sizeof(*topic))
		snprintf(text, size, "%.15s of %.15s", topic->name, topic->stream);
	else if (bytes[1] == GODWIT_TOPIC_NUMBER && length >= sizeof(*number))
		snprintf(text, size, "%.15s is %u", number->name, godwit_get32(number->topic));
	else if (bytes[1] == GODWIT_REDIRECT && length >= sizeof(*redirect))
		snprintf(text, size, "request %u to s%u %s", godwit_get32(redirect->request),
			 godwit_get16(redirect->target.id),
			 godwit_code_name(godwit_get16(redirect->code)));
	else if (bytes[1] == GODWIT_PUBLISH_OPENED && length >= sizeof(*opened))
		snprintf(text, size, "stream %u instance %lu last %lu %s",
			 godwit_get32(opened->stream), godwit_get64(opened->instance),
			 godwit_get64(opened->last), godwit_code_name(godwit_get16(opened->code)));
	else if (bytes[1] == GODWIT_META && length >= sizeof(*meta) + GODWIT_NAME_BYTES)
		snprintf(text, size, "%lu %.15s in %u", godwit_get64(meta->entry),
			 (const char *)(meta + 1), godwit_get32(meta->from.epoch));
	else if (bytes[1] == GODWIT_META && length >= sizeof(*meta) + sizeof(*instance))
		snprintf(text, size, "%lu publisher %lx instance %lu in %u",
			 godwit_get64(meta->entry), godwit_get64(instance->publisher),
			 godwit_get64(instance->instance), godwit_get32(meta->from.epoch));
	else if (bytes[1] == GODWIT_SNAPSHOT && length >= sizeof(*page))
		snprintf(text, size, "page %u of %u seq %lu meta %lu in %u%s",
			 godwit_get32(page->page), godwit_get32(page->pages),
			 godwit_get64(page->seq), godwit_get64(page->meta),
			 godwit_get32(page->from.epoch),
			 (godwit_get16(page->from.frame.flags) & GODWIT_FLAG_ANSWER) != 0 ?
				 "" :
				 " wanted");
	else
		return false;
	return true;
}

// Of each subscription that a client and its server tell each other of; `text` ends where it is full.
static bool told_details(const uint8_t *bytes, uint32_t length, char *text, size_t size)
{
	const struct godwit_frame *frame = (const void *)bytes;
	const struct godwit_heartbeat *heartbeat = (const void *)bytes;
	const struct godwit_heartbeat_entry *told = godwit_heartbeat_entries(heartbeat);
	uint32_t count = godwit_get16(frame->count);
	int at;

	if (bytes[1] != GODWIT_HEARTBEAT || length < sizeof(*heartbeat) + count * sizeof(*told))
		return false;
	at = snprintf(text, size, "%u bytes", length);
	for (uint32_t i = 0; i < count && (size_t)at < size; i++)
		at += snprintf(text + at, size - (size_t)at, ", sent %lu epoch %lx",
			       godwit_get64(told[i].sent), godwit_get64(told[i].cursor_epoch));
	return true;
}

// The cursors of a frame of their feed.
static bool cursor_details(const uint8_t *bytes, uint32_t length, char *text, size_t size)
{
	const struct godwit_replicate *replicate = (const void *)bytes;
	const uint32_t each = sizeof(struct godwit_record) + sizeof(struct godwit_cursor);
	uint32_t count;
	int at;

	if (bytes[1] != GODWIT_REPLICATE || length < sizeof(*replicate))
		return false;
	count = godwit_get16(replicate->from.frame.count);
	if (count == 0 || length < sizeof(*replicate) + count * each + GODWIT_MAC_BYTES ||
	    godwit_get16(((const struct godwit_record *)(replicate + 1))->length) !=
		    sizeof(struct godwit_cursor) ||
	    godwit_get16(replicate->runs) != 0)
		return false;
	at = snprintf(text, size, "%lu+%u", godwit_get64(replicate->first), count);
	for (uint32_t i = 0; i < count && (size_t)at < size; i++) {
		const struct godwit_cursor *cursor =
			(const void *)(bytes + sizeof(*replicate) + i * each +
				       sizeof(struct godwit_record));

		at += snprintf(text + at, size - (size_t)at, ", %lu.%u %lx %x",
			       godwit_get64(cursor->client), godwit_get32(cursor->subscription),
			       godwit_get64(cursor->cursor_epoch), godwit_get16(cursor->flags));
	}
	return true;
}

// What is needed to follow a hand-over and a replica, behind the frame's name.
static void frame_details(const uint8_t *bytes, uint32_t length, char *text, size_t size)
{
	const struct godwit_data *data = (const void *)bytes;
	const struct godwit_replicate *replicate = (const void *)bytes;
	const struct godwit_peer_ack *ack = (const void *)bytes;
	const struct godwit_reconcile *reconcile = (const void *)bytes;
	const struct godwit_ended *ended = (const void *)bytes;
	uint16_t flags = godwit_get16(data->frame.flags), count = godwit_get16(data->frame.count);

	if (agreed_details(bytes, length, text, size) || told_details(bytes, length, text, size) ||
	    cursor_details(bytes, length, text, size))
		return;
	if (bytes[1] == GODWIT_DATA && length >= sizeof(*data))
		snprintf(text, size, "%lu..%lu records %u flags %x epoch %lx",
			 godwit_get64(data->covers_from),
			 godwit_get64(data->covers_from) + godwit_get32(data->covers) - 1, count,
			 flags, godwit_get64(data->cursor_epoch));
	else if (bytes[1] == GODWIT_REPLICATE && length >= sizeof(*replicate))
		snprintf(text, size, "%lu+%u commit %lu epoch %u in %u",
			 godwit_get64(replicate->first), count, godwit_get64(replicate->commit),
			 godwit_get32(replicate->record_epoch),
			 godwit_get32(replicate->from.epoch));
	else if (bytes[1] == GODWIT_PEER_ACK && length >= sizeof(*ack))
		snprintf(text, size, "%lu meta %lu edge %lu naks %u", godwit_get64(ack->seq),
			 godwit_get64(ack->meta), godwit_get64(ack->edge), godwit_get16(ack->naks));
	else if (bytes[1] == GODWIT_RECONCILE && length >= sizeof(*reconcile))
		snprintf(text, size, "%s end %lu epoch %u first %lu meta %lu in %u",
			 (flags & GODWIT_FLAG_ANSWER) == 0 ?
				 "asks" :
				 network_reconcile_name(godwit_get16(reconcile->code)),
			 godwit_get64(reconcile->end), godwit_get32(reconcile->last_epoch),
			 godwit_get64(reconcile->first), godwit_get64(reconcile->meta),
			 godwit_get32(reconcile->from.epoch));
	else if (bytes[1] == GODWIT_ENDED && length >= sizeof(*ended))
		snprintf(text, size, "%s seq %lu epoch %lx request %u attempt %u",
			 godwit_code_name(godwit_get16(ended->code)), godwit_get64(ended->seq),
			 godwit_get64(ended->cursor_epoch), godwit_get32(ended->request),
			 godwit_get32(ended->attempt));
	else
		snprintf(text, size, "%u bytes, flags %x count %u", length, flags, count);
}

static void trace_packet(struct sim *sim, uint32_t from, uint32_t to, const void *data,
			 uint32_t bytes, const char *fate)
{
	const uint8_t *frame = data;
	char details[400], name[8];

	if (!sim->trace || bytes < sizeof(struct godwit_frame))
		return;
	frame_details(frame, bytes, details, sizeof(details));
	sim_node_name(to, name);
	sim_trace(sim, from, "-> %-4s %-16s %s%s", name, network_frame_name(frame[1]), details,
		  fate);
}

void network_send(struct sim *sim, const struct godwit_address *from,
		  const struct godwit_address *to, const void *data, uint32_t bytes)
{
	uint32_t sender = network_node(from), receiver = network_node(to);
	const struct link *link;

	if (sender == SIM_NODES || receiver == SIM_NODES) {
		sim_fail(sim, "a packet from port %u to port %u, where nobody is", from->port,
			 to->port);
		return;
	}
	coverage_frame(sim, data, bytes);
	link = &sim->network.links[sender][receiver];
	if (link->cuts > 0 || (link->swallow != 0 && bytes > link->swallow)) {
		trace_packet(sim, sender, receiver, data, bytes,
			     link->cuts > 0 ? " (cut)" : " (swallowed)");
		return;
	}
	if (!sim->quiet && rng_percent(&sim->rng, link->loss)) {
		trace_packet(sim, sender, receiver, data, bytes, " (lost)");
		return;
	}
	trace_packet(sim, sender, receiver, data, bytes, "");
	send_copy(sim, link, from, to, data, bytes);
	if (!sim->quiet && rng_percent(&sim->rng, link->dup))
		send_copy(sim, link, from, to, data, bytes);
}

uint64_t network_due(const struct sim *sim)
{
	return sim->network.count > 0 ? sim->network.heap[0].at_ns : UINT64_MAX;
}

bool network_take(struct sim *sim, struct packet *packet)
{
	struct network *net = &sim->network;
	struct packet last;
	uint32_t i = 0, child;

	if (net->count == 0 || net->heap[0].at_ns > sim->now_ns)
		return false;
	*packet = net->heap[0];
	last = net->heap[--net->count];
	while ((child = 2 * i + 1) < net->count) {
		if (child + 1 < net->count && before(&net->heap[child + 1], &net->heap[child]))
			child++;
		if (!before(&net->heap[child], &last))
			break;
		net->heap[i] = net->heap[child];
		i = child;
	}
	net->heap[i] = last;
	return true;
}

void network_clear(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->network.count; i++)
		free(sim->network.heap[i].data);
	free(sim->network.heap);
	sim->network.heap = NULL;
	sim->network.count = sim->network.capacity = 0;
}
