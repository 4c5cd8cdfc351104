// SPDX-License-Identifier: BSD-3-Clause
//
// What an application checks of each of its subscriptions: the stream's committed (matching) messages from
// its start, once each, in order, of the epoch in which they were appended, or a typed answer.
#include "tests/sim/sim.h"

static uint64_t hash_of(const uint8_t *bytes, size_t length)
{
	uint64_t hash = 1469598103934665603ull;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ bytes[i]) * 1099511628211ull;
	return hash;
}

static bool wants(const struct interest *in, uint32_t topic)
{
	if (in->options.topic_count == 0)
		return true;
	for (uint32_t i = 0; i < in->options.topic_count; i++)
		if (in->topics[i] == topic)
			return true;
	return false;
}

// First sequence above `after` and at or below `to` that the application wants; 0: none.
static uint64_t next_wanted(const struct interest *in, const struct truth *truth, uint64_t after,
			    uint64_t to)
{
	for (uint64_t seq = after + 1; seq <= to && seq <= truth->count; seq++)
		if (wants(in, truth->records[seq - 1].topic))
			return seq;
	return 0;
}

// An identifier names the epoch in which its message was appended. 0 stands for none, before the first.
static void check_epoch(struct interest *in, const struct godwit_identifier *id, const char *what)
{
	struct sim *sim = in->actor->sim;
	const struct truth *truth = truth_of(sim, id->session);

	if (truth != NULL && truth->lost_count > 0 && truth_find(truth, id->seq, id->epoch) != NULL)
		return; // of a history that was
	// A start may name a record that is in a log and not committed yet: the truth learns of it later.
	if (truth != NULL && id->seq > truth->count)
		return;
	if (truth != NULL && id->seq != 0 && id->epoch != truth_epoch(truth, id->seq))
		sim_fail(sim, "actor %u.%u: %s %lu of epoch %u has epoch %u", in->actor->index,
			 in->subscription, what, id->seq, truth_epoch(truth, id->seq), id->epoch);
}

// It names a message that was committed and is history no more.
static bool of_lost(const struct truth *truth, const struct godwit_identifier *id)
{
	const struct truth_record *record = truth_find(truth, id->seq, id->epoch);

	return record != NULL && (id->seq > truth->count || record != &truth->records[id->seq - 1]);
}

static void on_message(struct interest *in, const struct godwit_event *e)
{
	struct sim *sim = in->actor->sim;
	struct truth *truth = truth_of(sim, e->identifier.session);
	uint64_t seq = e->identifier.seq, wanted;
	const struct truth_record *record;

	sim->messages_delivered++;
	if (truth != NULL && truth->lost_count > 0 && seq > in->taken.seq &&
	    e->identifier.session == in->taken.session && of_lost(truth, &e->identifier)) {
		in->taken = e->identifier; // it is told later
		return;
	}
	if (truth != NULL && of_lost(truth, &in->taken)) {
		sim_fail(sim, "actor %u.%u: message %lu after %lu, which was lost, unannounced",
			 in->actor->index, in->subscription, seq, in->taken.seq);
		return;
	}
	if (truth == NULL || seq == 0 || seq > truth->count || seq > truth->commit) {
		sim_fail(sim, "actor %u.%u: message %lu that is not committed", in->actor->index,
			 in->subscription, seq);
		return;
	}
	if (!in->begun) {
		sim_fail(sim, "actor %u.%u: message %lu before SUBSCRIBED", in->actor->index,
			 in->subscription, seq);
		return;
	}
	if (e->identifier.session != in->taken.session) {
		sim_fail(sim, "actor %u.%u: message of another session unannounced",
			 in->actor->index, in->subscription);
		return;
	}
	record = &truth->records[seq - 1];
	wanted = next_wanted(in, truth, in->taken.seq, seq);
	if (seq <= in->taken.seq)
		sim_fail(sim, "actor %u.%u: %lu after %lu: repeated or out of order",
			 in->actor->index, in->subscription, seq, in->taken.seq);
	else if (wanted != seq)
		sim_fail(sim, "actor %u.%u: %lu after %lu: lost %lu", in->actor->index,
			 in->subscription, seq, in->taken.seq, wanted);
	else if (record->topic != e->topic || record->time_ns != e->time_ns ||
		 record->hash != hash_of(e->payload, e->length))
		sim_fail(sim, "actor %u.%u: message %lu is not what was published",
			 in->actor->index, in->subscription, seq);
	check_epoch(in, &e->identifier, "message");
	in->taken = e->identifier;
	if (in->actor->save_ns != 0 && sim->now_ns >= in->saved_ns + in->actor->save_ns) {
		in->saved = in->taken;
		in->saved_ns = sim->now_ns;
	}
}

static void on_gap(struct interest *in, const struct godwit_event *e)
{
	struct sim *sim = in->actor->sim;
	struct truth *truth = truth_of(sim, in->taken.session);
	uint64_t wanted;

	sim_trace(sim, actor_node(in->actor), "%u: gap %lu..%lu %s", in->subscription, e->first,
		  e->last, godwit_code_name(e->code));
	if (in->options.policy == GODWIT_POLICY_FAIL)
		sim_fail(sim, "actor %u.%u: a gap with the policy to fail", in->actor->index,
			 in->subscription);
	if (e->code == GODWIT_DIVERGED && !truth_may_lose(sim, in->stream))
		sim_fail(sim, "actor %u.%u: diverged, and nothing may be lost", in->actor->index,
			 in->subscription);
	if (e->last >= e->first && truth != NULL && e->code != GODWIT_DIVERGED) {
		wanted = next_wanted(in, truth, in->taken.seq, e->first - 1);
		if (wanted != 0)
			sim_fail(sim, "actor %u.%u: gap from %lu hides %lu", in->actor->index,
				 in->subscription, e->first, wanted);
		if (e->last != e->identifier.seq && in->taken.session == e->identifier.session)
			sim_fail(sim, "actor %u.%u: gap to %lu, next after %lu", in->actor->index,
				 in->subscription, e->last, e->identifier.seq);
	}
	check_epoch(in, &e->identifier, "gap up to");
	in->taken = e->identifier;
}

static void on_subscribed(struct interest *in, const struct godwit_event *e)
{
	struct sim *sim = in->actor->sim;
	const struct godwit_subscription_options *o = &in->options;

	sim_trace(sim, actor_node(in->actor), "%u: subscribed after %lu, %s", in->subscription,
		  e->identifier.seq, godwit_code_name(e->code));
	if (truth_of(sim, e->identifier.session) == NULL)
		sim_fail(sim, "actor %u.%u: subscribed to an unknown session", in->actor->index,
			 in->subscription);
	if (e->code == GODWIT_OK && o->start == GODWIT_START_SEQUENCE &&
	    e->identifier.seq + 1 != o->value)
		sim_fail(sim, "actor %u.%u: asked for %lu, begins after %lu", in->actor->index,
			 in->subscription, o->value, e->identifier.seq);
	if (e->code == GODWIT_OK && o->start == GODWIT_START_AFTER &&
	    (e->identifier.seq != o->after.seq || e->identifier.session != o->after.session))
		sim_fail(sim, "actor %u.%u: saved %lu, begins after %lu", in->actor->index,
			 in->subscription, o->after.seq, e->identifier.seq);
	if (e->code != GODWIT_OK && e->code != GODWIT_TRUNCATED && e->code != GODWIT_FUTURE &&
	    e->code != GODWIT_DIVERGED && e->code != GODWIT_UNKNOWN_SESSION)
		sim_fail(sim, "actor %u.%u: a policy was applied to %s", in->actor->index,
			 in->subscription, godwit_code_name(e->code));
	if (e->code != GODWIT_OK && o->policy == GODWIT_POLICY_FAIL)
		sim_fail(sim, "actor %u.%u: answer %s with the policy to fail", in->actor->index,
			 in->subscription, godwit_code_name(e->code));
	if (o->start == GODWIT_START_TIME && e->code == GODWIT_OK) {
		const struct truth *truth = truth_of(sim, e->identifier.session);

		// What was there when the position was resolved; a time to come begins at the next.
		if (e->identifier.seq < e->last && truth != NULL &&
		    truth->records[e->identifier.seq].time_ns < o->value)
			sim_fail(sim, "actor %u.%u: begins with an older message", in->actor->index,
				 in->subscription);
	}
	check_epoch(in, &e->identifier, "start after");
	in->begun = true;
	in->taken = e->identifier;
}

static void on_ended(struct interest *in, const struct godwit_event *e)
{
	struct sim *sim = in->actor->sim;
	bool fails = in->options.policy == GODWIT_POLICY_FAIL;
	bool typed = e->code == GODWIT_UNSUBSCRIBED ||
		     (fails &&
		      (e->code == GODWIT_TRUNCATED || e->code == GODWIT_FUTURE ||
		       e->code == GODWIT_UNKNOWN_SESSION ||
		       (e->code == GODWIT_DIVERGED && truth_may_lose(in->actor->sim, in->stream))));

	sim_trace(sim, actor_node(in->actor), "%u: ended %s", in->subscription,
		  godwit_code_name(e->code));
	in->ended = true;
	if (e->code == GODWIT_UNSUBSCRIBED && in->unsubscribe_ns == 0)
		sim_fail(sim, "actor %u.%u: unsubscribed unasked", in->actor->index,
			 in->subscription);
	// A record above 1200 bytes does not get through a path that swallows such packets.
	if (e->code == GODWIT_PATH_MTU && in->actor->link.swallow != 0)
		typed = true;
	// Where tables are too small for all, some are told so: who asks for what there is too little of.
	if (e->code == GODWIT_LIMIT &&
	    sim_lacks(sim, in->options.topic_count > 0 ? ROOM_SUBSCRIPTIONS | ROOM_FILTERS :
							 ROOM_SUBSCRIPTIONS))
		typed = true;
	// A newer process of the same client goes on.
	if (e->code == GODWIT_FENCED && in->actor->until_ns != 0)
		typed = true;
	if (!typed)
		sim_fail(sim, "actor %u.%u: ended with %s", in->actor->index, in->subscription,
			 godwit_code_name(e->code));
}

static void on_session(struct interest *in, const struct godwit_event *e)
{
	struct sim *sim = in->actor->sim;

	sim_trace(sim, actor_node(in->actor), "%u: new session, after %lu", in->subscription,
		  e->identifier.seq);
	if (sim->streams[in->stream].sessions == 1)
		sim_fail(sim, "actor %u.%u: a new session of a server that never died",
			 in->actor->index, in->subscription);
	check_epoch(in, &e->identifier, "session after");
	in->taken = e->identifier;
}

static void on_migrated(struct interest *in, const struct godwit_event *e)
{
	struct sim *sim = in->actor->sim;
	char from[8], to[8];

	sim_node_name(network_node(&e->from), from);
	sim_node_name(network_node(&e->server), to);
	sim_trace(sim, actor_node(in->actor),
		  "%u: migrated from %s to %s after %lu, reason %u, %.3f ms, %lu replayed",
		  in->subscription, from, to, e->identifier.seq, e->reason, e->silence_ns / 1e6,
		  e->replayed);
	if (godwit_address_equal(&e->from, &e->server))
		sim_fail(sim, "actor %u.%u: migrated from a server to itself", in->actor->index,
			 in->subscription);
	if (e->why < GODWIT_MIGRATION_CLIENT || e->why >= GODWIT_MIGRATION_REASONS)
		sim_fail(sim, "actor %u.%u: migrated for no reason known: %u", in->actor->index,
			 in->subscription, e->why);
	sim->migrations++;
}

void interest_event(struct interest *in, const struct godwit_event *e)
{
	switch (e->kind) {
	case GODWIT_EVENT_MESSAGE:
		on_message(in, e);
		break;
	case GODWIT_EVENT_SUBSCRIBED:
		on_subscribed(in, e);
		break;
	case GODWIT_EVENT_RESUMED:
		sim_trace(in->actor->sim, actor_node(in->actor), "%u: resumed after %lu",
			  in->subscription, e->identifier.seq);
		break;
	case GODWIT_EVENT_MIGRATED:
		on_migrated(in, e);
		break;
	case GODWIT_EVENT_GAP:
		on_gap(in, e);
		break;
	case GODWIT_EVENT_SESSION:
		on_session(in, e);
		break;
	case GODWIT_EVENT_ENDED:
		on_ended(in, e);
		break;
	default:
		sim_fail(in->actor->sim, "actor %u.%u: event %d", in->actor->index,
			 in->subscription, (int)e->kind);
		break;
	}
}

struct interest *interest_of(struct actor *a, uint32_t subscription)
{
	for (uint32_t i = 0; i < a->interest_count; i++)
		if (!a->interests[i].ended && a->interests[i].subscription == subscription)
			return &a->interests[i];
	return NULL;
}

void interest_check(struct interest *in)
{
	struct godwit_identifier identifier;

	if (in->begun && !in->ended &&
	    godwit_core_identifier(in->actor->core, in->subscription, &identifier) == 0)
		check_epoch(in, &identifier, "mark");
}

bool interest_complete(struct interest *in)
{
	const struct truth *truth = in->actor->sim->streams[in->stream].truth;
	struct godwit_identifier identifier;

	if (in->ended)
		return true;
	// The identifier gets to the commit also where nothing matched.
	if (truth == NULL || !in->begun || in->taken.session != truth->session ||
	    of_lost(truth, &in->taken) ||
	    next_wanted(in, truth, in->taken.seq, truth->commit) != 0 ||
	    godwit_core_identifier(in->actor->core, in->subscription, &identifier) != 0 ||
	    identifier.session != truth->session)
		return false;
	return identifier.seq >= truth->commit;
}
