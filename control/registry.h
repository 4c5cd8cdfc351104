// SPDX-License-Identifier: BSD-3-Clause
//
// The registry of clients: which process of each client id is served by which core. A core fences the
// older process of an id among its own clients; across cores the registry does.
//
//   notice of a core --registry_opened--> fence (which core is to close which handle) or nothing
//                    --registry_closed--> forgets it
//
// A process is named by its instance, which grows: of two of one id the higher lives on. The same
// instance on a second core is one process that came in anew, from another address or over another queue:
// the later one, by the clock that all cores read, lives on, and the earlier is closed as REPLACED. But one that
// took an offer of that core may be a client of both: it replaces nobody, and is kept beside; what it leaves
// behind lapses. Where the core of its HELLO closes it, one of those takes the place; a newer process fences all.
// A notice may be lost (its ring was full): an entry then stays, and does no harm but to fence processes
// older than itself, which have no right to live either.
// Pure steps: no clock, no I/O. Owner and thread: control. Limits: `max` clients of all cores, then refused and
// counted.
#ifndef CONTROL_REGISTRY_H
#define CONTROL_REGISTRY_H

#include <godwit/errors.h>
#include <godwit/types.h>
#include <stdbool.h>
#include <stdint.h>

struct registry; // opaque

struct registry_client {
	uint64_t id, instance, handle;
	uint32_t core;
	struct godwit_address address; // as it was when the core opened it
	uint64_t opened_ns;	       // monotonic
	bool by_offer;		       // it took an offer: no HELLO
};

struct registry_fence {
	uint32_t core;	   // that is to close
	uint64_t handle;   // this client
	uint64_t instance; // the one in its place
	uint16_t code;	   // FENCED: that one is higher. REPLACED: the same
};

// NULL with errno ENOMEM. max: at least 1.
struct registry *registry_create(uint32_t max);
void registry_destroy(struct registry *registry);

// A core opened a client. True: *fence says what is to be closed for it, and registry_fence_next() what else.
bool registry_opened(struct registry *registry, const struct registry_client *client,
		     struct registry_fence *fence);

// The next client that is to be closed for a process that was opened; false: there is none. To be asked until then,
// before the next notice.
bool registry_fence_next(struct registry *registry, struct registry_fence *fence);

// A core closed a client. What is neither the entry in force nor kept beside it is ignored.
void registry_closed(struct registry *registry, const struct registry_client *client);

// The entry of an id; false if there is none.
bool registry_find(const struct registry *registry, uint64_t id, struct registry_client *client);

// The next clients from place *next on (0 to begin), at most `max`, of at most `slots` places looked at.
// Returns how many; *next is 0 at the end. What stays all the time is met once.
uint32_t registry_page(const struct registry *registry, uint32_t *next,
		       struct registry_client *clients, uint32_t max, uint32_t slots);

uint32_t registry_count(const struct registry *registry);
uint64_t registry_refused(
	const struct registry *registry); // ids, and further cores of one, that found no room

#endif
