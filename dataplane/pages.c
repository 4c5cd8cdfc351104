// SPDX-License-Identifier: BSD-3-Clause
#define _GNU_SOURCE // madvise, MAP_HUGETLB

#include "dataplane/pages.h"

#include <errno.h>
#include <numaif.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE // of Linux 6.1, in newer headers
#define MADV_COLLAPSE 25
#endif

#define BYTES_MAX (1ull << 37)
#define NODES_MAX 1024
#define HUGE_SIZE (21 << MAP_HUGE_SHIFT) // log2 of 2 MiB

// A far page is slow, none at all would be an error.
int pages_prefer(void *memory, uint64_t bytes, int node)
{
	unsigned long nodes[NODES_MAX / (8 * sizeof(unsigned long))] = {0};

	if (node < 0 || node >= NODES_MAX) {
		errno = EINVAL;
		return -1;
	}
	nodes[(size_t)node / (8 * sizeof(nodes[0]))] |= 1ul
							<< (size_t)node % (8 * sizeof(nodes[0]));
	return (int)mbind(memory, bytes, MPOL_PREFERRED, nodes, NODES_MAX, 0);
}

// The kernel's own way tells of too few pages by an error, where a touch dies of SIGBUS; kernels
// before 5.14 do not have it.
int pages_touch(void *memory, uint64_t bytes, uint64_t page)
{
	uint8_t *at = memory;

	if (madvise(memory, bytes, MADV_POPULATE_WRITE) == 0)
		return 0;
	if (errno != EINVAL)
		return -1;
	for (uint64_t done = 0; done < bytes; done += page)
		__atomic_store_n(at + done, 0, __ATOMIC_RELAXED);
	return 0;
}

void pages_join(void *memory, uint64_t bytes)
{
	uintptr_t first = ((uintptr_t)memory + PAGES_HUGE_BYTES - 1) & ~(PAGES_HUGE_BYTES - 1);
	uintptr_t end = ((uintptr_t)memory + bytes) & ~(PAGES_HUGE_BYTES - 1);

	if (first >= end)
		return;
	// The first lets the kernel join them some day, the second does it now (from Linux 6.1 on).
	madvise((void *)first, end - first, MADV_HUGEPAGE);
	madvise((void *)first, end - first, MADV_COLLAPSE);
}

// Ordinary pages, placed so that they can be joined. NULL with errno.
static uint8_t *map_ordinary(uint64_t bytes, bool join)
{
	uint8_t *area = mmap(NULL, bytes + PAGES_HUGE_BYTES, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t before;

	if (area == MAP_FAILED)
		return NULL;
	before = -(uintptr_t)area & (PAGES_HUGE_BYTES - 1);
	if (before > 0)
		munmap(area, before);
	munmap(area + before + bytes, PAGES_HUGE_BYTES - before);
	// Where the kernel cannot, they stay as they are.
	if (join)
		madvise(area + before, bytes, MADV_HUGEPAGE);
	return area + before;
}

// One try; false with errno, and nothing is kept.
static bool map_once(struct pages *pages, uint64_t bytes, bool from_huge, bool join, int node)
{
	uint64_t page = from_huge ? PAGES_HUGE_BYTES : (uint64_t)sysconf(_SC_PAGESIZE);
	int error;

	pages->bytes = (bytes + page - 1) / page * page;
	pages->is_huge = from_huge;
	pages->base = from_huge ?
			      mmap(NULL, pages->bytes, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | HUGE_SIZE, -1, 0) :
			      map_ordinary(pages->bytes, join);
	if (pages->base == MAP_FAILED)
		pages->base = NULL;
	if (pages->base == NULL)
		return false;
	if ((node < 0 || pages_prefer(pages->base, pages->bytes, node) == 0) &&
	    pages_touch(pages->base, pages->bytes, page) == 0)
		return true;
	error = errno;
	pages_unmap(pages);
	errno = error;
	return false;
}

int pages_map(struct pages *pages, uint64_t bytes, bool huge, int node)
{
	*pages = (struct pages){0};
	if (bytes == 0 || bytes > BYTES_MAX || node >= NODES_MAX) {
		errno = EINVAL;
		return -1;
	}
	if (huge && map_once(pages, bytes, true, false, node))
		return 0;
	return map_once(pages, bytes, false, huge, node) ? 0 : -1;
}

void pages_unmap(struct pages *pages)
{
	if (pages->base != NULL)
		munmap(pages->base, pages->bytes);
	*pages = (struct pages){0};
}
