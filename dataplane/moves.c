// SPDX-License-Identifier: BSD-3-Clause
//
// Moves, part: offers to clients of other servers, from TAKE to the answer.
#include "dataplane/moves.h"

#include <errno.h>
#include <stdlib.h>

#include "dataplane/stages.h"

#define BURST_BUDGET 128 // offers looked at in one turn

uint32_t moves_offers(uint32_t clients_max)
{
	if (clients_max < MOVES_OFFERS_MIN)
		return MOVES_OFFERS_MIN;
	return clients_max < MOVES_OFFERS_MAX ? clients_max : MOVES_OFFERS_MAX;
}

int moves_create(struct moves *moves, uint32_t offers)
{
	*moves = (struct moves){.offer_free = offers > 0 ? 0 : NONE};
	for (uint32_t i = 0; i < MOVES_LISTS; i++)
		moves->lists[i] = (struct moves_ends){NONE, NONE};
	moves->offers = calloc(offers, sizeof(*moves->offers));
	if (moves->offers == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < offers; i++)
		moves->offers[i].next = i + 1 < offers ? i + 1 : NONE;
	return 0;
}

void moves_destroy(struct moves *moves)
{
	free(moves->offers);
}

// ---- what control is told ----------------------------------------------------------------------

static void refuse(struct core *core, const struct core_command *command, enum godwit_code code,
		   uint64_t instance)
{
	COUNT(core, offers_refused, 1);
	core_notify(core, CORE_NOTICE_OFFER_REFUSED,
		    (struct core_notice){.client = command->client,
					 .instance = instance,
					 .subscription = command->subscription,
					 .cursor_epoch = command->cursor_epoch,
					 .code = (uint16_t)code});
}

// ---- the lists of offers -----------------------------------------------------------------------

static void list_add(struct core *core, struct offer *offer, enum moves_list list,
		     uint64_t after_ns)
{
	struct moves *moves = &core->moves;
	struct moves_ends *ends = &moves->lists[list];
	uint32_t index = (uint32_t)(offer - moves->offers);

	offer->list = (uint8_t)list;
	offer->due_ns = core->now_ns + after_ns;
	offer->next = NONE;
	offer->before = ends->tail;
	if (ends->tail == NONE)
		ends->head = index;
	else
		moves->offers[ends->tail].next = index;
	ends->tail = index;
}

static void list_remove(struct moves *moves, struct offer *offer)
{
	struct moves_ends *ends = &moves->lists[offer->list];

	if (offer->before == NONE)
		ends->head = offer->next;
	else
		moves->offers[offer->before].next = offer->next;
	if (offer->next == NONE)
		ends->tail = offer->before;
	else
		moves->offers[offer->next].before = offer->before;
}

static struct offer *offer_find(struct core *core, const struct client *client,
				uint32_t subscription)
{
	for (uint32_t i = client->offers; i != NONE; i = core->moves.offers[i].next_of_client)
		if (core->moves.offers[i].subscription == subscription)
			return &core->moves.offers[i];
	return NULL;
}

// It is answered or over.
static void offer_leave(struct core *core, struct offer *offer)
{
	struct moves *moves = &core->moves;
	struct client *client = &core->clients[offer->client];
	uint32_t *link = &client->offers;

	while (&moves->offers[*link] != offer)
		link = &moves->offers[*link].next_of_client;
	*link = offer->next_of_client;
	list_remove(moves, offer);
	offer->next = moves->offer_free;
	moves->offer_free = (uint32_t)(offer - moves->offers);
	moves->offer_count--;
}

// A client that was only offered a home has none any more.
static void leave_if_last(struct core *core, struct client *client)
{
	if (client->offered && client->offers == NONE)
		client_close(core, client, GODWIT_LAPSED);
}

void moves_forget(struct core *core, const struct client *client)
{
	while (client->offers != NONE)
		offer_leave(core, &core->moves.offers[client->offers]);
}

// ---- offers ------------------------------------------------------------------------------------

static uint64_t half_ns(const struct core *core)
{
	return core->server->interval_ms * 500000ull;
}

// And into the list of what came of it. Returns what the port said.
static enum tx_verdict send_take(struct core *core, struct offer *offer)
{
	uint64_t begun_ns = offer->until_ns - core->server->lapse_ms * 1000000ull;
	struct client *client = &core->clients[offer->client];
	struct godwit_take take = {
		.frame = {.version = GODWIT_VERSION,
			  .type = GODWIT_TAKE,
			  .flags = godwit_be16(offer->by_home ? GODWIT_FLAG_BY_HOME : 0)},
		.tag = godwit_be64(offer->tag),
		.cursor_epoch = godwit_be64(offer->cursor_epoch),
		.handle = godwit_be64(client->handle),
		.key = godwit_be64(client->key),
		.server = godwit_be16(core->server->id),
		.reason = godwit_be16(offer->reason),
	};
	enum tx_verdict verdict;

	verdict = core_try_send(core, client, &take, sizeof(take));
	if (verdict == TX_OK) {
		offer->takes++;
		COUNT(core, takes, 1);
	} else {
		COUNT(core, takes_unsent, 1);
		if (core->now_ns - begun_ns < half_ns(core)) {
			list_add(core, offer, MOVES_UNSENT, MOVES_UNSENT_NS);
			return verdict;
		}
	}
	if (offer->takes == 1 && half_ns(core) > MOVES_ONCE_NS)
		list_add(core, offer, MOVES_ONCE, MOVES_ONCE_NS);
	else
		list_add(core, offer, MOVES_SENT, half_ns(core));
	return verdict;
}

// The slot under which the offer is made; NULL: refused, and control was told.
static struct client *offer_client(struct core *core, const struct core_command *command)
{
	struct client *client = client_find(core, command->client);
	uint64_t tag = command->connection != 0 ? command->connection : command->tag;
	uint64_t silent_ns =
		(uint64_t)core->server->interval_ms * core->server->multiplier * 1000000;

	if (client != NULL && command->instance < client->instance) {
		refuse(core, command, GODWIT_FENCED, client->instance);
		return NULL;
	}
	if (client != NULL && command->instance > client->instance) {
		if (!client->offered)
			client_error(core, client, GODWIT_FENCED, 0, command->instance);
		COUNT(core, clients_fenced, 1);
		client_close(core, client, GODWIT_FENCED);
		client = NULL;
	}
	// Of two addresses the one that was heard lately is right.
	if (client != NULL && !godwit_address_equal(&client->route.to, &command->address) &&
	    (client->offered || core->now_ns - client->heard_ns >= silent_ns)) {
		client_close(core, client, GODWIT_REPLACED);
		client = NULL;
	}
	if (client == NULL && !core->stopping)
		client = client_open_offered(core, command->client, command->instance, tag,
					     &command->address);
	if (client == NULL)
		refuse(core, command, core->stopping ? GODWIT_SHUTDOWN : GODWIT_LIMIT, 0);
	return client;
}

static struct offer *offer_add(struct core *core, struct client *client, uint32_t subscription)
{
	struct moves *moves = &core->moves;
	uint32_t index = moves->offer_free;
	struct offer *offer;

	assert(index != NONE);
	offer = &moves->offers[index];
	moves->offer_free = offer->next;
	moves->offer_count++;
	*offer = (struct offer){
		.client = client->index,
		.subscription = subscription,
		.next_of_client = client->offers,
	};
	client->offers = index;
	return offer;
}

// Control takes an offer back: nothing more is sent for it.
static void offer_withdraw(struct core *core, const struct core_command *command)
{
	struct client *client = client_find(core, command->client);
	struct offer *offer = client != NULL ? offer_find(core, client, command->subscription) :
					       NULL;

	if (offer == NULL)
		return;
	COUNT(core, offers_withdrawn, 1);
	offer_leave(core, offer);
	leave_if_last(core, client);
}

void moves_offer(struct core *core, const struct core_command *command)
{
	struct client *client;
	struct subscription *s;
	struct offer *offer;

	if (command->cursor_epoch == 0) {
		offer_withdraw(core, command);
		return;
	}
	// What the client answers finds this core wherever it arrives, but nothing leaves from here.
	if (!core->sends || core->moves.offer_free == NONE) {
		refuse(core, command, GODWIT_LIMIT, 0);
		return;
	}
	client = offer_client(core, command);
	if (client == NULL)
		return;
	s = subscription_find(core, client, command->subscription);
	if (s != NULL && s->cursor_epoch >= command->cursor_epoch) {
		refuse(core, command, GODWIT_REPLACED, 0); // it is here already
		return;
	}
	offer = offer_find(core, client, command->subscription);
	if (offer != NULL && offer->cursor_epoch >= command->cursor_epoch)
		return; // a repeat
	if (offer != NULL)
		offer_leave(core, offer);
	offer = offer_add(core, client, command->subscription);
	offer->tag = command->tag;
	offer->cursor_epoch = command->cursor_epoch;
	offer->by_home = command->by_home;
	offer->reason = (uint8_t)command->reason;
	offer->until_ns = core->now_ns + core->server->lapse_ms * 1000000ull;
	COUNT(core, offers, 1);
	send_take(core, offer);
}

// False: a TAKE of it was due, and its port is full.
static bool offer_look(struct core *core, struct offer *offer)
{
	struct client *client = &core->clients[offer->client];

	if (core->now_ns >= offer->until_ns) {
		COUNT(core, offers_expired, 1);
		offer_leave(core, offer);
		leave_if_last(core, client);
		return true;
	}
	list_remove(&core->moves, offer);
	if (!offer->held && offer->takes < MOVES_TAKES)
		return send_take(core, offer) != TX_FULL;
	list_add(core, offer, MOVES_SENT, half_ns(core));
	return true;
}

uint32_t moves_burst(struct core *core)
{
	struct moves *moves = &core->moves;
	uint32_t n = 0;

	// What could not be sent is last: it is due each millisecond, and all of it together is more than a turn's.
	for (uint32_t list = 0; list < MOVES_LISTS; list++)
		while (n < BURST_BUDGET && moves->lists[list].head != NONE &&
		       core->now_ns >= moves->offers[moves->lists[list].head].due_ns) {
			n++;
			// Of those that found no room one a turn finds out whether there is some now.
			if (!offer_look(core, &moves->offers[moves->lists[list].head]) &&
			    list == MOVES_UNSENT)
				break;
		}
	return n;
}

uint64_t moves_take(struct core *core, struct client *client, uint32_t subscription,
		    uint64_t offer_epoch)
{
	struct offer *offer = offer_find(core, client, subscription);
	uint64_t taken = 0;

	if (offer != NULL && offer->cursor_epoch == offer_epoch) {
		COUNT(core, offers_taken, 1);
		taken = offer_epoch;
	} else if (offer_epoch != 0) {
		COUNT(core, offers_unknown, 1); // an ordinary RESUME
	}
	if (offer != NULL)
		offer_leave(core, offer);
	return taken;
}

void moves_answer(struct core *core, struct client *client, const struct godwit_ack_entry *entry)
{
	uint32_t number = godwit_get32(entry->subscription);
	bool kept = (godwit_get16(entry->flags) & GODWIT_ACK_KEEP) != 0;
	struct offer *offer = offer_find(core, client, number);
	struct core_notice notice = {
		.client = client->id,
		.instance = client->instance,
		.handle = client->handle,
		.subscription = number,
		.cursor_epoch = godwit_get64(entry->cursor_epoch),
	};

	if (offer == NULL) {
		COUNT(core, offers_unknown, 1);
		return;
	}
	if (offer->held && !kept) // said again
		return;
	if (!moves_may_notify(core))
		return; // it is asked again, and says it again
	core_notify(core, kept ? CORE_NOTICE_OFFER_KEPT : CORE_NOTICE_OFFER_HELD, notice);
	if (!kept) {
		COUNT(core, offers_held, 1);
		offer->held = true;
		return;
	}
	COUNT(core, offers_kept, 1);
	offer_leave(core, offer);
	leave_if_last(core, client);
}
