// SPDX-License-Identifier: BSD-3-Clause
#define _GNU_SOURCE // pthread_setname_np

#include "dataplane/loop.h"

#include <errno.h>
#include <pthread.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_pause.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#include "dataplane/rcu.h"

#define NS_PER_S      1000000000ull
#define WALL_CHECK_NS 1000000 // how long a step of the wall clock may go unseen
#define SWEEP_NS      NS_PER_S
#define LAST_FLUSHES  1000 // tries to send what is pending when the core has stopped

const struct loop_config loop_config_default = {
	.idle = LOOP_ADAPTIVE,
	.idle_turns = 300,
	.sleep_ns = 50000,
	.stall_ns = 1000000,
};

struct loop *loop_create(const struct loop_config *config, struct port *const ports[],
			 uint32_t port_count)
{
	uint64_t bytes = (sizeof(struct loop) + CACHE_LINE - 1) & ~(CACHE_LINE - 1ull);
	struct loop *loop;

	if (port_count > NET_PORTS_MAX) {
		errno = E2BIG;
		return NULL;
	}
	loop = aligned_alloc(CACHE_LINE, bytes);
	if (loop == NULL)
		return NULL;
	memset(loop, 0, bytes);
	loop->config = *config;
	loop->rx.tx = &loop->tx;
	for (uint32_t i = 0; i < port_count; i++) {
		uint32_t queue = port_queue(ports[i], config->core);

		if (queue != PORT_NO_QUEUE)
			rx_add(&loop->rx, ports[i], queue);
	}
	return loop;
}

void loop_destroy(struct loop *loop)
{
	if (loop == NULL)
		return;
	rx_release(&loop->rx);
	tx_drain(&loop->tx);
	free(loop);
}

struct tx loop_tx(struct loop *loop)
{
	return tx_interface(&loop->tx);
}

void loop_set_core(struct loop *loop, struct core *core)
{
	loop->core = core;
	core->sends = loop->rx.queue_count > 0;
	loop->rx.counters = core->counters;
	loop->tx.counters = core->counters;
}

int loop_start(struct loop *loop, uint32_t lcore)
{
	return rte_eal_remote_launch(loop_run, loop, lcore);
}

void loop_join(uint32_t lcore)
{
	rte_eal_wait_lcore(lcore);
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

// The monotonic clock is read each turn, the wall clock once in a while: stamps need no better.
static uint64_t wall_now(struct loop *loop, uint64_t now_ns)
{
	if (now_ns - loop->wall_checked_ns >= WALL_CHECK_NS) {
		loop->wall_checked_ns = now_ns;
		loop->wall_offset_ns = clock_ns(CLOCK_REALTIME) - now_ns;
	}
	return now_ns + loop->wall_offset_ns;
}

uint32_t loop_turn(struct loop *loop, uint64_t now_ns, uint64_t wall_ns)
{
	uint32_t done;

	loop->tx.now_ns = now_ns;
	done = rx_burst(&loop->rx, &loop->burst, now_ns);
	done += core_turn(loop->core, &loop->burst, now_ns, wall_ns);
	rx_release(&loop->rx);
	// What a full queue did not take is no work done: an adaptive loop may sleep over a dead link.
	tx_burst(&loop->tx);
	return done;
}

// The turn that began before `now_ns` is over.
static void turn_account(struct loop *loop, uint64_t now_ns)
{
	struct counters *counters = loop->core->counters;
	uint64_t turn_ns = now_ns - loop->turn_began_ns;

	if (loop->turn_began_ns != 0) {
		counter_max(counters, COUNTER_turn_longest_ns, turn_ns);
		if (turn_ns > loop->config.stall_ns)
			counter_add(counters, COUNTER_turns_late, 1);
	}
	loop->turn_began_ns = now_ns;
}

// A turn found nothing to do.
static void loop_idle(struct loop *loop)
{
	const struct timespec sleep = {.tv_nsec = loop->config.sleep_ns};

	if (loop->config.idle == LOOP_BUSY || ++loop->idle_count < loop->config.idle_turns) {
		rte_pause();
		return;
	}
	counter_add(loop->core->counters, COUNTER_sleeps, 1);
	rcu_offline();
	nanosleep(&sleep, NULL);
	rcu_online();
	loop->turn_began_ns = 0;
}

static void neighbours_tick(struct loop *loop, uint64_t now_ns)
{
	for (uint32_t i = 0; i < loop->rx.queue_count; i++)
		neighbours_sweep(&loop->rx.queues[i].net->neighbours, now_ns);
}

int loop_run(void *arg)
{
	struct loop *loop = arg;
	uint64_t swept_ns = 0;
	char name[16];

	snprintf(name, sizeof(name), "gw:core%u", loop->config.core);
	pthread_setname_np(pthread_self(), name);
	// A sleep of 50 us is to be one; by default the kernel adds as much.
	prctl(PR_SET_TIMERSLACK, 1ul, 0ul, 0ul, 0ul);
	rcu_register();
	while (!loop->core->stopped) {
		uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
		uint32_t done;

		turn_account(loop, now_ns);
		done = loop_turn(loop, now_ns, wall_now(loop, now_ns));
		if (now_ns - swept_ns >= SWEEP_NS) {
			swept_ns = now_ns;
			neighbours_tick(loop, now_ns);
		}
		rcu_quiescent();
		if (done > 0)
			loop->idle_count = 0;
		else
			loop_idle(loop);
	}
	for (uint32_t i = 0; i < LAST_FLUSHES && tx_burst(&loop->tx) > 0; i++)
		rte_pause();
	rcu_unregister();
	return 0;
}
