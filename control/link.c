// SPDX-License-Identifier: BSD-3-Clause
#include "control/link.h"

#include <stddef.h>

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

struct link_config link_config(uint64_t interval_ns, uint32_t multiplier)
{
	return (struct link_config){
		.interval_ns = interval_ns,
		.multiplier = multiplier,
		.confirm_ns = interval_ns * multiplier,
		.late_ns = interval_ns * multiplier,
		.quiet_ns = interval_ns * LINK_QUIET_INTERVALS,
	};
}

uint32_t link_multiplier(const struct link_detector *link)
{
	uint64_t multiplier = (uint64_t)link->config.multiplier << link->doublings;

	return multiplier < LINK_MULTIPLIER_MAX ? (uint32_t)multiplier : LINK_MULTIPLIER_MAX;
}

static uint64_t detection_ns(const struct link_detector *link)
{
	return link->config.interval_ns * link_multiplier(link);
}

// When it becomes suspect if nothing comes.
static uint64_t suspect_at_ns(const struct link_detector *link)
{
	if (link->config.interval_ns == 0)
		return UINT64_MAX;
	return later(link->heard_ns, link->excused_ns) + detection_ns(link);
}

static void change(struct link_detector *link, enum link_state to, enum link_why why,
		   uint64_t now_ns)
{
	link->history[link->changes++ % LINK_HISTORY] =
		(struct link_change){now_ns, (uint8_t)link->state, (uint8_t)to, (uint8_t)why};
	link->state = to;
	link->why = why;
	link->quiet_from_ns = now_ns;
	if (to != LINK_SUSPECT)
		link->heard_by = link->heard_now = 0;
}

void link_init(struct link_detector *link, const struct link_config *config, enum link_state state,
	       uint64_t now_ns)
{
	*link = (struct link_detector){
		.config = *config,
		.state = state,
		.why = LINK_WHY_START,
		.heard_ns = now_ns,
		.ticked_ns = now_ns,
		.quiet_from_ns = now_ns,
	};
}

// Back from silence: the multiplier was too small for this link.
static void flap(struct link_detector *link)
{
	link->flaps++;
	if (link_multiplier(link) < LINK_MULTIPLIER_MAX)
		link->doublings++;
}

uint32_t link_heard(struct link_detector *link, uint64_t now_ns)
{
	if (now_ns > link->heard_ns) {
		link->heard_ns = now_ns;
		link->missed_here = 0;
	}
	if (link->state == LINK_UP)
		return 0;
	if (link->was_silent)
		flap(link);
	link->was_silent = false;
	change(link, LINK_UP, LINK_WHY_HEARD, now_ns);
	return LINK_TURNED_UP;
}

static uint32_t die(struct link_detector *link, enum link_why why, uint64_t now_ns)
{
	change(link, LINK_DEAD, why, now_ns);
	link->is_data_missing = false;
	link->is_unreliable = false;
	return LINK_TURNED_DEAD;
}

static uint32_t question(struct link_detector *link, uint64_t now_ns)
{
	link->ask++;
	link->asked = 0;
	link->silent_at = 0;
	link->heard_by = link->heard_now;
	link->heard_now = 0;
	link->answer_by_ns = now_ns + link->config.confirm_ns;
	return LINK_ASK;
}

// Count the whole intervals of silence that have passed; those in which we were late are not its.
static void count_missed(struct link_detector *link, bool is_late, uint64_t now_ns)
{
	uint64_t from_ns = later(link->heard_ns, link->excused_ns);
	uint64_t missed;

	if (link->config.interval_ns == 0)
		return;
	missed = now_ns > from_ns ? (now_ns - from_ns) / link->config.interval_ns : 0;
	if (!is_late && missed > link->missed_here)
		link->heartbeats_missed += missed - link->missed_here;
	link->missed_here = missed;
}

static uint32_t suspect(struct link_detector *link, enum link_why why, uint64_t now_ns)
{
	link->was_silent = why == LINK_WHY_SILENT;
	change(link, LINK_SUSPECT, why, now_ns);
	return LINK_TURNED_SUSPECT | question(link, now_ns);
}

static uint32_t tick_up(struct link_detector *link, uint64_t now_ns)
{
	uint32_t actions = 0;

	if (now_ns >= suspect_at_ns(link))
		return suspect(link, LINK_WHY_SILENT, now_ns);
	if (link->doublings > 0 && now_ns - link->quiet_from_ns >= link->config.quiet_ns) {
		link->doublings--;
		link->quiet_from_ns = now_ns;
	}
	if (link->is_data_missing && !link->is_unreliable &&
	    now_ns - link->data_missing_from_ns >= detection_ns(link)) {
		link->is_unreliable = true;
		actions |= LINK_TURNED_UNRELIABLE;
	}
	return actions;
}

uint32_t link_tick(struct link_detector *link, uint64_t now_ns)
{
	bool is_late = now_ns - link->ticked_ns > link->config.late_ns;

	link->ticked_ns = now_ns;
	if (link->state == LINK_DEAD)
		return 0;
	count_missed(link, is_late, now_ns);
	if (is_late) {
		link->late_ticks++;
		link->excused_ns = now_ns;
		link->missed_here = 0;
		link->answer_by_ns = now_ns + link->config.confirm_ns;
		link->data_missing_from_ns = now_ns;
	}
	if (link->state == LINK_UP)
		return tick_up(link, now_ns);
	if (now_ns < link->answer_by_ns)
		return 0;
	return link->heard_now != 0 ? question(link, now_ns) :
				      die(link, LINK_WHY_UNCONFIRMED, now_ns);
}

// Dead as soon as every server that was asked says that it does not hear it.
static uint32_t judge(struct link_detector *link, uint64_t now_ns)
{
	return link->silent_at == link->asked ? die(link, LINK_WHY_AGREED, now_ns) : 0;
}

uint32_t link_asked(struct link_detector *link, uint32_t mask, uint64_t now_ns)
{
	if (link->state != LINK_SUSPECT)
		return 0;
	link->asked = mask;
	link->silent_at &= mask;
	link->heard_now &= mask;
	return judge(link, now_ns);
}

// The server's bit, or 0 if its answer is to nothing in force.
static uint32_t answer_bit(struct link_detector *link, uint32_t ask, uint32_t server)
{
	uint32_t bit = server < LINK_PEERS_MAX ? 1u << server : 0;

	if (link->state != LINK_SUSPECT || ask != link->ask || (link->asked & bit) == 0) {
		link->stale_answers++;
		return 0;
	}
	return bit;
}

uint32_t link_peer_hears(struct link_detector *link, uint32_t ask, uint32_t server, uint64_t now_ns)
{
	uint32_t bit = answer_bit(link, ask, server);

	(void)now_ns;
	if (bit == 0)
		return 0;
	link->silent_at &= ~bit;
	link->heard_now |= bit;
	link->heard_by |= bit;
	return LINK_HEARD_ELSEWHERE;
}

uint32_t link_peer_silent(struct link_detector *link, uint32_t ask, uint32_t server,
			  uint64_t now_ns)
{
	uint32_t bit = answer_bit(link, ask, server);

	if (bit == 0)
		return 0;
	link->silent_at |= bit;
	link->heard_now &= ~bit;
	link->heard_by &= ~bit;
	return judge(link, now_ns);
}

uint32_t link_peer_asks(struct link_detector *link, uint32_t server, uint64_t now_ns)
{
	uint32_t bit = server < LINK_PEERS_MAX ? 1u << server : 0;

	if (link->state != LINK_SUSPECT || (link->heard_now & bit) == 0)
		return 0;
	link->heard_now &= ~bit;
	return question(link, now_ns);
}

void link_data_missing(struct link_detector *link, uint64_t now_ns)
{
	link->data_missed++;
	if (link->is_data_missing || link->state == LINK_DEAD)
		return;
	link->is_data_missing = true;
	link->data_missing_from_ns = now_ns;
}

void link_data_complete(struct link_detector *link)
{
	link->is_data_missing = false;
	link->is_unreliable = false;
}

uint32_t link_kill(struct link_detector *link, enum link_why why, uint64_t now_ns)
{
	link->was_silent = false;
	if (link->state == LINK_DEAD)
		return 0;
	return die(link, why, now_ns);
}

uint32_t link_accuse(struct link_detector *link, uint64_t now_ns)
{
	return link->state == LINK_UP ? suspect(link, LINK_WHY_CROWD, now_ns) : 0;
}

uint32_t link_excuse(struct link_detector *link, uint64_t now_ns)
{
	if (link->state != LINK_SUSPECT)
		return 0;
	link->was_silent = false;
	link->excused_ns = now_ns;
	link->missed_here = 0;
	change(link, LINK_UP, LINK_WHY_EXCUSED, now_ns);
	return LINK_TURNED_UP;
}

uint64_t link_due_ns(const struct link_detector *link)
{
	uint64_t due_ns = suspect_at_ns(link), other_ns;

	if (link->state == LINK_DEAD)
		return UINT64_MAX;
	if (link->state == LINK_SUSPECT)
		return link->answer_by_ns;
	other_ns = link->quiet_from_ns + link->config.quiet_ns;
	if (link->doublings > 0 && other_ns < due_ns)
		due_ns = other_ns;
	other_ns = link->data_missing_from_ns + detection_ns(link);
	if (link->is_data_missing && !link->is_unreliable && other_ns < due_ns)
		due_ns = other_ns;
	return due_ns;
}

const struct link_change *link_change_at(const struct link_detector *link, uint32_t i)
{
	if (i >= LINK_HISTORY || i >= link->changes)
		return NULL;
	return &link->history[(link->changes - 1 - i) % LINK_HISTORY];
}

bool link_port_is_suspect(uint32_t clients, uint32_t suspects)
{
	return suspects >= LINK_CROWD_MIN && suspects > clients / 2;
}

const char *link_state_name(enum link_state state)
{
	static const char *const names[] = {
		[LINK_UP] = "up",
		[LINK_SUSPECT] = "suspect",
		[LINK_DEAD] = "dead",
	};

	return names[state];
}

const char *link_why_name(enum link_why why)
{
	static const char *const names[] = {
		[LINK_WHY_START] = "start",
		[LINK_WHY_HEARD] = "heard",
		[LINK_WHY_SILENT] = "silent",
		[LINK_WHY_AGREED] = "agreed",
		[LINK_WHY_UNCONFIRMED] = "unconfirmed",
		[LINK_WHY_INCARNATION] = "incarnation",
		[LINK_WHY_CARRIER] = "carrier",
		[LINK_WHY_ENDED] = "ended",
		[LINK_WHY_EXCUSED] = "excused",
		[LINK_WHY_CROWD] = "crowd",
	};

	return names[why];
}
