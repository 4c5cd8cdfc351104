// SPDX-License-Identifier: BSD-3-Clause
//
// What a client says of what it got: ACK, window edges, NAKs, a path that swallows; and what it is told:
// heartbeats, and the end of one that fell silent.
#include <criterion/criterion.h>

#include "dataplane/stages.h"
#include "tests/support/checked.h"
#include "tests/support/core_harness.h"

static struct harness h;
static struct client_peer p;
static uint64_t epoch; // cursor epoch of subscription 1
static struct delivery d;

#define COUNTED(name) harness_count(&h, 0, COUNTER_##name)
#define DROPPED(name) harness_drops(&h, 0, DROP_##name)

static void begin(const struct harness_config *config)
{
	harness_start(&h, config);
	p = harness_peer(&h, 0, 1, 1, 1);
	cr_assert(harness_connect(&p, NULL));
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

TestSuite(ack, .init = start);
TestSuite(heartbeat, .init = start);

static void restart(const struct harness_config *config)
{
	stop();
	begin(config);
}

// Subscription 1 from the earliest, after `count` records of 20 bytes.
static void subscribe(uint32_t count, uint32_t window)
{
	struct harness_request r = {.number = 1, .start = GODWIT_START_EARLIEST, .window = window};
	const struct godwit_subscribed *s;

	harness_append(&h, 0, 0, 20, count);
	harness_turn(&h);
	s = harness_subscribe(&p, &r);
	cr_assert_not_null(s);
	d = delivery_start(s);
	epoch = d.cursor_epoch;
	harness_turns(&h, 3);
	delivery_take(&d, &p);
}

static struct subscription *subscription(void)
{
	return subscription_find(harness_core(&h, 0), core_client(harness_core(&h, 0), p.handle),
				 1);
}

static void ack(struct harness_ack entry)
{
	entry.number = 1;
	entry.cursor_epoch = entry.cursor_epoch != 0 ? entry.cursor_epoch : epoch;
	peer_ack(&p, &entry, 1);
	harness_turn(&h);
}

static void assert_ended(enum godwit_code code, uint64_t seq)
{
	const struct harness_frame *frame = harness_take(&h, &p.address, GODWIT_ENDED);
	const struct godwit_ended *ended;

	cr_assert_not_null(frame);
	ended = (const void *)frame->data;
	cr_assert_eq(godwit_get16(ended->code), code, "%s",
		     godwit_code_name(godwit_get16(ended->code)));
	cr_assert_eq(godwit_get64(ended->seq), seq, "seq %lu", godwit_get64(ended->seq));
	cr_assert_eq(godwit_get64(ended->cursor_epoch), epoch);
	cr_assert_eq(godwit_get32(ended->request), 0);
	cr_assert_null(subscription());
}

static void assert_error(enum godwit_code code, uint64_t detail)
{
	const struct harness_frame *frame = harness_take(&h, &p.address, GODWIT_ERROR);

	cr_assert_not_null(frame);
	cr_assert_eq(godwit_get16(((const struct godwit_error *)frame->data)->code), code);
	cr_assert_eq(godwit_get64(((const struct godwit_error *)frame->data)->detail), detail);
}

// ---- ACK ---------------------------------------------------------------------------------------

Checked(ack, a_number_not_above_the_last_is_dropped_whole, stop)
{
	subscribe(20, 5);
	cr_assert_eq(d.covered, 5);
	p.ack_number = 9;
	ack((struct harness_ack){.seq = 5, .edge = 6});
	cr_assert_eq(subscription()->acked.seq, 5);
	p.ack_number = 9; // the same number again
	ack((struct harness_ack){.seq = 6, .edge = 20});
	p.ack_number = 3;
	ack((struct harness_ack){.seq = 6, .edge = 20});
	cr_assert_eq(DROPPED(session_ack_old), 2);
	cr_assert_eq(COUNTED(ack_frames), 1);
	cr_assert_eq(subscription()->edge, 6);
	cr_assert_eq(subscription()->acked.seq, 5);
	delivery_take(&d, &p);
	cr_assert_eq(d.covered, 6);
}

Checked(ack, for_a_subscription_that_is_not_here, stop)
{
	struct harness_ack entries[2] = {{.number = 8, .cursor_epoch = 1},
					 {.number = 9, .cursor_epoch = 1}};

	peer_ack(&p, entries, 2);
	harness_turn(&h);
	assert_error(GODWIT_UNKNOWN_SUBSCRIPTION, 8);
	assert_error(GODWIT_UNKNOWN_SUBSCRIPTION, 9);
	cr_assert_eq(COUNTED(ack_unknown_subscription), 2);
	cr_assert_eq(COUNTED(ack_entries), 0);
}

Checked(ack, the_first_one_may_be_ahead_of_what_was_sent_where_it_leads_anywhere, stop)
{
	subscribe(20, 5);
	ack((struct harness_ack){.seq = 12, .edge = 5});
	cr_assert_eq(COUNTED(ack_past_sent), 0);
	cr_assert_eq(subscription()->acked.seq, 12);
	// Later ones are held against what was sent.
	ack((struct harness_ack){.seq = 13, .edge = 5});
	cr_assert_eq(COUNTED(ack_past_sent), 1);
	cr_assert_eq(subscription()->acked.seq, 12);
	cr_assert_eq(harness_left(&h, &p.address, GODWIT_ENDED), 0);
}

Checked(ack, the_first_one_that_leads_nowhere_ends_the_subscription, stop)
{
	subscribe(20, 5);
	ack((struct harness_ack){.seq = 500, .edge = 505});
	assert_ended(GODWIT_FUTURE, 20);
	cr_assert_eq(COUNTED(ack_past_sent), 1);

	subscribe(0, 5);
	ack((struct harness_ack){.seq = 15, .epoch = 9, .edge = 505});
	assert_ended(GODWIT_DIVERGED, 14);
}

Checked(ack, of_another_cursor_epoch, stop)
{
	subscribe(20, 5);
	ack((struct harness_ack){.cursor_epoch = epoch - 1, .seq = 5, .edge = 20});
	cr_assert_eq(COUNTED(ack_stale_epoch), 1);
	cr_assert_eq(subscription()->edge, 5, "a lower one is ignored");
	ack((struct harness_ack){.cursor_epoch = epoch + 1, .seq = 5, .edge = 20});
	cr_assert_eq(COUNTED(ack_stale_epoch), 2);
	cr_assert_null(subscription(), "the client has a newer home");
	cr_assert_eq(harness_left(&h, &p.address, GODWIT_ENDED), 0);
	ack((struct harness_ack){.seq = 5, .edge = 20});
	assert_error(GODWIT_UNKNOWN_SUBSCRIPTION, 1);
}

Checked(ack, the_identifier_never_goes_back, stop)
{
	subscribe(20, 100);
	ack((struct harness_ack){.seq = 10, .edge = 100});
	ack((struct harness_ack){.seq = 9, .edge = 100});
	cr_assert_eq(COUNTED(ack_backwards), 1);
	ack((struct harness_ack){.session = 0xdead, .seq = 15, .edge = 100});
	cr_assert_eq(COUNTED(ack_backwards), 2);
	cr_assert_eq(subscription()->acked.seq, 10);
	ack((struct harness_ack){.seq = 10, .edge = 100});
	cr_assert_eq(COUNTED(ack_backwards), 2, "the same is no step back");
}

Checked(ack, a_window_edge_is_never_taken_back, stop)
{
	subscribe(20, 10);
	ack((struct harness_ack){.seq = 5, .edge = 9});
	cr_assert_eq(COUNTED(window_taken_back), 1);
	cr_assert_eq(subscription()->edge, 10);
	ack((struct harness_ack){.seq = 5, .edge = 15});
	delivery_take(&d, &p);
	cr_assert_eq(d.covered, 15);
	ack((struct harness_ack){.seq = 6, .edge = UINT64_MAX});
	harness_turn(&h);
	delivery_take(&d, &p);
	cr_assert_eq(d.covered, 20);
	cr_assert_not(d.broken);
}

// ---- NAK ---------------------------------------------------------------------------------------

Checked(ack, a_gap_is_sent_again_marked_and_without_credit, stop)
{
	subscribe(20, 10);
	d.repairs = 0;
	d.covered = 2;
	ack((struct harness_ack){.seq = 2, .edge = 10, .naks = 1, .first = {3}, .last = {5}});
	delivery_take(&d, &p);
	cr_assert_eq(d.covered, 5);
	cr_assert_eq(d.repairs, d.packets - 1);
	cr_assert_eq(COUNTED(nak_ranges), 1);
	cr_assert_eq(COUNTED(egress_repairs), 1);
	cr_assert_eq(subscription()->repairs_active, 0);
	cr_assert_eq(subscription()->sent, 10);
}

Checked(ack, a_range_beyond_what_was_sent_is_ignored, stop)
{
	subscribe(20, 10);
	ack((struct harness_ack){
		.seq = 2, .edge = 10, .naks = 2, .first = {11, 9}, .last = {12, 11}});
	cr_assert_eq(COUNTED(nak_past_sent), 2);
	cr_assert_eq(COUNTED(nak_ranges), 0);
	cr_assert_eq(delivery_take(&d, &p), 0);
	cr_assert_eq(harness_left(&h, &p.address, GODWIT_ENDED), 0);
}

Checked(ack, a_range_is_sent_again_at_most_once_a_millisecond, stop)
{
	struct harness_ack entry = {.seq = 2, .edge = 10, .naks = 1, .first = {3}, .last = {5}};

	subscribe(20, 10);
	ack(entry);
	h.now_ns += MS - 1;
	ack(entry);
	cr_assert_eq(COUNTED(nak_too_soon), 1);
	cr_assert_eq(COUNTED(egress_repairs), 1);
	h.now_ns += 1;
	ack(entry);
	cr_assert_eq(COUNTED(nak_too_soon), 1);
	cr_assert_eq(COUNTED(egress_repairs), 2);
}

Checked(ack, a_fifth_range_waits_for_the_next_ack, stop)
{
	struct harness_ack four = {
		.seq = 0, .edge = 30, .naks = 4, .first = {1, 3, 5, 7}, .last = {1, 3, 5, 7}};
	struct harness_ack fifth = {.seq = 0, .edge = 30, .naks = 1, .first = {9}, .last = {9}};

	subscribe(20, 30);
	h.tx[0].room = 0;
	ack(four);
	ack(fifth);
	cr_assert_eq(COUNTED(nak_ranges), 4);
	cr_assert_eq(COUNTED(nak_waits), 1);
	h.tx[0].room = UINT32_MAX;
	harness_turns(&h, 3);
	cr_assert_eq(COUNTED(egress_repairs), 4);
	ack(fifth); // it was not taken up before: nothing to wait for
	harness_turn(&h);
	cr_assert_eq(COUNTED(egress_repairs), 5);
}

Checked(ack, a_range_below_the_earliest_kept_ends_with_truncated, stop)
{
	restart(&(struct harness_config){.log_bytes = 8192});
	subscribe(20, 100000);
	for (uint32_t i = 0; i < 40; i++) {
		harness_append(&h, 0, 0, 52, 20);
		harness_turn(&h);
		delivery_take(&d, &p);
	}
	harness_turns(&h, 2);
	delivery_take(&d, &p);
	cr_assert_eq(d.covered, 820);
	ack((struct harness_ack){.seq = 0, .edge = 100000, .naks = 1, .first = {1}, .last = {2}});
	assert_ended(GODWIT_TRUNCATED, log_earliest(&harness_stream(&h, 0)->log) - 1);
	cr_assert_eq(COUNTED(truncated), 1);
	cr_assert_eq(COUNTED(answer_truncated), 1);
}

Checked(ack, a_path_that_swallows_large_packets_is_cut_and_then_given_up, stop)
{
	struct harness_ack entry = {.seq = 0, .edge = 1000, .naks = 1, .first = {1}, .last = {1}};

	harness_append(&h, 0, 0, 1300, 1); // goes alone, above 1200
	subscribe(60, 1000);
	cr_assert_eq(d.covered, 61);
	cr_assert_gt(d.largest, 1350);
	for (uint32_t i = 0; i < 7; i++) {
		h.now_ns += 5 * MS;
		ack(entry);
	}
	cr_assert_eq(COUNTED(path_cut), 0);
	h.now_ns += 5 * MS;
	ack(entry);
	cr_assert_eq(COUNTED(path_cut), 1);
	delivery_take(&d, &p);
	// New packets are small now.
	d.largest = 0;
	harness_append(&h, 0, 0, 20, 100);
	harness_turns(&h, 3);
	delivery_take(&d, &p);
	cr_assert_eq(d.covered, 161);
	cr_assert_gt(d.largest, 1100);
	cr_assert_leq(d.largest, 1200);
	// The record itself does not get through, for the lapse time.
	for (uint64_t gone = 0; gone < HARNESS_LAPSE_MS; gone += 20) {
		cr_assert_eq(COUNTED(path_mtu), 0);
		cr_assert_not_null(subscription());
		h.now_ns += 20 * MS;
		ack(entry);
	}
	h.now_ns += 20 * MS;
	ack(entry);
	cr_assert_eq(COUNTED(path_mtu), 1);
	assert_error(GODWIT_PATH_MTU, 1);
	assert_ended(GODWIT_PATH_MTU, 0);
}

// ---- heartbeats --------------------------------------------------------------------------------

// Run for `ns`; check that the heartbeats in it come at `due` ms after `from_ns`, and no others.
static void assert_heartbeats(uint64_t from_ns, uint64_t until_ms, const uint64_t *due_ms,
			      uint32_t count)
{
	const struct harness_frame *frame;

	harness_pass_steps(&h, from_ns + until_ms * MS - h.now_ns, 250 * US);
	for (uint32_t i = 0; i < count; i++) {
		frame = harness_take(&h, &p.address, GODWIT_HEARTBEAT);
		cr_assert_not_null(frame, "heartbeat %u, due at %lu ms", i, due_ms[i]);
		cr_assert_geq(frame->at_ns, from_ns + due_ms[i] * MS, "%u: after %lu us", i,
			      (frame->at_ns - from_ns) / US);
		// A tick of the wheel a step, and a turn each.
		cr_assert_leq(frame->at_ns, from_ns + due_ms[i] * MS + (i + 1) * 750 * US,
			      "%u: after %lu us", i, (frame->at_ns - from_ns) / US);
	}
	cr_assert_eq(harness_left(&h, &p.address, GODWIT_HEARTBEAT), 0, "another at %lu us",
		     (harness_take(&h, &p.address, GODWIT_HEARTBEAT)->at_ns - from_ns) / US);
}

Checked(heartbeat, comes_each_interval_and_echoes_the_last_ack, stop)
{
	const uint64_t due[] = {100, 200, 300};
	uint64_t from = h.now_ns;
	const struct harness_frame *frame;

	p.ack_number = 41;
	peer_ack(&p, NULL, 0);
	assert_heartbeats(from, 350, due, 3);
	harness_pass(&h, 60 * MS);
	frame = harness_take(&h, &p.address, GODWIT_HEARTBEAT);
	cr_assert_eq(godwit_get64(((const struct godwit_heartbeat *)frame->data)->number), 42);
	cr_assert_eq(frame->bytes, sizeof(struct godwit_heartbeat));
}

Checked(heartbeat, tells_of_a_tail_after_2_ms_then_doubling_up_to_the_interval, stop)
{
	const uint64_t due[] = {2, 6, 14, 30, 62, 126, 226, 326};
	const struct godwit_heartbeat_entry *entry;
	const struct harness_frame *frame;
	uint64_t from;

	subscribe(0, 100);
	harness_append(&h, 0, 0, 20, 3);
	harness_turns(&h, 2);
	from = h.now_ns;
	harness_clear(&h);
	harness_pass(&h, 2 * MS + 500 * US);
	frame = harness_take(&h, &p.address, GODWIT_HEARTBEAT);
	cr_assert_not_null(frame);
	entry = godwit_heartbeat_entries((const void *)frame->data);
	cr_assert_eq(godwit_get64(entry->tag), 0x7001);
	cr_assert_eq(godwit_get64(entry->cursor_epoch), epoch);
	cr_assert_eq(godwit_get64(entry->sent), 3);
	cr_assert_eq(godwit_get64(entry->commit), 3);
	cr_assert_eq(godwit_get32(entry->feed_age), 0);
	assert_heartbeats(from + 500 * US, 350, due + 1, 7);
}

Checked(heartbeat, an_ack_that_covers_the_tail_ends_the_hurry, stop)
{
	const uint64_t due[] = {2, 102, 202};
	uint64_t from;

	subscribe(0, 100);
	harness_append(&h, 0, 0, 20, 3);
	harness_turns(&h, 2);
	from = h.now_ns;
	harness_clear(&h);
	assert_heartbeats(from, 3, due, 1);
	ack((struct harness_ack){.seq = 3, .edge = 103});
	assert_heartbeats(from, 250, due + 1, 2);
}

Checked(heartbeat, new_data_hurries_again, stop)
{
	const uint64_t before[] = {2, 6, 14, 30}, after[] = {2, 6, 14};
	uint64_t from;

	subscribe(0, 100);
	harness_append(&h, 0, 0, 20, 3);
	harness_turns(&h, 2);
	from = h.now_ns;
	harness_clear(&h);
	assert_heartbeats(from, 40, before, 4);
	// The application is slow to take what came: no ACK covers it yet.
	harness_append(&h, 0, 0, 20, 1);
	harness_turns(&h, 2);
	from = h.now_ns;
	assert_heartbeats(from, 20, after, 3);
}

Checked(heartbeat, data_that_flows_speaks_for_itself, stop)
{
	uint64_t before;

	subscribe(0, 1000000);
	before = COUNTED(heartbeats);
	for (uint32_t i = 0; i < 500; i++) {
		harness_append(&h, 0, 0, 20, 1);
		harness_pass(&h, 1 * MS);
		harness_clear(&h);
	}
	cr_assert_geq(COUNTED(heartbeats), before + 4);
	cr_assert_leq(COUNTED(heartbeats), before + 6);
}

Checked(heartbeat, entries_are_spread_over_frames_of_1200_bytes, stop)
{
	struct harness_request r = {0};
	const struct harness_frame *frame;

	restart(&(struct harness_config){.subscriptions_max = 64, .subscriptions_of_client = 40});
	for (r.number = 1; r.number <= 40; r.number++)
		cr_assert_not_null(harness_subscribe(&p, &r));
	harness_clear(&h);
	harness_pass(&h, 101 * MS);
	frame = harness_take(&h, &p.address, GODWIT_HEARTBEAT);
	cr_assert_eq(godwit_get16(((const struct godwit_heartbeat *)frame->data)->frame.count), 29);
	cr_assert_eq(frame->bytes, 24 + 29 * 40);
	frame = harness_take(&h, &p.address, GODWIT_HEARTBEAT);
	cr_assert_eq(godwit_get16(((const struct godwit_heartbeat *)frame->data)->frame.count), 11);
	cr_assert_eq(harness_left(&h, &p.address, GODWIT_HEARTBEAT), 0);
}

Checked(heartbeat, a_client_that_falls_silent_lapses, stop)
{
	uint64_t heard;

	subscribe(20, 10);
	peer_ack(&p, NULL, 0);
	harness_turn(&h);
	heard = h.now_ns;
	ack((struct harness_ack){.seq = 4, .edge = 10});
	harness_pass_steps(&h, HARNESS_LAPSE_MS * MS - 1, 10 * MS);
	cr_assert_eq(COUNTED(clients_lapsed), 0);
	h.now_ns = heard + HARNESS_LAPSE_MS * MS;
	harness_turn(&h);
	cr_assert_eq(COUNTED(clients_lapsed) + COUNTED(subscriptions_lapsed), 1);
	if (COUNTED(clients_lapsed) == 0)
		harness_pass(&h, 1 * MS);
	cr_assert_eq(COUNTED(clients_lapsed), 1);
	cr_assert_eq(harness_left(&h, &p.address, GODWIT_ENDED), 1);
	harness_clear(&h);
	ack((struct harness_ack){.seq = 4, .edge = 10});
	cr_assert_eq(DROPPED(classify_handle), 1);
	harness_pass(&h, 500 * MS);
	cr_assert_eq(harness_left(&h, NULL, 0), 0, "it is not sprayed any more");
}

Checked(heartbeat, a_subscription_that_a_living_client_never_names_lapses, stop)
{
	subscribe(20, 10);
	for (uint32_t i = 0; i < 12; i++) {
		peer_ack(&p, NULL, 0);
		harness_pass(&h, 100 * MS);
	}
	cr_assert_eq(COUNTED(subscriptions_lapsed), 1);
	cr_assert_eq(COUNTED(clients_lapsed), 0);
	assert_ended(GODWIT_LAPSED, 10);
}
