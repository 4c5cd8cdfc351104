// SPDX-License-Identifier: BSD-3-Clause
//
// What the files of the protocol core share: its nouns and who acts on them.
//
//	core.c          create, destroy; each datagram to its noun; the next datagram and event
//	link.c          one server: HELLO .. WELCOME, silence, the way to the next one of the list
//	subscription.c  the application's calls, and the requests SUBSCRIBE, RESUME, UNSUBSCRIBE
//	answer.c        what a server says about a subscription: SUBSCRIBED, ENDED, ERROR
//	receive.c       DATA and HEARTBEAT: order, coverage, which gaps to ask for and when
//	pull.c          the application takes a message: marks, the edge, when to acknowledge
//	ack.c           ACK frames
//	topic.c         topic requests
//	publisher.c     numbers, buffer, the application's calls and events
//	publisher_open.c  an instance: opened, continued, in doubt
//	publish.c       PUBLISH frames, PUBLISH_ACK, going back
//	stash.c         slots of received datagrams
//
// A request of any kind repeats until it is answered (client_retry). Nothing here waits: each noun
// says when it next has something to send (_due), and writes it when asked (_output).
//
// common.h has the times and the small helpers; subscription.h and publisher.h have those nouns.
//
// Owner: the caller's one thread. Time is an argument everywhere.
#ifndef CLIENT_CORE_H
#define CLIENT_CORE_H

#include <godwit/client.h>

#include "client/common.h"
#include "client/publisher.h"
#include "client/random.h"
#include "client/stash.h"
#include "client/subscription.h"

// ---- one server ---------------------------------------------------------------------------------

enum client_link_state {
	CLIENT_LINK_DOWN = 0,
	CLIENT_LINK_HELLO, // HELLO repeats until COOKIE
	CLIENT_LINK_PROOF, // HELLO_PROOF repeats until WELCOME
	CLIENT_LINK_UP,
};

struct client_link {
	struct godwit_address address;
	enum client_link_state state;
	uint32_t request; // of the HELLO
	uint32_t tries;	  // of the frame that repeats
	uint64_t tag;	  // connection tag
	uint64_t nonce;
	struct godwit_be64 cookie_time;
	uint8_t cookie_mac[GODWIT_MAC_BYTES];
	struct client_retry retry;
	// from WELCOME
	uint64_t handle;
	uint64_t key;
	uint64_t incarnation;
	uint64_t interval_ns;
	uint64_t silence_ns; // without a frame for so long: dead
	uint16_t datagram;   // largest that it takes
	uint64_t heard_ns;
	uint64_t keepalive_ns; // when the next is due
	bool keepalive;	       // one is owed now
};

// ---- a topic request ----------------------------------------------------------------------------

enum client_topic_state {
	CLIENT_TOPIC_FREE = 0,
	CLIENT_TOPIC_ASKING,
	CLIENT_TOPIC_ANSWERED,
	CLIENT_TOPIC_PULLED, // its event was pulled: the name lives until the next pull
};

struct client_topic {
	enum client_topic_state state;
	uint32_t request;
	uint32_t topic;
	uint16_t code;
	bool create;
	struct client_retry retry;
	uint8_t stream[GODWIT_NAME_BYTES];
	uint8_t name[GODWIT_NAME_BYTES];
};

// ---- the core -----------------------------------------------------------------------------------

struct client_notice {
	struct godwit_event event;
	char text[GODWIT_ERROR_TEXT_MAX + 1];
};

struct godwit_core {
	uint64_t id;
	uint64_t instance;
	struct client_random random;
	uint64_t reorder_delay_ns;
	uint32_t window;
	uint16_t datagram;
	uint16_t credential_bytes;
	uint8_t credential[GODWIT_CREDENTIAL_MAX];
	bool over; // fenced
	// servers
	struct client_link links[GODWIT_SERVERS_MAX];
	uint32_t link_count;
	uint32_t current;
	uint64_t backoff_ns;
	uint64_t ran_ns; // when timers ran last
	// counters of names
	uint32_t last_request;
	uint32_t last_number;
	uint64_t last_ack;
	// an answer owed to a PROBE
	bool probe;
	struct godwit_be64 probe_nonce;
	// events of the core itself: a ring
	uint32_t notice_first;
	uint32_t notice_count;
	bool publisher_news; // a publisher may have something to say
	uint32_t topic_news; // topics answered
	// subscriptions with something to pull
	uint64_t ready_slots;
	uint32_t over_count;
	uint32_t turn;		  // subscription to pull from first
	struct client_slot *held; // slot of the message pulled last, or NULL
	bool held_loose;	  // it is in no list any more
	struct client_topic *topic_held;
	struct client_pool pool;
	struct godwit_core_stats stats;
	uint16_t subscription_max;
	uint16_t publisher_max;
	struct client_subscription *subscriptions;
	struct client_publisher *publishers;
	struct client_topic topics[CLIENT_TOPICS];
	struct client_notice notices[CLIENT_NOTICES];
	char notice_text[GODWIT_ERROR_TEXT_MAX + 1]; // of the notice pulled last
};

// ---- small things -------------------------------------------------------------------------------

static inline struct client_link *client_current(struct godwit_core *core)
{
	return &core->links[core->current];
}

static inline bool client_is_up(const struct godwit_core *core)
{
	return core->links[core->current].state == CLIENT_LINK_UP;
}

// A request id: never 0, which stands for none.
static inline uint32_t client_request(struct godwit_core *core)
{
	if (++core->last_request == 0)
		core->last_request = 1;
	return core->last_request;
}

// ---- core.c -------------------------------------------------------------------------------------

// An event of the core itself, for the application to pull; text may be NULL. When too many wait
// the oldest is dropped and counted.
void client_notice(struct godwit_core *core, const struct godwit_event *event, const char *text,
		   size_t text_bytes);

// A newer process uses the id: nothing is sent any more, everything ends.
void client_fenced(struct godwit_core *core, uint64_t higher_instance);

// ---- link.c -------------------------------------------------------------------------------------

// Begins with the current server of the list after delay_ns.
void client_link_start(struct godwit_core *core, uint64_t now_ns, uint64_t delay_ns);

// Gives the current server up, says so where it was up, and begins with the next one.
void client_link_lost(struct godwit_core *core, uint64_t now_ns, enum godwit_code code);

void client_link_on_cookie(struct godwit_core *core, uint64_t now_ns,
			   const struct godwit_cookie *frame);
void client_link_on_welcome(struct godwit_core *core, uint64_t now_ns,
			    const struct godwit_welcome *frame);

// The handshake was refused: the next server, after the backoff.
void client_link_refused(struct godwit_core *core, uint64_t now_ns);

void client_link_timers(struct godwit_core *core, uint64_t now_ns);
uint64_t client_link_due(const struct godwit_core *core);
size_t client_link_output(struct godwit_core *core, uint64_t now_ns, uint8_t *buffer);

// ---- ack.c --------------------------------------------------------------------------------------

size_t client_ack_output(struct godwit_core *core, uint64_t now_ns, uint8_t *buffer);

// ---- topic.c ------------------------------------------------------------------------------------

void client_topic_on_number(struct godwit_core *core, const struct godwit_topic_number *frame);
bool client_topic_error(struct godwit_core *core, const struct godwit_error *frame);
void client_topic_on_welcome(struct godwit_core *core, uint64_t now_ns);
uint64_t client_topic_due(const struct godwit_core *core);
size_t client_topic_output(struct godwit_core *core, uint64_t now_ns, uint8_t *buffer);
bool client_topic_event(struct godwit_core *core, struct godwit_event *event);

#endif
