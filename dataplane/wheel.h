// SPDX-License-Identifier: BSD-3-Clause
//
// A hashed timer wheel for the many timers of one core: lapses, heartbeats, repeats.
//
// Time is cut into ticks of tick_ns. A timer hangs in the slot of the tick at which it may fire,
// its due time rounded up to a tick; it fires at the first wheel_advance() (with budget left) at or
// after that tick: never early, late by less than a tick and the distance of two calls. Timers more
// than one turn of the wheel away share the slot and stay in it until they are due.
//
//   slots   [0]->t->t   [1]   [2]->t   ...   [count-1]   [late]: due, but beyond a call's budget
//                        ^ tick: up to here everything was looked at
//
// Timers are indexes into an array of the caller's, so a struct that has a timer has an index.
// Owner: one core; time is an argument and does not go back (a lower one is taken for the last).
// Cost: wheel_set and wheel_cancel O(1); wheel_advance one comparison within a tick; otherwise the
// timers in the slots of the ticks passed, at most every slot once, however far the clock jumped.
// Limits: slots a power of two up to 2^30, at most 2^31 - 1 timers.
#ifndef DATAPLANE_WHEEL_H
#define DATAPLANE_WHEEL_H

#include <godwit/types.h>

#define WHEEL_NONE UINT32_MAX

struct wheel_timer {
	uint64_t due_ns; // as it was set
	uint32_t next;	 // of its list, WHEEL_NONE: end
	uint32_t prev;	 // the one before, or WHEEL_HEAD | list; WHEEL_NONE: not set
};

struct wheel {
	struct wheel_timer *timers;
	uint32_t *heads; // a list a slot, then the late ones
	uint64_t tick_ns;
	uint64_t tick;	  // the newest tick that was looked at
	uint64_t next_ns; // where the tick after it begins
	uint32_t mask;
	uint32_t timers_count;
};

// Bytes of `heads` for so many slots.
static inline uint64_t wheel_heads_bytes(uint32_t slots)
{
	return ((uint64_t)slots + 1) * sizeof(uint32_t);
}

// Start with no timer set. tick_ns >= 1; heads: wheel_heads_bytes(slots) bytes; timers:
// timers_count entries. Both belong to the caller and outlive the wheel. Thread: at rest.
void wheel_init(struct wheel *wheel, uint64_t tick_ns, uint32_t *heads, uint32_t slots,
		struct wheel_timer *timers, uint32_t timers_count, uint64_t now_ns);

// Set timer number `timer` to fire at due_ns; one that is set already moves. One that is due
// already fires at the tick after the newest one looked at. Thread: core.
void wheel_set(struct wheel *wheel, uint32_t timer, uint64_t due_ns);

// No effect if it is not set. Thread: core.
void wheel_cancel(struct wheel *wheel, uint32_t timer);

static inline bool wheel_is_set(const struct wheel *wheel, uint32_t timer)
{
	return wheel->timers[timer].prev != WHEEL_NONE;
}

// Fire timers that are due at now_ns, at most `budget`; what is left over fires first in the next
// call. Each is no longer set when on_due is called with it; on_due may set and cancel any timer.
// Timers of one tick come in no particular order. Returns how many fired. Thread: core.
uint32_t wheel_advance(struct wheel *wheel, uint64_t now_ns, uint32_t budget,
		       void (*on_due)(void *arg, uint32_t timer), void *arg);

#endif
