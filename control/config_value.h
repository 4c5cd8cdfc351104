// SPDX-License-Identifier: BSD-3-Clause
//
// The table of keys, and the text form of one value of each type. Pure functions.
//
//   UINT         64                              POWER        a power of two
//   BYTES        64 MiB; B, KiB, MiB, GiB, TiB   POWER_BYTES  a power of two
//   DURATION     100 ms; us, ms, s, min          BOOL         yes, no, true, false
//   CHOICE       one of words                    NAME         letters, digits, . _ - / :
//   TEXT         printable                       CPUS         0, 2-5
//   IPV4         10.0.0.1                        PREFIX       10.0.0.1/24
//   PCI          0000:03:00.0                    ENDPOINT     10.0.0.1:5678
//   SERVERS      2, 3
//
// A number where a unit is needed is refused: 64 alone is never bytes, nor milliseconds.
#ifndef CONTROL_CONFIG_VALUE_H
#define CONTROL_CONFIG_VALUE_H

#include "control/config.h"

enum config_type {
	CONFIG_UINT,
	CONFIG_POWER,
	CONFIG_BYTES,
	CONFIG_POWER_BYTES,
	CONFIG_DURATION,
	CONFIG_BOOL,
	CONFIG_CHOICE,
	CONFIG_NAME,
	CONFIG_TEXT,
	CONFIG_CPUS,
	CONFIG_IPV4,
	CONFIG_PREFIX,
	CONFIG_PCI,
	CONFIG_ENDPOINT,
	CONFIG_SERVERS,
};

enum config_section {
	CONFIG_SECTION_top,
	CONFIG_SECTION_server,
	CONFIG_SECTION_eal,
	CONFIG_SECTION_cores,
	CONFIG_SECTION_clients,
	CONFIG_SECTION_cluster,
	CONFIG_SECTION_member,
	CONFIG_SECTION_port,
	CONFIG_SECTION_stream,
	CONFIG_SECTIONS,
};

enum config_key_number {
#define X(section, key, type, min, max, initial, words, help) CONFIG_KEY_##section##_##key,
#include "control/config.def"
#undef X
	CONFIG_KEYS,
};

struct config_key {
	enum config_section section;
	enum config_type type;
	const char *name;
	const char *initial; // NULL: required
	const char *words;
	const char *help;
	uint64_t min, max;
	uint32_t offset, size; // in the section's struct
};

extern const struct config_key config_keys[CONFIG_KEYS];
// As it stands in a file: "server", "ports"; "" for top.
extern const char *const config_section_names[CONFIG_SECTIONS];

// Whether a section is a list of items. Those come last.
static inline bool config_is_list(enum config_section section)
{
	return section >= CONFIG_SECTION_member;
}

// How many items of a list the configuration has, and may have (*max).
uint32_t *config_list_count(struct config *config, enum config_section section, uint32_t *max);

#define CONFIG_WHY_BYTES  320
#define CONFIG_TEXT_BYTES 1280 // room for any value's text

// The struct of a section, or of its item `index` where it is a list.
void *config_section_at(struct config *config, enum config_section section, uint32_t index);

// Read `text` as the key's value into `at`. False: why (CONFIG_WHY_BYTES) says what is wrong with it and
// what would be right, as the rest of a sentence that begins with the key.
bool config_value_read(const struct config_key *key, const char *text, void *at, char *why);

// The value at `at` as text that reads back as the same (CONFIG_TEXT_BYTES). A text is not quoted.
void config_value_write(const struct config_key *key, const void *at, char *text);

// A number of the key's type as text (at least 32 bytes).
void config_number_write(const struct config_key *key, uint64_t value, char *text);

struct config_unit {
	const char *name;
	uint64_t factor;
};

#define CONFIG_UNITS_BYTES 5
#define CONFIG_UNITS_TIME  4
extern const struct config_unit config_units_bytes[CONFIG_UNITS_BYTES]; // from the largest
extern const struct config_unit config_units_time[CONFIG_UNITS_TIME];

static inline bool config_is_bytes(const struct config_key *key)
{
	return key->type == CONFIG_BYTES || key->type == CONFIG_POWER_BYTES;
}

// Types whose value may be a YAML list of single values.
static inline bool config_takes_list(const struct config_key *key)
{
	return key->type == CONFIG_CPUS || key->type == CONFIG_SERVERS;
}

// Bytes with the largest unit that divides them ("64 MiB"). text: at least 32 bytes.
const char *config_bytes_text(uint64_t bytes, char *text);

#endif
