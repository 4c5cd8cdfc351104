// SPDX-License-Identifier: BSD-3-Clause
//
// Where clients are sent that cannot be served here, or are not to be: another server of the list, by what
// it says of itself and of the stream.
#include "dataplane/rendezvous.h"
#include "dataplane/server.h"

static bool is_up(const struct peer *peer)
{
	return atomic_load_explicit(&peer->verdict, memory_order_relaxed) == PEER_UP &&
	       peer_takes_part(peer);
}

bool peer_takes_clients(const struct peer *peer)
{
	return is_up(peer) && atomic_load_explicit(&peer->is_draining, memory_order_relaxed) == 0;
}

bool peers_is_draining(const struct server *server, uint16_t id)
{
	const struct peers *peers = &server->peers;

	if (id == server->id)
		return atomic_load_explicit(&peers->is_draining, memory_order_relaxed) != 0;
	for (uint32_t i = 0; i < peers->count; i++)
		if (peers->ids[i] == id)
			return atomic_load_explicit(&peers->peers[i].is_draining,
						    memory_order_relaxed) != 0;
	return false;
}

// Those that may be named, and of them the one that a client gets: by weight, the same for one client id, so that many
// clients are spread.
struct choice {
	const struct godwit_server_entry *entries[SERVER_PEERS_MAX];
	struct rendezvous_server servers[SERVER_PEERS_MAX];
	uint32_t count;
};

static void choice_add(struct choice *choice, const struct server *server, const struct peer *peer)
{
	const struct godwit_server_entry *entry = server_entry(server, peer->id);

	if (entry == NULL)
		return;
	choice->entries[choice->count] = entry;
	choice->servers[choice->count++] = (struct rendezvous_server){peer->id, peer->weight};
}

static const struct godwit_server_entry *choice_of(const struct choice *choice, uint64_t client)
{
	uint32_t picked = rendezvous_pick(client, choice->servers, choice->count);

	return picked != RENDEZVOUS_NONE ? choice->entries[picked] : NULL;
}

// By the epoch of its log: one of before may have other records at the same sequences.
static bool holds(const struct peer_stream_facts *facts, struct godwit_identifier after)
{
	return facts->session == after.session && facts->epoch >= after.epoch &&
	       after.seq <= facts->end && after.seq + 1 >= facts->earliest;
}

const struct godwit_server_entry *peers_holder(const struct server *server,
					       const struct stream *stream, uint64_t client,
					       struct godwit_identifier after)
{
	struct choice takes = {.count = 0}, drained = {.count = 0};

	for (uint32_t i = 0; i < server->peers.count; i++) {
		const struct peer *peer = &server->peers.peers[i];
		struct peer_stream_facts facts;

		if (is_up(peer) && peer_stream_get(&peer->streams[stream->number], &facts) &&
		    holds(&facts, after))
			choice_add(peer_takes_clients(peer) ? &takes : &drained, server, peer);
	}
	// What nobody else holds is served by one that is drained.
	return choice_of(takes.count > 0 ? &takes : &drained, client);
}

const struct godwit_server_entry *peers_elsewhere(const struct server *server,
						  const struct server_elsewhere *elsewhere,
						  uint64_t client)
{
	struct choice takes = {.count = 0}, drained = {.count = 0};

	for (uint32_t i = 0; i < server->peers.count; i++) {
		const struct peer *peer = &server->peers.peers[i];
		bool is_holder = peer->id == elsewhere->primary;

		if (is_holder && peer_takes_clients(peer))
			return server_entry(server, peer->id);
		for (uint32_t k = 0; k < elsewhere->replica_count; k++)
			is_holder |= peer->id == elsewhere->replicas[k];
		if (is_holder && is_up(peer))
			choice_add(peer_takes_clients(peer) ? &takes : &drained, server, peer);
	}
	return choice_of(takes.count > 0 ? &takes : &drained, client);
}

const struct godwit_server_entry *peers_primary(const struct server *server,
						const struct stream *stream)
{
	const struct peer *peer;

	if (stream->role != STREAM_REPLICA)
		return NULL;
	peer = &server->peers.peers[stream->primary];
	return is_up(peer) ? server_entry(server, peer->id) : NULL;
}

// Whether its news of the stream are recent, or no older than ours.
static bool is_fed(const struct server *server, const struct peer_stream_facts *facts,
		   uint32_t own_age_ms)
{
	return facts->feed_age_ms < server->interval_ms * server->multiplier ||
	       facts->feed_age_ms <= own_age_ms;
}

const struct godwit_server_entry *peers_instead(const struct server *server,
						const struct stream *stream, uint64_t client,
						const struct godwit_identifier *after,
						uint64_t now_ns)
{
	struct choice choice = {.count = 0};
	uint32_t own_age_ms = stream_feed_age_ms(stream, now_ns);

	if (atomic_load_explicit(&server->peers.is_draining, memory_order_relaxed) == 0)
		return NULL;
	for (uint32_t k = 0; k < server->peers.count; k++) {
		const struct peer *peer = &server->peers.peers[k];
		struct peer_stream_facts facts;

		if (!peer_takes_clients(peer) ||
		    !peer_stream_get(&peer->streams[stream->number], &facts) ||
		    facts.session != stream_session(stream) ||
		    !is_fed(server, &facts, own_age_ms) ||
		    (after != NULL && !holds(&facts, *after)))
			continue;
		choice_add(&choice, server, peer);
	}
	return choice_of(&choice, client);
}
