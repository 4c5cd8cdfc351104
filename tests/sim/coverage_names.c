// SPDX-License-Identifier: BSD-3-Clause
//
// The names of all that can be reached: the steps of the machines, as their headers draw them, and the rest.
#include "tests/sim/sim.h"

#define END 255 // of a list of steps

struct machine {
	const char *name;
	const char *states[COVER_STATES];
	const uint8_t (*steps)[2]; // from, to
};

// dataplane/subscription.h
static const uint8_t dispatch_steps[][2] = {
	{0, 1}, {1, 2}, {2, 3}, {3, 4}, {2, 4}, {4, 1}, {1, 0}, {2, 0}, {3, 0}, {4, 0}, {END, END},
};

// control/migration.h: waiting, offered, held, asked are 1 to 4; outcomes from 6 on, as they are numbered. That the
// client keeps its home after all comes too late for an offer that it held: that ran out where it was made.
static const uint8_t taking_steps[][2] = {
	{0, 1},	 {0, 2},  {1, 2}, {2, 1}, {2, 3},  {1, 6},  {1, 8},	{1, 9},
	{1, 11}, {1, 12}, {2, 6}, {2, 7}, {2, 8},  {2, 9},  {2, 10},	{2, 11},
	{2, 12}, {3, 6},  {3, 8}, {3, 9}, {3, 11}, {3, 12}, {END, END},
};
static const uint8_t giving_steps[][2] = {
	{0, 4}, {4, 6}, {4, 9}, {4, 10}, {4, 11}, {4, 12}, {END, END},
};

// dataplane/replication.h
static const uint8_t sink_steps[][2] = {
	{0, 1}, {1, 3}, {1, 2}, {2, 1}, {3, 1}, {3, 0}, {END, END},
};

// control/keeper.h
static const uint8_t keeper_steps[][2] = {
	{0, 1}, {0, 2}, {1, 4}, {2, 3}, {2, 4}, {3, 4}, {3, 2}, {END, END},
};

// client/subscription.h
static const uint8_t library_steps[][2] = {
	{0, 1}, {1, 4}, {1, 7}, {4, 2}, {4, 3}, {4, 5}, {5, 4}, {5, 2}, {5, 3}, {2, 4},
	{2, 7}, {3, 4}, {3, 2}, {3, 7}, {4, 6}, {4, 7}, {2, 6}, {6, 7}, {7, 0}, {END, END},
};

static const struct machine machines[COVER_MACHINES] = {
	[COVER_DISPATCH] = {"dispatch",
			    {"free", "catching up", "joined", "live", "lagging"},
			    dispatch_steps},
	[COVER_TAKING] = {"taking",
			  {"new", "waiting", "offered", "held", "asked", "pending", "moved", "kept",
			   "elsewhere", "expired", "refused", "withdrawn", "ended"},
			  taking_steps},
	[COVER_GIVING] = {"giving",
			  {"new", "waiting", "offered", "held", "asked", "pending", "moved", "kept",
			   "elsewhere", "expired", "refused", "withdrawn", "ended"},
			  giving_steps},
	[COVER_SINK] = {"sink", {"idle", "reconciling", "closing", "following"}, sink_steps},
	[COVER_KEEPER] = {"keeper",
			  {"reading", "meeting", "choosing", "fetching", "leading"},
			  keeper_steps},
	[COVER_LIBRARY] = {"library",
			   {"free", "asking", "resuming", "moving", "live", "holding", "leaving",
			    "over"},
			   library_steps},
};

// What a link of control/link.h does, between servers.
static const struct {
	uint8_t from, to, why;
} link_steps[] = {
	{LINK_UP, LINK_SUSPECT, LINK_WHY_SILENT},
	{LINK_SUSPECT, LINK_UP, LINK_WHY_HEARD},
	{LINK_SUSPECT, LINK_DEAD, LINK_WHY_AGREED},
	{LINK_SUSPECT, LINK_DEAD, LINK_WHY_UNCONFIRMED},
	{LINK_DEAD, LINK_UP, LINK_WHY_HEARD},
	{LINK_UP, LINK_DEAD, LINK_WHY_INCARNATION},
	{LINK_SUSPECT, LINK_DEAD, LINK_WHY_INCARNATION},
};

static const char *const wait_names[COVER_KEEPER_WHYS] = {
	[KEEPER_WAITS_FOR] = "waits for another",   [KEEPER_REFUSES_PEER] = "refuses a peer",
	[KEEPER_HELD_ELSEWHERE] = "held elsewhere", [KEEPER_NOBODY] = "nobody is named",
	[KEEPER_NOT_WHOLE] = "not whole",	    [KEEPER_NO_RECORD] = "no record",
};

// Answers of who is asked to take a cursor.
static const uint8_t confirms[] = {
	GODWIT_OK,    GODWIT_NOT_ALLOWED, GODWIT_BEHIND,       GODWIT_BUSY,	GODWIT_FENCED,
	GODWIT_LIMIT, GODWIT_LAPSED,	  GODWIT_UNSUBSCRIBED, GODWIT_REPLACED,
};

#define LINE(out, count, format, ...) fprintf(out, "%10lu " format "\n", count, __VA_ARGS__)

static void print_counters(const struct coverage *c, FILE *out)
{
	static const char *const library[] = {
#define X(name, meaning) #name,
		GODWIT_CORE_COUNTERS(X)
#undef X
	};

	for (uint32_t i = 0; i < COUNTERS; i++)
		LINE(out, c->counts[i], "counter %s", counter_infos[i].name);
	for (uint32_t i = 0; i < DROPS; i++)
		LINE(out, c->drops[i], "drop %s", drop_infos[i].name);
	for (uint32_t i = 0; i < MIGRATION_COUNTERS_COUNT; i++)
		LINE(out, c->migration[i], "migration %s", migration_counter_name(i));
	for (uint32_t i = 0; i < KEEPER_COUNTERS_COUNT; i++)
		LINE(out, c->keeper[i], "keeper %s", keeper_counter_name(i));
	for (uint32_t i = 0; i < sizeof(library) / sizeof(library[0]); i++)
		LINE(out, c->library[i], "client %s", library[i]);
}

static void print_machines(const struct coverage *c, FILE *out)
{
	for (uint32_t m = 0; m < COVER_MACHINES; m++)
		for (const uint8_t *step = machines[m].steps[0]; step[0] != END; step += 2)
			LINE(out, c->machines[m][step[0]][step[1]], "%s: %s to %s",
			     machines[m].name, machines[m].states[step[0]],
			     machines[m].states[step[1]]);
	for (uint32_t i = 0; i < sizeof(link_steps) / sizeof(link_steps[0]); i++)
		LINE(out, c->links[link_steps[i].from][link_steps[i].to][link_steps[i].why],
		     "link: %s to %s, %s", link_state_name(link_steps[i].from),
		     link_state_name(link_steps[i].to), link_why_name(link_steps[i].why));
	for (uint32_t i = 0; i < COVER_KEEPER_WHYS; i++)
		if (wait_names[i] != NULL)
			LINE(out, c->waits[i], "keeper: %s", wait_names[i]);
}

static void print_moves(const struct coverage *c, FILE *out)
{
	for (uint32_t i = GODWIT_MIGRATION_CLIENT; i < COVER_REASONS; i++)
		LINE(out, c->moves[i], "moved for %s", godwit_migration_reason_name(i));
	for (uint32_t i = 0; i < sizeof(confirms); i++)
		LINE(out, c->confirms[confirms[i]], "confirm %s", godwit_code_name(confirms[i]));
	for (uint32_t i = 0; i < COVER_RECONCILES; i++)
		LINE(out, c->reconciles[i], "reconcile %s", network_reconcile_name(i));
}

static void print_world(const struct coverage *c, FILE *out)
{
	for (uint32_t i = 0; i < COVER_FRAMES; i++)
		if (network_frame_name((uint8_t)i)[0] != '?')
			LINE(out, c->frames[i], "frame %s", network_frame_name((uint8_t)i));
	for (uint32_t i = 0; i < FAULT_KINDS; i++)
		for (uint32_t k = i; k < FAULT_KINDS; k++)
			LINE(out, c->faults[i][k], "faults %s and %s", fault_name(i),
			     fault_name(k));
}

void coverage_print(const struct coverage *sum, FILE *out)
{
	print_counters(sum, out);
	print_machines(sum, out);
	print_moves(sum, out);
	print_world(sum, out);
}
