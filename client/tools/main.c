// SPDX-License-Identifier: BSD-3-Clause
//
// The `godwit` command: one sub command a file.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/tools/suggest.h"
#include "client/tools/tool.h"

#ifndef GODWIT_TOOL_VERSION
#define GODWIT_TOOL_VERSION "0.1.0"
#endif

struct command {
	const char *name;
	const char *full_name; // in messages
	int (*run)(int argc, char **argv);
	const char *help;
};

static const struct command commands[] = {
	{"pub", "godwit pub", tool_pub, "Publish lines, files or generated messages to a stream"},
	{"sub", "godwit sub", tool_sub, "Print, count or check the messages of a stream"},
	{"status", "godwit status", tool_status, "Show a running server of this machine"},
	{"servers", "godwit servers", tool_servers,
	 "List the servers of a cluster and their links"},
	{"streams", "godwit streams", tool_streams, "List streams, roles and who is in sync"},
	{"clients", "godwit clients", tool_clients, "List the clients of a server"},
	{"cursors", "godwit cursors", tool_cursors,
	 "List where subscriptions stand, and their homes"},
	{"migrations", "godwit migrations", tool_migrations,
	 "List the last moves of subscriptions"},
	{"drain", "godwit drain", tool_drain, "Hand the clients of a server over to the others"},
	{"undrain", "godwit undrain", tool_undrain, "Have a drained server take clients again"},
	{"rebalance", "godwit rebalance", tool_rebalance,
	 "Even the clients of a server out over its cores"},
	{"adopt", "godwit adopt", tool_adopt, "Have a stream that lost its record go on"},
	{"resolve", "godwit resolve", tool_resolve, "Show where an identifier leads"},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void usage_print(FILE *file)
{
	fputs("Usage: godwit COMMAND [OPTION...]\n"
	      "Publish to and subscribe to the streams of Godwit, and look at its servers.\n\n",
	      file);
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(file, "  %-11s %s\n", commands[i].name, commands[i].help);
	fputs("\n"
	      "  -?, --help     this; `godwit COMMAND --help' for the options of a command\n"
	      "  -V, --version  the version\n"
	      "\n"
	      "Examples:\n"
	      "  export GODWIT_SERVER=10.0.0.1:5678\n"
	      "  date | godwit pub trades\n"
	      "  godwit sub trades --from earliest\n"
	      "  godwit status\n"
	      "  godwit servers --history\n"
	      "\n" TOOL_EXIT_CODES "\n"
	      "The manual page is godwit(1).\n",
	      file);
}

static int word_wrong(const char *word)
{
	const char *words[COMMANDS + 2] = {"--help", "--version"};
	const char *nearest;

	for (size_t i = 0; i < COMMANDS; i++)
		words[i + 2] = commands[i].name;
	nearest = suggest_nearest(word, words, COMMANDS + 2);
	fprintf(stderr, "godwit: no such %s: %s%s%s%s\nTry `godwit --help'.\n",
		*word == '-' ? "option" : "command", word, nearest != NULL ? "; did you mean " : "",
		nearest != NULL ? nearest : "", nearest != NULL ? "?" : "");
	return TOOL_USAGE;
}

// A standard descriptor that is closed would be given to the socket, and what is printed would be
// sent to the server. Opened the wrong way round, it still fails when it is used.
static void descriptors_hold(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF &&
		    open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
			exit(TOOL_FAILED);
}

// What stdio still holds is written, or the command has failed.
static int stdout_end(const char *name, int code)
{
	if (fflush(stdout) == 0 || code != TOOL_OK || errno == EPIPE)
		return code;
	tool_say(name, "cannot write to standard output: %s", strerror(errno));
	return TOOL_FAILED;
}

int main(int argc, char **argv)
{
	descriptors_hold();
	argp_program_version = "godwit " GODWIT_TOOL_VERSION;
	argp_err_exit_status = TOOL_USAGE;
	if (argc < 2) {
		usage_print(stderr);
		return TOOL_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-?") == 0 ||
	    strcmp(argv[1], "help") == 0) {
		usage_print(stdout);
		return stdout_end("godwit", TOOL_OK);
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		puts(argp_program_version);
		return stdout_end("godwit", TOOL_OK);
	}
	for (size_t i = 0; i < COMMANDS; i++) {
		if (strcmp(argv[1], commands[i].name) != 0)
			continue;
		// argp names the program after argv[0].
		argv[1] = (char *)commands[i].full_name;
		return stdout_end(commands[i].full_name, commands[i].run(argc - 1, argv + 1));
	}
	return word_wrong(argv[1]);
}
