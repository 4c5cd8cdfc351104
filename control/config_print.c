// SPDX-License-Identifier: BSD-3-Clause
//
// The configuration and its keys, for people.
#include "control/config_value.h"

static bool text_is_plain(const char *text)
{
	// What YAML might take for something else is quoted.
	return text[strspn(text,
			   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./")] ==
	       '\0';
}

static void quoted_print(const char *text, FILE *out)
{
	fputc('"', out);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

static void value_print(const struct config_key *key, const uint8_t *at, FILE *out)
{
	char text[CONFIG_TEXT_BYTES];

	config_value_write(key, at + key->offset, text);
	if ((key == &config_keys[CONFIG_KEY_clients_credential] ||
	     key == &config_keys[CONFIG_KEY_cluster_key]) &&
	    strcmp(text, "none") != 0)
		fputs("none # one is set, and not shown", out);
	else if (config_takes_list(key) && strcmp(text, "none") != 0)
		fprintf(out, "[%s]", text);
	else if ((key->type == CONFIG_TEXT || key->type == CONFIG_NAME) && !text_is_plain(text))
		quoted_print(text, out);
	else
		fputs(text, out);
}

static void section_print(struct config *config, enum config_section section, uint32_t item,
			  const char *first, const char *indent, FILE *out)
{
	const uint8_t *at = config_section_at(config, section, item);

	for (uint32_t i = 0; i < CONFIG_KEYS; i++) {
		if (config_keys[i].section != section)
			continue;
		fprintf(out, "%s%s: ", first, config_keys[i].name);
		value_print(&config_keys[i], at, out);
		fputc('\n', out);
		first = indent;
	}
}

void config_print(const struct config *config, FILE *out)
{
	struct config copy = *config; // config_section_at() gives writers their struct

	section_print(&copy, CONFIG_SECTION_top, 0, "", "", out);
	for (uint32_t i = CONFIG_SECTION_server; i < CONFIG_SECTIONS; i++) {
		bool is_list = config_is_list(i);
		uint32_t max, items = is_list ? *config_list_count(&copy, i, &max) : 1;

		if (items == 0) // no YAML for a list without items
			continue;
		fprintf(out, "%s:\n", config_section_names[i]);
		for (uint32_t item = 0; item < items; item++)
			section_print(&copy, i, item, is_list ? "  - " : "  ",
				      is_list ? "    " : "  ", out);
	}
}

// What may stand as the key's value, in words.
static void range_print(const struct config_key *key, FILE *out)
{
	static const char *const kinds[] = {
		[CONFIG_UINT] = "number",
		[CONFIG_POWER] = "power of two",
		[CONFIG_BYTES] = "bytes",
		[CONFIG_POWER_BYTES] = "bytes, a power of two",
		[CONFIG_DURATION] = "time",
		[CONFIG_BOOL] = "yes or no",
		[CONFIG_NAME] = "name",
		[CONFIG_TEXT] = "text",
		[CONFIG_CPUS] = "list of CPUs",
		[CONFIG_IPV4] = "IPv4 address",
		[CONFIG_PREFIX] = "IPv4 network",
		[CONFIG_PCI] = "PCI address",
		[CONFIG_ENDPOINT] = "IPv4 address and port",
		[CONFIG_SERVERS] = "list of server numbers",
	};
	char min[32], max[32];

	if (key->type == CONFIG_CHOICE) {
		for (const char *c = key->words; *c != '\0'; c++)
			fputs(*c == '|' ? ", " : (const char[]){*c, '\0'}, out);
		return;
	}
	fputs(kinds[key->type], out);
	config_number_write(key, key->min, min);
	config_number_write(key, key->max, max);
	if (key->type <= CONFIG_DURATION)
		fprintf(out, ", %s to %s", min, max);
	else if (key->type == CONFIG_NAME || key->type == CONFIG_TEXT)
		fprintf(out, " of %s to %s characters", min, max);
	if (key->words != NULL)
		fprintf(out, ", or %s", key->words);
}

void config_print_keys(FILE *out)
{
	for (uint32_t i = 0; i < CONFIG_KEYS; i++) {
		const struct config_key *key = &config_keys[i];
		bool is_list = config_is_list(key->section);

		fprintf(out, "%s%s%s\n    ", config_section_names[key->section],
			is_list				   ? "[]." :
			key->section == CONFIG_SECTION_top ? "" :
							     ".",
			key->name);
		range_print(key, out);
		if (key->initial == NULL)
			fputs("; required\n", out);
		else
			fprintf(out, "; default %s\n", key->initial);
		fprintf(out, "    %s\n", key->help);
	}
}
