// SPDX-License-Identifier: BSD-3-Clause
//
// A failure is planted in random clusters; what is left of such a world is what the failure needs.
#include <criterion/criterion.h>
#include <signal.h>

#include "tests/sim/without.h"

#define SEEDS_TRIED 60 // one of them fails as planted

// Small clusters, and no long traffic: most tries run to their end.
static void draw(struct sim *sim)
{
	draw_cluster(sim);
	for (uint32_t i = 0; i < sim->actor_count; i++)
		if (sim->actors[i].to_publish > 200)
			sim->actors[i].to_publish = 200;
}

static bool is_on(const struct sim *sim, enum fault_kind kind)
{
	for (uint32_t i = 0; i < sim->fault_count; i++)
		if (sim->faults[i].kind == kind && sim->faults[i].state == FAULT_ON)
			return true;
	return false;
}

static uint64_t published(const struct sim *sim)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < sim->actor_count; i++)
		sum += sim->actors[i].published;
	return sum;
}

// Fails while a server is down and ten messages were published.
static void disturb_crash(struct sim *sim)
{
	faults_step(sim);
	if (is_on(sim, FAULT_CRASH) && published(sim) >= 10)
		sim_fail(sim, "planted: %lu messages, a server is down", published(sim));
}

// The same; and in another way, sooner, as soon as there is no other fault than crashes.
static void disturb_two(struct sim *sim)
{
	bool others = false;

	for (uint32_t i = 0; i < sim->fault_count; i++)
		others = others ||
			 (sim->faults[i].kind != FAULT_CRASH && sim->faults[i].state != FAULT_OVER);
	disturb_crash(sim);
	if (!others)
		sim_fail(sim, "another one");
}

static void disturb_abort(struct sim *sim)
{
	faults_step(sim);
	if (is_on(sim, FAULT_PAUSE))
		raise(SIGABRT);
}

static struct story story_of(void (*disturb)(struct sim *sim))
{
	return (struct story){
		.name = "planted",
		.draw = draw,
		.disturb = disturb,
		.traffic_min_ns = 1800 * MS,
		.settle_ns = 10000 * MS,
	};
}

// A seed with several faults and servers that fails with `text`, shrunk.
static struct shrunk shrink_one(const struct story *story, const char *text, uint32_t tries,
				uint64_t *seed)
{
	static struct sim sim;
	struct shrunk shrunk = {0};
	bool fails = false;

	for (*seed = 0; !fails && *seed < SEEDS_TRIED;) {
		scenario_draw(&sim, story, ++*seed);
		fails = sim.fault_count >= 4 && sim.host_count >= 3 && sim.actor_count >= 4 &&
			shrink(story, *seed, 1, NULL, &shrunk) && strstr(shrunk.kind, text) != NULL;
	}
	cr_assert(fails, "no seed fails as planted");
	cr_assert(shrink(story, *seed, tries, NULL, &shrunk));
	return shrunk;
}

// What is left of the seed's world, of one kind.
static uint32_t left(const struct story *story, uint64_t seed, const struct without *without,
		     enum piece_kind kind)
{
	static struct sim sim;
	struct piece pieces[PIECES_MAX];
	uint32_t count = 0;

	scenario_draw(&sim, story, seed);
	for (uint32_t i = without_pieces(&sim, pieces); i-- > 0;)
		count += pieces[i].kind == kind && !without_has(without, kind, pieces[i].number);
	return count;
}

Test(shrink, leaves_the_fault_and_the_publisher_that_the_failure_needs)
{
	struct story story = story_of(disturb_crash);
	uint64_t seed;
	struct shrunk shrunk = shrink_one(&story, "planted", 1000, &seed);
	static struct sim sim;

	scenario_draw(&sim, &story, seed);
	cr_expect_eq(left(&story, seed, &shrunk.without, PIECE_fault), 1);
	for (uint32_t i = 0; i < sim.fault_count; i++)
		if (!without_has(&shrunk.without, PIECE_fault, i + 1))
			cr_expect_eq(sim.faults[i].kind, FAULT_CRASH);
	cr_expect_eq(left(&story, seed, &shrunk.without, PIECE_client), 1);
	for (uint32_t i = 0; i < sim.actor_count; i++)
		if (!without_has(&shrunk.without, PIECE_client, i))
			cr_expect(sim.actors[i].publisher);
	cr_expect_eq(left(&story, seed, &shrunk.without, PIECE_server), 1);
	cr_expect_eq(left(&story, seed, &shrunk.without, PIECE_loss), 0);
	cr_expect_eq(shrunk.without.messages, 10);
}

Test(shrink, prints_arguments_that_replay_what_is_left)
{
	struct story story = story_of(disturb_crash);
	uint64_t seed;
	struct shrunk shrunk = shrink_one(&story, "planted", 100, &seed);
	struct without read = {0};
	struct scenario scenario = {.seed = seed, .without = &read};
	static struct sim sim;
	char text[1024], list[1024] = "";

	without_print(&shrunk.without, text, sizeof(text));
	cr_assert_eq(sscanf(text, "--without %1023s", list), 1, "%s", text);
	cr_assert(without_read(&read, list));
	if (strstr(text, "--messages") != NULL)
		cr_assert_eq(sscanf(strstr(text, "--messages"), "--messages %lu", &read.messages),
			     1);
	if (strstr(text, "--dice") != NULL)
		cr_assert_eq(sscanf(strstr(text, "--dice"), "--dice %u", &read.dice), 1);
	cr_assert_arr_eq(read.masks, shrunk.without.masks, sizeof(read.masks), "%s", text);
	cr_assert_eq(read.messages, shrunk.without.messages);
	cr_assert_eq(read.dice, shrunk.without.dice);
	for (uint32_t i = 0; i < 2; i++) {
		cr_assert_eq(scenario_run(&sim, &story, &scenario), 1);
		cr_expect_str_eq(sim.failure, shrunk.failure);
	}
}

Test(shrink, keeps_to_the_kind_of_failure)
{
	struct story story = story_of(disturb_two);
	uint64_t seed;
	struct shrunk shrunk = shrink_one(&story, "planted", 300, &seed);

	cr_expect(strstr(shrunk.failure, "planted: ") != NULL, "%s", shrunk.failure);
	cr_expect(left(&story, seed, &shrunk.without, PIECE_fault) >= 2);
}

Test(shrink, takes_a_process_that_aborts_for_a_failure)
{
	struct story story = story_of(disturb_abort);
	uint64_t seed;
	struct shrunk shrunk = shrink_one(&story, "signal", 200, &seed);

	cr_expect_eq(left(&story, seed, &shrunk.without, PIECE_fault), 1);
	cr_expect_eq(left(&story, seed, &shrunk.without, PIECE_client), 0);
}

Test(shrink, ends_after_the_tries_that_it_has)
{
	struct story story = story_of(disturb_crash);
	uint64_t seed;
	struct shrunk shrunk = shrink_one(&story, "planted", 7, &seed);

	cr_expect_leq(shrunk.tries, 7);
	cr_expect(strstr(shrunk.failure, "planted: ") != NULL);
}

Test(shrink, has_nothing_to_do_with_a_world_that_is_well)
{
	struct story story = story_of(faults_step);
	struct shrunk shrunk;

	cr_expect_not(shrink(&story, 2, 100, NULL, &shrunk));
	cr_expect_eq(shrunk.tries, 1);
}

Test(without, refuses_what_does_not_exist)
{
	static const char *const wrong[] = {"",	      "fault",	  "fault:",	"fault:x",
					    "loss:1", "fault:1,", "client:256", "fault:-1",
					    "losses", "fault:1;"};
	struct without without = {0};

	for (uint32_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		cr_expect_not(without_read(&without, wrong[i]), "%s", wrong[i]);
	cr_expect(without_read(&without, "fault:3,client:31,loss"));
}

// With the last server gone the first is alone; its streams are led by who is left.
Test(without, gives_the_streams_of_a_server_to_another)
{
	struct story story = story_of(faults_step);
	static struct sim sim;

	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct without without = {0};

		scenario_draw(&sim, &story, seed);
		for (uint32_t i = sim.host_count; i > 1; i--)
			without_add(&without, (struct piece){PIECE_server, i - (seed & 1)});
		without_apply(&sim, &without);
		cr_assert_eq(sim.host_count, 1);
		for (uint32_t i = 0; i < sim.stream_count; i++) {
			cr_expect_eq(sim.streams[i].primary, 0);
			cr_expect_eq(sim.streams[i].replicas, 0);
			cr_expect_eq(sim.streams[i].min_in_sync, 1);
		}
	}
}
