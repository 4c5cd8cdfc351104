// SPDX-License-Identifier: BSD-3-Clause
//
// The hand-over between dispatchers (docs/architecture.md, 3), as the sources do it. Three processes:
//
//   writer   a stream's home core: moves reserve, writes, publishes, commits; laps who is slow
//   core     the core of one whole subscription: session, dispatch, egress, turn after turn
//   client   acknowledges: opens the window, one message at a time
//
// A sequence stands for a record. A cut interval is CUT records, the log holds LOG of them, a ring has RING
// slots, SEQS are appended at most. A second member of the live dispatcher, the witness, always keeps up.
// What takes a choice in the sources (budgets, a full tx) is free here: a turn may stop at any member and
// at any packet. Once the writer is at rest (`calm`) each turn goes to its end.
//
// Checked:
//   1  egress sends start, start + 1, ... each once, in order, with its own bytes        send_end
//   2  the temporary dispatcher ends: in the end live, closed or truncated               ltl settles
//   3  the live dispatcher goes on whatever the subscription does (-DSILENT)              ltl runs
//   4  nothing above the commit is sent or queued                                        send_end, offer
//   5  truncated only where the log moved over what was still needed                     truncate
//
// Once the writer rests the commit is at the head; with -DHELD it may stay below.
//
// -DM_NAME breaks the model in one place, -DGOAL=N asks whether a corner is reached at all: both must fail
// (tests/model/run).
#define CUT  2
#define RING 2
#ifndef LOG
#define LOG 6
#endif
#ifndef SEQS
#define SEQS 8
#endif
#ifndef WINDOW
#define WINDOW 2
#endif
#ifndef GOAL
#define GOAL 0
#endif

#define NO_STOP 255

// Number of the cut that holds a sequence, first sequence of a cut, cuts made, and whether one is kept.
#define CUT_OF(s)   (((s) - 1) / CUT)
#define CUT_SEQ(n)  ((n) * CUT + 1)
#define CUTS_END    ((written + CUT - 1) / CUT)
#define CUT_KEPT(n) (CUT_SEQ(n) >= reserve)
// Where log_seek finds a sequence: the cut at or below it that is made already.
#define SEEK(s) (CUTS_END == 0 -> 0 : (CUT_OF(s) < CUTS_END -> CUT_OF(s) : CUTS_END - 1))

#define REACHED(n) assert(GOAL != (n))

mtype = { NEW, CATCHING_UP, LIVE, LAGGING, ENDED };                // of the subscription
mtype = { R_SENT, R_WINDOW, R_NOTHING, R_SCANNED, R_CLOSED };      // enum egress_result

// The log.
byte written;     // newest record whose bytes are being written, or are
byte head, commit;
byte reserve = 1; // sequences below may be overwritten at any time
bool calm;        // the writer is at rest

// The live dispatcher and the slice that it fans out.
bool l_active, fanning, f_sub, f_witness, f_at_cut; // f_: this member is still ahead
byte l_seq, l_cut, f_first, f_last;
bool witness;
byte witness_next;

// The subscription, its temporary dispatcher and its ring.
mtype state = NEW;
bool joined, ready, t_active, after_d;
byte next_seq, edge, expect, dropped_at;
byte t_seq, t_cut, t_stop;
byte r_count, r_first[RING], r_last[RING];

byte edge_stated; // by the client; on its way to the core

// What egress is sending.
mtype result;
byte p_first, p_last, p_at, n_seq, n_cut;
bool torn, p_ring;

// ---- the live set (dispatch.c) ----

inline live_leave() {
	joined = false;
	f_sub = false;
	if
	:: !witness -> l_active = false; fanning = false; f_first = 0; f_last = 0; f_at_cut = false;
		l_seq = 0; l_cut = 0
	:: else
	fi
}

inline live_drop(at) {
#ifdef M_FORGET_D
	dropped_at = 0;
#else
	dropped_at = at;
#endif
	if
	:: t_active -> REACHED(1) // fell out before it had caught up
	:: else
	fi;
	live_leave();
	expect = 0;
	state = LAGGING;
	ready = true
}

inline offer() {
	assert(f_last <= commit);
	if
	:: !f_at_cut && r_count > 0 && r_last[r_count - 1] + 1 == f_first -> // client_ring_merge
		REACHED(2);
		r_last[r_count - 1] = f_last;
		expect = f_last + 1;
		ready = true
	:: else ->
		if
		:: r_count < RING ->
			r_first[r_count] = f_first;
			r_last[r_count] = f_last;
			r_count++;
			expect = f_last + 1;
			ready = true
		:: else ->
#ifdef M_OVERFLOW
			expect = f_last + 1
#else
			live_drop(f_first)
#endif
		fi
	fi
}

inline fan_out_sub() {
	f_sub = false;
	if
#ifndef M_NO_SKIP
	:: f_last < expect -> REACHED(3)
	:: else ->
#else
	:: true ->
#endif
		assert(f_first == expect);
		offer()
	fi
}

inline fan_out_witness() {
	f_witness = false;
	assert(f_first == witness_next);
	witness_next = f_last + 1
}

// log_next for the live dispatcher. A cut's number moves on when the next one is made.
inline next_slice(limit) {
	if
	:: CUTS_END > l_cut + 1 && l_seq >= CUT_SEQ(l_cut + 1) -> l_cut++
	:: else
	fi;
	if
	:: !CUT_KEPT(l_cut) -> // live_lapped
		REACHED(4);
		witness = false;
		witness_next = 0;
		if
		:: joined -> live_drop(expect)
		:: else -> l_active = false; l_seq = 0; l_cut = 0
		fi
	:: else ->
		f_first = l_seq;
		f_at_cut = (l_seq == CUT_SEQ(l_cut));
		f_last = limit;
		if
		:: CUTS_END > l_cut + 1 && CUT_SEQ(l_cut + 1) <= limit -> f_last = CUT_SEQ(l_cut + 1) - 1
		:: else
		fi;
		assert(CUT_OF(f_first) == CUT_OF(f_last));
		l_seq = f_last + 1;
		if
		:: CUTS_END > l_cut + 1 && l_seq == CUT_SEQ(l_cut + 1) -> l_cut++
		:: else
		fi;
		fanning = true;
		f_sub = joined;
		f_witness = witness
	fi
}

#ifdef M_ABOVE_COMMIT
#define VISIBLE head
#else
#define VISIBLE commit
#endif

#ifdef M_LIVE_WAITS
#define MAY_OFFER (r_count < RING)
#else
#define MAY_OFFER true
#endif

inline dispatch_burst() {
	do
	:: atomic { l_active && !fanning && l_seq <= VISIBLE -> next_slice(VISIBLE) }
	:: atomic { fanning && f_sub && MAY_OFFER -> fan_out_sub() }
	:: atomic { fanning && f_witness -> fan_out_witness() }
	:: atomic { fanning && !f_sub && !f_witness -> fanning = false; f_first = 0; f_last = 0;
		f_at_cut = false }
	:: atomic { !calm || !l_active || (!fanning && l_seq > VISIBLE) || (f_sub && !MAY_OFFER) -> break }
	od
}

// ---- a subscription's end (core_subscriptions.c) ----

inline subscription_close() {
	if
	:: joined -> live_leave()
	:: else
	fi;
	t_active = false; t_seq = 0; t_cut = 0; t_stop = 0;
	r_count = 0; r_first[0] = 0; r_first[1] = 0; r_last[0] = 0; r_last[1] = 0;
	next_seq = 0; edge = 0; edge_stated = 0; expect = 0; dropped_at = 0;
	ready = false; after_d = false;
	state = ENDED
}

inline truncate() {
	assert(!CUT_KEPT(CUT_OF(next_seq)));
	result = R_CLOSED;
#ifndef M_NO_ANSWER
	subscription_close()
#endif
}

// ---- the temporary dispatcher (temporary.c) ----

inline temporary_spawn(seq) {
	if
	:: CUT_KEPT(SEEK(seq)) ->
		t_active = true;
		t_seq = seq;
		t_cut = SEEK(seq);
		t_stop = NO_STOP;
		state = CATCHING_UP
	:: else ->
		truncate()
	fi
}

inline temporary_retire() {
	t_active = false; t_seq = 0; t_cut = 0; t_stop = 0;
	if
	:: state == CATCHING_UP && joined ->
		if
		:: after_d -> REACHED(5) // live again behind D
		:: else
		fi;
		after_d = false;
		state = LIVE
	:: else
	fi
}

#ifdef M_JOIN_EARLY
#define JOIN_STOP (l_seq < 2 -> 0 : l_seq - 2)
#else
#ifdef M_JOIN_LATE
#define JOIN_STOP (l_seq <= commit -> l_seq : l_seq - 1)
#else
#define JOIN_STOP (l_seq - 1)
#endif
#endif

inline temporary_try_join() {
	if
	:: !joined && state == CATCHING_UP ->
		if
		:: !l_active && CUT_KEPT(SEEK(commit + 1)) -> // live_start
			l_active = true;
			l_seq = commit + 1;
			l_cut = SEEK(commit + 1)
		:: else
		fi;
		if
		:: l_active && l_seq >= t_seq && l_cut <= t_cut + RING / 2 ->
			joined = true;
			expect = l_seq;
			t_stop = JOIN_STOP;
			// A member that joins while a fan-out is paused may stand on either side of it.
			if
			:: fanning -> f_sub = true
			:: true
			fi
		:: else ->
			if
			:: l_active && !witness -> l_active = false; l_seq = 0; l_cut = 0 // started for nobody
			:: else
			fi
		fi
	:: else
	fi
}

// ---- egress (egress.c) ----

// log_next for the temporary dispatcher, then send_slice. The edge is at or above t_seq.
inline take_temporary() {
	n_seq = (t_stop != NO_STOP -> t_stop : (l_active -> l_seq - 1 : commit)); // temporary_end
	n_cut = t_cut;
	if
	:: t_seq > n_seq -> result = R_SCANNED
	:: else ->
		if
		:: CUTS_END > n_cut + 1 && t_seq >= CUT_SEQ(n_cut + 1) -> n_cut++
		:: else
		fi;
		if
		:: !CUT_KEPT(n_cut) -> truncate()
		:: else ->
			p_first = t_seq;
			p_last = (n_seq < edge -> n_seq : edge);
			if
			:: CUTS_END > n_cut + 1 && CUT_SEQ(n_cut + 1) <= p_last -> p_last = CUT_SEQ(n_cut + 1) - 1
			:: else
			fi;
			n_seq = p_last + 1;
			if
			:: CUTS_END > n_cut + 1 && n_seq == CUT_SEQ(n_cut + 1) -> n_cut++
			:: else
			fi
		fi
	fi
}

inline serve_temporary() {
	temporary_try_join();
	if
	:: t_stop != NO_STOP && t_seq == t_stop + 1 -> temporary_retire(); result = R_SCANNED
	:: else ->
		if
		:: t_seq > edge -> result = R_WINDOW
		:: else -> take_temporary()
		fi
	fi;
	if
	:: p_first == 0 -> n_seq = 0; n_cut = 0
	:: else
	fi
}

inline serve_ring() {
	if
	:: r_count == 0 && state != LAGGING -> result = R_NOTHING
#ifdef M_NO_DRAIN
	:: state == LAGGING ->
#else
	:: r_count == 0 && state == LAGGING ->
#endif
		result = R_SCANNED;
		after_d = true;
#ifdef M_FORGET_D
		temporary_spawn(commit + 1);
#else
		temporary_spawn(dropped_at);
#endif
		dropped_at = 0
	:: else ->
		if
		:: r_first[0] > edge -> result = R_WINDOW
		:: else ->
			p_ring = true;
			p_first = r_first[0];
			p_last = (r_last[0] < edge -> r_last[0] : edge)
		fi
	fi
}

// After the copy: what the writer overtook is not sent. Then client_ring_pop or _trim, or the place moves.
inline send_end() {
	if
#ifndef M_NO_LAP
	:: p_first < reserve ->
		if
		:: p_ring -> REACHED(6) // a slice in the ring was overwritten
		:: else
		fi;
		truncate()
	:: else ->
#else
	:: true ->
#endif
		assert(p_first == next_seq);
		assert(p_last <= commit);
		assert(p_last <= edge);
		assert(!torn);
		next_seq = p_last + 1;
		result = R_SENT;
		if
		:: p_ring && p_last == r_last[0] ->
			r_first[0] = r_first[1]; r_last[0] = r_last[1]; r_first[1] = 0; r_last[1] = 0;
			r_count--
		:: p_ring && p_last != r_last[0] -> REACHED(7); r_first[0] = p_last + 1 // split at the edge
		:: else -> t_seq = n_seq; t_cut = n_cut
		fi
	fi;
	p_first = 0; p_last = 0; p_at = 0; n_seq = 0; n_cut = 0; torn = false; p_ring = false
}

// ready_pop, then serve() while packets go out.
inline egress_burst() {
	if
	:: atomic { ready && state != NEW && state != ENDED ->
		ready = false;
		result = R_SENT }
		do
		:: atomic { result == R_SENT ->
			if
			:: t_active -> serve_temporary()
			:: else -> serve_ring()
			fi }
			if
			:: atomic { p_first != 0 -> p_at = p_first }
				if
				// Time and epoch of a slice come from its cut; only what was looked up
				// before is known without it.
				:: atomic { !CUT_KEPT(CUT_OF(p_first)) ->
					p_first = 0; p_last = 0; p_at = 0; n_seq = 0; n_cut = 0; p_ring = false;
					truncate() }
				:: true ->
					do // the copy: the writer may be in the middle of it
					:: atomic { p_at <= p_last -> torn = torn || written >= p_at + LOG; p_at++ }
					:: else -> break
					od;
					atomic { send_end() }
				fi
			:: else
			fi
		:: result != R_SENT || !calm -> break // a turn's budget, a full tx
		od;
		atomic {
			if
			:: result == R_SENT || result == R_SCANNED -> ready = true
			:: else
			fi;
			result = 0
		}
	:: !calm || !ready || state == NEW || state == ENDED
	fi
}

// ---- the processes ----

active proctype core() {
	atomic {
		if
		:: CUT_KEPT(SEEK(commit + 1)) ->
			witness = true;
			witness_next = commit + 1;
			l_active = true;
			l_seq = commit + 1;
			l_cut = SEEK(commit + 1)
		:: true
		fi
	}
	do
	// session: an ACK; SUBSCRIBE at any sequence, kept or not; UNSUBSCRIBE or a lapse at any time
	:: atomic {
		if
		:: edge_stated > edge -> edge = edge_stated; ready = true
		:: else
		fi;
		if
		:: state == NEW ->
			n_seq = commit + 1;
			do
			:: n_seq > 1 -> n_seq--
			:: break
			od;
			next_seq = n_seq;
			edge = n_seq - 1 + WINDOW;
			edge_stated = edge;
			ready = true;
			temporary_spawn(n_seq);
			n_seq = 0;
			result = 0
		:: state != NEW && state != ENDED -> subscription_close()
		:: true
		fi }
		dispatch_burst();
		egress_burst()
	od
}

active proctype writer() {
	do
	// append: not more than half a log above the commit; reserve moves before bytes are overwritten
	:: atomic { written < SEQS && written + 1 - commit <= LOG / 2 && written + 1 < reserve + LOG -> written++ }
	:: atomic { written < SEQS && written + 1 - commit <= LOG / 2 && written + 1 >= reserve + LOG -> reserve++ }
	:: atomic { head < written -> head = written }
	:: atomic { commit < head -> commit++ }
#ifdef HELD
	:: atomic { head == written -> calm = true; break }
#else
	:: atomic { head == written && commit == head -> calm = true; break }
#endif
	od
}

active proctype client() {
end:
	do
#ifndef SILENT
	:: atomic { state != NEW && state != ENDED && edge_stated < next_seq - 1 + WINDOW -> edge_stated++ }
#else
	:: false
#endif
	od
}

#define SETTLED (state == NEW || state == ENDED || \
	(state == LIVE && !t_active && r_count == 0 && next_seq == commit + 1))
#define LIVE_DONE (!l_active || (!fanning && l_seq == commit + 1))

ltl settles { <> [] SETTLED }
ltl runs { <> [] LIVE_DONE }
