// SPDX-License-Identifier: BSD-3-Clause
//
// Homes. A client's: a frame of a client that arrived at another core than the client's goes there, and is
// dealt with as if it had arrived there (classify judges its key and address there, not before). A stream's:
// what a frame about a stream does that only the stream's home core may do (PUBLISH, PUBLISH_OPEN, TOPIC),
// wherever it arrived, and how the answer finds its way back.
//
//   any core --home_client--> [crossing] --> client's core: classify, session, ingest
//   client's core --home_frame--> [crossing] --> home core: ingest --home_answer--> [crossing] --> client
//
// Nobody has proved himself before his frame crosses: such frames take half of a crossing's slots at most, so
// that strangers crowd out neither publishers nor peers.
//
// Thread: any core, about itself.
#ifndef DATAPLANE_HOME_H
#define DATAPLANE_HOME_H

#include "dataplane/core.h"

enum home_crossing {
	HOME_FRAME = 1,
	HOME_ANSWER = 2,
	HOME_PEER = 3,		// a frame of a peer, to the link core or its stream's home
	HOME_STREAM_CLOSE = 4,	// struct home_closing: end subscriptions
	HOME_STREAM_CLOSED = 5, // the same, back: they are ended
	HOME_CURSOR = 6,	// a struct godwit_cursor for the link core
	HOME_CLIENT = 7,	// a frame of a client to its core, behind a struct home_sender
};

// Who asked: where an answer goes. Lies before the frame in a crossing's slot.
struct home_origin {
	uint64_t handle; // of the client; HOME_PEER: index of the peer
	uint64_t tag;	 // its connection tag, for the answer
	uint32_t core;	 // that the client belongs to
	uint32_t zero;
};

// HOME_CLIENT: where the frame came from, in the place of the origin.
struct home_sender {
	struct godwit_address from;
	uint8_t zero[4];
};
static_assert(sizeof(struct home_sender) == sizeof(struct home_origin), "one head for all");

// Take a well-formed frame of a client, at most a server_datagram() long, to the client's core `to`, which is
// not this one. False if there was no room: the caller counts.
bool home_client(struct core *core, uint32_t to, const struct godwit_address *from,
		 const uint8_t *frame, uint32_t length);

struct home_closing {	// a stream's log is about to be cut back
	uint64_t above; // end the subscriptions that stand above it; 0: all
	uint32_t stream;
	uint32_t number; // of the closing
};

// Have another core end subscriptions; it confirms. False: no room, tried again next turn.
bool home_close(struct core *core, uint32_t to, const struct home_closing *closing);

// Take a checked frame to its stream's home. False if the crossing was full: the caller counts.
bool home_frame(struct core *core, struct stream *stream, const struct home_origin *origin,
		const uint8_t *frame, uint32_t length);

// Send an answer to the client that asked. Lost where there is no room: the asker repeats.
void home_answer(struct core *core, const struct home_origin *origin, const void *frame,
		 uint32_t length);

// An entry of the feed of cursors to the link core. False if the crossing was full.
bool home_cursor(struct core *core, const struct godwit_cursor *entry);
// Hand a peer's frame to another core. False if the crossing was full: the caller counts.
bool home_peer(struct core *core, uint32_t to, const struct peer *peer, const uint8_t *frame,
	       uint32_t length);

// Deal with what other cores handed over. Returns how many.
uint32_t home_drain(struct core *core);

#endif
