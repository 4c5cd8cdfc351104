// SPDX-License-Identifier: BSD-3-Clause
#include "client/tools/suggest.h"

#include <stdbool.h>
#include <string.h>

#define WORD_BYTES 64
#define WORDS_MAX  128

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

uint32_t suggest_distance(const char *a, const char *b)
{
	uint32_t rows[3][WORD_BYTES + 1];
	size_t a_length = strlen(a), b_length = strlen(b);

	if (a_length >= WORD_BYTES || b_length >= WORD_BYTES)
		return UINT32_MAX;
	for (uint32_t j = 0; j <= b_length; j++)
		rows[0][j] = j;
	for (uint32_t i = 1; i <= a_length; i++) {
		uint32_t *row = rows[i % 3];
		const uint32_t *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];

		row[0] = i;
		for (uint32_t j = 1; j <= b_length; j++) {
			row[j] = least(above[j], row[j - 1]) + 1;
			row[j] = least(row[j], above[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], two_above[j - 2] + 1);
		}
	}
	return rows[a_length % 3][b_length];
}

const char *suggest_nearest(const char *word, const char *const *words, size_t count)
{
	// A third of the word may be wrong; of a short one, one letter or two swapped.
	uint32_t best = (uint32_t)(strlen(word) / 3 + 1);
	const char *nearest = NULL;

	for (size_t i = 0; i < count; i++) {
		size_t length = strlen(word);
		uint32_t distance = suggest_distance(word, words[i]);

		// The beginning of a longer word is near it.
		if (length >= 2 && strncmp(word, words[i], length) == 0)
			distance = least(distance, 1);
		if (distance < best || (distance == best && nearest == NULL)) {
			best = distance;
			nearest = words[i];
		}
	}
	return nearest;
}

struct option_names {
	const char *words[WORDS_MAX];
	const struct argp_option *options[WORDS_MAX]; // NULL: argp's own
	size_t count;
};

static void names_add(struct option_names *names, const char *word,
		      const struct argp_option *option)
{
	if (names->count == WORDS_MAX)
		return;
	names->options[names->count] = option;
	names->words[names->count++] = word;
}

static void names_collect(struct option_names *names, const struct argp *argp)
{
	const struct argp_option *option = argp->options;

	for (; option != NULL && (option->name != NULL || option->key != 0 || option->doc != NULL);
	     option++)
		if (option->name != NULL)
			names_add(names, option->name, option);
	for (const struct argp_child *child = argp->children; child != NULL && child->argp != NULL;
	     child++)
		names_collect(names, child->argp);
}

// Whether the name, or as getopt allows, the beginning of one, is an option; and which.
static bool names_find(const struct option_names *names, const char *name, size_t *found)
{
	size_t length = strlen(name), beginnings = 0;

	for (size_t i = 0; i < names->count; i++) {
		if (strncmp(names->words[i], name, length) != 0)
			continue;
		*found = i;
		if (names->words[i][length] == '\0')
			return true;
		beginnings++;
	}
	// Several beginnings: getopt's own message names them.
	return beginnings > 0;
}

// Whether the argument of a bundle of short options is the next word.
static bool short_takes_next(const struct option_names *names, const char *bundle)
{
	for (; *bundle != '\0'; bundle++)
		for (size_t i = 0; i < names->count; i++)
			if (names->options[i] != NULL && names->options[i]->key == *bundle &&
			    names->options[i]->arg != NULL)
				return bundle[1] == '\0';
	return false;
}

const char *suggest_unknown_option(const struct argp *argp, int argc, char *const *argv,
				   const char **nearest)
{
	struct option_names names = {.count = 0};

	names_collect(&names, argp);
	names_add(&names, "help", NULL);
	names_add(&names, "usage", NULL);
	names_add(&names, "version", NULL);
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		const char *word = argv[i];
		char name[WORD_BYTES];
		size_t found, length;

		if (word[0] != '-' || word[1] == '\0')
			continue;
		if (word[1] != '-') {
			i += short_takes_next(&names, word + 1);
			continue;
		}
		length = strcspn(word + 2, "=");
		if (length >= sizeof(name))
			length = sizeof(name) - 1;
		memcpy(name, word + 2, length);
		name[length] = '\0';
		if (!names_find(&names, name, &found)) {
			*nearest = suggest_nearest(name, names.words, names.count);
			return word;
		}
		if (strchr(word, '=') == NULL && names.options[found] != NULL &&
		    names.options[found]->arg != NULL &&
		    (names.options[found]->flags & OPTION_ARG_OPTIONAL) == 0)
			i++;
	}
	return NULL;
}
