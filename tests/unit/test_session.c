// SPDX-License-Identifier: BSD-3-Clause
//
// Coming in: what classify drops, and the handshake; each fault with its counter and its answer, or with
// no answer at all.
#include "session_rig.h"

TestSuite(session, .init = start);

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

Checked(session, frames_that_break_a_rule_are_dropped_by_name_and_never_answered, stop)
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
	SPOIL(bad[130] = 5, length, field);		       // start
	SPOIL(bad[131] = 3, length, field);		       // policy
	SPOIL(memset(bad + 124, 0, 4), length, field);	       // window
	SPOIL(bad[40] = 0, length, field);		       // no name
	SPOIL(memcpy(bad + 136, bad + 140, 4), length, field); // the same topic twice
#undef SPOIL
	cr_assert_eq(COUNTED(subscriptions_opened), 0);
}

Checked(session, a_publish_whose_records_do_not_add_up_is_dropped, stop)
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

Checked(session, a_publish_above_the_datagram_that_we_take_is_dropped, stop)
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

Checked(session, a_frame_needs_handle_key_and_address_all_three, stop)
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

Checked(session, a_hello_that_is_not_padded_gets_nothing, stop)
{
	struct client_peer p = connected(1, 1, 1);
	uint8_t hello[1300] = {GODWIT_VERSION, GODWIT_HELLO}, proof[600] = {GODWIT_VERSION};

	assert_dropped(&p, hello, 48, DROP_classify_short);
	assert_dropped(&p, hello, 1199, DROP_classify_short);
	assert_dropped(&p, hello, 1201, DROP_classify_length);
	proof[1] = GODWIT_HELLO_PROOF;
	assert_dropped(&p, proof, 71, DROP_classify_short);
	assert_dropped(&p, proof, 73, DROP_classify_length);
	proof[45] = 9; // bytes of credential
	assert_dropped(&p, proof, 80, DROP_classify_length);
	proof[44] = 3; // 777
	assert_dropped(&p, proof, 600, DROP_classify_field);
}

// ---- the handshake -----------------------------------------------------------------------------

Checked(session, hello_is_answered_by_a_cookie_and_keeps_no_state, stop)
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

Checked(session, a_proof_that_does_not_hold_gets_no_answer, stop)
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

Checked(session, welcome_states_the_terms_and_its_repeat_is_the_same, stop)
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

// The interval that a client is told when so many others are there.
static uint32_t interval_among(uint32_t others, uint64_t id)
{
	struct core *core = harness_core(&h, 0);
	struct client_peer p = harness_peer(&h, 0, 9, id, 1);
	const struct harness_frame *welcome;
	uint32_t there = core->client_count;

	core->client_count = others;
	peer_hello(&p);
	harness_turn(&h);
	cr_assert(peer_take_cookie(&p));
	peer_proof(&p, NULL);
	harness_turn(&h);
	core->client_count = there + 1;
	welcome = harness_take(&h, &p.address, GODWIT_WELCOME);
	cr_assert_not_null(welcome);
	return godwit_get32(((const struct godwit_welcome *)welcome->data)->interval);
}

Checked(session, the_interval_grows_with_the_number_of_clients_up_to_a_second, stop)
{
	const struct client *last;

	cr_assert_eq(interval_among(10, 1), HARNESS_INTERVAL_MS);
	cr_assert_eq(interval_among(49999, 2), 500);
	cr_assert_eq(interval_among(99999, 3), 1000);
	cr_assert_eq(interval_among(1000000, 4), 1000);
	// It is not closed before it would take us for dead.
	last = client_find(harness_core(&h, 0), 4);
	cr_assert_not_null(last);
	cr_assert_eq(client_lapse_ns(harness_core(&h, 0), last),
		     1000000000ull * h.server.multiplier);
	harness_pass_steps(&h, (HARNESS_LAPSE_MS + 100) * 1000000ull, 10000000);
	cr_assert_null(client_find(harness_core(&h, 0), 1));
	cr_assert_not_null(client_find(harness_core(&h, 0), 4));
	harness_pass_steps(&h, 1000000000ull * h.server.multiplier, 10000000);
	cr_assert_null(client_find(harness_core(&h, 0), 4));
}

Checked(session, a_higher_instance_fences_the_lower_one, stop)
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

Checked(session, frames_of_a_fenced_process_do_not_count_as_its_successors, stop)
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

Checked(session, the_same_process_from_another_address_is_moved, stop)
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

Checked(session, a_credential_is_asked_for_where_there_is_one, stop)
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

Checked(session, client_slots_are_full, stop)
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

Checked(session, a_probe_reply_that_nobody_asked_for_is_dropped, stop)
{
	struct godwit_probe_reply reply = {
		.frame = {.version = GODWIT_VERSION, .type = GODWIT_PROBE_REPLY}};
	struct client_peer p = connected(1, 1, 1);

	peer_send(&p, &reply, sizeof(reply));
	harness_turn(&h);
	cr_assert_eq(DROPPED(session_probe), 1);
	cr_assert_eq(harness_left(&h, NULL, 0), 0);
}
