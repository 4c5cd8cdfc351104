// SPDX-License-Identifier: BSD-3-Clause
//
// The state file of `godwit sub --state`: three lines, and the last one ends the file.
//
//	godwit sub state 1
//	stream NAME
//	identifier SESSION:SEQ:EPOCH
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/tools/format.h"
#include "client/tools/sub.h"

#define STATE_HEAD	  "godwit sub state 1\nstream "
#define STATE_IDENTIFIER  "\nidentifier "
#define STATE_BYTES	  256
#define STATE_INTERVAL_NS SECOND_NS

static int state_broken(const char *path, const char *why)
{
	tool_say(SUB_NAME, "--state %s: %s; remove it to begin as --from says", path, why);
	return -1;
}

// Cuts the text where `mark` begins; returns what follows it, NULL: it is not there.
static char *state_cut(char *text, const char *mark)
{
	char *at = strstr(text, mark);

	if (at == NULL)
		return NULL;
	*at = '\0';
	return at + strlen(mark);
}

static int state_read(const char *path, char *text, const char *stream,
		      struct godwit_identifier *after)
{
	char *name, *identifier, *rest;
	struct godwit_identifier found;
	const char *wrong;

	if (strncmp(text, STATE_HEAD, strlen(STATE_HEAD)) != 0)
		return state_broken(path, "not a state file of godwit sub");
	name = text + strlen(STATE_HEAD);
	identifier = state_cut(name, STATE_IDENTIFIER);
	rest = identifier != NULL ? state_cut(identifier, "\n") : NULL;
	if (rest == NULL || *rest != '\0')
		return state_broken(path, "it is damaged");
	wrong = parse_identifier(identifier, &found);
	if (wrong != NULL)
		return state_broken(path, wrong);
	if (strcmp(name, stream) != 0) {
		tool_say(SUB_NAME, "--state %s: it is of the stream %s", path, name);
		return -1;
	}
	*after = found;
	return 1;
}

int sub_state_load(const char *path, const char *stream, struct godwit_identifier *after)
{
	FILE *file = fopen(path, "re");
	char text[STATE_BYTES];
	size_t length;
	int error;

	if (file == NULL && errno == ENOENT)
		return 0;
	if (file == NULL)
		return state_broken(path, strerror(errno));
	errno = 0;
	length = fread(text, 1, sizeof(text), file);
	error = ferror(file) ? errno : 0;
	fclose(file);
	if (error != 0)
		return state_broken(path, strerror(error));
	if (length == sizeof(text) || memchr(text, '\0', length) != NULL)
		return state_broken(path, "not a state file of godwit sub");
	text[length] = '\0';
	return state_read(path, text, stream, after);
}

// To the disk, so that what replaces the old file is whole whatever happens then.
static bool state_write(const char *path, const char *stream, const struct godwit_identifier *at)
{
	FILE *file = fopen(path, "we");
	bool is_good;

	if (file == NULL)
		return false;
	is_good = fprintf(file, STATE_HEAD "%s" STATE_IDENTIFIER "%s\n", stream,
			  format_identifier(at).text) > 0 &&
		  fflush(file) == 0 && fsync(fileno(file)) == 0;
	return fclose(file) == 0 && is_good;
}

bool sub_state_save(const char *path, const char *stream, const struct godwit_identifier *at)
{
	char *beside = NULL;
	bool is_good = false;

	if (asprintf(&beside, "%s.%d", path, (int)getpid()) < 0) {
		beside = NULL;
		errno = ENOMEM;
	} else {
		is_good = state_write(beside, stream, at) && rename(beside, path) == 0;
	}
	if (!is_good) {
		int error = errno;

		if (beside != NULL)
			unlink(beside);
		tool_say(SUB_NAME, "--state %s: cannot write it: %s", path, strerror(error));
	}
	free(beside);
	return is_good;
}

void sub_state_keep(struct sub *sub, uint64_t now_ns, bool is_last)
{
	const struct sub_options *options = sub->options;

	if (options->state_file == NULL || !sub->has_begun || sub->is_output_lost ||
	    (!is_last && now_ns - sub->saved_ns < STATE_INTERVAL_NS) ||
	    memcmp(&sub->mark, &sub->saved, sizeof(sub->mark)) == 0)
		return;
	// Never ahead of what was printed.
	if (fflush(stdout) != 0) {
		sub_output_lost(sub, errno);
		return;
	}
	sub->saved_ns = now_ns;
	sub->saved = sub->mark;
	if (sub_state_save(options->state_file, options->stream, &sub->mark))
		return;
	sub->is_over = true;
	if (sub->exit == TOOL_OK)
		sub->exit = TOOL_FAILED;
}
