// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "control/plane_inside.h"

#define ENTRIES_BUDGET 512 // slots of the feed of cursors in one step
#define PUNTS_BUDGET   256
#define EXPIRE_SLOTS   512	       // of the table, looked at in one step
#define CURSOR_LIFE_NS 600000000000ull // a cursor that nobody spoke of
#define TOMBSTONE_NS   60000000000ull
#define LATE_NS	       10000000000ull // a step so late: first hear what was said meanwhile

static_assert(CURSOR_LIFE_NS / 1000000 >= 3 * CURSOR_FEED_REST_MS,
	      "one that lives is spoken of more than twice before it is forgotten");

uint64_t plane_random(struct plane *plane) // xoroshiro128+
{
	uint64_t a = plane->random[0], b = plane->random[1], result = a + b;

	b ^= a;
	plane->random[0] = (a << 24 | a >> 40) ^ b ^ (b << 16);
	plane->random[1] = b << 37 | b >> 27;
	return result;
}

void plane_say(struct plane *plane, const char *format, ...)
{
	char line[256];
	va_list args;

	if (plane->config.say == NULL)
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	plane->config.say(plane->config.arg, line);
}

// ---- what migration acts through ---------------------------------------------------------------

static bool on_command(void *arg, uint32_t core, enum core_command_kind kind,
		       const struct core_command *command)
{
	struct plane *plane = arg;
	struct crossing_slot *slot;

	// A cursor may name a core that an earlier process of this server had.
	if (core >= plane->server->core_count)
		core = SERVER_LINK_CORE;
	slot = crossing_begin(&plane->server->cores[core]->inbox);
	if (slot == NULL)
		return false;
	slot->kind = kind;
	slot->bytes = sizeof(*command);
	memcpy(slot->data, command, sizeof(*command));
	crossing_end(&plane->server->cores[core]->inbox);
	return true;
}

static bool on_post(void *arg, uint32_t peer, const void *frame, uint32_t length)
{
	struct plane *plane = arg;

	return peers_post(&plane->server->peers, peer, frame, length);
}

static uint32_t on_core_of(void *arg, uint64_t client, uint32_t attempt)
{
	struct plane *plane = arg;
	uint32_t core = plane->config.core_of != NULL ?
				plane->config.core_of(plane->config.arg, client, attempt) :
				SERVER_LINK_CORE;

	return core < plane->server->core_count ? core : SERVER_LINK_CORE;
}

// What cores ask when a subscription opens. Thread: any core.
static uint64_t on_highest(void *arg, uint64_t client, uint32_t subscription, uint64_t session)
{
	const struct cursor_key key = {client, session, subscription};
	const struct plane *plane = arg;
	struct cursor cursor;

	return cursor_table_find(plane->table, &key, &cursor) ? cursor.cursor_epoch : 0;
}

// ---- start and end -----------------------------------------------------------------------------

static struct migration *start_migration(struct plane *plane)
{
	const struct server *server = plane->server;
	struct migration_ops ops = {
		.arg = plane, .command = on_command, .post = on_post, .core_of = on_core_of};
	struct migration_config config = {
		.server = server->id,
		.weight = plane->config.weight,
		.cores = server->core_count,
		.moves_max = plane->config.moves_max,
		.interval_ns = server->interval_ms * 1000000ull,
		.lapse_ns = server->lapse_ms * 1000000ull,
		.detect_ns = (uint64_t)server->peers.interval_us * plane->config.multiplier * 1000,
		.offers_ms = plane->config.offers_ms,
		.random = plane_random(plane),
	};

	return migration_create(&config, plane->table, &ops);
}

struct plane *plane_create(const struct plane_config *config, uint64_t now_ns)
{
	struct plane *plane = calloc(1, sizeof(*plane));
	struct cursor_table_config table = {
		.cursors_max = config->cursors_max,
		.clients_max = config->clients_max,
		.huge = config->huge,
		.node = config->node,
		.reclaim = config->reclaim,
	};
	int error;

	if (plane == NULL)
		return NULL;
	plane->config = *config;
	plane->server = config->server;
	plane->random[0] = config->random[0] | 1;
	plane->random[1] = config->random[1];
	table.seed = plane_random(plane);
	plane->table = cursor_table_create(&table);
	plane->migration = plane->table != NULL ? start_migration(plane) : NULL;
	if (plane->migration == NULL) {
		error = errno;
		plane_destroy(plane);
		errno = error;
		return NULL;
	}
	plane->server->cursor_arg = plane;
	plane->server->cursor_highest = on_highest;
	plane_links_init(plane, now_ns);
	return plane;
}

void plane_destroy(struct plane *plane)
{
	if (plane == NULL)
		return;
	plane->server->cursor_highest = NULL;
	migration_destroy(plane->migration);
	if (plane->table != NULL)
		cursor_table_destroy(plane->table);
	free(plane);
}

// ---- one step ----------------------------------------------------------------------------------

static struct migration_log own_log(const struct stream *stream, uint64_t now_ns)
{
	return (struct migration_log){
		.session = atomic_load_explicit(&stream->session, memory_order_acquire),
		.earliest = log_earliest(&stream->log),
		.end = log_head(&stream->log).seq,
		.commit = log_committed_seq(&stream->log),
		.feed_age_ms = stream_feed_age_ms(stream, now_ns),
	};
}

static void peer_log(const struct peer *peer, uint32_t stream, struct migration_log *log)
{
	struct peer_stream_facts facts;

	if (!peer_stream_get(&peer->streams[stream], &facts))
		return; // being written just now: what was there before will do
	*log = (struct migration_log){
		.session = facts.session,
		.earliest = facts.earliest,
		.end = facts.end,
		.feed_age_ms = facts.feed_age_ms,
	};
}

static void look_at_cores(struct plane *plane, struct migration_view *view)
{
	const struct server *server = plane->server;

	for (uint32_t i = 0; i < server->core_count; i++) {
		const struct counters *counters = server->cores[i]->counters;
		bool turns = plane->config.core_turns == NULL ||
			     plane->config.core_turns(plane->config.arg, i);

		view->cores[i] = (struct rebalance_core){
			.takes = turns && server_core_sends(server, i),
			.cursors = (uint32_t)counter_now(counters, COUNTER_subscriptions_opened,
							 COUNTER_subscriptions_closed),
		};
	}
}

static void look(struct plane *plane, uint64_t now_ns)
{
	struct migration_view *view = migration_view(plane->migration);
	const struct server *server = plane->server;

	look_at_cores(plane, view);
	view->streams_count = server->stream_count;
	for (uint32_t i = 0; i < server->stream_count; i++) {
		view->streams[i].name = server->streams[i]->name;
		view->streams[i].own = own_log(server->streams[i], now_ns);
		for (uint32_t k = 0; k < server->peers.count; k++)
			peer_log(&server->peers.peers[k], i, &view->streams[i].peers[k]);
	}
}

static void take_entries(struct plane *plane, uint64_t now_ns)
{
	struct crossing *entries = &plane->server->cursor_feed->entries;
	struct crossing_slot *slot;

	for (uint32_t n = 0; n < ENTRIES_BUDGET && (slot = crossing_peek(entries)) != NULL; n++) {
		const struct cursor_feed_slot *s = (const void *)slot->data;

		for (uint32_t i = 0; i < s->count; i++) {
			struct cursor cursor;

			cursor_decode(&s->cursors[i], &cursor);
			// Nobody speaks for another home.
			if (cursor.home == s->server)
				migration_entry(plane->migration, &cursor, now_ns);
		}
		crossing_pop(entries);
	}
}

static void take_punts(struct plane *plane, uint64_t now_ns)
{
	struct crossing *punts = &plane->server->peers.punts;
	struct crossing_slot *slot;

	for (uint32_t n = 0; n < PUNTS_BUDGET && (slot = crossing_peek(punts)) != NULL; n++) {
		const struct peers_head *head = (const void *)slot->data;
		const struct godwit_frame *frame = (const void *)(head + 1);
		bool is_probe = frame->type == GODWIT_PROBE_FOR ||
				frame->type == GODWIT_PROBE_RESULT;

		if (!is_probe || !plane_links_frame(plane, head->peer, (const void *)frame, now_ns))
			migration_frame(plane->migration, head->peer, frame, now_ns);
		crossing_pop(punts);
	}
}

// For the cores: new clients go elsewhere, and the other servers are told.
static void tell_draining(struct plane *plane)
{
	bool is_draining = migration_drain_progress(plane->migration).is_active;

	atomic_store_explicit(&plane->server->peers.is_draining, is_draining, memory_order_relaxed);
}

// What nobody spoke of is forgotten, our own like all others: its core would have. Where we did not listen,
// that says nothing yet: everything gets its life once more, tombstones their short one.
static void expire(struct plane *plane, uint64_t now_ns)
{
	const struct cursor_expiry expiry = {
		.cursor_ns = CURSOR_LIFE_NS,
		.tombstone_ns = TOMBSTONE_NS,
	};

	if (plane->stepped_ns != 0 && now_ns - plane->stepped_ns > LATE_NS)
		cursor_table_excuse(plane->table, now_ns);
	plane->stepped_ns = now_ns;
	cursor_table_expire(plane->table, &expiry, now_ns, EXPIRE_SLOTS);
}

void plane_step(struct plane *plane, uint64_t now_ns)
{
	look(plane, now_ns);
	take_entries(plane, now_ns);
	plane_links_step(plane, now_ns);
	take_punts(plane, now_ns);
	migration_step(plane->migration, now_ns);
	expire(plane, now_ns);
	tell_draining(plane);
	cursor_table_reclaim(plane->table, now_ns);
}

void plane_notice(struct plane *plane, enum core_notice_kind kind, const struct core_notice *notice,
		  uint64_t now_ns)
{
	migration_notice(plane->migration, kind, notice, now_ns);
}

// ---- for people --------------------------------------------------------------------------------

struct migration *plane_migration(struct plane *plane)
{
	return plane->migration;
}

struct cursor_table *plane_cursors(struct plane *plane)
{
	return plane->table;
}

const struct link_detector *plane_links(const struct plane *plane)
{
	return plane->links;
}
