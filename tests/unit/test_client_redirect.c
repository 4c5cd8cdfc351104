// SPDX-License-Identifier: BSD-3-Clause
//
// The client library and REDIRECT: publishers find the primary and lose nothing on the way.
#include "tests/unit/client_servers.h"

#define PUBLISHER 0x9ull
#define INSTANCE  5ull
#define STREAM	  3u

static uint32_t publisher_open(struct servers *s)
{
	struct godwit_publisher_options options = {.stream = "s", .publisher = PUBLISHER};
	uint32_t publisher;

	cr_assert_eq(godwit_core_publisher_open(s->rig->core, s->rig->now_ns, &options, &publisher),
		     0);
	return publisher;
}

static void expect_open(struct servers *s, uint32_t i, uint64_t instance)
{
	const struct godwit_publish_open *open = servers_expect(s, i, GODWIT_PUBLISH_OPEN);

	cr_assert_eq(godwit_get64(open->from.handle), servers_handle(i));
	cr_assert_eq(godwit_get64(open->instance), instance);
	s->rig->request = godwit_get32(open->request);
}

static void opened(struct servers *s, uint32_t i, uint64_t last)
{
	struct godwit_publish_opened frame = {
		.frame = rig_frame(GODWIT_PUBLISH_OPENED, 0, 0),
		.tag = godwit_be64(s->tags[i]),
		.publisher = godwit_be64(PUBLISHER),
		.instance = godwit_be64(INSTANCE),
		.last = godwit_be64(last),
		.request = godwit_be32(s->rig->request),
		.stream = godwit_be32(STREAM),
		.credit = godwit_be32(100),
		.max_message = godwit_be16(1000),
	};

	servers_turn(s, i);
	rig_input(s->rig, &frame, sizeof(frame));
}

static void acked(struct servers *s, uint32_t i, uint64_t committed, uint64_t expected,
		  enum godwit_code code)
{
	struct godwit_publish_ack frame = {
		.frame = rig_frame(GODWIT_PUBLISH_ACK, 0, 0),
		.tag = godwit_be64(s->tags[i]),
		.publisher = godwit_be64(PUBLISHER),
		.instance = godwit_be64(INSTANCE),
		.committed = godwit_be64(committed),
		.expected = godwit_be64(expected),
		.stream = godwit_be32(STREAM),
		.credit = godwit_be32(100),
		.code = godwit_be16((uint16_t)code),
	};

	servers_turn(s, i);
	rig_input(s->rig, &frame, sizeof(frame));
}

static void publish(struct servers *s, uint32_t publisher, uint64_t number)
{
	uint64_t got;

	cr_assert_eq(godwit_core_publish(s->rig->core, s->rig->now_ns, publisher, 0, &number,
					 sizeof(number), &got),
		     0);
	cr_assert_eq(got, number);
}

static void expect_publish(struct servers *s, uint32_t i, uint64_t first, uint64_t last)
{
	const struct godwit_publish *frame = servers_expect(s, i, GODWIT_PUBLISH);

	cr_assert_eq(godwit_get64(frame->from.handle), servers_handle(i));
	cr_assert_eq(godwit_get64(frame->first), first, "from %llu",
		     (unsigned long long)godwit_get64(frame->first));
	cr_assert_eq(godwit_get16(frame->from.frame.count), last + 1 - first);
}

// A publisher whose stream is ordered by the second server.
static uint32_t publisher_at_second(struct servers *s)
{
	uint32_t publisher = publisher_open(s);

	expect_open(s, 0, 0);
	servers_redirect(s, 0, s->rig->request, GODWIT_NOT_PRIMARY, 1);
	expect_open(s, 1, 0);
	opened(s, 1, 0);
	rig_next(s->rig, GODWIT_EVENT_CONNECTED);
	rig_next(s->rig, GODWIT_EVENT_PUBLISHER_OPENED);
	return publisher;
}

Test(client_redirect, leads_a_publisher_to_the_primary)
{
	struct servers *s = servers_create_live(3);
	uint32_t publisher = publisher_at_second(s);

	publish(s, publisher, 1);
	publish(s, publisher, 2);
	expect_publish(s, 1, 1, 2);
	acked(s, 1, 2, 3, GODWIT_OK);
	cr_assert_eq(rig_next(s->rig, GODWIT_EVENT_COMMITTED)->number, 2);
	cr_assert_eq(rig_stats(s->rig)->redirects, 1);
	// The subscription stays, and a third server becomes the warm one.
	while (rig_output(s->rig) != GODWIT_HELLO)
		s->rig->now_ns = godwit_core_due(s->rig->core, s->rig->now_ns);
	cr_assert(servers_is_to(s, 2));
	servers_destroy(s);
}

Test(client_redirect, reaches_a_server_that_is_not_up_by_hello)
{
	struct servers *s = servers_create_live(3);

	publisher_open(s);
	expect_open(s, 0, 0);
	servers_redirect(s, 0, s->rig->request, GODWIT_NOT_PRIMARY, 2);
	servers_welcome(s, 2);
	rig_next(s->rig, GODWIT_EVENT_CONNECTED);
	expect_open(s, 2, 0);
	servers_destroy(s);
}

Test(client_redirect, of_an_open_publisher_loses_and_repeats_nothing)
{
	struct servers *s = servers_create_live(2);
	uint32_t publisher = publisher_at_second(s);

	for (uint64_t number = 1; number <= 4; number++)
		publish(s, publisher, number);
	expect_publish(s, 1, 1, 4);
	acked(s, 1, 1, 3, GODWIT_OK);
	cr_assert_eq(rig_next(s->rig, GODWIT_EVENT_COMMITTED)->number, 1);
	// The second server is the primary no more: it says so to a PUBLISH, and to the PUBLISH_OPEN
	// that follows whom to ask.
	servers_redirect(s, 1, 0, GODWIT_NOT_PRIMARY, 0);
	expect_open(s, 1, INSTANCE);
	servers_redirect(s, 1, s->rig->request, GODWIT_NOT_PRIMARY, 0);
	s->rig->now_ns += 20 * RIG_MS;
	expect_open(s, 0, INSTANCE);
	opened(s, 0, 3);
	expect_publish(s, 0, 4, 4);
	acked(s, 0, 4, 5, GODWIT_OK);
	cr_assert_eq(rig_next(s->rig, GODWIT_EVENT_COMMITTED)->number, 4);
	// A late answer of the server before is not taken for one of this one.
	acked(s, 1, 0, 0, GODWIT_UNKNOWN_INSTANCE);
	rig_no_event(s->rig);
	rig_silent(s->rig);
	servers_destroy(s);
}

Test(client_redirect, waits_for_a_primary_that_is_down)
{
	struct servers *s = servers_create_live(2);
	uint32_t publisher = publisher_at_second(s);
	uint32_t hellos = 0;
	uint64_t begin_ns;

	publish(s, publisher, 1);
	expect_publish(s, 1, 1, 1);
	servers_turn(s, 1);
	rig_error(s->rig, GODWIT_SHUTDOWN, 0, 0);
	rig_next(s->rig, GODWIT_EVENT_DISCONNECTED);
	begin_ns = s->rig->now_ns;
	// The replica names the primary each time; the publisher keeps its message meanwhile.
	while (s->rig->now_ns < begin_ns + 20000 * RIG_MS) {
		s->rig->now_ns += 5 * RIG_MS;
		servers_alive(s, 0);
		while (rig_output(s->rig) != 0) {
			if (s->rig->out[1] == GODWIT_ACK)
				servers_note_ack(s);
			hellos += s->rig->out[1] == GODWIT_HELLO;
			if (s->rig->out[1] != GODWIT_PUBLISH_OPEN)
				continue;
			cr_assert(servers_is_to(s, 0));
			s->rig->request = godwit_get32(
				((const struct godwit_publish_open *)s->rig->out)->request);
			servers_redirect(s, 0, s->rig->request, GODWIT_NOT_PRIMARY, 1);
		}
		rig_no_event(s->rig);
	}
	cr_assert(hellos >= 20 && hellos < 120, "%u HELLOs in 20 s", hellos);
	cr_assert_geq(rig_stats(s->rig)->redirects, 5);
	// It is back, and holds the message.
	while (rig_output(s->rig) != GODWIT_HELLO) {
		s->rig->now_ns += 5 * RIG_MS;
		servers_alive(s, 0);
	}
	servers_answer_hello(s, 1);
	while (rig_output(s->rig) != GODWIT_PUBLISH_OPEN || !servers_is_to(s, 1)) {
		if (s->rig->out[1] == GODWIT_PUBLISH_OPEN && s->rig->length > 0 &&
		    servers_is_to(s, 0))
			servers_redirect(
				s, 0,
				godwit_get32(
					((const struct godwit_publish_open *)s->rig->out)->request),
				GODWIT_NOT_PRIMARY, 1);
		s->rig->now_ns += 5 * RIG_MS;
		servers_alive(s, 0);
		servers_alive(s, 1);
	}
	s->rig->request = godwit_get32(((const struct godwit_publish_open *)s->rig->out)->request);
	opened(s, 1, 1);
	acked(s, 1, 1, 2, GODWIT_OK);
	while (rig_next(s->rig, s->rig->event.kind == GODWIT_EVENT_CONNECTED ?
					GODWIT_EVENT_COMMITTED :
					GODWIT_EVENT_CONNECTED)
		       ->kind != GODWIT_EVENT_COMMITTED)
		;
	cr_assert_eq(s->rig->event.number, 1);
	servers_destroy(s);
}

Test(client_redirect, in_a_circle_is_followed_ever_more_slowly)
{
	struct servers *s = servers_create_live(2);
	uint64_t begin_ns = s->rig->now_ns;
	uint32_t opens = 0;

	publisher_open(s);
	while (s->rig->now_ns < begin_ns + 10000 * RIG_MS) {
		while (rig_output(s->rig) != 0) {
			if (s->rig->out[1] == GODWIT_ACK)
				servers_note_ack(s);
			if (s->rig->out[1] != GODWIT_PUBLISH_OPEN)
				continue;
			opens++;
			s->rig->request = godwit_get32(
				((const struct godwit_publish_open *)s->rig->out)->request);
			servers_redirect(s, servers_is_to(s, 0) ? 0 : 1, s->rig->request,
					 GODWIT_NOT_PRIMARY, servers_is_to(s, 0) ? 1 : 0);
		}
		s->rig->now_ns += 5 * RIG_MS;
		servers_alive(s, 0);
		servers_alive(s, 1);
	}
	cr_assert(opens >= 10 && opens <= 20, "%u times in 10 s", opens);
	servers_destroy(s);
}

Test(client_redirect, is_not_followed_out_of_the_list)
{
	struct servers *s = servers_create_live(2);

	publisher_open(s);
	expect_open(s, 0, 0);
	servers_redirect(s, 0, s->rig->request, GODWIT_NOT_PRIMARY, 9);
	cr_assert_eq(rig_stats(s->rig)->redirects_ignored, 1);
	cr_assert_eq(rig_stats(s->rig)->redirects, 0);
	expect_open(s, 0, 0); // under a new number: the answer may be another
	servers_redirect(s, 0, s->rig->request, GODWIT_NOT_PRIMARY, 9);
	rig_silent(s->rig);
	rig_no_event(s->rig);
	servers_destroy(s);
}

Test(client_redirect, is_taken_only_from_who_was_asked)
{
	struct servers *s = servers_create_live(3);

	publisher_open(s);
	expect_open(s, 0, 0);
	servers_redirect(s, 1, s->rig->request, GODWIT_NOT_PRIMARY, 2);
	servers_redirect(s, 0, s->rig->request + 1, GODWIT_NOT_PRIMARY, 2);
	rig_silent(s->rig);
	cr_assert_eq(rig_stats(s->rig)->redirects, 0);
	servers_destroy(s);
}

Test(client_redirect, of_a_resume_leads_to_who_still_has_it)
{
	struct servers *s = servers_create_live(3);

	rig_ended(s->rig, GODWIT_SHUTDOWN, 0);
	servers_expect_resume(s, 1, servers_handle(1), servers_key(1), 0);
	servers_redirect(s, 1, s->rig->request, GODWIT_TRUNCATED, 2);
	servers_welcome(s, 2);
	servers_expect_resume(s, 2, servers_handle(2), servers_key(2), 0);
	cr_assert_eq(s->rig->attempt, 2);
	rig_subscribed(s->rig, 10, GODWIT_OK);
	rig_next(s->rig, GODWIT_EVENT_DISCONNECTED);
	rig_next(s->rig, GODWIT_EVENT_CONNECTED);
	rig_next(s->rig, GODWIT_EVENT_CONNECTED);
	servers_migrated(s, 0, 2, GODWIT_MOVE_REDIRECT);
	servers_destroy(s);
}

// Servers that name each other are asked ever later, also where each has to be greeted first.
Test(client_redirect, waits_longer_though_the_server_is_not_up_yet)
{
	struct servers *s = servers_create_live(4);

	rig_ended(s->rig, GODWIT_SHUTDOWN, 0);
	servers_expect_resume(s, 1, servers_handle(1), servers_key(1), 0);
	servers_redirect(s, 1, s->rig->request, GODWIT_TRUNCATED, 2);
	servers_welcome(s, 2);
	servers_expect_resume(s, 2, servers_handle(2), servers_key(2), 0);
	servers_redirect(s, 2, s->rig->request, GODWIT_TRUNCATED, 3);
	servers_welcome(s, 3);
	rig_silent(s->rig);
	s->rig->now_ns += 40 * RIG_MS;
	while (rig_output(s->rig) != GODWIT_RESUME)
		cr_assert_neq(s->rig->length, 0);
	cr_assert(servers_is_to(s, 3));
	servers_destroy(s);
}

Test(client_redirect, of_a_subscribe_asks_anew)
{
	struct servers *s = servers_create_warm(2);
	uint32_t request;

	cr_assert_eq(godwit_core_subscribe(s->rig->core, s->rig->now_ns,
					   &(struct godwit_subscription_options){.stream = "s"},
					   &s->rig->subscription),
		     0);
	servers_expect_request(s, 0, GODWIT_SUBSCRIBE);
	request = s->rig->request;
	servers_redirect(s, 0, request, GODWIT_BEHIND, 1);
	servers_expect_request(s, 1, GODWIT_SUBSCRIBE);
	cr_assert_neq(s->rig->request, request);
	servers_turn(s, 1);
	rig_subscribed(s->rig, 5, GODWIT_OK);
	rig_next(s->rig, GODWIT_EVENT_CONNECTED);
	rig_next(s->rig, GODWIT_EVENT_SUBSCRIBED);
	servers_destroy(s);
}

Test(client_redirect, of_a_topic_keeps_the_number_that_the_application_knows)
{
	struct servers *s = servers_create_live(2);
	struct godwit_topic_number number = {.frame = rig_frame(GODWIT_TOPIC_NUMBER, 0, 0),
					     .tag = godwit_be64(s->tags[1]),
					     .topic = godwit_be32(12)};
	const struct godwit_topic *topic;
	uint32_t request;

	cr_assert_eq(godwit_core_topic(s->rig->core, s->rig->now_ns, "s", "ABC", true, &request),
		     0);
	servers_expect(s, 0, GODWIT_TOPIC);
	servers_redirect(s, 0, request, GODWIT_NOT_PRIMARY, 1);
	topic = servers_expect(s, 1, GODWIT_TOPIC);
	cr_assert_neq(godwit_get32(topic->request), request);
	number.request = topic->request;
	godwit_name_set(number.name, "ABC");
	servers_turn(s, 1);
	rig_input(s->rig, &number, sizeof(number));
	rig_next(s->rig, GODWIT_EVENT_CONNECTED);
	rig_next(s->rig, GODWIT_EVENT_TOPIC);
	cr_assert_eq(s->rig->event.request, request);
	cr_assert_eq(s->rig->event.topic, 12);
	servers_destroy(s);
}

Test(client_redirect, is_made_up_for_by_the_list_where_nobody_knows_the_primary)
{
	struct servers *s = servers_create_live(2);

	publisher_open(s);
	expect_open(s, 0, 0);
	servers_turn(s, 0);
	rig_error(s->rig, GODWIT_NOT_PRIMARY, s->rig->request, 0);
	expect_open(s, 1, 0);
	opened(s, 1, 0);
	rig_next(s->rig, GODWIT_EVENT_CONNECTED);
	rig_next(s->rig, GODWIT_EVENT_PUBLISHER_OPENED);
	servers_destroy(s);
}
