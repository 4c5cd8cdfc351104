// SPDX-License-Identifier: BSD-3-Clause
#include "client/tools/telemetry.h"

#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_BYTES 65536u    // before the socket says its own limit
#define PAGES_MAX    (1 << 20) // a server that never ends a list

void telemetry_directory(char *path, size_t bytes)
{
	const char *base = getenv("RUNTIME_DIRECTORY");

	if (base == NULL)
		base = geteuid() == 0 ? "/var/run" : getenv("XDG_RUNTIME_DIR");
	snprintf(path, bytes, "%s/dpdk", base != NULL ? base : "/tmp");
}

size_t telemetry_find(const char *prefix, struct telemetry_place *places, size_t most)
{
	char directory[PATH_MAX], pattern[PATH_MAX + 128];
	size_t count = 0;
	glob_t found;

	telemetry_directory(directory, sizeof(directory));
	// A second process of one prefix gets ":1" behind the name.
	snprintf(pattern, sizeof(pattern), "%s/%s/dpdk_telemetry.v2*", directory,
		 prefix != NULL ? prefix : "*");
	if (glob(pattern, 0, NULL, &found) != 0)
		return 0;
	for (size_t i = 0; i < found.gl_pathc && count < most; i++) {
		const char *path = found.gl_pathv[i], *end = strrchr(path, '/'), *begin = end;
		struct telemetry_place *place = &places[count];

		while (begin > path && begin[-1] != '/')
			begin--;
		if (strlen(path) >= sizeof(place->path) ||
		    (size_t)(end - begin) >= sizeof(place->prefix))
			continue;
		snprintf(place->path, sizeof(place->path), "%s", path);
		snprintf(place->prefix, sizeof(place->prefix), "%.*s", (int)(end - begin), begin);
		count++;
	}
	globfree(&found);
	return count;
}

// One answer into the buffer, ended by a zero.
static int answer_read(struct telemetry *telemetry)
{
	ssize_t length;

	do
		length = recv(telemetry->fd, telemetry->buffer, telemetry->answer_bytes, 0);
	while (length < 0 && errno == EINTR);
	if (length < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	telemetry->buffer[length] = '\0';
	return length > 0 ? 0 : -EPROTO;
}

static int greeting_read(struct telemetry *telemetry)
{
	int rc = answer_read(telemetry);
	json_t *greeting;
	char *buffer;

	if (rc != 0)
		return rc;
	greeting = json_loads(telemetry->buffer, 0, NULL);
	telemetry->pid = json_integer_value(json_object_get(greeting, "pid"));
	json_int_t bytes = json_integer_value(json_object_get(greeting, "max_output_len"));

	json_decref(greeting);
	if (bytes <= 0 || bytes > 1 << 24)
		return -EPROTO;
	buffer = realloc(telemetry->buffer, (size_t)bytes + 1);
	if (buffer == NULL)
		return -ENOMEM;
	telemetry->buffer = buffer;
	telemetry->answer_bytes = (uint64_t)bytes;
	return 0;
}

int telemetry_open(struct telemetry *telemetry, const char *path)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	struct timeval timeout = {.tv_sec = TELEMETRY_TIMEOUT_S};
	int rc = 0;

	*telemetry = (struct telemetry){.fd = -1, .answer_bytes = ANSWER_BYTES};
	if (strlen(path) >= sizeof(name.sun_path))
		return -ENAMETOOLONG;
	memcpy(name.sun_path, path, strlen(path));
	telemetry->buffer = malloc(ANSWER_BYTES + 1);
	if (telemetry->buffer == NULL)
		return -ENOMEM;
	telemetry->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (telemetry->fd < 0 ||
	    setsockopt(telemetry->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) != 0 ||
	    setsockopt(telemetry->fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) != 0 ||
	    connect(telemetry->fd, (struct sockaddr *)&name, sizeof(name)) != 0)
		rc = -errno;
	if (rc == 0)
		rc = greeting_read(telemetry);
	if (rc != 0)
		telemetry_close(telemetry);
	return rc;
}

void telemetry_close(struct telemetry *telemetry)
{
	if (telemetry->fd >= 0)
		close(telemetry->fd);
	free(telemetry->buffer);
	*telemetry = (struct telemetry){.fd = -1};
}

json_t *telemetry_ask(struct telemetry *telemetry, const char *command)
{
	char name[64];
	json_t *reply, *answer;
	int rc;

	if (send(telemetry->fd, command, strlen(command), MSG_NOSIGNAL) < 0)
		return NULL;
	rc = answer_read(telemetry);
	if (rc != 0) {
		errno = -rc;
		return NULL;
	}
	reply = json_loads(telemetry->buffer, 0, NULL);
	if (reply == NULL) {
		errno = EPROTO;
		return NULL;
	}
	// {"/command": answer}; the answer of an unknown command is null.
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(command, ","), command);
	answer = json_incref(json_object_get(reply, name));
	json_decref(reply);
	if (answer != NULL && json_is_object(answer))
		return answer;
	json_decref(answer);
	errno = ENOENT;
	return NULL;
}

int telemetry_ask_each(struct telemetry *telemetry, const char *command, const char *more,
		       void (*each)(void *arg, json_t *page), void *arg)
{
	json_int_t next = 0;

	for (int page = 0; page < PAGES_MAX; page++) {
		char line[128];
		json_t *answer, *value;

		snprintf(line, sizeof(line), "%s,%" JSON_INTEGER_FORMAT "%s", command, next, more);
		answer = telemetry_ask(telemetry, line);
		if (answer == NULL)
			return -errno;
		value = json_object_get(answer, "more");
		next = json_is_integer(value) ? json_integer_value(value) : 0;
		json_object_del(answer, "more");
		each(arg, answer);
		json_decref(answer);
		if (next == 0)
			return 0;
	}
	return -EOVERFLOW;
}

static void page_add(void *arg, json_t *page)
{
	json_object_update(arg, page);
}

json_t *telemetry_ask_pages(struct telemetry *telemetry, const char *command)
{
	json_t *all = json_object();
	int rc = telemetry_ask_each(telemetry, command, "", page_add, all);

	if (rc == 0)
		return all;
	json_decref(all);
	errno = -rc;
	return NULL;
}
