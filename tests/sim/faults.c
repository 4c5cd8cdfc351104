// SPDX-License-Identifier: BSD-3-Clause
//
// Faults by time: what happens to hosts and paths from one moment to another. At the latest when the world
// becomes quiet each is over: who is down is started, who sleeps is woken, what is cut is joined.
#include "tests/sim/sim.h"

const char *fault_name(enum fault_kind kind)
{
	static const char *const names[] = {
		[FAULT_CRASH] = "crash",	 [FAULT_POWER] = "power",
		[FAULT_PAUSE] = "pause",	 [FAULT_CUT] = "cut",
		[FAULT_SPLIT] = "split",	 [FAULT_ISOLATE] = "isolate",
		[FAULT_CLOCK] = "clock",	 [FAULT_LOSS] = "loss",
		[FAULT_DRAIN] = "drain",	 [FAULT_CORE] = "core",
		[FAULT_REBALANCE] = "rebalance",
	};

	static_assert(sizeof(names) / sizeof(names[0]) == FAULT_KINDS, "a name each");
	static_assert(FAULT_KINDS <= COVER_FAULTS, "pairs of all are counted");

	return names[kind];
}

static void cut(struct sim *sim, uint32_t from, uint32_t to, bool begins)
{
	struct link *link = &sim->network.links[from][to];

	link->cuts = (uint8_t)(link->cuts + (begins ? 1 : -1));
}

static void lose(struct sim *sim, uint32_t from, uint32_t to, bool begins, uint32_t percent)
{
	struct link *link = &sim->network.links[from][to];

	link->loss = begins ? link->loss + percent : link->loss - percent;
}

static void crash(struct host *host, const struct fault *fault, bool begins)
{
	if (fault->amount & CRASH_OTHER) {
		host_stop(host);
		host->is_other = begins;
		host_start(host);
	} else if (begins) {
		host_stop(host);
		if (fault->amount & CRASH_FILES_LOST)
			host_forget_files(host);
	} else if (!host->up) {
		if (fault->amount & CRASH_CHANGED)
			host_change(host);
		host_start(host);
	}
}

// Begin it, or end it.
static void turn_fault(struct sim *sim, struct fault *f, bool begins)
{
	// Of a fault between clients and hosts `a` may be a client: then no host is looked at.
	struct host *host = &sim->hosts[f->a < SIM_HOSTS ? f->a : 0];

	switch (f->kind) {
	case FAULT_CRASH:
		crash(host, f, begins);
		break;
	case FAULT_POWER:
		for (uint32_t i = 0; i < sim->host_count; i++)
			crash(&sim->hosts[i], f, begins);
		break;
	case FAULT_PAUSE:
		host->paused = begins && host->up;
		break;
	case FAULT_CUT:
		cut(sim, f->a, f->b, begins);
		break;
	case FAULT_SPLIT:
		cut(sim, f->a, f->b, begins);
		cut(sim, f->b, f->a, begins);
		break;
	case FAULT_ISOLATE:
		for (uint32_t i = 0; i < sim->host_count; i++)
			if (i != f->a) {
				cut(sim, f->a, i, begins);
				cut(sim, i, f->a, begins);
			}
		break;
	case FAULT_CLOCK:
		if (begins)
			host->wall_offset_ns += f->amount;
		break;
	case FAULT_LOSS:
		lose(sim, f->a, f->b, begins, (uint32_t)f->amount);
		break;
	case FAULT_DRAIN:
		host_drain(host, begins);
		break;
	case FAULT_CORE:
		host_core_stands(host, (uint32_t)f->amount % host->core_count, begins);
		break;
	case FAULT_REBALANCE:
		if (begins)
			host_rebalance(host);
		break;
	}
}

void faults_step(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->fault_count; i++) {
		struct fault *f = &sim->faults[i];
		bool begins = f->state == FAULT_TO_COME && sim->now_ns >= f->from_ns;
		char a[8], b[8];

		if (begins && sim->quiet) {
			f->state = FAULT_OVER;
			continue;
		}
		if (!begins && (f->state != FAULT_ON || (sim->now_ns < f->to_ns && !sim->quiet)))
			continue;
		sim_node_name(f->a, a);
		sim_node_name(f->b, b);
		sim_trace(sim, SIM_NODES, "%s %s %s %s %ld", fault_name(f->kind), a, b,
			  begins ? "begins" : "ends", f->amount);
		if (begins)
			coverage_fault(sim, i);
		f->state = begins ? FAULT_ON : FAULT_OVER;
		turn_fault(sim, f, begins);
	}
}
