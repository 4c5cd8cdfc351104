// SPDX-License-Identifier: BSD-3-Clause
//
// The daemon's part in a cluster: what is started for it, and what control does for it while cores run.
//
//   streams -> check ports -> peers -> state_dir -> keeper ... cores -> plane ... the others answer -> roles
//
// Roles (the keeper's start) are taken when a majority of the other servers answered, or after
// cluster.start_timeout: so long the server's own incarnation may still be raised above one that they
// knew of it. Streams that are not replicated are served all the time.
// Without other servers nothing here has any effect. Thread: control.
#ifndef CONTROL_DAEMON_CLUSTER_H
#define CONTROL_DAEMON_CLUSTER_H

#include "control/cluster_files.h"
#include "control/keeper.h"
#include "control/logline.h"
#include "control/plane.h"

#define DAEMON_SAID_NS 100000000ull // of what changes faster only where it came to is said

struct config;
struct crossing_slot;
struct daemon;

struct daemon_cluster_stream { // what was said last of a stream that is led
	enum keeper_state state;
	enum keeper_why why;
	uint16_t server;
	uint64_t changes;
	uint64_t said_ns; // 0: nothing was said
};

struct daemon_cluster_peer {
	uint32_t verdict, refusal, refused_us; // said last
	uint64_t incarnation;
	uint64_t said_ns;
};

struct daemon_cluster {
	bool has_peers;
	bool has_roles; // the keeper has begun
	struct cluster_files files;
	struct cluster cluster;
	struct keeper *keeper;
	struct plane *plane;	// links, cursors, moves; NULL: no cluster
	struct rcu_grace grace; // the plane's, for its cursor table
	struct daemon_cluster_stream streams[SERVER_STREAMS_MAX];
	struct daemon_cluster_peer peers[SERVER_PEERS_MAX];
	struct logline_site known_site;
};

// The list of servers that clients get: all of the cluster, or without one what is there already. And
// the streams for which clients are sent to another server.
void daemon_cluster_list(struct daemon *daemon);
// Streams and ports are there, cores are not. 0 or -errno: one line was written.
int daemon_cluster_start(struct daemon *daemon);
void daemon_cluster_step(struct daemon *daemon, uint64_t now_ns);
// A notice of a home core about a replicated stream. False: it is none of these.
bool daemon_cluster_notice(struct daemon *daemon, const struct crossing_slot *slot,
			   uint64_t now_ns);
// Cores are gone.
void daemon_cluster_free(struct daemon *daemon);

#endif
