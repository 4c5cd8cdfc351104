// SPDX-License-Identifier: BSD-3-Clause
//
// The keeper of a server 1 with peers 2 and 3, over the static backend with a store in memory.
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
static struct peer_stream peer_streams[2][1];
static struct cluster cluster;
static struct keeper *keeper;
static uint64_t now_ns, sessions;
static uint16_t min_in_sync;
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
		{.name = "trades", .primary = 1, .replica_count = 2, .replicas = {2, 3}},
	};
	struct cluster_static_config backend = {
		.name = "lab",
		.server = 1,
		.member_count = 3,
		.members = {{.id = 1}, {.id = 2}, {.id = 3}},
		.stream_count = 2,
		.streams = streams,
		.store = {store_read, store_write, NULL},
	};
	struct keeper_stream stream = {
		.kept = KEPT,
		.number = STREAM,
		.min_in_sync = min_in_sync,
		.replica_count = 2,
		.replicas = {2, 3},
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
	memset(&server, 0, sizeof(server));
	memset(peer_streams, 0, sizeof(peer_streams));
	server.id = 1;
	server.incarnation = incarnation;
	server.peers.count = 2;
	for (uint32_t i = 0; i < 2; i++) {
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

static void set_up(void)
{
	min_in_sync = 2;
	sessions = 0;
	now_ns = 1000 * MS;
}

static void tear_down(void)
{
	keeper_destroy(keeper);
	cluster_destroy(&cluster);
}

TestSuite(keeper, .init = set_up, .fini = tear_down);

static struct peer *peer_of(uint16_t id)
{
	return &server.peers.peers[id - 2];
}

// A server was met, in that incarnation, and holds this of the stream.
static void says(uint16_t id, uint64_t incarnation, uint64_t session, uint32_t epoch, uint64_t end)
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

static void expect_waits(enum keeper_state state, enum keeper_why why, uint16_t id)
{
	struct keeper_view view = look();

	cr_assert_eq(view.state, state, "%s", keeper_state_name(view.state));
	cr_assert_eq(view.why, why);
	cr_assert_eq(view.server, id);
	cr_assert_eq(records + fetches, 0, "nothing was ordered");
}

// The home core has a record with exactly these members.
static void expect_set(uint32_t count, const struct cluster_replica *members)
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
static void lead_first(void)
{
	start(100);
	says(2, 200, 0, 0, 0);
	says(3, 300, 0, 0, 0);
	step();
	cr_assert_eq(look().state, KEEPER_LEADING);
}

// And then 2 and 3 came in sync, as 200 and 300.
static void lead_with_all(void)
{
	lead_first();
	keeper_proposed(keeper, STREAM, 2, 200, 1);
	keeper_proposed(keeper, STREAM, 3, 300, 2);
	step();
	EXPECT_SET({1, 100}, {2, 200}, {3, 300});
}

// ---- the first start ----------------------------------------------------------------------------

Test(keeper, begins_a_session_when_every_replica_holds_nothing)
{
	start(100);
	step();
	expect_waits(KEEPER_MEETING, KEEPER_WAITS_FOR, 2);
	says(2, 200, 0, 0, 0);
	step();
	expect_waits(KEEPER_MEETING, KEEPER_WAITS_FOR, 3);
	says(3, 300, 0, 0, 0);
	step();
	cr_assert_eq(look().state, KEEPER_LEADING);
	cr_assert_eq(records, 1);
	cr_assert_eq(ordered.session, 1, "0 is no session");
	cr_assert_eq(ordered.epoch, 1);
	cr_assert_eq(ordered.min_in_sync, 2);
	EXPECT_SET({1, 100});
}

Test(keeper, waits_for_a_replica_that_was_met_but_says_nothing_of_the_stream)
{
	start(100);
	says(2, 200, 0, 0, 0);
	says(3, 300, 0, 0, 0);
	peer_streams[1][STREAM].told = 0;
	step();
	expect_waits(KEEPER_MEETING, KEEPER_WAITS_FOR, 3);
}

Test(keeper, says_which_replica_takes_no_part)
{
	start(100);
	says(2, 200, 0, 0, 0);
	says(3, 300, 0, 0, 0);
	peer_of(3)->refusal = PEER_REFUSED_CONFIG;
	step();
	expect_waits(KEEPER_MEETING, KEEPER_REFUSES_PEER, 3);
	peer_of(3)->refusal = PEER_ACCEPTED;
	peer_of(3)->refused_us = GODWIT_PEER_OTHER_CONFIG;
	step();
	expect_waits(KEEPER_MEETING, KEEPER_REFUSES_PEER, 3);
}

Test(keeper, does_not_begin_while_a_replica_holds_a_session_without_a_record)
{
	start(100);
	says(3, 300, 0xabc, 4, 77);
	step();
	expect_waits(KEEPER_MEETING, KEEPER_HELD_ELSEWHERE, 3);
	says(2, 200, 0, 0, 0);
	step();
	expect_waits(KEEPER_MEETING, KEEPER_HELD_ELSEWHERE, 3);
	says(3, 301, 0, 0, 0); // somebody restarted it
	step();
	cr_assert_eq(look().state, KEEPER_LEADING);
}

Test(keeper, orders_again_what_found_no_room)
{
	has_no_room = true;
	lead_first();
	cr_assert_eq(records, 0);
	has_no_room = false;
	step();
	cr_assert_eq(records, 1);
	EXPECT_SET({1, 100});
}

// ---- a start with a record ----------------------------------------------------------------------

Test(keeper, fetches_from_the_greatest_epoch_and_end_when_all_are_there)
{
	lead_with_all();
	start(101);
	says(2, 200, 1, 1, 50);
	step();
	expect_waits(KEEPER_CHOOSING, KEEPER_WAITS_FOR, 3);
	says(3, 300, 1, 1, 51);
	step();
	cr_assert_eq(fetches, 1);
	cr_assert_eq(fetched_from, 3);
	cr_assert_eq(fetch_epoch, 2);
	cr_assert_eq(records, 0, "it leads nothing yet");
	cr_assert_eq(look().record.in_sync_count, 2, "without itself");
	keeper_fetched(keeper, STREAM, 2, 200);
	step();
	cr_assert_eq(records, 0, "that is not what was asked for");
	keeper_fetched(keeper, STREAM, 3, 300);
	step();
	cr_assert_eq(records, 1);
	cr_assert_eq(ordered.session, 1, "it is the same session");
	cr_assert_eq(ordered.epoch, 2);
	EXPECT_SET({1, 101}, {2, 200}, {3, 300});
}

Test(keeper, prefers_a_later_epoch_to_a_longer_log)
{
	lead_with_all();
	start(101);
	says(2, 200, 1, 2, 10);
	says(3, 300, 1, 1, 90);
	step();
	cr_assert_eq(fetched_from, 2);
}

Test(keeper, prefers_the_lower_server_of_equal_logs)
{
	lead_with_all();
	start(101);
	says(3, 300, 1, 1, 50);
	says(2, 200, 1, 1, 50);
	step();
	cr_assert_eq(fetched_from, 2);
}

Test(keeper, goes_on_with_one_member_when_the_others_do_not_come_in_time)
{
	struct keeper_view view;

	lead_with_all();
	start(101);
	step();
	now_ns += 10 * TIMEOUT;
	step();
	expect_waits(KEEPER_CHOOSING, KEEPER_WAITS_FOR, 2);
	says(3, 300, 1, 1, 50);
	step();
	now_ns += TIMEOUT - 2 * MS;
	step();
	expect_waits(KEEPER_CHOOSING, KEEPER_WAITS_FOR, 2);
	now_ns += MS;
	step();
	cr_assert_eq(fetched_from, 3);
	view = look();
	cr_assert(cluster_in_sync_as(&view.record, 2, 200), "not reachable is not lost");
}

Test(keeper, writes_the_epoch_before_it_fetches)
{
	lead_with_all();
	start(101);
	says(2, 200, 1, 1, 50);
	says(3, 300, 1, 1, 50);
	store.fault = -ENOSPC;
	step();
	cr_assert_eq(fetches, 0);
	cr_assert_eq(look().why, KEEPER_NO_RECORD);
	store.fault = 0;
	step();
	cr_assert_eq(fetches, 0, "it is tried again after a pause");
	now_ns += KEEPER_RETRY_NS;
	step();
	cr_assert_eq(fetches, 1);
	cr_assert_eq(fetch_epoch, 2);
}

Test(keeper, does_not_count_a_member_that_lost_its_memory)
{
	lead_with_all();
	start(101);
	says(2, 200, 1, 1, 50);
	says(3, 301, 0, 0, 0);
	step();
	cr_assert_eq(fetched_from, 2);
	cr_assert_eq(look().record.in_sync_count, 1);
}

Test(keeper, does_not_fetch_from_a_member_that_says_another_session)
{
	lead_with_all();
	start(101);
	says(2, 200, 9, 7, 50);
	says(3, 300, 1, 1, 5);
	step();
	expect_waits(KEEPER_CHOOSING, KEEPER_WAITS_FOR, 2);
	now_ns += TIMEOUT;
	step();
	cr_assert_eq(fetched_from, 3);
}

Test(keeper, does_not_fetch_from_a_process_before_the_recorded_one)
{
	lead_with_all();
	start(101);
	says(2, 199, 1, 1, 50);
	says(3, 300, 1, 1, 5);
	step();
	expect_waits(KEEPER_CHOOSING, KEEPER_WAITS_FOR, 2);
}

Test(keeper, begins_a_session_when_all_recorded_members_lost_their_memory)
{
	lead_with_all();
	start(101);
	says(2, 201, 0, 0, 0);
	step();
	expect_waits(KEEPER_CHOOSING, KEEPER_WAITS_FOR, 3);
	says(3, 301, 0, 0, 0);
	step();
	cr_assert_eq(fetches, 0);
	cr_assert_eq(records, 1);
	cr_assert_eq(ordered.session, 2);
	cr_assert_eq(ordered.epoch, 2);
	EXPECT_SET({1, 101});
}

Test(keeper, begins_a_session_after_it_was_alone_in_sync)
{
	lead_first();
	start(101);
	step();
	cr_assert_eq(records, 1);
	cr_assert_eq(ordered.session, 2);
	cr_assert_eq(ordered.epoch, 2);
	EXPECT_SET({1, 101});
}

Test(keeper, takes_another_source_when_the_first_one_restarts)
{
	lead_with_all();
	start(101);
	says(2, 200, 1, 1, 50);
	says(3, 300, 1, 1, 51);
	step();
	cr_assert_eq(fetched_from, 3);
	says(3, 301, 0, 0, 0);
	step();
	cr_assert_eq(fetches, 2);
	cr_assert_eq(fetched_from, 2);
	keeper_fetched(keeper, STREAM, 3, 300);
	step();
	cr_assert_eq(records, 0);
	keeper_fetched(keeper, STREAM, 2, 200);
	step();
	EXPECT_SET({1, 101}, {2, 200});
}

Test(keeper, does_not_ask_a_dead_source_again_and_again)
{
	uint32_t writes;

	lead_with_all();
	start(101);
	says(2, 200, 1, 1, 50);
	says(3, 300, 1, 1, 51);
	step();
	cr_assert_eq(fetched_from, 3);
	peer_of(2)->verdict = peer_of(3)->verdict = PEER_DEAD;
	step();
	writes = store.writes;
	for (uint32_t i = 0; i < 10; i++)
		step();
	cr_assert_eq(store.writes, writes);
	cr_assert_eq(look().state, KEEPER_CHOOSING);
	peer_of(2)->verdict = peer_of(3)->verdict = PEER_UP;
	step();
	cr_assert_eq(fetches, 2);
	cr_assert_eq(fetch_epoch, 3);
}

Test(keeper, fetches_again_after_a_crash_while_it_fetched)
{
	lead_with_all();
	start(101);
	says(2, 200, 1, 1, 50);
	says(3, 300, 1, 1, 50);
	step();
	cr_assert_eq(fetch_epoch, 2);
	start(102);
	says(2, 200, 1, 1, 50);
	says(3, 300, 1, 1, 50);
	step();
	cr_assert_eq(fetches, 1);
	cr_assert_eq(fetch_epoch, 3);
}

Test(keeper, tells_of_a_record_that_cannot_be_read_until_it_can)
{
	char kept;

	lead_with_all();
	kept = store.text[20];
	store.text[20] = '#';
	start(101);
	step();
	expect_waits(KEEPER_READING, KEEPER_NO_RECORD, 0);
	cr_assert_neq(look().text[0], '\0');
	store.text[20] = kept;
	now_ns += KEEPER_RETRY_NS;
	step();
	expect_waits(KEEPER_CHOOSING, KEEPER_WAITS_FOR, 2);
}

// ---- while it leads -----------------------------------------------------------------------------

Test(keeper, adds_who_proposed_itself_and_answers_the_proposal)
{
	lead_first();
	keeper_proposed(keeper, STREAM, 2, 200, 7);
	step();
	EXPECT_SET({1, 100}, {2, 200});
	cr_assert_eq(answered, 7);
	cr_assert_eq(ordered.epoch, 1, "it is the same epoch");
}

Test(keeper, refuses_a_proposal_of_a_process_that_is_gone)
{
	lead_first();
	says(2, 201, 0, 0, 0);
	keeper_proposed(keeper, STREAM, 2, 200, 7);
	step();
	EXPECT_SET({1, 100});
	cr_assert_eq(look().changes, 1, "it was never in");
	cr_assert_eq(records, 2);
	cr_assert_eq(answered, 7);
	peer_of(2)->verdict = PEER_DEAD;
	keeper_proposed(keeper, STREAM, 2, 201, 8);
	step();
	EXPECT_SET({1, 100});
	cr_assert_eq(answered, 8);
}

Test(keeper, answers_no_proposal_before_its_record_is_in_force)
{
	lead_first();
	store.fault = -EIO;
	keeper_proposed(keeper, STREAM, 2, 200, 7);
	step();
	says(3, 301, 0, 0, 0);
	keeper_proposed(keeper, STREAM, 3, 300, 8);
	step();
	cr_assert_eq(records, 1, "nothing changed");
	store.fault = 0;
	now_ns += KEEPER_RETRY_NS;
	step();
	EXPECT_SET({1, 100}, {2, 200});
	cr_assert_eq(answered, 8);
}

Test(keeper, removes_a_member_that_is_dead)
{
	lead_with_all();
	peer_of(3)->verdict = PEER_SUSPECT;
	step();
	EXPECT_SET({1, 100}, {2, 200}, {3, 300});
	peer_of(3)->verdict = PEER_DEAD;
	step();
	EXPECT_SET({1, 100}, {2, 200});
	peer_of(3)->verdict = PEER_UP;
	keeper_proposed(keeper, STREAM, 3, 300, 9);
	step();
	EXPECT_SET({1, 100}, {2, 200}, {3, 300});
}

Test(keeper, keeps_a_dead_member_without_which_nothing_commits)
{
	lead_with_all();
	peer_of(2)->verdict = PEER_DEAD;
	peer_of(3)->verdict = PEER_DEAD;
	step();
	cr_assert_eq(ordered.in_sync_count, 2, "itself and one that may hold all");
}

Test(keeper, removes_every_dead_member_where_one_is_enough)
{
	min_in_sync = 1;
	lead_with_all();
	peer_of(2)->verdict = PEER_DEAD;
	peer_of(3)->verdict = PEER_DEAD;
	step();
	EXPECT_SET({1, 100});
}

Test(keeper, removes_a_member_that_lost_its_memory_even_below_min_in_sync)
{
	lead_with_all();
	says(2, 201, 0, 0, 0);
	says(3, 301, 0, 0, 0);
	step();
	EXPECT_SET({1, 100});
	keeper_proposed(keeper, STREAM, 2, 201, 3);
	step();
	EXPECT_SET({1, 100}, {2, 201});
}

Test(keeper, removes_a_member_that_lags_while_the_word_holds)
{
	lead_with_all();
	keeper_lags(keeper, STREAM, 2, 199, now_ns);
	step();
	EXPECT_SET({1, 100}, {2, 200}, {3, 300});
	keeper_lags(keeper, STREAM, 2, 200, now_ns);
	step();
	EXPECT_SET({1, 100}, {3, 300});
	keeper_lags(keeper, STREAM, 3, 300, now_ns);
	step();
	EXPECT_SET({1, 100}, {3, 300});
	now_ns += KEEPER_LAGS_NS;
	keeper_proposed(keeper, STREAM, 2, 200, 3);
	step();
	EXPECT_SET({1, 100}, {2, 200}, {3, 300});
}

Test(keeper, removes_a_recorded_member_that_never_came_after_the_start)
{
	lead_with_all();
	start(101);
	says(2, 200, 1, 1, 50);
	step();
	now_ns += TIMEOUT;
	step();
	keeper_fetched(keeper, STREAM, 2, 200);
	step();
	EXPECT_SET({1, 101}, {2, 200});
}

Test(keeper, writes_changes_that_come_at_once_as_one)
{
	uint32_t writes;

	lead_with_all();
	writes = store.writes;
	says(3, 301, 0, 0, 0);
	keeper_lags(keeper, STREAM, 2, 200, now_ns);
	keeper_proposed(keeper, STREAM, 3, 301, 3);
	step();
	EXPECT_SET({1, 100}, {3, 301});
	cr_assert_eq(store.writes, writes + 1);
}

Test(keeper, reads_again_after_an_unknown_end_that_did_happen)
{
	lead_with_all();
	store.fault = CLUSTER_STORE_UNKNOWN;
	store.is_written = true;
	peer_of(3)->verdict = PEER_DEAD;
	step();
	EXPECT_SET({1, 100}, {2, 200}, {3, 300});
	store.fault = 0;
	now_ns += KEEPER_RETRY_NS;
	step();
	EXPECT_SET({1, 100}, {2, 200});
	cr_assert_eq(look().state, KEEPER_LEADING);
}

Test(keeper, reads_again_after_an_unknown_end_that_did_not_happen)
{
	lead_with_all();
	store.fault = CLUSTER_STORE_UNKNOWN;
	peer_of(3)->verdict = PEER_DEAD;
	step();
	peer_of(3)->verdict = PEER_UP;
	store.fault = 0;
	now_ns += KEEPER_RETRY_NS;
	step();
	EXPECT_SET({1, 100}, {2, 200}, {3, 300});
	cr_assert_eq(look().state, KEEPER_LEADING);
	cr_assert_eq(look().why, KEEPER_GOES_ON);
}

Test(keeper, does_nothing_for_streams_and_servers_that_are_not_its_own)
{
	lead_first();
	keeper_proposed(keeper, 5, 2, 200, 1);
	keeper_proposed(keeper, STREAM, 9, 900, 2);
	keeper_lags(keeper, 5, 2, 200, now_ns);
	keeper_fetched(keeper, STREAM, 2, 200);
	step();
	cr_assert_eq(records, 1);
	EXPECT_SET({1, 100});
}

Test(keeper, says_in_words_what_a_stream_waits_for)
{
	struct keeper_view view;
	char text[KEEPER_TEXT_BYTES];

	start(100);
	step();
	view = look();
	keeper_text(&view, text);
	cr_assert_str_eq(text, "begins when server 2 has said that it holds nothing of it");
	keeper_brief(&view, text);
	cr_assert_str_eq(text, "waiting for server 2");
	lead_first();
	view = look();
	keeper_text(&view, text);
	cr_assert_str_eq(text, "led in epoch 1, in sync: 1; nothing commits below 2");
	keeper_brief(&view, text);
	cr_assert_str_eq(text, "too few in sync");
	lead_with_all();
	view = look();
	keeper_text(&view, text);
	cr_assert_str_eq(text, "led in epoch 2, in sync: 1 2 3");
	keeper_brief(&view, text);
	cr_assert_str_eq(text, "open");
}
