// SPDX-License-Identifier: BSD-3-Clause
//
// A part of takeover.pml: the client. The frame taken is in f_t, f_e, ...; x is who sent it.

// ---- the client: moves (move.c) -----------------------------------------------------------------

inline send_ack(s, nak) {
	put_s(s, ACK, handle[s], c_epoch, nak, 0, c_mark)
}

inline subscription_resume() {
	c_resuming = true;
	c_attempt++
}

inline send_resume() {
	if
	:: c_resuming && up[c_target] ->
		put_s(c_target, RESUME, handle[c_target], c_highest, c_offer, c_attempt, c_mark)
	:: else
	fi
}

inline move_begin() {
	c_asked = 0;
	if
	:: !c_served -> c_until = ELSEWHERE
	:: else
	fi;
	subscription_resume()
}

inline move_undo() {
	REACHED(undone);
	c_resuming = false;
	c_halted = false;
	c_target = c_home;
	c_offer = 0;
	c_until = 0
}

inline move_to(where, planned) {
	if
	:: (planned) && (where) == c_home -> move_undo()
	:: else ->
		if
		:: !(planned) -> c_served = false; c_until = 0
		:: (planned) && !(c_resuming && c_served) -> c_until = MOVE_LAST
		:: else
		fi;
		c_target = (where);
		c_offer = 0;
		c_resuming = true;
		if
		:: up[c_target] -> move_begin()
		:: else
		fi
	fi
}

// ---- the client: offers (offer.c) ---------------------------------------------------------------

#define HOME_SILENT (quiet[c_home] >= 1 || !up[c_home])
#define OFFER_SILENCE (c_served -> (HOME_SILENT || c_deaf >= 2) : (!up[c_target] || c_asked >= 1))

// A link comes up under the handle of an offer, then the subscription moves there.
inline offer_accept(from, e, h, by) {
	to = from; f_e = (e); f_h = (h);
	assert(f_e > c_epoch);
	assert((by) || !c_served || HOME_SILENT || c_deaf >= 2);
	assert((by) || c_served || !up[c_target] || c_asked >= 1);
	c_held = 0; c_held_left = 0; c_held_handle = 0; c_held_from = 0;
	if
	:: !up[to] || handle[to] != f_h -> // client_link_adopt
		handle[to] = f_h;
		up[to] = true;
		quiet[to] = 0;
		if
		:: c_resuming && c_target == to -> move_begin()
		:: else
		fi
	:: else
	fi;
	if
	:: to == c_home && c_served ->
		c_target = to;
		c_until = MOVE_LAST;
		c_asked = 0;
		subscription_resume()
	:: else -> move_to(to, c_served)
	fi;
	c_offer = f_e
}

inline on_take() {
	if
	:: BROKEN(offer_low) -> low = false
	:: else -> low = f_e <= MAX(c_epoch, c_offer)
	fi;
	if
	:: BROKEN(take_well) -> ok = true
	:: else -> ok = f_a == 1 || OFFER_SILENCE
	fi;
	if
	:: c_offer == f_e && c_target == x -> skip // a repeat
	:: !(c_offer == f_e && c_target == x) && low ->
		put_s(x, KEEP, f_h, c_epoch, 0, 0, 0)
	:: else ->
		if
		:: ok ->
			if
			:: f_a == 0 -> REACHED(taken)
			:: else -> REACHED(taken_by_home)
			fi;
			offer_accept(x, f_e, f_h, f_a == 1);
			send_resume()
		:: else ->
			if
			:: c_held && !(c_held_from == x && c_held == f_e) && f_e <= c_held ->
				put_s(x, KEEP, f_h, c_epoch, 0, 0, 0)
			:: else ->
				if
				:: !(c_held_from == x && c_held == f_e) ->
					c_held = f_e;
					c_held_from = x;
					c_held_handle = f_h;
					c_held_left = MOVE_LAST
				:: else
				fi;
				put_s(x, HELD, f_h, c_epoch, 0, 0, 0)
			fi
		fi
	fi
}

// ---- the client: a server is lost (links.c, move.c) ---------------------------------------------

inline on_lost(lost) {
	was = c_served && c_home == (lost);
	if
	:: c_held && c_held_from == (lost) ->
		c_held = 0; c_held_left = 0; c_held_handle = 0; c_held_from = 0
	:: else
	fi;
	if
	:: was -> c_served = false
	:: else
	fi;
	if
	:: c_target != (lost) ->
		if
		:: was -> c_until = ELSEWHERE
		:: else
		fi
	:: else ->
		if
		:: c_served -> move_undo()
		:: !c_served && c_held != 0 ->
			offer_accept(c_held_from, c_held, c_held_handle, false)
		:: else -> move_to(OTHER(lost), false)
		fi
	fi
}

// ---- the client: answers (answer.c, ended.c) ----------------------------------------------------

inline ready_cut(seq) {
	do
	:: c_ready_count > 0 && c_ready[c_ready_count - 1] > (seq) ->
		c_ready_count--;
		c_ready[c_ready_count] = 0
	:: else -> break
	od
}

inline ask_again() {
	REACHED(overtaken);
	ready_cut(c_mark);
	c_covered = c_mark;
	c_halted = true;
	if
	:: !c_resuming -> c_target = x; c_until = MOVE_LAST
	:: else
	fi;
	c_offer = 0;
	subscription_resume();
	send_resume()
}

inline answer_settle() {
	assert(f_e > c_epoch);
	c_epoch = f_e;
	if
	:: c_home != x && c_served -> REACHED(home_told); send_ack(c_home, 0) // the home of before is told
	:: else
	fi;
	if
	:: c_home != x -> c_deaf = 0
	:: else
	fi;
	c_resuming = false; c_served = true; c_halted = false;
	c_home = x; c_target = x;
	c_offer = 0; c_until = 0; c_quiet = 0; c_asked = 0;
	handle[x] = f_h;
	if
	:: c_held && c_held <= c_epoch ->
		c_held = 0; c_held_left = 0; c_held_handle = 0; c_held_from = 0
	:: else
	fi;
	assert(f_m <= c_covered); // no hole
	if
	:: BROKEN(no_cut) -> skip
	:: else -> ready_cut(f_m)
	fi;
	c_covered = MIN(c_covered, f_m);
	send_ack(x, 0)
}

inline on_subscribed() {
	if // answer_is_late, client_answer_is_awaited
	:: f_a == c_attempt && (c_resuming -> x == c_target : f_e > c_epoch) ->
		if
		:: BROKEN(no_overtaken) -> answer_settle()
		:: else ->
			if
			:: f_m < c_mark -> ask_again()
			:: else -> answer_settle()
			fi
		fi
	:: else
	fi
}

inline ended_again() {
	if
	:: c_resuming -> c_served = false
	:: else -> move_to(c_home, false) // after a moment: with the next tick
	fi
}

// ---- the client: what comes in (input.c, receive.c) ---------------------------------------------

inline on_stale() {
	if
	:: f_e < c_epoch && !c_resuming && up[x] && x != c_home -> REACHED(stale_told); send_ack(x, 0)
	:: else
	fi
}

inline on_data() {
	on_stale();
	if
	:: BROKEN(epoch_of_data) -> ok = true
	:: else -> ok = f_e == c_epoch
	fi;
	if
	:: ok ->
		assert(f_e == c_epoch);
		c_quiet = 0;
		if
		:: BROKEN(repeats) -> ok = f_m <= c_covered + 1 && c_ready_count < N
		:: else -> ok = f_m == c_covered + 1
		fi;
		if
		:: !c_halted && ok ->
			c_covered = f_m;
			c_ready[c_ready_count] = f_m;
			c_ready_count++
		:: else
		fi
	:: else
	fi
}

inline on_heartbeat() {
	if
	:: x == c_home && f_a == 1 -> c_deaf = 0
	:: else
	fi;
	if
	:: f_e != 0 ->
		on_stale();
		if
		:: c_served && x == c_home && f_e == c_epoch ->
			c_quiet = 0;
			if
			:: !c_halted && f_m > c_covered -> send_ack(x, c_covered + 1)
			:: else
			fi
		:: else
		fi
	:: else
	fi
}

inline client_input() {
	if
	:: up[x] -> quiet[x] = 0
	:: else
	fi;
	if
	:: f_t != WELCOME && f_t != UNKNOWN && (up[x] || f_t == DATA) ->
		c_highest = MAX(c_highest, (f_t == TAKE -> 0 : f_e))
	:: else
	fi;
	if
	:: f_t == WELCOME && !up[x] ->
		up[x] = true;
		quiet[x] = 0;
		handle[x] = f_h;
		if
		:: c_resuming && c_target == x -> move_begin(); send_resume()
		:: else
		fi
	:: f_t == DATA -> on_data()
	:: f_t == TAKE -> on_take()
	:: f_t == SUBSCRIBED && up[x] -> on_subscribed()
	:: f_t == HEARTBEAT && up[x] -> on_heartbeat()
	:: f_t == ENDED && up[x] && c_served && x == c_home && f_e == c_epoch -> ended_again()
	:: f_t == UNKNOWN && up[x] && c_served && x == c_home -> ended_again()
	:: f_t == REDIRECT && up[x] && c_resuming && x == c_target && f_a == c_attempt ->
		move_to(OTHER(x), c_served);
		send_resume()
	:: f_t == MIGRATE && up[x] ->
		on_stale();
		if
		:: c_served && x == c_home && f_e == c_epoch && !c_resuming ->
			REACHED(migrated);
			move_to(OTHER(x), true);
			send_resume()
		:: else
		fi
	:: else
	fi
}

inline app_pull() {
	i = 0;
	do
	:: i < c_ready_count ->
		assert(c_ready[i] == c_mark + 1);
		c_mark = c_ready[i];
		c_ready[i] = 0;
		i++
	:: else -> break
	od;
	c_ready_count = 0
}

// ---- the client: time (link.c, offer.c, move.c) -------------------------------------------------

inline links_tick() {
	l = 0;
	do
	:: l < 2 ->
		quiet[l]++;
		if
		:: up[l] && quiet[l] >= SILENT -> up[l] = false; quiet[l] = 0; on_lost(l)
		:: !up[l] && quiet[l] > SILENT -> // client_links_failed
			quiet[l] = 0;
			if
			:: c_resuming && c_target == l -> on_lost(l)
			:: else
			fi
		:: else
		fi;
		l++
	:: else -> break
	od
}

inline offer_tick() {
	if
	:: c_held != 0 && OFFER_SILENCE ->
		REACHED(held_then_silent);
		offer_accept(c_held_from, c_held, c_held_handle, false)
	:: c_held != 0 && !(OFFER_SILENCE) ->
		c_held_left--;
		if
		:: c_held_left == 0 ->
			put_s(c_held_from, KEEP, c_held_handle, c_epoch, 0, 0, 0);
			c_held = 0; c_held_handle = 0; c_held_from = 0
		:: else
		fi
	:: else
	fi
}

inline move_tick() {
	if
	:: !c_resuming && c_quiet >= quiet[c_home] + SILENT -> move_to(c_home, false) // move_is_forgotten
	:: c_resuming && c_until == 1 ->
		c_until = 0;
		if
		:: c_served -> move_undo()
		:: else -> move_to(OTHER(c_target), false)
		fi
	:: else -> c_until = (c_until > 0 -> c_until - 1 : 0)
	fi
}

inline client_tick() {
	c_quiet = MIN(c_quiet + 1, 2 * SILENT);
	c_deaf = MIN(c_deaf + 1, 2);
	c_asked = (c_resuming -> MIN(c_asked + 1, 1) : 0);
	links_tick();
	offer_tick();
	move_tick();
	l = 0;
	do
	:: l < 2 ->
		if
		:: !up[l] -> put_s(l, HELLO, 0, 0, 0, 0, 0)
		:: up[l] && paused[l] && len(to_s[l]) > 0 // as many as fit
		:: up[l] && !(paused[l] && len(to_s[l]) > 0) && c_served && c_home == l -> send_ack(l, 0)
		:: else -> put_s(l, ALIVE, handle[l], 0, 0, 0, 0)
		fi;
		l++
	:: else -> break
	od;
	send_resume()
}
