// SPDX-License-Identifier: BSD-3-Clause
//
// Where clients are sent that cannot be served here, or are not to be: another server of the list, by what
// it says of itself and of the stream.
#include "dataplane/rendezvous.h"
#include "dataplane/server.h"

bool peer_takes_clients(const struct peer *peer)
{
	return atomic_load_explicit(&peer->verdict, memory_order_relaxed) == PEER_UP &&
	       peer_takes_part(peer) &&
	       atomic_load_explicit(&peer->is_draining, memory_order_relaxed) == 0;
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

static bool holds(const struct peer_stream_facts *facts, struct godwit_identifier after)
{
	return facts->session == after.session && after.seq <= facts->end &&
	       after.seq + 1 >= facts->earliest;
}

const struct godwit_server_entry *peers_holder(const struct server *server,
					       const struct stream *stream,
					       struct godwit_identifier after)
{
	const struct godwit_server_entry *drained = NULL;

	for (uint32_t i = 0; i < server->peers.count; i++) {
		const struct peer *peer = &server->peers.peers[i];
		const struct godwit_server_entry *entry = server_entry(server, peer->id);
		struct peer_stream_facts facts;

		if (entry == NULL ||
		    atomic_load_explicit(&peer->verdict, memory_order_relaxed) != PEER_UP ||
		    !peer_stream_get(&peer->streams[stream->number], &facts) ||
		    !holds(&facts, after))
			continue;
		if (peer_takes_clients(peer))
			return entry;
		// What nobody else holds is served by one that is drained.
		drained = entry;
	}
	return drained;
}

const struct godwit_server_entry *peers_primary(const struct server *server,
						const struct stream *stream)
{
	const struct peer *peer;

	if (stream->role != STREAM_REPLICA)
		return NULL;
	peer = &server->peers.peers[stream->primary];
	if (atomic_load_explicit(&peer->verdict, memory_order_relaxed) != PEER_UP ||
	    !peer_takes_part(peer))
		return NULL;
	return server_entry(server, peer->id);
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
	const struct godwit_server_entry *entries[SERVER_PEERS_MAX];
	struct rendezvous_server servers[SERVER_PEERS_MAX];
	uint32_t count = 0, picked;
	uint32_t own_age_ms = stream_feed_age_ms(stream, now_ns);

	if (atomic_load_explicit(&server->peers.is_draining, memory_order_relaxed) == 0)
		return NULL;
	for (uint32_t k = 0; k < server->peers.count; k++) {
		const struct peer *peer = &server->peers.peers[k];
		const struct godwit_server_entry *entry = server_entry(server, peer->id);
		struct peer_stream_facts facts;

		if (entry == NULL || !peer_takes_clients(peer) ||
		    !peer_stream_get(&peer->streams[stream->number], &facts) ||
		    facts.session != stream_session(stream) ||
		    !is_fed(server, &facts, own_age_ms) ||
		    (after != NULL && !holds(&facts, *after)))
			continue;
		entries[count] = entry;
		servers[count++] = (struct rendezvous_server){peer->id, peer->weight};
	}
	picked = rendezvous_pick(client, servers, count);
	return picked != RENDEZVOUS_NONE ? entries[picked] : NULL;
}
