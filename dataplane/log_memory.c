// SPDX-License-Identifier: BSD-3-Clause
//
// The memory of a log: one memfd, mapped twice back to back.
#define _GNU_SOURCE // memfd_create

#include "dataplane/log.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dataplane/pages.h"

#define SIZE_MAX_BYTES	(1ull << 37)
#define HUGE_PAGE_FLAGS (MFD_HUGETLB | 21u << MAP_HUGE_SHIFT) // log2 of 2 MiB

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
	if (node >= 0 && pages_prefer(area, size, node) != 0)
		return -1;
	return pages_touch(area, 2 * size, page);
}

void *log_memory_map(uint64_t size, bool huge, int node)
{
	uint64_t page = huge ? PAGES_HUGE_BYTES : (uint64_t)sysconf(_SC_PAGESIZE);

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
