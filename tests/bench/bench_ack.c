// SPDX-License-Identifier: BSD-3-Clause
//
// bench_ack: what replication costs a publisher's ACK. One client publishes to two streams in turn, one message at a
// time: to one of `ack: local`, to one of `ack: in-sync`, and so on, each when the one before is committed. From
// publish to COMMITTED, by the clock of this process.
//
// Usage: bench_ack SERVERS LOCAL IN_SYNC ROUNDS
//
// Prints JSON rows on standard output; scripts/bench_ack makes the servers.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <godwit/client.h>
#include <godwit/histogram.h>

#include "client/tools/parse.h"

#define MESSAGE	   64
#define WARM_UP	   200 // rounds that are not measured
#define WAIT_NS	   10000000000ull
#define POLL_NS	   100000000ull
#define ROUNDS_MAX 10000000

enum kind {
	LOCAL,
	IN_SYNC,
	KINDS
};

struct bench {
	struct godwit_client *client;
	uint32_t publishers[KINDS];
	bool open[KINDS];
	uint64_t committed[KINDS];
	struct godwit_histogram latency[KINDS];
};

static void die(const char *what)
{
	fprintf(stderr, "bench_ack: %s\n", what);
	exit(1);
}

static uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void take_event(struct bench *b, const struct godwit_event *event)
{
	for (uint32_t i = 0; i < KINDS; i++) {
		if (event->publisher != b->publishers[i])
			continue;
		if (event->kind == GODWIT_EVENT_PUBLISHER_OPENED)
			b->open[i] = true;
		else if (event->kind == GODWIT_EVENT_COMMITTED)
			b->committed[i] = event->number;
		else if (event->kind == GODWIT_EVENT_IN_DOUBT ||
			 event->kind == GODWIT_EVENT_PUBLISHER_ENDED)
			die("a publisher was ended, or has messages in doubt");
	}
}

// Whether there was one.
static bool take_events(struct bench *b, uint64_t until_ns)
{
	struct godwit_event event;
	bool any = false;
	int rc = godwit_client_poll(b->client, POLL_NS);

	if (rc < 0 && rc != -EINTR)
		die(strerror(-rc));
	while (godwit_client_next(b->client, &event)) {
		any = true;
		take_event(b, &event);
	}
	if (!any && clock_ns() > until_ns)
		die("no answer of the servers within 10 s");
	return any;
}

static void open_all(struct bench *b, char **argv)
{
	struct godwit_address servers[GODWIT_SERVERS_MAX];
	struct godwit_client_options options = {
		.core = {.client = clock_ns(), .servers = servers, .is_single = true}};
	const char *error =
		parse_addresses(argv[1], GODWIT_SERVERS_MAX, servers, &options.core.server_count);
	uint64_t until_ns = clock_ns() + WAIT_NS;

	if (error != NULL)
		die(error);
	if (godwit_client_open(&options, &b->client) != 0)
		die("no client");
	for (uint32_t i = 0; i < KINDS; i++) {
		struct godwit_publisher_options publisher = {.stream = argv[2 + i],
							     .publisher = 1 + i};

		if (godwit_client_publisher_open(b->client, &publisher, &b->publishers[i]) != 0)
			die("no publisher");
	}
	while (!b->open[LOCAL] || !b->open[IN_SYNC])
		take_events(b, until_ns);
}

// One message there and back.
static uint64_t publish(struct bench *b, enum kind kind)
{
	static const uint8_t payload[MESSAGE];
	uint64_t number, begun_ns = clock_ns();
	int rc = godwit_client_publish(b->client, b->publishers[kind], 0, payload, sizeof(payload),
				       &number);

	if (rc != 0)
		die(strerror(-rc));
	while (b->committed[kind] < number)
		take_events(b, begun_ns + WAIT_NS);
	return clock_ns() - begun_ns;
}

static void row(const struct bench *b, const char *name, double quantile)
{
	double value = (double)godwit_histogram_quantile(&b->latency[IN_SYNC], quantile) / 1e3;
	double reference = (double)godwit_histogram_quantile(&b->latency[LOCAL], quantile) / 1e3;

	printf("{\"name\": \"%s\", \"value\": %.3f, \"unit\": \"us\", \"reference\": %.3f, "
	       "\"ratio\": %.4f}\n",
	       name, value, reference, value / reference);
}

int main(int argc, char **argv)
{
	static struct bench b;
	long rounds = argc == 5 ? atol(argv[4]) : 0;

	if (rounds < 1 || rounds > ROUNDS_MAX) {
		fprintf(stderr, "usage: bench_ack SERVERS LOCAL IN_SYNC ROUNDS\n");
		return 2;
	}
	open_all(&b, argv);
	for (long i = 0; i < rounds + WARM_UP; i++)
		for (uint32_t n = 0; n < KINDS; n++) {
			// Neither is always the first.
			enum kind kind = (i + n) % 2 == 0 ? LOCAL : IN_SYNC;
			uint64_t ns = publish(&b, kind);

			if (i >= WARM_UP)
				godwit_histogram_record(&b.latency[kind], ns, 1);
		}
	row(&b, "replication.ack", 0.5);
	row(&b, "replication.ack_p99", 0.99);
	godwit_client_close(b.client);
	return 0;
}
