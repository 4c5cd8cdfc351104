// SPDX-License-Identifier: BSD-3-Clause
//
// Requests of the keeper for a record, and what their answers mean.
#include <stdio.h>
#include <string.h>

#include "control/keeper_inside.h"

void kept_read(struct keeper *keeper, struct kept *kept)
{
	kept->is_asked = cluster_read(keeper->config.cluster, kept->config.kept) == 0;
}

void kept_change(struct keeper *keeper, struct kept *kept, const struct cluster_record *next,
		 enum keeper_state after)
{
	kept->wanted = *next;
	kept->wanted.primary = keeper->config.server->id;
	kept->wanted.min_in_sync = kept->config.min_in_sync;
	kept->after = after;
	kept->is_asked = cluster_change(keeper->config.cluster, kept->config.kept, &kept->wanted) ==
			 0;
}

static bool is_wanted(const struct kept *kept, const struct cluster_record *record)
{
	const struct cluster_record *wanted = &kept->wanted;

	if (record->revision <= wanted->revision || record->session != wanted->session ||
	    record->epoch != wanted->epoch || record->min_in_sync != wanted->min_in_sync ||
	    record->in_sync_count != wanted->in_sync_count)
		return false;
	for (uint32_t i = 0; i < wanted->in_sync_count; i++)
		if (!cluster_in_sync_as(record, wanted->in_sync[i].server,
					wanted->in_sync[i].incarnation))
			return false;
	return true;
}

// The wanted record is in force.
static void enter(struct kept *kept, const struct cluster_record *record)
{
	kept->record = *record;
	kept->state = kept->after;
	kept->changes++;
	kept_waits(kept, KEEPER_GOES_ON, 0);
	kept->record_due = kept->state == KEEPER_LEADING;
	kept->fetch_due = kept->state == KEEPER_FETCHING;
	if (kept->state == KEEPER_FETCHING) {
		kept->is_fetched = false;
		kept->refuses_ns = kept->refused_ns = 0;
	}
}

// A member may have lost its memory and come back with its clock behind, and nobody but the record knows
// which process it was: it is told, and starts again above it.
static void note_recorded(const struct keeper *keeper, const struct cluster_record *record)
{
	struct peers *peers = (struct peers *)&keeper->config.server->peers;

	for (uint32_t i = 0; i < record->in_sync_count; i++) {
		struct peer *peer = peers_find(peers, record->in_sync[i].server);

		if (peer != NULL &&
		    record->in_sync[i].incarnation >
			    atomic_load_explicit(&peer->recorded, memory_order_relaxed))
			atomic_store_explicit(&peer->recorded, record->in_sync[i].incarnation,
					      memory_order_relaxed);
	}
}

// A record is in force that is not the wanted one: go by it.
static void meet_record(const struct keeper *keeper, struct kept *kept,
			const struct cluster_record *record)
{
	const struct server *server = keeper->config.server;
	bool is_same = record->revision == kept->record.revision;

	kept->record = *record;
	note_recorded(keeper, record);
	kept_waits(kept, KEEPER_GOES_ON, 0);
	if (is_same)
		return;
	// What the home core acts by is no longer in force: it is told, whatever the record says of us.
	kept->record_due = kept->state == KEEPER_LEADING;
	kept->fetch_due = false;
	if (kept->state == KEEPER_LEADING &&
	    cluster_in_sync_as(record, server->id, server->incarnation))
		return;
	kept->state = KEEPER_CHOOSING;
	kept->first_ns = 0;
}

static void fail(struct kept *kept, const char *text, uint64_t now_ns)
{
	kept_waits(kept, KEEPER_NO_RECORD, 0);
	snprintf(kept->text, sizeof(kept->text), "%s", text);
	kept->retry_ns = now_ns + KEEPER_RETRY_NS;
}

void kept_answer(const struct keeper *keeper, struct kept *kept, const struct cluster_event *event,
		 uint64_t now_ns)
{
	bool was_unknown = kept->is_unknown;

	if (!kept->is_asked)
		return;
	kept->is_asked = false;
	switch (event->answer) {
	case CLUSTER_DONE:
		kept->is_unknown = false;
		if (event->kind == CLUSTER_CHANGED ||
		    (was_unknown && is_wanted(kept, &event->record)))
			enter(kept, &event->record);
		else
			meet_record(keeper, kept, &event->record);
		break;
	case CLUSTER_CONFLICT:
		kept->is_unknown = false;
		meet_record(keeper, kept, &event->record);
		break;
	case CLUSTER_ABSENT:
		if (kept->record.revision != 0) {
			fail(kept, "it has vanished", now_ns);
			break;
		}
		kept->is_unknown = false;
		kept->state = KEEPER_MEETING;
		break;
	case CLUSTER_UNKNOWN:
		kept->is_unknown = true;
		break;
	default:
		fail(kept, event->why, now_ns);
	}
}
