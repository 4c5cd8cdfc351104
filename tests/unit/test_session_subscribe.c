// SPDX-License-Identifier: BSD-3-Clause
//
// SUBSCRIBE, RESUME and UNSUBSCRIBE: each fault with its counter and its answer.
#include "session_rig.h"

TestSuite(subscribe, .init = start);

// ---- SUBSCRIBE ---------------------------------------------------------------------------------

Checked(subscribe, a_client_has_several_subscriptions_apart_from_each_other, stop)
{
	struct client_peer p = connected(1, 1, 1);
	struct harness_request first = {.number = 1, .start = GODWIT_START_EARLIEST};
	struct harness_request second = {.number = 2};
	const struct godwit_subscribed *s;
	struct delivery a, b;

	harness_append(&h, 0, 0, 20, 10);
	harness_turn(&h);
	s = harness_subscribe(&p, &first);
	cr_assert_eq(godwit_get64(s->seq), 0);
	cr_assert_eq(godwit_get64(s->earliest), 1);
	cr_assert_eq(godwit_get64(s->commit), 10);
	cr_assert_eq(godwit_get16(s->max_message), 1312);
	cr_assert_eq(godwit_get64(s->handle), p.handle);
	cr_assert_eq(godwit_get64(s->cursor_epoch), 1 << 16 | 7);
	a = delivery_start(s);
	s = harness_subscribe(&p, &second);
	cr_assert_eq(godwit_get64(s->seq), 10);
	cr_assert_eq(godwit_get32(s->epoch), 1);
	b = delivery_start(s);
	harness_append(&h, 0, 0, 20, 5);
	harness_turns(&h, 2);
	cr_assert_eq(delivery_take(&a, &p), 15);
	cr_assert_eq(delivery_take(&b, &p), 5);
	cr_assert_eq(a.covered, 15);
	cr_assert_eq(b.covered, 15);
	cr_assert(!a.broken && !b.broken);
	peer_unsubscribe(&p, 1);
	harness_turn(&h);
	cr_assert_eq(godwit_get16(taken_ended(&p)->code), GODWIT_UNSUBSCRIBED);
	harness_append(&h, 0, 0, 20, 5);
	harness_turns(&h, 2);
	cr_assert_eq(delivery_take(&a, &p), 0);
	cr_assert_eq(delivery_take(&b, &p), 5);
}

Checked(subscribe, the_repeat_of_a_subscribe_gets_the_same_answer, stop)
{
	struct client_peer p = connected(1, 1, 1);
	struct harness_request r = {.number = 1, .request = 77};
	struct godwit_subscribed first;
	const struct godwit_subscribed *s = harness_subscribe(&p, &r);

	cr_assert_not_null(s);
	first = *s;
	// "Latest" would be another position by now.
	harness_append(&h, 0, 0, 20, 30);
	harness_turns(&h, 2);
	s = harness_subscribe(&p, &r);
	cr_assert_not_null(s);
	cr_assert_arr_eq(s, &first, sizeof(first));
	cr_assert_eq(COUNTED(subscriptions_opened), 1);
	cr_assert_eq(COUNTED(subscriptions_replaced), 0);
}

Checked(subscribe, another_request_for_the_number_replaces_the_subscription, stop)
{
	struct client_peer p = connected(1, 1, 1);
	struct harness_request r = {.number = 1, .request = 77};
	const struct godwit_subscribed *s = harness_subscribe(&p, &r);
	struct delivery old = delivery_start(s), new;
	uint64_t epoch = godwit_get64(s->cursor_epoch);

	harness_append(&h, 0, 0, 20, 3);
	harness_turns(&h, 2);
	cr_assert_eq(delivery_take(&old, &p), 3);
	r.request = 78;
	r.tag = 0xbeef;
	s = harness_subscribe(&p, &r);
	cr_assert_eq(godwit_get64(s->tag), 0xbeef);
	cr_assert_eq(godwit_get64(s->seq), 3);
	cr_assert_gt(godwit_get64(s->cursor_epoch), epoch);
	new = delivery_start(s);
	harness_append(&h, 0, 0, 20, 2);
	harness_turns(&h, 2);
	cr_assert_eq(delivery_take(&old, &p), 0);
	cr_assert_eq(delivery_take(&new, &p), 2);
	cr_assert_eq(COUNTED(subscriptions_replaced), 1);
	cr_assert_eq(COUNTED(subscriptions_closed), 1);
	// A SUBSCRIBE that comes late, after its own subscription was resumed, is not taken for a new one.
	r.attempt = 1;
	s = harness_resume(&p, &r);
	new = delivery_start(s);
	cr_assert_eq(COUNTED(subscriptions_replaced), 2);
	cr_assert_null(harness_subscribe(&p, &r));
	cr_assert_eq(DROPPED(session_attempt_old), 1);
	cr_assert_eq(COUNTED(subscriptions_replaced), 2);
	harness_append(&h, 0, 0, 20, 2);
	harness_turns(&h, 2);
	cr_assert_gt(delivery_take(&new, &p), 0);
	cr_assert_eq(new.covered, 7);
}

static void assert_redirected(struct client_peer *p, uint16_t target)
{
	const struct harness_frame *frame = harness_take(&h, &p->address, GODWIT_REDIRECT);
	const struct godwit_redirect *redirect;

	cr_assert_not_null(frame);
	redirect = (const void *)frame->data;
	cr_assert_eq(godwit_get64(redirect->tag), p->tag, "of the connection, whatever was asked");
	cr_assert_eq(godwit_get32(redirect->request), p->request);
	cr_assert_eq(godwit_get16(redirect->code), GODWIT_NOT_PRIMARY);
	cr_assert_eq(godwit_get16(redirect->target.id), target);
}

Checked(subscribe, who_asks_for_a_stream_of_another_server_is_sent_there, stop)
{
	struct client_peer p = connected(1, 1, 1);
	struct harness_request r = {.number = 1, .stream = "theirs", .tag = 0xbeef};
	const struct harness_frame *error;

	h.server.elsewhere_count = 1;
	h.server.elsewhere[0] = (struct server_elsewhere){
		.name = "theirs", .primary = 9, .replica_count = 1, .replicas = {8}};
	h.server.list_count = 2;
	h.server.peers.count = 2;
	h.server.peers.incarnation_said = h.server.incarnation;
	for (uint32_t i = 0; i < 2; i++) {
		struct peer *peer = &h.server.peers.peers[i];

		h.server.list[i] =
			(struct godwit_server_entry){.id = godwit_be16((uint16_t)(9 - i))};
		peer->id = (uint16_t)(9 - i);
		peer->weight = 1;
		peer->hello_done = true;
		peer->heartbeat_due_ns = UINT64_MAX; // nobody is there
	}
	peer_subscribe(&p, &r);
	harness_turn(&h);
	error = harness_take(&h, &p.address, GODWIT_ERROR);
	cr_assert_not_null(error, "it would wait for one that is not up");
	cr_assert_eq(godwit_get16(((const struct godwit_error *)error->data)->code), GODWIT_BUSY);
	atomic_store(&h.server.peers.peers[1].verdict, PEER_UP);
	peer_subscribe(&p, &r);
	harness_turn(&h);
	assert_redirected(&p, 8);
	// It has an answer to every position, which a replica may not.
	atomic_store(&h.server.peers.peers[0].verdict, PEER_UP);
	atomic_store(&h.server.peers.peers[0].is_draining, 1);
	peer_subscribe(&p, &r);
	harness_turn(&h);
	assert_redirected(&p, 8);
	atomic_store(&h.server.peers.peers[0].is_draining, 0);
	peer_subscribe(&p, &r);
	harness_turn(&h);
	assert_redirected(&p, 9);
	r.attempt = 1;
	peer_resume(&p, &r);
	harness_turn(&h);
	assert_redirected(&p, 9);
	peer_open(&p, "theirs", 50, 0, 0);
	harness_turn(&h);
	assert_redirected(&p, 9);
	peer_topic(&p, "theirs", "topic", true);
	harness_turn(&h);
	assert_redirected(&p, 9);
	cr_assert_eq(COUNTED(answer_redirect), 6);
	cr_assert_eq(COUNTED(answer_unknown_stream), 0);
}

Checked(subscribe, requests_that_make_no_sense_are_answered_by_an_error, stop)
{
	struct client_peer p = connected(1, 1, 1);
	struct harness_request r = {.number = 1, .stream = "nowhere"};

	peer_subscribe(&p, &r);
	r.attempt = 1;
	peer_resume(&p, &r);
	harness_turn(&h);
	assert_error(&p, GODWIT_UNKNOWN_STREAM, p.request - 1, 0);
	assert_error(&p, GODWIT_UNKNOWN_STREAM, p.request, 0);
	cr_assert_eq(COUNTED(answer_unknown_stream), 2);

	r = (struct harness_request){.number = 1, .start = GODWIT_START_SEQUENCE};
	peer_subscribe(&p, &r);
	harness_turn(&h);
	assert_error(&p, GODWIT_BAD_REQUEST, p.request, 0);
	cr_assert_eq(COUNTED(answer_bad_request), 1);

	// 56 + 4 + the record of the largest message: 1384
	r = (struct harness_request){.number = 1, .datagram = 1383, .attempt = 1};
	peer_subscribe(&p, &r);
	peer_resume(&p, &r);
	harness_turn(&h);
	assert_error(&p, GODWIT_DATAGRAM_TOO_SMALL, p.request - 1, 1384);
	assert_error(&p, GODWIT_DATAGRAM_TOO_SMALL, p.request, 1384);
	cr_assert_eq(COUNTED(answer_datagram_too_small), 2);
	cr_assert_eq(COUNTED(subscriptions_opened), 0);
	r.datagram = 1384;
	cr_assert_not_null(harness_subscribe(&p, &r));

	peer_unsubscribe(&p, 4);
	harness_turn(&h);
	assert_error(&p, GODWIT_UNKNOWN_SUBSCRIPTION, p.request, 4);
	cr_assert_eq(COUNTED(ack_unknown_subscription), 1);
}

Checked(subscribe, tables_that_are_full_are_answered_by_limit, stop)
{
	const uint32_t topics[][2] = {{1, 2}, {1, 3}, {1, 4}};
	struct client_peer p, q;
	struct harness_request r = {0};

	restart(&(struct harness_config){
		.subscriptions_max = 4, .subscriptions_of_client = 3, .classes_max = 2});
	p = connected(1, 1, 1);
	q = connected(2, 2, 1);
	for (r.number = 1; r.number <= 3; r.number++)
		cr_assert_not_null(harness_subscribe(&p, &r));
	peer_subscribe(&p, &r);
	harness_turn(&h);
	assert_error(&p, GODWIT_LIMIT, p.request, 3);

	cr_assert_not_null(harness_subscribe(&q, &r));
	r.number++;
	peer_subscribe(&q, &r);
	harness_turn(&h);
	assert_error(&q, GODWIT_LIMIT, q.request, 4);
	cr_assert_eq(COUNTED(answer_limit), 2);

	for (r.number = 1; r.number <= 3; r.number++)
		peer_unsubscribe(&p, r.number);
	harness_turn(&h);
	r.topics_count = 2;
	for (r.number = 1; r.number <= 2; r.number++) {
		r.topics = topics[r.number - 1];
		cr_assert_not_null(harness_subscribe(&p, &r));
	}
	r.topics = topics[2];
	peer_subscribe(&p, &r);
	harness_turn(&h);
	assert_error(&p, GODWIT_LIMIT, p.request, 2);
	r.topics = topics[1]; // the same set is the same class
	cr_assert_not_null(harness_subscribe(&p, &r));
}

Checked(subscribe, a_start_that_is_no_longer_kept_meets_each_policy, stop)
{
	struct harness_request r = {.number = 1, .start = GODWIT_START_SEQUENCE, .start_value = 3};
	const struct godwit_subscribed *s;
	const struct godwit_ended *ended;
	struct client_peer p;
	uint64_t earliest;

	restart(&(struct harness_config){.log_bytes = 8192});
	p = connected(1, 1, 1);
	harness_append(&h, 0, 0, 52, 300);
	harness_turn(&h);
	earliest = log_earliest(&harness_stream(&h, 0)->log);
	peer_subscribe(&p, &r);
	harness_turn(&h);
	ended = taken_ended(&p);
	cr_assert_eq(godwit_get16(ended->code), GODWIT_TRUNCATED);
	cr_assert_eq(godwit_get64(ended->seq), earliest - 1);
	cr_assert_eq(godwit_get32(ended->request), p.request);
	cr_assert_eq(godwit_get32(ended->attempt), 0);
	cr_assert_eq(COUNTED(subscriptions_opened), 0);
	r.policy = GODWIT_POLICY_EARLIEST;
	s = harness_subscribe(&p, &r);
	cr_assert_eq(godwit_get16(s->answer), GODWIT_TRUNCATED);
	cr_assert_gt(godwit_get64(s->seq), earliest - 1, "with a margin");
	cr_assert_lt(godwit_get64(s->seq), 300);
	cr_assert_eq(godwit_get64(s->earliest), earliest);
	r.number = 2;
	r.policy = GODWIT_POLICY_LATEST;
	s = harness_subscribe(&p, &r);
	cr_assert_eq(godwit_get16(s->answer), GODWIT_TRUNCATED);
	cr_assert_eq(godwit_get64(s->seq), 300);
	cr_assert_eq(COUNTED(answer_truncated), 3);
}

// ---- RESUME ------------------------------------------------------------------------------------

// The client may have the first answer, and never hear of the end: what is sent after it begins elsewhere.
Checked(subscribe, a_repeat_after_the_end_is_answered_in_an_epoch_of_its_own, stop)
{
	struct client_peer p = connected(1, 1, 1);
	struct harness_request r = {.number = 1,
				    .request = 77,
				    .attempt = 1,
				    .highest_epoch = 9 << 16 | 3,
				    .window = 4};
	const struct godwit_subscribed *s = harness_resume(&p, &r);
	uint64_t first = godwit_get64(s->cursor_epoch);

	peer_unsubscribe(&p, 1);
	harness_turn(&h);
	cr_assert_eq(godwit_get16(taken_ended(&p)->code), GODWIT_UNSUBSCRIBED);
	s = harness_resume(&p, &r);
	cr_assert_gt(godwit_get64(s->cursor_epoch), first);
}

Checked(subscribe, resume_goes_on_behind_the_identifier_in_a_higher_epoch, stop)
{
	struct client_peer p = connected(1, 1, 1);
	struct harness_request r = {.number = 1,
				    .attempt = 1,
				    .seq = 6,
				    .highest_epoch = 9 << 16 | 3,
				    .edge = 12,
				    .window = 4};
	const struct godwit_subscribed *s;
	struct delivery d;

	harness_append(&h, 0, 0, 20, 20);
	harness_turn(&h);
	s = harness_resume(&p, &r);
	cr_assert_eq(godwit_get64(s->cursor_epoch), 10 << 16 | 7, "above what the client saw");
	cr_assert_eq(godwit_get64(s->seq), 6);
	cr_assert_eq(godwit_get32(s->attempt), 1);
	cr_assert_eq(godwit_get16(s->answer), GODWIT_OK);
	d = delivery_start(s);
	harness_turns(&h, 3);
	cr_assert_eq(delivery_take(&d, &p), 6, "up to the edge that was stated");
	cr_assert_eq(d.covered, 12);

	// Above what the server knows, where the client saw less.
	r.attempt = 2;
	r.highest_epoch = 0;
	s = harness_resume(&p, &r);
	cr_assert_eq(godwit_get64(s->cursor_epoch), 11 << 16 | 7);
	cr_assert_eq(COUNTED(subscriptions_resumed), 2);
}

Checked(subscribe, a_resume_attempt_is_answered_once_and_lower_ones_are_ignored, stop)
{
	struct client_peer p = connected(1, 1, 1);
	struct harness_request r = {.number = 1, .attempt = 5, .request = 40};
	struct godwit_subscribed first;
	const struct godwit_subscribed *s = harness_resume(&p, &r);

	first = *s;
	harness_append(&h, 0, 0, 20, 20);
	harness_turns(&h, 2);
	s = harness_resume(&p, &r);
	cr_assert_arr_eq(s, &first, sizeof(first));
	cr_assert_eq(COUNTED(subscriptions_opened), 1);
	r.attempt = 4;
	cr_assert_null(harness_resume(&p, &r));
	cr_assert_eq(DROPPED(session_attempt_old), 1);
	cr_assert_eq(harness_left(&h, &p.address, GODWIT_ERROR), 0);
	cr_assert_eq(harness_left(&h, &p.address, GODWIT_ENDED), 0);
	r.attempt = 6;
	r.request = 41;
	s = harness_resume(&p, &r);
	cr_assert_gt(godwit_get64(s->cursor_epoch), godwit_get64(first.cursor_epoch));
	cr_assert_eq(COUNTED(subscriptions_opened), 2);
}

Checked(subscribe, a_policy_that_moves_the_start_begins_the_window_there, stop)
{
	struct client_peer p = connected(1, 1, 1);
	struct harness_request r = {.number = 1,
				    .attempt = 1,
				    .session = 0xdead,
				    .seq = 500,
				    .edge = 5000,
				    .window = 5,
				    .policy = GODWIT_POLICY_EARLIEST};
	const struct godwit_subscribed *s;
	struct delivery d;

	harness_append(&h, 0, 0, 20, 20);
	harness_turn(&h);
	s = harness_resume(&p, &r);
	cr_assert_eq(godwit_get16(s->answer), GODWIT_UNKNOWN_SESSION);
	cr_assert_eq(godwit_get64(s->session), HARNESS_SESSION);
	cr_assert_eq(godwit_get64(s->seq), 0);
	d = delivery_start(s);
	harness_turns(&h, 3);
	cr_assert_eq(delivery_take(&d, &p), 5, "the edge is the new start + window");
	cr_assert_eq(COUNTED(answer_unknown_session), 1);
	r.attempt = 2;
	r.policy = GODWIT_POLICY_LATEST;
	s = harness_resume(&p, &r);
	cr_assert_eq(godwit_get64(s->seq), 20);
}

Checked(subscribe, a_position_that_fails_is_answered_by_ended_with_its_identifier, stop)
{
	struct client_peer p = connected(1, 1, 1);
	struct harness_request r = {.number = 1, .attempt = 3, .session = 0xdead, .seq = 500};
	const struct godwit_ended *ended;

	harness_append(&h, 0, 0, 20, 20);
	harness_turn(&h);
	peer_resume(&p, &r);
	harness_turn(&h);
	ended = taken_ended(&p);
	cr_assert_eq(godwit_get16(ended->code), GODWIT_UNKNOWN_SESSION);
	cr_assert_eq(godwit_get64(ended->next_session), HARNESS_SESSION);
	cr_assert_eq(godwit_get64(ended->session), 0xdead);
	cr_assert_eq(godwit_get64(ended->seq), 0);
	cr_assert_eq(godwit_get32(ended->attempt), 3);
	cr_assert_eq(godwit_get32(ended->request), p.request);
	cr_assert_eq(godwit_get64(ended->cursor_epoch), 0);

	r.session = 0;
	r.seq = 21;
	peer_resume(&p, &r);
	harness_turn(&h);
	ended = taken_ended(&p);
	cr_assert_eq(godwit_get16(ended->code), GODWIT_FUTURE);
	cr_assert_eq(godwit_get64(ended->seq), 20);
	cr_assert_eq(godwit_get32(ended->epoch), 1);
	cr_assert_eq(godwit_get64(ended->next_session), 0);
	cr_assert_eq(COUNTED(answer_future), 1);
	cr_assert_eq(COUNTED(subscriptions_opened), 0);
	r.policy = GODWIT_POLICY_EARLIEST;
	cr_assert_eq(godwit_get64(harness_resume(&p, &r)->seq), 20, "the log's end + 1 is next");
}
