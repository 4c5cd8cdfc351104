// SPDX-License-Identifier: BSD-3-Clause
//
// A stream: a named, totally ordered sequence of messages. It holds the log, the session and the
// table of epochs, and for its home core the sequencer's state: publishers with their runs, and the
// names of topics.
//
// Roles. ALONE: this server has the stream for itself. In a cluster one server is the stream's PRIMARY,
// which takes messages, and others are REPLICAs, which hold the same log (replication.h). A stream is
// served under its session; while it is 0 (not begun, being cut back or filled) clients are told to ask
// again.
//
// Threads: the home core writes; any core reads the log (log.h), the session and the epoch table.
// Ownership: memory is taken at stream_create and given back at stream_destroy; the log's memory is
// the caller's.
#ifndef DATAPLANE_STREAM_H
#define DATAPLANE_STREAM_H

#include <godwit/errors.h>
#include <godwit/wire_peer.h>

#include "dataplane/log.h"
#include "dataplane/publishers.h"

#define STREAM_EPOCHS	      64 // kept; older ones lie far below what any log keeps
#define STREAM_FEED_OWN	      UINT64_MAX
#define STREAM_PUBLISH_CREDIT 8192 // messages that a publisher may have unacknowledged

#define STREAM_PEERS_MAX 15

enum stream_role {
	STREAM_ALONE,
	STREAM_PRIMARY,
	STREAM_REPLICA
};

struct stream_config {
	const char *name; // 1..63 bytes
	uint64_t session; // random, never 0; in a cluster 0: none is known yet
	uint32_t epoch;	  // first one, >= 1
	enum stream_role role;
	uint32_t primary;     // REPLICA: index of the peer that is the primary
	uint32_t replicas;    // bits of the indices of the peers that are its replicas
	bool ack_local;	      // committed when the primary has it
	uint32_t min_in_sync; // PRIMARY: the in-sync set, itself included, to commit at all; 0: 1
	uint32_t home;	      // core
	uint32_t mtu;	      // smallest of the ports
	uint64_t log_bytes;
	void *log_memory;	 // 2 * log_bytes, mapped twice (log_memory_map)
	uint64_t instance_floor; // publishers' instances begin above it: the server's incarnation
	uint32_t publishers_max;
	uint32_t runs_max; // power of two
	uint32_t meta_max; // META entries kept for replicas; 0: REPLICATION_META_PENDING
	uint32_t topics_max;
};

struct stream_epoch {
	_Atomic uint32_t epoch;
	_Atomic uint64_t first; // sequence
};

struct topic_name {
	char name[GODWIT_NAME_BYTES];
	uint32_t next; // hash chain; UINT32_MAX: end
};

struct replication; // replication.h

struct stream {
	// set at start, then read-only				w: control   r: all
	char name[GODWIT_NAME_BYTES];
	uint32_t number; // index in the server's array
	uint64_t hash;	 // by which peers name it (peers_stream_hash)
	uint32_t home;
	uint32_t max_message;
	enum stream_role role;
	uint32_t primary;  // index of the peer
	uint32_t replicas; // bits of peers
	bool ack_local;
	void *cuts;
	struct log log;
	// what is served						w: home   r: all
	alignas(CACHE_LINE) _Atomic uint64_t session; // 0: not now
	_Atomic uint64_t session_held; // of the log, served or not; 0: it holds none yet
	// of a REPLICA: the epoch in which it last agreed with the primary on one history; 0: never
	_Atomic uint32_t reconciled;
	// epochs							w: home   r: all
	alignas(CACHE_LINE) struct stream_epoch epochs[STREAM_EPOCHS];
	_Atomic uint32_t epochs_first; // entries below are overwritten
	_Atomic uint32_t epochs_count; // entry i lies in epochs[i % STREAM_EPOCHS]
	// when the feed of its primary was heard last; STREAM_FEED_OWN: it is made here; 0: never
	_Atomic uint64_t feed_heard_ns;
	// the sequencer						w: home
	alignas(CACHE_LINE) struct publishers *publishers;
	struct replication *replication; // NULL: ALONE
	uint64_t room_bytes;		 // how far the head may stand above the commit
	uint32_t epoch;
	uint32_t min_in_sync;
	uint32_t dirty;	  // publishers owed a PUBLISH_ACK: list by publisher.next_dirty
	bool commit_held; // commit does not follow the head: somebody else moves it (replicas; tests)
	struct topic_name *topics; // topic n lies at n - 1
	uint32_t *topic_heads;
	uint32_t topics_count, topics_max, topic_mask;
};

// The session under which clients are served now; 0: none. Thread: any.
static inline uint64_t stream_session(const struct stream *stream)
{
	// pairs with: stream_serve
	return atomic_load_explicit(&stream->session, memory_order_acquire);
}

// The session of the log, served or not; 0: it holds none. Thread: any.
static inline uint64_t stream_session_held(const struct stream *stream)
{
	return atomic_load_explicit(&stream->session_held, memory_order_relaxed);
}

// Serve clients under the session that is held, or under none. Thread: home core.
static inline void stream_serve(struct stream *stream, bool served)
{
	// Whoever sees the session sees the log that it is of. pairs with: stream_session
	atomic_store_explicit(&stream->session, served ? stream_session_held(stream) : 0,
			      memory_order_release);
}

// NULL with errno EINVAL (name, sizes: log.h, or a log too small for its packets) or ENOMEM. Thread: control.
struct stream *stream_create(const struct stream_config *config, uint32_t number);
void stream_destroy(struct stream *stream);
// Bytes of its tables, without the log itself.
uint64_t stream_table_bytes(const struct stream_config *config);

// The number of a topic by name (host bytes, zero padded to 64); 0 if it has none. create: give it one; 0 then means that the
// table is full. *made: it is new. Thread: home core.
uint32_t stream_topic(struct stream *stream, const uint8_t name[GODWIT_NAME_BYTES], bool create,
		      bool *made);

// Forget all topics. Thread: home core.
void stream_topics_reset(struct stream *stream);

// Begin a new epoch with the next record. epoch: above the current one. Thread: home core.
void stream_begin_epoch(struct stream *stream, uint32_t epoch);

// Cut log, publishers and epochs back to `seq` (log.h: its limits, and not below what the publishers' base
// is as of). The caller ended whoever stands above, on every core. False: out of the limits, nothing
// changed. Thread: home core.
bool stream_cut_back(struct stream *stream, uint64_t seq);

// Of a stream that holds nothing, in front of record 1: what comes may be of an epoch as low as `epoch`,
// >= 1. No effect where that is not below the current epoch, or something is held. Thread: home core.
void stream_lower_epoch(struct stream *stream, uint32_t epoch);

// Empty the stream: it holds `session` from now on, and its next record is `first`. epoch: of the
// record before `first`, or where `first` is 1 of the next one. The caller ended everybody, and serves it
// when it likes. Thread: home core.
void stream_reset(struct stream *stream, uint64_t session, uint64_t first, uint32_t epoch);

// The epoch in which `seq` was (or, above the head, would be) appended, and the last sequence of it (UINT64_MAX for the current).
// seq >= 1. 0 if that epoch is not known any more. Thread: any.
uint32_t stream_epoch_of(const struct stream *stream, uint64_t seq, uint64_t *last);

// Whether an operator's order lies between the two that gave up what was committed in the earlier one.
static inline bool stream_gave_up(uint32_t earlier, uint32_t later)
{
	return earlier / GODWIT_GIVE_UP_EPOCHS < later / GODWIT_GIVE_UP_EPOCHS;
}

// The last sequence of the largest epoch <= `epoch` (UINT64_MAX for the current epoch); 0 if there is none. *found: that epoch.
uint64_t stream_epoch_end(const struct stream *stream, uint32_t epoch, uint32_t *found);

// Where a position leads. Answers: OK, UNKNOWN_SESSION, TRUNCATED, FUTURE, DIVERGED; to be asked again later:
// BUSY (not served now), BEHIND (a replica has not got there, or cannot tell).
// How old the feed is, in ms: 0 where it is made here, UINT32_MAX where it never came. Thread: any.
static inline uint32_t stream_feed_age_ms(const struct stream *stream, uint64_t now_ns)
{
	uint64_t heard = atomic_load_explicit(&stream->feed_heard_ns, memory_order_relaxed);
	uint64_t age_ms = heard < now_ns ? (now_ns - heard) / 1000000 : 0;

	if (heard == 0)
		return UINT32_MAX;
	return age_ms < UINT32_MAX ? (uint32_t)age_ms : UINT32_MAX - 1;
}

// Where a position leads. Answers: OK, UNKNOWN_SESSION, TRUNCATED, FUTURE, DIVERGED.
struct resolved {
	enum godwit_code answer;
	struct godwit_identifier
		identifier; // OK: delivery begins after it. Else as docs/protocol.md says
};

// What a client's identifier (last message taken) leads to here. Thread: any.
struct resolved stream_resolve(const struct stream *stream, struct godwit_identifier identifier);

// The identifier to start after by the policy (EARLIEST or LATEST), given a failed answer. Thread: any.
struct godwit_identifier stream_apply_policy(const struct stream *stream, struct resolved failed,
					     enum godwit_policy policy);

// Where to begin with what is kept, not right at the edge that is about to be overwritten. Thread: any.
uint64_t stream_earliest_start(const struct stream *stream);

// The identifier for a SUBSCRIBE: start and value as in enum godwit_start. Thread: any.
struct resolved stream_start(const struct stream *stream, enum godwit_start start, uint64_t value,
			     uint64_t session, uint32_t epoch);

#endif
