// SPDX-License-Identifier: BSD-3-Clause
//
// The truth: what each stream has committed, record by record, read back from the logs of the servers after
// each turn. Who is first adds to it; whatever another has committed is compared with it.
#include <stdlib.h>

#include "dataplane/replication.h"
#include "tests/sim/sim.h"

struct truth *truth_of(struct sim *sim, uint64_t session)
{
	for (uint32_t i = 0; i < sim->truth_count; i++)
		if (sim->truths[i].session == session)
			return &sim->truths[i];
	return NULL;
}

struct truth *truth_begin(struct sim *sim, uint32_t stream, uint64_t session)
{
	struct truth *truth = &sim->truths[sim->truth_count++];

	if (sim->truth_count > SIM_TRUTHS)
		abort();
	*truth = (struct truth){.session = session, .stream = stream};
	sim->streams[stream].truth = truth;
	sim->streams[stream].sessions++;
	return truth;
}

void truth_begin_epoch(struct truth *truth, uint32_t epoch, uint64_t first)
{
	if (truth->epochs_count == SIM_EPOCHS)
		abort();
	truth->epochs[truth->epochs_count].epoch = epoch;
	truth->epochs[truth->epochs_count++].first = first;
}

uint32_t truth_epoch(const struct truth *truth, uint64_t seq)
{
	uint32_t i = truth->epochs_count;

	while (--i > 0 && truth->epochs[i].first > seq)
		;
	return truth->epochs[i].epoch;
}

const struct truth_record *truth_find(const struct truth *truth, uint64_t seq, uint32_t epoch)
{
	if (seq > 0 && seq <= truth->count && truth->records[seq - 1].epoch == epoch)
		return &truth->records[seq - 1];
	for (uint64_t i = truth->lost_count; i-- > 0;)
		if (truth->lost[i].seq == seq && truth->lost[i].record.epoch == epoch)
			return &truth->lost[i].record;
	return NULL;
}

bool truth_may_lose(const struct sim *sim, uint32_t stream)
{
	return sim->streams[stream].ack_local || sim->streams[stream].given_up;
}

// A stream goes on after `seq`: what was committed above went with its primary, or was given up.
static void lose_above(struct sim *sim, struct truth *truth, uint64_t seq)
{
	uint64_t lost = truth->count - seq;

	truth->lost = realloc(truth->lost, (truth->lost_count + lost) * sizeof(*truth->lost));
	if (truth->lost == NULL)
		abort();
	for (uint64_t at = seq + 1; at <= truth->count; at++) {
		truth->lost[truth->lost_count].seq = at;
		truth->lost[truth->lost_count++].record = truth->records[at - 1];
	}
	truth->count = truth->commit = seq;
	while (truth->epochs_count > 1 && truth->epochs[truth->epochs_count - 1].first > seq)
		truth->epochs_count--;
	sim->lost_messages += lost;
	sim_trace(sim, SIM_NODES, "stream %u: %lu records above %lu are lost", truth->stream, lost,
		  seq);
}

static uint64_t hash_of(const uint8_t *bytes, uint32_t length)
{
	uint64_t hash = 1469598103934665603ull;

	for (uint32_t i = 0; i < length; i++)
		hash = (hash ^ bytes[i]) * 1099511628211ull;
	return hash;
}

// Once each, in the publisher's order: number n follows n - 1 of the same instance.
static void check_numbers(struct sim *sim, const struct truth *truth,
			  const struct truth_record *known)
{
	for (uint64_t i = truth->count; i-- > 0;) {
		const struct truth_record *before = &truth->records[i];

		if (before->publisher != known->publisher || before->instance != known->instance)
			continue;
		if (before->number + 1 != known->number)
			sim_fail(sim, "publisher %lu: number %lu after %lu", known->publisher,
				 known->number, before->number);
		return;
	}
}

// One process commits in an epoch. It may begin with records of the epochs before.
static void check_committer(struct host *host, const struct stream *stream, struct truth *truth)
{
	struct committer *last = NULL;

	for (uint32_t i = 0; i < truth->committers_count; i++)
		if (truth->committers[i].epoch == stream->epoch)
			last = &truth->committers[i];
	if (last == NULL) {
		if (truth->committers_count == SIM_EPOCHS)
			abort();
		last = &truth->committers[truth->committers_count++];
		*last = (struct committer){stream->epoch, host->index, host->generation};
	}
	if (last->host != host->index || last->generation != host->generation)
		sim_fail(host->sim, "stream %u: s%u commits in epoch %u, as did s%u", truth->stream,
			 host->index + 1, last->epoch, last->host + 1);
}

// Whether a server held a sequence: its present process, or one before.
static bool held(const struct sim *sim, uint32_t host, const struct truth *truth, uint64_t seq)
{
	const struct host_stream *hs = &sim->hosts[host].streams[truth->stream];

	return (hs->truth == truth && hs->reached >= seq) ||
	       (hs->truth_before == truth && hs->reached_before >= seq);
}

// Before something is committed, all in sync had it, and enough.
static void check_holders(struct sim *sim, const struct truth *truth, uint64_t seq)
{
	const struct sim_stream *stream = &sim->streams[truth->stream];
	const struct cluster_record *record = &stream->record;
	uint32_t holders = 0;

	if (stream->ack_local)
		return;
	for (uint32_t i = 0; i < sim->host_count; i++)
		holders += held(sim, i, truth, seq);
	if (holders < stream->min_in_sync)
		sim_fail(sim, "stream %u: %lu is committed, and only %u servers ever had it",
			 truth->stream, seq, holders);
	for (uint32_t i = 0; record->session == truth->session && i < record->in_sync_count; i++)
		if (!held(sim, record->in_sync[i].server - 1u, truth, seq))
			sim_fail(sim,
				 "stream %u: %lu is committed, and s%u, which is in sync, has "
				 "it not",
				 truth->stream, seq, record->in_sync[i].server);
}

static void learn(struct host *host, const struct stream *stream, struct truth *truth,
		  const struct truth_record *known)
{
	if (stream->role == STREAM_REPLICA) {
		sim_fail(host->sim, "stream %u: s%u committed %lu before its primary",
			 truth->stream, host->index + 1, truth->count + 1);
		return;
	}
	if (truth->count == truth->capacity) {
		truth->capacity = truth->capacity ? truth->capacity * 2 : 256;
		truth->records = realloc(truth->records, truth->capacity * sizeof(*truth->records));
		if (truth->records == NULL)
			abort();
	}
	if (known->epoch > truth->epochs[truth->epochs_count - 1].epoch)
		truth_begin_epoch(truth, known->epoch, truth->count + 1);
	check_committer(host, stream, truth);
	check_holders(host->sim, truth, truth->count + 1);
	check_numbers(host->sim, truth, known);
	truth->records[truth->count++] = *known;
}

// One committed record of a host's log.
static void meet(struct host *host, struct host_stream *hs, uint64_t seq,
		 const struct godwit_record *record, const struct cut *cut)
{
	struct sim *sim = host->sim;
	struct truth *truth = hs->truth;
	const uint8_t *payload = (const uint8_t *)(record + 1);
	uint32_t length = godwit_get16(record->length);
	uint64_t ids[3];
	struct truth_record known = {
		.topic = godwit_get32(record->topic),
		.time_ns = cut->time_ns +
			   (uint32_t)(godwit_get32(record->time) - (uint32_t)cut->time_ns),
		.epoch = cut->epoch,
		.hash = hash_of(payload, length),
	};

	if (length < sizeof(ids)) {
		sim_fail(sim, "a record shorter than anything published");
		return;
	}
	memcpy(ids, payload, sizeof(ids));
	known.publisher = ids[0];
	known.instance = ids[1];
	known.number = ids[2];
	if (truth_may_lose(host->sim, truth->stream) && seq <= truth->count &&
	    memcmp(&known, &truth->records[seq - 1], sizeof(known)) != 0) {
		const struct truth_record *lost = truth_find(truth, seq, known.epoch);

		if (hs->stream->role == STREAM_PRIMARY) {
			lose_above(sim, truth, seq - 1);
		} else {
			// It does not know yet that its end is history no more.
			if (lost == NULL || memcmp(&known, lost, sizeof(known)) != 0)
				sim_fail(sim, "stream %u: s%u has a record %lu that never was",
					 truth->stream, host->index + 1, seq);
			return;
		}
	}
	if (seq > truth->count && hs->stream->role == STREAM_REPLICA &&
	    truth_find(truth, seq, known.epoch) != NULL)
		return; // the same
	if (seq > truth->count)
		learn(host, hs->stream, truth, &known);
	else if (memcmp(&known, &truth->records[seq - 1], sizeof(known)) != 0)
		sim_fail(sim, "stream %u: s%u has another record %lu than was committed",
			 truth->stream, host->index + 1, seq);
	if (known.epoch != truth_epoch(truth, seq))
		sim_fail(sim, "stream %u: s%u has record %lu of epoch %u in epoch %u",
			 truth->stream, host->index + 1, seq, truth_epoch(truth, seq), known.epoch);
}

static void meet_slice(struct host *host, struct host_stream *hs, uint64_t pos, struct slice slice,
		       const struct cut *cut)
{
	const struct log *log = &hs->stream->log;

	for (uint32_t n = 0; n < slice_count(slice) && !host->sim->failed; n++) {
		meet(host, hs, slice.first + n, (const void *)log_at(log, pos), cut);
		pos += log_record_bytes(log, pos);
	}
}

// Stand at the beginning of what the host has of its session.
static void enter_session(struct host *host, struct host_stream *hs, uint32_t stream)
{
	uint64_t session = hs->stream->session_held;

	if (hs->truth == NULL || hs->truth->session != session) {
		hs->truth = truth_of(host->sim, session);
		hs->commit_seen = 0;
	}
	if (hs->truth == NULL) {
		hs->truth = truth_begin(host->sim, stream, session);
		truth_begin_epoch(hs->truth, hs->stream->epoch, 1);
	}
	if (!log_seek(&hs->stream->log, log_earliest(&hs->stream->log), &hs->place))
		sim_fail(host->sim, "stream %u: s%u cannot find its earliest record", stream,
			 host->index + 1);
}

static void check_commit(struct host *host, struct host_stream *hs, uint32_t stream,
			 uint64_t commit)
{
	struct sim *sim = host->sim;

	bool may_lose = truth_may_lose(sim, stream);

	if (commit < hs->commit_seen && !may_lose)
		sim_fail(sim, "stream %u: the commit of s%u went back from %lu to %lu", stream,
			 host->index + 1, hs->commit_seen, commit);
	hs->commit_seen = commit;
	// What a replica that is not in sync has may begin above its commit.
	if (hs->place.seq != commit + 1 &&
	    (hs->stream->role != STREAM_REPLICA || hs->place.seq <= commit))
		sim_fail(sim, "stream %u: read up to %lu, s%u committed %lu", stream,
			 hs->place.seq - 1, host->index + 1, commit);
	if (commit > hs->truth->commit && commit <= hs->truth->count)
		hs->truth->commit = commit;
	if (may_lose && hs->stream->role == STREAM_PRIMARY && hs->stream->replication->writable &&
	    log_head_seq(&hs->stream->log) < hs->truth->count)
		lose_above(sim, hs->truth, log_head_seq(&hs->stream->log));
}

// Whoever the record has in sync has the tables whole: a primary that is started again may ask nobody else. But an operator
// may have named one that has not: nobody else holds the log.
static void check_member(const struct host *host, const struct host_stream *hs, uint32_t stream)
{
	const struct cluster_record *record = &host->sim->streams[stream].record;
	uint32_t *adopted = &host->sim->streams[stream].adopted, bit = 1u << host->index;

	if (hs->stream->role != STREAM_REPLICA)
		return;
	if (hs->stream->replication->sink.loaded)
		*adopted &= ~bit;
	else if ((*adopted & bit) == 0 &&
		 cluster_in_sync_as(record, (uint16_t)(host->index + 1), host->server.incarnation))
		sim_fail(host->sim, "stream %u: s%u is in sync and lacks publishers and topics",
			 stream, host->index + 1);
}

// Its log is another's beginning, and not led here.
static bool is_fed(const struct stream *stream)
{
	return stream->role == STREAM_REPLICA ||
	       (stream->role == STREAM_PRIMARY && !stream->replication->writable);
}

// Nothing happened to its log since it was read, and all that is committed was.
static bool is_read(const struct host *host, const struct host_stream *hs, uint32_t stream,
		    uint64_t commit)
{
	return hs->truth != NULL && hs->truth->session == hs->stream->session_held &&
	       hs->reached == log_head_seq(&hs->stream->log) && hs->commit_seen == commit &&
	       hs->place.seq == commit + 1 && hs->reconciled == hs->stream->reconciled &&
	       !truth_may_lose(host->sim, stream);
}

// A replica that was too far behind began anew further up; so did a primary that fetches from a second member. Where
// commits may be lost, either may have been cut back below its commit.
static bool has_begun_anew(const struct host *host, const struct host_stream *hs, uint32_t stream)
{
	const struct log *log = &hs->stream->log;
	bool is_cut_back = hs->reconciled != hs->stream->reconciled ||
			   (is_fed(hs->stream) && log_head_seq(log) + 1 < hs->place.seq);

	return (truth_may_lose(host->sim, stream) && is_cut_back) ||
	       (is_fed(hs->stream) && log_earliest(log) > hs->place.seq);
}

void truth_read(struct host *host, uint32_t stream)
{
	struct host_stream *hs = &host->streams[stream];
	const struct log *log = &hs->stream->log;
	struct mark commit = log_committed(log);
	struct slice slice;
	bool at_cut;

	if (hs->stream->session_held == 0)
		return;
	check_member(host, hs, stream);
	if (is_read(host, hs, stream, commit.seq))
		return;
	if (hs->truth == NULL || hs->truth->session != hs->stream->session_held ||
	    has_begun_anew(host, hs, stream))
		enter_session(host, hs, stream);
	hs->reached = log_head_seq(log);
	hs->reconciled = hs->stream->reconciled;
	for (;;) {
		uint64_t pos = hs->place.pos, number;
		enum log_read read = log_next(log, &hs->place, commit, log->slice_bytes,
					      LOG_CUT_RECORDS, &slice, &at_cut);
		struct cut cut;

		if (read == LOG_READ_NONE)
			break;
		if (read == LOG_READ_TRUNCATED || !log_find(log, slice.first, &number) ||
		    !log_cut(log, number, &cut)) {
			sim_fail(host->sim, "stream %u: s%u appended more than its log in one turn",
				 stream, host->index + 1);
			return;
		}
		meet_slice(host, hs, pos, slice, &cut);
	}
	check_commit(host, hs, stream, commit.seq);
}
