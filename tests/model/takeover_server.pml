// SPDX-License-Identifier: BSD-3-Clause
//
// A part of takeover.pml: a server. The frame taken is in f_t, f_e, ...; x is the server.

// ---- a server: the cursor table and its feed (cursor_table.c, cursor_feed.c) --------------------

// And so is everything that is told of to the peer.
inline table_merge(e, b) {
	assert((e) <= made[MAKER(e)]);
	if
	:: (e) > known[x] -> known[x] = (e); lapsed[x] = (b)
	:: (e) == known[x] -> lapsed[x] = lapsed[x] || (b)
	:: else
	fi
}

inline subscription_close() {
	assert(made[0] > s_epoch[x] || made[1] > s_epoch[x] || unheard[x] >= LAPSE || s_unheard[x] >= LAPSE);
	table_merge(s_epoch[x], true);
	put_p(OTHER(x), ENTRY, known[x], lapsed[x]);
	subscribed[x] = false;
	s_epoch[x] = 0; s_attempt[x] = 0; s_start[x] = 0; s_sent[x] = 0; s_acked[x] = 0; s_unheard[x] = 0
}

// ---- a server: offers (dataplane/moves.c, control/offers.c) -------------------------------------

inline slot_close() {
	open[x] = false; offered[x] = false; echo[x] = false; suspected[x] = false;
	unheard[x] = 0;
	generation[x] = (generation[x] + 1) & 3
}

inline offer_leave() {
	offer[x] = 0; takes[x] = 0; offer_held[x] = false
}

// Over: the slot of a client that was only offered a home goes as well.
inline offer_over() {
	offer_leave();
	offer_left[x] = 0; tries[x] = 0; by_home[x] = false; asked[x] = false;
	if
	:: offered[x] -> slot_close()
	:: else
	fi
}

inline send_take() {
	takes[x]++;
	put_c(x, TAKE, offer[x], by_home[x], 0, generation[x])
}

inline offer_send(e) {
	if
	:: subscribed[x] && s_epoch[x] >= (e) -> offer_over() // it is here already
	:: else ->
		if
		:: !open[x] -> offered[x] = true
		:: else
		fi;
		offer[x] = (e);
		offer_left[x] = OFFER_LAST;
		takes[x] = 0;
		offer_held[x] = false;
		if
		:: BROKEN(offer_in_table) -> table_merge(offer[x], false)
		:: else
		fi;
		send_take()
	fi
}

inline offer_kept() {
	if
	:: f_e >= offer[x] && tries[x] < RETRIES && (MAKER(f_e) == x || MAKER(known[x]) == MAKER(f_e)) &&
	   peer_quiet[x] >= DEAD ->
		REACHED(offered_above);
		e_new = ABOVE(f_e, x);
		offer_leave();
		if
		:: offered[x] -> slot_close()
		:: else
		fi;
		tries[x]++;
		offer_send(e_new)
	:: else ->
		if
		:: asked[x] -> put_p(OTHER(x), CONFIRM, 0, false)
		:: else
		fi;
		offer_over()
	fi
}

// What control makes of a table that changed (migration_entry).
inline entry_looked() {
	if
	:: BROKEN(entry_ignored) -> skip
	:: else ->
		if
		:: subscribed[x] && s_epoch[x] < known[x] -> REACHED(fenced_by_entry); subscription_close()
		:: else
		fi
	fi;
	assert(!subscribed[x] || s_epoch[x] >= known[x]);
	if
	:: giving[x] != NOBODY && MAKER(known[x]) != x -> giving[x] = NOBODY; giving_left[x] = 0
	:: else
	fi;
	if
	:: offer[x] != 0 && known[x] >= offer[x] -> offer_over()
	:: else
	fi
}

// ---- a server: requests (stages/session_subscribe.c) --------------------------------------------

inline send_subscribed() {
	s_unheard[x] = 0;
	put_c(x, SUBSCRIBED, s_epoch[x], s_attempt[x], s_start[x], generation[x])
}

inline open_subscription() {
	e_high = MAX(f_e, (ok -> f_o : 0));
	if
	:: BROKEN(no_table) -> skip
	:: else -> e_high = MAX(e_high, MAX(known[x], s_epoch[x]))
	fi;
	if
	:: BROKEN(no_server_id) -> e_new = ABOVE(e_high, 0)
	:: else -> e_new = ABOVE(e_high, x)
	fi;
	assert(e_new > made[x]);
	assert(MAKER(e_new) == x);
	made[x] = e_new;
	if
	:: subscribed[x] ->
		assert(f_a > s_attempt[x]);
		subscribed[x] = false; s_epoch[x] = 0
	:: else
	fi;
	subscribed[x] = true;
	s_epoch[x] = e_new;
	s_attempt[x] = f_a;
	if
	:: BROKEN(start_of_table) -> s_start[x] = (f_m > 0 -> f_m - 1 : 0)
	:: else -> s_start[x] = f_m
	fi;
	assert(s_start[x] == f_m);
	s_sent[x] = s_start[x];
	s_acked[x] = s_start[x];
	send_subscribed();
	table_merge(e_new, false);
	lapsed[x] = false;
	put_p(OTHER(x), ENTRY, known[x], false);
	if
	:: asked[x] -> put_p(OTHER(x), CONFIRM, e_new, false)
	:: else
	fi;
	offer_left[x] = 0; tries[x] = 0; by_home[x] = false; asked[x] = false;
	giving[x] = NOBODY; giving_left[x] = 0
}

inline on_resume() {
	open[x] = true;
	offered[x] = false; // client_prove
	ok = offer[x] != 0 && offer[x] == f_o;
	offer_leave();
	if
	:: BROKEN(attempt_lower) -> was = false
	:: else -> was = subscribed[x] && f_a < s_attempt[x]
	fi;
	if
	:: BROKEN(attempt_repeated) -> late = false
	:: else -> late = subscribed[x] && f_a == s_attempt[x]
	fi;
	if
	:: was -> skip
	:: late -> REACHED(repeated); send_subscribed()
	:: !was && !late && IS_DRAINED(x) && !ok && !subscribed[x] && peer_quiet[x] < DEAD -> // sent_instead
		REACHED(sent_elsewhere);
		put_c(x, REDIRECT, 0, f_a, 0, 0)
	:: else -> open_subscription()
	fi
}

inline on_ack() {
	if
	:: !subscribed[x] -> put_c(x, UNKNOWN, 0, 0, 0, 0)
	:: subscribed[x] && f_e > s_epoch[x] ->
		REACHED(fenced_by_client);
		if
		:: BROKEN(stale_stays) -> skip
		:: else -> subscription_close()
		fi;
		assert(!subscribed[x])
	:: subscribed[x] && f_e == s_epoch[x] ->
		s_unheard[x] = 0;
		s_acked[x] = MAX(s_acked[x], f_m);
		if
		:: f_o != 0 && f_o <= s_sent[x] -> put_c(x, DATA, s_epoch[x], 0, f_o, 0)
		:: else
		fi
	:: else
	fi
}

// egress.c, in the turn of what let it go on.
inline egress() {
	do
	:: subscribed[x] && s_sent[x] < commit[x] && s_sent[x] < s_acked[x] + WINDOW && len(to_c[x]) < CAP ->
		s_sent[x]++;
		put_c(x, DATA, s_epoch[x], 0, s_sent[x], 0)
	:: else -> break
	od
}

// From classify on: under handle and key, from its address.
inline server_input() {
	if
	:: f_t == HELLO ->
		if
		:: !open[x] -> open[x] = true; offered[x] = false
		:: else
		fi;
		unheard[x] = 0;
		put_c(x, WELCOME, 0, 0, 0, generation[x])
	:: f_t != HELLO && f_h == generation[x] && (open[x] || (offered[x] && f_t != ALIVE)) ->
		if
		:: open[x] || f_t == RESUME ->
			unheard[x] = 0;
			suspected[x] = false;
			if
			:: giving[x] == LINK -> giving[x] = NOBODY; giving_left[x] = 0 // heard_again
			:: else
			fi
		:: else
		fi;
		echo[x] = echo[x] || (open[x] && f_t != RESUME);
		if
		:: f_t == RESUME -> on_resume()
		:: f_t == ACK && !offered[x] -> on_ack()
		:: f_t == KEEP && offer[x] != 0 -> offer_kept()
		:: f_t == HELD && offer[x] != 0 ->
			if
			:: !offer_held[x] -> offer_held[x] = true; offer_left[x] = OFFER_LAST
			:: else
			fi
		:: else
		fi
	:: else
	fi
}

// ---- a server: its peer (control/handover.c, orphans.c) -----------------------------------------

inline peer_input() {
	if
	:: peer_quiet[x] >= DEAD && offer[x] != 0 && !by_home[x] -> offer_over() // migration_heard
	:: else
	fi;
	peer_quiet[x] = 0;
	rounds[x] = 0;
	commit[x] = N;
	if
	:: f_t == ENTRY ->
		table_merge(f_e, f_b);
		entry_looked()
	:: f_t == HANDOVER ->
		table_merge(f_e, false);
		entry_looked();
		if
		:: known[x] > f_e -> put_p(OTHER(x), CONFIRM, (MAKER(known[x]) == x -> known[x] : 0), false)
		:: known[x] == f_e && offer[x] == 0 && giving[x] == NOBODY && !IS_DRAINED(x) ->
			by_home[x] = true;
			asked[x] = true;
			offer_send(ABOVE(known[x], x))
		:: known[x] == f_e && offer[x] != 0 -> asked[x] = true // it is under way
		:: else
		fi
	:: f_t == CONFIRM && giving[x] != NOBODY ->
		if
		:: f_e > known[x] ->
			table_merge(f_e, false);
			entry_looked()
		:: else
		fi;
		giving[x] = NOBODY; giving_left[x] = 0
	:: else
	fi
}

// ---- a server: time (stages/heartbeat.c, suspects.c, drain.c) -----------------------------------

inline lapse_tick() {
	unheard[x] = (open[x] -> MIN(unheard[x] + 1, LAPSE) : 0);
	s_unheard[x] = (subscribed[x] -> MIN(s_unheard[x] + 1, 2 * LAPSE) : 0);
	if
	:: BROKEN(no_lapse) -> ok = false
	:: else -> ok = open[x]
	fi;
	if
	:: ok && unheard[x] >= LAPSE ->
		if
		:: subscribed[x] -> put_c(x, ENDED, s_epoch[x], 0, 0, 0); subscription_close()
		:: else
		fi;
		offer_over();
		slot_close()
	:: ok && unheard[x] < LAPSE && subscribed[x] && s_unheard[x] >= unheard[x] + LAPSE ->
		REACHED(lapsed_unheard);
		put_c(x, ENDED, s_epoch[x], 0, 0, 0);
		subscription_close()
	:: else
	fi
}

inline heartbeat_tick() {
	if
	:: open[x] ->
		put_c(x, HEARTBEAT, s_epoch[x], echo[x], s_sent[x], 0);
		echo[x] = false
	:: else
	fi
}

inline taker_tick() {
	if
	:: offer[x] != 0 ->
		if
		:: BROKEN(offer_for_ever) -> skip
		:: else -> offer_left[x]--
		fi;
		if
		:: offer_left[x] == 0 ->
			if
			:: asked[x] -> put_p(OTHER(x), CONFIRM, 0, false)
			:: else
			fi;
			offer_over()
		:: offer_left[x] != 0 && !offer_held[x] && takes[x] < TAKES -> send_take()
		:: else
		fi
	:: offer[x] == 0 && peer_quiet[x] >= DEAD && MAKER(known[x]) != x && !lapsed[x] && rounds[x] < ROUNDS ->
		rounds[x]++;
		offer_send(ABOVE(known[x], x))
	:: else
	fi
}

#define MAY_GIVE (giving[x] == NOBODY && subscribed[x] && peer_quiet[x] < DEAD && offer[x] == 0 && \
	!IS_DRAINED(OTHER(x)))

inline giver_tick() {
	if
	:: giving[x] != NOBODY ->
		giving_left[x]--;
		if
		:: giving_left[x] == 0 || peer_quiet[x] >= DEAD -> giving[x] = NOBODY; giving_left[x] = 0
		:: else
		fi
	:: MAY_GIVE && unheard[x] >= SUSPECT && !suspected[x] ->
		suspected[x] = true;
		giving[x] = LINK;
		giving_left[x] = OFFER_LAST
	:: MAY_GIVE && !(unheard[x] >= SUSPECT && !suspected[x]) && IS_DRAINED(x) ->
		giving[x] = DRAIN;
		giving_left[x] = OFFER_LAST
	:: else
	fi;
	if
	:: giving[x] != NOBODY ->
		put_p(OTHER(x), HANDOVER, known[x], false);
		if
		:: giving[x] == DRAIN && subscribed[x] -> put_c(x, MIGRATE, s_epoch[x], 0, 0, 0)
		:: else
		fi;
		if
		:: BROKEN(handed_early) ->
			if
			:: subscribed[x] -> subscription_close()
			:: else
			fi
		:: else
		fi
	:: else
	fi
}

inline server_tick() {
	peer_quiet[x] = MIN(peer_quiet[x] + 1, DEAD);
	lapse_tick();
	heartbeat_tick();
	taker_tick();
	if
	:: !paused[OTHER(x)] || len(to_p[OTHER(x)]) == 0 -> put_p(OTHER(x), ENTRY, known[x], lapsed[x])
	:: else
	fi;
	giver_tick()
}

inline tick() {
	if
	:: tick_c -> client_tick()
	:: else
	fi;
	tick_c = false;
	x = 0;
	do
	:: x < 2 ->
		if
		:: tick_s[x] -> server_tick()
		:: else
		fi;
		tick_s[x] = false;
		x++
	:: else -> break
	od;
	x = 0
}
