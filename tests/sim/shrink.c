// SPDX-License-Identifier: BSD-3-Clause
//
// Finds a small world that fails as a large one does. Pieces are left out in chunks, of half of them at first, then
// of half as many, and one by one until none can go; then publishers are stopped as soon as can be. Where that made
// messages fewer, all of it is tried again. What happens to packets comes from one generator, so with any piece gone
// the rest of a world goes another way: a world is tried with several throws of its dice before it is said not to
// fail.
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/sim/without.h"

#define THROWS	    6  // of one world
#define TRY_SECONDS 60 // then it never ends

struct attempt { // what came of one
	bool failed;
	char failure[512];
};

struct shrinking {
	const struct story *story;
	uint64_t seed;
	uint32_t tries_max;
	FILE *out;
	struct shrunk *best;
	struct piece pieces[PIECES_MAX]; // that are left
	uint32_t count;
	uint64_t messages; // at most, of any publisher that is left
};

// ---- one try ----------------------------------------------------------------------------------

// What differs from one such failure to another: words with digits, and when it was.
static void kind_of(const char *failure, char *kind, size_t size)
{
	const char *from = strncmp(failure, "at ", 3) == 0 ? strstr(failure, " ms: ") : NULL;
	size_t at = 0;

	from = from != NULL ? from + 5 : failure;
	while (*from != '\0' && at + 1 < size) {
		size_t length = 0;
		bool digits = false;

		while (isalnum((unsigned char)from[length])) {
			digits = digits || isdigit((unsigned char)from[length]);
			length++;
		}
		if (digits) {
			kind[at++] = '#';
		} else {
			if (length == 0)
				length = 1;
			if (length >= size - at)
				length = size - at - 1;
			memcpy(kind + at, from, length);
			at += length;
		}
		from += length;
	}
	kind[at] = '\0';
}

static void run_here(const struct shrinking *s, const struct without *without, int to)
{
	static struct sim sim;
	struct scenario scenario = {.seed = s->seed, .without = without};

	alarm(TRY_SECONDS);
	dup2(to, STDERR_FILENO); // what an assertion says
	if (scenario_run(&sim, s->story, &scenario) != 0)
		dprintf(to, "%s", sim.failure);
	_exit(sim.failed);
}

static size_t read_all(int from, char *text, size_t size)
{
	char rest[256];
	size_t bytes = 0;

	for (;;) {
		ssize_t n = bytes + 1 < size ? read(from, text + bytes, size - 1 - bytes) :
					       read(from, rest, sizeof(rest));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		if (bytes + 1 < size)
			bytes += (size_t)n;
	}
	text[bytes] = '\0';
	return bytes;
}

static struct attempt attempt(const struct shrinking *s, const struct without *without)
{
	struct attempt result = {0};
	int ends[2], status = 0;
	char said[sizeof(result.failure)];
	pid_t child;

	fflush(NULL);
	if (pipe(ends) != 0)
		abort();
	child = fork();
	if (child < 0)
		abort();
	if (child == 0) {
		close(ends[0]);
		run_here(s, without, ends[1]);
	}
	close(ends[1]);
	read_all(ends[0], said, sizeof(said));
	close(ends[0]);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	result.failed = status != 0;
	if (WIFSIGNALED(status))
		snprintf(result.failure, sizeof(result.failure), "ended by a signal (%s): %.400s",
			 strsignal(WTERMSIG(status)), said);
	else
		snprintf(result.failure, sizeof(result.failure), "%s", said);
	result.failure[strcspn(result.failure, "\n")] = '\0';
	return result;
}

// ---- less and less ----------------------------------------------------------------------------

static bool has_tries(const struct shrinking *s)
{
	return s->best->tries < s->tries_max;
}

// Whether a world fails in the same way, with some throw of its dice. Then it is the best one so far.
static bool fails(struct shrinking *s, const struct without *candidate)
{
	struct shrunk *best = s->best;

	for (uint32_t n = 0; n < THROWS && has_tries(s); n++) {
		struct without without = *candidate;
		struct attempt result;
		char kind[sizeof(best->kind)];

		// The throw that was good last comes first.
		without.dice = (candidate->dice + n) % THROWS;
		best->tries++;
		result = attempt(s, &without);
		if (!result.failed)
			continue;
		kind_of(result.failure, kind, sizeof(kind));
		if (strcmp(kind, best->kind) != 0)
			continue;
		best->without = without;
		memcpy(best->failure, result.failure, sizeof(best->failure));
		return true;
	}
	return false;
}

static uint32_t left(const struct shrinking *s, enum piece_kind kind)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < s->count; i++)
		count += s->pieces[i].kind == kind;
	return count;
}

static void say(const struct shrinking *s)
{
	uint32_t servers = left(s, PIECE_server);

	if (s->out == NULL)
		return;
	fprintf(s->out, "try %4u: %u faults, %u clients and publishers, %u servers, ",
		s->best->tries, left(s, PIECE_fault), left(s, PIECE_client),
		servers > 0 ? servers : 1);
	if (s->best->without.messages != 0)
		fprintf(s->out, "%lu messages\n", s->best->without.messages);
	else
		fprintf(s->out, "%u other pieces\n",
			s->count - left(s, PIECE_fault) - left(s, PIECE_client) - servers);
	fflush(s->out);
}

// Without the pieces first..first + size - 1.
static bool leave_out(struct shrinking *s, uint32_t first, uint32_t size)
{
	struct without candidate = s->best->without;
	uint32_t servers = 0;

	for (uint32_t i = first; i < first + size; i++) {
		servers += s->pieces[i].kind == PIECE_server;
		without_add(&candidate, s->pieces[i]);
	}
	if ((servers > 0 && servers == left(s, PIECE_server)) || !fails(s, &candidate))
		return false;
	memmove(&s->pieces[first], &s->pieces[first + size],
		(s->count - first - size) * sizeof(s->pieces[0]));
	s->count -= size;
	say(s);
	return true;
}

// Chunks of this size, one after the other. Returns whether any could go.
static bool leave_chunks(struct shrinking *s, uint32_t size)
{
	bool went = false;

	for (uint32_t at = 0; at < s->count && has_tries(s);) {
		uint32_t chunk = s->count - at < size ? s->count - at : size;

		if (leave_out(s, at, chunk))
			went = true;
		else
			at += chunk;
	}
	return went;
}

static void leave_pieces(struct shrinking *s)
{
	for (uint32_t size = (s->count + 1) / 2; size > 1; size = (size + 1) / 2)
		leave_chunks(s, size);
	while (leave_chunks(s, 1))
		;
}

// The fewest messages of each publisher. Returns whether there are fewer than before.
static bool leave_messages(struct shrinking *s)
{
	uint64_t before = s->best->without.messages, low = 1;
	uint64_t high = before != 0 ? before : s->messages;

	while (low < high && has_tries(s)) {
		struct without candidate = s->best->without;

		candidate.messages = low + (high - low) / 2;
		if (fails(s, &candidate)) {
			high = candidate.messages;
			say(s);
		} else {
			low = candidate.messages + 1;
		}
	}
	return s->best->without.messages != before;
}

static void survey(struct shrinking *s)
{
	static struct sim sim;

	scenario_draw(&sim, s->story, s->seed);
	s->count = without_pieces(&sim, s->pieces);
	for (uint32_t i = 0; i < sim.actor_count; i++)
		if (sim.actors[i].to_publish > s->messages)
			s->messages = sim.actors[i].to_publish;
}

bool shrink(const struct story *story, uint64_t seed, uint32_t tries_max, FILE *out,
	    struct shrunk *shrunk)
{
	struct shrinking s = {
		.story = story, .seed = seed, .tries_max = tries_max, .out = out, .best = shrunk};
	struct attempt whole;

	*shrunk = (struct shrunk){.tries = 1};
	survey(&s);
	whole = attempt(&s, &shrunk->without);
	if (!whole.failed)
		return false;
	memcpy(shrunk->failure, whole.failure, sizeof(shrunk->failure));
	kind_of(whole.failure, shrunk->kind, sizeof(shrunk->kind));
	say(&s);
	do
		leave_pieces(&s);
	while (leave_messages(&s) && has_tries(&s));
	return true;
}
