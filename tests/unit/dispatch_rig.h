// SPDX-License-Identifier: BSD-3-Clause
//
// What the tests of the dispatchers share: one core, one client with one subscription, whole or of
// one topic of two.
#ifndef TESTS_UNIT_DISPATCH_RIG_H
#define TESTS_UNIT_DISPATCH_RIG_H

#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "dataplane/stages.h"
#include "tests/support/checked.h"
#include "tests/support/core_harness.h"

static struct harness h;
static struct client_peer p;
static struct delivery d;

#define COUNTED(name) harness_count(&h, 0, COUNTER_##name)

static inline void begin(const struct harness_config *config)
{
	harness_start(&h, config);
	p = harness_peer(&h, 0, 1, 1, 1);
	cr_assert(harness_connect(&p, NULL));
}

static inline void start(void)
{
	begin(NULL);
}

static inline void stop(void)
{
	harness_stop(&h);
	cr_assert_str_empty(h.failure, "%s", h.failure);
}

static inline void restart(const struct harness_config *config)
{
	stop();
	begin(config);
}

static const uint32_t wanted[1] = {5}; // topic

// Subscription 1: whole, or of topic 5 alone.
static inline struct subscription *subscribe(bool filtered, uint8_t where, uint32_t window)
{
	struct harness_request r = {.number = 1,
				    .start = where,
				    .window = window,
				    .topics = filtered ? wanted : NULL,
				    .topics_count = filtered ? 1 : 0};
	const struct godwit_subscribed *s = harness_subscribe(&p, &r);

	cr_assert_not_null(s);
	d = delivery_start(s);
	return subscription_find(harness_core(&h, 0), core_client(harness_core(&h, 0), p.handle),
				 1);
}

static inline void ack(uint64_t seq, uint64_t edge)
{
	struct harness_ack entry = {
		.number = 1, .cursor_epoch = d.cursor_epoch, .seq = seq, .edge = edge};

	peer_ack(&p, &entry, 1);
	harness_turn(&h);
}

// `count` records of 64 bytes, every third of topic 5.
static inline void append(uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		harness_append(&h, 0, i % 3 == 0 ? 5 : 1, 52, 1);
}

static inline void assert_truncated(void)
{
	const struct harness_frame *frame = harness_take(&h, &p.address, GODWIT_ENDED);
	const struct godwit_ended *ended;

	cr_assert_not_null(frame);
	ended = (const void *)frame->data;
	cr_assert_eq(godwit_get16(ended->code), GODWIT_TRUNCATED);
	cr_assert_eq(godwit_get64(ended->seq), log_earliest(&harness_stream(&h, 0)->log) - 1);
	cr_assert_eq(godwit_get32(ended->epoch), 1);
	cr_assert_eq(COUNTED(truncated), 1);
	cr_assert_eq(COUNTED(answer_truncated), 1);
	cr_assert_eq(COUNTED(subscriptions_closed), 1);
}

#endif
