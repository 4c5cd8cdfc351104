// SPDX-License-Identifier: BSD-3-Clause
#include <stdarg.h>
#include <stdlib.h>

#include "tests/sim/without.h"

static const struct {
	const char *name;
	bool numbered;
	const char *help;
} kinds[] = {
#define X(name, numbered, help) {#name, numbered, help},
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

bool without_is_nothing(const struct without *without)
{
	bool is_nothing = without->messages == 0 && without->dice == 0;

	for (uint32_t i = 0; i < PIECE_KINDS; i++)
		for (uint32_t k = 0; k < PIECE_NUMBERS / 64; k++)
			is_nothing = is_nothing && without->masks[i][k] == 0;
	return is_nothing;
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

void without_help(FILE *out)
{
	for (uint32_t i = 0; i < PIECE_KINDS; i++)
		fprintf(out, "  %s%-*s %s\n", kinds[i].name, 12 - (int)strlen(kinds[i].name),
			kinds[i].numbered ? ":N" : "", kinds[i].help);
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

// 0 from now on, if `out`. Returns whether it was not.
static bool zero(void *number, size_t size, bool out)
{
	static const uint8_t zeros[sizeof(uint64_t)];
	bool was_there = memcmp(number, zeros, size) != 0;

	assert(size <= sizeof(zeros));
	if (out)
		memset(number, 0, size);
	return was_there;
}

#define ZERO(number) zero(&(number), sizeof(number), out)

static bool of_path(struct link *link, enum piece_kind kind, bool out)
{
	switch (kind) {
	case PIECE_loss:
		return ZERO(link->loss);
	case PIECE_dup:
		return ZERO(link->dup);
	case PIECE_reorder:
		return ZERO(link->reorder);
	case PIECE_jitter:
		return ZERO(link->jitter_ns);
	case PIECE_swallow:
		return ZERO(link->swallow);
	default:
		return false;
	}
}

static bool of_routes(struct host *host, bool out)
{
	bool is_there = false;

	for (uint32_t i = 0; i < SIM_CORES; i++)
		is_there |= ZERO(host->cores[i].no_route);
	return is_there;
}

// Rings and tables that hold enough, as ever.
static bool of_sizes(struct host *host, bool out)
{
	struct host_sizes sizes = host->sizes;
	struct core_config config = host->config;
	bool is_there;

	draw_host_sizes(host);
	is_there = memcmp(&sizes, &host->sizes, sizeof(sizes)) != 0 ||
		   config.mailbox_slots != host->config.mailbox_slots ||
		   config.notices_ms != host->config.notices_ms;
	if (!out) {
		host->sizes = sizes;
		host->config = config;
	}
	return is_there;
}

static bool of_host(struct host *host, enum piece_kind kind, bool out)
{
	bool is_there;

	switch (kind) {
	case PIECE_disks:
		return ZERO(host->bad_disk);
	case PIECE_clocks:
		is_there = ZERO(host->wall_offset_ns);
		return ZERO(host->drift_ppm) || is_there;
	case PIECE_spread:
		return ZERO(host->spread_ns);
	case PIECE_cores:
		is_there = host->core_count > 1;
		if (out)
			host->core_count = 1;
		return is_there;
	case PIECE_routes:
		return of_routes(host, out);
	case PIECE_sizes:
		return of_sizes(host, out);
	default:
		return false;
	}
}

static bool of_actor(struct actor *a, enum piece_kind kind, bool out)
{
	bool is_there;

	switch (kind) {
	case PIECE_names:
		return ZERO(a->name_ns);
	case PIECE_swallow:
		return ZERO(a->link.swallow);
	case PIECE_slow:
		is_there = a->pause_to_ns > a->pause_from_ns;
		if (out)
			a->pause_from_ns = a->pause_to_ns = 0;
		return ZERO(a->pace_ns) || is_there;
	default:
		return false;
	}
}

// What has no number. Returns whether it is there; afterwards it is not, if `out`.
static bool of_world(struct sim *sim, enum piece_kind kind, bool out)
{
	bool is_there = false;

	for (uint32_t from = 0; from < SIM_NODES; from++)
		for (uint32_t to = 0; to < SIM_NODES; to++)
			is_there |= of_path(&sim->network.links[from][to], kind, out);
	for (uint32_t i = 0; i < sim->host_count; i++)
		is_there |= of_host(&sim->hosts[i], kind, out);
	for (uint32_t i = 0; i < sim->actor_count; i++)
		is_there |= of_actor(&sim->actors[i], kind, out);
	if (kind == PIECE_attacker)
		is_there |= ZERO(sim->attacker);
	if (kind == PIECE_epochs)
		is_there |= ZERO(sim->epochs);
	if (kind == PIECE_holds)
		is_there |= ZERO(sim->hold);
	return is_there;
}

static void leave_of_actors(struct sim *sim, const struct without *without)
{
	for (uint32_t i = 0; i < sim->actor_count; i++) {
		struct actor *a = &sim->actors[i];

		if (without_has(without, PIECE_client, i))
			a->left = true;
		if (without_has(without, PIECE_restart, i))
			a->restart_ns = 0;
		if (without->messages != 0 && a->to_publish > without->messages)
			a->to_publish = without->messages;
	}
}

void without_apply(struct sim *sim, const struct without *without)
{
	for (uint32_t i = 0; i < sim->fault_count; i++)
		if (without_has(without, PIECE_fault, i + 1))
			sim->faults[i].state = FAULT_OVER;
	for (uint32_t i = 0; i < PIECE_KINDS; i++)
		if (!kinds[i].numbered && without_has(without, i, 0))
			of_world(sim, i, true);
	leave_of_actors(sim, without);
	for (uint32_t i = sim->host_count; i > 0; i--)
		if (without_has(without, PIECE_server, i))
			leave_server(sim, i - 1);
	sim->rng.state += without->dice * 0x2545f4914f6cdd1dull;
}

// ---- what there is ----------------------------------------------------------------------------

uint32_t without_pieces(struct sim *sim, struct piece *pieces)
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
		if (!kinds[i].numbered && of_world(sim, i, false))
			pieces[count++] = (struct piece){i, 0};
	return count;
}
