// SPDX-License-Identifier: BSD-3-Clause
//
// classify: validate each datagram whole, name its kind, find its proved sender by handle, key and
// address: an array access, no hash. What it drops has a reason and gets no answer: the address is not
// proved.
#include <godwit/wire_check_peer.h>

#include "dataplane/stages.h"

static enum drop drop_of_check(enum godwit_check check)
{
	static const enum drop drops[GODWIT_CHECK_VERDICTS] = {
		[GODWIT_CHECK_SHORT] = DROP_classify_short,
		[GODWIT_CHECK_VERSION] = DROP_classify_version,
		[GODWIT_CHECK_TYPE] = DROP_classify_type,
		[GODWIT_CHECK_LENGTH] = DROP_classify_length,
		[GODWIT_CHECK_COUNT] = DROP_classify_count,
		[GODWIT_CHECK_ZERO] = DROP_classify_zero,
		[GODWIT_CHECK_FLAGS] = DROP_classify_flags,
		[GODWIT_CHECK_FIELD] = DROP_classify_field,
		[GODWIT_CHECK_RECORD] = DROP_classify_record,
	};

	return drops[check];
}

static void drop_datagram(struct core *core, struct datagram *datagram, enum drop reason)
{
	drop_add(core->counters, reason, 1);
	COUNT(core, classify_dropped, 1);
	datagram->type = 0;
}

static bool from_proved_client(struct core *core, struct datagram *datagram)
{
	const struct godwit_from_client *from = (const void *)datagram->bytes;
	struct client *client = core_client(core, godwit_get64(from->handle));

	if (client == NULL)
		drop_datagram(core, datagram, DROP_classify_handle);
	else if (client->key != godwit_get64(from->key))
		drop_datagram(core, datagram, DROP_classify_key);
	else if (!godwit_address_equal(&client->route.to, &datagram->from))
		drop_datagram(core, datagram, DROP_classify_address);
	else if (client->offered) {
		// It answers an offer, or nothing: there is nothing else of it here.
		if (datagram->type == GODWIT_RESUME || datagram->type == GODWIT_ACK) {
			datagram->client = client;
			return true;
		}
		drop_datagram(core, datagram, DROP_classify_offered);
	} else {
		if (client->suspect)
			client_back(core, client);
		client->heard_ns = core->now_ns;
		atomic_store_explicit(&core->client_heard[client->index], core->now_ns,
				      memory_order_relaxed);
		datagram->client = client;
		return true;
	}
	return false;
}

static void from_client(struct core *core, struct datagram *datagram)
{
	enum godwit_check check = godwit_check_from_client(datagram->bytes, datagram->length);

	if (check != GODWIT_CHECK_OK) {
		drop_datagram(core, datagram, drop_of_check(check));
		return;
	}
	// A crossing's slot has room for so much, and the path for more.
	if (datagram->bytes[1] == GODWIT_PUBLISH &&
	    datagram->length > server_datagram(core->server)) {
		drop_datagram(core, datagram, DROP_classify_length);
		return;
	}
	datagram->type = datagram->bytes[1];
	if (datagram->type != GODWIT_HELLO && datagram->type != GODWIT_HELLO_PROOF &&
	    datagram->type != GODWIT_PROBE_REPLY && !from_proved_client(core, datagram))
		return;
	if (datagram->type == GODWIT_PUBLISH)
		COUNT(core, classify_append, 1);
	else
		COUNT(core, classify_session, 1);
}

static void from_peer(struct core *core, struct datagram *datagram)
{
	enum godwit_check check = godwit_check_from_peer(datagram->bytes, datagram->length);
	uint32_t least = sizeof(struct godwit_from_server) + GODWIT_MAC_BYTES;

	// Of another version only the sender is of interest: every version's frame tells it here.
	if (check != GODWIT_CHECK_OK &&
	    (check != GODWIT_CHECK_VERSION || datagram->length < least)) {
		drop_datagram(core, datagram, drop_of_check(check));
		return;
	}
	if (datagram->length > server_datagram(core->server)) {
		drop_datagram(core, datagram, DROP_classify_length);
		return;
	}
	if (!peers_classify(core, datagram))
		return;
	datagram->type = datagram->bytes[1];
	COUNT(core, classify_peer, 1);
}

void classify_burst(struct core *core, struct burst *burst)
{
	for (uint32_t i = 0; i < burst->count; i++) {
		struct datagram *datagram = &burst->datagrams[i];

		datagram->client = NULL;
		datagram->peer = NULL;
		datagram->type = 0;
		if (core->server->peers.count > 0 &&
		    datagram->length >= sizeof(struct godwit_frame) &&
		    datagram->bytes[1] > GODWIT_PEER_TYPES)
			from_peer(core, datagram);
		else
			from_client(core, datagram);
	}
}
