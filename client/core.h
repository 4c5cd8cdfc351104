// SPDX-License-Identifier: BSD-3-Clause
//
// What the files of the protocol core share: its nouns and who acts on them.
//
//	core.c          create, destroy; the next datagram and event
//	input.c         each datagram to its noun
//	link.c          one server: HELLO .. WELCOME, keep-alive, silence, PROBE
//	links.c         the list of servers: which are used, which is kept warm, who goes where
//	subscription.c  the application's calls, and the requests SUBSCRIBE, RESUME, UNSUBSCRIBE
//	answer.c        SUBSCRIBED: where the history known and the one given part
//	ended.c         what else a server says about a subscription: ENDED, ERROR
//	move.c          a subscription changes its server: loss, MIGRATE, its own patience
//	offer.c         TAKE: accepted, held, refused
//	redirect.c      REDIRECT: a request goes to the server that it names
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
	bool is_said;	 // CONNECTED was said of it
	bool has_failed; // in this round of turning to one after another
	bool takes_none; // its weight was 0 in the last WELCOME that named it: only where no other is left
	uint32_t request; // of the HELLO
	uint32_t tries;	  // of the frame that repeats
	uint64_t tag;	  // connection tag
	uint64_t also_tag; // the one before, where a TAKE changed it, or what a home's core speaks under; 0: none
	uint64_t nonce;
	struct godwit_be64 cookie_time;
	uint8_t cookie_mac[GODWIT_MAC_BYTES];
	struct client_retry retry;
	// from WELCOME, or from TAKE
	uint64_t handle;
	uint64_t key;
	uint64_t proved_handle,
		proved_key;   // of before an offer, until that is answered; 0: no offer is open
	uint64_t incarnation; // 0: not known
	uint64_t interval_ns;
	uint64_t silence_ns; // without a frame for so long: dead
	uint16_t datagram;   // largest that it takes
	uint64_t heard_ns;
	uint64_t keepalive_ns; // when the next is due
	bool keepalive;	       // one is owed now
	// whether it hears us: the oldest ACK that no heartbeat has echoed yet
	uint64_t last_ack;
	uint64_t unheard; // its number; 0: none
	uint64_t unheard_ns;
	// an answer owed to a PROBE
	bool probe;
	struct godwit_be64 probe_tag;
	struct godwit_be64 probe_nonce;
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
	uint32_t number;  // the application's: the first request
	uint32_t request; // on the wire
	uint32_t topic;
	uint16_t code;
	bool create;
	struct client_link *link; // the server that is asked
	struct client_retry retry;
	struct client_retry redirect; // when the next REDIRECT is followed
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
	bool is_single;
	bool is_unsettled;		// who uses which server has changed
	struct client_link *home;	// the one for what comes next
	struct client_link *warm;	// kept up for the case that a home dies; NULL: none
	struct client_link *warm_after; // where the search for one goes on
	uint64_t warm_ns;		// when
	uint64_t warm_backoff_ns;
	uint64_t backoff_ns;
	uint64_t ran_ns;	// when timers ran last
	struct client_link *to; // who gets the datagram that is being written
	// counters of names
	uint32_t last_request;
	uint32_t last_number;
	uint64_t last_ack;
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

static inline bool client_is_up(const struct client_link *link)
{
	return link->state == CLIENT_LINK_UP;
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

// Begins with HELLO after delay_ns, under new names.
void client_link_start(struct godwit_core *core, struct client_link *link, uint64_t now_ns,
		       uint64_t delay_ns);

// Lets it be: nothing is sent to it any more.
void client_link_down(struct client_link *link);
// The server answers under the handle that it offered, or nothing came of the offer: its handle went back with it.
void client_link_offer_answered(struct client_link *link, uint64_t handle);
void client_link_offer_over(struct client_link *link);

// UP without a HELLO: under the handle and key of an offer, the tag of the connection that it
// continues and the times of that one (like). One that is up already goes on under these, and hears
// the tag that it had, too; under the same handle nothing else changes.
void client_link_adopt(struct godwit_core *core, struct client_link *link,
		       const struct client_link *like, uint64_t now_ns,
		       const struct client_offer *offer, uint64_t tag);

void client_link_on_cookie(struct godwit_core *core, struct client_link *link, uint64_t now_ns,
			   const struct godwit_cookie *frame);
void client_link_on_welcome(struct godwit_core *core, struct client_link *link, uint64_t now_ns,
			    const struct godwit_welcome *frame);

// A PROBE with the tag of any connection that is up is answered to its sender. False: no such tag.
bool client_link_on_probe(struct godwit_core *core, struct client_link *link, uint64_t now_ns,
			  const struct godwit_probe *frame);

// An ACK of this number goes to it; a heartbeat echoes one.
void client_link_sent_ack(struct client_link *link, uint64_t now_ns, uint64_t number);
void client_link_on_echo(struct client_link *link, uint64_t now_ns, uint64_t number);

// It is heard, but does not hear us: an ACK older than two intervals is not echoed.
bool client_link_is_deaf(const struct client_link *link, uint64_t now_ns);

void client_link_timers(struct godwit_core *core, struct client_link *link, uint64_t now_ns,
			uint64_t away_ns);
uint64_t client_link_due(const struct client_link *link);
size_t client_link_output(struct godwit_core *core, struct client_link *link, uint64_t now_ns,
			  uint8_t *buffer);

// ---- links.c ------------------------------------------------------------------------------------

// The server of this address; NULL: not in the list.
struct client_link *client_links_find(struct godwit_core *core,
				      const struct godwit_address *address);
struct client_link *client_links_named(struct godwit_core *core,
				       const struct godwit_server_entry *entry);

// The next of the list after it.
struct client_link *client_links_next(struct godwit_core *core, const struct client_link *link);

// The one to turn to when it is lost: the next that is up, else the next of the list; each time rather one that
// takes clients. Where none is up each has its turn before one has it again.
struct client_link *client_links_after(struct godwit_core *core, const struct client_link *link);

// Somebody uses it from now on: it is connected to, if it is not yet.
void client_links_use(struct godwit_core *core, struct client_link *link, uint64_t now_ns);

// The servers that WELCOME names follow those of the options.
void client_links_learn(struct godwit_core *core, const struct godwit_welcome *frame);

// It came up: who waits for it begins.
void client_links_up(struct godwit_core *core, struct client_link *link, uint64_t now_ns);

// It was up, and is given up: who used it turns to another. The same where it refused the handshake
// or did not answer it.
void client_links_lost(struct godwit_core *core, struct client_link *link, uint64_t now_ns,
		       enum godwit_code code);
void client_links_failed(struct godwit_core *core, struct client_link *link, uint64_t now_ns);

void client_links_timers(struct godwit_core *core, uint64_t now_ns);
uint64_t client_links_due(const struct godwit_core *core);

// ---- redirect.c ---------------------------------------------------------------------------------

void client_redirect(struct godwit_core *core, struct client_link *link, uint64_t now_ns,
		     const struct godwit_redirect *frame);

// Another server is to be asked: how long to wait before. The first time not at all, then ever
// longer, until client_redirect_done().
uint64_t client_redirect_delay(struct godwit_core *core, struct client_retry *redirect);
static inline void client_redirect_done(struct client_retry *redirect)
{
	redirect->delay_ns = 0;
}

// ---- ack.c --------------------------------------------------------------------------------------

// What is owed to this server: the entries of the subscriptions that live there, or its keep-alive.
size_t client_ack_output(struct godwit_core *core, struct client_link *link, uint64_t now_ns,
			 uint8_t *buffer);

// What is owed to servers that are not the home: that an offer is held or refused, that they are
// the home no more.
uint64_t client_ack_aside_due(const struct client_subscription *sub);
size_t client_ack_aside(struct godwit_core *core, struct client_subscription *sub, uint64_t now_ns,
			uint8_t *buffer);

// ---- topic.c ------------------------------------------------------------------------------------

void client_topic_on_number(struct godwit_core *core, const struct godwit_topic_number *frame);
bool client_topic_error(struct godwit_core *core, uint64_t now_ns,
			const struct godwit_error *frame);

// The topic asked for under this request; NULL: none.
struct client_topic *client_topic_by_request(struct godwit_core *core, uint32_t request);

// Asks that server, no earlier than delay_ns from now.
void client_topic_ask(struct godwit_core *core, struct client_topic *topic,
		      struct client_link *link, uint64_t now_ns, uint64_t delay_ns);
void client_topic_on_up(struct godwit_core *core, struct client_link *link, uint64_t now_ns);
void client_topic_on_lost(struct godwit_core *core, struct client_link *from,
			  struct client_link *to, uint64_t now_ns);
uint64_t client_topic_due(const struct godwit_core *core);
size_t client_topic_output(struct godwit_core *core, uint64_t now_ns, uint8_t *buffer);
bool client_topic_event(struct godwit_core *core, struct godwit_event *event);

#endif
