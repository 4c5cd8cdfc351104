// SPDX-License-Identifier: BSD-3-Clause
//
// Memory in whole pages, taken at the start and kept: huge pages where the machine has them set aside,
// near the cores that read it, touched before anybody needs it.
//
// Thread: control, at start and end.
#ifndef DATAPLANE_PAGES_H
#define DATAPLANE_PAGES_H

#include <stdbool.h>
#include <stdint.h>

#define PAGES_HUGE_BYTES (2ull << 20)

struct pages {
	void *base; // aligned to PAGES_HUGE_BYTES, zeros
	uint64_t bytes;
	bool is_huge; // of pages set aside; else ordinary ones, which the kernel may join
};

// Take `bytes`, rounded up to whole pages. huge: from the pages set aside, or, where they do not
// suffice, ordinary ones with the kernel asked to join them. node: preferred; -1: any.
// 0, or -1 with errno: EINVAL (no bytes, more than 128 GiB, no such node), ENOMEM.
int pages_map(struct pages *pages, uint64_t bytes, bool huge, int node);
void pages_unmap(struct pages *pages);

// Pages not yet touched come from `node` while it has some. 0, or -1 with errno.
int pages_prefer(void *memory, uint64_t bytes, int node);

// Have the kernel join ordinary pages that are in use already into huge ones, as far as it can: where
// misses of the TLB cost much. What it cannot join works as before.
void pages_join(void *memory, uint64_t bytes);

// Leave no page fault for later. page: bytes of one. 0, or -1 with errno: there are too few.
int pages_touch(void *memory, uint64_t bytes, uint64_t page);

#endif
