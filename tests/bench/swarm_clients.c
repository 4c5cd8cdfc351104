// SPDX-License-Identifier: BSD-3-Clause
//
// The swarm's clients. The core delivers in order, so that what a client checks is one number: the
// sequence that comes next.
#include <errno.h>
#include <stdlib.h>

#include "client/tools/generated.h"
#include "tests/bench/swarm.h"

#define TICK_NS	      500000ull
#define WHEEL_SLOTS   4096u
#define TURN_TIMERS   128u
#define TURN_STARTS   8u
#define ID_SPREAD     1u
#define REFUSALS_SAID 16u

static uint64_t swarm_random(struct swarm *swarm)
{
	uint64_t z = (swarm->random += 0x9e3779b97f4a7c15ull);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static bool is_lost(struct swarm *swarm)
{
	if (swarm->options->loss == 0 || swarm_random(swarm) % 10000 >= swarm->options->loss)
		return false;
	swarm->sums.dropped++;
	return true;
}

int swarm_clients_create(struct swarm *swarm)
{
	uint32_t count = swarm->options->clients;

	swarm->clients = calloc(count, sizeof(*swarm->clients));
	swarm->timers = calloc(count, sizeof(*swarm->timers));
	swarm->heads = malloc(wheel_heads_bytes(WHEEL_SLOTS));
	if (swarm->clients == NULL || swarm->timers == NULL || swarm->heads == NULL)
		return -ENOMEM;
	wheel_init(&swarm->wheel, TICK_NS, swarm->heads, WHEEL_SLOTS, swarm->timers, count,
		   swarm->now_ns);
	return 0;
}

void swarm_clients_destroy(struct swarm *swarm)
{
	for (uint32_t i = 0; swarm->clients != NULL && i < swarm->started; i++)
		godwit_core_destroy(swarm->clients[i].core);
	free(swarm->clients);
	free(swarm->timers);
	free(swarm->heads);
}

// ---- events -------------------------------------------------------------------------------------

static void set_live(struct swarm *swarm, struct swarm_client *client, bool is_live)
{
	if (client->is_live == is_live)
		return;
	client->is_live = is_live;
	swarm->sums.live += is_live ? 1 : -1ull;
}

static void on_message(struct swarm *swarm, struct swarm_client *client,
		       const struct godwit_event *event)
{
	struct generated generated;
	uint64_t seq = event->identifier.seq;

	if (seq > client->expected)
		swarm->sums.lost += seq - client->expected;
	else if (seq < client->expected)
		swarm->sums.repeated++;
	client->expected = seq + 1;
	client->taken = event->identifier;
	client->delivered++;
	swarm->sums.delivered++;
	if (generated_read(event->payload, event->length, &generated) && generated.is_damaged)
		swarm->sums.damaged++;
	if (client->last_ns != 0 && swarm->now_ns - client->last_ns > client->silence_ns)
		client->silence_ns = swarm->now_ns - client->last_ns;
	client->last_ns = swarm->now_ns;
	if (swarm->wall_ns > event->time_ns)
		godwit_histogram_record(&swarm->latency, swarm->wall_ns - event->time_ns, 1);
	swarm_record_message(swarm, (uint32_t)(client - swarm->clients), event);
}

static void on_begin(struct swarm *swarm, struct swarm_client *client,
		     const struct godwit_event *event)
{
	if (client->expected == 0) {
		client->expected = event->identifier.seq + 1;
		swarm->sums.begun++;
	}
}

static void on_gap(struct swarm *swarm, struct swarm_client *client,
		   const struct godwit_event *event)
{
	swarm->sums.gaps++;
	if (event->code == GODWIT_DIVERGED || event->code == GODWIT_FUTURE) {
		client->expected = event->identifier.seq + 1;
		return;
	}
	if (event->first > client->expected)
		swarm->sums.lost += event->first - client->expected;
	if (event->last >= event->first)
		swarm->sums.truncated += event->last - event->first + 1;
	client->expected = event->identifier.seq + 1;
}

static void on_home(struct swarm *swarm, struct swarm_client *client,
		    const struct godwit_event *event)
{
	client->home = godwit_address_ip4(&event->server);
	set_live(swarm, client, true);
}

// The first ones are told of: what a run must not have needs an explanation.
static void say_refusal(const struct swarm *swarm, const struct swarm_client *client,
			const char *what, const struct godwit_event *event)
{
	if (swarm->sums.over + swarm->sums.errors > REFUSALS_SAID)
		return;
	fprintf(stderr, "swarm: client %td after %.1f ms: %s: %s, detail %lu\n",
		client - swarm->clients, (double)(swarm->now_ns - swarm->began_ns) / 1e6, what,
		godwit_code_name(event->code), (unsigned long)event->number);
}

static void on_event(struct swarm *swarm, struct swarm_client *client,
		     const struct godwit_event *event)
{
	switch (event->kind) {
	case GODWIT_EVENT_MESSAGE:
		on_message(swarm, client, event);
		break;
	case GODWIT_EVENT_SUBSCRIBED:
		on_begin(swarm, client, event);
		on_home(swarm, client, event);
		break;
	case GODWIT_EVENT_RESUMED:
		swarm->sums.resumes++;
		on_home(swarm, client, event);
		break;
	case GODWIT_EVENT_MIGRATED:
		swarm->sums.migrations++;
		swarm_record_move(swarm, (uint32_t)(client - swarm->clients), event);
		on_home(swarm, client, event);
		break;
	case GODWIT_EVENT_GAP:
		on_gap(swarm, client, event);
		break;
	case GODWIT_EVENT_SESSION:
		swarm->sums.sessions++;
		client->expected = event->identifier.seq + 1;
		break;
	case GODWIT_EVENT_DISCONNECTED:
		swarm->sums.disconnects++;
		if (client->home == godwit_address_ip4(&event->server))
			set_live(swarm, client, false);
		break;
	case GODWIT_EVENT_ENDED:
		set_live(swarm, client, false);
		client->is_over = true;
		swarm->sums.over++;
		say_refusal(swarm, client, "ended", event);
		break;
	case GODWIT_EVENT_ERROR:
		swarm->sums.errors++;
		say_refusal(swarm, client, "error", event);
		break;
	default:
		break;
	}
}

// ---- a client's turn ----------------------------------------------------------------------------

static void client_send(struct swarm *swarm, uint32_t number)
{
	struct swarm_client *client = &swarm->clients[number];
	struct godwit_address to;
	uint8_t bytes[GODWIT_DATAGRAM_DEFAULT];
	size_t length;

	while ((length = godwit_core_output(client->core, swarm->now_ns, &to, bytes,
					    sizeof(bytes))) > 0)
		if (!is_lost(swarm))
			swarm_port_send(&swarm->port, swarm->now_ns, number, &to, bytes,
					(uint32_t)length);
}

static void client_run(struct swarm *swarm, uint32_t number)
{
	struct swarm_client *client = &swarm->clients[number];
	struct godwit_event event;
	uint64_t due_ns;

	if (client->look_ns == 0 || swarm->now_ns >= client->look_ns) {
		client->look_ns = 0;
		while (godwit_core_next(client->core, swarm->now_ns, &event))
			on_event(swarm, client, &event);
	}
	client_send(swarm, number);
	// Timers that ran may have left something to say.
	if (client->look_ns == 0 && godwit_core_ready(client->core))
		client->look_ns = swarm->now_ns + 1;
	due_ns = godwit_core_due(client->core, swarm->now_ns);
	if (client->look_ns != 0 && client->look_ns < due_ns)
		due_ns = client->look_ns;
	if (due_ns == UINT64_MAX)
		wheel_cancel(&swarm->wheel, number);
	else
		wheel_set(&swarm->wheel, number, due_ns);
}

void swarm_clients_input(struct swarm *swarm, const struct swarm_datagram *datagram)
{
	struct swarm_client *client = &swarm->clients[datagram->client];

	if (client->core == NULL || is_lost(swarm))
		return;
	godwit_core_input(client->core, swarm->now_ns, &datagram->from, datagram->bytes,
			  datagram->length);
	if (swarm->options->think_ns != 0 && client->look_ns == 0)
		client->look_ns = swarm->now_ns + swarm->options->think_ns;
	client_run(swarm, datagram->client);
}

// ---- all of them --------------------------------------------------------------------------------

static bool client_start(struct swarm *swarm, uint32_t number)
{
	const struct swarm_options *options = swarm->options;
	struct swarm_client *client = &swarm->clients[number];
	struct godwit_address servers[SWARM_SERVERS];
	struct godwit_core_options core = {
		.client = options->client_base + number + ID_SPREAD,
		.instance = swarm->wall_ns,
		.seed = {swarm_random(swarm), swarm_random(swarm) | 1},
		.servers = servers,
		.server_count = options->server_count,
		.window = options->window,
		.now_ns = swarm->now_ns,
		.subscriptions = 1,
		.publishers = 1,
	};
	struct godwit_subscription_options subscription = {.stream = options->stream,
							   .start = options->start,
							   .policy = GODWIT_POLICY_EARLIEST};
	uint32_t subscribed;

	// They begin at different servers, unless they are to be together.
	for (uint32_t i = 0; i < options->server_count; i++)
		servers[i] = options->servers[(i + (options->is_together ? 0 : number)) %
					      options->server_count];
	client->core = godwit_core_create(&core);
	if (client->core == NULL)
		return false;
	if (godwit_core_subscribe(client->core, swarm->now_ns, &subscription, &subscribed) != 0)
		return false;
	client_run(swarm, number);
	return true;
}

static void on_due(void *arg, uint32_t number)
{
	client_run(arg, number);
}

uint32_t swarm_clients_turn(struct swarm *swarm)
{
	const struct swarm_options *options = swarm->options;
	uint64_t wanted = (swarm->now_ns - swarm->began_ns) * options->rate / 1000000000 + 1;
	uint32_t done = 0;

	if (wanted > options->clients)
		wanted = options->clients;
	while (swarm->started < wanted && done < TURN_STARTS) {
		if (!client_start(swarm, swarm->started)) {
			fprintf(stderr, "swarm: client %u cannot be made: %s\n", swarm->started,
				strerror(errno));
			exit(1);
		}
		swarm->started++;
		done++;
	}
	done += wheel_advance(&swarm->wheel, swarm->now_ns, TURN_TIMERS, on_due, swarm);
	return done;
}
