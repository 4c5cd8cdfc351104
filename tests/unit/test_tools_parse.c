// SPDX-License-Identifier: BSD-3-Clause
//
// Words of the `godwit` command line: numbers, times, addresses, starts, identifiers; and the texts
// that go the other way.
#include <criterion/criterion.h>
#include <godwit/wire.h>

#include "client/tools/format.h"
#include "client/tools/parse.h"

#define WALL_NS 1700000000500000000ull

Test(tools_parse, reads_counts_with_their_suffix)
{
	static const struct {
		const char *text;
		uint64_t value;
	} good[] = {
		{"0", 0},	   {"1000", 1000},     {"100k", 100000},
		{"1.5M", 1500000}, {"2G", 2000000000}, {"18446744073709551615", UINT64_MAX},
		{"0.001k", 1},
	};
	static const char *const bad[] = {
		"",  "k", "1x", "1kk", "-1", "1.5", "1.", "99999999999999999999", "20000000000G",
		" 1"};
	uint64_t value;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		cr_assert_null(parse_count(good[i].text, &value), "%s", good[i].text);
		cr_assert_eq(value, good[i].value, "%s", good[i].text);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		value = 77;
		cr_assert_not_null(parse_count(bad[i], &value), "%s", bad[i]);
		cr_assert_eq(value, 77, "%s wrote", bad[i]);
	}
}

Test(tools_parse, keeps_numbers_within_their_range)
{
	uint64_t value = 7;

	cr_assert_null(parse_number("0x10", 1, 16, &value));
	cr_assert_eq(value, 16);
	cr_assert_str_eq(parse_number("17", 1, 16, &value), "too large");
	cr_assert_str_eq(parse_number("0", 1, 16, &value), "too small");
	cr_assert_str_eq(parse_number("18446744073709551616", 0, UINT64_MAX, &value), "too large");
	cr_assert_str_eq(parse_number("1 ", 1, 16, &value), "not a whole number");
	cr_assert_str_eq(parse_number("-1", 0, 16, &value), "not a whole number");
	cr_assert_eq(value, 16);
}

Test(tools_parse, reads_durations_in_their_unit)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} good[] = {
		{"5", 5000000000},     {"5s", 5000000000},    {"250ms", 250000000},
		{"1.5s", 1500000000},  {"40us", 40000},	      {"7ns", 7},
		{"10m", 600000000000}, {"2h", 7200000000000}, {"1d", 86400000000000},
	};
	static const char *const bad[] = {"", "s", "5x", "5 s", "-5s", "1000000d"};
	uint64_t ns;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		cr_assert_null(parse_duration(good[i].text, &ns), "%s", good[i].text);
		cr_assert_eq(ns, good[i].ns, "%s", good[i].text);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_not_null(parse_duration(bad[i], &ns), "%s", bad[i]);
}

Test(tools_parse, reads_one_size_or_a_range_of_them)
{
	uint32_t low = 0, high = 0;

	cr_assert_null(parse_sizes("64", 100, &low, &high));
	cr_assert(low == 64 && high == 64);
	cr_assert_null(parse_sizes("19-50", 100, &low, &high));
	cr_assert(low == 19 && high == 50);
	cr_assert_str_eq(parse_sizes("50-19", 100, &low, &high),
			 "the second size is below the first");
	cr_assert_str_eq(parse_sizes("19-101", 100, &low, &high), "too large for any stream");
	cr_assert_not_null(parse_sizes("19-", 100, &low, &high));
	cr_assert_not_null(parse_sizes("-19", 100, &low, &high));
	cr_assert_not_null(parse_sizes("19-50x", 100, &low, &high));
	cr_assert(low == 19 && high == 50);
}

Test(tools_parse, reads_servers)
{
	static const char *const bad[] = {
		"",	  "10.0.0.1", "10.0.0.1:",   "10.0.0.1:0",  "10.0.0.1:65536", "10.0.0:1",
		"host:1", "[::1:5",   "10.0.0.1:1,", ",10.0.0.1:1", "10.0.0.1:1;",    "[]:5"};
	struct godwit_address servers[3], v4 = godwit_address_v4(0x0a000001, 5678);
	uint32_t count = 0;

	cr_assert_null(parse_addresses("10.0.0.1:5678,[::1]:9", 3, servers, &count));
	cr_assert_eq(count, 2);
	cr_assert(godwit_address_equal(&servers[0], &v4));
	cr_assert_str_eq(format_address(&servers[0]).text, "10.0.0.1:5678");
	cr_assert_str_eq(format_address(&servers[1]).text, "[::1]:9");
	cr_assert_str_eq(parse_addresses("1.1.1.1:1,1.1.1.1:2,1.1.1.1:3,1.1.1.1:4", 3, servers,
					 &count),
			 "too many servers");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_not_null(parse_addresses(bad[i], 3, servers, &count), "%s", bad[i]);
}

Test(tools_parse, reads_times)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} good[] = {
		{"@1700000000", 1700000000000000000},
		{"@1700000000.25", 1700000000250000000},
		{"@1700000000.000000001", 1700000000000000001},
		{"2023-11-14T22:13:20Z", 1700000000000000000},
		{"2023-11-14T22:13:20.5Z", 1700000000500000000},
		{"2023-11-14T23:13:20+01:00", 1700000000000000000},
		{"2023-11-14t17:43:20-04:30", 1700000000000000000},
		{"2024-02-29T00:00:00Z", 1709164800000000000},
		{"-500ms", 1700000000000000000},
		{"-10m", 1699999400500000000},
	};
	static const char *const bad[] = {
		"2023-11-14T22:13:20",
		"2023-02-29T00:00:00Z",
		"2023-13-01T00:00:00Z",
		"2023-11-14T24:00:00Z",
		"2023-11-14T22:13:60Z",
		"2023-11-14",
		"2023-11-14T22:13:20+1:00",
		"1960-01-01T00:00:00Z",
		"@",
		"@1x",
		"@-1",
		"-",
		"-5x",
		"2023-11-14T22:13:20+01:00x",
		"2023-11-14T22:13:20.Z",
		"@18446744074",
	};
	uint64_t ns;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		cr_assert_null(parse_time(good[i].text, WALL_NS, &ns), "%s", good[i].text);
		cr_assert_eq(ns, good[i].ns, "%s gives %lu", good[i].text, ns);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_not_null(parse_time(bad[i], WALL_NS, &ns), "%s", bad[i]);
	cr_assert_null(parse_time("-10s", 5, &ns));
	cr_assert_eq(ns, 0, "before 1970 is 1970");
}

Test(tools_parse, writes_times_that_it_reads_back)
{
	struct format text = format_time(1700000000123456789ull);
	uint64_t ns = 0;

	cr_assert_str_eq(text.text, "2023-11-14T22:13:20.123456789Z");
	cr_assert_null(parse_time(text.text, 0, &ns));
	cr_assert_eq(ns, 1700000000123456789ull);
}

Test(tools_parse, tells_kinds_of_starts_apart)
{
	static const struct {
		const char *text;
		uint8_t kind;
		uint64_t value;
	} good[] = {
		{"earliest", GODWIT_START_EARLIEST, 0},
		{"latest", GODWIT_START_LATEST, 0},
		{"1", GODWIT_START_SEQUENCE, 1},
		{"18446744073709551615", GODWIT_START_SEQUENCE, UINT64_MAX},
		{"@12", GODWIT_START_TIME, 12000000000},
		{"-500ms", GODWIT_START_TIME, 1700000000000000000},
		{"2023-11-14T22:13:20Z", GODWIT_START_TIME, 1700000000000000000},
	};
	static const char *const bad[] = {"",	"0",	    "newest",
					  "1x", "Earliest", "99999999999999999999"};
	struct parse_start start;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		cr_assert_null(parse_start(good[i].text, WALL_NS, &start), "%s", good[i].text);
		cr_assert_eq(start.kind, good[i].kind, "%s", good[i].text);
		cr_assert_eq(start.value, good[i].value, "%s", good[i].text);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_not_null(parse_start(bad[i], WALL_NS, &start), "%s", bad[i]);
}

Test(tools_parse, reads_back_the_identifiers_that_it_prints)
{
	static const char *const bad[] = {"",
					  "1:2",
					  "0:1:1",
					  "x:1:1",
					  "1:1:4294967296",
					  "1:1:1:",
					  "1::1",
					  "-1:1:1",
					  "10000000000000000:1:1",
					  "1:1:1 "};
	struct godwit_identifier written = {.session = 0xffee, .seq = 12, .epoch = 3}, read;

	cr_assert_str_eq(format_identifier(&written).text, "000000000000ffee:12:3");
	cr_assert_null(parse_identifier(format_identifier(&written).text, &read));
	cr_assert_eq(read.session, written.session);
	cr_assert_eq(read.seq, written.seq);
	cr_assert_eq(read.epoch, written.epoch);
	cr_assert_eq(read.zero, 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_not_null(parse_identifier(bad[i], &read), "%s", bad[i]);
}

Test(tools_parse, knows_the_policies)
{
	uint8_t policy = 9;

	cr_assert_null(parse_policy("earliest", &policy));
	cr_assert_eq(policy, GODWIT_POLICY_EARLIEST);
	cr_assert_null(parse_policy("latest", &policy));
	cr_assert_eq(policy, GODWIT_POLICY_LATEST);
	cr_assert_null(parse_policy("fail", &policy));
	cr_assert_eq(policy, GODWIT_POLICY_FAIL);
	cr_assert_not_null(parse_policy("fai", &policy));
}

Test(tools_parse, formats_for_people)
{
	cr_assert_str_eq(format_count(0).text, "0");
	cr_assert_str_eq(format_count(999).text, "999");
	cr_assert_str_eq(format_count(1000).text, "1,000");
	cr_assert_str_eq(format_count(UINT64_MAX).text, "18,446,744,073,709,551,615");
	cr_assert_str_eq(format_bytes(0).text, "0 B");
	cr_assert_str_eq(format_bytes(64ull << 20).text, "64 MiB");
	cr_assert_str_eq(format_bytes(1536ull << 20).text, "1.50 GiB");
	cr_assert_str_eq(format_ns(870).text, "870 ns");
	cr_assert_str_eq(format_ns(12345).text, "12.3 us");
	cr_assert_str_eq(format_ns(4560000).text, "4.56 ms");
	cr_assert_str_eq(format_ns(1200000000).text, "1.20 s");
	cr_assert_str_eq(format_uptime(59).text, "00:00:59");
	cr_assert_str_eq(format_uptime(3 * 86400 + 3661).text, "3 d 01:01:01");
}

Test(tools_parse, lets_no_control_character_through_to_a_terminal)
{
	char text[128];
	FILE *file = fmemopen(text, sizeof(text), "w");

	format_escaped(file, "a\x1b[2J\n\\\t\x00\xff", 10);
	fclose(file);
	cr_assert_str_eq(text, "a\\x1b[2J\\n\\\\\\t\\x00\\xff");
}
