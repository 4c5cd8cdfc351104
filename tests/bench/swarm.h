// SPDX-License-Identifier: BSD-3-Clause
//
// swarm: up to a million clients in one process, each with an address and UDP port of its own, over one
// DPDK port. Every client is the library's protocol core (client.h, layer 1): it subscribes, takes,
// acknowledges, repairs, resumes and migrates like any other.
//
//   swarm.c          options, the loop, signals
//   swarm_port.c     frames: Ethernet, ARP for all our addresses, IPv4, UDP
//   swarm_clients.c  the clients: their timers, loss and think time, what each checks of its delivery
//   swarm_record.c   moves and latencies, each with its time, for whoever reckons with them afterwards
//   swarm_report.c   what is printed
//
// Client i has the address base + i / ports_each and the UDP port SWARM_PORT_FIRST + i % ports_each.
// Owner and thread: one.
#ifndef TESTS_BENCH_SWARM_H
#define TESTS_BENCH_SWARM_H

#include <godwit/client.h>
#include <godwit/histogram.h>
#include <stdio.h>
#include <time.h>

#include "dataplane/eal.h"
#include "dataplane/port.h"
#include "dataplane/wheel.h"

#define SWARM_PORT_FIRST 1024u
#define SWARM_SERVERS	 16u
#define SWARM_BURST	 32u

struct swarm_options {
	const char *interface, *stream, *json, *prefix;
	const char *moves, *samples;   // files; NULL: not wanted
	uint32_t address, prefix_bits; // of client 0, host order
	uint32_t clients, ports_each;
	uint32_t cpu;
	uint32_t mtu;
	struct godwit_address servers[SWARM_SERVERS];
	uint32_t server_count;
	bool is_together;     // all begin at the first server; else each at another one
	uint64_t client_base; // client ids begin above it
	uint8_t start;	      // enum godwit_start
	uint64_t rate;	      // clients that begin a second
	uint64_t run_ns;      // 0: until a signal
	uint64_t count_max;   // messages of each client; 0: none
	uint64_t think_ns;    // from a datagram to the look at what it brought
	uint32_t loss;	      // of datagrams to and from clients, per 10,000
	uint32_t window;
	uint64_t seed;
};

// ---- the port -----------------------------------------------------------------------------------

struct swarm_peer {  // a server's hardware address
	uint32_t ip; // host order
	uint8_t mac[6];
	bool is_known;
	uint64_t asked_ns;
};

struct swarm_datagram {
	uint32_t client;
	struct godwit_address from;
	const uint8_t *bytes;
	uint32_t length;
};

struct swarm_port {
	struct eal eal;
	struct port port;
	const struct swarm_options *options;
	uint32_t last_ip;
	struct swarm_peer peers[SWARM_SERVERS];
	uint32_t peer_count;
	struct rte_mbuf *held[SWARM_BURST]; // of the burst that was received last
	uint32_t held_count;
	struct rte_mbuf *batch[SWARM_BURST];
	uint32_t pending;
	uint64_t received, sent, full, unknown, no_route, arps;
};

// 0, or -errno: a line was written.
int swarm_port_open(struct swarm_port *port, const struct swarm_options *options);
void swarm_port_close(struct swarm_port *port);
// Datagrams for clients; their bytes live until the next call. Returns how many (<= SWARM_BURST).
uint32_t swarm_port_receive(struct swarm_port *port, struct swarm_datagram *datagrams);
// False: not sent (no room, no route yet); whoever sends repeats.
bool swarm_port_send(struct swarm_port *port, uint64_t now_ns, uint32_t client,
		     const struct godwit_address *to, const void *bytes, uint32_t length);
void swarm_port_flush(struct swarm_port *port);

// ---- the clients --------------------------------------------------------------------------------

struct swarm_client {
	struct godwit_core *core;
	struct godwit_identifier taken;
	uint64_t expected; // next sequence; 0: not begun
	uint64_t delivered;
	uint64_t last_ns;    // of the last message, monotonic
	uint64_t silence_ns; // longest time between two messages
	uint64_t look_ns;    // think time ends; 0: nothing waits
	uint32_t home;	     // its address, host order
	uint32_t move;	     // its last one in the record, + 1, until a message came; 0: none
	bool is_live;
	bool is_over;
};

struct swarm_sums {
	uint64_t begun, live, over;
	uint64_t delivered, lost, repeated, truncated, damaged, gaps, sessions, migrations, resumes,
		disconnects, errors;
	uint64_t dropped; // by --loss
};

// ---- the record ---------------------------------------------------------------------------------

// Times are of the wall clock, read for this very event; addresses in host order.
struct swarm_move {
	uint32_t client, from, to;
	uint16_t reason;   // enum godwit_move
	uint64_t heard_ns; // the old home, the last time
	uint64_t moved_ns; // the new home's answer
	uint64_t first_ns; // the first message after that; 0: none yet
	uint64_t replayed;
};

struct swarm_sample { // a message's times of the wall clock
	uint64_t taken_ns, ingest_ns;
};

struct swarm_record {
	struct swarm_move *moves;
	struct swarm_sample *samples;
	uint64_t move_count, move_max, sample_count, sample_max;
	uint64_t missed; // moves and samples for which there was no room
};

struct swarm {
	const struct swarm_options *options;
	struct swarm_port port;
	struct swarm_client *clients;
	uint32_t started;
	struct wheel wheel;
	struct wheel_timer *timers;
	uint32_t *heads;
	uint64_t now_ns, wall_ns;
	uint64_t began_ns;
	uint64_t random;
	struct swarm_sums sums;
	struct swarm_record record;
	struct godwit_histogram latency;
	uint64_t report_ns;
};

// 0 or -ENOMEM.
int swarm_clients_create(struct swarm *swarm);
void swarm_clients_destroy(struct swarm *swarm);
void swarm_clients_input(struct swarm *swarm, const struct swarm_datagram *datagram);
// Start those whose turn has come, run due timers. Returns how much was done.
uint32_t swarm_clients_turn(struct swarm *swarm);

// 0 or -ENOMEM. Records what the options name files for; `swarm` has its options.
int swarm_record_create(struct swarm *swarm);
void swarm_record_destroy(struct swarm_record *record);
void swarm_record_move(struct swarm *swarm, uint32_t number, const struct godwit_event *event);
void swarm_record_message(struct swarm *swarm, uint32_t number, const struct godwit_event *event);
// Moves as lines of JSON, samples as pairs of 64-bit numbers of this machine. False with errno: *path could
// not be written.
bool swarm_record_write(const struct swarm *swarm, const char **path);

// ---- the report ---------------------------------------------------------------------------------

// One line of JSON now.
void swarm_report_line(const struct swarm *swarm);
// The summary, to options->json or standard output. False: it could not be written.
bool swarm_report_end(const struct swarm *swarm);

// Of the system; in ns.
uint64_t swarm_clock_ns(clockid_t clock);

#endif
