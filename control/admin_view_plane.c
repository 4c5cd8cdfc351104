// SPDX-License-Identifier: BSD-3-Clause
#include "control/admin_view_plane.h"

static const struct link_detector *link_view(void *arg, uint32_t peer)
{
	const struct view_parts *parts = arg;

	return parts->link(parts->links, peer);
}

// ---- streams -------------------------------------------------------------------------------------

static void state_put(const struct keeper_view *kept, struct view_stream *view)
{
	char *state = view->state;
	const char *format = NULL;

	switch (kept->why) {
	case KEEPER_GOES_ON:
		break;
	case KEEPER_WAITS_FOR:
		format = "waiting for server %u";
		break;
	case KEEPER_REFUSES_PEER:
		format = "no agreement with server %u";
		break;
	case KEEPER_HELD_ELSEWHERE:
		format = "no record, held by server %u";
		break;
	case KEEPER_NOBODY:
		format = "nobody in sync";
		break;
	case KEEPER_NOT_WHOLE:
		format = "not whole on server %u";
		break;
	case KEEPER_NO_RECORD:
		format = "no access to its record";
		break;
	}
	if (format == NULL && kept->state == KEEPER_FETCHING)
		format = "fetching from server %u";
	else if (format == NULL && kept->state != KEEPER_LEADING)
		format = "starting";
	else if (format == NULL && view->in_sync_count < view->min_in_sync)
		format = "too few in sync";
	if (format != NULL)
		snprintf(state, sizeof(view->state), format, kept->server);
}

static void stream_view(void *arg, uint32_t number, struct view_stream *view)
{
	const struct view_parts *parts = arg;
	struct keeper_view kept;
	uint32_t i = 0, count = keeper_count(parts->keeper);

	for (; i < count; i++) {
		keeper_look(parts->keeper, i, &kept);
		if (kept.number == number)
			break;
	}
	if (i == count)
		return; // led by another server
	if (kept.record.revision != 0) {
		view->min_in_sync = kept.record.min_in_sync;
		view->is_in_sync_known = true;
		view->in_sync_count = 0;
		for (uint32_t k = 0; k < kept.record.in_sync_count; k++)
			view->in_sync[view->in_sync_count++] = kept.record.in_sync[k].server;
	}
	state_put(&kept, view);
	if (kept.state != KEEPER_LEADING || kept.why != KEEPER_GOES_ON)
		keeper_text(&kept, view->explanation);
}

static enum view_order adopt_order(void *arg, uint32_t number, uint16_t server, bool gives_up,
				   struct keeper_given_up *given_up)
{
	static const enum view_order answers[] = {
		[KEEPER_ADOPT_ORDERED] = VIEW_ORDER_DONE,
		[KEEPER_ADOPT_NO_RECORD] = VIEW_ORDER_NO_RECORD,
		[KEEPER_ADOPT_NOT_WAITING] = VIEW_ORDER_NOT_WAITING,
		[KEEPER_ADOPT_HOLDS_NOTHING] = VIEW_ORDER_HOLDS_NOTHING,
		[KEEPER_ADOPT_GIVES_UP] = VIEW_ORDER_GIVES_UP,
	};
	struct view_parts *parts = arg;

	return answers[keeper_adopt(parts->keeper, number, server, gives_up, given_up)];
}

// ---- migration -----------------------------------------------------------------------------------

static bool migration_view_of(void *arg, uint32_t i, struct view_migration *view)
{
	const struct view_parts *parts = arg;
	const struct migration_record *record = migration_record(parts->migration, i);

	if (record == NULL)
		return false;
	*view = (struct view_migration){
		.client = record->client,
		.session = record->session,
		.subscription = record->subscription,
		.from = record->from,
		.to = record->to,
		.reason = godwit_migration_reason_name(record->reason),
		.outcome = migration_outcome_name(record->outcome),
		.detected_ns = record->detected_ns,
		.first_ns = record->first_ns,
		.ended_ns = record->ended_ns,
		.replayed = record->replayed,
		.handover_seq = record->handover_seq,
	};
	return true;
}

static struct migration_progress drain_progress(void *arg)
{
	const struct view_parts *parts = arg;

	return migration_drain_progress(parts->migration);
}

static enum view_order drain_order(void *arg, bool on, uint64_t now_ns, const char **stream)
{
	struct view_parts *parts = arg;

	*stream = NULL;
	if (migration_drain_progress(parts->migration).is_active == on)
		return VIEW_ORDER_ALREADY;
	if (!on) {
		migration_undrain(parts->migration, now_ns);
		return VIEW_ORDER_DONE;
	}
	switch (migration_drain(parts->migration, now_ns, stream)) {
	case GODWIT_OK:
		return VIEW_ORDER_DONE;
	case GODWIT_UNKNOWN_STREAM:
		return VIEW_ORDER_STREAM;
	default:
		return VIEW_ORDER_LAST;
	}
}

static struct migration_progress rebalance_progress(void *arg)
{
	const struct view_parts *parts = arg;

	return migration_rebalance_progress(parts->migration);
}

static const enum view_order rebalance_answers[] = {
	[MIGRATION_REBALANCE_BEGUN] = VIEW_ORDER_DONE,
	[MIGRATION_REBALANCE_AGAIN] = VIEW_ORDER_ALREADY,
	[MIGRATION_REBALANCE_EVEN] = VIEW_ORDER_EVEN,
	[MIGRATION_REBALANCE_ONE_CORE] = VIEW_ORDER_ONE_CORE,
	[MIGRATION_REBALANCE_DRAINING] = VIEW_ORDER_DRAINING,
	[MIGRATION_REBALANCE_UNEVEN] = VIEW_ORDER_UNEVEN,
};

static enum view_order rebalance_order(void *arg, uint64_t now_ns)
{
	struct view_parts *parts = arg;

	return rebalance_answers[migration_rebalance(parts->migration, now_ns)];
}

static enum view_order rebalance_end(void *arg)
{
	const struct view_parts *parts = arg;

	return rebalance_answers[migration_rebalance_end(parts->migration)];
}

struct view_plane view_plane_of(struct view_parts *parts)
{
	struct view_plane plane = {.arg = parts};

	if (parts->link != NULL)
		plane.link = link_view;
	if (parts->keeper != NULL) {
		plane.stream = stream_view;
		plane.adopt = adopt_order;
	}
	if (parts->migration != NULL) {
		plane.migration = migration_view_of;
		plane.drain_progress = drain_progress;
		plane.drain = drain_order;
		plane.rebalance_progress = rebalance_progress;
		plane.rebalance = rebalance_order;
		plane.rebalance_end = rebalance_end;
	}
	return plane;
}
