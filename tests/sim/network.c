// SPDX-License-Identifier: BSD-3-Clause
#include <stdlib.h>

#include "tests/sim/sim.h"

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

// One line a packet: what is needed to follow a hand-over.
static void trace_packet(struct sim *sim, const struct godwit_address *from,
			 const struct godwit_address *to, const void *data, uint32_t bytes)
{
	const struct godwit_data *frame = data;

	if (!sim->trace || bytes < sizeof(frame->frame))
		return;
	if (frame->frame.type == GODWIT_DATA)
		sim_trace(sim, "%u -> %u DATA %lu..%lu records %u flags %x epoch %lx", from->port,
			  to->port, godwit_get64(frame->covers_from),
			  godwit_get64(frame->covers_from) + godwit_get32(frame->covers) - 1,
			  godwit_get16(frame->frame.count), godwit_get16(frame->frame.flags),
			  godwit_get64(frame->cursor_epoch));
	else
		sim_trace(sim, "%u -> %u type %02x, %u bytes", from->port, to->port,
			  frame->frame.type, bytes);
}

void network_send(struct sim *sim, const struct link *link, const struct godwit_address *from,
		  const struct godwit_address *to, const void *data, uint32_t bytes)
{
	trace_packet(sim, from, to, data, bytes);
	if (link->swallow != 0 && bytes > link->swallow)
		return;
	if (!sim->quiet && rng_percent(&sim->rng, link->loss))
		return;
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
	sim->network = (struct network){0};
}
