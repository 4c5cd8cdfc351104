// SPDX-License-Identifier: BSD-3-Clause
//
// Looks at servers and clients after their turns, and counts what changed.
#include "client/core.h"
#include "control/migration_inside.h"
#include "dataplane/replication.h"
#include "tests/sim/sim.h"

static void step(struct sim *sim, enum cover_machine machine, uint32_t from, uint32_t to)
{
	sim->coverage.machines[machine][from][to]++;
}

// ---- a core -----------------------------------------------------------------------------------

// FREE, catching up, catching up and joined, live, lagging.
static uint8_t dispatch_state(const struct subscription *s)
{
	switch (s->state) {
	case SUBSCRIPTION_CATCHING_UP:
		return s->joined ? 2 : 1;
	case SUBSCRIPTION_LIVE:
		return 3;
	case SUBSCRIPTION_LAGGING:
		return 4;
	default:
		return 0;
	}
}

// Those that are in use, or were when it was looked last.
static void look_at_subscriptions(struct host *host, uint32_t c)
{
	const struct core *core = host->cores[c].core;
	struct seen *seen = &host->seen;
	uint32_t left = core->subscription_count, before = seen->subscriptions_count[c];

	for (uint32_t i = 0; (left > 0 || before > 0) && i < core->config.subscriptions_max &&
			     i < COVER_SUBSCRIPTIONS;
	     i++) {
		uint8_t now = dispatch_state(&core->subscriptions[i]);
		uint8_t was = seen->subscriptions[c][i];

		left -= now != 0;
		before -= was != 0;
		if (now == was)
			continue;
		step(host->sim, COVER_DISPATCH, was, now);
		seen->subscriptions[c][i] = now;
	}
	seen->subscriptions_count[c] = core->subscription_count;
}

static void look_at_sinks(struct host *host, uint32_t c)
{
	for (uint32_t i = 0; i < host->server.stream_count; i++) {
		const struct stream *stream = host->server.streams[i];
		uint8_t now, *was = &host->seen.sinks[i];

		if (stream->replication == NULL || stream->home != c)
			continue;
		now = (uint8_t)stream->replication->sink.state;
		if (now != *was)
			step(host->sim, COVER_SINK, *was, now);
		*was = now;
	}
}

void coverage_core(struct host *host, uint32_t core)
{
	look_at_subscriptions(host, core);
	look_at_sinks(host, core);
}

// ---- control ----------------------------------------------------------------------------------

static bool is_of(const struct seen_move *seen, const struct move_key *key)
{
	return seen->client == key->client && seen->session == key->session &&
	       seen->subscription == key->subscription;
}

static void look_at_move(struct host *host, const struct move *move)
{
	struct seen *seen = &host->seen;
	uint8_t machine = move->giving ? COVER_GIVING : COVER_TAKING;
	uint8_t now = (uint8_t)(1 + move->state);
	struct seen_move *at = NULL;

	for (uint32_t i = 0; i < seen->moves_count && at == NULL; i++)
		if (is_of(&seen->moves[i], &move->key) && seen->moves[i].machine == machine)
			at = &seen->moves[i];
	if (at == NULL) {
		if (seen->moves_count == COVER_MOVES)
			return;
		at = &seen->moves[seen->moves_count++];
		*at = (struct seen_move){move->key.client,
					 move->key.session,
					 move->key.subscription,
					 machine,
					 0,
					 true};
	}
	at->is_there = true;
	if (at->state != now)
		step(host->sim, machine, at->state, now);
	at->state = now;
}

// How it ended: the newest record of it. Without one it was moved, and that is in the record of its arrival.
static uint32_t outcome_of(const struct migration *m, const struct seen *seen,
			   const struct seen_move *move)
{
	for (uint64_t n = m->records_count; n > seen->records; n--) {
		const struct migration_record *r = &m->records[(n - 1) % MIGRATION_RECORDS];

		if (r->client == move->client && r->session == move->session &&
		    r->subscription == move->subscription)
			return r->outcome;
	}
	return MIGRATION_MOVED;
}

static void look_at_moves(struct host *host)
{
	const struct migration *m = plane_migration(host->control.plane);
	struct seen *seen = &host->seen;
	uint32_t kept = 0;

	if (m->moves == NULL && seen->moves_count == 0 && m->records_count == seen->records)
		return;
	for (uint32_t i = 0; i < seen->moves_count; i++)
		seen->moves[i].is_there = false;
	for (const struct move *move = m->moves; move != NULL; move = move->hh.next)
		look_at_move(host, move);
	for (uint32_t i = 0; i < seen->moves_count; i++) {
		const struct seen_move *move = &seen->moves[i];

		if (move->is_there)
			seen->moves[kept++] = *move;
		else // ended states lie above those of moves under way
			step(host->sim, move->machine, move->state,
			     MOVE_ASKED + 2 + outcome_of(m, seen, move));
	}
	seen->moves_count = kept;
	seen->records = m->records_count;
}

static void look_at_links(struct host *host)
{
	const struct link_detector *links = plane_links(host->control.plane);

	for (uint32_t i = 0; i < host->server.peers.count; i++) {
		uint64_t fresh = links[i].changes - host->seen.link_changes[i];

		for (uint32_t n = 0; n < fresh && n < LINK_HISTORY; n++) {
			const struct link_change *change = link_change_at(&links[i], n);

			if (change != NULL)
				host->sim->coverage.links[change->from][change->to][change->why]++;
		}
		host->seen.link_changes[i] = links[i].changes;
	}
}

static void look_at_keepers(struct host *host)
{
	for (uint32_t i = 0; i < keeper_count(host->control.keeper); i++) {
		struct keeper_view view;
		uint8_t *was = &host->seen.keepers[i];

		keeper_look(host->control.keeper, i, &view);
		if (view.why != host->seen.waits[i])
			host->sim->coverage.waits[view.why]++;
		host->seen.waits[i] = (uint8_t)view.why;
		if (view.state != *was)
			step(host->sim, COVER_KEEPER, *was, view.state);
		*was = (uint8_t)view.state;
	}
}

void coverage_control(struct host *host)
{
	look_at_moves(host);
	look_at_links(host);
	look_at_keepers(host);
}

// For what reason cursors came here: that of a record may be learned after it was made.
static void count_reasons(struct coverage *c, const struct migration *m)
{
	const struct migration_record *r;

	for (uint32_t i = 0; (r = migration_record(m, i)) != NULL; i++)
		if (r->reason < COVER_REASONS && r->outcome == MIGRATION_MOVED)
			c->moves[r->reason]++;
}

void coverage_host_ends(struct host *host)
{
	struct coverage *c = &host->sim->coverage;

	for (uint32_t i = 0; i < host->core_count; i++) {
		const struct counters *counters = host->cores[i].core->counters;

		for (uint32_t k = 0; k < COUNTERS; k++)
			c->counts[k] += counter_get(counters, k);
		for (uint32_t k = 0; k < DROPS; k++)
			c->drops[k] += drop_get(counters, k);
	}
	for (uint32_t i = 0; host->control.plane != NULL && i < MIGRATION_COUNTERS_COUNT; i++)
		c->migration[i] += migration_counter(plane_migration(host->control.plane), i);
	if (host->control.plane != NULL)
		count_reasons(c, plane_migration(host->control.plane));
	for (uint32_t i = 0; host->control.keeper != NULL && i < KEEPER_COUNTERS_COUNT; i++)
		c->keeper[i] += keeper_counter(host->control.keeper, i);
	memset(&host->seen, 0, sizeof(host->seen));
}

// ---- the library ------------------------------------------------------------------------------

// Free, asking, resuming, moving (its home serves on), live, an offer held, leaving, over.
static uint8_t library_state(const struct client_subscription *sub)
{
	if (sub == NULL)
		return 0;
	switch (sub->state) {
	case CLIENT_SUBSCRIPTION_ASKING:
		return 1;
	case CLIENT_SUBSCRIPTION_RESUMING:
		return sub->is_served ? 3 : 2;
	case CLIENT_SUBSCRIPTION_LIVE:
		return sub->offer.link != NULL ? 5 : 4;
	case CLIENT_SUBSCRIPTION_LEAVING:
		return 6;
	case CLIENT_SUBSCRIPTION_OVER:
		return 7;
	default:
		return 0;
	}
}

void coverage_actor(struct actor *a)
{
	for (uint32_t i = 0; i < a->interest_count; i++) {
		struct interest *in = &a->interests[i];
		uint8_t now = library_state(client_subscription_find(a->core, in->subscription));

		if (now != in->seen)
			step(a->sim, COVER_LIBRARY, in->seen, now);
		in->seen = now;
	}
}

void coverage_actor_ends(const struct actor *a)
{
	const uint64_t *from = (const uint64_t *)godwit_core_stats(a->core);
	uint64_t *to = a->sim->coverage.library;

	for (uint32_t i = 0; i < sizeof(struct godwit_core_stats) / sizeof(*from); i++)
		to[i] += from[i];
}

// ---- the world --------------------------------------------------------------------------------

void coverage_frame(struct sim *sim, const uint8_t *bytes, uint32_t length)
{
	const struct godwit_reconcile *reconcile = (const void *)bytes;
	const struct godwit_handover_confirm *confirm = (const void *)bytes;
	uint32_t type = length > 1 ? bytes[1] : 0;

	if (type >= COVER_FRAMES)
		return;
	sim->coverage.frames[type]++;
	if (type == GODWIT_RECONCILE && length >= sizeof(*reconcile) &&
	    (godwit_get16(reconcile->from.frame.flags) & GODWIT_FLAG_ANSWER) != 0 &&
	    godwit_get16(reconcile->code) < COVER_RECONCILES)
		sim->coverage.reconciles[godwit_get16(reconcile->code)]++;
	if (type == GODWIT_HANDOVER_CONFIRM && length >= sizeof(*confirm) &&
	    godwit_get16(confirm->code) < COVER_CODES)
		sim->coverage.confirms[godwit_get16(confirm->code)]++;
}

void coverage_fault(struct sim *sim, uint32_t fault)
{
	uint32_t kind = sim->faults[fault].kind;

	for (uint32_t i = 0; i < sim->fault_count; i++) {
		uint32_t other = sim->faults[i].kind;

		if (i != fault && sim->faults[i].state == FAULT_ON)
			sim->coverage
				.faults[kind < other ? kind : other][kind < other ? other : kind]++;
	}
}

void coverage_add(struct coverage *sum, const struct coverage *of)
{
	uint64_t *to = (uint64_t *)sum;
	const uint64_t *from = (const uint64_t *)of;

	static_assert(sizeof(*sum) % sizeof(*to) == 0, "an array of numbers");
	for (size_t i = 0; i < sizeof(*sum) / sizeof(*to); i++)
		to[i] += from[i];
}
