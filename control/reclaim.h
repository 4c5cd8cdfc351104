// SPDX-License-Identifier: BSD-3-Clause
//
// How memory that readers may still hold is waited for. What was unpublished is gathered on a list; a step of its
// owner begins to wait for all of it at once, and a later one frees it. Nobody blocks: a core that hangs must not
// take the control thread with it, which is to give its clients to another. With threads, waiting is a grace period
// of RCU; where one thread does everything, as in the simulator, there is nothing to wait for.
#ifndef CONTROL_RECLAIM_H
#define CONTROL_RECLAIM_H

#include <stdbool.h>
#include <stddef.h>

#include "dataplane/rcu.h"

struct reclaim {
	// Begins to wait until nobody holds what was unpublished before. NULL: nobody ever does.
	void (*begin)(void *context);
	// Whether it is so by now.
	bool (*is_over)(void *context);
	// Returns when it is so: before the memory goes.
	void (*wait)(void *context);
	void *context;
};

static inline void reclaim_begin(const struct reclaim *reclaim)
{
	if (reclaim->begin != NULL)
		reclaim->begin(reclaim->context);
}

static inline bool reclaim_is_over(const struct reclaim *reclaim)
{
	return reclaim->begin == NULL || reclaim->is_over(reclaim->context);
}

static inline void reclaim_wait(const struct reclaim *reclaim)
{
	if (reclaim->begin != NULL)
		reclaim->wait(reclaim->context);
}

static inline void reclaim_begin_rcu(void *context)
{
	rcu_grace_begin(context);
}

static inline bool reclaim_is_over_rcu(void *context)
{
	return rcu_grace_is_over(context);
}

static inline void reclaim_wait_rcu(void *context)
{
	(void)context;
	rcu_grace_wait();
}

// For servers: waits for every registered thread's quiescent state. The grace is for this one use, and lives as
// long as what uses it.
static inline struct reclaim reclaim_by_rcu(struct rcu_grace *grace)
{
	return (struct reclaim){reclaim_begin_rcu, reclaim_is_over_rcu, reclaim_wait_rcu, grace};
}

// For one thread alone.
static inline struct reclaim reclaim_at_once(void)
{
	return (struct reclaim){NULL, NULL, NULL, NULL};
}

#endif
