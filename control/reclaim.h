// SPDX-License-Identifier: BSD-3-Clause
//
// How memory that readers may still hold is waited for. What was unpublished is gathered on a list; a
// step of its owner waits once for all of it, and frees it. With threads, waiting is a grace period of
// RCU; where one thread does everything, as in the simulator, there is nothing to wait for.
#ifndef CONTROL_RECLAIM_H
#define CONTROL_RECLAIM_H

#include <stddef.h>

#include "dataplane/rcu.h"

struct reclaim {
	// Returns when nobody holds what was unpublished before the call. NULL: nobody ever does.
	void (*wait)(void *context);
	void *context;
};

static inline void reclaim_wait(const struct reclaim *reclaim)
{
	if (reclaim->wait != NULL)
		reclaim->wait(reclaim->context);
}

static inline void reclaim_wait_rcu(void *context)
{
	(void)context;
	rcu_synchronize();
}

// For servers: waits for every registered thread's quiescent state. Blocks for a core's turn.
static inline struct reclaim reclaim_by_rcu(void)
{
	return (struct reclaim){reclaim_wait_rcu, NULL};
}

// For one thread alone.
static inline struct reclaim reclaim_at_once(void)
{
	return (struct reclaim){NULL, NULL};
}

#endif
