// SPDX-License-Identifier: BSD-3-Clause
//
// /godwit/drain and /godwit/undrain: orders. Telemetry's thread leaves the order with the daemon and waits;
// the control thread carries it out in its next step and leaves the answer.
#define _GNU_SOURCE // pthread_cond_clockwait

#include <errno.h>
#include <time.h>

#include "control/admin.h"
#include "control/admin_tell.h"

static const char *const order_names[VIEW_ORDERS] = {
	[VIEW_ORDER_DONE] = "done",	  [VIEW_ORDER_ALREADY] = "already",
	[VIEW_ORDER_LAST] = "last",	  [VIEW_ORDER_STREAM] = "stream",
	[VIEW_ORDER_UNKNOWN] = "unknown", [VIEW_ORDER_ELSEWHERE] = "elsewhere",
	[VIEW_ORDER_ALONE] = "alone",	  [VIEW_ORDER_UNANSWERED] = "unanswered",
};

void admin_orders_step(struct daemon *daemon, uint64_t now_ns)
{
	struct admin_order *order = &daemon->order;
	const struct view_plane *plane = &daemon->sources.plane;

	if (order->state != ADMIN_ORDER_ASKED)
		return;
	order->answer = plane->drain(plane->arg, order->is_drain, now_ns, &order->stream);
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
static enum view_order order_give(struct daemon *daemon, bool is_drain)
{
	struct admin_order *order = &daemon->order;
	struct timespec until;
	int rc = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ADMIN_ORDER_S;
	order->is_drain = is_drain;
	order->state = ADMIN_ORDER_ASKED;
	while (order->state == ADMIN_ORDER_ASKED && rc == 0)
		rc = pthread_cond_clockwait(&order->answered, &daemon->lock, CLOCK_MONOTONIC,
					    &until);
	if (order->state == ADMIN_ORDER_ASKED)
		order->answer = VIEW_ORDER_UNANSWERED;
	order->state = ADMIN_ORDER_NONE;
	return order->answer;
}

static int order_answer(struct daemon *daemon, const char *params, bool is_drain,
			struct rte_tel_data *data)
{
	const struct view_plane *plane = &daemon->sources.plane;
	enum view_order answer;
	struct view_drain drain;
	uint64_t id = UINT64_MAX;

	if (!admin_numbers(params, &id, 1) || id == UINT64_MAX)
		return -EINVAL;
	answer = order_check(daemon, id);
	if (answer == VIEW_ORDER_DONE)
		answer = order_give(daemon, is_drain);
	tell_count(data, "server", id);
	tell_count(data, "self", daemon->server.id);
	tell_text(data, "answer", order_names[answer]);
	if (plane->drain_state == NULL)
		return 0;
	plane->drain_state(plane->arg, &drain);
	tell_flag(data, "draining", drain.is_draining);
	tell_count(data, "left", drain.left);
	tell_count(data, "moved", drain.moved);
	tell_count(data, "stuck", drain.stuck);
	if (answer == VIEW_ORDER_STREAM && daemon->order.stream != NULL)
		tell_text(data, "stream", daemon->order.stream);
	return 0;
}

int admin_drain(struct daemon *daemon, const char *params, struct rte_tel_data *data)
{
	return order_answer(daemon, params, true, data);
}

int admin_undrain(struct daemon *daemon, const char *params, struct rte_tel_data *data)
{
	return order_answer(daemon, params, false, data);
}
