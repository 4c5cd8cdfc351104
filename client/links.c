// SPDX-License-Identifier: BSD-3-Clause
//
// The list of servers. Each is in one of three roles: used (a subscription lives or is asked for
// there, a publisher or topic request goes there, or it is the one for what comes next), kept warm
// (one at most), or of no use, and then it is let lapse.
#include "client/core.h"

#include <godwit/wire_walk.h>

// ---- the list -----------------------------------------------------------------------------------

struct client_link *client_links_find(struct godwit_core *core,
				      const struct godwit_address *address)
{
	for (uint32_t i = 0; i < core->link_count; i++)
		if (godwit_address_equal(&core->links[i].address, address))
			return &core->links[i];
	return NULL;
}

static struct godwit_address links_address(const struct godwit_server_entry *entry)
{
	struct godwit_address address = {.port = godwit_get16(entry->port)};

	memcpy(address.ip, entry->ip, sizeof(address.ip));
	return address;
}

struct client_link *client_links_named(struct godwit_core *core,
				       const struct godwit_server_entry *entry)
{
	struct godwit_address address = links_address(entry);

	return client_links_find(core, &address);
}

void client_links_learn(struct godwit_core *core, const struct godwit_welcome *frame)
{
	const struct godwit_server_entry *entries = godwit_welcome_servers(frame);
	uint32_t count = godwit_get16(frame->frame.count);
	static const uint8_t unspecified[16];

	for (uint32_t i = 0; i < count; i++) {
		struct godwit_address address = links_address(&entries[i]);
		struct client_link *link = client_links_find(core, &address);

		if (address.port == 0 || memcmp(address.ip, unspecified, 16) == 0 ||
		    (godwit_address_is_v4(&address) && godwit_address_ip4(&address) == 0) ||
		    (link == NULL && core->link_count == GODWIT_SERVERS_MAX))
			continue;
		if (link == NULL) {
			link = &core->links[core->link_count++];
			link->address = address;
			client_link_down(link);
			core->is_unsettled = true;
		}
		link->takes_none = godwit_get16(entries[i].weight) == 0;
	}
}

struct client_link *client_links_next(struct godwit_core *core, const struct client_link *link)
{
	uint32_t next = (uint32_t)(link - core->links) + 1;

	return &core->links[next < core->link_count ? next : 0];
}

// Which of two is the better one to turn to. One that takes none is turned to when all others have failed.
static uint32_t links_rank(const struct client_link *link)
{
	return 4 * client_is_up(link) + 2 * !link->has_failed + !link->takes_none;
}

static void links_round(struct godwit_core *core)
{
	for (uint32_t i = 0; i < core->link_count; i++)
		core->links[i].has_failed = false;
}

// It failed; when all have, the round begins anew.
static void links_note_failed(struct godwit_core *core, struct client_link *link)
{
	link->has_failed = true;
	for (uint32_t i = 0; i < core->link_count; i++)
		if (!core->links[i].has_failed)
			return;
	links_round(core);
}

struct client_link *client_links_after(struct godwit_core *core, const struct client_link *link)
{
	struct client_link *next = client_links_next(core, link), *best = next;

	for (; next != link; next = client_links_next(core, next))
		if (links_rank(next) > links_rank(best))
			best = next;
	return best;
}

// ---- who uses what ------------------------------------------------------------------------------

static uint32_t links_bit(const struct godwit_core *core, const struct client_link *link)
{
	return 1u << (link - core->links);
}

static_assert(GODWIT_SERVERS_MAX <= 32, "one bit each");

static uint32_t links_used(const struct godwit_core *core)
{
	uint32_t used = 0;

	for (uint32_t i = 0; i < core->subscription_max; i++) {
		const struct client_subscription *sub = &core->subscriptions[i];

		if (sub->state == CLIENT_SUBSCRIPTION_FREE ||
		    sub->state == CLIENT_SUBSCRIPTION_OVER)
			continue;
		used |= links_bit(core, sub->target);
		if (sub->is_served)
			used |= links_bit(core, sub->home);
	}
	for (uint32_t i = 0; i < core->publisher_max; i++)
		if (core->publishers[i].state == CLIENT_PUBLISHER_OPENING ||
		    core->publishers[i].state == CLIENT_PUBLISHER_OPEN)
			used |= links_bit(core, core->publishers[i].link);
	for (uint32_t i = 0; i < CLIENT_TOPICS; i++)
		if (core->topics[i].state == CLIENT_TOPIC_ASKING)
			used |= links_bit(core, core->topics[i].link);
	return used;
}

static void links_say(struct godwit_core *core, struct client_link *link)
{
	if (link->is_said)
		return;
	link->is_said = true;
	client_notice(core,
		      &(struct godwit_event){
			      .kind = GODWIT_EVENT_CONNECTED,
			      .server = link->address,
			      .instance = link->incarnation,
		      },
		      NULL, 0);
}

void client_links_use(struct godwit_core *core, struct client_link *link, uint64_t now_ns)
{
	core->is_unsettled = true;
	if (core->warm == link) {
		// What is on its way goes first, and a storm is not made worse.
		core->warm = NULL;
		core->warm_ns = now_ns + client_random_jitter(&core->random, CLIENT_WARM_NS);
	}
	if (client_is_up(link))
		links_say(core, link);
	else if (link->state == CLIENT_LINK_DOWN)
		client_link_start(core, link, now_ns, 0);
}

void client_links_up(struct godwit_core *core, struct client_link *link, uint64_t now_ns)
{
	core->is_unsettled = true;
	if (link == core->warm) {
		core->warm_backoff_ns = CLIENT_BACKOFF_NS;
		return;
	}
	core->backoff_ns = CLIENT_BACKOFF_NS;
	links_round(core);
	links_say(core, link);
	for (uint32_t i = 0; i < core->subscription_max; i++)
		client_move_on_up(core, &core->subscriptions[i], link, now_ns);
	for (uint32_t i = 0; i < core->publisher_max; i++)
		client_publisher_on_up(core, &core->publishers[i], link, now_ns);
	client_topic_on_up(core, link, now_ns);
}

// ---- loss ---------------------------------------------------------------------------------------

// Jittered, so that the clients of a dead server do not come to the next one in one moment.
static uint64_t links_backoff(struct godwit_core *core, uint64_t *backoff_ns)
{
	uint64_t delay_ns = client_random_jitter(&core->random, *backoff_ns);

	*backoff_ns = client_min(2 * *backoff_ns, CLIENT_BACKOFF_MAX_NS);
	return delay_ns;
}

static void links_warm_lost(struct godwit_core *core, struct client_link *link, uint64_t now_ns)
{
	core->stats.warm_losses++;
	client_link_down(link);
	core->warm = NULL;
	core->warm_after = link;
	core->warm_ns = now_ns + links_backoff(core, &core->warm_backoff_ns);
}

// Who used it turns to the next.
static void links_turn(struct godwit_core *core, struct client_link *link, uint64_t now_ns,
		       enum godwit_code code)
{
	struct client_link *next;

	links_note_failed(core, link);
	next = client_links_after(core, link);
	core->is_unsettled = true;
	if (next->state == CLIENT_LINK_DOWN)
		client_link_start(core, next, now_ns, links_backoff(core, &core->backoff_ns));
	if (core->home == link) {
		core->home = next;
		client_links_use(core, next, now_ns);
	}
	for (uint32_t i = 0; i < core->subscription_max; i++)
		client_move_on_lost(core, &core->subscriptions[i], link, next, now_ns, code);
	for (uint32_t i = 0; i < core->publisher_max; i++)
		client_publisher_on_lost(core, &core->publishers[i], link, next, now_ns);
	client_topic_on_lost(core, link, next, now_ns);
}

void client_links_lost(struct godwit_core *core, struct client_link *link, uint64_t now_ns,
		       enum godwit_code code)
{
	if (link == core->warm) {
		links_warm_lost(core, link, now_ns);
		return;
	}
	core->stats.disconnects++;
	client_notice(core,
		      &(struct godwit_event){
			      .kind = GODWIT_EVENT_DISCONNECTED,
			      .server = link->address,
			      .instance = link->incarnation,
			      .code = (uint16_t)code,
		      },
		      NULL, 0);
	client_link_down(link);
	links_turn(core, link, now_ns, code);
}

void client_links_failed(struct godwit_core *core, struct client_link *link, uint64_t now_ns)
{
	if (link == core->warm) {
		links_warm_lost(core, link, now_ns);
		return;
	}
	client_link_down(link);
	links_turn(core, link, now_ns, GODWIT_OK);
}

// ---- the one kept warm --------------------------------------------------------------------------

static bool links_wants_warm(const struct godwit_core *core)
{
	return !core->is_single && core->warm == NULL && core->link_count > 1 &&
	       client_is_up(core->home);
}

// The next of the list that nobody uses, rather one that takes clients; NULL: all are used.
static struct client_link *links_spare(struct godwit_core *core, uint32_t used)
{
	struct client_link *link = core->warm_after != NULL ? core->warm_after : core->home;
	struct client_link *spare = NULL;

	for (uint32_t i = 0; i < core->link_count; i++) {
		link = client_links_next(core, link);
		if ((used & links_bit(core, link)) != 0)
			continue;
		if (!link->takes_none)
			return link;
		if (spare == NULL)
			spare = link;
	}
	return spare;
}

// What comes next goes where something is already.
static uint32_t links_settle_home(struct godwit_core *core)
{
	uint32_t used = links_used(core);

	if (used != 0 && (used & links_bit(core, core->home)) == 0)
		while ((used & links_bit(core, core->home)) == 0)
			core->home = client_links_next(core, core->home);
	return used | links_bit(core, core->home);
}

static void links_settle(struct godwit_core *core, uint64_t now_ns)
{
	uint32_t used = links_settle_home(core);

	core->is_unsettled = false;
	for (uint32_t i = 0; i < core->link_count; i++) {
		struct client_link *link = &core->links[i];

		if ((used & links_bit(core, link)) != 0 || link == core->warm ||
		    link->state == CLIENT_LINK_DOWN)
			continue;
		// Of no use any more; but one that is up already is as good as the next.
		if (client_is_up(link) && links_wants_warm(core)) {
			core->warm = link;
			link->is_said = false;
		} else {
			client_link_down(link);
		}
	}
	if (!links_wants_warm(core) || now_ns < core->warm_ns)
		return;
	core->warm = links_spare(core, used);
	core->warm_after = NULL;
	if (core->warm != NULL)
		client_link_start(core, core->warm, now_ns, 0);
	else
		core->warm_ns = CLIENT_NEVER; // until something changes
}

void client_links_timers(struct godwit_core *core, uint64_t now_ns)
{
	uint64_t away_ns = now_ns - client_min(core->ran_ns, now_ns);

	core->ran_ns = now_ns;
	for (uint32_t i = 0; i < core->link_count; i++)
		client_link_timers(core, &core->links[i], now_ns, away_ns);
	if (core->is_unsettled && core->warm_ns == CLIENT_NEVER)
		core->warm_ns = now_ns;
	if (core->is_unsettled || now_ns >= core->warm_ns)
		links_settle(core, now_ns);
}

uint64_t client_links_due(const struct godwit_core *core)
{
	uint64_t due_ns = links_wants_warm(core) ? core->warm_ns : CLIENT_NEVER;

	for (uint32_t i = 0; i < core->link_count; i++)
		due_ns = client_min(due_ns, client_link_due(&core->links[i]));
	return due_ns;
}
