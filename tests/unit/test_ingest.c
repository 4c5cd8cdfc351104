// SPDX-License-Identifier: BSD-3-Clause
//
// The sequencer by its frames: PUBLISH_OPEN, PUBLISH and TOPIC, and what each refusal counts and answers.
#include <criterion/criterion.h>

#include "dataplane/stages.h"
#include "tests/support/checked.h"
#include "tests/support/core_harness.h"

static struct harness h;
static struct client_peer p;

#define COUNTED(name) harness_count(&h, 0, COUNTER_##name)
#define DROPPED(name) harness_drops(&h, 0, DROP_##name)

static void begin(const struct harness_config *config)
{
	harness_start(&h, config);
	p = harness_peer(&h, 0, 1, 1, 1);
	cr_assert(harness_connect(&p, NULL));
}

static void start(void)
{
	begin(NULL);
}

static void stop(void)
{
	harness_stop(&h);
	cr_assert_str_empty(h.failure, "%s", h.failure);
}

TestSuite(ingest, .init = start);

static void restart(const struct harness_config *config)
{
	stop();
	begin(config);
}

static void assert_opened(const struct godwit_publish_opened *opened, enum godwit_code code,
			  uint64_t instance, uint64_t last)
{
	cr_assert_not_null(opened);
	cr_assert_eq(godwit_get16(opened->code), code, "%s",
		     godwit_code_name(godwit_get16(opened->code)));
	cr_assert_eq(godwit_get64(opened->instance), instance, "instance %lu",
		     godwit_get64(opened->instance));
	cr_assert_eq(godwit_get64(opened->last), last, "last %lu", godwit_get64(opened->last));
}

static void assert_ack(const struct godwit_publish_ack *ack, enum godwit_code code,
		       uint64_t instance, uint64_t committed, uint64_t expected)
{
	cr_assert_not_null(ack);
	cr_assert_eq(godwit_get16(ack->code), code, "%s",
		     godwit_code_name(godwit_get16(ack->code)));
	cr_assert_eq(godwit_get64(ack->instance), instance, "instance %lu",
		     godwit_get64(ack->instance));
	cr_assert_eq(godwit_get64(ack->committed), committed, "committed %lu",
		     godwit_get64(ack->committed));
	cr_assert_eq(godwit_get64(ack->expected), expected, "expected %lu",
		     godwit_get64(ack->expected));
	cr_assert_eq(godwit_get64(ack->tag), p.tag);
}

static void assert_error(enum godwit_code code, uint32_t request, uint64_t detail)
{
	const struct harness_frame *frame = harness_take(&h, &p.address, GODWIT_ERROR);
	const struct godwit_error *error;

	cr_assert_not_null(frame);
	error = (const void *)frame->data;
	cr_assert_eq(godwit_get16(error->code), code, "%s",
		     godwit_code_name(godwit_get16(error->code)));
	cr_assert_eq(godwit_get32(error->request), request);
	cr_assert_eq(godwit_get64(error->detail), detail, "detail %lu",
		     godwit_get64(error->detail));
}

// ---- PUBLISH_OPEN ------------------------------------------------------------------------------

Checked(ingest, opening_states_the_terms, stop)
{
	const struct godwit_publish_opened *opened = harness_open(&p, "s0", 50, 0);

	assert_opened(opened, GODWIT_OK, 1, 0);
	cr_assert_eq(godwit_get64(opened->publisher), 50);
	cr_assert_eq(godwit_get64(opened->session), HARNESS_SESSION);
	cr_assert_eq(godwit_get32(opened->epoch), 1);
	cr_assert_eq(godwit_get32(opened->request), p.request);
	cr_assert_eq(godwit_get32(opened->stream), 0);
	cr_assert_eq(godwit_get32(opened->credit), STREAM_PUBLISH_CREDIT);
	cr_assert_eq(godwit_get16(opened->max_message), 1312);
	cr_assert_eq(godwit_get64(opened->tag), p.tag);
	cr_assert_eq(COUNTED(publish_opens), 1);
	peer_open(&p, "nowhere", 50, 0, 0);
	harness_turn(&h);
	assert_error(GODWIT_UNKNOWN_STREAM, p.request, 0);
	cr_assert_eq(COUNTED(answer_unknown_stream), 1);
}

Checked(ingest, the_repeat_of_an_open_gets_the_instance_that_it_made, stop)
{
	const struct harness_frame *frame;

	for (uint32_t i = 0; i < 3; i++) {
		peer_open(&p, "s0", 50, 0, 900);
		harness_turn(&h);
		frame = harness_take(&h, &p.address, GODWIT_PUBLISH_OPENED);
		assert_opened((const void *)frame->data, GODWIT_OK, 1, 0);
	}
	// Asking where it stands is another request, and does not make the first one new again.
	assert_opened(harness_open(&p, "s0", 50, 1), GODWIT_OK, 1, 0);
	peer_open(&p, "s0", 50, 0, 900);
	harness_turn(&h);
	frame = harness_take(&h, &p.address, GODWIT_PUBLISH_OPENED);
	assert_opened((const void *)frame->data, GODWIT_OK, 1, 0);
	// A new request is a restart.
	assert_opened(harness_open(&p, "s0", 50, 0), GODWIT_OK, 2, 0);
}

// What the process before had sent may come after what its successor sent, by another way.
Checked(ingest, a_late_repeat_of_the_open_before_fences_nobody, stop)
{
	static const uint32_t requests[] = {900, 901, 900};
	static const enum godwit_code codes[] = {GODWIT_OK, GODWIT_OK, GODWIT_FENCED};
	const struct harness_frame *frame;

	for (uint32_t i = 0; i < 3; i++) {
		peer_open(&p, "s0", 50, 0, requests[i]);
		harness_turn(&h);
		frame = harness_take(&h, &p.address, GODWIT_PUBLISH_OPENED);
		assert_opened((const void *)frame->data, codes[i], i == 0 ? 1 : 2, 0);
	}
	assert_opened(harness_open(&p, "s0", 50, 2), GODWIT_OK, 2, 0);
}

Checked(ingest, a_restart_gets_a_higher_instance_and_fences_the_lower, stop)
{
	assert_opened(harness_open(&p, "s0", 50, 0), GODWIT_OK, 1, 0);
	assert_ack(harness_publish(&p, 0, 50, 1, 1, 3, 0, 20), GODWIT_OK, 1, 3, 4);
	assert_opened(harness_open(&p, "s0", 50, 1), GODWIT_OK, 1, 3);
	assert_opened(harness_open(&p, "s0", 50, 0), GODWIT_OK, 2, 0);
	// The numbers begin with 1 again.
	assert_ack(harness_publish(&p, 0, 50, 2, 1, 2, 0, 20), GODWIT_OK, 2, 2, 3);
	assert_opened(harness_open(&p, "s0", 50, 1), GODWIT_FENCED, 2, 2);
	assert_ack(harness_publish(&p, 0, 50, 1, 4, 5, 0, 20), GODWIT_FENCED, 2, 0, 0);
	cr_assert_eq(COUNTED(publish_fenced), 2);
	cr_assert_eq(DROPPED(ingest_fenced), 5);
	cr_assert_eq(COUNTED(ingest_refused), 5);
	cr_assert_eq(COUNTED(ingest_appended), 5);
}

Checked(ingest, an_instance_that_is_not_known_is_told_so_under_its_own_number, stop)
{
	assert_opened(harness_open(&p, "s0", 50, 9), GODWIT_UNKNOWN_INSTANCE, 9, 0);
	assert_ack(harness_publish(&p, 0, 50, 9, 1, 2, 0, 20), GODWIT_UNKNOWN_INSTANCE, 9, 0, 0);
	assert_opened(harness_open(&p, "s0", 50, 0), GODWIT_OK, 1, 0);
	// Above the one in force: of a server that knew more. Only by its own number does it know itself.
	assert_opened(harness_open(&p, "s0", 50, 9), GODWIT_UNKNOWN_INSTANCE, 9, 0);
	assert_ack(harness_publish(&p, 0, 50, 9, 1, 2, 0, 20), GODWIT_UNKNOWN_INSTANCE, 9, 0, 0);
	cr_assert_eq(DROPPED(ingest_unknown), 4);
	cr_assert_eq(COUNTED(publish_unknown), 4);
}

Checked(ingest, the_table_of_publishers_is_full, stop)
{
	restart(&(struct harness_config){.publishers_max = 2});
	assert_opened(harness_open(&p, "s0", 50, 0), GODWIT_OK, 1, 0);
	assert_opened(harness_open(&p, "s0", 51, 0), GODWIT_OK, 1, 0);
	assert_opened(harness_open(&p, "s0", 52, 0), GODWIT_LIMIT, 0, 0);
	cr_assert_eq(COUNTED(answer_limit), 1);
	assert_opened(harness_open(&p, "s0", 50, 0), GODWIT_OK, 2, 0);
}

// ---- PUBLISH -----------------------------------------------------------------------------------

Checked(ingest, each_message_is_taken_once_and_in_order, stop)
{
	harness_open(&p, "s0", 50, 0);
	assert_ack(harness_publish(&p, 0, 50, 1, 1, 4, 0, 20), GODWIT_OK, 1, 4, 5);
	// A repeat is dropped and acknowledged; of an overlap what is new is taken.
	assert_ack(harness_publish(&p, 0, 50, 1, 1, 4, 0, 20), GODWIT_OK, 1, 4, 5);
	cr_assert_eq(COUNTED(ingest_repeats), 4);
	assert_ack(harness_publish(&p, 0, 50, 1, 3, 4, 0, 20), GODWIT_OK, 1, 6, 7);
	cr_assert_eq(COUNTED(ingest_repeats), 6);
	// A jump ahead is refused with the number expected.
	assert_ack(harness_publish(&p, 0, 50, 1, 9, 3, 0, 20), GODWIT_GAP, 1, 6, 7);
	cr_assert_eq(COUNTED(publish_gaps), 1);
	cr_assert_eq(DROPPED(ingest_gap), 3);
	// Without records it only asks.
	assert_ack(harness_publish(&p, 0, 50, 1, 9, 0, 0, 0), GODWIT_OK, 1, 6, 7);
	assert_ack(harness_publish(&p, 0, 50, 1, 7, 0, 0, 0), GODWIT_OK, 1, 6, 7);
	assert_ack(harness_publish(&p, 0, 50, 1, 1, 0, 0, 0), GODWIT_OK, 1, 6, 7);
	cr_assert_eq(COUNTED(publish_gaps), 1);
	cr_assert_eq(COUNTED(ingest_messages), 15);
	cr_assert_eq(log_head_seq(&harness_stream(&h, 0)->log), 6);
}

Checked(ingest, frames_of_one_turn_get_one_ack, stop)
{
	harness_open(&p, "s0", 50, 0);
	for (uint32_t i = 0; i < 5; i++)
		peer_publish(&p, 0, 50, 1, 1 + i * 2, 2, 0, 20);
	harness_turn(&h);
	cr_assert_eq(harness_left(&h, &p.address, GODWIT_PUBLISH_ACK), 1);
	assert_ack((const void *)harness_take(&h, &p.address, GODWIT_PUBLISH_ACK)->data, GODWIT_OK,
		   1, 10, 11);
}

Checked(ingest, a_stream_number_that_is_not_here, stop)
{
	harness_open(&p, "s0", 50, 0);
	peer_publish(&p, 1, 50, 1, 1, 3, 0, 20);
	harness_turn(&h);
	assert_error(GODWIT_UNKNOWN_STREAM, 0, 1);
	cr_assert_eq(DROPPED(ingest_unknown_stream), 3);
	cr_assert_eq(harness_left(&h, &p.address, GODWIT_PUBLISH_ACK), 0);
}

Checked(ingest, a_message_above_max_message_is_refused_with_its_frame, stop)
{
	harness_open(&p, "s0", 50, 0);
	assert_ack(harness_publish(&p, 0, 50, 1, 1, 1, 0, 1312), GODWIT_OK, 1, 1, 2);
	assert_ack(harness_publish(&p, 0, 50, 1, 2, 1, 0, 1313), GODWIT_TOO_LARGE, 1, 0, 0);
	cr_assert_eq(DROPPED(ingest_too_large), 1);
	// The number is still expected.
	assert_ack(harness_publish(&p, 0, 50, 1, 2, 1, 0, 20), GODWIT_OK, 1, 2, 3);
	cr_assert_eq(COUNTED(ingest_appended), 2);
}

Checked(ingest, busy_when_the_log_is_too_far_above_the_commit_and_on_again_when_it_moves, stop)
{
	struct harness_request r = {.number = 1};
	struct stream *stream;
	struct delivery d;
	uint64_t number = 1;

	restart(&(struct harness_config){.log_bytes = 8192});
	stream = harness_stream(&h, 0);
	d = delivery_start(harness_subscribe(&p, &r));
	harness_open(&p, "s0", 50, 0);
	assert_ack(harness_publish(&p, 0, 50, 1, number++, 1, 0, 500), GODWIT_OK, 1, 1, 2);
	harness_turn(&h);
	cr_assert_eq(delivery_take(&d, &p), 1);
	stream->commit_held = true;
	// 512 bytes each: eight are half of the log.
	for (; number <= 9; number++)
		assert_ack(harness_publish(&p, 0, 50, 1, number, 1, 0, 500), GODWIT_OK, 1, 1,
			   number + 1);
	assert_ack(harness_publish(&p, 0, 50, 1, number, 1, 0, 500), GODWIT_BUSY, 1, 1, 10);
	assert_ack(harness_publish(&p, 0, 50, 1, number, 1, 0, 0), GODWIT_BUSY, 1, 1, 10);
	cr_assert_eq(COUNTED(publish_busy), 2);
	cr_assert_eq(DROPPED(ingest_busy), 2);
	harness_turns(&h, 3);
	cr_assert_eq(delivery_take(&d, &p), 0, "nothing above the commit is delivered");

	// Somebody moves it by half: that is acknowledged and delivered, and no more.
	log_commit(&stream->log, 5);
	harness_turns(&h, 2);
	assert_ack((const void *)harness_take(&h, &p.address, GODWIT_PUBLISH_ACK)->data, GODWIT_OK,
		   1, 5, 10);
	cr_assert_eq(delivery_take(&d, &p), 4);
	cr_assert_eq(d.covered, 5);
	assert_ack(harness_publish(&p, 0, 50, 1, number, 1, 0, 500), GODWIT_OK, 1, 5, 11);
	stream->commit_held = false;
	harness_turns(&h, 2);
	cr_assert_eq(delivery_take(&d, &p), 5);
	cr_assert_eq(d.covered, 10);
	cr_assert_not(d.broken);
}

Checked(ingest, busy_when_the_runs_are_full, stop)
{
	struct stream *stream;

	restart(&(struct harness_config){.runs_max = 4});
	stream = harness_stream(&h, 0);
	harness_open(&p, "s0", 50, 0);
	harness_open(&p, "s0", 51, 0);
	stream->commit_held = true;
	// Two publishers by turns: no run continues the one before.
	for (uint32_t i = 0; i < 4; i++)
		assert_ack(harness_publish(&p, 0, 50 + i % 2, 1, 1 + i / 2, 1, 0, 20), GODWIT_OK, 1,
			   0, 2 + i / 2);
	assert_ack(harness_publish(&p, 0, 50, 1, 3, 1, 0, 20), GODWIT_BUSY, 1, 0, 3);
	cr_assert_eq(COUNTED(publish_busy), 1);
	stream->commit_held = false;
	harness_turn(&h);
	cr_assert_eq(harness_left(&h, &p.address, GODWIT_PUBLISH_ACK), 2);
	harness_clear(&h);
	assert_ack(harness_publish(&p, 0, 50, 1, 3, 1, 0, 20), GODWIT_OK, 1, 3, 4);
}

Checked(ingest, the_acknowledgement_goes_where_the_publisher_last_was, stop)
{
	struct client_peer old = p;

	harness_open(&p, "s0", 50, 0);
	harness_stream(&h, 0)->commit_held = true;
	peer_publish(&p, 0, 50, 1, 1, 2, 0, 20);
	harness_turn(&h);
	p = harness_peer(&h, 0, 2, 2, 1);
	cr_assert(harness_connect(&p, NULL));
	assert_opened(harness_open(&p, "s0", 50, 1), GODWIT_OK, 1, 2);
	peer_publish(&p, 0, 50, 1, 3, 1, 0, 20);
	harness_turn(&h);
	harness_clear(&h);
	harness_stream(&h, 0)->commit_held = false;
	harness_turn(&h);
	assert_ack((const void *)harness_take(&h, &p.address, GODWIT_PUBLISH_ACK)->data, GODWIT_OK,
		   1, 3, 4);
	cr_assert_eq(harness_left(&h, &old.address, GODWIT_PUBLISH_ACK), 0);
}

// ---- TOPIC -------------------------------------------------------------------------------------

static void assert_topic(const char *name, uint32_t topic)
{
	const struct harness_frame *frame = harness_take(&h, &p.address, GODWIT_TOPIC_NUMBER);
	const struct godwit_topic_number *number;

	cr_assert_not_null(frame);
	number = (const void *)frame->data;
	cr_assert_eq(godwit_get32(number->topic), topic);
	cr_assert_eq(godwit_get32(number->request), p.request);
	cr_assert_str_eq((const char *)number->name, name);
}

Checked(ingest, a_topic_gets_its_number_once, stop)
{
	restart(&(struct harness_config){.topics_max = 2});
	peer_topic(&p, "s0", "cpu", false);
	harness_turn(&h);
	assert_error(GODWIT_UNKNOWN_TOPIC, p.request, 0);
	cr_assert_eq(COUNTED(answer_unknown_topic), 1);
	peer_topic(&p, "s0", "cpu", true);
	harness_turn(&h);
	assert_topic("cpu", 1);
	peer_topic(&p, "s0", "cpu", true);
	harness_turn(&h);
	assert_topic("cpu", 1);
	peer_topic(&p, "s0", "disk", true);
	harness_turn(&h);
	assert_topic("disk", 2);
	peer_topic(&p, "s0", "net", true);
	harness_turn(&h);
	assert_error(GODWIT_LIMIT, p.request, 2);
	cr_assert_eq(COUNTED(answer_limit), 1);
	peer_topic(&p, "s0", "cpu", false);
	harness_turn(&h);
	assert_topic("cpu", 1);
	cr_assert_eq(COUNTED(topics_made), 2);
	peer_topic(&p, "nowhere", "cpu", false);
	harness_turn(&h);
	assert_error(GODWIT_UNKNOWN_STREAM, p.request, 0);
}
