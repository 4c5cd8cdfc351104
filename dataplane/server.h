// SPDX-License-Identifier: BSD-3-Clause
//
// The server: what all cores of one godwitd share. Set up before the cores run, then read-only, but
// for `heads`, where each stream's home core shows how far the stream is committed.
#ifndef DATAPLANE_SERVER_H
#define DATAPLANE_SERVER_H

#include "dataplane/crossing.h"
#include "dataplane/peers.h"
#include "dataplane/stream.h"

#define SERVER_STREAMS_MAX 64
#define SERVER_CORES_MAX   32
#define SERVER_LIST_MAX	   16

struct core;
struct cursor_feed;

struct server_elsewhere { // a stream of the cluster that this server does not hold
	char name[GODWIT_NAME_BYTES];
	uint16_t primary; // server id
	uint16_t replica_count;
	uint16_t replicas[SERVER_PEERS_MAX];
};

struct server {
	// set at start, then read-only				w: control   r: all
	uint16_t id;
	uint32_t mtu;		    // smallest of the ports
	uint32_t interval_ms;	    // clients' keep-alive interval
	uint32_t multiplier;	    // silent intervals after which the client counts us dead
	uint32_t lapse_ms;	    // silence after which we close a client
	uint16_t subscriptions_max; // of one client
	uint8_t cookie_key[32];
	uint8_t credential[GODWIT_CREDENTIAL_MAX];	  // that HELLO_PROOF must show
	uint16_t credential_bytes;			  // 0: none is asked for
	struct godwit_server_entry list[SERVER_LIST_MAX]; // for WELCOME
	uint32_t list_count;
	uint32_t stream_count;
	struct stream *streams[SERVER_STREAMS_MAX];
	uint32_t elsewhere_count;
	struct server_elsewhere elsewhere[SERVER_STREAMS_MAX];
	uint32_t core_count;
	struct core *cores[SERVER_CORES_MAX];
	struct cursor_feed *cursor_feed; // NULL: no cluster
	// The highest cursor epoch known of a cursor, 0 if none; NULL: no cluster. Called by any core.
	uint64_t (*cursor_highest)(void *arg, uint64_t client, uint32_t subscription,
				   uint64_t session);
	void *cursor_arg;
	struct peers peers;	    // the rest of the cluster; zeroed: there is none
	struct crossing *crossings; // [from * core_count + to]; NULL with one core
	// raised before any role is taken where a peer knows a higher one	w: control   r: all
	_Atomic uint64_t incarnation;
	// committed sequence of each stream, in one array that a core watches
	alignas(CACHE_LINE) _Atomic uint64_t heads[SERVER_STREAMS_MAX]; // w: home   r: all
};

static inline struct crossing *server_crossing(const struct server *server, uint32_t from,
					       uint32_t to)
{
	return &server->crossings[from * server->core_count + to];
}

// The stream of that name (zero padded to 64 bytes), or NULL. Thread: any.
struct stream *server_stream(const struct server *server, const uint8_t name[GODWIT_NAME_BYTES]);

// Whether a core owns a queue of a port, and so can have clients. Thread: any, once the loops have their cores.
bool server_core_sends(const struct server *server, uint32_t core);
// The server's entry in the list that clients get, or NULL. Thread: any.
const struct godwit_server_entry *server_entry(const struct server *server, uint16_t id);

// A stream that this server does not hold but the cluster has; or NULL. name: zero padded to 64 bytes. Thread: any.
const struct server_elsewhere *server_elsewhere(const struct server *server,
						const uint8_t name[GODWIT_NAME_BYTES]);

// The largest UDP payload that the server sends and takes.
static inline uint32_t server_datagram(const struct server *server)
{
	return server->mtu - GODWIT_UDP_OVERHEAD;
}

// Make the crossings between all cores, slots of one datagram each. 0 or -ENOMEM. Thread: control.
int server_crossings_create(struct server *server, uint32_t slots);
void server_crossings_destroy(struct server *server);

#endif
