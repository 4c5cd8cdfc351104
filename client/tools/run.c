// SPDX-License-Identifier: BSD-3-Clause
#define _GNU_SOURCE
#include "client/tools/tool.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

// ---- signals, time ------------------------------------------------------------------------------

// w: the signal handler   r: the program
static _Atomic int stops;

static_assert(ATOMIC_INT_LOCK_FREE == 2, "counted in a signal handler");

static void stop_on(int number)
{
	(void)number;
	atomic_fetch_add_explicit(&stops, 1, memory_order_relaxed);
}

void tool_catch_signals(void)
{
	// Without SA_RESTART: a wait ends at once.
	struct sigaction stop = {.sa_handler = stop_on}, ignore = {.sa_handler = SIG_IGN};

	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	// Sleeps between messages are tens of microseconds: the default slack is 50.
	prctl(PR_SET_TIMERSLACK, 1000ul, 0ul, 0ul, 0ul);
}

int tool_stops(void)
{
	return atomic_load_explicit(&stops, memory_order_relaxed);
}

uint64_t tool_wall_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * SECOND_NS + (uint64_t)ts.tv_nsec;
}

uint64_t tool_random(void)
{
	uint64_t value = 0;

	while (value == 0)
		if (getrandom(&value, sizeof(value), 0) != (ssize_t)sizeof(value))
			value = tool_wall_ns() ^ (uint64_t)getpid() << 32;
	return value;
}

// ---- waiting ------------------------------------------------------------------------------------

void tool_say(const char *name, const char *format, ...)
{
	va_list args;

	// Over a progress line that is being redrawn.
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
	fprintf(stderr, "%s: ", name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

int tool_wait(struct godwit_client *client, int fd, uint64_t timeout_ns, bool *is_readable)
{
	struct pollfd fds[2] = {
		{.fd = godwit_client_fd(client), .events = POLLIN},
		{.fd = fd, .events = POLLIN},
	};
	uint64_t due_ns = godwit_client_due(client);
	uint64_t wait_ns = due_ns < timeout_ns ? due_ns : timeout_ns;
	struct timespec ts = {
		.tv_sec = (time_t)(wait_ns / SECOND_NS),
		.tv_nsec = (long)(wait_ns % SECOND_NS),
	};
	int rc = ppoll(fds, 2, &ts, NULL);

	if (rc < 0 && errno != EINTR)
		return -errno;
	if (is_readable != NULL)
		*is_readable = rc > 0 && fds[1].revents != 0;
	rc = godwit_client_poll(client, 0);
	return rc < 0 && rc != -EINTR ? rc : 0;
}

// ---- files --------------------------------------------------------------------------------------

static bool text_put(const char *path, const char *mode, const char *text)
{
	FILE *file = fopen(path, mode);
	bool is_good;

	if (file == NULL)
		return false;
	is_good = fputs(text, file) >= 0;
	return fclose(file) == 0 && is_good;
}

bool tool_write_file(const char *name, const char *path, const char *text)
{
	char *beside = NULL;
	bool is_good;

	if (strncmp(path, "/dev/", 5) == 0) {
		// Appended: the file behind /dev/stdout may hold what was printed.
		is_good = text_put(path, "ae", text);
	} else if (asprintf(&beside, "%s.%d", path, (int)getpid()) < 0) {
		beside = NULL;
		is_good = false;
	} else {
		is_good = text_put(beside, "we", text) && rename(beside, path) == 0;
		if (!is_good) {
			int error = errno;

			unlink(beside);
			errno = error;
		}
	}
	if (!is_good)
		tool_say(name, "cannot write %s: %s", path, strerror(errno));
	free(beside);
	return is_good;
}

bool tool_write_summary(const char *name, const struct tool_common *common, json_t *object)
{
	char *text = NULL, *line = NULL;
	bool is_good = true;

	if (common->summary != NULL) {
		text = object != NULL ? json_dumps(object, JSON_INDENT(2)) : NULL;
		if (text == NULL || asprintf(&line, "%s\n", text) < 0) {
			tool_say(name, "cannot make the summary: out of memory");
			line = NULL;
			is_good = false;
		} else {
			is_good = tool_write_file(name, common->summary, line);
		}
	}
	free(line);
	free(text);
	json_decref(object);
	return is_good;
}

void tool_set_id(json_t *object, const char *key, uint64_t id)
{
	json_object_set_new(object, key, json_sprintf("%" PRIu64, id));
}

json_t *tool_stats(struct godwit_client *client)
{
	const struct godwit_core_stats *stats = godwit_core_stats(godwit_client_core(client));
	json_t *object = json_object();

#define X(name, meaning) json_object_set_new(object, #name, json_integer((json_int_t)stats->name));
	GODWIT_CORE_COUNTERS(X)
#undef X
	return object;
}
