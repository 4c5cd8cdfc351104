// SPDX-License-Identifier: BSD-3-Clause
//
// What the table of keys cannot say about a cluster: the servers, and who leads and holds which stream.
#include "control/config_reading.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define HASH_WORDS_MAX 8

bool config_stream_is_led(const struct config *config, uint32_t number)
{
	return config->streams[number].primary == config->server.id;
}

static bool servers_hold(const struct config_servers *servers, uint64_t id)
{
	for (uint32_t i = 0; i < servers->count; i++)
		if (servers->ids[i] == id)
			return true;
	return false;
}

bool config_stream_is_held(const struct config *config, uint32_t number)
{
	return config_stream_is_led(config, number) ||
	       servers_hold(&config->streams[number].replicas, config->server.id);
}

// The place of a server in the list, or members_count.
static uint32_t member_find(const struct config *config, uint64_t id)
{
	uint32_t i = 0;

	while (i < config->members_count && config->members[i].id != id)
		i++;
	return i;
}

static const char *members_text(const struct config *config, char *text, size_t bytes)
{
	size_t used = 0;

	for (uint32_t i = 0; i < config->members_count && used < bytes; i++)
		used += (size_t)snprintf(text + used, bytes - used, "%s%llu", i == 0 ? "" : ", ",
					 (unsigned long long)config->members[i].id);
	return text;
}

static void check_member(struct config_reading *reading, uint32_t i)
{
	const struct config_member *member = &reading->config->members[i];

	if (IS_GOOD(member_address, i) && !config_ip_is_host(member->address.ip))
		WRONG(member_address, i, "it is not the address of one host");
	for (uint32_t j = 0; j < i; j++) {
		const struct config_member *other = &reading->config->members[j];

		if (IS_GOOD(member_id, i) && IS_GOOD(member_id, j) && other->id == member->id)
			WRONG(member_id, i, "servers[%u] has this number already", j);
		if (IS_GOOD(member_address, i) && IS_GOOD(member_address, j) &&
		    other->address.ip == member->address.ip &&
		    other->address.port == member->address.port)
			WRONG(member_address, i, "servers[%u] has this address already", j);
	}
}

// The other servers send to the address that the list says.
static void check_own_address(struct config_reading *reading, uint32_t own)
{
	const struct config *config = reading->config;
	const struct config_endpoint *address = &config->members[own].address;
	const struct config_port *first = &config->ports[0];
	char ip[CONFIG_TEXT_BYTES];

	if (!IS_GOOD(member_address, own) || config->ports_count == 0)
		return;
	for (uint32_t i = 0; i < config->ports_count; i++) {
		if (!IS_GOOD(port_address, i) || !IS_GOOD(port_udp_port, i) ||
		    (config->ports[i].address.ip == address->ip &&
		     config->ports[i].udp_port == address->port))
			return;
	}
	config_value_write(&config_keys[CONFIG_KEY_port_address], &first->address, ip);
	ip[strcspn(ip, "/")] = '\0';
	WRONG(member_address, own,
	      "this is server %llu itself, and no port of it has this address: ports[0] is %s:%llu",
	      (unsigned long long)config->server.id, ip, (unsigned long long)first->udp_port);
}

// Whether all that is needed to tell one of the servers from others was read.
static bool members_are_known(const struct config_reading *reading)
{
	for (uint32_t i = 0; i < reading->config->members_count; i++)
		if (!IS_GOOD(member_id, i))
			return false;
	return !reading->is_list_bad[CONFIG_SECTION_member] && IS_GOOD(server_id, 0);
}

static void check_own(struct config_reading *reading)
{
	const struct config *config = reading->config;
	uint32_t own = member_find(config, config->server.id);
	char all[CONFIG_WHY_BYTES];

	if (!members_are_known(reading))
		return;
	if (own < config->members_count) {
		check_own_address(reading, own);
		return;
	}
	if (!IS_GIVEN(server_id, 0)) // say it where the list begins
		reading->given[0][CONFIG_KEY_server_id].place =
			reading->section_places[CONFIG_SECTION_member];
	WRONG(server_id, 0, "%llu is none of the servers: %s",
	      (unsigned long long)config->server.id, members_text(config, all, sizeof(all)));
}

static void check_servers(struct config_reading *reading)
{
	struct config *config = reading->config;
	const struct config_cluster *cluster = &config->cluster;

	config->cluster_key_bytes =
		config_secret_read(reading, cluster->key, CONFIG_KEY_cluster_key_file,
				   cluster->key_file, CONFIG_CLUSTER_KEY_MIN, config->cluster_key);
	if (IS_GOOD(cluster_state_dir, 0) && cluster->state_dir[0] != '\0' &&
	    cluster->state_dir[0] != '/')
		WRONG(cluster_state_dir, 0,
		      "it is not an absolute path: it begins with /, as /var/lib/godwit");
	for (uint32_t i = 0; i < config->members_count; i++)
		check_member(reading, i);
	if (config->members_count != 0)
		check_own(reading);
	if (config->members_count == 0 && cluster->name[0] != '\0' &&
	    !reading->is_list_bad[CONFIG_SECTION_member])
		WRONG(cluster_name, 0,
		      "a cluster has servers: list them under servers, or take none for the name");
	if (config->members_count < 2)
		return;
	if (IS_GOOD(cluster_name, 0) && cluster->name[0] == '\0')
		WRONG(cluster_name, 0,
		      "it is missing: several servers need the name of their cluster");
	if (IS_GOOD(cluster_key, 0) && IS_GOOD(cluster_key_file, 0) && cluster->key[0] == '\0' &&
	    cluster->key_file[0] == '\0')
		WRONG(cluster_key, 0,
		      "it is missing: several servers need a secret of %u to %u bytes, here or in key_file",
		      CONFIG_CLUSTER_KEY_MIN, GODWIT_CREDENTIAL_MAX);
}

static void check_primary(struct config_reading *reading, uint32_t i)
{
	struct config *config = reading->config;
	struct config_stream *stream = &config->streams[i];
	bool is_own = stream->primary == CONFIG_AUTO || stream->primary == config->server.id;
	char all[CONFIG_WHY_BYTES];

	if (!IS_GOOD(stream_primary, i) || !members_are_known(reading))
		return;
	if (config->members_count == 0 && !is_own)
		WRONG(stream_primary, i,
		      "no servers are listed: only %llu, server.id, can stand here",
		      (unsigned long long)config->server.id);
	else if (config->members_count != 0 && stream->primary == CONFIG_AUTO)
		WRONG(stream_primary, i, "%s: take one of the servers: %s",
		      IS_GIVEN(stream_primary, i) ? "where servers are listed it cannot be auto" :
						    "it is missing",
		      members_text(config, all, sizeof(all)));
	else if (config->members_count != 0 &&
		 member_find(config, stream->primary) == config->members_count)
		WRONG(stream_primary, i, "%llu is none of the servers: %s",
		      (unsigned long long)stream->primary, members_text(config, all, sizeof(all)));
	else if (stream->primary == CONFIG_AUTO)
		stream->primary = config->server.id;
}

static void check_replicas(struct config_reading *reading, uint32_t i)
{
	const struct config *config = reading->config;
	const struct config_stream *stream = &config->streams[i];
	char all[CONFIG_WHY_BYTES];

	if (!IS_GOOD(stream_replicas, i) || !members_are_known(reading))
		return;
	if (config->members_count == 0 && stream->replicas.count != 0) {
		WRONG(stream_replicas, i, "no servers are listed: only none can stand here");
		return;
	}
	for (uint32_t j = 0; j < stream->replicas.count; j++) {
		uint32_t id = stream->replicas.ids[j];

		if (member_find(config, id) == config->members_count)
			WRONG(stream_replicas, i, "%u is none of the servers: %s", id,
			      members_text(config, all, sizeof(all)));
		else if (IS_GOOD(stream_primary, i) && id == stream->primary)
			WRONG(stream_replicas, i,
			      "%u is the primary: only the others are listed here", id);
	}
}

static void check_ack(struct config_reading *reading, uint32_t i)
{
	struct config_stream *stream = &reading->config->streams[i];
	uint32_t holders = stream->replicas.count + 1;

	if (!IS_GOOD(stream_ack, i) || !IS_GOOD(stream_replicas, i))
		return;
	if (stream->ack == CONFIG_ACK_AUTO)
		stream->ack = holders > 1 ? CONFIG_ACK_IN_SYNC : CONFIG_ACK_LOCAL;
	if (!IS_GOOD(stream_min_in_sync, i))
		return;
	if (stream->min_in_sync == CONFIG_AUTO)
		stream->min_in_sync = stream->ack == CONFIG_ACK_IN_SYNC && holders > 1 ? 2 : 1;
	else if (stream->min_in_sync > holders)
		WRONG(stream_min_in_sync, i, "the stream is on %u server%s only: at most %u",
		      holders, holders == 1 ? "" : "s", holders);
	else if (stream->ack == CONFIG_ACK_LOCAL && stream->min_in_sync > 1)
		WRONG(stream_min_in_sync, i,
		      "with ack local nothing waits for replicas: take 1, or ack in-sync");
}

// The primary of a replicated stream keeps its record.
static void check_state_dir(struct config_reading *reading)
{
	const struct config *config = reading->config;

	if (!IS_GOOD(cluster_state_dir, 0) || !members_are_known(reading) ||
	    config->members_count == 0 || config->cluster.state_dir[0] != '\0')
		return;
	for (uint32_t i = 0; i < config->streams_count; i++)
		if (config_stream_is_led(config, i) && config->streams[i].replicas.count != 0) {
			WRONG(cluster_state_dir, 0,
			      "it is missing: this server is primary of the replicated stream %s, and "
			      "keeps its record there",
			      config->streams[i].name);
			return;
		}
}

void config_check_cluster(struct config_reading *reading)
{
	check_servers(reading);
	for (uint32_t i = 0; i < reading->config->streams_count; i++) {
		check_primary(reading, i);
		check_replicas(reading, i);
		check_ack(reading, i);
	}
	check_state_dir(reading);
}

static uint64_t words_hash(const uint64_t *words, uint32_t count)
{
	uint8_t bytes[HASH_WORDS_MAX * 8];

	// The same on machines of either byte order.
	for (uint32_t i = 0; i < count; i++)
		for (uint32_t j = 0; j < 8; j++)
			bytes[8 * i + j] = (uint8_t)(words[i] >> 8 * (7 - j));
	return XXH3_64bits(bytes, 8 * (size_t)count);
}

// Items are summed, so that their order does not matter.
uint64_t config_cluster_hash(const struct config *config)
{
	const struct config_cluster *cluster = &config->cluster;
	uint64_t sum = words_hash((const uint64_t[]){cluster->interval, cluster->multiplier}, 2);

	for (uint32_t i = 0; i < config->members_count; i++) {
		const struct config_member *m = &config->members[i];

		sum += words_hash(
			(const uint64_t[]){m->id, m->address.ip, m->address.port, m->weight}, 4);
	}
	for (uint32_t i = 0; i < config->streams_count; i++) {
		const struct config_stream *s = &config->streams[i];
		uint64_t replicas = 0;

		for (uint32_t j = 0; j < s->replicas.count; j++)
			replicas += words_hash((const uint64_t[]){s->replicas.ids[j]}, 1);
		sum += words_hash((const uint64_t[]){XXH3_64bits(s->name, sizeof(s->name)),
						     s->primary, replicas, s->replicas.count,
						     s->ack, s->min_in_sync, s->max_message},
				  7);
	}
	return sum;
}
