// SPDX-License-Identifier: BSD-3-Clause
#include <stdlib.h>

#include "tests/sim/sim.h"

#define TURN_NS		 (1 * MS)
#define START_TIMEOUT_NS (100 * MS) // that members have after the first

// ---- incarnation -----------------------------------------------------------------------------

// Of an earlier process of ours, with a clock that was ahead: this one is above it.
static void raise_incarnation(struct host *host, uint64_t known)
{
	if (known < host->server.incarnation)
		return;
	host->server.incarnation = known + 1;
	sim_trace(host->sim, host_node(host), "incarnation raised above %lu", known);
}

// ---- changes of the record --------------------------------------------------------------------

static void ask(struct host *host, uint32_t stream, const struct cluster_record *record)
{
	struct role *role = &host->roles.roles[stream];

	if (cluster_change(&host->roles.cluster, stream, record) != 0)
		return;
	role->asked = *record;
	role->changing = true;
}

static void add_member(struct cluster_record *record, uint16_t server, uint64_t incarnation)
{
	record->in_sync[record->in_sync_count++] = (struct cluster_replica){server, incarnation};
}

static void ask_new_session(struct host *host, uint32_t stream, uint64_t revision, uint32_t epoch)
{
	struct sim *sim = host->sim;
	struct cluster_record record = {
		.revision = revision,
		.session = rng_next(&sim->rng) | 1,
		.epoch = epoch,
		.primary = host->server.id,
		.min_in_sync = (uint16_t)sim->streams[stream].min_in_sync,
	};

	add_member(&record, host->server.id, host->server.incarnation);
	ask(host, stream, &record);
}

// Every replica that the configuration names is there and holds nothing.
static void begin_new(struct host *host, uint32_t stream)
{
	for (uint32_t i = 0; i < host->sim->host_count; i++) {
		struct peer_stream_facts facts;

		if ((host->sim->streams[stream].replicas & 1u << i) &&
		    (!roles_facts(host, stream, (uint16_t)(i + 1), &facts) || facts.session != 0))
			return;
	}
	ask_new_session(host, stream, 0, 1);
}

// Of the record's members the one that has most; when all are there, or the others had their time.
static void choose_member(struct host *host, uint32_t stream)
{
	struct role *role = &host->roles.roles[stream];
	struct cluster_record next = role->record;
	struct peer_stream_facts best = {0};
	uint32_t lost = 0, found = 0;

	role->source = 0;
	next.in_sync_count = 0;
	next.epoch++;
	for (uint32_t i = 0; i < role->record.in_sync_count; i++) {
		const struct cluster_replica *member = &role->record.in_sync[i];
		struct peer_stream_facts facts;

		if (member->server == host->server.id ||
		    roles_incarnation(host, member->server) > member->incarnation) {
			lost++;
			continue;
		}
		add_member(&next, member->server, member->incarnation);
		if (!roles_facts(host, stream, member->server, &facts) ||
		    facts.session != role->record.session ||
		    roles_incarnation(host, member->server) != member->incarnation)
			continue;
		found++;
		if (role->source == 0 || facts.epoch > best.epoch ||
		    (facts.epoch == best.epoch && facts.end > best.end)) {
			best = facts;
			role->source = member->server;
			role->source_incarnation = member->incarnation;
		}
	}
	if (lost == role->record.in_sync_count) {
		ask_new_session(host, stream, role->record.revision, role->record.epoch + 1);
		return;
	}
	if (found == 0)
		return;
	if (role->found_ns == 0)
		role->found_ns = host->sim->now_ns;
	if (found + lost < role->record.in_sync_count &&
	    host->sim->now_ns < role->found_ns + START_TIMEOUT_NS)
		return;
	role->state = ROLE_CHOSEN;
	ask(host, stream, &next);
}

// The member that the log comes from is gone: another is looked for.
static void watch_fetch(struct host *host, uint32_t stream)
{
	struct role *role = &host->roles.roles[stream];

	if (role->untold) {
		role->untold = !roles_tell_fetch(host, stream);
		return;
	}
	if (!roles_is_there(host, role->source) ||
	    roles_incarnation(host, role->source) != role->source_incarnation) {
		role->state = ROLE_MEMBERS;
		role->found_ns = 0;
	}
}

static bool stays(struct host *host, const struct role *role, const struct cluster_replica *member)
{
	return roles_is_there(host, member->server) && !role->servers[member->server].lags &&
	       roles_incarnation(host, member->server) == member->incarnation;
}

// Who joins and who leaves.
static void watch_members(struct host *host, uint32_t stream)
{
	struct role *role = &host->roles.roles[stream];
	struct cluster_record next = role->record;
	bool differs = false;

	if (role->untold) {
		role->untold = !roles_tell_record(host, stream);
		return;
	}
	next.in_sync_count = 0;
	for (uint32_t i = 0; i < role->record.in_sync_count; i++) {
		const struct cluster_replica *member = &role->record.in_sync[i];

		if (stays(host, role, member))
			add_member(&next, member->server, member->incarnation);
		else
			differs = true;
		role->servers[member->server].lags = false;
	}
	for (uint16_t id = 1; id <= host->sim->host_count; id++) {
		uint64_t incarnation = role->servers[id].incarnation;

		role->servers[id].incarnation = 0;
		if (incarnation == 0 || cluster_in_sync(&next, id) || !roles_is_there(host, id) ||
		    roles_incarnation(host, id) != incarnation)
			continue;
		add_member(&next, id, incarnation);
		differs = true;
	}
	if (differs) {
		ask(host, stream, &next);
	} else if (role->answered < role->proposals) { // all of them in vain
		role->answered = role->proposals;
		role->untold = true;
	}
}

// ---- answers of the cluster -------------------------------------------------------------------

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

// History begins anew only when every process that had it is gone.
static void check_session(struct host *host, uint32_t stream, const struct cluster_record *before,
			  const struct cluster_record *record)
{
	struct sim *sim = host->sim;

	if (before->session == 0 || before->session == record->session)
		return;
	for (uint32_t i = 0; i < before->in_sync_count; i++) {
		const struct host *member = &sim->hosts[before->in_sync[i].server - 1];

		if (member->up && member->server.incarnation == before->in_sync[i].incarnation)
			sim_fail(sim, "stream %u: s%u begins a new session, and s%u has the old",
				 stream, host->index + 1, member->index + 1);
	}
}

static void on_changed(struct host *host, const struct cluster_event *event)
{
	struct role *role = &host->roles.roles[event->stream];

	role->changing = false;
	if (event->answer != CLUSTER_DONE) {
		sim_trace(host->sim, host_node(host), "stream %u: change: %s %s", event->stream,
			  cluster_answer_name(event->answer), event->why);
		role->state = ROLE_READING;
		return;
	}
	trace_record(host, event->stream, &event->record);
	check_session(host, event->stream, &role->record, &event->record);
	role->record = event->record;
	role->answered = role->proposals;
	role->untold = true;
	host->sim->streams[event->stream].record = event->record;
	switch (role->state) {
	case ROLE_CHOSEN:
		role->state = ROLE_FETCHING;
		break;
	default:
		role->state = ROLE_ACTIVE;
		break;
	}
}

static void on_read(struct host *host, const struct cluster_event *event)
{
	struct role *role = &host->roles.roles[event->stream];

	role->changing = false;
	if (event->answer == CLUSTER_ABSENT) {
		role->state = ROLE_NEW;
	} else if (event->answer == CLUSTER_DONE) {
		role->record = event->record;
		role->state = ROLE_MEMBERS;
		role->found_ns = 0;
		for (uint32_t i = 0; i < event->record.in_sync_count; i++)
			if (event->record.in_sync[i].server == host->server.id)
				raise_incarnation(host, event->record.in_sync[i].incarnation);
	} else {
		sim_fail(host->sim, "stream %u: s%u cannot read its record: %s", event->stream,
			 host->index + 1, event->why);
	}
}

static void step_stream(struct host *host, uint32_t stream)
{
	struct role *role = &host->roles.roles[stream];

	if (role->changing)
		return;
	switch (role->state) {
	case ROLE_READING:
		role->changing = cluster_read(&host->roles.cluster, stream) == 0;
		break;
	case ROLE_NEW:
		begin_new(host, stream);
		break;
	case ROLE_MEMBERS:
		choose_member(host, stream);
		break;
	case ROLE_FETCHING:
		watch_fetch(host, stream);
		break;
	case ROLE_ACTIVE:
		watch_members(host, stream);
		break;
	case ROLE_CHOSEN:
	case ROLE_JOINING:
		break;
	}
}

// ---- notices of the cores ---------------------------------------------------------------------

static uint32_t stream_of(const struct host *host, uint32_t number)
{
	uint32_t i = 0;

	while (host->streams[i].stream == NULL || host->streams[i].stream->number != number)
		i++;
	return i;
}

static void on_fetched(struct host *host, uint32_t stream)
{
	struct role *role = &host->roles.roles[stream];
	struct cluster_record next = role->record;

	if (role->state != ROLE_FETCHING || role->changing)
		return;
	add_member(&next, host->server.id, host->server.incarnation);
	role->state = ROLE_JOINING;
	ask(host, stream, &next);
}

static void on_notice(struct host *host, const struct crossing_slot *slot)
{
	struct replication_notice notice;
	struct role *role;
	uint32_t stream;

	if (slot->kind != CORE_NOTICE_PROPOSE && slot->kind != CORE_NOTICE_LAGS &&
	    slot->kind != CORE_NOTICE_FETCHED)
		return;
	memcpy(&notice, slot->data, sizeof(notice));
	stream = stream_of(host, notice.stream);
	role = &host->roles.roles[stream];
	if (slot->kind == CORE_NOTICE_FETCHED) {
		on_fetched(host, stream);
	} else if (slot->kind == CORE_NOTICE_PROPOSE) {
		role->servers[notice.server].incarnation = notice.incarnation;
		if (notice.proposal > role->proposals)
			role->proposals = notice.proposal;
	} else if (roles_incarnation(host, notice.server) == notice.incarnation) {
		role->servers[notice.server].lags = true;
	}
}

// ---- life -------------------------------------------------------------------------------------

void roles_start(struct host *host)
{
	struct sim *sim = host->sim;
	struct cluster_static_stream streams[SIM_STREAMS] = {0};
	struct cluster_static_config config = {
		.name = "sim",
		.server = host->server.id,
		.member_count = sim->host_count,
		.stream_count = sim->stream_count,
		.streams = streams,
		.store = {.read = roles_file_read, .write_synced = roles_file_write, .arg = host},
	};

	memset(&host->roles, 0, sizeof(host->roles));
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
	if (cluster_static_create(&host->roles.cluster, &config) != 0)
		abort();
}

void roles_stop(struct host *host)
{
	cluster_destroy(&host->roles.cluster);
}

void roles_turn(struct host *host)
{
	struct sim *sim = host->sim;
	struct cluster_event event;

	for (uint32_t i = 0; i < host->core_count; i++) {
		struct crossing *outbox = &host->cores[i].core->outbox;
		const struct crossing_slot *slot;

		while ((slot = crossing_peek(outbox)) != NULL) {
			on_notice(host, slot);
			crossing_pop(outbox);
		}
	}
	if (sim->host_count == 1 || sim->now_ns < host->roles.due_ns)
		return;
	host->roles.due_ns = sim->now_ns + TURN_NS;
	raise_incarnation(host, host->server.peers.known_above);
	while (cluster_next(&host->roles.cluster, host_now(host), &event)) {
		if (event.kind == CLUSTER_READ)
			on_read(host, &event);
		else if (event.kind == CLUSTER_CHANGED)
			on_changed(host, &event);
	}
	for (uint32_t i = 0; i < sim->stream_count; i++)
		if (sim->streams[i].primary == host->index)
			step_stream(host, i);
}
