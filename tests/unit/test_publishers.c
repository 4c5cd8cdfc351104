// SPDX-License-Identifier: BSD-3-Clause
//
// The sequencer's table of publishers, by hand and against a naive list of all messages.
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

#include <godwit/errors.h>

#include "dataplane/publishers.h"

static void ignore_committed(void *arg, uint32_t number)
{
	(void)arg;
	(void)number;
}

static uint32_t open_new(struct publishers *p, uint64_t id)
{
	uint32_t number = PUBLISHER_NONE;

	cr_assert_eq(publishers_open(p, id, 0, &number), GODWIT_OK);
	return number;
}

Test(publishers, refuses_sizes_that_cannot_be)
{
	errno = 0;
	cr_assert_null(publishers_create(4, 3));
	cr_assert_eq(errno, EINVAL);
	cr_assert_null(publishers_create(4, 0));
	cr_assert_null(publishers_create(0, 4));
	cr_assert_gt(publishers_bytes(4, 8), publishers_bytes(4, 4));
}

Test(publishers, gives_each_new_instance_a_higher_number)
{
	struct publishers *p = publishers_create(2, 4);
	uint32_t number = 0;

	cr_assert_eq(publishers_open(p, 70, 1, &number), GODWIT_UNKNOWN_INSTANCE);
	cr_assert_eq(number, PUBLISHER_NONE);
	cr_assert_eq(publishers_open(p, 70, 0, &number), GODWIT_OK);
	cr_assert_eq(number, 0);
	cr_assert_eq(publisher_at(p, 0)->instance, 1);
	cr_assert_eq(publishers_open(p, 70, 1, &number), GODWIT_OK);
	cr_assert_eq(publishers_open(p, 70, 2, &number), GODWIT_UNKNOWN_INSTANCE);
	cr_assert_eq(publishers_open(p, 70, 0, &number), GODWIT_OK);
	cr_assert_eq(publisher_at(p, number)->instance, 2);
	cr_assert_eq(publishers_open(p, 70, 1, &number), GODWIT_FENCED);
	cr_assert_eq(number, 0);
	cr_assert_eq(publisher_at(p, 0)->instance, 2);
	cr_assert_eq(open_new(p, 71), 1);
	cr_assert_eq(publishers_open(p, 72, 0, &number), GODWIT_LIMIT);
	cr_assert_eq(number, PUBLISHER_NONE);
	cr_assert_eq(publishers_count(p), 2);
	cr_assert_eq(publishers_find(p, 71), 1);
	cr_assert_eq(publishers_find(p, 72), PUBLISHER_NONE);
	publishers_destroy(p);
}

Test(publishers, new_instance_starts_again_but_stays_in_the_list)
{
	struct publishers *p = publishers_create(2, 4);
	struct publisher *entry = publisher_at(p, open_new(p, 5));

	publishers_appended(p, 0, 1, 3);
	publishers_commit(p, 2, ignore_committed, NULL);
	entry->handle = entry->tag = entry->open_tag = 9;
	entry->open_request = entry->core = 1;
	entry->code = 9;
	entry->dirty = true;
	entry->next_dirty = 1;
	open_new(p, 5);
	cr_assert_eq(entry->last + entry->committed + entry->last_seq, 0);
	cr_assert_eq(entry->handle + entry->tag + entry->open_tag, 0);
	cr_assert_eq(entry->open_request + entry->core + entry->code, 0);
	cr_assert(entry->dirty);
	cr_assert_eq(entry->next_dirty, 1);
	publishers_commit(p, 3, ignore_committed, NULL);
	cr_assert_eq(entry->committed, 0, "the old instance's commit is not the new one's");
	publishers_destroy(p);
}

Test(publishers, judges_numbers)
{
	struct publishers *p = publishers_create(2, 4);
	uint32_t number = 0, skip = 0;

	cr_assert_eq(publishers_judge(p, 5, 1, 1, 1, &number, &skip), PUBLISH_UNKNOWN);
	cr_assert_eq(number, PUBLISHER_NONE);
	open_new(p, 5);
	open_new(p, 5); // instance 2
	cr_assert_eq(publishers_judge(p, 5, 1, 1, 1, &number, &skip), PUBLISH_FENCED);
	cr_assert_eq(number, 0);
	cr_assert_eq(publishers_judge(p, 5, 3, 1, 1, &number, &skip), PUBLISH_UNKNOWN);
	cr_assert_eq(number, 0);
	cr_assert_eq(publishers_judge(p, 5, 2, 2, 1, &number, &skip), PUBLISH_GAP);
	cr_assert_eq(publishers_judge(p, 5, 2, 0, 1, &number, &skip), PUBLISH_GAP);
	cr_assert_eq(publishers_judge(p, 5, 2, 1, 10, &number, &skip), PUBLISH_NEXT);
	cr_assert_eq(skip, 0);
	publishers_appended(p, 0, 100, 10);
	cr_assert_eq(publishers_judge(p, 5, 2, 1, 10, &number, &skip), PUBLISH_REPEAT);
	cr_assert_eq(publishers_judge(p, 5, 2, 8, 3, &number, &skip), PUBLISH_REPEAT);
	cr_assert_eq(publishers_judge(p, 5, 2, 8, 4, &number, &skip), PUBLISH_NEXT);
	cr_assert_eq(skip, 3);
	cr_assert_eq(publishers_judge(p, 5, 2, 11, 4, &number, &skip), PUBLISH_NEXT);
	cr_assert_eq(skip, 0);
	cr_assert_eq(publishers_judge(p, 5, 2, 12, 4, &number, &skip), PUBLISH_GAP);
	publishers_destroy(p);
}

Test(publishers, extends_a_run_only_where_it_continues)
{
	struct publishers *p = publishers_create(2, 8);
	struct publisher_run runs[8];

	open_new(p, 5);
	open_new(p, 6);
	publishers_appended(p, 0, 1, 2); // 1 2
	publishers_appended(p, 0, 3, 2); // 3 4, the same run
	publishers_appended(p, 1, 5, 1); // another publisher
	publishers_appended(p, 0, 6, 1); // not beside the run before
	publishers_appended(p, 0, 8, 1); // a sequence without a publisher lies between
	open_new(p, 5);
	publishers_appended(p, 0, 9, 1); // another instance
	cr_assert_eq(publishers_runs(p, 0, UINT64_MAX, runs, 8), 5);
	cr_assert_eq(runs[0].count, 4);
	cr_assert_eq(runs[2].first_number, 5);
	cr_assert_eq(runs[4].instance, 2);
	cr_assert_eq(runs[4].first_number, 1);
	cr_assert_eq(publishers_runs(p, 2, 3, runs, 8), 1);
	cr_assert_eq(runs[0].first_number, 2);
	cr_assert_eq(runs[0].first_seq, 2);
	cr_assert_eq(runs[0].count, 2);
	cr_assert_eq(publishers_runs(p, 4, 6, runs, 8), 3);
	cr_assert_eq(publishers_runs(p, 4, 6, runs, 2), 2);
	cr_assert_eq(publishers_runs(p, 7, 7, runs, 8), 0);
	cr_assert_eq(publishers_runs(p, 6, 5, runs, 8), 0);
	publishers_destroy(p);
}

Test(publishers, release_gives_room_and_a_base)
{
	struct publishers *p = publishers_create(2, 2);
	uint64_t instance = 0, last = 0, seq = 0;

	open_new(p, 5);
	open_new(p, 6);
	publishers_appended(p, 0, 1, 4);
	cr_assert(publishers_room(p));
	publishers_appended(p, 1, 5, 4);
	cr_assert_not(publishers_room(p));
	publishers_commit(p, 8, ignore_committed, NULL);
	publishers_release(p, 3);
	cr_assert_not(publishers_room(p));
	cr_assert_not(publishers_base(p, 5, &instance, &last, &seq));
	publishers_release(p, 6);
	cr_assert(publishers_room(p));
	cr_assert(publishers_base(p, 5, &instance, &last, &seq));
	cr_assert_eq(instance, 1);
	cr_assert_eq(last, 4);
	cr_assert_eq(seq, 4, "a run lies across 6");
	publishers_release(p, 8);
	cr_assert(publishers_base(p, 6, &instance, &last, &seq));
	cr_assert_eq(seq, 8);
	cr_assert_not(publishers_base(p, 7, &instance, &last, &seq));
	publishers_destroy(p);
}

Test(publishers, cut_back_undoes_runs_from_the_newest)
{
	struct publishers *p = publishers_create(2, 8);
	struct publisher *a = NULL;

	open_new(p, 5);
	open_new(p, 6);
	a = publisher_at(p, 0);
	publishers_appended(p, 0, 1, 4);
	publishers_commit(p, 4, ignore_committed, NULL);
	publishers_release(p, 4);
	publishers_appended(p, 1, 5, 2);
	publishers_appended(p, 0, 7, 3);
	publishers_cut_back(p, 8);
	cr_assert_eq(a->last, 6);
	cr_assert_eq(a->last_seq, 8);
	publishers_cut_back(p, 5);
	cr_assert_eq(a->last, 4, "what the base says");
	cr_assert_eq(a->last_seq, 4);
	cr_assert_eq(publisher_at(p, 1)->last, 1);
	publishers_cut_back(p, 4);
	cr_assert_eq(publisher_at(p, 1)->last, 0);
	cr_assert_eq(publisher_at(p, 1)->last_seq, 0);
	publishers_destroy(p);
}

// ---- the naive twin --------------------------------------------------------------------------

Test(publishers, a_replica_adopts_what_came_with_records_and_by_meta)
{
	struct publishers *p = publishers_create(2, 4);
	struct publisher_run run = {
		.publisher = 70, .instance = 5, .first_number = 11, .first_seq = 40, .count = 3};

	publishers_reset(p, 39);
	cr_assert(publishers_append_foreign(p, &run));
	cr_assert_eq(publisher_at(p, 0)->instance, 5);
	cr_assert_eq(publisher_at(p, 0)->last, 13);
	run.first_number = 14;
	run.first_seq = 43;
	cr_assert(publishers_append_foreign(p, &run), "goes on in the same run");
	cr_assert_eq(publishers_runs(p, 0, UINT64_MAX, &run, 1), 1);
	cr_assert_eq(run.count, 6);
	cr_assert(publishers_adopt(p, 70, 6));
	cr_assert(publishers_adopt(p, 70, 4), "a lower one changes nothing");
	cr_assert_eq(publisher_at(p, 0)->instance, 6);
	cr_assert_eq(publisher_at(p, 0)->last, 0);
	// A record of the instance before, still on its way.
	run = (struct publisher_run){
		.publisher = 70, .instance = 5, .first_number = 17, .first_seq = 50, .count = 1};
	cr_assert(publishers_append_foreign(p, &run));
	cr_assert_eq(publisher_at(p, 0)->instance, 6);
	cr_assert_eq(publisher_at(p, 0)->last, 0);
	cr_assert(publishers_adopt(p, 71, 1));
	cr_assert_not(publishers_adopt(p, 72, 1), "the table is full");
	publishers_destroy(p);
}

// A server that was started later than the one that gave the instances.
Test(publishers, what_another_server_gave_may_lie_below_the_own_floor)
{
	struct publishers *p = publishers_create(4, 4);
	struct publisher_run run = {
		.publisher = 70, .instance = 101, .first_number = 1, .first_seq = 40, .count = 3};
	uint32_t number, skip;

	publishers_floor(p, 200);
	publishers_reset(p, 39);
	cr_assert(publishers_append_foreign(p, &run));
	cr_assert(publishers_adopt(p, 71, 102));
	cr_assert_eq(publishers_judge(p, 70, 101, 4, 1, &number, &skip), PUBLISH_NEXT);
	cr_assert_eq(publishers_open(p, 70, 101, &number), GODWIT_OK, "it continues");
	cr_assert_eq(publisher_at(p, number)->last, 3);
	cr_assert_eq(publishers_open(p, 71, 102, &number), GODWIT_OK);
	cr_assert_eq(publishers_open(p, 70, 0, &number), GODWIT_OK);
	cr_assert_eq(publisher_at(p, number)->instance, 201, "a new one is given here");
	publishers_destroy(p);
}

Test(publishers, a_table_below_its_base_is_not_taken)
{
	struct publishers *p = publishers_create(2, 4);
	struct publisher_state states[3] = {{70, 1, 5}, {71, 1, 0}, {72, 9, 9}};
	uint32_t number, skip;

	publishers_reset(p, 100);
	cr_assert_not(publishers_load(p, 99, states, 2));
	cr_assert_not(publishers_load(p, 100, states, 3), "too many");
	cr_assert(publishers_load(p, 100, states, 2));
	cr_assert_eq(publishers_judge(p, 70, 1, 5, 1, &number, &skip), PUBLISH_REPEAT);
	cr_assert_eq(publishers_judge(p, 70, 1, 6, 1, &number, &skip), PUBLISH_NEXT);
	publishers_destroy(p);
}

#define TWIN_MESSAGES	40000
#define TWIN_PUBLISHERS 6
#define TWIN_IDS	9
#define TWIN_RUNS	8

struct message { // publisher 0: of none
	uint64_t publisher, instance, number;
};

struct twin {
	struct publishers *p;
	struct message messages[TWIN_MESSAGES + 1]; // by sequence, from 1
	uint64_t head, commit, released, base_seq;
	uint64_t ids[TWIN_PUBLISHERS], instances[TWIN_PUBLISHERS];
	uint32_t publishers;
	bool moved[TWIN_PUBLISHERS]; // by the commit just made
	uint32_t full, cuts_below_commit, partly;
	uint64_t random;
};

static uint32_t random_below(struct twin *t, uint32_t n)
{
	uint64_t z = (t->random += 0x9e3779b97f4a7c15ull);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return (uint32_t)((z ^ z >> 31) % n);
}

// The last number of {id, instance} at or below `seq`; its sequence in *at.
static uint64_t naive_last(const struct twin *t, uint64_t id, uint64_t instance, uint64_t seq,
			   uint64_t *at)
{
	for (*at = seq; *at > 0; (*at)--) {
		const struct message *m = &t->messages[*at];

		if (m->publisher == id && m->instance == instance)
			return m->number;
	}
	return 0;
}

static void twin_open(struct twin *t)
{
	uint64_t id = 1000 + random_below(t, TWIN_IDS), instance = random_below(t, 3);
	uint32_t number = 77, known = 0;
	unsigned int code = 0;

	while (known < t->publishers && t->ids[known] != id)
		known++;
	if (instance > 0 && known < t->publishers)
		instance = t->instances[known] - 1 + instance - random_below(t, 2);
	code = publishers_open(t->p, id, instance, &number);
	if (known == t->publishers && instance == 0 && known < TWIN_PUBLISHERS) {
		t->ids[known] = id;
		t->publishers++;
	}
	if (known == t->publishers) {
		cr_assert_eq(code, instance == 0 ? GODWIT_LIMIT : GODWIT_UNKNOWN_INSTANCE);
		cr_assert_eq(number, PUBLISHER_NONE);
		return;
	}
	cr_assert_eq(number, known);
	if (instance == 0) {
		cr_assert_eq(code, GODWIT_OK);
		t->instances[known]++;
	} else if (instance == t->instances[known]) {
		cr_assert_eq(code, GODWIT_OK);
	} else {
		cr_assert_eq(code, instance < t->instances[known] ? GODWIT_FENCED :
								    GODWIT_UNKNOWN_INSTANCE);
	}
}

static void twin_append(struct twin *t)
{
	uint32_t count = 1 + random_below(t, 6), n = 0;
	uint64_t at = 0, last = 0;

	if (t->head + count > TWIN_MESSAGES || t->publishers == 0)
		return;
	if (random_below(t, 8) == 0) { // no publisher's
		for (uint32_t i = 0; i < count; i++)
			t->messages[++t->head] = (struct message){0};
		return;
	}
	if (!publishers_room(t->p)) {
		t->full++;
		return;
	}
	n = random_below(t, random_below(t, 2) ? 1 : t->publishers);
	last = naive_last(t, t->ids[n], t->instances[n], t->head, &at);
	publishers_appended(t->p, n, t->head + 1, count);
	for (uint32_t i = 1; i <= count; i++)
		t->messages[++t->head] = (struct message){t->ids[n], t->instances[n], last + i};
}

static void on_committed(void *arg, uint32_t number)
{
	struct twin *t = arg;

	t->moved[number] = true;
}

static void twin_commit(struct twin *t)
{
	uint64_t seq = t->commit + random_below(t, (uint32_t)(t->head - t->commit) + 1);
	uint64_t at = 0;

	memset(t->moved, 0, sizeof(t->moved));
	publishers_commit(t->p, seq, on_committed, t);
	for (uint32_t n = 0; n < t->publishers; n++) {
		uint64_t before = naive_last(t, t->ids[n], t->instances[n], t->commit, &at);
		uint64_t now = naive_last(t, t->ids[n], t->instances[n], seq, &at);

		cr_assert_eq(t->moved[n], now != before, "publisher %u", n);
	}
	t->commit = seq;
}

static void twin_release(struct twin *t)
{
	uint64_t seq = t->released + random_below(t, (uint32_t)(t->commit - t->released) + 1);

	publishers_release(t->p, seq);
	t->released = seq;
}

static void twin_cut_back(struct twin *t)
{
	uint64_t low = random_below(t, 2) ? t->base_seq : t->commit, seq = 0;

	if (low < t->base_seq)
		low = t->base_seq;
	seq = low + random_below(t, (uint32_t)(t->head - low) + 1);
	publishers_cut_back(t->p, seq);
	t->head = seq;
	if (t->commit > seq) {
		t->commit = seq;
		t->cuts_below_commit++;
	}
	if (t->released >= seq) // a run that lay across it may now end at or below, and stays
		t->released = t->base_seq;
}

// Judge numbers around the last one of a publisher.
static void twin_judge(struct twin *t)
{
	uint32_t n = random_below(t, t->publishers), number = 0, skip = 0;
	uint32_t count = 1 + random_below(t, 5);
	uint64_t instance = t->instances[n] + 1 - random_below(t, 3), at = 0;
	uint64_t last = naive_last(t, t->ids[n], t->instances[n], t->head, &at);
	uint64_t first = last + 3 > 8 ? last + 3 - random_below(t, 8) : 1 + random_below(t, 4);
	enum publish_verdict verdict =
		publishers_judge(t->p, t->ids[n], instance, first, count, &number, &skip);

	cr_assert_eq(number, n);
	if (instance != t->instances[n])
		cr_assert_eq(verdict,
			     instance < t->instances[n] ? PUBLISH_FENCED : PUBLISH_UNKNOWN);
	else if (first > last + 1)
		cr_assert_eq(verdict, PUBLISH_GAP);
	else if (first + count <= last + 1)
		cr_assert_eq(verdict, PUBLISH_REPEAT);
	else
		cr_assert(verdict == PUBLISH_NEXT && skip == last + 1 - first);
}

static void twin_check_entries(struct twin *t)
{
	uint64_t at = 0, instance = 0, last = 0, seq = 0;

	cr_assert_eq(publishers_count(t->p), t->publishers);
	for (uint32_t n = 0; n < t->publishers; n++) {
		const struct publisher *entry = publisher_at(t->p, n);

		cr_assert_eq(publishers_find(t->p, t->ids[n]), n);
		cr_assert_eq(entry->instance, t->instances[n]);
		cr_assert_eq(entry->last, naive_last(t, t->ids[n], t->instances[n], t->head, &at));
		cr_assert_eq(entry->last_seq, at);
		cr_assert_eq(entry->committed,
			     naive_last(t, t->ids[n], t->instances[n], t->commit, &at));
		if (!publishers_base(t->p, t->ids[n], &instance, &last, &seq)) {
			for (uint64_t i = 1; i <= t->base_seq; i++)
				cr_assert_neq(t->messages[i].publisher, t->ids[n]);
			continue;
		}
		cr_assert_eq(seq, t->base_seq);
		cr_assert_eq(last, naive_last(t, t->ids[n], instance, seq, &at));
		for (uint64_t i = at + 1; i <= seq; i++)
			cr_assert_neq(t->messages[i].publisher, t->ids[n]);
	}
}

// All runs together are the messages of publishers above the base, in the fewest runs.
static void twin_check_runs(struct twin *t)
{
	struct publisher_run runs[TWIN_RUNS + 1];
	uint32_t count = publishers_runs(t->p, 0, UINT64_MAX, runs, TWIN_RUNS + 1);
	uint64_t seq = 0;

	cr_assert_leq(count, TWIN_RUNS);
	cr_assert_eq(publishers_room(t->p), count < TWIN_RUNS);
	if (count > 0) // what ends at or below the released sequence has left
		cr_assert_gt(runs[0].first_seq + runs[0].count - 1, t->released);
	t->base_seq = count > 0 && runs[0].first_seq <= t->released ? runs[0].first_seq - 1 :
								      t->released;
	t->partly += t->base_seq < t->released;
	seq = t->base_seq;
	for (uint32_t i = 0; i < count; i++) {
		const struct publisher_run *r = &runs[i];

		while (++seq < r->first_seq)
			cr_assert_eq(t->messages[seq].publisher, 0);
		cr_assert_eq(seq, r->first_seq);
		for (uint32_t k = 0; k < r->count; k++) {
			cr_assert_eq(t->messages[seq + k].publisher, r->publisher);
			cr_assert_eq(t->messages[seq + k].instance, r->instance);
			cr_assert_eq(t->messages[seq + k].number, r->first_number + k);
		}
		seq += r->count - 1;
		cr_assert(i == 0 || r[-1].publisher != r->publisher ||
			  r[-1].instance != r->instance ||
			  r[-1].first_seq + r[-1].count != r->first_seq);
	}
	while (++seq <= t->head)
		cr_assert_eq(t->messages[seq].publisher, 0);
}

// A range gives the same runs as the whole, clipped.
static void twin_check_range(struct twin *t)
{
	struct publisher_run all[TWIN_RUNS], some[TWIN_RUNS];
	uint32_t span = (uint32_t)(t->head - t->base_seq) + 2, n = 0;
	uint64_t first = t->base_seq + random_below(t, span), last = first + random_below(t, span);
	uint32_t count = publishers_runs(t->p, 0, UINT64_MAX, all, TWIN_RUNS);
	uint32_t found = publishers_runs(t->p, first, last, some, TWIN_RUNS);

	for (uint32_t i = 0; i < count; i++) {
		uint64_t from = all[i].first_seq, to = from + all[i].count - 1;

		if (to < first || from > last)
			continue;
		from = from < first ? first : from;
		to = to > last ? last : to;
		cr_assert_lt(n, found);
		cr_assert_eq(some[n].publisher, all[i].publisher);
		cr_assert_eq(some[n].instance, all[i].instance);
		cr_assert_eq(some[n].first_seq, from);
		cr_assert_eq(some[n].count, to - from + 1);
		cr_assert_eq(some[n].first_number, all[i].first_number + (from - all[i].first_seq));
		n++;
	}
	cr_assert_eq(n, found);
}

// Give a replica the runs of first .. last, in clipped pieces as packets would carry them.
static void replica_follow(struct twin *t, struct publishers *replica, uint64_t first,
			   uint64_t last)
{
	while (first <= last) {
		uint64_t to = first + random_below(t, 4);
		struct publisher_run runs[TWIN_RUNS];
		uint32_t count;

		to = to > last ? last : to;
		count = publishers_runs(t->p, first, to, runs, TWIN_RUNS);
		for (uint32_t i = 0; i < count; i++)
			cr_assert(publishers_append_foreign(replica, &runs[i]));
		first = to + 1;
	}
}

// A replica that got runs first and then the table as of some sequence stands where this one does, and cuts
// back like it.
static void twin_replicate(struct twin *t)
{
	struct publishers *replica = publishers_create(TWIN_PUBLISHERS, 4 * TWIN_RUNS);
	struct publisher_state states[TWIN_PUBLISHERS];
	uint64_t from = t->base_seq + random_below(t, (uint32_t)(t->head - t->base_seq) + 1);
	uint64_t as_of = t->base_seq + random_below(t, (uint32_t)(t->head - t->base_seq) + 1);
	uint64_t middle = as_of + random_below(t, (uint32_t)(t->head - as_of) + 1);
	uint64_t cut = as_of + random_below(t, (uint32_t)(t->head - as_of) + 1), at = 0;
	uint32_t count;

	// Where it begins above what the table is as of, the runs between are missing.
	publishers_reset(replica, from < as_of ? from : as_of);
	replica_follow(t, replica, (from < as_of ? from : as_of) + 1, middle);
	count = publishers_copy(t->p, as_of, states);
	cr_assert_eq(count, t->publishers);
	cr_assert(publishers_load(replica, as_of, states, count));
	cr_assert_eq(publishers_base_seq(replica), as_of);
	replica_follow(t, replica, middle + 1, t->head);
	for (uint32_t round = 0; round < 2; round++) {
		uint64_t head = round == 0 ? t->head : cut;

		for (uint32_t n = 0; n < t->publishers; n++) {
			const struct publisher *entry =
				publisher_at(replica, publishers_find(replica, t->ids[n]));

			cr_assert_eq(entry->instance, t->instances[n]);
			cr_assert_eq(entry->last,
				     naive_last(t, t->ids[n], t->instances[n], head, &at));
		}
		if (round == 0)
			publishers_cut_back(replica, cut);
	}
	publishers_destroy(replica);
}

static void twin_run(uint64_t seed)
{
	struct twin *t = calloc(1, sizeof(*t));

	t->random = seed;
	t->p = publishers_create(TWIN_PUBLISHERS, TWIN_RUNS);
	twin_open(t);
	for (uint32_t i = 0; i < 4000; i++) {
		uint32_t dice = random_below(t, 32);

		if (dice < 1)
			twin_open(t);
		else if (dice < 16)
			twin_append(t);
		else if (dice < 23)
			twin_commit(t);
		else if (dice < 27)
			twin_release(t);
		else if (dice < 28)
			twin_cut_back(t);
		else if (t->publishers > 0)
			twin_judge(t);
		twin_check_runs(t); // it also finds base_seq
		twin_check_entries(t);
		twin_check_range(t);
		if (i % 16 == 0)
			twin_replicate(t);
	}
	cr_assert_gt(t->full, 0, "the ring never filled");
	cr_assert_gt(t->cuts_below_commit, 0);
	cr_assert_gt(t->partly, 0, "no run ever lay across the released sequence");
	cr_assert_eq(t->publishers, TWIN_PUBLISHERS);
	publishers_destroy(t->p);
	free(t);
}

Test(publishers_twin, random_operations)
{
	for (uint64_t seed = 1; seed <= 10; seed++)
		twin_run(seed);
}
