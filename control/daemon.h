// SPDX-License-Identifier: BSD-3-Clause
//
// The daemon: everything that one godwitd started, in the order in which it starts.
//
//   EAL -> ports -> logs and streams -> cluster -> loops and cores -> ports run -> threads
//
// Whatever fails says one line, and what had started is taken down again in the reverse order.
// While it runs, the control thread watches: notices of cores (registry), links, stalls, losses.
// Threads: control, but for what cores own; telemetry reads under the lock (admin.h).
#ifndef CONTROL_DAEMON_H
#define CONTROL_DAEMON_H

#include "control/admin.h"
#include "control/admin_view_plane.h"
#include "control/daemon_cluster.h"
#include "control/daemon_plane.h"
#include "control/logline.h"
#include "control/plan.h"
#include "control/registry.h"
#include "dataplane/loop.h"

#define DAEMON_STOP_NS	       2000000000ull // for all clients to be told
#define DAEMON_STEP_NS	       10000000ull   // between two rounds
#define DAEMON_CLUSTER_STEP_NS 1000000ull    // the same in a cluster
#define DAEMON_STALL_NS	       1000000000ull // a core that makes no turn for so long is told of
#define DAEMON_LINK_NS	       100000000ull  // between two looks at the links
#define DAEMON_LOSSES_NS       1000000000ull // between two looks at the ports' losses

struct daemon_core { // what control knows of a core
	int node;
	bool has_stopped;
	bool is_stuck;	      // told already
	uint64_t turns;	      // seen last
	uint64_t turns_at_ns; // when they last grew
	uint64_t lost;	      // notices
};

struct daemon_log { // memory of a stream's log
	void *memory;
	uint64_t bytes;
	bool is_huge;
	int node; // where it lies, -1: not known
};

struct daemon {
	const struct config *config;
	struct logline log;
	struct server server;
	struct eal eal;
	struct registry *registry;
	struct port ports[CONFIG_PORTS_MAX];
	struct port_link links[CONFIG_PORTS_MAX];
	struct port_stats losses[CONFIG_PORTS_MAX]; // seen last
	struct daemon_log logs[SERVER_STREAMS_MAX];
	struct loop *loops[SERVER_CORES_MAX];
	struct daemon_core cores[SERVER_CORES_MAX];
	struct daemon_cluster cluster;
	uint64_t started_ns, links_at_ns, losses_at_ns;
	uint32_t stop_sent; // cores that were told to stop
	// how far the start has come: what daemon_free takes down
	bool has_eal;
	uint32_t ports_open, ports_started, threads;
	// a fence that found its core's mailbox full
	bool has_fence;
	struct registry_fence fence;
	// what telemetry reads of the control plane, and asks of it (admin.h); the control thread holds the
	// lock during daemon_step
	pthread_mutex_t lock;
	struct view_sources sources;
	struct view_parts parts;
	struct admin_order order;
	uint64_t wall_offset_ns; // from monotonic to wall time, as of the start
	struct logline_site stuck_site, lost_site, link_site, losses_site, registry_site;
};

// Start everything. config outlives the daemon. 0, or -errno: one line was written, and daemon_free is
// still to be called. now_ns: monotonic.
int daemon_start(struct daemon *daemon, const struct config *config, const struct logline *log,
		 uint64_t now_ns);

// One round of watching; never blocks for long. now_ns: monotonic.
void daemon_step(struct daemon *daemon, uint64_t now_ns);

// How long to wait at most between two rounds.
uint64_t daemon_step_ns(const struct daemon *daemon);

// Whether it serves what it can: in a cluster it waits for the other servers first, but not for ever.
bool daemon_is_ready(const struct daemon *daemon);

// A command to a core, of at most CORE_COMMAND_BYTES. False: its mailbox is full.
bool daemon_command(struct daemon *daemon, uint32_t core, enum core_command_kind kind,
		    const void *data, uint32_t bytes);

// Tell the cores to stop, as far as their mailboxes take it: call it until daemon_has_stopped.
void daemon_stop(struct daemon *daemon);
bool daemon_has_stopped(const struct daemon *daemon);
// Wait for the threads of stopped cores, then free everything in the reverse order of the start. A
// core that has not stopped is not waited for: false, nothing is freed, only leave the process then.
bool daemon_free(struct daemon *daemon);

// Lines that say what was started and what it takes (banner.c).
void banner_print(const struct daemon *daemon);

#endif
