// SPDX-License-Identifier: BSD-3-Clause
//
// Any text as the kept record of a stream. What is taken is byte for byte what writing it gives; what is
// refused says why.
//
//	input: u8 with bit 0 for mending the checksum, so that what lies behind it is reached; the text
#include <string.h>

#include "control/cluster_text.h"
#include "tests/fuzz/fuzz_support.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define SUM_BYTES 17 // of the last line: 16 digits and its end

static void mend(char *text, size_t bytes)
{
	static const char word[] = "checksum ";
	char sum[SUM_BYTES + 1];

	if (bytes < SUM_BYTES + sizeof(word) - 1)
		return;
	snprintf(sum, sizeof(sum), "%016llx\n",
		 (unsigned long long)XXH3_64bits(text, bytes - SUM_BYTES - (sizeof(word) - 1)));
	memcpy(text + bytes - SUM_BYTES - (sizeof(word) - 1), word, sizeof(word) - 1);
	memcpy(text + bytes - SUM_BYTES, sum, SUM_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char again[CLUSTER_TEXT_BYTES], why[CLUSTER_WHY_BYTES] = "", *text;
	struct cluster_record record;
	enum cluster_answer answer;

	if (size == 0)
		return 0;
	// A buffer of its own, so that a read beyond it is seen.
	text = malloc(size);
	REQUIRE(text);
	memcpy(text, data + 1, --size);
	if (data[0] & 1)
		mend(text, size);
	answer = cluster_text_read("lab", "trades", text, size, &record, why);
	if (answer == CLUSTER_DONE) {
		REQUIRE(record.revision != 0 && record.in_sync_count <= CLUSTER_SERVERS_MAX);
		REQUIRE(cluster_text_write("lab", "trades", &record, again) == size);
		REQUIRE(memcmp(again, text, size) == 0);
	} else {
		REQUIRE(answer == CLUSTER_DAMAGED || answer == CLUSTER_FOREIGN);
		REQUIRE(why[0] != '\0' && strlen(why) < sizeof(why));
	}
	free(text);
	return 0;
}
