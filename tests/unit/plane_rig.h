// SPDX-License-Identifier: BSD-3-Clause
//
// Three servers with their control planes on one wire: the first leads stream s0, the others are its
// replicas. A test passes time, kills servers and starts them again, and plays the one client.
//
// Owner: one test file; everything is static.
#ifndef TESTS_UNIT_PLANE_RIG_H
#define TESTS_UNIT_PLANE_RIG_H

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
	cr_assert_eq(cursor_feed_create(s, &cursor_feed_config_default), 0);
}

static bool order(uint32_t i, uint32_t kind, const void *data, uint32_t bytes)
{
	struct crossing *inbox = &harness_core(cluster_harness(&c, i), 0)->inbox;
	struct crossing_slot *slot = crossing_begin(inbox);

	if (slot == NULL)
		return false;
	slot->kind = kind;
	slot->bytes = bytes;
	memcpy(slot->data, data, bytes);
	crossing_end(inbox);
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
		.moves_max = PLANE_MOVES_MAX,
		.offers_ms = PLANE_OFFERS_MS,
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

#endif
