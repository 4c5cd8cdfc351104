// SPDX-License-Identifier: BSD-3-Clause
//
// Requests that cross on their way, and proved clients that state what no honest one does.
#include <criterion/criterion.h>

#include "dataplane/stages.h"
#include "tests/support/checked.h"
#include "tests/support/cluster_harness.h"

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

// A client moves to another core of its server, and asks again before it got a message here: the first
// message is told of under the epoch that it got last.
Test(crossed_cores, the_first_message_after_a_second_resume_is_told_of)
{
	static struct cluster c;
	struct harness *home;
	struct core_command offer = {.client = 50, .instance = 5, .subscription = 1, .tag = 0x7001};
	struct harness_request r = {.number = 1, .attempt = 1, .highest_epoch = 3 << 16 | 1};
	const struct godwit_subscribed *s;
	const struct harness_frame *take;
	struct core_notice notice;
	uint64_t epoch;

	cluster_start(&c, NULL);
	cr_assert(cluster_meet(&c));
	home = cluster_harness(&c, 0);
	p = harness_peer(home, 0, 5, 50, 5);
	offer.address = p.address;
	offer.cursor_epoch = r.offer_epoch = 4 << 16 | 1;
	cr_assert(harness_command(home, 0, CORE_COMMAND_OFFER, &offer));
	harness_turn(home);
	take = harness_take(home, &p.address, GODWIT_TAKE);
	cr_assert_not_null(take);
	p.handle = godwit_get64(((const struct godwit_take *)take->data)->handle);
	p.key = godwit_get64(((const struct godwit_take *)take->data)->key);
	s = harness_resume(&p, &r);
	cr_assert_not_null(s);
	cr_assert(harness_notice(home, 0, CORE_NOTICE_ARRIVED, &notice));
	cr_assert_eq(notice.from, 1);
	cr_assert_not(notice.again);
	r.highest_epoch = godwit_get64(s->cursor_epoch);
	r.attempt = 2;
	s = harness_resume(&p, &r);
	cr_assert_not_null(s);
	epoch = godwit_get64(s->cursor_epoch);
	cr_assert_gt(epoch, r.highest_epoch);
	harness_append(home, 0, 1, 20, 5);
	harness_turns(home, 2);
	cr_assert(harness_notice(home, 0, CORE_NOTICE_ARRIVED, &notice));
	cr_assert(notice.again);
	cr_assert(harness_notice(home, 0, CORE_NOTICE_SERVED, &notice));
	cr_assert_eq(notice.cursor_epoch, epoch);
	cluster_stop(&c);
	cr_assert_str_empty(c.failure, "%s", c.failure);
}
