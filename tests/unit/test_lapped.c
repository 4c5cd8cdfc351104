// SPDX-License-Identifier: BSD-3-Clause
//
// Logs that lap their readers: before a record is looked at, and while it is being copied.
#include "dispatch_rig.h"

TestSuite(lapped, .init = start);

// ---- logs that lap -----------------------------------------------------------------------------

// The log goes twice around within a turn: what waits is gone before it is looked at.
static void lap(void)
{
	append(300);
	h.tx[0].room = UINT32_MAX;
	harness_turns(&h, 3);
}

static void lap_temporary(bool filtered)
{
	struct subscription *s;

	restart(&(struct harness_config){.log_bytes = 8192});
	append(50);
	harness_turn(&h);
	s = subscribe(filtered, GODWIT_START_EARLIEST, 2);
	harness_turns(&h, 2);
	cr_assert(s->temporary.active);
	delivery_take(&d, &p);
	cr_assert_leq(d.covered, 3);
	lap(); // its window is closed
	if (harness_left(&h, &p.address, GODWIT_ENDED) == 0)
		ack(d.covered, 10000);
	harness_turns(&h, 2);
	delivery_take(&d, &p);
	cr_assert_not(d.broken, "what was overwritten is not sent");
	assert_truncated();
}

Checked(lapped, the_log_laps_a_temporary_dispatcher, stop)
{
	lap_temporary(false);
}

Checked(lapped, the_log_laps_a_filtered_temporary_dispatcher, stop)
{
	lap_temporary(true);
}

static void lap_ring(bool filtered)
{
	struct subscription *s;

	restart(&(struct harness_config){.log_bytes = 8192, .ring_slots = 256});
	s = subscribe(filtered, GODWIT_START_LATEST, 1000000);
	append(3);
	harness_turns(&h, 3);
	delivery_take(&d, &p);
	cr_assert_eq(s->state, SUBSCRIPTION_LIVE);
	h.tx[0].room = 0;
	append(9);
	harness_turn(&h);
	cr_assert_gt(client_ring_count(&s->ring), 0);
	lap();
	cr_assert_eq(COUNTED(ring_full), 0);
	cr_assert_eq(delivery_take(&d, &p), 0);
	assert_truncated();
	cr_assert_geq(COUNTED(egress_lapped), 1);
	cr_assert_gt(COUNTED(dispatch_refused), 0);
}

Checked(lapped, the_log_laps_a_ring, stop)
{
	lap_ring(false);
}

Checked(lapped, the_log_laps_a_filtered_ring, stop)
{
	lap_ring(true);
}

static void lap_repair(bool filtered)
{
	struct harness_ack entry = {
		.number = 1, .edge = 1000000, .naks = 1, .first = {1}, .last = {2}};

	restart(&(struct harness_config){.log_bytes = 8192});
	append(30);
	harness_turn(&h);
	subscribe(filtered, GODWIT_START_EARLIEST, 1000000);
	harness_turns(&h, 3);
	delivery_take(&d, &p);
	entry.cursor_epoch = d.cursor_epoch;
	h.tx[0].room = 0;
	peer_ack(&p, &entry, 1);
	harness_turn(&h);
	cr_assert_eq(COUNTED(nak_ranges), 1);
	lap();
	assert_truncated();
}

Checked(lapped, the_log_laps_a_repair, stop)
{
	lap_repair(false);
}

Checked(lapped, the_log_laps_a_filtered_repair, stop)
{
	lap_repair(true);
}

// The home core's writer overtakes a packet that is being built: it is looked at again after the copy.
static void overtake(void)
{
	append(300);
}

static void assert_overtaken(void)
{
	cr_assert_eq(harness_left(&h, &p.address, GODWIT_DATA), 0);
	assert_truncated();
	cr_assert_eq(COUNTED(egress_lapped), 1);
}

static void overtake_ring(bool filtered)
{
	restart(&(struct harness_config){.log_bytes = 8192});
	subscribe(filtered, GODWIT_START_LATEST, 1000000);
	harness_turns(&h, 3);
	append(9);
	h.tx[0].meanwhile = overtake;
	harness_turn(&h);
	assert_overtaken();
}

Checked(lapped, the_writer_overtakes_a_packet_from_a_ring, stop)
{
	overtake_ring(false);
}

Checked(lapped, the_writer_overtakes_a_packet_from_a_filtered_ring, stop)
{
	overtake_ring(true);
}

// At the packet after this one.
static void overtake_next(void)
{
	h.tx[0].meanwhile = overtake;
}

// The second of two clients with equal packets: what they have in common was worked out for the first,
// so only the look after the copy tells.
static void overtake_second(bool filtered)
{
	struct client_peer other;
	struct harness_request r = {.number = 1,
				    .window = 1000000,
				    .topics = filtered ? wanted : NULL,
				    .topics_count = filtered ? 1 : 0};

	restart(&(struct harness_config){.log_bytes = 8192});
	other = harness_peer(&h, 0, 2, 2, 1);
	cr_assert(harness_connect(&other, NULL));
	cr_assert_not_null(harness_subscribe(&other, &r));
	subscribe(filtered, GODWIT_START_LATEST, 1000000);
	harness_turns(&h, 3);
	harness_clear(&h);
	append(9);
	h.tx[0].meanwhile = overtake_next;
	harness_turn(&h);
	cr_assert_eq(harness_left(&h, NULL, GODWIT_DATA), 1);
	cr_assert_eq(harness_left(&h, NULL, GODWIT_ENDED), 1);
	cr_assert_eq(COUNTED(egress_lapped), 1);
	cr_assert_eq(COUNTED(truncated), 1);
}

Checked(lapped, the_writer_overtakes_the_second_of_two_equal_packets, stop)
{
	overtake_second(false);
}

Checked(lapped, the_writer_overtakes_the_second_of_two_equal_filtered_packets, stop)
{
	overtake_second(true);
}

static void overtake_temporary(bool filtered)
{
	struct harness_request r = {.number = 1,
				    .start = GODWIT_START_EARLIEST,
				    .window = 1000000,
				    .topics = filtered ? wanted : NULL,
				    .topics_count = filtered ? 1 : 0};

	restart(&(struct harness_config){.log_bytes = 8192});
	append(30);
	harness_turn(&h);
	harness_clear(&h);
	peer_subscribe(&p, &r);
	// SUBSCRIBED goes first; the port takes that alone, so that the next packet begun is DATA.
	h.tx[0].room = 1;
	harness_turn(&h);
	h.tx[0].room = UINT32_MAX;
	h.tx[0].meanwhile = overtake;
	harness_turn(&h);
	assert_overtaken();
}

Checked(lapped, the_writer_overtakes_a_packet_of_a_replay, stop)
{
	overtake_temporary(false);
}

Checked(lapped, the_writer_overtakes_a_packet_of_a_filtered_replay, stop)
{
	overtake_temporary(true);
}
