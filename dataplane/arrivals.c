// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/arrivals.h"

#include "dataplane/stages.h"

static void tell(struct core *core, enum core_notice_kind kind, const struct subscription *s,
		 struct core_notice notice)
{
	notice.client = core->clients[s->client].id;
	notice.subscription = s->number;
	notice.session = godwit_get64(s->own.session);
	notice.cursor_epoch = s->cursor_epoch;
	notice.at_ns = core->now_ns;
	// Half of the outbox is for others.
	if (!crossing_has_room(&core->outbox, core->config.mailbox_slots / 2) ||
	    !core_notify(core, kind, notice))
		COUNT(core, arrivals_untold, 1);
}

void arrival_opened(struct core *core, struct subscription *s, const struct arrival_before *before)
{
	const struct server *server = core->server;
	uint16_t from = before->again ? before->came_from : (uint16_t)before->epoch;

	if (server->peers.count == 0 || (before->epoch == 0 && !before->again) ||
	    (from == server->id && !before->invited && !before->again))
		return;
	s->first_due = true;
	s->came_from = from;
	if (!before->again)
		COUNT(core, arrivals, 1);
	tell(core, CORE_NOTICE_ARRIVED, s,
	     (struct core_notice){.from = from,
				  .again = before->again,
				  .seq = s->start - 1,
				  .commit = s->answer_commit});
}

void arrival_served(struct core *core, struct subscription *s)
{
	s->first_due = false;
	tell(core, CORE_NOTICE_SERVED, s, (struct core_notice){.seq = 0});
}
