// SPDX-License-Identifier: BSD-3-Clause
//
// What `godwit pub` reads and makes: lines, lengths, generated payloads, and their pace.
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "client/tools/generated.h"
#include "client/tools/pacer.h"
#include "client/tools/source.h"

static int pipes[2];
static struct source source;
static struct source_message message;

static void begin(struct source_options options)
{
	cr_assert_eq(pipe2(pipes, O_NONBLOCK), 0);
	options.fd = pipes[0];
	cr_assert_eq(source_init(&source, &options), 0);
}

static void put(const char *bytes, size_t length)
{
	cr_assert_eq(write(pipes[1], bytes, length), (ssize_t)length);
	cr_assert_eq(source_fill(&source), 0);
}

static void put_end(void)
{
	close(pipes[1]);
	cr_assert_eq(source_fill(&source), 0);
}

static void expect(const char *payload)
{
	cr_assert_eq(source_take(&source, &message), 1);
	cr_assert_eq(message.length, strlen(payload));
	cr_assert_eq(memcmp(message.payload, payload, message.length), 0);
}

static void expect_topic(const char *topic)
{
	cr_assert_eq(message.topic_length, strlen(topic));
	cr_assert_eq(memcmp(message.topic, topic, message.topic_length), 0);
}

Test(tools_source, waits_for_the_rest_of_a_line)
{
	begin((struct source_options){.kind = SOURCE_LINES});
	put("one\n\nthr", 8);
	expect("one");
	cr_assert_null(message.topic);
	expect("");
	cr_assert_eq(source_take(&source, &message), 0);
	put("ee\nlast", 7);
	expect("three");
	cr_assert_eq(source_take(&source, &message), 0);
	put_end();
	expect("last");
	cr_assert_eq(source_take(&source, &message), -ENODATA);
	source_fini(&source);
}

Test(tools_source, splits_the_topic_from_the_payload_at_the_tab)
{
	begin((struct source_options){.kind = SOURCE_LINES, .has_tab = true});
	put("cpu\ta\tb\nnone\n\tempty\nx\t\n", 24);
	expect("a\tb");
	expect_topic("cpu");
	cr_assert_eq(source_take(&source, &message), -EINVAL);
	cr_assert_eq(source_take(&source, &message), -EINVAL);
	expect("");
	expect_topic("x");
	source_fini(&source);
}

Test(tools_source, takes_the_topic_from_a_field_and_keeps_the_line)
{
	begin((struct source_options){.kind = SOURCE_LINES, .topic_field = 2});
	put(" a  b\tc\none\n", 12);
	expect(" a  b\tc");
	expect_topic("b");
	cr_assert_eq(source_take(&source, &message), -EINVAL);
	source_fini(&source);
}

Test(tools_source, refuses_a_line_without_end)
{
	static char line[SOURCE_MESSAGE_MAX + 2];

	begin((struct source_options){.kind = SOURCE_LINES});
	memset(line, 'x', sizeof(line));
	// In pieces: a pipe holds less.
	for (size_t at = 0; at < sizeof(line); at += 4096)
		put(line + at, sizeof(line) - at < 4096 ? sizeof(line) - at : 4096);
	cr_assert_eq(source_take(&source, &message), -EMSGSIZE);
	cr_assert_eq(source.messages, 0);
	put("\n", 1); // its end is there, too: it is as little taken
	cr_assert_eq(source_take(&source, &message), -EMSGSIZE);
	cr_assert_eq(source.messages, 0);
	source_fini(&source);
}

Test(tools_source, reads_lengths_across_reads)
{
	begin((struct source_options){.kind = SOURCE_LENGTHS});
	put("\0\3abc\0", 6);
	expect("abc");
	cr_assert_eq(source_take(&source, &message), 0);
	put("\0\0\2x", 4);
	expect("");
	cr_assert_eq(source_take(&source, &message), 0);
	put("\n", 1);
	expect("x\n");
	put("\0\5ab", 4);
	put_end();
	cr_assert_eq(source_take(&source, &message), -EBADMSG);
	source_fini(&source);
}

Test(tools_source, generates_every_size_of_the_range_and_no_other)
{
	uint32_t seen = 0;

	begin((struct source_options){
		.kind = SOURCE_GENERATOR, .size_low = 19, .size_high = 50, .seed = 5});
	for (int i = 0; i < 2000; i++) {
		cr_assert_eq(source_take(&source, &message), 1);
		cr_assert(message.length >= 19 && message.length <= 50);
		seen |= 1u << (message.length - 19);
	}
	cr_assert_eq(seen, UINT32_MAX);
	source_fini(&source);
}

Test(tools_source, knows_generated_payloads_again_and_nothing_else)
{
	struct generated wrote = {.number = 70000, .topic_number = 300, .run = 0xbeef}, read;
	uint8_t payload[64];

	for (size_t length = 0; length <= sizeof(payload); length++) {
		generated_write(payload, length, &wrote);
		cr_assert_eq(generated_read(payload, length, &read), length >= 19, "%zu", length);
	}
	cr_assert_eq(read.number, 70000);
	cr_assert_eq(read.topic_number, 300);
	cr_assert_eq(read.run, 0xbeef);
	cr_assert_not(read.is_damaged);
	payload[40] ^= 1;
	cr_assert(generated_read(payload, sizeof(payload), &read));
	cr_assert(read.is_damaged);
	cr_assert_not(generated_read("text that is long enough to be looked at", 40, &read));
	memset(payload, 0xa7, sizeof(payload));
	cr_assert_not(generated_read(payload, sizeof(payload), &read));
}

Test(tools_source, paces_by_the_clock)
{
	uint64_t now_ns = 5000000000ull, sent = 0, most = 0;
	struct pacer pacer;

	pacer_start(&pacer, now_ns, 100000);
	while (now_ns < 6000000000ull) {
		uint64_t allowed = pacer_allow(&pacer, now_ns);

		most = allowed > most ? allowed : most;
		pacer_give(&pacer, allowed);
		sent += allowed;
		cr_assert(pacer_allow(&pacer, now_ns) == 0, "more at the same time");
		cr_assert_gt(pacer_wait_ns(&pacer, now_ns), 0);
		now_ns += pacer_wait_ns(&pacer, now_ns);
		cr_assert_gt(pacer_allow(&pacer, now_ns), 0, "woken for nothing");
	}
	cr_assert(sent >= 99900 && sent <= 100100, "%lu", sent);
	cr_assert_leq(most, 60);
}

Test(tools_source, makes_up_for_a_short_stop_and_gives_up_a_long_one)
{
	uint64_t now_ns = 1000000000ull, sent = 0, allowed;
	struct pacer pacer;

	pacer_start(&pacer, now_ns, 10000);
	pacer_give(&pacer, pacer_allow(&pacer, now_ns));
	now_ns += 10000000000ull;
	while ((allowed = pacer_allow(&pacer, now_ns)) > 0) {
		cr_assert_leq(allowed, 20, "2 ms' worth at a time");
		pacer_give(&pacer, allowed);
		sent += allowed;
	}
	cr_assert(sent >= 990 && sent <= 1010, "100 ms' worth, not 10 s': %lu", sent);
}

Test(tools_source, paces_slower_than_one_a_second)
{
	uint64_t now_ns = 0;
	struct pacer pacer;

	pacer_start(&pacer, now_ns, 0.5);
	cr_assert_eq(pacer_allow(&pacer, now_ns), 1);
	pacer_give(&pacer, 1);
	cr_assert_eq(pacer_allow(&pacer, 1900000000ull), 0);
	cr_assert_eq(pacer_allow(&pacer, 2000000001ull), 1);
}
