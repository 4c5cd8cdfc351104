// SPDX-License-Identifier: BSD-3-Clause
//
// Of tests: the keeper of a server 1 with peers 2 and 3 (and 4), over the static backend with a store in memory.
#ifndef TESTS_UNIT_KEEPER_RIG_H
#define TESTS_UNIT_KEEPER_RIG_H

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/cluster_static.h"
#include "control/cluster_text.h"
#include "control/keeper.h"

#define MS	1000000ull
#define TIMEOUT (500 * MS)
#define STREAM	0 // its number in the server
#define KEPT	1 // in the cluster

static struct {
	char text[CLUSTER_TEXT_BYTES];
	size_t bytes;	 // 0: there is no file
	int fault;	 // of the next writes: 0, -errno or CLUSTER_STORE_UNKNOWN
	bool is_written; // of UNKNOWN: it happened
	uint32_t writes;
} store;

static int store_read(void *arg, const char *name, char *text, size_t size)
{
	(void)arg, (void)name;
	if (store.bytes == 0)
		return -ENOENT;
	cr_assert_leq(store.bytes, size);
	memcpy(text, store.text, store.bytes);
	return (int)store.bytes;
}

static int store_write(void *arg, const char *name, const char *text, size_t bytes)
{
	(void)arg, (void)name;
	store.writes++;
	if (store.fault == 0 || (store.fault == CLUSTER_STORE_UNKNOWN && store.is_written)) {
		memcpy(store.text, text, bytes);
		store.bytes = bytes;
	}
	return store.fault;
}

// One process of server 1.
static struct server server;
static struct peer_stream peer_streams[3][1];
static struct cluster cluster;
static struct keeper *keeper;
static uint64_t now_ns, sessions;
static uint16_t min_in_sync;
static uint32_t replicas; // 2, and 3, and 4
// What its home core was ordered.
static struct cluster_record ordered;
static uint64_t answered;
static uint32_t records, fetches;
static uint16_t fetched_from;
static uint32_t fetch_epoch;
static bool has_no_room;

static bool on_record(void *arg, uint32_t number, const struct cluster_record *record,
		      uint64_t proposals)
{
	(void)arg;
	cr_assert_eq(number, STREAM);
	if (has_no_room)
		return false;
	ordered = *record;
	answered = proposals;
	records++;
	return true;
}

static bool on_fetch(void *arg, uint32_t number, const struct cluster_record *record, uint16_t from)
{
	(void)arg;
	cr_assert_eq(number, STREAM);
	if (has_no_room)
		return false;
	fetched_from = from;
	fetch_epoch = record->epoch;
	fetches++;
	return true;
}

static uint64_t on_random(void *arg)
{
	(void)arg;
	return sessions++; // the first one is 0, which is no session
}

static void start(uint64_t incarnation)
{
	static struct cluster_static_stream streams[] = {
		{.name = "theirs", .primary = 2, .min_in_sync = 1},
		{.name = "trades", .primary = 1, .replicas = {2, 3, 4}},
	};
	struct cluster_static_config backend = {
		.name = "lab",
		.server = 1,
		.member_count = replicas + 1,
		.members = {{.id = 1}, {.id = 2}, {.id = 3}, {.id = 4}},
		.stream_count = 2,
		.streams = streams,
		.store = {store_read, store_write, NULL},
	};
	struct keeper_stream stream = {
		.kept = KEPT,
		.number = STREAM,
		.min_in_sync = min_in_sync,
		.replica_count = replicas,
		.replicas = {2, 3, 4},
	};
	struct keeper_config config = {
		.server = &server,
		.cluster = &cluster,
		.start_timeout_ns = TIMEOUT,
		.stream_count = 1,
		.streams = &stream,
		.ops = {on_record, on_fetch, on_random, NULL},
	};

	keeper_destroy(keeper);
	cluster_destroy(&cluster);
	streams[KEPT].min_in_sync = min_in_sync;
	streams[KEPT].replica_count = replicas;
	memset(&server, 0, sizeof(server));
	memset(peer_streams, 0, sizeof(peer_streams));
	server.id = 1;
	server.incarnation = incarnation;
	server.peers.count = replicas;
	for (uint32_t i = 0; i < replicas; i++) {
		server.peers.ids[i] = server.peers.peers[i].id = (uint16_t)(2 + i);
		server.peers.peers[i].index = i;
		server.peers.peers[i].streams = peer_streams[i];
		server.peers.peers[i].refusal = PEER_NOT_MET;
	}
	cr_assert_eq(cluster_static_create(&cluster, &backend), 0);
	keeper = keeper_create(&config);
	cr_assert_not_null(keeper);
	records = fetches = 0;
	ordered = (struct cluster_record){0};
}

static inline void set_up(void)
{
	min_in_sync = 2;
	replicas = 2;
	sessions = 0;
	now_ns = 1000 * MS;
}

static inline void tear_down(void)
{
	keeper_destroy(keeper);
	cluster_destroy(&cluster);
}

static struct peer *peer_of(uint16_t id)
{
	return &server.peers.peers[id - 2];
}

// A server was met, in that incarnation, and holds this of the stream.
static inline void says(uint16_t id, uint64_t incarnation, uint64_t session, uint32_t epoch,
			uint64_t end)
{
	struct peer_stream *stream = &peer_streams[id - 2][STREAM];

	peer_of(id)->incarnation = incarnation;
	peer_of(id)->refusal = PEER_ACCEPTED;
	peer_of(id)->refused_us = GODWIT_PEER_ACCEPTED;
	peer_of(id)->verdict = PEER_UP;
	stream->version = 2;
	stream->told = 1;
	stream->session = session;
	stream->epoch = epoch;
	stream->end = end;
}

static void step(void)
{
	now_ns += MS;
	for (uint32_t i = 0; i < 3; i++)
		keeper_step(keeper, now_ns);
}

static struct keeper_view look(void)
{
	struct keeper_view view;

	keeper_look(keeper, 0, &view);
	return view;
}

static inline void expect_waits(enum keeper_state state, enum keeper_why why, uint16_t id)
{
	struct keeper_view view = look();

	cr_assert_eq(view.state, state, "%s", keeper_state_name(view.state));
	cr_assert_eq(view.why, why);
	cr_assert_eq(view.server, id);
	cr_assert_eq(records + fetches, 0, "nothing was ordered");
}

// The home core has a record with exactly these members.
static inline void expect_set(uint32_t count, const struct cluster_replica *members)
{
	cr_assert_eq(ordered.in_sync_count, count);
	for (uint32_t i = 0; i < count; i++)
		cr_assert(cluster_in_sync_as(&ordered, members[i].server, members[i].incarnation),
			  "%u as %llu", members[i].server,
			  (unsigned long long)members[i].incarnation);
}
#define EXPECT_SET(...)                                                                            \
	expect_set(sizeof((struct cluster_replica[]){__VA_ARGS__}) /                               \
			   sizeof(struct cluster_replica),                                         \
		   (struct cluster_replica[]){__VA_ARGS__})

// Server 1 leads for the first time, as incarnation 100; nobody else is in sync.
static inline void lead_first(void)
{
	start(100);
	says(2, 200, 0, 0, 0);
	says(3, 300, 0, 0, 0);
	step();
	cr_assert_eq(look().state, KEEPER_LEADING);
}

// And then 2 and 3 came in sync, as 200 and 300.
static inline void lead_with_all(void)
{
	lead_first();
	keeper_proposed(keeper, STREAM, 2, 200, 1);
	keeper_proposed(keeper, STREAM, 3, 300, 2);
	step();
	EXPECT_SET({1, 100}, {2, 200}, {3, 300});
}

#endif
