// SPDX-License-Identifier: BSD-3-Clause
//
// Where a position leads in a stream: every start, every answer, every policy, over several epochs.
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

#include <godwit/wire_walk.h>

#include "dataplane/stream.h"

#define SESSION	  77
#define LOG_BYTES 8192
#define WALL	  1700000000000000000ull

static void *memory;
static struct stream *stream;

static struct stream_config config_of(void)
{
	return (struct stream_config){
		.name = "orders",
		.session = SESSION,
		.epoch = 1,
		.mtu = 1500,
		.log_bytes = LOG_BYTES,
		.log_memory = memory,
		.publishers_max = 4,
		.runs_max = 4,
		.topics_max = 3,
	};
}

static void start(void)
{
	struct stream_config config;

	memory = log_memory_map(LOG_BYTES, false, -1);
	config = config_of();
	stream = stream_create(&config, 0);
	cr_assert_not_null(stream);
}

static void stop(void)
{
	stream_destroy(stream);
	log_memory_unmap(memory, LOG_BYTES);
}

TestSuite(stream, .init = start, .fini = stop);

// Records of 64 bytes, a second apart, committed.
static void append(uint32_t count)
{
	uint8_t payload[52] = {0};

	while (count-- > 0)
		log_append(&stream->log, WALL + stream->log.head_own.seq * 1000000000ull, 0, 0,
			   payload, sizeof(payload));
	log_publish(&stream->log);
	log_commit(&stream->log, stream->log.head_own.seq);
}

static struct godwit_identifier id(uint64_t seq, uint32_t epoch)
{
	return (struct godwit_identifier){.session = SESSION, .seq = seq, .epoch = epoch};
}

static void assert_resolved(struct resolved r, enum godwit_code answer, uint64_t seq,
			    uint32_t epoch)
{
	cr_assert_eq(r.answer, answer, "%s", godwit_code_name(r.answer));
	cr_assert_eq(r.identifier.seq, seq, "seq %lu", r.identifier.seq);
	cr_assert_eq(r.identifier.epoch, epoch, "epoch %u", r.identifier.epoch);
}

// 1..10 in epoch 1, 11..20 in epoch 4, 21..25 in epoch 6.
static void three_epochs(void)
{
	append(10);
	stream_begin_epoch(stream, 4);
	append(10);
	stream_begin_epoch(stream, 6);
	append(5);
}

Test(stream, sizes_and_names_that_cannot_be)
{
	struct stream_config config = config_of();

	config.name = "";
	errno = 0;
	cr_assert_null(stream_create(&config, 0));
	cr_assert_eq(errno, EINVAL);
	config = config_of();
	config.session = 0;
	cr_assert_null(stream_create(&config, 0));
	config = config_of();
	config.epoch = 0;
	cr_assert_null(stream_create(&config, 0));
	config = config_of();
	config.mtu = 180;
	cr_assert_null(stream_create(&config, 0));
	config = config_of();
	config.log_bytes = 4096; // below four packets
	errno = 0;
	cr_assert_null(stream_create(&config, 0));
	cr_assert_eq(errno, EINVAL);
	config = config_of();
	config.name = "0123456789012345678901234567890123456789012345678901234567890123";
	cr_assert_null(stream_create(&config, 0));
}

Test(stream, epochs_tell_where_they_begin_and_end)
{
	uint64_t last;
	uint32_t found;

	three_epochs();
	cr_assert_eq(stream_epoch_of(stream, 1, &last), 1);
	cr_assert_eq(last, 10);
	cr_assert_eq(stream_epoch_of(stream, 10, &last), 1);
	cr_assert_eq(stream_epoch_of(stream, 11, &last), 4);
	cr_assert_eq(last, 20);
	cr_assert_eq(stream_epoch_of(stream, 25, &last), 6);
	cr_assert_eq(last, UINT64_MAX);
	cr_assert_eq(stream_epoch_of(stream, 1000, &last), 6);
	cr_assert_eq(stream_epoch_end(stream, 1, &found), 10);
	cr_assert_eq(found, 1);
	cr_assert_eq(stream_epoch_end(stream, 5, &found), 20);
	cr_assert_eq(found, 4);
	cr_assert_eq(stream_epoch_end(stream, 99, &found), UINT64_MAX);
	cr_assert_eq(found, 6);
	cr_assert_eq(stream_epoch_end(stream, 0, &found), 0);
	cr_assert_eq(found, 0);
}

Test(stream, an_epoch_without_a_record_has_none)
{
	uint64_t last;
	uint32_t found;

	append(3);
	stream_begin_epoch(stream, 2);
	stream_begin_epoch(stream, 3);
	append(2);
	cr_assert_eq(stream_epoch_of(stream, 4, &last), 3);
	cr_assert_eq(stream_epoch_of(stream, 3, &last), 1);
	cr_assert_eq(last, 3);
	cr_assert_eq(stream_epoch_end(stream, 2, &found), 3);
	assert_resolved(stream_resolve(stream, id(4, 2)), GODWIT_DIVERGED, 3, 1);
}

Test(stream, an_identifier_leads_behind_its_message)
{
	assert_resolved(stream_resolve(stream, id(0, 0)), GODWIT_OK, 0, 0);
	three_epochs();
	assert_resolved(stream_resolve(stream, id(0, 0)), GODWIT_OK, 0, 0);
	assert_resolved(stream_resolve(stream, id(1, 1)), GODWIT_OK, 1, 1);
	assert_resolved(stream_resolve(stream, id(10, 1)), GODWIT_OK, 10, 1);
	assert_resolved(stream_resolve(stream, id(11, 4)), GODWIT_OK, 11, 4);
	assert_resolved(stream_resolve(stream, id(25, 6)), GODWIT_OK, 25, 6);
}

Test(stream, an_identifier_above_the_commit_is_found)
{
	append(3);
	log_append(&stream->log, WALL + 10000000000ull, 0, 0, "x", 1);
	log_publish(&stream->log);
	cr_assert_eq(log_committed_seq(&stream->log), 3);
	assert_resolved(stream_resolve(stream, id(4, 1)), GODWIT_OK, 4, 1);
	assert_resolved(stream_resolve(stream, id(5, 1)), GODWIT_FUTURE, 4, 1);
}

Test(stream, what_was_never_appended_is_future_or_diverged)
{
	three_epochs();
	assert_resolved(stream_resolve(stream, id(26, 6)), GODWIT_FUTURE, 25, 6);
	assert_resolved(stream_resolve(stream, id(UINT64_MAX - 1, 6)), GODWIT_FUTURE, 25, 6);
	assert_resolved(stream_resolve(stream, id(UINT64_MAX, 6)), GODWIT_FUTURE, 25, 6);
	// Its epoch ended before it: the last that both have is that epoch's end.
	assert_resolved(stream_resolve(stream, id(11, 1)), GODWIT_DIVERGED, 10, 1);
	assert_resolved(stream_resolve(stream, id(24, 4)), GODWIT_DIVERGED, 20, 4);
	assert_resolved(stream_resolve(stream, id(400, 1)), GODWIT_DIVERGED, 10, 1);
	assert_resolved(stream_resolve(stream, id(23, 5)), GODWIT_DIVERGED, 20, 4);
	// Of an epoch that began later, or of none at all.
	assert_resolved(stream_resolve(stream, id(5, 4)), GODWIT_DIVERGED, 4, 1);
	assert_resolved(stream_resolve(stream, id(5, 3)), GODWIT_DIVERGED, 4, 1);
	assert_resolved(stream_resolve(stream, id(5, 0)), GODWIT_DIVERGED, 0, 0);
}

Test(stream, another_session_is_not_known_here)
{
	struct godwit_identifier other = {.session = SESSION + 1, .seq = 5, .epoch = 1};
	struct resolved r;

	append(10);
	r = stream_resolve(stream, other);
	assert_resolved(r, GODWIT_UNKNOWN_SESSION, 0, 0);
	cr_assert_eq(r.identifier.session, SESSION + 1);
	r = stream_start(stream, GODWIT_START_LATEST, 0, SESSION + 1, 0);
	cr_assert_eq(r.answer, GODWIT_UNKNOWN_SESSION);
	cr_assert_eq(stream_apply_policy(stream, r, GODWIT_POLICY_EARLIEST).seq, 0);
	cr_assert_eq(stream_apply_policy(stream, r, GODWIT_POLICY_EARLIEST).session, SESSION);
	cr_assert_eq(stream_apply_policy(stream, r, GODWIT_POLICY_LATEST).seq, 10);
	// AFTER needs a session, and 0 is none.
	r = stream_start(stream, GODWIT_START_AFTER, 5, 0, 1);
	cr_assert_eq(r.answer, GODWIT_UNKNOWN_SESSION);
}

Test(stream, what_is_no_longer_kept_is_truncated)
{
	struct resolved r;
	struct godwit_identifier from;
	uint64_t earliest;

	append(300);
	earliest = log_earliest(&stream->log);
	cr_assert_gt(earliest, 150);
	assert_resolved(stream_resolve(stream, id(0, 0)), GODWIT_TRUNCATED, earliest - 1, 1);
	r = stream_resolve(stream, id(earliest - 2, 1));
	assert_resolved(r, GODWIT_TRUNCATED, earliest - 1, 1);
	assert_resolved(stream_resolve(stream, id(earliest - 1, 1)), GODWIT_OK, earliest - 1, 1);
	// With a margin of an eighth of the log, at a cut.
	from = stream_apply_policy(stream, r, GODWIT_POLICY_EARLIEST);
	cr_assert_geq(from.seq + 1, earliest + LOG_BYTES / 8 / 64 - 16 / 64);
	cr_assert_leq(from.seq + 1, earliest + LOG_BYTES / 8 / 64 + 1396 / 64 + 1);
	cr_assert_eq(stream_apply_policy(stream, r, GODWIT_POLICY_LATEST).seq, 300);
	r = stream_start(stream, GODWIT_START_EARLIEST, 0, 0, 0);
	assert_resolved(r, GODWIT_OK, from.seq, 1);
}

// What a client took of a history that was given up it is told of, though nothing is kept from there on.
Test(stream, what_is_no_longer_kept_and_was_another_history_has_diverged)
{
	uint64_t earliest;

	three_epochs();
	append(300);
	earliest = log_earliest(&stream->log);
	cr_assert_gt(earliest, 100);
	assert_resolved(stream_resolve(stream, id(15, 1)), GODWIT_TRUNCATED, earliest - 1, 6);
	stream->ack_local = true;
	assert_resolved(stream_resolve(stream, id(15, 1)), GODWIT_DIVERGED, 10, 1);
	assert_resolved(stream_resolve(stream, id(15, 5)), GODWIT_DIVERGED, 14, 4);
	assert_resolved(stream_resolve(stream, id(15, 4)), GODWIT_TRUNCATED, earliest - 1, 6);
	assert_resolved(stream_resolve(stream, id(30, 6)), GODWIT_TRUNCATED, earliest - 1, 6);
	assert_resolved(stream_resolve(stream, id(0, 0)), GODWIT_TRUNCATED, earliest - 1, 6);
	assert_resolved(stream_start(stream, GODWIT_START_SEQUENCE, 15, 0, 0), GODWIT_TRUNCATED,
			earliest - 1, 6);
	// A replica says so where it agreed with a primary of a later epoch; else its own history may be the lost one.
	stream->role = STREAM_REPLICA;
	atomic_store(&stream->reconciled, 4);
	assert_resolved(stream_resolve(stream, id(15, 1)), GODWIT_DIVERGED, 10, 1);
	assert_resolved(stream_resolve(stream, id(15, 5)), GODWIT_BEHIND, 15, 5);
	assert_resolved(stream_resolve(stream, id(15, 4)), GODWIT_TRUNCATED, earliest - 1, 6);
}

// A log that was begun anew knows of no earlier epochs: of their identifiers it cannot say that they were of its history.
Test(stream, a_position_of_which_nothing_is_known_has_diverged_where_acks_are_local)
{
	stream_reset(stream, SESSION, 100, 3);
	append(10);
	stream->ack_local = true;
	assert_resolved(stream_resolve(stream, id(50, 3)), GODWIT_TRUNCATED, 99, 3);
	assert_resolved(stream_resolve(stream, id(50, 2)), GODWIT_DIVERGED, 99, 3);
	assert_resolved(stream_resolve(stream, id(50, 4)), GODWIT_DIVERGED, 99, 3);
	assert_resolved(stream_resolve(stream, id(50, 0)), GODWIT_TRUNCATED, 99, 3);
	stream->ack_local = false;
	assert_resolved(stream_resolve(stream, id(50, 2)), GODWIT_TRUNCATED, 99, 3);
}

Test(stream, what_an_operator_gave_up_has_diverged_though_nothing_is_kept_of_it)
{
	uint64_t earliest;

	append(10);
	stream_begin_epoch(stream, 2 + GODWIT_GIVE_UP_EPOCHS);
	append(300);
	earliest = log_earliest(&stream->log);
	cr_assert_gt(earliest, 100);
	assert_resolved(stream_resolve(stream, id(15, 1)), GODWIT_DIVERGED, 10, 1);
	assert_resolved(stream_resolve(stream, id(10, 1)), GODWIT_TRUNCATED, earliest - 1,
			2 + GODWIT_GIVE_UP_EPOCHS);
	assert_resolved(stream_resolve(stream, id(15, 2 + GODWIT_GIVE_UP_EPOCHS)), GODWIT_TRUNCATED,
			earliest - 1, 2 + GODWIT_GIVE_UP_EPOCHS);
}

Test(stream, every_start_leads_to_its_sequence)
{
	assert_resolved(stream_start(stream, GODWIT_START_LATEST, 0, 0, 0), GODWIT_OK, 0, 0);
	assert_resolved(stream_start(stream, GODWIT_START_EARLIEST, 0, 0, 0), GODWIT_OK, 0, 0);
	assert_resolved(stream_start(stream, GODWIT_START_TIME, WALL, 0, 0), GODWIT_OK, 0, 0);
	assert_resolved(stream_start(stream, GODWIT_START_SEQUENCE, 1, 0, 0), GODWIT_OK, 0, 0);
	assert_resolved(stream_start(stream, GODWIT_START_SEQUENCE, 2, 0, 0), GODWIT_FUTURE, 0, 0);
	three_epochs();
	assert_resolved(stream_start(stream, GODWIT_START_LATEST, 0, 0, 0), GODWIT_OK, 25, 6);
	assert_resolved(stream_start(stream, GODWIT_START_EARLIEST, 0, SESSION, 0), GODWIT_OK, 0,
			0);
	assert_resolved(stream_start(stream, GODWIT_START_SEQUENCE, 11, 0, 0), GODWIT_OK, 10, 1);
	assert_resolved(stream_start(stream, GODWIT_START_SEQUENCE, 12, 0, 0), GODWIT_OK, 11, 4);
	assert_resolved(stream_start(stream, GODWIT_START_SEQUENCE, 26, 0, 0), GODWIT_OK, 25, 6);
	assert_resolved(stream_start(stream, GODWIT_START_SEQUENCE, 27, 0, 0), GODWIT_FUTURE, 25,
			6);
	assert_resolved(stream_start(stream, GODWIT_START_AFTER, 11, SESSION, 4), GODWIT_OK, 11, 4);
	assert_resolved(stream_start(stream, GODWIT_START_AFTER, 11, SESSION, 1), GODWIT_DIVERGED,
			10, 1);
	// The first message not before the time: record n is of WALL + (n - 1) s.
	assert_resolved(stream_start(stream, GODWIT_START_TIME, 0, 0, 0), GODWIT_OK, 0, 0);
	assert_resolved(stream_start(stream, GODWIT_START_TIME, WALL + 11000000000ull, 0, 0),
			GODWIT_OK, 11, 4);
	assert_resolved(stream_start(stream, GODWIT_START_TIME, WALL + 11000000001ull, 0, 0),
			GODWIT_OK, 12, 4);
	assert_resolved(stream_start(stream, GODWIT_START_TIME, UINT64_MAX, 0, 0), GODWIT_OK, 25,
			6);
}

// What is in the log and not committed may be cut off, and nobody's start may lie in it.
Test(stream, a_start_by_time_lies_at_most_at_the_commit)
{
	three_epochs();
	log_append(&stream->log, WALL + 30000000000ull, 0, 0, "x", 1);
	log_publish(&stream->log);
	cr_assert_eq(log_head_seq(&stream->log), 26);
	cr_assert_eq(log_committed_seq(&stream->log), 25);
	assert_resolved(stream_start(stream, GODWIT_START_TIME, UINT64_MAX, 0, 0), GODWIT_OK, 25,
			6);
	assert_resolved(stream_start(stream, GODWIT_START_TIME, WALL + 30000000000ull, 0, 0),
			GODWIT_OK, 25, 6);
	log_commit(&stream->log, 26);
	assert_resolved(stream_start(stream, GODWIT_START_TIME, UINT64_MAX, 0, 0), GODWIT_OK, 26,
			6);
}

Test(stream, a_start_by_sequence_lies_at_most_at_the_commit)
{
	three_epochs();
	log_append(&stream->log, WALL + 30000000000ull, 0, 0, "x", 1);
	log_publish(&stream->log);
	assert_resolved(stream_start(stream, GODWIT_START_SEQUENCE, 26, 0, 0), GODWIT_OK, 25, 6);
	cr_assert_eq(stream_start(stream, GODWIT_START_SEQUENCE, 27, 0, 0).answer, GODWIT_BUSY);
	assert_resolved(stream_start(stream, GODWIT_START_SEQUENCE, 28, 0, 0), GODWIT_FUTURE, 25,
			6);
	log_commit(&stream->log, 26);
	assert_resolved(stream_start(stream, GODWIT_START_SEQUENCE, 27, 0, 0), GODWIT_OK, 26, 6);
	assert_resolved(stream_start(stream, GODWIT_START_SEQUENCE, 28, 0, 0), GODWIT_FUTURE, 26,
			6);
}

Test(stream, each_policy_for_each_answer)
{
	struct resolved r;

	three_epochs();
	r = stream_resolve(stream, id(30, 6));
	cr_assert_eq(stream_apply_policy(stream, r, GODWIT_POLICY_EARLIEST).seq, 25);
	cr_assert_eq(stream_apply_policy(stream, r, GODWIT_POLICY_LATEST).seq, 25);
	r = stream_resolve(stream, id(15, 1));
	cr_assert_eq(stream_apply_policy(stream, r, GODWIT_POLICY_EARLIEST).seq, 10);
	cr_assert_eq(stream_apply_policy(stream, r, GODWIT_POLICY_EARLIEST).epoch, 1);
	cr_assert_eq(stream_apply_policy(stream, r, GODWIT_POLICY_LATEST).seq, 25);
}

Test(stream, more_epochs_than_the_table_keeps)
{
	uint64_t last;

	for (uint32_t epoch = 2; epoch < 2 + 2 * STREAM_EPOCHS; epoch++) {
		append(3);
		stream_begin_epoch(stream, epoch);
	}
	append(1);
	// 3 records an epoch: record 3 * (e - 1) + 1 is the first of epoch e.
	cr_assert_eq(stream_epoch_of(stream, stream->log.head_own.seq, &last), stream->epoch);
	cr_assert_eq(stream_epoch_of(stream, stream->log.head_own.seq - 1, &last),
		     stream->epoch - 1);
	cr_assert_eq(last, stream->log.head_own.seq - 1);
	cr_assert_eq(stream_epoch_of(stream, 1, &last), 0);
	cr_assert_gt(log_earliest(&stream->log), 1, "nothing of a forgotten epoch is kept");
	assert_resolved(stream_resolve(stream, id(1, 1)), GODWIT_TRUNCATED,
			log_earliest(&stream->log) - 1,
			stream_epoch_of(stream, log_earliest(&stream->log) - 1, &last));
}

Test(stream, topics_have_one_number_each)
{
	uint8_t name[GODWIT_NAME_BYTES];
	bool made;

	godwit_name_set(name, "a");
	cr_assert_eq(stream_topic(stream, name, false, &made), 0);
	cr_assert_eq(stream_topic(stream, name, true, &made), 1);
	cr_assert(made);
	cr_assert_eq(stream_topic(stream, name, true, &made), 1);
	cr_assert_not(made);
	godwit_name_set(name, "b");
	cr_assert_eq(stream_topic(stream, name, true, &made), 2);
	godwit_name_set(name, "c");
	cr_assert_eq(stream_topic(stream, name, true, &made), 3);
	godwit_name_set(name, "d");
	cr_assert_eq(stream_topic(stream, name, true, &made), 0);
	godwit_name_set(name, "b");
	cr_assert_eq(stream_topic(stream, name, false, &made), 2);
}

// ---- in a cluster ------------------------------------------------------------------------------

Test(stream, not_served_is_to_be_asked_again)
{
	append(5);
	stream_serve(stream, false);
	assert_resolved(stream_resolve(stream, id(3, 1)), GODWIT_BUSY, 3, 1);
	cr_assert_eq(stream_start(stream, GODWIT_START_LATEST, 0, 0, 0).answer, GODWIT_BUSY);
	stream_serve(stream, true);
	assert_resolved(stream_resolve(stream, id(3, 1)), GODWIT_OK, 3, 1);
}

Test(stream, a_replica_is_behind_rather_than_sure)
{
	three_epochs();
	stream->role = STREAM_REPLICA;
	atomic_store(&stream->reconciled, 6);
	assert_resolved(stream_resolve(stream, id(25, 6)), GODWIT_OK, 25, 6);
	assert_resolved(stream_resolve(stream, id(26, 6)), GODWIT_BEHIND, 26, 6);
	assert_resolved(stream_resolve(stream, id(26, 7)), GODWIT_BEHIND, 26, 7);
	// Held in an epoch above the identifier's, agreed upon with its primary.
	assert_resolved(stream_resolve(stream, id(11, 1)), GODWIT_DIVERGED, 10, 1);
	assert_resolved(stream_resolve(stream, id(24, 4)), GODWIT_DIVERGED, 20, 4);
	// Above the end, but the identifier's epoch is known to have ended before it.
	assert_resolved(stream_resolve(stream, id(26, 4)), GODWIT_DIVERGED, 20, 4);
	// Of an epoch that this replica has not seen anything of.
	assert_resolved(stream_resolve(stream, id(26, 5)), GODWIT_BEHIND, 26, 5);
	// It may be this log that is not the stream's.
	assert_resolved(stream_resolve(stream, id(24, 7)), GODWIT_BEHIND, 24, 7);
	atomic_store(&stream->reconciled, 4);
	assert_resolved(stream_resolve(stream, id(24, 4)), GODWIT_BEHIND, 24, 4);
	assert_resolved(stream_resolve(stream, id(11, 1)), GODWIT_DIVERGED, 10, 1);
}

Test(stream, cut_back_forgets_epochs_that_have_no_record_left)
{
	uint64_t last;

	three_epochs();
	cr_assert(stream_cut_back(stream, 20));
	cr_assert_eq(stream->epoch, 4);
	cr_assert_eq(stream_epoch_of(stream, 20, &last), 4);
	cr_assert_eq(last, UINT64_MAX);
	cr_assert(stream_cut_back(stream, 12));
	cr_assert_eq(stream->epoch, 4);
	stream_begin_epoch(stream, 9);
	append(3);
	cr_assert_eq(stream_epoch_of(stream, 12, &last), 4);
	cr_assert_eq(last, 12);
	cr_assert_eq(stream_epoch_of(stream, 13, &last), 9);
	cr_assert(stream_cut_back(stream, 0));
	cr_assert_eq(stream->epoch, 1, "the last of the table stays");
	cr_assert_eq(log_head_seq(&stream->log), 0);
	cr_assert_not(stream_cut_back(stream, 1));
}

Test(stream, what_is_empty_can_begin_in_an_earlier_epoch)
{
	uint64_t last;

	three_epochs();
	stream_lower_epoch(stream, 2);
	cr_assert_neq(stream->epoch, 2, "it holds records");
	stream_reset(stream, 78, 1, 5);
	stream_lower_epoch(stream, 6);
	cr_assert_eq(stream->epoch, 5);
	stream_lower_epoch(stream, 3);
	cr_assert_eq(stream->epoch, 3);
	append(2);
	stream_begin_epoch(stream, 4);
	append(1);
	cr_assert_eq(stream_epoch_of(stream, 2, &last), 3);
	cr_assert_eq(last, 2);
	cr_assert_eq(stream_epoch_of(stream, 3, &last), 4);
}

static void ignore_committed(void *arg, uint32_t number)
{
	(void)arg;
	(void)number;
}

Test(stream, cut_back_takes_the_publishers_along)
{
	uint32_t number, skip;

	publishers_open(stream->publishers, 70, 0, &number);
	for (uint32_t i = 1; i <= 4; i++) {
		publishers_appended(stream->publishers, number, i, 1);
		append(1);
	}
	cr_assert(stream_cut_back(stream, 2));
	cr_assert_eq(publishers_judge(stream->publishers, 70, 1, 3, 1, &number, &skip),
		     PUBLISH_NEXT);
	publishers_commit(stream->publishers, 2, ignore_committed, NULL);
	publishers_release(stream->publishers, 2);
	cr_assert_not(stream_cut_back(stream, 1), "the base cannot be undone");
	cr_assert_eq(log_head_seq(&stream->log), 2);
}

Test(stream, reset_holds_another_session_from_any_sequence)
{
	struct godwit_identifier after = {.session = 78, .seq = 499, .epoch = 7};

	three_epochs();
	stream_serve(stream, false);
	stream_reset(stream, 78, 500, 7);
	cr_assert_eq(stream_session(stream), 0);
	stream_serve(stream, true);
	cr_assert_eq(stream_session(stream), 78);
	assert_resolved(stream_resolve(stream, after), GODWIT_OK, 499, 7);
	cr_assert_eq(stream_resolve(stream, id(5, 1)).answer, GODWIT_UNKNOWN_SESSION);
	append(3);
	cr_assert_eq(log_head_seq(&stream->log), 502);
}

Test(stream, cutting_back_after_many_epochs_reads_none_that_was_overwritten)
{
	uint64_t last;

	for (uint32_t i = 0; i < 3 * STREAM_EPOCHS; i++) {
		append(1);
		stream_begin_epoch(stream, 10 + i);
	}
	append(1);
	// Record n + 2 is of epoch 10 + n, and the last of the table, of 3 * STREAM_EPOCHS + 1, overwrote many.
	cr_assert(stream_cut_back(stream, 3 * STREAM_EPOCHS - 10));
	cr_assert_eq(stream->epoch, 3 * STREAM_EPOCHS - 2);
	cr_assert_eq(stream_epoch_of(stream, 3 * STREAM_EPOCHS - 40, &last),
		     3 * STREAM_EPOCHS - 32);
	cr_assert_eq(stream_epoch_of(stream, 2 * STREAM_EPOCHS, &last), 0);
}
