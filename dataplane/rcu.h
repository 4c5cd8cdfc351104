// SPDX-License-Identifier: BSD-3-Clause
//
// RCU, flavour QSBR: the one header that includes liburcu.
//
// A registered thread counts as a reader all the time, but for the moment of rcu_quiescent() and the
// time between rcu_offline() and rcu_online(). So a core says rcu_quiescent() once a turn, where it
// holds no pointer that it looked up, and goes offline around sleeps; a thread that blocks while
// online stops every grace period.
// Threads: each registers itself, and unregisters before it ends.
//
// rcu_table: liburcu's hash table, with as many buckets as it is made with and no thread of its own.
// One thread changes it; registered threads look up meanwhile. The one that changes it, and frees what
// it removed, need not be registered; so a single thread can do all without a wait, as in the simulator.
#ifndef DATAPLANE_RCU_H
#define DATAPLANE_RCU_H

// The form of inlining that liburcu allows to any licence.
#ifndef URCU_INLINE_SMALL_FUNCTIONS
#define URCU_INLINE_SMALL_FUNCTIONS
#endif
#include <urcu/urcu-qsbr.h>

#include <urcu/rculfhash.h>

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

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

// Wait until no reader holds what was unpublished before. Blocks for as long as the slowest reader's turn: for tests
// and benchmarks, not for the control thread. Thread: online or offline.
static inline void rcu_synchronize(void)
{
	urcu_qsbr_synchronize_rcu();
}

// A grace period for a thread that must not block: begun, and asked for later. A reader that hangs while online keeps it
// from its end, and stops nobody else. liburcu's own thread waits for it.
struct rcu_grace {
	struct rcu_head head; // first: liburcu gives back its address
	_Atomic uint32_t is_over;
};

static inline void rcu_grace_end(struct rcu_head *head)
{
	// pairs with: rcu_grace_is_over
	atomic_store_explicit(&((struct rcu_grace *)(void *)head)->is_over, 1,
			      memory_order_release);
}

// Not while the last one goes on. The grace stays the caller's, who keeps it until it is over.
// Thread: not registered.
static inline void rcu_grace_begin(struct rcu_grace *grace)
{
	atomic_store_explicit(&grace->is_over, 0, memory_order_relaxed);
	// liburcu takes callbacks from registered threads alone.
	rcu_register();
	urcu_qsbr_call_rcu(&grace->head, rcu_grace_end);
	rcu_unregister();
}

// Whether no reader holds any more what was unpublished before it began. Thread: any.
static inline bool rcu_grace_is_over(const struct rcu_grace *grace)
{
	// pairs with: rcu_grace_end
	return atomic_load_explicit(&grace->is_over, memory_order_acquire) != 0;
}

// Blocks until all that were begun are over: for as long as the slowest reader's turn. Thread: any.
static inline void rcu_grace_wait(void)
{
	urcu_qsbr_barrier();
}

// Embedded in what a table holds; found back by its offset.
struct rcu_node {
	struct cds_lfht_node node;
};

// Whether the entry of `node` has the key. Called with the table's own nodes only.
typedef int (*rcu_match)(struct cds_lfht_node *node, const void *key);

// buckets: a power of two, for ever; 16 bytes each, one array. Best at one to two for each entry.
// NULL if there is no memory. liburcu ends the process where the array of buckets finds none.
static inline struct cds_lfht *rcu_table_create(uint64_t buckets)
{
	// All buckets at once: the array is then allocated whole, and an index is one addition. liburcu's
	// other ways (by order, by chunk) serve tables that grow and cost every lookup a load more.
	return _cds_lfht_new(buckets, buckets, buckets, 0, &cds_lfht_mm_mmap, &urcu_qsbr_flavor,
			     NULL);
}

// The array of buckets.
static inline void *rcu_table_buckets(struct cds_lfht *table)
{
	return cds_lfht_mm_mmap.bucket_at(table, 0);
}

// Fetch what a lookup of `hash` will read: first its bucket, and when that has come, the entry behind it.
// Hints, for lookups in bursts. array: rcu_table_buckets(). Thread: as rcu_table_find().
static inline void rcu_table_fetch_bucket(const void *array, uint64_t buckets, uint64_t hash)
{
	__builtin_prefetch((const struct cds_lfht_node *)array + (hash & (buckets - 1)));
}

static inline void rcu_table_fetch_entry(const void *array, uint64_t buckets, uint64_t hash)
{
	const struct cds_lfht_node *bucket = array;
	uintptr_t next;

	bucket += hash & (buckets - 1);
	next = (uintptr_t)__atomic_load_n(&bucket->next, __ATOMIC_RELAXED);
	// Its low bits are flags.
	__builtin_prefetch((const uint8_t *)(next & ~(uintptr_t)7));
	__builtin_prefetch((const uint8_t *)(next & ~(uintptr_t)7) + 64);
}

// Thread: at rest; every entry was removed before.
static inline void rcu_table_destroy(struct cds_lfht *table)
{
	int rc = cds_lfht_destroy(table, NULL);

	assert(rc == 0);
	(void)rc;
}

// The node of `key` or NULL. It is good until the thread's next rcu_quiescent() or rcu_offline().
// Thread: any that is registered and online.
static inline struct rcu_node *rcu_table_find(struct cds_lfht *table, uint64_t hash,
					      rcu_match match, const void *key)
{
	struct cds_lfht_iter iter;

	cds_lfht_lookup(table, hash, match, key, &iter);
	return (struct rcu_node *)cds_lfht_iter_get_node(&iter);
}

// Publish an entry whose key is not there. All that was written to it is seen by who finds it.
// Thread: the one that changes the table.
static inline void rcu_table_add(struct cds_lfht *table, uint64_t hash, struct rcu_node *node)
{
	cds_lfht_add(table, hash, &node->node);
}

// Unpublish an entry. Its memory must stay as it is until a grace period has passed.
// Thread: the one that changes the table.
static inline void rcu_table_remove(struct cds_lfht *table, struct rcu_node *node)
{
	int rc = cds_lfht_del(table, &node->node);

	assert(rc == 0);
	(void)rc;
}

#endif
