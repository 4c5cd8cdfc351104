// SPDX-License-Identifier: BSD-3-Clause
#include "control/cluster.h"

#include <stddef.h>

static const struct cluster_replica *replica_find(const struct cluster_record *record,
						  uint16_t server)
{
	for (uint32_t i = 0; i < record->in_sync_count; i++)
		if (record->in_sync[i].server == server)
			return &record->in_sync[i];
	return NULL;
}

bool cluster_in_sync(const struct cluster_record *record, uint16_t server)
{
	return replica_find(record, server) != NULL;
}

bool cluster_in_sync_as(const struct cluster_record *record, uint16_t server, uint64_t incarnation)
{
	const struct cluster_replica *replica = replica_find(record, server);

	return replica != NULL && replica->incarnation == incarnation;
}

const char *cluster_answer_name(enum cluster_answer answer)
{
	static const char *const names[] = {
		[CLUSTER_DONE] = "done",	   [CLUSTER_ABSENT] = "absent",
		[CLUSTER_CONFLICT] = "conflict",   [CLUSTER_REFUSED] = "refused",
		[CLUSTER_ELSEWHERE] = "elsewhere", [CLUSTER_FOREIGN] = "foreign",
		[CLUSTER_DAMAGED] = "damaged",	   [CLUSTER_FAILED] = "failed",
		[CLUSTER_UNKNOWN] = "unknown",
	};

	return names[answer];
}
