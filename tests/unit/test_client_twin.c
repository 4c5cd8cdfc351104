// SPDX-License-Identifier: BSD-3-Clause
//
// A subscription over a network that loses, repeats and reorders, against a naive model: the server
// is a loop over sequences 1..TOTAL, and what the application sees must be those of its filter,
// each once, in order, whatever happens on the way.
#include "client/random.h"
#include "tests/unit/client_rig.h"

#define TOTAL  3000
#define FLIGHT 1024 // datagrams on the way at most
#define STEP   (RIG_MS / 10)

struct flight {
	uint64_t due_ns;
	bool to_server;
	size_t length;
	uint8_t bytes[1472];
};

struct world {
	struct rig *rig;
	struct client_random random;
	uint32_t loss;	// of 1000
	uint32_t topic; // 0: whole
	uint32_t window;
	struct flight flights[FLIGHT];
	uint32_t flight_count;
	// the server
	bool live;
	uint64_t epoch_counter;
	uint64_t start; // of the cursor epoch
	uint64_t sent;
	uint64_t edge;
	uint64_t acked;
	uint64_t ack_number;
	uint64_t heartbeat_ns;
	uint64_t heartbeat_span_ns;
	uint64_t repairs[16][2];
	uint32_t repair_count;
	uint32_t last_attempt;
	uint32_t forgets;
	// the application
	uint64_t expected; // next message
	bool begun;
};

static uint64_t pick(struct world *w, uint64_t below)
{
	return client_random_next(&w->random) % below;
}

static void fly(struct world *w, bool to_server, const void *bytes, size_t length)
{
	uint32_t copies = pick(w, 1000) < w->loss ? 0 : pick(w, 20) == 0 ? 2 : 1;

	for (uint32_t i = 0; i < copies && w->flight_count < FLIGHT; i++) {
		struct flight *f = &w->flights[w->flight_count++];

		f->due_ns = w->rig->now_ns + RIG_MS / 5 +
			    pick(w, pick(w, 10) == 0 ? 3 * RIG_MS : RIG_MS / 5);
		f->to_server = to_server;
		f->length = length;
		memcpy(f->bytes, bytes, length);
	}
}

// ---- the server ---------------------------------------------------------------------------------

static void serve_subscribed(struct world *w, uint64_t seq)
{
	struct rig *rig = w->rig;
	struct godwit_subscribed frame = {
		.frame = rig_frame(GODWIT_SUBSCRIBED, 0, 0),
		.tag = godwit_be64(rig->sub_tag),
		.handle = godwit_be64(RIG_HANDLE),
		.key = godwit_be64(RIG_KEY),
		.cursor_epoch = godwit_be64(rig->cursor_epoch),
		.session = godwit_be64(rig->session),
		.seq = godwit_be64(seq),
		.epoch = godwit_be32(RIG_EPOCH),
		.request = godwit_be32(rig->request),
		.attempt = godwit_be32(rig->attempt),
	};

	fly(w, false, &frame, sizeof(frame));
}

static void serve_begin(struct world *w, uint64_t seq, uint64_t edge)
{
	w->live = true;
	w->rig->cursor_epoch = ++w->epoch_counter << 16;
	w->start = seq;
	w->sent = seq;
	w->edge = edge;
	w->repair_count = 0;
	w->heartbeat_span_ns = 2 * RIG_MS;
	w->heartbeat_ns = w->rig->now_ns;
}

static void serve_request(struct world *w, const struct flight *f)
{
	const struct godwit_subscribe *subscribe = (const struct godwit_subscribe *)f->bytes;
	const struct godwit_resume *resume = (const struct godwit_resume *)f->bytes;

	if (f->bytes[1] == GODWIT_SUBSCRIBE) {
		w->rig->sub_tag = godwit_get64(subscribe->tag);
		w->rig->request = godwit_get32(subscribe->request);
		w->rig->attempt = 0;
		if (!w->live && w->epoch_counter == 0)
			serve_begin(w, 0, godwit_get32(subscribe->window));
		if (w->last_attempt == 0)
			serve_subscribed(w, w->start);
		return;
	}
	if (godwit_get32(resume->attempt) < w->last_attempt)
		return;
	if (godwit_get32(resume->attempt) > w->last_attempt) {
		w->last_attempt = godwit_get32(resume->attempt);
		w->rig->request = godwit_get32(resume->request);
		w->rig->attempt = w->last_attempt;
		cr_assert_eq(godwit_get64(resume->highest_epoch), w->epoch_counter << 16);
		cr_assert_lt(godwit_get64(resume->seq), w->expected);
		serve_begin(w, godwit_get64(resume->seq), godwit_get64(resume->edge));
	}
	serve_subscribed(w, w->start);
}

static void serve_forgotten(struct world *w)
{
	struct godwit_error frame = {
		.frame = rig_frame(GODWIT_ERROR, 0, 0),
		.tag = godwit_be64(w->rig->tag),
		.detail = godwit_be64(w->rig->subscription),
		.code = godwit_be16(GODWIT_UNKNOWN_SUBSCRIPTION),
	};

	fly(w, false, &frame, sizeof(frame));
}

static void serve_ack(struct world *w, const struct flight *f)
{
	const struct godwit_ack *ack = (const struct godwit_ack *)f->bytes;
	const uint8_t *at = godwit_ack_entries(ack);
	const struct godwit_ack_entry *entry = godwit_ack_next(&at, f->bytes + f->length);

	if (entry == NULL || godwit_get64(ack->number) <= w->ack_number)
		return;
	w->ack_number = godwit_get64(ack->number);
	if (!w->live) {
		serve_forgotten(w);
		return;
	}
	if (godwit_get64(entry->cursor_epoch) != w->rig->cursor_epoch)
		return;
	cr_assert_geq(godwit_get64(entry->edge), w->edge, "the edge was taken back");
	cr_assert_geq(godwit_get64(entry->seq), w->acked, "the mark went back");
	cr_assert_eq(godwit_get64(entry->edge), godwit_get64(entry->seq) + w->window);
	w->edge = godwit_get64(entry->edge);
	w->acked = godwit_get64(entry->seq);
	for (uint32_t i = 0; i < godwit_get16(entry->naks) && w->repair_count < 16; i++) {
		const struct godwit_range *range = &godwit_ack_ranges(entry)[i];

		cr_assert_leq(godwit_get64(range->last), w->sent, "asked above what was sent");
		cr_assert_gt(godwit_get64(range->first), w->acked);
		w->repairs[w->repair_count][0] = godwit_get64(range->first);
		w->repairs[w->repair_count++][1] = godwit_get64(range->last);
	}
}

// Sends [from, to'] with to' <= to in one datagram; returns to'.
static uint64_t serve_data(struct world *w, uint64_t from, uint64_t to)
{
	uint64_t last = from + pick(w, w->topic != 0 ? 40 : 8);
	size_t length;

	if (last > to)
		last = to;
	length = w->topic != 0 ? rig_build_filtered(w->rig, from, last, w->topic) :
				 rig_build_data(w->rig, from, last);
	fly(w, false, w->rig->in, length);
	return last;
}

static void serve(struct world *w)
{
	uint64_t visible = w->edge < TOTAL ? w->edge : TOTAL;

	if (!w->live)
		return;
	for (uint32_t i = 0; i < w->repair_count; i++) {
		uint64_t at = w->repairs[i][0];

		// Repairs are cut elsewhere than the first time.
		while (at <= w->repairs[i][1])
			at = serve_data(w, at, w->repairs[i][1]) + 1;
	}
	w->repair_count = 0;
	for (uint64_t i = pick(w, 4); i > 0 && w->sent < visible; i--) {
		w->sent = serve_data(w, w->sent + 1, visible);
		w->heartbeat_span_ns = 2 * RIG_MS;
		w->heartbeat_ns = w->rig->now_ns + w->heartbeat_span_ns;
	}
	if (w->rig->now_ns >= w->heartbeat_ns) {
		struct {
			struct godwit_heartbeat head;
			struct godwit_heartbeat_entry entry;
		} frame = {
			.head = {.frame = rig_frame(GODWIT_HEARTBEAT, 0, 1),
				 .tag = godwit_be64(w->rig->tag)},
			.entry = {.tag = godwit_be64(w->rig->sub_tag),
				  .cursor_epoch = godwit_be64(w->rig->cursor_epoch),
				  .sent = godwit_be64(w->sent)},
		};

		fly(w, false, &frame, sizeof(frame));
		w->heartbeat_span_ns = w->heartbeat_span_ns * 2 < RIG_INTERVAL ?
					       w->heartbeat_span_ns * 2 :
					       RIG_INTERVAL;
		w->heartbeat_ns = w->rig->now_ns + w->heartbeat_span_ns;
	}
	// Now and then it loses the subscription.
	if (w->forgets > 0 && pick(w, 500) == 0) {
		w->forgets--;
		w->live = false;
	}
}

// ---- the network and the application ------------------------------------------------------------

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
		if (!f.to_server)
			rig_input(w->rig, f.bytes, f.length);
		else if (f.bytes[1] == GODWIT_ACK)
			serve_ack(w, &f);
		else
			serve_request(w, &f);
	}
}

static void skip_unwanted(struct world *w)
{
	while (w->topic != 0 && w->expected <= TOTAL && rig_topic(w->expected) != w->topic)
		w->expected++;
}

static void pull(struct world *w)
{
	for (uint64_t i = pick(w, 30); i > 0 && godwit_core_ready(w->rig->core); i--) {
		cr_assert(godwit_core_next(w->rig->core, w->rig->now_ns, &w->rig->event));
		switch (w->rig->event.kind) {
		case GODWIT_EVENT_SUBSCRIBED:
			cr_assert(!w->begun);
			w->begun = true;
			break;
		case GODWIT_EVENT_RESUMED:
			cr_assert(w->begun);
			break;
		case GODWIT_EVENT_MESSAGE: {
			uint8_t payload[16];
			size_t length = rig_payload(w->expected, payload);

			cr_assert_eq(w->rig->event.identifier.seq, w->expected,
				     "%llu instead of %llu",
				     (unsigned long long)w->rig->event.identifier.seq,
				     (unsigned long long)w->expected);
			cr_assert_eq(w->rig->event.length, length);
			cr_assert_eq(memcmp(w->rig->event.payload, payload, length), 0);
			cr_assert_eq(w->rig->event.time_ns, rig_time(w->expected));
			w->expected++;
			skip_unwanted(w);
			break;
		}
		default:
			cr_assert_fail("event %d", (int)w->rig->event.kind);
		}
	}
}

static void run(uint64_t seed, uint32_t loss, uint32_t window, uint32_t topic, uint32_t forgets)
{
	struct world *w = calloc(1, sizeof(*w));
	struct godwit_subscription_options options = {.stream = "s",
						      .start = GODWIT_START_EARLIEST,
						      .window = window,
						      .topics = &topic,
						      .topic_count = topic != 0};
	struct godwit_subscription_state state = {.covered = 0};
	uint64_t end_ns;

	w->rig = rig_create_with(&(struct godwit_core_options){.seed = {seed}}, 1);
	rig_connect(w->rig);
	client_random_init(&w->random, (const uint64_t[]){seed, 7});
	w->loss = loss;
	w->topic = topic;
	w->window = window;
	w->forgets = forgets;
	w->expected = 1;
	skip_unwanted(w);
	cr_assert_eq(godwit_core_subscribe(w->rig->core, w->rig->now_ns, &options,
					   &w->rig->subscription),
		     0);
	end_ns = w->rig->now_ns + 60000 * RIG_MS;
	while (state.taken.seq < TOTAL && w->rig->now_ns < end_ns) {
		serve(w);
		deliver(w);
		while (rig_output(w->rig) != 0)
			fly(w, true, w->rig->out, w->rig->length);
		if (pick(w, 3) == 0)
			pull(w);
		w->rig->now_ns += STEP;
		godwit_core_subscription_state(w->rig->core, w->rig->subscription, &state);
		cr_assert_leq(rig_stats(w->rig)->stash_slots, window + 16, "seed %llu",
			      (unsigned long long)seed);
	}
	cr_assert_eq(state.taken.seq, TOTAL,
		     "seed %llu: stuck at %llu of %d, covered %llu, sent %llu",
		     (unsigned long long)seed, (unsigned long long)state.taken.seq, TOTAL,
		     (unsigned long long)state.covered, (unsigned long long)state.sent);
	cr_assert_eq(rig_stats(w->rig)->gaps, 0);
	if (loss > 0)
		cr_assert_gt(rig_stats(w->rig)->naks, 0);
	rig_destroy(w->rig);
	free(w);
}

Test(client_twin, delivers_all_over_a_clean_network)
{
	for (uint64_t seed = 1; seed <= 10; seed++)
		run(seed, 0, 64, 0, 0);
}

Test(client_twin, delivers_all_over_a_bad_network)
{
	for (uint64_t seed = 1; seed <= 25; seed++)
		run(seed, 50 + (uint32_t)seed * 6, seed % 3 == 0 ? 8 : 256, 0, 0);
}

Test(client_twin, delivers_a_filter_over_a_bad_network)
{
	for (uint64_t seed = 1; seed <= 25; seed++)
		run(seed, 50 + (uint32_t)seed * 6, 256, 2, 0);
}

Test(client_twin, delivers_a_filter_that_matches_nothing)
{
	for (uint64_t seed = 1; seed <= 10; seed++)
		run(seed, 100, 256, 99, 2);
}

Test(client_twin, delivers_all_through_lost_subscriptions)
{
	for (uint64_t seed = 1; seed <= 25; seed++)
		run(seed, 100, 128, seed % 2 == 0 ? 3 : 0, 10);
}
