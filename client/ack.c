// SPDX-License-Identifier: BSD-3-Clause
#include "client/core.h"

#define ACK_ENTRY_MAX                                                                              \
	(sizeof(struct godwit_ack_entry) + GODWIT_NAK_RANGES * sizeof(struct godwit_range))

static bool ack_is_due(const struct client_subscription *sub, const struct client_link *link,
		       uint64_t now_ns)
{
	return sub->home == link && now_ns >= client_subscription_ack_due(sub);
}

static struct godwit_ack_entry ack_entry(const struct client_subscription *sub, uint32_t flags,
					 uint32_t naks)
{
	return (struct godwit_ack_entry){
		.subscription = godwit_be32(sub->number),
		.flags = godwit_be16((uint16_t)flags),
		.naks = godwit_be16((uint16_t)naks),
		.cursor_epoch = godwit_be64(sub->cursor_epoch),
		.session = godwit_be64(sub->mark.session),
		.seq = godwit_be64(sub->mark.seq),
		.epoch = godwit_be32(sub->mark.epoch),
		.edge = godwit_be64(client_edge(sub)),
	};
}

static void ack_write_head(struct godwit_core *core, uint8_t *buffer, uint32_t count,
			   uint64_t handle, uint64_t key)
{
	struct godwit_ack ack = {
		.from = client_from(GODWIT_ACK, 0, count, handle, key),
		.number = godwit_be64(++core->last_ack),
	};

	memcpy(buffer, &ack, sizeof(ack));
	core->stats.acks++;
}

static size_t ack_write_entry(struct godwit_core *core, struct client_subscription *sub,
			      uint64_t now_ns, uint8_t *at)
{
	struct godwit_range ranges[GODWIT_NAK_RANGES];
	uint32_t naks = client_receive_naks(core, sub, now_ns, ranges);
	struct godwit_ack_entry entry = ack_entry(sub, 0, naks);

	sub->acked = sub->mark.seq;
	sub->ack_ns = CLIENT_NEVER;
	memcpy(at, &entry, sizeof(entry));
	memcpy(at + sizeof(entry), ranges, naks * sizeof(ranges[0]));
	return sizeof(entry) + naks * sizeof(ranges[0]);
}

// One frame for the first subscription that is due and all others under the same handle; without
// any, the keep-alive that the connection owes.
size_t client_ack_output(struct godwit_core *core, struct client_link *link, uint64_t now_ns,
			 uint8_t *buffer)
{
	uint64_t handle = link->handle;
	uint64_t key = link->key;
	size_t length = sizeof(struct godwit_ack);
	uint32_t count = 0;

	for (uint32_t i = 0; i < core->subscription_max; i++) {
		struct client_subscription *sub = &core->subscriptions[i];

		if (!ack_is_due(sub, link, now_ns))
			continue;
		if (count == 0) {
			handle = sub->handle;
			key = sub->key;
		} else if (sub->handle != handle || sub->key != key) {
			continue;
		}
		length += ack_write_entry(core, sub, now_ns, buffer + length);
		count++;
		if (length + ACK_ENTRY_MAX > GODWIT_CONTROL_BYTES)
			break;
	}
	if (count == 0 && !link->keepalive)
		return 0;
	if (handle == link->handle)
		link->keepalive = false;
	core->to = link;
	ack_write_head(core, buffer, count, handle, key);
	client_link_sent_ack(link, now_ns, core->last_ack);
	return length;
}

uint64_t client_ack_aside_due(const struct client_subscription *sub)
{
	if (sub->state != CLIENT_SUBSCRIPTION_LIVE && sub->state != CLIENT_SUBSCRIPTION_RESUMING)
		return CLIENT_NEVER;
	return client_min(sub->answer.due_ns, sub->stale.due_ns);
}

size_t client_ack_aside(struct godwit_core *core, struct client_subscription *sub, uint64_t now_ns,
			uint8_t *buffer)
{
	bool is_answer = now_ns >= sub->answer.due_ns;
	struct client_aside *aside = is_answer ? &sub->answer : &sub->stale;
	struct godwit_ack_entry entry = ack_entry(sub, aside->flags, 0);

	if (now_ns < client_ack_aside_due(sub))
		return 0;
	aside->due_ns = CLIENT_NEVER;
	aside->next_ns = now_ns + CLIENT_STALE_NS;
	core->stats.stale_told += !is_answer;
	core->to = aside->link;
	memcpy(buffer + sizeof(struct godwit_ack), &entry, sizeof(entry));
	ack_write_head(core, buffer, 1, aside->handle, aside->key);
	return sizeof(struct godwit_ack) + sizeof(entry);
}
