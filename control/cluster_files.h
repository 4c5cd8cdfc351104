// SPDX-License-Identifier: BSD-3-Clause
//
// The files of the static backend: a cluster_store in a folder of the file system.
//
//   NAME.new: write, sync  ->  rename to NAME  ->  sync the folder
//
// Up to the rename the old file is in force, after it the new one; whether the rename survives a crash of
// the machine is not known before the folder is synced. What a crash leaves as NAME.new is written over.
// One process of a server at a time: it holds a lock on the file server-ID.lock in the folder.
// Thread: control; each call blocks for the disk.
#ifndef CONTROL_CLUSTER_FILES_H
#define CONTROL_CLUSTER_FILES_H

#include <stdio.h>
#include <sys/types.h>

#include "control/cluster_static.h"

// The calls that can fail between two steps; those of libc, but in tests.
struct cluster_files_calls {
	ssize_t (*write)(int fd, const void *from, size_t bytes);
	int (*sync)(int fd);
	int (*rename)(int from_folder, const char *from, int to_folder, const char *to);
};

struct cluster_files {
	struct cluster_files_calls calls;
	int folder, lock; // descriptors, -1: none
};

// Open the folder, making it (not what it lies in) where it is not there. 0; -EWOULDBLOCK: another process
// of this server uses it; -errno. Whatever is returned, cluster_files_close() may be called.
int cluster_files_open(struct cluster_files *files, const char *path, uint16_t server);
void cluster_files_close(struct cluster_files *files);

// The store of an open folder; it lives as long as *files.
struct cluster_store cluster_files_store(struct cluster_files *files);

#endif
