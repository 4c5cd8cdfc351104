// SPDX-License-Identifier: BSD-3-Clause
//
// Three servers' migrations and some clients, with frames, entries and answers that are late, doubled or
// lost; servers are cut off and come back, are drained and not. Whatever happens: a client has one home that it
// believes in; at the end, when nothing is lost any more, each cursor is served by that home and by nobody else,
// all tables agree, and no move is left.
#include <criterion/criterion.h>

#include "control/migration.h"

#define SERVERS	 3
#define CLIENTS	 12
#define QUEUE	 8192
#define SESSION	 0x5e55ull
#define MS	 1000000ull
#define LAPSE_NS (1000 * MS)

enum item_kind {
	ITEM_ENTRY,
	ITEM_FRAME,
	ITEM_COMMAND,
	ITEM_NOTICE
};

struct item { // on its way to a server
	uint64_t at_ns;
	enum item_kind kind;
	uint32_t to, from, code;
	bool used;
	union {
		struct cursor cursor;
		struct core_command command;
		struct core_notice notice;
		uint8_t bytes[256];
	};
};

static struct {
	uint64_t now_ns, random;
	bool quiet;
	bool is_cut[SERVERS];
	struct migration *m[SERVERS];
	struct cursor_table *table[SERVERS];
	struct item queue[QUEUE];
	uint64_t client_epoch[CLIENTS];	       // that the client believes in
	uint64_t core_epoch[SERVERS][CLIENTS]; // that a core serves; 0: not
	uint64_t silent_ns[CLIENTS];	       // since when its home is silent; 0: it is not
} w;

static uint32_t below(uint32_t n)
{
	w.random = w.random * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(w.random >> 33) % n;
}

static struct item *post_item(enum item_kind kind, uint32_t from, uint32_t to, uint64_t delay_ns)
{
	for (uint32_t i = 0; i < QUEUE; i++)
		if (!w.queue[i].used) {
			w.queue[i] = (struct item){.at_ns = w.now_ns + delay_ns,
						   .kind = kind,
						   .from = from,
						   .to = to,
						   .used = true};
			return &w.queue[i];
		}
	cr_assert_fail("the queue is full");
	return NULL;
}

static struct cursor cursor_of(uint32_t client, uint32_t server, uint64_t epoch)
{
	return (struct cursor){
		.key = {.client = client + 1, .session = SESSION, .subscription = 1},
		.instance = 1,
		.seq = 10,
		.epoch = 1,
		.cursor_epoch = epoch,
		.tag = client + 100,
		.connection = client + 200,
		.home = (uint16_t)(server + 1),
		.address = godwit_address_v4(0x0a000000u + client, 4000),
	};
}

// What a server's core writes: to its own control at once, to the others later, some twice.
static void announce(uint32_t server, uint32_t client)
{
	struct cursor cursor = cursor_of(client, server, w.core_epoch[server][client]);

	for (uint32_t to = 0; to < SERVERS; to++) {
		uint32_t copies = to != server && !w.quiet && below(4) == 0 ? 2 : 1;

		if (to != server && (w.is_cut[server] || w.is_cut[to]))
			continue; // it is written again
		while (copies-- > 0)
			post_item(ITEM_ENTRY, server, to, to == server ? 0 : below(20) * MS)
				->cursor = cursor;
	}
}

static bool on_command(void *arg, uint32_t core, enum core_command_kind kind,
		       const struct core_command *command)
{
	uint32_t server = (uint32_t)(uintptr_t)arg;
	struct item *item;

	(void)core;
	if (!w.quiet && below(10) == 0)
		return false;
	item = post_item(ITEM_COMMAND, server, server, below(3) * MS);
	item->code = kind;
	item->command = *command;
	return true;
}

static bool on_post(void *arg, uint32_t peer, const void *frame, uint32_t length)
{
	uint32_t from = (uint32_t)(uintptr_t)arg, to = peer < from ? peer : peer + 1;
	uint32_t copies = w.quiet ? 1 : below(3); // lost, once, twice

	cr_assert_leq(length, sizeof(w.queue[0].bytes));
	if (w.is_cut[from] || w.is_cut[to])
		return true;
	while (copies-- > 0)
		memcpy(post_item(ITEM_FRAME, from, to, below(30) * MS)->bytes, frame, length);
	return true;
}

static uint32_t on_core_of(void *arg, uint64_t client, uint32_t attempt)
{
	(void)arg;
	(void)client;
	(void)attempt;
	return 0;
}

static void notice(uint32_t server, uint32_t kind, uint32_t client, uint64_t epoch)
{
	struct item *item = post_item(ITEM_NOTICE, server, server, below(3) * MS);

	item->code = kind;
	item->notice = (struct core_notice){
		.client = client + 1, .subscription = 1, .cursor_epoch = epoch};
}

// The client takes a home: RESUME there, and an epoch above all that it and the server know.
static void resume(uint32_t client, uint32_t server, uint64_t offered)
{
	struct cursor_key key = {client + 1, SESSION, 1};
	uint64_t highest = w.client_epoch[client];
	struct cursor known;

	if (cursor_table_find(w.table[server], &key, &known) && known.cursor_epoch > highest)
		highest = known.cursor_epoch;
	if (offered > highest)
		highest = offered;
	w.client_epoch[client] = cursor_epoch_after(highest, (uint16_t)(server + 1));
	w.core_epoch[server][client] = w.client_epoch[client];
	w.silent_ns[client] = 0;
	announce(server, client);
}

static uint32_t home_of(uint32_t client)
{
	return cursor_epoch_server(w.client_epoch[client]) - 1u;
}

// An offer got to the client, or did not.
static void offered(uint32_t server, const struct core_command *command)
{
	uint32_t client = (uint32_t)command->client - 1;

	if (command->cursor_epoch == 0 || w.is_cut[server] || (!w.quiet && below(5) == 0))
		return;
	if (command->cursor_epoch <= w.client_epoch[client])
		notice(server, CORE_NOTICE_OFFER_KEPT, client, w.client_epoch[client]);
	else if (command->by_home || w.silent_ns[client] != 0)
		resume(client, server, command->cursor_epoch);
	else if (below(2) == 0)
		notice(server, CORE_NOTICE_OFFER_HELD, client, command->cursor_epoch);
	else
		notice(server, CORE_NOTICE_OFFER_KEPT, client, w.client_epoch[client]);
}

static void obey(uint32_t server, uint32_t kind, const struct core_command *command)
{
	uint32_t client = (uint32_t)command->client - 1;

	if (kind == CORE_COMMAND_OFFER)
		offered(server, command);
	else if (kind == CORE_COMMAND_DROP && w.core_epoch[server][client] < command->cursor_epoch)
		w.core_epoch[server][client] = 0;
}

static void deliver(struct item *item)
{
	struct item one = *item;

	item->used = false;
	switch (one.kind) {
	case ITEM_ENTRY:
		migration_entry(w.m[one.to], &one.cursor, w.now_ns);
		break;
	case ITEM_FRAME:
		migration_frame(w.m[one.to], one.from < one.to ? one.from : one.from - 1, one.bytes,
				w.now_ns);
		break;
	case ITEM_COMMAND:
		obey(one.to, one.code, &one.command);
		break;
	case ITEM_NOTICE:
		migration_notice(w.m[one.to], one.code, &one.notice, w.now_ns);
		break;
	}
}

// Whether a and b hear each other, in both views.
static void views_set(uint32_t changed)
{
	for (uint32_t i = 0; i < SERVERS; i++) {
		for (uint32_t peer = 0; peer < SERVERS - 1; peer++) {
			uint32_t other = peer < i ? peer : peer + 1;
			struct migration_peer *view = &migration_view(w.m[i])->peers[peer];
			bool was_up = view->is_up, is_up = !w.is_cut[i] && !w.is_cut[other];

			if (i != changed && other != changed)
				continue;
			view->is_up = is_up;
			view->is_dead = !is_up;
			if (was_up && !is_up)
				migration_dead(w.m[i], peer, w.now_ns);
			else if (!was_up && is_up)
				migration_heard(w.m[i], peer, w.now_ns);
		}
	}
}

static void world_begin(uint64_t seed)
{
	static const struct cursor_table_config table = {
		.cursors_max = 64, .clients_max = 64, .seed = 3, .node = -1};

	memset(&w, 0, sizeof(w));
	w.random = seed * 77777 + 5;
	w.now_ns = 100 * LAPSE_NS;
	for (uint32_t i = 0; i < SERVERS; i++) {
		struct migration_ops ops = {(void *)(uintptr_t)i, on_command, on_post, on_core_of};
		struct migration_config config = {
			.server = (uint16_t)(i + 1),
			.weight = 1,
			.cores = 1,
			.moves_max = 64,
			.interval_ns = 100 * MS,
			.lapse_ns = LAPSE_NS,
			.detect_ns = 30 * MS,
			.offers_ms = 64,
			.random = seed,
		};
		struct migration_view *view;

		w.table[i] = cursor_table_create(&table);
		w.m[i] = migration_create(&config, w.table[i], &ops);
		cr_assert(w.table[i] != NULL && w.m[i] != NULL);
		view = migration_view(w.m[i]);
		view->peers_count = SERVERS - 1;
		view->streams_count = 1;
		view->streams[0].own =
			(struct migration_log){.session = SESSION, .earliest = 1, .end = 100};
		for (uint32_t peer = 0; peer < SERVERS - 1; peer++) {
			view->streams[0].peers[peer] = view->streams[0].own;
			view->peers[peer] = (struct migration_peer){
				.id = (uint16_t)((peer < i ? peer : peer + 1) + 1),
				.weight = 1,
				.is_up = true};
		}
	}
	for (uint32_t i = 0; i < CLIENTS; i++)
		resume(i, below(SERVERS), 0);
}

static void turn(void)
{
	w.now_ns += MS;
	for (uint32_t i = 0; i < QUEUE; i++)
		if (w.queue[i].used && w.queue[i].at_ns <= w.now_ns)
			deliver(&w.queue[i]);
	for (uint32_t i = 0; i < SERVERS; i++)
		migration_step(w.m[i], w.now_ns);
	for (uint32_t i = 0; i < CLIENTS; i++) {
		uint32_t home = home_of(i);

		if (w.is_cut[home] && w.silent_ns[i] == 0)
			w.silent_ns[i] = w.now_ns;
		else if (!w.is_cut[home])
			w.silent_ns[i] = 0;
		// The backstop: its own RESUME.
		if (w.silent_ns[i] != 0 && w.now_ns - w.silent_ns[i] > 300 * MS) {
			uint32_t next = (home + 1 + below(2)) % SERVERS;

			if (!w.is_cut[next])
				resume(i, next, 0);
		}
		// A client tells a stale home, and cores write again, both now and then.
		for (uint32_t k = 0; k < SERVERS; k++) {
			if (w.core_epoch[k][i] == 0)
				continue;
			if (below(100) == 0)
				announce(k, i);
			if (!w.quiet && !w.is_cut[k] && w.core_epoch[k][i] < w.client_epoch[i] &&
			    below(200) == 0)
				w.core_epoch[k][i] = 0;
		}
	}
}

static void trouble(void)
{
	uint32_t server = below(SERVERS);

	switch (below(4)) {
	case 0:
		for (uint32_t i = 0; i < SERVERS; i++)
			if (w.is_cut[i] && i != server)
				return; // one at a time
		w.is_cut[server] = !w.is_cut[server];
		views_set(server);
		break;
	case 1:
		migration_drain(w.m[server], w.now_ns, NULL);
		break;
	case 2:
		migration_undrain(w.m[server], w.now_ns);
		break;
	default:
		break;
	}
}

static void settle(void)
{
	w.quiet = true;
	for (uint32_t i = 0; i < SERVERS; i++) {
		migration_undrain(w.m[i], w.now_ns);
		if (w.is_cut[i]) {
			w.is_cut[i] = false;
			views_set(i);
		}
	}
	for (uint32_t i = 0; i < 6000; i++)
		turn();
}

static void world_check(uint64_t seed)
{
	for (uint32_t i = 0; i < CLIENTS; i++) {
		uint32_t home = home_of(i);

		for (uint32_t k = 0; k < SERVERS; k++) {
			struct cursor_key key = {i + 1, SESSION, 1};
			struct cursor cursor;

			cr_assert_eq(
				w.core_epoch[k][i], k == home ? w.client_epoch[i] : 0,
				"seed %lu: client %u, server %u serves in %lx, the client is in %lx",
				seed, i, k, w.core_epoch[k][i], w.client_epoch[i]);
			cr_assert(cursor_table_find(w.table[k], &key, &cursor));
			cr_assert_eq(cursor.cursor_epoch, w.client_epoch[i],
				     "seed %lu: client %u as server %u knows it", seed, i, k);
		}
	}
	for (uint32_t i = 0; i < SERVERS; i++)
		cr_assert_eq(migration_pending(w.m[i]), 0, "seed %lu: server %u has moves left",
			     seed, i);
}

static void world_end(void)
{
	for (uint32_t i = 0; i < SERVERS; i++) {
		migration_destroy(w.m[i]);
		cursor_table_destroy(w.table[i]);
	}
}

Test(migration_random, every_cursor_ends_with_one_home_that_all_agree_on)
{
	uint64_t moved = 0;

	for (uint64_t seed = 1; seed <= 12; seed++) {
		world_begin(seed);
		for (uint32_t i = 0; i < 4000; i++) {
			if (below(150) == 0)
				trouble();
			turn();
		}
		settle();
		world_check(seed);
		for (uint32_t i = 0; i < SERVERS; i++)
			moved += migration_counter(w.m[i], MIGRATION_COUNT_taken);
		world_end();
	}
	cr_assert_gt(moved, 100, "only %lu moved: the worlds are too quiet", moved);
}
