// SPDX-License-Identifier: BSD-3-Clause
//
// Clients whose frames arrive at another core than their own, as where a NIC spreads flows anew, or where
// control offered them a home on a core of its choice.
#include <criterion/criterion.h>

#include "dataplane/stages.h"
#include "tests/support/checked.h"
#include "tests/support/core_harness.h"

#define EPOCH(counter, server) ((uint64_t)(counter) << 16 | (server))

static struct harness h;
static struct client_peer p; // belongs to core 1, its frames arrive at core 0

#define COUNTED(core, name) harness_count(&h, core, COUNTER_##name)
#define DROPPED(core, name) harness_drops(&h, core, DROP_##name)

// Stream s0 lives on core 0, s1 on core 1.
static void start(void)
{
	harness_start(&h, &(struct harness_config){.cores = 2, .streams = 2, .crossing_slots = 8});
	p = harness_peer(&h, 1, 1, 1, 5);
	cr_assert(harness_connect(&p, NULL));
	p.core = 0;
}

static void stop(void)
{
	harness_turns(&h, 2); // what still crosses
	cr_assert_eq(COUNTED(0, classify_crossed), COUNTED(1, crossed_in));
	cr_assert_eq(COUNTED(1, classify_crossed), COUNTED(0, crossed_in));
	harness_stop(&h);
	cr_assert_str_empty(h.failure, "%s", h.failure);
}

TestSuite(home, .init = start);

static struct client *client_of(uint32_t core)
{
	return client_find(harness_core(&h, core), p.id);
}

// The oldest frame of this type to the peer, which must have left by this core.
static const void *sent_by(uint32_t core, uint8_t type)
{
	const struct harness_frame *frame = harness_take(&h, &p.address, type);

	if (frame != NULL)
		cr_assert_eq(frame->core, core, "type 0x%02x left by core %u", type, frame->core);
	return frame != NULL ? frame->data : NULL;
}

static uint32_t data_by(uint32_t core)
{
	uint32_t n = 0;

	while (sent_by(core, GODWIT_DATA) != NULL)
		n++;
	return n;
}

// ---- what arrives elsewhere --------------------------------------------------------------------

Checked(home, a_client_is_served_by_its_core_wherever_its_frames_arrive, stop)
{
	struct harness_ack ack = {.number = 1, .seq = 3, .edge = 1000};
	const struct godwit_subscribed *s;
	const struct godwit_ended *ended;
	struct subscription *mine;

	peer_subscribe(&p, &(struct harness_request){.number = 1});
	harness_turn(&h);
	s = sent_by(1, GODWIT_SUBSCRIBED);
	cr_assert_not_null(s);
	cr_assert_eq(godwit_get64(s->handle), p.handle);
	ack.cursor_epoch = godwit_get64(s->cursor_epoch);
	harness_append(&h, 0, 0, 20, 3);
	harness_turns(&h, 2);
	cr_assert_eq(data_by(1), 1);
	mine = subscription_find(harness_core(&h, 1), client_of(1), 1);
	h.now_ns += 5 * MS;
	peer_ack(&p, &ack, 1);
	harness_turn(&h);
	cr_assert_eq(mine->acked.seq, 3);
	cr_assert_eq(client_of(1)->heard_ns, h.now_ns, "it was heard");
	peer_unsubscribe(&p, 1);
	harness_turn(&h);
	ended = sent_by(1, GODWIT_ENDED);
	cr_assert_not_null(ended);
	cr_assert_eq(godwit_get16(ended->code), GODWIT_UNSUBSCRIBED);
	cr_assert_eq(COUNTED(0, classify_crossed), 3);
	cr_assert_eq(COUNTED(0, classify_session), 0);
	cr_assert_eq(COUNTED(1, crossed_in), 3);
	cr_assert_eq(COUNTED(1, classify_session), 2 + 3); // HELLO and HELLO_PROOF before
	cr_assert_eq(COUNTED(1, rx_datagrams), 2);
	cr_assert_eq(harness_core(&h, 0)->client_count, 0);
}

Checked(home, a_resume_that_arrives_elsewhere_goes_on_where_the_client_stopped, stop)
{
	struct harness_request r = {.number = 1, .attempt = 1, .seq = 2};
	const struct godwit_subscribed *s;

	harness_append(&h, 0, 0, 20, 5);
	harness_turn(&h);
	peer_resume(&p, &r);
	harness_turns(&h, 3);
	s = sent_by(1, GODWIT_SUBSCRIBED);
	cr_assert_not_null(s);
	cr_assert_eq(godwit_get64(s->seq), 2);
	cr_assert_eq(data_by(1), 1);
}

// The way of its packets changed between the two, and the first core's answer is lost.
Checked(home, a_resume_that_arrives_at_two_cores_is_in_another_epoch_at_each, stop)
{
	struct harness_request r = {.number = 1, .attempt = 1, .highest_epoch = EPOCH(3, 9)};
	const struct godwit_subscribed *s;
	uint64_t epochs[2];

	for (uint32_t i = 0; i < 2; i++) {
		struct client_peer q = harness_peer(&h, i, 2, 9, 1);

		cr_assert(harness_connect(&q, NULL));
		s = harness_resume(&q, &r);
		cr_assert_not_null(s);
		epochs[i] = godwit_get64(s->cursor_epoch);
		cr_assert_gt(epochs[i], r.highest_epoch);
		cr_assert_eq(epochs[i] & 0xffff, 7, "of this server");
	}
	cr_assert_neq(epochs[0], epochs[1]);
}

Checked(home, a_publish_crosses_to_its_client_and_from_there_to_its_stream, stop)
{
	const struct godwit_publish_opened *opened;
	const struct godwit_publish_ack *ack;

	// s0 lives where the frames arrive, s1 where the client is.
	for (uint32_t stream = 0; stream < 2; stream++) {
		opened = harness_open(&p, stream == 0 ? "s0" : "s1", 50, 0);
		cr_assert_not_null(opened);
		ack = harness_publish(&p, stream, 50, godwit_get64(opened->instance), 1, 4, 0, 20);
		cr_assert_not_null(ack);
		cr_assert_eq(godwit_get64(ack->committed), 4);
		cr_assert_eq(COUNTED(stream, ingest_appended), 4);
	}
	peer_topic(&p, "s0", "cpu", true);
	harness_turns(&h, 3);
	cr_assert_not_null(sent_by(1, GODWIT_TOPIC_NUMBER));
	cr_assert_eq(COUNTED(0, classify_append), 0);
	cr_assert_eq(COUNTED(1, classify_append), 2);
	cr_assert_eq(COUNTED(0, classify_crossed), 5);
}

Checked(home, a_wrong_key_or_address_is_dropped_at_the_clients_core, stop)
{
	struct client_peer wrong = p, moved = p, stale = p;

	wrong.key ^= 1;
	moved.address.port++;
	stale.handle++;
	peer_ack(&wrong, NULL, 0);
	peer_ack(&moved, NULL, 0);
	peer_ack(&stale, NULL, 0);
	harness_turn(&h);
	cr_assert_eq(DROPPED(1, classify_key), 1);
	cr_assert_eq(DROPPED(1, classify_address), 1);
	cr_assert_eq(DROPPED(1, classify_handle), 1);
	cr_assert_eq(COUNTED(1, classify_dropped), 3);
	cr_assert_eq(harness_drops_all(&h, 0), 0);
	cr_assert_eq(COUNTED(0, classify_crossed), 3);
}

Checked(home, a_handle_that_names_no_core_of_ours_is_dropped_where_it_arrives, stop)
{
	struct client_peer wrong = p;

	wrong.handle = (p.handle & ~(0xffull << 56)) | 2ull << 56;
	peer_ack(&wrong, NULL, 0);
	wrong.handle |= 0xffull << 56;
	peer_ack(&wrong, NULL, 0);
	harness_turn(&h);
	cr_assert_eq(DROPPED(0, classify_handle), 2);
	cr_assert_eq(COUNTED(0, classify_crossed), 0);
}

Checked(home, a_malformed_frame_does_not_cross, stop)
{
	uint8_t bytes[GODWIT_CONTROL_BYTES];
	uint32_t length = build_subscribe(&p, &(struct harness_request){.number = 1}, bytes);

	peer_send(&p, bytes, length - 1);
	harness_turn(&h);
	cr_assert_eq(COUNTED(0, classify_dropped), 1);
	cr_assert_eq(COUNTED(0, classify_crossed), 0);
	// Nor does one that is larger than what the server takes.
	peer_publish(&p, 1, 50, 1, 1, 2, 0, 692);
	harness_turn(&h);
	cr_assert_eq(DROPPED(0, classify_length), 1);
	cr_assert_eq(COUNTED(0, classify_crossed), 0);
}

Checked(home, a_full_crossing_drops_by_name_and_leaves_room_for_others, stop)
{
	struct client_peer publisher = harness_peer(&h, 0, 2, 2, 1);
	const struct godwit_publish_ack *ack;

	cr_assert(harness_connect(&publisher, NULL));
	cr_assert_not_null(harness_open(&publisher, "s1", 50, 0));
	for (uint32_t i = 0; i < 7; i++)
		peer_ack(&p, NULL, 0);
	// Of eight slots four are free for what is proved.
	ack = harness_publish(&publisher, 1, 50, 1, 1, 2, 0, 20);
	cr_assert_not_null(ack);
	cr_assert_eq(godwit_get64(ack->committed), 2);
	cr_assert_eq(COUNTED(0, classify_crossed), 4);
	cr_assert_eq(DROPPED(0, classify_crossing_full), 3);
	cr_assert_eq(COUNTED(0, classify_dropped), 3);
	cr_assert_eq(COUNTED(0, crossing_full), 3);
	cr_assert_eq(DROPPED(0, ingest_crossing_full), 0);
	peer_ack(&p, NULL, 0);
	harness_turn(&h);
	cr_assert_eq(COUNTED(1, crossed_in), 5, "there is room again");
}

Checked(home, a_client_that_leaves_with_an_earlier_frame_leaves_the_later_ones_without_a_sender,
	stop)
{
	struct client_peer newer = harness_peer(&h, 1, 2, p.id, p.instance + 1);

	peer_hello(&newer);
	harness_turn(&h);
	cr_assert(peer_take_cookie(&newer));
	peer_publish(&p, 0, 50, 1, 1, 2, 0, 20);
	peer_proof(&newer, NULL); // before what crosses is looked at
	harness_turn(&h);
	cr_assert_eq(DROPPED(1, classify_handle), 1);
	cr_assert_eq(COUNTED(1, ingest_messages), 0);
}

// ---- what carries no handle --------------------------------------------------------------------

Checked(home, a_hello_stays_with_the_core_where_it_arrives, stop)
{
	struct client_peer q = harness_peer(&h, 0, 2, 2, 1);

	// The cookie of one core holds at the other.
	peer_hello(&q);
	harness_turn(&h);
	cr_assert(peer_take_cookie(&q));
	q.core = 1;
	peer_proof(&q, NULL);
	harness_turn(&h);
	cr_assert(peer_take_welcome(&q));
	cr_assert_eq(handle_core(q.handle), 1);
	cr_assert_eq(COUNTED(0, classify_crossed) + COUNTED(1, classify_crossed), 0);
}

Checked(home, a_reply_to_a_probe_finds_the_link_core, stop)
{
	struct core_command c = {.connection = 77, .nonce = 0x1234, .address = p.address};
	struct godwit_probe_reply reply = {
		.frame = {.version = GODWIT_VERSION, .type = GODWIT_PROBE_REPLY},
		.tag = godwit_be64(77),
		.nonce = godwit_be64(0x1234),
	};
	struct core_notice n;

	peer_hello(&p); // the harness asks that no more is sent than came
	cr_assert(harness_command(&h, SERVER_LINK_CORE, CORE_COMMAND_PROBE, &c));
	harness_turn(&h);
	cr_assert_not_null(sent_by(0, GODWIT_PROBE));
	p.core = 1;
	peer_send(&p, &reply, sizeof(reply));
	harness_turns(&h, 2);
	cr_assert(harness_notice(&h, SERVER_LINK_CORE, CORE_NOTICE_PROBE_REPLY, &n));
	cr_assert_eq(n.nonce, 0x1234);
	cr_assert_eq(COUNTED(1, classify_crossed), 1);
	cr_assert_eq(COUNTED(0, crossed_in), 1);
}

// ---- offers ------------------------------------------------------------------------------------

static struct client_peer offered(uint32_t core)
{
	struct client_peer q = harness_peer(&h, 0, 3, 3, 1);
	struct core_command c = {.client = q.id,
				 .instance = q.instance,
				 .address = q.address,
				 .subscription = 1,
				 .tag = 0x7001,
				 .connection = q.tag,
				 .cursor_epoch = EPOCH(4, 7)};
	const struct harness_frame *frame;
	const struct godwit_take *take;

	harness_append(&h, 0, 0, 20, 5);
	cr_assert(harness_command(&h, core, CORE_COMMAND_OFFER, &c));
	peer_hello(&q); // as above
	harness_turn(&h);
	frame = harness_take(&h, &q.address, GODWIT_TAKE);
	cr_assert_not_null(frame);
	cr_assert_eq(frame->core, core);
	take = (const void *)frame->data;
	q.handle = godwit_get64(take->handle);
	q.key = godwit_get64(take->key);
	return q;
}

Checked(home, an_offer_is_accepted_by_a_resume_that_arrives_at_another_core, stop)
{
	struct harness_request r = {.number = 1,
				    .attempt = 1,
				    .seq = 2,
				    .highest_epoch = EPOCH(3, 9),
				    .offer_epoch = EPOCH(4, 7)};
	const struct godwit_subscribed *s;
	struct core_notice n;

	p = offered(1);
	peer_resume(&p, &r);
	harness_turns(&h, 3);
	s = sent_by(1, GODWIT_SUBSCRIBED);
	cr_assert_not_null(s);
	cr_assert_eq(godwit_get64(s->seq), 2);
	cr_assert_eq(godwit_get64(s->cursor_epoch), EPOCH(5, 7));
	cr_assert_eq(data_by(1), 1);
	cr_assert_eq(COUNTED(1, offers_taken), 1);
	cr_assert_not(client_of(1)->offered);
	// The one before came by HELLO.
	cr_assert(harness_notice(&h, 1, CORE_NOTICE_OPENED, &n));
	cr_assert_not(n.by_offer);
	cr_assert(harness_notice(&h, 1, CORE_NOTICE_OPENED, &n));
	cr_assert(n.by_offer);
	harness_append(&h, 0, 0, 20, 1);
	harness_turns(&h, 2);
	cr_assert_eq(data_by(1), 1);
}

Checked(home, an_offer_is_refused_by_an_ack_that_arrives_at_another_core, stop)
{
	struct harness_ack keep = {
		.number = 1, .cursor_epoch = EPOCH(6, 2), .flags = GODWIT_ACK_KEEP};
	struct core_notice n;

	p = offered(1);
	peer_unsubscribe(&p, 1); // is no answer
	peer_ack(&p, &keep, 1);
	harness_turns(&h, 2);
	cr_assert_eq(DROPPED(1, classify_offered), 1);
	cr_assert(harness_notice(&h, 1, CORE_NOTICE_OFFER_KEPT, &n));
	cr_assert_eq(n.cursor_epoch, EPOCH(6, 2));
	cr_assert_null(client_of(1));
}

Checked(home, a_core_that_cannot_send_offers_nothing, stop)
{
	struct core_command c = {.client = 9,
				 .instance = 1,
				 .address = p.address,
				 .subscription = 1,
				 .cursor_epoch = EPOCH(4, 7)};
	struct core_notice n;

	harness_core(&h, 1)->sends = false;
	cr_assert_not(server_core_sends(&h.server, 1));
	cr_assert_not(server_core_sends(&h.server, 2), "there is none");
	cr_assert(harness_command(&h, 1, CORE_COMMAND_OFFER, &c));
	harness_turn(&h);
	cr_assert(harness_notice(&h, 1, CORE_NOTICE_OFFER_REFUSED, &n));
	cr_assert_eq(n.code, GODWIT_LIMIT);
	cr_assert_null(client_find(harness_core(&h, 1), 9));
}
