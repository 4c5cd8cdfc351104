// SPDX-License-Identifier: BSD-3-Clause
//
// session, part: ACK. It moves the cursor forward, opens the window and asks for repairs; each entry
// is held against what its cursor epoch was really sent.
#include "dataplane/session.h"

#define NAK_QUIET_US  1000 // a range is resent at most once a millisecond
#define STUCK_NAKS    8	   // the same gap asked for so often: the path may swallow large packets
#define PATH_DATAGRAM 1200

static bool nak_too_soon(struct core *core, struct subscription *s, uint64_t first, uint64_t last)
{
	uint32_t now_us = (uint32_t)(core->now_ns / 1000), span = (uint32_t)(last - first);

	for (uint32_t i = 0; i < GODWIT_NAK_RANGES; i++)
		if (s->naks[i].first == first && s->naks[i].span == span &&
		    now_us - s->naks[i].at_us < NAK_QUIET_US)
			return true;
	s->naks[s->nak_slot] = (struct nak_seen){first, span, now_us};
	s->nak_slot = (s->nak_slot + 1) % GODWIT_NAK_RANGES;
	return false;
}

// The largest record of the gap does not get through whatever we do. False: the subscription ended.
static bool path_is_stuck(struct core *core, struct subscription *s, uint64_t first)
{
	uint32_t most = PATH_DATAGRAM - (uint32_t)sizeof(struct godwit_data);
	struct client *client = &core->clients[s->client];

	if (s->stuck_first != first) {
		s->stuck_first = first;
		s->stuck_since_ns = core->now_ns;
		s->stuck_count = 0;
	}
	if (++s->stuck_count < STUCK_NAKS)
		return true;
	if (!s->path_cut) {
		s->path_cut = true;
		s->stuck_first = 0; // the smaller packets get their own chance
		if (s->records_max > most) {
			s->records_max = most;
			COUNT(core, path_cut, 1);
		}
		return true;
	}
	if (core->now_ns - s->stuck_since_ns < (uint64_t)core->server->lapse_ms * 1000000)
		return true;
	COUNT(core, path_mtu, 1);
	client_error(core, client, GODWIT_PATH_MTU, 0, s->number);
	subscription_end(core, s, GODWIT_PATH_MTU, s->acked, 0);
	return false;
}

// False: the subscription ended.
static bool take_naks(struct core *core, struct subscription *s,
		      const struct godwit_ack_entry *entry)
{
	const struct godwit_range *ranges = godwit_ack_ranges(entry);
	uint32_t count = godwit_get16(entry->naks);

	if (count > 0 && !path_is_stuck(core, s, godwit_get64(ranges[0].first)))
		return false;
	for (uint32_t i = 0; i < count; i++) {
		uint64_t first = godwit_get64(ranges[i].first), last = godwit_get64(ranges[i].last);

		if (last > s->sent || first < s->start) {
			COUNT(core, nak_past_sent, 1);
			continue;
		}
		if (s->repairs_active == GODWIT_NAK_RANGES) {
			COUNT(core, nak_waits, count - i);
			break;
		}
		if (nak_too_soon(core, s, first, last)) {
			COUNT(core, nak_too_soon, 1);
			continue;
		}
		if (!repair_start(s, first, last)) {
			subscription_truncate(core, s);
			return false;
		}
		COUNT(core, nak_ranges, 1);
	}
	return true;
}

// The cumulative identifier. False: the subscription ended.
static bool take_identifier(struct core *core, struct subscription *s,
			    const struct godwit_ack_entry *entry)
{
	struct godwit_identifier id = {
		.session = godwit_get64(entry->session),
		.seq = godwit_get64(entry->seq),
		.epoch = godwit_get32(entry->epoch),
	};

	if (id.session != s->acked.session || id.seq < s->acked.seq) {
		COUNT(core, ack_backwards, 1);
		return true;
	}
	if (id.seq > s->sent && s->acked_once) {
		COUNT(core, ack_past_sent, 1);
		return true;
	}
	if (id.seq > s->sent) {
		// The client holds more than this cursor epoch sent: of an older one. Its own
		// identifier wins, if it leads anywhere here.
		struct resolved resolved = stream_resolve(s->stream, id);

		if (resolved.answer != GODWIT_OK) {
			COUNT(core, ack_past_sent, 1);
			subscription_end(core, s, resolved.answer, resolved.identifier, 0);
			return false;
		}
	}
	s->acked_once = true;
	s->cursor_due |= id.seq != s->acked.seq;
	s->acked = id;
	return true;
}

static void ack_entry(struct core *core, struct client *client,
		      const struct godwit_ack_entry *entry)
{
	uint32_t number = godwit_get32(entry->subscription);
	uint64_t epoch = godwit_get64(entry->cursor_epoch), edge = godwit_get64(entry->edge);
	struct subscription *s = subscription_find(core, client, number);

	if (s == NULL) {
		COUNT(core, ack_unknown_subscription, 1);
		client_error(core, client, GODWIT_UNKNOWN_SUBSCRIPTION, 0, number);
		return;
	}
	if (epoch != s->cursor_epoch) {
		COUNT(core, ack_stale_epoch, 1);
		if (epoch < s->cursor_epoch)
			return;
		// The client has a newer home, which tells of it; if it lives as long.
		cursor_feed_ended(core, s, GODWIT_CURSOR_LAPSED);
		subscription_close(core, s);
		return;
	}
	COUNT(core, ack_entries, 1);
	s->heard_ns = core->now_ns;
	if (!take_identifier(core, s, entry))
		return;
	if (edge < s->edge)
		COUNT(core, window_taken_back, 1);
	else
		s->edge = edge;
	if (!take_naks(core, s, entry))
		return;
	subscription_ready(core, s);
}

void session_ack(struct core *core, struct client *client, const struct godwit_ack *frame,
		 uint32_t length)
{
	const uint8_t *at = godwit_ack_entries(frame);
	const uint8_t *end = (const uint8_t *)frame + length;
	const struct godwit_ack_entry *entry;
	uint64_t number = godwit_get64(frame->number);
	bool covered = true;

	if (number <= client->ack_number) {
		DROP(core, session_ack_old, 1);
		return;
	}
	client->ack_number = number;
	COUNT(core, ack_frames, 1);
	while (client->open && (entry = godwit_ack_next(&at, end)) != NULL) {
		if (godwit_get16(entry->flags) & (GODWIT_ACK_KEEP | GODWIT_ACK_HELD))
			moves_answer(core, client, entry);
		else if (!client->offered)
			ack_entry(core, client, entry);
		else
			COUNT(core, ack_unknown_subscription, 1);
	}
	// Its last offer is answered: the slot may be closed.
	if (!client->open)
		return;
	for (uint32_t i = client->subscriptions; i != NONE;
	     i = core->subscriptions[i].next_of_client)
		covered &= core->subscriptions[i].acked.seq >= core->subscriptions[i].sent;
	if (covered)
		client_covered(core, client);
}
