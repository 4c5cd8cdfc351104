// SPDX-License-Identifier: BSD-3-Clause
#include "client/core.h"

// ---- the round trip -----------------------------------------------------------------------------

static void publish_measured(struct client_publisher *pub, uint64_t rtt_ns)
{
	uint64_t error_ns;

	if (pub->srtt_ns == 0) {
		pub->srtt_ns = client_max(rtt_ns, 1);
		pub->rttvar_ns = rtt_ns / 2;
	} else {
		error_ns = rtt_ns > pub->srtt_ns ? rtt_ns - pub->srtt_ns : pub->srtt_ns - rtt_ns;
		pub->rttvar_ns = (3 * pub->rttvar_ns + error_ns) / 4;
		pub->srtt_ns = client_max((7 * pub->srtt_ns + rtt_ns) / 8, 1);
	}
}

static uint64_t publish_rto(const struct client_publisher *pub)
{
	uint64_t rto_ns = pub->srtt_ns + 4 * pub->rttvar_ns;

	if (pub->srtt_ns == 0)
		return CLIENT_RTO_FIRST_NS;
	return client_min(client_max(rto_ns, CLIENT_RTO_MIN_NS), CLIENT_RTO_MAX_NS);
}

static bool publish_waits(const struct client_publisher *pub)
{
	return pub->next > pub->committed + 1;
}

// Sends again from what the sequencer takes next. A number timed so far has been sent twice: its
// answer would not say which of the two it answers.
static void publish_go_back(struct client_publisher *pub)
{
	pub->next_send = pub->expected;
	pub->sample = 0;
}

void client_publish_timers(struct godwit_core *core, struct client_publisher *pub, uint64_t now_ns)
{
	if (pub->state != CLIENT_PUBLISHER_OPEN || now_ns < pub->rto_due_ns ||
	    !client_is_up(pub->link))
		return;
	if (!publish_waits(pub)) {
		pub->rto_due_ns = CLIENT_NEVER;
		return;
	}
	core->stats.publish_timeouts++;
	publish_go_back(pub);
	// Nothing that could go again: all is held but not committed, or there is no credit.
	pub->ask = true;
	pub->rto_ns = client_min(2 * pub->rto_ns, CLIENT_RTO_MAX_NS);
	pub->rto_due_ns = now_ns + pub->rto_ns;
}

// ---- PUBLISH_ACK --------------------------------------------------------------------------------

// True: the sequencer or the commit came on.
static bool publish_progress(struct godwit_core *core, struct client_publisher *pub,
			     uint64_t now_ns, uint64_t committed, uint64_t expected)
{
	bool progress = false;

	if (expected > pub->expected) {
		progress = true;
		pub->expected = expected;
		pub->next_send = client_max(pub->next_send, expected);
		if (pub->sample != 0 && expected > pub->sample) {
			publish_measured(pub, now_ns - client_min(pub->sample_ns, now_ns));
			pub->sample = 0;
		}
	}
	if (committed > pub->committed) {
		progress = true;
		pub->committed = committed;
		core->publisher_news = true;
	}
	if (progress) {
		pub->rto_ns = publish_rto(pub);
		pub->rto_due_ns = publish_waits(pub) ? now_ns + pub->rto_ns : CLIENT_NEVER;
	}
	return progress;
}

static void publish_busy(struct godwit_core *core, struct client_publisher *pub, uint64_t now_ns)
{
	core->stats.publish_busy++;
	// Each packet in flight is answered so: one step back for all of them.
	if (now_ns < pub->busy_until_ns)
		return;
	publish_go_back(pub);
	pub->busy_until_ns = now_ns + pub->busy_delay_ns;
	pub->busy_delay_ns = client_min(2 * pub->busy_delay_ns, CLIENT_BUSY_MAX_NS);
	pub->rto_due_ns = pub->busy_until_ns + pub->rto_ns;
}

static void publish_gap(struct godwit_core *core, struct client_publisher *pub, uint64_t now_ns,
			uint64_t expected)
{
	// How long answers come of what was in flight when we went back.
	uint64_t answers_ns = pub->srtt_ns + pub->srtt_ns / 2;

	// Nothing that is sent again is timed: where the first packets are lost the way stays unknown.
	if (pub->srtt_ns == 0)
		answers_ns = publish_rto(pub);
	// An old answer; or one of many for the same loss.
	if (expected != pub->expected || pub->next_send <= expected)
		return;
	if (pub->back_to == expected && now_ns < pub->back_ns + answers_ns)
		return;
	core->stats.publish_back++;
	pub->back_to = expected;
	pub->back_ns = now_ns;
	publish_go_back(pub);
	pub->rto_due_ns = now_ns + pub->rto_ns;
}

void client_publish_on_ack(struct godwit_core *core, struct client_link *link, uint64_t now_ns,
			   const struct godwit_publish_ack *frame)
{
	struct client_publisher *pub = client_publisher_by_id(
		core, link, godwit_get64(frame->publisher), godwit_get32(frame->stream));
	uint64_t instance = godwit_get64(frame->instance);
	uint64_t committed = godwit_get64(frame->committed);
	uint64_t expected = godwit_get64(frame->expected);
	uint32_t code = godwit_get16(frame->code);

	if (pub == NULL)
		return;
	if (code == GODWIT_FENCED && instance > pub->instance) {
		client_publisher_end(core, pub, code, instance);
		return;
	}
	if (instance != pub->instance) {
		core->stats.wrong_tag++;
		return;
	}
	if (code == GODWIT_UNKNOWN_INSTANCE) {
		client_publisher_doubt(core, pub, now_ns);
		return;
	}
	// Only what was sent can be held, only what is held can be committed.
	if (expected > pub->next || committed >= pub->next ||
	    committed >= client_max(expected, 1)) {
		core->stats.wrong_tag++;
		return;
	}
	if (publish_progress(core, pub, now_ns, committed, expected) && code != GODWIT_BUSY)
		pub->busy_delay_ns = CLIENT_BUSY_NS;
	pub->credit = godwit_get32(frame->credit);
	switch (code) {
	case GODWIT_OK:
		break;
	case GODWIT_GAP:
		publish_gap(core, pub, now_ns, expected);
		break;
	case GODWIT_BUSY:
	case GODWIT_LIMIT:
	case GODWIT_BEHIND:
		publish_busy(core, pub, now_ns);
		break;
	case GODWIT_UNKNOWN_STREAM:
	case GODWIT_NOT_PRIMARY:
		client_publisher_reopen(core, pub, now_ns, CLIENT_REQUEST_NS);
		break;
	default:
		client_publisher_end(core, pub, code, instance);
		break;
	}
}

// ---- PUBLISH ------------------------------------------------------------------------------------

// The credit is counted from what is committed.
static bool publish_can_send(const struct client_publisher *pub)
{
	return pub->next_send < pub->next &&
	       pub->next_send <= client_add(pub->committed, pub->credit);
}

uint64_t client_publish_due(const struct client_publisher *pub, uint64_t now_ns)
{
	if (pub->link == NULL || !client_is_up(pub->link))
		return CLIENT_NEVER;
	switch (pub->state) {
	case CLIENT_PUBLISHER_OPENING:
		// What is in doubt comes first: nothing new may be published before the application
		// knows.
		return pub->say_doubt || pub->doubt_committed != 0 ? CLIENT_NEVER :
								     pub->retry.due_ns;
	case CLIENT_PUBLISHER_OPEN:
		if (pub->ask || publish_can_send(pub))
			return client_min(client_max(pub->busy_until_ns, now_ns), pub->rto_due_ns);
		return pub->rto_due_ns;
	default:
		return CLIENT_NEVER;
	}
}

static size_t publish_write_open(struct client_publisher *pub, uint64_t now_ns, uint8_t *buffer)
{
	const struct client_link *link = pub->link;
	struct godwit_publish_open frame = {
		.from = client_from(GODWIT_PUBLISH_OPEN, 0, 0, link->handle, link->key),
		.request = godwit_be32(pub->request),
		.publisher = godwit_be64(pub->id),
		.instance = godwit_be64(pub->instance),
	};

	client_retry_sent(&pub->retry, now_ns, CLIENT_REQUEST_MAX_NS);
	memcpy(frame.stream, pub->stream_name, sizeof(frame.stream));
	memcpy(buffer, &frame, sizeof(frame));
	return sizeof(frame);
}

// Copies records from next_send on; returns the frame's length.
static size_t publish_pack(struct godwit_core *core, struct client_publisher *pub, uint8_t *buffer,
			   size_t size, uint32_t *count)
{
	uint64_t last = client_min(pub->next - 1, client_add(pub->committed, pub->credit));
	size_t limit = client_min(size, core->datagram);
	size_t length = sizeof(struct godwit_publish);
	uint16_t takes = pub->link->datagram;

	*count = 0;
	while (pub->next_send <= last && *count < UINT16_MAX) {
		uint32_t bytes;
		const uint8_t *record = client_publisher_record(pub, pub->next_send, &bytes);

		// One that was accepted while a server with larger datagrams was current goes
		// alone.
		if (*count > 0 && takes != 0 && length + bytes > takes)
			break;
		if (length + bytes > limit)
			break;
		memcpy(buffer + length, record, bytes);
		length += bytes;
		pub->next_send++;
		(*count)++;
	}
	return length;
}

size_t client_publish_output(struct godwit_core *core, struct client_publisher *pub,
			     uint64_t now_ns, uint8_t *buffer, size_t size)
{
	const struct client_link *link = pub->link;
	uint64_t first = pub->next_send;
	struct godwit_publish frame;
	size_t length;
	uint32_t count;

	if (link == NULL || !client_is_up(link))
		return 0;
	core->to = pub->link;
	if (pub->state == CLIENT_PUBLISHER_OPENING && now_ns >= client_publish_due(pub, now_ns))
		return publish_write_open(pub, now_ns, buffer);
	if (pub->state != CLIENT_PUBLISHER_OPEN || now_ns < pub->busy_until_ns)
		return 0;
	if (!pub->ask && !publish_can_send(pub))
		return 0;
	length = publish_pack(core, pub, buffer, size, &count);
	pub->ask = false;
	if (count > 0 && pub->sample == 0 && pub->next_send - 1 > pub->highest_sent) {
		pub->sample = pub->next_send - 1;
		pub->sample_ns = now_ns;
	}
	pub->highest_sent = client_max(pub->highest_sent, pub->next_send - 1);
	if (pub->rto_due_ns == CLIENT_NEVER)
		pub->rto_due_ns = now_ns + pub->rto_ns;
	frame = (struct godwit_publish){
		.from = client_from(GODWIT_PUBLISH, 0, count, link->handle, link->key),
		.stream = godwit_be32(pub->stream),
		.publisher = godwit_be64(pub->id),
		.instance = godwit_be64(pub->instance),
		.first = godwit_be64(first),
	};
	memcpy(buffer, &frame, sizeof(frame));
	core->stats.publish_sent += count;
	return length;
}
