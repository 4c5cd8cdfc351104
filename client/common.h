// SPDX-License-Identifier: BSD-3-Clause
//
// The protocol core's times and limits, the timer of a request that repeats until it is answered,
// and the heads of frames.
//
// Thread: any; there is no state here.
#ifndef CLIENT_COMMON_H
#define CLIENT_COMMON_H

#include <godwit/client.h>

#define CLIENT_NEVER		    UINT64_MAX
#define CLIENT_MS		    1000000ull
#define CLIENT_REQUEST_NS	    (20 * CLIENT_MS) // doubling; every request but HELLO
#define CLIENT_REQUEST_MAX_NS	    (500 * CLIENT_MS)
#define CLIENT_HELLO_NS		    (100 * CLIENT_MS) // HELLO and HELLO_PROOF: doubling
#define CLIENT_HELLO_MAX_NS	    (1000 * CLIENT_MS)
#define CLIENT_HELLO_TRIES	    3 // before the next server of the list, if there is one
#define CLIENT_BACKOFF_NS	    (50 * CLIENT_MS) // before a next server: doubling
#define CLIENT_BACKOFF_MAX_NS	    (1000 * CLIENT_MS)
#define CLIENT_WARM_NS		    (100 * CLIENT_MS) // after the warm server is used: the next one
#define CLIENT_ELSEWHERE_NS	    (1000 * CLIENT_MS) // a request unanswered: the next server
#define CLIENT_LAPSE_NS		    (1000 * CLIENT_MS) // a server's, if interval x multiplier is less
#define CLIENT_STALE_NS		    (10 * CLIENT_MS)   // between two words to a home of before
#define CLIENT_ACK_DELAY_NS	    (5 * CLIENT_MS)
#define CLIENT_REORDER_NS	    (1 * CLIENT_MS)
#define CLIENT_NAK_REPEAT_NS	    (5 * CLIENT_MS) // doubling
#define CLIENT_NAK_REPEAT_MAX_NS    (50 * CLIENT_MS)
#define CLIENT_RTO_FIRST_NS	    (100 * CLIENT_MS) // before the round trip is known
#define CLIENT_RTO_MIN_NS	    (5 * CLIENT_MS)
#define CLIENT_RTO_MAX_NS	    (500 * CLIENT_MS)
#define CLIENT_BUSY_NS		    (2 * CLIENT_MS) // doubling
#define CLIENT_BUSY_MAX_NS	    (100 * CLIENT_MS)
#define CLIENT_NOTICES		    16 // events of the core that wait to be pulled
#define CLIENT_TOPICS		    64 // topic requests under way
#define CLIENT_SUBSCRIPTION_NOTICES 8  // unpulled ones above which a RESUME waits

struct client_retry {
	uint64_t due_ns; // CLIENT_NEVER: not running
	uint64_t delay_ns;
};

static inline uint64_t client_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t client_max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static inline uint64_t client_add(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

// Due at once; the delay after that is `first`.
static inline void client_retry_start(struct client_retry *retry, uint64_t now_ns,
				      uint64_t first_ns)
{
	retry->due_ns = now_ns;
	retry->delay_ns = first_ns;
}

// It was sent: again after the delay, which doubles.
static inline void client_retry_sent(struct client_retry *retry, uint64_t now_ns, uint64_t max_ns)
{
	retry->due_ns = now_ns + retry->delay_ns;
	retry->delay_ns = client_min(2 * retry->delay_ns, max_ns);
}

static inline void client_retry_stop(struct client_retry *retry)
{
	retry->due_ns = CLIENT_NEVER;
}

static inline struct godwit_frame client_frame(uint8_t type, uint32_t flags, uint32_t count)
{
	return (struct godwit_frame){
		.version = GODWIT_VERSION,
		.type = type,
		.flags = godwit_be16((uint16_t)flags),
		.count = godwit_be16((uint16_t)count),
	};
}

static inline struct godwit_from_client client_from(uint8_t type, uint32_t flags, uint32_t count,
						    uint64_t handle, uint64_t key)
{
	return (struct godwit_from_client){
		.frame = client_frame(type, flags, count),
		.handle = godwit_be64(handle),
		.key = godwit_be64(key),
	};
}

#endif
