// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/stream.h"

#include <errno.h>
#include <stdlib.h>

#include "dataplane/replication.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

static uint32_t power_of_two(uint32_t n)
{
	uint32_t p = 1;

	while (p < n)
		p *= 2;
	return p;
}

uint64_t stream_table_bytes(const struct stream_config *config)
{
	return sizeof(struct stream) +
	       log_cuts_bytes(config->log_bytes, godwit_slice_bytes(config->mtu)) +
	       publishers_bytes(config->publishers_max, config->runs_max) +
	       (uint64_t)config->topics_max * sizeof(struct topic_name) +
	       power_of_two(config->topics_max) * sizeof(uint32_t) + replication_bytes(config);
}

static void *zeroed_lines(uint64_t bytes)
{
	void *memory = aligned_alloc(CACHE_LINE, (bytes + CACHE_LINE - 1) & ~(CACHE_LINE - 1ull));

	if (memory != NULL)
		memset(memory, 0, bytes);
	return memory;
}

void stream_topics_reset(struct stream *stream)
{
	stream->topics_count = 0;
	memset(stream->topic_heads, 0xff, (stream->topic_mask + 1) * sizeof(*stream->topic_heads));
}

static int stream_tables(struct stream *stream, const struct stream_config *config)
{
	uint32_t heads = power_of_two(config->topics_max);

	stream->cuts =
		zeroed_lines(log_cuts_bytes(config->log_bytes, godwit_slice_bytes(config->mtu)));
	stream->publishers = publishers_create(config->publishers_max, config->runs_max);
	stream->topics = calloc(config->topics_max, sizeof(*stream->topics));
	stream->topic_heads = malloc(heads * sizeof(*stream->topic_heads));
	if (stream->cuts == NULL || stream->publishers == NULL || stream->topics == NULL ||
	    stream->topic_heads == NULL)
		return -ENOMEM;
	stream->topic_mask = heads - 1;
	stream->topics_max = config->topics_max;
	stream_topics_reset(stream);
	return 0;
}

struct stream *stream_create(const struct stream_config *config, uint32_t number)
{
	size_t name_bytes = strlen(config->name);
	struct stream *stream;
	int error;

	if (name_bytes == 0 || name_bytes >= GODWIT_NAME_BYTES ||
	    (config->session == 0 && config->role == STREAM_ALONE) || config->epoch == 0 ||
	    config->topics_max == 0 || godwit_max_message(config->mtu) == 0) {
		errno = EINVAL;
		return NULL;
	}
	stream = zeroed_lines(sizeof(*stream));
	if (stream == NULL)
		return NULL;
	memcpy(stream->name, config->name, name_bytes);
	stream->number = number;
	stream->hash = XXH3_64bits(stream->name, GODWIT_NAME_BYTES);
	stream->home = config->home;
	stream->role = config->role;
	stream->primary = config->primary;
	stream->replicas = config->replicas;
	stream->ack_local = config->ack_local;
	stream->min_in_sync = config->min_in_sync > 0 ? config->min_in_sync : 1;
	stream->room_bytes = config->log_bytes / 2;
	atomic_init(&stream->session_held, config->session);
	stream_serve(stream, true);
	stream->epoch = config->epoch;
	stream->dirty = PUBLISHER_NONE;
	stream->max_message = godwit_max_message(config->mtu);
	error = stream_tables(stream, config);
	if (error == 0)
		error = replication_create(stream, config);
	if (error == 0)
		publishers_floor(stream->publishers, config->instance_floor);
	if (error == 0)
		error = log_init(&stream->log, config->log_memory, config->log_bytes, stream->cuts,
				 godwit_slice_bytes(config->mtu), 1, config->epoch);
	if (error != 0) {
		stream_destroy(stream);
		errno = -error;
		return NULL;
	}
	atomic_store_explicit(&stream->epochs[0].epoch, config->epoch, memory_order_relaxed);
	atomic_store_explicit(&stream->epochs[0].first, 1, memory_order_relaxed);
	atomic_store_explicit(&stream->epochs_count, 1, memory_order_release);
	atomic_init(&stream->feed_heard_ns, config->role == STREAM_REPLICA ? 0 : STREAM_FEED_OWN);
	return stream;
}

void stream_destroy(struct stream *stream)
{
	if (stream == NULL)
		return;
	replication_destroy(stream);
	publishers_destroy(stream->publishers);
	free(stream->topic_heads);
	free(stream->topics);
	free(stream->cuts);
	free(stream);
}

uint32_t stream_topic(struct stream *stream, const uint8_t name[GODWIT_NAME_BYTES], bool create,
		      bool *made)
{
	uint32_t *head =
		&stream->topic_heads[XXH3_64bits(name, GODWIT_NAME_BYTES) & stream->topic_mask];

	*made = false;
	for (uint32_t i = *head; i != UINT32_MAX; i = stream->topics[i].next)
		if (memcmp(stream->topics[i].name, name, GODWIT_NAME_BYTES) == 0)
			return i + 1;
	if (!create || stream->topics_count == stream->topics_max)
		return 0;
	memcpy(stream->topics[stream->topics_count].name, name, GODWIT_NAME_BYTES);
	stream->topics[stream->topics_count].next = *head;
	*head = stream->topics_count++;
	*made = true;
	return stream->topics_count;
}

void stream_begin_epoch(struct stream *stream, uint32_t epoch)
{
	uint32_t count = atomic_load_explicit(&stream->epochs_count, memory_order_relaxed);
	struct stream_epoch *entry = &stream->epochs[count % STREAM_EPOCHS];

	assert(epoch > stream->epoch);
	stream->epoch = epoch;
	if (count + 1 >= STREAM_EPOCHS)
		atomic_store_explicit(&stream->epochs_first, count + 2 - STREAM_EPOCHS,
				      memory_order_release);
	// The table is written before the first record of the epoch can be seen.
	atomic_store_explicit(&entry->epoch, epoch, memory_order_relaxed);
	atomic_store_explicit(&entry->first, stream->log.head_own.seq + 1, memory_order_relaxed);
	// pairs with: the acquire in epochs_range
	atomic_store_explicit(&stream->epochs_count, count + 1, memory_order_release);
	log_epoch(&stream->log, epoch);
}

static uint64_t epoch_first(const struct stream *stream, uint32_t i)
{
	return atomic_load_explicit(&stream->epochs[i % STREAM_EPOCHS].first, memory_order_relaxed);
}

static uint32_t epoch_value(const struct stream *stream, uint32_t i)
{
	return atomic_load_explicit(&stream->epochs[i % STREAM_EPOCHS].epoch, memory_order_relaxed);
}

bool stream_cut_back(struct stream *stream, uint64_t seq)
{
	uint32_t first = atomic_load_explicit(&stream->epochs_first, memory_order_relaxed);
	uint32_t count = atomic_load_explicit(&stream->epochs_count, memory_order_relaxed);

	// An epoch without a record is forgotten, but the last of the table.
	while (count > first + 1 && epoch_first(stream, count - 1) > seq)
		count--;
	if (seq < publishers_base_seq(stream->publishers) ||
	    !log_cut_back(&stream->log, seq, epoch_value(stream, count - 1)))
		return false;
	stream->epoch = epoch_value(stream, count - 1);
	atomic_store_explicit(&stream->epochs_count, count, memory_order_release);
	publishers_cut_back(stream->publishers, seq);
	return true;
}

void stream_lower_epoch(struct stream *stream, uint32_t epoch)
{
	uint32_t first = atomic_load_explicit(&stream->epochs_first, memory_order_relaxed);

	assert(epoch > 0);
	if (epoch >= stream->epoch || stream->log.head_own.seq != 0 ||
	    !log_cut_back(&stream->log, 0, epoch))
		return;
	stream->epoch = epoch;
	atomic_store_explicit(&stream->epochs[first % STREAM_EPOCHS].epoch, epoch,
			      memory_order_relaxed);
	atomic_store_explicit(&stream->epochs_count, first + 1, memory_order_release);
}

void stream_reset(struct stream *stream, uint64_t session, uint64_t first, uint32_t epoch)
{
	log_reset(&stream->log, first, epoch);
	publishers_reset(stream->publishers, first - 1);
	stream_topics_reset(stream);
	stream->dirty = PUBLISHER_NONE;
	stream->epoch = epoch;
	atomic_store_explicit(&stream->session_held, session, memory_order_relaxed);
	atomic_store_explicit(&stream->epochs_count, 0, memory_order_relaxed);
	atomic_store_explicit(&stream->epochs_first, 0, memory_order_relaxed);
	atomic_store_explicit(&stream->epochs[0].epoch, epoch, memory_order_relaxed);
	// The record before the first one is known to be of the epoch: identifiers name it.
	atomic_store_explicit(&stream->epochs[0].first, first > 1 ? first - 1 : 1,
			      memory_order_relaxed);
	// pairs with: the acquire in epochs_range
	atomic_store_explicit(&stream->epochs_count, 1, memory_order_release);
}

// Entries [*from, count) are readable. An entry that is rewritten while it is read belongs to an epoch
// that is STREAM_EPOCHS changes old: no log keeps anything of it, and the answer is TRUNCATED anyway, or DIVERGED where it
// cannot be known (local acks).
static uint32_t epochs_range(const struct stream *stream, uint32_t *from)
{
	uint32_t count = atomic_load_explicit(&stream->epochs_count, memory_order_acquire);

	*from = atomic_load_explicit(&stream->epochs_first, memory_order_relaxed);
	return count;
}

uint32_t stream_epoch_of(const struct stream *stream, uint64_t seq, uint64_t *last)
{
	uint32_t from, count = epochs_range(stream, &from);

	*last = UINT64_MAX;
	for (uint32_t i = count; i-- > from;) {
		if (epoch_first(stream, i) <= seq)
			return epoch_value(stream, i);
		*last = epoch_first(stream, i) - 1;
	}
	return 0;
}

uint64_t stream_epoch_end(const struct stream *stream, uint32_t epoch, uint32_t *found)
{
	uint32_t from, count = epochs_range(stream, &from);
	uint64_t last = UINT64_MAX;

	for (uint32_t i = count; i-- > from;) {
		*found = epoch_value(stream, i);
		if (*found <= epoch)
			return last;
		last = epoch_first(stream, i) - 1;
	}
	*found = 0;
	return 0;
}

static struct godwit_identifier identifier_at(const struct stream *stream, uint64_t seq)
{
	uint64_t last;

	return (struct godwit_identifier){
		.session = stream_session(stream),
		.seq = seq,
		.epoch = seq == 0 ? 0 : stream_epoch_of(stream, seq, &last),
	};
}

// The last identifier that both histories share, or what is known of it: with its epoch, in any case.
static struct resolved diverged(const struct stream *stream, uint64_t seq)
{
	struct godwit_identifier id = identifier_at(stream, seq);

	if (id.epoch == 0 && seq != 0)
		id = identifier_at(stream, log_earliest(&stream->log) - 1);
	return (struct resolved){GODWIT_DIVERGED, id};
}

// A replica's log may be short, or not yet be the stream's history: it says DIVERGED only where it agreed
// with a primary of a later epoch than the identifier's, and holds what came instead or knows where
// that epoch ended.
static struct resolved resolve_replica(const struct stream *stream, struct godwit_identifier id)
{
	uint32_t reconciled = atomic_load_explicit(&stream->reconciled, memory_order_acquire);
	bool held = id.seq <= log_head_seq(&stream->log);
	uint32_t found;
	uint64_t end;

	if (held && stream_epoch_of(stream, id.seq, &end) == id.epoch)
		return (struct resolved){GODWIT_OK, id};
	end = stream_epoch_end(stream, id.epoch, &found);
	if (id.epoch >= reconciled || (!held && (found != id.epoch || id.seq <= end)))
		return (struct resolved){GODWIT_BEHIND, id};
	if (found == 0 || end >= id.seq)
		end = found == 0 ? log_earliest(&stream->log) - 1 : id.seq - 1;
	return diverged(stream, end);
}

// What is no longer kept was the stream's history all the same: unless acks are local or an operator gave it up, and
// another one took its place or may have. Whoever took that misses more than what was overwritten, and is to be told
// so. Epoch 0: a start by sequence, at what nobody took.
static bool was_of_history(const struct stream *stream, struct godwit_identifier id)
{
	uint64_t end;
	uint32_t found, newest = stream_epoch_of(stream, UINT64_MAX, &end);
	bool may_lose = stream->ack_local || stream_gave_up(id.epoch, newest);

	if (id.epoch == 0 || !may_lose)
		return true;
	end = stream_epoch_end(stream, id.epoch, &found);
	return found == id.epoch && id.seq <= end;
}

struct resolved stream_resolve(const struct stream *stream, struct godwit_identifier id)
{
	uint64_t session = stream_session(stream);
	uint64_t earliest = log_earliest(&stream->log);
	uint64_t head = log_head_seq(&stream->log);
	uint64_t end;
	uint32_t found;

	if (session == 0)
		return (struct resolved){GODWIT_BUSY, id};
	if (id.session != session)
		return (struct resolved){GODWIT_UNKNOWN_SESSION, {.session = id.session}};
	if (id.seq < earliest - 1 && was_of_history(stream, id))
		return (struct resolved){GODWIT_TRUNCATED, identifier_at(stream, earliest - 1)};
	if (id.seq == 0)
		return (struct resolved){GODWIT_OK, id};
	if (stream->role == STREAM_REPLICA)
		return resolve_replica(stream, id);
	end = stream_epoch_end(stream, id.epoch, &found);
	// The largest epoch not above the identifier's must be its own, and must reach its sequence.
	if (found == 0 || id.seq > end)
		return diverged(stream, found == 0 ? earliest - 1 : end);
	if (id.seq > head)
		return (struct resolved){GODWIT_FUTURE, identifier_at(stream, head)};
	if (stream_epoch_of(stream, id.seq, &end) != id.epoch)
		return diverged(stream, id.seq - 1);
	return (struct resolved){GODWIT_OK, id};
}

// `earliest` keeps clear of the edge that the writer is about to move over: an eighth of the log.
uint64_t stream_earliest_start(const struct stream *stream)
{
	const struct log *log = &stream->log;
	uint64_t reserve = atomic_load_explicit(&log->reserve, memory_order_relaxed);
	uint64_t first = atomic_load_explicit(&log->cuts_first, memory_order_acquire);
	uint64_t end = atomic_load_explicit(&log->cuts_end, memory_order_acquire);
	uint64_t wanted = reserve + log->size / 8;
	uint64_t low = first, high = end;
	struct cut cut;

	if (reserve == 0 && first == 0)
		return log_earliest(log);
	while (low < high) { // first cut at or above the wanted position
		uint64_t middle = low + (high - low) / 2;

		if (!log_cut(log, middle, &cut) || cut.pos < wanted)
			low = middle + 1;
		else
			high = middle;
	}
	return log_cut(log, low, &cut) ? cut.seq : log_earliest(log);
}

struct godwit_identifier stream_apply_policy(const struct stream *stream, struct resolved failed,
					     enum godwit_policy policy)
{
	if (policy == GODWIT_POLICY_LATEST)
		return identifier_at(stream, log_committed_seq(&stream->log));
	switch (failed.answer) {
	case GODWIT_FUTURE:
	case GODWIT_DIVERGED:
		return failed.identifier;
	default:
		return identifier_at(stream, stream_earliest_start(stream) - 1);
	}
}

// Of a sequence that the client has not taken. What is not committed may never be, and a position in it would be found
// DIVERGED then: whoever is ahead of the commit by what lies in the log asks again.
static struct resolved start_after(const struct stream *stream, struct godwit_identifier id)
{
	uint64_t committed = log_committed_seq(&stream->log);
	struct resolved resolved = stream_resolve(stream, id);

	if (resolved.answer == GODWIT_OK && id.seq > committed)
		return (struct resolved){GODWIT_BUSY, id};
	if (resolved.answer == GODWIT_FUTURE)
		resolved.identifier = identifier_at(stream, committed);
	return resolved;
}

struct resolved stream_start(const struct stream *stream, enum godwit_start start, uint64_t value,
			     uint64_t session, uint32_t epoch)
{
	const struct log *log = &stream->log;
	uint64_t served = stream_session(stream);
	uint64_t found, committed;
	struct godwit_identifier id;

	if (served == 0)
		return (struct resolved){GODWIT_BUSY, {.session = session}};
	if (session != 0 && session != served)
		return (struct resolved){GODWIT_UNKNOWN_SESSION, {.session = session}};
	switch (start) {
	case GODWIT_START_LATEST:
		return (struct resolved){GODWIT_OK, identifier_at(stream, log_committed_seq(log))};
	case GODWIT_START_EARLIEST:
		return (struct resolved){GODWIT_OK,
					 identifier_at(stream, stream_earliest_start(stream) - 1)};
	case GODWIT_START_TIME:
		found = log_find_time(log, value) - 1;
		committed = log_committed_seq(log);
		// What is not committed may never be: nobody is given a position in it. A time that is not
		// reached by then begins like LATEST.
		id = identifier_at(stream, found < committed ? found : committed);
		return (struct resolved){GODWIT_OK, id};
	case GODWIT_START_SEQUENCE:
		return start_after(stream, identifier_at(stream, value - 1));
	default:
		return stream_resolve(stream, (struct godwit_identifier){.session = session,
									 .seq = value,
									 .epoch = epoch});
	}
}
