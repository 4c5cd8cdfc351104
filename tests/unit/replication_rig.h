// SPDX-License-Identifier: BSD-3-Clause
//
// A replicated stream under a test's hand: server 0 is the primary of stream s0, the others are its
// replicas, and the rig plays control: it keeps the record, answers proposals and restarts the primary
// by the rules, unless a test says that it does it by itself.
//
// Owner: the test; one at a time.
#ifndef TESTS_UNIT_REPLICATION_RIG_H
#define TESTS_UNIT_REPLICATION_RIG_H

#include <criterion/criterion.h>
#include <stdlib.h>

#include "dataplane/replication.h"
#include "tests/support/cluster_harness.h"

#define RIG_SESSION 0xabcd0000ull
#define RIG_STEP    (200 * US)

struct rig {
	struct cluster c;
	// what the cluster is
	uint32_t min_in_sync;
	bool ack_local;
	uint32_t replica_runs; // runs_max of all but server 0; 0: as there
	uint32_t few_topics;   // topics_max of server 1; 0: as the others
	// control of the primary: its file
	struct replication_record record;
	bool has_record;
	bool idle;   // proposals are not answered
	bool expels; // whoever lags is put out
	uint64_t sessions;
	uint32_t proposed, lags, fetched, refused; // notices seen
	// a publisher
	struct client_peer client;
	uint64_t connections;
	uint64_t instance, number; // next to publish is number + 1
};

static struct rig rig;

static inline struct core *rig_core(uint32_t server)
{
	return harness_core(cluster_harness(&rig.c, server), 0);
}

static inline struct stream *rig_stream(uint32_t server)
{
	return harness_stream(cluster_harness(&rig.c, server), 0);
}

static inline struct replication *rig_of(uint32_t server)
{
	return rig_stream(server)->replication;
}

// The index of `other` among the peers of `server`.
static inline uint32_t rig_index(uint32_t server, uint32_t other)
{
	return other < server ? other : other - 1;
}

static inline struct feed *rig_feed(uint32_t server)
{
	return &rig_of(0)->feeds[rig_index(0, server)];
}

static inline struct sink *rig_sink(uint32_t server)
{
	return &rig_of(server)->sink;
}

static inline uint64_t rig_end(uint32_t server)
{
	return log_head_seq(&rig_stream(server)->log);
}

static inline uint64_t rig_commit(uint32_t server)
{
	return log_committed_seq(&rig_stream(server)->log);
}

static inline void rig_configuring(struct cluster *c, uint32_t server, struct stream_config *stream,
				   uint32_t number)
{
	(void)c;
	(void)number;
	stream->session = 0;
	stream->role = server == 0 ? STREAM_PRIMARY : STREAM_REPLICA;
	stream->primary = 0; // the first of a replica's peers
	stream->replicas = server == 0 ? (1u << (rig.c.count - 1)) - 1 : 0;
	stream->ack_local = rig.ack_local;
	stream->min_in_sync = rig.min_in_sync;
	if (server > 0 && rig.replica_runs > 0)
		stream->runs_max = rig.replica_runs;
	if (server == 1 && rig.few_topics > 0)
		stream->topics_max = rig.few_topics;
}

// Clients are told of all servers.
static inline void rig_starting(struct cluster *c, uint32_t server)
{
	struct server *s = cluster_server(c, server);

	for (uint32_t i = 0; i < c->count; i++) {
		struct godwit_address address = cluster_address(i);

		memcpy(s->list[i].ip, address.ip, sizeof(s->list[i].ip));
		s->list[i].port = godwit_be16(address.port);
		s->list[i].id = godwit_be16((uint16_t)(i + 1));
	}
	s->list_count = c->count;
}

// ---- control -----------------------------------------------------------------------------------

static inline void rig_command(uint32_t server, enum core_command_kind kind, const void *data,
			       uint32_t bytes)
{
	struct crossing_slot *slot = crossing_begin(&rig_core(server)->inbox);

	cr_assert_not_null(slot);
	slot->kind = kind;
	slot->bytes = bytes;
	memcpy(slot->data, data, bytes);
	crossing_end(&rig_core(server)->inbox);
}

static inline void rig_write(void)
{
	rig.has_record = true;
	rig_command(0, CORE_COMMAND_RECORD, &rig.record, sizeof(rig.record));
}

static inline bool rig_in_set(uint32_t server)
{
	for (uint32_t i = 0; i < rig.record.count; i++)
		if (rig.record.members[i].server == server + 1)
			return true;
	return false;
}

static inline void rig_put_out(uint32_t server)
{
	for (uint32_t i = 0; i < rig.record.count; i++)
		if (rig.record.members[i].server == server + 1)
			rig.record.members[i] = rig.record.members[--rig.record.count];
}

static inline void rig_take_in(uint32_t server, uint64_t incarnation)
{
	rig_put_out(server);
	rig.record.members[rig.record.count].server = (uint16_t)(server + 1);
	rig.record.members[rig.record.count++].incarnation = incarnation;
}

static inline void rig_notice(uint32_t kind, const struct replication_notice *notice)
{
	switch (kind) {
	case CORE_NOTICE_PROPOSE:
		rig.proposed++;
		if (rig.idle)
			return;
		rig.record.proposals = notice->proposal;
		if (rig.c.servers[notice->server - 1].alive &&
		    rig.c.servers[notice->server - 1].incarnation == notice->incarnation)
			rig_take_in(notice->server - 1u, notice->incarnation);
		rig_write();
		break;
	case CORE_NOTICE_LAGS:
		rig.lags++;
		if (!rig.expels)
			return;
		rig_put_out(notice->server - 1u);
		rig_write();
		break;
	case CORE_NOTICE_REFUSED:
		rig.refused++;
		break;
	case CORE_NOTICE_FETCHED:
		rig.fetched++;
		rig_take_in(0, rig.c.servers[0].incarnation);
		rig_write();
		break;
	}
}

static inline void rig_control(void)
{
	struct crossing_slot *slot;

	for (uint32_t i = 0; i < rig.c.count; i++) {
		if (!rig.c.servers[i].alive)
			continue;
		while ((slot = crossing_peek(&rig_core(i)->outbox)) != NULL) {
			if (i == 0)
				rig_notice(slot->kind, (const void *)slot->data);
			crossing_pop(&rig_core(i)->outbox);
		}
	}
}

static inline void rig_pass(uint64_t ns)
{
	for (uint64_t gone = 0; gone < ns; gone += RIG_STEP) {
		cluster_pass(&rig.c, RIG_STEP);
		rig_control();
	}
}

// Turns without time.
static inline void rig_turns(uint32_t turns)
{
	for (uint32_t i = 0; i < turns; i++) {
		cluster_turns(&rig.c, 1);
		rig_control();
	}
}

// Those who are dead or new leave the record, as control's verdicts would have it.
static inline void rig_expel_dead(void)
{
	for (uint32_t i = 1; i < rig.c.count; i++)
		for (uint32_t k = 0; k < rig.record.count; k++)
			if (rig.record.members[k].server == i + 1 &&
			    (!rig.c.servers[i].alive ||
			     rig.record.members[k].incarnation != rig.c.servers[i].incarnation)) {
				rig_put_out(i);
				break;
			}
	rig_write();
}

// The primary's start: a new session where there is no record.
static inline void rig_open_session(void)
{
	rig.record = (struct replication_record){
		.session = RIG_SESSION + ++rig.sessions,
		.epoch = 1,
		.min_in_sync = rig.min_in_sync,
	};
	rig_take_in(0, rig.c.servers[0].incarnation);
	rig_write();
}

// Its start with a record: epoch + 1 and without itself, then the log of the longest member that still has
// its memory. False: there is none.
static inline bool rig_open_record(void)
{
	struct replication_fetch fetch = {.session = rig.record.session};
	uint64_t best_end = 0;
	uint32_t best = 0, best_epoch = 0;

	rig_put_out(0);
	for (uint32_t k = 0; k < rig.record.count; k++) {
		uint32_t i = rig.record.members[k].server - 1u;

		if (!rig.c.servers[i].alive || rig.c.is_cut[i][0] ||
		    rig.c.servers[i].incarnation != rig.record.members[k].incarnation)
			continue;
		if (best == 0 || rig_stream(i)->epoch > best_epoch ||
		    (rig_stream(i)->epoch == best_epoch && rig_end(i) > best_end)) {
			best = i;
			best_epoch = rig_stream(i)->epoch;
			best_end = rig_end(i);
		}
	}
	if (best == 0)
		return false;
	fetch.epoch = ++rig.record.epoch;
	fetch.server = (uint16_t)(best + 1);
	rig_write();
	rig_command(0, CORE_COMMAND_FETCH, &fetch, sizeof(fetch));
	return true;
}

static inline void rig_start(uint32_t servers, const struct cluster_config *given)
{
	struct cluster_config config = {.configuring = rig_configuring};
	uint32_t min_in_sync = rig.min_in_sync;

	if (given != NULL)
		config = *given;
	config.configuring = rig_configuring;
	config.starting = rig_starting;
	config.servers = servers;
	rig.c.count = servers;
	rig.min_in_sync = min_in_sync > 0 ? min_in_sync : 1;
	cluster_start(&rig.c, &config);
	cr_assert(cluster_meet(&rig.c));
	rig_open_session();
	rig_pass(100 * MS);
}

static inline void rig_stop(void)
{
	cluster_stop(&rig.c);
	cr_assert_str_empty(rig.c.failure, "%s", rig.c.failure);
}

// ---- a publisher at the primary ----------------------------------------------------------------

static inline void rig_connect(void)
{
	struct harness *h = cluster_harness(&rig.c, 0);

	harness_clear(h);
	rig.client = harness_peer(h, 0, 9, 0x777, ++rig.connections);
	cr_assert(harness_connect(&rig.client, NULL));
	rig.client.request = 100 * (uint32_t)rig.connections; // no repeat of an earlier one
}

// The answer to PUBLISH_OPEN, or NULL.
static inline const struct godwit_publish_opened *rig_ask_open(uint64_t instance)
{
	const struct harness_frame *frame;

	peer_open(&rig.client, "s0", 70, instance, 0);
	rig_pass(5 * MS);
	frame = harness_take(rig.client.harness, &rig.client.address, GODWIT_PUBLISH_OPENED);
	return frame == NULL ? NULL : (const void *)frame->data;
}

static inline void rig_open(void)
{
	const struct godwit_publish_opened *opened;

	rig_connect();
	opened = rig_ask_open(0);
	cr_assert_not_null(opened);
	cr_assert_eq(godwit_get16(opened->code), GODWIT_OK);
	rig.instance = godwit_get64(opened->instance);
	rig.number = 0;
}

// Publish the next `count` messages, without a turn.
static inline void rig_publish(uint32_t count, uint32_t bytes)
{
	peer_publish(&rig.client, 0, 70, rig.instance, rig.number + 1, count, 5, bytes);
	rig.number += count;
}

// What server 1 says to the primary is lost, or not.
static inline void silence(bool silent)
{
	if (silent)
		cluster_cut(&rig.c, 1, 0);
	else
		cluster_mend(&rig.c, 1, 0);
}

// Server 0 is started again and has fetched.
static inline void restart_primary(void)
{
	uint32_t fetched = rig.fetched;

	cluster_restart(&rig.c, 0);
	cr_assert(cluster_meet(&rig.c) || rig.c.is_cut[1][0] || rig.c.is_cut[2][0]);
	cr_assert(rig_open_record());
	rig_pass(100 * MS);
	cr_assert_eq(rig.fetched, fetched + 1);
	cr_assert(rig_of(0)->writable);
}

// ---- what must be alike ------------------------------------------------------------------------

// Every record that both keep, byte for byte, with its whole time and its epoch.
static inline uint64_t rig_compare_logs(uint32_t one, uint32_t other, uint64_t last)
{
	const struct stream *a = rig_stream(one), *b = rig_stream(other);
	uint64_t first = log_earliest(&a->log), compared = 0, ends[2];

	if (log_earliest(&b->log) > first)
		first = log_earliest(&b->log);
	for (uint64_t seq = first; seq <= last; seq++, compared++) {
		struct place x, y;
		uint32_t bytes;

		cr_assert(log_seek(&a->log, seq, &x) && log_seek(&b->log, seq, &y), "%lu", seq);
		bytes = log_record_bytes(&a->log, x.pos);
		cr_assert_eq(bytes, log_record_bytes(&b->log, y.pos), "seq %lu", seq);
		cr_assert_arr_eq(log_at(&a->log, x.pos), log_at(&b->log, y.pos), bytes, "seq %lu",
				 seq);
		cr_assert_eq(log_time(&a->log, seq), log_time(&b->log, seq));
		cr_assert_eq(stream_epoch_of(a, seq, &ends[0]), stream_epoch_of(b, seq, &ends[1]),
			     "seq %lu", seq);
	}
	return compared;
}

// The tables of publishers as of `seq`, whatever the order.
static inline void rig_compare_publishers(uint32_t one, uint32_t other, uint64_t seq)
{
	struct publisher_state a[64], b[64];
	uint32_t count = publishers_copy(rig_stream(one)->publishers, seq, a);

	cr_assert_eq(publishers_copy(rig_stream(other)->publishers, seq, b), count);
	for (uint32_t i = 0; i < count; i++) {
		bool found = false;

		for (uint32_t k = 0; k < count; k++)
			found |= b[k].id == a[i].id && b[k].instance == a[i].instance &&
				 b[k].last == a[i].last;
		cr_assert(found, "publisher %lu {%lu, %lu}", a[i].id, a[i].instance, a[i].last);
	}
}

// All of it, where both stand at the same end.
static inline void rig_assert_alike(uint32_t one, uint32_t other)
{
	cr_assert_eq(rig_end(one), rig_end(other));
	rig_compare_logs(one, other, rig_end(one));
	rig_compare_publishers(one, other, rig_end(one));
	cr_assert_eq(rig_stream(one)->topics_count, rig_stream(other)->topics_count);
	for (uint32_t i = 0; i < rig_stream(one)->topics_count; i++)
		cr_assert_arr_eq(rig_stream(one)->topics[i].name, rig_stream(other)->topics[i].name,
				 GODWIT_NAME_BYTES);
}

#endif
