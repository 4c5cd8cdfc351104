// SPDX-License-Identifier: BSD-3-Clause
//
// What godwitd tells through DPDK's telemetry (dpdk-telemetry.py -f PREFIX, or its socket):
//
//   /godwit/status              who we are, since when, ports and their links
//   /godwit/streams[,FIRST]     session, epoch, earliest, head, commit and log of each stream
//   /godwit/cores[,FIRST]       turns, clients and subscriptions of each core
//   /godwit/counters[,CORE]     all counters and what was dropped, of one core or summed over all
//
// Of the cluster, and orders to it: admin_cluster.h.
//
// Lists are dicts by number, ADMIN_PAGE a page: `more` is then where the next page begins. The library
// would cut an answer above 16 KiB.
// Threads: the commands run in telemetry's own thread and read only what is atomic or never changes.
// There is one daemon in a process: the library hands no argument to a command.
#ifndef CONTROL_ADMIN_H
#define CONTROL_ADMIN_H

struct daemon;

#define ADMIN_PAGE 16

// Answer for this daemon. Thread: control.
void admin_start(struct daemon *daemon);
// Answer no more; returns when no command runs any more. Thread: control.
void admin_stop(void);

#endif
