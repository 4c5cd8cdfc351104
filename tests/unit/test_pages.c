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

Test(pages, keep_what_they_hold_when_they_are_joined)
{
	uint64_t words = 3 * PAGES_HUGE_BYTES / sizeof(uint64_t);
	struct pages pages;
	uint64_t *at;

	cr_assert_eq(pages_map(&pages, 3 * PAGES_HUGE_BYTES, false, -1), 0);
	at = pages.base;
	for (uint64_t i = 0; i < words; i++)
		at[i] = i * 31;
	pages_join((uint8_t *)pages.base + 16, pages.bytes - 16); // as malloc would place it
	pages_join(pages.base, 4096);				  // too small for any
	for (uint64_t i = 0; i < words; i++)
		cr_assert_eq(at[i], i * 31);
	pages_unmap(&pages);
}
