// SPDX-License-Identifier: BSD-3-Clause
//
// The view of the control plane: what keeper and migration know, and the orders to them, behind the functions of
// struct view_plane. Thread: as admin_view.h.
#ifndef CONTROL_ADMIN_VIEW_PLANE_H
#define CONTROL_ADMIN_VIEW_PLANE_H

#include "control/admin_view.h"
#include "control/keeper.h"
#include "control/migration.h"

static_assert(VIEW_EXPLAIN_BYTES >= KEEPER_TEXT_BYTES, "a view holds the keeper's words");

struct view_parts { // NULL: there is none
	struct keeper *keeper;
	struct migration *migration;
	// the link to a peer, by index, of whoever watches it
	const struct link_detector *(*link)(const void *links, uint32_t peer);
	const void *links;
};

// The functions that there is something for. parts outlives the view.
struct view_plane view_plane_of(struct view_parts *parts);

#endif
