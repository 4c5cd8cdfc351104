// SPDX-License-Identifier: BSD-3-Clause
//
// What clients are told by a server that has not got where they are, or does not lead what they ask for.
#include "tests/unit/replication_rig.h"

Test(replication_clients, a_replica_sends_publishers_to_the_primary)
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

Test(replication_clients, a_primary_that_is_not_writable_asks_for_patience)
{
	struct harness_request request = {.number = 1, .start = GODWIT_START_LATEST};
	const struct harness_frame *frame;
	struct peer_stream_facts facts;

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
	// Nobody is to send clients there for its feed.
	cr_assert(peer_stream_get(&cluster_server(&rig.c, 1)->peers.peers[0].streams[0], &facts));
	cr_assert_eq(facts.feed_age_ms, PEERS_NEVER_FED);
	rig_stop();
}

// Only the primary can say that a sequence was never appended; and the policy is not for one that has no fault.
Test(replication_clients, a_start_that_a_replica_has_not_got_to_is_asked_of_the_primary)
{
	struct harness_request request = {.number = 1,
					  .policy = GODWIT_POLICY_EARLIEST,
					  .start = GODWIT_START_SEQUENCE,
					  .start_value = 20};
	const struct godwit_redirect *redirect;
	const struct harness_frame *frame;
	struct client_peer client;

	rig_start(2, NULL);
	rig_open();
	rig_publish(10, 100);
	rig_pass(50 * MS);
	client = harness_peer(cluster_harness(&rig.c, 1), 0, 20, 1000, 1);
	cr_assert(harness_connect(&client, NULL));
	cr_assert_null(harness_subscribe(&client, &request), "it begins nowhere");
	frame = harness_take(client.harness, &client.address, GODWIT_ERROR);
	cr_assert_not_null(frame, "the primary is not known to be up");
	cr_assert_eq(godwit_get16(((const struct godwit_error *)frame->data)->code), GODWIT_BEHIND);
	atomic_store(&cluster_peer(&rig.c, 1, 0)->verdict, PEER_UP);
	cr_assert_null(harness_subscribe(&client, &request));
	frame = harness_take(client.harness, &client.address, GODWIT_REDIRECT);
	cr_assert_not_null(frame);
	redirect = (const void *)frame->data;
	cr_assert_eq(godwit_get16(redirect->code), GODWIT_BEHIND);
	cr_assert_eq(godwit_get16(redirect->target.id), 1);
	cr_assert_eq(godwit_get64(redirect->tag), client.tag);
	rig_stop();
}

static bool without_records(struct cluster *c, uint32_t from, uint32_t to, uint8_t *bytes,
			    uint32_t *length)
{
	(void)c;
	(void)from;
	(void)to;
	(void)length;
	return bytes[1] != GODWIT_REPLICATE;
}

Test(replication_clients, a_position_that_a_replica_has_not_reached_is_sent_to_who_has_it)
{
	struct harness_request request = {.number = 1, .attempt = 1, .seq = 5, .epoch = 1};
	struct client_peer client;
	const struct harness_frame *frame;
	const struct godwit_redirect *redirect;

	rig_start(2, NULL);
	rig_open();
	rig.c.filter = without_records;
	rig_publish(5, 100);
	rig_pass(30 * MS); // heartbeats tell of the primary's end
	client = harness_peer(cluster_harness(&rig.c, 1), 0, 20, 1000, 1);
	cr_assert(harness_connect(&client, NULL));
	request.session = rig.record.session;
	cr_assert_null(harness_resume(&client, &request));
	frame = harness_take(client.harness, &client.address, GODWIT_ERROR);
	cr_assert_not_null(frame, "nobody is known to be up");
	cr_assert_eq(godwit_get16(((const struct godwit_error *)frame->data)->code), GODWIT_BEHIND);
	atomic_store(&cluster_peer(&rig.c, 1, 0)->verdict, PEER_UP);
	cr_assert_null(harness_resume(&client, &request));
	frame = harness_take(client.harness, &client.address, GODWIT_REDIRECT);
	cr_assert_not_null(frame);
	redirect = (const void *)frame->data;
	cr_assert_eq(godwit_get16(redirect->code), GODWIT_BEHIND);
	cr_assert_eq(godwit_get16(redirect->target.id), 1);
	// One that begins after what it has stored is not sent to the start, whatever its policy.
	request = (struct harness_request){.number = 2,
					   .tag = 0x8002,
					   .start = GODWIT_START_AFTER,
					   .start_value = 5,
					   .session = rig.record.session,
					   .epoch = 1,
					   .policy = GODWIT_POLICY_EARLIEST};
	cr_assert_null(harness_subscribe(&client, &request));
	frame = harness_take(client.harness, &client.address, GODWIT_REDIRECT);
	cr_assert_not_null(frame);
	redirect = (const void *)frame->data;
	cr_assert_eq(godwit_get16(redirect->code), GODWIT_BEHIND);
	rig_stop();
}

static bool without_records_to_one(struct cluster *c, uint32_t from, uint32_t to, uint8_t *bytes,
				   uint32_t *length)
{
	return to != 1 || without_records(c, from, to, bytes, length);
}

// By its client id; and nobody of an earlier epoch, which may have other records at the same sequences.
Test(replication_clients, clients_of_a_replica_that_is_behind_are_spread_over_who_is_not)
{
	struct harness_request request = {.number = 1, .seq = 5, .epoch = 1, .attempt = 1};
	uint32_t named[4] = {0}, before = 0;

	rig_start(3, NULL);
	rig_open();
	rig.c.filter = without_records_to_one;
	rig_publish(5, 100);
	rig_pass(30 * MS);
	request.session = rig.record.session;
	atomic_store(&cluster_peer(&rig.c, 1, 0)->verdict, PEER_UP);
	atomic_store(&cluster_peer(&rig.c, 1, 2)->verdict, PEER_UP);
	for (uint32_t i = 0; i < 14; i++) {
		struct client_peer client =
			harness_peer(cluster_harness(&rig.c, 1), 0, 20 + i, 1000 + i, 1);
		const struct godwit_redirect *redirect;
		const struct harness_frame *frame;

		cr_assert(harness_connect(&client, NULL));
		if (i >= 8)
			atomic_store(&cluster_peer(&rig.c, 1, 2)->streams[0].epoch, 0);
		cr_assert_null(harness_resume(&client, &request));
		frame = harness_take(client.harness, &client.address, GODWIT_REDIRECT);
		cr_assert_not_null(frame);
		redirect = (const void *)frame->data;
		named[godwit_get16(redirect->target.id)]++;
		if (i == 7) {
			cr_assert(named[1] >= 2 && named[3] >= 2, "%u and %u", named[1], named[3]);
			before = named[3];
		}
	}
	cr_assert_eq(named[3], before);
	rig_stop();
}
