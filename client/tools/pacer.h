// SPDX-License-Identifier: BSD-3-Clause
//
// So many messages a second, by the clock and without busy waiting: a sleeper wakes when at least
// half a millisecond's worth is due (one message at low rates) and sends at most 2 ms' worth at a
// time. What fell due while the sender was held up is made up for as far as 100 ms; the rest is
// given up, so that a long stop ends in no flood. Pure: time is an argument, in ns.
#ifndef CLIENT_TOOLS_PACER_H
#define CLIENT_TOOLS_PACER_H

#include <stdint.h>

#define PACER_QUANTUM_NS 500000u
#define PACER_BURST_NS	 2000000u
#define PACER_ARREARS_NS 100000000u
#define PACER_UNPACED	 1024u // messages a time where there is no rate

struct pacer {
	double rate; // messages a second; 0: as fast as they go
	uint64_t start_ns;
	uint64_t given; // messages since start_ns
};

static inline void pacer_start(struct pacer *pacer, uint64_t now_ns, double rate)
{
	*pacer = (struct pacer){.rate = rate, .start_ns = now_ns};
}

// Messages that one `ns` long stretch holds, at least 1.
static inline uint64_t pacer_worth(const struct pacer *pacer, uint64_t ns)
{
	double worth = pacer->rate * (double)ns / 1e9;

	return worth < 1 ? 1 : (uint64_t)worth;
}

// How many messages may go now; 0: wait first.
static inline uint64_t pacer_allow(struct pacer *pacer, uint64_t now_ns)
{
	uint64_t due, burst;

	if (pacer->rate <= 0)
		return PACER_UNPACED;
	// The first one goes at once.
	due = 1 + (uint64_t)((double)(now_ns - pacer->start_ns) * pacer->rate / 1e9);
	if (due < pacer->given + pacer_worth(pacer, PACER_QUANTUM_NS) && pacer->given > 0)
		return 0;
	if (due - pacer->given > pacer_worth(pacer, PACER_ARREARS_NS)) {
		pacer->start_ns = now_ns - PACER_ARREARS_NS;
		pacer->given = 0;
		due = 1 + pacer_worth(pacer, PACER_ARREARS_NS);
	}
	burst = pacer_worth(pacer, PACER_BURST_NS);
	return due - pacer->given < burst ? due - pacer->given : burst;
}

static inline void pacer_give(struct pacer *pacer, uint64_t count)
{
	pacer->given += count;
}

// How long until pacer_allow() says more than 0.
static inline uint64_t pacer_wait_ns(const struct pacer *pacer, uint64_t now_ns)
{
	uint64_t wanted, at_ns;

	if (pacer->rate <= 0 || pacer->given == 0)
		return 0;
	wanted = pacer->given + pacer_worth(pacer, PACER_QUANTUM_NS) - 1;
	at_ns = pacer->start_ns + (uint64_t)((double)wanted * 1e9 / pacer->rate) + 1;
	return at_ns > now_ns ? at_ns - now_ns : 0;
}

#endif
