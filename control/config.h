// SPDX-License-Identifier: BSD-3-Clause
//
// The configuration of godwitd: a YAML file read against one table, config.def, into a plain struct.
//
//   YAML --config_read--> values (config_value) --config_check--> sums and relations --> struct config
//
// All errors of a file are reported, up to CONFIG_ERRORS_MAX, each with file:line:column, the line, a
// caret and what would be right. Reading needs no EAL, no root and no hugepages.
// After a good read nothing is left to choose but what only the machine can tell: `auto` is replaced by
// its value wherever the file alone determines it.
// Thread: control, at rest. Ownership: the struct holds everything by value.
#ifndef CONTROL_CONFIG_H
#define CONTROL_CONFIG_H

#include <stdio.h>

#include "dataplane/server.h"

#define CONFIG_KIB (1ull << 10)
#define CONFIG_MIB (1ull << 20)
#define CONFIG_GIB (1ull << 30)
#define CONFIG_TIB (1ull << 40)
#define CONFIG_US  1000ull
#define CONFIG_MS  1000000ull
#define CONFIG_S   1000000000ull

#define CONFIG_PORTS_MAX       8
#define CONFIG_ERRORS_MAX      20
#define CONFIG_CLUSTER_KEY_MIN 16	  // bytes of the cluster's secret
#define CONFIG_FILE_MAX	       (1u << 20) // bytes of a configuration file
#define CONFIG_AUTO	       UINT64_MAX // a number that the program is to choose

enum config_hugepages {
	CONFIG_HUGEPAGES_AUTO,
	CONFIG_HUGEPAGES_YES,
	CONFIG_HUGEPAGES_NO
};
enum config_idle {
	CONFIG_IDLE_BUSY,
	CONFIG_IDLE_ADAPTIVE
};
enum config_driver {
	CONFIG_DRIVER_AF_PACKET,
	CONFIG_DRIVER_NULL,
	CONFIG_DRIVER_RING,
	CONFIG_DRIVER_PCI,
};

enum config_backend {
	CONFIG_BACKEND_STATIC,
};
enum config_ack {
	CONFIG_ACK_AUTO, // never after a good read
	CONFIG_ACK_IN_SYNC,
	CONFIG_ACK_LOCAL,
};

struct config_prefix {
	uint32_t ip; // host order
	uint32_t bits;
};

struct config_cpus {
	uint32_t count;
	uint32_t cpus[SERVER_CORES_MAX];
};

struct config_endpoint {
	uint32_t ip; // host order
	uint32_t port;
};

struct config_servers {
	uint32_t count;
	uint32_t ids[SERVER_LIST_MAX]; // in the order of the file
};

// The members are config.def's keys.
struct config_top {
	uint64_t memory_max;
	bool lock_memory;
};

struct config_server {
	uint64_t id;
	char name[GODWIT_NAME_BYTES]; // empty: auto
};

struct config_eal {
	uint64_t memory; // CONFIG_AUTO
	uint32_t hugepages;
	char prefix[GODWIT_NAME_BYTES];
};

struct config_cores {
	struct config_cpus cpus;
	uint32_t idle;
};

struct config_clients {
	uint64_t interval, lapse; // ns
	uint64_t multiplier;
	uint64_t max, subscriptions_max, subscriptions_each, ring;
	uint64_t filters_max, filter_topics_max;
	char credential[GODWIT_CREDENTIAL_MAX + 1];
	char credential_file[1024];
};

struct config_cluster {
	char name[GODWIT_NAME_BYTES]; // empty: none
	char key[GODWIT_CREDENTIAL_MAX + 1];
	char key_file[1024];
	uint32_t backend;
	uint64_t interval, start_timeout; // ns
	uint64_t multiplier;
	char state_dir[1024]; // empty: none
	uint64_t cursors_max;
};

struct config_member { // an item of `servers`
	uint64_t id;
	struct config_endpoint address;
	uint64_t weight;
};

struct config_port {
	uint32_t driver;
	char interface[16];
	char pci[16];
	struct config_prefix address;
	uint32_t gateway; // host order, 0: none
	uint64_t udp_port, mtu;
	uint64_t queues; // CONFIG_AUTO
};

struct config_stream {
	char name[GODWIT_NAME_BYTES];
	uint64_t log, home;   // CONFIG_AUTO as home: this server has not the stream
	uint64_t max_message; // CONFIG_AUTO: with servers listed, what the primary's MTU allows
	uint64_t publishers_max, runs_max, topics_max;
	uint64_t primary; // a server's id, never CONFIG_AUTO after a good read
	struct config_servers replicas;
	uint32_t ack;
	uint64_t min_in_sync; // never CONFIG_AUTO after a good read
};

struct config {
	struct config_top top;
	struct config_server server;
	struct config_eal eal;
	struct config_cores cores;
	struct config_clients clients;
	struct config_cluster cluster;
	uint32_t members_count, ports_count, streams_count;
	struct config_member members[SERVER_LIST_MAX]; // empty: this server stands alone
	struct config_port ports[CONFIG_PORTS_MAX];
	struct config_stream streams[SERVER_STREAMS_MAX];
	// What a client must show, from credential or credential_file; 0 bytes: nothing.
	uint32_t secret_bytes;
	uint8_t secret[GODWIT_CREDENTIAL_MAX];
	// What the servers share, from cluster.key or key_file; 0 bytes: nothing.
	uint32_t cluster_key_bytes;
	uint8_t cluster_key[GODWIT_CREDENTIAL_MAX];
};

// Read the file at `path` into *config. Errors go to `out`. Returns 0, the number of errors found
// (> 0), or -errno where the file could not be read (said too). *config holds nothing useful then.
int config_read(struct config *config, const char *path, FILE *out);

// The same with a text of `bytes` bytes, called `name` in messages; files that it names are relative
// to the folder of `name`.
int config_read_text(struct config *config, const char *name, const char *text, size_t bytes,
		     FILE *out);

// Print all values as a configuration that reads back as the same, but for a credential and a key: those
// are not shown.
void config_print(const struct config *config, FILE *out);

// Print every key with its values, default and meaning, for people.
void config_print_keys(FILE *out);

// The MTU of the server: the smallest of its ports.
uint32_t config_mtu(const struct config *config);

// Whether this server orders the stream, or holds it at all (as primary or replica). One that it does
// not hold may stand in a file that all servers share. number: below streams_count.
bool config_stream_is_led(const struct config *config, uint32_t number);
bool config_stream_is_held(const struct config *config, uint32_t number);

// Hash of what all servers of a cluster must agree on: the servers, the cluster's intervals and each
// stream's name, primary, replicas, ack, min_in_sync and max_message; not the order in which they stand.
// The cluster's name is not in it: frames carry that apart.
uint64_t config_cluster_hash(const struct config *config);

#endif
