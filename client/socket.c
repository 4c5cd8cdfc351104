// SPDX-License-Identifier: BSD-3-Clause
#define _GNU_SOURCE
#include "client/socket.h"

#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <unistd.h>

#ifndef UDP_GRO
#define UDP_GRO 104 // linux/udp.h; older C libraries lack it
#endif

// ---- addresses ----------------------------------------------------------------------------------

static socklen_t address_to_name(int family, const struct godwit_address *address,
				 struct sockaddr_storage *name)
{
	memset(name, 0, sizeof(*name));
	if (family == AF_INET) {
		struct sockaddr_in *in = (struct sockaddr_in *)name;

		in->sin_family = AF_INET;
		in->sin_port = htons(address->port);
		in->sin_addr.s_addr = htonl(godwit_address_ip4(address));
		return sizeof(*in);
	}
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)name;

	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(address->port);
	memcpy(&in6->sin6_addr, address->ip, sizeof(address->ip));
	return sizeof(*in6);
}

static struct godwit_address address_of_name(const struct sockaddr_storage *name)
{
	struct godwit_address address = {.port = 0};

	if (name->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)name;

		return godwit_address_v4(ntohl(in->sin_addr.s_addr), ntohs(in->sin_port));
	}
	if (name->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)name;

		memcpy(address.ip, &in6->sin6_addr, sizeof(address.ip));
		address.port = ntohs(in6->sin6_port);
	}
	return address;
}

// ---- life ---------------------------------------------------------------------------------------

static void socket_prepare(struct client_socket *socket)
{
	for (uint32_t i = 0; i < SOCKET_RX; i++) {
		socket->rx_io[i].iov_base = socket->rx_memory + (size_t)i * SOCKET_RX_BYTES;
		socket->rx_io[i].iov_len = SOCKET_RX_BYTES;
		socket->rx[i].msg_hdr.msg_iov = &socket->rx_io[i];
		socket->rx[i].msg_hdr.msg_iovlen = 1;
		socket->rx[i].msg_hdr.msg_name = &socket->rx_name[i];
		socket->rx[i].msg_hdr.msg_control = socket->control[i];
	}
	for (uint32_t i = 0; i < SOCKET_TX; i++) {
		socket->tx_io[i].iov_base = socket->tx_memory + (size_t)i * socket->tx_bytes;
		socket->tx[i].msg_hdr.msg_iov = &socket->tx_io[i];
		socket->tx[i].msg_hdr.msg_iovlen = 1;
		socket->tx[i].msg_hdr.msg_name = &socket->tx_name[i];
	}
}

static int socket_bind(struct client_socket *socket, const struct godwit_address *where)
{
	static const struct godwit_address any;
	struct sockaddr_storage name;
	socklen_t length;

	if (godwit_address_equal(where, &any))
		return 0;
	length = address_to_name(socket->family, where, &name);
	return bind(socket->fd, (const struct sockaddr *)&name, length) == 0 ? 0 : -errno;
}

int client_socket_init(struct client_socket *s, bool dual, const struct godwit_address *bind,
		       uint32_t buffer_bytes, uint32_t tx_bytes)
{
	int size = buffer_bytes > INT32_MAX ? INT32_MAX : (int)buffer_bytes;
	int on = 1;
	int off = 0;
	int rc;

	memset(s, 0, sizeof(*s));
	s->family = dual ? AF_INET6 : AF_INET;
	s->tx_bytes = tx_bytes;
	s->rx_memory = malloc((size_t)SOCKET_RX * SOCKET_RX_BYTES);
	s->tx_memory = malloc((size_t)SOCKET_TX * tx_bytes);
	s->fd = socket(s->family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0) {
		rc = -errno;
		client_socket_fini(s);
		return rc;
	}
	if (s->rx_memory == NULL || s->tx_memory == NULL) {
		client_socket_fini(s);
		return -ENOMEM;
	}
	socket_prepare(s);
	if (dual)
		(void)setsockopt(s->fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	// As large as the kernel lets us; a burst that does not fit is repaired like any loss.
	(void)setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	(void)setsockopt(s->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	// Without it datagrams come one by one.
	(void)setsockopt(s->fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on));
	rc = socket_bind(s, bind);
	if (rc != 0)
		client_socket_fini(s);
	return rc;
}

void client_socket_fini(struct client_socket *s)
{
	if (s->fd >= 0)
		close(s->fd);
	free(s->rx_memory);
	free(s->tx_memory);
	s->fd = -1;
	s->rx_memory = NULL;
	s->tx_memory = NULL;
}

// ---- receiving ----------------------------------------------------------------------------------

// Bytes of each datagram in a merged message; 0: it is not merged.
static size_t message_segment(struct msghdr *message)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
		int segment;

		if (c->cmsg_level != IPPROTO_UDP || c->cmsg_type != UDP_GRO)
			continue;
		memcpy(&segment, CMSG_DATA(c), sizeof(segment));
		return segment > 0 ? (size_t)segment : 0;
	}
	return 0;
}

int client_socket_receive(struct client_socket *s, client_socket_taker *taker, void *context)
{
	int count;

	for (uint32_t i = 0; i < SOCKET_RX; i++) {
		s->rx[i].msg_hdr.msg_namelen = sizeof(s->rx_name[i]);
		s->rx[i].msg_hdr.msg_controllen = SOCKET_CONTROL;
	}
	count = recvmmsg(s->fd, s->rx, SOCKET_RX, MSG_DONTWAIT, NULL);
	if (count < 0) {
		// What an ICMP said about an earlier datagram is not about this one.
		if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ||
		    errno == ECONNREFUSED || errno == EHOSTUNREACH || errno == ENETUNREACH)
			return 0;
		return -errno;
	}
	for (int i = 0; i < count; i++) {
		struct godwit_address from = address_of_name(&s->rx_name[i]);
		const uint8_t *bytes = s->rx_io[i].iov_base;
		size_t left = s->rx[i].msg_len;
		size_t segment = message_segment(&s->rx[i].msg_hdr);

		if (segment == 0)
			segment = left;
		while (left > 0) {
			size_t length = left < segment ? left : segment;

			taker(context, &from, bytes, length);
			bytes += length;
			left -= length;
		}
	}
	return count;
}

// ---- sending ------------------------------------------------------------------------------------

uint8_t *client_socket_room(struct client_socket *s)
{
	if (s->tx_first + s->tx_count == SOCKET_TX)
		return NULL;
	return s->tx_io[s->tx_first + s->tx_count].iov_base;
}

void client_socket_put(struct client_socket *s, const struct godwit_address *to, size_t length)
{
	uint32_t i = s->tx_first + s->tx_count;

	// A learned IPv6 server on a socket for IPv4: unreachable from here.
	if (s->family == AF_INET && !godwit_address_is_v4(to))
		return;
	s->tx_io[i].iov_len = length;
	s->tx[i].msg_hdr.msg_namelen = address_to_name(s->family, to, &s->tx_name[i]);
	s->tx_count++;
}

int client_socket_send(struct client_socket *s)
{
	while (s->tx_count > 0) {
		int sent = sendmmsg(s->fd, s->tx + s->tx_first, s->tx_count, MSG_DONTWAIT);

		if (sent < 0) {
			if (errno == EINTR)
				continue;
			if (errno == EAGAIN || errno == EWOULDBLOCK)
				return -EAGAIN;
			if (errno == EBADF || errno == ENOTSOCK || errno == EFAULT)
				return -errno;
			sent = 1; // the first one was refused: lost
		}
		s->tx_first += (uint32_t)sent;
		s->tx_count -= (uint32_t)sent;
	}
	s->tx_first = 0;
	return 0;
}
