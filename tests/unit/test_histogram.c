// SPDX-License-Identifier: BSD-3-Clause
//
// The histogram against sorted arrays.
#include <criterion/criterion.h>
#include <stdlib.h>

#include <godwit/histogram.h>

#define VALUES 20000

static const double shares[] = {0.0, 0.001, 0.07, 0.1, 0.25, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0};
#define SHARES (sizeof(shares) / sizeof(shares[0]))

static uint64_t random_next(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ull);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static struct godwit_histogram *histogram_create(void)
{
	return calloc(1, sizeof(struct godwit_histogram));
}

// Never below the true value, at most 1/32 above.
static void check_against_sorted(const struct godwit_histogram *h, const uint64_t *sorted,
				 uint64_t count)
{
	cr_assert_eq(godwit_histogram_count(h), count);
	cr_assert_eq(godwit_histogram_min(h), sorted[0]);
	cr_assert_eq(godwit_histogram_max(h), sorted[count - 1]);
	for (uint32_t i = 0; i < SHARES; i++) {
		// In ten-thousandths, so that the rank is a matter of whole numbers.
		uint64_t share = (uint64_t)(shares[i] * 10000 + 0.5);
		uint64_t rank = (share * count + 9999) / 10000;
		uint64_t exact = sorted[rank > 0 ? rank - 1 : 0];
		uint64_t found = godwit_histogram_quantile(h, shares[i]);

		cr_assert_geq(found, exact, "share %f", shares[i]);
		cr_assert_leq(found - exact, exact / 32, "share %f", shares[i]);
	}
}

Test(histogram, empty_one_says_zero)
{
	struct godwit_histogram *h = histogram_create();

	godwit_histogram_record(h, 77, 0);
	cr_assert_eq(godwit_histogram_count(h), 0);
	cr_assert_eq(godwit_histogram_min(h), 0);
	cr_assert_eq(godwit_histogram_max(h), 0);
	cr_assert_eq(godwit_histogram_quantile(h, 0.5), 0);
	free(h);
}

Test(histogram, buckets_follow_each_other_without_a_hole)
{
	uint64_t next = 0;

	for (uint32_t i = 0; i < GODWIT_HISTOGRAM_BUCKETS; i++) {
		uint64_t upper = godwit_histogram_upper(i);

		cr_assert_eq(godwit_histogram_bucket(next), i);
		cr_assert_eq(godwit_histogram_bucket(upper), i);
		cr_assert_leq(upper - next, next / 32);
		next = upper + 1;
	}
	cr_assert_eq(next, 0, "the last bucket ends with the largest value");
}

Test(histogram, holds_the_extremes_exactly)
{
	struct godwit_histogram *h = histogram_create();

	godwit_histogram_record(h, 0, 1);
	godwit_histogram_record(h, UINT64_MAX, 1);
	cr_assert_eq(godwit_histogram_min(h), 0);
	cr_assert_eq(godwit_histogram_max(h), UINT64_MAX);
	cr_assert_eq(godwit_histogram_quantile(h, 0.5), 0);
	cr_assert_eq(godwit_histogram_quantile(h, 0.51), UINT64_MAX);
	cr_assert_eq(godwit_histogram_quantile(h, -1.0), 0);
	cr_assert_eq(godwit_histogram_quantile(h, 2.0), UINT64_MAX);
	cr_assert_eq(godwit_histogram_quantile(h, __builtin_nan("")), 0);
	free(h);
}

Test(histogram, quantiles_agree_with_sorted_arrays)
{
	struct godwit_histogram *h = histogram_create();
	uint64_t *values = calloc(VALUES, sizeof(*values));

	for (uint64_t seed = 1; seed <= 20; seed++) {
		uint64_t random = seed, count = 1 + random_next(&random) % VALUES;

		godwit_histogram_reset(h);
		for (uint64_t i = 0; i < count; i++) {
			// Every magnitude, or a narrow band, by seed.
			uint64_t shift = seed % 2 ? random_next(&random) % 64 : 40 + seed % 16;

			values[i] = random_next(&random) >> shift;
			godwit_histogram_record(h, values[i], 1);
		}
		qsort(values, count, sizeof(*values), compare_u64);
		check_against_sorted(h, values, count);
	}
	free(values);
	free(h);
}

Test(histogram, counts_weigh_and_merges_add_up)
{
	struct godwit_histogram *parts[3], *whole = histogram_create();
	uint64_t *values = calloc(VALUES, sizeof(*values));
	uint64_t random = 99, count = 0;

	for (uint32_t i = 0; i < 3; i++)
		parts[i] = histogram_create();
	while (count < VALUES) {
		uint64_t value = random_next(&random) >> 30 >> random_next(&random) % 30;
		uint64_t times = 1 + random_next(&random) % 5;

		if (times > VALUES - count)
			times = VALUES - count;
		godwit_histogram_record(parts[random_next(&random) % 2], value, times);
		while (times-- > 0)
			values[count++] = value;
	}
	qsort(values, count, sizeof(*values), compare_u64);
	for (uint32_t i = 0; i < 3; i++) { // the third is empty
		godwit_histogram_merge(whole, parts[i]);
		free(parts[i]);
	}
	check_against_sorted(whole, values, count);
	godwit_histogram_reset(whole);
	cr_assert_eq(godwit_histogram_count(whole), 0);
	cr_assert_eq(godwit_histogram_max(whole), 0);
	free(values);
	free(whole);
}
