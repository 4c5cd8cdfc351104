// SPDX-License-Identifier: BSD-3-Clause
//
// The neighbours of a port: IPv4 address on its link -> hardware address, shared by all cores without
// locks.
//
// An open-addressed table. A key is set once, from 0 by compare-and-swap, and never changes: a slot
// number found is good for ever. The value is one word, hardware address and the second in which it
// was learned, so that a reader sees both or neither. Nothing else is published with key or value:
// all accesses are relaxed.
//
//   age     0 .. 60 s   used
//          60 .. 120 s  used, and asked for again (at most once a second)
//         120 s ..      unknown, and asked for
//
// The slot of an address is its low bits: a table as large as the link's prefix never collides, and
// within one larger than the table an address has NEIGHBOUR_PROBES slots, then the table is full.
// Threads: any for all but create and destroy. Time is an argument: monotonic ns.
#ifndef DATAPLANE_NEIGHBOURS_H
#define DATAPLANE_NEIGHBOURS_H

#include <godwit/types.h>
#include <stdatomic.h>

#define NEIGHBOUR_PROBES    16
#define NEIGHBOUR_SLOTS_MAX 32768 // a slot + 1 fits 16 bits
#define NEIGHBOUR_STALE_S   60
#define NEIGHBOUR_DEAD_S    120
#define NEIGHBOUR_NONE	    UINT32_MAX

struct neighbour {
	// w: any core, by compare-and-swap   r: all
	_Atomic uint32_t ip;	   // host order, 0: free
	_Atomic uint32_t asked_ms; // when it was last asked for, 0: never
	_Atomic uint64_t value;	   // hardware address << 16 | second learned; 0: unknown
};

struct neighbours {
	// set at start, then read-only
	uint32_t mask;
	struct neighbour *slots;
};

// prefix_bits: of the link, so that it is large enough. 0 or -ENOMEM. Thread: control.
int neighbours_create(struct neighbours *neighbours, uint32_t prefix_bits);
void neighbours_destroy(struct neighbours *neighbours);

// The slot of an address, made if there is none; NEIGHBOUR_NONE: the table is full.
uint32_t neighbours_slot(struct neighbours *neighbours, uint32_t ip);

// The hardware address (48 bits, first byte highest) in a slot, or 0: unknown. *ask: the caller is to
// send a request for it now; at most one caller is told so in a second.
uint64_t neighbours_get(struct neighbours *neighbours, uint32_t slot, uint64_t now_ns, bool *ask);

// An address was heard from. may_add: enter it if it is not there. False: the table is full.
bool neighbours_learn(struct neighbours *neighbours, uint32_t ip, uint64_t hardware,
		      uint64_t now_ns, bool may_add);

// Forget the dead in some slots, which depend on the time: called at least once a second, all are
// seen within 256 s, so that the 16-bit seconds cannot come round.
void neighbours_sweep(struct neighbours *neighbours, uint64_t now_ns);

#endif
