// SPDX-License-Identifier: BSD-3-Clause
//
// The control plane of one server of a cluster: it glues what the nouns decide. Pure: everything that it knows
// comes from the server's memory, its rings and the time given; the daemon and the simulator run the same.
//
//   peers[].heard_ns, incarnations --> links (link.h) ----> verdicts --> migration              plane_links.c
//   streams, what peers tell of them -> view ------------> migration                           plane.c
//   cursor feed, punts, notices ----> cursor table, migration --> commands, frames to peers     plane.c
//
// The records of streams are the keeper's (keeper.h), which goes by the verdicts that are made here.
//
// Owner and thread: control. One plane a server, made after the cores and destroyed before them.
#ifndef CONTROL_PLANE_H
#define CONTROL_PLANE_H

#include "control/link.h"
#include "control/migration.h"

#define PLANE_STEP_NS	1000000ull // between two steps, about
#define PLANE_MOVES_MAX 65536	   // moves at a time, of the daemon
#define PLANE_OFFERS_MS 64	   // offers begun in a millisecond, of the daemon

struct plane_config {
	struct server *server; // with peers, streams and cores; its cursor feed is made
	uint16_t weight;
	uint32_t multiplier; // silent intervals of a server until it is suspect
	uint32_t cursors_max, clients_max;
	uint32_t moves_max, offers_ms; // of migration.h
	bool huge;
	int node;
	struct reclaim reclaim;
	uint64_t random[2];
	// The core at which this client's frames arrive; NULL: core 0.
	uint32_t (*core_of)(void *arg, uint64_t client, uint32_t attempt);
	// Whether the thread of a core makes turns; NULL: all do.
	bool (*core_turns)(void *arg, uint32_t core);
	// A line for people: who changed how. NULL: nobody reads.
	void (*say)(void *arg, const char *line);
	void *arg;
};

struct plane; // opaque

// NULL with errno ENOMEM or one of cursor_table_create().
struct plane *plane_create(const struct plane_config *config, uint64_t now_ns);
void plane_destroy(struct plane *plane);

// One step: everything that came since the last one, and what time asks for. To be called each
// PLANE_STEP_NS; late is told from early.
void plane_step(struct plane *plane, uint64_t now_ns);

// A notice of a core (struct core_notice); of kinds that are not about moves it takes none.
void plane_notice(struct plane *plane, enum core_notice_kind kind, const struct core_notice *notice,
		  uint64_t now_ns);

// ---- for people; thread: control, or with the caller's lock --------------------------------------

struct migration *plane_migration(struct plane *plane);
struct cursor_table *plane_cursors(struct plane *plane);
const struct link_detector *plane_links(const struct plane *plane); // by peer

#endif
