// SPDX-License-Identifier: BSD-3-Clause
//
// What was started and what it takes, for the log of the start.
#include <numa.h>

#include "control/config_value.h"
#include "control/daemon.h"

#define SAY(...) logline(&daemon->log, LOG_LEVEL_INFO, __VA_ARGS__)

// "node 0", or nothing on machines with one.
static const char *node_text(int node, char text[24])
{
	if (node < 0 || numa_available() < 0 || numa_max_node() == 0)
		return "";
	snprintf(text, 24, ", node %d", node);
	return text;
}

static void print_ports(const struct daemon *daemon)
{
	for (uint32_t i = 0; i < daemon->ports_open; i++) {
		const struct config_port *config = &daemon->config->ports[i];
		const struct port *port = &daemon->ports[i];
		const uint8_t *mac = port->net.mac;
		uint32_t ip = config->address.ip;
		char node[24];

		SAY("port %u: %s%s%s, listening on %u.%u.%u.%u:%llu/udp, MAC "
		    "%02x:%02x:%02x:%02x:%02x:%02x, MTU %llu, %u queue%s, checksums by %s, link %s%s",
		    i, port->name, port->interface[0] != '\0' ? " " : "", port->interface, ip >> 24,
		    ip >> 16 & 255, ip >> 8 & 255, ip & 255, (unsigned long long)config->udp_port,
		    mac[0], mac[1], mac[2], mac[3], mac[4], mac[5], (unsigned long long)config->mtu,
		    port->queues, port->queues == 1 ? "" : "s",
		    port->has_checksums ? "hardware" : "software",
		    daemon->links[i].is_up ? "up" : "down", node_text(port->node, node));
	}
}

static void print_cores(const struct daemon *daemon)
{
	const char *idle = daemon->config->cores.idle == CONFIG_IDLE_BUSY ? "busy" : "adaptive";

	for (uint32_t i = 0; i < daemon->server.core_count; i++) {
		int node = daemon->cores[i].node;
		char text[24];

		SAY("core %u: CPU %u, %s%s", i, daemon->config->cores.cpus.cpus[i], idle,
		    node_text(node, text));
		for (uint32_t p = 0; p < daemon->ports_open; p++) {
			const struct port *port = &daemon->ports[p];

			if (port_queue(port, i) != PORT_NO_QUEUE && node >= 0 && port->node >= 0 &&
			    node != port->node)
				logline(&daemon->log, LOG_LEVEL_WARNING,
					"core %u on node %d polls port %u of node %d: every packet crosses "
					"nodes; choose CPUs of that node",
					i, node, p, port->node);
		}
	}
}

static const char *session_text(const struct stream *stream, char text[32])
{
	snprintf(text, 32, "session %016llx", (unsigned long long)stream_session(stream));
	return text;
}

static void print_streams(const struct daemon *daemon)
{
	for (uint32_t i = 0; i < daemon->server.stream_count; i++) {
		const struct stream *stream = daemon->server.streams[i];
		const struct daemon_log *log = &daemon->logs[i];
		int home = daemon->cores[stream->home].node;
		char bytes[32], node[24], session[32];

		SAY("stream %u: %s, log %s in %s%s, home core %u, messages up to %u bytes, %s", i,
		    stream->name, config_bytes_text(log->bytes, bytes),
		    log->is_huge ? "hugepages" : "ordinary memory", node_text(log->node, node),
		    stream->home, stream->max_message,
		    stream->role == STREAM_ALONE   ? session_text(stream, session) :
		    stream->role == STREAM_PRIMARY ? "primary" :
						     "replica");
		if (home >= 0 && log->node >= 0 && home != log->node)
			logline(&daemon->log, LOG_LEVEL_WARNING,
				"stream %s: its log is on node %d, its home core on node %d: that node has no "
				"room",
				stream->name, log->node, home);
	}
}

void banner_print(const struct daemon *daemon)
{
	struct plan_memory memory;
	char total[32], max[32];

	print_ports(daemon);
	print_cores(daemon);
	print_streams(daemon);
	plan_memory(daemon->config, &memory);
	for (uint32_t i = 0; i < memory.count; i++)
		SAY("memory: %12llu bytes  %s", (unsigned long long)memory.rows[i].bytes,
		    memory.rows[i].name);
	SAY("memory: %12llu bytes  in all (%s; at most %s); packet buffers in %s",
	    (unsigned long long)memory.total,
	    config_bytes_text((memory.total + CONFIG_MIB - 1) & ~(CONFIG_MIB - 1), total),
	    config_bytes_text(daemon->config->top.memory_max, max),
	    daemon->eal.is_huge ? "hugepages" : "ordinary memory");
}
