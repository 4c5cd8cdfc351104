// SPDX-License-Identifier: BSD-3-Clause
//
// Two cores of one server: what arrives at the core that is not the stream's home, answers on their way
// back, crossings that are full, and what the control thread commands and hears.
#include <criterion/criterion.h>

#include "dataplane/stages.h"
#include "tests/support/checked.h"
#include "tests/support/core_harness.h"

static struct harness h;

#define COUNTED(core, name) harness_count(&h, core, COUNTER_##name)
#define DROPPED(core, name) harness_drops(&h, core, DROP_##name)

// Stream s0 lives on core 0, s1 on core 1.
static void start(void)
{
	harness_start(&h, &(struct harness_config){.cores = 2, .streams = 2, .crossing_slots = 4});
}

static void stop(void)
{
	harness_stop(&h);
	cr_assert_str_empty(h.failure, "%s", h.failure);
}

TestSuite(two_cores, .init = start);

static struct client_peer connected(uint32_t core, uint8_t host, uint64_t id, uint64_t instance)
{
	struct client_peer p = harness_peer(&h, core, host, id, instance);

	cr_assert(harness_connect(&p, NULL));
	return p;
}

static void command(uint32_t core, enum core_command_kind kind, struct core_command what)
{
	struct crossing_slot *slot = crossing_begin(&harness_core(&h, core)->inbox);

	cr_assert_not_null(slot);
	slot->kind = kind;
	slot->bytes = sizeof(what);
	memcpy(slot->data, &what, sizeof(what));
	crossing_end(&harness_core(&h, core)->inbox);
}

// The next notice; kind 0: none.
static struct core_notice noticed(uint32_t core, uint32_t *kind)
{
	struct crossing *outbox = &harness_core(&h, core)->outbox;
	struct crossing_slot *slot = crossing_peek(outbox);
	struct core_notice notice = {0};

	*kind = 0;
	if (slot == NULL)
		return notice;
	*kind = slot->kind;
	memcpy(&notice, slot->data, sizeof(notice));
	crossing_pop(outbox);
	return notice;
}

Checked(two_cores, a_publish_from_the_core_that_is_not_home_goes_there_and_back, stop)
{
	struct client_peer publisher = connected(0, 1, 1, 1), reader = connected(1, 2, 2, 1);
	struct client_peer far = connected(0, 3, 3, 1);
	struct harness_request r = {.number = 1, .stream = "s1"};
	const struct godwit_publish_opened *opened;
	const struct godwit_publish_ack *ack;
	struct delivery near_one, far_one;

	near_one = delivery_start(harness_subscribe(&reader, &r));
	far_one = delivery_start(harness_subscribe(&far, &r));
	opened = harness_open(&publisher, "s1", 50, 0);
	cr_assert_not_null(opened);
	cr_assert_eq(godwit_get32(opened->stream), 1);
	cr_assert_eq(godwit_get64(opened->tag), publisher.tag);
	ack = harness_publish(&publisher, 1, 50, 1, 1, 4, 0, 20);
	cr_assert_not_null(ack);
	cr_assert_eq(godwit_get64(ack->committed), 4);
	cr_assert_eq(godwit_get64(ack->tag), publisher.tag);
	harness_turns(&h, 2);
	// Each core has its own live dispatcher on the one log.
	cr_assert_eq(delivery_take(&near_one, &reader), 4);
	cr_assert_eq(delivery_take(&far_one, &far), 4);
	cr_assert_eq(COUNTED(0, classify_append), 1);
	cr_assert_eq(COUNTED(0, ingest_messages), 0, "counted where they were judged");
	cr_assert_eq(COUNTED(1, ingest_appended), 4);
	cr_assert_eq(COUNTED(0, crossed), 2);
	cr_assert_eq(COUNTED(1, crossed), 2);
}

Checked(two_cores, the_largest_publish_fits_a_crossing, stop)
{
	struct client_peer p = connected(0, 1, 1, 1);
	const struct godwit_publish_ack *ack;

	harness_open(&p, "s1", 50, 0);
	// 56 + 12 + 1312 = 1380 bytes; and 1452 in two records
	ack = harness_publish(&p, 1, 50, 1, 1, 1, 0, 1312);
	cr_assert_eq(godwit_get16(ack->code), GODWIT_OK);
	ack = harness_publish(&p, 1, 50, 1, 2, 2, 0, 684);
	cr_assert_eq(godwit_get16(ack->code), GODWIT_OK);
	cr_assert_eq(COUNTED(1, ingest_appended), 3);
	// What the path would let through above WELCOME's datagram is not taken.
	peer_publish(&p, 1, 50, 1, 4, 2, 0, 692);
	harness_turns(&h, 2);
	cr_assert_eq(DROPPED(0, classify_length), 1);
	cr_assert_eq(COUNTED(1, ingest_appended), 3);
}

Checked(two_cores, topics_are_made_at_home, stop)
{
	struct client_peer p = connected(0, 1, 1, 1);
	const struct harness_frame *frame;

	peer_topic(&p, "s1", "cpu", false);
	harness_turns(&h, 2);
	frame = harness_take(&h, &p.address, GODWIT_ERROR);
	cr_assert_not_null(frame);
	cr_assert_eq(godwit_get16(((const struct godwit_error *)frame->data)->code),
		     GODWIT_UNKNOWN_TOPIC);
	peer_topic(&p, "s1", "cpu", true);
	harness_turns(&h, 2);
	cr_assert_not_null(harness_take(&h, &p.address, GODWIT_TOPIC_NUMBER));
	cr_assert_eq(COUNTED(1, topics_made), 1);
	cr_assert_eq(COUNTED(1, answer_unknown_topic), 1);
}

Checked(two_cores, a_crossing_that_is_full_refuses_and_the_publisher_sends_again, stop)
{
	struct client_peer p = connected(0, 1, 1, 1);
	const struct harness_frame *frame;
	const struct godwit_publish_ack *ack;

	harness_open(&p, "s1", 50, 0);
	harness_clear(&h);
	for (uint32_t i = 0; i < 7; i++)
		peer_publish(&p, 1, 50, 1, 1 + i * 2, 2, 0, 20);
	harness_turns(&h, 2);
	cr_assert_eq(DROPPED(0, ingest_crossing_full), 6, "three frames of two");
	cr_assert_eq(COUNTED(0, crossing_full), 3);
	cr_assert_eq(COUNTED(0, ingest_refused), 6);
	cr_assert_eq(COUNTED(0, ingest_messages), 6);
	cr_assert_eq(COUNTED(1, ingest_appended), 8);
	frame = harness_take(&h, &p.address, GODWIT_PUBLISH_ACK);
	ack = (const void *)frame->data;
	cr_assert_eq(godwit_get64(ack->expected), 9);
	ack = harness_publish(&p, 1, 50, 1, 9, 6, 0, 20);
	cr_assert_eq(godwit_get64(ack->committed), 14);
}

Checked(two_cores, an_answer_that_finds_its_crossing_full_is_lost_and_counted, stop)
{
	struct client_peer p = connected(0, 1, 1, 1);
	struct crossing *back = server_crossing(&h.server, 1, 0);
	struct home_origin origin = {.handle = p.handle, .tag = p.tag, .core = 0};
	struct godwit_probe probe = {.frame = {.version = GODWIT_VERSION, .type = GODWIT_PROBE}};

	harness_clear(&h);
	while (crossing_begin(back) != NULL)
		home_answer(harness_core(&h, 1), &origin, &probe, sizeof(probe));
	cr_assert_eq(COUNTED(1, crossed), 4);
	home_answer(harness_core(&h, 1), &origin, &probe, sizeof(probe));
	cr_assert_eq(COUNTED(1, crossing_full), 1);
	harness_turn(&h);
	cr_assert_eq(harness_left(&h, &p.address, GODWIT_PROBE), 4);
	home_answer(harness_core(&h, 1), &origin, &probe, sizeof(probe));
	cr_assert_eq(COUNTED(1, crossing_full), 1, "there is room again");
}

Checked(two_cores, an_answer_to_a_client_that_left_goes_nowhere, stop)
{
	struct client_peer old = connected(0, 1, 1, 1), new = harness_peer(&h, 0, 2, 1, 2);

	peer_hello(&new);
	harness_turn(&h);
	cr_assert(peer_take_cookie(&new));
	peer_topic(&old, "s1", "cpu", true);
	peer_proof(&new, NULL);
	harness_turns(&h, 3);
	cr_assert_eq(COUNTED(1, topics_made), 1);
	cr_assert(peer_take_welcome(&new));
	cr_assert_eq(harness_left(&h, NULL, GODWIT_TOPIC_NUMBER), 0);
}

// ---- control -----------------------------------------------------------------------------------

Checked(two_cores, control_hears_of_clients_and_fences_across_cores, stop)
{
	struct client_peer old = connected(0, 1, 5, 100), new;
	struct harness_request r = {.number = 1};
	struct core_notice notice;
	const struct harness_frame *frame;
	uint32_t kind;

	cr_assert_not_null(harness_subscribe(&old, &r));
	notice = noticed(0, &kind);
	cr_assert_eq(kind, CORE_NOTICE_OPENED);
	cr_assert_eq(notice.client, 5);
	cr_assert_eq(notice.instance, 100);
	cr_assert_eq(notice.handle, old.handle);
	cr_assert_eq(notice.core, 0);
	cr_assert(godwit_address_equal(&notice.address, &old.address));

	// The newer process comes in at another core, which knows nothing of the older one.
	new = connected(1, 2, 5, 101);
	notice = noticed(1, &kind);
	cr_assert_eq(kind, CORE_NOTICE_OPENED);
	cr_assert_eq(notice.core, 1);
	command(0, CORE_COMMAND_CLOSE_CLIENT,
		(struct core_command){.handle = old.handle, .instance = 101});
	harness_turn(&h);
	frame = harness_take(&h, &old.address, GODWIT_ERROR);
	cr_assert_not_null(frame);
	cr_assert_eq(godwit_get16(((const struct godwit_error *)frame->data)->code), GODWIT_FENCED);
	cr_assert_eq(godwit_get64(((const struct godwit_error *)frame->data)->detail), 101);
	frame = harness_take(&h, &old.address, GODWIT_ENDED);
	cr_assert_not_null(frame);
	cr_assert_eq(godwit_get16(((const struct godwit_ended *)frame->data)->code), GODWIT_FENCED);
	cr_assert_eq(COUNTED(0, clients_fenced), 1);
	cr_assert_eq(COUNTED(0, mailbox_commands), 1);
	notice = noticed(0, &kind);
	cr_assert_eq(kind, CORE_NOTICE_CLOSED);
	cr_assert_eq(notice.handle, old.handle);
	peer_subscribe(&old, &r);
	harness_turn(&h);
	cr_assert_eq(DROPPED(0, classify_handle), 1);
	cr_assert_not_null(harness_subscribe(&new, &r));

	// The same command again, late: the handle is nobody's by now.
	command(0, CORE_COMMAND_CLOSE_CLIENT,
		(struct core_command){.handle = old.handle, .instance = 101});
	harness_turn(&h);
	cr_assert_eq(COUNTED(0, clients_fenced), 1);
}

Checked(two_cores, a_process_that_came_in_anew_at_another_core_is_replaced_at_the_first, stop)
{
	struct client_peer old = connected(0, 1, 5, 100), new = connected(1, 2, 5, 100);
	struct harness_request r = {.number = 1};
	struct core_notice first, second;
	const struct harness_frame *frame;

	cr_assert_not_null(harness_subscribe(&old, &r));
	cr_assert(harness_notice(&h, 0, CORE_NOTICE_OPENED, &first));
	h.now_ns += MS;
	new = connected(1, 3, 5, 100);
	cr_assert(harness_notice(&h, 1, CORE_NOTICE_OPENED, &second));
	cr_assert(harness_notice(&h, 1, CORE_NOTICE_OPENED, &second));
	cr_assert_eq(second.at_ns, first.at_ns + MS);
	cr_assert_not(second.by_offer);
	command(0, CORE_COMMAND_CLOSE_CLIENT,
		(struct core_command){
			.handle = old.handle, .instance = 100, .code = GODWIT_REPLACED});
	harness_turn(&h);
	frame = harness_take(&h, &old.address, GODWIT_ENDED);
	cr_assert_not_null(frame);
	cr_assert_eq(godwit_get16(((const struct godwit_ended *)frame->data)->code),
		     GODWIT_REPLACED);
	cr_assert_eq(harness_left(&h, &old.address, GODWIT_ERROR), 0);
	cr_assert_eq(COUNTED(0, clients_fenced), 0);
	cr_assert_eq(harness_core(&h, 0)->client_count, 0);
	cr_assert_not_null(harness_subscribe(&new, &r));
}

Checked(two_cores, stop_tells_every_subscriber_and_then_control, stop)
{
	struct client_peer p[3];
	struct harness_request r = {.number = 1};
	struct client_peer late;
	uint32_t kind;

	for (uint8_t i = 0; i < 3; i++) {
		p[i] = connected(0, (uint8_t)(i + 1), i + 1u, 1);
		cr_assert_not_null(harness_subscribe(&p[i], &r));
	}
	harness_append(&h, 0, 0, 20, 3);
	harness_turns(&h, 2);
	while (noticed(0, &kind), kind != 0)
		;
	command(0, CORE_COMMAND_STOP, (struct core_command){0});
	harness_turns(&h, 2);
	for (uint8_t i = 0; i < 3; i++) {
		const struct harness_frame *frame = harness_take(&h, &p[i].address, GODWIT_ENDED);
		const struct godwit_ended *ended;

		cr_assert_not_null(frame);
		ended = (const void *)frame->data;
		cr_assert_eq(godwit_get16(ended->code), GODWIT_SHUTDOWN);
		cr_assert_eq(godwit_get64(ended->seq), 3);
		noticed(0, &kind);
		cr_assert_eq(kind, CORE_NOTICE_CLOSED);
	}
	noticed(0, &kind);
	cr_assert_eq(kind, CORE_NOTICE_STOPPED);
	cr_assert(harness_core(&h, 0)->stopped);
	noticed(0, &kind);
	cr_assert_eq(kind, 0, "it says so once");

	late = harness_peer(&h, 0, 9, 9, 1);
	cr_assert_not(harness_connect(&late, NULL));
	cr_assert_eq(DROPPED(0, session_stopping), 1);
	cr_assert_eq(godwit_get16(((const struct godwit_error *)harness_take(&h, &late.address,
									     GODWIT_ERROR)
					   ->data)
					  ->code),
		     GODWIT_SHUTDOWN);
}

Checked(two_cores, stop_waits_for_a_port_that_is_full, stop)
{
	struct client_peer p[3];
	struct harness_request r = {.number = 1};
	uint32_t told = 0;

	for (uint8_t i = 0; i < 3; i++) {
		p[i] = connected(0, (uint8_t)(i + 1), i + 1u, 1);
		cr_assert_not_null(harness_subscribe(&p[i], &r));
	}
	harness_clear(&h);
	h.tx[0].room = 1;
	command(0, CORE_COMMAND_STOP, (struct core_command){0});
	harness_turns(&h, 6);
	for (uint8_t i = 0; i < 3; i++)
		told += harness_take(&h, &p[i].address, GODWIT_ENDED) != NULL;
	cr_assert(harness_core(&h, 0)->stopped);
	cr_assert_eq(told, 3, "%u of 3 were told", told);
}

Checked(two_cores, notices_that_find_their_ring_full_are_counted, stop)
{
	struct crossing *outbox = &harness_core(&h, 0)->outbox;

	while (crossing_begin(outbox) != NULL)
		crossing_end(outbox);
	connected(0, 1, 1, 1);
	cr_assert_eq(COUNTED(0, notices_lost), 1);
	// The last word waits for room.
	command(0, CORE_COMMAND_STOP, (struct core_command){0});
	harness_turns(&h, 3);
	cr_assert_not(harness_core(&h, 0)->stopped);
	crossing_peek(outbox);
	crossing_pop(outbox);
	harness_turn(&h);
	cr_assert(harness_core(&h, 0)->stopped);
}
