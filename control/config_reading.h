// SPDX-License-Identifier: BSD-3-Clause
//
// A configuration being read: the values, where each of them stands in the file, and the errors so far.
// Private to config.c, config_yaml.c, config_check.c and config_check_cluster.c.
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

// For checks: keys by their names in config.def.
#define WRONG(key, item, ...) config_wrong(reading, CONFIG_KEY_##key, item, __VA_ARGS__)
#define IS_GOOD(key, item)    config_is_good(reading, CONFIG_KEY_##key, item)
#define IS_GIVEN(key, item)   (reading->given[item][CONFIG_KEY_##key].is_given)

// The bytes of a secret: of `text`, or of the file that the value of `path_key` names, `least` to
// GODWIT_CREDENTIAL_MAX. Returns how many; 0 where there is none, or an error was reported.
uint32_t config_secret_read(struct config_reading *reading, const char *text,
			    enum config_key_number path_key, const char *path, uint32_t least,
			    uint8_t *secret);

// Whether an address is one host's: neither a network's, nor a group's, nor of this machine only.
bool config_ip_is_host(uint32_t ip);

// The cluster's part of config_check(): the servers, and who leads and holds which stream.
void config_check_cluster(struct config_reading *reading);

#endif
