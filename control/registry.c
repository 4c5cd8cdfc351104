// SPDX-License-Identifier: BSD-3-Clause
#include "control/registry.h"

#include <errno.h>
#include <stdlib.h>

// An insertion without memory is refused like one above the maximum.
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct entry {
	struct registry_client client; // key: client.id
	UT_hash_handle hh;
};

struct registry {
	struct entry *entries;
	uint32_t count, max;
	uint64_t refused;
};

struct registry *registry_create(uint32_t max)
{
	struct registry *registry = calloc(1, sizeof(*registry));

	if (registry != NULL)
		registry->max = max;
	return registry;
}

void registry_destroy(struct registry *registry)
{
	struct entry *entry, *next;

	if (registry == NULL)
		return;
	entry = registry->entries;
	HASH_CLEAR(hh, registry->entries); // frees the table, the entries stay linked
	for (; entry != NULL; entry = next) {
		next = entry->hh.next;
		free(entry);
	}
	free(registry);
}

static struct entry *entry_find(const struct registry *registry, uint64_t id)
{
	struct entry *entry;

	HASH_FIND(hh, registry->entries, &id, sizeof(id), entry);
	return entry;
}

static bool entry_add(struct registry *registry, const struct registry_client *client)
{
	struct entry *entry = registry->count < registry->max ? calloc(1, sizeof(*entry)) : NULL;

	if (entry == NULL)
		return false;
	entry->client = *client;
	HASH_ADD(hh, registry->entries, client.id, sizeof(entry->client.id), entry);
	if (entry->hh.tbl == NULL) { // how uthash tells that it had no memory
		free(entry);
		return false;
	}
	registry->count++;
	return true;
}

bool registry_opened(struct registry *registry, const struct registry_client *client,
		     struct registry_fence *fence)
{
	struct entry *entry = entry_find(registry, client->id);
	struct registry_client before;

	if (entry == NULL) {
		registry->refused += !entry_add(registry, client);
		return false;
	}
	before = entry->client;
	if (client->instance < before.instance) {
		*fence = (struct registry_fence){client->core, client->handle, before.instance};
		return true;
	}
	entry->client = *client;
	// Within one core the core itself has closed the older one.
	if (client->instance == before.instance || client->core == before.core)
		return false;
	*fence = (struct registry_fence){before.core, before.handle, client->instance};
	return true;
}

void registry_closed(struct registry *registry, const struct registry_client *client)
{
	struct entry *entry = entry_find(registry, client->id);

	if (entry == NULL || entry->client.core != client->core ||
	    entry->client.handle != client->handle)
		return;
	HASH_DEL(registry->entries, entry);
	free(entry);
	registry->count--;
}

bool registry_find(const struct registry *registry, uint64_t id, struct registry_client *client)
{
	struct entry *entry = entry_find(registry, id);

	if (entry == NULL)
		return false;
	*client = entry->client;
	return true;
}

uint32_t registry_count(const struct registry *registry)
{
	return registry->count;
}

uint64_t registry_refused(const struct registry *registry)
{
	return registry->refused;
}
