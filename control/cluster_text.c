// SPDX-License-Identifier: BSD-3-Clause
#include "control/cluster_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define HEAD	       "godwit-stream-record "
#define VERSION	       "1"
#define CHECKSUM       "checksum "
#define CHECKSUM_BYTES (sizeof(CHECKSUM) - 1 + 16 + 1) // of the last line

size_t cluster_text_write(const char *cluster, const char *stream,
			  const struct cluster_record *record, char text[CLUSTER_TEXT_BYTES])
{
	int bytes = snprintf(text, CLUSTER_TEXT_BYTES,
			     HEAD VERSION "\ncluster %s\nstream %s\nrevision %" PRIu64
					  "\nsession %016" PRIx64 "\nepoch %" PRIu32 "\nprimary %u"
					  "\nmin_in_sync %u\n",
			     cluster, stream, record->revision, record->session, record->epoch,
			     record->primary, record->min_in_sync);

	for (uint32_t i = 0; i < record->in_sync_count; i++)
		bytes += snprintf(text + bytes, CLUSTER_TEXT_BYTES - (size_t)bytes,
				  "in_sync %u %" PRIu64 "\n", record->in_sync[i].server,
				  record->in_sync[i].incarnation);
	bytes += snprintf(text + bytes, CLUSTER_TEXT_BYTES - (size_t)bytes,
			  CHECKSUM "%016" PRIx64 "\n", (uint64_t)XXH3_64bits(text, (size_t)bytes));
	return (size_t)bytes;
}

// What stands behind `word` and a space at *at, up to the end of its line; *at goes behind that. False if
// it is not there, or does not fit.
static bool line_take(const char **at, const char *word, char *value, size_t size)
{
	size_t length = strlen(word), bytes;
	const char *end = strchr(*at, '\n');

	if (end == NULL || strncmp(*at, word, length) != 0 || (*at)[length] != ' ')
		return false;
	bytes = (size_t)(end - *at) - length - 1;
	if (bytes >= size)
		return false;
	memcpy(value, *at + length + 1, bytes);
	value[bytes] = '\0';
	*at = end + 1;
	return true;
}

// Signs, spaces and the like are found out when the record is written again.
static bool number_take(const char **at, const char *word, int base, uint64_t *number)
{
	char value[32];

	if (!line_take(at, word, value, sizeof(value)))
		return false;
	*number = strtoull(value, NULL, base);
	return true;
}

static bool record_take(const char *at, struct cluster_record *record)
{
	uint64_t epoch, primary, min_in_sync;
	char value[48], *rest;

	*record = (struct cluster_record){0};
	if (!number_take(&at, "revision", 10, &record->revision) ||
	    !number_take(&at, "session", 16, &record->session) ||
	    !number_take(&at, "epoch", 10, &epoch) || !number_take(&at, "primary", 10, &primary) ||
	    !number_take(&at, "min_in_sync", 10, &min_in_sync))
		return false;
	record->epoch = (uint32_t)epoch;
	record->primary = (uint16_t)primary;
	record->min_in_sync = (uint16_t)min_in_sync;
	while (line_take(&at, "in_sync", value, sizeof(value))) {
		struct cluster_replica *replica = &record->in_sync[record->in_sync_count];

		if (record->in_sync_count++ == CLUSTER_SERVERS_MAX)
			return false;
		replica->server = (uint16_t)strtoul(value, &rest, 10);
		replica->incarnation = strtoull(rest, NULL, 10);
	}
	return true;
}

static enum cluster_answer foreign(char *why, const char *what, const char *theirs,
				   const char *ours)
{
	snprintf(why, CLUSTER_WHY_BYTES, "it belongs to %s %s, not %s", what, theirs, ours);
	return CLUSTER_FOREIGN;
}

static enum cluster_answer damaged(char *why, const char *what)
{
	snprintf(why, CLUSTER_WHY_BYTES, "%s", what);
	return CLUSTER_DAMAGED;
}

// Whether the last line is the checksum of what stands before it.
static bool checksum_is_good(const char *text, size_t bytes)
{
	char line[CHECKSUM_BYTES + 1];

	if (bytes < CHECKSUM_BYTES)
		return false;
	snprintf(line, sizeof(line), CHECKSUM "%016" PRIx64 "\n",
		 (uint64_t)XXH3_64bits(text, bytes - CHECKSUM_BYTES));
	return memcmp(text + bytes - CHECKSUM_BYTES, line, CHECKSUM_BYTES) == 0;
}

enum cluster_answer cluster_text_read(const char *cluster, const char *stream, const char *text,
				      size_t bytes, struct cluster_record *record, char *why)
{
	char copy[CLUSTER_TEXT_BYTES + 1], again[CLUSTER_TEXT_BYTES], value[GODWIT_NAME_BYTES];
	const char *at = copy;

	if (bytes == 0)
		return damaged(why, "it is empty");
	if (bytes > CLUSTER_TEXT_BYTES)
		return damaged(why, "it is longer than any record");
	memcpy(copy, text, bytes);
	copy[bytes] = '\0';
	if (strncmp(copy, HEAD, sizeof(HEAD) - 1) != 0)
		return damaged(why, "it does not begin as the record of a stream");
	if (!checksum_is_good(text, bytes))
		return damaged(why, "its checksum is wrong: it was cut off or altered");
	at += sizeof(HEAD) - 1;
	if (strncmp(at, VERSION "\n", sizeof(VERSION)) != 0)
		return damaged(why, "it is of a version that is not known here");
	at += sizeof(VERSION);
	if (!line_take(&at, "cluster", value, sizeof(value)))
		return damaged(why, "it does not say which cluster it belongs to");
	if (strcmp(value, cluster) != 0)
		return foreign(why, "cluster", value, cluster);
	if (!line_take(&at, "stream", value, sizeof(value)))
		return damaged(why, "it does not say which stream it belongs to");
	if (strcmp(value, stream) != 0)
		return foreign(why, "stream", value, stream);
	if (!record_take(at, record) || record->revision == 0 ||
	    cluster_text_write(cluster, stream, record, again) != bytes ||
	    memcmp(again, text, bytes) != 0)
		return damaged(why, "it is not what this program writes");
	return CLUSTER_DONE;
}

void cluster_file_name(const char *stream, char name[CLUSTER_FILE_NAME_BYTES])
{
	snprintf(name, CLUSTER_FILE_NAME_BYTES, "%.63s.stream", stream);
	// no name of a stream has a +
	for (; *name != '\0'; name++)
		if (*name == '/')
			*name = '+';
}
