// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "tests/bench/swarm.h"

#define SAMPLES_MAX    (4ull << 20)
#define MOVES_A_CLIENT 4 // and some: one client may move again and again
#define MOVES_MORE     4096

int swarm_record_create(struct swarm *swarm)
{
	const struct swarm_options *options = swarm->options;
	struct swarm_record *record = &swarm->record;

	if (options->moves != NULL) {
		record->move_max = (uint64_t)options->clients * MOVES_A_CLIENT + MOVES_MORE;
		record->moves = calloc(record->move_max, sizeof(*record->moves));
		if (record->moves == NULL)
			return -ENOMEM;
	}
	if (options->samples != NULL) {
		record->sample_max = SAMPLES_MAX;
		record->samples = calloc(record->sample_max, sizeof(*record->samples));
		if (record->samples == NULL)
			return -ENOMEM;
	}
	return 0;
}

void swarm_record_destroy(struct swarm_record *record)
{
	free(record->moves);
	free(record->samples);
	*record = (struct swarm_record){0};
}

void swarm_record_move(struct swarm *swarm, uint32_t number, const struct godwit_event *event)
{
	struct swarm_record *record = &swarm->record;
	uint64_t wall_ns;

	if (record->moves == NULL)
		return;
	if (record->move_count == record->move_max) {
		record->missed++;
		return;
	}
	wall_ns = swarm_clock_ns(CLOCK_REALTIME);
	record->moves[record->move_count++] = (struct swarm_move){
		.client = number,
		.from = godwit_address_ip4(&event->from),
		.to = godwit_address_ip4(&event->server),
		.reason = event->reason,
		// The silence was measured by the clock that the core was given.
		.heard_ns = swarm->wall_ns - event->silence_ns,
		.moved_ns = wall_ns,
		.replayed = event->replayed,
	};
	swarm->clients[number].move = (uint32_t)record->move_count;
}

void swarm_record_message(struct swarm *swarm, uint32_t number, const struct godwit_event *event)
{
	struct swarm_client *client = &swarm->clients[number];
	struct swarm_record *record = &swarm->record;

	if (client->move != 0) {
		record->moves[client->move - 1].first_ns = swarm_clock_ns(CLOCK_REALTIME);
		client->move = 0;
	}
	if (record->samples == NULL)
		return;
	if (record->sample_count == record->sample_max) {
		record->missed++;
		return;
	}
	record->samples[record->sample_count++] =
		(struct swarm_sample){swarm->wall_ns, event->time_ns};
}

static bool write_moves(const struct swarm_record *record, FILE *out)
{
	for (uint64_t i = 0; i < record->move_count; i++) {
		const struct swarm_move *move = &record->moves[i];

		fprintf(out,
			"{\"client\": %u, \"from\": %u, \"to\": %u, \"reason\": %u, "
			"\"heard_ns\": %" PRIu64 ", \"moved_ns\": %" PRIu64
			", \"first_ns\": %" PRIu64 ", \"replayed\": %" PRIu64 "}\n",
			move->client, move->from, move->to, move->reason, move->heard_ns,
			move->moved_ns, move->first_ns, move->replayed);
	}
	return ferror(out) == 0;
}

static bool write_samples(const struct swarm_record *record, FILE *out)
{
	return fwrite(record->samples, sizeof(*record->samples), record->sample_count, out) ==
	       record->sample_count;
}

static bool write_to(const char *path, const struct swarm_record *record,
		     bool (*write)(const struct swarm_record *record, FILE *out))
{
	FILE *out = fopen(path, "w");
	bool is_good;

	if (out == NULL)
		return false;
	is_good = write(record, out);
	return fclose(out) == 0 && is_good;
}

bool swarm_record_write(const struct swarm *swarm, const char **path)
{
	const struct swarm_record *record = &swarm->record;

	*path = swarm->options->moves;
	if (*path != NULL && !write_to(*path, record, write_moves))
		return false;
	*path = swarm->options->samples;
	return *path == NULL || write_to(*path, record, write_samples);
}
