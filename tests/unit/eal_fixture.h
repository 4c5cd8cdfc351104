// SPDX-License-Identifier: BSD-3-Clause
//
// DPDK for a test: no hugepages, no devices but those asked for, files in a directory of its own that
// goes with the test. Criterion runs each test in a process of its own, so each may start it once.
#ifndef TESTS_UNIT_EAL_FIXTURE_H
#define TESTS_UNIT_EAL_FIXTURE_H

#include <criterion/criterion.h>
#include <ftw.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <stdio.h>
#include <stdlib.h>

#include "dataplane/eal.h"

#define FIXTURE_MBUFS 1023

struct eal_fixture {
	char directory[64];
	struct eal eal;
	struct eal_error error;
};

static inline struct eal_config eal_fixture_config(void)
{
	return (struct eal_config){
		.prefix = "unit",
		.pages = EAL_PAGES_ORDINARY,
		.memory_bytes = 48 << 20,
		.cpu_count = 1,
		.no_telemetry = true,
	};
}

static inline void directory_up(struct eal_fixture *f)
{
	snprintf(f->directory, sizeof(f->directory), "/tmp/godwit-test-XXXXXX");
	cr_assert_not_null(mkdtemp(f->directory));
	setenv("RUNTIME_DIRECTORY", f->directory, 1);
}

static inline int file_remove(const char *path, const struct stat *stat, int flag, struct FTW *walk)
{
	(void)stat, (void)flag, (void)walk;
	return remove(path);
}

static inline void directory_down(struct eal_fixture *f)
{
	nftw(f->directory, file_remove, 8, FTW_DEPTH | FTW_PHYS);
}

static inline void eal_up(struct eal_fixture *f, const char *vdev)
{
	struct eal_config config = eal_fixture_config();

	directory_up(f);
	if (vdev != NULL)
		config.vdevs[config.vdev_count++] = vdev;
	cr_assert_eq(eal_start(&f->eal, &config, &f->error), 0, "%s", f->error.text);
}

static inline void eal_down(struct eal_fixture *f)
{
	eal_stop(&f->eal);
	directory_down(f);
}

// The other end of a wire: the test's own, by DPDK's functions.
static inline struct rte_mempool *other_pool(void)
{
	struct rte_mempool *pool = rte_pktmbuf_pool_create(
		"other", FIXTURE_MBUFS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);

	cr_assert_not_null(pool);
	return pool;
}

static inline void other_up(uint16_t id, struct rte_mempool *pool)
{
	const struct rte_eth_conf conf = {0};

	cr_assert_eq(rte_eth_dev_configure(id, 1, 1, &conf), 0);
	cr_assert_eq(rte_eth_rx_queue_setup(id, 0, 256, SOCKET_ID_ANY, NULL, pool), 0);
	cr_assert_eq(rte_eth_tx_queue_setup(id, 0, 256, SOCKET_ID_ANY, NULL), 0);
	cr_assert_eq(rte_eth_dev_start(id), 0);
}

#endif
