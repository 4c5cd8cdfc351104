// SPDX-License-Identifier: BSD-3-Clause
//
// The takeover of a cursor (docs/architecture.md, 9), as the sources do it: two servers, 0 and 1, and one
// client, whose home is 0 at first. One stream of N messages that both hold; 1 knows of N - 1 as committed
// until it hears 0.
//
// A step is one frame taken with all that it brings about, the application's pull, a tick, or a fault. A tick
// is an interval, of everybody, and comes when all that was sent has arrived (TIMELY). Keep-alives, heartbeats
// and the feed's entries arrive with the tick that sends them, unless something is before them on their way.
// Faults strike anywhere, at most
//
//   STOPS    a way cut, of the six, or a server stopped, one of each at a time, each for as long as it likes
//            or for ever (the frames to a stopped server wait, as many as fit); or the client gone for good
//   SPOILS   a frame lost, twice, or late, behind those sent after it; a tick of one alone, early
//
// times. With DRAINED=1 server 0 is drained from the start, with COLD=1 the client knows no server but its home.
//
// Checked:
//   1  the application is given 1, 2, ... each once, in order                              app_pull
//   2  a cursor epoch is made once, and by the server that it names                        open_subscription
//   3  delivery begins after the client's own identifier; attempts are answered once       open_subscription
//   4  the client never goes to a lower epoch, and takes DATA of its own one only          answer_settle, on_data
//   5  an offer is taken only if the home asked, is silent or deaf, or serves no more      offer_accept
//   6  an epoch that was offered is in no table before the client took it                  table_merge
//   7  a home ends its subscription only where a higher epoch was made, or the client was
//      silent for a lapse time                                                             subscription_close
//   8  and it does at the first word of a higher one                                       on_ack, entry_looked
//   9  LATEST ticks after the last fault one server serves the client, with all that it
//      knows as committed, and the other one neither serves nor offers; where the client
//      is gone, nobody does                                                                world, SETTLED
//
// A run in which the client asks more than ATTEMPTS times ends without a word.
//
// BROKEN=NAME breaks the model in one place, GOAL=NAME asks whether a corner is reached at all: both must fail
// (tests/model/run). All these are pan's environment, so that it is compiled once.
#ifndef N
#define N 2
#endif
#ifndef WINDOW
#define WINDOW 2
#endif
#define CAP      5  // frames on a way
#define ATTEMPTS 8

// In ticks. Of the client: a server is silent; a move, an offer held; another server is asked.
#define SILENT    2
#define MOVE_LAST 3
#define ELSEWHERE 2
// Of a server: a client is suspect, lapsed; a peer is dead; an offer.
#define SUSPECT    2
#define LAPSE      3
#define DEAD       2
#define OFFER_LAST 3
#define TAKES      3
#define RETRIES    2
#define ROUNDS     2
#define LATEST     14

// A cursor epoch: a counter and who made it.
#define MAKER(e) ((e) & 1)
#define ABOVE(e, s) (((((e) >> 1) + 1) << 1) | (s))
#define MAX(a, b) ((a) > (b) -> (a) : (b))
#define MIN(a, b) ((a) < (b) -> (a) : (b))

#define MISTAKES \
	X(attempt_lower) X(attempt_repeated) X(entry_ignored) X(epoch_of_data) \
	X(handed_early) X(no_cut) X(no_lapse) X(no_overtaken) X(no_server_id) \
	X(no_table) X(offer_for_ever) X(offer_in_table) X(offer_low) X(repeats) X(stale_stays) \
	X(start_of_table) X(take_well)
#define CORNERS \
	X(fenced_by_client) X(fenced_by_entry) X(held_then_silent) \
	X(home_told) X(lapsed_unheard) X(migrated) X(offered_above) X(overtaken) X(repeated) \
	X(sent_elsewhere) X(stale_told) X(taken) X(taken_by_home) X(undone)

c_decl {
#define X(name) static int broken_##name, goal_##name;
	MISTAKES CORNERS
#undef X
	static int setting(const char *name)
	{
		const char *value = getenv(name);

		return value != 0 ? atoi(value) : 0;
	}

	static int is_set(const char *name, const char *to)
	{
		const char *value = getenv(name);

		return value != 0 && strcmp(value, to) == 0;
	}

	static void settings(void)
	{
#define X(name) broken_##name = is_set("BROKEN", #name); goal_##name = is_set("GOAL", #name);
		MISTAKES CORNERS
#undef X
	}
}

#define BROKEN(name) c_expr { broken_##name }
#define REACHED(name) if :: c_expr { goal_##name } -> assert(false) :: else fi

mtype = { HELLO, ALIVE, ACK, KEEP, HELD, RESUME };              // to a server; ALIVE: an ACK without entries
mtype = { WELCOME, SUBSCRIBED, DATA, HEARTBEAT, TAKE, MIGRATE, REDIRECT, ENDED, UNKNOWN }; // to the client
mtype = { ENTRY, HANDOVER, CONFIRM };                           // to a peer; ENTRY: its heartbeat as well
mtype = { NOBODY, DEATH, LINK, DRAIN };                         // why a cursor is to move

chan to_s[2] = [CAP] of { mtype, byte, byte, byte, byte, byte }; // handle; epoch, offer or NAK, attempt, mark
chan to_c[2] = [CAP] of { mtype, byte, byte, byte, byte };       // epoch, attempt or flag, sequence, handle
chan to_p[2] = [CAP] of { mtype, byte, bool };                   // to that server: epoch, lapsed

// The client: its connections, and the subscription.
bool up[2];
byte quiet[2], handle[2]; // ticks since it was heard; while down, HELLOs sent
bool c_resuming, c_served = true, c_halted;
bit c_home, c_target;
byte c_epoch = 2, c_highest = 2, c_attempt, c_offer;
byte c_held, c_held_handle, c_held_left; // the offer held
bit c_held_from;
byte c_mark, c_covered, c_ready[N], c_ready_count;
byte c_quiet, c_deaf, c_until, c_asked;

// The servers: what each knows of the client, the subscription, the offer, the table, its peer.
bool paused[2], open[2], offered[2], echo[2], suspected[2];
byte generation[2], unheard[2];
bool subscribed[2];
byte s_epoch[2], s_attempt[2], s_start[2], s_sent[2], s_acked[2], s_unheard[2];
byte commit[2] = N;
byte offer[2], takes[2], offer_left[2], tries[2], rounds[2];
bool offer_held[2];
bool by_home[2], asked[2];
byte known[2] = 2;
bool lapsed[2];
byte peer_quiet[2];
mtype giving[2] = NOBODY;
byte giving_left[2];

// The world.
byte stops, spoils;
bool drained; // server 0, by an operator
bool gone;    // the client, without a word
byte cut, calm, spoiled; // cut: 1 + server: to it; 3 +: from it to the client; 5 +: to it from its peer
byte made[2]; // the last epoch of each

// Of one step: nothing that a choice follows on.
hidden byte x, l, f_e, f_o, f_a, f_m, f_h, f_b, e_new, e_high, i, to, ok, low, was, late;
hidden byte tick_c, tick_s[2];
hidden byte way, last, one;
hidden mtype f_t, ev;

#define OTHER(s) (1 - (s))
#define IS_DRAINED(s) (drained && (s) == 0)
#define put_s(s, t, h, e, o, a, m) \
	if :: cut != 1 + (s) && len(to_s[s]) < CAP -> to_s[s]!t, h, e, o, a, m :: else fi
#define put_c(s, t, e, a, m, h) \
	if :: !gone && cut != 3 + (s) && len(to_c[s]) < CAP -> to_c[s]!t, e, a, m, h :: else fi
#define put_p(s, t, e, b) \
	if :: cut != 5 + (s) && len(to_p[s]) < CAP -> to_p[s]!t, e, b :: else fi

#include "takeover_client.pml"
#include "takeover_server.pml"

// ---- the world ----------------------------------------------------------------------------------

#define DRY(s) (len(to_c[s]) == 0 && (paused[s] || (len(to_s[s]) == 0 && len(to_p[s]) == 0)))
#define TIMELY (DRY(0) && DRY(1) && c_ready_count == 0)

#define UNDER_WAY \
	(len(to_s[0]) + len(to_s[1]) + len(to_c[0]) + len(to_c[1]) + len(to_p[0]) + len(to_p[1]))

#define STILL(s) (paused[s] || (!subscribed[s] && offer[s] == 0 && giving[s] == NOBODY))
#define SETTLED (gone -> (STILL(0) && STILL(1)) : LIVE)
#define LIVE (!c_resuming && c_served && !c_halted && c_held == 0 && !paused[c_home] && \
	subscribed[c_home] && s_epoch[c_home] == c_epoch && c_mark == c_covered && c_mark >= commit[c_home] && \
	offer[c_home] == 0 && STILL(OTHER(c_home)) && (!IS_DRAINED(c_home) || paused[OTHER(c_home)]))

// One frame; or, with a tick, what says that somebody lives.
inline input() {
	do
	:: way <= last ->
		x = way & 1;
		if
		:: way < 2 && len(to_s[x]) > 0 && (one || (!paused[x] && (to_s[x]?[ALIVE] || to_s[x]?[ACK]))) ->
			to_s[x]?f_t, f_h, f_e, f_o, f_a, f_m;
			server_input();
			egress()
		:: (way == 2 || way == 3) && len(to_p[x]) > 0 && (one || (!paused[x] && to_p[x]?[ENTRY])) ->
			to_p[x]?f_t, f_e, f_b;
			peer_input();
			egress()
		:: way >= 4 && len(to_c[x]) > 0 && (one || to_c[x]?[HEARTBEAT]) ->
			to_c[x]?f_t, f_e, f_a, f_m, f_h;
			if
			:: !gone -> client_input()
			:: else
			fi
		:: else
		fi;
		way++
	:: else -> break
	od;
	x = 0
}

inline fault(budget) {
	budget--;
	calm = 0
}

active proctype world() {
	d_step {
		c_code {
			now.stops = setting("STOPS");
			now.spoils = setting("SPOILS");
			now.drained = setting("DRAINED");
			now.up[1] = now.open[1] = !setting("COLD");
			settings();
		};
		commit[1] = N - 1;
		made[0] = 2;
		up[0] = true; open[0] = true; subscribed[0] = true; s_epoch[0] = 2
	}
end:
	do
	:: atomic {
		if
		:: !paused[0] && len(to_s[0]) > 0 -> way = 0; last = 0; one = true
		:: !paused[1] && len(to_s[1]) > 0 -> way = 1; last = 1; one = true
		:: !paused[0] && len(to_p[0]) > 0 -> way = 2; last = 2; one = true
		:: !paused[1] && len(to_p[1]) > 0 -> way = 3; last = 3; one = true
		:: len(to_c[0]) > 0 -> way = 4; last = 4; one = true
		:: len(to_c[1]) > 0 -> way = 5; last = 5; one = true
		:: TIMELY && c_attempt < ATTEMPTS ->
			assert(calm < LATEST || SETTLED);
			calm = (cut == 0 && calm < LATEST -> calm + 1 : calm);
			tick_c = !gone; tick_s[0] = !paused[0]; tick_s[1] = !paused[1];
			way = 0; last = 5; one = false
		:: !(TIMELY) && spoils > 0 && c_attempt < ATTEMPTS ->
			if
			:: !gone -> tick_c = true; tick_s[0] = false; tick_s[1] = false
			:: !paused[0] -> tick_c = false; tick_s[0] = true; tick_s[1] = false
			:: !paused[1] -> tick_c = false; tick_s[0] = false; tick_s[1] = true
			fi;
			fault(spoils);
			way = 6; last = 0
		fi;
		d_step { tick() }
		d_step { input() } }
	:: d_step { c_ready_count > 0 -> app_pull() }
	// faults
	:: atomic { stops > 0 && !paused[0] && !paused[1] ->
		fault(stops);
		if
		:: paused[0] = true
		:: paused[1] = true
		fi }
	:: atomic { paused[0] || paused[1] -> calm = 0; paused[0] = false; paused[1] = false }
	:: atomic { stops > 0 && !gone -> fault(stops); gone = true }
	:: atomic { stops > 0 && cut == 0 ->
		fault(stops);
		if
		:: cut = 1 :: cut = 2 :: cut = 3 :: cut = 4 :: cut = 5 :: cut = 6
		fi }
	:: atomic { cut != 0 -> cut = 0; calm = 0 }
	:: atomic { spoils > 0 && UNDER_WAY > 0 ->
		if
		:: spoiled = 1 // lost
		:: spoiled = 2 // late
		:: spoiled = 3 // twice
		fi;
		if
		:: len(to_s[0]) > 0 -> x = 0; ev = HELLO
		:: len(to_s[1]) > 0 -> x = 1; ev = HELLO
		:: len(to_c[0]) > 0 -> x = 0; ev = DATA
		:: len(to_c[1]) > 0 -> x = 1; ev = DATA
		:: len(to_p[0]) > 0 -> x = 0; ev = ENTRY
		:: len(to_p[1]) > 0 -> x = 1; ev = ENTRY
		fi;
		d_step {
			fault(spoils);
			if
			:: ev == HELLO ->
				if
				:: spoiled < 3 -> to_s[x]?f_t, f_h, f_e, f_o, f_a, f_m
				:: else -> to_s[x]?<f_t, f_h, f_e, f_o, f_a, f_m>
				fi;
				if
				:: spoiled > 1 && len(to_s[x]) < CAP -> to_s[x]!f_t, f_h, f_e, f_o, f_a, f_m
				:: else
				fi
			:: ev == DATA ->
				if
				:: spoiled < 3 -> to_c[x]?f_t, f_e, f_a, f_m, f_h
				:: else -> to_c[x]?<f_t, f_e, f_a, f_m, f_h>
				fi;
				if
				:: spoiled > 1 && len(to_c[x]) < CAP -> to_c[x]!f_t, f_e, f_a, f_m, f_h
				:: else
				fi
			:: else ->
				if
				:: spoiled < 3 -> to_p[x]?f_t, f_e, f_b
				:: else -> to_p[x]?<f_t, f_e, f_b>
				fi;
				if
				:: spoiled > 1 && len(to_p[x]) < CAP -> to_p[x]!f_t, f_e, f_b
				:: else
				fi
			fi;
			spoiled = 0
		} }
	od
}
