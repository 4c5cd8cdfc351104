// SPDX-License-Identifier: BSD-3-Clause
#include "control/config_value.h"

#define SIZE_OF(section, member) sizeof(((struct config_##section *)NULL)->member)

const struct config_key config_keys[CONFIG_KEYS] = {
#define X(section_, key, type_, min_, max_, initial_, words_, help_)                               \
	[CONFIG_KEY_##section_##_##key] = {                                                        \
		.section = CONFIG_SECTION_##section_,                                              \
		.type = CONFIG_##type_,                                                            \
		.name = #key,                                                                      \
		.initial = initial_,                                                               \
		.words = words_,                                                                   \
		.help = help_,                                                                     \
		.min = min_,                                                                       \
		.max = max_,                                                                       \
		.offset = offsetof(struct config_##section_, key),                                 \
		.size = SIZE_OF(section_, key),                                                    \
	},
#include "control/config.def"
#undef X
};

const char *const config_section_names[CONFIG_SECTIONS] = {
	"", "server", "eal", "cores", "clients", "cluster", "servers", "ports", "streams",
};

// A member that is not of its type's size would be written over its end.
#define SIZE_UINT	 sizeof(uint64_t)
#define SIZE_POWER	 sizeof(uint64_t)
#define SIZE_BYTES	 sizeof(uint64_t)
#define SIZE_POWER_BYTES sizeof(uint64_t)
#define SIZE_DURATION	 sizeof(uint64_t)
#define SIZE_BOOL	 sizeof(bool)
#define SIZE_CHOICE	 sizeof(uint32_t)
#define SIZE_CPUS	 sizeof(struct config_cpus)
#define SIZE_IPV4	 sizeof(uint32_t)
#define SIZE_PREFIX	 sizeof(struct config_prefix)
#define SIZE_PCI	 16
#define SIZE_ENDPOINT	 sizeof(struct config_endpoint)
#define SIZE_SERVERS	 sizeof(struct config_servers)
#define SIZE_NAME	 GODWIT_NAME_BYTES
#define SIZE_TEXT	 0
#define X(section, key, type, min, max, initial, words, help)                                      \
	static_assert(SIZE_##type == 0 || SIZE_OF(section, key) == SIZE_##type, #section "." #key);
#include "control/config.def"
#undef X

const struct config_unit config_units_bytes[CONFIG_UNITS_BYTES] = {
	{"TiB", CONFIG_TIB},
	{"GiB", CONFIG_GIB},
	{"MiB", CONFIG_MIB},
	{"KiB", CONFIG_KIB},
	{"B", 1},
};
const struct config_unit config_units_time[CONFIG_UNITS_TIME] = {
	{"min", 60 * CONFIG_S},
	{"s", CONFIG_S},
	{"ms", CONFIG_MS},
	{"us", CONFIG_US},
};

void *config_section_at(struct config *config, enum config_section section, uint32_t index)
{
	switch (section) {
	case CONFIG_SECTION_top:
		return &config->top;
	case CONFIG_SECTION_server:
		return &config->server;
	case CONFIG_SECTION_eal:
		return &config->eal;
	case CONFIG_SECTION_cores:
		return &config->cores;
	case CONFIG_SECTION_clients:
		return &config->clients;
	case CONFIG_SECTION_cluster:
		return &config->cluster;
	case CONFIG_SECTION_member:
		return &config->members[index];
	case CONFIG_SECTION_port:
		return &config->ports[index];
	case CONFIG_SECTION_stream:
		return &config->streams[index];
	default:
		return NULL;
	}
}

uint32_t *config_list_count(struct config *config, enum config_section section, uint32_t *max)
{
	switch (section) {
	case CONFIG_SECTION_member:
		*max = SERVER_LIST_MAX;
		return &config->members_count;
	case CONFIG_SECTION_port:
		*max = CONFIG_PORTS_MAX;
		return &config->ports_count;
	default:
		*max = SERVER_STREAMS_MAX;
		return &config->streams_count;
	}
}

// The largest unit that divides the number; time is never shown in less than us.
static void unit_text(const struct config_unit *units, size_t count, uint64_t value, char *text)
{
	for (size_t i = 0; i < count; i++)
		if (value % units[i].factor == 0 && (value != 0 || i + 1 == count)) {
			snprintf(text, 32, "%llu %s", (unsigned long long)(value / units[i].factor),
				 units[i].name);
			return;
		}
	snprintf(text, 32, "%llu ns", (unsigned long long)value);
}

const char *config_bytes_text(uint64_t bytes, char *text)
{
	unit_text(config_units_bytes, CONFIG_UNITS_BYTES, bytes, text);
	return text;
}

void config_number_write(const struct config_key *key, uint64_t value, char *text)
{
	if (config_is_bytes(key))
		unit_text(config_units_bytes, CONFIG_UNITS_BYTES, value, text);
	else if (key->type == CONFIG_DURATION)
		unit_text(config_units_time, CONFIG_UNITS_TIME, value, text);
	else
		snprintf(text, 32, "%llu", (unsigned long long)value);
}

static char *ipv4_write(uint32_t ip, char *text)
{
	return text +
	       sprintf(text, "%u.%u.%u.%u", ip >> 24, ip >> 16 & 255, ip >> 8 & 255, ip & 255);
}

void config_value_write(const struct config_key *key, const void *at, char *text)
{
	static const uint8_t zeros[1024];
	const struct config_cpus *cpus = at;
	const struct config_prefix *prefix = at;
	const struct config_endpoint *endpoint = at;
	const struct config_servers *servers = at;
	const char *words = key->words;
	uint64_t value = 0;

	if (key->type != CONFIG_TEXT && key->type != CONFIG_NAME && key->size <= sizeof(value))
		memcpy(&value, at, key->size);
	if (key->type != CONFIG_CHOICE && words != NULL &&
	    ((key->size == 8 && value == CONFIG_AUTO) ||
	     (key->size != 8 && memcmp(at, zeros, key->size) == 0))) {
		sprintf(text, "%s", words);
		return;
	}
	switch (key->type) {
	case CONFIG_BOOL:
		sprintf(text, "%s", value ? "yes" : "no");
		break;
	case CONFIG_CHOICE:
		for (; value > 0; value--)
			words += strcspn(words, "|") + 1;
		sprintf(text, "%.*s", (int)strcspn(words, "|"), words);
		break;
	case CONFIG_NAME:
	case CONFIG_TEXT:
	case CONFIG_PCI:
		memcpy(text, at, key->size);
		break;
	case CONFIG_CPUS:
		for (uint32_t i = 0; i < cpus->count; i++)
			text += sprintf(text, "%s%u", i == 0 ? "" : ", ", cpus->cpus[i]);
		break;
	case CONFIG_IPV4:
		ipv4_write((uint32_t)value, text);
		break;
	case CONFIG_PREFIX:
		sprintf(ipv4_write(prefix->ip, text), "/%u", prefix->bits);
		break;
	case CONFIG_ENDPOINT:
		sprintf(ipv4_write(endpoint->ip, text), ":%u", endpoint->port);
		break;
	case CONFIG_SERVERS:
		for (uint32_t i = 0; i < servers->count; i++)
			text += sprintf(text, "%s%u", i == 0 ? "" : ", ", servers->ids[i]);
		break;
	default:
		config_number_write(key, value, text);
	}
}
