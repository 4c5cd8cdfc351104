// SPDX-License-Identifier: BSD-3-Clause
//
// What the tests of the sessions share: one core, clients that connect, and the refusals that they get.
#ifndef TESTS_UNIT_SESSION_RIG_H
#define TESTS_UNIT_SESSION_RIG_H

#include <criterion/criterion.h>

#include "dataplane/stages.h"
#include "tests/support/checked.h"
#include "tests/support/core_harness.h"

static struct harness h;

#define COUNTED(name) harness_count(&h, 0, COUNTER_##name)
#define DROPPED(name) harness_drops(&h, 0, DROP_##name)

static inline void start(void)
{
	harness_start(&h, NULL);
}

static inline void stop(void)
{
	harness_stop(&h);
	cr_assert_str_empty(h.failure, "%s", h.failure);
}

static inline void restart(const struct harness_config *config)
{
	stop();
	harness_start(&h, config);
}

static inline struct client_peer connected(uint8_t host, uint64_t id, uint64_t instance)
{
	struct client_peer p = harness_peer(&h, 0, host, id, instance);

	cr_assert(harness_connect(&p, NULL));
	return p;
}

// The ERROR that is there.
static inline const struct godwit_error *taken_error(const struct client_peer *p)
{
	const struct harness_frame *frame = harness_take(&h, &p->address, GODWIT_ERROR);

	cr_assert_not_null(frame, "an ERROR was expected");
	return (const void *)frame->data;
}

static inline void assert_error(const struct client_peer *p, enum godwit_code code,
				uint32_t request, uint64_t detail)
{
	const struct godwit_error *error = taken_error(p);

	cr_assert_eq(godwit_get16(error->code), code, "%s",
		     godwit_code_name(godwit_get16(error->code)));
	cr_assert_eq(godwit_get32(error->request), request);
	cr_assert_eq(godwit_get64(error->detail), detail, "%lu", godwit_get64(error->detail));
	cr_assert_eq(godwit_get64(error->tag), p->tag);
}

static inline const struct godwit_ended *taken_ended(const struct client_peer *p)
{
	const struct harness_frame *frame = harness_take(&h, &p->address, GODWIT_ENDED);

	cr_assert_not_null(frame, "an ENDED was expected");
	return (const void *)frame->data;
}

#endif
