// SPDX-License-Identifier: BSD-3-Clause
//
// bench_fanout: what one core's way from log to port costs beside the bare minimum. One core, N whole
// subscriptions of one stream, full slices of 64-byte messages at MTU 1500, net_null, checksums in
// software. Beside it, in turns within one run, a bare loop that builds and sends the same packets:
// header template, client header, one copy of the same bytes, checksum from a known sum.
//
// Prints JSON rows on standard output; figures of one run are compared as their ratio.
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "dataplane/loop.h"
#include "dataplane/stages.h"

#define CLIENTS	 64
#define MESSAGE	 64
#define ROUNDS	 20
#define LOG_SIZE (16ull << 20)
#define ROUND_NS 100000000ull

struct bench {
	struct eal eal;
	struct port port;
	struct server server;
	struct stream *stream, *twin; // the bare loop's own log: it would lap the subscribers'
	struct loop *loop;
	struct core *core;
	uint64_t now_ns;
	uint32_t slice_records, slice_bytes;
};

static uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "bench_fanout: %s\n", what);
	exit(1);
}

static void open_port(struct bench *b)
{
	struct port_config config = {.driver = PORT_NULL,
				     .ip = 0x0a000001,
				     .prefix_bits = 16,
				     .udp_port = 5000,
				     .mtu = 1500};
	struct eal_config eal = {.prefix = "bench_fanout",
				 .pages = EAL_PAGES_AUTO,
				 .memory_bytes = 64 << 20,
				 .cpu_count = 1,
				 .cpus = {0},
				 .vdev_count = 1,
				 .no_telemetry = true};
	struct eal_error error;
	static char device[128];

	if (port_device(&config, 0, 1, device, sizeof(device)) != 0)
		die("port_device");
	eal.vdevs[0] = device;
	if (eal_start(&b->eal, &eal, &error) != 0 ||
	    port_open(&b->port, &config, 0, 1, &error) != 0 || port_start(&b->port, &error) != 0)
		die(error.text);
}

static struct stream *make_stream(struct bench *b, uint32_t number)
{
	struct stream_config stream = {.name = "bench",
				       .session = 1,
				       .epoch = 1,
				       .mtu = 1500,
				       .log_bytes = LOG_SIZE,
				       .publishers_max = 4,
				       .runs_max = 16,
				       .topics_max = 4};
	struct stream *made = NULL;

	stream.log_memory = log_memory_map(LOG_SIZE, b->eal.is_huge, -1);
	if (stream.log_memory == NULL)
		stream.log_memory = log_memory_map(LOG_SIZE, false, -1);
	if (stream.log_memory != NULL)
		made = stream_create(&stream, number);
	if (made == NULL)
		die("stream_create");
	return made;
}

static void make_core(struct bench *b)
{
	struct loop_config config = loop_config_default;
	struct core_config core = core_config_default;
	struct port *ports[1] = {&b->port};
	struct tx tx;

	b->stream = make_stream(b, 0);
	b->twin = make_stream(b, 1);
	b->server = (struct server){.id = 1,
				    .incarnation = 1,
				    .mtu = 1500,
				    .interval_ms = 1000,
				    .multiplier = 3,
				    .lapse_ms = 3600000,
				    .subscriptions_max = 1,
				    .stream_count = 1,
				    .streams = {b->stream},
				    .core_count = 1};
	config.idle = LOOP_BUSY;
	b->loop = loop_create(&config, ports, 1);
	if (b->loop == NULL)
		die("loop_create");
	core.random[0] = 1;
	core.clients_max = CLIENTS;
	tx = loop_tx(b->loop);
	b->core = core_create(&b->server, &core, &tx);
	if (b->core == NULL)
		die("core_create");
	b->server.cores[0] = b->core;
	loop_set_core(b->loop, b->core);
}

static void add_clients(struct bench *b)
{
	for (uint32_t i = 0; i < CLIENTS; i++) {
		uint32_t ip = 0x0a000100 + i;
		struct godwit_address address = godwit_address_v4(ip, (uint16_t)(10000 + i));
		struct client *client;
		struct subscription *s;

		if (!neighbours_learn(&b->port.net.neighbours, ip, 0x020000000000ull + i, b->now_ns,
				      true))
			die("neighbours_learn");
		b->core->now_ns = b->now_ns;
		client = client_open(b->core, i, 1, i, &address);
		s = client == NULL ? NULL :
				     subscription_open(b->core, client, b->stream, 1, FILTER_NONE,
						       (struct godwit_identifier){.session = 1});
		if (s == NULL)
			die("subscription_open");
		s->cursor_epoch = 1;
		subscription_own_set(s);
		s->edge = UINT64_MAX;
		s->window = UINT32_MAX;
		s->records_max = godwit_slice_bytes(1500);
		if (!temporary_spawn(b->core, s, 1))
			die("temporary_spawn");
		subscription_ready(b->core, s);
	}
}

// One full slice more in the log.
static void publish_slice(const struct bench *b, struct stream *stream)
{
	uint8_t payload[MESSAGE] = {0};

	for (uint32_t i = 0; i < b->slice_records; i++)
		log_append(&stream->log, b->now_ns, 1, 0, payload, sizeof(payload));
}

static uint64_t sent(const struct bench *b)
{
	return counter_get(b->core->counters, COUNTER_tx_datagrams);
}

// Turns of the real core for a while; packets a second.
static double run_core(struct bench *b)
{
	uint64_t before = sent(b), start = clock_ns(), now = start;

	while (now - start < ROUND_NS) {
		publish_slice(b, b->stream);
		b->now_ns += 1000;
		loop_turn(b->loop, b->now_ns, b->now_ns);
		now = clock_ns();
	}
	return (double)(sent(b) - before) * 1e9 / (double)(now - start);
}

struct bare {
	struct rte_mbuf *batch[32];
	uint32_t pending;
	struct route routes[CLIENTS];
	uint64_t packets;
};

static void bare_flush(struct bench *b, struct bare *bare)
{
	uint16_t done = rte_eth_tx_burst(b->port.id, 0, bare->batch, (uint16_t)bare->pending);

	if (done != bare->pending)
		die("net_null refused packets");
	bare->packets += bare->pending;
	bare->pending = 0;
}

static void bare_packet(struct bench *b, struct bare *bare, struct route *route, uint64_t pos,
			uint64_t first, uint32_t sum)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(b->port.pool);
	uint32_t bytes = (uint32_t)sizeof(struct godwit_data) + b->slice_bytes;
	struct godwit_data header = {
		.frame = {.version = GODWIT_VERSION,
			  .type = GODWIT_DATA,
			  .count = godwit_be16((uint16_t)b->slice_records)},
		.covers_from = godwit_be64(first),
		.covers = godwit_be32(b->slice_records),
	};
	uint8_t *frame;

	if (mbuf == NULL)
		die("no packet buffer");
	frame = rte_pktmbuf_mtod(mbuf, uint8_t *);
	memcpy(frame, route->header, NET_HEADER_BYTES);
	memcpy(frame + NET_HEADER_BYTES, &header, sizeof(header));
	memcpy(frame + NET_HEADER_BYTES + sizeof(header), log_at(&b->twin->log, pos),
	       b->slice_bytes);
	net_finish(frame, bytes, route,
		   (uint64_t)sum + tx_sum(frame + NET_HEADER_BYTES, sizeof(header)),
		   NET_BY_SOFTWARE);
	mbuf->data_len = (uint16_t)(NET_HEADER_BYTES + bytes);
	mbuf->pkt_len = NET_HEADER_BYTES + bytes;
	bare->batch[bare->pending++] = mbuf;
	if (bare->pending == 32)
		bare_flush(b, bare);
}

static double run_bare(struct bench *b, struct bare *bare)
{
	uint64_t start = clock_ns(), now = start;

	bare->packets = 0;
	while (now - start < ROUND_NS) {
		uint64_t pos, first;
		uint32_t sum;

		// The same appends, so that the same memory is warm.
		publish_slice(b, b->twin);
		pos = b->twin->log.head_own.pos - b->slice_bytes;
		first = b->twin->log.head_own.seq - b->slice_records + 1;
		sum = tx_sum(log_at(&b->twin->log, pos), b->slice_bytes);
		for (uint32_t i = 0; i < CLIENTS; i++)
			bare_packet(b, bare, &bare->routes[i], pos, first, sum);
		now = clock_ns();
	}
	return (double)bare->packets * 1e9 / (double)(now - start);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

int main(void)
{
	static struct bench b;
	static struct bare bare;
	double core[ROUNDS], plain[ROUNDS], ratio[ROUNDS];

	b.now_ns = clock_ns();
	open_port(&b);
	make_core(&b);
	add_clients(&b);
	b.slice_records = godwit_slice_bytes(1500) / godwit_record_bytes(MESSAGE);
	b.slice_bytes = b.slice_records * godwit_record_bytes(MESSAGE);
	run_core(&b); // warm: all are live, neighbours are known
	for (uint32_t i = 0; i < CLIENTS; i++)
		bare.routes[i] = b.core->clients[i].route;
	for (uint32_t i = 0; i < ROUNDS; i++) {
		core[i] = run_core(&b);
		plain[i] = run_bare(&b, &bare);
		ratio[i] = core[i] / plain[i];
	}
	if (counter_get(b.core->counters, COUNTER_truncated) != 0)
		fprintf(stderr, "bench_fanout: %lu subscriptions were truncated\n",
			(unsigned long)counter_get(b.core->counters, COUNTER_truncated));
	qsort(core, ROUNDS, sizeof(double), by_value);
	qsort(plain, ROUNDS, sizeof(double), by_value);
	qsort(ratio, ROUNDS, sizeof(double), by_value);
	printf("{\"name\": \"fanout.packets\", \"value\": %.3f, \"unit\": \"Mpps\", "
	       "\"reference\": %.3f, \"ratio\": %.3f}\n",
	       core[ROUNDS / 2] / 1e6, plain[ROUNDS / 2] / 1e6, ratio[ROUNDS / 2]);
	return 0;
}
