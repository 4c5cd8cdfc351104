// SPDX-License-Identifier: BSD-3-Clause
#include <stdarg.h>
#include <stdlib.h>

#include "tests/sim/without.h"

static const struct {
	const char *name;
	bool numbered;
} kinds[] = {
#define X(name, numbered, help) {#name, numbered},
	PIECES(X)
#undef X
};

// ---- words ------------------------------------------------------------------------------------

void without_add(struct without *without, struct piece piece)
{
	assert(piece.number < PIECE_NUMBERS);
	without->masks[piece.kind][piece.number / 64] |= 1ull << piece.number % 64;
}

bool without_has(const struct without *without, enum piece_kind kind, uint32_t number)
{
	return number < PIECE_NUMBERS &&
	       (without->masks[kind][number / 64] >> number % 64 & 1) != 0;
}

static bool read_piece(struct without *without, const char *text, size_t length)
{
	for (uint32_t i = 0; i < PIECE_KINDS; i++) {
		size_t name = strlen(kinds[i].name);
		unsigned long number = 0;
		char *end;

		if (length < name || memcmp(text, kinds[i].name, name) != 0)
			continue;
		if (kinds[i].numbered) {
			if (text[name] != ':' || text[name + 1] < '0' || text[name + 1] > '9')
				continue;
			number = strtoul(text + name + 1, &end, 10);
			if (end != text + length || number >= PIECE_NUMBERS)
				return false;
		} else if (length != name) {
			continue;
		}
		without_add(without, (struct piece){i, (uint32_t)number});
		return true;
	}
	return false;
}

bool without_read(struct without *without, const char *text)
{
	for (;;) {
		size_t length = strcspn(text, ",");

		if (!read_piece(without, text, length))
			return false;
		if (text[length] == '\0')
			return true;
		text += length + 1;
	}
}

static size_t add_text(char *text, size_t size, size_t at, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static size_t add_text(char *text, size_t size, size_t at, const char *format, ...)
{
	va_list args;
	int n;

	if (at >= size)
		return at;
	va_start(args, format);
	n = vsnprintf(text + at, size - at, format, args);
	va_end(args);
	return at + (size_t)n;
}

void without_print(const struct without *without, char *text, size_t size)
{
	const char *before = "--without ";
	size_t at = 0;

	text[0] = '\0';
	for (uint32_t i = 0; i < PIECE_KINDS; i++)
		for (uint32_t n = 0; n < PIECE_NUMBERS; n++) {
			if (!without_has(without, i, n))
				continue;
			at = add_text(text, size, at, "%s%s", before, kinds[i].name);
			if (kinds[i].numbered)
				at = add_text(text, size, at, ":%u", n);
			before = ",";
		}
	if (without->messages != 0)
		at = add_text(text, size, at, "%s--messages %lu", at > 0 ? " " : "",
			      without->messages);
	if (without->dice != 0)
		add_text(text, size, at, "%s--dice %u", at > 0 ? " " : "", without->dice);
}

// ---- servers ----------------------------------------------------------------------------------

static uint32_t renumbered(uint32_t host, uint32_t gone)
{
	return host > gone && host < SIM_HOSTS ? host - 1 : host;
}

static void leave_stream(const struct sim *sim, struct sim_stream *stream, uint32_t gone)
{
	uint32_t mask = 0, holders = 1;

	stream->replicas &= ~(1u << gone);
	// Somebody has to lead it.
	for (uint32_t i = 0; stream->primary == gone && i < sim->host_count; i++)
		if (i != gone && (stream->replicas == 0 || (stream->replicas & 1u << i)))
			stream->primary = i;
	stream->replicas &= ~(1u << stream->primary);
	for (uint32_t i = 0; i < sim->host_count; i++)
		if (stream->replicas & 1u << i) {
			mask |= 1u << renumbered(i, gone);
			holders++;
		}
	stream->primary = renumbered(stream->primary, gone);
	stream->replicas = mask;
	if (mask == 0)
		stream->ack_local = false;
	if (stream->min_in_sync > holders)
		stream->min_in_sync = holders;
}

// Whoever has a higher number takes the one below it.
static void leave_server(struct sim *sim, uint32_t gone)
{
	struct network *net = &sim->network;

	if (gone >= sim->host_count || sim->host_count == 1)
		return;
	for (uint32_t i = 0; i < sim->stream_count; i++)
		leave_stream(sim, &sim->streams[i], gone);
	for (uint32_t i = gone; i + 1 < sim->host_count; i++) {
		sim->hosts[i] = sim->hosts[i + 1];
		sim->hosts[i].index = i;
		sim->hosts[i].address = network_host_address(i);
		memcpy(net->links[i], net->links[i + 1], sizeof(net->links[i]));
	}
	for (uint32_t from = 0; from < SIM_NODES; from++)
		for (uint32_t to = gone; to + 1 < sim->host_count; to++)
			net->links[from][to] = net->links[from][to + 1];
	for (uint32_t i = 0; i < sim->fault_count; i++) {
		struct fault *f = &sim->faults[i];

		if (f->kind != FAULT_POWER && (f->a == gone || f->b == gone))
			f->state = FAULT_OVER;
		f->a = renumbered(f->a, gone);
		f->b = renumbered(f->b, gone);
	}
	for (uint32_t i = 0; i < sim->actor_count; i++)
		sim->actors[i].raw.host = sim->actors[i].raw.host == gone ?
						  0 :
						  renumbered(sim->actors[i].raw.host, gone);
	sim->host_count--;
}

// ---- the rest ---------------------------------------------------------------------------------

static void leave_of_paths(struct sim *sim, const struct without *without)
{
	for (uint32_t from = 0; from < SIM_NODES; from++)
		for (uint32_t to = 0; to < SIM_NODES; to++) {
			struct link *link = &sim->network.links[from][to];

			if (without_has(without, PIECE_loss, 0))
				link->loss = 0;
			if (without_has(without, PIECE_dup, 0))
				link->dup = 0;
			if (without_has(without, PIECE_reorder, 0))
				link->reorder = 0;
			if (without_has(without, PIECE_jitter, 0))
				link->jitter_ns = 0;
			if (without_has(without, PIECE_swallow, 0))
				link->swallow = 0;
		}
}

static void leave_of_hosts(struct sim *sim, const struct without *without)
{
	for (uint32_t i = 0; i < sim->host_count; i++) {
		struct host *host = &sim->hosts[i];

		if (without_has(without, PIECE_disks, 0))
			host->bad_disk = 0;
		if (without_has(without, PIECE_clocks, 0)) {
			host->wall_offset_ns = 0;
			host->drift_ppm = 0;
		}
		if (without_has(without, PIECE_spread, 0))
			host->spread_ns = 0;
		if (without_has(without, PIECE_cores, 0))
			host->core_count = 1;
		for (uint32_t k = 0; k < SIM_CORES; k++)
			if (without_has(without, PIECE_routes, 0))
				host->cores[k].no_route = 0;
	}
}

static void leave_of_actors(struct sim *sim, const struct without *without)
{
	for (uint32_t i = 0; i < sim->actor_count; i++) {
		struct actor *a = &sim->actors[i];

		if (without_has(without, PIECE_client, i))
			a->left = true;
		if (without_has(without, PIECE_restart, i))
			a->restart_ns = 0;
		if (without_has(without, PIECE_names, 0))
			a->name_ns = 0;
		if (without_has(without, PIECE_swallow, 0))
			a->link.swallow = 0;
		if (without_has(without, PIECE_slow, 0)) {
			a->pace_ns = 0;
			a->pause_from_ns = a->pause_to_ns = 0;
		}
		if (without->messages != 0 && a->to_publish > without->messages)
			a->to_publish = without->messages;
	}
}

void without_apply(struct sim *sim, const struct without *without)
{
	for (uint32_t i = 0; i < sim->fault_count; i++)
		if (without_has(without, PIECE_fault, i + 1))
			sim->faults[i].state = FAULT_OVER;
	leave_of_paths(sim, without);
	leave_of_hosts(sim, without);
	leave_of_actors(sim, without);
	for (uint32_t i = sim->host_count; i > 0; i--)
		if (without_has(without, PIECE_server, i))
			leave_server(sim, i - 1);
	if (without_has(without, PIECE_attacker, 0))
		sim->attacker = false;
	if (without_has(without, PIECE_epochs, 0))
		sim->epochs = 0;
	if (without_has(without, PIECE_holds, 0))
		sim->hold = 0;
	sim->rng.state += without->dice * 0x2545f4914f6cdd1dull;
}

// ---- what there is ----------------------------------------------------------------------------

static bool has_of_paths(const struct sim *sim, enum piece_kind kind)
{
	for (uint32_t from = 0; from < SIM_NODES; from++)
		for (uint32_t to = 0; to < SIM_NODES; to++) {
			const struct link *link = &sim->network.links[from][to];

			if ((kind == PIECE_loss && link->loss != 0) ||
			    (kind == PIECE_dup && link->dup != 0) ||
			    (kind == PIECE_reorder && link->reorder != 0) ||
			    (kind == PIECE_jitter && link->jitter_ns != 0) ||
			    (kind == PIECE_swallow && link->swallow != 0))
				return true;
		}
	return false;
}

static bool has_of_hosts(const struct sim *sim, enum piece_kind kind)
{
	for (uint32_t i = 0; i < sim->host_count; i++) {
		const struct host *host = &sim->hosts[i];
		bool unrouted = false;

		for (uint32_t k = 0; k < SIM_CORES; k++)
			unrouted = unrouted || host->cores[k].no_route != 0;
		if ((kind == PIECE_routes && unrouted) ||
		    (kind == PIECE_disks && host->bad_disk != 0) ||
		    (kind == PIECE_clocks && (host->wall_offset_ns != 0 || host->drift_ppm != 0)) ||
		    (kind == PIECE_spread && host->spread_ns != 0) ||
		    (kind == PIECE_cores && host->core_count > 1))
			return true;
	}
	return false;
}

static bool has_of_actors(const struct sim *sim, enum piece_kind kind)
{
	for (uint32_t i = 0; i < sim->actor_count; i++) {
		const struct actor *a = &sim->actors[i];

		if ((kind == PIECE_names && a->name_ns != 0) ||
		    (kind == PIECE_slow && (a->pace_ns != 0 || a->pause_to_ns > a->pause_from_ns)))
			return true;
	}
	return false;
}

static bool has(const struct sim *sim, enum piece_kind kind)
{
	switch (kind) {
	case PIECE_attacker:
		return sim->attacker;
	case PIECE_epochs:
		return sim->epochs != 0;
	case PIECE_holds:
		return sim->hold != 0;
	default:
		return has_of_paths(sim, kind) || has_of_hosts(sim, kind) ||
		       has_of_actors(sim, kind);
	}
}

uint32_t without_pieces(const struct sim *sim, struct piece *pieces)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < sim->fault_count; i++)
		pieces[count++] = (struct piece){PIECE_fault, i + 1};
	for (uint32_t i = 0; i < sim->actor_count; i++)
		pieces[count++] = (struct piece){PIECE_client, i};
	for (uint32_t i = 0; sim->host_count > 1 && i < sim->host_count; i++)
		pieces[count++] = (struct piece){PIECE_server, i + 1};
	for (uint32_t i = 0; i < sim->actor_count; i++)
		if (sim->actors[i].restart_ns != 0)
			pieces[count++] = (struct piece){PIECE_restart, i};
	for (uint32_t i = 0; i < PIECE_KINDS; i++)
		if (!kinds[i].numbered && has(sim, i))
			pieces[count++] = (struct piece){i, 0};
	return count;
}
