// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/client_rig.h"

#include <errno.h>

// Lets the server be silent until the client gives it up, and connects again.
static void lose_server(struct rig *rig)
{
	uint64_t before = rig_stats(rig)->disconnects;

	while (rig_stats(rig)->disconnects == before) {
		while (rig_output(rig) != 0)
			;
		if (rig_stats(rig)->disconnects == before)
			rig->now_ns = godwit_core_due(rig->core, rig->now_ns);
	}
	rig_next(rig, GODWIT_EVENT_DISCONNECTED);
	rig->now_ns = godwit_core_due(rig->core, rig->now_ns);
	rig_connect(rig);
}

static const struct godwit_resume *expect_resume(struct rig *rig, uint64_t seq, uint64_t edge)
{
	const struct godwit_resume *resume = rig_expect_request(rig, GODWIT_RESUME);

	cr_assert_eq(godwit_get64(resume->session), rig->session);
	cr_assert_eq(godwit_get64(resume->seq), seq, "resumes at %llu",
		     (unsigned long long)godwit_get64(resume->seq));
	cr_assert_eq(godwit_get64(resume->edge), edge);
	cr_assert_eq(godwit_get64(resume->highest_epoch), rig->cursor_epoch);
	cr_assert_eq(godwit_get64(resume->offer_epoch), 0);
	return resume;
}

static void expect_gap(struct rig *rig, uint64_t first, uint64_t last, uint64_t seq,
		       enum godwit_code code)
{
	const struct godwit_event *event = rig_next(rig, GODWIT_EVENT_GAP);

	cr_assert_eq(event->subscription, rig->subscription);
	cr_assert_eq(event->first, first);
	cr_assert_eq(event->last, last);
	cr_assert_eq(event->identifier.seq, seq);
	cr_assert_eq(event->identifier.session, rig->session);
	cr_assert_eq(event->code, code);
}

static struct rig *rig_with(uint64_t seq, uint32_t window, enum godwit_policy policy)
{
	struct rig *rig = rig_create_with(NULL, 2);

	rig_connect(rig);
	rig_subscribe_with(rig,
			   (struct godwit_subscription_options){.window = window,
								.policy = (uint8_t)policy},
			   seq);
	return rig;
}

Test(client_resume, continues_at_the_next_server_after_the_last_message_taken)
{
	struct rig *rig = rig_with(10, 100, GODWIT_POLICY_FAIL);
	const struct godwit_resume *resume;

	rig_data(rig, 11, 13);
	rig_take_range(rig, 11, 12);
	rig_data(rig, 15, 16);
	lose_server(rig);
	resume = expect_resume(rig, 12, 112);
	cr_assert_eq(godwit_get32(resume->attempt), 1);
	cr_assert_eq(godwit_get32(resume->epoch), RIG_EPOCH);
	cr_assert_str_eq((const char *)resume->stream, "s");
	rig_due_in(rig, 20 * RIG_MS);
	resume = expect_resume(rig, 12, 112);
	cr_assert_eq(godwit_get32(resume->attempt), 1);
	rig_subscribed(rig, 12, GODWIT_OK);
	rig_next(rig, GODWIT_EVENT_MIGRATED);
	rig_no_event(rig); // what was not taken comes again
	rig_data(rig, 13, 14);
	rig_take_range(rig, 13, 14);
	rig_data(rig, 15, 17);
	rig_take_range(rig, 15, 17);
	lose_server(rig);
	resume = expect_resume(rig, 17, 117);
	cr_assert_eq(godwit_get32(resume->attempt), 2);
	rig_destroy(rig);
}

Test(client_resume, goes_on_with_the_old_epoch_until_the_answer)
{
	struct rig *rig = rig_with(10, 100, GODWIT_POLICY_FAIL);

	rig_error(rig, GODWIT_UNKNOWN_SUBSCRIPTION, 0, rig->subscription);
	rig_error(rig, GODWIT_UNKNOWN_SUBSCRIPTION, 0, rig->subscription);
	cr_assert_eq(rig_stats(rig)->resumes, 1);
	rig_data(rig, 11, 11);
	rig_take(rig, 11);
	rig_silent(rig);
	rig_due_in(rig, 20 * RIG_MS);
	expect_resume(rig, 11, 111);
	// An answer to another attempt or request changes nothing.
	rig->attempt++;
	rig_subscribed(rig, 11, GODWIT_OK);
	rig->attempt--;
	rig->request++;
	rig_subscribed(rig, 11, GODWIT_OK);
	rig->request--;
	rig_no_event(rig);
	rig_subscribed(rig, 11, GODWIT_OK);
	rig_next(rig, GODWIT_EVENT_RESUMED);
	rig_destroy(rig);
}

// A repeat of the SUBSCRIBE came after the end of what the first one opened.
Test(client_resume, begins_once_by_a_subscribe)
{
	struct rig *rig = rig_with(10, 100, GODWIT_POLICY_FAIL);

	rig_data(rig, 11, 13);
	rig_take_range(rig, 11, 13);
	rig_subscribed(rig, 40, GODWIT_OK);
	rig_no_event(rig);
	rig->cursor_epoch -= 1 << 16;
	rig_data(rig, 14, 14);
	rig_take(rig, 14);
	rig_ended(rig, GODWIT_BEHIND, 0);
	rig->cursor_epoch += 1 << 16; // the highest that was heard of
	rig_due_in(rig, 20 * RIG_MS);
	expect_resume(rig, 14, 114);
	rig_destroy(rig);
}

Test(client_resume, resumes_what_lapsed_or_was_replaced_but_only_of_its_epoch)
{
	static const enum godwit_code codes[] = {GODWIT_LAPSED, GODWIT_REPLACED, GODWIT_BEHIND};
	struct rig *rig = rig_with(10, 100, GODWIT_POLICY_FAIL);

	rig->cursor_epoch -= 1 << 16;
	rig_ended(rig, GODWIT_LAPSED, 0);
	rig->cursor_epoch += 1 << 16;
	rig->now_ns += 20 * RIG_MS;
	rig_silent(rig);
	for (uint32_t i = 0; i < 3; i++) {
		rig_ended(rig, codes[i], 0);
		rig_silent(rig);
		rig_due_in(rig, 20 * RIG_MS);
		expect_resume(rig, 10, 110);
		rig_subscribed(rig, 10, GODWIT_OK);
		rig_next(rig, GODWIT_EVENT_RESUMED);
		rig_expect(rig, GODWIT_ACK);
		rig_alive(rig);
	}
	rig_destroy(rig);
}

Test(client_resume, ends_where_the_policy_is_to_fail)
{
	struct rig *rig = rig_with(10, 100, GODWIT_POLICY_FAIL);

	rig_data(rig, 11, 12);
	rig_data(rig, 14, 14);
	rig_ended(rig, GODWIT_TRUNCATED, 0);
	rig_take_range(rig, 11, 12);
	rig_next(rig, GODWIT_EVENT_ENDED);
	cr_assert_eq(rig->event.code, GODWIT_TRUNCATED);
	cr_assert_eq(rig->event.subscription, rig->subscription);
	cr_assert_eq(rig->event.identifier.seq, 500);
	cr_assert_eq(rig->event.session, 0xabc);
	rig_no_event(rig);
	cr_assert_eq(godwit_core_unsubscribe(rig->core, rig->now_ns, rig->subscription), -ENOENT);
	rig_destroy(rig);
}

Test(client_resume, ends_when_a_resume_is_refused)
{
	struct rig *rig = rig_with(10, 100, GODWIT_POLICY_FAIL);

	lose_server(rig);
	expect_resume(rig, 10, 110);
	rig_ended(rig, GODWIT_UNKNOWN_SESSION, rig->request);
	rig_next(rig, GODWIT_EVENT_ENDED);
	cr_assert_eq(rig->event.code, GODWIT_UNKNOWN_SESSION);
	rig_no_event(rig);
	rig_destroy(rig);
}

Test(client_resume, asks_anew_where_the_refusal_will_pass)
{
	struct rig *rig = rig_with(10, 100, GODWIT_POLICY_FAIL);
	uint32_t request;

	lose_server(rig);
	expect_resume(rig, 10, 110);
	request = rig->request;
	rig_ended(rig, GODWIT_BEHIND, rig->request);
	rig_silent(rig);
	rig_due_in(rig, 40 * RIG_MS);
	expect_resume(rig, 10, 110);
	cr_assert_neq(rig->request, request);
	cr_assert_eq(rig->attempt, 2);
	rig_error(rig, GODWIT_BUSY, rig->request, 0);
	rig_no_event(rig);
	rig->now_ns += 79 * RIG_MS;
	rig_expect(rig, GODWIT_ACK); // keep-alive
	rig_due_in(rig, 1 * RIG_MS);
	expect_resume(rig, 10, 110);
	rig_destroy(rig);
}

Test(client_resume, reports_exactly_what_was_truncated)
{
	struct rig *rig = rig_with(10, 100, GODWIT_POLICY_EARLIEST);

	rig_data(rig, 11, 14);
	rig_take(rig, 11);
	rig_data(rig, 20, 22); // within the gap to come
	rig_data(rig, 58, 70); // reaches above it: comes again
	rig_ended(rig, GODWIT_TRUNCATED, 0);
	rig->now_ns += 20 * RIG_MS;
	expect_resume(rig, 11, 111);
	rig_subscribed(rig, 60, GODWIT_TRUNCATED);
	// The old messages can still be pulled, but the cursor stands at the new start.
	rig_expect_ack(rig, 60, 160, 0, NULL);
	rig_take(rig, 12);
	rig_silent(rig);
	rig_take_range(rig, 13, 14);
	rig_next(rig, GODWIT_EVENT_RESUMED);
	cr_assert_eq(rig->event.code, GODWIT_TRUNCATED);
	expect_gap(rig, 15, 60, 60, GODWIT_TRUNCATED);
	rig_no_event(rig);
	rig_data(rig, 61, 70);
	rig_take_range(rig, 61, 70);
	rig_due_in(rig, 5 * RIG_MS);
	rig_expect_ack(rig, 70, 170, 0, NULL);
	cr_assert_eq(rig_stats(rig)->gaps, 1);
	rig_destroy(rig);
}

Test(client_resume, has_no_gap_where_it_held_what_was_truncated)
{
	struct rig *rig = rig_with(10, 100, GODWIT_POLICY_EARLIEST);

	rig_data(rig, 11, 20);
	lose_server(rig);
	expect_resume(rig, 10, 110);
	rig_subscribed(rig, 15, GODWIT_TRUNCATED);
	rig_take_range(rig, 11, 15);
	rig_next(rig, GODWIT_EVENT_MIGRATED);
	rig_no_event(rig);
	rig_data(rig, 16, 21);
	rig_take_range(rig, 16, 21);
	cr_assert_eq(rig_stats(rig)->gaps, 0);
	rig_destroy(rig);
}

Test(client_resume, reports_a_gap_at_the_first_subscription)
{
	struct rig *rig = rig_connected();
	struct godwit_subscription_options options = {
		.stream = "s",
		.start = GODWIT_START_AFTER,
		.policy = GODWIT_POLICY_EARLIEST,
		.after = {.session = RIG_SESSION, .seq = 10, .epoch = 3},
	};
	const struct godwit_subscribe *frame;

	cr_assert_eq(godwit_core_subscribe(rig->core, rig->now_ns, &options, &rig->subscription),
		     0);
	frame = rig_expect_request(rig, GODWIT_SUBSCRIBE);
	cr_assert_eq(godwit_get64(frame->start_value), 10);
	cr_assert_eq(godwit_get64(frame->session), RIG_SESSION);
	cr_assert_eq(godwit_get32(frame->epoch), 3);
	rig_subscribed(rig, 40, GODWIT_TRUNCATED);
	rig_next(rig, GODWIT_EVENT_SUBSCRIBED);
	expect_gap(rig, 11, 40, 40, GODWIT_TRUNCATED);
	rig_data(rig, 41, 41);
	rig_take(rig, 41);

	options.start = GODWIT_START_SEQUENCE;
	options.value = 30;
	cr_assert_eq(godwit_core_subscribe(rig->core, rig->now_ns, &options, &rig->subscription),
		     0);
	rig_expect_request(rig, GODWIT_SUBSCRIBE);
	rig_subscribed(rig, 40, GODWIT_TRUNCATED);
	rig_next(rig, GODWIT_EVENT_SUBSCRIBED);
	expect_gap(rig, 30, 40, 40, GODWIT_TRUNCATED);

	// Latest asks for nothing in particular: nothing is missing.
	options.start = GODWIT_START_LATEST;
	cr_assert_eq(godwit_core_subscribe(rig->core, rig->now_ns, &options, &rig->subscription),
		     0);
	rig_expect_request(rig, GODWIT_SUBSCRIBE);
	rig_subscribed(rig, 40, GODWIT_TRUNCATED);
	rig_next(rig, GODWIT_EVENT_SUBSCRIBED);
	rig_no_event(rig);
	rig_destroy(rig);
}

Test(client_resume, follows_a_new_session)
{
	struct rig *rig = rig_with(10, 100, GODWIT_POLICY_EARLIEST);
	struct godwit_identifier identifier;

	rig_data(rig, 11, 12);
	rig_data(rig, 15, 15);
	lose_server(rig);
	expect_resume(rig, 10, 110);
	rig->session = 0x2222;
	rig_subscribed(rig, 0, GODWIT_UNKNOWN_SESSION);
	rig_expect_ack(rig, 0, 100, 0, NULL);
	rig_data(rig, 1, 3);
	rig->session = RIG_SESSION;
	rig_take_range(rig, 11, 12);
	rig->session = 0x2222;
	rig_next(rig, GODWIT_EVENT_MIGRATED);
	godwit_core_identifier(rig->core, rig->subscription, &identifier);
	cr_assert_eq(identifier.session, RIG_SESSION);
	cr_assert_eq(identifier.seq, 12);
	rig_next(rig, GODWIT_EVENT_SESSION);
	cr_assert_eq(rig->event.identifier.session, 0x2222);
	cr_assert_eq(rig->event.identifier.seq, 0);
	cr_assert_eq(rig->event.session, RIG_SESSION);
	godwit_core_identifier(rig->core, rig->subscription, &identifier);
	cr_assert_eq(identifier.session, 0x2222);
	rig_take_range(rig, 1, 3);
	rig_no_event(rig);
	lose_server(rig);
	expect_resume(rig, 3, 103);
	rig_destroy(rig);
}

Test(client_resume, takes_back_what_history_cut)
{
	struct rig *rig = rig_with(10, 100, GODWIT_POLICY_EARLIEST);

	rig_data(rig, 11, 20);
	rig_take_range(rig, 11, 15);
	rig_data(rig, 25, 30);
	lose_server(rig);
	expect_resume(rig, 15, 115);
	rig_subscribed(rig, 13, GODWIT_DIVERGED);
	rig_next(rig, GODWIT_EVENT_MIGRATED);
	expect_gap(rig, 14, 15, 13, GODWIT_DIVERGED); // taken, and no longer so
	rig_no_event(rig);
	rig_expect_ack(rig, 13, 113, 0, NULL);
	rig_data(rig, 14, 26);
	rig_take_range(rig, 14, 26);
	rig_destroy(rig);
}

// The newest there is may have the number of what was taken last, and is another message.
Test(client_resume, tells_that_history_was_cut_where_it_goes_on_at_the_same_sequence)
{
	struct rig *rig = rig_with(10, 100, GODWIT_POLICY_LATEST);

	rig_data(rig, 11, 15);
	rig_take_range(rig, 11, 15);
	lose_server(rig);
	expect_resume(rig, 15, 115);
	rig_subscribed(rig, 15, GODWIT_DIVERGED);
	rig_next(rig, GODWIT_EVENT_MIGRATED);
	expect_gap(rig, 16, 15, 15, GODWIT_DIVERGED); // which they are, nobody knows
	rig_data(rig, 16, 20);
	rig_take_range(rig, 16, 20);
	rig_destroy(rig);
}

Test(client_resume, drops_what_was_not_pulled_and_is_cut)
{
	struct rig *rig = rig_with(10, 100, GODWIT_POLICY_EARLIEST);

	rig_data(rig, 11, 16);
	rig_data(rig, 17, 20);
	rig_take_range(rig, 11, 12);
	lose_server(rig);
	expect_resume(rig, 12, 112);
	rig_subscribed(rig, 14, GODWIT_DIVERGED);
	rig_take_range(rig, 13, 14);
	rig_next(rig, GODWIT_EVENT_MIGRATED);
	rig_no_event(rig);
	rig_data(rig, 15, 21);
	rig_take_range(rig, 15, 21);
	cr_assert_eq(rig_stats(rig)->gaps, 0);
	rig_destroy(rig);
}

Test(client_resume, keeps_a_payload_valid_until_the_next_pull)
{
	struct rig *rig = rig_with(10, 100, GODWIT_POLICY_EARLIEST);
	const uint8_t *payload;
	uint8_t copy[16];
	size_t length;

	rig_data(rig, 11, 11);
	rig_take(rig, 11);
	payload = rig->event.payload;
	length = rig->event.length;
	memcpy(copy, payload, length);
	for (uint64_t seq = 12; seq < 40; seq++)
		rig_data(rig, seq, seq);
	cr_assert_eq(memcmp(payload, copy, length), 0);
	rig_take_range(rig, 12, 13);
	payload = rig->event.payload;
	length = rig->event.length;
	memcpy(copy, payload, length);
	// All slots of the subscription go back; the next one takes them again.
	cr_assert_eq(godwit_core_unsubscribe(rig->core, rig->now_ns, rig->subscription), 0);
	rig_expect(rig, GODWIT_UNSUBSCRIBE);
	cr_assert_eq(godwit_core_subscribe(rig->core, rig->now_ns,
					   &(struct godwit_subscription_options){.stream = "s"},
					   &rig->subscription),
		     0);
	rig_expect_request(rig, GODWIT_SUBSCRIBE);
	rig_subscribed(rig, 10, GODWIT_OK);
	for (uint64_t seq = 11; seq < 60; seq++)
		rig_data(rig, seq, seq);
	cr_assert_eq(memcmp(payload, copy, length), 0);
	rig_next(rig, GODWIT_EVENT_SUBSCRIBED);
	rig_take_range(rig, 11, 59);
	rig_destroy(rig);
}

Test(client_resume, goes_to_the_next_server_when_this_one_stops)
{
	struct rig *rig = rig_with(10, 100, GODWIT_POLICY_FAIL);
	struct godwit_address second = rig_address(1);

	rig_data(rig, 11, 11);
	rig_take(rig, 11);
	rig_ended(rig, GODWIT_SHUTDOWN, 0);
	rig_next(rig, GODWIT_EVENT_DISCONNECTED);
	cr_assert_eq(rig->event.code, GODWIT_SHUTDOWN);
	rig->now_ns = godwit_core_due(rig->core, rig->now_ns);
	rig_connect(rig);
	cr_assert(godwit_address_equal(&rig->to, &second));
	expect_resume(rig, 11, 111);
	rig_destroy(rig);
}

Test(client_resume, subscribes_again_elsewhere_when_it_has_not_begun)
{
	struct rig *rig = rig_create_with(NULL, 2);
	uint32_t request;

	rig_connect(rig);
	cr_assert_eq(godwit_core_subscribe(rig->core, rig->now_ns,
					   &(struct godwit_subscription_options){.stream = "s"},
					   &rig->subscription),
		     0);
	rig_expect_request(rig, GODWIT_SUBSCRIBE);
	request = rig->request;
	lose_server(rig);
	rig_expect_request(rig, GODWIT_SUBSCRIBE);
	cr_assert_eq(rig->request, request);
	// It lapsed before its answer arrived: only a new request gets a new one.
	rig_ended(rig, GODWIT_LAPSED, 0);
	rig->now_ns += 40 * RIG_MS;
	rig_expect_request(rig, GODWIT_SUBSCRIBE);
	cr_assert_neq(rig->request, request);
	rig_error(rig, GODWIT_UNKNOWN_STREAM, rig->request, 0);
	rig_next(rig, GODWIT_EVENT_ENDED);
	cr_assert_eq(rig->event.code, GODWIT_UNKNOWN_STREAM);
	rig_no_event(rig);
	rig_destroy(rig);
}

Test(client_resume, unsubscribes_until_it_is_confirmed)
{
	struct rig *rig = rig_with(10, 100, GODWIT_POLICY_FAIL);
	const struct godwit_unsubscribe *frame;

	rig_data(rig, 11, 12);
	cr_assert_eq(godwit_core_unsubscribe(rig->core, rig->now_ns, rig->subscription), 0);
	rig_no_event(rig);
	rig_data(rig, 13, 14);
	rig_no_event(rig);
	frame = rig_expect(rig, GODWIT_UNSUBSCRIBE);
	cr_assert_eq(godwit_get32(frame->subscription), rig->subscription);
	rig_due_in(rig, 20 * RIG_MS);
	frame = rig_expect(rig, GODWIT_UNSUBSCRIBE);
	rig_ended(rig, GODWIT_UNSUBSCRIBED, godwit_get32(frame->request));
	rig_next(rig, GODWIT_EVENT_ENDED);
	cr_assert_eq(rig->event.code, GODWIT_UNSUBSCRIBED);
	rig_no_event(rig);
	rig_silent(rig);
	cr_assert_eq(godwit_core_unsubscribe(rig->core, rig->now_ns, rig->subscription), -ENOENT);
	rig_destroy(rig);
}

Test(client_resume, is_unsubscribed_when_the_server_is_gone)
{
	struct rig *rig = rig_with(10, 100, GODWIT_POLICY_FAIL);

	cr_assert_eq(godwit_core_unsubscribe(rig->core, rig->now_ns, rig->subscription), 0);
	while (!godwit_core_ready(rig->core)) {
		while (rig_output(rig) != 0)
			;
		if (!godwit_core_ready(rig->core))
			rig->now_ns = godwit_core_due(rig->core, rig->now_ns);
	}
	rig_next(rig, GODWIT_EVENT_DISCONNECTED);
	rig_next(rig, GODWIT_EVENT_ENDED);
	cr_assert_eq(rig->event.code, GODWIT_UNSUBSCRIBED);
	rig_no_event(rig);
	rig_destroy(rig);
}

Test(client_resume, waits_with_new_histories_for_an_application_that_does_not_look)
{
	struct rig *rig = rig_with(10, 100, GODWIT_POLICY_EARLIEST);
	uint64_t slots;

	for (uint32_t i = 0; i < 4; i++) {
		rig_ended(rig, GODWIT_LAPSED, 0);
		rig->now_ns += 20 * RIG_MS;
		rig_alive(rig);
		rig_expect_request(rig, GODWIT_RESUME);
		rig->session++;
		rig_subscribed(rig, 0, GODWIT_UNKNOWN_SESSION);
		rig_expect(rig, GODWIT_ACK);
		rig_silent(rig);
	}
	rig_ended(rig, GODWIT_LAPSED, 0);
	rig->now_ns += 20 * RIG_MS;
	rig_alive(rig);
	rig_expect_request(rig, GODWIT_RESUME);
	rig->session++;
	rig_subscribed(rig, 0, GODWIT_UNKNOWN_SESSION);
	rig_expect(rig, GODWIT_ACK);
	slots = rig_stats(rig)->stash_slots;
	rig_ended(rig, GODWIT_LAPSED, 0);
	rig->now_ns += 20 * RIG_MS;
	rig_alive(rig);
	while (rig_output(rig) != 0)
		cr_assert_eq(rig->out[1], GODWIT_ACK);
	cr_assert_eq(rig_stats(rig)->stash_slots, slots);
	for (uint32_t i = 0; i < 5; i++) {
		rig_next(rig, GODWIT_EVENT_RESUMED);
		rig_next(rig, GODWIT_EVENT_SESSION);
	}
	rig_expect_request(rig, GODWIT_RESUME);
	rig_destroy(rig);
}
