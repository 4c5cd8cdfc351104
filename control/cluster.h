// SPDX-License-Identifier: BSD-3-Clause
//
// The cluster: its servers, and one record for each stream: who is primary, in which epoch, and which
// servers are in sync. One interface, behind which a backend keeps the records.
//
//   cluster_read / cluster_change --> backend --> cluster_next(): READ, CHANGED, or why not
//                                        '-----> cluster_next(): SEEN, MEMBERS (what others changed too)
//
// - A record changes only by compare-and-swap: a change names the revision that it was made from. Of two
//   changes from one revision one is CLUSTER_CONFLICT, and gets the record in force.
// - Asking and answering are apart: nothing is answered by the call that asks, and an answer may take as
//   long as the backend needs. One request a stream is under way at a time.
// - A new record is in force when cluster_next() says CLUSTER_DONE for its change, not before: until then
//   it and the old one must both be reckoned with. After CLUSTER_UNKNOWN nobody knows which of the two is
//   in force: read again before anything rests on it.
// - A record is applied only if its revision is higher than that of the one held.
//
// Streams and servers are those of the configuration; a stream is named by its number there.
// Thread: control. Owner: the daemon, or the simulator; a backend makes it (cluster_static.h).
#ifndef CONTROL_CLUSTER_H
#define CONTROL_CLUSTER_H

#include <godwit/types.h>
#include <stdbool.h>
#include <stdint.h>

#define CLUSTER_SERVERS_MAX 16
#define CLUSTER_WHY_BYTES   192

struct cluster_member {
	uint16_t id;
	uint16_t weight;
	struct godwit_address address;
};

struct cluster_replica { // one process of a server
	uint16_t server;
	uint64_t incarnation;
};

struct cluster_record {
	uint64_t revision; // the backend's, grows with every change; 0: there is no record
	uint64_t session;
	uint32_t epoch;
	uint16_t primary;
	uint16_t min_in_sync; // the primary counts
	uint32_t in_sync_count;
	struct cluster_replica
		in_sync[CLUSTER_SERVERS_MAX]; // the primary among them while it is in sync
};

enum cluster_answer {
	CLUSTER_DONE,
	CLUSTER_ABSENT,	   // read: there is no record
	CLUSTER_CONFLICT,  // change: made from another revision than the one in force
	CLUSTER_REFUSED,   // change: it breaks a rule, and nothing was changed
	CLUSTER_ELSEWHERE, // this server cannot see or change the record: its primary does
	CLUSTER_FOREIGN,   // what is kept belongs to another cluster, stream or server
	CLUSTER_DAMAGED,   // what is kept cannot be read as a record
	CLUSTER_FAILED,	   // the backend could not do it, and nothing was changed
	CLUSTER_UNKNOWN,   // change: it may or may not have happened
};

enum cluster_event_kind {
	CLUSTER_MEMBERS, // the servers are known, or others than before: cluster_members()
	CLUSTER_READ,	 // answer to cluster_read()
	CLUSTER_CHANGED, // answer to cluster_change()
	CLUSTER_SEEN,	 // a record is another than before, whoever changed it
};

struct cluster_event {
	enum cluster_event_kind kind;
	enum cluster_answer answer; // of READ and CHANGED
	uint32_t stream;
	// READ with DONE, CHANGED with DONE or CONFLICT, SEEN: the record in force.
	struct cluster_record record;
	char why[CLUSTER_WHY_BYTES]; // REFUSED to UNKNOWN: for people
};

struct cluster_ops {
	uint32_t (*members)(const void *backend, struct cluster_member *members);
	int (*read)(void *backend, uint32_t stream);
	int (*change)(void *backend, uint32_t stream, const struct cluster_record *record);
	bool (*next)(void *backend, uint64_t now_ns, struct cluster_event *event);
	void (*destroy)(void *backend);
};

struct cluster {
	const struct cluster_ops *ops;
	void *backend;
};

// The servers as they are known now. members: room for CLUSTER_SERVERS_MAX. Returns how many.
static inline uint32_t cluster_members(const struct cluster *cluster,
				       struct cluster_member *members)
{
	return cluster->ops->members(cluster->backend, members);
}

// Ask for a stream's record. 0, then CLUSTER_READ comes; -EBUSY: a request for it is under way; -EINVAL:
// no such stream.
static inline int cluster_read(struct cluster *cluster, uint32_t stream)
{
	return cluster->ops->read(cluster->backend, stream);
}

// Ask for *record (copied) to be put in place of the one whose revision it carries (0: of none). 0, then
// CLUSTER_CHANGED comes; -EBUSY: a request for the stream is under way; -EINVAL: no such stream.
static inline int cluster_change(struct cluster *cluster, uint32_t stream,
				 const struct cluster_record *record)
{
	return cluster->ops->change(cluster->backend, stream, record);
}

// Carry on, and take the next event. False: there is none now. May block for one write to a disk.
static inline bool cluster_next(struct cluster *cluster, uint64_t now_ns,
				struct cluster_event *event)
{
	return cluster->ops->next(cluster->backend, now_ns, event);
}

static inline void cluster_destroy(struct cluster *cluster)
{
	if (cluster->ops != NULL)
		cluster->ops->destroy(cluster->backend);
	*cluster = (struct cluster){0};
}

// Whether a server, or this very process of it, is in the in-sync set.
bool cluster_in_sync(const struct cluster_record *record, uint16_t server);
bool cluster_in_sync_as(const struct cluster_record *record, uint16_t server, uint64_t incarnation);

// "conflict", for people.
const char *cluster_answer_name(enum cluster_answer answer);

#endif
