// SPDX-License-Identifier: BSD-3-Clause
//
// Replication between servers in one process: the feed, the commit, catching up.
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

// Its log begins anew again and again, each time with a word that it lags.
Test(replication, a_proposal_is_repeated_whatever_else_is_told_of_the_peer)
{
	uint32_t proposed;

	rig.idle = true;
	rig_start(2, NULL);
	proposed = rig.proposed;
	cr_assert_gt(proposed, 0);
	for (uint32_t i = 0; i < 220; i++) {
		insync_put_out(rig_core(0), rig_of(0), rig_index(0, 1));
		rig_pass(10 * MS);
	}
	cr_assert_gt(rig.lags, 100);
	cr_assert_eq(rig.proposed, proposed + 2);
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

Test(replication, a_mark_that_was_lost_is_told_again)
{
	rig_start(2, NULL);
	rig_open();
	rig_publish(3, 100);
	rig_turns(1);
	cr_assert_eq(rig_end(0), 3);
	// Server 1 takes the records and acknowledges; what the primary says of its commit is lost.
	cluster_cut(&rig.c, 0, 1);
	rig_turns(2);
	cr_assert_eq(rig_commit(0), 3);
	cr_assert_eq(rig_end(1), 3);
	cr_assert_eq(rig_commit(1), 0);
	cluster_mend(&rig.c, 0, 1);
	rig_pass(5 * MS);
	cr_assert_eq(rig_commit(1), 3);
	rig_stop();
}

Test(replication, the_feed_of_a_source_that_hears_its_replica_no_more_grows_old)
{
	uint32_t age_ms;

	rig_start(3, NULL);
	rig_open();
	rig_pass(50 * MS);
	cr_assert_lt(stream_feed_age_ms(rig_stream(1), rig.c.now_ns), 20);
	cluster_cut(&rig.c, 1, 0);
	rig_pass(300 * MS);
	age_ms = stream_feed_age_ms(rig_stream(1), rig.c.now_ns);
	cr_assert_gt(age_ms, 250, "it is heard, and %u ms old", age_ms);
	cr_assert_lt(stream_feed_age_ms(rig_stream(2), rig.c.now_ns), 20);
	cluster_mend(&rig.c, 1, 0);
	rig_pass(50 * MS);
	cr_assert_lt(stream_feed_age_ms(rig_stream(1), rig.c.now_ns), 20);
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

static bool without_pages(struct cluster *c, uint32_t from, uint32_t to, uint8_t *bytes,
			  uint32_t *length)
{
	(void)c;
	(void)from;
	(void)to;
	(void)length;
	return bytes[1] != GODWIT_SNAPSHOT;
}

Test(replication, records_without_their_runs_make_no_member)
{
	rig_start(3, NULL);
	rig_open();
	rig_publish(5, 100);
	rig_pass(10 * MS);
	cr_assert(rig_sink(1)->loaded);
	cluster_isolate(&rig.c, 1, true);
	cluster_peer(&rig.c, 0, 1)->verdict = PEER_DEAD;
	rig_put_out(1);
	rig_write();
	for (uint32_t i = 0; i < 100; i++) {
		rig_publish(4, 50);
		rig_pass(RIG_STEP);
	}
	cluster_isolate(&rig.c, 1, false);
	cluster_peer(&rig.c, 0, 1)->verdict = PEER_UP;
	rig.c.filter = without_pages;
	rig_pass(300 * MS);
	cr_assert_eq(rig_end(1), 405);
	cr_assert_eq(rig_commit(1), 405, "it serves readers all the same");
	cr_assert_not(rig_sink(1)->loaded);
	cr_assert_not(rig_in_set(1));
	// A primary that is started again gets nothing from it.
	cluster_restart(&rig.c, 0);
	cr_assert(cluster_meet(&rig.c));
	rig.record.count = 0;
	rig_take_in(1, rig.c.servers[1].incarnation);
	cr_assert(rig_open_record());
	rig_pass(200 * MS);
	cr_assert_eq(rig.fetched, 0);
	cr_assert_eq(rig_end(0), 0);
	rig_stop();
}

// With local acks the commit goes on without it, and whoever counts is to find all runs that it lacks.
Test(replication, a_member_that_was_away_finds_the_runs_that_it_lacks)
{
	rig.ack_local = true;
	rig_start(2, NULL);
	rig_open();
	rig_publish(10, 100);
	rig_pass(10 * MS);
	cluster_isolate(&rig.c, 1, true);
	cluster_peer(&rig.c, 0, 1)->verdict = PEER_DEAD;
	for (uint32_t i = 0; i < 20; i++) {
		rig_publish(4, 50);
		rig_pass(RIG_STEP);
	}
	cr_assert_eq(rig_commit(0), 90);
	cr_assert(rig_in_set(1));
	cluster_isolate(&rig.c, 1, false);
	cluster_peer(&rig.c, 0, 1)->verdict = PEER_UP;
	rig_pass(300 * MS);
	cr_assert_eq(cluster_count(&rig.c, 0, COUNTER_insync_put_out), 0, "it need not leave");
	cr_assert_eq(rig.lags, 0);
	cr_assert(rig_sink(1)->loaded);
	rig_assert_alike(0, 1);
	rig_stop();
}

static bool without_records(struct cluster *c, uint32_t from, uint32_t to, uint8_t *bytes,
			    uint32_t *length)
{
	const struct godwit_frame *frame = (const void *)bytes;

	(void)c, (void)from, (void)length;
	return to != 1 || bytes[1] != GODWIT_REPLICATE || godwit_get16(frame->count) == 0;
}

// Its feed would keep all of them, and nobody knows for how long.
Test(replication, no_runs_are_held_for_one_that_lacks_what_its_snapshot_would_be_made_of)
{
	uint64_t taken = 0;

	rig_start(3, NULL);
	rig_open();
	cluster_isolate(&rig.c, 1, true);
	cluster_peer(&rig.c, 0, 1)->verdict = PEER_DEAD;
	rig_put_out(1);
	rig_write();
	for (uint32_t i = 0; i < 200; i++) {
		if (i == 100) {
			rig_pass(5 * MS);
			taken = cluster_count(&rig.c, 0, COUNTER_snapshots_taken);
			cr_assert_eq(publishers_base_seq(rig_stream(0)->publishers), 400);
			cluster_isolate(&rig.c, 1, false);
			cluster_peer(&rig.c, 0, 1)->verdict = PEER_UP;
			rig.c.filter = without_records;
			rig_pass(100 * MS);
			cr_assert(rig_feed(1)->active);
		}
		rig_publish(4, 50);
		rig_pass(RIG_STEP);
	}
	rig_pass(5 * MS);
	cr_assert_eq(rig_commit(0), 800);
	cr_assert_eq(publishers_base_seq(rig_stream(0)->publishers), 800);
	cr_assert_eq(cluster_count(&rig.c, 0, COUNTER_snapshots_taken), taken);
	cr_assert_gt(cluster_count(&rig.c, 0, COUNTER_snapshots_waited), 0);
	rig.c.filter = NULL;
	rig_pass(300 * MS);
	cr_assert(rig_in_set(1));
	rig_assert_alike(0, 1);
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

// ---- room --------------------------------------------------------------------------------------

Test(replication, half_the_smallest_log_of_the_set_is_the_room_above_the_commit)
{
	static const struct cluster_config config = {.log_bytes = {1 << 18, 65536, 1 << 18}};
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
	cr_assert_eq(rig_stream(0)->room_bytes, 1 << 17);
	rig_stop();
}

Test(replication, a_replica_with_less_than_a_quarter_of_the_log_follows_outside_the_set)
{
	static const struct cluster_config config = {.log_bytes = {1 << 19, 65536, 1 << 19}};

	rig_start(3, &config);
	rig_open();
	rig_publish(10, 100);
	rig_pass(50 * MS);
	cr_assert_not(rig_in_set(1));
	cr_assert(rig_in_set(2));
	cr_assert_eq(rig_end(1), 10);
	cr_assert_eq(rig_commit(1), 10);
	cr_assert_eq(rig_stream(0)->room_bytes, 1 << 18);
	cr_assert_eq(cluster_count(&rig.c, 0, COUNTER_insync_log_small), 1);
	// With a larger one it is taken in, but not looked at each turn for that.
	rig.c.config.log_bytes[1] = 1 << 19;
	rig_pass(1000 * MS);
	cluster_restart(&rig.c, 1);
	rig_expel_dead();
	rig_pass(500 * MS);
	cr_assert_eq(rig_end(1), 10);
	cr_assert_not(rig_in_set(1));
	rig_pass(600 * MS);
	cr_assert(rig_in_set(1));
	cr_assert_eq(cluster_count(&rig.c, 0, COUNTER_insync_log_small), 1);
	rig_stop();
}

// ---- packets -----------------------------------------------------------------------------------

Test(replication, a_path_that_swallows_large_frames_carries_small_ones)
{
	rig_start(3, NULL);
	rig_open();
	rig.expels = true;
	rig.c.filter = cluster_narrow_path;
	for (uint32_t i = 0; i < 20; i++) {
		rig_publish(10, 100);
		rig_pass(RIG_STEP);
	}
	rig_pass(300 * MS);
	cr_assert_eq(rig_commit(0), 200);
	cr_assert(rig_in_set(1));
	cr_assert_eq(rig_end(1), 200);
	cr_assert_eq(cluster_count(&rig.c, 0, COUNTER_feeds_narrowed), 1);
	cr_assert_eq(rig.lags, 0, "what is soon mended puts nobody out");
	rig_stop();
}

Test(replication, the_feed_of_a_path_that_swallows_its_records_grows_old)
{
	uint32_t age_ms;

	rig_start(3, NULL);
	rig_open();
	rig_pass(50 * MS);
	rig.c.filter = cluster_narrow_path;
	rig.expels = true;
	rig_publish(1, 900); // alone it is too large for that path
	rig_pass(300 * MS);
	cr_assert_eq(rig_commit(2), 0, "the path may recover");
	cr_assert_lt(stream_feed_age_ms(rig_stream(1), rig.c.now_ns), 20);
	rig_pass(500 * MS);
	cr_assert_eq(rig_commit(2), 1, "the set does without it");
	cr_assert_eq(cluster_count(&rig.c, 0, COUNTER_insync_lags), rig.lags);
	cr_assert_geq(cluster_count(&rig.c, 0, COUNTER_insync_stands), 1);
	cr_assert_eq(rig_end(1), 0);
	age_ms = stream_feed_age_ms(rig_stream(1), rig.c.now_ns);
	cr_assert_gt(age_ms, 200, "its source is heard, and the feed %u ms old", age_ms);
	cr_assert_lt(stream_feed_age_ms(rig_stream(2), rig.c.now_ns), 20);
	rig.c.filter = NULL;
	rig_pass(50 * MS);
	cr_assert_eq(rig_commit(1), 1);
	cr_assert_lt(stream_feed_age_ms(rig_stream(1), rig.c.now_ns), 20);
	rig_stop();
}

// A path of a long round trip: by the time that the repair arrives it was asked for many times.
Test(replication, a_repair_that_is_long_on_its_way_narrows_no_feed)
{
	rig_start(3, NULL);
	rig_open();
	rig_publish(10, 100);
	rig.c.filter = cluster_narrow_path;
	rig_pass(180 * MS);
	rig.c.filter = NULL;
	rig_pass(50 * MS);
	cr_assert_eq(cluster_count(&rig.c, 0, COUNTER_feeds_narrowed), 0);
	cr_assert_gt(cluster_count(&rig.c, 0, COUNTER_nak_ranges), 6);
	cr_assert_eq(rig_commit(0), 10);
	rig_stop();
}

static void open_many(void)
{
	rig_connect();
	for (uint32_t i = 0; i < 40; i++) {
		peer_open(&rig.client, "s0", 1000 + i, 0, 0);
		rig_pass(RIG_STEP);
	}
	rig_pass(10 * MS);
}

// Messages of many publishers in turn, so that runs take more room than records.
Test(replication, frames_are_cut_so_that_runs_and_records_fit_the_mtu)
{
	struct cluster_config config = {.each = {.publishers_max = 64, .runs_max = 4096}};
	struct client_peer *p = &rig.client;
	uint64_t frames;

	rig_start(2, &config);
	open_many();
	cluster_cut(&rig.c, 0, 1);
	for (uint32_t n = 1; n <= 20; n++) {
		for (uint32_t i = 0; i < 40; i++)
			peer_publish(p, 0, 1000 + i, 1, n, 1, 5, 8 + (i + n) % 40);
		rig_pass(RIG_STEP);
	}
	rig_pass(5 * MS);
	cr_assert_eq(rig_end(0), 800);
	frames = cluster_count(&rig.c, 0, COUNTER_replicate_frames);
	cluster_mend(&rig.c, 0, 1);
	rig_pass(100 * MS);
	cr_assert_gt(cluster_count(&rig.c, 0, COUNTER_replicate_frames), frames);
	cr_assert_eq(rig_commit(0), 800);
	rig_assert_alike(0, 1);
	rig_stop();
}

// Servers need not be alike: the smallest table that can be configured has to hold what a frame brings, or the
// replica takes none of it, ever.
Test(replication, the_smallest_table_of_runs_holds_those_of_the_fullest_frame)
{
	struct cluster_config config = {.each = {.publishers_max = 64, .runs_max = 4096}};
	struct client_peer *p = &rig.client;

	rig.replica_runs = REPLICATE_RUNS_MAX;
	rig_start(2, &config);
	open_many();
	cluster_cut(&rig.c, 0, 1);
	for (uint32_t n = 1; n <= 20; n++) {
		for (uint32_t i = 0; i < 40; i++)
			peer_publish(p, 0, 1000 + i, 1, n, 1, 5, 8);
		rig_pass(RIG_STEP);
	}
	rig_pass(5 * MS);
	cr_assert_eq(rig_end(0), 800);
	cluster_mend(&rig.c, 0, 1);
	rig_pass(200 * MS);
	cr_assert_eq(rig_commit(0), 800);
	rig_assert_alike(0, 1);
	rig_stop();
}
