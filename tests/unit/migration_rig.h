// SPDX-License-Identifier: BSD-3-Clause
//
// One server's migration under a test's hand: what it sends to cores and peers is kept in arrays, and its
// view of the others is set by the test. Server 1 is ours; peers 0, 1, 2 are servers 2, 3, 4.
#ifndef TESTS_UNIT_MIGRATION_RIG_H
#define TESTS_UNIT_MIGRATION_RIG_H

#include <criterion/criterion.h>

#include "control/migration.h"

#define RIG_SELF		   1
#define RIG_SESSION		   0x5e55ull
#define RIG_KEPT		   4096
#define RIG_LAPSE_NS		   1000000000ull
#define RIG_DETECT_NS		   30000000ull
#define RIG_MS			   1000000ull
#define RIG_EPOCH(counter, server) ((uint64_t)(counter) << 16 | (server))

struct rig_command {
	uint32_t core;
	enum core_command_kind kind;
	struct core_command command;
};

struct rig_frame {
	uint32_t peer;
	uint8_t bytes[256];
};

struct rig {
	struct migration *m;
	struct cursor_table *table;
	uint64_t now_ns;
	bool is_full; // cores and peers take nothing
	uint32_t commands_count, frames_count;
	struct rig_command commands[RIG_KEPT];
	struct rig_frame frames[RIG_KEPT];
};

static struct rig rig;

static bool rig_command(void *arg, uint32_t core, enum core_command_kind kind,
			const struct core_command *command)
{
	(void)arg;
	if (rig.is_full)
		return false;
	cr_assert_lt(rig.commands_count, RIG_KEPT);
	rig.commands[rig.commands_count++] = (struct rig_command){core, kind, *command};
	return true;
}

static bool rig_post(void *arg, uint32_t peer, const void *frame, uint32_t length)
{
	(void)arg;
	if (rig.is_full)
		return false;
	cr_assert_lt(rig.frames_count, RIG_KEPT);
	cr_assert_leq(length, sizeof(rig.frames[0].bytes));
	rig.frames[rig.frames_count].peer = peer;
	memcpy(rig.frames[rig.frames_count++].bytes, frame, length);
	return true;
}

static uint32_t rig_core_of(void *arg, uint64_t client, uint32_t attempt)
{
	(void)arg;
	return (uint32_t)((client + attempt) & 1);
}

static inline void rig_start(uint32_t moves_max)
{
	static const struct cursor_table_config table = {
		.cursors_max = 8192, .clients_max = 8192, .seed = 5, .node = -1};
	struct migration_config config = {
		.server = RIG_SELF,
		.weight = 1,
		.cores = 2,
		.moves_max = moves_max,
		.interval_ns = 100 * RIG_MS,
		.lapse_ns = RIG_LAPSE_NS,
		.detect_ns = RIG_DETECT_NS,
		.offers_ms = 64,
		.random = 9,
	};
	struct migration_ops ops = {
		.command = rig_command, .post = rig_post, .core_of = rig_core_of};
	struct migration_view *view;

	memset(&rig, 0, sizeof(rig));
	rig.now_ns = 10 * RIG_LAPSE_NS;
	rig.table = cursor_table_create(&table);
	cr_assert_not_null(rig.table);
	rig.m = migration_create(&config, rig.table, &ops);
	cr_assert_not_null(rig.m);
	view = migration_view(rig.m);
	view->peers_count = 3;
	view->streams_count = 1;
	view->streams[0].own =
		(struct migration_log){.session = RIG_SESSION, .earliest = 1, .end = 1000};
	for (uint32_t i = 0; i < 3; i++) {
		view->peers[i] = (struct migration_peer){
			.id = (uint16_t)(i + 2), .weight = 1, .is_up = true};
		view->streams[0].peers[i] = view->streams[0].own;
	}
}

static inline void rig_stop(void)
{
	migration_destroy(rig.m);
	cursor_table_destroy(rig.table);
}

static inline struct cursor rig_cursor(uint64_t client, uint16_t home, uint32_t counter)
{
	return (struct cursor){
		.key = {.client = client, .session = RIG_SESSION, .subscription = 1},
		.instance = 7,
		.seq = 500,
		.epoch = 1,
		.cursor_epoch = RIG_EPOCH(counter, home),
		.tag = 0x7000 + client,
		.connection = 0xc000 + client,
		.home = home,
		.core = (uint16_t)(client & 1),
		.address = godwit_address_v4(0x0a000000u + (uint32_t)client, 4000),
	};
}

static inline void rig_entry(struct cursor cursor)
{
	migration_entry(rig.m, &cursor, rig.now_ns);
}

// Cursors of clients 1.. at this home.
static inline void rig_populate(uint32_t clients, uint16_t home)
{
	for (uint32_t i = 1; i <= clients; i++)
		rig_entry(rig_cursor(i, home, 3));
}

static inline void rig_pass(uint64_t ns)
{
	for (uint64_t end = rig.now_ns + ns; rig.now_ns < end;) {
		rig.now_ns += RIG_MS;
		migration_step(rig.m, rig.now_ns);
	}
}

// Commands of this kind so far; the last of them in *last.
static inline uint32_t rig_count(enum core_command_kind kind, struct rig_command *last)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < rig.commands_count; i++)
		if (rig.commands[i].kind == kind) {
			n++;
			if (last != NULL)
				*last = rig.commands[i];
		}
	return n;
}

// The last frame of this type, NULL if there is none; *count: how many.
static inline const struct rig_frame *rig_sent(uint8_t type, uint32_t *count)
{
	const struct rig_frame *last = NULL;
	uint32_t n = 0;

	for (uint32_t i = 0; i < rig.frames_count; i++)
		if (rig.frames[i].bytes[1] == type) {
			n++;
			last = &rig.frames[i];
		}
	if (count != NULL)
		*count = n;
	return last;
}

static inline void rig_forget(void)
{
	rig.commands_count = rig.frames_count = 0;
}

static inline void rig_notice(enum core_notice_kind kind, struct core_notice notice)
{
	migration_notice(rig.m, kind, &notice, rig.now_ns);
}

static inline void rig_die(uint32_t peer)
{
	migration_view(rig.m)->peers[peer].is_up = false;
	migration_view(rig.m)->peers[peer].is_dead = true;
	migration_dead(rig.m, peer, rig.now_ns);
}

// A HANDOVER is answered by whom it was sent to.
static inline void rig_confirm(const struct rig_frame *asked, enum godwit_code code, uint64_t epoch)
{
	const struct godwit_handover *h = (const void *)asked->bytes;
	struct godwit_handover_confirm frame = {
		.from.frame = {.version = GODWIT_VERSION, .type = GODWIT_HANDOVER_CONFIRM},
		.client = h->cursor.client,
		.session = h->cursor.session,
		.subscription = h->cursor.subscription,
		.cursor_epoch = godwit_be64(epoch),
		.request = h->request,
		.code = godwit_be16((uint16_t)code),
	};

	migration_frame(rig.m, asked->peer, &frame, rig.now_ns);
}

// What became of the last move that is over.
static inline const struct migration_record *rig_last(void)
{
	const struct migration_record *r = migration_record(rig.m, 0);

	cr_assert_not_null(r);
	return r;
}

#define RIG_COUNTER(name) migration_counter(rig.m, MIGRATION_COUNT_##name)

#endif
