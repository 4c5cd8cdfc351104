// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/server.h"

#include <errno.h>
#include <stdlib.h>

#include "dataplane/home.h"

struct stream *server_stream(const struct server *server, const uint8_t name[GODWIT_NAME_BYTES])
{
	for (uint32_t i = 0; i < server->stream_count; i++)
		if (memcmp(server->streams[i]->name, name, GODWIT_NAME_BYTES) == 0)
			return server->streams[i];
	return NULL;
}

bool server_core_sends(const struct server *server, uint32_t core)
{
	return core < server->core_count && server->cores[core]->sends;
}

const struct godwit_server_entry *server_entry(const struct server *server, uint16_t id)
{
	for (uint32_t i = 0; i < server->list_count; i++)
		if (godwit_get16(server->list[i].id) == id)
			return &server->list[i];
	return NULL;
}

const struct server_elsewhere *server_elsewhere(const struct server *server,
						const uint8_t name[GODWIT_NAME_BYTES])
{
	for (uint32_t i = 0; i < server->elsewhere_count; i++)
		if (memcmp(server->elsewhere[i].name, name, GODWIT_NAME_BYTES) == 0)
			return &server->elsewhere[i];
	return NULL;
}

int server_crossings_create(struct server *server, uint32_t slots)
{
	uint32_t cores = server->core_count;
	uint32_t slot_bytes = (server_datagram(server) + (uint32_t)sizeof(struct home_origin) + 7) &
			      ~7u;
	uint64_t each = crossing_bytes(slots, slot_bytes);
	uint8_t *memory;

	server->crossings = NULL;
	if (cores < 2)
		return 0;
	server->crossings =
		aligned_alloc(CACHE_LINE, (uint64_t)cores * cores * sizeof(struct crossing));
	memory = aligned_alloc(CACHE_LINE,
			       (cores * cores * each + CACHE_LINE - 1) & ~(CACHE_LINE - 1ull));
	if (server->crossings == NULL || memory == NULL) {
		free(server->crossings);
		free(memory);
		server->crossings = NULL;
		return -ENOMEM;
	}
	memset(memory, 0, cores * cores * each);
	for (uint32_t i = 0; i < cores * cores; i++)
		crossing_init(&server->crossings[i], memory + i * each, slots, slot_bytes);
	return 0;
}

void server_crossings_destroy(struct server *server)
{
	if (server->crossings == NULL)
		return;
	free(server->crossings[0].memory); // one block, the first crossing's at its start
	free(server->crossings);
	server->crossings = NULL;
}
