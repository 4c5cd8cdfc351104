// SPDX-License-Identifier: BSD-3-Clause
//
// Clients and publishers of the simulated world: their lives, and what a publisher checks of what it is told.
#include <errno.h>
#include <stdlib.h>

#include "tests/sim/sim.h"

#define PULLS_MAX 65536 // of one turn; more is a library that never ends

// Of an application, one after the other.
static void open_interest(struct actor *a, struct interest *in)
{
	char name[16];

	snprintf(name, sizeof(name), "s%u", in->stream);
	in->actor = a;
	in->seen = 0;
	in->options.stream = name;
	in->options.topics = in->topics;
	in->begun = false;
	if (godwit_core_subscribe(a->core, a->sim->now_ns, &in->options, &in->subscription) != 0)
		sim_fail(a->sim, "actor %u: subscribe", a->index);
}

static void open_publisher(struct actor *a)
{
	char name[16];
	struct godwit_publisher_options publisher = {
		.stream = name,
		.publisher = a->publisher_id,
		.messages = 256,
		.buffer_bytes = 64 << 10,
	};

	snprintf(name, sizeof(name), "s%u", a->stream);
	a->ready = false;
	if (godwit_core_publisher_open(a->core, a->sim->now_ns, &publisher, &a->handle) != 0)
		sim_fail(a->sim, "actor %u: publisher_open", a->index);
}

static void open_core(struct actor *a)
{
	struct sim *sim = a->sim;
	struct godwit_address servers[SIM_HOSTS];
	struct godwit_core_options options = {
		.client = SIM_CLIENT_ID + a->client,
		.instance = ++a->instance,
		.seed = {rng_next(&sim->rng) | 1, rng_next(&sim->rng)},
		.servers = servers,
		.server_count = sim->host_count,
		.window = a->window,
		.now_ns = sim->now_ns,
		.datagram = a->datagram,
	};

	// Each begins with another one.
	for (uint32_t i = 0; i < sim->host_count; i++)
		servers[i] = sim->hosts[(a->first + i) % sim->host_count].address;
	a->core = godwit_core_create(&options);
	if (a->core == NULL)
		abort();
	a->open = true;
	a->name_request = 0;
	if (a->publisher)
		open_publisher(a);
	for (uint32_t i = 0; i < a->interest_count; i++)
		if (!a->interests[i].ended)
			open_interest(a, &a->interests[i]);
	sim_trace(sim, actor_node(a), "opened, instance %lu", a->instance);
}

void actor_close(struct actor *a)
{
	if (!a->rogue)
		coverage_actor_ends(a);
	godwit_core_destroy(a->core);
	a->core = NULL;
	a->open = false;
}

void actor_leave(struct actor *a)
{
	if (a->open)
		actor_close(a);
	a->left = true;
	sim_trace(a->sim, actor_node(a), "left");
}

static void restart(struct actor *a)
{
	a->restart_ns = 0;
	for (uint32_t i = 0; i < a->interest_count; i++) {
		struct interest *in = &a->interests[i];
		struct godwit_identifier identifier;

		if (!in->ended &&
		    godwit_core_identifier(a->core, in->subscription, &identifier) == 0 &&
		    identifier.session != 0) {
			in->options.start = GODWIT_START_AFTER;
			in->options.after = in->saved.session != 0 ? in->saved : identifier;
		}
	}
	if (a->publisher) {
		struct godwit_publisher_state state;

		// What the dead process had not sent is published again by the next.
		if (godwit_core_publisher_state(a->core, a->handle, &state) == 0) {
			a->published -= state.waiting;
			a->in_doubt += state.waiting;
		}
	}
	actor_close(a);
	a->address.port += 100; // a new socket
	a->first = a->first_again;
	open_core(a);
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
	const struct truth *truth = sim->streams[a->stream].truth;

	a->committed = e->number;
	if (truth == NULL) {
		sim_fail(sim, "actor %u: %lu acknowledged before there was a session", a->index,
			 e->number);
		return;
	}
	if (truth->lost_count > 0)
		return;
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
	if (e->number > 0 && sim->streams[a->stream].sessions == 1)
		sim_fail(sim, "actor %u: %lu acknowledged, the stream has none", a->index,
			 e->number);
}

// A name has one number, and a number one name. A stream's numbers begin anew with a new server.
static void on_topic(struct actor *a, const struct godwit_event *e)
{
	struct sim *sim = a->sim;
	uint32_t *names = sim->streams[a->name_stream].names;

	if (e->request != a->name_request)
		sim_fail(sim, "actor %u: a topic that it did not ask for", a->index);
	a->name_request = 0;
	// Not all names have room.
	if (e->code == GODWIT_LIMIT &&
	    sim->streams[a->name_stream].topics_max < SIM_NAMES + SIM_TOPICS)
		return;
	if (e->code != GODWIT_OK || e->topic == 0) {
		sim_fail(sim, "actor %u: topic: %s", a->index, godwit_code_name(e->code));
		return;
	}
	// A number that was given while what was given up was written may be given again.
	if (sim->streams[a->name_stream].sessions != 1 || sim->streams[a->name_stream].given_up)
		return;
	for (uint32_t i = 0; i < SIM_NAMES; i++)
		if ((i == a->name) ? names[i] != 0 && names[i] != e->topic : names[i] == e->topic)
			sim_fail(sim, "actor %u: topic %u of name %u, which %u has with %u",
				 a->index, e->topic, a->name, i, names[i]);
	names[a->name] = e->topic;
}

static void ask_name(struct actor *a)
{
	struct sim *sim = a->sim;
	char stream[16], name[16];

	if (a->name_ns == 0 || sim->now_ns < a->name_ns || a->name_request != 0)
		return;
	a->name = (uint32_t)rng_below(&sim->rng, SIM_NAMES);
	a->name_stream = (uint32_t)rng_below(&sim->rng, sim->stream_count);
	a->name_ns = sim->now_ns + rng_below(&sim->rng, 300 * MS);
	snprintf(stream, sizeof(stream), "s%u", a->name_stream);
	snprintf(name, sizeof(name), "name %u", a->name);
	if (godwit_core_topic(a->core, sim->now_ns, stream, name, true, &a->name_request) != 0)
		sim_fail(sim, "actor %u: topic", a->index);
}

static void on_publisher_event(struct actor *a, const struct godwit_event *e)
{
	struct sim *sim = a->sim;

	switch (e->kind) {
	case GODWIT_EVENT_PUBLISHER_OPENED:
		a->ready = true;
		sim_trace(sim, actor_node(a), "publisher instance %lu, last %lu", e->instance,
			  e->number);
		break;
	case GODWIT_EVENT_COMMITTED:
		on_committed(a, e);
		break;
	case GODWIT_EVENT_IN_DOUBT:
		a->in_doubt += e->last - e->first + 1;
		sim_trace(sim, actor_node(a), "in doubt %lu..%lu", e->first, e->last);
		// Whom a primary told of its instance, it knows in each epoch of the session, and with it what
		// it acknowledged; but where that may be lost.
		if (sim->streams[a->stream].sessions == 1 && !truth_may_lose(sim, a->stream))
			sim_fail(sim, "actor %u: instance %lu was given and is not known", a->index,
				 e->instance);
		break;
	default:
		sim_fail(sim, "actor %u: publisher ended: %s", a->index, godwit_code_name(e->code));
		break;
	}
}

static void on_event(struct actor *a, const struct godwit_event *e)
{
	struct interest *in = e->subscription != 0 ? interest_of(a, e->subscription) : NULL;

	if (in != NULL)
		interest_event(in, e);
	else if (e->kind == GODWIT_EVENT_TOPIC)
		on_topic(a, e);
	else if (e->publisher != 0)
		on_publisher_event(a, e);
	else
		sim_trace(a->sim, actor_node(a), "event %d %s", (int)e->kind,
			  godwit_code_name(e->code));
}

// ---- both -------------------------------------------------------------------------------------

void actor_input(struct actor *a, const struct packet *packet)
{
	if (!a->open || !godwit_address_equal(&a->address, &packet->to))
		return;
	if (a->rogue) {
		rogue_input(a, packet);
		return;
	}
	a->due_ns = 0;
	godwit_core_input(a->core, a->sim->now_ns, &packet->from, packet->data, packet->bytes);
}

static void calls(struct actor *a)
{
	struct sim *sim = a->sim;

	if (a->restart_ns != 0 && sim->now_ns >= a->restart_ns)
		restart(a);
	for (uint32_t i = 0; i < a->interest_count; i++) {
		struct interest *in = &a->interests[i];

		if (in->unsubscribe_ns != 0 && sim->now_ns >= in->unsubscribe_ns && !in->ended &&
		    in->begun)
			godwit_core_unsubscribe(a->core, sim->now_ns, in->subscription);
	}
	ask_name(a);
	if (a->publisher)
		publish(a);
}

void actor_turn(struct actor *a)
{
	struct sim *sim = a->sim;
	uint8_t buffer[2048];
	struct godwit_address to;
	size_t bytes;

	if (sim->now_ns < a->start_ns || a->left)
		return;
	if (a->until_ns != 0 && sim->now_ns >= a->until_ns) {
		actor_leave(a);
		return;
	}
	if (a->rogue) {
		a->open = true;
		rogue_turn(a);
		return;
	}
	if (!a->open)
		open_core(a);
	coverage_actor(a); // what came in, before the application sees the end of it
	calls(a);
	pull(a);
	for (uint32_t n = 0;
	     !sim->failed &&
	     (bytes = godwit_core_output(a->core, sim->now_ns, &to, buffer, sizeof(buffer))) > 0;
	     n++) {
		network_send(sim, &a->address, &to, buffer, (uint32_t)bytes);
		if (n == PULLS_MAX)
			sim_fail(sim, "actor %u: output never ends", a->index);
	}
	pull(a);
	coverage_actor(a);
	for (uint32_t i = 0; i < a->interest_count; i++)
		interest_check(&a->interests[i]);
}

static uint64_t sooner(uint64_t due, uint64_t other)
{
	return other != 0 && other < due ? other : due;
}

uint64_t actor_due(const struct actor *a)
{
	uint64_t now_ns = a->sim->now_ns, due;

	if (a->left)
		return UINT64_MAX;
	if (a->rogue)
		return a->due_ns;
	if (!a->open)
		return a->start_ns;
	due = sooner(godwit_core_due(a->core, now_ns), a->restart_ns);
	due = sooner(due, a->until_ns);
	due = sooner(due, a->name_request == 0 ? a->name_ns : 0);
	for (uint32_t i = 0; i < a->interest_count; i++)
		if (!a->interests[i].ended && a->interests[i].begun)
			due = sooner(due, a->interests[i].unsubscribe_ns);
	if (a->publisher && a->ready && a->published < a->to_publish)
		due = sooner(due, a->next_publish_ns);
	if (!godwit_core_ready(a->core))
		return due;
	if (now_ns >= a->pause_from_ns && now_ns < a->pause_to_ns)
		return sooner(due, a->pause_to_ns);
	return sooner(due, a->pace_ns > 0 ? a->next_pull_ns : now_ns);
}

bool actor_complete(struct actor *a)
{
	struct godwit_publisher_state state;

	if (a->left || a->rogue)
		return true;
	if (!a->open)
		return false;
	if (a->publisher)
		return a->published >= a->to_publish &&
		       godwit_core_publisher_state(a->core, a->handle, &state) == 0 &&
		       state.waiting == 0;
	if (a->until_ns != 0)
		return false; // it leaves
	for (uint32_t i = 0; i < a->interest_count; i++)
		if (!interest_complete(&a->interests[i]))
			return false;
	return true;
}
