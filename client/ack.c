// SPDX-License-Identifier: BSD-3-Clause
#include "client/core.h"

#define ACK_ENTRY_MAX                                                                              \
	(sizeof(struct godwit_ack_entry) + GODWIT_NAK_RANGES * sizeof(struct godwit_range))

static bool ack_is_due(const struct client_subscription *sub, uint64_t now_ns)
{
	return sub->state == CLIENT_SUBSCRIPTION_LIVE && now_ns >= client_subscription_due(sub);
}

static size_t ack_write_entry(struct godwit_core *core, struct client_subscription *sub,
			      uint64_t now_ns, uint8_t *at)
{
	struct godwit_range ranges[GODWIT_NAK_RANGES];
	uint32_t naks = client_receive_naks(core, sub, now_ns, ranges);
	struct godwit_ack_entry entry = {
		.subscription = godwit_be32(sub->number),
		.naks = godwit_be16((uint16_t)naks),
		.cursor_epoch = godwit_be64(sub->cursor_epoch),
		.session = godwit_be64(sub->mark.session),
		.seq = godwit_be64(sub->mark.seq),
		.epoch = godwit_be32(sub->mark.epoch),
		.edge = godwit_be64(client_edge(sub)),
	};

	sub->acked = sub->mark.seq;
	sub->ack_ns = CLIENT_NEVER;
	memcpy(at, &entry, sizeof(entry));
	memcpy(at + sizeof(entry), ranges, naks * sizeof(ranges[0]));
	return sizeof(entry) + naks * sizeof(ranges[0]);
}

// One frame for the first subscription that is due and all others under the same handle; without
// any, the keep-alive that the connection owes.
size_t client_ack_output(struct godwit_core *core, uint64_t now_ns, uint8_t *buffer)
{
	struct client_link *link = client_current(core);
	uint64_t handle = link->handle;
	uint64_t key = link->key;
	size_t length = sizeof(struct godwit_ack);
	struct godwit_ack ack;
	uint32_t count = 0;

	for (uint32_t i = 0; i < core->subscription_max; i++) {
		struct client_subscription *sub = &core->subscriptions[i];

		if (!ack_is_due(sub, now_ns))
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
	ack = (struct godwit_ack){
		.from = client_from(GODWIT_ACK, 0, count, handle, key),
		.number = godwit_be64(++core->last_ack),
	};
	memcpy(buffer, &ack, sizeof(ack));
	core->stats.acks++;
	return length;
}
