// SPDX-License-Identifier: BSD-3-Clause
//
// Peers: the other servers of the cluster, as the dataplane sees them. A frame of a peer proves itself
// by its MAC; what it says of its sender (alive, incarnation, how far it has each stream) is written
// here and read by everybody; what it asks for goes to whom it concerns:
//
//   rx -> classify -+- REPLICATE, META, SNAPSHOT, RECONCILE, PEER_ACK -> home core of the stream (replication.h)
//                   +- PEER_HELLO, PEER_HEARTBEAT                     -> link core (peers_link.c)
//                   +- HANDOVER .. PROBE_RESULT                       -> link core -> punt ring -> control
//
// The link core is core 0: it times HELLOs and heartbeats, and sends for control. Home cores of
// replicated streams send by themselves, so such a core has a transmit queue (checked at the start).
// Only the link core takes over a new incarnation: a frame that shows one goes there first.
//
// A peer takes part once its HELLO, or its answer to ours, was accepted: until then its heartbeats
// count, and nothing else of it does.
//
// Threads: as the fields say. Limits: SERVER_PEERS_MAX peers.
#ifndef DATAPLANE_PEERS_H
#define DATAPLANE_PEERS_H

#include <godwit/wire.h>

#include "dataplane/crossing.h"
#include "dataplane/tx.h"

#define SERVER_PEERS_MAX  15
#define SERVER_LINK_CORE  0
#define PEERS_STREAMS_MAX 7 // entries of one PEER_HELLO or PEER_HEARTBEAT
#define PEERS_KEY_BYTES	  32
#define PEERS_RING_SLOTS  1024 // of punt and send rings, by default
#define PEERS_SLOT_BYTES  1600 // of punt and send rings: struct peers_head and a frame
#define PEERS_HELLO_BEATS 10   // intervals from an unanswered HELLO to the next
#define PEERS_CUT_BEATS                                                                            \
	10 // intervals in which only one of two heard the other: the way is cut in one direction
#define PEERS_NEVER_FED UINT32_MAX

// What every path carries: 576 bytes with the headers of IPv4 (RFC 791). Frames of records and of cursors are larger
// until a peer shows that its path swallows those, then for PEERS_NARROW_NS they are not, but that of one record which
// is itself larger; all others never are.
#define PEERS_NARROW_BYTES 548
#define PEERS_NARROW_NS	   10000000000ull

// A path swallows large frames, it seems, when the same is missed PEERS_MISSES times after the first, each time
// PEERS_MISS_NS later than the last: all together longer than any round trip that is served.
#define PEERS_MISSES  4
#define PEERS_MISS_NS 50000000ull

// What stands still for so many intervals, and for longer than a path needs to be found too narrow for large frames, stands.
#define PEERS_STANDS_BEATS 20
#define PEERS_STANDS_NS	   (2 * PEERS_MISSES * PEERS_MISS_NS)

struct core;
struct datagram;
struct server;
struct server_elsewhere;
struct stream;

// What a peer says of one stream that both configure. A seqlock, as struct shared_mark.
struct peer_stream {
	_Atomic uint32_t version;
	_Atomic uint32_t told; // 0: it said nothing of it in its incarnation
	_Atomic uint32_t epoch;
	_Atomic uint64_t session, earliest, end, commit, log_bytes, meta;
	_Atomic uint32_t feed_age_ms;
};

struct peers_path {	    // what a feed found out of the path to its peer
	uint64_t missed;    // first that the peer misses; 0: nothing
	uint64_t missed_ns; // when that was counted last
	uint32_t misses;    // how often, after the first
	uint64_t narrow_ns; // until then frames are narrow
};

struct peer_stream_facts { // a consistent copy
	uint64_t session;  // 0: it holds none
	uint64_t earliest, end, commit, log_bytes;
	uint64_t meta; // highest META entry held; 0: its tables are not whole
	uint32_t epoch;
	uint32_t feed_age_ms; // 0: it is the primary; PEERS_NEVER_FED: never, or it does not serve it now
};

enum peer_verdict {   // control's, of the link to it
	PEER_UNKNOWN, // not heard yet
	PEER_UP,
	PEER_SUSPECT,
	PEER_DEAD,
};

enum peer_refusal { // why it takes no part; shown by the tools. The first ones as on the wire.
	PEER_ACCEPTED = GODWIT_PEER_ACCEPTED,
	PEER_REFUSED_CONFIG = GODWIT_PEER_OTHER_CONFIG,
	PEER_REFUSED_MTU = GODWIT_PEER_SMALL_MTU,
	PEER_REFUSED_VERSION = GODWIT_PEER_OTHER_VERSION,
	PEER_NOT_MET, // no HELLO of its incarnation yet
};

struct peer {
	// set at start, then read-only				w: control   r: all
	uint16_t id, weight;
	uint32_t index; // in peers
	struct godwit_address address;
	struct peer_stream *streams; // by our stream number		w: link core   r: all
	// what its frames say					w: link core   r: all
	alignas(CACHE_LINE) _Atomic uint64_t incarnation; // highest seen; 0: never heard
	_Atomic uint32_t refusal;			  // enum peer_refusal: ours of it
	_Atomic uint32_t refused_us;			  // enum godwit_peer_refusal: its of us
	_Atomic uint32_t mtu;				  // its ports' smallest
	_Atomic uint32_t interval_us;			  // its heartbeats'
	_Atomic uint32_t is_draining;			  // it takes no clients
	_Atomic uint64_t number_heard; // of its last heartbeat; 0: none of its incarnation
	_Atomic uint64_t
		hears_ns; // when it last said that it hears us (its `heard` moved); 0: never
	// any valid frame of its incarnation			w: all, relaxed   r: all
	alignas(CACHE_LINE) _Atomic uint64_t heard_ns; // 0: never
	// the verdict						w: control   r: all
	alignas(CACHE_LINE) _Atomic uint32_t verdict; // enum peer_verdict
	_Atomic uint64_t recorded; // highest incarnation of it that a record of ours names
	// the link core's own					w, r: link core
	alignas(CACHE_LINE) uint64_t number_sent; // of our last heartbeat
	uint64_t number_told;			  // of ours: the last that it said it heard
	uint64_t hello_due_ns, heartbeat_due_ns;
	uint32_t heartbeat_first; // stream that the next frame of the one that is due begins with
	uint64_t nonce;
	bool hello_done; // it answered a HELLO of ours in its incarnation
};

struct peers {
	// set at start, then read-only				w: control   r: all
	uint64_t cluster; // hash of the cluster's name
	uint64_t config;  // hash of what all servers must have alike
	uint8_t key[PEERS_KEY_BYTES];
	uint32_t interval_us;
	uint32_t count; // 0: there is no cluster
	uint16_t ids[SERVER_PEERS_MAX];
	struct peer peers[SERVER_PEERS_MAX];
	struct peer_stream *streams_memory;
	void *punts_memory, *sends_memory;
	// an incarnation of ours that a peer knows, above the one we are: start again above it; 0: none
	//							w: link core   r: control
	alignas(CACHE_LINE) _Atomic uint64_t known_above;
	uint64_t incarnation_said; // ours, in the last HELLO	w, r: link core
	uint32_t draining_said;	   // is_draining, in the last heartbeats	w, r: link core
	// we are drained: our clients go elsewhere, and no new ones come	w: control   r: all
	alignas(CACHE_LINE) _Atomic uint32_t is_draining;
	// frames for control, struct peers_head before each	w: link core   r: control
	struct crossing punts;
	// frames of control to send, the same			w: control   r: link core
	struct crossing sends;
};

struct peers_head {    // before each frame in punts and sends
	uint32_t peer; // index
	uint32_t zero;
};

// ---- set-up (peers.c) --------------------------------------------------------------------------

struct peer_config {
	uint16_t id, weight;
	struct godwit_address address;
};

struct peers_config {
	const char *cluster; // name
	const void *secret;  // that all servers share; the key is made of it and of the name
	uint32_t secret_bytes;
	uint64_t config; // hash of what all servers must have alike
	uint32_t interval_us;
	uint32_t ring_slots; // of punt and send rings, a power of two; 0: PEERS_RING_SLOTS
	uint32_t count;
	const struct peer_config *peers; // the others: not the server itself
};

// Make server->peers, which is zeroed. server's id and streams are set. 0, -EINVAL (no name or
// secret, no or too many peers, an id or address twice or our own id, no interval) or -ENOMEM; then there
// is no cluster. Thread: control, before the cores run.
int peers_init(struct server *server, const struct peers_config *config);
// Gives the memory back; there is no cluster then. Of zeroed peers: no effect. Thread: at rest.
void peers_fini(struct server *server);
// Bytes that peers_init takes, for the start-up report.
uint64_t peers_bytes(uint32_t count, uint32_t streams);

// ---- frames (peers.c) --------------------------------------------------------------------------

// The hash by which peers name a stream: of the name zero padded to 64 bytes. Thread: any.
uint64_t peers_stream_hash(const char name[GODWIT_NAME_BYTES]);

// The peer of that server id, or NULL. Thread: any.
struct peer *peers_find(struct peers *peers, uint16_t id);

// Append the MAC to `length` bytes of a frame. Returns the length with it. Thread: any.
uint32_t peers_sign(const struct peers *peers, void *frame, uint32_t length);
// Whether the frame's last GODWIT_MAC_BYTES are its MAC. length: with it, >= GODWIT_MAC_BYTES. Thread: any.
bool peers_verify(const struct peers *peers, const void *frame, uint32_t length);

// A frame to a peer built in place: room for `bytes_max` bytes and the MAC at *at. The next is
// peers_end or peers_cancel. FULL: tried again next turn (core->tx_is_full is set); NO_ROUTE: counted. Thread: any core.
enum tx_verdict peers_begin(struct core *core, struct peer *peer, uint32_t bytes_max, uint8_t **at);
// Fill in cluster, incarnation and server id, sign `length` bytes and send. The rest of the frame, its stream
// epoch and header are the caller's. Thread: the core that began.
void peers_end(struct core *core, struct peer *peer, uint8_t *at, uint32_t length);
void peers_cancel(struct core *core);

// Send a frame of `length` bytes without MAC: as peers_begin, a copy and peers_end. False: not sent (no
// room or no route), counted as peer_tx_lost. Thread: any core.
bool peers_send(struct core *core, struct peer *peer, const void *frame, uint32_t length);

// The peer lives, and misses what `seq` (not 0) names though it was sent again. True: frames to it are narrow from now
// on, for the caller to count. Thread: the feed's core.
bool peers_path_misses(struct peers_path *path, uint64_t seq, uint64_t now_ns);
// Whether frames are to be narrow now. Thread: the feed's core.
static inline bool peers_path_is_narrow(const struct peers_path *path, uint64_t now_ns)
{
	return now_ns < path->narrow_ns;
}

// Classify one datagram with a type of peers whose form is right: its sender is datagram->peer then.
// False: dropped, counted by the reason. Thread: any core.
bool peers_classify(struct core *core, struct datagram *datagram);

// ---- what peers say (peers.c) ------------------------------------------------------------------

// What it said of a stream of ours; false: nothing yet in its incarnation, or it is just being written
// (try again). Thread: any.
bool peer_stream_get(const struct peer_stream *stream, struct peer_stream_facts *facts);

// Whether it takes part: met, and neither side refused the other. Thread: any.
bool peer_takes_part(const struct peer *peer);

// Whether the way between us is cut in one direction, so that of what we send no acknowledgement comes. It was heard
// for PEERS_CUT_BEATS of our intervals after it last said that it hears us; or it was not heard for so long, but others
// hear it: else it were dead. Thread: any.
bool peer_is_cut_off(const struct peers *peers, const struct peer *peer, uint64_t now_ns);

// How long a log or an acknowledgement that lacks something may stand still before it is said to. Thread: any.
uint64_t peers_stands_ns(const struct peers *peers);

// ---- where clients are sent (peers_targets.c) ----------------------------------------------------

// Whether it is up, takes part, and takes clients. Thread: any.
bool peer_takes_clients(const struct peer *peer);

// Whether that server of the cluster, this one or another, says that it is drained. Thread: any.
bool peers_is_draining(const struct server *server, uint16_t id);

// The server that a client is to ask for what comes after a position of a stream that cannot be served here: of those
// that are up and hold it, rather of those that take clients, by weight, the same for one client id; NULL: none is known.
// Thread: any.
const struct godwit_server_entry *peers_holder(const struct server *server,
					       const struct stream *stream, uint64_t client,
					       struct godwit_identifier after);

// The same of a stream that is not held here: its primary, which has an answer to every position, and where that is not up
// or takes no clients, one of those that hold it by the configuration.
const struct godwit_server_entry *peers_elsewhere(const struct server *server,
						  const struct server_elsewhere *elsewhere,
						  uint64_t client);

// The server that orders the stream; NULL: this one does, or it is not up. Thread: any.
const struct godwit_server_entry *peers_primary(const struct server *server,
						const struct stream *stream);

// The server that a new client of the stream is to go to while this one is drained: of those that take clients
// and serve it now, by weight, the same for one client id. after: a position that it must hold, or NULL. Returns
// NULL where there is none, or this server is not drained. now_ns: for the age of our feed. Thread: any.
const struct godwit_server_entry *peers_instead(const struct server *server,
						const struct stream *stream, uint64_t client,
						const struct godwit_identifier *after,
						uint64_t now_ns);

// ---- the link core (peers_link.c) --------------------------------------------------------------

// HELLOs and heartbeats that are due, then what control sends. Of another core than the link core, and
// without a cluster: no effect. Returns frames sent. Thread: the core.
uint32_t peers_turn(struct core *core);

// A PEER_HELLO or PEER_HEARTBEAT that was classified. Thread: link core.
void peers_hello(struct core *core, struct peer *peer, const struct godwit_peer_hello *hello);
void peers_heartbeat(struct core *core, struct peer *peer,
		     const struct godwit_peer_heartbeat *heartbeat);

// A frame of the peer shows this incarnation, above the one known: the death of that. Thread: link core.
void peers_new_incarnation(struct core *core, struct peer *peer, uint64_t incarnation);

// Hand a frame to control. False: no room, counted as a drop. Thread: link core.
bool peers_punt(struct core *core, const struct peer *peer, const uint8_t *frame, uint32_t length);

// Have the link core send a frame: `length` bytes without MAC, its sender's fields filled in there.
// False: no room, or too long. Thread: control.
bool peers_post(struct peers *peers, uint32_t peer, const void *frame, uint32_t length);

#endif
