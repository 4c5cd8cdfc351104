// SPDX-License-Identifier: BSD-3-Clause
//
// Arrivals: cursors that come here from another home. Control is told of each, and of the first message
// that its client gets from here, so that every move leaves its record, whoever began it.
//
//   RESUME -> subscription opens --ARRIVED {from, position, commit}--> control
//                   |
//                   +-- the first DATA with messages --SERVED {when}--> control
//
// Both are for people only: they leave half of the outbox to what others depend on, and what finds no
// room is counted (arrivals_untold).
//
// Thread: the core. Cost: one test of a byte for each packet.
#ifndef DATAPLANE_ARRIVALS_H
#define DATAPLANE_ARRIVALS_H

#include <stdbool.h>
#include <stdint.h>

struct core;
struct subscription;

// What a RESUME says of where its cursor was.
struct arrival_before {
	uint64_t epoch;	    // the cursor epoch that it had; 0: none is known
	bool invited;	    // it took an offer of this server, and may come from another core of it
	bool again;	    // it replaces a subscription that came, and got no message yet: ...
	uint16_t came_from; // ... from there
};

// A RESUME opened it. Without a cluster, and of a cursor whose home was here all the time: no effect.
void arrival_opened(struct core *core, struct subscription *s, const struct arrival_before *before);

// Its first DATA with messages since arrival_opened() went out. The caller has looked at s->first_due.
void arrival_served(struct core *core, struct subscription *s);

#endif
