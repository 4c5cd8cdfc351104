// SPDX-License-Identifier: BSD-3-Clause
//
// A subscription and a publisher among three servers that crash, stop, offer, migrate, redirect and
// forget at random, over a network that loses, repeats and reorders, against a naive model: the
// servers share one history 1..TOTAL. What the application sees must be each message once, in order;
// what it publishes must be in the stream once, in order, whatever happened on the way.
#include "client/random.h"
#include "tests/unit/client_rig.h"

#define SERVERS	  3
#define TOTAL	  2000
#define FLIGHT	  1024
#define STEP	  (RIG_MS / 4)
#define LAPSE	  (1000 * RIG_MS)
#define WINDOW	  128
#define UNREST	  (20000 * RIG_MS)
#define REST	  (20000 * RIG_MS)
#define PUBLISHER 9
#define INSTANCE  4
#define PRIMARY	  1

struct flight {
	uint64_t due_ns;
	uint32_t server; // that it comes from or goes to
	bool to_server;
	size_t length;
	uint8_t bytes[1472];
};

struct server {
	bool is_dead;
	uint64_t back_ns; // when it comes back
	// its connection to the client
	bool is_up;
	uint64_t tag;
	uint64_t handle;
	uint64_t heard_ns;
	uint64_t ack_number;
	uint64_t heartbeat_ns;
	// the offer that it made
	uint64_t offer_epoch;
	uint64_t offer_handle;
	uint64_t offer_tag;
	// the subscription
	bool is_home;
	uint64_t epoch;
	uint64_t start;
	uint64_t sent;
	uint64_t edge;
	uint32_t request;
	uint32_t attempt;
	uint64_t repairs[8][2];
	uint32_t repair_count;
};

struct world {
	struct rig *rig;
	struct client_random random;
	uint32_t loss; // of 1000
	struct flight flights[FLIGHT];
	uint32_t flight_count;
	struct server servers[SERVERS];
	uint64_t handles;
	uint64_t home_tag; // what the cluster knows of the home's connection
	uint64_t highest_epoch;
	bool is_resumed;
	// the stream that is published to: the primary's, which keeps it through a crash
	uint64_t last_number;
	// the application
	uint64_t expected;
	uint64_t published;
	uint64_t committed;
	uint32_t publisher;
	uint32_t moves;
};

static uint64_t pick(struct world *w, uint64_t below)
{
	return client_random_next(&w->random) % below;
}

static void fly(struct world *w, uint32_t server, bool to_server, const void *bytes, size_t length)
{
	uint32_t copies = pick(w, 1000) < w->loss ? 0 : pick(w, 30) == 0 ? 2 : 1;

	for (uint32_t i = 0; i < copies && w->flight_count < FLIGHT; i++) {
		struct flight *f = &w->flights[w->flight_count++];

		f->due_ns = w->rig->now_ns + RIG_MS / 5 +
			    pick(w, pick(w, 20) == 0 ? 10 * RIG_MS : RIG_MS / 5);
		f->server = server;
		f->to_server = to_server;
		f->length = length;
		memcpy(f->bytes, bytes, length);
	}
}

static struct godwit_server_entry entry_of(uint32_t server)
{
	struct godwit_address address = rig_address(server);
	struct godwit_server_entry entry = {.port = godwit_be16(address.port)};

	memcpy(entry.ip, address.ip, sizeof(entry.ip));
	return entry;
}

// ---- a server speaks ----------------------------------------------------------------------------

static void say_error(struct world *w, uint32_t i, enum godwit_code code, uint32_t request,
		      uint64_t detail)
{
	struct godwit_error frame = {
		.frame = rig_frame(GODWIT_ERROR, 0, 0),
		.tag = godwit_be64(w->servers[i].tag),
		.request = godwit_be32(request),
		.detail = godwit_be64(detail),
		.code = godwit_be16((uint16_t)code),
	};

	fly(w, i, false, &frame, sizeof(frame));
}

static void say_redirect(struct world *w, uint32_t i, enum godwit_code code, uint32_t request,
			 uint32_t target)
{
	struct godwit_redirect frame = {
		.frame = rig_frame(GODWIT_REDIRECT, 0, 0),
		.tag = godwit_be64(w->servers[i].tag),
		.request = godwit_be32(request),
		.code = godwit_be16((uint16_t)code),
		.target = entry_of(target),
	};

	fly(w, i, false, &frame, sizeof(frame));
}

static void say_subscribed(struct world *w, uint32_t i)
{
	const struct server *s = &w->servers[i];
	struct godwit_subscribed frame = {
		.frame = rig_frame(GODWIT_SUBSCRIBED, 0, 0),
		.tag = godwit_be64(w->rig->sub_tag),
		.handle = godwit_be64(s->handle),
		.key = godwit_be64(RIG_KEY),
		.cursor_epoch = godwit_be64(s->epoch),
		.session = godwit_be64(RIG_SESSION),
		.seq = godwit_be64(s->start),
		.epoch = godwit_be32(RIG_EPOCH),
		.request = godwit_be32(s->request),
		.commit = godwit_be64(TOTAL),
		.attempt = godwit_be32(s->attempt),
	};

	fly(w, i, false, &frame, sizeof(frame));
}

static uint64_t say_data(struct world *w, uint32_t i, uint64_t from, uint64_t to)
{
	uint64_t last = from + pick(w, 8);
	size_t length;

	if (last > to)
		last = to;
	w->rig->cursor_epoch = w->servers[i].epoch;
	length = rig_build_data(w->rig, from, last);
	fly(w, i, false, w->rig->in, length);
	return last;
}

static void say_heartbeat(struct world *w, uint32_t i)
{
	const struct server *s = &w->servers[i];
	struct {
		struct godwit_heartbeat head;
		struct godwit_heartbeat_entry entry;
	} frame = {
		.head = {.frame = rig_frame(GODWIT_HEARTBEAT, 0, s->is_home),
			 .tag = godwit_be64(s->tag),
			 .number = godwit_be64(s->ack_number)},
		.entry = {.tag = godwit_be64(w->rig->sub_tag),
			  .cursor_epoch = godwit_be64(s->epoch),
			  .sent = godwit_be64(s->sent),
			  .commit = godwit_be64(TOTAL)},
	};

	fly(w, i, false, &frame, sizeof(frame.head) + (s->is_home ? sizeof(frame.entry) : 0));
}

static void say_ended(struct world *w, uint32_t i, enum godwit_code code)
{
	struct godwit_ended frame = {
		.frame = rig_frame(GODWIT_ENDED, 0, 0),
		.tag = godwit_be64(w->rig->sub_tag),
		.cursor_epoch = godwit_be64(w->servers[i].epoch),
		.session = godwit_be64(RIG_SESSION),
		.code = godwit_be16((uint16_t)code),
	};

	fly(w, i, false, &frame, sizeof(frame));
}

static void say_publish_ack(struct world *w, uint32_t i)
{
	struct godwit_publish_ack frame = {
		.frame = rig_frame(GODWIT_PUBLISH_ACK, 0, 0),
		.tag = godwit_be64(w->servers[i].tag),
		.publisher = godwit_be64(PUBLISHER),
		.instance = godwit_be64(INSTANCE),
		.committed = godwit_be64(w->last_number),
		.expected = godwit_be64(w->last_number + 1),
		.stream = godwit_be32(1),
		.credit = godwit_be32(32),
	};

	fly(w, i, false, &frame, sizeof(frame));
}

// ---- a server hears -----------------------------------------------------------------------------

static void hear_hello(struct world *w, uint32_t i, const struct godwit_hello *hello)
{
	struct godwit_cookie cookie = {
		.frame = rig_frame(GODWIT_COOKIE, 0, 0),
		.tag = hello->tag,
		.nonce = hello->nonce,
		.request = hello->request,
	};

	fly(w, i, false, &cookie, sizeof(cookie));
}

static void hear_proof(struct world *w, uint32_t i, const struct godwit_hello_proof *proof)
{
	struct server *s = &w->servers[i];
	struct {
		struct godwit_welcome head;
		struct godwit_server_entry servers[SERVERS];
	} frame = {
		.head = {.frame = rig_frame(GODWIT_WELCOME, 0, SERVERS),
			 .tag = proof->tag,
			 .key = godwit_be64(RIG_KEY),
			 .incarnation = godwit_be64(77),
			 .request = proof->request,
			 .multiplier = godwit_be16(3),
			 .interval = godwit_be32(100),
			 .datagram = godwit_be16(1472)},
	};

	if (!s->is_up || s->tag != godwit_get64(proof->tag)) {
		s->is_up = true;
		s->tag = godwit_get64(proof->tag);
		s->handle = ++w->handles;
		s->is_home = false;
		s->ack_number = 0;
	}
	frame.head.handle = godwit_be64(s->handle);
	for (uint32_t j = 0; j < SERVERS; j++)
		frame.servers[j] = entry_of(j);
	fly(w, i, false, &frame, sizeof(frame));
}

static void begin_cursor(struct world *w, uint32_t i, uint64_t seq, uint64_t edge, uint64_t epoch)
{
	struct server *s = &w->servers[i];

	s->is_home = true;
	s->epoch = epoch;
	s->start = seq;
	s->sent = seq;
	s->edge = edge;
	s->repair_count = 0;
	s->heartbeat_ns = w->rig->now_ns;
	w->home_tag = s->tag;
	if (epoch > w->highest_epoch)
		w->highest_epoch = epoch;
}

static void hear_subscribe(struct world *w, uint32_t i, const struct godwit_subscribe *subscribe)
{
	struct server *s = &w->servers[i];

	w->rig->sub_tag = godwit_get64(subscribe->tag);
	if (w->is_resumed)
		return;
	if (!s->is_home || s->request != godwit_get32(subscribe->request)) {
		s->request = godwit_get32(subscribe->request);
		s->attempt = 0;
		begin_cursor(w, i, 0, WINDOW, ((w->highest_epoch >> 16) + 1) << 16 | i);
	}
	say_subscribed(w, i);
}

static void hear_resume(struct world *w, uint32_t i, const struct godwit_resume *resume)
{
	struct server *s = &w->servers[i];
	uint32_t attempt = godwit_get32(resume->attempt);
	uint64_t offer = godwit_get64(resume->offer_epoch);
	uint64_t highest = godwit_get64(resume->highest_epoch);

	cr_assert_lt(godwit_get64(resume->seq), w->expected);
	w->is_resumed = true;
	if (attempt < s->attempt)
		return;
	if (attempt == s->attempt && s->request == godwit_get32(resume->request)) {
		if (s->is_home)
			say_subscribed(w, i);
		return;
	}
	if (pick(w, 10) == 0) {
		if (pick(w, 2) == 0)
			say_error(w, i, GODWIT_BEHIND, godwit_get32(resume->request), 0);
		else
			say_redirect(w, i, GODWIT_BEHIND, godwit_get32(resume->request),
				     (uint32_t)pick(w, SERVERS));
		return;
	}
	if (highest > w->highest_epoch)
		w->highest_epoch = highest;
	s->attempt = attempt;
	s->request = godwit_get32(resume->request);
	begin_cursor(w, i, godwit_get64(resume->seq), godwit_get64(resume->edge),
		     offer > w->highest_epoch ? offer : ((w->highest_epoch >> 16) + 1) << 16 | i);
	say_subscribed(w, i);
}

static void hear_ack(struct world *w, uint32_t i, const uint8_t *bytes, size_t length)
{
	const struct godwit_ack *ack = (const struct godwit_ack *)bytes;
	const uint8_t *at = godwit_ack_entries(ack);
	const struct godwit_ack_entry *entry = godwit_ack_next(&at, bytes + length);
	struct server *s = &w->servers[i];

	if (godwit_get64(ack->number) <= s->ack_number)
		return;
	s->ack_number = godwit_get64(ack->number);
	if (entry == NULL || godwit_get16(entry->flags) != 0)
		return;
	if (!s->is_home) {
		say_error(w, i, GODWIT_UNKNOWN_SUBSCRIPTION, 0, w->rig->subscription);
		return;
	}
	if (godwit_get64(entry->cursor_epoch) > s->epoch) {
		s->is_home = false; // there is a newer home
		return;
	}
	if (godwit_get64(entry->cursor_epoch) < s->epoch)
		return;
	cr_assert_geq(godwit_get64(entry->edge), s->edge, "the edge was taken back");
	cr_assert_lt(godwit_get64(entry->seq), w->expected);
	s->edge = godwit_get64(entry->edge);
	for (uint32_t j = 0; j < godwit_get16(entry->naks) && s->repair_count < 8; j++) {
		const struct godwit_range *range = &godwit_ack_ranges(entry)[j];

		cr_assert_leq(godwit_get64(range->last), s->sent, "asked above what was sent");
		s->repairs[s->repair_count][0] = godwit_get64(range->first);
		s->repairs[s->repair_count++][1] = godwit_get64(range->last);
	}
}

static void hear_open(struct world *w, uint32_t i, const struct godwit_publish_open *open)
{
	struct godwit_publish_opened frame = {
		.frame = rig_frame(GODWIT_PUBLISH_OPENED, 0, 0),
		.tag = godwit_be64(w->servers[i].tag),
		.publisher = godwit_be64(PUBLISHER),
		.instance = godwit_be64(INSTANCE),
		.last = godwit_be64(w->last_number),
		.request = open->request,
		.stream = godwit_be32(1),
		.credit = godwit_be32(32),
		.max_message = godwit_be16(1200),
	};

	if (i != PRIMARY)
		say_redirect(w, i, GODWIT_NOT_PRIMARY, godwit_get32(open->request), PRIMARY);
	else
		fly(w, i, false, &frame, sizeof(frame));
}

static void hear_publish(struct world *w, uint32_t i, const uint8_t *bytes, size_t length)
{
	const struct godwit_publish *publish = (const struct godwit_publish *)bytes;
	const uint8_t *at = godwit_publish_records(publish);
	uint64_t number = godwit_get64(publish->first);
	const struct godwit_record *record;

	cr_assert_eq(i, PRIMARY, "PUBLISH to server %u", i);
	while ((record = godwit_record_next(&at, bytes + length)) != NULL) {
		uint64_t stamp;

		memcpy(&stamp, godwit_record_payload(record), sizeof(stamp));
		cr_assert_eq(stamp, number);
		if (number == w->last_number + 1)
			w->last_number++;
		number++;
	}
	say_publish_ack(w, i);
}

static void hear(struct world *w, uint32_t i, const uint8_t *bytes, size_t length)
{
	const struct godwit_from_client *from = (const struct godwit_from_client *)bytes;
	struct server *s = &w->servers[i];
	uint64_t handle = godwit_get64(from->handle);

	if (bytes[1] == GODWIT_HELLO || bytes[1] == GODWIT_HELLO_PROOF) {
		if (bytes[1] == GODWIT_HELLO)
			hear_hello(w, i, (const void *)bytes);
		else
			hear_proof(w, i, (const void *)bytes);
		s->heard_ns = w->rig->now_ns;
		return;
	}
	// Under an offer's handle the client comes in without a HELLO.
	if (!s->is_up && s->offer_epoch != 0 && handle == s->offer_handle &&
	    bytes[1] == GODWIT_RESUME) {
		s->is_up = true;
		s->handle = handle;
		s->tag = s->offer_tag;
		s->ack_number = 0;
	}
	if (!s->is_up || handle != s->handle)
		return;
	s->heard_ns = w->rig->now_ns;
	if (bytes[1] == GODWIT_SUBSCRIBE)
		hear_subscribe(w, i, (const void *)bytes);
	else if (bytes[1] == GODWIT_RESUME)
		hear_resume(w, i, (const void *)bytes);
	else if (bytes[1] == GODWIT_ACK)
		hear_ack(w, i, bytes, length);
	else if (bytes[1] == GODWIT_PUBLISH_OPEN)
		hear_open(w, i, (const void *)bytes);
	else if (bytes[1] == GODWIT_PUBLISH)
		hear_publish(w, i, bytes, length);
}

// ---- unrest -------------------------------------------------------------------------------------

static void offer(struct world *w, uint32_t i, bool by_home)
{
	struct server *s = &w->servers[i];
	struct godwit_take frame = {
		.frame = rig_frame(GODWIT_TAKE, by_home ? GODWIT_FLAG_BY_HOME : 0, 0),
		.tag = godwit_be64(w->rig->sub_tag),
		.key = godwit_be64(RIG_KEY),
	};

	s->offer_epoch = ((w->highest_epoch >> 16) + 1) << 16 | i;
	s->offer_handle = s->is_up ? s->handle : ++w->handles;
	s->offer_tag = w->home_tag;
	frame.cursor_epoch = godwit_be64(s->offer_epoch);
	frame.handle = godwit_be64(s->offer_handle);
	for (uint32_t j = 0; j < 3; j++)
		fly(w, i, false, &frame, sizeof(frame));
}

static void migrate(struct world *w, uint32_t i, uint32_t target)
{
	struct godwit_migrate frame = {
		.frame = rig_frame(GODWIT_MIGRATE, 0, 0),
		.tag = godwit_be64(w->rig->sub_tag),
		.cursor_epoch = godwit_be64(w->servers[i].epoch),
		.target = entry_of(target),
		.reason = godwit_be16(GODWIT_MIGRATION_DRAIN),
	};

	fly(w, i, false, &frame, sizeof(frame));
}

static void upset(struct world *w)
{
	uint32_t i = (uint32_t)pick(w, SERVERS);
	struct server *s = &w->servers[i];
	bool is_known = w->rig->sub_tag != 0 && !s->is_dead;

	switch (pick(w, 8)) {
	case 0:
	case 1: // a crash: it comes back without a memory
		*s = (struct server){.is_dead = true,
				     .back_ns = w->rig->now_ns + pick(w, 3000 * RIG_MS)};
		break;
	case 2: // it stops
		if (is_known && s->is_home)
			say_ended(w, i, GODWIT_SHUTDOWN);
		*s = (struct server){.is_dead = true,
				     .back_ns = w->rig->now_ns + pick(w, 1000 * RIG_MS)};
		break;
	case 3:
		s->is_home = false; // it forgets the subscription
		break;
	case 4:
	case 5:
		if (is_known && !s->is_home)
			offer(w, i, pick(w, 2) == 0);
		break;
	default:
		if (is_known && s->is_home)
			migrate(w, i, (uint32_t)pick(w, SERVERS));
		break;
	}
}

// ---- the world turns ----------------------------------------------------------------------------

static void serve(struct world *w, uint32_t i)
{
	struct server *s = &w->servers[i];
	uint64_t visible = s->edge < TOTAL ? s->edge : TOTAL;

	if (s->is_dead) {
		s->is_dead = w->rig->now_ns < s->back_ns;
		return;
	}
	if (s->is_up && w->rig->now_ns > s->heard_ns + LAPSE) {
		s->is_up = false;
		s->is_home = false;
	}
	if (!s->is_up)
		return;
	if (s->is_home) {
		for (uint32_t j = 0; j < s->repair_count; j++)
			for (uint64_t at = s->repairs[j][0]; at <= s->repairs[j][1];)
				at = say_data(w, i, at, s->repairs[j][1]) + 1;
		s->repair_count = 0;
		if (s->sent < visible && pick(w, 8) == 0)
			s->sent = say_data(w, i, s->sent + 1, visible);
	}
	if (w->rig->now_ns >= s->heartbeat_ns) {
		say_heartbeat(w, i);
		s->heartbeat_ns = w->rig->now_ns + 40 * RIG_MS;
	}
}

static void deliver(struct world *w)
{
	for (uint32_t i = 0; i < w->flight_count;) {
		struct flight f;

		if (w->flights[i].due_ns > w->rig->now_ns) {
			i++;
			continue;
		}
		f = w->flights[i];
		w->flights[i] = w->flights[--w->flight_count];
		if (!f.to_server) {
			w->rig->server = rig_address(f.server);
			rig_input(w->rig, f.bytes, f.length);
		} else if (!w->servers[f.server].is_dead) {
			hear(w, f.server, f.bytes, f.length);
		}
	}
}

static void pull(struct world *w)
{
	struct godwit_event *event = &w->rig->event;

	while (godwit_core_ready(w->rig->core)) {
		cr_assert(godwit_core_next(w->rig->core, w->rig->now_ns, event));
		switch (event->kind) {
		case GODWIT_EVENT_MESSAGE:
			cr_assert_eq(event->identifier.seq, w->expected, "%llu instead of %llu",
				     (unsigned long long)event->identifier.seq,
				     (unsigned long long)w->expected);
			w->expected++;
			break;
		case GODWIT_EVENT_MIGRATED:
			w->moves++;
			cr_assert(!godwit_address_equal(&event->from, &event->server));
			cr_assert_neq(event->reason, GODWIT_MOVE_NONE);
			break;
		case GODWIT_EVENT_COMMITTED:
			cr_assert_gt(event->number, w->committed);
			cr_assert_leq(event->number, w->last_number);
			w->committed = event->number;
			break;
		default:
			cr_assert(event->kind != GODWIT_EVENT_ENDED &&
					  event->kind != GODWIT_EVENT_ERROR &&
					  event->kind != GODWIT_EVENT_GAP &&
					  event->kind != GODWIT_EVENT_IN_DOUBT,
				  "event %d, code %u", (int)event->kind, event->code);
		}
	}
}

static void publish(struct world *w)
{
	uint64_t stamp = w->published + 1;

	if (w->published < TOTAL && godwit_core_publish(w->rig->core, w->rig->now_ns, w->publisher,
							0, &stamp, sizeof(stamp), NULL) == 0)
		w->published++;
}

static uint32_t receiver(const struct world *w)
{
	uint32_t i = 0;

	while (i < SERVERS && memcmp(&w->rig->to, &(struct godwit_address[]){rig_address(i)},
				     sizeof(w->rig->to)) != 0)
		i++;
	cr_assert_lt(i, SERVERS, "a datagram to nowhere");
	return i;
}

// Returns how often the subscription moved. unrest: events in 10000 steps.
static uint32_t run(uint64_t seed, uint32_t loss, uint32_t unrest, bool is_single)
{
	struct world *w = calloc(1, sizeof(*w));
	uint32_t moves;
	struct godwit_core_options options = {.seed = {seed}, .is_single = is_single};
	uint64_t calm_ns;
	uint64_t end_ns;

	w->rig = rig_create_list(&options, SERVERS);
	client_random_init(&w->random, (const uint64_t[]){seed, 11});
	w->loss = loss;
	w->expected = 1;
	cr_assert_eq(godwit_core_subscribe(
			     w->rig->core, w->rig->now_ns,
			     &(struct godwit_subscription_options){.stream = "s",
								   .start = GODWIT_START_EARLIEST,
								   .window = WINDOW},
			     &w->rig->subscription),
		     0);
	cr_assert_eq(godwit_core_publisher_open(w->rig->core, w->rig->now_ns,
						&(struct godwit_publisher_options){
							.stream = "s", .publisher = PUBLISHER},
						&w->publisher),
		     0);
	// Whatever happened, it ends soon after the servers are left alone.
	calm_ns = w->rig->now_ns + UNREST;
	end_ns = calm_ns + REST;
	while ((w->expected <= TOTAL || w->committed < TOTAL) && w->rig->now_ns < end_ns) {
		uint32_t frames = 0;

		for (uint32_t i = 0; i < SERVERS; i++)
			serve(w, i);
		if (w->rig->now_ns < calm_ns && pick(w, 10000) < unrest)
			upset(w);
		deliver(w);
		if (pick(w, 8) == 0)
			publish(w);
		while (rig_output(w->rig) != 0) {
			fly(w, receiver(w), true, w->rig->out, w->rig->length);
			cr_assert_lt(++frames, 200, "seed %llu: it does not end",
				     (unsigned long long)seed);
		}
		cr_assert_gt(godwit_core_due(w->rig->core, w->rig->now_ns), w->rig->now_ns,
			     "seed %llu", (unsigned long long)seed);
		if (pick(w, 3) == 0)
			pull(w);
		w->rig->now_ns += STEP;
	}
	cr_assert_eq(w->expected, TOTAL + 1, "seed %llu: stuck at %llu", (unsigned long long)seed,
		     (unsigned long long)w->expected);
	cr_assert_eq(w->committed, TOTAL, "seed %llu: committed %llu of %llu",
		     (unsigned long long)seed, (unsigned long long)w->committed,
		     (unsigned long long)w->published);
	cr_assert_eq(w->last_number, TOTAL);
	moves = w->moves;
	rig_destroy(w->rig);
	free(w);
	return moves;
}

Test(client_cluster, delivers_all_in_peace)
{
	for (uint64_t seed = 1; seed <= 5; seed++)
		cr_assert_eq(run(seed, 0, 0, false), 0);
}

Test(client_cluster, delivers_all_through_moves_of_all_kinds)
{
	uint32_t moves = 0;

	for (uint64_t seed = 1; seed <= 30; seed++)
		moves += run(seed, 0, 40, false);
	cr_assert_gt(moves, 100, "%u moves", moves);
}

Test(client_cluster, delivers_all_through_moves_over_a_bad_network)
{
	uint32_t moves = 0;

	for (uint64_t seed = 1; seed <= 30; seed++)
		moves += run(seed, 20 + 4 * (uint32_t)seed, 40, false);
	cr_assert_gt(moves, 100, "%u moves", moves);
}

Test(client_cluster, delivers_all_without_a_warm_server)
{
	uint32_t moves = 0;

	for (uint64_t seed = 1; seed <= 20; seed++)
		moves += run(seed, 50, 40, true);
	cr_assert_gt(moves, 60, "%u moves", moves);
}
