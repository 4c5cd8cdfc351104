// SPDX-License-Identifier: BSD-3-Clause
//
// The in-sync set of a stream that is led: who leaves it, and who comes in.
#include "control/keeper_inside.h"

bool kept_is_lost(const struct keeper *keeper, const struct cluster_replica *member)
{
	const struct server *server = keeper->config.server;
	const struct peer *peer;

	if (member->server == server->id)
		return member->incarnation != server->incarnation;
	peer = kept_peer(keeper, member->server);
	return peer != NULL && kept_incarnation(peer) > member->incarnation;
}

// Nothing of ours gets to it, or nothing of it to us: it cannot acknowledge. What was or was not heard while we
// stood still ourselves says nothing.
static bool is_cut_off(const struct keeper *keeper, const struct peer *peer, uint64_t now_ns)
{
	const struct peers *peers = &keeper->config.server->peers;

	return peer_is_cut_off(peers, peer, now_ns) &&
	       now_ns >= keeper->excused_ns + PEERS_CUT_BEATS * 1000ull * peers->interval_us;
}

// It keeps the commit back too far, or is to begin anew.
static bool is_behind(const struct kept_peer *of, uint64_t incarnation, uint64_t now_ns)
{
	return of->lags == incarnation && now_ns - of->lags_ns < KEEPER_LAGS_NS;
}

// It does not help to commit.
static bool is_weak(const struct keeper *keeper, const struct kept *kept,
		    const struct cluster_replica *member, uint64_t now_ns)
{
	const struct peer *peer = kept_peer(keeper, member->server);
	const struct kept_peer *of;

	if (peer == NULL)
		return false; // ourselves
	of = &kept->peers[peer->index];
	if (is_behind(of, member->incarnation, now_ns))
		return true;
	return kept_verdict(peer) == PEER_DEAD || is_cut_off(keeper, peer, now_ns) ||
	       // Never heard here: no verdict says so.
	       (kept_incarnation(peer) < member->incarnation &&
		now_ns - keeper->begun_ns >= keeper->config.start_timeout_ns);
}

bool kept_is_replica(const struct kept *kept, uint16_t server)
{
	for (uint32_t i = 0; i < kept->config.replica_count; i++)
		if (kept->config.replicas[i] == server)
			return true;
	return false;
}

static void put(struct cluster_record *record, uint16_t server, uint64_t incarnation)
{
	for (uint32_t i = 0; i < record->in_sync_count; i++) {
		if (record->in_sync[i].server != server)
			continue;
		record->in_sync[i].incarnation = incarnation;
		return;
	}
	record->in_sync[record->in_sync_count++] = (struct cluster_replica){server, incarnation};
}

// Who proposed itself comes in, if it still is that process; else it is refused.
static void grow(const struct keeper *keeper, struct kept *kept, struct cluster_record *next,
		 uint64_t now_ns)
{
	const struct peers *peers = &keeper->config.server->peers;

	for (uint32_t i = 0; i < peers->count; i++) {
		const struct peer *peer = &peers->peers[i];
		struct kept_peer *of = &kept->peers[i];

		if (of->proposal == 0)
			continue;
		if (kept_incarnation(peer) == of->proposed && kept_verdict(peer) != PEER_DEAD &&
		    !is_cut_off(keeper, peer, now_ns) && !is_behind(of, of->proposed, now_ns) &&
		    kept_is_replica(kept, peer->id)) {
			put(next, peer->id, of->proposed);
			continue;
		}
		of->proposal = 0;
		kept->record_due = true;
	}
}

static void shrink(const struct keeper *keeper, const struct kept *kept,
		   struct cluster_record *next, uint64_t now_ns)
{
	for (uint32_t i = next->in_sync_count; i-- > 0;) {
		if (next->in_sync_count <= kept->config.min_in_sync ||
		    !is_weak(keeper, kept, &next->in_sync[i], now_ns))
			continue;
		next->in_sync[i] = next->in_sync[--next->in_sync_count];
	}
}

static bool is_same_set(const struct cluster_record *a, const struct cluster_record *b)
{
	if (a->in_sync_count != b->in_sync_count)
		return false;
	for (uint32_t i = 0; i < a->in_sync_count; i++)
		if (!cluster_in_sync_as(b, a->in_sync[i].server, a->in_sync[i].incarnation))
			return false;
	return true;
}

void kept_lead(struct keeper *keeper, struct kept *kept, uint64_t now_ns)
{
	struct cluster_record next = kept->record;

	next.in_sync_count = 0;
	for (uint32_t i = 0; i < kept->record.in_sync_count; i++) {
		const struct cluster_replica *member = &kept->record.in_sync[i];

		if (!kept_is_lost(keeper, member) && (member->server == keeper->config.server->id ||
						      kept_is_replica(kept, member->server)))
			next.in_sync[next.in_sync_count++] = *member;
	}
	grow(keeper, kept, &next, now_ns);
	shrink(keeper, kept, &next, now_ns);
	if (!is_same_set(&next, &kept->record) ||
	    kept->record.min_in_sync != kept->config.min_in_sync)
		kept_change(keeper, kept, &next, KEEPER_LEADING);
}

void kept_settle(const struct keeper *keeper, struct kept *kept)
{
	const struct peers *peers = &keeper->config.server->peers;

	for (uint32_t i = 0; i < peers->count; i++) {
		struct kept_peer *of = &kept->peers[i];

		if (of->proposal != 0 &&
		    cluster_in_sync_as(&kept->record, peers->peers[i].id, of->proposed))
			*of = (struct kept_peer){0};
	}
}

uint64_t kept_answered(const struct kept *kept)
{
	uint64_t answered = kept->proposals;

	for (uint32_t i = 0; i < SERVER_PEERS_MAX; i++)
		if (kept->peers[i].proposal != 0 && kept->peers[i].proposal <= answered)
			answered = kept->peers[i].proposal - 1;
	return answered;
}
