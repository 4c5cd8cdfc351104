// SPDX-License-Identifier: BSD-3-Clause
#include <criterion/criterion.h>
#include <stdlib.h>

#include "control/registry.h"

static struct registry_client client_of(uint64_t id, uint64_t instance, uint32_t core,
					uint64_t handle)
{
	return (struct registry_client){
		.id = id, .instance = instance, .handle = handle, .core = core};
}

static bool opened(struct registry *r, struct registry_client client, struct registry_fence *fence)
{
	*fence = (struct registry_fence){99, 99, 99, 99};
	return registry_opened(r, &client, fence);
}

static void closed(struct registry *r, struct registry_client client)
{
	registry_closed(r, &client);
}

Test(registry, remembers_who_is_open)
{
	struct registry *r = registry_create(4);
	struct registry_client found;
	struct registry_fence fence;

	cr_assert_not(registry_find(r, 7, &found));
	cr_assert_not(opened(r, client_of(7, 100, 1, 0x500), &fence));
	cr_assert(registry_find(r, 7, &found));
	cr_assert_eq(found.instance, 100);
	cr_assert_eq(found.core, 1);
	cr_assert_eq(found.handle, 0x500);
	closed(r, client_of(7, 100, 1, 0x500));
	cr_assert_not(registry_find(r, 7, &found));
	cr_assert_eq(registry_count(r), 0);
	registry_destroy(r);
}

Test(registry, fences_the_older_process_on_another_core)
{
	struct registry *r = registry_create(4);
	struct registry_client found;
	struct registry_fence fence;

	opened(r, client_of(7, 100, 0, 0x500), &fence);
	cr_assert(opened(r, client_of(7, 101, 1, 0x600), &fence));
	cr_assert_eq(fence.core, 0);
	cr_assert_eq(fence.handle, 0x500);
	cr_assert_eq(fence.instance, 101);
	cr_assert_eq(fence.code, GODWIT_FENCED);
	// The fenced one's end changes nothing.
	closed(r, client_of(7, 100, 0, 0x500));
	cr_assert(registry_find(r, 7, &found));
	cr_assert_eq(found.handle, 0x600);
	registry_destroy(r);
}

Test(registry, fences_an_older_process_that_comes_later)
{
	struct registry *r = registry_create(4);
	struct registry_client found;
	struct registry_fence fence;

	opened(r, client_of(7, 101, 1, 0x600), &fence);
	cr_assert(opened(r, client_of(7, 100, 0, 0x500), &fence));
	cr_assert_eq(fence.core, 0);
	cr_assert_eq(fence.handle, 0x500);
	cr_assert_eq(fence.instance, 101);
	cr_assert(registry_find(r, 7, &found));
	cr_assert_eq(found.instance, 101, "the newer one stays in force");
	registry_destroy(r);
}

Test(registry, leaves_to_a_core_what_is_within_it)
{
	struct registry *r = registry_create(4);
	struct registry_client found;
	struct registry_fence fence;

	opened(r, client_of(7, 100, 1, 0x500), &fence);
	cr_assert_not(opened(r, client_of(7, 101, 1, 0x600), &fence));
	closed(r, client_of(7, 100, 1, 0x500));
	cr_assert(registry_find(r, 7, &found));
	cr_assert_eq(found.handle, 0x600);
	registry_destroy(r);
}

static struct registry_client at(struct registry_client client, uint64_t opened_ns, bool by_offer)
{
	client.opened_ns = opened_ns;
	client.by_offer = by_offer;
	return client;
}

Test(registry, replaces_a_process_that_came_in_anew_at_another_core)
{
	struct registry *r = registry_create(4);
	struct registry_client found;
	struct registry_fence fence;

	opened(r, at(client_of(7, 100, 0, 0x500), 1000, false), &fence);
	cr_assert(opened(r, at(client_of(7, 100, 1, 0x600), 2000, false), &fence));
	cr_assert_eq(fence.core, 0);
	cr_assert_eq(fence.handle, 0x500);
	cr_assert_eq(fence.code, GODWIT_REPLACED);
	closed(r, client_of(7, 100, 0, 0x500));
	cr_assert(registry_find(r, 7, &found));
	cr_assert_eq(found.core, 1);
	// Of a third core it is heard late that the client was there before.
	cr_assert(opened(r, at(client_of(7, 100, 2, 0x700), 1500, false), &fence));
	cr_assert_eq(fence.core, 2);
	cr_assert_eq(fence.handle, 0x700);
	cr_assert_eq(fence.code, GODWIT_REPLACED);
	cr_assert(registry_find(r, 7, &found));
	cr_assert_eq(found.core, 1);
	cr_assert_eq(registry_count(r), 1);
	registry_destroy(r);
}

Test(registry, lets_a_client_that_took_an_offer_be_on_two_cores)
{
	struct registry *r = registry_create(8);
	struct registry_client found;
	struct registry_fence fence;

	opened(r, at(client_of(7, 100, 0, 0x500), 1000, false), &fence);
	cr_assert_not(opened(r, at(client_of(7, 100, 1, 0x600), 2000, true), &fence));
	cr_assert(registry_find(r, 7, &found));
	cr_assert_eq(found.core, 0);
	// Whichever of the two is heard of first.
	opened(r, at(client_of(8, 100, 1, 0x800), 2000, true), &fence);
	cr_assert_not(opened(r, at(client_of(8, 100, 0, 0x900), 1000, false), &fence));
	cr_assert(registry_find(r, 8, &found));
	cr_assert_eq(found.core, 0);
	// But a HELLO after the offer was taken begins anew.
	opened(r, at(client_of(9, 100, 1, 0xa00), 2000, true), &fence);
	cr_assert(opened(r, at(client_of(9, 100, 0, 0xb00), 3000, false), &fence));
	cr_assert_eq(fence.handle, 0xa00);
	cr_assert_eq(fence.code, GODWIT_REPLACED);
	registry_destroy(r);
}

Test(registry, goes_on_with_a_client_where_it_took_an_offer)
{
	struct registry *r = registry_create(4);
	struct registry_client found;
	struct registry_fence fence;

	opened(r, at(client_of(7, 100, 0, 0x500), 1000, false), &fence);
	opened(r, at(client_of(7, 100, 1, 0x600), 2000, true), &fence);
	opened(r, at(client_of(7, 100, 2, 0x700), 3000, true), &fence);
	cr_assert_eq(registry_count(r), 1, "it is one client");
	closed(r, client_of(7, 100, 2, 0x700));
	closed(r, client_of(7, 100, 0, 0x500));
	cr_assert(registry_find(r, 7, &found));
	cr_assert_eq(found.core, 1);
	cr_assert_eq(found.handle, 0x600);
	// A HELLO after it begins anew.
	cr_assert(opened(r, at(client_of(7, 100, 0, 0x501), 4000, false), &fence));
	cr_assert_eq(fence.handle, 0x600);
	closed(r, client_of(7, 100, 1, 0x600));
	closed(r, client_of(7, 100, 0, 0x501));
	cr_assert_eq(registry_count(r), 0);
	registry_destroy(r);
}

Test(registry, fences_the_older_process_wherever_it_took_an_offer)
{
	struct registry *r = registry_create(4);
	uint64_t handles = 0;
	struct registry_client found;
	struct registry_fence fence;
	uint32_t count = 1;

	opened(r, at(client_of(7, 100, 0, 0x1), 1000, false), &fence);
	opened(r, at(client_of(7, 100, 1, 0x2), 2000, true), &fence);
	opened(r, at(client_of(7, 100, 2, 0x4), 3000, true), &fence);
	opened(r, at(client_of(7, 100, 2, 0x8), 4000, true), &fence); // the core had it anew
	cr_assert(opened(r, at(client_of(7, 101, 1, 0x10), 5000, false), &fence));
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
	closed(r, client_of(7, 101, 1, 0x10));
	cr_assert_eq(registry_count(r), 0);
	// All places are free again.
	for (uint64_t id = 1; id <= 4; id++)
		opened(r, client_of(id, 1, 0, id), &fence);
	cr_assert_eq(registry_refused(r), 0);
	registry_destroy(r);
}

Test(registry, refuses_another_core_of_a_client_that_finds_no_room)
{
	struct registry *r = registry_create(2);
	struct registry_client client;
	struct registry_fence fence;
	uint32_t next = 0;

	opened(r, at(client_of(7, 100, 0, 0x1), 1000, false), &fence);
	opened(r, at(client_of(7, 100, 1, 0x2), 2000, true), &fence);
	opened(r, at(client_of(7, 100, 2, 0x4), 3000, true), &fence);
	cr_assert_eq(registry_refused(r), 1);
	// And it is told of once.
	cr_assert_eq(registry_page(r, &next, &client, 1, 10), 1);
	cr_assert_eq(client.core, 0);
	cr_assert_eq(registry_page(r, &next, &client, 1, 10), 0);
	registry_destroy(r);
}

Test(registry, tells_equal_handles_of_two_cores_apart)
{
	struct registry *r = registry_create(4);
	struct registry_client found;
	struct registry_fence fence;

	opened(r, client_of(7, 100, 0, 0x500), &fence);
	cr_assert(opened(r, client_of(7, 101, 1, 0x500), &fence));
	closed(r, client_of(7, 100, 0, 0x500));
	cr_assert(registry_find(r, 7, &found));
	cr_assert_eq(found.core, 1);
	registry_destroy(r);
}

Test(registry, refuses_what_finds_no_room)
{
	struct registry *r = registry_create(2);
	struct registry_fence fence;

	opened(r, client_of(1, 1, 0, 1), &fence);
	opened(r, client_of(2, 1, 0, 2), &fence);
	cr_assert_not(opened(r, client_of(3, 1, 0, 3), &fence));
	cr_assert_eq(registry_refused(r), 1);
	cr_assert_eq(registry_count(r), 2);
	// Those that are known are still fenced.
	cr_assert(opened(r, client_of(2, 2, 1, 4), &fence));
	closed(r, client_of(1, 1, 0, 1));
	cr_assert_not(opened(r, client_of(3, 1, 0, 3), &fence));
	cr_assert_eq(registry_refused(r), 1);
	registry_destroy(r);
}

// What cores would do, at random: at the end each id has one open client at most, the one of the highest
// instance, once every fence was carried out.
Test(registry, leaves_one_process_of_each_id)
{
	enum {
		IDS = 8,
		CORES = 3,
		STEPS = 20000
	};
	static bool is_open[IDS][CORES];
	static struct registry_client open[IDS][CORES];
	struct registry *r = registry_create(IDS);
	uint64_t handle = 1;

	srand(4711);
	for (int step = 0; step < STEPS; step++) {
		uint32_t id = (uint32_t)rand() % IDS, core = (uint32_t)rand() % CORES;
		struct registry_fence fence;
		// Some come late: their process began before others.
		uint64_t began = (uint64_t)(STEPS + step - (rand() % 4 == 0 ? rand() % 50 : 0));
		struct registry_client client =
			client_of(id, began << 20 | (uint64_t)step, core, handle++);
		uint32_t count = 0;

		if (is_open[id][core] && open[id][core].instance > client.instance)
			continue; // the core itself refuses it
		if (is_open[id][core])
			closed(r, open[id][core]);
		is_open[id][core] = true;
		open[id][core] = client;
		if (opened(r, client, &fence)) {
			cr_assert(is_open[id][fence.core]);
			cr_assert_eq(open[id][fence.core].handle, fence.handle);
			cr_assert_gt(fence.instance, open[id][fence.core].instance);
			is_open[id][fence.core] = false;
			closed(r, open[id][fence.core]);
		}
		for (uint32_t i = 0; i < CORES; i++) {
			struct registry_client found;

			if (!is_open[id][i])
				continue;
			cr_assert(registry_find(r, id, &found));
			cr_assert_leq(open[id][i].instance, found.instance);
			count += open[id][i].instance != found.instance;
		}
		cr_assert_eq(count, 0, "step %d: an older process of id %u lives", step, id);
	}
	registry_destroy(r);
}

Test(registry, tells_each_client_once_page_by_page)
{
	struct registry *r = registry_create(100);
	uint32_t next = 0, met[101] = {0}, pages = 0;
	struct registry_client clients[7];
	struct registry_fence fence;

	for (uint64_t id = 1; id <= 100; id++)
		opened(r, client_of(id, 1, 0, id), &fence);
	do {
		uint32_t count = registry_page(r, &next, clients, 7, 1000);

		for (uint32_t i = 0; i < count; i++)
			met[clients[i].id]++;
		// What comes and goes on the way hides nobody.
		closed(r, client_of(100, 1, 0, 100));
		opened(r, client_of(100, 1, 0, 100), &fence);
		pages++;
	} while (next != 0);
	for (uint64_t id = 1; id < 100; id++)
		cr_assert_eq(met[id], 1, "client %lu", id);
	cr_assert_eq(pages, 15);
	registry_destroy(r);
}

Test(registry, looks_at_a_bounded_number_of_places_for_a_page)
{
	struct registry *r = registry_create(100);
	struct registry_client client;
	struct registry_fence fence;
	uint32_t next = 0;

	for (uint64_t id = 1; id <= 100; id++)
		opened(r, client_of(id, 1, 0, id), &fence);
	for (uint64_t id = 1; id < 100; id++)
		closed(r, client_of(id, 1, 0, id));
	cr_assert_eq(registry_page(r, &next, &client, 1, 10), 0);
	cr_assert_neq(next, 0, "there is more");
	cr_assert_eq(registry_page(r, &next, &client, 1, 1000), 1);
	cr_assert_eq(client.id, 100);
	cr_assert_eq(next, 0);
	cr_assert_eq(registry_page(r, &(uint32_t){0}, &client, 1, 1000), 1);
	registry_destroy(r);
}

Test(registry, gives_places_out_again)
{
	struct registry *r = registry_create(2);
	struct registry_fence fence;

	for (uint64_t id = 1; id <= 50; id++) {
		opened(r, client_of(id, 1, 0, id), &fence);
		closed(r, client_of(id, 1, 0, id));
	}
	opened(r, client_of(1, 1, 0, 1), &fence);
	opened(r, client_of(2, 1, 0, 2), &fence);
	cr_assert_eq(registry_count(r), 2);
	cr_assert_eq(registry_refused(r), 0);
	opened(r, client_of(3, 1, 0, 3), &fence);
	cr_assert_eq(registry_refused(r), 1);
	registry_destroy(r);
}
