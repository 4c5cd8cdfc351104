// SPDX-License-Identifier: BSD-3-Clause
//
// What a core does for cursors that move: offers and their answers, drops, MIGRATE, probes, and the
// silence of clients.
#include <criterion/criterion.h>

#include "dataplane/stages.h"
#include "tests/support/checked.h"
#include "tests/support/core_harness.h"

#define EPOCH(counter, server) ((uint64_t)(counter) << 16 | (server))
#define HALF_NS		       (HARNESS_INTERVAL_MS * MS / 2)
#define SILENT_NS	       (HARNESS_INTERVAL_MS * MS * 3)
#define TAG		       0x7001ull // of subscription 1, as the harness makes them

static struct harness h;
static struct client_peer p;

#define COUNTED(name) harness_count(&h, 0, COUNTER_##name)
#define DROPPED(name) harness_drops(&h, 0, DROP_##name)

static void begin(const struct harness_config *config)
{
	harness_start(&h, config);
	p = harness_peer(&h, 0, 1, 1, 5);
}

static void start(void)
{
	begin(NULL);
}

static void stop(void)
{
	harness_stop(&h);
	cr_assert_str_empty(h.failure, "%s", h.failure);
}

TestSuite(moves, .init = start);

static struct core_command offer_of(uint32_t subscription, uint64_t epoch)
{
	return (struct core_command){
		.client = p.id,
		.instance = p.instance,
		.address = p.address,
		.subscription = subscription,
		.tag = 0x7000 + subscription,
		.cursor_epoch = epoch,
	};
}

static void command(enum core_command_kind kind, struct core_command c)
{
	cr_assert(harness_command(&h, 0, kind, &c));
	harness_turn(&h);
}

// The TAKE that is there; the peer uses its handle and key from now on.
static const struct godwit_take *take(void)
{
	const struct harness_frame *frame = harness_take(&h, &p.address, GODWIT_TAKE);
	const struct godwit_take *t = frame != NULL ? (const void *)frame->data : NULL;

	if (t != NULL) {
		p.handle = godwit_get64(t->handle);
		p.key = godwit_get64(t->key);
	}
	return t;
}

static struct client *client(void)
{
	return client_find(harness_core(&h, 0), p.id);
}

static void answer(uint16_t flags, uint64_t epoch)
{
	struct harness_ack entry = {.number = 1, .cursor_epoch = epoch, .flags = flags};

	peer_ack(&p, &entry, 1);
	harness_turn(&h);
}

static void subscribe(void)
{
	cr_assert(harness_connect(&p, NULL));
	cr_assert_not_null(harness_subscribe(&p, &(struct harness_request){.number = 1}));
	harness_clear(&h);
}

static bool noticed(enum core_notice_kind kind, struct core_notice *n)
{
	return harness_notice(&h, 0, kind, n);
}

// ---- offers ------------------------------------------------------------------------------------

Checked(moves, an_offer_is_sent_three_times_and_ends_without_a_word, stop)
{
	struct core_notice n;
	struct core_command c = offer_of(1, EPOCH(4, 9));
	const struct godwit_take *t;

	c.by_home = true;
	c.reason = GODWIT_MIGRATION_LINK;
	command(CORE_COMMAND_OFFER, c);
	t = take();
	cr_assert_not_null(t);
	cr_assert_eq(godwit_get64(t->tag), TAG);
	cr_assert_eq(godwit_get64(t->cursor_epoch), EPOCH(4, 9));
	cr_assert_eq(godwit_get16(t->server), 7);
	cr_assert_eq(godwit_get16(t->reason), GODWIT_MIGRATION_LINK);
	cr_assert_eq(godwit_get16(t->frame.flags), GODWIT_FLAG_BY_HOME);
	cr_assert(client()->offered);
	harness_pass_steps(&h, HALF_NS - MS, MS);
	cr_assert_null(take());
	harness_pass_steps(&h, HARNESS_LAPSE_MS * MS + HALF_NS, MS);
	cr_assert_eq(COUNTED(takes), 3);
	cr_assert_eq(harness_left(&h, &p.address, GODWIT_TAKE), 2);
	// Nothing else went to an address without proof, and the slot is free again.
	cr_assert_eq(h.frames_count, 3);
	cr_assert_null(client());
	cr_assert_eq(COUNTED(offers_expired), 1);
	cr_assert_not(noticed(CORE_NOTICE_OPENED, &n));
}

Checked(moves, a_resume_under_the_offer_proves_the_address_and_is_served, stop)
{
	struct harness_request r = {.number = 1, .attempt = 2, .highest_epoch = EPOCH(3, 9)};
	const struct godwit_subscribed *s;
	struct core_notice n;

	harness_append(&h, 0, 0, 20, 5);
	harness_turn(&h);
	command(CORE_COMMAND_OFFER, offer_of(1, EPOCH(4, 7)));
	cr_assert_not_null(take());
	r.offer_epoch = EPOCH(4, 7);
	r.seq = 2;
	s = harness_resume(&p, &r);
	cr_assert_not_null(s);
	// One above the highest of the client and the offer.
	cr_assert_eq(godwit_get64(s->cursor_epoch), EPOCH(5, 7));
	cr_assert_eq(godwit_get64(s->seq), 2);
	cr_assert_not(client()->offered);
	cr_assert_eq(COUNTED(offers_taken), 1);
	cr_assert(noticed(CORE_NOTICE_OPENED, &n));
	cr_assert_eq(n.client, p.id);
	// It is not asked again, and is a client like any other.
	harness_turns(&h, 2);
	cr_assert_eq(harness_left(&h, &p.address, GODWIT_DATA), 1);
	harness_pass_steps(&h, 3 * HALF_NS, MS);
	cr_assert_null(take());
	cr_assert_gt(harness_left(&h, &p.address, GODWIT_HEARTBEAT), 0);
}

Checked(moves, a_resume_after_the_offer_is_gone_is_an_ordinary_one, stop)
{
	struct harness_request r = {.number = 1,
				    .attempt = 1,
				    .highest_epoch = EPOCH(9, 3),
				    .offer_epoch = EPOCH(12, 7)};
	const struct godwit_subscribed *s;

	cr_assert(harness_connect(&p, NULL));
	s = harness_resume(&p, &r);
	cr_assert_not_null(s);
	cr_assert_eq(godwit_get64(s->cursor_epoch), EPOCH(10, 7));
	cr_assert_eq(COUNTED(offers_unknown), 1);
	cr_assert_eq(COUNTED(offers_taken), 0);
}

Checked(moves, an_offer_is_answered_with_its_key_or_not_at_all, stop)
{
	struct harness_request r = {.number = 1,
				    .attempt = 1,
				    .highest_epoch = EPOCH(3, 9),
				    .offer_epoch = EPOCH(4, 7)};

	command(CORE_COMMAND_OFFER, offer_of(1, EPOCH(4, 7)));
	cr_assert_not_null(take());
	p.key ^= 1;
	cr_assert_null(harness_resume(&p, &r));
	answer(GODWIT_ACK_KEEP, EPOCH(6, 2));
	cr_assert_eq(DROPPED(classify_key), 2);
	cr_assert(client()->offered);
	cr_assert_eq(COUNTED(offers_taken), 0);
	cr_assert_eq(COUNTED(offers_kept), 0);
	p.key ^= 1;
	cr_assert_not_null(harness_resume(&p, &r));
	cr_assert_eq(COUNTED(offers_taken), 1);
}

// The client answers the offer before this one, or goes its own way.
Checked(moves, a_resume_of_another_offer_or_of_none_takes_nothing, stop)
{
	struct harness_request r = {.number = 1,
				    .attempt = 1,
				    .highest_epoch = EPOCH(3, 9),
				    .offer_epoch = EPOCH(4, 7)};
	const struct godwit_subscribed *s;

	command(CORE_COMMAND_OFFER, offer_of(1, EPOCH(4, 7)));
	cr_assert_not_null(take());
	command(CORE_COMMAND_OFFER, offer_of(1, EPOCH(6, 7)));
	command(CORE_COMMAND_OFFER, offer_of(2, EPOCH(6, 7)));
	s = harness_resume(&p, &r);
	cr_assert_not_null(s, "it is served all the same");
	cr_assert_eq(godwit_get64(s->cursor_epoch), EPOCH(4, 7), "above what it had");
	cr_assert_eq(COUNTED(offers_unknown), 1);
	r.number = 2;
	r.tag = 0x7002;
	r.offer_epoch = 0;
	cr_assert_not_null(harness_resume(&p, &r));
	cr_assert_eq(COUNTED(offers_unknown), 1, "it spoke of none");
	cr_assert_eq(COUNTED(offers_taken), 0);
	cr_assert_eq(harness_core(&h, 0)->moves.offer_count, 0, "nor is it offered any more");
}

Checked(moves, keep_withdraws_the_offer_and_tells_the_clients_epoch, stop)
{
	struct core_notice n;

	command(CORE_COMMAND_OFFER, offer_of(1, EPOCH(4, 7)));
	cr_assert_not_null(take());
	answer(GODWIT_ACK_KEEP, EPOCH(6, 2));
	cr_assert(noticed(CORE_NOTICE_OFFER_KEPT, &n));
	cr_assert_eq(n.client, p.id);
	cr_assert_eq(n.subscription, 1);
	cr_assert_eq(n.cursor_epoch, EPOCH(6, 2));
	cr_assert_null(client());
	// Of two offers the other stays.
	command(CORE_COMMAND_OFFER, offer_of(1, EPOCH(7, 7)));
	command(CORE_COMMAND_OFFER, offer_of(2, EPOCH(7, 7)));
	cr_assert_not_null(take());
	answer(GODWIT_ACK_KEEP, EPOCH(8, 2));
	cr_assert_not_null(client());
	cr_assert_eq(COUNTED(offers_kept), 2);
}

Checked(moves, held_stops_the_repeats_until_the_client_decides, stop)
{
	struct core_notice n;

	command(CORE_COMMAND_OFFER, offer_of(1, EPOCH(4, 7)));
	cr_assert_not_null(take());
	answer(GODWIT_ACK_HELD, EPOCH(4, 7));
	answer(GODWIT_ACK_HELD, EPOCH(4, 7));
	cr_assert(noticed(CORE_NOTICE_OFFER_HELD, &n));
	cr_assert_not(noticed(CORE_NOTICE_OFFER_HELD, &n)); // once
	harness_pass_steps(&h, 4 * HALF_NS, MS);
	cr_assert_null(take());
	cr_assert_not_null(
		harness_resume(&p, &(struct harness_request){.number = 1,
							     .attempt = 1,
							     .highest_epoch = EPOCH(3, 2),
							     .offer_epoch = EPOCH(4, 7)}));
	cr_assert_eq(COUNTED(offers_taken), 1);
	cr_assert_eq(COUNTED(offers_held), 1);
}

Checked(moves, an_offered_client_may_answer_and_nothing_else, stop)
{
	struct harness_ack plain = {.number = 1, .cursor_epoch = EPOCH(4, 7)};

	command(CORE_COMMAND_OFFER, offer_of(1, EPOCH(4, 7)));
	cr_assert_not_null(take());
	peer_unsubscribe(&p, 1);
	peer_subscribe(&p, &(struct harness_request){.number = 1});
	harness_turn(&h);
	cr_assert_eq(DROPPED(classify_offered), 2);
	peer_ack(&p, &plain, 1);
	harness_turn(&h);
	cr_assert_eq(COUNTED(ack_unknown_subscription), 1);
	cr_assert_eq(h.frames_count, 1); // the TAKE
}

Checked(moves, a_hello_makes_an_offered_client_an_ordinary_one, stop)
{
	struct core_notice n;

	command(CORE_COMMAND_OFFER, offer_of(1, EPOCH(4, 7)));
	cr_assert(harness_connect(&p, NULL));
	cr_assert_not(client()->offered);
	cr_assert(noticed(CORE_NOTICE_OPENED, &n));
	harness_pass_steps(&h, HARNESS_LAPSE_MS * MS / 2, MS);
	peer_ack(&p, NULL, 0);
	harness_pass_steps(&h, HARNESS_LAPSE_MS * MS / 2 + HALF_NS, MS);
	cr_assert_eq(COUNTED(offers_expired), 1);
	cr_assert_not_null(client());
}

Checked(moves, a_client_that_is_here_is_offered_its_own_slot, stop)
{
	uint64_t handle;

	subscribe();
	handle = p.handle;
	command(CORE_COMMAND_OFFER, offer_of(2, EPOCH(4, 7)));
	cr_assert_not_null(take());
	cr_assert_eq(p.handle, handle);
	cr_assert_eq(COUNTED(clients_opened), 1);
	answer(GODWIT_ACK_KEEP, EPOCH(5, 1)); // of subscription 1: no such offer
	cr_assert_eq(COUNTED(offers_unknown), 1);
	cr_assert_not_null(client());
}

Checked(moves, of_two_addresses_the_one_heard_lately_gets_the_offer, stop)
{
	struct core_command c = offer_of(2, EPOCH(4, 7));

	subscribe();
	c.address = godwit_address_v4(0x0a000042, 1234);
	command(CORE_COMMAND_OFFER, c);
	cr_assert_not_null(harness_take(&h, &p.address, GODWIT_TAKE));
	harness_pass_steps(&h, SILENT_NS + MS, MS);
	c.cursor_epoch = EPOCH(5, 7);
	command(CORE_COMMAND_OFFER, c);
	cr_assert_not_null(harness_take(&h, &c.address, GODWIT_TAKE));
	cr_assert(client()->offered);
}

Checked(moves, the_higher_instance_fences_the_lower, stop)
{
	struct core_command c = offer_of(2, EPOCH(4, 7));
	struct core_notice n;

	subscribe();
	c.instance = p.instance - 1;
	command(CORE_COMMAND_OFFER, c);
	cr_assert(noticed(CORE_NOTICE_OFFER_REFUSED, &n));
	cr_assert_eq(n.code, GODWIT_FENCED);
	cr_assert_eq(n.instance, p.instance);
	c.instance = p.instance + 1;
	command(CORE_COMMAND_OFFER, c);
	cr_assert_not_null(harness_take(&h, &p.address, GODWIT_ERROR));
	cr_assert_not_null(harness_take(&h, &p.address, GODWIT_TAKE));
	cr_assert_eq(client()->instance, p.instance + 1);
}

Checked(moves, a_cursor_that_is_here_already_is_not_offered, stop)
{
	struct core_notice n;

	subscribe();
	command(CORE_COMMAND_OFFER, offer_of(1, EPOCH(1, 7)));
	cr_assert(noticed(CORE_NOTICE_OFFER_REFUSED, &n));
	cr_assert_eq(n.code, GODWIT_REPLACED);
	cr_assert_null(take());
}

Checked(moves, no_slot_is_a_refusal, stop)
{
	struct core_notice n;
	struct core_command c;

	stop();
	begin(&(struct harness_config){.clients_max = 4});
	for (uint32_t i = 0; i < 5; i++) {
		c = offer_of(1, EPOCH(2, 7));
		c.client = 100 + i;
		c.address.port = (uint16_t)(c.address.port + i);
		command(CORE_COMMAND_OFFER, c);
	}
	cr_assert(noticed(CORE_NOTICE_OFFER_REFUSED, &n));
	cr_assert_eq(n.code, GODWIT_LIMIT);
	cr_assert_eq(n.client, 104);
	cr_assert_eq(COUNTED(takes), 4);
}

static uint32_t offers_max(void)
{
	return moves_offers(harness_core(&h, 0)->config.clients_max);
}

// Offers of subscriptions 0 to count - 1, all to one client.
static void offer_many(uint32_t count)
{
	struct core_command c = offer_of(0, EPOCH(2, 7));

	for (uint32_t i = 0; i < count; i++) {
		c.subscription = i;
		cr_assert(harness_command(&h, 0, CORE_COMMAND_OFFER, &c));
		if (i % 64 != 63)
			continue;
		harness_turn(&h);
		if (i == 63)
			take();
		harness_clear(&h);
	}
	harness_turn(&h);
}

Checked(moves, an_answered_offer_makes_room_at_once, stop)
{
	struct core_notice n;

	offer_many(offers_max());
	answer(GODWIT_ACK_KEEP, EPOCH(6, 2));
	cr_assert(noticed(CORE_NOTICE_OFFER_KEPT, &n));
	harness_clear(&h);
	command(CORE_COMMAND_OFFER, offer_of(offers_max(), EPOCH(7, 7)));
	cr_assert_not_null(take());
	cr_assert_eq(COUNTED(offers_refused), 0);
	cr_assert_eq(harness_core(&h, 0)->moves.offer_count, offers_max());
}

Checked(moves, a_lost_take_is_no_reason_to_wait_for_half_a_long_interval, stop)
{
	h.server.interval_ms = 3000;
	h.server.lapse_ms = 10000;
	command(CORE_COMMAND_OFFER, offer_of(1, EPOCH(4, 7)));
	cr_assert_not_null(take());
	harness_pass_steps(&h, MOVES_ONCE_NS - 2 * MS, MS);
	cr_assert_null(take());
	harness_pass_steps(&h, 4 * MS, MS);
	cr_assert_not_null(take());
	harness_pass_steps(&h, 1490 * MS, MS);
	cr_assert_null(take());
	harness_pass_steps(&h, 20 * MS, MS);
	cr_assert_not_null(take());
	harness_pass_steps(&h, 9000 * MS, MS);
	cr_assert_eq(COUNTED(takes), 3);
	cr_assert_null(client());
}

Checked(moves, a_take_without_a_way_goes_out_as_soon_as_there_is_one, stop)
{
	h.tx[0].no_route = true;
	command(CORE_COMMAND_OFFER, offer_of(1, EPOCH(4, 7)));
	harness_pass_steps(&h, 3 * MS, MS);
	cr_assert_null(take());
	h.tx[0].no_route = false;
	harness_pass_steps(&h, 2 * MS, MS);
	cr_assert_not_null(take());
	// From then on as any other: the next one half an interval later.
	harness_pass_steps(&h, HALF_NS - 2 * MS, MS);
	cr_assert_null(take());
	harness_pass_steps(&h, 3 * MS, MS);
	cr_assert_not_null(take());
}

Checked(moves, an_offer_without_a_way_for_long_is_tried_rarely_and_ends, stop)
{
	h.tx[0].no_route = true;
	command(CORE_COMMAND_OFFER, offer_of(1, EPOCH(4, 7)));
	harness_pass_steps(&h, HARNESS_LAPSE_MS * MS + HALF_NS, MS);
	cr_assert_gt(COUNTED(takes_unsent), HALF_NS / MOVES_UNSENT_NS / 2);
	cr_assert_leq(COUNTED(takes_unsent),
		      HALF_NS / MOVES_UNSENT_NS + HARNESS_LAPSE_MS * MS / HALF_NS + 2);
	cr_assert_eq(COUNTED(tx_no_route), 0);
	cr_assert_eq(COUNTED(tx_control_lost), 0, "nothing is lost of it");
	cr_assert_eq(COUNTED(offers_expired), 1);
	cr_assert_eq(COUNTED(takes), 0);
	cr_assert_null(client());
}

Checked(moves, many_takes_without_a_way_keep_no_other_one_waiting, stop)
{
	struct core_command c = offer_of(1, EPOCH(4, 7));

	h.server.interval_ms = 3000;
	c.client = 77;
	c.address = godwit_address_v4(0x0a000042, 1234);
	command(CORE_COMMAND_OFFER, c);
	cr_assert_not_null(harness_take(&h, &c.address, GODWIT_TAKE));
	h.tx[0].no_route = true;
	offer_many(offers_max() - 1);
	harness_pass_steps(&h, MOVES_ONCE_NS - MS, MS);
	h.tx[0].no_route = false;
	harness_pass_steps(&h, 2 * MS, MS);
	cr_assert_not_null(harness_take(&h, &c.address, GODWIT_TAKE));
	cr_assert_lt(COUNTED(takes), offers_max(), "the others are not through yet");
}

Checked(moves, many_takes_at_a_full_port_are_tried_one_a_turn, stop)
{
	uint64_t unsent;

	h.tx[0].room = 0;
	offer_many(1024);
	unsent = COUNTED(takes_unsent);
	harness_pass_steps(&h, 10 * MS, MS);
	cr_assert_leq(COUNTED(takes_unsent), unsent + 10);
	cr_assert_gt(COUNTED(takes_unsent), unsent);
	h.tx[0].room = UINT32_MAX;
	harness_pass_steps(&h, 20 * MS, MS);
	cr_assert_eq(COUNTED(takes), 1024);
}

Checked(moves, a_full_table_of_offers_refuses_and_comes_free_again, stop)
{
	struct core_notice n;

	offer_many(offers_max() + 1);
	cr_assert(noticed(CORE_NOTICE_OFFER_REFUSED, &n));
	cr_assert_eq(n.code, GODWIT_LIMIT);
	cr_assert_eq(n.subscription, offers_max());
	for (uint32_t i = 0; i < 1200; i++) {
		harness_pass(&h, MS);
		harness_clear(&h);
	}
	cr_assert_eq(harness_core(&h, 0)->moves.offer_count, 0);
	cr_assert_null(client());
	command(CORE_COMMAND_OFFER, offer_of(1, EPOCH(2, 7)));
	cr_assert_not_null(take());
}

// ---- drop and migrate --------------------------------------------------------------------------

Checked(moves, a_drop_below_the_epoch_closes_without_a_word, stop)
{
	struct core_command c = offer_of(1, EPOCH(1, 7));

	subscribe();
	command(CORE_COMMAND_DROP, c); // not below its own
	cr_assert_eq(client()->subscription_count, 1);
	c.cursor_epoch = EPOCH(2, 1);
	command(CORE_COMMAND_DROP, c);
	cr_assert_eq(client()->subscription_count, 0);
	cr_assert_eq(COUNTED(subscriptions_dropped), 1);
	cr_assert_eq(harness_left(&h, NULL, 0), 0);
}

Checked(moves, migrate_is_repeated_each_interval_until_withdrawn, stop)
{
	const struct godwit_migrate *m;
	const struct harness_frame *frame;
	struct core_command c = offer_of(1, 0);

	h.server.list[0] =
		(struct godwit_server_entry){.id = godwit_be16(3), .port = godwit_be16(99)};
	h.server.list_count = 1;
	subscribe();
	c.session = HARNESS_SESSION;
	c.target = 3;
	c.reason = GODWIT_MIGRATION_DRAIN;
	command(CORE_COMMAND_MIGRATE, c);
	frame = harness_take(&h, &p.address, GODWIT_MIGRATE);
	cr_assert_not_null(frame);
	m = (const void *)frame->data;
	cr_assert_eq(godwit_get64(m->tag), TAG);
	cr_assert_eq(godwit_get16(m->target.id), 3);
	cr_assert_eq(godwit_get16(m->target.port), 99);
	cr_assert_eq(godwit_get16(m->reason), GODWIT_MIGRATION_DRAIN);
	harness_pass_steps(&h, 4 * HALF_NS, MS);
	cr_assert_geq(harness_left(&h, &p.address, GODWIT_MIGRATE), 1);
	cr_assert_leq(harness_left(&h, &p.address, GODWIT_MIGRATE), 2);
	c.target = 0;
	command(CORE_COMMAND_MIGRATE, c);
	harness_clear(&h);
	harness_pass_steps(&h, 4 * HALF_NS, MS);
	cr_assert_eq(harness_left(&h, &p.address, GODWIT_MIGRATE), 0);
	c.target = 12; // not in the list
	command(CORE_COMMAND_MIGRATE, c);
	cr_assert_eq(harness_left(&h, &p.address, GODWIT_MIGRATE), 0);
	cr_assert_eq(COUNTED(migrates_unknown), 1);
}

// ---- silence -----------------------------------------------------------------------------------

Checked(moves, a_large_table_of_clients_is_swept_in_ten_milliseconds_and_no_sooner, stop)
{
	const uint32_t max = 4096;
	struct core_notice n;
	uint32_t before;

	stop();
	begin(&(struct harness_config){.clients_max = max});
	subscribe();
	before = harness_core(&h, 0)->sweep_next;
	harness_pass_steps(&h, 5 * MS, MS / 50);
	cr_assert_leq(harness_core(&h, 0)->sweep_next - before, max / 2 + 256);
	cr_assert_geq(harness_core(&h, 0)->sweep_next - before, max / 2 - 512);
	harness_pass_steps(&h, SILENT_NS + 10 * MS, MS / 2);
	cr_assert(noticed(CORE_NOTICE_CLIENT_SUSPECT, &n));
	cr_assert_eq(n.client, p.id);
}

Checked(moves, a_client_with_subscriptions_is_suspect_once_a_silence_and_back, stop)
{
	struct core_notice n;

	subscribe();
	harness_pass_steps(&h, SILENT_NS - 2 * MS, MS);
	cr_assert_not(noticed(CORE_NOTICE_CLIENT_SUSPECT, &n));
	harness_pass_steps(&h, 20 * MS, MS);
	cr_assert(noticed(CORE_NOTICE_CLIENT_SUSPECT, &n));
	cr_assert_eq(n.client, p.id);
	cr_assert_eq(n.tag, p.tag);
	cr_assert(godwit_address_equal(&n.address, &p.address));
	cr_assert_not(noticed(CORE_NOTICE_CLIENT_SUSPECT, &n));
	peer_ack(&p, NULL, 0);
	harness_turn(&h);
	cr_assert(noticed(CORE_NOTICE_CLIENT_BACK, &n));
	harness_pass_steps(&h, SILENT_NS + 20 * MS, MS);
	cr_assert(noticed(CORE_NOTICE_CLIENT_SUSPECT, &n));
	cr_assert_eq(COUNTED(clients_suspect), 2);
}

Checked(moves, a_client_without_subscriptions_is_never_suspect, stop)
{
	struct core_notice n;

	cr_assert(harness_connect(&p, NULL));
	harness_pass_steps(&h, SILENT_NS + 20 * MS, MS);
	cr_assert_not(noticed(CORE_NOTICE_CLIENT_SUSPECT, &n));
}

Checked(moves, a_core_that_was_late_distrusts_itself_first, stop)
{
	struct core_notice n;

	subscribe();
	harness_pass(&h, SILENT_NS + MS);
	cr_assert_not(noticed(CORE_NOTICE_CLIENT_SUSPECT, &n));
	peer_ack(&p, NULL, 0); // it had waited in the queue
	harness_pass_steps(&h, 2 * HALF_NS + 2 * MS, MS);
	cr_assert_not(noticed(CORE_NOTICE_CLIENT_SUSPECT, &n));
}

// ---- probes ------------------------------------------------------------------------------------

static void reply(const struct godwit_probe *probe, uint64_t nonce)
{
	struct godwit_probe_reply r = {
		.frame = {.version = GODWIT_VERSION, .type = GODWIT_PROBE_REPLY},
		.tag = probe->tag,
		.nonce = godwit_be64(nonce),
	};

	peer_send(&p, &r, sizeof(r));
	harness_turn(&h);
}

Checked(moves, a_probe_is_answered_once_by_who_was_asked, stop)
{
	struct core_command c = {.connection = 77, .nonce = 0x1234};
	struct client_peer other = harness_peer(&h, 0, 2, 2, 1);
	const struct godwit_probe *probe;
	const struct harness_frame *frame;
	struct core_notice n;

	c.address = p.address;
	peer_hello(&p); // the harness asks that no more is sent than came
	peer_hello(&other);
	command(CORE_COMMAND_PROBE, c);
	frame = harness_take(&h, &p.address, GODWIT_PROBE);
	cr_assert_not_null(frame);
	probe = (const void *)frame->data;
	cr_assert_eq(godwit_get64(probe->tag), 77);
	reply(probe, 0x1235);
	cr_assert_eq(DROPPED(session_probe), 1);
	other.harness = &h;
	{
		struct client_peer me = p;

		p = other;
		reply(probe, 0x1234); // from another address
		p = me;
	}
	cr_assert_eq(DROPPED(session_probe), 2);
	reply(probe, 0x1234);
	cr_assert(noticed(CORE_NOTICE_PROBE_REPLY, &n));
	cr_assert_eq(n.nonce, 0x1234);
	cr_assert_eq(n.tag, 77);
	reply(probe, 0x1234);
	cr_assert_eq(DROPPED(session_probe), 3);
}
