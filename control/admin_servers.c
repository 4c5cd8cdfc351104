// SPDX-License-Identifier: BSD-3-Clause
//
// /godwit/servers and /godwit/history: the servers of the cluster, and how their links were.
#include <errno.h>

#include "control/admin.h"
#include "control/admin_tell.h"

static void server_tell(const struct view_server *view, struct rte_tel_data *data)
{
	tell_count(data, "id", view->id);
	tell_address(data, "address", &view->address);
	tell_flag(data, "self", view->is_self);
	tell_text(data, "link", view->link);
	tell_known(data, "link_ms", view->link_ms);
	tell_count(data, "incarnation", view->incarnation);
	tell_text(data, "refusal", view->refusal);
	tell_count(data, "interval_us", view->interval_us);
	tell_count(data, "multiplier", view->multiplier);
	tell_known(data, "heard_ms", view->heard_ms);
	tell_known(data, "hears_us_ms", view->hears_us_ms);
	tell_count(data, "flaps", view->flaps);
	tell_count(data, "heartbeats_missed", view->heartbeats_missed);
	tell_count(data, "weight", view->weight);
	tell_count(data, "cursors", view->cursors);
	tell_count(data, "share_permille", view->share);
	tell_flag(data, "draining", view->is_draining);
	if (view->drain.is_active) {
		tell_count(data, "drain_left", view->drain.left);
		tell_count(data, "drain_moved", view->drain.moved);
		tell_count(data, "drain_stuck", view->drain.stuck);
	}
	if (view->is_self) {
		tell_flag(data, "rebalancing", view->rebalance.is_active);
		tell_count(data, "rebalance_left", view->rebalance.left);
		tell_count(data, "rebalance_moved", view->rebalance.moved);
		tell_count(data, "rebalance_stuck", view->rebalance.stuck);
		if (view->rebalance_end != VIEW_ORDER_DONE)
			tell_text(data, "rebalance_end", admin_order_name(view->rebalance_end));
	}
}

int admin_servers(struct daemon *daemon, const char *params, struct rte_tel_data *data)
{
	uint32_t count = view_servers(&daemon->sources), i;
	uint64_t first = 0, now_ns = admin_now_ns();
	struct rte_tel_data *one;
	int rc = 0;

	if (!admin_numbers(params, &first, 1))
		return -EINVAL;
	for (i = (uint32_t)first; i < count && i < first + ADMIN_PAGE && rc == 0; i++) {
		struct view_server view;

		rc = tell_numbered(data, i, &one);
		if (rc != 0)
			break;
		view_server(&daemon->sources, i, now_ns, &view);
		server_tell(&view, one);
	}
	if (rc == 0 && i < count)
		tell_count(data, "more", i);
	return rc;
}

int admin_history(struct daemon *daemon, const char *params, struct rte_tel_data *data)
{
	uint64_t number = 0, now_ns = admin_now_ns();
	struct rte_tel_data *one;
	struct view_change view;
	int rc = 0;

	if (!admin_numbers(params, &number, 1) || number >= view_servers(&daemon->sources))
		return -EINVAL;
	for (uint32_t i = 0;
	     rc == 0 && view_change(&daemon->sources, (uint32_t)number, i, now_ns, &view); i++) {
		rc = tell_numbered(data, i, &one);
		if (rc != 0)
			break;
		tell_count(one, "ago_ms", view.ago_ms);
		tell_count(one, "time_ns", view.time_ns + daemon->wall_offset_ns);
		tell_text(one, "from", view.from);
		tell_text(one, "to", view.to);
		tell_text(one, "why", view.why);
	}
	return rc;
}
