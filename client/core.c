// SPDX-License-Identifier: BSD-3-Clause
#include "client/core.h"

#include <errno.h>
#include <stdlib.h>

#define SUBSCRIPTIONS_DEFAULT 16
#define PUBLISHERS_DEFAULT    4
#define TABLE_MAX	      1024

static bool options_valid(const struct godwit_core_options *options)
{
	if (options->client == 0 || options->instance == 0)
		return false;
	if ((options->seed[0] | options->seed[1]) == 0)
		return false;
	if (options->servers == NULL || options->server_count == 0 ||
	    options->server_count > GODWIT_SERVERS_MAX)
		return false;
	if (options->credential_bytes > GODWIT_CREDENTIAL_MAX ||
	    (options->credential_bytes > 0 && options->credential == NULL))
		return false;
	if (options->datagram != 0 && options->datagram < GODWIT_CONTROL_BYTES)
		return false;
	return options->window <= GODWIT_WINDOW_MAX && options->subscriptions <= TABLE_MAX &&
	       options->publishers <= TABLE_MAX && options->zero == 0;
}

static void core_set(struct godwit_core *core, const struct godwit_core_options *options)
{
	core->id = options->client;
	core->instance = options->instance;
	client_random_init(&core->random, options->seed);
	core->reorder_delay_ns = options->reorder_delay_ns != 0 ? options->reorder_delay_ns :
								  CLIENT_REORDER_NS;
	core->window = options->window != 0 ? options->window : GODWIT_WINDOW_DEFAULT;
	core->datagram = options->datagram != 0 ? options->datagram : GODWIT_DATAGRAM_DEFAULT;
	core->credential_bytes = (uint16_t)options->credential_bytes;
	if (core->credential_bytes > 0)
		memcpy(core->credential, options->credential, core->credential_bytes);
	for (uint32_t i = 0; i < options->server_count; i++)
		core->links[i].address = options->servers[i];
	core->link_count = options->server_count;
	core->home = &core->links[0];
	core->is_single = options->is_single;
	core->backoff_ns = CLIENT_BACKOFF_NS;
	core->warm_backoff_ns = CLIENT_BACKOFF_NS;
	core->ran_ns = options->now_ns;
	// Requests of two cores with one client id do not look alike.
	core->last_request = (uint32_t)client_random_next(&core->random);
	client_pool_init(&core->pool, core->datagram - (uint32_t)sizeof(struct godwit_data));
}

struct godwit_core *godwit_core_create(const struct godwit_core_options *options)
{
	struct godwit_core *core;

	if (!options_valid(options)) {
		errno = EINVAL;
		return NULL;
	}
	core = calloc(1, sizeof(*core));
	if (core == NULL)
		return NULL;
	core->subscription_max = options->subscriptions != 0 ? options->subscriptions :
							       SUBSCRIPTIONS_DEFAULT;
	core->publisher_max = options->publishers != 0 ? options->publishers : PUBLISHERS_DEFAULT;
	core->subscriptions = calloc(core->subscription_max, sizeof(*core->subscriptions));
	core->publishers = calloc(core->publisher_max, sizeof(*core->publishers));
	if (core->subscriptions == NULL || core->publishers == NULL) {
		godwit_core_destroy(core);
		errno = ENOMEM;
		return NULL;
	}
	core_set(core, options);
	client_link_start(core, core->home, options->now_ns, 0);
	return core;
}

// What was pulled last is no longer looked at.
static void core_let_go(struct godwit_core *core)
{
	if (core->held_loose)
		client_pool_put(&core->pool, core->held);
	core->held = NULL;
	core->held_loose = false;
	if (core->topic_held != NULL)
		core->topic_held->state = CLIENT_TOPIC_FREE;
	core->topic_held = NULL;
}

void godwit_core_destroy(struct godwit_core *core)
{
	if (core == NULL)
		return;
	core_let_go(core);
	for (uint32_t i = 0; core->subscriptions != NULL && i < core->subscription_max; i++) {
		client_pull_drop(core, &core->subscriptions[i]);
		client_stash_cut(&core->subscriptions[i].stash, &core->pool, 0);
	}
	for (uint32_t i = 0; core->publishers != NULL && i < core->publisher_max; i++)
		client_publisher_free(&core->publishers[i]);
	client_pool_fini(&core->pool);
	free(core->subscriptions);
	free(core->publishers);
	free(core);
}

const struct godwit_core_stats *godwit_core_stats(const struct godwit_core *core)
{
	return &core->stats;
}

// ---- events of the core itself ------------------------------------------------------------------

void client_notice(struct godwit_core *core, const struct godwit_event *event, const char *text,
		   size_t text_bytes)
{
	struct client_notice *notice;

	if (core->notice_count == CLIENT_NOTICES) {
		core->notice_first = (core->notice_first + 1) % CLIENT_NOTICES;
		core->notice_count--;
		core->stats.events_lost++;
	}
	notice = &core->notices[(core->notice_first + core->notice_count) % CLIENT_NOTICES];
	core->notice_count++;
	notice->event = *event;
	if (text_bytes > GODWIT_ERROR_TEXT_MAX)
		text_bytes = GODWIT_ERROR_TEXT_MAX;
	if (text_bytes > 0)
		memcpy(notice->text, text, text_bytes);
	notice->text[text_bytes] = '\0';
}

void client_fenced(struct godwit_core *core, uint64_t higher_instance)
{
	if (core->over)
		return;
	core->over = true;
	for (uint32_t i = 0; i < core->link_count; i++)
		client_link_down(&core->links[i]);
	client_notice(core,
		      &(struct godwit_event){
			      .kind = GODWIT_EVENT_ERROR,
			      .code = GODWIT_FENCED,
			      .number = higher_instance,
		      },
		      NULL, 0);
	for (uint32_t i = 0; i < core->subscription_max; i++)
		client_subscription_end_code(core, &core->subscriptions[i], GODWIT_FENCED);
	for (uint32_t i = 0; i < core->publisher_max; i++)
		client_publisher_end(core, &core->publishers[i], GODWIT_FENCED, higher_instance);
}

static bool core_next_notice(struct godwit_core *core, struct godwit_event *event)
{
	struct client_notice *notice = &core->notices[core->notice_first];

	if (core->notice_count == 0)
		return false;
	// Its place may be written over before the application has read it.
	memcpy(core->notice_text, notice->text, sizeof(core->notice_text));
	*event = notice->event;
	event->text = core->notice_text;
	core->notice_first = (core->notice_first + 1) % CLIENT_NOTICES;
	core->notice_count--;
	return true;
}

bool godwit_core_ready(const struct godwit_core *core)
{
	if ((core->ready_slots | core->notice_count | core->topic_news | core->over_count) != 0)
		return true;
	return core->publisher_news && client_publisher_ready(core);
}

bool godwit_core_next(struct godwit_core *core, uint64_t now_ns, struct godwit_event *event)
{
	core_let_go(core);
	if (core->notice_count > 0 && core_next_notice(core, event))
		return true;
	if (core->topic_news > 0 && client_topic_event(core, event))
		return true;
	if (core->publisher_news && client_publisher_event(core, event))
		return true;
	if (core->ready_slots == 0 && core->over_count == 0)
		return false;
	for (uint32_t i = 0; i < core->subscription_max; i++) {
		struct client_subscription *sub = &core->subscriptions[core->turn];
		struct client_slot *slot = sub->ready.head;

		if (client_pull(core, sub, now_ns, event)) {
			// In fair turns, a datagram each.
			if (sub->ready.head != slot)
				core->turn = (core->turn + 1) % core->subscription_max;
			return true;
		}
		core->turn = (core->turn + 1) % core->subscription_max;
	}
	return false;
}

// ---- the next datagram --------------------------------------------------------------------------

static uint64_t core_due_subscription(const struct client_subscription *sub)
{
	uint64_t due_ns =
		client_min(client_subscription_due(sub), client_subscription_ack_due(sub));

	if (sub->state == CLIENT_SUBSCRIPTION_FREE || sub->state == CLIENT_SUBSCRIPTION_OVER)
		return CLIENT_NEVER;
	due_ns = client_min(due_ns, client_min(client_move_due(sub), client_offer_due(sub)));
	return client_min(due_ns, client_ack_aside_due(sub));
}

uint64_t godwit_core_due(const struct godwit_core *core, uint64_t now_ns)
{
	uint64_t due_ns = client_links_due(core);

	if (core->over)
		return CLIENT_NEVER;
	for (uint32_t i = 0; i < core->subscription_max; i++)
		due_ns = client_min(due_ns, core_due_subscription(&core->subscriptions[i]));
	for (uint32_t i = 0; i < core->publisher_max; i++)
		due_ns = client_min(due_ns, client_publish_due(&core->publishers[i], now_ns));
	return client_min(due_ns, client_topic_due(core));
}

static void core_timers(struct godwit_core *core, uint64_t now_ns)
{
	client_links_timers(core, now_ns);
	for (uint32_t i = 0; i < core->subscription_max; i++) {
		struct client_subscription *sub = &core->subscriptions[i];

		if (sub->state == CLIENT_SUBSCRIPTION_FREE ||
		    sub->state == CLIENT_SUBSCRIPTION_OVER)
			continue;
		client_offer_timers(core, sub, now_ns);
		client_move_timers(core, sub, now_ns);
	}
	for (uint32_t i = 0; i < core->publisher_max; i++)
		client_publish_timers(core, &core->publishers[i], now_ns);
}

static size_t core_write_subscription(struct godwit_core *core, struct client_subscription *sub,
				      uint64_t now_ns, uint8_t *buffer)
{
	size_t length = 0;

	if (sub->state != CLIENT_SUBSCRIPTION_FREE && sub->state != CLIENT_SUBSCRIPTION_OVER)
		length = client_subscription_output(core, sub, now_ns, buffer);
	if (length == 0)
		length = client_ack_aside(core, sub, now_ns, buffer);
	return length;
}

static size_t core_write(struct godwit_core *core, uint64_t now_ns, uint8_t *buffer, size_t size)
{
	size_t length = 0;

	for (uint32_t i = 0; i < core->link_count && length == 0; i++)
		length = client_link_output(core, &core->links[i], now_ns, buffer);
	for (uint32_t i = 0; i < core->subscription_max && length == 0; i++)
		length = core_write_subscription(core, &core->subscriptions[i], now_ns, buffer);
	for (uint32_t i = 0; i < core->link_count && length == 0; i++)
		if (client_is_up(&core->links[i]))
			length = client_ack_output(core, &core->links[i], now_ns, buffer);
	if (length == 0)
		length = client_topic_output(core, now_ns, buffer);
	for (uint32_t i = 0; i < core->publisher_max && length == 0; i++)
		length = client_publish_output(core, &core->publishers[i], now_ns, buffer, size);
	return length;
}

size_t godwit_core_output(struct godwit_core *core, uint64_t now_ns, struct godwit_address *to,
			  void *buffer, size_t size)
{
	size_t length;

	if (core->over || size < GODWIT_CONTROL_BYTES)
		return 0;
	core_timers(core, now_ns);
	length = core_write(core, now_ns, buffer, size);
	if (length > 0) {
		*to = core->to->address;
		core->stats.datagrams_out++;
	}
	core->stats.stash_slots = core->pool.slots;
	return length;
}
