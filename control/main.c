// SPDX-License-Identifier: BSD-3-Clause
//
// godwitd: the server. The main thread is the control thread; it waits for signals in steps of
// daemon_step_ns() and looks after the cores in between. Exit status: 0 ended as asked, 1 failed at run time,
// 2 the command line or the configuration is wrong.
#define _GNU_SOURCE // sigabbrev_np

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "control/daemon.h"

#define SECOND_NS	(200 * CONFIG_MS) // signals closer than that are one request
#define EXIT_USAGE	2
#define DEFAULT_CONFIG	"/etc/godwit/godwit.yaml"
#define KEY_CHECK	256
#define KEY_PRINT	257
#define KEY_HELP_CONFIG 258

struct arguments {
	const char *path;
	bool is_check, is_print, is_verbose, is_quiet;
};

static const struct argp_option options[] = {
	{"config", 'c', "FILE", 0, "Read the configuration from FILE instead of " DEFAULT_CONFIG,
	 0},
	{"check", KEY_CHECK, "FILE", OPTION_ARG_OPTIONAL,
	 "Read the configuration, say what is wrong with it and end; needs no rights. "
	 "With FILE (--check FILE too) it reads that one",
	 0},
	{"print-config", KEY_PRINT, NULL, 0,
	 "Print all values of the configuration, defaults included, and end", 0},
	{"help-config", KEY_HELP_CONFIG, NULL, 0,
	 "Print every key of the configuration with its values and default, and end", 0},
	{"quiet", 'q', NULL, 0, "Write warnings and errors only", 0},
	{"verbose", 'v', NULL, 0, "Write more", 0},
	{0},
};

static error_t option_take(int key, char *value, struct argp_state *state)
{
	struct arguments *arguments = state->input;

	switch (key) {
	case 'c':
		arguments->path = value;
		return 0;
	case KEY_CHECK:
		arguments->is_check = true;
		if (value != NULL)
			arguments->path = value;
		return 0;
	case KEY_PRINT:
		arguments->is_print = true;
		return 0;
	case KEY_HELP_CONFIG:
		config_print_keys(stdout);
		exit(EXIT_SUCCESS);
	case 'q':
		arguments->is_quiet = true;
		return 0;
	case 'v':
		arguments->is_verbose = true;
		return 0;
	case ARGP_KEY_ARG:
		// `--check FILE`: an optional value stands apart from its option.
		if (!arguments->is_check || state->arg_num > 0)
			argp_error(state, "unexpected argument: %s", value);
		arguments->path = value;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * CONFIG_S + (uint64_t)now.tv_nsec;
}

static void signals_block(sigset_t *signals)
{
	// Blocked before any thread exists, so that all inherit it and only the main thread takes them.
	sigemptyset(signals);
	sigaddset(signals, SIGINT);
	sigaddset(signals, SIGTERM);
	pthread_sigmask(SIG_BLOCK, signals, NULL);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
}

// The number of a signal that came before the next round is due, or 0.
static int signal_wait(const struct daemon *daemon, const sigset_t *signals)
{
	const struct timespec step = {.tv_nsec = (long)daemon_step_ns(daemon)};
	int number = sigtimedwait(signals, NULL, &step);

	return number < 0 ? 0 : number;
}

static void memory_lock(const struct config *config, const struct logline *log)
{
	if (config->top.lock_memory && mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
		logline(log, LOG_LEVEL_WARNING,
			"memory is not locked (%m): parts of it may be paged out; raise the limit "
			"(ulimit -l, LimitMEMLOCK=), or set lock_memory to no");
}

static int daemon_end(struct daemon *daemon, const sigset_t *signals)
{
	uint64_t began_ns = monotonic_ns();

	while (!daemon_has_stopped(daemon) && monotonic_ns() - began_ns < DAEMON_STOP_NS) {
		daemon_stop(daemon);
		daemon_step(daemon, monotonic_ns());
		// timeout(1) signals the process and then its group: that is not somebody in a hurry.
		if (signal_wait(daemon, signals) != 0 && monotonic_ns() - began_ns >= SECOND_NS) {
			logline(&daemon->log, LOG_LEVEL_WARNING, "a second signal: ended at once");
			_exit(EXIT_FAILURE);
		}
	}
	if (daemon_free(daemon))
		return EXIT_SUCCESS;
	for (uint32_t i = 0; i < daemon->threads; i++)
		if (!daemon->cores[i].has_stopped)
			logline(&daemon->log, LOG_LEVEL_ERROR,
				"core %u did not stop within %llu ms", i,
				(unsigned long long)(DAEMON_STOP_NS / CONFIG_MS));
	// Its thread still uses what would be freed.
	_exit(EXIT_FAILURE);
}

static int daemon_run(const struct config *config, const struct logline *log)
{
	static struct daemon daemon;
	sigset_t signals;
	bool is_ready = false;
	int number = 0;

	signals_block(&signals);
	logline(log, LOG_LEVEL_INFO, "version %s, server %llu%s%s, pid %d", GODWITD_VERSION,
		(unsigned long long)config->server.id, config->server.name[0] != '\0' ? ", " : "",
		config->server.name, (int)getpid());
	if (daemon_start(&daemon, config, log, monotonic_ns()) != 0) {
		daemon_end(&daemon, &signals);
		return EXIT_FAILURE;
	}
	memory_lock(config, log);
	banner_print(&daemon);
	while (number == 0) {
		daemon_step(&daemon, monotonic_ns());
		if (!is_ready && daemon_is_ready(&daemon)) {
			is_ready = true;
			logline(log, LOG_LEVEL_INFO, "ready");
		}
		number = signal_wait(&daemon, &signals);
	}
	logline(log, LOG_LEVEL_INFO, "SIG%s: stopping", sigabbrev_np(number));
	number = daemon_end(&daemon, &signals);
	logline(log, LOG_LEVEL_INFO, "stopped");
	return number;
}

// A standard descriptor that is closed would be given to a socket, and log lines be written into it.
static void descriptors_hold(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDWR) < 0)
			exit(EXIT_FAILURE);
}

static void name_default(struct config *config)
{
	if (config->server.name[0] == '\0' &&
	    gethostname(config->server.name, sizeof(config->server.name) - 1) != 0)
		config->server.name[0] = '\0';
}

static const char *plural(uint32_t count)
{
	return count == 1 ? "" : "s";
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = option_take,
		.doc = "The server of Godwit: puts messages in order as streams and delivers them over "
		       "UDP.\vExit status: 0 ended as asked, 1 failed at run time, 2 the command line or "
		       "the configuration is wrong. SIGTERM and SIGINT end it in order, a second one at "
		       "once. See godwitd(8) and godwit.yaml(5).",
	};
	static struct config config;
	struct arguments arguments = {.path = DEFAULT_CONFIG};
	struct logline log;

	descriptors_hold();
	argp_program_version = "godwitd " GODWITD_VERSION;
	argp_err_exit_status = EXIT_USAGE;
	argp_parse(&argp, argc, argv, 0, NULL, &arguments);
	logline_init(&log, stderr,
		     arguments.is_quiet	  ? LOG_LEVEL_WARNING :
		     arguments.is_verbose ? LOG_LEVEL_DEBUG :
					    LOG_LEVEL_INFO);
	if (config_read(&config, arguments.path, stderr) != 0)
		return EXIT_USAGE;
	if (arguments.is_print)
		config_print(&config, stdout);
	if (arguments.is_check && !arguments.is_print)
		printf("%s: good: %u port%s, %u core%s, %u stream%s\n", arguments.path,
		       config.ports_count, plural(config.ports_count), config.cores.cpus.count,
		       plural(config.cores.cpus.count), config.streams_count,
		       plural(config.streams_count));
	if (arguments.is_check || arguments.is_print)
		return EXIT_SUCCESS;
	name_default(&config);
	return daemon_run(&config, &log);
}
