// SPDX-License-Identifier: BSD-3-Clause
//
// What godwitd tells through DPDK's telemetry (dpdk-telemetry.py -f PREFIX, or its socket):
//
//   /godwit/status                      who we are, since when, ports and their links
//   /godwit/cores[,FIRST]               turns, clients and subscriptions of each core
//   /godwit/counters[,CORE]             all counters and what was dropped, of one core or summed over all
//   /godwit/servers[,FIRST]             the servers of the cluster, this one first
//   /godwit/history,NUMBER              how the link to server NUMBER of that list changed, newest first
//   /godwit/streams[,FIRST]             session, epoch, positions, role and in-sync set of each stream
//   /godwit/replicas,NUMBER             what the other servers of stream NUMBER hold of it
//   /godwit/clients[,FIRST]             the clients of this server
//   /godwit/cursors[,FIRST[,HOME[,CLIENT]]]  the cursors of the cluster; 0: any
//   /godwit/migrations[,FIRST]          the last moves of cursors, newest first
//   /godwit/drain,SERVER  /godwit/undrain,SERVER  /godwit/rebalance,SERVER  orders; the answer is a word
//   /godwit/adopt,NUMBER,SERVER,GIVES_UP  order: stream NUMBER goes on with what SERVER holds of it; 0 or 1
//   /godwit/resolve,SESSION:SEQ:EPOCH[,CLIENT,SUBSCRIPTION]  where an identifier leads
//
// Lists are dicts by number, a page at a time: `more` is then where the next page begins. The library
// would cut an answer above 16 KiB.
//
// Threads: the commands run in telemetry's own threads. What is the control plane's they read under the
// daemon's lock, which the control thread holds during its step; of cores they read only what is atomic or
// never changes. There is one daemon in a process: the library hands no argument to a command.
#ifndef CONTROL_ADMIN_H
#define CONTROL_ADMIN_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "control/admin_view.h"

struct daemon;
struct rte_tel_data;

#define ADMIN_PAGE    16
#define ADMIN_ORDER_S 2 // that an order waits for the control thread

enum admin_order_state {
	ADMIN_ORDER_NONE,
	ADMIN_ORDER_ASKED,
	ADMIN_ORDER_ANSWERED,
};

enum admin_order_kind {
	ADMIN_ORDER_DRAIN,
	ADMIN_ORDER_UNDRAIN,
	ADMIN_ORDER_REBALANCE,
	ADMIN_ORDER_ADOPT,
};

struct admin_order { // under the daemon's lock
	enum admin_order_state state;
	// what is asked							w: telemetry's thread
	enum admin_order_kind kind;
	uint32_t number; // ADOPT: the stream ...
	uint16_t server; // ... what to go on with ...
	bool gives_up;	 // ... whatever else replicas may hold
	// the answer								w: control
	enum view_order answer;
	const char *stream;		 // of VIEW_ORDER_STREAM its name, else NULL
	struct keeper_given_up given_up; // ADOPT
	pthread_cond_t answered;
};

// Answer for this daemon. Thread: control.
void admin_start(struct daemon *daemon);
// Answer no more; returns when no command runs any more. Thread: control, without the daemon's lock.
void admin_stop(void);

// Carry out the order that waits. Thread: control, with the daemon's lock.
void admin_orders_step(struct daemon *daemon, uint64_t now_ns);

// A cursor into a dict: of the list, and of resolve.
void admin_cursor_tell(const struct view_cursor *view, struct rte_tel_data *data);

#endif
