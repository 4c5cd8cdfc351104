// SPDX-License-Identifier: BSD-3-Clause
//
// The codes that ERROR, ENDED, SUBSCRIBED and PUBLISH_ACK carry, and that the client library reports.
#ifndef GODWIT_ERRORS_H
#define GODWIT_ERRORS_H

enum godwit_code {
#define X(name, value, meaning) GODWIT_##name = value,
#include <godwit/errors.def>
#undef X
};

// The code's name ("TRUNCATED"), or "UNKNOWN" for a value of a later version. Thread: any.
static inline const char *godwit_code_name(unsigned int code)
{
	switch (code) {
#define X(name, value, meaning)                                                                    \
	case value:                                                                                \
		return #name;
#include <godwit/errors.def>
#undef X
	default:
		return "UNKNOWN";
	}
}

// One line of English for a person. Thread: any.
static inline const char *godwit_code_text(unsigned int code)
{
	switch (code) {
#define X(name, value, meaning)                                                                    \
	case value:                                                                                \
		return meaning;
#include <godwit/errors.def>
#undef X
	default:
		return "a code of a later version";
	}
}

#endif
