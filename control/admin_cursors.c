// SPDX-License-Identifier: BSD-3-Clause
//
// /godwit/clients, /godwit/cursors and /godwit/migrations: who is served, how far, and who moved why.
#include <errno.h>
#include <inttypes.h>

#include "control/admin.h"
#include "control/admin_tell.h"

#define PAGE	   32	// rows: below 16 KiB for names of any length
#define PAGE_SLOTS 8192 // places looked at for one page

static void client_tell(const struct view_client *view, struct rte_tel_data *data)
{
	tell_id(data, "client", view->id);
	tell_count(data, "instance", view->instance);
	tell_address(data, "address", &view->address);
	tell_count(data, "core", view->core);
	tell_text(data, "link", view->link);
	tell_known(data, "heard_ms", view->heard_ms);
	if (view->subscriptions != UINT32_MAX)
		tell_count(data, "subscriptions", view->subscriptions);
}

int admin_clients(struct daemon *daemon, const char *params, struct rte_tel_data *data)
{
	struct view_client views[PAGE];
	uint64_t first = 0;
	uint32_t next, count;
	int rc = 0;

	if (!admin_numbers(params, &first, 1) || first > UINT32_MAX)
		return -EINVAL;
	next = (uint32_t)first;
	count = view_clients(&daemon->sources, &next, admin_now_ns(), views, PAGE, PAGE_SLOTS);
	for (uint32_t i = 0; i < count && rc == 0; i++) {
		struct rte_tel_data *one;

		// Of another page there is none: a page goes on behind all places that it looked at.
		rc = tell_numbered(data, first + i, &one);
		if (rc == 0)
			client_tell(&views[i], one);
	}
	if (rc == 0 && next != 0)
		tell_count(data, "more", next);
	return rc;
}

void admin_cursor_tell(const struct view_cursor *view, struct rte_tel_data *data)
{
	const struct cursor *cursor = &view->cursor;
	char epoch[32];

	snprintf(epoch, sizeof(epoch), "%" PRIu64 ".%u", cursor->cursor_epoch >> 16,
		 cursor_epoch_server(cursor->cursor_epoch));
	tell_id(data, "client", cursor->key.client);
	tell_count(data, "subscription", cursor->key.subscription);
	tell_text(data, "stream", view->stream);
	tell_session(data, "session", cursor->key.session);
	tell_count(data, "seq", cursor->seq);
	tell_count(data, "epoch", cursor->epoch);
	tell_text(data, "cursor_epoch", epoch);
	tell_count(data, "home", cursor->home);
	tell_count(data, "core", cursor->core);
	tell_address(data, "address", &cursor->address);
	tell_known(data, "heard_ms", view->heard_ms);
	tell_known(data, "lag", view->lag);
	tell_text(data, "state", view->state);
	if (cursor->filter != 0)
		tell_session(data, "filter", cursor->filter);
}

int admin_cursors(struct daemon *daemon, const char *params, struct rte_tel_data *data)
{
	uint64_t values[3] = {0, 0, 0}; // first, home, client
	struct view_cursor_filter filter;
	struct view_cursor views[PAGE];
	uint32_t next, count;
	int rc = 0;

	if (!admin_numbers(params, values, 3) || values[0] > UINT32_MAX || values[1] > UINT16_MAX)
		return -EINVAL;
	next = (uint32_t)values[0];
	filter = (struct view_cursor_filter){.home = (uint16_t)values[1], .client = values[2]};
	count = view_cursors(&daemon->sources, &filter, &next, admin_now_ns(), views, PAGE,
			     PAGE_SLOTS);
	for (uint32_t i = 0; i < count && rc == 0; i++) {
		struct rte_tel_data *one;

		rc = tell_numbered(data, values[0] + i, &one);
		if (rc == 0)
			admin_cursor_tell(&views[i], one);
	}
	if (rc == 0 && next != 0)
		tell_count(data, "more", next);
	return rc;
}

// ---- migrations ----------------------------------------------------------------------------------

static void migration_tell(const struct daemon *daemon, const struct view_migration *view,
			   struct rte_tel_data *data)
{
	const struct stream *stream = view_stream_of(&daemon->sources, view->session);

	tell_count(data, "detected_ns", view->detected_ns + daemon->wall_offset_ns);
	tell_text(data, "reason", view->reason);
	tell_id(data, "client", view->client);
	tell_count(data, "subscription", view->subscription);
	tell_text(data, "stream", stream != NULL ? stream->name : "");
	tell_session(data, "session", view->session);
	tell_count(data, "from", view->from);
	tell_count(data, "to", view->to);
	tell_count(data, "first_message_ns",
		   view->first_ns != 0 ? view->first_ns + daemon->wall_offset_ns : 0);
	tell_count(data, "ended_ns", view->ended_ns + daemon->wall_offset_ns);
	tell_count(data, "replayed", view->replayed);
	tell_count(data, "handover_seq", view->handover_seq);
	tell_text(data, "outcome", view->outcome);
}

int admin_migrations(struct daemon *daemon, const char *params, struct rte_tel_data *data)
{
	const struct view_plane *plane = &daemon->sources.plane;
	struct view_migration view;
	uint64_t first = 0, i;
	int rc = 0;

	if (!admin_numbers(params, &first, 1) || first > UINT32_MAX)
		return -EINVAL;
	for (i = first; i < first + PAGE && plane->migration != NULL && rc == 0; i++) {
		struct rte_tel_data *one;

		if (!plane->migration(plane->arg, (uint32_t)i, &view))
			return 0;
		rc = tell_numbered(data, i, &one);
		if (rc == 0)
			migration_tell(daemon, &view, one);
	}
	if (rc == 0 && plane->migration != NULL)
		tell_count(data, "more", i);
	return rc;
}
