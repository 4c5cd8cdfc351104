// SPDX-License-Identifier: BSD-3-Clause
#include <inttypes.h>

#include "tests/bench/swarm.h"

#define NS_PER_MS 1000000.0

void swarm_report_line(const struct swarm *swarm)
{
	const struct swarm_sums *sums = &swarm->sums;

	printf("{\"ms\": %.1f, \"started\": %u, \"begun\": %" PRIu64 ", \"live\": %" PRIu64
	       ", \"delivered\": %" PRIu64 ", \"lost\": %" PRIu64 ", \"repeated\": %" PRIu64
	       ", \"migrations\": %" PRIu64 "}\n",
	       (double)(swarm->now_ns - swarm->began_ns) / NS_PER_MS, swarm->started, sums->begun,
	       sums->live, sums->delivered, sums->lost, sums->repeated, sums->migrations);
	fflush(stdout);
}

static void print_latency(FILE *out, const char *name, const struct godwit_histogram *latency)
{
	fprintf(out,
		"  \"%s\": {\"count\": %" PRIu64 ", \"p50_ns\": %" PRIu64 ", \"p99_ns\": %" PRIu64
		", \"max_ns\": %" PRIu64 "},\n",
		name, latency->count, godwit_histogram_quantile(latency, 0.5),
		godwit_histogram_quantile(latency, 0.99), godwit_histogram_max(latency));
}

static void print_sums(FILE *out, const struct swarm *swarm)
{
	const struct swarm_sums *sums = &swarm->sums;
	struct port_stats port;

	port_stats_get(&swarm->port.port, &port);

	const struct {
		const char *name;
		uint64_t value;
	} rows[] = {
		{"clients", swarm->options->clients},
		{"started", swarm->started},
		{"begun", sums->begun},
		{"live", sums->live},
		{"over", sums->over},
		{"delivered", sums->delivered},
		{"lost", sums->lost},
		{"repeated", sums->repeated},
		{"damaged", sums->damaged},
		{"truncated", sums->truncated},
		{"gaps", sums->gaps},
		{"sessions", sums->sessions},
		{"migrations", sums->migrations},
		{"resumes", sums->resumes},
		{"disconnects", sums->disconnects},
		{"errors", sums->errors},
		{"dropped", sums->dropped},
		{"unrecorded", swarm->record.missed},
		{"port_missed", port.rx_missed},
		{"port_received", swarm->port.received},
		{"port_sent", swarm->port.sent},
		{"port_full", swarm->port.full},
		{"port_no_route", swarm->port.no_route},
		{"port_unknown", swarm->port.unknown},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		fprintf(out, "  \"%s\": %" PRIu64 ",\n", rows[i].name, rows[i].value);
}

bool swarm_report_end(const struct swarm *swarm)
{
	uint64_t silence_ns = 0, least = UINT64_MAX, most = 0;
	FILE *out = stdout;

	if (swarm->options->json != NULL)
		out = fopen(swarm->options->json, "w");
	if (out == NULL)
		return false;
	for (uint32_t i = 0; i < swarm->started; i++) {
		const struct swarm_client *client = &swarm->clients[i];

		if (client->silence_ns > silence_ns)
			silence_ns = client->silence_ns;
		if (client->expected < least)
			least = client->expected;
		if (client->expected > most)
			most = client->expected;
	}
	fprintf(out, "{\n");
	print_sums(out, swarm);
	print_latency(out, "latency", &swarm->latency);
	fprintf(out,
		"  \"next_least\": %" PRIu64 ",\n  \"next_most\": %" PRIu64
		",\n  \"silence_max_ms\": %.3f\n}\n",
		least, most, (double)silence_ns / NS_PER_MS);
	if (out == stdout)
		return fflush(out) == 0;
	return fclose(out) == 0;
}
