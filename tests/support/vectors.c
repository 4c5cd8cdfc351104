// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/vectors.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	LINE_MAX_BYTES = 512,
	VECTORS_MAX = 256
};

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Append `count` times the byte.
static int bytes_repeat(struct vector *vector, uint8_t byte, unsigned long count)
{
	if (count > VECTOR_BYTES_MAX - vector->length)
		return -EINVAL;
	memset(vector->bytes + vector->length, byte, count);
	vector->length += (uint32_t)count;
	return 0;
}

// XXXX.. or XX*N, from text up to its end.
static int hex_parse(struct vector *vector, const char *text)
{
	const char *star = strchr(text, '*');
	size_t digits = star ? (size_t)(star - text) : strlen(text);
	unsigned long count = 1;
	char *end;

	if (digits == 0 || digits % 2 != 0 || (star && digits != 2))
		return -EINVAL;
	if (star) {
		count = strtoul(star + 1, &end, 10);
		if (star[1] == '\0' || *end != '\0' || count == 0)
			return -EINVAL;
	}
	for (size_t i = 0; i < digits; i += 2) {
		int high = digit_of(text[i]), low = digit_of(text[i + 1]);

		if (high < 0 || low < 0 || bytes_repeat(vector, (uint8_t)(high << 4 | low), count))
			return -EINVAL;
	}
	return 0;
}

// "text":N at *at; moves *at behind it.
static int text_parse(struct vector *vector, char **at)
{
	char *text = *at + 1;
	char *quote = strchr(text, '"');
	unsigned long total;
	size_t length;

	if (!quote || quote[1] != ':')
		return -EINVAL;
	length = (size_t)(quote - text);
	total = strtoul(quote + 2, at, 10);
	if (total < length || total > VECTOR_BYTES_MAX - vector->length)
		return -EINVAL;
	memcpy(vector->bytes + vector->length, text, length);
	vector->length += (uint32_t)length;
	return bytes_repeat(vector, 0, total - length);
}

static int field_parse(struct vector *vector, char *line)
{
	struct vector_field *field = &vector->fields[vector->field_count];
	char *at = line;
	uint32_t offset = vector->length;
	int rc;

	if (vector->field_count == VECTOR_FIELDS_MAX)
		return -EINVAL;
	if (*at == '"') {
		rc = text_parse(vector, &at);
		if (rc == 0 && *at != ' ')
			return -EINVAL;
	} else {
		at += strcspn(line, " ");
		if (*at == '\0')
			return -EINVAL;
		*at++ = '\0';
		rc = hex_parse(vector, line);
	}
	if (rc)
		return rc;
	at += strspn(at, " ");
	if (*at == '\0' || strlen(at) >= sizeof(field->name) || strchr(at, ' '))
		return -EINVAL;
	snprintf(field->name, sizeof(field->name), "%s", at);
	field->offset = offset;
	field->bytes = vector->length - offset;
	vector->field_count++;
	return 0;
}

static int frame_parse(struct vectors *vectors, const char *rest)
{
	static const char *const directions[] = {
		[VECTOR_CLIENT] = "client", [VECTOR_SERVER] = "server", [VECTOR_PEER] = "peer"};
	struct vector *vector = &vectors->items[vectors->count];
	char direction[16];

	if (vectors->count == VECTORS_MAX)
		return -EINVAL;
	if (sscanf(rest, "%15s %39s", direction, vector->name) != 2)
		return -EINVAL;
	if (vectors_find(vectors, vector->name))
		return -EINVAL;
	for (int i = VECTOR_CLIENT; i <= VECTOR_PEER; i++)
		if (strcmp(direction, directions[i]) == 0) {
			vector->direction = (enum vector_direction)i;
			vectors->count++;
			return 0;
		}
	return -EINVAL;
}

static int line_parse(struct vectors *vectors, char *line)
{
	size_t end;

	line[strcspn(line, "#\n")] = '\0';
	end = strlen(line);
	while (end > 0 && isspace((unsigned char)line[end - 1]))
		line[--end] = '\0';
	if (end == 0)
		return 0;
	if (strncmp(line, "frame ", 6) == 0)
		return frame_parse(vectors, line + 6);
	return vectors->count ? field_parse(&vectors->items[vectors->count - 1], line) : -EINVAL;
}

static int file_load(struct vectors *vectors, const char *path)
{
	FILE *file = fopen(path, "r");
	char line[LINE_MAX_BYTES];
	int rc = 0;

	if (!file) {
		rc = -errno;
		fprintf(stderr, "%s: %s\n", path, strerror(-rc));
		return rc;
	}
	for (unsigned int number = 1; rc == 0 && fgets(line, sizeof(line), file); number++) {
		// A longer line would be taken for two.
		rc = strlen(line) < sizeof(line) - 1 ? line_parse(vectors, line) : -EINVAL;
		if (rc)
			fprintf(stderr, "%s:%u: not a line of a vector\n", path, number);
	}
	fclose(file);
	return rc;
}

static int is_vector_file(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return dot && dot != entry->d_name && strcmp(dot, ".txt") == 0;
}

int vectors_load(struct vectors *vectors, const char *directory)
{
	struct dirent **entries = NULL;
	int count = scandir(directory, &entries, is_vector_file, alphasort);
	int rc = count < 0 ? -errno : 0;

	*vectors = (struct vectors){.items = calloc(VECTORS_MAX, sizeof(struct vector))};
	if (!vectors->items)
		rc = -ENOMEM;
	for (int i = 0; i < count; i++) {
		char path[1024];

		if (rc == 0 && snprintf(path, sizeof(path), "%s/%s", directory,
					entries[i]->d_name) >= (int)sizeof(path))
			rc = -ENAMETOOLONG;
		if (rc == 0)
			rc = file_load(vectors, path);
		free(entries[i]);
	}
	free(entries);
	if (rc == 0 && vectors->count == 0)
		rc = -ENOENT;
	if (rc) {
		fprintf(stderr, "%s: vectors: %s\n", directory, strerror(-rc));
		vectors_free(vectors);
	}
	return rc;
}

void vectors_free(struct vectors *vectors)
{
	free(vectors->items);
	*vectors = (struct vectors){0};
}

const struct vector *vectors_find(const struct vectors *vectors, const char *name)
{
	for (uint32_t i = 0; i < vectors->count; i++)
		if (strcmp(vectors->items[i].name, name) == 0)
			return &vectors->items[i];
	return NULL;
}

bool vector_field_is_zero(const struct vector_field *field)
{
	const char *dot = strrchr(field->name, '.');

	return strncmp(dot ? dot + 1 : field->name, "zero", 4) == 0;
}
