// SPDX-License-Identifier: BSD-3-Clause
//
// The static backend over a store in memory that fails where it is told to.
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/cluster_static.h"
#include "control/cluster_text.h"

#define FILES_MAX 4

struct file {
	char name[CLUSTER_FILE_NAME_BYTES];
	char text[CLUSTER_TEXT_BYTES];
	size_t bytes; // 0: there is none
};

enum fault {
	NO_FAULT,
	FAILS,	     // nothing happens
	HALF,	     // it happens, but may not survive
	HALF_UNDONE, // it did not survive
};

static struct store {
	struct file files[FILES_MAX];
	enum fault fault;
	int read_error;
	uint32_t writes, reads;
} store;

static struct file *file_of(const char *name)
{
	for (uint32_t i = 0; i < FILES_MAX; i++) {
		if (store.files[i].name[0] == '\0')
			snprintf(store.files[i].name, sizeof(store.files[i].name), "%s", name);
		if (strcmp(store.files[i].name, name) == 0)
			return &store.files[i];
	}
	cr_assert_fail("no room for %s", name);
	return NULL;
}

static int store_read(void *arg, const char *name, char *text, size_t size)
{
	struct file *file = file_of(name);

	(void)arg;
	store.reads++;
	if (store.read_error != 0)
		return store.read_error;
	if (file->bytes == 0)
		return -ENOENT;
	cr_assert_leq(file->bytes, size);
	memcpy(text, file->text, file->bytes);
	return (int)file->bytes;
}

static int store_write(void *arg, const char *name, const char *text, size_t bytes)
{
	struct file *file = file_of(name);

	(void)arg;
	store.writes++;
	if (store.fault == FAILS)
		return -ENOSPC;
	if (store.fault != HALF_UNDONE) {
		memcpy(file->text, text, bytes);
		file->bytes = bytes;
	}
	return store.fault == NO_FAULT ? 0 : CLUSTER_STORE_UNKNOWN;
}

static const struct cluster_static_stream streams[] = {
	{.name = "trades", .primary = 1, .min_in_sync = 2, .replica_count = 2, .replicas = {2, 3}},
	{.name = "fx", .primary = 1, .min_in_sync = 1, .replica_count = 1, .replicas = {3}},
	{.name = "theirs", .primary = 2, .min_in_sync = 1, .replica_count = 1, .replicas = {1}},
};

static struct cluster start_as(const char *name, uint16_t server)
{
	struct cluster_static_config config = {
		.server = server,
		.member_count = 3,
		.members = {{.id = 1, .weight = 1}, {.id = 2, .weight = 1}, {.id = 3, .weight = 5}},
		.stream_count = 3,
		.streams = streams,
		.store = {store_read, store_write, NULL},
	};
	struct cluster cluster;
	struct cluster_event event;

	snprintf(config.name, sizeof(config.name), "%s", name);
	cr_assert_eq(cluster_static_create(&cluster, &config), 0);
	cr_assert(cluster_next(&cluster, 0, &event));
	cr_assert_eq(event.kind, CLUSTER_MEMBERS);
	return cluster;
}

// A process of server 1.
static struct cluster start(void)
{
	return start_as("lab", 1);
}

static struct cluster_event next_of(struct cluster *cluster, enum cluster_event_kind kind)
{
	struct cluster_event event;

	cr_assert(cluster_next(cluster, 0, &event), "there is an event");
	cr_assert_eq(event.kind, kind);
	return event;
}

static void expect_none(struct cluster *cluster)
{
	struct cluster_event event;

	cr_assert_not(cluster_next(cluster, 0, &event));
}

static struct cluster_event read_of(struct cluster *cluster, uint32_t stream)
{
	cr_assert_eq(cluster_read(cluster, stream), 0);
	return next_of(cluster, CLUSTER_READ);
}

static struct cluster_event change_of(struct cluster *cluster, uint32_t stream,
				      const struct cluster_record *record)
{
	cr_assert_eq(cluster_change(cluster, stream, record), 0);
	return next_of(cluster, CLUSTER_CHANGED);
}

// The first record of stream 0.
static struct cluster_record first_record(void)
{
	return (struct cluster_record){
		.session = 0xabc,
		.epoch = 1,
		.primary = 1,
		.min_in_sync = 2,
		.in_sync_count = 2,
		.in_sync = {{1, 100}, {2, 200}},
	};
}

// A process with the first record in force.
static struct cluster start_with_record(void)
{
	struct cluster cluster = start();
	struct cluster_record record = first_record();

	cr_assert_eq(change_of(&cluster, 0, &record).answer, CLUSTER_DONE);
	next_of(&cluster, CLUSTER_SEEN);
	expect_none(&cluster);
	return cluster;
}

Test(cluster_static, tells_the_servers_once)
{
	struct cluster_member members[CLUSTER_SERVERS_MAX];
	struct cluster cluster = start();

	cr_assert_eq(cluster_members(&cluster, members), 3);
	cr_assert_eq(members[2].id, 3);
	cr_assert_eq(members[2].weight, 5);
	expect_none(&cluster);
	cluster_destroy(&cluster);
}

Test(cluster_static, has_no_record_at_first)
{
	struct cluster cluster = start();
	struct cluster_event event = read_of(&cluster, 0);

	cr_assert_eq(event.answer, CLUSTER_ABSENT);
	cr_assert_eq(event.record.revision, 0);
	expect_none(&cluster);
	cr_assert_eq(store.writes, 0);
	cluster_destroy(&cluster);
}

Test(cluster_static, keeps_a_record_beyond_its_process)
{
	struct cluster cluster = start_with_record();
	struct cluster_event event;

	cluster_destroy(&cluster);
	cluster = start();
	store.writes = 0;
	event = read_of(&cluster, 0);
	cr_assert_eq(event.answer, CLUSTER_DONE, "%s", event.why);
	cr_assert_eq(event.record.revision, 1);
	cr_assert_eq(event.record.session, 0xabc);
	cr_assert_eq(event.record.in_sync[1].incarnation, 200);
	cr_assert_eq(store.writes, 1, "what is found may not be on the disk yet");
	next_of(&cluster, CLUSTER_SEEN);
	expect_none(&cluster);
	read_of(&cluster, 0);
	cr_assert_eq(store.writes, 1);
	cluster_destroy(&cluster);
}

Test(cluster_static, is_lost_with_its_file)
{
	struct cluster cluster = start_with_record();

	cluster_destroy(&cluster);
	memset(&store, 0, sizeof(store));
	cluster = start();
	cr_assert_eq(read_of(&cluster, 0).answer, CLUSTER_ABSENT);
	cluster_destroy(&cluster);
}

Test(cluster_static, changes_from_the_revision_in_force_only)
{
	struct cluster cluster = start_with_record();
	struct cluster_record record = first_record();
	struct cluster_event event = change_of(&cluster, 0, &record);

	cr_assert_eq(event.answer, CLUSTER_CONFLICT, "made from none, but there is one");
	cr_assert_eq(event.record.revision, 1);
	cr_assert_eq(event.record.session, 0xabc);
	record = event.record;
	record.epoch = 2;
	record.in_sync_count = 1;
	event = change_of(&cluster, 0, &record);
	cr_assert_eq(event.answer, CLUSTER_DONE);
	cr_assert_eq(event.record.revision, 2);
	next_of(&cluster, CLUSTER_SEEN);
	cr_assert_eq(change_of(&cluster, 0, &record).answer, CLUSTER_CONFLICT,
		     "made from the one before");
	record.revision = 9;
	cr_assert_eq(change_of(&cluster, 0, &record).answer, CLUSTER_CONFLICT,
		     "from none that was");
	expect_none(&cluster);
	cr_assert_eq(read_of(&cluster, 0).record.epoch, 2);
	cluster_destroy(&cluster);
}

Test(cluster_static, is_in_force_only_when_it_is_on_the_disk)
{
	struct cluster cluster = start_with_record();
	struct cluster_record record = first_record();

	record.revision = 1;
	record.epoch = 2;
	cr_assert_eq(cluster_change(&cluster, 0, &record), 0);
	cr_assert_eq(store.writes, 1, "the call that asks does nothing");
	cr_assert_eq(cluster_change(&cluster, 0, &record), -EBUSY);
	cr_assert_eq(cluster_read(&cluster, 0), -EBUSY);
	cr_assert_eq(next_of(&cluster, CLUSTER_CHANGED).answer, CLUSTER_DONE);
	cr_assert_eq(store.writes, 2);
	cluster_destroy(&cluster);
}

Test(cluster_static, keeps_the_old_record_where_the_new_one_cannot_be_written)
{
	struct cluster cluster = start_with_record();
	struct cluster_record record = first_record();
	struct cluster_event event;

	record.revision = 1;
	record.epoch = 2;
	store.fault = FAILS;
	event = change_of(&cluster, 0, &record);
	cr_assert_eq(event.answer, CLUSTER_FAILED);
	cr_assert_str_eq(event.why, "trades.stream: it cannot be written: No space left on device");
	store.fault = NO_FAULT;
	event = read_of(&cluster, 0);
	cr_assert_eq(event.record.revision, 1);
	cr_assert_eq(event.record.epoch, 1);
	cr_assert_eq(change_of(&cluster, 0, &record).answer, CLUSTER_DONE, "again, with room");
	cluster_destroy(&cluster);
}

// After either outcome of a change of which only half is known.
static void expect_told_later(enum fault fault, uint32_t epoch)
{
	struct cluster cluster;
	struct cluster_record record = first_record();
	struct cluster_event event;

	memset(&store, 0, sizeof(store));
	cluster = start_with_record();
	record.revision = 1;
	record.epoch = 2;
	store.fault = fault;
	event = change_of(&cluster, 0, &record);
	cr_assert_eq(event.answer, CLUSTER_UNKNOWN);
	cr_assert_str_not_empty(event.why);
	expect_none(&cluster);
	event = read_of(&cluster, 0);
	cr_assert_eq(event.answer, CLUSTER_FAILED, "it is still not known to be on the disk");
	store.fault = NO_FAULT;
	event = read_of(&cluster, 0);
	cr_assert_eq(event.answer, CLUSTER_DONE);
	cr_assert_eq(event.record.epoch, epoch);
	cr_assert_eq(change_of(&cluster, 0, &record).answer,
		     epoch == 2 ? CLUSTER_CONFLICT : CLUSTER_DONE);
	cluster_destroy(&cluster);
}

Test(cluster_static, reads_again_what_it_does_not_know)
{
	expect_told_later(HALF, 2);
	expect_told_later(HALF_UNDONE, 1);
}

Test(cluster_static, refuses_what_breaks_a_rule)
{
	struct cluster cluster = start_with_record();
	struct cluster_record good = first_record(), bad[10];
	uint32_t count = sizeof(bad) / sizeof(bad[0]);

	good.revision = 1;
	good.epoch = 5;
	for (uint32_t i = 0; i < count; i++)
		bad[i] = good;
	cr_assert_eq(change_of(&cluster, 0, &good).answer, CLUSTER_DONE);
	next_of(&cluster, CLUSTER_SEEN);
	bad[0].session = 0;
	bad[1].epoch = 0;
	bad[2].primary = 2;
	bad[3].min_in_sync = 1;
	bad[4].epoch = 4;
	bad[5].session = 0xdef; // in the same epoch
	bad[6].in_sync[1].server = 7;
	bad[7].in_sync[1].server = 1;
	bad[8].in_sync[0].incarnation = 0;
	bad[9].in_sync_count = CLUSTER_SERVERS_MAX + 1;
	store.writes = 0;
	for (uint32_t i = 0; i < count; i++) {
		struct cluster_event event;

		bad[i].revision = 2;
		event = change_of(&cluster, 0, &bad[i]);
		cr_assert_eq(event.answer, CLUSTER_REFUSED, "number %u", i);
		cr_assert_str_not_empty(event.why);
	}
	cr_assert_eq(store.writes, 0);
	good.revision = 2;
	good.session = 0xdef;
	good.epoch = 6;
	good.in_sync_count = 0;
	cr_assert_eq(change_of(&cluster, 0, &good).answer, CLUSTER_DONE,
		     "a new session in a new epoch, nobody in sync yet");
	cluster_destroy(&cluster);
}

Test(cluster_static, leaves_a_damaged_file_alone)
{
	struct cluster cluster = start_with_record();
	struct cluster_record record = first_record();
	struct cluster_event event;
	struct file before;

	cluster_destroy(&cluster);
	file_of("trades.stream")->bytes -= 5;
	before = *file_of("trades.stream");
	cluster = start();
	event = read_of(&cluster, 0);
	cr_assert_eq(event.answer, CLUSTER_DAMAGED);
	cr_assert_str_eq(event.why,
			 "trades.stream: its checksum is wrong: it was cut off or altered");
	cr_assert_eq(change_of(&cluster, 0, &record).answer, CLUSTER_DAMAGED);
	record.revision = 1;
	cr_assert_eq(change_of(&cluster, 0, &record).answer, CLUSTER_DAMAGED);
	cr_assert_eq(memcmp(&before, file_of("trades.stream"), sizeof(before)), 0);
	cr_assert_eq(read_of(&cluster, 1).answer, CLUSTER_ABSENT, "other streams go on");
	store.read_error = -EFBIG;
	cr_assert_eq(read_of(&cluster, 0).answer, CLUSTER_DAMAGED);
	store.read_error = -EIO;
	event = read_of(&cluster, 0);
	cr_assert_eq(event.answer, CLUSTER_FAILED);
	cr_assert_str_eq(event.why, "trades.stream: it cannot be read: Input/output error");
	cluster_destroy(&cluster);
}

Test(cluster_static, refuses_a_file_that_is_not_its_own)
{
	struct cluster cluster = start_with_record();
	struct cluster_event event;
	struct cluster_record record = first_record();

	cluster_destroy(&cluster);
	cluster = start_as("prod", 1);
	event = read_of(&cluster, 0);
	cr_assert_eq(event.answer, CLUSTER_FOREIGN);
	cr_assert_str_eq(event.why, "trades.stream: it belongs to cluster lab, not prod");
	cluster_destroy(&cluster);
	*file_of("fx.stream") = *file_of("trades.stream");
	snprintf(store.files[1].name, sizeof(store.files[1].name), "fx.stream");
	cluster = start();
	event = read_of(&cluster, 1);
	cr_assert_eq(event.answer, CLUSTER_FOREIGN);
	cr_assert_str_eq(event.why, "fx.stream: it belongs to stream trades, not fx");
	record.primary = 2;
	record.revision = 1;
	file_of("trades.stream")->bytes =
		cluster_text_write("lab", "trades", &record, file_of("trades.stream")->text);
	event = read_of(&cluster, 0);
	cr_assert_eq(event.answer, CLUSTER_FOREIGN);
	cr_assert_str_eq(event.why, "trades.stream: its primary is server 2, not 1");
	cluster_destroy(&cluster);
}

Test(cluster_static, leaves_a_record_to_its_primary)
{
	struct cluster cluster = start();
	struct cluster_record record = first_record();
	struct cluster_event event = read_of(&cluster, 2);

	cr_assert_eq(event.answer, CLUSTER_ELSEWHERE);
	cr_assert_str_eq(event.why, "server 2 keeps it, the primary");
	cr_assert_eq(change_of(&cluster, 2, &record).answer, CLUSTER_ELSEWHERE);
	cr_assert_eq(store.reads + store.writes, 0);
	cr_assert_eq(cluster_read(&cluster, 3), -EINVAL);
	cr_assert_eq(cluster_change(&cluster, 3, &record), -EINVAL);
	cluster_destroy(&cluster);
}

Test(cluster_static, serves_all_streams_in_turn)
{
	struct cluster cluster = start();
	struct cluster_event event;

	for (uint32_t i = 0; i < 3; i++)
		cr_assert_eq(cluster_read(&cluster, i), 0);
	for (uint32_t i = 0; i < 3; i++) {
		event = next_of(&cluster, CLUSTER_READ);
		cr_assert_eq(event.stream, i);
		if (i == 0) // who asks again at once does not go before the others
			cr_assert_eq(cluster_read(&cluster, 0), 0);
	}
	cr_assert_eq(next_of(&cluster, CLUSTER_READ).stream, 0);
	expect_none(&cluster);
	cluster_destroy(&cluster);
}
