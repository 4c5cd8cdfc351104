// SPDX-License-Identifier: BSD-3-Clause
//
// Runs a fuzz target with any compiler, as an ordinary test: over each file of its corpus and every
// shorter beginning of it, over each golden vector likewise, and over seeded random mutations of
// both. Every input lies in memory of its size, so that a sanitizer sees a read past the end.
//
//	fuzz_NAME CORPUS_DIRECTORY [SEED [COUNT [whole]]]
//
// `whole` is for inputs that are programs (fuzz_program.h), of which each costs a world: those of the
// corpus alone, whole, and mutations of them.
//
// A mutation depends on SEED, on its own index and on the inputs alone, so the one that is printed
// when a target aborts comes again with the same SEED.
#include <dirent.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/fuzz/fuzz_support.h"
#include "tests/support/vectors.h"

enum {
	INPUT_BYTES_MAX = 1 << 16,
	INPUTS_MAX = 4096,
	CUTS_MAX = 2048,
	MUTATIONS = 50000,
	GROWTH_MAX = 64,
};

struct input {
	uint8_t *bytes;
	size_t size;
};

struct inputs {
	struct input items[INPUTS_MAX];
	size_t count;
};

// What runs now, for the handler of a crash.
static char running[256];

static void on_crash(int signal_number)
{
	size_t length = strnlen(running, sizeof(running));

	if (write(STDERR_FILENO, running, length) < 0)
		_exit(1);
	signal(signal_number, SIG_DFL);
	raise(signal_number);
}

// splitmix64: every seed gives a good sequence, neighbours too.
static uint64_t random_next(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15u;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static size_t random_below(uint64_t *state, size_t bound)
{
	return (size_t)(random_next(state) % bound);
}

static void *memory_of(size_t size)
{
	void *memory = malloc(size ? size : 1);

	if (!memory) {
		fprintf(stderr, "no memory\n");
		exit(1);
	}
	return memory;
}

static void input_add(struct inputs *inputs, const uint8_t *bytes, size_t size)
{
	struct input *input = &inputs->items[inputs->count];

	if (inputs->count == INPUTS_MAX) {
		fprintf(stderr, "more than %d inputs\n", INPUTS_MAX);
		exit(1);
	}
	*input = (struct input){memory_of(size), size};
	memcpy(input->bytes, bytes, size);
	inputs->count++;
}

static void bytes_run(const uint8_t *bytes, size_t size)
{
	uint8_t *copy = memory_of(size);

	memcpy(copy, bytes, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static void input_run(const struct input *input, const char *name, bool whole)
{
	size_t cuts = whole ? 0 : input->size < CUTS_MAX ? input->size : CUTS_MAX;

	for (size_t cut = 0; cut < cuts; cut++) {
		snprintf(running, sizeof(running), "# %.200s, its first %zu bytes\n", name, cut);
		bytes_run(input->bytes, cut);
	}
	snprintf(running, sizeof(running), "# %.200s\n", name);
	bytes_run(input->bytes, input->size);
}

// One change in place, or of the length; bytes has room for GROWTH_MAX more than size.
static size_t bytes_mutate(uint8_t *bytes, size_t size, size_t room, uint64_t *state)
{
	static const uint8_t edges[] = {0x00, 0x01, 0x04, 0x7f, 0x80, 0xff};
	size_t width = (size_t)1 << random_below(state, 4);
	size_t at = size ? random_below(state, size) : 0;

	switch (random_below(state, 6)) {
	case 0: // shorter
		return at;
	case 1: // longer
		for (width = 1 + random_below(state, GROWTH_MAX); width > 0 && size < room; width--)
			bytes[size++] = (uint8_t)(random_next(state) & random_next(state));
		return size;
	case 2: // a bit
		if (size)
			bytes[at] ^= (uint8_t)(1u << random_below(state, 8));
		return size;
	case 3: // an integer at its edge
		memset(bytes + at, edges[random_below(state, sizeof(edges))],
		       width < size - at ? width : size - at);
		return size;
	case 4: // a small integer, where it is likely to be read
		at &= ~(size_t)1;
		if (at + 2 <= size) {
			bytes[at] = 0;
			bytes[at + 1] = (uint8_t)random_below(state, 16);
		}
		return size;
	default: // random bytes
		for (; width > 0 && at < size; width--)
			bytes[at++] = (uint8_t)random_next(state);
		return size;
	}
}

static void mutation_run(const struct inputs *inputs, uint64_t seed, uint64_t index)
{
	uint64_t state = seed * 0x2545f4914f6cdd1du + index;
	const struct input *input = &inputs->items[random_below(&state, inputs->count)];
	size_t size = input->size, room = input->size + GROWTH_MAX;
	uint8_t *bytes = memory_of(room);

	memcpy(bytes, input->bytes, size);
	for (size_t changes = 1 + random_below(&state, 4); changes > 0; changes--)
		size = bytes_mutate(bytes, size, room, &state);
	snprintf(running, sizeof(running), "# mutation %llu of seed %llu\n",
		 (unsigned long long)index, (unsigned long long)seed);
	bytes_run(bytes, size);
	free(bytes);
}

static int is_input(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

// Add a file of the corpus. Returns -1 where it cannot be read or is too large.
static int file_add(struct inputs *inputs, const char *directory, const char *name)
{
	uint8_t *bytes = memory_of(INPUT_BYTES_MAX + 1);
	char path[1024];
	FILE *file = NULL;
	size_t size = 0;
	int rc = -1;

	if (snprintf(path, sizeof(path), "%s/%s", directory, name) < (int)sizeof(path))
		file = fopen(path, "rb");
	if (file) {
		size = fread(bytes, 1, INPUT_BYTES_MAX + 1, file);
		if (!ferror(file) && size <= INPUT_BYTES_MAX) {
			input_add(inputs, bytes, size);
			rc = 0;
		}
		fclose(file);
	}
	free(bytes);
	return rc;
}

static int corpus_run(struct inputs *inputs, const char *directory, bool whole, int *tests)
{
	struct dirent **entries = NULL;
	int count = scandir(directory, &entries, is_input, alphasort);
	int failed = 0;

	if (count <= 0) {
		// A corpus that went missing must not look like success.
		printf("not ok %d - %s holds inputs\n", ++*tests, directory);
		return 1;
	}
	for (int i = 0; i < count; i++) {
		int rc = file_add(inputs, directory, entries[i]->d_name);

		if (rc == 0)
			input_run(&inputs->items[inputs->count - 1], entries[i]->d_name, whole);
		printf("%sok %d - %s\n", rc < 0 ? "not " : "", ++*tests, entries[i]->d_name);
		fflush(stdout);
		failed += rc < 0;
		free(entries[i]);
	}
	free(entries);
	return failed;
}

static int vectors_run(struct inputs *inputs, int *tests)
{
	struct vectors vectors;
	int rc = vectors_load(&vectors, VECTOR_DIRECTORY);

	for (uint32_t i = 0; rc == 0 && i < vectors.count; i++) {
		input_add(inputs, vectors.items[i].bytes, vectors.items[i].length);
		input_run(&inputs->items[inputs->count - 1], vectors.items[i].name, false);
	}
	printf("%sok %d - vectors\n", rc < 0 ? "not " : "", ++*tests);
	fflush(stdout);
	if (rc == 0)
		vectors_free(&vectors);
	return rc < 0;
}

int main(int argc, char **argv)
{
	static struct inputs inputs;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
	uint64_t count = argc > 3 ? strtoull(argv[3], NULL, 0) : MUTATIONS;
	bool whole = argc == 5 && strcmp(argv[4], "whole") == 0;
	int failed, tests = 0;

	if (argc < 2 || argc > 5 || (argc == 5 && !whole)) {
		fprintf(stderr, "usage: %s CORPUS_DIRECTORY [SEED [COUNT [whole]]]\n", argv[0]);
		return 2;
	}
	signal(SIGABRT, on_crash);
	signal(SIGSEGV, on_crash);
	signal(SIGBUS, on_crash);
	failed = corpus_run(&inputs, argv[1], whole, &tests);
	if (!whole)
		failed += vectors_run(&inputs, &tests);
	for (uint64_t i = 0; inputs.count > 0 && i < count; i++)
		mutation_run(&inputs, seed, i);
	printf("ok %d - %llu mutations of seed %llu\n", ++tests, (unsigned long long)count,
	       (unsigned long long)seed);
	// The plan comes last: a crash leaves it out, and the run counts as failed.
	printf("1..%d\n", tests);
	for (size_t i = 0; i < inputs.count; i++)
		free(inputs.items[i].bytes);
	return failed > 0;
}
