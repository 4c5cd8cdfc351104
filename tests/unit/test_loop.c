// SPDX-License-Identifier: BSD-3-Clause
// The poll loop with a real core on a thread of its own, at the end of a wire of rings.
#define _GNU_SOURCE
#include "eal_fixture.h"

#include <dirent.h>
#include <sched.h>
#include <time.h>

#include "dataplane/loop.h"
#include "dataplane/port_pair.h"
#include "dataplane/rcu.h"
#include "tests/support/checked.h"

#define OURS	   0x0a000001u // 10.0.0.1/24
#define MBUFS	   FIXTURE_MBUFS
#define DEADLINE_S 10

static struct {
	struct eal_fixture eal;
	struct rte_mempool *pool;
	uint16_t other;
	struct port port;
	struct server server;
	struct loop *loop;
	struct core *core;
	uint64_t stall_ns; // 0: the default
} f;

static void up(void)
{
	const struct port_config port = {
		.driver = PORT_RING,
		.ip = OURS,
		.prefix_bits = 24,
		.udp_port = 5000,
		.mtu = 1500,
		.mbufs = MBUFS,
	};
	uint16_t ids[2];

	eal_up(&f.eal, NULL);
	cr_assert_eq(port_pair_create("a", ids), 0);
	cr_assert_eq(port_open_id(&f.port, &port, ids[0], 1, &f.eal.error), 0, "%s",
		     f.eal.error.text);
	cr_assert_eq(port_start(&f.port, &f.eal.error), 0, "%s", f.eal.error.text);
	f.other = ids[1];
	f.pool = other_pool();
	other_up(f.other, f.pool);
	f.server =
		(struct server){.mtu = 1500, .interval_ms = 100, .multiplier = 3, .core_count = 1};
}

static void down(void)
{
	loop_destroy(f.loop);
	core_destroy(f.core);
	cr_expect_eq(rte_mempool_avail_count(f.port.pool), MBUFS);
	cr_expect_eq(rte_mempool_avail_count(f.pool), MBUFS);
	port_stop(&f.port);
	port_close(&f.port);
	eal_down(&f.eal);
}

TestSuite(loop, .init = up, .timeout = 60);

static void loop_begin(enum loop_idle idle, uint32_t ports)
{
	struct core_config core = core_config_default;
	struct loop_config config = loop_config_default;
	struct port *list[] = {&f.port};
	struct tx tx;

	core.clients_max = 16;
	core.subscriptions_max = 16;
	config.idle = idle;
	config.idle_turns = 10;
	if (f.stall_ns != 0)
		config.stall_ns = f.stall_ns;
	f.loop = loop_create(&config, list, ports);
	cr_assert_not_null(f.loop);
	tx = loop_tx(f.loop);
	f.core = core_create(&f.server, &core, &tx);
	cr_assert_not_null(f.core);
	loop_set_core(f.loop, f.core);
	cr_assert_eq(loop_start(f.loop, 0), 0);
}

static void loop_end(void)
{
	struct crossing_slot *slot = crossing_begin(&f.core->inbox);

	slot->kind = CORE_COMMAND_STOP;
	slot->bytes = sizeof(struct core_command);
	crossing_end(&f.core->inbox);
	loop_join(0);
	slot = crossing_peek(&f.core->outbox);
	cr_assert_not_null(slot);
	cr_assert_eq(slot->kind, CORE_NOTICE_STOPPED);
}

static uint64_t count(enum counter which)
{
	return counter_get(f.core->counters, which);
}

static bool is_late(const struct timespec *begun)
{
	struct timespec now;

	sched_yield();
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec - begun->tv_sec > DEADLINE_S;
}

// Ask for the port's address and wait for the answer.
static bool arp_works(void)
{
	static const uint8_t request[42] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0,  2, 0x08, 0x06,
		0,    1,    0x08, 0,	6,    4,    0, 1, 2, 0, 0,  0, 0,    2,
		10,   0,    0,	  2,	0,    0,    0, 0, 0, 0, 10, 0, 0,    1,
	};
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(f.pool);
	struct timespec begun;
	bool is_reply;

	cr_assert_not_null(mbuf);
	memcpy(rte_pktmbuf_append(mbuf, sizeof(request)), request, sizeof(request));
	cr_assert_eq(rte_eth_tx_burst(f.other, 0, &mbuf, 1), 1);
	clock_gettime(CLOCK_MONOTONIC, &begun);
	while (rte_eth_rx_burst(f.other, 0, &mbuf, 1) == 0)
		if (is_late(&begun))
			return false;
	is_reply = rte_pktmbuf_mtod(mbuf, uint8_t *)[21] == 2;
	rte_pktmbuf_free(mbuf);
	return is_reply;
}

static bool wait_for(enum counter which, uint64_t least)
{
	struct timespec begun;

	clock_gettime(CLOCK_MONOTONIC, &begun);
	while (count(which) < least)
		if (is_late(&begun))
			return false;
	return true;
}

static bool thread_exists(const char *name)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *entry;
	bool found = false;

	while ((entry = readdir(tasks)) != NULL) {
		char path[300], text[32] = "";
		FILE *file;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
		file = fopen(path, "r");
		if (file == NULL)
			continue;
		if (fgets(text, sizeof(text), file) != NULL) {
			text[strcspn(text, "\n")] = 0;
			found = found || strcmp(text, name) == 0;
		}
		fclose(file);
	}
	closedir(tasks);
	return found;
}

Checked(loop, turns_until_its_core_is_told_to_stop, down)
{
	loop_begin(LOOP_BUSY, 1);
	cr_assert(arp_works());
	cr_assert(thread_exists("gw:core0"));
	cr_assert(wait_for(COUNTER_turns_idle, 100));
	loop_end();
	cr_assert_eq(count(COUNTER_sleeps), 0);
	cr_assert_eq(count(COUNTER_port_arp), 1);
	cr_assert_eq(count(COUNTER_port_rx_packets), 1);
	cr_assert_gt(count(COUNTER_turn_longest_ns), 0);
	cr_assert_gt(count(COUNTER_turns), count(COUNTER_turns_idle));
}

Checked(loop, tells_its_core_the_time, down)
{
	struct timespec wall, monotonic;

	loop_begin(LOOP_ADAPTIVE, 1);
	cr_assert(wait_for(COUNTER_sleeps, 10));
	loop_end();
	clock_gettime(CLOCK_REALTIME, &wall);
	clock_gettime(CLOCK_MONOTONIC, &monotonic);
	cr_assert_leq(wall.tv_sec - (int64_t)(f.core->wall_ns / 1000000000), 10);
	cr_assert_geq(wall.tv_sec - (int64_t)(f.core->wall_ns / 1000000000), 0);
	cr_assert_leq(monotonic.tv_sec - (int64_t)(f.core->now_ns / 1000000000), 10);
	cr_assert_geq(monotonic.tv_sec - (int64_t)(f.core->now_ns / 1000000000), 0);
}

Checked(loop, counts_turns_above_the_threshold_as_late, down)
{
	f.stall_ns = 1; // every turn is
	loop_begin(LOOP_BUSY, 1);
	cr_assert(wait_for(COUNTER_turns_late, 100));
	loop_end();
	cr_assert_leq(count(COUNTER_turns_late), count(COUNTER_turns));
	cr_assert_gt(count(COUNTER_turn_longest_ns), 1);
}

Checked(loop, sleeps_when_adaptive_and_still_answers, down)
{
	loop_begin(LOOP_ADAPTIVE, 1);
	for (int i = 0; i < 3; i++) {
		cr_assert(wait_for(COUNTER_sleeps, count(COUNTER_sleeps) + 3));
		cr_assert(arp_works());
	}
	loop_end();
	cr_assert_geq(count(COUNTER_sleeps), 9);
	cr_assert_eq(count(COUNTER_port_arp), 3);
}

Checked(loop, runs_without_a_port, down)
{
	loop_begin(LOOP_ADAPTIVE, 0);
	cr_assert(wait_for(COUNTER_turns, 100));
	loop_end();
	cr_assert_eq(count(COUNTER_port_rx_packets), 0);
}

Checked(loop, lets_grace_periods_end_busy_or_asleep, down)
{
	struct rcu_grace grace;

	for (int i = 0; i < 2; i++) {
		loop_begin(i == 0 ? LOOP_BUSY : LOOP_ADAPTIVE, 1);
		cr_assert(wait_for(i == 0 ? COUNTER_turns : COUNTER_sleeps, 10));
		for (int k = 0; k < 100; k++) {
			rcu_grace_begin(&grace);
			rcu_grace_wait();
			cr_assert(rcu_grace_is_over(&grace));
		}
		loop_end();
		if (i == 0) {
			loop_destroy(f.loop);
			core_destroy(f.core);
		}
	}
}

Checked(loop, passes_time_and_bursts_to_its_core, down)
{
	// One turn by hand, without the thread.
	struct core_config core = core_config_default;
	struct loop_config config = loop_config_default;
	struct port *list[] = {&f.port};
	struct tx tx;

	core.clients_max = 16;
	core.subscriptions_max = 16;
	f.loop = loop_create(&config, list, 1);
	tx = loop_tx(f.loop);
	f.core = core_create(&f.server, &core, &tx);
	loop_set_core(f.loop, f.core);
	cr_assert_eq(loop_turn(f.loop, 12345678, 87654321), 0);
	cr_assert_eq(f.core->now_ns, 12345678);
	cr_assert_eq(f.core->wall_ns, 87654321);
}
