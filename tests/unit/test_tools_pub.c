// SPDX-License-Identifier: BSD-3-Clause
//
// How `godwit pub` counts what is committed and what is in doubt, over instances.
#include <criterion/criterion.h>

#include "client/tools/pub.h"

static struct pub_options options = {.common = {.is_quiet = true}, .stream = "s"};
static struct pub pub = {.options = &options};

static void say(struct godwit_event event)
{
	pub_event(&pub, &event, 1000);
}

static void expect(uint64_t committed, uint64_t in_doubt)
{
	cr_assert_eq(pub.committed, committed, "committed %lu", pub.committed);
	cr_assert_eq(pub.in_doubt, in_doubt, "in doubt %lu", pub.in_doubt);
}

static void opened(uint64_t instance, uint64_t number)
{
	say((struct godwit_event){
		.kind = GODWIT_EVENT_PUBLISHER_OPENED, .instance = instance, .number = number});
}

static void committed(uint64_t instance, uint64_t number)
{
	say((struct godwit_event){
		.kind = GODWIT_EVENT_COMMITTED, .instance = instance, .number = number});
}

Test(tools_pub, counts_from_the_number_that_the_stream_holds)
{
	opened(3, 50);
	expect(0, 0);
	committed(3, 57);
	expect(7, 0);
	committed(3, 57);
	expect(7, 0);
}

Test(tools_pub, goes_on_counting_at_the_next_server)
{
	opened(3, 0);
	committed(3, 10);
	opened(3, 12); // held there, but not said to be committed yet
	expect(10, 0);
	committed(3, 12);
	expect(12, 0);
}

Test(tools_pub, counts_anew_after_messages_in_doubt)
{
	uint16_t run;

	opened(1, 0);
	committed(1, 10);
	run = pub.run;
	say((struct godwit_event){
		.kind = GODWIT_EVENT_IN_DOUBT, .instance = 1, .first = 11, .last = 30});
	expect(10, 20);
	// A server that lost its memory gives the same instance number again.
	opened(1, 0);
	committed(1, 4);
	expect(14, 20);
	// One in 65536 is the same by chance; the test gives up only on a second one.
	if (pub.run == run) {
		pub.is_anew = true;
		opened(1, 4);
	}
	cr_assert_neq(pub.run, run, "numbers in doubt would look lost to a reader");
}

Test(tools_pub, does_not_count_what_an_earlier_process_left_in_doubt)
{
	say((struct godwit_event){.kind = GODWIT_EVENT_IN_DOUBT, .instance = 8, .last = 30});
	opened(9, 0);
	committed(9, 2);
	expect(2, 0);
}

Test(tools_pub, ends_when_fenced)
{
	opened(1, 0);
	say((struct godwit_event){.kind = GODWIT_EVENT_PUBLISHER_ENDED, .code = GODWIT_FENCED});
	cr_assert(pub.is_over);
	cr_assert_eq(pub.end_code, GODWIT_FENCED);
}
