// SPDX-License-Identifier: BSD-3-Clause
//
// The payload that `godwit pub --generate` makes and `godwit sub --check` knows again:
//
//	byte  0	   number of the message in this run of the generator, from 1 (u64, big-endian)
//	byte  8	   number of the message within its topic in this run, from 1 (u64, big-endian)
//	byte 16	   0xa7
//	byte 17	   run (u16, big-endian): random; another run numbers anew
//	byte 19	   filler that follows from the number, so that damage shows
//
// A shorter payload holds as many whole fields as fit. Only one of 19 bytes or more is known again;
// numbers are below 2^48, so that no text looks like one.
#ifndef CLIENT_TOOLS_GENERATED_H
#define CLIENT_TOOLS_GENERATED_H

#include <godwit/types.h>

#define GENERATED_BYTES_MIN 19u

struct generated {
	uint64_t number;
	uint64_t topic_number;
	uint16_t run;
	bool is_damaged; // the filler is not what the number makes
};

void generated_write(uint8_t *payload, size_t length, const struct generated *generated);

// False: not a payload of the generator.
bool generated_read(const void *payload, size_t length, struct generated *generated);

#endif
