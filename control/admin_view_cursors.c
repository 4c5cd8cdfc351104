// SPDX-License-Identifier: BSD-3-Clause
//
// Views of this server's clients, and of all cursors that it knows of.
#include "control/admin_view.h"
#include "dataplane/core.h"

#define CLIENT_CURSORS_MAX 256 // of one client that are looked at

static uint64_t ago_ms(uint64_t now_ns, uint64_t then_ns)
{
	if (then_ns == 0)
		return VIEW_NEVER;
	return now_ns > then_ns ? (now_ns - then_ns) / CONFIG_MS : 0;
}

// ---- clients -------------------------------------------------------------------------------------

static uint64_t client_heard(const struct view_sources *sources,
			     const struct registry_client *client)
{
	const struct core *core = sources->server->cores[client->core];
	uint64_t slot = client->handle >> 32;

	if (slot >= core->config.clients_max)
		return 0;
	return atomic_load_explicit(&core->client_heard[slot], memory_order_relaxed);
}

static uint32_t client_subscriptions(const struct view_sources *sources, uint64_t id)
{
	const struct cursor_table *table = sources->cursors;
	uint32_t count = 0, looked = 0, index;
	struct cursor cursor;

	if (table == NULL)
		return UINT32_MAX;
	index = cursor_table_client_first(table, id);
	for (; index != 0 && looked < CLIENT_CURSORS_MAX; looked++) {
		cursor_table_at(table, index, &cursor);
		count += cursor.home == sources->server->id &&
			 (cursor.flags & GODWIT_CURSOR_LAPSED) == 0;
		index = cursor_table_client_next(table, index);
	}
	return count;
}

static void client_view(const struct view_sources *sources, const struct registry_client *client,
			uint64_t now_ns, struct view_client *view)
{
	const struct server *server = sources->server;

	*view = (struct view_client){
		.id = client->id,
		.instance = client->instance,
		.address = client->address,
		.core = client->core,
		.link = "up",
		.heard_ms = ago_ms(now_ns, client_heard(sources, client)),
		.subscriptions = client_subscriptions(sources, client->id),
	};
	if (view->heard_ms > (uint64_t)server->interval_ms * server->multiplier)
		view->link = "silent";
}

uint32_t view_clients(const struct view_sources *sources, uint32_t *next, uint64_t now_ns,
		      struct view_client *views, uint32_t max, uint32_t slots)
{
	uint32_t count = 0;

	// One at a time: a page of them needs no memory of its own.
	do {
		struct registry_client client;
		uint32_t before = *next;

		if (registry_page(sources->registry, next, &client, 1, slots) > 0)
			client_view(sources, &client, now_ns, &views[count++]);
		slots -= *next > before && *next - before < slots ? *next - before : slots;
	} while (*next != 0 && count < max && slots > 0);
	return count;
}

// ---- cursors -------------------------------------------------------------------------------------

static void cursor_view(const struct view_sources *sources, const struct cursor *cursor,
			uint64_t now_ns, struct view_cursor *view)
{
	const struct stream *stream = view_stream_of(sources, cursor->key.session);
	uint64_t commit = stream != NULL ? log_committed_seq(&stream->log) : 0;

	*view = (struct view_cursor){
		.cursor = *cursor,
		.stream = stream != NULL ? stream->name : "",
		.lag = VIEW_NEVER,
		.heard_ms = ago_ms(now_ns, cursor->heard_ns),
		.state = "live",
	};
	if (stream != NULL)
		view->lag = commit > cursor->seq ? commit - cursor->seq : 0;
	if (cursor_is_tombstone(cursor))
		view->state = "ended";
	else if ((cursor->flags & GODWIT_CURSOR_LAPSED) != 0)
		view->state = "lapsed";
}

static uint32_t cursors_of_client(const struct view_sources *sources,
				  const struct view_cursor_filter *filter, uint32_t *next,
				  uint64_t now_ns, struct view_cursor *views, uint32_t max)
{
	const struct cursor_table *table = sources->cursors;
	uint32_t index = cursor_table_client_first(table, filter->client), count = 0, looked = 0;
	struct cursor cursor;

	// By number in the client's list: it is short.
	for (; index != 0 && looked < CLIENT_CURSORS_MAX && count < max; looked++) {
		if (looked >= *next) {
			cursor_table_at(table, index, &cursor);
			if (filter->home == 0 || cursor.home == filter->home)
				cursor_view(sources, &cursor, now_ns, &views[count++]);
		}
		index = cursor_table_client_next(table, index);
	}
	*next = index != 0 && looked < CLIENT_CURSORS_MAX ? looked : 0;
	return count;
}

uint32_t view_cursors(const struct view_sources *sources, const struct view_cursor_filter *filter,
		      uint32_t *next, uint64_t now_ns, struct view_cursor *views, uint32_t max,
		      uint32_t slots)
{
	struct cursor_page page = {.next = *next, .home = filter->home, .tombstones = true};
	uint32_t count = 0;

	if (sources->cursors == NULL) {
		*next = 0;
		return 0;
	}
	if (filter->client != 0)
		return cursors_of_client(sources, filter, next, now_ns, views, max);
	do {
		uint32_t before = page.next;
		struct cursor cursor;

		if (cursor_table_page(sources->cursors, &page, &cursor, 1, slots) > 0)
			cursor_view(sources, &cursor, now_ns, &views[count++]);
		slots -= page.next > before && page.next - before < slots ? page.next - before :
									    slots;
	} while (page.next != 0 && count < max && slots > 0);
	*next = page.next;
	return count;
}

bool view_cursor(const struct view_sources *sources, const struct cursor_key *key, uint64_t now_ns,
		 struct view_cursor *view)
{
	const struct cursor_table *table = sources->cursors;
	uint32_t index, looked = 0;
	struct cursor cursor;

	if (table == NULL)
		return false;
	// By the client's list, not by the hash: that is for threads which readers wait for.
	index = cursor_table_client_first(table, key->client);
	for (; index != 0 && looked < CLIENT_CURSORS_MAX; looked++) {
		cursor_table_at(table, index, &cursor);
		if (cursor_key_equal(&cursor.key, key)) {
			cursor_view(sources, &cursor, now_ns, view);
			return true;
		}
		index = cursor_table_client_next(table, index);
	}
	return false;
}
