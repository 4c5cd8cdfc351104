// SPDX-License-Identifier: BSD-3-Clause
#include "control/keeper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/keeper_inside.h"

#define EVENTS_BUDGET 256 // of one step

struct keeper *keeper_create(const struct keeper_config *config)
{
	struct keeper *keeper;

	if (config->stream_count > SERVER_STREAMS_MAX)
		return NULL;
	keeper = calloc(1, sizeof(*keeper) + config->stream_count * sizeof(keeper->streams[0]));
	if (keeper == NULL)
		return NULL;
	keeper->config = *config;
	keeper->config.streams = NULL; // copied
	for (uint32_t i = 0; i < config->stream_count; i++)
		keeper->streams[i].config = config->streams[i];
	return keeper;
}

void keeper_destroy(struct keeper *keeper)
{
	free(keeper);
}

void kept_waits(struct kept *kept, enum keeper_why why, uint16_t server)
{
	kept->why = why;
	kept->server = server;
}

static void take_events(struct keeper *keeper, uint64_t now_ns)
{
	struct cluster_event event;

	for (uint32_t n = 0; n < EVENTS_BUDGET; n++) {
		if (!cluster_next(keeper->config.cluster, now_ns, &event))
			return;
		// SEEN: what is not our own change is met as a conflict by the next one.
		if (event.kind != CLUSTER_READ && event.kind != CLUSTER_CHANGED)
			continue;
		for (uint32_t i = 0; i < keeper->config.stream_count; i++)
			if (keeper->streams[i].config.kept == event.stream)
				kept_answer(keeper, &keeper->streams[i], &event, now_ns);
	}
}

static void send_orders(struct keeper *keeper, struct kept *kept)
{
	const struct keeper_ops *ops = &keeper->config.ops;

	if (kept->record_due)
		kept->record_due = !ops->record(ops->arg, kept->config.number, &kept->record,
						kept_answered(kept));
	if (kept->fetch_due)
		kept->fetch_due = !ops->fetch(ops->arg, kept->config.number, &kept->record,
					      kept->source.server);
}

static void carry_on(struct keeper *keeper, struct kept *kept, uint64_t now_ns)
{
	if (kept->is_asked || now_ns < kept->retry_ns)
		return;
	if (kept->why == KEEPER_NO_RECORD)
		kept_waits(kept, KEEPER_GOES_ON, 0); // tried again
	if (kept->is_unknown) {
		kept_read(keeper, kept);
		return;
	}
	switch (kept->state) {
	case KEEPER_READING:
		kept_read(keeper, kept);
		break;
	case KEEPER_MEETING:
		kept_meet(keeper, kept);
		break;
	case KEEPER_CHOOSING:
		kept_choose(keeper, kept, now_ns);
		break;
	case KEEPER_FETCHING:
		kept_fetch(keeper, kept);
		break;
	case KEEPER_LEADING:
		kept_settle(keeper, kept);
		kept_lead(keeper, kept, now_ns);
		break;
	}
}

void keeper_step(struct keeper *keeper, uint64_t now_ns)
{
	if (!keeper->has_begun) {
		keeper->has_begun = true;
		keeper->begun_ns = keeper->stepped_ns = now_ns;
	}
	if (now_ns - keeper->stepped_ns > KEEPER_STILL_NS)
		keeper->excused_ns = now_ns;
	keeper->stepped_ns = now_ns;
	// Twice, so that what an answer allows is asked for in the same step.
	for (uint32_t round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < keeper->config.stream_count; i++)
			carry_on(keeper, &keeper->streams[i], now_ns);
		take_events(keeper, now_ns);
	}
	for (uint32_t i = 0; i < keeper->config.stream_count; i++)
		send_orders(keeper, &keeper->streams[i]);
}

// ---- notices -----------------------------------------------------------------------------------

struct kept *kept_find(struct keeper *keeper, uint32_t number)
{
	for (uint32_t i = 0; i < keeper->config.stream_count; i++)
		if (keeper->streams[i].config.number == number)
			return &keeper->streams[i];
	return NULL;
}

void keeper_proposed(struct keeper *keeper, uint32_t number, uint16_t server, uint64_t incarnation,
		     uint64_t proposal)
{
	struct kept *kept = kept_find(keeper, number);
	const struct peer *peer = kept_peer(keeper, server);
	struct kept_peer *of;

	if (kept == NULL || kept->state != KEEPER_LEADING || peer == NULL)
		return;
	if (proposal > kept->proposals)
		kept->proposals = proposal;
	of = &kept->peers[peer->index];
	*of = (struct kept_peer){.proposal = proposal, .proposed = incarnation};
	kept_settle(keeper, kept);
	// Asked again, although it was answered: the answer is told again.
	if (of->proposal == 0)
		kept->record_due = true;
}

void keeper_lags(struct keeper *keeper, uint32_t number, uint16_t server, uint64_t incarnation,
		 uint64_t now_ns)
{
	struct kept *kept = kept_find(keeper, number);
	const struct peer *peer = kept_peer(keeper, server);

	if (kept == NULL || kept->state != KEEPER_LEADING || peer == NULL)
		return;
	kept->peers[peer->index].lags = incarnation;
	kept->peers[peer->index].lags_ns = now_ns;
}

void keeper_fetched(struct keeper *keeper, uint32_t number, uint16_t server, uint64_t incarnation)
{
	struct kept *kept = kept_find(keeper, number);

	if (kept != NULL && kept->state == KEEPER_FETCHING && kept->source.server == server &&
	    kept->source.incarnation == incarnation)
		kept->is_fetched = true;
}

void keeper_refused(struct keeper *keeper, uint32_t number, uint16_t server, uint64_t incarnation,
		    uint64_t now_ns)
{
	struct kept *kept = kept_find(keeper, number);
	const struct peer *peer = kept_peer(keeper, server);

	if (kept == NULL || peer == NULL || kept->state != KEEPER_FETCHING ||
	    kept->source.server != server || kept->source.incarnation != incarnation)
		return;
	if (kept->refused_ns == 0 || now_ns - kept->refused_ns > KEEPER_REFUSED_NS)
		kept->refuses_ns = now_ns;
	kept->refused_ns = now_ns;
	if (now_ns - kept->refuses_ns >= keeper->config.start_timeout_ns)
		kept->peers[peer->index].unfit = incarnation;
}

// ---- for people --------------------------------------------------------------------------------

uint32_t keeper_count(const struct keeper *keeper)
{
	return keeper->config.stream_count;
}

void keeper_look(const struct keeper *keeper, uint32_t i, struct keeper_view *view)
{
	const struct kept *kept = &keeper->streams[i];

	*view = (struct keeper_view){
		.state = kept->state,
		.why = kept->why,
		.server = kept->state == KEEPER_FETCHING ? kept->source.server : kept->server,
		.number = kept->config.number,
		.record = kept->record,
		.changes = kept->changes,
	};
	memcpy(view->text, kept->text, sizeof(view->text));
}
