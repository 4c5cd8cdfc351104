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
};
GODWIT_SIZE(godwit_peer_stream, 56);

struct godwit_peer_hello {
	struct godwit_from_server from;
	struct godwit_be64 nonce;
	struct godwit_be64 config; // hash of the configuration that all servers share
	struct godwit_be16 mtu;
	struct godwit_be16 zero;
	struct godwit_be32 interval; // heartbeat interval, us
				     // frame.count peer stream entries, MAC
};
GODWIT_SIZE(godwit_peer_hello, 56);

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
	// bytes, MAC
};
GODWIT_SIZE(godwit_meta, 56);

struct godwit_snapshot {
	struct godwit_from_server from;
	struct godwit_be64 session;
	struct godwit_be64 seq; // that it is the state of
	struct godwit_be32 page;
	struct godwit_be32 pages;
	struct godwit_be16 kind; // base table, epoch table, META
	struct godwit_be16 bytes;
	struct godwit_be32 zero;
	// bytes, MAC
};
GODWIT_SIZE(godwit_snapshot, 64);

struct godwit_reconcile {
	struct godwit_from_server from;
	struct godwit_be64 session;
	struct godwit_be64 end;	 // log end; in the answer: end of the largest epoch <= last_epoch
	struct godwit_be64 meta; // highest META entry held
	struct godwit_be32 last_epoch;
	struct godwit_be32 zero;
	// MAC
};
GODWIT_SIZE(godwit_reconcile, 64);

struct godwit_peer_ack {
	struct godwit_from_server from;
	struct godwit_be64 session;
	struct godwit_be64 seq; // appended up to here
	struct godwit_be64 meta;
	struct godwit_be64 edge; // window edge
	struct godwit_be16 naks;
	struct godwit_be16 zero;
	struct godwit_be32 zero2;
	// naks of struct godwit_range, MAC
};
GODWIT_SIZE(godwit_peer_ack, 72);

// Flags of a cursor. Within a cursor epoch they are only ever set; a higher epoch begins without.
#define GODWIT_CURSOR_TOMBSTONE 0x0001 // unsubscribed: kept so that no older entry brings it back
#define GODWIT_CURSOR_LAPSED	0x0002 // its client fell silent: kept for its RESUME, nobody serves it

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
