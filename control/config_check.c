// SPDX-License-Identifier: BSD-3-Clause
//
// What the table of keys cannot say: how values relate.
#include <errno.h>
#include <stdlib.h>

#include "control/config_reading.h"
#include "control/plan.h"

#define PREFIX_BITS_MIN 8 // of a port's network

uint32_t config_mtu(const struct config *config)
{
	uint64_t mtu = UINT32_MAX;

	for (uint32_t i = 0; i < config->ports_count; i++)
		if (config->ports[i].mtu < mtu)
			mtu = config->ports[i].mtu;
	return (uint32_t)mtu;
}

static uint32_t prefix_mask(uint32_t bits)
{
	return bits == 0 ? 0 : UINT32_MAX << (32 - bits);
}

bool config_ip_is_host(uint32_t ip)
{
	uint32_t first = ip >> 24;

	return first != 0 && first != 127 && first < 224;
}

static void check_address(struct config_reading *reading, uint32_t i)
{
	const struct config_port *port = &reading->config->ports[i];
	uint32_t ip = port->address.ip, mask = prefix_mask(port->address.bits);

	if (!IS_GOOD(port_address, i))
		return;
	if (port->address.bits < PREFIX_BITS_MIN)
		WRONG(port_address, i, "a network of /%u is too large: at least /%u",
		      port->address.bits, PREFIX_BITS_MIN);
	else if (!config_ip_is_host(ip))
		WRONG(port_address, i, "it is not the address of one host");
	else if (port->address.bits < 31 && (ip & ~mask) == 0)
		WRONG(port_address, i,
		      "it is the address of the network itself, not of a host in it");
	else if (port->address.bits < 31 && (ip | mask) == UINT32_MAX)
		WRONG(port_address, i, "it is the broadcast address of its network");
	if (!IS_GOOD(port_gateway, i) || port->gateway == 0)
		return;
	if (port->gateway == ip)
		WRONG(port_gateway, i, "it is the port's own address");
	else if (((port->gateway ^ ip) & mask) != 0)
		WRONG(port_gateway, i, "it is outside the port's network of /%u",
		      port->address.bits);
}

// Whether a key is there where the driver needs it, and only there.
static void check_device(struct config_reading *reading, uint32_t i)
{
	const struct config_port *port = &reading->config->ports[i];
	bool is_interface = port->driver == CONFIG_DRIVER_AF_PACKET;
	bool is_pci = port->driver == CONFIG_DRIVER_PCI;

	if (!IS_GOOD(port_driver, i))
		return;
	if (is_interface && IS_GOOD(port_interface, i) && port->interface[0] == '\0')
		WRONG(port_interface, i,
		      "it is missing: driver af_packet needs the name of an interface");
	if (is_pci && IS_GOOD(port_pci, i) && port->pci[0] == '\0')
		WRONG(port_pci, i, "it is missing: driver pci needs the address of a NIC");
	if (!is_interface && port->interface[0] != '\0')
		WRONG(port_interface, i, "only driver af_packet has an interface");
	if (!is_pci && port->pci[0] != '\0')
		WRONG(port_pci, i, "only driver pci has a PCI address");
}

static void check_port_pair(struct config_reading *reading, uint32_t i, uint32_t j)
{
	const struct config_port *a = &reading->config->ports[i], *b = &reading->config->ports[j];

	if (IS_GOOD(port_address, i) && IS_GOOD(port_address, j) && a->address.ip == b->address.ip)
		WRONG(port_address, j, "ports[%u] has this address already", i);
	if (a->interface[0] != '\0' && strcmp(a->interface, b->interface) == 0)
		WRONG(port_interface, j, "ports[%u] uses this interface already", i);
	if (a->pci[0] != '\0' && strcmp(a->pci, b->pci) == 0)
		WRONG(port_pci, j, "ports[%u] uses this NIC already", i);
}

static void check_ports(struct config_reading *reading)
{
	uint32_t count = reading->config->ports_count;

	if (count == 0 && !reading->is_list_bad[CONFIG_SECTION_port])
		config_report_add(&reading->report, reading->section_places[CONFIG_SECTION_port],
				  "ports: at least one port is needed");
	for (uint32_t j = 0; j < count; j++) {
		check_device(reading, j);
		check_address(reading, j);
		for (uint32_t i = 0; i < j; i++)
			check_port_pair(reading, i, j);
	}
}

// A message must fit the smallest packet. False if the MTUs are not known.
static bool mtu_largest_message(struct config_reading *reading, uint64_t *largest, uint32_t *port)
{
	for (uint32_t i = 0; i < reading->config->ports_count; i++) {
		if (!IS_GOOD(port_mtu, i))
			return false;
		if (reading->config->ports[i].mtu == config_mtu(reading->config))
			*port = i;
	}
	*largest = godwit_max_message(config_mtu(reading->config));
	return reading->config->ports_count > 0;
}

// Streams that this server holds go to its cores in turn; `held` counts them.
static void check_home(struct config_reading *reading, uint32_t i, uint32_t *held)
{
	struct config_stream *stream = &reading->config->streams[i];
	uint32_t cores = reading->config->cores.cpus.count;

	if (!IS_GOOD(cores_cpus, 0) || !IS_GOOD(stream_home, i))
		return;
	if (!config_stream_is_held(reading->config, i)) {
		stream->home = CONFIG_AUTO;
		return;
	}
	if (stream->home == CONFIG_AUTO)
		stream->home = *held % cores;
	else if (stream->home >= cores && cores == 1)
		WRONG(stream_home, i, "there is one core: only 0 or auto can stand here");
	else if (stream->home >= cores)
		WRONG(stream_home, i, "there are %u cores: 0 to %u", cores, cores - 1);
	++*held;
}

static void check_stream(struct config_reading *reading, uint32_t i)
{
	struct config_stream *stream = &reading->config->streams[i];
	uint64_t largest = 0;
	uint32_t port = 0;

	for (uint32_t j = 0; j < i; j++)
		if (IS_GOOD(stream_name, i) && IS_GOOD(stream_name, j) &&
		    strcmp(reading->config->streams[j].name, stream->name) == 0)
			WRONG(stream_name, i, "streams[%u] has this name already", j);
	if (!config_stream_is_held(reading->config, i) || !IS_GOOD(stream_max_message, i) ||
	    !mtu_largest_message(reading, &largest, &port))
		return;
	if (stream->max_message == CONFIG_AUTO) {
		// Servers whose MTUs differ must be able to share a file.
		if (reading->config->members_count == 0)
			stream->max_message = largest;
	} else if (stream->max_message > largest)
		WRONG(stream_max_message, i,
		      "%llu B do not fit a packet: the MTU of ports[%u], %llu, allows %llu B",
		      (unsigned long long)stream->max_message, port,
		      (unsigned long long)reading->config->ports[port].mtu,
		      (unsigned long long)largest);
}

static void check_clients(struct config_reading *reading)
{
	const struct config_clients *c = &reading->config->clients;
	uint64_t silence = c->interval * c->multiplier;

	if (IS_GOOD(clients_interval, 0) && c->interval % CONFIG_MS != 0)
		WRONG(clients_interval, 0, "whole milliseconds are needed");
	if (IS_GOOD(clients_lapse, 0) && c->lapse % CONFIG_MS != 0)
		WRONG(clients_lapse, 0, "whole milliseconds are needed");
	if (IS_GOOD(clients_interval, 0) && IS_GOOD(clients_multiplier, 0) &&
	    IS_GOOD(clients_lapse, 0) && c->lapse < silence)
		WRONG(clients_lapse, 0,
		      "it is shorter than interval x multiplier, %llu us: clients would lapse for one loss",
		      (unsigned long long)(silence / CONFIG_US));
	if (!IS_GOOD(clients_subscriptions_each, 0) || !IS_GOOD(clients_subscriptions_max, 0) ||
	    c->subscriptions_each <= c->subscriptions_max)
		return;
	// Said of the one that stands in the file.
	if (IS_GIVEN(clients_subscriptions_each, 0))
		WRONG(clients_subscriptions_each, 0, "a core has only %llu (subscriptions_max)",
		      (unsigned long long)c->subscriptions_max);
	else
		WRONG(clients_subscriptions_max, 0, "one client may have %llu (subscriptions_each)",
		      (unsigned long long)c->subscriptions_each);
}

// The file of a path, relative to the folder of the configuration.
static FILE *file_open(const struct config_reading *reading, const char *path)
{
	const char *slash = strrchr(reading->report.name, '/');
	size_t folder =
		slash == NULL || path[0] == '/' ? 0 : (size_t)(slash - reading->report.name) + 1;
	char full[4096];

	if (snprintf(full, sizeof(full), "%.*s%s", (int)folder, reading->report.name, path) >=
	    (int)sizeof(full)) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	return fopen(full, "re");
}

uint32_t config_secret_read(struct config_reading *reading, const char *text,
			    enum config_key_number path_key, const char *path, uint32_t least,
			    uint8_t *secret)
{
	uint8_t bytes[GODWIT_CREDENTIAL_MAX + 2];
	size_t count = strlen(text);
	FILE *file;

	if (path[0] == '\0') {
		memcpy(secret, text, count);
		return (uint32_t)count;
	}
	if (count != 0) {
		config_wrong(reading, path_key, 0, "%s stands there too: take one of the two",
			     path_key == CONFIG_KEY_cluster_key_file ? "key" : "credential");
		return 0;
	}
	file = file_open(reading, path);
	if (file == NULL) {
		config_wrong(reading, path_key, 0, "it cannot be read: %m");
		return 0;
	}
	count = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	if (count > 0 && bytes[count - 1] == '\n')
		count--;
	if (count < least || count > GODWIT_CREDENTIAL_MAX) {
		config_wrong(reading, path_key, 0, "the file holds %s: %u to %u bytes are needed",
			     count == 0	   ? "nothing" :
			     count < least ? "too little" :
					     "too much",
			     least, GODWIT_CREDENTIAL_MAX);
		return 0;
	}
	memcpy(secret, bytes, count);
	return (uint32_t)count;
}

static void check_eal(struct config_reading *reading)
{
	struct config *config = reading->config;

	if (IS_GOOD(eal_prefix, 0) && config->eal.prefix[0] == '\0' && IS_GOOD(server_id, 0))
		snprintf(config->eal.prefix, sizeof(config->eal.prefix), "godwit-%llu",
			 (unsigned long long)config->server.id);
	if (strpbrk(config->eal.prefix, "/:") != NULL)
		WRONG(eal_prefix, 0, "/ and : cannot stand in it: it becomes the name of a folder");
}

static int row_compare(const void *left, const void *right)
{
	const struct plan_row *a = left, *b = right;

	return a->bytes > b->bytes ? -1 : a->bytes < b->bytes;
}

// Only a configuration that is right otherwise can be summed up.
static void check_memory(struct config_reading *reading)
{
	struct plan_memory memory;
	char largest[CONFIG_WHY_BYTES] = "";
	size_t used = 0;
	uint64_t needed;

	if (reading->report.count != 0)
		return;
	if (reading->config->eal.memory == CONFIG_AUTO)
		reading->config->eal.memory = plan_eal_bytes(reading->config);
	plan_memory(reading->config, &memory);
	needed = (memory.total + CONFIG_MIB - 1) / CONFIG_MIB;
	if (memory.total <= reading->config->top.memory_max)
		return;
	qsort(memory.rows, memory.count, sizeof(memory.rows[0]), row_compare);
	for (uint32_t i = 0; i < memory.count && i < 3; i++)
		used += (size_t)snprintf(largest + used, sizeof(largest) - used, "%s%s %llu MiB",
					 i == 0 ? "" : ", ", memory.rows[i].name,
					 (unsigned long long)(memory.rows[i].bytes / CONFIG_MIB));
	WRONG(top_memory_max, 0, "%llu MiB are needed (%s, ...): raise it to that, or lower those",
	      (unsigned long long)needed, largest);
}

void config_check(struct config_reading *reading)
{
	uint32_t held = 0;

	check_eal(reading);
	check_clients(reading);
	reading->config->secret_bytes = config_secret_read(
		reading, reading->config->clients.credential, CONFIG_KEY_clients_credential_file,
		reading->config->clients.credential_file, 1, reading->config->secret);
	check_ports(reading);
	config_check_cluster(reading);
	if (reading->config->streams_count == 0 && !reading->is_list_bad[CONFIG_SECTION_stream])
		config_report_add(&reading->report, reading->section_places[CONFIG_SECTION_stream],
				  "streams: at least one stream is needed");
	for (uint32_t i = 0; i < reading->config->streams_count; i++) {
		check_home(reading, i, &held);
		check_stream(reading, i);
	}
	check_memory(reading);
}
