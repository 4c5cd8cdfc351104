// SPDX-License-Identifier: BSD-3-Clause
//
// Moves, part: what needs no offer. DROP, MIGRATE and PROBE, as control orders, and the bound on what is told
// to it.
#include "dataplane/moves.h"

#include "dataplane/stages.h"

#define PROBE_LIFE_NS 5000000000ull

bool moves_may_notify(struct core *core)
{
	struct moves *moves = &core->moves;
	uint64_t now_ms = core->now_ns / 1000000;

	if (moves->notices_at_ms != now_ms) {
		moves->notices_at_ms = now_ms;
		moves->notices_count = 0;
	}
	if (moves->notices_count == core->config.notices_ms) {
		DROP(core, session_flood, 1);
		return false;
	}
	moves->notices_count++;
	return true;
}

// ---- drop and migrate --------------------------------------------------------------------------

static struct subscription *subscription_of(struct core *core, const struct core_command *command)
{
	struct client *client = client_find(core, command->client);

	return client != NULL ? subscription_find(core, client, command->subscription) : NULL;
}

void moves_drop(struct core *core, const struct core_command *command)
{
	struct subscription *s = subscription_of(core, command);

	if (s == NULL || s->cursor_epoch >= command->cursor_epoch)
		return;
	COUNT(core, subscriptions_dropped, 1);
	// Who has not heard of the newer home, and may have heard of us just now, is not to believe in us.
	cursor_feed_ended(core, s, GODWIT_CURSOR_LAPSED);
	subscription_close(core, s);
}

void moves_ask(struct core *core, struct subscription *s, bool now)
{
	const struct server *server = core->server;
	uint32_t now_ms = (uint32_t)(core->now_ns / 1000000);
	struct godwit_migrate migrate = {
		.frame = {.version = GODWIT_VERSION, .type = GODWIT_MIGRATE},
		.tag = godwit_be64(s->tag),
		.cursor_epoch = godwit_be64(s->cursor_epoch),
		.target = server->list[s->migrate_to - 1],
		.reason = godwit_be16(s->migrate_reason),
	};

	if (!now && now_ms - s->migrate_at_ms < server->interval_ms)
		return;
	if (!core_send(core, &core->clients[s->client], &migrate, sizeof(migrate)))
		return; // with the next heartbeat
	COUNT(core, migrates, 1);
	s->migrate_at_ms = now_ms;
}

void moves_migrate(struct core *core, const struct core_command *command)
{
	const struct server *server = core->server;
	struct subscription *s = subscription_of(core, command);

	if (s == NULL || s->acked.session != command->session) {
		if (command->target != 0) {
			COUNT(core, migrates_gone, 1);
			cursor_feed_gone(core, command);
		}
		return;
	}
	s->migrate_to = 0;
	s->migrate_reason = (uint8_t)command->reason;
	for (uint32_t i = 0; i < server->list_count && command->target != 0; i++)
		if (godwit_get16(server->list[i].id) == command->target)
			s->migrate_to = (uint8_t)(i + 1);
	if (s->migrate_to != 0)
		moves_ask(core, s, true);
	else if (command->target != 0)
		COUNT(core, migrates_unknown, 1);
}

// ---- probes ------------------------------------------------------------------------------------

void moves_probe(struct core *core, const struct core_command *command)
{
	struct moves *moves = &core->moves;
	struct godwit_probe probe = {
		.frame = {.version = GODWIT_VERSION, .type = GODWIT_PROBE},
		.tag = godwit_be64(command->connection),
		.nonce = godwit_be64(command->nonce),
	};

	moves->probes[moves->probe_next++ & (MOVES_PROBES - 1)] =
		(struct probe){.tag = command->connection,
			       .nonce = command->nonce,
			       .at_ns = core->now_ns,
			       .address = command->address};
	core_send_to(core, &command->address, &probe, sizeof(probe));
	COUNT(core, probes, 1);
}

void moves_probe_reply(struct core *core, const struct datagram *datagram)
{
	const struct godwit_probe_reply *reply = (const void *)datagram->bytes;
	uint64_t tag = godwit_get64(reply->tag), nonce = godwit_get64(reply->nonce);
	struct moves *moves = &core->moves;

	for (uint32_t i = 0; i < MOVES_PROBES; i++) {
		struct probe *probe = &moves->probes[i];

		if (probe->at_ns == 0 || probe->nonce != nonce || probe->tag != tag ||
		    core->now_ns - probe->at_ns > PROBE_LIFE_NS ||
		    !godwit_address_equal(&probe->address, &datagram->from))
			continue;
		if (!moves_may_notify(core))
			return;
		probe->at_ns = 0; // once
		COUNT(core, probe_replies, 1);
		core_notify(core, CORE_NOTICE_PROBE_REPLY,
			    (struct core_notice){
				    .tag = tag, .nonce = nonce, .address = datagram->from});
		return;
	}
	DROP(core, session_probe, 1);
}
