// SPDX-License-Identifier: BSD-3-Clause
//
// The start of DPDK's environment (EAL) from a plain struct, with one clear line for each way in which
// it can fail.
//
// Lcore i is worker i, on CPU cpus[i]; the main lcore has the number cpu_count and is not pinned: a
// busy worker would starve it. Workers may share a CPU.
// Memory is hugepages where they are free, else ordinary pages; both without files that outlive the
// process. One process holds a prefix: a lock file in the runtime directory says who.
// Threads: control, once a process (EAL cannot be started twice, not even after a failure).
// Limits: EAL_CPUS_MAX workers, EAL_DEVICES_MAX devices.
#ifndef DATAPLANE_EAL_H
#define DATAPLANE_EAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EAL_CPUS_MAX	64
#define EAL_DEVICES_MAX 32
#define EAL_ERROR_BYTES 512

// Why something did not start, and what to do, in one line without a newline.
struct eal_error {
	char text[EAL_ERROR_BYTES];
};

enum eal_pages {
	EAL_PAGES_AUTO,
	EAL_PAGES_HUGE,
	EAL_PAGES_ORDINARY
};

struct eal_config {
	const char *prefix; // [A-Za-z0-9._-]{1,48}: tells several servers of one machine apart
	enum eal_pages pages;
	uint64_t memory_bytes; // rounded up to 2 MiB
	uint32_t cpu_count;    // workers, 1 to EAL_CPUS_MAX
	uint32_t cpus[EAL_CPUS_MAX];
	uint32_t vdev_count, pci_count;
	const char *vdevs[EAL_DEVICES_MAX]; // "net_af_packet0,iface=eth0"
	const char *pcis[EAL_DEVICES_MAX];  // "0000:01:00.0"; no other PCI device is touched
	bool no_telemetry;
};

struct eal {
	bool is_huge;		    // memory is hugepages
	char note[EAL_ERROR_BYTES]; // what is worth saying although it started; may be empty
	int lock;		    // private
};

// 0, or -errno with *error filled in: -EINVAL (config), -EBUSY (prefix in use), -ENOMEM, -EPERM,
// -ENODEV (a device or its driver), -EIO (anything else).
int eal_start(struct eal *eal, const struct eal_config *config, struct eal_error *error);
void eal_stop(struct eal *eal);

// Fill in *error like printf and return -code.
int eal_fail(struct eal_error *error, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

// Lines of errors that DPDK wrote since the start, all together; the first ones go to stderr.
uint64_t eal_log_lines(void);

#endif
