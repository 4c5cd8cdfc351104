// SPDX-License-Identifier: BSD-3-Clause
#include <criterion/criterion.h>
#include <errno.h>

#include "dataplane/pages.h"

static bool is_zero(const struct pages *pages)
{
	const uint8_t *at = pages->base;

	for (uint64_t i = 0; i < pages->bytes; i++)
		if (at[i] != 0)
			return false;
	return true;
}

Test(pages, are_whole_aligned_and_zero)
{
	struct pages pages;

	cr_assert_eq(pages_map(&pages, 5000, false, -1), 0);
	cr_assert_eq(pages.bytes, 8192);
	cr_assert_not(pages.is_huge);
	cr_assert_eq((uintptr_t)pages.base % PAGES_HUGE_BYTES, 0);
	cr_assert(is_zero(&pages));
	memset(pages.base, 1, pages.bytes);
	pages_unmap(&pages);
	cr_assert_null(pages.base);
	pages_unmap(&pages);
}

Test(pages, come_from_huge_ones_or_from_ordinary_ones_and_say_which)
{
	struct pages pages;

	cr_assert_eq(pages_map(&pages, 1, true, -1), 0);
	cr_assert_eq((uintptr_t)pages.base % PAGES_HUGE_BYTES, 0);
	cr_assert_eq(pages.bytes, pages.is_huge ? PAGES_HUGE_BYTES : 4096);
	cr_assert(is_zero(&pages));
	pages_unmap(&pages);
}

Test(pages, refuse_what_cannot_be)
{
	struct pages pages;

	cr_assert_eq(pages_map(&pages, 0, false, -1), -1);
	cr_assert_eq(errno, EINVAL);
	cr_assert_eq(pages_map(&pages, 1ull << 38, false, -1), -1);
	cr_assert_eq(errno, EINVAL);
	cr_assert_eq(pages_map(&pages, 4096, false, 5000), -1);
	cr_assert_eq(errno, EINVAL);
	cr_assert_null(pages.base);
}
