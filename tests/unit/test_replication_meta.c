// SPDX-License-Identifier: BSD-3-Clause
//
// What is agreed upon across restarts of the primary: a name has one number and a number one name, an
// instance is known, once anybody was told of it. What nobody was told of may be made otherwise.
#include "tests/unit/replication_rig.h"

// The number that the primary answered for the name; 0: none.
static uint32_t told_topic(const char *name)
{
	const struct harness_frame *frame;

	while ((frame = harness_take(rig.client.harness, &rig.client.address,
				     GODWIT_TOPIC_NUMBER)) != NULL) {
		const struct godwit_topic_number *number = (const void *)frame->data;

		if (strcmp((const char *)number->name, name) == 0)
			return godwit_get32(number->topic);
	}
	return 0;
}

static uint32_t ask_topic(const char *name)
{
	peer_topic(&rig.client, "s0", name, true);
	rig_pass(5 * MS);
	return told_topic(name);
}

// The name of topic `number` at a server, "": it has none.
static const char *topic_name(uint32_t server, uint32_t number)
{
	const struct stream *stream = rig_stream(server);

	return number <= stream->topics_count ? (const char *)stream->topics[number - 1].name : "";
}

static uint64_t instance_at(uint32_t server, uint64_t publisher)
{
	struct publishers *p = rig_stream(server)->publishers;
	uint32_t number = publishers_find(p, publisher);

	return number == PUBLISHER_NONE ? 0 : publisher_at(p, number)->instance;
}

// ---- with acks that are local ------------------------------------------------------------------

Test(replication_meta, a_number_is_told_only_when_all_in_sync_hold_it_whatever_the_acks)
{
	rig.ack_local = true;
	rig_start(2, NULL);
	rig_connect();
	cr_assert_eq(ask_topic("one"), 1);
	cluster_cut(&rig.c, 0, 1);
	cr_assert_eq(ask_topic("two"), 0, "told of, and server 1 does not hold it");
	cluster_mend(&rig.c, 0, 1);
	restart_primary();
	rig_connect();
	cr_assert_eq(ask_topic("three"), 2);
	cr_assert_eq(ask_topic("two"), 3);
	cr_assert_eq(ask_topic("one"), 1);
	rig_pass(100 * MS);
	rig_assert_alike(0, 1);
	rig_stop();
}

Test(replication_meta, an_instance_is_told_only_when_all_in_sync_hold_it_whatever_the_acks)
{
	const struct godwit_publish_opened *opened;

	rig.ack_local = true;
	rig_start(2, NULL);
	rig_open();
	cluster_cut(&rig.c, 0, 1);
	rig_connect();
	cr_assert_null(rig_ask_open(0), "told of, and server 1 does not hold it");
	cluster_mend(&rig.c, 0, 1);
	rig_pass(20 * MS);
	opened = (const void *)harness_take(rig.client.harness, &rig.client.address,
					    GODWIT_PUBLISH_OPENED)
			 ->data;
	rig.instance = godwit_get64(opened->instance);
	restart_primary();
	rig_connect();
	opened = rig_ask_open(rig.instance);
	cr_assert_not_null(opened);
	cr_assert_eq(godwit_get16(opened->code), GODWIT_OK, "what was told of is known");
	rig_stop();
}

// Nobody is left in sync that could go on without the primary: it needs no other to agree.
Test(replication_meta, a_primary_that_is_alone_in_the_set_agrees_with_itself)
{
	rig.ack_local = true;
	rig_start(2, NULL);
	rig_connect();
	cluster_isolate(&rig.c, 1, true);
	cr_assert_eq(ask_topic("one"), 0);
	atomic_store_explicit(&cluster_peer(&rig.c, 0, 1)->verdict, PEER_DEAD,
			      memory_order_relaxed);
	rig_put_out(1);
	rig_write();
	rig_pass(5 * MS);
	cr_assert_eq(told_topic("one"), 1);
	cr_assert_eq(ask_topic("two"), 2);
	rig_stop();
}

// ---- what other servers are told ---------------------------------------------------------------

static uint64_t meta_told(void)
{
	struct peer_stream_facts facts;

	rig_pass(20 * MS); // some heartbeats
	cr_assert(peer_stream_get(&cluster_peer(&rig.c, 0, 1)->streams[rig_stream(0)->number],
				  &facts));
	return facts.meta;
}

Test(replication_meta, a_server_tells_how_much_of_the_tables_it_has_while_they_are_whole)
{
	uint64_t before;

	rig_start(2, NULL);
	rig_connect();
	before = meta_told();
	cr_assert_gt(before, 0, "the snapshot's");
	cr_assert_eq(ask_topic("one"), 1);
	cr_assert_eq(ask_topic("two"), 2);
	cr_assert_eq(meta_told(), before + 2);
	rig_of(1)->sink.meta = 0; // it is fed anew
	cr_assert_eq(meta_told(), 0);
	rig_stop();
}

// Server 1 has no room for a second topic, which somebody asks for.
static void fill_server_1(void)
{
	rig.few_topics = 1;
	rig.expels = true;
	rig_start(3, NULL);
	rig_open();
	cr_assert_eq(ask_topic("one"), 1);
	cr_assert_eq(ask_topic("two"), 0, "server 1 does not hold it");
}

// A server that takes messages and has no room for a topic would keep all topics and publishers of the stream waiting.
Test(replication_meta, a_member_whose_tables_are_full_leaves_the_set)
{
	fill_server_1();
	cr_assert_gt(cluster_drops(&rig.c, 1, DROP_replication_table_full), 0);
	for (uint32_t i = 0; i < 100; i++) {
		rig_publish(1, 50);
		rig_pass(10 * MS);
	}
	cr_assert_eq(ask_topic("two"), 2);
	cr_assert(!rig_in_set(1));
	cr_assert(rig_in_set(2));
	cr_assert_geq(cluster_count(&rig.c, 0, COUNTER_insync_stands), 1);
	cr_assert_eq(rig_end(1), 100, "it serves what it has");
	cr_assert_eq(ask_topic("three"), 3, "nobody waits for it any more");
	rig_stop();
}

static void restart(uint32_t server)
{
	cluster_kill(&rig.c, server);
	rig_expel_dead();
	cluster_restart(&rig.c, server);
	cr_assert(cluster_meet(&rig.c));
	rig_pass(600 * MS);
}

// One snapshot is served at a time.
Test(replication_meta, one_whose_tables_are_too_small_keeps_nobody_from_the_snapshot)
{
	fill_server_1();
	rig_publish(1, 50);
	rig_pass(1000 * MS);
	cr_assert_eq(ask_topic("two"), 2);
	restart(1);
	cr_assert_gt(cluster_count(&rig.c, 1, COUNTER_snapshots_refused), 0);
	cr_assert(!rig_in_set(1));
	restart(2);
	cr_assert(rig_in_set(2));
	rig_connect(); // it was forgotten meanwhile
	cr_assert_eq(ask_topic("three"), 3);
	rig_stop();
}

// ---- what nobody was told of -------------------------------------------------------------------

// Server 1 holds what server 2 lacks; the primary fetches from server 2 while server 1 is away.
static void lose_what_only_server_1_holds(void)
{
	cluster_mend(&rig.c, 0, 2);
	cluster_isolate(&rig.c, 1, true);
	restart_primary();
	cr_assert(rig_in_set(1), "it counts, and holds what the stream does not have");
	rig_connect();
}

// A topic is agreed; then server 1 alone gets three records, which are lost with the primary.
static void server_1_goes_ahead(void)
{
	rig_open();
	cr_assert_eq(ask_topic("one"), 1);
	cluster_cut(&rig.c, 0, 2);
	rig_publish(3, 100);
	rig_pass(2 * MS);
	cr_assert_eq(rig_end(1), 3);
	cr_assert_eq(rig_end(2), 0);
	lose_what_only_server_1_holds();
}

// It comes back without memory and is in sync again, in the epoch of now.
static void server_2_begins_anew(void)
{
	cluster_restart(&rig.c, 2);
	rig_put_out(2);
	rig_write();
	rig_pass(200 * MS);
	cr_assert(rig_in_set(2));
	cr_assert_eq(rig_stream(2)->epoch, 2);
}

Test(replication_meta, a_number_that_nobody_was_told_of_is_given_anew_and_everywhere)
{
	rig_start(3, NULL);
	rig_connect();
	cluster_cut(&rig.c, 0, 2);
	cr_assert_eq(ask_topic("lost"), 0);
	cr_assert_str_eq(topic_name(1, 1), "lost");
	lose_what_only_server_1_holds();
	cr_assert_eq(ask_topic("given"), 0, "server 1 holds another name under its number");
	cr_assert_str_eq(topic_name(1, 1), "lost");
	cluster_isolate(&rig.c, 1, false);
	rig_pass(100 * MS);
	cr_assert_eq(ask_topic("given"), 1);
	cr_assert_str_eq(topic_name(1, 1), "given");
	cr_assert_eq(ask_topic("lost"), 2);
	rig_pass(100 * MS);
	rig_assert_alike(0, 1);
	rig_assert_alike(0, 2);
	rig_stop();
}

// A primary that was started again has it from one member, and another one that counts may lack it still.
Test(replication_meta, a_number_that_came_by_a_fetch_is_told_when_all_in_sync_took_the_tables)
{
	const struct harness_frame *frame;

	rig_start(3, NULL);
	rig_connect();
	cluster_cut(&rig.c, 0, 2);
	cr_assert_eq(ask_topic("held"), 0);
	cluster_mend(&rig.c, 0, 2);
	cluster_isolate(&rig.c, 2, true);
	restart_primary(); // from server 1
	cr_assert_str_eq(topic_name(0, 1), "held");
	cr_assert_str_eq(topic_name(2, 1), "");
	cr_assert(rig_in_set(2));
	rig_connect();
	cr_assert_eq(ask_topic("held"), 0, "told of, and server 2 does not hold it");
	frame = harness_take(rig.client.harness, &rig.client.address, GODWIT_ERROR);
	cr_assert_not_null(frame, "it is answered all the same");
	cr_assert_eq(godwit_get16(((const struct godwit_error *)frame->data)->code), GODWIT_BUSY);
	cr_assert_eq(cluster_count(&rig.c, 0, COUNTER_answer_busy), 1);
	cr_assert_eq(cluster_count(&rig.c, 0, COUNTER_meta_waiting), 0);
	cluster_isolate(&rig.c, 2, false);
	rig_pass(300 * MS);
	cr_assert_eq(ask_topic("held"), 1);
	rig_assert_alike(0, 2);
	rig_stop();
}

Test(replication_meta, an_instance_that_nobody_was_told_of_is_given_up_everywhere)
{
	rig_start(3, NULL);
	rig_open();
	cr_assert_eq(rig.instance, 1);
	cluster_cut(&rig.c, 0, 2);
	rig_connect();
	cr_assert_null(rig_ask_open(0));
	cr_assert_eq(instance_at(1, 70), 2);
	cr_assert_eq(instance_at(2, 70), 1);
	lose_what_only_server_1_holds();
	rig_publish(1, 100); // the one who has instance 1 goes on
	rig_pass(5 * MS);
	cr_assert_eq(rig_end(0), 1);
	cluster_isolate(&rig.c, 1, false);
	rig_pass(100 * MS);
	cr_assert_eq(instance_at(1, 70), 1, "not fenced by what does not exist");
	cr_assert_eq(rig_commit(0), 1);
	rig_assert_alike(0, 1);
	rig_stop();
}

// The member that is left took the cut, and not yet the tables, when its primary is gone again.
Test(replication_meta, a_member_that_was_cut_back_still_holds_what_was_agreed)
{
	rig_start(3, NULL);
	server_1_goes_ahead();
	rig.number = 0;
	rig_publish(1, 50); // the log of server 1 goes on otherwise: it is to be cut back
	rig_pass(RIG_STEP);
	cluster_isolate(&rig.c, 1, false);
	for (uint32_t i = 0; i < 2000 && cluster_count(&rig.c, 1, COUNTER_sink_cuts) == 0; i++)
		rig_turns(1), cluster_pass(&rig.c, 100 * US);
	cr_assert_eq(cluster_count(&rig.c, 1, COUNTER_sink_cuts), 1);
	cr_assert_eq(rig_end(1), 0);
	cluster_isolate(&rig.c, 2, true);
	cluster_kill(&rig.c, 0);
	restart_primary();
	rig_put_out(2);
	rig_write();
	rig_pass(50 * MS);
	rig_connect();
	cr_assert_eq(ask_topic("two"), 2);
	cr_assert_str_eq(topic_name(0, 1), "one");
	rig_assert_alike(0, 1);
	rig_stop();
}

// ---- what is lost or late ----------------------------------------------------------------------

static uint32_t metas_lost;

static bool without_first_meta(struct cluster *c, uint32_t from, uint32_t to, uint8_t *bytes,
			       uint32_t *length)
{
	(void)c, (void)from, (void)to, (void)length;
	return bytes[1] != GODWIT_META || metas_lost++ > 0;
}

Test(replication_meta, of_two_names_the_first_is_lost_and_neither_gets_the_number_of_the_other)
{
	rig_start(2, NULL);
	rig_connect();
	rig.c.filter = without_first_meta;
	peer_topic(&rig.client, "s0", "one", true);
	peer_topic(&rig.client, "s0", "two", true);
	rig_pass(30 * MS);
	cr_assert_geq(metas_lost, 3, "both were sent, and what was lost again");
	cr_assert_eq(cluster_count(&rig.c, 1, COUNTER_meta_applied), 2);
	cr_assert_eq(told_topic("one"), 1);
	cr_assert_eq(told_topic("two"), 2);
	rig_assert_alike(0, 1);
	rig_stop();
}

static struct {
	enum {
		PULL_KEEPS,  // the second page is kept back
		PULL_LOSES,  // and the pull is given up
		PULL_BEGINS, // anew: the page that was kept comes in place of the new one
		PULL_GOES_ON
	} step;
	uint8_t bytes[2048];
	uint32_t length;
} pull;

static bool wire_of_pages(struct cluster *c, uint32_t from, uint32_t to, uint8_t *bytes,
			  uint32_t *length)
{
	const struct godwit_snapshot *page = (const void *)bytes;
	bool is_second = bytes[1] == GODWIT_SNAPSHOT && godwit_get32(page->page) == 1;

	(void)to;
	if (bytes[1] != GODWIT_SNAPSHOT || pull.step == PULL_GOES_ON)
		return true;
	if (pull.step == PULL_KEEPS && is_second && from == 0) {
		memcpy(pull.bytes, bytes, *length);
		pull.length = *length;
		pull.step = PULL_LOSES;
	}
	if (pull.step == PULL_BEGINS && is_second) { // it is asked for
		cluster_inject(c, 0, 1, pull.bytes, pull.length);
		pull.step = PULL_GOES_ON;
	}
	return pull.step != PULL_LOSES;
}

// The next message of each of 40 publishers: more of them than two pages hold.
static void all_publish(uint64_t number)
{
	for (uint32_t i = 0; i < 40; i++) {
		if (number == 1) {
			peer_open(&rig.client, "s0", 1000 + i, 0, 0);
			rig_pass(RIG_STEP);
		}
		peer_publish(&rig.client, 0, 1000 + i, 1, number, 1, 5, 100);
		rig_pass(RIG_STEP);
	}
	rig_pass(10 * MS);
	cr_assert_eq(rig_commit(0), 40 * number);
}

Test(replication_meta, pages_of_two_moments_make_no_snapshot)
{
	struct cluster_config config = {.each = {.publishers_max = 64, .runs_max = 4096}};

	rig_start(3, &config);
	rig_connect();
	all_publish(1);
	cluster_kill(&rig.c, 1);
	rig_expel_dead();
	rig.c.filter = wire_of_pages;
	cluster_restart(&rig.c, 1);
	cr_assert(cluster_meet(&rig.c));
	for (uint32_t i = 0; i < 500 && pull.step == PULL_KEEPS; i++)
		rig_pass(RIG_STEP);
	cr_assert_eq(pull.step, PULL_LOSES);
	all_publish(2);
	rig_pass(300 * MS);
	cr_assert_eq(rig_sink(1)->page, 0);
	pull.step = PULL_BEGINS;
	rig_pass(200 * MS);
	cr_assert_eq(pull.step, PULL_GOES_ON);
	cr_assert_eq(cluster_count(&rig.c, 1, COUNTER_snapshots_loaded), 1);
	cr_assert_geq(cluster_count(&rig.c, 1, COUNTER_snapshot_pages_old), 1);
	cr_assert(rig_in_set(1));
	rig_assert_alike(0, 1);
	rig_stop();
}

// ---- what a member holds -----------------------------------------------------------------------

// An epoch without a record leaves no trace in a log that came after it.
Test(replication_meta, a_member_of_an_empty_stream_keeps_its_tables_in_whatever_epoch)
{
	rig_start(3, NULL);
	rig_connect();
	cr_assert_eq(ask_topic("one"), 1);
	restart_primary();
	rig_pass(50 * MS);
	cluster_restart(&rig.c, 2);
	rig_expel_dead();
	rig_pass(200 * MS);
	cr_assert(rig_in_set(2));
	cr_assert_eq(rig_stream(1)->epoch, 1);
	cr_assert_eq(rig_stream(2)->epoch, 2);
	restart_primary(); // from server 2
	rig_pass(100 * MS);
	cr_assert_eq(cluster_count(&rig.c, 1, COUNTER_sink_resets), 1, "that at its start");
	rig_connect();
	cr_assert_eq(ask_topic("two"), 2);
	rig_assert_alike(0, 1);
	rig_stop();
}

Test(replication_meta, records_of_before_the_first_epoch_are_cut_and_the_tables_stay)
{
	rig_start(3, NULL);
	server_1_goes_ahead();
	server_2_begins_anew();
	restart_primary(); // from server 2, while server 1 is away
	cr_assert_eq(rig_end(0), 0);
	cluster_isolate(&rig.c, 1, false);
	rig_pass(200 * MS);
	cr_assert_eq(cluster_count(&rig.c, 1, COUNTER_sink_cuts), 1);
	cr_assert_eq(cluster_count(&rig.c, 1, COUNTER_sink_resets), 1, "that at its start");
	rig_assert_alike(0, 1);
	rig_stop();
}

// Its first epoch left no record, and the stream goes on from a member that never heard of that epoch.
Test(replication_meta,
     a_member_that_began_in_a_later_epoch_takes_earlier_records_and_keeps_its_tables)
{
	rig.min_in_sync = 3; // nobody can leave
	rig_start(3, NULL);
	server_1_goes_ahead();
	server_2_begins_anew();
	cluster_isolate(&rig.c, 1, false);
	cluster_isolate(&rig.c, 2, true);
	restart_primary(); // from server 1, while server 2 is away
	cr_assert_eq(rig_end(0), 3);
	cluster_isolate(&rig.c, 2, false);
	rig_pass(200 * MS);
	cr_assert_eq(cluster_count(&rig.c, 2, COUNTER_sink_resets), 1, "that at its start");
	cr_assert_eq(cluster_count(&rig.c, 2, COUNTER_sink_cuts), 1);
	cr_assert_eq(rig_commit(2), 3);
	rig_assert_alike(0, 2);
	rig_stop();
}

// With local acks the log moves on over what a member lacks.
static void lap_server_1(void)
{
	static const struct cluster_config small = {.each.log_bytes = 65536};

	rig.ack_local = true;
	rig_start(2, &small);
	rig_open();
	cr_assert_eq(ask_topic("one"), 1);
	cluster_cut(&rig.c, 0, 1);
	for (uint32_t i = 0; i < 300; i++) {
		rig_publish(1, 900);
		rig_pass(RIG_STEP);
	}
	cr_assert_gt(log_earliest(&rig_stream(0)->log), rig_end(1) + 1);
	cluster_mend(&rig.c, 0, 1);
	rig_pass(300 * MS);
}

Test(replication_meta, a_member_leaves_the_set_before_its_log_begins_anew)
{
	lap_server_1();
	cr_assert(rig_in_set(1));
	cr_assert_geq(cluster_count(&rig.c, 0, COUNTER_insync_put_out), 1);
	cr_assert_geq(rig.lags, 1);
	cr_assert_eq(cluster_count(&rig.c, 1, COUNTER_sink_resets), 1, "that at its start");
	cr_assert_str_eq(topic_name(1, 1), "one");
	rig.expels = true;
	rig_pass(500 * MS);
	cr_assert_eq(cluster_count(&rig.c, 1, COUNTER_sink_resets), 2);
	cr_assert(rig_in_set(1), "and comes back");
	rig_assert_alike(0, 1);
	rig_stop();
}

Test(replication_meta, a_primary_started_again_can_have_all_from_whoever_is_left_in_the_set)
{
	lap_server_1();
	restart_primary();
	rig_pass(50 * MS);
	cr_assert_str_eq(topic_name(0, 1), "one");
	rig_assert_alike(0, 1);
	rig_stop();
}
