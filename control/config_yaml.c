// SPDX-License-Identifier: BSD-3-Clause
//
// From YAML to values: walks the document beside the table of keys. The parser tells the place of
// scalars only: the rest gets that of what is in it, or of the key before it.
#include <libfyaml.h>
#include <stdarg.h>

#include "control/config_reading.h"

#define KEY_BYTES CONFIG_KEY_BYTES // longer ones are unknown anyway

struct section_walk {
	struct config_reading *reading;
	enum config_section section;
	uint32_t item;
	struct config_place place; // of what holds the section
};

// Where a node begins; mappings and lists where the first thing in them does.
static struct config_place node_place(struct fy_node *node, struct config_place otherwise)
{
	struct fy_token *token = NULL;
	const struct fy_mark *mark;
	void *iterator = NULL;
	enum fy_node_style style;
	bool is_behind;

	// The parser bounds how deep it goes.
	for (; node != NULL && !fy_node_is_scalar(node); iterator = NULL)
		node = fy_node_is_mapping(node) ?
			       fy_node_pair_key(fy_node_mapping_iterate(node, &iterator)) :
			       fy_node_sequence_iterate(node, &iterator);
	if (node != NULL)
		token = fy_node_get_scalar_token(node);
	mark = token != NULL ? fy_token_start_mark(token) : NULL;
	if (mark == NULL)
		return otherwise;
	// The marks of quoted texts and aliases stand behind the quote or the star.
	style = fy_node_get_style(node);
	is_behind = style == FYNS_SINGLE_QUOTED || style == FYNS_DOUBLE_QUOTED ||
		    style == FYNS_ALIAS;
	return (struct config_place){(uint32_t)mark->line + 1,
				     (uint32_t)mark->column + (is_behind ? 0 : 1)};
}

static const char *section_path(enum config_section section, uint32_t item, char *path,
				size_t bytes)
{
	if (config_is_list(section))
		snprintf(path, bytes, "%s[%u].", config_section_names[section], item);
	else if (section == CONFIG_SECTION_top)
		path[0] = '\0';
	else
		snprintf(path, bytes, "%s.", config_section_names[section]);
	return path;
}

void config_wrong(struct config_reading *reading, enum config_key_number number, uint32_t item,
		  const char *format, ...)
{
	const struct config_key *key = &config_keys[number];
	char path[KEY_BYTES], why[CONFIG_WHY_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	config_report_add(&reading->report, reading->given[item][number].place, "%s%s: %s",
			  section_path(key->section, item, path, sizeof(path)), key->name, why);
}

// The scalar as a C string. False (reported under `what`) if it is none, too long or an alias.
static bool scalar_text(struct config_reading *reading, struct fy_node *node,
			struct config_place place, const char *what, char *text, size_t bytes)
{
	size_t length = 0;
	const char *scalar = fy_node_is_scalar(node) ? fy_node_get_scalar(node, &length) : NULL;

	// The bare word null is a text here: a driver has that name.
	if (scalar == NULL || (length == 0 && fy_node_is_null(node)))
		config_report_add(&reading->report, place, "%s: %s", what,
				  scalar == NULL ? "a single value belongs here" :
						   "it has no value");
	else if (fy_node_is_alias(node) || fy_node_get_tag_token(node) != NULL)
		config_report_add(&reading->report, place,
				  "%s: aliases and tags are not understood here: write the value",
				  what);
	else if (length >= bytes || memchr(scalar, '\0', length) != NULL)
		config_report_add(&reading->report, place, "%s: it is too long", what);
	else {
		memcpy(text, scalar, length);
		text[length] = '\0';
		return true;
	}
	return false;
}

// A list of scalars joined by commas, as CPUS and SERVERS take it; only SERVERS may be empty.
static bool list_text(struct config_reading *reading, struct fy_node *node,
		      struct config_place place, const char *what, char *text, bool may_be_empty)
{
	const size_t bytes = CONFIG_TEXT_BYTES;
	void *iterator = NULL;
	struct fy_node *item;
	size_t used = 0;

	text[0] = '\0';
	while ((item = fy_node_sequence_iterate(node, &iterator)) != NULL) {
		char one[KEY_BYTES];

		if (!scalar_text(reading, item, node_place(item, place), what, one, sizeof(one)))
			return false;
		if (used + strlen(one) + 2 > bytes) {
			config_report_add(&reading->report, place, "%s: the list is too long",
					  what);
			return false;
		}
		used += (size_t)sprintf(text + used, "%s%s", used == 0 ? "" : ",", one);
	}
	if (used == 0 && !may_be_empty)
		config_report_add(&reading->report, place, "%s: the list is empty", what);
	return used != 0 || may_be_empty;
}

static void value_read(struct section_walk *walk, enum config_key_number number,
		       struct fy_node *node, struct config_place key_place)
{
	struct config_reading *reading = walk->reading;
	const struct config_key *key = &config_keys[number];
	struct config_given *given = &reading->given[walk->item][number];
	uint8_t *at = config_section_at(reading->config, walk->section, walk->item);
	char text[CONFIG_TEXT_BYTES], why[CONFIG_WHY_BYTES];
	char section[KEY_BYTES], path[2 * KEY_BYTES];
	bool is_list = config_takes_list(key) && fy_node_is_sequence(node);

	snprintf(path, sizeof(path), "%s%s",
		 section_path(walk->section, walk->item, section, sizeof(section)), key->name);
	given->is_given = true;
	given->place = node_place(node, key_place);
	given->is_bad = is_list ?
				!list_text(reading, node, key_place, path, text,
					   key->type == CONFIG_SERVERS) :
				!scalar_text(reading, node, given->place, path, text, sizeof(text));
	if (given->is_bad)
		return;
	if (!config_value_read(key, text, at + key->offset, why)) {
		given->is_bad = true;
		config_wrong(reading, number, walk->item, "%s", why);
	}
}

// Names that may stand in a section: its keys, and at the top the sections. NULL behind the last.
static const char *section_name_at(enum config_section section, uint32_t index)
{
	for (uint32_t i = 0; i < CONFIG_KEYS; i++)
		if (config_keys[i].section == section && index-- == 0)
			return config_keys[i].name;
	if (section != CONFIG_SECTION_top || index + 1 >= CONFIG_SECTIONS)
		return NULL;
	return config_section_names[index + 1];
}

static void unknown_report(struct section_walk *walk, const char *name, struct config_place place)
{
	char path[KEY_BYTES], all[CONFIG_WHY_BYTES] = "";
	const char *nearest = NULL, *candidate;
	uint32_t least = (uint32_t)strlen(name) / 3 + 2;
	size_t used = 0;

	for (uint32_t i = 0; (candidate = section_name_at(walk->section, i)) != NULL; i++) {
		uint32_t distance = config_distance(name, candidate);

		if (distance < least) {
			least = distance;
			nearest = candidate;
		}
		used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s", i == 0 ? "" : ", ",
					 candidate);
	}
	section_path(walk->section, walk->item, path, sizeof(path));
	if (nearest != NULL)
		config_report_add(&walk->reading->report, place,
				  "%s%s: unknown key: did you mean %s?", path, name, nearest);
	else
		config_report_add(&walk->reading->report, place,
				  "%s%s: unknown key: here may stand %s", path, name, all);
}

static void section_read(struct section_walk *walk, struct fy_node *node);

static void list_read(struct section_walk *walk, struct fy_node *node)
{
	struct config_reading *reading = walk->reading;
	const char *name = config_section_names[walk->section];
	uint32_t max, *count = config_list_count(reading->config, walk->section, &max);
	void *iterator = NULL;
	struct fy_node *item;

	reading->is_list_bad[walk->section] = true;
	if (!fy_node_is_sequence(node)) {
		config_report_add(&reading->report, walk->place,
				  "%s: a list belongs here, each item begun with \"- \"", name);
		return;
	}
	while ((item = fy_node_sequence_iterate(node, &iterator)) != NULL) {
		if (*count == max) {
			config_report_add(&reading->report, node_place(item, walk->place),
					  "%s: at most %u of them", name, max);
			return;
		}
		walk->item = (*count)++;
		section_read(walk, item);
	}
	reading->is_list_bad[walk->section] = false;
}

// One key of a section: a value, or at the top a section.
static void pair_read(struct section_walk *walk, struct fy_node_pair *pair, uint64_t *seen)
{
	struct config_reading *reading = walk->reading;
	struct config_place place = node_place(fy_node_pair_key(pair), walk->place);
	struct fy_node *value = fy_node_pair_value(pair);
	char name[KEY_BYTES], path[KEY_BYTES];
	const char *candidate;
	uint32_t index = 0;

	if (!scalar_text(reading, fy_node_pair_key(pair), place, "key", name, sizeof(name)))
		return;
	while ((candidate = section_name_at(walk->section, index)) != NULL &&
	       strcmp(candidate, name) != 0)
		index++;
	if (candidate == NULL) {
		unknown_report(walk, name, place);
		return;
	}
	if (*seen & 1ull << index) {
		config_report_add(&reading->report, place,
				  "%s%s: the key stands here a second time",
				  section_path(walk->section, walk->item, path, sizeof(path)),
				  name);
		return;
	}
	*seen |= 1ull << index;
	for (uint32_t i = 0; i < CONFIG_KEYS; i++)
		if (config_keys[i].section == walk->section && config_keys[i].name == candidate) {
			value_read(walk, i, value, place);
			return;
		}
	for (uint32_t i = 1; i < CONFIG_SECTIONS; i++) {
		struct section_walk inner = {reading, i, 0, place};

		if (config_section_names[i] != candidate)
			continue;
		reading->section_places[i] = place;
		if (config_is_list(i))
			list_read(&inner, value);
		else
			section_read(&inner, value);
	}
}

// Values that the file does not give: their default, or an error if there is none.
static void defaults_read(struct section_walk *walk)
{
	struct config_reading *reading = walk->reading;
	uint8_t *at = config_section_at(reading->config, walk->section, walk->item);

	for (uint32_t i = 0; i < CONFIG_KEYS; i++) {
		const struct config_key *key = &config_keys[i];
		struct config_given *given = &reading->given[walk->item][i];
		char why[CONFIG_WHY_BYTES];

		if (key->section != walk->section || given->is_given)
			continue;
		given->place = walk->place;
		if (key->initial == NULL) {
			given->is_bad = true;
			config_wrong(reading, i, walk->item, "it is missing: %s", key->help);
		} else if (!config_value_read(key, key->initial, at + key->offset, why)) {
			config_wrong(reading, i, walk->item, "default: %s", why);
		}
	}
}

static void section_read(struct section_walk *walk, struct fy_node *node)
{
	void *iterator = NULL;
	struct fy_node_pair *pair;
	uint64_t seen = 0;

	if (fy_node_is_mapping(node)) {
		if (config_is_list(walk->section))
			walk->place = node_place(node, walk->place);
		while ((pair = fy_node_mapping_iterate(node, &iterator)) != NULL)
			pair_read(walk, pair, &seen);
	} else if (!fy_node_is_null(node) || config_is_list(walk->section)) {
		char path[KEY_BYTES];

		config_report_add(&walk->reading->report, node_place(node, walk->place),
				  "%s: keys with values belong here, as \"key: value\"",
				  section_path(walk->section, walk->item, path, sizeof(path)));
	}
	defaults_read(walk);
}

static void syntax_report(struct config_reading *reading, struct fy_diag *diag)
{
	struct fy_diag_error *error;
	void *iterator = NULL;

	while ((error = fy_diag_errors_iterate(diag, &iterator)) != NULL)
		config_report_add(&reading->report,
				  (struct config_place){(uint32_t)error->line,
							(uint32_t)error->column},
				  "no YAML: %s", error->msg);
}

// What the parser would print; its errors are collected instead.
static void diag_swallow(struct fy_diag *diag, void *user, const char *text, size_t bytes)
{
	(void)diag, (void)user, (void)text, (void)bytes;
}

static bool document_read(struct config_reading *reading, struct fy_parser *parser,
			  struct fy_diag *diag)
{
	struct fy_document *document = fy_parse_load_document(parser);
	struct section_walk top = {reading, CONFIG_SECTION_top, 0, {0, 0}};
	struct fy_document *second;

	if (document == NULL && fy_diag_got_error(diag)) {
		syntax_report(reading, diag);
		if (reading->report.count == 0)
			config_report_add(&reading->report, top.place, "no YAML");
		return false;
	}
	section_read(&top, document != NULL ? fy_document_root(document) : NULL);
	for (uint32_t i = 1; i < CONFIG_SECTIONS; i++) {
		struct section_walk absent = {reading, i, 0, {0, 0}};

		if (!config_is_list(i) && reading->section_places[i].line == 0)
			defaults_read(&absent);
	}
	second = document != NULL ? fy_parse_load_document(parser) : NULL;
	if (second != NULL)
		config_report_add(&reading->report, node_place(fy_document_root(second), top.place),
				  "a second document begins: a configuration is one");
	else if (fy_diag_got_error(diag))
		syntax_report(reading, diag);
	fy_parse_document_destroy(parser, second);
	fy_parse_document_destroy(parser, document);
	return true;
}

bool config_yaml_read(struct config_reading *reading)
{
	struct fy_diag_cfg diag_cfg;
	struct fy_parser *parser = NULL;
	struct fy_diag *diag;
	bool is_read = false;

	fy_diag_cfg_default(&diag_cfg);
	diag_cfg.fp = NULL;
	diag_cfg.output_fn = diag_swallow;
	diag = fy_diag_create(&diag_cfg);
	if (diag != NULL) {
		// Duplicate keys are ours to report: the parser would end at the first.
		struct fy_parse_cfg cfg = {.flags = FYPCF_ALLOW_DUPLICATE_KEYS, .diag = diag};

		fy_diag_set_collect_errors(diag, true);
		parser = fy_parser_create(&cfg);
	}
	if (parser == NULL ||
	    fy_parser_set_string(parser, reading->report.text, reading->report.bytes) != 0)
		config_report_add(&reading->report, (struct config_place){0, 0},
				  "the YAML parser does not start: out of memory?");
	else
		is_read = document_read(reading, parser, diag);
	if (parser != NULL)
		fy_parser_destroy(parser);
	if (diag != NULL)
		fy_diag_destroy(diag);
	return is_read;
}
