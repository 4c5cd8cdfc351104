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
	*fence = (struct registry_fence){99, 99, 99};
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

Test(registry, does_not_fence_a_process_that_changed_its_address)
{
	struct registry *r = registry_create(4);
	struct registry_client found;
	struct registry_fence fence;

	opened(r, client_of(7, 100, 0, 0x500), &fence);
	cr_assert_not(opened(r, client_of(7, 100, 1, 0x600), &fence));
	closed(r, client_of(7, 100, 0, 0x500)); // lapsed
	cr_assert(registry_find(r, 7, &found));
	cr_assert_eq(found.core, 1);
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
