// SPDX-License-Identifier: BSD-3-Clause
//
// The keeper of server 1 against a small model of what it commands: a home core with a log and an in-sync
// set, two replicas that come, go and lose their memory, a disk that fails. After each step:
// - all that a home core was ordered by one revision is the same, and epochs only grow;
// - who is in sync on the disk is counted by the home core;
// - who came into the set had proposed itself, as that process;
// - what was committed is in the log that is led, unless all who were in sync lost their memory.
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/cluster_static.h"
#include "control/cluster_text.h"
#include "control/keeper.h"

#define MS    1000000ull
#define PEERS 3
#define LOG   64 // messages; then nothing is published in the session
#define SEEDS 300
#define STEPS 1500

struct copy { // of the log: entry i is the epoch in which message i was ordered
	uint64_t session;
	uint32_t epoch, end;
	uint32_t entries[LOG];
};

struct replica {
	uint64_t incarnation, proposed, proposal; // proposal 0: none
	bool is_member;
	uint64_t counted; // the incarnation that the home core counts
	uint64_t ever_proposed;
	struct copy copy;
};

static struct {
	uint64_t seed, now_ns;
	// disk
	char text[CLUSTER_TEXT_BYTES];
	size_t bytes;
	struct cluster_record record; // what text says
	int fault;
	// the process
	struct server server;
	struct peer_stream streams[PEERS][1];
	struct cluster cluster;
	struct keeper *keeper;
	bool has_room;
	// its home core
	bool is_writable;
	struct cluster_record ordered;
	uint64_t proposals;
	uint32_t commit, source, bases[STEPS];
	uint64_t source_incarnation;
	struct copy log;
	struct replica replicas[PEERS];
	// what clients were told is there
	struct copy committed;
	// how often
	uint32_t sessions, fetches, commits, joins;
} m;

static uint32_t any(uint32_t below)
{
	m.seed = m.seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(m.seed >> 33) % below;
}

// ---- disk --------------------------------------------------------------------------------------

static int store_read(void *arg, const char *name, char *text, size_t size)
{
	(void)arg, (void)name, (void)size;
	memcpy(text, m.text, m.bytes);
	return m.bytes == 0 ? -ENOENT : (int)m.bytes;
}

static void check_added(const struct cluster_replica *member)
{
	cr_assert_eq(member->incarnation, m.replicas[member->server - 2].ever_proposed);
	cr_assert_eq(member->incarnation, m.server.peers.peers[member->server - 2].incarnation);
}

static void check_written(const struct cluster_record *before)
{
	const struct cluster_record *now = &m.record;

	if (now->revision == before->revision) // what was read is written again
		return;
	cr_assert_geq(now->epoch, before->epoch);
	for (uint32_t i = 0; i < now->in_sync_count; i++) {
		const struct cluster_replica *member = &now->in_sync[i];

		if (member->server == 1)
			cr_assert_eq(member->incarnation, m.server.incarnation);
		else if (!cluster_in_sync_as(before, member->server, member->incarnation))
			check_added(member);
	}
	if (now->session == before->session || before->revision == 0)
		return;
	// A new session: everybody who was in sync lost it.
	for (uint32_t i = 0; i < before->in_sync_count; i++) {
		const struct cluster_replica *member = &before->in_sync[i];

		cr_assert_neq(member->incarnation,
			      member->server == 1 ? m.server.incarnation :
						    m.replicas[member->server - 2].incarnation);
	}
}

static int store_write(void *arg, const char *name, const char *text, size_t bytes)
{
	struct cluster_record before = m.record;
	char why[CLUSTER_WHY_BYTES];

	(void)arg, (void)name;
	if (m.fault < 0 || (m.fault == CLUSTER_STORE_UNKNOWN && any(2) == 0))
		return m.fault;
	memcpy(m.text, text, bytes);
	m.bytes = bytes;
	cr_assert_eq(cluster_text_read("lab", "trades", text, bytes, &m.record, why), CLUSTER_DONE,
		     "%s", why);
	check_written(&before);
	return m.fault;
}

// ---- home core ---------------------------------------------------------------------------------

static bool is_same(const struct cluster_record *a, const struct cluster_record *b)
{
	return a->session == b->session && a->epoch == b->epoch &&
	       a->in_sync_count == b->in_sync_count &&
	       memcmp(a->in_sync, b->in_sync, a->in_sync_count * sizeof(a->in_sync[0])) == 0;
}

static void check_committed(void)
{
	cr_assert_geq(m.log.end, m.committed.end, "what was committed is there");
	for (uint32_t i = 0; i < m.committed.end; i++)
		cr_assert_eq(m.log.entries[i], m.committed.entries[i], "as it was committed");
}

// A later one may be there already: that of a change whose end is not known.
static void check_on_disk(const struct cluster_record *record)
{
	cr_assert_leq(record->revision, m.record.revision);
	cr_assert(record->revision < m.record.revision || is_same(record, &m.record));
}

static bool on_record(void *arg, uint32_t number, const struct cluster_record *record,
		      uint64_t proposals)
{
	(void)arg, (void)number;
	if (!m.has_room)
		return false;
	cr_assert_geq(record->revision, m.ordered.revision);
	cr_assert(record->revision != m.ordered.revision || is_same(record, &m.ordered));
	cr_assert_geq(record->epoch, m.ordered.epoch);
	check_on_disk(record);
	if (record->session != m.log.session) {
		m.log = (struct copy){.session = record->session};
		m.committed = m.log;
		m.commit = 0;
		m.sessions++;
	}
	check_committed();
	while (m.log.epoch < record->epoch)
		m.bases[++m.log.epoch] = m.log.end;
	m.ordered = *record;
	m.is_writable = cluster_in_sync(record, 1);
	for (uint32_t i = 0; i < PEERS; i++) {
		struct replica *replica = &m.replicas[i];

		replica->is_member = cluster_in_sync(record, (uint16_t)(2 + i));
		if (replica->is_member || replica->proposal <= proposals)
			replica->proposal = 0;
		for (uint32_t k = 0; k < record->in_sync_count; k++)
			if (record->in_sync[k].server == 2 + i)
				replica->counted = record->in_sync[k].incarnation;
	}
	return true;
}

static bool on_fetch(void *arg, uint32_t number, const struct cluster_record *record, uint16_t from)
{
	(void)arg, (void)number;
	if (!m.has_room)
		return false;
	check_on_disk(record);
	cr_assert_not(m.is_writable);
	m.ordered = *record;
	m.source = from - 2u;
	m.source_incarnation = m.server.peers.peers[m.source].incarnation;
	m.fetches++;
	return true;
}

static uint64_t on_random(void *arg)
{
	(void)arg;
	return 1 + any(1u << 30);
}

static void publish(void)
{
	if (m.is_writable && m.log.end < LOG)
		m.log.entries[m.log.end++] = m.log.epoch;
}

// The replica takes part of what it is behind, after it agreed with the log that is led.
static void replicate(struct replica *replica, const struct peer *peer)
{
	struct copy *copy = &replica->copy;
	uint32_t end;

	if (!m.is_writable || peer->incarnation != replica->incarnation)
		return;
	if (copy->session != m.log.session)
		*copy = (struct copy){.session = m.log.session, .epoch = m.log.epoch};
	for (; copy->epoch < m.log.epoch; copy->epoch++)
		if (m.bases[copy->epoch + 1] < copy->end)
			copy->end = m.bases[copy->epoch + 1];
	end = copy->end + any(m.log.end - copy->end + 1);
	memcpy(&copy->entries[copy->end], &m.log.entries[copy->end],
	       (end - copy->end) * sizeof(copy->entries[0]));
	copy->end = end;
}

static uint32_t acknowledged(const struct replica *replica)
{
	return replica->copy.session == m.log.session && replica->copy.epoch == m.log.epoch &&
			       replica->counted == replica->incarnation ?
		       replica->copy.end :
		       0;
}

static void commit(void)
{
	uint32_t low = m.log.end, members = 1;

	for (uint32_t i = 0; i < PEERS; i++) {
		const struct replica *replica = &m.replicas[i];

		members += replica->is_member;
		if ((replica->is_member || replica->proposal != 0) && acknowledged(replica) < low)
			low = acknowledged(replica);
	}
	if (!m.is_writable || members < 2 || low <= m.commit)
		return;
	m.commit = low;
	m.committed = m.log;
	m.committed.end = low;
	m.commits++;
}

static void propose(uint32_t i)
{
	struct replica *replica = &m.replicas[i];

	if (!m.is_writable || replica->is_member)
		return;
	if (replica->proposal == 0) {
		if (replica->copy.session != m.log.session || replica->copy.epoch != m.log.epoch ||
		    replica->copy.end < m.commit || replica->copy.end < m.bases[m.log.epoch])
			return;
		replica->proposal = ++m.proposals;
		replica->proposed = replica->ever_proposed = replica->counted =
			replica->incarnation;
		m.joins++;
	}
	if (any(3) != 0)
		keeper_proposed(m.keeper, 0, (uint16_t)(2 + i), replica->proposed,
				replica->proposal);
}

static void fetched(void)
{
	const struct replica *source = &m.replicas[m.source];

	if (m.is_writable || m.source_incarnation != source->incarnation ||
	    source->copy.session != m.ordered.session)
		return;
	m.log = source->copy;
	m.commit = 0;
	keeper_fetched(m.keeper, 0, (uint16_t)(2 + m.source), m.source_incarnation);
}

// ---- the process -------------------------------------------------------------------------------

static void start(void)
{
	static const struct cluster_static_stream streams[] = {
		{.name = "trades",
		 .primary = 1,
		 .min_in_sync = 2,
		 .replica_count = PEERS,
		 .replicas = {2, 3, 4}},
	};
	struct cluster_static_config backend = {
		.name = "lab",
		.server = 1,
		.member_count = 4,
		.members = {{.id = 1}, {.id = 2}, {.id = 3}, {.id = 4}},
		.stream_count = 1,
		.streams = streams,
		.store = {store_read, store_write, NULL},
	};
	struct keeper_stream stream = {
		.min_in_sync = 2, .replica_count = PEERS, .replicas = {2, 3, 4}};
	struct keeper_config config = {
		.server = &m.server,
		.cluster = &m.cluster,
		.start_timeout_ns = 500 * MS,
		.stream_count = 1,
		.streams = &stream,
		.ops = {on_record, on_fetch, on_random, NULL},
	};
	uint64_t incarnation = m.server.incarnation + 1;

	keeper_destroy(m.keeper);
	cluster_destroy(&m.cluster);
	memset(&m.server, 0, sizeof(m.server));
	memset(m.streams, 0, sizeof(m.streams));
	m.server.id = 1;
	m.server.incarnation = incarnation;
	m.server.peers.count = PEERS;
	for (uint32_t i = 0; i < PEERS; i++) {
		m.server.peers.ids[i] = m.server.peers.peers[i].id = (uint16_t)(2 + i);
		m.server.peers.peers[i].index = i;
		m.server.peers.peers[i].streams = m.streams[i];
		m.server.peers.peers[i].refusal = PEER_NOT_MET;
		m.replicas[i].is_member = false;
		m.replicas[i].proposal = 0;
	}
	m.is_writable = false;
	m.log = (struct copy){0};
	m.commit = 0;
	m.proposals = 0;
	m.ordered = (struct cluster_record){0};
	m.has_room = true;
	cr_assert_eq(cluster_static_create(&m.cluster, &backend), 0);
	m.keeper = keeper_create(&config);
}

// A replica is heard.
static void hear(uint32_t i)
{
	struct peer_stream *stream = &m.streams[i][0];
	struct peer *peer = &m.server.peers.peers[i];

	peer->incarnation = m.replicas[i].incarnation;
	peer->refusal = PEER_ACCEPTED;
	peer->refused_us = GODWIT_PEER_ACCEPTED;
	peer->verdict = PEER_UP;
	stream->version = 2;
	stream->told = 1;
	stream->session = m.replicas[i].copy.session;
	stream->epoch = m.replicas[i].copy.end == 0 ?
				0 :
				m.replicas[i].copy.entries[m.replicas[i].copy.end - 1];
	stream->end = m.replicas[i].copy.end;
}

static void lose_memory(uint32_t i)
{
	m.replicas[i].incarnation++;
	m.replicas[i].copy = (struct copy){0};
}

static void check_counted(void)
{
	if (!m.is_writable || m.record.session != m.ordered.session)
		return;
	for (uint32_t k = 0; k < m.record.in_sync_count; k++) {
		const struct cluster_replica *member = &m.record.in_sync[k];
		const struct replica *replica;

		if (member->server == 1)
			continue;
		replica = &m.replicas[member->server - 2];
		cr_assert(replica->is_member || replica->proposal != 0, "it is counted");
		// Of another process than the one that is fed nothing is acknowledged.
		cr_assert(replica->counted == member->incarnation ||
			  replica->counted != replica->incarnation);
	}
}

static void act(void)
{
	uint32_t i = any(PEERS), what = any(100);

	m.has_room = any(8) != 0;
	if (what < 20)
		publish();
	else if (what < 40)
		replicate(&m.replicas[i], &m.server.peers.peers[i]);
	else if (what < 60)
		hear(i);
	else if (what < 75)
		propose(i);
	else if (what < 80)
		fetched();
	else if (what < 83)
		m.server.peers.peers[i].verdict = PEER_DEAD;
	else if (what < 85)
		keeper_lags(m.keeper, 0, (uint16_t)(2 + i), m.replicas[i].incarnation, m.now_ns);
	else if (what < 86)
		lose_memory(i);
	else if (what < 87)
		start();
	else if (what < 90)
		m.fault = any(2) != 0 ? CLUSTER_STORE_UNKNOWN : -ENOSPC;
	else
		m.fault = 0;
	m.now_ns += any(100) == 0 ? 600 * MS : any(20) * MS;
}

static void run(uint64_t seed)
{
	memset(&m, 0, sizeof(m));
	m.seed = seed;
	for (uint32_t i = 0; i < PEERS; i++)
		m.replicas[i].incarnation = 1;
	m.now_ns = 1000 * MS;
	start();
	for (uint32_t i = 0; i < STEPS; i++) {
		act();
		commit();
		keeper_step(m.keeper, m.now_ns);
		check_counted();
	}
	keeper_destroy(m.keeper);
	cluster_destroy(&m.cluster);
}

Test(keeper_random, loses_nothing_that_was_committed)
{
	uint32_t sessions = 0, fetches = 0, commits = 0, joins = 0;

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		run(seed);
		sessions += m.sessions;
		fetches += m.fetches;
		commits += m.commits;
		joins += m.joins;
	}
	// All that the test is about does happen in it.
	cr_assert_gt(sessions, SEEDS);
	cr_assert_gt(fetches, SEEDS);
	cr_assert_gt(commits, SEEDS);
	cr_assert_gt(joins, SEEDS);
}
