// SPDX-License-Identifier: BSD-3-Clause
//
// Peers: the other servers of the cluster, as the dataplane sees them. A frame of a peer proves itself
// by its MAC; what it says of its sender (alive, incarnation, how far it has each stream) is written
// here and read by everybody; what it asks for goes to whom it concerns:
//
//   rx -> classify -+- REPLICATE, META, SNAPSHOT, RECONCILE, PEER_ACK -> home core of the stream (replica.c, source.c)
//                   +- PEER_HELLO, PEER_HEARTBEAT                     -> link core: here (peers.c)
//                   +- HANDOVER .. PROBE_RESULT, cursors              -> link core -> punt ring -> control
//
// The link core is core 0: it times HELLOs and heartbeats, and sends for control. Home cores of
// replicated streams send by themselves, so such a core has a transmit queue (checked at the start).
//
// Threads: as the fields say. Limits: SERVER_PEERS_MAX peers.
#ifndef DATAPLANE_PEERS_H
#define DATAPLANE_PEERS_H

#include <godwit/wire.h>

#include "dataplane/crossing.h"
#include "dataplane/tx.h"

#define SERVER_PEERS_MAX 15
#define SERVER_LINK_CORE 0
#define PEERS_STREAMS_MAX                                                                          \
	16 // entries of one PEER_HELLO or PEER_HEARTBEAT, as many frames as needed
#define PEERS_KEY_BYTES	 32
#define PEERS_RING_SLOTS 1024
#define PEERS_SLOT_BYTES 1600 // of punt and send rings: struct peers_head and a frame

struct core;
struct server;
struct stream;

// What a peer says of one stream that both configure. A seqlock, as struct shared_mark.
struct peer_stream {
	_Atomic uint32_t version;
	_Atomic uint32_t epoch;
	_Atomic uint64_t session, earliest, end, commit, log_bytes;
	_Atomic uint32_t feed_age_ms;
};

struct peer_stream_facts { // a consistent copy
	uint64_t session, earliest, end, commit, log_bytes;
	uint32_t epoch, feed_age_ms;
};

enum peer_verdict {   // control's, of the link to it
	PEER_UNKNOWN, // not heard yet
	PEER_UP,
	PEER_SUSPECT,
	PEER_DEAD,
};

enum peer_refusal { // why its HELLO is not accepted; shown by the tools
	PEER_ACCEPTED,
	PEER_REFUSED_CLUSTER,
	PEER_REFUSED_CONFIG,
	PEER_REFUSED_MTU,
	PEER_REFUSED_VERSION,
};

struct peer {
	// set at start, then read-only				w: control   r: all
	uint16_t id, weight;
	struct godwit_address address;
	// what its frames say					w: link core   r: all
	alignas(CACHE_LINE) _Atomic uint64_t incarnation; // highest seen; 0: never heard
	_Atomic uint32_t refusal;			  // enum peer_refusal
	_Atomic uint32_t mtu;
	_Atomic uint64_t number_heard; // of its last heartbeat
	_Atomic uint64_t
		hears_ns; // when it last said that it hears us (its `heard` moved); 0: never
	struct peer_stream *streams; // by our stream number
	// any valid frame of its incarnation			w: all, relaxed   r: all
	alignas(CACHE_LINE) _Atomic uint64_t heard_ns;
	// the verdict						w: control   r: all
	alignas(CACHE_LINE) _Atomic uint32_t verdict; // enum peer_verdict
	// the link core's own					w, r: link core
	alignas(CACHE_LINE) uint64_t number_sent; // of our last heartbeat
	uint64_t hello_due_ns, heartbeat_due_ns;
	uint64_t nonce;
	bool hello_done; // it answered a HELLO of ours in its incarnation
};

struct peers {
	// set at start, then read-only				w: control   r: all
	uint64_t cluster; // hash of the cluster's name; 0: there is no cluster
	uint64_t config;  // hash of what all servers must have alike
	uint8_t key[PEERS_KEY_BYTES];
	uint32_t interval_us;
	uint32_t count;
	struct peer peers[SERVER_PEERS_MAX];
	// frames for control, struct peers_head before each	w: link core   r: control
	struct crossing punts;
	// frames of control to send, the same			w: control   r: link core
	struct crossing sends;
	void *punts_memory, *sends_memory;
};

struct peers_head {    // before each frame in punts and sends
	uint32_t peer; // index
	uint32_t zero;
};

#endif
