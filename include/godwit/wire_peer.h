// SPDX-License-Identifier: BSD-3-Clause
//
// The wire protocol, part: frames between servers, and the limits that follow from them for every
// stream. wire.h is the reference and includes this file.
//
// Thread: any; there is no state here.
#ifndef GODWIT_WIRE_PEER_H
#define GODWIT_WIRE_PEER_H

#include <godwit/wire.h>

// Laid out with the rest, so that what servers need is in the limits of today's streams. Each ends
// with a MAC of GODWIT_MAC_BYTES under the cluster's key over all bytes before it.

struct godwit_from_server {
	struct godwit_frame frame;
	struct godwit_be64 cluster;	// hash of the cluster's name
	struct godwit_be64 incarnation; // of the sender
	struct godwit_be16 server;	// id of the sender
	struct godwit_be16 zero;
	struct godwit_be32 epoch; // stream epoch; 0 where the frame is not about one stream
};
GODWIT_SIZE(godwit_from_server, 32);
GODWIT_AT(godwit_from_server, cluster, 8);
GODWIT_AT(godwit_from_server, incarnation, 16);
GODWIT_AT(godwit_from_server, epoch, 28);

// Which messages of a publisher lie where in a stream: consecutive numbers at consecutive sequences.
struct godwit_run {
	struct godwit_be64 publisher;
	struct godwit_be64 instance;
	struct godwit_be64 first_number;
	struct godwit_be64 first_seq;
	struct godwit_be32 count;
	struct godwit_be32 zero;
};
GODWIT_SIZE(godwit_run, 40);
GODWIT_AT(godwit_run, first_number, 16);
GODWIT_AT(godwit_run, first_seq, 24);
GODWIT_AT(godwit_run, count, 32);

struct godwit_peer_stream {	   // entry of PEER_HELLO and PEER_HEARTBEAT
	struct godwit_be64 stream; // hash of the stream's name
	struct godwit_be64 session;
	struct godwit_be64 earliest;
	struct godwit_be64 end;
	struct godwit_be64 commit;
	struct godwit_be64 log_bytes;
	struct godwit_be32 epoch;
	struct godwit_be32 feed_age; // ms
	struct godwit_be64
		meta; // highest META entry held with all before it; 0: its tables are not whole
};
GODWIT_SIZE(godwit_peer_stream, 64);

struct godwit_peer_hello {
	struct godwit_from_server from;
	struct godwit_be64 nonce;  // random; an ANSWER echoes it
	struct godwit_be64 config; // hash of the configuration that all servers share
	struct godwit_be64
		known; // highest incarnation of the receiver that the sender knows; 0: none
	struct godwit_be16 mtu;
	struct godwit_be16 refusal;  // ANSWER: why the HELLO was not accepted; 0: it was
	struct godwit_be32 interval; // heartbeat interval, us
				     // frame.count peer stream entries, MAC
};
GODWIT_SIZE(godwit_peer_hello, 64);
GODWIT_AT(godwit_peer_hello, nonce, 32);
GODWIT_AT(godwit_peer_hello, config, 40);
GODWIT_AT(godwit_peer_hello, known, 48);
GODWIT_AT(godwit_peer_hello, mtu, 56);
GODWIT_AT(godwit_peer_hello, refusal, 58);
GODWIT_AT(godwit_peer_hello, interval, 60);

enum godwit_peer_refusal { // of a PEER_HELLO; another cluster's name or key gets no answer at all
	GODWIT_PEER_ACCEPTED = 0,
	GODWIT_PEER_OTHER_CONFIG = 1,
	GODWIT_PEER_SMALL_MTU = 2, // the sender's, for the streams of the answering server
	GODWIT_PEER_OTHER_VERSION = 3,
};

struct godwit_peer_heartbeat {
	struct godwit_from_server from;
	struct godwit_be64 number;
	struct godwit_be64 heard; // last number heard of the receiver
				  // frame.count peer stream entries, MAC
};
GODWIT_SIZE(godwit_peer_heartbeat, 48);

struct godwit_replicate {
	struct godwit_from_server from; // count: records
	struct godwit_be64 session;
	struct godwit_be64 first; // sequence of the first record
	struct godwit_be64 time;  // its ingest time
	struct godwit_be64 commit;
	struct godwit_be32 record_epoch; // stream epoch of the records
	struct godwit_be16 runs;
	struct godwit_be16 zero;
	// runs of struct godwit_run, records, MAC
};
GODWIT_SIZE(godwit_replicate, 72);
GODWIT_AT(godwit_replicate, first, 40);
GODWIT_AT(godwit_replicate, commit, 56);
GODWIT_AT(godwit_replicate, runs, 68);

enum godwit_meta_kind {
	GODWIT_META_TOPIC = 1,
	GODWIT_META_INSTANCE = 2
};

struct godwit_meta {
	struct godwit_from_server from;
	struct godwit_be64 session;
	struct godwit_be64 entry; // number, from 1 in its stream
	struct godwit_be16 kind;
	struct godwit_be16 bytes;
	struct godwit_be32 zero;
	// bytes, MAC. TOPIC: the name, GODWIT_NAME_BYTES; INSTANCE: a struct godwit_meta_instance
};
GODWIT_SIZE(godwit_meta, 56);
GODWIT_AT(godwit_meta, session, 32);
GODWIT_AT(godwit_meta, entry, 40);
GODWIT_AT(godwit_meta, kind, 48);
GODWIT_AT(godwit_meta, bytes, 50);

struct godwit_meta_instance { // the highest instance that a publisher was given
	struct godwit_be64 publisher;
	struct godwit_be64 instance;
};
GODWIT_SIZE(godwit_meta_instance, 16);

// A page of a snapshot holds whole entries of one kind, as many as its `bytes` say.
enum godwit_snapshot_kind {
	GODWIT_SNAPSHOT_PUBLISHERS =
		1, // struct godwit_snapshot_publisher, in any order, each id once
	GODWIT_SNAPSHOT_TOPICS =
		2, // struct godwit_snapshot_topic, by number: the first page's first is 1
	GODWIT_SNAPSHOT_EPOCHS = 3, // struct godwit_snapshot_epoch, ascending
};

// Without flags it asks for a page, and carries no bytes; with ANSWER it is one. A page behind the
// last is answered without bytes.
struct godwit_snapshot {
	struct godwit_from_server from;
	struct godwit_be64 session;
	struct godwit_be64 seq;	 // the publishers are as of this sequence
	struct godwit_be64 meta; // topics and instances are as of this META entry
	struct godwit_be32 page; // from 0
	struct godwit_be32 pages;
	struct godwit_be16 kind; // enum godwit_snapshot_kind
	struct godwit_be16 bytes;
	struct godwit_be32 zero;
	// bytes, MAC
};
GODWIT_SIZE(godwit_snapshot, 72);
GODWIT_AT(godwit_snapshot, session, 32);
GODWIT_AT(godwit_snapshot, seq, 40);
GODWIT_AT(godwit_snapshot, meta, 48);
GODWIT_AT(godwit_snapshot, page, 56);
GODWIT_AT(godwit_snapshot, pages, 60);
GODWIT_AT(godwit_snapshot, kind, 64);
GODWIT_AT(godwit_snapshot, bytes, 66);

struct godwit_snapshot_publisher {
	struct godwit_be64 id;
	struct godwit_be64 instance; // highest one given
	struct godwit_be64 last; // number of its last message at or below the snapshot's seq; 0: none
};
GODWIT_SIZE(godwit_snapshot_publisher, 24);
GODWIT_AT(godwit_snapshot_publisher, instance, 8);
GODWIT_AT(godwit_snapshot_publisher, last, 16);

struct godwit_snapshot_topic {
	uint8_t name[GODWIT_NAME_BYTES];
};
GODWIT_SIZE(godwit_snapshot_topic, 64);

struct godwit_snapshot_epoch {
	struct godwit_be64 first; // sequence
	struct godwit_be32 epoch;
	struct godwit_be32 zero;
};
GODWIT_SIZE(godwit_snapshot_epoch, 16);
GODWIT_AT(godwit_snapshot_epoch, epoch, 8);

// Without flags it asks how to join the receiver's log, with ANSWER it tells.
struct godwit_reconcile {
	struct godwit_from_server from;
	struct godwit_be64 stream;  // hash of the stream's name
	struct godwit_be64 session; // the sender's; 0: it holds none
	struct godwit_be64 end;	    // log end; ANSWER: end of the largest epoch <= last_epoch
	struct godwit_be64 meta;    // highest META entry held
	struct godwit_be64 edge;    // window edge
	struct godwit_be64 first; // ANSWER: where an emptied log begins; OK: from where on runs come
	struct godwit_be32 last_epoch;
	struct godwit_be32 request; // ANSWER echoes it
	struct godwit_be16 code;    // ANSWER: what to do
	struct godwit_be16 zero;
	struct godwit_be32 zero2;
	// MAC
};
GODWIT_SIZE(godwit_reconcile, 96);
GODWIT_AT(godwit_reconcile, stream, 32);
GODWIT_AT(godwit_reconcile, session, 40);
GODWIT_AT(godwit_reconcile, end, 48);
GODWIT_AT(godwit_reconcile, meta, 56);
GODWIT_AT(godwit_reconcile, edge, 64);
GODWIT_AT(godwit_reconcile, first, 72);
GODWIT_AT(godwit_reconcile, last_epoch, 80);
GODWIT_AT(godwit_reconcile, request, 84);
GODWIT_AT(godwit_reconcile, code, 88);

enum godwit_reconcile_code {
	GODWIT_RECONCILE_OK = 0,	  // the feed begins at the asker's end + 1
	GODWIT_RECONCILE_CUT = 1,	  // cut back to `end`, then ask again
	GODWIT_RECONCILE_RESET = 2,	  // empty the log, start at `first`, then ask again
	GODWIT_RECONCILE_NOT_PRIMARY = 3, // it does not feed this stream
	GODWIT_RECONCILE_BUSY = 4,	  // not now
};

// An operator who gives up what silent servers hold takes the stream's epoch so far on: a multiple of this lies between
// it and all that was given up. Whoever comes back with that cuts it, although it was committed.
#define GODWIT_GIVE_UP_EPOCHS 1048576u

struct godwit_peer_ack {
	struct godwit_from_server from;
	struct godwit_be64 session;
	struct godwit_be64 seq; // appended up to here
	struct godwit_be64 meta;
	struct godwit_be64 edge; // window edge
	struct godwit_be16 naks;
	struct godwit_be16 zero;
	struct godwit_be32 feed; // request number of the RECONCILE that opened the feed
				 // naks of struct godwit_range, MAC
};
GODWIT_SIZE(godwit_peer_ack, 72);
GODWIT_AT(godwit_peer_ack, feed, 68);

// Flags of a cursor. Within a cursor epoch they are only ever set; a higher epoch begins without.
#define GODWIT_CURSOR_TOMBSTONE 0x0001 // over: kept so that no older entry brings it back
#define GODWIT_CURSOR_LAPSED	0x0002 // nobody serves it: kept for its RESUME

struct godwit_cursor { // what HANDOVER and the cursor streams carry
	struct godwit_be64 client;
	struct godwit_be64 instance;
	struct godwit_be64 session;
	struct godwit_be64 seq;
	struct godwit_be64 cursor_epoch;
	struct godwit_be64 tag;
	struct godwit_be64 connection; // the client's connection tag
	struct godwit_be64 filter;     // hash of the filter; 0: whole
	struct godwit_be32 subscription;
	struct godwit_be32 epoch;
	uint8_t ip[16];
	struct godwit_be16 port;
	struct godwit_be16 home;
	struct godwit_be16 core;
	struct godwit_be16 flags;
};
GODWIT_SIZE(godwit_cursor, 96);
GODWIT_AT(godwit_cursor, session, 16);
GODWIT_AT(godwit_cursor, cursor_epoch, 32);
GODWIT_AT(godwit_cursor, connection, 48);
GODWIT_AT(godwit_cursor, subscription, 64);
GODWIT_AT(godwit_cursor, ip, 72);
GODWIT_AT(godwit_cursor, flags, 94);

struct godwit_handover {
	struct godwit_from_server from;
	struct godwit_cursor cursor;
	struct godwit_be16 reason;
	struct godwit_be16 zero;
	struct godwit_be32 request;
	// MAC
};
GODWIT_SIZE(godwit_handover, 136);

struct godwit_handover_confirm {
	struct godwit_from_server from;
	struct godwit_be64 client;
	struct godwit_be64 session;
	struct godwit_be64 cursor_epoch;
	struct godwit_be32 subscription;
	struct godwit_be32 request;
	struct godwit_be16 code;
	struct godwit_be16 zero;
	struct godwit_be32 zero2;
	// MAC
};
GODWIT_SIZE(godwit_handover_confirm, 72);

struct godwit_probe_for { // PROBE_FOR and PROBE_RESULT
	struct godwit_from_server from;
	struct godwit_be64 tag;
	struct godwit_be64 nonce;
	uint8_t ip[16];
	struct godwit_be16 port;
	struct godwit_be16 result; // 0 asked, 1 answered, 2 silent
	struct godwit_be32 zero;
	// MAC
};
GODWIT_SIZE(godwit_probe_for, 72);

// The largest payload that a stream may take over ports of this MTU: a record must fit one REPLICATE
// frame with one run and a MAC, over IPv6. 0 where the MTU is too small for any.
static inline uint32_t godwit_max_message(uint32_t mtu)
{
	uint32_t overhead = GODWIT_UDP_OVERHEAD + (uint32_t)sizeof(struct godwit_replicate) +
			    GODWIT_MAC_BYTES + (uint32_t)sizeof(struct godwit_run) +
			    (uint32_t)sizeof(struct godwit_record);

	// A payload is padded to 4 bytes in its record.
	return mtu > overhead ? (mtu - overhead) & ~3u : 0;
}

// The most bytes of records that a slice may hold over ports of this MTU.
static inline uint32_t godwit_slice_bytes(uint32_t mtu)
{
	return (mtu - GODWIT_UDP_OVERHEAD - (uint32_t)sizeof(struct godwit_data)) & ~3u;
}

#endif
