// SPDX-License-Identifier: BSD-3-Clause
//
// What godwitd tells through telemetry of the cluster, and the orders that it takes there:
//
//   /godwit/servers              each server: its link and why, incarnation, what it refuses, its cursors
//   /godwit/cursors[,PAGE]       cursors that this server knows of; `more` names the next page
//   /godwit/migrations[,FIRST]   the last moves, the newest first, and what migration counts
//   /godwit/drain,ID             hand all cursors over (ID: this server's); repeated it tells how far it is
//   /godwit/undrain,ID           take cursors again
//   /godwit/resolve,SESSION:SEQ:EPOCH   where an identifier leads here
//
// A server alone answers servers, cursors and migrations with empty lists, and refuses a drain.
// Threads: telemetry's own; the plane is looked at under the cluster's lock.
#ifndef CONTROL_ADMIN_CLUSTER_H
#define CONTROL_ADMIN_CLUSTER_H

#include <stdint.h>

struct daemon;
struct rte_tel_data;

#define ADMIN_CURSORS 32 // of one page

int admin_servers(struct daemon *daemon, const char *params, struct rte_tel_data *data);
int admin_cursors(struct daemon *daemon, const char *params, struct rte_tel_data *data);
int admin_migrations(struct daemon *daemon, const char *params, struct rte_tel_data *data);
int admin_drain(struct daemon *daemon, const char *params, struct rte_tel_data *data);
int admin_undrain(struct daemon *daemon, const char *params, struct rte_tel_data *data);
int admin_resolve(struct daemon *daemon, const char *params, struct rte_tel_data *data);

// Of a stream that other servers hold too: its role, feed and in-sync set.
int admin_stream_role(struct daemon *daemon, uint32_t number, struct rte_tel_data *data);

// ---- shared with admin.c ------------------------------------------------------------------------

// A number as a command's parameter; `otherwise` where there is none, -1 where it is none.
long admin_number(const char *params, long otherwise);
// Put a dict into the answer's under a number.
int admin_numbered(struct rte_tel_data *data, uint32_t number, struct rte_tel_data **inner);

#endif
