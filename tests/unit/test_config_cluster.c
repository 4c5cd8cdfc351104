// SPDX-License-Identifier: BSD-3-Clause
//
// The configuration of a cluster: its keys, its servers, who leads and holds which stream.
#define _GNU_SOURCE // mkdtemp

#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

#include "control/plan.h"
#include "tests/unit/config_rig.h"

// Three servers, of which this one is the first.
#define CLUSTER                                                                                    \
	"cluster:\n"                                                                               \
	"  name: lab\n"                                                                            \
	"  key: 0123456789abcdef\n"                                                                \
	"  state_dir: /var/lib/godwit\n"
#define SERVERS                                                                                    \
	"servers:\n"                                                                               \
	"  - {id: 1, address: \"10.0.0.1:5678\"}\n"                                                \
	"  - {id: 2, address: \"10.0.0.2:5678\"}\n"                                                \
	"  - {id: 3, address: \"10.0.0.3:5679\", weight: 5}\n"
#define REPLICATED                                                                                 \
	STREAM "    primary: 1\n    replicas: [2, 3]\n" // lines 15 and 16 of a whole file

Test(config_cluster, reads_a_cluster)
{
	struct outcome o = outcome_of("t.yaml", CLUSTER
				      "  interval: 20 ms\n"
				      "  multiplier: 4\n"
				      "  start_timeout: 5 s\n"
				      "  cursors_max: 2048\n" SERVERS PORT REPLICATED
				      "  - {name: b, log: 1 MiB, primary: 2, replicas: 1, "
				      "ack: local}\n"
				      "  - {name: c, log: 1 MiB, primary: 3, replicas: []}\n"
				      "  - {name: d, log: 1 MiB, primary: 3, replicas: [2, 1], "
				      "min_in_sync: 3}\n");
	const struct config *c = &o.config;

	cr_assert_eq(o.errors, 0, "%s", o.text);
	cr_assert_str_eq(c->cluster.name, "lab");
	cr_assert_eq(c->cluster_key_bytes, 16);
	cr_assert_arr_eq(c->cluster_key, "0123456789abcdef", 16);
	cr_assert_str_eq(c->cluster.state_dir, "/var/lib/godwit");
	cr_assert_eq(c->cluster.backend, CONFIG_BACKEND_STATIC);
	cr_assert_eq(c->cluster.interval, 20 * CONFIG_MS);
	cr_assert_eq(c->cluster.multiplier, 4);
	cr_assert_eq(c->cluster.start_timeout, 5 * CONFIG_S);
	cr_assert_eq(c->cluster.cursors_max, 2048);
	cr_assert_eq(c->members_count, 3);
	cr_assert_eq(c->members[2].id, 3);
	cr_assert_eq(c->members[2].address.ip, 0x0a000003);
	cr_assert_eq(c->members[2].address.port, 5679);
	cr_assert_eq(c->members[2].weight, 5);
	cr_assert_eq(c->members[0].weight, 1);
	cr_assert_eq(c->streams[0].primary, 1);
	cr_assert_eq(c->streams[0].replicas.count, 2);
	cr_assert_eq(c->streams[0].replicas.ids[1], 3);
	cr_assert_eq(c->streams[0].ack, CONFIG_ACK_IN_SYNC);
	cr_assert_eq(c->streams[0].min_in_sync, 2);
	cr_assert_eq(c->streams[1].replicas.count, 1);
	cr_assert_eq(c->streams[1].ack, CONFIG_ACK_LOCAL);
	cr_assert_eq(c->streams[1].min_in_sync, 1);
	cr_assert_eq(c->streams[2].replicas.count, 0);
	cr_assert_eq(c->streams[2].ack, CONFIG_ACK_LOCAL);
	cr_assert_eq(c->streams[3].min_in_sync, 3);
	cr_assert_eq(c->streams[0].max_message, CONFIG_AUTO, "the MTUs of the others may differ");
	free(o.text);
}

Test(config_cluster, knows_which_streams_are_here)
{
	struct outcome o = outcome_of("t.yaml", CLUSTER SERVERS PORT
				      "streams:\n"
				      "  - {name: a, log: 1 MiB, primary: 2, replicas: [3]}\n"
				      "  - {name: b, log: 1 MiB, primary: 2, replicas: [3, 1]}\n"
				      "  - {name: c, log: 1 MiB, primary: 1}\n"
				      "  - {name: d, log: 128 GiB, home: 9, primary: 3}\n"
				      "cores: {cpus: [0, 1]}\n");

	cr_assert_eq(o.errors, 0, "%s", o.text);
	cr_assert_not(config_stream_is_held(&o.config, 0));
	cr_assert(config_stream_is_held(&o.config, 1) && !config_stream_is_led(&o.config, 1));
	cr_assert(config_stream_is_held(&o.config, 2) && config_stream_is_led(&o.config, 2));
	cr_assert_not(config_stream_is_held(&o.config, 3), "and its log takes nothing here");
	cr_assert_eq(o.config.streams[0].home, CONFIG_AUTO);
	cr_assert_eq(o.config.streams[1].home, 0, "the cores in turn, by what is here");
	cr_assert_eq(o.config.streams[2].home, 1);
	free(o.text);
}

Test(config_cluster, leads_all_streams_where_it_stands_alone)
{
	struct outcome o = outcome_of("t.yaml", "server: {id: 9}\n" PORT STREAM
						"  - {name: b, log: 1 MiB, primary: 9}\n");

	cr_assert_eq(o.errors, 0, "%s", o.text);
	cr_assert_str_empty(o.config.cluster.name);
	cr_assert_eq(o.config.cluster_key_bytes, 0);
	for (uint32_t i = 0; i < 2; i++) {
		cr_assert_eq(o.config.streams[i].primary, 9);
		cr_assert(config_stream_is_led(&o.config, i));
		cr_assert_eq(o.config.streams[i].ack, CONFIG_ACK_LOCAL);
		cr_assert_eq(o.config.streams[i].min_in_sync, 1);
	}
	cr_assert_eq(o.config.cluster.interval, 10 * CONFIG_MS);
	cr_assert_eq(o.config.cluster.multiplier, 3);
	cr_assert_eq(o.config.cluster.start_timeout, 2 * CONFIG_S);
	cr_assert_eq(o.config.cluster.cursors_max, 65536);
	free(o.text);
}

Test(config_cluster, tells_of_a_cluster_that_lacks_something)
{
	const char *key = "  key: 0123456789abcdef\n";
	char yaml[1024];

	expect_error("cluster:\n  key: 0123456789abcdef\n  state_dir: /a\n" SERVERS PORT REPLICATED,
		     "1:1: error: cluster.name: it is missing: several servers need the name");
	expect_error(
		"cluster:\n  name: lab\n  state_dir: /a\n" SERVERS PORT REPLICATED,
		"1:1: error: cluster.key: it is missing: several servers need a secret of 16 to "
		"512 bytes, here or in key_file");
	expect_error("cluster: {name: lab}\n" PORT STREAM,
		     "1:17: error: cluster.name: a cluster has servers: list them");
	snprintf(yaml, sizeof(yaml), "cluster:\n  name: lab\n%s%s", key, SERVERS PORT REPLICATED);
	expect_error(yaml,
		     "1:1: error: cluster.state_dir: it is missing: this server is primary of "
		     "the replicated stream trades");
	snprintf(yaml, sizeof(yaml), "cluster:\n  name: lab\n%s%s", key,
		 SERVERS PORT STREAM "    primary: 2\n    replicas: 1\n");
	expect_good(yaml); // a replica keeps no record
	snprintf(yaml, sizeof(yaml), "cluster:\n  name: lab\n%s%s", key,
		 SERVERS PORT STREAM "    primary: 1\n");
	expect_good(yaml); // without replicas there is no record
	expect_good("servers:\n  - {id: 1, address: \"10.0.0.1:5678\"}\n" PORT STREAM
		    "    primary: 1\n"); // one server alone has nobody to sign for
}

Test(config_cluster, tells_of_a_cluster_that_cannot_be)
{
#define IN_CLUSTER(key) "cluster:\n  " key "\n" PORT STREAM
	expect_error(IN_CLUSTER("key: 0123456789abcde"),
		     "2:8: error: cluster.key: 15 characters are too few: 16 to 512");
	expect_error(
		IN_CLUSTER("state_dir: state"),
		"2:14: error: cluster.state_dir: it is not an absolute path: it begins with /");
	expect_error(IN_CLUSTER("backend: etcd"),
		     "2:12: error: cluster.backend: \"etcd\" is none of static");
	expect_error(IN_CLUSTER("interval: 999 us"),
		     "2:13: error: cluster.interval: 999 us is too small: at least 1 ms");
	expect_error(IN_CLUSTER("interval: 11 s"),
		     "2:13: error: cluster.interval: 11 s is too large: at most 10 s");
	expect_error(IN_CLUSTER("multiplier: 1"),
		     "2:15: error: cluster.multiplier: 1 is too small: at least 2");
	expect_error(IN_CLUSTER("multiplier: 33"),
		     "2:15: error: cluster.multiplier: 33 is too large: at most 32");
	expect_error(IN_CLUSTER("start_timeout: 9 ms"), "2:18: error: cluster.start_timeout: ");
	expect_error(IN_CLUSTER("cursors_max: 3000"),
		     "2:16: error: cluster.cursors_max: 3000 is not a power of two");
	expect_error(IN_CLUSTER("nam: x"),
		     "2:3: error: cluster.nam: unknown key: did you mean name?");
}

Test(config_cluster, tells_of_servers_that_cannot_be)
{
#define LISTED(item) CLUSTER SERVERS "  - " item "\n" PORT REPLICATED
	expect_error(LISTED("{id: 2, address: \"10.0.0.4:1\"}"),
		     "9:10: error: servers[3].id: servers[1] has this number already");
	expect_error(LISTED("{id: 4, address: \"10.0.0.2:5678\"}"),
		     "9:22: error: servers[3].address: servers[1] has this address already");
	expect_good(LISTED("{id: 4, address: \"10.0.0.2:5679\"}"));
	expect_error(
		LISTED("{id: 4, address: 10.0.0.4}"),
		"9:22: error: servers[3].address: \"10.0.0.4\" lacks the UDP port: 10.0.0.4:5678?");
	expect_error(
		LISTED("{id: 4, address: \"10.0.0.4:0\"}"),
		"9:22: error: servers[3].address: \"10.0.0.4:0\" is no IPv4 address with a UDP port");
	expect_error(LISTED("{id: 4, address: \"10.0.0.4:65536\"}"),
		     "9:22: error: servers[3].address: ");
	expect_error(LISTED("{id: 4, address: \"host:5678\"}"),
		     "9:22: error: servers[3].address: \"host:5678\" is no IPv4 address");
	expect_error(LISTED("{id: 4, address: \"224.0.0.1:5678\"}"),
		     "9:22: error: servers[3].address: it is not the address of one host");
	expect_error(LISTED("{id: 0, address: \"10.0.0.4:1\"}"),
		     "9:10: error: servers[3].id: 0 is too small: at least 1");
	expect_error(LISTED("{id: 4, address: \"10.0.0.4:1\", weight: 101}"),
		     "9:44: error: servers[3].weight: 101 is too large: at most 100");
	expect_error(LISTED("{id: 4}"), "9:6: error: servers[3].address: it is missing: ");
	expect_error("servers: 7\n" PORT STREAM, "1:1: error: servers: a list belongs here");
}

Test(config_cluster, finds_itself_among_the_servers)
{
	expect_error("server: {id: 7}\n" CLUSTER SERVERS PORT REPLICATED,
		     "1:14: error: server.id: 7 is none of the servers: 1, 2, 3");
	expect_error("servers:\n  - {id: 2, address: \"10.0.0.1:5678\"}\n" PORT STREAM
		     "    primary: 2\n",
		     "1:1: error: server.id: 1 is none of the servers: 2");
	expect_error(
		"server: {id: 2}\n" CLUSTER SERVERS PORT REPLICATED,
		"8:22: error: servers[1].address: this is server 2 itself, and no port of it has "
		"this address: ports[0] is 10.0.0.1:5678");
	expect_error(
		CLUSTER SERVERS PORT "    udp_port: 5679\n" REPLICATED,
		"6:22: error: servers[0].address: this is server 1 itself, and no port of it has "
		"this address: ports[0] is 10.0.0.1:5679");
	expect_good("server: {id: 3}\n" CLUSTER SERVERS PORT
		    "  - {driver: ring, address: 10.0.0.3/24, udp_port: 5679}\n" REPLICATED);
}

Test(config_cluster, counts_the_servers)
{
	char *yaml;
	size_t bytes;
	FILE *out = open_memstream(&yaml, &bytes);

	fputs(CLUSTER SERVERS, out);
	for (uint32_t i = 4; i <= SERVER_LIST_MAX + 1; i++)
		fprintf(out, "  - {id: %u, address: \"10.0.0.%u:5678\"}\n", i, i);
	fputs(PORT REPLICATED, out);
	fclose(out);
	expect_error(yaml, "22:6: error: servers: at most 16 of them");
	free(yaml);
}

Test(config_cluster, tells_of_streams_that_no_server_can_lead)
{
#define LED(keys) CLUSTER SERVERS PORT STREAM "    " keys "\n"
	expect_error(
		LED("replicas: [2]"),
		"13:5: error: streams[0].primary: it is missing: take one of the servers: 1, 2, 3");
	expect_error(LED("primary: auto"),
		     "15:14: error: streams[0].primary: where servers are listed "
		     "it cannot be auto: take one of the servers: 1, 2, 3");
	expect_error(LED("primary: 4"),
		     "15:14: error: streams[0].primary: 4 is none of the servers: 1, 2, 3");
	expect_error(PORT STREAM "    primary: 2\n",
		     "7:14: error: streams[0].primary: no servers are listed: only 1, server.id,");
	expect_error(PORT STREAM "    replicas: [2]\n",
		     "7:16: error: streams[0].replicas: no servers are listed: only none");
	expect_good(PORT STREAM "    replicas: none\n");
	expect_error(LED("primary: 1\n    replicas: [2, 4]"),
		     "16:16: error: streams[0].replicas: 4 is none of the servers: 1, 2, 3");
	expect_error(LED("primary: 1\n    replicas: [1, 2]"),
		     "16:16: error: streams[0].replicas: 1 is the primary: only the others");
	expect_error(LED("primary: 1\n    replicas: [2, 2]"),
		     "16:16: error: streams[0].replicas: server 2 stands there twice");
	expect_error(LED("primary: 1\n    replicas: 2-3"),
		     "16:15: error: streams[0].replicas: \"2-3\" is no list of server numbers");
	expect_error(LED("primary: 1\n    replicas: \"2,\""),
		     "16:15: error: streams[0].replicas: ");
	expect_error(LED("primary: 1\n    replicas: [0]"), "16:16: error: streams[0].replicas: ");
}

Test(config_cluster, tells_of_acknowledgements_that_cannot_be)
{
	expect_error(CLUSTER SERVERS PORT REPLICATED "    ack: all\n",
		     "17:10: error: streams[0].ack: \"all\" is none of auto|in-sync|local");
	expect_error(
		CLUSTER SERVERS PORT REPLICATED "    min_in_sync: 4\n",
		"17:18: error: streams[0].min_in_sync: the stream is on 3 servers only: at most 3");
	expect_error(CLUSTER SERVERS PORT REPLICATED "    ack: local\n    min_in_sync: 2\n",
		     "18:18: error: streams[0].min_in_sync: with ack local nothing waits");
	expect_error(
		PORT STREAM "    min_in_sync: 2\n",
		"7:18: error: streams[0].min_in_sync: the stream is on 1 server only: at most 1");
	expect_error(PORT STREAM "    min_in_sync: 17\n",
		     "7:18: error: streams[0].min_in_sync: 17 is");
	expect_good(CLUSTER SERVERS PORT REPLICATED "    ack: in-sync\n    min_in_sync: 1\n");
	expect_good(PORT STREAM "    ack: in-sync\n    min_in_sync: 1\n");
}

static uint64_t hash_of(const char *yaml)
{
	struct outcome o = outcome_of("t.yaml", yaml);

	cr_assert_eq(o.errors, 0, "of:\n%s\nit says:\n%s", yaml, o.text);
	free(o.text);
	return config_cluster_hash(&o.config);
}

Test(config_cluster, hashes_what_all_servers_must_agree_on)
{
	const uint64_t hash = hash_of(CLUSTER SERVERS PORT REPLICATED);

	// What may differ: this server's number, ports, cores, name of the cluster, sizes of tables and logs.
	cr_assert_eq(
		hash,
		hash_of("server: {id: 2}\ncores: {cpus: [1, 0]}\n"
			"cluster: {name: other, key: abcdefghijklmnopq, cursors_max: 1024}\n" SERVERS
			"ports:\n"
			"  - {driver: ring, address: 10.0.0.2/16, mtu: 9000}\n"
			"streams:\n"
			"  - {name: trades, log: 2 MiB, primary: 1, replicas: [3, 2],\n"
			"     ack: in-sync, min_in_sync: 2, topics_max: 7}\n"));
	cr_assert_neq(hash, hash_of(CLUSTER "  interval: 11 ms\n" SERVERS PORT REPLICATED));
	cr_assert_neq(hash, hash_of(CLUSTER "  multiplier: 4\n" SERVERS PORT REPLICATED));
	cr_assert_neq(hash, hash_of(CLUSTER SERVERS
				    "  - {id: 4, address: \"10.0.0.4:1\"}\n" PORT REPLICATED));
	cr_assert_neq(hash,
		      hash_of(CLUSTER SERVERS PORT STREAM "    primary: 1\n    replicas: [2]\n"));
	cr_assert_neq(hash, hash_of(CLUSTER SERVERS PORT STREAM
				    "    primary: 2\n    replicas: [1, 3]\n"));
	cr_assert_neq(hash, hash_of(CLUSTER SERVERS PORT REPLICATED "    ack: local\n"));
	cr_assert_neq(hash, hash_of(CLUSTER SERVERS PORT REPLICATED "    min_in_sync: 3\n"));
	cr_assert_neq(hash, hash_of(CLUSTER SERVERS PORT REPLICATED "    max_message: 99 B\n"));
	cr_assert_neq(hash, hash_of(CLUSTER SERVERS PORT REPLICATED
				    "  - {name: b, log: 1 MiB, primary: 3}\n"));
}

Test(config_cluster, becomes_what_the_static_backend_keeps)
{
	static struct cluster_static_stream streams[SERVER_STREAMS_MAX];
	struct outcome o = outcome_of("t.yaml", CLUSTER SERVERS PORT REPLICATED
				      "  - {name: b, log: 1 MiB, primary: 2}\n");
	struct cluster_static_config plan;

	plan_cluster(&o.config, streams, &plan);
	cr_assert_str_eq(plan.name, "lab");
	cr_assert_eq(plan.server, 1);
	cr_assert_eq(plan.member_count, 3);
	cr_assert_eq(plan.members[2].id, 3);
	cr_assert_eq(plan.members[2].weight, 5);
	cr_assert_eq(godwit_address_ip4(&plan.members[2].address), 0x0a000003);
	cr_assert_eq(plan.members[2].address.port, 5679);
	cr_assert_eq(plan.stream_count, 2);
	cr_assert_str_eq(plan.streams[0].name, "trades");
	cr_assert_eq(plan.streams[0].primary, 1);
	cr_assert_eq(plan.streams[0].min_in_sync, 2);
	cr_assert_eq(plan.streams[0].replica_count, 2);
	cr_assert_eq(plan.streams[0].replicas[1], 3);
	cr_assert_eq(plan.streams[1].primary, 2);
	cr_assert_eq(plan.streams[1].replica_count, 0);
	free(o.text);
}

Test(config_cluster, prints_a_cluster_that_reads_back_but_for_its_key)
{
	struct outcome o = outcome_of("t.yaml", CLUSTER SERVERS PORT REPLICATED), again;
	char *printed, *at;
	size_t bytes;
	FILE *out = open_memstream(&printed, &bytes);

	config_print(&o.config, out);
	fclose(out);
	cr_assert_null(strstr(printed, "0123456789abcdef"));
	at = strstr(printed, "  key: none # one is set, and not shown");
	cr_assert_not_null(at);
	cr_assert_not_null(strstr(printed, "    replicas: [2, 3]\n"), "%s", printed);
	memcpy(at, "  key: 0123456789abcdef #", 25);
	again = outcome_of("t.yaml", printed);
	cr_assert_eq(again.errors, 0, "%s of:\n%s", again.text, printed);
	cr_assert_eq(config_cluster_hash(&o.config), config_cluster_hash(&again.config));
	cr_assert_eq(memcmp(o.config.members, again.config.members, sizeof(o.config.members)), 0);
	free(printed);
	free(o.text);
	free(again.text);
}

Test(config_cluster, takes_the_clusters_key_from_a_file_beside_it)
{
	char folder[] = "/tmp/godwit-config-XXXXXX", path[128], name[128];
	struct outcome o;
	FILE *file;

	cr_assert_not_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/key", folder);
	snprintf(name, sizeof(name), "%s/t.yaml", folder);
	file = fopen(path, "w");
	fputs("0123456789abcdef\n", file);
	fclose(file);
	o = outcome_of(name, "cluster: {key_file: key}\n" PORT STREAM);
	cr_assert_eq(o.errors, 0, "%s", o.text);
	cr_assert_eq(o.config.cluster_key_bytes, 16);
	cr_assert_arr_eq(o.config.cluster_key, "0123456789abcdef", 16);
	free(o.text);
	file = fopen(path, "w");
	fputs("0123456789abcde\n", file);
	fclose(file);
	o = outcome_of(name, "cluster: {key_file: key}\n" PORT STREAM);
	cr_assert_eq(o.errors, 1);
	cr_assert_not_null(strstr(o.text,
				  ":1:21: error: cluster.key_file: the file holds too little: "
				  "16 to 512 bytes are needed"),
			   "%s", o.text);
	free(o.text);
	unlink(path);
	rmdir(folder);
	expect_error("cluster: {key_file: /nonexistent/key}\n" PORT STREAM,
		     "1:21: error: cluster.key_file: it cannot be read: ");
	expect_error("cluster: {key_file: a, key: 0123456789abcdef}\n" PORT STREAM,
		     "1:21: error: cluster.key_file: key stands there too: take one");
}
