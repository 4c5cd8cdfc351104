// SPDX-License-Identifier: BSD-3-Clause
#include "control/config_report.h"

#include <stdarg.h>
#include <stdlib.h>

void config_report_add(struct config_report *report, struct config_place place, const char *format,
		       ...)
{
	struct config_error *error;
	va_list args;

	if (report->count >= CONFIG_ERRORS_MAX) {
		report->count++;
		return;
	}
	error = &report->errors[report->count++];
	error->place = place;
	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
}

static int error_compare(const void *left, const void *right)
{
	const struct config_error *a = left, *b = right;

	if (a->place.line != b->place.line)
		return a->place.line < b->place.line ? -1 : 1;
	if (a->place.column != b->place.column)
		return a->place.column < b->place.column ? -1 : 1;
	return strcmp(a->text, b->text);
}

// The line that a place is in, and a caret below the place: tabs stay tabs, so that it fits.
static void source_print(const struct config_report *report, struct config_place place, FILE *out)
{
	const char *at = report->text, *end = report->text + report->bytes;

	for (uint32_t line = 1; line < place.line && at != NULL; line++) {
		at = memchr(at, '\n', (size_t)(end - at));
		at = at == NULL ? NULL : at + 1;
	}
	if (at == NULL || at >= end)
		return;

	const char *newline = memchr(at, '\n', (size_t)(end - at));
	int bytes = (int)((newline == NULL ? end : newline) - at);
	uint32_t column = 1;

	fprintf(out, "  %.*s\n  ", bytes, at);
	for (int i = 0; i < bytes && column < place.column; i++) {
		// the bytes of one character of UTF-8 count once
		if (((uint8_t)at[i] & 0xc0) == 0x80)
			continue;
		fputc(at[i] == '\t' ? '\t' : ' ', out);
		column++;
	}
	fputs("^\n", out);
}

void config_report_print(struct config_report *report, FILE *out)
{
	uint32_t kept = report->count < CONFIG_ERRORS_MAX ? report->count : CONFIG_ERRORS_MAX;

	qsort(report->errors, kept, sizeof(report->errors[0]), error_compare);
	for (uint32_t i = 0; i < kept; i++) {
		const struct config_error *error = &report->errors[i];

		if (error->place.line == 0) {
			fprintf(out, "%s: error: %s\n", report->name, error->text);
			continue;
		}
		fprintf(out, "%s:%u:%u: error: %s\n", report->name, error->place.line,
			error->place.column, error->text);
		source_print(report, error->place, out);
	}
	if (report->count > kept)
		fprintf(out, "%s: %u more errors\n", report->name, report->count - kept);
}

uint32_t config_distance(const char *a, const char *b)
{
	uint32_t row[CONFIG_KEY_BYTES + 1], length = (uint32_t)strlen(b);

	for (uint32_t j = 0; j <= length; j++)
		row[j] = j;
	for (uint32_t i = 0; a[i] != '\0'; i++) {
		uint32_t corner = row[0];

		row[0] = i + 1;
		for (uint32_t j = 0; j < length; j++) {
			uint32_t best = corner + (a[i] != b[j]);

			corner = row[j + 1];
			best = row[j] + 1 < best ? row[j] + 1 : best;
			row[j + 1] = row[j + 1] + 1 < best ? row[j + 1] + 1 : best;
		}
	}
	return row[length];
}
