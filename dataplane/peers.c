// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/peers.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "dataplane/stages.h"

#define FACTS_TRIES 100 // a writer takes a few stores: more means that it stands still within

static_assert(PEERS_KEY_BYTES >= crypto_generichash_KEYBYTES_MIN &&
		      PEERS_KEY_BYTES <= crypto_generichash_KEYBYTES_MAX &&
		      GODWIT_MAC_BYTES >= crypto_generichash_BYTES_MIN,
	      "what the MAC takes");

// ---- set-up ------------------------------------------------------------------------------------

static bool config_holds(const struct server *server, const struct peers_config *c)
{
	if (c->cluster == NULL || c->cluster[0] == '\0' || c->secret == NULL ||
	    c->secret_bytes == 0 || c->interval_us == 0 || c->count == 0 ||
	    c->count > SERVER_PEERS_MAX)
		return false;
	for (uint32_t i = 0; i < c->count; i++) {
		if (c->peers[i].id == server->id)
			return false;
		for (uint32_t k = 0; k < i; k++)
			if (c->peers[i].id == c->peers[k].id ||
			    godwit_address_equal(&c->peers[i].address, &c->peers[k].address))
				return false;
	}
	return true;
}

// Another cluster with the same secret has another key.
static void make_key(struct peers *peers, const struct peers_config *c)
{
	static const char purpose[] = "godwit cluster";
	crypto_generichash_state state;

	crypto_generichash_init(&state, NULL, 0, sizeof(peers->key));
	crypto_generichash_update(&state, (const uint8_t *)purpose, sizeof(purpose));
	crypto_generichash_update(&state, (const uint8_t *)c->cluster, strlen(c->cluster) + 1);
	crypto_generichash_update(&state, c->secret, c->secret_bytes);
	crypto_generichash_final(&state, peers->key, sizeof(peers->key));
}

static void *zeroed_lines(uint64_t bytes)
{
	uint64_t rounded = (bytes + CACHE_LINE - 1) & ~(CACHE_LINE - 1ull);
	void *memory = aligned_alloc(CACHE_LINE, rounded);

	if (memory != NULL)
		memset(memory, 0, rounded);
	return memory;
}

static uint64_t streams_bytes(uint32_t count, uint32_t streams)
{
	return (uint64_t)count * (streams > 0 ? streams : 1) * sizeof(struct peer_stream);
}

uint64_t peers_bytes(uint32_t count, uint32_t streams)
{
	return streams_bytes(count, streams) +
	       2 * crossing_bytes(PEERS_RING_SLOTS, PEERS_SLOT_BYTES);
}

int peers_init(struct server *server, const struct peers_config *config)
{
	struct peers *peers = &server->peers;
	uint32_t slots = config->ring_slots != 0 ? config->ring_slots : PEERS_RING_SLOTS;
	uint64_t ring = crossing_bytes(slots, PEERS_SLOT_BYTES);

	if (!config_holds(server, config))
		return -EINVAL;
	peers->streams_memory = zeroed_lines(streams_bytes(config->count, server->stream_count));
	peers->punts_memory = zeroed_lines(ring);
	peers->sends_memory = zeroed_lines(ring);
	if (peers->streams_memory == NULL || peers->punts_memory == NULL ||
	    peers->sends_memory == NULL) {
		peers_fini(server);
		return -ENOMEM;
	}
	crossing_init(&peers->punts, peers->punts_memory, slots, PEERS_SLOT_BYTES);
	crossing_init(&peers->sends, peers->sends_memory, slots, PEERS_SLOT_BYTES);
	peers->cluster = XXH3_64bits(config->cluster, strlen(config->cluster));
	peers->config = config->config;
	peers->interval_us = config->interval_us;
	make_key(peers, config);
	for (uint32_t i = 0; i < config->count; i++) {
		struct peer *peer = &peers->peers[i];

		peer->id = peers->ids[i] = config->peers[i].id;
		peer->weight = config->peers[i].weight;
		peer->address = config->peers[i].address;
		peer->index = i;
		peer->streams = peers->streams_memory + (size_t)i * server->stream_count;
		atomic_init(&peer->refusal, PEER_NOT_MET);
	}
	peers->count = config->count;
	return 0;
}

void peers_fini(struct server *server)
{
	struct peers *peers = &server->peers;

	free(peers->streams_memory);
	free(peers->punts_memory);
	free(peers->sends_memory);
	sodium_memzero(peers, sizeof(*peers));
}

// ---- frames ------------------------------------------------------------------------------------

uint64_t peers_stream_hash(const char name[GODWIT_NAME_BYTES])
{
	return XXH3_64bits(name, GODWIT_NAME_BYTES);
}

struct peer *peers_find(struct peers *peers, uint16_t id)
{
	for (uint32_t i = 0; i < peers->count; i++)
		if (peers->ids[i] == id)
			return &peers->peers[i];
	return NULL;
}

static void mac_of(const struct peers *peers, const void *frame, uint32_t length,
		   uint8_t mac[GODWIT_MAC_BYTES])
{
	crypto_generichash(mac, GODWIT_MAC_BYTES, frame, length, peers->key, sizeof(peers->key));
}

uint32_t peers_sign(const struct peers *peers, void *frame, uint32_t length)
{
	mac_of(peers, frame, length, (uint8_t *)frame + length);
	return length + GODWIT_MAC_BYTES;
}

bool peers_verify(const struct peers *peers, const void *frame, uint32_t length)
{
	uint8_t mac[GODWIT_MAC_BYTES];
	uint32_t signed_bytes = length - GODWIT_MAC_BYTES;

	mac_of(peers, frame, signed_bytes, mac);
	return sodium_memcmp(mac, (const uint8_t *)frame + signed_bytes, sizeof(mac)) == 0;
}

enum tx_verdict peers_begin(struct core *core, struct peer *peer, uint32_t bytes_max, uint8_t **at)
{
	struct route *route = &core->peer_routes[peer->index];
	enum tx_verdict verdict;

	if (core->tx_is_full)
		return TX_FULL;
	route->to = peer->address;
	verdict = core->tx.begin(core->tx.arg, route, bytes_max + GODWIT_MAC_BYTES, at);
	if (verdict == TX_FULL)
		core->tx_is_full = true;
	if (verdict == TX_NO_ROUTE)
		COUNT(core, tx_no_route, 1);
	return verdict;
}

void peers_end(struct core *core, struct peer *peer, uint8_t *at, uint32_t length)
{
	const struct server *server = core->server;
	struct godwit_from_server *from = (void *)at;

	(void)peer;
	assert(length >= sizeof(*from));
	from->cluster = godwit_be64(server->peers.cluster);
	from->incarnation = godwit_be64(server->incarnation);
	from->server = godwit_be16(server->id);
	from->zero = godwit_be16(0);
	length = peers_sign(&server->peers, at, length);
	core->tx.end(core->tx.arg, length, 0, TX_NO_SUM);
	COUNT(core, tx_datagrams, 1);
	COUNT(core, tx_bytes, length);
	COUNT(core, peer_tx, 1);
}

void peers_cancel(struct core *core)
{
	core->tx.cancel(core->tx.arg);
}

bool peers_send(struct core *core, struct peer *peer, const void *frame, uint32_t length)
{
	uint8_t *at;

	if (peers_begin(core, peer, length, &at) != TX_OK) {
		COUNT(core, peer_tx_lost, 1);
		return false;
	}
	memcpy(at, frame, length);
	peers_end(core, peer, at, length);
	return true;
}

// ---- classify ----------------------------------------------------------------------------------

static bool refuse(struct core *core, enum drop reason)
{
	drop_add(core->counters, reason, 1);
	COUNT(core, classify_dropped, 1);
	return false;
}

// Several cores hear it, and read one clock at different times: never back.
static void stamp(struct core *core, struct peer *peer)
{
	if (core->now_ns > atomic_load_explicit(&peer->heard_ns, memory_order_relaxed))
		atomic_store_explicit(&peer->heard_ns, core->now_ns, memory_order_relaxed);
}

// A HELLO of a later version cannot be read, but it is known who sent it: worth saying.
static void note_version(struct core *core, struct peer *peer, const struct datagram *datagram)
{
	if (datagram->bytes[1] == GODWIT_PEER_HELLO && core->config.id == SERVER_LINK_CORE)
		atomic_store_explicit(&peer->refusal, PEER_REFUSED_VERSION, memory_order_relaxed);
}

bool peers_classify(struct core *core, struct datagram *datagram)
{
	struct peers *peers = &core->server->peers;
	const struct godwit_from_server *from = (const void *)datagram->bytes;
	uint64_t incarnation, known;
	struct peer *peer;

	if (godwit_get64(from->cluster) != peers->cluster)
		return refuse(core, DROP_peer_cluster);
	peer = peers_find(peers, godwit_get16(from->server));
	if (peer == NULL)
		return refuse(core, DROP_peer_unknown);
	if (!godwit_address_equal(&peer->address, &datagram->from))
		return refuse(core, DROP_peer_address);
	if (!peers_verify(peers, datagram->bytes, datagram->length))
		return refuse(core, DROP_peer_mac);
	if (from->frame.version != GODWIT_VERSION) {
		note_version(core, peer, datagram);
		return refuse(core, DROP_peer_version);
	}
	incarnation = godwit_get64(from->incarnation);
	known = atomic_load_explicit(&peer->incarnation, memory_order_relaxed);
	if (incarnation > known && core->config.id == SERVER_LINK_CORE)
		peers_new_incarnation(core, peer, incarnation);
	// It does not know that it was started again before: its HELLO is answered, so that it learns.
	if (incarnation == 0 || (incarnation < known && datagram->bytes[1] != GODWIT_PEER_HELLO))
		return refuse(core, DROP_peer_stale_incarnation);
	if (incarnation >= known)
		stamp(core, peer);
	datagram->peer = peer;
	return true;
}

bool peers_path_misses(struct peers_path *path, uint64_t seq, uint64_t now_ns)
{
	if (seq != path->missed) {
		path->missed = seq;
		path->missed_ns = now_ns;
		path->misses = 0;
		return false;
	}
	if (now_ns - path->missed_ns < PEERS_MISS_NS)
		return false;
	path->missed_ns = now_ns;
	if (++path->misses < PEERS_MISSES || peers_path_is_narrow(path, now_ns))
		return false;
	path->narrow_ns = now_ns + PEERS_NARROW_NS;
	return true;
}

// ---- what peers say ----------------------------------------------------------------------------

bool peer_stream_get(const struct peer_stream *s, struct peer_stream_facts *facts)
{
	for (uint32_t tries = 0; tries < FACTS_TRIES; tries++) {
		uint32_t told;
		// pairs with: the last store of peers_link.c's facts_store
		uint32_t version = atomic_load_explicit(&s->version, memory_order_acquire);

#define LOAD(field) atomic_load_explicit(&s->field, memory_order_relaxed)
		*facts = (struct peer_stream_facts){
			.session = LOAD(session),
			.earliest = LOAD(earliest),
			.end = LOAD(end),
			.commit = LOAD(commit),
			.log_bytes = LOAD(log_bytes),
			.meta = LOAD(meta),
			.epoch = LOAD(epoch),
			.feed_age_ms = LOAD(feed_age_ms),
		};
		told = LOAD(told);
#undef LOAD
		// pairs with: the fence of facts_store
		atomic_thread_fence(memory_order_acquire);
		if (version % 2 == 0 &&
		    atomic_load_explicit(&s->version, memory_order_relaxed) == version)
			return told != 0;
	}
	return false;
}

bool peer_is_cut_off(const struct peers *peers, const struct peer *peer, uint64_t now_ns)
{
	uint64_t hears_ns = atomic_load_explicit(&peer->hears_ns, memory_order_relaxed);
	uint64_t heard_ns = atomic_load_explicit(&peer->heard_ns, memory_order_relaxed);
	uint64_t most_ns = PEERS_CUT_BEATS * 1000ull * peers->interval_us;

	if (atomic_load_explicit(&peer->verdict, memory_order_relaxed) == PEER_SUSPECT &&
	    now_ns > heard_ns + most_ns)
		return true;
	return hears_ns != 0 && heard_ns > hears_ns + most_ns;
}

uint64_t peers_stands_ns(const struct peers *peers)
{
	uint64_t beats_ns = PEERS_STANDS_BEATS * 1000ull * peers->interval_us;

	return beats_ns > PEERS_STANDS_NS ? beats_ns : PEERS_STANDS_NS;
}

bool peer_takes_part(const struct peer *peer)
{
	return atomic_load_explicit(&peer->refusal, memory_order_relaxed) == PEER_ACCEPTED &&
	       atomic_load_explicit(&peer->refused_us, memory_order_relaxed) == PEER_ACCEPTED;
}
