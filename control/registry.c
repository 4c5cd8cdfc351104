// SPDX-License-Identifier: BSD-3-Clause
#include "control/registry.h"

#include <errno.h>
#include <stdlib.h>

// An insertion without memory is refused like one above the maximum.
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct entry {
	struct registry_client client; // key: client.id
	bool is_used;
	uint32_t next; // free place behind this one
	UT_hash_handle hh;
};

// Places are given out from the lowest never used on, and again after they were given back: memory of
// those above is never touched.
struct registry {
	struct entry *entries; // hash
	struct entry *places;  // from 1; 0 is none
	uint32_t count, max;
	uint32_t free, end; // first free place; places from here on were never used
	uint64_t refused;
};

struct registry *registry_create(uint32_t max)
{
	struct registry *registry = calloc(1, sizeof(*registry));

	if (registry == NULL)
		return NULL;
	registry->max = max;
	registry->end = 1;
	registry->places = calloc((size_t)max + 1, sizeof(*registry->places));
	if (registry->places == NULL) {
		free(registry);
		errno = ENOMEM;
		return NULL;
	}
	return registry;
}

void registry_destroy(struct registry *registry)
{
	if (registry == NULL)
		return;
	HASH_CLEAR(hh, registry->entries);
	free(registry->places);
	free(registry);
}

static struct entry *entry_find(const struct registry *registry, uint64_t id)
{
	struct entry *entry;

	HASH_FIND(hh, registry->entries, &id, sizeof(id), entry);
	return entry;
}

static void place_free(struct registry *registry, struct entry *entry)
{
	entry->is_used = false;
	entry->next = registry->free;
	registry->free = (uint32_t)(entry - registry->places);
}

static struct entry *place_take(struct registry *registry)
{
	struct entry *entry;

	if (registry->count == registry->max)
		return NULL;
	if (registry->free != 0) {
		entry = &registry->places[registry->free];
		registry->free = entry->next;
	} else {
		entry = &registry->places[registry->end++];
	}
	entry->is_used = true;
	return entry;
}

static bool entry_add(struct registry *registry, const struct registry_client *client)
{
	struct entry *entry = place_take(registry);

	if (entry == NULL)
		return false;
	entry->client = *client;
	HASH_ADD(hh, registry->entries, client.id, sizeof(entry->client.id), entry);
	if (entry->hh.tbl == NULL) { // how uthash tells that it had no memory
		place_free(registry, entry);
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
	place_free(registry, entry);
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

uint32_t registry_page(const struct registry *registry, uint32_t *next,
		       struct registry_client *clients, uint32_t max, uint32_t slots)
{
	uint32_t place = *next == 0 ? 1 : *next, count = 0;

	for (; place < registry->end && count < max && slots > 0; place++, slots--)
		if (registry->places[place].is_used)
			clients[count++] = registry->places[place].client;
	*next = place < registry->end ? place : 0;
	return count;
}

uint32_t registry_count(const struct registry *registry)
{
	return registry->count;
}

uint64_t registry_refused(const struct registry *registry)
{
	return registry->refused;
}
