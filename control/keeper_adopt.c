// SPDX-License-Identifier: BSD-3-Clause
//
// An operator's word on a stream that cannot begin by itself: go on with what that server holds.
#include "control/keeper_inside.h"

// It waits for what may never come, and nothing is on its way to the disk.
static bool is_waiting(const struct kept *kept)
{
	return !kept->is_asked && !kept->is_unknown &&
	       (kept->state == KEEPER_MEETING || kept->state == KEEPER_CHOOSING) &&
	       kept->why != KEEPER_GOES_ON && kept->why != KEEPER_NO_RECORD;
}

// It is there and holds something of the stream, in *facts.
static bool holds_it(const struct keeper *keeper, const struct kept *kept, uint16_t server,
		     struct peer_stream_facts *facts)
{
	const struct peer *peer = kept_peer(keeper, server);

	return kept_is_replica(kept, server) && kept_facts(kept, peer, facts) &&
	       facts->session != 0 && kept_verdict(peer) != PEER_DEAD;
}

// A replica that cannot be heard now, or holds another session: what it has is given up. 0: none.
static uint16_t given_up(const struct keeper *keeper, const struct kept *kept, uint64_t session)
{
	struct peer_stream_facts facts;

	for (uint32_t i = 0; i < kept->config.replica_count; i++) {
		const struct peer *peer = kept_peer(keeper, kept->config.replicas[i]);

		if (!kept_facts(kept, peer, &facts) || kept_verdict(peer) == PEER_DEAD ||
		    (facts.session != 0 && facts.session != session))
			return kept->config.replicas[i];
	}
	return 0;
}

// Nobody knows how many epochs the lost record was ahead of the logs: one a start of the primary.
static uint32_t epoch_above(const struct kept *kept, uint32_t highest)
{
	if (kept->record.revision == 0)
		return highest + KEEPER_ADOPT_EPOCHS;
	return highest > kept->record.epoch ? highest : kept->record.epoch;
}

enum keeper_adoption keeper_adopt(struct keeper *keeper, uint32_t number, uint16_t server,
				  bool gives_up, uint16_t *other)
{
	struct kept *kept = kept_find(keeper, number);
	struct peer_stream_facts facts, more;
	struct cluster_record next = {0};
	uint32_t highest = 0;

	*other = 0;
	if (kept == NULL || !is_waiting(kept))
		return KEEPER_ADOPT_NOT_WAITING;
	if (!holds_it(keeper, kept, server, &facts))
		return KEEPER_ADOPT_HOLDS_NOTHING;
	*other = given_up(keeper, kept, facts.session);
	if (*other != 0 && !gives_up)
		return KEEPER_ADOPT_GIVES_UP;
	next.revision = kept->record.revision;
	next.session = facts.session;
	for (uint32_t i = 0; i < kept->config.replica_count; i++) {
		uint16_t id = kept->config.replicas[i];

		if (!holds_it(keeper, kept, id, &more) || more.session != facts.session)
			continue;
		next.in_sync[next.in_sync_count++] =
			(struct cluster_replica){id, kept_incarnation(kept_peer(keeper, id))};
		highest = more.epoch > highest ? more.epoch : highest;
	}
	next.epoch = epoch_above(kept, highest);
	kept->first_ns = 0;
	kept_change(keeper, kept, &next, KEEPER_CHOOSING);
	return KEEPER_ADOPT_DONE;
}
