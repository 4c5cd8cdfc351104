// SPDX-License-Identifier: BSD-3-Clause
//
// The client's core among several hand-made servers: whose turn it is decides who speaks and under
// which tag, handle and key. Each server echoes the last ACK that it saw, as a real one does.
//
// Owner: one test. Everything is static inline; a test uses what it needs.
#ifndef CLIENT_SERVERS_H
#define CLIENT_SERVERS_H

#include "tests/unit/client_rig.h"

#define SERVERS_MAX	4
#define SERVERS_ALL	0xfu
#define SERVERS_SILENCE (3 * RIG_INTERVAL)
#define SERVERS_LAPSE	(1000 * RIG_MS)

struct servers {
	struct rig *rig;
	uint32_t count;
	uint64_t tags[SERVERS_MAX];
	uint64_t acked[SERVERS_MAX]; // number of the last ACK seen
	uint32_t acks[SERVERS_MAX];  // how many
	uint32_t feed_age_ms;	     // that the home tells
};

static inline uint64_t servers_handle(uint32_t i)
{
	return RIG_HANDLE + i;
}

static inline uint64_t servers_key(uint32_t i)
{
	return RIG_KEY + i;
}

// From now on server i speaks.
static inline void servers_turn(struct servers *s, uint32_t i)
{
	s->rig->server = rig_address(i);
	s->rig->tag = s->tags[i];
	s->rig->handle = servers_handle(i);
	s->rig->key = servers_key(i);
}

static inline bool servers_is_to(const struct servers *s, uint32_t i)
{
	struct godwit_address address = rig_address(i);

	return godwit_address_equal(&s->rig->to, &address);
}

static inline void servers_note_ack(struct servers *s)
{
	const struct godwit_ack *ack = (const struct godwit_ack *)s->rig->out;

	for (uint32_t i = 0; i < s->count; i++) {
		if (!servers_is_to(s, i))
			continue;
		s->acked[i] = godwit_get64(ack->number);
		s->acks[i]++;
	}
}

// The next frame must be of this type and go to server i.
static inline const void *servers_expect(struct servers *s, uint32_t i, uint8_t type)
{
	rig_expect(s->rig, type);
	cr_assert(servers_is_to(s, i), "frame %#x goes to port %u ip ..%u", type, s->rig->to.port,
		  s->rig->to.ip[15]);
	if (type == GODWIT_ACK)
		servers_note_ack(s);
	return s->rig->out;
}

static inline const void *servers_expect_request(struct servers *s, uint32_t i, uint8_t type)
{
	rig_expect_request(s->rig, type);
	cr_assert(servers_is_to(s, i), "request %#x goes to ..%u", type, s->rig->to.ip[15]);
	return s->rig->out;
}

// The RESUME that is due goes to server i under this handle and key, for this offer (0: none).
static inline const struct godwit_resume *servers_expect_resume(struct servers *s, uint32_t i,
								uint64_t handle, uint64_t key,
								uint64_t offer_epoch)
{
	const struct godwit_resume *resume = servers_expect_request(s, i, GODWIT_RESUME);

	cr_assert_eq(godwit_get64(resume->from.handle), handle);
	cr_assert_eq(godwit_get64(resume->from.key), key);
	cr_assert_eq(godwit_get64(resume->offer_epoch), offer_epoch);
	return resume;
}

// From the HELLO that was just taken to the WELCOME of server i.
static inline void servers_answer_hello(struct servers *s, uint32_t i)
{
	struct godwit_cookie cookie;
	struct godwit_welcome welcome;

	cr_assert_eq(s->rig->out[1], GODWIT_HELLO);
	cr_assert(servers_is_to(s, i), "HELLO goes to ..%u", s->rig->to.ip[15]);
	servers_turn(s, i);
	cookie = rig_cookie(s->rig);
	s->tags[i] = s->rig->tag;
	rig_input(s->rig, &cookie, sizeof(cookie));
	servers_expect(s, i, GODWIT_HELLO_PROOF);
	welcome = rig_welcome(s->rig);
	rig_input(s->rig, &welcome, sizeof(welcome));
}

// The same with the HELLO that is due.
static inline void servers_welcome(struct servers *s, uint32_t i)
{
	servers_expect(s, i, GODWIT_HELLO);
	servers_answer_hello(s, i);
}

static inline struct servers *servers_create(uint32_t count)
{
	struct servers *s = calloc(1, sizeof(*s));

	s->rig = rig_create_list(NULL, count);
	s->count = count;
	servers_welcome(s, 0);
	rig_next(s->rig, GODWIT_EVENT_CONNECTED);
	return s;
}

// The first server is the home, the second is warm.
static inline struct servers *servers_create_warm(uint32_t count)
{
	struct servers *s = servers_create(count);

	servers_welcome(s, 1);
	rig_no_event(s->rig);
	rig_silent(s->rig);
	servers_turn(s, 0);
	return s;
}

// The same with a subscription that lives at the first and begins after sequence 10.
static inline struct servers *servers_create_live(uint32_t count)
{
	struct servers *s = servers_create_warm(count);

	rig_subscribe(s->rig, 10, 100);
	servers_note_ack(s);
	return s;
}

static inline void servers_destroy(struct servers *s)
{
	rig_destroy(s->rig);
	free(s);
}

// ---- what servers say ---------------------------------------------------------------------------

// A heartbeat: the home's speaks of the subscription.
static inline void servers_alive(struct servers *s, uint32_t i)
{
	struct godwit_address from = rig_address(i);
	struct godwit_subscription_state state = {.cursor_epoch = 0};
	struct {
		struct godwit_heartbeat head;
		struct godwit_heartbeat_entry entry;
	} frame;
	bool is_home;

	godwit_core_subscription_state(s->rig->core, s->rig->subscription, &state);
	is_home = state.live && godwit_address_equal(&state.home, &from);
	memset(&frame, 0, sizeof(frame));
	frame.head.frame = rig_frame(GODWIT_HEARTBEAT, 0, is_home);
	frame.head.tag = godwit_be64(s->tags[i]);
	frame.head.number = godwit_be64(s->acked[i]);
	frame.entry.tag = godwit_be64(s->rig->sub_tag);
	frame.entry.cursor_epoch = godwit_be64(state.cursor_epoch);
	frame.entry.feed_age = godwit_be32(s->feed_age_ms);
	godwit_core_input(s->rig->core, s->rig->now_ns, &from, &frame,
			  sizeof(frame.head) + (is_home ? sizeof(frame.entry) : 0));
}

static inline void servers_take_as(struct servers *s, uint32_t i, uint64_t cursor_epoch,
				   bool by_home, uint64_t handle, uint64_t key)
{
	struct godwit_take frame = {
		.frame = rig_frame(GODWIT_TAKE, by_home ? GODWIT_FLAG_BY_HOME : 0, 0),
		.tag = godwit_be64(s->rig->sub_tag),
		.cursor_epoch = godwit_be64(cursor_epoch),
		.handle = godwit_be64(handle),
		.key = godwit_be64(key),
		.server = godwit_be16((uint16_t)(i + 1)),
		.reason = godwit_be16(by_home ? GODWIT_MIGRATION_LINK : GODWIT_MIGRATION_DEATH),
	};
	struct godwit_address from = rig_address(i);

	cr_assert_eq(godwit_check_from_server(&frame, sizeof(frame)), GODWIT_CHECK_OK);
	godwit_core_input(s->rig->core, s->rig->now_ns, &from, &frame, sizeof(frame));
}

static inline void servers_take(struct servers *s, uint32_t i, uint64_t cursor_epoch, bool by_home)
{
	servers_take_as(s, i, cursor_epoch, by_home, servers_handle(i), servers_key(i));
}

static inline struct godwit_server_entry servers_entry(uint32_t i)
{
	struct godwit_address address = rig_address(i);
	struct godwit_server_entry entry = {.port = godwit_be16(address.port),
					    .id = godwit_be16((uint16_t)(i + 1))};

	memcpy(entry.ip, address.ip, sizeof(entry.ip));
	return entry;
}

static inline void servers_migrate(struct servers *s, uint32_t i, uint64_t cursor_epoch,
				   uint32_t target)
{
	struct godwit_migrate frame = {
		.frame = rig_frame(GODWIT_MIGRATE, 0, 0),
		.tag = godwit_be64(s->rig->sub_tag),
		.cursor_epoch = godwit_be64(cursor_epoch),
		.target = servers_entry(target),
		.reason = godwit_be16(GODWIT_MIGRATION_DRAIN),
	};

	servers_turn(s, i);
	rig_input(s->rig, &frame, sizeof(frame));
}

static inline void servers_redirect(struct servers *s, uint32_t i, uint32_t request,
				    enum godwit_code code, uint32_t target)
{
	struct godwit_redirect frame = {
		.frame = rig_frame(GODWIT_REDIRECT, 0, 0),
		.tag = godwit_be64(s->tags[i]),
		.request = godwit_be32(request),
		.code = godwit_be16((uint16_t)code),
		.target = servers_entry(target),
	};

	servers_turn(s, i);
	rig_input(s->rig, &frame, sizeof(frame));
}

// ---- time ---------------------------------------------------------------------------------------

// Time passes while the servers of the mask send a heartbeat each 10 ms and hear what they are sent;
// only ACKs and frames to the others may go out. Ends early when an event is ready.
static inline void servers_pass(struct servers *s, uint64_t span_ns, uint32_t alive)
{
	uint64_t end_ns = s->rig->now_ns + span_ns;

	while (s->rig->now_ns < end_ns && !godwit_core_ready(s->rig->core)) {
		s->rig->now_ns += 10 * RIG_MS;
		for (uint32_t i = 0; i < s->count; i++)
			if (alive >> i & 1)
				servers_alive(s, i);
		while (!godwit_core_ready(s->rig->core) && rig_output(s->rig) != 0) {
			if (s->rig->out[1] == GODWIT_ACK)
				servers_note_ack(s);
			else
				for (uint32_t i = 0; i < s->count; i++)
					cr_assert(!(alive >> i & 1) || !servers_is_to(s, i),
						  "frame %#x to server %u", s->rig->out[1], i);
		}
	}
}

// Two servers are heard until the core gives a move up: the lapse time of its silence.
static inline void servers_until_undone(struct servers *s)
{
	for (uint32_t i = 0; rig_stats(s->rig)->moves_undone == 0; i++) {
		cr_assert_lt(i, 10000, "it goes on with the move for ever");
		servers_alive(s, 0);
		servers_alive(s, 1);
		s->rig->now_ns += 10 * RIG_MS;
		while (rig_output(s->rig) != 0)
			if (s->rig->out[1] == GODWIT_ACK)
				servers_note_ack(s);
	}
}

// An ACK with one entry is due to server i under this handle: these flags, this cursor epoch.
static inline void servers_expect_aside(struct servers *s, uint32_t i, uint64_t handle,
					uint64_t key, uint16_t flags, uint64_t cursor_epoch)
{
	const struct godwit_ack *ack = servers_expect(s, i, GODWIT_ACK);
	const uint8_t *at = godwit_ack_entries(ack);
	const struct godwit_ack_entry *entry = godwit_ack_next(&at, s->rig->out + s->rig->length);

	cr_assert_not_null(entry);
	cr_assert_eq(godwit_get64(ack->from.handle), handle);
	cr_assert_eq(godwit_get64(ack->from.key), key);
	cr_assert_eq(godwit_get32(entry->subscription), s->rig->subscription);
	cr_assert_eq(godwit_get16(entry->flags), flags);
	cr_assert_eq(godwit_get64(entry->cursor_epoch), cursor_epoch);
}

// MIGRATED from one server to the other, for this reason.
static inline const struct godwit_event *servers_migrated(struct servers *s, uint32_t from,
							  uint32_t to, enum godwit_move reason)
{
	struct godwit_address a = rig_address(from);
	struct godwit_address b = rig_address(to);
	const struct godwit_event *event = rig_next(s->rig, GODWIT_EVENT_MIGRATED);
	// As the servers' frames have it above.
	uint16_t why = reason == GODWIT_MOVE_TAKE	  ? GODWIT_MIGRATION_DEATH :
		       reason == GODWIT_MOVE_TAKE_BY_HOME ? GODWIT_MIGRATION_LINK :
		       reason == GODWIT_MOVE_MIGRATE	  ? GODWIT_MIGRATION_DRAIN :
							    GODWIT_MIGRATION_CLIENT;

	cr_assert(godwit_address_equal(&event->from, &a));
	cr_assert(godwit_address_equal(&event->server, &b));
	cr_assert_eq(event->reason, reason, "for reason %u", event->reason);
	cr_assert_eq(event->why, why, "why %u", event->why);
	cr_assert_eq(event->subscription, s->rig->subscription);
	return event;
}

#endif
