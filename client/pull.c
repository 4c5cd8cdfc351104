// SPDX-License-Identifier: BSD-3-Clause
#include "client/core.h"

#include <godwit/wire_walk.h>

void client_pull_append(struct godwit_core *core, struct client_subscription *sub,
			struct client_slot *slot)
{
	client_list_append(&sub->ready, slot);
	core->ready_slots++;
}

void client_pull_notice(struct godwit_core *core, struct client_subscription *sub,
			struct client_slot *slot, const struct godwit_event *event)
{
	struct godwit_event copy = *event;

	copy.subscription = sub->number;
	slot->notice = true;
	memcpy(slot->bytes, &copy, sizeof(copy));
	sub->notices++;
	client_pull_append(core, sub, slot);
}

static void pull_remove(struct godwit_core *core, struct client_subscription *sub,
			struct client_slot *slot)
{
	if (slot == sub->ready.head) {
		sub->at = NULL;
		sub->index = 0;
	}
	if (slot->notice)
		sub->notices--;
	client_list_remove(&sub->ready, slot);
	core->ready_slots--;
}

// Gives a slot back, unless the message pulled last lies in it: then at the next pull.
static void pull_release(struct godwit_core *core, struct client_slot *slot)
{
	if (slot == core->held)
		core->held_loose = true;
	else
		client_pool_put(&core->pool, slot);
}

void client_pull_drop(struct godwit_core *core, struct client_subscription *sub)
{
	while (sub->ready.head != NULL) {
		struct client_slot *slot = sub->ready.head;

		pull_remove(core, sub, slot);
		pull_release(core, slot);
	}
}

void client_pull_cut(struct godwit_core *core, struct client_subscription *sub, uint64_t seq)
{
	struct client_slot *next;

	for (struct client_slot *slot = sub->ready.head; slot != NULL; slot = next) {
		next = slot->next;
		if (slot->notice || slot->session != sub->session || slot->to <= seq)
			continue;
		if (slot->from <= seq) {
			slot->to = seq;
			continue;
		}
		pull_remove(core, sub, slot);
		pull_release(core, slot);
	}
	client_pull_settle(core, sub);
}

// ---- records of a slot --------------------------------------------------------------------------

static const uint8_t *slot_end(const struct client_slot *slot)
{
	return slot->bytes + slot->length;
}

static const uint8_t *slot_records(const struct client_slot *slot)
{
	return slot->bytes + (slot->filtered ? godwit_distances_bytes(slot->count) : 0);
}

static uint64_t slot_seq(const struct client_slot *slot, uint32_t index)
{
	const struct godwit_be16 *distances = (const struct godwit_be16 *)slot->bytes;

	return slot->from + (slot->filtered ? godwit_get16(distances[index]) : index);
}

// Stands on the first record that is to be delivered. False: there is none (left) in the slot.
static bool pull_stand(struct client_subscription *sub, const struct client_slot *slot)
{
	if (sub->at == NULL) {
		sub->at = slot_records(slot);
		sub->index = 0;
	}
	while (sub->index < slot->count && slot_seq(slot, sub->index) <= slot->above) {
		godwit_record_next(&sub->at, slot_end(slot));
		sub->index++;
	}
	return sub->index < slot->count && slot_seq(slot, sub->index) <= slot->to;
}

// The application has everything up to seq of the slot's history.
static void pull_mark(struct client_subscription *sub, const struct client_slot *slot, uint64_t seq)
{
	struct godwit_identifier at = {.session = slot->session, .seq = seq, .epoch = slot->epoch};

	sub->pulled = at;
	if (slot->generation == sub->generation && seq > sub->mark.seq)
		sub->mark = at;
}

void client_pull_settle(struct godwit_core *core, struct client_subscription *sub)
{
	struct client_slot *slot;

	while ((slot = sub->ready.head) != NULL && !slot->notice && !pull_stand(sub, slot)) {
		// All of it is taken, with what it covered beyond its last record.
		pull_mark(sub, slot, slot->to);
		pull_remove(core, sub, slot);
		pull_release(core, slot);
	}
}

void client_pull_note(struct client_subscription *sub, uint64_t now_ns)
{
	if (!sub->is_served || sub->mark.seq <= sub->acked)
		return;
	if (sub->mark.seq - sub->acked >= (sub->window + 3) / 4)
		sub->ack_ns = client_min(sub->ack_ns, now_ns);
	else
		sub->ack_ns = client_min(sub->ack_ns, now_ns + CLIENT_ACK_DELAY_NS);
}

static void pull_message(struct godwit_core *core, struct client_subscription *sub,
			 struct client_slot *slot, struct godwit_event *event)
{
	uint64_t seq = slot_seq(slot, sub->index);
	const struct godwit_record *record = godwit_record_next(&sub->at, slot_end(slot));

	sub->index++;
	core->held = slot;
	event->kind = GODWIT_EVENT_MESSAGE;
	event->subscription = sub->number;
	event->payload = godwit_record_payload(record);
	event->length = godwit_get16(record->length);
	event->topic = godwit_get32(record->topic);
	event->identifier = (struct godwit_identifier){
		.session = slot->session,
		.seq = seq,
		.epoch = slot->epoch,
	};
	// A packet spans less than 2^32 ns: the low halves tell the rest.
	event->time_ns =
		slot->time_ns + (uint32_t)(godwit_get32(record->time) - (uint32_t)slot->time_ns);
	pull_mark(sub, slot, seq);
	core->stats.messages++;
	core->stats.message_bytes += event->length;
}

static void pull_take_notice(struct godwit_core *core, struct client_subscription *sub,
			     struct client_slot *slot, struct godwit_event *event)
{
	memcpy(event, slot->bytes, sizeof(*event));
	// From here on this is where the application stands.
	if (event->kind == GODWIT_EVENT_GAP || event->kind == GODWIT_EVENT_SESSION)
		sub->pulled = event->identifier;
	pull_remove(core, sub, slot);
	client_pool_put(&core->pool, slot);
}

bool client_pull(struct godwit_core *core, struct client_subscription *sub, uint64_t now_ns,
		 struct godwit_event *event)
{
	struct client_slot *slot = sub->ready.head;

	if (slot != NULL) {
		if (slot->notice)
			pull_take_notice(core, sub, slot, event);
		else
			pull_message(core, sub, slot, event);
		client_pull_settle(core, sub);
		client_pull_note(sub, now_ns);
		return true;
	}
	if (sub->state != CLIENT_SUBSCRIPTION_OVER)
		return false;
	*event = sub->ended;
	sub->state = CLIENT_SUBSCRIPTION_FREE;
	core->over_count--;
	return true;
}
