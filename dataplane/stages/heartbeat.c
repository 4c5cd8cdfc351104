// SPDX-License-Identifier: BSD-3-Clause
//
// heartbeat: tells each client what was sent to each of its subscriptions, at its interval, and after
// DATA within 2 ms, then doubling: so a lost tail is found early. And the sweep for clients that went
// silent: some slots of a packed array at a time, all of it in SWEEP_ROUND_NS at the soonest: a core with a hundred
// thousand clients would do little else.
#include "dataplane/stages.h"

#define TIMER_BUDGET   64
#define SWEEP_SLOTS    256
#define SWEEP_ROUND_NS 10000000ull
#define ENTRIES_MAX                                                                                \
	((GODWIT_CONTROL_BYTES - sizeof(struct godwit_heartbeat)) /                                \
	 sizeof(struct godwit_heartbeat_entry))

void client_begin_tail(struct core *core, struct client *client)
{
	client->tail_pending = true;
	client->heartbeat_wait_us = CLIENT_TAIL_US;
	wheel_set(&core->wheel, client->index, core->now_ns + CLIENT_TAIL_US * 1000ull);
}

void client_covered(struct core *core, struct client *client)
{
	if (!client->tail_pending)
		return;
	client->tail_pending = false;
	client->heartbeat_wait_us = client->interval_us;
	wheel_set(&core->wheel, client->index,
		  client->heartbeat_ns + client->heartbeat_wait_us * 1000ull);
}

static void send_frame(struct core *core, struct client *client,
		       const struct godwit_heartbeat_entry *entries, uint32_t count)
{
	uint8_t bytes[GODWIT_CONTROL_BYTES];
	struct godwit_heartbeat heartbeat = {
		.frame = {.version = GODWIT_VERSION,
			  .type = GODWIT_HEARTBEAT,
			  .count = godwit_be16((uint16_t)count)},
		.tag = godwit_be64(client->tag),
		.number = godwit_be64(client->ack_number),
	};

	memcpy(bytes, &heartbeat, sizeof(heartbeat));
	memcpy(bytes + sizeof(heartbeat), entries, count * sizeof(*entries));
	if (core_send(core, client, bytes,
		      (uint32_t)(sizeof(heartbeat) + count * sizeof(*entries))))
		COUNT(core, heartbeats, 1);
}

// A living client says nothing of a subscription that it does not have: of a request that arrived twice,
// the second time after its end.
static void lapse_unheard(struct core *core, struct client *client)
{
	uint64_t lapse_ns = client_lapse_ns(core, client);
	uint32_t next;

	for (uint32_t i = client->subscriptions; i != NONE; i = next) {
		struct subscription *s = &core->subscriptions[i];

		next = s->next_of_client;
		if (client->heard_ns < s->heard_ns + lapse_ns)
			continue;
		COUNT(core, subscriptions_lapsed, 1);
		subscription_end(
			core, s, GODWIT_LAPSED,
			(struct godwit_identifier){.session = s->acked.session, .seq = s->sent}, 0);
	}
}

static void send_heartbeats(struct core *core, struct client *client)
{
	struct godwit_heartbeat_entry entries[ENTRIES_MAX];
	uint32_t count = 0;
	bool any = false;

	lapse_unheard(core, client);
	for (uint32_t i = client->subscriptions; i != NONE;
	     i = core->subscriptions[i].next_of_client) {
		struct subscription *s = &core->subscriptions[i];

		entries[count++] = (struct godwit_heartbeat_entry){
			.tag = godwit_be64(s->tag),
			.cursor_epoch = godwit_be64(s->cursor_epoch),
			.sent = godwit_be64(s->sent),
			.commit = godwit_be64(log_committed_seq(&s->stream->log)),
			.feed_age = godwit_be32(stream_feed_age_ms(s->stream, core->now_ns)),
		};
		// Whatever held it up may be over; a quiet filter says what it covered.
		s->coverage_due = subscription_is_filtered(s);
		subscription_ready(core, s);
		cursor_feed_look(core, s);
		if (s->migrate_to != 0)
			moves_ask(core, s, false);
		if (count == ENTRIES_MAX) {
			send_frame(core, client, entries, count);
			any = true;
			count = 0;
		}
	}
	if (count > 0 || !any)
		send_frame(core, client, entries, count);
	client->heartbeat_ns = core->now_ns;
}

static void on_timer(void *arg, uint32_t slot)
{
	struct core *core = arg;
	struct client *client = &core->clients[slot];
	uint64_t interval_ns = client->interval_us * 1000ull;
	uint64_t quiet_ns = core->now_ns - client->data_ns;

	if (client->tail_pending && quiet_ns < CLIENT_TAIL_US * 1000ull &&
	    core->now_ns - client->heartbeat_ns < interval_ns) {
		// DATA still flows, and speaks for itself.
		wheel_set(&core->wheel, slot, client->data_ns + CLIENT_TAIL_US * 1000ull);
		return;
	}
	send_heartbeats(core, client);
	if (!client->tail_pending)
		client->heartbeat_wait_us = client->interval_us;
	else if (client->heartbeat_wait_us * 2 < client->interval_us)
		client->heartbeat_wait_us *= 2;
	else
		client->heartbeat_wait_us = client->interval_us;
	wheel_set(&core->wheel, slot, core->now_ns + client->heartbeat_wait_us * 1000ull);
}

// Silent for too long, but not yet gone.
static void suspect(struct core *core, struct client *client)
{
	uint64_t silence_ns = (uint64_t)client->interval_us * core->server->multiplier * 1000;

	if (client->suspect || client->subscriptions == NONE ||
	    core->now_ns < core->distrust_until_ns || core->now_ns - client->heard_ns < silence_ns)
		return;
	// Where there was no room for the notice, the next sweep tries again.
	client->suspect = core_notify(core, CORE_NOTICE_CLIENT_SUSPECT,
				      (struct core_notice){.client = client->id,
							   .instance = client->instance,
							   .handle = client->handle,
							   .tag = client->tag,
							   .address = client->route.to});
	if (client->suspect)
		COUNT(core, clients_suspect, 1);
}

static void sweep(struct core *core)
{
	uint64_t lapse_ns = core->server->lapse_ms * 1000000ull;
	uint64_t suspect_ns =
		(uint64_t)core->server->interval_ms * core->server->multiplier * 1000000;
	uint32_t max = core->config.clients_max;
	uint32_t slots = max < SWEEP_SLOTS ? max : SWEEP_SLOTS;

	if (core->now_ns < core->sweep_due_ns)
		return;
	core->sweep_due_ns = core->now_ns + SWEEP_ROUND_NS * slots / max;
	for (uint32_t n = 0; n < slots; n++) {
		uint32_t slot = core->sweep_next++ & (max - 1);
		uint64_t heard =
			atomic_load_explicit(&core->client_heard[slot], memory_order_relaxed);

		if (heard == 0 || core->now_ns - heard < suspect_ns)
			continue;
		if (core->now_ns - heard < lapse_ns ||
		    core->now_ns - heard < client_lapse_ns(core, &core->clients[slot])) {
			suspect(core, &core->clients[slot]);
			continue;
		}
		COUNT(core, clients_lapsed, 1);
		client_close(core, &core->clients[slot], GODWIT_LAPSED);
	}
}

uint32_t heartbeat_burst(struct core *core)
{
	uint32_t closed = core->client_count;
	uint32_t fired = wheel_advance(&core->wheel, core->now_ns, TIMER_BUDGET, on_timer, core);

	sweep(core);
	return fired + closed - core->client_count;
}
