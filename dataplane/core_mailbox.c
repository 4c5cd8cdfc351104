// SPDX-License-Identifier: BSD-3-Clause
//
// A core's mailbox: commands of control in, notices to control out.
#include "dataplane/replication.h"
#include "dataplane/stages.h"

#define MAILBOX_BUDGET 64

static_assert(sizeof(struct core_command) <= CORE_COMMAND_BYTES, "a command fits its slot");
static_assert(sizeof(struct core_notice) <= CORE_COMMAND_BYTES, "a notice fits its slot");

bool core_notify(struct core *core, enum core_notice_kind kind, struct core_notice notice)
{
	struct crossing_slot *slot = crossing_begin(&core->outbox);

	if (slot == NULL) {
		COUNT(core, notices_lost, 1);
		return false;
	}
	notice.core = core->config.id;
	slot->kind = kind;
	slot->bytes = sizeof(notice);
	memcpy(slot->data, &notice, sizeof(notice));
	crossing_end(&core->outbox);
	return true;
}

static void close_client(struct core *core, const struct core_command *command)
{
	struct client *client = core_client(core, command->handle);

	if (client == NULL)
		return;
	if (command->code == GODWIT_REPLACED) {
		client_close(core, client, GODWIT_REPLACED);
		return;
	}
	if (!client->offered)
		client_error(core, client, GODWIT_FENCED, 0, command->instance);
	COUNT(core, clients_fenced, 1);
	client_close(core, client, GODWIT_FENCED);
}

static void obey(struct core *core, const struct crossing_slot *slot)
{
	const struct core_command *command = (const void *)slot->data;

	switch (slot->kind) {
	case CORE_COMMAND_STOP:
		core->stopping = true;
		break;
	case CORE_COMMAND_CLOSE_CLIENT:
		close_client(core, command);
		break;
	case CORE_COMMAND_OFFER:
		moves_offer(core, command);
		break;
	case CORE_COMMAND_DROP:
		moves_drop(core, command);
		break;
	case CORE_COMMAND_MIGRATE:
		moves_migrate(core, command);
		break;
	case CORE_COMMAND_PROBE:
		moves_probe(core, command);
		break;
	case CORE_COMMAND_RECORD:
		replication_record(core, (const void *)slot->data);
		break;
	case CORE_COMMAND_FETCH:
		replication_fetch(core, (const void *)slot->data);
		break;
	}
}

uint32_t core_obey(struct core *core)
{
	struct crossing_slot *slot;
	uint32_t n = 0;

	for (; n < MAILBOX_BUDGET && (slot = crossing_peek(&core->inbox)) != NULL; n++) {
		obey(core, slot);
		crossing_pop(&core->inbox);
		COUNT(core, mailbox_commands, 1);
	}
	return n;
}
