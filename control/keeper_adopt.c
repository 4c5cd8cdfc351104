// SPDX-License-Identifier: BSD-3-Clause
//
// An operator's word on a stream that cannot begin by itself: go on with what that server holds.
#include "control/keeper_inside.h"

// It waits for what may never come, and nothing is on its way to the disk.
static bool is_waiting(const struct kept *kept)
{
	return !kept->is_asked && !kept->is_unknown &&
	       (kept->state == KEEPER_MEETING || kept->state == KEEPER_CHOOSING) &&
	       kept->why != KEEPER_GOES_ON;
}

// It can be heard now, and said what it holds: *facts.
static bool is_there(const struct keeper *keeper, const struct kept *kept, uint16_t server,
		     struct peer_stream_facts *facts)
{
	const struct peer *peer = kept_peer(keeper, server);

	return kept_is_replica(kept, server) && kept_facts(kept, peer, facts) &&
	       kept_verdict(peer) != PEER_DEAD;
}

// The longest log of the session: *longest, at first that of a server that is there.
static void find_longest(const struct keeper *keeper, const struct kept *kept,
			 struct peer_stream_facts *longest)
{
	for (uint32_t i = 0; i < kept->config.replica_count; i++) {
		struct peer_stream_facts facts;

		if (is_there(keeper, kept, kept->config.replicas[i], &facts) &&
		    facts.session == longest->session && kept_is_longer(&facts, longest))
			*longest = facts;
	}
}

// As the in-sync set those that hold the session and no less of it than `least`: any of them may be the only one that is
// left when the log is fetched. The others that may hold something, as given up.
static void sort_out(const struct keeper *keeper, const struct kept *kept,
		     const struct peer_stream_facts *least, bool gives_up,
		     struct cluster_record *next, struct keeper_given_up *given_up)
{
	uint32_t highest = kept->record.epoch;

	for (uint32_t i = 0; i < kept->config.replica_count; i++) {
		uint16_t id = kept->config.replicas[i];
		struct peer_stream_facts facts;

		if (!is_there(keeper, kept, id, &facts) ||
		    (facts.session != 0 && facts.session != next->session)) {
			given_up->servers[given_up->count++] = id;
		} else if (facts.session != 0) {
			highest = facts.epoch > highest ? facts.epoch : highest;
			if (!kept_is_longer(least, &facts))
				next->in_sync[next->in_sync_count++] = (struct cluster_replica){
					id, kept_incarnation(kept_peer(keeper, id))};
		}
	}
	// Above the record; without one nobody knows how many epochs it was ahead of the logs. And who was silent is to
	// know, when it is back, that what it holds was given up.
	if (gives_up)
		next->epoch = highest + GODWIT_GIVE_UP_EPOCHS;
	else
		next->epoch = highest + (kept->record.revision == 0 ? KEEPER_ADOPT_EPOCHS : 1);
}

static enum keeper_adoption adopt(struct keeper *keeper, struct kept *kept, uint16_t server,
				  bool gives_up, struct keeper_given_up *given_up)
{
	struct peer_stream_facts facts;
	struct cluster_record next;

	if (kept == NULL || (kept->why != KEEPER_NO_RECORD && !is_waiting(kept)))
		return KEEPER_ADOPT_NOT_WAITING;
	if (kept->why == KEEPER_NO_RECORD)
		return KEEPER_ADOPT_NO_RECORD;
	if (!is_there(keeper, kept, server, &facts) || facts.session == 0)
		return KEEPER_ADOPT_HOLDS_NOTHING;
	next = (struct cluster_record){.revision = kept->record.revision, .session = facts.session};
	if (!gives_up)
		find_longest(keeper, kept, &facts);
	sort_out(keeper, kept, &facts, gives_up, &next, given_up);
	if (given_up->count > 0 && !gives_up)
		return KEEPER_ADOPT_GIVES_UP;
	kept->first_ns = 0;
	kept_change(keeper, kept, &next, KEEPER_CHOOSING);
	return KEEPER_ADOPT_ORDERED;
}

enum keeper_adoption keeper_adopt(struct keeper *keeper, uint32_t number, uint16_t server,
				  bool gives_up, struct keeper_given_up *given_up)
{
	static const enum keeper_counter counters[] = {
		[KEEPER_ADOPT_ORDERED] = KEEPER_COUNT_adopts,
		[KEEPER_ADOPT_NOT_WAITING] = KEEPER_COUNT_adopts_not_waiting,
		[KEEPER_ADOPT_NO_RECORD] = KEEPER_COUNT_adopts_no_record,
		[KEEPER_ADOPT_HOLDS_NOTHING] = KEEPER_COUNT_adopts_holds_nothing,
		[KEEPER_ADOPT_GIVES_UP] = KEEPER_COUNT_adopts_gives_up,
	};
	enum keeper_adoption answer;

	given_up->count = 0;
	answer = adopt(keeper, kept_find(keeper, number), server, gives_up, given_up);
	keeper->counters[counters[answer]]++;
	return answer;
}

uint64_t keeper_counter(const struct keeper *keeper, enum keeper_counter which)
{
	return keeper->counters[which];
}

const char *keeper_counter_name(enum keeper_counter which)
{
	static const char *const names[] = {
#define X(name, help) #name,
		KEEPER_COUNTERS(X)
#undef X
	};

	return names[which];
}
