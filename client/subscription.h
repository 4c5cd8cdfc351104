// SPDX-License-Identifier: BSD-3-Clause
//
// One subscription: what was asked for, the cursor that the server made of it, what was received
// and what the application has taken.
//
//	ASKING --SUBSCRIBED--> LIVE --server lost, lapsed, ...--> RESUMING --SUBSCRIBED--> LIVE
//	any --unsubscribe--> LEAVING --ENDED--> OVER --pulled--> FREE
//
// Its home is the server whose SUBSCRIBED it follows, its target the one that is asked. A move can
// be planned (MIGRATE, TAKE): then the home serves, and is acknowledged, until the target's
// SUBSCRIBED; if that does not come, everything stays as it was.
//
// Owner: its core.
#ifndef CLIENT_SUBSCRIPTION_H
#define CLIENT_SUBSCRIPTION_H

#include "client/common.h"
#include "client/stash.h"

struct godwit_core;
struct client_link;

// ---- a subscription -----------------------------------------------------------------------------

enum client_subscription_state {
	CLIENT_SUBSCRIPTION_FREE = 0,
	CLIENT_SUBSCRIPTION_ASKING,   // SUBSCRIBE repeats until SUBSCRIBED
	CLIENT_SUBSCRIPTION_RESUMING, // RESUME repeats until SUBSCRIBED
	CLIENT_SUBSCRIPTION_LIVE,
	CLIENT_SUBSCRIPTION_LEAVING, // UNSUBSCRIBE repeats until ENDED
	CLIENT_SUBSCRIPTION_OVER,    // what is ready can be pulled, then `ended`
};

// A TAKE that waits for the home to fall silent.
struct client_offer {
	struct client_link *link; // who offers; NULL: none
	uint64_t cursor_epoch;
	uint64_t handle;
	uint64_t key;
	uint64_t until_ns;
	uint16_t reason; // enum godwit_migration_reason
};

// An ACK entry for a server that is not the home.
struct client_aside {
	struct client_link *link;
	uint64_t handle;
	uint64_t key;
	uint64_t due_ns;  // CLIENT_NEVER: nothing is owed
	uint64_t next_ns; // no other before
	uint16_t flags;	  // of the entry
};

struct client_subscription {
	enum client_subscription_state state;
	uint32_t number;
	uint64_t tag;
	// what was asked for
	uint8_t stream[GODWIT_NAME_BYTES];
	uint8_t start;
	uint8_t policy;
	uint16_t topic_count;
	uint32_t window;
	uint64_t value;
	struct godwit_identifier after;
	// the request under way
	uint32_t request;
	uint32_t attempt; // of RESUME: grows
	struct client_retry retry;
	struct client_link *target; // the server that is asked; the home where none is
	enum godwit_move move;	    // why another server is asked
	uint16_t why;	   // what the server that asked or offered gave as its reason; 0: none did
	uint64_t asked_ns; // since when the target is asked
	uint64_t until_ns; // patience with it
	uint64_t offer_epoch; // of the TAKE accepted; 0: none
	uint64_t offer_handle;
	uint64_t offer_key;
	struct client_retry redirect; // when the next REDIRECT is followed
	struct client_offer offer;    // held
	struct client_aside answer;   // to an offer
	struct client_aside stale;    // to the home before this one, or who else sends in its stead
	// the cursor, as the last SUBSCRIBED made it
	bool begun;
	bool is_served; // by the home: LIVE, or RESUMING by plan
	bool is_halted; // nothing is taken until the answer to a RESUME that names all that was
	struct client_link *home;
	uint64_t home_tag; // of the connection there
	uint64_t heard_ns; // DATA or a heartbeat of the home
	uint64_t silence_max_ns;
	uint64_t handle;
	uint64_t key;
	uint64_t cursor_epoch;
	uint64_t highest_epoch; // seen in any frame
	uint64_t session;
	uint64_t commit;
	uint32_t feed_age_ms;
	// where the application is. Within one generation (no jump of history since) both are the
	// same; across a jump `mark` already stands at the new start, while older messages can be
	// pulled.
	struct godwit_identifier mark;	 // what is acknowledged; the edge is mark.seq + window
	uint64_t edge_floor;		 // the edge is never below it
	struct godwit_identifier pulled; // what the application saw last
	uint64_t generation;
	// reception
	uint64_t covered; // without a hole up to here
	uint64_t sent;	  // known to be sent in this cursor epoch
	struct client_list ready;
	struct client_stash stash;
	const uint8_t *at; // next record of the first ready slot; NULL: not begun
	uint32_t index;	   // its number in the slot
	uint32_t notices;  // in ready
	// gaps: holes up to nak_limit were asked for, those up to fresh_limit wait for fresh_ns
	uint64_t nak_limit;
	uint64_t fresh_limit;
	uint64_t fresh_ns;
	uint64_t repeat_ns;
	uint64_t repeat_delay_ns;
	uint64_t asked; // end of the last range asked for, where more holes are known; else 0
	// acknowledging
	uint64_t acked;
	uint64_t ack_ns;
	struct godwit_event ended;
	struct godwit_be32 topics[GODWIT_FILTER_TOPICS]; // ascending
};

static inline uint64_t client_edge(const struct client_subscription *sub)
{
	return client_max(client_add(sub->mark.seq, sub->window), sub->edge_floor);
}

// ---- subscription.c -----------------------------------------------------------------------------

struct client_subscription *client_subscription_find(const struct godwit_core *core,
						     uint32_t number);
struct client_subscription *client_subscription_by_tag(const struct godwit_core *core,
						       uint64_t tag);

// Begins a RESUME at its target, sent no earlier than delay_ns from now. Of a subscription that has
// begun.
void client_subscription_resume(struct godwit_core *core, struct client_subscription *sub,
				uint64_t now_ns, uint64_t delay_ns);

// Begins the request for it anew, under a new id: SUBSCRIBE or RESUME.
void client_subscription_again(struct godwit_core *core, struct client_subscription *sub,
			       uint64_t now_ns);

// Ends it: `ended` follows what is ready. What is not in order yet is dropped.
void client_subscription_end(struct godwit_core *core, struct client_subscription *sub,
			     const struct godwit_event *ended);
void client_subscription_end_code(struct godwit_core *core, struct client_subscription *sub,
				  uint32_t code);

uint64_t client_subscription_due(const struct client_subscription *sub);
size_t client_subscription_output(struct godwit_core *core, struct client_subscription *sub,
				  uint64_t now_ns, uint8_t *buffer);

// DATA or a heartbeat of its home came, or the answer that makes a server its home.
static inline void client_subscription_heard(struct client_subscription *sub, uint64_t now_ns)
{
	if (now_ns > sub->heard_ns && sub->begun)
		sub->silence_max_ns = client_max(sub->silence_max_ns, now_ns - sub->heard_ns);
	sub->heard_ns = now_ns;
}

// When its ACK entry is due.
uint64_t client_subscription_ack_due(const struct client_subscription *sub);

// ---- move.c -------------------------------------------------------------------------------------

// Turns to that server, no earlier than delay_ns from now. is_planned: the home serves on.
void client_move_to(struct godwit_core *core, struct client_subscription *sub,
		    struct client_link *link, uint64_t now_ns, uint64_t delay_ns,
		    enum godwit_move move, bool is_planned);

// The home stopped serving it, but may be asked to go on.
void client_move_unserved(struct client_subscription *sub);

// A planned move is given up: the home goes on.
void client_move_undo(struct godwit_core *core, struct client_subscription *sub);

// A server was given up, `to` is the one to turn to; or one came up.
void client_move_on_lost(struct godwit_core *core, struct client_subscription *sub,
			 struct client_link *link, struct client_link *to, uint64_t now_ns,
			 enum godwit_code code);
void client_move_on_up(struct godwit_core *core, struct client_subscription *sub,
		       struct client_link *link, uint64_t now_ns);

void client_move_on_migrate(struct godwit_core *core, struct client_link *link, uint64_t now_ns,
			    const struct godwit_migrate *frame);

// A frame of an epoch below ours came from there: it should hear of the new home.
void client_move_on_stale(struct client_subscription *sub, struct client_link *link,
			  uint64_t now_ns);

// The lapse time of a server, as far as its WELCOME lets it be known.
uint64_t client_move_lapse(const struct client_link *link);

void client_move_timers(struct godwit_core *core, struct client_subscription *sub, uint64_t now_ns);
uint64_t client_move_due(const struct client_subscription *sub);

// ---- offer.c ------------------------------------------------------------------------------------

void client_offer_on_take(struct godwit_core *core, struct client_link *link, uint64_t now_ns,
			  const struct godwit_take *frame);

// Accepts what is held. False: nothing is.
bool client_offer_accept_held(struct godwit_core *core, struct client_subscription *sub,
			      uint64_t now_ns);
void client_offer_timers(struct godwit_core *core, struct client_subscription *sub,
			 uint64_t now_ns);
uint64_t client_offer_due(const struct client_subscription *sub);

// ---- answer.c, ended.c --------------------------------------------------------------------------

// Whether the request under way is the one that link answers.
bool client_answer_is_awaited(const struct client_subscription *sub, const struct client_link *link,
			      uint32_t request, uint32_t attempt);

void client_answer_subscribed(struct godwit_core *core, struct client_link *link, uint64_t now_ns,
			      const struct godwit_subscribed *frame);
void client_answer_ended(struct godwit_core *core, struct client_link *link, uint64_t now_ns,
			 const struct godwit_ended *frame);

// True: the ERROR was about a subscription.
bool client_answer_error(struct godwit_core *core, struct client_link *link, uint64_t now_ns,
			 const struct godwit_error *frame);

// ---- receive.c ----------------------------------------------------------------------------------

void client_receive_data(struct godwit_core *core, struct client_link *link, uint64_t now_ns,
			 const struct godwit_data *frame, size_t length);
// Whether a heartbeat speaks of a subscription that lives at that server.
bool client_receive_is_of_home(struct godwit_core *core, const struct client_link *link,
			       const struct godwit_heartbeat *frame);
void client_receive_heartbeat(struct godwit_core *core, struct client_link *link, uint64_t now_ns,
			      const struct godwit_heartbeat *frame);

// Moves what of the stash is in order now to the ready list.
void client_receive_drain(struct godwit_core *core, struct client_subscription *sub);

// Nothing is known to be missing any more: a new cursor epoch begins.
void client_receive_restart(struct client_subscription *sub);

// The ranges to ask for now; *ranges has room for GODWIT_NAK_RANGES. Sets when to ask again.
uint32_t client_receive_naks(struct godwit_core *core, struct client_subscription *sub,
			     uint64_t now_ns, struct godwit_range *ranges);

// ---- pull.c -------------------------------------------------------------------------------------

// The subscription's next event; false: none.
bool client_pull(struct godwit_core *core, struct client_subscription *sub, uint64_t now_ns,
		 struct godwit_event *event);

// Appends to the ready list. A notice is an event in a slot.
void client_pull_append(struct godwit_core *core, struct client_subscription *sub,
			struct client_slot *slot);
void client_pull_notice(struct godwit_core *core, struct client_subscription *sub,
			struct client_slot *slot, const struct godwit_event *event);

// Passes slots without anything to deliver, so that a ready list with a head has an event.
void client_pull_settle(struct godwit_core *core, struct client_subscription *sub);

// Drops what is ready of the session above seq, notices stay; or all of it, notices too.
void client_pull_cut(struct godwit_core *core, struct client_subscription *sub, uint64_t seq);
void client_pull_drop(struct godwit_core *core, struct client_subscription *sub);

// The mark moved, or should be told: decides when to acknowledge.
void client_pull_note(struct client_subscription *sub, uint64_t now_ns);

#endif
