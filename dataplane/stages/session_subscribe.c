// SPDX-License-Identifier: BSD-3-Clause
//
// session, part: SUBSCRIBE, RESUME and UNSUBSCRIBE. A request resolves to a position once; its repeat
// gets the same answer, from what the subscription remembers of it.
#include "dataplane/session.h"

#define EPOCH_COUNTER_MAX ((1ull << 48) - 1)

struct request { // what SUBSCRIBE and RESUME have in common
	struct stream *stream;
	uint32_t number, request, attempt;
	uint64_t tag;
	uint64_t highest_epoch;	      // of client, table and offer
	struct arrival_before before; // RESUME
	uint32_t window;
	uint64_t edge; // 0: the window from the start on
	uint32_t datagram;
	uint8_t policy;
	const struct godwit_be32 *topics; // NULL: whole
	uint32_t topics_count;
	struct resolved resolved;
	struct godwit_identifier asked; // session 0: no position of the client's own
	bool is_latest;			// no position: wherever it begins is right
};

static void send_subscribed(struct core *core, struct subscription *s)
{
	struct client *client = &core->clients[s->client];
	struct godwit_subscribed answer = {
		.frame = {.version = GODWIT_VERSION, .type = GODWIT_SUBSCRIBED},
		.tag = godwit_be64(s->tag),
		.handle = godwit_be64(client->handle),
		.key = godwit_be64(client->key),
		.cursor_epoch = godwit_be64(s->cursor_epoch),
		.session = s->own.session,
		.seq = godwit_be64(s->start - 1),
		.epoch = godwit_be32(s->answer_epoch),
		.request = godwit_be32(s->request),
		.earliest = godwit_be64(s->answer_earliest),
		.commit = godwit_be64(s->answer_commit),
		.answer = godwit_be16(s->answer),
		.max_message = godwit_be16((uint16_t)s->stream->max_message),
		.attempt = godwit_be32(s->attempt),
	};

	s->heard_ns = core->now_ns;
	core_send(core, client, &answer, sizeof(answer));
}

static void count_answer(struct core *core, enum godwit_code answer)
{
	switch (answer) {
	case GODWIT_TRUNCATED:
		COUNT(core, answer_truncated, 1);
		break;
	case GODWIT_FUTURE:
		COUNT(core, answer_future, 1);
		break;
	case GODWIT_DIVERGED:
		COUNT(core, answer_diverged, 1);
		break;
	case GODWIT_UNKNOWN_SESSION:
		COUNT(core, answer_unknown_session, 1);
		break;
	default:
		break;
	}
}

// The position cannot be served, and the client said to fail: there is no subscription.
static void send_failed(struct core *core, struct client *client, const struct request *r)
{
	const struct godwit_identifier *id = &r->resolved.identifier;
	bool other = r->resolved.answer == GODWIT_UNKNOWN_SESSION;
	struct godwit_ended ended = {
		.frame = {.version = GODWIT_VERSION, .type = GODWIT_ENDED},
		.tag = godwit_be64(r->tag),
		.session = godwit_be64(id->session),
		.seq = godwit_be64(id->seq),
		.epoch = godwit_be32(id->epoch),
		.request = godwit_be32(r->request),
		.next_session = godwit_be64(other ? stream_session(r->stream) : 0),
		.code = godwit_be16((uint16_t)r->resolved.answer),
		.attempt = godwit_be32(r->attempt),
	};

	core_send(core, client, &ended, sizeof(ended));
}

static void refuse(struct core *core, struct client *client, enum godwit_code code,
		   const struct request *r, uint64_t detail)
{
	switch (code) {
	case GODWIT_UNKNOWN_STREAM:
		COUNT(core, answer_unknown_stream, 1);
		break;
	case GODWIT_DATAGRAM_TOO_SMALL:
		COUNT(core, answer_datagram_too_small, 1);
		break;
	case GODWIT_LIMIT:
		COUNT(core, answer_limit, 1);
		break;
	default:
		COUNT(core, answer_bad_request, 1);
		break;
	}
	client_error(core, client, code, r->request, detail);
}

static void busy(struct core *core, struct client *client, const struct request *r)
{
	COUNT(core, answer_busy, 1);
	client_error(core, client, GODWIT_BUSY, r->request, 0);
}

// There is no stream of that name here. Where none of those that hold it is up, none is named: a client would wait for it,
// and not ask the others.
static void unknown_stream(struct core *core, struct client *client, const struct request *r,
			   const uint8_t *name)
{
	const struct server_elsewhere *elsewhere = server_elsewhere(core->server, name);
	const struct godwit_server_entry *target;

	if (elsewhere == NULL) {
		refuse(core, client, GODWIT_UNKNOWN_STREAM, r, 0);
		return;
	}
	target = peers_elsewhere(core->server, elsewhere, client->id);
	if (target == NULL)
		busy(core, client, r);
	else
		session_redirect(core, client, r->request, GODWIT_NOT_PRIMARY, target);
}

// Nothing is wrong with the position, but it cannot be served here, or not now. False: it can, or
// another answer is due.
static bool sent_elsewhere(struct core *core, struct client *client, const struct request *r)
{
	enum godwit_code answer = r->resolved.answer;
	const struct godwit_server_entry *target = NULL;

	if (answer == GODWIT_BUSY) {
		busy(core, client, r);
		return true;
	}
	if ((answer != GODWIT_BEHIND && answer != GODWIT_TRUNCATED) || r->asked.session == 0)
		return false;
	target = peers_holder(core->server, r->stream, client->id, r->asked);
	// Whether a start is still to come, the primary alone can say. Who resumes has taken what others have soon.
	if (target == NULL && answer == GODWIT_BEHIND && r->attempt == 0)
		target = peers_primary(core->server, r->stream);
	if (target != NULL) {
		session_redirect(core, client, r->request, answer, target);
		return true;
	}
	if (answer != GODWIT_BEHIND)
		return false;
	COUNT(core, answer_behind, 1);
	client_error(core, client, answer, r->request, 0);
	return true;
}

// A server that is drained takes nobody whom another one can serve. Who is here already, or was offered a home
// here, is served until it leaves.
static bool sent_instead(struct core *core, struct client *client, const struct request *r)
{
	const struct godwit_identifier *after = r->is_latest ? NULL : &r->resolved.identifier;
	const struct godwit_server_entry *target;

	if (r->before.invited || r->resolved.answer != GODWIT_OK ||
	    subscription_find(core, client, r->number) != NULL)
		return false;
	target = peers_instead(core->server, r->stream, client->id, after, core->now_ns);
	if (target == NULL)
		return false;
	session_redirect(core, client, r->request, GODWIT_DRAINING, target);
	return true;
}

// The class of the request's filter; FILTER_NONE for a whole subscription. False: no room.
static bool hold_filter(struct core *core, const struct request *r, uint32_t *filter)
{
	uint32_t topics[GODWIT_FILTER_TOPICS];

	*filter = FILTER_NONE;
	if (r->topics == NULL)
		return true;
	for (uint32_t i = 0; i < r->topics_count; i++)
		topics[i] = godwit_get32(r->topics[i]);
	*filter = filter_hold(core->lives[r->stream->number].filters, topics, r->topics_count);
	return *filter != FILTER_NONE;
}

static void remember(struct subscription *s, const struct request *r,
		     struct godwit_identifier start, uint64_t cursor_epoch)
{
	uint64_t edge = r->edge != 0 ? r->edge : start.seq + r->window;

	s->tag = r->tag;
	s->cursor_epoch = cursor_epoch;
	subscription_own_set(s);
	s->window = r->window;
	s->edge = edge < start.seq ? start.seq : edge;
	s->datagram = r->datagram;
	s->records_max = (r->datagram - (uint32_t)sizeof(struct godwit_data)) & ~3u;
	s->policy = r->policy;
	s->request = r->request;
	s->attempt = r->attempt;
	s->answer = (uint16_t)r->resolved.answer;
	s->answer_epoch = start.epoch;
	s->answer_earliest = log_earliest(&s->stream->log);
	s->answer_commit = log_committed_seq(&s->stream->log);
}

// A cursor epoch above `highest`. Each core of a server makes its own: a request that arrived at two of them,
// because the client's packets changed their way, must not make the same twice. 0: there is none above it.
static uint64_t epoch_above(const struct core *core, uint64_t highest)
{
	uint64_t counter = (highest >> 16) + 1, cores = core->server->core_count;

	if (cores > 1)
		counter += (core->config.id + cores - counter % cores) % cores;
	return counter > EPOCH_COUNTER_MAX ? 0 : counter << 16 | core->server->id;
}

// The old subscription of the number makes place, and so may its filter. Its cursor is over where the number
// stands for another session from now on, and served by nobody where the new one finds no room. False: it
// does not.
static bool replace(struct core *core, struct subscription *old, const struct request *r,
		    struct godwit_identifier start, uint32_t *filter)
{
	bool is_held = hold_filter(core, r, filter);

	COUNT(core, subscriptions_replaced, 1);
	if (old->acked.session != start.session)
		cursor_feed_ended(core, old, GODWIT_CURSOR_TOMBSTONE);
	else if (!is_held)
		cursor_feed_ended(core, old, GODWIT_CURSOR_LAPSED);
	subscription_close(core, old);
	return is_held || hold_filter(core, r, filter);
}

static void open_request(struct core *core, struct client *client, struct request *r)
{
	struct subscription *old = subscription_find(core, client, r->number), *s;
	struct godwit_identifier start = r->resolved.identifier;
	uint64_t highest = r->highest_epoch, cursor_epoch;
	uint32_t filter;

	if (sent_elsewhere(core, client, r) || sent_instead(core, client, r))
		return;
	if (r->resolved.answer != GODWIT_OK) {
		count_answer(core, r->resolved.answer);
		if (r->policy == GODWIT_POLICY_FAIL) {
			send_failed(core, client, r);
			return;
		}
		start = stream_apply_policy(r->stream, r->resolved, r->policy);
		r->edge = 0; // it was stated for another start
	}
	if (old != NULL && old->cursor_epoch > highest)
		highest = old->cursor_epoch;
	// A repeat of the request that comes after its end begins elsewhere, which the same epoch would not tell.
	if (client->epoch_closed > highest)
		highest = client->epoch_closed;
	if (old != NULL && old->first_due) {
		r->before.again = true;
		r->before.came_from = old->came_from;
	}
	if (core->server->cursor_highest != NULL) {
		uint64_t known = core->server->cursor_highest(core->server->cursor_arg, client->id,
							      r->number, r->stream->session);

		highest = known > highest ? known : highest;
		r->before.epoch = known > r->before.epoch ? known : r->before.epoch;
	}
	cursor_epoch = epoch_above(core, highest);
	if (cursor_epoch == 0) {
		refuse(core, client, GODWIT_BAD_REQUEST, r, 0);
		return;
	}
	if (old == NULL && client->subscription_count >= core->server->subscriptions_max) {
		refuse(core, client, GODWIT_LIMIT, r, core->server->subscriptions_max);
		return;
	}
	if (old != NULL ? !replace(core, old, r, start, &filter) : !hold_filter(core, r, &filter)) {
		refuse(core, client, GODWIT_LIMIT, r, core->config.classes_max);
		return;
	}
	s = subscription_open(core, client, r->stream, r->number, filter, start);
	if (s == NULL) {
		if (filter != FILTER_NONE)
			filter_release(core->lives[r->stream->number].filters, filter);
		refuse(core, client, GODWIT_LIMIT, r, core->config.subscriptions_max);
		return;
	}
	remember(s, r, start, cursor_epoch);
	send_subscribed(core, s);
	cursor_feed_opened(core, s);
	if (r->attempt != 0)
		arrival_opened(core, s, &r->before);
	if (temporary_spawn(core, s, start.seq + 1))
		subscription_ready(core, s);
	else
		subscription_truncate(core, s);
}

// Largest datagram of the client that we use. 0: the stream's messages do not fit it.
static uint32_t usable_datagram(const struct core *core, const struct stream *stream,
				uint32_t stated, uint32_t *needed)
{
	uint32_t most = server_datagram(core->server);

	// A filtered DATA has a distance beside each record.
	*needed =
		(uint32_t)sizeof(struct godwit_data) + 4 + godwit_record_bytes(stream->max_message);
	if (stated > most)
		stated = most;
	return stated < *needed ? 0 : stated;
}

void session_subscribe(struct core *core, struct client *client,
		       const struct godwit_subscribe *frame)
{
	struct request r = {
		.stream = server_stream(core->server, frame->stream),
		.number = godwit_get32(frame->subscription),
		.request = godwit_get32(frame->request),
		.tag = godwit_get64(frame->tag),
		.window = godwit_get32(frame->window),
		.policy = frame->policy,
		.topics = godwit_topics_of(&frame->from.frame),
		.topics_count = godwit_get16(frame->from.frame.count),
	};
	struct subscription *old = subscription_find(core, client, r.number);
	uint64_t value = godwit_get64(frame->start_value);
	uint32_t needed;

	// The tag is the subscription's own. Where it was resumed since, this is a late duplicate.
	if (old != NULL && old->tag == r.tag) {
		if (old->attempt == 0) {
			old->request = r.request;
			send_subscribed(core, old);
		} else {
			DROP(core, session_attempt_old, 1);
		}
		return;
	}
	if (r.stream == NULL) {
		unknown_stream(core, client, &r, frame->stream);
		return;
	}
	r.datagram = usable_datagram(core, r.stream, godwit_get16(frame->datagram), &needed);
	if (r.datagram == 0) {
		refuse(core, client, GODWIT_DATAGRAM_TOO_SMALL, &r, needed);
		return;
	}
	if (frame->start == GODWIT_START_SEQUENCE && value == 0) {
		refuse(core, client, GODWIT_BAD_REQUEST, &r, 0);
		return;
	}
	if (frame->start == GODWIT_START_AFTER)
		r.asked = (struct godwit_identifier){
			.session = godwit_get64(frame->session),
			.seq = value,
			.epoch = godwit_get32(frame->epoch),
		};
	r.resolved = stream_start(r.stream, frame->start, value, godwit_get64(frame->session),
				  godwit_get32(frame->epoch));
	if (frame->start == GODWIT_START_SEQUENCE)
		r.asked = (struct godwit_identifier){.session = r.resolved.identifier.session,
						     .seq = value - 1};
	r.is_latest = frame->start == GODWIT_START_LATEST;
	open_request(core, client, &r);
}

void session_resume(struct core *core, struct client *client, const struct godwit_resume *frame)
{
	struct request r = {
		.stream = server_stream(core->server, frame->stream),
		.number = godwit_get32(frame->subscription),
		.request = godwit_get32(frame->request),
		.attempt = godwit_get32(frame->attempt),
		.tag = godwit_get64(frame->tag),
		.highest_epoch = godwit_get64(frame->highest_epoch),
		.before.epoch = godwit_get64(frame->highest_epoch),
		.window = godwit_get32(frame->window),
		.edge = godwit_get64(frame->edge),
		.policy = frame->policy,
		.topics = godwit_topics_of(&frame->from.frame),
		.topics_count = godwit_get16(frame->from.frame.count),
	};
	struct godwit_identifier id = {
		.session = godwit_get64(frame->session),
		.seq = godwit_get64(frame->seq),
		.epoch = godwit_get32(frame->epoch),
	};
	struct subscription *old = subscription_find(core, client, r.number);
	uint64_t offered = moves_take(core, client, r.number, godwit_get64(frame->offer_epoch));
	uint32_t needed;

	r.before.invited = offered != 0;
	if (offered > r.highest_epoch)
		r.highest_epoch = offered;
	if (old != NULL && old->tag == r.tag && r.attempt < old->attempt) {
		DROP(core, session_attempt_old, 1);
		return;
	}
	if (old != NULL && old->tag == r.tag && r.attempt == old->attempt) {
		send_subscribed(core, old);
		return;
	}
	if (r.stream == NULL) {
		unknown_stream(core, client, &r, frame->stream);
		return;
	}
	r.datagram = usable_datagram(core, r.stream, godwit_get16(frame->datagram), &needed);
	if (r.datagram == 0) {
		refuse(core, client, GODWIT_DATAGRAM_TOO_SMALL, &r, needed);
		return;
	}
	COUNT(core, subscriptions_resumed, 1);
	r.resolved = stream_resolve(r.stream, id);
	r.asked = id;
	open_request(core, client, &r);
}

void session_unsubscribe(struct core *core, struct client *client,
			 const struct godwit_unsubscribe *frame)
{
	uint32_t number = godwit_get32(frame->subscription);
	struct subscription *s = subscription_find(core, client, number);

	if (s == NULL) {
		COUNT(core, ack_unknown_subscription, 1);
		client_error(core, client, GODWIT_UNKNOWN_SUBSCRIPTION,
			     godwit_get32(frame->request), number);
		return;
	}
	subscription_end(core, s, GODWIT_UNSUBSCRIBED, s->acked, godwit_get32(frame->request));
}
