// SPDX-License-Identifier: BSD-3-Clause
//
// The wire protocol: every frame that travels in a UDP datagram, one frame a datagram, all integers
// in network byte order, fields at natural offsets, alignment 1. This file is the reference;
// docs/protocol.md draws each frame and tells the exchanges. wire_check.h holds the checks that both
// ends apply to a frame before they read a field of it.
//
// Rules that hold for all frames:
// - `zero` fields are sent as 0 and refused otherwise, so that a later version may use them.
// - Unknown versions and types are counted and dropped, never answered.
// - Nothing is sent to an unproved address beyond three times what it sent: HELLO is padded to
//   GODWIT_HELLO_BYTES, its answer COOKIE is smaller and stateless; no other frame of an unproved
//   address is answered. The source of the rule is RFC 9000, section 8.
// - Every request carries a u32 `request` that each of its answers echoes; its repeat gets the same
//   answer.
//
// Thread: any; there is no state here.
#ifndef GODWIT_WIRE_H
#define GODWIT_WIRE_H

#include <godwit/types.h>

#define GODWIT_VERSION	      1
#define GODWIT_HELLO_BYTES    1200 // size of HELLO, padded: the amplification bound
#define GODWIT_CONTROL_BYTES  1200 // no frame but DATA, PUBLISH and REPLICATE is larger
#define GODWIT_COOKIE_LIFE_NS 5000000000ull
#define GODWIT_MAC_BYTES      16
#define GODWIT_CREDENTIAL_MAX 512	    // bytes of a credential in HELLO_PROOF
#define GODWIT_UDP_OVERHEAD   48	    // IPv6 + UDP: what an MTU loses before a frame begins
#define GODWIT_COVER_MAX      65536	    // sequences that a filtered DATA with records may span
#define GODWIT_SLICE_SPAN_NS  2000000000ull // ingest time that one packet may span

enum godwit_frame_type {
	// client -> server
	GODWIT_HELLO = 0x01,
	GODWIT_HELLO_PROOF = 0x02,
	GODWIT_SUBSCRIBE = 0x03,
	GODWIT_RESUME = 0x04,
	GODWIT_ACK = 0x05,
	GODWIT_UNSUBSCRIBE = 0x06,
	GODWIT_PUBLISH_OPEN = 0x07,
	GODWIT_PUBLISH = 0x08,
	GODWIT_TOPIC = 0x09,
	GODWIT_PROBE_REPLY = 0x0a,
	// server -> client
	GODWIT_COOKIE = 0x21,
	GODWIT_WELCOME = 0x22,
	GODWIT_SUBSCRIBED = 0x23,
	GODWIT_DATA = 0x24,
	GODWIT_HEARTBEAT = 0x25,
	GODWIT_TAKE = 0x26,
	GODWIT_MIGRATE = 0x27,
	GODWIT_REDIRECT = 0x28,
	GODWIT_PUBLISH_OPENED = 0x29,
	GODWIT_PUBLISH_ACK = 0x2a,
	GODWIT_TOPIC_NUMBER = 0x2b,
	GODWIT_ENDED = 0x2c,
	GODWIT_PROBE = 0x2d,
	GODWIT_ERROR = 0x2e,
	// server <-> server
	GODWIT_PEER_HELLO = 0x41,
	GODWIT_PEER_HEARTBEAT = 0x42,
	GODWIT_REPLICATE = 0x43,
	GODWIT_META = 0x44,
	GODWIT_SNAPSHOT = 0x45,
	GODWIT_RECONCILE = 0x46,
	GODWIT_PEER_ACK = 0x47,
	GODWIT_HANDOVER = 0x48,
	GODWIT_HANDOVER_CONFIRM = 0x49,
	GODWIT_PROBE_FOR = 0x4a,
	GODWIT_PROBE_RESULT = 0x4b,
};

#define GODWIT_PEER_TYPES 0x40 // types above it are between servers

// Bits of `flags`; which frame may carry which is in wire_check.h, others are refused.
enum godwit_frame_flag {
	GODWIT_FLAG_FILTERED = 0x0001, // SUBSCRIBE, RESUME: topics follow. DATA: distances follow
	GODWIT_FLAG_CREATE = 0x0002,   // TOPIC: give the name a number if it has none
	GODWIT_FLAG_BY_HOME = 0x0004,  // TAKE: asked by the home
	GODWIT_FLAG_REPAIR = 0x0008,   // DATA: sent again, for a NAK
	GODWIT_FLAG_ANSWER = 0x0010,   // PEER_HELLO, SNAPSHOT, RECONCILE: answers one without
	GODWIT_FLAG_DRAINING = 0x0020, // PEER_HEARTBEAT: its sender takes no clients
};

#define GODWIT_AT(type, field, offset)                                                             \
	static_assert(offsetof(struct type, field) == (offset), #type "." #field)
#define GODWIT_SIZE(type, bytes) static_assert(sizeof(struct type) == (bytes), #type)

// The first 8 bytes of every frame.
struct godwit_frame {
	uint8_t version;
	uint8_t type;
	struct godwit_be16 flags;
	struct godwit_be16 count;
	struct godwit_be16 zero;
};
GODWIT_SIZE(godwit_frame, 8);
GODWIT_AT(godwit_frame, flags, 2);
GODWIT_AT(godwit_frame, count, 4);
GODWIT_AT(godwit_frame, zero, 6);

// ---- records: the same bytes in the log and on the wire ---------------------------------------

// A record: this header, `length` bytes of payload, zeros up to a multiple of 4.
struct godwit_record {
	struct godwit_be16 length; // payload bytes
	struct godwit_be16 flags;  // what only servers set is refused in PUBLISH
	struct godwit_be32 topic;  // 0: none
	struct godwit_be32 time;   // low half of the ingest time in ns since 1970; 0 in PUBLISH
};
GODWIT_SIZE(godwit_record, 12);
GODWIT_AT(godwit_record, flags, 2);
GODWIT_AT(godwit_record, topic, 4);
GODWIT_AT(godwit_record, time, 8);

#define GODWIT_RECORD_SERVER_FLAGS 0xff00u // only servers may set these
#define GODWIT_RECORD_CLIENT_FLAGS 0x0000u // none is defined yet

// Bytes that a record with this payload takes in the log and on the wire.
static inline uint32_t godwit_record_bytes(uint32_t payload_bytes)
{
	return (uint32_t)(sizeof(struct godwit_record) + payload_bytes + 3) & ~3u;
}

// ---- client -> server -------------------------------------------------------------------------

struct godwit_hello {
	struct godwit_frame frame;
	struct godwit_be64 client;   // client id: chosen by the operator, names the client for ever
	struct godwit_be64 instance; // of this process; grows with every start
	struct godwit_be64 tag;	     // connection tag: random, every answer carries it
	struct godwit_be64 nonce;    // random, in the cookie
	struct godwit_be32 request;
	struct godwit_be32 zero;
	uint8_t padding[1152];
};
GODWIT_SIZE(godwit_hello, GODWIT_HELLO_BYTES);
GODWIT_AT(godwit_hello, client, 8);
GODWIT_AT(godwit_hello, instance, 16);
GODWIT_AT(godwit_hello, tag, 24);
GODWIT_AT(godwit_hello, nonce, 32);
GODWIT_AT(godwit_hello, request, 40);

struct godwit_hello_proof {
	struct godwit_frame frame;
	struct godwit_be64 client;
	struct godwit_be64 instance;
	struct godwit_be64 tag;
	struct godwit_be64 nonce;
	struct godwit_be32 request;
	struct godwit_be16 credential_bytes;
	struct godwit_be16 zero;
	struct godwit_be64 time; // as COOKIE said
	uint8_t mac[GODWIT_MAC_BYTES];
	// credential_bytes of credential follow
};
GODWIT_SIZE(godwit_hello_proof, 72);
GODWIT_AT(godwit_hello_proof, request, 40);
GODWIT_AT(godwit_hello_proof, credential_bytes, 44);
GODWIT_AT(godwit_hello_proof, time, 48);
GODWIT_AT(godwit_hello_proof, mac, 56);

// What every later client -> server frame begins with, PROBE_REPLY apart.
struct godwit_from_client {
	struct godwit_frame frame;
	struct godwit_be64 handle; // from WELCOME, SUBSCRIBED or TAKE; opaque to the client
	struct godwit_be64 key;
};
GODWIT_SIZE(godwit_from_client, 24);
GODWIT_AT(godwit_from_client, handle, 8);
GODWIT_AT(godwit_from_client, key, 16);

enum godwit_start {
	GODWIT_START_LATEST = 0,   // the next message committed
	GODWIT_START_EARLIEST = 1, // the earliest kept
	GODWIT_START_SEQUENCE = 2, // start_value: first sequence wanted
	GODWIT_START_TIME = 3,	   // start_value: ns since 1970; first message at or after it
				   // that is committed; else the next one that will be
	GODWIT_START_AFTER = 4,	   // session, start_value, epoch: an identifier, the last one taken
};

enum godwit_policy { // what to do when the position cannot be served
	GODWIT_POLICY_FAIL = 0,
	GODWIT_POLICY_EARLIEST = 1,
	GODWIT_POLICY_LATEST = 2,
};

struct godwit_subscribe {
	struct godwit_from_client from;
	struct godwit_be32 request;
	struct godwit_be32 subscription; // the client's own number of it
	struct godwit_be64 tag;		 // subscription tag: random
	uint8_t stream[GODWIT_NAME_BYTES];
	struct godwit_be64 start_value;
	struct godwit_be64 session; // 0: any, except with START_AFTER
	struct godwit_be32 epoch;
	struct godwit_be32 window;   // messages that the client keeps room for, from its start on
	struct godwit_be16 datagram; // largest UDP payload that the client takes
	uint8_t start;		     // enum godwit_start
	uint8_t policy;		     // enum godwit_policy
	struct godwit_be32 zero;
	// frame.count topics follow (be32, ascending) where FILTERED
};
GODWIT_SIZE(godwit_subscribe, 136);
GODWIT_AT(godwit_subscribe, request, 24);
GODWIT_AT(godwit_subscribe, subscription, 28);
GODWIT_AT(godwit_subscribe, tag, 32);
GODWIT_AT(godwit_subscribe, stream, 40);
GODWIT_AT(godwit_subscribe, start_value, 104);
GODWIT_AT(godwit_subscribe, session, 112);
GODWIT_AT(godwit_subscribe, epoch, 120);
GODWIT_AT(godwit_subscribe, window, 124);
GODWIT_AT(godwit_subscribe, datagram, 128);
GODWIT_AT(godwit_subscribe, start, 130);
GODWIT_AT(godwit_subscribe, policy, 131);

struct godwit_resume {
	struct godwit_from_client from;
	struct godwit_be32 request;
	struct godwit_be32 subscription;
	struct godwit_be64 tag;
	uint8_t stream[GODWIT_NAME_BYTES];
	struct godwit_be64 session; // the identifier: last message that the application took
	struct godwit_be64 seq;
	struct godwit_be32 epoch;
	struct godwit_be32 attempt; // grows within the client's instance; a lower one is ignored
	struct godwit_be64 highest_epoch; // highest cursor epoch that the client has seen
	struct godwit_be64 offer_epoch;	  // of the TAKE accepted, or 0
	struct godwit_be64 edge;	  // window edge: highest sequence accepted
	struct godwit_be16 datagram;
	uint8_t policy;
	uint8_t zero;
	struct godwit_be32 window; // from the new start on, where the policy moves the start
				   // topics as in SUBSCRIBE
};
GODWIT_SIZE(godwit_resume, 160);
GODWIT_AT(godwit_resume, stream, 40);
GODWIT_AT(godwit_resume, session, 104);
GODWIT_AT(godwit_resume, seq, 112);
GODWIT_AT(godwit_resume, epoch, 120);
GODWIT_AT(godwit_resume, attempt, 124);
GODWIT_AT(godwit_resume, highest_epoch, 128);
GODWIT_AT(godwit_resume, offer_epoch, 136);
GODWIT_AT(godwit_resume, edge, 144);
GODWIT_AT(godwit_resume, datagram, 152);
GODWIT_AT(godwit_resume, policy, 154);
GODWIT_AT(godwit_resume, window, 156);

struct godwit_range {
	struct godwit_be64 first;
	struct godwit_be64 last; // inclusive
};
GODWIT_SIZE(godwit_range, 16);

struct godwit_ack {
	struct godwit_from_client from;
	struct godwit_be64 number; // of this ACK; one not above the last is dropped whole
				   // frame.count entries follow
};
GODWIT_SIZE(godwit_ack, 32);
GODWIT_AT(godwit_ack, number, 24);

enum godwit_ack_flag {
	GODWIT_ACK_KEEP = 0x0001, // an offer is refused: the client keeps its home
	GODWIT_ACK_HELD = 0x0002, // an offer is held
};

struct godwit_ack_entry {
	struct godwit_be32 subscription;
	struct godwit_be16 flags;
	struct godwit_be16 naks; // ranges that follow this entry, up to GODWIT_NAK_RANGES
	struct godwit_be64 cursor_epoch;
	struct godwit_be64 session; // cumulative identifier: last message that the application took
	struct godwit_be64 seq;
	struct godwit_be32 epoch;
	struct godwit_be32 zero;
	struct godwit_be64 edge; // window edge; never below an earlier one of the cursor epoch
				 // naks of struct godwit_range follow
};
GODWIT_SIZE(godwit_ack_entry, 48);
GODWIT_AT(godwit_ack_entry, naks, 6);
GODWIT_AT(godwit_ack_entry, cursor_epoch, 8);
GODWIT_AT(godwit_ack_entry, session, 16);
GODWIT_AT(godwit_ack_entry, seq, 24);
GODWIT_AT(godwit_ack_entry, epoch, 32);
GODWIT_AT(godwit_ack_entry, edge, 40);

struct godwit_unsubscribe {
	struct godwit_from_client from;
	struct godwit_be32 request;
	struct godwit_be32 subscription;
};
GODWIT_SIZE(godwit_unsubscribe, 32);

struct godwit_publish_open {
	struct godwit_from_client from;
	struct godwit_be32 request;
	struct godwit_be32 zero;
	struct godwit_be64 publisher;
	struct godwit_be64 instance; // 0: give me a new one
	uint8_t stream[GODWIT_NAME_BYTES];
};
GODWIT_SIZE(godwit_publish_open, 112);
GODWIT_AT(godwit_publish_open, request, 24);
GODWIT_AT(godwit_publish_open, publisher, 32);
GODWIT_AT(godwit_publish_open, instance, 40);
GODWIT_AT(godwit_publish_open, stream, 48);

struct godwit_publish {
	struct godwit_from_client from;
	struct godwit_be32 stream; // number from PUBLISH_OPENED
	struct godwit_be32 zero;
	struct godwit_be64 publisher;
	struct godwit_be64 instance;
	struct godwit_be64 first; // number of the first record; a publisher's numbers begin with 1
				  // frame.count records follow; 0 asks for a PUBLISH_ACK only
};
GODWIT_SIZE(godwit_publish, 56);
GODWIT_AT(godwit_publish, stream, 24);
GODWIT_AT(godwit_publish, publisher, 32);
GODWIT_AT(godwit_publish, instance, 40);
GODWIT_AT(godwit_publish, first, 48);

struct godwit_topic {
	struct godwit_from_client from;
	struct godwit_be32 request;
	struct godwit_be32 zero;
	uint8_t stream[GODWIT_NAME_BYTES];
	uint8_t name[GODWIT_NAME_BYTES];
};
GODWIT_SIZE(godwit_topic, 160);
GODWIT_AT(godwit_topic, stream, 32);
GODWIT_AT(godwit_topic, name, 96);

struct godwit_probe_reply {
	struct godwit_frame frame;
	struct godwit_be64 tag;
	struct godwit_be64 nonce;
};
GODWIT_SIZE(godwit_probe_reply, 24);

// ---- server -> client -------------------------------------------------------------------------

struct godwit_cookie {
	struct godwit_frame frame;
	struct godwit_be64 tag;
	struct godwit_be64 nonce;
	struct godwit_be32 request;
	struct godwit_be32 zero;
	struct godwit_be64 time; // the server's, opaque to the client
	uint8_t mac[GODWIT_MAC_BYTES];
};
GODWIT_SIZE(godwit_cookie, 56);
GODWIT_AT(godwit_cookie, nonce, 16);
GODWIT_AT(godwit_cookie, request, 24);
GODWIT_AT(godwit_cookie, time, 32);
GODWIT_AT(godwit_cookie, mac, 40);

struct godwit_server_entry {
	uint8_t ip[16]; // IPv4 mapped
	struct godwit_be16 port;
	struct godwit_be16 id;
	struct godwit_be16 weight;
	struct godwit_be16 zero;
};
GODWIT_SIZE(godwit_server_entry, 24);

struct godwit_welcome {
	struct godwit_frame frame;
	struct godwit_be64 tag;
	struct godwit_be64 handle;
	struct godwit_be64 key;
	struct godwit_be64 incarnation; // of the server process
	struct godwit_be32 request;
	struct godwit_be16 server;	  // id
	struct godwit_be16 multiplier;	  // silent intervals after which a side counts as dead
	struct godwit_be32 interval;	  // keep-alive interval, ms
	struct godwit_be16 datagram;	  // largest UDP payload that the server sends or takes
	struct godwit_be16 subscriptions; // of one client at most
					  // frame.count server entries follow
};
GODWIT_SIZE(godwit_welcome, 56);
GODWIT_AT(godwit_welcome, handle, 16);
GODWIT_AT(godwit_welcome, incarnation, 32);
GODWIT_AT(godwit_welcome, request, 40);
GODWIT_AT(godwit_welcome, interval, 48);
GODWIT_AT(godwit_welcome, datagram, 52);

struct godwit_subscribed {
	struct godwit_frame frame;
	struct godwit_be64 tag;
	struct godwit_be64 handle; // under which the subscription's ACKs go
	struct godwit_be64 key;
	struct godwit_be64 cursor_epoch;
	struct godwit_be64 session; // the resolved identifier: delivery begins after it
	struct godwit_be64 seq;
	struct godwit_be32 epoch;
	struct godwit_be32 request;
	struct godwit_be64 earliest;	// earliest sequence kept when this was sent first
	struct godwit_be64 commit;	// last one deliverable then
	struct godwit_be16 answer;	// OK, or what the policy was applied to
	struct godwit_be16 max_message; // largest payload in the stream
	struct godwit_be32 attempt;	// as RESUME said; 0 for SUBSCRIBE
};
GODWIT_SIZE(godwit_subscribed, 88);
GODWIT_AT(godwit_subscribed, handle, 16);
GODWIT_AT(godwit_subscribed, cursor_epoch, 32);
GODWIT_AT(godwit_subscribed, session, 40);
GODWIT_AT(godwit_subscribed, seq, 48);
GODWIT_AT(godwit_subscribed, epoch, 56);
GODWIT_AT(godwit_subscribed, request, 60);
GODWIT_AT(godwit_subscribed, earliest, 64);
GODWIT_AT(godwit_subscribed, answer, 80);
GODWIT_AT(godwit_subscribed, attempt, 84);

struct godwit_data {
	struct godwit_frame frame; // count: records
	struct godwit_be64 tag;
	struct godwit_be64 cursor_epoch;
	struct godwit_be64 session;
	struct godwit_be64 covers_from; // first sequence that this packet speaks for
	struct godwit_be64 time;	// ingest time of the first record, ns; 0 where count is 0
	struct godwit_be32 epoch;	// stream epoch of all records in it
	struct godwit_be32 covers;	// how many sequences it speaks for, >= 1
	// FILTERED: count be16 distances from covers_from, ascending, padded with zeros to 4 bytes;
	// then count records. Without FILTERED count == covers.
};
GODWIT_SIZE(godwit_data, 56);
GODWIT_AT(godwit_data, tag, 8);
GODWIT_AT(godwit_data, cursor_epoch, 16);
GODWIT_AT(godwit_data, session, 24);
GODWIT_AT(godwit_data, covers_from, 32);
GODWIT_AT(godwit_data, time, 40);
GODWIT_AT(godwit_data, epoch, 48);
GODWIT_AT(godwit_data, covers, 52);

struct godwit_heartbeat {
	struct godwit_frame frame;
	struct godwit_be64 tag;	   // connection tag
	struct godwit_be64 number; // last ACK number heard
				   // frame.count entries follow
};
GODWIT_SIZE(godwit_heartbeat, 24);

struct godwit_heartbeat_entry {
	struct godwit_be64 tag; // subscription tag
	struct godwit_be64 cursor_epoch;
	struct godwit_be64 sent; // highest sequence covered by DATA sent to this subscription
	struct godwit_be64 commit;
	struct godwit_be32 feed_age; // ms since the stream's feed was heard; 0 on its primary
	struct godwit_be32 zero;
};
GODWIT_SIZE(godwit_heartbeat_entry, 40);
GODWIT_AT(godwit_heartbeat_entry, sent, 16);
GODWIT_AT(godwit_heartbeat_entry, commit, 24);
GODWIT_AT(godwit_heartbeat_entry, feed_age, 32);

struct godwit_take {
	struct godwit_frame frame; // BY_HOME
	struct godwit_be64 tag;
	struct godwit_be64 cursor_epoch;
	struct godwit_be64 handle;
	struct godwit_be64 key;
	struct godwit_be16 server; // id of the taker
	struct godwit_be16 reason; // enum godwit_migration_reason
	struct godwit_be32 zero;
};
GODWIT_SIZE(godwit_take, 48);
GODWIT_AT(godwit_take, server, 40);
GODWIT_AT(godwit_take, reason, 42);

struct godwit_migrate {
	struct godwit_frame frame;
	struct godwit_be64 tag;
	struct godwit_be64 cursor_epoch;
	struct godwit_server_entry target; // one of WELCOME's list
	struct godwit_be16 reason;	   // enum godwit_migration_reason
	struct godwit_be16 zero;
	struct godwit_be32 zero2;
};
GODWIT_SIZE(godwit_migrate, 56);
GODWIT_AT(godwit_migrate, target, 24);
GODWIT_AT(godwit_migrate, reason, 48);

enum godwit_migration_reason {
	GODWIT_MIGRATION_CLIENT = 1, // the client found its home dead or its link unreliable
	GODWIT_MIGRATION_LINK = 2,   // the home found the client's link unreliable
	GODWIT_MIGRATION_DEATH = 3,  // the home is dead
	GODWIT_MIGRATION_FEED = 4,   // the home lost the stream's feed
	GODWIT_MIGRATION_DRAIN = 5,  // planned
	GODWIT_MIGRATION_CORE = 6,   // a core or port of the same server failed or is rebalanced
	GODWIT_MIGRATION_REASONS,    // one above the last
};

// The reason's name ("client"), or "unknown" for 0 and for a value of a later version. Thread: any.
static inline const char *godwit_migration_reason_name(unsigned int reason)
{
	static const char *const names[] = {
		"unknown", "client", "link", "death", "feed", "drain", "core",
	};

	static_assert(sizeof(names) / sizeof(names[0]) == GODWIT_MIGRATION_REASONS, "a name each");

	return names[reason < GODWIT_MIGRATION_REASONS ? reason : 0];
}

struct godwit_redirect {
	struct godwit_frame frame;
	struct godwit_be64 tag;
	struct godwit_be32 request;
	struct godwit_be16 code; // why: BEHIND, TRUNCATED, NOT_PRIMARY, DRAINING
	struct godwit_be16 zero;
	struct godwit_server_entry target;
};
GODWIT_SIZE(godwit_redirect, 48);
GODWIT_AT(godwit_redirect, target, 24);

struct godwit_publish_opened {
	struct godwit_frame frame;
	struct godwit_be64 tag;
	struct godwit_be64 publisher;
	struct godwit_be64 instance;
	struct godwit_be64 last; // last number held
	struct godwit_be64 session;
	struct godwit_be32 epoch;
	struct godwit_be32 request;
	struct godwit_be32 stream; // number for PUBLISH
	struct godwit_be32 credit; // messages that may be unacknowledged
	struct godwit_be16 max_message;
	struct godwit_be16 code; // OK, FENCED (instance: the higher one), UNKNOWN_INSTANCE, LIMIT
	struct godwit_be32 zero;
};
GODWIT_SIZE(godwit_publish_opened, 72);
GODWIT_AT(godwit_publish_opened, last, 32);
GODWIT_AT(godwit_publish_opened, epoch, 48);
GODWIT_AT(godwit_publish_opened, stream, 56);
GODWIT_AT(godwit_publish_opened, max_message, 64);
GODWIT_AT(godwit_publish_opened, code, 66);

struct godwit_publish_ack {
	struct godwit_frame frame;
	struct godwit_be64 tag;
	struct godwit_be64 publisher;
	struct godwit_be64 instance;
	struct godwit_be64 committed; // last number committed: acknowledged, will not be lost
	struct godwit_be64 expected;  // number that the sequencer takes next
	struct godwit_be32 stream;
	struct godwit_be32 credit; // numbers up to committed + credit may be sent
	struct godwit_be16 code;   // OK, BUSY, GAP, FENCED (instance: the higher one), ...
	struct godwit_be16 zero;
	struct godwit_be32 zero2;
};
GODWIT_SIZE(godwit_publish_ack, 64);
GODWIT_AT(godwit_publish_ack, committed, 32);
GODWIT_AT(godwit_publish_ack, expected, 40);
GODWIT_AT(godwit_publish_ack, stream, 48);
GODWIT_AT(godwit_publish_ack, code, 56);

struct godwit_topic_number {
	struct godwit_frame frame;
	struct godwit_be64 tag;
	struct godwit_be32 request;
	struct godwit_be32 topic; // >= 1
	struct godwit_be32 zero;
	struct godwit_be32 zero2;
	uint8_t name[GODWIT_NAME_BYTES];
};
GODWIT_SIZE(godwit_topic_number, 96);
GODWIT_AT(godwit_topic_number, topic, 20);
GODWIT_AT(godwit_topic_number, name, 32);

struct godwit_ended {
	struct godwit_frame frame;
	struct godwit_be64 tag; // subscription tag
	struct godwit_be64 cursor_epoch;
	struct godwit_be64 session; // identifier: by code, see docs/protocol.md
	struct godwit_be64 seq;
	struct godwit_be32 epoch;
	struct godwit_be32 request;	 // of the UNSUBSCRIBE, SUBSCRIBE or RESUME answered; else 0
	struct godwit_be64 next_session; // where the code says that a new one began; else 0
	struct godwit_be16 code;
	struct godwit_be16 zero;
	struct godwit_be32 attempt; // of the RESUME answered; else 0
};
GODWIT_SIZE(godwit_ended, 64);
GODWIT_AT(godwit_ended, seq, 32);
GODWIT_AT(godwit_ended, request, 44);
GODWIT_AT(godwit_ended, next_session, 48);
GODWIT_AT(godwit_ended, code, 56);
GODWIT_AT(godwit_ended, attempt, 60);

struct godwit_probe {
	struct godwit_frame frame;
	struct godwit_be64 tag;
	struct godwit_be64 nonce;
};
GODWIT_SIZE(godwit_probe, 24);

struct godwit_error {
	struct godwit_frame frame;
	struct godwit_be64 tag;	    // connection tag
	struct godwit_be64 session; // identifier, where the code has one
	struct godwit_be64 seq;
	struct godwit_be32 epoch;
	struct godwit_be32 request;
	struct godwit_be64 detail; // by code: subscription number, higher instance, limit
	struct godwit_be16 code;
	struct godwit_be16 text_bytes;
	struct godwit_be32 zero;
	// text_bytes of UTF-8 follow, at most GODWIT_ERROR_TEXT_MAX
};
GODWIT_SIZE(godwit_error, 56);
GODWIT_AT(godwit_error, epoch, 32);
GODWIT_AT(godwit_error, request, 36);
GODWIT_AT(godwit_error, detail, 40);
GODWIT_AT(godwit_error, code, 48);
GODWIT_AT(godwit_error, text_bytes, 50);

#define GODWIT_ERROR_TEXT_MAX 256

// The frames of servers among themselves, and the limits that they put on streams.
#include <godwit/wire_peer.h>

#endif
