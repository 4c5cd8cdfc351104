// SPDX-License-Identifier: BSD-3-Clause
//
// From text to value, with an answer to what is wrong.
#include "control/config_value.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

static bool __attribute__((format(printf, 2, 3))) wrong(char *why, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, CONFIG_WHY_BYTES, format, args);
	va_end(args);
	return false;
}

// Digits at the start of `text`: no sign, no leading zero, no overflow. NULL if there are none.
static const char *digits_read(const char *text, uint64_t *value)
{
	char *end;

	if (!isdigit((unsigned char)text[0]) || (text[0] == '0' && isdigit((unsigned char)text[1])))
		return NULL;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return errno == 0 ? end : NULL;
}

static bool unit_read(const struct config_key *key, const char *text, const char *rest,
		      uint64_t *value, char *why)
{
	const struct config_unit *units = config_is_bytes(key) ? config_units_bytes :
								 config_units_time;
	size_t count = config_is_bytes(key) ? CONFIG_UNITS_BYTES : CONFIG_UNITS_TIME;
	const char *all = config_is_bytes(key) ? "B, KiB, MiB, GiB or TiB" : "us, ms, s or min";
	const char *example = config_is_bytes(key) ? "MiB" : "ms";

	while (*rest == ' ')
		rest++;
	if (*rest == '\0')
		return wrong(why, "\"%.60s\" needs a unit (%s): %llu %s?", text, all,
			     (unsigned long long)*value, example);
	for (size_t i = 0; i < count; i++) {
		if (strcmp(rest, units[i].name) != 0)
			continue;
		if (__builtin_mul_overflow(*value, units[i].factor, value))
			return wrong(why, "\"%.60s\" is too large", text);
		return true;
	}
	if (*rest == '.')
		return wrong(why, "\"%.60s\" is not a whole number: use a smaller unit (%s)", text,
			     all);
	return wrong(why, "\"%.40s\" is no unit here: use %s", rest, all);
}

static bool power_check(const struct config_key *key, uint64_t value, char *why)
{
	char given[32], below[32], above[32];
	uint64_t power = 1;

	if (value != 0 && (value & (value - 1)) == 0)
		return true;
	while (power < value)
		power *= 2;
	config_number_write(key, value, given);
	config_number_write(key, power / 2, below);
	config_number_write(key, power, above);
	return wrong(why, "%s is not a power of two: take %s or %s", given, below, above);
}

static bool number_read(const struct config_key *key, const char *text, void *at, char *why)
{
	char given[32], limit[32];
	uint64_t value;
	const char *rest = digits_read(text, &value);

	if (rest == NULL)
		return wrong(why, "\"%.60s\" is not a number%s", text,
			     text[0] == '-' ? " that may stand here: none is negative" :
			     text[0] == '0' ? ": it may not begin with 0" :
					      "");
	if (config_is_bytes(key) || key->type == CONFIG_DURATION) {
		if (!unit_read(key, text, rest, &value, why))
			return false;
	} else if (*rest != '\0') {
		return wrong(why, "\"%.60s\" is not a whole number without a unit", text);
	}
	config_number_write(key, value, given);
	if (value < key->min) {
		config_number_write(key, key->min, limit);
		return wrong(why, "%s is too small: at least %s", given, limit);
	}
	if (value > key->max) {
		config_number_write(key, key->max, limit);
		return wrong(why, "%s is too large: at most %s", given, limit);
	}
	if ((key->type == CONFIG_POWER || key->type == CONFIG_POWER_BYTES) &&
	    !power_check(key, value, why))
		return false;
	memcpy(at, &value, sizeof(value));
	return true;
}

// The number of `text` among words parted by '|', or -1.
static int word_find(const char *words, const char *text)
{
	size_t bytes = strlen(text);

	for (int i = 0; words != NULL; i++) {
		size_t word = strcspn(words, "|");

		if (word == bytes && memcmp(words, text, bytes) == 0)
			return i;
		words = words[word] == '|' ? words + word + 1 : NULL;
	}
	return -1;
}

static bool choice_read(const struct config_key *key, const char *text, void *at, char *why)
{
	int number = word_find(key->words, text);

	if (number < 0)
		return wrong(why, "\"%.60s\" is none of %s", text, key->words);
	memcpy(at, &(uint32_t){(uint32_t)number}, sizeof(uint32_t));
	return true;
}

static bool bool_read(const char *text, void *at, char *why)
{
	int number = word_find("no|yes|false|true", text);
	bool value = number % 2 == 1;

	if (number < 0)
		return wrong(why, "\"%.60s\" is neither yes nor no", text);
	memcpy(at, &value, sizeof(value));
	return true;
}

static bool text_read(const struct config_key *key, const char *text, void *at, char *why)
{
	size_t bytes = strlen(text);

	if (bytes < key->min || bytes > key->max)
		return wrong(why, "%zu characters are too %s: %llu to %llu", bytes,
			     bytes < key->min ? "few" : "many", (unsigned long long)key->min,
			     (unsigned long long)key->max);
	for (size_t i = 0; i < bytes; i++) {
		unsigned char c = (unsigned char)text[i];

		if (key->type == CONFIG_NAME && !isalnum(c) && strchr("._-/:", c) == NULL)
			return wrong(
				why,
				"\"%.60s\" holds '%c': a name is of letters, digits and . _ - / :",
				text, isprint(c) ? c : '?');
		if (iscntrl(c))
			return wrong(why, "it holds a character that cannot be printed");
	}
	memset(at, 0, key->size);
	memcpy(at, text, bytes);
	return true;
}

static bool cpu_add(struct config_cpus *cpus, uint64_t cpu, char *why)
{
	for (uint32_t i = 0; i < cpus->count; i++)
		if (cpus->cpus[i] == cpu)
			return wrong(why, "CPU %llu stands there twice", (unsigned long long)cpu);
	if (cpus->count == SERVER_CORES_MAX)
		return wrong(why, "more than %u CPUs", SERVER_CORES_MAX);
	cpus->cpus[cpus->count++] = (uint32_t)cpu;
	return true;
}

static bool cpus_read(const struct config_key *key, const char *text, void *at, char *why)
{
	struct config_cpus cpus = {0};
	const char *rest = text;

	for (;;) {
		uint64_t first = 0, last;

		rest = digits_read(rest + strspn(rest, " "), &first);
		last = first;
		if (rest != NULL && *rest == '-')
			rest = digits_read(rest + 1, &last);
		if (rest == NULL)
			return wrong(why, "\"%.60s\" is no list of CPUs, as [0, 2-5]", text);
		if (last < first || last > key->max)
			return wrong(why, "%llu to %llu is no range of CPUs up to %llu",
				     (unsigned long long)first, (unsigned long long)last,
				     (unsigned long long)key->max);
		for (uint64_t cpu = first; cpu <= last; cpu++)
			if (!cpu_add(&cpus, cpu, why))
				return false;
		rest += strspn(rest, " ");
		if (*rest == '\0')
			break;
		if (*rest++ != ',')
			return wrong(why, "\"%.60s\" is no list of CPUs, as [0, 2-5]", text);
	}
	memcpy(at, &cpus, sizeof(cpus));
	return true;
}

// Four numbers with dots. NULL if it is not that.
static const char *ipv4_read(const char *text, uint32_t *ip)
{
	*ip = 0;
	for (uint32_t i = 0; i < 4; i++) {
		uint64_t part;

		text = digits_read(text, &part);
		if (text == NULL || part > 255 || (i < 3 && *text++ != '.'))
			return NULL;
		*ip = *ip << 8 | (uint32_t)part;
	}
	return text;
}

static bool address_read(const struct config_key *key, const char *text, void *at, char *why)
{
	struct config_prefix prefix = {0};
	uint64_t bits = 32;
	const char *rest = ipv4_read(text, &prefix.ip);

	if (key->type == CONFIG_IPV4) {
		if (rest == NULL || *rest != '\0')
			return wrong(why, "\"%.60s\" is no IPv4 address, as 10.0.0.254", text);
		memcpy(at, &prefix.ip, sizeof(prefix.ip));
		return true;
	}
	if (rest != NULL && *rest == '\0')
		return wrong(why, "\"%.60s\" lacks the length of its network: %.60s/24?", text,
			     text);
	if (rest != NULL)
		rest = *rest == '/' ? digits_read(rest + 1, &bits) : NULL;
	if (rest == NULL || *rest != '\0' || bits < 1 || bits > 32)
		return wrong(why, "\"%.60s\" is no IPv4 address with its network, as 10.0.0.1/24",
			     text);
	prefix.bits = (uint32_t)bits;
	memcpy(at, &prefix, sizeof(prefix));
	return true;
}

static bool endpoint_read(const char *text, void *at, char *why)
{
	struct config_endpoint endpoint = {0};
	uint64_t port = 0;
	const char *rest = ipv4_read(text, &endpoint.ip);

	if (rest != NULL && *rest == '\0')
		return wrong(why, "\"%.60s\" lacks the UDP port: %.60s:5678?", text, text);
	if (rest != NULL)
		rest = *rest == ':' ? digits_read(rest + 1, &port) : NULL;
	if (rest == NULL || *rest != '\0' || port < 1 || port > 65535)
		return wrong(why, "\"%.60s\" is no IPv4 address with a UDP port, as 10.0.0.1:5678",
			     text);
	endpoint.port = (uint32_t)port;
	memcpy(at, &endpoint, sizeof(endpoint));
	return true;
}

// Ids of servers with commas between; an empty text is an empty list.
static bool servers_read(const struct config_key *key, const char *text, void *at, char *why)
{
	struct config_servers servers = {0};
	const char *rest = text + strspn(text, " ");

	while (*rest != '\0') {
		uint64_t id = 0;

		rest = digits_read(rest, &id);
		if (rest != NULL)
			rest += strspn(rest, " ");
		if (rest == NULL || (*rest != ',' && *rest != '\0') || id < key->min ||
		    id > key->max || (*rest == ',' && rest[1 + strspn(rest + 1, " ")] == '\0'))
			return wrong(why, "\"%.60s\" is no list of server numbers, as [2, 3]",
				     text);
		for (uint32_t i = 0; i < servers.count; i++)
			if (servers.ids[i] == id)
				return wrong(why, "server %llu stands there twice",
					     (unsigned long long)id);
		if (servers.count == SERVER_LIST_MAX)
			return wrong(why, "more than %u servers", SERVER_LIST_MAX);
		servers.ids[servers.count++] = (uint32_t)id;
		rest += strspn(rest, ", ");
	}
	memcpy(at, &servers, sizeof(servers));
	return true;
}

static bool pci_read(const char *text, void *at, char *why)
{
	unsigned int domain = 0, bus, device, function;
	int end = 0;

	if (sscanf(text, "%4x:%2x:%2x.%1x%n", &domain, &bus, &device, &function, &end) != 4) {
		domain = 0;
		end = 0;
		if (sscanf(text, "%2x:%2x.%1x%n", &bus, &device, &function, &end) != 3)
			end = 0;
	}
	if (end == 0 || text[end] != '\0' || device > 31 || function > 7)
		return wrong(why, "\"%.60s\" is no PCI address, as 0000:03:00.0", text);
	snprintf(at, 16, "%04x:%02x:%02x.%x", domain & 0xffff, bus & 0xff, device, function);
	return true;
}

bool config_value_read(const struct config_key *key, const char *text, void *at, char *why)
{
	if (key->type != CONFIG_CHOICE && key->words != NULL && strcmp(text, key->words) == 0) {
		memset(at, strcmp(text, "auto") == 0 && key->size == 8 ? 0xff : 0, key->size);
		return true;
	}
	switch (key->type) {
	case CONFIG_BOOL:
		return bool_read(text, at, why);
	case CONFIG_CHOICE:
		return choice_read(key, text, at, why);
	case CONFIG_NAME:
	case CONFIG_TEXT:
		return text_read(key, text, at, why);
	case CONFIG_CPUS:
		return cpus_read(key, text, at, why);
	case CONFIG_IPV4:
	case CONFIG_PREFIX:
		return address_read(key, text, at, why);
	case CONFIG_PCI:
		return pci_read(text, at, why);
	case CONFIG_ENDPOINT:
		return endpoint_read(text, at, why);
	case CONFIG_SERVERS:
		return servers_read(key, text, at, why);
	default:
		return number_read(key, text, at, why);
	}
}
