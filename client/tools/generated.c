// SPDX-License-Identifier: BSD-3-Clause
#include "client/tools/generated.h"

#define MARK 0xa7

static uint8_t filler(uint64_t number, size_t at)
{
	return (uint8_t)(number * 31 + at);
}

void generated_write(uint8_t *payload, size_t length, const struct generated *generated)
{
	struct godwit_be64 number = godwit_be64(generated->number);
	struct godwit_be64 topic_number = godwit_be64(generated->topic_number);
	struct godwit_be16 run = godwit_be16(generated->run);

	for (size_t i = 0; i < length; i++)
		payload[i] = filler(generated->number, i);
	if (length >= 8)
		memcpy(payload, &number, 8);
	if (length >= 16)
		memcpy(payload + 8, &topic_number, 8);
	if (length >= GENERATED_BYTES_MIN) {
		payload[16] = MARK;
		memcpy(payload + 17, &run, 2);
	}
}

bool generated_read(const void *payload, size_t length, struct generated *generated)
{
	const uint8_t *bytes = payload;
	struct godwit_be64 number, topic_number;
	struct godwit_be16 run;

	if (length < GENERATED_BYTES_MIN || bytes[16] != MARK)
		return false;
	memcpy(&number, bytes, 8);
	memcpy(&topic_number, bytes + 8, 8);
	memcpy(&run, bytes + 17, 2);
	*generated = (struct generated){
		.number = godwit_get64(number),
		.topic_number = godwit_get64(topic_number),
		.run = godwit_get16(run),
	};
	if (generated->number == 0 || generated->number >> 48 != 0 ||
	    generated->topic_number == 0 || generated->topic_number > generated->number)
		return false;
	for (size_t i = GENERATED_BYTES_MIN; i < length; i++)
		generated->is_damaged |= bytes[i] != filler(generated->number, i);
	return true;
}
