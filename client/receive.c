// SPDX-License-Identifier: BSD-3-Clause
#include "client/core.h"

#include <godwit/wire_walk.h>

void client_receive_restart(struct client_subscription *sub)
{
	sub->nak_limit = 0;
	sub->fresh_limit = 0;
	sub->fresh_ns = CLIENT_NEVER;
	sub->repeat_ns = CLIENT_NEVER;
	sub->repeat_delay_ns = CLIENT_NAK_REPEAT_NS;
	sub->asked = 0;
}

// ---- when to ask --------------------------------------------------------------------------------

// Looks for holes that nobody asked for yet. proved: the server says that all up to `sent` has
// gone.
static void receive_watch(struct godwit_core *core, struct client_subscription *sub,
			  uint64_t now_ns, bool proved)
{
	uint64_t known = client_max(sub->covered, client_max(sub->nak_limit, sub->fresh_limit));

	if (sub->covered >= sub->sent) {
		client_receive_restart(sub);
		return;
	}
	if (sub->covered >= sub->nak_limit) {
		sub->repeat_ns = CLIENT_NEVER;
		sub->repeat_delay_ns = CLIENT_NAK_REPEAT_NS;
		sub->asked = 0;
	}
	if (sub->covered >= sub->fresh_limit)
		sub->fresh_ns = CLIENT_NEVER;
	if (sub->fresh_ns != CLIENT_NEVER) {
		// Already waiting. What came up later than that waits for its own turn; but a
		// burst's gaps go together, and none waits once all is proved lost.
		if (proved || sub->fresh_ns == now_ns + core->reorder_delay_ns)
			sub->fresh_limit = sub->sent;
		if (proved)
			sub->fresh_ns = now_ns;
		return;
	}
	if (sub->sent <= known)
		return;
	sub->fresh_limit = sub->sent;
	if (!client_stash_holds(&sub->stash, known + 1, sub->sent))
		sub->fresh_ns = proved ? now_ns : now_ns + core->reorder_delay_ns;
}

// Part of a gap was filled: whatever is left is asked for at the first pace again.
static void receive_progress(struct godwit_core *core, struct client_subscription *sub,
			     uint64_t now_ns)
{
	if (sub->repeat_ns == CLIENT_NEVER)
		return;
	sub->repeat_delay_ns = CLIENT_NAK_REPEAT_NS;
	// One ACK asks for four ranges; those are here, and there are others.
	if (sub->asked != 0 && sub->covered >= sub->asked) {
		sub->asked = 0;
		sub->repeat_ns = client_min(sub->repeat_ns, now_ns + core->reorder_delay_ns);
	}
}

uint32_t client_receive_naks(struct godwit_core *core, struct client_subscription *sub,
			     uint64_t now_ns, struct godwit_range *ranges)
{
	bool repeat = now_ns >= sub->repeat_ns;
	bool fresh = now_ns >= sub->fresh_ns;
	uint64_t low = sub->covered;
	uint64_t high;
	uint32_t count;
	bool more;

	if (!repeat && !fresh)
		return 0;
	if (!repeat)
		low = client_max(sub->covered, sub->nak_limit);
	high = fresh ? sub->fresh_limit : sub->nak_limit;
	count = client_stash_holes(&sub->stash, low, high, ranges, GODWIT_NAK_RANGES, &more);
	if (fresh) {
		// What did not fit in this ACK follows soon in another.
		uint64_t last = more ? godwit_get64(ranges[count - 1].last) : high;

		sub->nak_limit = client_max(sub->nak_limit, last);
		sub->fresh_ns = sub->fresh_limit > sub->nak_limit ?
					now_ns + core->reorder_delay_ns :
					CLIENT_NEVER;
	} else {
		sub->asked = more ? godwit_get64(ranges[count - 1].last) : 0;
	}
	if (repeat || sub->repeat_ns == CLIENT_NEVER) {
		sub->repeat_ns = now_ns + sub->repeat_delay_ns;
		sub->repeat_delay_ns =
			client_min(2 * sub->repeat_delay_ns, CLIENT_NAK_REPEAT_MAX_NS);
	}
	receive_watch(core, sub, now_ns, false);
	core->stats.naks += count;
	return count;
}

// ---- DATA ---------------------------------------------------------------------------------------

static void receive_ready(struct godwit_core *core, struct client_subscription *sub,
			  struct client_slot *slot)
{
	slot->above = sub->covered;
	slot->generation = sub->generation;
	sub->covered = slot->to;
	client_pull_append(core, sub, slot);
}

void client_receive_drain(struct godwit_core *core, struct client_subscription *sub)
{
	struct client_slot *slot;

	while ((slot = client_stash_take(&sub->stash, sub->covered + 1)) != NULL) {
		if (slot->to <= sub->covered)
			client_pool_put(&core->pool, slot);
		else
			receive_ready(core, sub, slot);
	}
	client_pull_settle(core, sub);
}

// The datagram in a slot of our own; NULL: out of memory.
static struct client_slot *receive_copy(struct godwit_core *core, const struct godwit_data *frame,
					size_t length)
{
	uint32_t bytes = (uint32_t)(length - sizeof(*frame));
	struct client_slot *slot;

	if (bytes > core->pool.slot_bytes)
		return NULL;
	slot = client_pool_get(&core->pool);
	if (slot == NULL)
		return NULL;
	slot->from = godwit_get64(frame->covers_from);
	slot->to = slot->from + godwit_get32(frame->covers) - 1;
	slot->session = godwit_get64(frame->session);
	slot->time_ns = godwit_get64(frame->time);
	slot->epoch = godwit_get32(frame->epoch);
	slot->length = bytes;
	slot->count = godwit_get16(frame->frame.count);
	slot->filtered = godwit_data_distances(frame) != NULL;
	slot->notice = false;
	memcpy(slot->bytes, frame + 1, bytes);
	return slot;
}

// The highest sequence that the datagram needs room for. Coverage without a record needs none: a quiet
// filter is told of it outside the window, so that its mark, and with it the edge, goes on.
static uint64_t receive_top(const struct client_subscription *sub, const struct godwit_data *frame)
{
	const struct godwit_be16 *distances = godwit_data_distances(frame);
	uint64_t from = godwit_get64(frame->covers_from);
	uint16_t count = godwit_get16(frame->frame.count);

	if (distances == NULL || from > sub->covered + 1)
		return from + godwit_get32(frame->covers) - 1;
	return count == 0 ? sub->covered : from + godwit_get16(distances[count - 1]);
}

// Coverage without a record, in order: the newest slot that waits covers more. So an application that
// pulls nothing costs no memory however much goes by. False: there is none that it continues.
static bool receive_extend(struct client_subscription *sub, const struct godwit_data *frame,
			   uint64_t to)
{
	struct client_slot *tail = sub->ready.tail;

	if (godwit_get16(frame->frame.count) != 0 || tail == NULL || tail->notice ||
	    !tail->filtered || tail->epoch != godwit_get32(frame->epoch) ||
	    tail->session != godwit_get64(frame->session) || tail->generation != sub->generation ||
	    tail->to != sub->covered)
		return false;
	tail->to = to;
	sub->covered = to;
	return true;
}

static void receive_accept(struct godwit_core *core, struct client_subscription *sub,
			   uint64_t now_ns, const struct godwit_data *frame, size_t length)
{
	uint64_t from = godwit_get64(frame->covers_from);
	uint64_t to = from + godwit_get32(frame->covers) - 1;
	struct client_slot *slot;

	if (receive_top(sub, frame) > client_edge(sub)) {
		core->stats.data_beyond++;
		return;
	}
	sub->sent = client_max(sub->sent, to);
	if (to <= sub->covered ||
	    (from > sub->covered + 1 && client_stash_holds(&sub->stash, from, to))) {
		core->stats.data_duplicate++;
		return;
	}
	if (from > sub->covered + 1 || !receive_extend(sub, frame, to)) {
		slot = receive_copy(core, frame, length);
		if (slot == NULL) {
			core->stats.data_beyond++;
			return;
		}
		if (from > sub->covered + 1) {
			core->stats.data++;
			core->stats.data_stashed++;
			client_stash_insert(&sub->stash, &core->pool, slot);
			return;
		}
		receive_ready(core, sub, slot);
	}
	core->stats.data++;
	client_receive_drain(core, sub);
	receive_progress(core, sub, now_ns);
	// A quiet filter's coverage is taken without a pull.
	client_pull_note(sub, now_ns);
}

void client_receive_data(struct godwit_core *core, struct client_link *link, uint64_t now_ns,
			 const struct godwit_data *frame, size_t length)
{
	struct client_subscription *sub =
		client_subscription_by_tag(core, godwit_get64(frame->tag));
	uint64_t cursor_epoch = godwit_get64(frame->cursor_epoch);

	if (sub == NULL) {
		core->stats.wrong_tag++;
		return;
	}
	sub->highest_epoch = client_max(sub->highest_epoch, cursor_epoch);
	if (cursor_epoch < sub->cursor_epoch)
		client_move_on_stale(sub, link, now_ns);
	// Until the answer to a RESUME is here, what its old epoch still sends is as good as ever.
	if ((sub->state != CLIENT_SUBSCRIPTION_LIVE &&
	     sub->state != CLIENT_SUBSCRIPTION_RESUMING) ||
	    !sub->begun || cursor_epoch != sub->cursor_epoch ||
	    godwit_get64(frame->session) != sub->session) {
		core->stats.data_early++;
		return;
	}
	client_subscription_heard(sub, now_ns);
	if (sub->is_halted) {
		core->stats.data_early++;
		return;
	}
	if (godwit_get16(frame->frame.flags) & GODWIT_FLAG_REPAIR)
		core->stats.data_repair++;
	receive_accept(core, sub, now_ns, frame, length);
	if (sub->is_served)
		receive_watch(core, sub, now_ns, false);
}

// ---- HEARTBEAT ----------------------------------------------------------------------------------

static bool receive_is_served_by(const struct client_subscription *sub,
				 const struct client_link *link, uint64_t cursor_epoch)
{
	return sub->is_served && sub->home == link && cursor_epoch == sub->cursor_epoch;
}

bool client_receive_is_of_home(struct godwit_core *core, const struct client_link *link,
			       const struct godwit_heartbeat *frame)
{
	const struct godwit_heartbeat_entry *entries = godwit_heartbeat_entries(frame);

	for (uint32_t i = 0; i < godwit_get16(frame->frame.count); i++) {
		const struct client_subscription *sub =
			client_subscription_by_tag(core, godwit_get64(entries[i].tag));

		if (sub != NULL &&
		    receive_is_served_by(sub, link, godwit_get64(entries[i].cursor_epoch)))
			return true;
	}
	return false;
}

void client_receive_heartbeat(struct godwit_core *core, struct client_link *link, uint64_t now_ns,
			      const struct godwit_heartbeat *frame)
{
	const struct godwit_heartbeat_entry *entries = godwit_heartbeat_entries(frame);
	uint32_t count = godwit_get16(frame->frame.count);

	client_link_on_echo(link, now_ns, godwit_get64(frame->number));
	for (uint32_t i = 0; i < count; i++) {
		struct client_subscription *sub =
			client_subscription_by_tag(core, godwit_get64(entries[i].tag));
		uint64_t cursor_epoch = godwit_get64(entries[i].cursor_epoch);

		if (sub == NULL)
			continue;
		sub->highest_epoch = client_max(sub->highest_epoch, cursor_epoch);
		if (cursor_epoch < sub->cursor_epoch)
			client_move_on_stale(sub, link, now_ns);
		if (!receive_is_served_by(sub, link, cursor_epoch))
			continue;
		client_subscription_heard(sub, now_ns);
		sub->commit = client_max(sub->commit, godwit_get64(entries[i].commit));
		sub->feed_age_ms = godwit_get32(entries[i].feed_age);
		// Beyond the edge there is nothing to ask for, whatever it says.
		sub->sent = client_max(sub->sent,
				       client_min(godwit_get64(entries[i].sent), client_edge(sub)));
		if (!sub->is_halted)
			receive_watch(core, sub, now_ns, true);
	}
}
