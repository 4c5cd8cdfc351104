// SPDX-License-Identifier: BSD-3-Clause
//
// The plan: from a configuration to the structs that the data plane is made of, and what memory they
// will take. Pure: nothing is allocated or started.
// Thread: control.
#ifndef CONTROL_PLAN_H
#define CONTROL_PLAN_H

#include "control/cluster_static.h"
#include "control/config.h"
#include "control/keeper.h"
#include "dataplane/core.h"
#include "dataplane/port.h"

#define PLAN_EAL_BYTES	    (24 * CONFIG_MIB) // DPDK's own tables beside packet buffers
#define PLAN_CROSSING_SLOTS 1024	      // of each pair of cores
#define PLAN_ROWS_MAX	    (4 + SERVER_CORES_MAX + 2 * SERVER_STREAMS_MAX)

struct plan_row {
	char name[96];
	uint64_t bytes;
};

struct plan_memory {
	uint64_t total;
	uint32_t count;
	struct plan_row rows[PLAN_ROWS_MAX];
};

// random and id are left zero: the daemon's to fill in.
void plan_core(const struct config *config, struct core_config *core);
// Session, epoch and memory are left zero. Pointers go into *config.
void plan_stream(const struct config *config, uint32_t number, struct stream_config *stream);
// The other servers, in the order in which the data plane numbers its peers. peers: room for SERVER_PEERS_MAX.
// Returns how many.
uint32_t plan_peers(const struct config *config, struct peer_config *peers);
// The replicated streams that this server leads. streams: room for SERVER_STREAMS_MAX. Returns how many.
uint32_t plan_keeper(const struct config *config, struct keeper_stream *streams);
void plan_port(const struct config *config, uint32_t number, struct port_config *port);

// What the static backend keeps of the configured cluster, all its streams by their numbers in the
// configuration. streams: room for SERVER_STREAMS_MAX, to which *cluster points. The store is left empty.
void plan_cluster(const struct config *config, struct cluster_static_stream *streams,
		  struct cluster_static_config *cluster);

// Memory for EAL: as configured, or what the ports need.
uint64_t plan_eal_bytes(const struct config *config);

// Every table, log and pool with its bytes, and the sum.
void plan_memory(const struct config *config, struct plan_memory *memory);

#endif
