// SPDX-License-Identifier: BSD-3-Clause
//
// Values into words for a person. Each returns its text by value: format_count(n).text may stand in
// the arguments of printf.
#ifndef CLIENT_TOOLS_FORMAT_H
#define CLIENT_TOOLS_FORMAT_H

#include <godwit/types.h>
#include <stdio.h>

struct format {
	char text[64];
};

struct format format_count(uint64_t count);    // 1,234,567
struct format format_bytes(uint64_t bytes);    // 64 MiB, 1.5 GiB, 900 B
struct format format_ns(uint64_t ns);	       // 870 ns, 12.3 us, 4.56 ms, 1.20 s
struct format format_uptime(uint64_t seconds); // 3 d 04:05:06
struct format format_age(uint64_t ms);	       // 12 ms, 4.5 s, 3 min 20 s, 5 h 02 min, 3 d 04 h
struct format format_time(uint64_t time_ns);   // 2026-01-31T09:30:00.500000000Z
struct format format_identifier(const struct godwit_identifier *identifier); // SESSION:SEQ:EPOCH
struct format format_address(const struct godwit_address *address);	     // 10.0.0.1:5678

// bytes with everything that is not printable ASCII as \n, \t, \\ or \xHH.
void format_escaped(FILE *file, const void *bytes, size_t length);

// bytes as pairs of hexadecimal digits.
void format_hex(FILE *file, const void *bytes, size_t length);

#endif
