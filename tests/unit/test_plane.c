// SPDX-License-Identifier: BSD-3-Clause
//
// Three servers with their control planes on one wire: the first leads stream s0, the others are its
// replicas. What a client sees when its home dies, is drained, is cut off or wakes up again.
#include <criterion/criterion.h>
#include <errno.h>

// Both the servers of a harness and the records of control call themselves a cluster.
#define cluster harness_cluster
#include "tests/support/cluster_harness.h"
#undef cluster

#include "control/cluster_static.h"
#include "control/keeper.h"
#include "control/plane.h"
#include "dataplane/replication.h"
#include "dataplane/stages.h"
#include "tests/support/checked.h"

#define SERVERS 3

static struct harness_cluster c;
static struct {
	struct plane *plane;
	struct cluster records;
	struct keeper *keeper;
	char file[4096]; // survives the process
	size_t file_bytes;
} own[SERVERS];
static struct client_peer client; // as it talks to its home
static uint64_t epoch;

static int store_read(void *arg, const char *name, char *text, size_t size)
{
	uint32_t i = (uint32_t)(uintptr_t)arg;

	(void)name;
	if (own[i].file_bytes == 0)
		return -ENOENT;
	cr_assert_leq(own[i].file_bytes, size);
	memcpy(text, own[i].file, own[i].file_bytes);
	return (int)own[i].file_bytes;
}

static int store_write(void *arg, const char *name, const char *text, size_t bytes)
{
	uint32_t i = (uint32_t)(uintptr_t)arg;

	(void)name;
	cr_assert_leq(bytes, sizeof(own[i].file));
	memcpy(own[i].file, text, bytes);
	own[i].file_bytes = bytes;
	return 0;
}

static void configuring(struct harness_cluster *cl, uint32_t server, struct stream_config *stream,
			uint32_t number)
{
	(void)cl;
	(void)number;
	stream->session = 0;
	stream->role = server == 0 ? STREAM_PRIMARY : STREAM_REPLICA;
	stream->primary = 0; // the first of a replica's peers
	stream->replicas = server == 0 ? 3 : 0;
	stream->min_in_sync = 2;
}

static void starting(struct harness_cluster *cl, uint32_t server)
{
	struct server *s = cluster_server(cl, server);

	for (uint32_t i = 0; i < SERVERS; i++) {
		struct godwit_address address = cluster_address(i);

		memcpy(s->list[i].ip, address.ip, sizeof(s->list[i].ip));
		s->list[i].port = godwit_be16(address.port);
		s->list[i].id = godwit_be16((uint16_t)(i + 1));
	}
	s->list_count = SERVERS;
	cr_assert_eq(cursor_feed_create(s), 0);
}

static struct crossing_slot *inbox_of(uint32_t i)
{
	return crossing_begin(&harness_core(cluster_harness(&c, i), 0)->inbox);
}

static bool order(uint32_t i, uint32_t kind, const void *data, uint32_t bytes)
{
	struct crossing_slot *slot = inbox_of(i);

	if (slot == NULL)
		return false;
	slot->kind = kind;
	slot->bytes = bytes;
	memcpy(slot->data, data, bytes);
	crossing_end(&harness_core(cluster_harness(&c, i), 0)->inbox);
	return true;
}

static bool order_record(void *arg, uint32_t number, const struct cluster_record *record,
			 uint64_t proposals)
{
	struct replication_record r = {.stream = number,
				       .epoch = record->epoch,
				       .session = record->session,
				       .proposals = proposals,
				       .min_in_sync = record->min_in_sync,
				       .count = record->in_sync_count};

	for (uint32_t i = 0; i < r.count; i++) {
		r.members[i].server = record->in_sync[i].server;
		r.members[i].incarnation = record->in_sync[i].incarnation;
	}
	return order((uint32_t)(uintptr_t)arg, CORE_COMMAND_RECORD, &r, sizeof(r));
}

static bool order_fetch(void *arg, uint32_t number, const struct cluster_record *record,
			uint16_t server)
{
	struct replication_fetch f = {.stream = number,
				      .epoch = record->epoch,
				      .session = record->session,
				      .server = server};

	return order((uint32_t)(uintptr_t)arg, CORE_COMMAND_FETCH, &f, sizeof(f));
}

static uint64_t any_number(void *arg)
{
	static uint64_t last = 0x1234567;

	(void)arg;
	return last = last * 6364136223846793005ull + 1442695040888963407ull;
}

static void keeper_begin(uint32_t i)
{
	static const struct keeper_stream streams[] = {
		{.min_in_sync = 2, .replica_count = 2, .replicas = {2, 3}}};
	struct keeper_config config = {
		.server = cluster_server(&c, i),
		.cluster = &own[i].records,
		.start_timeout_ns = 500 * MS,
		.stream_count = i == 0 ? 1 : 0,
		.streams = streams,
		.ops = {order_record, order_fetch, any_number, (void *)(uintptr_t)i},
	};

	own[i].keeper = keeper_create(&config);
	cr_assert_not_null(own[i].keeper);
}

static void plane_begin(uint32_t i)
{
	static const struct cluster_static_stream streams[] = {{.name = "s0",
								.primary = 1,
								.min_in_sync = 2,
								.replica_count = 2,
								.replicas = {2, 3}}};
	struct cluster_static_config records = {
		.name = "lab",
		.server = (uint16_t)(i + 1),
		.member_count = SERVERS,
		.stream_count = 1,
		.streams = streams,
		.store = {store_read, store_write, (void *)(uintptr_t)i},
	};
	struct plane_config config = {
		.server = cluster_server(&c, i),
		.weight = 1,
		.multiplier = 3,
		.cursors_max = 1024,
		.clients_max = 1024,
		.node = -1,
		.reclaim = reclaim_at_once(),
		.random = {77 + i, 99},
	};

	for (uint32_t k = 0; k < SERVERS; k++)
		records.members[k] = (struct cluster_member){
			.id = (uint16_t)(k + 1), .weight = 1, .address = cluster_address(k)};
	cr_assert_eq(cluster_static_create(&own[i].records, &records), 0);
	keeper_begin(i);
	own[i].plane = plane_create(&config, c.now_ns);
	cr_assert_not_null(own[i].plane);
}

static void plane_end(uint32_t i)
{
	if (own[i].plane == NULL)
		return;
	plane_destroy(own[i].plane);
	own[i].plane = NULL;
	keeper_destroy(own[i].keeper);
	cluster_destroy(&own[i].records);
	cursor_feed_destroy(cluster_server(&c, i));
}

static void take_notice(uint32_t i, const struct crossing_slot *slot)
{
	struct replication_notice n;
	struct core_notice notice;

	memcpy(&n, slot->data, sizeof(n));
	memcpy(&notice, slot->data, sizeof(notice));
	if (slot->kind == CORE_NOTICE_PROPOSE)
		keeper_proposed(own[i].keeper, n.stream, n.server, n.incarnation, n.proposal);
	else if (slot->kind == CORE_NOTICE_LAGS)
		keeper_lags(own[i].keeper, n.stream, n.server, n.incarnation, c.now_ns);
	else if (slot->kind == CORE_NOTICE_REFUSED)
		keeper_refused(own[i].keeper, n.stream, n.server, n.incarnation, c.now_ns);
	else if (slot->kind == CORE_NOTICE_FETCHED)
		keeper_fetched(own[i].keeper, n.stream, n.server, n.incarnation);
	else
		plane_notice(own[i].plane, slot->kind, &notice, c.now_ns);
}

static void plane_turn(uint32_t i)
{
	struct crossing *outbox = &harness_core(cluster_harness(&c, i), 0)->outbox;
	struct crossing_slot *slot;

	while ((slot = crossing_peek(outbox)) != NULL) {
		take_notice(i, slot);
		crossing_pop(outbox);
	}
	plane_step(own[i].plane, c.now_ns);
	keeper_step(own[i].keeper, c.now_ns);
}

static uint32_t frozen = SERVERS; // whose control and cores stand still

static void pass(uint64_t ns)
{
	for (uint64_t gone = 0; gone < ns; gone += MS) {
		cluster_pass(&c, MS);
		for (uint32_t i = 0; i < SERVERS; i++)
			if (own[i].plane != NULL && i != frozen)
				plane_turn(i);
	}
}

static void start(void)
{
	struct cluster_config config = {
		.servers = SERVERS, .configuring = configuring, .starting = starting};

	cluster_start(&c, &config);
	for (uint32_t i = 0; i < SERVERS; i++)
		plane_begin(i);
	pass(800 * MS);
}

static void stop(void)
{
	for (uint32_t i = 0; i < SERVERS; i++)
		plane_end(i);
	cluster_stop(&c);
	cr_assert_str_empty(c.failure, "%s", c.failure);
}

TestSuite(plane, .init = start);

static void kill_server(uint32_t i)
{
	plane_end(i);
	cluster_kill(&c, i);
}

static void restart(uint32_t i)
{
	kill_server(i);
	cluster_restart(&c, i);
	plane_begin(i);
}

static struct stream *stream_at(uint32_t i)
{
	return harness_stream(cluster_harness(&c, i), 0);
}

static struct keeper_view kept(void)
{
	struct keeper_view view;

	keeper_look(own[0].keeper, 0, &view);
	return view;
}

static uint64_t session_at(uint32_t i)
{
	return stream_at(i)->session;
}

static void subscribe(uint32_t server)
{
	const struct godwit_subscribed *s;

	client = harness_peer(cluster_harness(&c, server), 0, 50, 50, 1);
	cr_assert(harness_connect(&client, NULL));
	s = harness_subscribe(&client, &(struct harness_request){.number = 1});
	cr_assert_not_null(s);
	epoch = godwit_get64(s->cursor_epoch);
	pass(20 * MS);
}

static void keep_alive(uint64_t ns)
{
	for (uint64_t gone = 0; gone < ns; gone += 50 * MS) {
		struct harness_ack entry = {
			.number = 1, .cursor_epoch = epoch, .session = session_at(0), .edge = 1000};

		peer_ack(&client, &entry, 1);
		pass(50 * MS);
	}
}

// The server that offered a home, and its TAKE; SERVERS: none.
static uint32_t taker(const struct godwit_take **take)
{
	for (uint32_t i = 0; i < SERVERS; i++) {
		const struct harness_frame *f =
			own[i].plane == NULL ?
				NULL :
				harness_take(cluster_harness(&c, i), &client.address, GODWIT_TAKE);

		if (f == NULL)
			continue;
		*take = (const void *)f->data;
		return i;
	}
	return SERVERS;
}

// Accept the offer of that server.
static void accept_offer(uint32_t server, const struct godwit_take *take)
{
	struct client_peer there = client;
	struct harness_request r = {
		.number = 1, .attempt = 2, .highest_epoch = epoch, .session = session_at(0)};
	const struct godwit_subscribed *s;

	there.harness = cluster_harness(&c, server);
	there.handle = godwit_get64(take->handle);
	there.key = godwit_get64(take->key);
	r.offer_epoch = godwit_get64(take->cursor_epoch);
	s = harness_resume(&there, &r);
	cr_assert_not_null(s);
	cr_assert_gt(godwit_get64(s->cursor_epoch), r.offer_epoch);
	client = there;
	epoch = godwit_get64(s->cursor_epoch);
}

// Messages of 20 bytes, committed and delivered.
static void append(uint32_t count)
{
	harness_append(cluster_harness(&c, 0), 0, 0, 20, count);
	pass(30 * MS);
}

static uint16_t home_at(uint32_t i)
{
	struct cursor_key key = {.client = 50, .session = session_at(0), .subscription = 1};
	struct cursor cursor;

	return cursor_table_find(plane_cursors(own[i].plane), &key, &cursor) ? cursor.home : 0;
}

static const struct migration_record *record_at(uint32_t i)
{
	return migration_record(plane_migration(own[i].plane), 0);
}

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

Checked(plane, a_drained_server_hands_over_and_serves_until_then, stop)
{
	const struct harness_frame *migrate;
	const struct godwit_take *take;
	struct client_peer old;
	uint32_t by;

	subscribe(1);
	old = client;
	cr_assert_eq(migration_drain(plane_migration(own[1].plane), c.now_ns), GODWIT_OK);
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
	cr_assert_eq(migration_drain_state(plane_migration(own[1].plane)).left, 0);
	cr_assert_eq(migration_drain_state(plane_migration(own[1].plane)).moved, 1);
	cr_assert_eq(record_at(1)->outcome, MIGRATION_MOVED);
	// Nothing but MIGRATE was said of it.
	cr_assert_null(harness_take(cluster_harness(&c, 1), &old.address, GODWIT_ENDED));
}

Checked(plane, forgets_what_nobody_speaks_of_but_not_when_it_did_not_listen, stop)
{
	const uint64_t second = 1000 * MS, life = 600 * second;
	struct plane *plane = own[0].plane;
	struct cursor_table *table = plane_cursors(plane);
	struct cursor cursor = {.key = {.client = 77, .session = 5, .subscription = 1},
				.cursor_epoch = 1ull << 16 | 1,
				.home = 1};
	uint64_t now = c.now_ns, end;

	plane_step(plane, now);
	cursor_table_merge(table, &cursor, now);
	now += life + second; // stopped, and goes on
	plane_step(plane, now);
	for (end = now + life - 5 * second; now < end; now += 5 * second)
		plane_step(plane, now);
	cr_assert(cursor_table_find(table, &cursor.key, &cursor));
	// Heard of meanwhile it would stay; it is its own, and no core speaks of it.
	for (end = now + 15 * second; now < end; now += 5 * second)
		plane_step(plane, now);
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
	cr_assert_eq(migration_drain(plane_migration(own[2].plane), c.now_ns), GODWIT_OK);
	pass(20 * MS);
	cr_assert_eq(migration_drain(plane_migration(own[1].plane), c.now_ns), GODWIT_OK);
	pass(20 * MS);
	cr_assert_eq(taker(&take), 0);
	accept_offer(0, take);
	keep_alive(300 * MS);
	cr_assert_eq(taker(&take), SERVERS, "nobody wants it from there");
	cr_assert_eq(home_at(0), 1);
	// It is the last one that takes clients.
	cr_assert_eq(migration_drain(plane_migration(own[0].plane), c.now_ns), GODWIT_NOT_ALLOWED);
	migration_undrain(plane_migration(own[2].plane), c.now_ns);
	pass(20 * MS);
	cr_assert_eq(migration_drain(plane_migration(own[0].plane), c.now_ns), GODWIT_OK);
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
	cr_assert_eq(migration_drain(plane_migration(own[0].plane), c.now_ns), GODWIT_OK);
	cr_assert_eq(migration_drain(plane_migration(own[1].plane), c.now_ns), GODWIT_OK);
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
	cr_assert_eq(migration_drain(plane_migration(own[1].plane), c.now_ns), GODWIT_OK);
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
