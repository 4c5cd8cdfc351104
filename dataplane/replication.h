// SPDX-License-Identifier: BSD-3-Clause
//
// Replication: what frames of peers about streams do. The peer stage brings each frame to where all
// state of its stream is: the stream's home core; what is of no stream of ours to the link core.
//
//   peer_frame -> replication_stream -+- found -> [crossing] -> home core: replication_frame
//                                     +- none  -> [crossing] -> link core: replication_stray
//
// Every frame came whole, with a right MAC, from a peer that takes part, in its present incarnation.
#ifndef DATAPLANE_REPLICATION_H
#define DATAPLANE_REPLICATION_H

#include "dataplane/core.h"

// The stream that a REPLICATE, META, SNAPSHOT, RECONCILE or PEER_ACK is about: RECONCILE names it by the
// hash of its name, the others by its session. NULL: none here. Thread: any core.
struct stream *replication_stream(const struct server *server, const uint8_t *frame);

// Deal with such a frame. frame: lives until the call returns. Thread: the stream's home core.
void replication_frame(struct core *core, struct stream *stream, struct peer *peer,
		       const uint8_t *frame, uint32_t length);

// One of no stream of ours. False: of nothing that is fed from there; the caller drops it.
// Thread: link core.
bool replication_stray(struct core *core, struct peer *peer, const uint8_t *frame, uint32_t length);

#endif
