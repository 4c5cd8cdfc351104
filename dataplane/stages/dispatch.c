// SPDX-License-Identifier: BSD-3-Clause
//
// dispatch: the live dispatchers, one a stream and core. Each cuts the next slice at the commit and fans it
// out: to the ring of each whole member, and, as runs of matching records, to the rings of each filter
// class. A fan-out pauses at any member when the turn's budget is used up, and goes on there.
//
// A member joined at A expects A first. A slice that ends below that is skipped, else it begins there:
// so a join is exact wherever a paused fan-out stands.
#include "dataplane/stages.h"

#define ENTRIES_SPARE 512 // entries kept free for one record that matches every class
#define MATCH_RECORDS 16  // records matched for what one slice put on a ring costs
#define COVER_LOOKS   64  // quiet filters looked at behind one slice

// ---- the live set -----------------------------------------------------------------------------

static uint32_t *member_head(struct core *core, const struct subscription *s)
{
	struct live *live = &core->lives[s->stream->number];

	return subscription_is_filtered(s) ? &filter_class(live->filters, s->filter)->members :
					     &live->members;
}

static void quiet_add(struct core *core, struct live *live, struct subscription *s)
{
	uint64_t at = live->done + s->window / 4;

	s->quiet_prev = NONE;
	s->quiet_next = live->quiet;
	if (live->quiet != NONE)
		core->subscriptions[live->quiet].quiet_prev = s->index;
	live->quiet = s->index;
	if (at < live->coverage_at)
		live->coverage_at = at;
}

static void quiet_remove(struct core *core, struct live *live, struct subscription *s)
{
	if (live->cover_next == s->index)
		live->cover_next = s->quiet_next;
	if (s->quiet_prev == NONE)
		live->quiet = s->quiet_next;
	else
		core->subscriptions[s->quiet_prev].quiet_next = s->quiet_next;
	if (s->quiet_next != NONE)
		core->subscriptions[s->quiet_next].quiet_prev = s->quiet_prev;
}

void live_join(struct core *core, struct subscription *s)
{
	struct live *live = &core->lives[s->stream->number];
	uint32_t *head = member_head(core, s);

	assert(live->active && !s->joined && live->place.seq >= s->temporary.place.seq);
	s->joined = true;
	s->expect = live->place.seq;
	s->member_prev = NONE;
	s->member_next = *head;
	if (*head != NONE)
		core->subscriptions[*head].member_prev = s->index;
	*head = s->index;
	live->members_count++;
	if (subscription_is_filtered(s))
		quiet_add(core, live, s);
}

void live_leave(struct core *core, struct subscription *s)
{
	struct live *live = &core->lives[s->stream->number];

	// A paused fan-out goes on behind it.
	if (live->whole_next == s->index)
		live->whole_next = s->member_next;
	if (live->entry_member == s->index)
		live->entry_member = s->member_next;
	if (s->member_prev == NONE)
		*member_head(core, s) = s->member_next;
	else
		core->subscriptions[s->member_prev].member_next = s->member_next;
	if (s->member_next != NONE)
		core->subscriptions[s->member_next].member_prev = s->member_prev;
	if (subscription_is_filtered(s))
		quiet_remove(core, live, s);
	s->joined = false;
	if (--live->members_count == 0) {
		live->active = false;
		live->fanning = false;
		live->entries_count = 0;
	}
}

// The subscription leaves the set at D: what is queued drains, then the log serves it from D on.
static void live_drop(struct core *core, struct subscription *s, uint64_t at)
{
	live_leave(core, s);
	s->dropped_at = at;
	s->state = SUBSCRIPTION_LAGGING;
	subscription_ready(core, s);
}

// ---- fan-out ----------------------------------------------------------------------------------

static void offer(struct core *core, struct subscription *s, struct slice slice, bool at_cut)
{
	uint32_t records = slice_count(slice);

	COUNT(core, dispatch_taken, records);
	if ((at_cut || !client_ring_merge(&s->ring, slice)) && !client_ring_push(&s->ring, slice)) {
		COUNT(core, dispatch_refused, records);
		COUNT(core, ring_full, 1);
		live_drop(core, s, slice.first);
		return;
	}
	s->expect = slice_last(slice) + 1;
	subscription_ready(core, s);
}

static bool fan_out_whole(struct core *core, struct live *live, uint32_t *budget)
{
	while (live->whole_next != NONE) {
		struct subscription *s = &core->subscriptions[live->whole_next];

		if (*budget == 0)
			return false;
		--*budget;
		live->whole_next = s->member_next;
		if (slice_last(live->slice) < s->expect)
			continue;
		assert(live->slice.first == s->expect);
		offer(core, s, live->slice, live->at_cut);
	}
	return true;
}

static bool fan_out_runs(struct core *core, struct live *live, uint32_t *budget)
{
	while (live->entry_next < live->entries_count) {
		struct live_entry *entry = &live->entries[live->entry_next];
		bool at_cut = live->at_cut && entry->run.first == live->slice.first;

		while (live->entry_member != NONE) {
			struct subscription *s = &core->subscriptions[live->entry_member];

			if (*budget == 0)
				return false;
			--*budget;
			live->entry_member = s->member_next;
			if (entry->run.first >= s->expect)
				offer(core, s, entry->run, at_cut);
		}
		if (++live->entry_next < live->entries_count)
			live->entry_member =
				filter_class(live->filters,
					     live->entries[live->entry_next].class_number)
					->members;
	}
	return true;
}

// ---- matching ---------------------------------------------------------------------------------

static void match_record(struct live *live, uint64_t seq, uint64_t pos, uint32_t bytes)
{
	const struct log *log = &live->stream->log;
	const struct godwit_record *record = (const void *)log_at(log, pos);
	struct filters *filters = live->filters;
	uint32_t topic = godwit_get32(record->topic);

	for (uint32_t it = filter_index(filters, topic); it != FILTER_NONE;
	     it = filter_index_next(filters, it)) {
		uint32_t number = filter_index_class(filters, it);
		struct filter_class *class = filter_class(filters, number);
		struct slice *run;

		if (class->members == NONE)
			continue;
		if (class->open != NONE) {
			run = &live->entries[class->open].run;
			if (slice_last(*run) + 1 == seq) {
				run->bits += (uint64_t)(bytes / 4) << 12 | 1;
				continue;
			}
		}
		class->open = live->entries_count++;
		live->entries[class->open] =
			(struct live_entry){number, slice_make(seq, pos, bytes, 1)};
	}
}

// Find the runs of the slice that each class wants. Where they would not fit the scratch, the slice is
// cut short. False: it was overwritten under us.
static bool match_slice(struct live *live, uint64_t pos)
{
	const struct log *log = &live->stream->log;
	uint32_t bytes_all = slice_bytes(live->slice), count = slice_count(live->slice);
	uint32_t at = 0, n = 0;
	bool whole;

	for (; n < count && live->entries_count <= ENTRIES_SPARE; n++) {
		uint32_t bytes = log_record_bytes(log, pos + at);

		if (at + bytes > bytes_all)
			break; // not what we cut: overwritten, as log_valid says below
		match_record(live, live->slice.first + n, pos + at, bytes);
		at += bytes;
	}
	for (uint32_t i = 0; i < live->entries_count; i++)
		filter_class(live->filters, live->entries[i].class_number)->open = NONE;
	whole = n == count;
	if (!log_valid(log, pos))
		return false;
	if (whole)
		return true;
	live->slice = slice_make(live->slice.first, pos, at, n);
	return log_seek(log, live->slice.first + n, &live->place);
}

// ---- the dispatcher ---------------------------------------------------------------------------

// The log moved over the dispatcher's next slice: its members go their own way from where they are.
static void live_lapped(struct core *core, struct live *live)
{
	while (live->members != NONE) {
		struct subscription *s = &core->subscriptions[live->members];

		live_drop(core, s, s->expect);
	}
	while (live->quiet != NONE) {
		struct subscription *s = &core->subscriptions[live->quiet];

		live_drop(core, s, s->expect);
	}
}

// Tell quiet filters what is covered, once a quarter of their window went by. A round over all of them
// goes on behind later slices and in later turns; whoever joins meanwhile puts himself before it.
static void cover_quiet(struct core *core, struct live *live)
{
	if (live->cover_next == NONE) {
		if (live->done < live->coverage_at)
			return;
		live->cover_next = live->quiet;
		live->coverage_at = UINT64_MAX;
	}
	for (uint32_t n = 0; n < COVER_LOOKS && live->cover_next != NONE; n++) {
		struct subscription *s = &core->subscriptions[live->cover_next];
		uint64_t at;

		at = (live->done > s->sent ? s->sent : live->done) + s->window / 4;
		if (live->done >= at && live->done > s->sent) {
			s->coverage_due = true;
			subscription_ready(core, s);
			at = live->done + s->window / 4;
		}
		if (at < live->coverage_at)
			live->coverage_at = at;
		live->cover_next = s->quiet_next;
	}
}

// False: nothing to cut now.
static bool next_slice(struct core *core, struct live *live)
{
	const struct log *log = &live->stream->log;
	struct mark commit = log_committed(log);
	uint64_t pos = live->place.pos;

	switch (log_next(log, &live->place, commit, log->slice_bytes, LOG_CUT_RECORDS, &live->slice,
			 &live->at_cut)) {
	case LOG_READ_NONE:
		return false;
	case LOG_READ_TRUNCATED:
		live_lapped(core, live);
		return false;
	case LOG_READ_SLICE:
		break;
	}
	live->entries_count = 0;
	if (live->quiet != NONE && !match_slice(live, pos)) {
		live_lapped(core, live);
		return false;
	}
	live->fanning = true;
	live->whole_next = live->members;
	live->entry_next = 0;
	live->entry_member =
		live->entries_count == 0 ?
			NONE :
			filter_class(live->filters, live->entries[0].class_number)->members;
	COUNT(core, live_slices, 1);
	return true;
}

// Cutting a slice costs as much as putting it on a ring, and matching it more.
static void charge(const struct live *live, uint32_t *budget)
{
	uint32_t cost = 1 + (live->quiet != NONE ? slice_count(live->slice) / MATCH_RECORDS : 0);

	*budget -= *budget < cost ? *budget : cost;
}

// One stream, while the budget lasts. Returns slices cut or gone on with.
static uint32_t dispatch_live(struct core *core, struct live *live, uint32_t *budget)
{
	const _Atomic uint64_t *heads = core->server->heads;
	uint32_t slices = 0;

	while (live->active) {
		if (!live->fanning) {
			// pairs with: the release in append_burst
			uint64_t head = atomic_load_explicit(&heads[live->stream->number],
							     memory_order_acquire);

			if (live->place.seq > head || *budget == 0 || !next_slice(core, live))
				break;
			charge(live, budget);
		}
		slices++;
		if (!fan_out_whole(core, live, budget) || !fan_out_runs(core, live, budget)) {
			COUNT(core, live_pauses, 1);
			break;
		}
		live->fanning = false;
		live->done = slice_last(live->slice);
		cover_quiet(core, live);
	}
	if (live->cover_next != NONE) {
		cover_quiet(core, live);
		slices++;
	}
	return slices;
}

uint32_t dispatch_burst(struct core *core)
{
	uint32_t budget = core->config.live_budget, slices = 0, count = core->server->stream_count;

	// Another stream each turn is the first, so that none keeps the budget from the others.
	for (uint32_t i = 0; i < count; i++) {
		struct live *live = &core->lives[(core->live_first + i) % count];

		if (live->active)
			slices += dispatch_live(core, live, &budget);
	}
	if (++core->live_first >= count)
		core->live_first = 0;
	return slices;
}
