// SPDX-License-Identifier: BSD-3-Clause
//
// One publisher: its numbers, the messages that are not committed yet, and when to send them again.
//
//	committed      expected        next_send        next
//	    | held        | in flight     | waiting       |
//	    +--- kept until committed ---------------------+--> publish
//
// The sequencer takes only the number that it expects, so a loss is met by going back to it.
// Numbers belong to an instance; when a server does not know the instance any more, what is
// unacknowledged is in doubt and a new instance is opened.
//
// Owner: its core. Memory: buffer and places, from open to close.
#ifndef CLIENT_PUBLISHER_H
#define CLIENT_PUBLISHER_H

#include "client/common.h"

struct godwit_core;
struct client_link;

// ---- a publisher --------------------------------------------------------------------------------

enum client_publisher_state {
	CLIENT_PUBLISHER_FREE = 0,
	CLIENT_PUBLISHER_OPENING, // PUBLISH_OPEN repeats until PUBLISH_OPENED
	CLIENT_PUBLISHER_OPEN,
	CLIENT_PUBLISHER_OVER,
};

// Messages committed + 1 .. next - 1 are kept: their records lie in the buffer, each in one piece,
// at places[number & mask], which counts bytes and never goes back.
struct client_publisher {
	enum client_publisher_state state;
	uint32_t number;
	uint64_t id;
	uint64_t instance; // 0: none yet
	uint8_t stream_name[GODWIT_NAME_BYTES];
	uint32_t request;
	struct client_retry retry;
	struct client_link *link;     // the server that orders the stream, as far as is known
	struct client_retry redirect; // when the next REDIRECT is followed
	// from PUBLISH_OPENED
	bool opened; // once in this instance
	uint32_t stream;
	uint32_t max_message;
	uint32_t credit;
	// numbers
	uint64_t next; // the next message's
	uint64_t committed;
	uint64_t expected; // the sequencer takes next, as far as is known
	uint64_t next_send;
	uint64_t highest_sent;
	// buffer
	uint8_t *buffer;
	uint64_t *places;
	uint64_t buffer_bytes;
	uint64_t mask;
	uint64_t end; // place where the next record may begin
	// going back
	uint64_t srtt_ns; // 0: not measured
	uint64_t rttvar_ns;
	uint64_t rto_ns;
	uint64_t rto_due_ns;
	uint64_t sample; // number being timed, 0 none
	uint64_t sample_ns;
	uint64_t back_to; // where the last GAP sent us back to
	uint64_t back_ns;
	uint64_t busy_until_ns;
	uint64_t busy_delay_ns;
	bool ask; // for a PUBLISH_ACK, with an empty PUBLISH
	// events
	bool say_opened;
	bool say_doubt;
	bool say_ended;
	uint64_t said_committed;
	uint16_t code;	 // of the end
	uint64_t higher; // instance that fenced this one
	uint64_t doubt_instance;
	uint64_t doubt_committed; // of it, not yet said; 0: nothing
	uint64_t doubt_first;
	uint64_t doubt_last;
};

// ---- publisher.c, publish.c ---------------------------------------------------------------------

void client_publisher_on_opened(struct godwit_core *core, struct client_link *link, uint64_t now_ns,
				const struct godwit_publish_opened *frame);
bool client_publisher_error(struct godwit_core *core, struct client_link *link, uint64_t now_ns,
			    const struct godwit_error *frame);

// Its server came up; or was given up, and it turns to another.
void client_publisher_on_up(struct godwit_core *core, struct client_publisher *pub,
			    struct client_link *link, uint64_t now_ns);
void client_publisher_on_lost(struct godwit_core *core, struct client_publisher *pub,
			      struct client_link *link, struct client_link *to, uint64_t now_ns);

// Its instance is not known any more: what is not acknowledged is in doubt, a new instance is asked
// for.
void client_publisher_doubt(struct godwit_core *core, struct client_publisher *pub,
			    uint64_t now_ns);
void client_publisher_end(struct godwit_core *core, struct client_publisher *pub, uint32_t code,
			  uint64_t higher_instance);

// Asks for the instance again after the delay.
void client_publisher_reopen(struct godwit_core *core, struct client_publisher *pub,
			     uint64_t now_ns, uint64_t delay_ns);

// The same at that server, from now on the publisher's.
void client_publisher_ask(struct godwit_core *core, struct client_publisher *pub,
			  struct client_link *link, uint64_t now_ns, uint64_t delay_ns);

// Who waits for the answer to this PUBLISH_OPEN; NULL: nobody.
struct client_publisher *client_publisher_by_request(struct godwit_core *core, uint32_t request);
bool client_publisher_ready(const struct godwit_core *core);
bool client_publisher_event(struct godwit_core *core, struct godwit_event *event);
void client_publisher_free(struct client_publisher *pub);

// The record of a message that is kept.
const uint8_t *client_publisher_record(const struct client_publisher *pub, uint64_t number,
				       uint32_t *bytes);
struct client_publisher *client_publisher_by_id(struct godwit_core *core,
						const struct client_link *link, uint64_t id,
						uint32_t stream);

void client_publish_on_ack(struct godwit_core *core, struct client_link *link, uint64_t now_ns,
			   const struct godwit_publish_ack *frame);
void client_publish_timers(struct godwit_core *core, struct client_publisher *pub, uint64_t now_ns);
uint64_t client_publish_due(const struct client_publisher *pub, uint64_t now_ns);
size_t client_publish_output(struct godwit_core *core, struct client_publisher *pub,
			     uint64_t now_ns, uint8_t *buffer, size_t size);

// The largest payload that fits both the stream and one datagram.
uint32_t client_publisher_payload_max(const struct godwit_core *core,
				      const struct client_publisher *pub);

// Numbers begin after `last`; nothing is kept.
void client_publisher_restart(struct client_publisher *pub, uint64_t last);

#endif
