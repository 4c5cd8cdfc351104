// SPDX-License-Identifier: BSD-3-Clause
//
// Any text as a configuration. One that is taken, printed and read again is the same; one that is
// refused says why.
#include <string.h>

#include "control/config.h"
#include "tests/fuzz/fuzz_support.h"

// What libfyaml may lose of a text that is no YAML is not ours, and the daemon reads one file and stops
// when it is wrong: no search for leaks, unless asked for with ASAN_OPTIONS=detect_leaks=1.
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

// No folder of this name: what a text names relative to it does not exist.
#define NAME "/nonexistent/fuzz.yaml"

// What a text says, without the contents of files.
static void config_same(const struct config *a, const struct config *b)
{
	struct config x = *a, y = *b;

	memset(x.clients.credential, 0, sizeof(x.clients.credential));
	memset(y.clients.credential, 0, sizeof(y.clients.credential));
	memset(x.clients.credential_file, 0, sizeof(x.clients.credential_file));
	memset(y.clients.credential_file, 0, sizeof(y.clients.credential_file));
	x.secret_bytes = y.secret_bytes = 0;
	memset(x.secret, 0, sizeof(x.secret));
	memset(y.secret, 0, sizeof(y.secret));
	memset(x.cluster.key, 0, sizeof(x.cluster.key));
	memset(y.cluster.key, 0, sizeof(y.cluster.key));
	x.cluster_key_bytes = y.cluster_key_bytes = 0;
	memset(x.cluster_key, 0, sizeof(x.cluster_key));
	memset(y.cluster_key, 0, sizeof(y.cluster_key));
	// Both were zeroed whole, padding too. NOLINTBEGIN(bugprone-suspicious-memory-comparison)
	REQUIRE(memcmp(&x.top, &y.top, sizeof(x.top)) == 0);
	REQUIRE(memcmp(&x.server, &y.server, sizeof(x.server)) == 0);
	REQUIRE(x.ports_count == y.ports_count && x.streams_count == y.streams_count);
	REQUIRE(config_cluster_hash(a) == config_cluster_hash(b));
	REQUIRE(memcmp(&x, &y, sizeof(x)) == 0);
	// NOLINTEND(bugprone-suspicious-memory-comparison)
}

// What is printed has no key, but several servers need one.
static void key_put(char *text)
{
	static const char hidden[] = "\n  key: none # one is set, and not shown\n";
	char *at = strstr(text, hidden);

	if (at != NULL)
		memcpy(at, "\n  key: 0123456789abcdef                \n", sizeof(hidden) - 1);
}

static void print_again(const struct config *config)
{
	static struct config again;
	char *text = NULL, *said = NULL;
	size_t bytes = 0, said_bytes = 0;
	FILE *out = open_memstream(&text, &bytes);
	FILE *errors = open_memstream(&said, &said_bytes);

	REQUIRE(out && errors);
	config_print(config, out);
	fclose(out);
	key_put(text);
	if (config_read_text(&again, NAME, text, bytes, errors) != 0) {
		fclose(errors);
		fprintf(stderr, "%s%s", text, said);
		REQUIRE(!"what was printed is taken");
	}
	fclose(errors);
	config_same(config, &again);
	free(text);
	free(said);
}

// A text may name any file: only those of this folder, which does not exist, are looked at.
static bool names_a_file(const char *text, size_t size)
{
	static const char key[] = "_file";

	for (size_t i = 0; i + sizeof(key) - 1 <= size; i++)
		if (memcmp(text + i, key, sizeof(key) - 1) == 0)
			return memchr(text + i, '/', size - i) != NULL ||
			       memchr(text + i, '\\', size - i) != NULL;
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config config;
	static FILE *nowhere;
	int errors;

	if (!nowhere)
		nowhere = fopen("/dev/null", "w");
	REQUIRE(nowhere);
	if (size > CONFIG_FILE_MAX || names_a_file((const char *)data, size))
		return 0;
	errors = config_read_text(&config, NAME, (const char *)data, size, nowhere);
	REQUIRE(errors >= 0);
	if (errors == 0)
		print_again(&config);
	return 0;
}
