// SPDX-License-Identifier: BSD-3-Clause
//
// Replication over a wire that loses, doubles, swaps and delays, and what of it must not be believed.
#include "tests/unit/replication_rig.h"

// ---- frames that must not be believed -----------------------------------------------------------

Test(replication_wire, what_is_of_a_lower_epoch_is_fenced)
{
	struct godwit_replicate frame = {
		.from = {.frame = {.version = GODWIT_VERSION, .type = GODWIT_REPLICATE}},
		.first = godwit_be64(1),
		.commit = godwit_be64(7),
	};
	struct godwit_peer_ack ack = {
		.from = {.frame = {.version = GODWIT_VERSION, .type = GODWIT_PEER_ACK}},
	};

	rig_start(2, NULL);
	rig_open();
	restart_primary();
	rig_pass(100 * MS);
	cr_assert_eq(rig_sink(1)->epoch, 2);
	frame.session = ack.session = godwit_be64(rig.record.session);
	frame.from.epoch = godwit_be32(1);
	frame.from.incarnation = godwit_be64(rig.c.servers[0].incarnation);
	sink_replicate(rig_core(1), rig_of(1), cluster_peer(&rig.c, 1, 0), &frame,
		       sizeof(frame) + 16);
	cr_assert_eq(cluster_drops(&rig.c, 1, DROP_replication_fenced), 1);
	cr_assert_eq(rig_sink(1)->commit_mark, 0);
	ack.feed = godwit_be32(rig_feed(1)->request);
	ack.from.epoch = godwit_be32(1);
	ack.from.incarnation = godwit_be64(rig.c.servers[1].incarnation);
	source_ack(rig_core(0), rig_of(0), cluster_peer(&rig.c, 0, 1), &ack);
	cr_assert_eq(cluster_drops(&rig.c, 0, DROP_replication_fenced), 1);
	// A higher one is believed by reconciling.
	frame.from.epoch = godwit_be32(3);
	sink_replicate(rig_core(1), rig_of(1), cluster_peer(&rig.c, 1, 0), &frame,
		       sizeof(frame) + 16);
	cr_assert_eq(rig_sink(1)->state, SINK_RECONCILING);
	// A sequence that nobody sent.
	ack.from.epoch = godwit_be32(2);
	ack.seq = godwit_be64(99);
	source_ack(rig_core(0), rig_of(0), cluster_peer(&rig.c, 0, 1), &ack);
	cr_assert_eq(cluster_drops(&rig.c, 0, DROP_replication_ack_past_sent), 1);
	// Of a feed that was.
	ack.seq = godwit_be64(0);
	ack.feed = godwit_be32(rig_feed(1)->request - 1);
	source_ack(rig_core(0), rig_of(0), cluster_peer(&rig.c, 0, 1), &ack);
	cr_assert_eq(cluster_drops(&rig.c, 0, DROP_replication_ack_old), 1);
	rig_stop();
}

static struct godwit_reconcile answered;

static bool see_answer(struct cluster *c, uint32_t from, uint32_t to, uint8_t *bytes,
		       uint32_t *length)
{
	const struct godwit_reconcile *frame = (const void *)bytes;

	(void)c, (void)length;
	if (from == 1 && to == 2 && bytes[1] == GODWIT_RECONCILE)
		answered = *frame;
	return true;
}

// As of a server that is configured otherwise.
Test(replication_wire, a_replica_feeds_nobody_but_its_primary)
{
	struct godwit_reconcile asks = {
		.from = {.frame = {.version = GODWIT_VERSION, .type = GODWIT_RECONCILE}},
		.request = godwit_be32(77),
	};

	rig_start(3, NULL);
	rig_open();
	rig_publish(5, 100);
	rig_pass(10 * MS);
	asks.session = godwit_be64(rig.record.session);
	asks.from.incarnation = godwit_be64(rig.c.servers[2].incarnation);
	rig.c.filter = see_answer;
	source_reconcile(rig_core(1), rig_of(1), cluster_peer(&rig.c, 1, 2), &asks);
	rig_pass(5 * MS);
	cr_assert_eq(godwit_get32(answered.request), 77);
	cr_assert_eq(godwit_get16(answered.code), GODWIT_RECONCILE_NOT_PRIMARY);
	cr_assert_eq(cluster_drops(&rig.c, 2, DROP_replication_not_source), 1);
	cr_assert_eq(rig_sink(2)->state, SINK_FOLLOWING);
	rig_stop();
}

// It was on its way through another core when its sender was started again, or comes of the one that we have
// not reconciled with yet.
Test(replication_wire, records_and_marks_of_another_process_of_the_source_are_not_taken)
{
	struct godwit_replicate frame = {
		.from = {.frame = {.version = GODWIT_VERSION, .type = GODWIT_REPLICATE}},
		.first = godwit_be64(6),
		.commit = godwit_be64(5),
	};

	rig_start(2, NULL);
	rig_open();
	silence(true);
	rig_publish(5, 100);
	rig_pass(5 * MS);
	cr_assert_eq(rig_end(1), 5);
	frame.session = godwit_be64(rig.record.session);
	frame.from.epoch = godwit_be32(rig_sink(1)->epoch);
	for (uint64_t i = 0; i < 2; i++) {
		frame.from.incarnation = godwit_be64(rig_sink(1)->incarnation - 1 + 2 * i);
		sink_replicate(rig_core(1), rig_of(1), cluster_peer(&rig.c, 1, 0), &frame,
			       sizeof(frame) + GODWIT_MAC_BYTES);
		rig_pass(RIG_STEP);
		cr_assert_eq(cluster_drops(&rig.c, 1, DROP_replication_not_source), i + 1);
		cr_assert_eq(rig_commit(1), 0, "nobody in force said so");
	}
	silence(false);
	rig_pass(30 * MS);
	cr_assert_eq(rig_commit(1), 5);
	rig_stop();
}

// ---- bad wires ---------------------------------------------------------------------------------

// Frames kept back and sent again by the wire below.
static struct {
	uint8_t bytes[2048];
	uint32_t length, from, to;
} kept[8];
static uint64_t dice_state;
static bool reinjecting;

static uint32_t dice(uint32_t n)
{
	uint64_t z = (dice_state += 0x9e3779b97f4a7c15ull);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	return (uint32_t)((z ^ z >> 31) % n);
}

// Loses, doubles, and swaps.
static bool bad_wire(struct cluster *c, uint32_t from, uint32_t to, uint8_t *bytes,
		     uint32_t *length)
{
	uint32_t roll = dice(100), slot = dice(8);

	if (reinjecting)
		return true;
	if (roll < 15)
		return false;
	if (roll < 35) {
		reinjecting = true;
		if (kept[slot].length > 0)
			cluster_inject(c, kept[slot].from, kept[slot].to, kept[slot].bytes,
				       kept[slot].length);
		reinjecting = false;
		memcpy(kept[slot].bytes, bytes, *length);
		kept[slot].length = *length;
		kept[slot].from = from;
		kept[slot].to = to;
		return roll < 25; // it is sent again later, or only later
	}
	return true;
}

Test(replication_wire, lost_doubled_and_swapped_frames_change_nothing)
{
	for (uint64_t seed = 1; seed <= 4; seed++) {
		memset(&rig, 0, sizeof(rig));
		memset(kept, 0, sizeof(kept));
		dice_state = seed;
		rig_start(3, NULL);
		rig_open();
		rig.c.filter = bad_wire;
		for (uint32_t i = 0; i < 400; i++) {
			rig_publish(1 + dice(5), 8 + dice(200));
			rig_pass(RIG_STEP);
			if (i % 50 == 0)
				harness_clear(cluster_harness(&rig.c, 0));
		}
		rig_pass(500 * MS);
		rig.c.filter = NULL;
		rig_pass(500 * MS);
		cr_assert_eq(rig_end(0), rig.number, "seed %lu", seed);
		cr_assert_eq(rig_commit(0), rig.number, "seed %lu", seed);
		for (uint32_t i = 1; i < 3; i++) {
			rig_assert_alike(0, i);
			cr_assert_eq(rig_commit(i), rig.number);
			cr_assert_eq(cluster_count(&rig.c, i, COUNTER_sink_resets), 1);
		}
		cr_assert_gt(cluster_count(&rig.c, 0, COUNTER_replicate_repairs), 0);
		cr_assert_gt(cluster_count(&rig.c, 1, COUNTER_replicate_repeats), 0);
		cr_assert_gt(cluster_count(&rig.c, 1, COUNTER_replicate_gaps), 0);
		rig_stop();
	}
}

static struct {
	uint8_t bytes[2048];
	uint32_t length;
} delayed;

// Three records are late, two more are lost; then all five are sent again, and the three are there just before.
static bool wire_that_is_late(struct cluster *c, uint32_t from, uint32_t to, uint8_t *bytes,
			      uint32_t *length)
{
	const struct godwit_frame *frame = (const void *)bytes;
	uint32_t count = bytes[1] == GODWIT_REPLICATE ? godwit_get16(frame->count) : 0;

	if (count == 3) {
		memcpy(delayed.bytes, bytes, *length);
		delayed.length = *length;
	} else if (count == 5) {
		cluster_inject(c, from, to, delayed.bytes, delayed.length);
	}
	return count == 0 || count == 5;
}

Test(replication_wire, of_a_frame_that_is_held_in_part_the_rest_is_taken_with_its_numbers)
{
	rig_start(2, NULL);
	rig_open();
	rig.c.filter = wire_that_is_late;
	rig_publish(3, 50);
	rig_turns(1);
	rig_publish(2, 50);
	rig_pass(50 * MS);
	cr_assert_gt(delayed.length, 0);
	cr_assert_eq(rig_end(1), 5);
	cr_assert_eq(rig_commit(0), 5);
	rig_assert_alike(0, 1);
	rig_stop();
}
