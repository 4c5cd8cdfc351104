// SPDX-License-Identifier: BSD-3-Clause
//
// Runs lie in a ring in order of sequence, counted from `runs_first` to `runs_end`. Every run knows
// the run before it of the same publisher, so that a cut back finds in one step where that
// publisher then stood: in the ring, or in its base.
//
//   runs_first          commit_run            runs_end
//      v                    v                    v
//   ---[ run ][ run ][ run ][ run ][ run ][ run ]-----
//      wholly committed     the rest
//
// Entries are never given up, so an entry's instance is the highest ever of its id.
#include "dataplane/publishers.h"

#include <errno.h>
#include <stdlib.h>

#include <godwit/errors.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define RUN_NONE UINT64_MAX

// The private half of an entry.
struct publisher_past {
	uint64_t newest_run; // in the ring if >= runs_first; RUN_NONE: none ever, or cut away
	uint64_t base_instance, base_last, base_seq; // instance 0: nothing released yet
	uint32_t hash_next;
};

struct run_note {
	uint64_t older; // run of the same publisher before this one
	uint32_t number;
};

struct publishers {
	uint64_t floor; // instances of new ids begin above it
	struct publisher *entries;
	struct publisher_past *pasts;
	uint32_t *heads; // by hash of the id
	struct publisher_run *runs;
	struct run_note *notes;
	uint64_t runs_first, runs_end, commit_run;
	uint64_t released_seq; // the base is as of here
	uint32_t head_mask, run_mask;
	uint32_t count, count_max;
};

// Where the arrays lie in the one block of memory.
struct shape {
	uint64_t pasts_at, runs_at, notes_at, heads_at, heads, bytes;
};

static struct shape publishers_shape(uint32_t publishers_max, uint32_t runs_max)
{
	struct shape s = {.heads = 1};

	while (s.heads < publishers_max)
		s.heads *= 2;
	s.bytes = sizeof(struct publishers) + publishers_max * sizeof(struct publisher);
	s.pasts_at = s.bytes;
	s.bytes += publishers_max * sizeof(struct publisher_past);
	s.runs_at = s.bytes;
	s.bytes += runs_max * sizeof(struct publisher_run);
	s.notes_at = s.bytes;
	s.bytes += runs_max * sizeof(struct run_note);
	s.heads_at = s.bytes;
	s.bytes += s.heads * sizeof(uint32_t);
	return s;
}

uint64_t publishers_bytes(uint32_t publishers_max, uint32_t runs_max)
{
	return publishers_shape(publishers_max, runs_max).bytes;
}

struct publishers *publishers_create(uint32_t publishers_max, uint32_t runs_max)
{
	struct shape s = publishers_shape(publishers_max, runs_max);
	struct publishers *p = NULL;
	uint8_t *block = NULL;

	if (publishers_max == 0 || publishers_max == PUBLISHER_NONE || runs_max == 0 ||
	    (runs_max & (runs_max - 1)) != 0) {
		errno = EINVAL;
		return NULL;
	}
	block = calloc(1, s.bytes);
	if (block == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	// PUBLISHER_NONE in every head; it also brings every page in before the loop runs.
	memset(block, 0xff, s.bytes);
	p = (struct publishers *)block;
	*p = (struct publishers){
		.entries = (struct publisher *)(block + sizeof(*p)),
		.pasts = (struct publisher_past *)(block + s.pasts_at),
		.heads = (uint32_t *)(block + s.heads_at),
		.runs = (struct publisher_run *)(block + s.runs_at),
		.notes = (struct run_note *)(block + s.notes_at),
		.head_mask = (uint32_t)s.heads - 1,
		.run_mask = runs_max - 1,
		.count_max = publishers_max,
	};
	return p;
}

void publishers_destroy(struct publishers *publishers)
{
	free(publishers);
}

// ---- entries ---------------------------------------------------------------------------------

static uint32_t *id_head(const struct publishers *p, uint64_t id)
{
	return &p->heads[XXH3_64bits(&id, sizeof(id)) & p->head_mask];
}

uint32_t publishers_find(const struct publishers *p, uint64_t id)
{
	uint32_t number = *id_head(p, id);

	while (number != PUBLISHER_NONE && p->entries[number].id != id)
		number = p->pasts[number].hash_next;
	return number;
}

struct publisher *publisher_at(struct publishers *p, uint32_t number)
{
	assert(number < p->count);
	return &p->entries[number];
}

void publishers_floor(struct publishers *p, uint64_t floor)
{
	p->floor = floor;
}

uint32_t publishers_count(const struct publishers *p)
{
	return p->count;
}

static uint32_t entry_add(struct publishers *p, uint64_t id)
{
	uint32_t number = p->count;
	uint32_t *head = id_head(p, id);

	if (number == p->count_max)
		return PUBLISHER_NONE;
	p->count++;
	p->entries[number] = (struct publisher){.id = id, .next_dirty = PUBLISHER_NONE};
	p->pasts[number] = (struct publisher_past){.newest_run = RUN_NONE, .hash_next = *head};
	*head = number;
	return number;
}

unsigned int publishers_open(struct publishers *p, uint64_t id, uint64_t instance, uint32_t *number)
{
	struct publisher *entry = NULL;

	*number = publishers_find(p, id);
	if (*number == PUBLISHER_NONE) {
		if (instance != 0)
			return GODWIT_UNKNOWN_INSTANCE;
		*number = entry_add(p, id);
		if (*number == PUBLISHER_NONE)
			return GODWIT_LIMIT;
	}
	entry = &p->entries[*number];
	if (instance > entry->instance)
		return GODWIT_UNKNOWN_INSTANCE;
	if (instance != 0)
		return instance < entry->instance ? GODWIT_FENCED : GODWIT_OK;

	// Where another server gave the ones before, as in a replicated stream, they may lie below the floor.
	if (entry->instance < p->floor)
		entry->instance = p->floor;
	entry->instance++;
	entry->last = entry->committed = entry->last_seq = 0;
	// Not next_dirty and dirty: the entry may be in the stages' list, which must stay whole.
	entry->handle = entry->tag = entry->open_tag = 0;
	entry->open_request = entry->core = 0;
	entry->code = 0;
	return GODWIT_OK;
}

enum publish_verdict publishers_judge(const struct publishers *p, uint64_t id, uint64_t instance,
				      uint64_t first, uint32_t count, uint32_t *number,
				      uint32_t *skip)
{
	const struct publisher *entry = NULL;
	uint64_t held = 0; // how many of the numbers from `first` on

	*skip = 0;
	*number = publishers_find(p, id);
	if (*number == PUBLISHER_NONE)
		return PUBLISH_UNKNOWN;
	entry = &p->entries[*number];
	if (instance != entry->instance)
		return instance < entry->instance ? PUBLISH_FENCED : PUBLISH_UNKNOWN;
	// Written so that nothing overflows; numbers begin with 1, so 0 wraps and is a gap.
	if (first - 1 > entry->last)
		return PUBLISH_GAP;
	held = entry->last - (first - 1);
	if (held >= count)
		return PUBLISH_REPEAT;
	*skip = (uint32_t)held;
	return PUBLISH_NEXT;
}

// ---- runs ------------------------------------------------------------------------------------

static struct publisher_run *run_at(const struct publishers *p, uint64_t run)
{
	return &p->runs[run & p->run_mask];
}

static uint64_t run_last_seq(const struct publisher_run *run)
{
	return run->first_seq + run->count - 1;
}

static uint64_t run_last_number(const struct publisher_run *run)
{
	return run->first_number + run->count - 1;
}

bool publishers_room(const struct publishers *p)
{
	return p->runs_end - p->runs_first <= p->run_mask;
}

static bool run_continues(const struct publishers *p, uint32_t number, uint64_t first_seq,
			  uint32_t count)
{
	const struct publisher_run *run = run_at(p, p->runs_end - 1);

	return p->runs_end > p->runs_first &&
	       p->notes[(p->runs_end - 1) & p->run_mask].number == number &&
	       run->instance == p->entries[number].instance &&
	       run_last_number(run) == p->entries[number].last &&
	       run_last_seq(run) + 1 == first_seq && run->count <= UINT32_MAX - count;
}

void publishers_appended(struct publishers *p, uint32_t number, uint64_t first_seq, uint32_t count)
{
	struct publisher *entry = publisher_at(p, number);

	assert(count > 0);
	assert(p->runs_end == p->runs_first ||
	       first_seq > run_last_seq(run_at(p, p->runs_end - 1)));
	if (run_continues(p, number, first_seq, count)) {
		run_at(p, p->runs_end - 1)->count += count;
		// It was wholly committed perhaps, and no longer is.
		if (p->commit_run == p->runs_end)
			p->commit_run--;
	} else {
		assert(publishers_room(p));
		*run_at(p, p->runs_end) = (struct publisher_run){.publisher = entry->id,
								 .instance = entry->instance,
								 .first_number = entry->last + 1,
								 .first_seq = first_seq,
								 .count = count};
		p->notes[p->runs_end & p->run_mask] =
			(struct run_note){.older = p->pasts[number].newest_run, .number = number};
		p->pasts[number].newest_run = p->runs_end++;
	}
	entry->last += count;
	entry->last_seq = first_seq + count - 1;
}

void publishers_commit(struct publishers *p, uint64_t seq,
		       void (*on_committed)(void *arg, uint32_t number), void *arg)
{
	for (; p->commit_run < p->runs_end; p->commit_run++) {
		const struct publisher_run *run = run_at(p, p->commit_run);
		uint32_t number = p->notes[p->commit_run & p->run_mask].number;
		struct publisher *entry = &p->entries[number];
		bool whole = run_last_seq(run) <= seq;
		uint64_t committed = 0;

		if (run->first_seq > seq)
			break;
		committed = whole ? run_last_number(run) :
				    run->first_number + (seq - run->first_seq);
		if (run->instance == entry->instance && committed > entry->committed) {
			entry->committed = committed;
			on_committed(arg, number);
		}
		if (!whole)
			break;
	}
}

void publishers_release(struct publishers *p, uint64_t seq)
{
	while (p->runs_first < p->runs_end && run_last_seq(run_at(p, p->runs_first)) <= seq) {
		const struct publisher_run *run = run_at(p, p->runs_first);
		uint32_t number = p->notes[p->runs_first & p->run_mask].number;
		struct publisher_past *past = &p->pasts[number];

		assert(run->instance != p->entries[number].instance ||
		       run_last_number(run) <= p->entries[number].committed);
		past->base_instance = run->instance;
		past->base_last = run_last_number(run);
		past->base_seq = run_last_seq(run);
		p->runs_first++;
	}
	// A run that was committed in part and then cut back to that part is done with, too.
	if (p->commit_run < p->runs_first)
		p->commit_run = p->runs_first;
	// A run that lies across `seq` stays whole, and the base is as of before it.
	if (p->runs_first < p->runs_end && run_at(p, p->runs_first)->first_seq <= seq)
		seq = run_at(p, p->runs_first)->first_seq - 1;
	if (seq > p->released_seq)
		p->released_seq = seq;
}

// The newest run is gone: its publisher stands where it stood before.
static void entry_step_back(struct publishers *p, const struct publisher_run *gone,
			    const struct run_note *note)
{
	struct publisher *entry = &p->entries[note->number];
	struct publisher_past *past = &p->pasts[note->number];

	past->newest_run = note->older;
	if (gone->instance != entry->instance)
		return;
	entry->last = gone->first_number - 1;
	if (entry->last == 0)
		entry->last_seq = 0;
	else if (note->older != RUN_NONE && note->older >= p->runs_first)
		entry->last_seq = run_last_seq(run_at(p, note->older));
	else
		entry->last_seq = past->base_seq;
}

void publishers_cut_back(struct publishers *p, uint64_t seq)
{
	assert(seq >= p->released_seq);
	while (p->runs_end > p->runs_first) {
		struct publisher_run *run = run_at(p, p->runs_end - 1);
		const struct run_note *note = &p->notes[(p->runs_end - 1) & p->run_mask];
		struct publisher *entry = &p->entries[note->number];

		if (run_last_seq(run) <= seq)
			break;
		if (run->first_seq > seq) {
			entry_step_back(p, run, note);
			p->runs_end--;
		} else {
			run->count = (uint32_t)(seq - run->first_seq + 1);
			if (run->instance == entry->instance) {
				entry->last = run_last_number(run);
				entry->last_seq = seq;
			}
		}
		// Streams that acknowledge locally are cut below their commit.
		if (entry->committed > entry->last)
			entry->committed = entry->last;
	}
	if (p->commit_run > p->runs_end)
		p->commit_run = p->runs_end;
}

// The first run that ends at or above `seq`, or runs_end.
static uint64_t run_find(const struct publishers *p, uint64_t seq)
{
	uint64_t low = p->runs_first, high = p->runs_end;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (run_last_seq(run_at(p, middle)) < seq)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

uint32_t publishers_runs(const struct publishers *p, uint64_t first, uint64_t last,
			 struct publisher_run *runs, uint32_t max)
{
	uint32_t count = 0;

	for (uint64_t i = run_find(p, first); i < p->runs_end && count < max; i++) {
		struct publisher_run run = *run_at(p, i);

		if (run.first_seq > last || first > last)
			break;
		if (run_last_seq(&run) > last)
			run.count = (uint32_t)(last - run.first_seq + 1);
		if (run.first_seq < first) {
			uint32_t before = (uint32_t)(first - run.first_seq);

			run.first_number += before;
			run.first_seq += before;
			run.count -= before;
		}
		runs[count++] = run;
	}
	return count;
}

bool publishers_base(const struct publishers *p, uint64_t id, uint64_t *instance, uint64_t *last,
		     uint64_t *seq)
{
	uint32_t number = publishers_find(p, id);

	if (number == PUBLISHER_NONE || p->pasts[number].base_instance == 0)
		return false;
	*instance = p->pasts[number].base_instance;
	*last = p->pasts[number].base_last;
	*seq = p->released_seq;
	return true;
}

// ---- of another server's table ------------------------------------------------------------------

// A higher instance is in force from now on; its numbers begin again.
static void entry_adopt(struct publisher *entry, uint64_t instance)
{
	if (instance <= entry->instance)
		return;
	entry->instance = instance;
	entry->last = entry->committed = entry->last_seq = 0;
	entry->handle = entry->tag = entry->open_tag = 0;
	entry->open_request = entry->core = 0;
	entry->code = 0;
}

static uint32_t entry_of(struct publishers *p, uint64_t id)
{
	uint32_t number = publishers_find(p, id);

	return number != PUBLISHER_NONE ? number : entry_add(p, id);
}

bool publishers_adopt(struct publishers *p, uint64_t id, uint64_t instance)
{
	uint32_t number = entry_of(p, id);

	if (number == PUBLISHER_NONE)
		return false;
	entry_adopt(&p->entries[number], instance);
	return true;
}

// Whether `run` goes on where the newest run ends.
static bool foreign_continues(const struct publishers *p, const struct publisher_run *run)
{
	const struct publisher_run *newest = run_at(p, p->runs_end - 1);

	return p->runs_end > p->runs_first && newest->publisher == run->publisher &&
	       newest->instance == run->instance &&
	       run_last_number(newest) + 1 == run->first_number &&
	       run_last_seq(newest) + 1 == run->first_seq &&
	       newest->count <= UINT32_MAX - run->count;
}

// The run is in the ring: its publisher stands at its end now.
static void run_apply(struct publishers *p, uint32_t number, const struct publisher_run *run)
{
	struct publisher *entry = &p->entries[number];

	entry_adopt(entry, run->instance);
	if (run->instance == entry->instance && run_last_number(run) > entry->last) {
		entry->last = run_last_number(run);
		entry->last_seq = run_last_seq(run);
	}
}

bool publishers_append_foreign(struct publishers *p, const struct publisher_run *run)
{
	bool continues = foreign_continues(p, run);
	uint32_t number;

	assert(run->count > 0);
	assert(p->runs_end == p->runs_first ||
	       run->first_seq > run_last_seq(run_at(p, p->runs_end - 1)));
	if (!continues && !publishers_room(p))
		return false;
	number = entry_of(p, run->publisher);
	if (number == PUBLISHER_NONE)
		return false;
	if (continues) {
		run_at(p, p->runs_end - 1)->count += run->count;
		if (p->commit_run == p->runs_end)
			p->commit_run--;
	} else {
		*run_at(p, p->runs_end) = *run;
		p->notes[p->runs_end & p->run_mask] =
			(struct run_note){.older = p->pasts[number].newest_run, .number = number};
		p->pasts[number].newest_run = p->runs_end++;
	}
	run_apply(p, number, run);
	return true;
}

uint64_t publishers_base_seq(const struct publishers *p)
{
	return p->released_seq;
}

uint32_t publishers_copy(const struct publishers *p, uint64_t seq, struct publisher_state *states)
{
	for (uint32_t i = 0; i < p->count; i++) {
		const struct publisher *entry = &p->entries[i];
		const struct publisher_past *past = &p->pasts[i];

		states[i] = (struct publisher_state){entry->id, entry->instance, 0};
		if (past->base_instance == entry->instance)
			states[i].last = past->base_last;
	}
	for (uint64_t i = p->runs_first; i < p->runs_end; i++) {
		const struct publisher_run *run = run_at(p, i);
		struct publisher_state *state = &states[p->notes[i & p->run_mask].number];

		if (run->first_seq > seq)
			break;
		if (run->instance == state->instance)
			state->last = run_last_seq(run) <= seq ?
					      run_last_number(run) :
					      run->first_number + (seq - run->first_seq);
	}
	return p->count;
}

static void entries_clear(struct publishers *p)
{
	p->count = 0;
	memset(p->heads, 0xff, (p->head_mask + 1) * sizeof(*p->heads));
}

bool publishers_load(struct publishers *p, uint64_t seq, const struct publisher_state *states,
		     uint32_t count)
{
	if (seq < p->released_seq || count > p->count_max)
		return false;
	entries_clear(p);
	p->runs_first = run_find(p, seq + 1);
	p->commit_run = p->runs_first;
	p->released_seq = seq;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t number = entry_of(p, states[i].id);
		struct publisher *entry = &p->entries[number];

		entry->instance = states[i].instance;
		entry->last = entry->committed = states[i].last;
		entry->last_seq = states[i].last == 0 ? 0 : seq;
		p->pasts[number].base_instance = states[i].instance;
		p->pasts[number].base_last = states[i].last;
		p->pasts[number].base_seq = entry->last_seq;
	}
	for (uint64_t i = p->runs_first; i < p->runs_end; i++) {
		uint32_t number = entry_of(p, run_at(p, i)->publisher);

		// The publishers of runs are in the snapshot, or were opened after it where there was
		// room, as there is here. Configured alike, so this is for a table that is not.
		if (number == PUBLISHER_NONE) {
			publishers_reset(p, run_last_seq(run_at(p, p->runs_end - 1)));
			return false;
		}
		p->notes[i & p->run_mask] =
			(struct run_note){.older = p->pasts[number].newest_run, .number = number};
		p->pasts[number].newest_run = i;
		run_apply(p, number, run_at(p, i));
	}
	return true;
}

void publishers_reset(struct publishers *p, uint64_t seq)
{
	entries_clear(p);
	p->runs_first = p->commit_run = p->runs_end;
	p->released_seq = seq;
}
