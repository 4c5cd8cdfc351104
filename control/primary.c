// SPDX-License-Identifier: BSD-3-Clause
#include "control/primary.h"

#include <string.h>

#define AGAIN_NS 1000000000ull // between two tries of a read that fails

void primary_init(struct primary *p, const struct primary_config *config, uint64_t session)
{
	*p = (struct primary){.config = *config, .new_session = session};
}

static const struct primary_replica *replica_of(const struct primary_replica *replicas,
						uint32_t count, uint16_t server)
{
	for (uint32_t i = 0; i < count; i++)
		if (replicas[i].server == server)
			return &replicas[i];
	return NULL;
}

static bool holds(const struct cluster_replica *list, uint32_t count, uint16_t server)
{
	for (uint32_t i = 0; i < count; i++)
		if (list[i].server == server)
			return true;
	return false;
}

static void set_add(struct cluster_record *record, uint16_t server, uint64_t incarnation)
{
	for (uint32_t i = 0; i < record->in_sync_count; i++)
		if (record->in_sync[i].server == server) {
			record->in_sync[i].incarnation = incarnation;
			return;
		}
	if (record->in_sync_count < CLUSTER_SERVERS_MAX)
		record->in_sync[record->in_sync_count++] =
			(struct cluster_replica){server, incarnation};
}

static void set_remove(struct cluster_record *record, uint16_t server)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < record->in_sync_count; i++)
		if (record->in_sync[i].server != server)
			record->in_sync[kept++] = record->in_sync[i];
	record->in_sync_count = kept;
}

static enum primary_action change(struct primary *p)
{
	p->wanted.primary = p->config.server;
	p->wanted.min_in_sync = p->config.min_in_sync;
	p->asked = true;
	return PRIMARY_ASK_CHANGE;
}

// A session that begins with us alone.
static enum primary_action begin_session(struct primary *p, uint64_t incarnation)
{
	p->wanted = p->record;
	p->wanted.session = p->new_session;
	p->wanted.epoch = p->record.epoch + 1;
	p->wanted.in_sync_count = 0;
	set_add(&p->wanted, p->config.server, incarnation);
	return change(p);
}

// ---- the start ---------------------------------------------------------------------------------

static enum primary_action step_virgin(struct primary *p, uint64_t incarnation,
				       const struct primary_replica *replicas, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (!replicas[i].is_there || replicas[i].session != 0)
			return PRIMARY_NOTHING; // an operator's command, or its answer
	return begin_session(p, incarnation);
}

enum member {	     // of the recorded set
	MEMBER_LOST, // its memory is gone: a newer incarnation was seen
	MEMBER_THERE,
	MEMBER_UNKNOWN,
};

static enum member member_is(const struct primary *p, const struct cluster_replica *member,
			     uint64_t incarnation, const struct primary_replica *replicas,
			     uint32_t count)
{
	const struct primary_replica *r = replica_of(replicas, count, member->server);

	if (member->server == p->config.server)
		return member->incarnation == incarnation ? MEMBER_UNKNOWN : MEMBER_LOST;
	if (r == NULL)
		return MEMBER_UNKNOWN; // configured no more
	if (r->incarnation > member->incarnation)
		return MEMBER_LOST;
	if (r->is_there && r->incarnation == member->incarnation)
		return r->session == p->record.session ? MEMBER_THERE : MEMBER_LOST;
	return MEMBER_UNKNOWN;
}

static bool is_longer(const struct primary_replica *a, const struct primary_replica *b)
{
	return a->epoch > b->epoch || (a->epoch == b->epoch && a->end > b->end);
}

static enum primary_action step_gather(struct primary *p, uint64_t incarnation,
				       const struct primary_replica *replicas, uint32_t count,
				       uint64_t now_ns)
{
	const struct primary_replica *best = NULL;
	uint32_t there = 0, unknown = 0;

	if (cluster_in_sync_as(&p->record, p->config.server, incarnation)) {
		p->state = PRIMARY_ACTIVE; // this very process is in it already
		p->told = false;
		return PRIMARY_NOTHING;
	}
	p->wanted = p->record;
	for (uint32_t i = 0; i < p->record.in_sync_count; i++) {
		const struct cluster_replica *member = &p->record.in_sync[i];

		switch (member_is(p, member, incarnation, replicas, count)) {
		case MEMBER_LOST:
			set_remove(&p->wanted, member->server);
			break;
		case MEMBER_THERE: {
			const struct primary_replica *r =
				replica_of(replicas, count, member->server);

			there++;
			if (best == NULL || is_longer(r, best))
				best = r;
			break;
		}
		case MEMBER_UNKNOWN:
			unknown++;
			break;
		}
	}
	if (there == 0 && unknown == 0)
		return begin_session(p, incarnation);
	if (there == 0) {
		p->first_ns = 0;
		return PRIMARY_NOTHING;
	}
	if (p->first_ns == 0)
		p->first_ns = now_ns;
	if (unknown > 0 && now_ns - p->first_ns < p->config.start_ns)
		return PRIMARY_NOTHING;
	p->source = *best;
	p->wanted.epoch = p->record.epoch + 1;
	return change(p);
}

static enum primary_action step_fetch(struct primary *p, const struct primary_replica *replicas,
				      uint32_t count)
{
	const struct primary_replica *r = replica_of(replicas, count, p->source.server);

	if (p->adds_count > 0) { // the log is here
		p->wanted = p->record;
		set_add(&p->wanted, p->adds[0].server, p->adds[0].incarnation);
		p->adds_count = 0;
		return change(p);
	}
	if (r == NULL || !r->is_there || r->incarnation != p->source.incarnation) {
		p->state = PRIMARY_GATHER;
		p->first_ns = 0;
		return PRIMARY_NOTHING;
	}
	if (p->fetch_told)
		return PRIMARY_NOTHING;
	p->fetch_told = true;
	return PRIMARY_ASK_FETCH;
}

// ---- the day's business ------------------------------------------------------------------------

// Members that are not there for start_ns, whatever else was seen of them, hold nothing up.
static void look_for_absent(struct primary *p, const struct primary_replica *replicas,
			    uint32_t count, uint64_t now_ns)
{
	bool is_due = p->absent_ns != 0 && now_ns - p->absent_ns >= p->config.start_ns;
	bool any = false;

	for (uint32_t i = 0; i < p->record.in_sync_count; i++) {
		const struct cluster_replica *member = &p->record.in_sync[i];
		const struct primary_replica *r = replica_of(replicas, count, member->server);

		if (member->server == p->config.server ||
		    (r != NULL && r->is_there && r->incarnation == member->incarnation))
			continue;
		any = true;
		if (is_due)
			primary_lags(p, member->server);
	}
	p->absent_ns = !any ? 0 : p->absent_ns == 0 ? now_ns : p->absent_ns;
}

static enum primary_action step_active(struct primary *p)
{
	bool changes = false;

	if (p->adds_count == 0 && p->removes_count == 0) {
		p->answered = p->proposed;
		return PRIMARY_NOTHING;
	}
	p->wanted = p->record;
	for (uint32_t i = 0; i < p->removes_count; i++) {
		changes |= cluster_in_sync(&p->wanted, p->removes[i].server);
		set_remove(&p->wanted, p->removes[i].server);
	}
	for (uint32_t i = 0; i < p->adds_count; i++) {
		changes |=
			!cluster_in_sync_as(&p->record, p->adds[i].server, p->adds[i].incarnation);
		set_add(&p->wanted, p->adds[i].server, p->adds[i].incarnation);
	}
	p->adds_count = p->removes_count = 0;
	p->answering = p->proposed;
	if (changes)
		return change(p);
	p->answered = p->proposed;
	p->told = false; // the answer is what is in force
	return PRIMARY_NOTHING;
}

enum primary_action primary_step(struct primary *p, uint64_t incarnation,
				 const struct primary_replica *replicas, uint32_t count,
				 uint64_t now_ns)
{
	if (p->asked)
		return PRIMARY_NOTHING;
	switch (p->state) {
	case PRIMARY_BLOCKED:
	case PRIMARY_READ:
		if (now_ns < p->again_ns)
			return PRIMARY_NOTHING;
		p->asked = true;
		return PRIMARY_ASK_READ;
	case PRIMARY_VIRGIN:
		return step_virgin(p, incarnation, replicas, count);
	case PRIMARY_GATHER:
		return step_gather(p, incarnation, replicas, count, now_ns);
	case PRIMARY_FETCH:
		return step_fetch(p, replicas, count);
	case PRIMARY_ACTIVE:
		break;
	}
	if (!p->told) {
		p->told = true;
		return PRIMARY_TELL;
	}
	look_for_absent(p, replicas, count, now_ns);
	return step_active(p);
}

void primary_undone(struct primary *p, enum primary_action action)
{
	switch (action) {
	case PRIMARY_TELL:
		p->told = false;
		break;
	case PRIMARY_ASK_FETCH:
		p->fetch_told = false;
		break;
	case PRIMARY_ASK_READ:
		p->asked = false;
		break;
	case PRIMARY_ASK_CHANGE:
		// What it was made of is looked at anew by reading first.
		p->asked = false;
		p->state = p->state == PRIMARY_ACTIVE ? PRIMARY_ACTIVE : PRIMARY_READ;
		break;
	case PRIMARY_NOTHING:
		break;
	}
}

// ---- what comes in -----------------------------------------------------------------------------

static void blocked(struct primary *p, const struct cluster_event *event, uint64_t now_ns)
{
	p->state = PRIMARY_BLOCKED;
	p->again_ns = now_ns + AGAIN_NS;
	memcpy(p->why, event->why, sizeof(p->why));
}

static void read_answer(struct primary *p, const struct cluster_event *event, uint64_t now_ns)
{
	if (event->answer == CLUSTER_ABSENT) {
		p->record = (struct cluster_record){0};
		p->state = PRIMARY_VIRGIN;
	} else if (event->answer == CLUSTER_DONE) {
		p->record = event->record;
		p->first_ns = 0;
		p->state = PRIMARY_GATHER;
	} else {
		blocked(p, event, now_ns);
	}
}

// What was to change and did not: asked for again from what is in force.
static void again_from(struct primary *p, const struct cluster_record *wanted)
{
	for (uint32_t i = 0; i < wanted->in_sync_count; i++)
		if (!cluster_in_sync_as(&p->record, wanted->in_sync[i].server,
					wanted->in_sync[i].incarnation))
			primary_proposed(p, wanted->in_sync[i].server,
					 wanted->in_sync[i].incarnation, p->proposed);
	for (uint32_t i = 0; i < p->record.in_sync_count; i++)
		if (!cluster_in_sync(wanted, p->record.in_sync[i].server))
			primary_lags(p, p->record.in_sync[i].server);
}

static void change_answer(struct primary *p, const struct cluster_event *event, uint64_t session,
			  uint64_t now_ns)
{
	if (event->answer != CLUSTER_DONE && p->state != PRIMARY_ACTIVE) {
		if (event->answer == CLUSTER_CONFLICT || event->answer == CLUSTER_UNKNOWN)
			p->state = PRIMARY_READ;
		else
			blocked(p, event, now_ns);
		return;
	}
	if (event->answer != CLUSTER_DONE) {
		if (event->answer == CLUSTER_CONFLICT)
			p->record = event->record;
		memcpy(p->why, event->why, sizeof(p->why));
		again_from(p, &p->wanted);
		return;
	}
	p->record = event->record;
	p->told = false;
	p->answered = p->answering;
	switch (p->state) {
	case PRIMARY_GATHER:
	case PRIMARY_VIRGIN:
		if (cluster_in_sync(&p->record, p->config.server)) {
			p->state = PRIMARY_ACTIVE;
			p->new_session = session;
		} else {
			p->state = PRIMARY_FETCH;
			p->fetch_told = false;
		}
		break;
	case PRIMARY_FETCH: // the log is here, and the record has us
		p->state = PRIMARY_ACTIVE;
		break;
	default:
		break;
	}
}

void primary_answer(struct primary *p, const struct cluster_event *event, uint64_t session,
		    uint64_t now_ns)
{
	if (event->kind == CLUSTER_SEEN || event->kind == CLUSTER_MEMBERS)
		return; // of a static cluster nobody else changes our record
	p->asked = false;
	if (event->kind == CLUSTER_READ)
		read_answer(p, event, now_ns);
	else
		change_answer(p, event, session, now_ns);
}

void primary_proposed(struct primary *p, uint16_t server, uint64_t incarnation, uint64_t proposal)
{
	if (proposal > p->proposed)
		p->proposed = proposal;
	for (uint32_t i = 0; i < p->adds_count; i++)
		if (p->adds[i].server == server) {
			p->adds[i].incarnation = incarnation;
			return;
		}
	if (p->adds_count < CLUSTER_SERVERS_MAX)
		p->adds[p->adds_count++] = (struct cluster_replica){server, incarnation};
}

void primary_lags(struct primary *p, uint16_t server)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < p->adds_count; i++)
		if (p->adds[i].server != server)
			p->adds[kept++] = p->adds[i];
	p->adds_count = kept;
	if (server != p->config.server && p->removes_count < CLUSTER_SERVERS_MAX &&
	    !holds(p->removes, p->removes_count, server))
		p->removes[p->removes_count++] = (struct cluster_replica){.server = server};
}

void primary_dead(struct primary *p, uint16_t server)
{
	// Before we lead, the set is what was recorded: who is dead is no reason to forget what it held.
	if (p->state == PRIMARY_ACTIVE)
		primary_lags(p, server);
}

void primary_fetched(struct primary *p, uint64_t incarnation)
{
	if (p->state == PRIMARY_FETCH)
		primary_proposed(p, p->config.server, incarnation, p->proposed);
}

const char *primary_state_name(enum primary_state state)
{
	static const char *const names[] = {"read",  "virgin", "gather",
					    "fetch", "active", "blocked"};

	return names[state];
}
