// SPDX-License-Identifier: BSD-3-Clause
//
// RCU, flavour QSBR: the one header that includes liburcu.
//
// A registered thread counts as a reader all the time, but for the moment of rcu_quiescent() and the
// time between rcu_offline() and rcu_online(). So a core says rcu_quiescent() once a turn, where it
// holds no pointer that it looked up, and goes offline around sleeps; a thread that blocks while
// online stops every grace period.
// Threads: each registers itself, and unregisters before it ends.
#ifndef DATAPLANE_RCU_H
#define DATAPLANE_RCU_H

// The form of inlining that liburcu allows to any licence.
#ifndef URCU_INLINE_SMALL_FUNCTIONS
#define URCU_INLINE_SMALL_FUNCTIONS
#endif
#include <urcu/urcu-qsbr.h>

// The calling thread becomes a reader, online.
static inline void rcu_register(void)
{
	urcu_qsbr_register_thread();
}

static inline void rcu_unregister(void)
{
	urcu_qsbr_unregister_thread();
}

// No pointer looked up before is used after. A few ns; at times it wakes who waits for a grace period.
static inline void rcu_quiescent(void)
{
	urcu_qsbr_quiescent_state();
}

// No pointer is held until rcu_online(): the thread may block.
static inline void rcu_offline(void)
{
	urcu_qsbr_thread_offline();
}

static inline void rcu_online(void)
{
	urcu_qsbr_thread_online();
}

// Wait until no reader holds what was unpublished before. Blocks for as long as the slowest core's
// turn. Thread: control; online or offline.
static inline void rcu_synchronize(void)
{
	urcu_qsbr_synchronize_rcu();
}

#endif
