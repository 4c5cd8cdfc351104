// SPDX-License-Identifier: BSD-3-Clause
//
// The one poll loop, which every worker runs:
//
//   time -> rx -> core_turn -> tx -> quiescent -> idle
//
// A core without a queue of any port runs the same loop with an empty burst. Time is read once a turn,
// without a system call where the kernel's clock is the processor's own counter. A busy loop never
// sleeps; an adaptive one sleeps sleep_ns after idle_turns turns that found nothing to do, offline to
// RCU: for laptops and shared CPUs. It ends when its core has stopped.
// Owner: control makes and frees it at rest; the worker's thread has it between.
#ifndef DATAPLANE_LOOP_H
#define DATAPLANE_LOOP_H

#include "dataplane/core.h"
#include "dataplane/stages/rx.h"
#include "dataplane/stages/tx.h"

enum loop_idle {
	LOOP_BUSY,
	LOOP_ADAPTIVE
};

struct loop_config {
	uint32_t core; // worker's number: decides which queues are its own
	enum loop_idle idle;
	uint32_t idle_turns; // 300 is a good choice
	uint32_t sleep_ns;   // 50000 is a good choice
	uint64_t stall_ns;   // turns above it count as late
};

extern const struct loop_config loop_config_default; // adaptive; core is 0

struct loop {
	struct loop_config config;
	struct core *core;
	struct rx_stage rx;
	struct tx_stage tx;
	struct burst burst;
	uint64_t turn_began_ns;	 // 0: the turn before slept, its length says nothing
	uint64_t wall_offset_ns; // wall clock less monotonic clock
	uint64_t wall_checked_ns;
	uint32_t idle_count;
};

// Bind the queues of `ports` that belong to this core. Thread: control. NULL with errno ENOMEM, or
// E2BIG with more than NET_PORTS_MAX ports.
struct loop *loop_create(const struct loop_config *config, struct port *const ports[],
			 uint32_t port_count);
// The ports are closed after it. Thread: control, when the loop has ended.
void loop_destroy(struct loop *loop);

// How its core sends: for core_create.
struct tx loop_tx(struct loop *loop);
// The core that it turns; it sends if a queue is bound. Thread: control, before any loop_start.
void loop_set_core(struct loop *loop, struct core *core);

// Run it on lcore `lcore` (a worker's number). 0 or -errno. Thread: control.
int loop_start(struct loop *loop, uint32_t lcore);
// Wait until the loop of that lcore has ended. Blocks; the caller is offline to RCU.
void loop_join(uint32_t lcore);

// The loop itself, until core->stopped. `arg` is the struct loop. Thread: the worker. Returns 0.
int loop_run(void *arg);
// One turn without idling, for tests. Returns how much was done.
uint32_t loop_turn(struct loop *loop, uint64_t now_ns, uint64_t wall_ns);

#endif
