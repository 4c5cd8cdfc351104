// SPDX-License-Identifier: BSD-3-Clause
//
// The simulated server: cores with a tx that is the network, and the truth: every committed record, read
// back from the logs after each turn.
#include <stdlib.h>

#include <godwit/wire_check.h>

#include "dataplane/stages.h"
#include "tests/sim/sim.h"

#define BURST_DATAGRAMS 8

static enum tx_verdict sim_begin(void *arg, struct route *route, uint32_t bytes_max,
				 uint8_t **payload)
{
	struct host_core *hc = arg;

	if (hc->taken >= hc->taken_max)
		return TX_FULL;
	if (!hc->sim->quiet && hc->no_route > 0 && rng_percent(&hc->sim->rng, hc->no_route))
		return TX_NO_ROUTE;
	if (bytes_max > SIM_MTU - GODWIT_UDP_OVERHEAD)
		sim_fail(hc->sim, "a datagram of %u bytes is above the MTU", bytes_max);
	hc->route = route;
	*payload = hc->buffer;
	return TX_OK;
}

static uint32_t naive_sum(const uint8_t *at, uint32_t bytes)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < bytes; i += 2) {
		uint16_t word = 0;

		memcpy(&word, at + i, bytes - i < 2 ? 1 : 2);
		sum += word;
	}
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint32_t)sum;
}

// Nothing above the commit leaves the server, neither records nor coverage; whatever leaves is well made.
static void check_data(struct sim *sim, const uint8_t *bytes, uint32_t length)
{
	const struct server *server = &sim->host.server;
	const struct godwit_data *data = (const void *)bytes;
	enum godwit_check check = godwit_check_from_server(bytes, length);
	uint64_t last;

	if (check != GODWIT_CHECK_OK)
		sim_fail(sim, "a frame of type %02x was sent: %s", bytes[1],
			 godwit_check_name(check));
	if (bytes[1] != GODWIT_DATA)
		return;
	last = godwit_get64(data->covers_from) + godwit_get32(data->covers) - 1;
	for (uint32_t i = 0; i < server->stream_count; i++)
		if (server->streams[i]->session == godwit_get64(data->session) &&
		    last > log_committed_seq(&server->streams[i]->log))
			sim_fail(sim, "stream %u: DATA up to %lu above the commit", i, last);
}

static void sim_end(void *arg, uint32_t bytes, uint32_t sum_from, uint32_t sum)
{
	struct host_core *hc = arg;
	struct sim *sim = hc->sim;

	hc->taken++;
	if (sum != TX_NO_SUM) {
		while (sum > 0xffff)
			sum = (sum & 0xffff) + (sum >> 16);
		// 0 and 0xffff are one value in ones-complement.
		if (naive_sum(hc->buffer + sum_from, bytes - sum_from) % 0xffff != sum % 0xffff)
			sim_fail(sim, "wrong sum handed to tx");
	}
	if (godwit_address_equal(&hc->route->to, &sim->attacker_address)) {
		sim->host.unproved_out += bytes;
		if (sim->host.unproved_out > 3 * sim->host.unproved_in)
			sim_fail(sim, "amplification: %lu bytes out for %lu in",
				 sim->host.unproved_out, sim->host.unproved_in);
		return;
	}
	check_data(sim, hc->buffer, bytes);
	network_send(sim, sim_link_of(sim, &hc->route->to), &sim->host.address, &hc->route->to,
		     hc->buffer, bytes);
}

static void sim_cancel(void *arg)
{
	(void)arg;
}

static void start_streams(struct sim *sim)
{
	struct host *host = &sim->host;

	for (uint32_t i = 0; i < host->stream_count; i++) {
		char name[16];
		struct stream_config config = {
			.name = name,
			.session = rng_next(&sim->rng) | 1,
			.epoch = 1,
			.instance_floor = host->server.incarnation,
			.home = i % host->core_count,
			.mtu = SIM_MTU,
			.log_bytes = host->log_bytes[i],
			.publishers_max = 16,
			.runs_max = 256,
			.topics_max = host->topics_max,
		};
		struct truth *truth = &host->truths[host->truth_count++];

		snprintf(name, sizeof(name), "s%u", i);
		if (host->log_memory[i] == NULL)
			host->log_memory[i] = log_memory_map(config.log_bytes, false, -1);
		config.log_memory = host->log_memory[i];
		host->server.streams[i] = stream_create(&config, i);
		if (host->server.streams[i] == NULL || host->log_memory[i] == NULL)
			abort();
		if (!log_seek(&host->server.streams[i]->log, 1, &host->places[i]))
			abort();
		*truth = (struct truth){.session = config.session};
		truth->epochs[truth->epochs_count++].epoch = config.epoch;
		host->hold_until_ns[i] = 0;
		host->current[i] = truth;
	}
	host->server.stream_count = host->stream_count;
}

void host_start(struct sim *sim)
{
	struct host *host = &sim->host;
	struct server *server = &host->server;

	host->generation++;
	memset(server, 0, sizeof(*server));
	server->id = 1;
	server->incarnation = sim->wall_base_ns + sim->now_ns;
	server->mtu = SIM_MTU;
	server->interval_ms = 20;
	server->multiplier = 3;
	server->lapse_ms = 300;
	server->subscriptions_max = 8;
	for (uint32_t i = 0; i < sizeof(server->cookie_key); i++)
		server->cookie_key[i] = (uint8_t)rng_next(&sim->rng);
	start_streams(sim);
	server->core_count = host->core_count;
	if (server_crossings_create(server, 64) != 0)
		abort();
	for (uint32_t i = 0; i < host->core_count; i++) {
		struct host_core *hc = &host->cores[i];
		struct core_config config = host->config;
		struct tx tx = {
			.arg = hc, .begin = sim_begin, .end = sim_end, .cancel = sim_cancel};

		hc->sim = sim;
		config.id = i;
		config.random[0] = rng_next(&sim->rng);
		config.random[1] = rng_next(&sim->rng);
		hc->core = core_create(server, &config, &tx);
		if (hc->core == NULL)
			abort();
		server->cores[i] = hc->core;
	}
	host->up = true;
	sim_trace(sim, "host up, generation %u", host->generation);
}

void host_stop(struct sim *sim)
{
	struct host *host = &sim->host;

	if (!host->up)
		return;
	host->up = false;
	for (uint32_t i = 0; i < host->core_count; i++) {
		for (uint32_t k = 0; k < host->cores[i].inbox_count; k++)
			free(host->cores[i].inbox[k].data);
		host->cores[i].inbox_count = 0;
		for (uint32_t k = 0; k < COUNTERS; k++)
			sim->counts[k] += counter_get(host->cores[i].core->counters, k);
		for (uint32_t k = 0; k < DROPS; k++)
			sim->drops[k] += drop_get(host->cores[i].core->counters, k);
		core_destroy(host->cores[i].core);
	}
	server_crossings_destroy(&host->server);
	for (uint32_t i = 0; i < host->stream_count; i++)
		stream_destroy(host->server.streams[i]);
	sim_trace(sim, "host down");
}

void host_input(struct sim *sim, struct packet *packet)
{
	struct host *host = &sim->host;
	uint32_t flow = packet->from.port;
	struct host_core *hc;

	if (!host->up) {
		free(packet->data);
		return;
	}
	// As RSS does: an address lands on one core, until the flows are spread anew.
	if (host->spread_ns != 0)
		flow += (uint32_t)(sim->now_ns / host->spread_ns);
	hc = &host->cores[(flow * 2654435761u >> 16) % host->core_count];
	if (hc->inbox_count == sizeof(hc->inbox) / sizeof(hc->inbox[0])) {
		free(packet->data); // the port's queue is full
		return;
	}
	hc->inbox[hc->inbox_count++] = *packet;
}

struct truth *host_truth(struct sim *sim, uint64_t session)
{
	for (uint32_t i = 0; i < sim->host.truth_count; i++)
		if (sim->host.truths[i].session == session)
			return &sim->host.truths[i];
	return NULL;
}

uint32_t truth_epoch(const struct truth *truth, uint64_t seq)
{
	uint32_t i = truth->epochs_count;

	while (--i > 0 && truth->epochs[i].first > seq)
		;
	return truth->epochs[i].epoch;
}

static void learn(struct sim *sim, struct truth *truth, const struct godwit_record *record,
		  uint64_t time_ns)
{
	const uint8_t *payload = (const uint8_t *)(record + 1);
	uint32_t length = godwit_get16(record->length);
	struct truth_record known = {.topic = godwit_get32(record->topic),
				     .time_ns = time_ns,
				     .epoch = truth_epoch(truth, truth->count + 1)};
	uint64_t ids[3];

	if (truth->count == truth->capacity) {
		truth->capacity = truth->capacity ? truth->capacity * 2 : 256;
		truth->records = realloc(truth->records, truth->capacity * sizeof(*truth->records));
		if (truth->records == NULL)
			abort();
	}
	if (length < sizeof(ids)) {
		sim_fail(sim, "a record shorter than anything published");
		return;
	}
	memcpy(ids, payload, sizeof(ids));
	known.publisher = ids[0];
	known.instance = ids[1];
	known.number = ids[2];
	known.hash = 1469598103934665603ull;
	for (uint32_t i = 0; i < length; i++)
		known.hash = (known.hash ^ payload[i]) * 1099511628211ull;
	// Once each, in the publisher's order: number n follows n - 1 of the same instance.
	for (uint64_t i = truth->count; i-- > 0;)
		if (truth->records[i].publisher == known.publisher &&
		    truth->records[i].instance == known.instance) {
			if (truth->records[i].number + 1 != known.number)
				sim_fail(sim, "publisher %lu: number %lu after %lu",
					 known.publisher, known.number, truth->records[i].number);
			break;
		}
	truth->records[truth->count++] = known;
}

static void read_truth(struct sim *sim, uint32_t i)
{
	struct host *host = &sim->host;
	const struct log *log = &host->server.streams[i]->log;
	struct mark commit = log_committed(log);
	struct slice slice;
	bool at_cut;
	uint64_t pos = host->places[i].pos;

	for (;;) {
		enum log_read read = log_next(log, &host->places[i], commit, log->slice_bytes,
					      LOG_CUT_RECORDS, &slice, &at_cut);
		uint32_t at = 0;
		struct cut cut;
		uint64_t number;

		if (read == LOG_READ_NONE)
			break;
		if (read == LOG_READ_TRUNCATED || !log_find(log, slice.first, &number) ||
		    !log_cut(log, number, &cut)) {
			sim_fail(sim, "stream %u: appended more than its log in one turn", i);
			return;
		}
		for (uint32_t n = 0; n < slice_count(slice); n++) {
			const struct godwit_record *record = (const void *)log_at(log, pos + at);
			uint64_t time_ns = cut.time_ns + (uint32_t)(godwit_get32(record->time) -
								    (uint32_t)cut.time_ns);

			learn(sim, host->current[i], record, time_ns);
			at += log_record_bytes(log, pos + at);
		}
		pos += slice_bytes(slice);
	}
	host->current[i]->commit = commit.seq;
	if (host->current[i]->count != commit.seq)
		sim_fail(sim, "stream %u: read %lu records, committed %lu", i,
			 host->current[i]->count, commit.seq);
}

static void begin_epoch(struct sim *sim, uint32_t i)
{
	struct stream *stream = sim->host.server.streams[i];
	struct truth *truth = sim->host.current[i];

	if (truth->epochs_count == SIM_EPOCHS)
		return;
	stream_begin_epoch(stream, stream->epoch + 1 + (uint32_t)rng_below(&sim->rng, 3));
	truth->epochs[truth->epochs_count].epoch = stream->epoch;
	truth->epochs[truth->epochs_count++].first = stream->log.head_own.seq + 1;
	sim_trace(sim, "stream %u: epoch %u begins with %lu", i, stream->epoch,
		  stream->log.head_own.seq + 1);
}

static void hold_commit(struct sim *sim, uint32_t i)
{
	struct host *host = &sim->host;
	struct stream *stream = host->server.streams[i];
	struct log *log = &stream->log;

	if (!stream->commit_held) {
		if (rng_below(&sim->rng, 100000) < host->hold) {
			stream->commit_held = true;
			host->hold_until_ns[i] = sim->now_ns + rng_below(&sim->rng, 100 * MS);
		}
	} else if (sim->quiet || sim->now_ns >= host->hold_until_ns[i]) {
		stream->commit_held = false;
	} else if (rng_percent(&sim->rng, 2)) { // it lags, but it moves
		uint64_t above = log_head_seq(log) - log_committed_seq(log);

		log_commit(log, log_committed_seq(log) + rng_below(&sim->rng, above + 1));
		read_truth(sim, i); // before the turn appends as much again
	}
}

void host_disturb(struct sim *sim)
{
	for (uint32_t i = 0; sim->host.up && i < sim->host.stream_count; i++) {
		if (!sim->quiet && sim->host.epochs > 0 &&
		    rng_below(&sim->rng, 100000) < sim->host.epochs)
			begin_epoch(sim, i);
		if (sim->host.hold > 0)
			hold_commit(sim, i);
	}
}

uint32_t host_turn(struct sim *sim)
{
	struct host *host = &sim->host;
	uint32_t work = 0;

	for (uint32_t i = 0; host->up && i < host->core_count; i++) {
		struct host_core *hc = &host->cores[i];
		struct burst burst = {0};
		uint32_t n = hc->inbox_count < BURST_DATAGRAMS ? hc->inbox_count : BURST_DATAGRAMS;

		for (uint32_t k = 0; k < n; k++)
			burst.datagrams[burst.count++] = (struct datagram){
				.bytes = hc->inbox[k].data,
				.length = hc->inbox[k].bytes,
				.from = hc->inbox[k].from,
			};
		hc->taken = 0;
		work += core_turn(hc->core, &burst, sim->now_ns, sim->wall_base_ns + sim->now_ns);
		while (crossing_peek(&hc->core->outbox) != NULL)
			crossing_pop(&hc->core->outbox);
		for (uint32_t k = 0; k < n; k++)
			free(hc->inbox[k].data);
		hc->inbox_count -= n;
		memmove(hc->inbox, hc->inbox + n, hc->inbox_count * sizeof(hc->inbox[0]));
		work += hc->inbox_count;
		for (uint32_t k = 0; k < host->stream_count; k++)
			if (host->server.streams[k]->home == i)
				read_truth(sim, k);
	}
	return work;
}

// The three sums of law 1, and what is bounded by what.
void host_check_laws(struct sim *sim)
{
	struct host *host = &sim->host;

	for (uint32_t i = 0; host->up && i < host->core_count; i++) {
		const struct core *core = host->cores[i].core;
		const struct counters *c = core->counters;
		uint64_t pending = 0, temporaries = 0;

#define GET(name) counter_get(c, COUNTER_##name)
		for (uint32_t k = 0; k < core->config.subscriptions_max; k++) {
			struct subscription *s = &core->subscriptions[k];
			struct slice slice;

			if (s->state == SUBSCRIPTION_FREE)
				continue;
			temporaries += s->temporary.active;
			for (uint32_t n = 0; client_ring_peek_at(&s->ring, n, &slice); n++)
				pending += slice_count(slice);
		}
		if (GET(rx_datagrams) + GET(crossed_in) !=
		    GET(classify_session) + GET(classify_append) + GET(classify_peer) +
			    GET(classify_crossed) + GET(classify_dropped))
			sim_fail(sim, "law 1: datagrams do not add up");
		if (GET(ingest_messages) !=
		    GET(ingest_appended) + GET(ingest_repeats) + GET(ingest_refused))
			sim_fail(sim, "law 1: messages do not add up: %lu != %lu + %lu + %lu",
				 GET(ingest_messages), GET(ingest_appended), GET(ingest_repeats),
				 GET(ingest_refused));
		if (GET(dispatch_taken) != GET(dispatch_sent) + GET(dispatch_refused) + pending)
			sim_fail(sim, "law 1: records do not add up: %lu != %lu + %lu + %lu",
				 GET(dispatch_taken), GET(dispatch_sent), GET(dispatch_refused),
				 pending);
		if (GET(temporary_spawned) - GET(temporary_retired) != temporaries)
			sim_fail(sim, "temporary dispatchers do not add up");
#undef GET
	}
}
