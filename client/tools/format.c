// SPDX-License-Identifier: BSD-3-Clause
#define _GNU_SOURCE
#include "client/tools/format.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <time.h>

struct format format_count(uint64_t count)
{
	struct format out = {.text = ""};
	char digits[24];
	int length = snprintf(digits, sizeof(digits), "%" PRIu64, count);
	size_t at = 0;

	for (int i = 0; i < length; i++) {
		if (i > 0 && (length - i) % 3 == 0)
			out.text[at++] = ',';
		out.text[at++] = digits[i];
	}
	out.text[at] = '\0';
	return out;
}

// Three digits that count, whatever the size.
static void three_digits(struct format *out, double value, const char *unit)
{
	int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;

	snprintf(out->text, sizeof(out->text), "%.*f %s", decimals, value, unit);
}

struct format format_bytes(uint64_t bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	struct format out = {.text = ""};
	double value = (double)bytes;
	size_t unit = 0;

	for (; value >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
		value /= 1024;
	// Whole numbers of a unit are most sizes of a configuration: 64 MiB, not 64.0.
	if (value < 1024 && value == (double)(uint64_t)value)
		snprintf(out.text, sizeof(out.text), "%.0f %s", value, units[unit]);
	else
		three_digits(&out, value, units[unit]);
	return out;
}

struct format format_ns(uint64_t ns)
{
	struct format out = {.text = ""};

	if (ns < 1000)
		snprintf(out.text, sizeof(out.text), "%" PRIu64 " ns", ns);
	else if (ns < 1000000)
		three_digits(&out, (double)ns / 1e3, "us");
	else if (ns < 1000000000)
		three_digits(&out, (double)ns / 1e6, "ms");
	else
		three_digits(&out, (double)ns / 1e9, "s");
	return out;
}

struct format format_uptime(uint64_t seconds)
{
	struct format out = {.text = ""};
	int at = 0;

	if (seconds >= 86400)
		at = snprintf(out.text, sizeof(out.text), "%" PRIu64 " d ", seconds / 86400);
	snprintf(out.text + at, sizeof(out.text) - (size_t)at,
		 "%02" PRIu64 ":%02" PRIu64 ":%02" PRIu64, seconds / 3600 % 24, seconds / 60 % 60,
		 seconds % 60);
	return out;
}

struct format format_age(uint64_t ms)
{
	struct format out = {.text = ""};
	uint64_t s = ms / 1000;

	if (ms < 1000)
		snprintf(out.text, sizeof(out.text), "%" PRIu64 " ms", ms);
	else if (s < 60)
		snprintf(out.text, sizeof(out.text), "%" PRIu64 ".%" PRIu64 " s", s,
			 ms % 1000 / 100);
	else if (s < 3600)
		snprintf(out.text, sizeof(out.text), "%" PRIu64 " min %02" PRIu64 " s", s / 60,
			 s % 60);
	else if (s < 86400)
		snprintf(out.text, sizeof(out.text), "%" PRIu64 " h %02" PRIu64 " min", s / 3600,
			 s / 60 % 60);
	else
		snprintf(out.text, sizeof(out.text), "%" PRIu64 " d %02" PRIu64 " h", s / 86400,
			 s / 3600 % 24);
	return out;
}

struct format format_time(uint64_t time_ns)
{
	time_t seconds = (time_t)(time_ns / 1000000000u);
	struct format out = {.text = ""};
	struct tm tm;
	size_t at;

	gmtime_r(&seconds, &tm);
	at = strftime(out.text, sizeof(out.text), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out.text + at, sizeof(out.text) - at, ".%09" PRIu64 "Z", time_ns % 1000000000u);
	return out;
}

struct format format_identifier(const struct godwit_identifier *identifier)
{
	struct format out = {.text = ""};

	snprintf(out.text, sizeof(out.text), "%016" PRIx64 ":%" PRIu64 ":%" PRIu32,
		 identifier->session, identifier->seq, identifier->epoch);
	return out;
}

struct format format_address(const struct godwit_address *address)
{
	struct format out = {.text = ""};
	char host[INET6_ADDRSTRLEN];

	if (godwit_address_is_v4(address)) {
		inet_ntop(AF_INET, address->ip + 12, host, sizeof(host));
		snprintf(out.text, sizeof(out.text), "%s:%u", host, address->port);
	} else {
		inet_ntop(AF_INET6, address->ip, host, sizeof(host));
		snprintf(out.text, sizeof(out.text), "[%s]:%u", host, address->port);
	}
	return out;
}

void format_escaped(FILE *file, const void *bytes, size_t length)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i < length; i++) {
		if (at[i] == '\\')
			fputs("\\\\", file);
		else if (at[i] == '\n')
			fputs("\\n", file);
		else if (at[i] == '\t')
			fputs("\\t", file);
		else if (at[i] < 32 || at[i] > 126)
			fprintf(file, "\\x%02x", at[i]);
		else
			fputc(at[i], file);
	}
}

void format_hex(FILE *file, const void *bytes, size_t length)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *at = bytes;

	for (size_t i = 0; i < length; i++) {
		fputc(digits[at[i] >> 4], file);
		fputc(digits[at[i] & 15], file);
	}
}
