// SPDX-License-Identifier: BSD-3-Clause
#include <criterion/criterion.h>
#include <stdlib.h>

#include "control/registry.h"

static struct registry *r;
static struct registry_fence fence; // what the last notice asked for
static struct registry_client found;

static void set_up(void)
{
	r = registry_create(4);
	cr_assert_not_null(r);
}

static void tear_down(void)
{
	registry_destroy(r);
}

TestSuite(registry, .init = set_up, .fini = tear_down);

// Instead of room for 4.
static void with_room(uint32_t max)
{
	registry_destroy(r);
	r = registry_create(max);
	cr_assert_not_null(r);
}

static struct registry_client client_of(uint64_t id, uint64_t instance, uint32_t core,
					uint64_t handle)
{
	return (struct registry_client){
		.id = id, .instance = instance, .handle = handle, .core = core};
}

static struct registry_client at(struct registry_client client, uint64_t opened_ns, bool by_offer)
{
	client.opened_ns = opened_ns;
	client.by_offer = by_offer;
	return client;
}

static bool opened(struct registry_client client)
{
	fence = (struct registry_fence){99, 99, 99, 99};
	return registry_opened(r, &client, &fence);
}

static void closed(struct registry_client client)
{
	registry_closed(r, &client);
}

Test(registry, remembers_who_is_open)
{
	cr_assert_not(registry_find(r, 7, &found));
	cr_assert_not(opened(client_of(7, 100, 1, 0x500)));
	cr_assert(registry_find(r, 7, &found));
	cr_assert_eq(found.instance, 100);
	cr_assert_eq(found.core, 1);
	cr_assert_eq(found.handle, 0x500);
	closed(client_of(7, 100, 1, 0x500));
	cr_assert_not(registry_find(r, 7, &found));
	cr_assert_eq(registry_count(r), 0);
}

Test(registry, fences_the_older_process_on_another_core)
{
	opened(client_of(7, 100, 0, 0x500));
	cr_assert(opened(client_of(7, 101, 1, 0x600)));
	cr_assert_eq(fence.core, 0);
	cr_assert_eq(fence.handle, 0x500);
	cr_assert_eq(fence.instance, 101);
	cr_assert_eq(fence.code, GODWIT_FENCED);
	// The fenced one's end changes nothing.
	closed(client_of(7, 100, 0, 0x500));
	cr_assert(registry_find(r, 7, &found));
	cr_assert_eq(found.handle, 0x600);
}

Test(registry, fences_an_older_process_that_comes_later)
{
	opened(client_of(7, 101, 1, 0x600));
	cr_assert(opened(client_of(7, 100, 0, 0x500)));
	cr_assert_eq(fence.core, 0);
	cr_assert_eq(fence.handle, 0x500);
	cr_assert_eq(fence.instance, 101);
	cr_assert(registry_find(r, 7, &found));
	cr_assert_eq(found.instance, 101, "the newer one stays in force");
}

Test(registry, leaves_to_a_core_what_is_within_it)
{
	opened(client_of(7, 100, 1, 0x500));
	cr_assert_not(opened(client_of(7, 101, 1, 0x600)));
	closed(client_of(7, 100, 1, 0x500));
	cr_assert(registry_find(r, 7, &found));
	cr_assert_eq(found.handle, 0x600);
}

Test(registry, replaces_a_process_that_came_in_anew_at_another_core)
{
	opened(at(client_of(7, 100, 0, 0x500), 1000, false));
	cr_assert(opened(at(client_of(7, 100, 1, 0x600), 2000, false)));
	cr_assert_eq(fence.core, 0);
	cr_assert_eq(fence.handle, 0x500);
	cr_assert_eq(fence.code, GODWIT_REPLACED);
	closed(client_of(7, 100, 0, 0x500));
	cr_assert(registry_find(r, 7, &found));
	cr_assert_eq(found.core, 1);
	// Of a third core it is heard late that the client was there before.
	cr_assert(opened(at(client_of(7, 100, 2, 0x700), 1500, false)));
	cr_assert_eq(fence.core, 2);
	cr_assert_eq(fence.handle, 0x700);
	cr_assert_eq(fence.code, GODWIT_REPLACED);
	cr_assert(registry_find(r, 7, &found));
	cr_assert_eq(found.core, 1);
	cr_assert_eq(registry_count(r), 1);
}

Test(registry, lets_a_client_that_took_an_offer_be_on_two_cores)
{
	with_room(8);
	opened(at(client_of(7, 100, 0, 0x500), 1000, false));
	cr_assert_not(opened(at(client_of(7, 100, 1, 0x600), 2000, true)));
	cr_assert(registry_find(r, 7, &found));
	cr_assert_eq(found.core, 0);
	// Whichever of the two is heard of first.
	opened(at(client_of(8, 100, 1, 0x800), 2000, true));
	cr_assert_not(opened(at(client_of(8, 100, 0, 0x900), 1000, false)));
	cr_assert(registry_find(r, 8, &found));
	cr_assert_eq(found.core, 0);
	// But a HELLO after the offer was taken begins anew.
	opened(at(client_of(9, 100, 1, 0xa00), 2000, true));
	cr_assert(opened(at(client_of(9, 100, 0, 0xb00), 3000, false)));
	cr_assert_eq(fence.handle, 0xa00);
	cr_assert_eq(fence.code, GODWIT_REPLACED);
}

Test(registry, goes_on_with_a_client_where_it_took_an_offer)
{
	opened(at(client_of(7, 100, 0, 0x500), 1000, false));
	opened(at(client_of(7, 100, 1, 0x600), 2000, true));
	opened(at(client_of(7, 100, 2, 0x700), 3000, true));
	cr_assert_eq(registry_count(r), 1, "it is one client");
	closed(client_of(7, 100, 2, 0x700));
	closed(client_of(7, 100, 0, 0x500));
	cr_assert(registry_find(r, 7, &found));
	cr_assert_eq(found.core, 1);
	cr_assert_eq(found.handle, 0x600);
	// A HELLO after it begins anew.
	cr_assert(opened(at(client_of(7, 100, 0, 0x501), 4000, false)));
	cr_assert_eq(fence.handle, 0x600);
	closed(client_of(7, 100, 1, 0x600));
	closed(client_of(7, 100, 0, 0x501));
	cr_assert_eq(registry_count(r), 0);
}

// The core had it anew before it closed what it had before.
Test(registry, keeps_what_took_an_offer_anew_where_the_older_one_ends)
{
	opened(at(client_of(7, 100, 0, 0x500), 1000, false));
	opened(at(client_of(7, 100, 1, 0x600), 2000, true));
	opened(at(client_of(7, 100, 1, 0x601), 3000, true));
	closed(client_of(7, 100, 1, 0x600));
	closed(client_of(7, 100, 0, 0x500));
	cr_assert(registry_find(r, 7, &found));
	cr_assert_eq(found.core, 1);
	cr_assert_eq(found.handle, 0x601);
}

Test(registry, fences_the_older_process_wherever_it_took_an_offer)
{
	uint64_t handles;
	uint32_t count = 1;

	opened(at(client_of(7, 100, 0, 0x1), 1000, false));
	opened(at(client_of(7, 100, 1, 0x2), 2000, true));
	opened(at(client_of(7, 100, 2, 0x4), 3000, true));
	opened(at(client_of(7, 100, 2, 0x8), 4000, true)); // the core had it anew
	cr_assert(opened(at(client_of(7, 101, 1, 0x10), 5000, false)));
	handles = fence.handle;
	while (registry_fence_next(r, &fence)) {
		cr_assert_eq(fence.instance, 101);
		cr_assert_eq(fence.code, GODWIT_FENCED);
		handles |= fence.handle;
		count++;
	}
	cr_assert_eq(count, 3);
	// At core 1 the core itself has closed it, too, and a handle that is gone does no harm.
	cr_assert_eq(handles, 0x1 | 0x2 | 0x8);
	cr_assert(registry_find(r, 7, &found));
	cr_assert_eq(found.instance, 101);
	closed(client_of(7, 101, 1, 0x10));
	cr_assert_eq(registry_count(r), 0);
	// All places are free again.
	for (uint64_t id = 1; id <= 4; id++)
		opened(client_of(id, 1, 0, id));
	cr_assert_eq(registry_refused(r), 0);
}

Test(registry, refuses_another_core_of_a_client_that_finds_no_room)
{
	struct registry_client client;
	uint32_t next = 0;

	with_room(2);
	opened(at(client_of(7, 100, 0, 0x1), 1000, false));
	opened(at(client_of(7, 100, 1, 0x2), 2000, true));
	opened(at(client_of(7, 100, 2, 0x4), 3000, true));
	cr_assert_eq(registry_refused(r), 1);
	// And it is told of once.
	cr_assert_eq(registry_page(r, &next, &client, 1, 10), 1);
	cr_assert_eq(client.core, 0);
	cr_assert_eq(registry_page(r, &next, &client, 1, 10), 0);
}

Test(registry, tells_equal_handles_of_two_cores_apart)
{
	opened(client_of(7, 100, 0, 0x500));
	cr_assert(opened(client_of(7, 101, 1, 0x500)));
	closed(client_of(7, 100, 0, 0x500));
	cr_assert(registry_find(r, 7, &found));
	cr_assert_eq(found.core, 1);
}

Test(registry, refuses_what_finds_no_room)
{
	with_room(2);
	opened(client_of(1, 1, 0, 1));
	opened(client_of(2, 1, 0, 2));
	cr_assert_not(opened(client_of(3, 1, 0, 3)));
	cr_assert_eq(registry_refused(r), 1);
	cr_assert_eq(registry_count(r), 2);
	// Those that are known are still fenced.
	cr_assert(opened(client_of(2, 2, 1, 4)));
	closed(client_of(1, 1, 0, 1));
	cr_assert_not(opened(client_of(3, 1, 0, 3)));
	cr_assert_eq(registry_refused(r), 1);
}

// ---- at random -------------------------------------------------------------------------------------

enum {
	IDS = 8,
	CORES = 3,
	STEPS = 50000
};

// Who is open at the cores themselves. They are heard in turns, one later than the other.
static struct registry_client held[IDS][CORES];
static bool is_open[IDS][CORES];
static uint64_t now_ns;

static void close_at(uint32_t id, uint32_t core)
{
	is_open[id][core] = false;
	closed(held[id][core]);
}

// A new process, of which some come late, or the one that is known, which comes in anew or took an offer.
static struct registry_client draw(uint32_t id, uint32_t core)
{
	static const uint64_t late_ns[CORES] = {0, 35, 70};
	uint64_t instance = now_ns - (rand() % 4 == 0 ? (uint64_t)rand() % 100 : 0);
	bool by_offer = rand() % 3 == 0;

	if (registry_find(r, id, &found) && rand() % 4 != 0)
		instance = found.instance;
	return at(client_of(id, instance, core, now_ns), now_ns - late_ns[core], by_offer);
}

// The core that is named closes, and had good reason to.
static void carry_out(const struct registry_client *client)
{
	struct registry_client *loser;

	cr_assert_lt(fence.core, CORES);
	loser = &held[client->id][fence.core];
	cr_assert(is_open[client->id][fence.core]);
	cr_assert_eq(loser->handle, fence.handle);
	if (fence.code == GODWIT_REPLACED) {
		cr_assert_eq(fence.instance, loser->instance);
		cr_assert_not(client->by_offer, "an offer that is taken replaces nobody");
		cr_assert(!loser->by_offer || loser->opened_ns <= client->opened_ns,
			  "what it took after its HELLO stays");
	} else {
		cr_assert_eq(fence.code, GODWIT_FENCED);
		cr_assert_gt(fence.instance, loser->instance);
	}
	close_at((uint32_t)client->id, fence.core);
}

static void check(uint32_t id, int step)
{
	bool is_known = registry_find(r, id, &found);
	uint32_t count = 0, hellos = 0, ids = 0;

	for (uint32_t core = 0; core < CORES; core++) {
		if (!is_open[id][core])
			continue;
		count++;
		hellos += !held[id][core].by_offer;
		cr_assert(is_known);
		cr_assert_eq(held[id][core].instance, found.instance,
			     "step %d: two processes of id %u live", step, id);
	}
	cr_assert_leq(hellos, 1, "step %d: id %u came in at two cores", step, id);
	cr_assert_eq(is_known, count > 0);
	if (is_known) {
		cr_assert(is_open[id][found.core]);
		cr_assert_eq(held[id][found.core].handle, found.handle);
		cr_assert(hellos == 0 || !found.by_offer);
	}
	for (uint32_t i = 0; i < IDS; i++)
		ids += is_open[i][0] || is_open[i][1] || is_open[i][2];
	cr_assert_eq(registry_count(r), ids);
	cr_assert_eq(registry_refused(r), 0);
}

// What cores would do: each id has one process, once every fence was carried out, with one HELLO, and is at
// other cores where it took an offer.
Test(registry, leaves_one_process_of_each_id)
{
	uint32_t replaced = 0, fenced = 0, beside = 0;

	with_room(IDS * CORES);
	srand(4711);
	for (int step = 0; step < STEPS; step++) {
		uint32_t id = (uint32_t)rand() % IDS, core = (uint32_t)rand() % CORES;
		struct registry_client client;

		now_ns = 1000 + 10 * (uint64_t)step;
		client = draw(id, core);
		if (is_open[id][core] && held[id][core].instance > client.instance)
			continue; // the core itself refuses it
		if (is_open[id][core])
			close_at(id, core);
		if (rand() % 8 != 0) { // or it has just left
			is_open[id][core] = true;
			held[id][core] = client;
			for (bool more = opened(client); more;
			     more = registry_fence_next(r, &fence)) {
				replaced += fence.code == GODWIT_REPLACED;
				fenced += fence.code == GODWIT_FENCED;
				carry_out(&client);
			}
			cr_assert_not(registry_fence_next(r, &fence));
		}
		check(id, step);
		beside += is_open[id][0] + is_open[id][1] + is_open[id][2] > 1;
	}
	cr_assert(replaced > 100 && fenced > 100 && beside > 100, "%u %u %u", replaced, fenced,
		  beside);
}

Test(registry, tells_each_client_once_page_by_page)
{
	uint32_t next = 0, met[101] = {0}, pages = 0;
	struct registry_client clients[7];

	with_room(100);
	for (uint64_t id = 1; id <= 100; id++)
		opened(client_of(id, 1, 0, id));
	do {
		uint32_t count = registry_page(r, &next, clients, 7, 1000);

		for (uint32_t i = 0; i < count; i++)
			met[clients[i].id]++;
		// What comes and goes on the way hides nobody.
		closed(client_of(100, 1, 0, 100));
		opened(client_of(100, 1, 0, 100));
		pages++;
	} while (next != 0);
	for (uint64_t id = 1; id < 100; id++)
		cr_assert_eq(met[id], 1, "client %lu", id);
	cr_assert_eq(pages, 15);
}

Test(registry, looks_at_a_bounded_number_of_places_for_a_page)
{
	struct registry_client client;
	uint32_t next = 0;

	with_room(100);
	for (uint64_t id = 1; id <= 100; id++)
		opened(client_of(id, 1, 0, id));
	for (uint64_t id = 1; id < 100; id++)
		closed(client_of(id, 1, 0, id));
	cr_assert_eq(registry_page(r, &next, &client, 1, 10), 0);
	cr_assert_neq(next, 0, "there is more");
	cr_assert_eq(registry_page(r, &next, &client, 1, 1000), 1);
	cr_assert_eq(client.id, 100);
	cr_assert_eq(next, 0);
	cr_assert_eq(registry_page(r, &(uint32_t){0}, &client, 1, 1000), 1);
}

Test(registry, gives_places_out_again)
{
	with_room(2);
	for (uint64_t id = 1; id <= 50; id++) {
		opened(client_of(id, 1, 0, id));
		closed(client_of(id, 1, 0, id));
	}
	opened(client_of(1, 1, 0, 1));
	opened(client_of(2, 1, 0, 2));
	cr_assert_eq(registry_count(r), 2);
	cr_assert_eq(registry_refused(r), 0);
	opened(client_of(3, 1, 0, 3));
	cr_assert_eq(registry_refused(r), 1);
}
