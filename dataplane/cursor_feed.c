// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/cursor_feed.h"

#include <errno.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "dataplane/stages.h"

#define WALK_SLOTS   256 // subscription slots looked at in one turn
#define WALK_ENTRIES 16	 // entries written in one step of a walk
#define WALK_STEP_NS (WALK_ENTRIES * 1000000000ull / CURSOR_FEED_RATE)
#define WINDOW_MAX   768 // entries sent to a peer and not acknowledged

static_assert(offsetof(struct cursor_feed_slot, cursors) == 16, "cursors lie behind the head");
static_assert(CURSOR_FEED_RING_MIN / 2 + CURSOR_FEED_FRAME < CURSOR_FEED_RING_MIN,
	      "what is in flight is kept");

const struct cursor_feed_config cursor_feed_config_default = {
	.ring = CURSOR_FEED_RING,
	.slots = CURSOR_FEED_SLOTS,
};

uint64_t cursor_feed_session(uint16_t server, uint64_t incarnation)
{
	uint64_t input[2] = {server, incarnation};

	return XXH3_64bits_withSeed(input, sizeof(input), 0x637572736f7273) | 1;
}

uint64_t cursor_feed_bytes(const struct cursor_feed_config *config)
{
	return sizeof(struct cursor_feed) + config->ring * sizeof(struct godwit_cursor) +
	       crossing_bytes(config->slots, sizeof(struct cursor_feed_slot));
}

int cursor_feed_create(struct server *server, const struct cursor_feed_config *config)
{
	uint64_t bytes = (sizeof(struct cursor_feed) + CACHE_LINE - 1) & ~(CACHE_LINE - 1ull);
	struct cursor_feed *feed;

	if (config->ring < CURSOR_FEED_RING_MIN || (config->ring & (config->ring - 1)) != 0 ||
	    config->slots == 0 || (config->slots & (config->slots - 1)) != 0)
		return -EINVAL;
	feed = aligned_alloc(CACHE_LINE, bytes);
	if (feed == NULL)
		return -ENOMEM;
	memset(feed, 0, bytes);
	server->cursor_feed = feed;
	feed->ring_size = config->ring;
	feed->window = config->ring / 2 < WINDOW_MAX ? config->ring / 2 : WINDOW_MAX;
	feed->ring = calloc(config->ring, sizeof(*feed->ring));
	feed->entries_memory =
		calloc(1, crossing_bytes(config->slots, sizeof(struct cursor_feed_slot)));
	if (feed->ring == NULL || feed->entries_memory == NULL) {
		cursor_feed_destroy(server);
		return -ENOMEM;
	}
	crossing_init(&feed->entries, feed->entries_memory, config->slots,
		      sizeof(struct cursor_feed_slot));
	return 0;
}

void cursor_feed_destroy(struct server *server)
{
	if (server->cursor_feed == NULL)
		return;
	free(server->cursor_feed->ring);
	free(server->cursor_feed->entries_memory);
	free(server->cursor_feed);
	server->cursor_feed = NULL;
}

void cursor_feed_walk(struct server *server)
{
	atomic_fetch_add_explicit(&server->cursor_feed->walks, 1, memory_order_relaxed);
}

// ---- at the link core ----------------------------------------------------------------------------

// The slot for control that is being filled is handed over.
void cursor_feed_close(struct cursor_feed *feed)
{
	if (feed->open == NULL)
		return;
	feed->open->bytes = sizeof(struct cursor_feed_slot);
	feed->open = NULL;
	crossing_end(&feed->entries);
}

// It waits until there is room. False: too many do.
static bool keep_end(struct cursor_feed_core *own, const struct godwit_cursor *entry)
{
	if (own->ended_count == CURSOR_FEED_ENDED)
		return false;
	own->ended[own->ended_count++] = *entry;
	return true;
}

static bool control_has_room(struct cursor_feed *feed)
{
	return feed->open != NULL || crossing_has_room(&feed->entries, 1);
}

// Control hears nothing of it now.
static void lose(struct core *core, const struct godwit_cursor *entry)
{
	// What lives is written again by a walk; what ended is not, and would be said to live for long.
	if (godwit_get16(entry->flags) != 0 && keep_end(&core->feed, entry))
		return;
	COUNT(core, cursor_entries_lost, 1);
	cursor_feed_walk(core->server);
}

static void to_control(struct core *core, const struct godwit_cursor *entry)
{
	struct cursor_feed *feed = core->server->cursor_feed;
	struct cursor_feed_slot *slot;

	if (feed->open == NULL) {
		feed->open = crossing_begin(&feed->entries);
		if (feed->open == NULL) {
			lose(core, entry);
			return;
		}
		slot = (struct cursor_feed_slot *)feed->open->data;
		slot->incarnation = core->server->incarnation;
		slot->server = core->server->id;
		slot->count = 0;
		slot->zero = 0;
	}
	slot = (struct cursor_feed_slot *)feed->open->data;
	slot->cursors[slot->count++] = *entry;
	if (slot->count == CURSOR_FEED_FRAME)
		cursor_feed_close(feed);
}

void cursor_feed_take(struct core *core, const struct godwit_cursor *entry)
{
	struct cursor_feed *feed = core->server->cursor_feed;

	feed->end++;
	feed->ring[feed->end & (feed->ring_size - 1)] = *entry;
	to_control(core, entry);
}

// ---- at the subscription's core ------------------------------------------------------------------

static struct godwit_cursor entry_of(const struct core *core, const struct subscription *s,
				     uint16_t flags)
{
	const struct client *client = &core->clients[s->client];
	uint64_t filter = 0;
	struct godwit_cursor entry;

	if (subscription_is_filtered(s))
		filter = filter_class(core->lives[s->stream->number].filters, s->filter)->hash;
	entry = (struct godwit_cursor){
		.client = godwit_be64(client->id),
		.instance = godwit_be64(client->instance),
		.session = godwit_be64(s->acked.session),
		.seq = godwit_be64(s->acked.seq),
		.cursor_epoch = godwit_be64(s->cursor_epoch),
		.tag = godwit_be64(s->tag),
		.connection = godwit_be64(client->tag),
		.filter = godwit_be64(filter),
		.subscription = godwit_be32(s->number),
		.epoch = godwit_be32(s->acked.epoch),
		.port = godwit_be16(client->route.to.port),
		.home = godwit_be16(core->server->id),
		.core = godwit_be16((uint16_t)core->config.id),
		.flags = godwit_be16(flags),
	};
	memcpy(entry.ip, client->route.to.ip, sizeof(entry.ip));
	return entry;
}

// False: no room on the way to the link core.
static bool put(struct core *core, const struct godwit_cursor *entry)
{
	if (core->config.id == SERVER_LINK_CORE)
		cursor_feed_take(core, entry);
	else if (!home_cursor(core, entry))
		return false;
	COUNT(core, cursor_entries, 1);
	return true;
}

static void announce(struct core *core, struct subscription *s)
{
	struct godwit_cursor entry = entry_of(core, s, 0);

	// Where there was no room, its client's next interval tries again.
	s->cursor_due = !put(core, &entry);
	s->cursor_at_ms = (uint32_t)(core->now_ns / 1000000);
}

void cursor_feed_opened(struct core *core, struct subscription *s)
{
	if (core->server->cursor_feed != NULL)
		announce(core, s);
}

void cursor_feed_look(struct core *core, struct subscription *s)
{
	uint32_t now_ms = (uint32_t)(core->now_ns / 1000000);
	uint32_t pause_ms = core->subscription_count / (CURSOR_FEED_RATE / 1000);
	uint32_t least_ms = s->cursor_due ? CURSOR_FEED_PAUSE_MS : CURSOR_FEED_REST_MS;

	if (pause_ms < least_ms)
		pause_ms = least_ms;
	if (core->server->cursor_feed != NULL && now_ms - s->cursor_at_ms >= pause_ms)
		announce(core, s);
}

static void put_end(struct core *core, const struct godwit_cursor *entry)
{
	// One that is lost is forgotten when nothing was heard of it for long, here as elsewhere.
	if (!put(core, entry) && !keep_end(&core->feed, entry))
		COUNT(core, cursor_entries_lost, 1);
}

// Whether an end that waits may go now: at the link core it waits for control, elsewhere for the link core.
static bool may_put_end(const struct core *core)
{
	return core->config.id != SERVER_LINK_CORE || control_has_room(core->server->cursor_feed);
}

void cursor_feed_ended(struct core *core, const struct subscription *s, uint16_t flags)
{
	struct godwit_cursor entry;

	if (core->server->cursor_feed == NULL)
		return;
	entry = entry_of(core, s, flags);
	put_end(core, &entry);
}

void cursor_feed_gone(struct core *core, const struct core_command *command)
{
	struct godwit_cursor entry = {
		.client = godwit_be64(command->client),
		.instance = godwit_be64(command->instance),
		.session = godwit_be64(command->session),
		.cursor_epoch = godwit_be64(command->cursor_epoch),
		.tag = godwit_be64(command->tag),
		.connection = godwit_be64(command->connection),
		.subscription = godwit_be32(command->subscription),
		.port = godwit_be16(command->address.port),
		.home = godwit_be16(core->server->id),
		.core = godwit_be16((uint16_t)core->config.id),
		.flags = godwit_be16(GODWIT_CURSOR_LAPSED),
	};

	memcpy(entry.ip, command->address.ip, sizeof(entry.ip));
	if (core->server->cursor_feed != NULL)
		put_end(core, &entry);
}

static uint32_t walk(struct core *core)
{
	struct cursor_feed_core *own = &core->feed;
	uint32_t max = core->config.subscriptions_max, written = 0, looked = 0;

	while (own->walk_next < max && written < WALK_ENTRIES && looked < WALK_SLOTS) {
		struct subscription *s = &core->subscriptions[own->walk_next++];

		looked++;
		if (s->state == SUBSCRIPTION_FREE)
			continue;
		announce(core, s);
		written++;
	}
	own->allowed_at_ns = core->now_ns + (written > 0 ? WALK_STEP_NS : 0);
	own->walking = own->walk_next < max;
	return written;
}

uint32_t cursor_feed_burst(struct core *core)
{
	struct cursor_feed *feed = core->server->cursor_feed;
	struct cursor_feed_core *own = &core->feed;
	uint32_t walks, done = 0;

	if (feed == NULL)
		return 0;
	while (own->ended_count > 0 && may_put_end(core) &&
	       put(core, &own->ended[own->ended_count - 1])) {
		own->ended_count--;
		done++;
	}
	walks = atomic_load_explicit(&feed->walks, memory_order_relaxed);
	// One that is under way ends first; one more makes good for all that were asked for meanwhile.
	if (!own->walking && walks != own->walks_seen) {
		own->walks_seen = walks;
		own->walking = true;
		own->walk_next = 0;
		COUNT(core, cursor_walks, 1);
	}
	if (own->walking && core->now_ns >= own->allowed_at_ns)
		done += walk(core);
	if (core->config.id == SERVER_LINK_CORE) {
		cursor_feed_close(feed);
		done += cursor_feed_to_peers(core);
	}
	return done;
}
