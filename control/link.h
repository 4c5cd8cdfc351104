// SPDX-License-Identifier: BSD-3-Clause
//
// The detector of a link: whether the other side is alive. One type for links to clients, to servers
// and for ports. Pure steps: (state, event, time) -> state and actions; control/README.md draws them.
//
//   UP ------ silent for interval x multiplier -------> SUSPECT   ask the other servers
//   SUSPECT - all asked say silent, or no answer that
//             it is heard within confirm_ns -----------> DEAD
//   SUSPECT - one of them hears it --------------------> SUSPECT   ask again after confirm_ns, or
//                                                                  as soon as that one asks itself
//   any ----- heard -----------------------------------> UP
//   UP ------ a port: too many clients silent at once --> SUSPECT   ask the other servers
//   any ----- known to be dead (link_kill) ------------> DEAD
//
// - Any packet counts as life. Missing heartbeats (intervals without any packet) and missing data
//   (what a heartbeat said was sent and did not arrive) are counted apart: a link over which heartbeats
//   come and data does not is `unreliable`, and stays UP.
// - A loop that was late distrusts itself: link_tick() after more than late_ns accuses nobody until
//   interval x multiplier has passed again, and gives those it asked confirm_ns again to answer.
// - A link that was silent and comes back has flapped: its multiplier doubles, up to
//   LINK_MULTIPLIER_MAX, and takes one doubling back after each quiet_ns in which
//   it stayed UP. What link_kill() ended for a reason other than silence has not flapped.
//
// Times are of one monotonic clock, in ns, and may stand still but not go back. Owner: whoever watches
// the link, one thread. Limits: the last LINK_HISTORY transitions are kept.
#ifndef CONTROL_LINK_H
#define CONTROL_LINK_H

#include <stdbool.h>
#include <stdint.h>

#define LINK_MULTIPLIER_MAX  32
#define LINK_HISTORY	     8
#define LINK_PEERS_MAX	     32	  // servers that can be asked, bits of a mask
#define LINK_QUIET_INTERVALS 1000 // of quiet_ns as link_config() sets it
#define LINK_CROWD_MIN	     4	  // suspects below which it is never the port

enum link_state {
	LINK_UP,
	LINK_SUSPECT,
	LINK_DEAD,
};

// Why a link changed its state.
enum link_why {
	LINK_WHY_START,	      // link_init()
	LINK_WHY_HEARD,	      // a packet came
	LINK_WHY_SILENT,      // nothing came for interval x multiplier
	LINK_WHY_AGREED,      // all servers that were asked do not hear it, or none could be asked
	LINK_WHY_UNCONFIRMED, // no server answered in time that it hears it
	LINK_WHY_INCARNATION, // a newer incarnation was seen
	LINK_WHY_CARRIER,     // the port's own link is down
	LINK_WHY_ENDED,	      // it said that it ends
	LINK_WHY_EXCUSED,     // the silence was our own port's
	LINK_WHY_CROWD,	      // of a port: too many of its clients fell silent at once
};

// What a step asks of its caller, a mask.
enum link_action {
	LINK_TURNED_UP = 1 << 0,
	LINK_TURNED_SUSPECT = 1 << 1,
	LINK_TURNED_DEAD = 1 << 2,
	LINK_ASK = 1 << 3,		 // ask the other servers, then call link_asked()
	LINK_HEARD_ELSEWHERE = 1 << 4,	 // another server hears it: heard_by says which
	LINK_TURNED_UNRELIABLE = 1 << 5, // heartbeats come, data has been missing for too long
};

struct link_config {
	uint64_t interval_ns; // between its packets; 0: its silence means nothing (a port)
	uint32_t multiplier;  // silent intervals until it is suspect, 1 to LINK_MULTIPLIER_MAX
	uint64_t confirm_ns;  // how long asked servers have to answer
	uint64_t late_ns;     // between two ticks, above which our own loop was late
	uint64_t quiet_ns;    // UP after a flap, after which the multiplier goes down by one step
};

struct link_change {
	uint64_t time_ns;
	uint8_t from, to; // enum link_state
	uint8_t why;	  // enum link_why
};

struct link_detector {
	struct link_config config;
	enum link_state state;
	enum link_why why;	// of the last change
	uint32_t doublings;	// of the multiplier in force
	bool was_silent;	// what ended UP was silence
	uint64_t heard_ns;	// the last packet
	uint64_t excused_ns;	// silence before it accuses nobody
	uint64_t ticked_ns;	// the last tick
	uint64_t quiet_from_ns; // since when it is quiet
	// While SUSPECT: the question in force.
	uint32_t ask;		   // its number; answers carry it
	uint32_t asked, silent_at; // masks of servers
	uint32_t heard_by;	   // mask of servers, of this question or of the one before it
	uint32_t heard_now;	   // mask of servers, of this question
	uint64_t answer_by_ns;	   // when it is over
	// Data that was announced and has not come.
	bool is_data_missing, is_unreliable;
	uint64_t data_missing_from_ns;
	// Counts, for people.
	uint64_t heartbeats_missed; // whole intervals without a packet
	uint64_t data_missed;	    // reports of missing data
	uint64_t flaps;
	uint64_t late_ticks;
	uint64_t stale_answers; // to another question, or of a server that was not asked
	uint64_t missed_here;	// intervals of the silence in course that are counted
	// The last changes: change i (from 0) at history[i % LINK_HISTORY].
	uint64_t changes;
	struct link_change history[LINK_HISTORY];
};

// A configuration whose other times follow from the two: confirm_ns = interval x multiplier, late_ns =
// the same, quiet_ns = LINK_QUIET_INTERVALS intervals.
struct link_config link_config(uint64_t interval_ns, uint32_t multiplier);

// Begin in `state`: UP as if heard now, or DEAD where nothing was heard yet. Thread: its owner.
void link_init(struct link_detector *link, const struct link_config *config, enum link_state state,
	       uint64_t now_ns);

// Each of the following is a step: it returns actions, a mask.

// A packet of the other side came, of any kind. now_ns may lie before a later tick's.
uint32_t link_heard(struct link_detector *link, uint64_t now_ns);

// Time passes. To be called at least every late_ns; exact at link_due_ns().
uint32_t link_tick(struct link_detector *link, uint64_t now_ns);

// The servers of `mask` were asked, as LINK_ASK said. None: there is nobody to contradict.
uint32_t link_asked(struct link_detector *link, uint32_t mask, uint64_t now_ns);

// A server (a number below LINK_PEERS_MAX) answered question `ask`. One that is not in force, or whose
// server was not asked, is counted as stale_answers and changes nothing; the last of two answers holds.
uint32_t link_peer_hears(struct link_detector *link, uint32_t ask, uint32_t server,
			 uint64_t now_ns);
uint32_t link_peer_silent(struct link_detector *link, uint32_t ask, uint32_t server,
			  uint64_t now_ns);

// A server asks for it, so does not hear it itself. Where it said otherwise to the question in force, that is no
// more so, and all are asked anew at once; nothing is taken for an answer that is none.
uint32_t link_peer_asks(struct link_detector *link, uint32_t server, uint64_t now_ns);

// Data that the other side announced is missing; or nothing is missing (any longer). Missing without a
// break for interval x multiplier makes the link unreliable; the tick says so.
void link_data_missing(struct link_detector *link, uint64_t now_ns);
void link_data_complete(struct link_detector *link);

// It is dead, for a reason that needs no confirmation (LINK_WHY_INCARNATION, _CARRIER, _ENDED). One that
// is DEAD already comes back without having flapped.
uint32_t link_kill(struct link_detector *link, enum link_why why, uint64_t now_ns);

// A port: link_port_is_suspect() says that it, and not its clients, is to be suspected. Of links in other
// states than UP nothing changes.
uint32_t link_accuse(struct link_detector *link, uint64_t now_ns);

// The silence was our own: a suspect is UP again, without having flapped, and has interval x multiplier
// from now. Of links in other states nothing changes.
uint32_t link_excuse(struct link_detector *link, uint64_t now_ns);

// Silent intervals after which this link is suspect now.
uint32_t link_multiplier(const struct link_detector *link);

// When link_tick() will next have something to do; UINT64_MAX: never by itself.
uint64_t link_due_ns(const struct link_detector *link);

// The i-th last change, 0 the newest; NULL where it is not kept or there is none.
const struct link_change *link_change_at(const struct link_detector *link, uint32_t i);

// Whether so many suspects among the clients of one port, turned within one detection time, mean that
// the port is suspect and not they: more than half of them, and at least LINK_CROWD_MIN.
bool link_port_is_suspect(uint32_t clients, uint32_t suspects);

// Words for people: "up", "silent".
const char *link_state_name(enum link_state state);
const char *link_why_name(enum link_why why);

#endif
