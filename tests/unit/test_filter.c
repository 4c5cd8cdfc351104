// SPDX-License-Identifier: BSD-3-Clause
//
// Filter classes and the topic index, by hand and against a naive list of sets.
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

#include "dataplane/filter.h"
#include "dataplane/log.h"

static uint64_t random_next(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ull);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static uint32_t random_below(uint64_t *state, uint32_t n)
{
	return (uint32_t)(random_next(state) % n);
}

static int compare_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

Test(filter_set, must_be_sorted_distinct_and_short)
{
	uint32_t topics[GODWIT_FILTER_TOPICS + 1];

	for (uint32_t i = 0; i < GODWIT_FILTER_TOPICS + 1; i++)
		topics[i] = i * 3;
	cr_assert(filter_is_set(topics, 1));
	cr_assert(filter_is_set(topics, GODWIT_FILTER_TOPICS));
	cr_assert_not(filter_is_set(topics, GODWIT_FILTER_TOPICS + 1));
	cr_assert_not(filter_is_set(topics, 0));
	topics[5] = topics[4];
	cr_assert_not(filter_is_set(topics, 6));
	topics[5] = topics[4] - 1;
	cr_assert_not(filter_is_set(topics, 6));
	cr_assert(filter_is_set(topics, 5));
}

Test(filter_hash, tells_sets_apart_and_is_never_zero)
{
	uint32_t a[] = {1, 2, 3}, b[] = {1, 2, 4};

	cr_assert_neq(filter_hash(a, 3), filter_hash(b, 3));
	cr_assert_neq(filter_hash(a, 3), filter_hash(a, 2));
	cr_assert_eq(filter_hash(a, 2), filter_hash(b, 2));
	cr_assert_neq(filter_hash(a, 3), 0);
	// Servers compare it: the value is fixed.
	cr_assert_eq(filter_hash(a, 3), 0x6bbf7429332bea48ull);
}

Test(filter, shares_one_class_between_equal_sets)
{
	struct filters *f = filters_create(4, 100);
	uint32_t a[] = {7, 9, UINT32_MAX}, b[] = {0, 9};
	uint32_t one = filter_hold(f, a, 3), two = filter_hold(f, b, 2);

	cr_assert_neq(one, two);
	cr_assert_eq(filter_hold(f, a, 3), one);
	cr_assert_eq(filter_class(f, one)->users, 2);
	cr_assert_eq(filter_class(f, one)->topics, 3);
	cr_assert_eq(filter_class(f, one)->hash, filter_hash(a, 3));
	cr_assert_eq(filter_class(f, one)->members, FILTER_NONE);
	cr_assert_eq(filter_class(f, one)->open, FILTER_NONE);
	cr_assert_eq(filter_class(f, one)->topic_bits,
		     topic_bit(7) | topic_bit(9) | topic_bit(UINT32_MAX));
	cr_assert_arr_eq(filter_topics(f, one), a, sizeof(a));
	cr_assert(filter_matches(f, one, UINT32_MAX));
	cr_assert(filter_matches(f, two, 0));
	cr_assert_not(filter_matches(f, one, 0));
	cr_assert_not(filter_matches(f, one, 8));
	filter_release(f, one);
	cr_assert(filter_matches(f, one, 7));
	filter_release(f, one);
	cr_assert_eq(filter_index(f, 7), FILTER_NONE);
	cr_assert_eq(filter_index_class(f, filter_index(f, 9)), two);
	cr_assert_eq(filter_index_next(f, filter_index(f, 9)), FILTER_NONE);
	filters_destroy(f);
}

Test(filter, refuses_when_full_and_recovers)
{
	struct filters *f = filters_create(2, 5);
	uint32_t a[] = {1, 2, 3}, b[] = {1, 2, 4}, c[] = {1, 2}, d[] = {9};
	uint32_t one = filter_hold(f, a, 3), two = FILTER_NONE;

	cr_assert_eq(filter_hold(f, b, 3), FILTER_NONE, "five topics in all");
	cr_assert_eq(filter_hold(f, a, 3), one, "an existing class costs nothing");
	two = filter_hold(f, c, 2);
	cr_assert_neq(two, FILTER_NONE);
	filter_release(f, two);
	two = filter_hold(f, d, 1);
	cr_assert_neq(two, FILTER_NONE);
	cr_assert_eq(filter_hold(f, (uint32_t[]){8}, 1), FILTER_NONE, "two classes in all");
	filter_release(f, one);
	cr_assert_eq(filter_hold(f, b, 3), FILTER_NONE, "held once more");
	filter_release(f, one);
	cr_assert_neq(filter_hold(f, b, 3), FILTER_NONE);
	filters_destroy(f);
}

Test(filter, refuses_tables_that_cannot_be)
{
	errno = 0;
	cr_assert_null(filters_create(1, UINT32_MAX));
	cr_assert_eq(errno, ENOMEM);
	cr_assert_null(filters_create(0, 10));
	cr_assert_null(filters_create(10, 0));
	cr_assert_gt(filters_bytes(1000, 20000), filters_bytes(1000, 10000));
}

// Single topics everywhere, every second one released: no free run is longer than one, and still
// sets of the largest size fill all that is left.
Test(filter, scattered_holes_do_not_keep_large_sets_out)
{
	enum {
		TOPICS = 240 * 100
	};
	struct filters *f = filters_create(TOPICS, TOPICS);
	uint32_t *held = calloc(TOPICS, sizeof(*held));
	uint32_t set[240], large[50];

	for (uint32_t i = 0; i < TOPICS; i++) {
		held[i] = filter_hold(f, &i, 1);
		cr_assert_neq(held[i], FILTER_NONE);
	}
	for (uint32_t i = 0; i < TOPICS; i += 2)
		filter_release(f, held[i]);
	for (uint32_t i = 0; i < 50; i++) {
		for (uint32_t t = 0; t < 240; t++)
			set[t] = i * 1000 + t;
		large[i] = filter_hold(f, set, 240);
		cr_assert_neq(large[i], FILTER_NONE, "set %u", i);
	}
	cr_assert_eq(filter_hold(f, (uint32_t[]){77777777}, 1), FILTER_NONE);
	for (uint32_t i = 0; i < 50; i++) {
		for (uint32_t t = 0; t < 240; t++)
			cr_assert_eq(filter_topics(f, large[i])[t], i * 1000 + t);
	}
	for (uint32_t i = 1; i < TOPICS; i += 2) {
		cr_assert_eq(filter_topics(f, held[i])[0], i);
		filter_release(f, held[i]);
		cr_assert_not(filter_index(f, i) != FILTER_NONE && i % 1000 >= 240);
	}
	for (uint32_t i = 0; i < 50; i++)
		filter_release(f, large[i]);
	for (uint32_t i = 0; i < TOPICS; i++)
		cr_assert_eq(filter_index(f, i), FILTER_NONE);
	free(held);
	filters_destroy(f);
}

// ---- the naive twin --------------------------------------------------------------------------

#define TWIN_CLASSES 400

struct naive_class {
	uint32_t users, count;
	uint32_t topics[GODWIT_FILTER_TOPICS];
};

struct twin {
	struct filters *f;
	struct naive_class naive[TWIN_CLASSES]; // by the number that the subject gave
	uint32_t classes_max, topics_max, topics_domain, set_max;
	uint32_t classes, topics; // in use
	uint32_t refused, grown;
	uint64_t random;
};

static bool naive_wants(const struct naive_class *c, uint32_t topic)
{
	for (uint32_t i = 0; i < c->count; i++) {
		if (c->topics[i] == topic)
			return c->users > 0;
	}
	return false;
}

static uint32_t twin_find(const struct twin *t, const uint32_t *topics, uint32_t count)
{
	for (uint32_t n = 0; n < t->classes_max; n++) {
		const struct naive_class *c = &t->naive[n];

		if (c->users > 0 && c->count == count &&
		    memcmp(c->topics, topics, count * sizeof(*topics)) == 0)
			return n;
	}
	return FILTER_NONE;
}

// A topic of the domain: its lower half dense, its upper half far apart.
static uint32_t twin_topic(struct twin *t)
{
	uint32_t topic = random_below(&t->random, t->topics_domain);

	return topic < t->topics_domain / 2 ? topic : UINT32_MAX - topic * 65536;
}

static uint32_t twin_set(struct twin *t, uint32_t *topics)
{
	uint32_t want = 1 + random_below(&t->random, t->set_max), count = 0;

	for (uint32_t i = 0; i < want; i++)
		topics[i] = twin_topic(t);
	qsort(topics, want, sizeof(*topics), compare_u32);
	for (uint32_t i = 0; i < want; i++) {
		if (count == 0 || topics[count - 1] != topics[i])
			topics[count++] = topics[i];
	}
	return count;
}

static void twin_hold(struct twin *t)
{
	uint32_t topics[GODWIT_FILTER_TOPICS];
	uint32_t count = twin_set(t, topics), known = FILTER_NONE, number = FILTER_NONE;

	if (random_below(&t->random, 4) == 0) { // one that may exist
		const struct naive_class *c = &t->naive[random_below(&t->random, t->classes_max)];

		if (c->users > 0) {
			count = c->count;
			memcpy(topics, c->topics, count * sizeof(*topics));
		}
	}
	known = twin_find(t, topics, count);
	number = filter_hold(t->f, topics, count);
	if (known != FILTER_NONE) {
		cr_assert_eq(number, known);
		t->naive[known].users++;
		return;
	}
	if (t->classes == t->classes_max || t->topics + count > t->topics_max) {
		cr_assert_eq(number, FILTER_NONE);
		t->refused++;
		return;
	}
	cr_assert_lt(number, t->classes_max);
	cr_assert_eq(t->naive[number].users, 0);
	t->naive[number].users = 1;
	t->naive[number].count = count;
	memcpy(t->naive[number].topics, topics, count * sizeof(*topics));
	t->classes++;
	t->topics += count;
	t->grown++;
}

static void twin_release(struct twin *t)
{
	uint32_t number = random_below(&t->random, t->classes_max);
	struct naive_class *c = &t->naive[number];

	if (c->users == 0)
		return;
	filter_release(t->f, number);
	if (--c->users == 0) {
		t->classes--;
		t->topics -= c->count;
	}
}

static void twin_check_topic(struct twin *t, uint32_t topic)
{
	bool seen[TWIN_CLASSES] = {false};

	for (uint32_t it = filter_index(t->f, topic); it != FILTER_NONE;
	     it = filter_index_next(t->f, it)) {
		uint32_t number = filter_index_class(t->f, it);

		cr_assert_lt(number, t->classes_max);
		cr_assert_not(seen[number], "class %u is listed twice", number);
		seen[number] = true;
	}
	for (uint32_t n = 0; n < t->classes_max; n++) {
		bool wants = naive_wants(&t->naive[n], topic);

		cr_assert_eq(seen[n], wants, "topic %u class %u", topic, n);
		cr_assert_eq(filter_matches(t->f, n, topic), wants);
	}
}

static void twin_check_classes(struct twin *t)
{
	for (uint32_t n = 0; n < t->classes_max; n++) {
		const struct naive_class *c = &t->naive[n];

		cr_assert_eq(filter_class(t->f, n)->users, c->users);
		if (c->users == 0)
			continue;
		cr_assert_eq(filter_class(t->f, n)->topics, c->count);
		cr_assert_arr_eq(filter_topics(t->f, n), c->topics, c->count * sizeof(uint32_t));
		cr_assert_eq(filter_class(t->f, n)->hash, filter_hash(c->topics, c->count));
	}
}

// Phases lean towards growing and shrinking in turn, so that full and nearly empty both come by.
static void twin_run(uint64_t seed, uint32_t classes_max, uint32_t topics_max, uint32_t domain,
		     uint32_t set_max)
{
	struct twin *t = calloc(1, sizeof(*t));

	*t = (struct twin){.f = filters_create(classes_max, topics_max),
			   .classes_max = classes_max,
			   .topics_max = topics_max,
			   .topics_domain = domain,
			   .set_max = set_max,
			   .random = seed};
	cr_assert_not_null(t->f);
	for (uint32_t i = 0; i < 6000; i++) {
		bool growing = i / 500 % 2 == 0;

		if (random_below(&t->random, 8) < (growing ? 6u : 2u))
			twin_hold(t);
		else
			twin_release(t);
		twin_check_topic(t, twin_topic(t));
		if (i % 64 == 0)
			twin_check_classes(t);
	}
	twin_check_classes(t);
	cr_assert_gt(t->refused, 0, "the tables never filled");
	cr_assert_gt(t->grown, classes_max, "no class was ever used twice");
	filters_destroy(t->f);
	free(t);
}

Test(filter_twin, small_sets_that_fill_the_classes)
{
	for (uint64_t seed = 1; seed <= 6; seed++)
		twin_run(seed, 100, 1000, 50, 4);
}

Test(filter_twin, tiny_pool)
{
	for (uint64_t seed = 1; seed <= 6; seed++)
		twin_run(seed + 100, 50, 37, 60, 6);
}

Test(filter_twin, large_sets_that_fill_the_pool_across_pages)
{
	for (uint64_t seed = 1; seed <= 6; seed++)
		twin_run(seed + 200, TWIN_CLASSES, 9000, 5000, GODWIT_FILTER_TOPICS);
}
