// SPDX-License-Identifier: BSD-3-Clause
//
// The feed of cursors: what a core writes of its subscriptions, when, and how it reaches control.
#include <criterion/criterion.h>

#include "dataplane/stages.h"
#include "tests/support/checked.h"
#include "tests/support/core_harness.h"

static struct harness h;
static struct client_peer p;
static uint64_t epoch;

static void begin(const struct harness_config *config, uint32_t core)
{
	harness_start(&h, config);
	cr_assert_eq(cursor_feed_create(&h.server, &cursor_feed_config_default), 0);
	p = harness_peer(&h, core, 1, 1, 5);
	cr_assert(harness_connect(&p, NULL));
}

static void start(void)
{
	begin(NULL, 0);
}

static void stop(void)
{
	harness_stop(&h);
	cursor_feed_destroy(&h.server);
	cr_assert_str_empty(h.failure, "%s", h.failure);
}

TestSuite(cursor_feed, .init = start);

// The entries that control has not seen, up to `max`. Returns how many.
static uint32_t entries(struct godwit_cursor *out, uint32_t max)
{
	struct crossing *crossing = &h.server.cursor_feed->entries;
	struct crossing_slot *slot;
	uint32_t n = 0;

	while ((slot = crossing_peek(crossing)) != NULL) {
		const struct cursor_feed_slot *s = (const void *)slot->data;

		cr_assert_eq(s->server, 7);
		cr_assert_eq(s->incarnation, h.server.incarnation);
		for (uint32_t i = 0; i < s->count; i++) {
			cr_assert_lt(n, max);
			out[n++] = s->cursors[i];
		}
		crossing_pop(crossing);
	}
	return n;
}

static void subscribe(uint32_t number)
{
	struct harness_request r = {.number = number, .start = GODWIT_START_EARLIEST};
	const struct godwit_subscribed *s;

	harness_append(&h, 0, 0, 20, 10);
	harness_turns(&h, 2);
	s = harness_subscribe(&p, &r);
	cr_assert_not_null(s);
	epoch = godwit_get64(s->cursor_epoch);
	harness_turns(&h, 2);
}

static void ack(uint64_t seq)
{
	struct harness_ack entry = {
		.number = 1, .cursor_epoch = epoch, .seq = seq, .edge = seq + 100};

	peer_ack(&p, &entry, 1);
	harness_turn(&h);
}

Checked(cursor_feed, an_open_is_written_at_once, stop)
{
	struct godwit_cursor c;

	subscribe(1);
	cr_assert_eq(entries(&c, 1), 1);
	cr_assert_eq(godwit_get64(c.client), 1);
	cr_assert_eq(godwit_get64(c.instance), 5);
	cr_assert_eq(godwit_get64(c.session), HARNESS_SESSION);
	cr_assert_eq(godwit_get64(c.cursor_epoch), epoch);
	cr_assert_eq(godwit_get64(c.tag), 0x7001);
	cr_assert_eq(godwit_get64(c.connection), p.tag);
	cr_assert_eq(godwit_get32(c.subscription), 1);
	cr_assert_eq(godwit_get16(c.home), 7);
	cr_assert_eq(godwit_get16(c.port), p.address.port);
	cr_assert_eq(godwit_get16(c.flags), 0);
	cr_assert_arr_eq(c.ip, p.address.ip, 16);
}

Checked(cursor_feed, progress_is_written_at_most_once_a_second, stop)
{
	struct godwit_cursor c[8];
	uint32_t n = 0;

	subscribe(1);
	entries(c, 8);
	for (uint32_t i = 0; i < 35; i++) {
		ack(1 + i / 4);
		harness_pass_steps(&h, 100 * MS, MS);
		n += entries(c, 8);
	}
	cr_assert_geq(n, 2);
	cr_assert_leq(n, 3);
	cr_assert_geq(godwit_get64(c[0].seq), 6);
	// Who does not move is not written.
	ack(9);
	for (uint32_t i = 0; i < 12; i++) {
		harness_pass_steps(&h, 100 * MS, MS);
		ack(9);
	}
	entries(c, 8);
	for (uint32_t i = 0; i < 30; i++) {
		harness_pass_steps(&h, 100 * MS, MS);
		ack(9);
	}
	cr_assert_eq(entries(c, 8), 0);
}

Checked(cursor_feed, one_that_rests_is_written_now_and_then, stop)
{
	struct godwit_cursor c[8];
	uint32_t n = 0;

	subscribe(1);
	entries(c, 8);
	for (uint64_t i = 0; i < 2 * CURSOR_FEED_REST_MS + 1000; i += 500) {
		ack(0);
		harness_pass(&h, 500 * MS);
		n += entries(c, 8);
		harness_clear(&h);
	}
	cr_assert_eq(n, 2);
	cr_assert_eq(godwit_get64(c[0].cursor_epoch), epoch);
	cr_assert_eq(godwit_get16(c[0].flags), 0);
}

Checked(cursor_feed, an_end_leaves_a_tombstone_and_a_lapse_says_so, stop)
{
	struct godwit_cursor c[4];

	subscribe(1);
	entries(c, 4);
	peer_unsubscribe(&p, 1);
	harness_turns(&h, 2);
	cr_assert_eq(entries(c, 4), 1);
	cr_assert_eq(godwit_get16(c[0].flags), GODWIT_CURSOR_TOMBSTONE);
	cr_assert_eq(godwit_get64(c[0].cursor_epoch), epoch);
	subscribe(1);
	cr_assert_eq(entries(c, 4), 1);
	harness_pass_steps(&h, (HARNESS_LAPSE_MS + 50) * MS, MS);
	cr_assert_eq(entries(c, 4), 1);
	cr_assert_eq(godwit_get16(c[0].flags), GODWIT_CURSOR_LAPSED);
}

Checked(cursor_feed, what_moved_to_another_home_is_not_said_to_live_here, stop)
{
	struct godwit_cursor c[4];
	struct harness_ack higher = {.number = 1};

	subscribe(1);
	entries(c, 4);
	higher.cursor_epoch = epoch + 0x10000;
	peer_ack(&p, &higher, 1);
	harness_turns(&h, 2);
	cr_assert_eq(harness_core(&h, 0)->subscription_count, 0);
	// The higher epoch may have been made up, or be of a server that died before it told.
	cr_assert_eq(entries(c, 4), 1);
	cr_assert_eq(godwit_get64(c[0].cursor_epoch), epoch);
	cr_assert_eq(godwit_get16(c[0].flags), GODWIT_CURSOR_LAPSED);
}

Checked(cursor_feed, what_is_dropped_for_a_newer_home_is_not_said_to_live_here, stop)
{
	struct core_command drop = {.client = 1, .subscription = 1};
	struct godwit_cursor c[4];

	subscribe(1);
	entries(c, 4);
	drop.cursor_epoch = epoch + 0x10000;
	cr_assert(harness_command(&h, 0, CORE_COMMAND_DROP, &drop));
	harness_turns(&h, 2);
	cr_assert_eq(harness_core(&h, 0)->subscription_count, 0);
	cr_assert_eq(entries(c, 4), 1);
	cr_assert_eq(godwit_get64(c[0].cursor_epoch), epoch);
	cr_assert_eq(godwit_get16(c[0].flags), GODWIT_CURSOR_LAPSED);
}

Checked(cursor_feed, a_number_that_another_stream_takes_leaves_a_tombstone, stop)
{
	struct harness_request other = {
		.number = 1, .stream = "s1", .tag = 0x7099, .start = GODWIT_START_EARLIEST};
	struct godwit_cursor c[4];

	stop();
	begin(&(struct harness_config){.streams = 2}, 0);
	subscribe(1);
	entries(c, 4);
	cr_assert_not_null(harness_subscribe(&p, &other));
	harness_turns(&h, 2);
	cr_assert_eq(entries(c, 4), 2);
	cr_assert_eq(godwit_get64(c[0].session), HARNESS_SESSION);
	cr_assert_eq(godwit_get64(c[0].cursor_epoch), epoch);
	cr_assert_eq(godwit_get16(c[0].flags), GODWIT_CURSOR_TOMBSTONE);
	cr_assert_eq(godwit_get64(c[1].session), HARNESS_SESSION + 1);
	cr_assert_eq(godwit_get16(c[1].flags), 0);
}

Checked(cursor_feed, a_number_that_its_own_stream_takes_anew_leaves_one_entry, stop)
{
	struct harness_request again = {.number = 1, .tag = 0x7099, .start = GODWIT_START_EARLIEST};
	struct godwit_cursor c[4];

	subscribe(1);
	entries(c, 4);
	cr_assert_not_null(harness_subscribe(&p, &again));
	harness_turns(&h, 2);
	cr_assert_eq(entries(c, 4), 1);
	cr_assert_gt(godwit_get64(c[0].cursor_epoch), epoch);
	cr_assert_eq(godwit_get16(c[0].flags), 0);
}

Checked(cursor_feed, a_replacement_that_finds_no_room_says_that_the_old_one_is_gone, stop)
{
	const uint32_t one[] = {1}, two[] = {1, 2};
	struct harness_request other = {
		.number = 1, .tag = 0x7099, .topics = two, .topics_count = 2};
	struct godwit_cursor c[4];

	stop();
	begin(&(struct harness_config){.classes_max = 1}, 0);
	subscribe(1);
	cr_assert_not_null(harness_subscribe(
		&p, &(struct harness_request){.number = 2, .topics = one, .topics_count = 1}));
	harness_turns(&h, 2);
	entries(c, 4);
	cr_assert_null(harness_subscribe(&p, &other));
	harness_turns(&h, 2);
	cr_assert_eq(harness_core(&h, 0)->subscription_count, 1);
	cr_assert_eq(entries(c, 4), 1);
	cr_assert_eq(godwit_get32(c[0].subscription), 1);
	cr_assert_eq(godwit_get16(c[0].flags), GODWIT_CURSOR_LAPSED);
}

Checked(cursor_feed, whatever_ends_it_but_our_own_end_says_that_nobody_serves_it, stop)
{
	static const enum godwit_code codes[] = {GODWIT_TRUNCATED, GODWIT_DIVERGED,
						 GODWIT_BEHIND,	   GODWIT_PATH_MTU,
						 GODWIT_FENCED,	   GODWIT_REPLACED};
	struct core *core = harness_core(&h, 0);
	struct godwit_cursor c[4];

	for (uint32_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		subscribe(1);
		entries(c, 4);
		subscription_end(core, subscription_find(core, client_find(core, 1), 1), codes[i],
				 (struct godwit_identifier){.session = HARNESS_SESSION}, 0);
		harness_turns(&h, 2);
		cr_assert_eq(entries(c, 4), 1, "code %d", codes[i]);
		cr_assert_eq(godwit_get64(c[0].cursor_epoch), epoch);
		cr_assert_eq(godwit_get16(c[0].flags), GODWIT_CURSOR_LAPSED);
	}
	// What we serve no more because we stop is for the others to take.
	subscribe(1);
	entries(c, 4);
	subscription_end(core, subscription_find(core, client_find(core, 1), 1), GODWIT_SHUTDOWN,
			 (struct godwit_identifier){.session = HARNESS_SESSION}, 0);
	harness_turns(&h, 2);
	cr_assert_eq(entries(c, 4), 0);
}

Checked(cursor_feed, a_migrate_of_what_is_over_says_so_again, stop)
{
	struct core_command command = {.client = 1,
				       .instance = 5,
				       .session = HARNESS_SESSION + 1, // the number's is another
				       .subscription = 1,
				       .cursor_epoch = 3ull << 16 | 7,
				       .tag = 0x7001,
				       .target = 3};
	struct godwit_cursor c[4];

	subscribe(1);
	entries(c, 4);
	for (uint32_t i = 0; i < 2; i++) {
		cr_assert(harness_command(&h, 0, CORE_COMMAND_MIGRATE, &command));
		harness_turns(&h, 2);
		cr_assert_eq(entries(c, 4), 1);
		cr_assert_eq(godwit_get64(c[0].client), 1);
		cr_assert_eq(godwit_get64(c[0].session), command.session);
		cr_assert_eq(godwit_get64(c[0].cursor_epoch), command.cursor_epoch);
		cr_assert_eq(godwit_get16(c[0].home), 7);
		cr_assert_eq(godwit_get16(c[0].flags), GODWIT_CURSOR_LAPSED);
		command.subscription = 2; // there is none of this number
	}
	cr_assert_eq(harness_count(&h, 0, COUNTER_migrates_gone), 2);
	cr_assert_eq(harness_core(&h, 0)->subscriptions[0].migrate_to, 0);
	// To ask no more of what is over is nothing to speak of.
	command.target = 0;
	cr_assert(harness_command(&h, 0, CORE_COMMAND_MIGRATE, &command));
	harness_turns(&h, 2);
	cr_assert_eq(entries(c, 4), 0);
}

Checked(cursor_feed, a_walk_writes_all_that_live_again, stop)
{
	struct godwit_cursor c[8];

	subscribe(1);
	subscribe(2);
	subscribe(3);
	peer_unsubscribe(&p, 2);
	harness_turns(&h, 2);
	entries(c, 8);
	cursor_feed_walk(&h.server);
	cursor_feed_walk(&h.server);
	harness_pass_steps(&h, 5 * MS, MS);
	cr_assert_eq(entries(c, 8), 2);
	cr_assert_eq(harness_count(&h, 0, COUNTER_cursor_walks), 1);
}

Checked(cursor_feed, what_control_had_no_room_for_comes_by_a_walk, stop)
{
	struct godwit_cursor one = {.client = godwit_be64(77)};
	static struct godwit_cursor c[CURSOR_FEED_SLOTS * CURSOR_FEED_FRAME];
	struct core *core = harness_core(&h, 0);

	for (uint32_t i = 0; i < CURSOR_FEED_SLOTS * CURSOR_FEED_FRAME; i++)
		cursor_feed_take(core, &one);
	subscribe(1);
	cr_assert_geq(harness_count(&h, 0, COUNTER_cursor_entries_lost), 1);
	cr_assert_eq(entries(c, CURSOR_FEED_SLOTS * CURSOR_FEED_FRAME),
		     CURSOR_FEED_SLOTS * CURSOR_FEED_FRAME);
	harness_pass_steps(&h, 5 * MS, MS);
	cr_assert_geq(entries(c, 8), 1);
	cr_assert_eq(godwit_get64(c[0].client), 1);
}

// Entries until there is no room for another one.
static void fill(void)
{
	struct godwit_cursor one = {.client = godwit_be64(77)};

	for (uint32_t i = 0; i < CURSOR_FEED_SLOTS * CURSOR_FEED_FRAME; i++)
		cursor_feed_take(harness_core(&h, 0), &one);
}

Checked(cursor_feed, an_end_waits_until_control_has_room, stop)
{
	static struct godwit_cursor c[CURSOR_FEED_SLOTS * CURSOR_FEED_FRAME];
	uint64_t lost;

	subscribe(1);
	harness_turns(&h, 1);
	entries(c, 8);
	fill();
	lost = harness_count(&h, 0, COUNTER_cursor_entries_lost);
	peer_unsubscribe(&p, 1);
	harness_turns(&h, 3);
	cr_assert_eq(harness_count(&h, 0, COUNTER_cursor_entries_lost), lost);
	entries(c, CURSOR_FEED_SLOTS * CURSOR_FEED_FRAME);
	harness_turns(&h, 2);
	cr_assert_eq(entries(c, 8), 1);
	cr_assert_eq(godwit_get64(c[0].client), 1);
	cr_assert_eq(godwit_get16(c[0].flags), GODWIT_CURSOR_TOMBSTONE);
	harness_turns(&h, 2);
	cr_assert_eq(entries(c, 8), 0); // once
}

Checked(cursor_feed, entries_cross_to_the_link_core, stop)
{
	struct godwit_cursor c[4];

	stop();
	begin(&(struct harness_config){.cores = 2, .crossing_slots = 4}, 1);
	subscribe(1);
	harness_turns(&h, 2);
	cr_assert_eq(entries(c, 4), 1);
	cr_assert_eq(godwit_get16(c[0].core), 1);
	peer_unsubscribe(&p, 1);
	harness_turns(&h, 2);
	cr_assert_eq(entries(c, 4), 1);
	cr_assert_eq(godwit_get16(c[0].flags), GODWIT_CURSOR_TOMBSTONE);
}

static uint64_t highest(void *arg, uint64_t client, uint32_t subscription, uint64_t session)
{
	cr_assert_eq(client, 1);
	cr_assert_eq(session, HARNESS_SESSION);
	return subscription == 1 ? *(uint64_t *)arg : 0;
}

Checked(cursor_feed, an_epoch_is_above_what_the_table_knows, stop)
{
	uint64_t known = 41ull << 16 | 3;

	h.server.cursor_highest = highest;
	h.server.cursor_arg = &known;
	subscribe(1);
	cr_assert_eq(epoch, 42ull << 16 | 7);
	subscribe(2);
	cr_assert_eq(epoch, 1ull << 16 | 7);
}
