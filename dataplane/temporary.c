// SPDX-License-Identifier: BSD-3-Clause
//
// The temporary dispatcher: spawned at a sequence, reads the log for one subscription, joins the live
// dispatcher at A when what is left is short, and retires when it gets there. A repair is one that is
// bounded by a NAK's range.
#include "dataplane/stages.h"

bool temporary_spawn(struct core *core, struct subscription *s, uint64_t seq)
{
	struct temporary *temporary = &s->temporary;

	assert(!temporary->active && !s->joined);
	if (!log_seek(&s->stream->log, seq, &temporary->place))
		return false;
	temporary->active = true;
	temporary->stop = (struct mark){UINT64_MAX, 0};
	s->state = SUBSCRIPTION_CATCHING_UP;
	COUNT(core, temporary_spawned, 1);
	return true;
}

void temporary_retire(struct core *core, struct subscription *s)
{
	s->temporary.active = false;
	if (s->state == SUBSCRIPTION_CATCHING_UP && s->joined)
		s->state = SUBSCRIPTION_LIVE;
	COUNT(core, temporary_retired, 1);
}

// The live dispatcher of a stream runs only while it has members: the first one starts it at the
// commit. False: the commit could not be read just now.
static bool live_start(struct live *live)
{
	struct mark commit = log_committed(&live->stream->log);

	if (live->active)
		return true;
	if (!log_seek(&live->stream->log, commit.seq + 1, &live->place))
		return false;
	live->active = true;
	live->fanning = false;
	live->done = live->place.seq - 1;
	live->coverage_at = UINT64_MAX;
	live->cover_next = NONE;
	return true;
}

void temporary_try_join(struct core *core, struct subscription *s)
{
	struct live *live = &core->lives[s->stream->number];
	struct temporary *temporary = &s->temporary;

	if (s->joined || s->state != SUBSCRIPTION_CATCHING_UP || !live_start(live))
		return;
	// One interval of the log is at most one packet, and so one slot. At the same sequence the live
	// dispatcher's cut may be one behind: it read to the end of an interval that was open then.
	if (live->place.seq >= temporary->place.seq &&
	    live->place.cut <= temporary->place.cut + core->config.ring_slots / 2) {
		live_join(core, s);
		temporary->stop = (struct mark){live->place.seq - 1, live->place.pos};
		COUNT(core, temporary_joined, 1);
	} else if (live->members_count == 0) {
		live->active = false; // started for nobody
	}
}

bool repair_start(struct subscription *s, uint64_t first, uint64_t last)
{
	for (uint32_t i = 0; i < GODWIT_NAK_RANGES; i++) {
		struct repair *repair = &s->repairs[i];

		if (repair->last != 0)
			continue;
		if (!log_seek(&s->stream->log, first, &repair->place))
			return false;
		repair->next = first;
		repair->last = last;
		s->repairs_active++;
		return true;
	}
	return false;
}
