// SPDX-License-Identifier: BSD-3-Clause
//
// The control of a simulated server, between its cores' turns: its plane, the keeper of the records of the
// streams that it leads, and the files that these lie in.
#include <errno.h>
#include <stdlib.h>

#include "control/cluster_text.h"
#include "dataplane/replication.h"
#include "tests/sim/sim.h"

#define TURN_NS		 (1 * MS)
#define START_TIMEOUT_NS (100 * MS)
#define STALL_NS	 (100 * MS) // without a turn: the core is lost

// ---- files of the host ------------------------------------------------------------------------

static struct host_file *file_of(struct host *host, const char *name, bool make)
{
	for (uint32_t i = 0; i < SIM_FILES; i++) {
		struct host_file *file = &host->files[i];

		if (strcmp(file->name, name) == 0)
			return file;
		if (file->name[0] == '\0' && make) {
			snprintf(file->name, sizeof(file->name), "%s", name);
			return file;
		}
	}
	return NULL;
}

static int store_read(void *arg, const char *name, char *text, size_t size)
{
	const struct host_file *file = file_of(arg, name, false);

	if (file == NULL)
		return -ENOENT;
	if (file->bytes > size)
		return -EFBIG;
	memcpy(text, file->text, file->bytes);
	return (int)file->bytes;
}

// What is on the disk is what counts, also where the keeper does not know that it is.
static void note_written(struct host *host, const char *text, size_t bytes)
{
	for (uint32_t i = 0; i < host->sim->stream_count; i++) {
		struct sim_stream *stream = &host->sim->streams[i];
		struct cluster_record record;
		char name[16], why[CLUSTER_WHY_BYTES];

		snprintf(name, sizeof(name), "s%u", i);
		if (cluster_text_read("sim", name, text, bytes, &record, why) != CLUSTER_DONE)
			continue;
		if (record.session != stream->written.session)
			stream->written_before = stream->written;
		stream->written = record;
	}
}

// A bad disk says that it did not, or does not know whether it did.
static int store_write(void *arg, const char *name, const char *text, size_t bytes)
{
	struct host *host = arg;
	struct rng *rng = &host->sim->rng;
	bool is_bad = !host->sim->quiet && host->bad_disk > 0 && rng_percent(rng, host->bad_disk);
	uint64_t how = is_bad ? rng_below(rng, 3) : 0; // not; not, or done, and not known
	struct host_file *file;

	if (is_bad && how == 0)
		return -EIO;
	if (is_bad && how == 1)
		return CLUSTER_STORE_UNKNOWN;
	file = file_of(host, name, true);
	if (file == NULL || bytes > sizeof(file->text))
		return -ENOSPC;
	memcpy(file->text, text, bytes);
	file->bytes = bytes;
	note_written(host, file->text, bytes);
	return is_bad ? CLUSTER_STORE_UNKNOWN : 0;
}

void host_forget_files(struct host *host)
{
	memset(host->files, 0, sizeof(host->files));
}

// ---- orders of the keeper ---------------------------------------------------------------------

static bool order(struct host *host, uint32_t number, enum core_command_kind kind,
		  const void *bytes, uint32_t length)
{
	struct crossing *inbox = &host->server.cores[host->server.streams[number]->home]->inbox;
	struct crossing_slot *slot = crossing_begin(inbox);

	if (slot == NULL)
		return false;
	slot->kind = kind;
	slot->bytes = length;
	memset(slot->data, 0, CORE_COMMAND_BYTES);
	memcpy(slot->data, bytes, length);
	crossing_end(inbox);
	return true;
}

static bool order_record(void *arg, uint32_t number, const struct cluster_record *from,
			 uint64_t proposals)
{
	struct replication_record record = {
		.stream = number,
		.epoch = from->epoch,
		.session = from->session,
		.proposals = proposals,
		.min_in_sync = from->min_in_sync,
		.count = from->in_sync_count,
	};

	for (uint32_t i = 0; i < from->in_sync_count; i++) {
		record.members[i].server = from->in_sync[i].server;
		record.members[i].incarnation = from->in_sync[i].incarnation;
	}
	return order(arg, number, CORE_COMMAND_RECORD, &record, sizeof(record));
}

static bool order_fetch(void *arg, uint32_t number, const struct cluster_record *record,
			uint16_t server)
{
	struct replication_fetch fetch = {
		.stream = number,
		.epoch = record->epoch,
		.session = record->session,
		.server = server,
	};

	return order(arg, number, CORE_COMMAND_FETCH, &fetch, sizeof(fetch));
}

static uint64_t draw_random(void *arg)
{
	const struct host *host = arg;

	return rng_next(&host->sim->rng);
}

// ---- notices of cores -------------------------------------------------------------------------

static void on_notice(struct host *host, const struct crossing_slot *slot)
{
	struct keeper *keeper = host->control.keeper;
	struct replication_notice notice;

	if (slot->kind != CORE_NOTICE_PROPOSE && slot->kind != CORE_NOTICE_LAGS &&
	    slot->kind != CORE_NOTICE_FETCHED && slot->kind != CORE_NOTICE_REFUSED) {
		struct core_notice moved;

		memcpy(&moved, slot->data, sizeof(moved));
		if (host->control.plane != NULL)
			plane_notice(host->control.plane, slot->kind, &moved, host_now(host));
		return;
	}
	memcpy(&notice, slot->data, sizeof(notice));
	if (slot->kind == CORE_NOTICE_FETCHED)
		keeper_fetched(keeper, notice.stream, notice.server, notice.incarnation);
	else if (slot->kind == CORE_NOTICE_REFUSED)
		keeper_refused(keeper, notice.stream, notice.server, notice.incarnation,
			       host_now(host));
	else if (slot->kind == CORE_NOTICE_PROPOSE)
		keeper_proposed(keeper, notice.stream, notice.server, notice.incarnation,
				notice.proposal);
	else
		keeper_lags(keeper, notice.stream, notice.server, notice.incarnation,
			    host_now(host));
}

// Whether there were any.
static bool hear_cores(struct host *host)
{
	bool any = false;

	for (uint32_t i = 0; i < host->core_count; i++) {
		struct crossing *outbox = &host->cores[i].core->outbox;
		const struct crossing_slot *slot;

		while ((slot = crossing_peek(outbox)) != NULL) {
			on_notice(host, slot);
			crossing_pop(outbox);
			any = true;
		}
	}
	return any;
}

// ---- what the plane asks and says -------------------------------------------------------------

static void say(void *arg, const char *line)
{
	const struct host *host = arg;

	sim_trace(host->sim, host_node(host), "%s", line);
}

// As a port does: an address always lands on one core. At another attempt, or of others, any.
static uint32_t core_of(void *arg, uint64_t client, uint32_t attempt)
{
	const struct host *host = arg;
	uint64_t index = client - SIM_CLIENT_ID;
	uint32_t core = index < host->sim->actor_count ?
				host_core_of(host, &host->sim->actors[index].address) :
				0;

	return (core + attempt) % host->core_count;
}

void host_drain(struct host *host, bool begins)
{
	struct plane *plane = host->control.plane;

	if (plane == NULL || !host->up)
		return;
	if (begins)
		sim_trace(host->sim, host_node(host), "drain: %s",
			  godwit_code_name(
				  migration_drain(plane_migration(plane), host_now(host), NULL)));
	else
		migration_undrain(plane_migration(plane), host_now(host));
}

void host_rebalance(struct host *host)
{
	static const char *const answers[] = {
		[MIGRATION_REBALANCE_BEGUN] = "begun",
		[MIGRATION_REBALANCE_AGAIN] = "again",
		[MIGRATION_REBALANCE_EVEN] = "even",
		[MIGRATION_REBALANCE_ONE_CORE] = "one core",
		[MIGRATION_REBALANCE_DRAINING] = "draining",
	};
	struct plane *plane = host->control.plane;

	if (plane == NULL || !host->up)
		return;
	sim_trace(host->sim, host_node(host), "rebalance: %s",
		  answers[migration_rebalance(plane_migration(plane), host_now(host))]);
}

// ---- records ----------------------------------------------------------------------------------

static void trace_record(struct host *host, uint32_t stream, const struct cluster_record *record)
{
	char members[80] = "";
	int at = 0;

	for (uint32_t i = 0; i < record->in_sync_count; i++)
		at += snprintf(members + at, sizeof(members) - (size_t)at, " s%u",
			       record->in_sync[i].server);
	sim_trace(host->sim, host_node(host), "stream %u: record of epoch %u, in sync:%s", stream,
		  record->epoch, members);
}

// History begins anew only when every process that had it, by the last record of it, is gone.
static void check_session(struct host *host, uint32_t stream, const struct cluster_record *record)
{
	struct sim *sim = host->sim;
	const struct cluster_record *before = &sim->streams[stream].written_before;

	if (before->session == 0 || sim->streams[stream].record.session == record->session)
		return;
	for (uint32_t i = 0; i < before->in_sync_count; i++) {
		const struct host *member = &sim->hosts[before->in_sync[i].server - 1];

		if (member->up && member->server.incarnation == before->in_sync[i].incarnation)
			sim_fail(sim, "stream %u: s%u begins a new session, and s%u has the old",
				 stream, host->index + 1, member->index + 1);
	}
}

static void look_at_records(struct host *host)
{
	struct sim *sim = host->sim;

	for (uint32_t i = 0; i < keeper_count(host->control.keeper); i++) {
		struct keeper_view view;
		struct cluster_record *record;
		uint32_t stream;

		keeper_look(host->control.keeper, i, &view);
		stream = host->control.streams[i];
		record = &sim->streams[stream].record;
		if (view.record.revision == 0 || (view.record.revision == record->revision &&
						  view.record.session == record->session))
			continue;
		trace_record(host, stream, &view.record);
		check_session(host, stream, &view.record);
		*record = view.record;
	}
}

// ---- the operator -----------------------------------------------------------------------------

// A stream whose record is lost goes on with what a server holds, as a rule if nothing has to be given up. A person who
// is called may be mistaken in the stream, or in the server; that is refused.
static void adopt(struct host *host, uint32_t stream, const struct keeper_view *view)
{
	static const char *const answers[] = {
		[KEEPER_ADOPT_ORDERED] = "ordered",
		[KEEPER_ADOPT_NOT_WAITING] = "not waiting",
		[KEEPER_ADOPT_NO_RECORD] = "no record",
		[KEEPER_ADOPT_HOLDS_NOTHING] = "holds nothing",
		[KEEPER_ADOPT_GIVES_UP] = "gives up",
	};
	struct sim *sim = host->sim;
	uint16_t server = view->server;
	struct keeper_given_up given_up;
	enum keeper_adoption answer;
	bool gives_up = sim->gives_up && rng_percent(&sim->rng, 60);

	if (view->why != KEEPER_HELD_ELSEWHERE || rng_percent(&sim->rng, 20))
		server = (uint16_t)(1 + rng_below(&sim->rng, sim->host_count));
	answer = keeper_adopt(host->control.keeper, view->number, server, gives_up, &given_up);
	sim_trace(sim, host_node(host), "stream %u: adopt what s%u holds%s: %s", stream, server,
		  gives_up ? ", give up the rest" : "", answers[answer]);
	if (answer != KEEPER_ADOPT_ORDERED)
		return;
	sim->streams[stream].adopted = UINT32_MAX;
	if (gives_up)
		sim->streams[stream].given_up = true;
}

// What was adopted may not be whole, with nobody to make it so: it is started again, and the stream with it.
static void start_again(struct host *host, uint32_t stream, uint16_t server)
{
	struct sim *sim = host->sim;
	struct host *holder = &sim->hosts[server - 1];

	if (sim->streams[stream].adopted == 0 || !holder->up || holder->paused ||
	    !rng_percent(&sim->rng, 30))
		return;
	sim_trace(sim, host_node(host), "stream %u: start s%u again", stream, server);
	host_stop(holder);
	host_start(holder);
}

static void operator_looks(struct host *host)
{
	struct sim *sim = host->sim;

	if (sim->operator_ns == 0 || sim->now_ns < host->control.looked_ns + sim->operator_ns)
		return;
	host->control.looked_ns = sim->now_ns;
	for (uint32_t i = 0; i < keeper_count(host->control.keeper); i++) {
		struct keeper_view view;

		keeper_look(host->control.keeper, i, &view);
		if (view.why == KEEPER_HELD_ELSEWHERE || view.why == KEEPER_NO_RECORD ||
		    (sim->gives_up &&
		     (view.why == KEEPER_WAITS_FOR || view.why == KEEPER_NOT_WHOLE)) ||
		    (view.state == KEEPER_LEADING && rng_percent(&sim->rng, 5)))
			adopt(host, host->control.streams[i], &view);
		if (view.why == KEEPER_NOT_WHOLE)
			start_again(host, host->control.streams[i], view.server);
	}
}

// ---- life -------------------------------------------------------------------------------------

static void start_cluster(struct host *host)
{
	struct sim *sim = host->sim;
	struct cluster_static_stream streams[SIM_STREAMS] = {0};
	struct cluster_static_config config = {
		.name = "sim",
		.server = host->server.id,
		.member_count = sim->host_count,
		.stream_count = sim->stream_count,
		.streams = streams,
		.store = {.read = store_read, .write_synced = store_write, .arg = host},
	};

	for (uint32_t i = 0; i < sim->host_count; i++)
		config.members[i] = (struct cluster_member){
			.id = (uint16_t)(i + 1), .weight = 1, .address = sim->hosts[i].address};
	for (uint32_t i = 0; i < sim->stream_count; i++) {
		snprintf(streams[i].name, sizeof(streams[i].name), "s%u", i);
		streams[i].primary = (uint16_t)(sim->streams[i].primary + 1);
		streams[i].min_in_sync = (uint16_t)sim->streams[i].min_in_sync;
		for (uint32_t k = 0; k < sim->host_count; k++)
			if (sim->streams[i].replicas & 1u << k)
				streams[i].replicas[streams[i].replica_count++] = (uint16_t)(k + 1);
	}
	if (cluster_static_create(&host->control.cluster, &config) != 0)
		abort();
}

static void start_keeper(struct host *host)
{
	struct sim *sim = host->sim;
	struct keeper_stream streams[SIM_STREAMS] = {0};
	struct keeper_config config = {
		.server = &host->server,
		.cluster = &host->control.cluster,
		.start_timeout_ns = START_TIMEOUT_NS,
		.streams = streams,
		.ops = {.record = order_record,
			.fetch = order_fetch,
			.random = draw_random,
			.arg = host},
	};

	for (uint32_t i = 0; i < sim->stream_count; i++) {
		struct keeper_stream *stream = &streams[config.stream_count];

		if (sim->streams[i].primary != host->index)
			continue;
		stream->kept = i;
		stream->number = host->streams[i].stream->number;
		stream->min_in_sync = (uint16_t)sim->streams[i].min_in_sync;
		for (uint32_t k = 0; k < sim->host_count; k++)
			if (sim->streams[i].replicas & 1u << k)
				stream->replicas[stream->replica_count++] = (uint16_t)(k + 1);
		host->control.streams[config.stream_count++] = i;
	}
	host->control.keeper = keeper_create(&config);
	if (host->control.keeper == NULL)
		abort();
}

static void start_plane(struct host *host)
{
	uint32_t cursors = 16 * host->config.subscriptions_max;
	struct plane_config config = {
		.server = &host->server,
		.weight = 1,
		.multiplier = 3,
		.cursors_max = cursors,
		.clients_max = cursors,
		.moves_max = host->sizes.moves,
		.offers_ms = host->sizes.offers_ms,
		.node = -1,
		.reclaim = reclaim_at_once(),
		.random = {rng_next(&host->sim->rng), rng_next(&host->sim->rng)},
		.core_of = core_of,
		.say = say,
		.arg = host,
	};

	host->control.plane = plane_create(&config, host_now(host));
	if (host->control.plane == NULL)
		abort();
}

void host_control_start(struct host *host)
{
	memset(&host->control, 0, sizeof(host->control));
	host->control.started_ns = host->sim->now_ns;
	start_cluster(host);
	start_keeper(host);
	if (host->sim->host_count > 1)
		start_plane(host);
}

void host_control_stop(struct host *host)
{
	plane_destroy(host->control.plane);
	host->control.plane = NULL;
	keeper_destroy(host->control.keeper);
	cluster_destroy(&host->control.cluster);
}

// No role is taken before all peers have answered, or had their time to. False: not yet.
static bool has_met_peers(struct host *host)
{
	const struct peers *peers = &host->server.peers;

	if (host->control.has_begun)
		return true;
	if (peers->known_above >= host->server.incarnation) {
		host->server.incarnation = peers->known_above + 1;
		sim_trace(host->sim, host_node(host), "incarnation raised");
	}
	host->control.has_begun = host->sim->now_ns >= host->control.started_ns + START_TIMEOUT_NS;
	for (uint32_t i = 0; i < peers->count && !host->control.has_begun; i++)
		if (!peer_takes_part(&peers->peers[i]))
			return false;
	host->control.has_begun = true;
	return true;
}

// An earlier process of ours had a clock that was ahead: this one has to start again above it.
static bool starts_again(struct host *host)
{
	uint64_t known = host->server.peers.known_above;

	if (known < host->server.incarnation)
		return false;
	host->incarnation_floor = known + 1;
	sim_trace(host->sim, host_node(host), "starts again above a known incarnation");
	host_stop(host);
	host_start(host);
	return true;
}

// A core that makes no turns: its clients are to go to another one.
static void watch_cores(struct host *host)
{
	for (uint32_t i = 0; i < host->core_count; i++) {
		struct host_core *hc = &host->cores[i];

		if (!hc->stands_still || hc->is_told_lost ||
		    host->sim->now_ns < hc->stands_from_ns + STALL_NS)
			continue;
		hc->is_told_lost = true;
		sim_trace(host->sim, host_node(host), "core %u is lost", i);
		migration_core_lost(plane_migration(host->control.plane), i, host_now(host));
	}
}

void host_control_turn(struct host *host)
{
	struct sim *sim = host->sim;

	if (hear_cores(host) && sim->host_count > 1)
		coverage_control(host);
	if (sim->host_count == 1 || sim->now_ns < host->control.due_ns)
		return;
	host->control.due_ns = sim->now_ns + TURN_NS;
	watch_cores(host);
	plane_step(host->control.plane, host_now(host));
	coverage_control(host);
	if (!has_met_peers(host) || starts_again(host))
		return;
	keeper_step(host->control.keeper, host_now(host));
	coverage_control(host);
	look_at_records(host);
	operator_looks(host);
}
