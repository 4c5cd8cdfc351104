// SPDX-License-Identifier: BSD-3-Clause
//
// What somebody may have meant: the nearest of some words by edit distance, and the check of a
// command line for option names that do not exist, made before argp sees it.
#ifndef CLIENT_TOOLS_SUGGEST_H
#define CLIENT_TOOLS_SUGGEST_H

#include <argp.h>
#include <stddef.h>
#include <stdint.h>

// Insertions, removals, changes and swaps of neighbours that make one word the other. Words above
// 63 bytes are at distance UINT32_MAX from all others.
uint32_t suggest_distance(const char *a, const char *b);

// The nearest of `count` words, or NULL where none is near enough to be meant.
const char *suggest_nearest(const char *word, const char *const *words, size_t count);

// The first long option of the command line that `argp` and its children do not know, as it stands
// there, or NULL. *nearest: what may have been meant, or NULL. Arguments of options are skipped,
// and all behind "--".
const char *suggest_unknown_option(const struct argp *argp, int argc, char *const *argv,
				   const char **nearest);

#endif
