// SPDX-License-Identifier: BSD-3-Clause
//
// The errors of one configuration text: gathered in any order, printed from its top to its end.
//
//   godwit.yaml:12:8: error: streams[0].log: 48 MiB is not a power of two: take 32 MiB or 64 MiB
//     log: 48 MiB
//          ^
//
// Limits: CONFIG_ERRORS_MAX are kept, the rest are counted. Owner: whoever reads the configuration.
#ifndef CONTROL_CONFIG_REPORT_H
#define CONTROL_CONFIG_REPORT_H

#include "control/config.h"

struct config_place { // line 0: the file as a whole; both from 1
	uint32_t line, column;
};

struct config_error {
	struct config_place place;
	char text[480];
};

struct config_report {
	const char *name, *text; // of the configuration
	size_t bytes;
	uint32_t count; // all that were added
	struct config_error errors[CONFIG_ERRORS_MAX];
};

void config_report_add(struct config_report *report, struct config_place place, const char *format,
		       ...) __attribute__((format(printf, 3, 4)));

#define CONFIG_KEY_BYTES 64

// Letters to insert, delete or exchange to make one of the other; b: below CONFIG_KEY_BYTES long.
uint32_t config_distance(const char *a, const char *b);

// Print what was added, by place. Thread: control.
void config_report_print(struct config_report *report, FILE *out);

#endif
