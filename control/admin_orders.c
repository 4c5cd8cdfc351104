// SPDX-License-Identifier: BSD-3-Clause
//
// /godwit/drain, /godwit/undrain, /godwit/rebalance and /godwit/adopt: orders. Telemetry's thread leaves the order
// with the daemon and waits; the control thread carries it out in its next step and leaves the answer.
#define _GNU_SOURCE // pthread_cond_clockwait

#include <errno.h>
#include <time.h>

#include "control/admin.h"
#include "control/admin_tell.h"

#define SERVERS_BYTES (6 * SERVER_PEERS_MAX + 1)

static const char *const order_names[VIEW_ORDERS] = {
	[VIEW_ORDER_DONE] = "done",
	[VIEW_ORDER_ALREADY] = "already",
	[VIEW_ORDER_EVEN] = "even",
	[VIEW_ORDER_UNEVEN] = "uneven",
	[VIEW_ORDER_ONE_CORE] = "one-core",
	[VIEW_ORDER_DRAINING] = "draining",
	[VIEW_ORDER_LAST] = "last",
	[VIEW_ORDER_STREAM] = "stream",
	[VIEW_ORDER_NO_RECORD] = "no-record",
	[VIEW_ORDER_NOT_WAITING] = "not-waiting",
	[VIEW_ORDER_HOLDS_NOTHING] = "holds-nothing",
	[VIEW_ORDER_GIVES_UP] = "gives-up",
	[VIEW_ORDER_UNKNOWN] = "unknown",
	[VIEW_ORDER_ELSEWHERE] = "elsewhere",
	[VIEW_ORDER_ALONE] = "alone",
	[VIEW_ORDER_UNANSWERED] = "unanswered",
};

const char *admin_order_name(enum view_order answer)
{
	return order_names[answer];
}

// "2 3"
static void servers_text(const struct keeper_given_up *given_up, char text[SERVERS_BYTES])
{
	uint32_t used = 0;

	*text = '\0';
	for (uint32_t i = 0; i < given_up->count; i++)
		used += (uint32_t)snprintf(text + used, SERVERS_BYTES - used, "%s%u",
					   i > 0 ? " " : "", given_up->servers[i]);
}

// Whoever reads the log later learns that it was an order, and of what it may have cost.
static void say_order(const struct daemon *daemon, const struct admin_order *order)
{
	static const char *const texts[] = {
		[ADMIN_ORDER_DRAIN] = "drain: all clients are to go to other servers",
		[ADMIN_ORDER_UNDRAIN] = "undrain: clients are taken again",
		[ADMIN_ORDER_REBALANCE] = "rebalance: clients are to be evened out over the cores",
	};
	char text[SERVERS_BYTES];

	if (order->answer != VIEW_ORDER_DONE)
		return;
	if (order->kind != ADMIN_ORDER_ADOPT) {
		logline(&daemon->log, LOG_LEVEL_INFO, "order: %s", texts[order->kind]);
		return;
	}
	servers_text(&order->given_up, text);
	logline(&daemon->log, LOG_LEVEL_WARNING,
		"order: stream %s goes on with what server %u holds; what only these held is given up: %s",
		daemon->server.streams[order->number]->name, order->server,
		order->given_up.count > 0 ? text : "none");
}

void admin_orders_step(struct daemon *daemon, uint64_t now_ns)
{
	struct admin_order *order = &daemon->order;
	const struct view_plane *plane = &daemon->sources.plane;

	if (order->state != ADMIN_ORDER_ASKED)
		return;
	if (order->kind == ADMIN_ORDER_REBALANCE)
		order->answer = plane->rebalance(plane->arg, now_ns);
	else if (order->kind == ADMIN_ORDER_ADOPT)
		order->answer = plane->adopt(plane->arg, order->number, order->server,
					     order->gives_up, &order->given_up);
	else
		order->answer = plane->drain(plane->arg, order->kind == ADMIN_ORDER_DRAIN, now_ns,
					     &order->stream);
	say_order(daemon, order);
	order->state = ADMIN_ORDER_ANSWERED;
	pthread_cond_signal(&order->answered);
}

static enum view_order order_check(const struct daemon *daemon, uint64_t id)
{
	const struct server *server = &daemon->server;

	if (server->peers.count == 0 || daemon->sources.plane.drain == NULL)
		return id == server->id ? VIEW_ORDER_ALONE : VIEW_ORDER_UNKNOWN;
	if (id == server->id)
		return VIEW_ORDER_DONE;
	for (uint32_t i = 0; i < server->peers.count; i++)
		if (server->peers.peers[i].id == id)
			return VIEW_ORDER_ELSEWHERE;
	return VIEW_ORDER_UNKNOWN;
}

// One order at a time: telemetry's commands wait for one another.
static enum view_order order_give(struct daemon *daemon, enum admin_order_kind kind)
{
	struct admin_order *order = &daemon->order;
	struct timespec until;
	int rc = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ADMIN_ORDER_S;
	order->kind = kind;
	order->state = ADMIN_ORDER_ASKED;
	while (order->state == ADMIN_ORDER_ASKED && rc == 0)
		rc = pthread_cond_clockwait(&order->answered, &daemon->lock, CLOCK_MONOTONIC,
					    &until);
	if (order->state == ADMIN_ORDER_ASKED)
		order->answer = VIEW_ORDER_UNANSWERED;
	order->state = ADMIN_ORDER_NONE;
	return order->answer;
}

static void progress_tell(const char *flag, struct migration_progress progress,
			  struct rte_tel_data *data)
{
	tell_flag(data, flag, progress.is_active);
	tell_count(data, "left", progress.left);
	tell_count(data, "moved", progress.moved);
	tell_count(data, "stuck", progress.stuck);
}

static int order_answer(struct daemon *daemon, const char *params, enum admin_order_kind kind,
			struct rte_tel_data *data)
{
	const struct view_plane *plane = &daemon->sources.plane;
	enum view_order answer;
	uint64_t id = UINT64_MAX;

	if (!admin_numbers(params, &id, 1) || id == UINT64_MAX)
		return -EINVAL;
	answer = order_check(daemon, id);
	if (answer == VIEW_ORDER_DONE)
		answer = order_give(daemon, kind);
	tell_count(data, "server", id);
	tell_count(data, "self", daemon->server.id);
	tell_text(data, "answer", order_names[answer]);
	// A server alone has neither.
	if (kind == ADMIN_ORDER_REBALANCE && plane->rebalance_progress != NULL)
		progress_tell("rebalancing", plane->rebalance_progress(plane->arg), data);
	else if (kind != ADMIN_ORDER_REBALANCE && plane->drain_progress != NULL)
		progress_tell("draining", plane->drain_progress(plane->arg), data);
	if (answer == VIEW_ORDER_STREAM)
		tell_text(data, "stream", daemon->order.stream);
	return 0;
}

int admin_drain(struct daemon *daemon, const char *params, struct rte_tel_data *data)
{
	return order_answer(daemon, params, ADMIN_ORDER_DRAIN, data);
}

int admin_undrain(struct daemon *daemon, const char *params, struct rte_tel_data *data)
{
	return order_answer(daemon, params, ADMIN_ORDER_UNDRAIN, data);
}

int admin_rebalance(struct daemon *daemon, const char *params, struct rte_tel_data *data)
{
	return order_answer(daemon, params, ADMIN_ORDER_REBALANCE, data);
}

int admin_adopt(struct daemon *daemon, const char *params, struct rte_tel_data *data)
{
	struct admin_order *order = &daemon->order;
	uint64_t values[3] = {UINT64_MAX, UINT64_MAX, UINT64_MAX};
	enum view_order answer = VIEW_ORDER_NOT_WAITING; // it leads no stream that has replicas
	char text[SERVERS_BYTES];

	if (!admin_numbers(params, values, 3) || values[0] >= daemon->server.stream_count ||
	    values[1] > UINT16_MAX || values[2] > 1)
		return -EINVAL;
	order->number = (uint32_t)values[0];
	order->server = (uint16_t)values[1];
	order->gives_up = values[2] == 1;
	order->given_up.count = 0;
	if (daemon->sources.plane.adopt != NULL)
		answer = order_give(daemon, ADMIN_ORDER_ADOPT);
	tell_count(data, "server", values[1]);
	tell_text(data, "answer", order_names[answer]);
	if (order->given_up.count > 0) {
		servers_text(&order->given_up, text);
		tell_text(data, "given_up", text);
	}
	return 0;
}
