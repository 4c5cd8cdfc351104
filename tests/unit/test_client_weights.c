// SPDX-License-Identifier: BSD-3-Clause
//
// The client library and the weights of WELCOME's list: a server that takes no clients is turned to only
// where no other is left.
#include "tests/unit/client_servers.h"

// From the HELLO that is due to the WELCOME of server i, with a list of all servers. drained: a bit for each
// that takes no clients.
static void welcome(struct servers *s, uint32_t i, uint32_t drained)
{
	struct {
		struct godwit_welcome head;
		struct godwit_server_entry entries[SERVERS_MAX];
	} frame;
	struct godwit_cookie cookie;

	servers_expect(s, i, GODWIT_HELLO);
	servers_turn(s, i);
	cookie = rig_cookie(s->rig);
	s->tags[i] = s->rig->tag;
	rig_input(s->rig, &cookie, sizeof(cookie));
	servers_expect(s, i, GODWIT_HELLO_PROOF);
	memset(&frame, 0, sizeof(frame));
	frame.head = rig_welcome(s->rig);
	frame.head.frame.count = godwit_be16((uint16_t)s->count);
	for (uint32_t k = 0; k < s->count; k++) {
		struct godwit_address address = rig_address(k);

		memcpy(frame.entries[k].ip, address.ip, sizeof(address.ip));
		frame.entries[k].port = godwit_be16(address.port);
		frame.entries[k].id = godwit_be16((uint16_t)(k + 1));
		frame.entries[k].weight = godwit_be16((drained >> k & 1) == 0);
	}
	rig_input(s->rig, &frame,
		  sizeof(frame.head) + s->count * sizeof(struct godwit_server_entry));
}

static struct servers *create(uint32_t count, uint32_t drained)
{
	struct servers *s = calloc(1, sizeof(*s));

	s->rig = rig_create_list(NULL, count);
	s->count = count;
	welcome(s, 0, drained);
	rig_next(s->rig, GODWIT_EVENT_CONNECTED);
	return s;
}

Test(client_weights, a_server_that_takes_clients_is_kept_warm)
{
	struct servers *s = create(3, 0x2);

	servers_welcome(s, 2);
	rig_silent(s->rig);
	servers_destroy(s);
}

Test(client_weights, one_that_takes_none_is_kept_warm_where_no_other_is_left)
{
	struct servers *s = create(3, 0x6);

	servers_welcome(s, 1);
	rig_silent(s->rig);
	servers_destroy(s);
}

Test(client_weights, a_subscription_goes_on_at_one_that_takes_clients)
{
	struct servers *s = create(3, 0x2);

	servers_welcome(s, 2);
	servers_turn(s, 0);
	rig_subscribe(s->rig, 10, 100);
	servers_note_ack(s);
	rig_ended(s->rig, GODWIT_SHUTDOWN, 0);
	servers_expect_resume(s, 2, servers_handle(2), servers_key(2), 0);
	servers_destroy(s);
}

// How often each server is said HELLO in this time, in which nobody answers.
static void count_hellos(struct servers *s, uint64_t span_ns, uint32_t hellos[SERVERS_MAX])
{
	uint64_t end_ns = s->rig->now_ns + span_ns;
	uint8_t type;

	memset(hellos, 0, SERVERS_MAX * sizeof(hellos[0]));
	while (s->rig->now_ns < end_ns) {
		while ((type = rig_output(s->rig)) != 0)
			for (uint32_t i = 0; type == GODWIT_HELLO && i < s->count; i++)
				hellos[i] += servers_is_to(s, i);
		s->rig->now_ns = godwit_core_due(s->rig->core, s->rig->now_ns);
	}
}

// The others are dead, and what it said of itself may be over.
Test(client_weights, one_that_takes_none_is_turned_to_when_all_others_have_failed)
{
	struct servers *s = create(3, 0x2);
	uint32_t hellos[SERVERS_MAX];

	count_hellos(s, 60000 * RIG_MS, hellos);
	for (uint32_t i = 0; i < s->count; i++)
		cr_assert_gt(hellos[i], 3, "server %u is said HELLO %u times", i, hellos[i]);
	servers_destroy(s);
}
