// SPDX-License-Identifier: BSD-3-Clause
#include "control/config.h"

#include <errno.h>
#include <stdlib.h>

#include "control/config_reading.h"

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
	if (memchr(text, '\0', bytes) != NULL) {
		config_report_add(&reading->report, (struct config_place){0, 0},
				  "it holds a zero byte: it is not a text");
	} else {
		config_yaml_read(reading);
		config_check(reading);
	}
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
