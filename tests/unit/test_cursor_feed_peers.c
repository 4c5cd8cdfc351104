// SPDX-License-Identifier: BSD-3-Clause
//
// The feed of cursors between servers: whatever the wire does, each peer's control hears of all cursors.
#include <criterion/criterion.h>

#include "dataplane/stages.h"
#include "tests/support/checked.h"
#include "tests/support/cluster_harness.h"

#define CLIENTS 20

static struct cluster c;

static void starting(struct cluster *cluster, uint32_t server)
{
	struct server *s = cluster_server(cluster, server);

	cr_assert_eq(cursor_feed_create(s, &cursor_feed_config_default), 0);
}

static void start(void)
{
	struct cluster_config config = {.servers = 3, .starting = starting};

	config.each.clients_max = 64;
	config.each.subscriptions_max = 64;
	cluster_start(&c, &config);
	cr_assert(cluster_meet(&c));
	cluster_pass(&c, 50 * MS);
}

static void stop(void)
{
	cluster_stop(&c);
	for (uint32_t i = 0; i < c.count; i++)
		cursor_feed_destroy(cluster_server(&c, i));
	cr_assert_str_empty(c.failure, "%s", c.failure);
}

TestSuite(cursor_feed_peers, .init = start);

// How often control of `at` heard of each client of server `of`, since the last call.
static void heard(uint32_t at, uint32_t of, uint32_t count[CLIENTS])
{
	struct crossing *crossing = &cluster_server(&c, at)->cursor_feed->entries;
	struct crossing_slot *slot;

	memset(count, 0, CLIENTS * sizeof(*count));
	while ((slot = crossing_peek(crossing)) != NULL) {
		const struct cursor_feed_slot *s = (const void *)slot->data;

		cr_assert_leq(s->count, CURSOR_FEED_FRAME);
		for (uint32_t i = 0; i < s->count; i++) {
			uint64_t client = godwit_get64(s->cursors[i].client) - 100;

			cr_assert_eq(s->server, godwit_get16(s->cursors[i].home));
			cr_assert_lt(client, CLIENTS);
			if (s->server == of + 1)
				count[client]++;
		}
		crossing_pop(crossing);
	}
}

static void subscribe(uint32_t server, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++) {
		struct client_peer p =
			harness_peer(cluster_harness(&c, server), 0, (uint8_t)(1 + i), 100 + i, 1);

		cr_assert(harness_connect(&p, NULL));
		cr_assert_not_null(harness_subscribe(&p, &(struct harness_request){.number = 1}));
	}
}

static void assert_all(uint32_t at, uint32_t of, uint32_t from, uint32_t to)
{
	uint32_t count[CLIENTS];

	heard(at, of, count);
	for (uint32_t i = 0; i < CLIENTS; i++)
		cr_assert_eq(count[i] > 0, i >= from && i < to, "client %u: %u times", i, count[i]);
}

Checked(cursor_feed_peers, everybody_hears_of_a_new_cursor, stop)
{
	subscribe(0, 0, CLIENTS);
	cluster_pass(&c, 20 * MS);
	for (uint32_t i = 0; i < 3; i++)
		assert_all(i, 0, 0, CLIENTS);
}

Checked(cursor_feed_peers, what_the_wire_loses_comes_again, stop)
{
	c.loss_permille[0][1] = c.loss_permille[1][0] = 400;
	for (uint32_t i = 0; i < CLIENTS; i++) {
		subscribe(0, i, i + 1);
		cluster_pass(&c, 2 * MS);
	}
	cluster_pass(&c, 900 * MS);
	assert_all(1, 0, 0, CLIENTS);
	cr_assert_gt(cluster_count(&c, 0, COUNTER_cursor_again), 0);
	cr_assert_gt(cluster_count(&c, 1, COUNTER_cursor_holes), 0);
}

Checked(cursor_feed_peers, a_path_that_swallows_large_frames_gets_small_ones, stop)
{
	struct core *core = harness_core(cluster_harness(&c, 0), 0);

	c.filter = cluster_narrow_path;
	for (uint32_t i = 0; i < CLIENTS; i++) {
		struct godwit_cursor entry = {.client = godwit_be64(100 + i),
					      .home = godwit_be16(1)};

		cursor_feed_take(core, &entry);
	}
	cluster_pass(&c, 500 * MS);
	assert_all(1, 0, 0, CLIENTS);
	assert_all(2, 0, 0, CLIENTS);
	cr_assert_eq(cluster_count(&c, 0, COUNTER_cursor_narrowed), 1);
}

static void take(uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++) {
		struct godwit_cursor entry = {.client = godwit_be64(100 + i),
					      .home = godwit_be16(1)};

		cursor_feed_take(harness_core(cluster_harness(&c, 0), 0), &entry);
	}
}

// The second frame of entries gets lost, the first time.
static bool without_the_second(struct cluster *of, uint32_t from, uint32_t to, uint8_t *bytes,
			       uint32_t *length)
{
	static uint32_t frames;

	(void)of, (void)length;
	return from != 0 || to != 1 || bytes[1] != GODWIT_REPLICATE || ++frames != 2;
}

Checked(cursor_feed_peers, a_hole_that_is_told_of_at_once_is_mended_soon, stop)
{
	c.filter = without_the_second;
	for (uint32_t i = 0; i < 4; i++) {
		take(i, i + 1);
		cluster_turns(&c, 1);
	}
	cluster_pass(&c, 20 * MS);
	cr_assert_geq(cluster_count(&c, 1, COUNTER_cursor_holes), 1);
	assert_all(1, 0, 0, 4);
	cr_assert_eq(cluster_count(&c, 0, COUNTER_cursor_again), 1);
}

// By the time that the repeat arrives the hole behind it was seen many times.
Checked(cursor_feed_peers, a_repeat_that_is_long_on_its_way_narrows_no_feed, stop)
{
	c.filter = cluster_narrow_path;
	take(0, CURSOR_FEED_FRAME);
	for (uint32_t i = 0; i < 13; i++) {
		take(CURSOR_FEED_FRAME, CURSOR_FEED_FRAME + 2);
		cluster_pass(&c, 10 * MS);
	}
	c.filter = NULL;
	cluster_pass(&c, 60 * MS);
	assert_all(1, 0, 0, CURSOR_FEED_FRAME + 2);
	cr_assert_gt(cluster_count(&c, 0, COUNTER_cursor_again), 6);
	cr_assert_eq(cluster_count(&c, 0, COUNTER_cursor_narrowed), 0);
}

Checked(cursor_feed_peers, one_that_is_silent_or_hears_nothing_narrows_no_feed, stop)
{
	cluster_isolate(&c, 1, true);
	take(0, 5);
	cluster_pass(&c, 500 * MS);
	cluster_isolate(&c, 1, false);
	cluster_pass(&c, 60 * MS);
	cluster_cut(&c, 0, 1);
	take(5, 10);
	cluster_pass(&c, 500 * MS);
	cluster_mend(&c, 0, 1);
	cluster_pass(&c, 60 * MS);
	assert_all(1, 0, 0, 10);
	cr_assert_gt(cluster_count(&c, 0, COUNTER_cursor_again), 12);
	cr_assert_eq(cluster_count(&c, 0, COUNTER_cursor_narrowed), 0);
}

// It may have taken a part, and no walk tells of an end.
Checked(cursor_feed_peers, a_server_that_starts_again_gets_what_was_on_its_way_to_it_before, stop)
{
	cluster_isolate(&c, 1, true);
	take(0, 3);
	cluster_pass(&c, 60 * MS);
	cluster_kill(&c, 1);
	cursor_feed_destroy(cluster_server(&c, 1)); // of the process before
	cluster_isolate(&c, 1, false);
	cluster_restart(&c, 1);
	cr_assert(cluster_meet(&c));
	cluster_pass(&c, 100 * MS);
	assert_all(1, 0, 0, 3);
}

Checked(cursor_feed_peers, a_server_that_starts_again_hears_of_all_that_live, stop)
{
	subscribe(0, 0, 7);
	cluster_pass(&c, 20 * MS);
	cluster_kill(&c, 1);
	cursor_feed_destroy(cluster_server(&c, 1)); // of the process before
	cluster_restart(&c, 1);
	cr_assert(cluster_meet(&c));
	cluster_pass(&c, 100 * MS);
	assert_all(1, 0, 0, 7);
	// And its own feed begins anew for the others.
	assert_all(2, 0, 0, 7);
	subscribe(1, 8, 10);
	cluster_pass(&c, 20 * MS);
	assert_all(2, 1, 8, 10);
}

Checked(cursor_feed_peers, one_that_was_away_too_long_gets_a_walk, stop)
{
	struct core *core = harness_core(cluster_harness(&c, 0), 0);
	struct godwit_cursor other = {.client = godwit_be64(100), .home = godwit_be16(1)};

	cluster_cut(&c, 0, 1);
	subscribe(0, 1, 5);
	for (uint32_t i = 0; i < CURSOR_FEED_RING + 10; i++) {
		uint32_t ignored[CLIENTS];

		cursor_feed_take(core, &other);
		if (i % 100 == 0) {
			cluster_pass(&c, MS);
			heard(0, 0, ignored);
			heard(2, 0, ignored);
		}
	}
	cluster_mend(&c, 0, 1);
	cluster_pass(&c, 300 * MS);
	cr_assert_gt(cluster_count(&c, 0, COUNTER_cursor_truncated), 0);
	{
		uint32_t count[CLIENTS];

		heard(1, 0, count);
		for (uint32_t i = 1; i < 5; i++)
			cr_assert_gt(count[i], 0);
	}
}

Checked(cursor_feed_peers, entries_wait_where_control_has_no_room, stop)
{
	struct core *core = harness_core(cluster_harness(&c, 0), 0);
	struct godwit_cursor other = {.client = godwit_be64(119), .home = godwit_be16(1)};
	uint32_t total = 0, count[CLIENTS];

	for (uint32_t i = 0; i < 1500; i++) {
		cursor_feed_take(core, &other);
		cluster_pass(&c, MS); // each a slot of its own
		heard(0, 0, count);
	}
	harness_turn(cluster_harness(&c, 0)); // acknowledgements are before what clients say
	subscribe(0, 0, 3);
	cluster_pass(&c, 60 * MS);
	cr_assert_gt(cluster_drops(&c, 1, DROP_peer_cursors_full), 0);
	cr_assert_eq(cluster_count(&c, 0, COUNTER_cursor_narrowed), 0, "that takes more slots");
	for (uint32_t i = 0; i < 10; i++) {
		heard(1, 0, count);
		total += count[0] + count[1] + count[2];
		cluster_pass(&c, 60 * MS);
	}
	cr_assert_geq(total, 3);
}
