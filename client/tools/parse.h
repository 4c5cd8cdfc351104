// SPDX-License-Identifier: BSD-3-Clause
//
// Words of a command line into values. Each function returns NULL, or a static text that says what
// is wrong and what would be right; the value is written only on success. No function reads a
// clock: the wall time that relative times count from is an argument.
#ifndef CLIENT_TOOLS_PARSE_H
#define CLIENT_TOOLS_PARSE_H

#include <godwit/types.h>

// A whole number, decimal or 0x..., least..most.
const char *parse_number(const char *text, uint64_t least, uint64_t most, uint64_t *value);

// A number of things, with k, M or G (powers of 1000) behind it: "100k", "1.5M".
const char *parse_count(const char *text, uint64_t *value);

// "5s", "250ms", "40us", "10m", "2h", "1d"; a bare number means seconds.
const char *parse_duration(const char *text, uint64_t *ns);

// "64" or "19-50", bytes of a message.
const char *parse_sizes(const char *text, uint32_t most, uint32_t *low, uint32_t *high);

// "10.0.0.1:5678" or "[::1]:5678".
const char *parse_address(const char *text, size_t length, struct godwit_address *address);

// Several addresses with commas between; *count: how many, at most `most`.
const char *parse_addresses(const char *text, uint32_t most, struct godwit_address *addresses,
			    uint32_t *count);

// A point in time, in ns since 1970: RFC 3339 with its zone ("2026-01-31T09:30:00.5Z", "...+01:00"),
// "@1700000000.25", or "-10m": that long before wall_ns.
const char *parse_time(const char *text, uint64_t wall_ns, uint64_t *time_ns);

struct parse_start {
	uint8_t kind; // enum godwit_start
	uint64_t value;
};

// "earliest", "latest", a sequence, or a point in time.
const char *parse_start(const char *text, uint64_t wall_ns, struct parse_start *start);

// "SESSION:SEQ:EPOCH" as godwit prints it; the session in hexadecimal digits.
const char *parse_identifier(const char *text, struct godwit_identifier *identifier);

// "fail", "earliest", "latest" to enum godwit_policy.
const char *parse_policy(const char *text, uint8_t *policy);

#endif
