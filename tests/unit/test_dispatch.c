// SPDX-License-Identifier: BSD-3-Clause
//
// The dispatchers on a core: live delivery, rings that overflow, ports that take no more, coverage of
// quiet filters, epochs and time in packets.
#include "dispatch_rig.h"

TestSuite(dispatch, .init = start);

// ---- rings that overflow -----------------------------------------------------------------------

static void overflow_and_catch_up(bool filtered)
{
	struct subscription *s;
	uint64_t matches = 0;

	restart(&(struct harness_config){.ring_slots = 4, .temporary_budget = 4096});
	s = subscribe(filtered, GODWIT_START_LATEST, 1000000);
	append(3);
	harness_turns(&h, 3);
	matches += 1;
	delivery_take(&d, &p);
	cr_assert_eq(d.covered, 3);
	cr_assert_eq(s->state, SUBSCRIPTION_LIVE);
	// The port takes nothing while twenty packets' worth arrives.
	h.tx[0].room = 0;
	for (uint32_t i = 0; i < 20; i++) {
		append(30);
		harness_turn(&h);
	}
	matches += 200;
	cr_assert_eq(COUNTED(ring_full), 1);
	cr_assert_eq(s->state, SUBSCRIPTION_LAGGING);
	cr_assert_not(s->joined);
	cr_assert_geq(COUNTED(tx_full), 20);
	// While it catches up, more comes, too.
	h.tx[0].room = UINT32_MAX;
	for (uint32_t i = 0; i < 10; i++) {
		append(3);
		matches++;
		harness_turn(&h);
	}
	harness_turns(&h, 20);
	delivery_take(&d, &p);
	cr_assert_eq(d.records, filtered ? matches : 633);
	cr_assert_not(d.broken);
	cr_assert_eq(s->state, SUBSCRIPTION_LIVE);
	cr_assert_geq(COUNTED(temporary_spawned), 2);
	cr_assert_eq(COUNTED(temporary_spawned), COUNTED(temporary_retired));
	append(1);
	harness_turns(&h, 2);
	delivery_take(&d, &p);
	cr_assert_eq(d.covered, 634);
}

Checked(dispatch, a_full_ring_makes_it_lag_and_it_catches_up_exactly, stop)
{
	overflow_and_catch_up(false);
}

Checked(dispatch, a_full_ring_of_a_filter_catches_up_exactly, stop)
{
	overflow_and_catch_up(true);
}

Checked(dispatch, it_joins_in_the_middle_of_a_paused_fan_out, stop)
{
	struct client_peer others[5];
	struct harness_request r = {.number = 1, .start = GODWIT_START_EARLIEST, .window = 1000000};
	struct delivery deliveries[5];

	restart(&(struct harness_config){.live_budget = 2});
	for (uint8_t i = 0; i < 5; i++) {
		others[i] = harness_peer(&h, 0, (uint8_t)(i + 2), i + 2u, 1);
		cr_assert(harness_connect(&others[i], NULL));
		append(7);
		deliveries[i] = delivery_start(harness_subscribe(&others[i], &r));
	}
	for (uint32_t i = 0; i < 30; i++) {
		append(5);
		harness_turn(&h);
	}
	harness_turns(&h, 200);
	cr_assert_gt(COUNTED(live_pauses), 0);
	for (uint8_t i = 0; i < 5; i++) {
		cr_assert_eq(delivery_take(&deliveries[i], &others[i]), 185);
		cr_assert_not(deliveries[i].broken);
	}
}

// The live dispatcher has read to the end of an interval that was open then; since, the next one began
// above the commit. Whoever comes now stands at the same sequence, one cut further. The model found that
// it did not join.
Checked(dispatch, it_joins_where_the_next_interval_began_above_the_commit, stop)
{
	struct client_peer other = harness_peer(&h, 0, 2, 2, 1);
	struct harness_request r = {.number = 1, .window = 1000000};
	struct delivery late;
	struct subscription *s;

	subscribe(false, GODWIT_START_LATEST, 1000000);
	cr_assert(harness_connect(&other, NULL));
	append(godwit_slice_bytes(HARNESS_MTU) / 64); // one interval, full
	harness_turns(&h, 3);
	harness_stream(&h, 0)->commit_held = true;
	append(1);
	harness_turns(&h, 2);
	late = delivery_start(harness_subscribe(&other, &r));
	harness_turns(&h, 3);
	s = subscription_find(harness_core(&h, 0), core_client(harness_core(&h, 0), other.handle),
			      1);
	cr_assert_eq(s->state, SUBSCRIPTION_LIVE);
	harness_stream(&h, 0)->commit_held = false;
	harness_turns(&h, 3);
	cr_assert_eq(delivery_take(&late, &other), 1);
	delivery_take(&d, &p);
	cr_assert_eq(d.covered, late.covered);
}

// The member at which a paused fan-out would go on leaves: the next one is served instead.
Checked(dispatch, the_next_member_of_a_paused_fan_out_leaves, stop)
{
	struct client_peer peers[3];
	struct delivery deliveries[3];
	struct harness_request r = {.number = 1, .window = 1000000};

	restart(&(struct harness_config){.live_budget = 2});
	for (uint8_t i = 0; i < 3; i++) {
		peers[i] = harness_peer(&h, 0, (uint8_t)(i + 2), i + 2u, 1);
		cr_assert(harness_connect(&peers[i], NULL));
		deliveries[i] = delivery_start(harness_subscribe(&peers[i], &r));
		harness_turns(&h, 3);
	}
	// A cut and the newest member; the one before it is next.
	append(9);
	harness_turn(&h);
	cr_assert_eq(COUNTED(live_pauses), 1);
	peer_unsubscribe(&peers[1], 1);
	harness_turns(&h, 20);
	for (uint8_t i = 0; i < 3; i += 2) {
		delivery_take(&deliveries[i], &peers[i]);
		cr_assert_eq(deliveries[i].records, 9);
		cr_assert_not(deliveries[i].broken);
	}
	cr_assert_eq(COUNTED(dispatch_taken), 18);
}

// ---- ports and routes --------------------------------------------------------------------------

Checked(dispatch, a_port_that_is_full_in_the_middle_loses_nothing, stop)
{
	struct client_peer peers[6];
	struct harness_request r = {.number = 1, .window = 1000000};
	struct delivery deliveries[6];

	for (uint8_t i = 0; i < 6; i++) {
		peers[i] = harness_peer(&h, 0, (uint8_t)(i + 2), i + 2u, 1);
		cr_assert(harness_connect(&peers[i], NULL));
		r.topics = i % 2 ? wanted : NULL;
		r.topics_count = i % 2;
		deliveries[i] = delivery_start(harness_subscribe(&peers[i], &r));
	}
	harness_turns(&h, 3);
	h.tx[0].room = 2;
	for (uint32_t i = 0; i < 60; i++) {
		append(9);
		harness_turn(&h);
	}
	cr_assert_geq(COUNTED(tx_full), 10);
	h.tx[0].room = UINT32_MAX;
	harness_turns(&h, 10);
	for (uint8_t i = 0; i < 6; i++) {
		cr_assert_eq(delivery_take(&deliveries[i], &peers[i]), i % 2 ? 180 : 540, "%u", i);
		cr_assert_not(deliveries[i].broken);
	}
}

Checked(dispatch, a_neighbour_that_is_not_known_yet_is_tried_again, stop)
{
	subscribe(false, GODWIT_START_LATEST, 1000);
	harness_turns(&h, 2);
	h.tx[0].no_route = true;
	append(10);
	harness_turns(&h, 3);
	cr_assert_eq(delivery_take(&d, &p), 0);
	cr_assert_eq(COUNTED(tx_no_route), 1, "once, not each turn");
	harness_pass_steps(&h, 60 * MS, MS);
	cr_assert_geq(COUNTED(tx_no_route), 4);
	cr_assert_leq(COUNTED(tx_no_route), 20);
	h.tx[0].no_route = false;
	harness_pass_steps(&h, HARNESS_INTERVAL_MS * MS + 2 * MS, MS);
	cr_assert_eq(delivery_take(&d, &p), 10);
	cr_assert_not(d.broken);
}

static void assert_idle(bool filtered)
{
	uint64_t idle;

	subscribe(filtered, GODWIT_START_LATEST, 1000);
	harness_turns(&h, 5);
	idle = COUNTED(turns_idle);
	harness_turns(&h, 20);
	cr_assert_eq(COUNTED(turns_idle), idle + 20);
}

Checked(dispatch, a_quiet_core_is_idle, stop)
{
	assert_idle(false);
	append(10);
	assert_idle(false);
}

Checked(dispatch, a_quiet_core_with_a_filter_is_idle, stop)
{
	assert_idle(true);
	append(10);
	assert_idle(true);
}

// A fan-out that pauses between the runs of one slice: what was queued goes out before the slice is
// done, and its packet covers at least what it holds. The simulator found a packet that did not.
Checked(dispatch, a_packet_of_a_paused_fan_out_covers_its_records, stop)
{
	for (uint32_t budget = 1; budget <= 3; budget++) {
		restart(&(struct harness_config){.live_budget = budget});
		subscribe(true, GODWIT_START_LATEST, 1000000);
		harness_turns(&h, 2);
		// A slice that is done waits for the port; the next one is paused between its runs.
		h.tx[0].room = 0;
		append(9);
		harness_turns(&h, 20);
		append(9);
		harness_turn(&h);
		h.tx[0].room = UINT32_MAX;
		harness_turns(&h, 100);
		delivery_take(&d, &p);
		cr_assert_eq(d.records, 6, "budget %u: %lu records", budget, d.records);
		cr_assert_not(d.broken, "budget %u", budget);
		cr_assert_geq(COUNTED(live_pauses), 1);
	}
}

// ---- coverage ----------------------------------------------------------------------------------

// Messages of another topic, a turn each.
static void pass_by(uint32_t count)
{
	while (count-- > 0) {
		harness_append(&h, 0, 1, 20, 1);
		harness_turns(&h, 2);
	}
}

Checked(dispatch, a_quiet_filter_is_covered_each_quarter_of_its_window, stop)
{
	subscribe(true, GODWIT_START_LATEST, 40);
	harness_turns(&h, 2);
	for (uint32_t quarter = 1; quarter <= 5; quarter++) {
		pass_by(9);
		delivery_take(&d, &p);
		cr_assert_eq(d.covered, (quarter - 1) * 10, "%lu", d.covered);
		pass_by(1);
		delivery_take(&d, &p);
		cr_assert_eq(d.covered, quarter * 10, "%lu", d.covered);
	}
	cr_assert_eq(COUNTED(coverage), 5);
	// A match counts as well, and the next quarter begins behind it.
	ack(50, 90);
	pass_by(4);
	harness_append(&h, 0, 5, 20, 1);
	harness_turns(&h, 2);
	delivery_take(&d, &p);
	cr_assert_eq(d.covered, 55, "%lu", d.covered);
	cr_assert_eq(d.records, 1);
	pass_by(9);
	delivery_take(&d, &p);
	cr_assert_eq(d.covered, 55, "%lu", d.covered);
	pass_by(1);
	delivery_take(&d, &p);
	cr_assert_eq(d.covered, 65);
	cr_assert_not(d.broken);
}

Checked(dispatch, a_quiet_filter_is_covered_with_each_heartbeat, stop)
{
	subscribe(true, GODWIT_START_LATEST, 100000);
	harness_turns(&h, 2);
	pass_by(7);
	cr_assert_eq(delivery_take(&d, &p), 0);
	cr_assert_eq(d.covered, 0);
	harness_pass_steps(&h, (HARNESS_INTERVAL_MS + 1) * MS, MS);
	delivery_take(&d, &p);
	cr_assert_eq(d.covered, 7);
	cr_assert_eq(d.coverages, 1);
	cr_assert_eq(COUNTED(coverage), 1);
	// Nothing new: nothing to say.
	ack(7, 100000);
	harness_pass_steps(&h, 3 * HARNESS_INTERVAL_MS * MS, 10 * MS);
	delivery_take(&d, &p);
	cr_assert_eq(COUNTED(coverage), 1);
}

Checked(dispatch, coverage_goes_outside_credit_and_ends_before_the_next_match, stop)
{
	subscribe(true, GODWIT_START_LATEST, 4);
	harness_turns(&h, 2);
	harness_append(&h, 0, 1, 20, 30);
	harness_append(&h, 0, 5, 20, 1); // 31: above the edge
	harness_append(&h, 0, 1, 20, 5);
	harness_turns(&h, 3);
	delivery_take(&d, &p);
	cr_assert_eq(d.covered, 30);
	cr_assert_eq(d.records, 0);
	harness_pass_steps(&h, 250 * MS, MS);
	delivery_take(&d, &p);
	cr_assert_eq(d.covered, 30, "not past what it did not get");
	ack(30, 34);
	harness_turns(&h, 2);
	cr_assert_eq(delivery_take(&d, &p), 1);
	cr_assert_geq(d.covered, 31);
	cr_assert_not(d.broken);
}

Checked(dispatch, coverage_ends_at_the_commit, stop)
{
	struct stream *stream = harness_stream(&h, 0);

	subscribe(true, GODWIT_START_LATEST, 100000);
	harness_turns(&h, 2);
	pass_by(3);
	stream->commit_held = true;
	pass_by(5);
	harness_pass_steps(&h, 101 * MS, MS);
	delivery_take(&d, &p);
	cr_assert_eq(d.covered, 3);
	stream->commit_held = false;
	harness_pass_steps(&h, 101 * MS, MS);
	delivery_take(&d, &p);
	cr_assert_eq(d.covered, 8);
}

Checked(dispatch, coverage_does_not_go_beyond_an_epochs_end, stop)
{
	const struct harness_frame *frame;
	const struct godwit_data *data;

	subscribe(true, GODWIT_START_LATEST, 100000);
	harness_turns(&h, 2);
	pass_by(4);
	stream_begin_epoch(harness_stream(&h, 0), 3);
	pass_by(5);
	harness_clear(&h);
	harness_pass_steps(&h, 101 * MS, MS);
	frame = harness_take(&h, &p.address, GODWIT_DATA);
	cr_assert_not_null(frame);
	data = (const void *)frame->data;
	cr_assert_eq(godwit_get64(data->covers_from), 1);
	cr_assert_eq(godwit_get32(data->covers), 4);
	cr_assert_eq(godwit_get32(data->epoch), 1);
	// The other epoch's goes at once, and apart.
	frame = harness_take(&h, &p.address, GODWIT_DATA);
	cr_assert_not_null(frame);
	data = (const void *)frame->data;
	cr_assert_eq(godwit_get64(data->covers_from), 5);
	cr_assert_eq(godwit_get32(data->covers), 5);
	cr_assert_eq(godwit_get32(data->epoch), 3);
}

// ---- epochs and time ---------------------------------------------------------------------------

// Twelve records in three epochs, 0.7 s apart, topic 5 each second one.
static void append_slowly(bool turns)
{
	h.server.lapse_ms = 60000;
	for (uint32_t i = 0; i < 12; i++) {
		if (i == 4 || i == 9)
			stream_begin_epoch(harness_stream(&h, 0), 2 + i);
		harness_append(&h, 0, i % 2 == 0 ? 5 : 1, 20, 1);
		h.now_ns += 700 * MS;
		if (turns) {
			peer_ack(&p, NULL, 0);
			harness_turn(&h);
		}
	}
	harness_turns(&h, 3);
}

static void assert_slow(bool filtered)
{
	delivery_take(&d, &p);
	cr_assert_not(d.broken, "a packet spans epochs or 2 s, or states a wrong time");
	cr_assert_eq(d.records, filtered ? 6 : 12);
	cr_assert_eq(d.last_epoch, 11);
	cr_assert_eq(d.last_time_ns, HARNESS_WALL_NS + h.now_ns - (filtered ? 2 : 1) * 700 * MS);
}

Checked(dispatch, no_packet_of_a_replay_spans_epochs_or_two_seconds, stop)
{
	append_slowly(false);
	subscribe(false, GODWIT_START_EARLIEST, 1000);
	harness_turns(&h, 3);
	assert_slow(false);
}

Checked(dispatch, no_packet_of_a_filtered_replay_spans_epochs_or_two_seconds, stop)
{
	append_slowly(false);
	subscribe(true, GODWIT_START_EARLIEST, 1000);
	harness_turns(&h, 3);
	assert_slow(true);
}

static void wait_for_window(bool filtered)
{
	restart(&(struct harness_config){.ring_slots = 64});
	subscribe(filtered, GODWIT_START_LATEST, 1);
	harness_turns(&h, 3);
	ack(0, 0);
	h.tx[0].room = 0; // so that all of it waits on the ring
	append_slowly(true);
	h.tx[0].room = UINT32_MAX;
	ack(0, 1000);
	harness_turns(&h, 3);
	assert_slow(filtered);
}

Checked(dispatch, no_packet_from_a_ring_spans_epochs_or_two_seconds, stop)
{
	wait_for_window(false);
}

Checked(dispatch, no_packet_from_a_filtered_ring_spans_epochs_or_two_seconds, stop)
{
	wait_for_window(true);
}

Checked(dispatch, no_filtered_repair_spans_epochs_or_two_seconds, stop)
{
	struct harness_ack entry = {
		.number = 1, .edge = 1000, .naks = 1, .first = {1}, .last = {12}};

	append_slowly(false);
	subscribe(true, GODWIT_START_EARLIEST, 1000);
	harness_turns(&h, 4);
	harness_pass_steps(&h, 3 * MS, MS);
	delivery_take(&d, &p);
	entry.cursor_epoch = d.cursor_epoch;
	d = (struct delivery){.tag = d.tag, .cursor_epoch = d.cursor_epoch};
	entry.last[0] = harness_core(&h, 0)->subscriptions[0].sent;
	peer_ack(&p, &entry, 1);
	h.now_ns -= 3 * MS;
	harness_turns(&h, 4);
	cr_assert_gt(d.repairs + COUNTED(egress_repairs), 0);
	delivery_take(&d, &p);
	cr_assert_not(d.broken);
	cr_assert_eq(d.records, 6);
}
