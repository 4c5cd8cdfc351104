// SPDX-License-Identifier: BSD-3-Clause
//
// Coming in and asking: what classify drops, the handshake, SUBSCRIBE, RESUME and UNSUBSCRIBE; each fault
// with its counter and its answer, or with no answer at all.
#include <criterion/criterion.h>

#include "dataplane/stages.h"
#include "tests/support/core_harness.h"

static struct harness h;

#define COUNTED(name) harness_count(&h, 0, COUNTER_##name)
#define DROPPED(name) harness_drops(&h, 0, DROP_##name)

static void start(void)
{
	harness_start(&h, NULL);
}

static void stop(void)
{
	harness_stop(&h);
	cr_assert_str_empty(h.failure, "%s", h.failure);
}

TestSuite(session, .init = start, .fini = stop);

static void restart(const struct harness_config *config)
{
	harness_stop(&h);
	harness_start(&h, config);
}

static struct client_peer connected(uint8_t host, uint64_t id, uint64_t instance)
{
	struct client_peer p = harness_peer(&h, 0, host, id, instance);

	cr_assert(harness_connect(&p, NULL));
	return p;
}

// The ERROR that is there.
static const struct godwit_error *taken_error(const struct client_peer *p)
{
	const struct harness_frame *frame = harness_take(&h, &p->address, GODWIT_ERROR);

	cr_assert_not_null(frame, "an ERROR was expected");
	return (const void *)frame->data;
}

static void assert_error(const struct client_peer *p, enum godwit_code code, uint32_t request,
			 uint64_t detail)
{
	const struct godwit_error *error = taken_error(p);

	cr_assert_eq(godwit_get16(error->code), code, "%s",
		     godwit_code_name(godwit_get16(error->code)));
	cr_assert_eq(godwit_get32(error->request), request);
	cr_assert_eq(godwit_get64(error->detail), detail, "%lu", godwit_get64(error->detail));
	cr_assert_eq(godwit_get64(error->tag), p->tag);
}

static const struct godwit_ended *taken_ended(const struct client_peer *p)
{
	const struct harness_frame *frame = harness_take(&h, &p->address, GODWIT_ENDED);

	cr_assert_not_null(frame, "an ENDED was expected");
	return (const void *)frame->data;
}

// ---- classify ----------------------------------------------------------------------------------

// Send the bytes from a client and from a stranger: both are dropped for `reason`, neither hears of it.
static void assert_dropped(struct client_peer *p, const uint8_t *bytes, uint32_t length,
			   enum drop reason)
{
	struct godwit_address stranger = godwit_address_v4(0x0a0000fe, 999);
	uint64_t before = harness_drops(&h, 0, reason), all = harness_drops_all(&h, 0);
	uint64_t dropped = COUNTED(classify_dropped);

	harness_clear(&h);
	peer_send(p, bytes, length);
	harness_send(&h, 0, &stranger, bytes, length);
	harness_turn(&h);
	cr_assert_eq(harness_drops(&h, 0, reason), before + 2, "%s", drop_infos[reason].name);
	cr_assert_eq(harness_drops_all(&h, 0), all + 2);
	cr_assert_eq(COUNTED(classify_dropped), dropped + 2);
	cr_assert_eq(harness_left(&h, NULL, 0), 0, "nothing is answered");
}

Test(session, frames_that_break_a_rule_are_dropped_by_name_and_never_answered)
{
	struct client_peer p = connected(1, 1, 1);
	uint32_t topics[2] = {3, 9};
	struct harness_request r = {.number = 1, .topics = topics, .topics_count = 2};
	uint8_t good[GODWIT_CONTROL_BYTES], bad[2048] = {0};
	uint32_t length = build_subscribe(&p, &r, good);

#define SPOIL(change, bytes_long, reason)                                                          \
	do {                                                                                       \
		memset(bad, 0, sizeof(bad));                                                       \
		memcpy(bad, good, length);                                                         \
		change;                                                                            \
		assert_dropped(&p, bad, bytes_long, DROP_classify_##reason);                       \
	} while (0)

	for (uint32_t n = 0; n < sizeof(struct godwit_subscribe); n += 7)
		SPOIL((void)0, n, short);
	SPOIL((void)0, length - 1, length); // half a topic
	SPOIL((void)0, length + 1, length);
	SPOIL((void)0, 1201, length); // larger than any control frame
	SPOIL(bad[0] = 2, length, version);
	SPOIL(bad[0] = 0, length, version);
	SPOIL(bad[1] = 0, length, type);
	SPOIL(bad[1] = 0x20, length, type);
	SPOIL(bad[1] = GODWIT_DATA, length, type);
	SPOIL(bad[1] = GODWIT_REPLICATE, length, type);
	SPOIL(bad[1] = 0xff, length, type);
	SPOIL(bad[3] = 2, length, flags);
	SPOIL(bad[5] = 1, length, length); // one topic is stated, two follow
	SPOIL(bad[5] = 0, length, count);
	SPOIL(bad[5] = 241, length, count);
	SPOIL(bad[3] = 0, length, count); // topics without FILTERED
	SPOIL(bad[7] = 1, length, zero);
	SPOIL(bad[135] = 1, length, zero);
	SPOIL(bad[130] = 5, length, field);		 // start
	SPOIL(bad[131] = 3, length, field);		 // policy
	SPOIL(memset(bad + 124, 0, 4), length, field);	 // window
	SPOIL(bad[40] = 0, length, field);		 // no name
	SPOIL(memcpy(bad + 136, bad + 140, 4), length, field); // the same topic twice
#undef SPOIL
	cr_assert_eq(COUNTED(subscriptions_opened), 0);
}

Test(session, a_publish_whose_records_do_not_add_up_is_dropped)
{
	struct client_peer p = connected(1, 1, 1);
	uint8_t frame[2048] = {0};
	struct godwit_publish publish = {
		.from = {.frame = {.version = GODWIT_VERSION, .type = GODWIT_PUBLISH},
			 .handle = godwit_be64(p.handle),
			 .key = godwit_be64(p.key)},
		.first = godwit_be64(1),
	};
	struct godwit_record record = {.length = godwit_be16(5)};
	const uint32_t at = sizeof(publish), length = at + 20;

#define SPOIL(change, bytes_long, reason)                                                          \
	do {                                                                                       \
		memset(frame, 0, sizeof(frame));                                                   \
		memcpy(frame, &publish, sizeof(publish));                                          \
		memcpy(frame + at, &record, sizeof(record));                                       \
		frame[5] = 1;                                                                      \
		change;                                                                            \
		assert_dropped(&p, frame, bytes_long, DROP_classify_##reason);                     \
	} while (0)

	SPOIL(frame[at + 1] = 200, length, record); // overruns
	SPOIL(frame[at + 2] = 1, length, record);   // a flag that servers set
	SPOIL(frame[at + 11] = 1, length, record);  // a time
	SPOIL(frame[at + 18] = 1, length, record);  // padding
	SPOIL(frame[5] = 2, length, count);
	SPOIL(frame[5] = 0, length, length);
	SPOIL(memset(frame + 48, 0, 8), length, field); // number 0
	SPOIL(frame[31] = 1, length, zero);
#undef SPOIL
	cr_assert_eq(COUNTED(ingest_messages), 0);
}

Test(session, a_publish_above_the_datagram_that_we_take_is_dropped)
{
	struct client_peer p = connected(1, 1, 1);
	uint8_t frame[2048] = {0};
	struct godwit_publish publish = {
		.from = {.frame = {.version = GODWIT_VERSION,
				   .type = GODWIT_PUBLISH,
				   .count = godwit_be16(1)},
			 .handle = godwit_be64(p.handle),
			 .key = godwit_be64(p.key)},
		.first = godwit_be64(1),
	};
	// Over IPv4 there is room for 20 bytes more than WELCOME's datagram.
	uint32_t bytes = HARNESS_MTU - 28;
	struct godwit_record record = {
		.length = godwit_be16((uint16_t)(bytes - sizeof(publish) - sizeof(record)))};

	memcpy(frame, &publish, sizeof(publish));
	memcpy(frame + sizeof(publish), &record, sizeof(record));
	assert_dropped(&p, frame, bytes, DROP_classify_length);
}

Test(session, a_frame_needs_handle_key_and_address_all_three)
{
	struct client_peer p = connected(1, 1, 1), other = connected(2, 2, 1), wrong;
	struct harness_request r = {.number = 1};

	harness_clear(&h);
	wrong = p;
	wrong.handle ^= 1;
	peer_subscribe(&wrong, &r);
	wrong.handle = (uint64_t)9999 << 32; // beyond the slots
	peer_subscribe(&wrong, &r);
	harness_turn(&h);
	cr_assert_eq(DROPPED(classify_handle), 2);

	wrong = p;
	wrong.key = other.key;
	peer_subscribe(&wrong, &r);
	harness_turn(&h);
	cr_assert_eq(DROPPED(classify_key), 1);

	wrong = p;
	wrong.address.port++;
	peer_subscribe(&wrong, &r);
	wrong = p;
	wrong.address = other.address; // of a proved client, but not of this one
	peer_subscribe(&wrong, &r);
	harness_turn(&h);
	cr_assert_eq(DROPPED(classify_address), 2);
	cr_assert_eq(harness_drops_all(&h, 0), 5);
	cr_assert_eq(COUNTED(classify_dropped), 5);
	cr_assert_eq(harness_left(&h, NULL, 0), 0);
	cr_assert_eq(COUNTED(subscriptions_opened), 0);
}

// ---- the handshake -----------------------------------------------------------------------------

Test(session, hello_is_answered_by_a_cookie_and_keeps_no_state)
{
	struct client_peer p = harness_peer(&h, 0, 1, 1, 1);
	const struct harness_frame *frame;

	for (uint32_t i = 0; i < 40; i++)
		peer_hello(&p);
	harness_turns(&h, 2);
	cr_assert_eq(COUNTED(hello), 40);
	cr_assert_eq(harness_left(&h, &p.address, GODWIT_COOKIE), 40);
	frame = harness_take(&h, &p.address, GODWIT_COOKIE);
	cr_assert_eq(frame->bytes, sizeof(struct godwit_cookie));
	cr_assert_eq(COUNTED(clients_opened), 0);
	cr_assert_eq(h.peers[0].out, 40 * sizeof(struct godwit_cookie));
}

Test(session, a_proof_that_does_not_hold_gets_no_answer)
{
	struct client_peer p = harness_peer(&h, 0, 1, 1, 1), other = harness_peer(&h, 0, 2, 1, 1);
	struct client_peer spoiled;

	peer_hello(&p);
	harness_turn(&h);
	cr_assert(peer_take_cookie(&p));

	spoiled = p;
	spoiled.cookie_mac[7] ^= 1;
	peer_proof(&spoiled, NULL);
	spoiled = p;
	spoiled.cookie_time++;
	peer_proof(&spoiled, NULL);
	spoiled = p;
	spoiled.nonce++;
	peer_proof(&spoiled, NULL);
	spoiled = p;
	spoiled.id++;
	peer_proof(&spoiled, NULL);
	spoiled = p;
	spoiled.instance++;
	peer_proof(&spoiled, NULL);
	harness_turn(&h);
	cr_assert_eq(DROPPED(session_cookie_forged), 5);

	// Overheard, and shown from elsewhere: another host, another port.
	spoiled = p;
	spoiled.address = other.address;
	peer_proof(&spoiled, NULL);
	spoiled.address = p.address;
	spoiled.address.port ^= 1;
	peer_proof(&spoiled, NULL);
	harness_turn(&h);
	cr_assert_eq(DROPPED(session_cookie_forged), 7);

	// Its life is 5 s, to the nanosecond.
	h.now_ns = p.cookie_time + GODWIT_COOKIE_LIFE_NS + 1;
	peer_proof(&p, NULL);
	harness_turn(&h);
	cr_assert_eq(DROPPED(session_cookie_old), 1);
	cr_assert_eq(harness_left(&h, NULL, 0), 0);
	cr_assert_eq(COUNTED(clients_opened), 0);
	h.now_ns = p.cookie_time + GODWIT_COOKIE_LIFE_NS;
	peer_proof(&p, NULL);
	harness_turn(&h);
	cr_assert(peer_take_welcome(&p));
	cr_assert_eq(COUNTED(clients_opened), 1);
}

Test(session, welcome_states_the_terms_and_its_repeat_is_the_same)
{
	struct client_peer p = connected(1, 1, 1);
	struct client_peer again = p;
	const struct harness_frame *frame;
	const struct godwit_welcome *welcome;

	peer_proof(&again, NULL);
	harness_pass(&h, 50 * MS);
	frame = harness_take(&h, &p.address, GODWIT_WELCOME);
	cr_assert_not_null(frame);
	welcome = (const void *)frame->data;
	cr_assert_eq(godwit_get64(welcome->handle), p.handle);
	cr_assert_eq(godwit_get64(welcome->key), p.key);
	cr_assert_eq(godwit_get64(welcome->tag), p.tag);
	cr_assert_eq(godwit_get64(welcome->incarnation), h.server.incarnation);
	cr_assert_eq(godwit_get32(welcome->request), again.request);
	cr_assert_eq(godwit_get16(welcome->server), 7);
	cr_assert_eq(godwit_get16(welcome->multiplier), 3);
	cr_assert_eq(godwit_get32(welcome->interval), HARNESS_INTERVAL_MS);
	cr_assert_eq(godwit_get16(welcome->datagram), HARNESS_MTU - 48);
	cr_assert_eq(godwit_get16(welcome->subscriptions), 8);
	cr_assert_eq(COUNTED(welcome), 2);
	cr_assert_eq(COUNTED(clients_opened), 1);
}

Test(session, a_higher_instance_fences_the_lower_one)
{
	struct client_peer old = connected(1, 5, 100), new, late;
	struct harness_request r = {.number = 3};
	const struct godwit_subscribed *s;
	const struct godwit_ended *ended;
	uint64_t epoch;

	s = harness_subscribe(&old, &r);
	cr_assert_not_null(s);
	epoch = godwit_get64(s->cursor_epoch);
	harness_append(&h, 0, 0, 20, 4);
	harness_turns(&h, 2);
	new = connected(2, 5, 101);
	assert_error(&old, GODWIT_FENCED, 0, 101);
	ended = taken_ended(&old);
	cr_assert_eq(godwit_get16(ended->code), GODWIT_FENCED);
	cr_assert_eq(godwit_get64(ended->tag), 0x7003);
	cr_assert_eq(godwit_get64(ended->cursor_epoch), epoch);
	cr_assert_eq(godwit_get64(ended->seq), 4, "the last sequence sent");
	cr_assert_eq(godwit_get32(ended->request), 0);
	cr_assert_eq(COUNTED(clients_fenced), 1);
	cr_assert_eq(COUNTED(clients_closed), 1);
	cr_assert_eq(COUNTED(subscriptions_closed), 1);

	// What the old one sends now is from nobody.
	peer_subscribe(&old, &r);
	harness_turn(&h);
	cr_assert_eq(DROPPED(classify_handle), 1);
	cr_assert_neq(new.handle, old.handle);

	// And it does not come back under its own instance.
	late = harness_peer(&h, 0, 1, 5, 100);
	cr_assert_not(harness_connect(&late, NULL));
	assert_error(&late, GODWIT_FENCED, late.request, 101);
	cr_assert_eq(DROPPED(session_fenced), 1);
	cr_assert_eq(COUNTED(clients_fenced), 1);
}

Test(session, frames_of_a_fenced_process_do_not_count_as_its_successors)
{
	struct client_peer old = connected(1, 5, 100), new = harness_peer(&h, 0, 2, 5, 101);
	struct harness_request r = {.number = 1};

	peer_hello(&new);
	harness_turn(&h);
	cr_assert(peer_take_cookie(&new));
	old.ack_number = 5000;
	// In one burst: the slot that the old process gives back is the one that the new process gets.
	peer_publish(&old, 0, 50, 1, 1, 1, 0, 8);
	peer_proof(&new, NULL);
	peer_ack(&old, NULL, 0);
	peer_subscribe(&old, &r);
	peer_publish(&old, 0, 50, 1, 1, 1, 0, 8);
	harness_turn(&h);
	cr_assert(peer_take_welcome(&new));
	cr_assert_eq(new.handle >> 32, old.handle >> 32);
	cr_assert_eq(COUNTED(subscriptions_opened), 0);
	cr_assert_eq(COUNTED(ack_frames), 0);
	cr_assert_eq(harness_left(&h, &new.address, 0), 0, "answers to another's frames");
	peer_ack(&new, NULL, 0);
	harness_turn(&h);
	cr_assert_eq(COUNTED(ack_frames), 1, "the new process counts its own ACKs");
	cr_assert_eq(DROPPED(session_ack_old), 0);
}

Test(session, the_same_process_from_another_address_is_moved)
{
	struct client_peer p = connected(1, 5, 100), moved;
	struct harness_request r = {.number = 3};

	cr_assert_not_null(harness_subscribe(&p, &r));
	moved = connected(9, 5, 100);
	cr_assert_eq(godwit_get16(taken_ended(&p)->code), GODWIT_REPLACED);
	cr_assert_neq(moved.handle, p.handle);
	cr_assert_eq(COUNTED(clients_fenced), 0);
	cr_assert_eq(COUNTED(clients_opened), 2);
	cr_assert_eq(COUNTED(clients_closed), 1);
}

Test(session, a_credential_is_asked_for_where_there_is_one)
{
	static const char *const wrong[] = {NULL, "opensesamE", "open", "opensesame!"};
	struct client_peer p;

	restart(&(struct harness_config){.credential = "opensesame"});
	p = harness_peer(&h, 0, 1, 1, 1);
	for (uint32_t i = 0; i < 4; i++) {
		cr_assert_not(harness_connect(&p, wrong[i]));
		assert_error(&p, GODWIT_BAD_CREDENTIAL, p.request, 0);
		cr_assert_eq(DROPPED(session_credential), i + 1);
	}
	cr_assert_eq(COUNTED(clients_opened), 0);
	cr_assert(harness_connect(&p, "opensesame"));
}

Test(session, client_slots_are_full)
{
	struct client_peer last;

	restart(&(struct harness_config){.clients_max = 4});
	for (uint8_t i = 1; i <= 4; i++)
		connected(i, i, 1);
	last = harness_peer(&h, 0, 5, 5, 1);
	cr_assert_not(harness_connect(&last, NULL));
	assert_error(&last, GODWIT_LIMIT, last.request, 4);
	cr_assert_eq(DROPPED(session_full), 1);
	cr_assert_eq(COUNTED(clients_opened), 4);
	// A process that takes over its own id needs no other slot.
	last = harness_peer(&h, 0, 5, 3, 2);
	cr_assert(harness_connect(&last, NULL));
}

Test(session, a_probe_reply_has_no_one_to_go_to)
{
	struct godwit_probe_reply reply = {
		.frame = {.version = GODWIT_VERSION, .type = GODWIT_PROBE_REPLY}};
	struct client_peer p = connected(1, 1, 1);

	peer_send(&p, &reply, sizeof(reply));
	harness_turn(&h);
	cr_assert_eq(DROPPED(session_not_here), 1);
	cr_assert_eq(harness_left(&h, NULL, 0), 0);
}

// ---- SUBSCRIBE ---------------------------------------------------------------------------------

Test(session, a_client_has_several_subscriptions_apart_from_each_other)
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

Test(session, the_repeat_of_a_subscribe_gets_the_same_answer)
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

Test(session, another_request_for_the_number_replaces_the_subscription)
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

Test(session, requests_that_make_no_sense_are_answered_by_an_error)
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

Test(session, tables_that_are_full_are_answered_by_limit)
{
	const uint32_t topics[][2] = {{1, 2}, {1, 3}, {1, 4}};
	struct client_peer p, q;
	struct harness_request r = {0};

	restart(&(struct harness_config){.subscriptions_max = 4,
					 .subscriptions_of_client = 3,
					 .classes_max = 2});
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

// ---- RESUME ------------------------------------------------------------------------------------

Test(session, resume_goes_on_behind_the_identifier_in_a_higher_epoch)
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

Test(session, a_resume_attempt_is_answered_once_and_lower_ones_are_ignored)
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

Test(session, a_policy_that_moves_the_start_begins_the_window_there)
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

Test(session, a_position_that_fails_is_answered_by_ended_with_its_identifier)
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
