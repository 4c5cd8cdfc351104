// SPDX-License-Identifier: BSD-3-Clause
//
// /godwit/streams, /godwit/replicas and /godwit/resolve: streams, who has how much of them, and where an
// identifier leads.
#include <errno.h>
#include <stdlib.h>

#include "control/admin.h"
#include "control/admin_tell.h"

static int in_sync_tell(const struct view_stream *view, struct rte_tel_data *data)
{
	struct rte_tel_data *members;

	tell_count(data, "min_in_sync", view->min_in_sync);
	if (!view->is_in_sync_known)
		return 0;
	tell_count(data, "in_sync", view->in_sync_count);
	members = rte_tel_data_alloc();
	if (members == NULL)
		return -ENOMEM;
	rte_tel_data_start_array(members, RTE_TEL_INT_VAL);
	for (uint32_t i = 0; i < view->in_sync_count; i++)
		rte_tel_data_add_array_int(members, view->in_sync[i]);
	return rte_tel_data_add_dict_container(data, "in_sync_servers", members, 0);
}

static int stream_tell(const struct daemon *daemon, uint32_t number, const struct view_stream *view,
		       struct rte_tel_data *data)
{
	tell_text(data, "name", view->name);
	tell_text(data, "role", view->role);
	tell_text(data, "state", view->state);
	if (*view->explanation != '\0')
		tell_sentence(data, "explanation", view->explanation);
	tell_count(data, "primary", view->primary);
	tell_session(data, "session", view->session);
	tell_count(data, "epoch", view->epoch);
	tell_count(data, "earliest", view->earliest);
	tell_count(data, "head", view->head);
	tell_count(data, "end", view->head);
	tell_count(data, "commit", view->commit);
	tell_known(data, "feed_age_ms", view->feed_age_ms);
	tell_count(data, "log_bytes", daemon->logs[number].bytes);
	tell_text(data, "pages", daemon->logs[number].is_huge ? "huge" : "ordinary");
	tell_count(data, "home", view->home);
	tell_count(data, "publishers", view->publishers);
	return in_sync_tell(view, data);
}

int admin_streams(struct daemon *daemon, const char *params, struct rte_tel_data *data)
{
	uint32_t count = daemon->server.stream_count, i;
	uint64_t first = 0, now_ns = admin_now_ns();
	struct rte_tel_data *one;
	int rc = 0;

	if (!admin_numbers(params, &first, 1))
		return -EINVAL;
	for (i = (uint32_t)first; i < count && i < first + ADMIN_PAGE && rc == 0; i++) {
		struct view_stream view;

		rc = tell_numbered(data, i, &one);
		if (rc != 0)
			break;
		view_stream(&daemon->sources, i, now_ns, &view);
		rc = stream_tell(daemon, i, &view, one);
	}
	if (rc == 0 && i < count)
		tell_count(data, "more", i);
	return rc;
}

int admin_replicas(struct daemon *daemon, const char *params, struct rte_tel_data *data)
{
	uint64_t number = 0;
	struct rte_tel_data *one;
	struct view_stream view;
	int rc = 0;

	if (!admin_numbers(params, &number, 1) || number >= daemon->server.stream_count)
		return -EINVAL;
	view_stream(&daemon->sources, (uint32_t)number, admin_now_ns(), &view);
	for (uint32_t i = 0; i < view.replicas_count && rc == 0; i++) {
		const struct view_replica *replica = &view.replicas[i];

		rc = tell_numbered(data, i, &one);
		if (rc != 0)
			break;
		tell_count(one, "server", replica->server);
		tell_text(one, "role", replica->server == view.primary ? "primary" : "replica");
		if (view.is_in_sync_known)
			tell_flag(one, "in_sync", replica->is_in_sync);
		tell_known(one, "acked", replica->acked);
		if (replica->acked != VIEW_NEVER)
			tell_count(one, "lag", replica->lag);
		tell_known(one, "feed_age_ms", replica->feed_age_ms);
	}
	return rc;
}

// ---- resolve -------------------------------------------------------------------------------------

// SESSION:SEQ:EPOCH[,CLIENT,SUBSCRIPTION]. False: another text.
static bool resolve_params(const char *params, struct godwit_identifier *identifier,
			   struct cursor_key *key)
{
	uint64_t numbers[2] = {0, 0};
	char *end;

	if (params == NULL || strspn(params, "0123456789abcdefABCDEF") == 0)
		return false;
	identifier->session = strtoull(params, &end, 16);
	if (*end != ':' || end[1] < '0' || end[1] > '9')
		return false;
	identifier->seq = strtoull(end + 1, &end, 10);
	if (*end != ':' || end[1] < '0' || end[1] > '9')
		return false;
	identifier->epoch = (uint32_t)strtoul(end + 1, &end, 10);
	if (*end == ',' && !admin_numbers(end + 1, numbers, 2))
		return false;
	*key = (struct cursor_key){.client = numbers[0],
				   .session = identifier->session,
				   .subscription = (uint32_t)numbers[1]};
	return *end == ',' || *end == '\0';
}

static int cursor_tell(struct daemon *daemon, const struct cursor_key *key,
		       struct rte_tel_data *data)
{
	struct view_cursor view;
	struct rte_tel_data *one;
	int rc;

	if (!view_cursor(&daemon->sources, key, admin_now_ns(), &view))
		return 0;
	rc = tell_dict(data, "cursor", &one);
	if (rc == 0)
		admin_cursor_tell(&view, one);
	return rc;
}

int admin_resolve(struct daemon *daemon, const char *params, struct rte_tel_data *data)
{
	struct godwit_identifier identifier = {0};
	struct view_resolved view;
	struct cursor_key key;

	if (!resolve_params(params, &identifier, &key))
		return -EINVAL;
	view_resolve(&daemon->sources, identifier, &view);
	tell_identifier(data, "identifier", &identifier);
	tell_text(data, "stream", view.stream);
	tell_text(data, "answer", godwit_code_name(view.resolved.answer));
	tell_text(data, "meaning", godwit_code_text(view.resolved.answer));
	if (*view.stream != '\0') {
		if (view.has_next) {
			tell_identifier(data, "after", &view.resolved.identifier);
			tell_count(data, "next", view.next);
		}
		if (view.has_place)
			tell_count(data, "log_offset", view.position);
		tell_count(data, "earliest", view.earliest);
		tell_count(data, "commit", view.commit);
		tell_count(data, "end", view.head);
	}
	return key.client != 0 ? cursor_tell(daemon, &key, data) : 0;
}
