// SPDX-License-Identifier: BSD-3-Clause
//
// What may not be left of clients when all are gone: moves, offers, subscriptions, dispatchers, and cursors that are
// said to live.
#include "tests/sim/sim.h"

static uint64_t count_of(const struct host *host, enum counter counter)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < host->core_count; i++)
		sum += counter_get(host->cores[i].core->counters, counter);
	return sum;
}

// Whether a host has not acknowledged yet all that another one wrote of its cursors.
static bool is_untold(struct host *home, const struct host *host)
{
	const struct cursor_feed *feed = home->server.cursor_feed;
	const struct peer *peer = peers_find(&home->server.peers, host->server.id);

	return feed->peers[peer->index].acked < feed->end;
}

// What no core of a host serves any more, no server believes to be served there. Of a host that was started
// again others may hold what its earlier process had: it does not speak of that.
static void check_cursors(struct host *host, struct host *home)
{
	const struct cursor_table *table = plane_cursors(host->control.plane);

	if (!home->up || (home != host && home->generation > 1))
		return;
	// Ends that were written while a server was away for longer than they are kept reach it by silence alone, which
	// lasts for minutes (dataplane/cursor_feed.h).
	if (home != host && count_of(home, COUNTER_cursor_truncated) > 0)
		return;
	// What is on its way to a server that has more to take than it can is no end that was forgotten.
	if (home != host && is_untold(home, host))
		return;
	for (uint32_t i = cursor_table_home_first(table, home->server.id); i != 0;
	     i = cursor_table_home_next(table, i)) {
		struct cursor cursor;

		cursor_table_at(table, i, &cursor);
		if ((cursor.flags & GODWIT_CURSOR_LAPSED) == 0)
			sim_fail(
				host->sim,
				"s%u: cursor %lu.%u of session %lx is said to live at s%u, epoch %lx",
				host->index + 1, cursor.key.client, cursor.key.subscription,
				cursor.key.session, home->index + 1, cursor.cursor_epoch);
	}
}

void left_check(struct host *host)
{
	struct sim *sim = host->sim;
	struct plane *plane = host->control.plane;

	if (plane != NULL && migration_pending(plane_migration(plane)) != 0)
		sim_fail(sim, "s%u: %u moves are pending", host->index + 1,
			 migration_pending(plane_migration(plane)));
	for (uint32_t i = 0; plane != NULL && host->up && i < sim->host_count; i++)
		check_cursors(host, &sim->hosts[i]);

	for (uint32_t i = 0; host->up && i < host->core_count; i++) {
		const struct core *core = host->cores[i].core;

		if (core->client_count != 0 || core->subscription_count != 0)
			sim_fail(sim, "s%u: core %u keeps %u clients, %u subscriptions",
				 host->index + 1, i, core->client_count, core->subscription_count);
		if (core->moves.offer_count != 0)
			sim_fail(sim, "s%u: core %u keeps %u offers", host->index + 1, i,
				 core->moves.offer_count);
		for (uint32_t k = 0; k < host->server.stream_count; k++)
			if (core->lives[k].active)
				sim_fail(sim, "s%u: a live dispatcher without members",
					 host->index + 1);
	}
}
