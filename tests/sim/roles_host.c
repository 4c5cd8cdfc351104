// SPDX-License-Identifier: BSD-3-Clause
//
// What roles stand on: the files of the host, what its peers say, and the mailboxes of its cores.
#include <errno.h>

#include "tests/sim/sim.h"

#define DEAD_NS (60 * MS) // silence after which a server is taken for dead

// ---- files of the host ------------------------------------------------------------------------

static struct role_file *file_of(struct host *host, const char *name, bool make)
{
	for (uint32_t i = 0; i < ROLES_FILES; i++) {
		struct role_file *file = &host->files[i];

		if (strcmp(file->name, name) == 0)
			return file;
		if (file->name[0] == '\0' && make) {
			snprintf(file->name, sizeof(file->name), "%s", name);
			return file;
		}
	}
	return NULL;
}

int roles_file_read(void *arg, const char *name, char *text, size_t size)
{
	const struct role_file *file = file_of(arg, name, false);

	if (file == NULL)
		return -ENOENT;
	if (file->bytes > size)
		return -EFBIG;
	memcpy(text, file->text, file->bytes);
	return (int)file->bytes;
}

int roles_file_write(void *arg, const char *name, const char *text, size_t bytes)
{
	struct role_file *file = file_of(arg, name, true);

	if (file == NULL || bytes > sizeof(file->text))
		return -ENOSPC;
	memcpy(file->text, text, bytes);
	file->bytes = bytes;
	return 0;
}

void host_forget_files(struct host *host)
{
	memset(host->files, 0, sizeof(host->files));
}

// ---- what is known of others ------------------------------------------------------------------

static struct peer *peer_of(struct host *host, uint16_t server)
{
	return peers_find(&host->server.peers, server);
}

uint64_t roles_incarnation(struct host *host, uint16_t server)
{
	struct peer *peer = peer_of(host, server);

	return server == host->server.id ? host->server.incarnation : peer->incarnation;
}

bool roles_is_there(struct host *host, uint16_t server)
{
	struct peer *peer = peer_of(host, server);

	return server == host->server.id ||
	       (peer_takes_part(peer) && peer->heard_ns + DEAD_NS > host_now(host));
}

bool roles_facts(struct host *host, uint32_t stream, uint16_t server,
		 struct peer_stream_facts *facts)
{
	return roles_is_there(host, server) &&
	       peer_stream_get(
		       &peer_of(host, server)->streams[host->streams[stream].stream->number],
		       facts);
}

// ---- to the home core -------------------------------------------------------------------------

static bool command(struct host *host, uint32_t stream, uint32_t kind, const void *bytes,
		    uint32_t length)
{
	struct core *core = host->cores[host->streams[stream].stream->home].core;
	struct crossing_slot *slot = crossing_begin(&core->inbox);

	if (slot == NULL)
		return false;
	slot->kind = kind;
	slot->bytes = length;
	memset(slot->data, 0, CORE_COMMAND_BYTES);
	memcpy(slot->data, bytes, length);
	crossing_end(&core->inbox);
	return true;
}

bool roles_tell_record(struct host *host, uint32_t stream)
{
	const struct role *role = &host->roles.roles[stream];
	const struct cluster_record *from = &role->record;
	struct replication_record record = {
		.stream = host->streams[stream].stream->number,
		.epoch = from->epoch,
		.session = from->session,
		.proposals = role->answered,
		.min_in_sync = from->min_in_sync,
		.count = from->in_sync_count,
	};

	for (uint32_t i = 0; i < from->in_sync_count; i++) {
		record.members[i].server = from->in_sync[i].server;
		record.members[i].incarnation = from->in_sync[i].incarnation;
	}
	return command(host, stream, CORE_COMMAND_RECORD, &record, sizeof(record));
}

bool roles_tell_fetch(struct host *host, uint32_t stream)
{
	const struct role *role = &host->roles.roles[stream];
	struct replication_fetch fetch = {
		.stream = host->streams[stream].stream->number,
		.epoch = role->record.epoch,
		.session = role->record.session,
		.server = role->source,
	};

	return command(host, stream, CORE_COMMAND_FETCH, &fetch, sizeof(fetch));
}
