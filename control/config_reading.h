// SPDX-License-Identifier: BSD-3-Clause
//
// A configuration being read: the values, where each of them stands in the file, and the errors so far.
// Private to config.c, config_yaml.c and config_check.c.
#ifndef CONTROL_CONFIG_READING_H
#define CONTROL_CONFIG_READING_H

#include "control/config_report.h"
#include "control/config_value.h"

#define CONFIG_ITEMS_MAX SERVER_STREAMS_MAX

struct config_given {
	struct config_place place; // of the value; of what should hold it where it is not given
	bool is_given;		   // it stands in the file
	bool is_bad;		   // it stands there wrongly, or it is required and missing
};

struct config_reading {
	struct config *config;
	struct config_report report;
	struct config_place section_places[CONFIG_SECTIONS];
	bool is_list_bad[CONFIG_SECTIONS]; // no list, or too long: told already
	struct config_given given[CONFIG_ITEMS_MAX][CONFIG_KEYS];
};

// Read the YAML text of reading->report into values, each with its place. False: it is no YAML, and
// nothing was read. Thread: control.
bool config_yaml_read(struct config_reading *reading);

// What the table cannot say: relations between values, sums. Replaces `auto` where the file determines
// the value. Checks that rest on a wrong value are left out. Thread: control.
void config_check(struct config_reading *reading);

// Report `format` at the value of a key (item: its place in a list, else 0), under the key's path.
void config_wrong(struct config_reading *reading, enum config_key_number key, uint32_t item,
		  const char *format, ...) __attribute__((format(printf, 4, 5)));

// Whether the value can be relied on.
static inline bool config_is_good(const struct config_reading *reading, enum config_key_number key,
				  uint32_t item)
{
	return !reading->given[item][key].is_bad;
}

#endif
