// SPDX-License-Identifier: BSD-3-Clause
#include "control/registry.h"

#include <errno.h>
#include <stdlib.h>

// An insertion without memory is refused like one above the maximum.
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

// A place: free; the entry of an id, in the hash; or another core where the same process is by an offer, behind
// its entry; or one of those whose process was fenced, until that was said.
struct entry {
	struct registry_client client; // key: client.id
	bool is_entry;
	uint32_t next; // free place behind this one; another core of it; who is to be fenced next
	UT_hash_handle hh;
};

// Places are given out from the lowest never used on, and again after they were given back: memory of
// those above is never touched.
struct registry {
	struct entry *entries; // hash
	struct entry *places;  // from 1; 0 is none
	uint32_t count, max;
	uint32_t free, end; // first free place; places from here on were never used
	uint32_t fenced;    // places of whom is to be fenced still, all for
	uint64_t fenced_by; // ... this instance: the caller asks for all of them before the next notice
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
	entry->is_entry = false;
	entry->next = registry->free;
	registry->free = (uint32_t)(entry - registry->places);
}

static struct entry *place_take(struct registry *registry)
{
	struct entry *entry;

	if (registry->free == 0 && registry->end > registry->max)
		return NULL;
	if (registry->free != 0) {
		entry = &registry->places[registry->free];
		registry->free = entry->next;
	} else {
		entry = &registry->places[registry->end++];
	}
	entry->next = 0;
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
	entry->is_entry = true;
	registry->count++;
	return true;
}

// ---- a process on more than one core ---------------------------------------------------------------

// The link to the place behind `entry` that is of this core; of 0 where there is none.
static uint32_t *also_at(struct registry *registry, struct entry *entry, uint32_t core)
{
	uint32_t *link = &entry->next;

	while (*link != 0 && registry->places[*link].client.core != core)
		link = &registry->places[*link].next;
	return link;
}

// It took an offer of a core beside those where it is.
static void also_add(struct registry *registry, struct entry *entry,
		     const struct registry_client *client)
{
	uint32_t *link = also_at(registry, entry, client->core);
	struct entry *also = *link != 0 ? &registry->places[*link] : place_take(registry);

	if (also == NULL) {
		registry->refused++;
		return;
	}
	also->client = *client;
	*link = (uint32_t)(also - registry->places);
}

static void also_remove(struct registry *registry, uint32_t *link)
{
	struct entry *also = &registry->places[*link];

	*link = also->next;
	place_free(registry, also);
}

// All of them are to be fenced, for that instance.
static void also_fence(struct registry *registry, struct entry *entry, uint64_t instance)
{
	registry->fenced_by = instance;
	while (entry->next != 0) {
		struct entry *also = &registry->places[entry->next];
		uint32_t index = entry->next;

		entry->next = also->next;
		also->next = registry->fenced;
		registry->fenced = index;
	}
}

bool registry_fence_next(struct registry *registry, struct registry_fence *fence)
{
	struct entry *also = &registry->places[registry->fenced];

	if (registry->fenced == 0)
		return false;
	*fence = (struct registry_fence){also->client.core, also->client.handle,
					 registry->fenced_by, GODWIT_FENCED};
	also_remove(registry, &registry->fenced);
	return true;
}

// ---- notices --------------------------------------------------------------------------------------

// The same process on a second core. Cores are heard in turns: who came later, their clock says.
static bool opened_again(struct registry *registry, struct entry *entry,
			 const struct registry_client *client, struct registry_fence *fence)
{
	struct registry_client before = entry->client, loser = before;

	if (client->by_offer) {
		also_add(registry, entry, client);
		return false;
	}
	if (client->opened_ns >= before.opened_ns || before.by_offer)
		entry->client = *client;
	else
		loser = *client;
	// What took its offer after that HELLO stays, too.
	if (before.by_offer && client->opened_ns < before.opened_ns) {
		also_add(registry, entry, &before);
		return false;
	}
	*fence = (struct registry_fence){loser.core, loser.handle, client->instance,
					 GODWIT_REPLACED};
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
		*fence = (struct registry_fence){client->core, client->handle, before.instance,
						 GODWIT_FENCED};
		return true;
	}
	if (client->instance == before.instance && client->core != before.core)
		return opened_again(registry, entry, client, fence);
	if (client->instance > before.instance)
		also_fence(registry, entry, client->instance);
	entry->client = *client;
	// Within one core the core itself has closed the older one.
	if (client->core == before.core)
		return registry_fence_next(registry, fence);
	*fence = (struct registry_fence){before.core, before.handle, client->instance,
					 GODWIT_FENCED};
	return true;
}

void registry_closed(struct registry *registry, const struct registry_client *client)
{
	struct entry *entry = entry_find(registry, client->id);
	uint32_t *also;

	if (entry == NULL)
		return;
	also = also_at(registry, entry, client->core);
	if (entry->client.core != client->core || entry->client.handle != client->handle) {
		if (*also != 0 && registry->places[*also].client.handle == client->handle)
			also_remove(registry, also);
		return;
	}
	// It goes on where it took an offer.
	if (entry->next != 0) {
		entry->client = registry->places[entry->next].client;
		also_remove(registry, &entry->next);
		return;
	}
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
		if (registry->places[place].is_entry)
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
