// SPDX-License-Identifier: BSD-3-Clause
#include "client/random.h"
#include "tests/unit/client_rig.h"

#include <errno.h>

#define PUBLISHER 0x9ull
#define INSTANCE  5ull
#define STREAM	  3u

static uint32_t open_publisher(struct rig *rig, uint64_t instance)
{
	struct godwit_publisher_options options = {.stream = "s",
						   .publisher = PUBLISHER,
						   .instance = instance,
						   .messages = 16,
						   .buffer_bytes = 4096};
	uint32_t publisher;

	cr_assert_eq(godwit_core_publisher_open(rig->core, rig->now_ns, &options, &publisher), 0);
	return publisher;
}

// The PUBLISH_OPEN that is due must ask for this instance.
static void expect_open(struct rig *rig, uint64_t instance)
{
	const struct godwit_publish_open *open = rig_expect(rig, GODWIT_PUBLISH_OPEN);

	cr_assert_eq(godwit_get64(open->publisher), PUBLISHER);
	cr_assert_eq(godwit_get64(open->instance), instance);
	cr_assert_str_eq((const char *)open->stream, "s");
	rig->request = godwit_get32(open->request);
}

static void opened(struct rig *rig, uint64_t instance, uint64_t last, uint32_t credit,
		   enum godwit_code code)
{
	struct godwit_publish_opened frame = {
		.frame = rig_frame(GODWIT_PUBLISH_OPENED, 0, 0),
		.tag = godwit_be64(rig->tag),
		.publisher = godwit_be64(PUBLISHER),
		.instance = godwit_be64(instance),
		.last = godwit_be64(last),
		.request = godwit_be32(rig->request),
		.stream = godwit_be32(STREAM),
		.credit = godwit_be32(credit),
		.max_message = godwit_be16(1000),
		.code = godwit_be16((uint16_t)code),
	};

	rig_input(rig, &frame, sizeof(frame));
}

static void acked(struct rig *rig, uint64_t instance, uint64_t committed, uint64_t expected,
		  uint32_t credit, enum godwit_code code)
{
	struct godwit_publish_ack frame = {
		.frame = rig_frame(GODWIT_PUBLISH_ACK, 0, 0),
		.tag = godwit_be64(rig->tag),
		.publisher = godwit_be64(PUBLISHER),
		.instance = godwit_be64(instance),
		.committed = godwit_be64(committed),
		.expected = godwit_be64(expected),
		.stream = godwit_be32(STREAM),
		.credit = godwit_be32(credit),
		.code = godwit_be16((uint16_t)code),
	};

	rig_input(rig, &frame, sizeof(frame));
}

static uint32_t rig_publisher(struct rig *rig, uint32_t credit)
{
	uint32_t publisher = open_publisher(rig, 0);

	expect_open(rig, 0);
	opened(rig, INSTANCE, 0, credit, GODWIT_OK);
	rig_next(rig, GODWIT_EVENT_PUBLISHER_OPENED);
	cr_assert_eq(rig->event.publisher, publisher);
	cr_assert_eq(rig->event.instance, INSTANCE);
	cr_assert_eq(rig->event.number, 0);
	cr_assert_eq(rig->event.length, 1000);
	return publisher;
}

static int publish(struct rig *rig, uint32_t publisher, uint64_t stamp)
{
	uint64_t number;
	int rc = godwit_core_publish(rig->core, rig->now_ns, publisher, 7, &stamp, sizeof(stamp),
				     &number);

	if (rc == 0)
		cr_assert_eq(number, stamp);
	return rc;
}

// The PUBLISH that is due must carry exactly the messages [first, last], stamped with their
// numbers.
static void expect_publish(struct rig *rig, uint64_t first, uint64_t last)
{
	const struct godwit_publish *frame = rig_expect(rig, GODWIT_PUBLISH);
	const uint8_t *at = godwit_publish_records(frame);

	cr_assert_eq(godwit_get32(frame->stream), STREAM);
	cr_assert_eq(godwit_get64(frame->publisher), PUBLISHER);
	cr_assert_eq(godwit_get64(frame->first), first, "from %llu instead of %llu",
		     (unsigned long long)godwit_get64(frame->first), (unsigned long long)first);
	cr_assert_eq(godwit_get16(frame->from.frame.count), last + 1 - first);
	for (uint64_t number = first; number <= last; number++) {
		const struct godwit_record *record =
			godwit_record_next(&at, rig->out + rig->length);

		cr_assert_not_null(record);
		cr_assert_eq(godwit_get32(record->topic), 7);
		cr_assert_eq(memcmp(godwit_record_payload(record), &number, sizeof(number)), 0);
	}
}

static void expect_committed(struct rig *rig, uint64_t number)
{
	cr_assert_eq(rig_next(rig, GODWIT_EVENT_COMMITTED)->number, number);
}

Test(client_publisher, asks_for_its_instance_until_it_is_answered)
{
	struct rig *rig = rig_connected();
	uint32_t publisher = open_publisher(rig, 4);
	uint64_t stamp = 1;

	cr_assert_eq(publish(rig, publisher, 1), -EAGAIN);
	expect_open(rig, 4);
	rig_due_in(rig, 20 * RIG_MS);
	expect_open(rig, 4);
	rig->request++;
	opened(rig, 4, 12, 10, GODWIT_OK);
	rig_no_event(rig);
	rig->request--;
	opened(rig, 4, 12, 10, GODWIT_OK);
	rig_next(rig, GODWIT_EVENT_PUBLISHER_OPENED);
	cr_assert_eq(rig->event.number, 12);
	cr_assert_eq(publish(rig, publisher, 13), 0);
	expect_publish(rig, 13, 13);
	cr_assert_eq(godwit_core_publish(rig->core, 0, publisher + 1, 0, &stamp, 8, NULL), -ENOENT);
	rig_destroy(rig);
}

Test(client_publisher, packs_what_is_there_and_waits_for_nothing)
{
	struct rig *rig = rig_connected();
	uint32_t publisher = rig_publisher(rig, 100);
	uint8_t large[1001] = {0};

	cr_assert_eq(publish(rig, publisher, 1), 0);
	expect_publish(rig, 1, 1);
	rig_silent(rig);
	for (uint64_t number = 2; number <= 4; number++)
		cr_assert_eq(publish(rig, publisher, number), 0);
	expect_publish(rig, 2, 4);
	rig_silent(rig);
	cr_assert_eq(godwit_core_publish(rig->core, rig->now_ns, publisher, 0, large, 1001, NULL),
		     -EMSGSIZE);
	for (uint32_t i = 0; i < 2; i++)
		cr_assert_eq(godwit_core_publish(rig->core, rig->now_ns, publisher, 0, large, 1000,
						 NULL),
			     0);
	// Two do not fit one datagram.
	rig_expect(rig, GODWIT_PUBLISH);
	rig_expect(rig, GODWIT_PUBLISH);
	rig_silent(rig);
	acked(rig, INSTANCE, 6, 7, 100, GODWIT_OK);
	expect_committed(rig, 6);
	rig_no_event(rig);
	rig_destroy(rig);
}

Test(client_publisher, is_full_until_something_is_committed)
{
	struct rig *rig = rig_connected();
	uint32_t publisher = rig_publisher(rig, 100);
	uint64_t number = 1;

	while (publish(rig, publisher, number) == 0)
		number++;
	cr_assert_eq(number, 17); // 16 messages
	expect_publish(rig, 1, 16);
	acked(rig, INSTANCE, 0, 17, 100, GODWIT_OK);
	cr_assert_eq(publish(rig, publisher, 17), -EAGAIN);
	acked(rig, INSTANCE, 1, 17, 100, GODWIT_OK);
	cr_assert_eq(publish(rig, publisher, 17), 0);
	cr_assert_eq(publish(rig, publisher, 18), -EAGAIN);
	rig_destroy(rig);
}

Test(client_publisher, sends_no_more_than_its_credit)
{
	struct rig *rig = rig_connected();
	uint32_t publisher = rig_publisher(rig, 3);

	for (uint64_t number = 1; number <= 8; number++)
		cr_assert_eq(publish(rig, publisher, number), 0);
	expect_publish(rig, 1, 3);
	rig_silent(rig);
	acked(rig, INSTANCE, 2, 4, 3, GODWIT_OK);
	expect_publish(rig, 4, 5);
	rig_silent(rig);
	acked(rig, INSTANCE, 2, 6, 6, GODWIT_OK);
	expect_publish(rig, 6, 8);
	rig_destroy(rig);
}

Test(client_publisher, goes_back_once_for_a_gap)
{
	struct rig *rig = rig_connected();
	uint32_t publisher = rig_publisher(rig, 100);

	// A measured round trip of 4 ms.
	cr_assert_eq(publish(rig, publisher, 1), 0);
	expect_publish(rig, 1, 1);
	rig->now_ns += 4 * RIG_MS;
	acked(rig, INSTANCE, 1, 2, 100, GODWIT_OK);
	for (uint64_t number = 2; number <= 6; number++) {
		cr_assert_eq(publish(rig, publisher, number), 0);
		expect_publish(rig, number, number);
	}
	acked(rig, INSTANCE, 1, 3, 100, GODWIT_GAP); // 3 was lost
	expect_publish(rig, 3, 6);
	acked(rig, INSTANCE, 1, 3, 100, GODWIT_GAP); // of 5 and 6, as they were in flight
	acked(rig, INSTANCE, 1, 3, 100, GODWIT_GAP);
	rig_silent(rig);
	acked(rig, INSTANCE, 1, 2, 100, GODWIT_GAP); // an old one
	rig_silent(rig);
	cr_assert_eq(rig_stats(rig)->publish_back, 1);
	rig->now_ns += 6 * RIG_MS;
	acked(rig, INSTANCE, 1, 3, 100, GODWIT_GAP); // the repeat was lost as well
	expect_publish(rig, 3, 6);
	acked(rig, INSTANCE, 6, 7, 100, GODWIT_OK);
	expect_committed(rig, 6);
	rig_destroy(rig);
}

// Each packet of a window that is sent again may be answered by GAP. Going back for each would multiply them without end.
Test(client_publisher, goes_back_once_for_a_gap_before_the_round_trip_is_known)
{
	struct rig *rig = rig_connected();
	uint32_t publisher = rig_publisher(rig, 100);

	for (uint64_t number = 1; number <= 4; number++) {
		cr_assert_eq(publish(rig, publisher, number), 0);
		expect_publish(rig, number, number);
	}
	acked(rig, INSTANCE, 0, 1, 100, GODWIT_GAP); // 1 was lost
	expect_publish(rig, 1, 4);
	for (uint32_t i = 0; i < 5; i++) {
		rig->now_ns += 10 * RIG_MS;
		acked(rig, INSTANCE, 0, 1, 100, GODWIT_GAP);
		rig_silent(rig);
	}
	cr_assert_eq(rig_stats(rig)->publish_back, 1);
	rig_destroy(rig);
}

Test(client_publisher, goes_back_after_a_silent_round_trip_ever_more_slowly)
{
	struct rig *rig = rig_connected();
	uint32_t publisher = rig_publisher(rig, 100);
	uint64_t span_ms = 12; // smoothed 4 ms and four times its half

	cr_assert_eq(publish(rig, publisher, 1), 0);
	expect_publish(rig, 1, 1);
	rig->now_ns += 4 * RIG_MS;
	acked(rig, INSTANCE, 1, 2, 100, GODWIT_OK);
	cr_assert_eq(publish(rig, publisher, 2), 0);
	expect_publish(rig, 2, 2);
	for (uint32_t i = 0; i < 3; i++) {
		rig_silent(rig);
		rig_due_in(rig, span_ms * RIG_MS);
		cr_assert_eq(publish(rig, publisher, 3 + i), 0);
		expect_publish(rig, 2, 3 + i);
		rig_alive(rig);
		span_ms *= 2;
	}
	cr_assert_eq(rig_stats(rig)->publish_timeouts, 3);
	rig_destroy(rig);
}

Test(client_publisher, asks_for_the_commit_of_what_is_held)
{
	struct rig *rig = rig_connected();
	uint32_t publisher = rig_publisher(rig, 100);

	cr_assert_eq(publish(rig, publisher, 1), 0);
	expect_publish(rig, 1, 1);
	rig->now_ns += RIG_MS;
	acked(rig, INSTANCE, 0, 2, 100, GODWIT_OK);
	rig_silent(rig);
	rig_due_in(rig, 5 * RIG_MS);
	expect_publish(rig, 2, 1); // empty: nothing is sent twice
	acked(rig, INSTANCE, 1, 2, 100, GODWIT_OK);
	expect_committed(rig, 1);
	rig_silent(rig);
	rig_destroy(rig);
}

Test(client_publisher, backs_off_from_a_busy_stream)
{
	static const uint64_t spans[] = {2, 4, 8};
	struct rig *rig = rig_connected();
	uint32_t publisher = rig_publisher(rig, 100);

	cr_assert_eq(publish(rig, publisher, 1), 0);
	cr_assert_eq(publish(rig, publisher, 2), 0);
	expect_publish(rig, 1, 2);
	for (uint32_t i = 0; i < 3; i++) {
		acked(rig, INSTANCE, 0, 1, 100, GODWIT_BUSY);
		acked(rig, INSTANCE, 0, 1, 100, GODWIT_BUSY);
		rig_silent(rig);
		rig_due_in(rig, spans[i] * RIG_MS);
		expect_publish(rig, 1, 2);
	}
	acked(rig, INSTANCE, 1, 2, 100, GODWIT_OK);
	acked(rig, INSTANCE, 1, 2, 100, GODWIT_BUSY);
	rig_due_in(rig, 2 * RIG_MS);
	expect_publish(rig, 2, 2);
	rig_destroy(rig);
}

Test(client_publisher, ends_when_it_is_fenced)
{
	struct rig *rig = rig_connected();
	uint32_t publisher = rig_publisher(rig, 100);

	cr_assert_eq(publish(rig, publisher, 1), 0);
	expect_publish(rig, 1, 1);
	acked(rig, INSTANCE + 1, 0, 1, 100, GODWIT_FENCED);
	rig_next(rig, GODWIT_EVENT_PUBLISHER_ENDED);
	cr_assert_eq(rig->event.code, GODWIT_FENCED);
	cr_assert_eq(rig->event.instance, INSTANCE + 1);
	cr_assert_eq(publish(rig, publisher, 2), -EPIPE);
	rig->now_ns += 50 * RIG_MS;
	rig_silent(rig);
	cr_assert_eq(godwit_core_publisher_close(rig->core, publisher), 0);
	cr_assert_eq(publish(rig, publisher, 2), -ENOENT);
	rig_destroy(rig);
}

Test(client_publisher, says_what_is_in_doubt_and_sends_it_never_again)
{
	struct rig *rig = rig_connected();
	uint32_t publisher = rig_publisher(rig, 100);

	for (uint64_t number = 1; number <= 5; number++)
		cr_assert_eq(publish(rig, publisher, number), 0);
	expect_publish(rig, 1, 5);
	acked(rig, INSTANCE, 2, 4, 100, GODWIT_OK);
	acked(rig, INSTANCE, 0, 1, 100, GODWIT_UNKNOWN_INSTANCE);
	rig_silent(rig); // not before the application knows
	cr_assert_eq(publish(rig, publisher, 6), -EAGAIN);
	expect_committed(rig, 2);
	cr_assert_eq(rig->event.instance, INSTANCE);
	rig_next(rig, GODWIT_EVENT_IN_DOUBT);
	cr_assert_eq(rig->event.first, 3);
	cr_assert_eq(rig->event.last, 5);
	cr_assert_eq(rig->event.instance, INSTANCE);
	expect_open(rig, 0);
	opened(rig, INSTANCE + 1, 0, 100, GODWIT_OK);
	rig_next(rig, GODWIT_EVENT_PUBLISHER_OPENED);
	cr_assert_eq(rig->event.instance, INSTANCE + 1);
	rig_silent(rig);
	cr_assert_eq(publish(rig, publisher, 1), 0);
	expect_publish(rig, 1, 1);
	rig_destroy(rig);
}

Test(client_publisher, is_in_doubt_about_an_earlier_process)
{
	struct rig *rig = rig_connected();
	uint32_t publisher = open_publisher(rig, 4);

	expect_open(rig, 4);
	opened(rig, 4, 0, 0, GODWIT_UNKNOWN_INSTANCE);
	rig_next(rig, GODWIT_EVENT_IN_DOUBT);
	cr_assert_eq(rig->event.publisher, publisher);
	cr_assert_eq(rig->event.instance, 4);
	cr_assert_eq(rig->event.first, 0);
	expect_open(rig, 0);
	rig_destroy(rig);
}

// Until the client gives its server up and is connected again.
static void reconnect(struct rig *rig)
{
	while (rig_stats(rig)->disconnects == 0) {
		while (rig_output(rig) != 0)
			;
		if (rig_stats(rig)->disconnects == 0)
			rig->now_ns = godwit_core_due(rig->core, rig->now_ns);
	}
	rig_next(rig, GODWIT_EVENT_DISCONNECTED);
	rig->now_ns = godwit_core_due(rig->core, rig->now_ns);
	rig_connect(rig);
}

Test(client_publisher, goes_on_with_its_instance_at_the_next_server)
{
	struct rig *rig = rig_connected();
	uint32_t publisher = rig_publisher(rig, 100);

	for (uint64_t number = 1; number <= 4; number++)
		cr_assert_eq(publish(rig, publisher, number), 0);
	expect_publish(rig, 1, 4);
	acked(rig, INSTANCE, 1, 2, 100, GODWIT_OK);
	expect_committed(rig, 1);
	reconnect(rig);
	cr_assert_eq(publish(rig, publisher, 5), 0); // meanwhile
	expect_open(rig, INSTANCE);
	opened(rig, INSTANCE, 3, 100, GODWIT_OK); // 2 and 3 had arrived
	rig_no_event(rig);
	expect_publish(rig, 4, 5);
	acked(rig, INSTANCE, 5, 6, 100, GODWIT_OK);
	expect_committed(rig, 5);
	rig_destroy(rig);
}

Test(client_publisher, is_in_doubt_where_the_stream_lost_what_was_committed)
{
	struct rig *rig = rig_connected();
	uint32_t publisher = rig_publisher(rig, 100);

	for (uint64_t number = 1; number <= 4; number++)
		cr_assert_eq(publish(rig, publisher, number), 0);
	expect_publish(rig, 1, 4);
	acked(rig, INSTANCE, 2, 3, 100, GODWIT_OK);
	expect_committed(rig, 2);
	reconnect(rig);
	expect_open(rig, INSTANCE);
	opened(rig, INSTANCE, 1, 100, GODWIT_OK);
	rig_next(rig, GODWIT_EVENT_IN_DOUBT);
	cr_assert_eq(rig->event.first, 3);
	cr_assert_eq(rig->event.last, 4);
	expect_open(rig, 0);
	rig_destroy(rig);
}

Test(client_publisher, tries_again_or_ends_as_the_refusal_says)
{
	struct rig *rig = rig_connected();
	uint32_t publisher = open_publisher(rig, 0);
	uint32_t request;

	expect_open(rig, 0);
	request = rig->request;
	opened(rig, 0, 0, 0, GODWIT_NOT_PRIMARY);
	rig_silent(rig);
	rig_due_in(rig, 40 * RIG_MS);
	expect_open(rig, 0);
	cr_assert_neq(rig->request, request);
	rig_error(rig, GODWIT_UNKNOWN_STREAM, rig->request, 0);
	rig_next(rig, GODWIT_EVENT_PUBLISHER_ENDED);
	cr_assert_eq(rig->event.publisher, publisher);
	cr_assert_eq(rig->event.code, GODWIT_UNKNOWN_STREAM);
	rig_no_event(rig);
	rig_destroy(rig);
}

Test(client_publisher, does_not_time_what_was_sent_twice)
{
	struct rig *rig = rig_connected();
	uint32_t publisher = rig_publisher(rig, 100);
	struct godwit_publisher_state state;

	cr_assert_eq(publish(rig, publisher, 1), 0);
	expect_publish(rig, 1, 1);
	rig->now_ns += 100 * RIG_MS;
	while (rig_output(rig) != GODWIT_PUBLISH)
		cr_assert_eq(rig->out[1], GODWIT_ACK); // keep-alive
	rig->now_ns += 3 * RIG_MS;
	acked(rig, INSTANCE, 1, 2, 100, GODWIT_OK); // of the first or of the second?
	godwit_core_publisher_state(rig->core, publisher, &state);
	cr_assert_eq(state.rtt_ns, 0);
	cr_assert_eq(publish(rig, publisher, 2), 0);
	expect_publish(rig, 2, 2);
	rig->now_ns += 3 * RIG_MS;
	acked(rig, INSTANCE, 2, 3, 100, GODWIT_OK);
	godwit_core_publisher_state(rig->core, publisher, &state);
	cr_assert_eq(state.rtt_ns, 3 * RIG_MS);
	rig_destroy(rig);
}

// A message whose size and bytes follow from its number.
static size_t sized_payload(uint64_t number, uint8_t *bytes)
{
	size_t length = 500 + number * 37 % 400;

	memset(bytes, (int)(number & 0xff), length);
	return length;
}

Test(client_publisher, keeps_each_message_whole_where_its_buffer_begins_anew)
{
	struct rig *rig = rig_connected();
	uint32_t publisher = rig_publisher(rig, 100);
	uint8_t payload[1000];
	uint64_t next = 1;
	uint64_t checked = 0;

	// Never empty: at least one message waits each time that room is looked for.
	for (uint64_t committed = 0; committed < 400; committed++) {
		while (godwit_core_publish(rig->core, rig->now_ns, publisher, 7, payload,
					   sized_payload(next, payload), NULL) == 0)
			next++;
		cr_assert_geq(next, committed + 4);
		// All that waits is read back from the buffer.
		acked(rig, INSTANCE, committed, committed + 1, 100, GODWIT_GAP);
		rig->now_ns += RIG_MS;
		rig_alive(rig);
		while (rig_output(rig) != 0) {
			const struct godwit_publish *frame =
				(const struct godwit_publish *)rig->out;
			const uint8_t *at = godwit_publish_records(frame);
			uint64_t number = godwit_get64(frame->first);
			const struct godwit_record *record;

			while (rig->out[1] == GODWIT_PUBLISH &&
			       (record = godwit_record_next(&at, rig->out + rig->length))) {
				size_t length = sized_payload(number++, payload);

				cr_assert_eq(godwit_get16(record->length), length);
				cr_assert_eq(memcmp(godwit_record_payload(record), payload, length),
					     0);
				checked++;
			}
		}
		acked(rig, INSTANCE, committed + 1, committed + 2, 100, GODWIT_OK);
	}
	cr_assert_gt(checked, 1000);
	rig_destroy(rig);
}

// A naive sequencer behind a network that loses both ways: takes only the next number.
static void run_twin(uint64_t seed)
{
	struct rig *rig = rig_connected();
	uint32_t publisher = rig_publisher(rig, 12);
	struct client_random random;
	uint64_t held = 0;
	uint64_t committed = 0;
	uint64_t next = 1;
	uint64_t said = 0;

	client_random_init(&random, (const uint64_t[]){seed, 0});
	for (uint32_t turn = 0; turn < 200000 && said < 1000; turn++) {
		while (next <= 1000 && client_random_next(&random) % 4 != 0 &&
		       publish(rig, publisher, next) == 0)
			next++;
		while (rig_output(rig) != 0) {
			const struct godwit_publish *frame =
				(const struct godwit_publish *)rig->out;
			uint64_t first = godwit_get64(frame->first);
			uint64_t count = godwit_get16(frame->from.frame.count);
			enum godwit_code code = GODWIT_OK;

			if (rig->out[1] != GODWIT_PUBLISH || client_random_next(&random) % 5 == 0)
				continue;
			cr_assert_leq(first + count - 1, committed + 12, "above the credit");
			cr_assert_eq(godwit_get64(frame->instance), INSTANCE);
			if (count > 0 && client_random_next(&random) % 10 == 0) {
				code = GODWIT_BUSY;
			} else if (first > held + 1) {
				code = GODWIT_GAP;
			} else if (first + count > held + 1) {
				const uint8_t *at = godwit_publish_records(frame);

				for (uint64_t number = first; number < first + count; number++) {
					const struct godwit_record *record =
						godwit_record_next(&at, rig->out + rig->length);

					cr_assert_eq(memcmp(godwit_record_payload(record), &number,
							    sizeof(number)),
						     0);
				}
				held = first + count - 1;
			}
			if (client_random_next(&random) % 3 != 0)
				committed = held;
			if (client_random_next(&random) % 5 != 0)
				acked(rig, INSTANCE, committed, held + 1, 12, code);
		}
		rig->now_ns += RIG_MS;
		rig_alive(rig);
		while (godwit_core_ready(rig->core)) {
			rig_next(rig, GODWIT_EVENT_COMMITTED);
			cr_assert_gt(rig->event.number, said);
			cr_assert_leq(rig->event.number, committed);
			said = rig->event.number;
		}
	}
	cr_assert_eq(said, 1000, "seed %llu: stuck at %llu, held %llu", (unsigned long long)seed,
		     (unsigned long long)said, (unsigned long long)held);
	rig_destroy(rig);
}

Test(client_publisher, gets_each_message_there_once_over_a_bad_network)
{
	for (uint64_t seed = 1; seed <= 20; seed++)
		run_twin(seed);
}
