// SPDX-License-Identifier: BSD-3-Clause
//
// A non-blocking UDP socket that moves datagrams in batches: recvmmsg, with what the kernel merged
// (UDP_GRO) taken apart again, and sendmmsg.
//
// Owner: one client; its thread. Memory: all at create. Limits: SOCKET_RX and SOCKET_TX a batch.
#ifndef CLIENT_SOCKET_H
#define CLIENT_SOCKET_H

#include <godwit/types.h>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define SOCKET_RX	16
#define SOCKET_TX	32
#define SOCKET_RX_BYTES 65536 // the most that the kernel merges
#define SOCKET_CONTROL	64    // room for the control message of UDP_GRO

struct client_socket {
	int fd;
	int family;	   // AF_INET, or AF_INET6 for both
	uint32_t tx_bytes; // of one buffer
	// frames first .. first + count - 1 wait to go
	uint32_t tx_first;
	uint32_t tx_count;
	struct mmsghdr rx[SOCKET_RX];
	struct mmsghdr tx[SOCKET_TX];
	struct iovec rx_io[SOCKET_RX];
	struct iovec tx_io[SOCKET_TX];
	struct sockaddr_storage rx_name[SOCKET_RX];
	struct sockaddr_storage tx_name[SOCKET_TX];
	_Alignas(struct cmsghdr) uint8_t control[SOCKET_RX][SOCKET_CONTROL];
	uint8_t *rx_memory;
	uint8_t *tx_memory;
};

// dual: IPv6 too. bind: all zeros for any. tx_bytes: the largest frame sent. 0, -ENOMEM, or what
// socket() and bind() say; then nothing is left open.
int client_socket_init(struct client_socket *socket, bool dual, const struct godwit_address *bind,
		       uint32_t buffer_bytes, uint32_t tx_bytes);
void client_socket_fini(struct client_socket *socket);

typedef void client_socket_taker(void *context, const struct godwit_address *from,
				 const uint8_t *bytes, size_t length);

// One batch; each datagram goes to `taker`. Returns the messages received (0: none there) or what
// the socket says, negative.
int client_socket_receive(struct client_socket *socket, client_socket_taker *taker, void *context);

// A buffer for the next frame, of tx_bytes; NULL: the batch is full. client_socket_put says what
// was written to it.
uint8_t *client_socket_room(struct client_socket *socket);
void client_socket_put(struct client_socket *socket, const struct godwit_address *to,
		       size_t length);

// Sends what was put. A datagram that the kernel refuses for its receiver's sake is lost, as on the
// way. 0: all went, -EAGAIN: some wait for room, or what the socket says.
int client_socket_send(struct client_socket *socket);

#endif
