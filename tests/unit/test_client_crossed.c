// SPDX-License-Identifier: BSD-3-Clause
//
// The client library where two things happen to it at once.
#include "tests/unit/client_rig.h"

#define NEW_HANDLE 0x0000000700000003ull
#define NEW_KEY	   0x77656eull

// The server falls silent; the next one welcomes the client under another handle.
static void lose_server(struct rig *rig)
{
	struct godwit_cookie cookie;
	struct godwit_welcome welcome;

	while (rig_stats(rig)->disconnects == 0) {
		while (rig_output(rig) != 0)
			;
		if (rig_stats(rig)->disconnects == 0)
			rig->now_ns = godwit_core_due(rig->core, rig->now_ns);
	}
	rig_next(rig, GODWIT_EVENT_DISCONNECTED);
	rig->now_ns = godwit_core_due(rig->core, rig->now_ns);
	rig_expect(rig, GODWIT_HELLO);
	rig->server = rig->to;
	cookie = rig_cookie(rig);
	rig_input(rig, &cookie, sizeof(cookie));
	rig_expect(rig, GODWIT_HELLO_PROOF);
	welcome = rig_welcome(rig);
	welcome.handle = godwit_be64(NEW_HANDLE);
	welcome.key = godwit_be64(NEW_KEY);
	rig_input(rig, &welcome, sizeof(welcome));
	rig_next(rig, GODWIT_EVENT_CONNECTED);
}

// What is resumed at a new server is left there: the handle of the old one means nothing to it.
Test(client_crossed, unsubscribes_under_the_new_servers_handle_while_it_resumes)
{
	struct rig *rig = rig_create_with(NULL, 2);
	const struct godwit_unsubscribe *frame;

	rig_connect(rig);
	rig_subscribe(rig, 10, 100);
	lose_server(rig);
	rig_expect_request(rig, GODWIT_RESUME);
	cr_assert_eq(godwit_core_unsubscribe(rig->core, rig->now_ns, rig->subscription), 0);
	frame = rig_expect(rig, GODWIT_UNSUBSCRIBE);
	cr_assert_eq(godwit_get64(frame->from.handle), NEW_HANDLE);
	cr_assert_eq(godwit_get64(frame->from.key), NEW_KEY);
	rig_ended(rig, GODWIT_UNSUBSCRIBED, godwit_get32(frame->request));
	cr_assert_eq(rig_next(rig, GODWIT_EVENT_ENDED)->code, GODWIT_UNSUBSCRIBED);
	rig_destroy(rig);
}
