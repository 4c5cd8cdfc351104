// SPDX-License-Identifier: BSD-3-Clause
//
// The plane in the daemon: it is made when the cores are, steps with the control thread, and is what
// telemetry looks at (admin_view.h). Thread: control, under the daemon's lock.
#ifndef CONTROL_DAEMON_PLANE_H
#define CONTROL_DAEMON_PLANE_H

#include <stdbool.h>
#include <stdint.h>

struct crossing_slot;
struct daemon;

// Cores are there, and do not run yet. 0 or -errno: one line was written. Without a cluster: no effect.
int daemon_plane_start(struct daemon *daemon, uint64_t now_ns);
// A notice about a move. False: it is none.
bool daemon_plane_notice(struct daemon *daemon, const struct crossing_slot *slot, uint64_t now_ns);
// A core makes no turns: its clients are offered to others.
void daemon_plane_core_lost(struct daemon *daemon, uint32_t core, uint64_t now_ns);
// Cores are gone.
void daemon_plane_free(struct daemon *daemon);

#endif
