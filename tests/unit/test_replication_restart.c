// SPDX-License-Identifier: BSD-3-Clause
//
// Replication when the primary was started again: whose log it takes, who cuts back to where, what is
// agreed upon survives.
#include "tests/unit/replication_rig.h"

// ---- the primary restarts ----------------------------------------------------------------------

// The publisher goes on at the primary that was started again, behind that number.
static void publishes_after(uint64_t number)
{
	rig_connect();
	rig.number = number;
	cr_assert_not_null(rig_ask_open(rig.instance));
}

Test(replication_restart, a_primary_started_again_fetches_from_the_longest_member)
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

static bool without_marks(struct cluster *c, uint32_t from, uint32_t to, uint8_t *bytes,
			  uint32_t *length)
{
	const struct godwit_frame *frame = (const void *)bytes;

	(void)c, (void)from, (void)to, (void)length;
	return bytes[1] != GODWIT_REPLICATE || godwit_get16(frame->count) > 0;
}

static bool without_records_to_1(struct cluster *c, uint32_t from, uint32_t to, uint8_t *bytes,
				 uint32_t *length)
{
	return to != 1 || !without_marks(c, from, to, bytes, length) ||
	       bytes[1] != GODWIT_REPLICATE;
}

// Its commit may be below that of the process before: all of an earlier epoch may have been committed.
Test(replication_restart, nobody_is_proposed_who_lacks_what_came_before_the_epoch)
{
	uint32_t proposed;

	rig_start(3, NULL);
	rig_open();
	rig_publish(10, 100);
	rig_pass(10 * MS);
	cluster_isolate(&rig.c, 1, true);
	rig_put_out(1);
	rig_write();
	rig.c.filter = without_marks;
	rig_publish(5, 100);
	rig_pass(5 * MS);
	cr_assert_eq(rig_commit(0), 15, "the publisher was told");
	cr_assert_eq(rig_commit(2), 10);
	rig.c.filter = without_records_to_1;
	cluster_isolate(&rig.c, 1, false);
	cluster_restart(&rig.c, 0);
	cr_assert(cluster_meet(&rig.c));
	cr_assert(rig_open_record());
	for (uint32_t i = 0; i < 500 && rig.fetched == 0; i++)
		rig_pass(RIG_STEP);
	cluster_isolate(&rig.c, 2, true);
	proposed = rig.proposed;
	rig_pass(200 * MS);
	cr_assert(rig_of(0)->writable);
	cr_assert_eq(rig_end(0), 15);
	cr_assert_eq(rig_commit(0), 10, "more is not known yet");
	cr_assert_gt(rig_feed(1)->meta_acked, 0);
	cr_assert_eq(rig_end(1), 10);
	cr_assert_eq(rig.proposed, proposed);
	cr_assert_not(rig_in_set(1), "it may be all that is left of the set");
	rig.c.filter = NULL;
	rig_pass(100 * MS);
	cr_assert_eq(rig_end(1), 15);
	cr_assert(rig_in_set(1));
	rig_stop();
}

static bool without_records_to_0(struct cluster *c, uint32_t from, uint32_t to, uint8_t *bytes,
				 uint32_t *length)
{
	return to != 0 || !without_marks(c, from, to, bytes, length) ||
	       bytes[1] != GODWIT_REPLICATE;
}

// Its tables come at once, since they are of the beginning.
Test(replication_restart, a_log_is_fetched_when_all_of_it_is_here)
{
	rig_start(2, NULL);
	rig_open();
	silence(true);
	rig_publish(5, 100);
	rig_pass(2 * MS);
	cr_assert_eq(rig_end(1), 5);
	cr_assert_eq(rig_commit(1), 0);
	cluster_kill(&rig.c, 0);
	silence(false);
	rig.c.filter = without_records_to_0;
	cluster_restart(&rig.c, 0);
	cr_assert(cluster_meet(&rig.c));
	cr_assert(rig_open_record());
	rig_pass(100 * MS);
	cr_assert(rig_sink(0)->loaded);
	cr_assert_eq(rig_end(0), 0);
	cr_assert_eq(rig.fetched, 0);
	cr_assert_not(rig_of(0)->writable);
	rig.c.filter = NULL;
	rig_pass(100 * MS);
	cr_assert_eq(rig.fetched, 1);
	cr_assert_eq(rig_commit(0), 5);
	rig_assert_alike(0, 1);
	rig_stop();
}

Test(replication_restart, a_member_that_is_not_whole_refuses_and_control_hears_of_it)
{
	rig_start(3, NULL);
	rig_open();
	rig_publish(10, 100);
	rig_pass(10 * MS);
	cluster_cut(&rig.c, 0, 2);
	rig_publish(5, 100);
	rig_pass(2 * MS);
	cluster_kill(&rig.c, 0);
	cluster_mend(&rig.c, 0, 2);
	// Its log was being filled anew: it has records, and not all that belongs to them.
	rig_stream(1)->replication->sink.loaded = false;
	cluster_restart(&rig.c, 0);
	cr_assert(cluster_meet(&rig.c));
	cr_assert(rig_open_record());
	rig_pass(300 * MS);
	cr_assert_eq(rig.fetched, 0);
	cr_assert_geq(rig.refused, 3);
	cr_assert_not(rig_of(0)->writable);
	cr_assert_eq(rig_end(0), 0);
	rig_stop();
}

Test(replication_restart, each_message_is_there_once_across_a_restart_of_the_primary)
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

Test(replication_restart, a_replica_holds_no_runs_for_a_primary_that_leads_again)
{
	rig_start(2, NULL);
	rig_open();
	rig_publish(10, 100);
	rig_pass(10 * MS);
	restart_primary();
	rig_connect();
	cr_assert_not_null(rig_ask_open(rig.instance));
	rig.number = 10;
	rig_publish(5, 100);
	rig_pass(100 * MS);
	cr_assert_eq(rig_commit(1), 15);
	cr_assert_eq(publishers_base_seq(rig_stream(1)->publishers), 15);
	cr_assert_not(rig_stream(1)->replication->feeds[0].active);
	rig_stop();
}

Test(replication_restart, fencing_survives_the_primary)
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

Test(replication_restart, an_instance_is_told_only_when_all_in_sync_hold_it)
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

Test(replication_restart, topics_are_agreed_upon_and_come_by_snapshot_too)
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

// More publishers than two pages hold.
Test(replication_restart, a_replica_gets_all_tables_over_a_path_that_swallows_large_frames)
{
	struct cluster_config config = {.each = {.publishers_max = 64, .runs_max = 4096}};

	rig_start(3, &config);
	rig_connect();
	for (uint32_t i = 0; i < 40; i++) {
		peer_open(&rig.client, "s0", 1000 + i, 0, 0);
		rig_pass(RIG_STEP);
		peer_publish(&rig.client, 0, 1000 + i, 1, 1, 1, 5, 100);
		rig_pass(RIG_STEP);
	}
	rig_pass(10 * MS);
	cr_assert_eq(rig_commit(0), 40);
	cluster_kill(&rig.c, 1);
	rig.c.filter = cluster_narrow_path;
	cluster_restart(&rig.c, 1);
	cr_assert(cluster_meet(&rig.c));
	rig_pass(500 * MS);
	cr_assert_eq(cluster_count(&rig.c, 1, COUNTER_snapshots_loaded), 1);
	cr_assert_eq(rig_end(1), 40);
	cr_assert(rig_in_set(1));
	rig_assert_alike(0, 1);
	rig_stop();
}

Test(replication_restart, more_entries_than_may_wait_are_busy)
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
Test(replication_restart, a_diverged_replica_cuts_back_to_where_epochs_agree)
{
	rig_start(3, NULL);
	rig_open();
	rig_publish(8, 100);
	rig_pass(10 * MS);
	// 9 and 10 are everywhere, but the primary does not hear it of server 1.
	silence(true);
	rig_publish(2, 100);
	rig_turns(2);
	cr_assert_eq(rig_end(2), 10);
	cluster_cut(&rig.c, 0, 1);
	rig_publish(3, 100); // 11..13 reach server 2 only
	rig_turns(2);
	cr_assert_eq(rig_end(2), 13);
	cr_assert_eq(rig_commit(2), 8);
	cr_assert_eq(rig_end(1), 10);
	cluster_kill(&rig.c, 0);
	cluster_mend(&rig.c, 0, 1);
	silence(false);
	cluster_isolate(&rig.c, 2, true);
	restart_primary();
	cr_assert_eq(rig_end(0), 10);
	rig_put_out(2); // it is dead for now
	rig_write();
	publishes_after(10);
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

Test(replication_restart, a_cut_below_the_commit_is_refused_where_acks_are_not_local)
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

// Of a stream of local acks server 2 commits three records that no other server has; two cores each.
static void two_histories(void)
{
	static const struct cluster_config two_cores = {.each.cores = 2};

	rig.ack_local = rig.expels = true;
	rig_start(3, &two_cores);
	for (uint32_t i = 0; i < 3; i++)
		rig.c.servers[i].rx_core = 1; // frames of peers cross to the stream's home
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
}

// The cores of server 2 have their turns one after the other, its home core first.
Test(replication_restart, nothing_is_cut_before_the_other_core_has_closed_what_lies_above)
{
	struct harness_request request = {.number = 1, .start = GODWIT_START_EARLIEST};
	struct client_peer client; // at the home core
	const struct harness_frame *ended;
	uint64_t closings;

	two_histories();
	client = harness_peer(cluster_harness(&rig.c, 2), 0, 20, 1000, 1);
	cr_assert(harness_connect(&client, NULL));
	cr_assert_not_null(harness_subscribe(&client, &request));
	rig_pass(5 * MS);
	closings = cluster_count(&rig.c, 2, COUNTER_sink_closings);
	publishes_after(10);
	rig_publish(1, 50);
	cluster_isolate(&rig.c, 2, false);
	for (uint32_t i = 0; i < 500 && cluster_count(&rig.c, 2, COUNTER_sink_closings) == closings;
	     i++)
		rig_pass(RIG_STEP);
	cr_assert_eq(cluster_count(&rig.c, 2, COUNTER_sink_closings), closings + 1);
	cr_assert_eq(rig_end(2), 13, "the other core may be at it still");
	cr_assert_eq(cluster_count(&rig.c, 2, COUNTER_sink_resets), 1, "that at its start");
	ended = harness_take(client.harness, &client.address, GODWIT_ENDED);
	cr_assert_not_null(ended, "its own clients are told before");
	cr_assert_eq(godwit_get16(((const struct godwit_ended *)ended->data)->code), GODWIT_BEHIND);
	rig_turns(3);
	cr_assert_eq(cluster_count(&rig.c, 2, COUNTER_sink_resets), 2);
	rig_pass(100 * MS);
	rig_assert_alike(0, 2);
	rig_stop();
}

Test(replication_restart, a_stream_of_local_acks_is_cut_below_its_commit_behind_its_clients)
{
	struct harness_request request = {.number = 1, .start = GODWIT_START_EARLIEST};
	struct client_peer client;
	const struct harness_frame *ended;
	struct delivery delivery;

	two_histories();
	client = harness_peer(cluster_harness(&rig.c, 2), 1, 20, 1000, 1);
	cr_assert(harness_connect(&client, NULL));
	delivery = delivery_start(harness_subscribe(&client, &request));
	rig_pass(5 * MS);
	delivery_take(&delivery, &client);
	cr_assert_eq(delivery.covered, 13);
	publishes_after(10);
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

// Server 3 alone holds what was committed last, nobody hears it, and the primary goes on with what server 2 holds.
static void goes_on_without_the_last(uint32_t epochs)
{
	rig.expels = true;
	rig_start(3, NULL);
	rig_open();
	rig_publish(10, 100);
	rig_pass(10 * MS);
	cluster_isolate(&rig.c, 1, true);
	rig_put_out(1);
	rig_write();
	rig_publish(3, 100);
	rig_pass(10 * MS);
	cr_assert_eq(rig_commit(2), 13);
	cluster_kill(&rig.c, 0);
	cluster_isolate(&rig.c, 1, false);
	cluster_isolate(&rig.c, 2, true);
	rig_take_in(1, rig.c.servers[1].incarnation);
	rig_put_out(2);
	rig.record.epoch += epochs;
	restart_primary();
	cr_assert_eq(rig_end(0), 10);
	publishes_after(10);
	rig_publish(1, 50);
	rig_pass(5 * MS);
	cr_assert_eq(rig_commit(0), 11);
	cluster_isolate(&rig.c, 2, false);
	rig_pass(200 * MS);
}

Test(replication_restart, what_an_operator_gave_up_is_cut_although_it_was_committed)
{
	goes_on_without_the_last(GODWIT_GIVE_UP_EPOCHS);
	cr_assert_eq(cluster_count(&rig.c, 2, COUNTER_sink_cuts_refused), 0);
	cr_assert_eq(rig_commit(2), 11);
	rig_assert_alike(0, 2);
	rig_stop();
}

Test(replication_restart, what_is_committed_is_kept_where_nobody_gave_it_up)
{
	goes_on_without_the_last(65536); // an order that gave nothing up
	cr_assert_gt(cluster_count(&rig.c, 2, COUNTER_sink_cuts_refused), 0);
	cr_assert_eq(rig_end(2), 13);
	rig_stop();
}

Test(replication_restart, a_replica_follows_as_soon_as_its_primary_is_back)
{
	rig_start(3, NULL);
	rig_open();
	rig_publish(10, 100);
	rig_pass(10 * MS);
	cluster_restart(&rig.c, 0);
	cr_assert(cluster_meet(&rig.c));
	rig_pass(900 * MS); // they ask, ever more seldom
	cr_assert_eq(rig_of(1)->sink.state, SINK_RECONCILING);
	cr_assert(rig_open_record());
	for (uint32_t i = 0; i < 100 && !rig_of(0)->writable; i++)
		rig_pass(MS);
	cr_assert(rig_of(0)->writable);
	rig_pass(15 * MS); // a heartbeat, and some turns
	cr_assert_eq(rig_of(1)->sink.state, SINK_FOLLOWING);
	cr_assert_eq(rig_of(2)->sink.state, SINK_FOLLOWING);
	rig_stop();
}

// ---- a primary that changes nothing ------------------------------------------------------------

Test(replication_restart, a_record_that_does_not_fit_is_refused)
{
	struct replication_record record;
	struct replication_fetch fetch = {.server = 2};

	rig_start(2, NULL);
	rig_open();
	record = rig.record;
	record.session++;
	rig_command(0, CORE_COMMAND_RECORD, &record, sizeof(record)); // of a session that is served
	record = rig.record;
	record.stream = 99;
	rig_command(0, CORE_COMMAND_RECORD, &record, sizeof(record));
	rig_command(1, CORE_COMMAND_RECORD, &rig.record, sizeof(rig.record)); // to a replica
	rig_command(0, CORE_COMMAND_FETCH, &fetch, sizeof(fetch));	      // it is writable
	rig_turns(2);
	cr_assert_eq(cluster_count(&rig.c, 0, COUNTER_records_refused), 3);
	cr_assert_eq(cluster_count(&rig.c, 1, COUNTER_records_refused), 1);
	cr_assert(rig_of(0)->writable);
	rig_publish(3, 100);
	rig_pass(10 * MS);
	cr_assert_eq(rig_commit(1), 3);
	rig_stop();
}

Test(replication_restart, an_epoch_begun_by_a_record_makes_everybody_reconcile)
{
	uint64_t last;

	rig_start(3, NULL);
	rig_open();
	rig_publish(3, 100);
	rig_pass(10 * MS);
	rig.record.epoch = 5;
	rig_write();
	rig_pass(50 * MS);
	rig_publish(2, 100);
	rig_pass(50 * MS);
	for (uint32_t i = 0; i < 3; i++) {
		cr_assert_eq(rig_commit(i), 5);
		cr_assert_eq(stream_epoch_of(rig_stream(i), 3, &last), 1);
		cr_assert_eq(stream_epoch_of(rig_stream(i), 4, &last), 5);
	}
	cr_assert_eq(rig_sink(1)->epoch, 5);
	rig_assert_alike(0, 2);
	rig_stop();
}
