// SPDX-License-Identifier: BSD-3-Clause
//
// What a server shows of its cluster: views of servers, streams, clients and cursors, and orders.
#include <criterion/criterion.h>

#include "control/admin_view_plane.h"
#include "tests/support/core_harness.h"

#define S_NS 1000000000ull

static struct harness h;
static struct config config;
static struct view_sources sources;
static struct link_detector links[SERVER_PEERS_MAX];
static struct cursor_table *table;
static struct registry *registry;

static const struct link_detector *link_of(void *arg, uint32_t peer)
{
	(void)arg;
	return &links[peer];
}

static void setup(void)
{
	struct cursor_table_config limits = {
		.cursors_max = 100, .clients_max = 100, .seed = 1, .node = -1};

	harness_start(&h, &(struct harness_config){.streams = 2});
	registry = registry_create(16);
	table = cursor_table_create(&limits);
	cr_assert_not_null(table);
	config.ports[0].address.ip = 0x0a000001;
	config.ports[0].udp_port = 5678;
	config.cluster.multiplier = 3;
	config.members_count = 1;
	config.members[0] =
		(struct config_member){.id = 7, .address = {0x0a000007, 5678}, .weight = 2};
	sources = (struct view_sources){
		.config = &config, .server = &h.server, .registry = registry, .cursors = table};
}

static void teardown(void)
{
	cursor_table_destroy(table);
	registry_destroy(registry);
	harness_stop(&h);
}

TestSuite(admin_view, .init = setup, .fini = teardown);

// ---- servers -------------------------------------------------------------------------------------

static void add_peers(void)
{
	const struct peer_config peers[2] = {
		{.id = 8, .weight = 1, .address = godwit_address_v4(0x0a000008, 5678)},
		{.id = 9, .weight = 3, .address = godwit_address_v4(0x0a000009, 5678)},
	};
	const struct peers_config cluster = {.cluster = "lab",
					     .secret = "0123456789abcdef",
					     .secret_bytes = 16,
					     .interval_us = 10000,
					     .count = 2,
					     .peers = peers};
	struct link_config link = link_config(10000000, 3);

	cr_assert_eq(peers_init(&h.server, &cluster), 0);
	for (uint32_t i = 0; i < 2; i++)
		link_init(&links[i], &link, LINK_DEAD, h.now_ns);
	sources.plane.link = link_of;
}

static void put_cursor(uint64_t client, uint32_t subscription, uint16_t home, uint64_t seq,
		       uint16_t flags)
{
	struct cursor entry = {
		.key = {client, stream_session(h.server.streams[0]), subscription},
		.seq = seq,
		.cursor_epoch = cursor_epoch_after(0, home),
		.epoch = 1,
		.home = home,
		.flags = flags,
		.address = godwit_address_v4(0x0a000063, 4000),
	};

	cursor_table_merge(table, &entry, h.now_ns);
}

Test(admin_view, shows_a_server_that_stands_alone)
{
	struct view_server view;

	cr_assert_eq(view_servers(&sources), 1);
	view_server(&sources, 0, h.now_ns, &view);
	cr_assert_eq(view.id, 7);
	cr_assert(view.is_self);
	cr_assert_str_eq(view.link, "self");
	cr_assert_eq(view.weight, 2);
	cr_assert_eq(godwit_address_ip4(&view.address), 0x0a000007);
	cr_assert_eq(view.heard_ms, VIEW_NEVER);
}

Test(admin_view, shows_the_link_to_a_peer_and_its_history)
{
	struct view_server view;
	struct view_change change;

	add_peers();
	link_heard(&links[0], h.now_ns);
	atomic_store(&h.server.peers.peers[0].verdict, PEER_UP);
	atomic_store(&h.server.peers.peers[0].heard_ns, h.now_ns);
	atomic_store(&h.server.peers.peers[0].interval_us, 10000);
	atomic_store(&h.server.peers.peers[0].incarnation, 55);
	atomic_store(&h.server.peers.peers[0].refused_us, PEER_REFUSED_CONFIG);
	cr_assert_eq(view_servers(&sources), 3);
	view_server(&sources, 1, h.now_ns + S_NS, &view);
	cr_assert_eq(view.id, 8);
	cr_assert_str_eq(view.link, "up");
	cr_assert_eq(view.link_ms, 1000);
	cr_assert_eq(view.heard_ms, 1000);
	cr_assert_eq(view.hears_us_ms, VIEW_NEVER);
	cr_assert_eq(view.multiplier, 3);
	cr_assert_eq(view.incarnation, 55);
	cr_assert_str_eq(view.refusal, "refuses us: other configuration");
	cr_assert(view_change(&sources, 1, 0, h.now_ns + S_NS, &change));
	cr_assert_str_eq(change.from, "dead");
	cr_assert_str_eq(change.to, "up");
	cr_assert_str_eq(change.why, "heard");
	cr_assert_eq(change.ago_ms, 1000);
	view_server(&sources, 2, h.now_ns, &view);
	cr_assert_str_eq(view.link, "unknown");
	cr_assert_str_eq(view.refusal, "not met");
	cr_assert_not(view_change(&sources, 0, 0, h.now_ns, &change), "no link to oneself");
	cr_assert_not(view_change(&sources, 3, 0, h.now_ns, &change));
	peers_fini(&h.server);
}

Test(admin_view, shows_whose_cursors_are_where)
{
	struct view_server view;

	add_peers();
	put_cursor(1, 1, 7, 0, 0);
	put_cursor(2, 1, 8, 0, 0);
	put_cursor(3, 1, 8, 0, 0);
	view_server(&sources, 0, h.now_ns, &view);
	cr_assert_eq(view.cursors, 1);
	cr_assert_eq(view.share, 333);
	view_server(&sources, 1, h.now_ns, &view);
	cr_assert_eq(view.cursors, 2);
	cr_assert_eq(view.share, 666);
	peers_fini(&h.server);
}

// ---- streams -------------------------------------------------------------------------------------

Test(admin_view, shows_a_stream_of_its_own)
{
	struct view_stream view;

	harness_append(&h, 0, 0, 20, 5);
	harness_turn(&h);
	view_stream(&sources, 0, h.now_ns, &view);
	cr_assert_str_eq(view.role, "alone");
	cr_assert_str_eq(view.state, "open");
	cr_assert_eq(view.primary, 7);
	cr_assert_eq(view.head, 5);
	cr_assert_eq(view.commit, 5);
	cr_assert_eq(view.in_sync_count, 1);
	cr_assert_eq(view.in_sync[0], 7);
	cr_assert_eq(view.replicas_count, 0);
	stream_serve(h.server.streams[0], false);
	view_stream(&sources, 0, h.now_ns, &view);
	cr_assert_str_eq(view.state, "not served");
}

static void record_says(void *arg, uint32_t number, struct view_stream *view)
{
	(void)arg;
	(void)number;
	view->is_in_sync_known = true;
	view->in_sync_count = 3;
	view->in_sync[0] = 9;
	view->in_sync[1] = 7;
	view->in_sync[2] = 8;
}

Test(admin_view, shows_who_is_in_sync_in_order)
{
	struct view_stream view;

	sources.plane.stream = record_says;
	view_stream(&sources, 0, h.now_ns, &view);
	cr_assert_eq(view.in_sync[0], 7);
	cr_assert_eq(view.in_sync[1], 8);
	cr_assert_eq(view.in_sync[2], 9);
}

static struct view_resolved resolve(uint64_t session, uint64_t seq, uint32_t epoch)
{
	struct view_resolved view;

	view_resolve(&sources,
		     (struct godwit_identifier){.session = session, .seq = seq, .epoch = epoch},
		     &view);
	return view;
}

Test(admin_view, resolves_an_identifier_to_a_place_in_the_log)
{
	uint64_t session = stream_session(h.server.streams[0]);
	struct view_resolved view;

	harness_append(&h, 0, 0, 20, 5);
	harness_turn(&h);
	view = resolve(session, 2, 1);
	cr_assert_str_eq(view.stream, "s0");
	cr_assert_eq(view.resolved.answer, GODWIT_OK);
	cr_assert_eq(view.next, 3);
	cr_assert(view.has_place);
	cr_assert_eq(view.position, 2 * 32, "two records of 12 + 20 bytes lie before it");
	view = resolve(session, 9, 1);
	cr_assert_eq(view.resolved.answer, GODWIT_FUTURE);
	cr_assert_eq(view.next, 6);
	view = resolve(1, 2, 1);
	cr_assert_eq(view.resolved.answer, GODWIT_UNKNOWN_SESSION);
	cr_assert_not(view.has_next);
	stream_serve(h.server.streams[0], false);
	view = resolve(session, 2, 1);
	cr_assert_eq(view.resolved.answer, GODWIT_BUSY);
	cr_assert_not(view.has_next, "to be asked again");
}

// ---- clients and cursors -------------------------------------------------------------------------

Test(admin_view, shows_a_client_and_when_it_was_heard)
{
	struct client_peer peer = harness_peer(&h, 0, 9, 42, 1000);
	struct registry_fence fence;
	struct core_notice notice;
	struct view_client view;
	uint32_t next = 0;

	cr_assert(harness_connect(&peer, NULL));
	cr_assert(harness_notice(&h, 0, CORE_NOTICE_OPENED, &notice));
	registry_opened(registry,
			&(struct registry_client){.id = notice.client,
						  .instance = notice.instance,
						  .handle = notice.handle,
						  .core = notice.core,
						  .address = notice.address},
			&fence);
	put_cursor(42, 1, 7, 0, 0);
	put_cursor(42, 2, 7, 0, 0);
	put_cursor(42, 3, 8, 0, 0);
	cr_assert_eq(view_clients(&sources, &next, h.now_ns, &view, 1, 100), 1);
	cr_assert_eq(next, 0);
	cr_assert_eq(view.id, 42);
	cr_assert_eq(view.instance, 1000);
	cr_assert_eq(view.subscriptions, 2, "the third is at home elsewhere");
	cr_assert_str_eq(view.link, "up");
	cr_assert(godwit_address_equal(&view.address, &peer.address));
	cr_assert_eq(view_clients(&sources, &next, h.now_ns + 10 * S_NS, &view, 1, 100), 1);
	cr_assert_str_eq(view.link, "silent");
	cr_assert_geq(view.heard_ms, 10000);
	sources.cursors = NULL;
	cr_assert_eq(view_clients(&sources, &next, h.now_ns, &view, 1, 100), 1);
	cr_assert_eq(view.subscriptions, UINT32_MAX, "nobody knows");
}

Test(admin_view, tells_each_cursor_once_page_by_page)
{
	struct view_cursor_filter all = {.home = 0}, home = {.home = 8};
	struct view_cursor views[4];
	uint32_t next = 0, count, seen[31] = {0}, of_home = 0;

	for (uint64_t client = 1; client <= 30; client++)
		put_cursor(client, 1, client % 3 == 0 ? 8 : 7, 0, 0);
	do {
		count = view_cursors(&sources, &all, &next, h.now_ns, views, 4, 7);
		for (uint32_t i = 0; i < count; i++)
			seen[views[i].cursor.key.client]++;
	} while (next != 0);
	for (uint64_t client = 1; client <= 30; client++)
		cr_assert_eq(seen[client], 1, "client %lu: %u", client, seen[client]);
	do {
		count = view_cursors(&sources, &home, &next, h.now_ns, views, 4, 7);
		for (uint32_t i = 0; i < count; i++)
			cr_assert_eq(views[i].cursor.home, 8);
		of_home += count;
	} while (next != 0);
	cr_assert_eq(of_home, 10);
}

Test(admin_view, shows_how_far_a_cursor_is_behind)
{
	struct view_cursor_filter filter = {.client = 42};
	struct view_cursor views[4];
	uint32_t next = 0;

	harness_append(&h, 0, 0, 20, 5);
	harness_turn(&h);
	put_cursor(42, 1, 7, 2, 0);
	put_cursor(42, 2, 7, 5, GODWIT_CURSOR_LAPSED);
	put_cursor(43, 1, 7, 5, 0);
	cr_assert_eq(view_cursors(&sources, &filter, &next, h.now_ns + S_NS, views, 4, 100), 2);
	for (uint32_t i = 0; i < 2; i++) {
		bool is_first = views[i].cursor.key.subscription == 1;

		cr_assert_str_eq(views[i].stream, "s0");
		cr_assert_eq(views[i].lag, is_first ? 3 : 0);
		cr_assert_str_eq(views[i].state, is_first ? "live" : "lapsed");
		cr_assert_eq(views[i].heard_ms, 1000);
	}
	cr_assert_eq(next, 0);
}

Test(admin_view, finds_one_cursor)
{
	struct cursor_key key = {42, stream_session(h.server.streams[0]), 2};
	struct view_cursor view;

	put_cursor(42, 1, 7, 1, 0);
	put_cursor(42, 2, 7, 2, 0);
	cr_assert(view_cursor(&sources, &key, h.now_ns, &view));
	cr_assert_eq(view.cursor.seq, 2);
	key.subscription = 3;
	cr_assert_not(view_cursor(&sources, &key, h.now_ns, &view));
}

// ---- orders --------------------------------------------------------------------------------------

static bool no_command(void *arg, uint32_t core, enum core_command_kind kind,
		       const struct core_command *command)
{
	(void)arg;
	(void)core;
	(void)kind;
	(void)command;
	return false;
}

static bool no_post(void *arg, uint32_t peer, const void *frame, uint32_t length)
{
	(void)arg;
	(void)peer;
	(void)frame;
	(void)length;
	return false;
}

static uint32_t core_0(void *arg, uint64_t client, uint32_t attempt)
{
	(void)arg;
	(void)client;
	(void)attempt;
	return 0;
}

static struct migration *start_migration(uint32_t cores)
{
	const struct migration_config limits = {.server = 7,
						.weight = 1,
						.cores = cores,
						.moves_max = 16,
						.lapse_ns = S_NS,
						.offers_ms = 1};
	const struct migration_ops ops = {
		.command = no_command, .post = no_post, .core_of = core_0};
	struct migration *migration = migration_create(&limits, table, &ops);

	cr_assert_not_null(migration);
	return migration;
}

Test(admin_view, drains_only_where_another_server_is_up)
{
	struct view_parts parts = {.migration = start_migration(1)};
	struct view_plane plane;
	const char *stream = NULL;

	plane = view_plane_of(&parts);
	cr_assert_null(plane.stream, "there is no keeper");
	put_cursor(42, 1, 7, 1, 0);
	cr_assert_eq(plane.drain(plane.arg, false, h.now_ns, &stream), VIEW_ORDER_ALREADY);
	cr_assert_eq(plane.drain(plane.arg, true, h.now_ns, &stream), VIEW_ORDER_LAST);
	migration_view(parts.migration)->peers_count = 1;
	migration_view(parts.migration)->peers[0] = (struct migration_peer){.id = 8, .is_up = true};
	migration_view(parts.migration)->streams_count = 1;
	migration_view(parts.migration)->streams[0] =
		(struct migration_stream){.name = "own", .own.session = 5};
	cr_assert_eq(plane.drain(plane.arg, true, h.now_ns, &stream), VIEW_ORDER_STREAM);
	cr_assert_str_eq(stream, "own");
	migration_view(parts.migration)->streams_count = 0;
	cr_assert_eq(plane.drain(plane.arg, true, h.now_ns, &stream), VIEW_ORDER_DONE);
	cr_assert_eq(plane.drain(plane.arg, true, h.now_ns, &stream), VIEW_ORDER_ALREADY);
	cr_assert(plane.drain_progress(plane.arg).is_active);
	cr_assert_eq(plane.drain_progress(plane.arg).left, 1);
	cr_assert_eq(plane.drain(plane.arg, false, h.now_ns, &stream), VIEW_ORDER_DONE);
	cr_assert_not(plane.drain_progress(plane.arg).is_active);
	migration_destroy(parts.migration);
}

Test(admin_view, rebalances_cores_that_are_not_even)
{
	struct view_parts parts = {.migration = start_migration(2)};
	struct rebalance_core *cores;
	const char *stream;
	struct view_server self;

	sources.plane = view_plane_of(&parts);
	cores = migration_view(parts.migration)->cores;
	cores[0] = (struct rebalance_core){.takes = true, .cursors = 3};
	cr_assert_eq(sources.plane.rebalance(&parts, h.now_ns), VIEW_ORDER_ONE_CORE);
	cores[1] = (struct rebalance_core){.takes = true, .cursors = 2};
	cr_assert_eq(sources.plane.rebalance(&parts, h.now_ns), VIEW_ORDER_EVEN);
	cores[1].cursors = 9;
	cr_assert_eq(sources.plane.rebalance(&parts, h.now_ns), VIEW_ORDER_DONE);
	cr_assert_eq(sources.plane.rebalance(&parts, h.now_ns), VIEW_ORDER_ALREADY);
	view_server(&sources, 0, h.now_ns, &self);
	cr_assert(self.rebalance.is_active);
	cr_assert_eq(self.rebalance.left, 3);
	migration_view(parts.migration)->peers_count = 1;
	migration_view(parts.migration)->peers[0] = (struct migration_peer){.id = 8, .is_up = true};
	cr_assert_eq(sources.plane.drain(&parts, true, h.now_ns, &stream), VIEW_ORDER_DONE);
	migration_step(parts.migration, h.now_ns);
	cr_assert_eq(sources.plane.rebalance(&parts, h.now_ns), VIEW_ORDER_DRAINING);
	view_server(&sources, 0, h.now_ns, &self);
	cr_assert_not(self.rebalance.is_active);
	migration_destroy(parts.migration);
}
