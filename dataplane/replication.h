// SPDX-License-Identifier: BSD-3-Clause
//
// Replication: how the servers that configure a stream come to hold the same log. It is a subscription
// from server to server: the one that has the log is the source, the one that wants it the sink.
//
//   source (home core there)                                 sink (home core here)
//     RECONCILE answers   <------- RECONCILE ---------------   IDLE -> RECONCILING -> FOLLOWING
//     (source.c)          ---- OK | CUT | RESET | BUSY ---->            |       ^        |
//     feed: log -> REPLICATE ------------------------------>         CLOSING ---+   append, commit
//     (source_feed.c)     <------- PEER_ACK (NAKs) ---------   in the turn of the append (sink_append.c)
//     snapshot pages      <------- SNAPSHOT n --------------   pulled page by page (snapshot.c)
//     META entries        ---------------------------------->  applied in order (meta.c)
//        |
//     in-sync set: commit = the lowest ACK of it (insync.c)
//
// A primary is the source of its replicas. A primary that was started again is first the sink of the
// replica with the longest log (FETCH), and then their source; a replica is the source of nobody else.
// A feed reads the log itself, up to the head: it is a temporary dispatcher that stays, and what a peer
// missed or lost costs no memory. With at most SERVER_PEERS_MAX of them on a stream's home core there is
// nothing that rings and a fan-out would save.
//
// CLOSING: the sink's log is to be cut back or emptied. The stream is not served, and every core ends the
// subscriptions that stand above the cut (all of them where it lies below the commit) and says so;
// only then the log changes.
//
// Threads: all state here belongs to the stream's home core. Memory is taken at replication_create.
// Source of the rules: DESIGN sections 6 and 8, rules D, T and P; they have the shape of Kafka's (KIP-101,
// KIP-279, KIP-320, KIP-966).
#ifndef DATAPLANE_REPLICATION_H
#define DATAPLANE_REPLICATION_H

#include "dataplane/core.h"
#include "dataplane/home.h"

#define REPLICATION_PACKETS	 256   // of one feed in flight
#define REPLICATION_WINDOW	 16384 // records that a sink lets be sent beyond its end
#define REPLICATION_META_PENDING 64    // by default
#define REPLICATE_RUNS_MAX	 64 // of one frame, and the least runs_max: a sink takes a frame whole
#define SOURCE_TAIL_US		 2000 // from sending to telling of it again

static_assert(SERVER_PEERS_MAX == STREAM_PEERS_MAX, "a bit each in 32");

// A source's view of one peer that takes the stream.
struct feed {
	bool active;
	bool holds; // runs above `acked` are kept for it: it takes or has the table of publishers
	uint64_t incarnation; // of the peer
	uint32_t request;     // of the RECONCILE that opened it
	uint32_t epoch;	      // ours, in which it reconciled
	struct place place;   // next to send
	uint64_t start;	      // its first sequence
	uint64_t sent;	      // highest sequence sent
	uint64_t acked;	      // it holds everything up to here
	uint64_t edge;
	uint64_t commit_sent;
	// packets in flight: the last sequence of each
	uint64_t packets[REPLICATION_PACKETS];
	uint32_t packets_first, packets_end;
	// the tail: what was sent and is not acknowledged is told of again
	uint64_t tail_due_ns;
	uint32_t tail_wait_us;
	// META
	uint64_t meta_acked; // highest entry held; 0: it has not loaded the snapshot
	uint64_t meta_sent, meta_due_ns;
	// repairs
	uint32_t repairs_active;
	uint32_t repairs_sent; // packets, in the span that began at ...
	uint64_t repairs_ns;
	struct repair repairs[GODWIT_NAK_RANGES];
	struct nak_seen naks[GODWIT_NAK_RANGES];
	uint32_t nak_slot;
	struct peers_path path;
};

enum sink_state {
	SINK_IDLE,
	SINK_RECONCILING, // RECONCILE is repeated until its answer says OK
	SINK_CLOSING,	  // cores end subscriptions before the log is cut or emptied
	SINK_FOLLOWING,
};

struct sink {
	enum sink_state state;
	uint32_t peer;	      // index of the source
	uint64_t incarnation; // its, that it follows or asks
	uint32_t epoch;	      // the source's, in which we reconciled
	uint32_t request;     // of the last RECONCILE
	uint64_t due_ns;      // next RECONCILE, or next ACK without cause
	uint32_t wait_ms;
	bool waits_for_source; // it told us to wait, and did not serve the stream then
	// CLOSING
	bool emptied; // else cut back
	bool forced;  // the next RECONCILE shows no session: the log is of no use
	uint64_t cut, cut_session, cut_first;
	uint32_t cut_epoch;
	uint32_t cut_number; // of this closing, echoed by the cores
	uint32_t cores_told, cores_closed;
	// FOLLOWING
	uint64_t commit_mark; // highest received
	uint64_t seen;	      // highest sequence that the source is known to have sent
	uint64_t nak_end, nak_due_ns;
	uint32_t nak_wait_us;
	bool ack_due;
	uint64_t moved_place, moved_ns; // end and commit as they were when one of them moved last
	// the table of publishers, as of its base, is the stream's: it came by snapshot, and all runs since
	bool loaded;
	uint64_t meta; // highest META entry held; 0: no snapshot since we reconciled
	// pull of a snapshot
	bool pulling;
	uint32_t page, pages, page_tries;
	uint64_t page_due_ns;
	uint64_t snapshot_seq, snapshot_meta;
	uint32_t publishers, topics; // entries received
	// FETCH
	bool fetching, fetched; // fetched: control was told
	uint64_t fetch_end;	// the source's end when we reconciled
};

// A META entry, and the answer to the client that waits for it.
struct meta_entry {
	uint16_t kind; // enum godwit_meta_kind
	uint16_t bytes;
	union {
		uint8_t name[GODWIT_NAME_BYTES];
		struct godwit_meta_instance instance;
	};
	uint32_t topic; // TOPIC: its number
	uint64_t origin_handle, origin_tag;
	uint32_t origin_core;
	uint32_t answer_bytes;
	uint8_t answer[128];
};

// The stream's record in force: who is in sync. control/cluster.h keeps it.
struct replication_record {
	uint32_t stream; // number
	uint32_t epoch;
	uint64_t session;
	uint64_t proposals; // highest number of a PROPOSE that this record answers, whatever it says
	uint32_t min_in_sync;
	uint32_t count;
	struct {
		uint64_t incarnation;
		uint16_t server;
		uint16_t zero[3];
	} members[STREAM_PEERS_MAX + 1];
};
static_assert(sizeof(struct replication_record) <= CORE_COMMAND_BYTES, "it fits a command's slot");

struct replication_fetch { // CORE_COMMAND_FETCH
	uint32_t stream;
	uint32_t epoch;
	uint64_t session;
	uint16_t server; // to fetch from
	uint16_t zero[3];
};

// CORE_NOTICE_PROPOSE, CORE_NOTICE_LAGS, CORE_NOTICE_FETCHED, CORE_NOTICE_REFUSED.
struct replication_notice {
	uint32_t stream;
	uint16_t server, zero;
	uint64_t incarnation; // of it
	uint64_t proposal;    // PROPOSE: its number, to be echoed by the record that answers it
	uint64_t end;	      // FETCHED: of our log
	uint32_t epoch;	      // FETCHED: of its last record
	uint32_t zero2;
};
static_assert(sizeof(struct replication_notice) <= CORE_COMMAND_BYTES, "it fits a notice's slot");

struct standing { // an acknowledgement that has not moved
	uint64_t at, since_ns;
};

struct replication {
	struct stream *stream;
	bool writable;			     // PRIMARY: it takes messages
	bool self_in;			     // the record has us
	uint32_t record_epoch;		     // 0: no record yet
	uint32_t members, proposed;	     // bits of peers
	uint64_t small_ns[SERVER_PEERS_MAX]; // its log was seen too small for the set; 0: it is not
	uint64_t incarnations[SERVER_PEERS_MAX]; // of members and proposed
	uint64_t proposal[SERVER_PEERS_MAX];	 // number of its PROPOSE
	uint64_t proposals;			 // number of the last one made
	uint64_t propose_ns[SERVER_PEERS_MAX];	 // last PROPOSE of it
	uint64_t lags_ns[SERVER_PEERS_MAX];	 // last LAGS of it
	// what each acknowledges of records and META, and since when
	struct standing records_stand[SERVER_PEERS_MAX], meta_stand[SERVER_PEERS_MAX];
	uint64_t looked_ns; // when that was looked at last
	bool room_known;    // the logs of all that count
	struct feed feeds[SERVER_PEERS_MAX];
	struct sink sink;
	// META: entries (meta_first .. meta_last], entry n in slot n % meta_max; those <= meta_held are agreed
	uint64_t meta_first, meta_last, meta_held;
	// meta_last where the tables are whole, else 0. w: home core r: link core; relaxed, nothing hangs on it
	_Atomic uint64_t meta_whole;
	bool tables_agreed; // all that count took our tables in this epoch: what they tell may be used
	uint32_t meta_max; // entries of meta
	struct meta_entry *meta;
	// the snapshot being served or pulled, one at a time; owner: index of a peer, or NONE
	uint32_t snapshot_owner;
	uint64_t snapshot_seq, snapshot_meta, snapshot_used_ns;
	uint32_t snapshot_publishers, snapshot_topics;
	struct publisher_state *states;
	uint8_t (*names)[GODWIT_NAME_BYTES]; // of topics, pulled
	uint32_t states_max, topics_max;
	// scratch of one packet
	struct publisher_run runs[REPLICATE_RUNS_MAX];
};

// ---- at rest ------------------------------------------------------------------------------------

// Make stream->replication by the stream's role; ALONE gets none. 0 or -ENOMEM. Thread: control.
int replication_create(struct stream *stream, const struct stream_config *config);
void replication_destroy(struct stream *stream);
uint64_t replication_bytes(const struct stream_config *config);

// ---- a core's turn ------------------------------------------------------------------------------

// The stream that a REPLICATE, META, SNAPSHOT, RECONCILE or PEER_ACK is about: RECONCILE names it by the
// hash of its name, the others by its session. NULL: none here. Thread: any core.
struct stream *replication_stream(const struct server *server, const uint8_t *frame);

// Deal with such a frame: it came whole, with a right MAC, from a peer that takes part, in its present
// incarnation. length: with the MAC. frame: lives until the call returns. Thread: home core.
void replication_frame(struct core *core, struct stream *stream, struct peer *peer,
		       const uint8_t *frame, uint32_t length);

// One of no stream of ours. False: of nothing that is fed from there; the caller drops it.
// Thread: link core.
bool replication_stray(struct core *core, struct peer *peer, const uint8_t *frame, uint32_t length);

// Behind append_burst: what is due to peers. Returns frames sent and steps made. Thread: any core.
uint32_t replication_burst(struct core *core);

// The highest META entry of which the stream's tables have all; 0: they are not whole, or it has no other server. As of
// its home core's last turn. Thread: any.
uint64_t replication_meta(const struct stream *stream);

// The record in force changed: who is in sync, and with ourselves in it, that messages are taken in its
// epoch. Thread: home core.
void replication_record(struct core *core, const struct replication_record *record);
// Become the sink of a recorded member; FETCHED tells when its log is here. Thread: home core.
void replication_fetch(struct core *core, const struct replication_fetch *fetch);

// ---- of the files of replication, for each other ------------------------------------------------

// in-sync set (insync.c)
// Where the commit may stand by what is acknowledged; never below where it stands.
uint64_t insync_commit(const struct replication *r);
// Up to where runs may leave for the base.
uint64_t insync_release(const struct replication *r, uint64_t commit);
// Up to which entry of META all that count hold it. Where acks are local too: a number or an instance that
// somebody was told of, and that a primary started again knew nothing of, would be given twice.
uint64_t insync_meta(const struct replication *r);
// Whether all that count took our tables since this epoch began.
bool insync_tables(const struct replication *r);
// The smallest log that must hold what is not committed.
void insync_room(struct core *core, struct replication *r);
// Propose those that caught up, and say so again where the notice found no room.
uint32_t insync_propose(struct core *core, struct replication *r);
// The log of the fetched member is here. False: no room for the notice.
bool insync_notify_fetched(struct core *core, struct replication *r);
// The member that is fetched from refuses. Lost where there is no room: it refuses again.
void insync_notify_refused(struct core *core, struct replication *r);
// Messages found no room: whoever keeps the commit back is told of.
void insync_lags(struct core *core, struct replication *r);
// Once an interval, by the primary: a member that is behind and acknowledged nothing for long is told of as well, where
// enough are left without it.
void insync_stands(struct core *core, struct replication *r);
// Whether enough are left in sync without the peer.
bool insync_may_leave(const struct replication *r, uint32_t peer);
// A peer that counts is to count no more: control is told, again at most each 10 ms.
void insync_put_out(struct core *core, struct replication *r, uint32_t peer);

// source (source.c, source_feed.c)
void source_reconcile(struct core *core, struct replication *r, struct peer *peer,
		      const struct godwit_reconcile *request);
void source_ack(struct core *core, struct replication *r, struct peer *peer,
		const struct godwit_peer_ack *ack);
void source_close(struct core *core, struct replication *r, uint32_t peer);
void source_lapped(struct core *core, struct replication *r, struct peer *peer);
void source_close_all(struct core *core, struct replication *r);
uint32_t source_burst(struct core *core, struct replication *r);
uint32_t source_feed(struct core *core, struct replication *r, struct peer *peer);

// sink (sink.c, sink_append.c)
void sink_begin(struct core *core, struct replication *r, uint32_t peer);
void sink_again(struct core *core, struct replication *r); // reconcile anew
void sink_answer(struct core *core, struct replication *r, struct peer *peer,
		 const struct godwit_reconcile *answer);
void sink_replicate(struct core *core, struct replication *r, struct peer *peer,
		    const struct godwit_replicate *frame, uint32_t length);
uint32_t sink_burst(struct core *core, struct replication *r);
uint32_t sink_tell(struct core *core, struct replication *r); // ACK and NAK that are due
// Another core ended what stood above the cut. Thread: home core.
void sink_closed(struct core *core, struct stream *stream, uint32_t from, uint32_t number);

// snapshot (snapshot.c)
void snapshot_asked(struct core *core, struct replication *r, struct peer *peer,
		    const struct godwit_snapshot *request);
void snapshot_page(struct core *core, struct replication *r, struct peer *peer,
		   const struct godwit_snapshot *page);
uint32_t snapshot_pull(struct core *core, struct replication *r);

// META (meta.c)
// Start counting for a session that begins.
void meta_begin(struct replication *r, uint64_t last);
// Number an entry, and keep the answer to the client until all in sync hold it.
// meta_is_full() is false.
struct meta_entry *meta_add(struct core *core, struct replication *r);
bool meta_is_full(const struct replication *r);
// The answer that an asker waits for is on its way already.
bool meta_waits_topic(const struct replication *r, uint32_t topic);
bool meta_waits_publisher(const struct replication *r, uint64_t publisher);
void meta_answer(struct core *core, struct replication *r); // those that are held now
uint32_t meta_feed(struct core *core, struct replication *r, struct peer *peer);
void meta_taken(struct core *core, struct replication *r, struct peer *peer,
		const struct godwit_meta *meta);

// End the subscriptions of a stream that stand above `above` (0: all). Thread: any core, its own.
void replication_end_subscriptions(struct core *core, struct stream *stream, uint64_t above);

#endif
