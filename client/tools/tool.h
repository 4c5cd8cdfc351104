// SPDX-License-Identifier: BSD-3-Clause
//
// What the sub commands of `godwit` share: options, signals, clocks, lines for a person, and files
// written at the end. One thread; a process runs one sub command.
#ifndef CLIENT_TOOLS_TOOL_H
#define CLIENT_TOOLS_TOOL_H

#include <argp.h>
#include <godwit/client.h>
#include <jansson.h>

#define SECOND_NS 1000000000ull

enum tool_exit {
	TOOL_OK = 0,
	TOOL_FAILED = 1, // at run time
	TOOL_USAGE = 2,	 // the command line
	TOOL_SILENT = 3, // no answer within --timeout or --seconds
};

#define TOOL_EXIT_CODES                                                                            \
	"Exit codes: 0 done; 1 failed at run time; 2 wrong command line; 3 no answer from a "      \
	"server (or no daemon) within --timeout."

// A sub command: its exit code. argv[0] is its name as "godwit pub".
int tool_pub(int argc, char **argv);
int tool_sub(int argc, char **argv);
int tool_status(int argc, char **argv);
int tool_servers(int argc, char **argv);
int tool_streams(int argc, char **argv);
int tool_clients(int argc, char **argv);
int tool_cursors(int argc, char **argv);
int tool_migrations(int argc, char **argv);
int tool_drain(int argc, char **argv);
int tool_undrain(int argc, char **argv);
int tool_rebalance(int argc, char **argv);
int tool_adopt(int argc, char **argv);
int tool_resolve(int argc, char **argv);

// ---- options ------------------------------------------------------------------------------------

// Options of the commands that speak to servers; `tool_common_argp` fills it as an argp child whose
// input it is.
struct tool_common {
	struct godwit_address servers[GODWIT_SERVERS_MAX];
	uint32_t server_count;
	uint64_t client_id; // 0: random
	uint64_t timeout_ns;
	bool is_quiet;
	const char *summary; // file for the JSON summary, or NULL
	size_t credential_bytes;
	uint8_t credential[GODWIT_CREDENTIAL_MAX];
};

extern const struct argp tool_common_argp;

// argp_parse() after a look for unknown options, with a suggestion. Exits 2 on a wrong line and 0
// after --help and --version.
void tool_parse(const struct argp *argp, int argc, char **argv, void *input);

// Reads an option's value: ends the program with "--option VALUE: wrong" unless wrong is NULL.
void tool_require(struct argp_state *state, const char *option, const char *value,
		  const char *wrong);

// ---- running ------------------------------------------------------------------------------------

// A client of the options' servers; NULL after a line that says why.
struct godwit_client *tool_open(struct tool_common *common, const char *name);

// SIGINT and SIGTERM only raise what tool_stops() returns: how many came. SIGPIPE is ignored.
void tool_catch_signals(void);
int tool_stops(void);

uint64_t tool_wall_ns(void);
uint64_t tool_random(void); // never 0

// A line to stderr, after the name of the command: for events and errors.
void tool_say(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));

// The same of a wait for an answer that took too long: WHAT within TIME, and which servers were asked.
void tool_say_silent(const char *name, const struct tool_common *common, const char *what,
		     uint64_t waited_ns);

// Waits until the client's socket, or `fd` (-1: none) has something to read, or timeout_ns have
// passed, or the client has something to do; then does the client's work. 1 in *is_readable: fd
// has. 0, or what the socket says.
int tool_wait(struct godwit_client *client, int fd, uint64_t timeout_ns, bool *is_readable);

// ---- at the end ---------------------------------------------------------------------------------

// Writes the text in place of the file's content, whole or not at all; /dev/... is written as it
// is. False after a line that says why.
bool tool_write_file(const char *name, const char *path, const char *text);

// The object to the file of --summary, if there is one. Takes the object.
bool tool_write_summary(const char *name, const struct tool_common *common, json_t *object);

// An id of 64 bits as text: a JSON number holds 53 of them exactly.
void tool_set_id(json_t *object, const char *key, uint64_t id);

// The core's counters as an object.
json_t *tool_stats(struct godwit_client *client);

#endif
