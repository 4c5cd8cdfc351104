// SPDX-License-Identifier: BSD-3-Clause
//
// A replicated stream under losses, doubles, swaps, cut wires, kills and restarts, all from one seed. What
// must hold whatever happens: what is committed anywhere is the same everywhere and for ever; the commit of
// a process never goes back; what a publisher was told is committed is never lost, and each of its messages
// is in the stream once, in its order; when all is mended, all servers hold the same.
#include "tests/unit/replication_rig.h"

#define RECORDS_MAX 65536

static struct {
	uint64_t random;
	uint64_t hashes
		[RECORDS_MAX]; // of each committed record, as the first server that committed it had it
	uint64_t commits[CLUSTER_SERVERS], incarnations[CLUSTER_SERVERS];
	uint64_t acked; // number that the publisher was told is committed
	bool starts;	// the primary waits for a member to fetch from
	uint64_t cut_ns[CLUSTER_SERVERS];
	uint32_t primary_restarts, replica_restarts, expelled, repeats;
	// frames kept back by the wire
	struct {
		uint8_t bytes[2048];
		uint32_t length, from, to;
	} kept[8];
	bool reinjecting, calm;
} t;

static uint32_t dice(uint32_t n)
{
	uint64_t z = (t.random += 0x9e3779b97f4a7c15ull);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return (uint32_t)((z ^ z >> 31) % n);
}

static bool wire(struct cluster *c, uint32_t from, uint32_t to, uint8_t *bytes, uint32_t *length)
{
	uint32_t roll = dice(100), slot = dice(8);

	if (t.reinjecting || t.calm || roll >= 12)
		return true;
	if (roll < 5)
		return false;
	t.reinjecting = true;
	if (t.kept[slot].length > 0)
		cluster_inject(c, t.kept[slot].from, t.kept[slot].to, t.kept[slot].bytes,
			       t.kept[slot].length);
	t.reinjecting = false;
	memcpy(t.kept[slot].bytes, bytes, *length);
	t.kept[slot].length = *length;
	t.kept[slot].from = from;
	t.kept[slot].to = to;
	return roll < 9;
}

// ---- what must hold ----------------------------------------------------------------------------

static uint64_t record_hash(const struct stream *stream, uint64_t seq)
{
	uint64_t hash = log_time(&stream->log, seq), last;
	struct place place;
	uint32_t bytes;

	cr_assert(log_seek(&stream->log, seq, &place));
	hash = hash * 31 + stream_epoch_of(stream, seq, &last);
	bytes = log_record_bytes(&stream->log, place.pos);
	for (uint32_t i = 0; i < bytes; i++)
		hash = (hash ^ log_at(&stream->log, place.pos)[i]) * 0x100000001b3ull;
	return hash | 1;
}

static void check(uint64_t seed)
{
	for (uint32_t i = 0; i < rig.c.count; i++) {
		const struct cluster_server *server = &rig.c.servers[i];
		uint64_t commit, from;

		if (!server->alive)
			continue;
		if (t.incarnations[i] != server->incarnation) {
			t.incarnations[i] = server->incarnation;
			t.commits[i] = 0;
		}
		commit = rig_commit(i);
		cr_assert_geq(commit, t.commits[i], "seed %lu: the commit of %u went back", seed,
			      i);
		cr_assert_lt(commit, RECORDS_MAX);
		from = log_earliest(&rig_stream(i)->log);
		if (from <= t.commits[i])
			from = t.commits[i] + 1;
		for (uint64_t seq = from; seq <= commit; seq++) {
			uint64_t hash = record_hash(rig_stream(i), seq);

			if (t.hashes[seq] == 0)
				t.hashes[seq] = hash;
			cr_assert_eq(t.hashes[seq], hash,
				     "seed %lu: server %u committed another record %lu", seed, i,
				     seq);
		}
		t.commits[i] = commit;
	}
}

// ---- what happens ------------------------------------------------------------------------------

static void take_acks(uint64_t seed)
{
	const struct harness_frame *frame;

	while ((frame = harness_take(rig.client.harness, &rig.client.address,
				     GODWIT_PUBLISH_ACK)) != NULL) {
		const struct godwit_publish_ack *ack = (const void *)frame->data;
		uint64_t committed = godwit_get64(ack->committed);

		if (godwit_get64(ack->publisher) != 70 || committed <= t.acked)
			continue;
		t.acked = committed;
		cr_assert_leq(t.acked, rig_commit(0), "seed %lu", seed);
	}
}

// The publisher of the only instance: its message n is the stream's record n.
static void publish(void)
{
	uint64_t expected = rig_end(0) + 1, back = dice(4) == 0 ? dice(6) : 0;

	if (back >= expected - t.acked)
		back = 0;
	t.repeats += back > 0;
	rig.number = expected - 1 - back;
	rig_publish(1 + dice(6), 8 + dice(180));
}

static bool primary_may_die(void)
{
	for (uint32_t k = 0; k < rig.record.count; k++) {
		uint32_t i = rig.record.members[k].server - 1u;

		// In the record in force as the home core has it, too: it commits by that.
		if (i != 0 && rig.c.servers[i].alive &&
		    rig.c.servers[i].incarnation == rig.record.members[k].incarnation)
			return true;
	}
	return false;
}

static void reconnect(uint64_t seed)
{
	const struct godwit_publish_opened *opened = NULL;

	rig_connect();
	for (uint32_t i = 0; i < 50 && opened == NULL; i++)
		opened = rig_ask_open(rig.instance);
	cr_assert_not_null(opened, "seed %lu", seed);
	cr_assert_eq(godwit_get16(opened->code), GODWIT_OK, "seed %lu: %s", seed,
		     godwit_code_name(godwit_get16(opened->code)));
	cr_assert_geq(godwit_get64(opened->last), t.acked, "seed %lu: acknowledged and lost", seed);
	cr_assert_eq(godwit_get64(opened->last), rig_end(0), "seed %lu: not once each", seed);
}

static void start_primary(uint64_t seed)
{
	if (rig_of(0)->writable) {
		t.starts = false;
		reconnect(seed);
	} else if (rig_of(0)->record_epoch == 0 && cluster_meet(&rig.c)) {
		rig_open_record();
	}
}

// A wire that is cut for long makes who is behind it dead.
static void judge(void)
{
	for (uint32_t i = 1; i < rig.c.count; i++) {
		bool is_cut = rig.c.is_cut[0][i] || rig.c.is_cut[i][0];
		bool is_dead = !rig.c.servers[i].alive;

		if (!is_cut)
			t.cut_ns[i] = rig.c.now_ns;
		is_dead |= rig.c.now_ns - t.cut_ns[i] > 40 * MS;
		atomic_store(&cluster_peer(&rig.c, 0, i)->verdict, is_dead ? PEER_DEAD : PEER_UP);
		for (uint32_t k = 0; !t.starts && k < rig.record.count; k++) {
			if (rig.record.members[k].server != i + 1 ||
			    (!is_dead &&
			     rig.record.members[k].incarnation == rig.c.servers[i].incarnation))
				continue;
			rig_put_out(i);
			rig_write();
			t.expelled++;
			break;
		}
	}
}

static void happen(uint64_t seed)
{
	uint32_t what = dice(1000), i = 1 + dice(2);

	if (what < 10) {
		cluster_cut(&rig.c, dice(2) ? i : 0, 0);
		cluster_cut(&rig.c, 0, dice(2) ? i : 0);
	} else if (what < 40) {
		cluster_mend(&rig.c, i, 0);
		cluster_mend(&rig.c, 0, i);
	} else if (what < 44 && !t.starts) {
		cluster_restart(&rig.c, i);
		t.replica_restarts++;
	} else if (what < 48 && !t.starts && primary_may_die()) {
		take_acks(seed);
		cluster_restart(&rig.c, 0);
		for (uint32_t k = 1; k < rig.c.count; k++) {
			cluster_mend(&rig.c, 0, k);
			cluster_mend(&rig.c, k, 0);
		}
		t.starts = true;
		t.primary_restarts++;
	} else if (what < 700 && !t.starts) {
		publish();
	}
}

// Where each server stands, for whoever looks into a seed.
static void tell(void)
{
	for (uint32_t i = 0; i < rig.c.count; i++) {
		const struct replication *r = rig_of(i);

		fprintf(stderr,
			"server %u: end %lu commit %lu epoch %u writable %d record %u members %x "
			"proposed %x sink %d loaded %d meta %lu/%lu pulling %d page %u fetching %d\n",
			i, rig_end(i), rig_commit(i), rig_stream(i)->epoch, r->writable,
			r->record_epoch, r->members, r->proposed, r->sink.state, r->sink.loaded,
			r->sink.meta, r->meta_last, r->sink.pulling, r->sink.page,
			r->sink.fetching);
		for (uint32_t n = 0; n < COUNTERS; n++)
			if (cluster_count(&rig.c, i, n) > 0)
				fprintf(stderr, "  %s %lu\n", counter_infos[n].name,
					cluster_count(&rig.c, i, n));
		for (uint32_t d = 0; d < DROPS; d++)
			if (cluster_drops(&rig.c, i, d) > 0)
				fprintf(stderr, "  %s %lu\n", drop_infos[d].name,
					cluster_drops(&rig.c, i, d));
		for (uint32_t k = 0; k + 1 < rig.c.count; k++)
			fprintf(stderr, "  feed %u: active %d acked %lu sent %lu meta %lu\n", k,
				r->feeds[k].active, r->feeds[k].acked, r->feeds[k].sent,
				r->feeds[k].meta_acked);
	}
}

static void run(uint64_t seed)
{
	struct cluster_config config = {.each = {.log_bytes = 1 << 20, .runs_max = 256}};

	memset(&rig, 0, sizeof(rig));
	memset(&t, 0, sizeof(t));
	t.random = seed;
	t.calm = true;
	rig.min_in_sync = 2;
	rig_start(3, &config);
	rig.c.filter = wire;
	rig_open();
	t.calm = false;
	for (uint32_t step = 0; step < 3000; step++) {
		happen(seed);
		judge();
		rig_pass(RIG_STEP * (1 + dice(4)));
		take_acks(seed);
		check(seed);
		if (t.starts)
			start_primary(seed);
		if (step % 64 == 0 && !t.starts) {
			harness_clear(cluster_harness(&rig.c, 0));
			cr_assert(harness_connect(&rig.client, NULL));
		}
	}
	t.calm = true;
	for (uint32_t i = 1; i < 3; i++) {
		cluster_mend(&rig.c, 0, i);
		cluster_mend(&rig.c, i, 0);
	}
	for (uint32_t i = 0; i < 1000; i++) {
		judge();
		rig_pass(2 * RIG_STEP);
		check(seed);
		if (t.starts)
			start_primary(seed);
	}
	if (getenv("REPLICATION_TELL") != NULL)
		tell();
	cr_assert_not(t.starts, "seed %lu: the primary never came back", seed);
	cr_assert_eq(rig.record.count, 3, "seed %lu: not all in sync", seed);
	cr_assert_eq(rig_commit(0), rig_end(0), "seed %lu", seed);
	for (uint32_t i = 1; i < 3; i++) {
		rig_assert_alike(0, i);
		cr_assert_eq(rig_commit(i), rig_end(0), "seed %lu", seed);
	}
	cr_assert_gt(rig_end(0), 1000, "seed %lu: hardly anything was published", seed);
	rig_stop();
}

Test(replication_twin, whatever_happens_what_is_committed_stays, .timeout = 100)
{
	const char *one = getenv("REPLICATION_SEED"), *many = getenv("REPLICATION_SEEDS");
	uint64_t first = 1, last = 8;
	uint32_t primaries = 0, replicas = 0;

	if (one != NULL)
		first = last = strtoull(one, NULL, 10);
	if (many != NULL)
		last = strtoull(many, NULL, 10);
	for (uint64_t seed = first; seed <= last; seed++) {
		run(seed);
		primaries += t.primary_restarts;
		replicas += t.replica_restarts;
	}
	cr_assert_gt(primaries, 0);
	cr_assert_gt(replicas, 0);
}
