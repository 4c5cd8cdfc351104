// SPDX-License-Identifier: BSD-3-Clause
#define _GNU_SOURCE
#include "client/tools/parse.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <godwit/wire.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SECOND_NS 1000000000ull

// ---- numbers ------------------------------------------------------------------------------------

// Decimal digits; *end is behind them. False: none, or above 2^64 - 1.
static bool digits_read(const char *text, const char **end, uint64_t *value)
{
	char *stop;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*value = strtoull(text, &stop, 10);
	*end = stop;
	return errno == 0;
}

const char *parse_number(const char *text, uint64_t least, uint64_t most, uint64_t *value)
{
	unsigned long long number;
	char *end;

	if (!isdigit((unsigned char)*text))
		return "not a whole number";
	errno = 0;
	number = strtoull(text, &end, text[0] == '0' && (text[1] | 32) == 'x' ? 16 : 10);
	if (*end != '\0')
		return "not a whole number";
	if (errno != 0 || number > most)
		return "too large";
	if (number < least)
		return "too small";
	*value = number;
	return NULL;
}

// "12" or "12.345" as whole and billionths, exactly: no binary fraction in between.
static bool decimal_read(const char *text, const char **end, uint64_t *whole, uint64_t *billionths)
{
	uint64_t scale = SECOND_NS / 10;

	*billionths = 0;
	if (!digits_read(text, end, whole))
		return false;
	if (**end != '.')
		return true;
	if (!isdigit((unsigned char)*++*end))
		return false;
	for (; isdigit((unsigned char)**end); ++*end, scale /= 10)
		*billionths += (uint64_t)(**end - '0') * scale;
	return true;
}

// whole.billionths times unit; false where that is above 2^64 - 1.
static bool decimal_scale(uint64_t whole, uint64_t billionths, uint64_t unit, uint64_t *value)
{
	unsigned __int128 product = (unsigned __int128)whole * unit;

	product += (unsigned __int128)billionths * unit / SECOND_NS;
	*value = (uint64_t)product;
	return product >> 64 == 0;
}

const char *parse_count(const char *text, uint64_t *value)
{
	uint64_t whole, billionths, unit, count;
	const char *end;

	if (!decimal_read(text, &end, &whole, &billionths))
		return "not a number such as 1000, 100k or 1.5M";
	switch (*end) {
	case '\0':
		unit = 1;
		break;
	case 'k':
		unit = 1000;
		break;
	case 'M':
		unit = 1000000;
		break;
	case 'G':
		unit = SECOND_NS;
		break;
	default:
		return "not a number such as 1000, 100k or 1.5M";
	}
	if (*end != '\0' && end[1] != '\0')
		return "not a number such as 1000, 100k or 1.5M";
	if (unit == 1 && billionths != 0)
		return "not a whole number";
	if (!decimal_scale(whole, billionths, unit, &count))
		return "too large";
	*value = count;
	return NULL;
}

const char *parse_duration(const char *text, uint64_t *ns)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = {
		{"", SECOND_NS},
		{"s", SECOND_NS},
		{"ms", 1000000},
		{"us", 1000},
		{"ns", 1},
		{"m", 60 * SECOND_NS},
		{"h", 3600 * SECOND_NS},
		{"d", 86400 * SECOND_NS},
	};
	uint64_t whole, billionths, value;
	const char *end;

	if (!decimal_read(text, &end, &whole, &billionths))
		return "not a time such as 5s, 250ms or 10m";
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].name) != 0)
			continue;
		if (!decimal_scale(whole, billionths, units[i].ns, &value))
			return "too long";
		*ns = value;
		return NULL;
	}
	return "unknown unit: ns, us, ms, s, m, h or d";
}

const char *parse_sizes(const char *text, uint32_t most, uint32_t *low, uint32_t *high)
{
	uint64_t first, last;
	const char *end;

	if (!digits_read(text, &end, &first))
		return "not a size such as 64 or 19-50";
	last = first;
	if (*end == '-' && !digits_read(end + 1, &end, &last))
		return "not a size such as 64 or 19-50";
	if (*end != '\0')
		return "not a size such as 64 or 19-50";
	if (last < first)
		return "the second size is below the first";
	if (last > most)
		return "too large for any stream";
	*low = (uint32_t)first;
	*high = (uint32_t)last;
	return NULL;
}

// ---- addresses ----------------------------------------------------------------------------------

const char *parse_address(const char *text, size_t length, struct godwit_address *address)
{
	static const char wrong[] = "not an address such as 10.0.0.1:5678";
	char copy[64], *host = copy, *port;
	struct godwit_address parsed = {.port = 0};
	struct in_addr v4;
	uint64_t number;

	if (length >= sizeof(copy))
		return wrong;
	memcpy(copy, text, length);
	copy[length] = '\0';
	port = strrchr(copy, ':');
	if (port == NULL)
		return "the port is missing, as in 10.0.0.1:5678";
	*port++ = '\0';
	if (parse_number(port, 1, 65535, &number) != NULL)
		return "the port is a number from 1 to 65535";
	if (*host == '[') {
		host++;
		if (port - 2 < host || port[-2] != ']')
			return wrong;
		port[-2] = '\0';
		if (inet_pton(AF_INET6, host, parsed.ip) != 1)
			return wrong;
		parsed.port = (uint16_t)number;
	} else {
		if (inet_pton(AF_INET, host, &v4) != 1)
			return wrong;
		parsed = godwit_address_v4(ntohl(v4.s_addr), (uint16_t)number);
	}
	*address = parsed;
	return NULL;
}

const char *parse_addresses(const char *text, uint32_t most, struct godwit_address *addresses,
			    uint32_t *count)
{
	uint32_t found = 0;

	for (;; text++) {
		size_t length = strcspn(text, ",");
		const char *wrong;

		if (found == most)
			return "too many servers";
		wrong = parse_address(text, length, &addresses[found]);
		if (wrong != NULL)
			return wrong;
		found++;
		text += length;
		if (*text == '\0')
			break;
	}
	*count = found;
	return NULL;
}

// ---- times and positions ------------------------------------------------------------------------

static const char not_a_time[] = "not a time such as 2026-01-31T09:30:00Z, @1700000000.5 or -10m";

// The zone at the end of an RFC 3339 time: seconds east of UTC.
static bool zone_read(const char *text, int64_t *east_s)
{
	int hours, minutes, length = 0;

	if ((*text == 'Z' || *text == 'z') && text[1] == '\0') {
		*east_s = 0;
		return true;
	}
	if (*text != '+' && *text != '-')
		return false;
	if (sscanf(text + 1, "%2d:%2d%n", &hours, &minutes, &length) != 2 || length != 5 ||
	    text[6] != '\0' || hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
		return false;
	*east_s = (*text == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
	return true;
}

static const char *rfc3339_parse(const char *text, uint64_t *time_ns)
{
	struct tm given = {.tm_isdst = 0}, checked;
	uint64_t whole, billionths;
	int64_t east_s, unix_s;
	int length = 0;
	const char *end;

	if (sscanf(text, "%4d-%2d-%2d%*1[Tt ]%2d:%2d:%n", &given.tm_year, &given.tm_mon,
		   &given.tm_mday, &given.tm_hour, &given.tm_min, &length) != 5 ||
	    length != 17 || !decimal_read(text + length, &end, &whole, &billionths) || whole > 59)
		return not_a_time;
	if (*end == '\0')
		return "the time needs its zone: Z for UTC, or such as +01:00";
	if (!zone_read(end, &east_s))
		return not_a_time;
	given.tm_year -= 1900;
	given.tm_mon -= 1;
	given.tm_sec = (int)whole;
	checked = given;
	unix_s = timegm(&checked) - east_s;
	// timegm makes 31 February a day of March: what it changed was never a date.
	if (checked.tm_mon != given.tm_mon || checked.tm_mday != given.tm_mday ||
	    checked.tm_hour != given.tm_hour || checked.tm_min != given.tm_min)
		return "no such date";
	if (unix_s < 0)
		return "before 1970";
	return decimal_scale((uint64_t)unix_s, billionths, SECOND_NS, time_ns) ? NULL : not_a_time;
}

const char *parse_time(const char *text, uint64_t wall_ns, uint64_t *time_ns)
{
	uint64_t whole, billionths, ns;
	const char *end, *wrong;

	if (*text == '-') {
		wrong = parse_duration(text + 1, &ns);
		if (wrong != NULL)
			return wrong;
		*time_ns = ns < wall_ns ? wall_ns - ns : 0;
		return NULL;
	}
	if (*text != '@')
		return rfc3339_parse(text, time_ns);
	if (!decimal_read(text + 1, &end, &whole, &billionths) || *end != '\0' ||
	    !decimal_scale(whole, 0, SECOND_NS, &ns) || ns > UINT64_MAX - billionths)
		return not_a_time;
	*time_ns = ns + billionths;
	return NULL;
}

const char *parse_start(const char *text, uint64_t wall_ns, struct parse_start *start)
{
	struct parse_start found = {.kind = GODWIT_START_EARLIEST};
	const char *wrong = NULL;

	if (strcmp(text, "latest") == 0) {
		found.kind = GODWIT_START_LATEST;
	} else if (strcmp(text, "earliest") == 0) {
		found.kind = GODWIT_START_EARLIEST;
	} else if (*text != '\0' && text[strspn(text, "0123456789")] == '\0') {
		found.kind = GODWIT_START_SEQUENCE;
		wrong = parse_number(text, 1, UINT64_MAX, &found.value);
		if (wrong != NULL)
			return "sequences begin at 1";
	} else if (isdigit((unsigned char)*text) || *text == '@' || *text == '-') {
		found.kind = GODWIT_START_TIME;
		wrong = parse_time(text, wall_ns, &found.value);
	} else {
		wrong = "not earliest, latest, a sequence, or a time such as "
			"2026-01-31T09:30:00Z, @1700000000.5 or -10m";
	}
	if (wrong == NULL)
		*start = found;
	return wrong;
}

const char *parse_identifier(const char *text, struct godwit_identifier *identifier)
{
	static const char wrong[] =
		"not an identifier SESSION:SEQ:EPOCH such as 9f1c22e07b3a4d55:1200:1";
	struct godwit_identifier found = {.seq = 0};
	const char *at = text;
	uint64_t epoch;
	char *end;

	if (!isxdigit((unsigned char)*at))
		return wrong;
	errno = 0;
	found.session = strtoull(at, &end, 16);
	if (errno != 0 || *end != ':' || found.session == 0)
		return wrong;
	at = end + 1;
	if (!digits_read(at, &at, &found.seq) || *at != ':')
		return wrong;
	if (!digits_read(at + 1, &at, &epoch) || *at != '\0' || epoch > UINT32_MAX)
		return wrong;
	found.epoch = (uint32_t)epoch;
	*identifier = found;
	return NULL;
}

const char *parse_policy(const char *text, uint8_t *policy)
{
	if (strcmp(text, "fail") == 0)
		*policy = GODWIT_POLICY_FAIL;
	else if (strcmp(text, "earliest") == 0)
		*policy = GODWIT_POLICY_EARLIEST;
	else if (strcmp(text, "latest") == 0)
		*policy = GODWIT_POLICY_LATEST;
	else
		return "not fail, earliest or latest";
	return NULL;
}
