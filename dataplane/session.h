// SPDX-License-Identifier: BSD-3-Clause
//
// What the session stage does with each frame of a proved client. The frames are checked
// (wire_check.h). Thread: the core.
#ifndef DATAPLANE_SESSION_H
#define DATAPLANE_SESSION_H

#include <godwit/wire_check.h>

#include "dataplane/stages.h"

// Answered by SUBSCRIBED, ENDED (the position cannot be served and the policy is to fail) or ERROR.
void session_subscribe(struct core *core, struct client *client,
		       const struct godwit_subscribe *frame);
void session_resume(struct core *core, struct client *client, const struct godwit_resume *frame);
// Answered by ENDED.
void session_unsubscribe(struct core *core, struct client *client,
			 const struct godwit_unsubscribe *frame);
// Send the client elsewhere with its request.
void session_redirect(struct core *core, struct client *client, uint32_t request,
		      enum godwit_code code, const struct godwit_server_entry *target);
// Moves cursors and windows, takes up repairs.
void session_ack(struct core *core, struct client *client, const struct godwit_ack *frame,
		 uint32_t length);

#endif
