// SPDX-License-Identifier: BSD-3-Clause
//
// The driver against a scripted server on a loopback socket. Both run in this one thread in turns;
// no step waits for a time to pass, only for a datagram to arrive.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/client_rig.h"

#define WAIT_NS 5000000000ull // for what must come: far above what it takes

struct peer {
	int fd;
	struct sockaddr_in client;
	struct rig rig; // its frame builders; the core in it is the driver's
	struct godwit_client *driver;
};

static struct godwit_address peer_open(struct peer *peer)
{
	struct sockaddr_in name = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(name);

	memset(peer, 0, sizeof(*peer));
	peer->fd = socket(AF_INET, SOCK_DGRAM, 0);
	cr_assert_geq(peer->fd, 0);
	cr_assert_eq(bind(peer->fd, (struct sockaddr *)&name, sizeof(name)), 0);
	cr_assert_eq(getsockname(peer->fd, (struct sockaddr *)&name, &length), 0);
	peer->rig.session = RIG_SESSION;
	peer->rig.cursor_epoch = 1 << 16;
	return godwit_address_v4(INADDR_LOOPBACK, ntohs(name.sin_port));
}

static struct peer *peer_with_driver(uint32_t window)
{
	struct peer *peer = malloc(sizeof(*peer));
	struct godwit_address server = peer_open(peer);
	struct godwit_client_options options = {
		.core = {.client = 42, .servers = &server, .server_count = 1, .window = window},
	};

	cr_assert_eq(godwit_client_open(&options, &peer->driver), 0);
	peer->rig.core = godwit_client_core(peer->driver);
	return peer;
}

static void peer_close(struct peer *peer)
{
	godwit_client_close(peer->driver);
	close(peer->fd);
	free(peer);
}

// The client's next frame of this type; others (keep-alives, repeats) pass by.
static const void *peer_expect(struct peer *peer, uint8_t type)
{
	do {
		struct pollfd fd = {.fd = peer->fd, .events = POLLIN};
		socklen_t length = sizeof(peer->client);
		ssize_t got;

		cr_assert_eq(godwit_client_flush(peer->driver), 0);
		cr_assert_eq(poll(&fd, 1, 5000), 1, "no frame came, %#x awaited", type);
		got = recvfrom(peer->fd, peer->rig.out, sizeof(peer->rig.out), 0,
			       (struct sockaddr *)&peer->client, &length);
		cr_assert_gt(got, 0);
		peer->rig.length = (size_t)got;
		cr_assert_eq(godwit_check_from_client(peer->rig.out, peer->rig.length),
			     GODWIT_CHECK_OK);
	} while (peer->rig.out[1] != type);
	return peer->rig.out;
}

static void peer_send(struct peer *peer, const void *frame, size_t length)
{
	cr_assert_eq(sendto(peer->fd, frame, length, 0, (struct sockaddr *)&peer->client,
			    sizeof(peer->client)),
		     (ssize_t)length);
}

static const struct godwit_event *driver_expect(struct peer *peer, enum godwit_event_kind kind)
{
	if (!godwit_client_next(peer->driver, &peer->rig.event)) {
		cr_assert_eq(godwit_client_poll(peer->driver, WAIT_NS), 1);
		cr_assert(godwit_client_next(peer->driver, &peer->rig.event));
	}
	cr_assert_eq(peer->rig.event.kind, kind);
	return &peer->rig.event;
}

static void peer_handshake(struct peer *peer)
{
	struct godwit_cookie cookie;
	struct godwit_welcome welcome;

	peer_expect(peer, GODWIT_HELLO);
	cookie = rig_cookie(&peer->rig);
	peer_send(peer, &cookie, sizeof(cookie));
	// The answer to the cookie is no event: poll without waiting until it is out.
	while (rig_stats(&peer->rig)->datagrams_out < 2)
		cr_assert_eq(godwit_client_poll(peer->driver, 0), 0);
	peer_expect(peer, GODWIT_HELLO_PROOF);
	welcome = rig_welcome(&peer->rig);
	welcome.interval = godwit_be32(10000);
	peer_send(peer, &welcome, sizeof(welcome));
	driver_expect(peer, GODWIT_EVENT_CONNECTED);
}

static void peer_subscribe(struct peer *peer)
{
	const struct godwit_subscribe *frame;
	struct godwit_subscribed answer;

	cr_assert_eq(godwit_client_subscribe(peer->driver,
					     &(struct godwit_subscription_options){.stream = "s"},
					     &peer->rig.subscription),
		     0);
	frame = peer_expect(peer, GODWIT_SUBSCRIBE);
	peer->rig.sub_tag = godwit_get64(frame->tag);
	answer = (struct godwit_subscribed){
		.frame = rig_frame(GODWIT_SUBSCRIBED, 0, 0),
		.tag = frame->tag,
		.handle = godwit_be64(RIG_HANDLE),
		.key = godwit_be64(RIG_KEY),
		.cursor_epoch = godwit_be64(peer->rig.cursor_epoch),
		.session = godwit_be64(RIG_SESSION),
		.request = frame->request,
	};
	peer_send(peer, &answer, sizeof(answer));
	driver_expect(peer, GODWIT_EVENT_SUBSCRIBED);
}

Test(client_driver, never_blocks_without_a_timeout)
{
	struct peer *peer = peer_with_driver(100);
	struct godwit_event event;

	for (uint32_t i = 0; i < 1000; i++)
		cr_assert_eq(godwit_client_poll(peer->driver, 0), 0);
	cr_assert(!godwit_client_next(peer->driver, &event));
	cr_assert_geq(godwit_client_fd(peer->driver), 0);
	cr_assert_leq(godwit_client_due(peer->driver), 1000 * RIG_MS);
	peer_close(peer);
}

Test(client_driver, refuses_options_that_cannot_work)
{
	struct godwit_client *client = NULL;

	cr_assert_eq(godwit_client_open(&(struct godwit_client_options){.core = {.client = 1}},
					&client),
		     -EINVAL);
	cr_assert_null(client);
}

Test(client_driver, receives_more_than_one_batch)
{
	enum {
		MESSAGES = 1000
	};
	struct peer *peer = peer_with_driver(4096);
	const struct godwit_ack *ack;
	const uint8_t *at;

	peer_handshake(peer);
	peer_subscribe(peer);
	for (uint64_t seq = 1; seq <= MESSAGES; seq += 10)
		peer_send(peer, peer->rig.in, rig_build_data(&peer->rig, seq, seq + 9));
	for (uint64_t seq = 1; seq <= MESSAGES; seq++) {
		const struct godwit_event *event = driver_expect(peer, GODWIT_EVENT_MESSAGE);

		cr_assert_eq(event->identifier.seq, seq);
		cr_assert_eq(memcmp(event->payload, &seq, sizeof(seq)), 0);
	}
	do {
		cr_assert_geq(godwit_client_poll(peer->driver, 10 * RIG_MS), 0);
		ack = peer_expect(peer, GODWIT_ACK);
		at = godwit_ack_entries(ack);
	} while (godwit_get64(((const struct godwit_ack_entry *)at)->seq) < MESSAGES);
	peer_close(peer);
}

// The kernel may hand over a run of datagrams as one: they must come apart at the same places.
Test(client_driver, takes_merged_datagrams_apart)
{
	struct peer *peer = peer_with_driver(4096);
	uint8_t run[20000];
	size_t segment = 0;
	size_t length = 0;
	int size;

	peer_handshake(peer);
	peer_subscribe(peer);
	for (uint64_t seq = 7; seq <= 7 * 30; seq += 7) {
		segment = rig_build_data(&peer->rig, seq - 6, seq); // all of one size
		memcpy(run + length, peer->rig.in, segment);
		length += segment;
	}
	size = (int)segment;
	if (setsockopt(peer->fd, IPPROTO_UDP, 103 /* UDP_SEGMENT */, &size, sizeof(size)) != 0)
		cr_skip_test("no segmentation offload here");
	peer_send(peer, run, length);
	for (uint64_t seq = 1; seq <= 7 * 30; seq++)
		cr_assert_eq(driver_expect(peer, GODWIT_EVENT_MESSAGE)->identifier.seq, seq);
	cr_assert_eq(rig_stats(&peer->rig)->malformed, 0);
	peer_close(peer);
}

Test(client_driver, publishes)
{
	struct peer *peer = peer_with_driver(100);
	struct godwit_publisher_options options = {.stream = "s", .publisher = 9};
	const struct godwit_publish_open *open;
	const struct godwit_publish *publish;
	struct godwit_publish_opened opened;
	struct godwit_publish_ack ack;
	uint64_t stamp = 1;
	uint64_t got = 0;
	uint32_t publisher;

	peer_handshake(peer);
	cr_assert_eq(godwit_client_publisher_open(peer->driver, &options, &publisher), 0);
	open = peer_expect(peer, GODWIT_PUBLISH_OPEN);
	opened = (struct godwit_publish_opened){
		.frame = rig_frame(GODWIT_PUBLISH_OPENED, 0, 0),
		.tag = godwit_be64(peer->rig.tag),
		.publisher = godwit_be64(9),
		.instance = godwit_be64(1),
		.request = open->request,
		.credit = godwit_be32(10000),
		.max_message = godwit_be16(1000),
	};
	peer_send(peer, &opened, sizeof(opened));
	driver_expect(peer, GODWIT_EVENT_PUBLISHER_OPENED);
	for (; stamp <= 5000; stamp++)
		cr_assert_eq(godwit_client_publish(peer->driver, publisher, 1, &stamp,
						   sizeof(stamp), NULL),
			     0);
	// In order as loopback keeps them; a timeout may send some twice.
	while (got < 5000) {
		publish = peer_expect(peer, GODWIT_PUBLISH);
		cr_assert_leq(godwit_get64(publish->first), got + 1);
		got = godwit_get64(publish->first) + godwit_get16(publish->from.frame.count) - 1;
	}
	ack = (struct godwit_publish_ack){
		.frame = rig_frame(GODWIT_PUBLISH_ACK, 0, 0),
		.tag = godwit_be64(peer->rig.tag),
		.publisher = godwit_be64(9),
		.instance = godwit_be64(1),
		.committed = godwit_be64(5000),
		.expected = godwit_be64(5001),
		.credit = godwit_be32(10000),
	};
	peer_send(peer, &ack, sizeof(ack));
	cr_assert_eq(driver_expect(peer, GODWIT_EVENT_COMMITTED)->number, 5000);
	peer_close(peer);
}

Test(client_driver, speaks_ipv6)
{
	struct godwit_address server = {.ip = {[15] = 1}, .port = 9};
	struct godwit_client_options options = {
		.core = {.client = 42, .servers = &server, .server_count = 1},
	};
	struct godwit_client *client;
	struct sockaddr_in6 name = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
	socklen_t length = sizeof(name);
	uint8_t frame[2000];
	struct pollfd fd = {.events = POLLIN};

	fd.fd = socket(AF_INET6, SOCK_DGRAM, 0);
	if (fd.fd < 0 || bind(fd.fd, (struct sockaddr *)&name, sizeof(name)) != 0)
		cr_skip_test("no IPv6 here");
	cr_assert_eq(getsockname(fd.fd, (struct sockaddr *)&name, &length), 0);
	server.port = ntohs(name.sin6_port);
	cr_assert_eq(godwit_client_open(&options, &client), 0);
	cr_assert_eq(poll(&fd, 1, 5000), 1);
	cr_assert_eq(recv(fd.fd, frame, sizeof(frame), 0), GODWIT_HELLO_BYTES);
	cr_assert_eq(godwit_check_from_client(frame, GODWIT_HELLO_BYTES), GODWIT_CHECK_OK);
	godwit_client_close(client);
	close(fd.fd);
}
