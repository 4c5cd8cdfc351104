// SPDX-License-Identifier: BSD-3-Clause
//
// A core, a socket and a clock.
#define _GNU_SOURCE
#include <godwit/client.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "client/socket.h"

#define BUFFER_DEFAULT 8388608u
#define BATCHES	       8 // of datagrams received before sending has its turn

struct godwit_client {
	struct godwit_core *core;
	struct client_socket socket;
	uint64_t batch_ns; // when the batch being taken was received
};

static uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t godwit_client_now(const struct godwit_client *client)
{
	(void)client;
	return clock_ns(CLOCK_MONOTONIC);
}

// ---- moving datagrams ---------------------------------------------------------------------------

static void client_take(void *context, const struct godwit_address *from, const uint8_t *bytes,
			size_t length)
{
	struct godwit_client *client = context;

	godwit_core_input(client->core, client->batch_ns, from, bytes, length);
}

static int client_receive(struct godwit_client *client)
{
	for (uint32_t i = 0; i < BATCHES; i++) {
		int count;

		client->batch_ns = clock_ns(CLOCK_MONOTONIC);
		count = client_socket_receive(&client->socket, client_take, client);
		if (count < 0)
			return count;
		if (count < SOCKET_RX)
			break;
	}
	return 0;
}

// Everything that the core has to say now. -EAGAIN: the socket is full, the rest waits in the
// batch.
static int client_send(struct godwit_client *client)
{
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
	bool more;
	int rc = client_socket_send(&client->socket);

	do {
		struct godwit_address to;
		uint8_t *buffer;

		if (rc != 0)
			break;
		while ((buffer = client_socket_room(&client->socket)) != NULL) {
			size_t length = godwit_core_output(client->core, now_ns, &to, buffer,
							   client->socket.tx_bytes);

			if (length == 0)
				break;
			client_socket_put(&client->socket, &to, length);
		}
		more = buffer == NULL;
		rc = client_socket_send(&client->socket);
	} while (more);
	return rc;
}

int godwit_client_flush(struct godwit_client *client)
{
	int rc = client_send(client);

	return rc == -EAGAIN ? 0 : rc;
}

// Until the socket has work or the time has come.
static int client_wait(struct godwit_client *client, uint64_t wait_ns)
{
	struct pollfd fd = {
		.fd = client->socket.fd,
		.events = (short)(client->socket.tx_count > 0 ? POLLIN | POLLOUT : POLLIN),
	};
	struct timespec ts = {
		.tv_sec = (time_t)(wait_ns / 1000000000u),
		.tv_nsec = (long)(wait_ns % 1000000000u),
	};

	return ppoll(&fd, 1, &ts, NULL) < 0 ? -errno : 0;
}

int godwit_client_poll(struct godwit_client *client, uint64_t timeout_ns)
{
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
	uint64_t end_ns = timeout_ns > UINT64_MAX - now_ns ? UINT64_MAX : now_ns + timeout_ns;

	for (;;) {
		uint64_t due_ns;
		int rc = client_receive(client);

		if (rc != 0)
			return rc;
		rc = client_send(client);
		if (rc != 0 && rc != -EAGAIN)
			return rc;
		if (godwit_core_ready(client->core))
			return 1;
		now_ns = clock_ns(CLOCK_MONOTONIC);
		if (now_ns >= end_ns)
			return 0;
		due_ns = godwit_core_due(client->core, now_ns);
		// While the socket is full it alone says when to go on.
		if (due_ns > end_ns || rc == -EAGAIN)
			due_ns = end_ns;
		if (due_ns > now_ns)
			rc = client_wait(client, due_ns - now_ns);
		if (rc != 0 && rc != -EAGAIN)
			return rc;
	}
}

bool godwit_client_next(struct godwit_client *client, struct godwit_event *event)
{
	// The time only says when to acknowledge; nothing to take needs no clock.
	if (!godwit_core_ready(client->core))
		return godwit_core_next(client->core, client->batch_ns, event);
	return godwit_core_next(client->core, clock_ns(CLOCK_MONOTONIC), event);
}

int godwit_client_fd(const struct godwit_client *client)
{
	return client->socket.fd;
}

uint64_t godwit_client_due(const struct godwit_client *client)
{
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
	uint64_t due_ns = godwit_core_due(client->core, now_ns);

	return due_ns > now_ns ? due_ns - now_ns : 0;
}

struct godwit_core *godwit_client_core(struct godwit_client *client)
{
	return client->core;
}

// ---- life ---------------------------------------------------------------------------------------

// IPv6 is asked for only where an address needs it: a machine may have none.
static bool options_need_v6(const struct godwit_client_options *options)
{
	static const struct godwit_address any;
	bool dual = !godwit_address_equal(&options->bind, &any) &&
		    !godwit_address_is_v4(&options->bind);

	for (uint32_t i = 0; options->core.servers != NULL && i < options->core.server_count; i++)
		dual = dual || !godwit_address_is_v4(&options->core.servers[i]);
	return dual;
}

static int client_make_core(struct godwit_client *client,
			    const struct godwit_client_options *options)
{
	struct godwit_core_options core = options->core;

	core.now_ns = clock_ns(CLOCK_MONOTONIC);
	if (core.instance == 0)
		core.instance = clock_ns(CLOCK_REALTIME);
	while ((core.seed[0] | core.seed[1]) == 0)
		if (getrandom(core.seed, sizeof(core.seed), 0) != sizeof(core.seed))
			return -errno;
	client->core = godwit_core_create(&core);
	return client->core != NULL ? 0 : -errno;
}

int godwit_client_open(const struct godwit_client_options *options, struct godwit_client **opened)
{
	struct godwit_client *client = calloc(1, sizeof(*client));
	uint32_t datagram = options->core.datagram;
	uint32_t bytes = options->socket_bytes != 0 ? options->socket_bytes : BUFFER_DEFAULT;
	int rc;

	if (client == NULL)
		return -ENOMEM;
	client->socket.fd = -1;
	if (datagram == 0)
		datagram = GODWIT_DATAGRAM_DEFAULT;
	rc = options->zero == 0 ? client_make_core(client, options) : -EINVAL;
	if (rc == 0)
		rc = client_socket_init(&client->socket, options_need_v6(options), &options->bind,
					bytes, datagram);
	if (rc == 0)
		rc = godwit_client_flush(client);
	if (rc != 0) {
		godwit_client_close(client);
		return rc;
	}
	*opened = client;
	return 0;
}

void godwit_client_close(struct godwit_client *client)
{
	if (client == NULL)
		return;
	godwit_core_destroy(client->core);
	client_socket_fini(&client->socket);
	free(client);
}

// ---- the core's functions at the clock's time ---------------------------------------------------

int godwit_client_subscribe(struct godwit_client *client,
			    const struct godwit_subscription_options *options,
			    uint32_t *subscription)
{
	return godwit_core_subscribe(client->core, godwit_client_now(client), options,
				     subscription);
}

int godwit_client_unsubscribe(struct godwit_client *client, uint32_t subscription)
{
	return godwit_core_unsubscribe(client->core, godwit_client_now(client), subscription);
}

int godwit_client_topic(struct godwit_client *client, const char *stream, const char *name,
			bool create, uint32_t *request)
{
	return godwit_core_topic(client->core, godwit_client_now(client), stream, name, create,
				 request);
}

int godwit_client_publisher_open(struct godwit_client *client,
				 const struct godwit_publisher_options *options,
				 uint32_t *publisher)
{
	return godwit_core_publisher_open(client->core, godwit_client_now(client), options,
					  publisher);
}

int godwit_client_publish(struct godwit_client *client, uint32_t publisher, uint32_t topic,
			  const void *payload, size_t length, uint64_t *number)
{
	return godwit_core_publish(client->core, godwit_client_now(client), publisher, topic,
				   payload, length, number);
}
