// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/arrivals.h"

#include "dataplane/stages.h"

#define ROOM_LEFT 512 // slots of the outbox that are for others

static void tell(struct core *core, enum core_notice_kind kind, const struct subscription *s,
		 struct core_notice notice)
{
	notice.client = core->clients[s->client].id;
	notice.subscription = s->number;
	notice.session = godwit_get64(s->own.session);
	notice.cursor_epoch = s->cursor_epoch;
	notice.at_ns = core->now_ns;
	if (!crossing_has_room(&core->outbox, ROOM_LEFT) || !core_notify(core, kind, notice))
		COUNT(core, arrivals_untold, 1);
}

void arrival_opened(struct core *core, struct subscription *s, uint64_t before, bool invited)
{
	const struct server *server = core->server;

	if (server->peers.count == 0 || before == 0 || ((uint16_t)before == server->id && !invited))
		return;
	s->first_due = true;
	COUNT(core, arrivals, 1);
	tell(core, CORE_NOTICE_ARRIVED, s,
	     (struct core_notice){
		     .from = (uint16_t)before, .seq = s->start - 1, .commit = s->answer_commit});
}

void arrival_served(struct core *core, struct subscription *s)
{
	s->first_due = false;
	tell(core, CORE_NOTICE_SERVED, s, (struct core_notice){.seq = 0});
}
