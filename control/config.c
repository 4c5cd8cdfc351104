// SPDX-License-Identifier: BSD-3-Clause
#include "control/config.h"

#include <errno.h>
#include <stdlib.h>

#include "control/config_reading.h"

// Bytes of the character of UTF-8 at `at`, or 0 if it is none.
static size_t character_bytes(const uint8_t *at, size_t left)
{
	size_t bytes = at[0] < 0x80		     ? 1 :
		       at[0] >= 0xc2 && at[0] < 0xe0 ? 2 :
		       at[0] >= 0xe0 && at[0] < 0xf0 ? 3 :
		       at[0] >= 0xf0 && at[0] < 0xf5 ? 4 :
						       0;

	if (bytes > left)
		return 0;
	for (size_t i = 1; i < bytes; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	return bytes;
}

// What the YAML parser may not be given: on broken characters and some directives it does not return.
// Reports the first. True if there is nothing of it.
static bool text_check(struct config_report *report)
{
	const uint8_t *text = (const uint8_t *)report->text;
	struct config_place place = {1, 1};
	const char *wrong = NULL;

	for (size_t i = 0, bytes; i < report->bytes && wrong == NULL; i += bytes) {
		bytes = character_bytes(&text[i], report->bytes - i);
		if (bytes == 0)
			wrong = "this byte is no character of UTF-8";
		else if ((text[i] < ' ' && strchr("\t\n\r", text[i]) == NULL) || text[i] == '\0' ||
			 text[i] == 0x7f)
			wrong = "a control character stands here: it is not a text";
		else if (text[i] == '\r' && (i + 1 == report->bytes || text[i + 1] != '\n'))
			wrong = "a carriage return stands here without its newline";
		else if (text[i] == '%' && place.column == 1)
			wrong = "directives of YAML are not understood here";
		if (wrong != NULL)
			config_report_add(report, place, "%s", wrong);
		place.column++;
		if (text[i] == '\n')
			place = (struct config_place){place.line + 1, 1};
	}
	return wrong == NULL;
}

int config_read_text(struct config *config, const char *name, const char *text, size_t bytes,
		     FILE *out)
{
	struct config_reading *reading = calloc(1, sizeof(*reading));
	int errors;

	if (reading == NULL) {
		fprintf(out, "%s: out of memory\n", name);
		return -ENOMEM;
	}
	memset(config, 0, sizeof(*config));
	reading->config = config;
	reading->report.name = name;
	reading->report.text = text;
	reading->report.bytes = bytes;
	if (bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		// the mark of byte order that some editors write
		reading->report.text += 3;
		reading->report.bytes -= 3;
	}
	// Of a text that is no YAML nothing is missing: it was not read.
	if (text_check(&reading->report) && config_yaml_read(reading))
		config_check(reading);
	config_report_print(&reading->report, out);
	errors = (int)reading->report.count;
	free(reading);
	return errors;
}

// The file's bytes, to be freed. NULL with errno; EFBIG above CONFIG_FILE_MAX.
static char *file_read(const char *path, size_t *bytes)
{
	FILE *file = fopen(path, "re");
	char *text = malloc(CONFIG_FILE_MAX + 1);
	int error = errno;

	if (file != NULL && text != NULL) {
		errno = 0;
		*bytes = fread(text, 1, CONFIG_FILE_MAX + 1, file);
		error = ferror(file) ? errno : *bytes > CONFIG_FILE_MAX ? EFBIG : 0;
	}
	if (file != NULL)
		fclose(file);
	if (error != 0 || text == NULL) {
		free(text);
		errno = error != 0 ? error : ENOMEM;
		return NULL;
	}
	return text;
}

int config_read(struct config *config, const char *path, FILE *out)
{
	size_t bytes = 0;
	char *text = file_read(path, &bytes);
	int rc;

	if (text == NULL) {
		rc = -errno;
		fprintf(out, "%s: it cannot be read: %s\n", path, strerror(errno));
		return rc;
	}
	rc = config_read_text(config, path, text, bytes, out);
	free(text);
	return rc;
}
