// SPDX-License-Identifier: BSD-3-Clause
//
// Servers and their peers: who is let in, what is believed, how silence and death show, and that every
// frame ends in one place.
#include <criterion/criterion.h>

#include "tests/support/checked.h"
#include "tests/support/cluster_harness.h"

static struct cluster c;

#define COUNTED(server, name) cluster_count(&c, server, COUNTER_##name)
#define DROPPED(server, name) cluster_drops(&c, server, DROP_##name)
#define KIND(type)	      ((type) % CLUSTER_TYPES)

static void stop(void)
{
	cluster_stop(&c);
	cr_assert_str_empty(c.failure, "%s", c.failure);
}

static void meet(const struct cluster_config *config)
{
	cluster_start(&c, config);
	cr_assert(cluster_meet(&c));
}

// A frame of `from` as it would send it, of `length` bytes without the MAC; returns the length with it.
static uint32_t frame_of(uint32_t from, void *frame, uint32_t length)
{
	struct godwit_from_server *f = frame;
	const struct server *server = cluster_server(&c, from);

	f->frame.version = GODWIT_VERSION;
	f->cluster = godwit_be64(server->peers.cluster);
	f->incarnation = godwit_be64(server->incarnation);
	f->server = godwit_be16(server->id);
	return peers_sign(&server->peers, frame, length);
}

struct probe_frame {
	struct godwit_probe_for f;
	uint8_t mac[GODWIT_MAC_BYTES];
};

static struct probe_frame probe(uint32_t from)
{
	struct probe_frame frame = {.f.from.frame.type = GODWIT_PROBE_FOR,
				    .f.tag = godwit_be64(99)};

	frame_of(from, &frame, sizeof(frame.f));
	return frame;
}

struct ack_frame {
	struct godwit_peer_ack f;
	uint8_t mac[GODWIT_MAC_BYTES];
};

// A PEER_ACK of a session.
static struct ack_frame ack(uint32_t from, uint64_t session)
{
	struct ack_frame frame = {.f.from.frame.type = GODWIT_PEER_ACK,
				  .f.session = godwit_be64(session)};

	frame_of(from, &frame, sizeof(frame.f));
	return frame;
}

// ---- HELLO -------------------------------------------------------------------------------------

Checked(peers, meet_and_know_each_others_facts, stop)
{
	struct peer_stream_facts facts;
	struct peer *peer;

	meet(&(struct cluster_config){.servers = 3, .each.streams = 2});
	harness_append(cluster_harness(&c, 1), 1, 0, 16, 5);
	cluster_pass(&c, 2 * CLUSTER_INTERVAL_MS * MS);
	peer = cluster_peer(&c, 0, 1);
	cr_assert_eq(peer->incarnation, cluster_server(&c, 1)->incarnation);
	cr_assert_eq(peer->mtu, HARNESS_MTU);
	cr_assert_eq(peer->interval_us, CLUSTER_INTERVAL_MS * 1000);
	cr_assert(peer_stream_get(&peer->streams[1], &facts));
	cr_assert_eq(facts.session, HARNESS_SESSION + 1);
	cr_assert_eq(facts.end, 5);
	cr_assert_eq(facts.commit, 5);
	cr_assert_eq(facts.earliest, 1);
	cr_assert_eq(facts.epoch, 1);
	cr_assert_eq(facts.log_bytes, 1 << 20);
	cr_assert_eq(facts.feed_age_ms, 0);
	cr_assert(peer_stream_get(&peer->streams[0], &facts));
	cr_assert_eq(facts.end, 0);
}

Checked(peers, tell_of_all_streams_in_as_many_frames_as_they_need, stop)
{
	struct peer_stream_facts facts;
	struct peer *peer;

	static_assert(HARNESS_STREAMS > PEERS_STREAMS_MAX, "more than one frame holds");
	meet(&(struct cluster_config){.each.streams = HARNESS_STREAMS});
	peer = cluster_peer(&c, 0, 1);
	for (uint32_t i = 0; i < HARNESS_STREAMS; i++)
		harness_append(cluster_harness(&c, 1), i, 0, 16, i);
	memset(c.sent, 0, sizeof(c.sent));
	cluster_pass(&c, 2 * CLUSTER_INTERVAL_MS * MS);
	cr_assert_geq(c.sent[0][1][KIND(GODWIT_PEER_HEARTBEAT)], 4);
	cr_assert_eq(COUNTED(0, peer_heartbeats_old), 0);
	for (uint32_t i = 0; i < HARNESS_STREAMS; i++) {
		cr_assert(peer_stream_get(&peer->streams[i], &facts));
		cr_assert_eq(facts.session, HARNESS_SESSION + i);
		cr_assert_eq(facts.end, i);
	}
}

static bool answers_alone(struct cluster *cluster, uint32_t from, uint32_t to, uint8_t *bytes,
			  uint32_t *length)
{
	const struct godwit_frame *frame = (const void *)bytes;

	(void)cluster;
	(void)to;
	(void)length;
	return from != 1 || (frame->type == GODWIT_PEER_HELLO &&
			     (godwit_get16(frame->flags) & GODWIT_FLAG_ANSWER) != 0);
}

Checked(peers, answer_each_frame_of_a_hello_by_the_streams_that_it_names, stop)
{
	struct peer_stream_facts facts;

	cluster_start(&c, &(struct cluster_config){.each.streams = HARNESS_STREAMS});
	c.filter = answers_alone;
	cluster_pass(&c, 10 * MS);
	for (uint32_t i = 0; i < HARNESS_STREAMS; i++) {
		cr_assert(peer_stream_get(&cluster_peer(&c, 0, 1)->streams[i], &facts), "%u", i);
		cr_assert_eq(facts.session, HARNESS_SESSION + i);
	}
}

// A frame a turn is less than one heartbeat.
Checked(peers, tell_of_all_streams_through_a_port_with_little_room, stop)
{
	struct peer_stream_facts facts;

	meet(&(struct cluster_config){.each.streams = HARNESS_STREAMS});
	for (uint32_t i = 0; i < HARNESS_STREAMS; i++)
		harness_append(cluster_harness(&c, 1), i, 0, 16, 1 + i);
	cluster_harness(&c, 1)->tx[0].room = 1;
	cluster_pass(&c, 3 * CLUSTER_INTERVAL_MS * MS);
	for (uint32_t i = 0; i < HARNESS_STREAMS; i++) {
		cr_assert(peer_stream_get(&cluster_peer(&c, 0, 1)->streams[i], &facts));
		cr_assert_eq(facts.end, 1 + i, "stream %u: %lu", i, facts.end);
	}
	cr_assert_leq(cluster_peer(&c, 1, 0)->number_sent - cluster_server(&c, 1)->incarnation, 8,
		      "a heartbeat in pieces is one");
}

Checked(peers, say_hello_every_ten_intervals_until_they_are_answered, stop)
{
	cluster_start(&c, NULL);
	cluster_isolate(&c, 1, true);
	cluster_pass(&c, 1000 * MS);
	cr_assert_geq(c.sent[0][1][KIND(GODWIT_PEER_HELLO)], 10);
	cr_assert_leq(c.sent[0][1][KIND(GODWIT_PEER_HELLO)], 11);
	cr_assert_not(peer_takes_part(cluster_peer(&c, 0, 1)));
	cluster_isolate(&c, 1, false);
	cr_assert(cluster_meet(&c));
	memset(c.sent, 0, sizeof(c.sent));
	cluster_pass(&c, 1000 * MS);
	cr_assert_eq(c.sent[0][1][KIND(GODWIT_PEER_HELLO)], 0);
}

static void refused_with(const struct cluster_config *config, uint32_t by_0, uint32_t by_1)
{
	cluster_start(&c, config);
	cluster_pass(&c, 100 * MS);
	cr_assert_eq(cluster_peer(&c, 0, 1)->refusal, by_0);
	cr_assert_eq(cluster_peer(&c, 1, 0)->refusal, by_1);
	cr_assert_eq(cluster_peer(&c, 0, 1)->refused_us, by_1);
	cr_assert_eq(cluster_peer(&c, 1, 0)->refused_us, by_0);
	for (uint32_t i = 0; i < 2; i++) {
		struct peer_stream_facts facts;
		struct peer *peer = cluster_peer(&c, i, 1 - i);

		cr_assert_not(peer_takes_part(peer));
		// It is heard all the same.
		cr_assert_geq(peer->heard_ns, c.now_ns - 2 * CLUSTER_INTERVAL_MS * MS);
		cr_assert_neq(peer->hears_ns, 0);
		if (peer->refusal != PEER_ACCEPTED)
			cr_assert_not(peer_stream_get(&peer->streams[0], &facts));
	}
	// Nothing but HELLOs and heartbeats of it is taken.
	struct probe_frame frame = probe(1);

	cluster_inject(&c, 1, 0, &frame, sizeof(frame));
	cluster_turns(&c, 1);
	cr_assert_eq(DROPPED(0, peer_refused), 1);
	cr_assert_null(crossing_peek(&cluster_server(&c, 0)->peers.punts));
}

Checked(peers, refuse_one_with_another_configuration, stop)
{
	refused_with(&(struct cluster_config){.config = {5, 6}}, PEER_REFUSED_CONFIG,
		     PEER_REFUSED_CONFIG);
	cr_assert_gt(COUNTED(0, peer_hello_refused), 0);
}

Checked(peers, refuse_one_whose_mtu_is_too_small_for_their_streams, stop)
{
	refused_with(&(struct cluster_config){.mtu = {1500, 1400}}, PEER_REFUSED_MTU,
		     PEER_ACCEPTED);
}

static bool make_version_2(struct cluster *cluster, uint32_t from, uint32_t to, uint8_t *bytes,
			   uint32_t *length)
{
	(void)to;
	if (from == 1) {
		bytes[0] = 2;
		*length = peers_sign(&cluster_server(cluster, 1)->peers, bytes,
				     *length - GODWIT_MAC_BYTES);
	}
	return true;
}

Checked(peers, note_one_that_speaks_another_version, stop)
{
	cluster_start(&c, NULL);
	c.filter = make_version_2;
	cluster_pass(&c, 50 * MS);
	cr_assert_eq(cluster_peer(&c, 0, 1)->refusal, PEER_REFUSED_VERSION);
	cr_assert_gt(DROPPED(0, peer_version), 0);
	cr_assert_eq(cluster_peer(&c, 0, 1)->heard_ns, 0);
}

Checked(peers, take_no_answer_to_a_hello_that_is_not_their_last, stop)
{
	struct {
		struct godwit_peer_hello f;
		uint8_t mac[GODWIT_MAC_BYTES];
	} frame = {.f.from.frame = {.type = GODWIT_PEER_HELLO,
				    .flags = godwit_be16(GODWIT_FLAG_ANSWER)},
		   .f.refusal = godwit_be16(GODWIT_PEER_OTHER_CONFIG)};
	uint64_t before;

	meet(NULL);
	before = COUNTED(0, peer_hello_unasked);
	frame_of(1, &frame, sizeof(frame.f));
	cluster_inject(&c, 1, 0, &frame, sizeof(frame));
	cluster_turns(&c, 1);
	cr_assert_eq(COUNTED(0, peer_hello_unasked), before + 1);
	cr_assert(peer_takes_part(cluster_peer(&c, 0, 1)));
}

// ---- who is believed ---------------------------------------------------------------------------

Checked(peers, drop_what_another_key_or_cluster_made, stop)
{
	cluster_start(&c, &(struct cluster_config){.servers = 3,
						   .secret = {"one", "two", "one"},
						   .name = {"test", "test", "other"}});
	cluster_pass(&c, 50 * MS);
	for (uint32_t i = 0; i < 3; i++) {
		cr_assert_eq(COUNTED(i, classify_peer), 0);
		cr_assert_eq(cluster_peer(&c, i, (i + 1) % 3)->incarnation, 0);
		cr_assert_eq(cluster_peer(&c, i, (i + 1) % 3)->heard_ns, 0);
	}
	cr_assert_gt(DROPPED(0, peer_mac), 0);
	cr_assert_gt(DROPPED(0, peer_cluster), 0);
	cr_assert_gt(DROPPED(2, peer_cluster), 0);
	cr_assert_eq(DROPPED(2, peer_mac), 0);
}

Checked(peers, drop_what_comes_from_another_address_or_an_unknown_server, stop)
{
	struct godwit_address stranger = godwit_address_v4(0x0a010002, 4001);
	struct probe_frame frame;

	meet(NULL);
	frame = probe(1);
	harness_queue(cluster_harness(&c, 0), 0, &stranger, &frame, sizeof(frame));
	frame.f.from.server = godwit_be16(9);
	peers_sign(&cluster_server(&c, 1)->peers, &frame, sizeof(frame.f));
	cluster_inject(&c, 1, 0, &frame, sizeof(frame));
	// A server is not its own peer.
	frame.f.from.server = godwit_be16(1);
	peers_sign(&cluster_server(&c, 1)->peers, &frame, sizeof(frame.f));
	cluster_inject(&c, 1, 0, &frame, sizeof(frame));
	cluster_turns(&c, 1);
	cr_assert_eq(DROPPED(0, peer_address), 1);
	cr_assert_eq(DROPPED(0, peer_unknown), 2);
	cr_assert_eq(COUNTED(0, peer_punts), 0);
}

Checked(peers, drop_damaged_frames_before_they_look_at_their_mac, stop)
{
	struct probe_frame frame;

	meet(NULL);
	frame = probe(1);
	cluster_inject(&c, 1, 0, &frame, sizeof(frame) - 1);
	frame.f.zero = godwit_be32(1);
	cluster_inject(&c, 1, 0, &frame, sizeof(frame));
	frame.f.from.frame.type = 0x4c;
	cluster_inject(&c, 1, 0, &frame, sizeof(frame));
	frame.f.from.frame.version = 9;
	cluster_inject(&c, 1, 0, &frame, sizeof(struct godwit_from_server));
	cluster_turns(&c, 1);
	cr_assert_eq(DROPPED(0, classify_length), 1);
	cr_assert_eq(DROPPED(0, classify_zero), 1);
	cr_assert_eq(DROPPED(0, classify_type), 1);
	cr_assert_eq(DROPPED(0, classify_version), 1);
	cr_assert_eq(DROPPED(0, peer_mac), 0);
}

// ---- incarnations ------------------------------------------------------------------------------

Checked(peers, see_the_death_of_an_incarnation_in_the_next_one, stop)
{
	struct peer *peer;
	struct peer_stream_facts facts;
	struct probe_frame old;
	uint64_t before;

	meet(NULL);
	cluster_pass(&c, 50 * MS);
	peer = cluster_peer(&c, 0, 1);
	before = peer->incarnation;
	old = probe(1);
	cr_assert_neq(peer->hears_ns, 0);
	cluster_restart(&c, 1);
	// Its first frame is enough, whatever it is; nothing of the dead one is left.
	struct probe_frame first = probe(1);

	cluster_inject(&c, 1, 0, &first, sizeof(first));
	cluster_cut(&c, 1, 0);
	cluster_turns(&c, 1);
	cr_assert_gt(peer->incarnation, before);
	cr_assert_not(peer_takes_part(peer));
	cr_assert_not(peer_stream_get(&peer->streams[0], &facts));
	cr_assert_eq(peer->hears_ns, 0);
	cr_assert_eq(peer->number_heard, 0);
	cr_assert_eq(DROPPED(0, peer_refused), 1, "it did not say HELLO yet");
	cr_assert_eq(COUNTED(0, peer_incarnations), 2);
	// The dead one is not heard.
	cluster_inject(&c, 1, 0, &old, sizeof(old));
	cluster_pass(&c, c.step_ns);
	cr_assert_eq(DROPPED(0, peer_stale_incarnation), 1);
	cr_assert_lt(peer->heard_ns, c.now_ns);
	cluster_mend(&c, 1, 0);
	memset(c.sent, 0, sizeof(c.sent));
	cr_assert(cluster_meet(&c));
	cr_assert(peer_stream_get(&peer->streams[0], &facts));
	cr_assert_geq(c.sent[0][1][KIND(GODWIT_PEER_HELLO)], 2, "an answer, and its own again");
}

Checked(peers, tell_one_that_was_started_below_its_last_incarnation, stop)
{
	uint64_t higher;

	meet(NULL);
	higher = cluster_server(&c, 1)->incarnation;
	cluster_kill(&c, 1);
	c.servers[1].incarnation = higher - 2001 * MS;
	cluster_restart(&c, 1);
	cluster_pass(&c, 50 * MS);
	cr_assert_eq(cluster_server(&c, 1)->peers.known_above, higher);
	cr_assert_gt(COUNTED(1, peer_known_above), 0);
	cr_assert_gt(COUNTED(0, peer_hello_stale), 0);
	cr_assert_gt(DROPPED(0, peer_stale_incarnation), 0, "its heartbeats");
	cr_assert_eq(cluster_peer(&c, 0, 1)->incarnation, higher);
	// It starts again above.
	cluster_server(&c, 1)->incarnation = cluster_server(&c, 1)->peers.known_above + 1;
	cluster_turns(&c, 3);
	cr_assert(cluster_meet(&c));
	cr_assert_eq(cluster_peer(&c, 0, 1)->incarnation, higher + 1);
	cluster_pass(&c, 3 * CLUSTER_INTERVAL_MS * MS);
	cr_assert_geq(cluster_peer(&c, 1, 0)->hears_ns, c.now_ns - 2 * CLUSTER_INTERVAL_MS * MS);
}

Checked(peers, tell_one_that_is_below_what_a_record_names, stop)
{
	uint64_t higher;

	meet(NULL);
	higher = cluster_server(&c, 1)->incarnation + 7;
	cluster_peer(&c, 0, 1)->recorded = higher;
	cluster_pass(&c, 300 * MS);
	cr_assert_eq(cluster_server(&c, 1)->peers.known_above, higher);
	cr_assert(peer_takes_part(cluster_peer(&c, 0, 1)));
	cluster_server(&c, 1)->incarnation = higher + 1;
	cluster_turns(&c, 3);
	cr_assert(cluster_meet(&c));
}

// ---- heartbeats and silence --------------------------------------------------------------------

Checked(peers, send_heartbeats_at_their_interval, stop)
{
	uint64_t beats;

	meet(NULL);
	memset(c.sent, 0, sizeof(c.sent));
	c.step_ns = 100 * US;
	cluster_pass(&c, 100 * CLUSTER_INTERVAL_MS * MS);
	beats = c.sent[0][1][KIND(GODWIT_PEER_HEARTBEAT)];
	// Jittered down by up to an eighth.
	cr_assert_geq(beats, 100, "%lu", beats);
	cr_assert_leq(beats, 115, "%lu", beats);
	cr_assert_eq(COUNTED(1, peer_heartbeats_old), 0);
}

Checked(peers, say_at_once_that_they_are_drained, stop)
{
	meet(NULL);
	cr_assert_eq(cluster_peer(&c, 1, 0)->is_draining, 0);
	cr_assert_not(peers_is_draining(cluster_server(&c, 1), 1));
	cluster_server(&c, 0)->peers.is_draining = 1;
	cluster_turns(&c, 2);
	cr_assert_eq(cluster_peer(&c, 1, 0)->is_draining, 1);
	cr_assert_eq(cluster_peer(&c, 0, 1)->is_draining, 0);
	cr_assert(peers_is_draining(cluster_server(&c, 1), 1));
	cr_assert(peers_is_draining(cluster_server(&c, 0), 1), "itself");
	cr_assert_not(peers_is_draining(cluster_server(&c, 0), 2));
	cluster_server(&c, 0)->peers.is_draining = 0;
	cluster_turns(&c, 2);
	cr_assert_eq(cluster_peer(&c, 1, 0)->is_draining, 0);
}

Checked(peers, show_silence_by_when_they_heard_last, stop)
{
	struct peer *peer;
	uint64_t cut_ns;

	meet(NULL);
	peer = cluster_peer(&c, 0, 1);
	cluster_pass(&c, 100 * MS);
	cr_assert_geq(peer->heard_ns, c.now_ns - CLUSTER_INTERVAL_MS * MS - c.step_ns);
	cluster_kill(&c, 1);
	cut_ns = c.now_ns;
	cluster_pass(&c, 100 * MS);
	cr_assert_leq(peer->heard_ns, cut_ns + c.step_ns);
}

Checked(peers, show_a_way_that_is_cut_in_one_direction, stop)
{
	struct peer *one, *other;
	uint64_t cut_ns;

	meet(NULL);
	cluster_pass(&c, 100 * MS);
	one = cluster_peer(&c, 0, 1);
	other = cluster_peer(&c, 1, 0);
	cut_ns = c.now_ns;
	cluster_cut(&c, 0, 1);
	cluster_pass(&c, 200 * MS);
	// 0 hears 1, which says that it hears nothing new of 0.
	cr_assert_geq(one->heard_ns, c.now_ns - 2 * CLUSTER_INTERVAL_MS * MS);
	cr_assert_leq(one->hears_ns, cut_ns + 2 * CLUSTER_INTERVAL_MS * MS);
	cr_assert_leq(other->heard_ns, cut_ns + c.step_ns);
	cluster_mend(&c, 0, 1);
	cluster_pass(&c, 3 * CLUSTER_INTERVAL_MS * MS);
	cr_assert_geq(one->hears_ns, c.now_ns - 2 * CLUSTER_INTERVAL_MS * MS);
}

Checked(peers, believe_no_echo_of_what_they_never_sent, stop)
{
	struct {
		struct godwit_peer_heartbeat f;
		uint8_t mac[GODWIT_MAC_BYTES];
	} frame = {.f.from.frame.type = GODWIT_PEER_HEARTBEAT, .f.number = godwit_be64(UINT64_MAX)};
	struct peer *peer;
	uint64_t hears_ns;

	meet(NULL);
	cluster_pass(&c, 50 * MS);
	peer = cluster_peer(&c, 0, 1);
	hears_ns = peer->hears_ns;
	frame.f.heard = godwit_be64(peer->number_sent + 1);
	frame_of(1, &frame, sizeof(frame.f));
	cluster_isolate(&c, 1, true);
	cluster_inject(&c, 1, 0, &frame, sizeof(frame));
	c.now_ns += 1;
	cluster_turns(&c, 1);
	cr_assert_eq(peer->number_heard, UINT64_MAX);
	cr_assert_eq(peer->hears_ns, hears_ns);
}

// What it hears is said to the process before it, which was heard.
Checked(peers, take_no_echo_of_an_earlier_process_for_one_of_their_own, stop)
{
	struct peer *peer;

	meet(NULL);
	cluster_pass(&c, 50 * MS);
	cluster_cut(&c, 0, 1);
	cluster_restart(&c, 0);
	cluster_pass(&c, 50 * MS);
	peer = cluster_peer(&c, 0, 1);
	cr_assert_gt(peer->number_heard, 0);
	cr_assert_gt(cluster_peer(&c, 1, 0)->number_heard, 0, "it tells of that number still");
	cr_assert_eq(peer->hears_ns, 0);
	cluster_mend(&c, 0, 1);
	cr_assert(cluster_meet(&c));
	cluster_pass(&c, 3 * CLUSTER_INTERVAL_MS * MS);
	cr_assert_neq(peer->hears_ns, 0);
}

Checked(peers, meet_over_a_wire_that_loses_every_third_frame, stop)
{
	cluster_start(&c, &(struct cluster_config){.servers = 3});
	for (uint32_t i = 0; i < 3; i++)
		for (uint32_t k = 0; k < 3; k++)
			c.loss_permille[i][k] = 333;
	cr_assert(cluster_meet(&c));
}

Checked(peers, send_heartbeats_when_the_port_has_room_for_one_packet_a_turn, stop)
{
	struct client_peer p;
	uint64_t beats;

	cluster_start(&c, NULL);
	p = harness_peer(cluster_harness(&c, 0), 0, 1, 1, 1);
	cr_assert(harness_connect(&p, NULL));
	cr_assert_not_null(harness_subscribe(
		&p, &(struct harness_request){.number = 1, .start = GODWIT_START_EARLIEST}));
	harness_append(cluster_harness(&c, 0), 0, 0, 1000, 500);
	c.servers[0].h.tx[0].room = 1;
	memset(c.sent, 0, sizeof(c.sent));
	cluster_pass(&c, 100 * MS);
	beats = c.sent[0][1][KIND(GODWIT_PEER_HEARTBEAT)];
	cr_assert_geq(beats, 10, "%lu", beats);
}

// ---- to whom frames go -------------------------------------------------------------------------

Checked(peers, bring_what_is_for_control_to_its_ring_and_send_what_it_posts, stop)
{
	struct crossing *punts;
	struct crossing_slot *slot;
	struct peers_head head;
	struct godwit_probe_for post = {
		.from.frame = {.version = GODWIT_VERSION, .type = GODWIT_PROBE_RESULT},
		.tag = godwit_be64(99),
	};

	meet(NULL);
	cr_assert(peers_post(&cluster_server(&c, 1)->peers, 0, &post, sizeof(post)));
	cluster_turns(&c, 2);
	punts = &cluster_server(&c, 0)->peers.punts;
	slot = crossing_peek(punts);
	cr_assert_not_null(slot);
	memcpy(&head, slot->data, sizeof(head));
	cr_assert_eq(head.peer, cluster_peer(&c, 0, 1)->index);
	cr_assert_eq(slot->bytes, sizeof(head) + sizeof(post) + GODWIT_MAC_BYTES);
	memcpy(&post, slot->data + sizeof(head), sizeof(post));
	cr_assert_eq(post.from.frame.type, GODWIT_PROBE_RESULT);
	cr_assert_eq(godwit_get64(post.tag), 99);
	cr_assert_eq(godwit_get16(post.from.server), 2);
	crossing_pop(punts);
	cr_assert_eq(COUNTED(0, peer_punts), 1);
	cr_assert_eq(COUNTED(1, peer_posts), 1);
	cr_assert_not(peers_post(&cluster_server(&c, 1)->peers, 0, &post, PEERS_SLOT_BYTES));
}

Checked(peers, count_what_control_is_too_slow_for, stop)
{
	struct probe_frame frame;

	meet(NULL);
	frame = probe(1);
	for (uint32_t i = 0; i < PEERS_RING_SLOTS + 3; i++) {
		cluster_inject(&c, 1, 0, &frame, sizeof(frame));
		cluster_turns(&c, 1);
	}
	cr_assert_eq(COUNTED(0, peer_punts), PEERS_RING_SLOTS);
	cr_assert_eq(DROPPED(0, peer_punts_full), 3);
}

Checked(peers, name_the_stream_or_session_that_is_not_here, stop)
{
	struct {
		struct godwit_reconcile f;
		uint8_t mac[GODWIT_MAC_BYTES];
	} reconcile = {.f.from.frame.type = GODWIT_RECONCILE, .f.stream = godwit_be64(12345)};
	struct ack_frame known, unknown, none;

	meet(&(struct cluster_config){.each.streams = 2});
	frame_of(1, &reconcile, sizeof(reconcile.f));
	known = ack(1, HARNESS_SESSION + 1);
	unknown = ack(1, HARNESS_SESSION + 9);
	none = ack(1, 0);
	cluster_inject(&c, 1, 0, &reconcile, sizeof(reconcile));
	cluster_inject(&c, 1, 0, &known, sizeof(known));
	cluster_inject(&c, 1, 0, &unknown, sizeof(unknown));
	cluster_inject(&c, 1, 0, &none, sizeof(none));
	cluster_turns(&c, 1);
	cr_assert_eq(DROPPED(0, peer_unknown_stream), 1);
	cr_assert_eq(DROPPED(0, peer_unknown_session), 2);
	cr_assert_eq(COUNTED(0, peer_replication), 1);
	reconcile.f.stream = godwit_be64(cluster_server(&c, 0)->streams[0]->hash);
	peers_sign(&cluster_server(&c, 1)->peers, &reconcile, sizeof(reconcile.f));
	cluster_inject(&c, 1, 0, &reconcile, sizeof(reconcile));
	cluster_turns(&c, 1);
	cr_assert_eq(COUNTED(0, peer_replication), 2);
}

Checked(peers, bring_frames_to_the_core_that_they_concern, stop)
{
	struct probe_frame frame;
	struct ack_frame home_0, home_1;

	cluster_start(&c, &(struct cluster_config){.each = {.cores = 2, .streams = 2}});
	// All arrives where nothing of it belongs but what is about s1.
	c.servers[0].rx_core = 1;
	cr_assert(cluster_meet(&c));
	cr_assert_gt(harness_count(cluster_harness(&c, 0), 1, COUNTER_classify_peer), 0);
	cr_assert_eq(harness_count(cluster_harness(&c, 0), 0, COUNTER_classify_peer), 0);
	frame = probe(1);
	home_0 = ack(1, HARNESS_SESSION);
	home_1 = ack(1, HARNESS_SESSION + 1);
	cluster_inject(&c, 1, 0, &frame, sizeof(frame));
	cluster_inject(&c, 1, 0, &home_0, sizeof(home_0));
	cluster_inject(&c, 1, 0, &home_1, sizeof(home_1));
	cluster_turns(&c, 2);
	cr_assert_eq(COUNTED(0, peer_punts), 1);
	cr_assert_eq(harness_count(cluster_harness(&c, 0), 0, COUNTER_peer_replication), 1);
	cr_assert_eq(harness_count(cluster_harness(&c, 0), 1, COUNTER_peer_replication), 1);
	cr_assert_eq(DROPPED(0, peer_crossing_full), 0);
	// It is heard where it arrived.
	cluster_pass(&c, 3 * CLUSTER_INTERVAL_MS * MS);
	cr_assert_geq(cluster_peer(&c, 0, 1)->heard_ns, c.now_ns - 2 * CLUSTER_INTERVAL_MS * MS);
}

Checked(peers, take_over_an_incarnation_that_shows_first_at_another_core, stop)
{
	struct ack_frame frame;

	cluster_start(&c, &(struct cluster_config){.each = {.cores = 2, .streams = 2}});
	cr_assert(cluster_meet(&c));
	c.servers[0].rx_core = 1;
	cluster_restart(&c, 1);
	frame = ack(1, HARNESS_SESSION + 1);
	cluster_inject(&c, 1, 0, &frame, sizeof(frame));
	cluster_cut(&c, 1, 0);
	cluster_turns(&c, 2);
	cr_assert_eq(cluster_peer(&c, 0, 1)->incarnation, cluster_server(&c, 1)->incarnation);
	cr_assert_eq(DROPPED(0, peer_refused), 1);
	cr_assert_eq(COUNTED(0, peer_replication), 0);
	cr_assert_eq(harness_count(cluster_harness(&c, 0), 1, COUNTER_peer_incarnations), 0);
}

Checked(peers, count_what_finds_the_crossing_full, stop)
{
	struct probe_frame frame;

	cluster_start(&c, &(struct cluster_config){
				  .each = {.cores = 2, .streams = 2, .crossing_slots = 4}});
	cr_assert(cluster_meet(&c));
	c.servers[0].rx_core = 1;
	frame = probe(1);
	for (uint32_t i = 0; i < 6; i++)
		cluster_inject(&c, 1, 0, &frame, sizeof(frame));
	cluster_turns(&c, 2);
	cr_assert_eq(COUNTED(0, peer_punts), 4);
	cr_assert_eq(DROPPED(0, peer_crossing_full), 2);
}

Test(peers, are_nobody_to_a_server_alone)
{
	static struct harness h;
	struct godwit_address from = cluster_address(1);
	struct probe_frame frame = {
		.f.from.frame = {.version = GODWIT_VERSION, .type = GODWIT_PROBE_FOR}};

	harness_start(&h, NULL);
	harness_send(&h, 0, &from, &frame, sizeof(frame));
	harness_turn(&h);
	cr_assert_eq(harness_drops(&h, 0, DROP_classify_type), 1);
	harness_stop(&h);
	cr_assert_str_empty(h.failure, "%s", h.failure);
}
