// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/client_rig.h"

#include <errno.h>

Test(client_link, refuses_options_that_cannot_work)
{
	struct godwit_address server = rig_address(0);
	struct godwit_core_options good = {
		.client = 1, .instance = 1, .seed = {1}, .servers = &server, .server_count = 1};
	struct godwit_core_options bad[6] = {good, good, good, good, good, good};
	struct godwit_core *core = godwit_core_create(&good);

	cr_assert_not_null(core);
	godwit_core_destroy(core);
	bad[0].client = 0;
	bad[1].instance = 0;
	bad[2].seed[0] = 0;
	bad[3].server_count = 0;
	bad[4].datagram = 1199;
	bad[5].window = GODWIT_WINDOW_MAX + 1;
	for (uint32_t i = 0; i < 6; i++) {
		errno = 0;
		cr_assert_null(godwit_core_create(&bad[i]), "case %u", i);
		cr_assert_eq(errno, EINVAL);
	}
}

Test(client_link, shakes_hands)
{
	struct rig *rig = rig_create_with(
		&(struct godwit_core_options){.credential = "secret", .credential_bytes = 6}, 1);
	const struct godwit_hello *hello = rig_expect(rig, GODWIT_HELLO);
	const struct godwit_hello_proof *proof;
	struct godwit_cookie cookie;
	struct godwit_welcome welcome;

	cr_assert_eq(godwit_get64(hello->client), 42);
	cr_assert_eq(godwit_get64(hello->instance), 43);
	cr_assert(godwit_address_equal(&rig->to, &rig->server));
	cookie = rig_cookie(rig);
	rig_input(rig, &cookie, sizeof(cookie));
	proof = rig_expect(rig, GODWIT_HELLO_PROOF);
	cr_assert_eq(godwit_get64(proof->time), 99);
	cr_assert_eq(memcmp(proof->mac, cookie.mac, sizeof(cookie.mac)), 0);
	cr_assert_eq(godwit_get16(proof->credential_bytes), 6);
	cr_assert_eq(memcmp(godwit_proof_credential(proof), "secret", 6), 0);
	rig_no_event(rig);
	welcome = rig_welcome(rig);
	rig_input(rig, &welcome, sizeof(welcome));
	cr_assert_eq(rig_next(rig, GODWIT_EVENT_CONNECTED)->instance, 77);
	cr_assert(godwit_address_equal(&rig->event.server, &rig->server));
	rig_silent(rig);
	// A repeat of the answer says nothing new.
	rig_input(rig, &welcome, sizeof(welcome));
	rig_no_event(rig);
	cr_assert_eq(rig_stats(rig)->connects, 1);
	rig_destroy(rig);
}

Test(client_link, repeats_hello_ever_more_slowly)
{
	static const uint64_t spans[] = {100, 200, 400, 800, 1000, 1000};
	struct rig *rig = rig_create_with(NULL, 1);

	rig_expect(rig, GODWIT_HELLO);
	for (uint32_t i = 0; i < 6; i++) {
		rig_silent(rig);
		rig_due_in(rig, spans[i] * RIG_MS);
		rig_expect(rig, GODWIT_HELLO);
	}
	cr_assert_eq(rig_stats(rig)->hellos, 7);
	rig_destroy(rig);
}

Test(client_link, proves_again_and_then_begins_anew)
{
	struct rig *rig = rig_create_with(NULL, 1);
	struct godwit_cookie cookie;
	uint64_t nonce;

	rig_expect(rig, GODWIT_HELLO);
	nonce = godwit_get64(((const struct godwit_hello *)rig->out)->nonce);
	cookie = rig_cookie(rig);
	rig_input(rig, &cookie, sizeof(cookie));
	rig_expect(rig, GODWIT_HELLO_PROOF);
	rig_due_in(rig, 100 * RIG_MS);
	rig_expect(rig, GODWIT_HELLO_PROOF);
	rig_due_in(rig, 200 * RIG_MS);
	rig_expect(rig, GODWIT_HELLO_PROOF);
	rig_due_in(rig, 400 * RIG_MS);
	// The cookie may be too old by now.
	rig_expect(rig, GODWIT_HELLO);
	cr_assert_neq(godwit_get64(((const struct godwit_hello *)rig->out)->nonce), nonce);
	rig_destroy(rig);
}

Test(client_link, ignores_answers_that_are_not_its_own)
{
	struct rig *rig = rig_create_with(NULL, 1);
	struct godwit_address other = rig_address(9);
	struct godwit_cookie cookie;
	struct godwit_welcome welcome;

	rig_expect(rig, GODWIT_HELLO);
	cookie = rig_cookie(rig);
	godwit_core_input(rig->core, rig->now_ns, &other, &cookie, sizeof(cookie));
	cr_assert_eq(rig_stats(rig)->wrong_source, 1);
	cookie.tag = godwit_be64(rig->tag + 1);
	rig_input(rig, &cookie, sizeof(cookie));
	cookie.tag = godwit_be64(rig->tag);
	cookie.nonce = godwit_be64(1);
	rig_input(rig, &cookie, sizeof(cookie));
	cr_assert_eq(rig_stats(rig)->wrong_tag, 2);
	welcome = rig_welcome(rig);
	rig_input(rig, &welcome, sizeof(welcome)); // nobody proved anything yet
	cr_assert_eq(rig_stats(rig)->wrong_tag, 3);
	rig_silent(rig);

	cookie = rig_cookie(rig);
	cookie.nonce = ((const struct godwit_hello *)rig->out)->nonce;
	rig_input(rig, &cookie, sizeof(cookie));
	rig_expect(rig, GODWIT_HELLO_PROOF);
	welcome.request = godwit_be32(rig->request + 1);
	rig_input(rig, &welcome, sizeof(welcome));
	rig_no_event(rig);
	welcome.frame.count = godwit_be16(1);
	godwit_core_input(rig->core, rig->now_ns, &rig->server, &welcome, sizeof(welcome));
	cr_assert_eq(rig_stats(rig)->malformed, 1);
	rig_destroy(rig);
}

Test(client_link, keeps_alive_before_each_interval_ends)
{
	struct rig *rig = rig_connected();

	for (uint32_t i = 0; i < 50; i++) {
		uint64_t due_ns = godwit_core_due(rig->core, rig->now_ns);
		uint64_t span_ns = due_ns - rig->now_ns;
		const struct godwit_ack *ack;

		cr_assert(span_ns >= RIG_INTERVAL * 9 / 10 && span_ns <= RIG_INTERVAL, "%llu",
			  (unsigned long long)span_ns);
		rig->now_ns = due_ns;
		ack = rig_expect(rig, GODWIT_ACK);
		cr_assert_eq(godwit_get16(ack->from.frame.count), 0);
		cr_assert_eq(godwit_get64(ack->number), i + 1);
		rig_silent(rig);
		rig_alive(rig);
	}
	rig_destroy(rig);
}

// Lets the core run until it has something to say about the connection.
static void run_in_silence(struct rig *rig, uint64_t until_ns)
{
	while (rig->now_ns < until_ns && !godwit_core_ready(rig->core)) {
		uint64_t due_ns = godwit_core_due(rig->core, rig->now_ns);

		rig->now_ns = due_ns < until_ns ? due_ns : until_ns;
		while (!godwit_core_ready(rig->core) && rig_output(rig) != 0)
			cr_assert_eq(rig->out[1], GODWIT_ACK);
	}
}

Test(client_link, goes_to_the_next_server_after_three_silent_intervals)
{
	struct rig *rig = rig_create_with(NULL, 2);
	struct godwit_address second = rig_address(1);
	uint64_t begin_ns;

	rig_connect(rig);
	begin_ns = rig->now_ns;
	run_in_silence(rig, begin_ns + 10 * RIG_INTERVAL);
	cr_assert_eq(rig->now_ns, begin_ns + 3 * RIG_INTERVAL);
	rig_next(rig, GODWIT_EVENT_DISCONNECTED);
	cr_assert_eq(rig->event.code, GODWIT_OK);
	cr_assert(godwit_address_equal(&rig->event.server, &rig->server));
	rig_silent(rig);
	rig->now_ns = godwit_core_due(rig->core, rig->now_ns);
	cr_assert(rig->now_ns <= begin_ns + 3 * RIG_INTERVAL + 50 * RIG_MS);
	cr_assert(rig->now_ns >= begin_ns + 3 * RIG_INTERVAL + 45 * RIG_MS);
	rig_connect(rig);
	cr_assert(godwit_address_equal(&rig->event.server, &second));
	cr_assert_eq(rig_stats(rig)->disconnects, 1);
	rig_destroy(rig);
}

Test(client_link, backs_off_from_refusals_until_it_was_connected)
{
	struct rig *rig = rig_create_with(NULL, 2);

	for (uint64_t span_ms = 50; span_ms <= 400; span_ms *= 2) {
		struct godwit_cookie cookie;
		uint64_t begin_ns = rig->now_ns;

		rig_expect(rig, GODWIT_HELLO);
		rig->server = rig->to;
		cookie = rig_cookie(rig);
		rig_input(rig, &cookie, sizeof(cookie));
		rig_expect(rig, GODWIT_HELLO_PROOF);
		rig_error(rig, GODWIT_LIMIT, rig->request, 0);
		rig_next(rig, GODWIT_EVENT_ERROR);
		rig->now_ns = godwit_core_due(rig->core, rig->now_ns);
		cr_assert_leq(rig->now_ns - begin_ns, span_ms * RIG_MS);
		cr_assert_geq(rig->now_ns - begin_ns, span_ms * RIG_MS * 9 / 10);
	}
	rig_connect(rig);
	run_in_silence(rig, rig->now_ns + 10 * RIG_INTERVAL);
	rig_next(rig, GODWIT_EVENT_DISCONNECTED);
	// The wait after that is the first of a new series.
	cr_assert_leq(godwit_core_due(rig->core, rig->now_ns), rig->now_ns + 50 * RIG_MS);
	rig_destroy(rig);
}

Test(client_link, lets_the_server_off_when_it_was_late_itself)
{
	struct rig *rig = rig_connected();

	rig->now_ns += 10 * RIG_INTERVAL; // nobody called for a second
	while (rig_output(rig) != 0)
		cr_assert_eq(rig->out[1], GODWIT_ACK);
	rig_no_event(rig);
	run_in_silence(rig, rig->now_ns + 10 * RIG_INTERVAL);
	rig_next(rig, GODWIT_EVENT_DISCONNECTED);
	rig_destroy(rig);
}

Test(client_link, tries_the_servers_of_the_list_in_turn)
{
	struct rig *rig = rig_create_with(NULL, 3);

	for (uint32_t i = 0; i < 7; i++) {
		struct godwit_address server = rig_address(i % 3);

		for (uint32_t j = 0; j < 3; j++) {
			while (rig_output(rig) == 0)
				rig->now_ns = godwit_core_due(rig->core, rig->now_ns);
			cr_assert_eq(rig->out[1], GODWIT_HELLO);
			cr_assert(godwit_address_equal(&rig->to, &server));
		}
	}
	rig_destroy(rig);
}

Test(client_link, learns_servers_from_welcome)
{
	struct rig *rig = rig_create_with(NULL, 1);
	struct godwit_address learned = rig_address(5);
	struct godwit_cookie cookie;
	struct {
		struct godwit_welcome head;
		struct godwit_server_entry servers[3];
	} welcome;

	rig_expect(rig, GODWIT_HELLO);
	cookie = rig_cookie(rig);
	rig_input(rig, &cookie, sizeof(cookie));
	rig_expect(rig, GODWIT_HELLO_PROOF);
	memset(&welcome, 0, sizeof(welcome));
	welcome.head = rig_welcome(rig);
	welcome.head.frame.count = godwit_be16(3);
	memcpy(welcome.servers[0].ip, rig->server.ip, 16); // itself
	welcome.servers[0].port = godwit_be16(rig->server.port);
	memcpy(welcome.servers[1].ip, learned.ip, 16);
	welcome.servers[1].port = godwit_be16(learned.port);
	rig_input(rig, &welcome, sizeof(welcome)); // the third is no address
	rig_next(rig, GODWIT_EVENT_CONNECTED);
	run_in_silence(rig, rig->now_ns + 10 * RIG_INTERVAL);
	rig_next(rig, GODWIT_EVENT_DISCONNECTED);
	for (uint32_t i = 0; i < 6; i++) {
		while (rig_output(rig) == 0)
			rig->now_ns = godwit_core_due(rig->core, rig->now_ns);
		cr_assert(godwit_address_equal(&rig->to, i < 3 ? &learned : &rig->server));
	}
	rig_destroy(rig);
}

Test(client_link, ends_when_a_newer_process_has_its_id)
{
	struct rig *rig = rig_connected();
	uint32_t publisher;

	rig_subscribe(rig, 10, 100);
	cr_assert_eq(godwit_core_publisher_open(rig->core, rig->now_ns,
						&(struct godwit_publisher_options){.stream = "s",
										   .publisher = 1},
						&publisher),
		     0);
	rig_data(rig, 11, 12);
	rig_error(rig, GODWIT_FENCED, 0, 999);
	rig_next(rig, GODWIT_EVENT_ERROR);
	cr_assert_eq(rig->event.code, GODWIT_FENCED);
	cr_assert_eq(rig->event.number, 999);
	rig_next(rig, GODWIT_EVENT_PUBLISHER_ENDED);
	cr_assert_eq(rig->event.code, GODWIT_FENCED);
	rig_take_range(rig, 11, 12); // what was received is not taken back
	rig_next(rig, GODWIT_EVENT_ENDED);
	cr_assert_eq(rig->event.code, GODWIT_FENCED);
	rig_no_event(rig);
	rig_silent(rig);
	cr_assert_eq(godwit_core_due(rig->core, rig->now_ns), UINT64_MAX);
	cr_assert_eq(godwit_core_subscribe(rig->core, rig->now_ns,
					   &(struct godwit_subscription_options){.stream = "s"},
					   &publisher),
		     -EPIPE);
	rig_destroy(rig);
}

Test(client_link, says_why_it_was_refused_and_tries_again)
{
	struct rig *rig = rig_create_with(NULL, 2);
	struct godwit_address second = rig_address(1);
	struct godwit_cookie cookie;

	rig_expect(rig, GODWIT_HELLO);
	cookie = rig_cookie(rig);
	rig_input(rig, &cookie, sizeof(cookie));
	rig_expect(rig, GODWIT_HELLO_PROOF);
	rig_error(rig, GODWIT_BAD_CREDENTIAL, rig->request + 1, 0);
	rig_no_event(rig);
	rig_error(rig, GODWIT_BAD_CREDENTIAL, rig->request, 0);
	rig_next(rig, GODWIT_EVENT_ERROR);
	cr_assert_eq(rig->event.code, GODWIT_BAD_CREDENTIAL);
	cr_assert_str_eq(rig->event.text, "text");
	rig_silent(rig);
	rig->now_ns = godwit_core_due(rig->core, rig->now_ns);
	rig_expect(rig, GODWIT_HELLO);
	cr_assert(godwit_address_equal(&rig->to, &second));
	rig_destroy(rig);
}

Test(client_link, answers_a_probe)
{
	struct rig *rig = rig_connected();
	struct godwit_probe probe = {.frame = rig_frame(GODWIT_PROBE, 0, 0),
				     .tag = godwit_be64(rig->tag),
				     .nonce = godwit_be64(0xfeed)};
	const struct godwit_probe_reply *reply;

	rig_input(rig, &probe, sizeof(probe));
	cr_assert(godwit_core_due(rig->core, rig->now_ns) <= rig->now_ns);
	reply = rig_expect(rig, GODWIT_PROBE_REPLY);
	cr_assert_eq(godwit_get64(reply->tag), rig->tag);
	cr_assert_eq(godwit_get64(reply->nonce), 0xfeed);
	rig_silent(rig);
	rig_destroy(rig);
}

Test(client_link, asks_for_topics_until_they_are_answered)
{
	struct rig *rig = rig_connected();
	const struct godwit_topic *topic;
	struct godwit_topic_number number = {.frame = rig_frame(GODWIT_TOPIC_NUMBER, 0, 0),
					     .tag = godwit_be64(rig->tag),
					     .topic = godwit_be32(12)};
	uint32_t first;
	uint32_t second;

	cr_assert_eq(godwit_core_topic(rig->core, rig->now_ns, "s", "", true, &first), -EINVAL);
	cr_assert_eq(godwit_core_topic(rig->core, rig->now_ns, "s", "ABC", true, &first), 0);
	topic = rig_expect(rig, GODWIT_TOPIC);
	cr_assert_eq(godwit_get16(topic->from.frame.flags), GODWIT_FLAG_CREATE);
	cr_assert_eq(godwit_get32(topic->request), first);
	rig_due_in(rig, 20 * RIG_MS);
	rig_expect(rig, GODWIT_TOPIC);
	rig_due_in(rig, 40 * RIG_MS);
	cr_assert_eq(godwit_core_topic(rig->core, rig->now_ns, "s", "DEF", false, &second), 0);
	number.request = godwit_be32(first);
	godwit_name_set(number.name, "ABC");
	rig_input(rig, &number, sizeof(number));
	rig_input(rig, &number, sizeof(number));
	rig_next(rig, GODWIT_EVENT_TOPIC);
	cr_assert_eq(rig->event.request, first);
	cr_assert_eq(rig->event.topic, 12);
	cr_assert_str_eq(rig->event.text, "ABC");
	topic = rig_expect(rig, GODWIT_TOPIC);
	cr_assert_eq(godwit_get16(topic->from.frame.flags), 0);
	rig_error(rig, GODWIT_UNKNOWN_TOPIC, second, 0);
	rig_next(rig, GODWIT_EVENT_TOPIC);
	cr_assert_eq(rig->event.request, second);
	cr_assert_eq(rig->event.topic, 0);
	cr_assert_eq(rig->event.code, GODWIT_UNKNOWN_TOPIC);
	rig_no_event(rig);
	rig_silent(rig);
	rig_destroy(rig);
}

Test(client_link, survives_any_bytes)
{
	struct rig *rig = rig_connected();
	uint8_t bytes[256];
	uint64_t x = 88172645463325252ull;

	rig_subscribe(rig, 0, 64);
	for (uint32_t i = 0; i < 200000; i++) {
		size_t length;

		for (size_t j = 0; j < sizeof(bytes); j += 8) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			memcpy(bytes + j, &x, 8);
		}
		length = x % sizeof(bytes);
		bytes[0] = GODWIT_VERSION;
		bytes[1] = (uint8_t)(GODWIT_COOKIE + x % 16);
		memset(bytes + 2, 0, 6);
		// Half of them with a tag that is ours.
		if (i % 2 == 0)
			memcpy(bytes + 8,
			       &(struct godwit_be64[]){
				       godwit_be64(i % 4 == 0 ? rig->tag : rig->sub_tag)},
			       8);
		godwit_core_input(rig->core, rig->now_ns, &rig->server, bytes, length);
		while (godwit_core_next(rig->core, rig->now_ns, &rig->event))
			;
	}
	cr_assert_gt(rig_stats(rig)->malformed, 1000);
	rig_destroy(rig);
}
