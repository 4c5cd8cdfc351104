// SPDX-License-Identifier: BSD-3-Clause
//
// How a stream comes to be led: whether its messages are held anywhere, and by whom.
#include "control/keeper_inside.h"

// Nothing of the stream is left anywhere, as far as its record says.
static void begin_session(struct keeper *keeper, struct kept *kept)
{
	const struct server *server = keeper->config.server;
	struct cluster_record next = {
		.revision = kept->record.revision,
		.epoch = kept->record.epoch + 1,
		.in_sync_count = 1,
		.in_sync = {{server->id, server->incarnation}},
	};

	do
		next.session = keeper->config.ops.random(keeper->config.ops.arg);
	while (next.session == 0 || next.session == kept->record.session);
	kept_change(keeper, kept, &next, KEEPER_LEADING);
}

static bool was_refused(const struct peer *peer)
{
	uint32_t refusal = atomic_load_explicit(&peer->refusal, memory_order_relaxed);

	return (refusal != PEER_ACCEPTED && refusal != PEER_NOT_MET) ||
	       (refusal == PEER_ACCEPTED &&
		atomic_load_explicit(&peer->refused_us, memory_order_relaxed) !=
			GODWIT_PEER_ACCEPTED);
}

static void wait_for(struct kept *kept, const struct peer *peer, uint16_t server)
{
	kept_waits(kept, peer != NULL && was_refused(peer) ? KEEPER_REFUSES_PEER : KEEPER_WAITS_FOR,
		   server);
}

bool kept_facts(const struct kept *kept, const struct peer *peer, struct peer_stream_facts *facts)
{
	return peer != NULL && peer_takes_part(peer) &&
	       peer_stream_get(&peer->streams[kept->config.number], facts);
}

void kept_meet(struct keeper *keeper, struct kept *kept)
{
	bool is_complete = true;

	for (uint32_t i = 0; i < kept->config.replica_count; i++) {
		const struct peer *peer = kept_peer(keeper, kept->config.replicas[i]);
		struct peer_stream_facts facts;

		if (!kept_facts(kept, peer, &facts)) {
			if (is_complete)
				wait_for(kept, peer, kept->config.replicas[i]);
			is_complete = false;
		} else if (facts.session != 0) {
			kept_waits(kept, KEEPER_HELD_ELSEWHERE, kept->config.replicas[i]);
			return;
		}
	}
	if (is_complete)
		begin_session(keeper, kept);
}

bool kept_is_longer(const struct peer_stream_facts *a, const struct peer_stream_facts *b)
{
	if (a->epoch != b->epoch)
		return a->epoch > b->epoch;
	return a->end != b->end ? a->end > b->end : a->meta > b->meta;
}

// The set that is left while the log is fetched: without us, and without those that hold nothing. *other:
// a member that the configuration no longer gives the stream to, 0: none.
static struct cluster_record without_lost(const struct keeper *keeper, const struct kept *kept,
					  uint16_t *other)
{
	struct cluster_record next = kept->record;

	*other = 0;
	next.in_sync_count = 0;
	for (uint32_t i = 0; i < kept->record.in_sync_count; i++) {
		const struct cluster_replica *member = &kept->record.in_sync[i];

		if (member->server == keeper->config.server->id || kept_is_lost(keeper, member))
			continue;
		if (kept_is_replica(kept, member->server))
			next.in_sync[next.in_sync_count++] = *member;
		else
			*other = member->server;
	}
	return next;
}

// It refused to be fetched from, in the incarnation that it is in.
static bool is_unfit(const struct kept *kept, const struct peer *peer)
{
	return kept->peers[peer->index].unfit == kept_incarnation(peer);
}

// Nobody that is there is fit. What made them refuse may pass, and they may hold the only copy.
static void ask_again_later(const struct keeper *keeper, struct kept *kept, uint64_t now_ns)
{
	if (kept->unfit_ns == 0)
		kept->unfit_ns = now_ns;
	if (now_ns - kept->unfit_ns < keeper->config.start_timeout_ns)
		return;
	kept->unfit_ns = 0;
	for (uint32_t i = 0; i < SERVER_PEERS_MAX; i++)
		kept->peers[i].unfit = 0;
}

void kept_choose(struct keeper *keeper, struct kept *kept, uint64_t now_ns)
{
	uint16_t other;
	struct cluster_record next = without_lost(keeper, kept, &other);
	const struct cluster_replica *best = NULL, *missing = NULL, *unfit = NULL;
	struct peer_stream_facts best_facts = {0}, facts;

	if (kept->record.in_sync_count == 0) {
		kept_waits(kept, KEEPER_NOBODY, 0);
		return;
	}
	if (next.in_sync_count == 0 && other != 0) {
		kept_waits(kept, KEEPER_WAITS_FOR, other);
		return;
	}
	if (next.in_sync_count == 0) {
		begin_session(keeper, kept);
		return;
	}
	for (uint32_t i = 0; i < next.in_sync_count; i++) {
		const struct cluster_replica *member = &next.in_sync[i];
		const struct peer *peer = kept_peer(keeper, member->server);

		if (!kept_facts(kept, peer, &facts) || facts.session != kept->record.session ||
		    kept_incarnation(peer) != member->incarnation ||
		    kept_verdict(peer) == PEER_DEAD) {
			if (missing == NULL)
				missing = member;
		} else if (is_unfit(kept, peer)) {
			if (unfit == NULL)
				unfit = member;
		} else if (best == NULL || kept_is_longer(&facts, &best_facts) ||
			   (!kept_is_longer(&best_facts, &facts) &&
			    member->server < best->server)) {
			best = member;
			best_facts = facts;
		}
	}
	if (best == NULL)
		kept->first_ns = 0;
	else if (kept->first_ns == 0)
		kept->first_ns = now_ns;
	if (best != NULL || unfit == NULL)
		kept->unfit_ns = 0;
	else
		ask_again_later(keeper, kept, now_ns);
	if (best == NULL && missing == NULL) {
		kept_waits(kept, KEEPER_NOT_WHOLE, unfit->server);
		return;
	}
	if (best == NULL ||
	    (missing != NULL && now_ns - kept->first_ns < keeper->config.start_timeout_ns)) {
		wait_for(kept, kept_peer(keeper, missing->server), missing->server);
		return;
	}
	kept->source = *best;
	next.epoch++;
	kept_change(keeper, kept, &next, KEEPER_FETCHING);
}

void kept_fetch(struct keeper *keeper, struct kept *kept)
{
	const struct server *server = keeper->config.server;
	const struct peer *peer = kept_peer(keeper, kept->source.server);
	struct cluster_record next;
	uint16_t other;

	if (kept->is_fetched) {
		next = without_lost(keeper, kept, &other);
		next.in_sync[next.in_sync_count++] =
			(struct cluster_replica){server->id, server->incarnation};
		kept_change(keeper, kept, &next, KEEPER_LEADING);
	} else if (kept_incarnation(peer) != kept->source.incarnation ||
		   kept_verdict(peer) == PEER_DEAD || is_unfit(kept, peer)) {
		kept->state = KEEPER_CHOOSING;
		kept->first_ns = 0;
		kept->fetch_due = false;
	}
}
