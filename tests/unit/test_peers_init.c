// SPDX-License-Identifier: BSD-3-Clause
//
// What servers are told of their peers before they meet: which configuration makes no cluster, and which key
// it makes of one.
#include <criterion/criterion.h>
#include <errno.h>

#include "tests/support/cluster_harness.h"

Test(peers_init, refuses_a_configuration_that_makes_no_cluster)
{
	struct peer_config two[2] = {{.id = 2, .address = cluster_address(1)},
				     {.id = 3, .address = cluster_address(2)}};
	struct peers_config good = {.cluster = "a",
				    .secret = "s",
				    .secret_bytes = 1,
				    .interval_us = 1,
				    .count = 2,
				    .peers = two};
	static struct server server;

	server.id = 1;
#define REFUSED(change)                                                                            \
	do {                                                                                       \
		struct peers_config bad = good;                                                    \
		change;                                                                            \
		cr_assert_eq(peers_init(&server, &bad), -EINVAL, #change);                         \
		cr_assert_eq(server.peers.count, 0);                                               \
	} while (0)
	REFUSED(bad.cluster = NULL);
	REFUSED(bad.cluster = "");
	REFUSED(bad.secret = NULL);
	REFUSED(bad.secret_bytes = 0);
	REFUSED(bad.interval_us = 0);
	REFUSED(bad.count = 0);
	REFUSED(bad.count = SERVER_PEERS_MAX + 1);
	REFUSED(server.id = 3);
	server.id = 1;
	two[1].address = two[0].address;
	REFUSED((void)bad);
	two[1].address = cluster_address(2);
	two[1].id = 2;
	REFUSED((void)bad);
	two[1].id = 3;
	cr_assert_eq(peers_init(&server, &good), 0);
	cr_assert_eq(peers_find(&server.peers, 3)->index, 1);
	cr_assert_null(peers_find(&server.peers, 4));
	peers_fini(&server);
	cr_assert_eq(server.peers.count, 0);
	peers_fini(&server);
}

Test(peers_init, makes_a_key_of_secret_and_cluster)
{
	struct peer_config other = {.id = 2, .address = cluster_address(1)};
	struct peers_config config = {.cluster = "a",
				      .secret = "s",
				      .secret_bytes = 1,
				      .interval_us = 1,
				      .count = 1,
				      .peers = &other};
	static struct server servers[3];
	uint8_t frame[64 + GODWIT_MAC_BYTES] = {1, 2, 3};

	cr_assert_eq(peers_init(&servers[0], &config), 0);
	config.cluster = "b";
	cr_assert_eq(peers_init(&servers[1], &config), 0);
	config.cluster = "a";
	config.secret = "t";
	cr_assert_eq(peers_init(&servers[2], &config), 0);
	cr_assert_eq(peers_sign(&servers[0].peers, frame, 64), sizeof(frame));
	cr_assert(peers_verify(&servers[0].peers, frame, sizeof(frame)));
	cr_assert_not(peers_verify(&servers[1].peers, frame, sizeof(frame)));
	cr_assert_not(peers_verify(&servers[2].peers, frame, sizeof(frame)));
	for (uint32_t bit = 0; bit < 8 * sizeof(frame); bit++) {
		frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
		cr_assert_not(peers_verify(&servers[0].peers, frame, sizeof(frame)));
		frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (int i = 0; i < 3; i++)
		peers_fini(&servers[i]);
}
