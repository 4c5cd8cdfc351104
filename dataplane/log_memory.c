// SPDX-License-Identifier: BSD-3-Clause
//
// The memory of a log: one memfd, mapped twice back to back.
#define _GNU_SOURCE // memfd_create

#include "dataplane/log.h"

#include <errno.h>
#include <numaif.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIZE_MAX_BYTES	(1ull << 37)
#define HUGE_PAGE_BYTES (2ull << 20)
#define HUGE_PAGE_FLAGS (MFD_HUGETLB | 21u << MAP_HUGE_SHIFT) // log2 of 2 MiB
#define NODES_MAX	1024

// An address range of 2 * size bytes for the two mappings, aligned to `page`. NULL with errno.
static uint8_t *area_reserve(uint64_t size, uint64_t page)
{
	uint64_t bytes = 2 * size + page;
	uint8_t *area =
		mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (area == MAP_FAILED)
		return NULL;

	uint64_t before = -(uintptr_t)area & (page - 1);

	if (before > 0)
		munmap(area, before);
	munmap(area + before + 2 * size, page - before);
	return area + before;
}

// Pages come from `node` while it has some: a far page is slow, none at all would be an error.
static int node_prefer(uint8_t *memory, uint64_t size, int node)
{
	unsigned long nodes[NODES_MAX / (8 * sizeof(unsigned long))] = {0};

	if (node >= NODES_MAX) {
		errno = EINVAL;
		return -1;
	}
	nodes[(size_t)node / (8 * sizeof(nodes[0]))] |= 1ul
							<< (size_t)node % (8 * sizeof(nodes[0]));
	return (int)mbind(memory, size, MPOL_PREFERRED, nodes, NODES_MAX, 0);
}

// No page fault may be left for the cores. The kernel's own way tells of too few pages by an error,
// where a touch dies of SIGBUS; kernels before 5.14 do not have it.
static int pages_touch(uint8_t *memory, uint64_t bytes, uint64_t page)
{
	if (madvise(memory, bytes, MADV_POPULATE_WRITE) == 0)
		return 0;
	if (errno != EINVAL)
		return -1;
	for (uint64_t at = 0; at < bytes; at += page)
		__atomic_store_n(memory + at, 0, __ATOMIC_RELAXED);
	return 0;
}

// Map the file over both halves of `area`, place it and touch it. -1 with errno.
static int area_fill(uint8_t *area, uint64_t size, uint64_t page, int fd, int node)
{
	if (ftruncate(fd, (off_t)size) != 0)
		return -1;
	for (uint32_t half = 0; half < 2; half++) {
		if (mmap(area + half * size, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			 fd, 0) == MAP_FAILED)
			return -1;
	}
	if (node >= 0 && node_prefer(area, size, node) != 0)
		return -1;
	return pages_touch(area, 2 * size, page);
}

void *log_memory_map(uint64_t size, bool huge, int node)
{
	uint64_t page = huge ? HUGE_PAGE_BYTES : (uint64_t)sysconf(_SC_PAGESIZE);

	if (size == 0 || size > SIZE_MAX_BYTES || size % page != 0) {
		errno = EINVAL;
		return NULL;
	}

	int fd = memfd_create("godwit-log", MFD_CLOEXEC | (huge ? HUGE_PAGE_FLAGS : 0));

	if (fd < 0)
		return NULL;

	uint8_t *area = area_reserve(size, page);
	int rc = area == NULL ? -1 : area_fill(area, size, page, fd, node);
	int error = errno;

	// The mappings keep the memory.
	close(fd);
	if (rc != 0) {
		if (area != NULL)
			munmap(area, 2 * size);
		errno = error;
		return NULL;
	}
	return area;
}

void log_memory_unmap(void *memory, uint64_t size)
{
	if (memory != NULL)
		munmap(memory, 2 * size);
}
