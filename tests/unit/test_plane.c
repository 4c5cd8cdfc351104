// SPDX-License-Identifier: BSD-3-Clause
//
// Three servers with their control planes on one wire: what a client sees when its home dies, is drained, is
// cut off or wakes up again.
#include "tests/unit/plane_rig.h"

TestSuite(plane, .init = start);

// ---- streams -----------------------------------------------------------------------------------

Checked(plane, a_cluster_without_history_begins_a_session_and_gets_in_sync, stop)
{
	cr_assert_neq(session_at(0), 0);
	for (uint32_t i = 0; i < SERVERS; i++)
		cr_assert_eq(session_at(i), session_at(0));
	cr_assert_eq(kept().state, KEEPER_LEADING);
	cr_assert_eq(kept().record.in_sync_count, 3);
}

Checked(plane, a_dead_replica_leaves_the_set_and_comes_back, stop)
{
	kill_server(2);
	pass(100 * MS);
	cr_assert_eq(kept().record.in_sync_count, 2);
	cr_assert_eq(plane_links(own[0].plane)[1].state, LINK_DEAD);
	restart(2);
	pass(1500 * MS);
	cr_assert_eq(kept().record.in_sync_count, 3);
}

Checked(plane, a_primary_that_starts_again_goes_on_in_its_session, stop)
{
	uint64_t session = session_at(0);

	harness_append(cluster_harness(&c, 0), 0, 0, 20, 30);
	pass(50 * MS);
	cr_assert_eq(log_committed_seq(&stream_at(1)->log), 30);
	restart(0);
	pass(3000 * MS);
	cr_assert_eq(kept().state, KEEPER_LEADING);
	cr_assert_eq(session_at(0), session);
	cr_assert_eq(log_head(&stream_at(0)->log).seq, 30);
	cr_assert_geq(kept().record.epoch, 2);
}

// ---- cursors -----------------------------------------------------------------------------------

Checked(plane, every_server_knows_every_cursor, stop)
{
	subscribe(1);
	for (uint32_t i = 0; i < SERVERS; i++)
		cr_assert_eq(home_at(i), 2);
}

// An entry may outlive what it tells of: only the home knows.
Checked(plane, what_a_server_says_of_the_home_of_another_is_not_believed, stop)
{
	struct cursor_key key = {.client = 50, .session = session_at(0), .subscription = 1};
	struct godwit_cursor entry;
	struct cursor cursor;

	subscribe(1);
	cr_assert(cursor_table_find(plane_cursors(own[2].plane), &key, &cursor));
	cursor.home = 1;
	cursor.cursor_epoch = cursor_epoch_after(epoch + (5 << 16), 1);
	cursor_encode(&cursor, &entry);
	cursor_feed_take(harness_core(cluster_harness(&c, 2), 0), &entry);
	keep_alive(100 * MS);
	for (uint32_t i = 0; i < SERVERS; i++)
		cr_assert_eq(home_at(i), 2);
	cr_assert_eq(cluster_count(&c, 1, COUNTER_subscriptions_dropped), 0);
	append(3);
	cr_assert_not_null(harness_take(cluster_harness(&c, 1), &client.address, GODWIT_DATA),
			   "it is served");
}

Checked(plane, a_dead_home_is_replaced_by_one_survivor, stop)
{
	const struct godwit_take *take, *other;
	uint32_t by;

	subscribe(1);
	kill_server(1);
	pass(60 * MS);
	by = taker(&take);
	cr_assert_lt(by, SERVERS);
	cr_assert_eq(godwit_get16(take->frame.flags), 0);
	accept_offer(by, take);
	pass(20 * MS);
	cr_assert_eq(taker(&other), SERVERS); // the other one left it alone
	cr_assert_eq(home_at(0), by + 1);
	cr_assert_eq(home_at(2), by + 1);
	cr_assert_eq(record_at(by)->outcome, MIGRATION_MOVED);
	cr_assert_eq(record_at(by)->reason, GODWIT_MIGRATION_DEATH);
	cr_assert_eq(record_at(by)->from, 2);
	cr_assert_eq(record_at(by)->first_ns, 0, "there was no message yet");
	append(30);
	cr_assert_geq(record_at(by)->first_ns, record_at(by)->detected_ns);
}

Checked(plane, a_client_that_resumes_elsewhere_by_itself_leaves_a_record_there, stop)
{
	struct client_peer there = harness_peer(cluster_harness(&c, 2), 0, 50, 50, 1);
	struct harness_request r = {.number = 1, .attempt = 1, .session = session_at(0)};
	const struct migration_record *record;
	uint64_t came_ns;

	subscribe(1);
	append(30);
	cr_assert(harness_connect(&there, NULL));
	r.highest_epoch = epoch;
	r.seq = 10;
	r.epoch = 1;
	came_ns = c.now_ns;
	cr_assert_not_null(harness_resume(&there, &r));
	pass(20 * MS);
	record = record_at(2);
	cr_assert_not_null(record);
	cr_assert_eq(record->reason, GODWIT_MIGRATION_CLIENT);
	cr_assert_eq(record->outcome, MIGRATION_MOVED);
	cr_assert_eq(record->client, 50);
	cr_assert_eq(record->from, 2);
	cr_assert_eq(record->to, 3);
	cr_assert_eq(record->replayed, 20);
	cr_assert_eq(record->handover_seq, 31);
	cr_assert_geq(record->detected_ns, came_ns);
	cr_assert_geq(record->first_ns, record->detected_ns);
	cr_assert_lt(record->first_ns, came_ns + 10 * MS);
	// Once: what comes later changes nothing, and neither does a RESUME at the same home.
	came_ns = record->first_ns;
	append(10);
	cr_assert_eq(record_at(2)->first_ns, came_ns);
	r.attempt = 2;
	r.highest_epoch = 0;
	cr_assert_not_null(harness_resume(&there, &r));
	pass(20 * MS);
	cr_assert_null(migration_record(plane_migration(own[2].plane), 1));
	cr_assert_eq(cluster_count(&c, 2, COUNTER_arrivals), 1);
}

Checked(plane, knows_how_many_cursors_each_core_has, stop)
{
	struct migration *migration = plane_migration(own[1].plane);

	cr_assert(migration_view(migration)->cores[0].takes);
	cr_assert_eq(migration_view(migration)->cores[0].cursors, 0);
	subscribe(1);
	pass(20 * MS);
	cr_assert_eq(migration_view(migration)->cores[0].cursors, 1);
	cr_assert_eq(migration_rebalance(migration, c.now_ns), MIGRATION_REBALANCE_ONE_CORE);
}

Checked(plane, a_drained_server_hands_over_and_serves_until_then, stop)
{
	const struct harness_frame *migrate;
	const struct godwit_take *take;
	struct client_peer old;
	uint32_t by;

	subscribe(1);
	old = client;
	cr_assert_eq(migration_drain(plane_migration(own[1].plane), c.now_ns, NULL), GODWIT_OK);
	pass(20 * MS);
	migrate = harness_take(cluster_harness(&c, 1), &client.address, GODWIT_MIGRATE);
	cr_assert_not_null(migrate);
	by = taker(&take);
	cr_assert_lt(by, SERVERS);
	cr_assert_neq(by, 1);
	cr_assert_eq(godwit_get16(take->frame.flags), GODWIT_FLAG_BY_HOME);
	cr_assert_eq(godwit_get16(((const struct godwit_migrate *)migrate->data)->target.id),
		     by + 1);
	cr_assert_eq(harness_core(cluster_harness(&c, 1), 0)->subscription_count, 1);
	accept_offer(by, take);
	pass(30 * MS);
	cr_assert_eq(harness_core(cluster_harness(&c, 1), 0)->subscription_count, 0);
	cr_assert_eq(migration_drain_progress(plane_migration(own[1].plane)).left, 0);
	cr_assert_eq(migration_drain_progress(plane_migration(own[1].plane)).moved, 1);
	cr_assert_eq(record_at(1)->outcome, MIGRATION_MOVED);
	// Nothing but MIGRATE was said of it.
	cr_assert_null(harness_take(cluster_harness(&c, 1), &old.address, GODWIT_ENDED));
}

Checked(plane, forgets_what_nobody_speaks_of_but_not_when_it_did_not_listen, stop)
{
	const uint64_t second = 1000 * MS, life = 600 * second;
	struct cursor_table *table = plane_cursors(own[0].plane);
	struct cursor cursor = {.key = {77, 5, 1}, .cursor_epoch = 1ull << 16 | 1, .home = 1};
	struct cursor buried = {.key = {78, 5, 1},
				.cursor_epoch = 1ull << 16 | 1,
				.home = 1,
				.flags = GODWIT_CURSOR_TOMBSTONE};
	uint64_t now = c.now_ns, end;

	cursor_table_merge(table, &cursor, now);
	cursor_table_merge(table, &buried, now);
	// Stopped, it goes on. The cursor is its own, and no core speaks of it.
	end = now + 2 * life - 5 * second;
	for (now += life + second; now < end; now += 5 * second) {
		plane_step(own[0].plane, now);
		if (now < end - life + 60 * second)
			cr_assert(cursor_table_find(table, &buried.key, &buried));
		else if (now > end - life + 75 * second)
			cr_assert_not(cursor_table_find(table, &buried.key, &buried),
				      "the short life of tombstones is not made a long one");
	}
	cr_assert(cursor_table_find(table, &cursor.key, &cursor));
	cr_assert_eq(cursor_table_counter(table, CURSOR_TABLE_excuses), 1);
	for (end = now + 15 * second; now < end; now += 5 * second)
		plane_step(own[0].plane, now);
	cr_assert_not(cursor_table_find(table, &cursor.key, &cursor));
}

Checked(plane, a_client_that_asks_twice_before_its_first_message_leaves_one_record, stop)
{
	struct client_peer there = harness_peer(cluster_harness(&c, 2), 0, 50, 50, 1);
	struct harness_request r = {.number = 1, .attempt = 1, .session = session_at(0)};
	uint64_t first_ns;

	subscribe(1);
	cr_assert(harness_connect(&there, NULL));
	r.highest_epoch = epoch;
	cr_assert_not_null(harness_resume(&there, &r));
	pass(20 * MS);
	r.attempt = 2;
	cr_assert_not_null(harness_resume(&there, &r));
	pass(20 * MS);
	cr_assert_eq(record_at(2)->first_ns, 0);
	append(5);
	first_ns = record_at(2)->first_ns;
	cr_assert_neq(first_ns, 0);
	cr_assert_eq(record_at(2)->from, 2);
	cr_assert_null(migration_record(plane_migration(own[2].plane), 1));
	cr_assert_eq(cluster_count(&c, 2, COUNTER_arrivals), 1);
}

Checked(plane, who_is_drained_gets_no_client_of_another_that_is, stop)
{
	const struct godwit_take *take;

	subscribe(1);
	cr_assert_eq(migration_drain(plane_migration(own[2].plane), c.now_ns, NULL), GODWIT_OK);
	pass(20 * MS);
	cr_assert_eq(migration_drain(plane_migration(own[1].plane), c.now_ns, NULL), GODWIT_OK);
	pass(20 * MS);
	cr_assert_eq(taker(&take), 0);
	accept_offer(0, take);
	keep_alive(300 * MS);
	cr_assert_eq(taker(&take), SERVERS, "nobody wants it from there");
	cr_assert_eq(home_at(0), 1);
	// It is the last one that takes clients.
	cr_assert_eq(migration_drain(plane_migration(own[0].plane), c.now_ns, NULL),
		     GODWIT_NOT_ALLOWED);
	migration_undrain(plane_migration(own[2].plane), c.now_ns);
	pass(20 * MS);
	cr_assert_eq(migration_drain(plane_migration(own[0].plane), c.now_ns, NULL), GODWIT_OK);
}

// The server that a client is sent to by the answer to its request; 0: it was answered otherwise.
static uint32_t sent_to(uint32_t server, const struct client_peer *from)
{
	const struct harness_frame *f =
		harness_take(cluster_harness(&c, server), &from->address, GODWIT_REDIRECT);
	const struct godwit_redirect *redirect = f != NULL ? (const void *)f->data : NULL;

	if (redirect == NULL)
		return 0;
	cr_assert_eq(godwit_get16(redirect->code), GODWIT_DRAINING);
	return godwit_get16(redirect->target.id);
}

Checked(plane, a_drained_server_sends_new_clients_elsewhere_while_there_is_one, stop)
{
	struct client_peer late = harness_peer(cluster_harness(&c, 1), 0, 60, 60, 1);
	const struct godwit_server_entry *list;
	const struct harness_frame *welcome;

	subscribe(1);
	for (uint32_t i = 0; i < SERVERS; i++)
		for (uint32_t k = 0; k < SERVERS; k++)
			cluster_server(&c, i)->list[k].weight = godwit_be16(1);
	cr_assert_eq(migration_drain(plane_migration(own[0].plane), c.now_ns, NULL), GODWIT_OK);
	cr_assert_eq(migration_drain(plane_migration(own[1].plane), c.now_ns, NULL), GODWIT_OK);
	pass(20 * MS);
	cr_assert(harness_connect(&late, NULL));
	peer_proof(&late, NULL); // a repeat is answered alike
	harness_turn(late.harness);
	welcome = harness_take(late.harness, &late.address, GODWIT_WELCOME);
	cr_assert_not_null(welcome);
	list = godwit_welcome_servers((const void *)welcome->data);
	cr_assert_eq(godwit_get16(list[0].weight), 0);
	cr_assert_eq(godwit_get16(list[1].weight), 0);
	cr_assert_eq(godwit_get16(list[2].weight), 1);
	cr_assert_null(harness_subscribe(&late, &(struct harness_request){.number = 1}));
	cr_assert_eq(sent_to(1, &late), 3);
	// Who is here is served until it leaves, and so are all where nobody else takes clients.
	cr_assert_eq(harness_core(cluster_harness(&c, 1), 0)->subscription_count, 1);
	kill_server(2);
	pass(100 * MS);
	cr_assert_not_null(
		harness_subscribe(&late, &(struct harness_request){.number = 1, .request = 9}));
}

Checked(plane, a_server_that_is_started_again_is_not_drained, stop)
{
	cr_assert_eq(migration_drain(plane_migration(own[1].plane), c.now_ns, NULL), GODWIT_OK);
	pass(20 * MS);
	cr_assert(peers_is_draining(cluster_server(&c, 0), 2));
	restart(1);
	pass(100 * MS);
	cr_assert(peer_takes_clients(cluster_peer(&c, 0, 1)));
	cr_assert_not(peers_is_draining(cluster_server(&c, 1), 2));
}

Checked(plane, a_home_that_is_cut_off_steals_nothing_and_loses_its_cursors, stop)
{
	const struct godwit_take *take;
	uint32_t by;

	subscribe(1);
	cluster_isolate(&c, 1, true);
	pass(100 * MS);
	by = taker(&take);
	cr_assert_lt(by, SERVERS);
	cr_assert_neq(by, 1);
	accept_offer(by, take);
	pass(50 * MS);
	// It still believes that it is home, until it hears of the others.
	cr_assert_eq(home_at(1), 2);
	cr_assert_eq(harness_core(cluster_harness(&c, 1), 0)->subscription_count, 1);
	cluster_isolate(&c, 1, false);
	pass(300 * MS);
	cr_assert_eq(home_at(1), by + 1);
	cr_assert_eq(harness_core(cluster_harness(&c, 1), 0)->subscription_count, 0);
}

Checked(plane, a_link_in_one_direction_is_asked_for_before_it_counts_as_dead, stop)
{
	const struct godwit_take *take;

	subscribe(1);
	cluster_cut(&c, 1, 2); // server 3 does not hear server 2; server 1 does
	keep_alive(400 * MS);
	cr_assert_eq(plane_links(own[2].plane)[1].state, LINK_SUSPECT);
	cr_assert_eq(home_at(0), 2);
	cr_assert_eq(taker(&take), SERVERS);
}

// Each hears its last packet of the dead one at another time. Whoever is the first to ask hears that the other
// one still hears it, which soon is not so any more.
Checked(plane, a_death_is_known_to_all_as_soon_as_the_last_one_suspects_it, stop)
{
	uint64_t died_ns[SERVERS] = {0};

	subscribe(1);
	cluster_cut(&c, 1, 2);
	pass(10 * MS);
	kill_server(1);
	for (uint32_t n = 0; n < 100; n++) {
		pass(MS);
		for (uint32_t i = 0; i < SERVERS; i += 2)
			if (died_ns[i] == 0 && plane_links(own[i].plane)[i / 2].state == LINK_DEAD)
				died_ns[i] = c.now_ns;
	}
	cr_assert_eq(plane_links(own[2].plane)[1].why, LINK_WHY_AGREED);
	cr_assert_neq(died_ns[0], 0);
	cr_assert_neq(died_ns[2], 0);
	cr_assert_lt(died_ns[2], died_ns[0] + 4 * MS);
}

Checked(plane, a_home_that_its_source_does_not_hear_hands_its_clients_over, stop)
{
	const struct godwit_take *take;

	subscribe(1);
	cluster_cut(&c, 1, 0); // the primary does not hear server 2; server 3 does
	keep_alive(400 * MS);
	cr_assert_eq(plane_links(own[0].plane)[0].state, LINK_SUSPECT);
	cr_assert_eq(taker(&take), 2);
	cr_assert_eq(godwit_get16(take->reason), GODWIT_MIGRATION_FEED);
	cr_assert_eq(godwit_get16(take->frame.flags), GODWIT_FLAG_BY_HOME);
}

Checked(plane, a_silent_client_is_taken_by_a_server_that_reaches_it, stop)
{
	struct godwit_probe_reply reply = {
		.frame = {.version = GODWIT_VERSION, .type = GODWIT_PROBE_REPLY}};
	const struct harness_frame *probe = NULL;
	const struct godwit_take *take;
	struct client_peer there;
	uint32_t by;

	subscribe(1);
	for (uint32_t i = 0; i < 400 && probe == NULL; i++) {
		pass(MS);
		probe = harness_take(cluster_harness(&c, 2), &client.address, GODWIT_PROBE);
	}
	cr_assert_not_null(probe);
	reply.tag = ((const struct godwit_probe *)probe->data)->tag;
	reply.nonce = ((const struct godwit_probe *)probe->data)->nonce;
	there = client;
	there.harness = cluster_harness(&c, 2);
	peer_send(&there, &reply, sizeof(reply));
	pass(20 * MS);
	by = taker(&take);
	cr_assert_eq(by, 2);
	cr_assert_eq(godwit_get16(take->frame.flags), GODWIT_FLAG_BY_HOME);
	accept_offer(by, take);
	pass(20 * MS);
	cr_assert_eq(record_at(1)->reason, GODWIT_MIGRATION_LINK);
	cr_assert_eq(record_at(1)->outcome, MIGRATION_MOVED);
	cr_assert_eq(harness_core(cluster_harness(&c, 1), 0)->subscription_count, 0);
}

Checked(plane, what_a_server_served_before_it_started_again_is_taken, stop)
{
	const struct godwit_take *take;
	uint32_t by;

	subscribe(1);
	restart(1); // within a millisecond: nobody saw it silent
	pass(100 * MS);
	by = taker(&take);
	cr_assert_lt(by, SERVERS);
	accept_offer(by, take);
	pass(20 * MS);
	cr_assert_eq(home_at(0), by + 1);
}
