// SPDX-License-Identifier: BSD-3-Clause
//
// A host's tx: what leaves a server goes into the network, and is checked on its way out: well made, never
// above the commit, nothing much to an address without proof, and of a cursor epoch that is this core's.
#include <godwit/wire_check.h>
#include <godwit/wire_check_peer.h>

#include "tests/sim/sim.h"

static enum tx_verdict sim_begin(void *arg, struct route *route, uint32_t bytes_max,
				 uint8_t **payload)
{
	struct host_core *hc = arg;
	struct sim *sim = hc->host->sim;

	if (hc->taken >= hc->taken_max)
		return TX_FULL;
	if (!sim->quiet && hc->no_route > 0 && rng_percent(&sim->rng, hc->no_route))
		return TX_NO_ROUTE;
	if (bytes_max > SIM_MTU - GODWIT_UDP_OVERHEAD)
		sim_fail(sim, "a datagram of %u bytes is above the MTU", bytes_max);
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

// A cursor epoch has one home: the server that made it, and one of its cores.
static void check_home(struct host_core *hc, const struct godwit_data *data)
{
	struct host *host = hc->host;
	struct sim *sim = host->sim;
	struct home_of known = {
		.tag = godwit_get64(data->tag),
		.epoch = godwit_get64(data->cursor_epoch),
		.generation = host->generation,
		.host = (uint16_t)host->index,
		.core = (uint16_t)(hc - host->cores),
	};
	uint64_t at = (known.tag ^ known.epoch * 0x9e3779b97f4a7c15ull) % SIM_HOMES;
	struct home_of *home = &sim->homes[at];

	if ((known.epoch & 0xffff) != host->server.id)
		sim_fail(sim, "s%u sends DATA of cursor epoch %lx", host->index + 1, known.epoch);
	for (; home->generation != 0; home = &sim->homes[at]) {
		if (home->tag == known.tag && home->epoch == known.epoch) {
			// Who was never heard before it died made an epoch that its next
			// process may make again.
			if (home->host != known.host || home->generation > known.generation ||
			    (home->generation == known.generation && home->core != known.core))
				sim_fail(sim, "cursor epoch %lx has two homes: s%u.%u, s%u.%u",
					 known.epoch, home->host + 1, home->core, known.host + 1,
					 known.core);
			*home = known;
			return;
		}
		at = (at + 1) % SIM_HOMES;
	}
	if (sim->homes_count < SIM_HOMES / 4 * 3) { // later ones go unwatched
		*home = known;
		sim->homes_count++;
	}
}

// Nothing above the commit leaves the server, neither records nor coverage; whatever leaves is well made.
static void check_data(struct host_core *hc, const uint8_t *bytes, uint32_t length)
{
	struct host *host = hc->host;
	struct sim *sim = host->sim;
	const struct server *server = &host->server;
	const struct godwit_data *data = (const void *)bytes;
	enum godwit_check check = bytes[1] >= GODWIT_PEER_HELLO ?
					  godwit_check_from_peer(bytes, length) :
					  godwit_check_from_server(bytes, length);
	uint32_t node;
	uint64_t last;

	if (check != GODWIT_CHECK_OK)
		sim_fail(sim, "a frame of type %02x was sent: %s", bytes[1],
			 godwit_check_name(check));
	if (check != GODWIT_CHECK_OK || bytes[1] != GODWIT_DATA)
		return;
	node = network_node(&hc->route->to);
	if (!sim->actors[node - SIM_HOSTS].rogue) // a rogue's tags are anything
		check_home(hc, data);
	last = godwit_get64(data->covers_from) + godwit_get32(data->covers) - 1;
	for (uint32_t i = 0; i < server->stream_count; i++)
		if (server->streams[i]->session == godwit_get64(data->session) &&
		    last > log_committed_seq(&server->streams[i]->log))
			sim_fail(sim, "stream %u: DATA up to %lu above the commit", i, last);
}

static void sim_end(void *arg, uint32_t bytes, uint32_t sum_from, uint32_t sum)
{
	struct host_core *hc = arg;
	struct host *host = hc->host;
	struct sim *sim = host->sim;

	hc->taken++;
	if (sum != TX_NO_SUM) {
		while (sum > 0xffff)
			sum = (sum & 0xffff) + (sum >> 16);
		// 0 and 0xffff are one value in ones-complement.
		if (naive_sum(hc->buffer + sum_from, bytes - sum_from) % 0xffff != sum % 0xffff)
			sim_fail(sim, "wrong sum handed to tx");
	}
	if (godwit_address_equal(&hc->route->to, &sim->attacker_address)) {
		host->unproved_out += bytes;
		if (host->unproved_out > 3 * host->unproved_in)
			sim_fail(sim, "amplification: %lu bytes out for %lu in", host->unproved_out,
				 host->unproved_in);
		return;
	}
	check_data(hc, hc->buffer, bytes);
	network_send(sim, &host->address, &hc->route->to, hc->buffer, bytes);
}

static void sim_cancel(void *arg)
{
	(void)arg;
}

struct tx host_tx(struct host_core *core)
{
	return (struct tx){.arg = core, .begin = sim_begin, .end = sim_end, .cancel = sim_cancel};
}
