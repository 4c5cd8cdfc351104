// SPDX-License-Identifier: BSD-3-Clause
//
// Clients and publishers of the simulated world, and what each application checks of what it is given:
// the stream's committed (matching) messages from its start, once each, in order, or a typed answer.
#include <errno.h>
#include <stdlib.h>

#include "tests/sim/sim.h"

#define PULLS_MAX 4096 // of one turn; more is a library that never ends

static uint64_t hash_of(const uint8_t *bytes, size_t length)
{
	uint64_t hash = 1469598103934665603ull;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ bytes[i]) * 1099511628211ull;
	return hash;
}

static bool wants(const struct actor *a, uint32_t topic)
{
	if (a->options.topic_count == 0)
		return true;
	for (uint32_t i = 0; i < a->options.topic_count; i++)
		if (a->topics[i] == topic)
			return true;
	return false;
}

// First sequence above `after` and at or below `to` that the application wants; 0: none.
static uint64_t next_wanted(const struct actor *a, const struct truth *truth, uint64_t after,
			    uint64_t to)
{
	for (uint64_t seq = after + 1; seq <= to && seq <= truth->count; seq++)
		if (wants(a, truth->records[seq - 1].topic))
			return seq;
	return 0;
}

static void open_core(struct actor *a)
{
	struct sim *sim = a->sim;
	struct godwit_core_options options = {
		.client = 1000 + a->index,
		.instance = ++a->instance,
		.seed = {rng_next(&sim->rng) | 1, rng_next(&sim->rng)},
		.servers = &sim->host.address,
		.server_count = 1,
		.window = a->window,
		.now_ns = sim->now_ns,
		.datagram = a->datagram,
	};

	a->core = godwit_core_create(&options);
	if (a->core == NULL)
		abort();
	a->open = true;
	if (a->publisher) {
		char name[16];
		struct godwit_publisher_options publisher = {
			.stream = name,
			.publisher = a->publisher_id,
			.messages = 256,
			.buffer_bytes = 64 << 10,
		};

		snprintf(name, sizeof(name), "s%u", a->stream);
		a->ready = false;
		if (godwit_core_publisher_open(a->core, sim->now_ns, &publisher, &a->handle) != 0)
			sim_fail(sim, "actor %u: publisher_open", a->index);
	} else {
		char name[16];

		snprintf(name, sizeof(name), "s%u", a->stream);
		a->options.stream = name;
		a->options.topics = a->topics;
		if (godwit_core_subscribe(a->core, sim->now_ns, &a->options, &a->subscription) != 0)
			sim_fail(sim, "actor %u: subscribe", a->index);
		a->begun = false;
	}
	sim_trace(sim, "actor %u: opened, instance %lu", a->index, a->instance);
}

void actor_close(struct actor *a)
{
	godwit_core_destroy(a->core);
	a->core = NULL;
	a->open = false;
}

static void restart(struct actor *a)
{
	struct godwit_identifier identifier;

	a->restart_ns = 0;
	if (a->ended)
		return;
	if (!a->publisher) {
		if (godwit_core_identifier(a->core, a->subscription, &identifier) == 0 &&
		    identifier.session != 0) {
			a->options.start = GODWIT_START_AFTER;
			a->options.after = identifier;
		}
	} else {
		struct godwit_publisher_state state;

		// What the dead process had not sent is published again by the next.
		if (godwit_core_publisher_state(a->core, a->handle, &state) == 0) {
			a->published -= state.waiting;
			a->in_doubt += state.waiting;
		}
	}
	actor_close(a);
	a->address.port += 100; // a new socket
	open_core(a);
}

// ---- subscriber -------------------------------------------------------------------------------

static void on_message(struct actor *a, const struct godwit_event *e)
{
	struct sim *sim = a->sim;
	struct truth *truth = host_truth(sim, e->identifier.session);
	uint64_t seq = e->identifier.seq, wanted;
	const struct truth_record *record;

	a->delivered++;
	sim->messages_delivered++;
	if (truth == NULL || seq == 0 || seq > truth->count || seq > truth->commit) {
		sim_fail(sim, "actor %u: message %lu that is not committed", a->index, seq);
		return;
	}
	if (!a->begun) {
		sim_fail(sim, "actor %u: message %lu before SUBSCRIBED", a->index, seq);
		return;
	}
	if (e->identifier.session != a->taken.session) {
		sim_fail(sim, "actor %u: message of another session unannounced", a->index);
		return;
	}
	record = &truth->records[seq - 1];
	wanted = next_wanted(a, truth, a->taken.seq, seq);
	if (seq <= a->taken.seq)
		sim_fail(sim, "actor %u: %lu after %lu: repeated or out of order", a->index, seq,
			 a->taken.seq);
	else if (wanted != seq)
		sim_fail(sim, "actor %u: %lu after %lu: lost %lu", a->index, seq, a->taken.seq,
			 wanted);
	else if (record->topic != e->topic || record->time_ns != e->time_ns ||
		 record->hash != hash_of(e->payload, e->length))
		sim_fail(sim, "actor %u: message %lu is not what was published", a->index, seq);
	else if (e->identifier.epoch != 1)
		sim_fail(sim, "actor %u: message %lu has epoch %u", a->index, seq,
			 e->identifier.epoch);
	a->taken = e->identifier;
}

static void on_gap(struct actor *a, const struct godwit_event *e)
{
	struct sim *sim = a->sim;
	struct truth *truth = host_truth(sim, a->taken.session);
	uint64_t wanted;

	a->gaps++;
	sim_trace(sim, "actor %u: gap %lu..%lu %s", a->index, e->first, e->last,
		  godwit_code_name(e->code));
	if (a->options.policy == GODWIT_POLICY_FAIL)
		sim_fail(sim, "actor %u: a gap with the policy to fail", a->index);
	if (e->last >= e->first && truth != NULL) {
		wanted = next_wanted(a, truth, a->taken.seq, e->first - 1);
		if (wanted != 0)
			sim_fail(sim, "actor %u: gap from %lu hides %lu", a->index, e->first,
				 wanted);
		if (e->last != e->identifier.seq && a->taken.session == e->identifier.session)
			sim_fail(sim, "actor %u: gap to %lu, next after %lu", a->index, e->last,
				 e->identifier.seq);
	}
	a->taken = e->identifier;
}

static void on_subscribed(struct actor *a, const struct godwit_event *e)
{
	struct sim *sim = a->sim;
	const struct godwit_subscription_options *o = &a->options;

	sim_trace(sim, "actor %u: subscribed after %lu, %s", a->index, e->identifier.seq,
		  godwit_code_name(e->code));
	if (host_truth(sim, e->identifier.session) == NULL)
		sim_fail(sim, "actor %u: subscribed to an unknown session", a->index);
	if (e->code == GODWIT_OK && o->start == GODWIT_START_SEQUENCE &&
	    e->identifier.seq + 1 != o->value)
		sim_fail(sim, "actor %u: asked for %lu, begins after %lu", a->index, o->value,
			 e->identifier.seq);
	if (e->code == GODWIT_OK && o->start == GODWIT_START_AFTER &&
	    (e->identifier.seq != o->after.seq || e->identifier.session != o->after.session))
		sim_fail(sim, "actor %u: saved %lu, begins after %lu", a->index, o->after.seq,
			 e->identifier.seq);
	if (e->code != GODWIT_OK && o->policy == GODWIT_POLICY_FAIL)
		sim_fail(sim, "actor %u: answer %s with the policy to fail", a->index,
			 godwit_code_name(e->code));
	if (o->start == GODWIT_START_TIME && e->code == GODWIT_OK) {
		const struct truth *truth = host_truth(sim, e->identifier.session);

		// What was there when the position was resolved; a time to come begins at the next.
		if (e->identifier.seq < e->last && truth != NULL &&
		    truth->records[e->identifier.seq].time_ns < o->value)
			sim_fail(sim, "actor %u: begins with an older message", a->index);
	}
	a->begun = true;
	a->taken = e->identifier;
}

static void on_ended(struct actor *a, const struct godwit_event *e)
{
	struct sim *sim = a->sim;
	bool fails = a->options.policy == GODWIT_POLICY_FAIL;
	bool typed = e->code == GODWIT_UNSUBSCRIBED ||
		     (fails && (e->code == GODWIT_TRUNCATED || e->code == GODWIT_FUTURE ||
				e->code == GODWIT_UNKNOWN_SESSION));

	sim_trace(sim, "actor %u: ended %s", a->index, godwit_code_name(e->code));
	a->ended = true;
	a->end_code = e->code;
	if (e->code == GODWIT_UNSUBSCRIBED && a->unsubscribe_ns == 0)
		sim_fail(sim, "actor %u: unsubscribed unasked", a->index);
	// A record above 1200 bytes does not get through a path that swallows such packets.
	if (e->code == GODWIT_PATH_MTU && a->link.swallow != 0)
		typed = true;
	if (!typed)
		sim_fail(sim, "actor %u: ended with %s", a->index, godwit_code_name(e->code));
}

static void on_event(struct actor *a, const struct godwit_event *e);

static void pull(struct actor *a)
{
	struct sim *sim = a->sim;
	struct godwit_event e;

	if (!sim->quiet && sim->now_ns >= a->pause_from_ns && sim->now_ns < a->pause_to_ns)
		return;
	for (uint32_t n = 0; !sim->failed; n++) {
		if (!sim->quiet && a->pace_ns > 0 && sim->now_ns < a->next_pull_ns)
			return;
		if (!godwit_core_next(a->core, sim->now_ns, &e))
			return;
		if (e.kind == GODWIT_EVENT_MESSAGE)
			a->next_pull_ns = sim->now_ns + a->pace_ns;
		on_event(a, &e);
		if (n == PULLS_MAX)
			sim_fail(sim, "actor %u: events never end", a->index);
	}
}

// ---- publisher --------------------------------------------------------------------------------

static void publish(struct actor *a)
{
	struct sim *sim = a->sim;

	if (!a->ready || a->published >= a->to_publish || sim->now_ns < a->next_publish_ns)
		return;
	for (uint32_t n = 0; n < a->burst && a->published < a->to_publish; n++) {
		uint8_t payload[1400];
		struct godwit_publisher_state state;
		uint64_t ids[3], number;
		uint32_t length =
			a->size_min + (uint32_t)rng_below(&sim->rng, a->size_max - a->size_min + 1);
		uint32_t topic = 1 + (uint32_t)rng_below(&sim->rng, SIM_TOPICS - 1);
		int error;

		if (godwit_core_publisher_state(a->core, a->handle, &state) != 0 || !state.open)
			break;
		ids[0] = a->publisher_id;
		ids[1] = state.instance;
		ids[2] = state.next;
		for (uint32_t i = 0; i < length; i++)
			payload[i] = (uint8_t)(i * 7 + state.next);
		memcpy(payload, ids, sizeof(ids));
		error = godwit_core_publish(a->core, sim->now_ns, a->handle, topic, payload, length,
					    &number);
		if (error == -EAGAIN)
			break;
		if (error != 0 || number != state.next) {
			sim_fail(sim, "actor %u: publish says %d, number %lu", a->index, error,
				 number);
			return;
		}
		a->published++;
	}
	a->next_publish_ns = sim->now_ns + a->gap_ns;
}

static void on_committed(struct actor *a, const struct godwit_event *e)
{
	struct sim *sim = a->sim;
	const struct truth *truth = sim->host.current[a->stream];

	a->committed = e->number;
	// What was acknowledged is in the stream.
	for (uint64_t i = truth->count; i-- > 0;) {
		const struct truth_record *record = &truth->records[i];

		if (record->publisher != a->publisher_id || record->instance != e->instance)
			continue;
		if (record->number < e->number)
			sim_fail(sim, "actor %u: %lu acknowledged, the stream has %lu", a->index,
				 e->number, record->number);
		return;
	}
	if (e->number > 0 && sim->host.generation == 1)
		sim_fail(sim, "actor %u: %lu acknowledged, the stream has none", a->index,
			 e->number);
}

static void on_event(struct actor *a, const struct godwit_event *e)
{
	switch (e->kind) {
	case GODWIT_EVENT_MESSAGE:
		on_message(a, e);
		break;
	case GODWIT_EVENT_SUBSCRIBED:
		on_subscribed(a, e);
		break;
	case GODWIT_EVENT_RESUMED:
		a->resumes++;
		sim_trace(a->sim, "actor %u: resumed after %lu", a->index, e->identifier.seq);
		break;
	case GODWIT_EVENT_GAP:
		on_gap(a, e);
		break;
	case GODWIT_EVENT_SESSION:
		a->sessions++;
		sim_trace(a->sim, "actor %u: new session, after %lu", a->index, e->identifier.seq);
		if (a->sim->host.generation == 1)
			sim_fail(a->sim, "actor %u: a new session of a server that never died",
				 a->index);
		a->taken = e->identifier;
		break;
	case GODWIT_EVENT_ENDED:
		on_ended(a, e);
		break;
	case GODWIT_EVENT_PUBLISHER_OPENED:
		a->ready = true;
		a->publisher_instance = e->instance;
		sim_trace(a->sim, "actor %u: publisher instance %lu, last %lu", a->index,
			  e->instance, e->number);
		break;
	case GODWIT_EVENT_COMMITTED:
		on_committed(a, e);
		break;
	case GODWIT_EVENT_IN_DOUBT:
		a->in_doubt += e->last - e->first + 1;
		sim_trace(a->sim, "actor %u: in doubt %lu..%lu", a->index, e->first, e->last);
		if (a->sim->host.generation == 1 && a->instance == 1)
			sim_fail(a->sim, "actor %u: doubt about a server that never died",
				 a->index);
		break;
	case GODWIT_EVENT_PUBLISHER_ENDED:
		sim_fail(a->sim, "actor %u: publisher ended: %s", a->index,
			 godwit_code_name(e->code));
		break;
	case GODWIT_EVENT_ERROR:
		sim_trace(a->sim, "actor %u: error %s", a->index, godwit_code_name(e->code));
		break;
	default:
		sim_trace(a->sim, "actor %u: event %d %s", a->index, (int)e->kind,
			  godwit_code_name(e->code));
		break;
	}
}

// ---- both -------------------------------------------------------------------------------------

void actor_input(struct actor *a, const struct packet *packet)
{
	if (a->open && godwit_address_equal(&a->address, &packet->to))
		godwit_core_input(a->core, a->sim->now_ns, &packet->from, packet->data,
				  packet->bytes);
}

void actor_turn(struct actor *a)
{
	struct sim *sim = a->sim;
	uint8_t buffer[2048];
	struct godwit_address to;
	size_t bytes;

	if (sim->now_ns < a->start_ns)
		return;
	if (!a->open)
		open_core(a);
	if (a->restart_ns != 0 && sim->now_ns >= a->restart_ns)
		restart(a);
	if (a->unsubscribe_ns != 0 && sim->now_ns >= a->unsubscribe_ns && !a->ended && a->begun)
		godwit_core_unsubscribe(a->core, sim->now_ns, a->subscription);
	if (a->publisher)
		publish(a);
	pull(a);
	for (uint32_t n = 0;
	     !sim->failed &&
	     (bytes = godwit_core_output(a->core, sim->now_ns, &to, buffer, sizeof(buffer))) > 0;
	     n++) {
		network_send(sim, &a->link, &a->address, &to, buffer, (uint32_t)bytes);
		if (n == PULLS_MAX)
			sim_fail(sim, "actor %u: output never ends", a->index);
	}
	pull(a);
}

uint64_t actor_due(const struct actor *a)
{
	uint64_t due;

	if (!a->open)
		return a->start_ns;
	due = godwit_core_due(a->core, a->sim->now_ns);
	if (a->publisher && a->published < a->to_publish && a->next_publish_ns < due)
		due = a->next_publish_ns;
	if (!a->publisher && a->pace_ns > 0 && a->next_pull_ns < due && godwit_core_ready(a->core))
		due = a->next_pull_ns;
	return due;
}

bool actor_complete(struct actor *a)
{
	const struct truth *truth = a->sim->host.current[a->stream];
	struct godwit_publisher_state state;
	struct godwit_identifier identifier;

	if (a->ended)
		return true;
	if (!a->open)
		return false;
	if (a->publisher)
		return a->published >= a->to_publish &&
		       godwit_core_publisher_state(a->core, a->handle, &state) == 0 &&
		       state.waiting == 0;
	// The identifier gets to the commit also where nothing matched.
	return a->begun && a->taken.session == truth->session &&
	       next_wanted(a, truth, a->taken.seq, truth->commit) == 0 &&
	       godwit_core_identifier(a->core, a->subscription, &identifier) == 0 &&
	       identifier.session == truth->session && identifier.seq >= truth->commit;
}
