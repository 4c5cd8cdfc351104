// SPDX-License-Identifier: BSD-3-Clause
//
// The static backend of the cluster: servers and primaries are those of the configuration, and the
// record of a stream is kept by its primary alone, one small file a stream.
//
//   change --> is it made from the revision in force, and by the rules? --> write_synced --> CHANGED
//
// - Nothing is in force before it is on the disk. What a store cannot say for sure is CLUSTER_UNKNOWN; the
//   next request then reads the file and writes it again before it answers. So does the first request of
//   a process: what it finds may be in the system's memory only.
// - A file that is damaged, or is of another cluster, stream or primary, is told of and left alone: every
//   request is answered so until somebody has looked at it.
// - Rules: session, epoch and incarnations are not 0; primary and min_in_sync are the configuration's; the
//   in-sync set has each server once, and only the primary and replicas; the epoch never goes down, and
//   goes up with every new session.
//
// Pure steps; files are behind `struct cluster_store`, so that tests keep and lose them at will. Thread:
// control. Limits: those of the configuration.
#ifndef CONTROL_CLUSTER_STATIC_H
#define CONTROL_CLUSTER_STATIC_H

#include <stddef.h>

#include "control/cluster.h"

#define CLUSTER_STORE_UNKNOWN                                                                      \
	1 // of write_synced(): which of the two contents survives is not known

// Where the files lie. arg is given to each function.
struct cluster_store {
	// Read the file `name`. Returns its bytes, -EFBIG if they are more than `size`, -ENOENT, -errno.
	int (*read)(void *arg, const char *name, char *text, size_t size);
	// Put a file in place of the one of that name, if there is one, so that after a crash at any time
	// one of both is there whole. 0: the new one, and it survives a crash. -errno: still the old one.
	// CLUSTER_STORE_UNKNOWN.
	int (*write_synced)(void *arg, const char *name, const char *text, size_t bytes);
	void *arg;
};

struct cluster_static_stream {
	char name[GODWIT_NAME_BYTES];
	uint16_t primary;
	uint16_t min_in_sync;
	uint32_t replica_count;
	uint16_t replicas[CLUSTER_SERVERS_MAX];
};

struct cluster_static_config {
	char name[GODWIT_NAME_BYTES]; // of the cluster
	uint16_t server;	      // this one
	uint32_t member_count, stream_count;
	struct cluster_member members[CLUSTER_SERVERS_MAX];
	const struct cluster_static_stream *streams; // copied
	struct cluster_store store;
};

// Make a cluster of it. *config is copied; the store's arg is the caller's and must outlive the cluster.
// 0 or -ENOMEM. To be ended by cluster_destroy().
int cluster_static_create(struct cluster *cluster, const struct cluster_static_config *config);

#endif
