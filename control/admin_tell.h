// SPDX-License-Identifier: BSD-3-Clause
//
// Values into answers of telemetry, for admin*.c. What is not known is left out: an answer has no null.
// Numbers of 64 bits that anybody may choose (ids, sessions) are text: a JSON number does not hold them
// everywhere. Thread: telemetry's.
#ifndef CONTROL_ADMIN_TELL_H
#define CONTROL_ADMIN_TELL_H

#include <rte_telemetry.h>

#include "control/daemon.h"

#define ADMIN_PARAMS_MAX 4

// Numbers of a command's parameter, with commas between; those not given stay as they are in values[].
// False: another text, or more than `count`.
bool admin_numbers(const char *params, uint64_t *values, uint32_t count);

// A dict into a dict; *inner is NULL where there is no memory. 0 or -errno.
int tell_dict(struct rte_tel_data *data, const char *name, struct rte_tel_data **inner);
int tell_numbered(struct rte_tel_data *data, uint64_t number, struct rte_tel_data **inner);

static inline void tell_text(struct rte_tel_data *data, const char *name, const char *text)
{
	rte_tel_data_add_dict_string(data, name, text);
}

static inline void tell_count(struct rte_tel_data *data, const char *name, uint64_t count)
{
	rte_tel_data_add_dict_u64(data, name, count);
}

// A sentence of any length: one that is longer than telemetry takes is cut behind a word, and ends in "...".
void tell_sentence(struct rte_tel_data *data, const char *name, const char *sentence);
// Left out where it is VIEW_NEVER.
void tell_known(struct rte_tel_data *data, const char *name, uint64_t count);
void tell_flag(struct rte_tel_data *data, const char *name, bool is_set); // 0 or 1
void tell_id(struct rte_tel_data *data, const char *name, uint64_t id);
void tell_session(struct rte_tel_data *data, const char *name, uint64_t session);
void tell_address(struct rte_tel_data *data, const char *name,
		  const struct godwit_address *address);
void tell_identifier(struct rte_tel_data *data, const char *name,
		     const struct godwit_identifier *identifier);

// ---- the groups of commands: each is one file ----------------------------------------------------
//
// Each answers into a dict that was begun. The daemon's lock is held. 0, or -errno: there is no answer then.

typedef int admin_answer(struct daemon *daemon, const char *params, struct rte_tel_data *data);

admin_answer admin_servers, admin_history;			       // admin_servers.c
admin_answer admin_streams, admin_replicas;			       // admin_streams.c
admin_answer admin_clients, admin_cursors, admin_migrations;	       // admin_cursors.c
admin_answer admin_drain, admin_undrain, admin_rebalance, admin_adopt; // admin_orders.c
admin_answer admin_resolve;					       // admin_streams.c

// The word for an answer to an order.
const char *admin_order_name(enum view_order answer);

// Monotonic, now.
uint64_t admin_now_ns(void);

#endif
