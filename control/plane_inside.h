// SPDX-License-Identifier: BSD-3-Clause
//
// What the files of the plane share. Thread: control.
#ifndef CONTROL_PLANE_INSIDE_H
#define CONTROL_PLANE_INSIDE_H

#include "control/plane.h"

struct plane_peer {
	uint64_t incarnation;
	uint64_t heard_ns; // seen last
};

struct plane {
	struct plane_config config;
	struct server *server;
	struct cursor_table *table;
	struct migration *migration;
	struct link_detector links[SERVER_PEERS_MAX];
	struct plane_peer peers[SERVER_PEERS_MAX];
	uint64_t random[2];
	uint64_t stepped_ns; // last step
};

uint64_t plane_random(struct plane *plane);
void plane_say(struct plane *plane, const char *format, ...) __attribute__((format(printf, 2, 3)));

// plane_links.c
void plane_links_init(struct plane *plane, uint64_t now_ns);
void plane_links_step(struct plane *plane, uint64_t now_ns);
// PROBE_FOR or PROBE_RESULT about a server. False: it is about a client.
bool plane_links_frame(struct plane *plane, uint32_t peer, const struct godwit_probe_for *frame,
		       uint64_t now_ns);

#endif
