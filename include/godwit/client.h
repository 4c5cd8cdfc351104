// SPDX-License-Identifier: BSD-3-Clause
//
// libgodwit: ordered streams of messages that survive the death of a server.
//
// Two layers, one vocabulary:
//
//	struct godwit_core    the protocol without I/O: bytes and time in, bytes and events out. It
//			      makes no system call, reads no clock and keeps no global: a simulator,
//			      a kernel-bypass client or any event loop can drive it.
//	struct godwit_client  a driver of one core on an ordinary UDP socket.
//
//	datagrams --> godwit_core_input --+--> subscriptions: order, gaps, window --> events:
//					  +--> publishers: numbers, repeats, credit --> _core_next
//	datagrams <-- godwit_core_output <---- HELLO, SUBSCRIBE, RESUME, ACK, PUBLISH ...
//	timers    <-- godwit_core_due
//
// Taking is pulling: a message counts as taken by the application when godwit_core_next() returned
// it. Only what was taken is acknowledged, and the window's edge is the last taken message + the
// window. An application that stops pulling loses nothing: the edge stops, and the server waits.
//
// Owner and threads: one thread at a time for each core or client; any number of them in a process.
// Memory: tables at create; afterwards only received datagrams that wait to be pulled are allocated
// (kept and used again), at most a window of them for each subscription. A publisher allocates when
// opened. Time: ns of any clock that does not go back; the same clock for all calls on one core.
// Errors: 0 or a negative errno; NULL with errno set from the functions that create.
//
// Limits: 32 servers, 1024 subscriptions and publishers of one core, windows of 2^20 messages.
#ifndef GODWIT_CLIENT_H
#define GODWIT_CLIENT_H

#include <godwit/errors.h>
#include <godwit/types.h>
#include <godwit/wire.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GODWIT_WINDOW_DEFAULT	4096
#define GODWIT_WINDOW_MAX	(1u << 20)
#define GODWIT_DATAGRAM_DEFAULT 1472
#define GODWIT_SERVERS_MAX	32

struct godwit_core;
struct godwit_client;

// ---- what both layers are given -----------------------------------------------------------------

struct godwit_core_options {
	uint64_t client;   // client id: names this client for ever; required
	uint64_t instance; // of this process; above every earlier one of the client id; required
	uint64_t seed[2];  // of the core\'s own random numbers; secret, not both 0
	const struct godwit_address *servers; // tried in this order; copied; at least one
	uint32_t server_count;
	uint32_t window; // messages, for subscriptions that state none; 0: GODWIT_WINDOW_DEFAULT
	const void *credential; // copied; up to GODWIT_CREDENTIAL_MAX bytes
	size_t credential_bytes;
	uint64_t now_ns;
	uint64_t reorder_delay_ns; // how long a gap may be mere reordering; 0: 1 ms
	uint16_t datagram; // largest UDP payload taken or sent, >= 1200; 0: GODWIT_DATAGRAM_DEFAULT
	uint16_t subscriptions; // at most, at a time; 0: 16
	uint16_t publishers;	// at most, at a time; 0: 4
	bool is_single; // keeps no second server warm: a RESUME elsewhere then has to say HELLO first
	uint8_t zero;
};

struct godwit_subscription_options {
	const char *stream;		// 1 to 63 bytes
	uint8_t start;			// enum godwit_start
	uint8_t policy;			// enum godwit_policy; also for what a resume meets
	uint16_t topic_count;		// 0: the whole stream; up to GODWIT_FILTER_TOPICS
	uint32_t window;		// messages; 0: the core's
	const uint32_t *topics;		// numbers, >= 1, any order, no repeats; copied
	uint64_t value;			// START_SEQUENCE: first wanted. START_TIME: ns since 1970
	struct godwit_identifier after; // START_AFTER: last message taken, as an event carried it
};

struct godwit_publisher_options {
	const char *stream;
	uint64_t publisher; // publisher id: chosen by the operator, names the publisher for ever
	uint64_t instance; // 0: a new one; else as an earlier PUBLISHER_OPENED said, to continue it
	uint32_t messages; // unacknowledged at most; 0: 8192; rounded up to a power of two
	uint32_t buffer_bytes; // for their records; 0: 4 MiB
};

// ---- events -------------------------------------------------------------------------------------

enum godwit_event_kind {
	GODWIT_EVENT_NONE = 0,
	// A message of `subscription`: payload, length, topic, identifier, time_ns (ingest time).
	GODWIT_EVENT_MESSAGE,
	// The server `server` is there and is used from now on, by a subscription, a publisher or as
	// the one for what comes next. `instance`: its incarnation; 0: not known (it took a
	// subscription over). The one that is only kept warm is not told of.
	GODWIT_EVENT_CONNECTED,
	// The server `server` was silent for too long, or stops; who used it goes to the next one.
	// `code`: SHUTDOWN, or OK for silence. A server that nobody uses any more is let go without
	// an event.
	GODWIT_EVENT_DISCONNECTED,
	// `subscription` begins after `identifier`. `code`: OK, or what the policy was applied to.
	// `first`: earliest sequence kept there; `last`: the last one committed. `server`: its home.
	GODWIT_EVENT_SUBSCRIBED,
	// The same after a break, at the same server. The application need not do anything.
	GODWIT_EVENT_RESUMED,
	// The same after a move to another server: from `from` to `server`. `reason`: how it came to
	// that; `why`: what for, as the servers have it in their records. A server that asks (MIGRATE)
	// or offers (TAKE) says why; where the client looked for another home by itself it is CLIENT.
	// `silence_ns`: from the last DATA or HEARTBEAT of the old home to this answer. `replayed`:
	// messages committed there after `identifier`, all of which come now.
	GODWIT_EVENT_MIGRATED,
	// Messages `first`..`last` of `subscription` will not come (the policy said to go on):
	// `code` says why. With code DIVERGED or FUTURE they are messages that were taken and that
	// history no longer has; last is below first where there is none, or, with the policy to go
	// on at the latest, nobody knows which. The next message is the one after `identifier`.
	GODWIT_EVENT_GAP,
	// The stream's history began anew: what comes is of the session in `identifier`, after its
	// seq. `session`: the one before.
	GODWIT_EVENT_SESSION,
	// `subscription` is over, its number free. `code`: why; `identifier`: by code
	// (docs/protocol.md); `session`: the next session where the code says that one began, else
	// 0.
	GODWIT_EVENT_ENDED,
	// Answer to a topic request: `request`, `text` (its name), `topic`, or 0 with the reason in
	// `code`.
	GODWIT_EVENT_TOPIC,
	// `publisher` may publish: `instance`, `number` (the last one held by the stream),
	// `credit`, `length` (largest payload). Comes again when a new instance had to be opened.
	GODWIT_EVENT_PUBLISHER_OPENED,
	// All messages of `publisher` up to `number` of `instance` are committed.
	GODWIT_EVENT_COMMITTED,
	// Nobody can say whether `first`..`last` of `publisher`'s `instance` are in the stream;
	// they are not sent again. first 0: those of an earlier process. PUBLISHER_OPENED with a
	// new instance follows.
	GODWIT_EVENT_IN_DOUBT,
	// `publisher` is over: `code` (FENCED: `instance` is the higher one). publish returns
	// -EPIPE.
	GODWIT_EVENT_PUBLISHER_ENDED,
	// A server's refusal that ends no subscription or publisher: `code`, `text`, `number`
	// (detail). FENCED: a newer process uses the client id; the core is over.
	GODWIT_EVENT_ERROR,
};

// Why a subscription changed its server.
enum godwit_move {
	GODWIT_MOVE_NONE = 0,
	GODWIT_MOVE_CLIENT, // the client's own RESUME: its home was silent, or refused for too long
	GODWIT_MOVE_TAKE,   // another server offered to take it, and the home was silent or deaf
	GODWIT_MOVE_TAKE_BY_HOME, // another server offered to take it, asked by the home
	GODWIT_MOVE_MIGRATE,	  // the home asked
	GODWIT_MOVE_SHUTDOWN,	  // the home stops
	GODWIT_MOVE_REDIRECT,	  // the server asked named another
};

// Only the fields that the kind names are set. payload and text are valid until the next call of
// godwit_core_next() or godwit_client_next() on the same core.
struct godwit_event {
	enum godwit_event_kind kind;
	uint32_t subscription;
	const void *payload;
	size_t length;
	struct godwit_identifier identifier;
	uint64_t time_ns; // ns since 1970
	uint32_t topic;
	uint32_t publisher;
	uint64_t first;
	uint64_t last;
	uint64_t number;
	uint64_t instance;
	uint64_t session;
	const char *text;
	uint32_t request;
	uint32_t credit;
	uint16_t code;	 // enum godwit_code
	uint16_t reason; // enum godwit_move
	uint16_t why;	 // enum godwit_migration_reason
	uint64_t silence_ns;
	uint64_t replayed;
	struct godwit_address server;
	struct godwit_address from;
};

// ---- what can be looked at ----------------------------------------------------------------------

// X(name, meaning). All only grow.
#define GODWIT_CORE_COUNTERS(X)                                                                    \
	X(datagrams_in, "datagrams given to the core")                                             \
	X(datagrams_out, "datagrams made by the core")                                             \
	X(wrong_source, "ignored: not from a server of the list")                                  \
	X(malformed, "ignored: the frame check refused it")                                        \
	X(wrong_tag, "ignored: tag or request not ours")                                           \
	X(unhandled, "ignored: a frame that this version does not act on")                         \
	X(hellos, "HELLOs sent")                                                                   \
	X(connects, "WELCOMEs accepted")                                                           \
	X(disconnects, "servers given up for silence or shutdown")                                 \
	X(warm_losses, "servers kept warm that fell silent, stopped or refused")                   \
	X(resumes, "RESUMEs begun")                                                                \
	X(moves, "subscriptions that went on at another server")                                   \
	X(moves_undone, "planned moves given up: the target did not answer, or refused")           \
	X(overtaken, "answers to RESUME that named less than was taken by then: asked anew")       \
	X(takes, "offers (TAKE) accepted")                                                         \
	X(takes_held, "offers held until the home is silent")                                      \
	X(takes_kept, "offers refused: the home is well, or has the higher epoch")                 \
	X(migrates, "MIGRATEs followed")                                                           \
	X(migrates_ignored, "MIGRATEs not of the home, or to a server that is not in the list")    \
	X(redirects, "REDIRECTs followed")                                                         \
	X(redirects_ignored, "REDIRECTs to a server that is not in the list")                      \
	X(stale_told, "ACKs to a server that still sends though it is the home no more")           \
	X(acks, "ACKs sent")                                                                       \
	X(naks, "NAK ranges sent")                                                                 \
	X(data, "DATA taken up")                                                                   \
	X(data_early, "DATA dropped: before its SUBSCRIBED, or of another session or epoch")       \
	X(data_duplicate, "DATA dropped: nothing new in it")                                       \
	X(data_beyond, "DATA dropped: above the window's edge, or no room for it")                 \
	X(data_repair, "DATA that answered a NAK")                                                 \
	X(data_stashed, "DATA that came before an earlier one")                                    \
	X(messages, "messages pulled by the application")                                          \
	X(message_bytes, "payload bytes of these")                                                 \
	X(gaps, "announced gaps (GAP events)")                                                     \
	X(published, "messages accepted by publish")                                               \
	X(publish_sent, "messages sent in PUBLISH, repeats included")                              \
	X(publish_back, "times that a publisher went back for a gap")                              \
	X(publish_timeouts, "times that a publisher went back for silence")                        \
	X(publish_busy, "BUSY answers")                                                            \
	X(events_lost, "ERROR events dropped because the application did not pull")

struct godwit_core_stats {
#define X(name, meaning) uint64_t name;
	GODWIT_CORE_COUNTERS(X)
#undef X
	uint64_t stash_slots; // datagrams' worth of memory held now
};

struct godwit_subscription_state {
	struct godwit_identifier taken; // last message that the application pulled
	uint64_t cursor_epoch;
	uint64_t covered;	    // received without a hole up to here
	uint64_t edge;		    // highest sequence accepted
	uint64_t sent;		    // highest known to be sent in this cursor epoch
	uint64_t commit;	    // of the stream, as the server last said
	uint32_t feed_age_ms;	    // of the server's feed, as it last said
	uint64_t silence_max_ns;    // longest time between two of DATA and HEARTBEAT of its homes
	bool live;		    // a server sends, or will as soon as there is something
	struct godwit_address home; // that server; the last one where there is none now
};

struct godwit_publisher_state {
	uint64_t instance;
	uint64_t next;	    // number that the next message gets
	uint64_t committed; // last number known to be committed
	uint32_t waiting;   // messages accepted and not yet committed
	uint32_t credit;
	uint64_t rtt_ns; // smoothed; 0: not measured yet
	bool open;	 // publish may be called
};

// ---- layer 1: the core --------------------------------------------------------------------------

// options are copied. NULL with errno: EINVAL (a required field is missing or out of range),
// ENOMEM.
struct godwit_core *godwit_core_create(const struct godwit_core_options *options);

// core may be NULL. Nothing is sent: unsubscribe first where the server should know.
void godwit_core_destroy(struct godwit_core *core);

// One received datagram; nothing of it is kept after the return. Anything at all may be given: what
// is not a valid frame of a server of the list is counted and ignored. Call output and next
// afterwards.
void godwit_core_input(struct godwit_core *core, uint64_t now_ns, const struct godwit_address *from,
		       const void *bytes, size_t length);

// Writes the next datagram to send to buffer and its receiver to *to. size: at least the datagram
// size of the options. Returns its length; 0: none for now. Runs what timers are due, so events may
// follow.
size_t godwit_core_output(struct godwit_core *core, uint64_t now_ns, struct godwit_address *to,
			  void *buffer, size_t size);

// When output must be called at the latest if nothing arrives and nothing is called: now_ns or
// below means at once; UINT64_MAX never. Every other call may make it earlier.
uint64_t godwit_core_due(const struct godwit_core *core, uint64_t now_ns);

// The next event, in order within each subscription and publisher. False: none for now.
// A MESSAGE returned is taken: see the top of this file.
bool godwit_core_next(struct godwit_core *core, uint64_t now_ns, struct godwit_event *event);

// Whether godwit_core_next() would return an event. Takes nothing.
bool godwit_core_ready(const struct godwit_core *core);

// Asks for a stream; may be called before there is a server. *subscription is its number, never
// used twice. -EINVAL: an option out of range. -ENOSPC: no room for another. -EPIPE: the core is
// over (fenced).
int godwit_core_subscribe(struct godwit_core *core, uint64_t now_ns,
			  const struct godwit_subscription_options *options,
			  uint32_t *subscription);

// No MESSAGE of it comes any more; ENDED does. -ENOENT: no such subscription.
int godwit_core_unsubscribe(struct godwit_core *core, uint64_t now_ns, uint32_t subscription);

// The identifier of the last message pulled (or, with a filter, of the end of what was covered
// after it), or where the subscription began if none was: what to store and to give to START_AFTER
// later. -ENOENT: no such subscription. -EAGAIN: it has not begun.
int godwit_core_identifier(const struct godwit_core *core, uint32_t subscription,
			   struct godwit_identifier *identifier);

int godwit_core_subscription_state(const struct godwit_core *core, uint32_t subscription,
				   struct godwit_subscription_state *state);

// Asks for the number of a topic's name; create: give it one if it has none. Answered by a TOPIC
// event with *request. -EINVAL: a name out of range. -ENOSPC: 64 requests are under way.
int godwit_core_topic(struct godwit_core *core, uint64_t now_ns, const char *stream,
		      const char *name, bool create, uint32_t *request);

// Opens a publisher; PUBLISHER_OPENED or PUBLISHER_ENDED answers. *publisher is its number, never
// used twice. -EINVAL, -ENOSPC, -ENOMEM, -EPIPE as for subscribe.
int godwit_core_publisher_open(struct godwit_core *core, uint64_t now_ns,
			       const struct godwit_publisher_options *options, uint32_t *publisher);

// Accepts one message and keeps it until it is committed. *number (may be NULL): its number within
// the publisher's instance. 0; -EAGAIN: not open yet, or the buffer is full: again after COMMITTED;
// -EMSGSIZE: above the stream's largest payload; -EPIPE: ended; -ENOENT: no such publisher.
int godwit_core_publish(struct godwit_core *core, uint64_t now_ns, uint32_t publisher,
			uint32_t topic, const void *payload, size_t length, uint64_t *number);

// Forgets the publisher and what is not committed. No event follows. -ENOENT: no such publisher.
int godwit_core_publisher_close(struct godwit_core *core, uint32_t publisher);

int godwit_core_publisher_state(const struct godwit_core *core, uint32_t publisher,
				struct godwit_publisher_state *state);

const struct godwit_core_stats *godwit_core_stats(const struct godwit_core *core);

// ---- layer 2: the driver on a socket ------------------------------------------------------------

struct godwit_client_options {
	// now_ns is ignored. instance 0: the wall clock in ns. seed both 0: from the kernel.
	struct godwit_core_options core;
	struct godwit_address bind; // all zeros: any address and port
	uint32_t socket_bytes;	    // of each socket buffer; 0: 8 MiB; as far as the kernel allows
	uint32_t zero;
};

// Makes the socket and the core, and sends the first HELLO. *client is the caller's, to close.
// -EINVAL, -ENOMEM, or what socket() and bind() say.
int godwit_client_open(const struct godwit_client_options *options, struct godwit_client **client);

// client may be NULL. Sends nothing.
void godwit_client_close(struct godwit_client *client);

// For the application's own poll loop: readable means that godwit_client_poll(client, 0) has work;
// godwit_client_due() says how long to wait at most (ns from now, 0: at once).
int godwit_client_fd(const struct godwit_client *client);
uint64_t godwit_client_due(const struct godwit_client *client);

// Receives and sends until an event is ready or timeout_ns have passed; timeout 0 never blocks. 1:
// an event is ready. 0: none. -EINTR, or what the socket says (not: a server's port is closed).
int godwit_client_poll(struct godwit_client *client, uint64_t timeout_ns);

// The next event without I/O; false: none. Call poll again once it returned false.
bool godwit_client_next(struct godwit_client *client, struct godwit_event *event);

// The client's core, for what is not below: state, stats. Its clock is godwit_client_now().
struct godwit_core *godwit_client_core(struct godwit_client *client);
uint64_t godwit_client_now(const struct godwit_client *client);

// As the functions of the core. Frames go out with the next godwit_client_poll(); flush sends now
// what is ready, without waiting: 0 or what the socket says.
int godwit_client_subscribe(struct godwit_client *client,
			    const struct godwit_subscription_options *options,
			    uint32_t *subscription);
int godwit_client_unsubscribe(struct godwit_client *client, uint32_t subscription);
int godwit_client_topic(struct godwit_client *client, const char *stream, const char *name,
			bool create, uint32_t *request);
int godwit_client_publisher_open(struct godwit_client *client,
				 const struct godwit_publisher_options *options,
				 uint32_t *publisher);
int godwit_client_publish(struct godwit_client *client, uint32_t publisher, uint32_t topic,
			  const void *payload, size_t length, uint64_t *number);
int godwit_client_flush(struct godwit_client *client);

#ifdef __cplusplus
}
#endif

#endif
