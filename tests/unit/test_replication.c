// SPDX-License-Identifier: BSD-3-Clause
//
// Replication between servers in one process: the feed, its losses, the commit, catching up.
#include "tests/unit/replication_rig.h"

Test(replication, records_arrive_identical_and_are_committed_everywhere)
{
	rig_start(3, NULL);
	cr_assert_eq(rig.record.count, 3, "both replicas were proposed and taken in");
	rig_open();
	for (uint32_t i = 0; i < 20; i++) {
		rig_publish(1 + i % 7, 20 + 9 * i);
		rig_turns(1);
	}
	rig_pass(20 * MS);
	cr_assert_eq(rig_end(0), rig.number);
	cr_assert_eq(rig_commit(0), rig_end(0));
	for (uint32_t i = 1; i < 3; i++) {
		rig_assert_alike(0, i);
		cr_assert_eq(rig_commit(i), rig_end(0), "by a mark without a record");
	}
	rig_stop();
}

// What server 1 says to the primary is lost, or not.
static void silence(bool silent)
{
	if (silent)
		cluster_cut(&rig.c, 1, 0);
	else
		cluster_mend(&rig.c, 1, 0);
}

Test(replication, the_commit_is_the_lowest_acknowledgement_of_the_set)
{
	rig_start(3, NULL);
	rig_open();
	silence(true);
	rig_publish(5, 100);
	rig_pass(20 * MS);
	cr_assert_eq(rig_end(2), 5);
	cr_assert_eq(rig_end(1), 5);
	cr_assert_eq(rig_commit(0), 0, "one of the set has not said that it holds them");
	cr_assert_eq(rig_commit(2), 0);
	silence(false);
	rig_pass(30 * MS);
	cr_assert_eq(rig_commit(0), 5, "the tail was told of again, and acknowledged again");
	cr_assert_eq(rig_commit(2), 5);
	rig_stop();
}

Test(replication, only_a_record_without_it_drops_a_member_from_the_minimum)
{
	rig_start(3, NULL);
	rig_open();
	cluster_kill(&rig.c, 1);
	rig_publish(5, 100);
	rig_pass(300 * MS);
	cr_assert_eq(rig_commit(0), 0);
	cluster_peer(&rig.c, 0, 1)->verdict = PEER_DEAD;
	rig_pass(10 * MS);
	cr_assert_eq(rig_commit(0), 0, "dead, and still in the record");
	rig_expel_dead();
	rig_pass(10 * MS);
	cr_assert_eq(rig_commit(0), 5);
	cr_assert_eq(rig_commit(2), 5);
	rig_stop();
}

Test(replication, the_commit_stands_still_below_min_in_sync)
{
	rig.min_in_sync = 2;
	rig_start(2, NULL);
	rig_open();
	rig_publish(5, 100);
	rig_pass(10 * MS);
	cr_assert_eq(rig_commit(0), 5);
	cluster_kill(&rig.c, 1);
	rig_expel_dead();
	rig_publish(5, 100);
	rig_pass(50 * MS);
	cr_assert_eq(rig_end(0), 10);
	cr_assert_eq(rig_commit(0), 5);
	cluster_restart(&rig.c, 1);
	rig_pass(200 * MS);
	cr_assert_eq(rig.record.count, 2);
	cr_assert_eq(rig_commit(0), 10);
	rig_assert_alike(0, 1);
	rig_stop();
}

Test(replication, who_is_proposed_counts_before_the_record_has_it)
{
	rig.idle = true;
	rig_start(2, NULL);
	cr_assert_eq(rig.record.count, 1);
	cr_assert_gt(rig.proposed, 0);
	cr_assert_eq(rig_of(0)->proposed, 1);
	rig_open();
	silence(true);
	rig_publish(5, 100);
	rig_pass(50 * MS);
	cr_assert_eq(rig_commit(0), 0);
	// A record that was made before the proposal was seen does not end it.
	rig_write();
	rig_pass(10 * MS);
	cr_assert_eq(rig_of(0)->proposed, 1);
	cr_assert_eq(rig_commit(0), 0);
	// One that answers it does.
	rig.record.proposals = rig_of(0)->proposals;
	rig_write();
	rig_pass(2 * RIG_STEP);
	cr_assert_eq(rig_commit(0), 5);
	rig_stop();
}

Test(replication, acknowledged_in_the_turn_of_the_append_and_committed_in_the_turn_of_the_ack)
{
	rig_start(2, NULL);
	rig_open();
	rig_publish(1, 100);
	rig_turns(1);
	cr_assert_eq(rig_end(0), 1);
	rig_turns(1); // server 1 has its turn after server 0
	cr_assert_eq(rig_end(1), 1);
	cr_assert_eq(rig_commit(0), 1);
	cr_assert_eq(rig_commit(1), 1, "told in the same turn, without a record");
	cr_assert_gt(cluster_count(&rig.c, 0, COUNTER_replicate_marks), 0);
	rig_stop();
}

Test(replication, a_replica_that_was_away_catches_up)
{
	rig_start(3, NULL);
	rig_open();
	cluster_isolate(&rig.c, 1, true);
	cluster_peer(&rig.c, 0, 1)->verdict = PEER_DEAD;
	rig_put_out(1);
	rig_write();
	for (uint32_t i = 0; i < 400; i++) {
		rig_publish(4, 200);
		rig_pass(RIG_STEP);
		if (i % 50 == 0)
			harness_clear(cluster_harness(&rig.c, 0));
	}
	rig_pass(5 * MS);
	cr_assert_eq(rig_commit(0), 1600);
	cr_assert_eq(rig_end(1), 0);
	cr_assert_eq(publishers_base_seq(rig_stream(0)->publishers), 1600, "runs are gone");
	cluster_isolate(&rig.c, 1, false);
	cluster_peer(&rig.c, 0, 1)->verdict = PEER_UP;
	rig_pass(300 * MS);
	rig_assert_alike(0, 1);
	cr_assert_eq(rig_commit(1), 1600);
	cr_assert_eq(rig.record.count, 3, "in sync again, with the table by snapshot");
	rig_stop();
}

Test(replication, a_new_incarnation_starts_over)
{
	rig_start(2, NULL);
	rig_open();
	rig_publish(10, 100);
	rig_pass(10 * MS);
	cluster_restart(&rig.c, 1);
	rig_publish(3, 100);
	rig_pass(100 * MS);
	cr_assert_eq(rig_commit(0), 10, "the member of the record lost its memory");
	cr_assert_eq(rig_end(1), 13);
	rig_expel_dead();
	rig_pass(50 * MS);
	cr_assert_eq(rig_commit(0), 13);
	cr_assert(rig_in_set(1));
	rig_assert_alike(0, 1);
	rig_stop();
}

// 64 KiB logs.
static const struct cluster_config small = {.each.log_bytes = 65536};

Test(replication, a_replica_whose_next_record_is_gone_begins_anew)
{
	struct harness_request request = {.number = 1, .start = GODWIT_START_LATEST};
	struct client_peer client;

	rig_start(3, &small);
	rig_open();
	rig_publish(10, 100);
	rig_pass(10 * MS);
	cluster_isolate(&rig.c, 1, true);
	cluster_peer(&rig.c, 0, 1)->verdict = PEER_DEAD;
	rig_put_out(1);
	rig_write();
	client = harness_peer(cluster_harness(&rig.c, 1), 0, 20, 1000, 1);
	cr_assert(harness_connect(&client, NULL));
	cr_assert_not_null(harness_subscribe(&client, &request));
	for (uint32_t i = 0; i < 300; i++) {
		rig_publish(1, 900);
		rig_pass(RIG_STEP);
	}
	cr_assert_gt(log_earliest(&rig_stream(0)->log), 11);
	cluster_isolate(&rig.c, 1, false);
	cluster_peer(&rig.c, 0, 1)->verdict = PEER_UP;
	rig_pass(300 * MS);
	cr_assert_eq(cluster_count(&rig.c, 1, COUNTER_sink_resets), 2, "at its start, and now");
	cr_assert_not_null(harness_take(client.harness, &client.address, GODWIT_ENDED),
			   "its clients were told first");
	rig_assert_alike(0, 1);
	cr_assert(rig_in_set(1));
	rig_stop();
}

// ---- the primary restarts ----------------------------------------------------------------------

// Server 0 is started again and has fetched.
static void restart_primary(void)
{
	uint32_t fetched = rig.fetched;

	cluster_restart(&rig.c, 0);
	cr_assert(cluster_meet(&rig.c) || rig.c.is_cut[1][0] || rig.c.is_cut[2][0]);
	cr_assert(rig_open_record());
	rig_pass(100 * MS);
	cr_assert_eq(rig.fetched, fetched + 1);
	cr_assert(rig_of(0)->writable);
}

Test(replication, a_primary_started_again_fetches_from_the_longest_member)
{
	rig_start(3, NULL);
	rig_open();
	rig_publish(10, 100);
	rig_pass(10 * MS);
	cluster_cut(&rig.c, 0, 1);
	rig_publish(5, 100);
	rig_pass(2 * MS);
	cr_assert_eq(rig_end(1), 10);
	cr_assert_eq(rig_end(2), 15);
	cluster_kill(&rig.c, 0);
	cluster_mend(&rig.c, 0, 1);
	restart_primary();
	cr_assert_eq(rig_end(0), 15, "what was not committed is kept");
	cr_assert_eq(rig_stream(0)->epoch, 2);
	rig_pass(100 * MS);
	rig_assert_alike(0, 1);
	rig_assert_alike(0, 2);
	cr_assert_eq(rig_commit(0), 15);
	cr_assert_eq(rig.record.count, 3);
	rig_stop();
}

Test(replication, each_message_is_there_once_across_a_restart_of_the_primary)
{
	const struct godwit_publish_opened *opened;

	rig_start(3, NULL);
	rig_open();
	rig_publish(10, 100);
	rig_pass(10 * MS);
	restart_primary();
	rig_connect();
	opened = rig_ask_open(rig.instance);
	cr_assert_not_null(opened);
	cr_assert_eq(godwit_get16(opened->code), GODWIT_OK);
	cr_assert_eq(godwit_get64(opened->last), 10);
	rig.number = 5; // 6..10 are held already
	rig_publish(8, 100);
	rig_pass(20 * MS);
	cr_assert_eq(rig_end(0), 13);
	cr_assert_eq(cluster_count(&rig.c, 0, COUNTER_ingest_repeats), 5);
	rig_pass(100 * MS);
	rig_assert_alike(0, 1);
	rig_stop();
}

Test(replication, fencing_survives_the_primary)
{
	const struct godwit_publish_opened *opened;

	rig_start(2, NULL);
	rig_open();
	rig_open();
	cr_assert_eq(rig.instance, 2);
	restart_primary();
	rig_connect();
	opened = rig_ask_open(1);
	cr_assert_not_null(opened);
	cr_assert_eq(godwit_get16(opened->code), GODWIT_FENCED);
	opened = rig_ask_open(0);
	cr_assert_not_null(opened);
	cr_assert_eq(godwit_get64(opened->instance), 3);
	rig_stop();
}

Test(replication, an_instance_is_told_only_when_all_in_sync_hold_it)
{
	const struct harness_frame *frame;

	rig_start(2, NULL);
	rig_connect();
	silence(true);
	cr_assert_null(rig_ask_open(0));
	peer_open(&rig.client, "s0", 70, 0, rig.client.request); // its repeat
	rig_pass(5 * MS);
	cr_assert_eq(cluster_count(&rig.c, 0, COUNTER_meta_waiting), 1);
	silence(false);
	rig_pass(20 * MS);
	frame = harness_take(rig.client.harness, &rig.client.address, GODWIT_PUBLISH_OPENED);
	cr_assert_not_null(frame);
	cr_assert_eq(godwit_get64(((const struct godwit_publish_opened *)frame->data)->instance),
		     1);
	cr_assert_null(
		harness_take(rig.client.harness, &rig.client.address, GODWIT_PUBLISH_OPENED));
	rig_stop();
}

Test(replication, topics_are_agreed_upon_and_come_by_snapshot_too)
{
	rig_start(2, NULL);
	rig_connect();
	for (uint32_t i = 0; i < 12; i++) {
		char name[16];

		snprintf(name, sizeof(name), "topic %u", i);
		peer_topic(&rig.client, "s0", name, true);
		rig_pass(2 * MS);
		cr_assert_not_null(
			harness_take(rig.client.harness, &rig.client.address, GODWIT_TOPIC_NUMBER));
	}
	cr_assert_eq(cluster_count(&rig.c, 1, COUNTER_meta_applied), 12);
	rig_assert_alike(0, 1);
	cluster_restart(&rig.c, 1);
	rig_expel_dead();
	rig_pass(200 * MS);
	cr_assert_eq(rig_stream(1)->topics_count, 12);
	rig_assert_alike(0, 1);
	rig_stop();
}

Test(replication, more_entries_than_may_wait_are_busy)
{
	rig_start(2, NULL);
	rig_connect();
	silence(true);
	for (uint32_t i = 0; i < REPLICATION_META_PENDING + 3; i++) {
		peer_open(&rig.client, "s0", 1000 + i % 7, 0, 0);
		rig_pass(RIG_STEP);
	}
	cr_assert_eq(rig_of(0)->meta_last - rig_of(0)->meta_held, 7, "one each waits");
	rig_stop();
}

// KIP-101: a member that was not there when the primary came back holds what the stream never had.
Test(replication, a_diverged_replica_cuts_back_to_where_epochs_agree)
{
	rig_start(3, NULL);
	rig_open();
	rig_publish(8, 100);
	rig_pass(10 * MS);
	// 9 and 10 are everywhere, but server 2 never hears that they are committed.
	rig_publish(2, 100);
	rig_turns(2);
	cr_assert_eq(rig_end(2), 10);
	rig_stream(2)->replication->sink.commit_mark = 8;
	cluster_cut(&rig.c, 0, 1);
	rig_publish(3, 100); // 11..13 reach server 2 only
	rig_turns(2);
	cr_assert_eq(rig_end(2), 13);
	cr_assert_eq(rig_end(1), 10);
	cluster_kill(&rig.c, 0);
	cluster_mend(&rig.c, 0, 1);
	cluster_isolate(&rig.c, 2, true);
	restart_primary();
	cr_assert_eq(rig_end(0), 10);
	rig_put_out(2); // it is dead for now
	rig_write();
	rig_connect();
	rig.number = 10;
	cr_assert_not_null(rig_ask_open(rig.instance));
	rig_publish(2, 300);
	rig_pass(20 * MS);
	cr_assert_eq(rig_commit(0), 12);
	cluster_isolate(&rig.c, 2, false);
	rig_pass(100 * MS);
	cr_assert_eq(cluster_count(&rig.c, 2, COUNTER_sink_cuts), 1);
	cr_assert_eq(cluster_count(&rig.c, 2, COUNTER_sink_resets), 1, "that at its start");
	cr_assert_eq(rig_feed(2)->start, 11, "not back to the commit that it knew");
	rig_assert_alike(0, 2);
	cr_assert(rig_in_set(2));
	rig_stop();
}

Test(replication, a_cut_below_the_commit_is_refused_where_acks_are_not_local)
{
	rig_start(2, NULL);
	rig_open();
	rig_publish(10, 100);
	rig_pass(10 * MS);
	// A primary that lost what was committed: it opens its session anew at the same epoch by mistake.
	struct godwit_reconcile answer = {
		.from = {.frame = {.version = GODWIT_VERSION,
				   .type = GODWIT_RECONCILE,
				   .flags = godwit_be16(GODWIT_FLAG_ANSWER)},
			 .incarnation = godwit_be64(rig.c.servers[0].incarnation),
			 .epoch = godwit_be32(1)},
		.session = godwit_be64(rig.record.session),
		.end = godwit_be64(4),
		.last_epoch = godwit_be32(1),
		.code = godwit_be16(GODWIT_RECONCILE_CUT),
	};

	sink_again(rig_core(1), rig_of(1));
	answer.request = godwit_be32(rig_sink(1)->request);
	sink_answer(rig_core(1), rig_of(1), cluster_peer(&rig.c, 1, 0), &answer);
	cr_assert_eq(cluster_count(&rig.c, 1, COUNTER_sink_cuts_refused), 1);
	cr_assert_eq(rig_end(1), 10);
	rig_stop();
}

Test(replication, a_stream_of_local_acks_is_cut_below_its_commit_behind_its_clients)
{
	static const struct cluster_config two_cores = {.each.cores = 2};
	struct harness_request request = {.number = 1, .start = GODWIT_START_EARLIEST};
	struct client_peer client;
	const struct harness_frame *ended;
	struct delivery delivery;

	rig.ack_local = true;
	rig_start(3, &two_cores);
	rig_open();
	rig_publish(10, 100);
	rig_pass(10 * MS);
	cluster_cut(&rig.c, 0, 1);
	rig_publish(3, 100);
	rig_pass(2 * MS);
	cr_assert_eq(rig_commit(0), 13);
	cr_assert_eq(rig_commit(2), 13);
	cluster_kill(&rig.c, 0);
	cluster_mend(&rig.c, 0, 1);
	cluster_isolate(&rig.c, 2, true);
	restart_primary();
	cr_assert_eq(rig_end(0), 10);
	client = harness_peer(cluster_harness(&rig.c, 2), 1, 20, 1000, 1);
	cr_assert(harness_connect(&client, NULL));
	delivery = delivery_start(harness_subscribe(&client, &request));
	rig_pass(5 * MS);
	delivery_take(&delivery, &client);
	cr_assert_eq(delivery.covered, 13);
	rig_connect();
	rig.number = 10;
	cr_assert_not_null(rig_ask_open(rig.instance));
	rig_publish(1, 50);
	cluster_isolate(&rig.c, 2, false);
	rig_pass(100 * MS);
	ended = harness_take(client.harness, &client.address, GODWIT_ENDED);
	cr_assert_not_null(ended);
	cr_assert_eq(godwit_get16(((const struct godwit_ended *)ended->data)->code), GODWIT_BEHIND);
	rig_assert_alike(0, 2);
	cr_assert_eq(rig_commit(2), 11);
	// The client comes back with what it has.
	request = (struct harness_request){.number = 1,
					   .tag = 0x8001,
					   .session = rig.record.session,
					   .seq = 13,
					   .epoch = 1,
					   .attempt = 1};
	cr_assert_null(harness_resume(&client, &request));
	ended = harness_take(client.harness, &client.address, GODWIT_ENDED);
	cr_assert_not_null(ended);
	cr_assert_eq(godwit_get16(((const struct godwit_ended *)ended->data)->code),
		     GODWIT_DIVERGED);
	cr_assert_eq(godwit_get64(((const struct godwit_ended *)ended->data)->seq), 10);
	rig_stop();
}

// ---- room --------------------------------------------------------------------------------------

Test(replication, half_the_smallest_log_of_the_set_is_the_room_above_the_commit)
{
	static const struct cluster_config config = {.log_bytes = {1 << 20, 65536, 1 << 20}};
	struct log *log;

	rig_start(3, &config);
	rig_open();
	cr_assert_eq(rig_stream(0)->room_bytes, 32768);
	silence(true);
	for (uint32_t i = 0; i < 60; i++) {
		rig_publish(1, 1000);
		rig_pass(RIG_STEP);
	}
	log = &rig_stream(0)->log;
	cr_assert_eq(rig_commit(0), 0);
	cr_assert_leq(log_head(log).pos, 32768);
	cr_assert_gt(log_head(log).pos, 32768 - 1100);
	cr_assert_gt(cluster_count(&rig.c, 0, COUNTER_publish_busy), 0);
	cr_assert_gt(rig.lags, 0, "and control hears who it is");
	// It is put out before it is lapped.
	rig.expels = true;
	rig_pass(20 * MS);
	rig.number = rig_end(0);
	rig_publish(1, 1000);
	rig_pass(20 * MS);
	cr_assert_not(rig_in_set(1));
	cr_assert_eq(rig_commit(0), rig_end(0));
	cr_assert_eq(rig_stream(0)->room_bytes, 1 << 19);
	rig_stop();
}

// ---- frames that must not be believed -----------------------------------------------------------

Test(replication, what_is_of_a_lower_epoch_is_fenced)
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

Test(replication, lost_doubled_and_swapped_frames_change_nothing)
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

// ---- clients -----------------------------------------------------------------------------------

Test(replication, a_replica_sends_publishers_to_the_primary)
{
	struct client_peer client;
	const struct harness_frame *frame;
	const struct godwit_redirect *redirect;

	rig_start(2, NULL);
	client = harness_peer(cluster_harness(&rig.c, 1), 0, 20, 1000, 1);
	cr_assert(harness_connect(&client, NULL));
	peer_open(&client, "s0", 70, 0, 0);
	rig_turns(2);
	frame = harness_take(client.harness, &client.address, GODWIT_REDIRECT);
	cr_assert_not_null(frame);
	redirect = (const void *)frame->data;
	cr_assert_eq(godwit_get16(redirect->code), GODWIT_NOT_PRIMARY);
	cr_assert_eq(godwit_get16(redirect->target.id), 1);
	peer_topic(&client, "s0", "t", true);
	rig_turns(2);
	cr_assert_not_null(harness_take(client.harness, &client.address, GODWIT_REDIRECT));
	rig_stop();
}

Test(replication, a_primary_that_is_not_writable_asks_for_patience)
{
	struct harness_request request = {.number = 1, .start = GODWIT_START_LATEST};
	const struct harness_frame *frame;

	rig_start(2, NULL);
	rig_open();
	cluster_restart(&rig.c, 0);
	cr_assert(cluster_meet(&rig.c));
	rig_connect();
	cr_assert_null(rig_ask_open(rig.instance));
	frame = harness_take(rig.client.harness, &rig.client.address, GODWIT_ERROR);
	cr_assert_not_null(frame);
	cr_assert_eq(godwit_get16(((const struct godwit_error *)frame->data)->code), GODWIT_BUSY);
	cr_assert_null(harness_subscribe(&rig.client, &request));
	frame = harness_take(rig.client.harness, &rig.client.address, GODWIT_ERROR);
	cr_assert_not_null(frame);
	cr_assert_eq(godwit_get16(((const struct godwit_error *)frame->data)->code), GODWIT_BUSY);
	rig_stop();
}

Test(replication, a_position_that_a_replica_has_not_reached_is_redirected)
{
	struct harness_request request = {.number = 1, .attempt = 1, .seq = 5, .epoch = 1};
	struct client_peer client;
	const struct harness_frame *frame;

	rig_start(2, NULL);
	rig_open();
	cluster_cut(&rig.c, 0, 1);
	rig_publish(5, 100);
	rig_pass(5 * MS);
	client = harness_peer(cluster_harness(&rig.c, 1), 0, 20, 1000, 1);
	cr_assert(harness_connect(&client, NULL));
	request.session = rig.record.session;
	cr_assert_null(harness_resume(&client, &request));
	frame = harness_take(client.harness, &client.address, GODWIT_ERROR);
	cr_assert_not_null(frame);
	cr_assert_eq(godwit_get16(((const struct godwit_error *)frame->data)->code), GODWIT_BEHIND);
	rig_stop();
}
