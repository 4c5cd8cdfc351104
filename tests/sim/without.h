// SPDX-License-Identifier: BSD-3-Clause
//
// A world without some of its pieces. It is drawn from its seed as ever; then faults, clients, servers and
// whatever else is named are left out, publishers are stopped short, and the dice of what happens to packets
// may be thrown anew. So a failure that needs only little of a world can be seen in one that has no more.
//
//   shrink.c finds that world: it leaves out more and more while the same is still violated. Each try is a
//   process of its own, so one that aborts or never ends is a failure like any other.
//
// In words: "fault:1,client:4,loss". Servers and clients are called as in a trace (s1, c0 are the first);
// faults count from 1, in the order of the list with which a trace begins.
#ifndef TESTS_SIM_WITHOUT_H
#define TESTS_SIM_WITHOUT_H

#include "tests/sim/sim.h"

// name, whether it has numbers, help
#define PIECES(X)                                                                                  \
	X(fault, true, "a fault, with all that follows from it")                                   \
	X(client, true, "a client or a publisher")                                                 \
	X(server, true, "a server: who stays gets a new number, its streams another primary")      \
	X(restart, true, "a client's restart")                                                     \
	X(attacker, false, "the attacker without a handle")                                        \
	X(loss, false, "losses of all paths")                                                      \
	X(dup, false, "packets doubled")                                                           \
	X(reorder, false, "packets overtaken")                                                     \
	X(jitter, false, "delays that differ")                                                     \
	X(swallow, false, "paths that swallow large packets")                                      \
	X(routes, false, "neighbours not known yet")                                               \
	X(disks, false, "bad disks")                                                               \
	X(clocks, false, "clocks that differ and drift")                                           \
	X(spread, false, "flows spread anew over cores")                                           \
	X(cores, false, "all cores of a server but one")                                           \
	X(sizes, false, "rings and tables between threads that are small")                         \
	X(names, false, "topics asked for by name")                                                \
	X(slow, false, "clients that are slow or pause")                                           \
	X(epochs, false, "epochs that begin by themselves")                                        \
	X(holds, false, "commits that lag by themselves")

enum piece_kind {
#define X(name, numbered, help) PIECE_##name,
	PIECES(X)
#undef X
	PIECE_KINDS,
};

#define PIECE_NUMBERS 256
static_assert(SIM_ACTORS <= PIECE_NUMBERS && SIM_FAULTS < PIECE_NUMBERS &&
		      SIM_HOSTS < PIECE_NUMBERS,
	      "each has its bit");

struct without {
	uint64_t masks[PIECE_KINDS][PIECE_NUMBERS / 64]; // by number; of what has none, bit 0
	uint64_t messages;				 // of each publisher at most; 0: as drawn
	uint32_t dice;					 // which throw; 0: the seed's own
};

struct piece {
	enum piece_kind kind;
	uint32_t number;
};
#define PIECES_MAX (SIM_FAULTS + 2 * SIM_ACTORS + SIM_HOSTS + PIECE_KINDS)

// Leave out of a world that is drawn and has not begun.
void without_apply(struct sim *sim, const struct without *without);
// What a drawn world has that can be left out. Returns the number, PIECES_MAX at most.
uint32_t without_pieces(struct sim *sim, struct piece *pieces);
void without_add(struct without *without, struct piece piece);
bool without_is_nothing(const struct without *without);
bool without_has(const struct without *without, enum piece_kind kind, uint32_t number);
// Add what a text names. False: it names something that does not exist.
bool without_read(struct without *without, const char *text);
// What can be named, a line each.
void without_help(FILE *out);
// As arguments of the program: "--without fault:1,loss --messages 20 --dice 3"; nothing left out: "".
void without_print(const struct without *without, char *text, size_t size);

// ---- shrink.c

struct shrunk {
	struct without without;
	uint32_t tries;
	char failure[512]; // of the world that is left
	char kind[512]; // its text without its numbers, the same from the whole world to the last
};

// Find a small world that fails as the seed does. Says what it does on `out` (NULL: nothing). False: the whole
// world does not fail.
bool shrink(const struct story *story, uint64_t seed, uint32_t tries_max, FILE *out,
	    struct shrunk *shrunk);

#endif
