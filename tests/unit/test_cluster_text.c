// SPDX-License-Identifier: BSD-3-Clause
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "control/cluster_text.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

static struct cluster_record record_of(uint32_t in_sync)
{
	struct cluster_record record = {
		.revision = 7,
		.session = 0x9f3c5a1e77d01b24,
		.epoch = 3,
		.primary = 1,
		.min_in_sync = 2,
		.in_sync_count = in_sync,
	};

	for (uint32_t i = 0; i < in_sync; i++)
		record.in_sync[i] = (struct cluster_replica){(uint16_t)(65535 - i), UINT64_MAX - i};
	return record;
}

static enum cluster_answer read_as(const char *text, size_t bytes, struct cluster_record *record,
				   char *why)
{
	why[0] = '\0';
	return cluster_text_read("lab", "a/b", text, bytes, record, why);
}

Test(cluster_text, reads_back_what_it_wrote)
{
	char text[CLUSTER_TEXT_BYTES], why[CLUSTER_WHY_BYTES];
	struct cluster_record record;

	for (uint32_t in_sync = 0; in_sync <= CLUSTER_SERVERS_MAX; in_sync++) {
		struct cluster_record before = record_of(in_sync);
		size_t bytes = cluster_text_write("lab", "a/b", &before, text);

		cr_assert_eq(read_as(text, bytes, &record, why), CLUSTER_DONE, "%s", why);
		cr_assert_eq(record.revision, 7);
		cr_assert_eq(record.session, before.session);
		cr_assert_eq(record.epoch, 3);
		cr_assert_eq(record.primary, 1);
		cr_assert_eq(record.min_in_sync, 2);
		cr_assert_eq(record.in_sync_count, in_sync);
		for (uint32_t i = 0; i < in_sync; i++) {
			cr_assert_eq(record.in_sync[i].server, before.in_sync[i].server);
			cr_assert_eq(record.in_sync[i].incarnation, before.in_sync[i].incarnation);
		}
	}
}

Test(cluster_text, has_room_for_the_largest_record)
{
	struct cluster_record record = record_of(CLUSTER_SERVERS_MAX), again;
	char text[CLUSTER_TEXT_BYTES], name[GODWIT_NAME_BYTES], why[CLUSTER_WHY_BYTES];
	size_t bytes;

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	record.revision = UINT64_MAX;
	record.epoch = UINT32_MAX;
	record.primary = record.min_in_sync = UINT16_MAX;
	bytes = cluster_text_write(name, name, &record, text);
	cr_assert_lt(bytes, sizeof(text));
	cr_assert_eq(cluster_text_read(name, name, text, bytes, &again, why), CLUSTER_DONE);
}

Test(cluster_text, can_be_read_by_people)
{
	struct cluster_record record = record_of(1);
	char text[CLUSTER_TEXT_BYTES];
	size_t bytes = cluster_text_write("lab", "a/b", &record, text);
	static const char expected[] = "godwit-stream-record 1\n"
				       "cluster lab\n"
				       "stream a/b\n"
				       "revision 7\n"
				       "session 9f3c5a1e77d01b24\n"
				       "epoch 3\n"
				       "primary 1\n"
				       "min_in_sync 2\n"
				       "in_sync 65535 18446744073709551615\n"
				       "checksum ";

	cr_assert_eq(strncmp(text, expected, sizeof(expected) - 1), 0, "%.*s", (int)bytes, text);
	cr_assert_eq(bytes, sizeof(expected) - 1 + 16 + 1);
}

Test(cluster_text, refuses_a_text_that_was_cut_off_anywhere)
{
	struct cluster_record record = record_of(3);
	char text[CLUSTER_TEXT_BYTES], why[CLUSTER_WHY_BYTES];
	size_t bytes = cluster_text_write("lab", "a/b", &record, text);

	for (size_t cut = 0; cut < bytes; cut++) {
		cr_assert_eq(read_as(text, cut, &record, why), CLUSTER_DAMAGED, "cut at %zu", cut);
		cr_assert_str_not_empty(why);
	}
}

Test(cluster_text, refuses_a_text_with_any_bit_turned)
{
	struct cluster_record record = record_of(3);
	char text[CLUSTER_TEXT_BYTES], why[CLUSTER_WHY_BYTES];
	size_t bytes = cluster_text_write("lab", "a/b", &record, text);

	for (size_t bit = 0; bit < bytes * 8; bit++) {
		text[bit / 8] ^= (char)(1 << bit % 8);
		cr_assert_eq(read_as(text, bytes, &record, why), CLUSTER_DAMAGED, "bit %zu", bit);
		text[bit / 8] ^= (char)(1 << bit % 8);
	}
	cr_assert_eq(read_as(text, bytes, &record, why), CLUSTER_DONE);
}

Test(cluster_text, refuses_the_record_of_another_cluster_or_stream)
{
	struct cluster_record record = record_of(2);
	char text[CLUSTER_TEXT_BYTES], why[CLUSTER_WHY_BYTES];
	size_t bytes = cluster_text_write("prod", "a/b", &record, text);

	cr_assert_eq(read_as(text, bytes, &record, why), CLUSTER_FOREIGN);
	cr_assert_str_eq(why, "it belongs to cluster prod, not lab");
	bytes = cluster_text_write("lab", "trades", &record, text);
	cr_assert_eq(read_as(text, bytes, &record, why), CLUSTER_FOREIGN);
	cr_assert_str_eq(why, "it belongs to stream trades, not a/b");
}

Test(cluster_text, says_what_is_wrong)
{
	char long_text[CLUSTER_TEXT_BYTES + 1], why[CLUSTER_WHY_BYTES];
	struct cluster_record record = {.session = 1, .epoch = 1}; // revision 0 is none
	char text[CLUSTER_TEXT_BYTES];

	memset(long_text, 'x', sizeof(long_text));
	cr_assert_eq(read_as("", 0, &record, why), CLUSTER_DAMAGED);
	cr_assert_str_eq(why, "it is empty");
	cr_assert_eq(read_as(long_text, sizeof(long_text), &record, why), CLUSTER_DAMAGED);
	cr_assert_str_eq(why, "it is longer than any record");
	cr_assert_eq(read_as("hello\n", 6, &record, why), CLUSTER_DAMAGED);
	cr_assert_str_eq(why, "it does not begin as the record of a stream");
	cr_assert_eq(read_as("godwit-stream-record 1\n", 23, &record, why), CLUSTER_DAMAGED);
	cr_assert_str_eq(why, "its checksum is wrong: it was cut off or altered");
	record = (struct cluster_record){.session = 1, .epoch = 1};
	cr_assert_eq(read_as(text, cluster_text_write("lab", "a/b", &record, text), &record, why),
		     CLUSTER_DAMAGED);
	cr_assert_str_eq(why, "it is not what this program writes");
}

// Its checksum is right, but this program would not have written it.
static void expect_not_written(const char *what, const char *instead)
{
	struct cluster_record record = record_of(1);
	char text[CLUSTER_TEXT_BYTES], why[CLUSTER_WHY_BYTES], *at;
	size_t bytes = cluster_text_write("lab", "a/b", &record, text), sum = bytes - 17;

	at = strstr(text, what);
	cr_assert_not_null(at);
	memcpy(at, instead, strlen(instead));
	snprintf(text + sum, 18, "%016llx\n",
		 (unsigned long long)XXH3_64bits(text, sum - strlen("checksum ")));
	cr_assert_eq(read_as(text, bytes, &record, why), CLUSTER_DAMAGED, "%s", instead);
	cr_assert_str_eq(why, "it is not what this program writes");
}

Test(cluster_text, refuses_what_only_looks_like_a_record)
{
	expect_not_written("9f3c", "9F3C");
	expect_not_written("revision 7", "revision x");
	expect_not_written("epoch 3", "epohc 3");
	expect_not_written("in_sync 65535", "in_sync 99999");
	expect_not_written("in_sync 65535 1844", "in_sync 65535 +844");
	expect_not_written("primary 1\n", "primary  1");
}

Test(cluster_text, gives_each_stream_its_own_file)
{
	char name[CLUSTER_FILE_NAME_BYTES], stream[GODWIT_NAME_BYTES];

	cluster_file_name("trades", name);
	cr_assert_str_eq(name, "trades.stream");
	cluster_file_name("eu/fx:spot", name);
	cr_assert_str_eq(name, "eu+fx:spot.stream");
	cluster_file_name("..", name);
	cr_assert_str_eq(name, "...stream");
	memset(stream, 'n', sizeof(stream) - 1);
	stream[sizeof(stream) - 1] = '\0';
	cluster_file_name(stream, name);
	cr_assert_eq(strlen(name), 63 + 7);
}

Test(cluster, finds_a_process_in_the_in_sync_set)
{
	struct cluster_record record = record_of(2);

	cr_assert(cluster_in_sync(&record, 65534));
	cr_assert_not(cluster_in_sync(&record, 65533));
	cr_assert(cluster_in_sync_as(&record, 65534, UINT64_MAX - 1));
	cr_assert_not(cluster_in_sync_as(&record, 65534, UINT64_MAX), "another incarnation");
	for (int answer = CLUSTER_DONE; answer <= CLUSTER_UNKNOWN; answer++)
		cr_assert_str_not_empty(cluster_answer_name((enum cluster_answer)answer));
}
