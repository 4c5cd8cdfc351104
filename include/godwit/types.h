// SPDX-License-Identifier: BSD-3-Clause
//
// The small types that everything else is made of: byte-order integers for frames, addresses wide
// enough for IPv6, and the identifier, which is what a client stores and any server resolves.
//
// Frames lie at odd offsets of a packet (42 on Ethernet + IPv4 + UDP), so every integer on the wire
// is an array of bytes with alignment 1. Compilers turn the accessors into one load and a bswap.
//
// Thread: any; all functions are pure.
#ifndef GODWIT_TYPES_H
#define GODWIT_TYPES_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct godwit_be16 {
	uint8_t b[2];
};

struct godwit_be32 {
	uint8_t b[4];
};

struct godwit_be64 {
	uint8_t b[8];
};

static inline uint16_t godwit_get16(struct godwit_be16 v)
{
	return (uint16_t)(v.b[0] << 8 | v.b[1]);
}

static inline uint32_t godwit_get32(struct godwit_be32 v)
{
	uint32_t x;

	memcpy(&x, v.b, sizeof(x));
	return __builtin_bswap32(x);
}

static inline uint64_t godwit_get64(struct godwit_be64 v)
{
	uint64_t x;

	memcpy(&x, v.b, sizeof(x));
	return __builtin_bswap64(x);
}

static inline struct godwit_be16 godwit_be16(uint16_t x)
{
	return (struct godwit_be16){{(uint8_t)(x >> 8), (uint8_t)x}};
}

static inline struct godwit_be32 godwit_be32(uint32_t x)
{
	struct godwit_be32 v;

	x = __builtin_bswap32(x);
	memcpy(v.b, &x, sizeof(x));
	return v;
}

static inline struct godwit_be64 godwit_be64(uint64_t x)
{
	struct godwit_be64 v;

	x = __builtin_bswap64(x);
	memcpy(v.b, &x, sizeof(x));
	return v;
}

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the accessors swap bytes");

// An IP address and UDP port, host order for the port. IPv4 is held mapped (::ffff:a.b.c.d), so one
// table serves both families. `zero` pads the struct and must be 0: addresses are compared whole.
struct godwit_address {
	uint8_t ip[16];
	uint16_t port;
	uint16_t zero;
};

static_assert(sizeof(struct godwit_address) == 20, "compared and hashed as bytes, no padding");

// ip: IPv4 address in host order.
static inline struct godwit_address godwit_address_v4(uint32_t ip, uint16_t port)
{
	struct godwit_address a = {.ip = {[10] = 0xff, [11] = 0xff}, .port = port};

	a.ip[12] = (uint8_t)(ip >> 24);
	a.ip[13] = (uint8_t)(ip >> 16);
	a.ip[14] = (uint8_t)(ip >> 8);
	a.ip[15] = (uint8_t)ip;
	return a;
}

static inline bool godwit_address_is_v4(const struct godwit_address *a)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	return memcmp(a->ip, mapped, sizeof(mapped)) == 0;
}

// The IPv4 address in host order; only valid where godwit_address_is_v4().
static inline uint32_t godwit_address_ip4(const struct godwit_address *a)
{
	return (uint32_t)a->ip[12] << 24 | (uint32_t)a->ip[13] << 16 | (uint32_t)a->ip[14] << 8 |
	       a->ip[15];
}

static inline bool godwit_address_equal(const struct godwit_address *a,
					const struct godwit_address *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

// Where a message is: the position `seq` of session `session`, appended in stream epoch `epoch`.
// As a client's mark it names the last message taken; seq 0 means nothing yet.
struct godwit_identifier {
	uint64_t session;
	uint64_t seq;
	uint32_t epoch;
	uint32_t zero;
};

#define GODWIT_NAME_BYTES    64	 // stream and topic names on the wire: 1 to 63 bytes, zero padded
#define GODWIT_FILTER_TOPICS 240 // topics of one filter at most (one SUBSCRIBE)
#define GODWIT_NAK_RANGES    4	 // NAK ranges of one subscription in one ACK at most

#endif
