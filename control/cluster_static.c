// SPDX-License-Identifier: BSD-3-Clause
#include "control/cluster_static.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/cluster_text.h"

enum request {
	REQUEST_NONE,
	REQUEST_READ,
	REQUEST_CHANGE,
};

struct slot { // one stream
	struct cluster_static_stream config;
	enum request request;
	struct cluster_record wanted; // of REQUEST_CHANGE
	struct cluster_record record; // in force, where is_known; revision 0: there is none
	bool is_known, is_seen;	      // is_seen: no SEEN is due
};

struct static_backend {
	struct cluster_static_config config;
	bool has_told_members;
	uint32_t next; // slot whose turn it is
	struct slot slots[];
};

static uint32_t static_members(const void *arg, struct cluster_member *members)
{
	const struct static_backend *backend = arg;

	memcpy(members, backend->config.members, backend->config.member_count * sizeof(members[0]));
	return backend->config.member_count;
}

static int request_begin(struct static_backend *backend, uint32_t stream, enum request request)
{
	if (stream >= backend->config.stream_count)
		return -EINVAL;
	if (backend->slots[stream].request != REQUEST_NONE)
		return -EBUSY;
	backend->slots[stream].request = request;
	return 0;
}

static int static_read(void *arg, uint32_t stream)
{
	return request_begin(arg, stream, REQUEST_READ);
}

static int static_change(void *arg, uint32_t stream, const struct cluster_record *record)
{
	struct static_backend *backend = arg;
	int rc = request_begin(backend, stream, REQUEST_CHANGE);

	if (rc == 0)
		backend->slots[stream].wanted = *record;
	return rc;
}

static enum cluster_answer write_record(struct static_backend *backend, const struct slot *slot,
					const struct cluster_record *record, char *why)
{
	const struct cluster_store *store = &backend->config.store;
	char text[CLUSTER_TEXT_BYTES], name[CLUSTER_FILE_NAME_BYTES];
	size_t bytes = cluster_text_write(backend->config.name, slot->config.name, record, text);
	int rc;

	cluster_file_name(slot->config.name, name);
	rc = store->write_synced(store->arg, name, text, bytes);
	if (rc == 0)
		return CLUSTER_DONE;
	if (rc == CLUSTER_STORE_UNKNOWN)
		snprintf(why, CLUSTER_WHY_BYTES, "%s: it was written, but may be lost in a crash",
			 name);
	else
		snprintf(why, CLUSTER_WHY_BYTES, "%s: it cannot be written: %s", name,
			 strerror(-rc));
	return rc == CLUSTER_STORE_UNKNOWN ? CLUSTER_UNKNOWN : CLUSTER_FAILED;
}

// The file's record; with revision 0, DONE too, where there is no file.
static enum cluster_answer read_file(struct static_backend *backend, const struct slot *slot,
				     struct cluster_record *record, char *why)
{
	const struct cluster_store *store = &backend->config.store;
	char text[CLUSTER_TEXT_BYTES], name[CLUSTER_FILE_NAME_BYTES], what[CLUSTER_WHY_BYTES];
	enum cluster_answer answer;
	int bytes;

	*record = (struct cluster_record){0};
	cluster_file_name(slot->config.name, name);
	bytes = store->read(store->arg, name, text, sizeof(text));
	if (bytes == -ENOENT)
		return CLUSTER_DONE;
	if (bytes < 0 && bytes != -EFBIG) {
		snprintf(why, CLUSTER_WHY_BYTES, "%s: it cannot be read: %s", name,
			 strerror(-bytes));
		return CLUSTER_FAILED;
	}
	answer = cluster_text_read(backend->config.name, slot->config.name, text,
				   bytes == -EFBIG ? sizeof(text) + 1 : (size_t)bytes, record,
				   what);
	if (answer == CLUSTER_DONE && record->primary != backend->config.server) {
		snprintf(what, sizeof(what), "its primary is server %u, not %u", record->primary,
			 backend->config.server);
		answer = CLUSTER_FOREIGN;
	}
	if (answer != CLUSTER_DONE)
		snprintf(why, CLUSTER_WHY_BYTES, "%s: %.100s", name, what);
	return answer;
}

// Know the record in force, and that it is on the disk.
static enum cluster_answer load(struct static_backend *backend, struct slot *slot, char *why)
{
	struct cluster_record record;
	enum cluster_answer answer;

	if (slot->config.primary != backend->config.server) {
		snprintf(why, CLUSTER_WHY_BYTES, "server %u keeps it, the primary",
			 slot->config.primary);
		return CLUSTER_ELSEWHERE;
	}
	if (slot->is_known)
		return CLUSTER_DONE;
	answer = read_file(backend, slot, &record, why);
	if (answer == CLUSTER_DONE && record.revision != 0)
		answer = write_record(backend, slot, &record, why);
	if (answer != CLUSTER_DONE)
		// Old and new are the same here: nothing has changed.
		return answer == CLUSTER_UNKNOWN ? CLUSTER_FAILED : answer;
	if (record.revision != slot->record.revision)
		slot->is_seen = false;
	slot->record = record;
	slot->is_known = true;
	return CLUSTER_DONE;
}

static bool holds(const struct cluster_static_stream *stream, uint16_t server)
{
	for (uint32_t i = 0; i < stream->replica_count; i++)
		if (stream->replicas[i] == server)
			return true;
	return stream->primary == server;
}

// Which rule the wanted record breaks, or NULL.
static const char *rule_broken(const struct slot *slot)
{
	const struct cluster_record *wanted = &slot->wanted, *before = &slot->record;

	if (wanted->session == 0 || wanted->epoch == 0)
		return "session and epoch are never 0";
	if (wanted->primary != slot->config.primary)
		return "its primary is not that of the configuration";
	if (wanted->min_in_sync != slot->config.min_in_sync)
		return "its min_in_sync is not that of the configuration";
	if (wanted->epoch < before->epoch)
		return "its epoch is lower than the one in force";
	if (before->revision != 0 && wanted->session != before->session &&
	    wanted->epoch == before->epoch)
		return "a new session needs a new epoch";
	if (wanted->in_sync_count > CLUSTER_SERVERS_MAX)
		return "its in-sync set is too large";
	for (uint32_t i = 0; i < wanted->in_sync_count; i++) {
		if (wanted->in_sync[i].incarnation == 0)
			return "an incarnation is never 0";
		if (!holds(&slot->config, wanted->in_sync[i].server))
			return "a server of its in-sync set does not hold the stream";
		for (uint32_t j = 0; j < i; j++)
			if (wanted->in_sync[j].server == wanted->in_sync[i].server)
				return "a server is in its in-sync set twice";
	}
	return NULL;
}

static enum cluster_answer change(struct static_backend *backend, struct slot *slot, char *why)
{
	enum cluster_answer answer = load(backend, slot, why);
	const char *broken;

	if (answer != CLUSTER_DONE)
		return answer;
	if (slot->wanted.revision != slot->record.revision)
		return CLUSTER_CONFLICT;
	broken = rule_broken(slot);
	if (broken != NULL) {
		snprintf(why, CLUSTER_WHY_BYTES, "%s", broken);
		return CLUSTER_REFUSED;
	}
	slot->wanted.revision++;
	answer = write_record(backend, slot, &slot->wanted, why);
	if (answer == CLUSTER_UNKNOWN)
		slot->is_known = false;
	if (answer != CLUSTER_DONE)
		return answer;
	slot->record = slot->wanted;
	slot->is_seen = false;
	return CLUSTER_DONE;
}

static void answer(struct static_backend *backend, struct slot *slot, struct cluster_event *event)
{
	event->kind = slot->request == REQUEST_READ ? CLUSTER_READ : CLUSTER_CHANGED;
	event->answer = slot->request == REQUEST_READ ? load(backend, slot, event->why) :
							change(backend, slot, event->why);
	if (event->answer == CLUSTER_DONE || event->answer == CLUSTER_CONFLICT)
		event->record = slot->record;
	if (event->kind == CLUSTER_READ && event->answer == CLUSTER_DONE &&
	    slot->record.revision == 0)
		event->answer = CLUSTER_ABSENT;
	slot->request = REQUEST_NONE;
}

static bool static_next(void *arg, uint64_t now_ns, struct cluster_event *event)
{
	struct static_backend *backend = arg;

	(void)now_ns; // the disk answers at once
	*event = (struct cluster_event){.kind = CLUSTER_MEMBERS};
	if (!backend->has_told_members) {
		backend->has_told_members = true;
		return true;
	}
	for (uint32_t i = 0; i < backend->config.stream_count; i++) {
		struct slot *slot = &backend->slots[backend->next];

		event->stream = backend->next;
		backend->next = (backend->next + 1) % backend->config.stream_count;
		if (slot->request != REQUEST_NONE) {
			answer(backend, slot, event);
			return true;
		}
		if (!slot->is_seen && slot->is_known) {
			slot->is_seen = true;
			event->kind = CLUSTER_SEEN;
			event->record = slot->record;
			return true;
		}
	}
	return false;
}

int cluster_static_create(struct cluster *cluster, const struct cluster_static_config *config)
{
	static const struct cluster_ops ops = {
		.members = static_members,
		.read = static_read,
		.change = static_change,
		.next = static_next,
		.destroy = free,
	};
	struct static_backend *backend =
		calloc(1, sizeof(*backend) + config->stream_count * sizeof(backend->slots[0]));

	if (backend == NULL)
		return -ENOMEM;
	backend->config = *config;
	backend->config.streams = NULL; // copied into the slots
	for (uint32_t i = 0; i < config->stream_count; i++) {
		backend->slots[i].config = config->streams[i];
		backend->slots[i].is_seen = true;
	}
	*cluster = (struct cluster){&ops, backend};
	return 0;
}
