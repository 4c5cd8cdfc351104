// SPDX-License-Identifier: BSD-3-Clause
//
// Requests that cross on their way, and proved clients that state what no honest one does.
#include <criterion/criterion.h>

#include "dataplane/stages.h"
#include "tests/support/checked.h"
#include "tests/support/core_harness.h"

static struct harness h;
static struct client_peer p;

#define COUNTED(name) harness_count(&h, 0, COUNTER_##name)

static void start(void)
{
	harness_start(&h, NULL);
	p = harness_peer(&h, 0, 1, 1, 1);
	cr_assert(harness_connect(&p, NULL));
}

static void stop(void)
{
	harness_stop(&h);
	cr_assert_str_empty(h.failure, "%s", h.failure);
}

TestSuite(crossed, .init = start);

// A request whose answer was lost and whose subscription has ended is made anew, under a new id. Should a
// late repeat of the old one open the subscription first, the new one must still be answered as itself:
// the client takes no other answer.
Checked(crossed, a_new_request_of_the_same_subscription_is_answered_under_its_own_id, stop)
{
	struct harness_request r = {.number = 1, .request = 100};
	const struct godwit_subscribed *s;
	uint64_t epoch, seq;

	harness_append(&h, 0, 1, 100, 10);
	harness_turn(&h);
	s = harness_subscribe(&p, &r); // the late repeat
	cr_assert_not_null(s);
	cr_assert_eq(godwit_get32(s->request), 100);
	epoch = godwit_get64(s->cursor_epoch);
	seq = godwit_get64(s->seq);
	harness_append(&h, 0, 1, 100, 10);
	harness_turn(&h);
	r.request = 101;
	s = harness_subscribe(&p, &r);
	cr_assert_not_null(s);
	cr_assert_eq(godwit_get32(s->request), 101);
	cr_assert_eq(godwit_get64(s->cursor_epoch), epoch);
	cr_assert_eq(godwit_get64(s->seq), seq);
	cr_assert_eq(COUNTED(subscriptions_opened), 1);
}

// A cursor epoch only grows: one that has no next is refused, and what is served stays.
Checked(crossed, a_highest_epoch_without_a_next_is_refused, stop)
{
	struct harness_request r = {.number = 1, .attempt = 1, .highest_epoch = UINT64_MAX};
	const struct godwit_subscribed *s = harness_subscribe(&p, &r);
	const struct harness_frame *frame;
	uint64_t epoch;

	cr_assert_not_null(s);
	epoch = godwit_get64(s->cursor_epoch);
	cr_assert_null(harness_resume(&p, &r));
	frame = harness_take(&h, &p.address, GODWIT_ERROR);
	cr_assert_not_null(frame);
	cr_assert_eq(godwit_get16(((const struct godwit_error *)frame->data)->code),
		     GODWIT_BAD_REQUEST);
	cr_assert_eq(subscription_find(harness_core(&h, 0),
				       core_client(harness_core(&h, 0), p.handle), 1)
			     ->cursor_epoch,
		     epoch);
	// The highest but one has a next.
	r.attempt = 2;
	r.highest_epoch = ((1ull << 48) - 2) << 16;
	s = harness_resume(&p, &r);
	cr_assert_not_null(s);
	cr_assert_eq(godwit_get64(s->cursor_epoch) >> 16, (1ull << 48) - 1);
}
