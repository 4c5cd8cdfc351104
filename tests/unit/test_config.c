// SPDX-License-Identifier: BSD-3-Clause
#define _GNU_SOURCE // memmem, mkdtemp

#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

#include "control/config_value.h"
#include "tests/unit/config_rig.h"

Test(config, reads_every_kind_of_value)
{
	struct outcome o = outcome_of("t.yaml",
				      "memory_max: 2 GiB\n"
				      "lock_memory: false\n"
				      "server: {id: 7, name: lab-7}\n"
				      "eal: {memory: 96MiB, hugepages: no, prefix: lab}\n"
				      "cores: {cpus: [0, 2-3], idle: busy}\n"
				      "clients:\n"
				      "  interval: 20 ms\n"
				      "  lapse: 1 min\n"
				      "  ring: 128\n"
				      "  credential: \"open: sesame\"\n"
				      "ports:\n"
				      "  - driver: af_packet\n"
				      "    interface: eth0\n"
				      "    address: 192.168.7.9/16\n"
				      "    gateway: 192.168.0.1\n"
				      "    udp_port: 9000\n"
				      "    mtu: 9000\n"
				      "    queues: 3\n"
				      "  - driver: pci\n"
				      "    pci: \"03:00.1\"\n"
				      "    address: 10.1.0.2/24\n"
				      "streams:\n"
				      "  - {name: a/b, log: 64 MiB, home: 2, max_message: 512 B}\n"
				      "  - {name: second, log: 131072 KiB, topics_max: 10}\n"
				      "  - {name: third, log: 64 KiB, runs_max: 64}\n");
	const struct config *c = &o.config;

	cr_assert_eq(o.errors, 0, "%s", o.text);
	cr_assert_eq(c->top.memory_max, 2 * CONFIG_GIB);
	cr_assert_not(c->top.lock_memory);
	cr_assert_eq(c->server.id, 7);
	cr_assert_str_eq(c->server.name, "lab-7");
	cr_assert_eq(c->eal.memory, 96 * CONFIG_MIB);
	cr_assert_eq(c->eal.hugepages, CONFIG_HUGEPAGES_NO);
	cr_assert_str_eq(c->eal.prefix, "lab");
	cr_assert_eq(c->cores.cpus.count, 3);
	cr_assert_eq(c->cores.cpus.cpus[0], 0);
	cr_assert_eq(c->cores.cpus.cpus[1], 2);
	cr_assert_eq(c->cores.cpus.cpus[2], 3);
	cr_assert_eq(c->cores.idle, CONFIG_IDLE_BUSY);
	cr_assert_eq(c->clients.interval, 20 * CONFIG_MS);
	cr_assert_eq(c->clients.lapse, 60 * CONFIG_S);
	cr_assert_eq(c->clients.ring, 128);
	cr_assert_eq(c->secret_bytes, 12);
	cr_assert_arr_eq(c->secret, "open: sesame", 12);
	cr_assert_eq(c->ports_count, 2);
	cr_assert_eq(c->ports[0].driver, CONFIG_DRIVER_AF_PACKET);
	cr_assert_str_eq(c->ports[0].interface, "eth0");
	cr_assert_eq(c->ports[0].address.ip, 0xc0a80709);
	cr_assert_eq(c->ports[0].address.bits, 16);
	cr_assert_eq(c->ports[0].gateway, 0xc0a80001);
	cr_assert_eq(c->ports[0].udp_port, 9000);
	cr_assert_eq(c->ports[0].queues, 3);
	cr_assert_eq(c->ports[1].driver, CONFIG_DRIVER_PCI);
	cr_assert_str_eq(c->ports[1].pci, "0000:03:00.1");
	cr_assert_eq(c->ports[1].queues, CONFIG_AUTO);
	cr_assert_eq(config_mtu(c), 1500, "the smallest of its ports");
	cr_assert_eq(c->streams_count, 3);
	cr_assert_str_eq(c->streams[0].name, "a/b");
	cr_assert_eq(c->streams[0].home, 2);
	cr_assert_eq(c->streams[0].max_message, 512);
	cr_assert_eq(c->streams[1].log, 128 * CONFIG_MIB);
	cr_assert_eq(c->streams[1].topics_max, 10);
	free(o.text);
}

Test(config, chooses_what_the_file_leaves_open)
{
	struct outcome o = outcome_of("t.yaml",
				      "server:\n  id: 12\ncores:\n  cpus: 0-1\n" PORT STREAM
				      "  - name: b\n    log: 1 MiB\n"
				      "  - name: c\n    log: 1 MiB\n");

	cr_assert_eq(o.errors, 0, "%s", o.text);
	cr_assert_str_eq(o.config.eal.prefix, "godwit-12");
	cr_assert_eq(o.config.streams[0].home, 0);
	cr_assert_eq(o.config.streams[1].home, 1);
	cr_assert_eq(o.config.streams[2].home, 0);
	cr_assert_eq(o.config.streams[0].max_message, godwit_max_message(1500));
	cr_assert_eq(o.config.clients.interval, 100 * CONFIG_MS);
	cr_assert_eq(o.config.clients.multiplier, 3);
	cr_assert_eq(o.config.clients.lapse, CONFIG_S);
	cr_assert_eq(o.config.clients.ring, 64);
	cr_assert_eq(o.config.ports[0].udp_port, 5678);
	cr_assert_neq(o.config.eal.memory, CONFIG_AUTO);
	cr_assert_eq(o.config.secret_bytes, 0);
	free(o.text);
}

Test(config, prints_what_reads_back_as_the_same)
{
	struct outcome o = outcome_of("t.yaml",
				      "server: {name: \"a:b\"}\n"
				      "clients: {lapse: 2 s, interval: 1 ms}\n"
				      "cores: {cpus: [1, 0]}\n" PORT
				      "    gateway: 10.0.0.254\n" STREAM "    max_message: 99 B\n");
	struct outcome again;
	char *printed, *twice;
	size_t bytes;
	FILE *out = open_memstream(&printed, &bytes);

	cr_assert_eq(o.errors, 0, "%s", o.text);
	config_print(&o.config, out);
	fclose(out);
	again = outcome_of("t.yaml", printed);
	cr_assert_eq(again.errors, 0, "%s of:\n%s", again.text, printed);
	out = open_memstream(&twice, &bytes);
	config_print(&again.config, out);
	fclose(out);
	cr_assert_str_eq(printed, twice);
	free(printed);
	free(twice);
	free(o.text);
	free(again.text);
}

Test(config, never_prints_the_credential)
{
	struct outcome o = outcome_of("t.yaml", "clients: {credential: sesame}\n" PORT STREAM);
	char *printed;
	size_t bytes;
	FILE *out = open_memstream(&printed, &bytes);

	config_print(&o.config, out);
	fclose(out);
	cr_assert_null(strstr(printed, "sesame"));
	cr_assert_not_null(strstr(printed, "credential: none # one is set"));
	free(printed);
	free(o.text);
}

Test(config, shows_the_line_and_a_caret)
{
	struct outcome o = outcome_of("dir/t.yaml", PORT "streams:\n"
							 "  - name: trades\n"
							 "    log: 48 MiB\n");

	cr_assert_eq(o.errors, 1);
	cr_assert_str_eq(o.text, "dir/t.yaml:6:10: error: streams[0].log: 48 MiB is not a power of "
				 "two: take 32 MiB or 64 MiB\n"
				 "      log: 48 MiB\n"
				 "           ^\n");
	free(o.text);
}

Test(config, tells_of_keys_that_it_does_not_know)
{
	expect_error("servr:\n  id: 1\n" PORT STREAM,
		     "1:1: error: servr: unknown key: did you mean server?");
	expect_error(PORT "    mut: 1500\n" STREAM,
		     "4:5: error: ports[0].mut: unknown key: did you mean mtu?");
	expect_error(
		PORT STREAM "    retention: 1 s\n",
		"7:5: error: streams[0].retention: unknown key: here may stand name, log, home,");
	expect_error("server: {number: 1}\n" PORT STREAM,
		     "1:10: error: server.number: unknown key: ");
}

Test(config, tells_of_keys_that_stand_twice)
{
	expect_error(PORT STREAM "    log: 2 MiB\n",
		     "7:5: error: streams[0].log: the key stands here a second time");
	expect_error("server: {id: 1}\nserver: {id: 2}\n" PORT STREAM,
		     "2:1: error: server: the key stands here a second time");
}

Test(config, tells_of_keys_that_are_missing)
{
	expect_error(PORT "streams:\n  - log: 1 MiB\n",
		     "5:5: error: streams[0].name: it is missing: ");
	expect_error(PORT "streams:\n  - name: a\n", "5:5: error: streams[0].log: it is missing: ");
	expect_error("ports:\n  - address: 10.0.0.1/8\n" STREAM,
		     "2:5: error: ports[0].driver: it is missing: ");
	expect_error("ports:\n  - driver: af_packet\n    address: 10.0.0.1/8\n" STREAM,
		     "2:5: error: ports[0].interface: it is missing: driver af_packet needs");
	expect_error("ports:\n  - driver: pci\n    address: 10.0.0.1/8\n" STREAM,
		     "2:5: error: ports[0].pci: it is missing: driver pci needs");
	expect_error(STREAM, " error: ports: at least one port is needed");
	expect_error(PORT, " error: streams: at least one stream is needed");
	expect_error(PORT "streams:\n", "4:1: error: streams: a list belongs here");
	expect_error(PORT "streams: []\n", "4:1: error: streams: at least one stream is needed");
}

Test(config, tells_of_wrong_units)
{
	expect_error(
		"memory_max: 512\n" PORT STREAM,
		"1:13: error: memory_max: \"512\" needs a unit (B, KiB, MiB, GiB or TiB): 512 MiB?");
	expect_error("memory_max: 512 MB\n" PORT STREAM,
		     "1:13: error: memory_max: \"MB\" is no unit here");
	expect_error(
		"memory_max: 1.5 GiB\n" PORT STREAM,
		"1:13: error: memory_max: \"1.5 GiB\" is not a whole number: use a smaller unit");
	expect_error(
		"clients:\n  interval: 100\n" PORT STREAM,
		"2:13: error: clients.interval: \"100\" needs a unit (us, ms, s or min): 100 ms?");
	expect_error("clients:\n  lapse: 1 sec\n" PORT STREAM,
		     "2:10: error: clients.lapse: \"sec\" is no unit here");
	expect_error(
		"clients:\n  multiplier: 3 ms\n" PORT STREAM,
		"2:15: error: clients.multiplier: \"3 ms\" is not a whole number without a unit");
}

Test(config, tells_of_impossible_numbers)
{
	expect_error("server: {id: 0}\n" PORT STREAM,
		     "1:14: error: server.id: 0 is too small: at least 1");
	expect_error("server: {id: 65536}\n" PORT STREAM,
		     "1:14: error: server.id: 65536 is too large: at most 65535");
	expect_error(
		"server: {id: -1}\n" PORT STREAM,
		"1:14: error: server.id: \"-1\" is not a number that may stand here: none is negative");
	expect_error("server: {id: 064}\n" PORT STREAM,
		     "1:14: error: server.id: \"064\" is not a number: it may not begin with 0");
	expect_error("server: {id: one}\n" PORT STREAM,
		     "1:14: error: server.id: \"one\" is not a number");
	expect_error("server: {id: 99999999999999999999999}\n" PORT STREAM,
		     "1:14: error: server.id: ");
	expect_error("memory_max: 99999999999999 TiB\n" PORT STREAM,
		     "1:13: error: memory_max: \"99999999999999 TiB\" is too large");
	expect_error("clients: {ring: 65}\n" PORT STREAM,
		     "1:17: error: clients.ring: 65 is not a power of two: take 64 or 128");
	expect_error(PORT "    mtu: 1000\n" STREAM,
		     "4:10: error: ports[0].mtu: 1000 is too small: at least 1280");
	expect_error(PORT "    mtu: 9001\n" STREAM, "4:10: error: ports[0].mtu: 9001 is too large");
	expect_error(
		PORT "streams:\n  - name: a\n    log: 1000 KiB\n",
		"6:10: error: streams[0].log: 1000 KiB is not a power of two: take 512 KiB or 1 MiB");
	expect_error(PORT "streams:\n  - name: a\n    log: 4 KiB\n",
		     "6:10: error: streams[0].log: 4 KiB is too small: at least 64 KiB");
}

Test(config, tells_of_words_that_mean_nothing)
{
	expect_error("cores: {idle: lazy}\n" PORT STREAM,
		     "1:15: error: cores.idle: \"lazy\" is none of busy|adaptive");
	expect_error("lock_memory: maybe\n" PORT STREAM,
		     "1:14: error: lock_memory: \"maybe\" is neither yes nor no");
	expect_error(PORT "streams:\n  - name: \"my stream\"\n    log: 1 MiB\n",
		     "5:11: error: streams[0].name: \"my stream\" holds ' ': a name is of");
	expect_error(PORT "streams:\n  - name: \"\"\n    log: 1 MiB\n",
		     "5:11: error: streams[0].name: 0 characters are too few: 1 to 63");
	expect_error(
		"server: {name: 012345678901234567890123456789012345678901234567890123456789abcd}\n" PORT
			STREAM,
		"1:16: error: server.name: 64 characters are too many: 1 to 63");
	expect_error("eal: {prefix: a/b}\n" PORT STREAM,
		     "1:15: error: eal.prefix: / and : cannot stand");
}

Test(config, tells_of_wrong_addresses)
{
#define ADDRESS(text) "ports:\n  - driver: null\n    address: " text "\n" STREAM
	expect_error(ADDRESS("10.0.0.1"),
		     "3:14: error: ports[0].address: \"10.0.0.1\" lacks the length of "
		     "its network: 10.0.0.1/24?");
	expect_error(ADDRESS("10.0.0/24"),
		     "3:14: error: ports[0].address: \"10.0.0/24\" is no IPv4");
	expect_error(ADDRESS("10.0.0.256/24"), "3:14: error: ports[0].address: ");
	expect_error(ADDRESS("10.0.0.1/33"), "3:14: error: ports[0].address: ");
	expect_error(ADDRESS("10.0.0.1/4"),
		     "3:14: error: ports[0].address: a network of /4 is too large");
	expect_error(ADDRESS("10.0.0.0/24"),
		     "3:14: error: ports[0].address: it is the address of the network");
	expect_error(ADDRESS("10.0.0.255/24"),
		     "3:14: error: ports[0].address: it is the broadcast address");
	expect_error(ADDRESS("224.0.0.1/24"),
		     "3:14: error: ports[0].address: it is not the address of one");
	expect_good(ADDRESS("10.0.0.0/31"));
	expect_error(PORT "    gateway: 10.0.1.1\n" STREAM,
		     "4:14: error: ports[0].gateway: it is outside the port's network of /24");
	expect_error(PORT "    gateway: 10.0.0.1\n" STREAM,
		     "4:14: error: ports[0].gateway: it is the port's own address");
	expect_error("ports:\n  - driver: pci\n    pci: 3.0\n    address: 10.0.0.1/8\n" STREAM,
		     "3:10: error: ports[0].pci: \"3.0\" is no PCI address, as 0000:03:00.0");
	expect_error(PORT "    interface: eth0\n" STREAM,
		     "4:16: error: ports[0].interface: only driver af_packet has an interface");
}

Test(config, tells_of_ports_that_are_in_each_others_way)
{
	expect_error(PORT "  - driver: ring\n    address: 10.0.0.1/8\n" STREAM,
		     "5:14: error: ports[1].address: ports[0] has this address already");
	expect_error("ports:\n"
		     "  - {driver: af_packet, interface: e0, address: 10.0.0.1/24}\n"
		     "  - {driver: af_packet, interface: e0, address: 10.0.1.1/24}\n" STREAM,
		     "3:36: error: ports[1].interface: ports[0] uses this interface already");
}

Test(config, tells_of_streams_that_cannot_be)
{
	expect_error(PORT STREAM "  - name: trades\n    log: 1 MiB\n",
		     "7:11: error: streams[1].name: streams[0] has this name already");
	expect_error(
		PORT STREAM "    home: 1\n",
		"7:11: error: streams[0].home: there is one core: only 0 or auto can stand here");
	expect_error("cores: {cpus: [0, 1]}\n" PORT STREAM "    home: 2\n",
		     "8:11: error: streams[0].home: there are 2 cores: 0 to 1");
	expect_error(
		PORT STREAM "    max_message: 1400 B\n",
		"7:18: error: streams[0].max_message: 1400 B do not fit a packet: the MTU of ports[0], "
		"1500, allows ");
	expect_good(PORT "    mtu: 9000\n" STREAM "    max_message: 1400 B\n");
}

Test(config, tells_of_cpus_that_cannot_be)
{
	expect_error("cores: {cpus: [0, 1, 0]}\n" PORT STREAM,
		     "1:16: error: cores.cpus: CPU 0 stands there twice");
	expect_error("cores: {cpus: []}\n" PORT STREAM,
		     "1:9: error: cores.cpus: the list is empty");
	expect_error("cores: {cpus: [a]}\n" PORT STREAM,
		     "1:16: error: cores.cpus: \"a\" is no list of CPUs, as [0, 2-5]");
	expect_error("cores: {cpus: 0-40}\n" PORT STREAM,
		     "1:15: error: cores.cpus: more than 32 CPUs");
	expect_error("cores: {cpus: 3-1}\n" PORT STREAM,
		     "1:15: error: cores.cpus: 3 to 1 is no range");
}

Test(config, tells_of_clients_settings_that_contradict)
{
	expect_error("clients:\n  interval: 1 s\n  lapse: 2 s\n" PORT STREAM,
		     "3:10: error: clients.lapse: it is shorter than interval x multiplier");
	expect_error("clients:\n  interval: 1500 us\n" PORT STREAM,
		     "2:13: error: clients.interval: whole milliseconds are needed");
	expect_error("clients:\n  subscriptions_max: 8\n" PORT STREAM,
		     "2:22: error: clients.subscriptions_max: one client may have 16");
	expect_error("clients: {subscriptions_max: 8, subscriptions_each: 9}\n" PORT STREAM,
		     "1:53: error: clients.subscriptions_each: a core has only 8");
}

Test(config, refuses_more_memory_than_is_allowed)
{
	struct outcome o = outcome_of("t.yaml", PORT "streams:\n  - name: a\n    log: 1 GiB\n");

	cr_assert_eq(o.errors, 1, "%s", o.text);
	cr_assert_not_null(strstr(o.text, "memory_max: "));
	cr_assert_not_null(strstr(o.text, "MiB are needed (stream a: log 1024 MiB, "), "%s",
			   o.text);
	free(o.text);
	expect_good("memory_max: 2 GiB\n" PORT "streams:\n  - name: a\n    log: 1 GiB\n");
}

Test(config, tells_of_values_of_the_wrong_shape)
{
	expect_error("memory_max: [1]\n" PORT STREAM,
		     "1:14: error: memory_max: a single value belongs here");
	expect_error("memory_max:\n" PORT STREAM, "1:1: error: memory_max: it has no value");
	expect_error("server: 1\n" PORT STREAM,
		     "1:9: error: server.: keys with values belong here");
	expect_error("ports: x\n" STREAM, "1:1: error: ports: a list belongs here");
	expect_error("memory_max: *a\n" PORT STREAM,
		     "1:13: error: memory_max: aliases and tags are not understood");
	expect_error("memory_max: !x 512 MiB\n" PORT STREAM,
		     "1:16: error: memory_max: aliases and tags are not understood");
	expect_error(PORT STREAM "---\nserver: {id: 1}\n", "8:1: error: a second document begins");
}

Test(config, tells_where_a_text_is_no_yaml)
{
	struct outcome o = outcome_of("t.yaml", "server: {id: 1\n" PORT STREAM);

	cr_assert_geq(o.errors, 1);
	cr_assert_not_null(strstr(o.text, "error: no YAML: "), "%s", o.text);
	cr_assert_null(strstr(o.text, "is needed"), "%s", o.text);
	free(o.text);
	o = outcome_of("t.yaml", "");
	cr_assert_eq(o.errors, 2, "%s", o.text);
	cr_assert_not_null(strstr(o.text, "t.yaml: error: ports: at least one port is needed"));
	free(o.text);
}

Test(config, tells_of_what_is_no_text)
{
	expect_error(PORT STREAM "# caf\xe9 \n", "7:6: error: this byte is no character of UTF-8");
	expect_error(PORT STREAM "%YAML 1.2\n",
		     "7:1: error: directives of YAML are not understood here");
	expect_error(PORT STREAM "\x01", "7:1: error: a control character stands here");
	expect_error(PORT STREAM "# a\rb\n",
		     "7:4: error: a carriage return stands here without its");
	expect_good("\xef\xbb\xbf" PORT STREAM "# a\r\n");
	expect_good(PORT STREAM "# caf\xc3\xa9 \xe2\x82\xac 100 %\n");
}

Test(config, reports_all_errors_from_top_to_end)
{
	struct outcome o = outcome_of("t.yaml", "memory_max: 1\n"
						"server: {id: 0, colour: red}\n"
						"ports:\n"
						"  - driver: null\n"
						"    address: nowhere\n"
						"streams:\n"
						"  - name: a\n"
						"    log: 3 MiB\n"
						"  - name: a\n"
						"    log: 1 MiB\n");
	static const char *const places[] = {
		":1:13: ", ":2:14: ", ":2:17: ", ":5:14: ", ":8:10: ", ":9:11: "};
	const char *at = o.text;

	cr_assert_eq(o.errors, 6, "%s", o.text);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		at = strstr(at, places[i]);
		cr_assert_not_null(at, "%s in its order in:\n%s", places[i], o.text);
	}
	free(o.text);
}

Test(config, stops_reporting_at_some_point)
{
	struct outcome o;
	char last[64], *yaml;
	size_t bytes;
	FILE *out = open_memstream(&yaml, &bytes);

	fputs("server:\n", out);
	for (int i = 0; i < 50; i++)
		fprintf(out, "  wrong%d: 1\n", i);
	fputs(PORT STREAM, out);
	fclose(out);
	o = outcome_of("t.yaml", yaml);
	free(yaml);
	cr_assert_eq(o.errors, 50);
	sprintf(last, "t.yaml: %d more errors\n", 50 - CONFIG_ERRORS_MAX);
	cr_assert_str_eq(o.text + strlen(o.text) - strlen(last), last);
	free(o.text);
}

Test(config, takes_a_credential_from_a_file_beside_it)
{
	char folder[] = "/tmp/godwit-config-XXXXXX", path[128], name[128];
	struct outcome o;
	FILE *file;

	cr_assert_not_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/secret", folder);
	snprintf(name, sizeof(name), "%s/t.yaml", folder);
	file = fopen(path, "w");
	fputs("open sesame\n", file);
	fclose(file);
	o = outcome_of(name, "clients: {credential_file: secret}\n" PORT STREAM);
	cr_assert_eq(o.errors, 0, "%s", o.text);
	cr_assert_eq(o.config.secret_bytes, 11);
	cr_assert_arr_eq(o.config.secret, "open sesame", 11);
	free(o.text);
	unlink(path);
	o = outcome_of(name, "clients: {credential_file: secret}\n" PORT STREAM);
	cr_assert_eq(o.errors, 1);
	cr_assert_not_null(
		strstr(o.text, ":1:28: error: clients.credential_file: it cannot be read: "));
	free(o.text);
	rmdir(folder);
	expect_error("clients: {credential_file: a, credential: b}\n" PORT STREAM,
		     "1:28: error: clients.credential_file: credential stands there too");
}

Test(config, reads_the_examples)
{
	static const char *const examples[] = {"docs/godwit.example.yaml",
					       "docs/godwit.cluster.example.yaml"};
	static struct config config;
	char *text;
	size_t bytes;
	FILE *out;

	for (uint32_t i = 0; i < 2; i++) {
		out = open_memstream(&text, &bytes);
		int errors = config_read(&config, examples[i], out);

		fclose(out);
		cr_assert_eq(errors, 0, "%s", text);
		cr_assert_eq(config.streams_count, 2);
		cr_assert_eq(config.members_count, i == 0 ? 0 : 3);
		free(text);
	}
	out = open_memstream(&text, &bytes);
	cr_assert_lt(config_read(&config, "/nonexistent/godwit.yaml", out), 0);
	fclose(out);
	cr_assert_str_eq(
		text, "/nonexistent/godwit.yaml: it cannot be read: No such file or directory\n");
	free(text);
}

// The manual has every key with its kind, range and default.
Test(config, is_described_key_by_key)
{
	static char manual[1 << 16];
	char *keys, *key, *range, *rest;
	size_t bytes;
	FILE *file = fopen("docs/man/godwit.yaml.5.scd", "r"), *out = open_memstream(&keys, &bytes);
	uint32_t count = 0;

	cr_assert_not_null(file);
	manual[fread(manual, 1, sizeof(manual) - 1, file)] = '\0';
	fclose(file);
	config_print_keys(out);
	fclose(out);
	// Three lines a key: its path, its values, its meaning.
	for (key = strtok_r(keys, "\n", &rest); key != NULL; key = strtok_r(NULL, "\n", &rest)) {
		char item[256];

		range = strtok_r(NULL, "\n", &rest);
		strtok_r(NULL, "\n", &rest);
		key = strrchr(key, '.') != NULL ? strrchr(key, '.') + 1 : key;
		snprintf(item, sizeof(item), "\n*%s* (%s)\n", key, range + strspn(range, " "));
		cr_expect_not_null(strstr(manual, item), "not in the manual: %s", item);
		count++;
	}
	cr_assert_eq(count, CONFIG_KEYS);
	free(keys);
}
